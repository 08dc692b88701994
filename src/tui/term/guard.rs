//! The guard process: a small parent that owns the terminal while its child, the dashboard, draws.
//!
//! No program can put a terminal back after SIGKILL, the kernel's out-of-memory killer or `abort`.
//! Its parent can. So a dashboard that starts on a terminal starts itself once more as a child in
//! the same process group, and the parent does nothing but wait: it passes on the signals that
//! were meant for the program, stops and goes on with it (the shell watches the parent), and when
//! the child is gone, puts back what the child didn't, prints what it said on standard error, and
//! ends with its status.

use super::link::Ear;
use super::modes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::termios::Termios;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Tells the child who its guard is. Holds the guard's process id, so that a vigie that an
/// operator starts from within the dashboard's shell is not taken for the child.
pub(super) const GUARD_ENV: &str = "VIGIE_GUARD";

/// How long a child may take to leave the screen after SIGTERM or SIGHUP before it is killed. It only
/// needs this when it hangs, for instance in a write to a terminal that takes nothing any more.
const GRACE: Duration = Duration::from_secs(10);

/// How long a program that was lent the terminal may take to end after a killed dashboard.
const LENT_GRACE: Duration = Duration::from_secs(2);

/// How long a terminal may take no bytes before restoring it is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Signals passed on to the child.
const PASSED_ON: [Signal; 7] = [
    Signal::TERM,
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TSTP,
    Signal::USR1,
    Signal::USR2,
];

/// Runs `dashboard` under a guard process. In the process that the operator started this becomes
/// the guard, and returns when the dashboard has ended; in the child, or without a terminal (where
/// there is nothing to guard), it calls `dashboard`.
///
/// To be called before anything starts threads or takes memory.
pub fn guarded(dashboard: impl FnOnce() -> ExitCode) -> ExitCode {
    if is_child() {
        // Should the guard itself be killed, the dashboard ends as if its terminal had gone.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::HUP));
        if !is_child() {
            return ExitCode::from(129);
        }
        return dashboard();
    }
    if !modes::is_terminal() {
        return dashboard();
    }
    match Guard::start() {
        Ok(guard) => guard.watch(),
        Err(e) => {
            tracing::warn!("no guard process: {e}");
            dashboard()
        }
    }
}

/// Whether this process is a dashboard with a guard.
pub(super) fn is_child() -> bool {
    let guard = std::env::var(GUARD_ENV).ok().and_then(|v| v.parse::<i32>().ok());
    guard.is_some() && guard == rustix::process::getppid().map(Pid::as_raw_pid)
}

struct Guard {
    tty: OwnedFd,
    saved: Termios,
    child: Pid,
    said: ChildStderr,
    ear: Ear,
    wake: UnixStream,
    flags: Vec<(Signal, Arc<AtomicBool>)>,
    kill_at: Option<Instant>,
}

impl Guard {
    fn start() -> io::Result<Self> {
        let tty = modes::input_fd()?;
        let saved = modes::settings(&tty)?;
        let (wake, wakers) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut flags = Vec::new();
        // Before the child exists, so that none of its ends and no signal is missed. An exec puts
        // handled signals back to their defaults, so the child starts clean.
        for signal in PASSED_ON.into_iter().chain([Signal::CHILD]) {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal.as_raw(), Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(signal.as_raw(), wakers.try_clone()?)?;
            flags.push((signal, flag));
        }
        let mut args = std::env::args_os();
        let name = args.next();
        let mut command = Command::new(program()?);
        if let Some(name) = name {
            std::os::unix::process::CommandExt::arg0(&mut command, name);
        }
        let mut child = command
            .args(args)
            .env(GUARD_ENV, std::process::id().to_string())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        rustix::io::ioctl_fionbio(&said, true)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Self {
            tty,
            saved,
            child: pid.ok_or(io::ErrorKind::NotFound)?,
            said,
            ear: Ear::default(),
            wake,
            flags,
            kill_at: None,
        })
    }

    fn watch(mut self) -> ExitCode {
        let mut listening = true;
        loop {
            self.wait(listening);
            listening = listening && self.listen();
            self.say(false);
            self.pass_on();
            if self.kill_at.is_some_and(|at| at <= Instant::now()) {
                self.kill_at = None;
                // One that has left the screen is about to end: it may have servers of its own to stop.
                if self.ear.screen().is_some() {
                    let _ = rustix::process::kill_process(self.child, Signal::KILL);
                }
            }
            let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
            match rustix::process::waitpid(Some(self.child), options) {
                Ok(Some((_, status))) if status.stopped() => {
                    if let Some(status) = self.stop_along() {
                        return self.end(status);
                    }
                }
                Ok(Some((_, status))) => return self.end(status),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return self.end_with(1),
            }
        }
    }

    /// Sleeps until the child says something, a signal comes, or its grace is over.
    fn wait(&self, listening: bool) {
        let left = self.kill_at.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let mut fds = vec![PollFd::new(&self.wake, PollFlags::IN)];
        if listening {
            fds.push(PollFd::new(&self.said, PollFlags::IN));
        }
        let _ = poll(&mut fds, left.as_ref());
        let mut sink = [0; 64];
        while (&self.wake).read(&mut sink).is_ok_and(|n| n == sink.len()) {}
    }

    /// Reads what there is; false when the pipe has ended.
    fn listen(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.said.read(&mut buffer) {
                Ok(0) => return false,
                Ok(n) => self.ear.hear(buffer.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    fn say(&mut self, last: bool) {
        if let Some(text) = self.ear.take_text(last) {
            let _ = modes::write_all(io::stderr().as_fd(), text.as_bytes(), PATIENCE);
        }
    }

    fn pass_on(&mut self) {
        for (signal, flag) in &self.flags {
            if !flag.swap(false, Ordering::AcqRel) || *signal == Signal::CHILD {
                continue;
            }
            // The keyboard's went to the whole group; while the terminal is lent they are another's.
            let keyboards = matches!(*signal, Signal::INT | Signal::QUIT | Signal::TSTP);
            if keyboards && self.ear.is_lent() {
                continue;
            }
            let _ = rustix::process::kill_process(self.child, *signal);
            if matches!(*signal, Signal::TERM | Signal::HUP) && self.kill_at.is_none() {
                self.kill_at = Some(Instant::now() + GRACE);
            }
        }
    }

    /// The child has stopped: by Ctrl-Z (then it has put the terminal back itself), by SIGSTOP (then
    /// it couldn't), or because it reached for the terminal from the background. The shell watches
    /// this process, so this one stops as well. Where no shell could ever wake it again (it is the
    /// terminal's first process), the child goes on at once.
    ///
    /// Answers how the child ended, where it did meanwhile.
    fn stop_along(&mut self) -> Option<WaitStatus> {
        loop {
            self.listen();
            self.restore(false);
            if !can_be_resumed() {
                let _ = rustix::process::kill_process(self.child, Signal::CONT);
                return None;
            }
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::STOP);
            // Awake again. A shell's SIGCONT went to the whole group; one that was meant for this process
            // alone is passed on. Never a second one: it would undo a stop that has come since.
            let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
            match rustix::process::waitpid(Some(self.child), options) {
                Ok(Some((_, status))) if status.stopped() => {}
                Ok(Some((_, status))) if status.continued() => return None,
                Ok(Some((_, status))) => return Some(status),
                Ok(None) | Err(_) => {
                    let _ = rustix::process::kill_process(self.child, Signal::CONT);
                    return None;
                }
            }
        }
    }

    /// Puts the terminal back where the child has not, and only while it is ours.
    fn restore(&mut self, ended: bool) {
        let ours = match nix::unistd::tcgetpgrp(&self.tty) {
            Ok(group) => group == nix::unistd::getpgrp(),
            // No longer the controlling terminal, or gone: trying does no harm.
            Err(_) => true,
        };
        let Some(modes) = self.ear.screen() else {
            // It said that it left; its settings are put back all the same, should it have lied.
            if ended && ours {
                let _ = modes::put_back(&self.tty, &self.saved);
            }
            return;
        };
        if !ours {
            return;
        }
        let _ = modes::put_back(&self.tty, &self.saved);
        let _ = modes::write_all(io::stdout().as_fd(), modes.leave().as_bytes(), PATIENCE);
        // Keys and reports meant for the dashboard are no commands for the shell.
        let _ = rustix::termios::tcflush(&self.tty, rustix::termios::QueueSelector::IFlush);
        self.ear.forget_screen();
    }

    fn end(mut self, status: WaitStatus) -> ExitCode {
        self.listen();
        if let Some(signal) = status.terminating_signal() {
            self.end_lent();
            self.restore(true);
            self.say(true);
            let text = format!(
                "vigie: the dashboard was ended by signal {signal}; the terminal has been put back. \
                 Running jobs are not affected.\n"
            );
            let _ = modes::write_all(io::stderr().as_fd(), text.as_bytes(), PATIENCE);
            return ExitCode::from(u8::try_from(128 + signal).unwrap_or(255));
        }
        self.end_with(status.exit_status().unwrap_or(1))
    }

    /// Ends the program that the dashboard had lent the terminal to, and switches off what that left on: a
    /// dashboard that was killed can't, and the two would share the keys with the operator's shell.
    fn end_lent(&mut self) {
        use rustix::process::{getsid, kill_process, test_kill_process};
        let Some(pid) = self.ear.lent_to() else { return };
        let ours = getsid(None).ok();
        let is_there = || test_kill_process(pid).is_ok() && ours.is_some() && getsid(Some(pid)).ok() == ours;
        if is_there() {
            let _ = kill_process(pid, Signal::HUP);
            let _ = kill_process(pid, Signal::CONT);
            let until = Instant::now() + LENT_GRACE;
            // It is nobody's child here whose end could be waited for.
            while is_there() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
            }
            if is_there() {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let bytes = format!("{}{}", modes::TIDY, modes::Modes::default().leave());
        let _ = modes::write_all(io::stdout().as_fd(), bytes.as_bytes(), PATIENCE);
    }

    fn end_with(mut self, code: i32) -> ExitCode {
        self.restore(true);
        self.say(true);
        ExitCode::from(u8::try_from(code).unwrap_or(1))
    }
}

/// This program: by its path, so that it goes by its name in lists of processes; by what the kernel
/// holds, where its file has been replaced by a newer one meanwhile.
fn program() -> io::Result<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let path = std::env::current_exe();
    let running = Path::new("/proc/self/exe");
    let Ok(held) = running.metadata() else {
        return path;
    };
    match path {
        Ok(path)
            if path
                .metadata()
                .is_ok_and(|file| (file.dev(), file.ino()) == (held.dev(), held.ino())) =>
        {
            Ok(path)
        }
        _ => Ok(running.to_owned()),
    }
}

/// Whether a job-control shell is there to resume this process: its parent is in the same session
/// and in another process group. It is the kernel's own rule for orphaned process groups.
pub(super) fn can_be_resumed() -> bool {
    // By nix: a session or group that is outside of this process's pid namespace has the number 0, which
    // rustix takes for impossible.
    use nix::unistd::{getpgid, getpgrp, getppid, getsid};
    let parent = getppid();
    if parent.as_raw() == 0 {
        return false;
    }
    let same_session = getsid(Some(parent)) == getsid(None);
    let other_group = getpgid(Some(parent)) != Ok(getpgrp());
    same_session && other_group
}
