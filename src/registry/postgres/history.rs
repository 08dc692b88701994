//! Logs: what is kept to be read again.

use super::db::{Tx, args, from_word, get, int, int_opt, lock_of, word_of};
use super::jobs::none;
use super::pool::{Begin, Store};
use crate::domain::job::LogLine;
use crate::domain::{JobId, SafeText};
use crate::registry::{NewLine, Result};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

/// How far back a batch is looked for whose answer was lost.
const BACK: i64 = 10_000;

pub(super) async fn append(store: &Store, job: JobId, lines: &[NewLine]) -> Result<i64> {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return store.read(|tx| Box::pin(log_end(tx, job))).await;
    };
    let batch = &lines.iter().map(as_json).collect::<Result<serde_json::Value>>()?;
    let again = &AtomicBool::new(false);
    let lock = lock_of(&["log", &job.to_string(), &first.at.to_string(), &last.at.to_string()]);
    store
        .transaction(Begin::Repeatable(lock), |tx| {
            Box::pin(async move {
                // No line twice, though the answer of the first try was lost.
                if again.swap(true, Ordering::Relaxed)
                    && let Some(end) = written(tx, job, lines).await?
                {
                    return Ok(end);
                }
                write(tx, job, lines.len(), batch).await
            })
        })
        .await
}

fn as_json(line: &NewLine) -> Result<serde_json::Value> {
    Ok(json!({
        "at": line.at.as_microsecond(), "step": line.step, "stream": word_of(&line.stream)?, "level": word_of(&line.level)?,
        "text": line.text, "took": line.took_ms, "done": line.progress.map(|p| p.0), "total": line.progress.map(|p| p.1),
    }))
}

/// One statement, however many lines: the job's row gives the numbers and keeps others out meanwhile.
async fn write(tx: &Tx<'_>, job: JobId, count: usize, batch: &serde_json::Value) -> Result<i64> {
    let row = tx
        .row(
            "WITH job AS (UPDATE saas_job SET log_end = log_end + $2 WHERE id = $1 RETURNING log_end),
             line AS (
                 SELECT l.value AS v, l.at - 1 AS place FROM jsonb_array_elements($3) WITH ORDINALITY AS l (value, at)),
             written AS (
                 INSERT INTO saas_job_log (job_id, seq, at, step, stream, level, text, took_ms, progress_done, progress_total)
                 SELECT $1, job.log_end - $2 + 1 + place,
                     timestamptz 'epoch' + (v ->> 'at')::bigint / 1000000 * interval '1 second'
                         + (v ->> 'at')::bigint % 1000000 * interval '1 microsecond',
                     (v ->> 'step')::bigint, v ->> 'stream', v ->> 'level', v ->> 'text', (v ->> 'took')::bigint,
                     (v ->> 'done')::bigint, (v ->> 'total')::bigint
                 FROM line, job)
             SELECT log_end FROM job",
            args![job.0, count, batch.clone()],
        )
        .await?
        .ok_or_else(|| none(job))?;
    int(&row, "log_end")
}

/// The last number of these lines, where they are there already.
async fn written(tx: &Tx<'_>, job: JobId, lines: &[NewLine]) -> Result<Option<i64>> {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return Ok(None);
    };
    let row = tx
        .row(
            "SELECT l.seq FROM saas_job j
             JOIN saas_job_log f ON f.job_id = j.id AND f.seq > j.log_end - $7 AND f.at = $2 AND f.text = $3
             JOIN saas_job_log l ON l.job_id = j.id AND l.seq = f.seq + $6 - 1 AND l.at = $4 AND l.text = $5
             WHERE j.id = $1 ORDER BY l.seq LIMIT 1",
            args![
                job.0,
                first.at,
                first.text.as_str(),
                last.at,
                last.text.as_str(),
                lines.len(),
                BACK
            ],
        )
        .await?;
    row.map(|r| int(&r, "seq")).transpose()
}

pub(super) async fn log(tx: &Tx<'_>, job: JobId, after: i64, limit: usize) -> Result<Vec<LogLine>> {
    let rows = tx
        .rows(
            "SELECT seq, at, step, stream, level, text, took_ms, progress_done, progress_total FROM saas_job_log
             WHERE job_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            args![job.0, after, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let progress: (Option<u64>, Option<u64>) =
                (int_opt(row, "progress_done")?, int_opt(row, "progress_total")?);
            Ok(LogLine {
                seq: int(row, "seq")?,
                at: get(row, "at")?,
                step: int_opt(row, "step")?,
                stream: from_word(row, "stream")?,
                level: from_word(row, "level")?,
                text: SafeText::new(get(row, "text")?),
                took_ms: int_opt(row, "took_ms")?,
                progress: progress.0.zip(progress.1),
            })
        })
        .collect()
}

pub(super) async fn log_end(tx: &Tx<'_>, job: JobId) -> Result<i64> {
    let row = tx
        .row("SELECT log_end FROM saas_job WHERE id = $1", args![job.0])
        .await?
        .ok_or_else(|| none(job))?;
    int(&row, "log_end")
}
