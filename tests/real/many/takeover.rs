//! How soon a dead worker's jobs are another's, and what becomes of jobs whose registry goes away.

use super::crew::{Hand, worker};
use super::evidence::{given, judge};
use super::ground::Ground;
use super::wire::Wire;
use super::{Dice, quantile, soak};
use crate::jobs_kit::wait_until;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// How a crew is watched while its workers die.
struct Watch {
    /// On hosts of their own, each of them: only their leases tell.
    elsewhere: bool,
    workers: usize,
    jobs: usize,
    kills: usize,
    /// From one death to the next, at least.
    every: Duration,
    settings: &'static str,
}

/// One that was killed, and those of its jobs that nobody has taken over yet, with their tokens.
struct Dead {
    at: Instant,
    identity: String,
    jobs: BTreeMap<JobId, i64>,
}

/// A crew holds jobs that never end. Again and again one of those who hold some is killed, and another one begins
/// elsewhere. How long it took each time until the last of its jobs was another's: several wait at once, so that
/// hundreds of deaths take minutes.
async fn takeovers(watch: &Watch) -> Vec<Duration> {
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
    for number in 0..watch.jobs {
        ground.queue(ground.instance(0, &format!("held-{number}"))).await;
    }
    // From now on the server's PostgreSQL takes what it is told and answers nothing: every job stands still, and
    // nothing moves but leases.
    let silent = Wire::to(ground.tenants.port()).await;
    silent.cut();
    spec.db_port = silent.port;
    ground
        .registry()
        .edit_server(&op(), server.id, server.version, &spec)
        .await
        .unwrap();
    // Half of the crew can hold all jobs: those of the dead find room.
    let room = (watch.jobs * 2).div_ceil(watch.workers);
    let address = ground.shared.address();
    let settings = format!(
        "[limits]\nconnect = \"60m\"\ncall = \"60m\"\n[worker]\nchecks = false\nconcurrency = {room}\nper_server = 0\n{}",
        watch.settings
    );
    let born = AtomicUsize::new(0);
    let start = || -> Hand {
        let number = born.fetch_add(1, Ordering::Relaxed);
        let config = ground.config(&format!("crew-{number}"), &address, &settings);
        let host = watch.elsewhere.then(|| format!("host-{number}"));
        Hand::start(move || worker(&config, "", host.as_deref()))
    };
    let mut dice = Dice::new("takeover");
    let mut crew: Vec<Hand> = (0..watch.workers).map(|_| start()).collect();
    wait_until("all jobs to be held", || async {
        holders(&ground).await.len() == watch.jobs
    })
    .await;
    let (mut dead, mut times): (Vec<Dead>, Vec<Duration>) = (Vec::new(), Vec::new());
    let (mut kills, mut next) = (0, Instant::now());
    while kills < watch.kills || !dead.is_empty() {
        let held = holders(&ground).await;
        let now = Instant::now();
        dead.retain_mut(|one| {
            one.jobs.retain(|id, token| {
                let taken = held
                    .get(id)
                    .is_some_and(|(newer, by)| newer > token && *by != one.identity);
                !taken
            });
            assert!(
                one.at.elapsed() < Duration::from_secs(60),
                "{}'s jobs {:?} were not taken over",
                one.identity,
                one.jobs
            );
            if one.jobs.is_empty() {
                times.push(now.duration_since(one.at));
            }
            !one.jobs.is_empty()
        });
        let at = dice.below(crew.len());
        let of = |hand: &Hand| {
            let pid = format!(":{}:", hand.pid());
            let mine = held.iter().filter(|(_, (_, by))| by.contains(&pid));
            mine.map(|(id, (token, by))| (*id, *token, by.clone()))
                .collect::<Vec<_>>()
        };
        let mine = of(&crew[at]);
        if kills < watch.kills && now >= next && !mine.is_empty() {
            assert!(crew.iter_mut().all(Hand::lives), "a worker ended by itself");
            crew[at].kill();
            dead.push(Dead {
                at: Instant::now(),
                identity: mine[0].2.clone(),
                jobs: mine.iter().map(|(id, token, _)| (*id, *token)).collect(),
            });
            crew[at] = start();
            kills += 1;
            // Not in step with anybody's heartbeat.
            next = Instant::now() + watch.every + Duration::from_millis(dice.below(500) as u64);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(times.len(), watch.kills);
    times
}

/// J4: so many deaths, on the same host and on another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_a_dead_workers_jobs_are_soon_anothers() {
    let (here, there) = if soak() {
        // The leases that operators have: 20 s, renewed every 5 s.
        let watch = |elsewhere, every| Watch {
            elsewhere,
            workers: 12,
            jobs: 36,
            kills: 200,
            every: Duration::from_millis(every),
            settings: "",
        };
        (watch(false, 1_500), watch(true, 2_500))
    } else {
        let watch = |elsewhere| Watch {
            elsewhere,
            workers: 3,
            jobs: 6,
            kills: 3,
            every: Duration::from_millis(500),
            settings: "lease = \"3s\"\nheartbeat = \"1s\"\n",
        };
        (watch(false), watch(true))
    };
    let others = other_hosts();
    if !others {
        eprintln!("NOT RUN: takeover from another host (unshare --uts is not allowed here)");
    }
    if soak() || !others {
        tell("the same host", &mut takeovers(&here).await, Duration::from_secs(20));
    }
    if others {
        tell("another host", &mut takeovers(&there).await, Duration::from_secs(30));
    }
}

fn tell(place: &str, times: &mut [Duration], limit: Duration) {
    eprintln!(
        "J4: {} workers killed on {place} ({}): the last of their jobs was another's after {:?} p50, {:?} p99, {:?} at most",
        times.len(),
        if soak() {
            "lease 20 s, heartbeat 5 s"
        } else {
            "lease 3 s, heartbeat 1 s"
        },
        quantile(times, 0.5),
        quantile(times, 0.99),
        quantile(times, 1.0)
    );
    assert!(quantile(times, 1.0) <= limit, "{times:?}");
}

/// However many jobs wait: a worker runs as many at once as it was told, and the next one takes its own share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_runs_no_more_jobs_at_once_than_it_was_told() {
    let ground = Ground::with_templates(1).await;
    let place = &ground.places[0].server;
    for number in 0..8 {
        ground.queue(ground.instance(0, &format!("held-{number}"))).await;
    }
    // What is begun stands still.
    let silent = Wire::to(ground.tenants.port()).await;
    silent.cut();
    let mut spec = place.spec.clone();
    spec.db_port = silent.port;
    let now = ground.registry().server(place.id).await.unwrap();
    let op = crate::jobs_kit::op;
    ground
        .registry()
        .edit_server(&op(), place.id, now.version, &spec)
        .await
        .unwrap();
    let start = |name: &str, concurrency: usize| {
        let settings = format!(
            "[limits]\nconnect = \"10m\"\ncall = \"10m\"\n[worker]\nchecks = false\nconcurrency = {concurrency}\nper_server = 0\n"
        );
        let config = ground.config(name, &ground.shared.address(), &settings);
        Hand::start(move || worker(&config, "", None))
    };
    let held_by = async |hand: &Hand| {
        let pid = format!(":{}:", hand.pid());
        holders(&ground)
            .await
            .values()
            .filter(|(_, by)| by.contains(&pid))
            .count()
    };
    let first = start("first", 2);
    wait_until("two jobs", || async { held_by(&first).await == 2 }).await;
    let second = start("second", 3);
    wait_until("three more", || async { held_by(&second).await == 3 }).await;
    // Both have had the time to ask again.
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert_eq!((held_by(&first).await, held_by(&second).await), (2, 3));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
