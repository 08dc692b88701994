//! What the operator may do, as the registry says; asked before anything is tried.

use super::{Answer, Ops, shown};
use crate::domain::rights::{Deed, Rights};

impl Ops {
    /// What the one who is connected may do.
    ///
    /// # Errors
    /// When the registry can't be asked.
    pub async fn rights(&self) -> Answer<Rights> {
        self.registry.rights().await.map_err(shown)
    }

    /// Refuses what one's role may not, before it is tried, and writes the attempt down. The store
    /// refuses it as well.
    ///
    /// # Errors
    /// Code `not_allowed`, with the role that is needed and the one that one is.
    pub(super) async fn allowed(&self, deed: Deed, action: &str, object: &str, label: &str) -> Answer<()> {
        match self.rights().await?.require(deed) {
            Ok(()) => Ok(()),
            Err(problem) => self.refuse(action, object, label, problem).await,
        }
    }
}
