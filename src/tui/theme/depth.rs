//! How many colours a terminal shows, and what a theme becomes where they are few.

use ratatui::style::Color;

/// How many colours a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// All of them.
    #[default]
    True,
    /// 256.
    Indexed,
    /// The 16 of its own palette.
    Ansi,
    /// None (`NO_COLOR`): bold, dim, underline and reverse only.
    None,
}

impl Depth {
    /// What the settings say: `true`, `256`, `16`, `none`; anything else leaves it to the environment.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "true" => Self::True,
            "256" => Self::Indexed,
            "16" => Self::Ansi,
            "none" => Self::None,
            _ => return None,
        })
    }

    /// What a terminal shows, by the environment's `NO_COLOR`, `COLORTERM` and `TERM`.
    pub fn of(no_color: Option<&str>, color_term: Option<&str>, term: Option<&str>) -> Self {
        if no_color.is_some_and(|value| !value.is_empty()) {
            return Self::None;
        }
        if matches!(color_term, Some("truecolor" | "24bit")) {
            return Self::True;
        }
        match term {
            None | Some("" | "dumb") => Self::None,
            Some(term) if term.ends_with("-direct") => Self::True,
            Some(term) if term.contains("256color") => Self::Indexed,
            // These have no other name for what they are, and show all colours.
            Some("xterm-kitty" | "xterm-ghostty" | "alacritty" | "foot") => Self::True,
            Some(_) => Self::Ansi,
        }
    }
}

const ANSI: [(u8, u8, u8, Color); 16] = [
    (0, 0, 0, Color::Black),
    (170, 0, 0, Color::Red),
    (0, 170, 0, Color::Green),
    (170, 110, 0, Color::Yellow),
    (0, 0, 170, Color::Blue),
    (170, 0, 170, Color::Magenta),
    (0, 170, 170, Color::Cyan),
    (190, 190, 190, Color::Gray),
    (95, 95, 95, Color::DarkGray),
    (255, 95, 95, Color::LightRed),
    (95, 255, 95, Color::LightGreen),
    (255, 230, 110, Color::LightYellow),
    (95, 140, 255, Color::LightBlue),
    (255, 95, 255, Color::LightMagenta),
    (95, 255, 255, Color::LightCyan),
    (255, 255, 255, Color::White),
];

/// The steps of the cube of 216 colours.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

pub(super) fn narrowed(color: Color, depth: Depth) -> Color {
    let Color::Rgb(r, g, b) = color else {
        return if depth == Depth::None { Color::Reset } else { color };
    };
    let apart = |(x, y, z): (u8, u8, u8)| {
        let far = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
        far(r, x) + far(g, y) + far(b, z)
    };
    match depth {
        Depth::True => color,
        Depth::None => Color::Reset,
        Depth::Indexed => {
            let near = |v: u8| {
                (0u8..6)
                    .min_by_key(|at| STEPS[usize::from(*at)].abs_diff(v))
                    .unwrap_or(0)
            };
            let (x, y, z) = (near(r), near(g), near(b));
            let cube = (STEPS[usize::from(x)], STEPS[usize::from(y)], STEPS[usize::from(z)]);
            // The grey ramp: 24 steps from 8 to 238.
            let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
            let step = u8::try_from((mean.saturating_sub(3) / 10).min(23)).unwrap_or(23);
            let grey = 8 + 10 * step;
            if apart((grey, grey, grey)) < apart(cube) {
                Color::Indexed(232 + step)
            } else {
                Color::Indexed(16 + 36 * x + 6 * y + z)
            }
        }
        Depth::Ansi => ANSI
            .iter()
            .min_by_key(|(r, g, b, _)| apart((*r, *g, *b)))
            .map_or(Color::Reset, |(.., near)| *near),
    }
}

/// What a colour is as red, green and blue, in the usual palette; `None` for the terminal's own.
#[cfg(test)]
pub(super) fn rgb(color: Color) -> Option<(u8, u8, u8)> {
    match color {
        Color::Rgb(r, g, b) => Some((r, g, b)),
        Color::Indexed(n @ 232..) => Some((8 + 10 * (n - 232), 8 + 10 * (n - 232), 8 + 10 * (n - 232))),
        Color::Indexed(n @ 16..) => {
            let step = |n: u8| STEPS[usize::from(n % 6)];
            Some((step((n - 16) / 36), step((n - 16) / 6), step(n - 16)))
        }
        color => ANSI
            .iter()
            .find(|(.., known)| *known == color)
            .map(|(r, g, b, _)| (*r, *g, *b)),
    }
}
