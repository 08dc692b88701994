//! The keys that this worker was found to lack.

use crate::domain::JobId;
use crate::remote::secrets::Keyring;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Remembered for as long as the key file hasn't got them.
pub(in crate::jobs) struct Lacks {
    keyring: Keyring,
    ids: Mutex<BTreeSet<String>>,
    /// The jobs that were handed back, and for which key.
    jobs: Mutex<BTreeMap<JobId, String>>,
}

impl Lacks {
    pub(in crate::jobs) fn new(keyring: Keyring) -> Self {
        Self {
            keyring,
            ids: Mutex::default(),
            jobs: Mutex::default(),
        }
    }

    /// A job could not go on without this one. Noted before the job is handed back: from that moment
    /// on whoever looks for a job may be given it.
    pub(in crate::jobs) fn note(&self, job: JobId, id: &str) {
        tracing::warn!(%job, key = id, "a job waits for a key that this worker lacks");
        self.lock().insert(id.to_owned());
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.insert(job, id.to_owned());
    }

    /// Whether the job was handed back before for a key that is lacking still: it needs two, and no
    /// worker has both. They don't throw it to each other as fast as they can.
    pub(in crate::jobs) fn returned(&self, job: JobId) -> bool {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.remove(&job).is_some_and(|key| self.lock().contains(&key))
    }

    /// The key for which this job was handed back since it was asked for one by `lacking`, if any:
    /// the question crossed the note, and the job is as it was.
    pub(in crate::jobs) fn noted_since(&self, job: JobId, lacking: &[String]) -> Option<String> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = jobs.get(&job)?;
        (self.lock().contains(key) && !lacking.contains(key)).then(|| key.clone())
    }

    /// The keys that are lacking still: the key file, or the vault, is looked at again each time.
    pub(in crate::jobs) async fn still(&self) -> Vec<String> {
        let lacking: Vec<String> = self.lock().iter().cloned().collect();
        if lacking.is_empty() {
            return lacking;
        }
        let keyring = self.keyring.clone();
        let asked = tokio::task::spawn_blocking(move || {
            // What can't be read has no key: the next look may be luckier.
            let has = |id: &String| keyring.has_key(id).unwrap_or(false);
            lacking.into_iter().partition::<Vec<String>, _>(has)
        });
        let Ok((here, lacking)) = asked.await else {
            return self.lock().iter().cloned().collect();
        };
        for id in here {
            tracing::info!(key = id, "the key is here now");
            self.lock().remove(&id);
        }
        lacking
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
