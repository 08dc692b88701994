//! The one table of actions. Keys, the footer, `?`, the `a` menu, the settings' `[keys]` and the
//! README are all made from it, so that they can't disagree.

mod allow;
mod bulk_table;
mod find_table;
mod home_table;
mod key;
mod keymap;
mod line;
mod ready;
mod table;
mod table_alerts;
mod table_log;
#[cfg(test)]
mod tests;
mod wanted;

pub use allow::{JobFacts, Situation, allowed, bulk_verb, deed, rightful};
pub use key::{Key, Sequence, parse_sequence, show_sequence};
pub use keymap::{Found, Keymap};
pub use ready::Ready;
pub use wanted::{KeyClash, MENU, Wanted};

/// The table, in its parts.
const PARTS: [&[Action]; 6] = [
    table::ACTIONS,
    find_table::FIND,
    bulk_table::BULK,
    table_alerts::ACTIONS,
    home_table::ACTIONS,
    table_log::ACTIONS,
];

/// Everything that can be done.
pub const ACTIONS: &[Action] = &joined::<
    { PARTS[0].len() + PARTS[1].len() + PARTS[2].len() + PARTS[3].len() + PARTS[4].len() + PARTS[5].len() },
>();

/// The parts one behind the other, the log's last.
const fn joined<const N: usize>() -> [Action; N] {
    let mut all = [PARTS[0][0]; N];
    let (mut at, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut line = 0;
        while line < PARTS[part].len() {
            all[at] = PARTS[part][line];
            line += 1;
            at += 1;
        }
        part += 1;
    }
    all
}

/// Where one stands: which pane has the focus, and what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The list of servers.
    Servers,
    /// A list of instances: one server's, or all.
    Instances,
    /// The list of templates.
    Templates,
    /// The list of jobs.
    Jobs,
    /// The list of plans.
    Plans,
    /// The list of customers.
    Customers,
    /// What happened: rows of the audit.
    Audit,
    /// What calls for the operator.
    Alerts,
    /// The log.
    Log,
    /// The log, on the whole screen.
    WholeLog,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Servers,
        Self::Instances,
        Self::Templates,
        Self::Jobs,
        Self::Plans,
        Self::Customers,
        Self::Audit,
        Self::Alerts,
        Self::Log,
        Self::WholeLog,
    ];
    /// All but the log on the whole screen, where digits mean times.
    pub const PANES: [Self; 9] = [
        Self::Servers,
        Self::Instances,
        Self::Templates,
        Self::Jobs,
        Self::Plans,
        Self::Customers,
        Self::Audit,
        Self::Alerts,
        Self::Log,
    ];
    /// The lists.
    pub const LISTS: [Self; 8] = [
        Self::Servers,
        Self::Instances,
        Self::Templates,
        Self::Jobs,
        Self::Plans,
        Self::Customers,
        Self::Audit,
        Self::Alerts,
    ];

    /// Its name in the settings.
    pub fn name(self) -> String {
        self.word().replace(' ', "-")
    }

    /// As it is called.
    pub fn word(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Instances => "instances",
            Self::Templates => "templates",
            Self::Jobs => "jobs",
            Self::Plans => "plans",
            Self::Customers => "customers",
            Self::Audit => "what happened",
            Self::Alerts => "alerts",
            Self::Log => "log",
            Self::WholeLog => "zoomed log",
        }
    }
}

/// What kind of thing an action does; also its heading in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Changes something: `a`, then a letter.
    Act,
    /// Looks, and changes nothing.
    Look,
    /// Finds, sorts, chooses what is shown.
    Find,
    /// Moves the selection or the focus.
    Move,
    /// The program itself.
    Program,
}

impl Group {
    /// Its heading.
    pub fn word(self) -> &'static str {
        match self {
            Self::Act => "change",
            Self::Look => "look",
            Self::Find => "find and sort",
            Self::Move => "move",
            Self::Program => "program",
        }
    }
}

/// How much harm an action can do, and so what it asks before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Danger {
    /// None: done at once.
    None,
    /// It can be taken back: done at once, or after a form.
    Mild,
    /// It touches what customers use: asked, with Cancel in front.
    Asks,
    /// It can't be taken back: asks for the name.
    TypedName,
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each one's help is its line in the table below")]
pub enum ActionId {
    Activate,
    Deactivate,
    Maintenance,
    Delete,
    Retry,
    CancelJob,
    CreateDatabase,
    Adopt,
    Thaw,
    New,
    Edit,
    Test,
    Check,
    CheckAll,
    Describe,
    Log,
    Filter,
    SearchNext,
    SearchPrevious,
    Again,
    LogOpen,
    LogClose,
    LogFilters,
    LogLevel,
    LogContext,
    LogWrap,
    LogTime,
    NextError,
    PreviousError,
    LogMark,
    NextMark,
    PreviousMark,
    LogCopy,
    LogCopyScreen,
    LogSave,
    SinceAll,
    SinceHead,
    SinceMinute,
    SinceFive,
    SinceQuarter,
    SinceHalf,
    SinceHour,
    Down,
    Up,
    PageDown,
    PageUp,
    HalfDown,
    HalfUp,
    Top,
    Bottom,
    ScrollLeft,
    ScrollRight,
    Open,
    Back,
    NextPane,
    PreviousPane,
    ServersPane,
    InstancesPane,
    LogPane,
    TemplatesList,
    JobsList,
    AuditList,
    Happened,
    NextList,
    AllInstances,
    PlansList,
    CustomersList,
    GoBack,
    GoForward,
    Palette,
    Views,
    Columns,
    SortPicker,
    SortFlip,
    SortName,
    SortState,
    SortAge,
    SortCount,
    SortHealth,
    SortLength,
    SortPlan,
    SortSize,
    SortServer,
    SortDatabase,
    Mark,
    MarkRange,
    MarkAll,
    MarkInvert,
    Unmark,
    Receipts,
    Unlock,
    LockAgain,
    NextProblem,
    Explain,
    Timeline,
    AlertsList,
    Acknowledge,
    Snooze,
    Mute,
    CopyName,
    CopyField,
    ZoomIn,
    ZoomOut,
    Arrange,
    Compact,
    Theme,
    Mouse,
    EditConfig,
    Shell,
    Psql,
    Zoom,
    Help,
    Config,
    Profile,
    Redraw,
    Suspend,
    Interrupt,
    Quit,
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Action {
    /// Which.
    pub id: ActionId,
    /// Its name in the settings.
    pub name: &'static str,
    /// A word or two, for the footer and the menu.
    pub title: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// Where it can be used.
    pub places: &'static [Place],
    /// Its kind.
    pub group: Group,
    /// What it asks before.
    pub danger: Danger,
    /// Its keys unless the settings say otherwise.
    pub keys: &'static [&'static str],
    /// Its place in the footer; 0: not there.
    pub footer: u8,
}

/// The table's line of an action.
pub fn action(id: ActionId) -> &'static Action {
    // The table has a line for every id (a test says so); the first stands in for the compiler.
    ACTIONS.iter().find(|action| action.id == id).unwrap_or(&ACTIONS[0])
}

/// The action of this name in the settings.
pub fn by_name(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

/// The README's table of keys.
pub fn markdown_table() -> String {
    let mut out = String::from("| keys | where | what it does | name in `[keys]` |\n| --- | --- | --- | --- |\n");
    for action in ACTIONS {
        let keys: Vec<String> = action
            .keys
            .iter()
            .filter_map(|text| parse_sequence(text).ok())
            .map(|keys| format!("`{}`", show_sequence(&keys).replace('|', "\\|")))
            .collect();
        let places = if action.places.len() == Place::ALL.len() {
            "everywhere".to_owned()
        } else if action.places == Place::LISTS {
            "lists".to_owned()
        } else {
            let words: Vec<&str> = action.places.iter().map(|place| place.word()).collect();
            words.join(", ")
        };
        out.push_str(&format!(
            "| {} | {places} | {} | `{}` |\n",
            keys.join(" "),
            action.help,
            action.name
        ));
    }
    out
}
