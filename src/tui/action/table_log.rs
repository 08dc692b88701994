//! The table's lines of the log.

use super::line::{line, look};
use super::{Action, ActionId as Id, Place};

const LISTS: &[Place] = &Place::LISTS;
const LOG: &[Place] = &[Place::Log, Place::WholeLog];
const WHOLE: &[Place] = &[Place::WholeLog];

const fn since(id: Id, name: &'static str, keys: &'static [&'static str], help: &'static str) -> Action {
    look(line(id, name, keys, WHOLE, name, help), 0)
}

/// What can be done in the log.
pub(super) const ACTIONS: &[Action] = &[
    look(
        line(
            Id::Log,
            "log",
            &["l"],
            LISTS,
            "log",
            "shows the log of the newest job of what is selected",
        ),
        8,
    ),
    look(
        line(
            Id::SearchNext,
            "search-next",
            &["n"],
            LOG,
            "next",
            "the next match of the search",
        ),
        4,
    ),
    look(
        line(
            Id::SearchPrevious,
            "search-previous",
            &["N"],
            LOG,
            "previous",
            "the previous match of the search",
        ),
        5,
    ),
    look(
        line(
            Id::LogOpen,
            "open-log",
            &["o"],
            &Place::ALL,
            "open…",
            "shows a file as a log, or what a command writes (`!journalctl -f`), here or on the selected server; remembers the path",
        ),
        0,
    ),
    look(
        line(
            Id::LogClose,
            "close-log",
            &["backspace"],
            LOG,
            "back to the job",
            "closes the file or command, and shows the job's log again",
        ),
        0,
    ),
    look(
        line(
            Id::LogFilters,
            "log-filters",
            &["&"],
            LOG,
            "filters",
            "hides lines: `text` keeps those with it, `!text` hides them; several count together, each can be switched off",
        ),
        10,
    ),
    look(
        line(
            Id::LogLevel,
            "log-level",
            &["L"],
            LOG,
            "level",
            "hides lines below a level: all, warnings, errors; a traceback goes with its line",
        ),
        12,
    ),
    look(
        line(
            Id::LogContext,
            "log-context",
            &["C"],
            LOG,
            "context",
            "shows 1, 3 or 10 lines around those that the filters let through",
        ),
        0,
    ),
    look(
        line(
            Id::LogWrap,
            "log-wrap",
            &["w"],
            LOG,
            "wrap",
            "long lines go on below themselves, or run out to the right",
        ),
        13,
    ),
    look(
        line(
            Id::LogTime,
            "log-time",
            &["t"],
            LOG,
            "time",
            "shows times as local, UTC, how long ago, or as written",
        ),
        14,
    ),
    look(
        line(
            Id::NextError,
            "next-error",
            &["e"],
            LOG,
            "next error",
            "to the next error, from the line pointed at, around the end",
        ),
        6,
    ),
    look(
        line(
            Id::PreviousError,
            "previous-error",
            &["E"],
            LOG,
            "previous error",
            "to the previous error",
        ),
        7,
    ),
    look(
        line(
            Id::LogMark,
            "log-mark",
            &["m"],
            LOG,
            "mark",
            "marks the line pointed at, or takes its mark away",
        ),
        15,
    ),
    look(
        line(Id::NextMark, "next-mark", &["u"], LOG, "next mark", "to the next mark"),
        0,
    ),
    look(
        line(
            Id::PreviousMark,
            "previous-mark",
            &["U"],
            LOG,
            "previous mark",
            "to the previous mark",
        ),
        0,
    ),
    look(
        line(
            Id::LogCopy,
            "log-copy",
            &["c"],
            LOG,
            "copy",
            "copies the marked lines, or the one pointed at, to the clipboard of your terminal (through ssh and tmux)",
        ),
        16,
    ),
    look(
        line(
            Id::LogCopyScreen,
            "log-copy-screen",
            &["Y"],
            LOG,
            "copy the screen",
            "copies the lines on the screen, without frames and signs",
        ),
        0,
    ),
    look(
        line(
            Id::LogSave,
            "log-save",
            &["ctrl-s"],
            LOG,
            "save",
            "writes the whole log, as far as the filters let it through, into a file",
        ),
        17,
    ),
    since(
        Id::SinceAll,
        "since-all",
        &["0"],
        "no line is too old; follows the newest",
    ),
    since(
        Id::SinceHead,
        "since-head",
        &["1"],
        "no line is too old; to the very first",
    ),
    since(
        Id::SinceMinute,
        "since-1m",
        &["2"],
        "only what was written within the last minute",
    ),
    since(Id::SinceFive, "since-5m", &["3"], "only the last 5 minutes"),
    since(Id::SinceQuarter, "since-15m", &["4"], "only the last 15 minutes"),
    since(Id::SinceHalf, "since-30m", &["5"], "only the last 30 minutes"),
    since(Id::SinceHour, "since-1h", &["6"], "only the last hour"),
];
