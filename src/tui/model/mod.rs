//! What the dashboard knows and shows: plain data, changed only by `update`, read by `view`.

mod draft;
mod effect;
mod message;

pub use draft::{Expected, InstanceDraft, SecretField, ServerDraft, TemplateDraft, TypedSecret};
pub use effect::{Act, Effect, Policy, Target, TaskKey, TemplateWork, Ticket};
pub use message::{Answer, Delta, Ended, Fleet, HistoryPoint, InstanceRow, Message, Notice, NoticeLevel, PlanPreview};

use crate::domain::SafeText;
use crate::domain::audit::Role;
use crate::domain::capacity::Thresholds;
use crate::domain::health::HealthRules;
use std::time::Duration;

/// The time, read at the edge and handed in.
#[derive(Debug, Clone)]
pub struct Now {
    /// The time of day, for what is shown.
    pub wall: jiff::Timestamp,
    /// Since the program began, for deadlines: never jumps.
    pub mono: Duration,
    /// The operator's time zone.
    pub tz: jiff::tz::TimeZone,
}

/// What the dashboard is told once, from the settings.
#[derive(Debug, Clone)]
pub struct UiSettings {
    /// The profile's name, shown in the header.
    pub profile: SafeText,
    /// What the operator may do.
    pub role: Role,
    /// Shares of places that decide what is allowed.
    pub thresholds: Thresholds,
    /// When a check counts as what.
    pub rules: HealthRules,
    /// How often servers are checked; health older than twice this is shown as stale.
    pub check_interval: Duration,
    /// The domain below which instances are published, for the URL shown in the form.
    pub root_domain: Option<String>,
    /// Subdomains that may not be used.
    pub reserved: Vec<String>,
    /// How long the rest of a key sequence is waited for before its menu is shown.
    pub menu_delay: Duration,
}

impl Default for UiSettings {
    fn default() -> Self {
        Self {
            profile: SafeText::new("local"),
            role: Role::Admin,
            thresholds: Thresholds::default(),
            rules: HealthRules::default(),
            check_interval: Duration::from_secs(15 * 60),
            root_domain: None,
            reserved: crate::domain::names::DEFAULT_RESERVED
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            menu_delay: Duration::from_millis(300),
        }
    }
}

/// The dashboard's state.
#[derive(Debug)]
pub struct Model {
    /// What the settings say.
    pub settings: UiSettings,
    /// The terminal's size, columns and rows.
    pub size: (u16, u16),
    dirty: bool,
}

impl Model {
    /// An empty dashboard that waits for its first [`Answer::Fleet`].
    pub fn new(settings: UiSettings, size: (u16, u16)) -> Self {
        Self {
            settings,
            size,
            dirty: true,
        }
    }

    /// Whether a frame is due since the last call; asking makes it clean.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// When to be woken though nothing happens ([`Now::mono`]'s scale): spinners while something
    /// runs, the menu of a pending key, a flash that ends, the next minute of the clock.
    pub fn next_deadline(&self, now: &Now) -> Option<Duration> {
        let _ = now;
        None
    }
}
