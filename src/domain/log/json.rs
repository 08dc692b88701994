//! Lines of JSON, in a readable order: the message first, then what else it says.

use super::head::{Head, Level};
use super::time::{self, Stamp};
use crate::domain::SafeText;
use serde_json::{Map, Value};
use std::fmt::Write;

/// A line of JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Json {
    /// Its time and level.
    pub head: Head,
    /// Its message, and the other fields as `name=value`.
    pub text: SafeText,
}

const TIMES: &[&str] = &[
    "timestamp",
    "@timestamp",
    "time",
    "ts",
    "asctime",
    "datetime",
    "date",
    "t",
];
const LEVELS: &[&str] = &[
    "level",
    "levelname",
    "severity",
    "error_severity",
    "loglevel",
    "log_level",
    "lvl",
];
const MESSAGES: &[&str] = &["message", "msg", "event", "text"];

fn take<T>(map: &mut Map<String, Value>, names: &[&str], read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let (name, found) = names
        .iter()
        .find_map(|name| map.get(*name).and_then(&read).map(|found| (*name, found)))?;
    map.remove(name);
    Some(found)
}

fn stamp(value: &Value) -> Option<Stamp> {
    match value {
        Value::String(text) => time::read(text.as_bytes())?.stamp,
        Value::Number(number) => time::of_number(number.as_f64()?),
        _ => None,
    }
}

fn level(value: &Value) -> Option<Level> {
    match value {
        Value::String(text) => Level::of(text),
        Value::Number(number) => Level::of_number(number.as_i64()?),
        _ => None,
    }
}

impl Json {
    /// Reads a line that is a JSON object with something in it; `None` for everything else.
    pub fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        if !line.starts_with('{') || !line.ends_with('}') {
            return None;
        }
        let Ok(Value::Object(mut map)) = serde_json::from_str(line) else {
            return None;
        };
        if map.is_empty() {
            return None;
        }
        let stamp = take(&mut map, TIMES, stamp);
        let level = take(&mut map, LEVELS, level);
        let message = take(&mut map, MESSAGES, |value| value.as_str().map(str::to_owned));
        let mut text = message.unwrap_or_default();
        for (name, value) in &map {
            if !text.is_empty() {
                text.push_str("  ");
            }
            // Writing into a string can't fail.
            let _ = match value {
                Value::String(value) if value.contains(char::is_whitespace) => write!(text, "{name}={value:?}"),
                Value::String(value) => write!(text, "{name}={value}"),
                value => write!(text, "{name}={value}"),
            };
        }
        Some(Self {
            head: Head {
                stamp,
                level,
                body: 0,
                own: true,
            },
            text: SafeText::new(&text),
        })
    }
}
