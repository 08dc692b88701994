//! Why something is not healthy, and what happened to it: the facts gathered for the rules.

use super::{Answer, Ops, shown};
use crate::domain::alert::Record;
use crate::domain::audit::AuditFilter;
use crate::domain::explain::{self, Explanation, Facts, Seen, Subject, WorkerSeen};
use crate::domain::job::{Job, JobState, LogLevel, LogLine};
use crate::domain::timeline::{self, Event, Sources};
use crate::domain::{JobId, Problem, ServerId};
use crate::registry::{HealthCheck, JobFilter};
use jiff::{SignedDuration, Timestamp};

/// Checks that are looked through.
const CHECKS: usize = 5_000;
/// How far back checks are looked through, hours.
const CHECKS_HOURS: i64 = 7 * 24;
/// Jobs of a server that are looked through.
const JOBS: usize = 100;
/// Lines at the end of a job's log that are looked through.
const LINES: i64 = 2_000;
/// Lines of it that are handed on.
const TELLING: usize = 50;
/// Refused attempts that are told.
const REFUSED: usize = 5;
/// Rows of the audit that a history holds at most.
const ROWS: usize = 2_000;

impl From<HealthCheck> for Seen {
    fn from(check: HealthCheck) -> Self {
        Self {
            report: check.report,
            status: check.status,
            reason: check.reason,
        }
    }
}

impl Ops {
    /// Why something is not healthy, from evidence. Nothing is looked at but the registry.
    ///
    /// # Errors
    /// When it is gone, or the registry can't be read.
    pub async fn explain(&self, subject: Subject) -> Answer<Explanation> {
        let facts = self.facts(subject).await?;
        explain::explain(subject, &facts)
            .ok_or_else(|| Problem::new("not_found", format!("there is no {} any more", subject.object())))
    }

    /// What happened to something, the newest first: not older than `since`, at most `limit` events.
    /// `alerts`: what this operator's dashboard noted of alerts.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn timeline(
        &self,
        subject: Subject,
        since: Option<Timestamp>,
        limit: usize,
        alerts: &[Record],
    ) -> Answer<Vec<Event>> {
        let filter = AuditFilter {
            since,
            object: Some(subject.object()),
            limit: limit.min(ROWS),
            ..AuditFilter::default()
        };
        let checks = match subject {
            Subject::Server(id) => self.seen(id, since).await?,
            _ => Vec::new(),
        };
        let sources = Sources {
            audit: self.registry.audit(&filter).await.map_err(shown)?,
            checks,
            jobs: self.jobs_of(subject, ROWS.min(limit)).await?,
            alerts: alerts
                .iter()
                .filter(|record| record.subject == Some(subject))
                .cloned()
                .collect(),
        };
        Ok(timeline::timeline(subject, &sources, since, limit))
    }

    /// The server that something is on.
    async fn server_of(&self, subject: Subject) -> Answer<ServerId> {
        Ok(match subject {
            Subject::Server(id) => id,
            Subject::Template(id) => self.registry.template(id).await.map_err(shown)?.spec.server_id,
            Subject::Instance(id) => self.registry.instance(id).await.map_err(shown)?.spec.server_id,
            Subject::Job(id) => self.registry.job(id).await.map_err(shown)?.spec.server_id(),
        })
    }

    async fn seen(&self, server: ServerId, since: Option<Timestamp>) -> Answer<Vec<Seen>> {
        let checks = self
            .registry
            .health_history(server, since, CHECKS)
            .await
            .map_err(shown)?;
        Ok(checks.into_iter().map(Seen::from).collect())
    }

    async fn jobs_of(&self, subject: Subject, limit: usize) -> Answer<Vec<Job>> {
        let mut filter = JobFilter {
            limit,
            ..JobFilter::default()
        };
        match subject {
            Subject::Server(id) => filter.server = Some(id),
            Subject::Template(id) => filter.template = Some(id),
            Subject::Instance(id) => filter.instance = Some(id),
            Subject::Job(id) => return Ok(vec![self.registry.job(id).await.map_err(shown)?]),
        }
        self.registry.jobs(&filter).await.map_err(shown)
    }

    async fn facts(&self, subject: Subject) -> Answer<Facts> {
        let server = self.server_of(subject).await?;
        let now = Timestamp::now();
        let since = now.checked_sub(SignedDuration::from_hours(CHECKS_HOURS)).ok();
        let mut checks = self.seen(server, since).await?;
        if checks.is_empty() {
            // Older than that is better than nothing: its age is said.
            let last = self.registry.health_history(server, None, 1).await.map_err(shown)?;
            checks.extend(last.into_iter().map(Seen::from));
        }
        let mut jobs = self.jobs_of(Subject::Server(server), JOBS).await?;
        if !matches!(subject, Subject::Server(_)) {
            for job in self.jobs_of(subject, JOBS).await? {
                if !jobs.iter().any(|known| known.id == job.id) {
                    jobs.push(job);
                }
            }
            jobs.sort_by_key(|job| std::cmp::Reverse(job.id));
        }
        let log = self.telling_lines(subject, &jobs).await?;
        let workers = self.registry.workers().await.map_err(shown)?;
        let refused = AuditFilter {
            since: now.checked_sub(SignedDuration::from_hours(24)).ok(),
            object: Some(subject.object()),
            refused: true,
            limit: REFUSED,
            ..AuditFilter::default()
        };
        Ok(Facts {
            now,
            refused: self.registry.audit(&refused).await.map_err(shown)?,
            servers: self.registry.servers().await.map_err(shown)?,
            templates: self.registry.templates().await.map_err(shown)?,
            plans: self.registry.plans().await.map_err(shown)?,
            instances: self.registry.instances(Some(server)).await.map_err(shown)?,
            jobs,
            checks,
            log,
            workers: workers
                .into_iter()
                .map(|worker| WorkerSeen {
                    id: worker.id,
                    seen_at: worker.seen_at,
                    alive: worker.alive,
                })
                .collect(),
            rules: self.settings().health_rules(),
            thresholds: self.settings().thresholds(),
            stale_after: self.settings().checks.stale_after.0,
        })
    }

    /// Warnings and errors at the end of the log of the job that matters.
    async fn telling_lines(&self, subject: Subject, jobs: &[Job]) -> Answer<Vec<(JobId, LogLine)>> {
        let own = |job: &&Job| match subject {
            Subject::Job(id) => job.id == id,
            Subject::Instance(id) => job.spec.instance_id() == Some(id),
            Subject::Template(id) => job.spec.instance_id().is_none() && job.spec.template_id() == Some(id),
            Subject::Server(_) => false,
        };
        let Some(job) = jobs.iter().find(own).filter(|job| job.state != JobState::Done) else {
            return Ok(Vec::new());
        };
        let end = self.registry.log_end(job.id).await.map_err(shown)?;
        let after = (end - LINES).max(0);
        let count = usize::try_from(LINES).unwrap_or(0);
        let lines = self.registry.log(job.id, after, count).await.map_err(shown)?;
        let mut telling: Vec<(JobId, LogLine)> = lines
            .into_iter()
            .filter(|line| matches!(line.level, LogLevel::Warning | LogLevel::Error))
            .map(|line| (job.id, line))
            .collect();
        let over = telling.len().saturating_sub(TELLING);
        telling.drain(..over);
        Ok(telling)
    }
}
