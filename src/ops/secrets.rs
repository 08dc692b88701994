//! Secrets of a team: where they are used, which key sealed them, and sealing all of them anew.
//!
//! The order of writes keeps every value readable wherever this process dies: the new key is on the disk
//! before anything is sealed with it; all values change in one transaction; the old key stays in the key
//! file until nothing names it and the operator says so. Whatever stands in between, asking again
//! finishes it.

use super::guard::On;
use super::{Answer, Ops, shown};
use crate::domain::job::JobState;
use crate::domain::rights::Deed;
use crate::domain::{Problem, Secret, SecretRef};
use crate::registry::{JobFilter, RegistryError, Resealed, SecretUse};
use crate::remote::RemoteError;
use crate::remote::secrets::{Keyring, SecretError};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// How often a rotation begins again because something sealed changed while it worked.
const ATTEMPTS: usize = 5;

/// A place where a secret is used, as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownUse {
    /// The table.
    pub table: &'static str,
    /// The row's id; the job's where it is a step's.
    pub id: i64,
    /// Which step, where it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// What the row is called.
    pub label: String,
    /// The column, with the place inside of its JSON.
    pub field: String,
    /// The reference; of what is sealed only the key.
    pub reference: String,
    /// The key that sealed it.
    pub key: Option<String>,
    /// Whether this key is in the key file here.
    pub key_is_here: Option<bool>,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "rotation")]
pub enum Rotation {
    /// All values are sealed with this key.
    Resealed {
        /// The key.
        key: String,
        /// Whether it was made now; otherwise a rotation that was begun is finished with it.
        new: bool,
        /// How many values were sealed anew.
        values: usize,
        /// The older keys, which are kept.
        older: Vec<String>,
    },
    /// The vault's text with a new key is in this file; nothing is sealed with it yet.
    Written {
        /// The new key.
        key: String,
        /// The file.
        file: String,
    },
    /// The older keys are gone from the key file, or from the text in `file`.
    Forgotten {
        /// The key that stays.
        key: Option<String>,
        /// Those that went.
        gone: Vec<String>,
        /// The file for the vault, where the keys come from one.
        file: Option<String>,
    },
}

impl Ops {
    /// Where every secret is used, and which key sealed it. Never a value.
    ///
    /// # Errors
    /// When the registry or the keys can't be read.
    pub async fn secret_uses(&self) -> Answer<Vec<ShownUse>> {
        self.allowed(Deed::UseSecrets, "secrets.show", "secrets", "").await?;
        let uses = self.registry.secret_uses().await.map_err(shown)?;
        let keys = self.with_keys(Keyring::key_ids).await?;
        Ok(uses
            .into_iter()
            .map(|u| ShownUse {
                key: u.reference.key_id().map(str::to_owned),
                key_is_here: u.reference.key_id().map(|id| keys.iter().any(|key| key == id)),
                reference: u.reference.shown(),
                table: u.table,
                id: u.id,
                step: u.step,
                label: u.label,
                field: u.field,
            })
            .collect())
    }

    /// Makes a new key and seals every value of the registry anew, in one transaction. Where the newest
    /// key seals nothing yet while older ones do, a rotation was begun (or the vault was given the key):
    /// it is finished with that key. `new_key_file`: writes the vault's next text there and stops.
    ///
    /// # Errors
    /// When a value can't be opened (nothing is changed then), or keys or registry can't be written.
    pub async fn rotate_keys(&self, new_key_file: Option<&Path>) -> Answer<Rotation> {
        if let Some(file) = new_key_file {
            return self.write_vault(file, None).await;
        }
        // Before a key is made: who may not seal anew would leave it behind.
        self.allowed(Deed::RotateSecrets, "secrets.rotate", "secrets", "")
            .await?;
        let words = ("secrets.rotate", "secrets", "");
        self.judged(Deed::RotateSecrets, On::Called("secrets"), words).await?;
        let mut held = self.with_keys(Keyring::lock).await?;
        let mut made: Option<String> = None;
        for _ in 0..ATTEMPTS {
            let uses = self.registry.secret_uses().await.map_err(shown)?;
            let sealed: Vec<SecretUse> = uses.into_iter().filter(|u| u.reference.key_id().is_some()).collect();
            // Before anything is changed: who lacks a key can't rotate.
            let opened = self.open_all(&sealed).await?;
            let begun = made.clone().or(self.begun(&sealed).await?);
            let key = match begun {
                Some(key) => key,
                None => {
                    let (lock, key) = self
                        .with_keys(move |keyring| keyring.add_key(&held).map(|key| (held, key)))
                        .await?;
                    held = lock;
                    made = Some(key.clone());
                    key
                }
            };
            crate::jobs::failpoint::pass("secrets.rotate.key_added");
            let values = self.seal_all(sealed, opened, &key).await?;
            match self.replace(&values).await {
                Ok(()) => {
                    crate::jobs::failpoint::pass("secrets.rotate.resealed");
                    let mut older = self.with_keys(Keyring::key_ids).await?;
                    older.retain(|id| *id != key);
                    return Ok(Rotation::Resealed {
                        new: made.is_some(),
                        key,
                        values: values.len(),
                        older,
                    });
                }
                Err(RegistryError::Changed { .. }) => {}
                Err(error) => return Err(shown(error)),
            }
        }
        Err(
            Problem::new("changed", "secrets changed each time while they were sealed anew")
                .hint("try again when nobody changes any; every value is readable"),
        )
    }

    /// All at once; an answer that was lost on the way is asked for again.
    async fn replace(&self, values: &[Resealed]) -> Result<(), RegistryError> {
        if values.is_empty() {
            return Ok(());
        }
        let op = self.op();
        match self.registry.reseal(&op, values).await {
            Err(error) if error.is_transient() => self.registry.reseal(&op, values).await.map(|_| ()),
            done => done.map(|_| ()),
        }
    }

    /// Takes the older keys out of the key file; with a vault, writes its next text to `new_key_file`.
    /// Refused while a value is sealed with one of them, or a job that runs may yet write one.
    ///
    /// # Errors
    /// Those, and when keys or registry can't be read or written.
    pub async fn forget_keys(&self, new_key_file: Option<&Path>) -> Answer<Rotation> {
        let held = self.with_keys(Keyring::lock).await?;
        let keys = self.with_keys(Keyring::key_ids).await?;
        let Some(key) = keys.last().cloned() else {
            return Err(Problem::new("no_key", "there is no key yet"));
        };
        let running = JobFilter {
            states: vec![JobState::Running, JobState::Undoing],
            limit: 1,
            ..JobFilter::default()
        };
        if let Some(job) = self.registry.jobs(&running).await.map_err(shown)?.first() {
            let why = format!(
                "job {} ({}) is not over: it may hold a value of an older key",
                job.id, job.title
            );
            return self
                .refuse_forgetting(Problem::new("refused", why).hint("wait for it, or cancel it"))
                .await;
        }
        let uses = self.registry.secret_uses().await.map_err(shown)?;
        let old = uses.iter().filter(|u| u.reference.key_id().is_some_and(|id| id != key));
        let places: Vec<String> = old.clone().take(3).map(place).collect();
        if !places.is_empty() {
            let why = format!(
                "{} values are sealed with older keys: {}{}",
                old.count(),
                places.join(", "),
                if places.len() == 3 { ", …" } else { "" }
            );
            return self
                .refuse_forgetting(Problem::new("refused", why).hint("`vigie secrets rotate` seals them anew"))
                .await;
        }
        let keep = vec![key.clone()];
        if let Some(file) = new_key_file {
            return self.write_vault(file, Some(keep)).await;
        }
        let gone = self.with_keys(move |keyring| keyring.keep_keys(&held, &keep)).await?;
        tracing::info!(
            kept = key,
            gone = gone.join(", "),
            "older keys taken out of the key file"
        );
        Ok(Rotation::Forgotten {
            key: Some(key),
            gone,
            file: None,
        })
    }

    async fn refuse_forgetting(&self, problem: Problem) -> Answer<Rotation> {
        self.refuse("secrets.forget", "secrets", "older keys", problem).await
    }

    async fn write_vault(&self, file: &Path, keep: Option<Vec<String>>) -> Answer<Rotation> {
        let (to, shown) = (file.to_owned(), file.display().to_string());
        let before = self.with_keys(Keyring::key_ids).await?;
        let kept = keep.clone();
        let added = self
            .with_keys(move |keyring| keyring.write_copy(&to, kept.as_deref()))
            .await?;
        Ok(match (added, keep) {
            (Some(key), _) => Rotation::Written { key, file: shown },
            (None, keep) => {
                let keep = keep.unwrap_or_default();
                Rotation::Forgotten {
                    gone: before.into_iter().filter(|id| !keep.contains(id)).collect(),
                    key: keep.into_iter().next(),
                    file: Some(shown),
                }
            }
        })
    }

    /// The key of a rotation that was begun: the newest, where it seals nothing and another does.
    async fn begun(&self, sealed: &[SecretUse]) -> Answer<Option<String>> {
        let used: BTreeSet<&str> = sealed.iter().filter_map(|u| u.reference.key_id()).collect();
        let newest = self.with_keys(Keyring::key_ids).await?.pop();
        Ok(newest.filter(|id| !used.is_empty() && !used.contains(id.as_str())))
    }

    async fn open_all(&self, sealed: &[SecretUse]) -> Answer<Vec<Secret>> {
        let keyring = self.remote.keyring().clone();
        let references: Vec<SecretRef> = sealed.iter().map(|u| u.reference.clone()).collect();
        let opened = tokio::task::spawn_blocking(move || keyring.open_all(&references)).await;
        opened.map_err(|_| interrupted())?.map_err(|(at, error)| {
            let problem = secret_problem(error);
            let at = sealed.get(at).map(place).unwrap_or_default();
            Problem {
                message: format!("{at}: {}; nothing was changed", problem.message),
                ..problem
            }
        })
    }

    async fn seal_all(&self, sealed: Vec<SecretUse>, opened: Vec<Secret>, key: &str) -> Answer<Vec<Resealed>> {
        let key = key.to_owned();
        let anew = self.with_keys(move |keyring| keyring.seal_all(&opened, &key)).await?;
        let values = sealed.into_iter().zip(anew);
        Ok(values.map(|(of, sealed)| Resealed { of, sealed }).collect())
    }

    /// Keys are read and written on a thread of their own: a file, or a vault that takes its time.
    async fn with_keys<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Keyring) -> Result<T, SecretError> + Send + 'static,
    ) -> Answer<T> {
        let keyring = self.remote.keyring().clone();
        tokio::task::spawn_blocking(move || work(&keyring))
            .await
            .map_err(|_| interrupted())?
            .map_err(secret_problem)
    }
}

/// `db_password of saas_server 7 (prod-1)`.
fn place(u: &SecretUse) -> String {
    format!("{} of {} {} ({})", u.field, u.table, u.id, u.label)
}

pub(super) fn secret_problem(error: SecretError) -> Problem {
    RemoteError::from(error).problem()
}

fn interrupted() -> Problem {
    Problem::new("secret", "looking at the keys was interrupted")
}
