//! Answers to what is asked of a log.

use super::lines::{self, fill};
use super::{Asked, Bytes, Inner, LogError, Store, index};
use crate::domain::log::{Ask, Collector, Head, Json, LINE_SEEN, Level, Page, Span, TextRow, Wanted, Way};
use jiff::Timestamp;
use std::io;
use std::ops::ControlFlow;

/// Lines that are looked at for the level that a line goes on with.
const LOOK_BACK: usize = 64;
/// Lines in which a time is looked for.
const TIME_WITHIN: usize = 2_000;

fn full(full: bool) -> ControlFlow<()> {
    if full {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

struct Answer<'a> {
    inner: &'a Inner,
    bytes: &'a dyn Bytes,
    by: &'a Asked<'a>,
    floor: u64,
}

pub(super) fn answer(inner: &Inner, ask: &Ask, by: &Asked<'_>) -> Result<Page, LogError> {
    let bytes = inner.store.bytes();
    let this = Answer {
        inner,
        bytes,
        by,
        floor: by.floor.max(bytes.start()),
    };
    this.answer(ask)
}

pub(super) fn every(
    inner: &Inner,
    by: &Asked<'_>,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, LogError> {
    let bytes = inner.store.bytes();
    let this = Answer {
        inner,
        bytes,
        by,
        floor: by.floor.max(bytes.start()),
    };
    this.every(each)
}

impl Answer<'_> {
    fn wrong(&self, source: io::Error) -> LogError {
        LogError::Io {
            path: self.inner.path.clone(),
            source,
        }
    }

    fn answer(&self, ask: &Ask) -> Result<Page, LogError> {
        let end = self.bytes.end();
        let limit = self.by.limit;
        match ask {
            Ask::Tail => self.up(end, end, limit),
            Ask::Head => self.down(self.floor, self.floor, limit),
            Ask::Before { from, shown } => self.up((*from).clamp(self.floor, end), *shown, limit),
            Ask::After { from, shown } => self.down((*from).clamp(self.floor, end), *shown, limit),
            Ask::Around(pos) => self.around(*pos),
            Ask::Find {
                from,
                itself,
                back,
                what,
            } => self.find(*from, *itself, *back, what),
            Ask::Since(at) => self.since(*at),
        }
    }

    /// Between blocks: whether to go on.
    fn go_on(&self, from: u64, at: u64) -> ControlFlow<()> {
        (self.by.looked)(from.abs_diff(at));
        if (self.by.stop)() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn not_stopped(&self) -> Result<(), LogError> {
        if (self.by.stop)() {
            Err(LogError::Stopped)
        } else {
            Ok(())
        }
    }

    /// Tells a collector of the lines that were passed before it begins, in the order of its way.
    fn prime(&self, collector: &mut Collector<'_>, way: Way, from: u64, shown: u64) -> Result<(), LogError> {
        let count = match (self.by.sieve.level, self.by.sieve.context) {
            (None, 0) => return Ok(()),
            (None, context) => context,
            (Some(_), context) if way == Way::Down => context.max(LOOK_BACK),
            (Some(_), context) => context,
        };
        let mut passed: Vec<(Span, Vec<u8>)> = Vec::new();
        let take = |span: Span, line: &[u8]| {
            passed.push((span, line.to_vec()));
            if passed.len() >= count {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let through = |_| ControlFlow::Continue(());
        match way {
            Way::Down => lines::up(self.bytes, self.floor, from, through, take),
            Way::Up => lines::down(self.bytes, from, self.bytes.end(), through, take),
        }
        .map_err(|e| self.wrong(e))?;
        for (span, line) in passed.iter().rev() {
            let is_shown = match way {
                Way::Down => span.pos < shown,
                Way::Up => span.pos >= shown,
            };
            collector.before(*span, line, is_shown);
        }
        Ok(())
    }

    fn up(&self, to: u64, shown: u64, limit: usize) -> Result<Page, LogError> {
        let mut collector = Collector::new(self.by.sieve, Way::Up, limit);
        self.prime(&mut collector, Way::Up, to, shown)?;
        let mut open = None;
        let from = lines::up(
            self.bytes,
            self.floor,
            to,
            |at| self.go_on(to, at),
            |span, line| {
                open = open.or(span.open.then_some(span.pos));
                full(collector.line(span, line))
            },
        )
        .map_err(|e| self.wrong(e))?;
        self.not_stopped()?;
        // A line without a newline is read again when it goes on.
        let page = self.page(&collector.finish(), from, to)?;
        Ok(Page {
            to: open.unwrap_or(to),
            seen: to,
            ..page
        })
    }

    fn down(&self, from: u64, shown: u64, limit: usize) -> Result<Page, LogError> {
        let mut collector = Collector::new(self.by.sieve, Way::Down, limit);
        self.prime(&mut collector, Way::Down, from, shown)?;
        let end = self.bytes.end();
        let mut open = false;
        let to = lines::down(
            self.bytes,
            from,
            end,
            |at| self.go_on(from, at),
            |span, line| {
                open = span.open;
                full(collector.line(span, line))
            },
        )
        .map_err(|e| self.wrong(e))?;
        self.not_stopped()?;
        let page = self.page(&collector.finish(), from, to)?;
        Ok(Page {
            seen: if open { end } else { to },
            ..page
        })
    }

    /// The rows of these lines.
    fn page(&self, spans: &[Span], from: u64, to: u64) -> Result<Page, LogError> {
        let mut rows: Vec<TextRow> = Vec::with_capacity(spans.len());
        let mut buffer: Vec<u8> = Vec::new();
        let mut at = 0;
        for span in spans {
            let text = span.end - span.pos - u64::from(!span.open && span.end > span.pos);
            let wanted = usize::try_from(text).unwrap_or(LINE_SEEN).min(LINE_SEEN);
            let mut start = usize::try_from(span.pos.wrapping_sub(at)).unwrap_or(usize::MAX);
            if span.pos < at || start.saturating_add(wanted) > buffer.len() {
                at = span.pos;
                start = 0;
                let room = usize::try_from(to.max(span.end) - at).unwrap_or(lines::BLOCK);
                buffer.resize(room.clamp(wanted, lines::BLOCK), 0);
                let read = fill(self.bytes, at, &mut buffer).map_err(|e| self.wrong(e))?;
                buffer.truncate(read);
            }
            let line = buffer.get(start..buffer.len().min(start + wanted)).unwrap_or_default();
            let row = TextRow::new(*span, line, None);
            let inherited = if row.own {
                None
            } else {
                self.level_before(rows.last(), span.pos)?
            };
            rows.push(TextRow {
                level: row.level.or(inherited),
                ..row
            });
        }
        let line = match rows.first() {
            Some(first) => self.number(first.pos)?,
            None => None,
        };
        Ok(Page {
            rows,
            from,
            to,
            line,
            ..Page::default()
        })
    }

    fn number(&self, pos: u64) -> Result<Option<u64>, LogError> {
        if matches!(self.inner.store, Store::Output(_)) {
            return Ok(None);
        }
        let mark = self.inner.index().before(pos);
        index::number(mark, self.bytes, pos).map_err(|e| self.wrong(e))
    }

    /// The level of the record that a line goes on with.
    fn level_before(&self, last: Option<&TextRow>, pos: u64) -> Result<Option<Level>, LogError> {
        if let Some(last) = last
            && last.end == pos
        {
            return Ok(last.level);
        }
        let (mut found, mut left) = (None, LOOK_BACK);
        lines::up(
            self.bytes,
            self.bytes.start().max(pos.saturating_sub(64 * 1024)),
            pos,
            |_| ControlFlow::Continue(()),
            |_, line| {
                let head = Head::of(line);
                left -= 1;
                if head.own {
                    found = head.level;
                }
                if head.own || left == 0 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
        .map_err(|e| self.wrong(e))?;
        Ok(found)
    }

    fn around(&self, pos: u64) -> Result<Page, LogError> {
        let end = self.bytes.end();
        let pos = lines::line_start(self.bytes, self.floor, pos.clamp(self.floor, end)).map_err(|e| self.wrong(e))?;
        let half = (self.by.limit / 2).max(1);
        let mut above = self.up(pos, pos, half)?;
        let below = self.down(pos, pos, half)?;
        // Both ways may have taken the same line for one beside it.
        let last = above.rows.last().map_or(0, |row| row.end);
        above.rows.extend(below.rows.into_iter().filter(|row| row.pos >= last));
        (above.to, above.seen) = (below.to, below.seen);
        Ok(above)
    }

    fn find(&self, from: u64, itself: bool, back: bool, what: &Wanted) -> Result<Page, LogError> {
        let end = self.bytes.end();
        let from = from.clamp(self.floor, end);
        let not = (!itself).then_some(from);
        let (first, last) = if back { (end, self.floor) } else { (self.floor, end) };
        let hit = match self.find_between((from, last), not, back, what)? {
            Some(hit) => Some((hit, false)),
            None => match self.find_between((first, from), None, back, what)? {
                Some(hit) => Some((hit, true)),
                // Nothing else: the line itself, if it still is one.
                None => not.filter(|at| self.is_at(*at, what)).map(|hit| (hit, true)),
            },
        };
        let Some((hit, wrapped)) = hit else {
            return Ok(Page::default());
        };
        let mut page = self.around(hit)?;
        page.hit = Some(hit);
        page.wrapped = wrapped;
        Ok(page)
    }

    /// Whether what is looked for is in the line at a position.
    fn is_at(&self, at: u64, what: &Wanted) -> bool {
        let mut found = false;
        let one = |_: Span, line: &[u8]| {
            found = is_in(line, what);
            ControlFlow::Break(())
        };
        let looked = lines::down(self.bytes, at, self.bytes.end(), |_| ControlFlow::Break(()), one);
        looked.is_ok() && found
    }

    /// The first line with something on the way from one position to another that also passes the sieve.
    fn find_between(
        &self,
        (from, to): (u64, u64),
        not: Option<u64>,
        back: bool,
        what: &Wanted,
    ) -> Result<Option<u64>, LogError> {
        let mut hit = None;
        let sieve = self.by.sieve;
        let passes = |line: &[u8]| {
            sieve.passes_text(line) && (sieve.level.is_none() || sieve.passes_level(Head::of(line).level))
        };
        let look = |span: Span, line: &[u8]| {
            if is_in(line, what) && Some(span.pos) != not && passes(line) {
                hit = Some(span.pos);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        if back {
            lines::up(self.bytes, to.min(from), from, |at| self.go_on(from, at), look)
        } else {
            lines::down(self.bytes, from, to, |at| self.go_on(from, at), look)
        }
        .map_err(|e| self.wrong(e))?;
        if hit.is_none() {
            self.not_stopped()?;
        }
        Ok(hit)
    }

    fn since(&self, since: Timestamp) -> Result<Page, LogError> {
        let end = self.bytes.end();
        // Lines before `low` are older, from `high` on the first time that is said is not.
        let (mut low, mut high) = (self.bytes.start(), end);
        let mut any = false;
        while low < high {
            self.not_stopped()?;
            let middle = low + (high - low) / 2;
            let line = lines::line_start(self.bytes, low, middle).map_err(|e| self.wrong(e))?;
            match self.time_from(line, end)? {
                Some((_, next, at)) if at < since => {
                    any = true;
                    low = next.min(high);
                }
                found => {
                    any |= found.is_some();
                    high = line;
                }
            }
        }
        if !any {
            return Err(LogError::NoTimes);
        }
        // What stands before that time goes on with an older line.
        let floor = self.time_from(high, end)?.map_or(end, |(pos, ..)| pos);
        let this = Answer { floor, ..*self };
        let mut page = this.up(end, end, self.by.limit)?;
        page.floor = Some(floor);
        Ok(page)
    }

    /// The first line from here on, before there, that says its time: where it is, where the next one
    /// is, and the time.
    fn time_from(&self, from: u64, to: u64) -> Result<Option<(u64, u64, Timestamp)>, LogError> {
        let (mut found, mut left) = (None, TIME_WITHIN);
        lines::down(
            self.bytes,
            from,
            to,
            |_| ControlFlow::Continue(()),
            |span, line| {
                left -= 1;
                found = stamp_of(line).map(|at| (span.pos, span.end, at));
                if found.is_some() || left == 0 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
        .map_err(|e| self.wrong(e))?;
        Ok(found)
    }

    fn every(&self, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<u64, LogError> {
        let end = self.bytes.end();
        let mut at = self.floor;
        let mut count = 0;
        while at < end {
            let mut collector = Collector::new(self.by.sieve, Way::Down, 10_000);
            self.prime(&mut collector, Way::Down, at, at)?;
            let mut open = false;
            let to = lines::down(
                self.bytes,
                at,
                end,
                |to| self.go_on(at, to),
                |span, line| {
                    open = span.open;
                    full(collector.line(span, line))
                },
            )
            .map_err(|e| self.wrong(e))?;
            self.not_stopped()?;
            for span in collector.finish() {
                let text = span.end - span.pos - u64::from(!span.open);
                let mut line = vec![0_u8; usize::try_from(text).unwrap_or(LINE_SEEN).min(LINE_SEEN)];
                let read = fill(self.bytes, span.pos, &mut line).map_err(|e| self.wrong(e))?;
                line.truncate(read);
                each(&line).map_err(|e| self.wrong(e))?;
                count += 1;
            }
            if to <= at || open {
                break;
            }
            at = to;
        }
        Ok(count)
    }
}

fn is_in(line: &[u8], what: &Wanted) -> bool {
    match what {
        Wanted::Text(pattern) => pattern.is_in(line),
        Wanted::Level(least) => level_of(line).is_some_and(|level| level >= *least),
    }
}

fn json(line: &[u8]) -> Option<Head> {
    if line.first() != Some(&b'{') {
        return None;
    }
    Some(Json::read(std::str::from_utf8(line).ok()?)?.head)
}

fn level_of(line: &[u8]) -> Option<Level> {
    json(line).unwrap_or_else(|| Head::of(line)).level
}

fn stamp_of(line: &[u8]) -> Option<Timestamp> {
    Some(json(line).unwrap_or_else(|| Head::of(line)).stamp?.at)
}
