//! The registry as the dashboard holds it: rows by id, and the orders in which lists show them, kept
//! as changes come, so that drawing and filtering only read.

use super::attention::AlertRow;
use super::find::Row;
use super::ids::IdMap;
use super::instances::Instances;
use super::message::{Delta, Fleet};
use super::orders::ListId;
use super::row::InstanceRow;
use crate::domain::audit::AuditEntry;
use crate::domain::instance::{Customer, Plan};
use crate::domain::job::{Job, JobState};
use crate::domain::rights::Rights;
use crate::domain::server::{Server, ServerState};
use crate::domain::template::{Template, TemplateState};
use crate::domain::{CustomerId, InstanceId, JobId, PlanId, ServerId, TemplateId};
use jiff::Timestamp;
use std::borrow::Cow;
use std::sync::Arc;

/// Jobs that are over and still shown, at most.
const JOBS_KEPT: usize = 500;
/// Changes in one delta from which orders are made anew.
const MANY: usize = 200;

/// All that is known of the fleet. Cloned where a task still reads an older state of it: rows are
/// shared.
#[derive(Debug, Default, Clone)]
pub struct Store {
    /// By code.
    pub servers: Vec<Server>,
    /// By code.
    pub templates: Vec<Template>,
    /// The newest first.
    pub jobs: Vec<Job>,
    /// By code.
    pub plans: Vec<Plan>,
    /// By name.
    pub customers: Vec<Customer>,
    /// Workers that are alive.
    pub workers: usize,
    /// What the operator may do.
    pub rights: Rights,
    /// When it was last read; `None` before the first answer.
    pub read_at: Option<Timestamp>,
    /// The only server whose instances are known so far; `None`: all are.
    pub partly: Option<ServerId>,
    instances: Arc<Instances>,
    job_of_instance: IdMap<InstanceId, usize>,
    job_of_template: IdMap<TemplateId, usize>,
    server_at: IdMap<ServerId, usize>,
    plan_at: IdMap<PlanId, usize>,
    customer_at: IdMap<CustomerId, usize>,
    audit: Vec<AuditEntry>,
    alerts: Vec<AlertRow>,
    generation: u64,
    instance_generation: u64,
}

/// The fleet in five numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Glance {
    /// Servers.
    pub servers: usize,
    /// In service and well.
    pub well: usize,
    /// Not as they should be.
    pub warning: usize,
    /// Down though they are meant to be in service.
    pub down: usize,
    /// Neither: in draft, disabled, or never checked.
    pub other: usize,
    /// Taken places.
    pub taken: u64,
    /// All places of servers in service or maintenance.
    pub places: u64,
    /// Jobs that run.
    pub running: usize,
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs that are stuck.
    pub stuck: usize,
}

impl Store {
    /// Everything anew.
    pub fn replace(&mut self, fleet: Fleet) {
        let catalog = if fleet.same_catalog {
            (std::mem::take(&mut self.plans), std::mem::take(&mut self.customers))
        } else {
            (fleet.plans, fleet.customers)
        };
        *self = Self {
            generation: self.generation + 1,
            audit: std::mem::take(&mut self.audit),
            alerts: std::mem::take(&mut self.alerts),
            instance_generation: self.instance_generation + 1,
            servers: fleet.servers,
            templates: fleet.templates,
            jobs: fleet.jobs,
            workers: fleet.workers,
            rights: fleet.rights,
            instances: match fleet.indexed {
                Some(indexed) => indexed.instances,
                None => Arc::new(fleet.instances.into_iter().collect()),
            },
            read_at: fleet.read_at,
            partly: fleet.partly,
            ..Self::default()
        };
        self.catalog(catalog.0, catalog.1);
        self.index_servers();
        self.templates.sort_by(|a, b| a.spec.code.cmp(&b.spec.code));
        self.index_jobs();
    }

    /// What changed. Answers whether what lists of instances show did.
    pub fn apply(&mut self, delta: Delta) -> bool {
        self.generation += 1;
        let named = !delta.servers.is_empty() && self.renames(&delta.servers) || !delta.gone_servers.is_empty();
        let named = named || delta.catalog.is_some() || !delta.templates.is_empty();
        if let Some(at) = delta.read_at {
            self.read_at = Some(at);
        }
        for server in delta.servers {
            match self.server_at.get(&server.id).and_then(|at| self.servers.get_mut(*at)) {
                Some(old) => *old = server,
                None => {
                    self.server_at.insert(server.id, self.servers.len());
                    self.servers.push(server);
                }
            }
        }
        self.servers.retain(|s| !delta.gone_servers.contains(&s.id));
        self.index_servers();
        for template in delta.templates {
            match self.templates.iter_mut().find(|t| t.id == template.id) {
                Some(old) => *old = template,
                None => self.templates.push(template),
            }
        }
        self.templates.retain(|t| !delta.gone_templates.contains(&t.id));
        self.templates.sort_by(|a, b| a.spec.code.cmp(&b.spec.code));
        if !delta.jobs.is_empty() {
            for job in delta.jobs {
                match self.jobs.iter_mut().find(|j| j.id == job.id) {
                    Some(old) => *old = job,
                    None => self.jobs.push(job),
                }
            }
            self.index_jobs();
        }
        if let Some((plans, customers)) = delta.catalog {
            self.catalog(plans, customers);
        }
        if let Some(workers) = delta.workers {
            self.workers = workers;
        }
        let changed = !delta.instances.is_empty() || !delta.gone_instances.is_empty();
        let many = delta.instances.len() + delta.gone_instances.len() > MANY;
        if changed {
            Arc::make_mut(&mut self.instances).apply(delta.instances, delta.gone_instances, many);
        }
        self.instance_generation += u64::from(changed || named);
        changed || named
    }

    /// Whether servers are new or called otherwise.
    fn renames(&self, servers: &[Server]) -> bool {
        servers
            .iter()
            .any(|new| self.server(new.id).is_none_or(|old| old.spec.code != new.spec.code))
    }

    fn index_servers(&mut self) {
        self.servers.sort_by(|a, b| a.spec.code.cmp(&b.spec.code));
        self.server_at = self.servers.iter().enumerate().map(|(at, s)| (s.id, at)).collect();
    }

    /// Instances sold as a plan.
    pub fn instances_of_plan(&self, id: PlanId) -> u32 {
        self.instances.of_plan(id)
    }

    /// Instances of a customer.
    pub fn instances_of_customer(&self, id: CustomerId) -> u32 {
        self.instances.of_customer(id)
    }

    /// Counts changes of what a list is made from.
    pub fn generation(&self, list: ListId) -> u64 {
        if list.is_instances() {
            self.instance_generation
        } else {
            self.generation
        }
    }

    /// A list's rows in their own order, as [`Store::row`] takes them; of a server's instances, those.
    pub fn order(&self, list: ListId, server: Option<ServerId>) -> Cow<'_, [u32]> {
        match list {
            ListId::All => Cow::Borrowed(self.all()),
            ListId::Here => Cow::Borrowed(server.map_or(&[], |server| self.of_server(server))),
            other => Cow::Owned((0..u32::try_from(self.count(other, None)).unwrap_or(u32::MAX)).collect()),
        }
    }

    /// Rows of the audit that were read, the newest first.
    pub fn audit(&self) -> &[AuditEntry] {
        &self.audit
    }

    /// The row of the audit of this number, if it was read.
    pub fn audit_row(&self, id: i64) -> Option<&AuditEntry> {
        let at = self.audit.binary_search_by(|row| id.cmp(&row.id)).ok()?;
        self.audit.get(at)
    }

    /// Takes rows of the audit in.
    pub(super) fn set_audit(
        &mut self,
        rows: Vec<AuditEntry>,
        take: impl FnOnce(&mut Vec<AuditEntry>, Vec<AuditEntry>),
    ) {
        self.generation += 1;
        take(&mut self.audit, rows);
    }

    /// The alerts, as their list has them.
    pub fn alerts(&self) -> &[AlertRow] {
        &self.alerts
    }

    /// The alerts, anew.
    pub fn set_alerts(&mut self, rows: Vec<AlertRow>) {
        self.generation += 1;
        self.alerts = rows;
    }

    /// How many rows a list has.
    pub fn count(&self, list: ListId, server: Option<ServerId>) -> usize {
        match list {
            ListId::All => self.all().len(),
            ListId::Here => server.map_or(0, |server| self.of_server(server).len()),
            ListId::Servers => self.servers.len(),
            ListId::Templates => self.templates.len(),
            ListId::Jobs => self.jobs.len(),
            ListId::Plans => self.plans.len(),
            ListId::Customers => self.customers.len(),
            ListId::Audit => self.audit.len(),
            ListId::Alerts => self.alerts.len(),
        }
    }

    /// A row of a list.
    pub fn row(&self, list: ListId, at: u32) -> Option<Row<'_>> {
        let place = at as usize;
        match list {
            ListId::Here | ListId::All => self.instance_in(at).map(Row::Instance),
            ListId::Servers => self.servers.get(place).map(Row::Server),
            ListId::Templates => self.templates.get(place).map(Row::Template),
            ListId::Jobs => self.jobs.get(place).map(Row::Job),
            ListId::Plans => self.plans.get(place).map(Row::Plan),
            ListId::Customers => self.customers.get(place).map(Row::Customer),
            ListId::Audit => self.audit.get(place).map(Row::Audit),
            ListId::Alerts => self.alerts.get(place).map(Row::Alert),
        }
    }

    fn catalog(&mut self, plans: Vec<Plan>, mut customers: Vec<Customer>) {
        customers.shrink_to_fit();
        self.plan_at = plans.iter().enumerate().map(|(at, plan)| (plan.id, at)).collect();
        self.customer_at = customers.iter().enumerate().map(|(at, c)| (c.id, at)).collect();
        self.plans = plans;
        self.customers = customers;
    }

    fn index_jobs(&mut self) {
        self.jobs.sort_by_key(|job| std::cmp::Reverse(job.id));
        let mut over = 0;
        self.jobs.retain(|job| {
            over += usize::from(job.state.is_over());
            !job.state.is_over() || over <= JOBS_KEPT
        });
        self.job_of_instance.clear();
        self.job_of_template.clear();
        for (at, job) in self.jobs.iter().enumerate() {
            match (job.spec.instance_id(), job.spec.template_id()) {
                (Some(instance), _) => {
                    self.job_of_instance.entry(instance).or_insert(at);
                }
                (None, Some(template)) => {
                    self.job_of_template.entry(template).or_insert(at);
                }
                (None, None) => {}
            }
        }
    }

    /// The instance in a slot of an order.
    pub fn instance_in(&self, slot: u32) -> Option<&InstanceRow> {
        self.instances.row(slot)
    }

    /// How many slots there are, those of instances that are gone included.
    pub(super) fn slots(&self) -> usize {
        self.instances.slots()
    }

    /// An instance by its id.
    pub fn instance(&self, id: InstanceId) -> Option<&InstanceRow> {
        self.instances.get(id)
    }

    /// How many instances there are.
    pub fn instance_count(&self) -> usize {
        self.all().len()
    }

    /// All instances' slots, by name.
    pub fn all(&self) -> &[u32] {
        self.instances.all()
    }

    /// A server's instances' slots, by name.
    pub fn of_server(&self, server: ServerId) -> &[u32] {
        self.instances.of_server(server)
    }

    /// A server.
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.server_at.get(&id).and_then(|at| self.servers.get(*at))
    }

    /// A server's code, for lines that name it.
    pub fn server_code(&self, id: ServerId) -> &str {
        self.server(id).map_or("?", |server| server.spec.code.as_str())
    }

    /// A template.
    pub fn template(&self, id: TemplateId) -> Option<&Template> {
        self.templates.iter().find(|template| template.id == id)
    }

    /// A plan.
    pub fn plan(&self, id: PlanId) -> Option<&Plan> {
        self.plan_at.get(&id).and_then(|at| self.plans.get(*at))
    }

    /// A customer.
    pub fn customer(&self, id: CustomerId) -> Option<&Customer> {
        self.customer_at.get(&id).and_then(|at| self.customers.get(*at))
    }

    /// A job.
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// The newest job on an instance.
    pub fn job_of_instance(&self, id: InstanceId) -> Option<&Job> {
        self.job_of_instance.get(&id).and_then(|at| self.jobs.get(*at))
    }

    /// The newest job on a template's own database.
    pub fn job_of_template(&self, id: TemplateId) -> Option<&Job> {
        self.job_of_template.get(&id).and_then(|at| self.jobs.get(*at))
    }

    /// Templates that instances can be cloned from.
    pub fn ready_templates(&self) -> impl Iterator<Item = &Template> {
        self.templates.iter().filter(|t| t.state == TemplateState::Ready)
    }

    /// The fleet in a few numbers.
    pub fn glance(&self) -> Glance {
        use crate::domain::health::HealthStatus as H;
        let mut glance = Glance {
            servers: self.servers.len(),
            ..Glance::default()
        };
        for server in &self.servers {
            let state = server.state();
            glance.taken += u64::from(server.instance_count);
            if matches!(
                state,
                ServerState::Active | ServerState::Maintenance | ServerState::Offline
            ) {
                glance.places += u64::from(server.spec.max_instances);
            }
            match (state, server.track.status) {
                (ServerState::Offline, _) => glance.down += 1,
                (ServerState::Active | ServerState::Maintenance, H::Critical) => glance.down += 1,
                (ServerState::Active | ServerState::Maintenance, H::Warning) => glance.warning += 1,
                (ServerState::Active | ServerState::Maintenance, H::Healthy) => glance.well += 1,
                _ => glance.other += 1,
            }
        }
        for job in &self.jobs {
            match job.state {
                JobState::Running | JobState::Undoing => glance.running += 1,
                JobState::Queued => glance.queued += 1,
                JobState::Stuck => glance.stuck += 1,
                _ => {}
            }
        }
        glance
    }
}
