//! What a log is of: a file, or a command's output, on this machine or a server.

use crate::domain::{SafeText, ServerId};
use std::fmt;

/// Where a log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPlace {
    /// This machine.
    Here,
    /// A server's machine, through its shell access.
    Server {
        /// Which.
        id: ServerId,
        /// Its code.
        code: String,
    },
}

/// What is to be shown as a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// A file.
    File {
        /// Where.
        place: LogPlace,
        /// Its path.
        path: String,
    },
    /// What a command writes.
    Output {
        /// Where it runs.
        place: LogPlace,
        /// What runs.
        command: Command,
    },
}

/// Why a command can't be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A quote was opened and not closed.
    #[error("a quote is not closed")]
    Open,
    /// There is nothing.
    #[error("there is no command")]
    Empty,
    /// It has characters that no argument should have.
    #[error("it has a control character")]
    Control,
}

/// A command's words. No shell reads them: `|`, `>` and `$` are characters like others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(Vec<String>);

impl Command {
    /// Splits a line into words at blanks; quotes and backslashes keep blanks in a word.
    ///
    /// # Errors
    /// When a quote is left open, or there is no word.
    pub fn parse(line: &str) -> Result<Self, CommandError> {
        if line.chars().any(char::is_control) {
            return Err(CommandError::Control);
        }
        let mut words: Vec<String> = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match (quote, c) {
                (Some('"') | None, '\\') => match chars.next() {
                    Some(next) => word.get_or_insert_default().push(next),
                    None => return Err(CommandError::Open),
                },
                (Some(open), c) if c == open => quote = None,
                (Some(_), c) => word.get_or_insert_default().push(c),
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, ' ') => words.extend(word.take()),
                (None, c) => word.get_or_insert_default().push(c),
            }
        }
        if quote.is_some() {
            return Err(CommandError::Open);
        }
        words.extend(word);
        if words.first().is_none_or(String::is_empty) {
            return Err(CommandError::Empty);
        }
        Ok(Self(words))
    }

    /// Of words that are words already.
    ///
    /// # Errors
    /// When there is none, or one has a control character.
    pub fn of(words: Vec<String>) -> Result<Self, CommandError> {
        if words.first().is_none_or(String::is_empty) {
            return Err(CommandError::Empty);
        }
        if words.iter().any(|word| word.chars().any(char::is_control)) {
            return Err(CommandError::Control);
        }
        Ok(Self(words))
    }

    /// Program and arguments.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl LogTarget {
    /// What an operator typed: a path, or `!` and a command.
    ///
    /// # Errors
    /// When it is no command, or nothing.
    pub fn parse(text: &str, place: LogPlace) -> Result<Self, CommandError> {
        let text = text.trim();
        if let Some(line) = text.strip_prefix('!') {
            return Ok(Self::Output {
                place,
                command: Command::parse(line)?,
            });
        }
        if text.is_empty() {
            return Err(CommandError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(CommandError::Control);
        }
        Ok(Self::File {
            place,
            path: text.to_owned(),
        })
    }

    /// Where it is.
    pub fn place(&self) -> &LogPlace {
        match self {
            Self::File { place, .. } | Self::Output { place, .. } => place,
        }
    }

    /// As it is called on the screen.
    pub fn title(&self) -> SafeText {
        SafeText::capped(&self.to_string(), 300)
    }
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let LogPlace::Server { code, .. } = self.place() {
            write!(f, "{code}: ")?;
        }
        match self {
            Self::File { path, .. } => f.write_str(path),
            Self::Output { command, .. } => write!(f, "$ {}", command.words().join(" ")),
        }
    }
}
