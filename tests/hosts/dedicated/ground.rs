//! A host with a stand-in for Odoo, a registry that knows it, and what is asked of both.

use crate::lab::{self, Lab};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vigie::domain::audit::Actor;
use vigie::domain::capacity::Thresholds;
use vigie::domain::check::CheckReport;
use vigie::domain::dedicated::{
    Build, DedicatedFacts, DedicatedSpec, DnsMethod, Floor, Module, Names, Naming, PortRanges, Ports, Purpose, Removal,
    RootDomain, Series, Source, TlsMethod,
};
use vigie::domain::health::HealthRules;
use vigie::domain::instance::{Instance, InstanceSpec};
use vigie::domain::job::{Job, JobState};
use vigie::domain::server::{Server, ServerEvent};
use vigie::domain::{JobId, Problem, RemotePath, SafeText, SecretRef, Subdomain};
use vigie::jobs::engine::{Engine, EngineOptions, Parted, Stop};
use vigie::jobs::failpoint::FailPoints;
use vigie::jobs::{JobPlan, Request, Tools, kinds, plan};
use vigie::registry::sqlite::Sqlite;
use vigie::registry::{ClaimTerms, Op, Registry};
use vigie::remote::Limits;

pub(super) struct Ground {
    pub(super) lab: Lab,
    registry: Arc<dyn Registry>,
    tools: Tools,
    server: Server,
    folder: tempfile::TempDir,
}

fn op() -> Op {
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

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

/// What the host has besides what every host has.
const PREPARE: &str = r#"set -eu
mkdir -p /srv/odoo /srv/tracking /opt/odoo/addons /opt/odoo/odoo/addons/base
for module in web contacts l10n_ar; do mkdir /opt/odoo/addons/$module; echo '{}' > /opt/odoo/addons/$module/__manifest__.py; done
echo '{}' > /opt/odoo/odoo/addons/base/__manifest__.py
echo '# nothing' > /opt/odoo/requirements.txt
chmod 0755 /opt/odoo/odoo-bin
echo old > /srv/tracking/prod-instances.txt
: > /srv/tracking/puertos_ocupados_odoo.txt
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=lab \
    -addext 'subjectAltName=DNS:*.example.org' -keyout /etc/ssl/lab.key -out /etc/ssl/lab.pem 2> /dev/null
mkdir -p /var/cache/vigie/wheels
"#;

impl Ground {
    /// `None`: left out here, which was said.
    pub(super) async fn new() -> Option<Self> {
        let lab = lab::own()?;
        std::fs::create_dir_all(lab.root().join("opt/odoo")).unwrap();
        std::fs::write(lab.root().join("opt/odoo/odoo-bin"), include_str!("odoo-bin")).unwrap();
        lab.sh(PREPARE);
        let folder = tempfile::tempdir().unwrap();
        let registry: Arc<dyn Registry> = Arc::new(Sqlite::open(folder.path().join("registry.db")).unwrap());
        let server = registry.add_server(&op(), &lab.spec("deploy")).await.unwrap();
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
            .unwrap();
        let mut tools = Tools::new(lab.remote(Limits::default()), Thresholds::default());
        tools.password_rounds = 10;
        Some(Self {
            lab,
            registry,
            tools,
            server,
            folder,
        })
    }

    fn password(&self) -> SecretRef {
        SecretRef::Command(vec!["echo".to_owned(), "a-password".to_owned()])
    }

    fn request(&self, name: &str, tls: TlsMethod) -> Request {
        let root = RootDomain::parse("example.org").unwrap();
        let label = Subdomain::parse(name).unwrap();
        let names = Names::of(label, Purpose::Production, "16", &root, &Naming::default()).unwrap();
        let modules = ["base", "web", "web_enterprise", "contacts", "l10n_ar"];
        let spec = InstanceSpec {
            name: SafeText::new(name),
            customer_id: None,
            plan_id: None,
            template_id: None,
            server_id: self.server.id,
            database_name: names.database.clone(),
            subdomain: names.name.clone(),
            url: format!("http://{}", names.domain),
            admin_login: "admin".to_owned(),
            admin_password: self.password(),
            dedicated: Some(Box::new(DedicatedSpec {
                purpose: Purpose::Production,
                folder: path(&format!("/srv/odoo/{}", names.instance)),
                names,
                series: Series(16),
                ports: Ports {
                    http: 2100,
                    gevent: 8072,
                },
                tls,
                dns: DnsMethod::None,
                facts: DedicatedFacts::default(),
            })),
        };
        let build = Build {
            root,
            source: Source::Folder(path("/opt/odoo")),
            python: "python3".to_owned(),
            modules: modules.iter().map(|name| Module::parse(name).unwrap()).collect(),
            ranges: PortRanges::default(),
            listening: [].into(),
            sizing: None,
            floor: Floor { memory: 0, disk: 0 },
            address: None,
            zone: None,
            certificate: (tls == TlsMethod::File).then(|| (path("/etc/ssl/lab.pem"), path("/etc/ssl/lab.key"))),
            mail: None,
            acme: None,
            body_mib: 128,
            tracking: Some(path("/srv/tracking")),
        };
        Request::DedicatedCreate(Box::new(spec), Box::new(build))
    }

    pub(super) async fn plan(&self, name: &str, tls: TlsMethod) -> Result<JobPlan, Problem> {
        let request = self.request(name, tls);
        plan(self.registry.as_ref(), &self.tools, request, &Thresholds::default()).await
    }

    pub(super) async fn queue(&self, plan: JobPlan) -> JobId {
        self.registry.queue_job(&op(), &plan.new_job).await.expect("queued").id
    }

    /// Queues the making of an instance.
    pub(super) async fn create(&self, name: &str, tls: TlsMethod) -> JobId {
        let plan = self.plan(name, tls).await.unwrap_or_else(|why| panic!("{why}"));
        self.queue(plan).await
    }

    /// Queues its removal.
    pub(super) async fn delete(&self, name: &str) -> JobId {
        let id = self.instance(name).await.expect("an instance").id;
        let removal = Removal {
            backups: path("/var/backups/vigie"),
            zone: None,
            tracking: Some(path("/srv/tracking")),
        };
        let request = Request::DedicatedDelete(id, Box::new(removal));
        let plan = plan(self.registry.as_ref(), &self.tools, request, &Thresholds::default()).await;
        self.queue(plan.unwrap_or_else(|why| panic!("{why}"))).await
    }

    pub(super) async fn retry(&self, job: JobId) {
        self.registry
            .retry_job(&op(), job, &Thresholds::default())
            .await
            .expect("run again");
    }

    /// Runs the job as a worker does, with these fail points, to this end.
    pub(super) async fn run_to(&self, job: JobId, points: &str, end: JobState) {
        let kind = kinds::of(self.job(job).await.spec.kind());
        self.run_as(job, points, end, kind).await;
    }

    /// As [`Ground::run_to`], with these steps.
    pub(super) async fn run_as(&self, job: JobId, points: &str, end: JobState, kind: vigie::jobs::Kind) {
        let asked = std::time::Instant::now();
        let terms = ClaimTerms::lease(Duration::from_secs(20));
        let worker = vigie::jobs::worker::identity();
        let claim = self
            .registry
            .claim_job(&worker, &terms)
            .await
            .unwrap()
            .expect("a job to claim");
        assert_eq!(claim.job.id, job);
        let options = EngineOptions {
            retries: 1,
            backoff: Duration::from_millis(50),
            failpoints: FailPoints::parse(points),
            ..EngineOptions::default()
        };
        let engine = Engine::new(Arc::clone(&self.registry), Arc::new(self.tools.clone()), options);
        let parted = engine.run_as(kind, claim, asked, Stop::default()).await;
        assert_eq!(parted, Parted::Over(end), "{points}\n{}", self.log(job).await);
    }

    /// Runs the job in a process of its own that ends as by `kill -9` at this place. `false`: it never came there.
    pub(super) fn killed_at(&self, point: &str) -> bool {
        use std::os::unix::process::ExitStatusExt;
        let worker = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "dedicated::a_worker_that_is_killed", "--ignored"])
            .env("VIGIE_LAB_REGISTRY", self.folder.path().join("registry.db"))
            .env("VIGIE_LAB_SSH", self.lab.ssh_dir())
            .env("VIGIE_LAB_POINT", point)
            .output()
            .unwrap();
        worker.status.signal() == Some(9)
    }

    pub(super) async fn job(&self, id: JobId) -> Job {
        self.registry.job(id).await.unwrap()
    }

    pub(super) async fn log(&self, id: JobId) -> String {
        let lines = self.registry.log(id, 0, 10_000).await.unwrap();
        lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// The instance that takes a place under this name.
    pub(super) async fn instance(&self, name: &str) -> Option<Instance> {
        let called = self.registry.instances_called(name).await.unwrap();
        called.into_iter().find(|row| row.state.takes_place())
    }

    pub(super) fn sql(&self, database: &str, sql: &str) -> String {
        let sql = sql.replace('"', "\\\"");
        self.lab.sh(&format!(
            "cd / && runuser -u postgres -- psql -XAtqc \"{sql}\" {database}"
        ))
    }

    /// A page through nginx, asked from outside of the host.
    pub(super) fn page(&self, domain: &str, path: &str) -> String {
        let url = format!("http://{}{path}", self.lab.ip());
        let host = format!("Host: {domain}");
        let asked = std::process::Command::new("curl")
            .args(["-sS", "--noproxy", "*", "-m", "20", "-H", &host, &url])
            .output();
        String::from_utf8_lossy(&asked.unwrap().stdout).trim().to_owned()
    }

    pub(super) fn wait_for_page(&self, domain: &str, text: &str) {
        lab::until("the page is there", || self.page(domain, "/").contains(text));
    }

    /// A site of somebody else's.
    pub(super) fn other_site(&self) {
        self.lab.sh(
            "printf 'server { listen 80; server_name other.example.org; return 200 \"the other site\"; }' \
             > /etc/nginx/sites-enabled/other && nginx -t && systemctl reload nginx",
        );
        self.wait_for_page("other.example.org", "the other site");
    }

    /// Asks the other site on and on.
    pub(super) fn watch_other_site(&self) -> Watch {
        let address = std::net::SocketAddr::new(self.lab.ip(), 80);
        let over = Arc::new(AtomicBool::new(false));
        let told: Arc<Mutex<(usize, Vec<String>)>> = Arc::default();
        let thread = std::thread::spawn({
            let (over, told) = (Arc::clone(&over), Arc::clone(&told));
            move || {
                while !over.load(Ordering::Relaxed) {
                    let answer = ask(address).unwrap_or_else(|why| why.to_string());
                    let mut told = told.lock().unwrap();
                    told.0 += 1;
                    if !answer.contains("the other site") {
                        told.1.push(answer);
                    }
                    drop(told);
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        });
        Watch { over, told, thread }
    }

    /// Everything on the host that a dedicated instance is made of.
    pub(super) fn inventory(&self) -> String {
        self.lab.sh(
            r#"cd /
find /etc /srv /opt /var/backups /var/lib/vigie /run/vigie -mindepth 1 -xdev \( -name '*-' -o -name '.pwd.lock' -o -path '/etc/nginx/sites-enabled/broken' \) -prune \
    -o ! -type d -printf '%p %m %u %g %l\n' -o -type d -printf '%p/ %m %u %g\n' 2> /dev/null | sort
sort /etc/passwd /etc/group
cat /srv/tracking/*.txt
runuser -u postgres -- psql -XAtqc "SELECT 'database', datname FROM pg_database UNION ALL SELECT 'role', rolname FROM pg_roles ORDER BY 1, 2"
systemctl list-units --all --plain --no-legend 'odoo*' 'vigie*' | awk '{print "unit", $1, $3}'
systemctl list-unit-files --no-legend 'odoo*' 'vigie*'
pgrep -a -f odoo-bin | sed 's/^[0-9]* //' || true"#,
        )
    }
}

/// What the process runs that is killed: one job, to the place where it ends.
pub(super) async fn killed() {
    let Some(registry) = std::env::var_os("VIGIE_LAB_REGISTRY") else {
        return;
    };
    let ssh = std::path::PathBuf::from(std::env::var_os("VIGIE_LAB_SSH").unwrap());
    let point = std::env::var("VIGIE_LAB_POINT").unwrap();
    let registry: Arc<dyn Registry> = Arc::new(Sqlite::open(registry).unwrap());
    let keyring = vigie::remote::secrets::Keyring::new(ssh.join("no-keys"));
    let remote = vigie::remote::Remote::new(keyring, Limits::default(), None).unwrap();
    let mut tools = Tools::new(remote.with_ssh_config(ssh.join("ssh_config")), Thresholds::default());
    tools.password_rounds = 10;
    let asked = std::time::Instant::now();
    let terms = ClaimTerms::lease(Duration::from_secs(20));
    let claim = registry
        .claim_job(&vigie::jobs::worker::identity(), &terms)
        .await
        .unwrap()
        .expect("a job");
    let options = EngineOptions {
        failpoints: FailPoints::parse(&point),
        ..EngineOptions::default()
    };
    let kind = kinds::of(claim.job.spec.kind());
    Engine::new(registry, Arc::new(tools), options)
        .run_as(kind, claim, asked, Stop::default())
        .await;
}

/// One request on a connection of its own.
fn ask(address: std::net::SocketAddr) -> std::io::Result<String> {
    use std::io::{Read, Write};
    let limit = Duration::from_secs(5);
    let mut link = std::net::TcpStream::connect_timeout(&address, limit)?;
    link.set_read_timeout(Some(limit))?;
    link.write_all(b"GET / HTTP/1.1\r\nHost: other.example.org\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    link.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A loop of requests.
pub(super) struct Watch {
    over: Arc<AtomicBool>,
    told: Arc<Mutex<(usize, Vec<String>)>>,
    thread: std::thread::JoinHandle<()>,
}

impl Watch {
    /// How many were asked, and the answers that were none.
    pub(super) fn end(self) -> (usize, Vec<String>) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        let told = self.told.lock().unwrap();
        told.clone()
    }
}
