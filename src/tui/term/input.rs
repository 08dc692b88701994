//! The thread that reads the terminal, and the stream of events it makes.
//!
//! It sleeps in the kernel until a byte, a hang-up or its end comes: no ticks. While it doesn't
//! exist (suspended, or handed over to an editor) nobody here takes a byte from the terminal.

use super::keys::Parser;
use super::modes;
use crossterm::event::Event;
use futures_util::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// How long an ESC waits for what may follow it, in nanoseconds. A terminal of this machine writes a key's bytes at
/// once: what an operator feels is this wait, at every Escape. (A terminal that tells Escape from sequences by
/// itself, which is asked for, makes nobody wait.)
const ESCAPE_WAIT: i64 = 8_000_000;
/// The same over a link, on which the bytes of one key may come apart, but hardly more than this.
const ESCAPE_WAIT_LINK: i64 = 30_000_000;

/// How long an ESC waits here: a link is ssh's, unless a multiplexer sits at its end, which puts keys together itself.
fn escape_wait(set: impl Fn(&str) -> bool) -> i64 {
    let link = set("SSH_CONNECTION") || set("SSH_TTY");
    match link && !set("TMUX") && !set("STY") {
        true => ESCAPE_WAIT_LINK,
        false => ESCAPE_WAIT,
    }
}

/// Events of the terminal: keys, pastes, focus, mouse, and its size when that changes. Ends when
/// the terminal has gone.
#[derive(Debug)]
pub struct TtyInput {
    events: mpsc::Receiver<Event>,
    resized: Signal,
    stop: UnixStream,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TtyInput {
    /// Starts reading. The terminal must be in raw mode.
    ///
    /// # Errors
    /// When there is no terminal, or no thread is to be had.
    pub fn start() -> io::Result<Self> {
        let tty = modes::input_fd()?;
        let (stop, stopped) = UnixStream::pair()?;
        let (sender, events) = mpsc::channel(1024);
        let thread = std::thread::Builder::new()
            .name("input".into())
            .spawn(move || read(&tty, &stopped, &sender))?;
        Ok(Self {
            events,
            resized: signal(SignalKind::window_change())?,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for TtyInput {
    fn drop(&mut self) {
        // Closing the channel frees a thread that waits for room in it, the stream one that polls.
        self.events.close();
        let _ = self.stop.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Stream for TtyInput {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.resized.poll_recv(cx).is_ready()
            && let Ok((columns, rows)) = modes::size()
        {
            return Poll::Ready(Some(Event::Resize(columns, rows)));
        }
        self.events.poll_recv(cx)
    }
}

fn read(tty: &OwnedFd, stopped: &UnixStream, sender: &mpsc::Sender<Event>) {
    let (mut parser, mut events, mut buffer) = (Parser::default(), Vec::new(), [0; 4096]);
    let escape_wait = Timespec {
        tv_sec: 0,
        tv_nsec: escape_wait(|name| std::env::var_os(name).is_some()),
    };
    loop {
        let mut fds = [PollFd::new(tty, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        match poll(&mut fds, parser.is_waiting().then_some(&escape_wait)) {
            Ok(0) => parser.give_up(&mut events),
            Ok(_) => {
                let [tty_is, stop_is] = fds.map(|fd| fd.revents());
                if !stop_is.is_empty() {
                    return;
                }
                if tty_is.contains(PollFlags::IN) {
                    match rustix::io::read(tty, &mut buffer) {
                        // End of file or an error is a terminal that has gone.
                        Ok(0) => return,
                        Ok(n) => parser.feed(buffer.get(..n).unwrap_or_default(), &mut events),
                        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                        Err(_) => return,
                    }
                } else if !tty_is.is_empty() {
                    return;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        for event in events.drain(..) {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_waits_longer_only_where_a_link_may_part_a_key() {
        let wait = |set: &'static [&str]| escape_wait(|name| set.contains(&name));
        assert_eq!(wait(&[]), ESCAPE_WAIT);
        assert_eq!(wait(&["TMUX"]), ESCAPE_WAIT);
        assert_eq!(wait(&["SSH_TTY"]), ESCAPE_WAIT_LINK);
        assert_eq!(wait(&["SSH_CONNECTION", "SSH_TTY"]), ESCAPE_WAIT_LINK);
        assert_eq!(wait(&["SSH_CONNECTION", "TMUX"]), ESCAPE_WAIT);
    }
}
