//! The kinds of jobs: one file each, and the list of their steps.

use super::Kind;
use super::step::Step;
use crate::domain::job::{Job, JobKind, JobState};
use crate::registry::Consequence;
use std::sync::Arc;

/// The steps of a kind, in order. Plans, fail points and tests are made from this list.
pub fn steps_of(_kind: JobKind) -> Vec<Box<dyn Step>> {
    Vec::new()
}

/// A kind, ready to be run.
pub fn of(kind: JobKind) -> Kind {
    Kind {
        steps: Arc::new(steps_of(kind)),
        at_end,
    }
}

fn at_end(_job: &Job, _state: JobState) -> Vec<Consequence> {
    Vec::new()
}
