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
    let (mut probes, mut fewest, mut closest) = (0, usize::MAX, Duration::MAX);
    for (id, wire) in &wires {
        // A check touches a server, then asks it over another connection; of a worker that is killed just
        // before it asks, that other one is left as if it had only touched as well.
        let cut_off = |touch: &Touch| {
            let by = |kill: &Instant| {
                touch.ended >= *kill && touch.ended - *kill < Duration::from_millis(500) && touch.began < *kill
            };
            kills.iter().any(by)
        };
        let touched: Vec<Instant> = wire
            .touched()
            .iter()
            .filter(|touch| !cut_off(touch))
            .map(|touch| touch.began)
            .collect();
        probes += touched.len();
        fewest = fewest.min(touched.len());
        for pair in touched.windows(2) {
            closest = closest.min(pair[1].duration_since(pair[0]));
        }
        let kept = shared.registry.health_history(*id, None, 10_000).await.unwrap().len();
        // One of them made the server active, before the workers were there.
        assert!(kept <= touched.len() + 1, "{kept} checks kept of {}", touched.len());
    }
    let rounds = usize::try_from(ran.as_millis() / INTERVAL.as_millis()).unwrap() + 1;
    assert!(
        closest >= INTERVAL - Duration::from_millis(150),
        "two probes of a server {closest:?} apart"
    );
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
         none of a server closer than {closest:?} to its last; {fewest} of the least looked at"
    );
    let _ = std::fs::remove_dir_all(folder);
}
