//! What goes wrong on a connection, told apart by what it means for the call.

use crate::domain::SafeText;
use crate::registry::RegistryError;

/// A statement's failure.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// PostgreSQL answered with an error.
    Refused {
        /// SQLSTATE.
        state: String,
        /// The violated constraint, where it names one.
        constraint: Option<String>,
        /// Its message, with the detail.
        message: String,
    },
    /// The connection could not be made, or broke off.
    Lost {
        /// Why.
        why: String,
    },
    /// No answer in time; the connection is given up.
    Late {
        /// How long it was waited for, milliseconds.
        waited_ms: u64,
    },
    /// The registry's own refusal, such as of a setting.
    Own(RegistryError),
}

impl Fault {
    /// The driver's error.
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            let mut message = db.message().to_owned();
            if let Some(detail) = db.detail() {
                message = format!("{message} ({detail})");
            }
            return Self::Refused {
                state: db.code().code().to_owned(),
                constraint: db.constraint().map(str::to_owned),
                message: SafeText::capped(&message, 500).to_string(),
            };
        }
        let mut why = error.to_string();
        let mut at = std::error::Error::source(error);
        while let Some(e) = at {
            why = e.to_string();
            at = e.source();
        }
        Self::Lost {
            why: SafeText::capped(&why, 300).to_string(),
        }
    }

    fn state(&self) -> &str {
        match self {
            Self::Refused { state, .. } => state,
            _ => "",
        }
    }

    /// The name of a violated constraint, or what a trigger says (`vigie: no place`).
    pub(super) fn violated(&self) -> Option<&str> {
        match self {
            Self::Refused {
                state,
                constraint,
                message,
            } if state.starts_with("23") || state == "P0001" => {
                Some(constraint.as_deref().filter(|c| !c.is_empty()).unwrap_or(message))
            }
            _ => None,
        }
    }

    /// Whether the connection is of no use any more: broken, or to a server that stops or only reads.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Late { .. } => true,
            Self::Refused { state, .. } => {
                state.starts_with("08") || matches!(state.as_str(), "57P01" | "57P02" | "57P03" | "57P05" | "25006")
            }
            Self::Own(_) => false,
        }
    }

    /// Whether the transaction did nothing, and may well succeed when it is tried again.
    pub(super) fn is_again(&self) -> bool {
        self.is_lost() || matches!(self.state(), "40001" | "40P01" | "53300" | "55P03")
    }
}

impl From<Fault> for RegistryError {
    fn from(fault: Fault) -> Self {
        let transient = fault.is_again() || matches!(fault.state(), "57014");
        let what = match fault {
            Fault::Own(error) => return error,
            Fault::Lost { why } => format!("the connection was lost: {why}"),
            Fault::Late { waited_ms } => format!("PostgreSQL does not answer ({} s)", waited_ms / 1_000),
            Fault::Refused { state, message, .. } => match state.as_str() {
                "42501" => return Self::NotAllowed(message),
                s if s.starts_with("23") || s == "P0001" => {
                    return Self::Rule(format!("the registry refuses it: {message}"));
                }
                "53100" => "the disk is full: free some space, nothing was changed".to_owned(),
                _ => format!("PostgreSQL answers {state}: {message}"),
            },
        };
        Self::Store { what, transient }
    }
}
