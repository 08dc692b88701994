//! A server's shell and files: this machine, or another through the operator's own OpenSSH (its
//! configuration, agent and known_hosts). Arguments travel as arguments; no shell line is pasted.

mod files;
mod filestore;
mod run;

pub use files::Marker;
pub use filestore::{Filestore, StoreClone};
pub use run::{Output, Run};

use super::error::{RemoteError, Result, deadline};
use super::{Access, Limits, Remote};
use crate::domain::SafeText;
use crate::domain::server::{ServerSpec, SshAccess};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Why something on a machine could not be done.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// ssh could not connect.
    #[error("{what}: {why}")]
    Unreachable {
        /// What was tried, on which machine.
        what: String,
        /// What ssh said.
        why: SafeText,
    },
    /// A command can't be started.
    #[error("{what}: {program} can't be started: {why}")]
    NotStarted {
        /// What was tried.
        what: String,
        /// The program.
        program: String,
        /// Why.
        why: SafeText,
    },
    /// A command ended with a failure.
    #[error("{what}: {program} ended with {status}: {said}")]
    Failed {
        /// What was tried.
        what: String,
        /// The program.
        program: String,
        /// Its exit status, or the signal that ended it.
        status: String,
        /// The end of what it wrote to standard error.
        said: SafeText,
    },
    /// Files that this program did not make: never touched.
    #[error("{what}: refused: {why}")]
    Stranger {
        /// What was tried.
        what: String,
        /// What is there instead.
        why: String,
    },
    /// Something is not as it should be.
    #[error("{what}: {why}")]
    Unexpected {
        /// What was tried.
        what: String,
        /// What is wrong.
        why: String,
    },
}

impl HostError {
    /// Whether the same call may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether the call may have had its effect all the same.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Unexpected { .. })
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => {
                "try `ssh` to that host by hand as this user: vigie uses its keys, agent and known_hosts, and never asks"
            }
            Self::NotStarted { .. } => "install the program on that machine, or mend its PATH",
            Self::Failed { .. } => "look at the program's words above; run it by hand to see more",
            Self::Stranger { .. } => "look at those files by hand: they were made by someone else",
            Self::Unexpected { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// A machine. Cheap to clone; connects when it is first used.
#[derive(Clone)]
pub struct Host {
    way: Arc<Way>,
    label: String,
    limits: Limits,
    access: Access,
}

enum Way {
    Here,
    Ssh {
        to: SshAccess,
        config: Option<PathBuf>,
        session: Mutex<Option<Arc<openssh::Session>>>,
    },
}

impl Host {
    pub(super) fn new(remote: &Remote, server: &ServerSpec) -> Result<Self> {
        match &server.ssh {
            Some(to) => Ok(Self::make(
                Way::Ssh {
                    to: to.clone(),
                    config: remote.ssh_config.clone(),
                    session: Mutex::new(None),
                },
                to.host.to_string(),
                remote,
            )),
            None if server.server_url.is_loopback() => Ok(Self::local(remote)),
            None => Err(RemoteError::NotConfigured {
                what: format!("there is no ssh access to {} on record", server.code),
                hint: "give ssh_host (and user, port, identity) with the server's form (e) or `vigie server edit`",
            }),
        }
    }

    /// This machine.
    pub fn local(remote: &Remote) -> Self {
        Self::make(Way::Here, "this machine".to_owned(), remote)
    }

    fn make(way: Way, label: String, remote: &Remote) -> Self {
        Self {
            way: Arc::new(way),
            label,
            limits: remote.limits.clone(),
            access: remote.access,
        }
    }

    /// How the machine is called in messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether it is this machine.
    pub fn is_local(&self) -> bool {
        matches!(*self.way, Way::Here)
    }

    /// The multiplexed connection; made anew when the last one broke.
    async fn session(
        to: &SshAccess,
        config: Option<&Path>,
        kept: &Mutex<Option<Arc<openssh::Session>>>,
        limits: &Limits,
    ) -> Result<Arc<openssh::Session>> {
        let mut kept = kept.lock().await;
        if let Some(session) = &*kept
            && deadline("check ssh", limits.call, session.check())
                .await
                .is_ok_and(|c| c.is_ok())
        {
            return Ok(Arc::clone(session));
        }
        let what = format!("ssh to {}", to.host);
        let mut builder = openssh::SessionBuilder::default();
        builder
            .known_hosts_check(openssh::KnownHosts::Strict)
            .connect_timeout(limits.connect)
            .server_alive_interval(std::time::Duration::from_secs(15))
            .control_directory(std::env::temp_dir());
        if let Some(config) = config {
            builder.config_file(config);
        }
        if let Some(user) = &to.user {
            builder.user(user.clone());
        }
        if let Some(port) = to.port {
            builder.port(port);
        }
        if let Some(identity) = &to.identity {
            builder.keyfile(identity);
        }
        let connect = builder.connect(to.host.as_str());
        let session = deadline(&what, limits.connect + limits.connect / 2, connect).await?;
        let session = session.map_err(|e| HostError::Unreachable {
            what,
            why: SafeText::capped(&chain(&e), 500),
        })?;
        let session = Arc::new(session);
        *kept = Some(Arc::clone(&session));
        Ok(session)
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(e) = at {
        let more = e.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        at = e.source();
    }
    text
}

#[cfg(test)]
mod tests;
