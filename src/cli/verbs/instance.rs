//! `vigie instance …` and `vigie placement`.

use super::many::{self, Whom, one_waits};
use super::secrets::Given;
use super::{Desk, Done};
use crate::cli::args::{InstanceCreate, InstanceVerb, JobArgs, Sure};
use crate::cli::show;
use crate::cli::table::Table;
use crate::config;
use crate::domain::bulk::Verb;
use crate::domain::instance::{InstanceSpec, InstanceState};
use crate::domain::server::Server;
use crate::domain::template::TemplateState;
use crate::domain::{Problem, SafeText, Secret, SecretRef, ServerId, TemplateId};
use crate::ops::{InstancePlan, InstanceRequest, Removal};
use crate::tui::model::ListId;
use serde_json::{Value, json};
use std::path::Path;

pub(super) async fn run(desk: &Desk<'_>, verb: InstanceVerb) -> Done {
    match verb {
        InstanceVerb::Create(args) => create(desk, *args).await,
        InstanceVerb::Remove { names, many, sure, job } => match names.as_slice() {
            [name] if !many.is_meant(1) => remove(desk, name, &sure, job).await,
            _ => {
                one_waits(job.wait)?;
                let whom = Whom {
                    list: ListId::All,
                    named: &names,
                    many: &many,
                    dry_run: job.dry_run,
                    yes: sure.yes,
                };
                many::run(desk, Verb::DeleteInstance, whom).await
            }
        },
        InstanceVerb::List { server, state } => list(desk, server.as_deref(), state.as_deref()).await,
        InstanceVerb::Show { name } => {
            let instance = desk.ops.instance(&name).await?;
            let fleet = desk.ops.fleet().await?;
            desk.shell.result(&show::instance(&instance, &fleet), || {
                show::instance_text(&instance, &fleet)
            })
        }
        InstanceVerb::Password { name, to } => {
            let instance = desk.ops.instance(&name).await?;
            let secret = desk.ops.instance_password(&instance).await?;
            desk.hand_out(&to, &secret, &instance.spec.admin_login)
        }
    }
}

impl Desk<'_> {
    /// The templates that a word means: the one of this code, else those of this name.
    async fn templates_called(&self, word: &str) -> Result<Vec<TemplateId>, Problem> {
        let all = self.ops.templates().await?;
        if let Some(one) = all.iter().find(|t| t.spec.code.as_str() == word) {
            return Ok(vec![one.id]);
        }
        let named: Vec<TemplateId> = all
            .iter()
            .filter(|t| t.state == TemplateState::Ready && t.spec.name.as_str().eq_ignore_ascii_case(word))
            .map(|t| t.id)
            .collect();
        if named.is_empty() {
            // For its "did you mean".
            self.ops.template(word).await?;
        }
        Ok(named)
    }

    /// Refuses to choose between templates that are different things.
    async fn one_template(&self, server: Option<ServerId>) -> Done {
        let all = self.ops.templates().await?;
        let ready = all
            .iter()
            .filter(|t| t.state == TemplateState::Ready && server.is_none_or(|id| t.spec.server_id == id));
        let mut names: Vec<&str> = ready.clone().map(|t| t.spec.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() < 2 {
            return Ok(());
        }
        let codes: Vec<&str> = ready.map(|t| t.spec.code.as_str()).collect();
        Err(Problem::new(
            "ambiguous",
            format!("{} templates are ready: {}", codes.len(), codes.join(", ")),
        )
        .hint("say which: --template CODE"))
    }

    /// Writes a secret to a new file of the operator's own.
    pub(super) fn hand_out(&self, to: &Path, secret: &Secret, login: &str) -> Done {
        config::write_private(to, &format!("{}\n", secret.expose()))
            .map_err(|error| Problem::new("file", error.to_string()))?;
        let done = json!({ "written": to.display().to_string(), "login": login });
        self.shell.result(&done, || {
            format!(
                "the password of {login} is in {}, which only you can read",
                to.display()
            )
        })
    }
}

async fn create(desk: &Desk<'_>, args: InstanceCreate) -> Done {
    if args.own.dedicated {
        return super::dedicated::create(desk, args).await;
    }
    let server = match &args.server {
        Some(word) => Some(desk.ops.server(word).await?.id),
        None => None,
    };
    let templates = match &args.template {
        Some(word) => desk.templates_called(word).await?,
        None => {
            desk.one_template(server).await?;
            Vec::new()
        }
    };
    let plan = match &args.plan {
        Some(word) => Some(desk.ops.plan(word).await?.id),
        None => None,
    };
    let admin_password = administrator(desk, &args).await?;
    let planned = desk
        .ops
        .plan_instance(InstanceRequest {
            name: args.name,
            templates,
            server,
            subdomain: args.subdomain,
            database: args.database,
            customer: args.customer,
            plan,
            url: args.url,
            admin_login: args.admin_login,
            admin_password,
        })
        .await?;
    if args.job.dry_run {
        return desk.shell.result(&plan_json(&planned), || plan_text(&planned));
    }
    let job = desk.ops.create_instance(planned).await?;
    desk.queued(job, args.job.wait).await
}

/// Where the administrator's password lies, as it was given; a mistake in that is a refused attempt.
pub(super) async fn administrator(desk: &Desk<'_>, args: &InstanceCreate) -> Result<Option<SecretRef>, Problem> {
    let given = Given {
        what: "the administrator's password",
        from: args.admin_password_from.as_deref(),
        stdin: args.admin_password_stdin,
        prompt: false,
    };
    match desk.secret(given).await {
        Ok(reference) => Ok(reference),
        Err(problem) => {
            desk.ops
                .refused("instance.create", "instance", &args.name, problem)
                .await
        }
    }
}

/// What both kinds of plans say of the instance.
pub(super) fn planned_json(json: &mut Value, spec: &InstanceSpec, customer: Option<&SafeText>, server: &Server) {
    json["name"] = json!(spec.name);
    json["subdomain"] = json!(spec.subdomain);
    json["database_name"] = json!(spec.database_name);
    json["url"] = json!(spec.url);
    json["admin_login"] = json!(spec.admin_login);
    json["customer"] = json!(customer);
    json["server"] = json!(server.spec.code);
}

fn plan_json(plan: &InstancePlan) -> Value {
    let mut json = show::job_plan(&plan.job);
    planned_json(&mut json, &plan.spec, plan.customer.as_ref(), &plan.server);
    json["template"] = json!(plan.template.spec.code);
    json["passed_over"] = Value::Array(plan.passed_over.iter().map(show::passed_over).collect());
    json
}

fn plan_text(plan: &InstancePlan) -> String {
    let spec = &plan.spec;
    let mut text = crate::cli::table::card(&[
        ("name", spec.name.to_string()),
        (
            "customer",
            plan.customer.as_ref().map(ToString::to_string).unwrap_or_default(),
        ),
        ("URL", spec.url.clone()),
        ("subdomain", spec.subdomain.to_string()),
        ("database", spec.database_name.to_string()),
        ("login", spec.admin_login.clone()),
        ("template", plan.template.spec.code.to_string()),
        ("server", plan.server.spec.code.to_string()),
    ]);
    for over in &plan.passed_over {
        text.push_str(&format!("  not {}: {}\n", over.code, over.why));
    }
    text.push('\n');
    text.push_str(&show::job_plan_text(&plan.job));
    text.push_str("nothing was changed\n");
    text
}

async fn remove(desk: &Desk<'_>, name: &str, sure: &Sure, job: JobArgs) -> Done {
    let instance = desk.ops.instance(name).await?;
    let gone = matches!(instance.state, InstanceState::Failed | InstanceState::Draft);
    if job.dry_run {
        if gone {
            let json = json!({ "dry_run": true, "title": "forget the record", "steps": [] });
            return desk
                .shell
                .result(&json, || "only its record is left: that would go".to_owned());
        }
        let plan = desk.ops.plan_instance_removal(instance.id).await?;
        return desk.shell.result(&show::job_plan(&plan), || show::job_plan_text(&plan));
    }
    // Lists show both of its names; either proves that this one is meant.
    let (label, shown) = (instance.spec.subdomain.as_str(), instance.spec.name.as_str());
    let name = if desk.given.typed.as_deref() == Some(shown) {
        shown
    } else {
        label
    };
    desk.confirm("instance", name, sure)?;
    match desk.ops.instance_remove(instance.id, Some(instance.version)).await? {
        Removal::Queued(queued) => desk.queued(*queued, job.wait).await,
        Removal::Forgotten => {
            let done = json!({ "removed": true, "id": instance.id, "subdomain": instance.spec.subdomain });
            desk.shell
                .result(&done, || format!("the record of {} is gone", instance.spec.subdomain))
        }
    }
}

async fn list(desk: &Desk<'_>, server: Option<&str>, state: Option<&str>) -> Done {
    let fleet = desk.ops.fleet().await?;
    let server = match server {
        Some(word) => Some(desk.ops.server(word).await?.id),
        None => None,
    };
    let known = ["draft", "provisioning", "active", "suspended", "failed", "deleting"];
    if let Some(state) = state.filter(|s| !known.contains(s)) {
        let problem = Problem::new("usage", format!("--state {state:?}: no such state"));
        return Err(problem.hint(format!("one of: {}", known.join(", "))));
    }
    let shown: Vec<_> = fleet
        .instances
        .iter()
        .filter(|i| server.is_none_or(|id| i.spec.server_id == id))
        .filter(|i| state.is_none_or(|word| i.state.word() == word))
        .collect();
    let json = shown.iter().map(|i| show::instance(i, &fleet)).collect();
    desk.shell.result(&Value::Array(json), || {
        let head = [
            "NAME",
            "SUBDOMAIN",
            "STATE",
            "SERVER",
            "DATABASE",
            "PLAN",
            ">SIZE",
            "URL",
        ];
        let mut table = Table::new(&head);
        for i in &shown {
            table.row([
                i.spec.name.to_string(),
                i.spec.subdomain.to_string(),
                i.state.word().to_owned(),
                fleet.server_code(i.spec.server_id),
                i.spec.database_name.to_string(),
                i.spec
                    .plan_id
                    .and_then(|id| fleet.plan_code(id))
                    .unwrap_or_default()
                    .to_owned(),
                i.size_bytes.map(show::bytes).unwrap_or_default(),
                i.spec.url.clone(),
            ]);
        }
        table.text("no instances: make one with `vigie instance create NAME --template CODE`")
    })
}

pub(super) async fn placement(desk: &Desk<'_>, min: Option<u32>) -> Done {
    let answer = desk.ops.placement(min).await?;
    let mut json = show::server(&answer.server);
    json["passed_over"] = Value::Array(answer.passed_over.iter().map(show::passed_over).collect());
    desk.shell.result(&json, || {
        let s = &answer.server;
        let mut text = format!(
            "{}: {} of {} places taken, {:.0} % free\n",
            s.spec.code,
            s.instance_count,
            s.spec.max_instances,
            s.available_capacity()
        );
        for over in &answer.passed_over {
            text.push_str(&format!("  not {}: {}\n", over.code, over.why));
        }
        text
    })
}
