//! Changes as they happen, by anyone. `saas_change` is the truth; a notification only says that it is time
//! to look.
//!
//! What is new is what the last look's snapshot did not see yet, so that a transaction that ends late is
//! never passed over, however the numbers run. Looks are made when a notification comes, and every few
//! seconds besides. Whether notifications come at all can't be asked: a pooler takes LISTEN and loses what
//! follows. So they have to prove themselves: until one was heard that another connection sent, and again
//! as soon as a change was found that none had announced, looks are made many times a second.

use super::connect::Connector;
use super::db::args;
use super::fault::Fault;
use super::look::{Known, LOOK_LIMIT, late, look_by, look_on};
use super::pool::{Store, jittered};
use crate::registry::{Change, ChangeStream, LinkState, RegistryError, Result};
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::AsyncMessage;

/// How often is looked where notifications can't be had, or haven't proved themselves yet.
const POLL: Duration = Duration::from_millis(60);
/// How often is looked besides, where they come; also what keeps the connection from being thought idle.
const SAFETY: Duration = Duration::from_secs(5);
/// How long the notification of a change that was found without one may take still.
const GRACE: Duration = Duration::from_millis(500);
/// How often notifications that fail to come are given another chance, at first and at last.
const PROBE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// What is notified to see whether it is heard; it tells no change.
const PROBE_WORD: &str = "probe";
/// Pauses between tries of a lost connection, the first and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How many batches wait for a receiver before it counts as one that fell behind.
const WAITING: usize = 256;
/// How soon a receiver that fell behind is tried again.
const AGAIN: Duration = Duration::from_millis(50);
/// How long who wants to follow waits for the first look.
const JOIN_LIMIT: Duration = Duration::from_secs(10);

/// How changes are heard of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Listen {
    /// By notifications, as soon as they prove to come.
    #[default]
    Auto,
    /// By looking many times a second.
    Poll,
    /// By notifications over a direct connection to this address, beside a pooler.
    Address(String),
}

impl std::str::FromStr for Listen {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(match text {
            "" | "auto" => Self::Auto,
            "poll" => Self::Poll,
            address => Self::Address(address.to_owned()),
        })
    }
}

type Join = (mpsc::Sender<Vec<Change>>, oneshot::Sender<Result<()>>);

/// The one who looks, for all receivers of this process.
pub(super) struct Follower {
    joins: UnboundedSender<Join>,
    task: tokio::task::JoinHandle<()>,
}

impl Follower {
    /// Listens at `direct`; `None`: looks only.
    pub(super) fn start(store: Arc<Store>, direct: Option<Arc<Connector>>) -> Self {
        let (joins, joining) = unbounded_channel();
        let state = State {
            store,
            direct,
            line: None,
            known: None,
            receivers: Vec::new(),
            proved: false,
            pause: PAUSE.0,
            connect_at: Instant::now(),
            probe: PROBE.0,
            probe_at: Instant::now(),
            look_at: Instant::now(),
            unannounced: None,
            failing: false,
        };
        Self {
            joins,
            task: tokio::spawn(state.run(joining)),
        }
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
        self.joins.send((sender, answer)).map_err(|_| gone())?;
        match tokio::time::timeout(JOIN_LIMIT, waiting).await {
            Ok(Ok(joined)) => joined.map(|()| receiver),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(RegistryError::Store {
                what: format!("no answer about its changes within {} s", JOIN_LIMIT.as_secs()),
                transient: true,
            }),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Receiving {
    sender: mpsc::Sender<Vec<Change>>,
    behind: bool,
}

/// A connection that listens.
struct Line {
    client: tokio_postgres::Client,
    notices: UnboundedReceiver<AsyncMessage>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct State {
    store: Arc<Store>,
    direct: Option<Arc<Connector>>,
    line: Option<Line>,
    known: Option<Known>,
    receivers: Vec<Receiving>,
    /// Whether a notification of another connection was heard on this line.
    proved: bool,
    pause: Duration,
    connect_at: Instant,
    probe: Duration,
    probe_at: Instant,
    look_at: Instant,
    /// Since when a change is known that no notification has announced.
    unannounced: Option<Instant>,
    failing: bool,
}

/// Why the loop goes on.
enum Sign {
    Join(Join),
    Stop,
    Notice(Option<Box<AsyncMessage>>),
    Link(bool),
    Due,
}

impl State {
    async fn run(mut self, mut joining: UnboundedReceiver<Join>) {
        let mut link = self.store.link();
        loop {
            let wait = self.wait();
            let due = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => pending().await,
                }
            };
            let notices = self.line.as_mut().map(|l| &mut l.notices);
            let notice = async {
                match notices {
                    Some(notices) => notices.recv().await,
                    None => pending().await,
                }
            };
            let sign = tokio::select! {
                join = joining.recv() => join.map_or(Sign::Stop, Sign::Join),
                notice = notice => Sign::Notice(notice.map(Box::new)),
                Ok(()) = link.changed() => Sign::Link(*link.borrow_and_update() == LinkState::Connected),
                () = due => Sign::Due,
            };
            match sign {
                Sign::Stop => return,
                Sign::Join(join) => self.join(join).await,
                Sign::Notice(None) => self.drop_line("it was closed"),
                Sign::Notice(Some(first)) => {
                    if self.heard(&first) {
                        self.look(true).await;
                    }
                }
                // Somebody else found the database back: no longer waited for.
                Sign::Link(true) => {
                    self.pause = PAUSE.0;
                    self.connect_at = Instant::now();
                    self.look_at = self.connect_at;
                }
                Sign::Link(false) => {}
                Sign::Due => self.due().await,
            }
        }
    }

    /// How long until something is due; `None`: nobody follows.
    fn wait(&self) -> Option<Duration> {
        if self.receivers.is_empty() {
            return None;
        }
        let now = Instant::now();
        let mut at = self.look_at;
        if self.line.is_none() && self.direct.is_some() {
            at = at.min(self.connect_at);
        }
        if self.line.is_some() && !self.proved {
            at = at.min(self.probe_at);
        }
        if self.receivers.iter().any(|r| r.behind) {
            at = at.min(now + AGAIN);
        }
        if let Some(since) = self.unannounced {
            at = at.min(since + GRACE);
        }
        Some(at.saturating_duration_since(now))
    }

    async fn due(&mut self) {
        self.receivers.retain(|r| !r.sender.is_closed());
        if self.receivers.is_empty() {
            // Nobody follows: no connection, no looks.
            self.line = None;
            self.known = None;
            return;
        }
        let now = Instant::now();
        if self.line.is_none() && self.direct.is_some() && now >= self.connect_at {
            self.connect().await;
        }
        if self.unannounced.is_some_and(|since| now >= since + GRACE) {
            tracing::info!("changes of the registry come without being announced: it is looked at more often");
            self.unannounced = None;
            self.proved = false;
            self.probe_at = now;
        }
        if self.line.is_some() && !self.proved && now >= self.probe_at {
            self.send_probe();
        }
        if now >= self.look_at {
            self.look(false).await;
        }
        self.tell_behind();
    }

    /// A new receiver gets what is committed from here on.
    async fn join(&mut self, (sender, answer): Join) {
        let first = self.known.is_none();
        if first && self.direct.is_some() && self.line.is_none() {
            self.connect().await;
        }
        // What is committed before this call is no change from now on.
        let looked = self.look(false).await;
        let joined = if looked || !first {
            self.receivers.push(Receiving {
                sender,
                behind: !looked,
            });
            Ok(())
        } else {
            Err(RegistryError::Store {
                what: "its changes can't be read".to_owned(),
                transient: true,
            })
        };
        let _lost = answer.send(joined);
    }

    /// Takes in what came while nothing was asked on the line; whether it is to be looked.
    fn heard(&mut self, first: &AsyncMessage) -> bool {
        let more = self.drain();
        let AsyncMessage::Notification(notice) = first else {
            return more;
        };
        if !self.proved {
            tracing::debug!("changes of the registry are notified");
        }
        self.proved = true;
        self.probe = PROBE.0;
        self.unannounced = None;
        more || notice.payload() != PROBE_WORD
    }

    /// Takes in what waits; whether anything of it tells a change.
    fn drain(&mut self) -> bool {
        let mut told = false;
        while let Some(Ok(message)) = self.line.as_mut().map(|l| l.notices.try_recv()) {
            told |= matches!(message, AsyncMessage::Notification(notice) if notice.payload() != PROBE_WORD);
        }
        told
    }

    async fn connect(&mut self) {
        let Some(direct) = self.direct.clone() else { return };
        self.proved = false;
        match listen(&direct).await {
            Ok(line) => {
                self.line = Some(line);
                self.pause = PAUSE.0;
                self.probe = PROBE.0;
                // Sent while the connection is idle, so that a pooler has nobody to hand it to.
                self.probe_at = Instant::now() + Duration::from_millis(20);
                self.look_at = Instant::now();
            }
            Err(fault) => {
                tracing::debug!("the registry's changes can't be listened to: {fault:?}");
                self.connect_at = Instant::now() + jittered(self.pause);
                self.pause = (self.pause * 2).min(PAUSE.1);
            }
        }
    }

    fn drop_line(&mut self, why: &str) {
        if self.line.take().is_some() {
            tracing::info!("the connection that listens to the registry is lost: {why}");
            self.proved = false;
            self.unannounced = None;
            self.connect_at = Instant::now() + jittered(self.pause);
            self.pause = (self.pause * 2).min(PAUSE.1);
            self.look_at = Instant::now();
        }
    }

    /// Has another connection send something to hear.
    fn send_probe(&mut self) {
        self.probe_at = Instant::now() + self.probe;
        self.probe = (self.probe * 2).min(PROBE.1);
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            let sent = store
                .read(|tx| {
                    Box::pin(async move { Ok(tx.exec("SELECT pg_notify('vigie', $1)", args![PROBE_WORD]).await?) })
                })
                .await;
            if let Err(e) = sent {
                tracing::debug!("nothing could be notified: {e}");
            }
        });
    }

    /// Looks, and hands out what is new; whether it could.
    async fn look(&mut self, announced: bool) -> bool {
        for _ in 0..3 {
            if !self.look_once(announced).await {
                return false;
            }
            // What came along with the answer may tell of what the look was too early for. It proves nothing: a
            // pooler hands over, with an answer, what it kept.
            if !self.drain() {
                break;
            }
        }
        true
    }

    async fn look_once(&mut self, announced: bool) -> bool {
        let snapshot = self.known.as_ref().map(|k| k.snapshot.as_str());
        let looked = match &self.line {
            Some(line) => look_on(&line.client, snapshot).await,
            None => look_by(&self.store, snapshot).await,
        };
        let seen = match looked {
            Ok(seen) => seen,
            Err(fault) => {
                self.failed(&fault);
                return false;
            }
        };
        let now = Instant::now();
        if self.failing {
            self.failing = false;
            self.pause = PAUSE.0;
        }
        if self.proved && !announced && !seen.changes.is_empty() {
            self.unannounced.get_or_insert(now);
        }
        self.look_at = now + if self.proved { SAFETY } else { POLL };
        let changes = match &self.known {
            Some(before) if seen.missed || before.timeline != seen.known.timeline => vec![Change::Everything],
            Some(_) => seen.changes,
            None => Vec::new(),
        };
        self.known = Some(seen.known);
        self.tell(&changes);
        true
    }

    fn failed(&mut self, fault: &Fault) {
        if !self.failing {
            tracing::info!("the registry's changes can't be read: {fault:?}");
        }
        self.failing = true;
        if fault.is_lost() {
            self.store.lost(fault);
        }
        if self.line.is_some() {
            self.drop_line("it does not answer");
        } else {
            self.look_at = Instant::now() + jittered(self.pause);
            self.pause = (self.pause * 2).min(PAUSE.1);
        }
    }

    fn tell(&mut self, changes: &[Change]) {
        for receiver in &mut self.receivers {
            let batch = if receiver.behind {
                vec![Change::Everything]
            } else if changes.is_empty() {
                continue;
            } else {
                changes.to_vec()
            };
            receiver.behind = matches!(receiver.sender.try_send(batch), Err(mpsc::error::TrySendError::Full(_)));
        }
    }

    fn tell_behind(&mut self) {
        if self.receivers.iter().any(|r| r.behind) {
            self.tell(&[]);
        }
    }
}

/// A connection of its own that listens.
async fn listen(direct: &Connector) -> std::result::Result<Line, Fault> {
    let (notify, notices) = unbounded_channel();
    let (client, task) = direct.dedicated(Some(notify)).await?;
    let line = Line { client, notices, task };
    match tokio::time::timeout(LOOK_LIMIT, line.client.batch_execute("LISTEN vigie")).await {
        Ok(Ok(())) => Ok(line),
        Ok(Err(e)) => Err(Fault::of(&e)),
        Err(_) => Err(late()),
    }
}
