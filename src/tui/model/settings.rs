//! What the dashboard is told once, from the settings.

use super::attention::AlertSettings;
use super::config::ConfigFacts;
use super::layout::Pane;
use super::memory::Remembered;
use crate::domain::SafeText;
use crate::domain::capacity::Thresholds;
use crate::domain::command::OwnCommand;
use crate::domain::guard::Guard;
use crate::domain::health::HealthRules;
use crate::domain::log::LogTarget;
use crate::tui::action::Keymap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the dashboard is told once, from the settings.
#[derive(Debug, Clone)]
pub struct UiSettings {
    /// The profile's name, shown in the header.
    pub profile: SafeText,
    /// How the configuration stands.
    pub config: ConfigFacts,
    /// The operator's own commands.
    pub commands: Vec<Arc<OwnCommand>>,
    /// What guards the changes.
    pub guard: Guard,
    /// For how long a read-only profile is unlocked from the start.
    pub unlock: Option<Duration>,
    /// Shares of places that decide what is allowed.
    pub thresholds: Thresholds,
    /// When a check counts as what.
    pub rules: HealthRules,
    /// A server's check older than this is shown as stale, with its age.
    pub stale_after: Duration,
    /// The domain below which instances are published.
    pub root_domain: Option<String>,
    /// Subdomains that may not be used.
    pub reserved: Vec<String>,
    /// Login of a new instance's administrator, as the form suggests it.
    pub admin_login: String,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
    /// The theme's name.
    pub theme: String,
    /// The themes that can be chosen.
    pub themes: Vec<String>,
    /// Whether the mouse is taken at first.
    pub mouse: bool,
    /// The pane in which the dashboard starts.
    pub start: Pane,
    /// The keys.
    pub keymap: Keymap,
    /// What was remembered from last time.
    pub remembered: Remembered,
    /// Where the servers' own logs are, by their codes: a path, or `!` and a command.
    pub log_paths: BTreeMap<String, String>,
    /// What it says of alerts.
    pub alerts: AlertSettings,
    /// Files that are shown as logs, and nothing else.
    pub files: Vec<LogTarget>,
    /// How long the rest of a key sequence is waited for before its menu is shown.
    pub menu_delay: Duration,
}

impl Default for UiSettings {
    fn default() -> Self {
        Self {
            profile: SafeText::new("fleet"),
            config: ConfigFacts::default(),
            commands: Vec::new(),
            guard: Guard::default(),
            unlock: None,
            thresholds: Thresholds::default(),
            rules: HealthRules::default(),
            stale_after: Duration::from_secs(30 * 60),
            root_domain: None,
            reserved: crate::domain::names::DEFAULT_RESERVED
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            admin_login: "admin".to_owned(),
            ascii: false,
            theme: "dark".to_owned(),
            themes: vec!["dark".to_owned(), "light".to_owned()],
            mouse: false,
            start: Pane::Servers,
            keymap: Keymap::default(),
            remembered: Remembered::default(),
            log_paths: BTreeMap::new(),
            alerts: AlertSettings::default(),
            files: Vec::new(),
            menu_delay: Duration::from_millis(300),
        }
    }
}
