//! Guardrails, where changes are made: the dashboard's keys and the shell's verbs both come through here.

use super::{Answer, Ops, shown};
use crate::config::Loaded;
use crate::domain::guard::{Asked, Consent, Guard, UNLOCK_MOST};
use crate::domain::rights::Deed;
use crate::domain::{InstanceId, JobId, Problem, ServerId, TemplateId};
use jiff::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The guards that the settings set up.
pub fn guard_of(loaded: &Loaded) -> Guard {
    let settings = &loaded.settings;
    Guard {
        profile: loaded
            .profile
            .clone()
            .unwrap_or_else(|| settings.fleet.name.to_string()),
        read_only: settings.fleet.read_only,
        rules: settings.guard.clone(),
    }
}

/// Until when a read-only profile is unlocked: by the clock that never jumps, and by the time of day,
/// which goes on while a laptop sleeps. Whichever is past first locks it.
#[derive(Debug, Default)]
pub(super) struct Lock(Mutex<Option<(Instant, Timestamp)>>);

impl Lock {
    fn held(&self) -> MutexGuard<'_, Option<(Instant, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        self.held()
            .is_some_and(|(mono, wall)| Instant::now() < mono && Timestamp::now() < wall)
    }
}

/// What is to be changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum On<'a> {
    /// A server.
    Server(ServerId),
    /// A server that is not there yet, by its code.
    NewServer(&'a str),
    /// Something new on a server.
    NewThere(ServerId, &'a str),
    /// A template.
    Template(TemplateId),
    /// An instance.
    Instance(InstanceId),
    /// A job.
    Job(JobId),
    /// What is on no server.
    Called(&'a str),
}

impl Ops {
    /// The guards in force.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The same operations, with what the operator gives for them. Clones share the lock.
    #[must_use]
    pub fn with_consent(&self, consent: Consent) -> Self {
        Self {
            consent: std::sync::Arc::new(consent),
            ..self.clone()
        }
    }

    /// Lets a read-only profile be changed for so long, [`UNLOCK_MOST`] at most; then it is read-only
    /// again by itself. Answers until when.
    pub fn unlock(&self, time: Duration) -> Timestamp {
        let time = time.min(UNLOCK_MOST);
        let until = Timestamp::now()
            .checked_add(jiff::SignedDuration::try_from(time).unwrap_or_default())
            .unwrap_or(Timestamp::MAX);
        *self.lock.held() = Some((Instant::now() + time, until));
        until
    }

    /// Makes a read-only profile read-only again before its time.
    pub fn lock_again(&self) {
        *self.lock.held() = None;
    }

    /// Whether a read-only profile may be changed now.
    pub fn is_unlocked(&self) -> bool {
        self.lock.is_open()
    }

    /// Judges a change by the guards, and writes a refusal down. Where there are none it costs nothing.
    ///
    /// # Errors
    /// As [`Guard::judge`]; or when it can't be found out on which server it is: that is no reason to
    /// let it through.
    pub(super) async fn judged(
        &self,
        deed: Deed,
        on: On<'_>,
        (action, object, label): (&str, &str, &str),
    ) -> Answer<()> {
        if self.guard.is_open() {
            return Ok(());
        }
        let (name, server) = self.called(on).await?;
        let asked = Asked {
            deed,
            server: server.as_deref(),
            name: &name,
        };
        match self.guard.judge(&asked, &self.consent, self.is_unlocked()) {
            Ok(()) => Ok(()),
            Err(problem) => self.refuse(action, object, label, problem).await,
        }
    }

    /// What something is called, and the code of the server it is or is on.
    async fn called(&self, on: On<'_>) -> Answer<(String, Option<String>)> {
        Ok(match on {
            On::Called(name) => (name.to_owned(), None),
            On::NewServer(code) => (code.to_owned(), Some(code.to_owned())),
            On::NewThere(server, name) => (name.to_owned(), Some(self.code_of(server).await?)),
            On::Server(id) => {
                let code = self.code_of(id).await?;
                (code.clone(), Some(code))
            }
            On::Template(id) => {
                let template = self.registry.template(id).await.map_err(shown)?;
                let server = self.code_of(template.spec.server_id).await?;
                (template.spec.code.to_string(), Some(server))
            }
            On::Instance(id) => {
                let instance = self.registry.instance(id).await.map_err(shown)?;
                let server = self.code_of(instance.spec.server_id).await?;
                (instance.spec.subdomain.to_string(), Some(server))
            }
            On::Job(id) => {
                let job = self.registry.job(id).await.map_err(shown)?;
                let server = self.code_of(job.spec.server_id()).await?;
                (format!("job {id}"), Some(server))
            }
        })
    }

    async fn code_of(&self, id: ServerId) -> Answer<String> {
        let server = self.registry.server(id).await.map_err(shown)?;
        Ok(server.spec.code.to_string())
    }
}

/// Judges what is done to a registry as a whole, outside of operations.
///
/// # Errors
/// As [`Guard::judge`].
pub fn judge_whole(loaded: &Loaded, given: &Consent, unlocked: bool) -> Result<(), Problem> {
    let asked = Asked {
        deed: Deed::Migrate,
        server: None,
        name: "registry",
    };
    guard_of(loaded).judge(&asked, given, unlocked)
}
