//! What lies over the panes and is only read: help, descriptions, reports, the menu of a key.

use super::{Pen, text};
use crate::tui::action::{ActionId, allowed, show_sequence};
use crate::tui::model::{Layer, PageLine, Tone, page as page_of};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

/// A frame over the panes; answers what is inside.
pub(super) fn over(pen: &Pen<'_>, frame: &mut Frame<'_>, area: Rect, title: &str, bottom: &str, style: Style) -> Rect {
    frame.render_widget(Clear, area);
    let room = usize::from(area.width.saturating_sub(4));
    let (title, _) = text::cut(title, room, pen.glyphs.cut);
    let (bottom, _) = text::cut(bottom, room, pen.glyphs.cut);
    let mut block = Block::bordered()
        .border_set(pen.glyphs.border)
        .border_style(style)
        .style(pen.base())
        .title_top(Line::from(Span::styled(format!(" {title} "), pen.style(Token::Accent))));
    if !bottom.is_empty() {
        block = block.title_bottom(Line::from(Span::styled(format!(" {bottom} "), pen.style(Token::Dim))));
    }
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside
}

/// A rectangle in the middle of the screen, as large as asked where it fits.
pub(super) fn middle(frame: &Frame<'_>, width: u16, height: u16) -> Rect {
    let area = frame.area();
    let (width, height) = (width.min(area.width), height.min(area.height));
    let left = area.x + (area.width - width) / 2;
    let top = area.y + (area.height - height) / 2;
    Rect::new(left, top, width, height)
}

pub(super) fn page(pen: &Pen<'_>, layer: &Layer, frame: &mut Frame<'_>) {
    let Some(page) = page_of(pen.model, layer, pen.now) else {
        return;
    };
    let scroll = match layer {
        Layer::Help { scroll }
        | Layer::Config { scroll }
        | Layer::Written { scroll, .. }
        | Layer::Describe { scroll, .. }
        | Layer::Report { scroll, .. } => *scroll,
        _ => 0,
    };
    let rows = u16::try_from(page.lines.len() + 2).unwrap_or(u16::MAX);
    let area = middle(
        frame,
        page.width,
        rows.min(frame.area().height.saturating_sub(2)).max(3),
    );
    let height = usize::from(area.height.saturating_sub(2));
    let scroll = scroll.min(page.lines.len().saturating_sub(height));
    let more = page.lines.len().saturating_sub(scroll + height);
    let bottom = match (scroll, more) {
        (0, 0) => "Esc closes".to_owned(),
        (_, 0) => "end · Esc closes".to_owned(),
        (_, more) => {
            let (down, up) = (pen.key(ActionId::Down), pen.key(ActionId::Up));
            format!("{more} lines more ({down} {up}) · Esc closes")
        }
    };
    let inside = over(pen, frame, area, &page.title, &bottom, pen.style(Token::Popup));
    let lines: Vec<Line<'static>> = page
        .lines
        .iter()
        .skip(scroll)
        .take(height)
        .map(|line| draw_line(pen, line, page.label, inside))
        .collect();
    frame.render_widget(Paragraph::new(lines), inside);
}

fn tone(pen: &Pen<'_>, tone: Tone) -> Style {
    pen.style(match tone {
        Tone::Plain => Token::Text,
        Tone::Dim => Token::Dim,
        Tone::Good => Token::Good,
        Tone::Warning => Token::Warning,
        Tone::Bad => Token::Bad,
    })
}

pub(super) fn draw_line(pen: &Pen<'_>, line: &PageLine, label: usize, inside: Rect) -> Line<'static> {
    let mut row = pen.row(inside.width);
    row.gap(1);
    match line {
        PageLine::Blank => {}
        PageLine::Heading(text) => {
            row.text(text, pen.style(Token::Accent));
        }
        PageLine::Text(text, meant) => {
            row.text(text.as_str(), tone(pen, *meant));
        }
        PageLine::Pair(name, value, meant) => {
            let style = match (name.chars().next(), *meant) {
                (Some('✔'), _) => pen.style(Token::Good),
                (Some('✖'), _) => pen.style(Token::Bad),
                _ => pen.style(Token::Key),
            };
            row.gap(1)
                .cell(name, label, style)
                .gap(1)
                .text(value.as_str(), tone(pen, *meant));
        }
    }
    row.line(Style::new())
}

/// What may follow the pending keys: each letter with what it does, greyed with the reason where not.
pub(super) fn menu(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let model = pen.model;
    let (situation, place) = (model.situation(), model.key_place());
    let mut next = model.keymap().continuations(place, &model.pending);
    next.sort_by_key(|(_, action)| !action.places.contains(&place));
    if frame.area().height < 30 {
        next.retain(|(_, action)| action.places.contains(&place));
    }
    let lines: Vec<(String, &str, Result<(), String>)> = next
        .iter()
        .map(|(rest, action)| (show_sequence(rest), action.title, allowed(action.id, &situation)))
        .collect();
    // What an action is for: the marked ones, where there are some.
    let on = match model.marked() {
        0 => model.current_target().and_then(|target| model.label(target)),
        many => Some(format!("{many} marked")),
    };
    let on = on.unwrap_or_default();
    let titles = lines.iter().map(|(_, title, _)| text::width(title)).max().unwrap_or(0);
    let reasons = lines
        .iter()
        .filter_map(|(.., why)| why.as_ref().err())
        .map(|why| text::width(why) + 2);
    let widest = titles + reasons.max().unwrap_or(0) + 2;
    let area = frame.area();
    let width = u16::try_from(widest + 9)
        .unwrap_or(60)
        .clamp(30, area.width.max(30))
        .min(area.width);
    let height = u16::try_from(lines.len() + 2)
        .unwrap_or(10)
        .min(area.height.saturating_sub(1));
    let left = area.width - width;
    let top = area.height.saturating_sub(height + 1);
    let title = format!("{} … {on}", show_sequence(&model.pending));
    let place = Rect::new(area.x + left, area.y + top, width, height);
    let inside = over(pen, frame, place, &title, "Esc never mind", pen.style(Token::Popup));
    let drawn: Vec<Line<'static>> = lines
        .iter()
        .take(usize::from(inside.height))
        .map(|(key, title, why)| {
            let mut row = pen.row(inside.width);
            let dim = pen.style(Token::Dim);
            match why {
                Ok(()) => row
                    .gap(1)
                    .cell(key, 3, pen.style(Token::Key))
                    .text(title, pen.style(Token::Text)),
                Err(why) => row
                    .gap(1)
                    .cell(key, 3, dim)
                    .text(title, dim)
                    .text(&format!("  {why}"), dim),
            };
            row.line(Style::new())
        })
        .collect();
    frame.render_widget(Paragraph::new(drawn), inside);
}
