//! Logs as text: what a line says of its time and level ([`Head`]), what is searched for and hidden
//! ([`Pattern`], [`Sieve`]), and the words in which a part of a log is asked for and answered.
//!
//! A log is addressed by the positions of its bytes, which only grow: a file that was rotated goes on
//! behind its predecessor. Nothing here reads anything.

mod collect;
mod head;
mod json;
mod pattern;
mod time;
mod words;

pub use collect::{Collector, Span, Way};
pub use head::{Head, Level};
pub use json::Json;
pub use pattern::{PATTERN_MAX, Pattern, Rule, Sieve};
pub use time::Stamp;
pub use words::{Command, CommandError, LogPlace, LogTarget};

use super::SafeText;

/// Bytes of a line that are looked at; what is over is counted, not read.
pub const LINE_SEEN: usize = 64 * 1024;

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct TextRow {
    /// Where it begins.
    pub pos: u64,
    /// Where the next one begins.
    pub end: u64,
    /// The line as it was written, safe to show.
    pub text: SafeText,
    /// The same in a readable order, where it was JSON.
    pub readable: Option<SafeText>,
    /// When it was written, as far as it says so.
    pub stamp: Option<Stamp>,
    /// Its level, or that of the line it continues.
    pub level: Option<Level>,
    /// Where in `text` the rest begins behind the time.
    pub body: usize,
    /// Whether it begins a record; a line of a traceback continues one.
    pub own: bool,
    /// Whether it has no newline yet: it may go on growing.
    pub open: bool,
    /// Whether it is here only because a line beside it passed.
    pub context: bool,
}

impl TextRow {
    /// The row of a line's bytes (at most [`LINE_SEEN`] of them, without the newline).
    pub fn new(span: Span, bytes: &[u8], inherited: Option<Level>) -> Self {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let raw = String::from_utf8_lossy(bytes);
        let whole = (span.end - span.pos).saturating_sub(u64::from(!span.open));
        let seen = bytes.len() as u64;
        let text = if whole > seen + 1 && bytes.len() >= LINE_SEEN {
            let shown: String = raw.chars().take(7_000).collect();
            let more = whole.saturating_sub(shown.len() as u64);
            SafeText::new(&format!("{shown}… ({more} bytes more)"))
        } else {
            SafeText::new(&raw)
        };
        let json = Json::read(text.as_str());
        let (head, readable) = match json {
            Some(Json { head, text }) => {
                let text = match head.level {
                    Some(level) => SafeText::new(&format!("{:<5} {text}", level.word())),
                    None => text,
                };
                (head, Some(text))
            }
            None => (Head::read(text.as_str()), None),
        };
        Self {
            pos: span.pos,
            end: span.end,
            stamp: head.stamp,
            level: head.level.or(if head.own { None } else { inherited }),
            body: head.body,
            own: head.own,
            text,
            readable,
            open: span.open,
            context: span.context,
        }
    }

    /// Bytes of memory that it holds, about.
    pub fn weight(&self) -> usize {
        std::mem::size_of::<Self>()
            + self.text.as_str().len()
            + self.readable.as_ref().map_or(0, |text| text.as_str().len())
    }
}

/// What is asked of a log.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Its last lines.
    Tail,
    /// Its first lines.
    Head,
    /// The lines before this position.
    Before {
        /// Up to where lines were looked at already.
        from: u64,
        /// Where the first line that is shown begins.
        shown: u64,
    },
    /// The lines behind this position.
    After {
        /// Up to where lines were looked at already.
        from: u64,
        /// Where the last line that is shown ends.
        shown: u64,
    },
    /// The lines around a position.
    Around(u64),
    /// The next line with something, and the lines around it; around the end where there is none.
    Find {
        /// From where on.
        from: u64,
        /// Whether the line there is an answer itself.
        itself: bool,
        /// Whether to look up.
        back: bool,
        /// For what.
        what: Wanted,
    },
    /// The last lines, and none that was written before this time.
    Since(jiff::Timestamp),
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// A text.
    Text(Pattern),
    /// A level, or a worse one.
    Level(Level),
}

/// Part of a log, in answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The lines that passed, in the log's order.
    pub rows: Vec<TextRow>,
    /// From where lines were looked at.
    pub from: u64,
    /// Up to where; a last line that has no newline yet is read again, and begins here.
    pub to: u64,
    /// Up to where there is nothing that this page doesn't know of.
    pub seen: u64,
    /// The number of the first line, from 1, where the lines before it were counted.
    pub line: Option<u64>,
    /// The line that was looked for.
    pub hit: Option<u64>,
    /// Whether the search went around the end.
    pub wrapped: bool,
    /// Where the time that was asked for begins; lines before it are left out from now on.
    pub floor: Option<u64>,
}

/// Where a log stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogStatus {
    /// Where its oldest line begins that can still be read.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// Lines counted so far.
    pub lines: u64,
    /// Up to where they were counted.
    pub counted: u64,
    /// Lines that came since it was opened.
    pub new_lines: u64,
    /// Lines that had to be let go to stay within memory.
    pub dropped: u64,
    /// How the command ended that wrote it, or why nothing more will come.
    pub over: Option<SafeText>,
}

#[cfg(test)]
mod tests;
