//! A page of text: labelled lines, broken to fit the screen.

use crate::domain::SafeText;

/// How a line of a page is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Plain.
    Plain,
    /// Less important.
    Dim,
    /// As it should be.
    Good,
    /// Not as it should be.
    Warning,
    /// Wrong.
    Bad,
}

/// A line of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageLine {
    /// What follows.
    Heading(String),
    /// Something and its value.
    Pair(String, SafeText, Tone),
    /// Text.
    Text(SafeText, Tone),
    /// Nothing.
    Blank,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// Its lines.
    pub lines: Vec<PageLine>,
    /// Columns of its labels.
    pub label: usize,
    /// Columns it takes with its frame.
    pub width: u16,
}

/// Columns of the widest page.
const WIDEST: u16 = 104;
/// Columns of the widest label.
const LABEL: usize = 24;

impl Page {
    pub(super) fn new(title: impl Into<String>, lines: Vec<PageLine>) -> Self {
        Self {
            title: title.into(),
            lines,
            label: 0,
            width: 0,
        }
    }

    /// Breaks values that are too long for the screen.
    pub(super) fn fit(mut self, columns: u16) -> Self {
        self.width = columns.saturating_sub(2).min(WIDEST).max(columns.min(20));
        let labels = self.lines.iter().filter_map(|line| match line {
            PageLine::Pair(label, ..) => Some(label.chars().count()),
            _ => None,
        });
        let inside = usize::from(self.width.saturating_sub(3));
        self.label = labels.max().unwrap_or(0).min(LABEL).min(inside / 2);
        let value_room = inside.saturating_sub(self.label + 3).max(4);
        let mut lines = Vec::with_capacity(self.lines.len());
        for line in self.lines {
            match line {
                PageLine::Pair(label, value, tone) => {
                    let mut label = Some(label);
                    for part in broken(value.as_str(), value_room) {
                        lines.push(PageLine::Pair(label.take().unwrap_or_default(), part, tone));
                    }
                }
                PageLine::Text(value, tone) => {
                    lines.extend(
                        broken(value.as_str(), inside.max(4))
                            .into_iter()
                            .map(|part| PageLine::Text(part, tone)),
                    );
                }
                PageLine::Heading(text) => lines.extend(
                    broken(&text, inside.max(4))
                        .into_iter()
                        .map(|part| PageLine::Heading(part.to_string())),
                ),
                PageLine::Blank => lines.push(PageLine::Blank),
            }
        }
        self.lines = lines;
        self
    }
}

/// A text in parts of at most so many columns, broken at blanks where there are some; at least one.
pub(super) fn broken(text: &str, columns: usize) -> Vec<SafeText> {
    use unicode_width::UnicodeWidthChar;
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let mut used = 0;
        let mut end = rest.len();
        let mut blank = None;
        for (at, c) in rest.char_indices() {
            used += c.width().unwrap_or(0);
            if used > columns {
                end = at;
                break;
            }
            if c == ' ' && at > 0 {
                blank = Some(at);
            }
        }
        if end == rest.len() || end == 0 {
            parts.push(SafeText::new(rest));
            return parts;
        }
        let cut = blank.unwrap_or(end);
        parts.push(SafeText::new(&rest[..cut]));
        rest = rest[cut..].trim_start_matches(' ');
        if rest.is_empty() {
            return parts;
        }
    }
}
