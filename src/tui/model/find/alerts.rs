//! The columns of alerts.

use super::super::attention::AlertRow;
use super::field::{Field, Kind, Row, Value};
use crate::tui::action::ActionId as Id;

fn alert<'a>(row: Row<'a>, get: impl FnOnce(&'a AlertRow) -> Value<'a>) -> Value<'a> {
    match row {
        Row::Alert(row) => get(row),
        _ => Value::None,
    }
}

/// In the order in which they are sorted: what needs a hand first.
const STATES: &[&str] = &["open", "clearing", "acknowledged", "snoozed", "muted", "cleared"];
const KINDS: &[&str] = &[
    "registry_lost",
    "server_offline",
    "server_critical",
    "job_stuck",
    "worker_gone",
    "job_failed",
    "server_full",
];

/// The columns of alerts.
pub(super) static ALERTS: &[Field] = &[
    Field {
        name: "state",
        title: "state",
        kind: Kind::Word(STATES),
        get: |_, row| alert(row, |a| Value::Text(a.state.word())),
        width: (6, 14),
        rank: 1,
        free: true,
        sort: Some(Id::SortState),
        ..Field::PLAIN
    },
    Field {
        name: "kind",
        also: &["what"],
        title: "what",
        kind: Kind::Word(KINDS),
        get: |_, row| alert(row, |a| Value::Text(a.alert.kind.word())),
        width: (14, 15),
        rank: 2,
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "name",
        also: &["on", "server", "job"],
        title: "on",
        get: |_, row| alert(row, |a| Value::Text(a.alert.label.as_str())),
        width: (8, 22),
        rank: 1,
        free: true,
        sort: Some(Id::SortName),
        ..Field::PLAIN
    },
    Field {
        name: "why",
        also: &["reason", "text"],
        title: "why",
        get: |_, row| alert(row, |a| Value::Text(a.alert.text.as_str())),
        width: (16, 80),
        rank: 3,
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "age",
        also: &["when", "raised"],
        title: "since",
        kind: Kind::Time,
        get: |_, row| alert(row, |a| Value::Time(a.alert.raised_at)),
        width: (10, 12),
        rank: 4,
        sort: Some(Id::SortAge),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "times",
        also: &["count"],
        title: "times",
        kind: Kind::Number,
        get: |_, row| alert(row, |a| Value::Number(f64::from(a.alert.times))),
        width: (5, 5),
        sort: Some(Id::SortCount),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "by",
        also: &["acknowledged"],
        title: "known to",
        get: |_, row| {
            alert(row, |a| {
                Value::some(a.alert.acknowledged.as_ref().map(|known| known.by.as_str()))
            })
        },
        width: (10, 20),
        free: true,
        ..Field::PLAIN
    },
];
