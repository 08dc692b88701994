//! The real terminal and the real signals, for the loop.

use super::input::TtyInput;
use super::out::FrameBackend;
use super::screen::Screen;
use crate::domain::SafeText;
use crate::domain::alert::Osc;
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

    fn lend(&mut self, command: &mut Command) -> io::Result<Option<i32>> {
        Self::lend(self, command)
    }

    fn mouse(&mut self, on: bool) {
        self.screen.set_mouse(on);
    }

    fn copy(&mut self, text: &str) {
        let var = |name| std::env::var(name).unwrap_or_default();
        let around = Around::of(&var("TMUX"), &var("TERM"));
        // A terminal that is gone says so to the next frame.
        let _ = super::out::write_now(&clipboard(text, around));
    }

    fn call(&mut self, bell: bool, notice: Option<(Osc, &SafeText)>) {
        let var = |name| std::env::var(name).unwrap_or_default();
        let around = Around::of(&var("TMUX"), &var("TERM"));
        // A terminal that is gone says so to the next frame.
        let _ = super::out::write_now(&calling(bell, notice, around));
    }
}

/// The bytes that call the operator: the bell itself, so that tmux marks the window, and notices to the
/// desktop (OSC 9, OSC 777), which tmux hands on where its `allow-passthrough` is on.
fn calling(bell: bool, notice: Option<(Osc, &SafeText)>, around: Around) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some((osc, text)) = notice {
        // Nothing in it can end the sequence: controls are pictures in a safe text.
        let text = SafeText::capped(text.as_str(), 240);
        let nine = format!("\x1b]9;vigie: {text}\x1b\\");
        let triple7 = format!("\x1b]777;notify;vigie;{}\x1b\\", text.as_str().replace(';', ","));
        let all = match osc {
            Osc::Nine => vec![nine],
            Osc::Triple7 => vec![triple7],
            Osc::Both => vec![nine, triple7],
        };
        for one in all {
            match around {
                Around::Nothing => out.extend_from_slice(one.as_bytes()),
                Around::Tmux => {
                    let wrapped = format!("\x1bPtmux;{}\x1b\\", one.replace('\x1b', "\x1b\x1b"));
                    out.extend_from_slice(wrapped.as_bytes());
                }
                // It ends an envelope at the first ESC \: there is no way to hand one on whole.
                Around::Screen => {}
            }
        }
    }
    if bell {
        out.push(0x07);
    }
    out
}

/// What stands between this program and the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    Tmux,
    Screen,
}

impl Around {
    fn of(tmux: &str, term: &str) -> Self {
        match (tmux.is_empty(), term.starts_with("screen")) {
            (false, _) => Self::Tmux,
            (true, true) => Self::Screen,
            (true, false) => Self::Nothing,
        }
    }
}

/// The bytes that put a text into the clipboard (OSC 52). tmux takes them for itself where its
/// `set-clipboard` is `on`, and hands them on in an envelope where `allow-passthrough` is: it gets both.
fn clipboard(text: &str, around: Around) -> Vec<u8> {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    let plain = format!("\x1b]52;c;{encoded}\x1b\\");
    match around {
        Around::Nothing => plain.into_bytes(),
        Around::Tmux => format!("{plain}\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")).into_bytes(),
        Around::Screen => {
            // It cuts long envelopes: many short ones are put together again by the terminal.
            let mut out = Vec::new();
            let inner = format!("\x1b]52;c;{encoded}\x07");
            for piece in inner.as_bytes().chunks(240) {
                out.extend_from_slice(b"\x1bP");
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\x1b\\");
            }
            out
        }
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

#[cfg(test)]
mod calling_tests {
    use super::*;

    #[test]
    fn a_call_is_one_bell_and_notices_that_nothing_breaks_out_of() {
        let hostile = SafeText::new("\x1b\\\x07]0;owned; prod-1\u{9c}");
        let plain = calling(true, Some((Osc::Both, &hostile)), Around::Nothing);
        assert_eq!(plain.iter().filter(|byte| **byte == 0x07).count(), 1, "the bell alone");
        assert_eq!(
            plain.iter().filter(|byte| **byte == 0x1b).count(),
            4,
            "two sequences, each with its end"
        );
        let text = String::from_utf8(plain).unwrap();
        assert!(
            text.starts_with("\x1b]9;vigie: ") && text.contains("\x1b]777;notify;vigie;"),
            "{text:?}"
        );
        assert!(!text.contains('\u{9c}'));
        let body = text.split("notify;vigie;").nth(1).unwrap();
        assert!(!body.contains(';'), "{body:?}");
        let tmux = calling(true, Some((Osc::Nine, &SafeText::new("x"))), Around::Tmux);
        assert_eq!(tmux, b"\x1bPtmux;\x1b\x1b]9;vigie: x\x1b\x1b\\\x1b\\\x07");
        assert_eq!(calling(true, Some((Osc::Nine, &hostile)), Around::Screen), b"\x07");
        assert!(calling(false, None, Around::Nothing).is_empty());
    }
}

#[cfg(test)]
mod clipboard_tests {
    use super::*;

    #[test]
    fn a_text_is_copied_through_whatever_stands_between() {
        assert_eq!(clipboard("hi", Around::Nothing), b"\x1b]52;c;aGk=\x1b\\");
        let tmux = String::from_utf8(clipboard("hi", Around::of("/tmp/tmux,1,0", "tmux-256color"))).unwrap();
        assert_eq!(tmux, "\x1b]52;c;aGk=\x1b\\\x1bPtmux;\x1b\x1b]52;c;aGk=\x1b\x1b\\\x1b\\");
        let screen = clipboard(&"x".repeat(600), Around::of("", "screen"));
        assert_eq!(screen.windows(2).filter(|two| *two == b"\x1bP").count(), 4);
        // What is copied can't end the envelope: it is encoded.
        let hostile = clipboard("\x1b\\\x07\x1b]0;x", Around::Nothing);
        assert_eq!(hostile.iter().filter(|byte| **byte == 0x1b).count(), 2);
    }
}
