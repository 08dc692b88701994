//! What can go wrong outside, and the one way to wait for it.

use super::dns::DnsError;
use super::host::HostError;
use super::odoo::OdooError;
use super::postgres::PgError;
use super::secrets::SecretError;
use crate::domain::Problem;
use std::future::Future;
use std::time::Duration;

/// What every adapter of this room answers.
pub type Result<T> = std::result::Result<T, RemoteError>;

/// Why something outside could not be done. Carries no secret and no traceback.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A writing call on a read-only handle: nothing was sent.
    #[error("{what}: refused, this handle only reads (dry run)")]
    WriteRefused {
        /// What would have been done.
        what: String,
    },
    /// The time given to it ran out. Whether its effect happened is not known.
    #[error("{what}: no answer within {} s", .after.as_secs_f64())]
    Deadline {
        /// What was tried.
        what: String,
        /// The time given.
        after: Duration,
    },
    /// The server's record lacks what this needs.
    #[error("{what}")]
    NotConfigured {
        /// What is lacking, on which server.
        what: String,
        /// How to give it.
        hint: &'static str,
    },
    /// A secret could not be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Odoo, or the way to it.
    #[error(transparent)]
    Odoo(#[from] OdooError),
    /// A server's PostgreSQL, or the way to it.
    #[error(transparent)]
    Postgres(#[from] PgError),
    /// A server's shell and files, or the way to them.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A zone's records, or the way to them.
    #[error(transparent)]
    Dns(#[from] DnsError),
}

impl RemoteError {
    /// Whether the same call may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::WriteRefused { .. } | Self::NotConfigured { .. } => false,
            Self::Deadline { .. } => true,
            Self::Secret(e) => e.is_transient(),
            Self::Odoo(e) => e.is_transient(),
            Self::Postgres(e) => e.is_transient(),
            Self::Host(e) => e.is_transient(),
            Self::Dns(e) => e.is_transient(),
        }
    }

    /// Whether a writing call that ended so may still have had its effect, now or seconds later:
    /// observe before anything else.
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::WriteRefused { .. } | Self::NotConfigured { .. } | Self::Secret(_) => false,
            Self::Deadline { .. } => true,
            Self::Odoo(e) => e.is_in_doubt(),
            Self::Postgres(e) => e.is_in_doubt(),
            Self::Host(e) => e.is_in_doubt(),
            Self::Dns(e) => e.is_in_doubt(),
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::WriteRefused { .. } => Some("run it without --dry-run".to_owned()),
            Self::Deadline { .. } => {
                Some("the other side is slow, hangs, or a firewall drops packets: look at its load and log".to_owned())
            }
            Self::NotConfigured { hint, .. } => Some((*hint).to_owned()),
            Self::Secret(e) => Some(e.hint()),
            Self::Odoo(e) => e.hint(),
            Self::Postgres(e) => e.hint(),
            Self::Host(e) => e.hint(),
            Self::Dns(e) => e.hint(),
        }
    }

    /// A stable word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WriteRefused { .. } => "write_refused",
            Self::Deadline { .. } => "deadline",
            Self::NotConfigured { .. } => "not_configured",
            Self::Secret(_) => "secret",
            Self::Odoo(e) => e.code(),
            Self::Postgres(e) => e.code(),
            Self::Host(e) => e.code(),
            Self::Dns(e) => e.code(),
        }
    }

    /// The id of the key that is lacking here, where that is what is wrong.
    pub fn missing_key(&self) -> Option<&str> {
        match self {
            Self::Secret(e) => e.missing_key(),
            _ => None,
        }
    }

    /// As an operator reads it.
    pub fn problem(&self) -> Problem {
        let mut problem = Problem::new(self.code(), self.to_string());
        problem.missing_key = self.missing_key().map(str::to_owned);
        match self.hint() {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

impl From<RemoteError> for Problem {
    fn from(error: RemoteError) -> Self {
        error.problem()
    }
}

/// Waits for `future`, at most for `limit`. The only way in which this program awaits the outside:
/// drivers don't bound themselves. Dropping the future is all that happens on a timeout: who began
/// something on the other side cancels it there.
///
/// # Errors
/// [`RemoteError::Deadline`] when the time ran out.
pub async fn deadline<F: Future>(what: &str, limit: Duration, future: F) -> Result<F::Output> {
    tokio::time::timeout(limit, future)
        .await
        .map_err(|_| RemoteError::Deadline {
            what: what.to_owned(),
            after: limit,
        })
}
