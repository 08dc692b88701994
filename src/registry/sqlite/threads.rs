//! SQLite's calls block, so they have threads of their own: one that writes, two that read, and none
//! of them ever keeps an async one waiting.

use crate::registry::{RegistryError, Result};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

type Call = Box<dyn FnOnce(&mut Connection) + Send>;

/// Threads with a connection each, that take calls from one queue.
pub(super) struct Pool {
    queue: Option<Sender<Call>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Pool {
    /// # Errors
    /// When a thread can't be started.
    pub(super) fn start(name: &str, connections: Vec<Connection>) -> std::io::Result<Self> {
        let (queue, calls) = channel::<Call>();
        let calls = Arc::new(Mutex::new(calls));
        let mut threads = Vec::new();
        for mut conn in connections {
            let calls = Arc::clone(&calls);
            let builder = std::thread::Builder::new().name(format!("registry-{name}"));
            threads.push(builder.spawn(move || {
                while let Some(call) = next(&calls) {
                    // A bug in one call must not take the registry away from all the others; an open
                    // transaction is rolled back on the way.
                    if catch_unwind(AssertUnwindSafe(|| call(&mut conn))).is_err() {
                        tracing::error!("a call of the registry panicked");
                    }
                }
            })?);
        }
        Ok(Self {
            queue: Some(queue),
            threads,
        })
    }

    /// Runs `work` on one of the threads. A call that nobody waits for any more when its turn comes is
    /// not begun; one that is begun is finished.
    ///
    /// # Errors
    /// What `work` says, or a transient [`RegistryError::Store`] when `limit` is over.
    pub(super) async fn run<T, F>(&self, limit: Duration, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let (answer, waiting) = oneshot::channel();
        let call: Call = Box::new(move |conn| {
            if !answer.is_closed() {
                // Nobody may be waiting any more: the answer is theirs to lose.
                let _lost = answer.send(work(conn));
            }
        });
        let sent = self.queue.as_ref().map(|queue| queue.send(call));
        if !matches!(sent, Some(Ok(()))) {
            return Err(gone("it was closed"));
        }
        match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(gone("the call ended without an answer")),
            Err(_) => Err(RegistryError::Store {
                what: format!("no answer within {} s", limit.as_secs()),
                transient: true,
            }),
        }
    }
}

fn next(calls: &Mutex<Receiver<Call>>) -> Option<Call> {
    calls.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn gone(why: &str) -> RegistryError {
    RegistryError::Store {
        what: why.to_owned(),
        transient: false,
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // What was begun is finished, so that the last commit's answer is true.
            let _panicked = thread.join();
        }
    }
}
