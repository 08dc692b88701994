//! What was said about settings, the later over the earlier, and what it comes to.

use super::parse::{ConfigError, nearest};
use super::read::Item;
use super::settings::Settings;
use super::value::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File {
        /// Line and column, from 1.
        at: (usize, usize),
    },
    /// The profile in force, in the configuration file.
    Profile {
        /// Its name.
        name: String,
        /// Line and column, from 1.
        at: (usize, usize),
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        name: String,
    },
    /// An argument.
    Flag {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { at } => write!(f, "line {}", at.0),
            Self::Profile { name, at } => write!(f, "line {}, profile {name}", at.0),
            Self::Environment { name } => write!(f, "environment {name}"),
            Self::Flag { name } => write!(f, "argument {name}"),
        }
    }
}

/// Everything that was said, the latest word on each setting.
#[derive(Debug, Clone, Default)]
pub(super) struct Stack {
    said: BTreeMap<String, (Vec<String>, toml::Value, Origin)>,
    /// Lists of tables, by their key: each with its `name`, where it has one, and its origin.
    lists: BTreeMap<String, Vec<(toml::Value, Origin)>>,
}

impl Stack {
    /// Lays these over what was said before.
    pub(super) fn lay(&mut self, items: &[Item], origin: impl Fn(&Item) -> Origin) {
        for item in items {
            if !item.one_of {
                let entry = (item.path.clone(), item.value.clone(), origin(item));
                self.said.insert(item.path.join("."), entry);
                continue;
            }
            let list = self.lists.entry(item.path.join(".")).or_default();
            let name = |value: &toml::Value| value.get("name").and_then(|name| name.as_str()).map(str::to_owned);
            let same = name(&item.value).and_then(|new| {
                let at = list
                    .iter()
                    .position(|(value, _)| name(value).as_deref() == Some(&new))?;
                list.get_mut(at)
            });
            match same {
                Some(old) => *old = (item.value.clone(), origin(item)),
                None => list.push((item.value.clone(), origin(item))),
            }
        }
    }

    /// One setting, whatever was said before.
    pub(super) fn say(&mut self, setting: &str, value: toml::Value, origin: Origin) {
        let path = setting.split('.').map(str::to_owned).collect();
        self.said.insert(setting.to_owned(), (path, value, origin));
    }

    /// Where each setting that anybody spoke about comes from.
    pub(super) fn origins(&self) -> BTreeMap<String, Origin> {
        let mut origins: BTreeMap<String, Origin> = self
            .said
            .iter()
            .map(|(setting, (_, _, origin))| (setting.clone(), origin.clone()))
            .collect();
        for (key, list) in &self.lists {
            for (at, (_, origin)) in list.iter().enumerate() {
                origins.insert(format!("{key}.{at}"), origin.clone());
            }
        }
        origins
    }

    /// The settings, and what contradicts itself: that is left out, so that its defaults hold.
    pub(super) fn settings(&mut self, source_name: &str) -> (Settings, Vec<ConfigError>) {
        let mut mistakes = Vec::new();
        loop {
            let built = Settings::deserialize(self.table());
            let settings = match built {
                Ok(settings) => settings,
                // Each part was tried by itself; this would be a rule between them that serde knows.
                Err(error) => {
                    mistakes.push(mistake(source_name, "", None, error.message().to_owned()));
                    return (Settings::default(), mistakes);
                }
            };
            let Some((blamed, concerned, why)) = contradiction(&settings) else {
                return (settings, mistakes);
            };
            let origin = self.said.get(blamed).map(|(_, _, origin)| origin.clone());
            let said_before = self.said.len();
            for setting in concerned {
                self.said.remove(*setting);
            }
            mistakes.push(mistake(source_name, blamed, origin.as_ref(), why));
            if self.said.len() == said_before {
                return (settings, mistakes);
            }
        }
    }

    fn table(&self) -> toml::Table {
        let mut root = toml::Table::new();
        for (path, value, _) in self.said.values() {
            insert(&mut root, path, value.clone());
        }
        for (key, list) in &self.lists {
            let all = list.iter().map(|(value, _)| value.clone()).collect();
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            insert(&mut root, &path, toml::Value::Array(all));
        }
        root
    }
}

fn insert(table: &mut toml::Table, path: &[String], value: toml::Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let inner = table
        .entry(first.clone())
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let toml::Value::Table(inner) = inner {
        insert(inner, rest, value);
    }
}

fn mistake(source_name: &str, setting: &str, origin: Option<&Origin>, message: String) -> ConfigError {
    let (source_name, at) = match origin {
        Some(Origin::File { at } | Origin::Profile { at, .. }) => (source_name, Some(*at)),
        Some(Origin::Environment { name } | Origin::Flag { name }) => (name.as_str(), None),
        _ => (source_name, None),
    };
    ConfigError {
        source_name: source_name.to_owned(),
        at,
        setting: setting.to_owned(),
        message,
        hint: None,
    }
}

/// Rules between settings: the one to blame, all that are concerned, and why.
fn contradiction(settings: &Settings) -> Option<(&'static str, &'static [&'static str], String)> {
    if settings.worker.heartbeat.0 * 2 > settings.worker.lease.0 {
        return Some((
            "worker.heartbeat",
            &["worker.heartbeat", "worker.lease"],
            format!(
                "found heartbeat {} with lease {}, expected at most half of the lease, so that one missed beat loses no job",
                settings.worker.heartbeat, settings.worker.lease
            ),
        ));
    }
    if settings.fleet.admin_login.trim().is_empty() {
        return Some((
            "fleet.admin_login",
            &["fleet.admin_login"],
            "found an empty login, expected one".to_owned(),
        ));
    }
    None
}

/// What holds where a setting is wrong and its default would do harm: nothing is forgotten, and what may
/// have been guarded is read-only until it is unlocked.
pub(super) fn fall_safe(settings: &mut Settings, mistakes: &[ConfigError], profile: Option<&str>, unguarded: bool) {
    settings.fleet.read_only |= unguarded;
    for mistake in mistakes {
        let Some(setting) = mistake.setting_under(profile) else {
            continue;
        };
        let for_ever = Span::days(3650);
        if setting.is_empty() || setting == "retention" || setting.starts_with("retention.") {
            settings.retention.checks = settings.retention.checks.max(for_ever);
            settings.retention.job_logs = settings.retention.job_logs.max(for_ever);
        }
        let near = |key: &str| nearest(key, &["read_only"]).is_some();
        if setting == "guard" || setting == "fleet" || setting.strip_prefix("fleet.").is_some_and(near) {
            settings.fleet.read_only = true;
        }
        if nearest(setting, &["guard"]).is_some() {
            settings.fleet.read_only = true;
        }
    }
}
