//! A list's state: the selection is an id, never a row's number, so that it stays on its object
//! whatever comes, goes or is filtered around it.

/// What is selected in a list, and how far it is scrolled.
#[derive(Debug, Clone)]
pub struct ListState<Id> {
    /// What is selected.
    pub selected: Option<Id>,
    /// The first visible row.
    pub offset: usize,
    row: usize,
}

impl<Id> Default for ListState<Id> {
    fn default() -> Self {
        Self {
            selected: None,
            offset: 0,
            row: 0,
        }
    }
}

/// How far to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// So many rows, down where positive.
    Rows(isize),
    /// So many pages' halves, down where positive.
    HalfPages(isize),
    /// To the first.
    Top,
    /// To the last.
    Bottom,
}

impl<Id: Copy + PartialEq> ListState<Id> {
    /// The selected row's number in a list of these ids; 0 where there is none.
    pub fn row(&self) -> usize {
        self.row
    }

    /// Selects nothing.
    pub fn forget(&mut self) {
        self.selected = None;
        self.offset = 0;
        self.row = 0;
    }

    /// Finds the selection again in a list that changed; where it is gone, the row now in its place is
    /// selected; in a list that is `filtered`, the first one. Scrolls so that it is within `height`
    /// rows. Answers whether the selection changed.
    pub fn settle(&mut self, len: usize, height: usize, filtered: bool, id_at: impl Fn(usize) -> Option<Id>) -> bool {
        let before = self.selected;
        let same = |row: usize| before.is_some() && id_at(row) == before;
        let found = if same(self.row) {
            Some(self.row)
        } else {
            (0..len).find(|row| same(*row))
        };
        let fallback = if filtered { 0 } else { self.row };
        self.row = found.unwrap_or(fallback).min(len.saturating_sub(1));
        self.selected = id_at(self.row);
        self.scroll(len, height);
        self.selected != before
    }

    /// Moves the selection. Answers whether it changed.
    pub fn go(&mut self, to: Move, len: usize, height: usize, id_at: impl Fn(usize) -> Option<Id>) -> bool {
        let before = self.selected;
        let page = isize::try_from(height.max(2)).unwrap_or(2);
        let shift = |by: isize| self.row.saturating_add_signed(by);
        self.row = match to {
            Move::Rows(by) => shift(by),
            Move::HalfPages(by) => shift(by * page / 2),
            Move::Top => 0,
            Move::Bottom => len,
        }
        .min(len.saturating_sub(1));
        self.selected = id_at(self.row);
        self.scroll(len, height);
        self.selected != before
    }

    fn scroll(&mut self, len: usize, height: usize) {
        let height = height.max(1);
        if self.row < self.offset {
            self.offset = self.row;
        } else if self.row >= self.offset + height {
            self.offset = self.row + 1 - height;
        }
        self.offset = self.offset.min(len.saturating_sub(height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_stays_on_its_object() {
        let mut list = ListState::<i64>::default();
        let first = [10, 20, 30, 40];
        list.settle(4, 2, false, |row| first.get(row).copied());
        list.go(Move::Rows(2), 4, 2, |row| first.get(row).copied());
        assert_eq!((list.selected, list.offset), (Some(30), 1));
        let more = [5, 6, 7, 10, 20, 30, 40];
        assert!(!list.settle(7, 2, false, |row| more.get(row).copied()));
        assert_eq!((list.selected, list.row(), list.offset), (Some(30), 5, 4));
        let without = [5, 6, 7, 10, 20, 40];
        assert!(list.settle(6, 2, false, |row| without.get(row).copied()));
        assert_eq!(list.selected, Some(40), "the row now in its place");
        assert!(list.settle(0, 2, false, |_| None));
        assert_eq!(list.selected, None);
    }

    proptest::proptest! {
        #[test]
        fn the_selected_row_is_always_visible(
            len in 0usize..40, height in 0usize..20,
            moves in proptest::collection::vec((0u8..4, -50isize..50), 0..30),
        ) {
            let id_at = |row: usize| (row < len).then_some(row);
            let mut list = ListState::<usize>::default();
            list.settle(len, height, false, id_at);
            for (kind, by) in moves {
                let to = match kind { 0 => Move::Rows(by), 1 => Move::HalfPages(by), 2 => Move::Top, _ => Move::Bottom };
                list.go(to, len, height, id_at);
                proptest::prop_assert_eq!(list.selected.is_some(), len > 0);
                if len > 0 {
                    proptest::prop_assert!(list.offset <= list.row() && list.row() < list.offset + height.max(1));
                }
            }
        }
    }
}
