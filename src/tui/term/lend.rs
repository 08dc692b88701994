//! A program that has the terminal lent, until it ends, or is ended because the dashboard is.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use signal_hook::SigId;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How a program is ended that has the terminal while the dashboard is told to end: first as the dashboard
/// was told, then by SIGHUP (a shell at its prompt ignores SIGTERM), then by force.
const STEPS: [(Duration, Option<Signal>); 3] = [
    (Duration::ZERO, None),
    (Duration::from_secs(1), Some(Signal::HUP)),
    (Duration::from_secs(3), Some(Signal::KILL)),
];

/// Wakes who waits for a child when one has stopped or ended, or the dashboard is told to end.
pub(super) struct Wake {
    ours: UnixStream,
    ids: Vec<SigId>,
}

impl Wake {
    /// To be made before the child, so that its end is not missed.
    ///
    /// # Errors
    /// When a signal can't be listened to.
    pub(super) fn new() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut wake = Self { ours, ids: Vec::new() };
        for signal in [Signal::CHILD, Signal::TERM, Signal::HUP] {
            let id = signal_hook::low_level::pipe::register(signal.as_raw(), theirs.try_clone()?)?;
            wake.ids.push(id);
        }
        Ok(wake)
    }

    fn sleep(&self, limit: Option<Duration>) {
        let limit = limit.map(|limit| Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        });
        let _ = poll(&mut [PollFd::new(&self.ours, PollFlags::IN)], limit.as_ref());
        let mut sink = [0; 64];
        while (&self.ours).read(&mut sink).is_ok_and(|n| n == sink.len()) {}
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// How it ended.
pub(super) struct Ended {
    /// Its exit code, `None` where a signal ended it.
    pub(super) code: Option<i32>,
    /// The signal by which the dashboard was told to end meanwhile.
    pub(super) told: Option<Signal>,
}

/// Waits for the program's end. `told`: the signal that tells the dashboard to end, once there is one;
/// `stopped`: what to do when the program has stopped, before it goes on.
///
/// # Errors
/// When it can't be waited for.
pub(super) fn until_ended(
    pid: Pid,
    wake: &Wake,
    told: impl Fn() -> Option<Signal>,
    stopped: impl Fn(),
) -> io::Result<Ended> {
    let mut asked: Option<(Signal, Instant)> = None;
    let mut steps = STEPS.iter().peekable();
    loop {
        match waitpid(Some(pid), WaitOptions::UNTRACED | WaitOptions::NOHANG) {
            Ok(Some((_, status))) if status.stopped() => {
                stopped();
                kill_process(pid, Signal::CONT)?;
                continue;
            }
            Ok(Some((_, status))) => {
                return Ok(Ended {
                    code: status.exit_status(),
                    told: asked.map(|(signal, _)| signal).or_else(&told),
                });
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        asked = asked.or_else(|| told().map(|signal| (signal, Instant::now())));
        let mut limit = None;
        while let Some((signal, since)) = asked
            && let Some((after, by)) = steps.peek()
        {
            let left = after.saturating_sub(since.elapsed());
            if !left.is_zero() {
                limit = Some(left);
                break;
            }
            // Gone already: the next look says so.
            let _ = kill_process(pid, by.unwrap_or(signal));
            let _ = kill_process(pid, Signal::CONT);
            steps.next();
        }
        wake.sleep(limit);
    }
}
