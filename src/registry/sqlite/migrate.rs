//! The schema's versions, forward only, each in one transaction.

use super::db::{begin, is_busy, opening, store};
use super::place::unusable;
use crate::registry::{RegistryError, Result};
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

/// One version of the schema.
#[derive(Clone, Copy)]
struct Version {
    /// Its statements.
    sql: &'static str,
    /// What SQL alone can't do, in the same transaction.
    then: Option<fn(&Connection) -> Result<()>>,
}

/// Every version, from nothing on. Never edited once released: a new one is added.
const MIGRATIONS: &[Version] = &[
    Version {
        sql: include_str!("schema_1.sql"),
        then: None,
    },
    Version {
        sql: include_str!("schema_2.sql"),
        then: None,
    },
    Version {
        sql: include_str!("schema_3.sql"),
        then: Some(chained),
    },
    Version {
        sql: include_str!("schema_4.sql"),
        then: None,
    },
];

/// The audit's rows that are there already get their place in the chain.
fn chained(tx: &Connection) -> Result<()> {
    super::audit::chain_all(tx)?;
    tx.execute_batch(include_str!("schema_3_after.sql")).map_err(store)
}

/// `VIGI`, in the file's header: other programs' databases are refused.
const APPLICATION: i64 = 0x5649_4749;

/// The newest schema that this program knows.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn pragma(conn: &Connection, name: &str) -> rusqlite::Result<i64> {
    conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}

/// Refuses a file of another program, or of a newer vigie; the answer is its schema's version.
fn version(conn: &Connection, path: &Path) -> Result<i64> {
    // In this order: another process may migrate between these reads, and sets the last one with the first.
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|e| opening(path, e))?;
    let found = pragma(conn, "user_version").map_err(|e| opening(path, e))?;
    let application = pragma(conn, "application_id").map_err(|e| opening(path, e))?;
    if found > known() && application == APPLICATION {
        return Err(RegistryError::NewerSchema { found, known: known() });
    }
    if application != APPLICATION && (found != 0 || tables != 0) {
        return Err(unusable(
            path,
            "it is another program's database: mend the path in the settings",
        ));
    }
    Ok(found)
}

/// Brings the schema up to what this program knows. Safe when many do it at once: whoever comes
/// first migrates, the others find it done.
pub(super) fn forward(conn: &mut Connection, path: &Path, end: Instant) -> Result<()> {
    along(conn, path, end, MIGRATIONS)
}

fn along(conn: &mut Connection, path: &Path, end: Instant, migrations: &[Version]) -> Result<()> {
    loop {
        let found = version(conn, path)?;
        let Some(next) = usize::try_from(found).ok().and_then(|at| migrations.get(at)) else {
            return Ok(());
        };
        match step(conn, path, found, next) {
            Err(RegistryError::Store { transient: true, .. }) if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => other?,
        }
    }
}

fn step(conn: &mut Connection, path: &Path, found: i64, next: &Version) -> Result<()> {
    let tx = begin(conn)?;
    // Another process may have migrated while this one waited for the write lock.
    if version(&tx, path)? != found {
        return Ok(());
    }
    tx.execute_batch(next.sql).map_err(store)?;
    if let Some(then) = next.then {
        then(&tx)?;
    }
    tx.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {}",
        found + 1
    ))
    .map_err(store)?;
    tx.commit().map_err(store)
}

/// For a reader: the schema must be the one this program knows.
pub(super) fn check(conn: &Connection, path: &Path) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        match pragma(conn, "user_version") {
            Err(e) if is_busy(&e) && Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            _ => break,
        }
    }
    let found = version(conn, path)?;
    if found < known() {
        return Err(unusable(
            path,
            format!(
                "its schema is {found}, older than this vigie's {}: start vigie once to bring it forward",
                known()
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(sql: &'static str) -> Version {
        Version { sql, then: None }
    }

    fn begun() -> (Connection, Instant) {
        (
            Connection::open_in_memory().unwrap(),
            Instant::now() + Duration::from_secs(5),
        )
    }

    #[test]
    fn a_migration_that_fails_leaves_the_schema_as_it_was() {
        let (mut conn, end) = begun();
        let path = Path::new("x");
        let broken = [only(
            "CREATE TABLE a (x); INSERT INTO a VALUES (1); CREATE TABLE b (x); CREATE TABLE b (x);",
        )];
        along(&mut conn, path, end, &broken).unwrap_err();
        assert_eq!(pragma(&conn, "user_version"), Ok(0));
        assert_eq!(pragma(&conn, "application_id"), Ok(0));
        let tables: i64 = conn
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
        along(&mut conn, path, end, &[only("CREATE TABLE a (x);")]).unwrap();
        assert_eq!(pragma(&conn, "user_version"), Ok(1));
    }

    #[test]
    fn migrations_are_made_once_and_in_order() {
        let (mut conn, end) = begun();
        let path = Path::new("x");
        let first = only("CREATE TABLE a (x); INSERT INTO a VALUES (1);");
        along(&mut conn, path, end, &[first]).unwrap();
        along(&mut conn, path, end, &[first]).unwrap();
        conn.execute("INSERT INTO a VALUES (2)", []).unwrap();
        let rows: i64 = conn.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 2);
        let second = only("ALTER TABLE a ADD COLUMN y DEFAULT 7;");
        step(&mut conn, path, 1, &second).unwrap();
        let kept: Vec<(i64, i64)> = conn
            .prepare("SELECT x, y FROM a ORDER BY x")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<std::result::Result<_, _>>()
            .unwrap();
        assert_eq!(kept, [(1, 7), (2, 7)]);
        for _ in 2..=known() {
            let found = pragma(&conn, "user_version").unwrap();
            step(&mut conn, path, found, &only("")).unwrap();
        }
        let refused = along(&mut conn, path, end, &[first]).unwrap_err();
        assert_eq!(
            refused,
            RegistryError::NewerSchema {
                found: known() + 1,
                known: known()
            }
        );
    }

    /// Every row of these tables, by its columns' names.
    fn rows(conn: &Connection, tables: &[String]) -> Vec<String> {
        let mut all = Vec::new();
        for table in tables {
            let mut asked = conn.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
            let mut columns: Vec<(usize, String)> = asked.column_names().map(str::to_owned).enumerate().collect();
            columns.sort_by(|a, b| a.1.cmp(&b.1));
            let mut found = asked.query([]).unwrap();
            while let Some(row) = found.next().unwrap() {
                let values: Vec<String> = columns
                    .iter()
                    .map(|(at, name)| format!("{name}={:?}", row.get::<_, rusqlite::types::Value>(*at).unwrap()))
                    .collect();
                all.push(format!("{table}: {}", values.join(" ")));
            }
        }
        all
    }

    fn names(conn: &Connection, kind: &str) -> Vec<String> {
        let mut asked = conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite_%' ORDER BY 1")
            .unwrap();
        let found = asked.query_map([kind], |row| row.get(0)).unwrap();
        found.collect::<std::result::Result<_, _>>().unwrap()
    }

    #[test]
    fn what_was_there_before_dedicated_instances_is_there_after() {
        let (mut conn, end) = begun();
        let path = Path::new("x");
        conn.pragma_update(None, "foreign_keys", true).unwrap();
        along(&mut conn, path, end, &MIGRATIONS[..3]).unwrap();
        conn.execute_batch(
            "INSERT INTO saas_server (name, code, server_url, max_instances, created_at)
             VALUES ('a', 'a', 'http://a', 50, '2026-01-02T03:04:05Z'), ('b', 'b', 'http://b', 50, '2026-01-02T03:04:05Z');
             INSERT INTO saas_plan (code, name) VALUES ('pro', 'Pro');
             INSERT INTO saas_customer (name) VALUES ('ABC');
             INSERT INTO saas_template (name, code, server_id, template_database, base_modules, language, created_at)
             VALUES ('t', 't', 1, 'template_t', '[]', 'en_US', '2026-01-02T03:04:05Z'),
                 ('u', 'u', 2, 'template_u', '[]', 'en_US', '2026-01-02T03:04:05Z');
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 60)
             INSERT INTO saas_instance (version, name, customer_id, plan_id, template_id, server_id, database_name,
                 subdomain, url, admin_login, admin_password, state, database_oid, database_uuid, size_bytes, created_at)
             SELECT n, 'Nº ' || n, CASE WHEN n % 3 = 0 THEN 1 END, CASE WHEN n % 2 = 0 THEN 1 END, 1 + n % 2, 1 + n % 2,
                 'db_' || n, 'c' || n, 'https://c' || n, 'admin', 'sealed:k1:' || n,
                 CASE n % 6 WHEN 0 THEN 'draft' WHEN 1 THEN 'provisioning' WHEN 2 THEN 'active' WHEN 3 THEN 'suspended'
                     WHEN 4 THEN 'failed' ELSE 'deleting' END,
                 CASE WHEN n % 5 = 0 THEN 16000 + n END, 'uuid ' || n, n * 1000, '2026-01-02T03:04:05.00000' || (n % 10) || 'Z'
             FROM n;
             DELETE FROM saas_instance WHERE id = 60;
             INSERT INTO saas_job (kind, spec, title, server_id, template_id, instance_id, asked_by, created_at)
             VALUES ('instance_create', '{}', 'create', 1, 1, 2, 'marie', '2026-01-02T03:04:05Z');",
        )
        .unwrap();
        let tables = names(&conn, "table");
        let before = (rows(&conn, &tables), names(&conn, "index"), names(&conn, "trigger"));
        assert!(before.0.len() > 60, "{:?}", before.0);
        along(&mut conn, path, end, MIGRATIONS).unwrap();
        assert_eq!(rows(&conn, &tables), before.0, "not a value differs");
        for (kind, before) in [("index", &before.1), ("trigger", &before.2)] {
            let after = names(&conn, kind);
            let lost: Vec<&String> = before.iter().filter(|name| !after.contains(name)).collect();
            assert_eq!(lost, Vec::<&String>::new(), "{kind}");
        }
        let said: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(said, "ok");
        let hanging = conn.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
        assert!(!hanging, "every reference leads somewhere");
        // What follows from an instance follows still, and no number is given out again.
        let count = |conn: &Connection| -> i64 {
            conn.query_row("SELECT instance_count FROM saas_server WHERE id = 1", [], |row| {
                row.get(0)
            })
            .unwrap()
        };
        let was = count(&conn);
        conn.execute(
            "INSERT INTO saas_instance (name, server_id, database_name, subdomain, url, admin_login, admin_password, state,
                 created_at)
             VALUES ('new', 1, 'new', 'new', 'https://new', 'admin', 'env:X', 'active', '2026-01-02T03:04:05Z')",
            [],
        )
        .unwrap();
        assert_eq!((conn.last_insert_rowid(), count(&conn)), (61, was + 1));
        conn.execute("UPDATE saas_instance SET server_id = 99 WHERE id = 61", [])
            .unwrap_err();
    }

    #[test]
    fn times_with_nine_decimals_are_cut_to_six_and_the_audit_stays_closed() {
        let (mut conn, end) = begun();
        let path = Path::new("x");
        along(&mut conn, path, end, &MIGRATIONS[..1]).unwrap();
        conn.execute_batch(
            "INSERT INTO saas_server (name, code, server_url, max_instances, created_at, last_check_date)
             VALUES ('a', 'a', 'http://a', 1, '2026-01-02T03:04:05.123456789Z', NULL);
             INSERT INTO saas_audit (at, op_id, os_user, host, via, action, object, label)
             VALUES ('2026-01-02T03:04:05.999999999Z', 'o', 'u', 'h', 'v', 'a', 'o', 'l')",
        )
        .unwrap();
        along(&mut conn, path, end, &MIGRATIONS[..2]).unwrap();
        let times: (String, Option<String>, String) = conn
            .query_row(
                "SELECT created_at, last_check_date, (SELECT at FROM saas_audit) FROM saas_server",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        assert_eq!(
            times,
            (
                "2026-01-02T03:04:05.123456Z".to_owned(),
                None,
                "2026-01-02T03:04:05.999999Z".to_owned()
            )
        );
        conn.execute("UPDATE saas_audit SET at = ''", []).unwrap_err();
        let at = jiff::Timestamp::new(1_700_000_000, 999_999_999).unwrap();
        assert_eq!(
            super::super::db::text_of(at),
            "2023-11-14T22:13:20.999999Z",
            "cut, not rounded"
        );
    }
}
