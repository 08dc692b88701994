//! The worker as a service: what it tells the service manager, how it stops, and its unit file.

use crate::jobs_fleet::{Fleet, Reach};
use crate::jobs_kit::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use vigie::domain::job::JobState;

/// What a service manager hears, as one text.
struct Manager {
    socket: UnixDatagram,
    heard: String,
}

impl Manager {
    fn at(path: &std::path::Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let heard = String::new();
        Self { socket, heard }
    }

    /// Listens until these words come, and forgets what came before them.
    async fn hears(&mut self, words: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some((_, rest)) = self.heard.split_once(words) {
                self.heard = rest.to_owned();
                return;
            }
            assert!(Instant::now() < end, "{words:?} was never said, but {:?}", self.heard);
            let mut buffer = [0; 4096];
            if let Ok(length) = self.socket.recv(&mut buffer) {
                self.heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            }
            tokio::task::yield_now().await;
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

async fn ends_well(child: &mut Child, within: Duration) {
    let end = Instant::now() + within;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < end, "it did not end within {within:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_tells_the_service_manager_how_it_goes_and_stops_when_it_is_told() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let path = fleet.folder.path().join("notify");
    let mut manager = Manager::at(&path);
    let points = "instance_create.clone_filestore.before_effect=pause";
    let mut worker = fleet.worker_with(points, "drain = \"1s\"\n");
    worker.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    let mut worker = worker.spawn().unwrap();
    manager.hears("READY=1\n").await;
    assert!(
        fleet.registry.workers().await.unwrap().iter().any(|w| w.alive),
        "it is ready when it is known"
    );
    manager.hears("STATUS=0 jobs run\n").await;
    // It is alive while it has nothing to do and while it works, at least twice as often as was asked.
    let began = Instant::now();
    for _ in 0..5 {
        manager.hears("WATCHDOG=1\n").await;
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let id = fleet.queue(fleet.instance(template, "client-abc")).await.id;
    manager.hears("STATUS=1 job runs\n").await;
    manager.hears("WATCHDOG=1\n").await;
    wait_until("the middle of the job", || async {
        fleet.job(id).await.progress().0 == 3
    })
    .await;
    let told = Instant::now();
    signal(&worker, Signal::TERM);
    manager.hears("STOPPING=1\nEXTEND_TIMEOUT_USEC=").await;
    // While it stops it takes nothing new.
    let late = fleet.queue(fleet.instance(template, "too-late")).await.id;
    manager.hears("STATUS=stopping: 1 job runs").await;
    manager.hears("WATCHDOG=1\n").await;
    ends_well(&mut worker, Duration::from_secs(25)).await;
    assert!(told.elapsed() > Duration::from_millis(900), "the step had its time");
    let job = fleet.job(id).await;
    assert_eq!((job.state, job.lease), (JobState::Running, None), "handed back");
    assert_eq!(fleet.job(late).await.state, JobState::Queued, "not begun");
    assert!(fleet.registry.workers().await.unwrap().iter().all(|w| !w.alive));
    // The next one goes on.
    let mut next = fleet.worker("").spawn().unwrap();
    wait_until("both ends", || async {
        fleet.job(id).await.state.is_over() && fleet.job(late).await.state.is_over()
    })
    .await;
    fleet.assert_made("client-abc").await;
    fleet.assert_made("too-late").await;
    signal(&next, Signal::TERM);
    ends_well(&mut next, Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_watchdog_that_was_asked_of_another_process_is_not_fed() {
    let fleet = Fleet::new(Reach::RpcOnly).await;
    let path = fleet.folder.path().join("notify");
    let mut manager = Manager::at(&path);
    let mut worker = fleet.worker("");
    // As it is asked of another process, it is not asked of this one.
    worker.env("NOTIFY_SOCKET", &path);
    worker.env("WATCHDOG_USEC", "200000").env("WATCHDOG_PID", "1");
    let mut worker = worker.spawn().unwrap();
    manager.hears("STATUS=0 jobs run\n").await;
    signal(&worker, Signal::TERM);
    manager.hears("STOPPING=1\n").await;
    ends_well(&mut worker, Duration::from_secs(10)).await;
    let mut buffer = [0; 4096];
    while let Ok(length) = manager.socket.recv(&mut buffer) {
        manager.heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    assert!(!manager.heard.contains("WATCHDOG"), "{}", manager.heard);
}

/// The unit file that the README shows.
fn unit() -> String {
    let readme = include_str!("../../README.md");
    let after = readme.split_once("<!-- unit -->").expect("the README's unit file").1;
    let block = after.split_once("```ini\n").unwrap().1;
    block.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_readmes_unit_file_is_one() {
    let unit = unit();
    for line in [
        "Type=notify",
        "WatchdogSec=",
        "KillMode=mixed",
        "ExecStart=/usr/local/bin/vigie worker ",
    ] {
        assert!(unit.contains(line), "{line} is missing");
    }
    // Whether another worker's process lives, and which boot this is, is read there.
    for trap in ["ProtectProc=", "ProcSubset=", "PrivatePIDs=", "PrivateNetwork=yes"] {
        assert!(!unit.contains(trap), "{trap} takes from the worker what it needs");
    }
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("NOT RUN: systemd-analyze is not here, the unit file was only read");
        return;
    };
    assert!(version.status.success());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vigie-worker.service");
    // Whether the program is there is looked at too: here it is elsewhere.
    let here = unit.replace("/usr/local/bin/vigie", env!("CARGO_BIN_EXE_vigie"));
    std::fs::write(&file, here).unwrap();
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    let about_it: Vec<&str> = said.lines().filter(|line| line.contains("vigie-worker")).collect();
    assert!(verified.status.success() && about_it.is_empty(), "{said}");
    let exposed = Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=yes", "--threshold=30"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&exposed.stdout);
    let sum = said.lines().last().unwrap_or_default();
    assert!(exposed.status.success(), "less is closed than could be: {sum}\n{said}");
}
