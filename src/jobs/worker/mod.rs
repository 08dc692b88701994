//! The process that runs jobs and looks at servers when they are due. It is woken by the registry's
//! changes; the clock only serves leases that run out.

mod anchor;
mod detached;
mod schedule;
mod service;

pub use detached::{Spawned, detach, spawn_detached};
pub use schedule::ScheduleOptions;

use super::engine::{Engine, EngineOptions, Stop};
use super::tools::Tools;
use crate::domain::{JobId, Problem};
use crate::registry::{Change, ChangeStream, Claim, ClaimTerms, Registry};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Its name; [`identity`] for the usual one.
    pub id: String,
    /// Jobs at once.
    pub concurrency: usize,
    /// Jobs at once on one server, over all workers; see [`ClaimTerms::per_server`].
    pub per_server: usize,
    /// How often it looks for jobs whose worker is gone, and says that it is alive.
    pub poll: Duration,
    /// How long running steps may go on once it is asked to stop.
    pub drain: Duration,
    /// The engine's.
    pub engine: EngineOptions,
    /// Checks of servers; `None`: it makes none.
    pub schedule: Option<ScheduleOptions>,
    /// The file of the audit's anchors; `None`: it writes none.
    pub anchors: Option<std::path::PathBuf>,
    /// Whether it tells the service manager that started it how it goes.
    pub notify: bool,
    /// It ends by itself when it had nothing to do for so long; `None`: never.
    pub idle_end: Option<Duration>,
}

impl WorkerOptions {
    /// The usual ones for this process.
    pub fn here() -> Self {
        Self {
            id: identity(),
            concurrency: 4,
            per_server: 2,
            poll: Duration::from_secs(3),
            drain: Duration::from_secs(20),
            engine: EngineOptions::default(),
            schedule: None,
            anchors: None,
            notify: false,
            idle_end: None,
        }
    }
}

/// More than the loop's own limits, before a loop that did not turn counts as hanging.
const WATCHDOG_SLACK: Duration = Duration::from_secs(10);

/// This process's name among workers: host, process id and the process's start (in clock ticks since
/// boot), so that a later process of the same id is another.
pub fn identity() -> String {
    crate::registry::identity::ProcessId::here().to_string()
}

/// A token that fires at SIGTERM, SIGINT and SIGHUP.
///
/// # Errors
/// When the system refuses the handlers.
pub fn stop_on_signals() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let fired = stop.clone();
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut hup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = hup.recv() => {}
        }
        fired.cancel();
    });
    Ok(stop)
}

struct Worker {
    registry: Arc<dyn Registry>,
    options: WorkerOptions,
    engine: Arc<Engine>,
    running: Arc<Mutex<HashMap<JobId, Arc<Notify>>>>,
    drain: CancellationToken,
    now: CancellationToken,
    service: service::Service,
    /// When the loop that takes jobs will have turned again, if all is well.
    turns_by: Mutex<Instant>,
}

/// Runs jobs until `shutdown` fires. Then no job and no step is begun; what runs is handed back at
/// the next step's boundary, or in doubt after [`WorkerOptions::drain`].
///
/// # Errors
/// When the registry can't be used at all.
pub async fn run(
    registry: Arc<dyn Registry>,
    tools: Arc<Tools>,
    options: WorkerOptions,
    shutdown: CancellationToken,
) -> Result<(), Problem> {
    let limit = options.engine.registry_limit;
    within(limit, registry.worker_alive(&options.id)).await?;
    let changes = within(limit, registry.changes()).await?;
    let engine = Engine::new(Arc::clone(&registry), Arc::clone(&tools), options.engine.clone());
    let worker = Arc::new(Worker {
        registry: Arc::clone(&registry),
        engine: Arc::new(engine),
        running: Arc::default(),
        drain: CancellationToken::new(),
        now: CancellationToken::new(),
        service: service::Service::of_this_process(options.notify),
        turns_by: Mutex::new(Instant::now() + WATCHDOG_SLACK),
        options,
    });
    let schedule = worker.options.schedule.clone().map(|schedule| {
        let (registry, tools, id) = (Arc::clone(&registry), Arc::clone(&tools), worker.options.id.clone());
        let end = worker.drain.clone();
        tokio::spawn(schedule::run(registry, tools, id, schedule, end))
    });
    let anchored = worker
        .options
        .anchors
        .clone()
        .map(|path| tokio::spawn(anchor::run(Arc::clone(&registry), path, worker.drain.clone())));
    tracing::info!(worker = %worker.options.id, place = %registry.place(), "worker started");
    let alive = tokio::spawn(Arc::clone(&worker).say_alive());
    let watched = tokio::spawn(Arc::clone(&worker).feed_the_watchdog());
    worker.service.ready();
    worker.say_status();
    worker.work(changes, shutdown).await;
    alive.abort();
    watched.abort();
    if let Some(anchored) = anchored {
        anchored.abort();
    }
    if let Some(schedule) = schedule {
        let _ = tokio::time::timeout(Duration::from_secs(5), schedule).await;
    }
    within(limit, registry.worker_gone(&worker.options.id)).await?;
    tracing::info!(worker = %worker.options.id, "worker ended");
    Ok(())
}

async fn within<T>(limit: Duration, ask: impl Future<Output = crate::registry::Result<T>>) -> Result<T, Problem> {
    match tokio::time::timeout(limit, ask).await {
        Ok(answer) => answer.map_err(|error| error.problem()),
        Err(_) => Err(Problem::new("registry_failed", "the registry does not answer")),
    }
}

impl Worker {
    /// On its own task: a worker whose jobs keep it busy is alive all the same.
    async fn say_alive(self: Arc<Self>) {
        let limit = self.options.engine.registry_limit;
        let mut beat = tokio::time::interval(self.options.engine.times.heartbeat);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            if let Err(problem) = within(limit, self.registry.worker_alive(&self.options.id)).await {
                tracing::warn!(%problem, "could not say that the worker is alive");
            }
        }
    }

    /// As long as the loop that takes jobs turns: one that hangs is for the service manager to end.
    async fn feed_the_watchdog(self: Arc<Self>) {
        let Some(every) = self.service.watchdog else { return };
        loop {
            if Instant::now() < *self.turns_by.lock().unwrap_or_else(PoisonError::into_inner) {
                self.service.alive();
            }
            tokio::time::sleep(every).await;
        }
    }

    fn turns_within(&self, limit: Duration) {
        *self.turns_by.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + limit + WATCHDOG_SLACK;
    }

    fn say_status(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).len();
        let jobs = if running == 1 {
            "1 job runs".to_owned()
        } else {
            format!("{running} jobs run")
        };
        self.service.status(if self.drain.is_cancelled() {
            format!(
                "stopping: {jobs}, to their next step or for {} s",
                self.options.drain.as_secs()
            )
        } else {
            jobs
        });
    }

    async fn work(self: &Arc<Self>, mut changes: ChangeStream, shutdown: CancellationToken) {
        let mut jobs: JoinSet<()> = JoinSet::new();
        let mut look = true;
        let mut followed = true;
        let mut busy_at = Instant::now();
        let turn = self.options.engine.registry_limit + self.options.poll * 2;
        loop {
            self.turns_within(turn);
            if look {
                while jobs.len() < self.options.concurrency && !shutdown.is_cancelled() && self.claim(&mut jobs).await {
                    self.turns_within(turn);
                }
            }
            if !jobs.is_empty() {
                busy_at = Instant::now();
            }
            let idle = jobs.is_empty();
            let idle_end = async {
                match self.options.idle_end {
                    Some(limit) if idle => tokio::time::sleep_until((busy_at + limit).into()).await,
                    _ => std::future::pending().await,
                }
            };
            look = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = idle_end => break,
                () = one_ended(&mut jobs) => true,
                seen = changes.recv(), if followed => match seen {
                    Some(seen) => self.note(&seen),
                    None => {
                        tracing::warn!("the registry's changes ended: polling from now on");
                        followed = false;
                        false
                    }
                },
                () = tokio::time::sleep(self.poll_pause()) => true,
            };
        }
        self.drain.cancel();
        let limit = self.options.engine.grace + Duration::from_secs(5);
        self.turns_within(self.options.drain + limit);
        self.service.stopping(self.options.drain + limit + WATCHDOG_SLACK);
        self.say_status();
        if tokio::time::timeout(self.options.drain, all_ended(&mut jobs))
            .await
            .is_err()
        {
            self.now.cancel();
            let _ = tokio::time::timeout(limit, all_ended(&mut jobs)).await;
        }
    }

    /// With a jitter, so that many workers don't ask in step.
    fn poll_pause(&self) -> Duration {
        self.options.poll.mul_f64(0.75 + 0.5 * super::random_share())
    }

    /// Whether the changes are a reason to look for a job. Running jobs that changed are poked: a
    /// cancel is noticed at once and not at the next renewal.
    fn note(&self, changes: &[Change]) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut look = false;
        for change in changes {
            match change {
                Change::Job(id) => match running.get(id) {
                    Some(job) => job.notify_one(),
                    None => look = true,
                },
                Change::Worker => look = true,
                Change::Everything => {
                    running.values().for_each(|job| job.notify_one());
                    look = true;
                }
                _ => {}
            }
        }
        look
    }

    /// Claims a job and starts it; whether there was one.
    async fn claim(self: &Arc<Self>, jobs: &mut JoinSet<()>) -> bool {
        let asked = Instant::now();
        let terms = ClaimTerms {
            lease: self.options.engine.times.lease,
            per_server: self.options.per_server,
            lacks_keys: self.engine.lacks().still().await,
        };
        let limit = self.options.engine.registry_limit;
        match within(limit, self.registry.claim_job(&self.options.id, &terms)).await {
            Ok(Some(claim)) => {
                if let Some(key) = self.engine.lacks().noted_since(claim.job.id, &terms.lacks_keys) {
                    let back = self.registry.release_job(claim.job.id, claim.token, Some(&key));
                    if let Err(problem) = within(limit, back).await {
                        tracing::warn!(%problem, "a job that waits for a key was claimed, and is free when its lease ends");
                    }
                    return true;
                }
                jobs.spawn(Arc::clone(self).run_job(claim, asked));
                true
            }
            Ok(None) => false,
            Err(problem) => {
                tracing::warn!(%problem, "no job could be claimed");
                false
            }
        }
    }

    async fn run_job(self: Arc<Self>, claim: Claim, claimed: Instant) {
        let id = claim.job.id;
        let poke = Arc::new(Notify::new());
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(&poke));
        self.say_status();
        tracing::info!(job = %id, kind = claim.job.spec.kind().word(), token = claim.token, "claimed");
        let stop = Stop {
            drain: self.drain.clone(),
            now: self.now.clone(),
            poke,
        };
        if self.engine.lacks().returned(id) {
            tokio::select! {
                () = self.drain.cancelled() => {}
                () = tokio::time::sleep(self.options.engine.times.lease / 4) => {}
            }
        }
        let parted = self.engine.run(claim, claimed, stop).await;
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.say_status();
        tracing::info!(job = %id, ?parted, "parted");
    }
}

/// Waits for one job's end; for ever while none runs.
async fn one_ended(jobs: &mut JoinSet<()>) {
    if jobs.join_next().await.is_none() {
        std::future::pending::<()>().await;
    }
}

async fn all_ended(jobs: &mut JoinSet<()>) {
    while jobs.join_next().await.is_some() {}
}
