//! Who runs what: claims, within the limits and fair between servers; leases, by the database's clock;
//! handing back.

use super::db::{Tx, args, get, int};
use super::jobs::{by_id, by_token, fenced};
use super::pool::{Begin, Store};
use crate::domain::JobId;
use crate::domain::job::JobState;
use crate::registry::identity::{ProcessId, boot_id};
use crate::registry::{Claim, ClaimTerms, RegistryError, Result};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The boot of this machine and this process's namespace of processes: only who is of the same may ask
/// whether a process of them lives. Two machines can have one name, and so can two containers.
pub(super) fn boot() -> String {
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot_id(), space.display())
}

/// Whether a process of this boot is known to be gone.
pub(super) fn is_dead(worker: &str) -> bool {
    ProcessId::parse(worker).is_some_and(|p| p.is_alive() == Some(false))
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 1_000)
}

/// Holders of leases that this process can ask, and that are gone.
async fn dead(tx: &Tx<'_>, boot: &str) -> Result<Vec<String>> {
    let rows = tx
        .rows(
            "SELECT DISTINCT worker FROM saas_job
             WHERE state IN ('queued', 'running', 'undoing') AND worker IS NOT NULL AND lease_boot = $1",
            args![boot],
        )
        .await?;
    let mut dead = Vec::new();
    for row in &rows {
        let worker: String = get(row, "worker")?;
        if is_dead(&worker) {
            dead.push(worker);
        }
    }
    Ok(dead)
}

pub(super) async fn claim(store: &Store, worker: &str, terms: &ClaimTerms) -> Result<Option<Claim>> {
    let boot = &boot();
    // What was claimed before the connection was lost is not claimed twice.
    let claimed = &Mutex::new(None);
    store
        .transaction(Begin::Plain, |tx| {
            Box::pin(async move {
                let known = claimed.lock().ok().and_then(|c| *c);
                let id = match known {
                    Some(id) => id,
                    None => {
                        let row = tx
                            .row(
                                "SELECT saas_job_claim($1, $2, $3, $4, $5, $6) AS id",
                                args![
                                    worker,
                                    boot,
                                    milliseconds(terms.lease),
                                    terms.per_server,
                                    terms.lacks_keys.clone(),
                                    dead(tx, boot).await?
                                ],
                            )
                            .await?;
                        let id = row.map(|r| get::<Option<i64>>(&r, "id")).transpose()?.flatten();
                        let Some(id) = id.map(JobId) else {
                            return Ok(None);
                        };
                        if let Ok(mut claimed) = claimed.lock() {
                            *claimed = Some(id);
                        }
                        id
                    }
                };
                let job = by_id(tx, id).await?;
                let token = job.lease.as_ref().map_or(0, |l| l.token);
                Ok(Some(Claim { job, token }))
            })
        })
        .await
}

pub(super) async fn renew(store: &Store, job: JobId, token: i64, lease: Duration) -> Result<bool> {
    let boot = &boot();
    store
        .transaction(Begin::Plain, |tx| {
            Box::pin(async move {
                let row = tx
                    .row(
                        "UPDATE saas_job SET lease_until = clock_timestamp() + $3 * interval '1 millisecond', lease_boot = $4
                         WHERE id = $1 AND token = $2 AND worker IS NOT NULL AND state IN ('queued', 'running', 'undoing')
                         RETURNING cancel_requested",
                        args![job.0, token, milliseconds(lease), boot],
                    )
                    .await?;
                if let Some(row) = row {
                    return get(&row, "cancel_requested");
                }
                by_id(tx, job).await?;
                Err(RegistryError::StaleToken { job, token })
            })
        })
        .await
}

pub(super) async fn release(store: &Store, job: JobId, token: i64, waits_for_key: Option<&str>) -> Result<()> {
    let again = &AtomicBool::new(false);
    store
        .transaction(by_token(job, token), |tx| {
            Box::pin(async move {
                if again.swap(true, Ordering::Relaxed) && is_released(tx, job, token).await? {
                    return Ok(());
                }
                fenced(tx, job, token).await?;
                // Nothing of it has happened yet: it is as it was queued, and is cancelled at once if that is asked.
                tx.exec(
                    "UPDATE saas_job j SET worker = NULL, lease_boot = NULL, lease_until = NULL, waits_for_key = $2,
                         state = CASE WHEN j.state = 'running' AND NOT j.cancel_requested AND NOT EXISTS
                             (SELECT FROM saas_job_step s WHERE s.job_id = j.id AND s.state <> 'pending')
                             THEN 'queued' ELSE j.state END
                     WHERE j.id = $1",
                    args![job.0, waits_for_key],
                )
                .await?;
                Ok(())
            })
        })
        .await
}

/// Whether the answer of an earlier try was all that was lost.
async fn is_released(tx: &Tx<'_>, job: JobId, token: i64) -> Result<bool> {
    let row = tx
        .row("SELECT token, worker, state FROM saas_job WHERE id = $1", args![job.0])
        .await?;
    match row {
        None => Ok(false),
        Some(row) => {
            let state: JobState = super::db::from_word(&row, "state")?;
            Ok(int::<i64>(&row, "token")? == token
                && get::<Option<&str>>(&row, "worker")?.is_none()
                && !state.is_over())
        }
    }
}
