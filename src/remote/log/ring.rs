//! What a command wrote, in bounded memory: whole blocks of the oldest lines are let go, and counted.

use super::Bytes;
use std::collections::VecDeque;
use std::io;
use std::sync::{PoisonError, RwLock};

/// Bytes of a block.
const BLOCK: usize = 64 * 1024;

#[derive(Default)]
struct Blocks {
    /// Lines are never split over two blocks.
    blocks: VecDeque<(u64, Vec<u8>, u64)>,
    end: u64,
    held: usize,
    dropped: u64,
}

/// The ring.
pub(super) struct Ring {
    room: usize,
    blocks: RwLock<Blocks>,
}

/// Where a ring stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) dropped: u64,
}

impl Ring {
    pub(super) fn new(room: usize) -> Self {
        Self {
            room: room.max(2 * BLOCK),
            blocks: RwLock::default(),
        }
    }

    /// Takes a line, without its newline.
    pub(super) fn push(&self, line: &str) -> State {
        let mut this = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        let end = this.end;
        let fits = this
            .blocks
            .back()
            .is_some_and(|(_, block, _)| block.len() + line.len() < BLOCK);
        if !fits {
            this.blocks
                .push_back((end, Vec::with_capacity(BLOCK.max(line.len() + 1)), 0));
        }
        if let Some((_, block, lines)) = this.blocks.back_mut() {
            // A newline inside would be two lines.
            block.extend(line.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
            block.push(b'\n');
            *lines += 1;
        }
        this.end += line.len() as u64 + 1;
        this.held += line.len() + 1;
        while this.held > self.room && this.blocks.len() > 1 {
            if let Some((_, block, lines)) = this.blocks.pop_front() {
                this.held -= block.len();
                this.dropped += lines;
            }
        }
        State {
            start: this.blocks.front().map_or(this.end, |(base, ..)| *base),
            end: this.end,
            dropped: this.dropped,
        }
    }
}

impl Bytes for Ring {
    fn start(&self) -> u64 {
        let this = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        this.blocks.front().map_or(this.end, |(base, ..)| *base)
    }

    fn end(&self) -> u64 {
        self.blocks.read().unwrap_or_else(PoisonError::into_inner).end
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let this = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        let next = this.blocks.partition_point(|(base, ..)| *base <= at);
        let Some((base, block, _)) = next.checked_sub(1).and_then(|n| this.blocks.get(n)) else {
            return Ok(0);
        };
        let from = usize::try_from(at - base).unwrap_or(usize::MAX);
        let rest = block.get(from..).unwrap_or_default();
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}
