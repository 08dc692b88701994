//! Forms and questions.

use super::popup::{middle, over};
use super::{Pen, detail, text};
use crate::tui::model::{Button, Confirm, Field, FieldKind, Form, FormKind, PlanState};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// A line of a form, and where the cursor is in it.
struct Drawn {
    line: Line<'static>,
    cursor: Option<usize>,
    focus: bool,
}

/// How a form is gone through, in as many words as there is room for.
pub(super) fn ways(width: u16) -> &'static str {
    match width {
        0..44 => "Enter goes on · Esc cancels",
        _ => "Tab next · Enter goes on · Esc cancels",
    }
}

pub(super) fn draw(pen: &Pen<'_>, form: &Form, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let width = 84.min(screen.width);
    let inner = width.saturating_sub(2);
    let mut lines: Vec<Drawn> = Vec::new();
    for (at, field) in form.fields.iter().enumerate() {
        field_lines(pen, form, field, form.focus == at, inner, &mut lines);
    }
    let plan = if form.kind == FormKind::NewInstance {
        plan_lines(pen, form, inner)
    } else {
        Vec::new()
    };
    let buttons = 2 + u16::from(form.problem.is_some()) * 2;
    let wanted = lines.len() + plan.len();
    let height = u16::try_from(wanted).unwrap_or(u16::MAX).saturating_add(2 + buttons);
    let area = middle(
        frame,
        width,
        height.min(screen.height.saturating_sub(1)).max(5).min(screen.height),
    );
    let inside = over(
        pen,
        frame,
        area,
        &form.title(),
        ways(area.width),
        pen.style(Token::Popup),
    );
    if inside.is_empty() {
        return;
    }
    let body = inside.height.saturating_sub(buttons.min(inside.height));
    let room = usize::from(body);
    // The focused line is kept in sight, with the line that explains it.
    let focused = lines.iter().rposition(|line| line.focus).unwrap_or(lines.len());
    let plan_rows = plan.len().min(room.saturating_sub(lines.len()).max(room / 3));
    let fields = room.saturating_sub(plan_rows);
    let top = if lines.len() <= fields {
        0
    } else {
        (focused + 2).saturating_sub(fields).min(lines.len() - fields)
    };
    let mut shown: Vec<Line<'static>> = Vec::with_capacity(room);
    let mut cursor = None;
    for (at, drawn) in lines.into_iter().enumerate().skip(top).take(fields) {
        if let Some(column) = drawn.cursor {
            cursor = Some((column, at - top));
        }
        shown.push(drawn.line);
    }
    shown.extend(plan.into_iter().take(plan_rows));
    frame.render_widget(Paragraph::new(shown), Rect { height: body, ..inside });
    if let Some((column, row)) = cursor {
        let x = inside.x + u16::try_from(column).unwrap_or(0).min(inside.width.saturating_sub(1));
        frame.set_cursor_position(Position::new(x, inside.y + u16::try_from(row).unwrap_or(0)));
    }
    let low = Rect {
        y: inside.y + body,
        height: inside.height - body,
        ..inside
    };
    frame.render_widget(Paragraph::new(button_lines(pen, form, inner)), low);
}

fn field_lines(pen: &Pen<'_>, form: &Form, field: &Field, focus: bool, columns: u16, out: &mut Vec<Drawn>) {
    let dim = pen.style(Token::Dim);
    let mut row = pen.row(columns);
    let label = if focus {
        pen.style(Token::Accent)
    } else {
        pen.style(Token::Text)
    };
    row.gap(1)
        .text(if focus { pen.glyphs.selected } else { " " }, label)
        .gap(1);
    row.cell(field.label, if columns < 60 { 11 } else { 16 }, label);
    let start = usize::from(columns) - row.left();
    let room = row.left().saturating_sub(2).min(56);
    let style = pen.style(if focus { Token::FieldFocus } else { Token::Field });
    let mut cursor = None;
    match &field.kind {
        FieldKind::Choice { options, chosen } => {
            let label = options
                .get(*chosen)
                .map_or(pen.glyphs.dash, |choice| choice.label.as_str());
            let (left, right) = if focus && options.len() > 1 {
                ("‹ ", " ›")
            } else {
                ("  ", "  ")
            };
            row.text(left, pen.style(Token::Key));
            row.text(
                label,
                if focus {
                    pen.style(Token::Strong)
                } else {
                    pen.style(Token::Text)
                },
            );
            row.text(right, pen.style(Token::Key));
            if focus && options.len() > 1 {
                row.text(&format!("  {} of {}", chosen + 1, options.len()), dim);
            }
        }
        FieldKind::Text | FieldKind::Secret { .. } => {
            let scroll = field.input.visual_scroll(room.saturating_sub(1));
            let shown = if field.is_masked() {
                "•".repeat(field.value().chars().count())
            } else {
                crate::domain::SafeText::new(field.value()).to_string()
            };
            let at = if field.is_masked() {
                field.input.cursor()
            } else {
                field.input.visual_cursor()
            };
            let stored = matches!(field.kind, FieldKind::Secret { stored: true }) && field.value().is_empty();
            if stored {
                row.cell(
                    "unchanged (- takes it away)",
                    room,
                    dim.patch(Style {
                        bg: style.bg,
                        ..Style::new()
                    }),
                );
            } else {
                row.cell(&text::skip(&shown, scroll), room, style);
            }
            if focus {
                cursor = Some(start + at.saturating_sub(scroll));
            }
        }
    }
    out.push(Drawn {
        line: row.line(Style::new()),
        cursor,
        focus,
    });
    let told = (field.touched || form.show_all) && !(focus && field.value().is_empty() && !form.show_all);
    let wrong = field.error.as_ref().filter(|_| told);
    let below = match wrong {
        Some(error) => Some((format!("{} {error}", pen.glyphs.bad), pen.style(Token::Bad))),
        None if focus && !field.help.is_empty() => Some((field.help.to_owned(), dim)),
        None => None,
    };
    if let Some((text, style)) = below {
        for text in detail::wrap(&text, usize::from(columns).saturating_sub(start + 1)) {
            let mut row = pen.row(columns);
            row.gap(start).text(&text, style);
            out.push(Drawn {
                line: row.line(Style::new()),
                cursor: None,
                focus,
            });
        }
    }
}

fn plan_lines(pen: &Pen<'_>, form: &Form, columns: u16) -> Vec<Line<'static>> {
    let dim = pen.style(Token::Dim);
    let line = |text: String, style: Style| {
        let mut row = pen.row(columns);
        row.gap(3).text(&text, style);
        row.line(Style::new())
    };
    let mut out = vec![Line::raw("")];
    match &form.plan {
        PlanState::None => out.push(line(
            "The plan is shown here as soon as the fields are right.".to_owned(),
            dim,
        )),
        PlanState::Waiting => out.push(line("planning…".to_owned(), dim)),
        PlanState::Refused(problem) => {
            for text in detail::wrap(&problem.message, usize::from(columns).saturating_sub(6)) {
                out.push(line(format!("{} {text}", pen.glyphs.bad), pen.style(Token::Bad)));
            }
            if let Some(hint) = &problem.hint {
                for text in detail::wrap(hint, usize::from(columns).saturating_sub(6)) {
                    out.push(line(format!("→ {text}"), pen.style(Token::Text)));
                }
            }
        }
        PlanState::Ready(plan) => {
            let server = plan.draft.server.map_or("?", |id| pen.model.store.server_code(id));
            let over = match plan.passed_over.len() {
                0 => String::new(),
                n => format!("  (passed over: {n})"),
            };
            let head = format!(
                "{} on {server}: {} steps, {}{over}",
                pen.glyphs.done,
                plan.steps.len(),
                plan.url
            );
            out.push(line(head, pen.style(Token::Good)));
            for warning in &plan.warnings {
                let text = format!("{} {warning}", pen.glyphs.warning);
                out.push(line(text, pen.style(Token::Warning)));
            }
            for (at, step) in plan.steps.iter().enumerate() {
                let mut row = pen.row(columns);
                row.gap(3)
                    .cell(&format!("{}", at + 1), 2, dim)
                    .cell(&step.title, 24, pen.style(Token::Text));
                row.text(step.detail.as_str(), dim);
                out.push(row.line(Style::new()));
            }
            for note in &plan.notes {
                for (at, text) in detail::wrap(note.as_str(), usize::from(columns).saturating_sub(6))
                    .iter()
                    .enumerate()
                {
                    let sign = if at == 0 { pen.glyphs.dot } else { " " };
                    out.push(line(format!("{sign} {text}"), dim));
                }
            }
        }
    }
    out
}

fn button_lines(pen: &Pen<'_>, form: &Form, columns: u16) -> Vec<Line<'static>> {
    let mut lines = vec![Line::raw("")];
    if let Some(problem) = &form.problem {
        let mut row = pen.row(columns);
        row.gap(1).text(
            &format!("{} {}", pen.glyphs.bad, problem.message),
            pen.style(Token::Bad),
        );
        lines = vec![row.line(Style::new())];
        let mut row = pen.row(columns);
        row.gap(3)
            .text(problem.hint.as_deref().unwrap_or(""), pen.style(Token::Text));
        lines.push(row.line(Style::new()));
        lines.push(Line::raw(""));
    }
    if form.sent.is_some() {
        let mut row = pen.row(columns);
        row.gap(1)
            .text(&format!("{} saving…", pen.spinner()), pen.style(Token::Info));
        lines.push(row.line(Style::new()));
        return lines;
    }
    let go = if form.focus == form.submit_at() {
        Some(Button::Go)
    } else {
        None
    };
    let focus = if form.focus == form.cancel_at() {
        Some(Button::Cancel)
    } else {
        go
    };
    lines.push(buttons(pen, form.submit_label(), focus, false, true, columns));
    lines
}

pub(super) fn buttons(
    pen: &Pen<'_>,
    go: &str,
    focus: Option<Button>,
    danger: bool,
    may: bool,
    columns: u16,
) -> Line<'static> {
    let mut row = pen.row(columns);
    let style = |button: Button| match (focus == Some(button), button, danger) {
        (true, Button::Go, true) => pen.style(Token::Danger),
        (true, ..) => pen.style(Token::ButtonFocus),
        (false, Button::Go, _) if !may => pen.style(Token::Dim),
        (false, ..) => pen.style(Token::Button),
    };
    let framed = |text: &str, button: Button| {
        // The focus is seen without colour too.
        if focus == Some(button) {
            format!("[ {text} ]")
        } else {
            format!("  {text}  ")
        }
    };
    let both = text::width(go) + 6 + 12;
    row.gap(usize::from(columns).saturating_sub(both + 1));
    row.text(&framed("Cancel", Button::Cancel), style(Button::Cancel))
        .gap(1);
    row.text(&framed(go, Button::Go), style(Button::Go));
    row.line(Style::new())
}

/// A question: what it is about, what it means, and two buttons with Cancel in front.
pub(super) fn confirm(pen: &Pen<'_>, confirm: &Confirm, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let width = 76.min(screen.width);
    let inner = width.saturating_sub(2);
    let columns = usize::from(inner).saturating_sub(4);
    let mut lines: Vec<Line<'static>> = Vec::new();
    let put = |lines: &mut Vec<Line<'static>>, text: &str, style: Style| {
        let mut row = pen.row(inner);
        row.gap(2).text(text, style);
        lines.push(row.line(Style::new()));
    };
    for text in detail::wrap(&confirm.title, columns) {
        put(&mut lines, &text, pen.style(Token::Strong));
    }
    lines.push(Line::raw(""));
    for sentence in &confirm.lines {
        // Lines in columns are cut, sentences are wrapped.
        if sentence.contains("  ") {
            put(&mut lines, sentence, pen.style(Token::Text));
        } else {
            for text in detail::wrap(sentence, columns) {
                put(&mut lines, &text, pen.style(Token::Text));
            }
        }
    }
    let mut cursor = None;
    if let Some(input) = &confirm.reason {
        lines.push(Line::raw(""));
        let mut row = pen.row(inner);
        let label = if inner < 60 {
            "Reason: "
        } else {
            "Reason, kept by the audit: "
        };
        row.gap(2).text(label, pen.style(Token::Text));
        let start = usize::from(inner) - row.left();
        let room = row.left().saturating_sub(2);
        let scroll = input.visual_scroll(room.saturating_sub(1));
        let value = crate::domain::SafeText::new(input.value());
        let style = if confirm.in_reason {
            Token::FieldFocus
        } else {
            Token::Field
        };
        row.cell(&text::skip(value.as_str(), scroll), room, pen.style(style));
        if confirm.in_reason {
            cursor = Some((start + input.visual_cursor().saturating_sub(scroll), lines.len()));
        }
        lines.push(row.line(Style::new()));
    }
    if let Some((expected, input)) = &confirm.typed {
        lines.push(Line::raw(""));
        let mut row = pen.row(inner);
        row.gap(2)
            .text("Type ", pen.style(Token::Text))
            .text(expected, pen.style(Token::Key));
        row.text(" to go on: ", pen.style(Token::Text));
        let start = usize::from(inner) - row.left();
        let room = row.left().saturating_sub(2);
        let scroll = input.visual_scroll(room.saturating_sub(1));
        let value = crate::domain::SafeText::new(input.value());
        row.cell(&text::skip(value.as_str(), scroll), room, pen.style(Token::FieldFocus));
        if !confirm.in_reason {
            cursor = Some((start + input.visual_cursor().saturating_sub(scroll), lines.len()));
        }
        lines.push(row.line(Style::new()));
    }
    let mut stale = 0;
    if let Some(why) = &confirm.stale {
        lines.push(Line::raw(""));
        let why = crate::domain::SafeText::new(why);
        for text in detail::wrap(&format!("{} {why}", pen.glyphs.bad), columns) {
            put(&mut lines, &text, pen.style(Token::Bad));
            stale += 1;
        }
    }
    let bottom = if confirm.asks() {
        "Esc cancels"
    } else {
        "y does it · n or Esc cancels"
    };
    let height = u16::try_from(lines.len() + 4).unwrap_or(u16::MAX).min(screen.height);
    let area = middle(frame, width, height);
    let frame_style = pen.style(if confirm.typed.is_some() {
        Token::Bad
    } else {
        Token::Popup
    });
    let inside = over(pen, frame, area, "sure?", bottom, frame_style);
    if inside.is_empty() {
        return;
    }
    let body = inside.height.saturating_sub(1);
    let cut = usize::from(body.saturating_sub(1)).max(1);
    if lines.len() > cut {
        // What has to be typed and why it can't be done stay; what explains is cut.
        let fields = usize::from(confirm.typed.is_some()) + usize::from(confirm.reason.is_some());
        let keep = fields * 2 + stale + usize::from(stale > 0);
        let before = lines.len();
        let end = lines.split_off(lines.len() - keep.min(lines.len()));
        lines.truncate(cut.saturating_sub(end.len()));
        let shift = lines.len();
        lines.extend(end);
        if let Some((_, row)) = &mut cursor {
            *row = shift + row.saturating_sub(before - keep.min(before));
        }
    }
    frame.render_widget(Paragraph::new(lines), Rect { height: body, ..inside });
    if let Some((column, row)) = cursor {
        let x = inside.x + u16::try_from(column).unwrap_or(0).min(inside.width.saturating_sub(1));
        let y = inside.y + u16::try_from(row).unwrap_or(0).min(inside.height.saturating_sub(1));
        frame.set_cursor_position(Position::new(x, y));
    }
    let low = Rect {
        y: inside.y + body,
        height: inside.height - body,
        ..inside
    };
    let line = buttons(
        pen,
        confirm.go,
        Some(confirm.button),
        confirm.typed.is_some(),
        confirm.may_go(),
        inner,
    );
    frame.render_widget(Paragraph::new(line), low);
}
