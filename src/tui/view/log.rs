//! The log of a job: one row a step with its sign, duration and progress, and what it said.

use super::text::Row;
use super::{Pen, detail, log_text, text};
use crate::domain::job::{Job, JobState, LogLevel};
use crate::domain::log::Level;
use crate::tui::action::ActionId;
use crate::tui::model::{LogRow, LogShown, Pane, RowKind, took};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) fn draw(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let log = &pen.model.log;
    if let Some(open) = &log.text {
        return log_text::draw(pen, open, frame);
    }
    let job = log.job.and_then(|id| pen.model.store.job(id));
    let mut title = pen.name(Pane::Log, "3", "log");
    let dim = pen.style(Token::Dim);
    if let Some(id) = log.job {
        title.push(Span::styled(format!(" {} job {id}", pen.glyphs.dot), dim));
    }
    if let Some(job) = job {
        let (sign, token) = sign(pen, job);
        title.push(Span::styled(format!(" {} ", pen.glyphs.dot), dim));
        let state = job.waits().unwrap_or_else(|| job.state.word().to_owned());
        title.push(Span::styled(format!("{sign} {state} "), pen.style(token)));
        title.push(Span::styled(format!("{} ", pen.glyphs.dot), dim));
        title.push(Span::styled(job.title.to_string(), pen.style(Token::Text)));
    }
    let area = pen.layout.log;
    let right = if log.job.is_some() {
        position(pen, job)
    } else {
        String::new()
    };
    let inside = pen.pane(frame, area, Some(Pane::Log), title, &right);
    let Some(_) = log.job else {
        let none = if pen.model.store.read_at.is_some() {
            " No job has run yet. Its log will be here, as it is written."
        } else {
            " Which jobs there are was not read yet."
        };
        let lines = vec![
            Line::styled(none, dim),
            pen.press(ActionId::JobsList, "shows all jobs"),
            pen.press(
                ActionId::LogOpen,
                "opens a file, a server's log, or what a command writes",
            ),
        ];
        detail::sentences(pen, frame, inside, lines);
        return;
    };
    if log.is_empty() {
        let waits = job.is_some_and(|job| job.state == JobState::Queued);
        let text = match (waits, pen.model.store.workers) {
            _ if !log.rows().is_empty() => " Nothing here passes the filters: & shows them, L the level, 0 all times.",
            (true, 0) => " It waits for a worker, and none is alive: `vigie worker` starts one.",
            (true, _) => " It waits for a worker.",
            (false, _) => " Nothing in the log yet.",
        };
        detail::sentences(pen, frame, inside, vec![Line::styled(text, dim)]);
        return;
    }
    rows(pen, frame, inside, |shown, pointed| match shown {
        LogShown::Job(row) => line(pen, row, job, inside, pointed),
        LogShown::Text(row) => log_text::lines(pen, row, false, inside, pointed),
    });
}

/// The rows on the screen, each as the lines that it takes.
pub(super) fn rows<'a>(
    pen: &Pen<'a>,
    frame: &mut Frame<'_>,
    inside: Rect,
    draw: impl Fn(LogShown<'a>, bool) -> Vec<Line<'static>>,
) {
    let log = &pen.model.log;
    let size = (usize::from(inside.width).max(1), usize::from(inside.height).max(1));
    let (top, within) = log.top(size);
    let mut lines: Vec<Line<'static>> = Vec::with_capacity(size.1);
    let pointed = if pen.model.focus == Pane::Log && (!log.following() || log.hit.is_some()) {
        log.pointed(size)
    } else {
        None
    };
    let mut at = top;
    while lines.len() < size.1 {
        let Some(row) = log.row(at) else { break };
        let skip = if at == top { within } else { 0 };
        lines.extend(draw(row, pointed == Some(at)).into_iter().skip(skip));
        at += 1;
    }
    lines.truncate(size.1);
    frame.render_widget(Paragraph::new(lines), inside);
}

/// The sign before a row: marked, pointed at, or nothing.
pub(super) fn gutter(pen: &Pen<'_>, row: &mut Row, key: i64, pointed: bool, other: &'static str) {
    let (sign, token) = match (pen.model.log.marks.contains_key(&key), pointed) {
        (true, true) => (pen.glyphs.good, Token::Focus),
        (true, false) => (pen.glyphs.good, Token::Match),
        (false, true) => (pen.glyphs.selected, Token::Focus),
        (false, false) => (other, Token::Dim),
    };
    row.text(sign, pen.style(token));
}

/// A time, as times are shown now.
pub(super) fn time(pen: &Pen<'_>, at: jiff::Timestamp, sure: bool, columns: usize) -> String {
    use crate::tui::model::TimeMode;
    let format = match columns {
        18.. => "%m-%d %H:%M:%S%.3f",
        12.. => "%H:%M:%S%.3f",
        _ => "%H:%M:%S",
    };
    match pen.model.log.time {
        TimeMode::Relative => crate::tui::model::age(at, pen.now),
        // Whose zone nobody knows, is shown as it was written.
        TimeMode::Local if sure => at.to_zoned(pen.now.tz.clone()).strftime(format).to_string(),
        TimeMode::Local | TimeMode::Utc => at.strftime(format).to_string(),
        TimeMode::Written => String::new(),
    }
}

fn sign(pen: &Pen<'_>, job: &Job) -> (&'static str, Token) {
    match job.state {
        state if !state.is_over() && job.waits_for_key.is_some() => (pen.glyphs.waiting, Token::Warning),
        JobState::Queued => (pen.glyphs.waiting, Token::Dim),
        JobState::Running => (pen.spinner(), Token::Info),
        JobState::Undoing => (pen.spinner(), Token::Warning),
        JobState::Done => (pen.glyphs.done, Token::Good),
        JobState::Failed | JobState::Stuck => (pen.glyphs.failed, Token::Bad),
        JobState::Cancelled => (pen.glyphs.warning, Token::Warning),
    }
}

/// What hides lines, and how times are shown, where that isn't as usual.
pub(super) fn lens(pen: &Pen<'_>) -> String {
    use crate::tui::model::TimeMode;
    let log = &pen.model.log;
    let mut parts: Vec<String> = Vec::new();
    let on = log.sieve.rules.iter().filter(|rule| rule.on).count();
    match on {
        0 => {}
        1 => parts.push("1 filter".to_owned()),
        n => parts.push(format!("{n} filters")),
    }
    match log.sieve.level {
        None => {}
        Some(level) => parts.push(format!("{} and worse", level.word())),
    }
    if log.sieve.context > 0 && !log.sieve.is_open() {
        parts.push(format!("{} around", log.sieve.context));
    }
    if let Some(since) = log.since {
        parts.push(format!("since {}", crate::tui::model::when(since, pen.now)));
    }
    if !matches!(log.time, TimeMode::Local | TimeMode::Written) {
        parts.push(log.time.word().to_owned());
    }
    if !log.marks.is_empty() {
        parts.push(format!("{} marked", log.marks.len()));
    }
    if log.left > 0 {
        parts.push(format!("column {}", log.left));
    }
    parts.join(", ")
}

/// Whether it follows, how much is new, what is searched for.
fn position(pen: &Pen<'_>, job: Option<&Job>) -> String {
    let log = &pen.model.log;
    let mut parts: Vec<String> = Vec::new();
    if let Some(search) = &log.search {
        let text = crate::domain::SafeText::new(search.text());
        parts.push(format!("/{text} ({})", log.matches()));
    } else if log.older() > 0 && !log.following() && log.top(pen.model.log_size()).0 == 0 {
        parts.push(format!("{} older lines", log.older()));
    }
    parts.push(lens(pen));
    let running = job.is_some_and(|job| !job.state.is_over());
    parts.push(match (log.following(), running) {
        (true, true) => "following".to_owned(),
        (true, false) => "end".to_owned(),
        (false, _) if log.unseen > 0 => format!("{} new lines, End follows", log.unseen),
        (false, _) => "scrolled up, End follows".to_owned(),
    });
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

fn line(pen: &Pen<'_>, entry: &LogRow, job: Option<&Job>, inside: Rect, pointed: bool) -> Vec<Line<'static>> {
    let log = &pen.model.log;
    let dim = pen.style(Token::Dim);
    let mut row = pen.row(inside.width);
    if let RowKind::Gap(missing) = entry.kind {
        row.text(
            &format!(" {} {missing} lines more in the log {}", pen.glyphs.cut, pen.glyphs.cut),
            dim,
        );
        return vec![row.line(Style::new())];
    }
    let wide = inside.width >= 70;
    gutter(pen, &mut row, entry.seq, pointed, " ");
    let columns = log.time_columns(usize::from(inside.width));
    if columns > 0 {
        row.cell(&time(pen, entry.at, true, columns), columns, dim).gap(1);
    }
    let (sign, token) = match entry.kind {
        RowKind::Begun if job.is_some_and(|job| job.state.is_over()) => (pen.glyphs.waiting, Token::Dim),
        RowKind::Begun => (pen.spinner(), Token::Info),
        RowKind::Done => (pen.glyphs.done, Token::Good),
        RowKind::Failed => (pen.glyphs.failed, Token::Bad),
        RowKind::Said(LogLevel::Error) => (pen.glyphs.failed, Token::Bad),
        RowKind::Said(LogLevel::Warning) => (pen.glyphs.warning, Token::Warning),
        RowKind::Said(LogLevel::Success) => (pen.glyphs.done, Token::Good),
        _ => (" ", Token::Text),
    };
    row.text(sign, pen.style(token)).gap(1);
    let hit = pen.style(if log.hit == Some(entry.seq) {
        Token::Selected
    } else {
        Token::Match
    });
    let search = log.search.as_ref();
    let is_step = matches!(entry.kind, RowKind::Begun | RowKind::Done | RowKind::Failed);
    if let (true, Some(step)) = (is_step, entry.step) {
        let steps = job.map(|job| &job.steps);
        let all = steps.map_or(0, Vec::len);
        let title = steps.and_then(|steps| steps.get(step)).map(|s| s.planned.title.clone());
        let number = format!("{}/{all}", step + 1);
        row.cell(&number, 5, dim);
        let said = entry.text.as_str();
        let (head, rest) = match &title {
            Some(title) if said.starts_with(title.as_str()) => {
                (title.as_str(), said[title.len()..].trim_start_matches([':', ' ']))
            }
            _ => (said, ""),
        };
        let note = match (&title, entry.note.as_str()) {
            (_, "") => rest,
            (Some(title), note) => note
                .strip_prefix(title.as_str())
                .map_or(note, |rest| rest.trim_start_matches([':', ' '])),
            (None, note) => note,
        };
        let note = if note.is_empty() { rest } else { note };
        let column = if wide { 24 } else { 16 };
        let style = pen.style(if entry.kind == RowKind::Done {
            Token::Text
        } else {
            Token::Strong
        });
        if rest.is_empty() && text::width(head) > column {
            row.searched(head, style, search, hit).gap(2);
        } else {
            row.cell(head, column, style);
        }
        if let Some(ms) = entry.took_ms {
            row.right(&took(ms), 9, dim).gap(1);
        } else if entry.progress.is_none() {
            row.gap(if wide { 11 } else { 1 });
        }
        let at_work = entry.kind == RowKind::Begun && job.is_none_or(|job| !job.state.is_over());
        if let (Some((done, total)), true) = (entry.progress, at_work) {
            let share = done as f64 / total.max(1) as f64;
            let columns = 20.min(row.left() / 3);
            pen.bar(&mut row, columns, share, pen.style(Token::Info));
            row.gap(1)
                .text(&format!("{:.0}%  ", share * 100.0), pen.style(Token::Info));
        }
        row.searched(note, dim, search, hit);
        return vec![row.line(Style::new())];
    }
    let style = match (entry.kind, entry.level()) {
        (RowKind::Said(_) | RowKind::Output | RowKind::ErrorOutput, Some(Level::Error | Level::Critical)) => {
            pen.style(Token::Bad)
        }
        (RowKind::Said(_) | RowKind::Output, Some(Level::Warning)) => pen.style(Token::Warning),
        (RowKind::Output, _) => dim,
        (RowKind::ErrorOutput, _) => pen.style(Token::Warning),
        _ => pen.style(Token::Text),
    };
    if entry.step.is_some() {
        row.gap(6);
    }
    let said = entry.text.as_str();
    if log.wrap {
        let prefix = log.prefix(LogShown::Job(entry), usize::from(inside.width));
        return log_text::wrapped(pen, row, said, prefix, inside, style, hit);
    }
    let text = text::skip(said, log.left);
    row.searched(&text, style, search, hit);
    vec![row.line(Style::new())]
}
