//! What follows from a job in the registry: states and facts of instances and templates, each with
//! its audit row.

use super::catalog;
use super::db::{Done, Tx, args, audit, difference};
use super::instances::{self, check_place, taken};
use crate::domain::capacity::Thresholds;
use crate::domain::dedicated::DedicatedFacts;
use crate::domain::instance::{Instance, InstanceState};
use crate::domain::template::{TemplateFacts, TemplateState};
use crate::domain::{InstanceId, SecretRef, ServerId, TemplateId};
use crate::registry::{Consequence, Op, RegistryError, Result};
use serde_json::{Value, json};

/// `None` where the row is gone: a job must be able to end even when someone took it away by hand.
fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(row) => Ok(Some(row)),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Audit rows that are to be written at a transaction's end: the audit's chain is one lock for everybody, so
/// that it is taken last, after every row that somebody else may hold.
#[derive(Default)]
pub(super) struct Notes(Vec<(&'static str, Done)>);

impl Notes {
    /// Writes them.
    pub(super) async fn write(self, tx: &Tx<'_>, op: &Op) -> Result<()> {
        for (action, done) in &self.0 {
            audit(tx, op, action, done, None).await?;
        }
        Ok(())
    }
}

/// Carries consequences out. `thresholds` decide when a failed instance takes its place again. What the audit
/// is to say of it is in `notes`.
pub(super) async fn apply(
    tx: &Tx<'_>,
    effects: &[Consequence],
    thresholds: Option<&Thresholds>,
    notes: &mut Notes,
) -> Result<()> {
    for effect in effects {
        match effect {
            Consequence::InstanceState(id, state) => instance_state(tx, notes, *id, *state, thresholds).await?,
            Consequence::InstanceFacts {
                id,
                database_oid,
                database_uuid,
                size_bytes,
            } => instance_facts(tx, notes, *id, *database_oid, database_uuid.as_deref(), *size_bytes).await?,
            Consequence::DedicatedFacts(id, facts) => dedicated_facts(tx, notes, *id, facts).await?,
            Consequence::InstanceRemoved(id) => instance_removed(tx, notes, *id).await?,
            Consequence::TemplateState(id, state) => template_state(tx, notes, *id, *state).await?,
            Consequence::TemplateFacts(id, facts) => template_facts(tx, notes, *id, facts).await?,
        }
    }
    Ok(())
}

/// What would give back the states that these consequences change.
pub(super) async fn reversed(tx: &Tx<'_>, effects: &[Consequence]) -> Result<Vec<Consequence>> {
    let mut back = Vec::new();
    for effect in effects {
        match effect {
            Consequence::InstanceState(id, _) => {
                if let Some(row) = instance(tx, *id).await? {
                    back.push(Consequence::InstanceState(*id, row.state));
                }
            }
            Consequence::TemplateState(id, _) => {
                if let Some(row) = template(tx, *id).await? {
                    back.push(Consequence::TemplateState(*id, row.state));
                }
            }
            _ => {}
        }
    }
    Ok(back)
}

/// Keeps a server as it is until the transaction's end, so that what is decided on it holds.
pub(super) async fn hold_server(tx: &Tx<'_>, id: ServerId) -> Result<()> {
    tx.exec("SELECT 1 FROM saas_server WHERE id = $1 FOR NO KEY UPDATE", args![id.0])
        .await?;
    Ok(())
}

/// The same for a template.
pub(super) async fn hold_template(tx: &Tx<'_>, id: TemplateId) -> Result<()> {
    tx.exec(
        "SELECT 1 FROM saas_template WHERE id = $1 FOR NO KEY UPDATE",
        args![id.0],
    )
    .await?;
    Ok(())
}

/// The same for an instance.
pub(super) async fn hold_instance(tx: &Tx<'_>, id: InstanceId) -> Result<()> {
    tx.exec(
        "SELECT 1 FROM saas_instance WHERE id = $1 FOR NO KEY UPDATE",
        args![id.0],
    )
    .await?;
    Ok(())
}

async fn instance(tx: &Tx<'_>, id: InstanceId) -> Result<Option<Instance>> {
    hold_instance(tx, id).await?;
    found(instances::by_id(tx, id).await)
}

async fn template(tx: &Tx<'_>, id: TemplateId) -> Result<Option<crate::domain::template::Template>> {
    hold_template(tx, id).await?;
    found(catalog::template(tx, id).await)
}

fn instance_row(notes: &mut Notes, row: &Instance, action: &'static str, from: Option<Value>, to: Option<Value>) {
    let done = Done {
        id: row.id.0,
        object: format!("instance:{}", row.id),
        label: row.spec.name.to_string(),
        from,
        to,
    };
    notes.0.push((action, done));
}

async fn instance_state(
    tx: &Tx<'_>,
    notes: &mut Notes,
    id: InstanceId,
    state: InstanceState,
    thresholds: Option<&Thresholds>,
) -> Result<()> {
    let Some(row) = instance(tx, id).await? else {
        return Ok(());
    };
    if row.state == state {
        return Ok(());
    }
    if !row.state.takes_place()
        && state.takes_place()
        && let Some(thresholds) = thresholds
    {
        hold_server(tx, row.spec.server_id).await?;
        check_place(tx, &row.spec, thresholds).await?;
    }
    tx.exec(
        "UPDATE saas_instance SET state = $1, version = version + 1 WHERE id = $2",
        args![state.word(), id.0],
    )
    .await
    .map_err(|e| taken(&row.spec, e))?;
    let (from, to) = (json!({"state": row.state}), json!({"state": state}));
    instance_row(notes, &row, "instance.state", Some(from), Some(to));
    Ok(())
}

async fn instance_facts(
    tx: &Tx<'_>,
    notes: &mut Notes,
    id: InstanceId,
    oid: Option<u32>,
    uuid: Option<&str>,
    size: Option<u64>,
) -> Result<()> {
    let Some(row) = instance(tx, id).await? else {
        return Ok(());
    };
    tx.exec(
        "UPDATE saas_instance SET database_oid = coalesce($1, database_oid), database_uuid = coalesce($2, database_uuid),
             size_bytes = coalesce($3, size_bytes) WHERE id = $4",
        args![oid, uuid, size, id.0],
    )
    .await?;
    let facts = |i: &Instance| json!({"database_oid": i.database_oid, "database_uuid": i.database_uuid, "size_bytes": i.size_bytes});
    let (from, to) = difference(&facts(&row), &facts(&instances::by_id(tx, id).await?));
    if to == json!({}) {
        return Ok(());
    }
    instance_row(notes, &row, "instance.facts", Some(from), Some(to));
    Ok(())
}

async fn dedicated_facts(tx: &Tx<'_>, notes: &mut Notes, id: InstanceId, facts: &DedicatedFacts) -> Result<()> {
    let Some(row) = instance(tx, id).await? else {
        return Ok(());
    };
    tx.exec(
        "UPDATE saas_dedicated SET mark = coalesce($1, mark), dns_record = coalesce($2, dns_record),
             certificate_end = coalesce($3, certificate_end) WHERE instance_id = $4",
        args![
            facts.mark.clone(),
            facts.dns_record.clone(),
            facts.certificate_end,
            id.0
        ],
    )
    .await?;
    let known = |i: &Instance| serde_json::to_value(i.spec.dedicated().map(|d| &d.facts)).unwrap_or(Value::Null);
    let (from, to) = difference(&known(&row), &known(&instances::by_id(tx, id).await?));
    if to != json!({}) {
        instance_row(notes, &row, "instance.facts", Some(from), Some(to));
    }
    Ok(())
}

async fn instance_removed(tx: &Tx<'_>, notes: &mut Notes, id: InstanceId) -> Result<()> {
    let Some(row) = instance(tx, id).await? else {
        return Ok(());
    };
    tx.exec("DELETE FROM saas_instance WHERE id = $1", args![id.0]).await?;
    let from = json!({
        "name": row.spec.name, "database_name": row.spec.database_name, "subdomain": row.spec.subdomain, "state": row.state,
    });
    instance_row(notes, &row, "instance.remove", Some(from), None);
    Ok(())
}

fn template_row(notes: &mut Notes, id: TemplateId, label: &str, action: &'static str, from: Value, to: Value) {
    let done = Done {
        id: id.0,
        object: format!("template:{id}"),
        label: label.to_owned(),
        from: Some(from),
        to: Some(to),
    };
    notes.0.push((action, done));
}

async fn template_state(tx: &Tx<'_>, notes: &mut Notes, id: TemplateId, state: TemplateState) -> Result<()> {
    let Some(row) = template(tx, id).await? else {
        return Ok(());
    };
    if row.state == state {
        return Ok(());
    }
    tx.exec(
        "UPDATE saas_template SET state = $1, version = version + 1 WHERE id = $2",
        args![state.word(), id.0],
    )
    .await?;
    let (from, to) = (json!({"state": row.state}), json!({"state": state}));
    template_row(notes, id, row.spec.code.as_str(), "template.state", from, to);
    Ok(())
}

async fn template_facts(tx: &Tx<'_>, notes: &mut Notes, id: TemplateId, facts: &TemplateFacts) -> Result<()> {
    let Some(row) = template(tx, id).await? else {
        return Ok(());
    };
    if row.facts == *facts {
        return Ok(());
    }
    tx.exec(
        "UPDATE saas_template SET database_oid = $1, size_bytes = $2, admin_login = $3, admin_password = $4,
             odoo_version = $5, frozen = $6 WHERE id = $7",
        args![
            facts.database_oid,
            facts.size_bytes,
            facts.admin_login.as_deref(),
            facts.admin_password.clone().map(<String as From<SecretRef>>::from),
            facts.odoo_version.as_deref(),
            facts.frozen,
            id.0
        ],
    )
    .await?;
    let value = |f: &TemplateFacts| serde_json::to_value(f).unwrap_or(Value::Null);
    let (from, to) = difference(&value(&row.facts), &value(facts));
    template_row(notes, id, row.spec.code.as_str(), "template.facts", from, to);
    Ok(())
}
