//! One PostgreSQL cluster for all tests of this binary, and databases of their own in it.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vigie::domain::Secret;
use vigie::sandbox::{Cluster, ClusterOptions, Standin, StandinHandle, StandinOptions};

/// A folder for this run that PostgreSQL's user can pass through, unlike those of `tempfile`.
pub(crate) fn folder(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Process ids come again, in another namespace or after a while; what a killed run left is not taken for ours.
    static RUN: OnceLock<String> = OnceLock::new();
    let run = RUN.get_or_init(|| uuid::Uuid::new_v4().simple().to_string()[..8].to_owned());
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("vigie-real-{run}-{name}-{number}"))
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

/// A stand-in on the shared cluster, as quick as it can be, with the master password `master`. Its
/// filestores are in the cluster's folder, which goes when the tests end.
pub(crate) async fn standin() -> StandinHandle {
    Standin::start(standin_options(cluster()))
        .await
        .expect("starting a stand-in")
}

/// The options of [`standin`], to change before starting one.
pub(crate) fn standin_options(cluster: &Cluster) -> StandinOptions {
    let data_dir = cluster.dir().join(fresh_name("odoo-data"));
    StandinOptions::quick(
        cluster.role_config("postgres"),
        &data_dir,
        Secret::new("master".to_owned()),
    )
}

/// An HTTP answer: status, content type, body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// One plain HTTP request, without the client under test.
pub(crate) async fn http(address: SocketAddr, method: &str, path: &str, content_type: &str, body: &str) -> Reply {
    let mut stream = TcpStream::connect(address).await.expect("connecting");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sending");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reading");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let headers = head.to_ascii_lowercase();
    let content_type = headers
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .unwrap_or_default();
    Reply {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status"),
        content_type: content_type.to_owned(),
        body: body.to_owned(),
        headers,
    }
}

/// A JSON-RPC call; the whole answer.
pub(crate) async fn rpc(odoo: &StandinHandle, service: &str, method: &str, args: Value) -> Value {
    let params = json!({ "service": service, "method": method, "args": args });
    let body = json!({ "jsonrpc": "2.0", "method": "call", "params": params, "id": 1 });
    let reply = http(
        odoo.address(),
        "POST",
        "/jsonrpc",
        "application/json",
        &body.to_string(),
    )
    .await;
    serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{error}: {}", reply.body))
}

/// A JSON-RPC call that is to succeed; its result.
pub(crate) async fn ok(odoo: &StandinHandle, service: &str, method: &str, args: Value) -> Value {
    let mut answer = rpc(odoo, service, method, args).await;
    assert_eq!(answer.get("error"), None, "{service}.{method}");
    answer["result"].take()
}
