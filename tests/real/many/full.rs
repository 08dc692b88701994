//! The disk of the registry's PostgreSQL runs full while jobs run, again and again: whatever is not written down is
//! not gone on from, and when there is space again every job ends once, with nothing done twice.

use super::crew::{Hand, crew};
use super::evidence::{given, judge};
use super::ground::Ground;
use super::{Dice, soak};
use crate::jobs_fleet::delete;
use std::time::{Duration, Instant};
use vigie::domain::job::{Job, JobState};

/// Refuses every write of what a job leaves, as PostgreSQL does whose disk is full.
const FULL: &str = "
    CREATE TABLE disk_full (yes int);
    CREATE FUNCTION refuse_if_full() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        IF EXISTS (SELECT FROM public.disk_full) THEN
            RAISE EXCEPTION 'could not extend file \"base/1/1\": No space left on device' USING ERRCODE = '53100';
        END IF;
        RETURN NULL;
    END $$;
    DO $$ DECLARE t text; BEGIN
        FOR t IN SELECT unnest(ARRAY['saas_job', 'saas_job_step', 'saas_job_log', 'saas_instance', 'saas_template',
            'saas_server', 'saas_reservation', 'saas_worker', 'saas_operation', 'saas_audit', 'saas_change']) LOOP
            EXECUTE format('CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE OR DELETE ON %I
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_if_full()', t);
        END LOOP;
    END $$;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_jobs_whose_registrys_disk_is_full_go_on_and_do_nothing_twice() {
    let (makes, removes, most) = if soak() { (60, 20, 200) } else { (6, 2, 5) };
    let mut dice = Dice::new("full");
    let ground = Ground::with_templates(1).await;
    let server = &ground.places[0].server;
    let mut spec = server.spec.clone();
    spec.max_instances = 1_000;
    let op = crate::jobs_kit::op;
    ground
        .registry()
        .edit_server(&op(), server.id, server.version, &spec)
        .await
        .unwrap();
    for number in 0..removes {
        ground.done(ground.instance(0, &format!("old-{number}"))).await;
    }
    let once = given(&ground, "old_0").await;
    let mut ids = Vec::new();
    for number in 0..makes {
        ids.push(ground.queue(ground.instance(0, &format!("new-{number}"))).await.id);
    }
    for number in 0..removes {
        let found = ground.registry().instances_called(&format!("old-{number}")).await;
        ids.push(ground.queue(delete(found.unwrap()[0].id)).await.id);
    }
    let sql = ground.shared.sql().await;
    sql.batch_execute(FULL).await.unwrap();
    let settings = "[worker]\nchecks = false\nconcurrency = 2\nlease = \"2s\"\nheartbeat = \"500ms\"\n";
    let configs: Vec<_> = (0..3)
        .map(|n| ground.config(&format!("worker-{n}"), &ground.shared.address(), settings))
        .collect();
    let mut workers: Vec<Hand> = crew(&configs);
    let (began, mut fills) = (Instant::now(), 0_u32);
    let jobs = loop {
        tokio::time::sleep(Duration::from_millis(100 + dice.below(1_500) as u64)).await;
        let mut jobs: Vec<Job> = Vec::new();
        for id in &ids {
            jobs.push(ground.job(*id).await);
        }
        if jobs.iter().all(|job| job.state.is_over()) {
            break jobs;
        }
        let open = jobs.iter().filter(|job| !job.state.is_over()).count();
        assert!(began.elapsed() < Duration::from_secs(900), "{open} jobs do not end");
        ground.places[0].odoo.close_connections().await;
        if fills == most {
            continue;
        }
        sql.batch_execute("INSERT INTO disk_full VALUES (1)").await.unwrap();
        fills += 1;
        // For a moment, or for longer than a lease.
        tokio::time::sleep(Duration::from_millis(dice.below(3_500) as u64)).await;
        sql.batch_execute("TRUNCATE disk_full").await.unwrap();
    };
    assert!(workers.iter_mut().all(Hand::lives), "a worker ended by itself");
    for worker in &mut workers {
        worker.stop().await;
    }
    for job in &jobs {
        assert_eq!(job.state, JobState::Done, "{}: {:?}", job.title, job.problem);
    }
    assert_eq!(judge(&ground, &jobs, &once, &[]).await, 0);
    eprintln!(
        "J12: the registry's disk full {fills} times while {} jobs ran, in {:?}: all done, 0 effects twice, 0 left over",
        jobs.len(),
        began.elapsed()
    );
}
