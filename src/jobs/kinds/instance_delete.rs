//! An instance goes, with its database and its files. Nothing is dropped by name alone: the object id
//! that was recorded when it was made must still be there, under that name.

use super::common::{
    Way, cluster, database_left, nonce, odoo, oid_of, or_cancelled, ours, settle_management, settle_sql,
};
use super::filestore::{settle_files, store};
use super::proof::{look, recorded, target, way};
use crate::domain::RemotePath;
use crate::domain::instance::InstanceState;
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::registry::Consequence;
use crate::remote::postgres::Dropped;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn steps() -> Vec<Box<dyn Step>> {
    vec![
        Box::new(Validate),
        Box::new(Fence),
        Box::new(DropDatabase),
        Box::new(DropFilestore),
        Box::new(Release("release its place")),
    ]
}

struct Validate;

#[async_trait]
impl Step for Validate {
    fn name(&self) -> &'static str {
        "validate"
    }
    fn title(&self) -> &'static str {
        "validate"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let found = look(cx).await?;
        Ok(found.warnings.iter().fold(Planned::on(&found.note), Planned::warning))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        let found = look(cx).await?;
        found.warnings.iter().for_each(|warning| cx.log.warning(warning));
        // What it was, for the way back.
        let was = match cx.world.instance.as_ref().map(|row| row.state) {
            Some(InstanceState::Deleting) | None => InstanceState::Active,
            Some(state) => state,
        };
        let data_dir = match found.oid {
            Some(_) => data_dir(cx).await,
            None => cx.world.server.spec.data_dir.clone(),
        };
        Ok(json!({ "nonce": nonce()?, "way": found.way, "oid": found.oid, "was": was, "data_dir": data_dir }))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let outcome = Outcome::default();
        Ok(match cx.spec.instance_id() {
            Some(id) => outcome.then(Consequence::InstanceState(id, InstanceState::Deleting)),
            None => outcome,
        })
    }
    // The state comes back with the job's end, whichever step failed.
}

/// What the instance was before the job.
pub(super) fn was(data: &Value) -> Option<InstanceState> {
    serde_json::from_value(data["was"].clone()).ok()
}

/// Where its files are: as recorded, or where they were found for a server without a record.
async fn data_dir(cx: &Cx) -> Option<RemotePath> {
    if let Some(known) = &cx.world.server.spec.data_dir {
        return Some(known.clone());
    }
    let database = target(cx).ok()?;
    for dir in super::instance_create::usual_data_dirs(cx) {
        if let Ok(files) = store(cx, &dir)
            && files.exists(database).await.unwrap_or(false)
        {
            return Some(dir);
        }
    }
    None
}

struct Fence;

#[async_trait]
impl Step for Fence {
    fn name(&self) -> &'static str {
        "fence"
    }
    fn title(&self) -> &'static str {
        "end its connections"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(target(cx)?.as_str()))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        if way(cx) == Way::Rpc {
            return Ok(Outcome::note("Odoo closes its own"));
        }
        let cluster = cluster(cx).await?;
        if recorded(cx, &cluster).await?.is_none() {
            return Ok(Outcome::note("there is no database"));
        }
        let database = target(cx)?;
        cluster.allow_connections(database, false).await?;
        let ended = cluster.terminate_sessions(database, Duration::from_secs(20)).await?;
        Ok(Outcome::note(super::freeze::sessions_ended(ended)))
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        if way(cx) == Way::Sql {
            let cluster = cluster(cx).await?;
            if recorded(cx, &cluster).await?.is_some() {
                cluster.allow_connections(target(cx)?, true).await?;
            }
        }
        Ok(Outcome::note("connections are let in again"))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let database = target(cx).ok()?;
        Some(Leftover {
            what: format!("the database {database}, whole, and closed to connections"),
            remove: format!("ALTER DATABASE \"{database}\" ALLOW_CONNECTIONS true"),
        })
    }
}

struct DropDatabase;

#[async_trait]
impl Step for DropDatabase {
    fn name(&self) -> &'static str {
        "drop_database"
    }
    fn title(&self) -> &'static str {
        "drop database"
    }
    fn pivot(&self) -> bool {
        true
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(900)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(format!("{}, for good", target(cx)?)))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        Ok(json!({ "oid": oid_of(cx.data_of("validate")), "database": target(cx)? }))
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        match way(cx) {
            Way::Sql => settle_sql(cx).await,
            Way::Rpc => settle_management(cx, false, &[target(cx)?]).await,
        }
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let gone = match way(cx) {
            Way::Sql => recorded(cx, &cluster(cx).await?).await?.is_none(),
            Way::Rpc => !odoo(cx).db_exist(target(cx)?).await?,
        };
        Ok(if gone {
            Observed::Applied(Outcome::note("is gone"))
        } else {
            Observed::NotApplied
        })
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let database = target(cx)?;
        if way(cx) == Way::Rpc {
            odoo(cx).drop(database).await?;
            return Ok(Outcome::default());
        }
        let cluster = cluster(cx).await?;
        let Some(oid) = recorded(cx, &cluster).await? else {
            return Ok(Outcome::note("is gone"));
        };
        Ok(
            match or_cancelled(cx, true, cluster.drop_recorded(oid, database)).await? {
                Dropped::Now => Outcome::default(),
                Dropped::Absent => Outcome::note("is gone"),
            },
        )
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        // Failed or cancelled before it took effect; an interrupted one can only be completed.
        if way(cx) == Way::Sql {
            let cluster = cluster(cx).await?;
            let oid = oid_of(cx.data_of("validate"));
            if let Some(oid) = oid {
                let whole = cluster
                    .database_by_oid(oid)
                    .await?
                    .is_some_and(|info| !info.is_invalid());
                if !whole {
                    return Err(
                        StepError::new("dropped", "the database is dropped: it can't be brought back")
                            .hint("retry the job to remove what is left of the instance"),
                    );
                }
            }
        }
        Ok(Outcome::note("the database is whole"))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        Some(database_left(cx, &[target(cx).ok()?]))
    }
}

struct DropFilestore;

#[async_trait]
impl Step for DropFilestore {
    fn name(&self) -> &'static str {
        "drop_filestore"
    }
    fn title(&self) -> &'static str {
        "remove filestore"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let planned = Planned::on(format!("filestore/{}", target(cx)?));
        let server = &cx.world.server.spec;
        Ok(match cx.tools.remote.host(server) {
            Err(error) if server.db_host.is_some() => {
                planned.warning(format!("its files stay behind on {}: {error}", server.code))
            }
            _ => planned,
        })
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        match files_of(cx) {
            Some(_) if cx.tools.remote.host(&cx.world.server.spec).is_ok() => settle_files(cx).await,
            _ => Ok(()),
        }
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let database = target(cx)?;
        if way(cx) == Way::Rpc {
            return Ok(Outcome::note("Odoo removed it with the database"));
        }
        let Some(data_dir) = files_of(cx) else {
            cx.log.warning(format!(
                "data_dir is not on record: filestore/{database} stays, if there is one"
            ));
            return Ok(Outcome::note("left, where there is one"));
        };
        if cx.tools.remote.host(&cx.world.server.spec).is_err() {
            cx.log.warning(format!(
                "the machine can't be reached: {data_dir}/filestore/{database} stays, remove it by hand"
            ));
            return Ok(Outcome::note("left: remove it by hand"));
        }
        // A database that took the name meanwhile has its files there.
        if cluster(cx).await?.database(database).await?.is_some() {
            cx.log.warning(format!(
                "another database {database} is there: its files are left alone"
            ));
            return Ok(Outcome::note("another database's files are left alone"));
        }
        let removed = store(cx, &data_dir)?.remove(database, &ours(cx)?.mark).await?;
        Ok(if removed {
            Outcome::default()
        } else {
            Outcome::note("there was none")
        })
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let data_dir = files_of(cx)?;
        let database = target(cx).ok()?;
        Some(Leftover {
            what: format!("the folder {data_dir}/filestore/{database}"),
            remove: format!("rm -r {data_dir}/filestore/{database}"),
        })
    }
}

fn files_of(cx: &Cx) -> Option<RemotePath> {
    serde_json::from_value(cx.data_of("validate")["data_dir"].clone()).ok()
}

/// Gives the place back: the row goes. What is read as its title.
pub(super) struct Release(pub(super) &'static str);

#[async_trait]
impl Step for Release {
    fn name(&self) -> &'static str {
        "release"
    }
    fn title(&self) -> &'static str {
        self.0
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let server = &cx.world.server;
        Ok(Planned::on(format!(
            "{} of {} on {}",
            server.instance_count.saturating_sub(1),
            server.spec.max_instances,
            server.spec.code
        )))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let outcome = Outcome::default();
        Ok(match cx.spec.instance_id() {
            Some(id) => outcome.then(Consequence::InstanceRemoved(id)),
            None => outcome,
        })
    }
}
