//! What Odoo answers when it refuses, told apart by the class it names, never by its words: those
//! are in the user's language, and the same for different causes.

use crate::domain::SafeText;
use crate::domain::check::Failure;

/// What kind of refusal a class of Odoo's stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A wrong master password, or database management switched off (`list_db = False`: the answer
    /// is the same); a wrong uid or password of a user.
    AccessDenied,
    /// The user is known and may not do this; private methods are refused so too.
    AccessError,
    /// `create_database`, `rename`: the name is taken.
    DatabaseExists,
    /// `duplicate_database`: the target's name is taken.
    DuplicateDatabase,
    /// `duplicate_database`: no such source.
    NoSuchDatabase,
    /// Odoo can't reach this database: it doesn't exist, or PostgreSQL is down.
    DatabaseUnreachable,
    /// Someone is connected to a database that must be idle.
    DatabaseInUse,
    /// No such service, or no such `db` method.
    NoSuchMethod,
    /// Wrong arguments.
    BadCall,
    /// Refused with a message meant for the user.
    UserError,
    /// Any other class.
    Other,
}

impl FaultKind {
    /// From `error.data.name`.
    pub fn of(name: &str) -> Self {
        match name {
            "odoo.exceptions.AccessDenied" => Self::AccessDenied,
            "odoo.exceptions.AccessError" => Self::AccessError,
            "odoo.service.db.DatabaseExists" => Self::DatabaseExists,
            // The second when another copy to the same name was under way and ended meanwhile.
            "psycopg2.errors.DuplicateDatabase" | "psycopg2.errors.UniqueViolation" => Self::DuplicateDatabase,
            "psycopg2.errors.InvalidCatalogName" => Self::NoSuchDatabase,
            "psycopg2.OperationalError" | "psycopg2.errors.ConnectionException" => Self::DatabaseUnreachable,
            "psycopg2.errors.ObjectInUse" => Self::DatabaseInUse,
            "builtins.KeyError" => Self::NoSuchMethod,
            "builtins.TypeError" | "builtins.ValueError" => Self::BadCall,
            "odoo.exceptions.UserError" | "odoo.exceptions.ValidationError" | "odoo.exceptions.MissingError" => {
                Self::UserError
            }
            _ => Self::Other,
        }
    }
}

/// Why a call of Odoo failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OdooError {
    /// There was no answer of Odoo's.
    #[error("{what}: {failure}")]
    Unreachable {
        /// What was tried, on which server.
        what: String,
        /// Why there was none.
        failure: Failure,
    },
    /// Odoo answered with an error.
    #[error("{what}: Odoo answers {name}: {message}")]
    Fault {
        /// What was tried, on which server.
        what: String,
        /// What kind it is.
        kind: FaultKind,
        /// Odoo's class.
        name: SafeText,
        /// Odoo's words.
        message: SafeText,
    },
    /// Odoo answered something this call doesn't give.
    #[error("{what}: Odoo gave {got} where {wanted} was expected")]
    Unexpected {
        /// What was tried, on which server.
        what: String,
        /// What came.
        got: SafeText,
        /// What should have.
        wanted: &'static str,
    },
}

impl OdooError {
    /// The kind of Odoo's refusal, where it was one.
    pub fn kind(&self) -> Option<FaultKind> {
        match self {
            Self::Fault { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// Whether the same call may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { failure, .. } => match failure {
                Failure::Refused { .. } | Failure::NoAnswer { .. } | Failure::Broken { .. } => true,
                Failure::Http { status } => matches!(status, 429 | 502..=504),
                _ => false,
            },
            Self::Fault { kind, .. } => matches!(kind, FaultKind::DatabaseUnreachable | FaultKind::DatabaseInUse),
            Self::Unexpected { .. } => false,
        }
    }

    /// Whether the call may have had its effect all the same.
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::Unreachable { failure, .. } => !matches!(
                failure,
                Failure::NameUnresolved { .. } | Failure::Refused { .. } | Failure::Tls { .. }
            ),
            // Odoo's duplicate and create leave the database behind when a later part of them fails.
            Self::Fault { kind, .. } => matches!(
                kind,
                FaultKind::Other | FaultKind::UserError | FaultKind::DatabaseUnreachable | FaultKind::AccessError
            ),
            Self::Unexpected { .. } => true,
        }
    }

    /// A stable word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { failure, .. } => match failure {
                Failure::NameUnresolved { .. } => "name_unresolved",
                Failure::Refused { .. } => "connection_refused",
                Failure::NoAnswer { .. } => "no_answer",
                Failure::Broken { .. } => "connection_broken",
                Failure::Tls { .. } => "tls",
                Failure::NotOdoo { .. } => "not_odoo",
                Failure::Http { .. } => "http",
                Failure::OdooError { .. } => "odoo_error",
            },
            Self::Fault { kind, .. } => match kind {
                FaultKind::AccessDenied => "access_denied",
                FaultKind::AccessError => "access_error",
                FaultKind::DatabaseExists | FaultKind::DuplicateDatabase => "database_exists",
                FaultKind::NoSuchDatabase => "no_such_database",
                FaultKind::DatabaseUnreachable => "database_unreachable",
                FaultKind::DatabaseInUse => "database_in_use",
                FaultKind::NoSuchMethod => "no_such_method",
                FaultKind::BadCall => "bad_call",
                FaultKind::UserError | FaultKind::Other => "odoo_error",
            },
            Self::Unexpected { .. } => "unexpected_answer",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { failure, .. } => failure.hint(),
            Self::Fault { kind, .. } => match kind {
                FaultKind::AccessDenied => {
                    "the password is refused; for database management also check list_db in odoo.conf, whose refusal looks the same"
                }
                FaultKind::AccessError => "use an administrator's login",
                FaultKind::DatabaseExists | FaultKind::DuplicateDatabase => {
                    "take another name, or adopt the database that is there"
                }
                FaultKind::NoSuchDatabase => "check the source's name on that server",
                FaultKind::DatabaseUnreachable => {
                    "Odoo can't reach that database: it doesn't exist, or PostgreSQL is down"
                }
                FaultKind::DatabaseInUse => "close the sessions of that database, then try again",
                FaultKind::NoSuchMethod => "this Odoo lacks the service: check its version and server_wide_modules",
                FaultKind::BadCall => "this Odoo's version takes other arguments: report it with the version",
                FaultKind::UserError | FaultKind::Other => "read Odoo's log on the server",
            },
            Self::Unexpected { .. } => "check that the URL leads to Odoo itself, and its version",
        };
        Some(hint.to_owned())
    }
}
