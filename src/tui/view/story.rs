//! Why something is as it is, and what happened to it; and what is particular to the list of alerts.

use super::{Pen, popup};
use crate::domain::alert::AlertState;
use crate::domain::explain::Severity;
use crate::tui::action::ActionId;
use crate::tui::model::{AlertRow, Sign, Story, StoryKind, StoryLine, Tone, when};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

fn token(tone: Tone) -> Token {
    match tone {
        Tone::Plain => Token::Text,
        Tone::Dim => Token::Dim,
        Tone::Good => Token::Good,
        Tone::Warning => Token::Warning,
        Tone::Bad => Token::Bad,
    }
}

fn sign(pen: &Pen<'_>, line: &StoryLine) -> (&'static str, Token) {
    match line.sign {
        Sign::None => ("", Token::Dim),
        Sign::Advice => (pen.glyphs.crumb, Token::Key),
        Sign::Severity(Severity::Good) => (pen.glyphs.good, Token::Good),
        Sign::Severity(Severity::Note) => (pen.glyphs.dot, Token::Dim),
        Sign::Severity(Severity::Warning) => (pen.glyphs.warning, Token::Warning),
        Sign::Severity(Severity::Bad) => (pen.glyphs.bad, Token::Bad),
    }
}

pub(super) fn draw(pen: &Pen<'_>, story: &Story, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let lines = story.lines();
    let rows = Story::rows(&lines, Story::columns(screen.width), pen.now);
    let height = Story::height(screen.height).min(rows.len().max(1));
    let area = popup::middle(
        frame,
        Story::width(screen.width),
        u16::try_from(height + 2).unwrap_or(u16::MAX),
    );
    let what = match story.kind {
        StoryKind::Why => "why",
        StoryKind::Timeline => "timeline",
    };
    let as_of = story
        .as_of
        .map(|at| format!(" · as of {}", when(at, pen.now)))
        .unwrap_or_default();
    let title = format!("{what} · {}{as_of}", story.label);
    let filter = story.filter.value();
    let more = rows.len().saturating_sub(story.top + height);
    let mut bottom = match (story.typing, filter.is_empty()) {
        (true, _) => format!("/{filter}_"),
        (false, false) => format!("/{filter} · "),
        (false, true) => String::new(),
    };
    if !story.typing {
        if more > 0 {
            bottom.push_str(&format!("{more} more (j k) · "));
        }
        let other = match story.kind {
            StoryKind::Why => format!("{} timeline", pen.key(ActionId::Timeline)),
            StoryKind::Timeline => format!("{} why", pen.key(ActionId::Explain)),
        };
        bottom.push_str(&format!(
            "Enter goes there · Tab next · / filters · {other} · Esc closes"
        ));
    }
    let bottom = crate::domain::SafeText::new(&bottom);
    let inside = popup::over(pen, frame, area, &title, bottom.as_str(), pen.style(Token::Popup));
    let drawn: Vec<Line<'static>> = rows
        .iter()
        .skip(story.top)
        .take(usize::from(inside.height))
        .filter_map(|row| {
            let line = lines.get(row.line)?;
            let selected = row.line == story.at;
            let mut out = pen.row(inside.width);
            let cursor = if selected && row.first {
                pen.glyphs.selected
            } else {
                " "
            };
            out.text(cursor, pen.style(Token::Accent)).gap(line.indent);
            let (glyph, kind) = sign(pen, line);
            if line.sign != Sign::None {
                let glyph = if row.first { glyph } else { " " };
                out.text(glyph, pen.style(kind)).gap(1);
            }
            out.text(row.text.as_str(), pen.style(token(line.tone)));
            if line.link.is_some() && row.first {
                out.gap(1).text(pen.glyphs.crumb, pen.style(Token::Key));
            }
            let under = if selected {
                pen.style(Token::Selected)
            } else {
                Style::new()
            };
            Some(out.line(under))
        })
        .collect();
    frame.render_widget(Paragraph::new(drawn), inside);
}

/// An alert's state with its sign.
pub(super) fn state(pen: &Pen<'_>, row: &AlertRow) -> (String, Token) {
    let glyphs = pen.glyphs;
    let (glyph, token) = match row.state {
        AlertState::Open if row.alert.kind.severity() == Severity::Bad => (glyphs.bad, Token::Bad),
        AlertState::Open => (glyphs.warning, Token::Warning),
        AlertState::Clearing => (glyphs.maintenance, Token::Info),
        AlertState::Acknowledged => (glyphs.done, Token::Dim),
        AlertState::Snoozed | AlertState::Muted => (glyphs.draft, Token::Dim),
        AlertState::Cleared => (glyphs.good, Token::Good),
    };
    (format!("{glyph} {}", row.state.word()), token)
}

/// In place of alerts.
pub(super) fn nothing(pen: &Pen<'_>) -> Vec<Line<'static>> {
    let dim = pen.style(Token::Dim);
    vec![
        Line::styled(" Nothing calls for you.", dim),
        Line::styled(
            " A server that goes offline, is critical or nearly full, a job that fails or is stuck,",
            dim,
        ),
        Line::styled(
            " the last worker gone, the registry lost: each is told here, once.",
            dim,
        ),
    ]
}
