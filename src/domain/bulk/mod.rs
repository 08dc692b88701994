//! One action on many: which of them it is for and why not the others ([`Plan`]), and in which order
//! they are begun, how many at once, and when no more are ([`Run`]).

mod plan;
mod run;
#[cfg(test)]
mod tests;

pub use plan::{Limits, Line, Plan};
pub use run::{Counts, Receipt, Run, State};

use super::instance::InstanceState;
use super::job::JobState;
use super::rights::Deed;
use super::server::{Intent, Observed};
use super::template::TemplateState;
use super::{InstanceId, JobId, ServerId, TemplateId};

/// What can be done to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Test servers' connections, keeping nothing.
    Test,
    /// Check servers and keep the results.
    Check,
    /// Put servers in service, each after a test.
    Activate,
    /// Take servers out of service.
    Deactivate,
    /// Put servers in maintenance.
    Maintain,
    /// Remove servers from the registry.
    DeleteServer,
    /// Remove instances with their databases and files; of failed ones the record.
    DeleteInstance,
    /// Ask jobs to stop and undo.
    CancelJob,
    /// Run jobs again.
    RetryJob,
    /// Make templates' databases through Odoo.
    CreateDatabase,
    /// Take databases that exist as templates.
    Adopt,
    /// Let templates be edited.
    Thaw,
    /// Remove templates' records.
    DeleteTemplate,
    /// Run a command of the operator's own that changes something.
    Run,
    /// Run one that only looks.
    Look,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Test,
        Self::Check,
        Self::Activate,
        Self::Deactivate,
        Self::Maintain,
        Self::DeleteServer,
        Self::DeleteInstance,
        Self::CancelJob,
        Self::RetryJob,
        Self::CreateDatabase,
        Self::Adopt,
        Self::Thaw,
        Self::DeleteTemplate,
        Self::Run,
        Self::Look,
    ];

    /// A word for it: `deactivate`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Check => "check",
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::Maintain => "maintenance",
            Self::DeleteServer | Self::DeleteInstance | Self::DeleteTemplate => "delete",
            Self::CancelJob => "cancel",
            Self::RetryJob => "retry",
            Self::CreateDatabase => "create database",
            Self::Adopt => "adopt",
            Self::Thaw => "thaw",
            Self::Run | Self::Look => "run",
        }
    }

    /// What it does to so many, as a question's beginning: `Put 3 servers in maintenance`.
    pub fn of(self, count: usize) -> String {
        let many = |one: &str, more: &str| {
            if count == 1 {
                format!("1 {one}")
            } else {
                format!("{count} {more}")
            }
        };
        let servers = many("server", "servers");
        let jobs = many("job", "jobs");
        let templates = many("template", "templates");
        match self {
            Self::Test => format!("Test {servers}"),
            Self::Check => format!("Check {servers}"),
            Self::Activate => format!("Test and activate {servers}"),
            Self::Deactivate => format!("Take {servers} out of service"),
            Self::Maintain => format!("Put {servers} in maintenance"),
            Self::DeleteServer => format!("Delete {servers} from the registry"),
            Self::DeleteInstance => format!("Delete {}", many("instance", "instances")),
            Self::CancelJob => format!("Cancel {jobs}"),
            Self::RetryJob => format!("Run {jobs} again"),
            Self::CreateDatabase => format!("Create the databases of {templates}"),
            Self::Adopt => format!("Adopt the databases of {templates}"),
            Self::Thaw => format!("Thaw {templates}"),
            Self::DeleteTemplate => format!("Delete {templates} from the registry"),
            Self::Run | Self::Look => format!("Run it on {count}"),
        }
    }

    /// What it means for each, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Test => "Nothing is changed and nothing is kept.",
            Self::Check => "Each result is kept.",
            Self::Activate => "Each is tested first; one that fails its test stays as it is.",
            Self::Deactivate => "They take no new instances, and are no longer checked.",
            Self::Maintain => "Their instances stay as they are; new ones go elsewhere.",
            Self::DeleteServer => "Their history goes with them. The machines are not touched.",
            Self::DeleteInstance => "Their databases and files are deleted. This can't be undone.",
            Self::CancelJob => "What each has done so far is undone, newest first.",
            Self::RetryJob => "Each is queued again.",
            Self::CreateDatabase => "A job for each makes it through Odoo and freezes it.",
            Self::Adopt => "Each is frozen: nobody can connect to it until it is thawed.",
            Self::Thaw => "No instance can be made from them until they are adopted again.",
            Self::DeleteTemplate => "Their databases are not touched.",
            Self::Run => "It changes something, and runs once for each.",
            Self::Look => "It runs once for each.",
        }
    }

    /// What is being done to one: `deactivating`.
    pub fn doing(self) -> &'static str {
        match self {
            Self::Test => "testing",
            Self::Check => "checking",
            Self::Activate => "testing and activating",
            Self::Deactivate => "deactivating",
            Self::Maintain => "putting in maintenance",
            Self::DeleteServer | Self::DeleteInstance | Self::DeleteTemplate => "deleting",
            Self::CancelJob => "asking to stop",
            Self::RetryJob => "queueing again",
            Self::CreateDatabase | Self::Adopt | Self::Thaw => "queueing",
            Self::Run | Self::Look => "running",
        }
    }

    /// Whether something is gone for good afterwards.
    pub fn is_destructive(self) -> bool {
        matches!(self, Self::DeleteServer | Self::DeleteInstance | Self::DeleteTemplate)
    }

    /// What it does to the registry, to a thing of this kind.
    pub fn deed(self, facts: &Facts) -> Deed {
        match self {
            Self::Test => Deed::TestServer,
            Self::Check => Deed::KeepCheck,
            Self::Activate => Deed::ActivateServer,
            Self::Deactivate => Deed::DeactivateServer,
            Self::Maintain => Deed::MaintainServer,
            Self::DeleteServer => Deed::DeleteServer,
            Self::DeleteInstance if facts.is_forgotten() => Deed::ForgetInstance,
            Self::DeleteInstance => Deed::DeleteInstance,
            Self::CancelJob => Deed::CancelJob,
            Self::RetryJob => Deed::RetryJob,
            Self::CreateDatabase => Deed::CreateTemplateDatabase,
            Self::Adopt => Deed::AdoptTemplate,
            Self::Thaw => Deed::ThawTemplate,
            Self::DeleteTemplate => Deed::RemoveTemplate,
            Self::Run => Deed::RunCommand,
            Self::Look => Deed::Read,
        }
    }

    /// How many at once where nobody says. Looking at servers mostly waits; changes go more slowly, so
    /// that there is time to stop them.
    pub fn at_once(self) -> usize {
        match self {
            Self::Test | Self::Check => 8,
            _ => 4,
        }
    }
}

/// What something is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Thing {
    /// A server.
    Server(ServerId),
    /// An instance.
    Instance(InstanceId),
    /// A template.
    Template(TemplateId),
    /// A job.
    Job(JobId),
}

/// What is known of it, as far as it decides whether something can be done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facts {
    /// Of a server.
    Server {
        /// What the operator wants of it.
        intent: Intent,
        /// What checks found.
        observed: Observed,
        /// Instances that take a place.
        instances: u32,
    },
    /// Of an instance.
    Instance {
        /// Where it is in its life.
        state: InstanceState,
        /// Whether its job is stuck: more than a record may be left of it.
        stuck: bool,
    },
    /// Of a template.
    Template {
        /// Where it is in its life.
        state: TemplateState,
        /// Instances made from it.
        instances: u32,
    },
    /// Of a job.
    Job {
        /// Where it is.
        state: JobState,
        /// Whether it was asked to stop.
        cancel_requested: bool,
    },
}

impl Facts {
    /// Whether of an instance nothing but its record is left.
    pub fn is_forgotten(&self) -> bool {
        matches!(
            self,
            Self::Instance {
                state: InstanceState::Failed | InstanceState::Draft,
                stuck: false
            }
        )
    }
}

/// Whether something can be done to a thing as it is. The registry decides again when it is done.
///
/// # Errors
/// Why not, as it follows a name: `has 4 instances`, `is active already`.
pub fn fits(verb: Verb, facts: &Facts) -> Result<(), String> {
    if matches!(verb, Verb::Run | Verb::Look) {
        return Ok(());
    }
    match *facts {
        Facts::Server {
            intent,
            observed,
            instances,
        } => server(verb, intent, observed, instances),
        Facts::Instance { state, .. } => match (verb, state) {
            (Verb::DeleteInstance, InstanceState::Provisioning) => {
                Err("a job is making it: cancel that first".to_owned())
            }
            (Verb::DeleteInstance, InstanceState::Deleting) => Err("a job is deleting it".to_owned()),
            (Verb::DeleteInstance, _) => Ok(()),
            (Verb::CancelJob | Verb::RetryJob, _) => Err("no job has worked on it lately".to_owned()),
            _ => Err(not_for("instances")),
        },
        Facts::Template { state, instances } => template(verb, state, instances),
        Facts::Job {
            state,
            cancel_requested,
        } => job(verb, state, cancel_requested),
    }
}

fn not_for(what: &str) -> String {
    format!("this can't be done to {what}")
}

fn has(instances: u32) -> String {
    match instances {
        1 => "has 1 instance".to_owned(),
        many => format!("has {many} instances"),
    }
}

fn server(verb: Verb, intent: Intent, observed: Observed, instances: u32) -> Result<(), String> {
    match (verb, intent) {
        (Verb::Test | Verb::Check, _) => Ok(()),
        (Verb::Activate, Intent::Active) if observed != Observed::Offline => Err("is active already".to_owned()),
        (Verb::Maintain, Intent::Maintenance) => Err("is in maintenance already".to_owned()),
        (Verb::Deactivate, Intent::Disabled) => Err("is disabled already".to_owned()),
        (Verb::Deactivate | Verb::DeleteServer, _) if instances > 0 => Err(has(instances)),
        (Verb::Activate | Verb::Maintain | Verb::Deactivate | Verb::DeleteServer, _) => Ok(()),
        _ => Err(not_for("servers")),
    }
}

fn template(verb: Verb, state: TemplateState, instances: u32) -> Result<(), String> {
    match (verb, state) {
        (Verb::DeleteTemplate, _) if instances > 0 => Err(format!("{instances} instances were made from it")),
        (Verb::DeleteTemplate | Verb::Thaw | Verb::Adopt | Verb::CreateDatabase, TemplateState::Creating) => {
            Err("a job works on it".to_owned())
        }
        (Verb::DeleteTemplate, _) | (Verb::Thaw, TemplateState::Ready) => Ok(()),
        (Verb::Thaw, state) => Err(format!("is {}, not frozen", state.word())),
        (Verb::Adopt | Verb::CreateDatabase, TemplateState::Ready) => Err("is ready already".to_owned()),
        (Verb::Adopt | Verb::CreateDatabase, _) => Ok(()),
        (Verb::CancelJob | Verb::RetryJob, _) => Err("no job has worked on it lately".to_owned()),
        _ => Err(not_for("templates")),
    }
}

fn job(verb: Verb, state: JobState, cancel_requested: bool) -> Result<(), String> {
    match (verb, state) {
        (Verb::RetryJob, JobState::Failed | JobState::Cancelled | JobState::Stuck) => Ok(()),
        (Verb::RetryJob, state) => Err(format!("is {}", state.word())),
        (Verb::CancelJob, state) if state.is_over() => Err(format!("is over ({})", state.word())),
        (Verb::CancelJob, JobState::Undoing) => Err("is being undone already".to_owned()),
        (Verb::CancelJob, _) if cancel_requested => Err("was asked to stop already".to_owned()),
        (Verb::CancelJob, _) => Ok(()),
        _ => Err(not_for("jobs")),
    }
}

/// One of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What.
    pub thing: Thing,
    /// As it is called.
    pub name: String,
    /// The code of the server it is or is on.
    pub server: Option<String>,
    /// As it was seen: what is done to it later is refused when it is another by then.
    pub version: i64,
    /// What is known of it.
    pub facts: Facts,
    /// What is being done to it already.
    pub busy: Option<String>,
    /// Why it can't be done to this one, whatever state it is in.
    pub barred: Option<String>,
}
