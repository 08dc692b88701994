//! An operator's own commands: what is asked, what is inserted where, and what is refused.
//!
//! A command is a list of arguments, never shell text. A value always becomes (part of) one argument,
//! whatever it holds; what could still be taken for something else (an option, another line) is refused.

mod read;

use super::text::SafeText;
use read::{check, parts, span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Longest value that is typed.
pub const VALUE_MAX: usize = 500;
/// Longest that a command may run, unless it says so.
pub const USUAL_LIMIT: Duration = Duration::from_secs(60);
/// Longest that a command may say.
pub const LIMIT_MOST: Duration = Duration::from_secs(24 * 3600);

/// Facts about what a command runs on, by the name of their placeholder; each is `VIGIE_…` in its environment.
/// No secret is among them.
pub const FACTS: [(&str, &str); 13] = [
    ("code", "VIGIE_CODE"),
    ("name", "VIGIE_NAME"),
    ("id", "VIGIE_ID"),
    ("kind", "VIGIE_KIND"),
    ("state", "VIGIE_STATE"),
    ("url", "VIGIE_URL"),
    ("server", "VIGIE_SERVER"),
    ("server_url", "VIGIE_SERVER_URL"),
    ("host", "VIGIE_HOST"),
    ("database", "VIGIE_DATABASE"),
    ("subdomain", "VIGIE_SUBDOMAIN"),
    ("fleet", "VIGIE_FLEET"),
    ("profile", "VIGIE_PROFILE"),
];

/// Facts about all that a command runs on at once: each of them one argument, and in its environment a line.
pub const LISTS: [(&str, &str); 3] = [("codes", "VIGIE_CODES"), ("names", "VIGIE_NAMES"), ("ids", "VIGIE_IDS")];
/// Facts that are the same whatever it runs on, besides the lists.
const OF_ALL: [&str; 3] = ["kind", "fleet", "profile"];

/// What of the program's environment a command gets. Nothing else: there may be passwords in it.
const PASSED: [&str; 24] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TERM",
    "COLORTERM",
    "TZ",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "EDITOR",
    "VISUAL",
    "PAGER",
];

/// The environment of a command: what it needs of ours (`variable` reads it), and the facts.
pub fn environment_of(
    facts: &BTreeMap<&'static str, String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let ours = PASSED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), variable(name)?)));
    let told = FACTS
        .iter()
        .chain(&LISTS)
        .filter_map(|(fact, name)| Some(((*name).to_owned(), facts.get(fact)?.clone())));
    ours.chain(told).collect()
}

/// What a command runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// A server.
    Server,
    /// An instance.
    Instance,
    /// A template.
    Template,
    /// A job.
    Job,
}

/// How it runs on several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Many {
    /// Once for each.
    #[default]
    Each,
    /// Once, with the list of them.
    Once,
}

/// Where what it writes goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// Over the panes, when it has ended.
    #[default]
    Popup,
    /// The terminal is its own until it ends.
    Terminal,
    /// Into the log panel, as it comes.
    Log,
}

/// What kind of value is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Any text of one line.
    #[default]
    Text,
    /// A whole number.
    Number,
    /// One of the choices.
    Choice,
    /// Yes or no.
    YesNo,
}

/// A value that is asked before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Its placeholder.
    pub name: String,
    /// What is asked; the name where nothing is given.
    #[serde(default)]
    pub label: String,
    /// What kind of value.
    #[serde(default)]
    pub kind: Kind,
    /// The choices.
    #[serde(default)]
    pub choices: Vec<String>,
    /// What stands there at first.
    #[serde(default)]
    pub default: String,
    /// The least number.
    #[serde(default)]
    pub min: Option<i64>,
    /// The greatest number.
    #[serde(default)]
    pub max: Option<i64>,
}

/// A command as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    argv: Vec<String>,
    #[serde(default)]
    help: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    on: Vec<On>,
    #[serde(default)]
    many: Many,
    #[serde(default)]
    changes: bool,
    #[serde(default)]
    output: Output,
    #[serde(default)]
    time_limit: String,
    #[serde(default)]
    ask: Vec<Ask>,
}

/// An operator's own command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct OwnCommand {
    /// What it is called.
    pub name: String,
    /// What it does.
    pub help: SafeText,
    /// Its key, as it is written; empty: none.
    pub key: String,
    /// What it can run on; nothing: it runs on nothing.
    pub on: Vec<On>,
    /// How it runs on several that are marked.
    pub many: Many,
    /// Whether it changes something: it is asked before, and guards hold.
    pub changes: bool,
    /// Where what it writes goes.
    pub output: Output,
    /// How long it may run.
    pub limit: Duration,
    /// What is asked before.
    pub ask: Vec<Ask>,
    argv: Vec<Vec<Part>>,
    written: Vec<String>,
    limit_written: String,
}

/// A piece of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(String),
    /// As many arguments as there are values.
    List(String),
}

/// Why a command can't be run with these values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such fact about what it would run on.
    #[error("{{{0}}} is not known of it")]
    Unknown(String),
    /// A value has a line break or another control character.
    #[error("{0}: no line breaks or control characters are allowed")]
    Control(String),
    /// A value would be taken for an option.
    #[error("{0}: {1:?} begins with \"-\", and would be taken for an option; put \"--\" before it in argv")]
    Option(String, String),
    /// A value is none of the choices.
    #[error("{0}: {1:?} is none of the choices")]
    Choice(String, String),
    /// A value is no number, or out of bounds.
    #[error("{0}: expected {1}")]
    Number(String, String),
    /// A value is too long.
    #[error("{0}: longer than {VALUE_MAX} characters")]
    Long(String),
    /// ssh gives its arguments to a shell, there.
    #[error(
        "{0}: {1:?} has characters that a shell at the other end of ssh would read; letters, digits and ._:/@%+=,- are allowed"
    )]
    Shell(String, String),
}

impl Refused {
    /// The same values are refused again.
    pub fn is_transient(&self) -> bool {
        false
    }

    /// What to do.
    pub fn hint(&self) -> Option<&'static str> {
        None
    }
}

/// Programs that read an argument as shell text.
const SHELLS: [&str; 9] = ["sh", "bash", "dash", "zsh", "ksh", "fish", "ash", "eval", "su"];

fn program(argv0: &str) -> &str {
    argv0.rsplit('/').next().unwrap_or(argv0)
}

impl TryFrom<Raw> for OwnCommand {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if raw.name.is_empty() || raw.name.len() > 40 || !raw.name.chars().all(plain) {
            return Err(format!(
                "found the name {:?}, expected lowercase letters, digits, \"-\" and \"_\"",
                raw.name
            ));
        }
        for ask in &raw.ask {
            check(ask)?;
        }
        if raw.many == Many::Once && raw.on.is_empty() {
            return Err("found many = \"once\" in a command that runs on nothing, expected `on` beside it".to_owned());
        }
        let once = raw.many == Many::Once;
        let facts = FACTS.iter().filter(|(name, _)| !once || OF_ALL.contains(name));
        let lists = LISTS.iter().filter(|_| once);
        let known: Vec<&str> = facts
            .chain(lists)
            .map(|(name, _)| *name)
            .chain(raw.ask.iter().map(|ask| ask.name.as_str()))
            .collect();
        let mut argv = Vec::new();
        for word in &raw.argv {
            argv.push(parts(word, &known)?);
        }
        match argv.first().map(Vec::as_slice) {
            Some([Part::Text(program)]) if !program.starts_with('-') && !program.contains('=') => {}
            Some(_) => {
                return Err("found a program that is a placeholder or an option, expected its name or path".to_owned());
            }
            None => return Err("found an empty argv, expected a program and its arguments".to_owned()),
        }
        let shell = raw.argv.first().is_some_and(|argv0| SHELLS.contains(&program(argv0)));
        let script = raw
            .argv
            .iter()
            .position(|word| word.starts_with('-') && word.ends_with('c'));
        if shell
            && let Some(script) = script.and_then(|at| argv.get(at + 1))
            && script.iter().any(|part| !matches!(part, Part::Text(_)))
        {
            return Err(
                "found a placeholder in shell text, expected it as an argument behind it, read there as \"$1\""
                    .to_owned(),
            );
        }
        let limit = if raw.time_limit.is_empty() {
            USUAL_LIMIT
        } else {
            span(&raw.time_limit)?
        };
        Ok(Self {
            name: raw.name,
            help: SafeText::new(&raw.help),
            key: raw.key,
            on: raw.on,
            many: raw.many,
            changes: raw.changes,
            output: raw.output,
            limit,
            ask: raw.ask,
            argv,
            written: raw.argv,
            limit_written: raw.time_limit,
        })
    }
}

impl From<OwnCommand> for Raw {
    fn from(command: OwnCommand) -> Self {
        Self {
            name: command.name,
            argv: command.written,
            help: command.help.to_string(),
            key: command.key,
            on: command.on,
            many: command.many,
            changes: command.changes,
            output: command.output,
            time_limit: command.limit_written,
            ask: command.ask,
        }
    }
}

impl Ask {
    /// What is asked.
    pub fn label(&self) -> &str {
        if self.label.is_empty() { &self.name } else { &self.label }
    }

    /// The value that was typed, as it is inserted.
    ///
    /// # Errors
    /// When it is none of this kind.
    pub fn value(&self, typed: &str) -> Result<String, Refused> {
        let name = || self.label().to_owned();
        if typed.chars().count() > VALUE_MAX {
            return Err(Refused::Long(name()));
        }
        if typed.chars().any(char::is_control) {
            return Err(Refused::Control(name()));
        }
        match self.kind {
            Kind::Text => Ok(typed.to_owned()),
            Kind::YesNo => match typed {
                "yes" | "no" => Ok(typed.to_owned()),
                "" => Ok("no".to_owned()),
                other => Err(Refused::Choice(name(), other.to_owned())),
            },
            Kind::Choice if self.choices.iter().any(|choice| choice == typed) => Ok(typed.to_owned()),
            Kind::Choice => Err(Refused::Choice(name(), typed.to_owned())),
            Kind::Number => {
                let number = typed.trim().parse::<i64>().ok();
                let fits = |n: &i64| self.min.is_none_or(|min| *n >= min) && self.max.is_none_or(|max| *n <= max);
                number.filter(fits).map(|n| n.to_string()).ok_or_else(|| {
                    let bounds = match (self.min, self.max) {
                        (Some(min), Some(max)) => format!("a whole number from {min} to {max}"),
                        (Some(min), None) => format!("a whole number, at least {min}"),
                        (None, Some(max)) => format!("a whole number, at most {max}"),
                        (None, None) => "a whole number".to_owned(),
                    };
                    Refused::Number(name(), bounds)
                })
            }
        }
    }
}

impl OwnCommand {
    /// Program and arguments with these facts and answers in them. An argument stays one argument.
    ///
    /// # Errors
    /// What can't be inserted, and why.
    pub fn build(
        &self,
        facts: &BTreeMap<&'static str, String>,
        answers: &BTreeMap<String, String>,
    ) -> Result<Vec<String>, Refused> {
        let ssh = self.written.first().is_some_and(|argv0| program(argv0) == "ssh");
        let mut argv = Vec::with_capacity(self.argv.len());
        let mut behind_options = false;
        let may = |name: &str, value: &str, first: bool| {
            if value.chars().any(char::is_control) {
                return Err(Refused::Control(name.to_owned()));
            }
            if first && value.starts_with('-') {
                return Err(Refused::Option(name.to_owned(), value.to_owned()));
            }
            let harmless = |c: char| c.is_ascii_alphanumeric() || "._:/@%+=,-".contains(c);
            if ssh && !value.chars().all(harmless) {
                return Err(Refused::Shell(name.to_owned(), value.to_owned()));
            }
            Ok(())
        };
        for parts in &self.argv {
            if let [Part::List(name)] = parts.as_slice() {
                let all = facts.get(name.as_str()).ok_or_else(|| Refused::Unknown(name.clone()))?;
                for value in all.split('\n') {
                    may(name, value, !behind_options)?;
                    argv.push(value.to_owned());
                }
                continue;
            }
            let mut word = String::new();
            for (at, part) in parts.iter().enumerate() {
                let name = match part {
                    Part::Text(text) => {
                        word.push_str(text);
                        continue;
                    }
                    Part::Value(name) | Part::List(name) => name,
                };
                let value = match self.ask.iter().find(|ask| &ask.name == name) {
                    Some(ask) => ask.value(answers.get(name).map(String::as_str).unwrap_or_default())?,
                    None => facts
                        .get(name.as_str())
                        .cloned()
                        .ok_or_else(|| Refused::Unknown(name.clone()))?,
                };
                let is_number = self.ask.iter().any(|ask| &ask.name == name && ask.kind == Kind::Number);
                may(name, &value, at == 0 && !behind_options && !is_number)?;
                word.push_str(&value);
            }
            behind_options |= word == "--" && matches!(parts.as_slice(), [Part::Text(_)]);
            argv.push(word);
        }
        Ok(argv)
    }

    /// Whether it can run on this.
    pub fn runs_on(&self, on: Option<On>) -> bool {
        match on {
            Some(on) => self.on.is_empty() || self.on.contains(&on),
            None => self.on.is_empty(),
        }
    }
}

/// An argument list as it would be typed: for reading, never for running.
#[derive(Debug, Clone, Copy)]
pub struct Typed<'a>(pub &'a [String]);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            let plain = |c: char| c.is_alphanumeric() || "._:/@%+=,-".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                f.write_str(word)?;
            } else {
                write!(f, "'{}'", word.replace('\'', "'\\''"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
