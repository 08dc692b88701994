//! Panics: in the main thread one ends the dashboard after the terminal is put back; anywhere else
//! it is news for the screen, which stays as it is.

use crate::domain::SafeText;
use futures_util::FutureExt;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// A panic that was survived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    /// The thread's name.
    pub thread: SafeText,
    /// File and line.
    pub place: SafeText,
    /// What it said.
    pub message: SafeText,
}

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.place)
    }
}

thread_local! {
    /// Whether this thread is polling a future of [`catching`], and what it caught.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<Panicked>> = const { RefCell::new(None) };
}

/// Takes secrets out of text.
pub type Redact = Arc<dyn Fn(&str) -> String + Send + Sync>;

fn describe(info: &PanicHookInfo<'_>, redact: &Redact) -> Panicked {
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    Panicked {
        thread: SafeText::new(std::thread::current().name().unwrap_or("unnamed")),
        place: SafeText::new(&place),
        message: SafeText::capped(&redact(message), 2048),
    }
}

/// Installs the hook: `restore` is called when the calling thread panics, before its report is
/// written to standard error; `news` gets the panics of all others.
pub(super) fn install(restore: Arc<dyn Fn() + Send + Sync>, redact: Redact, news: UnboundedSender<Panicked>) {
    let main = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        let panicked = describe(info, &redact);
        if CATCHING.get() {
            CAUGHT.set(Some(panicked));
        } else if std::thread::current().id() == main {
            restore();
            let report = format!(
                "vigie: internal error: {panicked}\n\
                 This is a bug in vigie. The terminal has been put back, and running jobs are not affected.\n"
            );
            let trace = std::backtrace::Backtrace::capture();
            let trace = match trace.status() {
                std::backtrace::BacktraceStatus::Captured => trace.to_string(),
                _ => "Set RUST_BACKTRACE=1 to see where it came from.\n".into(),
            };
            for text in [report, trace] {
                let _ = rustix::io::write(std::io::stderr(), text.as_bytes());
            }
        } else {
            tracing::error!(thread = %panicked.thread, "panic: {panicked}");
            let _ = news.send(panicked);
        }
    }));
}

/// Runs a future to its end, or to its panic.
///
/// # Errors
/// When it panicked. The message and place are known only where the hook of a [`super::Screen`] is
/// installed.
pub async fn catching<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(AssertUnwindSafe(future).catch_unwind());
    std::future::poll_fn(move |cx| {
        let before = CATCHING.replace(true);
        let polled = future.as_mut().poll(cx);
        CATCHING.set(before);
        polled
    })
    .await
    .map_err(|payload| {
        CAUGHT.take().unwrap_or_else(|| Panicked {
            thread: SafeText::new(std::thread::current().name().unwrap_or("unnamed")),
            place: SafeText::default(),
            message: SafeText::capped(
                payload
                    .downcast_ref::<&str>()
                    .copied()
                    .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                    .unwrap_or("no message"),
                2048,
            ),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panicking_future_is_a_value() {
        assert_eq!(catching(async { 7 }).await, Ok(7));
        let caught = catching(async {
            tokio::task::yield_now().await;
            panic!("on purpose\x1b[31m");
        })
        .await;
        let panicked: Panicked = Result::<(), _>::unwrap_err(caught);
        assert!(panicked.message.as_str().starts_with("on purpose"));
        assert!(!panicked.message.as_str().contains('\x1b'));
        assert!(!CATCHING.get());
    }
}
