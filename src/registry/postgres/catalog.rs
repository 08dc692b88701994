//! Templates, plans and customers.

use super::db::{
    Attempt, Done, Tx, args, from_json, from_word, get, int, int_opt, json, mutate, parsed, parsed_opt,
    refuse_open_job, same_version,
};
use super::fault::Fault;
use super::pool::Store;
use super::servers;
use crate::domain::instance::{Customer, Plan};
use crate::domain::template::{Template, TemplateFacts, TemplateSpec};
use crate::domain::{Code, CustomerId, PlanId, SafeText, ServerId, TemplateId};
use crate::registry::{Op, RegistryError, Result};
use serde_json::json;
use tokio_postgres::Row;

const COLUMNS: &str = "id, version, name, code, server_id, template_database, base_modules, language, state,
    database_oid, size_bytes, admin_login, admin_password, odoo_version, frozen, instance_count, created_at";

fn read(row: &Row) -> Result<Template> {
    Ok(Template {
        id: TemplateId(int(row, "id")?),
        version: int(row, "version")?,
        spec: TemplateSpec {
            name: SafeText::from(get::<String>(row, "name")?),
            code: parsed(row, "code")?,
            server_id: ServerId(int(row, "server_id")?),
            template_database: parsed(row, "template_database")?,
            base_modules: from_json(row, "base_modules")?,
            language: get(row, "language")?,
        },
        state: from_word(row, "state")?,
        facts: TemplateFacts {
            database_oid: int_opt(row, "database_oid")?,
            size_bytes: int_opt(row, "size_bytes")?,
            admin_login: get(row, "admin_login")?,
            admin_password: parsed_opt(row, "admin_password")?,
            odoo_version: get(row, "odoo_version")?,
            frozen: get(row, "frozen")?,
        },
        instance_count: int(row, "instance_count")?,
        created_at: get(row, "created_at")?,
    })
}

fn one(row: Option<Row>, key: &dyn std::fmt::Display) -> Result<Template> {
    row.map_or_else(
        || {
            Err(RegistryError::NotFound {
                what: "template",
                key: key.to_string(),
            })
        },
        |row| read(&row),
    )
}

pub(super) async fn templates(tx: &Tx<'_>) -> Result<Vec<Template>> {
    let rows = tx
        .rows(
            &format!("SELECT {} FROM saas_template ORDER BY code", tx.columns(COLUMNS)),
            args![],
        )
        .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn template(tx: &Tx<'_>, id: TemplateId) -> Result<Template> {
    let sql = format!("SELECT {} FROM saas_template WHERE id = $1", tx.columns(COLUMNS));
    one(tx.row(&sql, args![id.0]).await?, &id)
}

/// As [`template`], kept as it is until the transaction ends.
pub(super) async fn template_held(tx: &Tx<'_>, id: TemplateId) -> Result<Template> {
    let sql = format!(
        "SELECT {} FROM saas_template WHERE id = $1 FOR NO KEY UPDATE",
        tx.columns(COLUMNS)
    );
    one(tx.row(&sql, args![id.0]).await?, &id)
}

pub(super) async fn template_by_code(tx: &Tx<'_>, code: &Code) -> Result<Template> {
    let sql = format!("SELECT {} FROM saas_template WHERE code = $1", tx.columns(COLUMNS));
    one(tx.row(&sql, args![code.as_str()]).await?, &code)
}

fn taken(spec: &TemplateSpec, fault: Fault) -> RegistryError {
    match fault.violated() {
        Some("saas_template_code_key") => RegistryError::Taken {
            what: "template code",
            value: spec.code.to_string(),
        },
        Some("saas_template_database" | "vigie: template database taken") => RegistryError::Taken {
            what: "database name",
            value: spec.template_database.to_string(),
        },
        _ => fault.into(),
    }
}

pub(super) async fn add_template(store: &Store, op: &Op, spec: &TemplateSpec) -> Result<Template> {
    let attempt = Attempt {
        op,
        action: "template.add",
        subject: spec.code.to_string(),
        object: "template".to_owned(),
        label: spec.code.to_string(),
    };
    mutate(
        store,
        &attempt,
        |tx| {
            Box::pin(async move {
                if spec.name.as_str().trim().is_empty() {
                    return Err(RegistryError::Rule("the name is empty".to_owned()));
                }
                // Held, so that no instance takes the database's name meanwhile.
                servers::held(tx, spec.server_id).await?;
                let row = tx
                    .row(
                        "INSERT INTO saas_template (name, code, server_id, template_database, base_modules, language,
                             created_at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
                        args![
                            spec.name.as_str(),
                            spec.code.as_str(),
                            spec.server_id.0,
                            spec.template_database.as_str(),
                            json(&spec.base_modules)?,
                            &spec.language,
                            op.at
                        ],
                    )
                    .await
                    .map_err(|e| taken(spec, e))?;
                let id = made(row.as_ref())?;
                let done = Done {
                    id,
                    object: format!("template:{id}"),
                    label: spec.code.to_string(),
                    from: None,
                    to: serde_json::to_value(spec).ok(),
                };
                Ok((template(tx, TemplateId(id)).await?, done))
            })
        },
        |tx, id| Box::pin(template(tx, TemplateId(id))),
    )
    .await
}

/// The id that an INSERT … RETURNING gave.
pub(super) fn made(row: Option<&Row>) -> Result<i64> {
    row.map_or_else(
        || Err(super::db::unreadable("a new row's id", "none was given")),
        |r| int(r, "id"),
    )
}

pub(super) async fn remove_template(store: &Store, op: &Op, id: TemplateId, version: i64) -> Result<()> {
    let label = match store.read(|tx| Box::pin(template(tx, id))).await {
        Ok(template) => template.spec.code.to_string(),
        Err(RegistryError::NotFound { .. }) => id.to_string(),
        Err(e) => return Err(e),
    };
    let label = &label;
    let attempt = Attempt {
        op,
        action: "template.remove",
        subject: id.to_string(),
        object: format!("template:{id}"),
        label: label.clone(),
    };
    mutate(
        store,
        &attempt,
        |tx| {
            Box::pin(async move {
                let before = template_held(tx, id).await?;
                let object = format!("template:{id}");
                same_version(tx, "template", &object, label, before.version, version).await?;
                refuse_open_job(tx, "template_id", id.0, || format!("template {label}")).await?;
                let row = tx
                    .row(
                        "SELECT count(*) AS every, count(*) FILTER (WHERE state = 'failed') AS failed
                         FROM saas_instance WHERE template_id = $1",
                        args![id.0],
                    )
                    .await?;
                let (all, failed): (i64, i64) = match &row {
                    Some(row) => (int(row, "every")?, int(row, "failed")?),
                    None => (0, 0),
                };
                if all > failed {
                    return Err(RegistryError::Rule(format!(
                        "Cannot remove template while instances made from it are there ({})",
                        all - failed
                    )));
                }
                if failed > 0 {
                    return Err(RegistryError::Rule(format!(
                        "Cannot remove template while failed instances of it are listed ({failed}): remove them first"
                    )));
                }
                tx.exec("DELETE FROM saas_template WHERE id = $1", args![id.0]).await?;
                let done = Done {
                    id: id.0,
                    object,
                    label: label.clone(),
                    from: serde_json::to_value(&before.spec).ok(),
                    to: None,
                };
                Ok(((), done))
            })
        },
        |_, _| Box::pin(async { Ok(()) }),
    )
    .await
}

const PLAN: &str = "id, code, name, max_users, max_storage_gb";

fn read_plan(row: &Row) -> Result<Plan> {
    Ok(Plan {
        id: PlanId(int(row, "id")?),
        code: get(row, "code")?,
        name: SafeText::from(get::<String>(row, "name")?),
        max_users: int_opt(row, "max_users")?,
        max_storage_gb: int_opt(row, "max_storage_gb")?,
    })
}

pub(super) async fn plans(tx: &Tx<'_>) -> Result<Vec<Plan>> {
    let rows = tx
        .rows(&format!("SELECT {PLAN} FROM saas_plan ORDER BY code"), args![])
        .await?;
    rows.iter().map(read_plan).collect()
}

async fn plan(tx: &Tx<'_>, id: i64) -> Result<Plan> {
    let row = tx
        .row(&format!("SELECT {PLAN} FROM saas_plan WHERE id = $1"), args![id])
        .await?;
    row.map_or_else(
        || {
            Err(RegistryError::NotFound {
                what: "plan",
                key: id.to_string(),
            })
        },
        |row| read_plan(&row),
    )
}

pub(super) async fn add_plan(store: &Store, op: &Op, new: &Plan) -> Result<Plan> {
    let attempt = Attempt {
        op,
        action: "plan.add",
        subject: new.code.clone(),
        object: "plan".to_owned(),
        label: new.code.clone(),
    };
    mutate(
        store,
        &attempt,
        |tx| {
            Box::pin(async move {
                let row = tx
                    .row(
                        "INSERT INTO saas_plan (code, name, max_users, max_storage_gb) VALUES ($1, $2, $3, $4)
                         RETURNING id",
                        args![&new.code, new.name.as_str(), new.max_users, new.max_storage_gb],
                    )
                    .await
                    .map_err(|fault| match fault.violated() {
                        Some("saas_plan_code_key") => RegistryError::Taken {
                            what: "plan code",
                            value: new.code.clone(),
                        },
                        _ => fault.into(),
                    })?;
                let id = made(row.as_ref())?;
                let done = Done {
                    id,
                    object: format!("plan:{id}"),
                    label: new.code.clone(),
                    from: None,
                    to: Some(
                        json!({"name": new.name, "max_users": new.max_users, "max_storage_gb": new.max_storage_gb}),
                    ),
                };
                Ok((plan(tx, id).await?, done))
            })
        },
        |tx, id| Box::pin(plan(tx, id)),
    )
    .await
}

pub(super) async fn customers(tx: &Tx<'_>) -> Result<Vec<Customer>> {
    let rows = tx
        .rows("SELECT id, name, email FROM saas_customer ORDER BY name", args![])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Customer {
                id: CustomerId(int(row, "id")?),
                name: SafeText::from(get::<String>(row, "name")?),
                email: get(row, "email")?,
            })
        })
        .collect()
}

pub(super) async fn customer_named(store: &Store, op: &Op, name: &SafeText) -> Result<CustomerId> {
    let attempt = Attempt {
        op,
        action: "customer.add",
        subject: name.to_string(),
        object: "customer".to_owned(),
        label: name.to_string(),
    };
    mutate(
        store,
        &attempt,
        |tx| {
            Box::pin(async move {
                if name.as_str().trim().is_empty() {
                    return Err(RegistryError::Rule("the customer's name is empty".to_owned()));
                }
                // Of two who add the same one, the second finds the first one's: nothing where it is there.
                let row = tx
                    .row(
                        "INSERT INTO saas_customer (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING id",
                        args![name.as_str()],
                    )
                    .await?;
                let (id, to) = match row {
                    Some(row) => (int(&row, "id")?, Some(json!({"name": name}))),
                    None => {
                        let there = tx
                            .row("SELECT id FROM saas_customer WHERE name = $1", args![name.as_str()])
                            .await?;
                        (made(there.as_ref())?, None)
                    }
                };
                let done = Done {
                    id,
                    object: format!("customer:{id}"),
                    label: name.to_string(),
                    from: None,
                    to,
                };
                Ok((CustomerId(id), done))
            })
        },
        |_, id| Box::pin(async move { Ok(CustomerId(id)) }),
    )
    .await
}
