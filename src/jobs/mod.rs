//! Durable work: the engine that runs jobs, the worker process it runs in, the log, and the kinds.
//!
//! A job is planned ([`plan()`]), queued in the registry, claimed by a [`worker`], and run by the
//! [`engine`] step by step. [`kinds::steps_of`] is *the* list of steps: the plan, the fail points and
//! the tests come from it.

pub mod engine;
pub mod failpoint;
pub mod kinds;
pub mod lease;
pub mod log;
pub mod plan;
pub mod step;
mod summary;
pub mod tools;
pub mod worker;

pub use plan::{JobPlan, Request, plan};
pub use tools::Tools;

use crate::domain::job::{Job, JobState};
use crate::registry::Consequence;
use std::sync::Arc;
use step::Step;

/// A kind of job, ready to be run.
#[derive(Clone)]
pub struct Kind {
    /// Its steps in order.
    pub steps: Arc<Vec<Box<dyn Step>>>,
    /// What follows in the registry when a job of it ends so.
    pub at_end: fn(&Job, JobState) -> Vec<Consequence>,
}

/// From 0 to 1, for jitter.
fn random_share() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}
