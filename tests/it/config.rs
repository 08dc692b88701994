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
    let (keys, _) = keys.split_once("\n\n").expect("its end");
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

#[test]
fn the_example_of_a_command_can_be_used_as_it_is() {
    let (_, command) = EXAMPLE.split_once("# [[command]]\n").expect("a command");
    let (command, _) = command.split_once("\n\n").expect("its end");
    let lines: Vec<&str> = command.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    let text = format!("[[command]]\n{}\n", lines.join("\n"));
    let settings = parse("config.toml", &text).expect("valid");
    assert_eq!(settings.command[0].name, "ping");
    assert_eq!(schema_says(&text), Vec::<String>::new());
    for wrong in [
        "colour = 1",
        "argv = \"ping\"",
        "output = \"pipe\"",
        "changes = \"yes\"",
    ] {
        let text = format!("[[command]]\nname = \"x\"\n{wrong}\n");
        assert!(!schema_says(&text).is_empty(), "the schema takes {wrong}");
    }
}

#[test]
fn the_examples_of_profiles_can_be_used_as_they_are() {
    let (_, profiles) = EXAMPLE.split_once("# [profile.production]").expect("a profile");
    let lines: Vec<&str> = profiles.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    assert_eq!(lines.len(), 3);
    let text = format!("[profile.production]\n{}\n", lines.join("\n"));
    let mut schema_says = Vec::new();
    judge(
        &vigie::config::schema(),
        &text.parse::<toml::Table>().expect("TOML").into(),
        "",
        &mut schema_says,
    );
    assert_eq!(schema_says, Vec::<String>::new());
    parse("config.toml", &text).expect("valid");
}

/// What the schema has against a value: as much of JSON Schema as it uses.
fn judge(schema: &serde_json::Value, value: &toml::Value, at: &str, found: &mut Vec<String>) {
    let root = vigie::config::schema();
    if schema["$ref"] == "#/$defs/settings" {
        return judge(&root["$defs"]["settings"], value, at, found);
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let fits = |way: &serde_json::Value| {
            let mut wrong = Vec::new();
            judge(way, value, at, &mut wrong);
            wrong.is_empty()
        };
        if ways.iter().filter(|way| fits(way)).count() != 1 {
            found.push(format!("{at}: none of the ways"));
        }
        return;
    }
    if let Some(words) = schema["enum"].as_array() {
        if !words.iter().any(|word| word.as_str() == value.as_str()) {
            found.push(format!("{at}: not one of {words:?}"));
        }
        return;
    }
    let is = match value {
        toml::Value::String(_) => "string",
        toml::Value::Integer(_) => "integer",
        toml::Value::Boolean(_) => "boolean",
        toml::Value::Array(_) => "array",
        toml::Value::Table(_) => "object",
        _ => "other",
    };
    let wanted: Vec<&str> = match &schema["type"] {
        serde_json::Value::String(one) => vec![one.as_str()],
        serde_json::Value::Array(many) => many.iter().filter_map(|one| one.as_str()).collect(),
        _ => vec![is],
    };
    let taken = wanted.contains(&is) || is == "integer" && wanted.contains(&"number");
    if !taken {
        found.push(format!("{at}: {is}, not {wanted:?}"));
        return;
    }
    match value {
        toml::Value::Integer(number)
            if schema["minimum"].as_i64().is_some_and(|low| *number < low)
                || schema["maximum"].as_i64().is_some_and(|high| *number > high) =>
        {
            found.push(format!("{at}: {number} is out of bounds"));
        }
        toml::Value::String(text) => {
            if let Some(pattern) = schema["pattern"].as_str()
                && !regex::Regex::new(pattern).expect("a pattern").is_match(text)
            {
                found.push(format!("{at}: {text:?} doesn't match {pattern}"));
            }
        }
        toml::Value::Array(list) => {
            for one in list {
                judge(&schema["items"], one, at, found);
            }
        }
        toml::Value::Table(table) => {
            for (key, inner) in table {
                let at = format!("{at}.{key}");
                match (&schema["properties"][key], &schema["additionalProperties"]) {
                    (known, _) if known.is_object() => judge(known, inner, &at, found),
                    (_, serde_json::Value::Bool(false)) => found.push(format!("{at}: not known")),
                    (_, other) => judge(other, inner, &at, found),
                }
            }
        }
        _ => {}
    }
}

fn schema_says(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let table: toml::Table = text.parse().expect("TOML");
    judge(&vigie::config::schema(), &table.into(), "", &mut found);
    found
}

#[test]
fn the_schema_takes_the_example_and_says_what_every_setting_is_for() {
    assert_eq!(schema_says(EXAMPLE), Vec::<String>::new());
    let schema = vigie::config::schema();
    let defaults = toml::Table::try_from(Settings::default()).expect("TOML");
    for setting in keys(&defaults) {
        let (section, key) = setting.split_once('.').expect("a key");
        let known = &schema["properties"][section]["properties"][key];
        assert!(
            known["description"].as_str().is_some_and(|text| text.len() > 5),
            "{setting}: {known}"
        );
        assert!(!known["default"].is_null(), "{setting}: {known}");
        assert!(
            known["type"].is_string() || known["enum"].is_array(),
            "{setting}: {known}"
        );
    }
}

#[test]
fn the_schema_and_the_reader_refuse_the_same() {
    for text in [
        "[checks]\nintervall = \"5m\"\n",
        "[chekcs]\ninterval = \"5m\"\n",
        "[checks]\ninterval = \"soon\"\n",
        "[checks]\ninterval = 5\n",
        "[checks]\nattempts = 0\n",
        "[checks]\nattempts = 11\n",
        "[checks]\nattempts = \"3\"\n",
        "[worker]\nautostart = \"yes\"\n",
        "[log]\nlevel = \"loud\"\n",
        "[screen]\nstart = \"nowhere\"\n",
        "[paths]\nlog_dir = \"log\"\n",
        "[keys]\nquit = 7\n",
        "[fleet]\nreserved_names = \"www\"\n",
        "[profile.a.log]\nlevel = \"loud\"\n",
        "[profile.a.lgo]\nlevel = \"info\"\n",
    ] {
        assert!(!schema_says(text).is_empty(), "the schema takes {text}");
        parse("config.toml", text).expect_err(text);
    }
    for text in [
        "[checks]\ninterval = \"5m\"\nattempts = 10\n",
        "[keys]\nquit = [\"q\", \"f10\"]\nhelp = \"f1\"\n",
        "[profile.a]\nlog.level = \"off\"\n[profile.b.keys]\nquit = []\n",
    ] {
        assert_eq!(schema_says(text), Vec::<String>::new(), "{text}");
        parse("config.toml", text).expect(text);
    }
}
