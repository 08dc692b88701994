//! Instances, and the rules of a place on a server.

use super::db::{Attempt, Done, Tx, args, mutate, refuse_open_job, unreadable};
use super::fault::Fault;
use super::pool::Store;
use crate::domain::capacity::{Thresholds, can_host};
use crate::domain::dedicated::{DedicatedFacts, DedicatedSpec};
use crate::domain::instance::{Instance, InstanceSpec, InstanceState};
use crate::domain::template::TemplateState;
use crate::domain::{CustomerId, InstanceId, PlanId, SafeText, SecretRef, ServerId, TemplateId};
use crate::registry::dedicated::{Stored, dedicated_taken};
use crate::registry::{Op, RegistryError, Result};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;
use tokio_postgres::Row;

const COLUMNS: &str = "id, version, name, customer_id, plan_id, template_id, server_id, database_name, subdomain, url,
    admin_login, admin_password, state, database_oid, database_uuid, size_bytes, created_at";

/// What a dedicated instance is besides: beside the instance's own columns, all null for others.
const DEDICATED: &str =
    "purpose, label, domain, odoo_series, http_port, gevent_port, unit, os_user, folder, tls, dns, mark,
    dns_record, certificate_end";

/// A state from its word.
fn state_of(word: &str) -> Result<InstanceState> {
    Ok(match word {
        "draft" => InstanceState::Draft,
        "provisioning" => InstanceState::Provisioning,
        "active" => InstanceState::Active,
        "suspended" => InstanceState::Suspended,
        "failed" => InstanceState::Failed,
        "deleting" => InstanceState::Deleting,
        other => return Err(unreadable("an instance's state", format!("{other:?} is none"))),
    })
}

/// By place, not by name: a hundred thousand of these are read at once.
fn read(row: &Row) -> Result<Instance> {
    fn at<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, place: usize) -> Result<T> {
        row.try_get(place).map_err(|e| unreadable("an instance", e))
    }
    let bad = |e: &dyn std::fmt::Display| unreadable("an instance", e);
    Ok(Instance {
        id: InstanceId(at(row, 0)?),
        version: at(row, 1)?,
        spec: InstanceSpec {
            name: SafeText::new(at(row, 2)?),
            customer_id: at::<Option<i64>>(row, 3)?.map(CustomerId),
            plan_id: at::<Option<i64>>(row, 4)?.map(PlanId),
            template_id: at::<Option<i64>>(row, 5)?.map(TemplateId),
            server_id: ServerId(at(row, 6)?),
            database_name: at::<&str>(row, 7)?.parse().map_err(|e| bad(&e))?,
            subdomain: at::<&str>(row, 8)?.parse().map_err(|e| bad(&e))?,
            url: at(row, 9)?,
            admin_login: at(row, 10)?,
            admin_password: at::<&str>(row, 11)?.parse().map_err(|e| bad(&e))?,
            dedicated: dedicated(row)?.map(Box::new),
        },
        state: state_of(at(row, 12)?)?,
        database_oid: at::<Option<i64>>(row, 13)?
            .map(u32::try_from)
            .transpose()
            .map_err(|e| bad(&e))?,
        database_uuid: at(row, 14)?,
        size_bytes: at::<Option<i64>>(row, 15)?.map(i64::unsigned_abs),
        created_at: at(row, 16)?,
    })
}

/// What is written down of a dedicated one, each part read again.
fn dedicated(row: &Row) -> Result<Option<DedicatedSpec>> {
    let unread = |e: &dyn std::fmt::Display| unreadable("a dedicated instance", e);
    let maybe = |at: usize| row.try_get::<_, Option<String>>(at).map_err(|e| unread(&e));
    let text = |at: usize| maybe(at).map(Option::unwrap_or_default);
    let port = |at: usize| {
        let number = row.try_get::<_, i64>(at).map_err(|e| unread(&e))?;
        u16::try_from(number).map_err(|e| unread(&e))
    };
    let Some(purpose) = maybe(17)? else {
        return Ok(None);
    };
    let stored = Stored {
        name: text(8)?,
        database: text(7)?,
        purpose,
        label: text(18)?,
        domain: text(19)?,
        series: port(20)?,
        ports: (port(21)?, port(22)?),
        unit: text(23)?,
        os_user: text(24)?,
        folder: text(25)?,
        tls: text(26)?,
        dns: text(27)?,
        facts: DedicatedFacts {
            mark: maybe(28)?,
            dns_record: maybe(29)?,
            certificate_end: row.try_get(30).map_err(|e| unread(&e))?,
        },
    };
    stored.spec().map(Some).map_err(|why| unread(&why))
}

async fn select(tx: &Tx<'_>, rest: &str, params: &[super::db::Arg<'_>]) -> Result<Vec<Instance>> {
    let rows = tx
        .rows(
            &format!(
                "SELECT {}, {DEDICATED} FROM saas_instance LEFT JOIN saas_dedicated ON instance_id = id {rest}",
                tx.columns(COLUMNS)
            ),
            params,
        )
        .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn all(tx: &Tx<'_>, server: Option<ServerId>) -> Result<Vec<Instance>> {
    match server {
        Some(server) => select(tx, "WHERE server_id = $1 ORDER BY name, id", args![server.0]).await,
        None => {
            // Sorted here, by bytes as there: a quarter of a second less for a hundred thousand.
            let mut found = select(tx, "", args![]).await?;
            found.sort_by(Instance::by_name);
            Ok(found)
        }
    }
}

pub(super) async fn after(tx: &Tx<'_>, after: InstanceId, limit: usize) -> Result<Vec<Instance>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    select(tx, "WHERE id > $1 ORDER BY id LIMIT $2", args![after.0, limit]).await
}

fn one(found: Vec<Instance>, id: InstanceId) -> Result<Instance> {
    found.into_iter().next().ok_or_else(|| RegistryError::NotFound {
        what: "instance",
        key: id.to_string(),
    })
}

pub(super) async fn by_id(tx: &Tx<'_>, id: InstanceId) -> Result<Instance> {
    one(select(tx, "WHERE id = $1", args![id.0]).await?, id)
}

/// As [`by_id`], kept as it is until the transaction ends.
pub(super) async fn held(tx: &Tx<'_>, id: InstanceId) -> Result<Instance> {
    one(
        select(tx, "WHERE id = $1 FOR NO KEY UPDATE OF saas_instance", args![id.0]).await?,
        id,
    )
}

pub(super) async fn called(tx: &Tx<'_>, word: &str) -> Result<Vec<Instance>> {
    select(
        tx,
        "WHERE subdomain = $1 OR database_name = $1 OR name = $1 ORDER BY name, id",
        args![word],
    )
    .await
}

/// Whether the server can take one more instance from this template. Holds both as they are until the
/// transaction ends.
pub(super) async fn check_place(tx: &Tx<'_>, spec: &InstanceSpec, thresholds: &Thresholds) -> Result<()> {
    let server = super::servers::held(tx, spec.server_id).await?;
    let room = can_host(&server, thresholds.provision_free_percent).map_err(|why| {
        RegistryError::Rule(format!(
            "server {} takes no new instance: {why} ({} of {} places taken)",
            server.spec.code, server.instance_count, server.spec.max_instances
        ))
    });
    // A dedicated one is made from no template.
    let Some(template) = spec.template_id else {
        return room;
    };
    let template = super::catalog::template_held(tx, template).await?;
    if template.spec.server_id != spec.server_id {
        let other = super::servers::by_id(tx, template.spec.server_id).await?;
        return Err(RegistryError::Rule(format!(
            "template {} is on server {}, not on {}: a database is cloned within one server",
            template.spec.code, other.spec.code, server.spec.code
        )));
    }
    if template.state != TemplateState::Ready {
        return Err(RegistryError::Rule(format!(
            "template {} is {}, not ready",
            template.spec.code,
            template.state.word()
        )));
    }
    room
}

/// A violated constraint of an instance, as the operator reads it.
pub(super) fn taken(spec: &InstanceSpec, e: Fault) -> RegistryError {
    match e.violated() {
        Some("saas_instance_database_name" | "vigie: database taken") => RegistryError::Taken {
            what: "database name",
            value: spec.database_name.to_string(),
        },
        Some("saas_instance_subdomain") => RegistryError::Taken {
            what: "subdomain",
            value: spec.subdomain.to_string(),
        },
        Some(m) if m.starts_with("saas_dedicated_") || m == "vigie: port taken" => dedicated_taken(spec, m),
        Some("vigie: no place") => {
            RegistryError::Rule("the server takes no new instance: all of its places are taken".to_owned())
        }
        Some(m) => RegistryError::Rule(format!("the registry refuses it: {m}")),
        None => e.into(),
    }
}

/// Writes an instance down as being made; it takes its place and names from here on.
pub(super) async fn insert(tx: &Tx<'_>, spec: &InstanceSpec, at: Timestamp) -> Result<InstanceId> {
    let row = tx
        .row(
            "INSERT INTO saas_instance (name, customer_id, plan_id, template_id, server_id, database_name, subdomain, url,
                 admin_login, admin_password, state, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'provisioning', $11) RETURNING id",
            args![
                spec.name.as_str(),
                spec.customer_id.map(|c| c.0),
                spec.plan_id.map(|p| p.0),
                spec.template_id.map(|t| t.0),
                spec.server_id.0,
                spec.database_name.as_str(),
                spec.subdomain.as_str(),
                &spec.url,
                &spec.admin_login,
                <String as From<SecretRef>>::from(spec.admin_password.clone()),
                at
            ],
        )
        .await
        .map_err(|e| taken(spec, e))?;
    let id = super::catalog::made(row.as_ref()).map(InstanceId)?;
    if let Some(dedicated) = spec.dedicated() {
        insert_dedicated(tx, id, spec, dedicated).await?;
    }
    Ok(id)
}

async fn insert_dedicated(tx: &Tx<'_>, id: InstanceId, spec: &InstanceSpec, dedicated: &DedicatedSpec) -> Result<()> {
    tx.exec(
        "INSERT INTO saas_dedicated (instance_id, host_id, purpose, label, domain, odoo_series, http_port, gevent_port,
             unit, os_user, folder, tls, dns)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        args![
            id.0,
            spec.server_id.0,
            dedicated.purpose.word(),
            dedicated.names.instance.as_str(),
            &dedicated.names.domain,
            i64::from(dedicated.series.0),
            i64::from(dedicated.ports.http),
            i64::from(dedicated.ports.gevent),
            &dedicated.names.unit,
            &dedicated.names.user,
            dedicated.folder.as_str(),
            dedicated.tls.word(),
            dedicated.dns.word()
        ],
    )
    .await
    .map_err(|e| taken(spec, e))?;
    Ok(())
}

/// The ports that instances of a server hold. The server's row is held by the caller.
pub(super) async fn ports_held(tx: &Tx<'_>, server: ServerId) -> Result<BTreeSet<u16>> {
    let rows = tx
        .rows(
            "SELECT http_port AS port FROM saas_dedicated WHERE host_id = $1 AND held
             UNION ALL SELECT gevent_port FROM saas_dedicated WHERE host_id = $1 AND held",
            args![server.0],
        )
        .await?;
    let port = |row: &Row| {
        let number: i64 = super::db::int(row, "port")?;
        u16::try_from(number).map_err(|e| unreadable("a port", e))
    };
    rows.iter().map(port).collect()
}

pub(super) async fn forget(store: &Store, op: &Op, id: InstanceId) -> Result<()> {
    let known = store.read(|tx| Box::pin(by_id(tx, id))).await;
    let attempt = Attempt {
        op,
        action: "instance.forget",
        subject: id.to_string(),
        object: format!("instance:{id}"),
        label: known.map_or_else(|_| id.to_string(), |i| i.spec.name.to_string()),
    };
    mutate(
        store,
        &attempt,
        |tx| Box::pin(forget_in(tx, id)),
        |_, _| Box::pin(async { Ok(()) }),
    )
    .await
}

async fn forget_in(tx: &Tx<'_>, id: InstanceId) -> Result<((), Done)> {
    let before = held(tx, id).await?;
    let label = before.spec.name.to_string();
    refuse_open_job(tx, "instance_id", id.0, || format!("instance {label}")).await?;
    if !matches!(before.state, InstanceState::Failed | InstanceState::Draft) {
        return Err(RegistryError::Rule(format!(
            "instance {label} is {}: only a failed one or a draft is forgotten; delete it, so that its database goes too",
            before.state.word()
        )));
    }
    tx.exec("DELETE FROM saas_instance WHERE id = $1", args![id.0]).await?;
    let from = json!({
        "name": before.spec.name, "database_name": before.spec.database_name,
        "subdomain": before.spec.subdomain, "state": before.state,
    });
    let done = Done {
        id: id.0,
        object: format!("instance:{id}"),
        label,
        from: Some(from),
        to: None,
    };
    Ok(((), done))
}
