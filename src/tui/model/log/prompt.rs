//! What lies over the panes for the log's sake: its filters, and the question what to open.

use crate::domain::log::LogPlace;
use tui_input::Input;

/// Longest path or command, characters.
pub const PATH_MAX: usize = 1000;

/// The log's filters: a line to type the next one in, and those there are.
#[derive(Debug, Default)]
pub struct LogFilters {
    /// What is being typed.
    pub input: Input,
    /// Which of the filters there are the keys act on.
    pub selected: usize,
    /// What was wrong with what was typed.
    pub odd: Option<String>,
}

/// What to open as a log.
#[derive(Debug)]
pub struct LogPrompt {
    /// What is being typed.
    pub input: Input,
    /// Where it may be looked for; the chosen one first.
    pub places: Vec<LogPlace>,
    /// Why it can't be opened.
    pub wrong: Option<String>,
}

impl LogPrompt {
    /// Where it is looked for.
    pub fn place(&self) -> LogPlace {
        self.places.first().cloned().unwrap_or(LogPlace::Here)
    }
}
