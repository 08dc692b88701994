//! Colours by meaning, from TOML: a theme says what "warning" looks like, never what a pane does.
//! State is never told by colour alone, so that `mono` loses nothing.

#[cfg(test)]
mod tests;

use ratatui::style::{Color, Modifier, Style};
use std::str::FromStr;

/// What a style is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "explained where they are used in themes/dark.toml")]
pub enum Token {
    Text,
    Dim,
    Strong,
    Accent,
    Header,
    Border,
    Focus,
    Selected,
    SelectedAway,
    Good,
    Warning,
    Bad,
    Info,
    BarFull,
    BarEmpty,
    Key,
    Match,
    Field,
    FieldFocus,
    Button,
    ButtonFocus,
    Danger,
    Popup,
}

const TOKENS: &[(&str, Token)] = &[
    ("text", Token::Text),
    ("dim", Token::Dim),
    ("strong", Token::Strong),
    ("accent", Token::Accent),
    ("header", Token::Header),
    ("border", Token::Border),
    ("focus", Token::Focus),
    ("selected", Token::Selected),
    ("selected-away", Token::SelectedAway),
    ("good", Token::Good),
    ("warning", Token::Warning),
    ("bad", Token::Bad),
    ("info", Token::Info),
    ("bar-full", Token::BarFull),
    ("bar-empty", Token::BarEmpty),
    ("key", Token::Key),
    ("match", Token::Match),
    ("field", Token::Field),
    ("field-focus", Token::FieldFocus),
    ("button", Token::Button),
    ("button-focus", Token::ButtonFocus),
    ("danger", Token::Danger),
    ("popup", Token::Popup),
];

const SOURCES: [(&str, &str); 4] = [
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
];

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

/// The colours and attributes of everything on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    name: String,
    styles: Vec<Style>,
}

/// What is wrong with a theme's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("theme {name}: {what}")]
pub struct ThemeError {
    /// The theme.
    pub name: String,
    /// What is wrong, with its line.
    pub what: String,
}

impl Theme {
    /// The names of the themes that are built in, the default first.
    pub const BUILT_IN: [&'static str; 4] = ["dark", "light", "high-contrast", "mono"];

    /// A theme that is built in.
    pub fn built_in(name: &str) -> Option<Self> {
        let (name, text) = SOURCES.iter().find(|(known, _)| *known == name)?;
        Self::parse(name, text).ok()
    }

    /// A theme from its file's text: a table of tokens, each `"FG [on BG] [bold|dim|italic|underline|
    /// reversed]…"`, colours as `#rrggbb`, a number from 0 to 255, an ANSI name, or `default`. What it
    /// doesn't say is taken from `inherits = "NAME"` (a built-in one), or `dark`.
    ///
    /// # Errors
    /// When the text is no theme; says where.
    pub fn parse(name: &str, text: &str) -> Result<Self, ThemeError> {
        let wrong = |what: String| ThemeError {
            name: name.to_owned(),
            what,
        };
        let table: toml::Table = toml::from_str(text).map_err(|e| wrong(e.to_string().trim_end().to_owned()))?;
        let line_of = |key: &str| {
            let at = text.lines().position(|line| {
                let head = line.trim_start().trim_start_matches('"');
                head.strip_prefix(key)
                    .is_some_and(|rest| rest.trim_start_matches('"').trim_start().starts_with('='))
            });
            at.map(|at| format!("line {}: ", at + 1)).unwrap_or_default()
        };
        let mut styles = vec![Style::new(); TOKENS.len()];
        let parent = table.get("inherits").and_then(toml::Value::as_str);
        match parent {
            Some(parent) if parent != name => match Self::built_in(parent) {
                Some(theme) => styles = theme.styles,
                None => {
                    let known = Self::BUILT_IN.join(", ");
                    return Err(wrong(format!(
                        "{}inherits {parent:?}, which is not one of: {known}",
                        line_of("inherits")
                    )));
                }
            },
            // The default theme says everything itself.
            _ if name == "dark" => {}
            _ => {
                if let Some(theme) = Self::built_in("dark") {
                    styles = theme.styles;
                }
            }
        }
        for (key, value) in &table {
            if key == "inherits" {
                continue;
            }
            let Some(at) = TOKENS.iter().position(|(token, _)| token == key) else {
                let known: Vec<&str> = TOKENS.iter().map(|(token, _)| *token).collect();
                return Err(wrong(format!(
                    "{}{key:?} is not one of: {}",
                    line_of(key),
                    known.join(", ")
                )));
            };
            let style = value
                .as_str()
                .ok_or_else(|| "a text such as \"#98c379 bold\" is expected".to_owned())
                .and_then(parse_style)
                .map_err(|what| wrong(format!("{}{key}: {what}", line_of(key))))?;
            if let Some(place) = styles.get_mut(at) {
                *place = style;
            }
        }
        Ok(Self {
            name: name.to_owned(),
            styles,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What something looks like.
    pub fn style(&self, token: Token) -> Style {
        // TOKENS is in the order of the enum (a test says so).
        self.styles.get(token as usize).copied().unwrap_or_default()
    }

    /// The same theme for a terminal with fewer colours.
    #[must_use]
    pub fn for_depth(&self, depth: Depth) -> Self {
        if depth == Depth::None && self.name != "mono" {
            return Self::built_in("mono").unwrap_or_else(|| self.clone());
        }
        let narrow = |color: Option<Color>| color.map(|color| narrowed(color, depth));
        let styles = self
            .styles
            .iter()
            .map(|style| Style {
                fg: narrow(style.fg),
                bg: narrow(style.bg),
                ..*style
            })
            .collect();
        Self {
            name: self.name.clone(),
            styles,
        }
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self::built_in("dark").unwrap_or(Self {
            name: "plain".to_owned(),
            styles: Vec::new(),
        })
    }
}

fn parse_color(word: &str) -> Result<Color, String> {
    if word == "default" {
        return Ok(Color::Reset);
    }
    // Checked before ratatui's parser slices it.
    if let Some(hex) = word.strip_prefix('#')
        && (hex.len() != 6 || !hex.chars().all(|c| c.is_ascii_hexdigit()))
    {
        return Err(format!("{word:?} is no colour: # and six hexadecimal digits are"));
    }
    Color::from_str(word)
        .map_err(|_| format!("{word:?} is no colour: #rrggbb, 0 to 255, a name such as red, or default"))
}

fn parse_style(text: &str) -> Result<Style, String> {
    let mut style = Style::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let modifier = match word {
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "italic" => Modifier::ITALIC,
            "underline" => Modifier::UNDERLINED,
            "reversed" => Modifier::REVERSED,
            "on" => {
                let color = words.next().ok_or("a colour is missing behind \"on\"")?;
                style.bg = Some(parse_color(color)?);
                continue;
            }
            color if style.fg.is_none() => {
                style.fg = Some(parse_color(color)?);
                continue;
            }
            other => {
                return Err(format!(
                    "{other:?} is not one of: bold, dim, italic, underline, reversed, on"
                ));
            }
        };
        style = style.add_modifier(modifier);
    }
    Ok(style)
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

fn narrowed(color: Color, depth: Depth) -> Color {
    let Color::Rgb(r, g, b) = color else {
        return if depth == Depth::None { Color::Reset } else { color };
    };
    match depth {
        Depth::True => color,
        Depth::None => Color::Reset,
        Depth::Indexed => {
            let (low, high) = (r.min(g).min(b), r.max(g).max(b));
            if high - low < 12 {
                // The grey ramp: 24 steps from 8 to 238.
                return Color::Indexed(232 + ((u16::from(high).saturating_sub(3)) / 10).min(23) as u8);
            }
            let step = |v: u8| match v {
                0..=47 => 0,
                48..=114 => 1,
                _ => (v - 35) / 40,
            };
            Color::Indexed(16 + 36 * step(r) + 6 * step(g) + step(b))
        }
        Depth::Ansi => {
            let far = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
            ANSI.iter()
                .min_by_key(|(ar, ag, ab, _)| far(r, *ar) + far(g, *ag) + far(b, *ab))
                .map_or(Color::Reset, |(.., near)| *near)
        }
    }
}
