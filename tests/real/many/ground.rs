//! The ground: a shared registry on a PostgreSQL of its own, and servers whose databases are on another.

use crate::harness::{connect, folder, own_cluster, standin_options};
use crate::jobs_fleet::{ADMIN_PASSWORD, secret_file};
use crate::jobs_kit::{activate, op, server_spec, template_spec, tools};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vigie::domain::capacity::Thresholds;
use vigie::domain::instance::InstanceSpec;
use vigie::domain::job::{Job, JobState};
use vigie::domain::server::Server;
use vigie::domain::{DbName, HostName, RemotePath, SafeText, Secret, Subdomain, TemplateId};
use vigie::jobs::engine::{Engine, EngineOptions, Parted, Stop};
use vigie::jobs::{Request, Tools, kinds, plan};
use vigie::registry::postgres::{Options, Postgres};
use vigie::registry::{ClaimTerms, Registry};
use vigie::sandbox::{Cluster, Standin, StandinHandle};

/// A shared registry: a PostgreSQL cluster of its own.
pub(super) struct Shared {
    pub(super) cluster: Cluster,
    pub(super) registry: Arc<dyn Registry>,
}

impl Shared {
    pub(super) async fn new() -> Self {
        let cluster = own_cluster();
        let client = connect(&cluster.superuser_config("postgres")).await;
        client.batch_execute("CREATE DATABASE registry").await.unwrap();
        let options = || with_password(&cluster.dir().join("superuser.password"));
        let own = format!(
            "postgres://postgres@127.0.0.1:{}/registry?sslmode=disable",
            cluster.port()
        );
        Postgres::init_as(&own, options()).await.unwrap();
        let registry: Arc<dyn Registry> = Arc::new(Postgres::open_as(&own, options()).await.unwrap());
        // Workers may do what workers may, and no more.
        client
            .batch_execute("CREATE ROLE crew LOGIN PASSWORD 'crew' IN ROLE saas_worker")
            .await
            .unwrap();
        std::fs::write(cluster.dir().join("crew.password"), "crew").unwrap();
        std::fs::set_permissions(
            cluster.dir().join("crew.password"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        Self { cluster, registry }
    }

    pub(super) fn address(&self) -> String {
        address(self.cluster.port())
    }

    /// Where its workers' password is.
    pub(super) fn password_file(&self) -> PathBuf {
        self.cluster.dir().join("crew.password")
    }

    /// The registry as it is reached by another port: through a wire that can be cut.
    pub(super) fn address_at(&self, port: u16) -> String {
        address(port)
    }

    /// A connection of an operator's own.
    pub(super) async fn sql(&self) -> tokio_postgres::Client {
        connect(&self.cluster.superuser_config("registry")).await
    }

    /// Waits until it answers again, after it was away.
    pub(super) async fn answers(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.registry.workers().await.is_err() {
            assert!(Instant::now() < end, "the registry does not come back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn address(port: u16) -> String {
    format!("postgres://crew@127.0.0.1:{port}/registry?sslmode=disable")
}

/// How to connect with the password in this file.
pub(super) fn with_password(file: &Path) -> Options {
    let password = std::fs::read_to_string(file).unwrap();
    Options::default().password(Secret::new(password.trim().to_owned()))
}

/// A server of the ground.
pub(super) struct Place {
    pub(super) odoo: StandinHandle,
    pub(super) server: Server,
    pub(super) template: Option<TemplateId>,
}

/// The fleet: stand-ins on one cluster, their databases' names distinct.
pub(super) struct Ground {
    pub(super) shared: Shared,
    pub(super) tenants: Cluster,
    pub(super) places: Vec<Place>,
    pub(super) folder: tempfile::TempDir,
    pub(super) tools: Tools,
}

/// Counts, inside of an instance's own database, how often it was given another identity. It comes with the
/// template, so every copy counts for itself.
const COUNTER: &str = "
    CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT clock_timestamp(), what text);
    CREATE FUNCTION count_effect() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_TABLE_NAME = 'ir_config_parameter' THEN
            INSERT INTO effect (what) SELECT NEW.key WHERE NEW.key IN ('database.uuid', 'web.base.url')
                AND (TG_OP = 'INSERT' OR NEW.value IS DISTINCT FROM OLD.value);
        ELSE
            INSERT INTO effect (what) SELECT 'password' WHERE NEW.password IS DISTINCT FROM OLD.password;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER counted AFTER INSERT OR UPDATE ON ir_config_parameter FOR EACH ROW EXECUTE FUNCTION count_effect();
    CREATE TRIGGER counted AFTER UPDATE ON res_users FOR EACH ROW EXECUTE FUNCTION count_effect();";

impl Ground {
    /// Servers in service, without templates.
    pub(super) async fn new(servers: usize) -> Self {
        let shared = Shared::new().await;
        let mut tenants = own_cluster();
        let client = connect(&tenants.superuser_config("postgres")).await;
        // Every copy, rename and drop is in its log, with whether it failed: the effects are counted there.
        for setting in [
            "log_statement = 'ddl'",
            "log_min_messages = 'warning'",
            "log_line_prefix = '%m [%p] '",
        ] {
            client
                .batch_execute(&format!("ALTER SYSTEM SET {setting}"))
                .await
                .unwrap();
        }
        // One PostgreSQL stands for one a server: it must not run out of connections where they would not.
        client
            .batch_execute("ALTER SYSTEM SET max_connections = 1000")
            .await
            .unwrap();
        drop(client);
        tokio::task::block_in_place(|| tenants.restart().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let mut places = Vec::new();
        for number in 1..=servers {
            let mut options = standin_options(&tenants);
            options.data_dir = folder_of(&tenants, number);
            let data_dir = options.data_dir.clone();
            let odoo = Standin::start(options).await.expect("a stand-in");
            let mut spec = server_spec(&format!("prod-{number}"), &odoo.url());
            spec.master_password = Some(secret_file(folder.path(), "master", "master"));
            spec.db_host = Some(HostName::parse("127.0.0.1").unwrap());
            spec.db_port = tenants.port();
            spec.db_user = Some("odoo".to_owned());
            spec.db_password = Some(secret_file(folder.path(), "db", tenants.role_password().expose()));
            spec.data_dir = Some(RemotePath::parse(&data_dir.display().to_string()).unwrap());
            let server = shared.registry.add_server(&op(), &spec).await.unwrap();
            let server = activate(shared.registry.as_ref(), &server).await;
            places.push(Place {
                odoo,
                server,
                template: None,
            });
        }
        let tools = tools(folder.path());
        Self {
            shared,
            tenants,
            places,
            folder,
            tools,
        }
    }

    /// As [`Ground::new`], with a template on each server, made by a job, that counts effects.
    pub(super) async fn with_templates(servers: usize) -> Self {
        let mut ground = Self::new(servers).await;
        for number in 0..servers {
            let code = format!("restaurant-{}", number + 1);
            let database = format!("template_{}", number + 1);
            let spec = template_spec(&code, &ground.places[number].server, &database);
            let id = ground.registry().add_template(&op(), &spec).await.unwrap().id;
            ground.done(Request::TemplateCreate(id)).await;
            ground.places[number].odoo.close_connections().await;
            let client = connect(&ground.tenants.superuser_config("postgres")).await;
            let open = |yes: bool| format!("ALTER DATABASE {database} ALLOW_CONNECTIONS {yes}");
            client.batch_execute(&open(true)).await.unwrap();
            let inside = connect(&ground.tenants.role_config(&database)).await;
            inside.batch_execute(COUNTER).await.unwrap();
            drop(inside);
            client.batch_execute(&open(false)).await.unwrap();
            ground.places[number].template = Some(id);
        }
        ground
    }

    pub(super) fn registry(&self) -> &dyn Registry {
        self.shared.registry.as_ref()
    }

    pub(super) async fn job(&self, id: vigie::domain::JobId) -> Job {
        self.registry().job(id).await.unwrap()
    }

    pub(super) fn instance(&self, place: usize, name: &str) -> Request {
        let place = &self.places[place];
        Request::InstanceCreate(Box::new(InstanceSpec {
            name: SafeText::new(name),
            customer_id: None,
            plan_id: None,
            template_id: Some(place.template.expect("a template")),
            server_id: place.server.id,
            database_name: DbName::parse(&name.replace('-', "_")).unwrap(),
            subdomain: Subdomain::parse(name).unwrap(),
            url: format!("https://{name}.example.org"),
            admin_login: format!("owner@{name}"),
            admin_password: secret_file(self.folder.path(), "owner", ADMIN_PASSWORD),
            dedicated: None,
        }))
    }

    pub(super) async fn queue(&self, request: Request) -> Job {
        let free = Thresholds {
            provision_free_percent: 0,
            placement_free_percent: 0,
        };
        let plan = plan(self.registry(), &self.tools, request, &free)
            .await
            .expect("a plan");
        self.registry().queue_job(&op(), &plan.new_job).await.expect("queued")
    }

    /// Queues a job and runs it here, to its good end.
    pub(super) async fn done(&self, request: Request) {
        let id = self.queue(request).await.id;
        let engine = Engine::new(
            Arc::clone(&self.shared.registry),
            Arc::new(self.tools.clone()),
            EngineOptions::default(),
        );
        let me = vigie::jobs::worker::identity();
        let terms = ClaimTerms::lease(Duration::from_secs(20));
        let asked = Instant::now();
        let claim = self.registry().claim_job(&me, &terms).await.unwrap().expect("the job");
        assert_eq!(claim.job.id, id);
        let kind = kinds::of(claim.job.spec.kind());
        let parted = engine.run_as(kind, claim, asked, Stop::default()).await;
        let job = self.job(id).await;
        assert_eq!(parted, Parted::Over(JobState::Done), "{:?}", job.problem);
    }

    /// Where a server's filestores are.
    pub(super) fn filestores(&self, place: usize) -> PathBuf {
        folder_of(&self.tenants, place + 1).join("filestore")
    }

    /// What the tenants' PostgreSQL wrote down.
    pub(super) fn tenants_log(&self) -> String {
        std::fs::read_to_string(self.tenants.dir().join("postgres.log")).unwrap()
    }

    /// A worker's configuration: its registry, and lines of its section.
    pub(super) fn config(&self, name: &str, registry: &str, settings: &str) -> PathBuf {
        config(
            self.folder.path(),
            name,
            registry,
            &self.shared.password_file(),
            settings,
        )
    }
}

fn folder_of(tenants: &Cluster, number: usize) -> PathBuf {
    tenants.dir().join(format!("odoo-{number}"))
}

/// Writes a worker's configuration.
pub(super) fn config(folder: &Path, name: &str, registry: &str, password: &Path, settings: &str) -> PathBuf {
    let path = folder.join(format!("{name}.toml"));
    let folder = folder.display();
    let text = format!(
        "[paths]\ndata_dir = \"{folder}/{name}\"\nregistry = \"{registry}\"\nkey_file = \"{folder}/keys\"\n\
         [registry]\npassword = \"file:{}\"\n{settings}",
        password.display()
    );
    std::fs::write(&path, text).unwrap();
    std::os::unix::fs::PermissionsExt::set_mode(&mut std::fs::metadata(&path).unwrap().permissions(), 0o600);
    path
}

/// A folder that goes with the test, for what has no cluster.
pub(super) fn scratch(name: &str) -> PathBuf {
    let path = folder(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}
