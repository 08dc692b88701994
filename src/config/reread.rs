//! The file changed while the program runs: what is right in it holds, what is wrong keeps what was
//! right before, and what can't change under a running program waits for its next start.

use super::load::{LoadError, Loaded, load};
use super::parse::ConfigError;
use super::settings::Settings;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a change of the file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reread {
    /// What holds now.
    pub loaded: Loaded,
    /// Settings that changed and hold.
    pub changed: Vec<String>,
    /// Settings that changed and hold from the next start on.
    pub restart: Vec<String>,
    /// Settings that changed and that a worker takes when it is started next.
    pub worker: Vec<String>,
}

/// Whether a setting is read once, at the start.
fn is_frozen(setting: &str) -> bool {
    let section = setting.split('.').next().unwrap_or_default();
    matches!(section, "paths" | "registry" | "limits" | "log")
        || matches!(
            setting,
            "screen.mouse"
                | "screen.keyboard_protocol"
                | "screen.start"
                | "screen.coalesce"
                | "screen.colours"
                | "checks.concurrency"
        )
}

/// Whether it is (also) the worker's.
fn is_workers(setting: &str) -> bool {
    let section = setting.split('.').next().unwrap_or_default();
    matches!(section, "worker" | "retention" | "checks")
}

/// Reads the file again.
///
/// # Errors
/// When there is nothing to take from it: it is gone or no TOML, or says which fleet one works on and is
/// wrong there. What held before goes on holding.
pub fn reread(before: &Loaded) -> Result<Reread, ConfigError> {
    if let Some(file) = before.file.as_ref().filter(|file| !file.exists()) {
        return Err(whole(file.display().to_string(), "the file is gone".to_owned()));
    }
    let mut loaded = load(&before.arguments, &before.environment).map_err(|error| match error {
        LoadError::Config(mistake) => mistake,
        LoadError::Path(error) => whole(error.path.display().to_string(), error.what),
    })?;
    if let Some(broken) = loaded.mistakes.iter().find(|mistake| mistake.is_broken()) {
        return Err(broken.clone());
    }
    keep(before, &mut loaded);
    let (old, new) = (flat(&before.settings), flat(&loaded.settings));
    let differs = |setting: &&String| old.get(*setting) != new.get(*setting);
    let mut all: Vec<&String> = old.keys().chain(new.keys()).filter(differs).collect();
    all.sort();
    all.dedup();
    let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        all.iter()
            .filter(|setting| wanted(setting))
            .map(|s| (*s).clone())
            .collect()
    };
    let restart = of(&is_frozen);
    let worker = of(&is_workers);
    let changed = of(&|setting| !is_frozen(setting));
    freeze(before, &mut loaded);
    Ok(Reread {
        loaded,
        changed,
        restart,
        worker,
    })
}

fn whole(source_name: String, message: String) -> ConfigError {
    ConfigError {
        source_name,
        at: None,
        setting: String::new(),
        message,
        hint: None,
    }
}

/// What is wrong now keeps what it was.
fn keep(before: &Loaded, loaded: &mut Loaded) {
    let Ok(old) = toml::Table::try_from(&before.settings) else {
        return;
    };
    let Ok(mut new) = toml::Table::try_from(&loaded.settings) else {
        return;
    };
    let mut guards = false;
    for mistake in &loaded.mistakes {
        let Some(setting) = mistake.setting_under(loaded.profile.as_deref()) else {
            continue;
        };
        let mut path = setting.split('.');
        let (Some(section), key) = (path.next(), path.next()) else {
            continue;
        };
        guards |= super::parse::nearest(section, &["guard"]).is_some();
        match key {
            Some(key) => {
                let was = old.get(section).and_then(|of| of.get(key)).cloned();
                if let (Some(was), Some(toml::Value::Table(of))) = (was, new.get_mut(section)) {
                    of.insert(key.to_owned(), was);
                }
            }
            // Of a list of tables, one is wrong; those that were there before stay, where they aren't anew.
            None => match (old.get(section), new.get_mut(section)) {
                (Some(toml::Value::Array(was)), Some(toml::Value::Array(is))) => {
                    let missing: Vec<toml::Value> = was.iter().filter(|one| !is_there(one, is)).cloned().collect();
                    is.extend(missing);
                }
                (Some(was), _) => {
                    new.insert(section.to_owned(), was.clone());
                }
                (None, _) => {}
            },
        }
    }
    if guards && !loaded.origins.contains_key("fleet.read_only") {
        // The guards of before still hold: nothing is unguarded.
        if let Some(toml::Value::Table(fleet)) = new.get_mut("fleet") {
            fleet.insert("read_only".to_owned(), before.settings.fleet.read_only.into());
        }
    }
    if let Ok(settings) = Settings::deserialize(new) {
        let registry = loaded.settings.registry.clone();
        loaded.settings = settings;
        // Its secret is not written out with the others.
        loaded.settings.registry = registry;
    }
}

/// Whether a list has this table, or another of its name.
fn is_there(one: &toml::Value, list: &[toml::Value]) -> bool {
    let name = one.get("name");
    list.iter()
        .any(|other| other == one || name.is_some() && other.get("name") == name)
}

/// What is read once stays what it was.
fn freeze(before: &Loaded, loaded: &mut Loaded) {
    let (was, is) = (&before.settings, &mut loaded.settings);
    is.paths = was.paths.clone();
    is.registry = was.registry.clone();
    is.limits = was.limits.clone();
    is.log = was.log.clone();
    is.screen.mouse = was.screen.mouse;
    is.screen.keyboard_protocol = was.screen.keyboard_protocol;
    is.screen.start = was.screen.start;
    is.screen.coalesce = was.screen.coalesce;
    is.screen.colours = was.screen.colours;
    is.checks.concurrency = was.checks.concurrency;
    loaded.places = before.places.clone();
}

/// Every setting by its name; of lists of tables each by its place.
fn flat(settings: &Settings) -> BTreeMap<String, toml::Value> {
    fn walk(above: &str, table: toml::Table, all: &mut BTreeMap<String, toml::Value>) {
        for (key, value) in table {
            let name = if above.is_empty() {
                key
            } else {
                format!("{above}.{key}")
            };
            match value {
                toml::Value::Table(inner) => walk(&name, inner, all),
                value => {
                    all.insert(name, value);
                }
            }
        }
    }
    let mut all = BTreeMap::new();
    walk("", toml::Table::try_from(settings).unwrap_or_default(), &mut all);
    all
}
