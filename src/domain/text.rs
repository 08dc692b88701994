//! Text that came from outside, made safe to show: nothing in it can drive a terminal, hide, or
//! reorder what stands beside it. Bad characters are replaced by a visible mark, never dropped, so
//! that the evidence stays on the screen.

use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_width::UnicodeWidthChar;

/// Longest line kept from outside, in bytes; what is over is cut with a visible mark.
pub const MAX_LINE_BYTES: usize = 8 * 1024;

/// Room for the mark of a cut: `… (18446744073709551615 bytes more)`.
const CUT_MARK_BYTES: usize = 40;

/// Longest run of combining marks kept on one character.
const MAX_COMBINING: usize = 4;

/// One line of text that is safe for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct SafeText(String);

impl SafeText {
    /// Makes `raw` safe: control characters become their pictures (ESC is `␛`), C1 codes, invisible
    /// and bidirectional characters become `‹U+202E›`, tabs four spaces, and a line over
    /// [`MAX_LINE_BYTES`] is cut. Making safe text safe again changes nothing.
    pub fn new(raw: &str) -> Self {
        Self::capped(raw, MAX_LINE_BYTES)
    }

    /// As [`SafeText::new`], cut at `cap` bytes.
    pub fn capped(raw: &str, cap: usize) -> Self {
        let clean = raw.len() <= cap && raw.bytes().all(|b| (0x20..0x7f).contains(&b));
        if clean {
            return Self(raw.to_owned());
        }
        let mut out = String::with_capacity(raw.len().min(cap) + 16);
        let mut combining = 0;
        // Where to cut, should the text not fit: behind what still leaves room for the mark.
        let mut cut = (0, 0);
        for (at, c) in raw.char_indices() {
            if out.len() + CUT_MARK_BYTES <= cap {
                cut = (out.len(), at);
            }
            if !is_unsafe(c) && is_combining(c) {
                combining += 1;
                if combining > MAX_COMBINING || out.is_empty() {
                    push_code(&mut out, c);
                } else {
                    out.push(c);
                }
            } else {
                combining = 0;
                push(&mut out, c);
            }
            if out.len() > cap {
                out.truncate(cut.0);
                out.push_str(&format!("… ({} bytes more)", raw.len() - cut.1));
                break;
            }
        }
        Self(out)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn push(out: &mut String, c: char) {
    match c {
        '\t' => out.push_str("    "),
        '\0'..='\u{1f}' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
        '\u{7f}' => out.push('\u{2421}'),
        _ if is_unsafe(c) => push_code(out, c),
        _ => out.push(c),
    }
}

fn push_code(out: &mut String, c: char) {
    out.push_str(&format!("‹U+{:04X}›", c as u32));
}

/// Marks that take no cell of their own stack on one; hundreds of them make a terminal crawl.
fn is_combining(c: char) -> bool {
    !c.is_ascii() && c.width() == Some(0)
}

/// C1 controls, and characters that are invisible or change the direction of text.
fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e000}'..='\u{f8ff}' | '\u{13430}'..='\u{13455}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        | '\u{f0000}'..='\u{10ffff}')
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl AsRef<str> for SafeText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl From<String> for SafeText {
    fn from(raw: String) -> Self {
        Self::new(&raw)
    }
}
impl From<&str> for SafeText {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}
impl From<SafeText> for String {
    fn from(text: SafeText) -> Self {
        text.0
    }
}
