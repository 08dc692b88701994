//! From effects to operations: what the dashboard asks for, done by [`Ops`].

use super::act;
use super::executor::{Door, Reply};
use super::logs::Logs;
use super::mailbox::Post;
use super::watch::Watch;
use crate::domain::{InstanceId, JobId, Problem, SafeText, ServerId};
use crate::ops::{self, Ops};
use crate::tui::model::{
    Answer, Effect, Ended, Expected, Fleet, HistoryPoint, InstanceDraft, InstanceRow, PlanPreview, SecretField,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for the registry. It has its own limits; this one is for when they fail.
pub(super) const READ: Duration = Duration::from_secs(15);
/// Longest wait for a plan: its preflight asks servers.
const PLAN: Duration = Duration::from_secs(60);
/// Points of a health history: 24 hours at the shortest sensible interval fit.
const HISTORY: usize = 2_000;
/// Events of a history that are shown at most.
const EVENTS: usize = 2_000;

/// The operations behind the dashboard.
pub struct OpsDoor {
    ops: Ops,
    watch: Arc<Watch>,
    memory: Option<PathBuf>,
    attention: Option<PathBuf>,
    logs: Logs,
    live: ops::Live,
}

impl OpsDoor {
    /// Starts following the registry's changes, and a worker where none is alive. Needs a tokio
    /// runtime; what it starts ends when the door is dropped.
    pub fn new(ops: Ops, post: &Post) -> Self {
        let watch = Watch::start(ops.clone(), post.clone());
        let logs = Logs::new(Some(ops.clone()), ops.loaded().places.data_dir.clone());
        Self {
            ops,
            watch,
            memory: None,
            attention: None,
            logs,
            live: ops::Live::default(),
        }
    }

    /// The file in which alerts are remembered; without one they are not.
    #[must_use]
    pub fn noting(mut self, file: PathBuf) -> Self {
        self.attention = Some(file);
        self
    }

    /// The settings that hold, where they may be read again.
    #[must_use]
    pub fn under(mut self, live: ops::Live) -> Self {
        self.live = live;
        self
    }

    /// The file in which it is remembered how lists are shown; without one nothing is.
    #[must_use]
    pub fn remembering(mut self, file: PathBuf) -> Self {
        self.memory = Some(file);
        self
    }
}

impl Door for OpsDoor {
    fn carry_out(&self, effect: Effect, reply: Reply) -> BoxFuture<'static, ()> {
        let (ops, watch, logs) = (self.live.of(&self.ops), Arc::clone(&self.watch), self.logs.clone());
        let attention = match effect {
            Effect::RememberAlerts(_) => self.attention.clone(),
            _ => None,
        };
        let memory = match effect {
            Effect::Remember(_) => self.memory.clone(),
            _ => None,
        };
        async move {
            match effect {
                Effect::LoadFleet => {
                    if let Err(problem) = watch.send_fleet(&reply).await {
                        failed(&reply, "the fleet", problem);
                    }
                }
                Effect::LoadHistory(server) => tell(&reply, "the health history", history(&ops, server).await),
                Effect::LoadInstance(id) => tell(&reply, "the instance", instance(&ops, id).await),
                Effect::FollowLog(job) => {
                    logs.close();
                    watch.follow(job, &reply).await;
                }
                // The one that followed is stopped already: this took its key.
                Effect::UnfollowLog => logs.close(),
                Effect::LogBefore { job, before, limit } => {
                    tell(&reply, "the log", log_before(&ops, job, before, limit).await);
                }
                Effect::LoadAudit { seq, filter } => {
                    let read = bounded(READ, "what happened", ops.audit(&filter)).await;
                    tell(&reply, "what happened", read.map(|rows| Answer::Audit { seq, rows }));
                }
                Effect::PlanInstance { seq, draft } => {
                    let result = preview(&ops, *draft).await.map(Box::new);
                    reply.answer(Answer::Plan { seq, result });
                }
                Effect::Act { ticket, act } => {
                    let result = act::carry_out(&ops, ticket, act, &reply).await.map(Box::new);
                    reply.answer(Answer::Ended { ticket, result });
                }
                Effect::ActWith { ticket, act, consent } => {
                    let ops = ops.with_consent(*consent);
                    let result = act::carry_out(&ops, ticket, act, &reply).await.map(Box::new);
                    reply.answer(Answer::Ended { ticket, result });
                }
                Effect::Unlock(Some(time)) => {
                    ops.unlock(time);
                }
                Effect::Unlock(None) => ops.lock_again(),
                Effect::Find(request) => {
                    let asked = reply.clone();
                    let found = tokio::task::spawn_blocking(move || request.run(&|| asked.is_cancelled())).await;
                    if let Ok(Some(found)) = found {
                        reply.answer(Answer::Found(Box::new(found)));
                    }
                }
                Effect::Palette(request) => {
                    let asked = reply.clone();
                    let seq = request.seq;
                    let found = tokio::task::spawn_blocking(move || request.run(&|| asked.is_cancelled())).await;
                    if let Ok(Some(lines)) = found {
                        reply.answer(Answer::Palette { seq, lines });
                    }
                }
                Effect::Remember(change) => {
                    if let Some(path) = memory {
                        let saved = tokio::task::spawn_blocking(move || super::memory::save(&path, *change)).await;
                        if let Ok(Err(problem)) = saved {
                            failed(&reply, "how lists are shown", problem);
                        }
                    }
                }
                Effect::Away(away) => watch.set_away(away),
                Effect::Enter(what) => match super::enter::prepared(&ops, what).await {
                    Ok(lend) => reply.answer(Answer::Lend(Box::new(lend))),
                    Err(problem) => failed(&reply, "", problem),
                },
                effect @ (Effect::OpenLog { .. }
                | Effect::ReadLog { .. }
                | Effect::StopLogRead
                | Effect::SaveLog { .. }
                | Effect::RememberLog { .. }) => logs.carry_out(effect, &reply).await,
                Effect::Explain { seq, subject } => {
                    let result = bounded(READ, "the evidence", ops.explain(subject)).await.map(Box::new);
                    reply.answer(Answer::Explained { seq, result });
                }
                Effect::Timeline { seq, subject, alerts } => {
                    let read = ops.timeline(subject, None, EVENTS, &alerts);
                    let result = bounded(READ, "what happened", read).await;
                    reply.answer(Answer::Happened { seq, result });
                }
                Effect::AlertCommand(ring) => reply.answer(Answer::CommandEnded(ops.call_command(&ring).await)),
                Effect::RememberAlerts(remembrance) => {
                    if let Some(path) = attention {
                        let saved =
                            tokio::task::spawn_blocking(move || super::memory::save_attention(&path, &remembrance));
                        if let Ok(Err(problem)) = saved.await {
                            failed(&reply, "alerts", problem);
                        }
                    }
                }
                Effect::CancelTask(_)
                | Effect::Copy(_)
                | Effect::Call { .. }
                | Effect::Suspend
                | Effect::Lend(_)
                | Effect::SwitchProfile
                | Effect::Quit => {}
            }
        }
        .boxed()
    }
}

/// Waits for `future`, but not for ever.
///
/// # Errors
/// Its own, or that it took too long.
pub(super) async fn bounded<T>(
    limit: Duration,
    what: &str,
    future: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| {
        Err(
            Problem::new("timeout", format!("{what}: no answer within {} s", limit.as_secs()))
                .hint("try again; `vigie doctor` tells what doesn't answer"),
        )
    })
}

pub(super) fn failed(reply: &Reply, what: &str, problem: Problem) {
    reply.answer(Answer::Failed {
        what: SafeText::new(what),
        problem,
    });
}

fn tell(reply: &Reply, what: &str, result: Result<Answer, Problem>) {
    match result {
        Ok(answer) => reply.answer(answer),
        Err(problem) => failed(reply, what, problem),
    }
}

async fn history(ops: &Ops, server: ServerId) -> Result<Answer, Problem> {
    let since = Timestamp::now() - SignedDuration::from_hours(24);
    let read = ops.health_history(server, Some(since), HISTORY);
    let mut checks = bounded(READ, "the health history", read).await?;
    checks.reverse();
    let points = checks
        .into_iter()
        .map(|check| HistoryPoint {
            at: check.report.at,
            latency_ms: check.report.failure.is_none().then_some(check.report.latency_ms),
            status: check.status,
            reason: check.reason,
        })
        .collect();
    Ok(Answer::History { server, points })
}

async fn instance(ops: &Ops, id: InstanceId) -> Result<Answer, Problem> {
    let read = async { ops.registry().instance(id).await.map_err(|e| e.problem()) };
    let instance = bounded(READ, "the instance", read).await?;
    Ok(Answer::Instance(Box::new(instance)))
}

async fn log_before(ops: &Ops, job: JobId, before: i64, limit: usize) -> Result<Answer, Problem> {
    // Lines are numbered from 1 without gaps.
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = before.saturating_sub(1).saturating_sub(wanted).max(0);
    let count = usize::try_from(before.saturating_sub(1) - after).unwrap_or(0);
    let read = async {
        let lines = ops.job_log(job, after, count).await?;
        Ok((lines, ops.job_log_end(job).await?))
    };
    let (lines, end) = bounded(READ, "the log", read).await?;
    Ok(Answer::LogLines { job, lines, end })
}

/// The registry as the dashboard holds it.
pub fn fleet(read: ops::Fleet) -> Fleet {
    Fleet {
        instances: read.instances.iter().map(InstanceRow::from).collect(),
        indexed: None,
        same_catalog: false,
        servers: read.servers,
        templates: read.templates,
        plans: read.plans,
        customers: read.customers,
        jobs: read.jobs,
        workers: read.workers.iter().filter(|worker| worker.alive).count(),
        rights: read.rights,
        read_at: Some(read.at),
        partly: read.partly,
    }
}

/// A secret of a form as it is stored: `kept` where the form leaves it as it is.
///
/// # Errors
/// When it can't be sealed.
pub(super) async fn secret(
    ops: &Ops,
    field: SecretField,
    kept: Option<crate::domain::SecretRef>,
) -> Result<Option<crate::domain::SecretRef>, Problem> {
    match field {
        SecretField::Keep => Ok(kept),
        SecretField::Reference(reference) => Ok(Some(reference)),
        SecretField::Typed(typed) => {
            let value = crate::domain::Secret::new(typed.secret().expose().to_owned());
            ops.seal(value).await.map(Some)
        }
        SecretField::Clear => Ok(None),
    }
}

/// What a form asks, in the words of the operations.
async fn request(ops: &Ops, draft: &InstanceDraft, seal: bool) -> Result<ops::InstanceRequest, Problem> {
    let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let admin_password = match &draft.admin_password {
        // A plan is made at every key: nothing is sealed for it.
        SecretField::Typed(_) if !seal => None,
        field => secret(ops, field.clone(), None).await?,
    };
    Ok(ops::InstanceRequest {
        name: draft.name.as_str().to_owned(),
        templates: draft.template.into_iter().collect(),
        server: draft.server,
        subdomain: draft.subdomain.as_ref().map(ToString::to_string),
        database: draft.database.as_ref().map(ToString::to_string),
        customer: some(draft.customer.as_str()),
        plan: draft.plan,
        url: None,
        admin_login: some(&draft.admin_login),
        admin_password,
    })
}

async fn preview(ops: &Ops, draft: InstanceDraft) -> Result<PlanPreview, Problem> {
    let request = request(ops, &draft, false).await?;
    let plan = bounded(PLAN, "the plan", ops.preview_instance(request)).await?;
    let (notes, warnings) = (plan.job.notes, plan.job.warnings);
    Ok(PlanPreview {
        draft: InstanceDraft {
            name: plan.spec.name,
            subdomain: Some(plan.spec.subdomain),
            database: Some(plan.spec.database_name),
            template: plan.spec.template_id,
            server: Some(plan.spec.server_id),
            plan: plan.spec.plan_id,
            customer: plan.customer.unwrap_or_default(),
            admin_login: plan.spec.admin_login,
            admin_password: draft.admin_password,
        },
        steps: plan.job.new_job.steps,
        url: SafeText::new(&plan.spec.url),
        passed_over: plan
            .passed_over
            .iter()
            .map(|over| (over.id, SafeText::new(&over.why.to_string())))
            .collect(),
        notes,
        warnings,
        expected: Expected {
            server: Some((plan.server.id, plan.server.version)),
            template: Some((plan.template.id, plan.template.version)),
        },
    })
}

/// Makes the plan once more and queues it, if it is still the one that was shown.
///
/// # Errors
/// When its world has changed, or it is refused.
pub(super) async fn create_instance(ops: &Ops, draft: InstanceDraft, expected: Expected) -> Result<Ended, Problem> {
    let request = request(ops, &draft, true).await?;
    let plan = bounded(PLAN, "the plan", ops.plan_instance(request)).await?;
    let now = Expected {
        server: Some((plan.server.id, plan.server.version)),
        template: Some((plan.template.id, plan.template.version)),
    };
    if let Some(difference) = difference(&expected, &now, &plan) {
        return Err(
            Problem::new("stale_plan", format!("the plan is out of date: {difference}"))
                .hint("look at the new plan, and confirm it if it is still right"),
        );
    }
    let name = plan.spec.name.clone();
    let job = bounded(READ, "queueing the job", ops.create_instance(plan)).await?;
    Ok(Ended {
        text: SafeText::new(&format!("{name} is being created: job {}", job.id)),
        job: Some(job.id),
        ..Ended::default()
    })
}

fn difference(shown: &Expected, now: &Expected, plan: &ops::InstancePlan) -> Option<String> {
    let changed = |what: &str, code: &str, shown: Option<(i64, i64)>, now: Option<(i64, i64)>| match (shown, now) {
        (Some((was, _)), Some((is, _))) if was != is => Some(format!("it would now use the {what} {code}")),
        (Some((_, was)), Some((_, is))) if was != is => Some(format!("the {what} {code} was changed meanwhile")),
        _ => None,
    };
    let server = changed(
        "server",
        plan.server.spec.code.as_str(),
        shown.server.map(|(id, version)| (id.0, version)),
        now.server.map(|(id, version)| (id.0, version)),
    );
    server.or_else(|| {
        changed(
            "template",
            plan.template.spec.code.as_str(),
            shown.template.map(|(id, version)| (id.0, version)),
            now.template.map(|(id, version)| (id.0, version)),
        )
    })
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
