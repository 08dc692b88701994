//! A stand-in for an Odoo 16 server: it speaks the protocol recorded from a real one, and really
//! creates, duplicates, renames and drops databases (and their filestores) in a PostgreSQL cluster.
//!
//! It is no Odoo: it holds the few tables and methods that provisioning meets. What it answers is
//! held to the recorded exchanges by a test; where it knows no method it answers as Odoo answers for
//! a method that isn't there.

mod archive;
mod catalogue;
mod databases;
mod error;
mod http;
mod listing;
mod models;
mod objects;
mod pool;
mod rpc;
mod schema;
mod search;

use crate::domain::Secret;
use pool::Pool;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long [`StandinHandle::stop`] waits for answers that are under way.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What a stand-in is to be.
pub struct StandinOptions {
    /// How to connect to PostgreSQL, as a role that may create databases.
    pub database: tokio_postgres::Config,
    /// Where filestores are: `<data_dir>/filestore/<database>`.
    pub data_dir: PathBuf,
    /// The master password (`admin_passwd`).
    pub master_password: Secret,
    /// The port it had last time; another one is taken where it isn't free any more.
    pub port: Option<u16>,
    /// `list_db`: whether database management is open.
    pub list_db: bool,
    /// A newer build: `/web/health?db_server_status=1` looks at PostgreSQL.
    pub health_knows_database: bool,
    /// Odoo 19 and after: `/web/version` and `/json/version` are there.
    pub web_version: bool,
    /// Whether `/jsonrpc` is there; Odoo 20 is without.
    pub jsonrpc: bool,
    /// Rounds of the password hash. Odoo takes 600,000.
    pub password_rounds: u32,
    /// How long a check of the master password takes. A third of a second in Odoo.
    pub master_check: Duration,
    /// How long the modules of a new database, or added to one, take beyond what they really do here.
    pub install_time: Duration,
    /// Bytes of rows in a new database that only take room.
    pub filler_bytes: u64,
}

impl StandinOptions {
    /// A stand-in that is as quick as it can be: for tests.
    pub fn quick(database: tokio_postgres::Config, data_dir: &Path, master_password: Secret) -> Self {
        Self {
            database,
            data_dir: data_dir.to_path_buf(),
            master_password,
            port: None,
            list_db: true,
            health_knows_database: false,
            web_version: false,
            jsonrpc: true,
            password_rounds: 10,
            master_check: Duration::ZERO,
            install_time: Duration::ZERO,
            filler_bytes: 0,
        }
    }

    /// A stand-in that takes its time as a small Odoo does, and whose databases have some size.
    pub fn believable(database: tokio_postgres::Config, data_dir: &Path, master_password: Secret) -> Self {
        Self {
            password_rounds: 100_000,
            master_check: Duration::from_millis(340),
            install_time: Duration::from_millis(1500),
            filler_bytes: 8 * 1024 * 1024,
            ..Self::quick(database, data_dir, master_password)
        }
    }
}

/// What a stand-in answers instead of its own answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// A page, as a proxy or a captive portal sends it.
    Html {
        /// The HTTP status.
        status: u16,
        /// The page.
        body: String,
    },
    /// A redirect (307, which asks for the same body again) to another address.
    Redirect(String),
}

/// What is wrong with a stand-in. All off by default; each can be switched at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// Every answer waits this long.
    pub delay: Duration,
    /// Requests are taken and never answered.
    pub hang: bool,
    /// Something else is answered to everything.
    pub instead: Option<Instead>,
    /// PostgreSQL looks dead to Odoo, whatever it is.
    pub postgres_dead: bool,
    /// `create_database` answers `true` though setting the database up failed: the chosen login and
    /// password are not set, and `admin`/`admin` is let in.
    pub init_fails: bool,
    /// `duplicate_database` fails after PostgreSQL made the copy, and leaves it there.
    pub duplicate_fails_late: bool,
    /// These methods (`service.method`, or `model.method` of `object`) never answer, though they run.
    pub silent: Vec<String>,
}

/// What all requests share.
struct State {
    options: StandinOptions,
    port: u16,
    pool: Pool,
    faults: Mutex<Faults>,
    calls: Mutex<Vec<String>>,
    /// Passwords that were checked, by database and user: Odoo too checks each once only.
    checked: Mutex<HashMap<(String, i64), Secret>>,
    master_password: Mutex<Secret>,
    stopping: watch::Receiver<bool>,
}

impl State {
    fn faults(&self) -> Faults {
        locked(&self.faults).clone()
    }

    fn filestore(&self, database: &str) -> PathBuf {
        self.options.data_dir.join("filestore").join(database)
    }

    /// Forgets the checked passwords of a database.
    fn forget(&self, database: &str) {
        locked(&self.checked).retain(|(of, _), _| of != database);
    }
}

/// A lock whose holder panicked still guards plain values.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts stand-ins.
#[derive(Debug)]
pub struct Standin;

/// A running stand-in. It ends when this is dropped; [`StandinHandle::stop`] waits for that.
pub struct StandinHandle {
    state: Arc<State>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for StandinHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandinHandle")
            .field("port", &self.state.port)
            .finish_non_exhaustive()
    }
}

impl Standin {
    /// Starts one on a loopback port. It runs in the current runtime until its handle is dropped.
    ///
    /// # Errors
    /// When no port can be had, or its data folder can't be made.
    pub async fn start(options: StandinOptions) -> io::Result<StandinHandle> {
        tokio::fs::create_dir_all(options.data_dir.join("filestore")).await?;
        let listener = match options.port {
            Some(port) => match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(listener) => listener,
                Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            },
            None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        };
        let port = listener.local_addr()?.port();
        let host = options
            .database
            .get_hosts()
            .first()
            .map_or_else(String::new, |host| match host {
                tokio_postgres::config::Host::Tcp(name) => name.clone(),
                tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
            });
        let database_port = options.database.get_ports().first().copied().unwrap_or(5432);
        let (stop, stopping) = watch::channel(false);
        let state = Arc::new(State {
            port,
            pool: Pool::new(options.database.clone(), host, database_port),
            faults: Mutex::default(),
            calls: Mutex::default(),
            checked: Mutex::default(),
            master_password: Mutex::new(Secret::new(options.master_password.expose().to_owned())),
            stopping,
            options,
        });
        let task = tokio::spawn(http::serve(listener, Arc::clone(&state)));
        Ok(StandinHandle {
            state,
            stop,
            task: Some(task),
        })
    }
}

impl StandinHandle {
    /// Its address: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.state.port))
    }

    /// Changes what is wrong with it: `handle.fault(|faults| faults.hang = true)`.
    pub fn fault(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = locked(&self.state.faults);
        change(&mut faults);
        self.state.pool.dead.store(faults.postgres_dead, Ordering::Relaxed);
    }

    /// What it was asked so far, oldest first: `db.list`, `res.users.write`, `GET /web/health`.
    pub fn calls(&self) -> Vec<String> {
        locked(&self.state.calls).clone()
    }

    /// The folder of its filestores' files for `database`.
    pub fn filestore(&self, database: &str) -> PathBuf {
        self.state.filestore(database)
    }

    /// Closes the idle connections it keeps, as a restart of Odoo does.
    pub async fn close_connections(&self) {
        self.state.pool.close_all().await;
    }

    /// Ends it: no request is taken any more, and its connections are closed.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if let Some(task) = self.task.take() {
            let abort = task.abort_handle();
            if tokio::time::timeout(STOP_LIMIT, task).await.is_err() {
                abort.abort();
            }
        }
        self.state.pool.close_all().await;
    }
}

impl Drop for StandinHandle {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}
