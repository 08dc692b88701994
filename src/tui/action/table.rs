//! The table itself.

use super::line::{act, line, look, program};
use super::{Action, ActionId, Danger, Place};

const SERVERS: &[Place] = &[Place::Servers];
const LISTS: &[Place] = &Place::LISTS;
const FLEET: &[Place] = &[Place::Servers, Place::Instances, Place::Templates, Place::Jobs];
const ALL: &[Place] = &Place::ALL;

use ActionId as Id;

/// Everything that can be done, but for the log's own.
pub(super) const ACTIONS: &[Action] = &[
    act(
        line(
            Id::Activate,
            "activate",
            &["a a"],
            SERVERS,
            "activate",
            "puts the server in service, after a connection test",
        ),
        Danger::Mild,
    ),
    act(
        line(
            Id::Deactivate,
            "deactivate",
            &["a d"],
            SERVERS,
            "deactivate",
            "takes the server out of service; refused while it has instances",
        ),
        Danger::Asks,
    ),
    act(
        line(
            Id::Maintenance,
            "maintenance",
            &["a m"],
            SERVERS,
            "maintenance",
            "keeps the server's instances and takes no new ones",
        ),
        Danger::Asks,
    ),
    act(
        line(
            Id::Delete,
            "delete",
            &["a x"],
            &[Place::Servers, Place::Instances, Place::Templates],
            "delete",
            "deletes what is selected, after its name was typed: an instance with its database and files; of a server or template the record",
        ),
        Danger::TypedName,
    ),
    act(
        line(
            Id::Retry,
            "retry",
            &["a r"],
            &[
                Place::Instances,
                Place::Templates,
                Place::Jobs,
                Place::Log,
                Place::WholeLog,
            ],
            "retry",
            "runs the failed, cancelled or stuck job again",
        ),
        Danger::Mild,
    ),
    act(
        line(
            Id::CancelJob,
            "cancel-job",
            &["a k"],
            &[
                Place::Instances,
                Place::Templates,
                Place::Jobs,
                Place::Log,
                Place::WholeLog,
            ],
            "cancel the job",
            "asks the job to stop, and undoes what it did",
        ),
        Danger::Asks,
    ),
    act(
        line(
            Id::CreateDatabase,
            "create-database",
            &["a c"],
            &[Place::Templates],
            "create its database",
            "makes the template's database through Odoo, installs its modules, and freezes it",
        ),
        Danger::Mild,
    ),
    act(
        line(
            Id::Adopt,
            "adopt",
            &["a o"],
            &[Place::Templates],
            "adopt its database",
            "takes the database that exists as the template, and freezes it",
        ),
        Danger::Asks,
    ),
    act(
        line(
            Id::Thaw,
            "thaw",
            &["a t"],
            &[Place::Templates],
            "thaw",
            "lets the template's database be edited; nothing is cloned from it meanwhile",
        ),
        Danger::Asks,
    ),
    Action {
        footer: 5,
        ..act(
            line(
                Id::New,
                "new",
                &["n", "a n"],
                FLEET,
                "new",
                "a new server, instance or template, by the list one stands in (an instance from the list of jobs)",
            ),
            Danger::Mild,
        )
    },
    Action {
        footer: 6,
        ..act(
            line(
                Id::Edit,
                "edit",
                &["e", "a e"],
                SERVERS,
                "edit",
                "changes what is written down about the server",
            ),
            Danger::Mild,
        )
    },
    look(
        line(
            Id::Test,
            "test",
            &["t"],
            &[Place::Servers, Place::Instances],
            "test",
            "tests the connection to the server, layer by layer, and keeps nothing",
        ),
        1,
    ),
    look(
        line(
            Id::Check,
            "check",
            &["r"],
            &[Place::Servers, Place::Instances],
            "check",
            "checks the server now, and keeps the result",
        ),
        2,
    ),
    look(
        line(
            Id::CheckAll,
            "check-all",
            &["ctrl-r"],
            ALL,
            "check all",
            "checks all servers now",
        ),
        0,
    ),
    look(
        line(
            Id::Describe,
            "describe",
            &["d"],
            LISTS,
            "describe",
            "shows everything known about what is selected, but no secret",
        ),
        7,
    ),
    look(
        line(
            Id::Filter,
            "filter",
            &["/"],
            ALL,
            "filter",
            "filters the list as one types as `state=offline capacity>90 -plan=trial acme`; in the log: searches it (a regular expression), and keeps the other lines",
        ),
        9,
    ),
    look(
        line(
            Id::Again,
            "again",
            &["."],
            ALL,
            "again",
            "tries again what failed last; what deletes asks again",
        ),
        0,
    ),
    line(Id::Down, "down", &["j", "down"], ALL, "down", "one line down"),
    line(Id::Up, "up", &["k", "up"], ALL, "up", "one line up"),
    line(
        Id::PageDown,
        "page-down",
        &["pgdn", "ctrl-f"],
        ALL,
        "page down",
        "one page down",
    ),
    line(Id::PageUp, "page-up", &["pgup"], ALL, "page up", "one page up"),
    line(
        Id::HalfDown,
        "half-page-down",
        &["ctrl-d"],
        ALL,
        "half page down",
        "half a page down",
    ),
    line(
        Id::HalfUp,
        "half-page-up",
        &["ctrl-u"],
        ALL,
        "half page up",
        "half a page up",
    ),
    line(
        Id::Top,
        "top",
        &["g", "home"],
        ALL,
        "top",
        "to the first line; in the log, to the oldest one here",
    ),
    Action {
        footer: 0,
        ..line(
            Id::Bottom,
            "bottom",
            &["G", "end"],
            ALL,
            "bottom",
            "to the last line; in the log, follows it again",
        )
    },
    line(
        Id::ScrollLeft,
        "scroll-left",
        &["left"],
        ALL,
        "left",
        "scrolls a long line of the log; in lists, to the pane on the left",
    ),
    line(
        Id::ScrollRight,
        "scroll-right",
        &["right"],
        ALL,
        "right",
        "scrolls a long line of the log; in lists, to the pane on the right",
    ),
    line(
        Id::Open,
        "open",
        &["enter"],
        ALL,
        "open",
        "goes into what is selected: a server's instances, an instance's or template's description, a job's log",
    ),
    line(
        Id::Back,
        "back",
        &["esc"],
        ALL,
        "back",
        "closes what is open, clears the filter, leaves the zoom",
    ),
    line(
        Id::NextPane,
        "next-pane",
        &["tab"],
        ALL,
        "next pane",
        "to the next pane",
    ),
    line(
        Id::PreviousPane,
        "previous-pane",
        &["shift-tab"],
        ALL,
        "previous pane",
        "to the previous pane",
    ),
    Action {
        footer: 10,
        ..line(
            Id::NextProblem,
            "next-problem",
            &["!"],
            ALL,
            "next problem",
            "to the next server that is not as it should be",
        )
    },
    program(
        line(
            Id::Zoom,
            "zoom",
            &["f"],
            ALL,
            "zoom",
            "gives the pane the whole screen, or takes it back",
        ),
        11,
    ),
    program(
        line(Id::Help, "help", &["?"], ALL, "help", "every key of where one stands"),
        30,
    ),
    program(
        line(
            Id::Config,
            "config",
            &["f9"],
            ALL,
            "configuration",
            "how the configuration stands: its file, its mistakes with their lines, the profile, what waits for a restart",
        ),
        0,
    ),
    program(
        line(
            Id::Profile,
            "profile",
            &["f8"],
            ALL,
            "profile",
            "changes to another profile of the configuration: `:profile NAME`, whatever the registry does",
        ),
        0,
    ),
    program(
        line(
            Id::Redraw,
            "redraw",
            &["ctrl-l"],
            ALL,
            "redraw",
            "draws everything anew and reads it again",
        ),
        0,
    ),
    program(
        line(
            Id::Suspend,
            "suspend",
            &["ctrl-z"],
            ALL,
            "suspend",
            "back to the shell; `fg` comes back",
        ),
        0,
    ),
    program(
        line(
            Id::Interrupt,
            "interrupt",
            &["ctrl-c"],
            ALL,
            "interrupt",
            "stops the current thing; twice within a second quits",
        ),
        0,
    ),
    program(
        line(
            Id::Quit,
            "quit",
            &["q"],
            ALL,
            "quit",
            "goes back one level, or quits; asks when jobs run",
        ),
        29,
    ),
];
