//! The store of servers, templates, plans, customers, instances, jobs, their logs, health checks and
//! the audit, behind one trait: nothing above it may know which store it talks to.
//!
//! Every mutation carries an [`Op`] whose id makes a retried commit recognisable, and writes its
//! audit row in the same transaction; refused attempts are audited too. Constraints live in the
//! store as well and come back as the same typed [`RegistryError`]s.

pub mod anchors;
mod dedicated;
mod error;
pub mod identity;
pub mod postgres;
mod secret_uses;
pub mod sqlite;
pub mod transfer;
mod values;

pub use error::RegistryError;
pub use secret_uses::{Resealed, SecretUse};

use crate::domain::audit::{Actor, Anchor, AuditEntry, AuditFilter, Verdict};
use crate::domain::capacity::Thresholds;
use crate::domain::check::CheckReport;
use crate::domain::dedicated::DedicatedFacts;
use crate::domain::health::{HealthRules, HealthStatus};
use crate::domain::instance::{Customer, Instance, InstanceSpec, InstanceState, Plan};
use crate::domain::job::{Job, JobSpec, JobState, LogLevel, LogLine, PlannedStep, StepState, Stream};
use crate::domain::rights::Rights;
use crate::domain::server::{Server, ServerEvent, ServerSpec};
use crate::domain::template::{Template, TemplateFacts, TemplateSpec, TemplateState};
use crate::domain::{Code, CustomerId, InstanceId, JobId, Problem, SafeText, ServerId, TemplateId};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The answer of every call.
pub type Result<T> = std::result::Result<T, RegistryError>;

/// One operation: who, when, and an id that a retry repeats, so that it is applied once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// Unique; a UUID.
    pub id: String,
    /// When it was asked.
    pub at: Timestamp,
    /// Who asked.
    pub actor: Actor,
    /// Why, where the operator said so: the audit keeps it.
    pub reason: Option<String>,
}

/// A kept check.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthCheck {
    /// Its report.
    pub report: CheckReport,
    /// What the server's health became by it.
    pub status: HealthStatus,
    /// Why.
    pub reason: SafeText,
}

/// What a job keeps others from using, for as long as it isn't over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The thing: `template:3`, `database:1:client_abc`, `instance:9`.
    pub key: String,
    /// As an operator reads it: `template restaurant`.
    pub label: String,
    /// Whether nobody else may hold it; shared ones may be many.
    pub exclusive: bool,
}

/// A consequence of a job in the registry, carried out in the transaction that queues it, records a
/// step or ends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Consequence {
    /// The instance becomes this.
    InstanceState(InstanceId, InstanceState),
    /// What a job found out about the instance's database.
    InstanceFacts {
        /// Which.
        id: InstanceId,
        /// Its database's object id.
        database_oid: Option<u32>,
        /// Its `database.uuid`.
        database_uuid: Option<String>,
        /// Its size, bytes.
        size_bytes: Option<u64>,
    },
    /// What a job found out about a dedicated instance; what is `None` stays as it was.
    DedicatedFacts(InstanceId, DedicatedFacts),
    /// The instance's row goes.
    InstanceRemoved(InstanceId),
    /// The template becomes this.
    TemplateState(TemplateId, TemplateState),
    /// What a job found out about the template's database.
    TemplateFacts(TemplateId, TemplateFacts),
}

/// What the plan was made on; the job is refused when it is otherwise when it is queued.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    /// The server's version.
    pub server: Option<(ServerId, i64)>,
    /// The template's version.
    pub template: Option<(TemplateId, i64)>,
    /// The instance's version.
    pub instance: Option<(InstanceId, i64)>,
}

/// A job to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// As an operator reads it.
    pub title: SafeText,
    /// What it is asked. For [`NewJob::instance`] the id in it is replaced by the new row's.
    pub spec: JobSpec,
    /// Its steps.
    pub steps: Vec<PlannedStep>,
    /// What it needs alone or shared.
    pub reservations: Vec<Reservation>,
    /// The instance to write down with it, which takes a place on its server; refused when none is
    /// free or less than the thresholds' provisioning share is, the server isn't active, the
    /// template isn't ready or is on another server, or a name is taken.
    pub instance: Option<InstanceSpec>,
    /// What follows from queueing it.
    pub consequences: Vec<Consequence>,
    /// What the plan was made on.
    pub expected: Expected,
    /// The shares that decide about a place.
    pub thresholds: Thresholds,
}

/// On what terms a worker takes jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimTerms {
    /// How long the lease is.
    pub lease: Duration,
    /// A job is taken only while fewer than so many run on its server, over all workers: those under
    /// a lease that is in force. 0: no limit.
    pub per_server: usize,
    /// The ids of keys that this worker was found to lack: a job that waits for one of them is left
    /// to a worker that has it.
    pub lacks_keys: Vec<String>,
}

impl ClaimTerms {
    /// A lease so long, without limits.
    pub fn lease(lease: Duration) -> Self {
        Self {
            lease,
            per_server: 0,
            lacks_keys: Vec::new(),
        }
    }
}

/// A worker's claim on a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The job, as it is now.
    pub job: Job,
    /// The fencing token that every write about it carries.
    pub token: i64,
}

/// What a step's record becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct StepChange {
    /// Which step.
    pub index: usize,
    /// What it becomes.
    pub state: StepState,
    /// The ids of what it touches, replaced when given.
    pub data: Option<serde_json::Value>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// What follows, in the same transaction.
    pub consequences: Vec<Consequence>,
    /// The job becomes this with it (running, undoing); the job's own problem is `problem` when the
    /// step failed forward.
    pub job_state: JobState,
}

/// A log line to be written; the registry numbers it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLine {
    /// When it was written.
    pub at: Timestamp,
    /// See [`LogLine::step`].
    pub step: Option<usize>,
    /// See [`LogLine::stream`].
    pub stream: Stream,
    /// See [`LogLine::level`].
    pub level: LogLevel,
    /// See [`LogLine::text`].
    pub text: SafeText,
    /// See [`LogLine::took_ms`].
    pub took_ms: Option<u64>,
    /// See [`LogLine::progress`].
    pub progress: Option<(u64, u64)>,
}

/// A worker process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Unique: host, process id and the process's start time.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// Whether it is alive, as far as the store can tell.
    pub alive: bool,
}

/// Which jobs are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// Only these states; all where empty.
    pub states: Vec<JobState>,
    /// Only this instance's.
    pub instance: Option<InstanceId>,
    /// Only this server's.
    pub server: Option<ServerId>,
    /// Only this template's.
    pub template: Option<TemplateId>,
    /// At most so many, the newest first; 0: 200.
    pub limit: usize,
}

/// What changed, as told to whoever follows: the reader fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// A server was added, changed, checked or removed.
    Server(ServerId),
    /// A template was.
    Template(TemplateId),
    /// An instance was.
    Instance(InstanceId),
    /// A plan or customer was.
    Catalog,
    /// A job or one of its steps changed state.
    Job(JobId),
    /// A job's log has new lines.
    JobLog(JobId),
    /// A worker came or went.
    Worker,
    /// Changes may have been missed: read everything again.
    Everything,
}

/// The changes of the registry from the call on, in their order, duplicates merged.
pub type ChangeStream = tokio::sync::mpsc::Receiver<Vec<Change>>;

/// Whether the store answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// It did last.
    Connected,
    /// The connection to it is lost; it is tried again, with pauses, until it is back.
    Lost {
        /// Since when.
        since: Timestamp,
        /// Why, without secrets.
        why: String,
    },
}

/// A time as every store keeps it: cut to microseconds, so that a copy from one to another loses nothing.
pub fn stored_time(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// The store. Cheap to share: `Arc<dyn Registry>`.
#[async_trait]
pub trait Registry: Send + Sync {
    /// All servers, by code.
    async fn servers(&self) -> Result<Vec<Server>>;
    /// One.
    async fn server(&self, id: ServerId) -> Result<Server>;
    /// One, by its code.
    async fn server_by_code(&self, code: &Code) -> Result<Server>;
    /// Adds a server in draft. Code and URL must be free.
    async fn add_server(&self, op: &Op, spec: &ServerSpec) -> Result<Server>;
    /// Replaces what is written down about a server, if it still has this version.
    async fn edit_server(&self, op: &Op, id: ServerId, version: i64, spec: &ServerSpec) -> Result<Server>;
    /// Applies a life-cycle event to the server as it is in the transaction (its instances counted
    /// there). `None` when it was removed.
    async fn transition_server(
        &self,
        op: &Op,
        id: ServerId,
        version: i64,
        event: &ServerEvent,
    ) -> Result<Option<Server>>;
    /// Keeps a check and what follows from it. Never touches the intent.
    async fn record_check(&self, id: ServerId, report: &CheckReport, rules: &HealthRules) -> Result<Server>;
    /// A server's kept checks, the newest first.
    async fn health_history(&self, id: ServerId, since: Option<Timestamp>, limit: usize) -> Result<Vec<HealthCheck>>;
    /// Claims the checks due by `now` (`None`: by the store's own clock), at most `limit`: servers in active or maintenance
    /// intent last checked (or claimed) before `now - interval`, spread by a hash of their id so that
    /// not all fall due in the same second. A claimed one is not handed out again for `interval`.
    async fn claim_due_checks(&self, now: Option<Timestamp>, interval: Duration, limit: usize)
    -> Result<Vec<ServerId>>;

    /// All templates, by code.
    async fn templates(&self) -> Result<Vec<Template>>;
    /// One.
    async fn template(&self, id: TemplateId) -> Result<Template>;
    /// One, by its code.
    async fn template_by_code(&self, code: &Code) -> Result<Template>;
    /// Adds a template in draft. Its code must be free, its server there, its database no other
    /// template's or instance's on that server.
    async fn add_template(&self, op: &Op, spec: &TemplateSpec) -> Result<Template>;
    /// Removes a template's record; refused while instances made from it are there, or a job uses it.
    async fn remove_template(&self, op: &Op, id: TemplateId, version: i64) -> Result<()>;

    /// All plans, by code.
    async fn plans(&self) -> Result<Vec<Plan>>;
    /// Adds a plan. Its code must be free. The plan's id is ignored.
    async fn add_plan(&self, op: &Op, plan: &Plan) -> Result<Plan>;
    /// All customers, by name.
    async fn customers(&self) -> Result<Vec<Customer>>;
    /// The customer of this name, added where there is none.
    async fn customer_named(&self, op: &Op, name: &SafeText) -> Result<CustomerId>;

    /// All instances, or one server's, by name.
    async fn instances(&self, server: Option<ServerId>) -> Result<Vec<Instance>>;
    /// The next instances of all servers after this id, by id, at most `limit`: all of them, part by part, where a
    /// hundred thousand at once would take more memory than what is kept of them.
    async fn instances_after(&self, after: InstanceId, limit: usize) -> Result<Vec<Instance>>;
    /// One.
    async fn instance(&self, id: InstanceId) -> Result<Instance>;
    /// Those with this subdomain, database or (exact) name; failed ones included.
    async fn instances_called(&self, word: &str) -> Result<Vec<Instance>>;
    /// Removes the row of a failed instance or a draft; refused for others, whose databases a job removes.
    async fn forget_instance(&self, op: &Op, id: InstanceId) -> Result<()>;

    /// Queues a job with all that goes with it, or refuses it whole.
    async fn queue_job(&self, op: &Op, job: &NewJob) -> Result<Job>;
    /// Jobs, the newest first, without their steps' data trimmed.
    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>>;
    /// One.
    async fn job(&self, id: JobId) -> Result<Job>;
    /// Asks a job to stop and undo. A queued one is cancelled at once. Refused when it is over.
    async fn cancel_job(&self, op: &Op, id: JobId) -> Result<Job>;
    /// Runs a failed, cancelled or stuck job again, under the same conditions as queueing it: a failed
    /// or cancelled one from its first step, a stuck one where it stuck (undo steps that failed are
    /// undone again; past a pivot the failed step is run again).
    async fn retry_job(&self, op: &Op, id: JobId, thresholds: &Thresholds) -> Result<Job>;
    /// Claims a job that waits, or whose lease ran out or whose worker is dead. Of those that the
    /// terms allow: one that was begun before one that wasn't, then one of the server on which the
    /// fewest run, then the oldest. What the job waited for is forgotten.
    async fn claim_job(&self, worker: &str, terms: &ClaimTerms) -> Result<Option<Claim>>;
    /// Renews a lease; the answer is whether a cancel was asked.
    async fn renew_lease(&self, job: JobId, token: i64, lease: Duration) -> Result<bool>;
    /// Hands a job back unfinished, for another worker to go on with; one of which no step was begun
    /// is queued again. `waits_for_key`: the id of the key that this worker lacked, see
    /// [`Job::waits_for_key`] and [`ClaimTerms::lacks_keys`].
    async fn release_job(&self, job: JobId, token: i64, waits_for_key: Option<&str>) -> Result<()>;
    /// Records a step. Refused under a stale token.
    async fn record_step(&self, job: JobId, token: i64, change: &StepChange) -> Result<Job>;
    /// Ends a job: its reservations go, consequences follow. Refused under a stale token.
    async fn finish_job(
        &self,
        job: JobId,
        token: i64,
        state: JobState,
        result: Option<serde_json::Value>,
        problem: Option<Problem>,
        consequences: &[Consequence],
    ) -> Result<Job>;
    /// Writes log lines, numbering them; the answer is the last number. Not fenced: a late line of a
    /// lost worker is evidence, not an effect.
    async fn append_log(&self, job: JobId, lines: &[NewLine]) -> Result<i64>;
    /// A job's lines after `after`, at most `limit`, in order.
    async fn log(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<LogLine>>;
    /// The number of a job's last line; 0 where there is none.
    async fn log_end(&self, job: JobId) -> Result<i64>;

    /// Makes a worker known, or known to be alive still.
    async fn worker_alive(&self, id: &str) -> Result<()>;
    /// A worker ended well.
    async fn worker_gone(&self, id: &str) -> Result<()>;
    /// All known workers.
    async fn workers(&self) -> Result<Vec<Worker>>;

    /// Every place where a secret is used: references, and what is sealed.
    async fn secret_uses(&self) -> Result<Vec<SecretUse>>;
    /// Replaces sealed values, all of them in one transaction; the answer is how many. Refused whole when
    /// anything sealed came, went or changed since [`Registry::secret_uses`] was read. Rows get a new
    /// version: who read the old value can't write it back.
    async fn reseal(&self, op: &Op, values: &[Resealed]) -> Result<usize>;

    /// Audit rows that pass the filter, the newest first.
    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>>;
    /// The newest audit row, to be written down elsewhere; its time is the row's. `None` before the first.
    async fn audit_head(&self) -> Result<Option<Anchor>>;
    /// Reads the whole audit and says where its chain breaks first, also against these anchors.
    async fn verify_audit(&self, anchors: &[Anchor]) -> Result<Verdict>;
    /// Writes down an attempt that was refused above the registry.
    async fn audit_refused(&self, op: &Op, action: &str, object: &str, label: &str, why: &str) -> Result<()>;
    /// Writes down what is done beside the registry: a shell that is opened, a command that runs.
    async fn audit_noted(
        &self,
        op: &Op,
        action: &str,
        object: &str,
        label: &str,
        what: serde_json::Value,
    ) -> Result<()>;
    /// Deletes history older than this, in small batches; the answer is how many rows went. Audit
    /// rows stay.
    async fn prune(&self, checks_before: Timestamp, logs_before: Timestamp) -> Result<u64>;
    /// Changes from now on, by anyone. A receiver that falls behind gets [`Change::Everything`].
    async fn changes(&self) -> Result<ChangeStream>;
    /// Whether the store answers, now and from now on. While it doesn't, no call waits longer than its
    /// own deadline.
    fn link(&self) -> tokio::sync::watch::Receiver<LinkState>;
    /// What the one who is connected may do, as the store itself says. A store without roles allows
    /// everything: the permissions of its file are the boundary there.
    async fn rights(&self) -> Result<Rights> {
        Ok(Rights::everything())
    }
    /// Where the store is, for people: a path, or an address without secrets.
    fn place(&self) -> String;
}
