//! Logs to be read: a file, followed through rotation and truncation, or what a command writes, in a
//! ring of bounded size. Both are bytes under positions that only grow; what is asked of them
//! ([`Ask`]) is answered by looking at as much as needed, never at more than a block at a time, so
//! that a file of any size opens at once.
//!
//! Memory: the ring holds [`RING_BYTES`]; of a file only every [`index::EVERY`]th line's position is
//! kept (8 bytes each: 20 KB for ten million lines), and one block of 256 KiB while it is read.

mod answer;
mod chain;
mod follow;
mod index;
mod lines;
mod ring;

pub use index::EVERY;

use crate::domain::SafeText;
use crate::domain::log::{Ask, LogStatus, Page, Sieve};
use chain::Chain;
use index::Index;
use ring::Ring;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::DropGuard;

/// Most bytes of a command's output that are held; the oldest are let go, and counted.
pub const RING_BYTES: usize = 16 << 20;

/// Bytes under positions that only grow.
trait Bytes: Send + Sync {
    /// The first position that can be read.
    fn start(&self) -> u64;
    /// Behind the last.
    fn end(&self) -> u64;
    /// Reads from a position on; fewer bytes than there is room for only before the end of a part.
    /// 0: there is nothing (any more).
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// Why a log can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It can't be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else than a file of lines.
    #[error("{path} is {what}, not a file of lines")]
    Kind {
        /// Which.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The asker has gone meanwhile.
    #[error("stopped")]
    Stopped,
    /// No line of it says when it was written.
    #[error("no line here says when it was written in a way that is known")]
    NoTimes,
}

impl LogError {
    /// Whether the same may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::Interrupted)
    }

    /// What to do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Some("look at the path; `~` is your home, and nothing else is expanded"),
                io::ErrorKind::PermissionDenied => {
                    Some("this user may not read it: `!sudo -n tail -n 10000 -F PATH` may, where sudo is set up so")
                }
                _ => None,
            },
            Self::Kind { what, .. } if what.starts_with("compressed") => Some("open `!zcat PATH` instead"),
            Self::Kind { .. } => Some("`!COMMAND` shows what a command writes"),
            Self::NoTimes => Some("Odoo's, PostgreSQL's, web servers' and ISO times are known"),
            Self::Stopped => None,
        }
    }
}

enum Store {
    File(Chain),
    Output(Ring),
}

impl Store {
    fn bytes(&self) -> &dyn Bytes {
        match self {
            Self::File(chain) => chain,
            Self::Output(ring) => ring,
        }
    }
}

struct Inner {
    store: Store,
    path: String,
    index: Mutex<Index>,
    status: watch::Sender<LogStatus>,
}

impl Inner {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A log that is open. Cheap to clone; what follows it ends with the last clone.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
    _stop: Option<Arc<DropGuard>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Opens a file and follows it: counts its lines in the background, and notices when it grows, is
    /// rotated or truncated. Needs a tokio runtime; call it where waiting for the disk is fine.
    ///
    /// # Errors
    /// When it can't be read, or is no file of lines.
    pub fn file(path: &Path) -> Result<Self, LogError> {
        let name = path.display().to_string();
        let chain = Chain::open(path)?;
        let status = LogStatus {
            end: chain.end(),
            ..LogStatus::default()
        };
        let inner = Arc::new(Inner {
            store: Store::File(chain),
            path: name,
            index: Mutex::default(),
            status: watch::channel(status).0,
        });
        let stop = follow::start(path, &inner);
        Ok(Self {
            inner,
            _stop: Some(Arc::new(stop)),
        })
    }

    /// A log for what a command is going to write: at most `bytes` of it are held.
    pub fn output(name: &str, bytes: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                store: Store::Output(Ring::new(bytes)),
                path: name.to_owned(),
                index: Mutex::default(),
                status: watch::channel(LogStatus::default()).0,
            }),
            _stop: None,
        }
    }

    /// Takes a line of a command's output.
    pub fn push(&self, line: &str) {
        let Store::Output(ring) = &self.inner.store else { return };
        let state = ring.push(line);
        self.inner.status.send_modify(|status| {
            status.start = state.start;
            status.end = state.end;
            status.lines += 1;
            status.counted = state.end;
            status.new_lines += 1;
            status.dropped = state.dropped;
        });
    }

    /// Nothing more will come, and why.
    pub fn finish(&self, why: &SafeText) {
        self.inner.status.send_modify(|status| status.over = Some(why.clone()));
    }

    /// Where it stands, and a way to wait until that changes.
    pub fn status(&self) -> watch::Receiver<LogStatus> {
        self.inner.status.subscribe()
    }

    /// Answers a question. Blocks on the disk; `stop` is asked between blocks, `looked` told how many
    /// bytes were looked at.
    ///
    /// # Errors
    /// When it can't be read, was stopped, or a time is asked for and no line has one.
    pub fn answer(&self, ask: &Ask, by: &Asked<'_>) -> Result<Page, LogError> {
        answer::answer(&self.inner, ask, by)
    }

    /// Hands out every line that passes, from the first on; its own bytes, not more than are looked at.
    ///
    /// # Errors
    /// When it can't be read, `each` fails, or it was stopped.
    pub fn every(&self, by: &Asked<'_>, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<u64, LogError> {
        answer::every(&self.inner, by, each)
    }
}

/// How a question is to be answered.
pub struct Asked<'a> {
    /// What is let through.
    pub sieve: &'a Sieve,
    /// Nothing before this position.
    pub floor: u64,
    /// At most so many lines.
    pub limit: usize,
    /// Whether the answer is still wanted; asked between blocks.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Told how many bytes were looked at.
    pub looked: &'a (dyn Fn(u64) + Sync),
}

#[cfg(test)]
mod tests;
