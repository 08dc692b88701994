//! The field picker.

use super::{Pen, popup, text};
use crate::tui::model::{FieldPicker, picker_rows};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::style::Style;
use ratatui::widgets::Paragraph;

/// The fields of something, one of which is copied.
pub(super) fn fields(pen: &Pen<'_>, picker: &FieldPicker, frame: &mut Frame<'_>) {
    let fields = pen.model.fields_to_copy(picker, pen.now);
    let screen = frame.area();
    let rows = picker_rows(screen.height).min(fields.len().max(1));
    let width = screen.width.saturating_sub(2).min(100).max(screen.width.min(20));
    let area = popup::middle(frame, width, u16::try_from(rows + 2).unwrap_or(u16::MAX));
    let bottom = format!(
        "{}/{} · Enter copies · Esc closes",
        (picker.at + 1).min(fields.len()),
        fields.len()
    );
    let inside = popup::over(pen, frame, area, "copy which field?", &bottom, pen.style(Token::Popup));
    let widest = fields.iter().map(|(label, _)| text::width(label)).max().unwrap_or(0);
    let label = widest.min(usize::from(inside.width) / 3);
    let lines: Vec<_> = fields
        .iter()
        .enumerate()
        .skip(picker.offset)
        .take(usize::from(inside.height))
        .map(|(at, (name, value))| {
            let selected = at == picker.at;
            let mut row = pen.row(inside.width);
            row.text(
                if selected { pen.glyphs.selected } else { " " },
                pen.style(Token::Accent),
            )
            .gap(1)
            .cell(name, label, pen.style(Token::Key))
            .gap(1)
            .text(value.as_str(), pen.style(Token::Text));
            row.line(if selected {
                pen.style(Token::Selected)
            } else {
                Style::new()
            })
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inside);
}
