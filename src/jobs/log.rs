//! A job's log on its way into the registry: in batches at most 50 ms late, redacted, never in the
//! way of the work. What can't be kept is dropped with its number said, progress first.

use super::tools::Redact;
use crate::domain::job::{LogLevel, Stream};
use crate::domain::text::MAX_LINE_BYTES;
use crate::domain::{JobId, SafeText};
use crate::registry::{NewLine, Registry};
use jiff::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(25);
/// Most lines in one write.
const BATCH: usize = 512;
/// Most lines waiting to be written.
const WAITING: usize = 4096;
/// Progress of a step is written no more often.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// One write may take so long.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// Lines that could not be written are tried again for so long.
const PATIENCE: Duration = Duration::from_secs(60);

enum Item {
    Line(NewLine),
    Flush(oneshot::Sender<()>),
}

/// The writing end: cheap to clone, never waits.
#[derive(Clone)]
pub struct LogWriter {
    lines: mpsc::Sender<Item>,
    dropped: Arc<AtomicU64>,
    redact: Redact,
}

impl LogWriter {
    /// Starts the task that writes a job's lines.
    pub fn start(registry: Arc<dyn Registry>, job: JobId, redact: Redact) -> Self {
        let (lines, receiver) = mpsc::channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        tokio::spawn(write_all(registry, job, receiver, Arc::clone(&dropped)));
        Self { lines, dropped, redact }
    }

    /// A writer whose lines go nowhere, for plans.
    pub fn nowhere() -> Self {
        let (lines, _) = mpsc::channel(1);
        Self {
            lines,
            dropped: Arc::new(AtomicU64::new(0)),
            redact: Redact::default(),
        }
    }

    /// Writes a line; returns at once. Text from outside is redacted, cut at 8 KiB and made safe here.
    pub fn line(&self, step: Option<usize>, stream: Stream, level: LogLevel, text: &str) {
        self.send(step, stream, level, text, None, None);
    }

    fn send(
        &self,
        step: Option<usize>,
        stream: Stream,
        level: LogLevel,
        text: &str,
        took: Option<Duration>,
        progress: Option<(u64, u64)>,
    ) {
        let line = NewLine {
            at: Timestamp::now(),
            step,
            stream,
            level,
            text: SafeText::capped(&self.redact.apply(text), MAX_LINE_BYTES),
            took_ms: took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            progress,
        };
        // A quarter of the room is kept for what matters more than progress.
        let room = self.lines.capacity() > WAITING / 4 || stream != Stream::Progress;
        if !room || self.lines.try_send(Item::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends a step or the job: a line with its duration.
    pub fn ended(&self, step: Option<usize>, level: LogLevel, text: &str, took: Duration) {
        self.send(step, Stream::Engine, level, text, Some(took), None);
    }

    /// Waits until what was written so far is in the registry, `limit` at most.
    pub async fn flush(&self, limit: Duration) {
        let (done, wait) = oneshot::channel();
        let flushed = async {
            if self.lines.send(Item::Flush(done)).await.is_ok() {
                let _ = wait.await;
            }
        };
        let _ = tokio::time::timeout(limit, flushed).await;
    }

    /// A step's own end of this writer.
    pub fn step(&self, step: Option<usize>) -> StepLog {
        StepLog {
            writer: self.clone(),
            step,
            last_progress: Arc::new(Mutex::new(None)),
        }
    }
}

async fn write_all(
    registry: Arc<dyn Registry>,
    job: JobId,
    mut receiver: mpsc::Receiver<Item>,
    dropped: Arc<AtomicU64>,
) {
    let mut batch: Vec<NewLine> = Vec::new();
    let mut flushes: Vec<oneshot::Sender<()>> = Vec::new();
    while let Some(first) = receiver.recv().await {
        let gather_until = tokio::time::Instant::now() + GATHER;
        let mut next = Some(first);
        loop {
            match next.take() {
                Some(Item::Line(line)) => batch.push(line),
                Some(Item::Flush(done)) => {
                    flushes.push(done);
                    break;
                }
                None => break,
            }
            if batch.len() >= BATCH {
                break;
            }
            next = match receiver.try_recv() {
                Ok(item) => Some(item),
                Err(_) => tokio::time::timeout_at(gather_until, receiver.recv())
                    .await
                    .ok()
                    .flatten(),
            };
        }
        only_last_progress(&mut batch);
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            batch.push(lost_line(lost));
        }
        if !write(registry.as_ref(), job, &batch).await {
            dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        batch.clear();
        for done in flushes.drain(..) {
            let _ = done.send(());
        }
    }
}

/// Progress is one slot, latest wins: of neighbouring progress lines of a step only the last is kept.
fn only_last_progress(batch: &mut Vec<NewLine>) {
    let mut kept: Vec<NewLine> = Vec::with_capacity(batch.len());
    for line in batch.drain(..) {
        match kept.last_mut() {
            Some(last)
                if last.stream == Stream::Progress && line.stream == Stream::Progress && last.step == line.step =>
            {
                *last = line;
            }
            _ => kept.push(line),
        }
    }
    *batch = kept;
}

fn lost_line(lost: u64) -> NewLine {
    NewLine {
        at: Timestamp::now(),
        step: None,
        stream: Stream::Engine,
        level: LogLevel::Warning,
        text: SafeText::new(&format!("{lost} lines of this log could not be kept")),
        took_ms: None,
        progress: None,
    }
}

async fn write(registry: &dyn Registry, job: JobId, batch: &[NewLine]) -> bool {
    if batch.is_empty() {
        return true;
    }
    let began = Instant::now();
    let mut wait = Duration::from_millis(50);
    loop {
        match tokio::time::timeout(WRITE_LIMIT, registry.append_log(job, batch)).await {
            Ok(Ok(_)) => return true,
            Ok(Err(error)) if !error.is_transient() => {
                tracing::warn!(%job, %error, "log lines lost");
                return false;
            }
            _ if began.elapsed() > PATIENCE => return false,
            _ => tokio::time::sleep(wait).await,
        }
        wait = (wait * 2).min(Duration::from_secs(2));
    }
}

/// What a step writes its lines to.
#[derive(Clone)]
pub struct StepLog {
    writer: LogWriter,
    step: Option<usize>,
    last_progress: Arc<Mutex<Option<Instant>>>,
}

impl StepLog {
    /// Says something of the step's own.
    pub fn info(&self, text: impl AsRef<str>) {
        self.writer.line(self.step, Stream::Step, LogLevel::Info, text.as_ref());
    }

    /// Says that something is not as it should be.
    pub fn warning(&self, text: impl AsRef<str>) {
        self.writer
            .line(self.step, Stream::Step, LogLevel::Warning, text.as_ref());
    }

    /// A line of a command's output.
    pub fn output(&self, stream: Stream, text: impl AsRef<str>) {
        self.writer.line(self.step, stream, LogLevel::Info, text.as_ref());
    }

    /// How far the step is, at most ten times a second; the last always gets through.
    pub fn progress(&self, done: u64, total: u64, text: impl AsRef<str>) {
        let now = Instant::now();
        let due = self.last_progress.lock().is_ok_and(|mut last| {
            let due = done >= total || last.is_none_or(|at| now.duration_since(at) >= PROGRESS_EVERY);
            if due {
                *last = Some(now);
            }
            due
        });
        if due {
            self.writer.send(
                self.step,
                Stream::Progress,
                LogLevel::Info,
                text.as_ref(),
                None,
                Some((done, total)),
            );
        }
    }
}
