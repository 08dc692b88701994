//! When the operator is called, and how: the section `[alerts]`.

use super::settings::Settings;
use super::value::Span;
use crate::domain::alert::{Mute, Rules};
use serde::{Deserialize, Serialize};

/// When the operator is called, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Whether the terminal's bell is rung.
    pub bell: bool,
    /// How the terminal is asked to notify the desktop.
    pub notify: Notify,
    /// The operator's own command, program and arguments; empty: none.
    pub command: Vec<String>,
    /// How long it may take.
    pub command_timeout: Span,
    /// Something must be bad for so long before it is an alert.
    pub hold: Span,
    /// It must be well for so long before it is over.
    pub clear_after: Span,
    /// For the same thing one is called again only so long after the last time.
    pub again_after: Span,
    /// One is called at most so often.
    pub ring_every: Span,
    /// How long a snooze lasts.
    pub snooze: Span,
    /// Patterns that are silent.
    pub mute: Vec<Mute>,
}

/// How the terminal is asked to notify the desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// As the terminal is likely to understand.
    #[default]
    Auto,
    /// OSC 9.
    Osc9,
    /// OSC 777.
    Osc777,
    /// Both.
    Both,
    /// Not at all.
    Off,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            bell: true,
            notify: Notify::Auto,
            command: Vec::new(),
            command_timeout: Span::secs(10),
            hold: Span::secs(5),
            clear_after: Span::secs(60),
            again_after: Span::secs(10 * 60),
            ring_every: Span::secs(30),
            snooze: Span::secs(3600),
            mute: Vec::new(),
        }
    }
}

impl Settings {
    /// When something is an alert.
    pub fn alert_rules(&self) -> Rules {
        Rules {
            hold: self.alerts.hold.0,
            clear_after: self.alerts.clear_after.0,
            again_after: self.alerts.again_after.0,
            ring_every: self.alerts.ring_every.0,
            mute: self.alerts.mute.clone(),
            ..Rules::default()
        }
    }
}
