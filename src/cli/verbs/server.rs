//! `vigie server …`

use super::many::{self, Whom};
use super::{Desk, Done};
use crate::cli::args::{Codes, ServerAdd, ServerEdit, ServerVerb};
use crate::cli::show;
use crate::cli::table::Table;
use crate::domain::Problem;
use crate::domain::bulk::Verb;
use crate::domain::health::HealthStatus;
use crate::domain::server::Server;
use crate::tui::model::ListId;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) async fn run(desk: &Desk<'_>, verb: ServerVerb) -> Done {
    match verb {
        ServerVerb::Add(args) => add(desk, &args).await,
        ServerVerb::Edit(args) => edit(desk, &args).await,
        ServerVerb::Remove(args) => {
            let Some(code) = args.whom.alone() else {
                return several(desk, Verb::DeleteServer, &args.whom, args.sure.yes).await;
            };
            let server = desk.ops.server(code).await?;
            desk.confirm("server", server.spec.code.as_str(), &args.sure)?;
            desk.ops.server_remove(server.id, server.version).await?;
            let done = json!({ "removed": true, "code": server.spec.code, "id": server.id });
            desk.shell.result(&done, || format!("{} removed", server.spec.code))
        }
        ServerVerb::List { state } => list(desk, state.as_deref()).await,
        ServerVerb::Show { code } => show_one(desk, &code).await,
        ServerVerb::Test(whom) => match whom.alone() {
            Some(code) => test(desk, code).await,
            None => several(desk, Verb::Test, &whom, true).await,
        },
        ServerVerb::Activate(whom) => match whom.alone() {
            Some(code) => activate(desk, code).await,
            None => several(desk, Verb::Activate, &whom, true).await,
        },
        ServerVerb::Deactivate(whom) => {
            let Some(code) = whom.alone() else {
                return several(desk, Verb::Deactivate, &whom, true).await;
            };
            let server = desk.ops.server(code).await?;
            let server = desk.ops.server_deactivate(server.id, server.version).await?;
            say_state(desk, &server)
        }
        ServerVerb::Maintenance(whom) => {
            let Some(code) = whom.alone() else {
                return several(desk, Verb::Maintain, &whom, true).await;
            };
            let server = desk.ops.server(code).await?;
            let server = desk.ops.server_maintenance(server.id, server.version).await?;
            say_state(desk, &server)
        }
        ServerVerb::Check { codes, many, dry_run } if dry_run || many.is_meant(1) => {
            let whom = Whom {
                list: ListId::Servers,
                named: &codes,
                many: &many,
                dry_run,
                yes: true,
            };
            many::run(desk, Verb::Check, whom).await
        }
        ServerVerb::Check { codes, .. } => check(desk, &codes).await,
    }
}

/// Several at once, or what passes a filter.
async fn several(desk: &Desk<'_>, verb: Verb, whom: &Codes, yes: bool) -> Done {
    let whom = Whom {
        list: ListId::Servers,
        named: &whom.codes,
        many: &whom.many,
        dry_run: whom.dry_run,
        yes,
    };
    many::run(desk, verb, whom).await
}

async fn add(desk: &Desk<'_>, args: &ServerAdd) -> Done {
    let spec = match desk.new_spec(args).await {
        Ok(spec) => spec,
        Err(problem) => return desk.ops.refused("server.add", "server", &args.code, problem).await,
    };
    let server = desk.ops.server_add(spec).await?;
    desk.shell.result(&show::server(&server), || {
        let code = &server.spec.code;
        format!("{code} added, in draft; `vigie server activate {code}` tests it and puts it in service")
    })
}

async fn edit(desk: &Desk<'_>, args: &ServerEdit) -> Done {
    let server = desk.ops.server(&args.code).await?;
    let spec = match desk.edited(server.spec.clone(), args).await {
        Ok(spec) => spec,
        Err(problem) => {
            let object = format!("server:{}", server.id);
            return desk.ops.refused("server.edit", &object, &args.code, problem).await;
        }
    };
    let server = desk.ops.server_edit(server.id, server.version, spec).await?;
    desk.shell
        .result(&show::server(&server), || format!("{} changed", server.spec.code))
}

fn say_state(desk: &Desk<'_>, server: &Server) -> Done {
    desk.shell.result(&show::server(server), || {
        format!("{} is {}", server.spec.code, server.state().word())
    })
}

async fn list(desk: &Desk<'_>, state: Option<&str>) -> Done {
    let mut servers = desk.ops.servers().await?;
    if let Some(state) = state {
        let known = ["draft", "active", "maintenance", "offline", "disabled"];
        if !known.contains(&state) {
            let problem = Problem::new("usage", format!("--state {state:?}: no such state"));
            return Err(problem.hint(format!("one of: {}", known.join(", "))));
        }
        servers.retain(|s| s.state().word() == state);
    }
    let json = Value::Array(servers.iter().map(show::server).collect());
    desk.shell.result(&json, || {
        let now = Timestamp::now();
        let mut table = Table::new(&[
            "CODE",
            "STATE",
            ">INSTANCES",
            ">FREE",
            "HEALTH",
            "CHECKED",
            "URL",
            "WHY",
        ]);
        for s in &servers {
            table.row([
                s.spec.code.to_string(),
                s.state().word().to_owned(),
                format!("{}/{}", s.instance_count, s.spec.max_instances),
                format!("{:.0} %", s.available_capacity()),
                s.track.status.word().to_owned(),
                show::age(s.track.last_check, now),
                s.spec.server_url.to_string(),
                s.track.reason.to_string(),
            ]);
        }
        table.text("no servers: add one with `vigie server add CODE --url URL --max-instances N`")
    })
}

async fn show_one(desk: &Desk<'_>, code: &str) -> Done {
    let server = desk.ops.server(code).await?;
    let history = desk.ops.health_history(server.id, None, 10).await?;
    let mut json = show::server(&server);
    json["health_checks"] = Value::Array(history.iter().map(show::check).collect());
    desk.shell.result(&json, || {
        let mut text = show::server_text(&server, Timestamp::now());
        if !history.is_empty() {
            text.push_str("\nlast checks\n");
        }
        for check in &history {
            let at = show::local(check.report.at);
            text.push_str(&format!("  {at}  {:<8}  {}\n", check.status.word(), check.reason));
        }
        text
    })
}

async fn test(desk: &Desk<'_>, code: &str) -> Done {
    let server = desk.ops.server(code).await?;
    let report = desk.ops.server_test(server.id).await?;
    let mut json = show::report(&report);
    json["code"] = json!(server.spec.code);
    desk.shell.result(&json, || show::report_text(&report))?;
    match &report.failure {
        None => Ok(()),
        Some(failure) => {
            let message = format!("Connection test of {} failed: {failure}", server.spec.code);
            Err(Problem::new("connection_test_failed", message).hint(failure.hint()))
        }
    }
}

async fn activate(desk: &Desk<'_>, code: &str) -> Done {
    let server = desk.ops.server(code).await?;
    let (server, outcome) = desk.ops.server_activate(server.id, server.version).await?;
    for warning in &outcome.report.warnings {
        desk.shell.note(format!("▲ {warning}\n  → {}", warning.hint()));
    }
    say_state(desk, &server)
}

async fn check(desk: &Desk<'_>, codes: &[String]) -> Done {
    let mut servers = Vec::new();
    if codes.is_empty() {
        servers = desk.ops.servers().await?;
    } else {
        for code in codes {
            servers.push(desk.ops.server(code).await?);
        }
    }
    let mut told = desk.ops.check_all(servers.iter().map(|s| s.id).collect());
    let mut results = Vec::new();
    let mut down = Vec::new();
    while let Some((id, outcome)) = told.recv().await {
        let code = servers
            .iter()
            .find(|s| s.id == id)
            .map_or_else(|| format!("#{id}"), |s| s.spec.code.to_string());
        match outcome {
            Ok(outcome) => {
                let track = &outcome.server.track;
                if !desk.shell.json() {
                    let line = format!(
                        "{} {code:<16} {:<9} {}",
                        mark(track.status),
                        track.status.word(),
                        track.reason
                    );
                    desk.shell.line(show::safe(&line))?;
                }
                if outcome.report.failure.is_some() {
                    down.push(code.clone());
                }
                let mut json = show::server(&outcome.server);
                json["check"] = show::report(&outcome.report);
                results.push((code, json));
            }
            Err(problem) => {
                if !desk.shell.json() {
                    desk.shell
                        .line(show::safe(&format!("✖ {code:<16} {}", problem.message)))?;
                }
                let error = json!({ "code": code, "error": problem });
                down.push(code.clone());
                results.push((code, error));
            }
        }
    }
    results.sort_by(|a, b| a.0.cmp(&b.0));
    if desk.shell.json() {
        let mut values: Vec<Value> = results.into_iter().map(|(_, value)| value).collect();
        // One server that was named is an object; several, or all, are a list.
        let json = match (codes.len(), values.pop()) {
            (1, Some(one)) => one,
            (_, last) => {
                values.extend(last);
                Value::Array(values)
            }
        };
        desk.shell.result(&json, String::new)?;
    }
    if down.is_empty() {
        return Ok(());
    }
    down.sort();
    let problem = Problem::new(
        "check_failed",
        format!("not answering as they should: {}", down.join(", ")),
    );
    Err(problem.hint("`vigie server test CODE` shows layer by layer how far it came"))
}

fn mark(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Healthy => "●",
        HealthStatus::Warning => "▲",
        HealthStatus::Critical => "✖",
        HealthStatus::Unknown => "?",
    }
}
