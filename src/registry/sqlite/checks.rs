//! Checks: what follows from one, their history, and whose turn it is. Never touches the intent.

use super::db::{begin, from_json, from_word, json, store, text_of, time_of, unreadable};
use super::servers::{by_id, get};
use crate::domain::check::CheckReport;
use crate::domain::health::{HealthRules, observe};
use crate::domain::server::Server;
use crate::domain::{SafeText, ServerId};
use crate::registry::{HealthCheck, Result};
use jiff::Timestamp;
use rusqlite::Connection;
use std::time::Duration;

pub(super) fn record_check(
    conn: &mut Connection,
    id: ServerId,
    report: &CheckReport,
    rules: &HealthRules,
) -> Result<Server> {
    let tx = begin(conn)?;
    let before = by_id(&tx, id)?;
    let track = observe(
        &before.track,
        report,
        before.instance_count,
        before.spec.max_instances,
        rules,
    );
    let observed = serde_json::to_value(track.observed).map_err(|e| unreadable("observed", e))?;
    tx.prepare_cached(
        "UPDATE saas_server SET observed = ?2, health_status = ?3, health_reason = ?4, health_hint = ?5,
             health_failures = ?6, last_check_date = ?7, last_success_date = ?8, latency_ms = ?9, odoo_version = ?10
         WHERE id = ?1",
    )
    .and_then(|mut s| {
        s.execute(rusqlite::params![
            id.0,
            observed.as_str(),
            track.status.word(),
            track.reason.as_str(),
            track.hint,
            track.failures,
            track.last_check.map(text_of),
            track.last_success.map(text_of),
            track.latency_ms.map(u64::cast_signed),
            track.version.as_ref().map(SafeText::as_str),
        ])
    })
    .map_err(store)?;
    let text = json(report)?;
    tx.prepare_cached(
        "INSERT INTO saas_health_check (server_id, check_date, status, reason, latency_ms, answered, report)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .and_then(|mut s| {
        s.execute(rusqlite::params![
            id.0,
            text_of(report.at),
            track.status.word(),
            track.reason.as_str(),
            report.latency_ms.cast_signed(),
            report.failure.is_none(),
            text
        ])
    })
    .map_err(store)?;
    let after = by_id(&tx, id)?;
    tx.commit().map_err(store)?;
    Ok(after)
}

pub(super) fn history(
    conn: &Connection,
    id: ServerId,
    since: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<HealthCheck>> {
    let mut statement = conn
        .prepare_cached(
            "SELECT report, status, reason FROM saas_health_check WHERE server_id = ?1 AND check_date >= ?2
             ORDER BY check_date DESC, id DESC LIMIT ?3",
        )
        .map_err(store)?;
    let since = since.map(text_of).unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query((id.0, since, limit)).map_err(store)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(store)? {
        found.push(HealthCheck {
            report: from_json("a check's report", &get::<String>(row, "report")?)?,
            status: from_word("a check's status", get(row, "status")?)?,
            reason: SafeText::from(get::<String>(row, "reason")?),
        });
    }
    Ok(found)
}

/// The servers whose check is due, longest waiting first.
fn due(conn: &Connection, now: Timestamp, interval: Duration, limit: usize) -> Result<Vec<ServerId>> {
    let mut statement = conn
        .prepare_cached(
            "SELECT id, max(coalesce(last_check_date, ''), coalesce(check_claimed_at, '')) AS last FROM saas_server
             WHERE intent IN ('active', 'maintenance') ORDER BY last, id",
        )
        .map_err(store)?;
    let mut rows = statement.query([]).map_err(store)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(store)? {
        let id = ServerId(get(row, "id")?);
        let last: String = get(row, "last")?;
        let is_due = last.is_empty() || {
            let waited = now.duration_since(time_of(&last)?);
            // A last check from the future is a clock set back: not waited for. What is a moment ahead was handed
            // out to another since the time was read.
            if waited.is_negative() {
                waited.unsigned_abs() > NEAR
            } else {
                waited.unsigned_abs() >= interval + spread(id, interval)
            }
        };
        if is_due {
            found.push(id);
            if found.len() == limit {
                break;
            }
        }
    }
    Ok(found)
}

/// Clocks are not taken to be set back by less.
const NEAR: Duration = Duration::from_secs(60);

/// How much later than the interval a server's check falls due, up to a tenth of it: by its id, so that
/// checks made together drift apart.
fn spread(id: ServerId, interval: Duration) -> Duration {
    let hash = id.0.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let share = u32::try_from(hash % 1_000).unwrap_or(0);
    interval * share / 10_000
}

pub(super) fn claim_due(
    conn: &mut Connection,
    now: Option<Timestamp>,
    interval: Duration,
    limit: usize,
) -> Result<Vec<ServerId>> {
    // Looked at without the write lock first: most of the time nothing is due.
    if due(conn, now.unwrap_or_else(Timestamp::now), interval, limit)?.is_empty() {
        return Ok(Vec::new());
    }
    let tx = begin(conn)?;
    // Read now that nobody else writes: waiting for that may take seconds.
    let now = now.unwrap_or_else(Timestamp::now);
    let found = due(&tx, now, interval, limit)?;
    for id in &found {
        tx.prepare_cached("UPDATE saas_server SET check_claimed_at = ?1 WHERE id = ?2")
            .and_then(|mut s| s.execute((text_of(now), id.0)))
            .map_err(store)?;
    }
    tx.commit().map_err(store)?;
    Ok(found)
}
