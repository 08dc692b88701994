//! The copy of the template's database: under a one-time name first, then marked, then renamed.

use super::common::{
    Files, MARK_PARAMETER, Way, admin_password, cluster, database_left, drop_through_odoo, marked_by_rpc, odoo, oid_of,
    or_cancelled, ours, settle_management, settle_patiently, still_at_it, template_admin, uid, ways,
};
use crate::domain::job::StepState;
use crate::domain::{DbName, Secret};
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::registry::Consequence;
use crate::remote::odoo::Login;
use crate::remote::postgres::{Cluster, DatabaseInfo};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) struct CloneDatabase;

#[async_trait]
impl Step for CloneDatabase {
    fn name(&self) -> &'static str {
        "clone_database"
    }
    fn title(&self) -> &'static str {
        "clone database"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(format!(
            "{} → {}",
            cx.world.template()?.spec.template_database,
            cx.world.instance_spec()?.database_name
        )))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        let database = &cx.world.instance_spec()?.database_name;
        Ok(json!({ "temp": ours(cx)?.temp, "database": database }))
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        let ways = ways(cx)?;
        if ways.sql {
            // On the way back a copy is of no use; on the way forward it is what is wanted.
            let back = cx.steps.iter().any(|step| step.state == StepState::Undoing);
            let whole = cx.tools.remote.limits().clone;
            settle_patiently(cx, if back { Duration::ZERO } else { whole }).await?;
        }
        if ways.database == Way::Rpc {
            let target = &cx.world.instance_spec()?.database_name;
            settle_management(cx, ways.sql, &[&ours(cx)?.temp, target]).await?;
        }
        Ok(())
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let (ours, target) = (ours(cx)?, &cx.world.instance_spec()?.database_name);
        if ways(cx)?.sql {
            let info = cluster(cx).await?.database(target).await?;
            return Ok(match info.filter(|info| info.is_marked(&ours.mark)) {
                Some(info) => Observed::Applied(made(cx, Some(&info))?),
                None => Observed::NotApplied,
            });
        }
        let marked = marked_by_rpc(&odoo(cx), target, &ours.mark, &credentials(cx).await?).await?;
        Ok(if marked {
            Observed::Applied(made(cx, None)?)
        } else {
            Observed::NotApplied
        })
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        // The administrator's hash takes a third of a second of processor: meanwhile, not afterwards.
        cx.tools.hash_ahead(cx.job_id()?, admin_password(cx).await?);
        match ways(cx)?.database {
            Way::Sql => by_sql(cx).await,
            Way::Rpc => by_rpc(cx).await,
        }
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (ours, target) = (ours(cx)?, &cx.world.instance_spec()?.database_name);
        let ways = ways(cx)?;
        let through_odoo = ways.database == Way::Rpc;
        let mut dropped = 0;
        if ways.sql {
            let cluster = cluster(cx).await?;
            for name in [&ours.temp, target] {
                // A stranger may have taken the final name meanwhile: it isn't even looked at twice.
                let Some(info) = cluster.database(name).await? else {
                    continue;
                };
                if *name != ours.temp && !info.is_marked(&ours.mark) {
                    cx.log
                        .warning(format!("a database {name} is there, and not this job's: left alone"));
                    continue;
                }
                if through_odoo {
                    drop_through_odoo(cx, Some(&cluster), name).await?;
                } else {
                    cluster.drop_marked(Some(info.oid), name, &ours.mark).await?;
                }
                dropped += 1;
            }
        } else {
            let odoo = odoo(cx);
            if odoo.db_exist(&ours.temp).await? {
                drop_through_odoo(cx, None, &ours.temp).await?;
                dropped += 1;
            }
            if odoo.db_exist(target).await? && marked_by_rpc(&odoo, target, &ours.mark, &credentials(cx).await?).await?
            {
                drop_through_odoo(cx, None, target).await?;
                dropped += 1;
            }
        }
        Ok(Outcome::note(if dropped > 0 { "dropped" } else { "nothing was there" }))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let target = &cx.world.instance_spec().ok()?.database_name;
        Some(database_left(cx, &[&ours(cx).ok()?.temp, target]))
    }
}

/// Who can log in to the copy: the template's administrator before it has its own identity, its own
/// one after.
async fn credentials(cx: &Cx) -> Result<Vec<(String, Secret)>, StepError> {
    let own = (cx.world.instance_spec()?.admin_login.clone(), admin_password(cx).await?);
    let mut all = vec![own];
    all.extend(template_admin(cx).await?);
    Ok(all)
}

fn made(cx: &Cx, info: Option<&DatabaseInfo>) -> Result<Outcome, StepError> {
    let target = &cx.world.instance_spec()?.database_name;
    let mut data = json!({ "temp": ours(cx)?.temp, "database": target });
    let Some(info) = info else {
        return Ok(Outcome::default().data(data));
    };
    data["oid"] = json!(info.oid);
    let outcome = Outcome::default().data(data);
    let outcome = match info.size {
        Some(size) => Outcome {
            note: Some(crate::domain::SafeText::new(&megabytes(size))),
            ..outcome
        },
        None => outcome,
    };
    Ok(match cx.spec.instance_id() {
        Some(id) => outcome.then(Consequence::InstanceFacts {
            id,
            database_oid: Some(info.oid),
            database_uuid: None,
            size_bytes: info.size,
        }),
        None => outcome,
    })
}

pub(super) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

async fn by_sql(cx: &Cx) -> Result<Outcome, StepError> {
    let (ours, target) = (ours(cx)?, &cx.world.instance_spec()?.database_name);
    let source = &cx.world.template()?.spec.template_database;
    let cluster = cluster(cx).await?;
    if cluster.mark_of(target, &ours.mark).await? != Some(true) {
        // There under the one-time name, it is whole: PostgreSQL shows it only then.
        if cluster.database(&ours.temp).await?.is_none() {
            let progress = |p: crate::remote::postgres::CloneProgress| {
                cx.log.progress(p.done, p.total, format!("{source} → {target}"));
            };
            let copy = cluster.create_from_template(source, &ours.temp, &progress);
            or_cancelled(cx, true, copy).await?;
        }
        cluster.set_mark(&ours.temp, &ours.mark).await?;
        rename(&cluster, &ours.temp, target).await?;
    }
    let info = cluster.database(target).await?;
    let info = info.filter(|info| info.is_marked(&ours.mark));
    let info = info.ok_or_else(|| StepError::new("not_there", format!("{target} is not there after its making")))?;
    made(cx, Some(&info))
}

async fn rename(cluster: &Cluster, temp: &DbName, target: &DbName) -> Result<(), StepError> {
    match cluster.rename(temp, target).await {
        Err(crate::remote::RemoteError::Postgres(error)) if error.is_duplicate() => Err(taken(target)),
        done => Ok(done?),
    }
}

pub(super) fn taken(target: &DbName) -> StepError {
    StepError::new(
        "database_exists",
        format!("a database {target} is on the server already, and not made by this job"),
    )
    .hint("take another name; it is never overwritten")
}

async fn by_rpc(cx: &Cx) -> Result<Outcome, StepError> {
    let (ours, target) = (ours(cx)?, &cx.world.instance_spec()?.database_name);
    let ways = ways(cx)?;
    let source = &cx.world.template()?.spec.template_database;
    let odoo = odoo(cx);
    let cluster = if ways.sql { Some(cluster(cx).await?) } else { None };
    let finished = match &cluster {
        Some(cluster) => cluster
            .database(target)
            .await?
            .filter(|info| info.is_marked(&ours.mark)),
        None if marked_by_rpc(&odoo, target, &ours.mark, &credentials(cx).await?).await? => return made(cx, None),
        None => None,
    };
    if finished.is_some() {
        return made(cx, finished.as_ref());
    }
    let there = match &cluster {
        Some(cluster) => cluster.database(&ours.temp).await?.is_some(),
        None => odoo.db_exist(&ours.temp).await?,
    };
    if there {
        // Left by a duplication that nobody saw the end of: its files may be half there.
        cx.log
            .info(format!("{} is left from before: dropped, and made anew", ours.temp));
        drop_through_odoo(cx, cluster.as_ref(), &ours.temp).await?;
    }
    if ways.files == Files::ByOdoo {
        cx.log.info("Odoo duplicates the database and its filestore");
    }
    or_cancelled(cx, false, odoo.duplicate(source, &ours.temp))
        .await
        .map_err(still_at_it)?;
    match &cluster {
        Some(cluster) => cluster.set_mark(&ours.temp, &ours.mark).await?,
        None => {
            let admin = template_admin(cx).await?;
            let (login, password) = admin.ok_or_else(no_template_password)?;
            let user = uid(&odoo, &ours.temp, &login, &password).await?;
            let user = user.ok_or_else(|| {
                StepError::new("access_denied", "the template's administrator can't log in to the copy")
                    .hint("mend the template's login and password, or give the server's PostgreSQL")
            })?;
            let login = Login {
                db: &ours.temp,
                uid: user,
                password: &password,
            };
            odoo.set_param(login, MARK_PARAMETER, &ours.mark.to_string()).await?;
        }
    }
    // Odoo has no class of its own for a name that is taken.
    if odoo.db_exist(target).await? {
        return Err(taken(target));
    }
    odoo.rename(&ours.temp, target).await?;
    match &cluster {
        Some(cluster) => {
            let info = cluster
                .database(target)
                .await?
                .filter(|info| info.is_marked(&ours.mark));
            let info =
                info.ok_or_else(|| StepError::new("not_there", format!("{target} is not there after its making")))?;
            made(cx, Some(&info))
        }
        None => made(cx, None),
    }
}

pub(super) fn no_template_password() -> StepError {
    StepError::new(
        "not_configured",
        "the template's administrator's password is not known, and PostgreSQL does not reach the server",
    )
    .hint("give the server's db_host, db_user and db_password; then the identity is given over SQL")
}

/// The recorded object id of the copy.
pub(super) fn clone_oid(cx: &Cx) -> Option<u32> {
    oid_of(cx.data_of("clone_database"))
}
