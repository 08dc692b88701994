//! What a job would do, found out without changing anything: the form's preview and `--dry-run` are
//! this plan, and what is queued is this plan too.

use super::kinds;
use super::log::LogWriter;
use super::step::{Cx, World};
use super::tools::Tools;
use crate::domain::capacity::Thresholds;
use crate::domain::dedicated::{Build, Removal};
use crate::domain::instance::InstanceSpec;
use crate::domain::job::{JobSpec, PlannedStep};
use crate::domain::{InstanceId, Problem, SafeText, TemplateId};
use crate::registry::{Expected, NewJob, Registry, RegistryError, Reservation};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A new instance; what wasn't given has been derived.
    InstanceCreate(Box<InstanceSpec>),
    /// An instance to be removed with its database and files.
    InstanceDelete(InstanceId),
    /// A new dedicated instance, and what its making needs besides.
    DedicatedCreate(Box<InstanceSpec>, Box<Build>),
    /// A dedicated instance to be removed with all that was made for it.
    DedicatedDelete(InstanceId, Box<Removal>),
    /// A template's database to be made.
    TemplateCreate(TemplateId),
    /// A template's database, there already, to be taken as it is.
    TemplateAdopt(TemplateId),
    /// A template's database to be opened for editing.
    TemplateThaw(TemplateId),
}

/// A job that can be queued, and what to know before.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPlan {
    /// For [`Registry::queue_job`]; refused there with the difference when the world has changed since.
    pub new_job: NewJob,
    /// Which ways were chosen and why.
    pub notes: Vec<SafeText>,
    /// What won't stop it and should be known.
    pub warnings: Vec<SafeText>,
}

/// What a shared instance without a template is refused with.
const NO_TEMPLATE: &str = "a shared instance is cloned from a template, and none is named";

/// How long one step's look at the outside may take.
const LOOK_LIMIT: Duration = Duration::from_secs(30);

/// Plans a job. Every step looks for itself, with handles that refuse every write.
///
/// # Errors
/// Every step's refusal, in one problem: the first one's code, all their words.
pub async fn plan(
    registry: &dyn Registry,
    tools: &Tools,
    request: Request,
    thresholds: &Thresholds,
) -> Result<JobPlan, Problem> {
    let mut planning = prepare(registry, request).await?;
    let tools = Arc::new(tools.read_only(thresholds));
    let kind = kinds::of(planning.spec.kind());
    let (mut steps, mut notes, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let mut refusals: Vec<Problem> = Vec::new();
    for step in kind.steps.iter() {
        let cx = Cx {
            job: None,
            spec: planning.spec.clone(),
            world: Arc::clone(&planning.world),
            tools: Arc::clone(&tools),
            data: Value::Null,
            steps: Arc::new(Vec::new()),
            log: LogWriter::nowhere().step(None),
            cancel: CancellationToken::new(),
        };
        let looked = tokio::time::timeout(LOOK_LIMIT, step.plan(&cx)).await;
        let planned = match looked {
            Ok(Ok(planned)) => planned,
            Ok(Err(error)) => {
                if !refusals.contains(&error.problem) {
                    refusals.push(error.problem);
                }
                continue;
            }
            Err(_) => {
                refusals.push(Problem::new(
                    "deadline",
                    format!("{}: no answer within {} s", step.title(), LOOK_LIMIT.as_secs()),
                ));
                continue;
            }
        };
        steps.push(PlannedStep {
            name: step.name().to_owned(),
            title: step.title().to_owned(),
            detail: planned.detail,
            pivot: step.pivot(),
        });
        notes.extend(planned.notes);
        warnings.extend(planned.warnings);
    }
    if let Some(refused) = joined(refusals) {
        return Err(refused);
    }
    planning.new_job.steps = steps;
    planning.new_job.thresholds = thresholds.clone();
    Ok(JobPlan {
        new_job: planning.new_job,
        notes,
        warnings,
    })
}

fn joined(refusals: Vec<Problem>) -> Option<Problem> {
    let mut all = refusals.into_iter();
    let first = all.next()?;
    Some(all.fold(first, |mut sum, next| {
        sum.message = format!("{}; {}", sum.message, next.message);
        sum.hint = match (sum.hint.take(), next.hint) {
            (Some(one), Some(other)) if one != other => Some(format!("{one}; {other}")),
            (one, other) => one.or(other),
        };
        sum
    }))
}

struct Planning {
    spec: JobSpec,
    world: Arc<World>,
    new_job: NewJob,
}

async fn prepare(registry: &dyn Registry, request: Request) -> Result<Planning, Problem> {
    let load = load(registry, request);
    match tokio::time::timeout(LOOK_LIMIT, load).await {
        Ok(planning) => planning.map_err(|error| error.problem()),
        Err(_) => Err(Problem::new("registry_failed", "the registry does not answer")),
    }
}

async fn load(registry: &dyn Registry, request: Request) -> Result<Planning, RegistryError> {
    let (spec, instance_spec) = match request {
        Request::DedicatedCreate(spec, build) => (
            JobSpec::DedicatedCreate {
                instance_id: InstanceId(0),
                server_id: spec.server_id,
                database: spec.database_name.clone(),
                build,
            },
            Some(*spec),
        ),
        Request::DedicatedDelete(id, removal) => {
            let instance = registry.instance(id).await?;
            let spec = JobSpec::DedicatedDelete {
                instance_id: id,
                server_id: instance.spec.server_id,
                database: instance.spec.database_name,
                removal,
            };
            (spec, None)
        }
        Request::InstanceCreate(spec) => (
            JobSpec::InstanceCreate {
                instance_id: InstanceId(0),
                template_id: spec
                    .template_id
                    .ok_or_else(|| RegistryError::Rule(NO_TEMPLATE.to_owned()))?,
                server_id: spec.server_id,
                database: spec.database_name.clone(),
            },
            Some(*spec),
        ),
        Request::InstanceDelete(id) => {
            let instance = registry.instance(id).await?;
            let spec = JobSpec::InstanceDelete {
                instance_id: id,
                server_id: instance.spec.server_id,
                database: instance.spec.database_name,
            };
            (spec, None)
        }
        Request::TemplateCreate(template_id) => {
            let server_id = registry.template(template_id).await?.spec.server_id;
            (JobSpec::TemplateCreate { template_id, server_id }, None)
        }
        Request::TemplateAdopt(template_id) => {
            let server_id = registry.template(template_id).await?.spec.server_id;
            (JobSpec::TemplateAdopt { template_id, server_id }, None)
        }
        Request::TemplateThaw(template_id) => {
            let server_id = registry.template(template_id).await?.spec.server_id;
            (JobSpec::TemplateThaw { template_id, server_id }, None)
        }
    };
    let world = match &instance_spec {
        None => world_of(registry, &spec).await?,
        Some(made_as) => World {
            server: registry.server(made_as.server_id).await?,
            template: match made_as.template_id {
                Some(id) => Some(registry.template(id).await?),
                None => None,
            },
            instance: None,
            instance_spec: Some(made_as.clone()),
            lodger: None,
        },
    };
    let new_job = new_job(&spec, &world, instance_spec);
    Ok(Planning {
        spec,
        world: Arc::new(world),
        new_job,
    })
}

fn new_job(spec: &JobSpec, world: &World, instance: Option<InstanceSpec>) -> NewJob {
    let subject = match (&world.instance_spec, &world.template) {
        (Some(instance), _) => instance.name.as_str().to_owned(),
        (None, Some(template)) => template.spec.code.to_string(),
        (None, None) => String::new(),
    };
    let server = &world.server.spec.code;
    let title = SafeText::new(&format!("{} {subject} on {server}", spec.kind().title()));
    let exclusive = |key: String, label: String| Reservation {
        key,
        label,
        exclusive: true,
    };
    let mut reservations = Vec::new();
    let database = match (&world.instance_spec, &world.template) {
        (Some(instance), _) => Some(&instance.database_name),
        (None, Some(template)) => Some(&template.spec.template_database),
        (None, None) => None,
    };
    if let Some(database) = database {
        let key = format!("database:{}:{database}", world.server.id);
        reservations.push(exclusive(key, format!("database {database} on {server}")));
    }
    if let Some(dedicated) = world.instance_spec.as_ref().and_then(InstanceSpec::dedicated) {
        let domain = &dedicated.names.domain;
        reservations.push(exclusive(format!("domain:{domain}"), format!("domain {domain}")));
    }
    if let Some(template) = &world.template {
        reservations.push(Reservation {
            key: format!("template:{}", template.id),
            label: format!("template {}", template.spec.code),
            exclusive: !matches!(spec, JobSpec::InstanceCreate { .. }),
        });
    }
    if let Some(row) = &world.instance {
        let label = format!("instance {}", row.spec.name);
        reservations.push(exclusive(format!("instance:{}", row.id), label));
    }
    NewJob {
        title,
        spec: spec.clone(),
        steps: Vec::new(),
        reservations,
        instance,
        consequences: Vec::new(),
        expected: Expected {
            server: Some((world.server.id, world.server.version)),
            template: world.template.as_ref().map(|t| (t.id, t.version)),
            instance: world.instance.as_ref().map(|i| (i.id, i.version)),
        },
        thresholds: Thresholds::default(),
    }
}

/// What a job is about, as the registry has it now.
pub(super) async fn world_of(registry: &dyn Registry, spec: &JobSpec) -> Result<World, RegistryError> {
    let server = registry.server(spec.server_id()).await?;
    let template = match spec.template_id() {
        Some(id) => Some(registry.template(id).await?),
        None => None,
    };
    // A deleted instance's row goes with the last step: what comes after does without.
    let instance = match spec.instance_id() {
        Some(id) => match registry.instance(id).await {
            Ok(instance) => Some(instance),
            Err(RegistryError::NotFound { .. })
                if matches!(spec, JobSpec::InstanceDelete { .. } | JobSpec::DedicatedDelete { .. }) =>
            {
                None
            }
            Err(error) => return Err(error),
        },
        None => None,
    };
    let instance_spec = instance.as_ref().map(|instance| instance.spec.clone());
    let lodger = match (&template, spec) {
        (Some(template), JobSpec::TemplateAdopt { .. }) => {
            let database = &template.spec.template_database;
            let called = registry.instances_called(database.as_str()).await?;
            let here = |i: &crate::domain::instance::Instance| {
                i.spec.server_id == server.id && i.spec.database_name == *database && i.state.takes_place()
            };
            called.into_iter().find(here).map(|instance| instance.spec.name)
        }
        _ => None,
    };
    Ok(World {
        server,
        template,
        instance,
        instance_spec,
        lodger,
    })
}
