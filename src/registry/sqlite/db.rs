//! Connections, and what every statement needs: errors as the registry's, times and JSON as text,
//! and one way to mutate, with its audit row and the memory of its operation.

use super::migrate;
use super::place::unusable;
use crate::domain::audit::Actor;
pub(super) use crate::registry::values::{Attempt, Done, difference, masked, with_reason};
use crate::registry::{Op, RegistryError, Result};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, ffi};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long SQLite waits for another process's write before it gives up.
const BUSY: Duration = Duration::from_secs(5);
/// How long a first start waits for the others that start at the same time.
const FIRST_START: Duration = Duration::from_secs(60);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Writes; migrates the schema.
    Write,
    /// Reads only.
    Read,
}

/// Opens a connection to a file that is there.
pub(super) fn connect(path: &Path, purpose: Use) -> Result<Connection> {
    let flags = match purpose {
        // A reader needs to write the shared memory file, so it is read-only by `query_only`.
        Use::Write | Use::Read => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    };
    let mut conn = Connection::open_with_flags(path, flags).map_err(|e| unusable(path, e.to_string()))?;
    conn.busy_timeout(BUSY).map_err(store)?;
    conn.set_prepared_statement_cache_capacity(128);
    match purpose {
        Use::Write => {
            wal(&conn, path)?;
            pragmas(&conn, 8_000)?;
            migrate::forward(&mut conn, path, Instant::now() + FIRST_START)?;
        }
        Use::Read => {
            // The system keeps the file's pages too: a reader that went through all of it once would hold them twice.
            pragmas(&conn, 2_000)?;
            migrate::check(&conn, path)?;
            conn.execute_batch("PRAGMA query_only = ON").map_err(store)?;
        }
    }
    Ok(conn)
}

/// `cache`: KiB of the file's pages that the connection keeps.
fn pragmas(conn: &Connection, cache: u32) -> Result<()> {
    conn.execute_batch(&format!(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -{cache}; PRAGMA journal_size_limit = 67108864;"
    ))
    .map_err(store)
}

/// Turns the write-ahead log on. SQLite doesn't wait here when others do the same, so this does.
fn wal(conn: &Connection, path: &Path) -> Result<()> {
    let end = Instant::now() + FIRST_START;
    loop {
        let answer: rusqlite::Result<String> = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        match answer {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(unusable(
                    path,
                    format!("SQLite can't keep a write-ahead log there (it says {mode:?}): put it on a local disk"),
                ));
            }
            Err(e) if is_busy(&e) && Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            Err(e) => return Err(opening(path, e)),
        }
    }
}

/// An error while opening: a file that is no registry, a disk that can't be written.
pub(super) fn opening(path: &Path, e: rusqlite::Error) -> RegistryError {
    match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            unusable(path, "it is not a vigie registry: mend the path in the settings")
        }
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            unusable(path, "the file is damaged: put yesterday's copy in its place")
        }
        Some(
            rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::PermissionDenied,
        ) => unusable(path, format!("it can't be written: {e}")),
        _ => store(e),
    }
}

pub(super) fn is_busy(e: &rusqlite::Error) -> bool {
    matches!(
        e.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
    )
}

/// All rows of a query, read one by one.
pub(super) fn select_rows<T>(
    conn: &Connection,
    sql: &str,
    params: &[&dyn rusqlite::ToSql],
    read: impl Fn(&rusqlite::Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = conn.prepare_cached(sql).map_err(store)?;
    let mut rows = statement.query(params).map_err(store)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(store)? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Refuses while a job that isn't over works on the row that `column` of the jobs names.
pub(super) fn refuse_open_job(
    conn: &Connection,
    column: &'static str,
    id: i64,
    what: impl FnOnce() -> String,
) -> Result<()> {
    let open: Option<i64> = conn
        .prepare_cached(&format!(
            "SELECT id FROM saas_job WHERE {column} = ?1 AND state IN ('queued', 'running', 'undoing')
             ORDER BY id LIMIT 1"
        ))
        .and_then(|mut s| s.query_row([id], |row| row.get(0)).optional())
        .map_err(store)?;
    match open {
        None => Ok(()),
        Some(job) => Err(RegistryError::Reserved {
            what: what(),
            job: crate::domain::JobId(job),
        }),
    }
}

/// A failure of the store itself.
pub(super) fn store(e: rusqlite::Error) -> RegistryError {
    let transient = is_busy(&e) || e.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted);
    let what = match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => "the disk is full: free some space, nothing was changed".to_owned(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            "another process keeps it busy".to_owned()
        }
        _ => e.to_string(),
    };
    RegistryError::Store { what, transient }
}

/// A stored value that this program can't read: the row was not written by it.
pub(super) fn unreadable(what: &str, e: impl std::fmt::Display) -> RegistryError {
    RegistryError::Store {
        what: format!("{what} can't be read: {e}"),
        transient: false,
    }
}

/// The message of a violated constraint, such as `UNIQUE constraint failed: saas_server.code`.
pub(super) fn violated(e: &rusqlite::Error) -> Option<&str> {
    match e {
        rusqlite::Error::SqliteFailure(
            ffi::Error {
                code: ffi::ErrorCode::ConstraintViolation,
                ..
            },
            Some(message),
        ) => Some(message),
        _ => None,
    }
}

/// A time as it is stored: UTC, cut to six decimals (PostgreSQL keeps no more), so that text sorts as
/// time does.
pub(super) fn text_of(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// A stored time.
pub(super) fn time_of(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|e| unreadable("a time", e))
}

/// A stored time, where there is one.
pub(super) fn time_opt(text: Option<&str>) -> Result<Option<Timestamp>> {
    text.map(time_of).transpose()
}

/// A value as JSON text.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| unreadable("a value to be stored", e))
}

/// A value from JSON text.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| unreadable(what, e))
}

/// A value whose stored form is one word, such as a state.
pub(super) fn from_word<T: serde::de::DeserializeOwned>(what: &str, word: String) -> Result<T> {
    serde_json::from_value(Value::String(word)).map_err(|e| unreadable(what, e))
}

/// Carries an attempt out in one transaction with its audit row; a retry of one that was applied
/// gets what `again` reads; a refusal is written down in a transaction of its own.
pub(super) fn mutate<T>(
    conn: &mut Connection,
    attempt: &Attempt<'_>,
    apply: impl FnOnce(&Connection) -> Result<(T, Done)>,
    again: impl FnOnce(&Connection, i64) -> Result<T>,
) -> Result<T> {
    let outcome = begin(conn).and_then(|tx| {
        if let Some(id) = applied(&tx, attempt)? {
            return again(&tx, id);
        }
        let (value, done) = apply(&tx)?;
        tx.prepare_cached(
            "INSERT INTO saas_operation (op_id, action, subject, outcome, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut s| {
            s.execute((
                &attempt.op.id,
                attempt.action,
                &attempt.subject,
                done.id,
                text_of(attempt.op.at),
            ))
        })
        .map_err(store)?;
        if done.from.is_some() || done.to.is_some() {
            audit(&tx, attempt.op, attempt.action, &done, None)?;
        }
        tx.commit().map_err(store)?;
        Ok(value)
    });
    if let Err(why) = &outcome {
        let refused = !matches!(
            why,
            RegistryError::Store { .. } | RegistryError::Unusable { .. } | RegistryError::NewerSchema { .. }
        );
        if refused {
            refuse(conn, attempt, &why.to_string());
        }
    }
    outcome
}

fn applied(tx: &Connection, attempt: &Attempt<'_>) -> Result<Option<i64>> {
    tx.prepare_cached("SELECT outcome FROM saas_operation WHERE op_id = ?1 AND action = ?2 AND subject = ?3")
        .and_then(|mut s| {
            s.query_row((&attempt.op.id, attempt.action, &attempt.subject), |row| row.get(0))
                .optional()
        })
        .map_err(store)
}

/// Writes a refusal down. Best effort: the refusal itself is the answer, whether or not this works.
fn refuse(conn: &mut Connection, attempt: &Attempt<'_>, why: &str) {
    let done = Done {
        id: 0,
        object: attempt.object.clone(),
        label: attempt.label.clone(),
        from: None,
        to: None,
    };
    let written = begin(conn).and_then(|tx| {
        audit(&tx, attempt.op, attempt.action, &done, Some(why))?;
        tx.commit().map_err(store)
    });
    if let Err(e) = written {
        tracing::warn!(action = attempt.action, "a refusal could not be audited: {e}");
    }
}

/// Writes an audit row.
pub(super) fn audit(tx: &Connection, op: &Op, action: &str, done: &Done, refused: Option<&str>) -> Result<()> {
    let side = |value: &Option<Value>| value.clone().map(|v| json(&masked(v))).transpose();
    let to = with_reason(done.to.clone(), op.reason.as_deref());
    let (from, to) = (side(&done.from)?, side(&to)?);
    let Actor { os_user, host, via } = &op.actor;
    super::audit::append(
        tx,
        &super::audit::New {
            at: op.at,
            op_id: &op.id,
            os_user,
            host,
            via,
            action,
            object: &done.object,
            label: &done.label,
            from: from.as_deref(),
            to: to.as_deref(),
            refused,
        },
    )
}

/// A write transaction from its first statement on, so that it never has to give up midway.
///
/// SQLite's own waiting soon asks only every 100 ms, and between two processes that write without a pause it then
/// hardly ever meets the moment in which nobody does. This asks every few milliseconds, for as long.
pub(super) fn begin(conn: &mut Connection) -> Result<Transaction<'_>> {
    let conn: &Connection = conn;
    let began = Instant::now();
    conn.busy_timeout(Duration::ZERO).map_err(store)?;
    let begun = loop {
        match Transaction::new_unchecked(conn, TransactionBehavior::Immediate) {
            Err(e) if is_busy(&e) && began.elapsed() < BUSY => {
                // Not in step with whoever writes.
                let uneven = began.elapsed().subsec_nanos() % 3_000_000;
                std::thread::sleep(Duration::from_millis(1) + Duration::from_nanos(uneven.into()));
            }
            answer => break answer,
        }
    };
    conn.busy_timeout(BUSY).map_err(store)?;
    begun.map_err(store)
}

/// Refuses a row that changed since it was read, with what was done to it meanwhile.
pub(super) fn same_version(
    tx: &Connection,
    what: &'static str,
    object: &str,
    key: &str,
    found: i64,
    expected: i64,
) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let rows = (found - expected).clamp(1, 5);
    let mut statement = tx
        .prepare_cached(
            "SELECT action, os_user, from_values, to_values FROM saas_audit
             WHERE object = ?1 AND refused IS NULL ORDER BY id DESC LIMIT ?2",
        )
        .map_err(store)?;
    let said = statement
        .query_map((object, rows), |row| {
            let (action, user): (String, String) = (row.get(0)?, row.get(1)?);
            let (from, to): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
            Ok(format!("{action} by {user}{}", fields(from.as_deref(), to.as_deref())))
        })
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(store)?;
    let difference = if said.is_empty() {
        format!("it has version {found}, version {expected} was read")
    } else {
        said.join("; ")
    };
    Err(RegistryError::Changed {
        what,
        key: key.to_owned(),
        difference,
    })
}

/// The changed fields of an audit row as an operator reads them: ` (max_instances 50 → 40)`.
fn fields(from: Option<&str>, to: Option<&str>) -> String {
    let read = |text: Option<&str>| {
        text.and_then(|t| serde_json::from_str::<Value>(t).ok())
            .unwrap_or(Value::Null)
    };
    let (from, to) = (read(from), read(to));
    let Value::Object(to) = to else { return String::new() };
    let parts: Vec<String> = to
        .iter()
        .map(|(key, value)| match from.get(key) {
            Some(old) => format!("{key} {old} → {value}"),
            None => format!("{key} {value}"),
        })
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}
