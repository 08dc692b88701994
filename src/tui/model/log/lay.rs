//! Long lines over several rows of the screen, and scrolling through them.

use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Most rows that one line takes.
const ROWS_MAX: usize = 400;

/// A place in a list of lines: which line, and which of its rows.
pub type At = (usize, usize);

/// The parts of a text that stand on a row each, by their bytes. An empty text has one.
pub fn wrap(text: &str, columns: usize) -> Vec<Range<usize>> {
    let columns = columns.max(1);
    let mut out = Vec::new();
    if text.is_ascii() {
        let mut from = 0;
        while from < text.len() && out.len() < ROWS_MAX {
            let to = (from + columns).min(text.len());
            out.push(from..to);
            from = to;
        }
    } else {
        let (mut from, mut used) = (0, 0);
        for (at, grapheme) in text.grapheme_indices(true) {
            let wide = grapheme.width();
            if used + wide > columns && at > from {
                out.push(from..at);
                (from, used) = (at, 0);
                if out.len() >= ROWS_MAX {
                    return out;
                }
            }
            used += wide;
        }
        if from < text.len() {
            out.push(from..text.len());
        }
    }
    if out.is_empty() {
        out.push(0..0);
    }
    out
}

/// How many rows a text takes.
pub(super) fn rows_of(text: &str, columns: usize) -> usize {
    if text.is_ascii() {
        text.len().div_ceil(columns.max(1)).clamp(1, ROWS_MAX)
    } else {
        wrap(text, columns).len()
    }
}

/// The first row of the screen when the last line is at its bottom.
pub(super) fn bottom(len: usize, rows: usize, height: impl Fn(usize) -> usize) -> At {
    let mut left = rows;
    for at in (0..len).rev() {
        let high = height(at);
        if high >= left {
            return (at, high - left);
        }
        left -= high;
    }
    (0, 0)
}

/// A place so many rows further, up where negative, within the list.
pub(super) fn shift((mut at, mut row): At, by: isize, len: usize, height: impl Fn(usize) -> usize) -> At {
    let mut left = by.unsigned_abs();
    while left > 0 {
        if by < 0 {
            if row >= left {
                return (at, row - left);
            }
            left -= row;
            if at == 0 {
                return (0, 0);
            }
            at -= 1;
            row = height(at);
        } else {
            let rest = height(at).saturating_sub(row);
            if left < rest {
                return (at, row + left);
            }
            if at + 1 >= len {
                return (at, height(at).saturating_sub(1));
            }
            left -= rest;
            at += 1;
            row = 0;
        }
    }
    if row > 0 && row >= height(at) {
        (at + 1, 0)
    } else {
        (at, row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_broken_at_columns() {
        assert_eq!(wrap("abcdef", 4), [0..4, 4..6]);
        assert_eq!(wrap("", 4), vec![0..0]);
        assert_eq!(wrap("東京都", 4), [0..6, 6..9]);
        assert_eq!(wrap("e\u{301}e\u{301}e\u{301}", 2), [0..6, 6..9]);
        assert_eq!(wrap("東", 1), vec![0..3], "what is wider than the screen is not lost");
        assert_eq!(rows_of(&"x".repeat(1_000_000), 10), ROWS_MAX);
    }

    #[test]
    fn scrolling_goes_by_rows_of_the_screen() {
        let heights = [1, 3, 1, 2];
        let height = |at: usize| heights[at];
        assert_eq!(bottom(4, 3, height), (2, 0));
        assert_eq!(bottom(4, 5, height), (1, 1));
        assert_eq!(bottom(4, 99, height), (0, 0));
        assert_eq!(shift((0, 0), 2, 4, height), (1, 1));
        assert_eq!(shift((1, 1), 2, 4, height), (2, 0));
        assert_eq!(shift((2, 0), -1, 4, height), (1, 2));
        assert_eq!(shift((2, 0), -4, 4, height), (0, 0));
        assert_eq!(shift((2, 0), -9, 4, height), (0, 0));
        assert_eq!(shift((3, 0), 9, 4, height), (3, 1));
    }

    proptest::proptest! {
        #[test]
        fn every_row_fits_and_nothing_is_lost(text in "\\PC{0,60}", columns in 2_usize..20) {
            let rows = wrap(&text, columns);
            let joined: String = rows.iter().map(|range| &text[range.clone()]).collect();
            proptest::prop_assert_eq!(&joined, &text);
            proptest::prop_assert_eq!(rows.len(), rows_of(&text, columns));
        }

        #[test]
        fn down_and_up_again_is_where_one_was(
            heights in proptest::collection::vec(1_usize..5, 1..20), at in 0_usize..20, by in 0_isize..12,
        ) {
            let at = at % heights.len();
            let height = |n: usize| heights[n];
            let total: usize = heights[at..].iter().sum();
            if (by as usize) < total {
                let there = shift((at, 0), by, heights.len(), height);
                proptest::prop_assert_eq!(shift(there, -by, heights.len(), height), (at, 0));
            }
        }
    }
}
