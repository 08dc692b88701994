//! Completions: scripts for shells, and the codes and names that they ask for while one types.

use super::args::{Cli, CompleteWhat, Global};
use super::open;
use crate::registry::{JobFilter, Registry};
use clap::CommandFactory;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

/// Longest that a shell is kept waiting: a registry that hangs completes nothing.
const LIMIT: Duration = Duration::from_millis(1_500);
/// The most that is offered: nobody looks through more.
const MOST: usize = 2_000;

/// What the shells add to clap's own scripts.
const BASH: &str = include_str!("complete/vigie.bash");
const ZSH: &str = include_str!("complete/vigie.zsh");
const FISH: &str = include_str!("complete/vigie.fish");
/// What bash and zsh have in common.
const COMMON: &str = include_str!("complete/common.sh");

/// The script for a shell.
pub(super) fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "vigie", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        clap_complete::Shell::Bash => format!("{script}\n{COMMON}{BASH}"),
        // The function that the shell knows by this name asks first, and clap's own after it.
        clap_complete::Shell::Zsh => {
            script.replacen("\n_vigie() {", &format!("\n{COMMON}{ZSH}\n_vigie_static() {{"), 1)
        }
        clap_complete::Shell::Fish => format!("{script}\n{FISH}"),
        _ => script,
    }
}

/// What begins so: codes, names or numbers of what the registry has, soon or not at all.
pub(super) fn candidates(global: &Global, what: CompleteWhat, begins: &str) -> Vec<String> {
    let Ok(loaded) = open::settings(global) else {
        return Vec::new();
    };
    // Completing makes nothing.
    if loaded.places.shared.is_none() && !loaded.places.registry.exists() {
        return Vec::new();
    }
    let (send, receive) = mpsc::channel();
    let asked = std::thread::Builder::new().name("complete".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime {
            let found = runtime.block_on(async {
                let registry = open::registry(&loaded, "vigie complete").await.ok()?;
                names(&registry, what).await
            });
            // Nobody may be waiting any more.
            let _ = send.send(found);
        }
    });
    if asked.is_err() {
        return Vec::new();
    }
    let found = receive.recv_timeout(LIMIT).ok().flatten().unwrap_or_default();
    found
        .into_iter()
        .filter(|name| name.starts_with(begins) && !name.chars().any(char::is_control))
        .take(MOST)
        .collect()
}

async fn names(registry: &Arc<dyn Registry>, what: CompleteWhat) -> Option<Vec<String>> {
    Some(match what {
        CompleteWhat::Servers => {
            let all = registry.servers().await.ok()?;
            all.iter().map(|server| server.spec.code.to_string()).collect()
        }
        CompleteWhat::Templates => {
            let all = registry.templates().await.ok()?;
            all.iter().map(|template| template.spec.code.to_string()).collect()
        }
        CompleteWhat::Instances => {
            let all = registry.instances(None).await.ok()?;
            all.iter().map(|instance| instance.spec.subdomain.to_string()).collect()
        }
        CompleteWhat::Jobs => {
            let all = registry.jobs(&JobFilter::default()).await.ok()?;
            all.iter().map(|job| job.id.to_string()).collect()
        }
        CompleteWhat::Plans => registry.plans().await.ok()?.into_iter().map(|plan| plan.code).collect(),
        CompleteWhat::Customers => {
            let all = registry.customers().await.ok()?;
            all.iter().map(|customer| customer.name.to_string()).collect()
        }
    })
}
