//! `vigie registry …`.

use super::Done;
use crate::cli::args::{CopyArgs, RegistryVerb};
use crate::cli::open;
use crate::cli::shell::Shell;
use crate::cli::table::Table;
use crate::config::Loaded;
use crate::domain::Problem;
use crate::ops::copy::{Place, configured, copy_registry};
use std::sync::Arc;

pub(super) async fn run(shell: &Shell, loaded: Arc<Loaded>, verb: RegistryVerb) -> Done {
    match verb {
        RegistryVerb::Copy(args) => copy(shell, &loaded, args).await,
    }
}

async fn copy(shell: &Shell, loaded: &Loaded, args: CopyArgs) -> Done {
    let from = match &args.from {
        Some(text) => Place::parse(text),
        None => configured(&loaded.settings, &loaded.places.registry),
    };
    let to = Place::parse(&args.to);
    let tell = |what: &str, table: &str| shell.note(format!("{what} {table}"));
    let report = copy_registry(&from, &to, args.dry_run, open::actor("cli"), &tell).await?;
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
