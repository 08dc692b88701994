//! The last line: how the last thing ended, or what can be done here; a filter while it is typed.

use super::{Pen, text};
use crate::tui::action::{ACTIONS, ActionId, Place, allowed, rightful, show_sequence};
use crate::tui::model::{FLASH_INDENT, Layer, NoticeLevel};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

pub(super) fn draw(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let area = pen.layout.footer;
    if area.is_empty() {
        return;
    }
    if let Some(Layer::Find(line)) = pen.model.layers.last() {
        super::find::line(pen, line, area, frame);
        return;
    }
    if let Some(Layer::Typing { input, .. }) = pen.model.layers.last() {
        typing(pen, input, area, frame);
        return;
    }
    let mut lines: Vec<Line<'static>> = Vec::new();
    if let Some(flash) = &pen.model.flash {
        let (sign, token) = match flash.level {
            NoticeLevel::Info => (pen.glyphs.dot, Token::Info),
            NoticeLevel::Success => (pen.glyphs.done, Token::Good),
            NoticeLevel::Warning => (pen.glyphs.warning, Token::Warning),
            NoticeLevel::Error => (pen.glyphs.bad, Token::Bad),
        };
        let rows = |text: &str| match area.height {
            1 => vec![text.to_owned()],
            _ => text::rows(
                text,
                usize::from(area.width.saturating_sub(FLASH_INDENT)),
                pen.model.flash_most(),
            ),
        };
        for (at, part) in rows(flash.text.as_str()).iter().enumerate() {
            let mut row = pen.row(area.width);
            match at {
                0 => row.gap(1).text(sign, pen.style(token)).gap(1),
                _ => row.gap(usize::from(FLASH_INDENT)),
            };
            row.text(part, pen.style(token));
            if let (1, Some(hint)) = (area.height, &flash.hint) {
                row.gap(2).text(hint, pen.style(Token::Text));
            }
            lines.push(row.line(Style::new()));
        }
        if let Some(hint) = flash.hint.as_ref().filter(|_| area.height > 1) {
            for part in rows(hint) {
                let mut row = pen.row(area.width);
                row.gap(usize::from(FLASH_INDENT)).text(&part, pen.style(Token::Text));
                lines.push(row.line(Style::new()));
            }
        }
    } else if pen.model.layers.is_empty() {
        lines.push(keys(pen, area.width));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// What can be done here, most useful first; help and the way out stay whatever is cut.
fn keys(pen: &Pen<'_>, columns: u16) -> Line<'static> {
    let model = pen.model;
    let (place, situation) = (model.key_place(), model.situation());
    let (key, word) = (pen.style(Token::Key), pen.style(Token::Dim));
    if !model.pending.is_empty() {
        let mut row = pen.row(columns);
        row.gap(1).text(&show_sequence(&model.pending), key).text(" …", word);
        row.text("  Esc", key).text(" never mind", word);
        return row.line(Style::new());
    }
    // What one's role may not is there all the same, greyed: pressed, it says which role it needs.
    let greyed = |id| rightful(id, &situation).is_err();
    let mut shown: Vec<(u8, String, &str, bool)> = ACTIONS
        .iter()
        .filter(|action| action.footer > 0 && action.places.contains(&place))
        .filter(|action| greyed(action.id) || allowed(action.id, &situation).is_ok())
        .map(|action| {
            let title = match (action.id, place) {
                (ActionId::New, Place::Servers) => "new server",
                (ActionId::New, Place::Templates) => "new template",
                (ActionId::New, _) => "new instance",
                (ActionId::Filter, Place::Log | Place::WholeLog) => "search",
                _ => action.title,
            };
            (action.footer, pen.key(action.id), title, greyed(action.id))
        })
        .collect();
    // Where nothing can be changed there is no menu to open: what has a key of its own stands here by itself.
    let own = |id| matches!(id, ActionId::New | ActionId::Edit);
    let mut changes = model.keymap().changes(place).into_iter();
    let some = changes.any(|action| !own(action.id) && (greyed(action.id) || allowed(action.id, &situation).is_ok()));
    if !model.only_log && some {
        shown.push((3, model.keymap().menu_key(), "act…", false));
    }
    if matches!(place, Place::Log | Place::WholeLog) {
        // The last of its keys says best what it does.
        let keys = model.keymap().keys_in(ActionId::Bottom, place);
        shown.push((1, keys.last().cloned().unwrap_or_default(), "follow", false));
    }
    if pen.layout.compact {
        shown.push((0, pen.key(ActionId::NextPane), "pane", false));
    }
    // What has no key is done by its name.
    shown.retain(|(_, key, ..)| !key.is_empty());
    shown.sort_by_key(|(rank, ..)| *rank);
    let room = usize::from(columns).saturating_sub(1);
    let wide = |(_, key, title, greyed): &(u8, String, &str, bool)| {
        text::width(key) + text::width(title) + 3 + 2 * usize::from(*greyed)
    };
    // The last two are help and quit.
    while shown.iter().map(wide).sum::<usize>() > room && shown.len() > 2 {
        shown.remove(shown.len() - 3);
    }
    let mut row = pen.row(columns);
    row.gap(1);
    for (_, name, title, greyed) in &shown {
        // Not by colour alone.
        if *greyed {
            row.text(&format!("({name} {title})"), word).gap(2);
        } else {
            row.text(name, key).gap(1).text(title, word).gap(2);
        }
    }
    row.line(Style::new())
}

/// The line in which a filter or search is typed, with the terminal's own cursor in it.
fn typing(pen: &Pen<'_>, input: &tui_input::Input, area: Rect, frame: &mut Frame<'_>) {
    let model = pen.model;
    let mut row = pen.row(area.width);
    let count = model.log.matches();
    let tail = format!("  {count} found   Enter keeps   Esc clears ");
    let room = usize::from(area.width).saturating_sub(text::width(&tail) + 3).max(4);
    let scroll = input.visual_scroll(room);
    let value = crate::domain::SafeText::new(input.value());
    let visible = text::skip(value.as_str(), scroll);
    row.gap(1).text("/", pen.style(Token::Key));
    let style = pen.style(Token::FieldFocus);
    row.cell(&visible, room, style);
    row.text(&tail, pen.style(Token::Dim));
    frame.render_widget(Paragraph::new(row.line(Style::new())), area);
    let column = u16::try_from(2 + input.visual_cursor().saturating_sub(scroll)).unwrap_or(0);
    frame.set_cursor_position(Position::new(area.x + column.min(area.width.saturating_sub(1)), area.y));
}
