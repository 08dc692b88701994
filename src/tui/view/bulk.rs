//! The plan of a bulk, and its receipts.

use super::form::buttons;
use super::popup::{middle, over};
use super::{Pen, text};
use crate::domain::bulk::State;
use crate::domain::{SafeText, bulk::Receipt};
use crate::tui::model::{BulkDialog, BulkField, BulkRun, Button};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use tui_input::Input;

/// Columns of names beside what is said of them.
fn name_width<'a>(names: impl Iterator<Item = &'a str>, columns: u16) -> usize {
    let most = usize::from(columns) / 3;
    names.map(text::width).max().unwrap_or(8).clamp(6, most.clamp(6, 32))
}

/// The plan: what is done to whom, who is passed over and why, and how it goes.
pub(super) fn plan(pen: &Pen<'_>, dialog: &BulkDialog, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let width = 96.min(screen.width);
    let inner = width.saturating_sub(2);
    let plan = &dialog.plan;
    let (count, passed) = (plan.count(), plan.lines.len() - plan.count());
    let mut head: Vec<Line<'static>> = Vec::new();
    let columns = usize::from(inner).saturating_sub(4);
    let title = match passed {
        0 => format!("{}?", plan.verb.of(count)),
        _ => format!("{}? {passed} passed over.", plan.verb.of(count)),
    };
    for line in super::detail::wrap(&title, columns) {
        head.push(sentence(pen, inner, &line, Token::Strong));
    }
    let small = screen.height < 20;
    if !small {
        for line in super::detail::wrap(plan.verb.meaning(), columns) {
            head.push(sentence(pen, inner, &line, Token::Text));
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
    let wanted = head.len() + plan.lines.len() + tail.len() + 3;
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
    let scroll = dialog.scroll.min(plan.lines.len().saturating_sub(room));
    let more = plan.lines.len().saturating_sub(scroll + room);
    let scrolls = match (scroll, more) {
        (0, 0) => String::new(),
        (_, 0) => "end · ".to_owned(),
        (_, more) => format!("{more} more (↑ ↓) · "),
    };
    let how = if dialog.stale.is_empty() {
        "Tab goes on · Esc cancels"
    } else {
        "p plans anew · Esc cancels"
    };
    let inside = over(pen, frame, area, "plan", &format!("{scrolls}{how}"), style);
    if inside.is_empty() {
        return;
    }
    let names = name_width(plan.lines.iter().map(|line| line.item.name.as_str()), inner);
    let mut lines = head;
    // What is done comes first, and what is passed over behind it, in their orders.
    let going = plan.lines.iter().filter(|line| line.passed.is_none());
    let others = plan.lines.iter().filter(|line| line.passed.is_some());
    for line in going.chain(others).skip(scroll).take(room) {
        let mut row = pen.row(inner);
        let name = SafeText::new(&line.item.name);
        match &line.passed {
            None => {
                row.gap(1).text(pen.glyphs.selected, pen.style(Token::Good)).gap(1);
                row.cell(name.as_str(), names, pen.style(Token::Strong));
                if let Some(server) = line.item.server.as_deref().filter(|code| *code != line.item.name) {
                    row.gap(2).text(&format!("on {server}"), pen.style(Token::Dim));
                }
            }
            Some(why) => {
                row.gap(1).text(pen.glyphs.dash, pen.style(Token::Warning)).gap(1);
                row.cell(name.as_str(), names, pen.style(Token::Dim));
                let why = SafeText::new(why);
                row.gap(2).text(why.as_str(), pen.style(Token::Warning));
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
    let go = format!("{} {count}", capital(plan.verb.word()));
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
    let numbers = [
        (BulkField::Limit, "at most", "all", &dialog.limit),
        (BulkField::AtOnce, "at once", "1", &dialog.at_once),
        (BulkField::StopAfter, "stop after errors", "never", &dialog.stop_after),
    ];
    for (field, label, nothing, input) in numbers {
        let label = if columns < 60 {
            label.trim_end_matches(" errors")
        } else {
            label
        };
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
        row.cell(value, 6, pen.style(style)).gap(1);
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
        row.text(": ", pen.style(Token::Text));
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
        ask(BulkField::Reason, "Reason, kept by the audit", "", &dialog.reason);
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
    let width = 96.min(screen.width);
    let inner = width.saturating_sub(2);
    let run = &bulk.run;
    let all = run.receipts.len() + run.passed.len();
    let height = u16::try_from(all + 4)
        .unwrap_or(u16::MAX)
        .min(screen.height.saturating_sub(2))
        .max(6.min(screen.height));
    let area = middle(frame, width, height);
    let over_now = run.is_over() && bulk.tickets.is_empty();
    let keys = match (over_now, run.stopped().is_some(), run.counts()) {
        (false, false, _) => "x stops · Esc goes on without looking",
        (false, true, _) => "x stops what still runs · Esc closes",
        (true, _, counts) if counts.failed > 0 && counts.not_begun > 0 => {
            "f failed again · b those not begun · c copies · Esc"
        }
        (true, _, counts) if counts.failed > 0 => "f runs the failed again · c copies · Esc closes",
        (true, _, counts) if counts.not_begun > 0 => "b runs those not begun · c copies · Esc closes",
        _ => "c copies · Esc closes",
    };
    let title = run.verb.of(run.receipts.len());
    let inside = over(pen, frame, area, &title, keys, pen.style(Token::Popup));
    if inside.is_empty() {
        return;
    }
    let room = usize::from(inside.height).saturating_sub(2).max(1);
    let scroll = scroll.min(all.saturating_sub(room));
    let mut row = pen.row(inner);
    let sign = if over_now { pen.glyphs.done } else { pen.spinner() };
    row.gap(1)
        .text(sign, pen.style(if over_now { Token::Good } else { Token::Info }))
        .gap(1);
    row.text(&run.summary(), pen.style(Token::Strong));
    let more = all.saturating_sub(scroll + room);
    if more > 0 {
        row.gap(2).text(&format!("{more} more (j k)"), pen.style(Token::Dim));
    }
    let mut lines = vec![row.line(Style::new()), Line::raw("")];
    let names = run.receipts.iter().map(|receipt| receipt.item.name.as_str());
    let names = name_width(
        names.chain(run.passed.iter().map(|(item, _)| item.name.as_str())),
        inner,
    );
    let receipts = run
        .receipts
        .iter()
        .map(|receipt| receipt_line(pen, receipt, names, inner));
    let passed = run.passed.iter().map(|(item, why)| {
        let mut row = pen.row(inner);
        row.gap(1).text(pen.glyphs.dash, pen.style(Token::Dim)).gap(1);
        row.cell(SafeText::new(&item.name).as_str(), names, pen.style(Token::Dim))
            .gap(2);
        row.text("passed over: ", pen.style(Token::Dim));
        row.text(SafeText::new(why).as_str(), pen.style(Token::Dim));
        row.line(Style::new())
    });
    lines.extend(receipts.chain(passed).skip(scroll).take(room));
    frame.render_widget(Paragraph::new(lines), inside);
}

fn receipt_line(pen: &Pen<'_>, receipt: &Receipt, names: usize, columns: u16) -> Line<'static> {
    let (sign, token, word, more) = match &receipt.state {
        State::Waiting => (pen.glyphs.waiting, Token::Dim, "waiting", String::new()),
        State::Running => (pen.spinner(), Token::Info, "running", String::new()),
        State::Done(said) => (pen.glyphs.done, Token::Good, "done", said.to_string()),
        State::Failed(problem) => (pen.glyphs.failed, Token::Bad, "failed", problem.message.clone()),
        State::NotBegun(why) => (pen.glyphs.dash, Token::Warning, "not begun", why.clone()),
    };
    let mut row = pen.row(columns);
    row.gap(1).text(sign, pen.style(token)).gap(1);
    row.cell(
        SafeText::new(&receipt.item.name).as_str(),
        names,
        pen.style(Token::Strong),
    );
    row.gap(2).cell(word, 9, pen.style(token)).gap(1);
    let style = if token == Token::Bad { Token::Bad } else { Token::Text };
    row.text(SafeText::new(&more).as_str(), pen.style(style));
    row.line(Style::new())
}
