//! Named views: a page with its filter, order and columns, under a name of the operator's.

use super::{find, flash, layer, memory, pages};
use crate::tui::action::Key;
use crate::tui::model::{Effect, Layer, ListId, Model, NoticeLevel, Now, Pane, Remember, Tab, ViewList};
use crossterm::event::{KeyCode, KeyEvent};
use tui_input::Input;

/// Longest name.
const LONGEST: usize = 40;

pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let naming = model.views.is_empty().then(Input::default);
    model.layers.push(Layer::Views(Box::new(ViewList {
        at: 0,
        naming,
        forget: None,
    })));
    Vec::new()
}

pub(super) fn key(model: &mut Model, event: &KeyEvent, key: Key, now: &Now) -> Vec<Effect> {
    let last = model.views.len().saturating_sub(1);
    let Some(Layer::Views(list)) = model.layers.last_mut() else {
        return Vec::new();
    };
    if let Some(input) = &mut list.naming {
        match key.code {
            KeyCode::Esc => {
                list.naming = None;
                if model.views.is_empty() {
                    model.layers.pop();
                }
            }
            KeyCode::Enter => {
                let name: String = input.value().trim().chars().take(LONGEST).collect();
                if !name.is_empty() {
                    model.layers.pop();
                    return save(model, &name, now);
                }
            }
            _ => {
                layer::edit(input, event);
            }
        }
        return Vec::new();
    }
    let forget = list.forget.take();
    let selected = model.views.keys().nth(list.at).cloned();
    match key.code {
        KeyCode::Esc | KeyCode::Char('q' | 'b') => {
            model.layers.pop();
        }
        KeyCode::Down | KeyCode::Char('j') => list.at = (list.at + 1).min(last),
        KeyCode::Up | KeyCode::Char('k') => list.at = list.at.saturating_sub(1),
        KeyCode::Home | KeyCode::Char('g') => list.at = 0,
        KeyCode::End | KeyCode::Char('G') => list.at = last,
        KeyCode::Char('n' | 's') => list.naming = Some(Input::default()),
        KeyCode::Char('x') if forget.is_some() && forget == selected => {
            list.at = list.at.min(last.saturating_sub(1));
            if let Some(name) = selected {
                model.views.remove(&name);
                let text = format!("the view {name} is forgotten");
                flash(model, now, NoticeLevel::Success, text, None);
                return vec![Effect::Remember(Box::new(Remember::Forget(name)))];
            }
        }
        KeyCode::Char('x') => list.forget = selected,
        KeyCode::Enter => {
            model.layers.pop();
            if let Some(name) = selected {
                return show(model, &name, now);
            }
        }
        _ => {}
    }
    Vec::new()
}

fn save(model: &mut Model, name: &str, now: &Now) -> Vec<Effect> {
    let list = model.lists.list(model.place()).unwrap_or(ListId::Servers);
    let text = format!("the view {name} is saved: {} as it is shown now", list.name());
    let effects = memory::save_view(model, name, list);
    flash(
        model,
        now,
        NoticeLevel::Success,
        text,
        Some("b lists the views".to_owned()),
    );
    effects
}

/// Shows a named view.
pub(super) fn show(model: &mut Model, name: &str, now: &Now) -> Vec<Effect> {
    let Some(view) = model.views.get(name).cloned() else {
        return Vec::new();
    };
    let Some(list) = ListId::by_name(&view.list) else {
        let text = format!("the view {name} is of a page that is not there: {}", view.list);
        flash(model, now, NoticeLevel::Warning, text, None);
        return Vec::new();
    };
    pages::leave(model);
    let mut effects = if list == ListId::Servers {
        model.lists.tab = Tab::Here;
        pages::focus(model, Pane::Servers)
    } else {
        pages::show(model, list.page().tab)
    };
    let mut shown = Ok(());
    effects.extend(find::show(model, list, |this| shown = view.look.show(list, this), now));
    if let Err(why) = shown {
        let text = format!("of the view {name} this was left out: {why}");
        flash(model, now, NoticeLevel::Warning, text, None);
    }
    effects.extend(memory::page(model, list));
    effects
}
