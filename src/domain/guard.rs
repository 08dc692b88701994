//! Guardrails: what a profile lets be changed, and what it asks before. Rules come from the
//! configuration; the dashboard and the command line are judged by the same function, where the
//! change is made, so that neither can go round it.

use super::problem::Problem;
use super::rights::Deed;
use super::text::SafeText;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest time for which a read-only profile is unlocked: a night's watch.
pub const UNLOCK_MOST: Duration = Duration::from_secs(8 * 3600);
/// For how long it is unlocked where nobody says.
pub const UNLOCK_USUAL: Duration = Duration::from_secs(10 * 60);

impl Deed {
    /// Whether it changes the fleet or what is written down about it. Looking at servers, even where
    /// the result is kept, is no change; nor is the work of worker processes.
    pub fn is_change(self) -> bool {
        !matches!(
            self,
            Self::Read
                | Self::AuditRefusal
                | Self::UseSecrets
                | Self::TestServer
                | Self::KeepCheck
                | Self::HandOutPassword
                | Self::Work
                | Self::Prune
        )
    }

    /// Its name in rules, as the audit calls it; `None` for what no rule can speak of.
    pub fn action(self) -> Option<&'static str> {
        Some(match self {
            Self::Read | Self::AuditRefusal | Self::UseSecrets | Self::Work | Self::Prune => return None,
            Self::TestServer => "server.test",
            Self::KeepCheck => "server.check",
            Self::AddServer => "server.add",
            Self::EditServer => "server.edit",
            Self::ActivateServer => "server.activate",
            Self::MaintainServer => "server.maintenance",
            Self::DeactivateServer => "server.deactivate",
            Self::DeleteServer => "server.delete",
            Self::AddTemplate => "template.add",
            Self::RemoveTemplate => "template.remove",
            Self::CreateTemplateDatabase => "template.create_database",
            Self::AdoptTemplate => "template.adopt",
            Self::ThawTemplate => "template.thaw",
            Self::CreateInstance => "instance.create",
            Self::DeleteInstance => "instance.remove",
            Self::ForgetInstance => "instance.forget",
            Self::HandOutPassword => "password",
            Self::CancelJob => "job.cancel",
            Self::RetryJob => "job.retry",
            Self::AddPlan => "plan.add",
            Self::AddCustomer => "customer.add",
            Self::RotateSecrets => "secrets.rotate",
            Self::RunCommand => "command",
            Self::Migrate => "registry.migrate",
        })
    }
}

/// Whether `text` is as `pattern` says: `*` stands for anything, `?` for one character.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || text.get(t) == Some(c) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// One pattern, or several of which any will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a pattern such as \"prod-*\", or a list of patterns")]
pub enum Patterns {
    /// One.
    One(String),
    /// Any of these.
    Any(Vec<String>),
}

impl Patterns {
    /// As a list.
    pub fn list(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Any(all) => all,
        }
    }

    fn takes(&self, text: &str) -> bool {
        self.list().iter().any(|pattern| glob(pattern, text))
    }
}

/// A rule of the configuration. What it doesn't name it holds for whatever it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "RawRule", into = "RawRule")]
pub struct Rule {
    /// In which profiles.
    pub profile: Option<Patterns>,
    /// On which servers, by their codes.
    pub server: Option<Patterns>,
    /// For which actions: `server.deactivate`, `instance.*`; all changes where none is named.
    pub action: Option<Patterns>,
    /// Forbidden, and why.
    pub deny: Option<SafeText>,
    /// The name has to be typed.
    pub type_name: bool,
    /// At most so many in one go.
    pub max_bulk: Option<u32>,
    /// A reason has to be given; the audit keeps it.
    pub reason: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawRule {
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Patterns>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Patterns>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Patterns>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deny: Option<SafeText>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    type_name: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bulk: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reason: bool,
}

impl From<Rule> for RawRule {
    fn from(rule: Rule) -> Self {
        Self {
            profile: rule.profile,
            server: rule.server,
            action: rule.action,
            deny: rule.deny,
            type_name: rule.type_name,
            max_bulk: rule.max_bulk,
            reason: rule.reason,
        }
    }
}

impl TryFrom<RawRule> for Rule {
    type Error = String;

    /// A rule that can never hold, or asks for nothing, protects nobody: it is a mistake.
    fn try_from(raw: RawRule) -> Result<Self, String> {
        for pattern in raw.action.iter().flat_map(Patterns::list) {
            let known: Vec<&str> = Deed::ALL.iter().filter_map(|deed| deed.action()).collect();
            if !known.iter().any(|action| glob(pattern, action)) {
                return Err(format!(
                    "found the action {pattern:?}, expected one of: {}; `*` stands for anything",
                    known.join(", ")
                ));
            }
        }
        if !(raw.type_name || raw.reason || raw.deny.is_some() || raw.max_bulk.is_some()) {
            return Err("found a guard that asks for nothing, expected deny, type_name, max_bulk or reason".to_owned());
        }
        if raw.max_bulk == Some(0) {
            return Err("found max_bulk 0, expected at least 1; deny = \"why\" forbids it altogether".to_owned());
        }
        if raw.deny.as_ref().is_some_and(|why| why.as_str().trim().is_empty()) {
            return Err("found an empty deny, expected why it is forbidden".to_owned());
        }
        Ok(Self {
            profile: raw.profile,
            server: raw.server,
            action: raw.action,
            deny: raw.deny,
            type_name: raw.type_name,
            max_bulk: raw.max_bulk,
            reason: raw.reason,
        })
    }
}

impl Rule {
    fn holds(&self, profile: &str, deed: Deed, server: Option<&str>) -> bool {
        let Some(action) = deed.action() else { return false };
        let named = match &self.action {
            Some(patterns) => patterns.takes(action),
            None => deed.is_change(),
        };
        // What has no server is not on one: only a rule for all servers speaks of it.
        let there = |patterns: &Patterns| patterns.takes(server.unwrap_or_default());
        named && self.profile.as_ref().is_none_or(|p| p.takes(profile)) && self.server.as_ref().is_none_or(there)
    }
}

/// What rules ask of one thing: of all that hold, the strictest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demands {
    /// It is forbidden, and why.
    pub deny: Option<String>,
    /// The name has to be typed.
    pub type_name: bool,
    /// At most so many in one go.
    pub max_bulk: Option<u32>,
    /// A reason has to be given.
    pub reason: bool,
}

impl Demands {
    /// Both, the stricter of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            deny: self.deny.or(other.deny),
            type_name: self.type_name || other.type_name,
            max_bulk: match (self.max_bulk, other.max_bulk) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            reason: self.reason || other.reason,
        }
    }

    /// Whether something has to be typed before.
    pub fn asks(&self) -> bool {
        self.type_name || self.reason
    }
}

/// What is asked to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// What.
    pub deed: Deed,
    /// On which server, by its code; `None` where it is on none.
    pub server: Option<&'a str>,
    /// What it is done to is called so.
    pub name: &'a str,
}

/// What the operator gave with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consent {
    /// The name that was typed; of many in one go their number.
    pub typed: Option<String>,
    /// Why it is done.
    pub reason: Option<SafeText>,
    /// How many are done in one go; 0 and 1: this alone.
    pub bulk: u32,
}

impl Consent {
    /// A reason as it is kept; `None` where nothing was said.
    pub fn reason_of(text: &str) -> Option<SafeText> {
        let text = text.trim();
        (!text.is_empty()).then(|| SafeText::capped(text, 500))
    }
}

/// The rules in force, and whether anything may be changed at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard {
    /// The profile.
    pub profile: String,
    /// Whether it is read-only unless unlocked.
    pub read_only: bool,
    /// The rules.
    pub rules: Vec<Rule>,
}

impl Guard {
    /// Whether it never asks and never refuses.
    pub fn is_open(&self) -> bool {
        !self.read_only && self.rules.is_empty()
    }

    /// What the rules ask for a deed on a server.
    pub fn demands(&self, deed: Deed, server: Option<&str>) -> Demands {
        self.rules
            .iter()
            .filter(|rule| rule.holds(&self.profile, deed, server))
            .fold(Demands::default(), |all, rule| {
                all.and(Demands {
                    deny: rule.deny.as_ref().map(ToString::to_string),
                    type_name: rule.type_name,
                    max_bulk: rule.max_bulk,
                    reason: rule.reason,
                })
            })
    }

    /// Refuses what is refused whatever the operator gives with it.
    ///
    /// # Errors
    /// Codes `read_only` and `denied`.
    pub fn refuses(&self, deed: Deed, server: Option<&str>, unlocked: bool) -> Result<(), Problem> {
        if self.read_only && !unlocked && deed.is_change() {
            let profile = match self.profile.as_str() {
                "" => "this profile".to_owned(),
                name => format!("the profile {name}"),
            };
            let message = format!("{profile} is read-only: to {} it has to be unlocked", deed.words());
            return Err(Problem::new("read_only", message)
                .hint("`:unlock 10m` in the dashboard, --unlock 10m on the command line"));
        }
        match self.demands(deed, server).deny {
            Some(why) => {
                let on = server.map(|code| format!(" on {code}")).unwrap_or_default();
                Err(Problem::new(
                    "denied",
                    format!("a guard forbids to {}{on}: {why}", deed.words()),
                ))
            }
            None => Ok(()),
        }
    }

    /// The one judgement on a change: whether it may be made with what the operator gave.
    ///
    /// # Errors
    /// Codes `read_only`, `denied`, `bulk_too_large`, `name_needed`, `reason_needed`; what to do is in
    /// the hint.
    pub fn judge(&self, asked: &Asked<'_>, given: &Consent, unlocked: bool) -> Result<(), Problem> {
        self.refuses(asked.deed, asked.server, unlocked)?;
        let demands = self.demands(asked.deed, asked.server);
        if let Some(most) = demands.max_bulk
            && given.bulk > most
        {
            let message = format!("a guard allows {most} in one go, these are {}", given.bulk);
            return Err(Problem::new("bulk_too_large", message).hint(format!("fewer of them, or a limit of {most}")));
        }
        let name = if given.bulk > 1 {
            given.bulk.to_string()
        } else {
            asked.name.to_owned()
        };
        if demands.type_name && given.typed.as_deref() != Some(name.as_str()) {
            let message = if given.typed.is_some() {
                format!("a guard asks for {name:?} to be typed, and something else was")
            } else {
                format!("a guard asks for {name:?} to be typed, to {}", asked.deed.words())
            };
            return Err(Problem::new("name_needed", message).hint(format!(
                "the dashboard's dialog asks for it; from the shell: --confirm {name}"
            )));
        }
        if demands.reason && given.reason.is_none() {
            let message = format!(
                "a guard asks for a reason to {}; the audit keeps it",
                asked.deed.words()
            );
            return Err(Problem::new("reason_needed", message)
                .hint("the dashboard's dialog asks for it; from the shell: --reason TEXT"));
        }
        Ok(())
    }
}

/// For how long to unlock, as it is typed: `10m`, `2h`, `90s`; nothing: [`UNLOCK_USUAL`].
///
/// # Errors
/// When it is no time, or over [`UNLOCK_MOST`].
pub fn unlock_time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(UNLOCK_USUAL);
    }
    let time =
        super::span::read(text).ok_or_else(|| format!("found {text:?}, expected a time such as 90s, 10m or 2h"))?;
    if time > UNLOCK_MOST {
        return Err(format!("found {text:?}, expected at most 8h"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests;
