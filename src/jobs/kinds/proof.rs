//! The proof that a database is an instance's own, before it is removed: its object id as recorded,
//! or its own identity where only that is known.

use super::common::{MARK_PARAMETER, Way, admin_password, odoo, oid_of, reach_management, reach_sql, uid};
use crate::domain::DbName;
use crate::domain::instance::InstanceState;
use crate::jobs::step::{Cx, StepError};
use crate::remote::odoo::Login;
use crate::remote::postgres::Cluster;

/// What is to be removed, found out before anything is touched.
pub(super) struct Found {
    pub(super) way: Way,
    /// `None`: the database is gone already.
    pub(super) oid: Option<u32>,
    pub(super) note: String,
    pub(super) warnings: Vec<String>,
}

/// The database that is to go.
pub(super) fn target(cx: &Cx) -> Result<&DbName, StepError> {
    match &cx.spec {
        crate::domain::job::JobSpec::InstanceDelete { database, .. } => Ok(database),
        _ => Err(StepError::new("internal", "this job removes no instance")),
    }
}

/// The way the job goes.
pub(super) fn way(cx: &Cx) -> Way {
    serde_json::from_value(cx.data_of("validate")["way"].clone()).unwrap_or(Way::Sql)
}

/// Finds it, and proves it.
pub(super) async fn look(cx: &Cx) -> Result<Found, StepError> {
    let database = target(cx)?;
    let Some(instance) = &cx.world.instance else {
        return Err(StepError::new("not_found", "the instance is no longer in the registry"));
    };
    if matches!(instance.state, InstanceState::Provisioning) {
        return Err(StepError::new(
            "being_made",
            format!("{} is still being made, or its making is stuck", instance.spec.name),
        )
        .hint("cancel or retry the job that makes it"));
    }
    match reach_sql(cx).await {
        Ok(cluster) => by_sql(cx, &cluster, database).await,
        Err(problem) if cx.world.server.spec.db_host.is_some() => {
            // What is on record about it can only be proved there.
            Err(problem.into())
        }
        Err(_) => by_rpc(cx, database).await,
    }
}

async fn by_sql(cx: &Cx, cluster: &Cluster, database: &DbName) -> Result<Found, StepError> {
    let Some(instance) = &cx.world.instance else {
        return Err(StepError::new("not_found", "the instance is no longer in the registry"));
    };
    let found = |oid, note: String| Found {
        way: Way::Sql,
        oid,
        note,
        warnings: Vec::new(),
    };
    let by_name = cluster.database(database).await?;
    let recorded = match instance.database_oid {
        Some(oid) => cluster.database_by_oid(oid).await?.map(|info| (oid, info)),
        None => None,
    };
    match (instance.database_oid, recorded, by_name) {
        (Some(_), Some((oid, info)), _) if info.db.as_ref() == Some(database) => Ok(found(
            Some(oid),
            format!("{database} (OID {oid}) on {}", cluster.address()),
        )),
        (Some(oid), Some((_, info)), _) => Err(StepError::new(
            "renamed",
            format!("the instance's database (OID {oid}) is called {} now", info.name),
        )
        .hint(format!("name it {database} again, or drop it by hand"))),
        (Some(oid), None, Some(other)) => Err(StepError::new(
            "not_ours",
            format!(
                "{database} is another database now (OID {}, {oid} was recorded): it is not touched",
                other.oid
            ),
        )
        .hint("look at it by hand: someone put another database in its place")),
        (_, _, None) => {
            let mut gone = found(None, format!("{database} is gone already"));
            gone.warnings.push(gone.note.clone());
            Ok(gone)
        }
        (None, _, Some(info)) => {
            // Made where only RPC reached: its own identity is the proof.
            let known = instance.database_uuid.as_deref();
            let tenant = cluster.tenant(database).await?;
            let uuid = tenant.param("database.uuid").await?;
            if known.is_some() && uuid.as_ref().map(|u| u.as_str()) == known {
                return Ok(found(
                    Some(info.oid),
                    format!("{database} (OID {}), by its uuid", info.oid),
                ));
            }
            Err(StepError::new(
                "not_ours",
                format!("{database} can't be proved to be this instance's: it is not touched"),
            )
            .hint("drop it by hand, then remove the instance's record"))
        }
    }
}

async fn by_rpc(cx: &Cx, database: &DbName) -> Result<Found, StepError> {
    if let Err(problem) = reach_management(cx).await {
        return Err(problem.into());
    }
    let mut found = Found {
        way: Way::Rpc,
        oid: None,
        note: format!("{database}, through Odoo's database management"),
        warnings: Vec::new(),
    };
    let odoo = odoo(cx);
    if !odoo.db_exist(database).await? {
        found.warnings.push(format!("{database} is gone already"));
        return Ok(found);
    }
    let spec = cx.world.instance_spec()?;
    let password = admin_password(cx).await?;
    let refused = || {
        StepError::new(
            "not_ours",
            format!("{database} can't be proved to be this instance's: its administrator's password was changed"),
        )
        .hint("give the server's db_host, db_user and db_password; or drop it by hand, then remove the record")
    };
    let user = uid(&odoo, database, &spec.admin_login, &password)
        .await?
        .ok_or_else(refused)?;
    let login = Login {
        db: database,
        uid: user,
        password: &password,
    };
    let marked = odoo.get_param(login, MARK_PARAMETER).await?.is_some();
    let uuid = odoo.get_param(login, "database.uuid").await?;
    let recorded = cx.world.instance.as_ref().and_then(|row| row.database_uuid.as_deref());
    if marked && uuid.as_ref().map(|uuid| uuid.as_str()) == recorded {
        Ok(found)
    } else {
        Err(refused())
    }
}

/// The database with the recorded object id, if it still has the instance's name.
pub(super) async fn recorded(cx: &Cx, cluster: &Cluster) -> Result<Option<u32>, StepError> {
    let Some(oid) = oid_of(cx.data_of("validate")) else {
        return Ok(None);
    };
    let database = target(cx)?;
    match cluster.database_by_oid(oid).await? {
        Some(info) if info.db.as_ref() == Some(database) => Ok(Some(oid)),
        Some(info) => Err(StepError::new(
            "renamed",
            format!(
                "the instance's database (OID {oid}) is called {} now: it is not touched",
                info.name
            ),
        )),
        None => Ok(None),
    }
}
