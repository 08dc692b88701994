//! Doing something to many: its plan, its run, its receipts.

use super::{ask, flash, layer};
use crate::domain::bulk::{Item, Limits, Plan, Run, State, Thing, Verb};
use crate::domain::{Problem, SafeText};
use crate::tui::action::{ActionId, Key};
use crate::tui::model::{
    Asked, BulkDialog, BulkField, BulkRun, Effect, Ended, Layer, ListId, Model, NoticeLevel, Now, Ticket, act_on,
};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use tui_input::Input;

/// So many bulks are remembered.
const KEPT: usize = 20;

/// Shows the plan of `verb` for what is marked in a list.
pub(super) fn open_marked(model: &mut Model, list: ListId, verb: Verb, now: &Now) -> Vec<Effect> {
    let (things, hidden) = model.marked_things(list, verb);
    open(model, verb, &things, (Some(list), hidden), now);
    Vec::new()
}

/// Shows the plan of `verb` for these.
fn open(model: &mut Model, verb: Verb, things: &[Thing], (list, hidden): (Option<ListId>, usize), now: &Now) {
    model.marks.end();
    let items: Vec<Item> = things.iter().filter_map(|thing| model.bulk_item(*thing)).collect();
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
    let page = usize::from(model.size.1 / 3).max(1);
    let Some(Layer::Bulk(dialog)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let pressed = event.kind == KeyEventKind::Press;
    let calm = pressed && now.mono >= dialog.opened + ask::CALM;
    let last = dialog.plan.lines.len().saturating_sub(1);
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
    open(model, dialog.plan.verb, &things, (dialog.list, dialog.hidden), now);
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
    let Some(Layer::Bulk(dialog)) = model.layers.pop() else {
        return Vec::new();
    };
    if let Some(list) = dialog.list {
        model.marks.clear(list);
    }
    let id = model.new_seq();
    model.runs.push(BulkRun {
        id,
        run: Run::new(&dialog.plan),
        consent,
        tickets: std::collections::BTreeMap::new(),
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
            let item = model
                .runs
                .get(at)
                .and_then(|bulk| bulk.run.receipts.get(place))
                .map(|receipt| receipt.item.clone());
            let Some((item, act)) = item.and_then(|item| act_on(verb, &item).map(|act| (item, act))) else {
                if let Some(bulk) = model.runs.get_mut(at) {
                    let problem = Problem::new("internal_error", "there is no such action on it");
                    bulk.run.ended(place, Err(problem));
                }
                continue;
            };
            let ticket = model.new_ticket();
            let asked = Asked {
                act: act.clone(),
                verb: format!("{} {}", verb.doing(), item.name),
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
    let text = format!("{}: {}", bulk.run.verb.word(), bulk.run.summary());
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
    bulk.run.ended(place, outcome(bulk.run.verb, result));
    let id = bulk.id;
    drive(model, id, now)
}

/// A look that found a server down has failed, though nothing went wrong with the looking.
fn outcome(verb: Verb, result: Result<Box<Ended>, Problem>) -> Result<SafeText, Problem> {
    match result {
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

/// Shows the receipts of the newest bulk.
pub(super) fn receipts(model: &mut Model) -> Vec<Effect> {
    if let Some(id) = model.runs.last().map(|bulk| bulk.id) {
        model.layers.push(Layer::Receipts { id, scroll: 0 });
        model.mark_dirty();
    }
    Vec::new()
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

/// The keys of the receipts.
pub(super) fn receipts_key(model: &mut Model, key: Key, now: &Now) -> Vec<Effect> {
    let page = usize::from(model.size.1.saturating_sub(6)).max(1);
    let Some(Layer::Receipts { id, scroll }) = model.layers.last_mut() else {
        return Vec::new();
    };
    let current = *id;
    let at = model.runs.iter().position(|bulk| bulk.id == current);
    let lines = at.and_then(|at| model.runs.get(at)).map_or(0, lines_of);
    let last = lines.saturating_sub(page.min(lines));
    match (key.code, key.letter()) {
        (KeyCode::Esc | KeyCode::Enter, _) | (_, Some('q')) => {
            model.layers.pop();
        }
        (KeyCode::Down, _) | (_, Some('j')) => *scroll = (*scroll + 1).min(last),
        (KeyCode::Up, _) | (_, Some('k')) => *scroll = scroll.saturating_sub(1),
        (KeyCode::PageDown, _) => *scroll = (*scroll + page).min(last),
        (KeyCode::PageUp, _) => *scroll = scroll.saturating_sub(page),
        (KeyCode::Home, _) | (_, Some('g')) => *scroll = 0,
        (KeyCode::End, _) | (_, Some('G')) => *scroll = last,
        (KeyCode::Left | KeyCode::Right, _) => {
            let other = at.and_then(|at| match key.code {
                KeyCode::Left => at.checked_sub(1),
                _ => Some(at + 1),
            });
            if let Some(bulk) = other.and_then(|at| model.runs.get(at)) {
                (*id, *scroll) = (bulk.id, 0);
            }
        }
        (_, Some('x')) => return stop(model, Some(current), now).unwrap_or_default(),
        (_, Some(which @ ('f' | 'b'))) => rerun(model, current, which == 'f', now),
        (_, Some('c')) => {
            if let Some(bulk) = at.and_then(|at| model.runs.get(at)) {
                return vec![Effect::Copy(as_text(bulk))];
            }
        }
        _ => {}
    }
    Vec::new()
}

fn lines_of(bulk: &BulkRun) -> usize {
    bulk.run.receipts.len() + bulk.run.passed.len()
}

/// A new plan for what failed, or was not begun, and for nothing else.
fn rerun(model: &mut Model, id: u64, failed: bool, now: &Now) {
    let Some(bulk) = model.runs.iter().find(|bulk| bulk.id == id) else {
        return;
    };
    let (verb, over) = (bulk.run.verb, bulk.run.is_over() && bulk.tickets.is_empty());
    let things = if failed {
        bulk.run.failed()
    } else {
        bulk.run.not_begun()
    };
    if !over {
        let text = "it still runs: x stops it";
        flash(model, now, NoticeLevel::Info, text, None);
    } else if things.is_empty() {
        let text = if failed { "nothing failed" } else { "all were begun" };
        flash(model, now, NoticeLevel::Info, text, None);
    } else {
        model.layers.pop();
        open(model, verb, &things, (None, 0), now);
    }
}

/// The receipts as plain text, one a line.
fn as_text(bulk: &BulkRun) -> String {
    let mut text = format!("{}: {}\n", bulk.run.verb.word(), bulk.run.summary());
    for receipt in &bulk.run.receipts {
        let (word, more) = match &receipt.state {
            State::Waiting => ("waiting", String::new()),
            State::Running => ("running", String::new()),
            State::Done(said) => ("done", said.to_string()),
            State::Failed(problem) => ("failed", problem.message.clone()),
            State::NotBegun(why) => ("not begun", why.clone()),
        };
        text.push_str(&format!("{}\t{word}\t{more}\n", receipt.item.name));
    }
    for (item, why) in &bulk.run.passed {
        text.push_str(&format!("{}\tpassed over\t{why}\n", item.name));
    }
    text
}

/// What leaving now would mean for bulks at work.
pub(super) fn unfinished(model: &Model) -> Vec<String> {
    model
        .runs
        .iter()
        .filter(|bulk| bulk.run.counts().waiting > 0)
        .map(|bulk| {
            let waiting = bulk.run.counts().waiting;
            format!(
                "{}: {waiting} are not begun yet, and would not be.",
                bulk.run.verb.of(bulk.run.receipts.len())
            )
        })
        .collect()
}
