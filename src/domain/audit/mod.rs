//! Who did what, when: one row for every change and every refused attempt, each chained to the one
//! before it (see [`chain`]).

pub mod chain;
#[cfg(test)]
mod tests;

pub use chain::{Anchor, Break, Chain, Digest, Row, Verdict};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The operating system's user.
    pub os_user: String,
    /// The machine.
    pub host: String,
    /// Through what: `dashboard`, `cli`, `worker`; `sql` for what a hand-written client did to a
    /// shared registry.
    pub via: String,
}

/// A row of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number: rows are numbered without gaps.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The operation's id, which a retried commit repeats.
    pub op_id: String,
    /// The role that was connected to a shared registry, as the database itself knows it; `None` on
    /// an embedded one, which has no roles.
    pub db_role: Option<String>,
    /// Who.
    pub actor: Actor,
    /// What: `server.activate`, `job.queue`, ….
    pub action: String,
    /// On what: `server:7`.
    pub object: String,
    /// What it is called.
    pub label: String,
    /// The changed fields before, secrets as references.
    pub from: Option<serde_json::Value>,
    /// And after.
    pub to: Option<serde_json::Value>,
    /// Why it was refused; `None` when it was done.
    pub refused: Option<String>,
    /// SHA-256 over the row before's hash and this row, lower-case hexadecimal.
    pub hash: String,
}

impl AuditEntry {
    /// Who, in a word: `marie@desk`, and the database's role where it is called otherwise.
    pub fn who(&self) -> String {
        let Actor { os_user, host, .. } = &self.actor;
        match &self.db_role {
            Some(role) if role != os_user => format!("{os_user}@{host} as {role}"),
            _ => format!("{os_user}@{host}"),
        }
    }

    /// What became of it, in a line: why it was refused, or the changed fields.
    pub fn change(&self) -> String {
        if let Some(why) = &self.refused {
            return format!("refused: {why}");
        }
        let parts: Vec<String> = self
            .fields()
            .into_iter()
            .map(|field| match (field.from, field.to) {
                (Some(from), Some(to)) => format!("{} {from} → {to}", field.name),
                (None, Some(to)) => format!("{} {to}", field.name),
                (Some(from), None) => format!("{} {from} → –", field.name),
                (None, None) => field.name,
            })
            .collect();
        parts.join(", ")
    }

    /// The changed fields, each with its value before and after; what is null on one side is not there.
    pub fn fields(&self) -> Vec<Field> {
        let side = |value: &Option<serde_json::Value>| match value {
            Some(serde_json::Value::Object(fields)) => fields.clone(),
            _ => serde_json::Map::new(),
        };
        let (from, to) = (side(&self.from), side(&self.to));
        let mut names: Vec<&String> = to.keys().collect();
        names.extend(from.keys().filter(|name| !to.contains_key(*name)));
        names
            .into_iter()
            .map(|name| Field {
                name: name.clone(),
                from: from.get(name).and_then(shown),
                to: to.get(name).and_then(shown),
            })
            .filter(|field| field.from.is_some() || field.to.is_some())
            .collect()
    }
}

/// A changed field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value before, as text.
    pub from: Option<String>,
    /// And after.
    pub to: Option<String>,
}

/// A value as an operator reads it: texts without quotes, nothing for null and empty texts.
fn shown(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) if text.is_empty() => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Which rows of the audit are wanted; what is `None`, empty or false asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// Older than this.
    pub until: Option<Timestamp>,
    /// By this user of the operating system, or this role of the database.
    pub who: Option<String>,
    /// From this machine.
    pub host: Option<String>,
    /// Through this: `dashboard`, `cli`, `worker`, `sql`.
    pub via: Option<String>,
    /// Whose action begins so: `server.`, `job.cancel`.
    pub action: Option<String>,
    /// On exactly this: `server:7`.
    pub object: Option<String>,
    /// Refused attempts only.
    pub refused: bool,
    /// With this text, ASCII letters in either case, in who, what, on what, its name, the values or the refusal.
    pub text: Option<String>,
    /// Only rows before this number: the next page of older ones.
    pub before: Option<i64>,
    /// Only rows after this number: what came since.
    pub after: Option<i64>,
    /// At most so many, the newest first; 0: 200.
    pub limit: usize,
}

impl AuditFilter {
    /// The newest rows, at most so many.
    pub fn newest(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// At most how many rows.
    pub fn limit(&self) -> usize {
        if self.limit == 0 { 200 } else { self.limit }
    }
}
