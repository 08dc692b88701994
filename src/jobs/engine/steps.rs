//! A step forward, and a step back.

use super::{Guarded, Halt, Run, with_note};
use crate::domain::job::{JobState, LogLevel, StepState};
use crate::domain::{Problem, SafeText};
use crate::jobs::failpoint::{Action, Point};
use crate::jobs::step::{Observed, Outcome, Step, StepError};
use crate::registry::StepChange;
use std::time::Instant;

impl Run<'_> {
    pub(super) async fn forward(&mut self, index: usize, in_doubt: bool) -> Result<(), Halt> {
        let began = Instant::now();
        let kind = self.kind.clone();
        let step = &kind.steps[index];
        let title = with_note(step.title(), self.job.steps[index].planned.detail.as_str());
        self.say(Some(index), LogLevel::Begin, &title);
        if in_doubt {
            self.say(
                Some(index),
                LogLevel::Info,
                "the last worker went away in this step: looking how far it came",
            );
            let seen = self.settle_and_observe(step.as_ref(), index).await?;
            match seen {
                Ok(Observed::Applied(outcome)) => return self.record_done(index, outcome, began).await,
                Ok(Observed::NotApplied) => {}
                Err(_) if self.turns_back() => return self.record_cancelled(index, began).await,
                Err(error) => return self.record_failed(index, &error, began).await,
            }
            if self.turns_back() {
                return self.record_cancelled(index, began).await;
            }
        } else {
            let cx = match self.cx(index).await {
                Ok(cx) => cx,
                Err(error) => return self.record_failed(index, &error, began).await,
            };
            let intent = self.guard(&cx, step.limit(), true, step.intent(&cx)).await?;
            match intent {
                Ok(data) => {
                    self.record(StepChange {
                        index,
                        state: StepState::Intended,
                        data: Some(data),
                        problem: None,
                        consequences: Vec::new(),
                        job_state: JobState::Running,
                    })
                    .await?;
                }
                Err(error) => return self.record_failed(index, &error, began).await,
            }
        }
        let mut attempt = 0;
        loop {
            let tried = self.apply_once(step.as_ref(), index, attempt).await?;
            let error = match tried {
                Ok(outcome) => {
                    self.hit(step.as_ref(), Point::AfterEffect);
                    return self.record_done(index, outcome, began).await;
                }
                Err(error) => error,
            };
            if self.turns_back() {
                return self.record_cancelled(index, began).await;
            }
            if !error.transient || attempt >= self.engine.options.retries {
                return self.record_failed(index, &error, began).await;
            }
            attempt += 1;
            let pause = self.backoff(attempt);
            self.say(
                Some(index),
                LogLevel::Warning,
                &format!(
                    "{}; trying again in {} ms ({attempt} of {})",
                    error.problem.message,
                    pause.as_millis(),
                    self.engine.options.retries
                ),
            );
            self.pause(pause).await?;
            match self.settle_and_observe(step.as_ref(), index).await? {
                Ok(Observed::Applied(outcome)) => return self.record_done(index, outcome, began).await,
                Ok(Observed::NotApplied) => {}
                Err(_) if self.turns_back() => return self.record_cancelled(index, began).await,
                Err(error) => return self.record_failed(index, &error, began).await,
            }
        }
    }

    /// Whether an operator asked to stop, and there is a way back.
    fn turns_back(&self) -> bool {
        self.lease.cancel.is_cancelled() && !self.past_pivot()
    }

    pub(super) async fn apply_once(&self, step: &dyn Step, index: usize, attempt: u32) -> Guarded<Outcome> {
        let cx = match self.cx(index).await {
            Ok(cx) => cx,
            Err(error) => return Ok(Err(error)),
        };
        let injected = self.hit(step, Point::BeforeEffect);
        let applied = async {
            match injected {
                Some(Action::Pause) => {
                    cx.cancel.cancelled().await;
                    return Err(StepError::cancelled());
                }
                Some(Action::Fail) => return Err(StepError::new("injected", "a failure was injected")),
                Some(Action::FailOnce) if attempt == 0 => {
                    return Err(StepError::new("injected", "a passing failure was injected").transient());
                }
                _ => {}
            }
            let outcome = step.apply(&cx).await?;
            if self.action(step, Point::AfterEffect) == Some(Action::Fail) {
                return Err(StepError::new("injected", "a failure was injected after the effect"));
            }
            Ok(outcome)
        };
        self.guard(&cx, step.limit(), true, applied).await
    }

    pub(super) async fn settle_and_observe(&self, step: &dyn Step, index: usize) -> Guarded<Observed> {
        self.patiently(index, || async move {
            let cx = match self.cx(index).await {
                Ok(cx) => cx,
                Err(error) => return Ok(Err(error)),
            };
            let look = async {
                step.settle(&cx).await?;
                step.observe(&cx).await
            };
            self.guard(&cx, step.limit(), true, look).await
        })
        .await
    }

    pub(super) async fn back(&mut self, index: usize) -> Result<(), Halt> {
        let began = Instant::now();
        let kind = self.kind.clone();
        let step = &kind.steps[index];
        let in_doubt = self.job.steps[index].state != StepState::Done;
        self.say(Some(index), LogLevel::Begin, &format!("undo: {}", step.title()));
        self.record(StepChange {
            index,
            state: StepState::Undoing,
            data: None,
            problem: None,
            consequences: Vec::new(),
            job_state: JobState::Undoing,
        })
        .await?;
        let injected = self.hit(step.as_ref(), Point::UndoBefore);
        let undone = if injected == Some(Action::Fail) {
            Ok(Err(StepError::new("injected", "a failure of the undo was injected")))
        } else {
            self.patiently(index, || async {
                let cx = match self.cx(index).await {
                    Ok(cx) => cx,
                    Err(error) => return Ok(Err(error)),
                };
                let undo = async {
                    if in_doubt {
                        step.settle(&cx).await?;
                    }
                    step.undo(&cx).await
                };
                self.guard(&cx, step.limit(), false, undo).await
            })
            .await
        };
        let (state, problem, consequences) = match undone? {
            Ok(outcome) => {
                self.hit(step.as_ref(), Point::UndoAfter);
                let note = outcome.note.as_ref().map_or("", SafeText::as_str);
                let text = with_note(&format!("undone: {}", step.title()), note);
                self.log.ended(Some(index), LogLevel::Success, &text, began.elapsed());
                (StepState::Undone, None, outcome.consequences)
            }
            Err(error) => {
                let problem = self.stuck_problem(step.as_ref(), index, error.problem).await;
                self.log
                    .ended(Some(index), LogLevel::Error, &problem.message, began.elapsed());
                (StepState::UndoFailed, Some(problem), Vec::new())
            }
        };
        self.record(StepChange {
            index,
            state,
            data: None,
            problem,
            consequences,
            job_state: JobState::Undoing,
        })
        .await
    }

    /// What is left, exactly, and how to remove it.
    pub(super) async fn stuck_problem(&self, step: &dyn Step, index: usize, why: Problem) -> Problem {
        let leftover = self.cx(index).await.ok().and_then(|cx| step.leftover(&cx));
        let (left, remove) = leftover.map_or_else(
            || (String::new(), why.hint.clone().unwrap_or_default()),
            |l| (format!("; left: {}", l.what), l.remove),
        );
        let message = format!("{} could not be undone: {}{left}", step.title(), why.message);
        let problem = Problem::new(&why.code, message);
        if remove.is_empty() {
            problem.hint("do away with the cause, then retry the job: it goes on undoing")
        } else {
            problem.hint(format!(
                "{remove}; or do away with the cause, then retry the job: it goes on undoing"
            ))
        }
    }
}
