//! Why the registry refuses, or fails.

use crate::domain::server::Refusal;
use crate::domain::{JobId, Problem};

/// Why the registry refused, or could not answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RegistryError {
    /// No such row.
    #[error("there is no {what} {key:?}")]
    NotFound {
        /// `server`, `template`, ….
        what: &'static str,
        /// What was looked for.
        key: String,
    },
    /// A value that must be unique is taken.
    #[error("{what} {value:?} is taken already")]
    Taken {
        /// `server code`, `server URL`, `database name`, `subdomain`, ….
        what: &'static str,
        /// The value.
        value: String,
    },
    /// The row was changed since it was read.
    #[error("{what} {key} was changed meanwhile: {difference}")]
    Changed {
        /// `server`, `template`, ….
        what: &'static str,
        /// Which.
        key: String,
        /// What is different.
        difference: String,
    },
    /// The life cycle refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The role one is connected as may not.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// Another rule refuses; the message says which and why.
    #[error("{0}")]
    Rule(String),
    /// What the operation needs alone is held by another job.
    #[error("{what} is in use by job {job}")]
    Reserved {
        /// The reserved thing, as an operator reads it.
        what: String,
        /// Who holds it.
        job: JobId,
    },
    /// The lease was lost: another worker has the job.
    #[error("job {job} is no longer ours (token {token} is stale)")]
    StaleToken {
        /// The job.
        job: JobId,
        /// Our token.
        token: i64,
    },
    /// The store is newer than this program.
    #[error("the registry has schema {found}, this vigie knows {known}: install the newer vigie")]
    NewerSchema {
        /// Its schema's version.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// The store can't be used where it is (a network file system, a read-only disk, …).
    #[error("the registry at {place} can't be used: {why}")]
    Unusable {
        /// File or address.
        place: String,
        /// Why, and what to do.
        why: String,
    },
    /// The store failed: busy for too long, disk full, connection lost.
    #[error("the registry failed: {what}")]
    Store {
        /// What it said.
        what: String,
        /// Whether trying again may help.
        transient: bool,
    },
}

impl RegistryError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store { transient: true, .. })
    }

    /// The error as it is shown.
    pub fn problem(&self) -> Problem {
        let (code, hint) = match self {
            Self::NotFound { .. } => ("not_found", None),
            Self::Taken { .. } => ("taken", Some("choose another")),
            Self::Changed { .. } => ("changed", Some("look at it again, then repeat what you want of it")),
            Self::Refused(Refusal::ConnectionTestFailed(_)) => {
                ("connection_test_failed", Some("run the test (t) and do what it says"))
            }
            Self::Refused(_) => ("has_instances", Some("move or remove its instances first")),
            Self::NotAllowed(_) => (
                "not_allowed",
                Some("`vigie registry status` says which role is yours, and what it may"),
            ),
            Self::Rule(_) => ("refused", None),
            Self::Reserved { .. } => ("reserved", Some("wait for that job to end, or cancel it")),
            Self::StaleToken { .. } => ("stale_token", None),
            Self::NewerSchema { .. } => ("newer_schema", None),
            Self::Unusable { .. } => ("registry_unusable", None),
            Self::Store { .. } => (
                "registry_failed",
                Some("try again; if it stays, `vigie doctor` says more"),
            ),
        };
        let problem = Problem::new(code, self.to_string());
        match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}
