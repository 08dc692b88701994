//! What tasks came back with.

use super::{ask, bulk, find, flash, follow, is_there, log, marks, resettle, select, server_selected};
use crate::domain::job::{Job, JobState};
use crate::domain::{JobId, Problem};
use crate::tui::model::{
    Act, Answer, Cleared, Delta, Effect, Ended, Layer, Model, NoticeLevel, Now, Pane, PlanState, Subject, Tab, Target,
    Ticket,
};
use std::sync::Arc;

pub(super) fn answer(model: &mut Model, answer: Answer, now: &Now) -> Vec<Effect> {
    model.mark_dirty();
    match answer {
        Answer::Fleet(fleet) => {
            if model.attention.fleet(&model.store, &fleet) {
                super::attention::changed(model, now);
            }
            Arc::make_mut(&mut model.store).replace(*fleet);
            model.lost = None;
            model.lost_since = None;
            store_changed(model, true, now)
        }
        Answer::Delta(delta) => changed(model, *delta, now),
        Answer::History { server, points } => {
            if model.lists.servers.selected == Some(server) {
                model.history.points = points;
            }
            Vec::new()
        }
        Answer::Instance(found) => {
            for layer in &mut model.layers {
                match layer {
                    Layer::Describe { subject, instance, .. } if *subject == Subject::Instance(found.id) => {
                        *instance = Some(found.clone());
                    }
                    Layer::Fields(picker) if picker.subject == Subject::Instance(found.id) => {
                        picker.instance = Some(found.clone());
                    }
                    _ => {}
                }
            }
            Vec::new()
        }
        Answer::Found(found) => {
            let heights = model.rows();
            let Model { lists, store, .. } = model;
            let requests = lists.found(*found, store, heights, now);
            server_selected(model, now);
            find::asked(requests)
        }
        Answer::Lend(lend) => super::home::lend(lend),
        Answer::Palette { seq, lines } => {
            super::palette::found(model, seq, lines);
            Vec::new()
        }
        Answer::LogLines { job, lines, end } => {
            if model.log.job == Some(job) && model.log.text.is_none() {
                model.log.take(lines, end);
                super::story::log_goal(model);
            }
            Vec::new()
        }
        Answer::Explained { seq, result } => {
            super::story::explained(model, seq, result, now);
            Vec::new()
        }
        Answer::Happened { seq, result } => {
            super::story::happened(model, seq, result, now);
            Vec::new()
        }
        Answer::CommandEnded(result) => {
            super::attention::command_ended(model, result, now);
            Vec::new()
        }
        Answer::Audit { seq, rows } => super::audit::take(model, seq, rows, now),
        Answer::LogTold { id, status } => log::told(model, id, status),
        Answer::LogOpened { id, result } => log::opened(model, id, result),
        Answer::LogPage { id, seq, result } => log::page(model, id, seq, result, now),
        Answer::LogLooked { id, seq, bytes } => {
            log::looked(model, id, seq, bytes);
            Vec::new()
        }
        Answer::Plan { seq, result } => {
            if let Some(Layer::Form(form)) = model.layers.iter_mut().rev().find(|l| matches!(l, Layer::Form(_))) {
                // A plan that was asked for before the last change of the form says nothing of it.
                if form.plan_seq == seq && form.plan_due.is_none() {
                    form.plan = match result {
                        Ok(plan) => PlanState::Ready(plan),
                        Err(problem) => PlanState::Refused(problem),
                    };
                }
            }
            Vec::new()
        }
        Answer::Progress { ticket, done, total } => {
            if let Some(asked) = model.asked.get_mut(&ticket) {
                asked.progress = Some((done, total));
            }
            Vec::new()
        }
        Answer::Ended { ticket, result } if bulk::owns(model, ticket) => bulk::ended(model, ticket, result, now),
        Answer::Ended { ticket, result } => match result {
            Ok(ended) => ended_well(model, ticket, *ended, now),
            Err(problem) => {
                failed(model, ticket, problem, now);
                Vec::new()
            }
        },
        Answer::Failed { what, problem } => {
            model.log.give_up();
            if what.as_str() == "what happened" {
                model.lists.audit.give_up();
            }
            // Nothing is shown yet that could be old: the panes say why, for as long as it is so.
            if model.store.read_at.is_none() && what.as_str() == "the fleet" {
                model.lost.get_or_insert_with(|| problem.clone());
            }
            let text = format!("reading {what}: {}", problem.message);
            flash(model, now, NoticeLevel::Error, text, problem.hint);
            Vec::new()
        }
    }
}

/// What follows from new data: rows, questions, the selected server's history, the shown log.
fn store_changed(model: &mut Model, instances: bool, now: &Now) -> Vec<Effect> {
    let mut effects = match model.lists.tab {
        // Whatever changed is written down there too.
        Tab::Audit => super::audit::refresh(model),
        _ => Vec::new(),
    };
    let rows = model.rows();
    let Model { lists, store, .. } = model;
    effects.extend(find::asked(lists.changed(store, rows, instances, now)));
    let made = model.wanted_job.and_then(|id| model.store.job(id));
    if let Some(instance) = made.and_then(|job| job.spec.instance_id()) {
        model.wanted_job = None;
        model.wanted = Some(Target::Instance(instance));
    }
    if let Some(target) = model.wanted
        && is_there(model, target)
    {
        model.wanted = None;
        effects.extend(select(model, target, now));
    }
    ask::look_again(model);
    bulk::look_again(model);
    marks::settle(model, now);
    if model.store.workers > 0 {
        model.no_worker = None;
    }
    server_selected(model, now);
    let last_check = model
        .lists
        .servers
        .selected
        .and_then(|id| model.store.server(id))
        .and_then(|server| server.track.last_check);
    if last_check != model.history.as_of && model.history.due.is_none() {
        model.history.due = Some(now.mono + crate::tui::model::HISTORY_DELAY);
    }
    if model.log.job.is_none() && model.log.text.is_none() {
        let running = model.store.jobs.iter().find(|job| !job.state.is_over());
        if let Some(job) = running.or(model.store.jobs.first()).map(|job| job.id) {
            effects.extend(follow(model, job));
        }
    }
    effects
}

fn changed(model: &mut Model, delta: Delta, now: &Now) -> Vec<Effect> {
    let over: Vec<(JobId, JobState)> = delta
        .jobs
        .iter()
        .filter(|job| job.state.is_over())
        .filter(|job| model.store.job(job.id).is_none_or(|old| !old.state.is_over()))
        .map(|job| (job.id, job.state))
        .collect();
    if model.attention.delta(&model.store, &delta) {
        super::attention::changed(model, now);
    }
    let instances = Arc::make_mut(&mut model.store).apply(delta);
    let effects = store_changed(model, instances, now);
    for (id, _) in over {
        if let Some(job) = model.store.job(id).cloned() {
            job_over(model, &job, now);
        }
    }
    effects
}

/// How a job ended, on the last line, whoever asked for it.
fn job_over(model: &mut Model, job: &Job, now: &Now) {
    let name = format!("job {} · {}", job.id, job.title);
    // Which job it was is cut before why it failed.
    let bad = |word: &str, why: &str| format!("job {} {word}{why} · {}", job.id, job.title);
    let why = job
        .problem
        .as_ref()
        .map(|p| format!(": {}", p.message))
        .unwrap_or_default();
    let hint = job.problem.as_ref().and_then(|p| p.hint.clone());
    match job.state {
        JobState::Done => flash(model, now, NoticeLevel::Success, format!("{name}: done"), None),
        JobState::Cancelled => {
            let text = format!("{name}: cancelled, nothing is left of it");
            flash(model, now, NoticeLevel::Warning, text, None);
        }
        JobState::Failed => {
            let hint = hint.unwrap_or_else(|| "what was done is undone; its log says more (5, l)".to_owned());
            flash(model, now, NoticeLevel::Error, bad("failed", &why), Some(hint));
        }
        _ => {
            let hint = hint.unwrap_or_else(|| "its log says what is left (5, l)".to_owned());
            flash(model, now, NoticeLevel::Error, bad("is stuck", &why), Some(hint));
        }
    }
}

fn ended_well(model: &mut Model, ticket: Ticket, ended: Ended, now: &Now) -> Vec<Effect> {
    let Some(asked) = model.asked.remove(&ticket) else {
        return Vec::new();
    };
    let sent = |layer: &Layer| matches!(layer, Layer::Form(form) if form.sent == Some(ticket));
    if let Some(at) = model.layers.iter().position(sent) {
        model.layers.remove(at);
    }
    let text = if ended.text.as_str().is_empty() {
        format!("{}: done", asked.verb)
    } else {
        ended.text.to_string()
    };
    match ended.ready.map(|cleared| *cleared) {
        Some(Cleared::Terminal(lend)) => return vec![Effect::Lend(Box::new(lend))],
        Some(Cleared::Log(target)) => return log::show(model, target),
        None => {}
    }
    if let Some(written) = ended.output {
        let failed = written.code != Some(0);
        model.layers.push(Layer::Written { written, scroll: 0 });
        if failed {
            flash(model, now, NoticeLevel::Error, text, None);
            return Vec::new();
        }
    }
    let mut level = if ended.alarming {
        NoticeLevel::Warning
    } else {
        NoticeLevel::Success
    };
    let mut hint = None;
    if let Some(report) = ended.report {
        if let Some(failure) = &report.failure {
            level = NoticeLevel::Error;
            hint = Some(failure.hint().to_owned());
        } else if !report.warnings.is_empty() {
            level = NoticeLevel::Warning;
        }
        if let (Act::Test(server), true) = (&asked.act, model.layers.is_empty()) {
            model.layers.push(Layer::Report {
                server: *server,
                report,
                scroll: 0,
            });
            hint = None;
        }
    }
    flash(model, now, level, text, hint);
    let mut effects = Vec::new();
    if let Some(target) = ended.created {
        effects.extend(created(model, target, now));
    }
    let Some(job) = ended.job else {
        return effects;
    };
    if matches!(asked.act, Act::CreateInstance { .. }) && ended.created.is_none() {
        model.wanted_job = Some(job);
        effects.extend(store_changed(model, false, now));
    }
    effects.extend(follow(model, job));
    effects
}

/// Selects what was added, now or as soon as it is there, in the list that shows it.
fn created(model: &mut Model, target: Target, now: &Now) -> Vec<Effect> {
    let tab = match target {
        Target::Server(_) if model.layers.is_empty() => Some(Tab::Here),
        Target::Instance(_) if model.lists.tab != Tab::All => Some(Tab::Here),
        Target::Template(_) => Some(Tab::Templates),
        _ => None,
    };
    if let Some(tab) = tab {
        model.lists.tab = tab;
    }
    if model.layers.is_empty() {
        model.focus = match target {
            Target::Server(_) => Pane::Servers,
            Target::Instance(_) | Target::Template(_) => Pane::List,
            _ => model.focus,
        };
    }
    if !is_there(model, target) {
        model.wanted = Some(target);
    }
    let effects = select(model, target, now);
    resettle(model);
    effects
}

fn failed(model: &mut Model, ticket: Ticket, problem: Problem, now: &Now) {
    let Some(asked) = model.asked.remove(&ticket) else {
        return;
    };
    if problem.code == "cancelled" {
        let text = format!("stopped: {}", asked.verb);
        flash(model, now, NoticeLevel::Info, text, None);
        for layer in &mut model.layers {
            if let Layer::Form(form) = layer
                && form.sent == Some(ticket)
            {
                form.sent = None;
            }
        }
        return;
    }
    for layer in &mut model.layers {
        if let Layer::Form(form) = layer
            && form.sent == Some(ticket)
        {
            form.sent = None;
            form.problem = Some(problem);
            // What was refused was the plan as it stood: it is made anew before it can be sent again.
            form.plan_due = matches!(form.plan, PlanState::Ready(_)).then_some(now.mono);
            form.plan = PlanState::None;
            model.flash = None;
            return;
        }
    }
    let again = model.keymap().key_of(crate::tui::action::ActionId::Again);
    let hint = match &problem.hint {
        Some(hint) => format!("{hint} · {again} tries again"),
        None => format!("{again} tries again"),
    };
    let text = format!("{}: {}", asked.verb, problem.message);
    model.failed = Some(asked.act);
    flash(model, now, NoticeLevel::Error, text, Some(hint));
}
