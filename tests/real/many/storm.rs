//! Workers killed every second under a full queue: every job ends once, nothing happens twice, nothing is
//! left; and the same with PostgreSQL restarted in the middle, the registry's and the servers'.

use super::crew::{Hand, crew};
use super::evidence::{given, judge};
use super::ground::Ground;
use super::{Dice, soak};
use crate::harness::connect;
use crate::jobs_fleet::delete;
use crate::jobs_kit::{op, wait_until};
use std::time::{Duration, Instant};
use vigie::domain::JobId;
use vigie::domain::job::{Job, JobState};
use vigie::registry::JobFilter;

struct Size {
    servers: usize,
    /// Of each server's jobs: instances to make, instances to remove; one more meets a stranger's database.
    makes: usize,
    removes: usize,
    workers: usize,
    /// How long workers are killed for, one each `every`.
    storm: Duration,
    every: Duration,
    settings: &'static str,
}

impl Size {
    /// Eight workers with the usual leases, 400 jobs on 20 servers, a minute; or a short form with short leases.
    fn asked() -> Self {
        if soak() {
            Self {
                servers: 20,
                makes: 17,
                removes: 2,
                workers: 8,
                storm: Duration::from_secs(60),
                every: Duration::from_secs(1),
                settings: "[worker]\nchecks = false\n",
            }
        } else {
            Self {
                servers: 2,
                makes: 6,
                removes: 1,
                workers: 4,
                storm: Duration::from_secs(3),
                every: Duration::from_millis(300),
                settings: "[worker]\nchecks = false\nlease = \"3s\"\nheartbeat = \"1s\"\n",
            }
        }
    }
}

async fn jobs_of(ground: &Ground, ids: &[JobId]) -> Vec<Job> {
    let filter = JobFilter {
        limit: 10_000,
        ..JobFilter::default()
    };
    let mut jobs = ground.registry().jobs(&filter).await.unwrap();
    jobs.retain(|job| ids.contains(&job.id));
    jobs
}

/// A worker that begins while the registry is away says so and ends; a service manager starts it again.
fn tend(workers: &mut [Hand], restarts: usize) {
    for worker in workers {
        if !worker.lives() {
            assert!(restarts > 0, "a worker ended by itself");
            worker.again();
        }
    }
}

/// The stand-ins let go of the databases that nobody asks for, as an Odoo does.
async fn rest(ground: &Ground) {
    for place in &ground.places {
        place.odoo.close_connections().await;
    }
}

async fn storm(restarts: usize) {
    let size = Size::asked();
    let mut dice = Dice::new("storm");
    let mut ground = Ground::with_templates(size.servers).await;
    // What is there to be removed, made in peace: they also show what one making gives a database.
    for place in 0..size.servers {
        for number in 0..size.removes {
            let name = format!("old-{place}-{number}");
            ground.done(ground.instance(place, &name)).await;
        }
    }
    let once = given(&ground, "old_0_0").await;
    assert_eq!(once["database.uuid"], 1, "{once:?}");
    let (mut ids, mut makes, mut strangers) = (Vec::new(), Vec::new(), Vec::new());
    for place in 0..size.servers {
        for number in 0..size.makes {
            let job = ground
                .queue(ground.instance(place, &format!("new-{place}-{number}")))
                .await;
            makes.push(job.id);
        }
        for number in 0..size.removes {
            let found = ground
                .registry()
                .instances_called(&format!("old-{place}-{number}"))
                .await;
            let job = ground.queue(delete(found.unwrap()[0].id)).await;
            ids.push(job.id);
        }
        // Planned while the name was free, run when it is a stranger's.
        let job = ground.queue(ground.instance(place, &format!("clash-{place}"))).await;
        ids.push(job.id);
        strangers.push(format!("clash_{place}"));
    }
    let client = connect(&ground.tenants.superuser_config("postgres")).await;
    for name in &strangers {
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    }
    drop(client);
    ids.extend(&makes);
    let configs: Vec<_> = (0..size.workers)
        .map(|n| ground.config(&format!("worker-{n}"), &ground.shared.address(), size.settings))
        .collect();
    let mut workers: Vec<Hand> = crew(&configs);
    let began = Instant::now();
    let (mut kills, mut cancels, mut restarted, mut tick) = (0_u128, 0, 0, 0_u32);
    // However slow this machine is: so many are killed.
    let deaths = size.storm.as_millis().div_ceil(size.every.as_millis());
    while kills < deaths || restarted < restarts {
        tick += 1;
        tokio::time::sleep_until((began + size.every * tick).into()).await;
        rest(&ground).await;
        workers[dice.below(size.workers)].again();
        kills += 1;
        // Operators change their minds meanwhile.
        if dice.below(2) == 0 {
            let job = makes[dice.below(makes.len())];
            cancels += usize::from(ground.registry().cancel_job(&op(), job).await.is_ok());
        }
        let due = (restarted + 1) as u32 * size.storm / (restarts as u32 + 1);
        if restarted < restarts && began.elapsed() >= due {
            restarted += 1;
            tokio::task::block_in_place(|| {
                ground.shared.cluster.restart().unwrap();
                ground.tenants.restart().unwrap();
            });
            ground.shared.answers().await;
        }
    }
    let stormed = began.elapsed();
    let left = jobs_of(&ground, &ids)
        .await
        .iter()
        .filter(|job| !job.state.is_over())
        .count();
    let end = Instant::now() + Duration::from_secs(if soak() { 900 } else { 120 });
    loop {
        let open: Vec<Job> = jobs_of(&ground, &ids)
            .await
            .into_iter()
            .filter(|job| !job.state.is_over())
            .collect();
        if open.is_empty() {
            break;
        }
        tend(&mut workers, restarts);
        rest(&ground).await;
        assert!(Instant::now() < end, "{} jobs do not end: {:#?}", open.len(), open[0]);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let all_over = began.elapsed();
    tend(&mut workers, restarts);
    wait_until("all workers to be there", || async {
        let known = ground.registry().workers().await.unwrap_or_default();
        known.iter().filter(|worker| worker.alive).count() >= size.workers
    })
    .await;
    for worker in &mut workers {
        worker.stop().await;
    }
    let jobs = jobs_of(&ground, &ids).await;
    assert_eq!(jobs.len(), size.servers * (size.makes + size.removes + 1));
    let orphans = judge(&ground, &jobs, &once, &strangers).await;
    let count = |state: JobState| jobs.iter().filter(|job| job.state == state).count();
    let sql = ground.shared.sql().await;
    let claims: i64 = sql
        .query_one("SELECT sum(token)::bigint FROM saas_job", &[])
        .await
        .unwrap()
        .get(0);
    eprintln!(
        "many workers: {} jobs on {} servers, {} workers, {kills} killed in {stormed:?}, {restarted} restarts of both \
         PostgreSQLs, {cancels} cancels asked; {} jobs were open when the storm ended, all over after {all_over:?}; {} done, \
         {} failed and undone, {} cancelled; {claims} claims; 0 ended twice, 0 effects twice, 0 left over \
         ({orphans} folders by PostgreSQL itself, shut down in the midst of a copy)",
        jobs.len(),
        size.servers,
        size.workers,
        left,
        count(JobState::Done),
        count(JobState::Failed),
        count(JobState::Cancelled),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_every_job_ends_once_whichever_workers_are_killed() {
    storm(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_every_job_ends_once_though_postgresql_is_restarted_too() {
    storm(2).await;
}
