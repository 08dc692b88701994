//! `vigie registry …`.

use super::Done;
use crate::cli::args::{CopyArgs, RegistryVerb};
use crate::cli::open;
use crate::cli::shell::Shell;
use crate::cli::table::Table;
use crate::config::Loaded;
use crate::domain::Problem;
use crate::domain::guard::Consent;
use crate::ops::copy::{Place, configured, copy_registry};
use crate::ops::{judge_whole, shared};
use serde_json::json;
use std::sync::Arc;

pub(super) async fn run(
    shell: &Shell,
    loaded: Arc<Loaded>,
    verb: RegistryVerb,
    (given, unlocked): (&Consent, bool),
) -> Done {
    let looks = match &verb {
        RegistryVerb::Status => true,
        RegistryVerb::Copy(args) => args.dry_run,
        RegistryVerb::Init | RegistryVerb::Migrate => false,
    };
    if !looks {
        judge_whole(&loaded, given, unlocked)?;
    }
    match verb {
        RegistryVerb::Init => made(shell, shared::init(&loaded).await?, true),
        RegistryVerb::Migrate => made(shell, shared::migrate(&loaded).await?, false),
        RegistryVerb::Status => status(shell, &loaded).await,
        RegistryVerb::Copy(args) => copy(shell, &loaded, args).await,
    }
}

fn made(shell: &Shell, made: shared::Made, roles: bool) -> Done {
    let json = serde_json::to_value(&made).map_err(|e| Problem::new("json", e.to_string()))?;
    shell.result(&json, || {
        let mut text = match made.before {
            0 => format!("made the registry at {} (schema {})", made.place, made.after),
            before if before < made.after => {
                format!("brought {} from schema {before} to {}", made.place, made.after)
            }
            before => format!("{} has schema {before} already: nothing to do", made.place),
        };
        if roles {
            text.push_str(
                "\nNext: give everybody a login and a role, for instance\n  \
                 CREATE ROLE ana LOGIN PASSWORD '…'; GRANT saas_manager TO ana;\n\
                 saas_user reads, saas_manager changes and acts, saas_admin also creates and deletes servers and \
                 templates, saas_worker is for `vigie worker`.",
            );
        }
        text
    })
}

async fn status(shell: &Shell, loaded: &Loaded) -> Done {
    if loaded.places.shared.is_none() {
        let registry = open::registry(loaded, "vigie registry").await?;
        let servers = registry.servers().await.map_err(|e| e.problem())?.len();
        let instances = registry.instances(None).await.map_err(|e| e.problem())?.len();
        let alive = registry.workers().await.map_err(|e| e.problem())?;
        let alive = alive.iter().filter(|w| w.alive).count();
        let place = registry.place();
        let json =
            json!({"place": place, "kind": "file", "servers": servers, "instances": instances, "workers": alive});
        return shell.result(&json, || {
            format!("{place}: a file for one machine\n{servers} servers, {instances} instances, {alive} workers alive")
        });
    }
    let found = shared::status(loaded).await?;
    let json = serde_json::to_value(&found).map_err(|e| Problem::new("json", e.to_string()))?;
    shell.result(&json, || {
        let mut table = Table::new(&["WHAT", "IS"]);
        let schema = match found.schema {
            Some(0) => "none: run `vigie registry init`".to_owned(),
            Some(version) if version == found.known => format!("{version}, this vigie's"),
            Some(version) if version < found.known => {
                format!(
                    "{version}; this vigie knows {}: run `vigie registry migrate` as the owner",
                    found.known
                )
            }
            Some(version) => format!(
                "{version}, newer than this vigie's {}: install the newer vigie",
                found.known
            ),
            None => "this role may not see it".to_owned(),
        };
        table.row(["place".to_owned(), found.place.clone()]);
        table.row(["PostgreSQL".to_owned(), found.postgres.clone()]);
        let encrypted = if found.encrypted {
            "encrypted and verified"
        } else {
            "not encrypted"
        };
        table.row(["connection".to_owned(), encrypted.to_owned()]);
        table.row([
            "role".to_owned(),
            format!("{} ({})", found.role, found.groups.join(", ")),
        ]);
        table.row(["schema".to_owned(), schema]);
        for (name, rows) in &found.rows {
            table.row([(*name).to_owned(), rows.to_string()]);
        }
        table.row(["workers alive".to_owned(), found.workers.to_string()]);
        table.row(["live changes".to_owned(), found.live.clone()]);
        let mut text = table.text("nothing");
        for warning in &found.warnings {
            text.push_str(&format!("\n▲ {warning}"));
        }
        text
    })
}

async fn copy(shell: &Shell, loaded: &Loaded, args: CopyArgs) -> Done {
    let from = match &args.from {
        Some(text) => Place::parse(text),
        None => configured(loaded),
    };
    let to = Place::parse(&args.to);
    let reach = shared::reach(loaded, "vigie registry copy");
    let tell = |what: &str, table: &str| shell.note(format!("{what} {table}"));
    let report = copy_registry(&from, &to, args.dry_run, &reach, open::actor("cli"), &tell).await?;
    let json = serde_json::to_value(&report).map_err(|e| Problem::new("json", e.to_string()))?;
    shell.result(&json, || {
        let mut table = Table::new(&["TABLE", ">ROWS", ">COMPARED"]);
        for copied in &report.tables {
            table.row([
                copied.table.to_owned(),
                copied.rows.to_string(),
                copied.compared.to_string(),
            ]);
        }
        let mut text = table.text("nothing");
        let waiting = match report.waiting_jobs {
            0 => String::new(),
            n => {
                format!("\n{n} jobs wait: a worker of either registry would run them, so let none look at the old one.")
            }
        };
        if report.dry_run {
            text.push_str(&format!(
                "\n{} rows would be copied from {} to {}; nothing was changed.{waiting}",
                report.rows, report.from, report.to
            ));
        } else {
            text.push_str(&format!(
                "\n{} rows copied from {} to {}, and every one found equal.{waiting}\n\
                 Next: set [paths] registry to the new one for everybody, bring the key file to every worker, start \
                 the workers, and put the old registry aside.",
                report.rows, report.from, report.to
            ));
        }
        text
    })
}
