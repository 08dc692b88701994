//! A worker that outlives whoever started it: its own session, no terminal, a log file of its own,
//! and an answer to its starter when it is alive.

use crate::domain::Problem;
use crate::registry::{Registry, Worker};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How it came about that a worker is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spawned {
    /// One was alive.
    Already(String),
    /// One was started.
    Started(String),
}

/// A new worker says that it is alive within this time, or has failed.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How often the handshake looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Leaves the starter's session and terminal. To be called first thing in the worker's process,
/// while it has one thread.
///
/// The starter gave it a group of its own, where the end of the terminal doesn't reach it. But who
/// leads a group can't found a session, so it goes back into its starter's for that moment, and
/// takes no notice of the terminal's end in between.
///
/// # Errors
/// When the process leads its session already, or its starter has ended: it is detached then as far
/// as it can be.
pub fn detach() -> std::io::Result<()> {
    let mut hangup = SigSet::empty();
    hangup.add(Signal::SIGHUP);
    hangup.thread_block()?;
    let pending = SignalFd::with_flags(&hangup, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let left = leave();
    while pending.read_signal()?.is_some() {}
    hangup.thread_unblock()?;
    left
}

fn leave() -> std::io::Result<()> {
    use nix::unistd::{Pid, getpgid, getpgrp, getpid, getppid, setpgid, setsid};
    if getpgrp() == getpid() {
        setpgid(Pid::from_raw(0), getpgid(Some(getppid()))?)?;
    }
    setsid()?;
    Ok(())
}

/// Sees to it that a worker is alive: starts `exe worker --detached --config CONFIG` where none is.
/// When several ask at once, one starts and the others find it. Returns when the worker has made
/// itself known in the registry.
///
/// # Errors
/// When it can't be started, or ended at once: with the last lines it wrote.
pub async fn spawn_detached(
    registry: &dyn Registry,
    exe: &Path,
    arguments: &[std::ffi::OsString],
    state_dir: &Path,
) -> Result<Spawned, Problem> {
    if let Some(worker) = living(registry).await?.first() {
        return Ok(Spawned::Already(worker.id.clone()));
    }
    let _lock = lock(state_dir).await?;
    if let Some(worker) = living(registry).await?.first() {
        return Ok(Spawned::Already(worker.id.clone()));
    }
    start(registry, exe, arguments, state_dir).await.map(Spawned::Started)
}

async fn living(registry: &dyn Registry) -> Result<Vec<Worker>, Problem> {
    let workers = tokio::time::timeout(Duration::from_secs(10), registry.workers()).await;
    let workers = workers
        .map_err(|_| Problem::new("registry_failed", "the registry does not answer"))?
        .map_err(|error| error.problem())?;
    Ok(workers.into_iter().filter(|worker| worker.alive).collect())
}

/// The starters' lock. It goes with its holder, however that one ends.
async fn lock(state_dir: &Path) -> Result<File, Problem> {
    let path = state_dir.join("worker.lock");
    let failed = |what: String| Problem::new("worker_not_started", format!("{}: {what}", path.display()));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| failed(error.to_string()))?;
    let began = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if began.elapsed() < HANDSHAKE + HANDSHAKE => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(failed(
                    "another process is starting a worker, and does not come to an end".to_owned(),
                ));
            }
            Err(error) => return Err(failed(error.to_string())),
        }
    }
}

async fn start(
    registry: &dyn Registry,
    exe: &Path,
    arguments: &[std::ffi::OsString],
    state_dir: &Path,
) -> Result<String, Problem> {
    let path = state_dir.join("worker.log");
    let failed = |what: String| {
        Problem::new("worker_not_started", format!("no worker could be started: {what}"))
            .hint(format!("run `vigie worker` by hand; its log is {}", path.display()))
    };
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| failed(format!("{}: {error}", path.display())))?;
    log.set_permissions(std::fs::Permissions::from_mode(0o600))
        .map_err(|error| failed(error.to_string()))?;
    let written = log.seek(SeekFrom::End(0)).map_err(|error| failed(error.to_string()))?;
    let twin = |log: &File| {
        log.try_clone()
            .map(Stdio::from)
            .map_err(|error| failed(error.to_string()))
    };
    let mut command = tokio::process::Command::new(exe);
    for variable in super::service::VARIABLES {
        command.env_remove(variable);
    }
    command
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(twin(&log)?)
        .stderr(twin(&log)?);
    // A starter whose own group lies outside the pid namespace (0) has no terminal in it either, and its
    // child could not go back into that group.
    if nix::unistd::getpgrp().as_raw() != 0 {
        command.process_group(0);
    }
    let mut child = command
        .spawn()
        .map_err(|error| failed(format!("{}: {error}", exe.display())))?;
    let pid = child.id().unwrap_or(0);
    let began = Instant::now();
    loop {
        let known = living(registry).await?;
        if let Some(worker) = known.iter().find(|worker| worker.id.contains(&format!(":{pid}:"))) {
            return Ok(worker.id.clone());
        }
        if let Ok(Some(status)) = child.try_wait() {
            let said = last_lines(&mut log, written);
            return Err(failed(format!("it ended at once ({status}){said}")));
        }
        if began.elapsed() > HANDSHAKE {
            let said = last_lines(&mut log, written);
            return Err(failed(format!(
                "it did not make itself known within {} s{said}",
                HANDSHAKE.as_secs()
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn last_lines(log: &mut File, from: u64) -> String {
    let mut text = Vec::new();
    if log.seek(SeekFrom::Start(from)).is_err() || log.take(64 * 1024).read_to_end(&mut text).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(3)
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!(": {}", lines.into_iter().rev().collect::<Vec<_>>().join(" / "))
}
