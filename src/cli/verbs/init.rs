//! `vigie init`: the first steps. Everything is asked and tested before anything is written, so that
//! whoever stops on the way leaves nothing behind.

use super::{Desk, Done, spec};
use crate::cli::args::{InitArgs, SecretArgs, ServerAdd, ServerFields};
use crate::cli::open;
use crate::cli::shell::Shell;
use crate::config::{self, EXAMPLE, Loaded};
use crate::domain::check::{CheckReport, ServerUrl};
use crate::domain::{HostName, Problem, SafeText};
use crate::remote::probe::{CheckSettings, check_server};
use serde_json::json;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

/// Instances that a server may host, unless it is said.
const PLACES: u32 = 50;

/// What is to be done, once everything was answered.
struct Answers {
    fleet: String,
    root_domain: String,
    server: Option<ServerAdd>,
    activate: bool,
}

pub(super) async fn run(shell: &Shell, loaded: Arc<Loaded>, args: InitArgs) -> Done {
    let asks = !args.yes && io::stdin().is_terminal() && io::stderr().is_terminal() && !shell.json();
    let new_file = !loaded.places.config.exists();
    let answers = if asks {
        ask(shell, &loaded, &args, new_file)?
    } else {
        given(&loaded, &args)?
    };
    let mut tested = None;
    if let Some(server) = &answers.server {
        let record = spec::plain(server)?;
        shell.note(format!("testing {} …", record.server_url));
        let settings = CheckSettings {
            timeout: loaded.settings.checks.timeout.0,
            attempts: 1,
            ..CheckSettings::default()
        };
        let report = check_server(&open::remote(&loaded)?, &record, &settings).await;
        tell(shell, &report);
        if let Some(failure) = &report.failure {
            let stop = if asks && !args.anyway {
                !is_yes(&question("Write it down all the same, as a draft? [y/N] ", "n")?)
            } else {
                !args.anyway
            };
            if stop {
                let problem = Problem::new(
                    "test_failed",
                    format!("the test failed: {failure}; nothing was written"),
                );
                return Err(problem.hint(format!("{}; --anyway writes it down all the same", failure.hint())));
            }
        }
        tested = Some(report);
    }
    if asks && !is_yes(&question("Write this? [Y/n] ", "y")?) {
        return Err(cancelled());
    }
    let wrote = new_file
        .then(|| write_config(&loaded.places.config, &answers))
        .transpose()?
        .is_some();
    let added = match &answers.server {
        Some(server) => {
            add(
                shell,
                &loaded,
                server,
                answers.activate && tested.as_ref().is_some_and(|r| r.failure.is_none()),
            )
            .await
        }
        None => Ok(None),
    };
    let added = match added {
        Ok(added) => added,
        Err(problem) => {
            if wrote {
                // It was made a moment ago, by us: all or nothing.
                let _ = std::fs::remove_file(&loaded.places.config);
            }
            return Err(problem);
        }
    };
    let config = loaded.places.config.display().to_string();
    let json = json!({
        "config": config,
        "config_written": wrote,
        "server": added.as_ref().map(|(code, state)| json!({ "code": code, "state": state })),
    });
    shell.result(&json, || {
        let mut text = String::new();
        if wrote {
            text.push_str(&format!("{config} written: every setting is in it, commented out\n"));
        } else if new_file {
            text.push_str("nothing was written\n");
        } else {
            text.push_str(&format!("{config} was there already, and stays as it is\n"));
        }
        if let Some((code, state)) = &added {
            text.push_str(&format!("{code} added, {state}"));
            if state == "draft" {
                text.push_str(&format!("; `vigie server activate {code}` puts it in service"));
            }
            text.push('\n');
        }
        text.push_str("next: `vigie` opens the dashboard; ? lists its keys\n");
        text
    })
}

fn cancelled() -> Problem {
    Problem::new("cancelled", "cancelled; nothing was written")
}

/// A line from the terminal; its end (Ctrl-D) cancels, as Ctrl-C does.
fn question(text: &str, default: &str) -> Result<String, Problem> {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{text}").and_then(|()| err.flush());
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if !matches!(read, Ok(n) if n > 0) {
        let _ = writeln!(err);
        return Err(cancelled());
    }
    let line = line.trim();
    Ok(if line.is_empty() {
        default.to_owned()
    } else {
        line.to_owned()
    })
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Asks until the answer is right.
fn until<T>(shell: &Shell, text: &str, default: &str, right: impl Fn(&str) -> Result<T, String>) -> Result<T, Problem> {
    loop {
        let shown = if default.is_empty() {
            format!("{text}: ")
        } else {
            format!("{text} [{default}]: ")
        };
        match right(&question(&shown, default)?) {
            Ok(value) => return Ok(value),
            Err(why) => shell.note(format!("  {why}")),
        }
    }
}

fn domain(text: &str) -> Result<String, String> {
    if text.is_empty() || text == "-" {
        return Ok(String::new());
    }
    HostName::parse(text)
        .map(|name| name.to_string())
        .map_err(|error| error.to_string())
}

fn places(text: &str) -> Result<u32, String> {
    let number = text.parse::<u32>().ok().filter(|n| *n > 0);
    number.ok_or_else(|| format!("{text:?}: expected a whole number from 1"))
}

fn ask(shell: &Shell, loaded: &Loaded, args: &InitArgs, new_file: bool) -> Result<Answers, Problem> {
    shell.note("Enter takes what stands in brackets. Ctrl-C or Ctrl-D stops; until the end nothing is written.");
    let settings = &loaded.settings;
    let (mut fleet, mut root_domain) = (settings.fleet.name.to_string(), String::new());
    if new_file {
        shell.note(format!("\nThe configuration, {}:", loaded.places.config.display()));
        let name = args.fleet.clone().unwrap_or(fleet);
        fleet = until(shell, "What is the fleet called", &name, |text| Ok(text.to_owned()))?;
        let given = args.root_domain.clone().unwrap_or_default();
        let text = "Domain below which instances get their address (empty: none)";
        root_domain = until(shell, text, &given, domain)?;
    }
    let mut server = None;
    let mut activate = args.activate;
    if !args.no_server {
        shell.note("\nThe first server:");
        let code = until(
            shell,
            "Its code, short and lowercase",
            args.code.as_deref().unwrap_or("odoo-1"),
            |text| {
                spec::code(text)
                    .map(|code| code.to_string())
                    .map_err(|problem| problem.message)
            },
        )?;
        let url = until(
            shell,
            "Where its Odoo answers",
            args.url.as_deref().unwrap_or("http://localhost:8069"),
            |text| {
                ServerUrl::parse(text)
                    .map(|_| text.to_owned())
                    .map_err(|error| error.to_string())
            },
        )?;
        let most = args.max_instances.unwrap_or(PLACES).to_string();
        let max_instances = until(shell, "How many instances it may host", &most, places)?;
        if !activate {
            activate = is_yes(&question("Put it in service when its test succeeds? [Y/n] ", "y")?);
        }
        server = Some(add_args(code, url, max_instances));
    }
    Ok(Answers {
        fleet,
        root_domain,
        server,
        activate,
    })
}

fn given(loaded: &Loaded, args: &InitArgs) -> Result<Answers, Problem> {
    let server = match (&args.code, &args.url) {
        (Some(code), Some(url)) => Some(add_args(
            code.clone(),
            url.clone(),
            args.max_instances.unwrap_or(PLACES),
        )),
        (None, None) if args.no_server => None,
        _ => {
            return Err(
                Problem::new("usage", "without a terminal the first server has to be given")
                    .hint("--code CODE --url URL, or --no-server for the configuration file alone"),
            );
        }
    };
    let invalid = |why: String| Problem::new("invalid_value", format!("--root-domain: {why}"));
    Ok(Answers {
        fleet: args
            .fleet
            .clone()
            .unwrap_or_else(|| loaded.settings.fleet.name.to_string()),
        root_domain: domain(args.root_domain.as_deref().unwrap_or_default()).map_err(invalid)?,
        server,
        activate: args.activate,
    })
}

fn add_args(code: String, url: String, max_instances: u32) -> ServerAdd {
    ServerAdd {
        code,
        url,
        max_instances,
        fields: ServerFields::default(),
        secrets: SecretArgs::default(),
    }
}

fn tell(shell: &Shell, report: &CheckReport) {
    for layer in &report.layers {
        let sign = match layer.passed {
            Some(true) => "✔",
            Some(false) => "✖",
            None => "·",
        };
        shell.note(format!(
            "  {sign} {}  {}",
            layer.name,
            SafeText::new(layer.note.as_ref())
        ));
    }
    match (&report.failure, &report.version) {
        (Some(failure), _) => shell.note(format!("✖ {failure}\n  → {}", failure.hint())),
        (None, Some(version)) => shell.note(format!("● it answers: Odoo {version}")),
        (None, None) => shell.note("● it answers"),
    }
}

async fn add(
    shell: &Shell,
    loaded: &Arc<Loaded>,
    server: &ServerAdd,
    activate: bool,
) -> Result<Option<(String, String)>, Problem> {
    let desk = Desk {
        shell,
        ops: open::ops(Arc::clone(loaded), "cli").await?,
        given: crate::domain::guard::Consent::default(),
    };
    let record = match desk.new_spec(server).await {
        Ok(record) => record,
        Err(problem) => return desk.ops.refused("server.add", "server", &server.code, problem).await,
    };
    let added = desk.ops.server_add(record).await?;
    let code = added.spec.code.to_string();
    if !activate {
        return Ok(Some((code, "draft".to_owned())));
    }
    // It is written down; that it can't be put in service is told, and undoes nothing.
    match desk.ops.server_activate(added.id, added.version).await {
        Ok((server, _)) => Ok(Some((code, server.state().word().to_owned()))),
        Err(problem) => {
            shell.problem(&problem);
            Ok(Some((code, "draft".to_owned())))
        }
    }
}

/// The example with every setting commented out, so that later defaults hold, but for what was answered.
fn config_text(answers: &Answers) -> String {
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        let answered = [
            ("name = ", &answers.fleet, "fleet"),
            ("root_domain = ", &answers.root_domain, ""),
        ]
        .into_iter()
        .find(|(key, value, default)| line.starts_with(key) && value.as_str() != *default);
        match answered {
            Some((key, value, _)) => text.push_str(&format!("{key}{}", toml::Value::String(value.clone()))),
            None if line.contains(" = ") && !line.starts_with('#') => text.push_str(&format!("# {line}")),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

fn write_config(path: &Path, answers: &Answers) -> Result<(), Problem> {
    let wrong = |why: String| Problem::new("config", format!("{}: {why}", path.display()));
    if let Some(folder) = path.parent() {
        config::private_dir(folder).map_err(|error| Problem::new("config", error.to_string()))?;
    }
    // Whole or not at all: under another name first, and never over a file that came meanwhile.
    let aside = path.with_extension(format!("toml.{}", std::process::id()));
    let _ = std::fs::remove_file(&aside);
    let text = config_text(answers);
    config::write_private(&aside, &text).map_err(|error| Problem::new("config", error.to_string()))?;
    let linked = std::fs::hard_link(&aside, path);
    let _ = std::fs::remove_file(&aside);
    match linked {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(wrong("it came to be meanwhile; nothing was written".to_owned()))
        }
        // Where there are no hard links.
        Err(_) => config::write_private(path, &text).map_err(|error| wrong(error.what)),
    }
}
