//! `vigie sandbox`: the private fleet, and the dashboard on it.

use super::args::SandboxArgs;
use super::open;
use super::screen;
use super::shell::Shell;
use crate::config::Loaded;
use crate::domain::Problem;
use crate::jobs::worker::stop_on_signals;
use crate::ops::Ops;
use crate::sandbox::{FleetOptions, SandboxFleet, Scale, generated};
use crate::tui::dashboard;
use std::path::{Path, PathBuf};
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
    if let Some(scale) = args.generate {
        return generate(args.dir, scale, args.no_tui, shell).await;
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

/// A registry alone: there is nothing to stop.
async fn generate(dir: Option<PathBuf>, scale: Scale, no_tui: bool, shell: &Shell) -> Result<u8, Problem> {
    let say = |line: &str| shell.note(line);
    let loaded = generated(dir, scale, open::actor("sandbox"), &say).await?;
    if no_tui {
        shell.note("its configuration file:");
        return print_config(&loaded.places.config, shell).map(|()| 0);
    }
    let _log = open::logging(&loaded, false);
    screen::show(loaded, None).await
}

fn print_config(path: &Path, shell: &Shell) -> Result<(), Problem> {
    let config = path.display().to_string();
    if shell.json() {
        return shell.json_line(&serde_json::json!({ "config": config }));
    }
    shell.line(config)
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
        print_config(fleet.config_path(), shell)?;
        stop.cancelled().await;
        return Ok(0);
    }
    screen::show(loaded, None).await
}
