//! How soon a dead worker's jobs are another's, and what becomes of jobs whose registry goes away.

use super::crew::{Hand, worker};
use super::evidence::{given, judge};
use super::ground::Ground;
use super::wire::Wire;
use super::{quantile, soak};
use crate::jobs_kit::wait_until;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};
use vigie::domain::JobId;
use vigie::domain::job::{JobKind, JobState, StepState};
use vigie::jobs::kinds;

/// Whether processes can be given a host of another name here.
fn other_hosts() -> bool {
    let tried = Command::new("unshare").args(["--uts", "true"]).status();
    tried.is_ok_and(|status| status.success())
}

async fn holders(ground: &Ground) -> BTreeMap<JobId, (i64, String)> {
    let sql = ground.shared.sql().await;
    let ask = "SELECT id, token, worker FROM saas_job WHERE worker IS NOT NULL";
    let rows = sql.query(ask, &[]).await.unwrap();
    rows.iter()
        .map(|row| (JobId(row.get(0)), (row.get(1), row.get(2))))
        .collect()
}

/// Two workers, on hosts of their own where `elsewhere`; one holds all jobs, the other has nothing to do. The one is
/// killed, and it is measured how long each of its jobs waits for the other; then they change places.
async fn takeovers(elsewhere: bool, rounds: usize, jobs: usize, settings: &str) -> Vec<Duration> {
    let ground = Ground::with_templates(1).await;
    let place = &ground.places[0].server;
    let mut spec = place.spec.clone();
    spec.max_instances = 1_000;
    let op = crate::jobs_kit::op;
    let server = ground
        .registry()
        .edit_server(&op(), place.id, place.version, &spec)
        .await
        .unwrap();
    let mut ids = Vec::new();
    for number in 0..jobs {
        ids.push(ground.queue(ground.instance(0, &format!("held-{number}"))).await.id);
    }
    // From now on the server's PostgreSQL takes what it is told and answers nothing: every job stands still, and
    // nothing moves but leases.
    let dead = Wire::to(ground.tenants.port()).await;
    dead.cut();
    spec.db_port = dead.port;
    ground
        .registry()
        .edit_server(&op(), server.id, server.version, &spec)
        .await
        .unwrap();
    let address = ground.shared.address();
    let settings = format!(
        "[limits]\nconnect = \"20m\"\ncall = \"20m\"\n[worker]\nchecks = false\nconcurrency = 64\nper_server = 0\n{settings}"
    );
    let start = |crew: usize, round: usize| -> Hand {
        let config = ground.config(&format!("crew-{crew}-{round}"), &address, &settings);
        let host = elsewhere.then(|| format!("host-{crew}"));
        Hand::start(move || worker(&config, "", host.as_deref()))
    };
    let mut times = Vec::new();
    let mut holder = start(0, 0);
    wait_until("all jobs to be held", || async { holders(&ground).await.len() == jobs }).await;
    for round in 1..=rounds {
        let mut next = start(round % 2, round);
        wait_until("the next worker", || async {
            let known = ground.registry().workers().await.unwrap();
            known
                .iter()
                .any(|worker| worker.id.contains(&format!(":{}:", next.pid())))
        })
        .await;
        // Not in step with the holder's heartbeat.
        tokio::time::sleep(Duration::from_millis(137 * round as u64)).await;
        let before = holders(&ground).await;
        assert_eq!(before.len(), jobs);
        let taker = format!(":{}:", next.pid());
        holder.kill();
        let killed = Instant::now();
        let mut waiting: Vec<JobId> = ids.clone();
        while !waiting.is_empty() {
            assert!(
                killed.elapsed() < Duration::from_secs(60),
                "{} were not taken over",
                waiting.len()
            );
            let now = holders(&ground).await;
            waiting.retain(|id| {
                let taken = now
                    .get(id)
                    .is_some_and(|(token, by)| *token > before[id].0 && by.contains(&taker));
                if taken {
                    times.push(killed.elapsed());
                }
                !taken
            });
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::mem::swap(&mut holder, &mut next);
    }
    holder.kill();
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_a_dead_workers_jobs_are_soon_anothers() {
    let short = "lease = \"3s\"\nheartbeat = \"1s\"\n";
    let (rounds, jobs, settings) = if soak() { (5, 40, "") } else { (1, 8, short) };
    let others = other_hosts();
    if !others {
        eprintln!("NOT RUN: takeover from another host (unshare --uts is not allowed here)");
    }
    if soak() || !others {
        let mut here = takeovers(false, rounds, jobs, settings).await;
        assert!(quantile(&mut here, 1.0) < Duration::from_secs(20), "{here:?}");
        eprintln!(
            "J4: workers killed on the same host, {} jobs: taken over after {:?} p50, {:?} p99",
            here.len(),
            quantile(&mut here, 0.5),
            quantile(&mut here, 0.99)
        );
    }
    if !others {
        return;
    }
    let mut there = takeovers(true, rounds, jobs, settings).await;
    assert!(quantile(&mut there, 1.0) <= Duration::from_secs(30), "{there:?}");
    eprintln!(
        "J4: workers killed on another host ({}), {} jobs: taken over after {:?} p50, {:?} p99, {:?} at most",
        if soak() {
            "lease 20 s, heartbeat 5 s"
        } else {
            "lease 3 s, heartbeat 1 s"
        },
        there.len(),
        quantile(&mut there, 0.5),
        quantile(&mut there, 0.99),
        quantile(&mut there, 1.0)
    );
}

/// A job at each of its steps: the registry stops for longer than a lease, and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_whose_registry_was_away_go_on_and_do_nothing_twice() {
    if !cfg!(debug_assertions) {
        eprintln!(
            "NOT RUN: the registry away at every step (only debug builds can be held there; `make test` does it)"
        );
        return;
    }
    let mut ground = Ground::with_templates(1).await;
    ground.done(ground.instance(0, "calm")).await;
    let once = given(&ground, "calm").await;
    let settings = "[worker]\nchecks = false\nconcurrency = 1\nper_server = 0\ndrain = \"1s\"\nlease = \"2s\"\nheartbeat = \"500ms\"\n";
    let address = ground.shared.address();
    let (mut ids, mut armed) = (Vec::new(), Vec::new());
    for (index, step) in kinds::steps_of(JobKind::InstanceCreate).iter().enumerate() {
        let config = ground.config(&format!("armed-{index}"), &address, settings);
        let point = format!("instance_create.{}.before_effect=pause", step.name());
        armed.push(Hand::start(move || worker(&config, &point, None)));
        let id = ground.queue(ground.instance(0, &format!("away-{index}"))).await.id;
        wait_until("the step", || async {
            ground.job(id).await.steps[index].state == StepState::Intended
        })
        .await;
        ids.push(id);
    }
    tokio::task::block_in_place(|| ground.shared.cluster.stop().unwrap());
    tokio::time::sleep(Duration::from_secs(3)).await;
    for worker in &mut armed {
        assert!(worker.lives(), "a worker outlives its registry's absence");
    }
    tokio::task::block_in_place(|| ground.shared.cluster.start().unwrap());
    ground.shared.answers().await;
    for worker in &mut armed {
        worker.stop().await;
    }
    let config = ground.config("free", &address, "[worker]\nchecks = false\n");
    let mut free = Hand::start(move || worker(&config, "", None));
    let mut jobs = Vec::new();
    for id in ids {
        wait_until("the job's end", || async { ground.job(id).await.state.is_over() }).await;
        let job = ground.job(id).await;
        assert_eq!(job.state, JobState::Done, "{:?}", job.problem);
        jobs.push(job);
    }
    free.stop().await;
    assert_eq!(judge(&ground, &jobs, &once, &[]).await, 0);
    eprintln!(
        "J12: the registry away for 1.5 leases, a job at each of {} steps: all done, 0 effects twice",
        jobs.len()
    );
}
