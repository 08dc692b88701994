//! `vigie config`: what holds, from where, and what is wrong with it. Needs no registry.

use super::Done;
use crate::cli::args::{ConfigVerb, Global};
use crate::cli::shell::Shell;
use crate::cli::{mistakes, open};
use crate::config::{self, ConfigError, LoadError, Loaded, Origin};
use crate::domain::Problem;
use serde_json::{Value, json};

pub(in crate::cli) fn run(shell: &Shell, global: &Global, verb: &ConfigVerb) -> Done {
    match verb {
        ConfigVerb::Check => check(shell, global),
        ConfigVerb::Show { origin } => show(shell, &open::settings(global)?, *origin),
        ConfigVerb::Schema => shell.line(format!("{:#}", config::schema())),
    }
}

fn check(shell: &Shell, global: &Global) -> Done {
    let arguments = open::arguments(global);
    let (found, warnings, file) = match config::load(&arguments, &open::environment()) {
        Ok(loaded) => (mistakes::mistakes(&loaded), loaded.warnings, loaded.file),
        Err(LoadError::Config(mistake)) => (vec![mistake], Vec::new(), arguments.config),
        Err(LoadError::Path(error)) => {
            let mistake = ConfigError {
                source_name: error.path.display().to_string(),
                at: None,
                setting: String::new(),
                message: error.what,
                hint: None,
            };
            (vec![mistake], Vec::new(), None)
        }
    };
    let json = json!({
        "ok": found.is_empty(),
        "file": file.as_ref().map(|path| path.display().to_string()),
        "mistakes": found.iter().map(mistake_json).collect::<Vec<_>>(),
        "warnings": warnings,
    });
    shell.result(&json, || {
        let mut text = String::new();
        for mistake in &found {
            text.push_str(&format!("{}\n", crate::domain::SafeText::new(&mistake.to_string())));
            if let Some(hint) = &mistake.hint {
                text.push_str(&format!("  → {}\n", crate::domain::SafeText::new(hint)));
            }
        }
        for warning in &warnings {
            text.push_str(&format!("{}\n", crate::domain::SafeText::new(warning)));
        }
        if found.is_empty() {
            match &file {
                Some(file) => text.push_str(&format!("{}: no mistakes\n", file.display())),
                None => text.push_str("there is no configuration file; the defaults hold\n"),
            }
        }
        text
    })?;
    match found.len() {
        0 => Ok(()),
        1 => Err(Problem::new("config", "the configuration has a mistake")),
        n => Err(Problem::new("config", format!("the configuration has {n} mistakes"))),
    }
}

fn mistake_json(mistake: &ConfigError) -> Value {
    json!({
        "file": mistake.source_name,
        "line": mistake.at.map(|at| at.0),
        "column": mistake.at.map(|at| at.1),
        "setting": mistake.setting,
        "message": mistake.message,
        "hint": mistake.hint,
    })
}

/// A setting as it is shown: its name, its value, where that comes from.
struct Shown {
    setting: String,
    value: toml::Value,
    origin: Origin,
}

fn show(shell: &Shell, loaded: &Loaded, with_origin: bool) -> Done {
    let file = loaded.file.as_ref().map(|path| path.display().to_string());
    let all = all(loaded);
    for mistake in &loaded.mistakes {
        shell.note(format!("vigie: {mistake} (left out)"));
    }
    let json: Vec<Value> = all
        .iter()
        .map(|shown| {
            let (line, column) = match &shown.origin {
                Origin::File { at } | Origin::Profile { at, .. } => (Some(at.0), Some(at.1)),
                _ => (None, None),
            };
            let (kind, name) = match &shown.origin {
                Origin::Default => ("default", None),
                Origin::File { .. } => ("file", None),
                Origin::Profile { name, .. } => ("profile", Some(name)),
                Origin::Environment { name } => ("environment", Some(name)),
                Origin::Flag { name } => ("argument", Some(name)),
            };
            let file = line.and(file.as_ref());
            json!({
                "setting": shown.setting,
                "value": serde_json::to_value(&shown.value).unwrap_or_default(),
                "origin": { "kind": kind, "name": name, "file": file, "line": line, "column": column },
            })
        })
        .collect();
    shell.result(&json.into(), || text(&all, file.as_deref(), with_origin))
}

fn text(all: &[Shown], file: Option<&str>, with_origin: bool) -> String {
    let mut text = String::new();
    let mut section = String::new();
    for shown in all {
        let (of, key) = shown.setting.split_once('.').unwrap_or(("", &shown.setting));
        if of != section {
            text.push_str(&format!("{}[{of}]\n", if text.is_empty() { "" } else { "\n" }));
            section = of.to_owned();
        }
        let line = format!("{key} = {}", shown.value);
        if !with_origin {
            text.push_str(&format!("{line}\n"));
            continue;
        }
        let origin = match (&shown.origin, file) {
            (Origin::File { at }, Some(file)) => format!("{file}:{}", at.0),
            (Origin::Profile { name, at }, Some(file)) => format!("{file}:{}, profile {name}", at.0),
            (origin, _) => origin.to_string(),
        };
        text.push_str(&format!("{line:<42}  # {origin}\n"));
    }
    text
}

/// Every setting that holds, in the order of the file.
fn all(loaded: &Loaded) -> Vec<Shown> {
    let table = toml::Table::try_from(&loaded.settings).unwrap_or_default();
    let mut all = Vec::new();
    let mut order: Vec<String> = config::documentation()
        .into_iter()
        .flat_map(|section| {
            let name = section.name.clone();
            let of = move |setting: config::SettingDoc| format!("{name}.{}", setting.key);
            section.settings.into_iter().map(of)
        })
        .collect();
    flatten("", &table, &mut |setting, value| {
        if !order.contains(&setting) {
            order.push(setting.clone());
        }
        all.push(Shown {
            origin: loaded.origin(&setting),
            value: without_password(value),
            setting,
        });
    });
    all.sort_by_key(|shown| {
        let top = shown.setting.contains('.');
        (top, order.iter().position(|setting| *setting == shown.setting))
    });
    all
}

fn flatten(above: &str, table: &toml::Table, take: &mut dyn FnMut(String, &toml::Value)) {
    for (key, value) in table {
        let name = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, take),
            toml::Value::Array(list) if !list.is_empty() && list.iter().all(toml::Value::is_table) => {
                for (at, one) in list.iter().enumerate() {
                    take(format!("{name}.{at}"), one);
                }
            }
            value => take(name, value),
        }
    }
}

/// A registry's address has no password in it, or it is refused; until then it isn't shown.
fn without_password(value: &toml::Value) -> toml::Value {
    match value.as_str().filter(|text| config::is_address(text)) {
        Some(address) => config::masked(address).into(),
        None => value.clone(),
    }
}
