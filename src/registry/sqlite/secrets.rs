//! Where secrets are used, and sealing all of them anew.

use super::db::{Attempt, Done, from_json, json, mutate, store};
use super::servers::get;
use crate::registry::secret_uses::{
    COLUMNS, JOB_JSON, Resealed, SEALED_LIKE, STEP_JSON, SecretUse, audited, inside, refuse_changed, sealed_in,
};
use crate::registry::{Op, RegistryError, Result};
use rusqlite::Connection;
use serde_json::Value;

pub(super) fn uses(conn: &Connection) -> Result<Vec<SecretUse>> {
    let mut found = Vec::new();
    for (table, label, columns) in COLUMNS {
        let sql = format!(
            "SELECT id, {label} AS label, {} FROM {table} ORDER BY id",
            columns.join(", ")
        );
        let mut statement = conn.prepare_cached(&sql).map_err(store)?;
        let mut rows = statement.query([]).map_err(store)?;
        while let Some(row) = rows.next().map_err(store)? {
            for column in columns {
                let Some(text) = get::<Option<String>>(row, column)? else {
                    continue;
                };
                found.push(SecretUse {
                    table,
                    id: get(row, "id")?,
                    step: None,
                    label: get(row, "label")?,
                    field: (*column).to_owned(),
                    reference: text
                        .parse()
                        .map_err(|e| super::db::unreadable(&format!("{table}.{column}"), e))?,
                });
            }
        }
    }
    in_json(conn, "saas_job", "id", "NULL", JOB_JSON, &mut found)?;
    in_json(conn, "saas_job_step", "job_id", "step", STEP_JSON, &mut found)?;
    Ok(found)
}

fn in_json(
    conn: &Connection,
    table: &'static str,
    id: &str,
    step: &str,
    columns: &[&str],
    found: &mut Vec<SecretUse>,
) -> Result<()> {
    for column in columns {
        let sql = format!(
            "SELECT {id} AS id, {step} AS step, title AS label, {column} AS value FROM {table}
             WHERE {column} LIKE ?1 ORDER BY 1, 2"
        );
        let mut statement = conn.prepare_cached(&sql).map_err(store)?;
        let mut rows = statement.query([SEALED_LIKE]).map_err(store)?;
        while let Some(row) = rows.next().map_err(store)? {
            let value: Value = from_json("a job's record", &get::<String>(row, "value")?)?;
            for (pointer, reference) in sealed_in(&value) {
                found.push(SecretUse {
                    table,
                    id: get(row, "id")?,
                    step: get(row, "step")?,
                    label: get(row, "label")?,
                    field: format!("{column}{pointer}"),
                    reference,
                });
            }
        }
    }
    Ok(())
}

pub(super) fn reseal(conn: &mut Connection, op: &Op, values: &[Resealed]) -> Result<usize> {
    let key = values.first().and_then(|v| v.sealed.key_id()).unwrap_or_default();
    let attempt = Attempt {
        op,
        action: "secrets.rotate",
        subject: key.to_owned(),
        object: "secrets".to_owned(),
        label: key.to_owned(),
    };
    let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
    mutate(
        conn,
        &attempt,
        |tx| {
            refuse_changed(&uses(tx)?, values)?;
            for value in values {
                replace(tx, value)?;
            }
            let (from, to) = audited(values);
            let done = Done {
                id: count,
                object: "secrets".to_owned(),
                label: key.to_owned(),
                from: Some(from),
                to: Some(to),
            };
            Ok((values.len(), done))
        },
        |_, count| Ok(usize::try_from(count).unwrap_or(0)),
    )
}

/// Refused before: the row is as it was read.
fn replace(tx: &Connection, value: &Resealed) -> Result<()> {
    let SecretUse {
        table, id, step, field, ..
    } = &value.of;
    let sealed = String::from(value.sealed.clone());
    let changed = match inside(field) {
        None => tx
            .prepare_cached(&format!(
                "UPDATE {table} SET {field} = ?1, version = version + 1 WHERE id = ?2"
            ))
            .and_then(|mut s| s.execute((sealed, id)))
            .map_err(store)?,
        Some((column, pointer)) => {
            let row = match step {
                Some(_) => "job_id = ?1 AND step = ?2",
                None => "id = ?1 AND ?2 IS NULL",
            };
            let text: String = tx
                .prepare_cached(&format!("SELECT {column} FROM {table} WHERE {row}"))
                .and_then(|mut s| s.query_row((id, step), |row| row.get(0)))
                .map_err(store)?;
            let mut record: Value = from_json("a job's record", &text)?;
            if let Some(place) = record.pointer_mut(pointer) {
                *place = Value::String(sealed);
            }
            let record = json(&record)?;
            tx.prepare_cached(&format!("UPDATE {table} SET {column} = ?3 WHERE {row}"))
                .and_then(|mut s| s.execute((id, step, record)))
                .map_err(store)?
        }
    };
    if changed == 1 {
        Ok(())
    } else {
        Err(RegistryError::NotFound {
            what: "row",
            key: format!("{table} {id}"),
        })
    }
}
