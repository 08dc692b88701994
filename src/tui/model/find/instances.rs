//! The instances' columns.

use super::super::row::InstanceRow;
use super::field::{Field, Kind, Row, Value};
use crate::tui::action::ActionId as Id;

fn instance<'a>(row: Row<'a>, get: impl FnOnce(&'a InstanceRow) -> Value<'a>) -> Value<'a> {
    match row {
        Row::Instance(instance) => get(instance),
        _ => Value::None,
    }
}

/// In the order in which they are sorted: what needs a hand first.
const STATES: &[&str] = &["failed", "provisioning", "deleting", "suspended", "draft", "active"];

/// The instances' columns.
pub(super) static INSTANCES: &[Field] = &[
    Field {
        name: "name",
        title: "name",
        get: |_, row| instance(row, |i| Value::Text(i.name())),
        width: (13, 36),
        rank: 1,
        free: true,
        sort: Some(Id::SortName),
        ..Field::PLAIN
    },
    Field {
        name: "server",
        title: "server",
        get: |store, row| instance(row, |i| Value::Text(store.server_code(i.server))),
        width: (9, 12),
        rank: 2,
        free: true,
        sort: Some(Id::SortServer),
        ..Field::PLAIN
    },
    Field {
        name: "subdomain",
        also: &["address"],
        title: "subdomain",
        get: |_, row| instance(row, |i| Value::Text(i.subdomain())),
        width: (13, 24),
        rank: 4,
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "plan",
        title: "plan",
        get: |store, row| {
            instance(row, |i| {
                Value::some(i.plan().and_then(|id| store.plan(id)).map(|p| p.code.as_str()))
            })
        },
        width: (8, 10),
        rank: 5,
        free: true,
        sort: Some(Id::SortPlan),
        ..Field::PLAIN
    },
    Field {
        name: "customer",
        title: "customer",
        get: |store, row| {
            instance(row, |i| {
                Value::some(i.customer().and_then(|id| store.customer(id)).map(|c| c.name.as_str()))
            })
        },
        width: (16, 24),
        rank: 6,
        free: true,
        sort: Some(Id::SortCount),
        ..Field::PLAIN
    },
    Field {
        name: "database",
        also: &["db"],
        title: "database",
        get: |_, row| instance(row, |i| Value::Text(i.database())),
        width: (18, 24),
        rank: 7,
        free: true,
        sort: Some(Id::SortDatabase),
        ..Field::PLAIN
    },
    Field {
        name: "age",
        also: &["created"],
        title: "created",
        kind: Kind::Time,
        get: |_, row| instance(row, |i| Value::Time(i.created_at())),
        width: (12, 12),
        rank: 8,
        sort: Some(Id::SortAge),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "template",
        title: "template",
        get: |store, row| {
            instance(row, |i| {
                Value::some(
                    i.template()
                        .and_then(|id| store.template(id))
                        .map(|t| t.spec.code.as_str()),
                )
            })
        },
        width: (10, 16),
        rank: 9,
        ..Field::PLAIN
    },
    Field {
        name: "state",
        title: "state",
        kind: Kind::Word(STATES),
        get: |_, row| instance(row, |i| Value::Text(i.state.word())),
        width: (11, 12),
        rank: 1,
        free: true,
        sort: Some(Id::SortState),
        ..Field::PLAIN
    },
    Field {
        name: "size",
        title: "size",
        kind: Kind::Bytes,
        get: |_, row| instance(row, |i| i.size_bytes().map_or(Value::None, Value::Bytes)),
        width: (7, 7),
        rank: 3,
        sort: Some(Id::SortSize),
        most_first: true,
        ..Field::PLAIN
    },
];
