//! The table's lines about marks, bulks and read-only profiles.

use super::line::{line, look, program};
use super::{Action, ActionId as Id, Group, Place};

const ALL: &[Place] = &Place::ALL;
const MARKED: &[Place] = &[Place::Servers, Place::Instances, Place::Templates, Place::Jobs];

/// Marks, bulks, unlocking.
pub(super) const BULK: &[Action] = &[
    Action {
        footer: 12,
        ..find(line(
            Id::Mark,
            "mark",
            &["space"],
            MARKED,
            "mark",
            "marks the row, or takes its mark away; what is done then is done to all marked ones, after its plan was shown",
        ))
    },
    find(line(
        Id::MarkRange,
        "mark-range",
        &["v"],
        MARKED,
        "range",
        "marks from here to where one goes; again: ends there",
    )),
    find(line(
        Id::MarkAll,
        "mark-all",
        &["m a"],
        MARKED,
        "mark all",
        "marks all rows that the filter shows",
    )),
    find(line(
        Id::MarkInvert,
        "mark-invert",
        &["m i"],
        MARKED,
        "invert marks",
        "marks of the shown rows those that are not, and takes the others' marks away",
    )),
    find(line(
        Id::Unmark,
        "mark-none",
        &["m n"],
        MARKED,
        "no marks",
        "takes all marks away (Esc does too)",
    )),
    look(
        line(
            Id::Receipts,
            "receipts",
            &["m r"],
            MARKED,
            "receipts",
            "what became of each of the last bulk; from there it stops, and runs again what failed",
        ),
        0,
    ),
    program(
        line(
            Id::Unlock,
            "unlock",
            &[],
            ALL,
            "unlock",
            "lets a read-only profile be changed for a while: `:unlock 10m`",
        ),
        0,
    ),
    program(
        line(
            Id::LockAgain,
            "lock",
            &[],
            ALL,
            "lock",
            "makes the profile read-only again before its time",
        ),
        0,
    ),
];

const fn find(action: Action) -> Action {
    Action {
        group: Group::Find,
        ..action
    }
}
