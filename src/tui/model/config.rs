//! How the configuration stands, as the dashboard was told: for its page, the header and the help.

use super::page::{Page, PageLine, Tone};
use super::pages::Lines;
use super::{Model, Now};
use crate::domain::SafeText;

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// File, line and column, or the variable.
    pub place: SafeText,
    /// What was found and expected.
    pub message: SafeText,
    /// What to do.
    pub hint: Option<SafeText>,
}

/// How the configuration stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFacts {
    /// The profile in force; none: what the file says outside of profiles.
    pub profile: Option<String>,
    /// The profiles there are.
    pub profiles: Vec<String>,
    /// What is wrong; what was right last, or the default, holds in its place.
    pub mistakes: Vec<Mistake>,
    /// Why the file's last change was not taken at all.
    pub kept: Option<Mistake>,
    /// When the file was read last, where that was after the start.
    pub read_at: Option<jiff::Timestamp>,
    /// Settings that were changed in the file and hold from the next start on.
    pub restart: Vec<String>,
    /// Settings that were changed and that a worker takes when it is started next.
    pub worker: Vec<String>,
    /// Where things lie: what, and its place.
    pub places: Vec<(String, SafeText)>,
}

impl ConfigFacts {
    /// How many things are wrong.
    pub fn wrong(&self) -> usize {
        self.mistakes.len() + usize::from(self.kept.is_some())
    }
}

/// The page that says everything about the configuration.
pub(super) fn page(model: &Model, now: &Now) -> Page {
    let facts = &model.settings.config;
    let mut out = Lines::new();
    let tell = |out: &mut Lines, mistake: &Mistake| {
        // A line of its own: beside what is wrong, the end of a long path would be cut, and there the line stands.
        out.text(mistake.place.as_str(), Tone::Warning);
        out.text(mistake.message.as_str(), Tone::Bad);
        if let Some(hint) = &mistake.hint {
            out.text(hint.as_str(), Tone::Plain);
        }
    };
    if let Some(kept) = &facts.kept {
        out.head("the last change was not taken; what was right before holds");
        tell(&mut out, kept);
    }
    if !facts.mistakes.is_empty() {
        out.head("mistakes; what was right before, or the default, holds in their place");
        for mistake in &facts.mistakes {
            tell(&mut out, mistake);
        }
    }
    if !facts.restart.is_empty() {
        out.head("changed, and holds from the next start on (or :profile)");
        out.pair("settings", facts.restart.join(", "));
    }
    if !facts.worker.is_empty() {
        out.head("changed, and holds when a worker is started next");
        out.pair("settings", facts.worker.join(", "));
    }
    out.head("configuration");
    if facts.wrong() == 0 {
        out.toned("mistakes", "none", Tone::Good);
    }
    out.pair("profile", facts.profile.as_deref().unwrap_or("default (none)"));
    let others: Vec<&str> = facts.profiles.iter().map(String::as_str).collect();
    if !others.is_empty() {
        out.pair(
            "profiles",
            format!("{}; `:profile NAME` changes to one", others.join(", ")),
        );
    }
    if let Some(at) = facts.read_at {
        out.pair("read", super::when(at, now));
    }
    places(&mut out, facts);
    out.push(PageLine::Blank);
    out.text(
        "The file is followed as it changes. `vigie config check` tells its mistakes in a shell, `vigie config show --origin` what holds and from where.",
        Tone::Dim,
    );
    out.page("configuration")
}

/// Which program this is, and where its files lie.
pub(super) fn places(out: &mut Lines, facts: &ConfigFacts) {
    for (what, place) in &facts.places {
        out.pair(what, place.as_str());
    }
}
