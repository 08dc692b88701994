//! Jobs as they are read, and as workers run them: steps, ends.

use super::db::{Done, Tx, args, audit, from_json, from_json_opt, from_word, get, int, json};
use super::effects;
use super::pool::{Begin, Store};
use crate::domain::audit::Actor;
use crate::domain::job::{Job, JobState, Lease, PlannedStep, StepRecord, StepState};
use crate::domain::{JobId, Problem, SafeText};
use crate::registry::identity::ProcessId;
use crate::registry::{Consequence, JobFilter, Op, RegistryError, Result, StepChange};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio_postgres::Row;

const COLUMNS: &str =
    "id, spec, title, state, worker, token, waits_for_key, attempt, cancel_requested, asked_by, created_at, started_at,
    finished_at, result, problem";

const STEP_COLUMNS: &str = "job_id, step, name, title, detail, pivot, state, data, started_at, finished_at, problem";

fn read(row: &Row) -> Result<Job> {
    let token = int(row, "token")?;
    Ok(Job {
        id: JobId(int(row, "id")?),
        spec: from_json(row, "spec")?,
        title: SafeText::new(get(row, "title")?),
        state: from_word(row, "state")?,
        steps: Vec::new(),
        lease: get::<Option<String>>(row, "worker")?.map(|worker| Lease { worker, token }),
        attempt: int(row, "attempt")?,
        cancel_requested: get(row, "cancel_requested")?,
        waits_for_key: get(row, "waits_for_key")?,
        asked_by: get(row, "asked_by")?,
        created_at: get(row, "created_at")?,
        started_at: get(row, "started_at")?,
        finished_at: get(row, "finished_at")?,
        result: get(row, "result")?,
        problem: from_json_opt(row, "problem")?,
    })
}

fn read_step(row: &Row) -> Result<StepRecord> {
    Ok(StepRecord {
        index: int(row, "step")?,
        planned: PlannedStep {
            name: get(row, "name")?,
            title: get(row, "title")?,
            detail: SafeText::new(get(row, "detail")?),
            pivot: get(row, "pivot")?,
        },
        state: from_word(row, "state")?,
        data: get(row, "data")?,
        started_at: get(row, "started_at")?,
        finished_at: get(row, "finished_at")?,
        problem: from_json_opt(row, "problem")?,
    })
}

/// The jobs that `rest` selects, with their steps: two statements, however many jobs.
async fn select(tx: &Tx<'_>, rest: &str, params: &[super::db::Arg<'_>]) -> Result<Vec<Job>> {
    let rows = tx
        .rows(&format!("SELECT {} FROM saas_job {rest}", tx.columns(COLUMNS)), params)
        .await?;
    let mut found = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    let ids: Vec<i64> = found.iter().map(|j| j.id.0).collect();
    let rows = tx
        .rows(
            // Job by job, by the key: however long the history is.
            &format!(
                "SELECT s.* FROM unnest($1) AS j (id) CROSS JOIN LATERAL (
                     SELECT {} FROM saas_job_step WHERE job_id = j.id ORDER BY step) AS s",
                tx.columns(STEP_COLUMNS)
            ),
            args![ids],
        )
        .await?;
    let mut steps: HashMap<i64, Vec<StepRecord>> = HashMap::new();
    for row in &rows {
        steps.entry(int(row, "job_id")?).or_default().push(read_step(row)?);
    }
    for job in &mut found {
        job.steps = steps.remove(&job.id.0).unwrap_or_default();
    }
    Ok(found)
}

pub(super) async fn by_id(tx: &Tx<'_>, id: JobId) -> Result<Job> {
    select(tx, "WHERE id = $1", args![id.0])
        .await?
        .pop()
        .ok_or_else(|| none(id))
}

pub(super) fn none(id: JobId) -> RegistryError {
    RegistryError::NotFound {
        what: "job",
        key: id.to_string(),
    }
}

/// One, kept as it is until the transaction's end.
pub(super) async fn held(tx: &Tx<'_>, id: JobId) -> Result<Job> {
    tx.exec("SELECT 1 FROM saas_job WHERE id = $1 FOR UPDATE", args![id.0])
        .await?;
    by_id(tx, id).await
}

pub(super) async fn filtered(tx: &Tx<'_>, filter: &JobFilter) -> Result<Vec<Job>> {
    let mut conditions = Vec::new();
    let mut params = Vec::new();
    if !filter.states.is_empty() {
        let words: Vec<String> = filter.states.iter().map(|s| s.word().to_owned()).collect();
        params.push(words.into());
        conditions.push(format!("state = ANY (${})", params.len()));
    }
    let ids = [
        ("instance_id", filter.instance.map(|i| i.0)),
        ("server_id", filter.server.map(|i| i.0)),
        ("template_id", filter.template.map(|i| i.0)),
    ];
    for (column, id) in ids {
        if let Some(id) = id {
            params.push(id.into());
            conditions.push(format!("{column} = ${}", params.len()));
        }
    }
    params.push(if filter.limit == 0 { 200 } else { filter.limit }.into());
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!("WHERE {} ", conditions.join(" AND "))
    };
    let rest = format!("{filter}ORDER BY id DESC LIMIT ${}", params.len());
    select(tx, &rest, &params).await
}

/// The job's state and whether a cancel was asked, if the token is the one in force; the job is kept as it
/// is until the transaction's end.
pub(super) async fn fenced(tx: &Tx<'_>, job: JobId, token: i64) -> Result<(JobState, bool)> {
    let row = tx
        .row(
            "SELECT token, worker, state, cancel_requested FROM saas_job WHERE id = $1 FOR NO KEY UPDATE",
            args![job.0],
        )
        .await?
        .ok_or_else(|| none(job))?;
    let state: JobState = from_word(&row, "state")?;
    if int::<i64>(&row, "token")? != token || get::<Option<&str>>(&row, "worker")?.is_none() || state.is_over() {
        return Err(RegistryError::StaleToken { job, token });
    }
    Ok((state, get(&row, "cancel_requested")?))
}

/// The operation under which a job's own consequences are audited.
fn own_op(job: &Job, token: i64, what: &str) -> Op {
    let worker = job.lease.as_ref().map_or("", |l| l.worker.as_str());
    Op {
        reason: None,
        id: format!("job:{}:{token}:{what}", job.id),
        at: Timestamp::now(),
        actor: Actor {
            os_user: job.asked_by.clone(),
            host: ProcessId::parse(worker).map_or_else(|| worker.to_owned(), |w| w.host),
            via: "worker".to_owned(),
        },
    }
}

/// What a worker writes about its job is tried again under its token: a second time it changes nothing more.
pub(super) fn by_token(job: JobId, token: i64) -> Begin {
    Begin::Repeatable(super::db::lock_of(&["job", &job.to_string(), &token.to_string()]))
}

pub(super) async fn record(store: &Store, job: JobId, token: i64, change: &StepChange) -> Result<Job> {
    store
        .transaction(by_token(job, token), |tx| Box::pin(record_in(tx, job, token, change)))
        .await
}

async fn record_in(tx: &Tx<'_>, job: JobId, token: i64, change: &StepChange) -> Result<Job> {
    fenced(tx, job, token).await?;
    let before = by_id(tx, job).await?;
    if !matches!(change.job_state, JobState::Running | JobState::Undoing) {
        return Err(RegistryError::Rule(format!(
            "a step's record can't make job {job} {}: it is ended for that",
            change.job_state.word()
        )));
    }
    let begins = matches!(change.state, StepState::Intended);
    let ends = matches!(
        change.state,
        StepState::Done | StepState::Failed | StepState::Undone | StepState::UndoFailed
    );
    let problem = change.problem.as_ref().map(json).transpose()?;
    let changed = tx
        .exec(
            "UPDATE saas_job_step SET state = $3, data = coalesce($4, data),
                 problem = CASE WHEN $6 THEN $5 ELSE coalesce($5, problem) END,
                 started_at = CASE WHEN $6 THEN $8 ELSE started_at END,
                 finished_at = CASE WHEN $7 THEN $8 WHEN $6 THEN NULL ELSE finished_at END
             WHERE job_id = $1 AND step = $2",
            args![
                job.0,
                change.index,
                change.state.word(),
                change.data.clone(),
                problem.clone(),
                begins,
                ends,
                Timestamp::now()
            ],
        )
        .await?;
    if changed == 0 {
        return Err(RegistryError::NotFound {
            what: "step",
            key: format!("{job}/{}", change.index),
        });
    }
    let failed = problem.filter(|_| change.state == StepState::Failed);
    tx.exec(
        "UPDATE saas_job SET state = $2, problem = coalesce($3, problem)
         WHERE id = $1 AND (state <> $2 OR $3 IS NOT NULL)",
        args![job.0, change.job_state.word(), failed],
    )
    .await?;
    if !change.consequences.is_empty() {
        let op = own_op(&before, token, &format!("{}:{}", change.index, change.state.word()));
        let mut notes = effects::Notes::default();
        effects::apply(tx, &change.consequences, None, &mut notes).await?;
        notes.write(tx, &op).await?;
    }
    by_id(tx, job).await
}

/// How a job ended.
pub(super) struct End {
    pub(super) state: JobState,
    pub(super) result: Option<Value>,
    pub(super) problem: Option<Problem>,
    pub(super) consequences: Vec<Consequence>,
}

pub(super) async fn finish(store: &Store, job: JobId, token: i64, end: &End) -> Result<Job> {
    if !end.state.is_over() {
        return Err(RegistryError::Rule(format!(
            "job {job} can't end as {}",
            end.state.word()
        )));
    }
    store
        .transaction(by_token(job, token), |tx| Box::pin(finish_in(tx, job, token, end)))
        .await
}

async fn finish_in(tx: &Tx<'_>, job: JobId, token: i64, end: &End) -> Result<Job> {
    let fence = fenced(tx, job, token).await;
    let before = by_id(tx, job).await?;
    if let Err(stale) = fence {
        // The answer of the first try was lost: it ended so, by the same claim.
        let row = tx
            .row("SELECT token FROM saas_job WHERE id = $1", args![job.0])
            .await?
            .ok_or_else(|| none(job))?;
        return if int::<i64>(&row, "token")? == token && before.state == end.state {
            Ok(before)
        } else {
            Err(stale)
        };
    }
    let op = own_op(&before, token, end.state.word());
    let mut notes = effects::Notes::default();
    effects::apply(tx, &end.consequences, None, &mut notes).await?;
    tx.exec("DELETE FROM saas_reservation WHERE job_id = $1", args![job.0])
        .await?;
    tx.exec(
        "UPDATE saas_job SET state = $2, result = $3, finished_at = $5, worker = NULL, lease_boot = NULL,
             lease_until = NULL, problem = CASE WHEN $2 = 'done' THEN $4 ELSE coalesce($4, problem) END
         WHERE id = $1",
        args![
            job.0,
            end.state.word(),
            end.result.clone(),
            end.problem.as_ref().map(json).transpose()?,
            op.at
        ],
    )
    .await?;
    let after = by_id(tx, job).await?;
    let done = Done {
        id: job.0,
        object: format!("job:{job}"),
        label: before.title.to_string(),
        from: Some(json!({"state": before.state})),
        to: Some(json!({"state": end.state, "problem": after.problem.as_ref().map(|p| &p.message)})),
    };
    notes.write(tx, &op).await?;
    audit(tx, &op, &format!("job.{}", end.state.word()), &done, None).await?;
    Ok(after)
}
