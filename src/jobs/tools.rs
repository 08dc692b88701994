//! The doors to the outside that steps are handed.

use super::step::StepError;
use crate::domain::capacity::Thresholds;
use crate::domain::{JobId, Secret, passlib};
use crate::remote::Remote;
use crate::remote::secrets::Redactor;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Takes secrets out of text before it is kept.
#[derive(Clone, Default)]
pub struct Redact(Option<Redactor>);

impl Redact {
    /// The text without secrets.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.0 {
            Some(redactor) => redactor.redact(text),
            None => Cow::Borrowed(text),
        }
    }
}

/// Sets [`Tools::quiet`] in debug builds, milliseconds: for tests.
pub const QUIET_VARIABLE: &str = "VIGIE_TEST_QUIET_MS";
/// Sets [`Tools::password_rounds`] in debug builds: for tests.
pub const ROUNDS_VARIABLE: &str = "VIGIE_TEST_PASSWORD_ROUNDS";

/// A number of the environment that only debug builds read: released ones have no such door.
fn in_a_hurry(variable: &str) -> Option<u64> {
    if cfg!(debug_assertions) {
        std::env::var(variable).ok()?.parse().ok()
    } else {
        None
    }
}

type Hashing = JoinHandle<Result<Secret, StepError>>;

/// The doors, and what the steps need to know of the settings. Cheap to clone.
#[derive(Clone)]
pub struct Tools {
    /// Servers' Odoo, PostgreSQL, files; secrets.
    pub remote: Remote,
    /// The shares that decide about a place.
    pub thresholds: Thresholds,
    /// How long nothing may move on a server before a call of Odoo's, whose client died, counts as over.
    pub quiet: Duration,
    /// Rounds of a password's hash; Odoo's own number unless a test is in a hurry.
    pub password_rounds: u32,
    hashes: Arc<Mutex<HashMap<JobId, Hashing>>>,
}

impl Tools {
    /// The doors that this bundle opens.
    pub fn new(remote: Remote, thresholds: Thresholds) -> Self {
        Self {
            remote,
            thresholds,
            quiet: Duration::from_millis(in_a_hurry(QUIET_VARIABLE).unwrap_or(3_000)),
            password_rounds: in_a_hurry(ROUNDS_VARIABLE)
                .and_then(|rounds| u32::try_from(rounds).ok())
                .unwrap_or(passlib::ODOO_ROUNDS),
            hashes: Arc::default(),
        }
    }

    /// The same doors, refusing every write, with these shares.
    #[must_use]
    pub fn read_only(&self, thresholds: &Thresholds) -> Self {
        Self {
            remote: self.remote.read_only(),
            thresholds: thresholds.clone(),
            ..self.clone()
        }
    }

    /// What goes before every log line.
    pub fn redact(&self) -> Redact {
        Redact(Some(self.remote.keyring().redactor().clone()))
    }

    /// Begins to hash a job's password, so that it is done when it is needed.
    pub(super) fn hash_ahead(&self, job: JobId, password: Secret) {
        let work = hash(password, self.password_rounds);
        self.lock().insert(job, tokio::spawn(work));
    }

    /// The hash that was begun, or a new one.
    pub(super) async fn hashed(&self, job: JobId, password: Secret) -> Result<Secret, StepError> {
        let begun = self.lock().remove(&job);
        if let Some(begun) = begun
            && let Ok(Ok(Ok(hash))) = tokio::time::timeout(Duration::from_secs(60), begun).await
        {
            return Ok(hash);
        }
        hash(password, self.password_rounds).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Hashing>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A third of a second of processor: off the threads that serve others.
async fn hash(password: Secret, rounds: u32) -> Result<Secret, StepError> {
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt)
        .map_err(|error| StepError::new("random", format!("the system gives no random numbers: {error}")))?;
    let work = tokio::task::spawn_blocking(move || Secret::new(passlib::hash(&password, &salt, rounds)));
    match tokio::time::timeout(Duration::from_secs(60), work).await {
        Ok(Ok(hash)) => Ok(hash),
        _ => Err(StepError::new("deadline", "the password could not be hashed in time").transient()),
    }
}
