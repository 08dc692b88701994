//! What went wrong, as an operator reads it: what was tried on what, what came back, what to do.

use serde::{Deserialize, Serialize};

/// An error that is ready to be shown, stored with a job, or printed as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// A stable word for scripts: `not_found`, `refused`, `connection_refused`, `stale_plan`, …
    pub code: String,
    /// What was tried, on what, and what came back. No secret, no traceback.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The id of the key that is lacking here, where that is what is wrong: who has it can go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_key: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            hint: None,
            missing_key: None,
        }
    }

    /// Says that a key is all that is lacking.
    #[must_use]
    pub fn missing_key(mut self, key_id: impl Into<String>) -> Self {
        self.missing_key = Some(key_id.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
