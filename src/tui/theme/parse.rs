//! A style from its text.

use ratatui::style::{Color, Modifier, Style};
use std::str::FromStr;

fn read_color(word: &str) -> Result<Color, String> {
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

pub(super) fn style(text: &str) -> Result<Style, String> {
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
                style.bg = Some(read_color(color)?);
                continue;
            }
            color if style.fg.is_none() => {
                style.fg = Some(read_color(color)?);
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
