//! The operator's own commands, as far as the dashboard asks before them and shows what they wrote.

use super::Model;
use super::effect::Target;
use super::message::Written;
use super::page::{Page, PageLine, Tone};
use super::pages::Lines;
use super::tabs::ListId;
use crate::domain::SafeText;
use crate::domain::command::{Ask, On, OwnCommand, Refused};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tui_input::Input;

/// A value being asked.
#[derive(Debug)]
pub struct CommandField {
    /// What is asked.
    pub ask: Ask,
    /// What was typed, or is chosen.
    pub input: Input,
}

/// A command before it runs: what it asks, and exactly what will run.
#[derive(Debug)]
pub struct CommandDialog {
    /// Which.
    pub command: Arc<OwnCommand>,
    /// What it runs on, what that is called, and what is known of it; several when they were marked.
    pub targets: Vec<(Target, String, BTreeMap<&'static str, String>)>,
    /// The list whose marks they are.
    pub marked: Option<ListId>,
    /// The version of the one that it runs on, as it was seen.
    pub seen: Option<i64>,
    /// What it asks.
    pub fields: Vec<CommandField>,
    /// The field in the focus; behind the last: the buttons.
    pub at: usize,
    /// Whether the button that runs it is in the focus.
    pub go: bool,
    /// When it was opened: keys that come with the one that opened it decide nothing.
    pub opened: Duration,
}

impl CommandDialog {
    /// What was answered so far.
    pub fn answers(&self) -> BTreeMap<String, String> {
        let answer = |field: &CommandField| (field.ask.name.clone(), field.input.value().to_owned());
        self.fields.iter().map(answer).collect()
    }

    /// What would run, for each target.
    ///
    /// # Errors
    /// The first thing that can't be inserted.
    pub fn built(&self) -> Result<Vec<Vec<String>>, Refused> {
        let answers = self.answers();
        let build =
            |(_, _, facts): &(Target, String, BTreeMap<&'static str, String>)| self.command.build(facts, &answers);
        self.targets.iter().map(build).collect()
    }
}

/// What kind of thing a target is, for commands.
pub fn kind_of(target: Option<Target>) -> Option<On> {
    match target? {
        Target::Server(_) => Some(On::Server),
        Target::Instance(_) => Some(On::Instance),
        Target::Template(_) => Some(On::Template),
        Target::Job(_) => Some(On::Job),
        _ => None,
    }
}

/// Why a command can't run on this.
pub(super) fn why_not(command: &OwnCommand, on: Option<On>) -> Option<String> {
    if command.runs_on(on) || command.on.is_empty() {
        return None;
    }
    let words: Vec<&str> = command
        .on
        .iter()
        .map(|on| match on {
            On::Server => "a server",
            On::Instance => "an instance",
            On::Template => "a template",
            On::Job => "a job",
        })
        .collect();
    Some(format!("it runs on {}: select one", words.join(" or ")))
}

/// What is known of a target. No secret is among it.
pub fn command_facts(model: &Model, target: Option<Target>) -> BTreeMap<&'static str, String> {
    let mut facts = BTreeMap::new();
    let mut tell = |name: &'static str, value: String| {
        if !value.is_empty() {
            facts.insert(name, value);
        }
    };
    tell("fleet", model.settings.profile.to_string());
    tell(
        "profile",
        model
            .settings
            .config
            .profile
            .clone()
            .unwrap_or_else(|| "default".to_owned()),
    );
    let server = match target {
        Some(Target::Server(id)) => Some(id),
        Some(Target::Instance(id)) => model.store.instance(id).map(|row| row.server),
        Some(Target::Template(id)) => model.store.template(id).map(|template| template.spec.server_id),
        Some(Target::Job(id)) => model.store.job(id).map(|job| job.spec.server_id()),
        _ => None,
    };
    if let Some(server) = server.and_then(|id| model.store.server(id)) {
        tell("server", server.spec.code.to_string());
        let url = server.spec.server_url.to_string();
        let host = url::Url::parse(&url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        tell("host", host.unwrap_or_default());
        tell("server_url", url.clone());
        if matches!(target, Some(Target::Server(_))) {
            tell("url", url);
            tell("code", server.spec.code.to_string());
            tell("name", server.spec.name.to_string());
            tell("state", server.state().word().to_owned());
        }
    }
    match target {
        Some(Target::Server(id)) => {
            tell("kind", "server".to_owned());
            tell("id", id.to_string());
        }
        Some(Target::Instance(id)) => {
            tell("kind", "instance".to_owned());
            tell("id", id.to_string());
            if let Some(row) = model.store.instance(id) {
                tell("code", row.subdomain().to_owned());
                tell("name", row.name().to_owned());
                tell("subdomain", row.subdomain().to_owned());
                tell("database", row.database().to_owned());
                tell("state", row.state.word().to_owned());
            }
        }
        Some(Target::Template(id)) => {
            tell("kind", "template".to_owned());
            tell("id", id.to_string());
            if let Some(template) = model.store.template(id) {
                tell("code", template.spec.code.to_string());
                tell("name", template.spec.name.to_string());
                tell("database", template.spec.template_database.to_string());
                tell("state", template.state.word().to_owned());
            }
        }
        Some(Target::Job(id)) => {
            tell("kind", "job".to_owned());
            tell("id", id.to_string());
            if let Some(job) = model.store.job(id) {
                tell("code", id.to_string());
                tell("name", job.title.to_string());
                tell("state", job.state.word().to_owned());
            }
        }
        _ => {}
    }
    facts
}

/// What a command wrote, as a page.
pub fn command_page(written: &Written) -> Page {
    let mut out = Lines::new();
    out.text(format!("$ {}", written.command), Tone::Dim);
    let (text, tone) = match written.code {
        Some(0) => ("done".to_owned(), Tone::Good),
        Some(code) => (format!("exit status {code}"), Tone::Bad),
        None => ("ended by a signal".to_owned(), Tone::Bad),
    };
    out.text(text, tone);
    out.push(PageLine::Blank);
    if written.dropped > 0 {
        out.text(
            format!("({} lines before these are not kept)", written.dropped),
            Tone::Warning,
        );
    }
    if written.lines.is_empty() {
        out.text("It wrote nothing.", Tone::Dim);
    }
    for line in &written.lines {
        out.push(PageLine::Text(SafeText::new(line.as_str()), Tone::Plain));
    }
    out.page("command")
}
