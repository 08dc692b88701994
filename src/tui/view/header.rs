//! The first line: is anything wrong, how full it is, what runs, how late it is.

use super::{Pen, Row, text};
use crate::tui::model::{Model, age};
use crate::tui::theme::Token;
use ratatui::Frame;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// A part of the header; the lower its rank, the longer it stays when room runs out.
struct Part {
    rank: u8,
    spans: Vec<(String, Style)>,
}

impl Part {
    fn width(&self) -> usize {
        self.spans.iter().map(|(part, _)| text::width(part)).sum()
    }
}

pub(super) fn draw(pen: &Pen<'_>, frame: &mut Frame<'_>) {
    let area = pen.layout.header;
    if area.is_empty() {
        return;
    }
    let base = pen.style(Token::Header);
    let on = |token: Token| {
        let style = pen.style(token);
        Style {
            bg: base.bg,
            ..base.patch(style)
        }
    };
    let mut left = parts(pen, base, &on);
    let clock = pen.now.wall.to_zoned(pen.now.tz.clone()).strftime("%H:%M").to_string();
    let columns = usize::from(area.width);
    let needed = |parts: &[Part]| parts.iter().map(|part| part.width() + 3).sum::<usize>() + clock.len() + 1;
    while needed(&left) > columns && left.len() > 1 {
        let Some(worst) = left.iter().map(|part| part.rank).max() else {
            break;
        };
        left.retain(|part| part.rank != worst);
    }
    let mut row = Row::new(
        area.width.saturating_sub(u16::try_from(clock.len() + 1).unwrap_or(0)),
        pen.glyphs,
    );
    row.gap(1);
    // What is left over goes between the parts, so that the line breathes on wide screens.
    let spare = columns.saturating_sub(needed(&left)) / left.len().max(1);
    for (at, part) in left.iter().enumerate() {
        if at > 0 {
            row.gap(2 + spare.min(5));
        }
        for (text, style) in &part.spans {
            row.text(text, *style);
        }
    }
    let mut line: Line<'static> = row.line(base);
    line.spans.push(Span::styled(format!("{clock} "), on(Token::Accent)));
    frame.render_widget(Paragraph::new(line).style(base), area);
}

/// The profile and the fleet, where the one doesn't say the other.
fn called(model: &Model) -> String {
    let fleet = model.settings.profile.as_str();
    match &model.settings.config.profile {
        Some(profile) if fleet == profile || fleet == "fleet" => profile.clone(),
        Some(profile) => format!("{profile} · {fleet}"),
        None => fleet.to_owned(),
    }
}

fn parts(pen: &Pen<'_>, base: Style, on: &dyn Fn(Token) -> Style) -> Vec<Part> {
    let model = pen.model;
    let glance = model.store.glance();
    let mut parts = vec![Part {
        rank: 1,
        spans: vec![
            ("vigie".to_owned(), on(Token::Accent)),
            (format!("  {}", called(model)), on(Token::Strong)),
        ],
    }];
    let wrong = model.settings.config.wrong();
    if wrong > 0 {
        let text = match wrong {
            1 => format!("{} 1 mistake in the configuration (:config)", pen.glyphs.warning),
            n => format!("{} {n} mistakes in the configuration (:config)", pen.glyphs.warning),
        };
        parts.push(Part {
            rank: 3,
            spans: vec![(text, on(Token::Warning))],
        });
    }
    if model.settings.guard.read_only {
        let (text, token) = match model.unlock_badge(pen.now) {
            Some((left, ..)) => (format!("[unlocked {left}]"), Token::Bad),
            None => ("[read-only]".to_owned(), Token::Warning),
        };
        parts.push(Part {
            rank: 0,
            spans: vec![(text, on(token))],
        });
    }
    if model.only_log {
        // There is no fleet here; with several files, which of them this is.
        let files = model.settings.files.len();
        if files > 1 {
            parts.push(Part {
                rank: 2,
                spans: vec![(format!("{files} logs, Tab turns"), on(Token::Dim))],
            });
        }
        return parts;
    }
    if let Some(problem) = &model.lost {
        let shown = model
            .store
            .read_at
            .map(|at| format!("shown as of {}", age(at, pen.now)));
        // A time of day, which stands still, beside an age in minutes, which the clock's tick turns.
        let lost = model.lost_since.map(|at| {
            let when = at.to_zoned(pen.now.tz.clone()).strftime("%H:%M:%S").to_string();
            format!("registry lost since {when} ({})", age(at, pen.now))
        });
        // Why may be long: how old everything is comes before it; where it is narrow, that is all that has room.
        let since = model.lost_since.or(model.store.read_at);
        let said: Vec<String> = match since {
            Some(at) if pen.layout.header.width < 60 => vec![format!("lost {}", age(at, pen.now))],
            Some(at) if pen.layout.header.width < 110 => vec![format!("registry lost {}", age(at, pen.now))],
            _ => lost.into_iter().chain(shown).collect(),
        };
        let text = format!("{} {}: {}", pen.glyphs.bad, said.join(", "), problem.message);
        let text = if said.is_empty() {
            format!("{} {}", pen.glyphs.bad, problem.message)
        } else {
            text
        };
        parts.push(Part {
            rank: 0,
            spans: vec![(text, on(Token::Bad))],
        });
        if model.store.read_at.is_none() {
            return parts;
        }
    }
    if model.store.read_at.is_none() && model.store.servers.is_empty() {
        parts.push(Part {
            rank: 2,
            spans: vec![("reading the registry…".to_owned(), on(Token::Dim))],
        });
        return parts;
    }
    let crumbs = model.crumbs().join(&format!(" {} ", pen.glyphs.crumb));
    parts.push(Part {
        rank: 5,
        spans: vec![(crumbs, on(Token::Text))],
    });
    let plural = |n: usize, word: &str| {
        if n == 1 {
            format!("{n} {word}")
        } else {
            format!("{n} {word}s")
        }
    };
    let mut fleet = Vec::new();
    let counts = [
        (glance.well, pen.glyphs.good, Token::Good),
        (glance.warning, pen.glyphs.warning, Token::Warning),
        (glance.down, pen.glyphs.bad, Token::Bad),
        (glance.other, pen.glyphs.draft, Token::Dim),
    ];
    for (count, glyph, token) in counts {
        // Warnings and outages are said even where there are none: a missing number proves nothing.
        if count > 0 || matches!(token, Token::Warning | Token::Bad) {
            let style = if count == 0 { on(Token::Dim) } else { on(token) };
            let blank = if fleet.is_empty() { "" } else { "  " };
            fleet.push((format!("{blank}{glyph} {count}"), style));
        }
    }
    let (open, worst) = model.attention.board.open(&model.settings.alerts.rules, pen.now.wall);
    let (sign, calls) = match worst {
        0 => (pen.glyphs.warning, on(Token::Warning)),
        _ => (pen.glyphs.bad, on(Token::Bad)),
    };
    // Where there is no room for the word, the number stands with the other ones.
    let short = pen.layout.header.width < 50;
    if open > 0 && short {
        fleet.push((format!(" !{open}"), calls));
    }
    parts.push(Part {
        rank: 6,
        spans: vec![(plural(glance.servers, "server"), base)],
    });
    let rank = if model.lost.is_some() { 2 } else { 0 };
    parts.push(Part { rank, spans: fleet });
    if open > 0 && !short {
        parts.push(Part {
            rank: 2,
            spans: vec![(format!("{sign} {}", plural(open, "alert")), calls)],
        });
    }
    let share = glance.taken as f64 / glance.places.max(1) as f64;
    let percent = (share * 100.0).clamp(0.0, 999.0) as u32;
    let mut bar = Row::new(16, pen.glyphs);
    pen.bar(&mut bar, 15, share, pen.fullness(percent, 100));
    let bar: Vec<(String, Style)> = bar
        .spans()
        .into_iter()
        .map(|span| {
            (
                span.content.into_owned(),
                Style {
                    bg: base.bg,
                    ..span.style
                },
            )
        })
        .collect();
    parts.push(Part {
        rank: 4,
        spans: vec![(format!("{}/{} instances {percent}%", glance.taken, glance.places), base)],
    });
    parts.push(Part { rank: 7, spans: bar });
    let who = model.store.rights.who();
    if !who.is_empty() {
        parts.push(Part {
            rank: 8,
            spans: vec![(who, on(Token::Dim))],
        });
    }
    jobs(pen, &glance, on, &mut parts);
    parts
}

fn jobs(pen: &Pen<'_>, glance: &crate::tui::model::Glance, on: &dyn Fn(Token) -> Style, parts: &mut Vec<Part>) {
    let plural = |n: usize| {
        if n == 1 {
            "1 job".to_owned()
        } else {
            format!("{n} jobs")
        }
    };
    let mut spans = Vec::new();
    if glance.running > 0 {
        spans.push((format!("{} {}", plural(glance.running), pen.spinner()), on(Token::Info)));
    }
    if glance.queued > 0 {
        let alone = pen.model.store.workers == 0;
        let blank = if spans.is_empty() { "" } else { "  " };
        let (text, token) = if alone {
            (
                format!("{} {}, no worker", pen.glyphs.warning, plural(glance.queued)),
                Token::Warning,
            )
        } else {
            (format!("{} queued", glance.queued), Token::Dim)
        };
        spans.push((format!("{blank}{text}"), on(token)));
    }
    if glance.queued == 0 && pen.model.store.workers == 0 && pen.model.no_worker.is_some() {
        let blank = if spans.is_empty() { "" } else { "  " };
        spans.push((format!("{blank}{} no worker", pen.glyphs.warning), on(Token::Warning)));
    }
    if glance.stuck > 0 {
        let blank = if spans.is_empty() { "" } else { "  " };
        spans.push((
            format!("{blank}{} {} stuck", pen.glyphs.bad, glance.stuck),
            on(Token::Bad),
        ));
    }
    if !spans.is_empty() {
        parts.push(Part { rank: 3, spans });
    }
}
