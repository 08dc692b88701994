//! What a dashboard key or a verb of the command line does, once, for both.
//!
//! Every refusal comes back as a [`Problem`] (code, message, hint), and is written down in the audit
//! with who tried. Looking never writes; what takes long is queued as a job and runs in a worker.

mod attention;
mod audit;
mod bulk;
mod checks;
mod commands;
pub mod copy;
mod dedicated;
mod doctor;
mod enter;
mod explain;
mod fleet;
mod guard;
mod instances;
mod jobs;
mod logs;
mod planning;
mod rights;
mod secrets;
mod servers;
pub mod shared;
mod templates;
#[cfg(test)]
mod tests;

pub use crate::jobs::JobPlan;
pub use crate::registry::{Change, LinkState, RegistryError};
pub use audit::{Verified, anchor_file};
pub use checks::CheckOutcome;
pub use commands::{CommandOn, OwnRun, Wrote};
pub use dedicated::{DedicatedPlan, DedicatedRequest};
pub use doctor::{Finding, Level, local as doctor_local};
pub use enter::{Program, editor};
pub use fleet::Fleet;
pub use guard::{guard_of, judge_whole};
pub use instances::Removal;
pub use jobs::Followed;
pub use logs::{LogAsked, LogError, LogHandle, log_paths, open_log_here, remember_log, save_log};
pub use planning::{InstancePlan, InstanceRequest, PassedOverServer, PlacementAnswer};
pub use secrets::{Rotation, ShownUse};

use crate::config::{Loaded, Settings};
use crate::domain::audit::Actor;
use crate::domain::guard::{Consent, Guard};
use crate::domain::{Problem, Secret, SecretRef};
use crate::jobs::Tools;
use crate::registry::{ChangeStream, Op, Registry};
use crate::remote::Remote;
use crate::remote::probe::Prober;
use jiff::Timestamp;
use secrets::secret_problem;
use std::sync::{Arc, PoisonError, RwLock};

/// The answer of every operation.
pub type Answer<T> = Result<T, Problem>;

/// Longest that is waited until something is written down that goes on without it.
const NOTED: std::time::Duration = std::time::Duration::from_secs(3);

/// The operations. Cheap to clone; each dashboard task and each verb has its own.
#[derive(Clone)]
pub struct Ops {
    registry: Arc<dyn Registry>,
    remote: Remote,
    tools: Arc<Tools>,
    prober: Prober,
    loaded: Arc<Loaded>,
    actor: Actor,
    guard: Arc<Guard>,
    consent: Arc<Consent>,
    lock: Arc<guard::Lock>,
}

impl Ops {
    /// Operations on this registry, as this actor.
    pub fn new(registry: Arc<dyn Registry>, remote: Remote, loaded: Arc<Loaded>, actor: Actor) -> Self {
        let tools = Arc::new(Tools::new(remote.clone(), loaded.settings.thresholds()));
        let prober = Prober::new(loaded.settings.checks.concurrency.get() as usize);
        let guard = Arc::new(guard::guard_of(&loaded));
        Self {
            guard,
            consent: Arc::default(),
            lock: Arc::default(),
            registry,
            remote,
            tools,
            prober,
            loaded,
            actor,
        }
    }

    /// The same operations under settings that were read again. The registry, the outside and the lock of
    /// a read-only profile stay what they are.
    #[must_use]
    pub fn with_loaded(&self, loaded: Arc<Loaded>) -> Self {
        Self {
            tools: Arc::new(Tools::new(self.remote.clone(), loaded.settings.thresholds())),
            guard: Arc::new(guard::guard_of(&loaded)),
            loaded,
            ..self.clone()
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.loaded.settings
    }

    /// The settings with the places in use and where they came from.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The registry, for whoever only reads.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.registry
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The registry's changes from now on.
    ///
    /// # Errors
    /// When they can't be followed.
    pub async fn changes(&self) -> Answer<ChangeStream> {
        self.registry.changes().await.map_err(shown)
    }

    /// Seals a value with the operator's key, so that it can be stored.
    ///
    /// # Errors
    /// When the key can't be read or made.
    pub async fn seal(&self, value: Secret) -> Answer<SecretRef> {
        let keyring = self.remote.keyring().clone();
        // The key file is read and may be made: not on a thread that others wait for.
        tokio::task::spawn_blocking(move || keyring.seal(&value))
            .await
            .map_err(|_| Problem::new("secret", "sealing was interrupted"))?
            .map_err(secret_problem)
    }

    /// The value behind a reference, to be handed out where the operator says.
    async fn resolve(&self, reference: &SecretRef) -> Answer<Secret> {
        self.remote.keyring().resolve(reference).await.map_err(secret_problem)
    }

    /// Takes every secret that was resolved or made here out of a text.
    pub fn redacted(&self, text: &str) -> String {
        self.remote.keyring().redactor().redact(text).into_owned()
    }

    /// Writes down an attempt that was refused before it came to an operation, and hands the refusal on.
    ///
    /// # Errors
    /// Always: the refusal.
    pub async fn refused<T>(&self, action: &str, object: &str, label: &str, problem: Problem) -> Answer<T> {
        let label = crate::domain::SafeText::capped(label, 200);
        self.refuse(action, object, label.as_str(), problem).await
    }

    /// A new operation, asked now by this actor.
    fn op(&self) -> Op {
        Op {
            id: uuid::Uuid::now_v7().to_string(),
            at: Timestamp::now(),
            actor: self.actor.clone(),
            reason: self.consent.reason.as_ref().map(ToString::to_string),
        }
    }

    /// Writes down something that is done beside the registry, before it is done. What it needs may be
    /// just what is to be mended, so it is not refused for this; answers why it could not be written.
    async fn noted(&self, (action, object, label): (&str, &str, &str), what: serde_json::Value) -> Option<Problem> {
        let op = self.op();
        let write = self.registry.audit_noted(&op, action, object, label, what);
        let problem = match tokio::time::timeout(NOTED, write).await {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => error.problem(),
            Err(_) => Problem::new("timeout", format!("no answer within {} s", NOTED.as_secs())),
        };
        tracing::warn!(error = %problem.message, action, object, "what is done could not be audited");
        Some(problem)
    }

    /// Writes down an attempt that was refused before it came to the registry, and hands the refusal on.
    async fn refuse<T>(&self, action: &str, object: &str, label: &str, problem: Problem) -> Answer<T> {
        let op = self.op();
        if let Err(error) = self
            .registry
            .audit_refused(&op, action, object, label, &problem.message)
            .await
        {
            tracing::warn!(%error, action, object, "the refused attempt could not be audited");
        }
        Err(problem)
    }
}

/// Settings that may be read again while operations go on under them. Cheap to clone; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Live(Arc<RwLock<Option<Arc<Loaded>>>>);

impl Live {
    /// From now on these hold.
    pub fn set(&self, loaded: Arc<Loaded>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
    }

    /// These operations under what holds now.
    #[must_use]
    pub fn of(&self, ops: &Ops) -> Ops {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match held.as_ref() {
            Some(loaded) if !Arc::ptr_eq(loaded, &ops.loaded) => ops.with_loaded(Arc::clone(loaded)),
            _ => ops.clone(),
        }
    }
}

/// A registry's error as it is shown.
fn shown(error: RegistryError) -> Problem {
    error.problem()
}

/// "There is no such …", with the nearest that is.
fn no_such<'a>(what: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
    let known: Vec<&str> = known.into_iter().collect();
    let problem = Problem::new("not_found", format!("there is no {what} {word:?}"));
    match crate::config::nearest(word, &known) {
        Some(near) => problem.hint(format!("did you mean {near:?}?")),
        None if known.is_empty() => problem.hint(format!("no {what} is known yet")),
        None => problem.hint(format!("`vigie {what} list` shows those there are")),
    }
}
