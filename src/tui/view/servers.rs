//! The servers: code, state, how full, how well.

use super::{Pen, text};
use crate::domain::health::HealthStatus;
use crate::domain::server::{Server, ServerState};
use crate::tui::action::{ActionId, Place};
use crate::tui::model::{Act, Pane, Target, age};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// Columns of the servers' pane, by what fits.
struct Columns {
    code: usize,
    state: usize,
    bar: usize,
    count: usize,
}

fn columns(width: u16, longest: usize, biggest: usize) -> Columns {
    let width = usize::from(width);
    let code = longest.clamp(6, if width >= 60 { 22 } else { 12 });
    let count = biggest.clamp(5, 11);
    let state = if width >= 46 { 11 } else { 6 };
    let rest = width.saturating_sub(2 + code + state + count + 14);
    let bar = match rest {
        0..=3 => 0,
        rest => rest.min(10),
    };
    Columns {
        code,
        state,
        bar,
        count,
    }
}

pub(super) fn draw(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let area = pen.layout.servers;
    let (store, lists) = (&pen.model.store, &pen.model.lists);
    let filter = lists.filter(Place::Servers);
    let shown = lists.server_rows().len();
    let title = pen.name(Pane::Servers, "1", "servers");
    let inside = pen.pane(
        frame,
        area,
        Some(Pane::Servers),
        title,
        &pen.count(shown, store.servers.len(), filter.text()),
    );
    if shown == 0 {
        pen.empty(frame, inside, nothing(pen));
        return;
    }
    let rows = pen.layout.rows(Pane::Servers);
    let visible: Vec<&Server> = lists
        .server_rows()
        .iter()
        .skip(lists.servers.offset)
        .take(rows)
        .filter_map(|at| store.servers.get(*at as usize))
        .collect();
    let longest = visible
        .iter()
        .map(|s| text::width(s.spec.code.as_str()))
        .max()
        .unwrap_or(0);
    let biggest = visible.iter().map(|s| places(s).len()).max().unwrap_or(0);
    let columns = columns(inside.width, longest, biggest);
    let mut lines: Vec<Line<'static>> = Vec::with_capacity(rows + 1);
    if usize::from(inside.height) > rows {
        let dim = pen.style(Token::Dim);
        let mut head = pen.row(inside.width);
        head.gap(2)
            .cell("code", columns.code, dim)
            .cell("state", columns.state, dim);
        let room = columns.bar + columns.count + usize::from(columns.bar > 0);
        head.cell("capacity", room, dim).gap(1).text("health", dim);
        lines.push(head.line(dim));
    }
    for server in visible {
        lines.push(row(pen, server, &columns, inside));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

fn places(server: &Server) -> String {
    format!("{}/{}", server.instance_count, server.spec.max_instances)
}

fn row(pen: &Pen<'_>, server: &Server, columns: &Columns, inside: Rect) -> Line<'static> {
    let lists = &pen.model.lists;
    let (under, sign) = pen.under(Pane::Servers, lists.servers.selected == Some(server.id));
    let mut row = pen.row(inside.width);
    let filter = lists.filter(Place::Servers);
    let text = pen.style(Token::Text);
    row.text(sign, pen.style(Token::Accent)).gap(1);
    let strong = pen.style(Token::Strong);
    row.found(
        server.spec.code.as_str(),
        columns.code,
        strong,
        filter,
        pen.style(Token::Match),
    );
    let state = server.state();
    let token = match state {
        ServerState::Active => Token::Text,
        ServerState::Maintenance => Token::Info,
        ServerState::Offline => Token::Bad,
        ServerState::Draft | ServerState::Disabled => Token::Dim,
    };
    let word = match state {
        ServerState::Maintenance if columns.state < 11 => "maint",
        ServerState::Disabled if columns.state < 8 => "off",
        ServerState::Offline if columns.state < 7 => "down",
        state => state.word(),
    };
    row.cell(word, columns.state, pen.style(token));
    let full = pen.fullness(server.instance_count, server.spec.max_instances);
    if columns.bar > 0 {
        let share = f64::from(server.instance_count) / f64::from(server.spec.max_instances.max(1));
        pen.bar(&mut row, columns.bar, share, full);
        row.gap(1);
    }
    let quiet = full == pen.style(Token::BarFull);
    row.right(&places(server), columns.count, if quiet { text } else { full });
    row.gap(1);
    let (glyph, word, token) = health(pen, server, row.left().saturating_sub(2));
    row.text(glyph, pen.style(token)).gap(1).text(&word, pen.style(token));
    row.line(under)
}

/// A server's health as sign, words and meaning, in at most so many columns.
pub(super) fn health(pen: &Pen<'_>, server: &Server, columns: usize) -> (&'static str, String, Token) {
    let glyphs = pen.glyphs;
    if let Some(asked) = pen.model.busy(Target::Server(server.id)) {
        let word = match asked.act {
            Act::Test(_) => "testing",
            Act::Check(_) => "checking",
            Act::Activate { .. } => "activating",
            Act::Deactivate { .. } => "deactivating",
            Act::DeleteServer { .. } => "deleting",
            _ => "saving",
        };
        return (pen.spinner(), word.to_owned(), Token::Info);
    }
    let track = &server.track;
    let watched = matches!(
        server.state(),
        ServerState::Active | ServerState::Offline | ServerState::Maintenance
    );
    match (server.state(), track.last_check) {
        (ServerState::Draft, None) => return (glyphs.draft, "not in service".to_owned(), Token::Dim),
        (ServerState::Disabled, _) => return (glyphs.draft, "out of service".to_owned(), Token::Dim),
        (_, Some(at)) if watched => {
            let stale = i64::try_from(pen.model.settings.stale_after.as_secs()).unwrap_or(i64::MAX);
            if pen.now.wall.as_second() - at.as_second() > stale {
                let was = short(track.reason.as_str());
                let text = format!("{} {}", age(at, pen.now).replace(" ago", " old,"), was);
                return (glyphs.unknown, text, Token::Warning);
            }
        }
        _ => {}
    }
    let reason = track.reason.as_str();
    let words = if text::width(reason) <= columns {
        reason.to_owned()
    } else {
        short(reason)
    };
    match track.status {
        HealthStatus::Healthy => {
            let latency = track.latency_ms.map_or_else(String::new, |ms| format!("{ms} ms"));
            let glyph = if server.state() == ServerState::Maintenance {
                glyphs.maintenance
            } else {
                glyphs.good
            };
            (glyph, latency, Token::Good)
        }
        HealthStatus::Warning => (glyphs.warning, words, Token::Warning),
        HealthStatus::Critical => (glyphs.bad, words, Token::Bad),
        HealthStatus::Unknown => (glyphs.unknown, words, Token::Dim),
    }
}

/// The reasons' short forms, where a list has no room for the sentence.
fn short(reason: &str) -> String {
    const SHORT: [(&str, &str); 12] = [
        ("connection refused", "refused"),
        ("no answer", "no answer"),
        ("the name ", "no such name"),
        ("answers, but is not Odoo", "not Odoo"),
        ("connection broken off", "broken off"),
        ("Odoo answers with an error", "Odoo error"),
        ("TLS problem", "TLS problem"),
        ("database dead", "database dead"),
        ("database login refused", "db login refused"),
        ("secret not to be had", "secret missing"),
        ("the master password is still", "password is admin"),
        ("database management", "databases open"),
    ];
    if let Some((_, short)) = SHORT.iter().find(|(start, _)| reason.starts_with(start)) {
        return (*short).to_owned();
    }
    if reason.contains("of its places are taken") {
        return "full".to_owned();
    }
    if reason.starts_with("slow") {
        return "slow".to_owned();
    }
    if let Some(count) = reason
        .strip_prefix("failed ")
        .and_then(|rest| rest.split(" checks").next())
    {
        return format!("failed {count}");
    }
    reason.to_owned()
}

fn nothing(pen: &Pen<'_>) -> Vec<Line<'static>> {
    let store = &pen.model.store;
    let dim = pen.style(Token::Dim);
    if !store.servers.is_empty() {
        return vec![
            Line::styled(" Nothing passes the filter.", dim),
            pen.press(ActionId::Back, "clears it"),
        ];
    }
    if store.read_at.is_none() {
        return vec![Line::styled(" Reading…", dim)];
    }
    vec![
        Line::styled(" No server yet.", pen.style(Token::Strong)),
        pen.press(ActionId::New, "adds the first one"),
        pen.press(ActionId::Help, "shows every key"),
    ]
}
