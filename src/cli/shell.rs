//! The one place that prints. A reader that went away (`| head`) ends the program quietly.

use crate::domain::{Problem, SafeText, Secret};
use rustix::termios;
use serde_json::{Value, json};
use std::io::{self, BufRead, IsTerminal, Read, Write};

/// Standard output and error, in the form that was asked for.
pub(super) struct Shell {
    json: bool,
}

/// Longest secret read from standard input.
const MAX_SECRET: u64 = 64 * 1024;

impl Shell {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON was asked for.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// A line on standard output.
    ///
    /// # Errors
    /// [`closed`] when nobody reads it any more.
    pub(super) fn line(&self, text: impl AsRef<str>) -> Result<(), Problem> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_ref().as_bytes())
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush())
            .map_err(|error| closed(&error))
    }

    /// The result: as JSON where that was asked for, else the text.
    ///
    /// # Errors
    /// As [`Shell::line`].
    pub(super) fn result(&self, value: &Value, text: impl FnOnce() -> String) -> Result<(), Problem> {
        if self.json {
            return self.line(harmless(&format!("{value:#}")));
        }
        let text = text();
        if text.is_empty() {
            return Ok(());
        }
        self.line(text.trim_end())
    }

    /// One JSON value on one line, for streams.
    pub(super) fn json_line(&self, value: &Value) -> Result<(), Problem> {
        self.line(harmless(&value.to_string()))
    }

    /// A line for a person on standard error; none with JSON.
    pub(super) fn note(&self, text: impl AsRef<str>) {
        if !self.json {
            // Nothing can be done about a standard error that is gone.
            let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
        }
    }

    /// A problem on standard error.
    pub(super) fn problem(&self, problem: &Problem) {
        let message = SafeText::new(&problem.message);
        let hint = problem.hint.as_deref().map(SafeText::new);
        let mut err = io::stderr().lock();
        let _ = if self.json {
            let error = json!({ "code": problem.code, "message": message, "hint": hint });
            writeln!(err, "{}", json!({ "error": error }))
        } else {
            writeln!(err, "vigie: {message}").and_then(|()| match hint {
                Some(hint) => writeln!(err, "  → {hint}"),
                None => Ok(()),
            })
        };
    }

    /// A question on the terminal, and the line that answers it.
    ///
    /// # Errors
    /// When there is no terminal to ask on.
    pub(super) fn ask(&self, question: &str) -> Result<String, Problem> {
        if !io::stdin().is_terminal() {
            return Err(Problem::new("no_terminal", "there is no terminal to ask on"));
        }
        let mut err = io::stderr().lock();
        let _ = write!(err, "{question}").and_then(|()| err.flush());
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| Problem::new("no_terminal", format!("no answer could be read: {error}")))?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// A secret asked on the terminal, not shown as it is typed. Keys are read one by one, so that
    /// Ctrl-C too leaves a terminal that shows what is typed.
    ///
    /// # Errors
    /// When there is no terminal to ask on, or Ctrl-C was pressed.
    pub(super) fn ask_secret(&self, question: &str) -> Result<Secret, Problem> {
        let stdin = io::stdin();
        let saved = termios::tcgetattr(&stdin).map_err(|_| {
            Problem::new("no_terminal", "there is no terminal to ask on").hint("use the -stdin or -from form")
        })?;
        let mut hidden = saved.clone();
        hidden
            .local_modes
            .remove(termios::LocalModes::ECHO | termios::LocalModes::ICANON | termios::LocalModes::ISIG);
        let set = |modes| termios::tcsetattr(&stdin, termios::OptionalActions::Flush, modes);
        let unset = |error| Problem::new("no_terminal", format!("the terminal can't be set: {error}"));
        set(&hidden).map_err(unset)?;
        let mut err = io::stderr().lock();
        let _ = write!(err, "{question}").and_then(|()| err.flush());
        let answer = typed(&mut stdin.lock());
        let restored = set(&saved).map_err(unset);
        let _ = writeln!(err);
        let answer = answer?;
        restored?;
        not_empty(answer)
    }

    /// A secret from standard input: its first line.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn read_secret(&self) -> Result<Secret, Problem> {
        let mut text = String::new();
        io::stdin()
            .lock()
            .take(MAX_SECRET)
            .read_to_string(&mut text)
            .map_err(|_| Problem::new("no_secret", "standard input can't be read as text"))?;
        not_empty(text.lines().next().unwrap_or_default().to_owned())
    }
}

/// One line as it is typed, Backspace taking back.
fn typed(keys: &mut impl BufRead) -> Result<String, Problem> {
    let failed = |why: String| Problem::new("no_secret", why);
    let mut line: Vec<u8> = Vec::new();
    for key in keys.take(MAX_SECRET).bytes() {
        match key.map_err(|error| failed(format!("no answer could be read: {error}")))? {
            b'\r' | b'\n' | 0x04 => break,
            0x03 => return Err(Problem::new("cancelled", "cancelled; nothing was changed")),
            0x7f | 0x08 => {
                // A whole character, however many bytes it has.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).map_err(|_| failed("what was typed is no text".to_owned()))
}

fn not_empty(value: String) -> Result<Secret, Problem> {
    if value.is_empty() {
        return Err(Problem::new("no_secret", "an empty secret was given"));
    }
    Ok(Secret::new(value))
}

/// The code of the problem that standard output has no reader any more.
pub(super) const CLOSED: &str = "output_closed";

fn closed(error: &io::Error) -> Problem {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Problem::new(CLOSED, "nobody reads the output any more");
    }
    Problem::new("output_failed", format!("standard output can't be written: {error}"))
}

/// JSON that drives no terminal: what it leaves as it is and terminals obey, or turn the text by, is escaped. Outside of
/// strings there is none of it.
fn harmless(json: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        let driven = matches!(c, '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        if driven {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}
