//! Read-only profiles: unlocked for a while, and locked again by themselves.

use super::flash;
use crate::tui::model::{Effect, Model, NoticeLevel, Now};
use jiff::SignedDuration;
use std::time::Duration;

/// Lets a read-only profile be changed for so long.
pub(super) fn unlock(model: &mut Model, time: Duration, now: &Now) -> Vec<Effect> {
    if !model.settings.guard.read_only {
        let text = "this profile is not read-only";
        flash(model, now, NoticeLevel::Info, text, None);
        return Vec::new();
    }
    let wall = SignedDuration::try_from(time)
        .ok()
        .and_then(|time| now.wall.checked_add(time).ok())
        .unwrap_or(now.wall);
    model.unlocked = Some((now.mono + time, wall));
    let at = wall.to_zoned(now.tz.clone()).strftime("%H:%M:%S").to_string();
    let text = format!(
        "{} can be changed until {at}; then it is read-only again",
        model.settings.profile
    );
    flash(
        model,
        now,
        NoticeLevel::Warning,
        text,
        Some("`:lock` ends it before".to_owned()),
    );
    vec![Effect::Unlock(Some(time))]
}

/// Makes it read-only again.
pub(super) fn lock(model: &mut Model, now: &Now) -> Vec<Effect> {
    model.unlocked = None;
    let text = format!("{} is read-only again", model.settings.profile);
    flash(model, now, NoticeLevel::Info, text, None);
    vec![Effect::Unlock(None)]
}

/// Locks when the time is over, by whichever clock comes first.
pub(super) fn due(model: &mut Model, now: &Now, effects: &mut Vec<Effect>) {
    if model.unlocked_for(now).is_some_and(|left| left.is_zero()) {
        effects.extend(lock(model, now));
    }
}
