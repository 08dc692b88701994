//! The kinds of jobs: one file each, and the list of their steps.

mod clone;
mod common;
mod dedicated;
mod filestore;
mod freeze;
mod identity;
mod instance_create;
mod instance_delete;
mod proof;
mod template_create;

use super::Kind;
use super::step::Step;
use crate::domain::instance::InstanceState;
use crate::domain::job::{Job, JobKind, JobState};
use crate::domain::template::TemplateState;
use crate::registry::Consequence;
use serde_json::Value;
use std::sync::Arc;

/// The steps of a kind, in order. Plans, fail points and tests are made from this list.
pub fn steps_of(kind: JobKind) -> Vec<Box<dyn Step>> {
    match kind {
        JobKind::InstanceCreate => instance_create::steps(),
        JobKind::InstanceDelete => instance_delete::steps(),
        JobKind::DedicatedCreate => dedicated::create_steps(),
        JobKind::DedicatedDelete => dedicated::delete_steps(),
        JobKind::TemplateCreate => template_create::steps(),
        JobKind::TemplateAdopt => freeze::adopt_steps(),
        JobKind::TemplateThaw => freeze::thaw_steps(),
    }
}

/// A kind, ready to be run.
pub fn of(kind: JobKind) -> Kind {
    Kind {
        steps: Arc::new(steps_of(kind)),
        at_end,
    }
}

/// What follows when a job ends so: an undone one gives back what its rows were before.
fn at_end(job: &Job, state: JobState) -> Vec<Consequence> {
    if !matches!(state, JobState::Failed | JobState::Cancelled) {
        return Vec::new();
    }
    let first = job.steps.first().map_or(&Value::Null, |step| &step.data);
    match job.spec.kind() {
        JobKind::InstanceCreate | JobKind::DedicatedCreate => {
            let id = job.spec.instance_id();
            id.map(|id| Consequence::InstanceState(id, InstanceState::Failed))
                .into_iter()
                .collect()
        }
        JobKind::InstanceDelete | JobKind::DedicatedDelete => {
            let was = job.spec.instance_id().zip(instance_delete::was(first));
            was.map(|(id, was)| Consequence::InstanceState(id, was))
                .into_iter()
                .collect()
        }
        JobKind::TemplateCreate => {
            let id = job.spec.template_id().filter(|_| freeze::was(first).is_some());
            id.map(|id| Consequence::TemplateState(id, TemplateState::Failed))
                .into_iter()
                .collect()
        }
        JobKind::TemplateAdopt | JobKind::TemplateThaw => {
            let was = job.spec.template_id().zip(freeze::was(first));
            was.map(|(id, was)| Consequence::TemplateState(id, was))
                .into_iter()
                .collect()
        }
    }
}
