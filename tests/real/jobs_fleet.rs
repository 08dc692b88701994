//! A server for the tests of the kinds of jobs: its own PostgreSQL, an Odoo stand-in, a registry; what
//! there is on it, counted; and workers that die where they are told.

use crate::harness::{connect, own_cluster, standin_options};
use crate::jobs_kit::{activate, op, server_spec, template_spec, tools};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vigie::domain::capacity::Thresholds;
use vigie::domain::instance::{Instance, InstanceSpec, InstanceState};
use vigie::domain::job::{Job, JobKind, JobState};
use vigie::domain::server::Server;
use vigie::domain::template::{Template, TemplateState};
use vigie::domain::{
    DbName, HostName, InstanceId, JobId, Problem, RemotePath, SafeText, Secret, SecretRef, Subdomain, TemplateId,
};
use vigie::jobs::engine::{Engine, EngineOptions, Parted, Stop};
use vigie::jobs::failpoint::FailPoints;
use vigie::jobs::{JobPlan, Kind, Request, Tools, kinds, plan};
use vigie::registry::sqlite::Sqlite;
use vigie::registry::{Registry, Worker};
use vigie::sandbox::{Cluster, Standin, StandinHandle};

pub(crate) const ADMIN_PASSWORD: &str = "correct horse battery";

/// Which ways lead to the server.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Reach {
    /// PostgreSQL, the machine, and Odoo's management.
    All,
    /// Only Odoo's RPC.
    RpcOnly,
    /// PostgreSQL and RPC, but not the machine's files.
    NoFiles,
}

pub(crate) struct Fleet {
    pub(crate) cluster: Cluster,
    pub(crate) odoo: StandinHandle,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) tools: Tools,
}

/// Everything a job could leave behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// Databases with their flags, comment, parameters and users, so that any change shows.
    pub(crate) databases: BTreeMap<String, String>,
    pub(crate) filestores: BTreeSet<String>,
    pub(crate) reservations: i64,
    pub(crate) places: u32,
    pub(crate) templates: Vec<String>,
    pub(crate) instances: Vec<String>,
}

impl Inventory {
    /// Without the rows of failed instances, which hold nothing.
    pub(crate) fn held(mut self) -> Self {
        self.instances.retain(|row| !row.ends_with(" failed"));
        self
    }
}

pub(crate) fn secret_file(folder: &Path, name: &str, value: &str) -> SecretRef {
    let path = folder.join(name);
    std::fs::write(&path, value).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    SecretRef::File(path.display().to_string())
}

impl Fleet {
    pub(crate) async fn new(reach: Reach) -> Self {
        Self::make(reach, 0).await
    }

    /// With a template of some size, whose copy takes a moment.
    pub(crate) async fn with_filler(reach: Reach, filler: u64) -> (Self, TemplateId) {
        let fleet = Self::make(reach, filler).await;
        let template = fleet.add_template("restaurant", "template_restaurant").await;
        fleet.done(Request::TemplateCreate(template)).await;
        (fleet, template)
    }

    async fn make(reach: Reach, filler: u64) -> Self {
        let cluster = own_cluster();
        let mut options = standin_options(&cluster);
        options.filler_bytes = filler;
        let data_dir = options.data_dir.clone();
        let odoo = Standin::start(options).await.expect("a stand-in");
        let folder = tempfile::tempdir().unwrap();
        let registry: Arc<dyn Registry> = Arc::new(Sqlite::open(folder.path().join("registry.db")).unwrap());
        let mut spec = server_spec("prod-1", &odoo.url());
        spec.master_password = Some(secret_file(folder.path(), "master", "master"));
        if reach != Reach::RpcOnly {
            spec.db_host = Some(HostName::parse("127.0.0.1").unwrap());
            spec.db_port = cluster.port();
            spec.db_user = Some("odoo".to_owned());
            spec.db_password = Some(secret_file(folder.path(), "db", cluster.role_password().expose()));
        }
        if reach == Reach::All {
            spec.data_dir = Some(RemotePath::parse(&data_dir.display().to_string()).unwrap());
        }
        let server = registry.add_server(&op(), &spec).await.unwrap();
        let server = activate(registry.as_ref(), &server).await;
        let tools = tools(folder.path());
        Self {
            cluster,
            odoo,
            registry,
            folder,
            server,
            tools,
        }
    }

    /// With a template that a job made.
    pub(crate) async fn with_template(reach: Reach) -> (Self, TemplateId) {
        let (fleet, template) = Self::with_filler(reach, 0).await;
        assert_eq!(fleet.template(template).await.state, TemplateState::Ready);
        (fleet, template)
    }

    pub(crate) async fn add_template(&self, code: &str, database: &str) -> TemplateId {
        let spec = template_spec(code, &self.server, database);
        self.registry.add_template(&op(), &spec).await.unwrap().id
    }

    pub(crate) async fn template(&self, id: TemplateId) -> Template {
        self.registry.template(id).await.unwrap()
    }

    pub(crate) async fn instance_called(&self, name: &str) -> Option<Instance> {
        let mut found = self.registry.instances_called(name).await.unwrap();
        found.pop()
    }

    pub(crate) fn instance(&self, template: TemplateId, name: &str) -> Request {
        Request::InstanceCreate(Box::new(InstanceSpec {
            name: SafeText::new(name),
            customer_id: None,
            plan_id: None,
            template_id: Some(template),
            server_id: self.server.id,
            database_name: DbName::parse(&name.replace('-', "_")).unwrap(),
            subdomain: Subdomain::parse(name).unwrap(),
            url: format!("https://{name}.example.org"),
            admin_login: format!("owner@{name}"),
            admin_password: secret_file(self.folder.path(), "owner", ADMIN_PASSWORD),
            dedicated: None,
        }))
    }

    pub(crate) async fn plan(&self, request: Request) -> Result<JobPlan, Problem> {
        plan(self.registry.as_ref(), &self.tools, request, &Thresholds::default()).await
    }

    pub(crate) async fn queue(&self, request: Request) -> Job {
        let plan = self.plan(request).await.expect("a plan");
        self.registry.queue_job(&op(), &plan.new_job).await.expect("queued")
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.registry.job(id).await.unwrap()
    }

    pub(crate) fn engine(&self, points: &str) -> Engine {
        self.engine_trying(points, 1, Duration::from_millis(20))
    }

    /// An engine that tries again so often, with this first pause.
    pub(crate) fn engine_trying(&self, points: &str, retries: u32, backoff: Duration) -> Engine {
        let options = EngineOptions {
            retries,
            backoff,
            patience: Duration::from_secs(5),
            grace: Duration::from_secs(5),
            failpoints: FailPoints::parse(points),
            ..EngineOptions::default()
        };
        Engine::new(Arc::clone(&self.registry), Arc::new(self.tools.clone()), options)
    }

    /// Claims the one job there is and runs it here.
    pub(crate) async fn run(&self, points: &str) -> Parted {
        self.run_with(points, Stop::default(), None).await
    }

    pub(crate) async fn run_with(&self, points: &str, stop: Stop, kind: Option<Kind>) -> Parted {
        let asked = Instant::now();
        let worker = vigie::jobs::worker::identity();
        let claim = self
            .registry
            .claim_job(&worker, &vigie::registry::ClaimTerms::lease(Duration::from_secs(20)))
            .await
            .unwrap()
            .expect("a job to claim");
        let kind = kind.unwrap_or_else(|| kinds::of(claim.job.spec.kind()));
        self.engine(points).run_as(kind, claim, asked, stop).await
    }

    /// Queues and runs a job that is to end well.
    pub(crate) async fn done(&self, request: Request) -> Job {
        let id = self.queue(request).await.id;
        let parted = self.run("").await;
        let job = self.job(id).await;
        assert_eq!(
            parted,
            Parted::Over(JobState::Done),
            "{}\n{}",
            problem(&job),
            self.log(id).await
        );
        job
    }

    pub(crate) async fn log(&self, id: JobId) -> String {
        let lines = self.registry.log(id, 0, 10_000).await.unwrap();
        lines
            .iter()
            .map(|line| format!("  {:?} {}\n", line.level, line.text))
            .collect()
    }

    /// Removes what a round made, behind everyone's back: rounds don't pile up on the disk.
    pub(crate) async fn clear(&self, name: &str) {
        self.odoo.close_connections().await;
        let client = connect(&self.cluster.superuser_config("postgres")).await;
        let database = name.replace('-', "_");
        for database in [database.clone(), format!("t_{database}")] {
            let there = "SELECT 1 FROM pg_database WHERE datname = $1";
            if client.query_opt(there, &[&database]).await.unwrap().is_some() {
                let thaw = format!("ALTER DATABASE {database} IS_TEMPLATE false");
                client.batch_execute(&thaw).await.unwrap();
                client
                    .batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)"))
                    .await
                    .unwrap();
            }
            let store = self.odoo.filestore(&database);
            if store.exists() {
                std::fs::remove_dir_all(store).unwrap();
            }
        }
        if let Some(instance) = self.instance_called(name).await {
            let file = rusqlite::Connection::open(self.folder.path().join("registry.db")).unwrap();
            file.busy_timeout(Duration::from_secs(5)).unwrap();
            file.execute("DELETE FROM saas_instance WHERE id = ?1", [instance.id.0])
                .unwrap();
        }
    }

    /// A worker's process on this registry, as operators run it.
    pub(crate) fn worker(&self, points: &str) -> Command {
        self.worker_with(points, "")
    }

    /// With these lines in its section of the settings.
    pub(crate) fn worker_with(&self, points: &str, settings: &str) -> Command {
        let config = self.config_with(settings);
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
        command
            .args(["worker", "--config"])
            .arg(config)
            .env_remove("VIGIE_CONFIG")
            .env("VIGIE_TEST_PASSWORD_ROUNDS", "10")
            .env("VIGIE_TEST_QUIET_MS", "200")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if !points.is_empty() {
            command.env("VIGIE_FAILPOINT", points);
        }
        command
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.config_with("")
    }

    fn config_with(&self, settings: &str) -> PathBuf {
        let path = self.folder.path().join("config.toml");
        let folder = self.folder.path().display();
        let text = format!(
            "[paths]\ndata_dir = \"{folder}\"\nregistry = \"{folder}/registry.db\"\nkey_file = \"{folder}/keys\"\n\
             [worker]\nchecks = false\n{settings}"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a worker that is to die at the point, as by kill -9.
    pub(crate) async fn die_at(&self, points: &str) {
        let mut child = self.worker(points).spawn().expect("a worker");
        let end = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                child.kill().unwrap();
                panic!("the worker did not die at {points}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(
            status.signal(),
            Some(9),
            "{points}: it ended with {status}, not by kill -9"
        );
    }

    pub(crate) async fn inventory(&self) -> Inventory {
        let client = connect(&self.cluster.superuser_config("postgres")).await;
        let rows = client
            .query(
                "SELECT oid, datname::text, datallowconn, datistemplate, datconnlimit, \
                 coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database",
                &[],
            )
            .await
            .unwrap();
        let mut databases = BTreeMap::new();
        let mut oids = BTreeSet::new();
        for row in &rows {
            let (oid, name): (u32, String) = (row.get(0), row.get(1));
            let (open, template, limit, comment): (bool, bool, i32, String) =
                (row.get(2), row.get(3), row.get(4), row.get(5));
            oids.insert(oid.to_string());
            let mut what = format!("{oid} open={open} template={template} limit={limit} {comment}");
            if open && !matches!(name.as_str(), "postgres" | "template1") {
                what.push_str(&self.inside(&name).await);
            }
            databases.insert(name, what);
        }
        self.no_orphan_directories(&oids);
        let stores = self.odoo.filestore("x");
        let stores = std::fs::read_dir(stores.parent().unwrap()).unwrap();
        let filestores = stores
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        let file = rusqlite::Connection::open(self.folder.path().join("registry.db")).unwrap();
        let reservations = file
            .query_row("SELECT count(*) FROM saas_reservation", [], |row| row.get(0))
            .unwrap();
        let templates = self.registry.templates().await.unwrap();
        let instances = self.registry.instances(None).await.unwrap();
        Inventory {
            databases,
            filestores,
            reservations,
            places: self.registry.server(self.server.id).await.unwrap().instance_count,
            templates: templates
                .iter()
                .map(|t| format!("{} {} frozen={}", t.spec.code, t.state.word(), t.facts.frozen))
                .collect(),
            instances: instances
                .iter()
                .map(|i| format!("{} {}", i.spec.name, i.state.word()))
                .collect(),
        }
    }

    /// Parameters and users of an Odoo database, as one text.
    async fn inside(&self, name: &str) -> String {
        let client = connect(&self.cluster.superuser_config(name)).await;
        let sql = "SELECT (SELECT string_agg(key || '=' || coalesce(value, ''), ',' ORDER BY key) FROM ir_config_parameter) \
                   || '|' || (SELECT string_agg(login || ':' || coalesce(password, ''), ',' ORDER BY id) FROM res_users)";
        match client.query_one(sql, &[]).await {
            Ok(row) => row.get::<_, Option<String>>(0).unwrap_or_default(),
            Err(_) => " (no Odoo)".to_owned(),
        }
    }

    /// A CREATE DATABASE that a crash cut short leaves a folder that no row of the catalog knows.
    fn no_orphan_directories(&self, oids: &BTreeSet<String>) {
        let base = self.cluster.dir().join("data/base");
        for entry in std::fs::read_dir(base).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if name.chars().all(|c| c.is_ascii_digit()) {
                assert!(oids.contains(&name), "base/{name} belongs to no database");
            }
        }
    }

    /// That an instance is what was asked for, seen from outside.
    pub(crate) async fn assert_made(&self, name: &str) {
        let instance = self.instance_called(name).await.expect("its row");
        assert_eq!(instance.state, InstanceState::Active);
        let database = instance.spec.database_name.clone();
        let odoo = self.tools.remote.odoo(&self.server.spec);
        let new = Secret::new(ADMIN_PASSWORD.to_owned());
        let login = &instance.spec.admin_login;
        assert!(
            odoo.authenticate(&database, login, &new).await.unwrap().is_some(),
            "the owner logs in"
        );
        let old = Secret::new("admin".to_owned());
        assert_eq!(odoo.authenticate(&database, "admin", &old).await.unwrap(), None);
        assert!(instance.database_uuid.is_some());
        let template = self.template(instance.spec.template_id.unwrap()).await;
        let facts = template.facts;
        if let (Some(login), Some(word)) = (&facts.admin_login, &facts.admin_password) {
            let word = self.tools.remote.keyring().resolve(word).await.unwrap();
            assert_eq!(odoo.authenticate(&database, login, &word).await.unwrap(), None);
        }
        let client = connect(&self.cluster.superuser_config(database.as_str())).await;
        let param = async |key: &str| -> String {
            let sql = "SELECT value FROM ir_config_parameter WHERE key = $1";
            client.query_one(sql, &[&key]).await.unwrap().get(0)
        };
        assert_eq!(param("web.base.url").await, instance.spec.url);
        assert_eq!(param("web.base.url.freeze").await, "True");
        assert_eq!(Some(param("database.uuid").await), instance.database_uuid);
        let source = self.odoo.filestore(template.spec.template_database.as_str());
        if source.exists() {
            let copy = self.odoo.filestore(database.as_str());
            assert_eq!(files(&source), files(&copy), "every file came along");
        }
    }
}

/// The files below a folder, without the mark.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != ".vigie-mark") {
                let inner = path.strip_prefix(folder).unwrap().to_path_buf();
                found.insert(inner, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

pub(crate) fn problem(job: &Job) -> String {
    format!("{:?}: {:?}", job.state, job.problem)
}

/// The names of a kind's steps, and where its way back ends.
pub(crate) fn names(kind: JobKind) -> (Vec<&'static str>, usize) {
    let steps = kinds::steps_of(kind);
    let pivot = steps.iter().position(|step| step.pivot()).unwrap_or(steps.len() - 1);
    (steps.iter().map(|step| step.name()).collect(), pivot)
}

pub(crate) fn alive(workers: &[Worker]) -> usize {
    workers.iter().filter(|worker| worker.alive).count()
}

pub(crate) fn delete(id: InstanceId) -> Request {
    Request::InstanceDelete(id)
}
