//! The servers: code, state, how full, how well.

use super::{Pen, text};
use crate::domain::health::HealthStatus;
use crate::domain::server::{Server, ServerState};
use crate::tui::action::ActionId;
use crate::tui::model::{Act, ListId, Pane, Target, age};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::text::Line;

pub(super) fn draw(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let area = pen.layout.servers;
    let title = pen.name(Pane::Servers, "1", "servers");
    let inside = pen.pane(frame, area, Some(Pane::Servers), title, &pen.count(ListId::Servers));
    if pen.model.lists.len(ListId::Servers, &pen.model.store) == 0 {
        pen.empty(frame, inside, nothing(pen));
        return;
    }
    super::lists::rows(pen, frame, ListId::Servers, Pane::Servers, inside);
}

/// A state's word, as short as it has to be.
pub(super) fn state_word(state: ServerState, columns: usize) -> &'static str {
    match state {
        ServerState::Maintenance if columns < 11 => "maint",
        ServerState::Disabled if columns < 8 => "off",
        ServerState::Offline if columns < 7 => "down",
        state => state.word(),
    }
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
                let ago = age(at, pen.now);
                let old = ago.replace(" ago", " old");
                // That it is old is what matters; what it was comes after, and the word for it before a cut one.
                let text = match format!("{old}, {was}") {
                    text if text::width(&text) <= columns => text,
                    _ if text::width(&old) <= columns => old,
                    _ => ago.replace(" ago", ""),
                };
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
    if let Some(lines) = pen.unread().filter(|_| store.servers.is_empty()) {
        return lines;
    }
    if !store.servers.is_empty() {
        return vec![
            Line::styled(" Nothing passes the filter.", dim),
            pen.press(ActionId::Back, "clears it"),
        ];
    }
    vec![
        Line::styled(" No server yet.", pen.style(Token::Strong)),
        pen.press(ActionId::New, "adds the first one"),
        pen.press(ActionId::Help, "shows every key"),
    ]
}
