//! `vigie` alone: the dashboard, with what it is started with.

use super::shell::Shell;
use crate::config::Loaded;
use crate::domain::Problem;
use crate::tui::dashboard::{self, Dashboard, DashboardError};
use crate::tui::model::{Answer, Effect};
use crate::tui::task::{Door, Reply};
use futures_util::future::BoxFuture;
use std::process::ExitCode;

/// Shows the dashboard, and ends with its status.
pub(super) fn run(loaded: Loaded, shell: &Shell) -> ExitCode {
    dashboard::block_on(async {
        match show(loaded).await {
            Ok(status) => ExitCode::from(status),
            Err(problem) => {
                shell.problem(&problem);
                ExitCode::FAILURE
            }
        }
    })
}

async fn show(_loaded: Loaded) -> Result<u8, Problem> {
    let end = dashboard::show(Dashboard::default(), |_| Nobody)
        .await
        .map_err(|error| problem(&error))?;
    Ok(dashboard::status(end))
}

fn problem(error: &DashboardError) -> Problem {
    let problem = Problem::new("no_terminal", error.to_string());
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Stands in until operations are wired.
struct Nobody;

impl Door for Nobody {
    fn carry_out(&self, _: Effect, reply: Reply) -> BoxFuture<'static, ()> {
        Box::pin(async move { reply.answer(Answer::Fleet(Box::default())) })
    }
}
