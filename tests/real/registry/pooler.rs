//! Debian's PgBouncer in transaction mode before the tests' cluster; the contract through it; and what
//! becomes of changes there.

#[allow(clippy::duplicate_mod, reason = "the same list, on another way to the store")]
#[path = "../../it/registry/contract.rs"]
mod contract;

use super::kit;
use crate::harness::{cluster, folder};
use contract::bench;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use vigie::registry::Registry;
use vigie::registry::postgres::{Listen, Postgres};

/// A private PgBouncer, run as who runs the cluster. Ends with the value, or with this process.
pub(crate) struct Pooler {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Pooler {
    fn program() -> PathBuf {
        [
            "/usr/sbin/pgbouncer",
            "/usr/bin/pgbouncer",
            "/usr/local/bin/pgbouncer",
            "/opt/homebrew/bin/pgbouncer",
        ]
        .into_iter()
        .map(PathBuf::from)
        .find(|p| p.exists())
        .expect("PgBouncer is installed (make needs)")
    }

    /// One before the server at this address.
    pub(crate) fn start(host: &str, port: u16) -> Self {
        let dir = folder("pooler");
        let owner = fs::metadata(cluster().dir().join("data")).expect("the cluster's folder");
        fs::create_dir_all(&dir).expect("a folder");
        let listen = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a free port")
            .port();
        let users = dir.join("users");
        let mut lines = String::new();
        for login in kit::LOGINS {
            lines.push_str(&format!("\"{login}\" \"{}\"\n", kit::PASSWORD));
        }
        fs::write(&users, lines).expect("its users");
        let settings = dir.join("pgbouncer.ini");
        // Few connections to the server for many clients: what one of them leaves behind meets the others.
        let text = format!(
            "[databases]\n* = host={host} port={port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {listen}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 12\nmax_client_conn = 1000\nlog_connections = 0\nlog_disconnections = 0\n\
             logfile = {}\n",
            users.display(),
            dir.join("log").display()
        );
        fs::write(&settings, text).expect("its settings");
        for path in [&dir, &users, &settings] {
            chown(path, Some(owner.uid()), Some(owner.gid())).expect("giving it away");
        }
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("closing it");
        // The shell ends it when its input ends: with this value, or with this process, however that ends.
        let script = r#"pgb="$1"; dir="$2"; cd /; "$pgb" -q "$dir/pgbouncer.ini" & pid=$!; cat > /dev/null; kill $pid; wait $pid; rm -rf "$dir""#;
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg("sh").arg(Self::program()).arg(&dir);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let child = command.spawn().expect("starting PgBouncer");
        let pooler = Self {
            child,
            port: listen,
            dir,
        };
        let end = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", listen)).is_err() {
            assert!(Instant::now() < end, "PgBouncer does not listen: {}", pooler.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        pooler
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// The address of a database through it.
    pub(crate) fn address(&self, database: &str, login: &str) -> String {
        kit::at(self.port, database, login)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The one that the tests share; statics are never dropped, its shell ends it.
fn pooler() -> &'static Pooler {
    static SHARED: OnceLock<Pooler> = OnceLock::new();
    SHARED.get_or_init(|| Pooler::start(cluster().host(), cluster().port()))
}

/// A new registry, reached through PgBouncer alone: connections in transaction mode, changes by looking.
async fn store() -> bench::Bench {
    let address = pooler().address(&kit::fresh().await, kit::ADMIN);
    let connect = move || -> bench::Connected {
        let address = address.clone();
        Box::pin(async move {
            let opened = Postgres::open_with(&address, &Listen::Poll)
                .await
                .expect("opening the registry");
            Arc::new(opened) as Arc<dyn Registry>
        })
    };
    bench::Bench::new(Box::new(connect), Box::new(())).await
}
