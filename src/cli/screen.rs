//! `vigie` alone: the dashboard, with what it is started with.

use super::open;
use super::shell::Shell;
use crate::config::Loaded;
use crate::domain::Problem;
use crate::tui::dashboard::{self, Dashboard, DashboardError};
use crate::tui::run::Pace;
use crate::tui::task::OpsDoor;
use crate::tui::term::is_terminal;
use std::process::ExitCode;
use std::sync::Arc;

/// Shows the dashboard, and ends with its status.
pub(super) fn run(loaded: Loaded, shell: &Shell) -> ExitCode {
    dashboard::block_on(async {
        match show(Arc::new(loaded)).await {
            Ok(status) => ExitCode::from(status),
            Err(problem) => {
                shell.problem(&problem);
                ExitCode::FAILURE
            }
        }
    })
}

async fn show(loaded: Arc<Loaded>) -> Result<u8, Problem> {
    if !is_terminal() {
        return Err(problem(&DashboardError::NoTerminal));
    }
    let dashboard = Dashboard {
        pace: Pace {
            frame: loaded.settings.screen.coalesce.0,
            ..Pace::default()
        },
        ..Dashboard::default()
    };
    let ops = open::ops(loaded, "dashboard").await?;
    let end = dashboard::show(dashboard, |post| OpsDoor::new(ops, post))
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
