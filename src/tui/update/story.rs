//! Why something is as it is, and what happened to it: asked, moved in, gone on from.

use super::{attention, flash, follow, layer, pages, select};
use crate::domain::Problem;
use crate::domain::explain::{Explanation, Link, Subject};
use crate::domain::timeline::Event;
use crate::tui::action::{ActionId, Found, Key};
use crate::tui::model::{Effect, Layer, Model, NoticeLevel, Now, Pane, Story, StoryKind, Target, Told};
use crossterm::event::{KeyCode, KeyEvent};
use tui_input::Input;

/// Opens the story of what is selected.
pub(super) fn open(model: &mut Model, kind: StoryKind, now: &Now) -> Vec<Effect> {
    let Some(subject) = attention::subject(model) else {
        flash(
            model,
            now,
            NoticeLevel::Warning,
            "nothing that has a story is selected",
            None,
        );
        return Vec::new();
    };
    tell(model, kind, subject)
}

fn tell(model: &mut Model, kind: StoryKind, subject: Subject) -> Vec<Effect> {
    let seq = model.new_seq();
    let label = model.label(target(subject)).unwrap_or_else(|| subject.object());
    model
        .layers
        .push(Layer::Story(Box::new(Story::new(kind, subject, &label, seq))));
    model.mark_dirty();
    vec![ask(model, kind, subject, seq)]
}

fn ask(model: &Model, kind: StoryKind, subject: Subject, seq: u64) -> Effect {
    match kind {
        StoryKind::Why => Effect::Explain { seq, subject },
        StoryKind::Timeline => {
            let records = model.attention.board.records().iter();
            let alerts = records
                .filter(|record| record.subject == Some(subject))
                .cloned()
                .collect();
            Effect::Timeline { seq, subject, alerts }
        }
    }
}

/// What is selected so.
pub(super) fn target(subject: Subject) -> Target {
    match subject {
        Subject::Server(id) => Target::Server(id),
        Subject::Template(id) => Target::Template(id),
        Subject::Instance(id) => Target::Instance(id),
        Subject::Job(id) => Target::Job(id),
    }
}

pub(super) fn explained(model: &mut Model, seq: u64, result: Result<Box<Explanation>, Problem>, now: &Now) {
    let told = match result {
        Ok(explanation) => Told::Why(explanation),
        Err(problem) => Told::Failed(problem),
    };
    take(model, seq, told, now);
}

pub(super) fn happened(model: &mut Model, seq: u64, result: Result<Vec<Event>, Problem>, now: &Now) {
    let told = match result {
        Ok(events) => Told::Timeline(events),
        Err(problem) => Told::Failed(problem),
    };
    take(model, seq, told, now);
}

/// Takes an answer in; one to an older question means nothing.
fn take(model: &mut Model, seq: u64, told: Told, now: &Now) {
    let size = model.size;
    for layer in &mut model.layers {
        if let Layer::Story(story) = layer
            && story.seq == seq
        {
            story.told = told;
            story.as_of = Some(now.wall);
            story.settle(size, now);
            return;
        }
    }
}

pub(super) fn key(model: &mut Model, event: &KeyEvent, key: Key, now: &Now) -> Vec<Effect> {
    let found = model.keymap().find(model.place(), &[key]);
    let size = model.size;
    let Some(Layer::Story(story)) = model.layers.last_mut() else {
        return Vec::new();
    };
    if story.typing {
        match key.code {
            KeyCode::Enter => story.typing = false,
            KeyCode::Esc => {
                story.typing = false;
                story.filter = Input::default();
            }
            _ => {
                layer::edit(&mut story.filter, event);
                story.at = 0;
            }
        }
        story.settle(size, now);
        return Vec::new();
    }
    let lines = story.lines();
    let last = lines.len().saturating_sub(1);
    let page = Story::height(size.1).max(2) - 1;
    let Found::Action(id) = found else { return Vec::new() };
    match id {
        ActionId::Down => story.at = (story.at + 1).min(last),
        ActionId::Up => story.at = story.at.saturating_sub(1),
        ActionId::PageDown => story.at = (story.at + page).min(last),
        ActionId::PageUp => story.at = story.at.saturating_sub(page),
        ActionId::HalfDown => story.at = (story.at + page / 2).min(last),
        ActionId::HalfUp => story.at = story.at.saturating_sub(page / 2),
        ActionId::Top => story.at = 0,
        ActionId::Bottom => story.at = last,
        // To the next line that leads somewhere, around the end.
        ActionId::NextPane | ActionId::PreviousPane => {
            let leads = |at: &usize| lines.get(*at).is_some_and(|line| line.link.is_some());
            let (from, count) = (story.at, lines.len());
            let next = if id == ActionId::NextPane {
                (1..=count).map(|by| (from + by) % count).find(leads)
            } else {
                (1..=count).map(|by| (from + count - by) % count).find(leads)
            };
            story.at = next.unwrap_or(story.at);
        }
        ActionId::Filter => story.typing = true,
        ActionId::Open => return follow_link(model, now),
        ActionId::Suspend => return vec![Effect::Suspend],
        ActionId::Check | ActionId::CheckAll | ActionId::Redraw => return again(model),
        ActionId::Back if !story.filter.value().is_empty() => {
            story.filter = Input::default();
            story.at = 0;
        }
        ActionId::Explain | ActionId::Timeline => {
            let kind = if id == ActionId::Explain {
                StoryKind::Why
            } else {
                StoryKind::Timeline
            };
            let (subject, same) = (story.subject, story.kind == kind);
            model.layers.pop();
            return if same { Vec::new() } else { tell(model, kind, subject) };
        }
        ActionId::Back | ActionId::Quit => {
            model.layers.pop();
            return Vec::new();
        }
        _ => {}
    }
    if let Some(Layer::Story(story)) = model.layers.last_mut() {
        story.settle(size, now);
    }
    Vec::new()
}

/// Reads it again; what is here stays until that is there.
fn again(model: &mut Model) -> Vec<Effect> {
    let seq = model.new_seq();
    let Some(Layer::Story(story)) = model.layers.last_mut() else {
        return Vec::new();
    };
    story.seq = seq;
    let (kind, subject) = (story.kind, story.subject);
    vec![ask(model, kind, subject, seq)]
}

/// Goes where the selected line leads.
fn follow_link(model: &mut Model, now: &Now) -> Vec<Effect> {
    let Some(Layer::Story(story)) = model.layers.last() else {
        return Vec::new();
    };
    let (link, subject) = (story.link(), story.subject);
    let Some(link) = link else {
        flash(
            model,
            now,
            NoticeLevel::Info,
            "this line leads nowhere; Tab goes to the next that does",
            None,
        );
        return Vec::new();
    };
    model.layers.clear();
    match link {
        Link::Server { id } => go(model, Subject::Server(id), now),
        Link::Template { id } => go(model, Subject::Template(id), now),
        Link::Instance { id } => go(model, Subject::Instance(id), now),
        Link::Job { id } => go(model, Subject::Job(id), now),
        Link::LogLine { job, seq } => {
            let mut effects = go(model, Subject::Job(job), now);
            effects.extend(follow(model, job));
            effects.extend(pages::focus(model, Pane::Log));
            model.log_goal = Some((job, seq));
            log_goal(model);
            effects
        }
        Link::Audit { id } => {
            pages::leave(model);
            let label = model.label(target(subject)).unwrap_or_default();
            let effects = super::audit::about(model, Some((subject.object(), label)), now);
            if model.store.audit_row(id).is_some() {
                let mut all = select(model, Target::Audit(id), now);
                all.extend(effects);
                return all;
            }
            model.wanted = Some(Target::Audit(id));
            effects
        }
    }
}

/// Goes to something, if it is there still.
pub(super) fn go(model: &mut Model, subject: Subject, now: &Now) -> Vec<Effect> {
    let there = match subject {
        Subject::Job(id) => model.store.job(id).is_some(),
        other => model.label(target(other)).is_some(),
    };
    if !there {
        let text = format!("{} is not shown any more", subject.object());
        flash(model, now, NoticeLevel::Warning, text, None);
        return Vec::new();
    }
    pages::go_to(model, target(subject), now)
}

/// Points at the line of the log that was asked for, once it is here.
pub(super) fn log_goal(model: &mut Model) {
    let Some((job, seq)) = model.log_goal else { return };
    if model.log.job != Some(job) {
        model.log_goal = None;
        return;
    }
    if let Some(at) = model.log.row_of(seq) {
        let size = model.log_size();
        model.log.go_to(at, size);
        model.log_goal = None;
        model.mark_dirty();
    }
}
