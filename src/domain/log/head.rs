//! What a line's beginning says: its time and level. Odoo's and PostgreSQL's own formats, web servers'
//! logs, and whatever begins with a date or names its level.

use super::time::{self, Stamp};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For developers.
    Debug,
    /// As it should be.
    Info,
    /// To be looked at.
    Warning,
    /// Something failed.
    Error,
    /// Nothing goes on.
    Critical,
}

impl Level {
    /// As it is shown, in five columns.
    pub fn word(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARN",
            Self::Error => "ERROR",
            Self::Critical => "CRIT",
        }
    }

    /// The level that a program's word means, in capitals or not.
    pub fn of(word: &str) -> Option<Self> {
        let mut upper = [0_u8; 10];
        let bytes = word.as_bytes();
        let into = upper.get_mut(..bytes.len())?;
        into.copy_from_slice(bytes);
        into.make_ascii_uppercase();
        of_upper(into)
    }

    /// The level of a number, as Python (10 to 50) and pino (10 to 60) write it.
    pub(super) fn of_number(number: i64) -> Option<Self> {
        match number {
            5..=19 => Some(Self::Debug),
            20..=29 => Some(Self::Info),
            30..=39 => Some(Self::Warning),
            40..=49 => Some(Self::Error),
            50..=60 => Some(Self::Critical),
            _ => None,
        }
    }
}

fn of_upper(word: &[u8]) -> Option<Level> {
    Some(match word {
        b"DEBUG" | b"DEBUG1" | b"DEBUG2" | b"DEBUG3" | b"DEBUG4" | b"DEBUG5" | b"TRACE" | b"VERBOSE" => Level::Debug,
        b"INFO" | b"LOG" | b"NOTICE" | b"TEST" | b"RUNBOT" | b"INFORMATION" => Level::Info,
        b"WARNING" | b"WARN" => Level::Warning,
        b"ERROR" | b"ERR" => Level::Error,
        b"CRITICAL" | b"FATAL" | b"PANIC" | b"CRIT" | b"ALERT" | b"EMERG" | b"EMERGENCY" => Level::Critical,
        _ => return None,
    })
}

pub(super) fn is_level(word: &[u8]) -> bool {
    of_upper(word).is_some()
}

/// What a line's beginning says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// When it was written.
    pub stamp: Option<Stamp>,
    /// How much it matters.
    pub level: Option<Level>,
    /// Where the rest begins behind the time, bytes.
    pub body: usize,
    /// Whether it begins a record, and does not go on with the one before.
    pub own: bool,
}

/// Bytes of a line in which its level is looked for.
const LOOKED_AT: usize = 200;
/// Words in which a level is looked for that no known format has put anywhere.
const WORDS: usize = 8;

/// PostgreSQL's lines that belong to the one before.
const ADDED: &[&[u8]] = &[
    b"DETAIL",
    b"HINT",
    b"CONTEXT",
    b"STATEMENT",
    b"QUERY",
    b"LOCATION",
    b"BACKTRACE",
];

impl Head {
    /// Reads the beginning of a line. Never more than its first bytes are looked at.
    pub fn read(text: &str) -> Self {
        Self::of(text.as_bytes())
    }

    /// The same of bytes as they stand in a file.
    pub fn of(line: &[u8]) -> Self {
        let Some(read) = time::read(line) else {
            return web(line).unwrap_or_else(|| without_time(line));
        };
        let mut body = read.len;
        while line.get(body) == Some(&b' ') {
            body += 1;
        }
        let rest = line.get(body..).unwrap_or_default();
        let rest = rest.get(..rest.len().min(LOOKED_AT)).unwrap_or_default();
        let mut head = Self {
            stamp: read.stamp,
            level: None,
            body,
            own: true,
        };
        if let Some(level) = odoo(rest) {
            head.level = Some(level);
            // Odoo sets its process's zone to UTC before it logs anything.
            if let (false, true, Some(stamp)) = (read.zone, read.comma, &mut head.stamp) {
                stamp.sure = true;
            }
            return head;
        }
        match postgres(rest) {
            Some(Some(level)) => head.level = Some(level),
            Some(None) => head.own = false,
            None => head.level = anywhere(rest),
        }
        head
    }
}

/// `12345 INFO acme odoo.modules.loading: …`
fn odoo(rest: &[u8]) -> Option<Level> {
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 || rest.get(digits) != Some(&b' ') {
        return None;
    }
    let word = rest.get(digits + 1..)?;
    let len = word.iter().take_while(|b| b.is_ascii_uppercase()).count();
    if word.get(len) != Some(&b' ') {
        return None;
    }
    of_upper(word.get(..len)?)
}

/// `[123] odoo@acme ERROR:  …`: a word in capitals, a colon and two blanks. `Some(None)` where the
/// line belongs to the one before.
fn postgres(rest: &[u8]) -> Option<Option<Level>> {
    for at in memchr::memchr_iter(b':', rest) {
        if rest.get(at + 1..at + 3) != Some(b"  ") {
            continue;
        }
        let before = rest.get(..at)?;
        let len = before
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            .count();
        let word = before.get(at - len..)?;
        if let Some(level) = of_upper(word) {
            return Some(Some(level));
        }
        if ADDED.contains(&word) {
            return Some(None);
        }
    }
    None
}

/// A level among the first words: in capitals as a word of its own, or in brackets, or behind `=`.
fn anywhere(rest: &[u8]) -> Option<Level> {
    let mut at = 0;
    for _ in 0..WORDS {
        while rest.get(at).is_some_and(|b| !b.is_ascii_alphanumeric()) {
            at += 1;
        }
        let word = rest.get(at..)?;
        let len = word.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        if len == 0 {
            return None;
        }
        let word = word.get(..len)?;
        let before = at.checked_sub(1).and_then(|at| rest.get(at));
        let after = rest.get(at + len);
        let set_off = matches!(before, Some(b'[' | b'<' | b'=' | b'"'));
        let alone = matches!(before, None | Some(b' ' | b'[' | b'|' | b':' | b'-' | b'<' | b'='))
            && matches!(after, None | Some(b' ' | b']' | b':' | b'|' | b'/' | b'>' | b','));
        if (3..=11).contains(&len) && (alone || set_off) {
            if let Some(level) = of_upper(word) {
                return Some(level);
            }
            if set_off && let Some(level) = std::str::from_utf8(word).ok().and_then(Level::of) {
                return Some(level);
            }
        }
        at += len;
    }
    None
}

/// A web server's line: an address, a time in brackets, a request in quotes, its status.
fn web(line: &[u8]) -> Option<Head> {
    let line = line.get(..line.len().min(4096))?;
    let open = memchr::memchr(b'[', line.get(..line.len().min(120))?)?;
    let stamp = time::read_web(line.get(open + 1..)?)?;
    let close = open + memchr::memchr(b']', line.get(open..)?)?;
    let rest = line.get(close + 1..)?;
    let quote = memchr::memchr(b'"', rest)?;
    let end = quote + 1 + memchr::memmem::find(rest.get(quote + 1..)?, b"\" ")?;
    let level = match rest.get(end + 2) {
        Some(b'5') => Level::Error,
        Some(b'4') => Level::Warning,
        Some(b'1'..=b'3') => Level::Info,
        _ => return None,
    };
    Some(Head {
        stamp: Some(stamp),
        level: Some(level),
        body: 0,
        own: true,
    })
}

/// A line without a time: it begins a record only where it begins with its level.
fn without_time(line: &[u8]) -> Head {
    let first = line.get(..line.len().min(60)).unwrap_or_default();
    if !matches!(first.first(), Some(b'A'..=b'Z' | b'[' | b'<' | b'l' | b't')) {
        return Head::default();
    }
    let logfmt = first.starts_with(b"level=") || first.starts_with(b"time=") || first.starts_with(b"ts=");
    if logfmt {
        let rest = line.get(..line.len().min(LOOKED_AT)).unwrap_or_default();
        let level = memchr::memmem::find(rest, b"level=").and_then(|at| {
            let word = rest.get(at + 6..)?;
            let len = word.iter().take_while(|b| b.is_ascii_alphabetic()).count();
            Level::of(std::str::from_utf8(word.get(..len)?).ok()?)
        });
        return Head {
            level,
            own: level.is_some(),
            ..Head::default()
        };
    }
    let word = first.strip_prefix(b"[").or(first.strip_prefix(b"<")).unwrap_or(first);
    let len = word.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    let ends = matches!(word.get(len), Some(b':' | b']' | b'>')) || word.get(len) == Some(&b' ') && len >= 4;
    let level = word.get(..len).filter(|_| ends && len >= 3).and_then(of_upper);
    Head {
        level,
        own: level.is_some(),
        ..Head::default()
    }
}
