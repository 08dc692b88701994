//! Durable work: what a job is asked, its steps, its states, its log lines. The engine that runs it
//! lives elsewhere; the rules it follows are in [`super::saga`].

use super::dedicated::{Build, Removal};
use super::ids::{InstanceId, JobId, ServerId, TemplateId};
use super::names::DbName;
use super::problem::Problem;
use super::text::SafeText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a job is asked to do. No secret is ever in here: rows of the registry hold references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobSpec {
    /// Make a template's database through Odoo, install its modules, freeze it.
    TemplateCreate {
        /// Which template.
        template_id: TemplateId,
        /// Its server.
        server_id: ServerId,
    },
    /// Take a database that exists as a template: check and freeze it.
    TemplateAdopt {
        /// Which template.
        template_id: TemplateId,
        /// Its server.
        server_id: ServerId,
    },
    /// Let a template's database be connected to again, to edit it.
    TemplateThaw {
        /// Which template.
        template_id: TemplateId,
        /// Its server.
        server_id: ServerId,
    },
    /// Clone a template for a customer.
    InstanceCreate {
        /// Which instance.
        instance_id: InstanceId,
        /// What it is cloned from.
        template_id: TemplateId,
        /// Where.
        server_id: ServerId,
        /// Its database.
        database: DbName,
    },
    /// Remove an instance with its database and files.
    InstanceDelete {
        /// Which instance.
        instance_id: InstanceId,
        /// Where.
        server_id: ServerId,
        /// Its database.
        database: DbName,
    },
    /// Make a dedicated instance: a customer's own Odoo.
    DedicatedCreate {
        /// Which instance.
        instance_id: InstanceId,
        /// Where.
        server_id: ServerId,
        /// Its database.
        database: DbName,
        /// What is needed besides what it is.
        build: Box<Build>,
    },
    /// Remove a dedicated instance with all that was made for it.
    DedicatedDelete {
        /// Which instance.
        instance_id: InstanceId,
        /// Where.
        server_id: ServerId,
        /// Its database.
        database: DbName,
        /// What is needed besides.
        removal: Box<Removal>,
    },
}

impl JobSpec {
    /// The kind's word, as stored and printed.
    pub fn kind(&self) -> JobKind {
        match self {
            Self::TemplateCreate { .. } => JobKind::TemplateCreate,
            Self::TemplateAdopt { .. } => JobKind::TemplateAdopt,
            Self::TemplateThaw { .. } => JobKind::TemplateThaw,
            Self::InstanceCreate { .. } => JobKind::InstanceCreate,
            Self::InstanceDelete { .. } => JobKind::InstanceDelete,
            Self::DedicatedCreate { .. } => JobKind::DedicatedCreate,
            Self::DedicatedDelete { .. } => JobKind::DedicatedDelete,
        }
    }

    /// The server the job works on.
    pub fn server_id(&self) -> ServerId {
        match self {
            Self::TemplateCreate { server_id, .. }
            | Self::TemplateAdopt { server_id, .. }
            | Self::TemplateThaw { server_id, .. }
            | Self::InstanceCreate { server_id, .. }
            | Self::InstanceDelete { server_id, .. }
            | Self::DedicatedCreate { server_id, .. }
            | Self::DedicatedDelete { server_id, .. } => *server_id,
        }
    }

    /// The instance the job works on, if it does.
    pub fn instance_id(&self) -> Option<InstanceId> {
        match self {
            Self::InstanceCreate { instance_id, .. }
            | Self::InstanceDelete { instance_id, .. }
            | Self::DedicatedCreate { instance_id, .. }
            | Self::DedicatedDelete { instance_id, .. } => Some(*instance_id),
            _ => None,
        }
    }

    /// The template the job works on or clones from.
    pub fn template_id(&self) -> Option<TemplateId> {
        match self {
            Self::TemplateCreate { template_id, .. }
            | Self::TemplateAdopt { template_id, .. }
            | Self::TemplateThaw { template_id, .. }
            | Self::InstanceCreate { template_id, .. } => Some(*template_id),
            Self::InstanceDelete { .. } | Self::DedicatedCreate { .. } | Self::DedicatedDelete { .. } => None,
        }
    }
}

/// The kinds of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// See [`JobSpec::TemplateCreate`].
    TemplateCreate,
    /// See [`JobSpec::TemplateAdopt`].
    TemplateAdopt,
    /// See [`JobSpec::TemplateThaw`].
    TemplateThaw,
    /// See [`JobSpec::InstanceCreate`].
    InstanceCreate,
    /// See [`JobSpec::InstanceDelete`].
    InstanceDelete,
    /// See [`JobSpec::DedicatedCreate`].
    DedicatedCreate,
    /// See [`JobSpec::DedicatedDelete`].
    DedicatedDelete,
}

impl JobKind {
    /// All of them, in the order of their words' importance to an operator.
    pub const ALL: [Self; 7] = [
        Self::InstanceCreate,
        Self::InstanceDelete,
        Self::DedicatedCreate,
        Self::DedicatedDelete,
        Self::TemplateCreate,
        Self::TemplateAdopt,
        Self::TemplateThaw,
    ];

    /// The word, as stored and printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::TemplateCreate => "template_create",
            Self::TemplateAdopt => "template_adopt",
            Self::TemplateThaw => "template_thaw",
            Self::InstanceCreate => "instance_create",
            Self::InstanceDelete => "instance_delete",
            Self::DedicatedCreate => "dedicated_create",
            Self::DedicatedDelete => "dedicated_delete",
        }
    }

    /// As an operator says it: `create instance`.
    pub fn title(self) -> &'static str {
        match self {
            Self::TemplateCreate => "create template",
            Self::TemplateAdopt => "adopt template",
            Self::TemplateThaw => "thaw template",
            Self::InstanceCreate => "create instance",
            Self::InstanceDelete => "delete instance",
            Self::DedicatedCreate => "create dedicated instance",
            Self::DedicatedDelete => "delete dedicated instance",
        }
    }
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for a worker.
    Queued,
    /// A worker runs its steps.
    Running,
    /// A step failed, or it was cancelled: what was done is being undone.
    Undoing,
    /// All steps done.
    Done,
    /// Failed, and undone: nothing is left of it.
    Failed,
    /// Cancelled, and undone: nothing is left of it.
    Cancelled,
    /// An undo failed: the job's problem says exactly what is left, and how to remove it.
    Stuck,
}

impl JobState {
    /// The word, as stored and printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Undoing => "undoing",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Stuck => "stuck",
        }
    }

    /// Whether nothing more happens by itself.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled | Self::Stuck)
    }
}

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Begun: its effect may or may not have happened. After a crash it is settled by observing.
    Intended,
    /// Its effect happened and is recorded.
    Done,
    /// Its effect failed; half of it may have happened.
    Failed,
    /// Its undo has begun.
    Undoing,
    /// Nothing of its effect is left.
    Undone,
    /// Its undo failed.
    UndoFailed,
}

impl StepState {
    /// The word, as stored and printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Intended => "intended",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::UndoFailed => "undo_failed",
        }
    }
}

/// A step as the plan shows it, before anything runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its stable key within the kind, such as `clone_database`.
    pub name: String,
    /// As an operator reads it: `clone database`.
    pub title: String,
    /// On what: `template_restaurant → client_abc`.
    pub detail: SafeText,
    /// Whether there is no way back once it is done.
    pub pivot: bool,
}

/// A step of a job, with its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its place, from 0.
    pub index: usize,
    /// What was planned.
    pub planned: PlannedStep,
    /// Where it is.
    pub state: StepState,
    /// Ids of what it touches, written with its intent and completed with its result. No secrets.
    pub data: serde_json::Value,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub problem: Option<Problem>,
}

/// Who runs a job, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The worker.
    pub worker: String,
    /// Grows with every claim of the job; a write under an older one changes nothing.
    pub token: i64,
}

/// A job of the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it is asked.
    pub spec: JobSpec,
    /// As an operator reads it: `create instance client-abc on prod-1`.
    pub title: SafeText,
    /// Where it is.
    pub state: JobState,
    /// Its steps in order.
    pub steps: Vec<StepRecord>,
    /// Who runs it.
    pub lease: Option<Lease>,
    /// 1 at first, one more with every retry.
    pub attempt: u32,
    /// Whether an operator asked to stop it.
    pub cancel_requested: bool,
    /// The id of the key without which the last worker could not go on; one that has it takes the job.
    #[serde(default)]
    pub waits_for_key: Option<String>,
    /// Who asked for it.
    pub asked_by: String,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When a worker began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// What came of it (URL, login, …): fields for the summary. No secrets.
    pub result: Option<serde_json::Value>,
    /// Why it failed or is stuck; for a stuck one, what is left and how to remove it.
    pub problem: Option<Problem>,
}

impl Job {
    /// Steps done, and all.
    pub fn progress(&self) -> (usize, usize) {
        let done = self.steps.iter().filter(|s| s.state == StepState::Done).count();
        (done, self.steps.len())
    }

    /// What keeps it from going on: `waits for key k1`. None where it is over, or nothing does.
    pub fn waits(&self) -> Option<String> {
        let key = self.waits_for_key.as_ref().filter(|_| !self.state.is_over())?;
        Some(format!("waits for key {key}"))
    }
}

/// Which of a step's outputs a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// The engine: a step began, ended, failed; the summary.
    Engine,
    /// What a step says of itself.
    Step,
    /// Standard output of a command.
    Stdout,
    /// Standard error of a command.
    Stderr,
    /// Progress, `done` of `total` in the text: latest wins on the screen.
    Progress,
}

/// What an engine's or step's line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Plain.
    Info,
    /// A step began.
    Begin,
    /// A step or job ended well.
    Success,
    /// Not as it should be.
    Warning,
    /// Failed.
    Error,
}

/// A line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Numbered from 1 within the job, without gaps.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// Which step, by its place; `None` for the job itself.
    pub step: Option<usize>,
    /// Which output.
    pub stream: Stream,
    /// What it means.
    pub level: LogLevel,
    /// The text; secrets redacted, at most 8 KiB.
    pub text: SafeText,
    /// How long the step took, milliseconds, on the line that ends it.
    pub took_ms: Option<u64>,
    /// Progress as (done, total), in the unit that the text names.
    pub progress: Option<(u64, u64)>,
}

/// The mark on a database that a job makes (its comment in PostgreSQL): who made it, and under which
/// one-time name. Nothing without its own mark is ever dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The job.
    pub job: JobId,
    /// A value nobody else knows, made for this job's database.
    pub nonce: String,
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "vigie job={} nonce={}", self.job, self.nonce)
    }
}
