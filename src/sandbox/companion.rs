//! A process that belongs to the sandbox: it is ended with it, by its pid, and does not outlive it
//! even when the sandbox is killed.

use super::cluster::process::{end_watchdog, watchdog};
use crate::domain::Problem;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(25);
const LOOK: Duration = Duration::from_millis(20);

/// A running process with its watchdog.
#[derive(Debug)]
pub(super) struct Companion {
    name: String,
    child: Child,
    watchdog: Option<Child>,
}

impl Companion {
    /// Starts `command`, its output going to `log`. `mark` is a path among its arguments: the watchdog
    /// knows the process by it.
    pub(super) fn start(name: &str, mut command: Command, mark: &Path, log: &Path) -> Result<Self, Problem> {
        let failed = |error: std::io::Error| Problem::new("sandbox", format!("{name} could not be started: {error}"));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(log)
            .map_err(failed)?;
        let twin = file.try_clone().map_err(failed)?;
        // A Ctrl-C in the terminal is for the sandbox, which then ends its processes in order.
        command.stdin(Stdio::null()).stdout(file).stderr(twin).process_group(0);
        let child = command.spawn().map_err(failed)?;
        let mut companion = Self {
            name: name.to_owned(),
            child,
            watchdog: None,
        };
        let watched = watchdog(companion.child.id(), mark, None);
        companion.watchdog = Some(watched.map_err(|error| Problem::new("sandbox", error.to_string()))?);
        Ok(companion)
    }

    /// Whether it still runs.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end, waits, and kills it when it does not. Blocks.
    pub(super) fn stop(&mut self) {
        if self.is_running() {
            signal(self.child.id(), Signal::TERM);
            let deadline = Instant::now() + PATIENCE;
            while self.is_running() {
                if Instant::now() > deadline {
                    tracing::warn!(name = self.name, "did not end when asked, and was killed");
                    let _ = self.child.kill();
                    break;
                }
                std::thread::sleep(LOOK);
            }
        }
        let _ = self.child.wait();
        if let Some(watchdog) = self.watchdog.take() {
            end_watchdog(watchdog);
        }
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends a process that another one started, known by its pid and by `mark` among its arguments.
/// Whether it is gone. Blocks.
pub(super) fn end_stranger(pid: u32, mark: &Path) -> bool {
    let is_it = || {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
            let mark = mark.as_os_str().as_encoded_bytes();
            line.split(|byte| *byte == 0).any(|argument| argument == mark)
        })
    };
    if !is_it() {
        return true;
    }
    signal(pid, Signal::TERM);
    let deadline = Instant::now() + PATIENCE;
    while is_it() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

fn signal(pid: u32, how: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile, which is what is wanted.
        let _ = kill_process(pid, how);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_its_owner_and_only_the_marked_stranger_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do sleep 0.05; done"]).arg(&mark);
        let mut companion = Companion::start("a loop", command, &mark, &dir.path().join("log")).unwrap();
        let pid = companion.child.id();
        assert!(companion.is_running());
        assert!(
            end_stranger(pid, &dir.path().join("another")),
            "a process without the mark is none of ours"
        );
        assert!(companion.is_running(), "and is left alone");
        companion.stop();
        assert!(!companion.is_running());
        assert!(!Path::new("/proc").join(pid.to_string()).exists());
    }
}
