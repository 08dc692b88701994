//! The fleet in one look, and finding things in it by the words that operators type.

use super::guard::On;
use super::{Answer, Ops, no_such, shown};
use crate::domain::instance::{Customer, Instance, Plan};
use crate::domain::job::Job;
use crate::domain::rights::{Deed, Rights};
use crate::domain::server::Server;
use crate::domain::template::Template;
use crate::domain::{Code, CustomerId, InstanceId, PlanId, Problem, SafeText, ServerId, TemplateId};
use crate::registry::{HealthCheck, JobFilter, Worker};
use jiff::Timestamp;

/// Instances that are read at once.
const PART: usize = 1024;

/// Everything the dashboard's first page shows, read together.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// When it was read.
    pub at: Timestamp,
    /// By code.
    pub servers: Vec<Server>,
    /// By code.
    pub templates: Vec<Template>,
    /// By name.
    pub instances: Vec<Instance>,
    /// By code.
    pub plans: Vec<Plan>,
    /// By name.
    pub customers: Vec<Customer>,
    /// The newest first.
    pub jobs: Vec<Job>,
    /// All known.
    pub workers: Vec<Worker>,
    /// What whoever reads may do.
    pub rights: Rights,
    /// The only server whose instances were read; `None`: all instances are there.
    pub partly: Option<ServerId>,
}

impl Fleet {
    /// The code of a server; its number where it is gone.
    pub fn server_code(&self, id: ServerId) -> String {
        self.servers
            .iter()
            .find(|s| s.id == id)
            .map_or_else(|| format!("#{id}"), |s| s.spec.code.to_string())
    }

    /// The code of a template; its number where it is gone.
    pub fn template_code(&self, id: TemplateId) -> String {
        self.templates
            .iter()
            .find(|t| t.id == id)
            .map_or_else(|| format!("#{id}"), |t| t.spec.code.to_string())
    }

    /// The code of a plan.
    pub fn plan_code(&self, id: PlanId) -> Option<&str> {
        self.plans.iter().find(|p| p.id == id).map(|p| p.code.as_str())
    }

    /// The name of a customer.
    pub fn customer_name(&self, id: CustomerId) -> Option<&str> {
        self.customers.iter().find(|c| c.id == id).map(|c| c.name.as_str())
    }
}

impl Ops {
    /// The fleet, read now.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn fleet(&self) -> Answer<Fleet> {
        let mut instances = Vec::new();
        let mut fleet = self
            .fleet_each(u64::MAX, true, &mut |instance| instances.push(instance))
            .await?;
        instances.sort_by(Instance::by_name);
        fleet.instances = instances;
        Ok(fleet)
    }

    /// The fleet, read now, its instances handed to `take` one by one and not kept: by id, so that memory for a
    /// hundred thousand of them is never needed. Of a fleet with more than `many` only those of the first server, by
    /// name, whose number is in [`Fleet::partly`] then: what a screen can show at once, without waiting for what it
    /// can't. Without `catalog` plans and customers are left out: who has them needs not hold them twice.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn fleet_each(&self, many: u64, catalog: bool, take: &mut (dyn FnMut(Instance) + Send)) -> Answer<Fleet> {
        let registry = &self.registry;
        let jobs = JobFilter {
            limit: 200,
            ..JobFilter::default()
        };
        let at = Timestamp::now();
        let servers = registry.servers().await.map_err(shown)?;
        let instances: u64 = servers.iter().map(|server| u64::from(server.instance_count)).sum();
        // In the order of the list: the one that is selected as it comes up.
        let first = servers.iter().min_by(|a, b| a.spec.code.cmp(&b.spec.code));
        let partly = first.map(|server| server.id).filter(|_| instances > many);
        match partly {
            Some(_) => {
                let found = registry.instances(partly).await.map_err(shown)?;
                found.into_iter().for_each(&mut *take);
            }
            None => {
                let mut after = InstanceId(i64::MIN);
                loop {
                    let found = registry.instances_after(after, PART).await.map_err(shown)?;
                    let last = found.len() < PART;
                    after = found.last().map_or(after, |instance| instance.id);
                    found.into_iter().for_each(&mut *take);
                    if last {
                        break;
                    }
                }
            }
        }
        Ok(Fleet {
            at,
            partly,
            instances: Vec::new(),
            servers,
            templates: registry.templates().await.map_err(shown)?,
            plans: match catalog {
                true => registry.plans().await.map_err(shown)?,
                false => Vec::new(),
            },
            customers: match catalog {
                true => registry.customers().await.map_err(shown)?,
                false => Vec::new(),
            },
            jobs: registry.jobs(&jobs).await.map_err(shown)?,
            workers: registry.workers().await.map_err(shown)?,
            rights: registry.rights().await.map_err(shown)?,
        })
    }

    /// All servers, by code.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn servers(&self) -> Answer<Vec<Server>> {
        self.registry.servers().await.map_err(shown)
    }

    /// The server of this code.
    ///
    /// # Errors
    /// When there is none; the hint names the nearest.
    pub async fn server(&self, word: &str) -> Answer<Server> {
        if let Ok(code) = Code::parse(word)
            && let Ok(server) = self.registry.server_by_code(&code).await
        {
            return Ok(server);
        }
        let all = self.servers().await?;
        Err(no_such("server", word, all.iter().map(|s| s.spec.code.as_str())))
    }

    /// A server's kept checks, the newest first.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn health_history(
        &self,
        id: ServerId,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Answer<Vec<HealthCheck>> {
        self.registry.health_history(id, since, limit).await.map_err(shown)
    }

    /// All templates, by code.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn templates(&self) -> Answer<Vec<Template>> {
        self.registry.templates().await.map_err(shown)
    }

    /// The template of this code.
    ///
    /// # Errors
    /// When there is none; the hint names the nearest.
    pub async fn template(&self, word: &str) -> Answer<Template> {
        if let Ok(code) = Code::parse(word)
            && let Ok(template) = self.registry.template_by_code(&code).await
        {
            return Ok(template);
        }
        let all = self.templates().await?;
        Err(no_such("template", word, all.iter().map(|t| t.spec.code.as_str())))
    }

    /// All instances, by name, or one server's.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn instances(&self, server: Option<ServerId>) -> Answer<Vec<Instance>> {
        self.registry.instances(server).await.map_err(shown)
    }

    /// The instance of this subdomain, database or name; one that takes a place before failed ones
    /// of the same name, the newest of those otherwise.
    ///
    /// # Errors
    /// When there is none, or several in service share the word.
    pub async fn instance(&self, word: &str) -> Answer<Instance> {
        let mut found = self.registry.instances_called(word).await.map_err(shown)?;
        let (mut living, mut failed): (Vec<_>, Vec<_>) = found.drain(..).partition(|i| i.state.takes_place());
        failed.sort_by_key(|i| i.id);
        if let Some(exact) = living.iter().position(|i| i.spec.subdomain.as_str() == word) {
            return Ok(living.swap_remove(exact));
        }
        match (living.len(), failed.pop()) {
            (1, _) => Ok(living.swap_remove(0)),
            (0, Some(instance)) => Ok(instance),
            (0, None) => {
                let all = self.instances(None).await?;
                Err(no_such("instance", word, all.iter().map(|i| i.spec.subdomain.as_str())))
            }
            _ => {
                let which: Vec<&str> = living.iter().map(|i| i.spec.subdomain.as_str()).collect();
                Err(Problem::new(
                    "ambiguous",
                    format!("{word:?} is the name of {} instances", living.len()),
                )
                .hint(format!("say which by its subdomain: {}", which.join(", "))))
            }
        }
    }

    /// All plans, by code.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn plans(&self) -> Answer<Vec<Plan>> {
        self.registry.plans().await.map_err(shown)
    }

    /// The plan of this code.
    ///
    /// # Errors
    /// When there is none; the hint names the nearest.
    pub async fn plan(&self, word: &str) -> Answer<Plan> {
        let all = self.plans().await?;
        match all.iter().find(|p| p.code == word) {
            Some(plan) => Ok(plan.clone()),
            None => Err(no_such("plan", word, all.iter().map(|p| p.code.as_str()))),
        }
    }

    /// Adds a plan.
    ///
    /// # Errors
    /// When its code is no code, or taken.
    pub async fn plan_add(&self, plan: Plan) -> Answer<Plan> {
        self.allowed(Deed::AddPlan, "plan.add", "plan", &plan.code).await?;
        let words = ("plan.add", "plan", plan.code.as_str());
        self.judged(Deed::AddPlan, On::Called(&plan.code), words).await?;
        if let Err(error) = Code::parse(&plan.code) {
            let problem = Problem::new("invalid_name", error.to_string());
            return self.refuse("plan.add", "plan", &plan.code, problem).await;
        }
        self.registry.add_plan(&self.op(), &plan).await.map_err(shown)
    }

    /// All customers, by name.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn customers(&self) -> Answer<Vec<Customer>> {
        self.registry.customers().await.map_err(shown)
    }

    /// The customer of this name, added where there is none.
    ///
    /// # Errors
    /// When the name is empty, or the registry fails.
    pub async fn customer_add(&self, name: &str) -> Answer<Customer> {
        let name = SafeText::capped(name.trim(), 200);
        if name.as_str().is_empty() {
            let problem = Problem::new("invalid_name", "the customer's name is empty");
            return self.refuse("customer.add", "customer", "", problem).await;
        }
        self.allowed(Deed::AddCustomer, "customer.add", "customer", name.as_str())
            .await?;
        let words = ("customer.add", "customer", name.as_str());
        self.judged(Deed::AddCustomer, On::Called(name.as_str()), words).await?;
        let id = self.registry.customer_named(&self.op(), &name).await.map_err(shown)?;
        let all = self.customers().await?;
        all.into_iter()
            .find(|c| c.id == id)
            .ok_or_else(|| no_such("customer", name.as_str(), []))
    }
}
