//! The fleet's Odoos: stand-ins, or a real one started three times; and the one that is down.

use super::folder::Folder;
use super::{LIMIT, roles};
use crate::domain::Problem;
use crate::sandbox::companion::Companion;
use crate::sandbox::{Cluster, Standin, StandinHandle, StandinOptions};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;

/// One of the fleet's Odoos.
pub(super) enum Odoo {
    StandIn(StandinHandle),
    Real { process: Companion, port: u16 },
}

impl Odoo {
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::StandIn(handle) => handle.address().port(),
            Self::Real { port, .. } => *port,
        }
    }

    pub(super) fn url(&self) -> String {
        url(self.port())
    }

    pub(super) async fn stop(self) {
        match self {
            Self::StandIn(handle) => handle.stop().await,
            Self::Real { mut process, .. } => {
                let _ = tokio::task::spawn_blocking(move || process.stop()).await;
            }
        }
    }
}

pub(super) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The name of a server's master password among the sandbox's secrets.
pub(super) fn master(code: &str) -> String {
    format!("{code}.master")
}

/// Starts a stand-in on the port it had, if that is still free.
pub(super) async fn stand_in(
    runtime: &Handle,
    code: &str,
    folder: &mut Folder,
    cluster: &Cluster,
) -> Result<Odoo, Problem> {
    let mut database = cluster.role_config("postgres");
    let password = folder.secret(&roles::secret(code))?;
    database.user(roles::role(code)).password(password.expose());
    let mut options = StandinOptions::believable(database, &folder.data_dir(code), folder.secret(&master(code))?);
    options.port = folder.port(code);
    let failed =
        |error: &dyn std::fmt::Display| Problem::new("sandbox", format!("{code} could not be started: {error}"));
    let started = runtime
        .spawn(Standin::start(options))
        .await
        .map_err(|error| failed(&error))?;
    let handle = started.map_err(|error| failed(&error))?;
    folder.keep_port(code, handle.address().port())?;
    Ok(Odoo::StandIn(handle))
}

/// Starts a real Odoo. `program` is run as it is when it may be (its first line names the Python, or
/// it is a virtual environment's own script), and by `python3` otherwise.
pub(super) async fn real(program: &Path, code: &str, folder: &mut Folder, cluster: &Cluster) -> Result<Odoo, Problem> {
    let program = program.canonicalize().map_err(|error| {
        Problem::new("sandbox", format!("{}: {error}", program.display())).hint("--odoo-bin takes the path of odoo-bin")
    })?;
    let wrong = |error: std::io::Error| Problem::new("sandbox", format!("{code}: {error}"));
    let data_dir = folder.data_dir(code);
    fs::create_dir_all(&data_dir).map_err(wrong)?;
    let port = free_port(folder.port(code)).map_err(wrong)?;
    folder.keep_port(code, port)?;
    let conf = folder.dir.join("odoo").join(format!("{code}.conf"));
    let text = format!(
        "[options]\nadmin_passwd = {}\ndb_host = {}\ndb_port = {}\ndb_user = {}\ndb_password = {}\ndata_dir = {}\n\
         http_interface = 127.0.0.1\nhttp_port = {port}\nlist_db = True\nworkers = 0\nmax_cron_threads = 0\n",
        folder.secret(&master(code))?.expose(),
        cluster.host(),
        cluster.port(),
        roles::role(code),
        folder.secret(&roles::secret(code))?.expose(),
        data_dir.display(),
    );
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&conf)
        .map_err(wrong)?;
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(wrong)?;
    file.write_all(text.as_bytes()).map_err(wrong)?;
    let may_run = fs::metadata(&program).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
    let mut command = if may_run {
        Command::new(&program)
    } else {
        let mut python = Command::new("python3");
        python.arg(&program);
        python
    };
    command.arg("-c").arg(&conf).current_dir(&data_dir);
    let log = folder.dir.join("odoo").join(format!("{code}.log"));
    let mut process = Companion::start(code, command, &conf, &log)?;
    let deadline = tokio::time::Instant::now() + 4 * LIMIT;
    while !answers(port).await {
        if !process.is_running() || tokio::time::Instant::now() > deadline {
            return Err(
                Problem::new("sandbox", format!("{} did not start as {code}", program.display())).hint(format!(
                    "its log is {}; start it with the Python it needs (an activated virtual environment)",
                    log.display()
                )),
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(Odoo::Real { process, port })
}

async fn answers(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream
            .write_all(b"GET /web/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer.contains("\"pass\""))
    };
    matches!(tokio::time::timeout(Duration::from_secs(5), ask).await, Ok(Ok(true)))
}

fn free_port(wanted: Option<u16>) -> std::io::Result<u16> {
    let bind = |port: u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = match wanted.map(bind) {
        Some(Ok(listener)) => listener,
        _ => bind(0)?,
    };
    Ok(listener.local_addr()?.port())
}

/// A port that refuses: bound, so that no other process takes it, and never listened on.
pub(super) struct Down {
    pub(super) port: u16,
    _socket: TcpSocket,
}

impl Down {
    /// Holds the port it had, or another one.
    pub(super) fn hold(wanted: Option<u16>) -> std::io::Result<Self> {
        let bind = |port: u16, reuse: bool| {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(reuse)?;
            socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
            std::io::Result::Ok(Self {
                port: socket.local_addr()?.port(),
                _socket: socket,
            })
        };
        // Connections of its days as a server may linger on the port; what reuses it in spite of them
        // leaves it open to others that do the same.
        let wanted = wanted.map(|port| bind(port, false).or_else(|_| bind(port, true)));
        wanted.unwrap_or_else(|| bind(0, false)).or_else(|_| bind(0, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_held_port_refuses_and_nobody_else_gets_it() {
        let down = Down::hold(None).unwrap();
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, down.port)).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, down.port)).is_err());
        assert!(!answers(down.port).await);
    }
}
