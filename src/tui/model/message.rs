//! What the dashboard is told.

use super::draft::{Expected, InstanceDraft};
use super::effect::{Target, Ticket};
use super::home::Lend;
use super::instances::Instances;
use super::row::InstanceRow;
use crate::domain::audit::AuditEntry;
use crate::domain::check::CheckReport;
use crate::domain::explain::Explanation;
use crate::domain::health::HealthStatus;
use crate::domain::instance::{Customer, Instance, Plan};
use crate::domain::job::{Job, LogLine, PlannedStep};
use crate::domain::log::{LogStatus, LogTarget, Page};
use crate::domain::rights::Rights;
use crate::domain::server::Server;
use crate::domain::template::Template;
use crate::domain::timeline::Event;
use crate::domain::{InstanceId, JobId, Problem, SafeText, ServerId, TemplateId};
use jiff::Timestamp;
use std::sync::Arc;

/// Everything that can happen to the dashboard.
#[derive(Debug, Clone)]
pub enum Message {
    /// A key, a paste, a new size, focus.
    Input(crossterm::event::Event),
    /// What a task came back with.
    Answer(Answer),
    /// Something the operator should know of that no one asked for.
    Notice(Notice),
    /// The configuration was read again: what holds now, and what of it changed.
    Settings(Box<super::settings::UiSettings>, Vec<String>),
    /// The configuration's last change was not taken: what holds stays, and this is told.
    Kept(super::config::Mistake),
    /// The time that [`super::Model::next_deadline`] named has come.
    Deadline,
    /// A program that the terminal was lent to has ended.
    Lent {
        /// What it is called.
        title: SafeText,
        /// Its exit code, `None` where a signal ended it; or why it could not be started.
        ended: Result<Option<i32>, String>,
    },
    /// Back from suspension or another program: everything has to be drawn, and may be old.
    Resumed,
}

/// What a task came back with.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Everything, in place of what was known.
    Fleet(Box<Fleet>),
    /// What changed since.
    Delta(Box<Delta>),
    /// A server's checks of the last 24 hours, the oldest first.
    History {
        /// Whose.
        server: ServerId,
        /// Them.
        points: Vec<HistoryPoint>,
    },
    /// One instance in full.
    Instance(Box<Instance>),
    /// Lines of a job's log, in order. New ones are added behind, older ones before what is there.
    LogLines {
        /// Whose.
        job: JobId,
        /// Them; may be empty.
        lines: Vec<LogLine>,
        /// The number of the log's last line in the registry.
        end: i64,
    },
    /// Why something is as it is.
    Explained {
        /// The question's number.
        seq: u64,
        /// Why, or why that can't be said.
        result: Result<Box<Explanation>, Problem>,
    },
    /// What happened to something, the newest first.
    Happened {
        /// The question's number.
        seq: u64,
        /// What, or why that can't be said.
        result: Result<Vec<Event>, Problem>,
    },
    /// The operator's command ended.
    CommandEnded(Result<(), Problem>),
    /// Rows of the audit, the newest first.
    Audit {
        /// As asked.
        seq: u64,
        /// Them.
        rows: Vec<AuditEntry>,
    },
    /// A file or a command's output is open, or why not.
    LogOpened {
        /// As asked.
        id: u64,
        /// How it stands.
        result: Result<LogStatus, Problem>,
    },
    /// It has grown, or more of it was counted.
    LogTold {
        /// Of which.
        id: u64,
        /// How it stands.
        status: LogStatus,
    },
    /// Part of it, as it was asked for.
    LogPage {
        /// Of which.
        id: u64,
        /// As asked.
        seq: u64,
        /// The part, or why there is none.
        result: Result<Box<Page>, Problem>,
    },
    /// How far a long look through it has come.
    LogLooked {
        /// Through which.
        id: u64,
        /// As asked.
        seq: u64,
        /// Bytes looked at.
        bytes: u64,
    },
    /// The plan of an instance.
    Plan {
        /// As asked.
        seq: u64,
        /// The plan, or why there is none.
        result: Result<Box<PlanPreview>, Problem>,
    },
    /// Which rows a list shows.
    Found(Box<super::find::Found>),
    /// What in the fleet is called as the palette says.
    Palette {
        /// As asked.
        seq: u64,
        /// The best first.
        lines: Vec<super::palette::Line>,
    },
    /// How a program is started that is lent the terminal.
    Lend(Box<super::home::Lend>),
    /// How far an action has come, where it knows.
    Progress {
        /// Which.
        ticket: Ticket,
        /// So much of it.
        done: u64,
        /// All of it.
        total: u64,
    },
    /// An action ended.
    Ended {
        /// Which.
        ticket: Ticket,
        /// How.
        result: Result<Box<Ended>, Problem>,
    },
    /// A reading task failed: what is shown may be old.
    Failed {
        /// What was read, such as `the history of prod-1`.
        what: SafeText,
        /// Why it failed.
        problem: Problem,
    },
}

/// An action that ended well.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// What was done, in one line: `prod-1 is active`.
    pub text: SafeText,
    /// It was done, and what it found is not as it should be: servers that don't answer.
    pub alarming: bool,
    /// The job that was queued, whose log is then shown.
    pub job: Option<JobId>,
    /// What was added, which is then selected.
    pub created: Option<Target>,
    /// What a test found.
    pub report: Option<Box<CheckReport>>,
    /// What a command wrote, and how it ended.
    pub output: Option<Box<Written>>,
    /// A command that may run, and now does: it was judged.
    pub ready: Option<Box<Cleared>>,
}

/// A command that was judged, and runs where the loop or the log panel sees to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Cleared {
    /// It gets the terminal.
    Terminal(Lend),
    /// The log panel takes what it writes.
    Log(LogTarget),
}

/// What a command of the operator's own wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The command, as it was run.
    pub command: SafeText,
    /// Its exit status; none: a signal ended it.
    pub code: Option<i32>,
    /// Its lines.
    pub lines: Vec<SafeText>,
    /// How many more there were before them.
    pub dropped: usize,
}

/// The whole registry, as far as the dashboard shows it.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    /// All servers.
    pub servers: Vec<Server>,
    /// All instances, where they are not in [`Fleet::indexed`].
    pub instances: Vec<InstanceRow>,
    /// All instances, made ready by who read them.
    pub indexed: Option<Indexed>,
    /// All templates.
    pub templates: Vec<Template>,
    /// All plans.
    pub plans: Vec<Plan>,
    /// All customers.
    pub customers: Vec<Customer>,
    /// Plans and customers are not among it: they are as they were sent a moment ago.
    pub same_catalog: bool,
    /// Those that are not over, and the newest of the others.
    pub jobs: Vec<Job>,
    /// Workers that are alive.
    pub workers: usize,
    /// What the operator may do.
    pub rights: Rights,
    /// When it was read.
    pub read_at: Option<Timestamp>,
    /// The only server whose instances are among it, the others' are still being read; `None`: all are.
    pub partly: Option<ServerId>,
}

/// Instances in the orders in which lists show them.
#[derive(Debug, Clone, Default)]
pub struct Indexed {
    /// All of them.
    pub instances: Arc<Instances>,
    /// Those that are not as they were sent before, by who sends them.
    pub changed: Vec<InstanceRow>,
}

/// What changed in the registry; absent lists mean nothing.
#[derive(Debug, Clone, Default)]
pub struct Delta {
    /// Servers as they are now.
    pub servers: Vec<Server>,
    /// Servers that are gone.
    pub gone_servers: Vec<ServerId>,
    /// Instances as they are now.
    pub instances: Vec<InstanceRow>,
    /// Instances that are gone.
    pub gone_instances: Vec<InstanceId>,
    /// Templates as they are now.
    pub templates: Vec<Template>,
    /// Templates that are gone.
    pub gone_templates: Vec<TemplateId>,
    /// Jobs as they are now.
    pub jobs: Vec<Job>,
    /// Plans and customers, all of them, when one of them changed.
    pub catalog: Option<(Vec<Plan>, Vec<Customer>)>,
    /// Workers that are alive, when that changed.
    pub workers: Option<usize>,
    /// When it was read.
    pub read_at: Option<Timestamp>,
}

/// One check of a server, as its history shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPoint {
    /// When.
    pub at: Timestamp,
    /// The answer's latency, milliseconds; `None` where there was no answer.
    pub latency_ms: Option<u64>,
    /// What the server's health became by it.
    pub status: HealthStatus,
    /// Why.
    pub reason: SafeText,
}

/// What creating an instance would do.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanPreview {
    /// The form's draft with everything derived filled in (server, template, names).
    pub draft: InstanceDraft,
    /// The steps.
    pub steps: Vec<PlannedStep>,
    /// Where it will be found.
    pub url: SafeText,
    /// Servers that placement passed over, and why.
    pub passed_over: Vec<(ServerId, SafeText)>,
    /// Which way it goes, and why.
    pub notes: Vec<SafeText>,
    /// What the operator should know before.
    pub warnings: Vec<SafeText>,
    /// What the plan was made on.
    pub expected: Expected,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Ended well.
    Success,
    /// Not as it should be.
    Warning,
    /// Failed.
    Error,
}

/// Something the operator should know of that no one asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The registry can't be read: everything shown is from before.
    RegistryLost(Problem),
    /// The connection to the registry is lost; it is tried again by itself.
    LinkLost {
        /// Why.
        problem: Problem,
        /// Since when.
        since: Timestamp,
    },
    /// It can be read again; the executor sends a fresh [`Answer::Fleet`] as well.
    RegistryBack,
    /// A line for the bottom of the screen.
    Flash {
        /// How much it matters.
        level: NoticeLevel,
        /// What.
        text: SafeText,
        /// What to do.
        hint: Option<String>,
    },
    /// No worker is alive and none could be started: jobs wait.
    NoWorker(Problem),
    /// The themes that can be chosen; one of them may look otherwise than before.
    Themes(Vec<String>),
    /// The process was asked to end (a signal): leave at once.
    Terminate,
}
