//! A command of the operator's own before it runs: what it asks, and exactly what will run.

use super::form::{buttons, ways};
use super::popup::{middle, over};
use super::{Pen, detail, text};
use crate::domain::SafeText;
use crate::domain::command::{Kind, Typed};
use crate::tui::model::{Button, CommandDialog};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// Targets whose command is shown; of the others, how many.
const SHOWN: usize = 5;

pub(super) fn draw(pen: &Pen<'_>, dialog: &CommandDialog, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let width = 84.min(screen.width);
    let inner = width.saturating_sub(2);
    let columns = usize::from(inner).saturating_sub(4);
    let mut lines: Vec<Line<'static>> = Vec::new();
    let mut cursor = None;
    let put = |lines: &mut Vec<Line<'static>>, words: &str, style: Style| {
        for part in detail::wrap(words, columns) {
            let mut row = pen.row(inner);
            row.gap(2).text(&part, style);
            lines.push(row.line(Style::new()));
        }
    };
    if !dialog.command.help.as_str().is_empty() {
        put(&mut lines, dialog.command.help.as_str(), pen.style(Token::Text));
    }
    let label = dialog
        .fields
        .iter()
        .map(|field| text::width(field.ask.label()))
        .max()
        .unwrap_or(0);
    for (at, field) in dialog.fields.iter().enumerate() {
        let focus = at == dialog.at;
        let mut row = pen.row(inner);
        let name = SafeText::new(field.ask.label());
        row.gap(2)
            .cell(
                name.as_str(),
                label.min(columns / 2),
                pen.style(if focus { Token::Key } else { Token::Text }),
            )
            .gap(1);
        let start = usize::from(inner) - row.left();
        let room = row.left().saturating_sub(2);
        let style = pen.style(if focus { Token::FieldFocus } else { Token::Field });
        match field.ask.kind {
            Kind::Choice | Kind::YesNo => {
                let shown = format!("‹ {} ›", SafeText::new(field.input.value()));
                row.text(if focus { &shown } else { field.input.value() }, style);
            }
            Kind::Text | Kind::Number => {
                let scroll = field.input.visual_scroll(room.saturating_sub(1));
                let value = SafeText::new(field.input.value());
                row.cell(&text::skip(value.as_str(), scroll), room, style);
                if focus {
                    cursor = Some((start + field.input.visual_cursor().saturating_sub(scroll), lines.len()));
                }
            }
        }
        lines.push(row.line(Style::new()));
    }
    lines.push(Line::raw(""));
    let built = dialog.built();
    match &built {
        Ok(all) => {
            put(&mut lines, "This will run:", pen.style(Token::Dim));
            for argv in all.iter().take(SHOWN) {
                let typed = SafeText::new(&Typed(argv).to_string());
                put(&mut lines, typed.as_str(), pen.style(Token::Strong));
            }
            if all.len() > SHOWN {
                put(
                    &mut lines,
                    &format!("and {} more", all.len() - SHOWN),
                    pen.style(Token::Dim),
                );
            }
        }
        Err(why) => put(
            &mut lines,
            SafeText::new(&format!("{} {why}", pen.glyphs.bad)).as_str(),
            pen.style(Token::Bad),
        ),
    }
    if dialog.command.changes {
        put(&mut lines, "It changes something.", pen.style(Token::Warning));
    }
    let height = u16::try_from(lines.len() + 4).unwrap_or(u16::MAX).min(screen.height);
    let area = middle(frame, width, height);
    let title = match dialog.targets.as_slice() {
        [(_, label, _)] if label.is_empty() => dialog.command.name.clone(),
        [(_, label, _)] => format!("{} · {label}", dialog.command.name),
        all => format!("{} · {} selected", dialog.command.name, all.len()),
    };
    let title = SafeText::new(&title);
    let style = pen.style(if dialog.command.changes {
        Token::Bad
    } else {
        Token::Popup
    });
    let inside = over(pen, frame, area, title.as_str(), ways(area.width), style);
    if inside.is_empty() {
        return;
    }
    let body = inside.height.saturating_sub(1);
    // Where not all fits, the field in the focus stays in sight.
    let room = usize::from(body);
    let row = cursor.map_or(dialog.at, |(_, row)| row);
    let top = (row + 1).saturating_sub(room).min(lines.len().saturating_sub(room));
    let shown: Vec<Line<'static>> = lines.into_iter().skip(top).take(room).collect();
    frame.render_widget(Paragraph::new(shown), Rect { height: body, ..inside });
    if let Some((column, row)) = cursor {
        let x = inside.x + u16::try_from(column).unwrap_or(0).min(inside.width.saturating_sub(1));
        let y = inside.y
            + u16::try_from(row.saturating_sub(top))
                .unwrap_or(0)
                .min(body.saturating_sub(1));
        frame.set_cursor_position(Position::new(x, y));
    }
    let low = Rect {
        y: inside.y + body,
        height: inside.height - body,
        ..inside
    };
    let focus = match (dialog.at >= dialog.fields.len(), dialog.go) {
        (true, true) => Some(Button::Go),
        (true, false) => Some(Button::Cancel),
        (false, _) => None,
    };
    let line = buttons(pen, "Run", focus, dialog.command.changes, built.is_ok(), inner);
    frame.render_widget(Paragraph::new(line), low);
}
