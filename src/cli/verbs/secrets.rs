//! Secrets given on the command line: by reference, or typed and sealed. Never as a value.

use super::Desk;
use crate::domain::{Problem, SecretRef};

/// Where a secret is said to come from.
pub(super) struct Given<'a> {
    /// What it is: `PostgreSQL's password`.
    pub(super) what: &'a str,
    /// `--…-from`.
    pub(super) from: Option<&'a str>,
    /// `--…-stdin`.
    pub(super) stdin: bool,
    /// `--…-prompt`.
    pub(super) prompt: bool,
}

impl Desk<'_> {
    /// The reference to keep; `None` where nothing was given.
    ///
    /// # Errors
    /// When a reference is none (its text is not repeated), or a value can't be read or sealed.
    pub(super) async fn secret(&self, given: Given<'_>) -> Result<Option<SecretRef>, Problem> {
        if let Some(text) = given.from {
            let reference = SecretRef::parse(text).map_err(|error| {
                Problem::new("invalid_secret", format!("{}: {error}", given.what))
                    .hint("for instance env:PROD1_DB, file:/run/secrets/master or command:pass show odoo/master")
            })?;
            return Ok(Some(absolute(reference)));
        }
        let value = if given.stdin {
            self.shell.read_secret()?
        } else if given.prompt {
            self.shell.ask_secret(&format!("{}: ", given.what))?
        } else {
            return Ok(None);
        };
        self.ops.seal(value).await.map(Some)
    }
}

/// A relative file means the folder of whoever typed it, not the worker's.
fn absolute(reference: SecretRef) -> SecretRef {
    match reference {
        SecretRef::File(path) => match std::path::absolute(&path) {
            Ok(whole) => SecretRef::File(whole.to_string_lossy().into_owned()),
            Err(_) => SecretRef::File(path),
        },
        other => other,
    }
}
