//! Which fields each form has, which follow which, and what is wrong with them.

use crate::domain::capacity::place;
use crate::domain::check::ServerUrl;
use crate::domain::names::{suggest_database, suggest_subdomain};
use crate::domain::server::{DbTls, Server};
use crate::domain::{Code, DbName, HostName, RemotePath, SafeText, SecretRef, ServerId, Subdomain};
use crate::tui::model::{Choice, Field, FieldId as Id, FieldKind, Form, FormKind, Model};

fn choice(value: i64, label: impl AsRef<str>) -> Choice {
    Choice {
        value,
        label: SafeText::new(label.as_ref()),
    }
}

const SECRET: &str = "env:NAME, file:PATH or command:…, or typed once, to be sealed with the key file";

fn server_fields() -> Vec<Field> {
    let text = Field::text;
    vec![
        text(Id::Name, "name", "as it is shown, such as Production 1").required(),
        text(
            Id::Code,
            "code",
            "short and unique: how it is called in lists and commands",
        )
        .required()
        .derived(),
        text(
            Id::Url,
            "Odoo's URL",
            "https://odoo1.example.org or http://10.0.0.5:8069",
        )
        .required(),
        text(Id::MaxInstances, "places", "how many instances it may host")
            .required()
            .filled("50"),
        text(
            Id::DbHost,
            "PostgreSQL host",
            "empty: databases are made through Odoo only",
        ),
        text(Id::DbPort, "PostgreSQL port", "").filled("5432"),
        text(Id::DbUser, "PostgreSQL user", "the role that Odoo itself uses"),
        Field::secret(Id::DbPassword, "its password", SECRET, false),
        Field::choice(
            Id::DbTls,
            "its connection",
            "in the clear only on sockets and trusted networks",
            vec![choice(0, "in the clear"), choice(1, "TLS, verified")],
            0,
        ),
        Field::secret(Id::MasterPassword, "master password", SECRET, false),
        text(Id::DataDir, "Odoo's data_dir", "where filestore/ lies on the server"),
        text(
            Id::SshHost,
            "ssh host",
            "as your ssh knows it; empty: this machine, or not at all",
        ),
        text(Id::SshUser, "ssh user", "empty: as your ssh configuration says"),
        text(Id::SshPort, "ssh port", "empty: as your ssh configuration says"),
        text(
            Id::SshIdentity,
            "ssh identity",
            "a key file; empty: as your ssh configuration says",
        ),
        text(Id::Ip, "IP address", "for DNS records"),
        text(
            Id::Port,
            "Odoo's port",
            "on the machine, where it differs from the URL's",
        ),
        text(Id::Cpu, "CPU cores", ""),
        text(Id::Memory, "memory, GB", ""),
        text(Id::Disk, "disk, GB", ""),
        text(Id::Description, "description", ""),
    ]
}

/// The form of a new server.
pub(super) fn new_server() -> Form {
    Form::new(FormKind::NewServer, server_fields())
}

/// The form of a server that is there.
pub(super) fn edit_server(server: &Server) -> Form {
    let spec = &server.spec;
    let shown = |value: Option<u32>| value.map(|n| n.to_string()).unwrap_or_default();
    let ssh = spec.ssh.as_ref();
    let mut fields = server_fields();
    for field in &mut fields {
        let text = match field.id {
            Id::Name => spec.name.to_string(),
            Id::Code => spec.code.to_string(),
            Id::Url => spec.server_url.to_string(),
            Id::MaxInstances => spec.max_instances.to_string(),
            Id::DbHost => spec.db_host.as_ref().map(ToString::to_string).unwrap_or_default(),
            Id::DbPort => spec.db_port.to_string(),
            Id::DbUser => spec.db_user.clone().unwrap_or_default(),
            Id::DataDir => spec.data_dir.as_ref().map(ToString::to_string).unwrap_or_default(),
            Id::SshHost => ssh.map(|ssh| ssh.host.to_string()).unwrap_or_default(),
            Id::SshUser => ssh.and_then(|ssh| ssh.user.clone()).unwrap_or_default(),
            Id::SshPort => ssh
                .and_then(|ssh| ssh.port)
                .map(|port| port.to_string())
                .unwrap_or_default(),
            Id::SshIdentity => ssh.and_then(|ssh| ssh.identity.clone()).unwrap_or_default(),
            Id::Ip => spec.server_ip.as_ref().map(ToString::to_string).unwrap_or_default(),
            Id::Port => spec.port.map(|port| port.to_string()).unwrap_or_default(),
            Id::Cpu => shown(spec.cpu_cores),
            Id::Memory => shown(spec.memory_gb),
            Id::Disk => shown(spec.disk_gb),
            Id::Description => spec.description.to_string(),
            _ => String::new(),
        };
        field.derived = false;
        field.input = tui_input::Input::new(text);
        match (&mut field.kind, field.id) {
            (FieldKind::Secret { stored }, Id::DbPassword) => *stored = spec.db_password.is_some(),
            (FieldKind::Secret { stored }, _) => *stored = spec.master_password.is_some(),
            (FieldKind::Choice { chosen, .. }, _) => *chosen = usize::from(spec.db_tls == DbTls::VerifyFull),
            _ => {}
        }
    }
    let kind = FormKind::EditServer {
        server: server.id,
        version: server.version,
        code: spec.code.to_string(),
    };
    Form::new(kind, fields)
}

/// The form of a new template, on the selected server.
pub(super) fn new_template(model: &Model) -> Form {
    let servers: Vec<Choice> = model
        .store
        .servers
        .iter()
        .map(|s| choice(s.id.0, s.spec.code.as_str()))
        .collect();
    let selected = model.lists.servers.selected.map_or(0, |id| id.0);
    let chosen = servers.iter().position(|c| c.value == selected).unwrap_or(0);
    let text = Field::text;
    let fields = vec![
        text(Id::Name, "name", "as it is shown, such as Restaurant").required(),
        text(
            Id::Code,
            "code",
            "short and unique: how it is called in lists and commands",
        )
        .required()
        .derived(),
        Field::choice(Id::Server, "server", "which holds its database", servers, chosen).required(),
        text(Id::Database, "database", "on that server").required().derived(),
        text(Id::Language, "language", "Odoo's code, such as fr_FR")
            .required()
            .filled("en_US"),
        text(
            Id::Modules,
            "base modules",
            "technical names, such as sale_management, point_of_sale",
        ),
        Field::choice(
            Id::Then,
            "its database",
            "what is done right away",
            vec![
                choice(1, "create it now"),
                choice(2, "adopt the one that exists"),
                choice(0, "nothing yet"),
            ],
            0,
        ),
    ];
    Form::new(FormKind::NewTemplate, fields)
}

/// The form of a new instance: the template on the server that placement picks.
pub(super) fn new_instance(model: &Model) -> Form {
    let store = &model.store;
    let mut servers = vec![choice(0, "by placement")];
    servers.extend(
        store
            .servers
            .iter()
            .filter(|server| store.ready_templates().any(|t| t.spec.server_id == server.id))
            .map(|server| {
                choice(
                    server.id.0,
                    format!("{} ({:.0} % free)", server.spec.code, server.available_capacity()),
                )
            }),
    );
    let mut plans = vec![choice(0, "none")];
    plans.extend(
        store
            .plans
            .iter()
            .map(|plan| choice(plan.id.0, format!("{} ({})", plan.name, plan.code))),
    );
    let text = Field::text;
    let fields = vec![
        text(Id::Name, "name", "as its customer calls it, such as Client ABC").required(),
        text(Id::Subdomain, "subdomain", "where its users find it")
            .required()
            .derived(),
        text(Id::Database, "database", "on its server").required().derived(),
        Field::choice(
            Id::Template,
            "template",
            "what it is cloned from (←/→)",
            templates(model, 0),
            0,
        )
        .required(),
        Field::choice(
            Id::Server,
            "server",
            "by placement: the one with the most free places",
            servers,
            0,
        ),
        Field::choice(Id::Plan, "plan", "what it is sold as (←/→)", plans, 0),
        text(Id::Customer, "customer", "to whom; added where it isn't known yet"),
        text(Id::AdminLogin, "admin login", "its administrator")
            .required()
            .filled(model.settings.admin_login.clone()),
        Field::secret(
            Id::AdminPassword,
            "admin password",
            "empty: one is made. env:NAME, file:PATH, command:…, or typed",
            false,
        ),
    ];
    let mut form = Form::new(FormKind::NewInstance, fields);
    prefer_placed(&mut form, model);
    form
}

/// Ready templates, of one server or (0) of all.
fn templates(model: &Model, server: i64) -> Vec<Choice> {
    model
        .store
        .ready_templates()
        .filter(|template| server == 0 || template.spec.server_id == ServerId(server))
        .map(|template| {
            let code = model.store.server_code(template.spec.server_id);
            choice(template.id.0, format!("{} on {code}", template.spec.code))
        })
        .collect()
}

/// Chooses the first template on the server that placement picks among those that have one.
fn prefer_placed(form: &mut Form, model: &Model) {
    let store = &model.store;
    let candidates: Vec<Server> = store
        .servers
        .iter()
        .filter(|server| store.ready_templates().any(|t| t.spec.server_id == server.id))
        .cloned()
        .collect();
    let thresholds = &model.settings.thresholds;
    let placed = place(&candidates, thresholds.placement_free_percent)
        .or_else(|_| place(&candidates, thresholds.provision_free_percent))
        .ok();
    let Some(template) = placed.and_then(|p| store.ready_templates().find(|t| t.spec.server_id == p.server)) else {
        return;
    };
    for field in &mut form.fields {
        if let (Id::Template, FieldKind::Choice { options, chosen }) = (field.id, &mut field.kind) {
            *chosen = options.iter().position(|c| c.value == template.id.0).unwrap_or(0);
        }
    }
}

fn set(form: &mut Form, id: Id, text: &str) -> bool {
    match form.fields.iter_mut().find(|field| field.id == id && field.derived) {
        Some(field) => {
            field.input = tui_input::Input::new(text.to_owned());
            true
        }
        None => false,
    }
}

/// What follows from a change of `id`: derived names, and the templates of the chosen server. A field
/// that was emptied is derived again.
pub(super) fn follow(form: &mut Form, id: Id, model: &Model) {
    if let Some(field) = form.fields.iter_mut().find(|field| field.id == id) {
        let may =
            matches!(id, Id::Code | Id::Subdomain | Id::Database) && !matches!(form.kind, FormKind::EditServer { .. });
        if may && field.value().is_empty() {
            field.derived = true;
        }
    }
    let suggested = suggest_subdomain(form.value(Id::Name));
    let word = suggested.as_ref().map_or("", Subdomain::as_str).to_owned();
    match form.kind {
        FormKind::NewInstance => {
            set(form, Id::Subdomain, &word);
            let database = Subdomain::parse(form.value(Id::Subdomain))
                .ok()
                .and_then(|s| suggest_database(&s));
            set(form, Id::Database, database.as_ref().map_or("", DbName::as_str));
            if id == Id::Server {
                let options = templates(model, form.chosen(Id::Server));
                for field in &mut form.fields {
                    if field.id == Id::Template {
                        field.kind = FieldKind::Choice {
                            options: options.clone(),
                            chosen: 0,
                        };
                    }
                }
                if form.chosen(Id::Server) == 0 {
                    prefer_placed(form, model);
                }
            }
        }
        FormKind::NewTemplate => {
            let short: String = word.chars().take(32).collect();
            set(form, Id::Code, &short);
            let code = form.value(Id::Code).replace('-', "_");
            let database = if code.is_empty() {
                String::new()
            } else {
                format!("template_{code}")
            };
            set(form, Id::Database, &database);
        }
        FormKind::NewServer => {
            let short: String = word.chars().take(32).collect();
            set(form, Id::Code, &short);
        }
        FormKind::EditServer { .. } => {}
    }
}

/// Says of every field what is wrong with it.
pub(super) fn check(form: &mut Form, model: &Model) {
    let errors: Vec<Option<String>> = form
        .fields
        .iter()
        .map(|field| wrong(form, field, model).err())
        .collect();
    for (field, error) in form.fields.iter_mut().zip(errors) {
        field.error = error;
    }
}

fn number(text: &str, from: u32, to: u32) -> Result<(), String> {
    match text.parse::<u32>() {
        Ok(n) if (from..=to).contains(&n) => Ok(()),
        _ => Err(format!("a number from {from} to {to}")),
    }
}

fn wrong(form: &Form, field: &Field, model: &Model) -> Result<(), String> {
    let text = field.value().trim();
    if let FieldKind::Choice { options, .. } = &field.kind {
        return match (options.is_empty(), field.id) {
            (true, Id::Template) => Err("no template is ready there".to_owned()),
            (true, _) => Err("there is none to choose from".to_owned()),
            _ => Ok(()),
        };
    }
    if text.is_empty() {
        return if field.required {
            Err("is needed".to_owned())
        } else {
            Ok(())
        };
    }
    let told = |result: Result<(), String>| result;
    let editing = match form.kind {
        FormKind::EditServer { server, .. } => Some(server),
        _ => None,
    };
    let others = || {
        model
            .store
            .servers
            .iter()
            .filter(move |server| Some(server.id) != editing)
    };
    match field.id {
        Id::Code => {
            let code = Code::parse(text).map_err(|e| e.to_string())?;
            let taken = match form.kind {
                FormKind::NewTemplate => model.store.templates.iter().any(|t| t.spec.code == code),
                _ => others().any(|server| server.spec.code == code),
            };
            told(if taken {
                Err(format!("{code} is taken already"))
            } else {
                Ok(())
            })
        }
        Id::Url => {
            let url = ServerUrl::parse(text).map_err(|e| e.to_string())?;
            match others().find(|server| server.spec.server_url == url) {
                Some(server) => Err(format!("server {} has this URL already", server.spec.code)),
                None => Ok(()),
            }
        }
        Id::Subdomain => {
            let subdomain = Subdomain::parse(text).map_err(|e| e.to_string())?;
            let settings = &model.settings;
            subdomain
                .allowed(&settings.reserved, settings.root_domain.as_deref())
                .map(|_| ())
                .map_err(|e| e.to_string())
        }
        Id::Database => DbName::parse(text).map(|_| ()).map_err(|e| e.to_string()),
        Id::MaxInstances => number(text, 1, 100_000),
        Id::DbPort | Id::SshPort | Id::Port => number(text, 1, 65_535),
        Id::Cpu | Id::Memory | Id::Disk => number(text, 1, 10_000_000),
        Id::DbHost | Id::SshHost | Id::Ip => HostName::parse(text).map(|_| ()).map_err(|e| e.to_string()),
        Id::DataDir => RemotePath::parse(text).map(|_| ()).map_err(|e| e.to_string()),
        Id::Language => {
            let good = text.len() <= 16
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '.'));
            told(if good {
                Ok(())
            } else {
                Err("Odoo's language code, such as fr_FR".to_owned())
            })
        }
        Id::Modules => {
            let plain = |name: &str| {
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            };
            match super::send::words(text).iter().find(|name| !plain(name)) {
                Some(name) => Err(format!("{name:?} is no module's technical name")),
                None => Ok(()),
            }
        }
        Id::DbUser if text.len() > 63 => Err("at most 63 bytes".to_owned()),
        Id::DbPassword | Id::MasterPassword | Id::AdminPassword if !field.is_masked() && text != "-" => {
            SecretRef::parse(text).map(|_| ()).map_err(|e| e.to_string())
        }
        _ => Ok(()),
    }
}
