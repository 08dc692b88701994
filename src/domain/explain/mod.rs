//! Why something is not healthy: findings, each with its evidence and what to do, the worst first.
//!
//! Rules over facts that were gathered elsewhere. What is said about a server that does not answer
//! follows what its check really saw (see [`super::check::Failure`]): a refused connection and a
//! silent one look alike in a list, and mean opposite things to whoever has to act.

mod instance;
mod job;
mod network;
mod placement;
mod places;
mod server;
#[cfg(test)]
mod tests;

pub use placement::placement;

use super::audit::AuditEntry;
use super::capacity::Thresholds;
use super::check::CheckReport;
use super::health::{HealthRules, HealthStatus};
use super::ids::{InstanceId, JobId, ServerId, TemplateId};
use super::instance::{Instance, Plan};
use super::job::{Job, LogLine};
use super::server::Server;
use super::template::Template;
use super::text::SafeText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What ended badly counts for so long.
const RECENT: Duration = Duration::from_secs(24 * 3600);

/// What can be explained, and has a history of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Subject {
    /// A server.
    Server(ServerId),
    /// A template.
    Template(TemplateId),
    /// An instance.
    Instance(InstanceId),
    /// A job.
    Job(JobId),
}

impl Subject {
    /// As the audit names it: `server:7`.
    pub fn object(self) -> String {
        match self {
            Self::Server(id) => format!("server:{id}"),
            Self::Template(id) => format!("template:{id}"),
            Self::Instance(id) => format!("instance:{id}"),
            Self::Job(id) => format!("job:{id}"),
        }
    }
}

/// Where a piece of evidence can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Link {
    /// A server.
    Server {
        /// Which.
        id: ServerId,
    },
    /// A template.
    Template {
        /// Which.
        id: TemplateId,
    },
    /// An instance.
    Instance {
        /// Which.
        id: InstanceId,
    },
    /// A job.
    Job {
        /// Which.
        id: JobId,
    },
    /// A line of a job's log.
    LogLine {
        /// Whose.
        job: JobId,
        /// Its number within the job.
        seq: i64,
    },
    /// A row of what happened.
    Audit {
        /// Its number.
        id: i64,
    },
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// Not as it should be.
    Warning,
    /// Someone can't be served because of it, or is going to be.
    Bad,
}

impl Severity {
    /// The word, as printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// Something that was seen, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// When it was seen.
    pub at: Option<Timestamp>,
    /// What.
    pub text: SafeText,
    /// Where it can be looked at.
    pub link: Option<Link>,
}

/// One thing that was found, with what shows it and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable word for scripts: `offline`, `full`, `inhabited`, ….
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, in one line.
    pub title: SafeText,
    /// What shows it.
    pub evidence: Vec<Evidence>,
    /// What to do, the likeliest first.
    pub advice: Vec<String>,
}

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What.
    pub subject: Subject,
    /// What it is called.
    pub label: SafeText,
    /// The worst of the findings.
    pub severity: Severity,
    /// All of it in one line.
    pub verdict: SafeText,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
}

/// A check of a server, as it was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What it saw.
    pub report: CheckReport,
    /// What the server's health became by it.
    pub status: HealthStatus,
    /// Why.
    pub reason: SafeText,
}

/// A worker, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSeen {
    /// Its id.
    pub id: String,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// Whether it is alive.
    pub alive: bool,
}

/// What is known. Lists that don't concern the subject may be empty.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The time.
    pub now: Timestamp,
    /// All servers.
    pub servers: Vec<Server>,
    /// All templates.
    pub templates: Vec<Template>,
    /// All plans.
    pub plans: Vec<Plan>,
    /// The subject's server's instances; the subject itself, where it is one.
    pub instances: Vec<Instance>,
    /// Jobs that concern the subject and its server, the newest first.
    pub jobs: Vec<Job>,
    /// The server's kept checks, the newest first.
    pub checks: Vec<Seen>,
    /// Log lines of jobs that tell something: warnings and errors, in their order.
    pub log: Vec<(JobId, LogLine)>,
    /// Attempts on the subject that were refused lately, the newest first.
    pub refused: Vec<AuditEntry>,
    /// All known workers.
    pub workers: Vec<WorkerSeen>,
    /// When a check counts as what.
    pub rules: HealthRules,
    /// Shares of places that decide what is allowed.
    pub thresholds: Thresholds,
    /// A check older than this says nothing of now.
    pub stale_after: Duration,
}

impl Facts {
    fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.iter().find(|server| server.id == id)
    }

    fn template(&self, id: TemplateId) -> Option<&Template> {
        self.templates.iter().find(|template| template.id == id)
    }

    fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.id == id)
    }

    fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    fn workers_alive(&self) -> usize {
        self.workers.iter().filter(|worker| worker.alive).count()
    }
}

/// Explains something. `None` where the facts don't hold it.
pub fn explain(subject: Subject, facts: &Facts) -> Option<Explanation> {
    let (label, verdict, mut findings) = match subject {
        Subject::Server(id) => server::explain(facts.server(id)?, facts),
        Subject::Template(id) => instance::template(facts.template(id)?, facts),
        Subject::Instance(id) => instance::explain(facts.instance(id)?, facts),
        Subject::Job(id) => job::explain(facts.job(id)?, facts),
    };
    findings.extend(refused(facts));
    // The order in which they were found stays among equals: the cause stands before what follows from it.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let severity = findings.first().map_or(Severity::Good, |worst| worst.severity);
    let verdict = match findings.first() {
        Some(worst) if severity >= Severity::Warning => worst.title.to_string(),
        _ => verdict,
    };
    Some(Explanation {
        subject,
        label: SafeText::new(&label),
        severity,
        verdict: SafeText::new(&verdict),
        findings,
    })
}

/// What was tried with it and refused: an operator who asks why often has just read such a refusal.
fn refused(facts: &Facts) -> Option<Finding> {
    let attempts = facts.refused.len();
    if attempts == 0 {
        return None;
    }
    let title = format!("{} refused in the last 24 h", count(attempts, "attempt"));
    let mut finding = Finding::new("refused", Severity::Note, title);
    let said = |words: &str| {
        let mut all = facts.refused.iter().filter_map(|row| row.refused.as_deref());
        all.any(|why| why.contains(words))
    };
    for row in &facts.refused {
        let why = row.refused.as_deref().unwrap_or_default();
        let text = format!("{} by {}: {why}", row.action, row.who());
        finding = finding.seen(Some(row.at), text, Some(Link::Audit { id: row.id }));
    }
    if said("Connection test failed") {
        finding = finding.advise(
            "\"Connection test failed\": test it (t), the report says layer by layer where it ends; check it (r), and this page says which part of the way is at fault: URL, port, TLS, proxy or firewall",
        );
    }
    if said("while it has instances") {
        finding = finding.advise("\"while it has instances\": who lives there is listed on this page");
    }
    if said("No available server") {
        finding = finding.advise("\"No available server found\": vigie placement says why each was passed over");
    }
    Some(finding)
}

impl Finding {
    fn new(code: &'static str, severity: Severity, title: impl AsRef<str>) -> Self {
        Self {
            code,
            severity,
            title: SafeText::new(title.as_ref()),
            evidence: Vec::new(),
            advice: Vec::new(),
        }
    }

    fn seen(mut self, at: Option<Timestamp>, text: impl AsRef<str>, link: Option<Link>) -> Self {
        self.evidence.push(Evidence {
            at,
            text: SafeText::new(text.as_ref()),
            link,
        });
        self
    }

    fn advise(mut self, what: impl Into<String>) -> Self {
        self.advice.push(what.into());
        self
    }

    fn advise_all(mut self, what: impl IntoIterator<Item = String>) -> Self {
        self.advice.extend(what);
        self
    }
}

/// `3 instances`, `1 instance`.
fn count(n: usize, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

/// How long ago, in the largest unit that says enough: `40 s`, `3 min`, `5 h`, `2 d`.
fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(at.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Whether this lies within so long before now.
fn within(at: Timestamp, now: Timestamp, limit: Duration) -> bool {
    let age = now.as_second().saturating_sub(at.as_second());
    u64::try_from(age).unwrap_or(0) <= limit.as_secs()
}
