//! Places at which a test makes a worker die, fail or stand still. Their names come from the lists of
//! steps (`kind.step.point`), so that a new step has them without being asked.
//!
//! Only debug builds read the environment; a release build has no such door.

use rustix::process::{Signal, getpid, kill_process};

/// The variable: `VIGIE_FAILPOINT=instance_create.clone_database.after_effect`, with `=error` or
/// `=pause` behind it for another end than `kill -9`.
pub const VARIABLE: &str = "VIGIE_FAILPOINT";

/// Where in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// The intent is recorded, nothing is done.
    BeforeEffect,
    /// The effect is done, nobody knows.
    AfterEffect,
    /// The effect is recorded.
    AfterRecord,
    /// The undo is announced, nothing is undone.
    UndoBefore,
    /// The undo is done, nobody knows.
    UndoAfter,
}

impl Point {
    /// Those that every step passes on its way forward.
    pub const FORWARD: [Self; 3] = [Self::BeforeEffect, Self::AfterEffect, Self::AfterRecord];
    /// Those that every step which is undone passes.
    pub const BACKWARD: [Self; 2] = [Self::UndoBefore, Self::UndoAfter];

    /// The last part of the place's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::BeforeEffect => "before_effect",
            Self::AfterEffect => "after_effect",
            Self::AfterRecord => "after_record",
            Self::UndoBefore => "undo_before",
            Self::UndoAfter => "undo_after",
        }
    }
}

/// What happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The process ends as by `kill -9`.
    Kill,
    /// The step fails, for good.
    Fail,
    /// The step fails, as by something that passes.
    FailOnce,
    /// The step stands still until it is cancelled.
    Pause,
}

/// One armed place, or several: `a.b.before_effect,a.c.undo_before=error`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailPoints(Vec<(String, Action)>);

impl FailPoints {
    /// From the environment, in debug builds.
    pub fn from_env() -> Self {
        if !cfg!(debug_assertions) {
            return Self::default();
        }
        std::env::var(VARIABLE).map_or_else(|_| Self::default(), |text| Self::parse(&text))
    }

    /// From the variable's text.
    pub fn parse(text: &str) -> Self {
        let points = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Self(
            points
                .map(|part| match part.split_once('=') {
                    None => (part.to_owned(), Action::Kill),
                    Some((name, "error")) => (name.to_owned(), Action::Fail),
                    Some((name, "once")) => (name.to_owned(), Action::FailOnce),
                    Some((name, "pause")) => (name.to_owned(), Action::Pause),
                    Some((name, _)) => (name.to_owned(), Action::Kill),
                })
                .collect(),
        )
    }

    /// What is armed at this place.
    pub fn at(&self, kind: &str, step: &str, point: Point) -> Option<Action> {
        if self.0.is_empty() {
            return None;
        }
        let name = format!("{kind}.{step}.{}", point.word());
        self.0
            .iter()
            .find(|(armed, _)| *armed == name)
            .map(|(_, action)| *action)
    }
}

/// A place outside of the steps of a job: dies there when it is armed, in debug builds.
pub(crate) fn pass(place: &str) {
    let armed = FailPoints::from_env();
    if armed
        .0
        .iter()
        .any(|(name, action)| name == place && *action == Action::Kill)
    {
        die();
    }
}

/// Ends this process as `kill -9` from outside does: nothing is flushed, dropped or said.
pub(crate) fn die() -> ! {
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}
