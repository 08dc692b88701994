//! The registry in a PostgreSQL database that a team shares: operators in several places, workers on
//! several machines. The same tables as in the file of `sqlite/`, with constraints, counters and the
//! memory of changes kept by the schema itself (`schema_1.sql`); every mutation one transaction with its
//! operation and its audit row, tried again where that is safe.

mod catalog;
mod connect;
mod db;
mod fault;
mod pool;
pub mod roles;
mod secrets;
mod servers;

use super::{
    ChangeStream, Claim, ClaimTerms, Consequence, HealthCheck, JobFilter, LinkState, NewJob, NewLine, Op, Registry,
    RegistryError, Resealed, Result, SecretUse, StepChange, Worker,
};
use crate::domain::audit::{Anchor, AuditEntry, AuditFilter, Verdict};
use crate::domain::capacity::Thresholds;
use crate::domain::check::CheckReport;
use crate::domain::health::HealthRules;
use crate::domain::instance::{Customer, Instance, Plan};
use crate::domain::job::{Job, JobState, LogLine};
use crate::domain::rights::Rights;
use crate::domain::server::{Server, ServerEvent, ServerSpec};
use crate::domain::template::{Template, TemplateSpec};
use crate::domain::{Code, CustomerId, InstanceId, JobId, Problem, SafeText, ServerId, TemplateId};
use async_trait::async_trait;
use jiff::Timestamp;
use pool::Store;
use std::time::Duration;

/// The registry in a PostgreSQL database.
pub struct Postgres {
    store: Store,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres")
            .field("place", &self.place())
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Opens the registry at an address.
    ///
    /// # Errors
    /// [`RegistryError::Unusable`] where the address can't be used; [`RegistryError::Store`].
    pub async fn open(address: &str) -> Result<Self> {
        let connector = connect::Connector::parse(address)?;
        let store = Store::new(connector, 8)?;
        Ok(Self { store })
    }
}

fn not_built<T>(what: &str) -> Result<T> {
    Err(RegistryError::Store {
        what: format!("{what}: not built yet"),
        transient: false,
    })
}

#[async_trait]
impl Registry for Postgres {
    async fn servers(&self) -> Result<Vec<Server>> {
        self.store.read(|tx| Box::pin(servers::all(tx))).await
    }
    async fn server(&self, id: ServerId) -> Result<Server> {
        self.store.read(|tx| Box::pin(servers::by_id(tx, id))).await
    }
    async fn server_by_code(&self, code: &Code) -> Result<Server> {
        self.store.read(|tx| Box::pin(servers::by_code(tx, code))).await
    }
    async fn add_server(&self, op: &Op, spec: &ServerSpec) -> Result<Server> {
        servers::add(&self.store, op, spec).await
    }
    async fn edit_server(&self, op: &Op, id: ServerId, version: i64, spec: &ServerSpec) -> Result<Server> {
        servers::edit(&self.store, op, id, version, spec).await
    }
    async fn transition_server(
        &self,
        op: &Op,
        id: ServerId,
        version: i64,
        event: &ServerEvent,
    ) -> Result<Option<Server>> {
        servers::transition(&self.store, op, id, version, event).await
    }
    async fn record_check(&self, _id: ServerId, _report: &CheckReport, _rules: &HealthRules) -> Result<Server> {
        not_built("record_check")
    }
    async fn health_history(
        &self,
        _id: ServerId,
        _since: Option<Timestamp>,
        _limit: usize,
    ) -> Result<Vec<HealthCheck>> {
        not_built("health_history")
    }
    async fn claim_due_checks(
        &self,
        _now: Option<Timestamp>,
        _interval: Duration,
        _limit: usize,
    ) -> Result<Vec<ServerId>> {
        not_built("claim_due_checks")
    }
    async fn templates(&self) -> Result<Vec<Template>> {
        self.store.read(|tx| Box::pin(catalog::templates(tx))).await
    }
    async fn template(&self, id: TemplateId) -> Result<Template> {
        self.store.read(|tx| Box::pin(catalog::template(tx, id))).await
    }
    async fn template_by_code(&self, code: &Code) -> Result<Template> {
        self.store
            .read(|tx| Box::pin(catalog::template_by_code(tx, code)))
            .await
    }
    async fn add_template(&self, op: &Op, spec: &TemplateSpec) -> Result<Template> {
        catalog::add_template(&self.store, op, spec).await
    }
    async fn remove_template(&self, op: &Op, id: TemplateId, version: i64) -> Result<()> {
        catalog::remove_template(&self.store, op, id, version).await
    }
    async fn plans(&self) -> Result<Vec<Plan>> {
        self.store.read(|tx| Box::pin(catalog::plans(tx))).await
    }
    async fn add_plan(&self, op: &Op, plan: &Plan) -> Result<Plan> {
        catalog::add_plan(&self.store, op, plan).await
    }
    async fn customers(&self) -> Result<Vec<Customer>> {
        self.store.read(|tx| Box::pin(catalog::customers(tx))).await
    }
    async fn customer_named(&self, op: &Op, name: &SafeText) -> Result<CustomerId> {
        catalog::customer_named(&self.store, op, name).await
    }
    async fn instances(&self, _server: Option<ServerId>) -> Result<Vec<Instance>> {
        not_built("instances")
    }
    async fn instance(&self, _id: InstanceId) -> Result<Instance> {
        not_built("instance")
    }
    async fn instances_called(&self, _word: &str) -> Result<Vec<Instance>> {
        not_built("instances_called")
    }
    async fn forget_instance(&self, _op: &Op, _id: InstanceId) -> Result<()> {
        not_built("forget_instance")
    }
    async fn queue_job(&self, _op: &Op, _job: &NewJob) -> Result<Job> {
        not_built("queue_job")
    }
    async fn jobs(&self, _filter: &JobFilter) -> Result<Vec<Job>> {
        not_built("jobs")
    }
    async fn job(&self, _id: JobId) -> Result<Job> {
        not_built("job")
    }
    async fn cancel_job(&self, _op: &Op, _id: JobId) -> Result<Job> {
        not_built("cancel_job")
    }
    async fn retry_job(&self, _op: &Op, _id: JobId, _thresholds: &Thresholds) -> Result<Job> {
        not_built("retry_job")
    }
    async fn claim_job(&self, _worker: &str, _terms: &ClaimTerms) -> Result<Option<Claim>> {
        not_built("claim_job")
    }
    async fn renew_lease(&self, _job: JobId, _token: i64, _lease: Duration) -> Result<bool> {
        not_built("renew_lease")
    }
    async fn release_job(&self, _job: JobId, _token: i64, _waits_for_key: Option<&str>) -> Result<()> {
        not_built("release_job")
    }
    async fn record_step(&self, _job: JobId, _token: i64, _change: &StepChange) -> Result<Job> {
        not_built("record_step")
    }
    async fn finish_job(
        &self,
        _job: JobId,
        _token: i64,
        _state: JobState,
        _result: Option<serde_json::Value>,
        _problem: Option<Problem>,
        _consequences: &[Consequence],
    ) -> Result<Job> {
        not_built("finish_job")
    }
    async fn append_log(&self, _job: JobId, _lines: &[NewLine]) -> Result<i64> {
        not_built("append_log")
    }
    async fn log(&self, _job: JobId, _after: i64, _limit: usize) -> Result<Vec<LogLine>> {
        not_built("log")
    }
    async fn log_end(&self, _job: JobId) -> Result<i64> {
        not_built("log_end")
    }
    async fn worker_alive(&self, _id: &str) -> Result<()> {
        not_built("worker_alive")
    }
    async fn worker_gone(&self, _id: &str) -> Result<()> {
        not_built("worker_gone")
    }
    async fn workers(&self) -> Result<Vec<Worker>> {
        not_built("workers")
    }
    async fn secret_uses(&self) -> Result<Vec<SecretUse>> {
        self.store.snapshot(|tx| Box::pin(secrets::uses(tx))).await
    }
    async fn reseal(&self, op: &Op, values: &[Resealed]) -> Result<usize> {
        secrets::reseal(&self.store, op, values).await
    }
    async fn audit(&self, _filter: &AuditFilter) -> Result<Vec<AuditEntry>> {
        not_built("audit")
    }
    async fn audit_head(&self) -> Result<Option<Anchor>> {
        not_built("audit_head")
    }
    async fn verify_audit(&self, _anchors: &[Anchor]) -> Result<Verdict> {
        not_built("verify_audit")
    }
    async fn audit_refused(&self, _op: &Op, _action: &str, _object: &str, _label: &str, _why: &str) -> Result<()> {
        not_built("audit_refused")
    }
    async fn prune(&self, _checks_before: Timestamp, _logs_before: Timestamp) -> Result<u64> {
        not_built("prune")
    }
    async fn changes(&self) -> Result<ChangeStream> {
        not_built("changes")
    }
    async fn rights(&self) -> Result<Rights> {
        self.store.read(|tx| Box::pin(roles::rights(tx))).await
    }
    fn link(&self) -> tokio::sync::watch::Receiver<LinkState> {
        self.store.link()
    }
    fn place(&self) -> String {
        self.store.connector.place()
    }
}
