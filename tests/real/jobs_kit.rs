//! What the tests of jobs share: a registry with a server and a template in it, and ways to ask.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vigie::domain::audit::Actor;
use vigie::domain::capacity::Thresholds;
use vigie::domain::check::{CheckReport, ServerUrl};
use vigie::domain::health::HealthRules;
use vigie::domain::job::{Job, JobSpec, PlannedStep};
use vigie::domain::server::{DbTls, Intent, Server, ServerEvent, ServerSpec};
use vigie::domain::template::{Template, TemplateSpec};
use vigie::domain::{Code, DbName, JobId, SafeText};
use vigie::jobs::Tools;
use vigie::registry::sqlite::Sqlite;
use vigie::registry::{Expected, NewJob, Op, Registry, Reservation};
use vigie::remote::secrets::Keyring;
use vigie::remote::{Limits, Remote};

/// Waits for a condition, 30 s at most.
pub(crate) async fn wait_until<F: Future<Output = bool>>(what: &str, met: impl Fn() -> F) {
    let end = Instant::now() + Duration::from_secs(30);
    while !met().await {
        assert!(Instant::now() < end, "waited 30 s for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn op() -> Op {
    Op {
        reason: None,
        id: uuid::Uuid::new_v4().to_string(),
        at: jiff::Timestamp::now(),
        actor: Actor {
            os_user: "tester".to_owned(),
            host: "here".to_owned(),
            via: "test".to_owned(),
        },
    }
}

/// Doors in a hurry: few rounds, short waits.
pub(crate) fn tools(folder: &Path) -> Tools {
    let remote = Remote::new(Keyring::at(folder.join("keys")), Limits::default(), None).expect("a remote");
    let mut tools = Tools::new(remote, Thresholds::default());
    tools.quiet = Duration::from_millis(200);
    tools.password_rounds = 10;
    tools
}

pub(crate) fn server_spec(code: &str, url: &str) -> ServerSpec {
    ServerSpec {
        name: SafeText::new(code),
        code: Code::parse(code).unwrap(),
        description: SafeText::new(""),
        server_url: ServerUrl::parse(url).unwrap(),
        server_ip: None,
        port: None,
        ssh: None,
        db_host: None,
        db_port: 5432,
        db_user: None,
        db_password: None,
        db_tls: DbTls::Disable,
        master_password: None,
        data_dir: None,
        max_instances: 50,
        cpu_cores: None,
        memory_gb: None,
        disk_gb: None,
    }
}

pub(crate) fn template_spec(code: &str, server: &Server, database: &str) -> TemplateSpec {
    TemplateSpec {
        name: SafeText::new(code),
        code: Code::parse(code).unwrap(),
        server_id: server.id,
        template_database: DbName::parse(database).unwrap(),
        base_modules: Vec::new(),
        language: "en_US".to_owned(),
    }
}

/// Puts a server in service, as an operator whose test went well.
pub(crate) async fn activate(registry: &dyn Registry, server: &Server) -> Server {
    let report = CheckReport {
        at: jiff::Timestamp::now(),
        latency_ms: 1,
        failure: None,
        warnings: Vec::new(),
        version: Some(SafeText::new("16.0")),
        layers: Vec::new(),
    };
    registry
        .record_check(server.id, &report, &HealthRules::default())
        .await
        .unwrap();
    let event = ServerEvent::Activate { connection: Ok(()) };
    let server = registry
        .transition_server(&op(), server.id, server.version, &event)
        .await
        .unwrap()
        .expect("still there");
    assert_eq!(server.intent, Intent::Active);
    server
}

/// A registry in a folder of its own, with a server and a template, and what asks it for jobs.
pub(crate) async fn registry() -> (Arc<dyn Registry>, Queue) {
    let folder = tempfile::tempdir().unwrap();
    let registry: Arc<dyn Registry> = Arc::new(Sqlite::open(folder.path().join("registry.db")).unwrap());
    let server = registry
        .add_server(&op(), &server_spec("prod-1", "http://127.0.0.1:9"))
        .await
        .unwrap();
    let template = registry
        .add_template(&op(), &template_spec("restaurant", &server, "template_restaurant"))
        .await
        .unwrap();
    let queue = Queue {
        folder,
        server,
        template,
    };
    (registry, queue)
}

/// Asks for jobs whose kind does not matter.
pub(crate) struct Queue {
    folder: tempfile::TempDir,
    server: Server,
    template: Template,
}

impl Queue {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A job with these steps that needs nothing for itself.
    pub(crate) async fn thaw(&self, registry: &dyn Registry, steps: Vec<PlannedStep>) -> Job {
        self.thaw_reserving(registry, steps, Vec::new()).await
    }

    pub(crate) async fn thaw_reserving(
        &self,
        registry: &dyn Registry,
        steps: Vec<PlannedStep>,
        reservations: Vec<Reservation>,
    ) -> Job {
        let job = NewJob {
            title: SafeText::new("a job of the tests"),
            spec: JobSpec::TemplateThaw {
                template_id: self.template.id,
                server_id: self.server.id,
            },
            steps,
            reservations,
            instance: None,
            consequences: Vec::new(),
            expected: Expected::default(),
            thresholds: Thresholds::default(),
        };
        registry.queue_job(&op(), &job).await.unwrap()
    }

    pub(crate) async fn cancel(&self, registry: &dyn Registry, id: JobId) {
        registry.cancel_job(&op(), id).await.unwrap();
    }

    pub(crate) async fn retry(&self, registry: &dyn Registry, id: JobId) {
        registry.retry_job(&op(), id, &Thresholds::default()).await.unwrap();
    }
}
