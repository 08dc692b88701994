//! What the dashboard tells its guard process, over the pipe that is its standard error.
//!
//! Three marks stand between ordinary text: the screen was entered (with its modes), it was left, and the
//! terminal is lent to another program (with its process id).
//! Text that comes while the screen is up, a library's complaint or a panic's report, is held back
//! until the terminal is itself again; so nothing that writes to standard error can break a screen.

use super::modes::Modes;
use crate::domain::SafeText;
use rustix::process::Pid;

/// How much text is held; what comes on top is counted.
const HELD_MAX: usize = 64 * 1024;

/// The mark for "the screen is being entered".
pub(super) fn entered(modes: Modes) -> [u8; 3] {
    [0, b'E', modes.to_byte()]
}

/// The mark for "the screen was left".
pub(super) const LEFT: [u8; 3] = [0, b'L', b'@'];

/// The mark for "this program has the terminal".
pub(super) fn lent(pid: Pid) -> [u8; 6] {
    let [a, b, c, d] = pid.as_raw_nonzero().get().to_be_bytes();
    [0, b'P', a, b, c, d]
}

/// The guard's end: what it knows about the screen, and the text it holds.
#[derive(Debug, Default)]
pub(super) struct Ear {
    screen: Option<Modes>,
    was_up: bool,
    lent_to: Option<Pid>,
    mark: Vec<u8>,
    held: Vec<u8>,
    dropped: usize,
}

impl Ear {
    /// Takes what was read from the pipe.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match (self.mark.as_slice(), byte) {
                ([], 0) => self.mark.push(0),
                ([], _) if self.held.len() < HELD_MAX => self.held.push(byte),
                ([], _) => self.dropped += 1,
                ([0], kind) => self.mark.push(kind),
                ([0, b'E'], modes) => {
                    self.screen = Some(Modes::from_byte(modes));
                    self.was_up = true;
                    self.lent_to = None;
                    self.mark.clear();
                }
                ([0, b'P', a, b, c], d) => {
                    self.lent_to = Pid::from_raw(i32::from_be_bytes([*a, *b, *c, d]));
                    self.mark.clear();
                }
                ([0, b'P', ..], _) => self.mark.push(byte),
                (_, _) => {
                    self.screen = None;
                    self.mark.clear();
                }
            }
        }
    }

    /// The modes of the screen that is up, if one is.
    pub(super) fn screen(&self) -> Option<Modes> {
        self.screen
    }

    /// Whether the screen was up and isn't now: the terminal is another program's, or the dashboard
    /// is about to end.
    pub(super) fn is_lent(&self) -> bool {
        self.was_up && self.screen.is_none()
    }

    /// The program that was lent the terminal last, since the screen was left.
    pub(super) fn lent_to(&self) -> Option<Pid> {
        self.lent_to
    }

    /// The screen is gone, whatever the dashboard said last.
    pub(super) fn forget_screen(&mut self) {
        self.screen = None;
    }

    /// The text to print now: all that is held when no screen is up, made safe line by line.
    /// `last` also gives a line that has no end yet.
    pub(super) fn take_text(&mut self, last: bool) -> Option<String> {
        if self.screen.is_some() || self.held.is_empty() {
            return None;
        }
        let upto = if last || self.dropped > 0 {
            self.held.len()
        } else {
            self.held.iter().rposition(|b| *b == b'\n')? + 1
        };
        let raw: Vec<u8> = self.held.drain(..upto).collect();
        let mut out = String::new();
        for line in String::from_utf8_lossy(&raw).lines() {
            out.push_str(SafeText::new(line).as_str());
            out.push('\n');
        }
        if std::mem::take(&mut self.dropped) > 0 {
            out.push_str("… (more was written; it is not kept)\n");
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_waits_for_the_screen_to_be_left() {
        let mut ear = Ear::default();
        ear.hear(b"before\n");
        assert_eq!(ear.take_text(false).as_deref(), Some("before\n"));
        ear.hear(&entered(Modes::default()));
        ear.hear(b"during");
        assert_eq!(ear.screen(), Some(Modes::default()));
        assert!(!ear.is_lent());
        assert_eq!(ear.take_text(true), None);
        ear.hear(&LEFT);
        assert!(ear.is_lent());
        assert_eq!(ear.take_text(false), None, "half a line waits");
        assert_eq!(ear.take_text(true).as_deref(), Some("during\n"));
    }

    #[test]
    fn marks_survive_being_cut_and_carry_modes() {
        let modes = Modes {
            mouse: true,
            keyboard: false,
        };
        let mut ear = Ear::default();
        for byte in entered(modes) {
            ear.hear(&[byte]);
        }
        assert_eq!(ear.screen(), Some(modes));
        for byte in LEFT {
            ear.hear(&[byte]);
        }
        assert_eq!(ear.screen(), None);
        // Numbers have bytes that look like marks, and like nothing.
        for number in [1, 0x0050_0045, 0x4c00_0000] {
            let pid = Pid::from_raw(number).unwrap();
            for byte in lent(pid) {
                ear.hear(&[byte]);
            }
            assert_eq!(ear.lent_to(), Some(pid));
            assert!(ear.is_lent());
        }
        ear.hear(&entered(modes));
        assert_eq!((ear.lent_to(), ear.screen()), (None, Some(modes)));
        ear.hear(&LEFT);
        assert_eq!(ear.take_text(true), None);
    }

    #[test]
    fn held_text_cannot_drive_the_terminal_and_has_an_end() {
        let mut ear = Ear::default();
        ear.hear(b"\x1b]0;owned\x07\n");
        let text = ear.take_text(false).unwrap();
        assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
        ear.hear(&vec![b'x'; HELD_MAX * 2]);
        let text = ear.take_text(false).unwrap();
        assert!(text.len() < HELD_MAX * 2 && text.contains("more was written"));
    }
}
