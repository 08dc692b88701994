//! The history of one thing: what was done to it, what checks saw change, its jobs and its alerts,
//! merged by time, the newest first.

use super::alert::Record;
use super::audit::AuditEntry;
use super::check::Warning;
use super::explain::{Link, Seen, Severity, Subject};
use super::health::HealthStatus;
use super::job::{Job, JobState, StepState};
use super::text::SafeText;
use jiff::Timestamp;
use serde::Serialize;

#[cfg(test)]
mod tests;

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Someone did something, or was refused.
    Audit,
    /// A check saw something change.
    Check,
    /// A job, or one of its steps.
    Job,
    /// An alert of this operator's.
    Alert,
}

impl Source {
    /// The word, as printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Check => "check",
            Self::Job => "job",
            Self::Alert => "alert",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Where it comes from.
    pub source: Source,
    /// How much it matters.
    pub severity: Severity,
    /// What, in one line.
    pub text: SafeText,
    /// Who, where someone did it.
    pub who: Option<SafeText>,
    /// Where it can be looked at.
    pub link: Option<Link>,
}

/// What a history is made from; each in any order.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Rows of the audit about it.
    pub audit: Vec<AuditEntry>,
    /// Checks of it.
    pub checks: Vec<Seen>,
    /// Jobs that worked on it.
    pub jobs: Vec<Job>,
    /// Alerts about it, and what was done with them.
    pub alerts: Vec<Record>,
}

/// The history, not older than `since`, at most `limit` events, the newest first.
pub fn timeline(subject: Subject, sources: &Sources, since: Option<Timestamp>, limit: usize) -> Vec<Event> {
    let mut events: Vec<Event> = sources.audit.iter().map(audited).collect();
    events.extend(checked(&sources.checks));
    for job in &sources.jobs {
        events.extend(worked(job, subject == Subject::Job(job.id)));
    }
    events.extend(sources.alerts.iter().map(alerted));
    events.retain(|event| since.is_none_or(|since| event.at >= since));
    // Stable: of one moment, what was done stands before what followed from it.
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events.truncate(limit);
    events
}

fn audited(row: &AuditEntry) -> Event {
    let change = row.change();
    let text = if change.is_empty() {
        row.action.clone()
    } else {
        format!("{}: {change}", row.action)
    };
    Event {
        at: row.at,
        source: Source::Audit,
        severity: if row.refused.is_some() {
            Severity::Warning
        } else {
            Severity::Note
        },
        text: SafeText::capped(&text, 1_000),
        who: Some(SafeText::new(&row.who())),
        link: Some(Link::Audit { id: row.id }),
    }
}

/// What a check came to, as far as a change of it counts: latencies differ from check to check.
#[derive(PartialEq, Eq)]
struct Outcome<'a> {
    status: HealthStatus,
    failure: Option<&'static str>,
    warnings: Vec<std::mem::Discriminant<Warning>>,
    version: Option<&'a str>,
}

fn outcome(seen: &Seen) -> Outcome<'_> {
    Outcome {
        status: seen.status,
        failure: seen.report.failure.as_ref().map(super::check::Failure::word),
        // Only some checks look at what is open to strangers: such a warning comes and goes with them.
        warnings: seen
            .report
            .warnings
            .iter()
            .filter(|w| w.is_outage())
            .map(std::mem::discriminant)
            .collect(),
        version: None,
    }
}

/// Only the checks by which something changed.
fn checked(checks: &[Seen]) -> Vec<Event> {
    let mut sorted: Vec<&Seen> = checks.iter().collect();
    sorted.sort_by_key(|seen| seen.report.at);
    let mut events = Vec::new();
    let mut before: Option<&Seen> = None;
    let mut same = 0_usize;
    for seen in sorted {
        let Some(last) = before else {
            before = Some(seen);
            same = 1;
            // Of the oldest it isn't known whether anything changed by it; a bad one is told all the same.
            if seen.status != HealthStatus::Healthy {
                events.push(event(seen, format!("{}: {}", seen.status.word(), seen.reason)));
            }
            continue;
        };
        let was = outcome(last);
        let mut is = outcome(seen);
        if seen.report.failure.is_none() && last.report.failure.is_none() && seen.report.version != last.report.version
        {
            is.version = seen.report.version.as_ref().map(SafeText::as_str);
        }
        if was == is {
            same += 1;
        } else {
            let after = if same == 1 {
                "1 check".to_owned()
            } else {
                format!("{same} checks")
            };
            let text = if was.status != is.status {
                format!(
                    "{} → {} after {after}: {}",
                    was.status.word(),
                    is.status.word(),
                    seen.reason
                )
            } else if let Some(version) = is.version {
                let old = last.report.version.as_ref().map_or("?", SafeText::as_str);
                format!("Odoo {old} → {version}")
            } else {
                format!("still {}, and otherwise: {}", is.status.word(), seen.reason)
            };
            events.push(event(seen, text));
            same = 1;
        }
        before = Some(seen);
    }
    events
}

fn event(seen: &Seen, text: String) -> Event {
    Event {
        at: seen.report.at,
        source: Source::Check,
        severity: match seen.status {
            HealthStatus::Healthy => Severity::Good,
            HealthStatus::Unknown => Severity::Note,
            HealthStatus::Warning => Severity::Warning,
            HealthStatus::Critical => Severity::Bad,
        },
        text: SafeText::capped(&text, 1_000),
        who: None,
        link: None,
    }
}

/// A job's way; of the job itself also its steps.
fn worked(job: &Job, steps: bool) -> Vec<Event> {
    let name = format!("job {} · {}", job.id, job.title);
    let link = Some(Link::Job { id: job.id });
    let at = |at: Timestamp, severity: Severity, text: String, who: Option<SafeText>| Event {
        at,
        source: Source::Job,
        severity,
        text: SafeText::capped(&text, 1_000),
        who,
        link,
    };
    let who = Some(SafeText::new(&job.asked_by));
    let mut events = vec![at(job.created_at, Severity::Note, format!("{name}: asked for"), who)];
    if let Some(started) = job.started_at {
        events.push(at(started, Severity::Note, format!("{name}: begun"), None));
    }
    if let Some(finished) = job.finished_at {
        let why = job
            .problem
            .as_ref()
            .map(|p| format!(": {}", p.message))
            .unwrap_or_default();
        let severity = match job.state {
            JobState::Done => Severity::Good,
            JobState::Failed | JobState::Stuck => Severity::Bad,
            _ => Severity::Warning,
        };
        events.push(at(
            finished,
            severity,
            format!("{name}: {}{why}", job.state.word()),
            None,
        ));
    }
    if steps {
        for step in &job.steps {
            let Some(started) = step.started_at else { continue };
            let why = step
                .problem
                .as_ref()
                .map(|p| format!(": {}", p.message))
                .unwrap_or_default();
            let severity = match step.state {
                StepState::Failed | StepState::UndoFailed => Severity::Bad,
                StepState::Done => Severity::Good,
                _ => Severity::Note,
            };
            let text = format!(
                "step {} {}: {}{why}",
                step.index + 1,
                step.planned.title,
                step.state.word()
            );
            events.push(at(started, severity, text, None));
        }
    }
    events
}

fn alerted(record: &Record) -> Event {
    Event {
        at: record.at,
        source: Source::Alert,
        severity: record.deed.severity(record.kind),
        text: SafeText::capped(
            &format!("{}: {} {}", record.deed.word(), record.kind.title(), record.text),
            1_000,
        ),
        who: record.by.clone(),
        link: None,
    }
}
