//! The dashboard's own half of the guard: entering the screen, and leaving it on every way out that
//! a program can see.

use super::lend;
use super::link;
use super::modes::{self, Modes};
use super::out::Out;
use super::panics::{self, Panicked, Redact};
use rustix::process::{Pid, Signal};
use rustix::termios::Termios;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How long a terminal may take no bytes before restoring it is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// The screen, while it is up. Dropping it leaves it.
pub struct Screen {
    inner: Arc<Inner>,
    ending: Arc<AtomicUsize>,
}

struct Inner {
    tty: OwnedFd,
    modes: Mutex<Modes>,
    saved: Mutex<Termios>,
    up: Arc<AtomicBool>,
    guarded: bool,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("up", &self.is_up()).finish()
    }
}

impl Screen {
    /// Enters the screen. To be called from the thread that will draw: a panic there leaves the
    /// screen again; one in any other thread goes to `panics` and leaves it alone. What panics say goes
    /// through `redact`.
    ///
    /// # Errors
    /// When there is no terminal.
    pub fn enter(modes: Modes, redact: Redact, panics: UnboundedSender<Panicked>) -> io::Result<Self> {
        let tty = modes::input_fd()?;
        let saved = Mutex::new(modes::settings(&tty)?);
        let inner = Arc::new(Inner {
            tty,
            modes: Mutex::new(modes),
            saved,
            up: Arc::default(),
            guarded: super::guard::is_child(),
        });
        // Before the first mode is switched on: from here on no signal ends the program by itself.
        let ending = Arc::new(AtomicUsize::new(0));
        for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
            let number = usize::try_from(signal.as_raw()).unwrap_or_default();
            signal_hook::flag::register_usize(signal.as_raw(), Arc::clone(&ending), number)?;
        }
        let restore = Arc::clone(&inner);
        panics::install(Arc::new(move || restore.leave()), redact, panics);
        inner.enter()?;
        Ok(Self { inner, ending })
    }

    /// Where frames are written.
    ///
    /// # Errors
    /// When standard output can't be opened.
    pub fn out(&self) -> io::Result<Out> {
        Out::new(Arc::clone(&self.inner.up), Arc::clone(&self.ending))
    }

    /// Whether the screen is up.
    pub fn is_up(&self) -> bool {
        self.inner.up.load(Ordering::Acquire)
    }

    /// Gives the terminal back as it was. Does nothing when it already is.
    pub fn leave(&self) {
        self.inner.leave();
    }

    /// Takes the terminal again. Everything on it is to be drawn anew.
    ///
    /// # Errors
    /// When the terminal has gone.
    pub fn enter_again(&self) -> io::Result<()> {
        // After a SIGSTOP the flag may say "up" while the guard has put the terminal back.
        self.inner.up.store(false, Ordering::Release);
        self.inner.enter()
    }

    /// Leaves the screen and stops this process, as Ctrl-Z does everywhere else. Returns when it
    /// goes on; [`Screen::enter_again`] is the caller's to call then, and its input must not be
    /// reading.
    pub fn stop(&self) {
        self.leave();
        if self.inner.guarded || super::guard::can_be_resumed() {
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::STOP);
        }
    }

    /// Lends the terminal to another program (an editor, a shell) and takes it back when that ends;
    /// its exit code, `None` where a signal ended it. The caller's input must not be reading.
    ///
    /// # Errors
    /// When the program can't be started, or the terminal has gone meanwhile.
    pub fn lend(&self, command: &mut Command) -> io::Result<Option<i32>> {
        self.leave();
        let ran = self.run(command);
        self.inner.tidy();
        if let Some(signal) = ran.as_ref().ok().and_then(|ended| ended.told) {
            // The dashboard ends too: nothing is drawn any more, and what else the other switched on is
            // switched off as well.
            let number = usize::try_from(signal.as_raw()).unwrap_or_default();
            self.ending.store(number, Ordering::Release);
            let _ = modes::write_all(io::stdout().as_fd(), Modes::default().leave().as_bytes(), PATIENCE);
            return ran.map(|ended| ended.code);
        }
        // Ctrl-C and Ctrl-\ over there were not meant for this program.
        for signal in [Signal::INT, Signal::QUIT] {
            let number = usize::try_from(signal.as_raw()).unwrap_or_default();
            let _ = self
                .ending
                .compare_exchange(number, 0, Ordering::AcqRel, Ordering::Acquire);
        }
        self.enter_again()?;
        ran.map(|ended| ended.code)
    }

    fn run(&self, command: &mut Command) -> io::Result<lend::Ended> {
        let wake = lend::Wake::new()?;
        let child = on_terminal(command)?.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::NotFound)?;
        self.inner.tell(&link::lent(pid));
        let told = || {
            let ending = self.ending();
            [Signal::TERM, Signal::HUP]
                .into_iter()
                .find(|signal| ending == Some(signal.as_raw()))
        };
        // Ctrl-Z over there: the shell before us is to have the terminal, and both go on together.
        lend::until_ended(pid, &wake, told, || self.stop())
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub fn set_mouse(&self, on: bool) {
        if let Ok(mut modes) = self.inner.modes.lock() {
            modes.mouse = on;
        }
        if self.is_up() {
            let bytes = if on { modes::MOUSE_ON } else { modes::MOUSE_OFF };
            // A terminal that is gone says so to the next frame.
            let _ = modes::write_all(io::stdout().as_fd(), bytes.as_bytes(), PATIENCE);
        }
    }

    /// The signal that has asked the program to end, if one has since the screen was entered.
    pub fn ending(&self) -> Option<i32> {
        match self.ending.load(Ordering::Acquire) {
            0 => None,
            signal => i32::try_from(signal).ok(),
        }
    }

    /// The same, for who only watches.
    pub(super) fn ending_flag(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.ending)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Points a program that gets the terminal handed over at it: its standard error is the terminal
/// too, not the pipe to the guard.
///
/// # Errors
/// When the terminal can't be opened a second time.
pub fn on_terminal(command: &mut Command) -> io::Result<&mut Command> {
    let tty = io::stdout().as_fd().try_clone_to_owned()?;
    Ok(command
        .env_remove(super::guard::GUARD_ENV)
        .stdin(modes::input_fd()?)
        .stdout(tty.try_clone()?)
        .stderr(tty))
}

impl Inner {
    fn enter(&self) -> io::Result<()> {
        if self.up.load(Ordering::Acquire) {
            return Ok(());
        }
        let settings = modes::settings(&self.tty)?;
        // The guard hears of it first: from here on it would clean up.
        let modes = self.modes();
        self.tell(&link::entered(modes));
        if !is_raw(&settings)
            && let Ok(mut saved) = self.saved.lock()
        {
            // What the operator has set while we were stopped is what they get back.
            *saved = settings.clone();
        }
        modes::make_raw(&self.tty, &settings)?;
        self.up.store(true, Ordering::Release);
        modes::write_all(io::stdout().as_fd(), modes.enter().as_bytes(), PATIENCE)
    }

    fn modes(&self) -> Modes {
        // Not waited for: a panic may hold it.
        self.modes.try_lock().map(|modes| *modes).unwrap_or_default()
    }

    /// Puts right what another program may have left behind: settings without echo, half a string, another
    /// character set, a scrolling region, reports.
    fn tidy(&self) {
        if let Ok(saved) = self.saved.lock() {
            let _ = modes::put_back(&self.tty, &saved);
        }
        let _ = modes::write_all(io::stdout().as_fd(), modes::TIDY.as_bytes(), PATIENCE);
    }

    fn leave(&self) {
        if !self.up.swap(false, Ordering::AcqRel) {
            return;
        }
        let written = modes::write_all(io::stdout().as_fd(), self.modes().leave().as_bytes(), PATIENCE);
        // Not waited for: a panic in the midst of entering holds it.
        let restored = match self.saved.try_lock() {
            Ok(saved) => modes::put_back(&self.tty, &saved),
            Err(std::sync::TryLockError::Poisoned(saved)) => modes::put_back(&self.tty, &saved.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        };
        if written.is_ok() && restored.is_ok() {
            // Otherwise the guard tries as well.
            self.tell(&link::LEFT);
        }
    }

    fn tell(&self, mark: &[u8]) {
        if self.guarded {
            let _ = rustix::io::write(io::stderr(), mark);
        }
    }
}

fn is_raw(settings: &Termios) -> bool {
    !settings.local_modes.contains(rustix::termios::LocalModes::ICANON)
        && !settings.local_modes.contains(rustix::termios::LocalModes::ECHO)
}
