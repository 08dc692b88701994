//! The selected server: how it has been, what is wrong, what to do.

use super::servers::health;
use super::{Pen, text};
use crate::domain::health::HealthStatus;
use crate::domain::server::Server;
use crate::tui::model::{HistoryPoint, Subject, Tab, age, subject_page, took};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

const DAY: i64 = 24 * 3600;

pub(super) fn draw(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let area = pen.layout.detail;
    if pen.model.lists.tab != Tab::Here {
        return of_selected(pen, frame);
    }
    let selected = pen
        .model
        .lists
        .servers
        .selected
        .and_then(|id| pen.model.store.server(id));
    let name = selected.map_or("server", |server| server.spec.code.as_str());
    let title = vec![Span::styled(name.to_owned(), pen.style(Token::Strong))];
    let version = selected
        .and_then(|s| s.track.version.as_ref())
        .map(|v| format!("Odoo {v}"));
    let inside = pen.pane(frame, area, None, title, version.as_deref().unwrap_or(""));
    let Some(server) = selected else {
        return;
    };
    let mut lines = vec![state_line(pen, server, inside.width)];
    lines.extend(reason_lines(pen, server, inside));
    lines.push(history_line(pen, inside.width));
    let track = &server.track;
    let dim = pen.style(Token::Dim);
    let checked = match track.last_check {
        Some(at) => format!(" checked {}", age(at, pen.now)),
        None => " never checked".to_owned(),
    };
    let mut row = pen.row(inside.width);
    row.text(&checked, dim);
    if let (Some(at), true) = (track.last_success, track.failures > 0) {
        row.text(
            &format!(", last answer {}", age(at, pen.now)),
            pen.style(Token::Warning),
        );
    }
    row.text(&format!("  {}", server.spec.server_url), dim);
    lines.push(row.line(Style::new()));
    if let Some(host) = &server.spec.db_host {
        let user = server.spec.db_user.as_deref().unwrap_or("?");
        let text = format!(" PostgreSQL {host}:{} as {user}", server.spec.db_port);
        lines.push(Line::styled(
            text::cut(&text, usize::from(inside.width), pen.glyphs.cut).0,
            dim,
        ));
    }
    lines.push(Line::styled(format!(" {}", server.spec.name), dim));
    lines.truncate(usize::from(inside.height));
    frame.render_widget(Paragraph::new(lines), inside);
}

/// What is known of the row selected in the page's list.
fn of_selected(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let list = pen.model.lists.tab.list();
    let subject = pen.model.selected_in(list).and_then(Subject::of);
    let area = pen.layout.detail;
    let page = subject.map(|subject| subject_page(pen.model, subject, area.width, pen.now));
    let title = page.as_ref().map_or("nothing is selected", |page| page.title.as_str());
    let key = pen.key(crate::tui::action::ActionId::Describe);
    let rows = usize::from(area.height.saturating_sub(2));
    let more = page.as_ref().map_or(0, |page| page.lines.len().saturating_sub(rows));
    let right = if more > 0 {
        format!("{more} more: {key}")
    } else {
        String::new()
    };
    let title = vec![Span::styled(title.to_owned(), pen.style(Token::Strong))];
    let inside = pen.pane(frame, area, None, title, &right);
    let Some(page) = page else { return };
    let lines: Vec<Line<'static>> = page
        .lines
        .iter()
        .take(rows)
        .map(|line| super::popup::draw_line(pen, line, page.label, inside))
        .collect();
    frame.render_widget(Paragraph::new(lines), inside);
}

fn state_line(pen: &Pen<'_>, server: &Server, columns: u16) -> Line<'static> {
    let mut row = pen.row(columns);
    let (glyph, words, token) = health(pen, server, usize::from(columns));
    row.gap(1).text(glyph, pen.style(token)).gap(1);
    let status = server.track.status.word();
    row.text(server.state().word(), pen.style(Token::Strong)).gap(1);
    row.text(pen.glyphs.dot, pen.style(Token::Dim)).gap(1);
    if words.starts_with(status) {
        row.text(&words, pen.style(token));
    } else {
        row.text(status, pen.style(token))
            .gap(1)
            .text(pen.glyphs.dot, pen.style(Token::Dim))
            .gap(1);
        let free = server.available_capacity();
        row.text(
            &format!("{free:.0} % free"),
            pen.fullness(server.instance_count, server.spec.max_instances),
        );
    }
    row.line(Style::new())
}

/// Why, and what to do, wrapped to the pane.
fn reason_lines(pen: &Pen<'_>, server: &Server, inside: Rect) -> Vec<Line<'static>> {
    let columns = inside.width;
    // The state, the history and the last check stay in sight.
    let room = usize::from(inside.height).saturating_sub(3).max(3);
    let track = &server.track;
    let token = match track.status {
        HealthStatus::Critical => Token::Bad,
        HealthStatus::Warning => Token::Warning,
        HealthStatus::Healthy | HealthStatus::Unknown => return Vec::new(),
    };
    let mut out = Vec::new();
    for line in wrap(track.reason.as_str(), usize::from(columns.saturating_sub(2)))
        .into_iter()
        .take(2)
    {
        out.push(Line::styled(format!(" {line}"), pen.style(token)));
    }
    if let Some(hint) = &track.hint {
        let arrow = if pen.glyphs.cut.is_ascii() { " > " } else { " → " };
        let left = room.saturating_sub(out.len()).max(2);
        for line in wrap(hint, usize::from(columns.saturating_sub(4)))
            .into_iter()
            .take(left)
        {
            let lead = if out.iter().any(|l: &Line<'_>| l.spans.len() > 1) {
                "   "
            } else {
                arrow
            };
            out.push(Line::from(vec![
                Span::styled(lead, pen.style(Token::Key)),
                Span::styled(line, pen.style(Token::Text)),
            ]));
        }
    }
    out
}

/// A text in lines of at most so many columns, broken at blanks.
pub(super) fn wrap(words: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let mut rest = word.to_owned();
        loop {
            let wide = text::width(&rest);
            let gap = usize::from(used > 0);
            if used + gap + wide <= columns {
                if gap > 0 {
                    line.push(' ');
                }
                line.push_str(&rest);
                used += gap + wide;
                break;
            }
            if used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
                continue;
            }
            let (head, taken) = text::cut(&rest, columns, "");
            if taken == 0 {
                return lines;
            }
            rest = text::skip(&rest, taken);
            lines.push(head);
            if rest.is_empty() {
                break;
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// How the server answered in the last 24 hours: one column a slice of time, its slowest answer; a
/// check without an answer is marked, whatever else happened in its slice.
fn history_line(pen: &Pen<'_>, columns: u16) -> Line<'static> {
    let mut row = pen.row(columns);
    let dim = pen.style(Token::Dim);
    row.text(" 24 h  ", dim);
    let points = &pen.model.history.points;
    if points.is_empty() {
        let text = if pen.model.history.due.is_some() {
            "…"
        } else {
            "no checks yet"
        };
        row.text(text, dim);
        return row.line(Style::new());
    }
    let mut latencies: Vec<u64> = points.iter().filter_map(|p| p.latency_ms).collect();
    latencies.sort_unstable();
    let at = |percent: usize| {
        latencies
            .get((latencies.len().saturating_sub(1)) * percent / 100)
            .copied()
    };
    let tail = match (at(50), at(95)) {
        (Some(p50), Some(p95)) if row.left() >= 44 => format!("  p50 {}  p95 {}", took(p50), took(p95)),
        (Some(_), Some(p95)) => format!(" p95 {}", took(p95)),
        _ => "  no answer at all".to_owned(),
    };
    let room = row.left().saturating_sub(text::width(&tail));
    let slices = room.min(48);
    if slices >= 6 {
        let full = latencies
            .last()
            .copied()
            .unwrap_or(1)
            .max(at(50).unwrap_or(1) * 4)
            .max(50);
        for slice in slots(points, slices, pen.now.wall.as_second()) {
            match slice {
                None => row.text(" ", dim),
                Some(None) => row.text(pen.glyphs.bad, pen.style(Token::Bad)),
                Some(Some((ms, status))) => {
                    let level = usize::try_from(ms.saturating_mul(7) / full).unwrap_or(7).min(7);
                    let token = if status == HealthStatus::Warning {
                        Token::Warning
                    } else {
                        Token::Good
                    };
                    row.text(pen.glyphs.levels[level], pen.style(token))
                }
            };
        }
    }
    row.text(&tail, dim);
    row.line(Style::new())
}

type Slice = Option<Option<(u64, HealthStatus)>>;

fn slots(points: &[HistoryPoint], count: usize, now: i64) -> Vec<Slice> {
    let mut slots: Vec<Slice> = vec![None; count];
    let span = i64::try_from(count).unwrap_or(1).max(1);
    for point in points {
        let back = (now - point.at.as_second()).clamp(0, DAY - 1);
        let at = usize::try_from((DAY - 1 - back) * span / DAY).unwrap_or(0);
        let Some(slot) = slots.get_mut(at) else { continue };
        *slot = match (*slot, point.latency_ms) {
            (Some(None), _) | (_, None) => Some(None),
            (Some(Some((before, status))), Some(ms)) if before >= ms => Some(Some((before, status.max(point.status)))),
            (_, Some(ms)) => Some(Some((ms, point.status))),
        };
    }
    slots
}

/// A paragraph that wraps, for panes that show sentences.
pub(super) fn sentences(pen: &Pen<'_>, frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
    let paragraph = Paragraph::new(lines)
        .style(pen.style(Token::Text))
        .wrap(Wrap { trim: false });
    frame.render_widget(paragraph, area);
}
