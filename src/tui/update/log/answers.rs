//! What the log's task comes back with.

use super::{ask, flash, wants};
use crate::domain::Problem;
use crate::domain::log::{Ask, LogStatus, Page, Wanted};
use crate::tui::model::{Effect, Model, NoticeLevel, Now, TextLog};

fn shown(model: &mut Model, id: u64) -> Option<&mut TextLog> {
    model.log.text.as_mut().filter(|text| text.id == id)
}

pub(in crate::tui::update) fn opened(model: &mut Model, id: u64, result: Result<LogStatus, Problem>) -> Vec<Effect> {
    let Some(text) = shown(model, id) else {
        return Vec::new();
    };
    match result {
        Ok(status) => {
            text.status = status;
            text.opened = true;
            wants(model)
        }
        Err(problem) => {
            text.problem = Some(problem);
            Vec::new()
        }
    }
}

pub(in crate::tui::update) fn told(model: &mut Model, id: u64, status: LogStatus) -> Vec<Effect> {
    match shown(model, id) {
        Some(text) => {
            text.status = status;
            let effects = wants(model);
            if effects.is_empty() { numbered(model) } else { effects }
        }
        None => Vec::new(),
    }
}

pub(in crate::tui::update) fn looked(model: &mut Model, id: u64, seq: u64, bytes: u64) {
    if let Some(asking) = shown(model, id).and_then(|text| text.asking.as_mut())
        && asking.seq == seq
    {
        asking.looked = bytes.max(1);
    }
}

pub(in crate::tui::update) fn page(
    model: &mut Model,
    id: u64,
    seq: u64,
    result: Result<Box<Page>, Problem>,
    now: &Now,
) -> Vec<Effect> {
    let Some(text) = shown(model, id) else {
        return Vec::new();
    };
    let Some(asking) = text.asking.take_if(|asking| asking.seq == seq) else {
        return Vec::new();
    };
    let page = match result {
        Ok(page) => *page,
        Err(problem) => {
            // What can't be read is not asked for again and again.
            text.halted = true;
            if matches!(asking.ask, Ask::Since(_)) {
                text.halted = false;
                model.log.since = None;
            }
            flash(model, now, NoticeLevel::Warning, problem.message, problem.hint);
            return Vec::new();
        }
    };
    let (hit, wrapped) = (page.hit, page.wrapped);
    let size = model.log_size();
    let found = shown(model, id).is_some_and(|text| text.take(&asking.ask, page));
    match &asking.ask {
        Ask::Find { what, .. } if !found => {
            let what = match what {
                Wanted::Text(pattern) => match pattern.wrong() {
                    Some(why) => format!("{:?}, as it stands ({why}), is nowhere in this log", pattern.text()),
                    None => format!("{:?} is nowhere in this log", pattern.text()),
                },
                Wanted::Level(_) => "there is no error in this log".to_owned(),
            };
            flash(model, now, NoticeLevel::Info, what, None);
        }
        Ask::Find { back, .. } => {
            let key = hit.and_then(|hit| i64::try_from(hit).ok());
            if let Some(at) = key.and_then(|key| model.log.row_of(key)) {
                model.log.go_to(at, size);
            }
            if wrapped {
                let text = if *back {
                    "went on from the end"
                } else {
                    "went on from the beginning"
                };
                flash(model, now, NoticeLevel::Info, text, None);
            }
        }
        Ask::Around(pos) => {
            let key = i64::try_from(*pos).unwrap_or(i64::MAX);
            if let (true, Some(at)) = (model.log.hit == Some(key), model.log.row_of(key)) {
                model.log.go_to(at, size);
            }
        }
        Ask::Head => {
            let _ = model.log.to_top(size);
        }
        _ => {}
    }
    let effects = wants(model);
    if effects.is_empty() { numbered(model) } else { effects }
}

/// The last page may have come before all lines were counted: then it is asked for again, once for each end, so
/// that one is told which line it is.
fn numbered(model: &mut Model) -> Vec<Effect> {
    let (follows, whole) = (model.log.following(), model.log.sieve.is_open());
    let Some(text) = model.log.text.as_mut().filter(|_| follows && whole) else {
        return Vec::new();
    };
    let (end, counted) = (text.status.end, text.status.counted);
    if text.line.is_some() || text.asking.is_some() || end == 0 || counted < end || text.numbered_at == end {
        return Vec::new();
    }
    text.numbered_at = end;
    ask(model, Ask::Tail)
}
