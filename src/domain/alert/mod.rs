//! What changed to bad, and whom it has been told: raised once, held down against flapping, cleared,
//! acknowledged, snoozed, muted.
//!
//! A board takes in what is bad at a time ([`Condition`]) and decides what is an alert, and when the
//! operator is called. It never calls twice for one thing, nor more often than its rules allow; what
//! happens meanwhile is told together. Times are handed in; a clock that jumps back delays nothing.

mod board;
mod conditions;
mod pattern;
#[cfg(test)]
mod tests;

pub use board::{Board, Memory, Ring};
pub use conditions::{Bad, conditions};
pub use pattern::{Mute, PatternError};

use super::explain::{Severity, Subject};
use super::text::SafeText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The registry can't be read: nothing shown is of now.
    RegistryLost,
    /// A server in service does not answer.
    ServerOffline,
    /// A server in service answers, and can't serve its customers.
    ServerCritical,
    /// A job could not be undone: something is left.
    JobStuck,
    /// No worker is alive any more, and work waits.
    WorkerGone,
    /// A job failed, and was undone.
    JobFailed,
    /// A server is nearly full, or full.
    ServerFull,
}

impl AlertKind {
    /// All of them, the worst first.
    pub const ALL: [Self; 7] = [
        Self::RegistryLost,
        Self::ServerOffline,
        Self::ServerCritical,
        Self::JobStuck,
        Self::WorkerGone,
        Self::JobFailed,
        Self::ServerFull,
    ];

    /// The word, as stored and printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::RegistryLost => "registry_lost",
            Self::ServerOffline => "server_offline",
            Self::ServerCritical => "server_critical",
            Self::JobStuck => "job_stuck",
            Self::WorkerGone => "worker_gone",
            Self::JobFailed => "job_failed",
            Self::ServerFull => "server_full",
        }
    }

    /// As an operator says it.
    pub fn title(self) -> &'static str {
        match self {
            Self::RegistryLost => "registry lost",
            Self::ServerOffline => "server offline",
            Self::ServerCritical => "server critical",
            Self::JobStuck => "job stuck",
            Self::WorkerGone => "worker gone",
            Self::JobFailed => "job failed",
            Self::ServerFull => "server full",
        }
    }

    /// How much it matters.
    pub fn severity(self) -> Severity {
        match self {
            Self::JobFailed | Self::ServerFull => Severity::Warning,
            _ => Severity::Bad,
        }
    }

    /// Whether it ends by an act, not by itself: it need not be held down.
    fn is_event(self) -> bool {
        matches!(self, Self::JobFailed | Self::JobStuck)
    }
}

/// Something that is bad now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What went wrong.
    pub kind: AlertKind,
    /// With what; `None`: with the registry or the workers.
    pub subject: Option<Subject>,
    /// What it is called.
    pub label: SafeText,
    /// Why, in a line.
    pub text: SafeText,
}

/// Names an alert on a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub u64);

impl std::fmt::Display for AlertId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// It is bad, and nobody said they know.
    Open,
    /// It is well again, and not for long enough to be over.
    Clearing,
    /// Someone said they know.
    Acknowledged,
    /// It is not to be shown as open until a time.
    Snoozed,
    /// A pattern keeps it silent.
    Muted,
    /// It is over.
    Cleared,
}

impl AlertState {
    /// The word, as printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Clearing => "clearing",
            Self::Acknowledged => "acknowledged",
            Self::Snoozed => "snoozed",
            Self::Muted => "muted",
            Self::Cleared => "cleared",
        }
    }
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its name on the board.
    pub id: AlertId,
    /// What went wrong.
    pub kind: AlertKind,
    /// With what.
    pub subject: Option<Subject>,
    /// What it is called.
    pub label: SafeText,
    /// Why, as last seen.
    pub text: SafeText,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// How often it came back before it was over, 1 at first.
    pub times: u32,
    /// Since when it is well again; over once that lasted.
    pub good_since: Option<Timestamp>,
    /// When it was over.
    pub cleared_at: Option<Timestamp>,
    /// Who knows of it.
    pub acknowledged: Option<Known>,
    /// Silent until then.
    pub snoozed_until: Option<Timestamp>,
    /// When the operator was last called for it.
    pub rung_at: Option<Timestamp>,
}

/// Who said that they know of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Who.
    pub by: SafeText,
    /// When.
    pub at: Timestamp,
}

/// What became of an alert, or was done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// It was raised.
    Raised,
    /// It came back before it was over.
    Again,
    /// It is over.
    Cleared,
    /// The operator was called.
    Rung,
    /// Someone said they know.
    Acknowledged,
    /// They took it back.
    Unacknowledged,
    /// It was silenced for a time.
    Snoozed,
    /// That time is over, or was ended.
    Woken,
    /// A pattern was silenced.
    Muted,
    /// A pattern is heard again.
    Unmuted,
    /// The operator's command failed.
    CommandFailed,
}

impl Deed {
    /// The word, as printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Again => "came back",
            Self::Cleared => "cleared",
            Self::Rung => "called",
            Self::Acknowledged => "acknowledged",
            Self::Unacknowledged => "acknowledged no more",
            Self::Snoozed => "snoozed",
            Self::Woken => "snooze over",
            Self::Muted => "muted",
            Self::Unmuted => "unmuted",
            Self::CommandFailed => "command failed",
        }
    }

    /// How much it matters, of an alert of this kind.
    pub fn severity(self, kind: AlertKind) -> Severity {
        match self {
            Self::Raised | Self::Again | Self::Rung | Self::Woken => kind.severity(),
            Self::Cleared => Severity::Good,
            Self::CommandFailed => Severity::Warning,
            _ => Severity::Note,
        }
    }
}

/// A line of what happened to alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// What.
    pub deed: Deed,
    /// Of an alert of this kind.
    pub kind: AlertKind,
    /// About this.
    pub subject: Option<Subject>,
    /// What that is called.
    pub label: SafeText,
    /// Why, or how long, or which pattern.
    pub text: SafeText,
    /// Who did it; `None`: nobody, it happened.
    pub by: Option<SafeText>,
}

/// How the terminal is asked to notify the desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Osc {
    /// OSC 9.
    Nine,
    /// OSC 777.
    Triple7,
    /// Both.
    Both,
}

/// When something is an alert, and when the operator is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Something must be bad for so long before it is an alert (jobs: at once).
    pub hold: Duration,
    /// It must be well for so long before it is over: what comes back earlier is the same alert.
    pub clear_after: Duration,
    /// For the same thing the operator is called again only so long after the last time.
    pub again_after: Duration,
    /// The operator is called at most so often, whatever happens.
    pub ring_every: Duration,
    /// Alerts that are over are shown for so long.
    pub keep: Duration,
    /// A job that failed longer ago is none.
    pub job_age: Duration,
    /// Patterns of the settings that are silent.
    pub mute: Vec<Mute>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(5),
            clear_after: Duration::from_secs(60),
            again_after: Duration::from_secs(10 * 60),
            ring_every: Duration::from_secs(30),
            keep: Duration::from_secs(24 * 3600),
            job_age: Duration::from_secs(24 * 3600),
            mute: Vec::new(),
        }
    }
}
