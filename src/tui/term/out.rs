//! Frames on their way to the terminal: one write each, in a synchronized update, and not a byte
//! for a frame that changes nothing.

use super::modes;
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Collects bytes and writes them to the terminal on `flush`, and only while the screen is up. What
/// a panic leaves half drawn is dropped with it.
#[derive(Debug)]
pub struct Out {
    tty: OwnedFd,
    buffer: Vec<u8>,
    up: Arc<AtomicBool>,
    ending: Arc<AtomicUsize>,
    written: Arc<AtomicU64>,
}

impl Out {
    pub(super) fn new(up: Arc<AtomicBool>, ending: Arc<AtomicUsize>) -> io::Result<Self> {
        Ok(Self {
            tty: own_description()?,
            buffer: Vec::with_capacity(64 * 1024),
            up,
            ending,
            written: Arc::default(),
        })
    }

    /// Counts the bytes written so far.
    pub fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// Writes the buffer. A terminal that takes nothing is waited for, but never beyond a signal
    /// that asks to end: a dead link must not keep the process.
    fn send(&self) -> io::Result<()> {
        let mut bytes = self.buffer.as_slice();
        let look_again = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        while !bytes.is_empty() {
            // Short pieces: a terminal opened by another user can't be made non-blocking.
            let piece = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
            match rustix::io::write(&self.tty, piece) {
                Ok(n) => {
                    self.written.fetch_add(n as u64, Ordering::Relaxed);
                    bytes = bytes.get(n..).unwrap_or_default();
                }
                Err(rustix::io::Errno::AGAIN) => {
                    let mut fds = [PollFd::new(&self.tty, PollFlags::OUT)];
                    let _ = poll(&mut fds, Some(&look_again));
                    if self.ending.load(Ordering::Acquire) != 0 {
                        return Err(io::ErrorKind::Interrupted.into());
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

/// Standard output opened anew, so that it can be non-blocking without the shell's being so.
fn own_description() -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match open("/dev/fd/1", flags, Mode::empty()) {
        Ok(fd) if rustix::termios::isatty(&fd) => Ok(fd),
        _ => io::stdout().as_fd().try_clone_to_owned(),
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = if self.up.load(Ordering::Acquire) {
            self.send()
        } else {
            Ok(())
        };
        self.buffer.clear();
        sent
    }
}

/// A backend that draws through [`Out`]: it remembers what the cursor is, and brackets what a frame
/// really changes, so that equal frames cost nothing.
#[derive(Debug)]
pub struct FrameBackend<W: Write = Out> {
    inner: CrosstermBackend<W>,
    in_frame: bool,
    /// `None` when not known.
    cursor_shown: Option<bool>,
    cursor_at: Option<Position>,
}

impl<W: Write> FrameBackend<W> {
    /// Draws to `out`.
    pub fn new(out: W) -> Self {
        Self {
            inner: CrosstermBackend::new(out),
            in_frame: false,
            cursor_shown: None,
            cursor_at: None,
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.in_frame {
            queue!(self.inner, BeginSynchronizedUpdate)?;
            self.in_frame = true;
        }
        Ok(())
    }

    fn unknown(&mut self) {
        self.cursor_shown = None;
        self.cursor_at = None;
    }
}

impl<W: Write> Backend for FrameBackend<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        if content.peek().is_none() {
            return Ok(());
        }
        self.begin()?;
        self.cursor_at = None;
        self.inner.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor_shown == Some(false) {
            return Ok(());
        }
        self.begin()?;
        self.cursor_shown = Some(false);
        queue!(self.inner, crossterm::cursor::Hide)
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.cursor_shown == Some(true) {
            return Ok(());
        }
        self.begin()?;
        self.cursor_shown = Some(true);
        queue!(self.inner, crossterm::cursor::Show)
    }

    /// Where it was put last: asking the terminal would wait for an answer.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor_at.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let position = position.into();
        if self.cursor_at == Some(position) {
            return Ok(());
        }
        self.begin()?;
        self.cursor_at = Some(position);
        queue!(self.inner, crossterm::cursor::MoveTo(position.x, position.y))
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        // Whatever stood there may have been another program's: nothing is taken for known.
        self.begin()?;
        self.unknown();
        let what = match clear_type {
            ClearType::All => crossterm::terminal::ClearType::All,
            ClearType::AfterCursor => crossterm::terminal::ClearType::FromCursorDown,
            ClearType::BeforeCursor => crossterm::terminal::ClearType::FromCursorUp,
            ClearType::CurrentLine => crossterm::terminal::ClearType::CurrentLine,
            ClearType::UntilNewLine => crossterm::terminal::ClearType::UntilNewLine,
        };
        queue!(self.inner, crossterm::terminal::Clear(what))
    }

    /// Asked of the terminal; crossterm's own way would run a program where it doesn't know.
    fn size(&self) -> io::Result<Size> {
        modes::size().map(Size::from)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize {
            columns_rows: self.size()?,
            pixels: Size::default(),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.in_frame {
            return Ok(());
        }
        self.in_frame = false;
        queue!(self.inner, EndSynchronizedUpdate)?;
        Write::flush(&mut self.inner)
    }
}

/// Writes something that is no frame (a bell, the clipboard) at once.
///
/// # Errors
/// When the terminal has gone.
pub fn write_now(bytes: &[u8]) -> io::Result<()> {
    modes::write_all(io::stdout().as_fd(), bytes, std::time::Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::{Terminal, TerminalOptions, Viewport, layout::Rect, widgets::Paragraph};
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_frame_is_one_synchronized_update_and_an_equal_one_is_nothing() {
        let sink = Sink::default();
        let options = TerminalOptions {
            viewport: Viewport::Fixed(Rect::new(0, 0, 20, 3)),
        };
        let mut terminal = Terminal::with_options(FrameBackend::new(sink.clone()), options).unwrap();
        let take = || String::from_utf8(std::mem::take(&mut *sink.0.lock().unwrap())).unwrap();
        terminal
            .draw(|f| f.render_widget(Paragraph::new("hello"), f.area()))
            .unwrap();
        let first = take();
        assert!(
            first.starts_with("\x1b[?2026h") && first.ends_with("\x1b[?2026l"),
            "{first:?}"
        );
        assert!(first.contains("hello"));
        terminal
            .draw(|f| f.render_widget(Paragraph::new("hello"), f.area()))
            .unwrap();
        assert_eq!(take(), "");
        terminal
            .draw(|f| f.render_widget(Paragraph::new("hallo"), f.area()))
            .unwrap();
        let third = take();
        assert_eq!(third.matches("\x1b[?2026h").count(), 1, "{third:?}");
        terminal
            .draw(|f| {
                f.render_widget(Paragraph::new("hallo"), f.area());
                f.set_cursor_position((3, 0));
            })
            .unwrap();
        assert!(take().contains("\x1b[?25h"));
        terminal
            .draw(|f| {
                f.render_widget(Paragraph::new("hallo"), f.area());
                f.set_cursor_position((3, 0));
            })
            .unwrap();
        assert_eq!(take(), "", "a resting cursor costs nothing");
    }
}
