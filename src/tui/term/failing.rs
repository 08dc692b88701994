//! Failures on request, for the tests of the guard: only in debug builds, and only where
//! `VIGIE_TEST_PANIC` names one. They happen on SIGUSR1, so that a test chooses the moment.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

const ENV: &str = "VIGIE_TEST_PANIC";

/// Listens for the moment, where a failure is asked for.
pub(super) fn on_signal() -> io::Result<Option<Signal>> {
    std::env::var_os(ENV)
        .map(|_| signal(SignalKind::user_defined1()))
        .transpose()
}

/// Fails.
#[allow(clippy::panic, reason = "it is what this is for")]
pub(super) fn fail() {
    match std::env::var(ENV).as_deref() {
        Ok("main") => panic!("on request, in the main thread"),
        Ok("thread") => panic_in_a_thread(),
        Ok("task") => {
            tokio::spawn(async { panic!("on request, in a task") });
        }
        Ok("abort") => std::process::abort(),
        Ok("hang") => std::thread::sleep(std::time::Duration::from_secs(3600)),
        Ok("stderr") => {
            let _ = rustix::io::write(io::stderr(), b"a library complains\x1b[31m\n");
            // Something to be seen by, once it is done.
            panic_in_a_thread();
        }
        _ => {}
    }
}

#[allow(clippy::panic, reason = "it is what this is for")]
fn panic_in_a_thread() {
    let _ = std::thread::Builder::new()
        .name("doomed".into())
        .spawn(|| panic!("on request, in a thread"));
}

/// The program that is lent the terminal in place of stopping, where a test asks for it.
pub(super) fn lends() -> Option<std::process::Command> {
    let asked = std::env::var(ENV).ok()?;
    let script = asked.strip_prefix("lend ")?;
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", script]);
    Some(command)
}
