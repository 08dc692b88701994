//! One side of a copy: the database held still, or being filled. As the tables' owner, on a connection
//! and in a transaction of its own.

use super::Postgres;
use super::db::unreadable;
use super::fault::Fault;
use crate::registry::transfer::{Counters, Kind, Row, Source, TABLES, Table, Target, Transfer, bad_value, canonical};
use crate::registry::{Op, RegistryError, Result, stored_time};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row as PgRow};

/// How long one page may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How long others' writes are waited for before they are said to be in the way.
const LOCK: &str = "10s";

type Params = Vec<(Box<dyn ToSql + Sync + Send>, Type)>;

/// A connection of its own with a transaction open; the transaction goes with it.
struct Side {
    client: Client,
    task: JoinHandle<()>,
    place: String,
}

impl Drop for Side {
    fn drop(&mut self) {
        // The server rolls back what was not committed when the connection is closed.
        self.task.abort();
    }
}

impl Side {
    async fn begin(postgres: &Postgres, filling: bool) -> Result<Self> {
        let (client, task) = postgres
            .store
            .connector
            .dedicated(None)
            .await
            .map_err(RegistryError::from)?;
        let side = Self {
            client,
            task,
            place: postgres.store.connector.place(),
        };
        // Asked before the transaction: its one moment is taken by the first look, and nobody may write then.
        let owner: String = first(
            &side
                .rows(
                    "SELECT quote_ident(pg_get_userbyid(relowner)) AS owner FROM pg_class
                     WHERE oid = to_regclass('public.saas_server')",
                    &Vec::new(),
                )
                .await?,
            "owner",
        )
        .map_err(|_| side.unusable("there is no registry in it: `vigie registry init` makes one".to_owned()))?;
        let isolation = if filling { "READ COMMITTED" } else { "REPEATABLE READ" };
        side.batch(&format!(
            "BEGIN ISOLATION LEVEL {isolation}; SET LOCAL lock_timeout = '{LOCK}'; SET LOCAL statement_timeout = '120s'; \
             SET LOCAL idle_in_transaction_session_timeout = '10min'"
        ))
        .await?;
        side.batch(&format!("SET LOCAL ROLE {owner}")).await.map_err(|error| {
            side.unusable(format!(
                "a registry is copied as a member of {owner}, the role that owns its tables: {error}"
            ))
        })?;
        let tables: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        let mode = if filling { "ACCESS EXCLUSIVE" } else { "SHARE" };
        side.batch(&format!("LOCK TABLE {} IN {mode} MODE", tables.join(", ")))
            .await
            .map_err(|error| side.unusable(format!("others use it: stop dashboards and workers ({error})")))?;
        if filling {
            side.triggers("DISABLE").await?;
        }
        Ok(side)
    }

    fn unusable(&self, why: String) -> RegistryError {
        RegistryError::Unusable {
            place: self.place.clone(),
            why,
        }
    }

    /// Rows are written as they are: what triggers would count or tell is among them.
    async fn triggers(&self, verb: &str) -> Result<()> {
        let all = TABLES
            .iter()
            .map(|table| format!("ALTER TABLE {} {verb} TRIGGER USER", table.name));
        self.batch(&all.collect::<Vec<_>>().join("; ")).await
    }

    async fn batch(&self, sql: &str) -> Result<()> {
        within(self.client.batch_execute(sql)).await
    }

    async fn rows(&self, sql: &str, params: &Params) -> Result<Vec<PgRow>> {
        let typed: Vec<(&(dyn ToSql + Sync), Type)> = params
            .iter()
            .map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone()))
            .collect();
        within(self.client.query_typed(sql, &typed)).await
    }
}

async fn within<T>(ask: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>) -> Result<T> {
    match tokio::time::timeout(LIMIT, ask).await {
        Ok(answer) => answer.map_err(|e| Fault::of(&e).into()),
        Err(_) => Err(RegistryError::Store {
            what: format!("no answer within {} s", LIMIT.as_secs()),
            transient: true,
        }),
    }
}

#[async_trait]
impl Transfer for Postgres {
    async fn source(&self) -> Result<Box<dyn Source>> {
        Ok(Box::new(Side::begin(self, false).await?))
    }
    async fn target(&self) -> Result<Box<dyn Target>> {
        Ok(Box::new(Side::begin(self, true).await?))
    }
}

#[async_trait]
impl Source for Side {
    async fn count(&mut self, table: &'static Table) -> Result<u64> {
        let rows = self
            .rows(&format!("SELECT count(*) AS n FROM {}", table.name), &Vec::new())
            .await?;
        let n: i64 = first(&rows, "n")?;
        Ok(n.cast_unsigned())
    }

    async fn page(&mut self, table: &'static Table, after: Option<Vec<Value>>, limit: usize) -> Result<Vec<Row>> {
        let columns = table.columns.iter().map(|(name, kind)| match kind {
            Kind::Letters => format!("{name}::text AS {name}"),
            _ => (*name).to_owned(),
        });
        let keys = table.key.join(", ");
        let mut params: Params = Vec::new();
        let behind = match after {
            None => String::new(),
            Some(key) => {
                let marks: Vec<String> = (1..=key.len()).map(|n| format!("${n}")).collect();
                for ((name, kind), value) in table.key_at().iter().map(|at| table.columns[*at]).zip(key) {
                    params.push(match (kind, value) {
                        (Kind::Int, Value::Number(n)) => (Box::new(n.as_i64()), Type::INT8),
                        (Kind::Text, Value::String(text)) => (Box::new(text), Type::TEXT),
                        _ => return Err(bad_value(table, name, "is no key")),
                    });
                }
                format!("WHERE ({keys}) > ({})", marks.join(", "))
            }
        };
        let sql = format!(
            "SELECT {} FROM {} {behind} ORDER BY {keys} LIMIT {limit}",
            columns.collect::<Vec<_>>().join(", "),
            table.name
        );
        let rows = self.rows(&sql, &params).await?;
        rows.iter().map(|row| read(table, row)).collect()
    }

    async fn counters(&mut self) -> Result<Counters> {
        let mut found = Counters::new();
        for table in TABLES.iter().filter(|table| table.numbered) {
            let sql = format!(
                "SELECT pg_sequence_last_value(pg_get_serial_sequence('public.{}', 'id')::regclass) AS n",
                table.name
            );
            let last: Option<i64> = first(&self.rows(&sql, &Vec::new()).await?, "n")?;
            if let Some(last) = last {
                found.insert(table.name.to_owned(), last);
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Target for Side {
    async fn put(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<()> {
        if table.single {
            self.batch(&format!("DELETE FROM {}", table.name)).await?;
        }
        let mut params: Params = Vec::new();
        let (mut given, mut taken) = (Vec::new(), Vec::new());
        for (at, (name, kind)) in table.columns.iter().enumerate() {
            let values = rows.iter().map(|row| row.get(at).unwrap_or(&Value::Null));
            params.push(column(table, name, *kind, values)?);
            given.push(format!("${}", at + 1));
            taken.push(match kind {
                Kind::Int | Kind::Bool | Kind::Text => format!("c{at}"),
                Kind::Time => format!("c{at}::timestamptz"),
                Kind::Json => format!("c{at}::jsonb"),
                Kind::Letters => format!("c{at}::json"),
            });
        }
        let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        let sources: Vec<String> = (0..names.len()).map(|at| format!("c{at}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS rows ({})",
            table.name,
            names.join(", "),
            taken.join(", "),
            given.join(", "),
            sources.join(", ")
        );
        self.rows(&sql, &params).await?;
        Ok(())
    }

    async fn set_counters(&mut self, counters: &Counters) -> Result<()> {
        for (table, last) in counters {
            let params: Params = vec![
                (Box::new(format!("public.{table}")), Type::TEXT),
                (Box::new(*last), Type::INT8),
            ];
            self.rows("SELECT setval(pg_get_serial_sequence($1, 'id')::regclass, $2)", &params)
                .await?;
        }
        Ok(())
    }

    async fn finish(self: Box<Self>, op: &Op, from: &str, rows: u64) -> Result<()> {
        self.triggers("ENABLE").await?;
        let text = |value: &str| -> (Box<dyn ToSql + Sync + Send>, Type) { (Box::new(value.to_owned()), Type::TEXT) };
        let to = serde_json::json!({ "copied_from": from, "rows": rows });
        let params: Params = vec![
            (Box::new(stored_time(op.at)), Type::TIMESTAMPTZ),
            text(&op.id),
            text(&op.actor.os_user),
            text(&op.actor.host),
            text(&op.actor.via),
            text(from),
            (Box::new(to), Type::JSON),
        ];
        self.rows(
            "INSERT INTO saas_audit (at, op_id, os_user, host, via, action, object, label, to_values)
             VALUES ($1, $2, $3, $4, $5, 'registry.copy', 'registry', $6, $7)",
            &params,
        )
        .await?;
        self.batch("COMMIT").await?;
        // Not part of the copy: plans for tables that were empty a moment ago are bad ones.
        if let Err(error) = self.batch("ANALYZE").await {
            tracing::warn!(%error, "the copied tables could not be analysed");
        }
        Ok(())
    }
}

fn first<'a, T: tokio_postgres::types::FromSql<'a>>(rows: &'a [PgRow], column: &str) -> Result<T> {
    rows.first()
        .ok_or_else(|| unreadable(column, "no row came"))?
        .try_get(column)
        .map_err(|e| unreadable(column, e))
}

fn read(table: &Table, row: &PgRow) -> Result<Row> {
    let mut values = Vec::with_capacity(table.columns.len());
    for (at, (name, kind)) in table.columns.iter().enumerate() {
        let bad = |e: tokio_postgres::Error| bad_value(table, name, e);
        let value = match kind {
            Kind::Int => row.try_get::<_, Option<i64>>(at).map_err(bad)?.map(Value::from),
            Kind::Bool => row.try_get::<_, Option<bool>>(at).map_err(bad)?.map(Value::from),
            Kind::Text | Kind::Letters => row.try_get::<_, Option<String>>(at).map_err(bad)?.map(Value::from),
            Kind::Time => row
                .try_get::<_, Option<Timestamp>>(at)
                .map_err(bad)?
                .map(|time| Value::from(format!("{time:.6}"))),
            Kind::Json => row.try_get::<_, Option<Value>>(at).map_err(bad)?.map(canonical),
        };
        values.push(value.unwrap_or(Value::Null));
    }
    Ok(values)
}

/// A whole column of a page as an array, in its own type or as text.
fn column<'a>(
    table: &Table,
    name: &str,
    kind: Kind,
    values: impl Iterator<Item = &'a Value>,
) -> Result<(Box<dyn ToSql + Sync + Send>, Type)> {
    let odd = || bad_value(table, name, "is of another type");
    Ok(match kind {
        Kind::Int => {
            let of = |v: &Value| match v {
                Value::Null => Ok(None),
                other => other.as_i64().map(Some).ok_or_else(odd),
            };
            (
                Box::new(values.map(of).collect::<Result<Vec<Option<i64>>>>()?),
                Type::INT8_ARRAY,
            )
        }
        Kind::Bool => {
            let of = |v: &Value| match v {
                Value::Null => Ok(None),
                other => other.as_bool().map(Some).ok_or_else(odd),
            };
            (
                Box::new(values.map(of).collect::<Result<Vec<Option<bool>>>>()?),
                Type::BOOL_ARRAY,
            )
        }
        Kind::Text | Kind::Letters | Kind::Time | Kind::Json => {
            let of = |v: &Value| match v {
                // A step without data has JSON's null there: the column is never without a value.
                Value::Null if kind == Kind::Json && name == "data" => Ok(Some("null".to_owned())),
                Value::Null => Ok(None),
                Value::String(text) if kind != Kind::Json => Ok(Some(text.clone())),
                json if kind == Kind::Json => Ok(Some(json.to_string())),
                _ => Err(odd()),
            };
            let mut nul = false;
            let values = values.inspect(|value| nul |= has_nul(value));
            let texts = values.map(of).collect::<Result<Vec<Option<String>>>>()?;
            if nul {
                return Err(bad_value(
                    table,
                    name,
                    "holds a zero character, which PostgreSQL does not keep",
                ));
            }
            (Box::new(texts), Type::TEXT_ARRAY)
        }
    })
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}
