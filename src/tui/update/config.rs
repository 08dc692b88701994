//! The configuration changed under the running dashboard; another profile is wanted.

use super::{flash, resettle};
use crate::tui::model::{Effect, Mistake, Model, NoticeLevel, Now, UiSettings};

/// What is in the file now holds, as far as it can without a restart.
pub(super) fn reread(model: &mut Model, settings: UiSettings, changed: &[String], now: &Now) -> Vec<Effect> {
    let old = std::mem::replace(&mut model.settings, settings);
    // A theme that was chosen since stays; one that the file changed is drawn with.
    if model.settings.theme != old.theme {
        model.home.theme = model.settings.theme.clone();
    }
    // What belongs to this run, not to the file.
    model.settings.remembered = old.remembered;
    model.settings.alerts.remembered = old.alerts.remembered;
    model.settings.log_paths = old.log_paths;
    model.settings.files = old.files;
    model.settings.start = old.start;
    model.settings.config.read_at = Some(now.wall);
    model.pending.clear();
    let facts = &model.settings.config;
    let what = match changed {
        [] => "nothing that holds changed".to_owned(),
        [one] => format!("{one} changed"),
        [one, two] => format!("{one} and {two} changed"),
        [one, rest @ ..] => format!("{one} and {} others changed", rest.len()),
    };
    let waits = match facts.restart.as_slice() {
        [] => String::new(),
        [one] => format!("; {one} holds from the next start on"),
        [one, rest @ ..] => format!("; {one} and {} others hold from the next start on", rest.len()),
    };
    if let Some(mistake) = facts.mistakes.first() {
        let more = match facts.mistakes.len() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        let text = format!(
            "configuration: {}: {}{more}; {what}{waits}",
            mistake.place, mistake.message
        );
        let hint = Some("`:config` tells all; what was right before holds in its place".to_owned());
        flash(model, now, NoticeLevel::Error, text, hint);
    } else {
        let level = if waits.is_empty() {
            NoticeLevel::Info
        } else {
            NoticeLevel::Warning
        };
        flash(
            model,
            now,
            level,
            format!("the configuration was read again: {what}{waits}"),
            None,
        );
    }
    resettle(model);
    Vec::new()
}

/// The file is not one that can be read: everything stays as it is.
pub(super) fn kept(model: &mut Model, mistake: Mistake, now: &Now) -> Vec<Effect> {
    let text = format!(
        "the configuration stays as it was: {}: {}",
        mistake.place, mistake.message
    );
    let hint = mistake.hint.as_ref().map(ToString::to_string);
    model.settings.config.kept = Some(mistake);
    flash(model, now, NoticeLevel::Error, text, hint);
    Vec::new()
}

/// Changes to another profile, whatever is under way here.
pub(super) fn switch(model: &mut Model, name: String) -> Vec<Effect> {
    model.switch_to = Some(name);
    vec![Effect::SwitchProfile]
}
