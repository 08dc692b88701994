//! A customer's instance from a template: validate, reserve, clone the database, clone the filestore,
//! give the copy its identity, verify through Odoo, activate.

use super::clone::CloneDatabase;
use super::common::{Files, Way, Ways, cluster, nonce, odoo, reach_management, reach_sql};
use super::filestore::{CloneFilestore, store};
use super::identity::{GiveIdentity, Verify};
use crate::domain::capacity::can_host;
use crate::domain::instance::InstanceState;
use crate::domain::server::ServerState;
use crate::domain::template::TemplateState;
use crate::domain::{Problem, RemotePath};
use crate::jobs::step::{Cx, Observed, Outcome, Planned, Step, StepError};
use crate::registry::Consequence;
use crate::remote::postgres::Cluster;
use async_trait::async_trait;
use serde_json::{Value, json};

pub(super) fn steps() -> Vec<Box<dyn Step>> {
    vec![
        Box::new(Validate),
        Box::new(Reserve),
        Box::new(CloneDatabase),
        Box::new(CloneFilestore),
        Box::new(GiveIdentity),
        Box::new(Verify),
        Box::new(Activate),
    ]
}

struct Validate;

/// What the preflight found.
struct Preflight {
    ways: Ways,
    notes: Vec<String>,
    warnings: Vec<String>,
}

#[async_trait]
impl Step for Validate {
    fn name(&self) -> &'static str {
        "validate"
    }
    fn title(&self) -> &'static str {
        "validate"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let template = cx.world.template()?;
        let server = &cx.world.server.spec.code;
        let found = preflight(cx).await?;
        let planned = Planned::on(format!("{server}, template {}", template.spec.code));
        let planned = found.notes.iter().fold(planned, Planned::note);
        Ok(found.warnings.iter().fold(planned, Planned::warning))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        let found = preflight(cx).await?;
        found.notes.iter().for_each(|note| cx.log.info(note));
        found.warnings.iter().for_each(|warning| cx.log.warning(warning));
        Ok(json!({ "nonce": nonce()?, "ways": found.ways }))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        // Looking changes nothing, and its result is the intent: once that is written it is done.
        Ok(Observed::Applied(Outcome::default()))
    }

    async fn apply(&self, _cx: &Cx) -> Result<Outcome, StepError> {
        Ok(Outcome::default())
    }
}

/// Everything that can be known before anything is touched.
async fn preflight(cx: &Cx) -> Result<Preflight, StepError> {
    let (server, template) = (&cx.world.server, cx.world.template()?);
    let spec = cx.world.instance_spec()?;
    let state = server.state();
    if state != ServerState::Active {
        return Err(StepError::new(
            "server_not_active",
            format!("{} is {}, and takes no new instances", server.spec.code, state.word()),
        )
        .hint("activate it (aa), or take another server"));
    }
    // In a plan the instance does not take its place yet; in the job it does.
    if cx.job.is_none()
        && let Err(why) = can_host(server, cx.tools.thresholds.provision_free_percent)
    {
        return Err(StepError::new("no_place", format!("{} {why}", server.spec.code))
            .hint("raise its max_instances, take another server, or move instances away"));
    }
    if template.state != TemplateState::Ready {
        return Err(StepError::new(
            "template_not_ready",
            format!("the template {} is {}", template.spec.code, template.state.word()),
        )
        .hint("create its database, or adopt one"));
    }
    if template.spec.server_id != server.id {
        return Err(StepError::new(
            "template_elsewhere",
            format!("the template {} is not on {}", template.spec.code, server.spec.code),
        )
        .hint("take a template of the same server"));
    }
    let mut found = Preflight {
        ways: Ways {
            sql: false,
            database: Way::Sql,
            files: Files::None,
        },
        notes: Vec::new(),
        warnings: Vec::new(),
    };
    let by_sql = match reach_sql(cx).await {
        Ok(cluster) => {
            found.ways.sql = true;
            look_by_sql(cx, &cluster, &mut found.warnings).await?
        }
        Err(problem) => Err(problem),
    };
    let by_files = match &by_sql {
        Ok(()) => look_for_files(cx).await,
        Err(problem) => Err(problem.clone()),
    };
    match by_files {
        Ok((files, note)) => {
            found.ways.files = files;
            found
                .notes
                .push(format!("SQL clone: PostgreSQL copies the template; {note}"));
        }
        Err(why) => {
            let refused = reach_management(cx).await;
            if let Err(other) = refused {
                return Err(neither(cx, &why, &other));
            }
            let known = template.facts.admin_login.is_some() && template.facts.admin_password.is_some();
            if !found.ways.sql && !known {
                return Err(super::clone::no_template_password());
            }
            if !found.ways.sql && odoo(cx).db_exist(&spec.database_name).await? {
                return Err(super::clone::taken(&spec.database_name));
            }
            found.ways.database = Way::Rpc;
            found.ways.files = Files::ByOdoo;
            found.notes.push(format!(
                "Odoo duplicates the database and its files, since {}",
                why.message
            ));
        }
    }
    let way = super::identity::identity_way(found.ways.sql);
    found.notes.push(match way {
        Way::Sql => "the identity is given over SQL, in one transaction".to_owned(),
        Way::Rpc => "the identity is given through Odoo's models".to_owned(),
    });
    Ok(found)
}

fn neither(cx: &Cx, sql: &Problem, rpc: &Problem) -> StepError {
    let message = format!(
        "there is no way to clone on {}: not over SQL, since {}; not through Odoo, since {}",
        cx.world.server.spec.code, sql.message, rpc.message
    );
    let hints: Vec<&str> = [sql, rpc].iter().filter_map(|p| p.hint.as_deref()).collect();
    StepError::new("no_way", message).hint(hints.join("; or "))
}

/// Whether PostgreSQL can make the copy. The outer error refuses the plan, the inner one only this way.
async fn look_by_sql(cx: &Cx, cluster: &Cluster, warnings: &mut Vec<String>) -> Result<Result<(), Problem>, StepError> {
    let (template, spec) = (cx.world.template()?, cx.world.instance_spec()?);
    let source = &template.spec.template_database;
    if cluster.database(&spec.database_name).await?.is_some() {
        return Err(super::clone::taken(&spec.database_name));
    }
    let Some(info) = cluster.database(source).await? else {
        return Err(StepError::new(
            "no_such_database",
            format!("the template's database {source} is not on {}", cluster.address()),
        )
        .hint("create it again, or mend the template's database name"));
    };
    if let Some(oid) = template.facts.database_oid
        && oid != info.oid
    {
        return Err(StepError::new(
            "template_changed",
            format!(
                "{source} is another database now (OID {}, {oid} was recorded)",
                info.oid
            ),
        )
        .hint("look at it, then adopt it again"));
    }
    if !info.is_frozen() {
        warnings.push(format!(
            "{source} is not frozen any more: someone let connections in, and the clone may find it in use"
        ));
    }
    if !cluster.can_create_databases().await? {
        return Ok(Err(Problem::new(
            "no_createdb",
            format!("the role on {} may not create databases", cluster.address()),
        )
        .hint("ALTER ROLE … CREATEDB")));
    }
    if !cluster.can_copy(source).await? {
        return Ok(Err(Problem::new(
            "no_copy",
            format!("the role on {} may not copy {source}", cluster.address()),
        )
        .hint("give the role that owns it")));
    }
    Ok(Ok(()))
}

/// Where Odoo keeps its files unless it is told otherwise.
const USUAL_DATA_DIRS: [&str; 3] = [
    "/var/lib/odoo",
    "/var/lib/odoo/.local/share/Odoo",
    "/opt/odoo/.local/share/Odoo",
];

/// Folders to look into where none is on record.
pub(super) fn usual_data_dirs(cx: &Cx) -> Vec<RemotePath> {
    let mut dirs: Vec<RemotePath> = USUAL_DATA_DIRS
        .iter()
        .filter_map(|dir| RemotePath::parse(dir).ok())
        .collect();
    let here = cx
        .tools
        .remote
        .host(&cx.world.server.spec)
        .is_ok_and(|host| host.is_local());
    if here
        && let Some(home) = std::env::var_os("HOME")
        && let Ok(dir) = RemotePath::parse(&format!("{}/.local/share/Odoo", home.to_string_lossy()))
        && !dirs.contains(&dir)
    {
        dirs.push(dir);
    }
    dirs
}

/// How the template's files can come along with a copy made by PostgreSQL.
async fn look_for_files(cx: &Cx) -> Result<(Files, String), Problem> {
    let source = &cx
        .world
        .template()
        .map_err(|error| error.problem)?
        .spec
        .template_database;
    let server = &cx.world.server.spec;
    // Not reaching the machine refuses only this way.
    let host = cx.tools.remote.host(server).map_err(|error| error.problem())?;
    let dirs = match &server.data_dir {
        Some(known) => vec![known.clone()],
        None => usual_data_dirs(cx),
    };
    for data_dir in dirs {
        let files = store(cx, &data_dir).map_err(|error| error.problem)?;
        if files.exists(source).await.map_err(|error| error.problem())? {
            let note = format!("its filestore is copied below {data_dir} on {}", host.label());
            return Ok((Files::Copied(data_dir), note));
        }
    }
    match &server.data_dir {
        Some(data_dir) => {
            let root = data_dir
                .join("filestore")
                .map_err(|e| Problem::new("bad_path", e.to_string()))?;
            if host.exists(&root).await.map_err(|error| error.problem())? {
                Ok((Files::None, format!("{source} has no filestore below {data_dir}")))
            } else {
                Err(
                    Problem::new("no_filestore", format!("there is no {root} on {}", host.label()))
                        .hint("mend data_dir in the server's form (e)"),
                )
            }
        }
        None => Err(Problem::new(
            "no_data_dir",
            format!(
                "data_dir of {} is not on record, and its filestore would stay behind",
                server.code
            ),
        )
        .hint("give data_dir in the server's form (e): the folder above filestore/")),
    }
}

struct Reserve;

#[async_trait]
impl Step for Reserve {
    fn name(&self) -> &'static str {
        "reserve"
    }
    fn title(&self) -> &'static str {
        "reserve a place"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let server = &cx.world.server;
        Ok(Planned::on(format!(
            "{} of {} on {}",
            server.instance_count + 1,
            server.spec.max_instances,
            server.spec.code
        )))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        // Taken in the transaction that queued the job; here it is looked at again.
        let server = &cx.world.server;
        let (taken, places) = (server.instance_count, server.spec.max_instances);
        let held = cx
            .world
            .instance
            .as_ref()
            .is_some_and(|row| row.state == InstanceState::Provisioning);
        if !held {
            return Err(StepError::new(
                "no_place",
                "the instance does not hold its place any more",
            ));
        }
        if taken > places {
            return Err(StepError::new(
                "no_place",
                format!("{} has {places} places now, and {taken} are taken", server.spec.code),
            )
            .hint("raise its max_instances, or take another server"));
        }
        Ok(Outcome::note(format!("{taken} of {places}")))
    }
}

struct Activate;

#[async_trait]
impl Step for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }
    fn title(&self) -> &'static str {
        "activate"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(cx.world.instance_spec()?.subdomain.as_str()))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        // Its effect is in the registry, in the transaction of its record: in doubt it isn't there.
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let Some(id) = cx.spec.instance_id() else {
            return Ok(Outcome::default());
        };
        let spec = cx.world.instance_spec()?;
        let mut size_bytes = None;
        if super::common::ways(cx)?.sql {
            let info = cluster(cx).await?.database(&spec.database_name).await?;
            size_bytes = info.and_then(|info| info.size);
        }
        Ok(Outcome::default()
            .then(Consequence::InstanceFacts {
                id,
                database_oid: None,
                database_uuid: None,
                size_bytes,
            })
            .then(Consequence::InstanceState(id, InstanceState::Active)))
    }
}
