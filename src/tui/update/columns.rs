//! The list of columns: what is sorted by, what is shown, and where.

use super::{find, resettle};
use crate::tui::action::{ActionId, Found, Key};
use crate::tui::model::{ColumnPicker, Effect, Layer, Model, Now, Sort};
use crossterm::event::KeyCode;

pub(super) fn open(model: &mut Model, sorting: bool) -> Vec<Effect> {
    if let Some(list) = model.lists.list(model.place()) {
        let picker = ColumnPicker::new(list, model.lists.shown(list), sorting);
        model.layers.push(Layer::Columns(Box::new(picker)));
    }
    Vec::new()
}

pub(super) fn key(model: &mut Model, key: Key, now: &Now) -> Vec<Effect> {
    let found = model.keymap().find(model.place(), &[key]);
    let Some(Layer::Columns(picker)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let (list, last) = (picker.list, picker.fields.len().saturating_sub(1));
    let field = picker.fields.get(picker.at).map(|(field, _)| *field);
    match (key.code, found) {
        (KeyCode::Esc | KeyCode::Char('q'), _) | (_, Found::Action(ActionId::Columns | ActionId::SortPicker)) => {
            model.layers.pop();
        }
        (KeyCode::Down | KeyCode::Char('j'), _) => picker.at = (picker.at + 1).min(last),
        (KeyCode::Up | KeyCode::Char('k'), _) => picker.at = picker.at.saturating_sub(1),
        (KeyCode::Home | KeyCode::Char('g'), _) => picker.at = 0,
        (KeyCode::End | KeyCode::Char('G'), _) => picker.at = last,
        (KeyCode::Enter, _) if picker.sorting => {
            model.layers.pop();
            if let Some(field) = field {
                let descending = match model.lists.shown(list).sort {
                    Some(sort) if sort.field == field => !sort.descending,
                    _ => field.most_first,
                };
                return find::sort(model, list, Some(Sort { field, descending }), now);
            }
        }
        (KeyCode::Enter | KeyCode::Char(' '), _) => return toggle(model, now),
        (KeyCode::Char('<') | KeyCode::Left, _) => return shift(model, false, now),
        (KeyCode::Char('>') | KeyCode::Right, _) => return shift(model, true, now),
        (KeyCode::Char('0') | KeyCode::Backspace, _) => {
            let (sorting, at) = (picker.sorting, picker.at);
            let mut effects = if sorting {
                find::sort(model, list, None, now)
            } else {
                find::show(model, list, |shown| shown.columns = None, now)
            };
            effects.extend(super::memory::page(model, list));
            let mut fresh = ColumnPicker::new(list, model.lists.shown(list), sorting);
            fresh.at = at.min(last);
            model.layers.pop();
            model.layers.push(Layer::Columns(Box::new(fresh)));
            return effects;
        }
        (_, Found::Action(ActionId::SortFlip)) => return find::flip(model, now),
        (_, Found::Action(id)) if picker.fields.iter().any(|(field, _)| field.sort == Some(id)) => {
            model.layers.pop();
            return find::sort_key(model, id, now);
        }
        _ => {}
    }
    resettle(model);
    Vec::new()
}

/// Shows or hides the selected column; the last one stays.
fn toggle(model: &mut Model, now: &Now) -> Vec<Effect> {
    if let Some(Layer::Columns(picker)) = model.layers.last_mut() {
        let only = picker.chosen().len() <= 1;
        if let Some((_, shown)) = picker.fields.get_mut(picker.at)
            && !(*shown && only)
        {
            *shown = !*shown;
        }
    }
    apply(model, now)
}

/// Moves the selected column to the left or right.
fn shift(model: &mut Model, right: bool, now: &Now) -> Vec<Effect> {
    if let Some(Layer::Columns(picker)) = model.layers.last_mut() {
        let to = if right {
            picker.at + 1
        } else {
            picker.at.saturating_sub(1)
        };
        if to < picker.fields.len() && to != picker.at {
            picker.fields.swap(picker.at, to);
            picker.at = to;
        }
    }
    apply(model, now)
}

fn apply(model: &mut Model, now: &Now) -> Vec<Effect> {
    let Some(Layer::Columns(picker)) = model.layers.last() else {
        return Vec::new();
    };
    let (list, chosen) = (picker.list, picker.chosen());
    let mut effects = find::show(model, list, |shown| shown.columns = Some(chosen), now);
    effects.extend(super::memory::page(model, list));
    effects
}
