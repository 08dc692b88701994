//! A store to try, and what the tests put into it.

use jiff::Timestamp;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use vigie::domain::audit::Actor;
use vigie::domain::capacity::Thresholds;
use vigie::domain::check::{CheckReport, Failure};
use vigie::domain::instance::{Instance, InstanceSpec, InstanceState};
use vigie::domain::job::{Job, JobSpec, JobState, LogLevel, PlannedStep, StepState, Stream};
use vigie::domain::server::{DbTls, Server, ServerEvent, ServerSpec};
use vigie::domain::template::{Template, TemplateSpec, TemplateState};
use vigie::domain::{Code, InstanceId, JobId, SafeText, SecretRef, ServerId, TemplateId};
use vigie::registry::identity::ProcessId;
use vigie::registry::{
    Claim, ClaimTerms, Consequence, Expected, NewJob, NewLine, Op, Registry, Reservation, StepChange,
};

/// A lease that outlives every test.
pub(crate) const LONG: Duration = Duration::from_secs(3_600);

/// A connection being made.
pub(crate) type Connected = std::pin::Pin<Box<dyn Future<Output = Arc<dyn Registry>> + Send>>;
type Connect = Box<dyn Fn() -> Connected + Send + Sync>;

/// One store, and as many connections to it as wanted, as if from other processes.
pub(crate) struct Bench {
    pub(crate) registry: Arc<dyn Registry>,
    connect: Connect,
    _keep: Box<dyn Any + Send + Sync>,
}

impl Bench {
    /// A store that `connect` opens, with what must be kept while it is used.
    pub(crate) async fn new(connect: Connect, keep: Box<dyn Any + Send + Sync>) -> Self {
        Self {
            registry: connect().await,
            connect,
            _keep: keep,
        }
    }

    /// Another connection to the same store.
    pub(crate) async fn another(&self) -> Arc<dyn Registry> {
        (self.connect)().await
    }
}

impl std::ops::Deref for Bench {
    type Target = dyn Registry;
    fn deref(&self) -> &Self::Target {
        &*self.registry
    }
}

pub(crate) fn op() -> Op {
    Op {
        reason: None,
        id: uuid::Uuid::new_v4().to_string(),
        at: now(),
        actor: Actor {
            os_user: "marie".to_owned(),
            host: "desk".to_owned(),
            via: "cli".to_owned(),
        },
    }
}

pub(crate) fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

pub(crate) fn server_spec(name: &str, max_instances: u32) -> ServerSpec {
    ServerSpec {
        name: SafeText::new(&format!("Server {name}")),
        code: code(name),
        description: SafeText::new(""),
        server_url: format!("https://{name}.example.org").parse().unwrap(),
        server_ip: None,
        port: None,
        ssh: None,
        db_host: None,
        db_port: 5432,
        db_user: Some("odoo".to_owned()),
        db_password: Some(SecretRef::parse("env:DB_PASSWORD").unwrap()),
        db_tls: DbTls::Disable,
        master_password: None,
        data_dir: None,
        max_instances,
        cpu_cores: None,
        memory_gb: None,
        disk_gb: None,
    }
}

/// An active server.
pub(crate) async fn server(r: &dyn Registry, name: &str, places: u32) -> Server {
    let added = r.add_server(&op(), &server_spec(name, places)).await.unwrap();
    let event = ServerEvent::Activate { connection: Ok(()) };
    let active = r
        .transition_server(&op(), added.id, added.version, &event)
        .await
        .unwrap();
    active.unwrap()
}

pub(crate) fn template_spec(name: &str, server: ServerId) -> TemplateSpec {
    TemplateSpec {
        name: SafeText::new(&format!("Template {name}")),
        code: code(name),
        server_id: server,
        template_database: format!("template_{name}").parse().unwrap(),
        base_modules: vec!["sale".to_owned(), "stock".to_owned()],
        language: "fr_FR".to_owned(),
    }
}

/// A template that instances can be cloned from.
pub(crate) async fn template(r: &dyn Registry, name: &str, server: ServerId) -> Template {
    let added = r.add_template(&op(), &template_spec(name, server)).await.unwrap();
    make_ready(r, &added).await;
    r.template(added.id).await.unwrap()
}

async fn make_ready(r: &dyn Registry, t: &Template) {
    let spec = JobSpec::TemplateAdopt {
        template_id: t.id,
        server_id: t.spec.server_id,
    };
    let job = r.queue_job(&op(), &plain_job(spec)).await.unwrap();
    let claim = claim(r).await;
    assert_eq!(claim.job.id, job.id);
    let follow = [Consequence::TemplateState(t.id, TemplateState::Ready)];
    r.finish_job(job.id, claim.token, JobState::Done, None, None, &follow)
        .await
        .unwrap();
}

pub(crate) fn step(name: &str, pivot: bool) -> PlannedStep {
    PlannedStep {
        name: name.to_owned(),
        title: name.replace('_', " "),
        detail: SafeText::new("a → b"),
        pivot,
    }
}

/// A job without an instance of its own.
pub(crate) fn plain_job(spec: JobSpec) -> NewJob {
    NewJob {
        title: SafeText::new(spec.kind().word()),
        spec,
        steps: vec![step("first", false), step("second", false)],
        reservations: Vec::new(),
        instance: None,
        consequences: Vec::new(),
        expected: Expected::default(),
        thresholds: Thresholds::default(),
    }
}

pub(crate) fn instance_spec(t: &Template, name: &str) -> InstanceSpec {
    InstanceSpec {
        name: SafeText::new(name),
        customer_id: None,
        plan_id: None,
        template_id: Some(t.id),
        server_id: t.spec.server_id,
        database_name: name.replace('-', "_").parse().unwrap(),
        subdomain: name.parse().unwrap(),
        url: format!("https://{name}.example.org"),
        admin_login: "admin".to_owned(),
        admin_password: SecretRef::parse("env:ADMIN_PASSWORD").unwrap(),
        dedicated: None,
    }
}

/// The job that makes an instance of this name.
pub(crate) fn instance_job(t: &Template, name: &str) -> NewJob {
    let instance = instance_spec(t, name);
    NewJob {
        title: SafeText::new(&format!("create instance {name}")),
        spec: JobSpec::InstanceCreate {
            instance_id: InstanceId(0),
            template_id: t.id,
            server_id: t.spec.server_id,
            database: instance.database_name.clone(),
        },
        steps: vec![
            step("clone_database", false),
            step("verify", false),
            step("publish", true),
            step("tell", false),
        ],
        reservations: vec![Reservation {
            key: format!("template:{}", t.id),
            label: format!("template {}", t.spec.code),
            exclusive: false,
        }],
        instance: Some(instance),
        consequences: Vec::new(),
        expected: Expected::default(),
        thresholds: Thresholds {
            provision_free_percent: 0,
            placement_free_percent: 0,
        },
    }
}

pub(crate) fn me() -> String {
    ProcessId::here().to_string()
}

pub(crate) async fn claim(r: &dyn Registry) -> Claim {
    r.claim_job(&me(), &ClaimTerms::lease(LONG))
        .await
        .unwrap()
        .expect("a job waits")
}

pub(crate) fn the_instance(job: &Job) -> InstanceId {
    job.spec.instance_id().expect("the job has an instance")
}

/// An instance in service.
pub(crate) async fn instance(r: &dyn Registry, t: &Template, name: &str) -> Instance {
    let job = r.queue_job(&op(), &instance_job(t, name)).await.unwrap();
    let id = the_instance(&job);
    end(
        r,
        job.id,
        JobState::Done,
        &[Consequence::InstanceState(id, InstanceState::Active)],
    )
    .await;
    r.instance(id).await.unwrap()
}

/// Runs the only waiting job to this end.
pub(crate) async fn end(r: &dyn Registry, job: JobId, state: JobState, follow: &[Consequence]) -> Job {
    let claim = claim(r).await;
    assert_eq!(claim.job.id, job);
    r.finish_job(job, claim.token, state, None, None, follow).await.unwrap()
}

pub(crate) fn change(index: usize, state: StepState, job_state: JobState) -> StepChange {
    StepChange {
        index,
        state,
        data: None,
        problem: None,
        consequences: Vec::new(),
        job_state,
    }
}

pub(crate) fn line(text: &str) -> NewLine {
    NewLine {
        at: now(),
        step: Some(0),
        stream: Stream::Stdout,
        level: LogLevel::Info,
        text: SafeText::new(text),
        took_ms: None,
        progress: None,
    }
}

/// Now, as the registry keeps it: cut to microseconds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap()
}

pub(crate) fn report(at: Timestamp, failure: Option<Failure>) -> CheckReport {
    CheckReport {
        at,
        latency_ms: 23,
        failure,
        warnings: Vec::new(),
        version: Some(SafeText::new("16.0")),
        layers: Vec::new(),
    }
}

pub(crate) fn refused_connection() -> Failure {
    Failure::Refused {
        address: SafeText::new("127.0.0.1:1"),
    }
}

pub(crate) fn thaw_job(t: TemplateId, server: ServerId) -> NewJob {
    let mut job = plain_job(JobSpec::TemplateThaw {
        template_id: t,
        server_id: server,
    });
    job.reservations = vec![Reservation {
        key: format!("template:{t}"),
        label: "template restaurant".to_owned(),
        exclusive: true,
    }];
    job
}
