//! The table's lines about the screen itself, the clipboard, and other programs.

use super::line::{line, look, program};
use super::{Action, ActionId as Id, Place};

const ALL: &[Place] = &Place::ALL;
const LISTS: &[Place] = &Place::LISTS;
const PANES: &[Place] = &Place::PANES;

/// The screen, the clipboard, other programs.
pub(super) const ACTIONS: &[Action] = &[
    look(
        line(
            Id::CopyName,
            "copy-name",
            &["c"],
            LISTS,
            "copy",
            "copies the name of what is selected to the clipboard of your terminal (through ssh and tmux)",
        ),
        0,
    ),
    look(
        line(
            Id::CopyField,
            "copy-field",
            &["Y"],
            LISTS,
            "copy a field",
            "picks a field of what is selected and copies its value whole; secrets are not among them",
        ),
        0,
    ),
    program(
        line(
            Id::ZoomIn,
            "zoom-in",
            &["+"],
            ALL,
            "larger",
            "gives the pane more room, then the whole screen",
        ),
        0,
    ),
    program(
        line(
            Id::ZoomOut,
            "zoom-out",
            &["_"],
            ALL,
            "smaller",
            "takes that room back, step by step",
        ),
        0,
    ),
    program(
        line(
            Id::Arrange,
            "arrange",
            &["z"],
            PANES,
            "arrange",
            "the page's next arrangement: as usual, list and log side by side, nothing but lists; remembered",
        ),
        0,
    ),
    program(
        line(
            Id::Compact,
            "compact",
            &["ctrl-e"],
            ALL,
            "compact",
            "shows one pane at a time, as small screens do by themselves",
        ),
        0,
    ),
    program(
        line(
            Id::Theme,
            "theme",
            &["f3"],
            ALL,
            "theme",
            "other colours: `:theme NAME`, shown while you choose",
        ),
        0,
    ),
    program(
        line(
            Id::Mouse,
            "mouse",
            &["f2"],
            ALL,
            "mouse",
            "takes the mouse, or leaves it to the terminal for selecting text",
        ),
        0,
    ),
    program(
        line(
            Id::EditConfig,
            "edit-config",
            &["f4"],
            ALL,
            "configuration",
            "opens your configuration in $EDITOR",
        ),
        0,
    ),
    look(
        line(
            Id::Shell,
            "shell",
            &["s"],
            &[Place::Servers, Place::Instances],
            "shell",
            "a shell on the server, over ssh with its settings; your own where the server is this machine",
        ),
        0,
    ),
    look(
        line(
            Id::Psql,
            "psql",
            &["p"],
            &[Place::Instances],
            "psql",
            "psql on the instance's database, as the server's role; only reads unless you SET otherwise",
        ),
        0,
    ),
];
