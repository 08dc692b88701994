//! `vigie audit`: what happened, and whether that is what was written down.

use super::{Desk, Done};
use crate::cli::args_audit::{AuditArgs, AuditListArgs, AuditVerb};
use crate::cli::show;
use crate::cli::table::Table;
use crate::config::Span;
use crate::domain::Problem;
use crate::domain::audit::{AuditEntry, AuditFilter};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// How often new rows are asked for while they are followed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(desk: &Desk<'_>, args: AuditArgs) -> Done {
    match args.verb {
        None => list(desk, args.list).await,
        Some(AuditVerb::List(list_args)) => list(desk, list_args).await,
        Some(AuditVerb::Verify { anchor }) => verify(desk, anchor).await,
    }
}

/// A time: so long ago (`2h`), or one of this machine's clock (`2026-11-21`, `2026-11-21 18:00`), or
/// one with its zone.
pub(super) fn time(option: &str, text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    if let Ok(span) = Span::parse(text) {
        let back = SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
        return Ok(now.checked_sub(back).unwrap_or(Timestamp::UNIX_EPOCH));
    }
    let here = || {
        let civil: DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::system()).ok()?.timestamp())
    };
    text.parse().ok().or_else(here).ok_or_else(|| {
        Problem::new("usage", format!("{option} {text:?}: no such time"))
            .hint("so long ago (90s, 30m, 2h, 7d), or a time such as 2026-11-21 or \"2026-11-21 18:00\"")
    })
}

fn filter(args: &AuditListArgs, now: Timestamp) -> Result<AuditFilter, Problem> {
    let at = |option: &str, text: &Option<String>| text.as_deref().map(|t| time(option, t, now)).transpose();
    Ok(AuditFilter {
        since: at("--since", &args.since)?,
        until: at("--until", &args.until)?,
        who: args.who.clone(),
        host: args.host.clone(),
        via: args.via.clone(),
        action: args.action.clone(),
        object: args.object.clone(),
        refused: args.refused,
        text: args.text.clone(),
        before: args.before,
        after: None,
        limit: args.limit as usize,
    })
}

/// `server:prod-1` as the audit has it, `server:7`; what is no longer there only has its number.
async fn object(desk: &Desk<'_>, text: String) -> Result<String, Problem> {
    let Some((kind, name)) = text.split_once(':') else {
        return Err(Problem::new("usage", format!("--object {text:?}: no such object"))
            .hint("as KIND:NUMBER or KIND:NAME: server:prod-1, template:restaurant, instance:acme, job:42"));
    };
    if name.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(text);
    }
    let id = match kind {
        "server" => desk.ops.server(name).await?.id.0,
        "template" => desk.ops.template(name).await?.id.0,
        "instance" => desk.ops.instance(name).await?.id.0,
        _ => return Ok(text),
    };
    Ok(format!("{kind}:{id}"))
}

async fn list(desk: &Desk<'_>, args: AuditListArgs) -> Done {
    let mut filter = filter(&args, Timestamp::now())?;
    if let Some(text) = filter.object.take() {
        filter.object = Some(object(desk, text).await?);
    }
    let rows = desk.ops.audit(&filter).await?;
    if args.follow {
        return follow(desk, filter, rows).await;
    }
    let json = rows.iter().map(show::audit).collect();
    desk.shell.result(&Value::Array(json), || {
        let mut table = Table::new(&[">NO", "WHEN", "WHO", "VIA", "WHAT", "ON", "CALLED", "FROM → TO"]);
        for row in &rows {
            table.row(cells(row));
        }
        table.text("nothing of that kind was done")
    })
}

/// Older rows first, and then each new one as it comes, one a line.
async fn follow(desk: &Desk<'_>, mut filter: AuditFilter, mut rows: Vec<AuditEntry>) -> Done {
    filter.before = None;
    loop {
        rows.reverse();
        for row in &rows {
            filter.after = Some(row.id);
            if desk.shell.json() {
                desk.shell.json_line(&show::audit(row))?;
            } else {
                desk.shell.line(cells(row).join("  "))?;
            }
        }
        // Asked for by the clock: a refused attempt changes nothing else that could be told.
        tokio::time::sleep(LOOK_EVERY).await;
        filter.limit = 1_000;
        rows = desk.ops.audit(&filter).await?;
    }
}

fn cells(row: &AuditEntry) -> [String; 8] {
    [
        row.id.to_string(),
        show::local(row.at),
        row.who(),
        row.actor.via.clone(),
        row.action.clone(),
        row.object.clone(),
        row.label.clone(),
        row.change(),
    ]
}

async fn verify(desk: &Desk<'_>, anchor: Option<PathBuf>) -> Done {
    let verified = desk.ops.verify_audit(anchor.as_deref()).await?;
    let verdict = &verified.verdict;
    if let Some(broken) = &verdict.broken {
        let last = match &verdict.newest {
            Some((id, _)) => format!("rows 1 to {id} are as they were written"),
            None => "no row before it can be relied on".to_owned(),
        };
        return Err(
            Problem::new("audit_broken", format!("the audit was tampered with: {broken}"))
                .hint(format!("{last}; compare with a backup of the registry from before")),
        );
    }
    let json = json!({
        "rows": verdict.rows, "anchors": verdict.anchors, "anchor_file": verified.anchors,
        "newest": verdict.newest.as_ref().map(|(id, hash)| json!({ "id": id, "hash": hash })),
    });
    desk.shell.result(&json, || {
        let rows = match verdict.rows {
            1 => "1 row is as it was written".to_owned(),
            n => format!("{n} rows are as they were written"),
        };
        let against = match verdict.anchors {
            0 => format!(
                "no anchors to compare with ({}): rows cut off at the end would not show",
                verified.anchors.display()
            ),
            1 => format!("compared with the anchor of {}", verified.anchors.display()),
            n => format!("compared with {n} anchors of {}", verified.anchors.display()),
        };
        let newest = match &verdict.newest {
            Some((id, hash)) => format!("\nthe newest is {id}, {hash}"),
            None => String::new(),
        };
        format!("{rows}; {against}{newest}")
    })
}
