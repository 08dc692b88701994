//! Queueing jobs, cancelling them and running them again: what operators ask.

use super::db::{Attempt, Done, Tx, args, from_json, int, json, mutate, same_version};
use super::effects::{Notes, hold_instance, hold_server, hold_template};
use super::instances::{check_place, insert};
use super::pool::Store;
use super::{catalog, effects, instances, jobs, servers};
use crate::domain::capacity::Thresholds;
use crate::domain::instance::{InstanceSpec, InstanceState};
use crate::domain::job::{Job, JobSpec, JobState, StepState};
use crate::domain::{InstanceId, JobId};
use crate::registry::dedicated::{give_id, same_instance, with_ports};
use crate::registry::{Consequence, Expected, NewJob, Op, RegistryError, Reservation, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Takes what the job needs for itself, or says who has it.
async fn reserve(tx: &Tx<'_>, job: JobId, wanted: &[Reservation]) -> Result<()> {
    // In one order, so that two jobs that want the same things don't wait for each other.
    let mut wanted: Vec<&Reservation> = wanted.iter().collect();
    wanted.sort_by(|a, b| a.key.cmp(&b.key));
    for thing in wanted {
        // The lock that the table's trigger takes, taken before looking: who comes second sees who came first.
        tx.exec(
            "SELECT pg_advisory_xact_lock(hashtextextended('saas_reservation ' || $1, 0))",
            args![&thing.key],
        )
        .await?;
        let holder = tx
            .row(
                "SELECT job_id FROM saas_reservation WHERE key = $1 AND job_id <> $2 AND (exclusive OR $3)
                 ORDER BY job_id LIMIT 1",
                args![&thing.key, job.0, thing.exclusive],
            )
            .await?;
        if let Some(holder) = holder {
            return Err(RegistryError::Reserved {
                what: thing.label.clone(),
                job: JobId(int(&holder, "job_id")?),
            });
        }
        tx.exec(
            "INSERT INTO saas_reservation AS r (key, job_id, label, exclusive) VALUES ($1, $2, $3, $4)
             ON CONFLICT (key, job_id) DO UPDATE SET exclusive = r.exclusive OR excluded.exclusive",
            args![&thing.key, job.0, &thing.label, thing.exclusive],
        )
        .await
        .map_err(|e| match e.violated() {
            Some(m) => RegistryError::Rule(format!("{} can't be reserved: {m}", thing.label)),
            None => e.into(),
        })?;
    }
    Ok(())
}

/// Refuses a plan whose world has changed since it was made; what it names stays as it is until the
/// transaction's end.
async fn unchanged(tx: &Tx<'_>, expected: &Expected) -> Result<()> {
    if let Some((id, version)) = expected.server {
        hold_server(tx, id).await?;
        let row = servers::by_id(tx, id).await?;
        let (object, code) = (format!("server:{id}"), row.spec.code.as_str());
        same_version(tx, "server", &object, code, row.version, version).await?;
    }
    if let Some((id, version)) = expected.template {
        hold_template(tx, id).await?;
        let row = catalog::template(tx, id).await?;
        let (object, code) = (format!("template:{id}"), row.spec.code.as_str());
        same_version(tx, "template", &object, code, row.version, version).await?;
    }
    if let Some((id, version)) = expected.instance {
        hold_instance(tx, id).await?;
        let row = instances::by_id(tx, id).await?;
        let (object, name) = (format!("instance:{id}"), row.spec.name.as_str());
        same_version(tx, "instance", &object, name, row.version, version).await?;
    }
    Ok(())
}

/// What a retry repeats of a job, in words: its own instance's id isn't known before.
fn subject(new: &NewJob) -> Result<String> {
    Ok(match &new.instance {
        Some(spec) => format!("{} {} {}", new.spec.kind().word(), spec.server_id, spec.subdomain),
        None => json(&new.spec)?.to_string(),
    })
}

pub(super) async fn queue(store: &Store, op: &Op, new: &NewJob) -> Result<Job> {
    let attempt = Attempt {
        op,
        action: "job.queue",
        subject: subject(new)?,
        object: "job".to_owned(),
        label: new.title.to_string(),
    };
    mutate(
        store,
        &attempt,
        |tx| Box::pin(queue_in(tx, op, new)),
        |tx, id| Box::pin(jobs::by_id(tx, JobId(id))),
    )
    .await
}

async fn queue_in(tx: &Tx<'_>, op: &Op, new: &NewJob) -> Result<(Job, Done)> {
    // A server's row before a template's or an instance's, as everywhere.
    hold_server(tx, new.spec.server_id()).await?;
    unchanged(tx, &new.expected).await?;
    let mut spec = new.spec.clone();
    let mut follow = new.consequences.clone();
    let mut back = effects::reversed(tx, &follow).await?;
    if let Some(instance) = &new.instance {
        let id = place(tx, &mut spec, instance, &new.thresholds, op.at).await?;
        follow.insert(0, Consequence::InstanceState(id, InstanceState::Provisioning));
        back.insert(0, Consequence::InstanceState(id, InstanceState::Failed));
    }
    let row = tx
        .row(
            "INSERT INTO saas_job (kind, spec, title, server_id, template_id, instance_id, asked_by, created_at,
                 reservations, consequences, before)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id",
            args![
                spec.kind().word(),
                json(&spec)?,
                new.title.as_str(),
                spec.server_id().0,
                spec.template_id().map(|t| t.0),
                spec.instance_id().map(|i| i.0),
                &op.actor.os_user,
                op.at,
                json(&new.reservations)?,
                json(&follow)?,
                json(&back)?
            ],
        )
        .await?;
    let id = JobId(row.map(|r| int(&r, "id")).transpose()?.unwrap_or_default());
    tx.exec(
        "INSERT INTO saas_job_step (job_id, step, name, title, detail, pivot)
         SELECT $1, s.at - 1, s.planned ->> 'name', s.planned ->> 'title', s.planned ->> 'detail',
             (s.planned ->> 'pivot')::boolean
         FROM jsonb_array_elements($2) WITH ORDINALITY AS s (planned, at)",
        args![id.0, json(&new.steps)?],
    )
    .await?;
    reserve(tx, id, &new.reservations).await?;
    let mut notes = Notes::default();
    effects::apply(tx, &follow, Some(&new.thresholds), &mut notes).await?;
    notes.write(tx, op).await?;
    let instance = new
        .instance
        .as_ref()
        .map(|i| json!({"name": i.name, "subdomain": i.subdomain, "url": i.url}));
    let done = Done {
        id: id.0,
        object: format!("job:{id}"),
        label: new.title.to_string(),
        from: None,
        to: Some(json!({"spec": spec, "instance": instance})),
    };
    Ok((jobs::by_id(tx, id).await?, done))
}

/// Gives the job's own instance its place, names and ports.
async fn place(
    tx: &Tx<'_>,
    spec: &mut JobSpec,
    instance: &InstanceSpec,
    thresholds: &Thresholds,
    at: Timestamp,
) -> Result<InstanceId> {
    same_instance(spec, instance)?;
    check_place(tx, instance, thresholds).await?;
    let held = match instance.dedicated() {
        Some(_) => instances::ports_held(tx, instance.server_id).await?,
        None => std::collections::BTreeSet::new(),
    };
    let id = insert(tx, &with_ports(spec, instance, &held)?, at).await?;
    give_id(spec, id);
    Ok(id)
}

/// What an operator asks of a job that is there; its name is read before, for a refusal's audit row.
async fn attempt<'a>(store: &Store, op: &'a Op, action: &'static str, id: JobId) -> Attempt<'a> {
    let job = store.read(|tx| Box::pin(jobs::by_id(tx, id))).await;
    Attempt {
        op,
        action,
        subject: id.to_string(),
        object: format!("job:{id}"),
        label: job.map_or_else(|_| id.to_string(), |j| j.title.to_string()),
    }
}

pub(super) async fn cancel(store: &Store, op: &Op, id: JobId) -> Result<Job> {
    let attempt = attempt(store, op, "job.cancel", id).await;
    mutate(
        store,
        &attempt,
        |tx| Box::pin(cancel_in(tx, op, id)),
        |tx, _| Box::pin(jobs::by_id(tx, id)),
    )
    .await
}

async fn cancel_in(tx: &Tx<'_>, op: &Op, id: JobId) -> Result<(Job, Done)> {
    let job = jobs::held(tx, id).await?;
    if job.state.is_over() {
        return Err(RegistryError::Rule(format!(
            "job {id} is {} already: there is nothing to cancel",
            job.state.word()
        )));
    }
    let mut done = Done {
        id: id.0,
        object: format!("job:{id}"),
        label: job.title.to_string(),
        from: Some(json!({"state": job.state, "cancel_requested": job.cancel_requested})),
        to: Some(json!({"cancel_requested": true})),
    };
    let mut notes = Notes::default();
    let untouched = job.state == JobState::Queued && job.steps.iter().all(|s| s.state == StepState::Pending);
    if untouched {
        // Over first: what it holds is given back by a job that is over.
        tx.exec(
            "UPDATE saas_job SET state = 'cancelled', cancel_requested = true, finished_at = $1, worker = NULL,
                 waits_for_key = NULL WHERE id = $2",
            args![op.at, id.0],
        )
        .await?;
        let back: Vec<Consequence> = kept(tx, id, "before").await?;
        effects::apply(tx, &back, None, &mut notes).await?;
        tx.exec("DELETE FROM saas_reservation WHERE job_id = $1", args![id.0])
            .await?;
        done.to = Some(json!({"state": JobState::Cancelled, "cancel_requested": true}));
    } else if job.cancel_requested {
        (done.from, done.to) = (None, None);
    } else {
        tx.exec("UPDATE saas_job SET cancel_requested = true WHERE id = $1", args![id.0])
            .await?;
    }
    notes.write(tx, op).await?;
    Ok((jobs::by_id(tx, id).await?, done))
}

/// What was kept with a job when it was queued.
async fn kept<T: serde::de::DeserializeOwned>(tx: &Tx<'_>, id: JobId, column: &'static str) -> Result<T> {
    let sql = format!("SELECT {column} FROM saas_job WHERE id = $1");
    let row = tx.row(&sql, args![id.0]).await?.ok_or_else(|| jobs::none(id))?;
    from_json(&row, column)
}

pub(super) async fn retry(store: &Store, op: &Op, id: JobId, thresholds: &Thresholds) -> Result<Job> {
    let attempt = attempt(store, op, "job.retry", id).await;
    mutate(
        store,
        &attempt,
        |tx| Box::pin(retry_in(tx, op, id, thresholds)),
        |tx, _| Box::pin(jobs::by_id(tx, id)),
    )
    .await
}

async fn retry_in(tx: &Tx<'_>, op: &Op, id: JobId, thresholds: &Thresholds) -> Result<(Job, Done)> {
    let job = jobs::held(tx, id).await?;
    let reservations: Vec<Reservation> = kept(tx, id, "reservations").await?;
    let mut notes = Notes::default();
    let (state, before) = match job.state {
        JobState::Failed | JobState::Cancelled => from_the_start(tx, &job, thresholds, &mut notes).await?,
        JobState::Stuck => (where_it_stuck(tx, &job).await?, None),
        state => {
            return Err(RegistryError::Rule(format!(
                "job {id} is {}: only a failed, cancelled or stuck job can be run again",
                state.word()
            )));
        }
    };
    reserve(tx, id, &reservations).await?;
    // One statement: a job that is over changes in one way only, into one that is run again.
    tx.exec(
        "UPDATE saas_job SET state = $1, attempt = attempt + 1, worker = NULL, lease_boot = NULL,
             lease_until = NULL, waits_for_key = NULL, finished_at = NULL,
             cancel_requested = cancel_requested AND $1 = 'undoing',
             problem = CASE WHEN $1 = 'undoing' THEN problem END,
             result = CASE WHEN $3 IS NULL THEN result END,
             started_at = CASE WHEN $3 IS NULL THEN started_at END, before = coalesce($3, before)
         WHERE id = $2",
        args![state.word(), id.0, before],
    )
    .await?;
    let done = Done {
        id: id.0,
        object: format!("job:{id}"),
        label: job.title.to_string(),
        from: Some(json!({"state": job.state, "attempt": job.attempt})),
        to: Some(json!({"state": state, "attempt": job.attempt + 1})),
    };
    notes.write(tx, op).await?;
    Ok((jobs::by_id(tx, id).await?, done))
}

/// Everything of it was undone: it begins anew, under the conditions of the day. What it becomes, and its way
/// back.
async fn from_the_start(
    tx: &Tx<'_>,
    job: &Job,
    thresholds: &Thresholds,
    notes: &mut Notes,
) -> Result<(JobState, Option<Value>)> {
    let follow: Vec<Consequence> = kept(tx, job.id, "consequences").await?;
    if let JobSpec::InstanceCreate { instance_id, .. } | JobSpec::DedicatedCreate { instance_id, .. } = &job.spec {
        instances::by_id(tx, *instance_id).await?;
    }
    let back = effects::reversed(tx, &follow).await?;
    effects::apply(tx, &follow, Some(thresholds), notes).await?;
    tx.exec(
        "UPDATE saas_job_step SET state = 'pending', data = '{}', started_at = NULL, finished_at = NULL, problem = NULL
         WHERE job_id = $1",
        args![job.id.0],
    )
    .await?;
    Ok((JobState::Queued, Some(json(&back)?)))
}

/// Something is left of it: undoing goes on with the step whose undo failed; past a step without a
/// way back, the failed step is run again.
async fn where_it_stuck(tx: &Tx<'_>, job: &Job) -> Result<JobState> {
    let past_pivot = job.steps.iter().any(|s| s.planned.pivot && s.state == StepState::Done);
    let (sql, state) = if past_pivot {
        (
            "UPDATE saas_job_step SET state = 'pending', finished_at = NULL, problem = NULL
             WHERE job_id = $1 AND state <> 'done'",
            JobState::Queued,
        )
    } else {
        (
            "UPDATE saas_job_step SET state = 'undoing', finished_at = NULL WHERE job_id = $1 AND state = 'undo_failed'",
            JobState::Undoing,
        )
    };
    tx.exec(sql, args![job.id.0]).await?;
    Ok(state)
}
