//! The list of what happened. Only visible rows are made.

use super::Pen;
use crate::domain::SafeText;
use crate::domain::audit::AuditEntry;
use crate::tui::action::{ActionId, Place};
use crate::tui::model::{Now, Pane};
use crate::tui::theme::Token;
use ratatui::text::Line;

/// Columns, by what fits; 0: not shown.
struct Columns {
    when: usize,
    who: usize,
    what: usize,
    on: usize,
    change: usize,
}

impl Columns {
    fn of(width: u16) -> Self {
        let width = usize::from(width);
        let (when, who, what, on) = match width {
            0..=44 => (5, 0, 18, width.saturating_sub(28)),
            45..=69 => (8, 8, 19, width.saturating_sub(41)),
            70..=99 => (11, 12, 20, 14),
            100..=139 => (11, 18, 22, 18),
            _ => (11, 28, 22, 26),
        };
        let taken = [when, who, what, on]
            .iter()
            .map(|c| if *c > 0 { c + 1 } else { 0 })
            .sum::<usize>();
        let left = width.saturating_sub(2 + taken);
        Self {
            when,
            who,
            what,
            on,
            change: if left >= 12 { left } else { 0 },
        }
    }
}

/// A time in so many columns: of today its time, else its date.
fn when(row: &AuditEntry, columns: usize, now: &Now) -> String {
    let (then, today) = (row.at.to_zoned(now.tz.clone()), now.wall.to_zoned(now.tz.clone()));
    let format = match (then.date() == today.date(), columns) {
        (true, 0..=7) => "%H:%M",
        (true, _) => "%H:%M:%S",
        (false, 0..=10) => "%m-%d",
        (false, _) if then.year() == today.year() => "%m-%d %H:%M",
        (false, _) => "%Y-%m-%d",
    };
    then.strftime(format).to_string()
}

/// The heading, and the visible rows.
pub(super) fn lines(pen: &Pen<'_>, width: u16, heading: bool, rows: usize) -> Vec<Line<'static>> {
    let list = &pen.model.lists.audit;
    let columns = Columns::of(width);
    let mut lines = Vec::with_capacity(rows + 1);
    if heading {
        let dim = pen.style(Token::Dim);
        let mut row = pen.row(width);
        row.gap(2).cell("when", columns.when, dim);
        if columns.who > 0 {
            row.cell("who", columns.who, dim);
        }
        row.cell("  what", columns.what, dim).cell("on", columns.on, dim);
        if columns.change > 0 {
            row.text("from → to", dim);
        }
        lines.push(row.line(dim));
    }
    let visible = list.shown().skip(list.state.offset).take(rows);
    lines.extend(visible.map(|entry| line(pen, entry, &columns, width)));
    lines
}

fn line(pen: &Pen<'_>, entry: &AuditEntry, columns: &Columns, width: u16) -> Line<'static> {
    let lists = &pen.model.lists;
    let (under, sign) = pen.under(Pane::List, lists.audit.state.selected == Some(entry.id));
    let (filter, hit) = (lists.filter(Place::Audit), pen.style(Token::Match));
    let (text, dim) = (pen.style(Token::Text), pen.style(Token::Dim));
    // Not by colour alone: a sign before what was refused, or done past vigie.
    let (glyph, token) = match entry {
        entry if entry.refused.is_some() => (pen.glyphs.bad, Token::Bad),
        entry if entry.actor.via == "sql" => (pen.glyphs.warning, Token::Warning),
        _ => (" ", Token::Strong),
    };
    let safe = |text: &str| SafeText::new(text).to_string();
    let mut row = pen.row(width);
    row.text(sign, pen.style(Token::Accent)).gap(1);
    row.cell(&when(entry, columns.when, pen.now), columns.when, dim);
    if columns.who > 0 {
        // Where it is narrow, who matters more than from where.
        let who = match columns.who {
            0..=12 => entry.actor.os_user.clone(),
            _ => entry.who(),
        };
        row.found(&safe(&who), columns.who, text, filter, hit);
    }
    row.text(glyph, pen.style(token)).gap(1);
    row.found(
        &safe(&entry.action),
        columns.what.saturating_sub(2),
        pen.style(token),
        filter,
        hit,
    );
    row.found(&safe(&entry.label), columns.on, text, filter, hit);
    if columns.change > 0 {
        let style = if entry.refused.is_some() {
            pen.style(token)
        } else {
            text
        };
        row.found(&safe(&entry.change()), columns.change, style, filter, hit);
    }
    row.line(under)
}

/// How many rows stand there, and whether there are older ones.
pub(super) fn count(pen: &Pen<'_>) -> String {
    let list = &pen.model.lists.audit;
    let more = if list.has_more() { "+" } else { "" };
    match list.state.filter.text() {
        "" => format!("{}{more}", list.len()),
        filter => format!("{}{more}  /{filter}", list.shown().len()),
    }
}

/// Its title.
pub(super) fn title(pen: &Pen<'_>) -> String {
    match &pen.model.lists.audit.object {
        Some((_, label)) => format!("what happened to {}", SafeText::new(label)),
        None => "what happened".to_owned(),
    }
}

/// In place of rows.
pub(super) fn nothing(pen: &Pen<'_>) -> Vec<Line<'static>> {
    let list = &pen.model.lists.audit;
    let dim = pen.style(Token::Dim);
    if !list.is_read() {
        return vec![Line::styled(" Reading…", dim)];
    }
    if !list.state.filter.is_empty() {
        let filter = SafeText::new(list.state.filter.text());
        return vec![
            Line::styled(format!(" Nothing that happened passes /{filter}"), dim),
            pen.press(ActionId::Back, "clears the filter"),
        ];
    }
    if list.object.is_some() {
        return vec![
            Line::styled(" Nothing is written down about it.", dim),
            pen.press(ActionId::Back, "shows what happened to everything"),
        ];
    }
    vec![Line::styled(" Nothing happened yet.", dim)]
}
