//! The plan of a bulk, and its receipts.

use super::form::buttons;
use super::popup::{middle, over};
use super::{Pen, text};
use crate::domain::SafeText;
use crate::domain::bulk::State;
use crate::domain::command::Typed;
use crate::tui::model::{
    BULK_WIDE, BulkDialog, BulkField, BulkRun, Button, Own, PlanLine, RECEIPT_WORD, ReceiptLine, receipts_room,
};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use tui_input::Input;

/// The plan: what is done to whom, who is passed over and why, and how it goes.
pub(super) fn plan(pen: &Pen<'_>, dialog: &BulkDialog, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let width = BULK_WIDE.min(screen.width);
    let inner = width.saturating_sub(2);
    let plan = &dialog.plan;
    let (count, passed) = (plan.count(), plan.lines.len() - plan.count());
    let mut head: Vec<Line<'static>> = Vec::new();
    let columns = usize::from(inner).saturating_sub(4);
    let title = match (count, passed) {
        (0, _) => format!(
            "{}: nothing is left to do, {passed} passed over.",
            capital(dialog.word())
        ),
        (_, 0) => format!("{}?", dialog.title()),
        _ => format!("{}? {passed} passed over.", dialog.title()),
    };
    for line in super::detail::wrap(&title, columns) {
        head.push(sentence(pen, inner, &line, Token::Strong));
    }
    let small = screen.height < 20;
    if !small {
        let meaning = dialog.own.as_ref().map_or(plan.verb.meaning(), Own::meaning);
        for line in super::detail::wrap(meaning, columns) {
            head.push(sentence(pen, inner, &line, Token::Text));
        }
    }
    if let Some(own) = dialog.own.as_ref().filter(|own| own.is_once() && count > 0) {
        let (words, token) = match own.argv_of_all(plan) {
            Ok((_, argv)) => (Typed(&argv).to_string(), Token::Strong),
            Err(why) => (format!("{} {why}", pen.glyphs.bad), Token::Bad),
        };
        for line in super::detail::wrap(SafeText::new(&words).as_str(), columns)
            .into_iter()
            .take(3)
        {
            head.push(sentence(pen, inner, &line, token));
        }
    }
    if dialog.hidden > 0 {
        let words = format!("{} of the marked ones are not shown by the filter.", dialog.hidden);
        head.push(sentence(pen, inner, &words, Token::Warning));
    }
    if !small {
        head.push(Line::raw(""));
    }
    let (tail, cursor) = below(pen, dialog, inner, small);
    let all = dialog.lines(usize::from(inner));
    let wanted = head.len() + all.len() + tail.len() + 3;
    let height = u16::try_from(wanted)
        .unwrap_or(u16::MAX)
        .min(screen.height)
        .max(6.min(screen.height));
    let area = middle(frame, width, height);
    let style = pen.style(if plan.verb.is_destructive() {
        Token::Bad
    } else {
        Token::Popup
    });
    let room = usize::from(area.height)
        .saturating_sub(2 + head.len() + tail.len() + 1)
        .max(1);
    let scroll = dialog.scroll.min(all.len().saturating_sub(room));
    let more = all.len().saturating_sub(scroll + room);
    let scrolls = match (scroll, more) {
        (0, 0) => String::new(),
        (_, 0) => "end · ".to_owned(),
        (_, more) => format!("{more} more (↑ ↓) · "),
    };
    let how = match (dialog.stale.is_empty(), count) {
        (false, _) => "p plans anew · Esc cancels",
        (true, 0) => "Esc closes",
        _ if plan.to_type().is_none() && !plan.demands.reason && inner < 60 => "y does it · Esc cancels",
        _ if plan.to_type().is_none() && !plan.demands.reason => "y does it · Tab goes on · Esc cancels",
        _ => "Tab goes on · Esc cancels",
    };
    let inside = over(pen, frame, area, "plan", &format!("{scrolls}{how}"), style);
    if inside.is_empty() {
        return;
    }
    let names = dialog.names(usize::from(inner));
    let mut lines = head;
    for line in all.into_iter().skip(scroll).take(room) {
        let mut row = pen.row(inner);
        match line {
            PlanLine::Going(item) => {
                row.gap(1).text(pen.glyphs.selected, pen.style(Token::Good)).gap(1);
                let name = SafeText::new(&item.name);
                row.cell(name.as_str(), names, pen.style(Token::Strong));
                if let Some(own) = dialog.own.as_ref().filter(|own| !own.is_once()) {
                    let argv = own.argv(item.thing).unwrap_or_default();
                    let typed = SafeText::new(&Typed(&argv).to_string());
                    row.gap(2).text(typed.as_str(), pen.style(Token::Text));
                } else if let Some(server) = item.server.as_deref().filter(|code| *code != item.name) {
                    row.gap(2).text(&format!("on {server}"), pen.style(Token::Dim));
                }
            }
            PlanLine::Passed(item, why) => {
                row.gap(1).text(pen.glyphs.dash, pen.style(Token::Warning)).gap(1);
                let name = SafeText::new(&item.name);
                row.cell(name.as_str(), names, pen.style(Token::Dim));
                row.gap(2).text(why.as_str(), pen.style(Token::Warning));
            }
            PlanLine::Why(why) => {
                row.gap(3 + names + 2).text(why.as_str(), pen.style(Token::Warning));
            }
        }
        lines.push(row.line(Style::new()));
    }
    let start = lines.len();
    lines.extend(tail);
    let body = Rect {
        height: inside.height.saturating_sub(1),
        ..inside
    };
    frame.render_widget(Paragraph::new(lines), body);
    if let Some((column, row)) = cursor
        && start + row < usize::from(body.height)
    {
        let x = inside.x + u16::try_from(column).unwrap_or(0).min(inside.width.saturating_sub(1));
        let y = inside.y + u16::try_from(start + row).unwrap_or(0);
        frame.set_cursor_position(Position::new(x, y));
    }
    let low = Rect {
        y: inside.y + body.height,
        height: inside.height - body.height,
        ..inside
    };
    let focus = match dialog.focus {
        BulkField::Cancel => Some(Button::Cancel),
        BulkField::Go => Some(Button::Go),
        _ => None,
    };
    let go = format!("{} {count}", capital(dialog.word()));
    let line = buttons(pen, &go, focus, plan.verb.is_destructive(), dialog.may_go(), inner);
    frame.render_widget(Paragraph::new(line), low);
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

fn sentence(pen: &Pen<'_>, columns: u16, words: &str, token: Token) -> Line<'static> {
    let mut row = pen.row(columns);
    row.gap(2).text(words, pen.style(token));
    row.line(Style::new())
}

/// How it goes, what is to be typed, what stands against it; and where the cursor is.
fn below(
    pen: &Pen<'_>,
    dialog: &BulkDialog,
    columns: u16,
    small: bool,
) -> (Vec<Line<'static>>, Option<(usize, usize)>) {
    let mut lines = Vec::new();
    let mut cursor = None;
    if !small {
        lines.push(Line::raw(""));
    }
    let plan = &dialog.plan;
    let mut row = pen.row(columns);
    row.gap(1);
    let narrow = columns < 60;
    let once = dialog.is_once();
    let labels = match narrow {
        true => ["most", "at once", "stop at"],
        false => ["at most", "at once", "stop after errors"],
    };
    let numbers = [
        (BulkField::Limit, "all", &dialog.limit),
        (BulkField::AtOnce, "1", &dialog.at_once),
        (
            BulkField::StopAfter,
            if narrow { "-" } else { "never" },
            &dialog.stop_after,
        ),
    ];
    for ((field, nothing, input), label) in numbers.into_iter().zip(labels) {
        if once && field != BulkField::Limit {
            continue;
        }
        row.gap(1).text(label, pen.style(Token::Dim)).gap(1);
        if dialog.focus == field {
            cursor = Some((usize::from(columns) - row.left() + input.visual_cursor(), lines.len()));
        }
        let value = if input.value().is_empty() {
            nothing
        } else {
            input.value()
        };
        let style = if dialog.focus == field {
            Token::FieldFocus
        } else {
            Token::Field
        };
        row.cell(value, if narrow { 3 } else { 6 }, pen.style(style)).gap(1);
    }
    lines.push(row.line(Style::new()));
    if let Some(most) = plan.demands.max_bulk {
        lines.push(sentence(
            pen,
            columns,
            &format!("a guard allows {most} in one go"),
            Token::Warning,
        ));
    }
    let mut ask = |field: BulkField, label: &str, what: &str, input: &Input| {
        let mut row = pen.row(columns);
        row.gap(2)
            .text(label, pen.style(Token::Text))
            .text(what, pen.style(Token::Key));
        let end = if what.is_empty() || narrow { ": " } else { " to go on: " };
        row.text(end, pen.style(Token::Text));
        let start = usize::from(columns) - row.left();
        let room = row.left().saturating_sub(2);
        let scroll = input.visual_scroll(room.saturating_sub(1));
        let value = SafeText::new(input.value());
        let focused = dialog.focus == field;
        let style = if focused { Token::FieldFocus } else { Token::Field };
        row.cell(&text::skip(value.as_str(), scroll), room, pen.style(style));
        if focused {
            cursor = Some((start + input.visual_cursor().saturating_sub(scroll), lines.len()));
        }
        lines.push(row.line(Style::new()));
    };
    if plan.demands.reason {
        let label = if narrow { "Reason" } else { "Reason, kept by the audit" };
        ask(BulkField::Reason, label, "", &dialog.reason);
    }
    if let Some(expected) = plan.to_type() {
        ask(BulkField::Typed, "Type ", &expected, &dialog.typed);
    }
    for (at, what) in dialog.stale.iter().enumerate().take(3) {
        let what = SafeText::new(what);
        let words = match (at, dialog.stale.len()) {
            (2, many) if many > 3 => format!("{} {} more changed", pen.glyphs.bad, many - 2),
            _ => format!("{} {what}", pen.glyphs.bad),
        };
        lines.push(sentence(pen, columns, &words, Token::Bad));
    }
    (lines, cursor)
}

/// What became of each.
pub(super) fn receipts(pen: &Pen<'_>, bulk: &BulkRun, scroll: usize, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let width = BULK_WIDE.min(screen.width);
    let (columns, most) = receipts_room((screen.width, screen.height));
    let run = &bulk.run;
    let all = bulk.lines(columns);
    let height = u16::try_from(all.len().min(most) + 4)
        .unwrap_or(u16::MAX)
        .min(screen.height);
    let area = middle(frame, width, height);
    let over_now = bulk.is_over();
    let counts = run.counts();
    let keys = match (over_now, run.stopped().is_some()) {
        (false, false) => "x stops · Esc goes on without looking",
        (false, true) => "x stops what still runs · Esc closes",
        (true, _) => match (counts.failed > 0, counts.not_begun > 0, columns < 50) {
            (true, true, true) => "f failed again · b not begun · Esc",
            (true, true, false) => "f failed again · b those not begun · c copies · Esc closes",
            (true, false, true) => "f failed again · c copies · Esc",
            (true, false, false) => "f runs the failed again · c copies · Esc closes",
            (false, true, true) => "b those not begun · c copies · Esc",
            (false, true, false) => "b runs those not begun · c copies · Esc closes",
            (false, false, _) if !bulk.outputs.is_empty() => "o what it wrote · c copies · Esc closes",
            (false, false, _) => "c copies · Esc closes",
        },
    };
    let title = bulk.title();
    let inside = over(pen, frame, area, &title, keys, pen.style(Token::Popup));
    if inside.is_empty() {
        return;
    }
    let room = usize::from(inside.height).saturating_sub(2).max(1);
    let scroll = scroll.min(all.len().saturating_sub(room));
    let mut row = pen.row(inside.width);
    let (sign, token) = match (over_now, counts.failed, counts.not_begun) {
        (false, ..) => (pen.spinner(), Token::Info),
        (true, 0, 0) => (pen.glyphs.done, Token::Good),
        (true, 0, _) => (pen.glyphs.warning, Token::Warning),
        _ => (pen.glyphs.failed, Token::Bad),
    };
    row.gap(1).text(sign, pen.style(token)).gap(1);
    row.text(&run.summary(), pen.style(Token::Strong));
    let more = all.len().saturating_sub(scroll + room);
    if more > 0 {
        row.gap(2).text(&format!("{more} more (j k)"), pen.style(Token::Dim));
    }
    let mut lines = vec![row.line(Style::new()), Line::raw("")];
    let names = bulk.names(columns);
    let shown = all.iter().skip(scroll).take(room);
    lines.extend(shown.map(|line| receipt_line(pen, line, names, inside.width)));
    frame.render_widget(Paragraph::new(lines), inside);
}

fn receipt_line(pen: &Pen<'_>, line: &ReceiptLine<'_>, names: usize, columns: u16) -> Line<'static> {
    let mut row = pen.row(columns);
    match line {
        ReceiptLine::One(receipt, said) => {
            let (sign, token, word) = match &receipt.state {
                State::Waiting => (pen.glyphs.waiting, Token::Dim, "waiting"),
                State::Running => (pen.spinner(), Token::Info, "running"),
                State::Done(_) => (pen.glyphs.done, Token::Good, "done"),
                State::Failed(_) => (pen.glyphs.failed, Token::Bad, "failed"),
                State::NotBegun(_) => (pen.glyphs.dash, Token::Warning, "not begun"),
            };
            row.gap(1).text(sign, pen.style(token)).gap(1);
            let name = SafeText::new(&receipt.item.name);
            row.cell(name.as_str(), names, pen.style(Token::Strong)).gap(2);
            row.cell(word, RECEIPT_WORD, pen.style(token)).gap(1);
            let style = if token == Token::Bad { Token::Bad } else { Token::Text };
            row.text(said.as_str(), pen.style(style));
        }
        ReceiptLine::Failure(text) => {
            row.gap(3).text(text.as_str(), pen.style(Token::Bad));
        }
        ReceiptLine::Hint(text) => {
            row.gap(3).text(text.as_str(), pen.style(Token::Text));
        }
        ReceiptLine::Passed(item, why) => {
            row.gap(1).text(pen.glyphs.dash, pen.style(Token::Dim)).gap(1);
            let name = SafeText::new(&item.name);
            row.cell(name.as_str(), names, pen.style(Token::Dim)).gap(2);
            row.text("passed over: ", pen.style(Token::Dim));
            row.text(why.as_str(), pen.style(Token::Dim));
        }
    }
    row.line(Style::new())
}
