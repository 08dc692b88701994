//! A private PostgreSQL cluster in one folder: made by `initdb`, on a free loopback port and a socket
//! folder of its own, with a role `odoo` as a real Odoo has it (may create databases, is no superuser).
//!
//! Invariants: a folder is used by one process at a time (a lock on `lock`); only the server process
//! that this value started is ever signalled, by its pid; when this process goes away in whatever
//! way, a watchdog ends that server. Data is not flushed to disk (`fsync=off`): a cluster to try and
//! test on, not to keep anything in.

pub(super) mod error;
mod init;
pub(super) mod process;

use super::account::{Account, make_passable};
use super::binaries::Binaries;
use crate::domain::Secret;
pub use error::ClusterError;
use error::{Context, Result};
use rustix::process::Signal;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The role that Odoo, and vigie with a server's credentials, connect as.
pub const ROLE: &str = "odoo";
/// The cluster's superuser.
pub const SUPERUSER: &str = "postgres";
/// The address the cluster listens on.
pub const HOST: &str = "127.0.0.1";

/// How long the server may take to be ready, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// A condition that can't be waited for otherwise is looked at this often.
const LOOK: Duration = Duration::from_millis(15);
/// Ports tried when another process takes the one just found free.
const PORT_TRIES: usize = 8;
/// The longest path of a socket that every system takes, in bytes.
const MAX_SOCKET_PATH: usize = 100;

/// How a cluster is to be opened.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// The folder is removed when the cluster, or this process, ends.
    pub ephemeral: bool,
}

/// A running (or stopped) private cluster. Dropping it stops the server.
pub struct Cluster {
    dir: PathBuf,
    binaries: Binaries,
    account: Account,
    port: u16,
    server: Option<Running>,
    role_password: Secret,
    superuser_password: Secret,
    options: ClusterOptions,
    _lock: File,
}

struct Running {
    postmaster: Child,
    watchdog: Child,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("dir", &self.dir)
            .field("port", &self.port)
            .field("pid", &self.pid())
            .finish()
    }
}

impl Cluster {
    /// Makes the cluster in `dir`, or takes the one that is there, and starts it.
    ///
    /// # Errors
    /// [`ClusterError`], whose hint says what to do.
    pub fn create_or_open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, ClusterOptions::default())
    }

    /// As [`Cluster::create_or_open`], with options.
    ///
    /// # Errors
    /// [`ClusterError`], whose hint says what to do.
    pub fn open_with(dir: &Path, options: ClusterOptions) -> Result<Self> {
        let account = Account::choose().ok_or(ClusterError::NoAccount)?;
        make_passable(dir).context(|| format!("making {}", dir.display()))?;
        let dir = dir.canonicalize().context(|| format!("finding {}", dir.display()))?;
        if let Some(folder) = account.blocked_by(&dir.join("data")) {
            return Err(ClusterError::Blocked { folder });
        }
        let lock = init::lock(&dir)?;
        let data = dir.join("data");
        let made = dir.join("made").exists();
        let major = fs::read_to_string(data.join("PG_VERSION"))
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let binaries = Binaries::find(if made { major } else { None })?;
        let fresh = if made {
            None
        } else {
            Some(init::initialise(&dir, &binaries, account)?)
        };
        let (role_password, superuser_password) = match fresh {
            Some(passwords) => passwords,
            None => (
                init::read_secret(&dir.join("odoo.password"))?,
                init::read_secret(&dir.join("superuser.password"))?,
            ),
        };
        let mut cluster = Self {
            port: fs::read_to_string(dir.join("port"))
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0),
            dir,
            binaries,
            account,
            server: None,
            role_password,
            superuser_password,
            options,
            _lock: lock,
        };
        cluster.end_leftover()?;
        cluster.start()?;
        Ok(cluster)
    }

    /// Starts the server and waits until it takes connections. The port it had is used again where
    /// it is still free. Does nothing while it runs.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn start(&mut self) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        self.reap();
        let deadline = Instant::now() + PATIENCE;
        let mut tried = 0;
        loop {
            if self.port == 0 {
                self.port = init::free_port()?;
            }
            let log_start = fs::metadata(self.log_path()).map_or(0, |meta| meta.len());
            match self.start_once(deadline)? {
                None => break,
                Some(()) => {
                    let said = process::tail(&self.log_path(), log_start);
                    let port_taken = said.contains("Address already in use") || said.contains("could not bind");
                    // Processes of a server that was killed hold its shared memory until they notice.
                    let dying = said.contains("shared memory block") || said.contains("is still in use");
                    if port_taken && tried < PORT_TRIES {
                        tried += 1;
                        self.port = 0;
                    } else if dying && Instant::now() < deadline {
                        std::thread::sleep(LOOK);
                    } else {
                        return Err(ClusterError::Failed {
                            what: "starting PostgreSQL",
                            said,
                        });
                    }
                }
            }
        }
        init::write_file(&self.dir.join("port"), &self.port.to_string(), 0o644)
    }

    /// `None` when the server is ready, `Some` when it ended instead.
    fn start_once(&mut self, deadline: Instant) -> Result<Option<()>> {
        let data = self.data_dir();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.log_path())
            .context(|| "opening PostgreSQL's log".to_owned())?;
        let log_too = log.try_clone().context(|| "opening PostgreSQL's log".to_owned())?;
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(&data)
            .arg("-p")
            .arg(self.port.to_string())
            .arg("-k");
        command.arg(self.socket_dir().unwrap_or_default());
        command.stdin(Stdio::null()).stdout(log).stderr(log_too);
        // A Ctrl-C in the terminal is for vigie, which then stops the server in order.
        command.process_group(0);
        let postmaster = command.spawn().context(|| "starting PostgreSQL".to_owned())?;
        let mut guard = process::Unready(Some(postmaster));
        loop {
            let Some(child) = guard.0.as_mut() else {
                return Ok(Some(()));
            };
            if child
                .try_wait()
                .context(|| "waiting for PostgreSQL".to_owned())?
                .is_some()
            {
                return Ok(Some(()));
            }
            if process::is_ready(&data, child.id()) {
                break;
            }
            if Instant::now() > deadline {
                return Err(ClusterError::TooSlow {
                    what: "starting PostgreSQL",
                    after: PATIENCE,
                });
            }
            std::thread::sleep(LOOK);
        }
        if let Some(postmaster) = guard.0.take() {
            let remove = self.options.ephemeral.then_some(self.dir.as_path());
            let watchdog = process::watchdog(postmaster.id(), &data, remove);
            self.server = Some(match watchdog {
                Ok(watchdog) => Running { postmaster, watchdog },
                Err(error) => {
                    drop(process::Unready(Some(postmaster)));
                    return Err(error);
                }
            });
        }
        Ok(None)
    }

    /// Stops the server: open connections are closed, data is written. Does nothing while it is stopped.
    ///
    /// # Errors
    /// When it did not end within a minute, and was killed.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.server.take() else {
            return Ok(());
        };
        let ended = process::end(&mut running.postmaster, Signal::INT);
        process::end_watchdog(running.watchdog);
        ended
    }

    /// Kills the server process with SIGKILL, as a crash or the kernel would, and waits until it is
    /// gone. The processes it had started notice by themselves a moment later.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut running) = self.server.take() else {
            return Ok(());
        };
        let killed = running.postmaster.kill().and_then(|()| running.postmaster.wait());
        process::end_watchdog(running.watchdog);
        killed.map(|_| ()).context(|| "killing PostgreSQL".to_owned())
    }

    /// Stops and starts the server, on the same port where that is possible.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start()
    }

    /// Whether the server process that this value started is alive.
    pub fn is_running(&mut self) -> bool {
        self.server
            .as_mut()
            .is_some_and(|running| matches!(running.postmaster.try_wait(), Ok(None)))
    }

    /// The server's process id, while it was started and not stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(|running| running.postmaster.id())
    }

    /// The TCP port on [`HOST`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address it listens on.
    pub fn host(&self) -> &'static str {
        HOST
    }

    /// The folder of its Unix socket; `None` where its path would be too long for a socket.
    pub fn socket_dir(&self) -> Option<PathBuf> {
        let dir = self.dir.join("socket");
        (dir.join(".s.PGSQL.65535.lock").as_os_str().len() <= MAX_SOCKET_PATH).then_some(dir)
    }

    /// The cluster's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The version's first number.
    pub fn major(&self) -> u32 {
        self.binaries.major()
    }

    /// The password of [`ROLE`].
    pub fn role_password(&self) -> &Secret {
        &self.role_password
    }

    /// The file (mode 0600) with the password of [`ROLE`], for a `file:` reference.
    pub fn role_password_file(&self) -> PathBuf {
        self.dir.join("odoo.password")
    }

    /// How to connect as [`ROLE`] to the database `dbname`.
    pub fn role_config(&self, dbname: &str) -> tokio_postgres::Config {
        self.config(ROLE, &self.role_password, dbname)
    }

    /// How to connect as the superuser to the database `dbname`.
    pub fn superuser_config(&self, dbname: &str) -> tokio_postgres::Config {
        self.config(SUPERUSER, &self.superuser_password, dbname)
    }

    /// The superuser's connection string to the database `postgres`.
    pub fn superuser_dsn(&self) -> Secret {
        Secret::new(format!(
            "host={HOST} port={} user={SUPERUSER} password={} dbname=postgres",
            self.port,
            self.superuser_password.expose()
        ))
    }

    fn config(&self, user: &str, password: &Secret, dbname: &str) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host(HOST)
            .port(self.port)
            .user(user)
            .password(password.expose())
            .dbname(dbname);
        config.connect_timeout(Duration::from_secs(10));
        config
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("postgres.log")
    }

    fn command(&self, program: &str) -> Command {
        process::command(&self.binaries, self.account, program)
    }

    /// Forgets a server that ended by itself.
    fn reap(&mut self) {
        if let Some(mut running) = self.server.take() {
            let _ = running.postmaster.kill();
            let _ = running.postmaster.wait();
            process::end_watchdog(running.watchdog);
        }
    }

    /// A server that an earlier process left running on this very folder (its watchdog was killed as
    /// well): `pg_ctl` ends it by the folder's own pid file.
    fn end_leftover(&self) -> Result<()> {
        if !self.data_dir().join("postmaster.pid").exists() {
            return Ok(());
        }
        let mut status = self.command("pg_ctl");
        status.arg("status").arg("-D").arg(self.data_dir());
        if !process::run("pg_ctl status", &mut status, None)?.0 {
            return Ok(());
        }
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "-m", "fast", "-w", "-t", "30", "-D"])
            .arg(self.data_dir());
        match process::run("pg_ctl stop", &mut stop, None)? {
            (true, _) => Ok(()),
            (false, said) => Err(ClusterError::Failed {
                what: "stopping a PostgreSQL left over in the folder",
                said,
            }),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // An error can't be told from here, and the server was killed in that case.
        let _ = self.stop();
        if self.options.ephemeral {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}
