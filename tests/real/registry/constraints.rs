//! Every constraint of the schema refuses something: tried with values that break it, from the catalog, so that a new
//! one whose breach nobody thought of fails.

use super::kit;
use super::scale::{Size, fill};
use std::collections::{BTreeMap, BTreeSet};

/// What a column may be set to in the hope that it is refused: as SQL, cast to its type.
const VALUES: [&str; 12] = [
    "''",
    "'Upper'",
    "'nonsense'",
    "'ftp://x'",
    "'in the clear'",
    "repeat('x', 70)",
    "'x'",
    "'-1'",
    "'0'",
    "'70000'",
    "'{}'",
    "NULL",
];

/// A registry with at least two rows in every table that has constraints.
async fn full() -> (String, tokio_postgres::Client) {
    let database = kit::fresh().await;
    let size = Size {
        servers: 3,
        instances: 6,
        checks: 6,
        jobs: 6,
    };
    fill(&database, &size).await;
    let client = kit::superuser(&database).await;
    client
        .batch_execute(
            "SET session_replication_role = replica;
             INSERT INTO saas_plan (code, name) SELECT 'p' || n, 'Plan ' || n FROM generate_series(1, 3) AS n;
             INSERT INTO saas_customer (name) SELECT 'Customer ' || n FROM generate_series(1, 3) AS n;
             INSERT INTO saas_dedicated (instance_id, host_id, purpose, label, domain, odoo_series, http_port, gevent_port,
                 unit, os_user, folder, tls, dns)
             SELECT id, 1, 'production', 'l' || id, 'd' || id || '.example.org', 16, 2100 + id, 8100 + id,
                 'u' || id, 'o' || id, '/f' || id, 'none', 'none'
             FROM (SELECT id FROM saas_instance ORDER BY id LIMIT 3) AS i;
             INSERT INTO saas_reservation (job_id, key, label, exclusive)
             SELECT n, 'key ' || n, 'what', true FROM generate_series(1, 3) AS n;
             INSERT INTO saas_worker (id, boot, started_at, seen_at)
             SELECT 'worker ' || n, 'boot', now(), now() FROM generate_series(1, 3) AS n;
             INSERT INTO saas_change (entity, entity_id) SELECT 'server', n FROM generate_series(1, 3) AS n",
        )
        .await
        .expect("filling it");
    (database, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_constraint_refuses_what_breaks_it() {
    let (_database, client) = full().await;
    let ask = "SELECT c.conname::text, c.contype::text, c.conrelid::regclass::text,
                   array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey))
               FROM pg_constraint c
               WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('c', 'u', 'f', 'p')
               UNION ALL
               SELECT i.indexrelid::regclass::text, 'u', i.indrelid::regclass::text,
                   array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey))
               FROM pg_index i
               WHERE i.indisunique AND i.indpred IS NOT NULL AND i.indrelid::regclass::text LIKE 'saas_%'
               ORDER BY 1";
    let rows = client.query(ask, &[]).await.expect("the catalog");
    let mut unproved: BTreeMap<String, String> = BTreeMap::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        let (name, kind, table, columns): (String, String, String, Vec<String>) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        *kinds.entry(kind.clone()).or_default() += 1;
        let mut tries: Vec<String> = Vec::new();
        match kind.as_str() {
            // A key of another row, or one that is nobody's.
            "u" | "p" => {
                let set: Vec<String> = columns.iter().map(|c| format!("{c} = other.{c}")).collect();
                let differs: Vec<String> = columns.iter().map(|c| format!("{table}.{c}")).collect();
                let theirs: Vec<String> = columns.iter().map(|c| format!("other.{c}")).collect();
                tries.push(format!(
                    "UPDATE {table} SET {} FROM {table} AS other WHERE ({}) IS DISTINCT FROM ({})",
                    set.join(", "),
                    differs.join(", "),
                    theirs.join(", ")
                ));
                tries.push(format!("INSERT INTO {table} SELECT * FROM {table} LIMIT 1"));
            }
            "f" => {
                for column in &columns {
                    tries.push(format!(
                        "UPDATE {table} SET {column} = 987654321 WHERE ctid = (SELECT ctid FROM {table} LIMIT 1)"
                    ));
                }
            }
            _ => {
                for column in &columns {
                    tries.extend(
                        VALUES
                            .iter()
                            .map(|value| format!("UPDATE {table} SET {column} = {value}")),
                    );
                }
            }
        }
        let mut said = BTreeSet::new();
        for sql in tries {
            // Foreign keys are triggers: only those of the schema itself are put aside.
            let alone = match kind.as_str() {
                "f" => format!("SET LOCAL session_replication_role = origin; ALTER TABLE {table} DISABLE TRIGGER USER"),
                _ => "SET LOCAL session_replication_role = replica".to_owned(),
            };
            let sql = format!("BEGIN; {alone}; {sql}; SET CONSTRAINTS ALL IMMEDIATE");
            let answer = client.batch_execute(&sql).await;
            client.batch_execute("ROLLBACK").await.expect("rolling back");
            let by = answer.err().map(|e| match e.as_db_error() {
                Some(e) => e.constraint().unwrap_or(e.message()).to_owned(),
                None => e.to_string(),
            });
            said.insert(by.unwrap_or_else(|| "done".to_owned()));
        }
        if !said.contains(&name) {
            unproved.insert(format!("{table}: {name}"), format!("{said:?}"));
        }
    }
    assert!(rows.len() > 50, "{kinds:?}");
    assert!(
        unproved.is_empty(),
        "of {kinds:?}, these refused nothing that was tried: {unproved:#?}"
    );
    eprintln!("constraints that refused what breaks them, by kind: {kinds:?}");
}
