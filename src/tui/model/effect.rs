//! What the dashboard wants done outside: plain data, comparable, without secrets in its `Debug`.

use super::attention::Remembrance;
use super::draft::{Expected, InstanceDraft, ServerDraft, TemplateDraft};
use super::find::Request;
use super::home::{Enter, Lend};
use super::memory::Remember;
use super::palette::PaletteRequest;
use super::tabs::ListId;
use crate::domain::alert::{AlertId, Osc, Record, Ring};
use crate::domain::audit::AuditFilter;
use crate::domain::command::Output;
use crate::domain::explain::Subject;
use crate::domain::guard::Consent;
use crate::domain::log::{Ask, LogTarget, Sieve};
use crate::domain::{CustomerId, InstanceId, JobId, PlanId, SafeText, ServerId, TemplateId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Names one asked action; its end comes back under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What an action works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// All of it.
    Fleet,
    /// A server.
    Server(ServerId),
    /// A template.
    Template(TemplateId),
    /// An instance.
    Instance(InstanceId),
    /// A job.
    Job(JobId),
    /// A plan.
    Plan(PlanId),
    /// A customer.
    Customer(CustomerId),
    /// Something that happened, by its number.
    Audit(i64),
    /// An alert.
    Alert(AlertId),
}

/// What is to be done with a template's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateWork {
    /// Make it through Odoo, and freeze it.
    CreateDatabase,
    /// Take the one that exists, and freeze it.
    Adopt,
    /// Let it be connected to again.
    Thaw,
}

/// Something an operator asked for. Ends in exactly one [`super::Answer::Ended`].
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Look at a server once, layer by layer, keeping nothing: the report comes in the answer.
    Test(ServerId),
    /// Look at a server and keep the result.
    Check(ServerId),
    /// Look at all servers and keep the results.
    CheckAll,
    /// Put a server in service.
    Activate {
        /// Which.
        server: ServerId,
        /// As it was seen.
        version: i64,
    },
    /// Take a server out of service.
    Deactivate {
        /// Which.
        server: ServerId,
        /// As it was seen.
        version: i64,
    },
    /// Keep a server's instances, take no new ones.
    Maintain {
        /// Which.
        server: ServerId,
        /// As it was seen.
        version: i64,
    },
    /// Remove a server from the registry.
    DeleteServer {
        /// Which.
        server: ServerId,
        /// As it was seen.
        version: i64,
    },
    /// Write a server down.
    AddServer(Box<ServerDraft>),
    /// Change what is written down about a server.
    EditServer {
        /// Which.
        server: ServerId,
        /// As it was seen.
        version: i64,
        /// What it becomes.
        draft: Box<ServerDraft>,
    },
    /// Write a template down, and perhaps start on its database.
    AddTemplate(Box<TemplateDraft>),
    /// Queue a job on a template's database.
    TemplateJob {
        /// Which.
        template: TemplateId,
        /// As it was seen.
        version: i64,
        /// What.
        work: TemplateWork,
    },
    /// Remove a template's record.
    DeleteTemplate {
        /// Which.
        template: TemplateId,
        /// As it was seen.
        version: i64,
    },
    /// Queue an instance's creation as its plan showed it.
    CreateInstance {
        /// As the form had it, with everything that the plan derived.
        draft: Box<InstanceDraft>,
        /// What the plan was made on.
        expected: Expected,
    },
    /// Queue an instance's removal with its database and files.
    DeleteInstance {
        /// Which.
        instance: InstanceId,
        /// As it was seen.
        version: i64,
    },
    /// Remove the record of a failed instance, which has no database.
    ForgetInstance {
        /// Which.
        instance: InstanceId,
        /// As it was seen.
        version: i64,
    },
    /// Run a failed, cancelled or stuck job again.
    RetryJob(JobId),
    /// Ask a job to stop and undo.
    CancelJob(JobId),
    /// Run a command of the operator's own.
    Command(Box<CommandRun>),
}

/// A command of the operator's own, ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRun {
    /// What it is called.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// What it is told in its environment.
    pub facts: BTreeMap<&'static str, String>,
    /// What it runs on.
    pub target: Target,
    /// What else, where it runs once on several.
    pub also: Vec<Target>,
    /// How long it may run.
    pub limit: Duration,
    /// Whether it changes something.
    pub changes: bool,
    /// Where what it writes goes.
    pub output: Output,
}

impl Act {
    /// What it works on.
    pub fn target(&self) -> Target {
        match self {
            Self::Test(id) | Self::Check(id) => Target::Server(*id),
            Self::Activate { server, .. }
            | Self::Deactivate { server, .. }
            | Self::Maintain { server, .. }
            | Self::DeleteServer { server, .. }
            | Self::EditServer { server, .. } => Target::Server(*server),
            Self::TemplateJob { template, .. } | Self::DeleteTemplate { template, .. } => Target::Template(*template),
            Self::DeleteInstance { instance, .. } | Self::ForgetInstance { instance, .. } => {
                Target::Instance(*instance)
            }
            Self::RetryJob(job) | Self::CancelJob(job) => Target::Job(*job),
            Self::Command(run) => run.target,
            Self::CheckAll | Self::AddServer(_) | Self::AddTemplate(_) | Self::CreateInstance { .. } => Target::Fleet,
        }
    }

    /// Whether something is gone for good afterwards: only a typed name sends these.
    pub fn is_destructive(&self) -> bool {
        matches!(
            self,
            Self::DeleteServer { .. }
                | Self::DeleteTemplate { .. }
                | Self::DeleteInstance { .. }
                | Self::ForgetInstance { .. }
        )
    }
}

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read everything: ends in [`super::Answer::Fleet`].
    LoadFleet,
    /// Read a server's checks of the last 24 hours: [`super::Answer::History`].
    LoadHistory(ServerId),
    /// Read one instance in full: [`super::Answer::Instance`].
    LoadInstance(InstanceId),
    /// Send a job's last lines, then new ones as they come, until another job is followed:
    /// [`super::Answer::LogLines`].
    FollowLog(JobId),
    /// Send nobody's log any more.
    UnfollowLog,
    /// Send the lines before this number: [`super::Answer::LogLines`].
    LogBefore {
        /// Whose.
        job: JobId,
        /// The first number that is here already.
        before: i64,
        /// At most so many.
        limit: usize,
    },
    /// Read rows of the audit: [`super::Answer::Audit`].
    LoadAudit {
        /// Comes back with the answer; late ones are dropped.
        seq: u64,
        /// Which.
        filter: Box<AuditFilter>,
    },
    /// Open a file or run a command, and tell how it grows until another log is shown:
    /// [`super::Answer::LogOpened`], [`super::Answer::LogTold`].
    OpenLog {
        /// Comes back with what is told of it.
        id: u64,
        /// What.
        target: LogTarget,
    },
    /// Read part of what is open: [`super::Answer::LogPage`].
    ReadLog {
        /// Of which.
        id: u64,
        /// Comes back with the answer; late ones are dropped.
        seq: u64,
        /// What is asked.
        ask: Ask,
        /// What is let through.
        sieve: Sieve,
        /// Nothing before this position.
        floor: u64,
        /// At most so many lines.
        limit: usize,
    },
    /// Stop looking through it.
    StopLogRead,
    /// Write the log, as far as it is let through, into a file.
    SaveLog {
        /// The file or command that is open; `None`: the job's.
        id: Option<u64>,
        /// The job whose log is shown.
        job: Option<JobId>,
        /// What is let through.
        sieve: Sieve,
        /// Nothing before this position.
        floor: u64,
        /// What the file's name begins with.
        name: String,
    },
    /// Keep where a server's log is.
    RememberLog {
        /// The server's code.
        server: String,
        /// The path or command, as it was typed.
        text: String,
    },
    /// Put a text into the clipboard of the operator's terminal.
    Copy(String),
    /// Make the plan of an instance without queueing it: [`super::Answer::Plan`].
    PlanInstance {
        /// Comes back with the answer; late ones are dropped.
        seq: u64,
        /// As far as the form has come.
        draft: Box<InstanceDraft>,
    },
    /// Do what the operator asked: [`super::Answer::Ended`] under this ticket.
    Act {
        /// Its name.
        ticket: Ticket,
        /// What.
        act: Act,
    },
    /// As [`Effect::Act`], with what the operator gave for it.
    ActWith {
        /// Its name.
        ticket: Ticket,
        /// What.
        act: Act,
        /// What was typed, why, and how many in one go.
        consent: Box<Consent>,
    },
    /// Let a read-only profile be changed for so long; `None`: no longer.
    Unlock(Option<std::time::Duration>),
    /// Look which rows a list shows: [`super::Answer::Found`].
    Find(Box<Request>),
    /// Look what in the fleet is called so: [`super::Answer::Palette`].
    Palette(Box<PaletteRequest>),
    /// Remember this for the next start.
    Remember(Box<Remember>),
    /// Gather why something is as it is: [`super::Answer::Explained`].
    Explain {
        /// Comes back with the answer; late ones are dropped.
        seq: u64,
        /// What.
        subject: Subject,
    },
    /// Gather what happened to something: [`super::Answer::Happened`].
    Timeline {
        /// Comes back with the answer; late ones are dropped.
        seq: u64,
        /// To what.
        subject: Subject,
        /// What is known here of its alerts.
        alerts: Vec<Record>,
    },
    /// Call the operator through the terminal.
    Call {
        /// By its bell.
        bell: bool,
        /// By asking it to notify the desktop.
        notice: Option<(Osc, SafeText)>,
    },
    /// Run the operator's command with what a call is about: [`super::Answer::CommandEnded`].
    AlertCommand(Box<Ring>),
    /// Remember alerts, and what changed since one looked, for the next start.
    RememberAlerts(Box<Remembrance>),
    /// Stop a task of this dashboard (not a job); its ticket ends with a problem of code `cancelled`.
    CancelTask(Ticket),
    /// Whether nobody looks: what changes is then read less often.
    Away(bool),
    /// Find out how a program is started that is lent the terminal: [`super::Answer::Lend`].
    Enter(Enter),
    /// Lend the terminal to a program, and come back: [`super::Message::Lent`].
    Lend(Box<Lend>),
    /// Stop the process as a shell's job, and come back.
    Suspend,
    /// Change to the profile that [`super::Model::switch_to`] names. Waits for nothing.
    SwitchProfile,
    /// End the dashboard.
    Quit,
}

/// Which tasks concern the same thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskKey {
    /// Reading everything.
    Fleet,
    /// A server's history.
    History,
    /// The detail of one instance.
    Instance,
    /// The followed log.
    Log,
    /// Older lines of the followed log.
    LogBefore,
    /// Rows of the audit.
    Audit,
    /// Writing a log into a file.
    LogSave,
    /// What is remembered of logs.
    LogPaths,
    /// The form's plan.
    Plan,
    /// A list's rows.
    Find(ListId),
    /// The palette's lines.
    Palette,
    /// A program that is lent the terminal.
    Enter,
    /// How often changes are read.
    Away,
    /// What is remembered.
    Memory,
    /// Why something is as it is, or what happened to it.
    Story,
    /// The operator's command.
    AlertCommand,
    /// What is remembered of alerts.
    Alerts,
    /// Whether a read-only profile may be changed.
    Lock,
    /// A look at a server.
    Look(Target),
    /// A change of something.
    Change(Target),
    /// Handled by the loop itself.
    Loop,
}

/// What happens when a task's key is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The running one is stopped, its answer dropped.
    LatestWins,
    /// The new one takes the running one's answer.
    Join,
    /// The new one waits.
    Serial,
    /// Both run.
    Parallel,
}

impl Effect {
    /// Which tasks concern the same thing.
    pub fn key(&self) -> TaskKey {
        match self {
            Self::LoadFleet => TaskKey::Fleet,
            Self::LoadHistory(_) => TaskKey::History,
            Self::LoadInstance(_) => TaskKey::Instance,
            Self::FollowLog(_) | Self::UnfollowLog | Self::OpenLog { .. } => TaskKey::Log,
            Self::LogBefore { .. } | Self::ReadLog { .. } | Self::StopLogRead => TaskKey::LogBefore,
            Self::SaveLog { .. } => TaskKey::LogSave,
            Self::RememberLog { .. } => TaskKey::LogPaths,
            Self::LoadAudit { .. } => TaskKey::Audit,
            Self::PlanInstance { .. } => TaskKey::Plan,
            Self::Find(request) => TaskKey::Find(request.list),
            Self::Palette(_) => TaskKey::Palette,
            Self::Enter(_) => TaskKey::Enter,
            Self::Away(_) => TaskKey::Away,
            Self::Remember(_) => TaskKey::Memory,
            Self::Explain { .. } | Self::Timeline { .. } => TaskKey::Story,
            Self::AlertCommand(_) => TaskKey::AlertCommand,
            Self::RememberAlerts(_) => TaskKey::Alerts,
            Self::Unlock(_) => TaskKey::Lock,
            Self::Act { act, .. } | Self::ActWith { act, .. } => match act {
                Act::Test(_) | Act::Check(_) | Act::CheckAll => TaskKey::Look(act.target()),
                _ => TaskKey::Change(act.target()),
            },
            Self::CancelTask(_)
            | Self::Copy(_)
            | Self::Call { .. }
            | Self::Suspend
            | Self::Lend(_)
            | Self::SwitchProfile
            | Self::Quit => TaskKey::Loop,
        }
    }

    /// What happens when its key is busy.
    pub fn policy(&self) -> Policy {
        match self {
            Self::LoadFleet => Policy::Join,
            Self::LoadHistory(_)
            | Self::LoadInstance(_)
            | Self::FollowLog(_)
            | Self::UnfollowLog
            | Self::LogBefore { .. }
            | Self::LoadAudit { .. }
            | Self::OpenLog { .. }
            | Self::ReadLog { .. }
            | Self::StopLogRead
            | Self::Find(_)
            | Self::Palette(_)
            | Self::Enter(_)
            | Self::Explain { .. }
            | Self::Timeline { .. }
            | Self::Away(_)
            | Self::PlanInstance { .. } => Policy::LatestWins,
            Self::AlertCommand(_)
            | Self::RememberAlerts(_)
            | Self::Act { .. }
            | Self::ActWith { .. }
            | Self::Unlock(_)
            | Self::Remember(_)
            | Self::SaveLog { .. }
            | Self::RememberLog { .. } => Policy::Serial,
            Self::CancelTask(_)
            | Self::Copy(_)
            | Self::Call { .. }
            | Self::Suspend
            | Self::Lend(_)
            | Self::SwitchProfile
            | Self::Quit => Policy::Parallel,
        }
    }
}
