//! Aligned columns for people.

use crate::domain::SafeText;
use unicode_width::UnicodeWidthStr;

/// A table: a head and rows of as many cells.
pub(super) struct Table {
    head: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this head; a name that begins with `>` is a column flush right.
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.iter().map(|name| name.trim_start_matches('>')).collect(),
            right: head.iter().map(|name| name.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Cells are made safe to show.
    pub(super) fn row<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        self.rows
            .push(cells.into_iter().map(|cell| SafeText::new(&cell).to_string()).collect());
    }

    /// As text; `empty` where there is no row.
    pub(super) fn text(&self, empty: &str) -> String {
        if self.rows.is_empty() {
            return empty.to_owned();
        }
        let mut widths: Vec<usize> = self.head.iter().map(|name| name.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let mut text = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut shown = String::new();
            for ((cell, width), right) in cells.zip(&widths).zip(&self.right) {
                let pad = " ".repeat(width.saturating_sub(cell.width()));
                let (before, after) = if *right { (pad.as_str(), "") } else { ("", pad.as_str()) };
                shown.push_str(&format!("{before}{cell}{after}  "));
            }
            text.push_str(shown.trim_end());
            text.push('\n');
        };
        line(&mut self.head.iter().copied());
        for row in &self.rows {
            line(&mut row.iter().map(String::as_str));
        }
        text
    }
}

/// Names and values one below the other; values that are empty are left out.
pub(super) fn card(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
    rows.iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:width$}  {}\n", SafeText::new(value)))
        .collect()
}
