//! `vigie explain` and `vigie timeline`: why something is not healthy, and what happened to it.

use super::{Desk, Done};
use crate::cli::args_explain::{ExplainArgs, SubjectArg, TimelineArgs};
use crate::cli::show;
use crate::cli::table::Table;
use crate::domain::explain::{Explanation, Severity, Subject};
use crate::domain::{JobId, Problem, SafeText};
use crate::tui::task::memory;
use jiff::Timestamp;
use serde_json::{Value, json};

async fn subject(desk: &Desk<'_>, arg: &SubjectArg) -> Result<Subject, Problem> {
    Ok(match arg {
        SubjectArg::Server { code } => Subject::Server(desk.ops.server(code).await?.id),
        SubjectArg::Template { code } => Subject::Template(desk.ops.template(code).await?.id),
        SubjectArg::Instance { name } => Subject::Instance(desk.ops.instance(name).await?.id),
        SubjectArg::Job { number } => Subject::Job(desk.ops.job(JobId(*number)).await?.id),
    })
}

pub(super) async fn explain(desk: &Desk<'_>, args: ExplainArgs) -> Done {
    let subject = subject(desk, &args.subject).await?;
    let explanation = desk.ops.explain(subject).await?;
    desk.shell.result(&value(&explanation)?, || text(&explanation))
}

fn value<T: serde::Serialize>(of: &T) -> Result<Value, Problem> {
    serde_json::to_value(of).map_err(|error| Problem::new("internal_error", error.to_string()))
}

fn sign(severity: Severity) -> &'static str {
    match severity {
        Severity::Good => "●",
        Severity::Note => "·",
        Severity::Warning => "▲",
        Severity::Bad => "✖",
    }
}

fn text(explanation: &Explanation) -> String {
    let mut out = format!("{}: {}\n", explanation.label, explanation.verdict);
    for finding in &explanation.findings {
        out.push_str(&format!("\n{} {}\n", sign(finding.severity), finding.title));
        for seen in &finding.evidence {
            let at = seen.at.map(|at| format!("{}  ", show::local(at))).unwrap_or_default();
            out.push_str(&format!("    {at}{}\n", seen.text));
        }
        for advice in &finding.advice {
            out.push_str(&format!("  → {}\n", SafeText::new(advice)));
        }
    }
    out
}

pub(super) async fn timeline(desk: &Desk<'_>, args: TimelineArgs) -> Done {
    let since = args
        .since
        .as_deref()
        .map(|text| super::audit::time("--since", text, Timestamp::now()))
        .transpose()?;
    let subject = subject(desk, &args.subject).await?;
    // What the operator's own dashboard noted: of no use to others, and no reason to fail.
    let file = desk.ops.loaded().places.alerts_file(&desk.ops.registry().place());
    let noted = tokio::task::spawn_blocking(move || memory::load_attention(&file)).await;
    let records = match noted {
        Ok(Ok(attention)) => attention.alerts.map(|alerts| alerts.records).unwrap_or_default(),
        _ => Vec::new(),
    };
    let events = desk.ops.timeline(subject, since, args.limit as usize, &records).await?;
    desk.shell.result(&json!(value(&events)?), || {
        let mut table = Table::new(&["WHEN", "FROM", "", "WHO", "WHAT"]);
        for event in &events {
            table.row([
                show::local(event.at),
                event.source.word().to_owned(),
                sign(event.severity).to_owned(),
                event.who.as_ref().map(ToString::to_string).unwrap_or_default(),
                event.text.to_string(),
            ]);
        }
        table.text("nothing is known to have happened")
    })
}
