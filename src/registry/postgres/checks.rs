//! Checks: what follows from one, their history, and whose turn it is. Never touches the intent.

use super::db::{Tx, args, from_json, from_word, get, int, json, lock_of, word_of};
use super::pool::{Begin, Store};
use super::servers::by_id;
use crate::domain::check::CheckReport;
use crate::domain::health::{HealthRules, observe};
use crate::domain::server::Server;
use crate::domain::{SafeText, ServerId};
use crate::registry::{HealthCheck, Result};
use jiff::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(super) async fn record_check(
    store: &Store,
    id: ServerId,
    report: &CheckReport,
    rules: &HealthRules,
) -> Result<Server> {
    let again = &AtomicBool::new(false);
    let lock = lock_of(&["check", &id.to_string(), &report.at.to_string()]);
    store
        .transaction(Begin::Repeatable(lock), |tx| {
            Box::pin(async move {
                tx.exec("SELECT 1 FROM saas_server WHERE id = $1 FOR NO KEY UPDATE", args![id.0])
                    .await?;
                let before = by_id(tx, id).await?;
                // One check counts once, though its answer was lost.
                if again.swap(true, Ordering::Relaxed) && is_kept(tx, id, report.at).await? {
                    return Ok(before);
                }
                keep(tx, &before, report, rules).await?;
                by_id(tx, id).await
            })
        })
        .await
}

async fn is_kept(tx: &Tx<'_>, id: ServerId, at: Timestamp) -> Result<bool> {
    let row = tx
        .row(
            "SELECT 1 FROM saas_health_check WHERE server_id = $1 AND check_date = $2 LIMIT 1",
            args![id.0, at],
        )
        .await?;
    Ok(row.is_some())
}

/// One insert, and the server's update.
async fn keep(tx: &Tx<'_>, before: &Server, report: &CheckReport, rules: &HealthRules) -> Result<()> {
    let track = observe(
        &before.track,
        report,
        before.instance_count,
        before.spec.max_instances,
        rules,
    );
    tx.exec(
        "WITH kept AS (
             INSERT INTO saas_health_check (server_id, check_date, status, reason, latency_ms, answered, report)
             VALUES ($1, $11, $3, $4, $12, $13, $14))
         UPDATE saas_server SET observed = $2, health_status = $3, health_reason = $4, health_hint = $5,
             health_failures = $6, last_check_date = $7, last_success_date = $8, latency_ms = $9, odoo_version = $10
         WHERE id = $1",
        args![
            before.id.0,
            word_of(&track.observed)?,
            track.status.word(),
            track.reason.as_str(),
            track.hint.clone(),
            track.failures,
            track.last_check,
            track.last_success,
            track.latency_ms,
            track.version.as_ref().map(SafeText::as_str),
            report.at,
            report.latency_ms,
            report.failure.is_none(),
            json(report)?
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn history(
    tx: &Tx<'_>,
    id: ServerId,
    since: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<HealthCheck>> {
    let rows = tx
        .rows(
            "SELECT report, status, reason FROM saas_health_check
             WHERE server_id = $1 AND check_date >= coalesce($2, '-infinity')
             ORDER BY check_date DESC, id DESC LIMIT $3",
            args![id.0, since, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(HealthCheck {
                report: from_json(row, "report")?,
                status: from_word(row, "status")?,
                reason: SafeText::new(get(row, "reason")?),
            })
        })
        .collect()
}

/// Claims the servers whose check is due, longest waiting first. One statement: its rows are looked at
/// again once they are locked, and what another worker has just now is left to it.
///
/// A last check from the future (a clock that was set back, a worker whose clock is wrong) is none; what is
/// less than a minute ahead was handed out to another while this statement waited. The
/// spread is by the server's id: up to a tenth of the interval later, so that checks made together drift
/// apart.
pub(super) async fn claim_due(
    tx: &Tx<'_>,
    now: Option<Timestamp>,
    interval: Duration,
    limit: usize,
) -> Result<Vec<ServerId>> {
    let milliseconds = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX / 1_000);
    let rows = tx
        .rows(
            "WITH due AS (
                 SELECT s.id FROM saas_server s, (SELECT now, now + interval '1 minute' AS near
                     FROM (SELECT coalesce($1, clock_timestamp()) AS now) AS clock) AS at
                 WHERE s.intent IN ('active', 'maintenance') AND coalesce(at.now - greatest(
                     CASE WHEN s.last_check_date <= at.near THEN s.last_check_date END,
                     CASE WHEN s.check_claimed_at <= at.near THEN s.check_claimed_at END
                 ) >= ($2 + $2 * abs(hashint8(s.id) % 1000) / 10000) * interval '1 millisecond', true)
                 ORDER BY greatest(
                     CASE WHEN s.last_check_date <= at.near THEN s.last_check_date END,
                     CASE WHEN s.check_claimed_at <= at.near THEN s.check_claimed_at END
                 ) NULLS FIRST, s.id
                 LIMIT $3 FOR NO KEY UPDATE OF s SKIP LOCKED)
             UPDATE saas_server s SET check_claimed_at = coalesce($1, clock_timestamp()) FROM due WHERE s.id = due.id
             RETURNING s.id",
            args![now, milliseconds, limit],
        )
        .await?;
    rows.iter().map(|row| Ok(ServerId(int(row, "id")?))).collect()
}
