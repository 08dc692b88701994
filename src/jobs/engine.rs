//! Runs one job: what to do next comes from the saga, what it means from the step, and every change
//! of the record goes to the registry under the job's token before the next one begins.

use super::failpoint::{Action, FailPoints, Point, die};
use super::lease::{Lease, LeaseTimes};
use super::log::LogWriter;
use super::step::{Cx, Observed, Outcome, Step, StepError, World};
use super::tools::Tools;
use super::{Kind, summary};
use crate::domain::job::{Job, JobState, LogLevel, StepState, Stream};
use crate::domain::saga::{Next, SagaStep, advance};
use crate::domain::{Problem, SafeText};
use crate::registry::{Claim, Consequence, Registry, RegistryError, StepChange};
use futures_util::FutureExt;
use serde_json::Value;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How patient the engine is.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The lease.
    pub times: LeaseTimes,
    /// How often a step is tried again after an error that may pass.
    pub retries: u32,
    /// The pause before the first of those; doubled each time, with jitter.
    pub backoff: Duration,
    /// How long settling, observing and undoing are tried again when they fail by something that may
    /// pass: a server that is just starting, say.
    pub patience: Duration,
    /// How long a step that was told to end may take to do so.
    pub grace: Duration,
    /// One call of the registry may take so long.
    pub registry_limit: Duration,
    /// Armed places.
    pub failpoints: FailPoints,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            times: LeaseTimes::default(),
            retries: 3,
            backoff: Duration::from_millis(500),
            patience: Duration::from_secs(60),
            grace: Duration::from_secs(15),
            registry_limit: Duration::from_secs(10),
            failpoints: FailPoints::default(),
        }
    }
}

/// How the engine parted from a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parted {
    /// The job is over.
    Over(JobState),
    /// Handed back unfinished: the worker stops.
    HandedBack,
    /// The lease was lost: another worker has it, or will.
    Lost,
}

/// What makes the engine stop before the job is over.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// No further step is begun.
    pub drain: CancellationToken,
    /// The running step is told to end.
    pub now: CancellationToken,
    /// The lease is looked at: something about the job has changed.
    pub poke: Arc<Notify>,
}

/// Why the engine left its loop, or a step was not waited for.
enum Halt {
    Lost,
    Stop,
}

/// A step's verb, guarded: what it returned, or why it wasn't waited for.
type Guarded<T> = Result<Result<T, StepError>, Halt>;

/// Runs jobs.
pub struct Engine {
    registry: Arc<dyn Registry>,
    tools: Arc<Tools>,
    options: EngineOptions,
}

struct Run<'a> {
    engine: &'a Engine,
    kind: Kind,
    job: Job,
    token: i64,
    lease: Lease,
    stop: Stop,
    log: LogWriter,
}

impl Engine {
    /// An engine on this registry and these doors.
    pub fn new(registry: Arc<dyn Registry>, tools: Arc<Tools>, options: EngineOptions) -> Self {
        Self {
            registry,
            tools,
            options,
        }
    }

    /// Runs a claimed job until it is over, handed back or lost. `claimed`: when the claim was asked.
    pub async fn run(&self, claim: Claim, claimed: Instant, stop: Stop) -> Parted {
        let kind = super::kinds::of(claim.job.spec.kind());
        self.run_as(kind, claim, claimed, stop).await
    }

    /// As [`Engine::run`], with another list of steps: for the tests of the engine itself.
    pub async fn run_as(&self, kind: Kind, claim: Claim, claimed: Instant, stop: Stop) -> Parted {
        let Claim { job, token } = claim;
        let lease = Lease::keep(
            Arc::clone(&self.registry),
            job.id,
            token,
            self.options.times,
            claimed,
            Arc::clone(&stop.poke),
        );
        let log = LogWriter::start(Arc::clone(&self.registry), job.id, self.tools.redact());
        if job.cancel_requested {
            lease.cancel.cancel();
        }
        let mut run = Run {
            engine: self,
            kind,
            job,
            token,
            lease,
            stop,
            log,
        };
        let parted = run.until_over().await;
        run.log.flush(Duration::from_secs(2)).await;
        parted
    }
}

impl Run<'_> {
    async fn until_over(&mut self) -> Parted {
        if let Some(problem) = self.unlike_plan() {
            return self.finish_unlike_plan(problem).await;
        }
        loop {
            match self.next().await {
                Ok(None) => {}
                Ok(Some(state)) => return Parted::Over(state),
                Err(Halt::Lost) => {
                    tracing::warn!(job = %self.job.id, "dropped: the lease is lost");
                    return Parted::Lost;
                }
                Err(Halt::Stop) => return self.hand_back().await,
            }
        }
    }

    /// A job queued by another version of the program may have other steps than this one knows.
    fn unlike_plan(&self) -> Option<Problem> {
        let planned = self.job.steps.iter().map(|step| step.planned.name.as_str());
        if planned.eq(self.kind.steps.iter().map(|step| step.name())) {
            return None;
        }
        Some(
            Problem::new(
                "stale_plan",
                "the job was planned by another version of vigie, with other steps",
            )
            .hint("run it with the vigie that queued it, or queue it anew"),
        )
    }

    async fn finish_unlike_plan(&mut self, problem: Problem) -> Parted {
        let untouched = self.job.steps.iter().all(|step| step.state == StepState::Pending);
        let state = if untouched { JobState::Failed } else { JobState::Stuck };
        match self.finish(state, Some(problem)).await {
            Ok(()) => Parted::Over(state),
            Err(_) => Parted::Lost,
        }
    }

    async fn next(&mut self) -> Result<Option<JobState>, Halt> {
        if self.lease.lost.is_cancelled() {
            return Err(Halt::Lost);
        }
        let steps: Vec<SagaStep> = self
            .job
            .steps
            .iter()
            .map(|step| SagaStep {
                state: step.state,
                pivot: step.planned.pivot,
            })
            .collect();
        let failed = self.job.problem.is_some();
        let cancelled = self.lease.cancel.is_cancelled();
        let next = advance(&steps, cancelled, failed);
        if self.stop.drain.is_cancelled() && !matches!(next, Next::Finished(_)) {
            return Err(Halt::Stop);
        }
        match next {
            Next::Run(index) => self.forward(index, false).await.map(|()| None),
            Next::Settle(index) => self.forward(index, true).await.map(|()| None),
            Next::Undo(index) => self.back(index).await.map(|()| None),
            Next::Finished(state) => {
                let problem = self.closing_problem(state);
                self.finish(state, problem).await?;
                Ok(Some(state))
            }
        }
    }

    // ---- forward -------------------------------------------------------------------------------

    async fn forward(&mut self, index: usize, in_doubt: bool) -> Result<(), Halt> {
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
                Err(error) => return self.record_failed(index, &error, began).await,
            }
            if self.lease.cancel.is_cancelled() {
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
            if self.lease.cancel.is_cancelled() && !self.past_pivot() {
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
                Err(error) => return self.record_failed(index, &error, began).await,
            }
        }
    }

    async fn apply_once(&self, step: &dyn Step, index: usize, attempt: u32) -> Guarded<Outcome> {
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

    async fn settle_and_observe(&self, step: &dyn Step, index: usize) -> Guarded<Observed> {
        self.patiently(index, || async move {
            let cx = match self.cx(index).await {
                Ok(cx) => cx,
                Err(error) => return Ok(Err(error)),
            };
            let look = async {
                step.settle(&cx).await?;
                step.observe(&cx).await
            };
            self.guard(&cx, step.limit(), false, look).await
        })
        .await
    }

    // ---- backward ------------------------------------------------------------------------------

    async fn back(&mut self, index: usize) -> Result<(), Halt> {
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
    async fn stuck_problem(&self, step: &dyn Step, index: usize, why: Problem) -> Problem {
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

    // ---- records -------------------------------------------------------------------------------

    async fn record_done(&mut self, index: usize, outcome: Outcome, began: Instant) -> Result<(), Halt> {
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

    async fn record_failed(&mut self, index: usize, error: &StepError, began: Instant) -> Result<(), Halt> {
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

    async fn record_cancelled(&mut self, index: usize, began: Instant) -> Result<(), Halt> {
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

    async fn record(&mut self, change: StepChange) -> Result<(), Halt> {
        let (registry, id, token) = (Arc::clone(&self.engine.registry), self.job.id, self.token);
        self.job = self.stored(|| registry.record_step(id, token, &change)).await?;
        Ok(())
    }

    /// Asks the registry until it answers or the lease ends: without a record there is no next step.
    async fn stored<T, F>(&self, ask: impl Fn() -> F) -> Result<T, Halt>
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

    // ---- the end -------------------------------------------------------------------------------

    /// The problem a job ends with.
    fn closing_problem(&self, state: JobState) -> Option<Problem> {
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

    async fn finish(&mut self, state: JobState, problem: Option<Problem>) -> Result<(), Halt> {
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

    async fn hand_back(&self) -> Parted {
        self.say(
            None,
            LogLevel::Info,
            "the worker stops: the job is handed back, the next worker goes on with it",
        );
        self.log.flush(Duration::from_secs(2)).await;
        let (registry, id, token) = (Arc::clone(&self.engine.registry), self.job.id, self.token);
        match self.stored(|| registry.release_job(id, token)).await {
            Ok(()) => Parted::HandedBack,
            Err(_) => Parted::Lost,
        }
    }

    // ---- helpers -------------------------------------------------------------------------------

    fn past_pivot(&self) -> bool {
        self.job
            .steps
            .iter()
            .any(|step| step.planned.pivot && step.state == StepState::Done)
    }

    fn say(&self, step: Option<usize>, level: LogLevel, text: &str) {
        self.log.line(step, Stream::Engine, level, text);
    }

    async fn world(&self) -> Result<Arc<World>, StepError> {
        let loading = super::plan::world_of(self.engine.registry.as_ref(), &self.job.spec);
        match tokio::time::timeout(self.engine.options.registry_limit, loading).await {
            Ok(world) => Ok(Arc::new(world?)),
            Err(_) => Err(StepError::new("registry_failed", "the registry does not answer").transient()),
        }
    }

    async fn cx(&self, index: usize) -> Result<Cx, StepError> {
        Ok(Cx {
            job: Some(self.job.id),
            spec: self.job.spec.clone(),
            world: self.world().await?,
            tools: Arc::clone(&self.engine.tools),
            data: self
                .job
                .steps
                .get(index)
                .map_or(Value::Null, |record| record.data.clone()),
            steps: Arc::new(self.job.steps.clone()),
            log: self.log.step(Some(index)),
            cancel: CancellationToken::new(),
        })
    }

    /// Waits for a step's verb with its limit. A cancel asked by an operator (where the verb may be
    /// cancelled), the worker's end and the limit are told to the step, which has a moment to end what
    /// it has running; the lease's end is not waited for. A panic is an error.
    async fn guard<T>(
        &self,
        cx: &Cx,
        limit: Duration,
        cancellable: bool,
        verb: impl Future<Output = Result<T, StepError>>,
    ) -> Guarded<T> {
        let verb = AssertUnwindSafe(verb).catch_unwind();
        tokio::pin!(verb);
        let cancel = async {
            if cancellable && !self.past_pivot() {
                self.lease.cancel.cancelled().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let (halt, why) = tokio::select! {
            biased;
            () = self.lease.lost.cancelled() => {
                cx.cancel.cancel();
                return Err(Halt::Lost);
            }
            done = &mut verb => return Ok(unwound(done)),
            () = cancel => (false, StepError::cancelled()),
            () = self.stop.now.cancelled() => (true, StepError::cancelled()),
            () = tokio::time::sleep(limit) => (
                false,
                StepError::new("deadline", format!("not done within {} s", limit.as_secs_f32())),
            ),
        };
        cx.cancel.cancel();
        let ended = tokio::select! {
            () = self.lease.lost.cancelled() => return Err(Halt::Lost),
            ended = tokio::time::timeout(self.engine.options.grace, &mut verb) => ended,
        };
        match ended {
            Ok(done) => match unwound(done) {
                Ok(value) => Ok(Ok(value)),
                Err(_) if halt => Err(Halt::Stop),
                Err(error) if error.problem.code == "cancelled" => Ok(Err(why)),
                Err(error) => Ok(Err(error)),
            },
            Err(_) if halt => Err(Halt::Stop),
            Err(_) => Ok(Err(why)),
        }
    }

    /// Repeats what settles, observes or undoes while it fails by something that may pass.
    async fn patiently<T, F>(&self, index: usize, attempt: impl Fn() -> F) -> Guarded<T>
    where
        F: Future<Output = Guarded<T>>,
    {
        let began = Instant::now();
        let mut tries = 0;
        loop {
            match attempt().await? {
                Err(error) if error.transient && began.elapsed() < self.engine.options.patience => {
                    tries += 1;
                    let pause = self.backoff(tries);
                    self.say(
                        Some(index),
                        LogLevel::Warning,
                        &format!("{}; trying again in {} ms", error.problem.message, pause.as_millis()),
                    );
                    self.pause(pause).await?;
                }
                done => return Ok(done),
            }
        }
    }

    async fn pause(&self, pause: Duration) -> Result<(), Halt> {
        tokio::select! {
            () = self.lease.lost.cancelled() => Err(Halt::Lost),
            () = self.stop.now.cancelled() => Err(Halt::Stop),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Exponential, with a jitter of half: many jobs that met the same fault don't return together.
    fn backoff(&self, attempt: u32) -> Duration {
        let full = self.engine.options.backoff * 2_u32.pow(attempt.saturating_sub(1).min(5));
        full / 2 + full.mul_f64(0.5 * super::random_share())
    }

    fn action(&self, step: &dyn Step, point: Point) -> Option<Action> {
        self.engine
            .options
            .failpoints
            .at(self.job.spec.kind().word(), step.name(), point)
    }

    /// Passes a fail point.
    fn hit(&self, step: &dyn Step, point: Point) -> Option<Action> {
        let action = self.action(step, point);
        if action == Some(Action::Kill) {
            die();
        }
        action
    }
}

/// `clone database: 25 MB`.
fn with_note(title: &str, note: &str) -> String {
    if note.is_empty() {
        return title.to_owned();
    }
    format!("{title}: {note}")
}

fn unwound<T>(done: Result<Result<T, StepError>, Box<dyn std::any::Any + Send>>) -> Result<T, StepError> {
    done.unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(StepError::new("panic", format!("a fault in vigie itself: {what}")).hint("report it, with the job's log"))
    })
}
