//! Workers: which are there, and which of them live.

use super::claim::{boot, is_dead};
use super::db::{Tx, args, get};
use crate::registry::identity::ProcessId;
use crate::registry::{Result, Worker};
use jiff::Timestamp;

/// A worker of another host that was not heard of for so long counts as dead, milliseconds: as long as a
/// lease, several times as long as it pauses between signs of life.
const SILENT_MS: i64 = 20_000;

pub(super) async fn alive(tx: &Tx<'_>, id: &str) -> Result<()> {
    let boot = boot();
    // An update is tried first: for who follows, an insert is a worker that came.
    let known = tx
        .exec(
            "UPDATE saas_worker SET seen_at = clock_timestamp(), boot = $2 WHERE id = $1",
            args![id, &boot],
        )
        .await?;
    if known == 0 {
        tx.exec(
            "INSERT INTO saas_worker (id, boot, started_at, seen_at) VALUES ($1, $2, clock_timestamp(), clock_timestamp())
             ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, boot = excluded.boot",
            args![id, &boot],
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn gone(tx: &Tx<'_>, id: &str) -> Result<()> {
    tx.exec("DELETE FROM saas_worker WHERE id = $1", args![id]).await?;
    Ok(())
}

pub(super) async fn all(tx: &Tx<'_>) -> Result<Vec<Worker>> {
    let rows = tx
        .rows(
            "SELECT id, boot, started_at, seen_at, clock_timestamp() AS now,
                 seen_at > clock_timestamp() - $1 * interval '1 millisecond' AS heard
             FROM saas_worker ORDER BY started_at, id",
            args![SILENT_MS],
        )
        .await?;
    let boot = boot();
    rows.iter()
        .map(|row| {
            let id: String = get(row, "id")?;
            // Another host's processes can't be asked.
            let askable = get::<&str>(row, "boot")? == boot;
            let lives = askable && ProcessId::parse(&id).and_then(|p| p.is_alive()) == Some(true);
            Ok(Worker {
                started_at: get(row, "started_at")?,
                seen_at: get::<Timestamp>(row, if lives { "now" } else { "seen_at" })?,
                alive: lives || (get(row, "heard")? && !(askable && is_dead(&id))),
                id,
            })
        })
        .collect()
}
