//! One function a verb: arguments to operation, answer to text or JSON.

mod audit;
mod catalog;
mod config;
mod dedicated;
mod explain;
mod health;
mod init;
mod instance;
mod job;
mod many;
mod registry;
mod secrets;
mod server;
mod spec;
mod template;
mod worker;

use super::args::{Global, Sure, Verb};
use super::open;
use super::shell::Shell;
use crate::config::Loaded;
use crate::domain::Problem;
use crate::domain::guard::Consent;
use crate::ops::Ops;
use std::sync::Arc;

pub(super) use config::run as config;

type Done = Result<(), Problem>;

/// What every verb works with.
struct Desk<'a> {
    shell: &'a Shell,
    ops: Ops,
    /// What the arguments give for changes.
    given: Consent,
}

/// Runs the verb.
pub(super) async fn run(verb: Verb, global: &Global, loaded: Loaded, shell: &Shell) -> Done {
    for warning in &loaded.warnings {
        shell.note(format!("vigie: {warning}"));
    }
    for mistake in &loaded.mistakes {
        let hint = mistake
            .hint
            .as_ref()
            .map(|hint| format!("; {hint}"))
            .unwrap_or_default();
        shell.note(format!("vigie: {mistake}{hint} (left out)"));
    }
    let loaded = Arc::new(loaded);
    if let Verb::Worker { idle_exit, detached } = verb {
        return worker::run(shell, loaded, idle_exit, detached).await;
    }
    if let Verb::Init(args) = verb {
        return init::run(shell, loaded, args).await;
    }
    if let Verb::Doctor = verb {
        return health::doctor(shell, loaded).await;
    }
    if let Verb::Registry(verb) = verb {
        return registry::run(shell, loaded, verb, (&given(global), global.unlock.is_some())).await;
    }
    let given = given(global);
    let ops = open::ops(loaded, "cli").await?.with_consent(given.clone());
    if let Some(time) = global.unlock {
        ops.unlock(time);
    }
    let desk = Desk { shell, ops, given };
    match verb {
        Verb::Server(verb) => server::run(&desk, verb).await,
        Verb::Template(verb) => template::run(&desk, verb).await,
        Verb::Instance(verb) => instance::run(&desk, verb).await,
        Verb::Plan(verb) => catalog::plan(&desk, verb).await,
        Verb::Customer(verb) => catalog::customer(&desk, verb).await,
        Verb::Placement { min_capacity } => instance::placement(&desk, min_capacity).await,
        Verb::Job(verb) => job::run(&desk, verb).await,
        Verb::Audit(args) => audit::run(&desk, args).await,
        Verb::Explain(args) => explain::explain(&desk, args).await,
        Verb::Timeline(args) => explain::timeline(&desk, args).await,
        Verb::Secrets(verb) => secrets::run(&desk, verb).await,
        Verb::Doctor
        | Verb::Config(_)
        | Verb::Init(_)
        | Verb::Man
        | Verb::Registry(_)
        | Verb::Worker { .. }
        | Verb::Completions { .. }
        | Verb::Complete(_)
        | Verb::Sandbox(_)
        | Verb::View(_) => Ok(()),
    }
}

/// What the arguments give for changes.
fn given(global: &Global) -> Consent {
    Consent {
        typed: global.confirm.clone(),
        reason: global.reason.as_deref().and_then(Consent::reason_of),
        bulk: 1,
    }
}

impl Desk<'_> {
    /// Lets a removal go on only when its name was typed, or said beforehand.
    fn confirm(&self, what: &str, name: &str, sure: &Sure) -> Done {
        if sure.yes && self.given.typed.is_none() {
            return Ok(());
        }
        let typed = match &self.given.typed {
            Some(typed) => typed.clone(),
            None => {
                let question = format!("This removes the {what} {name}. Type its name to go on: ");
                self.shell.ask(&question).map_err(|_| {
                    Problem::new(
                        "not_confirmed",
                        format!("removing the {what} {name:?} needs a confirmation"),
                    )
                    .hint(format!("add --confirm {name}, or --yes"))
                })?
            }
        };
        if typed == name {
            return Ok(());
        }
        Err(Problem::new(
            "not_confirmed",
            format!("not confirmed: the {what} is called {name:?}; nothing was removed"),
        ))
    }
}
