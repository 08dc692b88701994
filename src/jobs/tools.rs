//! The doors to the outside that steps are handed.

use crate::domain::capacity::Thresholds;
use crate::domain::check::CheckReport;
use crate::domain::server::ServerSpec;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Takes secrets out of text before it is kept.
#[derive(Clone, Default)]
pub struct Redact(Option<Arc<dyn Fn(&str) -> String + Send + Sync>>);

impl Redact {
    /// One that asks `take_out`.
    pub fn with(take_out: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(take_out)))
    }

    /// The text without secrets.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.0 {
            Some(take_out) => Cow::Owned(take_out(text)),
            None => Cow::Borrowed(text),
        }
    }
}

/// The doors, and what the steps need to know of the settings.
#[derive(Clone, Default)]
pub struct Tools {
    /// Before every log line.
    pub redact: Redact,
    /// The shares that decide about a place.
    pub thresholds: Thresholds,
}

impl Tools {
    /// The same doors, refusing every write, with these shares.
    #[must_use]
    pub fn read_only(&self, thresholds: &Thresholds) -> Self {
        Self {
            thresholds: thresholds.clone(),
            ..self.clone()
        }
    }

    /// One look at a server.
    pub(super) async fn check(&self, _server: &ServerSpec, _limit: Duration) -> Option<CheckReport> {
        None
    }
}
