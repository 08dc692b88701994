//! The only place that changes the model: synchronous, without IO; what must happen outside is
//! answered as effects.

mod act;
mod answer;
mod ask;

mod attention;
mod audit;
mod bulk;
mod columns;
mod command;
mod config;
mod fields;
mod find;
mod form;
mod home;
mod input;
mod layer;
mod lock;
mod log;
mod marks;
mod memory;
mod pages;
mod palette;
mod send;
mod story;
mod views;

use super::model::{Effect, Flash, Layer, Message, Model, Notice, NoticeLevel, Now, PlanState, Target};
use crate::domain::{JobId, SafeText};
use std::time::Duration;

/// Takes one message in and answers what has to be done outside.
pub fn update(model: &mut Model, message: Message, now: &Now) -> Vec<Effect> {
    let mut effects = match message {
        Message::Input(event) => input::event(model, event, now),
        Message::Answer(answer) => answer::answer(model, answer, now),
        Message::Notice(notice) => noticed(model, notice, now),
        Message::Settings(settings, changed) => config::reread(model, *settings, &changed, now),
        Message::Kept(mistake) => config::kept(model, mistake, now),
        Message::Deadline => Vec::new(),
        Message::Lent { title, ended } => {
            match ended {
                Ok(Some(0) | None) => {}
                Ok(Some(code)) => flash(
                    model,
                    now,
                    NoticeLevel::Info,
                    format!("{title} ended with status {code}"),
                    None,
                ),
                Err(why) => flash(model, now, NoticeLevel::Error, format!("{why}: {title}"), None),
            }
            Vec::new()
        }
        Message::Resumed => {
            model.mark_dirty();
            if model.only_log {
                Vec::new()
            } else {
                vec![Effect::LoadFleet]
            }
        }
    };
    due(model, now, &mut effects);
    attention::after(model, now, &mut effects);
    effects
}

/// What has to be done before the first message.
pub fn start(model: &mut Model, now: &Now) -> Vec<Effect> {
    model.shown = model.should_show(now);
    memory::take_up(model, now);
    attention::take_up(model, now);
    model.mark_dirty();
    if model.only_log {
        return log::next_file(model);
    }
    let mut effects = match model.settings.unlock {
        Some(time) => lock::unlock(model, time, now),
        None => Vec::new(),
    };
    effects.push(Effect::LoadFleet);
    effects
}

/// Everything whose time has come.
fn due(model: &mut Model, now: &Now, effects: &mut Vec<Effect>) {
    let past = |when: Option<Duration>| when.is_some_and(|when| now.mono >= when);
    if past(model.flash.as_ref().map(|flash| flash.until)) {
        model.flash = None;
        model.mark_dirty();
        resettle(model);
    }
    lock::due(model, now, effects);
    if past(model.quit_until) {
        model.quit_until = None;
    }
    if past(model.history.due) {
        model.history.due = None;
        if let Some(id) = model.lists.servers.selected {
            model.history.as_of = model.store.server(id).and_then(|server| server.track.last_check);
            effects.push(Effect::LoadHistory(id));
        }
    }
    let seq = match model.layers.last() {
        Some(Layer::Form(form)) if past(form.plan_due) => Some(model.new_seq()),
        _ => None,
    };
    if let (Some(seq), Some(Layer::Form(form))) = (seq, model.layers.last_mut()) {
        form.plan_due = None;
        form.plan_seq = seq;
        if let Some(draft) = send::instance_draft(form) {
            form.plan = PlanState::Waiting;
            effects.push(Effect::PlanInstance {
                seq,
                draft: Box::new(draft),
            });
        }
    }
    let shown = model.should_show(now);
    let minute = shown.minute != model.shown.minute;
    if minute || past(model.lists.due()) {
        let heights = model.rows();
        let Model { lists, store, .. } = model;
        effects.extend(find::asked(lists.when_due(store, heights, minute, now)));
        model.mark_dirty();
    }
    if shown != model.shown {
        model.shown = shown;
        model.mark_dirty();
    }
}

/// Finds selections again after rows or heights changed.
fn resettle(model: &mut Model) {
    let rows = model.rows();
    let Model { lists, store, .. } = model;
    lists.settle(store, rows);
}

/// Puts a line at the bottom of the screen.
fn flash(model: &mut Model, now: &Now, level: NoticeLevel, text: impl AsRef<str>, hint: Option<String>) {
    let seconds = match level {
        NoticeLevel::Info => 4,
        NoticeLevel::Success => 6,
        NoticeLevel::Warning => 8,
        NoticeLevel::Error => 20,
    };
    model.flash = Some(Flash {
        level,
        text: SafeText::new(text.as_ref()),
        hint,
        until: now.mono + Duration::from_secs(seconds),
    });
    model.mark_dirty();
    resettle(model);
}

/// Shows a job's log, from its end, following.
fn follow(model: &mut Model, job: JobId) -> Vec<Effect> {
    if model.log.job == Some(job) && model.log.text.is_none() {
        return Vec::new();
    }
    model.log.follow(job);
    model.mark_dirty();
    vec![Effect::FollowLog(job)]
}

/// Another server is selected: its history is wanted once the selection stands still.
fn server_selected(model: &mut Model, now: &Now) {
    if model.history.server != model.lists.servers.selected {
        model.history.server = model.lists.servers.selected;
        model.history.points.clear();
        model.history.as_of = None;
        model.history.due = Some(now.mono + super::model::HISTORY_DELAY);
    }
}

/// Selects something where it stands in its list, if it is there.
fn select(model: &mut Model, target: Target, now: &Now) -> Vec<Effect> {
    let Model { lists, store, .. } = model;
    match target {
        Target::Server(id) => lists.servers.selected = Some(id),
        Target::Template(id) => lists.templates.selected = Some(id),
        Target::Job(id) => lists.jobs.selected = Some(id),
        Target::Plan(id) => lists.plans.selected = Some(id),
        Target::Customer(id) => lists.customers.selected = Some(id),
        Target::Audit(id) => lists.audit.state.selected = Some(id),
        Target::Alert(id) => lists.alerts.selected = Some(id),
        Target::Instance(id) => {
            if let Some(server) = store.instance(id).map(|row| row.server) {
                lists.servers.selected = Some(server);
                lists.here.selected = Some(id);
                lists.all.selected = Some(id);
            }
        }
        Target::Fleet => {}
    }
    let heights = model.rows();
    let Model { lists, store, .. } = model;
    find::asked(lists.reselect(store, heights, now))
}

/// Whether something is there.
fn is_there(model: &Model, target: Target) -> bool {
    target == Target::Fleet || model.label(target).is_some()
}

fn noticed(model: &mut Model, notice: Notice, now: &Now) -> Vec<Effect> {
    model.mark_dirty();
    match notice {
        Notice::RegistryLost(problem) => {
            model.lost.get_or_insert(problem);
        }
        Notice::LinkLost { problem, since } => {
            model.lost = Some(problem);
            model.lost_since = Some(since);
        }
        Notice::RegistryBack => {
            model.lost = None;
            model.lost_since = None;
            flash(model, now, NoticeLevel::Success, "the registry answers again", None);
        }
        Notice::Flash { level, text, hint } => flash(model, now, level, text, hint),
        Notice::NoWorker(problem) => {
            flash(model, now, NoticeLevel::Error, &problem.message, problem.hint.clone());
            model.no_worker = Some(problem);
        }
        Notice::Themes(names) => model.settings.themes = names,
        Notice::Terminate => return vec![Effect::Quit],
    }
    Vec::new()
}
