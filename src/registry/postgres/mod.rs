//! The registry in a PostgreSQL database that a team shares: operators in several places, workers on
//! several machines. The same tables as in the file of `sqlite/`, with constraints, counters and the
//! memory of changes kept by the schema itself (`schema_1.sql`); every mutation one transaction with its
//! operation and its audit row, tried again where that is safe.

mod address;
mod audit;
mod catalog;
mod checks;
mod claim;
mod columns;
mod connect;
mod db;
mod effects;
mod fault;
mod follow;
mod history;
mod instances;
mod jobs;
mod libpq;
mod look;
mod migrate;
mod pool;
mod prune;
mod queue;
pub mod roles;
mod secrets;
mod servers;
mod status;
mod tls;
mod transfer;
mod workers;

pub use connect::{Options, PasswordSource};
pub use follow::Listen;
pub use libpq::Environment;
pub use status::Status;

#[cfg(doc)]
use super::RegistryError;
use super::{
    ChangeStream, Claim, ClaimTerms, Consequence, HealthCheck, JobFilter, LinkState, NewJob, NewLine, Op, Registry,
    Resealed, Result, SecretUse, StepChange, Worker,
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
use std::sync::Arc;
use std::time::Duration;

/// The registry in a PostgreSQL database.
pub struct Postgres {
    store: Arc<Store>,
    /// Where changes are listened to; `None`: they are looked for.
    direct: Option<Arc<connect::Connector>>,
    follower: tokio::sync::OnceCell<follow::Follower>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres")
            .field("place", &self.place())
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Makes the registry in the database at an address, or brings it forward, as its owner or a superuser;
    /// the answer is the schema's version before, 0 where there was none.
    ///
    /// # Errors
    /// [`RegistryError::Unusable`] where the address can't be used; [`RegistryError::NewerSchema`];
    /// [`RegistryError::NotAllowed`] where the role may not; [`RegistryError::Store`].
    pub async fn init(address: &str) -> Result<i64> {
        Self::init_as(address, Options::default()).await
    }

    /// As [`Postgres::init`], connected as these options say.
    ///
    /// # Errors
    /// As [`Postgres::init`].
    pub async fn init_as(address: &str, options: Options) -> Result<i64> {
        let connector = connect::Connector::new(address, options)?;
        migrate::forward(&connector).await
    }

    /// The newest schema that this program knows.
    pub fn known_schema() -> i64 {
        migrate::known()
    }

    /// An address as it is shown: without secrets, with what the environment adds.
    ///
    /// # Errors
    /// [`RegistryError::Unusable`] where it can't be used.
    pub fn place_of(address: &str, options: Options) -> Result<String> {
        Ok(connect::Connector::new(address, options)?.place())
    }

    /// What there is to say of the registry at an address, also where it is not made yet.
    ///
    /// # Errors
    /// [`RegistryError::Unusable`] where the address can't be used; [`RegistryError::Store`].
    pub async fn status(address: &str, options: Options) -> Result<Status> {
        status::of(&connect::Connector::new(address, options)?).await
    }

    /// Opens the registry at an address, by this process's environment.
    ///
    /// # Errors
    /// As [`Postgres::open_as`].
    pub async fn open(address: &str) -> Result<Self> {
        Self::open_as(address, Options::default()).await
    }

    /// As [`Postgres::open`], where changes are heard of as `listen` says.
    ///
    /// # Errors
    /// As [`Postgres::open_as`].
    pub async fn open_with(address: &str, listen: &Listen) -> Result<Self> {
        let options = Options {
            listen: listen.clone(),
            ..Options::default()
        };
        Self::open_as(address, options).await
    }

    /// Opens the registry at an address: `postgres://…`, `key=value` words, or `postgres://` alone for what
    /// libpq's environment says.
    ///
    /// # Errors
    /// [`RegistryError::Unusable`] where the address can't be used, there is no registry, or its schema is
    /// older; [`RegistryError::NewerSchema`]; [`RegistryError::Store`].
    pub async fn open_as(address: &str, options: Options) -> Result<Self> {
        let connector = connect::Connector::new(address, options)?;
        migrate::check(&connector).await?;
        let store = Arc::new(Store::new(connector)?);
        let direct = match store.connector.listen() {
            Listen::Auto => Some(Arc::clone(&store.connector)),
            Listen::Poll => None,
            Listen::Address(direct) => Some(Arc::new(store.connector.beside(direct)?)),
        };
        Ok(Self {
            store,
            direct,
            follower: tokio::sync::OnceCell::new(),
        })
    }
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
    async fn record_check(&self, id: ServerId, report: &CheckReport, rules: &HealthRules) -> Result<Server> {
        checks::record_check(&self.store, id, report, rules).await
    }
    async fn health_history(&self, id: ServerId, since: Option<Timestamp>, limit: usize) -> Result<Vec<HealthCheck>> {
        self.store
            .read(|tx| Box::pin(checks::history(tx, id, since, limit)))
            .await
    }
    async fn claim_due_checks(
        &self,
        now: Option<Timestamp>,
        interval: Duration,
        limit: usize,
    ) -> Result<Vec<ServerId>> {
        self.store
            .read(|tx| Box::pin(checks::claim_due(tx, now, interval, limit)))
            .await
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
    async fn instances(&self, server: Option<ServerId>) -> Result<Vec<Instance>> {
        self.store.read(|tx| Box::pin(instances::all(tx, server))).await
    }
    async fn instances_after(&self, after: InstanceId, limit: usize) -> Result<Vec<Instance>> {
        self.store.read(|tx| Box::pin(instances::after(tx, after, limit))).await
    }
    async fn instance(&self, id: InstanceId) -> Result<Instance> {
        self.store.read(|tx| Box::pin(instances::by_id(tx, id))).await
    }
    async fn instances_called(&self, word: &str) -> Result<Vec<Instance>> {
        self.store.read(|tx| Box::pin(instances::called(tx, word))).await
    }
    async fn forget_instance(&self, op: &Op, id: InstanceId) -> Result<()> {
        instances::forget(&self.store, op, id).await
    }
    async fn queue_job(&self, op: &Op, job: &NewJob) -> Result<Job> {
        queue::queue(&self.store, op, job).await
    }
    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>> {
        self.store.read(|tx| Box::pin(jobs::filtered(tx, filter))).await
    }
    async fn job(&self, id: JobId) -> Result<Job> {
        self.store.read(|tx| Box::pin(jobs::by_id(tx, id))).await
    }
    async fn cancel_job(&self, op: &Op, id: JobId) -> Result<Job> {
        queue::cancel(&self.store, op, id).await
    }
    async fn retry_job(&self, op: &Op, id: JobId, thresholds: &Thresholds) -> Result<Job> {
        queue::retry(&self.store, op, id, thresholds).await
    }
    async fn claim_job(&self, worker: &str, terms: &ClaimTerms) -> Result<Option<Claim>> {
        claim::claim(&self.store, worker, terms).await
    }
    async fn renew_lease(&self, job: JobId, token: i64, lease: Duration) -> Result<bool> {
        claim::renew(&self.store, job, token, lease).await
    }
    async fn release_job(&self, job: JobId, token: i64, waits_for_key: Option<&str>) -> Result<()> {
        claim::release(&self.store, job, token, waits_for_key).await
    }
    async fn record_step(&self, job: JobId, token: i64, change: &StepChange) -> Result<Job> {
        jobs::record(&self.store, job, token, change).await
    }
    async fn finish_job(
        &self,
        job: JobId,
        token: i64,
        state: JobState,
        result: Option<serde_json::Value>,
        problem: Option<Problem>,
        consequences: &[Consequence],
    ) -> Result<Job> {
        let end = jobs::End {
            state,
            result,
            problem,
            consequences: consequences.to_vec(),
        };
        jobs::finish(&self.store, job, token, &end).await
    }
    async fn append_log(&self, job: JobId, lines: &[NewLine]) -> Result<i64> {
        history::append(&self.store, job, lines).await
    }
    async fn log(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<LogLine>> {
        self.store
            .read(|tx| Box::pin(history::log(tx, job, after, limit)))
            .await
    }
    async fn log_end(&self, job: JobId) -> Result<i64> {
        self.store.read(|tx| Box::pin(history::log_end(tx, job))).await
    }
    async fn worker_alive(&self, id: &str) -> Result<()> {
        self.store.read(|tx| Box::pin(workers::alive(tx, id))).await
    }
    async fn worker_gone(&self, id: &str) -> Result<()> {
        self.store.read(|tx| Box::pin(workers::gone(tx, id))).await
    }
    async fn workers(&self) -> Result<Vec<Worker>> {
        self.store.read(|tx| Box::pin(workers::all(tx))).await
    }
    async fn secret_uses(&self) -> Result<Vec<SecretUse>> {
        self.store.snapshot(|tx| Box::pin(secrets::uses(tx))).await
    }
    async fn reseal(&self, op: &Op, values: &[Resealed]) -> Result<usize> {
        secrets::reseal(&self.store, op, values).await
    }
    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>> {
        self.store.read(|tx| Box::pin(audit::filtered(tx, filter))).await
    }
    async fn audit_head(&self) -> Result<Option<Anchor>> {
        self.store.read(|tx| Box::pin(audit::head(tx))).await
    }
    async fn verify_audit(&self, anchors: &[Anchor]) -> Result<Verdict> {
        audit::verify(&self.store, anchors).await
    }
    async fn audit_refused(&self, op: &Op, action: &str, object: &str, label: &str, why: &str) -> Result<()> {
        audit::refused(&self.store, op, action, object, label, why).await
    }
    async fn audit_noted(
        &self,
        op: &Op,
        action: &str,
        object: &str,
        label: &str,
        what: serde_json::Value,
    ) -> Result<()> {
        audit::noted(&self.store, op, action, (object, label), what).await
    }
    async fn prune(&self, checks_before: Timestamp, logs_before: Timestamp) -> Result<u64> {
        prune::prune(&self.store, checks_before, logs_before).await
    }
    async fn changes(&self) -> Result<ChangeStream> {
        self.follower
            .get_or_init(|| async { follow::Follower::start(Arc::clone(&self.store), self.direct.clone()) })
            .await
            .join()
            .await
    }
    async fn rights(&self) -> Result<Rights> {
        self.store.secrets_may_have_changed();
        self.store.read(|tx| Box::pin(roles::rights(tx))).await
    }
    fn link(&self) -> tokio::sync::watch::Receiver<LinkState> {
        self.store.link()
    }
    fn place(&self) -> String {
        self.store.connector.place()
    }
}
