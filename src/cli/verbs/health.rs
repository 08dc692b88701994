//! `vigie doctor`.

use super::Done;
use crate::cli::shell::Shell;
use crate::cli::{open, screen};
use crate::config::Loaded;
use crate::domain::Problem;
use crate::ops::{Finding, Level, doctor_local};
use serde_json::json;
use std::sync::Arc;

/// Looks at everything that can be wrong. A registry that can't be opened is a finding, not the end.
pub(super) async fn doctor(shell: &Shell, loaded: Arc<Loaded>) -> Done {
    let mut findings = doctor_local(&loaded);
    findings.extend(look_and_feel(&loaded));
    let opened = open::ops(loaded, "cli").await;
    let fleet = match opened {
        Ok(ops) => ops.doctor().await,
        Err(problem) => Err(problem),
    };
    match fleet {
        Ok(more) => findings.extend(more),
        Err(problem) => {
            let hint = problem
                .hint
                .unwrap_or_else(|| "see the registry's path in the configuration".to_owned());
            findings.push(Finding::error("registry", problem.message, hint));
        }
    }
    let worst = findings.iter().map(|f| f.level).max().unwrap_or(Level::Ok);
    let json = json!({ "level": worst, "findings": findings });
    shell.result(&json, || {
        let width = findings
            .iter()
            .map(|f| f.what.chars().count())
            .max()
            .unwrap_or_default();
        let mut text = String::new();
        for finding in &findings {
            let mark = match finding.level {
                Level::Ok => "●",
                Level::Warning => "▲",
                Level::Error => "✖",
            };
            text.push_str(&format!("{mark} {:width$}  {}\n", finding.what, finding.found));
            if let Some(hint) = &finding.hint {
                text.push_str(&format!("  {:width$}  → {hint}\n", ""));
            }
        }
        text
    })?;
    if worst < Level::Error {
        return Ok(());
    }
    let bad: Vec<&str> = findings
        .iter()
        .filter(|f| f.level == Level::Error)
        .map(|f| f.what.as_str())
        .collect();
    Err(Problem::new(
        "unwell",
        format!("not as it should be: {}", bad.join(", ")),
    ))
}

/// Theme, keys, terminal.
fn look_and_feel(loaded: &Loaded) -> Vec<Finding> {
    let mut found = Vec::new();
    match screen::theme(loaded) {
        Ok(theme) => found.push(Finding::ok("theme", theme.name())),
        Err(why) => found.push(Finding::warning(
            "theme",
            why,
            "mend [screen] theme; the default is used",
        )),
    }
    let (_, clashes) = screen::keymap(loaded);
    found.extend(
        clashes
            .iter()
            .map(|clash| Finding::warning("keys", clash.to_string(), "mend [keys]; only that key falls back")),
    );
    let term = std::env::var("TERM").unwrap_or_default();
    found.push(match term.as_str() {
        "" | "dumb" => Finding::warning(
            "terminal",
            "TERM says that it can draw nothing",
            "start vigie in a real terminal",
        ),
        name => Finding::ok("terminal", name),
    });
    found
}
