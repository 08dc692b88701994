//! What follows from a job in the registry: states and facts of instances and templates, each with
//! its audit row.

use super::db::{Done, audit, store};
use super::instances::{self, check_place, taken};
use super::{catalog, db};
use crate::domain::capacity::Thresholds;
use crate::domain::dedicated::DedicatedFacts;
use crate::domain::instance::{Instance, InstanceState};
use crate::domain::template::{TemplateFacts, TemplateState};
use crate::domain::{InstanceId, SecretRef, TemplateId};
use crate::registry::{Consequence, Op, RegistryError, Result};
use rusqlite::Connection;
use serde_json::{Value, json};

/// `None` where the row is gone: a job must be able to end even when someone took it away by hand.
fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(row) => Ok(Some(row)),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Carries consequences out. `thresholds` decide when a failed instance takes its place again.
pub(super) fn apply(tx: &Connection, op: &Op, effects: &[Consequence], thresholds: Option<&Thresholds>) -> Result<()> {
    for effect in effects {
        match effect {
            Consequence::InstanceState(id, state) => instance_state(tx, op, *id, *state, thresholds)?,
            Consequence::InstanceFacts {
                id,
                database_oid,
                database_uuid,
                size_bytes,
            } => instance_facts(tx, op, *id, *database_oid, database_uuid.as_deref(), *size_bytes)?,
            Consequence::DedicatedFacts(id, facts) => dedicated_facts(tx, op, *id, facts)?,
            Consequence::InstanceRemoved(id) => instance_removed(tx, op, *id)?,
            Consequence::TemplateState(id, state) => template_state(tx, op, *id, *state)?,
            Consequence::TemplateFacts(id, facts) => template_facts(tx, op, *id, facts)?,
        }
    }
    Ok(())
}

/// What would give back the states that these consequences change.
pub(super) fn reversed(tx: &Connection, effects: &[Consequence]) -> Result<Vec<Consequence>> {
    let mut back = Vec::new();
    for effect in effects {
        match effect {
            Consequence::InstanceState(id, _) => {
                if let Some(row) = found(instances::by_id(tx, *id))? {
                    back.push(Consequence::InstanceState(*id, row.state));
                }
            }
            Consequence::TemplateState(id, _) => {
                if let Some(row) = found(catalog::template(tx, *id))? {
                    back.push(Consequence::TemplateState(*id, row.state));
                }
            }
            _ => {}
        }
    }
    Ok(back)
}

fn instance_row(
    tx: &Connection,
    op: &Op,
    row: &Instance,
    action: &str,
    from: Option<Value>,
    to: Option<Value>,
) -> Result<()> {
    let done = Done {
        id: row.id.0,
        object: format!("instance:{}", row.id),
        label: row.spec.name.to_string(),
        from,
        to,
    };
    audit(tx, op, action, &done, None)
}

fn instance_state(
    tx: &Connection,
    op: &Op,
    id: InstanceId,
    state: InstanceState,
    thresholds: Option<&Thresholds>,
) -> Result<()> {
    let Some(row) = found(instances::by_id(tx, id))? else {
        return Ok(());
    };
    if row.state == state {
        return Ok(());
    }
    if !row.state.takes_place()
        && state.takes_place()
        && let Some(thresholds) = thresholds
    {
        check_place(tx, &row.spec, thresholds)?;
    }
    tx.prepare_cached("UPDATE saas_instance SET state = ?1, version = version + 1 WHERE id = ?2")
        .map_err(store)?
        .execute((state.word(), id.0))
        .map_err(|e| taken(&row.spec, e))?;
    let (from, to) = (json!({"state": row.state}), json!({"state": state}));
    instance_row(tx, op, &row, "instance.state", Some(from), Some(to))
}

fn instance_facts(
    tx: &Connection,
    op: &Op,
    id: InstanceId,
    oid: Option<u32>,
    uuid: Option<&str>,
    size: Option<u64>,
) -> Result<()> {
    let Some(row) = found(instances::by_id(tx, id))? else {
        return Ok(());
    };
    tx.prepare_cached(
        "UPDATE saas_instance SET database_oid = coalesce(?1, database_oid), database_uuid = coalesce(?2, database_uuid),
             size_bytes = coalesce(?3, size_bytes) WHERE id = ?4",
    )
    .and_then(|mut s| s.execute((oid, uuid, size.map(u64::cast_signed), id.0)))
    .map_err(store)?;
    let facts = |i: &Instance| json!({"database_oid": i.database_oid, "database_uuid": i.database_uuid, "size_bytes": i.size_bytes});
    let (from, to) = db::difference(&facts(&row), &facts(&instances::by_id(tx, id)?));
    if to == json!({}) {
        return Ok(());
    }
    instance_row(tx, op, &row, "instance.facts", Some(from), Some(to))
}

fn dedicated_facts(tx: &Connection, op: &Op, id: InstanceId, facts: &DedicatedFacts) -> Result<()> {
    let Some(row) = found(instances::by_id(tx, id))? else {
        return Ok(());
    };
    tx.prepare_cached(
        "UPDATE saas_dedicated SET mark = coalesce(?1, mark), dns_record = coalesce(?2, dns_record),
             certificate_end = coalesce(?3, certificate_end) WHERE instance_id = ?4",
    )
    .and_then(|mut s| {
        let end = facts.certificate_end.map(db::text_of);
        s.execute((&facts.mark, &facts.dns_record, end, id.0))
    })
    .map_err(store)?;
    let known = |i: &Instance| serde_json::to_value(i.spec.dedicated().map(|d| &d.facts)).unwrap_or(Value::Null);
    let (from, to) = db::difference(&known(&row), &known(&instances::by_id(tx, id)?));
    if to == json!({}) {
        return Ok(());
    }
    instance_row(tx, op, &row, "instance.facts", Some(from), Some(to))
}

fn instance_removed(tx: &Connection, op: &Op, id: InstanceId) -> Result<()> {
    let Some(row) = found(instances::by_id(tx, id))? else {
        return Ok(());
    };
    tx.prepare_cached("DELETE FROM saas_instance WHERE id = ?1")
        .and_then(|mut s| s.execute([id.0]))
        .map_err(store)?;
    let from = json!({
        "name": row.spec.name, "database_name": row.spec.database_name, "subdomain": row.spec.subdomain, "state": row.state,
    });
    instance_row(tx, op, &row, "instance.remove", Some(from), None)
}

fn template_row(
    tx: &Connection,
    op: &Op,
    id: TemplateId,
    label: &str,
    action: &str,
    from: Value,
    to: Value,
) -> Result<()> {
    let done = Done {
        id: id.0,
        object: format!("template:{id}"),
        label: label.to_owned(),
        from: Some(from),
        to: Some(to),
    };
    audit(tx, op, action, &done, None)
}

fn template_state(tx: &Connection, op: &Op, id: TemplateId, state: TemplateState) -> Result<()> {
    let Some(row) = found(catalog::template(tx, id))? else {
        return Ok(());
    };
    if row.state == state {
        return Ok(());
    }
    tx.prepare_cached("UPDATE saas_template SET state = ?1, version = version + 1 WHERE id = ?2")
        .and_then(|mut s| s.execute((state.word(), id.0)))
        .map_err(store)?;
    let (from, to) = (json!({"state": row.state}), json!({"state": state}));
    template_row(tx, op, id, row.spec.code.as_str(), "template.state", from, to)
}

fn template_facts(tx: &Connection, op: &Op, id: TemplateId, facts: &TemplateFacts) -> Result<()> {
    let Some(row) = found(catalog::template(tx, id))? else {
        return Ok(());
    };
    if row.facts == *facts {
        return Ok(());
    }
    tx.prepare_cached(
        "UPDATE saas_template SET database_oid = ?1, size_bytes = ?2, admin_login = ?3, admin_password = ?4,
             odoo_version = ?5, frozen = ?6 WHERE id = ?7",
    )
    .and_then(|mut s| {
        s.execute((
            facts.database_oid,
            facts.size_bytes.map(u64::cast_signed),
            &facts.admin_login,
            facts.admin_password.clone().map(<String as From<SecretRef>>::from),
            &facts.odoo_version,
            facts.frozen,
            id.0,
        ))
    })
    .map_err(store)?;
    let value = |f: &TemplateFacts| serde_json::to_value(f).unwrap_or(Value::Null);
    let (from, to) = db::difference(&value(&row.facts), &value(facts));
    template_row(tx, op, id, row.spec.code.as_str(), "template.facts", from, to)
}
