//! The operator's own commands, run here. What changes something is judged as every change is.

use super::guard::On;
use super::{Answer, Ops};
use crate::domain::command::{Typed, environment_of};
use crate::domain::job::Stream;
use crate::domain::rights::Deed;
use crate::domain::{InstanceId, JobId, Problem, SafeText, ServerId, TemplateId};
use crate::remote::host::{Host, Run};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Lines that are kept of what a command writes: its last ones.
const LINES: usize = 5_000;
/// What a command runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOn {
    /// A server.
    Server(ServerId),
    /// An instance.
    Instance(InstanceId),
    /// A template.
    Template(TemplateId),
    /// A job.
    Job(JobId),
    /// Nothing.
    Nothing,
}

/// A command of the operator's own.
#[derive(Debug, Clone, Copy)]
pub struct OwnRun<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Program and arguments.
    pub argv: &'a [String],
    /// What it is told of what it runs on.
    pub facts: &'a BTreeMap<&'static str, String>,
    /// What it runs on: one, or all that it is told at once.
    pub on: &'a [CommandOn],
    /// How long it may run.
    pub limit: Duration,
    /// Whether it changes something.
    pub changes: bool,
}

/// What it wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wrote {
    /// Its exit status; none: a signal ended it.
    pub code: Option<i32>,
    /// Its last lines, of both outputs, as they came.
    pub lines: Vec<SafeText>,
    /// How many more there were before them.
    pub dropped: usize,
}

impl OwnRun<'_> {
    /// The words that run it with its own environment and nothing else of ours.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec!["env".to_owned(), "-i".to_owned()];
        let pairs = environment_of(self.facts, |name| std::env::var(name).ok());
        words.extend(pairs.iter().map(|(name, value)| format!("{name}={value}")));
        words.extend(self.argv.iter().cloned());
        words
    }

    /// The same, ended when its time is over.
    pub fn bounded(&self) -> Vec<String> {
        let mut words: Vec<String> = ["timeout", "-k", "5"].map(str::to_owned).to_vec();
        words.push(self.limit.as_secs().max(1).to_string());
        words.extend(self.words());
        words
    }
}

impl Ops {
    /// Judges a command that changes something by the guards, for each that it runs on, and writes down
    /// that it runs. Where that can't be written it runs all the same: what is to be mended may be what
    /// the registry stands on.
    ///
    /// # Errors
    /// As [`crate::domain::guard::Guard::judge`].
    pub async fn may_run(&self, run: &OwnRun<'_>) -> Answer<()> {
        if !run.changes {
            return Ok(());
        }
        let named = |on: CommandOn| match on {
            CommandOn::Server(id) => (On::Server(id), format!("server:{id}")),
            CommandOn::Instance(id) => (On::Instance(id), format!("instance:{id}")),
            CommandOn::Template(id) => (On::Template(id), format!("template:{id}")),
            CommandOn::Job(id) => (On::Job(id), format!("job:{id}")),
            CommandOn::Nothing => (On::Called(run.name), "registry".to_owned()),
        };
        for on in run.on {
            let (on, object) = named(*on);
            self.judged(Deed::RunCommand, on, ("command", &object, run.name))
                .await?;
        }
        let argv = self.redacted(&Typed(run.argv).to_string());
        for on in run.on {
            let (_, object) = named(*on);
            self.noted(("command", &object, run.name), json!({ "argv": argv }))
                .await;
        }
        Ok(())
    }

    /// Runs a command to its end, or to its time limit; whatever it started ends with it.
    ///
    /// # Errors
    /// When a guard refuses it, it can't be started, or it takes too long.
    pub async fn run_own(&self, run: &OwnRun<'_>) -> Answer<Wrote> {
        self.may_run(run).await?;
        let words = run.words();
        let argv: Vec<&str> = words.iter().map(String::as_str).collect();
        let kept: Mutex<(VecDeque<SafeText>, usize)> = Mutex::default();
        let take = |_: Stream, line: SafeText| {
            let line = SafeText::new(&self.redacted(line.as_str()));
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.0.len() == LINES {
                kept.0.pop_front();
                kept.1 += 1;
            }
            kept.0.push_back(line);
        };
        let asked = Run::writing(&argv, run.limit);
        let ended = Host::local(&self.remote).run(&asked, &take).await;
        let (lines, dropped) = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        let output = ended.map_err(|error| {
            let last = lines
                .back()
                .map(|line| format!("; its last line: {line}"))
                .unwrap_or_default();
            Problem::new(
                "command_failed",
                format!("{}: {}{last}", run.name, self.redacted(&error.to_string())),
            )
        })?;
        Ok(Wrote {
            code: output.code,
            lines: lines.into(),
            dropped,
        })
    }
}
