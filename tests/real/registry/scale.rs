//! A large registry: what the hot queries read of its history, what a check costs, that deleting what is old
//! holds nobody up, and how soon the fleet is there.

use super::{dashboard, kit};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vigie::domain::audit::AuditFilter;
use vigie::domain::check::CheckReport;
use vigie::domain::health::HealthRules;
use vigie::domain::job::JobState;
use vigie::domain::{InstanceId, JobId, SafeText, ServerId};
use vigie::registry::postgres::{Listen, Postgres};
use vigie::registry::{ClaimTerms, JobFilter, Registry};

/// How large.
pub(super) struct Size {
    pub(super) servers: i64,
    pub(super) instances: i64,
    pub(super) checks: i64,
    pub(super) jobs: i64,
}

/// Fills a registry, as the superuser and past its triggers: what they would keep is kept by hand. History
/// ends now and goes back forty days.
pub(super) async fn fill(database: &str, size: &Size) {
    // A connection of its own: what it did is counted when it ends.
    let client = kit::superuser(database).await;
    let Size {
        servers,
        instances,
        checks,
        jobs,
    } = size;
    client
        .batch_execute(&format!(
            "SET session_replication_role = replica; SET maintenance_work_mem = '256MB';
             CREATE TEMP TABLE kept AS SELECT indexname, indexdef FROM pg_indexes
                 WHERE tablename = 'saas_health_check' AND indexname LIKE 'saas_health_check_by_%';
             DO $$ DECLARE i record; BEGIN FOR i IN SELECT * FROM kept LOOP
                 EXECUTE format('DROP INDEX %I', i.indexname); END LOOP; END $$;
             INSERT INTO saas_server (name, code, server_url, max_instances, created_at, intent, observed, health_status,
                 health_reason, last_check_date)
             SELECT 'Server ' || n, 's' || n, 'https://s' || n || '.example.org', 150, now(), 'active', 'online', 'healthy',
                 'answers', now()
             FROM generate_series(1, {servers}) AS n;
             INSERT INTO saas_template (name, code, server_id, template_database, language, state, created_at)
             SELECT 'Template ' || n, 't' || n, n, 'template_' || n, 'fr_FR', 'ready', now()
             FROM generate_series(1, {servers}) AS n;
             INSERT INTO saas_instance (name, template_id, server_id, database_name, subdomain, url, admin_login,
                 admin_password, state, size_bytes, created_at)
             SELECT 'customer-' || n, 1 + n % {servers}, 1 + n % {servers}, 'db_' || n, 'c' || n,
                 'https://c' || n || '.example.org', 'admin', 'env:ADMIN', 'active', 1000000 + n, now()
             FROM generate_series(1, {instances}) AS n;
             UPDATE saas_server s SET instance_count = (SELECT count(*) FROM saas_instance i WHERE i.server_id = s.id);
             UPDATE saas_template t SET instance_count = (SELECT count(*) FROM saas_instance i WHERE i.template_id = t.id);
             INSERT INTO saas_health_check (server_id, check_date, status, reason, latency_ms, answered, report)
             SELECT 1 + n % {servers}, now() - interval '40 days' + n * interval '40 days' / {checks}, 'healthy', 'answers',
                 20 + n % 10, true, '{{\"at\": \"2026-01-01T00:00:00Z\", \"latency_ms\": 23, \"failure\": null, \"warnings\": [],
                     \"version\": \"16.0\", \"layers\": []}}'
             FROM generate_series(1, {checks}) AS n;
             DO $$ DECLARE i record; BEGIN FOR i IN SELECT * FROM kept LOOP EXECUTE i.indexdef; END LOOP; END $$;
             DROP TABLE kept;
             INSERT INTO saas_job (kind, spec, title, state, server_id, template_id, asked_by, created_at, started_at,
                 finished_at, log_end)
             SELECT 'template_thaw', jsonb_build_object('kind', 'template_thaw', 'template_id', 1 + n % {servers},
                     'server_id', 1 + n % {servers}), 'thaw', 'done', 1 + n % {servers}, 1 + n % {servers}, 'marie',
                 at, at, at + interval '1 minute', 20
             FROM generate_series(1, {jobs}) AS n,
                 LATERAL (SELECT now() - interval '40 days' + n * interval '40 days' / {jobs} AS at) AS t;
             INSERT INTO saas_job_step (job_id, step, name, title, state)
             SELECT j, s, 'step', 'step', 'done' FROM generate_series(1, {jobs}) AS j, generate_series(0, 3) AS s;
             INSERT INTO saas_job_log (job_id, seq, at, stream, level, text)
             SELECT j, l, now(), 'stdout', 'info', 'line ' || l
             FROM generate_series(1, {jobs}) AS j, generate_series(1, 20) AS l;
             INSERT INTO saas_operation (op_id, action, subject, outcome, at)
             SELECT 'op ' || n, 'job.queue', 'job', n, now() - interval '40 days' + n * interval '40 days' / {jobs}
             FROM generate_series(1, {jobs}) AS n;
             INSERT INTO saas_audit (id, at, op_id, os_user, host, via, action, object, label, hash)
             SELECT n, now(), 'op ' || n, 'marie', 'desk', 'cli', 'job.queue', 'job:' || n, 'thaw', repeat('0', 64)
             FROM generate_series(1, {jobs}) AS n;
             RESET session_replication_role"
        ))
        .await
        .expect("filling the registry");
    client.batch_execute("VACUUM ANALYZE").await.expect("taking statistics");
}

fn report(at: Timestamp) -> CheckReport {
    CheckReport {
        at,
        latency_ms: 23,
        failure: None,
        warnings: Vec::new(),
        version: Some(SafeText::new("16.0")),
        layers: Vec::new(),
    }
}

/// What a dashboard and a worker ask again and again.
async fn ask_all(r: &dyn Registry) {
    let now = Timestamp::now();
    r.servers().await.unwrap();
    r.templates().await.unwrap();
    r.workers().await.unwrap();
    r.jobs(&JobFilter::default()).await.unwrap();
    r.jobs(&JobFilter {
        states: vec![JobState::Queued, JobState::Running, JobState::Undoing],
        ..JobFilter::default()
    })
    .await
    .unwrap();
    r.jobs(&JobFilter {
        server: Some(ServerId(7)),
        ..JobFilter::default()
    })
    .await
    .unwrap();
    r.jobs(&JobFilter {
        instance: Some(InstanceId(7)),
        ..JobFilter::default()
    })
    .await
    .unwrap();
    r.job(JobId(9)).await.unwrap();
    assert_eq!(r.log(JobId(9), 5, 100).await.unwrap().len(), 15);
    r.log_end(JobId(9)).await.unwrap();
    assert!(!r.instances(Some(ServerId(7))).await.unwrap().is_empty());
    r.instance(InstanceId(7)).await.unwrap();
    assert_eq!(r.instances_called("c7").await.unwrap().len(), 1);
    let day = now - SignedDuration::from_hours(24);
    assert!(!r.health_history(ServerId(7), Some(day), 500).await.unwrap().is_empty());
    assert_eq!(r.health_history(ServerId(7), None, 10).await.unwrap().len(), 10);
    r.record_check(ServerId(7), &report(now), &HealthRules::default())
        .await
        .unwrap();
    r.claim_due_checks(None, Duration::from_secs(60), 20).await.unwrap();
    r.claim_job("elsewhere:1:1", &ClaimTerms::lease(Duration::from_secs(20)))
        .await
        .unwrap();
    r.worker_alive("elsewhere:1:1").await.unwrap();
    r.audit(&AuditFilter {
        limit: 100,
        ..AuditFilter::default()
    })
    .await
    .unwrap();
}

/// How often each table of history was read from its beginning to its end, and how many rows of it.
async fn scans(client: &tokio_postgres::Client, database: &str) -> Vec<(String, i64, i64)> {
    // What a connection did is counted when it ends.
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let others: i64 = client
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()
                 AND backend_type = 'client backend'",
                &[&database],
            )
            .await
            .expect("asking")
            .get(0);
        if others == 0 {
            break;
        }
        assert!(Instant::now() < end, "connections stay");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    client
        .query(
            "SELECT relname::text, seq_scan, seq_tup_read FROM pg_stat_user_tables
             WHERE relname IN ('saas_health_check', 'saas_job', 'saas_job_step', 'saas_job_log', 'saas_audit',
                 'saas_operation', 'saas_instance')
             ORDER BY 1",
            &[],
        )
        .await
        .expect("asking")
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

/// The plans that PostgreSQL really makes, seen by what they did: no table of history was read from its
/// beginning to its end, whatever was asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hot_queries_never_read_all_of_the_history() {
    let database = kit::fresh().await;
    let client = kit::superuser(&database).await;
    let size = Size {
        servers: 200,
        instances: 5_000,
        checks: 60_000,
        jobs: 5_000,
    };
    fill(&database, &size).await;
    let before = scans(&client, &database).await;
    let registry = Postgres::open_with(&kit::address(&database, kit::ADMIN), &Listen::Poll)
        .await
        .expect("opening");
    let mut stream = registry.changes().await.expect("following");
    for _ in 0..3 {
        ask_all(&registry).await;
    }
    while let Ok(Some(_)) = tokio::time::timeout(Duration::from_millis(200), stream.recv()).await {}
    let month = Timestamp::now() - SignedDuration::from_hours(24 * 39);
    assert!(registry.prune(month, month).await.expect("pruning") > 1_000);
    drop(stream);
    drop(registry);
    let after = scans(&client, &database).await;
    assert_eq!(before.len(), 7, "{before:?}");
    assert_eq!(before, after, "(table, scans of all of it, rows read so)");
    // Nor by way of an index that is not the question's own, all of which is gone through then.
    let used: Vec<String> = client
        .query(
            "SELECT indexrelname::text FROM pg_stat_user_indexes WHERE idx_scan > 0 ORDER BY 1",
            &[],
        )
        .await
        .expect("asking")
        .iter()
        .map(|row| row.get(0))
        .collect();
    for index in [
        "saas_health_check_by_server",
        "saas_health_check_by_date",
        "saas_instance_by_server",
        "saas_job_by_instance",
        "saas_job_by_server",
        "saas_job_log_pkey",
        "saas_operation_by_date",
    ] {
        assert!(used.iter().any(|name| name == index), "{index} was not used: {used:?}");
    }
}

/// What is old goes in batches, each for good by itself: one that has to wait holds up none of the others' rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_is_deleted_batch_by_batch() {
    let database = kit::fresh().await;
    let size = Size {
        servers: 1,
        instances: 1,
        checks: 2_500,
        jobs: 1,
    };
    fill(&database, &size).await;
    let mut other = kit::superuser(&database).await;
    let left = kit::superuser(&database).await;
    let holding = other.transaction().await.expect("a transaction");
    holding
        .execute(
            "SELECT 1 FROM saas_health_check ORDER BY check_date DESC LIMIT 1 FOR UPDATE",
            &[],
        )
        .await
        .expect("holding the newest");
    let registry = Postgres::open_with(&kit::address(&database, kit::ADMIN), &Listen::Poll)
        .await
        .expect("opening");
    let later = Timestamp::now() + SignedDuration::from_hours(24);
    let pruning = tokio::spawn(async move { registry.prune(later, Timestamp::UNIX_EPOCH).await });
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let row = left.query_one("SELECT count(*) FROM saas_health_check", &[]).await;
        if row.expect("counting").get::<_, i64>(0) == 500 {
            break;
        }
        assert!(Instant::now() < end, "nothing is gone while one row is held");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    holding.rollback().await.expect("letting go");
    assert!(pruning.await.expect("no panic").expect("pruning") >= 2_500);
}

/// A check costs one row and the entries of its indexes, and its server's row; nothing that grows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_costs_one_insert_and_its_servers_update() {
    let database = kit::fresh().await;
    let client = kit::superuser(&database).await;
    let size = Size {
        servers: 20,
        instances: 100,
        checks: 2_000,
        jobs: 10,
    };
    fill(&database, &size).await;
    let written = "SELECT sum(n_tup_ins)::bigint, sum(n_tup_upd)::bigint,
            sum(n_tup_upd - n_tup_hot_upd) FILTER (WHERE relname = 'saas_server')::bigint
        FROM pg_stat_user_tables WHERE relname IN ('saas_health_check', 'saas_server', 'saas_instance', 'saas_job',
            'saas_audit', 'saas_operation')";
    scans(&client, &database).await;
    let before = client.query_one(written, &[]).await.expect("asking");
    let registry = Postgres::open(&kit::address(&database, kit::ADMIN))
        .await
        .expect("opening");
    let rules = HealthRules::default();
    for i in 0..50 {
        let at = Timestamp::now() + SignedDuration::from_millis(i);
        registry
            .record_check(ServerId(1 + i % 20), &report(at), &rules)
            .await
            .expect("a check");
    }
    drop(registry);
    scans(&client, &database).await;
    let after = client.query_one(written, &[]).await.expect("asking");
    let grown = |column: usize| after.get::<_, i64>(column) - before.get::<_, i64>(column);
    assert_eq!(
        (grown(0), grown(1)),
        (50, 50),
        "rows inserted and rows updated, of all tables"
    );
    assert!(grown(2) <= 25, "most of the updates touch no index: {} did", grown(2));
}

/// Deletes what is old while others write: how long the longest of their writes took meanwhile.
async fn written_while_pruning(registry: Arc<Postgres>, before: Timestamp) -> (u64, Duration, usize, Duration) {
    let over = Arc::new(AtomicBool::new(false));
    let (other, ended) = (Arc::clone(&registry), Arc::clone(&over));
    let writer = tokio::spawn(async move {
        let mut worst = Duration::ZERO;
        let mut written = 0;
        let rules = HealthRules::default();
        while !ended.load(Ordering::Relaxed) {
            let began = Instant::now();
            let server = ServerId(1 + i64::try_from(written % 20).unwrap_or(0));
            other
                .record_check(server, &report(Timestamp::now()), &rules)
                .await
                .expect("a check");
            worst = worst.max(began.elapsed());
            written += 1;
        }
        (written, worst)
    });
    let began = Instant::now();
    let gone = registry.prune(before, before).await.expect("pruning");
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let (written, worst) = writer.await.expect("writing");
    (gone, took, written, worst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_what_is_old_holds_nobody_up() {
    let database = kit::fresh().await;
    let client = kit::superuser(&database).await;
    let size = Size {
        servers: 20,
        instances: 100,
        checks: 60_000,
        jobs: 1_000,
    };
    fill(&database, &size).await;
    let registry = Arc::new(
        Postgres::open(&kit::address(&database, kit::ADMIN))
            .await
            .expect("opening"),
    );
    let half = Timestamp::now() - SignedDuration::from_hours(24 * 20);
    let (gone, took, written, worst) = written_while_pruning(Arc::clone(&registry), half).await;
    eprintln!("{gone} rows deleted in {took:?}; {written} checks were recorded meanwhile, the slowest took {worst:?}");
    assert!((40_000..=41_500).contains(&gone), "{gone}");
    assert!(written > 0 && worst < Duration::from_secs(1), "{worst:?}");
    let left: i64 = client
        .query_one(
            "SELECT count(*) FROM saas_health_check WHERE check_date < now() - interval '20 days'",
            &[],
        )
        .await
        .expect("counting")
        .get(0);
    assert_eq!(left, 0);
}

/// The whole size. Figures for the report.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten million rows"]
async fn soak_a_registry_of_ten_million_checks() {
    let database = kit::fresh().await;
    let client = kit::superuser(&database).await;
    let size = Size {
        servers: 1_000,
        instances: 100_000,
        checks: 10_000_000,
        jobs: 50_000,
    };
    let began = Instant::now();
    fill(&database, &size).await;
    eprintln!("filled in {:?}", began.elapsed());
    let before = scans(&client, &database).await;
    let address = kit::address(&database, kit::ADMIN);
    let mut best = Duration::MAX;
    for _ in 0..4 {
        let began = Instant::now();
        let registry = Postgres::open(&address).await.expect("opening");
        let opened = began.elapsed();
        let (servers, templates, instances, jobs) = tokio::join!(
            registry.servers(),
            registry.templates(),
            registry.instances(None),
            async { registry.jobs(&JobFilter::default()).await }
        );
        let sizes = (
            servers.expect("servers").len(),
            templates.expect("templates").len(),
            instances.expect("instances").len(),
            jobs.expect("jobs").len(),
        );
        best = best.min(began.elapsed());
        eprintln!("opened in {opened:?}, all of {sizes:?} read in {:?}", began.elapsed());
    }
    let mut first_frame = Duration::MAX;
    for _ in 0..4 {
        let place = address.clone();
        let looking = move || {
            dashboard::shows(
                &place,
                &[
                    ("", &["s1 ", "1000 servers", "customer-10000 "]),
                    ("9", &["100000", "customer-10001 "]),
                ],
            )
        };
        let took = tokio::task::spawn_blocking(looking).await.expect("looking");
        eprintln!(
            "the dashboard is up with data in {:?}, all instances are there in {:?}",
            took[0], took[1]
        );
        first_frame = first_frame.min(took[0]);
    }
    let registry = Arc::new(Postgres::open(&address).await.expect("opening"));
    for _ in 0..2 {
        let began = Instant::now();
        ask_all(&*registry).await;
        eprintln!("all hot queries one after the other: {:?}", began.elapsed());
    }
    let mut times = Vec::new();
    for i in 0..500 {
        let began = Instant::now();
        let at = Timestamp::now();
        registry
            .record_check(ServerId(1 + i % 1_000), &report(at), &HealthRules::default())
            .await
            .expect("a check");
        times.push(began.elapsed());
    }
    times.sort_unstable();
    eprintln!(
        "a check is recorded in {:?} (median), {:?} (p99)",
        times[250], times[495]
    );
    let old = Timestamp::now() - SignedDuration::from_hours(24 * 38);
    let (gone, took, written, worst) = written_while_pruning(Arc::clone(&registry), old).await;
    eprintln!("{gone} rows deleted in {took:?}; {written} checks were recorded meanwhile, the slowest took {worst:?}");
    assert!(worst < Duration::from_secs(1), "{worst:?}");
    drop(registry);
    let after = scans(&client, &database).await;
    for (before, after) in before.iter().zip(&after) {
        if before.0 != "saas_instance" {
            assert_eq!(before, after, "read from beginning to end");
        }
    }
    if cfg!(debug_assertions) {
        eprintln!("not built for speed: {best:?} and {first_frame:?} are no figures");
    } else {
        assert!(first_frame < Duration::from_secs(1), "{first_frame:?}");
    }
}
