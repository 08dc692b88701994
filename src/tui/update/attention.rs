//! What calls for the operator: taken in as the fleet changes, told once, and what is done about it.

use super::{find, flash};
use crate::domain::alert::{AlertKind, Bad, Condition, Mute, conditions};
use crate::domain::{Problem, SafeText};
use crate::tui::action::ActionId;
use crate::tui::model::{
    Attention, Effect, ListId, Model, NoticeLevel, Now, Subject, Target, alert_rows, story_subject, took,
};
use std::sync::Arc;
use std::time::Duration;

/// What happened is written down after so long, together with what follows it.
const SAVE_AFTER: Duration = Duration::from_secs(1);

/// Takes up what was remembered: before anything is read.
pub(super) fn take_up(model: &mut Model, now: &Now) {
    let remembered = std::mem::take(&mut model.settings.alerts.remembered);
    model.attention = Attention::remembered(remembered);
    if !model.only_log {
        // What was open last time is there at once, whether or not the registry answers.
        let _ = show(model, now);
    }
}

/// Looks what is bad where anything changed or is due, calls the operator, and remembers.
pub(super) fn after(model: &mut Model, now: &Now, effects: &mut Vec<Effect>) {
    if model.only_log {
        return;
    }
    let rules = &model.settings.alerts.rules;
    let state = (model.store.generation(ListId::Servers), model.lost.is_some());
    let due = model.attention.board.due(rules).is_some_and(|at| at <= now.wall);
    if model.attention.seen == Some(state) && !due && model.attention.save_due.is_none_or(|at| now.mono < at) {
        return;
    }
    if model.store.read_at.is_some() || model.lost.is_some() {
        observe(model, now);
    }
    call(model, now, effects);
    if model.attention.board.take_changed() {
        effects.extend(show(model, now));
        model.attention.save_due.get_or_insert(now.mono + SAVE_AFTER);
        model.mark_dirty();
    }
    model.attention.seen = Some((model.store.generation(ListId::Servers), model.lost.is_some()));
    if model.attention.save_due.is_some_and(|at| now.mono >= at) {
        effects.push(save(model, now));
    }
}

fn observe(model: &mut Model, now: &Now) {
    let Model {
        attention,
        settings,
        store,
        lost,
        ..
    } = model;
    let rules = &settings.alerts.rules;
    let board = &mut attention.board;
    if let Some(problem) = lost {
        // Of all else nothing is known: its alerts stay as they are.
        let bad = [Condition {
            kind: AlertKind::RegistryLost,
            subject: None,
            label: SafeText::new("registry"),
            text: SafeText::capped(&problem.message, 300),
        }];
        board.observe(now.wall, &bad, Some(AlertKind::RegistryLost), rules);
        return;
    }
    if store.workers > 0 {
        board.saw_worker();
    }
    let bad = Bad {
        servers: &store.servers,
        jobs: &store.jobs,
        workers: store.workers,
        had_worker: board.had_worker(),
        health: &settings.rules,
    };
    let bad = conditions(&bad, rules, now.wall);
    board.observe(now.wall, &bad, None, rules);
}

/// Calls the operator where that is due: the bell, the desktop, the command; each once.
fn call(model: &mut Model, now: &Now, effects: &mut Vec<Effect>) {
    let Some(ring) = model.attention.board.ring(now.wall, &model.settings.alerts.rules) else {
        return;
    };
    let settings = &model.settings.alerts;
    if settings.bell || settings.notify.is_some() {
        effects.push(Effect::Call {
            bell: settings.bell,
            notice: settings.notify.map(|osc| (osc, ring.text())),
        });
    }
    if settings.command {
        effects.push(Effect::AlertCommand(Box::new(ring)));
    }
}

/// Shows the board as it is now.
fn show(model: &mut Model, now: &Now) -> Vec<Effect> {
    let rows = alert_rows(&model.attention.board, &model.settings.alerts.rules, now.wall);
    let heights = model.rows();
    let Model { lists, store, .. } = model;
    if store.alerts() == rows.as_slice() {
        return Vec::new();
    }
    Arc::make_mut(store).set_alerts(rows);
    find::asked(lists.renew(ListId::Alerts, store, heights, now))
}

/// What is remembered of all this.
pub(super) fn save(model: &mut Model, now: &Now) -> Effect {
    model.attention.save_due = None;
    Effect::RememberAlerts(Box::new(model.attention.remembrance(&model.store, now.wall)))
}

/// A row was looked at: its mark goes.
pub(super) fn look(model: &mut Model, now: &Now) {
    if model.only_log || model.attention.changed() == 0 {
        return;
    }
    let target = match model.layers.last() {
        Some(crate::tui::model::Layer::Describe { subject, .. }) => match subject {
            Subject::Server(id) => Some(Target::Server(*id)),
            Subject::Instance(id) => Some(Target::Instance(*id)),
            Subject::Template(id) => Some(Target::Template(*id)),
            Subject::Job(id) => Some(Target::Job(*id)),
            _ => None,
        },
        _ => model.current_target(),
    };
    if target.is_some_and(|target| model.attention.look(target)) {
        changed(model, now);
    }
}

/// Marks came or went.
pub(super) fn changed(model: &mut Model, now: &Now) {
    model.attention.save_due.get_or_insert(now.mono + SAVE_AFTER);
    model.mark_dirty();
}

/// What is done about the selected alert.
pub(super) fn perform(model: &mut Model, id: ActionId, now: &Now) -> Vec<Effect> {
    let Some(alert) = model
        .lists
        .alerts
        .selected
        .and_then(|id| model.attention.board.alert(id))
        .cloned()
    else {
        return Vec::new();
    };
    let by = model.settings.alerts.operator.clone();
    let name = format!("{} · {}", alert.kind.title(), alert.label);
    let board = &mut model.attention.board;
    let told = match id {
        ActionId::Acknowledge => board.acknowledge(alert.id, &by, now.wall).map(|known| match known {
            true => format!("{name}: acknowledged; it calls no more until it is over"),
            false => format!("{name}: acknowledged no more"),
        }),
        ActionId::Snooze => {
            let snoozed = alert.snoozed_until.is_some_and(|until| until > now.wall);
            let time = if snoozed {
                Duration::ZERO
            } else {
                model.settings.alerts.snooze
            };
            board.snooze(alert.id, time, &by, now.wall).map(|until| match until {
                Some(_) => format!(
                    "{name}: silent for {}",
                    took(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
                ),
                None => format!("{name}: no longer snoozed"),
            })
        }
        _ => {
            let mute = match board.muted_by(&alert) {
                Some(mute) => mute.clone(),
                None => Mute::exactly(alert.kind, alert.label.as_str()),
            };
            let silent = board.mute(&mute, &by, now.wall);
            Some(if silent {
                format!("muted: {mute}")
            } else {
                format!("heard again: {mute}")
            })
        }
    };
    let Some(told) = told else {
        flash(
            model,
            now,
            NoticeLevel::Warning,
            format!("{name}: it is over already"),
            None,
        );
        return Vec::new();
    };
    flash(model, now, NoticeLevel::Success, told, None);
    model.attention.board.take_changed();
    let mut effects = show(model, now);
    model.attention.seen = Some((model.store.generation(ListId::Servers), model.lost.is_some()));
    // What an operator decided is written down at once.
    effects.push(save(model, now));
    effects
}

/// How the operator's command ended.
pub(super) fn command_ended(model: &mut Model, result: Result<(), Problem>, now: &Now) {
    if let Err(problem) = result {
        model.attention.board.command_failed(&problem.message, now.wall);
        let text = format!("the command of [alerts] failed: {}", problem.message);
        flash(model, now, NoticeLevel::Error, text, problem.hint);
    }
}

/// Goes to what an alert is about.
pub(super) fn open(model: &mut Model, now: &Now) -> Vec<Effect> {
    let alert = model
        .lists
        .alerts
        .selected
        .and_then(|id| model.attention.board.alert(id));
    match alert.and_then(|alert| alert.subject) {
        Some(subject) => super::story::go(model, subject, now),
        None => super::act::describe(model),
    }
}

/// What is selected, as it can be explained.
pub(super) fn subject(model: &Model) -> Option<crate::domain::explain::Subject> {
    story_subject(model)
}
