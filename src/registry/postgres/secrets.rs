//! Where secrets are used, and sealing all of them anew.

use super::db::{Attempt, Done, Tx, args, get, int, int_opt, mutate, parsed_opt};
use super::pool::Store;
use crate::registry::secret_uses::{
    COLUMNS, JOB_JSON, Resealed, SEALED_LIKE, STEP_JSON, SecretUse, audited, changed_meanwhile, inside, refuse_changed,
    sealed_in,
};
use crate::registry::{Op, Result};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) async fn uses(tx: &Tx<'_>) -> Result<Vec<SecretUse>> {
    let mut found = Vec::new();
    for (table, label, columns) in COLUMNS {
        let sql = format!(
            "SELECT id, {label} AS label, {} FROM {table} ORDER BY id",
            columns.join(", ")
        );
        for row in tx.rows(&sql, args![]).await? {
            for column in columns {
                if let Some(reference) = parsed_opt(&row, column)? {
                    found.push(SecretUse {
                        table,
                        id: int(&row, "id")?,
                        step: None,
                        label: get(&row, "label")?,
                        field: (*column).to_owned(),
                        reference,
                    });
                }
            }
        }
    }
    in_json(tx, "saas_job", "id", "NULL::bigint", JOB_JSON, &mut found).await?;
    in_json(tx, "saas_job_step", "job_id", "step", STEP_JSON, &mut found).await?;
    Ok(found)
}

async fn in_json(
    tx: &Tx<'_>,
    table: &'static str,
    id: &str,
    step: &str,
    columns: &[&str],
    found: &mut Vec<SecretUse>,
) -> Result<()> {
    for column in columns {
        let sql = format!(
            "SELECT {id} AS id, {step} AS step, title AS label, {column} AS value FROM {table}
             WHERE {column}::text LIKE $1 ORDER BY 1, 2"
        );
        for row in tx.rows(&sql, args![SEALED_LIKE]).await? {
            for (pointer, reference) in sealed_in(&get(&row, "value")?) {
                found.push(SecretUse {
                    table,
                    id: int(&row, "id")?,
                    step: int_opt(&row, "step")?,
                    label: get(&row, "label")?,
                    field: format!("{column}{pointer}"),
                    reference,
                });
            }
        }
    }
    Ok(())
}

pub(super) async fn reseal(store: &Store, op: &Op, values: &[Resealed]) -> Result<usize> {
    let key = values.first().and_then(|v| v.sealed.key_id()).unwrap_or_default();
    let attempt = Attempt {
        op,
        action: "secrets.rotate",
        subject: key.to_owned(),
        object: "secrets".to_owned(),
        label: key.to_owned(),
    };
    mutate(
        store,
        &attempt,
        |tx| {
            Box::pin(async move {
                refuse_changed(&uses(tx).await?, values)?;
                columns(tx, values).await?;
                records(tx, values).await?;
                let (from, to) = audited(values);
                let done = Done {
                    id: i64::try_from(values.len()).unwrap_or(i64::MAX),
                    object: "secrets".to_owned(),
                    label: key.to_owned(),
                    from: Some(from),
                    to: Some(to),
                };
                Ok((values.len(), done))
            })
        },
        |_, count| Box::pin(async move { Ok(usize::try_from(count).unwrap_or(0)) }),
    )
    .await
}

/// Values in columns of their own: one statement a column, and only where the row is as it was read.
async fn columns(tx: &Tx<'_>, values: &[Resealed]) -> Result<()> {
    for (table, _, columns) in COLUMNS {
        for column in columns {
            let here: Vec<&Resealed> = values
                .iter()
                .filter(|v| v.of.table == table && v.of.field == *column)
                .collect();
            if here.is_empty() {
                continue;
            }
            let ids: Vec<i64> = here.iter().map(|v| v.of.id).collect();
            let old: Vec<String> = here.iter().map(|v| String::from(v.of.reference.clone())).collect();
            let new: Vec<String> = here.iter().map(|v| String::from(v.sealed.clone())).collect();
            let sql = format!(
                "UPDATE {table} t SET {column} = n.new, version = t.version + 1
                 FROM unnest($1, $2, $3) AS n (id, old, new) WHERE t.id = n.id AND t.{column} = n.old"
            );
            let changed = tx.exec(&sql, args![ids, old, new]).await?;
            if usize::try_from(changed) != Ok(here.len()) {
                return Err(changed_meanwhile(&format!("{table}.{column}")));
            }
        }
    }
    Ok(())
}

/// A row of a job and its JSON column: table, id, step, column.
type Place<'a> = (&'a str, i64, Option<i64>, &'a str);

/// Values inside of a job's JSON: the row is held, looked at again and written.
async fn records(tx: &Tx<'_>, values: &[Resealed]) -> Result<()> {
    let mut rows: BTreeMap<Place<'_>, Vec<(&str, &Resealed)>> = BTreeMap::new();
    for value in values {
        if let Some((column, pointer)) = inside(&value.of.field) {
            let key = (value.of.table, value.of.id, value.of.step, column);
            rows.entry(key).or_default().push((pointer, value));
        }
    }
    for ((table, id, step, column), values) in rows {
        let row = match step {
            Some(_) => "job_id = $1 AND step = $2",
            None => "id = $1 AND $2::bigint IS NULL",
        };
        let sql = format!("SELECT {column} AS value FROM {table} WHERE {row} FOR NO KEY UPDATE");
        let found = tx.row(&sql, args![id, step]).await?;
        let meanwhile = || changed_meanwhile(&format!("{column} of {table} {id}"));
        let mut record: Value = get(&found.ok_or_else(meanwhile)?, "value")?;
        for (pointer, value) in values {
            let place = record.pointer_mut(pointer).ok_or_else(meanwhile)?;
            if *place != Value::String(String::from(value.of.reference.clone())) {
                return Err(meanwhile());
            }
            *place = Value::String(String::from(value.sealed.clone()));
        }
        let sql = format!("UPDATE {table} SET {column} = $3 WHERE {row}");
        tx.exec(&sql, args![id, step, record]).await?;
    }
    Ok(())
}
