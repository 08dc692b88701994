//! The columns of servers, templates and jobs.

use super::field::{Field, Kind, Row, Value};
use crate::domain::capacity::used_percent;
use crate::domain::job::Job;
use crate::domain::server::Server;
use crate::domain::template::Template;
use crate::tui::action::ActionId as Id;

fn server<'a>(row: Row<'a>, get: impl FnOnce(&'a Server) -> Value<'a>) -> Value<'a> {
    match row {
        Row::Server(server) => get(server),
        _ => Value::None,
    }
}

fn template<'a>(row: Row<'a>, get: impl FnOnce(&'a Template) -> Value<'a>) -> Value<'a> {
    match row {
        Row::Template(template) => get(template),
        _ => Value::None,
    }
}

fn job<'a>(row: Row<'a>, get: impl FnOnce(&'a Job) -> Value<'a>) -> Value<'a> {
    match row {
        Row::Job(job) => get(job),
        _ => Value::None,
    }
}

/// Odoo's series as a number: 16.0 of `16.0-20240601`.
fn series(version: &str) -> Value<'static> {
    let end = version
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(version.len());
    version[..end].parse().map_or(Value::None, Value::Number)
}

/// In the order in which they are sorted: what needs a hand first.
const STATES: &[&str] = &["offline", "maintenance", "active", "draft", "disabled"];
const HEALTHS: &[&str] = &["critical", "warning", "unknown", "healthy"];

/// The servers' columns.
pub(super) static SERVERS: &[Field] = &[
    Field {
        name: "code",
        also: &["server"],
        title: "code",
        get: |_, row| server(row, |s| Value::Text(s.spec.code.as_str())),
        width: (6, 22),
        rank: 1,
        free: true,
        sort: Some(Id::SortName),
        ..Field::PLAIN
    },
    Field {
        name: "name",
        title: "name",
        get: |_, row| server(row, |s| Value::Text(s.spec.name.as_str())),
        width: (8, 24),
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "state",
        title: "state",
        kind: Kind::Word(STATES),
        get: |_, row| server(row, |s| Value::Text(s.state().word())),
        width: (7, 11),
        rank: 3,
        free: true,
        sort: Some(Id::SortState),
        ..Field::PLAIN
    },
    Field {
        name: "capacity",
        also: &["used", "full"],
        title: "capacity",
        kind: Kind::Percent,
        get: |_, row| {
            server(row, |s| {
                Value::Percent(used_percent(s.instance_count, s.spec.max_instances))
            })
        },
        width: (5, 22),
        rank: 4,
        sort: Some(Id::SortCount),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "health",
        title: "health",
        kind: Kind::Word(HEALTHS),
        get: |_, row| server(row, |s| Value::Text(s.track.status.word())),
        // `✖ refused` is the most important word of a row.
        width: (9, 60),
        rank: 2,
        free: true,
        sort: Some(Id::SortHealth),
        ..Field::PLAIN
    },
    Field {
        name: "reason",
        also: &["why"],
        title: "reason",
        get: |_, row| server(row, |s| Value::Text(s.track.reason.as_str())),
        width: (10, 40),
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "latency",
        title: "latency",
        kind: Kind::Millis,
        get: |_, row| server(row, |s| s.track.latency_ms.map_or(Value::None, Value::Millis)),
        width: (8, 9),
        sort: Some(Id::SortLength),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "instances",
        title: "instances",
        kind: Kind::Number,
        get: |_, row| server(row, |s| Value::Number(f64::from(s.instance_count))),
        width: (9, 9),
        sort: Some(Id::SortPlan),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "places",
        also: &["max_instances"],
        title: "places",
        kind: Kind::Number,
        get: |_, row| server(row, |s| Value::Number(f64::from(s.spec.max_instances))),
        width: (6, 9),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "checked",
        also: &["check"],
        title: "checked",
        kind: Kind::Time,
        get: |_, row| server(row, |s| s.track.last_check.map_or(Value::None, Value::Time)),
        width: (9, 12),
        sort: Some(Id::SortAge),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "version",
        also: &["ver", "odoo"],
        title: "Odoo",
        kind: Kind::Number,
        get: |_, row| {
            server(row, |s| {
                s.track.version.as_ref().map_or(Value::None, |v| series(v.as_str()))
            })
        },
        width: (6, 14),
        ..Field::PLAIN
    },
    Field {
        name: "url",
        title: "URL",
        get: |_, row| server(row, |s| Value::Text(s.spec.server_url.as_str())),
        width: (12, 36),
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "age",
        also: &["created", "added"],
        title: "added",
        kind: Kind::Time,
        get: |_, row| server(row, |s| Value::Time(s.created_at)),
        width: (9, 12),
        most_first: true,
        ..Field::PLAIN
    },
];

/// The templates' columns.
pub(super) static TEMPLATES: &[Field] = &[
    Field {
        name: "code",
        also: &["template"],
        title: "code",
        get: |_, row| template(row, |t| Value::Text(t.spec.code.as_str())),
        width: (10, 20),
        rank: 1,
        free: true,
        sort: Some(Id::SortName),
        ..Field::PLAIN
    },
    Field {
        name: "state",
        title: "state",
        kind: Kind::Word(&["failed", "creating", "draft", "ready"]),
        get: |_, row| template(row, |t| Value::Text(t.state.word())),
        width: (11, 11),
        rank: 1,
        free: true,
        sort: Some(Id::SortState),
        ..Field::PLAIN
    },
    Field {
        name: "server",
        title: "server",
        get: |store, row| template(row, |t| Value::Text(store.server_code(t.spec.server_id))),
        width: (8, 16),
        rank: 2,
        free: true,
        sort: Some(Id::SortServer),
        ..Field::PLAIN
    },
    Field {
        name: "used",
        also: &["instances"],
        title: "used",
        kind: Kind::Number,
        get: |_, row| template(row, |t| Value::Number(f64::from(t.instance_count))),
        width: (5, 6),
        rank: 3,
        sort: Some(Id::SortCount),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "database",
        also: &["db"],
        title: "database",
        get: |_, row| template(row, |t| Value::Text(t.spec.template_database.as_str())),
        width: (14, 28),
        rank: 4,
        free: true,
        sort: Some(Id::SortDatabase),
        ..Field::PLAIN
    },
    Field {
        name: "language",
        title: "language",
        get: |_, row| template(row, |t| Value::some(Some(&t.spec.language))),
        width: (8, 8),
        rank: 6,
        ..Field::PLAIN
    },
    Field {
        name: "name",
        title: "name",
        get: |_, row| template(row, |t| Value::Text(t.spec.name.as_str())),
        width: (8, 24),
        rank: 5,
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "size",
        title: "size",
        kind: Kind::Bytes,
        get: |_, row| template(row, |t| t.facts.size_bytes.map_or(Value::None, Value::Bytes)),
        width: (7, 7),
        rank: 8,
        sort: Some(Id::SortSize),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "age",
        also: &["created", "added"],
        title: "added",
        kind: Kind::Time,
        get: |_, row| template(row, |t| Value::Time(t.created_at)),
        width: (12, 12),
        rank: 9,
        sort: Some(Id::SortAge),
        most_first: true,
        ..Field::PLAIN
    },
];

/// The jobs' columns.
pub(super) static JOBS: &[Field] = &[
    Field {
        name: "job",
        also: &["id"],
        title: "job",
        kind: Kind::Number,
        get: |_, row| job(row, |j| Value::Number(j.id.0 as f64)),
        width: (5, 6),
        rank: 1,
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "state",
        title: "state",
        kind: Kind::Word(&["stuck", "failed", "undoing", "running", "queued", "cancelled", "done"]),
        get: |_, row| job(row, |j| Value::Text(j.state.word())),
        width: (11, 11),
        rank: 1,
        free: true,
        sort: Some(Id::SortState),
        ..Field::PLAIN
    },
    Field {
        name: "age",
        also: &["asked", "created"],
        title: "asked",
        kind: Kind::Time,
        get: |_, row| job(row, |j| Value::Time(j.created_at)),
        width: (10, 12),
        rank: 3,
        sort: Some(Id::SortAge),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "title",
        also: &["what", "name"],
        title: "what",
        get: |_, row| job(row, |j| Value::Text(j.title.as_str())),
        width: (12, 60),
        rank: 1,
        free: true,
        sort: Some(Id::SortName),
        ..Field::PLAIN
    },
    Field {
        name: "kind",
        title: "kind",
        kind: Kind::Word(&[
            "instance_create",
            "instance_delete",
            "template_create",
            "template_adopt",
            "template_thaw",
        ]),
        get: |_, row| job(row, |j| Value::Text(j.spec.kind().word())),
        width: (15, 15),
        ..Field::PLAIN
    },
    Field {
        name: "server",
        title: "server",
        get: |store, row| job(row, |j| Value::Text(store.server_code(j.spec.server_id()))),
        width: (8, 14),
        free: true,
        sort: Some(Id::SortServer),
        ..Field::PLAIN
    },
    Field {
        name: "by",
        also: &["asked_by", "operator"],
        title: "by",
        get: |_, row| job(row, |j| Value::Text(&j.asked_by)),
        width: (8, 18),
        free: true,
        ..Field::PLAIN
    },
    Field {
        name: "took",
        also: &["duration", "length"],
        title: "took",
        kind: Kind::Millis,
        get: |_, row| {
            job(row, |j| match (j.started_at, j.finished_at) {
                (Some(from), Some(to)) => {
                    Value::Millis(u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0))
                }
                _ => Value::None,
            })
        },
        width: (9, 10),
        rank: 4,
        sort: Some(Id::SortLength),
        most_first: true,
        ..Field::PLAIN
    },
    Field {
        name: "problem",
        also: &["why"],
        title: "problem",
        get: |_, row| job(row, |j| Value::some(j.problem.as_ref().map(|p| p.message.as_str()))),
        width: (10, 40),
        free: true,
        ..Field::PLAIN
    },
];
