//! Picks the lines of a log that a sieve lets through, going down or up, with the lines around them.
//! It is told where lines are and what they say, and keeps only where.

use super::head::Level;
use super::pattern::Sieve;
use std::collections::VecDeque;

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub pos: u64,
    /// Where the next one begins.
    pub end: u64,
    /// Whether it has no newline yet.
    pub open: bool,
    /// Whether it was taken only because a line beside it passed.
    pub context: bool,
}

impl Span {
    /// A line from here to there.
    pub fn new(pos: u64, end: u64, open: bool) -> Self {
        Self {
            pos,
            end,
            open,
            context: false,
        }
    }
}

/// Which way lines come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In the log's order.
    Down,
    /// Against it.
    Up,
}

/// Lines without a level of their own that wait for the line they go on with, at most.
const WAITING: usize = 10_000;

/// Picks lines. Feed it with [`Collector::line`] until it has enough, then [`Collector::finish`].
#[derive(Debug)]
pub struct Collector<'a> {
    sieve: &'a Sieve,
    way: Way,
    limit: usize,
    level: Option<Level>,
    waiting: Vec<(Span, bool)>,
    ring: VecDeque<Span>,
    countdown: usize,
    out: Vec<Span>,
}

impl<'a> Collector<'a> {
    /// One that takes at most `limit` lines.
    pub fn new(sieve: &'a Sieve, way: Way, limit: usize) -> Self {
        Self {
            sieve,
            way,
            limit,
            level: None,
            waiting: Vec::new(),
            ring: VecDeque::new(),
            countdown: 0,
            out: Vec::new(),
        }
    }

    /// Tells of a line that was passed on the way here, before the first [`Collector::line`] and in the
    /// order of the way: whether it is shown already.
    pub fn before(&mut self, span: Span, line: &[u8], shown: bool) {
        let (level, own) = self.level_of(line);
        if own || level.is_some() {
            self.level = level;
        }
        if self.sieve.context == 0 {
            return;
        }
        let passes = self.sieve.passes_text(line) && self.sieve.passes_level(self.level);
        if passes {
            self.countdown = self.sieve.context;
            self.ring.clear();
        } else {
            self.countdown = self.countdown.saturating_sub(1);
            if !shown {
                self.hold(span);
            }
        }
    }

    fn level_of(&self, line: &[u8]) -> (Option<Level>, bool) {
        if self.sieve.level.is_none() {
            return (None, true);
        }
        Sieve::own_level(line)
    }

    /// Takes a line. Answers whether there are enough.
    pub fn line(&mut self, span: Span, line: &[u8]) -> bool {
        if self.sieve.is_open() {
            self.out.push(span);
            return self.is_full();
        }
        let text = self.sieve.passes_text(line);
        if self.sieve.level.is_none() {
            self.decided(span, text);
            return self.is_full();
        }
        let (level, own) = Sieve::own_level(line);
        match self.way {
            Way::Down => {
                if own || level.is_some() {
                    self.level = level;
                }
                self.decided(span, text && self.sieve.passes_level(self.level));
            }
            // What a line goes on with comes only later.
            Way::Up if !own && level.is_none() => {
                self.waiting.push((span, text));
                if self.waiting.len() >= WAITING {
                    self.settle(None);
                }
            }
            Way::Up => {
                self.settle(level);
                self.decided(span, text && self.sieve.passes_level(level));
            }
        }
        self.is_full()
    }

    fn settle(&mut self, level: Option<Level>) {
        let high = self.sieve.passes_level(level);
        for (span, text) in std::mem::take(&mut self.waiting) {
            self.decided(span, text && high);
        }
    }

    fn is_full(&self) -> bool {
        self.out.len() >= self.limit
    }

    fn hold(&mut self, span: Span) {
        if self.ring.len() >= self.sieve.context {
            self.ring.pop_front();
        }
        self.ring.push_back(span);
    }

    fn decided(&mut self, span: Span, passes: bool) {
        if passes {
            let beside = std::mem::take(&mut self.ring);
            self.out
                .extend(beside.into_iter().map(|span| Span { context: true, ..span }));
            self.out.push(span);
            self.countdown = self.sieve.context;
        } else if self.countdown > 0 {
            self.countdown -= 1;
            self.out.push(Span { context: true, ..span });
        } else if self.sieve.context > 0 {
            self.hold(span);
        }
    }

    /// How many were taken so far.
    pub fn taken(&self) -> usize {
        self.out.len()
    }

    /// The lines taken, in the log's order.
    pub fn finish(mut self) -> Vec<Span> {
        self.settle(None);
        if self.way == Way::Up {
            self.out.reverse();
        }
        self.out
    }
}
