//! Time on the screen: what turns, what is due, when to be woken.

use super::{Layer, Model};
use crate::domain::job::JobState;
use std::time::Duration;

/// How long a spinner's picture stands.
pub const SPINNER: Duration = Duration::from_millis(120);
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

impl Now {
    /// Minutes since the epoch: what the clock shows changes with it.
    pub fn minute(&self) -> i64 {
        self.wall.as_second().div_euclid(60)
    }
}

/// What of the time is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shown {
    /// The clock's minute.
    pub minute: i64,
    /// The spinner's picture.
    pub spinner: u128,
    /// Whether the menu of a pending key stands.
    pub menu: bool,
    /// What is left of an unlocked profile's time, as the badge says it, in milliseconds.
    pub unlocked: u64,
}

impl Model {
    /// Whether something on the screen turns.
    pub fn is_working(&self) -> bool {
        !self.asked.is_empty()
            || self.log.is_looking()
            || self
                .store
                .jobs
                .iter()
                .any(|job| matches!(job.state, JobState::Running | JobState::Undoing) && job.waits_for_key.is_none())
    }

    /// Whether something turns, and somebody looks.
    fn turns(&self) -> bool {
        self.is_working() && !self.home.away
    }

    /// The spinner's picture now.
    pub fn spinner(now: &Now) -> u128 {
        now.mono.as_millis() / SPINNER.as_millis()
    }

    /// Whether the menu of the pending keys stands.
    pub fn menu_stands(&self, now: &Now) -> bool {
        !self.pending.is_empty() && now.mono >= self.pending_since + self.settings.menu_delay
    }

    /// What of the time should be on the screen now.
    pub fn should_show(&self, now: &Now) -> Shown {
        Shown {
            minute: now.minute(),
            spinner: if self.turns() { Self::spinner(now) } else { 0 },
            menu: self.menu_stands(now),
            unlocked: self.unlock_badge(now).map_or(0, |(_, shown, _)| shown),
        }
    }

    /// When to be woken though nothing happens ([`Now::mono`]'s scale): spinners while something
    /// runs, the menu of a pending key, a flash that ends, the next minute of the clock.
    pub fn next_deadline(&self, now: &Now) -> Option<Duration> {
        let into_minute = now.wall.as_millisecond().rem_euclid(60_000);
        let to_minute = u64::try_from(60_000 - into_minute).unwrap_or(60_000);
        let mut next = now.mono + Duration::from_millis(to_minute);
        let mut at = |when: Option<Duration>| {
            if let Some(when) = when {
                next = next.min(when.max(now.mono));
            }
        };
        if self.turns() {
            let pictures = u32::try_from(Self::spinner(now) + 1).unwrap_or(u32::MAX);
            at(Some(SPINNER.saturating_mul(pictures)));
        }
        if !self.pending.is_empty() && !self.shown.menu {
            at(Some(self.pending_since + self.settings.menu_delay));
        }
        at(self.flash.as_ref().map(|flash| flash.until));
        at(self.history.due);
        at(self.lists.due());
        at(self.quit_until);
        at(self.attention.save_due);
        if !self.only_log
            && let Some(due) = self.attention.board.due(&self.settings.alerts.rules)
        {
            let wait = Duration::try_from(due.duration_since(now.wall)).unwrap_or(Duration::ZERO);
            at(Some(now.mono.saturating_add(wait)));
        }
        at(self.unlock_badge(now).map(|(.., next)| next));
        if let Some(Layer::Form(form)) = self.layers.last() {
            at(form.plan_due);
        }
        Some(next)
    }
}
