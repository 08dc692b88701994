//! The real terminal and the real signals, for the loop.

use super::input::TtyInput;
use super::out::FrameBackend;
use super::screen::Screen;
use crate::tui::run::{Host, Signal};
use futures_util::Stream;
use rustix::process::Signal as Sent;
use std::io;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::signal::unix::{self, SignalKind};

/// How long after another program had the terminal its Ctrl-C may still come in here.
const ECHO: Duration = Duration::from_millis(300);

/// The terminal that the dashboard was started on.
#[derive(Debug)]
pub struct TtyHost {
    screen: Screen,
    signals: TtySignals,
}

/// The process's signals, as far as the dashboard minds them.
#[derive(Debug)]
pub struct TtySignals {
    ends: Vec<(i32, unix::Signal)>,
    /// Signals that came before these could hear them: after the screen was entered none is lost.
    ending: Arc<AtomicUsize>,
    /// Until then Ctrl-C and Ctrl-\\ are another program's.
    deaf_until: Option<Instant>,
    stop: unix::Signal,
    go_on: unix::Signal,
    #[cfg(debug_assertions)]
    failing: Option<unix::Signal>,
}

impl TtyHost {
    /// Listens to signals around `screen`. Needs a tokio runtime.
    ///
    /// # Errors
    /// When a signal can't be listened to.
    pub fn new(screen: Screen) -> io::Result<Self> {
        let mut ends = Vec::new();
        for kind in [
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::quit(),
        ] {
            ends.push((kind.as_raw_value(), unix::signal(kind)?));
        }
        let signals = TtySignals {
            ends,
            ending: screen.ending_flag(),
            deaf_until: None,
            stop: unix::signal(SignalKind::from_raw(Sent::TSTP.as_raw()))?,
            go_on: unix::signal(SignalKind::from_raw(Sent::CONT.as_raw()))?,
            #[cfg(debug_assertions)]
            failing: super::failing::on_signal()?,
        };
        Ok(Self { screen, signals })
    }

    /// Lends the terminal to another program: see [`Screen::lend`].
    ///
    /// # Errors
    /// When the program can't be started, or the terminal has gone meanwhile.
    pub fn lend(&mut self, command: &mut Command) -> io::Result<Option<i32>> {
        let code = self.screen.lend(command);
        self.signals.deaf_until = Some(Instant::now() + ECHO);
        code
    }

    /// The screen.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }
}

impl Host for TtyHost {
    type Backend = FrameBackend;
    type Input = TtyInput;
    type Signals = TtySignals;

    fn input(&mut self) -> io::Result<TtyInput> {
        TtyInput::start()
    }

    fn signals(&mut self) -> &mut TtySignals {
        &mut self.signals
    }

    fn suspend(&mut self) -> io::Result<()> {
        #[cfg(debug_assertions)]
        if let Some(mut program) = super::failing::lends() {
            return self.lend(&mut program).map(|_| ());
        }
        self.screen.stop();
        self.screen.enter_again()
    }

    fn resume(&mut self) -> io::Result<()> {
        self.screen.enter_again()
    }
}

impl Stream for TtySignals {
    type Item = Signal;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        #[cfg(debug_assertions)]
        if let Some(failing) = &mut self.failing
            && failing.poll_recv(cx).is_ready()
        {
            super::failing::fail();
        }
        let deaf = self.deaf_until.is_some_and(|until| Instant::now() < until);
        let for_another = |number: i32| deaf && [Sent::INT, Sent::QUIT].iter().any(|sent| sent.as_raw() == number);
        for (number, signal) in &mut self.ends {
            while signal.poll_recv(cx).is_ready() {
                if !for_another(*number) {
                    return Poll::Ready(Some(Signal::End(*number)));
                }
            }
        }
        if self.stop.poll_recv(cx).is_ready() {
            return Poll::Ready(Some(Signal::Stop));
        }
        if self.go_on.poll_recv(cx).is_ready() {
            return Poll::Ready(Some(Signal::Continue));
        }
        match i32::try_from(self.ending.load(Ordering::Acquire)).unwrap_or_default() {
            0 => Poll::Pending,
            signal if for_another(signal) => {
                self.ending.store(0, Ordering::Release);
                Poll::Pending
            }
            signal => Poll::Ready(Some(Signal::End(signal))),
        }
    }
}
