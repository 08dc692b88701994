//! Colours by meaning, from TOML.

/// The colours and attributes of everything on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    name: String,
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
        Self::BUILT_IN.contains(&name).then(|| Self { name: name.to_owned() })
    }

    /// A theme from its file's text; what it doesn't say is taken from `dark`.
    ///
    /// # Errors
    /// When the text is no theme; says where.
    pub fn parse(name: &str, text: &str) -> Result<Self, ThemeError> {
        let _ = text;
        Ok(Self { name: name.to_owned() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self {
            name: "dark".to_owned(),
        }
    }
}
