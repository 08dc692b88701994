//! Templates, plans and customers.

use super::db::{
    Attempt, Done, from_json, from_word, json, mutate, refuse_open_job, same_version, select_rows, store, text_of,
    time_of, violated,
};
use super::servers::{get, parsed, parsed_opt};
use crate::domain::instance::{Customer, Plan};
use crate::domain::template::{Template, TemplateFacts, TemplateSpec};
use crate::domain::{Code, CustomerId, PlanId, SafeText, ServerId, TemplateId};
use crate::registry::{Op, RegistryError, Result};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::json;

fn read(row: &Row<'_>) -> Result<Template> {
    Ok(Template {
        id: TemplateId(get(row, "id")?),
        version: get(row, "version")?,
        spec: TemplateSpec {
            name: SafeText::from(get::<String>(row, "name")?),
            code: parsed(row, "code")?,
            server_id: ServerId(get(row, "server_id")?),
            template_database: parsed(row, "template_database")?,
            base_modules: from_json("base_modules", &get::<String>(row, "base_modules")?)?,
            language: get(row, "language")?,
        },
        state: from_word("a template's state", get(row, "state")?)?,
        facts: TemplateFacts {
            database_oid: get(row, "database_oid")?,
            size_bytes: get::<Option<i64>>(row, "size_bytes")?.map(i64::unsigned_abs),
            admin_login: get(row, "admin_login")?,
            admin_password: parsed_opt(row, "admin_password")?,
            odoo_version: get(row, "odoo_version")?,
            frozen: get(row, "frozen")?,
        },
        instance_count: get(row, "instance_count")?,
        created_at: time_of(&get::<String>(row, "created_at")?)?,
    })
}

fn select(conn: &Connection, rest: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<Template>> {
    select_rows(conn, &format!("SELECT * FROM saas_template {rest}"), params, read)
}

pub(super) fn templates(conn: &Connection) -> Result<Vec<Template>> {
    select(conn, "ORDER BY code", &[])
}

pub(super) fn template(conn: &Connection, id: TemplateId) -> Result<Template> {
    select(conn, "WHERE id = ?1", &[&id.0])?
        .pop()
        .ok_or_else(|| RegistryError::NotFound {
            what: "template",
            key: id.to_string(),
        })
}

pub(super) fn template_by_code(conn: &Connection, code: &Code) -> Result<Template> {
    select(conn, "WHERE code = ?1", &[&code.as_str()])?
        .pop()
        .ok_or_else(|| RegistryError::NotFound {
            what: "template",
            key: code.to_string(),
        })
}

fn taken(spec: &TemplateSpec, e: rusqlite::Error) -> RegistryError {
    match violated(&e) {
        Some(m) if m.ends_with("saas_template.code") => RegistryError::Taken {
            what: "template code",
            value: spec.code.to_string(),
        },
        Some(m) if m.contains("saas_template.template_database") || m == "vigie: template database taken" => {
            RegistryError::Taken {
                what: "database name",
                value: spec.template_database.to_string(),
            }
        }
        Some(m) => RegistryError::Rule(format!("the registry refuses it: {m}")),
        None => store(e),
    }
}

pub(super) fn add_template(conn: &mut Connection, op: &Op, spec: &TemplateSpec) -> Result<Template> {
    let attempt = Attempt {
        op,
        action: "template.add",
        subject: spec.code.to_string(),
        object: "template".to_owned(),
        label: spec.code.to_string(),
    };
    mutate(
        conn,
        &attempt,
        |tx| {
            if spec.name.as_str().trim().is_empty() {
                return Err(RegistryError::Rule("the name is empty".to_owned()));
            }
            super::servers::by_id(tx, spec.server_id)?;
            let modules = json(&spec.base_modules)?;
            tx.prepare_cached(
                "INSERT INTO saas_template (name, code, server_id, template_database, base_modules, language, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .map_err(store)?
            .execute((
                spec.name.as_str(),
                spec.code.as_str(),
                spec.server_id.0,
                spec.template_database.as_str(),
                modules,
                &spec.language,
                text_of(op.at),
            ))
            .map_err(|e| taken(spec, e))?;
            let id = tx.last_insert_rowid();
            let done = Done {
                id,
                object: format!("template:{id}"),
                label: spec.code.to_string(),
                from: None,
                to: serde_json::to_value(spec).ok(),
            };
            Ok((template(tx, TemplateId(id))?, done))
        },
        |tx, id| template(tx, TemplateId(id)),
    )
}

pub(super) fn remove_template(conn: &mut Connection, op: &Op, id: TemplateId, version: i64) -> Result<()> {
    let label = template(conn, id).map_or_else(|_| id.to_string(), |t| t.spec.code.to_string());
    let attempt = Attempt {
        op,
        action: "template.remove",
        subject: id.to_string(),
        object: format!("template:{id}"),
        label: label.clone(),
    };
    mutate(
        conn,
        &attempt,
        |tx| {
            let before = template(tx, id)?;
            same_version(
                tx,
                "template",
                &format!("template:{id}"),
                &label,
                before.version,
                version,
            )?;
            refuse_open_job(tx, "template_id", id.0, || format!("template {label}"))?;
            let (all, failed): (i64, i64) = tx
                .query_row(
                    "SELECT count(*), coalesce(sum(state = 'failed'), 0) FROM saas_instance WHERE template_id = ?1",
                    [id.0],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .map_err(store)?;
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
            tx.execute("DELETE FROM saas_template WHERE id = ?1", [id.0])
                .map_err(store)?;
            let done = Done {
                id: id.0,
                object: format!("template:{id}"),
                label: label.clone(),
                from: serde_json::to_value(&before.spec).ok(),
                to: None,
            };
            Ok(((), done))
        },
        |_, _| Ok(()),
    )
}

pub(super) fn plans(conn: &Connection) -> Result<Vec<Plan>> {
    conn.prepare_cached("SELECT id, code, name, max_users, max_storage_gb FROM saas_plan ORDER BY code")
        .and_then(|mut s| s.query_map([], read_plan)?.collect())
        .map_err(store)
}

fn read_plan(row: &Row<'_>) -> rusqlite::Result<Plan> {
    Ok(Plan {
        id: PlanId(row.get(0)?),
        code: row.get(1)?,
        name: SafeText::from(row.get::<_, String>(2)?),
        max_users: row.get(3)?,
        max_storage_gb: row.get(4)?,
    })
}

fn plan(conn: &Connection, id: i64) -> Result<Plan> {
    conn.prepare_cached("SELECT id, code, name, max_users, max_storage_gb FROM saas_plan WHERE id = ?1")
        .and_then(|mut s| s.query_row([id], read_plan).optional())
        .map_err(store)?
        .ok_or_else(|| RegistryError::NotFound {
            what: "plan",
            key: id.to_string(),
        })
}

pub(super) fn add_plan(conn: &mut Connection, op: &Op, new: &Plan) -> Result<Plan> {
    let attempt = Attempt {
        op,
        action: "plan.add",
        subject: new.code.clone(),
        object: "plan".to_owned(),
        label: new.code.clone(),
    };
    mutate(
        conn,
        &attempt,
        |tx| {
            tx.prepare_cached("INSERT INTO saas_plan (code, name, max_users, max_storage_gb) VALUES (?1, ?2, ?3, ?4)")
                .map_err(store)?
                .execute((&new.code, new.name.as_str(), new.max_users, new.max_storage_gb))
                .map_err(|e| match violated(&e) {
                    Some(m) if m.ends_with("saas_plan.code") => RegistryError::Taken {
                        what: "plan code",
                        value: new.code.clone(),
                    },
                    Some(m) => RegistryError::Rule(format!("the registry refuses it: {m}")),
                    None => store(e),
                })?;
            let id = tx.last_insert_rowid();
            let done = Done {
                id,
                object: format!("plan:{id}"),
                label: new.code.clone(),
                from: None,
                to: Some(json!({"name": new.name, "max_users": new.max_users, "max_storage_gb": new.max_storage_gb})),
            };
            Ok((plan(tx, id)?, done))
        },
        plan,
    )
}

pub(super) fn customers(conn: &Connection) -> Result<Vec<Customer>> {
    conn.prepare_cached("SELECT id, name, email FROM saas_customer ORDER BY name")
        .and_then(|mut s| {
            s.query_map([], |row| {
                Ok(Customer {
                    id: CustomerId(row.get(0)?),
                    name: SafeText::from(row.get::<_, String>(1)?),
                    email: row.get(2)?,
                })
            })?
            .collect()
        })
        .map_err(store)
}

pub(super) fn customer_named(conn: &mut Connection, op: &Op, name: &SafeText) -> Result<CustomerId> {
    let attempt = Attempt {
        op,
        action: "customer.add",
        subject: name.to_string(),
        object: "customer".to_owned(),
        label: name.to_string(),
    };
    mutate(
        conn,
        &attempt,
        |tx| {
            if name.as_str().trim().is_empty() {
                return Err(RegistryError::Rule("the customer's name is empty".to_owned()));
            }
            let there: Option<i64> = tx
                .prepare_cached("SELECT id FROM saas_customer WHERE name = ?1")
                .and_then(|mut s| s.query_row([name.as_str()], |row| row.get(0)).optional())
                .map_err(store)?;
            let (id, to) = match there {
                Some(id) => (id, None),
                None => {
                    tx.execute("INSERT INTO saas_customer (name) VALUES (?1)", [name.as_str()])
                        .map_err(store)?;
                    (tx.last_insert_rowid(), Some(json!({"name": name})))
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
        },
        |_, id| Ok(CustomerId(id)),
    )
}
