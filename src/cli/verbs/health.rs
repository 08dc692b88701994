//! `vigie doctor`.

use super::{Desk, Done};
use crate::domain::Problem;
use crate::ops::Level;
use serde_json::json;

pub(super) async fn doctor(desk: &Desk<'_>) -> Done {
    let findings = desk.ops.doctor().await?;
    let worst = findings.iter().map(|f| f.level).max().unwrap_or(Level::Ok);
    let json = json!({ "level": worst, "findings": findings });
    desk.shell.result(&json, || {
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
