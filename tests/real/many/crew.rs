//! The workers' processes: started, killed, stopped and let go on, each by its process id.

use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One worker's process.
pub(super) struct Hand {
    child: Child,
    start: Box<dyn Fn() -> Command + Send>,
}

impl Hand {
    pub(super) fn start(start: impl Fn() -> Command + Send + 'static) -> Self {
        let child = start().spawn().expect("a worker");
        Self {
            child,
            start: Box::new(start),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Whether it runs.
    pub(super) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// kill -9, and waited for.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Killed if it runs, and started anew.
    pub(super) fn again(&mut self) {
        self.kill();
        self.child = (self.start)().spawn().expect("a worker");
    }

    /// SIGTERM, and its good end.
    pub(super) async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let end = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "a worker does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(status.success(), "{status}");
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a worker is started: as operators do, in a hurry where it is a debug build.
pub(super) fn worker(config: &Path, points: &str, host: Option<&str>) -> Command {
    let exe = env!("CARGO_BIN_EXE_vigie");
    let mut command = match host {
        // In a host of another name: its processes are not to be asked, only its leases.
        Some(host) => {
            let mut command = Command::new("unshare");
            let script = "hostname \"$0\" && exec \"$@\"";
            command.args(["--uts", "sh", "-c", script, host, exe]);
            command
        }
        None => Command::new(exe),
    };
    command
        .args(["worker", "--config"])
        .arg(config)
        .env_remove("VIGIE_CONFIG")
        .env("VIGIE_TEST_PASSWORD_ROUNDS", "10")
        .env("VIGIE_TEST_QUIET_MS", "200")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(config.with_extension("stderr")).unwrap());
    if !points.is_empty() {
        command.env("VIGIE_FAILPOINT", points);
    }
    command
}

/// A crew of workers, each with a configuration of its own.
pub(super) fn crew(configs: &[PathBuf]) -> Vec<Hand> {
    configs
        .iter()
        .cloned()
        .map(|config| Hand::start(move || worker(&config, "", None)))
        .collect()
}
