//! The log's filters, and the question what to open.

use super::popup::{middle, over};
use super::{Pen, detail, text};
use crate::domain::SafeText;
use crate::domain::log::LogPlace;
use crate::tui::model::{LogFilters, LogPrompt};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use tui_input::Input;

/// A line in which something is typed, with the terminal's cursor in it.
fn field(pen: &Pen<'_>, label: &str, input: &Input, inside: Rect, line: u16, frame: &mut Frame<'_>) -> Line<'static> {
    let mut row = pen.row(inside.width);
    row.gap(1).text(label, pen.style(Token::Key)).gap(1);
    let start = usize::from(inside.width) - row.left();
    let room = row.left().saturating_sub(2);
    let scroll = input.visual_scroll(room.saturating_sub(1));
    let value = SafeText::new(input.value());
    row.cell(&text::skip(value.as_str(), scroll), room, pen.style(Token::FieldFocus));
    let column = start + input.visual_cursor().saturating_sub(scroll);
    let x = inside.x + u16::try_from(column).unwrap_or(0).min(inside.width.saturating_sub(1));
    if line < inside.height {
        frame.set_cursor_position(Position::new(x, inside.y + line));
    }
    row.line(Style::new())
}

pub(super) fn filters(pen: &Pen<'_>, filters: &LogFilters, frame: &mut Frame<'_>) {
    let rules = &pen.model.log.sieve.rules;
    let width = 76.min(frame.area().width);
    let wanted = u16::try_from(rules.len() + 7).unwrap_or(u16::MAX);
    let height = wanted.min(frame.area().height.saturating_sub(2)).max(5);
    let area = middle(frame, width, height);
    let bottom = "Enter adds  Tab on/off  Del removes  Ctrl-T all  Esc closes";
    let inside = over(pen, frame, area, "filters of the log", bottom, pen.style(Token::Popup));
    let dim = pen.style(Token::Dim);
    let mut lines = vec![field(pen, "+", &filters.input, inside, 0, frame)];
    let help = match &filters.odd {
        Some(odd) => (odd.clone(), pen.style(Token::Warning)),
        None => (
            "text keeps the lines with it, !text hides them; regular expressions".to_owned(),
            dim,
        ),
    };
    for part in detail::wrap(&help.0, usize::from(inside.width).saturating_sub(4)) {
        let mut row = pen.row(inside.width);
        row.gap(3).text(&part, help.1);
        lines.push(row.line(Style::new()));
    }
    let room = usize::from(inside.height).saturating_sub(lines.len());
    let first = filters.selected.saturating_sub(room.saturating_sub(1));
    for (at, rule) in rules.iter().enumerate().skip(first).take(room) {
        let mut row = pen.row(inside.width);
        let selected = at == filters.selected;
        let sign = if selected { pen.glyphs.selected } else { " " };
        row.text(sign, pen.style(Token::Key)).gap(1);
        let style = if rule.on { pen.style(Token::Text) } else { dim };
        row.cell(if rule.on { "on" } else { "off" }, 3, style);
        let (word, token) = if rule.hides {
            ("hides", Token::Warning)
        } else {
            ("keeps", Token::Good)
        };
        row.cell(word, 5, if rule.on { pen.style(token) } else { dim });
        row.text(SafeText::new(rule.pattern.text()).as_str(), style);
        let under = if selected {
            pen.style(Token::SelectedAway)
        } else {
            Style::new()
        };
        lines.push(row.line(under));
    }
    if rules.is_empty() && room > 1 {
        lines.push(Line::default());
        lines.push(Line::styled("   No filter lies on the log.", dim));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

pub(super) fn prompt(pen: &Pen<'_>, prompt: &LogPrompt, frame: &mut Frame<'_>) {
    let width = 84.min(frame.area().width);
    let area = middle(frame, width, 9.min(frame.area().height));
    let name = |place: &LogPlace| match place {
        LogPlace::Here => "this machine".to_owned(),
        LogPlace::Server { code, .. } => code.clone(),
    };
    let title = format!("open a log on {}", name(&prompt.place()));
    let bottom = match prompt.places.get(1) {
        Some(other) => format!("Enter opens  Tab on {}  Esc never mind", name(other)),
        None => "Enter opens  Esc never mind".to_owned(),
    };
    let inside = over(pen, frame, area, &title, &bottom, pen.style(Token::Popup));
    let dim = pen.style(Token::Dim);
    let mut lines = vec![
        Line::default(),
        field(pen, "path or !command", &prompt.input, inside, 1, frame),
        Line::default(),
    ];
    let (help, style) = match &prompt.wrong {
        Some(wrong) => (wrong.clone(), pen.style(Token::Bad)),
        None => (
            "A file that is followed, rotated or not; or what a command writes, such as \
             !journalctl -u odoo -f. No shell reads it: a pipe is a word like others."
                .to_owned(),
            dim,
        ),
    };
    for part in detail::wrap(&help, usize::from(inside.width).saturating_sub(2)) {
        let mut row = pen.row(inside.width);
        row.gap(1).text(&part, style);
        lines.push(row.line(Style::new()));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}
