//! The saga: whatever fails, wherever it is interrupted, it ends the same and leaves what it says.

use super::cases;
use crate::domain::job::{JobState, StepState};
use crate::domain::saga::{Next, SagaStep, advance};
use proptest::prelude::*;

/// What is to happen to a job.
#[derive(Debug, Clone)]
struct Story {
    /// Its steps; true: no way back once it is done.
    pivots: Vec<bool>,
    /// The step that fails.
    fails: Option<usize>,
    /// The step whose undo fails.
    undo_fails: Option<usize>,
    /// A cancel is asked once so many steps are done.
    cancel_after: Option<usize>,
}

/// The record of a job, which is all that outlives a worker, and the world that it changes.
#[derive(Debug, Clone)]
struct Run {
    steps: Vec<SagaStep>,
    failed: bool,
    /// What the steps made.
    world: Vec<bool>,
    /// What was undone, in order.
    undone: Vec<usize>,
    /// What was run to its end.
    ran: Vec<usize>,
}

impl Run {
    fn new(story: &Story) -> Self {
        let step = |pivot: &bool| SagaStep {
            state: StepState::Pending,
            pivot: *pivot,
        };
        Self {
            steps: story.pivots.iter().map(step).collect(),
            failed: false,
            world: vec![false; story.pivots.len()],
            undone: Vec::new(),
            ran: Vec::new(),
        }
    }

    fn cancel(&self, story: &Story) -> bool {
        story.cancel_after.is_some_and(|after| self.ran.len() >= after)
    }

    /// One thing a worker does. With `crash`, it dies after its intent is recorded: before the effect,
    /// or after it.
    fn act(&mut self, story: &Story, crash: Option<bool>) -> Option<JobState> {
        match advance(&self.steps, self.cancel(story), self.failed) {
            Next::Run(i) => {
                assert_eq!(self.steps[i].state, StepState::Pending);
                assert!(
                    self.steps[..i].iter().all(|s| s.state == StepState::Done),
                    "out of order"
                );
                self.steps[i].state = StepState::Intended;
                if crash == Some(false) {
                    return None;
                }
                self.effect(story, i);
                if crash == Some(true) {
                    return None;
                }
                self.result(story, i);
            }
            Next::Settle(i) => {
                assert_eq!(self.steps[i].state, StepState::Intended);
                // Observed: its effect is there, or it is run again (its steps are idempotent).
                if !self.world[i] {
                    self.effect(story, i);
                }
                self.result(story, i);
            }
            Next::Undo(i) => {
                assert!(
                    self.steps[i + 1..]
                        .iter()
                        .all(|s| !matches!(s.state, StepState::Done | StepState::Failed | StepState::Undoing)),
                    "not the newest first"
                );
                self.steps[i].state = StepState::Undoing;
                if crash == Some(false) {
                    return None;
                }
                if story.undo_fails == Some(i) {
                    self.steps[i].state = StepState::UndoFailed;
                    return None;
                }
                self.world[i] = false;
                if crash == Some(true) {
                    return None;
                }
                self.steps[i].state = StepState::Undone;
                self.undone.push(i);
            }
            Next::Finished(state) => return Some(state),
        }
        None
    }

    /// Even a step that fails may have done half of it.
    fn effect(&mut self, _story: &Story, i: usize) {
        self.world[i] = true;
    }

    fn result(&mut self, story: &Story, i: usize) {
        if story.fails == Some(i) {
            self.steps[i].state = StepState::Failed;
            self.failed = true;
        } else {
            self.steps[i].state = StepState::Done;
            self.ran.push(i);
        }
    }
}

/// Runs the story to its end; `crashes` says at which acts the worker dies.
fn to_the_end(story: &Story, crashes: &dyn Fn(usize) -> Option<bool>) -> (JobState, Run) {
    let mut run = Run::new(story);
    for act in 0..200 {
        // A new worker knows the record and nothing else.
        if let Some(state) = run.act(story, crashes(act)) {
            return (state, run);
        }
    }
    panic!("it never ends: {story:?} {run:?}")
}

fn check(story: &Story) {
    let count = story.pivots.len();
    let (state, run) = to_the_end(story, &|_| None);
    let past_pivot = run.steps.iter().any(|s| s.pivot && s.state == StepState::Done);
    match state {
        JobState::Done => {
            assert_eq!(run.ran, (0..count).collect::<Vec<_>>(), "{story:?}");
            assert!(run.undone.is_empty() && run.world.iter().all(|w| *w));
        }
        JobState::Failed | JobState::Cancelled => {
            // Undone: the completed steps and the failed one, newest first, once each.
            let mut expected = run.ran.clone();
            expected.extend(story.fails.filter(|_| run.failed));
            expected.reverse();
            assert_eq!(run.undone, expected, "{story:?}");
            assert!(run.world.iter().all(|w| !w), "something is left: {story:?} {run:?}");
            assert!(!past_pivot, "there was no way back: {story:?}");
            assert_eq!(state == JobState::Failed, run.failed, "{story:?}");
        }
        JobState::Stuck => {
            let undo_failed = run.steps.iter().any(|s| s.state == StepState::UndoFailed);
            assert!(
                undo_failed || (past_pivot && run.failed),
                "stuck without a reason: {story:?} {run:?}"
            );
            assert!(run.world.iter().any(|w| *w));
            if past_pivot {
                assert!(run.undone.is_empty(), "undone past the pivot: {story:?}");
            }
        }
        other => panic!("{other:?} is no end"),
    }
    // Interrupted at any act, before the effect or after it, it ends the same.
    for at in 0..3 * count + 3 {
        for after_effect in [false, true] {
            let (again, resumed) = to_the_end(story, &|act| (act == at).then_some(after_effect));
            assert_eq!(again, state, "killed at act {at}: {story:?}");
            assert_eq!(resumed.world, run.world, "killed at act {at}: {story:?}");
            assert_eq!(resumed.undone, run.undone, "killed at act {at}: {story:?}");
        }
    }
}

#[test]
fn every_failure_of_every_plan_of_up_to_four_steps() {
    for count in 0..=4_usize {
        let points = || (0..count).map(Some).chain([None]);
        for pivots in 0..1_u32 << count {
            let pivots: Vec<bool> = (0..count).map(|i| pivots >> i & 1 == 1).collect();
            for fails in points() {
                for undo_fails in points() {
                    for cancel_after in (0..=count).map(Some).chain([None]) {
                        check(&Story {
                            pivots: pivots.clone(),
                            fails,
                            undo_fails,
                            cancel_after,
                        });
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(1_000))]
    #[test]
    fn longer_plans_too(
        pivots in prop::collection::vec(prop::bool::weighted(0.15), 5..12),
        fails in prop::option::of(0_usize..12),
        undo_fails in prop::option::of(0_usize..12),
        cancel_after in prop::option::of(0_usize..12),
        crashes in prop::collection::vec(prop::option::weighted(0.4, any::<bool>()), 60),
    ) {
        let story = Story { pivots, fails, undo_fails, cancel_after };
        let (state, run) = to_the_end(&story, &|_| None);
        let (again, resumed) = to_the_end(&story, &|act| crashes.get(act).copied().flatten());
        prop_assert_eq!(again, state);
        prop_assert_eq!(resumed.world, run.world);
    }

    #[test]
    fn any_record_has_a_next(
        states in prop::collection::vec((0_usize..7, any::<bool>()), 0..8),
        cancel in any::<bool>(),
        failed in any::<bool>(),
    ) {
        use StepState as S;
        let all = [S::Pending, S::Intended, S::Done, S::Failed, S::Undoing, S::Undone, S::UndoFailed];
        let steps: Vec<SagaStep> = states.iter().map(|(s, pivot)| SagaStep { state: all[*s], pivot: *pivot }).collect();
        match advance(&steps, cancel, failed) {
            Next::Run(i) => prop_assert_eq!(steps[i].state, S::Pending),
            Next::Settle(i) => prop_assert_eq!(steps[i].state, S::Intended),
            Next::Undo(i) => prop_assert!(!matches!(steps[i].state, S::Pending | S::Undone)),
            Next::Finished(state) => {
                prop_assert!(state.is_over());
                // Never a silent green.
                if state == JobState::Done {
                    prop_assert!(steps.iter().all(|s| s.state == S::Done) && !failed);
                }
                if matches!(state, JobState::Failed | JobState::Cancelled) {
                    prop_assert!(steps.iter().all(|s| matches!(s.state, S::Pending | S::Undone)));
                }
            }
        }
    }
}

#[test]
fn a_cancel_past_the_pivot_comes_too_late() {
    let story = Story {
        pivots: vec![false, true, false],
        fails: None,
        undo_fails: None,
        cancel_after: Some(2),
    };
    assert_eq!(to_the_end(&story, &|_| None).0, JobState::Done);
    let story = Story {
        cancel_after: Some(1),
        ..story
    };
    assert_eq!(to_the_end(&story, &|_| None).0, JobState::Cancelled);
}
