//! The registry in one SQLite file, for the processes of one machine: dashboards, command line,
//! workers. Write-ahead log, every commit on disk before it is answered, constraints and counters in
//! the schema itself (`schema_1.sql`), so that an operator's own SQL reads and keeps the same truth.

mod audit;
mod catalog;
mod checks;
mod claim;
mod damage;
mod db;
mod effects;
mod follow;
mod history;
mod instances;
mod jobs;
mod migrate;
mod place;
mod queue;
mod secrets;
mod servers;
#[cfg(test)]
mod tests;
mod threads;
mod transfer;

pub use damage::faults;

use super::{
    ChangeStream, Claim, ClaimTerms, Consequence, HealthCheck, JobFilter, LinkState, NewJob, NewLine, Op, Registry,
    RegistryError, Resealed, Result, SecretUse, StepChange, Worker,
};
use crate::domain::audit::{Anchor, AuditEntry, AuditFilter, Chain, Verdict};
use crate::domain::capacity::Thresholds;
use crate::domain::check::CheckReport;
use crate::domain::health::HealthRules;
use crate::domain::instance::{Customer, Instance, Plan};
use crate::domain::job::{Job, JobState, LogLine};
use crate::domain::server::{Server, ServerEvent, ServerSpec};
use crate::domain::template::{Template, TemplateSpec};
use crate::domain::{Code, CustomerId, InstanceId, JobId, Problem, SafeText, ServerId, TemplateId};
use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a caller waits for any one call, its place in the queue included.
const LIMIT: Duration = Duration::from_secs(15);
/// For the few that touch every row.
const LONG: Duration = Duration::from_secs(300);
/// How many threads read.
const READERS: usize = 2;

/// The registry in one SQLite file.
pub struct Sqlite {
    path: Arc<Path>,
    writer: threads::Pool,
    readers: threads::Pool,
    follower: tokio::sync::OnceCell<follow::Follower>,
    /// A file is always there.
    link: tokio::sync::watch::Sender<LinkState>,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens the registry, makes it where it is missing (file 0600, folder 0700), and brings its schema
    /// forward. Blocks for some milliseconds; longer when many processes start for the first time at once.
    ///
    /// # Errors
    /// [`RegistryError::Unusable`] on a network file system, a loose file, another program's database
    /// or a SQLite library too old; [`RegistryError::NewerSchema`]; [`RegistryError::Store`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::start(path.as_ref(), true)
    }

    /// Opens a registry that is there already.
    ///
    /// # Errors
    /// As [`Sqlite::open`], and when there is no such file.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self> {
        Self::start(path.as_ref(), false)
    }

    fn start(path: &Path, create: bool) -> Result<Self> {
        place::check_library(rusqlite::version_number(), path)?;
        place::prepare(path, create)?;
        let path: PathBuf = path.canonicalize().map_err(|e| place::unusable(path, e.to_string()))?;
        let writer = db::connect(&path, db::Use::Write)?;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(db::connect(&path, db::Use::Read)?);
        }
        let no_thread = |e: std::io::Error| RegistryError::Store {
            what: format!("no thread for it: {e}"),
            transient: true,
        };
        Ok(Self {
            writer: threads::Pool::start("writer", vec![writer]).map_err(no_thread)?,
            readers: threads::Pool::start("reader", readers).map_err(no_thread)?,
            follower: tokio::sync::OnceCell::new(),
            link: tokio::sync::watch::Sender::new(LinkState::Connected),
            path: path.into(),
        })
    }

    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.readers.run(LIMIT, |conn| work(conn)).await
    }

    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        self.write_within(LIMIT, work).await
    }

    async fn write_within<T, F>(&self, limit: Duration, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let path = Arc::clone(&self.path);
        self.writer
            .run(limit, move |conn| {
                let before = conn.total_changes();
                let answer = work(conn);
                if conn.total_changes() != before {
                    follow::ring(&path);
                }
                answer
            })
            .await
    }
}

#[async_trait]
impl Registry for Sqlite {
    async fn servers(&self) -> Result<Vec<Server>> {
        self.read(servers::all).await
    }
    async fn server(&self, id: ServerId) -> Result<Server> {
        self.read(move |c| servers::by_id(c, id)).await
    }
    async fn server_by_code(&self, code: &Code) -> Result<Server> {
        let code = code.clone();
        self.read(move |c| servers::by_code(c, &code)).await
    }
    async fn add_server(&self, op: &Op, spec: &ServerSpec) -> Result<Server> {
        let (op, spec) = (op.clone(), spec.clone());
        self.write(move |c| servers::add(c, &op, &spec)).await
    }
    async fn edit_server(&self, op: &Op, id: ServerId, version: i64, spec: &ServerSpec) -> Result<Server> {
        let (op, spec) = (op.clone(), spec.clone());
        self.write(move |c| servers::edit(c, &op, id, version, &spec)).await
    }
    async fn transition_server(
        &self,
        op: &Op,
        id: ServerId,
        version: i64,
        event: &ServerEvent,
    ) -> Result<Option<Server>> {
        let (op, event) = (op.clone(), event.clone());
        self.write(move |c| servers::transition(c, &op, id, version, &event))
            .await
    }
    async fn record_check(&self, id: ServerId, report: &CheckReport, rules: &HealthRules) -> Result<Server> {
        let (report, rules) = (report.clone(), rules.clone());
        self.write(move |c| checks::record_check(c, id, &report, &rules)).await
    }
    async fn health_history(&self, id: ServerId, since: Option<Timestamp>, limit: usize) -> Result<Vec<HealthCheck>> {
        self.read(move |c| checks::history(c, id, since, limit)).await
    }
    async fn claim_due_checks(
        &self,
        now: Option<Timestamp>,
        interval: Duration,
        limit: usize,
    ) -> Result<Vec<ServerId>> {
        self.write(move |c| checks::claim_due(c, now, interval, limit)).await
    }

    async fn templates(&self) -> Result<Vec<Template>> {
        self.read(catalog::templates).await
    }
    async fn template(&self, id: TemplateId) -> Result<Template> {
        self.read(move |c| catalog::template(c, id)).await
    }
    async fn template_by_code(&self, code: &Code) -> Result<Template> {
        let code = code.clone();
        self.read(move |c| catalog::template_by_code(c, &code)).await
    }
    async fn add_template(&self, op: &Op, spec: &TemplateSpec) -> Result<Template> {
        let (op, spec) = (op.clone(), spec.clone());
        self.write(move |c| catalog::add_template(c, &op, &spec)).await
    }
    async fn remove_template(&self, op: &Op, id: TemplateId, version: i64) -> Result<()> {
        let op = op.clone();
        self.write(move |c| catalog::remove_template(c, &op, id, version)).await
    }

    async fn plans(&self) -> Result<Vec<Plan>> {
        self.read(catalog::plans).await
    }
    async fn add_plan(&self, op: &Op, plan: &Plan) -> Result<Plan> {
        let (op, plan) = (op.clone(), plan.clone());
        self.write(move |c| catalog::add_plan(c, &op, &plan)).await
    }
    async fn customers(&self) -> Result<Vec<Customer>> {
        self.read(catalog::customers).await
    }
    async fn customer_named(&self, op: &Op, name: &SafeText) -> Result<CustomerId> {
        let (op, name) = (op.clone(), name.clone());
        self.write(move |c| catalog::customer_named(c, &op, &name)).await
    }

    async fn instances(&self, server: Option<ServerId>) -> Result<Vec<Instance>> {
        self.read(move |c| instances::all(c, server)).await
    }
    async fn instances_after(&self, after: InstanceId, limit: usize) -> Result<Vec<Instance>> {
        self.read(move |c| instances::after(c, after, limit)).await
    }
    async fn instance(&self, id: InstanceId) -> Result<Instance> {
        self.read(move |c| instances::by_id(c, id)).await
    }
    async fn instances_called(&self, word: &str) -> Result<Vec<Instance>> {
        let word = word.to_owned();
        self.read(move |c| instances::called(c, &word)).await
    }
    async fn forget_instance(&self, op: &Op, id: InstanceId) -> Result<()> {
        let op = op.clone();
        self.write(move |c| instances::forget(c, &op, id)).await
    }

    async fn queue_job(&self, op: &Op, job: &NewJob) -> Result<Job> {
        let (op, job) = (op.clone(), job.clone());
        self.write(move |c| queue::queue(c, &op, &job)).await
    }
    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>> {
        let filter = filter.clone();
        self.read(move |c| jobs::filtered(c, &filter)).await
    }
    async fn job(&self, id: JobId) -> Result<Job> {
        self.read(move |c| jobs::by_id(c, id)).await
    }
    async fn cancel_job(&self, op: &Op, id: JobId) -> Result<Job> {
        let op = op.clone();
        self.write(move |c| queue::cancel(c, &op, id)).await
    }
    async fn retry_job(&self, op: &Op, id: JobId, thresholds: &Thresholds) -> Result<Job> {
        let (op, thresholds) = (op.clone(), thresholds.clone());
        self.write(move |c| queue::retry(c, &op, id, &thresholds)).await
    }
    async fn claim_job(&self, worker: &str, terms: &ClaimTerms) -> Result<Option<Claim>> {
        let (worker, terms) = (worker.to_owned(), terms.clone());
        self.write(move |c| claim::claim(c, &worker, &terms)).await
    }
    async fn renew_lease(&self, job: JobId, token: i64, lease: Duration) -> Result<bool> {
        self.write(move |c| claim::renew(c, job, token, lease)).await
    }
    async fn release_job(&self, job: JobId, token: i64, waits_for_key: Option<&str>) -> Result<()> {
        let key = waits_for_key.map(str::to_owned);
        self.write(move |c| claim::release(c, job, token, key.as_deref())).await
    }
    async fn record_step(&self, job: JobId, token: i64, change: &StepChange) -> Result<Job> {
        let change = change.clone();
        self.write(move |c| jobs::record(c, job, token, &change)).await
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
        self.write(move |c| jobs::finish(c, job, token, &end)).await
    }
    async fn append_log(&self, job: JobId, lines: &[NewLine]) -> Result<i64> {
        let lines = lines.to_vec();
        self.write(move |c| history::append(c, job, &lines)).await
    }
    async fn log(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<LogLine>> {
        self.read(move |c| history::log(c, job, after, limit)).await
    }
    async fn log_end(&self, job: JobId) -> Result<i64> {
        self.read(move |c| history::log_end(c, job)).await
    }

    async fn worker_alive(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write(move |c| history::worker_alive(c, &id)).await
    }
    async fn worker_gone(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write(move |c| history::worker_gone(c, &id)).await
    }
    async fn workers(&self) -> Result<Vec<Worker>> {
        self.read(history::workers).await
    }

    async fn secret_uses(&self) -> Result<Vec<SecretUse>> {
        self.read(secrets::uses).await
    }
    async fn reseal(&self, op: &Op, values: &[Resealed]) -> Result<usize> {
        let (op, values) = (op.clone(), values.to_vec());
        self.write_within(LONG, move |c| secrets::reseal(c, &op, &values)).await
    }

    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>> {
        let filter = filter.clone();
        self.read(move |c| audit::filtered(c, &filter)).await
    }
    async fn audit_head(&self) -> Result<Option<Anchor>> {
        self.read(audit::head).await
    }
    async fn verify_audit(&self, anchors: &[Anchor]) -> Result<Verdict> {
        let mut chain = Chain::new(anchors);
        loop {
            // Each part is a call of its own, so that a long audit has the time it needs.
            let (read, end) = self.read(move |c| audit::verify_part(c, chain)).await?;
            if let Some(head) = end {
                return Ok(read.finish(head.as_ref().map(|(id, hash)| (*id, hash.as_str()))));
            }
            chain = read;
        }
    }
    async fn audit_refused(&self, op: &Op, action: &str, object: &str, label: &str, why: &str) -> Result<()> {
        let op = op.clone();
        let [action, object, label, why] = [action, object, label, why].map(str::to_owned);
        self.write(move |c| audit::refused(c, &op, &action, &object, &label, &why))
            .await
    }
    async fn audit_noted(
        &self,
        op: &Op,
        action: &str,
        object: &str,
        label: &str,
        what: serde_json::Value,
    ) -> Result<()> {
        let op = op.clone();
        let [action, object, label] = [action, object, label].map(str::to_owned);
        self.write(move |c| audit::deed_noted(c, &op, &action, (&object, &label), what))
            .await
    }
    async fn prune(&self, checks_before: Timestamp, logs_before: Timestamp) -> Result<u64> {
        let mut gone = 0;
        loop {
            // Each batch is a call of its own, so that other writes come between.
            let batch = self
                .write(move |c| history::prune_batch(c, checks_before, logs_before))
                .await?;
            if batch == 0 {
                return Ok(gone);
            }
            gone += batch;
        }
    }
    async fn changes(&self) -> Result<ChangeStream> {
        let path = Arc::clone(&self.path);
        let start = || async move {
            let started = tokio::task::spawn_blocking(move || follow::Follower::start(&path, true)).await;
            started.unwrap_or_else(|e| {
                Err(RegistryError::Store {
                    what: format!("its changes can't be followed: {e}"),
                    transient: true,
                })
            })
        };
        self.follower.get_or_try_init(start).await?.join().await
    }
    fn link(&self) -> tokio::sync::watch::Receiver<LinkState> {
        self.link.subscribe()
    }
    fn place(&self) -> String {
        self.path.display().to_string()
    }
}
