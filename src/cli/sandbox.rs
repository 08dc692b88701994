//! `vigie sandbox`: the private fleet, and the dashboard on it.

use super::args::SandboxArgs;
use super::open;
use super::screen;
use super::shell::Shell;
use crate::config::Loaded;
use crate::domain::Problem;
use crate::jobs::worker::stop_on_signals;
use crate::ops::Ops;
use crate::sandbox::{FleetOptions, SandboxFleet};
use crate::tui::dashboard;
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(super) fn run(args: SandboxArgs, shell: &Shell) -> ExitCode {
    dashboard::block_on(async {
        match fleet(args, shell).await {
            Ok(status) => ExitCode::from(status),
            Err(problem) => {
                shell.problem(&problem);
                ExitCode::FAILURE
            }
        }
    })
}

async fn fleet(args: SandboxArgs, shell: &Shell) -> Result<u8, Problem> {
    // A dashboard that could not be shown is said before a fleet is started for it.
    if !args.no_tui {
        screen::needs_terminal()?;
    }
    // Told to stop while it starts, it stops what it started.
    let stop = stop_on_signals()
        .map_err(|error| Problem::new("signals", format!("no signal handlers can be set: {error}")))?;
    let options = FleetOptions {
        dir: args.dir,
        odoo_bin: args.odoo_bin,
        shared: args.shared,
    };
    let say = |line: &str| shell.note(line);
    let mut fleet = tokio::select! {
        fleet = SandboxFleet::open(options, &say) => fleet?,
        () = stop.cancelled() => return Ok(0),
    };
    let mut opened = None;
    let shown = show(&mut fleet, &mut opened, args.no_tui, shell, &stop).await;
    shell.note("stopping the sandbox …");
    let stopped = fleet.stop(opened.as_ref()).await;
    let status = shown?;
    stopped?;
    Ok(status)
}

async fn show(
    fleet: &mut SandboxFleet,
    opened: &mut Option<Ops>,
    no_tui: bool,
    shell: &Shell,
    stop: &CancellationToken,
) -> Result<u8, Problem> {
    let loaded: Arc<Loaded> = fleet.settings()?;
    let _log = open::logging(&loaded, false);
    let ops = open::ops(Arc::clone(&loaded), "sandbox").await?;
    *opened = Some(ops.clone());
    let say = |line: &str| shell.note(line);
    tokio::select! {
        seeded = fleet.seed(&ops, &say) => seeded?,
        () = stop.cancelled() => return Ok(0),
    }
    if no_tui {
        shell.note("the fleet runs until this process is told to stop (Ctrl-C); its configuration file:");
        let config = fleet.config_path().display().to_string();
        if shell.json() {
            shell.json_line(&serde_json::json!({ "config": config }))?;
        } else {
            shell.line(config)?;
        }
        stop.cancelled().await;
        return Ok(0);
    }
    screen::show(loaded).await
}
