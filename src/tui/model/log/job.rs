//! A job's log as it is shown: a window of its lines, a step's beginning and end as one row,
//! following the newest until the operator scrolls up.

use crate::domain::SafeText;
use crate::domain::job::{LogLevel, LogLine, Stream};
use crate::domain::log::{Head, Level, Pattern, Sieve};
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

/// What a job's log needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// The lines before this number.
    Before(i64),
    /// The newest lines again: what is here has come loose from them.
    Follow,
}

/// What of the rows is let through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passing<'a> {
    pub(super) sieve: &'a Sieve,
    pub(super) since: Option<Timestamp>,
}

impl Passing<'_> {
    fn is_open(&self) -> bool {
        self.sieve.is_open() && self.since.is_none()
    }

    fn passes(&self, row: &LogRow) -> bool {
        if matches!(row.kind, RowKind::Gap(_)) {
            return true;
        }
        let text = || {
            let bytes = row.text.as_str().as_bytes();
            if row.note.as_str().is_empty() {
                return self.sieve.passes_text(bytes);
            }
            self.sieve
                .passes_text([row.text.as_str(), " ", row.note.as_str()].concat().as_bytes())
        };
        self.since.is_none_or(|since| row.at >= since) && self.sieve.passes_level(row.level()) && text()
    }
}

impl LogRow {
    /// How much it matters: what it is, or what a command's line says of itself.
    pub fn level(&self) -> Option<Level> {
        Some(match self.kind {
            RowKind::Failed | RowKind::Said(LogLevel::Error) => Level::Error,
            RowKind::Said(LogLevel::Warning) => Level::Warning,
            RowKind::Output | RowKind::ErrorOutput => {
                return Head::read(self.text.as_str()).level.or(Some(Level::Info));
            }
            _ => Level::Info,
        })
    }

    /// Whether a text is in what it shows.
    pub fn has(&self, pattern: &Pattern) -> bool {
        pattern.is_in(self.text.as_str().as_bytes()) || pattern.is_in(self.note.as_str().as_bytes())
    }
}

/// A job's log: a window of its rows.
#[derive(Debug, Default)]
pub(super) struct JobLog {
    /// The registry's last line.
    pub(super) end: i64,
    rows: VecDeque<LogRow>,
    /// The numbers of those that pass; `None` where all do.
    shown: Option<Vec<i64>>,
    bytes: usize,
    first: i64,
    last: i64,
    asked: Option<i64>,
    open: HashMap<usize, i64>,
}

impl JobLog {
    pub(super) fn rows(&self) -> &VecDeque<LogRow> {
        &self.rows
    }

    /// Lines before those here.
    pub(super) fn older(&self) -> i64 {
        (self.first - 1).max(0)
    }

    /// How many rows pass.
    pub(super) fn len(&self) -> usize {
        self.shown.as_ref().map_or(self.rows.len(), Vec::len)
    }

    /// One of those that pass.
    pub(super) fn row(&self, at: usize) -> Option<&LogRow> {
        match &self.shown {
            None => self.rows.get(at),
            Some(shown) => {
                let seq = *shown.get(at)?;
                self.rows.get(self.rows.partition_point(|row| row.seq < seq))
            }
        }
    }

    /// The first of those that pass with this number, or a greater one.
    pub(super) fn find(&self, seq: i64) -> usize {
        match &self.shown {
            None => self.rows.partition_point(|row| row.seq < seq),
            Some(shown) => shown.partition_point(|shown| *shown < seq),
        }
    }

    /// Looks again at which rows pass.
    pub(super) fn sift(&mut self, by: Passing<'_>) {
        if by.is_open() {
            self.shown = None;
            return;
        }
        let context = by.sieve.context;
        let passes: Vec<bool> = self.rows.iter().map(|row| by.passes(row)).collect();
        let near = |at: usize| {
            let range = at.saturating_sub(context)..(at + context + 1).min(passes.len());
            passes.get(range).is_some_and(|near| near.contains(&true))
        };
        let shown = self.rows.iter().enumerate().filter(|(at, _)| near(*at));
        self.shown = Some(shown.map(|(_, row)| row.seq).collect());
    }

    /// Takes lines in, wherever they belong: behind, before, or not at all.
    pub(super) fn take(&mut self, lines: Vec<LogLine>, end: i64, following: bool) -> usize {
        let mut new = 0;
        self.end = self.end.max(end);
        let (Some(head), Some(tail)) = (lines.first().map(|l| l.seq), lines.last().map(|l| l.seq)) else {
            self.asked = None;
            return 0;
        };
        if self.last == 0 {
            self.first = head;
            self.last = head - 1;
        }
        if tail < self.first {
            self.prepend(lines);
        } else if self.room(following) {
            for line in lines {
                new += usize::from(self.append(line, following));
            }
        }
        self.asked = None;
        new
    }

    /// While someone reads further up nothing may be dropped under their eyes: a full window then
    /// takes nothing more, and the rest is fetched when they come down.
    fn room(&self, following: bool) -> bool {
        following || (self.rows.len() < ROWS_MAX && self.bytes < BYTES_MAX)
    }

    fn append(&mut self, line: LogLine, following: bool) -> bool {
        if line.seq <= self.last {
            return false;
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
        let new = self.fold(line);
        let is_new = new.is_some();
        if let Some(new) = new {
            self.push(new);
        }
        while following && (self.rows.len() > ROWS_MAX || self.bytes > BYTES_MAX) {
            let Some(gone) = self.rows.pop_front() else { break };
            self.bytes -= weight(&gone);
            self.first = self.rows.front().map_or(self.last, |row| row.seq);
        }
        is_new
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
        for line in lines {
            before.append(line, false);
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

    /// What is needed once one has come to the newest row here.
    pub(super) fn at_bottom(&mut self) -> Need {
        if self.last >= self.end {
            return Need::Nothing;
        }
        // Further lines are in the registry: fetch those that come next.
        let next = self.last + 1 + i64::try_from(LINES_A_PAGE).unwrap_or(0);
        if self.rows.len() >= ROWS_MAX || self.bytes >= BYTES_MAX {
            self.drop_front(LINES_A_PAGE * 2);
        }
        self.ask(next)
    }

    /// What is needed once one has come to the oldest row here.
    pub(super) fn at_top(&mut self) -> Need {
        if self.first > 1 {
            self.ask(self.first)
        } else {
            Need::Nothing
        }
    }

    /// Whether newer lines are in the registry than here.
    pub(super) fn is_loose(&self) -> bool {
        self.last < self.end
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
    pub(super) fn give_up(&mut self) {
        self.asked = None;
    }

    fn ask(&mut self, before: i64) -> Need {
        if self.asked == Some(before) {
            return Need::Nothing;
        }
        self.asked = Some(before);
        Need::Before(before)
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
