//! The deleting of what is old, in batches so small that nobody waits for one: each is a transaction of
//! its own, and finds its rows by an index.

use super::db::{Tx, args, get, int};
use super::pool::Store;
use crate::registry::Result;
use jiff::Timestamp;

/// Rows that one transaction deletes.
const BATCH: i64 = 1_000;
/// How long changes are kept for who was away, seconds.
pub(super) const CHANGES_KEPT_S: i64 = 900;

const CHECKS: &str = "DELETE FROM saas_health_check WHERE id = ANY (ARRAY(
         SELECT id FROM saas_health_check WHERE check_date < $1 ORDER BY check_date LIMIT $2))";
/// Jobs that have a log still, the oldest first, as far as one may be old: however many are without one.
const LOGS: &str = "WITH RECURSIVE logged AS (
         (SELECT j.id, j.created_at FROM saas_job_log l JOIN saas_job j ON j.id = l.job_id ORDER BY l.job_id LIMIT 1)
         UNION ALL
         SELECT n.id, n.created_at FROM logged g CROSS JOIN LATERAL (
             SELECT j.id, j.created_at FROM saas_job_log l JOIN saas_job j ON j.id = l.job_id
             WHERE l.job_id > g.id ORDER BY l.job_id LIMIT 1) AS n
         WHERE g.created_at < $1)
     DELETE FROM saas_job_log l USING (
         SELECT o.job_id, o.seq FROM logged g JOIN saas_job j ON j.id = g.id CROSS JOIN LATERAL (
             SELECT i.job_id, i.seq FROM saas_job_log i WHERE i.job_id = j.id ORDER BY i.seq LIMIT $2) AS o
         WHERE j.state IN ('done', 'failed', 'cancelled') AND j.finished_at < $1
         LIMIT $2) AS old
     WHERE l.job_id = old.job_id AND l.seq = old.seq";
const OPERATIONS: &str = "DELETE FROM saas_operation WHERE at < $1 AND op_id = ANY (ARRAY(
         SELECT op_id FROM saas_operation WHERE at < $1 ORDER BY at LIMIT $2))";
const WORKERS: &str = "DELETE FROM saas_worker WHERE id IN (
         SELECT id FROM saas_worker WHERE seen_at < least($1, clock_timestamp() - interval '1 hour') LIMIT $2)";

pub(super) async fn prune(store: &Store, checks: Timestamp, logs: Timestamp) -> Result<u64> {
    let mut gone = 0;
    for (sql, before) in [(CHECKS, checks), (LOGS, logs), (OPERATIONS, checks), (WORKERS, logs)] {
        loop {
            let rows = store
                .write(|tx| {
                    Box::pin(async move {
                        if alone(tx).await? {
                            Ok(tx.exec(sql, args![before, BATCH]).await?)
                        } else {
                            Ok(0)
                        }
                    })
                })
                .await?;
            gone += rows;
            if rows < BATCH.unsigned_abs() {
                break;
            }
        }
    }
    while store.write(|tx| Box::pin(changes(tx))).await? {}
    Ok(gone)
}

/// One process at a time deletes, so that none waits for another's batch.
async fn alone(tx: &Tx<'_>) -> Result<bool> {
    let row = tx
        .row(
            "SELECT pg_try_advisory_xact_lock(hashtextextended('saas_prune', 0)) AS alone",
            args![],
        )
        .await?;
    row.map_or(Ok(false), |row| get(&row, "alone"))
}

/// Trims the memory of changes by one batch; whether there is more. A mark says how far all transactions
/// had ended at its time; what is older than an old mark was there for everybody to see for that long. The
/// newest of the old marks stays: who follows and was away for longer sees it, and reads everything.
async fn changes(tx: &Tx<'_>) -> Result<bool> {
    if !alone(tx).await? {
        return Ok(false);
    }
    tx.exec(
        "INSERT INTO saas_change_mark (xid) SELECT pg_snapshot_xmin(pg_current_snapshot())
         WHERE NOT EXISTS (SELECT FROM saas_change_mark WHERE at > clock_timestamp() - interval '1 minute')",
        args![],
    )
    .await?;
    tx.exec(
        "DELETE FROM saas_change_mark WHERE at < (
             SELECT max(at) FROM saas_change_mark WHERE at < clock_timestamp() - $1 * interval '1 second')",
        args![CHANGES_KEPT_S],
    )
    .await?;
    let row = tx
        .row(
            "WITH gone AS (
                 DELETE FROM saas_change WHERE seq = ANY (ARRAY(
                     SELECT c.seq FROM saas_change c WHERE c.xid < (
                         SELECT max(m.xid) FROM saas_change_mark m
                         WHERE m.at < clock_timestamp() - $1 * interval '1 second')
                     ORDER BY c.xid LIMIT $2)) RETURNING 1)
             SELECT count(*) AS gone FROM gone",
            args![CHANGES_KEPT_S, BATCH],
        )
        .await?;
    let rows: i64 = row.map(|r| int(&r, "gone")).transpose()?.unwrap_or(0);
    Ok(rows >= BATCH)
}
