//! Bytes from the terminal to events, as a pure parser.
//!
//! crossterm's own reader is not used for it: after a hang-up it reads end-of-file for ever in a
//! loop, and a burst longer than its buffer waits for the next key. The event types are
//! crossterm's, and so are their conventions (a capital carries SHIFT, byte 8 is Ctrl-H).

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// Longest paste that is kept, in bytes.
const PASTE_MAX: usize = 1 << 20;
/// Longest escape sequence that is waited for; what is longer is no key.
const SEQUENCE_MAX: usize = 4096;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Parses what a terminal sends.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
    paste: Option<Vec<u8>>,
}

enum Step {
    /// So many bytes made this event, or nothing that matters.
    Took(usize, Option<Event>),
    /// A bracketed paste begins after so many bytes.
    Paste(usize),
    /// More bytes are needed.
    More,
}

impl Parser {
    /// Takes bytes and appends the events they complete.
    pub fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.as_slice();
        loop {
            if self.paste.is_some() {
                match self.pasting(rest, events) {
                    Some(after) => rest = after,
                    None => return,
                }
            }
            if rest.is_empty() {
                return;
            }
            match step(rest) {
                Step::Took(n, event) => {
                    events.extend(event);
                    rest = rest.get(n.max(1)..).unwrap_or_default();
                }
                Step::Paste(n) => {
                    self.paste = Some(Vec::new());
                    rest = rest.get(n..).unwrap_or_default();
                }
                Step::More if rest.len() > SEQUENCE_MAX => rest = rest.get(1..).unwrap_or_default(),
                Step::More => {
                    self.buffer = rest.to_vec();
                    return;
                }
            }
        }
    }

    /// Whether a sequence has begun and not ended. A lone ESC is one: it may be a key or the start
    /// of something; [`Parser::give_up`] decides after a short wait.
    pub fn is_waiting(&self) -> bool {
        !self.buffer.is_empty() && self.paste.is_none()
    }

    /// No more bytes came: what stands in the buffer was typed as keys.
    pub fn give_up(&mut self, events: &mut Vec<Event>) {
        if self.paste.is_some() {
            return;
        }
        let buffer = std::mem::take(&mut self.buffer);
        match buffer.as_slice() {
            [0x1b] => events.push(key(KeyCode::Esc, KeyModifiers::NONE)),
            [0x1b, c] if c.is_ascii_graphic() => events.push(alt(char_key(char::from(*c)))),
            // The rest of a sequence that was cut: no key that anybody pressed.
            _ => {}
        }
    }

    /// Collects a paste; gives what follows once it has ended.
    fn pasting<'a>(&mut self, rest: &'a [u8], events: &mut Vec<Event>) -> Option<&'a [u8]> {
        let paste = self.paste.as_mut()?;
        let Some(end) = rest.windows(PASTE_END.len()).position(|w| w == PASTE_END) else {
            // The end mark may be cut: its possible beginning waits.
            let keep = (1..PASTE_END.len().min(rest.len() + 1))
                .rev()
                .find(|n| rest.ends_with(PASTE_END.get(..*n).unwrap_or_default()))
                .unwrap_or(0);
            let (text, tail) = rest.split_at(rest.len() - keep);
            push_capped(paste, text);
            self.buffer = tail.to_vec();
            return None;
        };
        push_capped(paste, rest.get(..end).unwrap_or_default());
        let text = String::from_utf8_lossy(paste).replace("\r\n", "\n").replace('\r', "\n");
        events.push(Event::Paste(text));
        self.paste = None;
        rest.get(end + PASTE_END.len()..)
    }
}

fn push_capped(paste: &mut Vec<u8>, text: &[u8]) {
    let room = PASTE_MAX.saturating_sub(paste.len());
    paste.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn char_key(c: char) -> Event {
    let modifiers = if c.is_uppercase() {
        KeyModifiers::SHIFT
    } else {
        KeyModifiers::NONE
    };
    key(KeyCode::Char(c), modifiers)
}

fn alt(event: Event) -> Event {
    match event {
        Event::Key(mut key) => {
            key.modifiers |= KeyModifiers::ALT;
            Event::Key(key)
        }
        other => other,
    }
}

fn control(byte: u8) -> Event {
    let ctrl = |c: u8| key(KeyCode::Char(char::from(c)), KeyModifiers::CONTROL);
    match byte {
        b'\r' => key(KeyCode::Enter, KeyModifiers::NONE),
        b'\t' => key(KeyCode::Tab, KeyModifiers::NONE),
        0x7f => key(KeyCode::Backspace, KeyModifiers::NONE),
        0 => ctrl(b' '),
        0x01..=0x1a => ctrl(byte - 1 + b'a'),
        _ => ctrl(byte.wrapping_sub(0x1c).wrapping_add(b'4')),
    }
}

fn step(bytes: &[u8]) -> Step {
    match *bytes {
        [] | [0x1b] => Step::More,
        [0x1b, b'[', ..] => csi(bytes),
        [0x1b, b'O'] => Step::More,
        [0x1b, b'O', c, ..] => Step::Took(3, ss3(c)),
        [0x1b, b']' | b'P' | b'X' | b'^' | b'_', ..] => string(bytes),
        // The first Escape is a key of its own.
        [0x1b, 0x1b, ..] => Step::Took(1, Some(key(KeyCode::Esc, KeyModifiers::NONE))),
        [0x1b, ..] => match step(bytes.get(1..).unwrap_or_default()) {
            Step::Took(n, event) => Step::Took(n + 1, event.map(alt)),
            other => other,
        },
        [c @ (0..=0x1f | 0x7f), ..] => Step::Took(1, Some(control(c))),
        [c @ 0x20..=0x7e, ..] => Step::Took(1, Some(char_key(char::from(c)))),
        [first, ..] => utf8(first, bytes),
    }
}

fn utf8(first: u8, bytes: &[u8]) -> Step {
    let need = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Step::Took(1, None),
    };
    let have = bytes.get(..need.min(bytes.len())).unwrap_or_default();
    match std::str::from_utf8(have) {
        Ok(text) => Step::Took(need, text.chars().next().map(char_key)),
        Err(e) if e.error_len().is_none() && have.len() < need => Step::More,
        Err(_) => Step::Took(1, None),
    }
}

/// A string that the terminal answers with (OSC, DCS …): swallowed up to its end.
fn string(bytes: &[u8]) -> Step {
    for (at, pair) in bytes.windows(2).enumerate().skip(1) {
        match pair {
            [_, 0x07] => return Step::Took(at + 2, None),
            [0x1b, b'\\'] => return Step::Took(at + 2, None),
            _ => {}
        }
    }
    Step::More
}

fn ss3(c: u8) -> Option<Event> {
    let code = match c {
        b'M' => KeyCode::Enter,
        b'j'..=b'y' => KeyCode::Char(char::from(c - b'j' + b'*')),
        _ => letter(c)?,
    };
    Some(key(code, KeyModifiers::NONE))
}

fn letter(c: u8) -> Option<KeyCode> {
    Some(match c {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P'..=b'S' => KeyCode::F(c - b'P' + 1),
        _ => return None,
    })
}

fn csi(bytes: &[u8]) -> Step {
    let body = bytes.get(2..).unwrap_or_default();
    if let [b'[', rest @ ..] = body {
        // The Linux console's F1 to F5.
        return match rest.first() {
            None => Step::More,
            Some(c @ b'A'..=b'E') => Step::Took(4, Some(key(KeyCode::F(c - b'A' + 1), KeyModifiers::NONE))),
            Some(_) => Step::Took(4, None),
        };
    }
    let Some(end) = body.iter().position(|b| !(0x20..=0x3f).contains(b)) else {
        return Step::More;
    };
    let (params, last) = (
        body.get(..end).unwrap_or_default(),
        body.get(end).copied().unwrap_or_default(),
    );
    let taken = end + 3;
    if !(0x40..=0x7e).contains(&last) {
        // Not a sequence after all; what stands before is dropped, this byte is read anew.
        return Step::Took(taken - 1, None);
    }
    if params.is_empty() && last == b'M' {
        // The oldest mouse report: three bytes follow. It is never asked for.
        return if body.len() < 4 {
            Step::More
        } else {
            Step::Took(6, None)
        };
    }
    if params == b"200" && last == b'~' {
        return Step::Paste(taken);
    }
    Step::Took(taken, sequence(params, last))
}

/// The parameters: each may have parts behind colons.
fn numbers(params: &[u8]) -> Vec<Vec<u32>> {
    let text = String::from_utf8_lossy(params);
    text.split(';')
        .map(|p| p.split(':').map(|n| n.parse().unwrap_or(0)).collect())
        .collect()
}

fn modifiers(code: u32) -> KeyModifiers {
    let bits = code.saturating_sub(1);
    let mut out = KeyModifiers::NONE;
    for (bit, modifier) in [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
        (8, KeyModifiers::SUPER),
        (16, KeyModifiers::HYPER),
        (32, KeyModifiers::META),
    ] {
        if bits & bit != 0 {
            out |= modifier;
        }
    }
    out
}

fn sequence(params: &[u8], last: u8) -> Option<Event> {
    if let [b'<', rest @ ..] = params {
        return mouse(rest, last);
    }
    if params.first().is_some_and(|c| matches!(c, b'?' | b'>' | b'=')) {
        return None;
    }
    let numbers = numbers(params);
    let number = |at: usize| numbers.get(at).and_then(|p| p.first()).copied().unwrap_or(0);
    let pressed = modifiers(number(1));
    match last {
        b'I' => Some(Event::FocusGained),
        b'O' => Some(Event::FocusLost),
        b'Z' => Some(key(KeyCode::BackTab, KeyModifiers::SHIFT)),
        b'~' if number(0) == 27 => typed(number(2), pressed),
        b'~' => Some(key(tilde(number(0))?, pressed)),
        b'u' => {
            let Some(Event::Key(mut event)) = typed(number(0), pressed) else {
                return None;
            };
            event.kind = match numbers.get(1).and_then(|p| p.get(1)) {
                Some(2) => KeyEventKind::Repeat,
                Some(3) => KeyEventKind::Release,
                _ => KeyEventKind::Press,
            };
            Some(Event::Key(event))
        }
        // `CSI row;column R` is a cursor's place, not F3.
        b'R' if number(0) > 1 => None,
        _ => Some(key(letter(last)?, pressed)),
    }
}

fn tilde(n: u32) -> Option<KeyCode> {
    Some(match n {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(u8::try_from(n - 10).ok()?),
        17..=21 => KeyCode::F(u8::try_from(n - 11).ok()?),
        23..=26 => KeyCode::F(u8::try_from(n - 12).ok()?),
        28..=29 => KeyCode::F(u8::try_from(n - 13).ok()?),
        31..=34 => KeyCode::F(u8::try_from(n - 14).ok()?),
        _ => return None,
    })
}

/// A key named by its code point.
fn typed(code: u32, pressed: KeyModifiers) -> Option<Event> {
    let code = match code {
        9 if pressed.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
        9 => KeyCode::Tab,
        13 | 57414 => KeyCode::Enter,
        27 => KeyCode::Esc,
        127 => KeyCode::Backspace,
        // Private use: keys without a character, and modifiers by themselves.
        0 | 57344..=63743 => return None,
        _ => {
            let c = char::from_u32(code)?;
            let shifted = pressed.contains(KeyModifiers::SHIFT) && c.is_alphabetic();
            KeyCode::Char(if shifted {
                c.to_uppercase().next().unwrap_or(c)
            } else {
                c
            })
        }
    };
    Some(key(code, pressed))
}

fn mouse(params: &[u8], last: u8) -> Option<Event> {
    let numbers = numbers(params);
    let [what, column, row] = numbers.as_slice() else {
        return None;
    };
    let what = *what.first()?;
    let at = |p: &[u32]| u16::try_from(p.first().copied().unwrap_or(1).saturating_sub(1)).ok();
    let button = match what & 3 {
        0 => Some(MouseButton::Left),
        1 => Some(MouseButton::Middle),
        2 => Some(MouseButton::Right),
        _ => None,
    };
    let kind = match (what & 64 != 0, what & 32 != 0, last) {
        (true, _, _) => match what & 3 {
            0 => MouseEventKind::ScrollUp,
            1 => MouseEventKind::ScrollDown,
            2 => MouseEventKind::ScrollLeft,
            _ => MouseEventKind::ScrollRight,
        },
        (_, true, _) => button.map_or(MouseEventKind::Moved, MouseEventKind::Drag),
        (_, _, b'm') => MouseEventKind::Up(button?),
        _ => MouseEventKind::Down(button?),
    };
    let mut pressed = KeyModifiers::NONE;
    for (bit, modifier) in [
        (4, KeyModifiers::SHIFT),
        (8, KeyModifiers::ALT),
        (16, KeyModifiers::CONTROL),
    ] {
        if what & bit != 0 {
            pressed |= modifier;
        }
    }
    Some(Event::Mouse(MouseEvent {
        kind,
        column: at(column)?,
        row: at(row)?,
        modifiers: pressed,
    }))
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
