//! A private cluster with a registry, made once and copied for every test; logins of every role.

use crate::harness::{cluster, connect, fresh_name};
use std::sync::OnceLock;
use tokio::sync::OnceCell;
use vigie::registry::postgres::Postgres;
use vigie::sandbox::Cluster;

/// The logins, each of the group of that name.
pub(crate) const LOGINS: [&str; 5] = [OWNER, USER, MANAGER, ADMIN, WORKER];
/// Owns everything.
pub(crate) const OWNER: &str = "test_owner";
/// Reads.
pub(crate) const USER: &str = "test_user";
/// Changes and acts.
pub(crate) const MANAGER: &str = "test_manager";
/// Also creates and deletes servers and templates, and may be a worker.
pub(crate) const ADMIN: &str = "test_admin";
/// What a worker needs.
pub(crate) const WORKER: &str = "test_worker";
/// Theirs. On loopback, in a cluster that ends with the tests.
pub(crate) const PASSWORD: &str = "fleet";

const TEMPLATE: &str = "registry_template";

/// The address of a database of the shared cluster for one of the logins.
pub(crate) fn address(database: &str, login: &str) -> String {
    address_of(cluster(), database, login)
}

/// A file of passwords: addresses hold none.
pub(crate) fn pass_file() -> String {
    static MADE: OnceLock<String> = OnceLock::new();
    MADE.get_or_init(|| {
        use std::os::unix::fs::OpenOptionsExt;
        let path = cluster().dir().join("logins.pgpass");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .expect("making the password file");
        std::io::Write::write_all(&mut file, format!("*:*:*:*:{PASSWORD}\n").as_bytes()).expect("writing it");
        path.display().to_string()
    })
    .clone()
}

/// The same in another cluster.
pub(crate) fn address_of(cluster: &Cluster, database: &str, login: &str) -> String {
    at(cluster.port(), database, login)
}

/// The same at another port.
pub(crate) fn at(port: u16, database: &str, login: &str) -> String {
    format!(
        "postgres://{login}@127.0.0.1:{port}/{database}?passfile={}",
        pass_file()
    )
}

/// The registry of a database, opened as one of the logins.
pub(crate) async fn open(database: &str, login: &str) -> Postgres {
    Postgres::open(&address(database, login))
        .await
        .expect("opening the registry")
}

/// A new registry in another cluster, one that a test may stop and break.
pub(crate) async fn registry_in(cluster: &Cluster) -> String {
    let client = connect(&cluster.superuser_config("postgres")).await;
    make_logins(&client).await;
    make_registry(&client, cluster, "registry").await;
    "registry".to_owned()
}

/// A plain connection as one of the logins.
pub(crate) async fn plain(database: &str, login: &str) -> tokio_postgres::Client {
    let mut config = cluster().superuser_config(database);
    connect(config.user(login).password(PASSWORD)).await
}

/// A plain connection as the superuser.
pub(crate) async fn superuser(database: &str) -> tokio_postgres::Client {
    connect(&cluster().superuser_config(database)).await
}

/// A new database without anything in it, which the owner's login may make a registry in.
pub(crate) async fn empty() -> String {
    logins().await;
    let name = fresh_name("registry");
    let client = superuser("postgres").await;
    client
        .batch_execute(&format!("CREATE DATABASE {name} OWNER {OWNER}"))
        .await
        .expect("making a database");
    name
}

/// A new database with a registry in it.
pub(crate) async fn fresh() -> String {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(|| async {
        logins().await;
        let client = superuser("postgres").await;
        make_registry(&client, cluster(), TEMPLATE).await;
    })
    .await;
    let name = fresh_name("registry");
    let client = superuser("postgres").await;
    // The session that made it may take a moment to end.
    for _ in 0..200 {
        match client
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {OWNER}"))
            .await
        {
            Ok(()) => return name,
            Err(e) if e.code().is_some_and(|c| c.code() == "55006") => {
                tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            }
            Err(e) => panic!("copying the template: {e}"),
        }
    }
    panic!("the template is in use for ever");
}

/// The logins; the owner's may make roles, as a database's administrator who is no superuser.
async fn logins() {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(|| async {
        make_logins(&superuser("postgres").await).await;
    })
    .await;
}

async fn make_logins(client: &tokio_postgres::Client) {
    for login in LOGINS {
        let more = if login == OWNER { "CREATEROLE" } else { "" };
        client
            .batch_execute(&format!("CREATE ROLE {login} LOGIN {more} PASSWORD '{PASSWORD}'"))
            .await
            .expect("making a login");
    }
}

async fn make_registry(client: &tokio_postgres::Client, cluster: &Cluster, name: &str) {
    client
        .batch_execute(&format!("CREATE DATABASE {name} OWNER {OWNER}"))
        .await
        .expect("making a database");
    Postgres::init(&address_of(cluster, name, OWNER))
        .await
        .expect("making the registry");
    for login in LOGINS {
        let group = login.replace("test_", "saas_");
        client
            .batch_execute(&format!("GRANT {group} TO {login}"))
            .await
            .expect("granting");
    }
}

/// How many times longer a busy machine may take: its cores are shared.
pub(crate) fn slack() -> u32 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64;
    if load > cores {
        1 + (2.0 * load / cores).ceil() as u32
    } else {
        1
    }
}
