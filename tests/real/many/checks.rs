//! Checks are shared out: whichever workers there are, each server is looked at once in a round.

use super::crew::crew;
use super::ground::{Shared, config, scratch};
use super::wire::{Touch, Wire};
use super::{Dice, soak};
use crate::harness::standin;
use crate::jobs_kit::{activate, op, server_spec, wait_until};
use std::time::{Duration, Instant};

const WORKERS: usize = 5;
const INTERVAL: Duration = Duration::from_secs(2);
const SETTINGS: &str =
    "[worker]\nchecks = true\n[checks]\ninterval = \"2s\"\njitter = \"100ms\"\nattempts = 1\ntimeout = \"1s\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_no_server_is_looked_at_twice_in_a_round() {
    let (servers, time, every) = match soak() {
        true => (100, Duration::from_secs(120), Duration::from_secs(5)),
        false => (12, Duration::from_secs(8), Duration::from_secs(3)),
    };
    let mut dice = Dice::new("checks");
    let shared = Shared::new().await;
    let odoo = standin().await;
    let folder = scratch("checks");
    let mut wires = Vec::new();
    for number in 0..servers {
        let wire = Wire::to(odoo.address().port()).await;
        let spec = server_spec(&format!("prod-{number}"), &format!("http://127.0.0.1:{}", wire.port));
        let server = shared.registry.add_server(&op(), &spec).await.unwrap();
        activate(shared.registry.as_ref(), &server).await;
        wires.push((server.id, wire));
    }
    // Who is to look is decided by the registry: each time it did is written down where it happens.
    let sql = shared.sql().await;
    sql.batch_execute(
        "CREATE TABLE looked (at timestamptz, server bigint);
         CREATE FUNCTION note_look() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
             INSERT INTO public.looked VALUES (NEW.check_claimed_at, NEW.id); RETURN NULL;
         END $$;
         CREATE TRIGGER note_look AFTER UPDATE OF check_claimed_at ON saas_server FOR EACH ROW
             WHEN (NEW.check_claimed_at IS DISTINCT FROM OLD.check_claimed_at) EXECUTE FUNCTION note_look();",
    )
    .await
    .unwrap();
    let address = shared.address();
    let configs: Vec<_> = (0..WORKERS)
        .map(|n| {
            config(
                &folder,
                &format!("worker-{n}"),
                &address,
                &shared.password_file(),
                SETTINGS,
            )
        })
        .collect();
    let began = Instant::now();
    let mut workers = crew(&configs);
    let mut kills = Vec::new();
    let mut next = began + every;
    while began.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if Instant::now() >= next {
            next += every;
            kills.push(Instant::now());
            workers[dice.below(WORKERS)].again();
        }
    }
    let killed = kills.len();
    // One that has only just been started would not yet hear that it is to stop.
    wait_until("all workers to be there", || async {
        let known = shared.registry.workers().await.unwrap_or_default();
        workers.iter().all(|worker| {
            known
                .iter()
                .any(|k| k.alive && k.id.contains(&format!(":{}:", worker.pid())))
        })
    })
    .await;
    for worker in &mut workers {
        // What it is looking at is left as well.
        kills.push(Instant::now());
        worker.stop().await;
    }
    let ran = began.elapsed();
    let (mut probes, mut fewest) = (0, usize::MAX);
    for (id, wire) in &wires {
        // A check touches a server, then asks it over another connection. Of a worker that is killed just before it
        // asks, and of a check whose time is over by then, that other one is left as if it had only touched as well:
        // it ends with the worker, or late.
        let other = |touch: &Touch| {
            let by = |kill: &Instant| {
                touch.ended >= *kill && touch.ended - *kill < Duration::from_millis(500) && touch.began < *kill
            };
            touch.ended - touch.began > Duration::from_millis(500) || kills.iter().any(by)
        };
        let touched = wire.touched().iter().filter(|touch| !other(touch)).count();
        probes += touched;
        fewest = fewest.min(touched);
        let count = "SELECT count(*) FROM looked WHERE server = $1";
        let handed: i64 = sql.query_one(count, &[&id.0]).await.unwrap().get(0);
        // What a killed worker's connection looks like depends on how late the machine is: one more for each at most.
        assert!(
            touched as i64 <= handed + killed as i64,
            "server {id} was looked at {touched} times, and handed out {handed} times"
        );
        let kept = shared.registry.health_history(*id, None, 10_000).await.unwrap().len();
        // One of them made the server active, before the workers were there.
        assert!(kept as i64 <= handed + 1, "{kept} checks kept of {handed}");
    }
    let rounds = usize::try_from(ran.as_millis() / INTERVAL.as_millis()).unwrap() + 1;
    let ask = "SELECT (extract(epoch FROM min(apart)) * 1000)::bigint
               FROM (SELECT at - lag(at) OVER (PARTITION BY server ORDER BY at) AS apart FROM looked) AS pairs";
    let closest: i64 = sql.query_one(ask, &[]).await.unwrap().get(0);
    let closest = Duration::from_millis(u64::try_from(closest).unwrap());
    assert!(closest >= INTERVAL, "a server handed out twice, {closest:?} apart");
    assert!(
        probes <= servers * rounds,
        "{probes} probes of {servers} servers in {rounds} rounds"
    );
    // A round is an interval, up to a tenth more, and until someone asks; one is lost with a worker that is killed.
    let least = usize::try_from(ran.as_millis() / (INTERVAL * 14 / 10).as_millis()).unwrap();
    assert!(
        fewest + killed + 2 >= least,
        "{fewest} probes of a server where {least} were due"
    );
    eprintln!(
        "H6: {WORKERS} workers, {servers} servers every {INTERVAL:?} for {ran:?}, {killed} workers killed: {probes} probes, \
         no server handed out sooner than {closest:?} after its last time; {fewest} of the least looked at"
    );
    let _ = std::fs::remove_dir_all(folder);
}
