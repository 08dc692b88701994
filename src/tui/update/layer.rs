//! Keys for what lies over the panes.

use super::{ask, bulk, columns, find, flash, form, log, palette, resettle, views};
use crate::domain::SafeText;
use crate::domain::command::Kind;
use crate::domain::log::Pattern;
use crate::tui::action::{ActionId, Found, Key, Place};
use crate::tui::model::{BulkField, Effect, Layer, Model, NoticeLevel, Now, insert, may_type};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

pub(super) fn key(model: &mut Model, event: &KeyEvent, key: Key, now: &Now) -> Vec<Effect> {
    match model.layers.last() {
        Some(
            Layer::Help { .. }
            | Layer::Config { .. }
            | Layer::Written { .. }
            | Layer::Describe { .. }
            | Layer::Report { .. },
        ) => page(model, key, now),
        Some(Layer::Find(_)) => find::key(model, event, key, now),
        Some(Layer::Story(_)) => super::story::key(model, event, key, now),
        Some(Layer::Palette(_)) => palette::key(model, event, key, now),
        Some(Layer::Columns(_)) => columns::key(model, key, now),
        Some(Layer::Views(_)) => views::key(model, event, key, now),
        Some(Layer::Fields(_)) => super::home::fields_key(model, key, now),
        Some(Layer::Typing { .. }) => typing(model, event, key, now),
        Some(Layer::LogFilters(_)) => log::filters_key(model, event, key),
        Some(Layer::LogPrompt(_)) => log::prompt_key(model, event, key),
        Some(Layer::Confirm(_)) => ask::key(model, event, key, now),
        Some(Layer::Command(_)) => super::command::key(model, event, key, now),
        Some(Layer::Bulk(_)) => bulk::key(model, event, key, now),
        Some(Layer::Receipts { .. }) => bulk::receipts_key(model, key, now),
        Some(Layer::Form(_)) => form::key(model, event, key, now),
        None => Vec::new(),
    }
}

/// A page of text: scrolled by the keys of lists, closed by those that go back.
fn page(model: &mut Model, key: Key, now: &Now) -> Vec<Effect> {
    let found = model.keymap().find(model.place(), &[key]);
    let height = usize::from(model.size.1.saturating_sub(6)).max(1);
    let scroll = match model.layers.last_mut() {
        Some(
            Layer::Help { scroll }
            | Layer::Config { scroll }
            | Layer::Written { scroll, .. }
            | Layer::Describe { scroll, .. }
            | Layer::Report { scroll, .. },
        ) => scroll,
        _ => return Vec::new(),
    };
    let down = |scroll: &mut usize, by: usize| *scroll = scroll.saturating_add(by).min(9_999);
    match found {
        Found::Action(ActionId::Down) => down(scroll, 1),
        Found::Action(ActionId::Up) => *scroll = scroll.saturating_sub(1),
        Found::Action(ActionId::PageDown) => down(scroll, height),
        Found::Action(ActionId::HalfDown) => down(scroll, height / 2),
        Found::Action(ActionId::PageUp) => *scroll = scroll.saturating_sub(height),
        Found::Action(ActionId::HalfUp) => *scroll = scroll.saturating_sub(height / 2),
        Found::Action(ActionId::Top) => *scroll = 0,
        Found::Action(ActionId::Bottom) => *scroll = 9_999,
        Found::Action(ActionId::Suspend) => return vec![Effect::Suspend],
        Found::Action(ActionId::Palette) => {
            model.layers.pop();
            return palette::open(model);
        }
        Found::Action(ActionId::Back | ActionId::Quit | ActionId::Help | ActionId::Describe | ActionId::Open) => {
            model.layers.pop();
        }
        _ => {}
    }
    if let Some(last) = crate::tui::model::last_scroll(model, now)
        && let Some(
            Layer::Help { scroll }
            | Layer::Config { scroll }
            | Layer::Written { scroll, .. }
            | Layer::Describe { scroll, .. }
            | Layer::Report { scroll, .. },
        ) = model.layers.last_mut()
    {
        *scroll = (*scroll).min(last);
    }
    Vec::new()
}

/// Edits a line of text. Answers whether the key was for it.
pub(super) fn edit(input: &mut Input, event: &KeyEvent) -> bool {
    if let KeyCode::Char(c) = event.code {
        let held = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        if held.is_empty() {
            if may_type(c) {
                insert(input, &c.to_string());
            }
            return true;
        }
    }
    input.handle_event(&Event::Key(*event)).is_some()
}

fn typing(model: &mut Model, event: &KeyEvent, key: Key, now: &Now) -> Vec<Effect> {
    let Some(Layer::Typing { input, before }) = model.layers.last_mut() else {
        return Vec::new();
    };
    match key.code {
        KeyCode::Esc => {
            let unchanged = input.value() == before.as_str();
            let clear = if unchanged || model.focus == crate::tui::model::Pane::Log {
                String::new()
            } else {
                before.clone()
            };
            model.layers.pop();
            set_text(model, &clear);
            Vec::new()
        }
        KeyCode::Enter => {
            model.layers.pop();
            search_now(model, now)
        }
        _ => {
            let old = input.value().to_owned();
            edit(input, event);
            let text = input.value().to_owned();
            if text != old {
                set_text(model, &text);
            }
            Vec::new()
        }
    }
}

/// What is searched for in the log becomes this.
pub(super) fn set_text(model: &mut Model, text: &str) {
    if model.place() == Place::Log {
        model.log.search = Pattern::new(text);
        model.log.hit = None;
    }
}

fn search_now(model: &mut Model, now: &Now) -> Vec<Effect> {
    if model.place() == Place::Log && model.log.search.is_some() {
        return log::search(model, true, now);
    }
    Vec::new()
}

/// A paste goes into the field that has the cursor, and nowhere else: it never confirms, moves or acts.
pub(super) fn paste(model: &mut Model, text: &str, now: &Now) -> Vec<Effect> {
    model.mark_dirty();
    let line = text.lines().next().unwrap_or_default();
    match model.layers.last_mut() {
        Some(Layer::Find(typed)) => {
            insert(&mut typed.input, line);
            return find::typed(model, now);
        }
        Some(Layer::Story(story)) if story.typing => {
            insert(&mut story.filter, line);
            story.at = 0;
            let size = model.size;
            if let Some(Layer::Story(story)) = model.layers.last_mut() {
                story.settle(size, now);
            }
        }
        Some(Layer::Palette(palette)) => {
            insert(&mut palette.input, line);
            return palette::look(model);
        }
        Some(Layer::Views(views)) => {
            if let Some(input) = &mut views.naming {
                insert(input, line);
            }
        }
        Some(Layer::Typing { input, .. }) => {
            insert(input, line);
            let text = input.value().to_owned();
            set_text(model, &text);
        }
        Some(Layer::Command(dialog)) => {
            let at = dialog.at;
            if let Some(field) = dialog.fields.get_mut(at)
                && matches!(field.ask.kind, Kind::Text | Kind::Number)
            {
                insert(&mut field.input, line);
            }
        }
        Some(Layer::LogFilters(filters)) => insert(&mut filters.input, line),
        Some(Layer::LogPrompt(prompt)) => {
            insert(&mut prompt.input, line);
            prompt.wrong = None;
        }
        Some(Layer::Form(_)) => form::paste(model, text, now),
        Some(Layer::Confirm(confirm)) if confirm.in_reason => {
            if let Some(input) = &mut confirm.reason {
                insert(input, line);
            }
        }
        Some(Layer::Bulk(dialog)) if dialog.focus == BulkField::Reason => insert(&mut dialog.reason, line),
        Some(Layer::Bulk(_)) => {
            let text = "this has to be typed: a paste confirms nothing";
            flash(model, now, NoticeLevel::Warning, text, None);
        }
        Some(Layer::Confirm(confirm)) if confirm.typed.is_some() => {
            let text = "the name has to be typed: a paste confirms nothing";
            flash(model, now, NoticeLevel::Warning, text, None);
        }
        Some(_) => {}
        None => {
            let start: String = line.chars().take(20).collect();
            let text = format!("pasted text ({}…) goes nowhere here", SafeText::new(&start));
            flash(model, now, NoticeLevel::Info, text, None);
        }
    }
    resettle(model);
    Vec::new()
}
