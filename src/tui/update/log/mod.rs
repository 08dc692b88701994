//! The log's own keys and answers.

mod answers;
mod layers;

pub(super) use answers::{looked, opened, page, told};
pub(super) use layers::{filters_key, prompt, prompt_key};

use super::{flash, resettle};
use crate::domain::log::{Ask, Level, LogTarget, Wanted};
use crate::tui::action::ActionId;
use crate::tui::model::{Asking, Effect, LINES_A_PAGE, Layer, Model, Move, Need, NoticeLevel, Now, Pane, TextLog};
use jiff::SignedDuration;

/// Does what the log's lines in the table say; `None` for what is no action of the log.
pub(super) fn perform(model: &mut Model, id: ActionId, now: &Now) -> Option<Vec<Effect>> {
    use ActionId as Id;
    Some(match id {
        Id::LogOpen => prompt(model),
        Id::LogClose => close(model),
        Id::LogFilters => {
            model.layers.push(Layer::LogFilters(Box::default()));
            Vec::new()
        }
        Id::LogLevel => {
            let sieve = &mut model.log.sieve;
            sieve.level = match sieve.level {
                None => Some(Level::Warning),
                Some(Level::Warning) => Some(Level::Error),
                Some(_) => None,
            };
            sifted(model)
        }
        Id::LogContext => {
            let sieve = &mut model.log.sieve;
            sieve.context = match sieve.context {
                0 => 1,
                1 => 3,
                3 => 10,
                _ => 0,
            };
            sifted(model)
        }
        Id::LogWrap => {
            model.log.wrap = !model.log.wrap;
            model.log.left = 0;
            wants(model)
        }
        Id::LogTime => {
            model.log.time = model.log.time.next();
            let text = format!("times: {}", model.log.time.word());
            flash(model, now, NoticeLevel::Info, text, None);
            Vec::new()
        }
        Id::NextError => error(model, false, now),
        Id::PreviousError => error(model, true, now),
        Id::LogMark => {
            let size = model.log_size();
            if model.log.mark(size).is_none() {
                flash(
                    model,
                    now,
                    NoticeLevel::Warning,
                    "there are too many marks already",
                    None,
                );
            }
            Vec::new()
        }
        Id::NextMark => mark(model, false),
        Id::PreviousMark => mark(model, true),
        Id::LogCopy => copy(model, now),
        Id::LogCopyScreen => copy_screen(model, now),
        Id::LogSave => save(model, now),
        Id::SinceAll => {
            unbounded(model);
            to_end_of(model, true)
        }
        Id::SinceHead => {
            unbounded(model);
            scroll_to_top(model, true)
        }
        Id::SinceMinute => since(model, 1, now),
        Id::SinceFive => since(model, 5, now),
        Id::SinceQuarter => since(model, 15, now),
        Id::SinceHalf => since(model, 30, now),
        Id::SinceHour => since(model, 60, now),
        _ => return None,
    })
}

/// What a job's log needs, as an effect.
fn need(model: &Model, need: Need) -> Vec<Effect> {
    match (need, model.log.job) {
        (Need::Before(before), Some(job)) => vec![Effect::LogBefore {
            job,
            before,
            limit: LINES_A_PAGE,
        }],
        (Need::Follow, Some(job)) => vec![Effect::FollowLog(job)],
        _ => Vec::new(),
    }
}

/// Asks a question of the file or command that is open.
fn ask(model: &mut Model, ask: Ask) -> Vec<Effect> {
    let seq = model.new_seq();
    let sieve = model.log.sieve.clone();
    let Some(text) = model.log.text.as_mut().filter(|text| text.opened) else {
        return Vec::new();
    };
    text.halted = false;
    text.asking = Some(Asking {
        seq,
        ask: ask.clone(),
        looked: 0,
    });
    vec![Effect::ReadLog {
        id: text.id,
        seq,
        ask,
        sieve,
        floor: text.floor,
        limit: LINES_A_PAGE,
    }]
}

/// Asks for what is missing where one is.
fn wants(model: &mut Model) -> Vec<Effect> {
    let size = model.log_size();
    let (visible, following) = (model.log.visible(size), model.log.following());
    let wanted = model.log.text.as_ref().and_then(|text| text.want(visible, following));
    wanted.map_or_else(Vec::new, |wanted| ask(model, wanted))
}

/// Stops looking through a file; answers whether there was anything to stop.
pub(super) fn stop(model: &mut Model) -> bool {
    let looking = model.log.is_looking();
    if let (true, Some(text)) = (looking, &mut model.log.text) {
        text.asking = None;
        text.halted = true;
    }
    looking
}

pub(super) fn scroll(model: &mut Model, to: Move) -> Vec<Effect> {
    let size = model.log_size();
    let half = isize::try_from(size.1.max(2) / 2).unwrap_or(1);
    if let Some(text) = &mut model.log.text {
        text.halted = false;
    }
    let wanted = match to {
        Move::Rows(by) => model.log.scroll(by, size),
        Move::HalfPages(by) => model.log.scroll(by * half, size),
        Move::Top => return scroll_to_top(model, false),
        Move::Bottom => return to_end(model),
    };
    let mut effects = need(model, wanted);
    effects.extend(wants(model));
    effects
}

fn scroll_to_top(model: &mut Model, again: bool) -> Vec<Effect> {
    let size = model.log_size();
    model.log.hit = None;
    if again || model.log.text.as_ref().is_some_and(|text| !text.at_start()) {
        model.log.pause(size);
        return match model.log.text {
            Some(_) => ask(model, Ask::Head),
            None => scroll_to_top(model, false),
        };
    }
    let wanted = model.log.to_top(size);
    need(model, wanted)
}

/// To the newest line, and follows it.
pub(super) fn to_end(model: &mut Model) -> Vec<Effect> {
    to_end_of(model, false)
}

fn to_end_of(model: &mut Model, again: bool) -> Vec<Effect> {
    model.log.hit = None;
    let wanted = model.log.to_end();
    if again || model.log.text.as_ref().is_some_and(|text| !text.at_end()) {
        return match model.log.text {
            Some(_) => ask(model, Ask::Tail),
            None => need(model, wanted),
        };
    }
    need(model, wanted)
}

/// What is let through has changed: where one is stays, as far as it passes.
fn sifted(model: &mut Model) -> Vec<Effect> {
    let size = model.log_size();
    model.log.sift();
    if model.log.text.is_none() {
        return Vec::new();
    }
    if model.log.following() {
        return ask(model, Ask::Tail);
    }
    let (pos, _) = model.log.position(false, size);
    ask(model, Ask::Around(pos))
}

fn unbounded(model: &mut Model) {
    model.log.since = None;
    if let Some(text) = &mut model.log.text {
        text.floor = 0;
    }
    model.log.sift();
}

fn since(model: &mut Model, minutes: i64, now: &Now) -> Vec<Effect> {
    let at = now
        .wall
        .saturating_sub(SignedDuration::from_mins(minutes))
        .unwrap_or(now.wall);
    unbounded(model);
    model.log.since = Some(at);
    model.log.sift();
    let wanted = model.log.to_end();
    match model.log.text {
        Some(_) => ask(model, Ask::Since(at)),
        None => need(model, wanted),
    }
}

/// Goes to the next line with the searched text.
pub(super) fn search(model: &mut Model, back: bool, now: &Now) -> Vec<Effect> {
    let Some(pattern) = model.log.search.clone() else {
        return Vec::new();
    };
    if let Some(why) = pattern.wrong() {
        let text = format!(
            "{:?} is no regular expression ({why}): searched as it stands",
            pattern.text()
        );
        flash(model, now, NoticeLevel::Info, text, None);
    }
    let size = model.log_size();
    if model.log.text.is_some() {
        return find(model, back, Wanted::Text(pattern));
    }
    if !model.log.find_text(back, size) {
        let text = format!("{:?} is nowhere in the lines here", pattern.text());
        flash(model, now, NoticeLevel::Info, text, None);
    }
    Vec::new()
}

fn find(model: &mut Model, back: bool, what: Wanted) -> Vec<Effect> {
    let size = model.log_size();
    let (from, itself) = model.log.position(back, size);
    model.log.pause(size);
    ask(
        model,
        Ask::Find {
            from,
            itself,
            back,
            what,
        },
    )
}

fn error(model: &mut Model, back: bool, now: &Now) -> Vec<Effect> {
    let size = model.log_size();
    if model.log.text.is_some() {
        return find(model, back, Wanted::Level(Level::Error));
    }
    if !model.log.find(back, size, |row| row.level() >= Some(Level::Error)) {
        flash(
            model,
            now,
            NoticeLevel::Success,
            "there is no error in the lines here",
            None,
        );
    }
    Vec::new()
}

fn mark(model: &mut Model, back: bool) -> Vec<Effect> {
    let size = model.log_size();
    let Some(key) = model.log.next_mark(back, size) else {
        return Vec::new();
    };
    model.log.pause(size);
    match model.log.row_of(key) {
        Some(at) => model.log.go_to(at, size),
        None => {
            model.log.hit = Some(key);
            return ask(model, Ask::Around(u64::try_from(key).unwrap_or(0)));
        }
    }
    wants(model)
}

fn copied(model: &mut Model, lines: &[String], what: &str, now: &Now) -> Vec<Effect> {
    let effects = super::home::copy(model, lines.join("\n"), what, now);
    if effects.is_empty()
        && let Some(flash) = &mut model.flash
    {
        let key = model.settings.keymap.key_of(ActionId::LogSave);
        flash.hint = Some(format!("{key} writes the log into a file"));
    }
    effects
}

fn lines(count: usize) -> String {
    if count == 1 {
        "1 line".to_owned()
    } else {
        format!("{count} lines")
    }
}

fn copy(model: &mut Model, now: &Now) -> Vec<Effect> {
    if !model.log.marks.is_empty() {
        let marked: Vec<String> = model.log.marks.values().cloned().collect();
        let what = format!("{} marked", lines(marked.len()));
        return copied(model, &marked, &what, now);
    }
    let size = model.log_size();
    let row = model.log.pointed(size).and_then(|at| model.log.row(at));
    match row.map(|row| row.clean()) {
        Some(text) => copied(model, &[text], "1 line", now),
        None => Vec::new(),
    }
}

fn copy_screen(model: &mut Model, now: &Now) -> Vec<Effect> {
    let size = model.log_size();
    let (from, to) = model.log.visible(size);
    let rows: Vec<String> = (from..to)
        .filter_map(|at| model.log.row(at))
        .map(|row| row.clean())
        .collect();
    let what = lines(rows.len());
    copied(model, &rows, &what, now)
}

fn save(model: &mut Model, now: &Now) -> Vec<Effect> {
    let log = &model.log;
    let name = match (&log.text, log.job) {
        (Some(text), _) => match &text.target {
            LogTarget::File { path, .. } => path.rsplit('/').next().unwrap_or("log").to_owned(),
            LogTarget::Output { command, .. } => command.words().first().cloned().unwrap_or_default(),
        },
        (None, Some(job)) => format!("job-{job}"),
        (None, None) => return Vec::new(),
    };
    let effect = Effect::SaveLog {
        id: log.text.as_ref().map(|text| text.id),
        job: log.job,
        sieve: log.sieve.clone(),
        floor: log.text.as_ref().map_or(0, |text| text.floor),
        name,
    };
    flash(model, now, NoticeLevel::Info, "writing the log into a file…", None);
    vec![effect]
}

/// Opens a file or a command's output in the log pane.
pub(super) fn show(model: &mut Model, target: LogTarget) -> Vec<Effect> {
    open(model, target)
}

fn open(model: &mut Model, target: LogTarget) -> Vec<Effect> {
    let id = model.new_seq();
    model.log.open(TextLog::new(id, target.clone()));
    model.focus = Pane::Log;
    model.mark_dirty();
    resettle(model);
    vec![Effect::OpenLog { id, target }]
}

/// Opens the next of the files that are all there is.
pub(super) fn next_file(model: &mut Model) -> Vec<Effect> {
    let files = &mut model.settings.files;
    let several = files.len() > 1;
    let Some(target) = files.first().cloned() else {
        return Vec::new();
    };
    if model.log.text.is_some() && !several {
        return Vec::new();
    }
    files.rotate_left(1);
    open(model, target)
}

fn close(model: &mut Model) -> Vec<Effect> {
    model.log.text = None;
    match model.log.job {
        Some(job) => {
            model.log.follow(job);
            vec![Effect::FollowLog(job)]
        }
        None => vec![Effect::UnfollowLog],
    }
}
