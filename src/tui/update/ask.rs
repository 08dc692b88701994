//! Questions: what is asked before what, and the keys that answer.

mod words;

use super::{act, flash, layer};
use crate::domain::guard::{Asked as Wanted, Consent, Demands};
use crate::domain::rights::Deed;
use crate::tui::action::Key;
use crate::tui::model::{
    Act, Answered, Button, Confirm, Effect, Layer, Model, NoticeLevel, Now, PlanPreview, Seen, Target, TemplateWork,
};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use std::time::Duration;
use tui_input::Input;
use words::{difference, question};

/// Keys that come within this time of a question's opening decide nothing: they were meant for what
/// was there before, or are the opening key's repetition.
pub(super) const CALM: Duration = Duration::from_millis(300);

/// What something is called.
pub(super) fn label(model: &Model, target: Target) -> String {
    match target {
        Target::Fleet => "the fleet".to_owned(),
        target => model.label(target).unwrap_or_else(|| "?".to_owned()),
    }
}

/// Whether an action is asked before.
pub(super) fn needs_question(act: &Act) -> bool {
    act.is_destructive()
        || matches!(act, Act::Command(run) if run.changes)
        || matches!(
            act,
            Act::Deactivate { .. }
                | Act::Maintain { .. }
                | Act::CancelJob(_)
                | Act::TemplateJob {
                    work: TemplateWork::Adopt | TemplateWork::Thaw,
                    ..
                }
        )
}

/// What an action does to the registry.
pub(super) fn deed(act: &Act) -> Deed {
    match act {
        Act::Test(_) => Deed::TestServer,
        Act::Check(_) | Act::CheckAll => Deed::KeepCheck,
        Act::Activate { .. } => Deed::ActivateServer,
        Act::Deactivate { .. } => Deed::DeactivateServer,
        Act::Maintain { .. } => Deed::MaintainServer,
        Act::DeleteServer { .. } => Deed::DeleteServer,
        Act::AddServer(_) => Deed::AddServer,
        Act::EditServer { .. } => Deed::EditServer,
        Act::AddTemplate(_) => Deed::AddTemplate,
        Act::TemplateJob { work, .. } => match work {
            TemplateWork::CreateDatabase => Deed::CreateTemplateDatabase,
            TemplateWork::Adopt => Deed::AdoptTemplate,
            TemplateWork::Thaw => Deed::ThawTemplate,
        },
        Act::DeleteTemplate { .. } => Deed::RemoveTemplate,
        Act::CreateInstance { .. } => Deed::CreateInstance,
        Act::DeleteInstance { .. } => Deed::DeleteInstance,
        Act::ForgetInstance { .. } => Deed::ForgetInstance,
        Act::RetryJob(_) => Deed::RetryJob,
        Act::CancelJob(_) => Deed::CancelJob,
        Act::Command(_) => Deed::RunCommand,
    }
}

/// What an action is done to, as guards name it, and the code of its server.
fn guarded_name(model: &Model, act: &Act) -> (String, Option<String>) {
    let store = &model.store;
    let code = |id| store.server(id).map(|server| server.spec.code.to_string());
    match act {
        Act::AddServer(draft) => {
            let code = draft.spec.code.to_string();
            (code.clone(), Some(code))
        }
        Act::AddTemplate(draft) => (draft.spec.code.to_string(), code(draft.spec.server_id)),
        Act::CreateInstance { draft, .. } => {
            let name = draft.subdomain.as_ref().map(ToString::to_string).unwrap_or_default();
            (name, draft.server.and_then(code))
        }
        act => {
            let target = act.target();
            let name = match act {
                // On nothing, the command itself is what is named.
                Act::Command(run) if target == Target::Fleet => run.name.clone(),
                _ => label(model, target),
            };
            (name, server_code(model, target))
        }
    }
}

/// The code of the server that something is, or is on.
pub(super) fn server_code(model: &Model, target: Target) -> Option<String> {
    let store = &model.store;
    let server = match target {
        Target::Server(id) => Some(id),
        Target::Instance(id) => store.instance(id).map(|row| row.server),
        Target::Template(id) => store.template(id).map(|template| template.spec.server_id),
        Target::Job(id) => store.job(id).map(|job| job.spec.server_id()),
        _ => None,
    };
    server
        .and_then(|id| store.server(id))
        .map(|server| server.spec.code.to_string())
}

/// What guards ask for an action.
pub(super) fn demands(model: &Model, act: &Act) -> Demands {
    let (_, server) = guarded_name(model, act);
    model.settings.guard.demands(deed(act), server.as_deref())
}

/// What is seen of something now.
fn seen(model: &Model, target: Target) -> Option<Seen> {
    let store = &model.store;
    match target {
        Target::Server(id) => store.server(id).map(|server| Seen::Server(Box::new(server.clone()))),
        Target::Instance(id) => store.instance(id).map(|row| Seen::Instance(Box::new(row.clone()))),
        Target::Template(id) => store.template(id).map(|t| Seen::Template(Box::new(t.clone()))),
        Target::Job(id) => store.job(id).map(|job| Seen::Job(job.state)),
        _ => None,
    }
}

/// Its target's version as it is now; `None` where it is gone.
pub(super) fn version(model: &Model, target: Target) -> Option<i64> {
    match target {
        Target::Fleet => Some(0),
        Target::Server(id) => model.store.server(id).map(|server| server.version),
        Target::Template(id) => model.store.template(id).map(|template| template.version),
        Target::Instance(id) => model.store.instance(id).map(|row| row.version),
        // A job has no version: what a cancel depends on is whether it is over.
        Target::Job(id) => model.store.job(id).map(|job| i64::from(job.state.is_over())),
        Target::Plan(_) | Target::Customer(_) | Target::Audit(_) | Target::Alert(_) => model.label(target).map(|_| 0),
    }
}

fn push(model: &mut Model, confirm: Confirm) {
    model.layers.push(Layer::Confirm(Box::new(confirm)));
    model.mark_dirty();
}

/// Asks before an action. The target's id and version are frozen here.
pub(super) fn act(model: &mut Model, act: Act, now: &Now) {
    let target = act.target();
    let Some(seen) = version(model, target) else {
        flash(model, now, NoticeLevel::Warning, "it is gone meanwhile", None);
        return;
    };
    let (name, server) = guarded_name(model, &act);
    let wanted = Wanted {
        deed: deed(&act),
        server: server.as_deref(),
        name: &name,
    };
    if let Err(problem) = model
        .settings
        .guard
        .refuses(wanted.deed, wanted.server, model.is_unlocked())
    {
        flash(model, now, NoticeLevel::Warning, problem.message, problem.hint);
        return;
    }
    let demands = model.settings.guard.demands(wanted.deed, wanted.server);
    let (title, lines, go) = question(model, &act, &name);
    let typed = (act.is_destructive() || demands.type_name).then(|| (name, Input::default()));
    push(
        model,
        Confirm {
            title,
            lines,
            go,
            answered: Answered::Act(act),
            seen: self::seen(model, target),
            frozen: Some((target, seen)),
            in_reason: demands.reason,
            reason: demands.reason.then(Input::default),
            typed,
            button: Button::Cancel,
            stale: None,
            opened: now.mono,
        },
    );
}

/// Asks before leaving while jobs run.
pub(super) fn quit(model: &mut Model, at_work: usize, now: &Now) {
    let mut lines = Vec::new();
    if at_work > 0 {
        let word = if at_work == 1 { "1 job is" } else { "jobs are" };
        let count = if at_work == 1 {
            String::new()
        } else {
            format!("{at_work} ")
        };
        let workers = model.store.workers;
        lines.push(format!("{count}{word} at work. The dashboard is not needed for that:"));
        lines.push(if workers > 0 {
            "they go on in the worker, and their logs are kept.".to_owned()
        } else {
            "they wait for a worker; `vigie worker` starts one.".to_owned()
        });
    }
    lines.extend(super::bulk::unfinished(model));
    for asked in model.asked.values() {
        lines.push(format!("Still {}: that stops with the dashboard.", asked.verb));
    }
    push(
        model,
        Confirm {
            title: "Leave the dashboard?".to_owned(),
            lines,
            go: "Leave",
            answered: Answered::Quit,
            frozen: None,
            seen: None,
            reason: None,
            in_reason: false,
            typed: None,
            button: Button::Cancel,
            stale: None,
            opened: now.mono,
        },
    );
}

/// Asks before an instance is made: its plan, step by step.
pub(super) fn create(model: &mut Model, plan: &PlanPreview, now: &Now) {
    let code = plan.draft.server.map(|id| model.store.server_code(id).to_owned());
    let guard = &model.settings.guard;
    if let Err(problem) = guard.refuses(Deed::CreateInstance, code.as_deref(), model.is_unlocked()) {
        flash(model, now, NoticeLevel::Warning, problem.message, problem.hint);
        return;
    }
    let demands = guard.demands(Deed::CreateInstance, code.as_deref());
    let name = plan
        .draft
        .subdomain
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let server = plan
        .draft
        .server
        .map_or("?", |id| model.store.server_code(id))
        .to_owned();
    let mut lines = vec![
        format!(
            "database  {}",
            plan.draft.database.as_ref().map_or("?", |name| name.as_str())
        ),
        format!("address   {}", plan.url),
    ];
    for (at, step) in plan.steps.iter().enumerate() {
        lines.push(format!(
            "{}/{}  {}  {}",
            at + 1,
            plan.steps.len(),
            step.title,
            step.detail
        ));
    }
    lines.extend(plan.warnings.iter().map(|warning| format!("▲ {warning}")));
    lines.extend(plan.notes.iter().map(|note| format!("· {note}")));
    push(
        model,
        Confirm {
            title: format!("Create instance {} on {server}?", plan.draft.name),
            lines,
            go: "Create",
            answered: Answered::Create(Box::new(plan.clone())),
            seen: plan.expected.server.and_then(|(id, _)| seen(model, Target::Server(id))),
            frozen: plan.expected.server.map(|(id, version)| (Target::Server(id), version)),
            in_reason: demands.reason,
            reason: demands.reason.then(Input::default),
            typed: demands.type_name.then(|| (name, Input::default())),
            button: Button::Cancel,
            stale: None,
            opened: now.mono,
        },
    );
}

/// Looks whether what an open question is about is still as it was seen.
pub(super) fn look_again(model: &mut Model) {
    let fresh: Vec<Option<(Option<i64>, Option<Seen>)>> = model
        .layers
        .iter()
        .map(|layer| match layer {
            Layer::Confirm(confirm) => confirm
                .frozen
                .map(|(target, _)| (version(model, target), self::seen(model, target))),
            _ => None,
        })
        .collect();
    for (layer, fresh) in model.layers.iter_mut().zip(fresh) {
        let (Layer::Confirm(confirm), Some((fresh, now_seen))) = (layer, fresh) else {
            continue;
        };
        let changes = match (&confirm.seen, &now_seen) {
            (Some(was), Some(is)) => difference(was, is),
            _ => Vec::new(),
        };
        let changed = match changes.as_slice() {
            [] => "It was changed meanwhile: close this, and look at it again.".to_owned(),
            parts => format!(
                "It was changed meanwhile: {}. Close this, and look at it again.",
                parts.join(", ")
            ),
        };
        let seen = confirm.frozen.map(|(_, version)| version);
        let why = match (fresh, confirm.frozen) {
            (None, _) => "It is gone meanwhile.".to_owned(),
            (Some(_), Some((Target::Job(_), _))) if fresh != seen => "The job is over meanwhile.".to_owned(),
            (Some(_), _) if fresh != seen => changed,
            _ => continue,
        };
        confirm.stale = Some(why);
        confirm.button = Button::Cancel;
    }
}

pub(super) fn key(model: &mut Model, event: &KeyEvent, key: Key, now: &Now) -> Vec<Effect> {
    let Some(Layer::Confirm(confirm)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let calm = event.kind == KeyEventKind::Press && now.mono >= confirm.opened + CALM;
    match key.code {
        KeyCode::Esc => {
            model.layers.pop();
            return Vec::new();
        }
        KeyCode::Tab | KeyCode::BackTab | KeyCode::Up | KeyCode::Down
            if confirm.typed.is_some() && confirm.reason.is_some() =>
        {
            confirm.in_reason = !confirm.in_reason;
            return Vec::new();
        }
        // On from the reason to the name; a question that is not yet answered is not closed by Enter.
        KeyCode::Enter if confirm.reason.is_some() && !confirm.may_go() && confirm.stale.is_none() => {
            let given = confirm.consent().reason.is_some();
            confirm.in_reason = !(given && confirm.typed.is_some());
            return Vec::new();
        }
        KeyCode::Tab | KeyCode::BackTab | KeyCode::Left | KeyCode::Right
            if confirm.reason.is_none() && (confirm.typed.is_none() || confirm.may_go()) =>
        {
            confirm.button = match confirm.button {
                Button::Cancel if confirm.may_go() => Button::Go,
                _ => Button::Cancel,
            };
            return Vec::new();
        }
        KeyCode::Enter if calm => {
            return match confirm.button {
                Button::Go if confirm.may_go() => go(model, now),
                _ => {
                    model.layers.pop();
                    Vec::new()
                }
            };
        }
        KeyCode::Enter => return Vec::new(),
        _ => {}
    }
    if confirm.asks() {
        match (&mut confirm.reason, &mut confirm.typed) {
            (Some(input), _) if confirm.in_reason => {
                layer::edit(input, event);
            }
            (_, Some((_, input))) => {
                layer::edit(input, event);
            }
            _ => {}
        }
        confirm.button = if confirm.may_go() { Button::Go } else { Button::Cancel };
        return Vec::new();
    }
    match key.letter() {
        Some('n' | 'q') => {
            model.layers.pop();
            Vec::new()
        }
        Some('y') if calm && confirm.may_go() => go(model, now),
        _ => Vec::new(),
    }
}

/// Why guards refuse what the question on top is about, whatever is given.
fn refused(model: &Model) -> Option<crate::domain::Problem> {
    let Some(Layer::Confirm(confirm)) = model.layers.last() else {
        return None;
    };
    let (deed, server) = match &confirm.answered {
        Answered::Quit => return None,
        Answered::Act(act) => (deed(act), guarded_name(model, act).1),
        Answered::Create(plan) => {
            let code = plan.draft.server.map(|id| model.store.server_code(id).to_owned());
            (Deed::CreateInstance, code)
        }
    };
    let guard = &model.settings.guard;
    guard.refuses(deed, server.as_deref(), model.is_unlocked()).err()
}

/// Does what was confirmed, unless its target changed since it was asked.
fn go(model: &mut Model, now: &Now) -> Vec<Effect> {
    look_again(model);
    // What was allowed when it was asked may be locked or denied by now.
    if let Some(problem) = refused(model) {
        flash(model, now, NoticeLevel::Warning, problem.message, problem.hint);
        return Vec::new();
    }
    match model.layers.pop() {
        Some(Layer::Confirm(confirm)) if confirm.may_go() => {
            let mut consent = Consent::default();
            if confirm.asks() {
                consent = confirm.consent();
            }
            match confirm.answered {
                Answered::Quit => vec![Effect::Quit],
                Answered::Act(asked) if matches!(model.layers.last(), Some(Layer::Form(_))) => {
                    super::form::dispatch(model, asked, consent, now)
                }
                Answered::Act(asked) => {
                    // A name that no guard asks for is the dialog's own matter.
                    let demands = demands(model, &asked);
                    if !demands.asks() {
                        consent = Consent::default();
                    }
                    act::start(model, asked, consent, now).1
                }
                Answered::Create(plan) => super::form::send_instance(model, *plan, consent, now),
            }
        }
        Some(stale) => {
            model.layers.push(stale);
            Vec::new()
        }
        None => Vec::new(),
    }
}
