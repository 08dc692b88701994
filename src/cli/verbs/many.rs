//! A verb on many: the plan, the run, a receipt for each.

use super::{Desk, Done};
use crate::cli::args::Many;
use crate::cli::show;
use crate::cli::table::Table;
use crate::domain::bulk::{Facts, Item, Limits, Plan, Receipt, Run, State, Thing, Verb};
use crate::domain::guard::Consent;
use crate::domain::{JobId, Problem};
use crate::tui::model::{ListId, Now, Store, item_of, passing};
use crate::tui::task::fleet_of;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Those that a verb is for.
pub(super) struct Whom<'a> {
    pub(super) list: ListId,
    pub(super) named: &'a [String],
    pub(super) many: &'a Many,
    pub(super) dry_run: bool,
    /// Whether nobody is asked.
    pub(super) yes: bool,
}

/// Does `verb` to all of them, as planned.
pub(super) async fn run(desk: &Desk<'_>, verb: Verb, whom: Whom<'_>) -> Done {
    let items = items(desk, verb, &whom).await?;
    if items.is_empty() {
        return Err(Problem::new("nothing_to_do", "nothing passes the filter"));
    }
    let usual = Limits::of(verb);
    let number = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let limits = Limits {
        limit: whom.many.limit.map(number),
        at_once: whom.many.at_once.map_or(usual.at_once, number),
        stop_after: match whom.many.stop_after {
            None => usual.stop_after,
            Some(0) => None,
            Some(most) => Some(number(most)),
        },
    };
    let rights = desk.ops.rights().await?;
    let plan = Plan::new(verb, items, limits, desk.ops.guard(), &rights, desk.ops.is_unlocked());
    if whom.dry_run {
        return desk.shell.result(&plan_json(&plan), || plan_text(&plan));
    }
    let consent = consent(desk, &plan, whom.yes)?;
    plan.may_begin(&consent)?;
    let mut run = Run::new(&plan);
    drive(desk, &mut run, consent).await?;
    if matches!(
        verb,
        Verb::DeleteInstance | Verb::RetryJob | Verb::CreateDatabase | Verb::Adopt | Verb::Thaw
    ) && run.counts().done > 0
        && let Err(problem) = desk.ops.ensure_worker().await
    {
        desk.shell.note(format!("▲ jobs wait: {}", problem.message));
    }
    let mut receipts: Vec<Value> = run.receipts.iter().map(receipt).collect();
    receipts.extend(run.passed.iter().map(|(item, why)| passed(item, why)));
    desk.shell.result(&Value::Array(receipts), || {
        let mut text = String::new();
        for (item, why) in &run.passed {
            text.push_str(&format!("– {}  passed over: {why}\n", item.name));
        }
        for receipt in &run.receipts {
            if let State::NotBegun(why) = &receipt.state {
                text.push_str(&format!("– {}  not begun: {why}\n", receipt.item.name));
            }
        }
        format!("{text}{}: {}", verb.word(), run.summary())
    })?;
    ended(&run, whom.many.filter.is_none())
}

/// Waiting is for one alone: the log of several can't be read in one stream.
///
/// # Errors
/// Where it is asked for.
pub(super) fn one_waits(wait: bool) -> Done {
    if !wait {
        return Ok(());
    }
    Err(Problem::new("usage", "--wait is for one alone").hint("`vigie job log --follow NUMBER` follows each"))
}

/// How all of it ended: whoever named something wants to know that it was not done.
fn ended(run: &Run, named: bool) -> Done {
    let counts = run.counts();
    let names = |which: fn(&State) -> bool| -> String {
        let names: Vec<&str> = run
            .receipts
            .iter()
            .filter(|receipt| which(&receipt.state))
            .map(|receipt| receipt.item.name.as_str())
            .collect();
        names.join(", ")
    };
    if counts.failed > 0 {
        let failed = names(|state| matches!(state, State::Failed(_)));
        let message = format!("{}: {}; failed: {failed}", run.verb.word(), run.summary());
        return Err(Problem::new("bulk_failed", message).hint("name those alone to run them again"));
    }
    if counts.not_begun > 0 {
        return Err(Problem::new(
            "bulk_stopped",
            format!("{}: {}", run.verb.word(), run.summary()),
        ));
    }
    if named && let Some((item, why)) = run.passed.first() {
        let message = format!("{} passed over: {} {why}", counts.passed, item.name);
        return Err(Problem::new("passed_over", message));
    }
    Ok(())
}

/// Those that are named and those that pass the filter, as they are now.
async fn items(desk: &Desk<'_>, verb: Verb, whom: &Whom<'_>) -> Result<Vec<Item>, Problem> {
    let mut store = Store::default();
    store.replace(fleet_of(desk.ops.fleet().await?));
    let store = Arc::new(store);
    let mut things = Vec::new();
    for word in whom.named {
        things.push(named(desk, whom.list, word).await?);
    }
    if let Some(filter) = &whom.many.filter {
        let now = Now {
            wall: Timestamp::now(),
            mono: std::time::Duration::ZERO,
            tz: jiff::tz::TimeZone::system(),
        };
        let ids = passing(whom.list, filter, &store, &now).map_err(|error| {
            Problem::new("usage", format!("--filter {filter:?}: {error}"))
                .hint("it is written as behind `/` in the dashboard: state=offline capacity>90 -prod-1")
        })?;
        things.extend(ids.into_iter().map(|id| match whom.list {
            ListId::Servers => Thing::Server(crate::domain::ServerId(id)),
            ListId::Templates => Thing::Template(crate::domain::TemplateId(id)),
            ListId::Jobs => Thing::Job(JobId(id)),
            _ => Thing::Instance(crate::domain::InstanceId(id)),
        }));
    }
    let mut items = Vec::new();
    for thing in things {
        match (item_of(&store, thing), thing) {
            (Some(item), _) => items.push(item),
            // An old job is not among those of the fleet.
            (None, Thing::Job(id)) => {
                let job = desk.ops.job(id).await?;
                items.push(Item {
                    thing,
                    name: format!("job {id}"),
                    server: store.server(job.spec.server_id()).map(|s| s.spec.code.to_string()),
                    version: 0,
                    facts: Facts::Job {
                        state: job.state,
                        cancel_requested: job.cancel_requested,
                    },
                    busy: None,
                    barred: None,
                });
            }
            (None, _) => {
                return Err(Problem::new(
                    "not_found",
                    format!("{}: something is gone meanwhile", verb.word()),
                ));
            }
        }
    }
    Ok(items)
}

async fn named(desk: &Desk<'_>, list: ListId, word: &str) -> Result<Thing, Problem> {
    Ok(match list {
        ListId::Servers => Thing::Server(desk.ops.server(word).await?.id),
        ListId::Templates => Thing::Template(desk.ops.template(word).await?.id),
        ListId::Jobs => {
            let id = word
                .parse()
                .map_err(|_| Problem::new("usage", format!("{word:?} is no job's number")))?;
            Thing::Job(desk.ops.job(JobId(id)).await?.id)
        }
        _ => Thing::Instance(desk.ops.instance(word).await?.id),
    })
}

/// What is given for all of them: from the arguments, or asked where there is a terminal.
fn consent(desk: &Desk<'_>, plan: &Plan, yes: bool) -> Result<Consent, Problem> {
    let mut consent = Consent {
        bulk: u32::try_from(plan.count()).unwrap_or(u32::MAX),
        ..desk.given.clone()
    };
    if plan.count() == 0 || plan.over().is_some() {
        return Ok(consent);
    }
    if let Some(expected) = plan.to_type()
        && consent.typed.is_none()
    {
        if yes && !plan.demands.type_name {
            consent.typed = Some(expected);
        } else if let Ok(typed) = desk.shell.ask(&format!(
            "{}: {}\nType {expected} to go on: ",
            plan.verb.of(plan.count()),
            plan.going()
                .map(|line| line.item.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        )) {
            consent.typed = Some(typed);
        }
    }
    if plan.demands.reason
        && consent.reason.is_none()
        && let Ok(reason) = desk.shell.ask("Reason, kept by the audit: ")
    {
        consent.reason = Consent::reason_of(&reason);
    }
    Ok(consent)
}

/// Runs what is planned, as many at once as it says. Ctrl-C begins no more.
async fn drive(desk: &Desk<'_>, run: &mut Run, consent: Consent) -> Done {
    let ops = desk.ops.with_consent(consent);
    let verb = run.verb;
    let mut running = JoinSet::new();
    let mut interrupted = Box::pin(tokio::signal::ctrl_c());
    let mut listens = true;
    loop {
        for at in run.begin() {
            if let Some(item) = run.receipts.get(at).map(|receipt| receipt.item.clone()) {
                let ops = ops.clone();
                running.spawn(async move { (at, ops.one_of_many(verb, &item).await) });
            }
        }
        if run.is_over() {
            return Ok(());
        }
        tokio::select! {
            _ = &mut interrupted, if listens => {
                listens = false;
                run.stop("interrupted");
                desk.shell.note("no more are begun; what runs comes to its end");
            }
            ended = running.join_next() => match ended {
                Some(Ok((at, result))) => {
                    run.ended(at, result);
                    if let Some(receipt) = run.receipts.get(at)
                        && !desk.shell.json()
                    {
                        desk.shell.line(show::safe(&line(receipt)))?;
                    }
                }
                Some(Err(error)) => return Err(Problem::new("internal_error", error.to_string())),
                None => return Ok(()),
            },
        }
    }
}

fn line(receipt: &Receipt) -> String {
    let name = &receipt.item.name;
    match &receipt.state {
        State::Done(said) => format!("✔ {name}  {said}"),
        State::Failed(problem) => format!("✖ {name}  {}", problem.message),
        State::NotBegun(why) => format!("– {name}  not begun: {why}"),
        State::Waiting | State::Running => format!("· {name}"),
    }
}

fn receipt(receipt: &Receipt) -> Value {
    let mut json = json!({ "name": receipt.item.name, "server": receipt.item.server });
    match &receipt.state {
        State::Done(said) => {
            json["result"] = json!("done");
            json["text"] = json!(said);
        }
        State::Failed(problem) => {
            json["result"] = json!("failed");
            json["error"] = json!({ "code": problem.code, "message": problem.message, "hint": problem.hint });
        }
        State::NotBegun(why) => {
            json["result"] = json!("not_begun");
            json["why"] = json!(why);
        }
        State::Waiting | State::Running => json["result"] = json!("running"),
    }
    json
}

fn passed(item: &Item, why: &str) -> Value {
    json!({ "name": item.name, "server": item.server, "result": "passed_over", "why": why })
}

fn plan_json(plan: &Plan) -> Value {
    let lines: Vec<Value> = plan
        .lines
        .iter()
        .map(|line| match &line.passed {
            None => json!({ "name": line.item.name, "server": line.item.server, "result": "planned" }),
            Some(why) => passed(&line.item, why),
        })
        .collect();
    json!({
        "dry_run": true,
        "verb": plan.verb.word(),
        "title": plan.verb.of(plan.count()),
        "count": plan.count(),
        "at_once": plan.limits.at_once,
        "stop_after": plan.limits.stop_after,
        "limit": plan.limits.limit,
        "guard": {
            "max_bulk": plan.demands.max_bulk,
            "type_name": plan.demands.type_name,
            "reason": plan.demands.reason,
            "too_many": plan.over().is_some(),
        },
        "confirm": plan.to_type(),
        "lines": lines,
    })
}

fn plan_text(plan: &Plan) -> String {
    let mut table = Table::new(&["WHAT", "ON", "PLAN"]);
    for line in &plan.lines {
        table.row([
            line.item.name.clone(),
            line.item.server.clone().unwrap_or_default(),
            match &line.passed {
                None => plan.verb.word().to_owned(),
                Some(why) => format!("passed over: {why}"),
            },
        ]);
    }
    let mut text = table.text("nothing");
    text.push_str(&format!("\n{}. {}", plan.verb.of(plan.count()), plan.verb.meaning()));
    if let Some(most) = plan.over() {
        text.push_str(&format!(
            "\nA guard allows {most} in one go: name fewer, or --limit {most}"
        ));
    }
    if let Some(expected) = plan.to_type() {
        text.push_str(&format!("\nIt asks for --confirm {expected}"));
    }
    if plan.demands.reason {
        text.push_str("\nA guard asks for --reason TEXT");
    }
    text
}
