//! Instances: making them as planned, removing them, handing out their passwords. What making one
//! would do is in [`super::planning`].

use super::guard::On;
use super::planning::InstancePlan;
use super::{Answer, Ops, secret_problem, shown};
use crate::domain::audit::AuditFilter;
use crate::domain::instance::{Instance, InstanceSpec, InstanceState};
use crate::domain::job::Job;
use crate::domain::rights::Deed;
use crate::domain::template::Template;
use crate::domain::{InstanceId, Problem, SafeText, Secret};
use crate::jobs::{JobPlan, Request};

/// What became of an instance that is to go.
#[derive(Debug, Clone, PartialEq)]
pub enum Removal {
    /// It has a database: this job removes it.
    Queued(Box<Job>),
    /// It had nothing but its record, which is gone.
    Forgotten,
}

impl Ops {
    /// Queues a plan as it was shown; refused when its world has changed since. The administrator's
    /// password is made and sealed now, and the customer added where not known.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn create_instance(&self, plan: InstancePlan) -> Answer<Job> {
        self.create_made(plan.job, plan.spec, plan.makes_password, plan.customer)
            .await
    }

    /// Queues what a plan makes, with the password and the customer that it still lacks.
    pub(super) async fn create_made(
        &self,
        mut job: JobPlan,
        mut spec: InstanceSpec,
        makes_password: bool,
        customer: Option<SafeText>,
    ) -> Answer<Job> {
        // Before a password is made or a customer added for it; queueing judges again.
        let (server, name) = (spec.server_id, spec.subdomain.to_string());
        let words = ("instance.create", "instance", name.as_str());
        self.judged(Deed::CreateInstance, On::NewThere(server, &name), words)
            .await?;
        if makes_password {
            spec.admin_password = self.seal(self.new_password()?).await?;
        }
        if let Some(name) = &customer {
            spec.customer_id = Some(self.registry.customer_named(&self.op(), name).await.map_err(shown)?);
        }
        job.new_job.instance = Some(spec);
        self.queue(job).await
    }

    fn new_password(&self) -> Answer<Secret> {
        self.remote.keyring().generate_password().map_err(secret_problem)
    }

    /// The plan of removing an instance with its database and files.
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn plan_instance_removal(&self, id: InstanceId) -> Answer<JobPlan> {
        let instance = self.registry.instance(id).await.map_err(shown)?;
        let (object, label) = (format!("instance:{id}"), instance.spec.subdomain.as_str());
        self.allowed(Deed::DeleteInstance, "instance.remove", &object, label)
            .await?;
        let request = match instance.spec.dedicated() {
            Some(dedicated) => Request::DedicatedDelete(id, Box::new(self.dedicated_removal(dedicated)?)),
            None => Request::InstanceDelete(id),
        };
        self.plan_job(request, "instance.remove", &object, label).await
    }

    /// Removes an instance: by a job where it has a database, at once where only its record is left.
    /// `seen`: the version that was confirmed; another one is refused.
    ///
    /// # Errors
    /// Why it can't be done.
    pub async fn instance_remove(&self, id: InstanceId, seen: Option<i64>) -> Answer<Removal> {
        let instance = self.registry.instance(id).await.map_err(shown)?;
        self.as_seen(&instance, seen).await?;
        if matches!(instance.state, InstanceState::Failed | InstanceState::Draft) {
            let (object, label) = (format!("instance:{id}"), instance.spec.subdomain.as_str());
            self.allowed(Deed::ForgetInstance, "instance.forget", &object, label)
                .await?;
            let words = ("instance.forget", object.as_str(), label);
            self.judged(Deed::ForgetInstance, On::Instance(id), words).await?;
            self.registry.forget_instance(&self.op(), id).await.map_err(shown)?;
            return Ok(Removal::Forgotten);
        }
        let mut plan = self.plan_instance_removal(id).await?;
        if let Some(seen) = seen {
            // Queueing compares it with what is there then: what was confirmed is what is removed.
            plan.new_job.expected.instance = Some((id, seen));
        }
        Ok(Removal::Queued(Box::new(self.queue(plan).await?)))
    }

    /// Refuses an instance that is not as it was seen, and says what was done to it meanwhile.
    async fn as_seen(&self, instance: &Instance, seen: Option<i64>) -> Answer<()> {
        if seen.is_none_or(|seen| seen == instance.version) {
            return Ok(());
        }
        let filter = AuditFilter {
            object: Some(format!("instance:{}", instance.id)),
            limit: 20,
            ..AuditFilter::default()
        };
        let rows = self.audit(&filter).await.unwrap_or_default();
        let what = rows.iter().find(|row| row.refused.is_none()).map_or_else(
            || format!("it is {}", instance.state.word()),
            |row| format!("{} by {} ({})", row.action, row.who(), row.change()),
        );
        let message = format!("instance {} was changed meanwhile: {what}", instance.spec.name);
        Err(Problem::new("changed", message).hint("look at it again, then repeat what you want of it"))
    }

    /// The password of an instance's administrator, to be handed out where the operator says.
    ///
    /// # Errors
    /// When it can't be unsealed.
    pub async fn instance_password(&self, instance: &Instance) -> Answer<Secret> {
        let (object, label) = (format!("instance:{}", instance.id), instance.spec.subdomain.as_str());
        self.allowed(Deed::HandOutPassword, "instance.password", &object, label)
            .await?;
        let words = ("instance.password", object.as_str(), label);
        self.judged(Deed::HandOutPassword, On::Instance(instance.id), words)
            .await?;
        self.resolve(&instance.spec.admin_password).await
    }

    /// The password of a template's administrator, to be handed out where the operator says.
    ///
    /// # Errors
    /// When none is on record (an adopted database), or it can't be unsealed.
    pub async fn template_password(&self, template: &Template) -> Answer<Secret> {
        let (object, label) = (format!("template:{}", template.id), template.spec.code.as_str());
        self.allowed(Deed::HandOutPassword, "template.password", &object, label)
            .await?;
        let words = ("template.password", object.as_str(), label);
        self.judged(Deed::HandOutPassword, On::Template(template.id), words)
            .await?;
        match &template.facts.admin_password {
            Some(reference) => self.resolve(reference).await,
            None => {
                let message = format!("no password of {} is on record", template.spec.code);
                Err(Problem::new("no_secret", message)
                    .hint("a database that was adopted keeps the one it had; vigie never learns it"))
            }
        }
    }
}
