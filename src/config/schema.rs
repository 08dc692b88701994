//! The JSON schema of the file, for editors. It is not written down anywhere: the settings' defaults
//! give the shape, the reader itself is asked what it takes, and the example says what each is for.
//! So none of them can disagree with it.

use super::docs::about;
use super::read::read;
use super::settings::Settings;
use serde_json::{Map, Value, json};

/// A text that no setting means anything by.
const NONSENSE: &str = "\"~ nonsense ~\"";

/// Settings that are lists of tables.
const LISTS: [&str; 2] = ["command", "guard"];

/// The schema (JSON Schema, 2020-12).
pub fn schema() -> Value {
    let defaults = serde_json::to_value(Settings::default()).unwrap_or_default();
    let mut properties = Map::new();
    for (section, content) in defaults.as_object().into_iter().flatten() {
        properties.insert(section.clone(), section_schema(section, content));
    }
    // Lists of tables that are not there where they are empty.
    for list in LISTS {
        properties
            .entry(list)
            .or_insert_with(|| section_schema(list, &json!([])));
    }
    let mut root = properties.clone();
    root.insert(
        "profile".to_owned(),
        json!({
            "description": "Profiles: [profile.NAME] says what differs with --profile NAME",
            "type": "object",
            "propertyNames": { "pattern": "^[a-z0-9_-]{1,32}$" },
            "additionalProperties": { "$ref": "#/$defs/settings" },
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vigie's configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": root,
        "$defs": { "settings": { "type": "object", "additionalProperties": false, "properties": properties } },
    })
}

fn section_schema(section: &str, content: &Value) -> Value {
    let described = |mut schema: Value| {
        if let (Some(about), Some(object)) = (about(section), schema.as_object_mut()) {
            object.insert("description".to_owned(), about.into());
        }
        schema
    };
    match content {
        Value::Object(keys) if keys.is_empty() => described(json!({
            "type": "object",
            "additionalProperties": map_value(section),
        })),
        Value::Object(keys) => {
            let properties: Map<String, Value> = keys
                .iter()
                .map(|(key, default)| (key.clone(), leaf(&format!("{section}.{key}"), default)))
                .collect();
            described(json!({ "type": "object", "additionalProperties": false, "properties": properties }))
        }
        Value::Array(list) if list.is_empty() && takes(&format!("[[{section}]]\n")).is_none_or(|e| !is_type(&e)) => {
            described(json!({ "type": "array", "items": item(section) }))
        }
        scalar => described(leaf(section, scalar)),
    }
}

/// What the reader has against a text; nothing where it is right.
fn takes(text: &str) -> Option<String> {
    let document = read("schema", text);
    document.mistakes.into_iter().next().map(|mistake| mistake.message)
}

fn is_type(message: &str) -> bool {
    message.starts_with("found map") || message.starts_with("found sequence")
}

/// One setting.
fn leaf(setting: &str, default: &Value) -> Value {
    let mut schema = match default {
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(_) => number(setting),
        Value::Array(list) => {
            let items = match list.first() {
                Some(Value::Number(_)) => json!({ "type": "number" }),
                Some(Value::Object(_)) => json!({ "type": "object" }),
                _ => json!({ "type": "string" }),
            };
            json!({ "type": "array", "items": items })
        }
        Value::Object(_) => json!({ "type": "object" }),
        _ => text(setting),
    };
    if let Some(object) = schema.as_object_mut() {
        object.insert("default".to_owned(), default.clone());
        if let Some(about) = about(setting) {
            object.insert("description".to_owned(), about.into());
        }
    }
    schema
}

fn number(setting: &str) -> Value {
    let bounds = takes(&format!("{setting} = -1000000000")).and_then(|message| {
        let (_, bounds) = message.rsplit_once(" from ")?;
        let (low, high) = bounds.split_once(" to ")?;
        Some((low.parse::<i64>().ok()?, high.parse::<i64>().ok()?))
    });
    match bounds {
        Some((low, high)) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        None => json!({ "type": "number" }),
    }
}

fn text(setting: &str) -> Value {
    let Some(message) = takes(&format!("{setting} = {NONSENSE}")) else {
        return json!({ "type": "string" });
    };
    if let Some((_, words)) = message.split_once("expected one of: ") {
        let words: Vec<&str> = words.split(", ").collect();
        return json!({ "enum": words });
    }
    if message.contains("expected a time") {
        return json!({ "type": "string", "pattern": "^ *[0-9]+ *(ms|s|m|h|d) *$" });
    }
    if message.contains("expected an absolute path, or one that begins") && !message.contains("command:") {
        return json!({ "type": "string", "pattern": "^$|^/|^~/" });
    }
    json!({ "type": "string" })
}

/// A value of a map whose keys are the operator's.
fn map_value(section: &str) -> Value {
    let one = json!({ "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] });
    if takes(&format!("[{section}]\nx = {{ y = [\"a\"] }}")).is_none() {
        return json!({ "oneOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
            { "type": "object", "additionalProperties": one },
        ] });
    }
    if takes(&format!("[{section}]\nx = [\"a\"]")).is_none() {
        return one;
    }
    json!({})
}

/// One table of a list. The reader names what it may hold when it is asked for what it can't.
fn item(section: &str) -> Value {
    let message = takes(&format!("[[{section}]]\n\"~ nonsense ~\" = 1\n")).unwrap_or_default();
    let Some((_, words)) = message.split_once("expected one of: ") else {
        return json!({ "type": "object" });
    };
    let mut properties = Map::new();
    for word in words.split(", ") {
        let mut schema = item_value(section, word);
        if let (Some(about), Some(object)) = (about(&format!("[{section}.{word}")), schema.as_object_mut()) {
            object.insert("description".to_owned(), about.into());
        }
        properties.insert(word.to_owned(), schema);
    }
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// What one key of a list's table takes, by what the reader says to values of other types.
fn item_value(section: &str, key: &str) -> Value {
    let tried = [
        ("string", NONSENSE),
        ("boolean", "true"),
        ("integer", "1"),
        ("array", "[]"),
        ("object", "{}"),
    ];
    let mut types = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for (name, literal) in tried {
        // What is missing beside it is another matter.
        match takes(&format!("[[{section}]]\n{key} = {literal}\n")) {
            None => types.push(name),
            Some(message) if message.starts_with("missing field") || message.contains("missing field") => {
                types.push(name);
            }
            Some(message) if name == "string" && message.contains("expected one of: ") => {
                let (_, list) = message.split_once("expected one of: ").unwrap_or_default();
                words = list.split(", ").map(str::to_owned).collect();
            }
            Some(message) if name == "string" && !message.starts_with("found string") => types.push(name),
            Some(message) if name == "array" && !message.starts_with("found sequence") => types.push(name),
            Some(message) if name == "object" && !message.starts_with("found map") => types.push(name),
            Some(message) if name == "integer" && !message.starts_with("found integer") => types.push(name),
            Some(_) => {}
        }
    }
    if !words.is_empty() {
        return json!({ "enum": words });
    }
    match types.as_slice() {
        [] => json!({}),
        [one] => json!({ "type": one }),
        many => json!({ "type": many }),
    }
}
