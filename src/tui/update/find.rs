//! A list's filter as it is typed, and the order in which it is shown.

use super::{flash, layer};
use crate::tui::action::{ActionId, Key};
use crate::tui::model::{
    Effect, Filter, FindLine, Layer, ListId, ListShown, Model, Move, NoticeLevel, Now, Request, Sort, fields,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::sync::Arc;
use tui_input::Input;

/// Filters remembered of each list.
const RECENT: usize = 30;

/// What lists ask of tasks.
pub(super) fn asked(requests: impl IntoIterator<Item = Request>) -> Vec<Effect> {
    requests
        .into_iter()
        .map(|request| Effect::Find(Box::new(request)))
        .collect()
}

/// Changes how a list is shown.
pub(super) fn show(model: &mut Model, list: ListId, change: impl FnOnce(&mut ListShown), now: &Now) -> Vec<Effect> {
    let heights = model.rows();
    let Model { lists, store, .. } = model;
    let requests = lists.show(list, change, store, heights, now);
    model.mark_dirty();
    super::server_selected(model, now);
    asked(requests)
}

/// Puts a filter in force.
pub(super) fn set(model: &mut Model, list: ListId, filter: Arc<Filter>, now: &Now) -> Vec<Effect> {
    let mut effects = show(model, list, |shown| shown.filter = filter, now);
    // Nothing was read of it before it was looked at.
    if list == ListId::Audit && model.lists.audit.is_read() {
        effects.extend(super::audit::filter_changed(model));
    }
    effects
}

/// Puts a filter in force that is known by its text; one that is no longer right is said and left out.
pub(super) fn set_text(model: &mut Model, list: ListId, text: &str, now: &Now) -> Vec<Effect> {
    match Filter::new(list, text) {
        Ok(filter) => set(model, list, Arc::new(filter), now),
        Err(error) => {
            let text = format!("the filter {text:?} is not right: {error}");
            flash(model, now, NoticeLevel::Warning, text, None);
            Vec::new()
        }
    }
}

/// Opens the line in which a list's filter is typed.
pub(super) fn open(model: &mut Model, list: ListId) {
    let before = Arc::clone(&model.lists.shown(list).filter);
    model.layers.push(Layer::Find(Box::new(FindLine {
        list,
        input: Input::new(before.text().to_owned()),
        before,
        error: None,
        recalled: None,
    })));
    super::resettle(model);
}

/// The filter in force can be called back.
pub(super) fn remember(model: &mut Model, list: ListId) {
    let text = model.lists.shown(list).filter.text().to_owned();
    keep(model, list, &text);
}

/// What was typed can be called back, whatever became of it.
fn keep(model: &mut Model, list: ListId, text: &str) {
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let recent = model.recent.entry(list).or_default();
    recent.retain(|other| other != text);
    recent.push(text.to_owned());
    if recent.len() > RECENT {
        recent.remove(0);
    }
}

pub(super) fn key(model: &mut Model, event: &KeyEvent, key: Key, now: &Now) -> Vec<Effect> {
    let Some(Layer::Find(line)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let list = line.list;
    let held = key.mods.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc => {
            let text = line.input.value().to_owned();
            // Unchanged: what is in force is not wanted any more. Else it was a try.
            let back = if text.trim() == line.before.text() {
                Arc::new(Filter::none(list))
            } else {
                Arc::clone(&line.before)
            };
            close(model);
            keep(model, list, &text);
            let mut effects = set(model, list, back, now);
            effects.extend(super::memory::page(model, list));
            effects
        }
        KeyCode::Enter => {
            if let Some(error) = &line.error {
                let text = format!("{error}: mend it, or Esc goes back");
                flash(model, now, NoticeLevel::Warning, text, None);
                return Vec::new();
            }
            let text = line.input.value().to_owned();
            close(model);
            keep(model, list, &text);
            super::memory::page(model, list)
        }
        KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown => {
            let to = match key.code {
                KeyCode::Up => Move::Rows(-1),
                KeyCode::Down => Move::Rows(1),
                KeyCode::PageUp => Move::HalfPages(-2),
                _ => Move::HalfPages(2),
            };
            super::act::go(model, to, now)
        }
        KeyCode::Char('p') if held => recall(model, true, now),
        KeyCode::Char('n') if held => recall(model, false, now),
        KeyCode::Tab => {
            let text = line.input.value();
            let cursor = text
                .char_indices()
                .nth(line.input.cursor())
                .map_or(text.len(), |(at, _)| at);
            if let Some((text, cursor)) = crate::tui::model::complete(list, text, cursor) {
                line.input = Input::new(text).with_cursor(cursor);
                return typed(model, now);
            }
            Vec::new()
        }
        _ => {
            let old = line.input.value().to_owned();
            layer::edit(&mut line.input, event);
            if line.input.value() == old {
                return Vec::new();
            }
            line.recalled = None;
            typed(model, now)
        }
    }
}

fn close(model: &mut Model) {
    model.layers.pop();
    super::resettle(model);
}

/// The text changed: it is in force at once where it is right; else what was right last stays.
pub(super) fn typed(model: &mut Model, now: &Now) -> Vec<Effect> {
    let Some(Layer::Find(line)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let list = line.list;
    match Filter::new(list, line.input.value()) {
        Ok(filter) => {
            line.error = None;
            set(model, list, Arc::new(filter), now)
        }
        Err(error) => {
            line.error = Some(error);
            model.mark_dirty();
            Vec::new()
        }
    }
}

/// Calls back a filter that was used before.
fn recall(model: &mut Model, older: bool, now: &Now) -> Vec<Effect> {
    let Model { layers, recent, .. } = model;
    let Some(Layer::Find(line)) = layers.last_mut() else {
        return Vec::new();
    };
    let recent = recent.get(&line.list).map_or(&[] as &[String], Vec::as_slice);
    let to = match (line.recalled, older) {
        (None, true) => Some(0),
        (Some(n), true) => Some((n + 1).min(recent.len().saturating_sub(1))),
        (Some(n), false) => n.checked_sub(1),
        (None, false) => None,
    };
    let text = to.and_then(|n| recent.iter().rev().nth(n)).cloned();
    line.recalled = to.filter(|_| text.is_some());
    line.input = Input::new(text.unwrap_or_default());
    typed(model, now)
}

/// Sorts the list in which one stands by a key's column; by the same one again the other way round.
pub(super) fn sort_key(model: &mut Model, id: ActionId, now: &Now) -> Vec<Effect> {
    let Some(list) = model.lists.list(model.place()) else {
        return Vec::new();
    };
    let Some(field) = fields(list).iter().find(|field| field.sort == Some(id)) else {
        return Vec::new();
    };
    let descending = match model.lists.shown(list).sort {
        Some(sort) if sort.field == field => !sort.descending,
        _ => field.most_first,
    };
    sort(model, list, Some(Sort { field, descending }), now)
}

/// Turns the order round.
pub(super) fn flip(model: &mut Model, now: &Now) -> Vec<Effect> {
    let Some(list) = model.lists.list(model.place()) else {
        return Vec::new();
    };
    let flipped = model.lists.shown(list).sort.map(|sort| Sort {
        descending: !sort.descending,
        ..sort
    });
    sort(model, list, flipped, now)
}

/// Puts an order in force; `None`: the list's own.
pub(super) fn sort(model: &mut Model, list: ListId, sort: Option<Sort>, now: &Now) -> Vec<Effect> {
    let mut effects = show(model, list, |shown| shown.sort = sort, now);
    effects.extend(super::memory::page(model, list));
    effects
}
