//! Connections in a pool, transactions on them, and whether the database can be reached at all.

use super::connect::Connector;
use super::db::{LIMIT, Tx, Work};
use super::fault::Fault;
use crate::registry::{LinkState, RegistryError, Result};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts};
use jiff::Timestamp;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a connection that was idle may take to show that it lives.
const RECYCLE: Duration = Duration::from_secs(2);
/// How long `ROLLBACK` may take before the connection is closed instead.
const ROLLBACK: Duration = Duration::from_secs(2);
/// How long the end of a transaction may take: a synchronous standby is waited for.
const COMMIT: Duration = Duration::from_secs(10);
/// A database lost for this long is tried once by each call, not until the call's deadline.
const GIVEN_UP: Duration = Duration::from_secs(5);
/// Pauses between tries: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// The same while the database is lost and nobody asks for anything.
const KEEPER_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What a transaction is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// None: each statement by itself.
    Plain,
    /// Reads only, all of one moment.
    Snapshot,
    /// Writes. When the connection is lost at COMMIT, nobody knows whether it was done: the answer is
    /// a transient error.
    Once,
    /// Writes, and is run again when the connection is lost at COMMIT: twice does no more than once.
    /// Held to its end: this advisory lock, so that a second try waits for the first one's end.
    Repeatable(i64),
}

/// Why one try failed.
enum Failed {
    /// The whole transaction may be tried again.
    Again(Fault),
    /// That is the answer.
    Final(RegistryError),
}

/// The pool, and the state of the link.
pub(super) struct Store {
    pool: Pool,
    pub(super) connector: Arc<Connector>,
    link: Arc<watch::Sender<LinkState>>,
    keeping: Arc<AtomicBool>,
    secrets: AtomicU8,
}

/// Whether the role one is connected as may read secrets: not known yet, yes, no.
const UNKNOWN: u8 = 0;
const SHOWN: u8 = 1;
const WITHHELD: u8 = 2;

impl Store {
    /// A pool; no connection is made yet.
    pub(super) fn new(connector: Connector) -> Result<Self> {
        let size = connector.pool();
        let connector = Arc::new(connector);
        let manager = Manager::from_connect(
            tokio_postgres::Config::new(),
            super::connect::Door(Arc::clone(&connector)),
            ManagerConfig {
                recycling_method: RecyclingMethod::Verified,
            },
        );
        let pool = Pool::builder(manager)
            .max_size(size.max(2))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|e| RegistryError::Store {
                what: format!("no pool of connections: {e}"),
                transient: false,
            })?;
        Ok(Self {
            pool,
            connector,
            link: Arc::new(watch::Sender::new(LinkState::Connected)),
            keeping: Arc::new(AtomicBool::new(false)),
            secrets: AtomicU8::new(UNKNOWN),
        })
    }

    /// See [`crate::registry::Registry::link`].
    pub(super) fn link(&self) -> watch::Receiver<LinkState> {
        self.link.subscribe()
    }

    /// Reads, each statement by itself.
    pub(super) async fn read<'w, T, F>(&self, work: F) -> Result<T>
    where
        T: Send,
        F: for<'a> Fn(&'a Tx<'w>) -> Work<'a, T> + Send + Sync,
    {
        self.transaction(Begin::Plain, work).await
    }

    /// Reads what must be of one moment.
    pub(super) async fn snapshot<'w, T, F>(&self, work: F) -> Result<T>
    where
        T: Send,
        F: for<'a> Fn(&'a Tx<'w>) -> Work<'a, T> + Send + Sync,
    {
        self.transaction(Begin::Snapshot, work).await
    }

    /// Writes, in a transaction (READ COMMITTED) that is tried again after a serialization failure, a
    /// deadlock or a connection lost before COMMIT was sent. Lost at COMMIT: a transient error.
    pub(super) async fn write<'w, T, F>(&self, work: F) -> Result<T>
    where
        T: Send,
        F: for<'a> Fn(&'a Tx<'w>) -> Work<'a, T> + Send + Sync,
    {
        self.transaction(Begin::Once, work).await
    }

    /// One transaction, with its tries.
    pub(super) async fn transaction<'w, T, F>(&self, begin: Begin, work: F) -> Result<T>
    where
        T: Send,
        F: for<'a> Fn(&'a Tx<'w>) -> Work<'a, T> + Send + Sync,
    {
        let end = Instant::now() + LIMIT;
        let mut pause = PAUSE.0;
        loop {
            match self.once(begin, end, &work).await {
                Ok(value) => return Ok(value),
                Err(Failed::Final(error)) => return Err(error),
                Err(Failed::Again(fault)) => {
                    if fault.is_lost() {
                        self.lost(&fault);
                    }
                    if Instant::now() + pause >= end || self.is_given_up() {
                        return Err(fault.into());
                    }
                    tokio::time::sleep(jittered(pause)).await;
                    pause = (pause * 2).min(PAUSE.1);
                }
            }
        }
    }

    async fn once<'w, T, F>(&self, begin: Begin, end: Instant, work: &F) -> std::result::Result<T, Failed>
    where
        T: Send,
        F: for<'a> Fn(&'a Tx<'w>) -> Work<'a, T> + Send + Sync,
    {
        let session = self.session(end).await.map_err(failed)?;
        let secrets = self.shows_secrets(&session).await.map_err(failed)?;
        let tx = Tx {
            session,
            secrets,
            end,
            failed: Mutex::new(None),
            borrowed: PhantomData,
        };
        if let Some(sql) = opening(begin, end) {
            tx.session.open.store(true, Ordering::Relaxed);
            tx.batch(&sql).await.map_err(failed)?;
        }
        let outcome = work(&tx).await;
        let first = tx.failed.lock().ok().and_then(|mut f| f.take());
        let outcome = match (outcome, &first) {
            (Ok(_), Some(fault)) if begin != Begin::Plain => Err(fault.clone().into()),
            (outcome, _) => outcome,
        };
        match outcome {
            Ok(value) => {
                if begin != Begin::Plain {
                    match tx.session.batch(COMMIT, "COMMIT").await {
                        Ok(()) => tx.session.open.store(false, Ordering::Relaxed),
                        Err(fault) if begin == Begin::Once && fault.is_lost() => {
                            self.lost(&fault);
                            return Err(Failed::Final(RegistryError::Store {
                                what: format!(
                                    "the connection was lost as it answered, and it is not known whether it was done: {}",
                                    RegistryError::from(fault)
                                ),
                                transient: true,
                            }));
                        }
                        Err(fault) => return Err(failed(fault)),
                    }
                }
                self.connected();
                Ok(value)
            }
            Err(error) => {
                if let Some(fault) = first.filter(Fault::is_again) {
                    if !fault.is_lost() {
                        self.roll_back(&tx).await;
                    }
                    return Err(Failed::Again(fault));
                }
                self.roll_back(&tx).await;
                if matches!(error, RegistryError::NotAllowed(_)) {
                    // A right may have been taken away: asked again.
                    self.secrets_may_have_changed();
                }
                Err(Failed::Final(error))
            }
        }
    }

    /// Whether one's role may read secrets is to be asked again.
    pub(super) fn secrets_may_have_changed(&self) {
        self.secrets.store(UNKNOWN, Ordering::Relaxed);
    }

    /// Whether one's role may read secrets' columns; asked once. Before there are tables: yes.
    async fn shows_secrets(&self, session: &Session) -> std::result::Result<bool, Fault> {
        match self.secrets.load(Ordering::Relaxed) {
            SHOWN => return Ok(true),
            WITHHELD => return Ok(false),
            _ => {}
        }
        let asked = session.client()?.query_typed(
            "SELECT has_column_privilege(to_regclass('public.saas_server'), 'db_password', 'SELECT')",
            &[],
        );
        let rows = session.wait(RECYCLE, asked).await?;
        let shown: Option<bool> = rows.first().and_then(|row| row.try_get(0).ok());
        if let Some(shown) = shown {
            self.secrets
                .store(if shown { SHOWN } else { WITHHELD }, Ordering::Relaxed);
        }
        Ok(shown.unwrap_or(true))
    }

    async fn roll_back(&self, tx: &Tx<'_>) {
        if tx.session.open.load(Ordering::Relaxed) && tx.session.batch(ROLLBACK, "ROLLBACK").await.is_ok() {
            tx.session.open.store(false, Ordering::Relaxed);
        }
    }

    /// A connection that lives.
    async fn session(&self, end: Instant) -> std::result::Result<Session, Fault> {
        let left = end.saturating_duration_since(Instant::now());
        let limits = Timeouts {
            wait: Some(left),
            create: Some(left),
            recycle: Some(RECYCLE.min(left)),
        };
        let begun = Instant::now();
        let waited_ms = || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.pool.timeout_get(&limits).await {
            Ok(object) => Ok(Session {
                object: Some(object),
                connector: Arc::clone(&self.connector),
                open: AtomicBool::new(false),
                busy: AtomicBool::new(false),
            }),
            Err(PoolError::Timeout(_)) => Err(Fault::Late { waited_ms: waited_ms() }),
            Err(PoolError::Backend(e)) => Err(self.connector.take_fault().unwrap_or_else(|| Fault::of(&e))),
            Err(e) => Err(Fault::Lost { why: e.to_string() }),
        }
    }

    fn connected(&self) {
        if *self.link.borrow() != LinkState::Connected {
            self.link.send_replace(LinkState::Connected);
        }
    }

    fn is_given_up(&self) -> bool {
        match &*self.link.borrow() {
            LinkState::Connected => false,
            LinkState::Lost { since, .. } => {
                Timestamp::now().duration_since(*since) > jiff::SignedDuration::try_from(GIVEN_UP).unwrap_or_default()
            }
        }
    }

    /// The link is down: says so, and has somebody look until it is up again.
    pub(super) fn lost(&self, fault: &Fault) {
        let why = RegistryError::from(fault.clone()).to_string();
        self.link.send_if_modified(|state| match state {
            LinkState::Lost { .. } => false,
            LinkState::Connected => {
                *state = LinkState::Lost {
                    since: Timestamp::now(),
                    why,
                };
                // What waits in the pool went the same way: trying one after the other takes too long.
                self.pool.retain(|_, _| false);
                true
            }
        });
        if !self.keeping.swap(true, Ordering::AcqRel) {
            let (pool, link) = (self.pool.clone(), Arc::clone(&self.link));
            let (keeping, connector) = (Arc::clone(&self.keeping), Arc::clone(&self.connector));
            tokio::spawn(async move {
                keep(&pool, &link, &connector).await;
                keeping.store(false, Ordering::Release);
            });
        }
    }
}

/// Tries until the database is back, or somebody else found it back, or nobody is left to know.
async fn keep(pool: &Pool, link: &watch::Sender<LinkState>, connector: &Connector) {
    let mut pause = KEEPER_PAUSE.0;
    while *link.borrow() != LinkState::Connected && !pool.is_closed() {
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(KEEPER_PAUSE.1);
        let limits = Timeouts {
            wait: Some(RECYCLE),
            create: Some(connector.limit()),
            recycle: Some(RECYCLE),
        };
        if pool.timeout_get(&limits).await.is_ok() {
            link.send_replace(LinkState::Connected);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.pool.close();
    }
}

fn failed(fault: Fault) -> Failed {
    if fault.is_again() {
        Failed::Again(fault)
    } else {
        Failed::Final(fault.into())
    }
}

/// A transaction's first statements. Its limits hold on the server too, for when this process is gone.
fn opening(begin: Begin, end: Instant) -> Option<String> {
    let left = end.saturating_duration_since(Instant::now()).as_millis().max(1);
    let limits = format!(
        "SET LOCAL statement_timeout = {left}; SET LOCAL lock_timeout = {left}; \
         SET LOCAL idle_in_transaction_session_timeout = {left}"
    );
    match begin {
        Begin::Plain => None,
        Begin::Snapshot => Some(format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; {limits}")),
        Begin::Once => Some(format!("BEGIN ISOLATION LEVEL READ COMMITTED; {limits}")),
        Begin::Repeatable(lock) => Some(format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; {limits}; SELECT pg_advisory_xact_lock({lock})"
        )),
    }
}

/// Between half of it and all of it, so that many don't come back at once.
pub(super) fn jittered(pause: Duration) -> Duration {
    let mut byte = [0_u8];
    let _ = getrandom::fill(&mut byte);
    pause.mul_f64(0.5 + f64::from(byte[0]) / 510.0)
}

/// A pooled connection. Closed instead of given back when it is dropped within a transaction or a
/// statement, which is cancelled.
pub(super) struct Session {
    object: Option<Object>,
    connector: Arc<Connector>,
    /// Whether a transaction is open on it.
    open: AtomicBool,
    /// Whether a statement runs on it.
    busy: AtomicBool,
}

impl Session {
    /// The connection.
    pub(super) fn client(&self) -> std::result::Result<&tokio_postgres::Client, Fault> {
        // It is only taken when the session is dropped.
        self.object
            .as_ref()
            .map(|object| &***object)
            .ok_or_else(|| Fault::Lost {
                why: "the connection was given up".to_owned(),
            })
    }

    /// Statements without parameters, all at once.
    pub(super) async fn batch(&self, limit: Duration, sql: &str) -> std::result::Result<(), Fault> {
        self.wait(limit, self.client()?.batch_execute(sql)).await
    }

    /// Waits for a statement. What takes too long is cancelled, and the connection given up.
    pub(super) async fn wait<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> std::result::Result<T, Fault> {
        self.busy.store(true, Ordering::Relaxed);
        match tokio::time::timeout(limit, future).await {
            Ok(outcome) => {
                self.busy.store(false, Ordering::Relaxed);
                outcome.map_err(|e| Fault::of(&e))
            }
            // Still busy: closed and cancelled when it is dropped.
            Err(_) => Err(Fault::Late {
                waited_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        let busy = self.busy.load(Ordering::Relaxed);
        if busy || self.open.load(Ordering::Relaxed) || object.is_closed() {
            if busy && let Ok(runtime) = tokio::runtime::Handle::try_current() {
                let (token, connector) = (object.cancel_token(), Arc::clone(&self.connector));
                runtime.spawn(async move { connector.cancel(token).await });
            }
            drop(Object::take(object));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_between_half_and_all_and_not_the_same() {
        let pause = Duration::from_secs(4);
        let tried: Vec<Duration> = (0..200).map(|_| jittered(pause)).collect();
        assert!(tried.iter().all(|some| (pause / 2..=pause).contains(some)), "{tried:?}");
        let different: std::collections::BTreeSet<_> = tried.iter().collect();
        assert!(different.len() > 20, "{different:?}");
    }
}
