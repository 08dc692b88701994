//! Keys, pastes and sizes: to what lies on top, or through the keymap to the table's actions.

use super::{act, flash, layer, log, resettle};
use crate::tui::action::{Found, Key, action, allowed};
use crate::tui::model::{Effect, Layer, Model, NoticeLevel, Now};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::time::Duration;

/// A second Ctrl-C within this time quits.
const QUIT_WINDOW: Duration = Duration::from_secs(1);

pub(super) fn event(model: &mut Model, event: Event, now: &Now) -> Vec<Effect> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => {
            // Whoever types looks, whatever the terminal said.
            let mut effects = away(model, false);
            effects.extend(pressed(model, &key, now));
            super::attention::look(model, now);
            effects
        }
        Event::Paste(text) => layer::paste(model, &text, now),
        Event::Resize(width, height) => {
            if model.size != (width, height) {
                model.size = (width, height);
                resettle(model);
            }
            model.mark_dirty();
            Vec::new()
        }
        // Coming back to the terminal: what it shows may have been drawn over.
        Event::FocusGained => {
            model.mark_dirty();
            away(model, false)
        }
        // Nobody looks: what turns stands still, and what changes is drawn less often.
        Event::FocusLost => away(model, true),
        Event::Mouse(mouse) => super::home::mouse(model, mouse, now),
        _ => Vec::new(),
    }
}

/// Somebody looks, or nobody does.
fn away(model: &mut Model, is: bool) -> Vec<Effect> {
    if std::mem::replace(&mut model.home.away, is) == is {
        return Vec::new();
    }
    vec![Effect::Away(is)]
}

fn is_interrupt(model: &Model, key: Key) -> bool {
    let bound = model.keymap().find(model.key_place(), &[key]);
    let ctrl_c = key.code == KeyCode::Char('c') && key.mods == KeyModifiers::CONTROL;
    // Ctrl-C interrupts wherever it isn't bound to anything else, whatever the settings say.
    bound == Found::Action(crate::tui::action::ActionId::Interrupt) || (ctrl_c && bound == Found::Nothing)
}

fn pressed(model: &mut Model, event: &KeyEvent, now: &Now) -> Vec<Effect> {
    let key = Key::from_event(event);
    model.mark_dirty();
    if key.letter().is_none() && is_interrupt(model, key) {
        return interrupt(model, now);
    }
    if !model.layers.is_empty() {
        return layer::key(model, event, key, now);
    }
    if !model.pending.is_empty() && key.code == KeyCode::Esc {
        model.pending.clear();
        return Vec::new();
    }
    model.pending.push(key);
    model.pending_since = now.mono;
    match model.keymap().find(model.key_place(), &model.pending) {
        Found::Prefix => Vec::new(),
        Found::Action(id) => {
            model.pending.clear();
            if let Err(why) = allowed(id, &model.situation()) {
                let text = format!("{}: {why}", model.keymap().name_with_key(id));
                flash(model, now, NoticeLevel::Warning, text, None);
                return Vec::new();
            }
            act::perform(model, id, now)
        }
        Found::Elsewhere(id) => {
            model.pending.clear();
            let places: Vec<&str> = action(id).places.iter().map(|place| place.word()).collect();
            let text = format!("{} is only in: {}", model.keymap().name_with_key(id), places.join(", "));
            flash(model, now, NoticeLevel::Warning, text, None);
            Vec::new()
        }
        Found::Nothing => {
            let typed = crate::tui::action::show_sequence(&model.pending);
            let in_menu = model.pending.len() > 1;
            if let Some(command) = super::command::bound(model) {
                model.pending.clear();
                return super::command::open(model, &command, now);
            }
            if super::command::is_begun(model) {
                return Vec::new();
            }
            model.pending.clear();
            if in_menu {
                let text = format!("{typed} does nothing; ? shows every key");
                flash(model, now, NoticeLevel::Info, text, None);
            }
            Vec::new()
        }
    }
}

/// Ctrl-C: stops the current thing, and says how to leave; twice within a second leaves.
fn interrupt(model: &mut Model, now: &Now) -> Vec<Effect> {
    if model.quit_until.is_some_and(|until| now.mono < until) {
        return vec![Effect::Quit];
    }
    model.quit_until = Some(now.mono + QUIT_WINDOW);
    let mut effects = Vec::new();
    let what = if !model.pending.is_empty() {
        model.pending.clear();
        "".to_owned()
    } else if let Some(Layer::Form(_)) = model.layers.last() {
        super::form::close(model, now);
        "closed, what was typed is kept. ".to_owned()
    } else if let Some(top) = model.layers.pop() {
        match top {
            Layer::Typing { before, .. } => layer::set_text(model, &before),
            Layer::Find(line) => effects.extend(super::find::set(model, line.list, line.before, now)),
            _ => {}
        }
        "closed. ".to_owned()
    } else if log::stop(model) {
        effects.push(Effect::StopLogRead);
        "stopped looking. ".to_owned()
    } else if let Some(stopped) = super::bulk::stop(model, None, now) {
        effects.extend(stopped);
        "no more are begun. ".to_owned()
    } else if let Some((ticket, asked)) = model.asked.iter().next_back() {
        effects.push(Effect::CancelTask(*ticket));
        format!("stopping: {}. ", asked.verb)
    } else {
        String::new()
    };
    let text = format!("{what}Ctrl-C again within a second quits");
    flash(model, now, NoticeLevel::Info, text, None);
    effects
}
