//! What a step of a job is: everything it does to the world goes through these five verbs, and
//! everything the engine, the plan, the fail points and the tests know of it comes from here.

use super::log::StepLog;
use super::tools::Tools;
use crate::domain::instance::{Instance, InstanceSpec};
use crate::domain::job::{JobSpec, StepRecord};
use crate::domain::server::Server;
use crate::domain::template::Template;
use crate::domain::{JobId, Problem, SafeText};
use crate::registry::{Consequence, RegistryError};
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One step of a kind of job. Stateless: what it knows is in the [`Cx`].
///
/// `apply` twice changes nothing more than once; `undo` twice neither, and it removes only what
/// carries this job's mark. Before `apply` the engine records what [`Step::intent`] returns; after a
/// crash it calls `settle`, then `observe`, and only then decides.
#[async_trait]
pub trait Step: Send + Sync {
    /// Its stable key within the kind: part of fail points and records.
    fn name(&self) -> &'static str;
    /// As an operator reads it.
    fn title(&self) -> &'static str;
    /// Whether there is no way back once it is done.
    fn pivot(&self) -> bool {
        false
    }
    /// How long `apply` or `undo` may take, each.
    fn limit(&self) -> Duration {
        Duration::from_secs(60)
    }
    /// Looks, without changing anything, whether the step can be done, and says on what.
    ///
    /// # Errors
    /// Why it can't: the plan is refused with it.
    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError>;
    /// The ids of what `apply` is about to touch, recorded before it.
    ///
    /// # Errors
    /// Why the step can't begin; nothing has been done then.
    async fn intent(&self, _cx: &Cx) -> Result<Value, StepError> {
        Ok(Value::Null)
    }
    /// Waits for, or cancels, what a dead client of this job may still have running on the server.
    ///
    /// # Errors
    /// When that can't be told.
    async fn settle(&self, _cx: &Cx) -> Result<(), StepError> {
        Ok(())
    }
    /// Whether the effect is there, by a mark that only this job leaves.
    ///
    /// # Errors
    /// When that can't be told.
    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError>;
    /// Brings the effect about, or completes it.
    ///
    /// # Errors
    /// Why it couldn't; half of it may have happened.
    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError>;
    /// Removes the effect, whole or half.
    ///
    /// # Errors
    /// Why it couldn't; the job is stuck then.
    async fn undo(&self, _cx: &Cx) -> Result<Outcome, StepError> {
        Ok(Outcome::default())
    }
    /// What is left when the undo failed, and how to remove it by hand.
    fn leftover(&self, _cx: &Cx) -> Option<Leftover> {
        None
    }
}

/// What a failed undo leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What, by name and place.
    pub what: String,
    /// The command or deed that removes it.
    pub remove: String,
}

/// What a step's preflight says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// On what: `template_restaurant → client_abc`.
    pub detail: SafeText,
    /// Which way was chosen and why, and other things worth knowing.
    pub notes: Vec<SafeText>,
    /// Things that won't stop it and should be known.
    pub warnings: Vec<SafeText>,
}

impl Planned {
    /// A plan with this detail and nothing to say.
    pub fn on(detail: impl AsRef<str>) -> Self {
        Self {
            detail: SafeText::new(detail.as_ref()),
            ..Self::default()
        }
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, text: impl AsRef<str>) -> Self {
        self.notes.push(SafeText::new(text.as_ref()));
        self
    }

    /// Adds a warning.
    #[must_use]
    pub fn warning(mut self, text: impl AsRef<str>) -> Self {
        self.warnings.push(SafeText::new(text.as_ref()));
        self
    }
}

/// Whether a step's effect is there.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// Whole; with what `apply` would have returned.
    Applied(Outcome),
    /// Not, or not whole: `apply` brings it about or completes it.
    NotApplied,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// The ids of what it touched, in place of the intent's; `None`: as they were.
    pub data: Option<Value>,
    /// For the log's line that ends the step: `49 of 50`.
    pub note: Option<SafeText>,
    /// What follows in the registry, in the transaction that records the step.
    pub consequences: Vec<Consequence>,
}

impl Outcome {
    /// Only a note.
    pub fn note(text: impl AsRef<str>) -> Self {
        Self {
            note: Some(SafeText::new(text.as_ref())),
            ..Self::default()
        }
    }

    /// Adds the ids.
    #[must_use]
    pub fn data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// Adds a consequence.
    #[must_use]
    pub fn then(mut self, consequence: Consequence) -> Self {
        self.consequences.push(consequence);
        self
    }
}

/// Why a step could not do something.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct StepError {
    /// What was tried, on what, what came back, what to do.
    pub problem: Problem,
    /// Whether it may pass by itself: tried again a few times.
    pub transient: bool,
}

impl StepError {
    /// One that stays.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            problem: Problem::new(code, message),
            transient: false,
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem = self.problem.hint(hint);
        self
    }

    /// Says that it may pass by itself.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// The step noticed its [`Cx::cancel`] and ended what it had running.
    pub fn cancelled() -> Self {
        Self::new("cancelled", "cancelled")
    }
}

impl From<Problem> for StepError {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            transient: false,
        }
    }
}

impl From<RegistryError> for StepError {
    fn from(error: RegistryError) -> Self {
        Self {
            transient: error.is_transient(),
            problem: error.problem(),
        }
    }
}

/// What the job is about, as the registry has it when the step is called.
#[derive(Debug, Clone)]
pub struct World {
    /// The server.
    pub server: Server,
    /// The template, where the job has one.
    pub template: Option<Template>,
    /// The instance's row; none in a plan for one that isn't there yet.
    pub instance: Option<Instance>,
    /// What the instance is made as, also in a plan.
    pub instance_spec: Option<InstanceSpec>,
    /// The instance that lives in the template's database, where one does: it can't be adopted.
    pub lodger: Option<SafeText>,
}

impl World {
    /// The template.
    ///
    /// # Errors
    /// When the job has none.
    pub fn template(&self) -> Result<&Template, StepError> {
        self.template
            .as_ref()
            .ok_or_else(|| StepError::new("not_found", "the job's template is no longer in the registry"))
    }

    /// What the instance is made as.
    ///
    /// # Errors
    /// When the job has none.
    pub fn instance_spec(&self) -> Result<&InstanceSpec, StepError> {
        self.instance_spec
            .as_ref()
            .ok_or_else(|| StepError::new("not_found", "the job's instance is no longer in the registry"))
    }
}

/// What a step works with.
#[derive(Clone)]
pub struct Cx {
    /// The job; `None` in a plan.
    pub job: Option<JobId>,
    /// What it is asked.
    pub spec: JobSpec,
    /// What it is about.
    pub world: Arc<World>,
    /// The doors to the outside; read-only ones in a plan.
    pub tools: Arc<Tools>,
    /// This step's recorded ids.
    pub data: Value,
    /// All steps' records.
    pub steps: Arc<Vec<StepRecord>>,
    /// Where the step's lines go.
    pub log: StepLog,
    /// Fires when the step should end what it has running and return.
    pub cancel: CancellationToken,
}

impl Cx {
    /// Another step's recorded ids; null where there are none.
    pub fn data_of(&self, step: &str) -> &Value {
        self.steps
            .iter()
            .find(|record| record.planned.name == step)
            .map_or(&Value::Null, |record| &record.data)
    }

    /// The job's id.
    ///
    /// # Errors
    /// In a plan, which has none: an effect was tried there.
    pub fn job_id(&self) -> Result<JobId, StepError> {
        self.job
            .ok_or_else(|| StepError::new("internal", "a plan tried to change something"))
    }
}
