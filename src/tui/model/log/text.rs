//! A file or a command's output as it is shown: a window of its lines, of those that pass. The rest
//! is asked for as one comes near it.

use crate::domain::log::{Ask, LogStatus, LogTarget, Page, TextRow};
use crate::domain::{Problem, SafeText};
use std::collections::VecDeque;

/// Rows held at most.
const ROWS_MAX: usize = 4_000;
/// Bytes held at most: a page of the longest lines, what lies ready and what is visible fit in, so that
/// reading above never drops what was read below for the same screen.
const BYTES_MAX: usize = 16 << 20;
/// Rows that should lie ready above and below the screen.
const READY: usize = 150;
/// What runs further ahead than this isn't read line by line, but from its end.
const AHEAD: u64 = 4 << 20;

/// What was asked and is not answered yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Asking {
    /// Comes back with the answer.
    pub seq: u64,
    /// What.
    pub ask: Ask,
    /// Bytes looked at so far.
    pub looked: u64,
}

/// A file's or command's log.
#[derive(Debug)]
pub struct TextLog {
    /// Comes back with what is told of it.
    pub id: u64,
    /// What it is of.
    pub target: LogTarget,
    /// As it is called.
    pub title: SafeText,
    /// Where it stands.
    pub status: LogStatus,
    /// Why it can't be shown.
    pub problem: Option<Problem>,
    /// What is being asked.
    pub asking: Option<Asking>,
    /// Nothing before this position.
    pub floor: u64,
    /// The number of the first row's line, where it is known.
    pub line: Option<u64>,
    /// The end for which that number was asked for once more, since it was not known at first.
    pub numbered_at: u64,
    /// Whether any line says when it was written.
    pub stamped: bool,
    /// Whether it is open.
    pub opened: bool,
    /// Whether looking further was stopped by hand.
    pub halted: bool,
    /// Lines that had come when one scrolled up.
    pub paused_at: u64,
    rows: VecDeque<TextRow>,
    bytes: usize,
    from: u64,
    to: u64,
    seen: u64,
    loaded: bool,
}

impl TextLog {
    /// One of which nothing is known yet.
    pub fn new(id: u64, target: LogTarget) -> Self {
        Self {
            id,
            title: target.title(),
            target,
            status: LogStatus::default(),
            problem: None,
            asking: None,
            floor: 0,
            line: None,
            numbered_at: 0,
            stamped: false,
            opened: false,
            halted: false,
            paused_at: 0,
            rows: VecDeque::new(),
            bytes: 0,
            from: 0,
            to: 0,
            seen: 0,
            loaded: false,
        }
    }

    /// Lines that came since it was opened: those that are counted, and those that are here already and
    /// will be.
    pub fn lines_come(&self) -> u64 {
        let ahead = self.rows.iter().rev().take_while(|row| row.end > self.status.counted);
        self.status.new_lines + ahead.filter(|row| !row.open).count() as u64
    }

    /// The rows here.
    pub fn rows(&self) -> &VecDeque<TextRow> {
        &self.rows
    }

    /// Whether anything was read yet.
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Whether the first row is the first of all.
    pub fn at_start(&self) -> bool {
        self.loaded && self.from <= self.floor.max(self.status.start)
    }

    /// Whether the last row is the last of all.
    pub fn at_end(&self) -> bool {
        self.loaded && self.seen >= self.status.end
    }

    /// How far into the log a row is, percent.
    pub fn percent(&self, row: usize) -> Option<u64> {
        let all = self.status.end.checked_sub(self.status.start).filter(|all| *all > 0)?;
        let here = self.rows.get(row)?.end.saturating_sub(self.status.start);
        Some((here * 100 / all).min(100))
    }

    /// What has to be read so that one can go on where one is: between these rows, or at the end.
    pub fn want(&self, visible: (usize, usize), following: bool) -> Option<Ask> {
        if !self.opened || self.halted || self.asking.is_some() {
            return None;
        }
        if !self.loaded {
            return Some(Ask::Tail);
        }
        if following {
            return (!self.at_end()).then(|| {
                if self.status.end.saturating_sub(self.to) > AHEAD {
                    Ask::Tail
                } else {
                    self.after()
                }
            });
        }
        if visible.0 < READY && !self.at_start() {
            return Some(Ask::Before {
                from: self.from,
                shown: self.rows.front().map_or(self.from, |row| row.pos),
            });
        }
        (visible.1 + READY > self.rows.len() && !self.at_end()).then(|| self.after())
    }

    fn after(&self) -> Ask {
        // A line that goes on is not shown as far as this goes.
        let closed = self.rows.iter().rev().find(|row| !row.open);
        Ask::After {
            from: self.to,
            shown: closed.map_or(self.to, |row| row.end),
        }
    }

    /// Takes an answer in. Answers whether what was looked for is there.
    pub fn take(&mut self, ask: &Ask, page: Page) -> bool {
        self.stamped |= page.rows.iter().any(|row| row.stamp.is_some());
        match ask {
            Ask::Before { .. } => {
                if !page.rows.is_empty() {
                    self.line = page.line;
                }
                // Where nothing more can be read, there is no more.
                let stuck = page.rows.is_empty() && page.from >= self.from;
                self.from = if stuck { 0 } else { page.from };
                self.bytes += page.rows.iter().map(TextRow::weight).sum::<usize>();
                for row in page.rows.into_iter().rev() {
                    self.rows.push_front(row);
                }
                while self.is_over() {
                    let Some(gone) = self.rows.pop_back() else { break };
                    self.bytes -= gone.weight();
                    (self.to, self.seen) = (gone.pos, gone.pos);
                }
            }
            Ask::After { from, .. } => {
                while self.rows.back().is_some_and(|row| row.pos >= *from) {
                    self.bytes -= self.rows.pop_back().map_or(0, |row| row.weight());
                }
                if self.rows.is_empty() {
                    self.line = page.line;
                }
                let stuck = page.rows.is_empty() && page.seen <= *from;
                (self.to, self.seen) = (page.to, if stuck { self.status.end } else { page.seen });
                self.bytes += page.rows.iter().map(TextRow::weight).sum::<usize>();
                self.rows.extend(page.rows);
                while self.is_over() {
                    let Some(gone) = self.rows.pop_front() else { break };
                    self.bytes -= gone.weight();
                    self.from = gone.end;
                    let next = self.rows.front().map(|row| row.pos);
                    // Between rows that don't touch there may be lines that were passed over.
                    self.line = self.line.filter(|_| next == Some(gone.end)).map(|line| line + 1);
                }
            }
            Ask::Find { .. } if page.hit.is_none() => return false,
            Ask::Tail | Ask::Head | Ask::Around(_) | Ask::Find { .. } | Ask::Since(_) => {
                if let Some(floor) = page.floor {
                    self.floor = floor;
                }
                self.bytes = page.rows.iter().map(TextRow::weight).sum();
                (self.from, self.to, self.seen) = (page.from, page.to, page.seen);
                self.line = page.line;
                self.rows = page.rows.into();
                self.loaded = true;
            }
        }
        true
    }

    fn is_over(&self) -> bool {
        self.rows.len() > ROWS_MAX || self.bytes > BYTES_MAX && self.rows.len() > 1
    }

    /// The first row that begins at a position, or behind it.
    pub fn find(&self, pos: u64) -> usize {
        self.rows.partition_point(|row| row.pos < pos)
    }
}
