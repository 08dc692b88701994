//! Questions: what is asked before what, and the keys that answer.

use super::{act, flash, layer};
use crate::tui::action::Key;
use crate::tui::model::{
    Act, Answered, Button, Confirm, Effect, Layer, Model, NoticeLevel, Now, PlanPreview, Target, TemplateWork,
};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use std::time::Duration;
use tui_input::Input;

/// Keys that come within this time of a question's opening decide nothing: they were meant for what
/// was there before, or are the opening key's repetition.
const CALM: Duration = Duration::from_millis(300);

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
    let name = label(model, target);
    let (title, lines, go) = question(model, &act, &name);
    let typed = act.is_destructive().then(|| (name, Input::default()));
    push(
        model,
        Confirm {
            title,
            lines,
            go,
            answered: Answered::Act(act),
            frozen: Some((target, seen)),
            typed,
            button: Button::Cancel,
            stale: None,
            opened: now.mono,
        },
    );
}

fn question(model: &Model, act: &Act, name: &str) -> (String, Vec<String>, &'static str) {
    let instances = |n: u32| match n {
        0 => "It hosts no instance.".to_owned(),
        1 => "Its instance stays as it is.".to_owned(),
        n => format!("Its {n} instances stay as they are."),
    };
    match act {
        Act::Deactivate { .. } => (
            format!("Take server {name} out of service?"),
            vec!["It takes no new instances, and is no longer checked.".to_owned()],
            "Deactivate",
        ),
        Act::Maintain { server, .. } => {
            let count = model.store.server(*server).map_or(0, |server| server.instance_count);
            let lines = vec![
                instances(count),
                "New ones go elsewhere until it is activated.".to_owned(),
            ];
            (format!("Put server {name} in maintenance?"), lines, "Maintenance")
        }
        Act::Command(run) => (
            format!("Run {} on {name}?", run.name),
            vec![crate::domain::command::Typed(&run.argv).to_string()],
            "Run",
        ),
        Act::DeleteServer { .. } => (
            format!("Delete server {name} from the registry?"),
            vec!["Its history goes with it. The machine itself is not touched.".to_owned()],
            "Delete",
        ),
        Act::DeleteTemplate { template, .. } => {
            let database = model
                .store
                .template(*template)
                .map(|template| template.spec.template_database.to_string())
                .unwrap_or_default();
            (
                format!("Delete template {name} from the registry?"),
                vec![format!("Its database {database} is not touched.")],
                "Delete",
            )
        }
        Act::DeleteInstance { instance, .. } => {
            let row = model.store.instance(*instance);
            let server = row.map_or("?", |row| model.store.server_code(row.server));
            let database = row.map_or("?", |row| row.database());
            let customer = row
                .and_then(|row| row.customer)
                .and_then(|id| model.store.customer(id))
                .map(|customer| format!(" of {}", customer.name))
                .unwrap_or_default();
            let lines = vec![
                format!("Its database {database} and its files are deleted from {server}."),
                "This can't be undone.".to_owned(),
            ];
            (
                format!("Delete instance {name}{customer} on {server}?"),
                lines,
                "Delete",
            )
        }
        Act::ForgetInstance { .. } => (
            format!("Remove the record of instance {name}?"),
            vec!["It has no database: nothing else is left of it.".to_owned()],
            "Remove",
        ),
        Act::CancelJob(id) => {
            let title = model
                .store
                .job(*id)
                .map(|job| job.title.to_string())
                .unwrap_or_default();
            let lines = vec!["What it has done so far is undone, newest first.".to_owned()];
            (format!("Cancel {name}, {title}?"), lines, "Cancel the job")
        }
        Act::TemplateJob {
            work: TemplateWork::Adopt,
            ..
        } => (
            format!("Adopt the database of template {name}?"),
            vec!["It is frozen: nobody can connect to it until it is thawed.".to_owned()],
            "Adopt",
        ),
        Act::TemplateJob { .. } => (
            format!("Thaw template {name}?"),
            vec!["No instance can be made from it until it is adopted again.".to_owned()],
            "Thaw",
        ),
        _ => (format!("Go on with {name}?"), Vec::new(), "Go on"),
    }
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
            typed: None,
            button: Button::Cancel,
            stale: None,
            opened: now.mono,
        },
    );
}

/// Asks before an instance is made: its plan, step by step.
pub(super) fn create(model: &mut Model, plan: &PlanPreview, now: &Now) {
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
            frozen: plan.expected.server.map(|(id, version)| (Target::Server(id), version)),
            typed: None,
            button: Button::Cancel,
            stale: None,
            opened: now.mono,
        },
    );
}

/// Looks whether what an open question is about is still as it was seen.
pub(super) fn look_again(model: &mut Model) {
    let fresh: Vec<Option<Option<i64>>> = model
        .layers
        .iter()
        .map(|layer| match layer {
            Layer::Confirm(confirm) => confirm.frozen.map(|(target, _)| version(model, target)),
            _ => None,
        })
        .collect();
    for (layer, fresh) in model.layers.iter_mut().zip(fresh) {
        let (Layer::Confirm(confirm), Some(fresh)) = (layer, fresh) else {
            continue;
        };
        let seen = confirm.frozen.map(|(_, version)| version);
        let why = match (fresh, confirm.frozen) {
            (None, _) => "It is gone meanwhile.",
            (Some(_), Some((Target::Job(_), _))) if fresh != seen => "The job is over meanwhile.",
            (Some(_), _) if fresh != seen => "It was changed meanwhile: close this, and look at it again.",
            _ => continue,
        };
        confirm.stale = Some(why.to_owned());
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
        KeyCode::Tab | KeyCode::BackTab | KeyCode::Left | KeyCode::Right
            if confirm.typed.is_none() || confirm.may_go() =>
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
    if confirm.typed.is_some() {
        if let Some((_, input)) = &mut confirm.typed {
            layer::edit(input, event);
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

/// Does what was confirmed, unless its target changed since it was asked.
fn go(model: &mut Model, now: &Now) -> Vec<Effect> {
    look_again(model);
    match model.layers.pop() {
        Some(Layer::Confirm(confirm)) if confirm.may_go() => match confirm.answered {
            Answered::Quit => vec![Effect::Quit],
            Answered::Act(asked) => act::start(model, asked, now).1,
            Answered::Create(plan) => super::form::send_instance(model, *plan, now),
        },
        Some(stale) => {
            model.layers.push(stale);
            Vec::new()
        }
        None => Vec::new(),
    }
}
