//! Keys for what lies over the log: its filters, and the question what to open.

use super::{open, sifted};
use crate::domain::log::{LogPlace, LogTarget, Rule};
use crate::domain::rights::Deed;
use crate::tui::action::Key;
use crate::tui::model::{Effect, Layer, LogFilters, LogPrompt, Model, PATH_MAX};
use crate::tui::update::layer::edit;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::Input;

/// Where Odoo's packages write its log: what is suggested where nothing is remembered.
const USUAL_LOG: &str = "/var/log/odoo/odoo-server.log";

/// Asks what to open.
pub(in crate::tui::update) fn prompt(model: &mut Model) -> Vec<Effect> {
    let server = model.current_server().and_then(|id| model.store.server(id));
    let mut places = vec![LogPlace::Here];
    if let Some(server) = server {
        let place = LogPlace::Server {
            id: server.id,
            code: server.spec.code.to_string(),
        };
        places.insert(0, place);
    }
    let text = suggested(model, places.first());
    model.layers.push(Layer::LogPrompt(Box::new(LogPrompt {
        input: Input::new(text),
        places,
        wrong: None,
    })));
    Vec::new()
}

fn suggested(model: &Model, place: Option<&LogPlace>) -> String {
    match place {
        Some(LogPlace::Server { code, .. }) => {
            let kept = model.settings.log_paths.get(code);
            kept.map_or(USUAL_LOG, String::as_str).to_owned()
        }
        _ => String::new(),
    }
}

pub(in crate::tui::update) fn prompt_key(model: &mut Model, event: &KeyEvent, key: Key) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => {
            model.layers.pop();
        }
        KeyCode::Enter => return prompted(model),
        KeyCode::Tab | KeyCode::BackTab => {
            let Some(Layer::LogPrompt(prompt)) = model.layers.last() else {
                return Vec::new();
            };
            let (typed, next) = (prompt.input.value().to_owned(), prompt.places.get(1).cloned());
            let untouched = typed == suggested(model, prompt.places.first());
            let text = suggested(model, next.as_ref());
            if let (Some(Layer::LogPrompt(prompt)), Some(_)) = (model.layers.last_mut(), next) {
                prompt.places.rotate_left(1);
                prompt.wrong = None;
                if untouched {
                    prompt.input = Input::new(text);
                }
            }
        }
        _ => {
            if let Some(Layer::LogPrompt(prompt)) = model.layers.last_mut() {
                prompt.wrong = None;
                edit(&mut prompt.input, event);
            }
        }
    }
    Vec::new()
}

fn prompted(model: &mut Model) -> Vec<Effect> {
    let may_run = model.store.rights.check(Deed::EditServer);
    let Some(Layer::LogPrompt(prompt)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let text = prompt.input.value().trim().to_owned();
    let place = prompt.place();
    let target = match LogTarget::parse(&text, place.clone()) {
        Ok(target) if text.chars().count() <= PATH_MAX => target,
        Ok(_) => {
            prompt.wrong = Some("it is too long".to_owned());
            return Vec::new();
        }
        Err(error) => {
            prompt.wrong = Some(error.to_string());
            return Vec::new();
        }
    };
    // What a command does there nobody knows beforehand.
    if let (LogTarget::Output { .. }, LogPlace::Server { .. }, Err(why)) = (&target, &place, may_run) {
        prompt.wrong = Some(format!("{why}; a file can be read"));
        return Vec::new();
    }
    model.layers.pop();
    let mut effects = open(model, target);
    if let LogPlace::Server { code, .. } = place
        && model.settings.log_paths.get(&code) != Some(&text)
    {
        model.settings.log_paths.insert(code.clone(), text.clone());
        effects.push(Effect::RememberLog { server: code, text });
    }
    effects
}

pub(in crate::tui::update) fn filters_key(model: &mut Model, event: &KeyEvent, key: Key) -> Vec<Effect> {
    let rules = &mut model.log.sieve.rules;
    let Some(Layer::LogFilters(filters)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let LogFilters { input, selected, odd } = &mut **filters;
    let ctrl = key.mods.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc => {
            model.layers.pop();
            return Vec::new();
        }
        KeyCode::Enter if input.value().trim().is_empty() => {
            model.layers.pop();
            return Vec::new();
        }
        KeyCode::Enter => {
            let Some(rule) = Rule::new(input.value()) else {
                *odd = Some("this is too long, or nothing".to_owned());
                return Vec::new();
            };
            *odd = rule
                .pattern
                .wrong()
                .map(|why| format!("no regular expression ({why}): taken as it stands"));
            *selected = rules.len();
            rules.push(rule);
            input.reset();
        }
        KeyCode::Up => {
            *selected = selected.saturating_sub(1);
            return Vec::new();
        }
        KeyCode::Down => {
            *selected = (*selected + 1).min(rules.len().saturating_sub(1));
            return Vec::new();
        }
        KeyCode::Tab => match rules.get_mut(*selected) {
            Some(rule) => rule.on = !rule.on,
            None => return Vec::new(),
        },
        KeyCode::Char('t') if ctrl => {
            let on = !rules.iter().any(|rule| rule.on);
            rules.iter_mut().for_each(|rule| rule.on = on);
        }
        KeyCode::Delete if *selected < rules.len() && input.value().is_empty() => {
            rules.remove(*selected);
            *selected = (*selected).min(rules.len().saturating_sub(1));
        }
        _ => {
            *odd = None;
            edit(input, event);
            return Vec::new();
        }
    }
    sifted(model)
}
