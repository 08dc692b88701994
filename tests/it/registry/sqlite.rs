//! What is SQLite's alone: the file, its schema under an operator's own SQL, its constraints without us.

use super::bench::{
    Bench, change, claim, instance, instance_job, op, refused_connection, report, server, server_spec, template,
};
use pretty_assertions::assert_eq;
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use vigie::domain::health::HealthRules;
use vigie::domain::instance::InstanceState;
use vigie::domain::job::{JobState, StepState};
use vigie::registry::sqlite::Sqlite;
use vigie::registry::{Change, Consequence, RegistryError};

fn raw(r: &Bench) -> Connection {
    let conn = Connection::open(r.place()).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000")
        .unwrap();
    conn
}

fn column<T: rusqlite::types::FromSql>(conn: &Connection, sql: &str) -> Vec<T> {
    let mut statement = conn.prepare(sql).unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

#[tokio::test]
async fn an_operators_own_sql_reads_naturally() {
    let r = super::store().await;
    let a = server(&*r, "prod-1", 10).await;
    let b = server(&*r, "prod-2", 4).await;
    let down = server(&*r, "down", 5).await;
    r.add_server(&op(), &server_spec("new", 5)).await.unwrap();
    for _ in 0..2 {
        let check = report(super::bench::now(), Some(refused_connection()));
        r.record_check(down.id, &check, &HealthRules::default()).await.unwrap();
    }
    let t = template(&*r, "restaurant", a.id).await;
    let u = template(&*r, "shop", b.id).await;
    for name in ["one", "two", "three"] {
        instance(&*r, &t, name).await;
    }
    instance(&*r, &u, "four").await;
    let conn = raw(&r);
    let mut statement = conn
        .prepare("SELECT id, name, code, state, health_status FROM saas_server")
        .unwrap();
    let rows: Vec<(String, String, String)> = statement
        .query_map([], |row| Ok((row.get(2)?, row.get(3)?, row.get(4)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let row = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        rows,
        [
            row("prod-1", "active", "unknown"),
            row("prod-2", "active", "unknown"),
            row("down", "offline", "critical"),
            row("new", "draft", "unknown"),
        ]
    );
    let sql = "SELECT name, instance_count, max_instances,
                      (100 * (max_instances - instance_count) / max_instances) as capacity
               FROM saas_server WHERE state = 'active' ORDER BY capacity DESC";
    let mut statement = conn.prepare(sql).unwrap();
    let rows: Vec<(String, i64, i64, i64)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(
        rows,
        [
            ("Server prod-2".to_owned(), 1, 4, 75),
            ("Server prod-1".to_owned(), 3, 10, 70)
        ]
    );
    let sql = "SELECT s.name, COUNT(i.id) as count FROM saas_server s LEFT JOIN saas_instance i ON s.id = i.server_id
               GROUP BY s.id, s.name";
    let mut statement = conn.prepare(sql).unwrap();
    let rows: Vec<(String, u32)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (name, count) in rows {
        let known = r
            .servers()
            .await
            .unwrap()
            .into_iter()
            .find(|s| s.spec.name.as_str() == name)
            .unwrap();
        assert_eq!(count, known.instance_count, "{name}");
    }
    let capacity: Vec<f64> = column(&conn, "SELECT available_capacity FROM saas_server ORDER BY id LIMIT 2");
    assert_eq!(capacity, [70.0, 75.0]);
    let recent: i64 = conn
        .query_row(
            "SELECT count(*) FROM saas_server WHERE last_check_date > datetime('now', '-1 hour')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(recent, 1, "times are what SQLite's own functions read");
}

#[tokio::test]
async fn the_database_keeps_its_rules_without_us() {
    let r = super::store().await;
    let s = server(&*r, "prod-1", 2).await;
    let t = template(&*r, "restaurant", s.id).await;
    let i = instance(&*r, &t, "acme").await;
    let failed = r.queue_job(&op(), &instance_job(&t, "gone")).await.unwrap();
    let id = super::bench::the_instance(&failed);
    super::bench::end(
        &*r,
        failed.id,
        JobState::Failed,
        &[Consequence::InstanceState(id, InstanceState::Failed)],
    )
    .await;
    instance(&*r, &t, "bistro").await;
    let conn = raw(&r);
    let add = "INSERT INTO saas_instance (name, template_id, server_id, database_name, subdomain, url, admin_login, admin_password, state, created_at)";
    let refused = [
        ("UPDATE saas_server SET max_instances = 0".to_owned(), "CHECK"),
        ("UPDATE saas_server SET intent = 'offline'".to_owned(), "CHECK"),
        ("UPDATE saas_server SET observed = 'active'".to_owned(), "CHECK"),
        ("UPDATE saas_server SET server_url = 'ftp://x'".to_owned(), "CHECK"),
        ("UPDATE saas_server SET code = 'Upper'".to_owned(), "CHECK"),
        (
            "UPDATE saas_server SET db_password = 'in the clear'".to_owned(),
            "CHECK",
        ),
        ("UPDATE saas_server SET master_password = 'admin'".to_owned(), "CHECK"),
        ("UPDATE saas_server SET state = 'active'".to_owned(), "generated column"),
        ("UPDATE saas_instance SET admin_password = 'admin'".to_owned(), "CHECK"),
        (
            format!(
                "UPDATE saas_instance SET subdomain = 'acme' WHERE id <> {} AND state <> 'failed'",
                i.id
            ),
            "UNIQUE",
        ),
        (
            format!(
                "UPDATE saas_instance SET database_name = 'acme' WHERE id <> {} AND state <> 'failed'",
                i.id
            ),
            "UNIQUE",
        ),
        (
            "UPDATE saas_instance SET state = 'active' WHERE state = 'failed'".to_owned(),
            "no place",
        ),
        (
            format!(
                "{add} VALUES ('x', {}, {}, 'xx', 'xx', '', '', 'env:X', 'active', '')",
                t.id, s.id
            ),
            "no place",
        ),
        ("DELETE FROM saas_server".to_owned(), "FOREIGN KEY"),
        ("DELETE FROM saas_template".to_owned(), "FOREIGN KEY"),
        ("DELETE FROM saas_audit".to_owned(), "only ever added"),
        ("UPDATE saas_audit SET os_user = 'nobody'".to_owned(), "only ever added"),
    ];
    for (sql, why) in &refused {
        let said = conn.execute(sql, []).expect_err(sql).to_string();
        assert!(said.contains(why), "{sql}: {said}");
    }
    conn.execute("UPDATE saas_server SET max_instances = 9", []).unwrap();
    let name = &t.spec.template_database;
    let sql = format!(
        "{add} VALUES ('x', {}, {}, '{name}', 'xx', '', '', 'env:X', 'active', '')",
        t.id, s.id
    );
    assert!(
        conn.execute(&sql, [])
            .unwrap_err()
            .to_string()
            .contains("database taken")
    );
    // And counts right, whoever writes.
    conn.execute(
        "UPDATE saas_instance SET state = 'provisioning' WHERE state = 'failed'",
        [],
    )
    .unwrap();
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 3);
    conn.execute("DELETE FROM saas_instance", []).unwrap();
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 0);
    assert_eq!(r.template(t.id).await.unwrap().instance_count, 0);
}

#[tokio::test]
async fn an_operators_own_sql_is_told_to_whoever_follows() {
    let r = super::store().await;
    let s = server(&*r, "prod-1", 2).await;
    let mut stream = r.changes().await.unwrap();
    let conn = raw(&r);
    for i in 0..10 {
        conn.execute("UPDATE saas_server SET description = ?1", [i]).unwrap();
        let told = tokio::time::timeout(Duration::from_secs(5), stream.recv())
            .await
            .expect("told")
            .unwrap();
        assert_eq!(told, [Change::Server(s.id)]);
    }
}

#[tokio::test]
async fn a_newer_schema_and_other_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry.db");
    drop(Sqlite::open(&path).unwrap());
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(conn);
    let known = match Sqlite::open(&path).unwrap_err() {
        RegistryError::NewerSchema { found: 99, known } => known,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        Sqlite::open_existing(&path),
        Err(RegistryError::NewerSchema { .. })
    ));
    let conn = Connection::open(&path).unwrap();
    let untouched: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(untouched, 99);
    conn.pragma_update(None, "user_version", known).unwrap();
    drop(conn);
    drop(Sqlite::open(&path).expect("as it was"));
    let refused = |path: &Path, word: &str| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let said = Sqlite::open(path).unwrap_err();
        assert!(matches!(said, RegistryError::Unusable { .. }), "{said:?}");
        assert!(said.to_string().contains(word), "{said}");
    };
    let other = dir.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE mail (id)")
        .unwrap();
    refused(&other, "another program's");
    let text = dir.path().join("text.db");
    std::fs::write(
        &text,
        "this is no database, and long enough to be looked at as one".repeat(20),
    )
    .unwrap();
    refused(&text, "not a vigie registry");
    assert!(
        std::fs::read_to_string(&text)
            .unwrap()
            .starts_with("this is no database")
    );
    let none = dir.path().join("none.db");
    let said = Sqlite::open_existing(&none).unwrap_err();
    assert!(said.to_string().contains("no such file"), "{said}");
    assert!(!none.exists());
    let folder = Sqlite::open(dir.path()).unwrap_err();
    assert!(matches!(folder, RegistryError::Unusable { .. }), "{folder:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_write_keeps_no_reader_waiting() {
    let r = super::store().await;
    let s = server(&*r, "prod-1", 2).await;
    let conn = raw(&r);
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    let other = r.another().await;
    let write = tokio::spawn(async move { other.add_server(&op(), &server_spec("prod-2", 2)).await });
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(r.servers().await.unwrap(), std::slice::from_ref(&s));
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    assert!(!write.is_finished());
    conn.execute_batch("COMMIT").unwrap();
    write.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_registry_answers_in_time_and_says_so() {
    let r = super::store().await;
    let conn = raw(&r);
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let said = r.add_server(&op(), &server_spec("prod-1", 2)).await.unwrap_err();
    assert!(said.is_transient(), "{said:?}");
    assert!(began.elapsed() < Duration::from_secs(16), "{:?}", began.elapsed());
    conn.execute_batch("ROLLBACK").unwrap();
    r.add_server(&op(), &server_spec("prod-1", 2)).await.unwrap();
}

/// Others write, and leave it free for a moment now and then: who waits doesn't miss that moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_others_takes_the_first_moment_in_which_nobody_writes() {
    let r = super::store().await;
    let conn = raw(&r);
    let (rounds, mut met) = (8, 0);
    for n in 0..rounds {
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        let other = r.another().await;
        let added = tokio::spawn(async move {
            let spec = server_spec(&format!("prod-{n}"), 2);
            let added = other.add_server(&op(), &spec).await;
            (added, Instant::now())
        });
        // It has waited for a while by then.
        tokio::time::sleep(Duration::from_millis(700 + 13 * n)).await;
        conn.execute_batch("ROLLBACK").unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        let taken_again = Instant::now();
        tokio::time::sleep(Duration::from_millis(300)).await;
        conn.execute_batch("ROLLBACK").unwrap();
        let (added, at) = added.await.unwrap();
        added.unwrap();
        met += u64::from(at < taken_again + Duration::from_millis(200));
    }
    assert!(met >= rounds - 1, "{met} of {rounds} moments were met");
}

/// 1,000 servers and 100,000 instances, through the schema's own triggers.
fn fleet(r: &Bench) {
    let conn = raw(r);
    conn.execute_batch(
        "BEGIN;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO saas_server (name, code, server_url, max_instances, intent, created_at)
             SELECT 'Server ' || i, 's' || i, 'https://s' || i || '.example.org', 200, 'active', '2026-01-01T00:00:00.000000000Z' FROM n;
         INSERT INTO saas_template (name, code, server_id, template_database, language, state, created_at)
             SELECT name, 't' || id, id, 'template_' || id, 'fr_FR', 'ready', created_at FROM saas_server;
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
         INSERT INTO saas_instance (name, template_id, server_id, database_name, subdomain, url, admin_login, admin_password, state, created_at)
             SELECT 'Client ' || (i * 7919 % 100000), 1 + i % 1000, 1 + i % 1000, 'client_' || i, 'client-' || i,
                 'https://client-' || i || '.example.org', 'admin', 'sealed:k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'active', '2026-01-01T00:00:00.000000000Z' FROM n;
         COMMIT;",
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_fleet_is_read_quickly() {
    let r = super::store().await;
    fleet(&r);
    r.servers().await.unwrap();
    let began = Instant::now();
    let servers = r.servers().await.unwrap();
    let all_servers = began.elapsed();
    assert_eq!((servers.len(), servers[7].instance_count), (1_000, 100));
    let began = Instant::now();
    let instances = r.instances(None).await.unwrap();
    let all_instances = began.elapsed();
    assert_eq!(instances.len(), 100_000);
    assert!(instances.is_sorted_by(|a, b| a.spec.name <= b.spec.name));
    let began = Instant::now();
    assert_eq!(r.instances(Some(servers[7].id)).await.unwrap().len(), 100);
    let one_server = began.elapsed();
    let began = Instant::now();
    assert_eq!(r.instances_called("client-77777").await.unwrap().len(), 1);
    let called = began.elapsed();
    eprintln!(
        "1,000 servers {all_servers:?}, 100,000 instances {all_instances:?}, one server's {one_server:?}, one {called:?}"
    );
    // Wide limits: a debug build, on a machine that does other things. A scan a row would break them.
    assert!(all_servers < Duration::from_secs(5), "{all_servers:?}");
    assert!(all_instances < Duration::from_secs(20), "{all_instances:?}");
    assert!(one_server < Duration::from_secs(2), "{one_server:?}");
    assert!(called < Duration::from_secs(2), "{called:?}");
}

#[tokio::test]
async fn lists_are_read_by_indexes() {
    let r = super::store().await;
    let conn = raw(&r);
    let plans = [
        (
            "SELECT * FROM saas_job_log WHERE job_id = 1 AND seq > 5 ORDER BY seq LIMIT 10",
            "PRIMARY KEY",
        ),
        (
            "SELECT * FROM saas_job WHERE instance_id = 1 ORDER BY id DESC LIMIT 200",
            "saas_job_by_instance",
        ),
        (
            "SELECT * FROM saas_job WHERE server_id = 1 ORDER BY id DESC LIMIT 200",
            "saas_job_by_server",
        ),
        (
            "SELECT id FROM saas_job WHERE state IN ('queued', 'running', 'undoing') ORDER BY id",
            "saas_job_by_state",
        ),
        (
            "SELECT * FROM saas_instance WHERE server_id = 1 ORDER BY name, id",
            "saas_instance_by_server",
        ),
        (
            "SELECT * FROM saas_instance WHERE subdomain = 'a' OR database_name = 'a' OR name = 'a'",
            "MULTI-INDEX OR",
        ),
        (
            "SELECT * FROM saas_health_check WHERE server_id = 1 AND check_date >= '' ORDER BY check_date DESC, id DESC",
            "saas_health_check_by_server",
        ),
        (
            "SELECT * FROM saas_audit WHERE object = 'server:1' ORDER BY id DESC",
            "saas_audit_by_object",
        ),
    ];
    for (sql, index) in plans {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> = statement
            .query_map([], |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let plan = plan.join("; ");
        assert!(plan.contains(index), "{sql}: {plan}");
        if !sql.contains(" OR ") && !sql.contains(" IN ") {
            assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }
}

#[tokio::test]
async fn the_log_of_changes_is_trimmed_and_its_reader_told() {
    let r = super::store().await;
    let s = server(&*r, "prod-1", 2).await;
    let mut stream = r.changes().await.unwrap();
    let conn = raw(&r);
    conn.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
         INSERT INTO saas_change (entity, entity_id) SELECT 'server', i FROM n;",
    )
    .unwrap();
    let kept: i64 = conn
        .query_row("SELECT count(*) FROM saas_change", [], |row| row.get(0))
        .unwrap();
    assert!(kept < 20_000, "{kept} kept");
    let told = tokio::time::timeout(Duration::from_secs(5), stream.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(told, [Change::Everything]);
    r.record_check(s.id, &report(super::bench::now(), None), &HealthRules::default())
        .await
        .unwrap();
    let told = tokio::time::timeout(Duration::from_secs(5), stream.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(told, [Change::Server(s.id)]);
}

#[tokio::test]
async fn a_lease_of_an_earlier_boot_is_over() {
    let r = super::store().await;
    let s = server(&*r, "prod-1", 2).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let first = claim(&*r).await;
    assert_eq!(
        r.claim_job("x:1:1", &vigie::registry::ClaimTerms::lease(Duration::from_secs(9)))
            .await
            .unwrap(),
        None
    );
    raw(&r)
        .execute(
            "UPDATE saas_job SET lease_boot = 'an-earlier-one' WHERE id = ?1",
            [job.id.0],
        )
        .unwrap();
    let second = r
        .claim_job("x:1:1", &vigie::registry::ClaimTerms::lease(Duration::from_secs(9)))
        .await
        .unwrap()
        .expect("that boot is over");
    assert_eq!(second.token, first.token + 1);
    let late = r
        .record_step(job.id, first.token, &change(0, StepState::Done, JobState::Running))
        .await;
    assert!(matches!(late, Err(RegistryError::StaleToken { .. })));
}
