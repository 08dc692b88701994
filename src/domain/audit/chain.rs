//! The chain: every row's hash is SHA-256 over the hash of the row before it and the row's own
//! canonical form, so that nobody can edit, remove, add or move a row in the middle without a break
//! that shows. Who can write everything anew (the registry's owner) is caught by the anchors: hashes
//! that were written down elsewhere, earlier.
//!
//! The canonical form is one that SQL computes as well (`registry/postgres/audit.sql`), byte for byte:
//! the line `vigie audit 1`, then the fields in the order of [`Row`], the previous hash first. A field
//! is `-` where there is none, else its length in bytes, a colon and its UTF-8 text; numbers are
//! decimal, times are whole microseconds since the epoch, values are the JSON text as it is stored.

use jiff::Timestamp;
use std::fmt;

/// A SHA-256 hash, in lower-case hexadecimal: 64 digits.
pub type Digest = String;

/// The hash before the first row.
pub const BEGINNING: &str = "";

/// What the chain knows of a row, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row<'a> {
    /// Its number.
    pub id: i64,
    /// When, microseconds since the epoch.
    pub at: i64,
    /// The operation's id.
    pub op_id: &'a str,
    /// The database's role.
    pub db_role: Option<&'a str>,
    /// The operating system's user.
    pub os_user: &'a str,
    /// The machine.
    pub host: &'a str,
    /// Through what.
    pub via: &'a str,
    /// What.
    pub action: &'a str,
    /// On what.
    pub object: &'a str,
    /// What it is called.
    pub label: &'a str,
    /// The values before: JSON, verbatim.
    pub from: Option<&'a str>,
    /// And after.
    pub to: Option<&'a str>,
    /// Why it was refused.
    pub refused: Option<&'a str>,
}

impl Row<'_> {
    /// The row's canonical form behind this hash.
    pub fn canonical(&self, previous: &str) -> Vec<u8> {
        let (id, at) = (self.id.to_string(), self.at.to_string());
        let fields = [
            Some(previous),
            Some(&id),
            Some(&at),
            Some(self.op_id),
            self.db_role,
            Some(self.os_user),
            Some(self.host),
            Some(self.via),
            Some(self.action),
            Some(self.object),
            Some(self.label),
            self.from,
            self.to,
            self.refused,
        ];
        let mut bytes = b"vigie audit 1\n".to_vec();
        for field in fields {
            match field {
                None => bytes.push(b'-'),
                Some(text) => {
                    bytes.extend_from_slice(text.len().to_string().as_bytes());
                    bytes.push(b':');
                    bytes.extend_from_slice(text.as_bytes());
                }
            }
        }
        bytes
    }

    /// The row's hash behind this one.
    pub fn hash(&self, previous: &str) -> Digest {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.canonical(previous));
        let mut text = String::with_capacity(64);
        for byte in digest.as_ref() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        text
    }
}

/// The newest row at some time, written down outside of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The row's number.
    pub id: i64,
    /// Its hash.
    pub hash: Digest,
    /// When it was written down.
    pub at: Timestamp,
}

impl fmt::Display for Anchor {
    /// As a line of an anchor file: time, number, hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} {} {}", self.at, self.id, self.hash)
    }
}

impl std::str::FromStr for Anchor {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("{line:?} is no anchor: a time, a row's number and its hash are");
        let mut words = line.split_ascii_whitespace();
        let (Some(at), Some(id), Some(hash), None) = (words.next(), words.next(), words.next(), words.next()) else {
            return Err(wrong());
        };
        let digits = hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hash.len() != 64 || !digits {
            return Err(wrong());
        }
        Ok(Self {
            id: id.parse().map_err(|_| wrong())?,
            hash: hash.to_owned(),
            at: at.parse().map_err(|_| wrong())?,
        })
    }
}

/// Where the chain breaks first, and what that means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// Rows are not there.
    #[error("{} missing: deleted after {} written", rows(*first, *last), if first == last { "it was" } else { "they were" })]
    Missing {
        /// The first of them.
        first: i64,
        /// The last.
        last: i64,
    },
    /// A row isn't what its hash was made of.
    #[error("row {id} is not as it was written: it was changed, or put there in place of another")]
    Altered {
        /// Which.
        id: i64,
    },
    /// A row holds what no vigie writes.
    #[error("row {id} is not as it was written: {what}")]
    Unreadable {
        /// Which.
        id: i64,
        /// What is wrong with it.
        what: String,
    },
    /// A row stands where there can be none.
    #[error("row {id} was put in by another hand: rows are numbered from 1 on, each once")]
    Inserted {
        /// Which.
        id: i64,
    },
    /// There are rows that the registry's own note of the newest one doesn't know.
    #[error("row {id} was added by another hand: the newest that was written in order is row {newest}")]
    Added {
        /// The first of them.
        id: i64,
        /// The newest of which there is a note.
        newest: i64,
    },
    /// The registry's own note of the newest row tells another hash.
    #[error("row {id} is not as it was written: the registry noted another hash for it")]
    Head {
        /// Which.
        id: i64,
    },
    /// The registry's own note of the newest row is gone.
    #[error("the registry's note of its newest row is gone: how far the audit went can't be told from it")]
    Headless,
    /// An anchor tells another hash.
    #[error("the audit was written anew up to row {id} at least: on {at} that row had another hash", at = day(*at))]
    Rewritten {
        /// The anchored row.
        id: i64,
        /// When it was anchored.
        at: Timestamp,
    },
    /// An anchor knows rows that are no longer there.
    #[error("the newest rows are missing: on {at} the audit went to row {anchored}, now it ends with row {last}", at = day(*at))]
    Cut {
        /// The last row that is there; 0: none.
        last: i64,
        /// The anchored row.
        anchored: i64,
        /// When it was anchored.
        at: Timestamp,
    },
}

fn rows(first: i64, last: i64) -> String {
    if first == last {
        format!("row {first} is")
    } else {
        format!("rows {first} to {last} are")
    }
}

fn day(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// What looking through the whole audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Rows that were looked at.
    pub rows: u64,
    /// The last of them that is in order: its number and hash.
    pub newest: Option<(i64, Digest)>,
    /// Anchors that were compared.
    pub anchors: usize,
    /// The first break; `None`: all is as it was written.
    pub broken: Option<Break>,
}

/// Follows the chain, row by row, in the order of their numbers.
#[derive(Debug, Clone)]
pub struct Chain {
    last: i64,
    hash: Digest,
    rows: u64,
    anchors: Vec<Anchor>,
    next_anchor: usize,
    broken: Option<Break>,
}

impl Chain {
    /// From the beginning, to be compared with these anchors.
    pub fn new(anchors: &[Anchor]) -> Self {
        let mut anchors = anchors.to_vec();
        anchors.sort_by_key(|a| (a.id, a.at));
        Self {
            last: 0,
            hash: BEGINNING.to_owned(),
            rows: 0,
            anchors,
            next_anchor: 0,
            broken: None,
        }
    }

    /// The number of the last row that was taken.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// The hash of the last row that was taken, [`BEGINNING`] where none was.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether a break was found: what follows says nothing more.
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Takes the next row with its stored hash. Once broken, it stays broken.
    pub fn take(&mut self, row: &Row<'_>, stored: &str) {
        if self.is_broken() || self.misplaced(row.id) {
            return;
        }
        let hash = row.hash(&self.hash);
        if hash != stored {
            self.broken = Some(Break::Altered { id: row.id });
            return;
        }
        (self.last, self.hash) = (row.id, hash);
        while let Some(anchor) = self.anchors.get(self.next_anchor)
            && anchor.id <= row.id
        {
            self.next_anchor += 1;
            if anchor.id == row.id && anchor.hash != self.hash {
                self.broken = Some(Break::Rewritten {
                    id: row.id,
                    at: anchor.at,
                });
                return;
            }
        }
    }

    /// Takes a row that can't be read.
    pub fn take_unreadable(&mut self, id: i64, what: impl fmt::Display) {
        if !self.is_broken() && !self.misplaced(id) {
            self.broken = Some(Break::Unreadable {
                id,
                what: what.to_string(),
            });
        }
    }

    /// Whether a row of this number can't come now.
    fn misplaced(&mut self, id: i64) -> bool {
        self.rows += 1;
        if id <= self.last {
            self.broken = Some(Break::Inserted { id });
        } else if id != self.last + 1 {
            self.broken = Some(Break::Missing {
                first: self.last + 1,
                last: id - 1,
            });
        }
        self.is_broken()
    }

    /// The verdict, when all rows were taken. `head` is what the registry noted of its newest row:
    /// number and hash (0 and [`BEGINNING`] before the first).
    pub fn finish(mut self, head: Option<(i64, &str)>) -> Verdict {
        let (last, hash) = (self.last, self.hash.clone());
        if self.broken.is_none() {
            self.broken = self.anchors.iter().rev().find(|a| a.id > last).map(|a| Break::Cut {
                last,
                anchored: a.id,
                at: a.at,
            });
        }
        if self.broken.is_none() {
            self.broken = match head {
                None => Some(Break::Headless),
                Some((id, _)) if id > last => Some(Break::Missing {
                    first: last + 1,
                    last: id,
                }),
                Some((id, _)) if id < last => Some(Break::Added { id: id + 1, newest: id }),
                Some((_, noted)) if noted != hash => Some(Break::Head { id: last }),
                Some(_) => None,
            };
        }
        Verdict {
            rows: self.rows,
            newest: (last > 0).then_some((last, hash)),
            anchors: self.anchors.len(),
            broken: self.broken,
        }
    }
}
