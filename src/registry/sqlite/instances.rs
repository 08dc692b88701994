//! Instances, and the rules of a place on a server.

use super::db::{Attempt, Done, mutate, refuse_open_job, select_rows, store, time_of, unreadable, violated};
use crate::domain::capacity::{Thresholds, can_host};
use crate::domain::dedicated::{DedicatedFacts, DedicatedSpec};
use crate::domain::instance::{Instance, InstanceSpec, InstanceState};
use crate::domain::template::TemplateState;
use crate::domain::{CustomerId, InstanceId, PlanId, SafeText, ServerId, TemplateId};
use crate::registry::dedicated::{Stored, dedicated_taken};
use crate::registry::{Op, RegistryError, Result};
use rusqlite::{Connection, Row};
use serde_json::json;
use std::collections::BTreeSet;

const COLUMNS: &str = "id, version, name, customer_id, plan_id, template_id, server_id, database_name, subdomain, url,
    admin_login, admin_password, state, database_oid, database_uuid, size_bytes, created_at";

/// What a dedicated instance is besides: beside the instance's own columns, all null for others.
const DEDICATED: &str =
    "purpose, label, domain, odoo_series, http_port, gevent_port, unit, os_user, folder, tls, dns, mark,
    dns_record, certificate_end";

/// A state from its word.
pub(super) fn state_of(word: &str) -> Result<InstanceState> {
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
fn read(row: &Row<'_>) -> Result<Instance> {
    fn text<'a>(row: &'a Row<'_>, at: usize) -> Result<&'a str> {
        row.get_ref(at)
            .map_err(store)?
            .as_str()
            .map_err(|e| unreadable("an instance", e))
    }
    let bad = |e: &dyn std::fmt::Display| unreadable("an instance", e);
    Ok(Instance {
        id: InstanceId(row.get(0).map_err(store)?),
        version: row.get(1).map_err(store)?,
        spec: InstanceSpec {
            name: SafeText::new(text(row, 2)?),
            customer_id: row.get::<_, Option<i64>>(3).map_err(store)?.map(CustomerId),
            plan_id: row.get::<_, Option<i64>>(4).map_err(store)?.map(PlanId),
            template_id: row.get::<_, Option<i64>>(5).map_err(store)?.map(TemplateId),
            server_id: ServerId(row.get(6).map_err(store)?),
            database_name: text(row, 7)?.parse().map_err(|e| bad(&e))?,
            subdomain: text(row, 8)?.parse().map_err(|e| bad(&e))?,
            url: text(row, 9)?.to_owned(),
            admin_login: text(row, 10)?.to_owned(),
            admin_password: text(row, 11)?.parse().map_err(|e| bad(&e))?,
            dedicated: dedicated(row)?.map(Box::new),
        },
        state: state_of(text(row, 12)?)?,
        database_oid: row.get(13).map_err(store)?,
        database_uuid: row.get(14).map_err(store)?,
        size_bytes: row.get::<_, Option<i64>>(15).map_err(store)?.map(i64::unsigned_abs),
        created_at: time_of(text(row, 16)?)?,
    })
}

/// What is written down of a dedicated one, each part read again.
fn dedicated(row: &Row<'_>) -> Result<Option<DedicatedSpec>> {
    if row.get_ref(17).map_err(store)? == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    let text = |at: usize| row.get::<_, String>(at).map_err(store);
    let maybe = |at: usize| row.get::<_, Option<String>>(at).map_err(store);
    let port = |at: usize| row.get::<_, u16>(at).map_err(store);
    let stored = Stored {
        name: text(8)?,
        database: text(7)?,
        purpose: text(17)?,
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
            certificate_end: maybe(30)?.as_deref().map(time_of).transpose()?,
        },
    };
    stored
        .spec()
        .map(Some)
        .map_err(|why| unreadable("a dedicated instance", why))
}

fn select(conn: &Connection, rest: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<Instance>> {
    select_rows(
        conn,
        &format!(
            "SELECT {COLUMNS}, {DEDICATED} FROM saas_instance LEFT JOIN saas_dedicated ON instance_id = id {rest}"
        ),
        params,
        read,
    )
}

pub(super) fn all(conn: &Connection, server: Option<ServerId>) -> Result<Vec<Instance>> {
    match server {
        Some(server) => select(conn, "WHERE server_id = ?1 ORDER BY name, id", &[&server.0]),
        // Sorted here, as the shared registry's are: SQLite would walk the index on names, a seek a row.
        None => {
            let mut found = select(conn, "", &[])?;
            found.sort_by(Instance::by_name);
            Ok(found)
        }
    }
}

pub(super) fn after(conn: &Connection, after: InstanceId, limit: usize) -> Result<Vec<Instance>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    select(conn, "WHERE id > ?1 ORDER BY id LIMIT ?2", &[&after.0, &limit])
}

pub(super) fn by_id(conn: &Connection, id: InstanceId) -> Result<Instance> {
    select(conn, "WHERE id = ?1", &[&id.0])?
        .pop()
        .ok_or_else(|| RegistryError::NotFound {
            what: "instance",
            key: id.to_string(),
        })
}

pub(super) fn called(conn: &Connection, word: &str) -> Result<Vec<Instance>> {
    select(
        conn,
        "WHERE subdomain = ?1 OR database_name = ?1 OR name = ?1 ORDER BY name, id",
        &[&word],
    )
}

/// Whether the server can take one more instance from this template.
pub(super) fn check_place(tx: &Connection, spec: &InstanceSpec, thresholds: &Thresholds) -> Result<()> {
    let server = super::servers::by_id(tx, spec.server_id)?;
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
    let template = super::catalog::template(tx, template)?;
    if template.spec.server_id != spec.server_id {
        let other = super::servers::by_id(tx, template.spec.server_id)?;
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
pub(super) fn taken(spec: &InstanceSpec, e: rusqlite::Error) -> RegistryError {
    match violated(&e) {
        Some(m) if m.contains("saas_instance.database_name") || m == "vigie: database taken" => RegistryError::Taken {
            what: "database name",
            value: spec.database_name.to_string(),
        },
        Some(m) if m.contains("saas_instance.subdomain") => RegistryError::Taken {
            what: "subdomain",
            value: spec.subdomain.to_string(),
        },
        Some(m) if m.contains("saas_dedicated.") || m == "vigie: port taken" => dedicated_taken(spec, m),
        Some("vigie: no place") => {
            RegistryError::Rule("the server takes no new instance: all of its places are taken".to_owned())
        }
        Some(m) => RegistryError::Rule(format!("the registry refuses it: {m}")),
        None => store(e),
    }
}

/// Writes an instance down as being made; it takes its place and names from here on.
pub(super) fn insert(tx: &Connection, spec: &InstanceSpec, at: &str) -> Result<InstanceId> {
    tx.prepare_cached(
        "INSERT INTO saas_instance (name, customer_id, plan_id, template_id, server_id, database_name, subdomain, url,
             admin_login, admin_password, state, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'provisioning', ?11)",
    )
    .map_err(store)?
    .execute(rusqlite::params![
        spec.name.as_str(),
        spec.customer_id.map(|c| c.0),
        spec.plan_id.map(|p| p.0),
        spec.template_id.map(|t| t.0),
        spec.server_id.0,
        spec.database_name.as_str(),
        spec.subdomain.as_str(),
        spec.url,
        spec.admin_login,
        String::from(spec.admin_password.clone()),
        at
    ])
    .map_err(|e| taken(spec, e))?;
    let id = InstanceId(tx.last_insert_rowid());
    if let Some(dedicated) = spec.dedicated() {
        insert_dedicated(tx, id, spec, dedicated)?;
    }
    Ok(id)
}

fn insert_dedicated(tx: &Connection, id: InstanceId, spec: &InstanceSpec, dedicated: &DedicatedSpec) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO saas_dedicated (instance_id, host_id, purpose, label, domain, odoo_series, http_port, gevent_port,
             unit, os_user, folder, tls, dns)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )
    .map_err(store)?
    .execute(rusqlite::params![
        id.0,
        spec.server_id.0,
        dedicated.purpose.word(),
        dedicated.names.instance.as_str(),
        dedicated.names.domain,
        dedicated.series.0,
        dedicated.ports.http,
        dedicated.ports.gevent,
        dedicated.names.unit,
        dedicated.names.user,
        dedicated.folder.as_str(),
        dedicated.tls.word(),
        dedicated.dns.word(),
    ])
    .map_err(|e| taken(spec, e))?;
    Ok(())
}

/// The ports that instances of a server hold.
pub(super) fn ports_held(tx: &Connection, server: ServerId) -> Result<BTreeSet<u16>> {
    let mut statement = tx
        .prepare_cached(
            "SELECT http_port FROM saas_dedicated WHERE host_id = ?1 AND held = 1
             UNION ALL SELECT gevent_port FROM saas_dedicated WHERE host_id = ?1 AND held = 1",
        )
        .map_err(store)?;
    let rows = statement.query_map([server.0], |row| row.get(0)).map_err(store)?;
    rows.collect::<rusqlite::Result<_>>().map_err(store)
}

pub(super) fn forget(conn: &mut Connection, op: &Op, id: InstanceId) -> Result<()> {
    let label = by_id(conn, id).map_or_else(|_| id.to_string(), |i| i.spec.name.to_string());
    let attempt = Attempt {
        op,
        action: "instance.forget",
        subject: id.to_string(),
        object: format!("instance:{id}"),
        label: label.clone(),
    };
    mutate(
        conn,
        &attempt,
        |tx| {
            let before = by_id(tx, id)?;
            refuse_open_job(tx, "instance_id", id.0, || format!("instance {label}"))?;
            if !matches!(before.state, InstanceState::Failed | InstanceState::Draft) {
                return Err(RegistryError::Rule(format!(
                    "instance {label} is {}: only a failed one or a draft is forgotten; delete it, so that its database goes too",
                    before.state.word()
                )));
            }
            tx.execute("DELETE FROM saas_instance WHERE id = ?1", [id.0])
                .map_err(store)?;
            let done = Done {
                id: id.0,
                object: format!("instance:{id}"),
                label: label.clone(),
                from: Some(json!({
                    "name": before.spec.name, "database_name": before.spec.database_name,
                    "subdomain": before.spec.subdomain, "state": before.state,
                })),
                to: None,
            };
            Ok(((), done))
        },
        |_, _| Ok(()),
    )
}
