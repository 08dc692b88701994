//! A registry is moved to PostgreSQL and back, and nothing is lost on the way.

use super::kit;
use crate::jobs_kit::{op, server_spec};
use pretty_assertions::assert_eq;
use rusqlite::Connection;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use vigie::domain::SafeText;
use vigie::registry::identity::ProcessId;
use vigie::registry::postgres::Postgres;
use vigie::registry::sqlite::Sqlite;
use vigie::registry::transfer::{LEFT, Report, TABLES, copy};
use vigie::registry::{Registry, RegistryError};

/// Texts that have broken programs before.
const HOSTILE: [&str; 12] = [
    "plain",
    "O'Brien \"quoted\" \\ back; DROP TABLE saas_server; --",
    "line\nbreak\ttab\r",
    "\u{202e}right to left\u{200b}\u{feff}",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 🏴‍☠️ ñ e\u{301}",
    "{\"json\": [1, \"\\u0000\"]}",
    "{a,\"b\",NULL}",
    "NULL",
    "\\N",
    "$1 ? :x %s {}",
    "\u{1}\u{7f}\u{85}",
    "  spaces around  ",
];

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path).expect("a registry")
}

fn raw(path: &Path) -> Connection {
    let conn = Connection::open(path).expect("the file");
    conn.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    conn
}

/// A fleet with every kind of row, odd texts wherever there is text, gaps in its numbers, and an audit.
async fn fleet(path: &Path) {
    let r = open(path);
    for n in 0..30 {
        let mut spec = server_spec(&format!("prod-{n}"), &format!("http://10.0.0.{n}:8069"));
        spec.description = SafeText::new(HOSTILE[n % HOSTILE.len()]);
        spec.cpu_cores = (n % 3 == 0).then_some(8);
        let added = r.add_server(&op(), &spec).await.unwrap();
        // Refused, and in the audit as that.
        r.edit_server(&op(), added.id, 77, &spec).await.unwrap_err();
    }
    drop(r);
    let conn = raw(path);
    // The way an operator's own SQL, or an older version, may have left things.
    conn.execute_batch("BEGIN").unwrap();
    for (n, text) in HOSTILE.iter().cycle().take(1_300).enumerate() {
        let n = i64::try_from(n).unwrap();
        let at = format!("2026-03-{:02}T01:02:03.{:06}Z", 1 + n % 28, n * 7 % 1_000_000);
        if n < 40 {
            conn.execute(
                "INSERT INTO saas_template (name, code, server_id, template_database, base_modules, language, state,
                     admin_password, frozen, created_at, size_bytes)
                 VALUES (?1, ?2, 1 + ?3 % 30, 'template_' || ?3, ?4, 'fr_FR', 'ready', ?5, ?3 % 2, ?6, 9007199254740993)",
                (
                    format!("t {text}"),
                    format!("template-{n}"),
                    n,
                    serde_json::json!([text, "é"]).to_string(),
                    (n % 2 == 0).then_some("sealed:k1:AAAA"),
                    &at,
                ),
            )
            .unwrap();
            conn.execute(
                "INSERT INTO saas_plan (code, name, max_users) VALUES (?1, ?2, ?3)",
                (format!("p{n}"), text, (n % 2 == 0).then_some(n)),
            )
            .unwrap();
            conn.execute(
                "INSERT INTO saas_customer (name, email) VALUES (?1, ?2)",
                (format!("{text} {n}"), text),
            )
            .unwrap();
            conn.execute(
                "INSERT INTO saas_instance (name, customer_id, plan_id, template_id, server_id, database_name, subdomain, url,
                     admin_login, admin_password, state, created_at)
                 VALUES (?1, ?2, ?2, ?2, 1 + (?2 - 1) % 30, 'db_' || ?2, 's-' || ?2, ?1, ?1, ?3, ?4, ?5)",
                (
                    format!("i {text}"),
                    n + 1,
                    format!("command:pass show {text}x"),
                    if n % 5 == 0 { "failed" } else { "active" },
                    &at,
                ),
            )
            .unwrap();
            conn.execute(
                "INSERT INTO saas_job (kind, spec, title, state, server_id, template_id, token, attempt, cancel_requested, asked_by,
                     created_at, started_at, result, problem, log_end)
                 VALUES ('template_thaw', ?1, ?2, ?3, 1, 1, ?4, 2, ?4 % 2, ?2, ?5, ?5, ?6, NULL, ?4)",
                (
                    serde_json::json!({"kind": "template_thaw", "template_id": 1, "server_id": 1}).to_string(),
                    text,
                    ["done", "failed", "queued", "stuck"][usize::try_from(n % 4).unwrap()],
                    n,
                    &at,
                    serde_json::json!({"text": text, "n": 18446744073709551615_u64, "f": 1e16, "g": [1.0, -0.25]}).to_string(),
                ),
            )
            .unwrap();
            conn.execute(
                "INSERT INTO saas_job_step (job_id, step, name, title, detail, data, started_at) VALUES (?1, 0, 'a', ?2, ?2, ?3, ?4)",
                (n + 1, text, serde_json::json!({"password": "sealed:k1:BBBB", *text: null}).to_string(), &at),
            )
            .unwrap();
            conn.execute(
                "INSERT INTO saas_reservation VALUES (?1, ?2, ?1, ?3)",
                (format!("{text}:{n}"), n + 1, n % 2),
            )
            .unwrap();
        }
        conn.execute(
            "INSERT INTO saas_job_log (job_id, seq, at, step, stream, level, text, took_ms) VALUES (1, ?1, ?2, NULL, 'stdout', 'info', ?3, ?1)",
            (n + 1, &at, text),
        )
        .unwrap();
        conn.execute(
            "INSERT INTO saas_health_check (server_id, check_date, status, reason, latency_ms, answered, report)
             VALUES (1 + ?1 % 30, ?2, 'healthy', ?3, ?1, ?1 % 2, ?4)",
            (n, &at, text, serde_json::json!({"at": at, "note": text}).to_string()),
        )
        .unwrap();
        conn.execute(
            "INSERT INTO saas_operation VALUES (?1, 'server.edit', ?2, ?3, ?4)",
            (format!("op {n}"), text, n, &at),
        )
        .unwrap();
    }
    // Numbers that were given out and are gone must not come back.
    conn.execute_batch(
        "DELETE FROM saas_customer WHERE id NOT IN (SELECT customer_id FROM saas_instance) OR id = 0;
         INSERT INTO saas_customer (name) VALUES ('gone'); DELETE FROM saas_customer WHERE name = 'gone';
         UPDATE saas_server SET check_claimed_at = created_at, last_check_date = NULL WHERE id % 2 = 0;
         COMMIT",
    )
    .unwrap();
}

/// Every copied column of every row, as SQLite itself has it; JSON by what it means.
fn everything(path: &Path) -> BTreeMap<&'static str, Vec<Vec<String>>> {
    let conn = raw(path);
    let mut all = BTreeMap::new();
    for table in &TABLES {
        let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {}",
            columns.join(", "),
            table.name,
            table.key.join(", ")
        );
        let mut statement = conn.prepare(&sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let cell = |at: usize| match row.get::<_, rusqlite::types::Value>(at).unwrap() {
                rusqlite::types::Value::Text(text) if table.columns[at].1 == vigie::registry::transfer::Kind::Json => {
                    let mut value: Value = serde_json::from_str(&text).unwrap();
                    plain_numbers(&mut value);
                    format!("json {value}")
                }
                other => format!("{other:?}"),
            };
            found.push((0..columns.len()).map(cell).collect());
        }
        all.insert(table.name, found);
    }
    all
}

/// `1.0` and `1` are one number.
fn plain_numbers(value: &mut Value) {
    match value {
        Value::Number(n) if n.is_f64() && n.as_f64().is_some_and(|f| f.fract() == 0.0) => {
            *value = Value::from(format!("{:.0}", n.as_f64().unwrap()));
        }
        Value::Number(n) => *value = Value::from(n.to_string()),
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Object(fields) => fields.values_mut().for_each(plain_numbers),
        _ => {}
    }
}

async fn counts(database: &str) -> BTreeMap<String, i64> {
    let client = kit::superuser(database).await;
    let mut found = BTreeMap::new();
    for table in &TABLES {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let rows: i64 = client.query_one(&sql, &[]).await.unwrap().get(0);
        if rows > 0 && !table.single {
            found.insert(table.name.to_owned(), rows);
        }
    }
    found
}

async fn postgres(database: &str) -> Postgres {
    Postgres::open(&kit::address(database, kit::OWNER))
        .await
        .expect("the owner opens it")
}

async fn copied(
    from: &dyn vigie::registry::transfer::Transfer,
    to: &dyn vigie::registry::transfer::Transfer,
) -> Result<Report, RegistryError> {
    copy(from, to, &op(), &|_, _| {}).await
}

fn compared(report: &Report) {
    assert_eq!(report.tables.len(), TABLES.len());
    for table in &report.tables {
        assert_eq!(table.rows, table.compared, "{table:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_goes_to_postgresql_and_back_and_every_row_is_equal() {
    let folder = tempfile::tempdir().unwrap();
    let (first, last) = (folder.path().join("first.db"), folder.path().join("last.db"));
    fleet(&first).await;
    let before = everything(&first);
    let database = kit::fresh().await;
    let (source, middle) = (open(&first), postgres(&database).await);
    let there = copied(&source, &middle).await.expect("copied");
    compared(&there);
    assert_eq!(there.waiting_jobs, 10);
    assert!(there.rows > 4_000, "{there:?}");
    assert_eq!(everything(&first), before, "the source is as it was");
    // The same through the registry's own eyes.
    assert_eq!(middle.servers().await.unwrap(), source.servers().await.unwrap());
    assert_eq!(middle.templates().await.unwrap(), source.templates().await.unwrap());
    assert_eq!(
        middle.instances(None).await.unwrap(),
        source.instances(None).await.unwrap()
    );
    assert_eq!(middle.secret_uses().await.unwrap(), source.secret_uses().await.unwrap());
    let verdict = middle.verify_audit(&[]).await.unwrap();
    assert!(verdict.broken.is_none(), "{verdict:?}");
    // Its rules are in force again, and its numbers go on where they were.
    let client = kit::superuser(&database).await;
    let off: i64 = client
        .query_one(
            "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'D'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(off, 0, "every trigger is on");
    let back = open(&last);
    let returned = copied(&middle, &back).await.expect("copied back");
    compared(&returned);
    assert_eq!(returned.rows, there.rows + 1, "and the audit's row of the first copy");
    let mut after = everything(&last);
    for (table, rows) in &mut after {
        match *table {
            "saas_audit" => rows.truncate(before["saas_audit"].len()),
            "saas_audit_head" => continue,
            _ => {}
        }
        assert_eq!(rows.len(), before[table].len(), "{table}");
        for (left, right) in rows.iter().zip(&before[table]) {
            assert_eq!(left, right, "{table}");
        }
    }
    let verdict = back.verify_audit(&[]).await.unwrap();
    assert!(verdict.broken.is_none(), "{verdict:?}");
    let admin = Postgres::open(&kit::address(&database, kit::ADMIN)).await.unwrap();
    let next = |n: u8| server_spec(&format!("next-{n}"), &format!("http://10.1.0.{n}:8069"));
    let ids = [
        source.add_server(&op(), &next(1)).await.unwrap().id,
        admin.add_server(&op(), &next(1)).await.unwrap().id,
        back.add_server(&op(), &next(1)).await.unwrap().id,
    ];
    assert_eq!(
        (ids[0], ids[1]),
        (ids[1], ids[2]),
        "the next number is the same everywhere"
    );
    let name = SafeText::new("a new one");
    let customers = [
        source.customer_named(&op(), &name).await.unwrap(),
        admin.customer_named(&op(), &name).await.unwrap(),
        back.customer_named(&op(), &name).await.unwrap(),
    ];
    assert_eq!(
        (customers[0], customers[1]),
        (customers[1], customers[2]),
        "a number that was given out is not given again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_empty_target_and_a_quiet_source_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.db");
    let source = open(&path);
    source
        .add_server(&op(), &server_spec("prod-1", "http://10.0.0.1"))
        .await
        .unwrap();
    let database = kit::fresh().await;
    let target = postgres(&database).await;
    // A worker that is alive.
    let me = ProcessId::here().to_string();
    source.worker_alive(&me).await.unwrap();
    let refused = copied(&source, &target).await.unwrap_err().to_string();
    assert!(
        refused.contains("workers that are alive") && refused.contains(&me),
        "{refused}"
    );
    source.worker_gone(&me).await.unwrap();
    // A job that runs.
    raw(&path)
        .execute_batch(
            "INSERT INTO saas_job (kind, spec, title, state, server_id, asked_by, created_at)
             VALUES ('template_thaw', '{\"kind\":\"template_thaw\",\"template_id\":1,\"server_id\":1}', 'thaw it', 'running', 1,
                     'ada', '2026-01-01T00:00:00.000000Z')",
        )
        .unwrap();
    let refused = copied(&source, &target).await.unwrap_err().to_string();
    assert!(
        refused.contains("jobs that are not over") && refused.contains("thaw it"),
        "{refused}"
    );
    raw(&path).execute_batch("UPDATE saas_job SET state = 'stuck'").unwrap();
    assert_eq!(counts(&database).await, BTreeMap::new());
    copied(&source, &target).await.expect("quiet now");
    let filled = counts(&database).await;
    // Not a second time, from anywhere.
    let refused = copied(&source, &target).await.unwrap_err().to_string();
    assert!(
        refused.contains("not empty") && refused.contains("1 in saas_server"),
        "{refused}"
    );
    let refused = copied(&target, &source).await.unwrap_err().to_string();
    assert!(
        refused.contains("not empty") && refused.contains("1 in saas_job"),
        "{refused}"
    );
    assert_eq!(counts(&database).await, filled);
    // While a copy reads, nobody writes.
    let second = kit::fresh().await;
    let other = postgres(&second).await;
    let held = vigie::registry::transfer::Transfer::source(&source).await.unwrap();
    let late = tokio::time::timeout(
        std::time::Duration::from_millis(500),
        source.customer_named(&op(), &SafeText::new("late")),
    )
    .await;
    assert!(late.is_err(), "a write waits: {late:?}");
    drop(held);
    // A text that PostgreSQL can't keep is named, and the target stays empty.
    raw(&path)
        .execute("UPDATE saas_server SET description = ?1", ["a\0b"])
        .unwrap();
    let refused = copied(&source, &other).await.unwrap_err().to_string();
    assert!(
        refused.contains("saas_server.description") && refused.contains("zero character"),
        "{refused}"
    );
    assert_eq!(counts(&second).await, BTreeMap::new());
    // Who does not own the tables can't copy.
    let manager = Postgres::open(&kit::address(&second, kit::MANAGER)).await.unwrap();
    let refused = copied(&source, &manager).await.unwrap_err().to_string();
    assert!(refused.contains("saas_owner"), "{refused}");
    assert_eq!(counts(&second).await, BTreeMap::new());
}

fn vigie(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
    command
        .env_clear()
        .env("HOME", folder)
        .env("USER", "ada")
        .args(arguments)
        .current_dir(folder);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_killed_midway_leaves_the_target_empty_and_the_next_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.db");
    fleet(&path).await;
    let database = kit::fresh().await;
    let to = kit::address(&database, kit::OWNER);
    let from = path.display().to_string();
    let points = [
        "registry.copy.copying.saas_template",
        "registry.copy.copying.saas_operation",
        "registry.copy.comparing.saas_server",
        "registry.copy.comparing.saas_operation",
    ];
    for point in points {
        let ran = vigie(folder.path(), &["registry", "copy", "--from", &from, "--to", &to])
            .env("VIGIE_FAILPOINT", point)
            .output()
            .unwrap();
        assert!(!ran.status.success(), "{point}: {ran:?}");
        assert_eq!(counts(&database).await, BTreeMap::new(), "{point}");
    }
    let dry = vigie(
        folder.path(),
        &["registry", "copy", "--from", &from, "--to", &to, "--dry-run", "--json"],
    )
    .output()
    .unwrap();
    assert!(dry.status.success(), "{dry:?}");
    let dry: Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!(counts(&database).await, BTreeMap::new());
    let ran = vigie(
        folder.path(),
        &["registry", "copy", "--from", &from, "--to", &to, "--json"],
    )
    .output()
    .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(
        (dry["dry_run"].as_bool(), dry["rows"].as_u64()),
        (Some(true), report["rows"].as_u64())
    );
    assert!(!String::from_utf8_lossy(&ran.stdout).contains(kit::PASSWORD));
    // And back, killed the same.
    let home: PathBuf = folder.path().join("home.db");
    let back = home.display().to_string();
    for point in points {
        let ran = vigie(folder.path(), &["registry", "copy", "--from", &to, "--to", &back])
            .env("VIGIE_FAILPOINT", point)
            .output()
            .unwrap();
        assert!(!ran.status.success(), "{point}: {ran:?}");
        let filled = everything(&home)
            .into_iter()
            .filter(|(table, rows)| *table != "saas_audit_head" && !rows.is_empty());
        assert_eq!(
            filled.map(|(table, _)| table).collect::<Vec<_>>(),
            Vec::<&str>::new(),
            "{point}"
        );
    }
    let ran = vigie(folder.path(), &["registry", "copy", "--from", &to, "--to", &back])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        said.contains("every one found equal") && said.contains("[paths] registry"),
        "{said}"
    );
    let ran = vigie(
        folder.path(),
        &[
            "registry",
            "copy",
            "--from",
            &to,
            "--to",
            &folder.path().join("new.db").display().to_string(),
            "--dry-run",
        ],
    )
    .output()
    .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert!(!folder.path().join("new.db").exists(), "a dry run makes no file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_and_column_of_both_stores_is_copied_or_declared_as_left() {
    let declared: BTreeMap<&str, BTreeSet<&str>> = TABLES
        .iter()
        .map(|table| {
            (
                table.name,
                table
                    .columns
                    .iter()
                    .map(|(name, _)| *name)
                    .chain(table.left.iter().copied())
                    .collect(),
            )
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.db");
    drop(open(&path));
    let conn = raw(&path);
    let mut found: Vec<(String, String)> = conn
        .prepare("SELECT t.name, c.name FROM sqlite_schema t, pragma_table_xinfo(t.name) c WHERE t.type = 'table' AND t.name LIKE 'saas_%'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let database = kit::fresh().await;
    let rows = kit::superuser(&database)
        .await
        .query(
            "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'",
            &[],
        )
        .await
        .unwrap();
    found.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
    assert!(found.len() > 200);
    for (table, column) in &found {
        if LEFT.contains(&table.as_str()) {
            continue;
        }
        let columns = declared
            .get(table.as_str())
            .unwrap_or_else(|| panic!("{table} is not declared"));
        assert!(columns.contains(column.as_str()), "{table}.{column} is not declared");
    }
    for table in &TABLES {
        for (column, _) in table.columns {
            let stores = found.iter().filter(|(t, c)| t == table.name && c == column).count();
            assert_eq!(stores, 2, "{}.{column} is in both stores", table.name);
        }
    }
}
