//! Queueing jobs, cancelling them and running them again: what operators ask.

use super::db::{Attempt, Done, from_json, json, mutate, same_version, store, text_of, violated};
use super::instances::{check_place, insert};
use super::{catalog, effects, instances, jobs, servers};
use crate::domain::capacity::Thresholds;
use crate::domain::instance::InstanceState;
use crate::domain::job::{Job, JobSpec, JobState, StepState};
use crate::domain::{InstanceId, JobId};
use crate::registry::dedicated::{give_id, same_instance, with_ports};
use crate::registry::{Consequence, Expected, NewJob, Op, RegistryError, Reservation, Result};
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

/// Takes what the job needs for itself, or says who has it.
fn reserve(tx: &Connection, job: JobId, wanted: &[Reservation]) -> Result<()> {
    for thing in wanted {
        let holder: Option<i64> = tx
            .prepare_cached(
                "SELECT job_id FROM saas_reservation WHERE key = ?1 AND job_id <> ?2 AND (exclusive OR ?3)
                 ORDER BY job_id LIMIT 1",
            )
            .and_then(|mut s| {
                s.query_row((&thing.key, job.0, thing.exclusive), |row| row.get(0))
                    .optional()
            })
            .map_err(store)?;
        if let Some(holder) = holder {
            return Err(RegistryError::Reserved {
                what: thing.label.clone(),
                job: JobId(holder),
            });
        }
        tx.prepare_cached(
            "INSERT INTO saas_reservation (key, job_id, label, exclusive) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (key, job_id) DO UPDATE SET exclusive = max(exclusive, excluded.exclusive)",
        )
        .map_err(store)?
        .execute((&thing.key, job.0, &thing.label, thing.exclusive))
        .map_err(|e| match violated(&e) {
            Some(m) => RegistryError::Rule(format!("{} can't be reserved: {m}", thing.label)),
            None => store(e),
        })?;
    }
    Ok(())
}

/// Refuses a plan whose world has changed since it was made.
fn unchanged(tx: &Connection, expected: &Expected) -> Result<()> {
    if let Some((id, version)) = expected.server {
        let row = servers::by_id(tx, id)?;
        same_version(
            tx,
            "server",
            &format!("server:{id}"),
            row.spec.code.as_str(),
            row.version,
            version,
        )?;
    }
    if let Some((id, version)) = expected.template {
        let row = catalog::template(tx, id)?;
        same_version(
            tx,
            "template",
            &format!("template:{id}"),
            row.spec.code.as_str(),
            row.version,
            version,
        )?;
    }
    if let Some((id, version)) = expected.instance {
        let row = instances::by_id(tx, id)?;
        same_version(
            tx,
            "instance",
            &format!("instance:{id}"),
            row.spec.name.as_str(),
            row.version,
            version,
        )?;
    }
    Ok(())
}

/// What a retry repeats of a job, in words: its own instance's id isn't known before.
fn subject(new: &NewJob) -> Result<String> {
    Ok(match &new.instance {
        Some(spec) => format!("{} {} {}", new.spec.kind().word(), spec.server_id, spec.subdomain),
        None => json(&new.spec)?,
    })
}

pub(super) fn queue(conn: &mut Connection, op: &Op, new: &NewJob) -> Result<Job> {
    let attempt = Attempt {
        op,
        action: "job.queue",
        subject: subject(new)?,
        object: "job".to_owned(),
        label: new.title.to_string(),
    };
    mutate(
        conn,
        &attempt,
        |tx| {
            unchanged(tx, &new.expected)?;
            let at = text_of(op.at);
            let mut spec = new.spec.clone();
            let mut follow = new.consequences.clone();
            let mut back = effects::reversed(tx, &follow)?;
            if let Some(instance) = &new.instance {
                let id = place(tx, &mut spec, instance, &new.thresholds, &at)?;
                follow.insert(0, Consequence::InstanceState(id, InstanceState::Provisioning));
                back.insert(0, Consequence::InstanceState(id, InstanceState::Failed));
            }
            tx.prepare_cached(
                "INSERT INTO saas_job (kind, spec, title, server_id, template_id, instance_id, asked_by, created_at,
                     reservations, consequences, before)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )
            .map_err(store)?
            .execute((
                spec.kind().word(),
                json(&spec)?,
                new.title.as_str(),
                spec.server_id().0,
                spec.template_id().map(|t| t.0),
                spec.instance_id().map(|i| i.0),
                &op.actor.os_user,
                &at,
                json(&new.reservations)?,
                json(&follow)?,
                json(&back)?,
            ))
            .map_err(store)?;
            let id = JobId(tx.last_insert_rowid());
            for (index, step) in new.steps.iter().enumerate() {
                tx.prepare_cached(
                    "INSERT INTO saas_job_step (job_id, step, name, title, detail, pivot) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )
                .and_then(|mut s| {
                    let index = i64::try_from(index).unwrap_or(i64::MAX);
                    s.execute((id.0, index, &step.name, &step.title, step.detail.as_str(), step.pivot))
                })
                .map_err(store)?;
            }
            reserve(tx, id, &new.reservations)?;
            effects::apply(tx, op, &follow, Some(&new.thresholds))?;
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
            Ok((jobs::by_id(tx, id)?, done))
        },
        |tx, id| jobs::by_id(tx, JobId(id)),
    )
}

/// Gives the job's own instance its place, names and ports.
fn place(
    tx: &Connection,
    spec: &mut JobSpec,
    instance: &crate::domain::instance::InstanceSpec,
    thresholds: &Thresholds,
    at: &str,
) -> Result<InstanceId> {
    same_instance(spec, instance)?;
    check_place(tx, instance, thresholds)?;
    let held = match instance.dedicated() {
        Some(_) => instances::ports_held(tx, instance.server_id)?,
        None => std::collections::BTreeSet::new(),
    };
    let id = insert(tx, &with_ports(spec, instance, &held)?, at)?;
    give_id(spec, id);
    Ok(id)
}

fn attempt<'a>(conn: &Connection, op: &'a Op, action: &'static str, id: JobId) -> Attempt<'a> {
    Attempt {
        op,
        action,
        subject: id.to_string(),
        object: format!("job:{id}"),
        label: jobs::by_id(conn, id).map_or_else(|_| id.to_string(), |j| j.title.to_string()),
    }
}

pub(super) fn cancel(conn: &mut Connection, op: &Op, id: JobId) -> Result<Job> {
    let attempt = attempt(conn, op, "job.cancel", id);
    mutate(
        conn,
        &attempt,
        |tx| {
            let job = jobs::by_id(tx, id)?;
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
            let untouched = job.state == JobState::Queued && job.steps.iter().all(|s| s.state == StepState::Pending);
            if untouched {
                let back: String = tx
                    .query_row("SELECT before FROM saas_job WHERE id = ?1", [id.0], |row| row.get(0))
                    .map_err(store)?;
                let back: Vec<Consequence> = from_json("a job's way back", &back)?;
                effects::apply(tx, op, &back, None)?;
                tx.execute("DELETE FROM saas_reservation WHERE job_id = ?1", [id.0])
                    .map_err(store)?;
                tx.execute(
                    "UPDATE saas_job SET state = 'cancelled', cancel_requested = 1, finished_at = ?1, worker = NULL,
                         waits_for_key = NULL WHERE id = ?2",
                    (text_of(op.at), id.0),
                )
                .map_err(store)?;
                done.to = Some(json!({"state": JobState::Cancelled, "cancel_requested": true}));
            } else if job.cancel_requested {
                (done.from, done.to) = (None, None);
            } else {
                tx.execute("UPDATE saas_job SET cancel_requested = 1 WHERE id = ?1", [id.0])
                    .map_err(store)?;
            }
            Ok((jobs::by_id(tx, id)?, done))
        },
        |tx, _| jobs::by_id(tx, id),
    )
}

pub(super) fn retry(conn: &mut Connection, op: &Op, id: JobId, thresholds: &Thresholds) -> Result<Job> {
    let attempt = attempt(conn, op, "job.retry", id);
    mutate(
        conn,
        &attempt,
        |tx| {
            let job = jobs::by_id(tx, id)?;
            let (reservations, follow): (String, String) = tx
                .query_row(
                    "SELECT reservations, consequences FROM saas_job WHERE id = ?1",
                    [id.0],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .map_err(store)?;
            let reservations: Vec<Reservation> = from_json("a job's reservations", &reservations)?;
            let state = match job.state {
                JobState::Failed | JobState::Cancelled => from_the_start(
                    tx,
                    op,
                    &job,
                    &from_json::<Vec<Consequence>>("a job's consequences", &follow)?,
                    thresholds,
                )?,
                JobState::Stuck => where_it_stuck(tx, &job)?,
                state => {
                    return Err(RegistryError::Rule(format!(
                        "job {id} is {}: only a failed, cancelled or stuck job can be run again",
                        state.word()
                    )));
                }
            };
            reserve(tx, id, &reservations)?;
            tx.execute(
                "UPDATE saas_job SET state = ?1, attempt = attempt + 1, worker = NULL, lease_boot = NULL,
                     lease_until_ms = NULL, waits_for_key = NULL, finished_at = NULL WHERE id = ?2",
                (state.word(), id.0),
            )
            .map_err(store)?;
            let done = Done {
                id: id.0,
                object: format!("job:{id}"),
                label: job.title.to_string(),
                from: Some(json!({"state": job.state, "attempt": job.attempt})),
                to: Some(json!({"state": state, "attempt": job.attempt + 1})),
            };
            Ok((jobs::by_id(tx, id)?, done))
        },
        |tx, _| jobs::by_id(tx, id),
    )
}

/// Everything of it was undone: it begins anew, under the conditions of the day.
fn from_the_start(
    tx: &Connection,
    op: &Op,
    job: &Job,
    follow: &[Consequence],
    thresholds: &Thresholds,
) -> Result<JobState> {
    if let JobSpec::InstanceCreate { instance_id, .. } | JobSpec::DedicatedCreate { instance_id, .. } = &job.spec {
        instances::by_id(tx, *instance_id)?;
    }
    let back = effects::reversed(tx, follow)?;
    effects::apply(tx, op, follow, Some(thresholds))?;
    tx.execute(
        "UPDATE saas_job_step SET state = 'pending', data = '{}', started_at = NULL, finished_at = NULL, problem = NULL
         WHERE job_id = ?1",
        [job.id.0],
    )
    .and_then(|_| {
        tx.execute(
            "UPDATE saas_job SET cancel_requested = 0, problem = NULL, result = NULL, started_at = NULL, before = ?1 WHERE id = ?2",
            (json(&back).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?, job.id.0),
        )
    })
    .map_err(store)?;
    Ok(JobState::Queued)
}

/// Something is left of it: undoing goes on with the step whose undo failed; past a step without a
/// way back, the failed step is run again.
fn where_it_stuck(tx: &Connection, job: &Job) -> Result<JobState> {
    let past_pivot = job.steps.iter().any(|s| s.planned.pivot && s.state == StepState::Done);
    if past_pivot {
        tx.execute(
            "UPDATE saas_job_step SET state = 'pending', finished_at = NULL, problem = NULL
             WHERE job_id = ?1 AND state <> 'done'",
            [job.id.0],
        )
        .and_then(|_| {
            tx.execute(
                "UPDATE saas_job SET problem = NULL, cancel_requested = 0 WHERE id = ?1",
                [job.id.0],
            )
        })
        .map_err(store)?;
        return Ok(JobState::Queued);
    }
    tx.execute(
        "UPDATE saas_job_step SET state = 'undoing', finished_at = NULL WHERE job_id = ?1 AND state = 'undo_failed'",
        [job.id.0],
    )
    .map_err(store)?;
    Ok(JobState::Undoing)
}
