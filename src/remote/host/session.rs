//! The multiplexed connection to a machine elsewhere: the operator's own ssh, made when it is first used
//! and again when it broke.

use super::error::HostError;
use super::hostkey;
use crate::domain::SafeText;
use crate::domain::server::SshAccess;
use crate::remote::Limits;
use crate::remote::error::{Result, deadline};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};

/// How often ssh asks whether the other side is there. Three unanswered are the end.
const ALIVE: Duration = Duration::from_secs(5);

/// How long a connection that nobody uses stays. A process that was killed can't close its own.
const IDLE_SECONDS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(119);

/// How many commands one connection carries at once; sshd's own limit is ten (`MaxSessions`), and what is
/// over it is refused. One is kept for the question whether the machine answers.
const AT_ONCE: usize = 8;

/// The way to one machine.
pub(super) struct Link {
    pub(super) to: SshAccess,
    pub(super) config: Option<PathBuf>,
    kept: Mutex<Option<Arc<openssh::Session>>>,
    /// A turn for each command that runs.
    pub(super) turns: Semaphore,
    /// Something on it got no answer: ask the machine itself before it is used again.
    suspect: AtomicBool,
}

impl Link {
    pub(super) fn new(to: SshAccess, config: Option<PathBuf>) -> Self {
        Self {
            to,
            config,
            kept: Mutex::new(None),
            turns: Semaphore::new(AT_ONCE),
            suspect: AtomicBool::new(false),
        }
    }

    /// Says that something got no answer in its time.
    pub(super) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    /// The connection; made anew when the last one broke.
    pub(super) async fn session(&self, limits: &Limits) -> Result<Arc<openssh::Session>> {
        let mut kept = self.kept.lock().await;
        if let Some(session) = kept.take() {
            let good = match self.suspect.load(Ordering::Relaxed) {
                true => answers(&session, limits).await,
                false => stands(&session, limits).await,
            };
            if good {
                self.suspect.store(false, Ordering::Relaxed);
                *kept = Some(Arc::clone(&session));
                return Ok(session);
            }
        }
        let session = Arc::new(self.connect(limits).await?);
        self.suspect.store(false, Ordering::Relaxed);
        *kept = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn connect(&self, limits: &Limits) -> Result<openssh::Session> {
        let to = &self.to;
        let what = format!("ssh to {}", to.host);
        let mut builder = openssh::SessionBuilder::default();
        builder
            .known_hosts_check(openssh::KnownHosts::Strict)
            .connect_timeout(limits.connect)
            .server_alive_interval(ALIVE)
            .control_persist(openssh::ControlPersist::IdleFor(IDLE_SECONDS))
            .control_directory(std::env::temp_dir());
        if let Some(config) = &self.config {
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
        match session {
            Ok(session) => Ok(session),
            Err(error) => {
                let said = super::chain(&error);
                if hostkey::is_about_it(&said)
                    && let Some(fault) = hostkey::diagnose(self, &what, limits).await
                {
                    return Err(fault.into());
                }
                let why = SafeText::capped(&said.replace('\n', " · "), 500);
                Err(HostError::Unreachable { what, why }.into())
            }
        }
    }
}

/// Whether ssh still holds the connection.
pub(super) async fn stands(session: &openssh::Session, limits: &Limits) -> bool {
    let check = deadline("check ssh", limits.connect, session.check()).await;
    check.is_ok_and(|answer| answer.is_ok())
}

/// Whether the machine itself answers through it.
pub(super) async fn answers(session: &openssh::Session, limits: &Limits) -> bool {
    let mut command = session.command("true");
    command.stdin(openssh::Stdio::null());
    let asked = deadline("check ssh", limits.connect, command.output()).await;
    asked.is_ok_and(|answer| answer.is_ok_and(|output| output.status.success()))
}
