//! What is kept to be read again: logs; workers; and the deleting of what is old.

use super::db::{begin, from_word, store, text_of, time_of};
use super::servers::get;
use crate::domain::job::LogLine;
use crate::domain::{JobId, SafeText};
use crate::registry::identity::{ProcessId, boot_id};
use crate::registry::{NewLine, RegistryError, Result, Worker};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

/// Rows that one transaction of a prune deletes: a writer never waits long for it.
const BATCH: i64 = 500;

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The word of a stream or level, as serde writes it.
fn word(value: &impl serde::Serialize) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(super::db::unreadable("a word", format!("{other:?}"))),
    }
}

pub(super) fn append(conn: &mut Connection, job: JobId, lines: &[NewLine]) -> Result<i64> {
    if lines.is_empty() {
        return log_end(conn, job);
    }
    let tx = begin(conn)?;
    let count = number(lines.len());
    let end: Option<i64> = tx
        .prepare_cached("UPDATE saas_job SET log_end = log_end + ?1 WHERE id = ?2 RETURNING log_end")
        .and_then(|mut s| s.query_row((count, job.0), |row| row.get(0)).optional())
        .map_err(store)?;
    let Some(end) = end else {
        return Err(RegistryError::NotFound {
            what: "job",
            key: job.to_string(),
        });
    };
    {
        let mut insert = tx
            .prepare_cached(
                "INSERT INTO saas_job_log (job_id, seq, at, step, stream, level, text, took_ms, progress_done, progress_total)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )
            .map_err(store)?;
        for (seq, line) in (end - count + 1..).zip(lines) {
            insert
                .execute(rusqlite::params![
                    job.0,
                    seq,
                    text_of(line.at),
                    line.step.map(number),
                    word(&line.stream)?,
                    word(&line.level)?,
                    line.text.as_str(),
                    line.took_ms.map(u64::cast_signed),
                    line.progress.map(|p| p.0.cast_signed()),
                    line.progress.map(|p| p.1.cast_signed()),
                ])
                .map_err(store)?;
        }
    }
    tx.commit().map_err(store)?;
    Ok(end)
}

pub(super) fn log(conn: &Connection, job: JobId, after: i64, limit: usize) -> Result<Vec<LogLine>> {
    let mut statement = conn
        .prepare_cached("SELECT * FROM saas_job_log WHERE job_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")
        .map_err(store)?;
    let mut rows = statement.query((job.0, after, number(limit))).map_err(store)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(store)? {
        let progress: (Option<i64>, Option<i64>) = (get(row, "progress_done")?, get(row, "progress_total")?);
        found.push(LogLine {
            seq: get(row, "seq")?,
            at: time_of(&get::<String>(row, "at")?)?,
            step: get::<Option<i64>>(row, "step")?.and_then(|s| usize::try_from(s).ok()),
            stream: from_word("a line's stream", get(row, "stream")?)?,
            level: from_word("a line's level", get(row, "level")?)?,
            text: SafeText::from(get::<String>(row, "text")?),
            took_ms: get::<Option<i64>>(row, "took_ms")?.map(i64::cast_unsigned),
            progress: progress
                .0
                .zip(progress.1)
                .map(|(d, t)| (d.cast_unsigned(), t.cast_unsigned())),
        });
    }
    Ok(found)
}

pub(super) fn log_end(conn: &Connection, job: JobId) -> Result<i64> {
    conn.prepare_cached("SELECT log_end FROM saas_job WHERE id = ?1")
        .and_then(|mut s| s.query_row([job.0], |row| row.get(0)).optional())
        .map_err(store)?
        .ok_or_else(|| RegistryError::NotFound {
            what: "job",
            key: job.to_string(),
        })
}

pub(super) fn worker_alive(conn: &mut Connection, id: &str) -> Result<()> {
    // A process that can be asked is alive by itself: it is written down once, and an idle worker
    // keeps no disk busy and wakes nobody.
    let known: Option<String> = conn
        .prepare_cached("SELECT boot FROM saas_worker WHERE id = ?1")
        .and_then(|mut s| s.query_row([id], |row| row.get(0)).optional())
        .map_err(store)?;
    if known == Some(boot_id()) && asked(id) == Some(true) {
        return Ok(());
    }
    let tx = begin(conn)?;
    let now = text_of(Timestamp::now());
    tx.execute(
        "INSERT INTO saas_worker (id, boot, started_at, seen_at) VALUES (?1, ?2, ?3, ?3)
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, boot = excluded.boot",
        (id, boot_id(), now),
    )
    .map_err(store)?;
    tx.commit().map_err(store)
}

/// Whether a worker's process lives, where that can be told.
fn asked(id: &str) -> Option<bool> {
    ProcessId::parse(id).and_then(|p| p.is_alive())
}

pub(super) fn worker_gone(conn: &mut Connection, id: &str) -> Result<()> {
    let tx = begin(conn)?;
    tx.execute("DELETE FROM saas_worker WHERE id = ?1", [id])
        .map_err(store)?;
    tx.commit().map_err(store)
}

pub(super) fn workers(conn: &Connection) -> Result<Vec<Worker>> {
    let mut statement = conn
        .prepare_cached("SELECT id, boot, started_at, seen_at FROM saas_worker ORDER BY started_at, id")
        .map_err(store)?;
    let mut rows = statement.query([]).map_err(store)?;
    let boot = boot_id();
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(store)? {
        let id: String = get(row, "id")?;
        let lives = asked(&id);
        let seen_at = match lives {
            Some(true) => Timestamp::now(),
            _ => time_of(&get::<String>(row, "seen_at")?)?,
        };
        found.push(Worker {
            id,
            started_at: time_of(&get::<String>(row, "started_at")?)?,
            seen_at,
            // One that can't be asked (in another container) is believed for as long as this boot lasts.
            alive: get::<String>(row, "boot")? == boot && lives != Some(false),
        });
    }
    Ok(found)
}

/// Deletes one batch of what is old; 0: nothing is left to delete.
pub(super) fn prune_batch(conn: &mut Connection, checks: Timestamp, logs: Timestamp) -> Result<u64> {
    let (checks, logs) = (text_of(checks), text_of(logs));
    let statements: [(&str, &str); 4] = [
        (
            "DELETE FROM saas_health_check WHERE id IN
                 (SELECT id FROM saas_health_check WHERE check_date < ?1 ORDER BY check_date LIMIT ?2)",
            &checks,
        ),
        (
            "DELETE FROM saas_job_log WHERE (job_id, seq) IN
                 (SELECT l.job_id, l.seq FROM saas_job j JOIN saas_job_log l ON l.job_id = j.id
                  WHERE j.state IN ('done', 'failed', 'cancelled') AND j.finished_at < ?1 LIMIT ?2)",
            &logs,
        ),
        (
            "DELETE FROM saas_operation WHERE (op_id, action, subject) IN
                 (SELECT op_id, action, subject FROM saas_operation WHERE at < ?1 ORDER BY at LIMIT ?2)",
            &checks,
        ),
        (
            "DELETE FROM saas_worker WHERE id IN (SELECT id FROM saas_worker WHERE seen_at < ?1 AND boot <> ?3 LIMIT ?2)",
            &logs,
        ),
    ];
    let boot = boot_id();
    for (sql, before) in statements {
        let tx = begin(conn)?;
        let mut gone = tx.prepare_cached(sql).map_err(store)?;
        let rows = if sql.contains("?3") {
            gone.execute((before, BATCH, &boot))
        } else {
            gone.execute((before, BATCH))
        }
        .map_err(store)?;
        drop(gone);
        tx.commit().map_err(store)?;
        if rows > 0 {
            return Ok(u64::try_from(rows).unwrap_or(0));
        }
    }
    Ok(0)
}
