//! Text in columns: measured as a terminal shows it, cut with a mark, never by bytes.

use super::glyphs::Glyphs;
use crate::domain::log::Pattern;
use crate::tui::model::Filter;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use std::borrow::Cow;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// As much of a text as fits, with a mark where it was cut. Answers the columns it takes.
pub(super) fn cut(text: &str, columns: usize, mark: &str) -> (String, usize) {
    let all = width(text);
    if all <= columns {
        return (text.to_owned(), all);
    }
    let room = columns.saturating_sub(width(mark));
    let mut out = String::with_capacity(room + mark.len());
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = width(grapheme);
        if used + wide > room {
            break;
        }
        out.push_str(grapheme);
        used += wide;
    }
    if columns >= width(mark) {
        out.push_str(mark);
        used += width(mark);
    }
    (out, used)
}

/// A sentence in rows of so many columns, broken between words where they are; what is too much stays in the last.
pub(super) fn rows(text: &str, columns: usize, most: usize) -> Vec<String> {
    let (mut rows, mut rest) = (Vec::new(), text);
    while rows.len() + 1 < most && width(rest) > columns {
        let (head, _) = cut(rest, columns + 1, "");
        let end = match head.rfind(' ') {
            Some(blank) if blank > 0 => blank,
            _ => cut(rest, columns, "").0.len(),
        };
        if end == 0 {
            break;
        }
        let (row, more) = rest.split_at(end);
        rows.push(row.to_owned());
        rest = more.trim_start();
    }
    rows.push(rest.to_owned());
    rows
}

/// A text without its first columns.
pub(super) fn skip(text: &str, columns: usize) -> String {
    if columns == 0 {
        return text.to_owned();
    }
    let mut gone = 0;
    let mut out = String::new();
    for grapheme in text.graphemes(true) {
        if gone >= columns {
            out.push_str(grapheme);
        } else {
            gone += width(grapheme);
        }
    }
    out
}

/// A line made from left to right, in columns; what doesn't fit is cut.
pub(super) struct Row {
    spans: Vec<Span<'static>>,
    left: usize,
    mark: &'static str,
    ascii: bool,
}

/// Our own signs in texts, where only ASCII is drawn. What comes from outside is left as it is.
fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let signs = [
        ("…", "..."),
        ("·", "-"),
        ("→", ">"),
        ("–", "-"),
        ("‹", "<"),
        ("›", ">"),
        ("•", "*"),
        ("←", "<"),
    ];
    Cow::Owned(
        signs
            .iter()
            .fold(text.to_owned(), |text, (sign, ascii)| text.replace(sign, ascii)),
    )
}

/// The same for what was drawn without a [`Row`]: each sign takes one cell, before and after.
pub(super) fn only_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii()
            && let Some(sign) = plain(cell.symbol()).chars().next().filter(char::is_ascii)
        {
            cell.set_char(sign);
        }
    }
}

impl Row {
    pub(super) fn new(columns: u16, glyphs: &Glyphs) -> Self {
        Self {
            spans: Vec::with_capacity(12),
            left: usize::from(columns),
            mark: glyphs.cut,
            ascii: glyphs.cut.is_ascii(),
        }
    }

    /// Columns that are left.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Text as it is, as far as it fits.
    pub(super) fn text(&mut self, text: &str, style: Style) -> &mut Self {
        let text = if self.ascii { plain(text) } else { Cow::Borrowed(text) };
        if self.left > 0 && !text.is_empty() {
            let (cut, used) = cut(&text, self.left, self.mark);
            self.left -= used;
            self.spans.push(Span::styled(cut, style));
        }
        self
    }

    /// Text in a column of this width, and a blank behind it.
    pub(super) fn cell(&mut self, text: &str, columns: usize, style: Style) -> &mut Self {
        let columns = columns.min(self.left);
        let text = if self.ascii { plain(text) } else { Cow::Borrowed(text) };
        let (mut cut, used) = cut(&text, columns, self.mark);
        cut.extend(std::iter::repeat_n(' ', columns - used));
        self.left -= columns;
        self.spans.push(Span::styled(cut, style));
        self.gap(1)
    }

    /// The same, at the column's right end.
    pub(super) fn right(&mut self, text: &str, columns: usize, style: Style) -> &mut Self {
        let columns = columns.min(self.left);
        let (cut, used) = cut(text, columns, self.mark);
        let mut padded = " ".repeat(columns - used);
        padded.push_str(&cut);
        self.left -= columns;
        self.spans.push(Span::styled(padded, style));
        self.gap(1)
    }

    /// A cell in which what a filter found is marked.
    pub(super) fn found(&mut self, text: &str, columns: usize, style: Style, filter: &Filter, hit: Style) -> &mut Self {
        if filter.is_empty() {
            return self.cell(text, columns, style);
        }
        let columns = columns.min(self.left);
        let text = if self.ascii { plain(text) } else { Cow::Borrowed(text) };
        let (cut, used) = cut(&text, columns, self.mark);
        self.marked(&cut, style, &filter.hits(&cut), hit);
        self.left -= columns;
        self.spans.push(Span::styled(" ".repeat(columns - used), style));
        self.gap(1)
    }

    /// A cell whose text was cut already, with these ranges of its bytes in another style.
    pub(super) fn hits(
        &mut self,
        cut: &str,
        columns: usize,
        style: Style,
        hits: &[std::ops::Range<usize>],
        hit: Style,
    ) -> &mut Self {
        let columns = columns.min(self.left);
        let used = width(cut);
        if used > columns {
            return self.cell(cut, columns, style);
        }
        self.marked(cut, style, hits, hit);
        self.left -= columns;
        self.spans.push(Span::styled(" ".repeat(columns - used), style));
        self.gap(1)
    }

    /// Text with these ranges of bytes in another style; already cut and counted.
    fn marked(&mut self, text: &str, style: Style, hits: &[std::ops::Range<usize>], hit: Style) {
        let mut from = 0;
        for range in hits {
            let (before, found) = (text.get(from..range.start), text.get(range.clone()));
            if let (Some(before), Some(found)) = (before, found) {
                if !before.is_empty() {
                    self.spans.push(Span::styled(before.to_owned(), style));
                }
                self.spans.push(Span::styled(found.to_owned(), hit));
                from = range.end;
            }
        }
        if let Some(rest) = text.get(from..)
            && !rest.is_empty()
        {
            self.spans.push(Span::styled(rest.to_owned(), style));
        }
    }

    /// Text, as far as it fits, in which what is searched for is marked.
    pub(super) fn searched(&mut self, text: &str, style: Style, search: Option<&Pattern>, hit: Style) -> &mut Self {
        let hits = search.map(|search| search.hits(text)).unwrap_or_default();
        self.with_hits(text, style, &hits, hit)
    }

    /// Text, as far as it fits, with these ranges of its bytes in another style.
    pub(super) fn with_hits(&mut self, text: &str, style: Style, hits: &[Range<usize>], hit: Style) -> &mut Self {
        // Where signs are replaced, places are others.
        if hits.is_empty() || self.ascii && !text.is_ascii() {
            return self.text(text, style);
        }
        let (cut, used) = cut(text, self.left, self.mark);
        let kept = if cut.len() == text.len() {
            cut.len()
        } else {
            cut.len() - self.mark.len().min(cut.len())
        };
        let hits: Vec<Range<usize>> = hits
            .iter()
            .map(|hit| hit.start.min(kept)..hit.end.min(kept))
            .filter(|hit| !hit.is_empty())
            .collect();
        self.marked(&cut, style, &hits, hit);
        self.left -= used;
        self
    }

    /// So many blanks.
    pub(super) fn gap(&mut self, columns: usize) -> &mut Self {
        let columns = columns.min(self.left);
        if columns > 0 {
            self.left -= columns;
            self.spans.push(Span::raw(" ".repeat(columns)));
        }
        self
    }

    /// What was put so far, without the rest of the line.
    pub(super) fn spans(self) -> Vec<Span<'static>> {
        self.spans
    }

    /// The line, in this style underneath, to its end. A style with a background and a colour of its own writes
    /// everything in that colour: nothing else is sure to be read on it.
    pub(super) fn line(mut self, style: Style) -> Line<'static> {
        if self.left > 0 {
            self.spans.push(Span::raw(" ".repeat(self.left)));
        }
        let own = |color: Option<Color>| color.filter(|color| *color != Color::Reset);
        if let (Some(fg), Some(_)) = (own(style.fg), own(style.bg)) {
            for span in self.spans.iter_mut().filter(|span| own(span.style.bg).is_none()) {
                span.style.fg = Some(fg);
            }
        }
        Line::from(self.spans).style(style)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_by_columns_with_a_mark() {
        assert_eq!(cut("acme", 4, "…"), ("acme".to_owned(), 4));
        assert_eq!(cut("acme-nord", 4, "…"), ("acm…".to_owned(), 4));
        assert_eq!(cut("東京都庁", 5, "…"), ("東京…".to_owned(), 5));
        assert_eq!(cut("東京都庁", 4, "…"), ("東…".to_owned(), 3));
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2, "…").1, 2);
        assert_eq!(cut("acme", 0, "…"), (String::new(), 0));
        assert_eq!(skip("東京都", 3), "都");
    }

    proptest::proptest! {
        #[test]
        fn a_row_is_exactly_as_wide_as_asked(text in "\\PC{0,30}", columns in 0u16..40, cell in 0usize..30) {
            let glyphs = Glyphs::of(false);
            let safe = crate::domain::SafeText::new(&text);
            let mut row = Row::new(columns, glyphs);
            row.cell(safe.as_str(), cell, Style::new()).text(safe.as_str(), Style::new());
            let line = row.line(Style::new());
            proptest::prop_assert_eq!(line.width(), usize::from(columns));
        }
    }
}
