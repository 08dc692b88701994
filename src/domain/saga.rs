//! What a job does next, from its record alone.
//!
//! Forward until a step fails or a cancel is asked, then backward over what was done, newest first,
//! the failed step included: nobody knows how far it came. A step in doubt (its intent is recorded,
//! its result is not) is settled by observing before anything else. After a pivot there is no way
//! back: failures then leave the job stuck, to be retried forward.

use super::job::{JobState, StepState};

/// One step as the saga sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SagaStep {
    /// Where it is.
    pub state: StepState,
    /// Whether there is no way back once it is done.
    pub pivot: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Record step i's intent and run it.
    Run(usize),
    /// Step i's intent is recorded and its result isn't: settle what still runs, then observe.
    Settle(usize),
    /// Undo step i.
    Undo(usize),
    /// Over.
    Finished(JobState),
}

/// What to do next, for steps in these states. `cancel`: an operator asked to stop; `failed`: a step
/// has failed (recorded with the job in the same transaction as the step's failure).
pub fn advance(steps: &[SagaStep], cancel: bool, failed: bool) -> Next {
    use StepState as S;
    let last = |wanted: &[S]| steps.iter().rposition(|s| wanted.contains(&s.state));
    if last(&[S::UndoFailed]).is_some() {
        return Next::Finished(JobState::Stuck);
    }
    let past_pivot = steps.iter().any(|s| s.pivot && s.state == S::Done);
    let going_back = failed || last(&[S::Failed, S::Undoing, S::Undone]).is_some();
    if !going_back {
        if let Some(i) = last(&[S::Intended]) {
            return Next::Settle(i);
        }
        if !cancel || past_pivot {
            return match steps.iter().position(|s| s.state == S::Pending) {
                Some(i) => Next::Run(i),
                None => Next::Finished(JobState::Done),
            };
        }
    }
    if past_pivot {
        return Next::Finished(JobState::Stuck);
    }
    match last(&[S::Done, S::Failed, S::Intended, S::Undoing]) {
        Some(i) => Next::Undo(i),
        None if failed => Next::Finished(JobState::Failed),
        None => Next::Finished(JobState::Cancelled),
    }
}
