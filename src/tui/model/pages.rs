//! Pages of text over the panes: help, descriptions, reports. Made here because both who draws them
//! and who scrolls them needs to know their lines.

use super::dialog::{Layer, Subject};
use super::page::{Page, PageLine, Tone};
use super::words::{age, size, took, when};
use super::{Model, Now};
use crate::domain::SafeText;
use crate::domain::dedicated::DedicatedSpec;
use crate::domain::instance::Instance;
use crate::domain::job::{Job, StepState};
use crate::domain::server::Server;
use crate::domain::{CustomerId, InstanceId, JobId, PlanId, ServerId, TemplateId};
use crate::tui::action::{ACTIONS, Group, allowed};

/// How many rows of a page are visible on a screen of this height.
pub fn page_height(rows: u16) -> usize {
    usize::from(rows.saturating_sub(4)).max(1)
}

/// The last line to which the topmost page can be scrolled.
pub fn last_scroll(model: &Model, now: &Now) -> Option<usize> {
    let page = page(model, model.layers.last()?, now)?;
    Some(page.lines.len().saturating_sub(page_height(model.size.1)))
}

/// The page that a layer shows; `None` where it is a question or a form.
pub fn page(model: &Model, layer: &Layer, now: &Now) -> Option<Page> {
    Some(written(model, layer, now)?.fit(model.size.0))
}

fn written(model: &Model, layer: &Layer, now: &Now) -> Option<Page> {
    match layer {
        Layer::Help { .. } => Some(help(model)),
        Layer::Config { .. } => Some(super::config::page(model, now)),
        Layer::Written { written, .. } => Some(super::command_page(written)),
        Layer::Describe { subject, instance, .. } => Some(described(model, *subject, instance.as_deref(), now)),
        Layer::Report { server, report, .. } => Some(super::report::tested(model, *server, report)),
        _ => None,
    }
}

pub(super) fn described(model: &Model, subject: Subject, full: Option<&Instance>, now: &Now) -> Page {
    match subject {
        Subject::Server(id) => server(model, id, now),
        Subject::Instance(id) => described_instance(model, id, full, now),
        Subject::Template(id) => template(model, id, now),
        Subject::Job(id) => job(model, id, now),
        Subject::Plan(id) => plan(model, id),
        Subject::Customer(id) => customer(model, id),
        Subject::Alert(id) => super::attention::page(model, id, now).unwrap_or_else(|| gone("the alert")),
        Subject::Audit(id) => super::audit::page(model, id, now).unwrap_or_else(|| gone("what happened")),
    }
}

/// What is known of something, for a pane of so many columns.
pub fn subject_page(model: &Model, subject: Subject, columns: u16, now: &Now) -> Page {
    described(model, subject, None, now).fit(columns.saturating_add(2))
}

/// Rows of the palette's list on a screen of so many.
pub fn palette_rows(rows: u16) -> usize {
    usize::from(rows.saturating_sub(6)).clamp(1, 20)
}

pub(super) struct Lines(Vec<PageLine>);

impl Lines {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn page(self, title: impl Into<String>) -> Page {
        Page::new(title, self.0)
    }

    pub(super) fn pair(&mut self, label: &str, value: impl AsRef<str>) {
        let value = SafeText::new(value.as_ref());
        let (value, tone) = if value.as_str().is_empty() {
            (SafeText::new("–"), Tone::Dim)
        } else {
            (value, Tone::Plain)
        };
        self.0.push(PageLine::Pair(label.to_owned(), value, tone));
    }

    pub(super) fn toned(&mut self, label: &str, value: impl AsRef<str>, tone: Tone) {
        self.0
            .push(PageLine::Pair(label.to_owned(), SafeText::new(value.as_ref()), tone));
    }

    pub(super) fn head(&mut self, text: impl Into<String>) {
        if !self.0.is_empty() {
            self.0.push(PageLine::Blank);
        }
        self.0.push(PageLine::Heading(text.into()));
    }

    pub(super) fn push(&mut self, line: PageLine) {
        self.0.push(line);
    }

    pub(super) fn text(&mut self, text: impl AsRef<str>, tone: Tone) {
        self.0.push(PageLine::Text(SafeText::new(text.as_ref()), tone));
    }
}

fn help(model: &Model) -> Page {
    let place = model.key_place();
    let situation = model.situation();
    let mut out = Lines(Vec::new());
    for group in [Group::Look, Group::Act, Group::Find, Group::Move, Group::Program] {
        out.head(group.word());
        for action in ACTIONS.iter().filter(|a| a.group == group && a.places.contains(&place)) {
            let keys = model.keymap().keys_in(action.id, place);
            if keys.is_empty() {
                continue;
            }
            let (help, tone) = match allowed(action.id, &situation) {
                Ok(()) => (action.help.to_owned(), Tone::Plain),
                Err(why) => (format!("{} (not now: {why})", action.help), Tone::Dim),
            };
            out.toned(&keys.join(" "), help, tone);
        }
    }
    out.head("in forms and questions");
    out.pair("Tab ↓ ↑", "from field to field");
    out.pair("← → Space", "turns a choice");
    out.pair("Enter", "to the next field that needs something, then to the button");
    out.pair("Esc", "to Cancel, then closes");
    out.pair("y n", "answers a question that asks for no name");
    out.head("signs");
    out.pair("● ▲ ✖", "as it should be · a warning, with its reason · down or failed");
    out.pair(
        "○ ⏸ ?",
        "draft or disabled · in maintenance · not known, or too old to trust",
    );
    if !model.settings.commands.is_empty() {
        out.head("your own commands");
        for command in &model.settings.commands {
            let key = if command.key.is_empty() {
                format!(":{}", command.name)
            } else {
                command.key.clone()
            };
            let help = if command.help.as_str().is_empty() {
                command.name.as_str()
            } else {
                command.help.as_str()
            };
            out.pair(&key, help);
        }
    }
    let facts = &model.settings.config;
    if !facts.places.is_empty() {
        out.head("where things lie");
        super::config::places(&mut out, facts);
    }
    Page::new(format!("keys in {}", place.word()), out.0)
}

fn gone(what: &str) -> Page {
    Page::new(
        what,
        vec![PageLine::Text(SafeText::new("It is gone meanwhile."), Tone::Warning)],
    )
}

fn health_tone(server: &Server) -> Tone {
    use crate::domain::health::HealthStatus as H;
    match server.track.status {
        H::Healthy => Tone::Good,
        H::Warning => Tone::Warning,
        H::Critical => Tone::Bad,
        H::Unknown => Tone::Dim,
    }
}

fn server(model: &Model, id: ServerId, now: &Now) -> Page {
    let Some(server) = model.store.server(id) else {
        return gone("server");
    };
    let (spec, track) = (&server.spec, &server.track);
    let optional = |value: Option<String>| value.unwrap_or_default();
    let number = |value: Option<u32>, unit: &str| value.map(|n| format!("{n}{unit}")).unwrap_or_default();
    let secret = |value: &Option<crate::domain::SecretRef>| value.as_ref().map(|s| s.shown()).unwrap_or_default();
    let mut out = Lines(Vec::new());
    out.head("state");
    out.pair("state", server.state().word());
    out.toned(
        "health",
        format!("{}: {}", track.status.word(), track.reason),
        health_tone(server),
    );
    if let Some(hint) = &track.hint {
        out.toned("next", hint, Tone::Warning);
    }
    out.pair(
        "last check",
        optional(
            track
                .last_check
                .map(|at| format!("{} ({})", when(at, now), age(at, now))),
        ),
    );
    out.pair(
        "last answer",
        optional(
            track
                .last_success
                .map(|at| format!("{} ({})", when(at, now), age(at, now))),
        ),
    );
    out.pair("latency", optional(track.latency_ms.map(took)));
    out.pair("Odoo", optional(track.version.as_ref().map(ToString::to_string)));
    out.pair(
        "places",
        format!(
            "{} of {} taken, {:.0} % free",
            server.instance_count,
            spec.max_instances,
            server.available_capacity()
        ),
    );
    out.head("Odoo");
    out.pair("name", spec.name.as_str());
    out.pair("URL", spec.server_url.as_str());
    out.pair("IP address", optional(spec.server_ip.as_ref().map(ToString::to_string)));
    out.pair("port", optional(spec.port.map(|p| p.to_string())));
    out.pair("master password", secret(&spec.master_password));
    out.pair("data_dir", optional(spec.data_dir.as_ref().map(ToString::to_string)));
    out.head("PostgreSQL");
    out.pair(
        "host",
        optional(spec.db_host.as_ref().map(|host| format!("{host}:{}", spec.db_port))),
    );
    out.pair("user", optional(spec.db_user.clone()));
    out.pair("password", secret(&spec.db_password));
    out.head("machine");
    out.pair(
        "ssh",
        optional(spec.ssh.as_ref().map(|ssh| {
            let user = ssh.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
            let port = ssh.port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{user}{}{port}", ssh.host)
        })),
    );
    out.pair("CPU cores", number(spec.cpu_cores, ""));
    out.pair("memory", number(spec.memory_gb, " GB"));
    out.pair("disk", number(spec.disk_gb, " GB"));
    out.pair("description", spec.description.as_str());
    out.pair("added", when(server.created_at, now));
    out.pair("version", format!("{} (id {})", server.version, server.id));
    if !model.history.points.is_empty() && model.history.server == Some(id) {
        out.head("last checks");
        for point in model.history.points.iter().rev().take(12) {
            let tone = match point.status.word() {
                "healthy" => Tone::Good,
                "warning" => Tone::Warning,
                "critical" => Tone::Bad,
                _ => Tone::Dim,
            };
            out.toned(&when(point.at, now), point.reason.as_str(), tone);
        }
    }
    Page::new(format!("server {}", spec.code), out.0)
}

fn described_instance(model: &Model, id: InstanceId, full: Option<&Instance>, now: &Now) -> Page {
    let Some(row) = model.store.instance(id) else {
        return gone("instance");
    };
    let store = &model.store;
    let mut out = Lines(Vec::new());
    out.pair("name", row.name());
    out.pair("state", row.state.word());
    out.pair(
        "customer",
        row.customer()
            .and_then(|id| store.customer(id))
            .map_or("", |c| c.name.as_str()),
    );
    let plan = row.plan().and_then(|id| store.plan(id));
    out.pair(
        "plan",
        plan.map(|p| format!("{} ({})", p.name, p.code)).unwrap_or_default(),
    );
    out.pair("server", store.server_code(row.server));
    out.pair(
        "template",
        row.template()
            .map_or("", |id| store.template(id).map_or("?", |t| t.spec.code.as_str())),
    );
    out.pair("subdomain", row.subdomain());
    out.pair("database", row.database());
    out.pair("size", row.size_bytes().map(size).unwrap_or_default());
    out.pair(
        "created",
        format!("{} ({})", when(row.created_at(), now), age(row.created_at(), now)),
    );
    match full {
        Some(full) => {
            out.pair("URL", &full.spec.url);
            if let Some(dedicated) = full.spec.dedicated() {
                dedicated_lines(&mut out, dedicated);
            }
            out.pair("admin login", &full.spec.admin_login);
            out.pair("admin password", full.spec.admin_password.shown());
            out.pair("database uuid", full.database_uuid.as_deref().unwrap_or(""));
            out.pair(
                "database oid",
                full.database_oid.map(|oid| oid.to_string()).unwrap_or_default(),
            );
        }
        None => out.text("reading the rest…", Tone::Dim),
    }
    if let Some(job) = store.job_of_instance(id) {
        out.head("last job");
        job_lines(&mut out, job, now);
    }
    Page::new(format!("instance {}", row.subdomain()), out.0)
}

fn template(model: &Model, id: TemplateId, now: &Now) -> Page {
    let Some(template) = model.store.template(id) else {
        return gone("template");
    };
    let (spec, facts) = (&template.spec, &template.facts);
    let mut out = Lines(Vec::new());
    out.pair("name", spec.name.as_str());
    out.pair("state", template.state.word());
    out.pair("frozen", if facts.frozen { "yes" } else { "no" });
    out.pair("server", model.store.server_code(spec.server_id));
    out.pair("database", spec.template_database.as_str());
    out.pair("size", facts.size_bytes.map(size).unwrap_or_default());
    out.pair("Odoo", facts.odoo_version.as_deref().unwrap_or(""));
    out.pair("language", &spec.language);
    out.pair("base modules", spec.base_modules.join(", "));
    out.pair("instances", template.instance_count.to_string());
    out.pair("added", when(template.created_at, now));
    if let Some(job) = model.store.job_of_template(id) {
        out.head("last job");
        job_lines(&mut out, job, now);
    }
    Page::new(format!("template {}", spec.code), out.0)
}

fn plan(model: &Model, id: PlanId) -> Page {
    let Some(plan) = model.store.plan(id) else {
        return gone("plan");
    };
    let limit = |value: Option<u32>, unit: &str| value.map_or("no limit".to_owned(), |n| format!("{n}{unit}"));
    let mut out = Lines(Vec::new());
    out.pair("code", &plan.code);
    out.pair("name", plan.name.as_str());
    out.pair("users", limit(plan.max_users, ""));
    out.pair("storage", limit(plan.max_storage_gb, " GB"));
    out.pair("instances", model.store.instances_of_plan(id).to_string());
    Page::new(format!("plan {}", SafeText::new(&plan.code)), out.0)
}

fn customer(model: &Model, id: CustomerId) -> Page {
    let Some(customer) = model.store.customer(id) else {
        return gone("customer");
    };
    let mut out = Lines(Vec::new());
    out.pair("name", customer.name.as_str());
    out.pair("e-mail", customer.email.as_deref().unwrap_or(""));
    out.pair("instances", model.store.instances_of_customer(id).to_string());
    Page::new(format!("customer {}", customer.name), out.0)
}

fn job(model: &Model, id: JobId, now: &Now) -> Page {
    let Some(job) = model.store.job(id) else {
        return gone("job");
    };
    let mut out = Lines(Vec::new());
    job_lines(&mut out, job, now);
    out.head("steps");
    for step in &job.steps {
        let tone = match step.state {
            StepState::Done => Tone::Good,
            StepState::Failed | StepState::UndoFailed => Tone::Bad,
            StepState::Intended | StepState::Undoing | StepState::Undone => Tone::Warning,
            StepState::Pending => Tone::Dim,
        };
        let label = format!("{}/{} {}", step.index + 1, job.steps.len(), step.planned.title);
        out.toned(&label, format!("{}  {}", step.state.word(), step.planned.detail), tone);
        if let Some(problem) = &step.problem {
            out.text(format!("     {}", problem.message), Tone::Bad);
        }
    }
    Page::new(format!("job {id}"), out.0)
}

fn job_lines(out: &mut Lines, job: &Job, now: &Now) {
    out.pair("job", format!("{} · {}", job.id, job.title));
    out.pair("state", job.state.word());
    if let Some(waits) = job.waits() {
        out.toned("waits", waits, Tone::Warning);
        out.toned(
            "next",
            "bring the key file to a worker: it goes on by itself",
            Tone::Warning,
        );
    }
    out.pair("asked by", &job.asked_by);
    out.pair("asked", when(job.created_at, now));
    out.pair("began", job.started_at.map(|at| when(at, now)).unwrap_or_default());
    out.pair("ended", job.finished_at.map(|at| when(at, now)).unwrap_or_default());
    if job.attempt > 1 {
        out.pair("attempt", job.attempt.to_string());
    }
    if let Some(problem) = &job.problem {
        out.toned("problem", &problem.message, Tone::Bad);
        if let Some(hint) = &problem.hint {
            out.toned("next", hint, Tone::Warning);
        }
    }
    if let Some(serde_json::Value::Object(result)) = &job.result {
        for (key, value) in result {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Null => String::new(),
                other => other.to_string(),
            };
            out.pair(key, text);
        }
    }
}

/// What a dedicated instance is besides.
fn dedicated_lines(out: &mut Lines, dedicated: &DedicatedSpec) {
    out.pair("kind", format!("dedicated, {}", dedicated.purpose.word()));
    out.pair("domain", &dedicated.names.domain);
    out.pair("Odoo", dedicated.series.0.to_string());
    let ports = dedicated.ports;
    out.pair("ports", format!("{} (HTTP), {} (websocket)", ports.http, ports.gevent));
    out.pair("unit", &dedicated.names.unit);
    out.pair("folder", dedicated.folder.as_str());
    out.pair("certificate", dedicated.tls.word());
    if let Some(end) = dedicated.facts.certificate_end {
        out.pair("until", end.strftime("%Y-%m-%d").to_string());
    }
    out.pair("DNS", dedicated.dns.word());
}
