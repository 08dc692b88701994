//! What PostgreSQL answers when it refuses, told apart by its SQLSTATE.

use crate::domain::SafeText;
use crate::domain::check::Failure;

/// Why something on a server's PostgreSQL could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PgError {
    /// No way to it.
    #[error("{what}: {failure}")]
    Unreachable {
        /// What was tried, on which address.
        what: String,
        /// Why not.
        failure: Failure,
    },
    /// PostgreSQL answered with an error.
    #[error("{what}: PostgreSQL answers {state}: {message}")]
    Refused {
        /// What was tried.
        what: String,
        /// SQLSTATE.
        state: String,
        /// Its message, with the detail.
        message: SafeText,
    },
    /// The connection broke off.
    #[error("{what}: the connection to PostgreSQL broke off: {why}")]
    Broken {
        /// What was tried.
        what: String,
        /// Why.
        why: SafeText,
    },
    /// A database that this program did not make, or that is no longer what was recorded: it is
    /// never touched.
    #[error("{what}: refused: {why}")]
    Stranger {
        /// What was tried.
        what: String,
        /// What it is instead.
        why: String,
    },
    /// Something that should be there is not, or has another shape.
    #[error("{what}: {why}")]
    Unexpected {
        /// What was tried.
        what: String,
        /// What is wrong.
        why: String,
    },
}

impl PgError {
    /// The SQLSTATE, where PostgreSQL answered with one.
    pub fn state(&self) -> Option<&str> {
        match self {
            Self::Refused { state, .. } => Some(state),
            _ => None,
        }
    }
    /// The name is taken (42P04), or a unique value is (23505).
    pub fn is_duplicate(&self) -> bool {
        matches!(self.state(), Some("42P04" | "23505"))
    }
    /// There is no such database (3D000).
    pub fn is_missing(&self) -> bool {
        self.state() == Some("3D000")
    }
    /// Someone is connected to what must be idle (55006).
    pub fn is_in_use(&self) -> bool {
        self.state() == Some("55006")
    }
    /// Role or password is refused (class 28).
    pub fn is_login(&self) -> bool {
        self.state().is_some_and(|s| s.starts_with("28"))
    }
    /// The role may not do this (42501).
    pub fn is_permission(&self) -> bool {
        self.state() == Some("42501")
    }

    /// Whether the same call may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { failure, .. } => {
                !matches!(failure, Failure::Tls { .. } | Failure::NameUnresolved { .. })
            }
            Self::Broken { .. } => true,
            Self::Refused { state, .. } => {
                matches!(
                    state.as_str(),
                    "55006" | "40001" | "40P01" | "53300" | "57P03" | "57P01" | "57014" | "55P03"
                )
            }
            Self::Stranger { .. } | Self::Unexpected { .. } => false,
        }
    }

    /// Whether the call may have had its effect all the same, now or seconds later.
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Refused { state, .. } => matches!(state.as_str(), "57P01" | "57P02"),
            Self::Unreachable { .. } | Self::Stranger { .. } | Self::Unexpected { .. } => false,
        }
    }

    /// A stable word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "database_unreachable",
            Self::Broken { .. } => "connection_broken",
            Self::Stranger { .. } => "not_ours",
            Self::Unexpected { .. } => "unexpected_database",
            Self::Refused { .. } if self.is_duplicate() => "database_exists",
            Self::Refused { .. } if self.is_missing() => "no_such_database",
            Self::Refused { .. } if self.is_in_use() => "database_in_use",
            Self::Refused { .. } if self.is_login() => "database_login",
            Self::Refused { .. } => "database_refused",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable {
                failure: Failure::Tls { .. },
                ..
            } => "mend PostgreSQL's certificate, or set db_tls to what the server really offers; it is never skipped",
            Self::Unreachable { .. } => "start PostgreSQL, or mend db_host and db_port",
            Self::Broken { .. } => "PostgreSQL was stopped, or ended the session: look at its log",
            Self::Stranger { .. } => "look at that database by hand: it was made or changed by someone else",
            Self::Unexpected { .. } => "check that this is the database that was meant",
            Self::Refused { state, .. } => match state.as_str() {
                "42P04" => "take another name, or adopt the database that is there",
                "3D000" => "check the database's name on that server",
                "55006" => "sessions are open on it (an idle Odoo keeps some): freeze the template, or end them",
                "42501" => "the role needs CREATEDB, and to own the database that is copied or dropped",
                "53300" => "PostgreSQL has no free connection: raise max_connections, or end idle sessions",
                "57P03" => "PostgreSQL is starting up or shutting down: wait, then look at its log",
                "55000" => "the database does not accept connections (frozen as a template), or a DROP was interrupted",
                s if s.starts_with("28") => "mend db_user and its password, or pg_hba.conf",
                s if s.starts_with("53") => "PostgreSQL is out of disk or memory",
                _ => return None,
            },
        };
        Some(hint.to_owned())
    }
}
