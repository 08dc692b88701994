//! The command line: grammar, printing, exit codes. What verbs do is in [`crate::ops`].
//!
//! Exit codes: 0 done; 1 refused or failed, with the reason on standard error; 2 usage.

mod args;
mod args_audit;
mod args_explain;
mod args_view;
mod complete;
mod man;
mod mistakes;
mod open;
mod reload;
mod sandbox;
mod screen;
mod shell;
mod show;
mod show_dedicated;
mod table;
mod themes;
mod verbs;

use crate::domain::Problem;
use args::{Cli, Verb};
use clap::Parser;
use shell::{CLOSED, Shell};
use std::process::ExitCode;

const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    // Everything that this process makes is the operator's alone, whatever the umask was.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    if wants_dashboard() {
        crate::tui::term::guarded(run)
    } else {
        run()
    }
}

fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if let Some(Verb::Worker { detached: true, .. }) = &cli.verb {
        // Before there are threads. Where it can't, a hangup ends it as it ends any program.
        let _ = crate::jobs::worker::detach();
    }
    let shell = Shell::new(cli.global.json);
    match dispatch(cli, &shell) {
        Ok(code) => code,
        Err(problem) if problem.code == CLOSED => ExitCode::SUCCESS,
        Err(problem) => {
            shell.problem(&problem);
            ExitCode::from(if problem.code == "usage" { USAGE } else { FAILED })
        }
    }
}

fn dispatch(cli: Cli, shell: &Shell) -> Result<ExitCode, Problem> {
    if let Some(Verb::Completions { shell: which }) = &cli.verb {
        shell.line(complete::script(*which).trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(Verb::Complete(args)) = &cli.verb {
        for name in complete::candidates(&cli.global, args.what, &args.begins) {
            shell.line(&name)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(Verb::Man) = &cli.verb {
        shell.line(man::page()?.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(Verb::Sandbox(args)) = cli.verb {
        return Ok(sandbox::run(args, shell));
    }
    if let Some(Verb::Config(verb)) = cli.verb {
        return verbs::config(shell, &cli.global, &verb).map(|()| ExitCode::SUCCESS);
    }
    let loaded = match &cli.verb {
        Some(Verb::Init(_)) => open::settings_to_be(&cli.global)?,
        _ => open::settings(&cli.global)?,
    };
    let _log = open::logging(&loaded, matches!(cli.verb, Some(Verb::Worker { .. })));
    if let Some(Verb::View(args)) = cli.verb {
        return Ok(screen::run_view(std::sync::Arc::new(loaded), args, shell));
    }
    let Some(verb) = cli.verb else {
        return Ok(screen::run(std::sync::Arc::new(loaded), cli.global.unlock, shell));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("vigie")
        .build()
        .map_err(|error| Problem::new("runtime", format!("no threads can be started: {error}")))?;
    let done = runtime.block_on(verbs::run(verb, &cli.global, loaded, shell));
    // What still waits on a blocking thread must not hold the operator up.
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}

/// A mistake in the command line: clap's own words, or as JSON where `--json` stands anywhere in it.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help and version; nobody left to read them is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|word| word == "--json") {
        let text = error.to_string();
        let mut lines = text.lines();
        let message = lines
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned();
        let detail: Vec<&str> = lines
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
            .collect();
        Shell::new(true).problem(&Problem::new("usage", message).hint(detail.join(" ")));
    } else {
        let _ = error.print();
    }
    ExitCode::from(USAGE)
}

/// Whether the arguments ask for the dashboard: no verb among them, or the sandbox's.
fn wants_dashboard() -> bool {
    match Cli::try_parse() {
        Ok(Cli {
            verb: None | Some(Verb::View(_)),
            ..
        }) => true,
        Ok(Cli {
            verb: Some(Verb::Sandbox(args)),
            ..
        }) => !args.no_tui,
        _ => false,
    }
}
