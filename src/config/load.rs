//! Files, then the environment, then the profile, then arguments.

use super::parse::{ConfigError, nearest};
use super::paths::{PathError, Places, Platform};
use super::read::{Document, Item, NO_PROFILE, is_essential, read};
use super::settings::Settings;
use super::stack::{Origin, Stack, fall_safe};
use super::value::is_address;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Variables that are read, and the setting each stands for.
pub const ENVIRONMENT: [(&str, &str); 10] = [
    ("VIGIE_CONFIG", "the configuration file"),
    ("VIGIE_PROFILE", "the profile"),
    ("VIGIE_DATA_DIR", "paths.data_dir"),
    ("VIGIE_REGISTRY", "paths.registry"),
    ("VIGIE_KEY_FILE", "paths.key_file"),
    ("VIGIE_LOG_DIR", "paths.log_dir"),
    ("VIGIE_LOG_LEVEL", "log.level"),
    ("VIGIE_ROOT_DOMAIN", "fleet.root_domain"),
    ("VIGIE_THEME", "screen.theme"),
    ("VIGIE_WORKER_AUTOSTART", "worker.autostart"),
];

/// What the command line says about settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--registry`.
    pub registry: Option<PathBuf>,
    /// `--profile`.
    pub profile: Option<String>,
}

/// Settings, and how they came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The places in use.
    pub places: Places,
    /// The file that was read; `None` where there is none and defaults hold.
    pub file: Option<PathBuf>,
    /// The profile in force; none: what the file says outside of profiles.
    pub profile: Option<String>,
    /// The profiles there are.
    pub profiles: Vec<String>,
    /// What is wrong, and was left out: its default holds.
    pub mistakes: Vec<ConfigError>,
    /// Where each setting comes from that is not at its default.
    pub origins: BTreeMap<String, Origin>,
    /// What is odd and did not stop the start.
    pub warnings: Vec<String>,
    /// What the command line said.
    pub arguments: Arguments,
    /// The variables that were read: those called `VIGIE_…`.
    pub environment: BTreeMap<String, String>,
}

impl Loaded {
    /// Where a setting's value comes from.
    pub fn origin(&self, setting: &str) -> Origin {
        self.origins.get(setting).cloned().unwrap_or(Origin::Default)
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A mistake in a file or variable that says which fleet one works on.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file or folder that can't be used.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Loads the settings: the file that `--config`, then `VIGIE_CONFIG` names (it must exist), else
/// `config.toml` in the user's configuration folder where there is one; then `VIGIE_*` variables; then
/// the profile that `--profile`, then `VIGIE_PROFILE` names; then arguments.
///
/// What is wrong is left out and told in [`Loaded::mistakes`]; but not where it says which fleet one
/// works on: with a default in its place, one would work on another.
///
/// # Errors
/// The first mistake of that kind, with its place; a file that can't be read; a profile that is not there.
pub fn load(arguments: &Arguments, environment: &BTreeMap<String, String>) -> Result<Loaded, LoadError> {
    let platform = Platform::here()?;
    let (config, named) = config_file(arguments, environment, &platform);
    let file = (named || config.exists()).then(|| config.clone());
    let name = config.display().to_string();
    let mut document = match &file {
        Some(path) => read(&name, &read_file(path)?),
        None => Document::default(),
    };
    let given = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let wanted = match (&arguments.profile, given("VIGIE_PROFILE")) {
        (Some(profile), _) => Some((profile.clone(), "--profile")),
        (None, Some(profile)) => Some((profile.clone(), "VIGIE_PROFILE")),
        (None, None) => None,
    };
    let wanted = wanted.filter(|(profile, _)| profile != NO_PROFILE && !profile.is_empty());
    if let Some((profile, by)) = &wanted
        && !document.profiles.contains_key(profile)
    {
        return Err(no_profile(profile, by, &name, &document).into());
    }
    let profile = wanted.map(|(profile, _)| profile);

    let mut stack = Stack::default();
    stack.lay(&document.items, |item| Origin::File { at: item.at });
    let mut mistakes = std::mem::take(&mut document.mistakes);
    let mut warnings = Vec::new();
    overlay(&mut stack, environment, &mut warnings, &mut mistakes);
    if let Some(name) = &profile
        && let Some(items) = document.profiles.get(name)
    {
        let origin = |item: &Item| Origin::Profile {
            name: name.clone(),
            at: item.at,
        };
        stack.lay(items, origin);
    }
    if let Some(registry) = &arguments.registry {
        let text = registry.to_string_lossy();
        let place = if is_address(&text) {
            text.into_owned()
        } else {
            let whole = std::path::absolute(registry).unwrap_or_else(|_| registry.clone());
            whole.display().to_string()
        };
        let origin = Origin::Flag {
            name: "--registry".to_owned(),
        };
        stack.say("paths.registry", place.into(), origin);
    }
    if let Some(essential) = mistakes.iter().find(|m| is_essential(m, profile.as_deref())) {
        return Err(essential.clone().into());
    }
    let (mut settings, contradictions) = stack.settings(&name);
    mistakes.extend(contradictions);
    fall_safe(&mut settings, &mistakes, profile.as_deref(), document.unguarded);
    let places = Places::of(&settings.paths, config, &platform);
    Ok(Loaded {
        settings,
        places,
        file,
        profile,
        profiles: document.profiles.into_keys().collect(),
        mistakes,
        origins: stack.origins(),
        warnings,
        arguments: arguments.clone(),
        environment: environment
            .iter()
            .filter(|(name, _)| name.starts_with("VIGIE_"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    })
}

/// The file that is read, absolute, and whether it was named.
pub fn config_file(
    arguments: &Arguments,
    environment: &BTreeMap<String, String>,
    platform: &Platform,
) -> (PathBuf, bool) {
    let by_variable = environment.get("VIGIE_CONFIG").filter(|value| !value.is_empty());
    let named = arguments.config.clone().or_else(|| by_variable.map(PathBuf::from));
    match named {
        Some(path) => (std::path::absolute(&path).unwrap_or(path), true),
        None => (platform.config_dir.join("config.toml"), false),
    }
}

fn no_profile(profile: &str, by: &str, file: &str, document: &Document) -> ConfigError {
    let known: Vec<&str> = document.profiles.keys().map(String::as_str).collect();
    let hint = match nearest(profile, &known) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => format!("write [profile.{profile}] into {file}"),
        None => format!("there are: {}", known.join(", ")),
    };
    ConfigError {
        source_name: by.to_owned(),
        at: None,
        setting: "profile".to_owned(),
        message: format!("there is no profile {profile:?} in {file}"),
        hint: Some(hint),
    }
}

fn read_file(path: &Path) -> Result<String, PathError> {
    let wrong = |what: String| PathError {
        path: path.to_owned(),
        what,
    };
    let bytes = std::fs::read(path).map_err(|error| wrong(format!("the configuration can't be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let right = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = right.iter().filter(|byte| **byte == b'\n').count() + 1;
        wrong(format!("the configuration can't be read: line {line} is no UTF-8 text"))
    })
}

fn overlay(
    stack: &mut Stack,
    environment: &BTreeMap<String, String>,
    warnings: &mut Vec<String>,
    mistakes: &mut Vec<ConfigError>,
) {
    let known: Vec<&str> = ENVIRONMENT.iter().map(|(name, _)| *name).collect();
    for (name, value) in environment.iter().filter(|(name, _)| name.starts_with("VIGIE_")) {
        let setting = ENVIRONMENT
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, setting)| *setting);
        let Some(setting) = setting else {
            // What a command of the operator's own is told is no setting.
            let is_fact = crate::domain::command::FACTS.iter().any(|(_, fact)| fact == name);
            if !is_fact && let Some(near) = nearest(name, &known) {
                warnings.push(format!("the variable {name} is not read: did you mean {near}?"));
            }
            continue;
        };
        if !setting.contains('.') || value.is_empty() {
            continue;
        }
        // One value through the file's own reader, so that both say the same about a mistake.
        let literal = match setting {
            "worker.autostart" => value.clone(),
            _ => toml::Value::String(value.clone()).to_string(),
        };
        let mut said = read(name, &format!("{setting} = {literal}"));
        for mut mistake in said.mistakes.drain(..) {
            mistake.at = None;
            mistake.setting = setting.to_owned();
            mistakes.push(mistake);
        }
        let origin = |_: &Item| Origin::Environment { name: name.clone() };
        said.items.retain(|item| item.path.join(".") == setting);
        stack.lay(&said.items, origin);
    }
}
