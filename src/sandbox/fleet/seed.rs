//! What the fleet holds: written down and made through the operations that an operator uses, so that
//! nothing on the screen is painted.

use super::odoo::{self, Down};
use super::{DOWN, PLACES, Place, SandboxFleet, roles};
use crate::domain::check::ServerUrl;
use crate::domain::instance::Plan;
use crate::domain::job::{Job, JobState};
use crate::domain::server::{DbTls, Intent, Server, ServerSpec};
use crate::domain::template::{Template, TemplateSpec, TemplateState};
use crate::domain::{Code, DbName, HostName, PlanId, Problem, RemotePath, SafeText};
use crate::ops::{InstanceRequest, Ops};
use std::time::Duration;

/// How long the jobs of one kind may take, all together.
const JOBS_LIMIT: Duration = Duration::from_secs(15 * 60);

type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Code, name, server, language, modules.
const TEMPLATES: [(&str, &str, &str, &str, &[&str]); 3] = [
    (
        "restaurant",
        "Restaurant",
        "prod-1",
        "fr_FR",
        &["point_of_sale", "pos_restaurant"],
    ),
    ("shop", "Shop", "prod-2", "fr_FR", &["sale_management", "stock"]),
    ("demo", "Demonstration", "test-1", "en_US", &["crm"]),
];

/// Name, customer, template, plan.
const INSTANCES: [(&str, &str, &str, &str); 12] = [
    ("Acme", "Acme SA", "restaurant", "pro"),
    ("Bistro Nord", "Bistro Nord SARL", "restaurant", "starter"),
    ("Café des Arts", "Café des Arts SAS", "restaurant", "starter"),
    ("La Marmite", "La Marmite SARL", "restaurant", "pro"),
    ("Pizzeria Roma", "Roma Frères SNC", "restaurant", "starter"),
    ("Sushi Kyo", "Kyo SAS", "restaurant", "enterprise"),
    ("Boulangerie Petit", "Petit et Fils SARL", "shop", "starter"),
    ("Librairie Plume", "Plume SAS", "shop", "starter"),
    ("Maison Verte", "Maison Verte SARL", "shop", "pro"),
    ("Vélo Plus", "Vélo Plus SAS", "shop", "starter"),
    ("Demo", "Our own", "demo", "starter"),
    ("Training", "Our own", "demo", "starter"),
];

fn bad(error: &dyn std::fmt::Display) -> Problem {
    Problem::new("sandbox", error.to_string())
}

fn spec(fleet: &SandboxFleet, place: &Place, port: u16, db_port: u16) -> Result<ServerSpec, Problem> {
    let local = HostName::parse("127.0.0.1").map_err(|error| bad(&error))?;
    let data_dir = fleet.folder.data_dir(place.code);
    Ok(ServerSpec {
        name: SafeText::new(place.name),
        code: Code::parse(place.code).map_err(|error| bad(&error))?,
        description: SafeText::new(place.description),
        server_url: ServerUrl::parse(&odoo::url(port)).map_err(|error| bad(&error))?,
        server_ip: Some(local.clone()),
        port: None,
        ssh: None,
        db_host: Some(local),
        db_port,
        db_user: Some(roles::role(place.code)),
        db_password: Some(fleet.folder.secret_ref(&roles::secret(place.code))),
        db_tls: DbTls::Disable,
        master_password: Some(fleet.folder.secret_ref(&odoo::master(place.code))),
        data_dir: Some(RemotePath::parse(&data_dir.display().to_string()).map_err(|error| bad(&error))?),
        max_instances: place.max_instances,
        cpu_cores: Some(place.cpu_cores),
        memory_gb: Some(place.memory_gb),
        disk_gb: Some(place.disk_gb),
    })
}

/// Writes the servers down at the addresses they have now, and puts new ones in service. One that an
/// operator removed is not written down again.
pub(super) async fn servers(fleet: &mut SandboxFleet, ops: &Ops, progress: Progress<'_>) -> Result<(), Problem> {
    let db_port = fleet.cluster.as_ref().map_or(0, |cluster| cluster.port());
    let ports: Vec<u16> = fleet.odoos.iter().map(odoo::Odoo::port).collect();
    for (place, port) in PLACES.iter().zip(ports) {
        let spec = spec(fleet, place, port, db_port)?;
        if let Some(server) = written(fleet, ops, &spec).await?
            && server.intent == Intent::Draft
        {
            ops.server_activate(server.id, server.version).await?;
        }
    }
    down(fleet, ops, db_port, progress).await
}

/// The server that is down was up once: an operator can't put one in service that doesn't answer.
async fn down(fleet: &mut SandboxFleet, ops: &Ops, db_port: u16, progress: Progress<'_>) -> Result<(), Problem> {
    let known = ops
        .servers()
        .await?
        .into_iter()
        .find(|server| server.spec.code.as_str() == DOWN.code);
    let mut wanted = fleet.folder.port(DOWN.code);
    if known.as_ref().is_none_or(|server| server.intent == Intent::Draft) && !fleet.folder.is_seeded() {
        let (Some(cluster), Some(runtime)) = (&fleet.cluster, &fleet.runtime) else {
            return Ok(());
        };
        let up = odoo::stand_in(runtime.handle(), DOWN.code, &mut fleet.folder, cluster).await?;
        let spec = spec(fleet, &DOWN, up.port(), db_port)?;
        wanted = Some(up.port());
        if let Some(server) = written(fleet, ops, &spec).await? {
            ops.server_activate(server.id, server.version).await?;
        }
        up.stop().await;
    }
    let held = Down::hold(wanted).map_err(|error| bad(&error))?;
    fleet.folder.keep_port(DOWN.code, held.port)?;
    let spec = spec(fleet, &DOWN, held.port, db_port)?;
    written(fleet, ops, &spec).await?;
    progress(&format!("{} refuses on {}", DOWN.code, odoo::url(held.port)));
    fleet.down = Some(held);
    Ok(())
}

/// The server as it is written down: added, or its address brought up to date.
async fn written(fleet: &SandboxFleet, ops: &Ops, spec: &ServerSpec) -> Result<Option<Server>, Problem> {
    let known = ops
        .servers()
        .await?
        .into_iter()
        .find(|server| server.spec.code == spec.code);
    let Some(server) = known else {
        if fleet.folder.is_seeded() {
            return Ok(None);
        }
        return ops.server_add(spec.clone()).await.map(Some);
    };
    let moved = server.spec.server_url != spec.server_url
        || server.spec.db_port != spec.db_port
        || server.spec.data_dir != spec.data_dir;
    if !moved {
        return Ok(Some(server));
    }
    let edited = ServerSpec {
        server_url: spec.server_url.clone(),
        db_port: spec.db_port,
        data_dir: spec.data_dir.clone(),
        db_password: spec.db_password.clone(),
        master_password: spec.master_password.clone(),
        ..server.spec.clone()
    };
    ops.server_edit(server.id, server.version, edited).await.map(Some)
}

/// The plans that instances are sold as.
pub(super) async fn catalogue(ops: &Ops) -> Result<(), Problem> {
    let known = ops.plans().await?;
    for (code, name, users, storage) in [
        ("starter", "Starter", Some(5), Some(5)),
        ("pro", "Pro", Some(25), Some(50)),
        ("enterprise", "Enterprise", None, None),
    ] {
        if !known.iter().any(|plan| plan.code == code) {
            let plan = Plan {
                id: PlanId(0),
                code: code.to_owned(),
                name: SafeText::new(name),
                max_users: users,
                max_storage_gb: storage,
            };
            ops.plan_add(plan).await?;
        }
    }
    Ok(())
}

/// Makes the templates, at the same time.
pub(super) async fn templates(fleet: &SandboxFleet, ops: &Ops, progress: Progress<'_>) -> Result<(), Problem> {
    let known = ops.templates().await?;
    let mut jobs = Vec::new();
    for (code, name, server, language, modules) in TEMPLATES {
        let template = match known.iter().find(|template| template.spec.code.as_str() == code) {
            Some(template) => template.clone(),
            None => {
                // A real Odoo takes minutes to install these.
                let modules = if fleet.options.odoo_bin.is_some() {
                    &[][..]
                } else {
                    modules
                };
                let spec = TemplateSpec {
                    name: SafeText::new(name),
                    code: Code::parse(code).map_err(|error| bad(&error))?,
                    server_id: ops.server(server).await?.id,
                    template_database: DbName::parse(&format!("template_{code}")).map_err(|error| bad(&error))?,
                    base_modules: modules.iter().map(|module| (*module).to_owned()).collect(),
                    language: language.to_owned(),
                };
                ops.template_add(spec).await?
            }
        };
        match template.state {
            TemplateState::Ready => {}
            // A sandbox that was killed: its worker goes on with it.
            TemplateState::Creating => {
                jobs.extend(running(ops, |job| job.spec.template_id() == Some(template.id)).await?)
            }
            TemplateState::Draft | TemplateState::Failed => jobs.push(ops.template_create_database(template.id).await?),
        }
    }
    if !jobs.is_empty() {
        progress(&format!("{} templates are made by jobs …", jobs.len()));
    }
    done(ops, jobs, progress).await
}

/// Makes the instances, as many at the same time as the worker takes.
pub(super) async fn instances(ops: &Ops, progress: Progress<'_>) -> Result<(), Problem> {
    let plans = ops.plans().await?;
    let templates: Vec<Template> = ops.templates().await?;
    let known = ops.instances(None).await?;
    let mut jobs = running(ops, |job| job.spec.instance_id().is_some()).await?;
    for (name, customer, template, plan) in INSTANCES {
        if known
            .iter()
            .any(|instance| instance.spec.name.as_str() == name && instance.state.takes_place())
        {
            continue;
        }
        let request = InstanceRequest {
            name: name.to_owned(),
            customer: Some(customer.to_owned()),
            templates: templates
                .iter()
                .filter(|known| known.spec.code.as_str() == template)
                .map(|known| known.id)
                .collect(),
            plan: plans.iter().find(|known| known.code == plan).map(|known| known.id),
            ..InstanceRequest::default()
        };
        let planned = ops.plan_instance(request).await?;
        jobs.push(ops.create_instance(planned).await?);
    }
    if !jobs.is_empty() {
        progress(&format!("{} instances are made by jobs …", jobs.len()));
    }
    done(ops, jobs, progress).await
}

async fn running(ops: &Ops, which: impl Fn(&Job) -> bool) -> Result<Vec<Job>, Problem> {
    let jobs = ops.jobs(&crate::registry::JobFilter::default()).await?;
    Ok(jobs
        .into_iter()
        .filter(|job| !job.state.is_over() && which(job))
        .collect())
}

/// Waits until the jobs are over; the first that failed ends it.
async fn done(ops: &Ops, jobs: Vec<Job>, progress: Progress<'_>) -> Result<(), Problem> {
    let deadline = tokio::time::Instant::now() + JOBS_LIMIT;
    let mut left = jobs;
    while !left.is_empty() {
        if tokio::time::Instant::now() > deadline {
            return Err(Problem::new("sandbox", "the sandbox's jobs take too long").hint("see `vigie job list`"));
        }
        let mut still = Vec::new();
        for job in left {
            let now = ops.job(job.id).await?;
            match now.state {
                JobState::Done => progress(&format!("  {}", now.title)),
                state if state.is_over() => {
                    let problem = now.problem.unwrap_or_else(|| Problem::new("sandbox", state.word()));
                    let message = format!("{}: {}", now.title, problem.message);
                    let log = format!("`vigie job log {}` with the sandbox's --config says more", now.id);
                    return Err(Problem::new("sandbox", message).hint(problem.hint.unwrap_or(log)));
                }
                _ => still.push(job),
            }
        }
        left = still;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Looks at every server, so that the first screen shows what is; and at the one that is down as often
/// as it takes to be sure.
pub(super) async fn checks(fleet: &SandboxFleet, ops: &Ops) -> Result<(), Problem> {
    let times = ops.settings().health_rules().failures_before_offline;
    for server in ops.servers().await? {
        let is_down = fleet.down.is_some() && server.spec.code.as_str() == DOWN.code;
        for _ in 0..if is_down { times } else { 1 } {
            ops.server_check(server.id).await?;
        }
    }
    Ok(())
}
