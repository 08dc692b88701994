//! The log pane's door: opens files and commands, reads parts of them on threads that may wait for a
//! disk, and writes logs into files.

use super::door::{READ, bounded};
use super::executor::{Door, Reply};
use crate::domain::log::{Ask, LogPlace, LogTarget, Page, Sieve};
use crate::domain::{JobId, Problem, SafeText};
use crate::ops::{self, LogAsked, LogError, LogHandle, Ops};
use crate::tui::model::{Answer, Effect, Message, Notice, NoticeLevel};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait until something is open: a file on a slow disk, or ssh.
const OPEN: Duration = Duration::from_secs(30);
/// The shortest time between two news of a log that grows.
const REST: Duration = Duration::from_millis(16);
/// A look that takes longer says how far it is.
const LONG: Duration = Duration::from_millis(200);
/// Lines of a job's log that are read at once when it is saved.
const PAGE: usize = 1_000;

/// The log that is open. Cheap to clone.
#[derive(Clone)]
pub(super) struct Logs {
    ops: Option<Ops>,
    data_dir: PathBuf,
    open: Arc<Mutex<Option<(u64, LogHandle)>>>,
}

/// Tells a look on another thread that nobody waits for it any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What a part is read with.
struct Reading {
    id: u64,
    seq: u64,
    ask: Ask,
    sieve: Sieve,
    floor: u64,
    limit: usize,
}

impl Logs {
    /// `ops`: for commands, servers' machines and jobs; without it only files of this machine are shown.
    pub(super) fn new(ops: Option<Ops>, data_dir: PathBuf) -> Self {
        Self {
            ops,
            data_dir,
            open: Arc::default(),
        }
    }

    /// Nobody looks at it any more.
    pub(super) fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn handle(&self, id: u64) -> Option<LogHandle> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref()
            .filter(|(open, _)| *open == id)
            .map(|(_, handle)| handle.clone())
    }

    pub(super) async fn carry_out(&self, effect: Effect, reply: &Reply) {
        match effect {
            Effect::OpenLog { id, target } => self.follow(id, &target, reply).await,
            Effect::ReadLog {
                id,
                seq,
                ask,
                sieve,
                floor,
                limit,
            } => {
                let reading = Reading {
                    id,
                    seq,
                    ask,
                    sieve,
                    floor,
                    limit,
                };
                self.read(reading, reply).await;
            }
            Effect::SaveLog {
                id,
                job,
                sieve,
                floor,
                name,
            } => {
                let saved = match id {
                    Some(id) => self.save_text(id, sieve, floor, name).await,
                    None => self.save_job(job, sieve, name).await,
                };
                tell_saved(saved, reply);
            }
            Effect::RememberLog { server, text } => {
                let data_dir = self.data_dir.clone();
                let kept = tokio::task::spawn_blocking(move || ops::remember_log(&data_dir, &server, &text)).await;
                if let Ok(Err(problem)) = kept {
                    flash(reply, NoticeLevel::Warning, &problem.message, problem.hint);
                }
            }
            _ => {}
        }
    }

    async fn opened(&self, target: &LogTarget) -> Result<LogHandle, Problem> {
        match (&self.ops, target) {
            (Some(ops), target) => bounded(OPEN, "opening the log", ops.open_log(target)).await,
            (
                None,
                LogTarget::File {
                    place: LogPlace::Here,
                    path,
                },
            ) => bounded(OPEN, "opening the log", ops::open_log_here(path)).await,
            (None, _) => Err(Problem::new("no_shell", "only files of this machine can be shown here")
                .hint("`vigie view --on SERVER …` looks at a server's")),
        }
    }

    /// Opens it and tells how it grows.
    async fn follow(&self, id: u64, target: &LogTarget, reply: &Reply) {
        self.close();
        let handle = match self.opened(target).await {
            Ok(handle) => handle,
            Err(problem) => {
                let result = Err(problem);
                return reply.answer(Answer::LogOpened { id, result });
            }
        };
        let mut status = handle.status();
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some((id, handle));
        let first = status.borrow_and_update().clone();
        reply.answer(Answer::LogOpened { id, result: Ok(first) });
        while status.changed().await.is_ok() {
            let status = status.borrow_and_update().clone();
            reply.log_lines(Answer::LogTold { id, status }).await;
            tokio::time::sleep(REST).await;
        }
    }

    async fn read(&self, reading: Reading, reply: &Reply) {
        let Some(handle) = self.handle(reading.id) else { return };
        let (id, seq) = (reading.id, reading.seq);
        let gone = Arc::new(AtomicBool::new(false));
        let _stop = Stop(Arc::clone(&gone));
        let (ops, telling) = (self.ops.clone(), reply.clone());
        let work = tokio::task::spawn_blocking(move || {
            let (began, told) = (Instant::now(), AtomicU64::new(0));
            let looked = |bytes: u64| {
                let due = LONG.as_millis() as u64 * (told.load(Ordering::Relaxed) + 1);
                if began.elapsed().as_millis() as u64 >= due {
                    told.fetch_add(1, Ordering::Relaxed);
                    telling.answer(Answer::LogLooked { id, seq, bytes });
                }
            };
            let by = LogAsked {
                sieve: &reading.sieve,
                floor: reading.floor,
                limit: reading.limit,
                stop: &|| gone.load(Ordering::Acquire),
                looked: &looked,
            };
            let page = handle.answer(&reading.ask, &by)?;
            Ok(match ops {
                Some(ops) => redacted(&ops, page),
                None => page,
            })
        });
        let result = match work.await {
            Ok(Ok(page)) => Ok(Box::new(page)),
            Ok(Err(LogError::Stopped)) => return,
            Ok(Err(error)) => {
                let problem = Problem::new("log", error.to_string());
                Err(match error.hint() {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                })
            }
            Err(_) => Err(Problem::new("internal_error", "reading the log: internal error")
                .hint("this is a bug in vigie; the rest of it goes on")),
        };
        reply.answer(Answer::LogPage { id, seq, result });
    }

    async fn save_text(&self, id: u64, sieve: Sieve, floor: u64, name: String) -> Result<Saved, Problem> {
        let Some(handle) = self.handle(id) else {
            return Err(Problem::new("save", "that log is not open any more"));
        };
        let gone = Arc::new(AtomicBool::new(false));
        let _stop = Stop(Arc::clone(&gone));
        let (data_dir, ops) = (self.data_dir.clone(), self.ops.clone());
        let work = tokio::task::spawn_blocking(move || {
            let (file, path) = ops::save_log(&data_dir, &name)?;
            let mut file = BufWriter::new(file);
            let by = LogAsked {
                sieve: &sieve,
                floor,
                limit: usize::MAX,
                stop: &|| gone.load(Ordering::Acquire),
                looked: &|_| {},
            };
            let mut write = |line: &[u8]| {
                match &ops {
                    Some(ops) => file.write_all(ops.redacted(&String::from_utf8_lossy(line)).as_bytes())?,
                    None => file.write_all(line)?,
                }
                file.write_all(b"\n")
            };
            let count = handle.every(&by, &mut write);
            let count = count.map_err(|error| Problem::new("save", error.to_string()))?;
            file.flush().map_err(|error| cant_write(&path, &error))?;
            let all = sieve.is_open() && floor == 0;
            Ok(Saved { path, count, all })
        });
        work.await
            .unwrap_or_else(|_| Err(Problem::new("save", "saving was interrupted")))
    }

    async fn save_job(&self, job: Option<JobId>, sieve: Sieve, name: String) -> Result<Saved, Problem> {
        let (Some(ops), Some(job)) = (&self.ops, job) else {
            return Err(Problem::new("save", "no log is shown"));
        };
        let (file, path) = ops::save_log(&self.data_dir, &name)?;
        let mut file = BufWriter::new(file);
        let (mut after, mut count) = (0, 0);
        loop {
            let lines = bounded(READ, "the log", ops.job_log(job, after, PAGE)).await?;
            let Some(last) = lines.last() else { break };
            after = last.seq;
            for line in &lines {
                if sieve.passes_text(line.text.as_str().as_bytes()) {
                    count += 1;
                    writeln!(file, "{:.3} {}", line.at, line.text).map_err(|error| cant_write(&path, &error))?;
                }
            }
        }
        file.flush().map_err(|error| cant_write(&path, &error))?;
        let all = sieve.is_open();
        Ok(Saved { path, count, all })
    }
}

struct Saved {
    path: PathBuf,
    count: u64,
    all: bool,
}

fn cant_write(path: &std::path::Path, error: &std::io::Error) -> Problem {
    Problem::new("save", format!("{}: {error}", path.display())).hint("look whether there is room on that disk")
}

fn tell_saved(saved: Result<Saved, Problem>, reply: &Reply) {
    match saved {
        Ok(Saved { path, count, all }) => {
            let what = if all { "lines" } else { "lines that pass the filters" };
            let text = format!("{count} {what} are in {}", path.display());
            flash(reply, NoticeLevel::Success, &text, None);
        }
        Err(problem) => flash(reply, NoticeLevel::Error, &problem.message, problem.hint),
    }
}

fn flash(reply: &Reply, level: NoticeLevel, text: &str, hint: Option<String>) {
    reply.send(Message::Notice(Notice::Flash {
        level,
        text: SafeText::new(text),
        hint,
    }));
}

/// The same without any secret that this process knows.
fn redacted(ops: &Ops, mut page: Page) -> Page {
    for row in &mut page.rows {
        let clean = ops.redacted(row.text.as_str());
        if clean != row.text.as_str() {
            row.text = SafeText::new(&clean);
            row.body = 0;
            row.stamp = None;
        }
        if let Some(readable) = &row.readable {
            row.readable = Some(SafeText::new(&ops.redacted(readable.as_str())));
        }
    }
    page
}

/// A door to nothing but logs: for a dashboard that shows only them.
pub struct LogDoor(Logs);

impl LogDoor {
    /// `ops`: for commands and servers' machines; without it no registry is needed.
    pub fn new(ops: Option<Ops>, data_dir: PathBuf) -> Self {
        Self(Logs::new(ops, data_dir))
    }
}

impl Door for LogDoor {
    fn carry_out(&self, effect: Effect, reply: Reply) -> BoxFuture<'static, ()> {
        let logs = self.0.clone();
        async move { logs.carry_out(effect, &reply).await }.boxed()
    }
}
