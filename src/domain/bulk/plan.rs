//! Who, what, and who is passed over and why: shown before anything is done.

use super::{Item, Verb, fits};
use crate::domain::Problem;
use crate::domain::guard::{Consent, Demands, Guard};
use crate::domain::rights::{Deed, Rights};

/// How a bulk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// At most so many; the others are passed over.
    pub limit: Option<usize>,
    /// So many at once; at least one.
    pub at_once: usize,
    /// After so many failures no more are begun; `None`: whatever fails.
    pub stop_after: Option<usize>,
}

impl Limits {
    /// The usual: all of them, a few at once, and an end to it at the third failure.
    pub fn of(verb: Verb) -> Self {
        Self {
            limit: None,
            at_once: verb.at_once(),
            stop_after: match verb {
                // Looking harms nobody: all of them are looked at.
                Verb::Test | Verb::Check | Verb::Look => None,
                _ => Some(3),
            },
        }
    }
}

/// One line of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What.
    pub item: Item,
    /// What will be done to it, for the registry.
    pub deed: Deed,
    /// Why it is passed over; `None`: it is done.
    pub passed: Option<String>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is done.
    pub verb: Verb,
    /// To what, in the order in which it is begun.
    pub lines: Vec<Line>,
    /// How it goes.
    pub limits: Limits,
    /// What guards ask for those that are done.
    pub demands: Demands,
}

impl Plan {
    /// Plans `verb` for these. The same thing twice is done once.
    pub fn new(verb: Verb, items: Vec<Item>, limits: Limits, guard: &Guard, rights: &Rights, unlocked: bool) -> Self {
        let mut lines: Vec<Line> = Vec::with_capacity(items.len());
        let mut seen = std::collections::BTreeSet::new();
        let mut taken = 0;
        let mut demands = Demands::default();
        for item in items {
            if !seen.insert(item.thing) {
                continue;
            }
            let deed = verb.deed(&item.facts);
            let server = item.server.as_deref();
            let passed = match () {
                () if rights.check(deed).is_err() => rights.check(deed).err().map(|why| format!("not allowed: {why}")),
                () if guard.refuses(deed, server, unlocked).is_err() => guard
                    .refuses(deed, server, unlocked)
                    .err()
                    // Which server and what is to be done stand beside it.
                    .map(|problem| match guard.demands(deed, server).deny {
                        Some(why) if problem.code == "denied" => format!("a guard forbids it: {why}"),
                        _ => problem.message,
                    }),
                () if item.barred.is_some() => item.barred.clone(),
                () if item.busy.is_some() => item.busy.as_ref().map(|doing| format!("still {doing}")),
                () if fits(verb, &item.facts).is_err() => fits(verb, &item.facts).err(),
                () => match limits.limit {
                    Some(limit) if taken >= limit => Some(format!("beyond the limit of {limit}")),
                    _ => None,
                },
            };
            if passed.is_none() {
                taken += 1;
                demands = demands.and(guard.demands(deed, server));
            }
            lines.push(Line { item, deed, passed });
        }
        Self {
            verb,
            lines,
            limits,
            demands,
        }
    }

    /// Those that are done.
    pub fn going(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.passed.is_none())
    }

    /// How many are done.
    pub fn count(&self) -> usize {
        self.going().count()
    }

    /// Those that are passed over, and why.
    pub fn passed(&self) -> impl Iterator<Item = (&Item, &str)> {
        self.lines
            .iter()
            .filter_map(|line| line.passed.as_deref().map(|why| (&line.item, why)))
    }

    /// The most that guards allow, where these are more.
    pub fn over(&self) -> Option<u32> {
        self.demands
            .max_bulk
            .filter(|most| u32::try_from(self.count()).unwrap_or(u32::MAX) > *most)
    }

    /// What has to be typed before it begins: of one its name, of many their number; nothing where
    /// it can be taken back and no guard asks.
    pub fn to_type(&self) -> Option<String> {
        if !(self.verb.is_destructive() || self.demands.type_name) {
            return None;
        }
        Some(match (self.count(), self.going().next()) {
            (1, Some(line)) => line.item.name.clone(),
            (many, _) => many.to_string(),
        })
    }

    /// Whether it may begin with what the operator gave.
    ///
    /// # Errors
    /// Nothing is left to do, it is too many, or something is still to be given.
    pub fn may_begin(&self, given: &Consent) -> Result<(), Problem> {
        if self.count() == 0 {
            let why = self.passed().next().map(|(item, why)| format!(": {} {why}", item.name));
            let message = format!("nothing is left to do{}", why.unwrap_or_default());
            return Err(Problem::new("nothing_to_do", message));
        }
        if let Some(most) = self.over() {
            let message = format!("a guard allows {most} in one go, these are {}", self.count());
            return Err(Problem::new("bulk_too_large", message).hint(format!("fewer of them, or a limit of {most}")));
        }
        if let Some(expected) = self.to_type()
            && given.typed.as_deref() != Some(expected.as_str())
        {
            let message = format!("{} has to be confirmed: type {expected}", self.verb.of(self.count()));
            return Err(Problem::new("not_confirmed", message).hint(format!("add --confirm {expected}")));
        }
        if self.demands.reason && given.reason.is_none() {
            return Err(
                Problem::new("reason_needed", "a guard asks for a reason; the audit keeps it")
                    .hint("add --reason TEXT"),
            );
        }
        Ok(())
    }
}
