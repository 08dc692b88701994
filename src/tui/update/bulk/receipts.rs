//! The receipts of a bulk: looked through, stopped from there, run again.

use super::stop;
use crate::domain::bulk::State;
use crate::tui::action::Key;
use crate::tui::model::{BulkRun, Effect, Layer, Model, NoticeLevel, Now, receipts_room as room};
use crate::tui::update::flash;
use crossterm::event::KeyCode;

/// Shows the receipts of the newest bulk.
pub(in crate::tui::update) fn open(model: &mut Model) -> Vec<Effect> {
    if let Some(id) = model.runs.last().map(|bulk| bulk.id) {
        model.layers.push(Layer::Receipts { id, scroll: 0 });
        model.mark_dirty();
    }
    Vec::new()
}

/// The keys of the receipts.
pub(in crate::tui::update) fn key(model: &mut Model, key: Key, now: &Now) -> Vec<Effect> {
    let (columns, page) = room(model.size);
    let Some(Layer::Receipts { id, scroll }) = model.layers.last_mut() else {
        return Vec::new();
    };
    let current = *id;
    let at = model.runs.iter().position(|bulk| bulk.id == current);
    let lines = at
        .and_then(|at| model.runs.get(at))
        .map_or(0, |bulk| bulk.lines(columns).len());
    let last = lines.saturating_sub(page.min(lines));
    match (key.code, key.letter()) {
        (KeyCode::Esc | KeyCode::Enter, _) | (_, Some('q')) => {
            model.layers.pop();
        }
        (KeyCode::Down, _) | (_, Some('j')) => *scroll = (*scroll + 1).min(last),
        (KeyCode::Up, _) | (_, Some('k')) => *scroll = scroll.saturating_sub(1),
        (KeyCode::PageDown, _) => *scroll = (*scroll + page).min(last),
        (KeyCode::PageUp, _) => *scroll = scroll.saturating_sub(page),
        (KeyCode::Home, _) | (_, Some('g')) => *scroll = 0,
        (KeyCode::End, _) | (_, Some('G')) => *scroll = last,
        (KeyCode::Left | KeyCode::Right, _) => {
            let other = at.and_then(|at| match key.code {
                KeyCode::Left => at.checked_sub(1),
                _ => Some(at + 1),
            });
            if let Some(bulk) = other.and_then(|at| model.runs.get(at)) {
                (*id, *scroll) = (bulk.id, 0);
            }
        }
        (_, Some('x')) => return stop(model, Some(current), now).unwrap_or_default(),
        (_, Some(which @ ('f' | 'b'))) => rerun(model, current, which == 'f', now),
        (_, Some('o')) => {
            if let Some(written) = at.and_then(|at| model.runs.get(at)).and_then(BulkRun::written) {
                let written = Box::new(written);
                model.layers.push(Layer::Written { written, scroll: 0 });
            }
        }
        (_, Some('c')) => {
            if let Some(bulk) = at.and_then(|at| model.runs.get(at)) {
                return vec![Effect::Copy(as_text(bulk))];
            }
        }
        _ => {}
    }
    Vec::new()
}

/// A new plan for what failed, or was not begun, and for nothing else.
fn rerun(model: &mut Model, id: u64, failed: bool, now: &Now) {
    let Some(bulk) = model.runs.iter().find(|bulk| bulk.id == id) else {
        return;
    };
    let (verb, over, own) = (bulk.run.verb, bulk.is_over(), bulk.own.clone());
    let things = if failed {
        bulk.run.failed()
    } else {
        bulk.run.not_begun()
    };
    if !over {
        let text = "it still runs: x stops it";
        flash(model, now, NoticeLevel::Info, text, None);
    } else if things.is_empty() {
        let text = if failed { "nothing failed" } else { "all were begun" };
        flash(model, now, NoticeLevel::Info, text, None);
    } else {
        model.layers.pop();
        let own = super::anew(model, own, &things);
        super::open(model, (verb, own), &things, (None, 0), now);
    }
}

/// The receipts as plain text, one a line.
fn as_text(bulk: &BulkRun) -> String {
    let mut text = format!("{}: {}\n", bulk.word(), bulk.run.summary());
    for receipt in &bulk.run.receipts {
        let (word, more) = match &receipt.state {
            State::Waiting => ("waiting", String::new()),
            State::Running => ("running", String::new()),
            State::Done(said) => ("done", said.to_string()),
            State::Failed(problem) => ("failed", problem.message.clone()),
            State::NotBegun(why) => ("not begun", why.clone()),
        };
        text.push_str(&format!("{}\t{word}\t{more}\n", receipt.item.name));
    }
    for (item, why) in &bulk.run.passed {
        text.push_str(&format!("{}\tpassed over\t{why}\n", item.name));
    }
    text
}
