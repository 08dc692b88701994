//! Doing something to many: its plan, its run, its receipts.

mod receipts;

pub(super) use receipts::{key as receipts_key, open as receipts};

use super::{ask, flash, layer};
use crate::domain::bulk::{Item, Limits, Plan, Run, Thing, Verb};
use crate::domain::command::OwnCommand;
use crate::domain::{Problem, SafeText};
use crate::tui::action::{ActionId, Key};
use crate::tui::model::{
    Act, Asked, BulkDialog, BulkField, BulkRun, Effect, Ended, Layer, ListId, Model, NoticeLevel, Now, Own, Ticket,
    Written, act_on, receipts_room,
};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use tui_input::Input;

/// So many bulks are remembered.
const KEPT: usize = 20;

/// Shows the plan of `verb` for what is marked in a list.
pub(super) fn open_marked(model: &mut Model, list: ListId, verb: Verb, now: &Now) -> Vec<Effect> {
    let (things, hidden) = model.marked_things(list, verb);
    open(model, (verb, None), &things, (Some(list), hidden), now);
    Vec::new()
}

/// Shows the plan of a command of the operator's own for what is marked in a list.
pub(super) fn open_own(model: &mut Model, (command, answers): Asks, list: ListId, now: &Now) -> Vec<Effect> {
    let (things, hidden) = model.marked_things(list, Verb::Run);
    let own = Own::new(model, command, answers, &things);
    open(model, (own.verb(), Some(own)), &things, (Some(list), hidden), now);
    Vec::new()
}

/// A command, and what was answered.
type Asks = (Arc<OwnCommand>, BTreeMap<String, String>);

/// The same on these, as they are now.
fn anew(model: &Model, own: Option<Own>, things: &[Thing]) -> Option<Own> {
    own.map(|own| Own::new(model, own.command, own.answers, things))
}

/// Shows the plan of `verb` for these.
fn open(
    model: &mut Model,
    (verb, own): (Verb, Option<Own>),
    things: &[Thing],
    (list, hidden): (Option<ListId>, usize),
    now: &Now,
) {
    model.marks.end();
    let mut items: Vec<Item> = things.iter().filter_map(|thing| model.bulk_item(*thing)).collect();
    if let Some(own) = &own {
        for item in &mut items {
            // A command is the operator's own matter, whatever else is done to it meanwhile.
            item.busy = None;
            item.barred = own.argv(item.thing).err().map(|why| why.to_string());
        }
    }
    if items.is_empty() {
        flash(model, now, NoticeLevel::Warning, "none of them is there any more", None);
        return;
    }
    let mut limits = Limits::of(verb);
    let plan = plan(model, verb, items.clone(), limits);
    // What guards allow in one go is said and kept to from the start; more can't be typed either.
    if let Some(most) = plan.over() {
        limits.limit = Some(most as usize);
    }
    let plan = self::plan(model, verb, items.clone(), limits);
    let text = |number: Option<usize>| Input::new(number.map(|n| n.to_string()).unwrap_or_default());
    let mut dialog = BulkDialog {
        items,
        own,
        hidden,
        list,
        limit: text(limits.limit),
        at_once: text(Some(limits.at_once)),
        stop_after: text(limits.stop_after),
        reason: Input::default(),
        typed: Input::default(),
        focus: BulkField::Cancel,
        scroll: 0,
        stale: Vec::new(),
        opened: now.mono,
        plan,
    };
    let first = dialog.fields().into_iter().find(|field| *field >= BulkField::Reason);
    dialog.focus = first.unwrap_or(BulkField::Cancel);
    model.layers.push(Layer::Bulk(Box::new(dialog)));
    model.mark_dirty();
}

fn plan(model: &Model, verb: Verb, items: Vec<Item>, limits: Limits) -> Plan {
    let (guard, rights) = (&model.settings.guard, &model.store.rights);
    Plan::new(verb, items, limits, guard, rights, model.is_unlocked())
}

/// Plans again with what is typed, for what was seen when it was opened.
fn replan(model: &mut Model) {
    let Some(Layer::Bulk(dialog)) = model.layers.last() else {
        return;
    };
    let plan = plan(model, dialog.plan.verb, dialog.items.clone(), dialog.limits());
    if let Some(Layer::Bulk(dialog)) = model.layers.last_mut() {
        dialog.plan = plan;
        let fields = dialog.fields();
        if !fields.contains(&dialog.focus) {
            dialog.focus = BulkField::Cancel;
        }
    }
}

/// Looks whether those of an open plan are still as they were seen; says what changed where not.
pub(super) fn look_again(model: &mut Model) {
    let Some(at) = model.layers.iter().position(|layer| matches!(layer, Layer::Bulk(_))) else {
        return;
    };
    let Some(Layer::Bulk(dialog)) = model.layers.get(at) else {
        return;
    };
    let mut stale = Vec::new();
    for line in dialog.plan.going() {
        let seen = &line.item;
        let Some(fresh) = model.bulk_item(seen.thing) else {
            stale.push(format!("{} is gone", seen.name));
            continue;
        };
        if fresh.version != seen.version || (matches!(seen.thing, Thing::Job(_)) && fresh.facts != seen.facts) {
            stale.push(format!("{} {}", seen.name, change(seen, &fresh)));
        }
    }
    if let Some(Layer::Bulk(dialog)) = model.layers.get_mut(at)
        && dialog.stale != stale
    {
        dialog.stale = stale;
        if !dialog.stale.is_empty() && dialog.focus == BulkField::Go {
            dialog.focus = BulkField::Cancel;
        }
        model.mark_dirty();
    }
}

/// What became of something since it was seen, as it follows its name.
fn change(seen: &Item, fresh: &Item) -> String {
    use crate::domain::bulk::Facts as F;
    let states = match (seen.facts, fresh.facts) {
        (F::Server { intent: a, .. }, F::Server { intent: b, .. }) if a != b => {
            Some((format!("{a:?}").to_lowercase(), format!("{b:?}").to_lowercase()))
        }
        (F::Instance { state: a, .. }, F::Instance { state: b, .. }) if a != b => {
            Some((a.word().to_owned(), b.word().to_owned()))
        }
        (F::Template { state: a, .. }, F::Template { state: b, .. }) if a != b => {
            Some((a.word().to_owned(), b.word().to_owned()))
        }
        (F::Job { state: a, .. }, F::Job { state: b, .. }) if a != b => {
            Some((a.word().to_owned(), b.word().to_owned()))
        }
        _ => None,
    };
    match states {
        Some((was, is)) => format!("changed: {was} → {is}"),
        None => "was changed".to_owned(),
    }
}

/// The keys of an open plan.
pub(super) fn key(model: &mut Model, event: &KeyEvent, key: Key, now: &Now) -> Vec<Effect> {
    let size = model.size;
    let page = usize::from(size.1 / 3).max(1);
    let Some(Layer::Bulk(dialog)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let pressed = event.kind == KeyEventKind::Press;
    let calm = pressed && now.mono >= dialog.opened + ask::CALM;
    let last = dialog.lines(receipts_room(size).0).len().saturating_sub(1);
    let on_button = matches!(dialog.focus, BulkField::Cancel | BulkField::Go);
    match key.code {
        KeyCode::Esc => {
            model.layers.pop();
        }
        KeyCode::Tab | KeyCode::BackTab => step(dialog, key.code == KeyCode::Tab),
        KeyCode::Left | KeyCode::Right if on_button => step(dialog, key.code == KeyCode::Right),
        KeyCode::Down => dialog.scroll = (dialog.scroll + 1).min(last),
        KeyCode::Up => dialog.scroll = dialog.scroll.saturating_sub(1),
        KeyCode::PageDown => dialog.scroll = (dialog.scroll + page).min(last),
        KeyCode::PageUp => dialog.scroll = dialog.scroll.saturating_sub(page),
        KeyCode::Enter if !calm => {}
        KeyCode::Enter => match dialog.focus {
            BulkField::Cancel => {
                model.layers.pop();
            }
            BulkField::Go => return begin(model, now),
            // From the last thing that is asked on to the button; where it can't be gone on, why not.
            BulkField::Reason | BulkField::Typed if dialog.is_last() => {
                let given = dialog.plan.may_begin(&dialog.consent());
                match given {
                    Ok(()) if dialog.stale.is_empty() => dialog.focus = BulkField::Go,
                    Ok(()) => dialog.focus = BulkField::Cancel,
                    Err(problem) => flash(model, now, NoticeLevel::Warning, problem.message, None),
                }
            }
            _ => step(dialog, true),
        },
        _ if !on_button => {
            let number = dialog.focus < BulkField::Reason;
            let typed = key.letter();
            if let Some(input) = dialog.focused() {
                // Numbers only where a number is meant.
                if !(number && typed.is_some_and(|c| !c.is_ascii_digit())) {
                    layer::edit(input, event);
                }
            }
            replan(model);
        }
        _ => match key.letter() {
            Some('j') => dialog.scroll = (dialog.scroll + 1).min(last),
            Some('k') => dialog.scroll = dialog.scroll.saturating_sub(1),
            Some('n' | 'q') => {
                model.layers.pop();
            }
            Some('y') if calm && dialog.plan.to_type().is_none() => return begin(model, now),
            Some('p') => again(model, now),
            _ => {}
        },
    }
    Vec::new()
}

fn step(dialog: &mut BulkDialog, forward: bool) {
    let fields = dialog.fields();
    let may = dialog.may_go();
    let at = fields.iter().position(|field| *field == dialog.focus).unwrap_or(0);
    let by = if forward { 1 } else { fields.len() - 1 };
    let mut next = (at + by) % fields.len();
    if fields.get(next) == Some(&BulkField::Go) && !may {
        next = (next + by) % fields.len();
    }
    dialog.focus = fields.get(next).copied().unwrap_or(BulkField::Cancel);
}

/// Plans anew for what is there now.
fn again(model: &mut Model, now: &Now) {
    let Some(Layer::Bulk(dialog)) = model.layers.pop() else {
        return;
    };
    let things: Vec<Thing> = dialog.items.iter().map(|item| item.thing).collect();
    let own = anew(model, dialog.own, &things);
    open(
        model,
        (dialog.plan.verb, own),
        &things,
        (dialog.list, dialog.hidden),
        now,
    );
}

/// Begins what the plan shows, unless something of it changed since.
fn begin(model: &mut Model, now: &Now) -> Vec<Effect> {
    // Guards, rights and the lock are asked once more, as everything is.
    replan(model);
    look_again(model);
    let Some(Layer::Bulk(dialog)) = model.layers.last() else {
        return Vec::new();
    };
    if let Some(first) = dialog.stale.first() {
        let text = format!("nothing was begun: {first}");
        let hint = Some("p plans anew for what is there now".to_owned());
        flash(model, now, NoticeLevel::Error, text, hint);
        return Vec::new();
    }
    let consent = dialog.consent();
    if let Err(problem) = dialog.plan.may_begin(&consent) {
        flash(model, now, NoticeLevel::Warning, problem.message, None);
        return Vec::new();
    }
    let once = match &dialog.own {
        Some(own) if own.is_once() => Some(own.act_on_all(&dialog.plan)),
        _ => None,
    };
    if let Some(Err(problem)) = once {
        flash(model, now, NoticeLevel::Warning, problem.message, None);
        return Vec::new();
    }
    let Some(Layer::Bulk(dialog)) = model.layers.pop() else {
        return Vec::new();
    };
    if let Some(list) = dialog.list {
        model.marks.clear(list);
    }
    if let Some(Ok(act)) = once {
        return super::act::start(model, act, consent, now).1;
    }
    let id = model.new_seq();
    model.runs.push(BulkRun {
        id,
        run: Run::new(&dialog.plan),
        own: dialog.own,
        outputs: Vec::new(),
        consent,
        tickets: BTreeMap::new(),
    });
    if model.runs.len() > KEPT
        && let Some(old) = model.runs.iter().position(|run| run.run.is_over())
    {
        model.runs.remove(old);
    }
    model.layers.push(Layer::Receipts { id, scroll: 0 });
    drive(model, id, now)
}

/// Begins what is next.
fn drive(model: &mut Model, id: u64, now: &Now) -> Vec<Effect> {
    let mut effects = Vec::new();
    model.mark_dirty();
    let Some(at) = model.runs.iter().position(|run| run.id == id) else {
        return effects;
    };
    while let Some(bulk) = model.runs.get_mut(at) {
        let begun = bulk.run.begin();
        if begun.is_empty() {
            break;
        }
        let (verb, consent) = (bulk.run.verb, bulk.consent.clone());
        for place in begun {
            let Some(bulk) = model.runs.get_mut(at) else { break };
            let Some(item) = bulk.run.receipts.get(place).map(|receipt| receipt.item.clone()) else {
                continue;
            };
            let act = match &bulk.own {
                Some(own) => own.act(&item),
                None => {
                    act_on(verb, &item).ok_or_else(|| Problem::new("internal_error", "there is no such action on it"))
                }
            };
            let act = match act {
                Ok(act) => act,
                Err(problem) => {
                    bulk.run.ended(place, Err(problem));
                    continue;
                }
            };
            let ticket = model.new_ticket();
            let asked = Asked {
                act: act.clone(),
                verb: match &act {
                    Act::Command(run) => format!("running {} on {}", run.name, item.name),
                    _ => format!("{} {}", verb.doing(), item.name),
                },
                progress: None,
            };
            model.asked.insert(ticket, asked);
            if let Some(bulk) = model.runs.get_mut(at) {
                bulk.tickets.insert(ticket, place);
            }
            effects.push(Effect::ActWith {
                ticket,
                act,
                consent: Box::new(consent.clone()),
            });
        }
    }
    if model
        .runs
        .get(at)
        .is_some_and(|bulk| bulk.run.is_over() && bulk.tickets.is_empty())
    {
        over(model, at, now);
    }
    effects
}

fn over(model: &mut Model, at: usize, now: &Now) {
    let Some(bulk) = model.runs.get(at) else { return };
    let counts = bulk.run.counts();
    let text = format!("{}: {}", bulk.word(), bulk.run.summary());
    let key = model.keymap().key_of(ActionId::Receipts);
    let (level, hint) = match (counts.failed, counts.not_begun) {
        (0, 0) => (NoticeLevel::Success, None),
        (0, _) => (NoticeLevel::Warning, Some(format!("{key} shows what became of each"))),
        _ => (
            NoticeLevel::Error,
            Some(format!("{key} shows what became of each, and runs again what failed")),
        ),
    };
    flash(model, now, level, text, hint);
}

/// Whether a ticket is one of a bulk's.
pub(super) fn owns(model: &Model, ticket: Ticket) -> bool {
    model.runs.iter().any(|bulk| bulk.tickets.contains_key(&ticket))
}

/// One of a bulk has ended.
pub(super) fn ended(model: &mut Model, ticket: Ticket, result: Result<Box<Ended>, Problem>, now: &Now) -> Vec<Effect> {
    model.asked.remove(&ticket);
    let Some(bulk) = model.runs.iter_mut().find(|bulk| bulk.tickets.contains_key(&ticket)) else {
        return Vec::new();
    };
    let Some(place) = bulk.tickets.remove(&ticket) else {
        return Vec::new();
    };
    if let (Ok(ended), Some(receipt)) = (&result, bulk.run.receipts.get(place))
        && let Some(written) = &ended.output
    {
        bulk.outputs.push((receipt.item.name.clone(), written.as_ref().clone()));
    }
    bulk.run.ended(place, outcome(bulk.run.verb, result));
    let id = bulk.id;
    drive(model, id, now)
}

/// A look that found a server down has failed, though nothing went wrong with the looking.
fn outcome(verb: Verb, result: Result<Box<Ended>, Problem>) -> Result<SafeText, Problem> {
    match result {
        Ok(ended) if ended.output.is_some() => ended.output.map_or(Ok(ended.text), |written| wrote(&written)),
        Ok(ended) => match ended.report.as_ref().and_then(|report| report.failure.as_ref()) {
            Some(failure) if matches!(verb, Verb::Test | Verb::Check) => {
                Err(Problem::new("check_failed", failure.to_string()).hint(failure.hint()))
            }
            _ => Ok(ended.text),
        },
        Err(problem) if problem.code == "cancelled" => {
            Err(Problem::new("cancelled", "stopped while it ran").hint("whether it was done is not known: look at it"))
        }
        Err(problem) => Err(problem),
    }
}

/// What a command wrote, in a line: its last.
fn wrote(written: &Written) -> Result<SafeText, Problem> {
    let last = written.lines.iter().rev().find(|line| !line.as_str().trim().is_empty());
    let how = match written.code {
        Some(0) => return Ok(last.cloned().unwrap_or_else(|| SafeText::new("it wrote nothing"))),
        Some(code) => format!("exit status {code}"),
        None => "a signal ended it".to_owned(),
    };
    let said = last.map(|line| format!(": {line}")).unwrap_or_default();
    Err(Problem::new("command_failed", format!("{how}{said}")))
}

/// Stops a bulk: no more are begun; asked again, what runs is stopped too. Whether there was one.
pub(super) fn stop(model: &mut Model, id: Option<u64>, now: &Now) -> Option<Vec<Effect>> {
    let at = model
        .runs
        .iter()
        .rposition(|bulk| id.is_none_or(|id| id == bulk.id) && !(bulk.run.is_over() && bulk.tickets.is_empty()))?;
    let bulk = model.runs.get_mut(at)?;
    if bulk.run.stopped().is_some() {
        let tickets: Vec<Ticket> = bulk.tickets.keys().copied().collect();
        return Some(tickets.into_iter().map(Effect::CancelTask).collect());
    }
    bulk.run.stop("stopped by you");
    let (over, running) = (bulk.run.is_over(), bulk.run.counts().running);
    if over {
        self::over(model, at, now);
    } else {
        let text = format!("no more are begun; {running} still run, and come to their end");
        flash(model, now, NoticeLevel::Info, text, None);
    }
    Some(Vec::new())
}

/// What leaving now would mean for bulks at work.
pub(super) fn unfinished(model: &Model) -> Vec<String> {
    model
        .runs
        .iter()
        .filter(|bulk| bulk.run.counts().waiting > 0)
        .map(|bulk| {
            let waiting = bulk.run.counts().waiting;
            format!("{}: {waiting} are not begun yet, and would not be.", bulk.title())
        })
        .collect()
}
