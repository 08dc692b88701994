//! Files, then the environment, then arguments.

use super::parse::{ConfigError, nearest, parse};
use super::paths::{PathError, Places, Platform};
use super::settings::Settings;
use super::value::{PlaceText, is_address};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Variables that are read, and the setting each stands for.
pub const ENVIRONMENT: [(&str, &str); 9] = [
    ("VIGIE_CONFIG", "the configuration file"),
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
    /// What is odd and did not stop the start.
    pub warnings: Vec<String>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A mistake in a file or variable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file or folder that can't be used.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Loads the settings: the file that `--config`, then `VIGIE_CONFIG` names (it must exist), else
/// `config.toml` in the user's configuration folder where there is one; then `VIGIE_*` variables;
/// then arguments.
///
/// # Errors
/// The first mistake, with its place.
pub fn load(arguments: &Arguments, environment: &BTreeMap<String, String>) -> Result<Loaded, LoadError> {
    let platform = Platform::here()?;
    let given = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let named = arguments
        .config
        .clone()
        .or_else(|| given("VIGIE_CONFIG").map(PathBuf::from));
    let config = match &named {
        Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
        None => platform.config_dir.join("config.toml"),
    };
    let file = (named.is_some() || config.exists()).then(|| config.clone());
    let mut settings = match &file {
        Some(path) => parse(&path.display().to_string(), &read(path)?)?,
        None => Settings::default(),
    };
    let mut warnings = Vec::new();
    overlay(&mut settings, environment, &mut warnings)?;
    if let Some(registry) = &arguments.registry {
        let text = registry.to_string_lossy();
        settings.paths.registry = if is_address(&text) {
            PlaceText(text.into_owned())
        } else {
            let whole = std::path::absolute(registry).unwrap_or_else(|_| registry.clone());
            PlaceText(whole.display().to_string())
        };
    }
    let places = Places::of(&settings.paths, config, &platform);
    Ok(Loaded {
        settings,
        places,
        file,
        warnings,
    })
}

fn read(path: &Path) -> Result<String, PathError> {
    std::fs::read_to_string(path).map_err(|error| PathError {
        path: path.to_owned(),
        what: format!("the configuration can't be read: {error}"),
    })
}

fn overlay(
    settings: &mut Settings,
    environment: &BTreeMap<String, String>,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let known: Vec<&str> = ENVIRONMENT.iter().map(|(name, _)| *name).collect();
    for (name, value) in environment.iter().filter(|(name, _)| name.starts_with("VIGIE_")) {
        let setting = ENVIRONMENT
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, setting)| *setting);
        let Some(setting) = setting else {
            if let Some(near) = nearest(name, &known) {
                warnings.push(format!("the variable {name} is not read: did you mean {near}?"));
            }
            continue;
        };
        let Some((section, key)) = setting.split_once('.').filter(|_| !value.is_empty()) else {
            continue;
        };
        // One value through the file's own parser, so that both say the same about a mistake.
        let literal = match setting {
            "worker.autostart" => value.clone(),
            _ => toml::Value::String(value.clone()).to_string(),
        };
        let parsed = parse(name, &format!("{section}.{key} = {literal}")).map_err(|mut error| {
            error.at = None;
            error
        })?;
        match setting {
            "paths.data_dir" => settings.paths.data_dir = parsed.paths.data_dir,
            "paths.registry" => settings.paths.registry = parsed.paths.registry,
            "paths.key_file" => settings.paths.key_file = parsed.paths.key_file,
            "paths.log_dir" => settings.paths.log_dir = parsed.paths.log_dir,
            "log.level" => settings.log.level = parsed.log.level,
            "fleet.root_domain" => settings.fleet.root_domain = parsed.fleet.root_domain,
            "screen.theme" => settings.screen.theme = parsed.screen.theme,
            "worker.autostart" => settings.worker.autostart = parsed.worker.autostart,
            _ => {}
        }
    }
    Ok(())
}
