//! `config.example.toml` says exactly what the program does without it.

use std::collections::BTreeSet;
use vigie::config::{ENVIRONMENT, Settings, parse};
use vigie::tui::action::{Keymap, Ready, Wanted};

const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Every `section.key` of a document.
fn keys(document: &toml::Table) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (section, content) in document {
        let table = content.as_table().expect("sections only");
        all.extend(table.keys().map(|key| format!("{section}.{key}")));
    }
    all
}

#[test]
fn the_example_gives_exactly_the_defaults() {
    let parsed = parse("config.example.toml", EXAMPLE).expect("valid");
    assert_eq!(parsed, Settings::default());
}

#[test]
fn the_example_names_every_setting() {
    let example: toml::Table = EXAMPLE.parse().expect("TOML");
    let defaults = toml::Table::try_from(Settings::default()).expect("TOML");
    assert_eq!(keys(&example), keys(&defaults));
}

#[test]
fn every_setting_of_the_example_is_explained_above_it() {
    let mut above = "";
    for line in EXAMPLE.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(above.starts_with('#'), "no comment above: {line}");
        }
        above = line;
    }
}

#[test]
fn the_example_names_every_variable_beside_its_setting() {
    for (name, setting) in ENVIRONMENT.iter().filter(|(_, setting)| setting.contains('.')) {
        let (_, key) = setting.split_once('.').expect("a key");
        let line = EXAMPLE
            .lines()
            .find(|line| line.starts_with(&format!("{key} = ")) && line.contains(name));
        assert!(line.is_some(), "{name} is not beside {key}");
    }
}

#[test]
fn the_examples_of_keys_can_be_used_as_they_are() {
    let (_, keys) = EXAMPLE.split_once("\n[keys]\n").expect("a section of keys");
    let lines = keys.lines().filter_map(|line| line.strip_prefix("# "));
    let lines: Vec<&str> = lines.filter(|line| line.contains(" = ")).collect();
    assert_eq!(lines.len(), 4);
    let settings = parse("config.toml", &format!("[keys]\n{}\n", lines.join("\n"))).expect("valid");
    let mut wanted = Vec::new();
    for (action, keys) in &settings.keys {
        wanted.extend(keys.lines().into_iter().map(|(place, keys)| Wanted {
            action: action.clone(),
            place: place.map(str::to_owned),
            keys: keys.to_vec(),
        }));
    }
    assert_eq!(wanted.len(), 5);
    let (_, clashes) = Keymap::made(Ready::Default, &wanted);
    assert!(clashes.is_empty(), "{clashes:?}");
}

#[test]
fn every_ready_keymap_has_its_name_in_the_settings() {
    for ready in Ready::ALL {
        let text = format!("[screen]\nkeymap = {:?}", ready.name());
        let settings = parse("config.toml", &text).expect("valid");
        assert_eq!(settings.screen.keymap.name(), ready.name());
    }
    let error = parse("config.toml", "[screen]\nkeymap = \"vin\"").expect_err("no such keymap");
    assert_eq!(error.at, Some((2, 10)));
    assert!(error.hint.is_some_and(|hint| hint.contains("vim")));
}
