//! Jobs as they are read, and as workers run them: steps, ends.

use super::db::{Done, audit, begin, from_json, from_word, json, select_rows, store, text_of, time_of, time_opt};
use super::effects;
use super::servers::{by_worker, get};
use crate::domain::job::{Job, JobState, Lease, PlannedStep, StepRecord, StepState};
use crate::domain::{JobId, Problem, SafeText};
use crate::registry::{Consequence, JobFilter, Op, RegistryError, Result, StepChange};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Value, json};
use std::collections::HashMap;

const COLUMNS: &str =
    "id, spec, title, state, worker, token, waits_for_key, attempt, cancel_requested, asked_by, created_at, started_at,
    finished_at, result, problem";

fn read(row: &Row<'_>) -> Result<Job> {
    let optional = |column: &str| get::<Option<String>>(row, column);
    let token = get(row, "token")?;
    Ok(Job {
        id: JobId(get(row, "id")?),
        spec: from_json("a job's spec", &get::<String>(row, "spec")?)?,
        title: SafeText::from(get::<String>(row, "title")?),
        state: from_word("a job's state", get(row, "state")?)?,
        steps: Vec::new(),
        lease: optional("worker")?.map(|worker| Lease { worker, token }),
        attempt: get(row, "attempt")?,
        cancel_requested: get(row, "cancel_requested")?,
        waits_for_key: optional("waits_for_key")?,
        asked_by: get(row, "asked_by")?,
        created_at: time_of(&get::<String>(row, "created_at")?)?,
        started_at: time_opt(optional("started_at")?.as_deref())?,
        finished_at: time_opt(optional("finished_at")?.as_deref())?,
        result: optional("result")?
            .map(|t| from_json("a job's result", &t))
            .transpose()?,
        problem: optional("problem")?
            .map(|t| from_json("a job's problem", &t))
            .transpose()?,
    })
}

fn read_step(row: &Row<'_>) -> Result<StepRecord> {
    let optional = |column: &str| get::<Option<String>>(row, column);
    Ok(StepRecord {
        index: usize::try_from(get::<i64>(row, "step")?).unwrap_or(0),
        planned: PlannedStep {
            name: get(row, "name")?,
            title: get(row, "title")?,
            detail: SafeText::from(get::<String>(row, "detail")?),
            pivot: get(row, "pivot")?,
        },
        state: from_word("a step's state", get(row, "state")?)?,
        data: from_json("a step's data", &get::<String>(row, "data")?)?,
        started_at: time_opt(optional("started_at")?.as_deref())?,
        finished_at: time_opt(optional("finished_at")?.as_deref())?,
        problem: optional("problem")?
            .map(|t| from_json("a step's problem", &t))
            .transpose()?,
    })
}

/// The jobs that `rest` selects, with their steps: two statements, however many jobs.
fn select(conn: &Connection, rest: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<Job>> {
    let mut found = select_rows(conn, &format!("SELECT {COLUMNS} FROM saas_job {rest}"), params, read)?;
    let ids = json(&found.iter().map(|j| j.id).collect::<Vec<_>>())?;
    let mut steps: HashMap<i64, Vec<StepRecord>> = HashMap::new();
    let mut statement = conn
        .prepare_cached(
            "SELECT * FROM saas_job_step WHERE job_id IN (SELECT value FROM json_each(?1)) ORDER BY job_id, step",
        )
        .map_err(store)?;
    let mut rows = statement.query([ids]).map_err(store)?;
    while let Some(row) = rows.next().map_err(store)? {
        steps.entry(get(row, "job_id")?).or_default().push(read_step(row)?);
    }
    for job in &mut found {
        job.steps = steps.remove(&job.id.0).unwrap_or_default();
    }
    Ok(found)
}

pub(super) fn by_id(conn: &Connection, id: JobId) -> Result<Job> {
    select(conn, "WHERE id = ?1", &[&id.0])?
        .pop()
        .ok_or_else(|| RegistryError::NotFound {
            what: "job",
            key: id.to_string(),
        })
}

pub(super) fn filtered(conn: &Connection, filter: &JobFilter) -> Result<Vec<Job>> {
    let mut conditions = Vec::new();
    let mut params: Vec<Box<dyn rusqlite::ToSql>> = Vec::new();
    if !filter.states.is_empty() {
        let words: Vec<&str> = filter.states.iter().map(|s| s.word()).collect();
        params.push(Box::new(json(&words)?));
        conditions.push(format!("state IN (SELECT value FROM json_each(?{}))", params.len()));
    }
    let ids = [
        ("instance_id", filter.instance.map(|i| i.0)),
        ("server_id", filter.server.map(|i| i.0)),
        ("template_id", filter.template.map(|i| i.0)),
    ];
    for (column, id) in ids {
        if let Some(id) = id {
            params.push(Box::new(id));
            conditions.push(format!("{column} = ?{}", params.len()));
        }
    }
    let limit = if filter.limit == 0 { 200 } else { filter.limit };
    params.push(Box::new(i64::try_from(limit).unwrap_or(i64::MAX)));
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!("WHERE {} ", conditions.join(" AND "))
    };
    let params: Vec<&dyn rusqlite::ToSql> = params.iter().map(AsRef::as_ref).collect();
    let rest = format!("{filter}ORDER BY id DESC LIMIT ?{}", params.len());
    select(conn, &rest, &params)
}

/// The job's state and whether a cancel was asked, if the token is the one in force.
pub(super) fn fenced(tx: &Connection, job: JobId, token: i64) -> Result<(JobState, bool)> {
    let row: Option<(i64, Option<String>, String, bool)> = tx
        .prepare_cached("SELECT token, worker, state, cancel_requested FROM saas_job WHERE id = ?1")
        .and_then(|mut s| {
            s.query_row([job.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
                .optional()
        })
        .map_err(store)?;
    let Some((current, worker, state, cancel)) = row else {
        return Err(RegistryError::NotFound {
            what: "job",
            key: job.to_string(),
        });
    };
    let state: JobState = from_word("a job's state", state)?;
    if current != token || worker.is_none() || state.is_over() {
        return Err(RegistryError::StaleToken { job, token });
    }
    Ok((state, cancel))
}

/// The operation under which a job's own consequences are audited.
fn own_op(job: &Job, token: i64, what: &str) -> Op {
    let worker = job.lease.as_ref().map_or("", |l| l.worker.as_str());
    Op {
        reason: None,
        id: format!("job:{}:{token}:{what}", job.id),
        at: Timestamp::now(),
        actor: by_worker(worker, &job.asked_by),
    }
}

pub(super) fn record(conn: &mut Connection, job: JobId, token: i64, change: &StepChange) -> Result<Job> {
    let tx = begin(conn)?;
    fenced(&tx, job, token)?;
    let before = by_id(&tx, job)?;
    if !matches!(change.job_state, JobState::Running | JobState::Undoing) {
        return Err(RegistryError::Rule(format!(
            "a step's record can't make job {job} {}: it is ended for that",
            change.job_state.word()
        )));
    }
    let now = text_of(Timestamp::now());
    let begins = matches!(change.state, StepState::Intended);
    let ends = matches!(
        change.state,
        StepState::Done | StepState::Failed | StepState::Undone | StepState::UndoFailed
    );
    let index = i64::try_from(change.index).unwrap_or(i64::MAX);
    let changed = tx
        .prepare_cached(
            "UPDATE saas_job_step SET state = ?3, data = coalesce(?4, data),
                 problem = CASE WHEN ?6 THEN ?5 ELSE coalesce(?5, problem) END,
                 started_at = CASE WHEN ?6 THEN ?8 ELSE started_at END,
                 finished_at = CASE WHEN ?7 THEN ?8 WHEN ?6 THEN NULL ELSE finished_at END
             WHERE job_id = ?1 AND step = ?2",
        )
        .and_then(|mut s| {
            let text = |v: Result<String>| v.map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)));
            s.execute(rusqlite::params![
                job.0,
                index,
                change.state.word(),
                change.data.as_ref().map(|d| text(json(d))).transpose()?,
                change.problem.as_ref().map(|p| text(json(p))).transpose()?,
                begins,
                ends,
                now
            ])
        })
        .map_err(store)?;
    if changed == 0 {
        return Err(RegistryError::NotFound {
            what: "step",
            key: format!("{job}/{}", change.index),
        });
    }
    let failed = (change.state == StepState::Failed)
        .then_some(change.problem.as_ref())
        .flatten();
    let failed = failed.map(json).transpose()?;
    tx.prepare_cached(
        "UPDATE saas_job SET state = ?2, problem = coalesce(?3, problem)
         WHERE id = ?1 AND (state <> ?2 OR ?3 IS NOT NULL)",
    )
    .and_then(|mut s| s.execute((job.0, change.job_state.word(), failed)))
    .map_err(store)?;
    if !change.consequences.is_empty() {
        let op = own_op(&before, token, &format!("{}:{}", change.index, change.state.word()));
        effects::apply(&tx, &op, &change.consequences, None)?;
    }
    let after = by_id(&tx, job)?;
    tx.commit().map_err(store)?;
    Ok(after)
}

/// How a job ended.
pub(super) struct End {
    pub(super) state: JobState,
    pub(super) result: Option<Value>,
    pub(super) problem: Option<Problem>,
    pub(super) consequences: Vec<Consequence>,
}

pub(super) fn finish(conn: &mut Connection, job: JobId, token: i64, end: &End) -> Result<Job> {
    if !end.state.is_over() {
        return Err(RegistryError::Rule(format!(
            "job {job} can't end as {}",
            end.state.word()
        )));
    }
    let tx = begin(conn)?;
    let before = by_id(&tx, job)?;
    if let Err(stale) = fenced(&tx, job, token) {
        // The answer of the first try was lost: it ended so, by the same claim.
        let current: i64 = tx
            .query_row("SELECT token FROM saas_job WHERE id = ?1", [job.0], |row| row.get(0))
            .map_err(store)?;
        return if current == token && before.state == end.state {
            Ok(before)
        } else {
            Err(stale)
        };
    }
    let op = own_op(&before, token, end.state.word());
    effects::apply(&tx, &op, &end.consequences, None)?;
    tx.execute("DELETE FROM saas_reservation WHERE job_id = ?1", [job.0])
        .map_err(store)?;
    let (result, problem) = (
        end.result.as_ref().map(json).transpose()?,
        end.problem.as_ref().map(json).transpose()?,
    );
    tx.execute(
        "UPDATE saas_job SET state = ?2, result = ?3, finished_at = ?5, worker = NULL, lease_boot = NULL,
             lease_until_ms = NULL, problem = CASE WHEN ?2 = 'done' THEN ?4 ELSE coalesce(?4, problem) END
         WHERE id = ?1",
        (job.0, end.state.word(), result, problem, text_of(op.at)),
    )
    .map_err(store)?;
    let after = by_id(&tx, job)?;
    let done = Done {
        id: job.0,
        object: format!("job:{job}"),
        label: before.title.to_string(),
        from: Some(json!({"state": before.state})),
        to: Some(json!({"state": end.state, "problem": after.problem.as_ref().map(|p| &p.message)})),
    };
    audit(&tx, &op, &format!("job.{}", end.state.word()), &done, None)?;
    tx.commit().map_err(store)?;
    Ok(after)
}
