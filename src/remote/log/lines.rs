//! Going through lines, down and up, a block at a time. A line longer than a block is found all the
//! same; its first bytes are handed out.

use super::Bytes;
use crate::domain::log::{LINE_SEEN, Span};
use std::io;
use std::ops::ControlFlow;

/// Bytes that are read at once.
pub(super) const BLOCK: usize = 256 * 1024;

/// Fills as much of `into` as there is from `at` on.
pub(super) fn fill(bytes: &dyn Bytes, at: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match bytes.read_at(at + read as u64, &mut into[read..]) {
            Ok(0) => break,
            Ok(n) => read += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(read)
}

fn seen(line: &[u8]) -> &[u8] {
    line.get(..line.len().min(LINE_SEEN)).unwrap_or_default()
}

/// Hands out lines from `from` (a line's beginning) up to `to`, each with its first bytes. `block` is
/// told after each block up to where it went, and may end it too. Answers up to where it went; a line that
/// has no newline yet is handed out, but not gone over.
pub(super) fn down(
    bytes: &dyn Bytes,
    from: u64,
    to: u64,
    mut block: impl FnMut(u64) -> ControlFlow<()>,
    mut line: impl FnMut(Span, &[u8]) -> ControlFlow<()>,
) -> io::Result<u64> {
    let len = usize::try_from(to.saturating_sub(from)).unwrap_or(BLOCK);
    let mut buffer = vec![0_u8; len.clamp(1, BLOCK)];
    let mut at = from;
    while at < to {
        let room = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
        let read = fill(bytes, at, &mut buffer[..room])?;
        let part = buffer.get(..read).unwrap_or_default();
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', part) {
            let span = Span::new(at + start as u64, at + newline as u64 + 1, false);
            let ended = line(span, seen(&part[start..newline]));
            start = newline + 1;
            if ended.is_break() {
                return Ok(at + start as u64);
            }
        }
        if read == 0 {
            return Ok(at);
        }
        if start == 0 {
            // One line takes all of it.
            let head = seen(part).to_vec();
            let (end, open) = line_end(bytes, at + read as u64, to, &mut block)?;
            let ended = line(Span::new(at, end, open), &head);
            if open {
                return Ok(at);
            }
            at = end;
            if ended.is_break() {
                return Ok(at);
            }
        } else if at + read as u64 >= to && start < read {
            let span = Span::new(at + start as u64, at + read as u64, true);
            let _ = line(span, seen(&part[start..]));
            return Ok(span.pos);
        } else {
            at += start as u64;
        }
        if block(at).is_break() {
            return Ok(at);
        }
    }
    Ok(at)
}

/// Where the line ends that goes on at `at`, and whether it has no newline yet.
fn line_end(
    bytes: &dyn Bytes,
    mut at: u64,
    to: u64,
    block: &mut impl FnMut(u64) -> ControlFlow<()>,
) -> io::Result<(u64, bool)> {
    let mut buffer = vec![0_u8; BLOCK];
    while at < to {
        let room = usize::try_from(to - at).unwrap_or(usize::MAX).min(BLOCK);
        let read = fill(bytes, at, &mut buffer[..room])?;
        if let Some(newline) = memchr::memchr(b'\n', &buffer[..read]) {
            return Ok((at + newline as u64 + 1, false));
        }
        if read == 0 {
            break;
        }
        at += read as u64;
        if block(at).is_break() {
            break;
        }
    }
    Ok((at, true))
}

/// Where the line begins whose byte `at` is (a newline belongs to the line it ends), not before `floor`.
pub(super) fn line_start(bytes: &dyn Bytes, floor: u64, at: u64) -> io::Result<u64> {
    let mut buffer = Vec::new();
    let mut end = at;
    let mut size = 4 * 1024;
    while end > floor {
        let begin = end.saturating_sub(size as u64).max(floor);
        buffer.resize(usize::try_from(end - begin).unwrap_or(size), 0);
        let read = fill(bytes, begin, &mut buffer)?;
        if let Some(newline) = memchr::memrchr(b'\n', buffer.get(..read).unwrap_or_default()) {
            return Ok(begin + newline as u64 + 1);
        }
        end = begin;
        size = BLOCK;
    }
    Ok(floor)
}

/// Hands out lines before `to` (a line's beginning, or the end of all), the last first, down to
/// `floor`. Answers down to where it went.
pub(super) fn up(
    bytes: &dyn Bytes,
    floor: u64,
    to: u64,
    mut block: impl FnMut(u64) -> ControlFlow<()>,
    mut line: impl FnMut(Span, &[u8]) -> ControlFlow<()>,
) -> io::Result<u64> {
    let mut buffer = Vec::new();
    let mut at = to;
    let mut size = BLOCK / 4;
    let mut open = to > floor && {
        let mut last = [0_u8];
        fill(bytes, to - 1, &mut last)? == 1 && last[0] != b'\n'
    };
    while at > floor {
        let begin = at.saturating_sub(size as u64).max(floor);
        buffer.resize(usize::try_from(at - begin).unwrap_or(size), 0);
        let read = fill(bytes, begin, &mut buffer)?;
        if read < buffer.len() {
            // It was truncated under our eyes: there is nothing here any more.
            return Ok(at);
        }
        let mut end = buffer.len();
        loop {
            // The newline that ends the line itself is not looked at.
            let text_end = if open { end } else { end - 1 };
            let before = buffer.get(..text_end).unwrap_or_default();
            let start = match memchr::memrchr(b'\n', before) {
                Some(newline) => newline + 1,
                None if begin == floor => 0,
                None => break,
            };
            let span = Span::new(begin + start as u64, begin + end as u64, open);
            open = false;
            if line(span, seen(before.get(start..).unwrap_or_default())).is_break() {
                return Ok(span.pos);
            }
            end = start;
            if end == 0 {
                break;
            }
        }
        if end < buffer.len() {
            at = begin + end as u64;
        } else {
            // One line takes more than all of it.
            let start = line_start(bytes, floor, begin)?;
            let mut head = vec![0_u8; LINE_SEEN.min(usize::try_from(at - start).unwrap_or(LINE_SEEN))];
            let read = fill(bytes, start, &mut head)?;
            head.truncate(read);
            if !open && head.len() as u64 == at - start {
                head.pop();
            }
            let ended = line(Span::new(start, at, open), &head);
            open = false;
            at = start;
            if ended.is_break() {
                return Ok(at);
            }
        }
        if block(at).is_break() {
            return Ok(at);
        }
        size = BLOCK;
    }
    Ok(at)
}
