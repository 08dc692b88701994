//! The `:` palette: what is typed, what is chosen.

use super::{act, find, flash, layer, pages, views};
use crate::tui::action::{Key, allowed};
use crate::tui::model::{
    Effect, Layer, Lead, Model, NoticeLevel, Now, PaletteLine, PaletteRequest, kind_of, merged, own_lines, theme_lines,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::sync::Arc;
use tui_input::Input;

/// Fleets of so many instances are looked through at once.
const INLINE: usize = 1_500;

pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    open_with(model, "")
}

/// Opens it with something typed already.
pub(super) fn open_with(model: &mut Model, text: &str) -> Vec<Effect> {
    model.layers.push(Layer::Palette(Box::default()));
    if let Some(Layer::Palette(palette)) = model.layers.last_mut() {
        palette.input = Input::new(text.to_owned());
    }
    look(model)
}

/// Finds what is called as typed.
pub(super) fn look(model: &mut Model) -> Vec<Effect> {
    let seq = model.new_seq();
    let Some(Layer::Palette(palette)) = model.layers.last() else {
        return Vec::new();
    };
    let text = palette.input.value().to_owned();
    let config = &model.settings.config;
    let mine = (config, model.settings.commands.as_slice());
    let on = kind_of(model.current_target());
    let mut own = own_lines(&text, &model.situation(), model.keymap(), &model.views, mine, on);
    own.extend(theme_lines(&text, &model.settings.themes, &model.home.theme));
    let request = PaletteRequest {
        seq,
        text,
        store: Arc::clone(&model.store),
    };
    let small = model.store.instance_count() <= INLINE;
    let fleet = if small { request.run(&|| false) } else { None };
    let Some(Layer::Palette(palette)) = model.layers.last_mut() else {
        return Vec::new();
    };
    palette.seq = seq;
    palette.at = 0;
    palette.offset = 0;
    palette.busy = !small;
    palette.lines = merged(&own, fleet.unwrap_or_default());
    palette.own = own;
    model.mark_dirty();
    if small {
        return Vec::new();
    }
    vec![Effect::Palette(Box::new(request))]
}

/// What a task found in the fleet.
pub(super) fn found(model: &mut Model, seq: u64, lines: Vec<PaletteLine>) {
    if let Some(Layer::Palette(palette)) = model.layers.last_mut()
        && palette.seq == seq
    {
        palette.busy = false;
        // What was selected meanwhile stays selected.
        let selected = palette.lines.get(palette.at).map(|line| line.lead.clone());
        palette.lines = merged(&palette.own, lines);
        let same = palette
            .lines
            .iter()
            .position(|line| Some(&line.lead) == selected.as_ref());
        palette.at = if palette.at == 0 { 0 } else { same.unwrap_or(0) };
    }
}

pub(super) fn key(model: &mut Model, event: &KeyEvent, key: Key, now: &Now) -> Vec<Effect> {
    let height = crate::tui::model::palette_rows(model.size.1);
    let Some(Layer::Palette(palette)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let held = key.mods.contains(KeyModifiers::CONTROL);
    let last = palette.lines.len().saturating_sub(1);
    match key.code {
        KeyCode::Esc => {
            model.layers.pop();
            return Vec::new();
        }
        KeyCode::Down => palette.at = (palette.at + 1).min(last),
        KeyCode::Char('n' | 'j') if held => palette.at = (palette.at + 1).min(last),
        KeyCode::Up => palette.at = palette.at.saturating_sub(1),
        KeyCode::Char('p' | 'k') if held => palette.at = palette.at.saturating_sub(1),
        KeyCode::PageDown => palette.at = (palette.at + height).min(last),
        KeyCode::PageUp => palette.at = palette.at.saturating_sub(height),
        KeyCode::Tab => {
            if let Some(line) = palette.lines.get(palette.at) {
                palette.input = Input::new(line.title.to_string());
                return look(model);
            }
        }
        KeyCode::Enter => return enter(model, now),
        KeyCode::Backspace if palette.input.value().is_empty() => {
            model.layers.pop();
            return Vec::new();
        }
        _ => {
            let old = palette.input.value().to_owned();
            layer::edit(&mut palette.input, event);
            if palette.input.value() != old {
                return look(model);
            }
        }
    }
    if let Some(Layer::Palette(palette)) = model.layers.last_mut() {
        let top = palette.at.saturating_sub(height.saturating_sub(1));
        palette.offset = palette.offset.clamp(top, palette.at);
    }
    Vec::new()
}

fn enter(model: &mut Model, now: &Now) -> Vec<Effect> {
    let Some(Layer::Palette(palette)) = model.layers.last() else {
        return Vec::new();
    };
    let Some(line) = palette.lines.get(palette.at).cloned() else {
        return Vec::new();
    };
    let why_not = match &line.lead {
        // Asked again: the fleet may have changed since the line was made.
        Lead::Action(id) => allowed(*id, &model.situation()).err(),
        _ => line.why_not,
    };
    if let Some(why) = why_not {
        let text = format!("{}: {why}", line.title);
        flash(model, now, NoticeLevel::Warning, text, None);
        return Vec::new();
    }
    model.layers.pop();
    match line.lead {
        Lead::Page(tab, filter) => {
            pages::leave(model);
            let mut effects = pages::show(model, tab);
            if let Some(filter) = filter {
                let list = tab.list();
                effects.extend(find::set_text(model, list, &filter, now));
                effects.extend(super::memory::page(model, list));
            }
            effects
        }
        Lead::Action(id) => act::perform(model, id, now),
        Lead::Target(target) => pages::go_to(model, target, now),
        Lead::Own(name) => super::command::open(model, &name, now),
        Lead::Profile(name) => super::config::switch(model, name),
        Lead::View(name) => views::show(model, &name, now),
        Lead::Theme(name) => {
            super::home::use_theme(model, name, now);
            Vec::new()
        }
        Lead::Unlock(time) => super::lock::unlock(model, time, now),
    }
}
