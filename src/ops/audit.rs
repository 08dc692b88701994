//! What happened: the audit, read and verified.

use super::{Answer, Ops, shown};
use crate::config::Loaded;
use crate::domain::Problem;
use crate::domain::audit::{AuditEntry, AuditFilter, Verdict};
use crate::registry::anchors;
use std::path::{Path, PathBuf};

/// What looking through the whole audit found, and against what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What was found.
    pub verdict: Verdict,
    /// The file of anchors it was compared with.
    pub anchors: PathBuf,
}

/// The file of anchors for the registry at this place: the one that is set, else its own in the data
/// folder.
pub fn anchor_file(loaded: &Loaded, place: &str) -> PathBuf {
    match &loaded.places.audit_anchors {
        Some(file) => file.clone(),
        None => anchors::file_for(&loaded.places.data_dir.join("audit-anchors"), place),
    }
}

impl Ops {
    /// The audit's rows that pass the filter, the newest first.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn audit(&self, filter: &AuditFilter) -> Answer<Vec<AuditEntry>> {
        self.registry.audit(filter).await.map_err(shown)
    }

    /// Looks through the whole audit, against the anchors of this file; `None`: those that this
    /// machine's worker wrote, where there are some.
    ///
    /// # Errors
    /// When the registry or the anchors can't be read. A break is no error here.
    pub async fn verify_audit(&self, file: Option<&Path>) -> Answer<Verified> {
        let path = match file {
            Some(path) if !path.exists() => {
                return Err(
                    Problem::new("not_found", format!("there is no file of anchors {}", path.display()))
                        .hint("the worker writes one, an hour apart; `paths.audit_anchors` says where"),
                );
            }
            Some(path) => path.to_owned(),
            None => anchor_file(&self.loaded, &self.registry.place()),
        };
        let file = path.clone();
        let known = tokio::task::spawn_blocking(move || anchors::read(&file))
            .await
            .map_err(|_| Problem::new("registry_unusable", "reading the anchors was interrupted"))?
            .map_err(shown)?;
        Ok(Verified {
            verdict: self.registry.verify_audit(&known).await.map_err(shown)?,
            anchors: path,
        })
    }
}
