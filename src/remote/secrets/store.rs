//! Where the keys are kept: a file of this machine, or what a vault's program prints.

use super::keys::{Keys, hex};
use super::{MAX_BYTES, RESOLVE_LIMIT, SecretError, kill_group, random, refuse_open_to_others};
use crate::domain::{KeySource, Secret, SecretRef};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a vault's answer holds: a vault may ask a person, or count its calls.
const CACHED: Duration = Duration::from_secs(60);
/// A key that is not in what is cached is asked for again, but no more often than this.
const AGAIN: Duration = Duration::from_secs(15);
/// How long another process's change of the key file is waited for.
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// The operator's keys. All calls block, for as long as reading a small file takes, or a vault's program
/// at most [`RESOLVE_LIMIT`].
pub(super) struct KeyStore {
    source: KeySource,
    cached: Mutex<Option<(Arc<Keys>, Instant)>>,
}

/// Holds off other processes that would change the key file; goes with its holder, however that one ends.
pub struct KeyLock(#[allow(dead_code, reason = "held, not read")] Option<std::fs::File>);

impl KeyStore {
    pub(super) fn new(source: KeySource) -> Self {
        Self {
            source,
            cached: Mutex::new(None),
        }
    }

    pub(super) fn source(&self) -> &KeySource {
        &self.source
    }

    fn bad(&self, why: impl std::fmt::Display) -> SecretError {
        SecretError::KeyFile {
            path: self.source.to_string(),
            why: why.to_string(),
        }
    }

    /// All keys as they are now; none where there is no file. A vault's answer is up to `age` old.
    fn read(&self, age: Duration) -> Result<Arc<Keys>, SecretError> {
        match &self.source {
            KeySource::File(path) => self.read_file(path).map(Arc::new),
            KeySource::Command(argv) => {
                let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((keys, at)) = cached.as_ref()
                    && at.elapsed() < age
                {
                    return Ok(Arc::clone(keys));
                }
                let text = printed(argv)?;
                let keys = Arc::new(Keys::parse(text.expose(), &self.source.to_string())?);
                *cached = Some((Arc::clone(&keys), Instant::now()));
                Ok(keys)
            }
        }
    }

    /// The keys, no older than a vault's answer holds.
    pub(super) fn keys(&self) -> Result<Arc<Keys>, SecretError> {
        self.read(CACHED)
    }

    /// The keys as they are at this moment.
    pub(super) fn fresh(&self) -> Result<Arc<Keys>, SecretError> {
        self.read(Duration::ZERO)
    }

    fn read_file(&self, path: &Path) -> Result<Keys, SecretError> {
        let shown = self.source.to_string();
        let mut file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Keys::none(&shown)),
            Err(e) => return Err(self.bad(e)),
        };
        refuse_open_to_others(path, &file.metadata().map_err(|e| self.bad(e))?)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|e| self.bad(e))?;
        let text = Secret::new(text);
        Keys::parse(text.expose(), &shown)
    }

    /// Holds off others that change the key file. Nothing to hold where a vault has the keys.
    pub(super) fn lock(&self) -> Result<KeyLock, SecretError> {
        let Some(path) = self.source.file() else {
            return Ok(KeyLock(None));
        };
        self.make_folder(path)?;
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        // Its folder is what is locked: nothing is left lying beside the keys.
        let folder = path.parent().ok_or_else(|| self.bad("has no folder"))?;
        let file = std::fs::File::open(folder).map_err(|e| self.bad(e))?;
        let end = Instant::now() + LOCK_LIMIT;
        loop {
            match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(KeyLock(Some(file))),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(self.bad("another process is changing it")),
                Err(e) => return Err(self.bad(e)),
            }
        }
    }

    fn make_folder(&self, path: &Path) -> Result<(), SecretError> {
        let folder = path.parent().ok_or_else(|| self.bad("has no folder"))?;
        if folder.exists() {
            return Ok(());
        }
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|e| self.bad(e))
    }

    /// Puts the text in the file's place, whole or not at all, and on the disk before it returns.
    /// `first`: another process that made one meanwhile wins.
    fn write(&self, path: &Path, keys: &Keys, first: bool) -> Result<(), SecretError> {
        self.make_folder(path)?;
        // A link stays one: what it points to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let aside = path.with_extension(format!("new-{}", hex(&random::<8>()?)));
        let write = || -> std::io::Result<()> {
            new_file(&aside, &keys.text())?;
            if first {
                match std::fs::hard_link(&aside, &path) {
                    Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                    other => other?,
                }
            } else {
                std::fs::rename(&aside, &path)?;
            }
            sync_folder(&path)
        };
        let done = write();
        let _ = std::fs::remove_file(&aside);
        done.map_err(|e| self.bad(e))
    }

    /// Adds a key to the file, which seals from then on; its id. To be called under the lock.
    pub(super) fn add(&self) -> Result<String, SecretError> {
        let Some(path) = self.source.file() else {
            return Err(SecretError::ReadOnlyKeys(self.source.to_string()));
        };
        remove_leftovers(path);
        if !path.exists() {
            let mut keys = Keys::none(&self.source.to_string());
            let id = keys.add()?;
            self.write(path, &keys, true)?;
            // Another process may have been first, with a key of its own: then this one comes behind it.
            if self.read_file(path)?.has(&id) {
                return Ok(id);
            }
        }
        let mut keys = self.read_file(path)?;
        let id = keys.add()?;
        self.write(path, &keys, false)?;
        if self.read_file(path)?.has(&id) {
            Ok(id)
        } else {
            Err(self.bad("it was changed by another program meanwhile: nothing is sealed with the new key yet"))
        }
    }

    /// Leaves only these keys in the file; the ids of those that went. To be called under the lock.
    pub(super) fn keep(&self, ids: &[String]) -> Result<Vec<String>, SecretError> {
        let Some(path) = self.source.file() else {
            return Err(SecretError::ReadOnlyKeys(self.source.to_string()));
        };
        remove_leftovers(path);
        let mut keys = self.read_file(path)?;
        let gone = keys.keep(ids);
        if !gone.is_empty() {
            self.write(path, &keys, false)?;
        }
        Ok(gone)
    }

    /// Writes the keys with a new one behind them (`keep`: with only these, and none added) to a new file;
    /// the id of the new one, where there is one.
    pub(super) fn write_copy(&self, to: &Path, keep: Option<&[String]>) -> Result<Option<String>, SecretError> {
        let mut keys = Keys::parse(self.fresh()?.text().expose(), &self.source.to_string())?;
        let added = match keep {
            Some(ids) => {
                keys.keep(ids);
                None
            }
            None => Some(keys.add()?),
        };
        let failed = |e: std::io::Error| SecretError::KeyFile {
            path: to.display().to_string(),
            why: match e.kind() {
                std::io::ErrorKind::AlreadyExists => "exists already: name a file that does not".to_owned(),
                _ => e.to_string(),
            },
        };
        new_file(to, &keys.text()).map_err(failed)?;
        sync_folder(to).map_err(failed)?;
        Ok(added)
    }

    /// Seals with the newest key, making the file where there is none.
    pub(super) fn seal(&self, secret: &Secret) -> Result<SecretRef, SecretError> {
        let mut keys = self.keys()?;
        if keys.is_empty() && self.source.file().is_some() {
            let _lock = self.lock()?;
            if self.fresh()?.is_empty() {
                self.add()?;
            }
            keys = self.fresh()?;
        }
        keys.seal(secret)
    }

    /// Opens what the key of this id sealed. A vault that may have it by now is asked again.
    pub(super) fn open(&self, key_id: &str, blob: &str) -> Result<Secret, SecretError> {
        let keys = self.keys()?;
        if keys.has(key_id) {
            return keys.open(key_id, blob);
        }
        self.read(AGAIN)?.open(key_id, blob)
    }

    /// Whether the key is there by now.
    pub(super) fn has(&self, key_id: &str) -> Result<bool, SecretError> {
        Ok(self.keys()?.has(key_id) || self.read(AGAIN)?.has(key_id))
    }
}

/// Writes a file that was not there, 0600 whatever the umask, and on the disk.
fn new_file(path: &Path, text: &Secret) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()
}

/// A new name is on the disk when its folder is.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Removes what a process that was killed while it wrote left beside the file. Best effort.
fn remove_leftovers(path: &Path) {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem()) else {
        return;
    };
    let start = format!("{}.new-", stem.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let left: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&start))
        .map(|entry| entry.path())
        .collect();
    for aside in left {
        let _ = std::fs::remove_file(aside);
    }
}

/// What a vault's program prints: whole, within its time, and no byte of it in an error.
fn printed(argv: &[String]) -> Result<Secret, SecretError> {
    let program = argv.first().map_or("", String::as_str);
    let failed = |why: String| SecretError::Command {
        program: program.to_owned(),
        why,
    };
    let mut child = Command::new(program)
        .args(&argv[1.min(argv.len())..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|e| failed(format!("can't be started: {e}")))?;
    let group = Some(child.id());
    let Some(out) = child.stdout.take() else {
        return Err(failed("has no output".to_owned()));
    };
    // On a thread of its own: reading has no deadline.
    let (send, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = out.take(MAX_BYTES).read_to_end(&mut bytes).map(|_| bytes);
        let _ = send.send(read);
    });
    let end = Instant::now() + RESOLVE_LIMIT;
    let read = answer.recv_timeout(RESOLVE_LIMIT);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            _ => break None,
        }
    };
    let (Some(status), Ok(read)) = (status, read) else {
        kill_group(group);
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed(format!("gave nothing within {} s", RESOLVE_LIMIT.as_secs())));
    };
    if !status.success() {
        return Err(failed(format!("failed: {status}")));
    }
    let bytes = read.map_err(|e| failed(format!("failed: {e}")))?;
    String::from_utf8(bytes)
        .map(Secret::new)
        .map_err(|_| SecretError::NotText(format!("command:{program}")))
}
