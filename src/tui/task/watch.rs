//! Following the registry: what changes is read and sent on, the followed job's log as it grows.

use super::door::{READ, bounded, failed, fleet};
use super::executor::Reply;
use super::mailbox::Post;
use crate::domain::instance::Instance;
use crate::domain::job::Job;
use crate::domain::{InstanceId, JobId, Problem, ServerId, TemplateId};
use crate::ops::{Change, LinkState, Ops, RegistryError};
use crate::tui::model::{Answer, Delta, Fleet, Indexed, InstanceRow, Message, Notice};
use crate::tui::term::catching;
use futures_util::FutureExt;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Rows of one kind that are read one by one; more of them are cheaper read together.
const ONE_BY_ONE: usize = 64;
/// Instances that are read before anything is shown; of a larger fleet only the first server's are.
const AT_FIRST: u64 = 5_000;
/// Lines of a log that are sent when it is opened, and when it runs ahead of the screen.
const TAIL: i64 = 2_000;
/// Lines read at once.
const PAGE: usize = 500;
/// How often it is looked whether a worker is alive while a job is at work.
const LOOK_AT_WORKERS: Duration = Duration::from_secs(10);
/// And while none is: servers are to be checked all the same. No more often than the clock turns.
const LOOK_WHEN_IDLE: Duration = Duration::from_secs(60);
/// How often changes are read while nobody looks.
const WHILE_AWAY: Duration = Duration::from_secs(2);
/// Waits between attempts to follow a registry that was lost.
const AGAIN: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// What follows the registry for as long as it is held.
pub(super) struct Watch {
    ops: Ops,
    post: Post,
    /// Held from reading until what was read is sent, so that nothing older overtakes it.
    reading: Mutex<()>,
    /// The instances of the whole fleet that was sent last, by id.
    known: Mutex<Vec<InstanceRow>>,
    /// Whether a whole fleet was sent.
    sent: AtomicBool,
    /// Whether changes are being followed: what is read before that could miss some.
    following: watch::Sender<bool>,
    followed: AtomicI64,
    log_grew: watch::Sender<()>,
    /// Jobs that are not over: while there are any, a worker is seen to.
    at_work: watch::Sender<BTreeSet<JobId>>,
    /// Whether nobody looks.
    away: watch::Sender<bool>,
    _stop: DropGuard,
}

impl Watch {
    pub(super) fn start(ops: Ops, post: Post) -> Arc<Self> {
        let stop = CancellationToken::new();
        let this = Arc::new(Self {
            ops,
            post,
            reading: Mutex::default(),
            known: Mutex::default(),
            sent: AtomicBool::new(false),
            following: watch::channel(false).0,
            followed: AtomicI64::new(0),
            log_grew: watch::channel(()).0,
            at_work: watch::channel(BTreeSet::new()).0,
            away: watch::channel(false).0,
            _stop: stop.clone().drop_guard(),
        });
        let (weak, lost, stopped) = (Arc::downgrade(&this), this.post.clone(), stop.clone());
        let linked = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                ended = catching(follow_changes(weak)) => if let Err(panicked) = ended {
                    tracing::error!("following the registry: panic: {panicked}");
                    let problem = Problem::new("internal_error", format!("following the registry: {panicked}"))
                        .hint("this is a bug in vigie: start it again, running jobs are not affected");
                    lost.send(Message::Notice(Notice::RegistryLost(problem)));
                }
            }
        });
        let weak = Arc::downgrade(&this);
        tokio::spawn(async move {
            tokio::select! {
                () = linked.cancelled() => {}
                () = follow_link(weak) => {}
            }
        });
        let weak = Arc::downgrade(&this);
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = see_to_a_worker(weak) => {}
            }
        });
        this
    }

    /// Whether nobody looks: then changes are read less often, together.
    pub(super) fn set_away(&self, away: bool) {
        self.away.send_replace(away);
    }

    /// Reads everything and sends it; at first what fits the screen.
    pub(super) async fn send_fleet(&self, reply: &Reply) -> Result<(), Problem> {
        let mut following = self.following.subscribe();
        // A registry that can't be followed may still be read.
        let _ = tokio::time::timeout(Duration::from_secs(1), following.wait_for(|is| *is)).await;
        let _reading = self.reading.lock().await;
        let many = if self.sent.load(Ordering::Acquire) {
            u64::MAX
        } else {
            AT_FIRST
        };
        let read = self.read_fleet(many, true).await?;
        let whole = read.partly.is_none();
        reply.answer(Answer::Fleet(read));
        if !whole {
            // What changes meanwhile is told, and read again.
            reply.answer(Answer::Fleet(self.read_fleet(u64::MAX, false).await?));
        }
        self.sent.store(true, Ordering::Release);
        Ok(())
    }

    async fn back(&self) -> Result<(), Problem> {
        self.everything().await?;
        self.post.send(Message::Notice(Notice::RegistryBack));
        self.log_grew.send_replace(());
        Ok(())
    }

    async fn everything(&self) -> Result<(), Problem> {
        let _reading = self.reading.lock().await;
        let read = self.read_fleet(u64::MAX, true).await?;
        self.post.answer(Answer::Fleet(read));
        Ok(())
    }

    /// Everything as it is now, or what a screen can show of more than `many` instances. Rows that are as they were
    /// sent before are those, not others like them.
    async fn read_fleet(&self, many: u64, catalog: bool) -> Result<Box<Fleet>, Problem> {
        let before = std::mem::take(&mut *self.known.lock().await);
        let mut known = before.into_iter().peekable();
        let (mut rows, mut changed): (Vec<InstanceRow>, Vec<InstanceRow>) = Default::default();
        let mut take = |instance: Instance| {
            let row = InstanceRow::from(&instance);
            while known.next_if(|old| old.id < row.id).is_some() {}
            rows.push(match known.next_if(|old| old.id == row.id) {
                Some(old) if old == row => old,
                Some(_) => {
                    changed.push(row.clone());
                    row
                }
                None => row,
            });
        };
        let mut read = fleet(bounded(READ, "the registry", self.ops.fleet_each(many, catalog, &mut take)).await?);
        read.same_catalog = !catalog;
        self.note_jobs(&read.jobs, true);
        let instances = if read.partly.is_none() {
            rows.shrink_to_fit();
            let instances = rows.iter().cloned().collect();
            *self.known.lock().await = rows;
            instances
        } else {
            rows.into_iter().collect()
        };
        read.indexed = Some(Indexed {
            instances: Arc::new(instances),
            changed,
        });
        Ok(Box::new(read))
    }

    /// What was sent last is this by now.
    async fn note_rows(&self, delta: &Delta) {
        let mut known = self.known.lock().await;
        if known.is_empty() {
            return;
        }
        for row in &delta.instances {
            match known.binary_search_by_key(&row.id, |known| known.id) {
                Ok(at) => known[at] = row.clone(),
                Err(at) => known.insert(at, row.clone()),
            }
        }
        for id in &delta.gone_instances {
            if let Ok(at) = known.binary_search_by_key(id, |known| known.id) {
                known.remove(at);
            }
        }
    }

    async fn changed(&self, batch: Vec<Change>) -> Result<(), Problem> {
        let changes: BTreeSet<Change> = batch.into_iter().collect();
        let followed = JobId(self.followed.load(Ordering::Acquire));
        // First: a line of the log is awaited, and needs nothing that is read here.
        if changes.contains(&Change::JobLog(followed)) || changes.contains(&Change::Everything) {
            self.log_grew.send_replace(());
        }
        if changes.iter().all(|change| matches!(change, Change::JobLog(_))) {
            return Ok(());
        }
        // Servers are read together where they are many: a round of checks changes them all, and nothing else.
        let single = |change: &&Change| matches!(change, Change::Instance(_) | Change::Template(_) | Change::Job(_));
        let rows = changes.iter().filter(single).count();
        if changes.contains(&Change::Everything) || rows > 4 * ONE_BY_ONE {
            return self.everything().await;
        }
        let _reading = self.reading.lock().await;
        let delta = bounded(READ, "the registry", self.read(&changes)).await?;
        self.note_jobs(&delta.jobs, false);
        self.note_rows(&delta).await;
        self.post.answer(Answer::Delta(Box::new(delta)));
        Ok(())
    }

    fn note_jobs(&self, jobs: &[Job], all: bool) {
        self.at_work.send_if_modified(|at_work| {
            let before = at_work.clone();
            if all {
                at_work.clear();
            }
            for job in jobs {
                if job.state.is_over() {
                    at_work.remove(&job.id);
                } else {
                    at_work.insert(job.id);
                }
            }
            *at_work != before
        });
    }

    async fn read(&self, changes: &BTreeSet<Change>) -> Result<Delta, Problem> {
        let registry = self.ops.registry();
        let mut delta = Delta {
            read_at: Some(Timestamp::now()),
            ..Delta::default()
        };
        let mut servers: BTreeSet<ServerId> = BTreeSet::new();
        let mut all_servers = false;
        for change in changes {
            match *change {
                Change::Server(id) => {
                    servers.insert(id);
                }
                Change::Template(id) => match found(registry.template(id).await)? {
                    Some(template) => delta.templates.push(template),
                    None => delta.gone_templates.push(TemplateId(id.0)),
                },
                Change::Instance(id) => match found(registry.instance(id).await)? {
                    Some(instance) => {
                        // Its server counts it.
                        servers.insert(instance.spec.server_id);
                        delta.instances.push(InstanceRow::from(&instance));
                    }
                    None => {
                        all_servers = true;
                        delta.gone_instances.push(InstanceId(id.0));
                    }
                },
                Change::Catalog => {
                    let plans = registry.plans().await.map_err(|e| e.problem())?;
                    let customers = registry.customers().await.map_err(|e| e.problem())?;
                    delta.catalog = Some((plans, customers));
                }
                Change::Job(id) => delta.jobs.extend(found(registry.job(id).await)?),
                Change::Worker => {
                    let workers = registry.workers().await.map_err(|e| e.problem())?;
                    delta.workers = Some(workers.iter().filter(|worker| worker.alive).count());
                }
                Change::JobLog(_) | Change::Everything => {}
            }
        }
        if all_servers || servers.len() > ONE_BY_ONE {
            let all = registry.servers().await.map_err(|e| e.problem())?;
            let there = |id: &ServerId| all.iter().any(|server| server.id == *id);
            delta.gone_servers = servers.iter().copied().filter(|id| !there(id)).collect();
            delta.servers = all;
        } else {
            for id in servers {
                match found(registry.server(id).await)? {
                    Some(server) => delta.servers.push(server),
                    None => delta.gone_servers.push(id),
                }
            }
        }
        Ok(delta)
    }

    /// Sends a job's last lines, then new ones as they come, until it is stopped.
    pub(super) async fn follow(&self, job: JobId, reply: &Reply) {
        let mut grew = self.log_grew.subscribe();
        self.followed.store(job.0, Ordering::Release);
        let mut after = None;
        loop {
            grew.borrow_and_update();
            if let Err(problem) = self.send_lines(job, &mut after, reply).await {
                failed(reply, &format!("the log of job {job}"), problem);
                // Its change may have been the one that was lost.
                tokio::time::sleep(AGAIN[3]).await;
                continue;
            }
            if grew.changed().await.is_err() {
                return;
            }
        }
    }

    /// Sends what is there beyond `after`. What the screen can't keep up with is left to the log,
    /// where it can be read: the numbers tell how much that is.
    async fn send_lines(&self, job: JobId, after: &mut Option<i64>, reply: &Reply) -> Result<(), Problem> {
        loop {
            let from = match *after {
                Some(after) => after,
                None => (bounded(READ, "the log", self.ops.job_log_end(job)).await? - TAIL).max(0),
            };
            let lines = bounded(READ, "the log", self.ops.job_log(job, from, PAGE)).await?;
            let full = lines.len() == PAGE;
            let last = lines.last().map_or(from, |line| line.seq);
            let end = if full {
                bounded(READ, "the log", self.ops.job_log_end(job)).await?
            } else {
                last
            };
            let first = after.is_none();
            *after = Some(if end - last > TAIL { end - TAIL } else { last });
            if !lines.is_empty() || first {
                reply.log_lines(Answer::LogLines { job, lines, end }).await;
            }
            if !full {
                return Ok(());
            }
        }
    }
}

/// Follows the registry's changes, and again after losing them, until `watch` is dropped: it is held
/// only while something is done.
async fn follow_changes(watch: Weak<Watch>) {
    let (mut tries, mut is_lost) = (0, false);
    while let Some(problem) = follow_once(&watch, is_lost, &mut tries).await {
        let Some(this) = watch.upgrade() else { return };
        this.following.send_replace(false);
        if !is_lost || tries == 0 {
            this.post.send(Message::Notice(Notice::RegistryLost(problem)));
        }
        drop(this);
        is_lost = true;
        tokio::time::sleep(AGAIN.get(tries).copied().unwrap_or(AGAIN[3])).await;
        tries += 1;
    }
}

/// Says when the connection to the registry is lost, since when, and when it is back; then everything is
/// read again. What is on the screen stays there meanwhile.
async fn follow_link(watch: Weak<Watch>) {
    let Some(mut link) = watch.upgrade().map(|this| this.ops.registry().link()) else {
        return;
    };
    let mut is_lost = false;
    loop {
        let state = link.borrow_and_update().clone();
        let Some(this) = watch.upgrade() else { return };
        match state {
            LinkState::Lost { since, why } => {
                is_lost = true;
                let problem = Problem::new("registry_lost", why);
                this.post.send(Message::Notice(Notice::LinkLost { problem, since }));
            }
            // Read before it is said to be back: until then what is shown is from before.
            LinkState::Connected if is_lost => is_lost = this.back().await.is_err(),
            LinkState::Connected => {}
        }
        drop(this);
        // A registry that was back for a moment only is looked at again.
        let changed = if is_lost {
            tokio::time::timeout(AGAIN[3], link.changed()).await.unwrap_or(Ok(()))
        } else {
            link.changed().await
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Follows until the registry is lost (why), or nobody wants to know any more (`None`).
async fn follow_once(watch: &Weak<Watch>, was_lost: bool, tries: &mut usize) -> Option<Problem> {
    let ops = watch.upgrade()?.ops.clone();
    let mut changes = match bounded(READ, "the registry", ops.changes()).await {
        Ok(changes) => changes,
        Err(problem) => return Some(problem),
    };
    let this = watch.upgrade()?;
    this.following.send_replace(true);
    if was_lost && let Err(problem) = this.back().await {
        return Some(problem);
    }
    drop(this);
    *tries = 0;
    while let Some(mut batch) = changes.recv().await {
        let mut away = watch.upgrade()?.away.subscribe();
        if *away.borrow() {
            // What changes meanwhile is read together with it; at once when somebody looks again.
            let _ = tokio::time::timeout(WHILE_AWAY, away.wait_for(|away| !*away)).await;
            while let Some(Some(more)) = changes.recv().now_or_never() {
                batch.extend(more);
            }
        }
        if let Err(problem) = watch.upgrade()?.changed(batch).await {
            return Some(problem);
        }
    }
    Some(Problem::new("registry_lost", "the registry's changes ended"))
}

/// Starts a worker where none is alive and the settings want one: at first, and whenever a job waits
/// or runs, so that one that was killed has a successor. Sleeps while no job is at work.
async fn see_to_a_worker(watch: Weak<Watch>) {
    let mut said = None;
    let mut alive = None;
    let Some(mut at_work) = watch.upgrade().map(|this| this.at_work.subscribe()) else {
        return;
    };
    loop {
        let Some((ops, post)) = watch.upgrade().map(|this| (this.ops.clone(), this.post.clone())) else {
            return;
        };
        match bounded(READ, "starting a worker", ops.ensure_worker()).await {
            Ok(_) => said = None,
            Err(problem) => {
                if said.as_ref() != Some(&problem) {
                    post.send(Message::Notice(Notice::NoWorker(problem.clone())));
                }
                said = Some(problem);
            }
        }
        // One that was killed tells nobody.
        if let Ok(count) = bounded(READ, "the workers", count_alive(&ops)).await
            && alive.replace(count).is_some_and(|before| before != count)
        {
            post.answer(Answer::Delta(Box::new(Delta {
                workers: Some(count),
                ..Delta::default()
            })));
        }
        drop((ops, post));
        // At once for the next job that comes, and now and then while one is at work.
        at_work.mark_unchanged();
        if at_work.borrow().is_empty() {
            if let Ok(Err(_)) = tokio::time::timeout(LOOK_WHEN_IDLE, at_work.changed()).await {
                return;
            }
        } else {
            let _ = tokio::time::timeout(LOOK_AT_WORKERS, at_work.changed()).await;
        }
    }
}

async fn count_alive(ops: &Ops) -> Result<usize, Problem> {
    let workers = ops.registry().workers().await.map_err(|error| error.problem())?;
    Ok(workers.iter().filter(|worker| worker.alive).count())
}

/// A row, or nothing where it is gone.
fn found<T>(read: Result<T, RegistryError>) -> Result<Option<T>, Problem> {
    match read {
        Ok(row) => Ok(Some(row)),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.problem()),
    }
}
