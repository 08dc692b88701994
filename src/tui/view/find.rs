//! What one finds with: the line of a filter, the palette, the columns, the named views.

use super::popup::{middle, over};
use super::{Pen, text};
use crate::domain::SafeText;
use crate::tui::action::ActionId;
use crate::tui::model::{ColumnPicker, FindLine, Palette, PaletteLine, ViewList, palette_rows, suggestions};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use std::ops::Range;

/// The line in which a filter is typed, with the terminal's own cursor in it; below it what is wrong,
/// under its place, or what may stand there.
pub(super) fn line(pen: &Pen<'_>, typed: &FindLine, area: Rect, frame: &mut Frame<'_>) {
    let model = pen.model;
    let mut row = pen.row(area.width);
    let found = model.lists.len(typed.list, &model.store);
    let looking = model.lists.shown(typed.list).is_looking();
    let tail = match (looking, area.width) {
        (true, _) => "  … ".to_owned(),
        (false, ..100) => format!("  {found} found "),
        (false, _) => format!("  {found} found   Enter keeps   Tab completes   Esc clears "),
    };
    let room = usize::from(area.width).saturating_sub(text::width(&tail) + 3).max(4);
    let value = typed.input.value();
    let scroll = typed.input.visual_scroll(room);
    row.gap(1).text("/", pen.style(Token::Key));
    let style = pen.style(Token::FieldFocus);
    let bad = style.patch(pen.style(Token::Bad)).add_modifier(Modifier::UNDERLINED);
    let wrong = typed.error.as_ref().map(|error| error.at.clone());
    // In three parts, so that the wrong one is seen where it stands.
    let parts = match &wrong {
        Some(at) if !at.is_empty() => [0..at.start, at.clone(), at.end..value.len()],
        _ => [0..value.len(), 0..0, 0..0],
    };
    let mut skipped = scroll;
    let mut left = room;
    for (n, part) in parts.into_iter().enumerate() {
        let shown = SafeText::new(value.get(part).unwrap_or_default());
        let visible = text::skip(shown.as_str(), skipped);
        skipped = skipped.saturating_sub(text::width(shown.as_str()));
        let (cut, used) = text::cut(&visible, left, "");
        row.text(&cut, if n == 1 { bad } else { style });
        left -= used;
    }
    row.text(&" ".repeat(left), style).gap(1);
    row.text(&tail, pen.style(Token::Dim));
    let mut lines = vec![row.line(Style::new())];
    if area.height > 1 {
        lines.push(match &typed.error {
            // What is only begun is no mistake yet: what may follow says more.
            Some(error) if error.unfinished => hint(pen, typed, area.width),
            Some(error) => {
                let before = SafeText::new(value.get(..error.at.start).unwrap_or_default());
                let column = 2 + text::width(before.as_str()).saturating_sub(scroll);
                below(pen, area.width, column, &error.what)
            }
            None => hint(pen, typed, area.width),
        });
    }
    frame.render_widget(Paragraph::new(lines), area);
    let column = u16::try_from(2 + typed.input.visual_cursor().saturating_sub(scroll)).unwrap_or(0);
    frame.set_cursor_position(Position::new(area.x + column.min(area.width.saturating_sub(1)), area.y));
}

/// What is wrong, with a sign under its place; the words stand on the side that has room for them.
fn below(pen: &Pen<'_>, width: u16, column: usize, what: &str) -> Line<'static> {
    let bad = pen.style(Token::Bad);
    let column = column.min(usize::from(width).saturating_sub(1));
    let (before, behind) = (column.saturating_sub(2), usize::from(width).saturating_sub(column + 2));
    let mut row = pen.row(width);
    if text::width(what) <= behind || behind >= before {
        row.gap(column).text(pen.glyphs.up, bad).gap(1).text(what, bad);
    } else {
        let (cut, used) = text::cut(what, before, pen.glyphs.cut);
        row.gap(column - 1 - used)
            .text(&cut, bad)
            .gap(1)
            .text(pen.glyphs.up, bad);
    }
    row.line(Style::new())
}

/// What may stand at the cursor.
fn hint(pen: &Pen<'_>, typed: &FindLine, width: u16) -> Line<'static> {
    let (dim, key) = (pen.style(Token::Dim), pen.style(Token::Key));
    let value = typed.input.value();
    let cursor = value
        .char_indices()
        .nth(typed.input.cursor())
        .map_or(value.len(), |(at, _)| at);
    let words = suggestions(typed.list, value, cursor);
    let mut row = pen.row(width);
    row.gap(2);
    if words.is_empty() {
        for (sign, what) in [
            ("=", "is"),
            ("~", "has"),
            (">", "more"),
            ("<", "less"),
            ("-", "not"),
            ("OR", ""),
            ("( )", ""),
            ("*", "anything"),
            ("Ctrl-P", "used before"),
        ] {
            row.text(sign, key)
                .gap(1)
                .text(what, dim)
                .gap(if what.is_empty() { 1 } else { 2 });
        }
    } else {
        row.text(&words.join("  "), dim);
    }
    row.line(Style::new())
}

/// A text with what was typed marked, in so many columns.
fn marked(pen: &Pen<'_>, row: &mut super::Row, line: &PaletteLine, columns: usize, style: Style) {
    let shown = line.title.as_str();
    let (cut, _) = text::cut(shown, columns, pen.glyphs.cut);
    let hits: Vec<Range<usize>> = line.hits.iter().filter(|hit| hit.end <= cut.len()).cloned().collect();
    row.hits(&cut, columns, style, &hits, pen.style(Token::Match));
}

/// The `:` palette.
pub(super) fn palette(pen: &Pen<'_>, palette: &Palette, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let rows = palette_rows(screen.height);
    let height = u16::try_from(rows + 3).unwrap_or(u16::MAX);
    let width = screen.width.saturating_sub(2).min(100).max(screen.width.min(20));
    let mut area = middle(frame, width, height);
    // It stays where it is, however much is found.
    area.y = screen.y + u16::from(screen.height > height + 2);
    let bottom = match (palette.lines.len(), palette.busy) {
        (0, false) => "nothing is called so · Esc closes".to_owned(),
        (found, busy) => {
            let looking = if busy { " …" } else { "" };
            format!(
                "{} of {found}{looking} · Enter goes or does · Esc closes",
                (palette.at + 1).min(found)
            )
        }
    };
    let inside = over(pen, frame, area, "go or do", &bottom, pen.style(Token::Popup));
    if inside.height == 0 {
        return;
    }
    let room = usize::from(inside.width).saturating_sub(3).max(1);
    let scroll = palette.input.visual_scroll(room);
    let value = SafeText::new(palette.input.value());
    let mut head = pen.row(inside.width);
    head.gap(1).text(":", pen.style(Token::Key));
    head.cell(&text::skip(value.as_str(), scroll), room, pen.style(Token::FieldFocus));
    let mut lines = vec![head.line(Style::new())];
    let visible = palette
        .lines
        .iter()
        .enumerate()
        .skip(palette.offset)
        .take(usize::from(inside.height) - 1);
    for (at, line) in visible {
        let selected = at == palette.at;
        let under = if selected {
            pen.style(Token::Selected)
        } else {
            Style::new()
        };
        let dim = pen.style(Token::Dim);
        let mut row = pen.row(inside.width);
        row.text(
            if selected { pen.glyphs.selected } else { " " },
            pen.style(Token::Accent),
        )
        .gap(1);
        let wide = usize::from(inside.width);
        let title = (wide * 2 / 5).clamp(12.min(wide), 40);
        let style = if line.why_not.is_some() {
            dim
        } else {
            pen.style(Token::Text)
        };
        marked(pen, &mut row, line, title, style);
        let key = matches!(
            line.lead,
            crate::tui::model::Lead::Page(..) | crate::tui::model::Lead::Action(_)
        );
        row.cell(&line.kind, 9, if key { pen.style(Token::Key) } else { dim });
        match &line.why_not {
            Some(why) => row.text(&format!("not now: {why}"), pen.style(Token::Warning)),
            None => row.text(line.detail.as_str(), dim),
        };
        lines.push(row.line(under));
    }
    frame.render_widget(Paragraph::new(lines), inside);
    let column = u16::try_from(2 + palette.input.visual_cursor().saturating_sub(scroll)).unwrap_or(0);
    frame.set_cursor_position(Position::new(
        inside.x + column.min(inside.width.saturating_sub(1)),
        inside.y,
    ));
}

/// The columns of a list.
pub(super) fn columns(pen: &Pen<'_>, picker: &ColumnPicker, frame: &mut Frame<'_>) {
    let rows = u16::try_from(picker.fields.len() + 2).unwrap_or(u16::MAX);
    let area = middle(frame, 46, rows.min(frame.area().height.saturating_sub(1)));
    let (title, bottom) = if picker.sorting {
        let flip = pen.key(ActionId::SortFlip);
        (
            "sort by".to_owned(),
            format!("Enter sorts · {flip} flips · 0 its own order"),
        )
    } else {
        ("columns".to_owned(), "Space shows · < > moves · 0 its own".to_owned())
    };
    let title = format!("{title} · {}", picker.list.name());
    let inside = over(pen, frame, area, &title, &bottom, pen.style(Token::Popup));
    let height = usize::from(inside.height).max(1);
    let offset = (picker.at + 1).saturating_sub(height);
    let sort = pen.model.lists.shown(picker.list).sort;
    let mut lines = Vec::new();
    for (at, (field, shown)) in picker.fields.iter().enumerate().skip(offset).take(height) {
        let selected = at == picker.at;
        let under = if selected {
            pen.style(Token::Selected)
        } else {
            Style::new()
        };
        let (text, dim) = (pen.style(Token::Text), pen.style(Token::Dim));
        let mut row = pen.row(inside.width);
        row.text(
            if selected { pen.glyphs.selected } else { " " },
            pen.style(Token::Accent),
        )
        .gap(1);
        row.cell(if *shown { pen.glyphs.on } else { "" }, 1, pen.style(Token::Good));
        row.cell(field.title, 14, if *shown { text } else { dim });
        row.cell(
            &field.sort.map(|id| pen.key(id)).unwrap_or_default(),
            4,
            pen.style(Token::Key),
        );
        if let Some(sort) = sort.filter(|sort| sort.field == *field) {
            let (sign, word) = match sort.descending {
                true => (pen.glyphs.down, "most first"),
                false => (pen.glyphs.up, "least first"),
            };
            row.text(sign, pen.style(Token::Accent)).gap(1).text(word, dim);
        }
        lines.push(row.line(under));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

/// The named views.
pub(super) fn views(pen: &Pen<'_>, views: &ViewList, frame: &mut Frame<'_>) {
    let saved = &pen.model.views;
    let rows = u16::try_from(saved.len() + 2 + usize::from(views.naming.is_some())).unwrap_or(u16::MAX);
    let area = middle(frame, 72, rows.clamp(3, frame.area().height.saturating_sub(1).max(3)));
    let bottom = match (&views.naming, &views.forget) {
        (Some(_), _) => "Enter saves what is shown now · Esc doesn't".to_owned(),
        (None, Some(name)) => format!("x again forgets {}", SafeText::new(name)),
        (None, None) => "Enter shows · n saves this one · x forgets · Esc closes".to_owned(),
    };
    let inside = over(pen, frame, area, "views", &bottom, pen.style(Token::Popup));
    let mut lines = Vec::new();
    let mut cursor = None;
    if let Some(input) = &views.naming {
        let mut row = pen.row(inside.width);
        row.gap(1).text("name ", pen.style(Token::Key));
        let room = usize::from(inside.width).saturating_sub(8).max(1);
        let scroll = input.visual_scroll(room);
        let value = SafeText::new(input.value());
        row.cell(&text::skip(value.as_str(), scroll), room, pen.style(Token::FieldFocus));
        lines.push(row.line(Style::new()));
        cursor = Some(6 + input.visual_cursor().saturating_sub(scroll));
    }
    let height = usize::from(inside.height).saturating_sub(lines.len()).max(1);
    let offset = (views.at + 1).saturating_sub(height);
    for (at, (name, view)) in saved.iter().enumerate().skip(offset).take(height) {
        let selected = at == views.at && views.naming.is_none();
        let under = if selected {
            pen.style(Token::Selected)
        } else {
            Style::new()
        };
        let mut row = pen.row(inside.width);
        row.text(
            if selected { pen.glyphs.selected } else { " " },
            pen.style(Token::Accent),
        )
        .gap(1);
        row.cell(SafeText::new(name).as_str(), 22, pen.style(Token::Strong));
        let sort = view
            .look
            .sort
            .as_ref()
            .map(|sort| format!("  by {sort}"))
            .unwrap_or_default();
        let what = format!("{}  /{}{sort}", view.list, view.look.filter);
        row.text(SafeText::new(&what).as_str(), pen.style(Token::Dim));
        lines.push(row.line(under));
    }
    frame.render_widget(Paragraph::new(lines), inside);
    if let Some(column) = cursor {
        let column = u16::try_from(column).unwrap_or(0).min(inside.width.saturating_sub(1));
        frame.set_cursor_position(Position::new(inside.x + column, inside.y));
    }
}
