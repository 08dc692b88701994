//! What is wrong with the configuration, and where everything lies.

use super::screen::{keymap, theme};
use crate::config::{self, ConfigError, Loaded, Origin};
use crate::domain::SafeText;
use crate::tui::action::{Found, KeyClash, Place, action, parse_sequence};

/// Which program this is, and where its files lie.
pub(super) fn places(loaded: &Loaded) -> Vec<(String, SafeText)> {
    let places = &loaded.places;
    let config = match &loaded.file {
        Some(file) => file.display().to_string(),
        None => format!("{} (not there; `vigie init` writes it)", places.config.display()),
    };
    let registry = match &places.shared {
        Some(address) => config::masked(address),
        None => places.registry.display().to_string(),
    };
    let keys = match places.key_file.file() {
        Some(file) => file.display().to_string(),
        None => "a command".to_owned(),
    };
    [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("config", config),
        ("registry", registry),
        ("data", places.data_dir.display().to_string()),
        ("keys", keys),
        ("log", places.log_dir.display().to_string()),
        ("state", places.screen_file().display().to_string()),
        ("themes", places.themes_dir.display().to_string()),
    ]
    .map(|(what, place)| (what.to_owned(), SafeText::new(&place)))
    .into()
}

/// Everything that is wrong with the configuration: what was left out when it was read, and what only the
/// dashboard can judge.
pub(super) fn mistakes(loaded: &Loaded) -> Vec<ConfigError> {
    let of = |setting: &str, message: String| {
        let origin = loaded.origin(setting);
        let file = loaded.file.as_ref().map(|path| path.display().to_string());
        let (source_name, at) = match origin {
            Origin::File { at } | Origin::Profile { at, .. } => (file.unwrap_or_default(), Some(at)),
            Origin::Environment { name } | Origin::Flag { name } => (name, None),
            Origin::Default => (setting.to_owned(), None),
        };
        ConfigError {
            source_name,
            at,
            setting: setting.to_owned(),
            message,
            hint: None,
        }
    };
    let mut mistakes = loaded.mistakes.clone();
    if let Err(why) = theme(loaded) {
        mistakes.push(of("screen.theme", why));
    }
    for clash in keymap(loaded).1 {
        let action = match &clash {
            KeyClash::UnknownAction { name, .. } => name,
            KeyClash::BadKey { action, .. } | KeyClash::UnknownPlace { action, .. } => action,
            KeyClash::Clash { wanted_by, .. } => wanted_by,
        };
        mistakes.push(of(&format!("keys.{action}"), clash.to_string()));
    }
    let keys = keymap(loaded).0;
    for (at, command) in loaded.settings.command.iter().enumerate() {
        if command.key.is_empty() {
            continue;
        }
        let name = &command.name;
        let why = match parse_sequence(&command.key) {
            Err(why) => Some(why.to_string()),
            Ok(sequence) => Place::ALL.iter().find_map(|place| match keys.find(*place, &sequence) {
                Found::Action(id) => Some(format!(
                    "{} belongs to {:?}, which keeps it",
                    command.key,
                    action(id).name
                )),
                Found::Prefix => Some(format!("{} begins other keys, which keep it", command.key)),
                _ => None,
            }),
        };
        if let Some(why) = why {
            mistakes.push(of(
                &format!("command.{at}"),
                format!("the key of command {name}: {why}"),
            ));
        }
    }
    mistakes
}
