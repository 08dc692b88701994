//! A command of the operator's own, on many: once for each, or once with all of them.

use super::target_of;
use crate::domain::Problem;
use crate::domain::bulk::{Item, Plan, Thing, Verb};
use crate::domain::command::{LISTS, Many, Output, OwnCommand, Refused};
use crate::tui::model::{Act, CommandRun, Model, Target, command_facts};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a command is told.
pub(super) type Told = BTreeMap<&'static str, String>;

/// A command with what was answered, and what it is told of each as that was seen.
#[derive(Debug, Clone)]
pub struct Own {
    /// Which.
    pub command: Arc<OwnCommand>,
    /// What was answered.
    pub answers: BTreeMap<String, String>,
    told: BTreeMap<Thing, Told>,
}

/// What a command is told of several at once: each a line.
pub fn told_of_all(all: &[&Told]) -> Told {
    let mut facts = Told::new();
    if let Some(first) = all.first() {
        for same in ["fleet", "profile", "kind"] {
            if let Some(value) = first.get(same) {
                facts.insert(same, value.clone());
            }
        }
    }
    for ((list, _), one) in LISTS.iter().zip(["code", "name", "id"]) {
        let lines: Vec<&str> = all
            .iter()
            .map(|told| told.get(one).map(String::as_str).unwrap_or_default())
            .collect();
        facts.insert(list, lines.join("\n"));
    }
    facts
}

impl Own {
    /// A command on these.
    pub fn new(model: &Model, command: Arc<OwnCommand>, answers: BTreeMap<String, String>, things: &[Thing]) -> Self {
        let told = |thing: &Thing| (*thing, command_facts(model, Some(target_of(*thing))));
        Self {
            told: things.iter().map(told).collect(),
            command,
            answers,
        }
    }

    /// Whether it runs once with all of them.
    pub fn is_once(&self) -> bool {
        self.command.many == Many::Once
    }

    /// As what it is planned.
    pub fn verb(&self) -> Verb {
        if self.command.changes { Verb::Run } else { Verb::Look }
    }

    /// What it means.
    pub fn meaning(&self) -> &'static str {
        match (self.is_once(), self.verb()) {
            (true, Verb::Run) => "It changes something, and runs once, with all of them.",
            (true, _) => "It runs once, with all of them.",
            (false, verb) => verb.meaning(),
        }
    }

    /// What runs for one; where it runs once with all, what it would run for that one alone.
    ///
    /// # Errors
    /// What can't be inserted.
    pub fn argv(&self, thing: Thing) -> Result<Vec<String>, Refused> {
        let told = self.told.get(&thing).cloned().unwrap_or_default();
        let told = if self.is_once() { told_of_all(&[&told]) } else { told };
        self.command.build(&told, &self.answers)
    }

    /// What runs once with all that are not passed over.
    ///
    /// # Errors
    /// What can't be inserted.
    pub fn argv_of_all(&self, plan: &Plan) -> Result<(Told, Vec<String>), Refused> {
        let all: Vec<&Told> = plan
            .going()
            .filter_map(|line| self.told.get(&line.item.thing))
            .collect();
        let told = told_of_all(&all);
        let argv = self.command.build(&told, &self.answers)?;
        Ok((told, argv))
    }

    /// It on one of them. What it writes is for the receipt, wherever it goes else.
    pub fn act(&self, item: &Item) -> Result<Act, Problem> {
        let argv = self.argv(item.thing).map_err(refusal)?;
        let told = self.told.get(&item.thing).cloned().unwrap_or_default();
        Ok(self.run(target_of(item.thing), Vec::new(), (told, argv), Output::Popup))
    }

    /// It once, on all of the plan.
    ///
    /// # Errors
    /// What can't be inserted, or that nothing is left.
    pub fn act_on_all(&self, plan: &Plan) -> Result<Act, Problem> {
        let built = self.argv_of_all(plan).map_err(refusal)?;
        let mut targets = plan.going().map(|line| target_of(line.item.thing));
        let first = targets
            .next()
            .ok_or_else(|| Problem::new("nothing_to_do", "nothing is left to do"))?;
        Ok(self.run(first, targets.collect(), built, self.command.output))
    }

    fn run(&self, target: Target, also: Vec<Target>, (facts, argv): (Told, Vec<String>), output: Output) -> Act {
        Act::Command(Box::new(CommandRun {
            name: self.command.name.clone(),
            argv,
            facts,
            target,
            also,
            limit: self.command.limit,
            changes: self.command.changes,
            output,
        }))
    }

    /// It on so many, as a question's beginning: `Run ping on 3 servers`.
    pub fn title(&self, count: usize, one: Option<Thing>) -> String {
        let (single, several) = match one {
            Some(Thing::Server(_)) => ("server", "servers"),
            Some(Thing::Instance(_)) => ("instance", "instances"),
            Some(Thing::Template(_)) => ("template", "templates"),
            Some(Thing::Job(_)) => ("job", "jobs"),
            None => ("thing", "things"),
        };
        let what = if count == 1 { single } else { several };
        format!("Run {} on {count} {what}", self.command.name)
    }
}

fn refusal(why: Refused) -> Problem {
    Problem::new("command", why.to_string())
}
