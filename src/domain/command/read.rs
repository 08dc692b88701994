//! What stands in a written command: times, questions, and words with placeholders.

use super::{Ask, FACTS, Kind, LIMIT_MOST, LISTS, Part};
use std::time::Duration;

pub(super) fn span(text: &str) -> Result<Duration, String> {
    super::super::span::read(text)
        .filter(|limit| *limit <= LIMIT_MOST)
        .ok_or_else(|| {
            format!("found the time limit {text:?}, expected a time such as \"30s\", \"5m\" or \"2h\", at most 24h")
        })
}

pub(super) fn check(ask: &Ask) -> Result<(), String> {
    let name = &ask.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!(
            "found the question {name:?}, expected a name of lowercase letters, digits and \"_\""
        ));
    }
    if FACTS.iter().chain(&LISTS).any(|(fact, _)| fact == name) {
        return Err(format!(
            "found the question {name:?}, which is the name of a fact; expected another"
        ));
    }
    if (ask.kind == Kind::Choice) == ask.choices.is_empty() {
        return Err(format!(
            "question {name}: choices belong to kind \"choice\", and to no other"
        ));
    }
    if !ask.default.is_empty() {
        ask.value(&ask.default)
            .map_err(|why| format!("question {name}: its default: {why}"))?;
    }
    Ok(())
}

pub(super) fn parts(word: &str, known: &[&str]) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            text.push_str(from.get(..1).unwrap_or_default());
            rest = after;
            continue;
        }
        let inside = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((name, after)) = inside else {
            return Err(format!(
                "found {word:?} with a lone brace, expected {{NAME}}, or {{{{ for a brace"
            ));
        };
        if !known.contains(&name) {
            return Err(format!(
                "found the placeholder {{{name}}}, expected one of: {}",
                known.join(", ")
            ));
        }
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        if !LISTS.iter().any(|(list, _)| *list == name) {
            parts.push(Part::Value(name.to_owned()));
        } else if word.len() == name.len() + 2 {
            parts.push(Part::List(name.to_owned()));
        } else {
            return Err(format!(
                "found {word:?}, expected {{{name}}} as an argument of its own: it becomes one for each"
            ));
        }
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}
