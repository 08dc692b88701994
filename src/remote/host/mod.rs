//! A server's shell and files: this machine, or another through the operator's own OpenSSH (its
//! configuration, agent and known_hosts). Arguments travel as arguments; no shell line is pasted.

mod at;
mod error;
mod files;
mod filestore;
mod hostkey;
mod run;
mod session;
mod unit;
mod words;

pub use at::{Entry, FileKind, FileStat, Owner};
pub use error::{HostError, KeyFault};
pub use files::Marker;
pub use filestore::{Filestore, StoreClone};
pub use run::{Lines, Output, Run};
pub use unit::{Started, Unit, UnitRun, UnitState};

use super::error::{RemoteError, Result};
use super::{Access, Limits, Remote};
use crate::domain::server::ServerSpec;
use session::Link;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// A machine. Cheap to clone; connects when it is first used.
#[derive(Clone)]
pub struct Host {
    way: Arc<Way>,
    account: Arc<OnceCell<Account>>,
    label: String,
    limits: Limits,
    access: Access,
    root: bool,
}

enum Way {
    Here,
    Ssh(Link),
}

/// Who one is on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Account {
    uid: u32,
    user: String,
}

impl Host {
    pub(super) fn new(remote: &Remote, server: &ServerSpec) -> Result<Self> {
        match &server.ssh {
            Some(to) => Ok(Self::make(
                Way::Ssh(Link::new(to.clone(), remote.ssh_config.clone())),
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
            account: Arc::new(OnceCell::new()),
            label,
            limits: remote.limits.clone(),
            access: remote.access,
            root: false,
        }
    }

    /// The same machine, where every command and file is root's: by `sudo -n` where the account is not
    /// root itself.
    #[must_use]
    pub fn as_root(&self) -> Self {
        Self {
            root: true,
            ..self.clone()
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

    /// The account that one has there; asked once.
    async fn account(&self) -> Result<&Account> {
        let ask = async {
            let script = Run::reading(&["sh", "-c", "id -u && id -un"], self.limits.call);
            let output = self.exec(&script, words::Who::Account, 4096, &|_, _| {}).await?;
            let text = output.text();
            let account = text.split_once('\n').and_then(|(uid, user)| {
                let uid = uid.parse().ok()?;
                Some(Account {
                    uid,
                    user: user.trim().to_owned(),
                })
            });
            account.ok_or_else(|| RemoteError::from(self.odd("id".to_owned(), output.stderr.to_string())))
        };
        self.account.get_or_try_init(|| ask).await
    }

    /// Who a command runs as, and how.
    async fn who(&self, as_root: bool) -> Result<words::Who> {
        if !(as_root || self.root) {
            return Ok(words::Who::Account);
        }
        let uid = match &*self.way {
            Way::Here => rustix::process::geteuid().as_raw(),
            Way::Ssh(_) => self.account().await?.uid,
        };
        Ok(match uid {
            0 => words::Who::Account,
            _ => words::Who::Sudo,
        })
    }

    /// How long a call that only looks may take.
    fn call(&self) -> Duration {
        self.limits.call
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
mod parts_tests;
#[cfg(test)]
mod tests;
