//! Who runs what: claims, within the limits and fair between servers; leases; handing back.

use super::db::{begin, store, text_of};
use super::jobs::{by_id, fenced};
use super::servers::get;
use crate::domain::JobId;
use crate::registry::identity::{ProcessId, boot_id, boot_ms};
use crate::registry::{Claim, ClaimTerms, Result};
use jiff::Timestamp;
use rusqlite::Connection;
use std::collections::HashMap;
use std::time::Duration;

/// Tells which leases are in force, at one moment; every worker is asked once.
struct Leases {
    boot: String,
    now: i64,
    dead: HashMap<String, bool>,
}

impl Leases {
    fn now() -> Self {
        Self {
            boot: boot_id(),
            now: boot_ms(),
            dead: HashMap::new(),
        }
    }

    /// Whether nobody has this lease any more: of an earlier boot, run out, or its process is gone.
    fn is_over(&mut self, worker: &str, boot: Option<&str>, until: Option<i64>) -> bool {
        if boot != Some(&self.boot) || until.is_none_or(|until| until <= self.now) {
            return true;
        }
        if let Some(dead) = self.dead.get(worker) {
            return *dead;
        }
        let dead = ProcessId::parse(worker).is_some_and(|p| p.is_alive() == Some(false));
        self.dead.insert(worker.to_owned(), dead);
        dead
    }
}

/// A job that a worker may take, as far as its lease and its key go.
struct Candidate {
    id: i64,
    server: i64,
    begun: bool,
}

/// The job that a worker is to take on these terms.
fn next(conn: &Connection, terms: &ClaimTerms) -> Result<Option<JobId>> {
    let mut statement = conn
        .prepare_cached(
            "SELECT id, server_id, state, worker, lease_boot, lease_until_ms, waits_for_key FROM saas_job
             WHERE state IN ('queued', 'running', 'undoing')",
        )
        .map_err(store)?;
    let mut rows = statement.query([]).map_err(store)?;
    let mut leases = Leases::now();
    let mut running: HashMap<i64, usize> = HashMap::new();
    let mut waiting = Vec::new();
    while let Some(row) = rows.next().map_err(store)? {
        let server: i64 = get(row, "server_id")?;
        let worker: Option<String> = get(row, "worker")?;
        let boot: Option<String> = get(row, "lease_boot")?;
        let until = get(row, "lease_until_ms")?;
        if worker.is_some_and(|worker| !leases.is_over(&worker, boot.as_deref(), until)) {
            *running.entry(server).or_default() += 1;
            continue;
        }
        let key: Option<String> = get(row, "waits_for_key")?;
        if key.is_none_or(|key| !terms.lacks_keys.contains(&key)) {
            waiting.push(Candidate {
                id: get(row, "id")?,
                server,
                begun: get::<String>(row, "state")? != "queued",
            });
        }
    }
    let on = |job: &Candidate| running.get(&job.server).copied().unwrap_or(0);
    let next = waiting
        .iter()
        .filter(|job| terms.per_server == 0 || on(job) < terms.per_server)
        .min_by_key(|job| (!job.begun, on(job), job.id));
    Ok(next.map(|job| JobId(job.id)))
}

fn until(lease: Duration) -> i64 {
    boot_ms().saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
}

pub(super) fn claim(conn: &mut Connection, worker: &str, terms: &ClaimTerms) -> Result<Option<Claim>> {
    // Looked at without the write lock first: an idle worker writes nothing.
    if next(conn, terms)?.is_none() {
        return Ok(None);
    }
    let tx = begin(conn)?;
    let Some(id) = next(&tx, terms)? else {
        return Ok(None);
    };
    tx.prepare_cached(
        "UPDATE saas_job SET state = CASE state WHEN 'queued' THEN 'running' ELSE state END, worker = ?1,
             token = token + 1, lease_boot = ?2, lease_until_ms = ?3, waits_for_key = NULL,
             started_at = coalesce(started_at, ?4) WHERE id = ?5",
    )
    .and_then(|mut s| {
        let now = text_of(Timestamp::now());
        s.execute((worker, boot_id(), until(terms.lease), now, id.0))
    })
    .map_err(store)?;
    let job = by_id(&tx, id)?;
    let token = job.lease.as_ref().map_or(0, |l| l.token);
    tx.commit().map_err(store)?;
    Ok(Some(Claim { job, token }))
}

pub(super) fn renew(conn: &mut Connection, job: JobId, token: i64, lease: Duration) -> Result<bool> {
    let tx = begin(conn)?;
    let (_, cancel) = fenced(&tx, job, token)?;
    tx.prepare_cached("UPDATE saas_job SET lease_until_ms = ?1, lease_boot = ?2 WHERE id = ?3")
        .and_then(|mut s| s.execute((until(lease), boot_id(), job.0)))
        .map_err(store)?;
    tx.commit().map_err(store)?;
    Ok(cancel)
}

pub(super) fn release(conn: &mut Connection, job: JobId, token: i64, waits_for_key: Option<&str>) -> Result<()> {
    let tx = begin(conn)?;
    fenced(&tx, job, token)?;
    // Nothing of it has happened yet: it is as it was queued, and is cancelled at once if that is asked.
    tx.execute(
        "UPDATE saas_job SET worker = NULL, lease_boot = NULL, lease_until_ms = NULL, waits_for_key = ?2,
             state = CASE WHEN state = 'running' AND NOT cancel_requested AND NOT EXISTS
                 (SELECT 1 FROM saas_job_step WHERE job_id = saas_job.id AND state <> 'pending')
                 THEN 'queued' ELSE state END
         WHERE id = ?1",
        (job.0, waits_for_key),
    )
    .map_err(store)?;
    tx.commit().map_err(store)
}
