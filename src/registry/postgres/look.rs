//! One look at what changed, from a snapshot on.

use super::db::{Tx, args, get};
use super::fault::Fault;
use super::pool::Store;
use super::prune::CHANGES_KEPT_S;
use crate::domain::{InstanceId, JobId, ServerId, TemplateId};
use crate::registry::{Change, Result};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};

/// How long a look may take.
pub(super) const LOOK_LIMIT: Duration = Duration::from_secs(4);
/// More changes than that at once are everything.
const MOST: i64 = 5_000;
const MOST_AND_ONE: i64 = MOST + 1;

/// What is new since a snapshot, in one statement, so that it is of one moment. Where the server was
/// promoted, restored or started anew meanwhile, numbers of transactions may have been given twice.
const LOOK: &str = "SELECT pg_current_snapshot()::text AS snapshot,
    CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END
        || ' ' || pg_postmaster_start_time() AS timeline,
    EXISTS (SELECT FROM saas_change_mark WHERE at < clock_timestamp() - $2 * interval '1 second'
            AND xid > pg_snapshot_xmin($1::pg_snapshot)) AS missed,
    ARRAY(SELECT entity || ':' || entity_id FROM saas_change
          WHERE xid >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)
          GROUP BY entity, entity_id ORDER BY min(seq) LIMIT $3) AS changes";

/// Up to where changes are known.
pub(super) struct Known {
    pub(super) snapshot: String,
    pub(super) timeline: String,
}

/// What one look found.
pub(super) struct Seen {
    pub(super) known: Known,
    pub(super) missed: bool,
    pub(super) changes: Vec<Change>,
}

/// A look on the line itself: one way there and back.
pub(super) async fn look_on(
    client: &tokio_postgres::Client,
    snapshot: Option<&str>,
) -> std::result::Result<Seen, Fault> {
    let args: [(&(dyn ToSql + Sync), Type); 3] = [
        (&snapshot, Type::TEXT),
        (&CHANGES_KEPT_S, Type::INT8),
        (&MOST_AND_ONE, Type::INT8),
    ];
    let asked = client.query_typed(LOOK, &args);
    let rows = match tokio::time::timeout(LOOK_LIMIT, asked).await {
        Err(_) => return Err(late()),
        Ok(Err(e)) => return Err(Fault::of(&e)),
        Ok(Ok(rows)) => rows,
    };
    seen(rows.first()).map_err(Fault::Own)
}

/// A look on a connection of the pool.
pub(super) async fn look_by(store: &Store, snapshot: Option<&str>) -> std::result::Result<Seen, Fault> {
    let look = store.read(|tx| Box::pin(look_in(tx, snapshot)));
    match tokio::time::timeout(LOOK_LIMIT, look).await {
        Err(_) => Err(late()),
        Ok(outcome) => outcome.map_err(Fault::Own),
    }
}

async fn look_in(tx: &Tx<'_>, snapshot: Option<&str>) -> Result<Seen> {
    let rows = tx.rows(LOOK, args![snapshot, CHANGES_KEPT_S, MOST_AND_ONE]).await?;
    seen(rows.first())
}

fn seen(row: Option<&tokio_postgres::Row>) -> Result<Seen> {
    let row = row.ok_or_else(|| super::db::unreadable("the registry's changes", "no row"))?;
    let told: Vec<&str> = get(row, "changes")?;
    let changes = if told.len() > usize::try_from(MOST).unwrap_or(usize::MAX) {
        vec![Change::Everything]
    } else {
        let mut changes: Vec<Change> = told.into_iter().map(change).collect();
        if changes.contains(&Change::Everything) {
            changes = vec![Change::Everything];
        }
        changes
    };
    Ok(Seen {
        known: Known {
            snapshot: get(row, "snapshot")?,
            timeline: get(row, "timeline")?,
        },
        missed: get(row, "missed")?,
        changes,
    })
}

fn change(told: &str) -> Change {
    let (entity, id) = told.split_once(':').unwrap_or((told, "0"));
    let id = id.parse().unwrap_or(0);
    match entity {
        "server" => Change::Server(ServerId(id)),
        "template" => Change::Template(TemplateId(id)),
        "instance" => Change::Instance(InstanceId(id)),
        "catalog" => Change::Catalog,
        "job" => Change::Job(JobId(id)),
        "job_log" => Change::JobLog(JobId(id)),
        "worker" => Change::Worker,
        _ => Change::Everything,
    }
}

/// No answer came.
pub(super) fn late() -> Fault {
    Fault::Late {
        waited_ms: u64::try_from(LOOK_LIMIT.as_millis()).unwrap_or(u64::MAX),
    }
}
