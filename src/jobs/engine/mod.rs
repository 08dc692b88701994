//! Runs one job: what to do next comes from the saga, what it means from the step, and every change
//! of the record goes to the registry under the job's token before the next one begins.

mod guard;
mod lacks;
mod records;
mod steps;

use super::Kind;
use super::failpoint::{Action, FailPoints, Point, die};
use super::lease::{Lease, LeaseTimes};
use super::log::LogWriter;
use super::step::{Cx, Step, StepError, World};
use super::tools::Tools;
use crate::domain::Problem;
use crate::domain::job::{Job, JobState, LogLevel, StepState, Stream};
use crate::domain::saga::{Next, SagaStep, advance};
use crate::registry::{Claim, Registry};
use serde_json::Value;
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
            retries: 5,
            backoff: Duration::from_millis(500),
            patience: Duration::from_secs(60),
            grace: Duration::from_secs(15),
            registry_limit: Duration::from_secs(10),
            failpoints: FailPoints::default(),
        }
    }
}

/// How the engine parted from a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parted {
    /// The job is over.
    Over(JobState),
    /// Handed back unfinished: the worker stops.
    HandedBack,
    /// Handed back unfinished: this worker lacks the key of this id. Whoever has it goes on.
    LacksKey(String),
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
    /// The key of this id is lacking here.
    Key(String),
}

/// A step's verb, guarded: what it returned, or why it wasn't waited for.
type Guarded<T> = Result<Result<T, StepError>, Halt>;

/// Runs jobs.
pub struct Engine {
    registry: Arc<dyn Registry>,
    tools: Arc<Tools>,
    options: EngineOptions,
    lacks: lacks::Lacks,
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
            lacks: lacks::Lacks::new(tools.remote.keyring().clone()),
            registry,
            tools,
            options,
        }
    }

    /// The keys that its jobs were found to lack.
    pub(super) fn lacks(&self) -> &lacks::Lacks {
        &self.lacks
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
                Err(Halt::Key(key)) => return self.wait_for_key(key).await,
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
