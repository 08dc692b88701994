//! What lies over the panes: help, descriptions, reports, questions. Questions hold the ids and
//! versions of what they are about, frozen when they were opened.

use super::bulk::BulkDialog;
use super::columns::ColumnPicker;
use super::command::CommandDialog;
use super::effect::{Act, Target};
use super::find::{Filter, FilterError};
use super::form::Form;
use super::home::FieldPicker;
use super::log::{LogFilters, LogPrompt};
use super::message::{PlanPreview, Written};
use super::palette::Palette;
use super::row::InstanceRow;
use super::story::Story;
use super::tabs::ListId;
use crate::domain::alert::AlertId;
use crate::domain::check::CheckReport;
use crate::domain::guard::Consent;
use crate::domain::instance::Instance;
use crate::domain::job::JobState;
use crate::domain::server::Server;
use crate::domain::template::Template;
use crate::domain::{CustomerId, InstanceId, JobId, PlanId, ServerId, TemplateId};
use std::sync::Arc;
use std::time::Duration;
use tui_input::Input;

/// Something over the panes; the topmost one gets the keys.
#[derive(Debug)]
pub enum Layer {
    /// Every key of where one stands.
    Help {
        /// The first visible line.
        scroll: usize,
    },
    /// A command of the operator's own, before it runs.
    Command(Box<CommandDialog>),
    /// What one wrote.
    Written {
        /// What.
        written: Box<Written>,
        /// The first visible line.
        scroll: usize,
    },
    /// How the configuration stands.
    Config {
        /// The first visible line.
        scroll: usize,
    },
    /// Everything known about something.
    Describe {
        /// About what.
        subject: Subject,
        /// An instance's full record, once it is here.
        instance: Option<Box<Instance>>,
        /// The first visible line.
        scroll: usize,
    },
    /// What a test found.
    Report {
        /// Which server was tested.
        server: ServerId,
        /// What was found.
        report: Box<CheckReport>,
        /// The first visible line.
        scroll: usize,
    },
    /// A question.
    Confirm(Box<Confirm>),
    /// The plan of doing something to many.
    Bulk(Box<BulkDialog>),
    /// What became of each of a bulk.
    Receipts {
        /// Which bulk.
        id: u64,
        /// The first visible line.
        scroll: usize,
    },
    /// A form.
    Form(Box<Form>),
    /// A list's filter being typed.
    Find(Box<FindLine>),
    /// The `:` palette.
    Palette(Box<Palette>),
    /// The columns of a list, to sort by or to choose from.
    Columns(Box<ColumnPicker>),
    /// The named views.
    Views(Box<ViewList>),
    /// The fields of something, one of which is copied.
    Fields(Box<FieldPicker>),
    /// The log's filters.
    LogFilters(Box<LogFilters>),
    /// Why something is as it is, or what happened to it.
    Story(Box<Story>),
    /// What to open as a log.
    LogPrompt(Box<LogPrompt>),
    /// A search of the log being typed.
    Typing {
        /// Its text.
        input: Input,
        /// What it was before.
        before: String,
    },
}

/// A list's filter being typed.
#[derive(Debug)]
pub struct FindLine {
    /// Whose.
    pub list: ListId,
    /// Its text.
    pub input: Input,
    /// What was in force before.
    pub before: Arc<Filter>,
    /// What is wrong with the text; what was right last stays in force.
    pub error: Option<FilterError>,
    /// Which of the filters used before was called back, counted from the newest.
    pub recalled: Option<usize>,
}

/// The named views, open.
#[derive(Debug)]
pub struct ViewList {
    /// Which is selected.
    pub at: usize,
    /// The name of a new one, while it is typed.
    pub naming: Option<Input>,
    /// Which one a second `x` forgets.
    pub forget: Option<String>,
}

/// What is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A server.
    Server(ServerId),
    /// An instance.
    Instance(InstanceId),
    /// A template.
    Template(TemplateId),
    /// A job.
    Job(JobId),
    /// A plan.
    Plan(PlanId),
    /// A customer.
    Customer(CustomerId),
    /// A row of the audit.
    Audit(i64),
    /// An alert.
    Alert(AlertId),
}

impl Subject {
    /// What a selection is described as.
    pub fn of(target: Target) -> Option<Self> {
        Some(match target {
            Target::Server(id) => Self::Server(id),
            Target::Instance(id) => Self::Instance(id),
            Target::Template(id) => Self::Template(id),
            Target::Job(id) => Self::Job(id),
            Target::Plan(id) => Self::Plan(id),
            Target::Customer(id) => Self::Customer(id),
            Target::Audit(id) => Self::Audit(id),
            Target::Alert(id) => Self::Alert(id),
            Target::Fleet => return None,
        })
    }
}

/// What a question leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// An action.
    Act(Act),
    /// Leaving though jobs run.
    Quit,
    /// Creating an instance as its plan shows.
    Create(Box<PlanPreview>),
}

/// Which button has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Button {
    /// The one that changes nothing.
    #[default]
    Cancel,
    /// The one that does it.
    Go,
}

/// What was seen of a thing when a question about it was opened.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// A server.
    Server(Box<Server>),
    /// An instance.
    Instance(Box<InstanceRow>),
    /// A template.
    Template(Box<Template>),
    /// A job's state.
    Job(JobState),
}

/// A question.
#[derive(Debug)]
pub struct Confirm {
    /// What is asked: `Delete the instance acme on prod-1?`.
    pub title: String,
    /// What it means.
    pub lines: Vec<String>,
    /// What the button that does it says.
    pub go: &'static str,
    /// What follows.
    pub answered: Answered,
    /// What it is about, and the version of it that was seen.
    pub frozen: Option<(Target, i64)>,
    /// What was seen of it, to say what changed.
    pub seen: Option<Seen>,
    /// Why it is done, where a guard asks for that.
    pub reason: Option<Input>,
    /// Whether the cursor is in the reason, where both are to be typed.
    pub in_reason: bool,
    /// The name that has to be typed, and what was typed of it.
    pub typed: Option<(String, Input)>,
    /// The focused button.
    pub button: Button,
    /// Why it can't be done any more: the target changed or is gone.
    pub stale: Option<String>,
    /// When it was opened: keys that come with the one that opened it decide nothing.
    pub opened: Duration,
}

impl Confirm {
    /// Whether what has to be typed was typed, and nothing changed meanwhile.
    pub fn may_go(&self) -> bool {
        self.stale.is_none()
            && self
                .typed
                .as_ref()
                .is_none_or(|(expected, input)| input.value() == expected)
            && self
                .reason
                .as_ref()
                .is_none_or(|input| Consent::reason_of(input.value()).is_some())
    }

    /// Whether something has to be typed.
    pub fn asks(&self) -> bool {
        self.typed.is_some() || self.reason.is_some()
    }

    /// What the operator gives.
    pub fn consent(&self) -> Consent {
        Consent {
            typed: self.typed.as_ref().map(|(_, input)| input.value().to_owned()),
            reason: self.reason.as_ref().and_then(|input| Consent::reason_of(input.value())),
            bulk: 1,
        }
    }
}
