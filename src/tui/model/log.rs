//! A job's log as it is shown: a window of its lines, a step's beginning and end as one row,
//! following the newest until the operator scrolls up.

use crate::domain::job::{LogLevel, LogLine, Stream};
use crate::domain::{JobId, SafeText};
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};

/// Rows held at most.
const ROWS_MAX: usize = 10_000;
/// Bytes of text held at most.
const BYTES_MAX: usize = 4 << 20;
/// Lines asked for at once.
pub const LINES_A_PAGE: usize = 500;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// A step that began and has not ended.
    Begun,
    /// A step that ended well.
    Done,
    /// A step that failed.
    Failed,
    /// A line of the engine or of a step.
    Said(LogLevel),
    /// A command's standard output.
    Output,
    /// A command's standard error.
    ErrorOutput,
    /// So many lines are in the log and not here.
    Gap(i64),
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Its line's number.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// Which step.
    pub step: Option<usize>,
    /// What it is.
    pub kind: RowKind,
    /// Its text.
    pub text: SafeText,
    /// What the step's last line said, where that is more than its name.
    pub note: SafeText,
    /// How long the step took.
    pub took_ms: Option<u64>,
    /// How far the step is, with its line's text.
    pub progress: Option<(u64, u64)>,
}

/// What the log pane needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// The lines before this number.
    Before(i64),
    /// The newest lines again: what is here has come loose from them.
    Follow,
}

/// The log pane.
#[derive(Debug, Default)]
pub struct LogView {
    /// Whose log.
    pub job: Option<JobId>,
    /// The registry's last line.
    pub end: i64,
    /// New rows since scrolling up.
    pub unseen: usize,
    /// Columns that long lines are scrolled by.
    pub left: usize,
    /// What is searched for, in lowercase; empty: nothing.
    pub search: String,
    /// The row of the last match gone to.
    pub hit: Option<i64>,
    rows: VecDeque<LogRow>,
    bytes: usize,
    first: i64,
    last: i64,
    top: Option<i64>,
    asked: Option<i64>,
    open: HashMap<usize, i64>,
}

impl LogView {
    /// Shows another job's log from its end, keeping what is searched for.
    pub fn follow(&mut self, job: JobId) {
        *self = Self {
            job: Some(job),
            search: std::mem::take(&mut self.search),
            ..Self::default()
        };
    }

    /// All rows here.
    pub fn rows(&self) -> &VecDeque<LogRow> {
        &self.rows
    }

    /// Whether the newest line is kept in sight.
    pub fn following(&self) -> bool {
        self.top.is_none()
    }

    /// Lines before those here.
    pub fn older(&self) -> i64 {
        (self.first - 1).max(0)
    }

    /// The number of the first visible row.
    pub fn top_row(&self, height: usize) -> usize {
        let last_top = self.rows.len().saturating_sub(height);
        match self.top {
            None => last_top,
            Some(seq) => self.rows.partition_point(|row| row.seq < seq).min(last_top),
        }
    }

    /// Takes lines in, wherever they belong: behind, before, or not at all.
    pub fn take(&mut self, lines: Vec<LogLine>, end: i64) {
        self.end = self.end.max(end);
        let (Some(head), Some(tail)) = (lines.first().map(|l| l.seq), lines.last().map(|l| l.seq)) else {
            self.asked = None;
            return;
        };
        if self.last == 0 {
            self.first = head;
            self.last = head - 1;
        }
        if tail < self.first {
            self.prepend(lines);
        } else if self.room() {
            for line in lines {
                self.append(line);
            }
        }
        self.asked = None;
    }

    /// While someone reads further up nothing may be dropped under their eyes: a full window then
    /// takes nothing more, and the rest is fetched when they come down.
    fn room(&self) -> bool {
        self.following() || (self.rows.len() < ROWS_MAX && self.bytes < BYTES_MAX)
    }

    fn append(&mut self, line: LogLine) {
        if line.seq <= self.last {
            return;
        }
        if line.seq > self.last + 1 {
            let missing = line.seq - self.last - 1;
            let gap = row(&line, RowKind::Gap(missing), SafeText::default());
            self.push(LogRow {
                seq: self.last + 1,
                ..gap
            });
        }
        self.last = line.seq;
        if let Some(new) = self.fold(line) {
            self.push(new);
            if !self.following() {
                self.unseen += 1;
            }
        }
        while self.following() && (self.rows.len() > ROWS_MAX || self.bytes > BYTES_MAX) {
            let Some(gone) = self.rows.pop_front() else { break };
            self.bytes -= weight(&gone);
            self.first = self.rows.front().map_or(self.last, |row| row.seq);
        }
    }

    fn push(&mut self, new: LogRow) {
        self.bytes += weight(&new);
        self.rows.push_back(new);
    }

    /// The row that a line makes; `None` where it belongs to an earlier one.
    fn fold(&mut self, line: LogLine) -> Option<LogRow> {
        if let Some(step) = line.step {
            let begun = self.open.get(&step).copied();
            match (line.stream, line.level) {
                (Stream::Progress, _) => {
                    if let Some(open) = begun.and_then(|seq| self.at(seq)) {
                        open.progress = line.progress;
                        open.note = line.text;
                        return None;
                    }
                    return line.progress.map(|_| row(&line, RowKind::Begun, line.text.clone()));
                }
                (Stream::Engine, LogLevel::Begin) => {
                    self.open.insert(step, line.seq);
                    return Some(row(&line, RowKind::Begun, line.text.clone()));
                }
                (Stream::Engine, LogLevel::Warning) if begun.is_some() && line.took_ms.is_some() => {
                    self.open.remove(&step);
                    if let Some(open) = begun.and_then(|seq| self.at(seq)) {
                        open.kind = RowKind::Failed;
                        open.took_ms = line.took_ms;
                        open.progress = None;
                        open.note = SafeText::default();
                    }
                }
                (Stream::Engine, LogLevel::Success | LogLevel::Error) if begun.is_some() => {
                    self.open.remove(&step);
                    let good = line.level == LogLevel::Success;
                    if let Some(open) = begun.and_then(|seq| self.at(seq)) {
                        open.kind = if good { RowKind::Done } else { RowKind::Failed };
                        open.took_ms = line.took_ms;
                        open.progress = None;
                        open.note = SafeText::default();
                        if good {
                            open.note = SafeText::new(without_title(open.text.as_str(), line.text.as_str()));
                            return None;
                        }
                    }
                    return Some(row(&line, RowKind::Said(LogLevel::Error), line.text.clone()));
                }
                (Stream::Engine, LogLevel::Success) => return Some(row(&line, RowKind::Done, line.text.clone())),
                (Stream::Engine, LogLevel::Error) => return Some(row(&line, RowKind::Failed, line.text.clone())),
                _ => {}
            }
        }
        let kind = match line.stream {
            Stream::Stdout => RowKind::Output,
            Stream::Stderr => RowKind::ErrorOutput,
            Stream::Engine | Stream::Step | Stream::Progress => RowKind::Said(line.level),
        };
        Some(row(&line, kind, line.text.clone()))
    }

    fn at(&mut self, seq: i64) -> Option<&mut LogRow> {
        let at = self.rows.partition_point(|row| row.seq < seq);
        self.rows.get_mut(at).filter(|row| row.seq == seq)
    }

    fn prepend(&mut self, lines: Vec<LogLine>) {
        let mut before = Self::default();
        before.first = lines.first().map_or(0, |line| line.seq);
        before.last = before.first - 1;
        before.top = Some(0);
        for line in lines {
            before.append(line);
        }
        if before.last + 1 < self.first {
            return;
        }
        self.first = before.first;
        self.bytes += before.bytes;
        for old in before.rows.into_iter().rev() {
            self.rows.push_front(old);
        }
        while self.rows.len() > ROWS_MAX || self.bytes > BYTES_MAX {
            let Some(gone) = self.rows.pop_back() else { break };
            self.bytes -= weight(&gone);
            self.last = gone.seq - 1;
        }
    }

    /// Scrolls by rows, up where negative. Coming to the end follows again.
    pub fn scroll(&mut self, by: isize, height: usize) -> Need {
        let top = self.top_row(height).saturating_add_signed(by);
        self.show_from(top, height)
    }

    /// To the oldest row here.
    pub fn to_top(&mut self, height: usize) -> Need {
        self.show_from(0, height)
    }

    /// To the newest line, and follows it.
    pub fn to_end(&mut self) -> Need {
        self.top = None;
        self.unseen = 0;
        if self.last < self.end {
            return Need::Follow;
        }
        Need::Nothing
    }

    fn show_from(&mut self, top: usize, height: usize) -> Need {
        if top + height >= self.rows.len() {
            if self.last < self.end {
                // Further lines are in the registry: fetch those that come next.
                self.top = self.rows.get(self.rows.len().saturating_sub(height)).map(|row| row.seq);
                let next = self.last + 1 + i64::try_from(LINES_A_PAGE).unwrap_or(0);
                if self.rows.len() >= ROWS_MAX || self.bytes >= BYTES_MAX {
                    self.drop_front(LINES_A_PAGE * 2);
                }
                return self.ask(next);
            }
            return self.to_end();
        }
        self.top = self.rows.get(top).map(|row| row.seq);
        if top == 0 && self.first > 1 {
            return self.ask(self.first);
        }
        Need::Nothing
    }

    fn drop_front(&mut self, count: usize) {
        for _ in 0..count.min(self.rows.len() / 2) {
            if let Some(gone) = self.rows.pop_front() {
                self.bytes -= weight(&gone);
            }
        }
        self.first = self.rows.front().map_or(self.last, |row| row.seq);
    }

    /// What was asked for won't come: it may be asked for again.
    pub fn give_up(&mut self) {
        self.asked = None;
    }

    fn ask(&mut self, before: i64) -> Need {
        if self.asked == Some(before) {
            return Need::Nothing;
        }
        self.asked = Some(before);
        Need::Before(before)
    }

    /// Goes to the next row with the searched text (the previous where `back`), from the last match or
    /// the top of the screen on, around the end. Answers whether there is one.
    pub fn find(&mut self, back: bool, height: usize) -> bool {
        if self.search.is_empty() || self.rows.is_empty() {
            return false;
        }
        let len = self.rows.len();
        let start = match self.hit {
            Some(seq) => self.rows.partition_point(|row| row.seq < seq),
            None => self.top_row(height) + if back { height } else { len - 1 },
        };
        for n in 1..=len {
            let at = if back { start + len * 2 - n } else { start + n } % len;
            let Some(found) = self.rows.get(at) else { continue };
            if found.text.as_str().to_lowercase().contains(&self.search)
                || found.note.as_str().to_lowercase().contains(&self.search)
            {
                self.hit = Some(found.seq);
                let middle = at.saturating_sub(height / 2);
                self.top = self.rows.get(middle).map(|row| row.seq);
                return true;
            }
        }
        false
    }

    /// How many rows match the search.
    pub fn matches(&self) -> usize {
        if self.search.is_empty() {
            return 0;
        }
        self.rows
            .iter()
            .filter(|row| row.text.as_str().to_lowercase().contains(&self.search))
            .count()
    }
}

fn weight(row: &LogRow) -> usize {
    row.text.as_str().len() + row.note.as_str().len()
}

/// What the end of a step says beyond the title that its beginning showed: of `clone database: 25 MB`
/// after `clone database: a → b` the size.
fn without_title<'a>(begun: &str, ended: &'a str) -> &'a str {
    let title = begun.split_once(": ").map_or(begun, |(title, _)| title);
    let rest = ended.strip_prefix(title).unwrap_or(ended);
    rest.strip_prefix(": ").unwrap_or(rest)
}

fn row(line: &LogLine, kind: RowKind, text: SafeText) -> LogRow {
    LogRow {
        seq: line.seq,
        at: line.at,
        step: line.step,
        kind,
        text,
        note: SafeText::default(),
        took_ms: line.took_ms,
        progress: line.progress,
    }
}
