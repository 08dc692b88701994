//! Programs that are lent the terminal: how they are started, found out in the background.

use super::door::{READ, bounded};
use crate::domain::{Problem, SafeText};
use crate::ops::{Ops, Program, editor};
use crate::tui::model::{Enter, Lend, TypedSecret};

/// How it is started.
///
/// # Errors
/// When it is refused, or there is no way there.
pub(super) async fn prepared(ops: &Ops, what: Enter) -> Result<Lend, Problem> {
    let var = |name| std::env::var(name).ok();
    let program = match what {
        Enter::Shell(server) => {
            let local = var("SHELL").filter(|shell| shell.starts_with('/'));
            let local = local.as_deref().unwrap_or("/bin/sh");
            bounded(READ, "the server", ops.shell(server, local)).await?
        }
        Enter::Psql(instance) => bounded(READ, "the database", ops.psql(instance)).await?,
        Enter::Config => editor(
            var("VISUAL").as_deref(),
            var("EDITOR").as_deref(),
            &ops.loaded().places.config,
        )?,
    };
    Ok(lend(program))
}

fn lend(program: Program) -> Lend {
    let title = match &program.unwritten {
        None => program.title,
        Some(problem) => format!("{} (the audit does not know of it: {})", program.title, problem.message),
    };
    Lend {
        title: SafeText::new(&title),
        argv: program.argv,
        env: program.env,
        secrets: program
            .secrets
            .into_iter()
            .map(|(name, value)| (name, TypedSecret::from(value)))
            .collect(),
    }
}
