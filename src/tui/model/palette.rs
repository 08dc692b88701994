//! The `:` palette: everything that has a name, by a part of it.

use super::config::ConfigFacts;
use super::effect::Target;
use super::find::Filter;
use super::fleet::Store;
use super::memory::NamedView;
use super::tabs::{PAGES, Tab};
use crate::domain::SafeText;
use crate::domain::command::{On, OwnCommand};
use crate::tui::action::{ACTIONS, ActionId, Group, Keymap, Situation, action, allowed};
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tui_input::Input;

/// Lines found at most.
const MOST: usize = 60;
/// How often a look through the fleet asks whether it is still wanted, in rows.
const LOOK: usize = 4096;

/// What a line of the palette leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Lead {
    /// A page; with a filter for it.
    Page(Tab, Option<String>),
    /// An action.
    Action(ActionId),
    /// A server, instance or job.
    Target(Target),
    /// A named view.
    View(String),
    /// A theme; drawn with while it is selected.
    Theme(String),
    /// Another profile.
    Profile(String),
    /// A command of the operator's own.
    Own(String),
    /// Unlocking a read-only profile for so long.
    Unlock(Duration),
}

/// A line of the palette.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it leads to.
    pub lead: Lead,
    /// Its name.
    pub title: SafeText,
    /// What kind of thing it is, or its key.
    pub kind: String,
    /// More about it.
    pub detail: SafeText,
    /// Why it can't be done now.
    pub why_not: Option<String>,
    /// Where the title has what was typed, in bytes.
    pub hits: Vec<Range<usize>>,
    score: u32,
}

/// The palette, open.
#[derive(Debug, Default)]
pub struct Palette {
    /// What is typed.
    pub input: Input,
    /// What is found, the best first.
    pub lines: Vec<Line>,
    /// Which is selected.
    pub at: usize,
    /// The first visible one.
    pub offset: usize,
    /// Of the last question to the fleet: answers to older ones mean nothing.
    pub seq: u64,
    /// Lines that are not of the fleet, while a task looks through it.
    pub own: Vec<Line>,
    /// Whether a task looks.
    pub busy: bool,
}

/// A question for a task: what in the fleet is called so.
#[derive(Debug, Clone)]
pub struct PaletteRequest {
    /// Numbers it.
    pub seq: u64,
    /// What is looked for.
    pub text: String,
    /// In which fleet.
    pub store: Arc<Store>,
}

impl PartialEq for PaletteRequest {
    fn eq(&self, other: &Self) -> bool {
        (self.seq, &self.text) == (other.seq, &other.text)
    }
}

struct Seeker {
    pattern: Pattern,
    matcher: Matcher,
    buffer: Vec<char>,
    text: String,
}

impl Seeker {
    fn new(text: &str) -> Self {
        Self {
            pattern: Pattern::new(text, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy),
            matcher: Matcher::new(Config::DEFAULT),
            buffer: Vec::new(),
            text: super::find::fold(text),
        }
    }

    fn score(&mut self, name: &str, bias: u32) -> Option<u32> {
        let found = self
            .pattern
            .score(Utf32Str::new(name, &mut self.buffer), &mut self.matcher)?;
        let name = super::find::fold(name);
        let more = match name.strip_prefix(self.text.as_str()) {
            _ if self.text.is_empty() => 0,
            Some("") => 200,
            Some(_) => 80,
            None => 0,
        };
        Some(found + bias + more)
    }

    /// Where a name has the text; it does not need to.
    fn hits(&mut self, name: &str) -> Vec<Range<usize>> {
        let mut places = Vec::new();
        let found = self
            .pattern
            .indices(Utf32Str::new(name, &mut self.buffer), &mut self.matcher, &mut places);
        if found.is_none() {
            return Vec::new();
        }
        places.sort_unstable();
        places.dedup();
        // The matcher counts graphemes.
        use unicode_segmentation::UnicodeSegmentation;
        let graphemes: Vec<(usize, &str)> = if name.is_ascii() {
            Vec::new()
        } else {
            name.grapheme_indices(true).collect()
        };
        let range = |place: &u32| {
            let place = *place as usize;
            if name.is_ascii() {
                return Some(place..place + 1);
            }
            graphemes.get(place).map(|(at, grapheme)| *at..at + grapheme.len())
        };
        places.iter().filter_map(range).collect()
    }
}

/// Pages, views and actions that are called so, the best first.
pub fn own_lines(
    text: &str,
    situation: &Situation<'_>,
    keymap: &Keymap,
    views: &BTreeMap<String, NamedView>,
    (config, commands): (&ConfigFacts, &[Arc<OwnCommand>]),
    on: Option<On>,
) -> Vec<Line> {
    let (name, filter) = match text.split_once('/') {
        Some((name, filter)) => (name.trim(), Some(filter.trim())),
        None => (text.trim(), None),
    };
    let mut seeker = Seeker::new(name);
    let mut lines = Vec::new();
    if let Some(time) = name.strip_prefix("unlock ") {
        lines.push(unlock(time, situation));
    }
    for page in PAGES {
        // The settings' name for it is one too: `audit` is what the shell calls what happened.
        let also = action(page.action).name;
        let Some(score) = seeker.score(page.name, 90).max(seeker.score(also, 90)) else {
            continue;
        };
        let wrong = filter.and_then(|filter| Filter::new(page.list, filter).err());
        lines.push(Line {
            lead: Lead::Page(page.tab, filter.map(str::to_owned)),
            title: SafeText::new(page.name),
            kind: keymap.key_of(page.action),
            detail: SafeText::new(page.help),
            why_not: wrong.map(|error| error.to_string()),
            hits: Vec::new(),
            score,
        });
    }
    if filter.is_none() {
        for (view, shown) in views {
            let Some(score) = seeker.score(view, 70) else { continue };
            lines.push(Line {
                lead: Lead::View(view.clone()),
                title: SafeText::new(view),
                kind: "view".to_owned(),
                detail: SafeText::new(&format!("{} /{}", shown.list, shown.look.filter)),
                why_not: None,
                hits: Vec::new(),
                score,
            });
        }
        for command in commands {
            let Some(score) = seeker.score(&command.name, 50) else {
                continue;
            };
            lines.push(Line {
                lead: Lead::Own(command.name.clone()),
                title: SafeText::new(&command.name),
                kind: if command.key.is_empty() {
                    "command".to_owned()
                } else {
                    command.key.clone()
                },
                detail: command.help.clone(),
                why_not: super::command::why_not(command, on),
                hits: Vec::new(),
                score,
            });
        }
        let none = "default".to_owned();
        let profiles = (!config.profiles.is_empty()).then_some(&none).into_iter();
        for profile in profiles.chain(&config.profiles) {
            let title = format!("profile {profile}");
            let Some(score) = seeker.score(&title, 60) else {
                continue;
            };
            let is_this = config.profile.as_ref().unwrap_or(&none) == profile;
            lines.push(Line {
                lead: Lead::Profile(profile.clone()),
                title: SafeText::new(&title),
                kind: "profile".to_owned(),
                detail: SafeText::new(if is_this {
                    "in force; reads its settings again"
                } else {
                    "another fleet, or other settings"
                }),
                why_not: None,
                hits: Vec::new(),
                score,
            });
        }
        for action in ACTIONS {
            let is_page = PAGES.iter().any(|page| page.action == action.id);
            let moves = action.group == Group::Move && !matches!(action.id, ActionId::GoBack | ActionId::GoForward);
            if is_page || moves && action.id != ActionId::NextProblem || action.id == ActionId::Palette {
                continue;
            }
            // The table's name says more than the title where both are typed.
            let Some(score) = seeker.score(action.name, 40).max(seeker.score(action.title, 40)) else {
                continue;
            };
            let why_not = allowed(action.id, situation).err();
            // What can be done comes before what can't.
            let score = if why_not.is_some() {
                score.saturating_sub(30)
            } else {
                score
            };
            lines.push(Line {
                lead: Lead::Action(action.id),
                title: SafeText::new(&action.name.replace('-', " ")),
                kind: keymap.key_of(action.id),
                detail: SafeText::new(action.help),
                why_not,
                hits: Vec::new(),
                score,
            });
        }
    }
    sorted(lines, name)
}

/// Themes, where `theme` is typed, and as much of a name as is behind it.
pub fn theme_lines(text: &str, themes: &[String], current: &str) -> Vec<Line> {
    let Some(name) = text.trim_start().strip_prefix("theme") else {
        return Vec::new();
    };
    if !name.is_empty() && !name.starts_with(' ') {
        return Vec::new();
    }
    let mut seeker = Seeker::new(name.trim());
    let mut lines = Vec::new();
    for theme in themes {
        let Some(score) = seeker.score(theme, 0) else { continue };
        let now = if theme == current { "in use" } else { "" };
        lines.push(Line {
            lead: Lead::Theme(theme.clone()),
            title: SafeText::new(&format!("theme {theme}")),
            kind: "theme".to_owned(),
            detail: SafeText::new(now),
            why_not: None,
            hits: Vec::new(),
            // Before everything else that is called so; the one in use first.
            score: score + 1_000 + u32::from(theme == current),
        });
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.score));
    lines
}

/// `unlock 10m`: the line that does it, or why it can't be done.
fn unlock(time: &str, situation: &Situation<'_>) -> Line {
    let allowed = allowed(ActionId::Unlock, situation);
    let asked = crate::domain::guard::unlock_time(time);
    Line {
        lead: Lead::Unlock(asked.clone().unwrap_or_default()),
        title: SafeText::new(&format!("unlock {}", time.trim())),
        kind: String::new(),
        detail: SafeText::new("lets the profile be changed for so long"),
        why_not: allowed.err().or(asked.err()),
        hits: Vec::new(),
        score: u32::MAX,
    }
}

impl PaletteRequest {
    /// Servers, instances and jobs that are called so, the best first. `None` when nobody wants to
    /// know any more.
    pub fn run(&self, stop: &dyn Fn() -> bool) -> Option<Vec<Line>> {
        let text = self.text.trim();
        if text.is_empty() || text.contains('/') {
            return Some(Vec::new());
        }
        let mut seeker = Seeker::new(text);
        let mut found: Vec<(u32, Target)> = Vec::new();
        let store = &self.store;
        for server in &store.servers {
            if let Some(score) = seeker.score(server.spec.code.as_str(), 30) {
                found.push((score, Target::Server(server.id)));
            }
        }
        for job in &store.jobs {
            if let Some(score) = seeker.score(&format!("job {} {}", job.id, job.title), 0) {
                found.push((score, Target::Job(job.id)));
            }
        }
        for (n, slot) in store.all().iter().enumerate() {
            if n % LOOK == LOOK - 1 && stop() {
                return None;
            }
            let Some(row) = store.instance_in(*slot) else { continue };
            if let Some(score) = seeker.score(row.name(), 10).max(seeker.score(row.subdomain(), 10)) {
                found.push((score, Target::Instance(row.id)));
            }
            // Only the best are wanted: the rest need not be kept.
            if found.len() > 20 * MOST {
                found.sort_by_key(|(score, target)| (std::cmp::Reverse(*score), *target));
                found.truncate(MOST);
            }
        }
        found.sort_by_key(|(score, target)| (std::cmp::Reverse(*score), *target));
        found.truncate(MOST);
        let lines = found
            .into_iter()
            .filter_map(|(score, target)| self.line(score, target))
            .collect();
        Some(sorted(lines, text))
    }

    fn line(&self, score: u32, target: Target) -> Option<Line> {
        let store = &self.store;
        let (title, kind, detail) = match target {
            Target::Server(id) => {
                let server = store.server(id)?;
                let detail = format!("{}, {}", server.state().word(), server.spec.name);
                (SafeText::new(server.spec.code.as_str()), "server", detail)
            }
            Target::Instance(id) => {
                let row = store.instance(id)?;
                let detail = format!("{} on {}", row.subdomain(), store.server_code(row.server));
                (SafeText::new(row.name()), "instance", detail)
            }
            Target::Job(id) => {
                let job = store.job(id)?;
                let title = SafeText::new(&format!("job {id} {}", job.title));
                (title, "job", job.state.word().to_owned())
            }
            _ => return None,
        };
        Some(Line {
            lead: Lead::Target(target),
            title,
            kind: kind.to_owned(),
            detail: SafeText::new(&detail),
            why_not: None,
            hits: Vec::new(),
            score,
        })
    }
}

/// The best first, as many as can be looked at, with what was typed marked.
fn sorted(mut lines: Vec<Line>, text: &str) -> Vec<Line> {
    lines.sort_by_key(|line| std::cmp::Reverse(line.score));
    lines.truncate(MOST);
    let mut seeker = Seeker::new(text);
    for line in &mut lines {
        line.hits = seeker.hits(line.title.as_str());
    }
    lines
}

/// Both kinds of lines in one order.
pub fn merged(own: &[Line], fleet: Vec<Line>) -> Vec<Line> {
    let mut lines = own.to_vec();
    lines.extend(fleet);
    lines.sort_by_key(|line| std::cmp::Reverse(line.score));
    lines.truncate(MOST);
    lines
}
