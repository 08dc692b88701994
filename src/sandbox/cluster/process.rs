//! PostgreSQL's processes: run to the end, waited for, signalled, watched over.

use super::error::{ClusterError, Context, Result};
use super::{LOOK, PATIENCE};
use crate::sandbox::account::Account;
use crate::sandbox::binaries::Binaries;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Waits until this process is gone, then ends the server, if it is still the one that was started,
/// and removes an ephemeral cluster's folder. `$1` pid, `$2` data folder, `$3` folder to remove or empty.
const WATCHDOG: &str = r#"
cat > /dev/null
ours() { kill -0 "$1" 2>/dev/null && { [ ! -r "/proc/$1/cmdline" ] || grep -qaF "$2" "/proc/$1/cmdline"; }; }
if ours "$1" "$2"; then
    kill -INT "$1"
    left=300
    while ours "$1" "$2" && [ "$left" -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
fi
[ -z "$3" ] || rm -rf -- "$3"
"#;

/// Starts the watchdog of the server `pid` over `data`; `remove` goes with it.
pub(in crate::sandbox) fn watchdog(pid: u32, data: &Path, remove: Option<&Path>) -> Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", WATCHDOG, "vigie-sandbox-watchdog"])
        .arg(pid.to_string())
        .arg(data)
        .arg(remove.map_or(OsStr::new(""), Path::as_os_str))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context(|| "starting the watchdog of PostgreSQL".to_owned())
}

/// One of PostgreSQL's programs, run as `account`.
pub(in crate::sandbox) fn command(binaries: &Binaries, account: Account, program: &str) -> Command {
    let mut command = Command::new(binaries.program(program));
    // The asker's own PostgreSQL settings (PGDATA, PGPORT, PGOPTIONS …) are not for this cluster.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("PG") || name.starts_with("LC_") || name == "LANG")
        {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").current_dir("/");
    account.apply(&mut command);
    command
}

/// Runs to the end, with a deadline; whether it succeeded, and the last it said.
pub(super) fn run(what: &'static str, command: &mut Command, input: Option<&[u8]>) -> Result<(bool, String)> {
    let mut child = command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .context(|| format!("starting {what}"))?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // A program that ends without reading says why on its standard error.
        let _ = stdin.write_all(input);
    }
    let pid = child.id();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || send.send(child.wait_with_output()));
    let output = match receive.recv_timeout(PATIENCE) {
        Ok(output) => output.context(|| format!("waiting for {what}"))?,
        Err(_) => {
            signal(pid, Signal::KILL);
            return Err(ClusterError::TooSlow { what, after: PATIENCE });
        }
    };
    let said = if output.stderr.is_empty() {
        output.stdout
    } else {
        output.stderr
    };
    Ok((output.status.success(), last_lines(&String::from_utf8_lossy(&said))))
}

/// Whether the server with this pid says, in its pid file, that it takes connections.
pub(super) fn is_ready(data: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid)
        && lines.nth(6).is_some_and(|status| status.trim() == "ready")
}

/// Signals the child and waits until it is gone; killed after [`PATIENCE`].
pub(super) fn end(child: &mut Child, how: Signal) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    signal(child.id(), how);
    loop {
        if child
            .try_wait()
            .context(|| "waiting for PostgreSQL".to_owned())?
            .is_some()
        {
            return Ok(());
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(ClusterError::TooSlow {
                what: "stopping PostgreSQL",
                after: PATIENCE,
            });
        }
        std::thread::sleep(LOOK);
    }
}

/// Signals a child that has not been waited for, so that its pid can't have gone to another process.
fn signal(pid: u32, how: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself meanwhile, which is what is wanted.
        let _ = kill_process(pid, how);
    }
}

/// The watchdog is needed no more.
pub(in crate::sandbox) fn end_watchdog(mut watchdog: Child) {
    let _ = watchdog.kill();
    let _ = watchdog.wait();
}

/// A server that is not ready yet, ended if it never gets there.
pub(super) struct Unready(pub(super) Option<Child>);
impl Drop for Unready {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = end(&mut child, Signal::QUIT);
        }
    }
}

/// The last lines of the file behind the byte `from`.
pub(super) fn tail(path: &Path, from: u64) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let from = usize::try_from(from).unwrap_or(0).min(bytes.len());
    last_lines(&String::from_utf8_lossy(&bytes[from..]))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(6)..].join("; ")
}
