//! The log of a job: one row a step with its sign, duration and progress, and what it said.

use super::{Pen, detail, text};
use crate::domain::job::{Job, JobState, LogLevel};
use crate::tui::action::ActionId;
use crate::tui::model::{LogRow, Pane, RowKind, took};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) fn draw(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let log = &pen.model.log;
    let job = log.job.and_then(|id| pen.model.store.job(id));
    let mut title = pen.name(Pane::Log, "3", "log");
    let dim = pen.style(Token::Dim);
    if let Some(id) = log.job {
        title.push(Span::styled(format!(" {} job {id}", pen.glyphs.dot), dim));
    }
    if let Some(job) = job {
        let (sign, token) = sign(pen, job);
        title.push(Span::styled(format!(" {} ", pen.glyphs.dot), dim));
        title.push(Span::styled(format!("{sign} {} ", job.state.word()), pen.style(token)));
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
        let lines = vec![
            Line::styled(" No job has run yet. Its log will be here, as it is written.", dim),
            pen.press(ActionId::JobsList, "shows all jobs"),
        ];
        detail::sentences(pen, frame, inside, lines);
        return;
    };
    if log.rows().is_empty() {
        let waits = job.is_some_and(|job| job.state == JobState::Queued);
        let text = match (waits, pen.model.store.workers) {
            (true, 0) => " It waits for a worker, and none is alive: `vigie worker` starts one.",
            (true, _) => " It waits for a worker.",
            (false, _) => " Nothing in the log yet.",
        };
        detail::sentences(pen, frame, inside, vec![Line::styled(text, dim)]);
        return;
    }
    let height = usize::from(inside.height);
    let top = log.top_row(height);
    let lines: Vec<Line<'static>> = log
        .rows()
        .iter()
        .skip(top)
        .take(height)
        .map(|row| line(pen, row, job, inside))
        .collect();
    frame.render_widget(Paragraph::new(lines), inside);
}

fn sign(pen: &Pen<'_>, job: &Job) -> (&'static str, Token) {
    match job.state {
        JobState::Queued => (pen.glyphs.waiting, Token::Dim),
        JobState::Running => (pen.spinner(), Token::Info),
        JobState::Undoing => (pen.spinner(), Token::Warning),
        JobState::Done => (pen.glyphs.done, Token::Good),
        JobState::Failed | JobState::Stuck => (pen.glyphs.failed, Token::Bad),
        JobState::Cancelled => (pen.glyphs.warning, Token::Warning),
    }
}

/// Whether it follows, how much is new, what is searched for.
fn position(pen: &Pen<'_>, job: Option<&Job>) -> String {
    let log = &pen.model.log;
    let mut out = String::new();
    if log.older() > 0 && log.top_row(1) == 0 {
        out = format!("{} older lines  ", log.older());
    }
    if !log.search.is_empty() {
        let found = log.matches();
        out = format!("/{} ({found})  ", crate::domain::SafeText::new(&log.search));
    }
    let running = job.is_some_and(|job| !job.state.is_over());
    let here = if log.following() {
        if running {
            "following".to_owned()
        } else {
            "end".to_owned()
        }
    } else if log.unseen > 0 {
        format!("{} new lines, End follows", log.unseen)
    } else {
        "scrolled up, End follows".to_owned()
    };
    if log.left > 0 {
        out.push_str(&format!("column {}  ", log.left));
    }
    out + &here
}

fn line(pen: &Pen<'_>, entry: &LogRow, job: Option<&Job>, inside: Rect) -> Line<'static> {
    let dim = pen.style(Token::Dim);
    let mut row = pen.row(inside.width);
    if let RowKind::Gap(missing) = entry.kind {
        row.text(
            &format!(" {} {missing} lines more in the log {}", pen.glyphs.cut, pen.glyphs.cut),
            dim,
        );
        return row.line(Style::new());
    }
    let wide = inside.width >= 70;
    let format = if wide { "%H:%M:%S%.3f" } else { "%H:%M:%S" };
    let time = entry.at.to_zoned(pen.now.tz.clone()).strftime(format).to_string();
    row.gap(1).text(&time, dim).gap(2);
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
    let hit = pen.style(if pen.model.log.hit == Some(entry.seq) {
        Token::Selected
    } else {
        Token::Match
    });
    let search = &pen.model.log.search;
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
        return row.line(Style::new());
    }
    let style = match entry.kind {
        RowKind::Output => dim,
        RowKind::ErrorOutput => pen.style(Token::Warning),
        RowKind::Said(LogLevel::Error) => pen.style(Token::Bad),
        RowKind::Said(LogLevel::Warning) => pen.style(Token::Warning),
        _ => pen.style(Token::Text),
    };
    if entry.step.is_some() {
        row.gap(6);
    }
    let text = text::skip(entry.text.as_str(), pen.model.log.left);
    row.searched(&text, style, search, hit);
    row.line(Style::new())
}
