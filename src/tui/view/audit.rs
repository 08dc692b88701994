//! What is particular to the list of what happened.

use super::Pen;
use crate::domain::SafeText;
use crate::domain::audit::AuditEntry;
use crate::tui::action::ActionId;
use crate::tui::model::{ListId, Now};
use crate::tui::theme::Token;
use ratatui::text::Line;

/// A time in so many columns: of today its time, else its date.
pub(super) fn when(row: &AuditEntry, columns: usize, now: &Now) -> String {
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

/// The sign before what happened, and how it is meant: not by colour alone, what was refused, or done
/// past vigie.
pub(super) fn sign(pen: &Pen<'_>, entry: &AuditEntry) -> (&'static str, Token) {
    match entry {
        entry if entry.refused.is_some() => (pen.glyphs.bad, Token::Bad),
        entry if entry.actor.via == "sql" => (pen.glyphs.warning, Token::Warning),
        _ => (" ", Token::Strong),
    }
}

/// How many rows stand there while older ones were not read.
pub(super) fn count(pen: &Pen<'_>) -> String {
    let (lists, store) = (&pen.model.lists, &pen.model.store);
    match lists.shown(ListId::Audit).filter.text() {
        "" => format!("{}+", store.audit().len()),
        filter => format!("{}+  /{}", lists.len(ListId::Audit, store), SafeText::new(filter)),
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
    let filter = &pen.model.lists.shown(ListId::Audit).filter;
    if !filter.is_empty() {
        let filter = SafeText::new(filter.text());
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
