//! A file, or what a command writes: its lines with their times and levels.

use super::log::{gutter, lens, rows, time};
use super::text::Row;
use super::{Pen, detail, text};
use crate::domain::log::{Level, LogTarget, TextRow};
use crate::tui::action::ActionId;
use crate::tui::model::{LogShown, Pane, TextLog, wrap};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

pub(super) fn draw(pen: &Pen<'_>, open: &TextLog, frame: &mut Frame<'_>) {
    let dim = pen.style(Token::Dim);
    let mut title = pen.name(Pane::Log, "3", "log");
    title.push(Span::styled(format!(" {} ", pen.glyphs.dot), dim));
    title.push(Span::styled(open.title.to_string(), pen.style(Token::Text)));
    let right = position(pen, open);
    let inside = pen.pane(frame, pen.layout.log, Some(Pane::Log), title, &right);
    if let Some(problem) = &open.problem {
        let mut lines = vec![Line::styled(
            format!(" {} {}", pen.glyphs.bad, problem.message),
            pen.style(Token::Bad),
        )];
        if let Some(hint) = &problem.hint {
            lines.push(Line::styled(format!("   {hint}"), pen.style(Token::Text)));
        }
        lines.push(pen.press(ActionId::LogOpen, "opens something else"));
        if !pen.model.only_log {
            lines.push(pen.press(ActionId::LogClose, "goes back to the job's log"));
        }
        return detail::sentences(pen, frame, inside, lines);
    }
    if open.rows().is_empty() {
        let words = match (open.opened, looking(open)) {
            (false, _) => " Opening it …".to_owned(),
            (true, Some(share)) => format!(" Looking for lines that pass: {share} …"),
            (true, None) if !open.is_loaded() => " Reading it …".to_owned(),
            (true, None) if pen.model.log.since.is_some() => " Nothing was written since then: 0 shows all.".to_owned(),
            (true, None) if !pen.model.log.sieve.is_open() => {
                " Nothing in it passes the filters: & shows them, L the level.".to_owned()
            }
            (true, None) if matches!(open.target, LogTarget::Output { .. }) => match &open.status.over {
                Some(over) => format!(" It wrote nothing: {over}"),
                None => " It has written nothing yet.".to_owned(),
            },
            (true, None) => " It is empty. What is written to it will be here.".to_owned(),
        };
        return detail::sentences(pen, frame, inside, vec![Line::styled(words, dim)]);
    }
    // Without lines around them, nearly every line follows a gap.
    let filtered = !pen.model.log.sieve.is_open() && pen.model.log.sieve.context > 0;
    rows(pen, frame, inside, |shown, pointed| match shown {
        LogShown::Text(row) => lines(pen, row, filtered && follows_a_gap(open, row), inside, pointed),
        LogShown::Job(_) => Vec::new(),
    });
}

/// Whether lines are hidden between a row and the one above it.
fn follows_a_gap(open: &TextLog, row: &TextRow) -> bool {
    let at = open.find(row.pos);
    let above = at.checked_sub(1).and_then(|at| open.rows().get(at));
    above.is_some_and(|above| above.end != row.pos)
}

/// How far a long look has come.
fn looking(open: &TextLog) -> Option<String> {
    let asking = open.asking.as_ref().filter(|asking| asking.looked > 0)?;
    let all = open.status.end.saturating_sub(open.status.start).max(1);
    Some(format!("{} %", (asking.looked * 100 / all).min(100)))
}

/// A number as it is read: `10,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn position(pen: &Pen<'_>, open: &TextLog) -> String {
    let log = &pen.model.log;
    let narrow = pen.layout.log.width < 90;
    let mut parts: Vec<String> = Vec::new();
    if let Some(search) = &log.search {
        parts.push(format!("/{}", crate::domain::SafeText::new(search.text())));
    }
    parts.push(lens(pen));
    if open.status.dropped > 0 {
        parts.push(format!("dropped {}", grouped(open.status.dropped)));
    }
    if let Some(share) = looking(open) {
        parts.push(format!("looking {share}, Ctrl-C stops"));
    }
    let (_, below) = log.visible(pen.model.log_size());
    if let Some(last) = below.checked_sub(1)
        && !narrow
    {
        let counted = open.status.counted >= open.status.end && open.status.end > 0;
        let number = open.line.filter(|_| log.sieve.is_open()).map(|line| line + last as u64);
        match (number, open.percent(last)) {
            (Some(number), _) if counted => {
                parts.push(format!(
                    "line {} of {}",
                    grouped(number),
                    grouped(open.status.lines.max(number))
                ));
            }
            (_, Some(percent)) => parts.push(format!("{percent} %")),
            _ => {}
        }
    }
    let new = log.new_lines();
    parts.push(match (&open.status.over, log.following(), new) {
        (Some(over), true, _) => over.to_string(),
        (None, true, _) if open.problem.is_none() => "following".to_owned(),
        (None, true, _) => String::new(),
        (_, false, 0) if narrow => "End follows".to_owned(),
        (_, false, 0) => "scrolled up, End follows".to_owned(),
        (_, false, 1) => "1 new line, End follows".to_owned(),
        (_, false, new) => format!("{} new lines, End follows", grouped(new)),
    });
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

fn style(pen: &Pen<'_>, row: &TextRow) -> Style {
    if row.text.as_str().starts_with("── the file was ") {
        return pen.style(Token::Info);
    }
    pen.style(match row.level {
        _ if row.context => Token::Dim,
        Some(Level::Critical | Level::Error) => Token::Bad,
        Some(Level::Warning) => Token::Warning,
        Some(Level::Debug) => Token::Dim,
        Some(Level::Info) | None => Token::Text,
    })
}

/// The lines that a row takes.
pub(super) fn lines(pen: &Pen<'_>, entry: &TextRow, gap: bool, inside: Rect, pointed: bool) -> Vec<Line<'static>> {
    let log = &pen.model.log;
    let shown = LogShown::Text(entry);
    let mut row = pen.row(inside.width);
    gutter(
        pen,
        &mut row,
        shown.key(),
        pointed,
        if gap { pen.glyphs.cut } else { " " },
    );
    let columns = log.time_columns(usize::from(inside.width));
    if columns > 0 {
        let dim = pen.style(Token::Dim);
        let text = entry.stamp.map(|stamp| time(pen, stamp.at, stamp.sure, columns));
        row.cell(&text.unwrap_or_default(), columns, dim);
    }
    let style = style(pen, entry);
    let hit = pen.style(if log.hit == Some(shown.key()) {
        Token::Selected
    } else {
        Token::Match
    });
    let body = shown.body(log.time);
    if log.wrap {
        let prefix = log.prefix(shown, usize::from(inside.width));
        return wrapped(pen, row, body, prefix, inside, style, hit);
    }
    let text = text::skip(body, log.left);
    row.searched(&text, style, log.search.as_ref(), hit);
    vec![row.line(Style::new())]
}

/// A text over as many lines as it needs, the first behind what stands in `row` already.
pub(super) fn wrapped(
    pen: &Pen<'_>,
    first: Row,
    body: &str,
    prefix: usize,
    inside: Rect,
    style: Style,
    hit: Style,
) -> Vec<Line<'static>> {
    let room = usize::from(inside.width).saturating_sub(prefix);
    let search = pen.model.log.search.as_ref();
    let hits = search.map(|search| search.hits(body)).unwrap_or_default();
    let mut first = Some(first);
    let mut out = Vec::new();
    for part in wrap(body, room) {
        let mut row = first.take().unwrap_or_else(|| {
            let mut row = pen.row(inside.width);
            row.gap(prefix);
            row
        });
        let here: Vec<std::ops::Range<usize>> = hits
            .iter()
            .filter(|hit| hit.start < part.end && hit.end > part.start)
            .map(|hit| hit.start.max(part.start) - part.start..hit.end.min(part.end) - part.start)
            .collect();
        row.with_hits(body.get(part).unwrap_or_default(), style, &here, hit);
        out.push(row.line(Style::new()));
    }
    out
}
