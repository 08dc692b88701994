//! Changes as they happen, by any process: the kernel tells when the write-ahead log is touched, and
//! `saas_change` tells what changed. Idle stays idle: no timer runs while nothing is written.
//!
//! The kernel reports a write before it is committed, and says nothing when the commit becomes
//! visible. Hence two signs: every commit of a vigie touches the log's times right after it
//! ([`ring()`]), which is exact; and after any other sign (an operator's own SQL, a vigie killed right
//! after its commit) the file is looked at a few times more, ever later.

use super::db::{Use, connect, store};
use crate::domain::{InstanceId, JobId, ServerId, TemplateId};
use crate::registry::{Change, ChangeStream, RegistryError, Result};
use notify::{RecursiveMode, Watcher};
use rusqlite::Connection;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::sync::oneshot;

/// How long after a sign the file is looked at again, as long as nothing else is told.
const LOOKS: [Duration; 8] = [
    Duration::from_millis(2),
    Duration::from_millis(6),
    Duration::from_millis(15),
    Duration::from_millis(35),
    Duration::from_millis(80),
    Duration::from_millis(180),
    Duration::from_millis(400),
    Duration::from_millis(900),
];
/// How often the file is looked at where the kernel can't tell.
const POLL: Duration = Duration::from_millis(100);
/// How many batches wait for a receiver before it counts as one that fell behind.
const WAITING: usize = 256;
/// How soon a receiver that fell behind is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// The log beside a registry's file.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Tells whoever follows that a commit is visible now. Without opening anything: the log has SQLite's
/// own descriptors. Best effort: followers look again by themselves.
pub(super) fn ring(path: &Path) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    if let Err(e) = utimensat(CWD, log_of(path), &times, AtFlags::empty()) {
        tracing::debug!("followers of the registry can't be told: {e}");
    }
}

enum Sign {
    /// The file was touched.
    Touched,
    /// Someone wants to follow from now on.
    Join(mpsc::Sender<Vec<Change>>, oneshot::Sender<Result<()>>),
    /// The registry is closed.
    Stop,
}

/// The one who watches, for all receivers of this process.
pub(super) struct Follower {
    signs: Sender<Sign>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Follower {
    /// Without `watching`, or where the kernel can't tell, the file is polled.
    ///
    /// # Errors
    /// When the registry can't be opened once more, or no thread started.
    pub(super) fn start(path: &Path, watching: bool) -> Result<Self> {
        let conn = connect(path, Use::Read)?;
        let (signs, told) = channel();
        let watcher = if watching { watch(path, signs.clone()) } else { None };
        let mut state = State {
            last: newest(&conn)?,
            conn,
            polling: watcher.is_none(),
            receivers: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("registry-changes".to_owned())
            .spawn(move || {
                state.run(&told);
                drop(watcher);
            })
            .map_err(|e| RegistryError::Store {
                what: format!("no thread for its changes: {e}"),
                transient: true,
            })?;
        Ok(Self {
            signs,
            thread: Some(thread),
        })
    }

    /// A stream of the changes that are committed from this call on.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub(super) async fn join(&self) -> Result<ChangeStream> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (answer, waiting) = oneshot::channel();
        let gone = || RegistryError::Store {
            what: "its changes can't be followed any more".to_owned(),
            transient: false,
        };
        self.signs.send(Sign::Join(sender, answer)).map_err(|_| gone())?;
        match tokio::time::timeout(Duration::from_secs(10), waiting).await {
            Ok(Ok(joined)) => joined.map(|()| receiver),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(RegistryError::Store {
                what: "no answer about its changes within 10 s".to_owned(),
                transient: true,
            }),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // The thread may have ended by itself.
        let _gone = self.signs.send(Sign::Stop);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// A watch on the folder, for what happens to the registry's files; `None` where it can't be had.
fn watch(path: &Path, signs: Sender<Sign>) -> Option<notify::RecommendedWatcher> {
    let path = path.canonicalize().ok()?;
    let folder = path.parent()?.to_owned();
    let names = [path.file_name()?.to_owned(), log_of(&path).file_name()?.to_owned()];
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let ours = match event {
            Ok(event) => {
                event.need_rescan()
                    || (matches!(event.kind, notify::EventKind::Modify(_) | notify::EventKind::Create(_))
                        && event
                            .paths
                            .iter()
                            .any(|p| p.file_name().is_some_and(|n| names.iter().any(|o| o == n))))
            }
            Err(_) => true,
        };
        if ours {
            // Nobody follows any more where this fails.
            let _gone = signs.send(Sign::Touched);
        }
    });
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(e) => {
            tracing::warn!("the registry's folder can't be watched, it is polled: {e}");
            return None;
        }
    };
    match watcher.watch(&folder, RecursiveMode::NonRecursive) {
        Ok(()) => Some(watcher),
        Err(e) => {
            tracing::warn!("the registry's folder can't be watched, it is polled: {e}");
            None
        }
    }
}

struct Receiving {
    sender: mpsc::Sender<Vec<Change>>,
    behind: bool,
}

struct State {
    conn: Connection,
    last: i64,
    polling: bool,
    receivers: Vec<Receiving>,
}

impl State {
    fn run(&mut self, told: &Receiver<Sign>) {
        let mut touched: Option<Instant> = None;
        let mut looks = 0;
        loop {
            let wait = self.wait(touched, looks);
            let sign = match wait {
                Some(wait) => told.recv_timeout(wait),
                None => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match sign {
                Ok(Sign::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Sign::Join(sender, answer)) => {
                    // What is committed before this call is not a change from now on.
                    let joined = self.tell();
                    if joined.is_ok() {
                        self.receivers.push(Receiving { sender, behind: false });
                    }
                    let _lost = answer.send(joined);
                    continue;
                }
                Ok(Sign::Touched) => {
                    touched = Some(Instant::now());
                    looks = 0;
                }
                Err(RecvTimeoutError::Timeout) => looks += 1,
            }
            if let Err(e) = self.tell() {
                tracing::warn!("the registry's changes can't be read: {e}");
            }
            if looks > LOOKS.len() {
                touched = None;
            }
        }
    }

    /// How long to wait for the next sign; `None`: for as long as it takes.
    fn wait(&self, touched: Option<Instant>, looks: usize) -> Option<Duration> {
        let behind = self.receivers.iter().any(|r| r.behind).then_some(AGAIN);
        let poll = (self.polling && !self.receivers.is_empty()).then_some(POLL);
        let look = touched
            .zip(LOOKS.get(looks))
            .map(|(at, look)| look.saturating_sub(at.elapsed()));
        [behind, poll, look].into_iter().flatten().min()
    }

    /// Reads what is new and hands it out.
    fn tell(&mut self) -> Result<()> {
        self.receivers.retain(|r| !r.sender.is_closed());
        let changes = self.read()?;
        for receiver in &mut self.receivers {
            let batch = if receiver.behind {
                vec![Change::Everything]
            } else if changes.is_empty() {
                continue;
            } else {
                changes.clone()
            };
            receiver.behind = matches!(receiver.sender.try_send(batch), Err(mpsc::error::TrySendError::Full(_)));
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Vec<Change>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT seq, entity, entity_id FROM saas_change WHERE seq > ?1 ORDER BY seq")
            .map_err(store)?;
        let mut rows = statement.query([self.last]).map_err(store)?;
        let (mut changes, mut seen) = (Vec::new(), HashSet::new());
        let mut missed = false;
        while let Some(row) = rows.next().map_err(store)? {
            let seq: i64 = row.get(0).map_err(store)?;
            // Numbers have no holes but the trimmed ones.
            missed |= seq != self.last + 1;
            self.last = seq;
            let id: i64 = row.get(2).map_err(store)?;
            let entity = row.get_ref(1).map_err(store)?;
            let change = match entity.as_str().unwrap_or("") {
                "server" => Change::Server(ServerId(id)),
                "template" => Change::Template(TemplateId(id)),
                "instance" => Change::Instance(InstanceId(id)),
                "catalog" => Change::Catalog,
                "job" => Change::Job(JobId(id)),
                "job_log" => Change::JobLog(JobId(id)),
                "worker" => Change::Worker,
                _ => Change::Everything,
            };
            if seen.insert(change) {
                changes.push(change);
            }
        }
        Ok(if missed || seen.contains(&Change::Everything) {
            vec![Change::Everything]
        } else {
            changes
        })
    }
}

fn newest(conn: &Connection) -> Result<i64> {
    conn.query_row("SELECT coalesce(max(seq), 0) FROM saas_change", [], |row| row.get(0))
        .map_err(store)
}
