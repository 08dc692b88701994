//! Secrets given on the command line (by reference, or typed and sealed; never as a value), and
//! `vigie secrets …`.

use super::{Desk, Done};
use crate::cli::args::SecretsVerb;
use crate::cli::table::Table;
use crate::domain::{Problem, SecretRef};
use crate::ops::{Rotation, ShownUse};
use serde_json::{Value, json};
use std::path::PathBuf;

pub(super) async fn run(desk: &Desk<'_>, verb: SecretsVerb) -> Done {
    match verb {
        SecretsVerb::Seal { stdin } => seal(desk, stdin).await,
        SecretsVerb::ShowReferences { key, missing } => show(desk, key.as_deref(), missing).await,
        SecretsVerb::Rotate {
            new_key_file,
            forget_old,
        } => rotate(desk, new_key_file, forget_old).await,
    }
}

async fn seal(desk: &Desk<'_>, stdin: bool) -> Done {
    let value = if stdin {
        desk.shell.read_secret()?
    } else {
        desk.shell.ask_secret("Value: ")?
    };
    let sealed = desk.ops.seal(value).await?;
    let key = sealed.key_id().unwrap_or_default().to_owned();
    let text = String::from(sealed);
    desk.shell
        .result(&json!({ "key": key, "reference": text }), || text.clone())
}

async fn show(desk: &Desk<'_>, key: Option<&str>, missing: bool) -> Done {
    let wanted = |u: &ShownUse| {
        key.is_none_or(|key| u.key.as_deref() == Some(key)) && (!missing || u.key_is_here == Some(false))
    };
    let uses: Vec<ShownUse> = desk.ops.secret_uses().await?.into_iter().filter(wanted).collect();
    let json = serde_json::to_value(&uses).map_err(|e| Problem::new("json", e.to_string()))?;
    desk.shell.result(&json, || {
        let mut table = Table::new(&["KEY", "HERE", "TABLE", ">ID", "CALLED", "FIELD", "REFERENCE"]);
        for u in &uses {
            let here = match u.key_is_here {
                Some(true) => "yes",
                Some(false) => "no",
                None => "",
            };
            let id = match u.step {
                Some(step) => format!("{}/{step}", u.id),
                None => u.id.to_string(),
            };
            table.row([
                u.key.clone().unwrap_or_default(),
                here.to_owned(),
                u.table.to_owned(),
                id,
                u.label.clone(),
                u.field.clone(),
                u.reference.clone(),
            ]);
        }
        table.text("no secrets")
    })
}

async fn rotate(desk: &Desk<'_>, new_key_file: Option<PathBuf>, forget_old: bool) -> Done {
    let file = new_key_file.map(|path| std::path::absolute(&path).unwrap_or(path));
    let done = if forget_old {
        desk.ops.forget_keys(file.as_deref()).await?
    } else {
        desk.ops.rotate_keys(file.as_deref()).await?
    };
    let json: Value = serde_json::to_value(&done).map_err(|e| Problem::new("json", e.to_string()))?;
    desk.shell.result(&json, || told(&done))
}

/// What was done, and what comes next.
fn told(done: &Rotation) -> String {
    match done {
        Rotation::Resealed {
            key,
            new,
            values,
            older,
        } => {
            let made = if *new { "made, and " } else { "" };
            let mut text = format!("key {key}: {made}{values} values are sealed with it");
            if !older.is_empty() {
                text.push_str(&format!(
                    "\n{} {} kept. Bring the key file to colleagues and workers; when all have it: vigie secrets \
                     rotate --forget-old",
                    older.join(", "),
                    if older.len() == 1 { "is" } else { "are" }
                ));
            }
            text
        }
        Rotation::Written { key, file } => format!(
            "key {key} made; the keys with it are in {file} (mode 0600). Nothing is sealed with it yet:\n\
             1. put the file's text in the vault, where the configured command takes it from\n\
             2. vigie secrets rotate    (seals everything anew with {key})\n\
             3. remove {file}"
        ),
        Rotation::Forgotten { key, gone, file } => {
            let kept = key.as_deref().unwrap_or("none");
            match (gone.is_empty(), file) {
                (true, _) => format!("nothing to forget: {kept} is the only key"),
                (false, None) => format!("{} forgotten; {kept} stays", gone.join(", ")),
                (false, Some(file)) => format!(
                    "{file} (mode 0600) holds {kept} alone, without {}: put its text in the vault, then remove it",
                    gone.join(", ")
                ),
            }
        }
    }
}

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
