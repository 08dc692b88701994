//! What can go wrong with a private cluster, and what to do about it.

use crate::sandbox::binaries::NotFound;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why the cluster can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// PostgreSQL is not installed, or not in the version the folder was made with.
    #[error(transparent)]
    NotInstalled(#[from] NotFound),
    /// This process is root and there is no account to run PostgreSQL as.
    #[error("PostgreSQL refuses to run as root, and this machine has neither a user 'postgres' nor 'nobody'")]
    NoAccount,
    /// The account that PostgreSQL runs as can't reach the folder.
    #[error("PostgreSQL's user can't pass through {}", .folder.display())]
    Blocked {
        /// The folder that is closed to it.
        folder: PathBuf,
    },
    /// Another process has the folder open.
    #[error("{} is in use by another vigie", .0.display())]
    InUse(PathBuf),
    /// The folder holds something else.
    #[error("{} is no folder of a private cluster: {reason}", .folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// One of PostgreSQL's programs failed.
    #[error("{what} failed: {said}")]
    Failed {
        /// The program.
        what: &'static str,
        /// The last that it said.
        said: String,
    },
    /// The server was not ready, or not gone, in time.
    #[error("{what} took longer than {} s", .after.as_secs())]
    TooSlow {
        /// What was waited for.
        what: &'static str,
        /// How long, at most.
        after: Duration,
    },
    /// A file or process could not be handled.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl ClusterError {
    /// Whether trying again, unchanged, can help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::InUse(_) | Self::TooSlow { .. })
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotInstalled(missing) => Some(missing.hint()),
            Self::NoAccount => Some("run vigie as another user than root".to_owned()),
            Self::Blocked { folder } => Some(format!(
                "use another folder (--dir), or let others pass through: chmod o+x {}",
                folder.display()
            )),
            Self::InUse(_) => Some("stop the other one, or use another folder (--dir)".to_owned()),
            Self::Foreign { folder, .. } => Some(format!(
                "use another folder (--dir), or remove {} if nothing in it is needed",
                folder.display()
            )),
            Self::Failed { .. } | Self::TooSlow { .. } => {
                Some("its log is postgres.log in the cluster's folder".to_owned())
            }
            Self::Io { .. } => None,
        }
    }
}

pub(super) type Result<T> = std::result::Result<T, ClusterError>;

pub(super) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}
impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| ClusterError::Io { what: what(), source })
    }
}
