//! Whoever may write the file tampers with the audit in every way that SQLite allows: every time it shows.

use super::contract::bench::op;
use rusqlite::Connection;
use vigie::domain::SafeText;
use vigie::domain::audit::Anchor;
use vigie::registry::Registry;
use vigie::registry::sqlite::Sqlite;

const COLUMNS: [&str; 12] = [
    "at",
    "op_id",
    "db_role",
    "os_user",
    "host",
    "via",
    "action",
    "object",
    "label",
    "from_values",
    "to_values",
    "refused",
];
const ROWS: i64 = 24;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 >> 12).unwrap() % sides
    }
}

/// A statement that changes something of the audit; and whether it is told by the registry's own note.
fn tampering(dice: &mut Dice) -> String {
    let (id, other) = (1 + dice.roll(ROWS), 1 + dice.roll(ROWS));
    let column = COLUMNS[usize::try_from(dice.roll(12)).unwrap()];
    match dice.roll(12) {
        0 => format!("UPDATE saas_audit SET {column} = coalesce({column}, '') || 'x' WHERE id = {id}"),
        1 => format!("UPDATE saas_audit SET {column} = substr({column}, 2) WHERE id = {id}"),
        2 => format!("UPDATE saas_audit SET {column} = NULL WHERE id = {id}"),
        3 => format!("UPDATE saas_audit SET {column} = '' WHERE id = {id}"),
        // The same letters, as bytes.
        4 => format!("UPDATE saas_audit SET {column} = CAST({column} AS BLOB) WHERE id = {id}"),
        5 => format!(
            "UPDATE saas_audit SET {column} = (SELECT {column} FROM saas_audit WHERE id = {other}) WHERE id = {id}"
        ),
        6 => format!("DELETE FROM saas_audit WHERE id = {id}"),
        7 => format!("UPDATE saas_audit SET id = -id WHERE id = {id}"),
        8 => format!(
            "UPDATE saas_audit SET id = -1 WHERE id = {id}; UPDATE saas_audit SET id = {id} WHERE id = {other};
             UPDATE saas_audit SET id = {other} WHERE id = -1"
        ),
        9 => format!("UPDATE saas_audit SET hash = lower(hex(randomblob(32))) WHERE id = {id}"),
        // From here on to the end, with the note moved along: only an anchor knows.
        10 => format!(
            "DELETE FROM saas_audit WHERE id >= {id};
             UPDATE saas_audit_head SET last_id = {id} - 1, hash = coalesce((SELECT hash FROM saas_audit WHERE id = {id} - 1), '')"
        ),
        _ => format!(
            "INSERT INTO saas_audit SELECT {free}, at, op_id, 'nobody', host, via, action, object, label, from_values,
                 to_values, refused, db_role, hash FROM saas_audit WHERE id = {id}",
            free = if dice.roll(2) == 0 { ROWS + 1 } else { -dice.roll(3) }
        ),
    }
}

async fn every_tampering_shows(tries: u32, seed: u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry.db");
    let registry = Sqlite::open(&path).unwrap();
    for n in 0..ROWS / 2 {
        let name = SafeText::new(&format!("customer {n} é"));
        registry.customer_named(&op(), &name).await.unwrap();
        registry
            .audit_refused(&op(), "server.delete", &format!("server:{n}"), "prod-1", "may not")
            .await
            .unwrap();
    }
    let anchors: Vec<Anchor> = registry.audit_head().await.unwrap().into_iter().collect();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(
        "PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;
         DROP TRIGGER saas_audit_kept; DROP TRIGGER saas_audit_true; DROP TRIGGER saas_audit_chained;
         DROP TRIGGER saas_audit_noted;
         CREATE TABLE kept AS SELECT * FROM saas_audit; CREATE TABLE kept_head AS SELECT * FROM saas_audit_head;",
    )
    .unwrap();
    let differs = "SELECT EXISTS (SELECT * FROM kept EXCEPT SELECT * FROM saas_audit)
        OR EXISTS (SELECT * FROM saas_audit EXCEPT SELECT * FROM kept)
        OR EXISTS (SELECT id, typeof(at), typeof(op_id), typeof(label) FROM kept
                   EXCEPT SELECT id, typeof(at), typeof(op_id), typeof(label) FROM saas_audit)";
    assert_eq!(registry.verify_audit(&anchors).await.unwrap().broken, None);
    let mut dice = Dice(seed | 1);
    let (mut shown, mut tried) = (0, 0);
    while shown < tries {
        tried += 1;
        assert!(
            tried < tries * 4 + 100,
            "most of them change nothing: {shown} of {tried}"
        );
        let sql = tampering(&mut dice);
        // Refused by the table itself (NOT NULL, a number that is there): nothing was done.
        let done = conn.execute_batch(&format!("BEGIN; {sql}; COMMIT"));
        if done.is_err() {
            let _ = conn.execute_batch("ROLLBACK");
        }
        let changed: bool = conn.query_row(differs, [], |row| row.get(0)).unwrap();
        let found = registry.verify_audit(&anchors).await.unwrap();
        assert_eq!(
            found.broken.is_some(),
            changed,
            "seed {seed}, try {tried}: {sql}\n{found:?}"
        );
        if changed {
            shown += 1;
            conn.execute_batch(
                "BEGIN; DELETE FROM saas_audit; INSERT INTO saas_audit SELECT * FROM kept;
                 DELETE FROM saas_audit_head; INSERT INTO saas_audit_head SELECT * FROM kept_head; COMMIT",
            )
            .unwrap();
        }
    }
    assert_eq!(
        registry.verify_audit(&anchors).await.unwrap().broken,
        None,
        "and it is whole again"
    );
    println!("{shown} tamperings (seed {seed}), all of them shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tampering_with_the_audit_shows() {
    every_tampering_shows(400, 0x7a3b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long; run by make soak"]
async fn soak_every_tampering_with_the_audit_shows() {
    let given = std::env::var("VIGIE_SOAK_SEED").ok().and_then(|s| s.parse().ok());
    every_tampering_shows(10_000, given.unwrap_or_else(|| u64::from(std::process::id()) * 7_919)).await;
}

/// A registry from before the chain gets it when it is brought forward, and its rows are then as safe.
#[tokio::test]
async fn rows_from_before_the_chain_are_chained() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry.db");
    {
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(include_str!("../../../src/registry/sqlite/schema_1.sql"))
            .unwrap();
        conn.execute_batch(
            "PRAGMA application_id = 1447642953; PRAGMA user_version = 1;
             INSERT INTO saas_audit (id, at, op_id, os_user, host, via, action, object, label, to_values)
             VALUES (2, '2026-01-02T03:04:05.123456789Z', 'o1', 'marie', 'desk', 'cli', 'server.add', 'server:1', 'a', '{}'),
                    (3, '2026-01-02T03:04:06.000000000Z', 'o2', 'marie', 'desk', 'cli', 'server.edit', 'server:1', 'a', NULL),
                    (7, '2026-01-02T03:04:07.000000001Z', 'o3', 'paul', 'desk', 'cli', 'server.edit', 'server:1', 'a', NULL);",
        )
        .unwrap();
    }
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let registry = Sqlite::open(&path).unwrap();
    registry.customer_named(&op(), &SafeText::new("ABC")).await.unwrap();
    let rows = registry.audit(&Default::default()).await.unwrap();
    assert_eq!(
        rows.iter()
            .rev()
            .map(|row| (row.id, row.op_id.as_str()))
            .take(3)
            .collect::<Vec<_>>(),
        [(1, "o1"), (2, "o2"), (3, "o3")]
    );
    let verdict = registry.verify_audit(&[]).await.unwrap();
    assert_eq!((verdict.broken, verdict.rows), (None, 4));
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("DROP TRIGGER saas_audit_true; UPDATE saas_audit SET os_user = 'x' WHERE id = 1")
        .unwrap();
    assert!(registry.verify_audit(&[]).await.unwrap().broken.is_some());
}
