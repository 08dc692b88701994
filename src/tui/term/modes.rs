//! What a full-screen program switches on in a terminal, and the bytes that switch it off again.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What is switched on beside raw mode, the alternate screen, bracketed paste and focus reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Modes {
    /// Mouse reports. Off by default: they take selecting and copying text away from the terminal.
    pub mouse: bool,
    /// The keyboard protocol that tells Ctrl-I from Tab. Off by default: half the terminals between
    /// here and the operator answer it wrongly.
    pub keyboard: bool,
}

/// Takes the mouse: buttons and the wheel, in numbers.
pub(super) const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
/// Leaves it to the terminal.
pub(super) const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";
/// Ends what another program may have left behind: a string, an update, other characters, a scrolling region,
/// insertion, the origin inside of a region, the keypad's and the cursor keys' other codes, reports, the keyboard's
/// protocol, the other screen.
pub(super) const TIDY: &str = "\x1b\\\x1b[?2026l\x1b[!p\x1b(B\x0f\x1b[r\x1b[4l\x1b[?6l\x1b[?1l\x1b>\x1b[?5l\x1b[?7h\x1b[?1003l\x1b[?1006l\x1b[?1002l\x1b[?1000l\x1b[?1049l\x1b[0m";

impl Modes {
    /// One printable byte, for the guard process.
    pub(super) fn to_byte(self) -> u8 {
        b'@' | u8::from(self.mouse) | (u8::from(self.keyboard) << 1)
    }

    pub(super) fn from_byte(byte: u8) -> Self {
        Self {
            mouse: byte & 1 != 0,
            keyboard: byte & 2 != 0,
        }
    }

    /// The bytes that enter the screen.
    pub fn enter(self) -> String {
        let mut out = String::from("\x1b[?1049h\x1b[?2004h\x1b[?1004h");
        if self.mouse {
            out.push_str(MOUSE_ON);
        }
        if self.keyboard {
            out.push_str("\x1b[>1u");
        }
        out.push_str("\x1b[?25l\x1b[2J\x1b[H");
        out
    }

    /// The bytes that leave it, in an order that suits a terminal found in the middle of anything:
    /// first the end of a string it may still be reading, then of a synchronized update, and the
    /// alternate screen last, so that what is reset is reset on both screens.
    pub fn leave(self) -> String {
        let mut out = String::from("\x1b\\\x1b[?2026l");
        if self.keyboard {
            // Pops what was pushed, nothing else: the shell may have its own below.
            out.push_str("\x1b[<u");
        }
        out.push_str("\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1004l\x1b[?2004l");
        out.push_str("\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l\x1b[?25h");
        out
    }
}

/// The terminal as an open file: standard input where it is one, else the controlling terminal.
pub(super) fn input_fd() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    if rustix::termios::isatty(stdin.as_fd()) {
        return stdin.as_fd().try_clone_to_owned();
    }
    Ok(std::fs::File::options().read(true).write(true).open("/dev/tty")?.into())
}

/// Whether a dashboard can be shown: what it writes goes to a terminal, and there is one to read.
pub fn is_terminal() -> bool {
    rustix::termios::isatty(io::stdout().as_fd()) && input_fd().is_ok_and(|fd| rustix::termios::isatty(fd.as_fd()))
}

/// The terminal's size, columns and rows. One that doesn't know its size is taken for 80×24, as
/// programs have always done.
pub(super) fn size() -> io::Result<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout().as_fd())?;
    if size.ws_col == 0 || size.ws_row == 0 {
        return Ok((80, 24));
    }
    Ok((size.ws_col, size.ws_row))
}

/// The terminal's settings as they are.
pub(super) fn settings(tty: impl AsFd) -> io::Result<Termios> {
    Ok(tcgetattr(tty)?)
}

/// Switches to raw mode. Pending output isn't waited for, so that a stuck terminal can't block.
pub(super) fn make_raw(tty: impl AsFd, from: &Termios) -> io::Result<()> {
    let mut raw = from.clone();
    raw.make_raw();
    Ok(tcsetattr(tty, OptionalActions::Now, &raw)?)
}

/// Puts settings back, at once.
pub(super) fn put_back(tty: impl AsFd, saved: &Termios) -> io::Result<()> {
    Ok(tcsetattr(tty, OptionalActions::Now, saved)?)
}

/// Writes all of `bytes`, giving up on a terminal that takes nothing for `patience`.
pub(super) fn write_all(to: impl AsFd, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    let wait = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(1),
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    while !bytes.is_empty() {
        let mut fds = [PollFd::new(&to, PollFlags::OUT)];
        match poll(&mut fds, Some(&wait)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        }
        match rustix::io::write(&to, bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_travel_in_a_byte() {
        for (mouse, keyboard) in [(false, false), (true, false), (false, true), (true, true)] {
            let modes = Modes { mouse, keyboard };
            assert_eq!(Modes::from_byte(modes.to_byte()), modes);
            assert!(modes.to_byte().is_ascii_graphic());
        }
    }

    #[test]
    fn whatever_is_entered_is_left() {
        let modes = Modes {
            mouse: true,
            keyboard: true,
        };
        let (enter, leave) = (modes.enter(), modes.leave());
        let mut found = 0;
        for mode in enter
            .split("\x1b[?")
            .skip(1)
            .filter_map(|s| s.split_once('h').map(|(n, _)| n))
        {
            if mode.bytes().all(|b| b.is_ascii_digit()) {
                assert!(leave.contains(&format!("\x1b[?{mode}l")), "mode {mode} stays on");
                found += 1;
            }
        }
        assert_eq!(found, 5, "{enter:?}");
        assert!(enter.contains("\x1b[?25l") && leave.contains("\x1b[?25h"));
        assert!(enter.contains("\x1b[>1u") && leave.contains("\x1b[<u"));
        assert!(
            !Modes::default().leave().contains("\x1b[<u"),
            "the shell's own flags are not popped"
        );
    }
}
