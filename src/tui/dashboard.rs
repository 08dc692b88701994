//! Putting the dashboard together: the screen, the loop, the tasks; and taking it apart again in an
//! order that leaves nothing behind.

use super::model::{Message, Model, Notice, NoticeLevel, UiSettings};
use super::run::{Clock, Counts, End, Loop, Pace};
use super::task::{Door, Executor, Post, mailbox};
use super::term::{FrameBackend, Modes, Panicked, Redact, Screen, TtyHost};
use super::theme::ThemeSet;
use crate::domain::{Problem, SafeText};
use ratatui::Terminal;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// How long tasks may take to stop when the dashboard ends. What runs elsewhere (a job, a query with
/// its own deadline) goes on without it.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a dashboard is started with.
#[derive(Clone)]
pub struct Dashboard {
    /// What the model is told.
    pub ui: UiSettings,
    /// Colours.
    pub themes: ThemeSet,
    /// What is switched on in the terminal.
    pub modes: Modes,
    /// How much a turn of the loop takes on.
    pub pace: Pace,
    /// Takes secrets out of what panics say.
    pub redact: Redact,
}

/// Makes what carries out effects.
pub type MakeDoor<'a> = Box<dyn FnOnce(&Post) -> Box<dyn Door> + 'a>;

/// A dashboard of a profile, and who does what it asks.
pub type Stage<'a> = (Dashboard, MakeDoor<'a>);

impl Default for Dashboard {
    fn default() -> Self {
        Self {
            ui: UiSettings::default(),
            themes: ThemeSet::default(),
            modes: Modes::default(),
            pace: Pace::default(),
            redact: Arc::new(str::to_owned),
        }
    }
}

impl std::fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dashboard")
            .field("modes", &self.modes)
            .finish_non_exhaustive()
    }
}

/// Why there was no dashboard, or why it ended early.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// Standard input or output is something else.
    #[error("the dashboard needs a terminal; `vigie --help` lists what works without one")]
    NoTerminal,
    /// The terminal failed.
    #[error("the terminal failed: {0}")]
    Terminal(#[from] io::Error),
}

impl DashboardError {
    /// Trying again doesn't help: a terminal is there or not.
    pub fn is_transient(&self) -> bool {
        false
    }

    /// What to do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoTerminal => Some("start it in a terminal, without redirecting input or output"),
            Self::Terminal(_) => None,
        }
    }
}

/// Shows the dashboard until it ends. `door` makes what carries out effects, and may send messages
/// of its own (changes of the registry) through the [`Post`]; it is dropped with the dashboard.
///
/// # Errors
/// When there is no terminal, or it fails. The terminal is the operator's again in any case.
pub async fn show<D: Door>(dashboard: Dashboard, door: impl FnOnce(&Post) -> D) -> Result<End, DashboardError> {
    let door: MakeDoor<'_> = Box::new(|post: &Post| Box::new(door(post)) as Box<dyn Door>);
    let none = |_: &str| Err(Problem::new("no_profiles", "there are no profiles here"));
    show_profiles((dashboard, door), none).await
}

/// Shows a profile's dashboard until it ends; when another is asked for, `next` makes it ready, without
/// waiting for anything, and it takes the place of the one that is shown. Whatever hangs there is let go.
///
/// # Errors
/// When there is no terminal, or it fails. The terminal is the operator's again in any case.
pub async fn show_profiles<'a>(
    first: Stage<'a>,
    mut next: impl FnMut(&str) -> Result<Stage<'a>, Problem>,
) -> Result<End, DashboardError> {
    if !super::term::is_terminal() {
        return Err(DashboardError::NoTerminal);
    }
    let (mut dashboard, mut door) = first;
    let (news, panics) = mpsc::unbounded_channel();
    let redact = Arc::new(Mutex::new(Arc::clone(&dashboard.redact)));
    let redacting: Redact = Arc::new({
        let redact = Arc::clone(&redact);
        move |text| {
            let redact = Arc::clone(&held(&redact));
            redact(text)
        }
    });
    let screen = Screen::enter(dashboard.modes, redacting, news)?;
    let mut terminal = Terminal::new(FrameBackend::new(screen.out()?))?;
    let mut host = TtyHost::new(screen)?;
    let (post, mut mail) = mailbox();
    let told = Arc::new(Mutex::new(post.clone()));
    let teller = tokio::spawn(tell_panics(panics, Arc::clone(&told)));
    let mut executor = Executor::new(door(&post), post, Handle::current());
    let clock = Clock::new(jiff::tz::TimeZone::system());
    let end = loop {
        let size = terminal.size()?;
        let mut model = Model::new(dashboard.ui, (size.width, size.height));
        let mut ready = None;
        let end = Loop {
            host: &mut host,
            terminal: &mut terminal,
            model: &mut model,
            themes: &dashboard.themes,
            mouse: dashboard.modes.mouse,
            switch: &mut |name| {
                ready = Some(next(name)?);
                Ok(())
            },
            mailbox: &mut mail,
            submit: &mut |effect| executor.submit(effect),
            clock: &clock,
            pace: dashboard.pace,
            counts: Counts::default(),
        }
        .run()
        .await;
        let Some(stage) = ready.filter(|_| matches!(end, Ok(End::Profile))) else {
            break end;
        };
        // A mailbox of its own: what the old profile's tasks still say belongs to nobody.
        (dashboard, door) = stage;
        let (post, fresh) = mailbox();
        mail = fresh;
        *held(&redact) = Arc::clone(&dashboard.redact);
        *held(&told) = post.clone();
        let opened = Executor::new(door(&post), post, Handle::current());
        std::mem::replace(&mut executor, opened).abandon();
        terminal.clear()?;
    };
    // The terminal first: nothing that hangs below may keep it from the operator.
    host.screen().leave();
    executor.shut_down(PATIENCE).await;
    teller.abort();
    match (end, host.screen().ending()) {
        (Ok(end), _) => Ok(end),
        (Err(_), Some(signal)) => Ok(End::Signal(signal)),
        // Whether reading or writing noticed first that the terminal has gone is chance.
        (Err(e), None) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => Ok(End::Gone),
        (Err(e), None) => Err(e.into()),
    }
}

fn held<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The exit status of a dashboard that ended so: 128 + the signal's number, as a shell would say it.
pub fn status(end: End) -> u8 {
    match end {
        End::Quit | End::Profile => 0,
        End::Signal(signal) => u8::try_from(128 + signal).unwrap_or(255),
        End::Gone => 129,
    }
}

/// Runs `future` on a runtime of its own, and ends without waiting for what hangs. A panic in it
/// has been reported by the screen's hook; here it becomes status 101.
pub fn block_on(future: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            tracing::error!("no runtime: {e}");
            return ExitCode::FAILURE;
        }
    };
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(future)));
    runtime.shutdown_timeout(PATIENCE);
    ended.unwrap_or(ExitCode::from(101))
}

async fn tell_panics(mut panics: mpsc::UnboundedReceiver<Panicked>, post: Arc<Mutex<Post>>) {
    while let Some(panicked) = panics.recv().await {
        let post = held(&post).clone();
        post.send(Message::Notice(Notice::Flash {
            level: NoticeLevel::Error,
            text: SafeText::new(&format!("internal error in {}: {panicked}", panicked.thread)),
            hint: Some("this is a bug in vigie; the rest of it goes on".into()),
        }));
    }
}
