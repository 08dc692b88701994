//! A file as it was and as it goes on: when it is rotated, the new one follows behind the old one,
//! which stays open; when it is truncated, what was there is gone and what comes follows behind.

use super::{Bytes, LogError};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Rotated files that are kept open behind the newest.
const KEPT: usize = 4;
/// Bytes at a file's beginning by which it is known again.
const PRINT: usize = 128;

enum Source {
    File {
        file: Arc<File>,
        id: (u64, u64),
        print: Vec<u8>,
    },
    Note(Vec<u8>),
}

struct Part {
    base: u64,
    len: u64,
    source: Source,
}

/// The file.
pub(super) struct Chain {
    path: PathBuf,
    parts: RwLock<Vec<Part>>,
}

/// What a look at the file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Same,
    Grown,
    Rotated,
    Truncated,
}

fn open(path: &Path) -> io::Result<File> {
    // Not blocking: a pipe without a writer would hold the opener for ever.
    std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
}

fn print_of(file: &File, len: usize) -> Vec<u8> {
    let mut print = vec![0_u8; len.min(PRINT)];
    let read = file.read_at(&mut print, 0).unwrap_or(0);
    print.truncate(read);
    print
}

impl Chain {
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        let name = || path.display().to_string();
        let wrong = |source| LogError::Io { path: name(), source };
        let kind = |what| LogError::Kind { path: name(), what };
        let file = open(path).map_err(wrong)?;
        let meta = file.metadata().map_err(wrong)?;
        if meta.is_dir() {
            return Err(kind("a folder"));
        }
        if !meta.is_file() {
            return Err(kind("a device or pipe"));
        }
        let len = meta.len();
        let print = print_of(&file, PRINT);
        match print.as_slice() {
            [0x1f, 0x8b, ..] | [0xfd, b'7', b'z', ..] | [b'B', b'Z', b'h', ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                return Err(kind("compressed"));
            }
            _ => {}
        }
        let part = Part {
            base: 0,
            len,
            source: Source::File {
                file: Arc::new(file),
                id: (meta.dev(), meta.ino()),
                print,
            },
        };
        Ok(Self {
            path: path.to_owned(),
            parts: RwLock::new(vec![part]),
        })
    }

    /// Looks whether it has grown, was rotated or truncated, and takes that in.
    pub(super) fn look(&self) -> io::Result<Look> {
        let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = parts.last_mut() else {
            return Ok(Look::Same);
        };
        let Source::File { file, id, print } = &mut last.source else {
            return Ok(Look::Same);
        };
        let now = file.metadata()?.len();
        let same_beginning = now < print.len() as u64 || print_of(file, print.len()) == *print;
        let truncated = now < last.len || !same_beginning;
        let mut found = if now > last.len { Look::Grown } else { Look::Same };
        let gone = last.len;
        if truncated {
            found = Look::Truncated;
        } else {
            last.len = now;
            if print.len() < PRINT {
                *print = print_of(file, PRINT);
            }
        }
        let at_path = match std::fs::metadata(&self.path) {
            Ok(meta) if meta.is_file() => Some((meta.dev(), meta.ino())),
            // Moved away, and nothing in its place yet.
            Ok(_) | Err(_) => None,
        };
        let rotated = at_path.is_some_and(|found| found != *id);
        let (file, id) = (Arc::clone(file), *id);
        let base = last.base + last.len;
        if truncated {
            let note = format!("── the file was truncated: {gone} bytes are gone ──\n");
            parts.clear();
            let note = part_of_note(base, note);
            let base = base + note.len;
            parts.push(note);
            let print = print_of(&file, PRINT);
            parts.push(Part {
                base,
                len: now,
                source: Source::File { file, id, print },
            });
        }
        if rotated {
            let Ok(next) = open(&self.path) else { return Ok(found) };
            let meta = next.metadata()?;
            let end = parts.last().map_or(0, |part| part.base + part.len);
            let ended = last_byte(&parts).is_none_or(|byte| byte == b'\n');
            let newline = if ended { "" } else { "\n" };
            let note = part_of_note(end, format!("{newline}── the file was rotated: a new one begins ──\n"));
            let base = end + note.len;
            parts.push(note);
            let print = print_of(&next, PRINT);
            parts.push(Part {
                base,
                len: meta.len(),
                source: Source::File {
                    file: Arc::new(next),
                    id: (meta.dev(), meta.ino()),
                    print,
                },
            });
            let over = parts.len().saturating_sub(2 * KEPT + 1);
            parts.drain(..over);
            found = Look::Rotated;
        }
        Ok(found)
    }
}

fn part_of_note(base: u64, text: String) -> Part {
    Part {
        base,
        len: text.len() as u64,
        source: Source::Note(text.into_bytes()),
    }
}

fn last_byte(parts: &[Part]) -> Option<u8> {
    let part = parts.iter().rev().find(|part| part.len > 0)?;
    match &part.source {
        Source::Note(text) => text.last().copied(),
        Source::File { file, .. } => {
            let mut byte = [0_u8];
            file.read_exact_at(&mut byte, part.len - 1).ok()?;
            Some(byte[0])
        }
    }
}

impl Bytes for Chain {
    fn start(&self) -> u64 {
        let parts = self.parts.read().unwrap_or_else(PoisonError::into_inner);
        parts.first().map_or(0, |part| part.base)
    }

    fn end(&self) -> u64 {
        let parts = self.parts.read().unwrap_or_else(PoisonError::into_inner);
        parts.last().map_or(0, |part| part.base + part.len)
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let parts = self.parts.read().unwrap_or_else(PoisonError::into_inner);
        let Some(part) = parts.iter().find(|part| at >= part.base && at < part.base + part.len) else {
            return Ok(0);
        };
        let from = at - part.base;
        let room = usize::try_from(part.len - from).unwrap_or(usize::MAX).min(into.len());
        let into = into.get_mut(..room).unwrap_or_default();
        match &part.source {
            Source::Note(text) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                let text = text.get(from..).unwrap_or_default();
                let len = text.len().min(into.len());
                into[..len].copy_from_slice(&text[..len]);
                Ok(len)
            }
            Source::File { file, .. } => {
                let file = Arc::clone(file);
                drop(parts);
                file.read_at(into, from)
            }
        }
    }
}
