//! How many lines there are, and which number a line has: the position of every [`EVERY`]th line,
//! found by looking for newlines in the background.

use super::Bytes;
use super::lines::{BLOCK, fill};
use std::io;

/// One line's position in so many is kept.
pub const EVERY: u64 = 4096;

/// Lines counted so far. Begins anew where the log's beginning is let go.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Positions of the lines with the numbers 0, [`EVERY`], 2 × [`EVERY`] …, with what was skipped
    /// before them.
    marks: Vec<(u64, u64)>,
    /// Newlines seen.
    lines: u64,
    done: u64,
}

impl Index {
    /// Up to where lines were counted.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// How many were.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Takes in what was counted: a block that begins where the last one ended, and where its newlines
    /// are.
    fn take(&mut self, at: u64, block: &[u8]) -> u64 {
        if self.marks.is_empty() {
            self.marks.push((self.lines, at));
        }
        let before = self.lines;
        let mut next = (self.lines / EVERY + 1) * EVERY;
        for newline in memchr::memchr_iter(b'\n', block) {
            self.lines += 1;
            if self.lines == next {
                self.marks.push((self.lines, at + newline as u64 + 1));
                next += EVERY;
            }
        }
        self.done = at + block.len() as u64;
        self.lines - before
    }

    /// The mark at or before a position.
    fn mark(&self, pos: u64) -> Option<(u64, u64)> {
        let next = self.marks.partition_point(|(_, at)| *at <= pos);
        next.checked_sub(1).and_then(|n| self.marks.get(n)).copied()
    }
}

/// Counts on, a block. Answers the new lines; `None` where all is counted.
pub(super) fn step(
    index: impl Fn(&mut dyn FnMut(&mut Index)),
    bytes: &dyn Bytes,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<u64>> {
    let mut at = 0;
    index(&mut |index| {
        if index.done < bytes.start() {
            // What was let go can't be counted any more.
            index.done = bytes.start();
            index.marks.clear();
        }
        at = index.done;
    });
    let end = bytes.end();
    if at >= end {
        return Ok(None);
    }
    let room = usize::try_from(end - at).unwrap_or(usize::MAX).min(4 * BLOCK);
    buffer.resize(room, 0);
    let read = fill(bytes, at, buffer)?;
    if read == 0 {
        return Ok(None);
    }
    let mut new = 0;
    index(&mut |index| new = index.take(at, buffer.get(..read).unwrap_or_default()));
    Ok(Some(new))
}

/// The number, from 1, of the line that begins at a position, where the lines before it are counted.
pub(super) fn number(mark: Option<(u64, u64)>, bytes: &dyn Bytes, pos: u64) -> io::Result<Option<u64>> {
    let Some((mut lines, mut at)) = mark else {
        return Ok(None);
    };
    let mut buffer = vec![0_u8; BLOCK];
    while at < pos {
        let room = usize::try_from(pos - at).unwrap_or(usize::MAX).min(BLOCK);
        let read = fill(bytes, at, &mut buffer[..room])?;
        if read == 0 {
            return Ok(None);
        }
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
        at += read as u64;
    }
    Ok(Some(lines + 1))
}

impl Index {
    /// Where to begin counting for [`number`]; `None` where that isn't counted yet.
    pub(super) fn before(&self, pos: u64) -> Option<(u64, u64)> {
        if pos > self.done {
            return None;
        }
        self.mark(pos)
    }
}
