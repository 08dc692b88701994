//! The log pane: a job's log, a file, or what a command writes; following until one scrolls up,
//! searched (which keeps the lines) and filtered (which hides them).

mod job;
mod lay;
mod prompt;
mod shown;
mod text;

pub use job::{LINES_A_PAGE, LogRow, Need, RowKind};
pub use lay::{At, wrap};
pub use prompt::{LogFilters, LogPrompt, PATH_MAX};
pub use shown::{Shown, TimeMode};
pub use text::{Asking, TextLog};

use crate::domain::JobId;
use crate::domain::job::LogLine;
use crate::domain::log::{Pattern, Sieve};
use jiff::Timestamp;
use job::{JobLog, Passing};
use std::collections::{BTreeMap, VecDeque};

/// Marks at most: their lines are kept.
const MARKS_MAX: usize = 500;

/// The log pane.
#[derive(Debug, Default)]
pub struct LogView {
    /// Whose log; where a file is shown, whose was shown before.
    pub job: Option<JobId>,
    /// The file or command that is shown in its place.
    pub text: Option<TextLog>,
    /// New rows since scrolling up.
    pub unseen: usize,
    /// Columns that long lines are scrolled by.
    pub left: usize,
    /// What is searched for.
    pub search: Option<Pattern>,
    /// What is let through.
    pub sieve: Sieve,
    /// Whether long lines go on below themselves.
    pub wrap: bool,
    /// How times are shown.
    pub time: TimeMode,
    /// What was written before is hidden.
    pub since: Option<Timestamp>,
    /// Lines that were marked, with what they say.
    pub marks: BTreeMap<i64, String>,
    /// The line that was gone to last.
    pub hit: Option<i64>,
    lines: JobLog,
    top: Option<(i64, usize)>,
}

impl LogView {
    /// Shows another job's log from its end, keeping how it is looked at.
    pub fn follow(&mut self, job: JobId) {
        self.anew();
        self.job = Some(job);
    }

    /// Shows a file or a command's output in place of the job's log.
    pub fn open(&mut self, text: TextLog) {
        self.anew();
        self.text = Some(text);
    }

    fn anew(&mut self) {
        *self = Self {
            job: self.job,
            search: self.search.take(),
            sieve: std::mem::take(&mut self.sieve),
            wrap: self.wrap,
            time: self.time,
            ..Self::default()
        };
    }

    /// Whether anything is shown.
    pub fn is_open(&self) -> bool {
        self.text.is_some() || self.job.is_some()
    }

    /// All rows of the job that are here.
    pub fn rows(&self) -> &VecDeque<LogRow> {
        self.lines.rows()
    }

    /// How many rows can be scrolled through.
    pub fn len(&self) -> usize {
        match &self.text {
            Some(text) => text.rows().len(),
            None => self.lines.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    pub fn row(&self, at: usize) -> Option<Shown<'_>> {
        match &self.text {
            Some(text) => text.rows().get(at).map(Shown::Text),
            None => self.lines.row(at).map(Shown::Job),
        }
    }

    fn find_key(&self, key: i64) -> usize {
        match &self.text {
            Some(text) => text.find(u64::try_from(key).unwrap_or(0)),
            None => self.lines.find(key),
        }
    }

    /// Whether the newest line is kept in sight.
    pub fn following(&self) -> bool {
        self.top.is_none()
    }

    /// Lines of the job before those here.
    pub fn older(&self) -> i64 {
        if self.text.is_some() { 0 } else { self.lines.older() }
    }

    /// Columns that stand before a row's text.
    pub fn prefix(&self, row: Shown<'_>, columns: usize) -> usize {
        match row {
            Shown::Text(_) => match self.time_columns(columns) {
                0 => 1,
                time => 2 + time,
            },
            Shown::Job(row) => {
                let time = self.time_columns(columns);
                let step = if row.step.is_some() { 6 } else { 0 };
                3 + step + if time > 0 { time + 2 } else { 0 }
            }
        }
    }

    /// Columns of the time; 0 where none is shown.
    pub fn time_columns(&self, columns: usize) -> usize {
        let unstamped = self.text.as_ref().is_some_and(|text| !text.stamped);
        match self.time {
            TimeMode::Written => 0,
            _ if unstamped => 0,
            TimeMode::Relative => 11,
            _ if columns < 70 => 8,
            _ if self.text.is_some() => 18,
            _ => 12,
        }
    }

    /// How many rows of the screen a row takes.
    pub fn height(&self, at: usize, columns: usize) -> usize {
        let Some(row) = self.row(at).filter(|_| self.wrap) else {
            return 1;
        };
        let is_step = matches!(
            row,
            Shown::Job(LogRow {
                kind: RowKind::Begun | RowKind::Done | RowKind::Failed | RowKind::Gap(_),
                ..
            })
        );
        if is_step {
            return 1;
        }
        let room = columns.saturating_sub(self.prefix(row, columns));
        lay::rows_of(row.body(self.time), room)
    }

    fn bottom(&self, size: (usize, usize)) -> At {
        if !self.wrap {
            return (self.len().saturating_sub(size.1), 0);
        }
        lay::bottom(self.len(), size.1, |at| self.height(at, size.0))
    }

    /// The first visible row, and how many of its own rows lie above the screen. `size`: columns and
    /// rows.
    pub fn top(&self, size: (usize, usize)) -> At {
        let bottom = self.bottom(size);
        match self.top {
            None => bottom,
            Some((key, within)) => {
                let at = self.find_key(key);
                let same = self.row(at).is_some_and(|row| row.key() == key);
                (at, if same { within } else { 0 }).min(bottom)
            }
        }
    }

    /// The rows on the screen: from the first to behind the last.
    pub fn visible(&self, size: (usize, usize)) -> (usize, usize) {
        let (top, within) = self.top(size);
        let (mut at, mut used) = (top, 0);
        while at < self.len() && used < size.1 + within {
            used += self.height(at, size.0);
            at += 1;
        }
        (top, at)
    }

    /// The row that is pointed at: the one gone to last where it can be seen, else the newest while
    /// following, else the topmost.
    pub fn pointed(&self, size: (usize, usize)) -> Option<usize> {
        let (from, to) = self.visible(size);
        if let Some(hit) = self.hit {
            let at = self.find_key(hit);
            if (from..to).contains(&at) {
                return Some(at);
            }
        }
        let at = if self.following() { to.checked_sub(1)? } else { from };
        (at < self.len()).then_some(at)
    }

    /// Takes a job's lines in.
    pub fn take(&mut self, lines: Vec<LogLine>, end: i64) {
        self.lines.end = self.lines.end.max(end);
        let new = self.lines.take(lines, end, self.following());
        if !self.following() && self.text.is_none() {
            self.unseen += new;
        }
        self.sift_job();
    }

    fn sift_job(&mut self) {
        let (sieve, since) = (&self.sieve, self.since);
        self.lines.sift(Passing { sieve, since });
    }

    /// The sieve or the time has changed: a job's rows are looked at again.
    pub fn sift(&mut self) {
        if self.text.is_none() {
            self.sift_job();
        }
    }

    /// Scrolls by rows, up where negative. Coming to the end follows again.
    pub fn scroll(&mut self, by: isize, size: (usize, usize)) -> Need {
        let at = lay::shift(self.top(size), by, self.len(), |at| self.height(at, size.0));
        self.show_from(at, size)
    }

    /// To the oldest row here.
    pub fn to_top(&mut self, size: (usize, usize)) -> Need {
        self.show_from((0, 0), size)
    }

    /// To the newest line, and follows it.
    pub fn to_end(&mut self) -> Need {
        self.top = None;
        self.unseen = 0;
        if self.text.is_none() && self.lines.is_loose() {
            return Need::Follow;
        }
        Need::Nothing
    }

    /// Stays where one is, whatever comes.
    pub fn pause(&mut self, size: (usize, usize)) {
        if self.following() {
            let at = self.top(size);
            self.set_top(at);
        }
    }

    fn set_top(&mut self, at: At) {
        if self.top.is_none()
            && let Some(text) = &mut self.text
        {
            text.paused_at = text.lines_come();
        }
        self.top = self.row(at.0).map(|row| (row.key(), at.1));
    }

    fn show_from(&mut self, at: At, size: (usize, usize)) -> Need {
        let bottom = self.bottom(size);
        if at >= bottom {
            match &self.text {
                Some(text) if !text.at_end() => self.set_top(bottom),
                Some(_) => return self.to_end(),
                None if self.lines.is_loose() => {
                    self.set_top(bottom);
                    return self.lines.at_bottom();
                }
                None => return self.to_end(),
            }
            return Need::Nothing;
        }
        self.set_top(at);
        if at.0 == 0 && self.text.is_none() {
            return self.lines.at_top();
        }
        Need::Nothing
    }

    /// What was asked for won't come: it may be asked for again.
    pub fn give_up(&mut self) {
        self.lines.give_up();
    }

    /// Points at a row, and brings it to the middle of the screen.
    pub fn go_to(&mut self, at: usize, size: (usize, usize)) {
        let Some(key) = self.row(at).map(|row| row.key()) else {
            return;
        };
        self.hit = Some(key);
        let (from, to) = self.visible(size);
        if self.top.is_some() && at > from && at + 1 < to {
            return;
        }
        let up = isize::try_from(size.1 / 2).unwrap_or(0);
        let top = lay::shift((at, 0), -up, self.len(), |at| self.height(at, size.0));
        self.set_top(top.min(self.bottom(size)));
    }

    /// From where the next thing is looked for: the last one gone to, or the screen's edge.
    fn looking_from(&self, back: bool, size: (usize, usize)) -> Option<usize> {
        if let Some(hit) = self.hit {
            return Some(self.find_key(hit));
        }
        let (from, to) = self.visible(size);
        if back { Some(to) } else { from.checked_sub(1) }
    }

    /// Goes to the next row here that is looked for (the previous where `back`), around the end.
    /// Answers whether there is one.
    pub fn find(&mut self, back: bool, size: (usize, usize), what: impl Fn(&Shown<'_>) -> bool) -> bool {
        let len = self.len();
        if len == 0 {
            return false;
        }
        let start = self.looking_from(back, size);
        for n in 1..=len {
            let at = match (back, start) {
                (true, start) => (start.unwrap_or(len) + len * 2 - n) % len,
                (false, Some(start)) => (start + n) % len,
                (false, None) => n - 1,
            };
            if self.row(at).is_some_and(|row| what(&row)) {
                self.go_to(at, size);
                return true;
            }
        }
        false
    }

    /// As [`LogView::find`], for the searched text.
    pub fn find_text(&mut self, back: bool, size: (usize, usize)) -> bool {
        let Some(search) = self.search.clone() else {
            return false;
        };
        self.find(back, size, |row| row.has(&search))
    }

    /// The position in a file from which the next thing is looked for, and whether the line there may
    /// be it.
    pub fn position(&self, back: bool, size: (usize, usize)) -> (u64, bool) {
        if let Some(hit) = self.hit {
            return (u64::try_from(hit).unwrap_or(0), false);
        }
        let (from, to) = self.visible(size);
        let row = if back { to.checked_sub(1) } else { Some(from) };
        match row.and_then(|at| self.row(at)) {
            Some(Shown::Text(row)) if back => (row.end, true),
            Some(Shown::Text(row)) => (row.pos, true),
            _ => (0, true),
        }
    }

    /// Whether something is being looked for that takes a while.
    pub fn is_looking(&self) -> bool {
        let asking = self.text.as_ref().and_then(|text| text.asking.as_ref());
        asking.is_some_and(|asking| asking.looked > 0)
    }

    /// How many rows here match the search.
    pub fn matches(&self) -> usize {
        let Some(search) = &self.search else { return 0 };
        (0..self.len())
            .filter_map(|at| self.row(at))
            .filter(|row| row.has(search))
            .count()
    }

    /// Marks the row that is pointed at, or takes the mark away. Answers whether it is marked now.
    pub fn mark(&mut self, size: (usize, usize)) -> Option<bool> {
        let row = self.row(self.pointed(size)?)?;
        let (key, text) = (row.key(), row.clean());
        if self.marks.remove(&key).is_some() {
            return Some(false);
        }
        if self.marks.len() >= MARKS_MAX {
            return None;
        }
        self.marks.insert(key, text);
        Some(true)
    }

    /// The next mark, from where one points, around the end.
    pub fn next_mark(&self, back: bool, size: (usize, usize)) -> Option<i64> {
        let here = self
            .pointed(size)
            .and_then(|at| self.row(at))
            .map_or(0, |row| row.key());
        if back {
            let before = self.marks.range(..here).next_back();
            before.or(self.marks.last_key_value()).map(|(key, _)| *key)
        } else {
            let behind = self.marks.range(here + 1..).next();
            behind.or(self.marks.first_key_value()).map(|(key, _)| *key)
        }
    }

    /// The row of a line, where it is here.
    pub fn row_of(&self, key: i64) -> Option<usize> {
        let at = self.find_key(key);
        self.row(at).filter(|row| row.key() == key).map(|_| at)
    }

    /// Lines that came since one scrolled up.
    pub fn new_lines(&self) -> u64 {
        match &self.text {
            Some(_) if self.following() => 0,
            Some(text) => text.status.new_lines.saturating_sub(text.paused_at),
            None => self.unseen as u64,
        }
    }
}
