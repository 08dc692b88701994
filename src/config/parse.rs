//! From text to settings. A mistake is told with file, line and column, what was found, what was
//! expected, and the nearest right word.

use super::settings::Settings;
use super::stack::{Origin, Stack};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A mistake in a configuration file or variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub struct ConfigError {
    /// The file as it was named, or the variable.
    pub source_name: String,
    /// Line and column, from 1; none where the source has no lines.
    pub at: Option<(usize, usize)>,
    /// The setting that is left out, as `section.key`; empty where the text is no TOML.
    pub setting: String,
    /// What was found and what was expected.
    pub message: String,
    /// The right word, where one is near.
    pub hint: Option<String>,
}

impl ConfigError {
    /// Whether the text itself is broken, so that more than this may be lost.
    pub fn is_broken(&self) -> bool {
        self.message.starts_with(NO_TOML)
    }

    /// The setting, as far as it concerns what holds under this profile.
    pub(super) fn setting_under(&self, profile: Option<&str>) -> Option<&str> {
        match self
            .setting
            .strip_prefix("profile.")
            .and_then(|rest| rest.split_once('.'))
        {
            Some((name, setting)) => (Some(name) == profile).then_some(setting),
            None => Some(self.setting.as_str()),
        }
    }
}

/// How a mistake begins that is the text's, not a setting's.
pub(super) const NO_TOML: &str = "this is no TOML";

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.source_name, self.message),
            None => write!(f, "{}: {}", self.source_name, self.message),
        }
    }
}

/// Reads a configuration file's text, and takes no mistake; `name` is what errors call it.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse(name: &str, text: &str) -> Result<Settings, ConfigError> {
    let document = super::read::read(name, text);
    if let Some(first) = document.mistakes.into_iter().next() {
        return Err(first);
    }
    let mut stack = Stack::default();
    stack.lay(&document.items, |item| Origin::File { at: item.at });
    let (settings, mistakes) = stack.settings(name);
    match mistakes.into_iter().next() {
        Some(mistake) => Err(mistake),
        None => Ok(settings),
    }
}

pub(super) fn line_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The parser's sentence in ours, and the nearest right word.
pub(super) fn reword(message: &str, found: &str) -> (String, Option<String>) {
    if let Some(rest) = message
        .strip_prefix("unknown field `")
        .or_else(|| message.strip_prefix("unknown variant `"))
    {
        let (word, expected) = rest.split_once('`').unwrap_or((rest, ""));
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let what = if message.starts_with("unknown field") {
            "setting"
        } else {
            "value"
        };
        let hint = nearest(word, &known).map(|near| format!("did you mean {near:?}?"));
        return (
            format!(
                "found the unknown {what} {word:?}, expected one of: {}",
                known.join(", ")
            ),
            hint,
        );
    }
    if let Some(rest) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
    {
        return (format!("found {rest}"), None);
    }
    if message.starts_with("found ") || found.is_empty() {
        return (message.to_owned(), None);
    }
    let shown: String = found.lines().next().unwrap_or_default().chars().take(60).collect();
    (format!("found {shown}: {message}"), None)
}

/// The nearest of the known words, when it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1) + 1;
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .min()
        .filter(|(steps, _)| *steps <= limit)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, drop or replace to come from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
