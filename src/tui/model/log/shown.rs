//! A row as it is shown, whatever it is of.

use super::LogRow;
use crate::domain::log::{Level, Pattern, TextRow};

/// How times are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeMode {
    /// In the operator's own zone.
    #[default]
    Local,
    /// In UTC.
    Utc,
    /// How long ago.
    Relative,
    /// As the line was written; a job's lines without.
    Written,
}

impl TimeMode {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Local => Self::Utc,
            Self::Utc => Self::Relative,
            Self::Relative => Self::Written,
            Self::Written => Self::Local,
        }
    }

    /// As it is said.
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "local time",
            Self::Utc => "UTC",
            Self::Relative => "time ago",
            Self::Written => "as written",
        }
    }
}

/// A row that is shown.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// Of a job's log.
    Job(&'a LogRow),
    /// Of a file or a command's output.
    Text(&'a TextRow),
}

impl Shown<'_> {
    /// What it is known by: its line's number, or its position.
    pub fn key(&self) -> i64 {
        match self {
            Self::Job(row) => row.seq,
            Self::Text(row) => i64::try_from(row.pos).unwrap_or(i64::MAX),
        }
    }

    /// How much it matters.
    pub fn level(&self) -> Option<Level> {
        match self {
            Self::Job(row) => row.level(),
            Self::Text(row) => row.level,
        }
    }

    /// Itself as it is copied: what was written, without frames and signs.
    pub fn clean(&self) -> String {
        match self {
            Self::Text(row) => row.text.to_string(),
            Self::Job(row) if row.note.as_str().is_empty() => format!("{:.3} {}", row.at, row.text),
            Self::Job(row) => format!("{:.3} {} {}", row.at, row.text, row.note),
        }
    }

    /// What of it stands behind the time.
    pub fn body(&self, time: TimeMode) -> &str {
        match self {
            Self::Job(row) => row.text.as_str(),
            Self::Text(row) if time == TimeMode::Written => row.text.as_str(),
            Self::Text(row) => match &row.readable {
                Some(readable) => readable.as_str(),
                None if row.stamp.is_some() => row.text.as_str().get(row.body..).unwrap_or_default(),
                None => row.text.as_str(),
            },
        }
    }

    pub(super) fn has(&self, pattern: &Pattern) -> bool {
        match self {
            Self::Job(row) => row.has(pattern),
            Self::Text(row) => pattern.is_in(row.text.as_str().as_bytes()),
        }
    }
}
