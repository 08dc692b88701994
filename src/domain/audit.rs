//! Who did what, when: one row for every change and every refused attempt.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    User,
    /// Reads, changes and acts.
    Manager,
    /// Also creates and deletes servers and templates.
    Admin,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The operating system's user.
    pub os_user: String,
    /// The machine.
    pub host: String,
    /// Through what: `dashboard`, `cli`, `worker`.
    pub via: String,
}

/// A row of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The operation's id, which a retried commit repeats.
    pub op_id: String,
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
}
