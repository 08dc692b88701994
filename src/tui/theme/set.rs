//! The themes that can be chosen, as they are now: an operator's file may change while they are in use.

use super::{Depth, Theme};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// The themes that can be chosen. Clones share them.
#[derive(Debug, Clone)]
pub struct ThemeSet {
    depth: Depth,
    themes: Arc<RwLock<BTreeMap<String, Arc<Theme>>>>,
}

impl ThemeSet {
    /// The built-in themes, for a terminal with so many colours.
    pub fn new(depth: Depth) -> Self {
        let set = Self {
            depth,
            themes: Arc::default(),
        };
        for theme in Theme::BUILT_IN.iter().filter_map(|name| Theme::built_in(name)) {
            set.put(&theme);
        }
        set
    }

    /// Takes a theme in, in place of one of the same name.
    pub fn put(&self, theme: &Theme) {
        let narrowed = Arc::new(theme.for_depth(self.depth));
        if let Ok(mut themes) = self.themes.write() {
            themes.insert(theme.name().to_owned(), narrowed);
        }
    }

    /// Forgets an operator's theme: the built-in one of that name is what it was.
    pub fn forget(&self, name: &str) {
        match Theme::built_in(name) {
            Some(theme) => self.put(&theme),
            None => {
                if let Ok(mut themes) = self.themes.write() {
                    themes.remove(name);
                }
            }
        }
    }

    /// The theme of this name; the default one where there is none.
    pub fn get(&self, name: &str) -> Arc<Theme> {
        let themes = self.themes.read().ok();
        let found = themes
            .as_ref()
            .and_then(|themes| themes.get(name).or_else(|| themes.get("dark")));
        found.cloned().unwrap_or_default()
    }

    /// The names, those built in first.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Theme::BUILT_IN.iter().map(|name| (*name).to_owned()).collect();
        if let Ok(themes) = self.themes.read() {
            names.extend(
                themes
                    .keys()
                    .filter(|name| !Theme::BUILT_IN.contains(&name.as_str()))
                    .cloned(),
            );
        }
        names
    }
}

impl Default for ThemeSet {
    fn default() -> Self {
        Self::new(Depth::True)
    }
}
