//! `vigie` alone: the dashboard, with what it is started with.

use super::open;
use super::shell::Shell;
use crate::config::{Loaded, Settings};
use crate::domain::audit::Role;
use crate::domain::{Problem, SafeText};
use crate::ops::Ops;
use crate::tui::action::Keymap;
use crate::tui::dashboard::{self, Dashboard, DashboardError};
use crate::tui::model::{Message, Notice, NoticeLevel, UiSettings};
use crate::tui::run::Pace;
use crate::tui::task::OpsDoor;
use crate::tui::term::Modes;
use crate::tui::theme::Theme;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

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

async fn show(loaded: Loaded) -> Result<u8, Problem> {
    if !crate::tui::term::is_terminal() {
        return Err(problem(&DashboardError::NoTerminal));
    }
    let ops = open::ops(Arc::new(loaded), "dashboard").await?;
    show_on(ops).await
}

/// The dashboard on these operations; its exit status.
///
/// # Errors
/// When there is no terminal, or it fails.
pub(super) async fn show_on(ops: Ops) -> Result<u8, Problem> {
    let loaded = ops.loaded();
    let settings = &loaded.settings;
    let mut warnings = loaded.warnings.clone();
    let (theme, complaint) = theme(&settings.screen.theme, &loaded.places.themes_dir);
    warnings.extend(complaint);
    let keys = settings
        .keys
        .iter()
        .map(|(action, keys)| (action.clone(), keys.list().to_vec()));
    let (keymap, clashes) = Keymap::from_config(&keys.collect());
    warnings.extend(clashes.iter().map(ToString::to_string));
    let dashboard = Dashboard {
        ui: ui(settings, keymap),
        theme,
        modes: Modes {
            mouse: settings.screen.mouse,
            keyboard: false,
        },
        pace: Pace {
            frame: settings.screen.coalesce.0,
            ..Pace::default()
        },
    };
    let end = dashboard::show(dashboard, |post| {
        for warning in &warnings {
            post.send(Message::Notice(Notice::Flash {
                level: NoticeLevel::Warning,
                text: SafeText::new(warning),
                hint: None,
            }));
        }
        OpsDoor::new(ops.clone(), post)
    })
    .await
    .map_err(|error| problem(&error))?;
    Ok(dashboard::status(end))
}

fn ui(settings: &Settings, keymap: Keymap) -> UiSettings {
    UiSettings {
        profile: settings.fleet.name.clone(),
        // Whoever can write the registry's file can do everything to it.
        role: Role::Admin,
        thresholds: settings.thresholds(),
        rules: settings.health_rules(),
        stale_after: settings.checks.stale_after.0,
        root_domain: settings.root_domain().map(str::to_owned),
        reserved: settings.reserved_names().to_vec(),
        admin_login: settings.fleet.admin_login.clone(),
        ascii: settings.screen.ascii,
        keymap,
        ..UiSettings::default()
    }
}

/// The theme of this name: the operator's own before a built-in one; the default, and a complaint,
/// where there is none or it is wrong.
fn theme(name: &str, folder: &Path) -> (Theme, Option<String>) {
    // A name is no path.
    let own = (!name.contains(['/', '\\'])).then(|| folder.join(format!("{name}.toml")));
    if let Some(text) = own.and_then(|path| std::fs::read_to_string(path).ok()) {
        return match Theme::parse(name, &text) {
            Ok(theme) => (theme, None),
            Err(error) => (Theme::default(), Some(error.to_string())),
        };
    }
    match Theme::built_in(name) {
        Some(theme) => (theme, None),
        None => {
            let complaint = format!(
                "there is no theme {name:?}; built in are {}",
                Theme::BUILT_IN.join(", ")
            );
            (Theme::default(), Some(complaint))
        }
    }
}

fn problem(error: &DashboardError) -> Problem {
    let problem = Problem::new("no_terminal", error.to_string());
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
