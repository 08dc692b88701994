//! One PostgreSQL cluster for all tests of this binary, and databases of their own in it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use vigie::sandbox::{Cluster, ClusterOptions};

/// A folder for this run that PostgreSQL's user can pass through, unlike those of `tempfile`.
pub(crate) fn folder(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("vigie-real-{}-{name}-{number}", std::process::id()))
}

/// A cluster of the test's own, for tests that stop or break it. Gone with the value.
pub(crate) fn own_cluster() -> Cluster {
    open(&folder("own"))
}

fn open(dir: &std::path::Path) -> Cluster {
    match Cluster::open_with(dir, ClusterOptions { ephemeral: true }) {
        Ok(cluster) => cluster,
        Err(error) => panic!("{error}\n  {}", error.hint().unwrap_or_default()),
    }
}

/// The cluster that the tests share. Statics are never dropped: the cluster's watchdog ends it, and
/// removes its folder, when this process is gone.
pub(crate) fn cluster() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| open(&folder("shared")))
}

/// A name for a database that no other test uses.
pub(crate) fn fresh_name(hint: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{hint}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A connection; it ends with the client.
pub(crate) async fn connect(config: &tokio_postgres::Config) -> tokio_postgres::Client {
    let (client, connection) = config
        .connect(tokio_postgres::NoTls)
        .await
        .expect("connecting to the tests' PostgreSQL");
    tokio::spawn(connection);
    client
}

/// A new, empty database of the role `odoo` in the shared cluster, and its name.
pub(crate) async fn fresh_db() -> String {
    let name = fresh_name("fresh");
    let client = connect(&cluster().role_config("postgres")).await;
    client
        .batch_execute(&format!("CREATE DATABASE \"{name}\""))
        .await
        .expect("creating a database");
    name
}
