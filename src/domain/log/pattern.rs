//! What is searched for in a log, and what is hidden of it.

use super::head::{Head, Level};
use super::json::Json;
use regex::bytes::{Regex, RegexBuilder};
use std::ops::Range;

/// Longest pattern, bytes.
pub const PATTERN_MAX: usize = 512;

/// A text to look for: a regular expression, or the text itself where it is none. Small letters match
/// capitals too; one capital, and they are told apart.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
    wrong: Option<String>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

fn is_small(text: &str) -> bool {
    let mut escaped = false;
    !text.chars().any(|c| {
        let capital = c.is_uppercase() && !escaped;
        escaped = c == '\\' && !escaped;
        capital
    })
}

impl Pattern {
    /// The pattern of a text; `None` where there is nothing to look for.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > PATTERN_MAX {
            return None;
        }
        let make = |text: &str, small: bool| {
            RegexBuilder::new(text)
                .case_insensitive(small)
                .size_limit(1 << 20)
                .dfa_size_limit(1 << 20)
                .build()
        };
        let small = is_small(text);
        let (regex, wrong) = match make(text, small) {
            Ok(regex) => (regex, None),
            Err(error) => {
                let error = error.to_string();
                let why = error.lines().last().unwrap_or_default().trim();
                let why = why.trim_start_matches("error: ").to_owned();
                (make(&regex::escape(text), small).ok()?, Some(why))
            }
        };
        Some(Self {
            text: text.to_owned(),
            regex,
            wrong,
        })
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why it is taken as a plain text and not as a regular expression.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    /// Whether it is in a line.
    pub fn is_in(&self, line: &[u8]) -> bool {
        self.regex.is_match(line)
    }

    /// Where it is in a text, at most 64 times; empty matches are none.
    pub fn hits(&self, text: &str) -> Vec<Range<usize>> {
        self.regex
            .find_iter(text.as_bytes())
            .map(|found| found.range())
            .filter(|range| !range.is_empty() && text.get(range.clone()).is_some())
            .take(64)
            .collect()
    }
}

/// One of the filters that lie on a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What is looked for.
    pub pattern: Pattern,
    /// Whether lines with it are hidden; otherwise those without.
    pub hides: bool,
    /// Whether it counts.
    pub on: bool,
}

impl Rule {
    /// A rule as it is typed: `text` keeps the lines with it, `!text` hides them.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let (hides, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        Some(Self {
            pattern: Pattern::new(text)?,
            hides,
            on: true,
        })
    }
}

/// What is let through: every rule that is on has to agree, and the level be high enough.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sieve {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The lowest level that is shown. Lines whose level nobody knows are shown.
    pub level: Option<Level>,
    /// How many lines around one that passes are shown with it.
    pub context: usize,
}

impl Sieve {
    /// Whether it lets everything through.
    pub fn is_open(&self) -> bool {
        self.level.is_none() && !self.rules.iter().any(|rule| rule.on)
    }

    /// Whether the rules let a line through, whatever its level.
    pub fn passes_text(&self, line: &[u8]) -> bool {
        self.rules
            .iter()
            .filter(|rule| rule.on)
            .all(|rule| rule.pattern.is_in(line) != rule.hides)
    }

    /// Whether a level is high enough.
    pub fn passes_level(&self, level: Option<Level>) -> bool {
        match (self.level, level) {
            (Some(least), Some(level)) => level >= least,
            _ => true,
        }
    }

    /// A line's own level, and whether it begins a record.
    pub fn own_level(line: &[u8]) -> (Option<Level>, bool) {
        if line.first() == Some(&b'{')
            && let Some(json) = std::str::from_utf8(line).ok().and_then(Json::read)
        {
            return (json.head.level, true);
        }
        let head = Head::of(line);
        (head.level, head.own)
    }
}
