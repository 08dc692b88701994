//! `vigie template …`

use super::many::{self, Whom, one_waits};
use super::{Desk, Done, spec};
use crate::cli::args::{JobArgs, TemplateJobs, TemplateVerb};
use crate::cli::show;
use crate::cli::table::{Table, card};
use crate::domain::bulk::Verb;
use crate::domain::template::{Template, TemplateSpec};
use crate::domain::{DbName, Problem, SafeText};
use crate::ops::{Answer, JobPlan};
use crate::tui::model::ListId;
use serde_json::{Value, json};

pub(super) async fn run(desk: &Desk<'_>, verb: TemplateVerb) -> Done {
    match verb {
        TemplateVerb::Add {
            code,
            name,
            server,
            database,
            language,
            modules,
        } => {
            let server = desk.ops.server(&server).await?;
            let spec = match new_spec(&code, name, server.id, database, language, modules) {
                Ok(spec) => spec,
                Err(problem) => return desk.ops.refused("template.add", "template", &code, problem).await,
            };
            let template = desk.ops.template_add(spec).await?;
            desk.shell
                .result(&show::template(&template, server.spec.code.as_str()), || {
                    let code = &template.spec.code;
                    format!("{code} added, in draft; next `vigie template create-database {code}`, or `adopt`")
                })
        }
        TemplateVerb::CreateDatabase(args) => work(desk, Verb::CreateDatabase, args).await,
        TemplateVerb::Adopt(args) => work(desk, Verb::Adopt, args).await,
        TemplateVerb::Thaw(args) => work(desk, Verb::Thaw, args).await,
        TemplateVerb::Remove(args) => {
            let Some(code) = args.whom.alone() else {
                let whom = Whom {
                    list: ListId::Templates,
                    named: &args.whom.codes,
                    many: &args.whom.many,
                    dry_run: args.whom.dry_run,
                    yes: args.sure.yes,
                };
                return many::run(desk, Verb::DeleteTemplate, whom).await;
            };
            let template = desk.ops.template(code).await?;
            desk.confirm("template", template.spec.code.as_str(), &args.sure)?;
            desk.ops.template_remove(template.id, template.version).await?;
            let done = json!({ "removed": true, "code": template.spec.code, "id": template.id });
            desk.shell.result(&done, || {
                let database = &template.spec.template_database;
                format!("{} removed; its database {database} stays", template.spec.code)
            })
        }
        TemplateVerb::List => list(desk).await,
        TemplateVerb::Show { code } => {
            let template = desk.ops.template(&code).await?;
            let server = server_code(desk, &template).await?;
            desk.shell
                .result(&show::template(&template, &server), || text(&template, &server))
        }
        TemplateVerb::Password { code, to } => {
            let template = desk.ops.template(&code).await?;
            let login = template.facts.admin_login.clone().unwrap_or_default();
            let secret = desk.ops.template_password(&template).await?;
            desk.hand_out(&to, &secret, &login)
        }
    }
}

/// A job on the database of one template, or of several.
async fn work(desk: &Desk<'_>, verb: Verb, args: TemplateJobs) -> Done {
    let TemplateJobs { codes, many, job } = args;
    match codes.as_slice() {
        [code] if !many.is_meant(1) => {
            let id = desk.ops.template(code).await?.id;
            let plan = match verb {
                Verb::Adopt => desk.ops.plan_template_adopt(id).await,
                Verb::Thaw => desk.ops.plan_template_thaw(id).await,
                _ => desk.ops.plan_template_create(id).await,
            };
            queue(desk, plan, job).await
        }
        _ => {
            one_waits(job.wait)?;
            let whom = Whom {
                list: ListId::Templates,
                named: &codes,
                many: &many,
                dry_run: job.dry_run,
                yes: true,
            };
            many::run(desk, verb, whom).await
        }
    }
}

fn new_spec(
    code: &str,
    name: Option<String>,
    server_id: crate::domain::ServerId,
    database: Option<String>,
    language: String,
    base_modules: Vec<String>,
) -> Result<TemplateSpec, Problem> {
    let code = spec::code(code)?;
    let database = database.unwrap_or_else(|| format!("template_{}", code.as_str().replace('-', "_")));
    Ok(TemplateSpec {
        name: SafeText::capped(name.as_deref().unwrap_or(code.as_str()).trim(), 200),
        server_id,
        template_database: DbName::parse(&database).map_err(|error| Problem::new("invalid_name", error.to_string()))?,
        base_modules,
        language,
        code,
    })
}

async fn queue(desk: &Desk<'_>, plan: Answer<JobPlan>, job: JobArgs) -> Done {
    let plan = plan?;
    if job.dry_run {
        return desk.shell.result(&show::job_plan(&plan), || show::job_plan_text(&plan));
    }
    let queued = desk.ops.queue(plan).await?;
    desk.queued(queued, job.wait).await
}

async fn server_code(desk: &Desk<'_>, template: &Template) -> Answer<String> {
    let servers = desk.ops.servers().await?;
    Ok(servers
        .iter()
        .find(|s| s.id == template.spec.server_id)
        .map(|s| s.spec.code.to_string())
        .unwrap_or_default())
}

async fn list(desk: &Desk<'_>) -> Done {
    let fleet = desk.ops.fleet().await?;
    let json = fleet
        .templates
        .iter()
        .map(|t| show::template(t, &fleet.server_code(t.spec.server_id)))
        .collect();
    desk.shell.result(&Value::Array(json), || {
        let head = [
            "CODE",
            "STATE",
            "SERVER",
            "DATABASE",
            "LANGUAGE",
            ">SIZE",
            ">INSTANCES",
            "NAME",
        ];
        let mut table = Table::new(&head);
        for t in &fleet.templates {
            table.row([
                t.spec.code.to_string(),
                t.state.word().to_owned(),
                fleet.server_code(t.spec.server_id),
                t.spec.template_database.to_string(),
                t.spec.language.clone(),
                t.facts.size_bytes.map(show::bytes).unwrap_or_default(),
                t.instance_count.to_string(),
                t.spec.name.to_string(),
            ]);
        }
        table.text("no templates: add one with `vigie template add CODE --server CODE`")
    })
}

fn text(t: &Template, server: &str) -> String {
    card(&[
        ("code", t.spec.code.to_string()),
        ("name", t.spec.name.to_string()),
        ("state", t.state.word().to_owned()),
        ("server", server.to_owned()),
        ("database", t.spec.template_database.to_string()),
        ("frozen", if t.facts.frozen { "yes" } else { "no" }.to_owned()),
        ("size", t.facts.size_bytes.map(show::bytes).unwrap_or_default()),
        ("Odoo", t.facts.odoo_version.clone().unwrap_or_default()),
        ("language", t.spec.language.clone()),
        ("modules", t.spec.base_modules.join(", ")),
        ("login", t.facts.admin_login.clone().unwrap_or_default()),
        ("instances", t.instance_count.to_string()),
        ("added", show::local(t.created_at)),
    ])
}
