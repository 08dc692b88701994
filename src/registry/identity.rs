//! Who a worker process is, and whether it is alive: exact by process id and start time, so that a
//! reused process id is no one else, and an idle worker needs no heartbeat.

use rustix::time::{ClockId, clock_gettime};
use std::fmt;

/// A process of this or another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessId {
    /// The host's name.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// When it began, in the kernel's ticks since boot.
    pub start: u64,
}

impl ProcessId {
    /// This process.
    pub fn here() -> Self {
        let pid = std::process::id();
        Self {
            host: host_name(),
            pid,
            start: start_of(pid).unwrap_or(0),
        }
    }

    /// Reads `host:pid:start`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, ':');
        let start = parts.next()?.parse().ok()?;
        let pid = parts.next()?.parse().ok()?;
        let host = parts.next()?.to_owned();
        Some(Self { host, pid, start })
    }

    /// Whether the process lives: `None` where that can't be told (another host or container, or no `/proc`).
    pub fn is_alive(&self) -> Option<bool> {
        if self.host != host_name() || self.start == 0 || !std::path::Path::new("/proc/self/stat").exists() {
            return None;
        }
        Some(start_of(self.pid) == Some(self.start))
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.host, self.pid, self.start)
    }
}

/// This host's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// When a process began, in ticks since boot; `None` where there is none, or only its zombie.
fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, and may hold anything, brackets included.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// This boot of the machine; leases of another one are over.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(|_| host_name(), |id| id.trim().to_owned())
}

/// Milliseconds since boot, time asleep included: what leases are counted in, since the wall clock jumps.
pub fn boot_ms() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_start_is_another_process() {
        let me = ProcessId::here();
        assert_eq!(me.is_alive(), Some(true));
        assert_eq!(ProcessId::parse(&me.to_string()), Some(me.clone()));
        let other = ProcessId {
            start: me.start + 1,
            ..me.clone()
        };
        assert_eq!(other.is_alive(), Some(false));
        let elsewhere = ProcessId {
            host: "elsewhere.example".to_owned(),
            ..me
        };
        assert_eq!(elsewhere.is_alive(), None);
    }

    #[test]
    fn a_host_with_colons_is_read_back() {
        let odd = ProcessId {
            host: "a:b".to_owned(),
            pid: 7,
            start: 9,
        };
        assert_eq!(ProcessId::parse("a:b:7:9"), Some(odd));
        assert_eq!(ProcessId::parse("w1"), None);
    }

    #[test]
    fn a_dead_child_is_dead_before_it_is_reaped() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId {
            host: host_name(),
            pid: child.id(),
            start: start_of(child.id()).unwrap(),
        };
        assert_eq!(id.is_alive(), Some(true));
        child.kill().unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while id.is_alive() == Some(true) && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        assert_eq!(id.is_alive(), Some(false));
        child.wait().unwrap();
    }
}
