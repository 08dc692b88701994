//! What is written down of a job: before an effect, after it, and at the end.

use super::{Halt, Parted, Run, with_note};
use crate::domain::Problem;
use crate::domain::job::{JobState, LogLevel, StepState, Stream};
use crate::jobs::failpoint::Point;
use crate::jobs::step::{Outcome, StepError};
use crate::jobs::summary;
use crate::registry::{Consequence, RegistryError, StepChange};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Run<'_> {
    pub(super) async fn record_done(&mut self, index: usize, outcome: Outcome, began: Instant) -> Result<(), Halt> {
        let kind = self.kind.clone();
        let text = outcome.note.unwrap_or_default();
        self.record(StepChange {
            index,
            state: StepState::Done,
            data: outcome.data,
            problem: None,
            consequences: outcome.consequences,
            job_state: JobState::Running,
        })
        .await?;
        self.hit(kind.steps[index].as_ref(), Point::AfterRecord);
        let text = with_note(kind.steps[index].title(), text.as_str());
        self.log.ended(Some(index), LogLevel::Success, &text, began.elapsed());
        Ok(())
    }

    pub(super) async fn record_failed(&mut self, index: usize, error: &StepError, began: Instant) -> Result<(), Halt> {
        let problem = error.problem.clone();
        let hint = problem
            .hint
            .as_ref()
            .map(|hint| format!(" ({hint})"))
            .unwrap_or_default();
        let text = format!("{}: {}{hint}", self.kind.steps[index].title(), problem.message);
        self.log.ended(Some(index), LogLevel::Error, &text, began.elapsed());
        let job_state = if self.past_pivot() {
            JobState::Running
        } else {
            JobState::Undoing
        };
        self.record(StepChange {
            index,
            state: StepState::Failed,
            data: None,
            problem: Some(problem),
            consequences: Vec::new(),
            job_state,
        })
        .await
    }

    pub(super) async fn record_cancelled(&mut self, index: usize, began: Instant) -> Result<(), Halt> {
        let text = format!("{}: cancelled", self.kind.steps[index].title());
        self.log.ended(Some(index), LogLevel::Warning, &text, began.elapsed());
        self.record(StepChange {
            index,
            state: StepState::Undoing,
            data: None,
            problem: None,
            consequences: Vec::new(),
            job_state: JobState::Undoing,
        })
        .await
    }

    pub(super) async fn record(&mut self, change: StepChange) -> Result<(), Halt> {
        let (registry, id, token) = (Arc::clone(&self.engine.registry), self.job.id, self.token);
        self.job = self.stored(|| registry.record_step(id, token, &change)).await?;
        Ok(())
    }

    /// Asks the registry until it answers or the lease ends: without a record there is no next step.
    pub(super) async fn stored<T, F>(&self, ask: impl Fn() -> F) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let mut pause = Duration::from_millis(50);
        loop {
            let answer = tokio::select! {
                biased;
                () = self.lease.lost.cancelled() => return Err(Halt::Lost),
                answer = tokio::time::timeout(self.engine.options.registry_limit, ask()) => answer,
            };
            match answer {
                Ok(Ok(stored)) => return Ok(stored),
                Ok(Err(RegistryError::StaleToken { .. })) => return Err(Halt::Lost),
                Ok(Err(error)) if !error.is_transient() => {
                    // Nothing can be recorded: going on would be an effect nobody knows of. The lease
                    // runs out, and the next worker settles what was begun.
                    tracing::error!(job = %self.job.id, %error, "the registry refuses the record");
                    self.say(None, LogLevel::Error, &format!("the record was refused: {error}"));
                    return Err(Halt::Lost);
                }
                Ok(Err(error)) => tracing::warn!(job = %self.job.id, %error, "not recorded yet"),
                Err(_) => tracing::warn!(job = %self.job.id, "not recorded in time"),
            }
            tokio::select! {
                () = self.lease.lost.cancelled() => return Err(Halt::Lost),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// The problem a job ends with.
    pub(super) fn closing_problem(&self, state: JobState) -> Option<Problem> {
        if state != JobState::Stuck {
            return self.job.problem.clone();
        }
        let undo = self.job.steps.iter().find(|s| s.state == StepState::UndoFailed);
        if let Some(problem) = undo.and_then(|step| step.problem.clone()) {
            let why = self
                .job
                .problem
                .as_ref()
                .filter(|why| **why != problem)
                .map(|why| format!(" (undone because: {})", why.message))
                .unwrap_or_default();
            return Some(Problem {
                message: format!("{}{why}", problem.message),
                ..problem
            });
        }
        // Past the point of no return: a step failed, and what was done stays done.
        let failed = self.job.steps.iter().find(|s| s.state == StepState::Failed)?;
        let why = failed.problem.clone().or_else(|| self.job.problem.clone())?;
        Some(
            Problem::new(
                &why.code,
                format!(
                    "{} failed past the point of no return: {}",
                    failed.planned.title, why.message
                ),
            )
            .hint(format!(
                "{}retry the job: it goes on where it stands",
                why.hint.map(|hint| format!("{hint}; then ")).unwrap_or_default()
            )),
        )
    }

    pub(super) async fn finish(&mut self, state: JobState, problem: Option<Problem>) -> Result<(), Halt> {
        let world = self.world().await.ok();
        let (result, lines) = summary::of(&self.job, world.as_deref(), state, problem.as_ref());
        let level = match state {
            JobState::Done => LogLevel::Success,
            JobState::Cancelled => LogLevel::Warning,
            _ => LogLevel::Error,
        };
        let took = self.job.started_at.map_or(Duration::ZERO, |started| {
            Duration::try_from(jiff::Timestamp::now().duration_since(started)).unwrap_or_default()
        });
        for (index, line) in lines.iter().enumerate() {
            if index == 0 {
                self.log.ended(None, level, line, took);
            } else {
                self.log.line(None, Stream::Engine, LogLevel::Info, line);
            }
        }
        self.log.flush(Duration::from_secs(2)).await;
        let consequences: Vec<Consequence> = (self.kind.at_end)(&self.job, state);
        let (registry, id, token) = (Arc::clone(&self.engine.registry), self.job.id, self.token);
        self.job = self
            .stored(|| registry.finish_job(id, token, state, result.clone(), problem.clone(), &consequences))
            .await?;
        Ok(())
    }

    pub(super) async fn hand_back(&self) -> Parted {
        self.say(
            None,
            LogLevel::Info,
            "the worker stops: the job is handed back, the next worker goes on with it",
        );
        self.log.flush(Duration::from_secs(2)).await;
        let (registry, id, token) = (Arc::clone(&self.engine.registry), self.job.id, self.token);
        match self.stored(|| registry.release_job(id, token, None)).await {
            Ok(()) => Parted::HandedBack,
            Err(_) => Parted::Lost,
        }
    }

    /// Hands the job back as it stands, to be gone on with by a worker that has the key.
    pub(super) async fn wait_for_key(&self, key: String) -> Parted {
        self.say(
            None,
            LogLevel::Warning,
            &format!(
                "waits for key {key}, which this worker lacks: one that has it goes on, or this one when its key file has it"
            ),
        );
        self.log.flush(Duration::from_secs(2)).await;
        let (registry, id, token) = (Arc::clone(&self.engine.registry), self.job.id, self.token);
        self.engine.lacks.note(id, &key);
        match self.stored(|| registry.release_job(id, token, Some(&key))).await {
            Ok(()) => Parted::LacksKey(key),
            Err(_) => Parted::Lost,
        }
    }
}
