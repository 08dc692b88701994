//! One side of a copy: the file held still, or being filled.

use super::db::{self, Done, json, store};
use super::{Sqlite, threads};
use crate::registry::transfer::{Counters, Kind, Row, Source, TABLES, Table, Target, Transfer, bad_value, canonical};
use crate::registry::{Op, RegistryError, Result};
use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long one page may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A connection of its own with a transaction open; the transaction goes with it.
struct Side {
    pool: threads::Pool,
    path: Arc<Path>,
}

impl Side {
    async fn begin(path: &Arc<Path>, filling: bool) -> Result<Self> {
        let at = Arc::clone(path);
        let opened = tokio::task::spawn_blocking(move || {
            let conn = db::connect(&at, db::Use::Write)?;
            if filling {
                // Rows are written as they are: what triggers would count or tell is among them.
                conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
                    .map_err(store)?;
            }
            // Nobody else writes until this is over, whoever reads may go on.
            conn.execute_batch("BEGIN IMMEDIATE").map_err(store)?;
            Ok::<_, RegistryError>(conn)
        });
        let failed = |e: &dyn std::fmt::Display| RegistryError::Store {
            what: e.to_string(),
            transient: true,
        };
        let conn = opened.await.map_err(|e| failed(&e))??;
        Ok(Self {
            pool: threads::Pool::start("copy", vec![conn]).map_err(|e| failed(&e))?,
            path: Arc::clone(path),
        })
    }

    async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        self.pool.run(LIMIT, work).await
    }
}

#[async_trait]
impl Transfer for Sqlite {
    async fn source(&self) -> Result<Box<dyn Source>> {
        Ok(Box::new(Side::begin(&self.path, false).await?))
    }
    async fn target(&self) -> Result<Box<dyn Target>> {
        Ok(Box::new(Side::begin(&self.path, true).await?))
    }
}

#[async_trait]
impl Source for Side {
    async fn count(&mut self, table: &'static Table) -> Result<u64> {
        self.run(|conn| {
            let rows: i64 = conn
                .query_row(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get(0))
                .map_err(store)?;
            Ok(rows.cast_unsigned())
        })
        .await
    }

    async fn page(&mut self, table: &'static Table, after: Option<Vec<Value>>, limit: usize) -> Result<Vec<Row>> {
        self.run(move |conn| page(conn, table, after, limit)).await
    }

    async fn counters(&mut self) -> Result<Counters> {
        self.run(|conn| {
            let mut found = Counters::new();
            for table in TABLES.iter().filter(|table| table.numbered) {
                let last: Option<i64> = conn
                    .query_row("SELECT seq FROM sqlite_sequence WHERE name = ?1", [table.name], |row| {
                        row.get(0)
                    })
                    .optional()
                    .map_err(store)?;
                if let Some(last) = last.filter(|last| *last > 0) {
                    found.insert(table.name.to_owned(), last);
                }
            }
            Ok(found)
        })
        .await
    }
}

#[async_trait]
impl Target for Side {
    async fn put(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<()> {
        self.run(move |conn| put(conn, table, rows)).await
    }

    async fn set_counters(&mut self, counters: &Counters) -> Result<()> {
        let counters = counters.clone();
        self.run(move |conn| {
            for (table, last) in &counters {
                conn.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])
                    .and_then(|_| {
                        conn.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", (table, last))
                    })
                    .map_err(store)?;
            }
            Ok(())
        })
        .await
    }

    async fn finish(self: Box<Self>, op: &Op, from: &str, rows: u64) -> Result<()> {
        let done = Done {
            id: 0,
            object: "registry".to_owned(),
            label: from.to_owned(),
            from: None,
            to: Some(serde_json::json!({ "copied_from": from, "rows": rows })),
        };
        let op = op.clone();
        self.run(move |conn| {
            let broken = conn
                .query_row("PRAGMA foreign_key_check", [], |row| row.get::<_, String>(0))
                .optional()
                .map_err(store)?;
            if let Some(table) = broken {
                return Err(RegistryError::Rule(format!(
                    "{table} refers to rows that are not there"
                )));
            }
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)
                .map_err(store)?;
            db::audit(conn, &op, "registry.copy", &done, None)?;
            conn.execute_batch("COMMIT").map_err(store)
        })
        .await?;
        super::follow::ring(&self.path);
        Ok(())
    }
}

fn page(conn: &Connection, table: &'static Table, after: Option<Vec<Value>>, limit: usize) -> Result<Vec<Row>> {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let keys = table.key.join(", ");
    let mut params: Vec<Sql> = Vec::new();
    let behind = match after {
        None => String::new(),
        Some(key) => {
            let marks: Vec<String> = (1..=key.len()).map(|n| format!("?{n}")).collect();
            for ((name, kind), value) in table.key_at().iter().map(|at| table.columns[*at]).zip(key) {
                params.push(bound(table, name, kind, value)?);
            }
            format!("WHERE ({keys}) > ({})", marks.join(", "))
        }
    };
    params.push(Sql::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    let sql = format!(
        "SELECT {} FROM {} {behind} ORDER BY {keys} LIMIT ?{}",
        columns.join(", "),
        table.name,
        params.len()
    );
    let mut statement = conn.prepare_cached(&sql).map_err(store)?;
    let mut rows = statement.query(params_from_iter(params)).map_err(store)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(store)? {
        let mut values = Vec::with_capacity(columns.len());
        for (at, (name, kind)) in table.columns.iter().enumerate() {
            values.push(read(table, name, *kind, row.get_ref(at).map_err(store)?)?);
        }
        found.push(values);
    }
    Ok(found)
}

fn read(table: &Table, column: &str, kind: Kind, value: ValueRef<'_>) -> Result<Value> {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|_| bad_value(table, column, "holds bytes that are no text"))
    };
    Ok(match (kind, value) {
        (_, ValueRef::Null) => Value::Null,
        (Kind::Int, ValueRef::Integer(n)) => Value::from(n),
        (Kind::Bool, ValueRef::Integer(n @ 0..=1)) => Value::from(n == 1),
        (Kind::Text | Kind::Letters, ValueRef::Text(bytes)) => Value::from(text(bytes)?),
        (Kind::Time, ValueRef::Text(bytes)) => {
            let at: Timestamp = text(bytes)?.parse().map_err(|e| bad_value(table, column, e))?;
            Value::from(db::text_of(at))
        }
        (Kind::Json, ValueRef::Text(bytes)) => {
            canonical(serde_json::from_slice(bytes).map_err(|e| bad_value(table, column, e))?)
        }
        (_, other) => {
            let kind = other.data_type();
            return Err(bad_value(
                table,
                column,
                format!("holds {kind}, which does not belong there"),
            ));
        }
    })
}

fn bound(table: &Table, column: &str, kind: Kind, value: Value) -> Result<Sql> {
    Ok(match (kind, value) {
        // A step without data has JSON's null there: the column is never without a value.
        (Kind::Json, Value::Null) if column == "data" => Sql::Text("null".to_owned()),
        (_, Value::Null) => Sql::Null,
        (Kind::Json, value) => Sql::Text(json(&value)?),
        (Kind::Bool, Value::Bool(b)) => Sql::Integer(i64::from(b)),
        (Kind::Int, Value::Number(n)) => match n.as_i64() {
            Some(n) => Sql::Integer(n),
            None => return Err(bad_value(table, column, "is out of range")),
        },
        (Kind::Text | Kind::Letters | Kind::Time, Value::String(text)) => Sql::Text(text),
        _ => return Err(bad_value(table, column, "is of another type")),
    })
}

fn put(conn: &Connection, table: &'static Table, rows: Vec<Row>) -> Result<()> {
    if table.single {
        conn.execute(&format!("DELETE FROM {}", table.name), [])
            .map_err(store)?;
    }
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let marks: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        table.name,
        columns.join(", "),
        marks.join(", ")
    );
    let mut statement = conn.prepare_cached(&sql).map_err(store)?;
    for row in rows {
        let mut params = Vec::with_capacity(row.len());
        for ((name, kind), value) in table.columns.iter().zip(row) {
            params.push(bound(table, name, *kind, value)?);
        }
        statement
            .execute(params_from_iter(params))
            .map_err(|e| bad_value(table, "a row", format!("is refused: {e}")))?;
    }
    Ok(())
}
