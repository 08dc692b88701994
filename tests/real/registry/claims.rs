//! Claims by many at once: within the limits, each job once, quickly; and by those only who may.

use super::contract::bench::{LONG, op, plain_job, server};
use super::kit;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vigie::domain::job::{JobSpec, JobState};
use vigie::domain::{JobId, ServerId, TemplateId};
use vigie::registry::postgres::Postgres;
use vigie::registry::{ClaimTerms, Registry};

const WORKERS: usize = 8;
const JOBS: usize = 400;
const SERVERS: usize = 20;
const PER_SERVER: usize = 2;

/// Registries as if of other processes, and a queue of jobs on some servers.
async fn queued(jobs: usize) -> (String, Arc<Postgres>, Vec<ServerId>) {
    let database = kit::fresh().await;
    let registry = Arc::new(
        Postgres::open(&kit::address(&database, kit::ADMIN))
            .await
            .expect("opening"),
    );
    let mut servers = Vec::new();
    for i in 0..SERVERS {
        servers.push(server(&*registry, &format!("s{i:02}"), 50).await.id);
    }
    for i in 0..jobs {
        let spec = JobSpec::TemplateThaw {
            template_id: TemplateId(1),
            server_id: servers[i % SERVERS],
        };
        registry.queue_job(&op(), &plain_job(spec)).await.expect("queueing");
    }
    (database, registry, servers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_jobs_are_claimed_once_each_and_within_the_limits() {
    let (database, registry, _) = queued(JOBS).await;
    // How many run on each server, as its workers know it: counted down before the end is told, so never
    // more than the registry's own count.
    let running: Arc<Mutex<HashMap<ServerId, usize>>> = Arc::default();
    let claimed: Arc<Mutex<Vec<(JobId, i64)>>> = Arc::default();
    let times: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let mut workers = Vec::new();
    for w in 0..WORKERS {
        let other = Postgres::open(&kit::address(&database, kit::ADMIN))
            .await
            .expect("opening");
        let (running, claimed, times) = (Arc::clone(&running), Arc::clone(&claimed), Arc::clone(&times));
        workers.push(tokio::spawn(async move {
            let terms = ClaimTerms {
                lease: LONG,
                per_server: PER_SERVER,
                lacks_keys: Vec::new(),
            };
            let end = Instant::now() + Duration::from_secs(120);
            while claimed.lock().unwrap().len() < JOBS {
                assert!(Instant::now() < end, "not all are claimed");
                let began = Instant::now();
                let claim = other
                    .claim_job(&format!("elsewhere:{w}:1"), &terms)
                    .await
                    .expect("a claim");
                times.lock().unwrap().push(began.elapsed());
                let Some(claim) = claim else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                };
                let server = claim.job.spec.server_id();
                {
                    let mut running = running.lock().unwrap();
                    let count = running.entry(server).or_default();
                    *count += 1;
                    assert!(*count <= PER_SERVER, "{count} on {server}");
                }
                claimed.lock().unwrap().push((claim.job.id, claim.token));
                tokio::task::yield_now().await;
                *running.lock().unwrap().get_mut(&server).unwrap() -= 1;
                other
                    .finish_job(claim.job.id, claim.token, JobState::Done, None, None, &[])
                    .await
                    .expect("an end");
            }
        }));
    }
    for worker in workers {
        worker.await.expect("a worker");
    }
    let claimed = claimed.lock().unwrap();
    let different: HashSet<JobId> = claimed.iter().map(|c| c.0).collect();
    assert_eq!((claimed.len(), different.len()), (JOBS, JOBS));
    assert!(claimed.iter().all(|c| c.1 == 1), "each under its first token");
    let mut times = times.lock().unwrap();
    times.sort_unstable();
    eprintln!(
        "{} claims by {WORKERS} at once among {JOBS} jobs: {:?} (median), {:?} (p99)",
        times.len(),
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
    drop(registry);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_among_four_hundred_takes_milliseconds() {
    let (_, registry, _) = queued(JOBS).await;
    let terms = ClaimTerms {
        lease: LONG,
        per_server: PER_SERVER,
        lacks_keys: Vec::new(),
    };
    let mut times = Vec::new();
    for _ in 0..SERVERS * PER_SERVER {
        let began = Instant::now();
        assert!(
            registry
                .claim_job("elsewhere:1:1", &terms)
                .await
                .expect("a claim")
                .is_some()
        );
        times.push(began.elapsed());
    }
    assert_eq!(
        registry.claim_job("elsewhere:1:1", &terms).await.expect("a claim"),
        None,
        "every server has as many as it may"
    );
    times.sort_unstable();
    let median = times[times.len() / 2];
    eprintln!(
        "a claim among {JOBS}: {median:?} (median), {:?} (worst)",
        times[times.len() - 1]
    );
    assert!(median < Duration::from_millis(50), "{median:?}");
}

/// What a worker's own role needs is enough for a job's whole life, the checks and the deleting of what is old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workers_role_is_enough_for_its_work() {
    let (database, registry, servers) = queued(1).await;
    let worker = Postgres::open(&kit::address(&database, kit::WORKER))
        .await
        .expect("opening");
    worker.worker_alive("elsewhere:1:1").await.expect("a sign of life");
    let claim = worker
        .claim_job("elsewhere:1:1", &ClaimTerms::lease(LONG))
        .await
        .expect("a claim")
        .expect("a job");
    assert!(
        !worker
            .renew_lease(claim.job.id, claim.token, LONG)
            .await
            .expect("renewing")
    );
    worker
        .append_log(claim.job.id, &[super::contract::bench::line("it begins")])
        .await
        .expect("a line");
    worker
        .finish_job(claim.job.id, claim.token, JobState::Done, None, None, &[])
        .await
        .expect("an end");
    let due = worker
        .claim_due_checks(None, Duration::from_secs(60), 100)
        .await
        .expect("checks");
    assert_eq!(due.len(), SERVERS);
    let report = super::contract::bench::report(jiff::Timestamp::now(), None);
    worker
        .record_check(servers[0], &report, &vigie::domain::health::HealthRules::default())
        .await
        .expect("a check");
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    assert!(
        worker.prune(later, later).await.expect("pruning") >= 2,
        "the check and the line"
    );
    worker.worker_gone("elsewhere:1:1").await.expect("its end");
    assert_eq!(registry.job(claim.job.id).await.expect("the job").state, JobState::Done);
}

/// A worker of another machine is dead for everybody once it was silent for as long as a lease, and not before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_elsewhere_that_was_silent_for_a_lease_is_dead() {
    let (database, registry, _) = queued(0).await;
    let client = kit::superuser(&database).await;
    for (id, silent) in [("one:1:1", 12), ("two:1:1", 21)] {
        client
            .execute(
                "INSERT INTO saas_worker (id, boot, started_at, seen_at) VALUES ($1, 'another boot',
                     clock_timestamp() - interval '1 hour', clock_timestamp() - $2 * interval '1 second')",
                &[&id, &f64::from(silent)],
            )
            .await
            .expect("a worker elsewhere");
    }
    let alive: Vec<(String, bool)> = registry
        .workers()
        .await
        .expect("the workers")
        .into_iter()
        .map(|worker| (worker.id, worker.alive))
        .collect();
    assert_eq!(
        alive,
        [("one:1:1".to_owned(), true), ("two:1:1".to_owned(), false)],
        "heard of 12 and 21 s ago"
    );
}
