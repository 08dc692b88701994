//! What happened: the audit, read and verified.

use super::{Answer, Ops, shown};
use crate::domain::audit::{AuditEntry, AuditFilter, Verdict};

impl Ops {
    /// The audit's rows that pass the filter, the newest first.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn audit(&self, filter: &AuditFilter) -> Answer<Vec<AuditEntry>> {
        self.registry.audit(filter).await.map_err(shown)
    }

    /// Looks through the whole audit, against the anchors that are known.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn verify_audit(&self) -> Answer<Verdict> {
        self.registry.verify_audit(&[]).await.map_err(shown)
    }
}
