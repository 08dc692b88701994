//! The operator's own commands: their keys, what they ask, and off they go.

use super::{act, ask, bulk, flash, layer};
use crate::domain::bulk::Verb;
use crate::domain::command::{Kind, Many, Output, OwnCommand};
use crate::domain::rights::Deed;
use crate::tui::action::{Key, parse_sequence};
use crate::tui::model::{
    Act, CommandDialog, CommandField, CommandRun, Effect, Layer, ListId, Model, NoticeLevel, Now, Target,
    command_facts, kind_of, target_of, told_of_all,
};
use crossterm::event::{KeyCode, KeyEvent};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tui_input::Input;

/// Keys that come within this time of the dialog's opening start nothing.
const CALM: Duration = Duration::from_millis(300);

/// The command that the pressed keys belong to. Keys of the program's own come before.
pub(super) fn bound(model: &Model) -> Option<String> {
    let commands = model.settings.commands.iter();
    let mut keyed = commands.filter(|command| !command.key.is_empty());
    let found = keyed.find(|command| parse_sequence(&command.key).is_ok_and(|keys| keys == model.pending))?;
    Some(found.name.clone())
}

/// Whether the pressed keys begin a command's.
pub(super) fn is_begun(model: &Model) -> bool {
    let begins = |key: &str| {
        parse_sequence(key).is_ok_and(|keys| keys.len() > model.pending.len() && keys.starts_with(&model.pending))
    };
    model.settings.commands.iter().any(|command| begins(&command.key))
}

/// Asks what a command asks, or runs it at once where there is nothing to ask.
pub(super) fn open(model: &mut Model, name: &str, now: &Now) -> Vec<Effect> {
    let Some(command) = model.settings.commands.iter().find(|command| command.name == name) else {
        return Vec::new();
    };
    let command = Arc::clone(command);
    let selected = model.current_target();
    let target = if command.on.is_empty() { None } else { selected };
    if !command.runs_on(kind_of(target)) {
        let text = format!("{name}: nothing is selected that it runs on");
        flash(model, now, NoticeLevel::Warning, text, None);
        return Vec::new();
    }
    let list = model.lists.list(model.place());
    let marked = list.filter(|list| !command.on.is_empty() && model.marks.count(*list) > 0);
    if let Some(list) = marked
        && command.ask.is_empty()
    {
        return match takes_terminal(model, &command, list, now) {
            true => Vec::new(),
            false => bulk::open_own(model, (command, BTreeMap::new()), list, now),
        };
    }
    if let Some(list) = marked
        && takes_terminal(model, &command, list, now)
    {
        return Vec::new();
    }
    if command.changes && marked.is_none() {
        let server = target.and_then(|target| ask::server_code(model, target));
        let guard = &model.settings.guard;
        if let Err(problem) = guard.refuses(Deed::RunCommand, server.as_deref(), model.is_unlocked()) {
            flash(model, now, NoticeLevel::Warning, problem.message, problem.hint);
            return Vec::new();
        }
    }
    let of = |target: Option<Target>| {
        let label = target.and_then(|target| model.label(target)).unwrap_or_default();
        (target.unwrap_or(Target::Fleet), label, command_facts(model, target))
    };
    let mut targets: Vec<_> = match marked {
        Some(list) => {
            let (things, _) = model.marked_things(list, Verb::Run);
            things.into_iter().map(|thing| of(Some(target_of(thing)))).collect()
        }
        None => vec![of(target)],
    };
    if command.many == Many::Once
        && let Some((first, label, _)) = targets.first().cloned()
    {
        let all: Vec<_> = targets.iter().map(|(_, _, told)| told).collect();
        let facts = told_of_all(&all);
        let label = match targets.len() {
            1 => label,
            many => format!("{many} selected"),
        };
        targets = vec![(first, label, facts)];
    }
    let fields = command.ask.iter().map(|ask| {
        let first = match ask.kind {
            _ if !ask.default.is_empty() => ask.default.clone(),
            Kind::Choice => ask.choices.first().cloned().unwrap_or_default(),
            Kind::YesNo => "no".to_owned(),
            Kind::Text | Kind::Number => String::new(),
        };
        CommandField {
            ask: ask.clone(),
            input: Input::new(first),
        }
    });
    let dialog = CommandDialog {
        targets,
        marked,
        seen: target.and_then(|target| ask::version(model, target)),
        fields: fields.collect(),
        at: 0,
        go: false,
        opened: now.mono,
        command,
    };
    let asks = dialog.command.changes || !dialog.fields.is_empty();
    model.layers.push(Layer::Command(Box::new(dialog)));
    model.mark_dirty();
    if asks { Vec::new() } else { run(model, now) }
}

/// Whether a command can't run on what is marked, as it takes the terminal for each; that is said.
fn takes_terminal(model: &mut Model, command: &OwnCommand, list: ListId, now: &Now) -> bool {
    let takes = command.output == Output::Terminal && command.many == Many::Each && model.marks.count(list) > 1;
    if takes {
        let text = format!("{} takes the terminal: it runs on one at a time", command.name);
        let hint = Some("Esc takes the marks away".to_owned());
        flash(model, now, NoticeLevel::Warning, text, hint);
    }
    takes
}

/// Runs what the dialog on top shows, on all of its targets.
fn run(model: &mut Model, now: &Now) -> Vec<Effect> {
    let Some(Layer::Command(dialog)) = model.layers.last() else {
        return Vec::new();
    };
    let built = match dialog.built() {
        Ok(built) => built,
        Err(why) => {
            let text = format!("{}: {why}", dialog.command.name);
            if dialog.fields.is_empty() && !dialog.command.changes {
                model.layers.pop();
            }
            flash(model, now, NoticeLevel::Warning, text, None);
            return Vec::new();
        }
    };
    // What it was opened on may be gone meanwhile: then nothing runs.
    let gone = dialog
        .targets
        .iter()
        .find(|(target, ..)| *target != Target::Fleet && model.label(*target).is_none());
    if let Some((_, label, _)) = gone {
        let text = format!("{label} is gone meanwhile: nothing was run");
        model.layers.pop();
        flash(model, now, NoticeLevel::Warning, text, None);
        return Vec::new();
    }
    // What it shows was read as it was opened: what changes something is not run on another state.
    let changed = dialog.targets.iter().find(|(target, ..)| {
        let runs_alone = dialog.marked.is_none() && dialog.command.changes && *target != Target::Fleet;
        runs_alone && ask::version(model, *target) != dialog.seen
    });
    if let Some((_, label, _)) = changed {
        let text = format!("{label} was changed meanwhile: nothing was run");
        let hint = Some("look at it again, and open the command anew".to_owned());
        model.layers.pop();
        flash(model, now, NoticeLevel::Warning, text, hint);
        return Vec::new();
    }
    let command = Arc::clone(&dialog.command);
    if let Some(list) = dialog.marked {
        // Who, and who is passed over and why, is shown before anything runs on many.
        let answers = dialog.answers();
        model.layers.pop();
        return bulk::open_own(model, (command, answers), list, now);
    }
    let targets: Vec<_> = dialog
        .targets
        .iter()
        .map(|(target, _, facts)| (*target, facts.clone()))
        .collect();
    model.layers.pop();
    let mut effects = Vec::new();
    for ((target, facts), argv) in targets.into_iter().zip(built) {
        let run = CommandRun {
            name: command.name.clone(),
            argv,
            facts,
            target,
            also: Vec::new(),
            limit: command.limit,
            changes: command.changes,
            output: command.output,
        };
        let act = Act::Command(Box::new(run));
        if command.changes && ask::demands(model, &act).asks() {
            // A guard wants more than a yes.
            ask::act(model, act, now);
            continue;
        }
        let (_, started) = act::start(model, act, crate::domain::guard::Consent::default(), now);
        effects.extend(started);
    }
    effects
}

pub(super) fn key(model: &mut Model, event: &KeyEvent, key: Key, now: &Now) -> Vec<Effect> {
    let Some(Layer::Command(dialog)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let buttons = dialog.at >= dialog.fields.len();
    match key.code {
        KeyCode::Esc => {
            model.layers.pop();
        }
        KeyCode::Tab | KeyCode::Down if buttons && !dialog.fields.is_empty() && dialog.go => {
            (dialog.at, dialog.go) = (0, false);
        }
        KeyCode::Tab | KeyCode::Right | KeyCode::Left | KeyCode::Down if buttons => dialog.go = !dialog.go,
        KeyCode::Tab | KeyCode::Down => dialog.at += 1,
        KeyCode::BackTab | KeyCode::Up => dialog.at = dialog.at.saturating_sub(1),
        KeyCode::Enter if buttons && dialog.go => {
            if now.mono < dialog.opened + CALM {
                return Vec::new();
            }
            return run(model, now);
        }
        KeyCode::Enter if buttons => {
            model.layers.pop();
        }
        KeyCode::Enter => {
            dialog.at += 1;
            // What changes nothing has its button ready; what changes something begins with Cancel.
            dialog.go = dialog.at >= dialog.fields.len() && !dialog.command.changes;
        }
        code => {
            let at = dialog.at;
            if let Some(field) = dialog.fields.get_mut(at) {
                match (field.ask.kind, code) {
                    (Kind::Choice | Kind::YesNo, KeyCode::Left | KeyCode::Right | KeyCode::Char(' ')) => {
                        turn(field, code != KeyCode::Left);
                    }
                    (Kind::Choice | Kind::YesNo, _) => {}
                    (Kind::Text | Kind::Number, _) => {
                        layer::edit(&mut field.input, event);
                    }
                }
            }
        }
    }
    model.mark_dirty();
    Vec::new()
}

/// To the next choice, or the one before.
fn turn(field: &mut CommandField, forward: bool) {
    let choices = match field.ask.kind {
        Kind::YesNo => vec!["no".to_owned(), "yes".to_owned()],
        _ => field.ask.choices.clone(),
    };
    if choices.is_empty() {
        return;
    }
    let at = choices
        .iter()
        .position(|choice| choice == field.input.value())
        .unwrap_or(0);
    let step = if forward { 1 } else { choices.len() - 1 };
    let next = choices.get((at + step) % choices.len()).cloned().unwrap_or_default();
    field.input = Input::new(next);
}
