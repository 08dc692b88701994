//! Why something on a machine could not be done.

use crate::domain::SafeText;

/// What is wrong with the key by which a machine shows that it is itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFault {
    /// Nobody vouched for it yet.
    Unknown,
    /// Another one is known.
    Changed {
        /// The fingerprint of the known one; empty where it can't be read.
        known: String,
        /// File and line where it stands.
        place: SafeText,
    },
    /// It was called back.
    Revoked,
}

/// Why something on a machine could not be done.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// ssh could not connect: nothing was begun.
    #[error("{what}: {why}")]
    Unreachable {
        /// What was tried, on which machine.
        what: String,
        /// What ssh said.
        why: SafeText,
    },
    /// The connection broke while something ran there. Whether it had its effect is not known.
    #[error("{what}: the connection broke: {why}")]
    Cut {
        /// What ran, on which machine.
        what: String,
        /// What ssh said.
        why: SafeText,
    },
    /// The machine's key is not the known one, or none is known: refused before anything was sent.
    #[error("{what}: {}", .fault.words(.host, .shown))]
    HostKey {
        /// What was tried.
        what: String,
        /// The machine as ssh calls it in known_hosts.
        host: SafeText,
        /// The fingerprint of the key that it showed; empty where ssh did not say.
        shown: String,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// `sudo -n` refused.
    #[error("{what}: sudo refuses {user}: {said}")]
    Sudo {
        /// What was tried, on which machine.
        what: String,
        /// The account there.
        user: String,
        /// What sudo said.
        said: SafeText,
    },
    /// The machine has no systemd.
    #[error("{what}: that machine was not started by systemd")]
    NoSystemd {
        /// What was tried, on which machine.
        what: String,
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
    /// Something that this program did not make: never touched.
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

impl KeyFault {
    fn words(&self, host: &SafeText, shown: &str) -> String {
        let shown = match shown {
            "" => String::new(),
            key => format!(" it shows {key}"),
        };
        match self {
            Self::Unknown => format!("refused: no host key of {host} is known;{shown}"),
            Self::Changed { known, place } => {
                let known = match known.as_str() {
                    "" => "another".to_owned(),
                    key => key.to_owned(),
                };
                format!("refused: the host key of {host} has changed: known is {known} ({place}),{shown}")
            }
            Self::Revoked => format!("refused: the host key of {host} is revoked;{shown}"),
        }
    }
}

impl HostError {
    /// Whether the same call may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Cut { .. })
    }

    /// Whether the call may have had its effect all the same.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Cut { .. } | Self::Failed { .. } | Self::Unexpected { .. })
    }

    /// A stable word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::HostKey { .. } => "host_key",
            Self::Sudo { .. } => "sudo",
            Self::NoSystemd { .. } => "no_systemd",
            _ => "host",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => {
                "try `ssh` to that host by hand as this user: vigie uses its keys, agent and known_hosts, and never asks"
            }
            Self::Cut { .. } => "what ran there may go on: look before it is done again",
            Self::HostKey { host, fault, .. } => return Some(key_hint(host, fault)),
            Self::Sudo { user, .. } => {
                return Some(format!(
                    "as root on that machine, `visudo -f /etc/sudoers.d/vigie` with the line `{user} ALL=(ALL) NOPASSWD: ALL`"
                ));
            }
            Self::NoSystemd { .. } => "long steps run as units of systemd: use a machine that it runs",
            Self::NotStarted { .. } => "install the program on that machine, or mend its PATH",
            Self::Failed { .. } => "look at the program's words above; run it by hand to see more",
            Self::Stranger { .. } => "look at it by hand: it was made by someone else",
            Self::Unexpected { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

fn key_hint(host: &SafeText, fault: &KeyFault) -> String {
    let compare = "compare it with the fingerprint that `ssh-keygen -lf` prints for /etc/ssh/ssh_host_*_key.pub on that machine's console";
    match fault {
        KeyFault::Unknown => format!("{compare}; when they agree, `ssh` there once by hand and accept it"),
        KeyFault::Changed { .. } => format!(
            "somebody may stand in between, unless it was installed anew: {compare}; only when they agree, `ssh-keygen -R '{host}'`, then `ssh` there once by hand"
        ),
        KeyFault::Revoked => "ask who revoked it in known_hosts, and give the machine a new key".to_owned(),
    }
}
