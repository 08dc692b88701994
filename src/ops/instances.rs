//! Instances: where the next one goes, what making it would do, making it, removing it.

use super::{Answer, JobPlan, Ops, seam, shown};
use crate::domain::capacity::{self, NoServer, PassedOver, Placement};
use crate::domain::instance::{Instance, InstanceSpec, InstanceState};
use crate::domain::job::{Job, JobSpec};
use crate::domain::server::Server;
use crate::domain::template::Template;
use crate::domain::{InstanceId, PlanId, Problem, SafeText, Secret, SecretRef, ServerId, TemplateId};

/// What an operator asks of a new instance; what is not given is derived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceRequest {
    /// Its name.
    pub name: String,
    /// The templates it may be cloned from; any ready one where empty. Several (a template that is kept
    /// on several servers) leave the choice to placement.
    pub templates: Vec<TemplateId>,
    /// Its server; the template's, or placement's choice where not given.
    pub server: Option<ServerId>,
    /// Its label; derived from the name.
    pub subdomain: Option<String>,
    /// Its database; derived from the subdomain.
    pub database: Option<String>,
    /// Whose it is, by name; added where not known.
    pub customer: Option<String>,
    /// The plan it is sold as.
    pub plan: Option<PlanId>,
    /// Its address; derived from the root domain or the server's URL.
    pub url: Option<String>,
    /// Its administrator's login; the settings' where not given.
    pub admin_login: Option<String>,
    /// Its administrator's password; made and sealed where not given.
    pub admin_password: Option<SecretRef>,
}

/// What making an instance would do.
#[derive(Debug, Clone, PartialEq)]
pub struct InstancePlan {
    /// What it would be made as. Its administrator's password is made when it is queued.
    pub spec: InstanceSpec,
    /// The customer by name, where one was given.
    pub customer: Option<SafeText>,
    /// The server, as it was when planned.
    pub server: Server,
    /// The template, as it was when planned.
    pub template: Template,
    /// Which servers were passed over, and why.
    pub passed_over: Vec<PassedOverServer>,
    /// Steps, notes and warnings.
    pub job: JobPlan,
}

/// A server that can't take an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct PassedOverServer {
    /// Which.
    pub id: ServerId,
    /// Its code.
    pub code: String,
    /// Why.
    pub why: PassedOver,
}

/// Where the next instance goes.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacementAnswer {
    /// The server.
    pub server: Server,
    /// Who can't take it, and why.
    pub passed_over: Vec<PassedOverServer>,
}

/// What became of an instance that is to go.
#[derive(Debug, Clone, PartialEq)]
pub enum Removal {
    /// It has a database: this job removes it.
    Queued(Box<Job>),
    /// It had nothing but its record, which is gone.
    Forgotten,
}

impl Ops {
    /// The active server with the most free capacity, at least this share of its places (the
    /// settings' where not given).
    ///
    /// # Errors
    /// "No available server found", and why each was passed over.
    pub async fn placement(&self, min_free_percent: Option<u32>) -> Answer<PlacementAnswer> {
        let servers = self.servers().await?;
        let asked = min_free_percent.unwrap_or(self.settings().thresholds().placement_free_percent);
        let chosen = capacity::place(&servers, asked).map_err(|none| nowhere(&servers, &none))?;
        Ok(answer(servers, &chosen)?)
    }

    /// What making an instance would do: names derived and checked, a server found, every step's
    /// preflight. Nothing is changed.
    ///
    /// # Errors
    /// Why it can't be made.
    pub async fn plan_instance(&self, _request: InstanceRequest) -> Answer<InstancePlan> {
        Err(Problem::new("not_built", "this part is being built"))
    }

    /// Queues a plan as it was shown; refused when its world has changed since.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn create_instance(&self, plan: InstancePlan) -> Answer<Job> {
        self.queue(plan.job).await
    }

    /// The plan of removing an instance with its database and files.
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn plan_instance_removal(&self, id: InstanceId) -> Answer<JobPlan> {
        let instance = self.registry.instance(id).await.map_err(shown)?;
        self.plan_job(JobSpec::InstanceDelete {
            instance_id: id,
            server_id: instance.spec.server_id,
            database: instance.spec.database_name,
        })
        .await
    }

    /// Removes an instance: by a job where it has a database, at once where only its record is left.
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn instance_remove(&self, id: InstanceId) -> Answer<Removal> {
        let instance = self.registry.instance(id).await.map_err(shown)?;
        if matches!(instance.state, InstanceState::Failed | InstanceState::Draft) {
            self.registry.forget_instance(&self.op(), id).await.map_err(shown)?;
            return Ok(Removal::Forgotten);
        }
        let plan = self.plan_instance_removal(id).await?;
        Ok(Removal::Queued(Box::new(self.queue(plan).await?)))
    }

    /// The password of an instance's administrator, to be handed out where the operator says.
    ///
    /// # Errors
    /// When it can't be unsealed.
    pub async fn instance_password(&self, instance: &Instance) -> Answer<Secret> {
        seam::resolve(self, &instance.spec.admin_password).await
    }

    /// The password of a template's administrator, to be handed out where the operator says.
    ///
    /// # Errors
    /// When none is on record (an adopted database), or it can't be unsealed.
    pub async fn template_password(&self, template: &Template) -> Answer<Secret> {
        match &template.facts.admin_password {
            Some(reference) => seam::resolve(self, reference).await,
            None => Err(Problem::new(
                "no_secret",
                format!("no password of {} is on record", template.spec.code),
            )
            .hint("a database that was adopted keeps the one it had; vigie never learns it")),
        }
    }
}

fn answer(servers: Vec<Server>, chosen: &Placement) -> Answer<PlacementAnswer> {
    let passed_over = passed(&servers, &chosen.passed_over);
    let server = servers
        .into_iter()
        .find(|s| s.id == chosen.server)
        .ok_or_else(|| Problem::new("not_found", "the chosen server is gone"))?;
    Ok(PlacementAnswer { server, passed_over })
}

fn passed(servers: &[Server], over: &[(ServerId, PassedOver)]) -> Vec<PassedOverServer> {
    let code = |id: ServerId| servers.iter().find(|s| s.id == id).map(|s| s.spec.code.to_string());
    over.iter()
        .map(|(id, why)| PassedOverServer {
            id: *id,
            code: code(*id).unwrap_or_default(),
            why: *why,
        })
        .collect()
}

fn nowhere(servers: &[Server], none: &NoServer) -> Problem {
    let reasons: Vec<String> = passed(servers, &none.passed_over)
        .iter()
        .map(|p| format!("{} {}", p.code, p.why))
        .collect();
    if reasons.is_empty() {
        return Problem::new("no_server", format!("{none}: none is registered"))
            .hint("add one with `vigie server add`");
    }
    Problem::new("no_server", format!("{none}: {}", reasons.join("; ")))
        .hint("activate another server, raise a limit (max_instances), or ask for less free capacity")
}
