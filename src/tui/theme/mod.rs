//! Colours by meaning, from TOML: a theme says what "warning" looks like, never what a pane does.
//! State is never told by colour alone, so that `mono` loses nothing.

mod depth;
mod parse;
mod set;
#[cfg(test)]
mod tests;

pub use depth::Depth;
pub use set::ThemeSet;

use ratatui::style::Style;

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

/// The sections for fewer colours.
const AT_256: &str = "at-256";
const AT_16: &str = "at-16";

const SOURCES: [(&str, &str); 6] = [
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
    ("colour-blind", include_str!("../../../themes/colour-blind.toml")),
    ("sixteen", include_str!("../../../themes/sixteen.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
];

/// The colours and attributes of everything on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    name: String,
    styles: Vec<Style>,
    /// What takes the place of it where there are 256 and 16 colours.
    at_256: Vec<Option<Style>>,
    at_16: Vec<Option<Style>>,
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
    pub const BUILT_IN: [&'static str; 6] = ["dark", "light", "high-contrast", "colour-blind", "sixteen", "mono"];

    /// A theme that is built in.
    pub fn built_in(name: &str) -> Option<Self> {
        let (name, text) = SOURCES.iter().find(|(known, _)| *known == name)?;
        Self::parse(name, text).ok()
    }

    /// A theme from its file's text: a table of tokens, each `"FG [on BG] [bold|dim|italic|underline|
    /// reversed]…"`, colours as `#rrggbb`, a number from 0 to 255, an ANSI name, or `default`. What it
    /// doesn't say is taken from `inherits = "NAME"` (a built-in one), or `dark`. Sections `[at-256]` and
    /// `[at-16]` say what takes its place where there are only so many colours.
    ///
    /// # Errors
    /// When the text is no theme; says where.
    pub fn parse(name: &str, text: &str) -> Result<Self, ThemeError> {
        let wrong = |what: String| ThemeError {
            name: name.to_owned(),
            what,
        };
        let table: toml::Table = toml::from_str(text).map_err(|e| wrong(e.to_string().trim_end().to_owned()))?;
        let line_of = |key: &str, section: Option<&str>| {
            let head = section.map(|section| format!("[{section}]"));
            let from = head.and_then(|head| text.lines().position(|line| line.trim_start().starts_with(&head)));
            let at = text.lines().enumerate().position(|(at, line)| {
                if from.is_some_and(|from| at < from) {
                    return false;
                }
                let head = line.trim_start().trim_start_matches('"');
                head.strip_prefix(key)
                    .is_some_and(|rest| rest.trim_start_matches('"').trim_start().starts_with('='))
            });
            at.map(|at| format!("line {}: ", at + 1)).unwrap_or_default()
        };
        let empty = Self {
            name: name.to_owned(),
            styles: vec![Style::new(); TOKENS.len()],
            at_256: vec![None; TOKENS.len()],
            at_16: vec![None; TOKENS.len()],
        };
        let parent = table.get("inherits").and_then(toml::Value::as_str);
        let mut theme = match parent {
            Some(parent) if parent != name => Self::built_in(parent).ok_or_else(|| {
                let known = Self::BUILT_IN.join(", ");
                wrong(format!(
                    "{}inherits {parent:?}, which is not one of: {known}",
                    line_of("inherits", None)
                ))
            })?,
            // The default theme says everything itself.
            _ if name == "dark" => empty,
            _ => Self::built_in("dark").unwrap_or(empty),
        };
        theme.name = name.to_owned();
        let styles = |table: &toml::Table, section: Option<&str>, take: &mut dyn FnMut(usize, Style)| {
            for (key, value) in table {
                if section.is_none() && matches!(key.as_str(), "inherits" | AT_256 | AT_16) {
                    continue;
                }
                let Some(at) = TOKENS.iter().position(|(token, _)| token == key) else {
                    let known: Vec<&str> = TOKENS.iter().map(|(token, _)| *token).collect();
                    return Err(wrong(format!(
                        "{}{key:?} is not one of: {}",
                        line_of(key, section),
                        known.join(", ")
                    )));
                };
                let style = value
                    .as_str()
                    .ok_or_else(|| "a text such as \"#98c379 bold\" is expected".to_owned())
                    .and_then(parse::style)
                    .map_err(|what| wrong(format!("{}{key}: {what}", line_of(key, section))))?;
                take(at, style);
            }
            Ok(())
        };
        styles(&table, None, &mut |at, style| {
            // What a theme says itself holds for few colours too, unless it says more below.
            let places = (
                theme.styles.get_mut(at),
                theme.at_256.get_mut(at),
                theme.at_16.get_mut(at),
            );
            if let (Some(place), Some(at_256), Some(at_16)) = places {
                (*place, *at_256, *at_16) = (style, None, None);
            }
        })?;
        for (section, into) in [(AT_256, &mut theme.at_256), (AT_16, &mut theme.at_16)] {
            match table.get(section) {
                None => {}
                Some(toml::Value::Table(inside)) => styles(inside, Some(section), &mut |at, style| {
                    if let Some(place) = into.get_mut(at) {
                        *place = Some(style);
                    }
                })?,
                Some(_) => {
                    return Err(wrong(format!(
                        "{}{section} is a section: [{section}]",
                        line_of(section, None)
                    )));
                }
            }
        }
        Ok(theme)
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
            let mono = Self::built_in("mono").unwrap_or_else(|| self.clone());
            return Self {
                name: self.name.clone(),
                ..mono
            };
        }
        let narrow = |color: Option<_>| color.map(|color| depth::narrowed(color, depth));
        let own = match depth {
            Depth::Indexed => self.at_256.as_slice(),
            Depth::Ansi => self.at_16.as_slice(),
            Depth::True | Depth::None => &[],
        };
        let style = |(at, style): (usize, &Style)| {
            let style = own.get(at).copied().flatten().unwrap_or(*style);
            Style {
                fg: narrow(style.fg),
                bg: narrow(style.bg),
                ..style
            }
        };
        Self {
            styles: self.styles.iter().enumerate().map(style).collect(),
            ..self.clone()
        }
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self::built_in("dark").unwrap_or(Self {
            name: "plain".to_owned(),
            styles: Vec::new(),
            at_256: Vec::new(),
            at_16: Vec::new(),
        })
    }
}
