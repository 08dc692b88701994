//! The columns of plans and customers.

use super::field::{Field, Kind, Row, Value};
use crate::domain::instance::{Customer, Plan};
use crate::tui::action::ActionId as Id;

fn plan<'a>(row: Row<'a>, get: impl FnOnce(&'a Plan) -> Value<'a>) -> Value<'a> {
    match row {
        Row::Plan(plan) => get(plan),
        _ => Value::None,
    }
}

fn customer<'a>(row: Row<'a>, get: impl FnOnce(&'a Customer) -> Value<'a>) -> Value<'a> {
    match row {
        Row::Customer(customer) => get(customer),
        _ => Value::None,
    }
}

/// The plans' columns.
pub(super) static PLANS: &[Field] = &[
    Field {
        name: "code",
        also: &["plan"],
        title: "plan",
        get: |_, row| plan(row, |p| Value::Text(&p.code)),
        width: (10, 20),
        rank: 1,
        free: true,
        sort: Some(Id::SortName),
        ..Field::PLAIN
    },
    Field {
        name: "name",
        title: "name",
        get: |_, row| plan(row, |p| Value::Text(p.name.as_str())),
        width: (8, 28),
        rank: 2,
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "users",
        also: &["max_users"],
        title: "users",
        kind: Kind::Number,
        get: |_, row| plan(row, |p| Value::count(p.max_users)),
        width: (6, 8),
        rank: 3,
        sort: Some(Id::SortLength),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "storage",
        also: &["size", "max_storage_gb"],
        title: "storage",
        kind: Kind::Bytes,
        get: |_, row| {
            plan(row, |p| {
                p.max_storage_gb
                    .map_or(Value::None, |gb| Value::Bytes(u64::from(gb) * 1_000_000_000))
            })
        },
        width: (7, 9),
        rank: 4,
        sort: Some(Id::SortSize),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "instances",
        title: "instances",
        kind: Kind::Number,
        get: |store, row| plan(row, |p| Value::Number(f64::from(store.instances_of_plan(p.id)))),
        width: (9, 9),
        rank: 2,
        sort: Some(Id::SortCount),
        most_first: true,
        ..Field::PLAIN
    },
];

/// The customers' columns.
pub(super) static CUSTOMERS: &[Field] = &[
    Field {
        name: "name",
        also: &["customer"],
        title: "customer",
        get: |_, row| customer(row, |c| Value::Text(c.name.as_str())),
        width: (14, 40),
        rank: 1,
        free: true,
        sort: Some(Id::SortName),
        ..Field::PLAIN
    },
    Field {
        name: "instances",
        title: "instances",
        kind: Kind::Number,
        get: |store, row| customer(row, |c| Value::Number(f64::from(store.instances_of_customer(c.id)))),
        width: (9, 9),
        rank: 2,
        sort: Some(Id::SortCount),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "email",
        title: "e-mail",
        get: |_, row| customer(row, |c| Value::some(c.email.as_deref())),
        width: (12, 36),
        rank: 3,
        free: true,
        ..Field::PLAIN
    },
];
