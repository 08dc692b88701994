//! The columns of what happened.

use super::field::{Field, Kind, Row, Value};
use crate::domain::SafeText;
use crate::domain::audit::AuditEntry;
use crate::tui::action::ActionId as Id;

fn entry<'a>(row: Row<'a>, get: impl FnOnce(&'a AuditEntry) -> Value<'a>) -> Value<'a> {
    match row {
        Row::Audit(entry) => get(entry),
        _ => Value::None,
    }
}

/// A text from outside, as it can be shown.
fn safe(text: &str) -> Value<'static> {
    Value::Made(SafeText::new(text).to_string())
}

/// The columns of what happened.
pub(super) static AUDIT: &[Field] = &[
    Field {
        name: "age",
        also: &["when", "at"],
        title: "when",
        kind: Kind::Time,
        get: |_, row| entry(row, |e| Value::Time(e.at)),
        width: (8, 11),
        rank: 1,
        sort: Some(Id::SortAge),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "who",
        also: &["user", "by"],
        title: "who",
        get: |_, row| entry(row, |e| safe(&e.who())),
        width: (5, 28),
        rank: 3,
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "what",
        also: &["action"],
        title: "what",
        get: |_, row| entry(row, |e| safe(&e.action)),
        width: (13, 24),
        rank: 1,
        free: true,
        sort: Some(Id::SortName),
        ..Field::PLAIN
    },
    Field {
        name: "on",
        also: &["name", "label"],
        title: "on",
        get: |_, row| entry(row, |e| safe(&e.label)),
        width: (7, 26),
        rank: 2,
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "change",
        also: &["changes"],
        title: "from → to",
        get: |_, row| entry(row, |e| safe(&e.change())),
        width: (12, 90),
        rank: 4,
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "via",
        also: &["through"],
        title: "through",
        kind: Kind::Word(&["dashboard", "cli", "worker", "sql"]),
        get: |_, row| entry(row, |e| safe(&e.actor.via)),
        width: (9, 9),
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "refused",
        title: "refused",
        get: |_, row| entry(row, |e| e.refused.as_deref().map_or(Value::None, safe)),
        width: (10, 40),
        ..Field::PLAIN
    },
    Field {
        name: "object",
        title: "object",
        get: |_, row| entry(row, |e| safe(&e.object)),
        width: (10, 16),
        free: true,
        ..Field::PLAIN
    },
];
