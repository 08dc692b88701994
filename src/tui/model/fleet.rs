//! The registry as the dashboard holds it: rows by id, and the orders in which lists show them, kept
//! as changes come, so that drawing and filtering only read.

use super::attention::AlertRow;
use super::find::Row;
use super::ids::IdMap;
use super::message::{Delta, Fleet, InstanceRow};
use super::orders::ListId;
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
    rows: Vec<Option<Arc<InstanceRow>>>,
    free: Vec<u32>,
    slots: IdMap<InstanceId, u32>,
    by_server: IdMap<ServerId, Vec<u32>>,
    all: Vec<u32>,
    job_of_instance: IdMap<InstanceId, usize>,
    job_of_template: IdMap<TemplateId, usize>,
    server_at: IdMap<ServerId, usize>,
    plan_at: IdMap<PlanId, usize>,
    customer_at: IdMap<CustomerId, usize>,
    sold_plans: IdMap<PlanId, u32>,
    sold_to: IdMap<CustomerId, u32>,
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
            read_at: fleet.read_at,
            partly: fleet.partly,
            ..Self::default()
        };
        self.catalog(fleet.plans, fleet.customers);
        self.index_servers();
        self.templates.sort_by(|a, b| a.spec.code.cmp(&b.spec.code));
        self.index_jobs();
        self.slots.reserve(fleet.instances.len());
        self.rows.reserve(fleet.instances.len());
        for row in fleet.instances {
            self.put(row);
        }
        self.reorder();
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
        for id in delta.gone_instances {
            if let Some(slot) = self.slots.remove(&id) {
                if !many {
                    self.leave(slot);
                }
                if let Some(place) = self.rows.get_mut(slot as usize)
                    && let Some(old) = place.take()
                {
                    self.sold(&old, false);
                }
                self.free.push(slot);
            }
        }
        for row in delta.instances {
            let known = self.slots.get(&row.id).copied();
            if let (Some(slot), false) = (known, many) {
                self.leave(slot);
            }
            let slot = self.put(row);
            if !many {
                self.enter(slot);
            }
        }
        if many {
            self.reorder();
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

    /// Counts an instance, or takes it out of the count.
    fn sold(&mut self, row: &InstanceRow, more: bool) {
        let count = |n: &mut u32| *n = if more { *n + 1 } else { n.saturating_sub(1) };
        if let Some(plan) = row.plan {
            count(self.sold_plans.entry(plan).or_default());
        }
        if let Some(customer) = row.customer {
            count(self.sold_to.entry(customer).or_default());
        }
    }

    /// Instances sold as a plan.
    pub fn instances_of_plan(&self, id: PlanId) -> u32 {
        self.sold_plans.get(&id).copied().unwrap_or(0)
    }

    /// Instances of a customer.
    pub fn instances_of_customer(&self, id: CustomerId) -> u32 {
        self.sold_to.get(&id).copied().unwrap_or(0)
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
            ListId::All => Cow::Borrowed(&self.all),
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
            ListId::All => self.all.len(),
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

    fn catalog(&mut self, plans: Vec<Plan>, customers: Vec<Customer>) {
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

    fn put(&mut self, row: InstanceRow) -> u32 {
        let id = row.id;
        let slot = match self.slots.get(&id) {
            Some(slot) => *slot,
            None => self.free.pop().unwrap_or_else(|| {
                self.rows.push(None);
                u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
            }),
        };
        self.slots.insert(id, slot);
        self.sold(&row, true);
        if let Some(place) = self.rows.get_mut(slot as usize)
            && let Some(old) = place.replace(Arc::new(row))
        {
            self.sold(&old, false);
        }
        slot
    }

    fn key(&self, slot: u32) -> (&str, InstanceId) {
        self.rows
            .get(slot as usize)
            .and_then(Option::as_deref)
            .map_or(("", InstanceId(0)), |row| (row.lower(), row.id))
    }

    fn enter(&mut self, slot: u32) {
        let at = |order: &[u32]| order.partition_point(|other| self.key(*other) < self.key(slot));
        let place = at(&self.all);
        let server = self.instance_in(slot).map(|row| row.server);
        let theirs = server.map(|server| (server, at(self.of_server(server))));
        self.all.insert(place, slot);
        if let Some((server, place)) = theirs {
            self.by_server.entry(server).or_default().insert(place, slot);
        }
    }

    fn leave(&mut self, slot: u32) {
        self.all.retain(|other| *other != slot);
        if let Some(server) = self.instance_in(slot).map(|row| row.server)
            && let Some(order) = self.by_server.get_mut(&server)
        {
            order.retain(|other| *other != slot);
        }
    }

    fn reorder(&mut self) {
        let mut all: Vec<u32> = self.slots.values().copied().collect();
        // Slots come in the order of the answer, which is by name: nearly sorted is cheap to sort.
        all.sort_unstable();
        all.sort_by(|a, b| self.key(*a).cmp(&self.key(*b)));
        self.by_server.clear();
        for slot in &all {
            if let Some(row) = self.rows.get(*slot as usize).and_then(Option::as_deref) {
                self.by_server.entry(row.server).or_default().push(*slot);
            }
        }
        self.all = all;
    }

    /// The instance in a slot of an order.
    pub fn instance_in(&self, slot: u32) -> Option<&InstanceRow> {
        self.rows.get(slot as usize).and_then(Option::as_deref)
    }

    /// An instance by its id.
    pub fn instance(&self, id: InstanceId) -> Option<&InstanceRow> {
        self.slots.get(&id).and_then(|slot| self.instance_in(*slot))
    }

    /// How many instances there are.
    pub fn instance_count(&self) -> usize {
        self.all.len()
    }

    /// All instances' slots, by name.
    pub fn all(&self) -> &[u32] {
        &self.all
    }

    /// A server's instances' slots, by name.
    pub fn of_server(&self, server: ServerId) -> &[u32] {
        self.by_server.get(&server).map_or(&[], Vec::as_slice)
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
