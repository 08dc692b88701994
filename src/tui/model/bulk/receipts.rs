//! The plan of a bulk and its receipts, laid out in lines.

use super::super::page::broken;
use super::{BulkDialog, BulkRun};
use crate::domain::SafeText;
use crate::domain::bulk::{Item, Receipt, State};
use crate::tui::model::Written;
use unicode_width::UnicodeWidthStr;

/// Columns of the word that says what became of one.
pub const WORD: usize = 9;
/// The widest that it is drawn, frame included.
pub const WIDE: u16 = 96;
/// Fewer columns than this are none for a message: it goes below.
const LEAST: usize = 24;

/// A line of the receipts.
#[derive(Debug, Clone)]
pub enum ReceiptLine<'a> {
    /// What became of one, and what is said of it as far as there is room beside it.
    One(&'a Receipt, SafeText),
    /// What more is said, below it.
    Failure(SafeText),
    /// What can be done about it.
    Hint(SafeText),
    /// One that the plan passed over, and why.
    Passed(&'a Item, SafeText),
}

/// A line of a plan.
#[derive(Debug, Clone)]
pub enum PlanLine<'a> {
    /// One that it is done to.
    Going(&'a Item),
    /// One that is passed over, and why, as far as there is room beside it.
    Passed(&'a Item, SafeText),
    /// What more is said of why, below it.
    Why(SafeText),
}

impl BulkDialog {
    /// Columns for the names, of so many.
    pub fn names(&self, columns: usize) -> usize {
        name_columns(self.plan.lines.iter().map(|line| line.item.name.as_str()), columns)
    }

    /// The plan in so many columns: what it is done to, then what is passed over, in their orders. Nothing
    /// of a reason is cut off.
    pub fn lines(&self, columns: usize) -> Vec<PlanLine<'_>> {
        let beside = columns.saturating_sub(3 + self.names(columns) + 2 + 1).max(10);
        let going = self.plan.going().map(|line| PlanLine::Going(&line.item));
        let mut lines: Vec<PlanLine<'_>> = going.collect();
        for (item, why) in self.plan.passed() {
            let mut parts = broken(SafeText::new(why).as_str(), beside).into_iter();
            lines.push(PlanLine::Passed(item, parts.next().unwrap_or_default()));
            lines.extend(parts.map(PlanLine::Why));
        }
        lines
    }
}

/// Columns for names, of so many.
pub fn name_columns<'a>(names: impl Iterator<Item = &'a str>, columns: usize) -> usize {
    let most = columns / 3;
    names
        .map(UnicodeWidthStr::width)
        .max()
        .unwrap_or(8)
        .clamp(6, most.clamp(6, 32))
}

/// Columns and lines that the receipts have at most, on a screen of this size: inside their frame, below
/// what is said of all of them.
pub fn receipts_room((width, height): (u16, u16)) -> (usize, usize) {
    let columns = width.min(WIDE).saturating_sub(2);
    (usize::from(columns), usize::from(height.saturating_sub(6)).max(1))
}

impl BulkRun {
    /// Whether nothing of it runs and nothing will.
    pub fn is_over(&self) -> bool {
        self.run.is_over() && self.tickets.is_empty()
    }

    /// What is done to how many.
    pub fn title(&self) -> String {
        let one = self.run.receipts.first().map(|receipt| receipt.item.thing);
        super::title(self.run.verb, self.own.as_ref(), self.run.receipts.len(), one)
    }

    /// What is done, in a word.
    pub fn word(&self) -> &str {
        self.own
            .as_ref()
            .map_or(self.run.verb.word(), |own| own.command.name.as_str())
    }

    /// All that the command wrote, one after the other.
    pub fn written(&self) -> Option<Written> {
        let own = self.own.as_ref().filter(|_| !self.outputs.is_empty())?;
        let mut lines = Vec::new();
        for (name, written) in &self.outputs {
            let how = match written.code {
                Some(0) => "done".to_owned(),
                Some(code) => format!("exit status {code}"),
                None => "ended by a signal".to_owned(),
            };
            lines.push(SafeText::new(&format!("== {name}: {how}")));
            lines.push(SafeText::new(&format!("$ {}", written.command)));
            lines.extend(written.lines.iter().cloned());
            lines.push(SafeText::default());
        }
        Some(Written {
            command: SafeText::new(&own.title(self.outputs.len(), self.run.receipts.first().map(|r| r.item.thing))),
            // How the first ended that did not end well.
            code: self
                .outputs
                .iter()
                .map(|(_, written)| written.code)
                .find(|code| *code != Some(0))
                .unwrap_or(Some(0)),
            dropped: self.outputs.iter().map(|(_, written)| written.dropped).sum(),
            lines,
        })
    }

    /// Columns for the names, of so many.
    pub fn names(&self, columns: usize) -> usize {
        let receipts = self.run.receipts.iter().map(|receipt| receipt.item.name.as_str());
        name_columns(
            receipts.chain(self.run.passed.iter().map(|(item, _)| item.name.as_str())),
            columns,
        )
    }

    /// All receipts in so many columns. Once it is over what went wrong comes first; nothing that is said
    /// of a failure is cut off.
    pub fn lines(&self, columns: usize) -> Vec<ReceiptLine<'_>> {
        let beside = columns.saturating_sub(3 + self.names(columns) + 2 + WORD + 1);
        let below = columns.saturating_sub(5).max(10);
        let mut receipts: Vec<&Receipt> = self.run.receipts.iter().collect();
        if self.is_over() {
            receipts.sort_by_key(|receipt| match receipt.state {
                State::Failed(_) => 0,
                State::NotBegun(_) => 1,
                _ => 2,
            });
        }
        let mut lines = Vec::with_capacity(receipts.len() + self.run.passed.len());
        for receipt in receipts {
            let State::Failed(problem) = &receipt.state else {
                let said = match &receipt.state {
                    State::Done(said) => said.clone(),
                    State::NotBegun(why) => SafeText::new(why),
                    _ => SafeText::default(),
                };
                lines.push(ReceiptLine::One(receipt, said));
                continue;
            };
            let message = SafeText::new(&problem.message);
            if beside >= LEAST && message.as_str().width() <= beside {
                lines.push(ReceiptLine::One(receipt, message));
            } else {
                lines.push(ReceiptLine::One(receipt, SafeText::default()));
                lines.extend(broken(message.as_str(), below).into_iter().map(ReceiptLine::Failure));
            }
            if let Some(hint) = &problem.hint {
                let hint = SafeText::new(hint);
                lines.extend(broken(hint.as_str(), below).into_iter().map(ReceiptLine::Hint));
            }
        }
        let passed = self.run.passed.iter();
        lines.extend(passed.map(|(item, why)| ReceiptLine::Passed(item, SafeText::new(why))));
        lines
    }
}
