//! Making the cluster's folder: `initdb`, the settings, the passwords and the role; and the small files in it.

use super::error::{ClusterError, Context, Result};
use super::process::{command, run};
use super::{ROLE, SUPERUSER};
use crate::domain::Secret;
use crate::sandbox::account::Account;
use crate::sandbox::binaries::Binaries;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const SETTINGS: &str = "
# Written once, for a cluster to try and test on: nothing waits for the disk.
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_connections = 200
shared_buffers = 48MB
min_wal_size = 32MB
logging_collector = off
log_min_messages = warning
";

/// Makes the data folder, the passwords and the role. The file `making` is written first and `made`
/// last: with the one and without the other it is a try that did not get to its end, and is made anew.
pub(super) fn initialise(dir: &Path, binaries: &Binaries, account: Account) -> Result<(Secret, Secret)> {
    let data = dir.join("data");
    let making = dir.join("making");
    if fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some()) {
        // Only what an earlier try left half made is removed; anything else is somebody's.
        if !making.exists() {
            return Err(ClusterError::Foreign {
                folder: dir.to_path_buf(),
                reason: "'data' holds other files",
            });
        }
        fs::remove_dir_all(&data).context(|| format!("removing {}", data.display()))?;
    }
    write_file(&making, "", 0o600)?;
    for (name, mode) in [("data", 0o700), ("socket", 0o755)] {
        let path = dir.join(name);
        if !path.exists() {
            fs::DirBuilder::new()
                .mode(mode)
                .create(&path)
                .context(|| format!("making {}", path.display()))?;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .context(|| format!("opening {}", path.display()))?;
        account
            .own(&path)
            .context(|| format!("handing {} to PostgreSQL's user", path.display()))?;
    }
    let superuser = random_password()?;
    let role = random_password()?;
    let handed = dir.join("initdb.password");
    write_file(&handed, superuser.expose(), 0o600)?;
    account
        .own(&handed)
        .context(|| format!("handing {} to PostgreSQL's user", handed.display()))?;
    let made = ["C.UTF-8", "C"].into_iter().try_fold(String::new(), |_, locale| {
        let mut initdb = command(binaries, account, "initdb");
        initdb.args([
            "-U",
            SUPERUSER,
            "-A",
            "scram-sha-256",
            "--encoding=UTF8",
            "--no-sync",
            "--no-instructions",
        ]);
        initdb
            .arg(format!("--locale={locale}"))
            .arg("-D")
            .arg(&data)
            .arg(format!("--pwfile={}", handed.display()));
        match run("initdb", &mut initdb, None) {
            Ok((true, _)) => Err(Ok(())),
            // Not every system has the locale; plain C knows the same bytes.
            Ok((false, said)) if said.contains("locale") => Ok(said),
            Ok((false, said)) => Err(Err(ClusterError::Failed { what: "initdb", said })),
            Err(error) => Err(Err(error)),
        }
    });
    let _ = fs::remove_file(&handed);
    match made {
        Err(Ok(())) => {}
        Err(Err(error)) => return Err(error),
        Ok(said) => return Err(ClusterError::Failed { what: "initdb", said }),
    }
    let settings = data.join("postgresql.conf");
    OpenOptions::new()
        .append(true)
        .open(&settings)
        .and_then(|mut file| file.write_all(SETTINGS.as_bytes()))
        .context(|| format!("writing {}", settings.display()))?;
    // A server for one command: nothing listens yet, and the password goes by standard input.
    let mut single = command(binaries, account, "postgres");
    single.arg("--single").arg("-D").arg(&data).arg("postgres");
    let statement = format!("CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{}'\n", role.expose());
    let (done, said) = run("postgres", &mut single, Some(statement.as_bytes()))?;
    if !done || said.contains("ERROR") || said.contains("FATAL") {
        return Err(ClusterError::Failed {
            what: "making the role odoo",
            said,
        });
    }
    write_file(&dir.join("superuser.password"), superuser.expose(), 0o600)?;
    write_file(&dir.join("odoo.password"), role.expose(), 0o600)?;
    write_file(&dir.join("made"), "", 0o644)?;
    let _ = fs::remove_file(&making);
    Ok((role, superuser))
}

pub(super) fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(ClusterError::InUse(dir.to_path_buf())),
        Err(fs::TryLockError::Error(source)) => Err(ClusterError::Io {
            what: format!("locking {}", path.display()),
            source,
        }),
    }
}

pub(super) fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .context(|| "finding a free port on 127.0.0.1".to_owned())
}

pub(super) fn random_password() -> Result<Secret> {
    let mut bytes = [0_u8; 18];
    getrandom::fill(&mut bytes).map_err(|error| ClusterError::Io {
        what: "making a password".to_owned(),
        source: io::Error::other(error.to_string()),
    })?;
    // Letters, digits, '-' and '_' only: it stands in SQL and connection strings without escaping.
    Ok(Secret::new(base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        bytes,
    )))
}

pub(super) fn write_file(path: &Path, text: &str, mode: u32) -> Result<()> {
    let write = || {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(mode)
            .open(path)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())
    };
    write().context(|| format!("writing {}", path.display()))
}

pub(super) fn read_secret(path: &Path) -> Result<Secret> {
    let text = fs::read_to_string(path).context(|| format!("reading {}", path.display()))?;
    Ok(Secret::new(text.trim_end().to_owned()))
}
