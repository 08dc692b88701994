//! The audit: rows added to the chain, read by filters, and looked through as a whole.

use super::db::{Done, begin, from_json, select_rows, store, text_of, time_of, unreadable};
use super::servers::get;
use crate::domain::audit::chain::BEGINNING;
use crate::domain::audit::{Actor, Anchor, AuditEntry, AuditFilter, Chain, Row};
use crate::registry::{Op, Result};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

/// Rows that one call of a verification reads.
const PART: usize = 20_000;

/// A row to be added.
pub(super) struct New<'a> {
    pub(super) at: Timestamp,
    pub(super) op_id: &'a str,
    pub(super) os_user: &'a str,
    pub(super) host: &'a str,
    pub(super) via: &'a str,
    pub(super) action: &'a str,
    pub(super) object: &'a str,
    pub(super) label: &'a str,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
    pub(super) refused: Option<&'a str>,
}

/// The number and hash of the newest row, as the registry noted them.
fn noted(conn: &Connection) -> Result<Option<(i64, String)>> {
    conn.prepare_cached("SELECT last_id, hash FROM saas_audit_head WHERE id = 1")
        .and_then(|mut s| s.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(store)
}

/// Adds a row behind the newest. In a write transaction: nobody else adds one meanwhile.
pub(super) fn append(tx: &Connection, new: &New<'_>) -> Result<()> {
    let Some((last, previous)) = noted(tx)? else {
        return Err(unreadable("the audit's newest row", "the registry has no note of it"));
    };
    let row = Row {
        id: last + 1,
        at: new.at.as_microsecond(),
        op_id: new.op_id,
        db_role: None,
        os_user: new.os_user,
        host: new.host,
        via: new.via,
        action: new.action,
        object: new.object,
        label: new.label,
        from: new.from,
        to: new.to,
        refused: new.refused,
    };
    tx.prepare_cached(
        "INSERT INTO saas_audit (id, at, op_id, os_user, host, via, action, object, label, from_values, to_values,
             refused, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )
    .and_then(|mut s| {
        s.execute(rusqlite::params![
            row.id,
            text_of(new.at),
            row.op_id,
            row.os_user,
            row.host,
            row.via,
            row.action,
            row.object,
            row.label,
            row.from,
            row.to,
            row.refused,
            row.hash(&previous)
        ])
    })
    .map(|_| ())
    .map_err(store)
}

/// Writes down an attempt that was refused above the registry.
pub(super) fn refused(
    conn: &mut Connection,
    op: &Op,
    action: &str,
    object: &str,
    label: &str,
    why: &str,
) -> Result<()> {
    let tx = begin(conn)?;
    let done = Done {
        id: 0,
        object: object.to_owned(),
        label: label.to_owned(),
        from: None,
        to: None,
    };
    super::db::audit(&tx, op, action, &done, Some(why))?;
    tx.commit().map_err(store)
}

/// Writes down what is done beside the registry.
pub(super) fn deed_noted(
    conn: &mut Connection,
    op: &Op,
    action: &str,
    (object, label): (&str, &str),
    what: serde_json::Value,
) -> Result<()> {
    let tx = begin(conn)?;
    let done = Done {
        id: 0,
        object: object.to_owned(),
        label: label.to_owned(),
        from: None,
        to: Some(what),
    };
    super::db::audit(&tx, op, action, &done, None)?;
    tx.commit().map_err(store)
}

fn read(row: &rusqlite::Row<'_>) -> Result<AuditEntry> {
    let side = |column: &str| -> Result<Option<serde_json::Value>> {
        get::<Option<String>>(row, column)?
            .map(|t| from_json("an audit row", &t))
            .transpose()
    };
    Ok(AuditEntry {
        id: get(row, "id")?,
        at: time_of(&get::<String>(row, "at")?)?,
        op_id: get(row, "op_id")?,
        db_role: get(row, "db_role")?,
        actor: Actor {
            os_user: get(row, "os_user")?,
            host: get(row, "host")?,
            via: get(row, "via")?,
        },
        action: get(row, "action")?,
        object: get(row, "object")?,
        label: get(row, "label")?,
        from: side("from_values")?,
        to: side("to_values")?,
        refused: get(row, "refused")?,
        hash: get(row, "hash")?,
    })
}

/// The rows that pass, the newest first.
pub(super) fn filtered(conn: &Connection, filter: &AuditFilter) -> Result<Vec<AuditEntry>> {
    let mut conditions: Vec<String> = Vec::new();
    let mut params: Vec<Box<dyn rusqlite::ToSql>> = Vec::new();
    let mut add = |condition: &str, value: Option<Box<dyn rusqlite::ToSql>>| {
        if let Some(value) = value {
            params.push(value);
            conditions.push(condition.replace('?', &format!("?{}", params.len())));
        }
    };
    let text = |t: &Option<String>| t.clone().map(|t| Box::new(t) as Box<dyn rusqlite::ToSql>);
    let time = |t: Option<Timestamp>| t.map(|t| Box::new(text_of(t)) as Box<dyn rusqlite::ToSql>);
    let number = |n: Option<i64>| n.map(|n| Box::new(n) as Box<dyn rusqlite::ToSql>);
    add("at >= ?", time(filter.since));
    add("at < ?", time(filter.until));
    add("id < ?", number(filter.before));
    add("id > ?", number(filter.after));
    add("(os_user = ? OR db_role = ?)", text(&filter.who));
    add("host = ?", text(&filter.host));
    add("via = ?", text(&filter.via));
    add("substr(action, 1, length(?)) = ?", text(&filter.action));
    add("object = ?", text(&filter.object));
    add(
        "instr(lower(concat_ws(char(10), os_user, db_role, host, via, action, object, label, from_values, to_values, refused)),
             lower(?)) > 0",
        text(&filter.text),
    );
    if filter.refused {
        conditions.push("refused IS NOT NULL".to_owned());
    }
    params.push(Box::new(i64::try_from(filter.limit()).unwrap_or(i64::MAX)));
    let conditions = if conditions.is_empty() {
        String::new()
    } else {
        format!("WHERE {} ", conditions.join(" AND "))
    };
    let params: Vec<&dyn rusqlite::ToSql> = params.iter().map(AsRef::as_ref).collect();
    let sql = format!(
        "SELECT * FROM saas_audit {conditions}ORDER BY id DESC LIMIT ?{}",
        params.len()
    );
    select_rows(conn, &sql, &params, read)
}

/// The newest row, as an anchor of it.
pub(super) fn head(conn: &Connection) -> Result<Option<Anchor>> {
    let found = select_rows(
        conn,
        "SELECT id, hash, at FROM saas_audit ORDER BY id DESC LIMIT 1",
        &[],
        |row| {
            Ok(Anchor {
                id: get(row, "id")?,
                hash: get(row, "hash")?,
                at: time_of(&get::<String>(row, "at")?)?,
            })
        },
    );
    Ok(found?.pop())
}

const COLUMNS: &str =
    "id, at, op_id, db_role, os_user, host, via, action, object, label, from_values, to_values, refused, hash";

/// Hands every row after `after` (all: `None`) to `each` with its stored hash, at most `limit`; what can't be read
/// is handed over with why. The answer is how many there were.
fn walk(
    conn: &Connection,
    after: Option<i64>,
    limit: usize,
    mut each: impl FnMut(i64, std::result::Result<(Row<'_>, &str), String>) -> Result<bool>,
) -> Result<usize> {
    // From the very first on, also where no row of ours has its number.
    let from = if after.is_some() { "id > ?1" } else { "id >= ?1" };
    let after = after.unwrap_or(i64::MIN);
    let mut statement = conn
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM saas_audit WHERE {from} ORDER BY id LIMIT ?2"
        ))
        .map_err(store)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query((after, limit)).map_err(store)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(store)? {
        count += 1;
        let id = row.get(0).map_err(store)?;
        if !each(id, raw(row, id))? {
            break;
        }
    }
    Ok(count)
}

/// A row as it is stored.
fn raw<'a>(row: &'a rusqlite::Row<'_>, id: i64) -> std::result::Result<(Row<'a>, &'a str), String> {
    let maybe = |at: usize| -> std::result::Result<Option<&'a str>, String> {
        row.get_ref(at)
            .map_err(|e| e.to_string())?
            .as_str_or_null()
            .map_err(|_| "a column holds no text".to_owned())
    };
    let text = |at: usize| maybe(at)?.ok_or_else(|| "a column is empty that never is".to_owned());
    let stored = text(1)?;
    let at = time_of(stored).map_err(|_| "its time is none".to_owned())?;
    if text_of(at) != stored {
        return Err("its time is written otherwise".to_owned());
    }
    let row = Row {
        id,
        at: at.as_microsecond(),
        op_id: text(2)?,
        db_role: maybe(3)?,
        os_user: text(4)?,
        host: text(5)?,
        via: text(6)?,
        action: text(7)?,
        object: text(8)?,
        label: text(9)?,
        from: maybe(10)?,
        to: maybe(11)?,
        refused: maybe(12)?,
    };
    Ok((row, text(13)?))
}

/// Takes the next part of the audit; at its end, or where the chain breaks, also what the registry
/// noted of its newest row, of the same moment.
#[expect(
    clippy::type_complexity,
    reason = "the end, and at the end a note that may be missing"
)]
pub(super) fn verify_part(conn: &Connection, mut chain: Chain) -> Result<(Chain, Option<Option<(i64, String)>>)> {
    let tx = conn.unchecked_transaction().map_err(store)?;
    let read = walk(&tx, (chain.last() > 0).then(|| chain.last()), PART, |id, row| {
        match row {
            Ok((row, hash)) => chain.take(&row, hash),
            Err(why) => chain.take_unreadable(id, why),
        }
        Ok(!chain.is_broken())
    })?;
    let end = if read < PART || chain.is_broken() {
        Some(noted(&tx)?)
    } else {
        None
    };
    Ok((chain, end))
}

/// Chains all rows that are there: for a registry that is brought forward to the chain.
pub(super) fn chain_all(tx: &Connection) -> Result<()> {
    let mut last = None;
    let (mut count, mut hash) = (0, BEGINNING.to_owned());
    loop {
        let mut part: Vec<(i64, i64, String)> = Vec::new();
        let read = walk(tx, last, PART, |id, row| {
            let (row, _) = row.map_err(|why| unreadable(&format!("row {id} of the audit"), why))?;
            // Numbered without gaps, as the chain is.
            count += 1;
            hash = Row { id: count, ..row }.hash(&hash);
            part.push((id, count, hash.clone()));
            Ok(true)
        })?;
        let mut update = tx
            .prepare_cached("UPDATE saas_audit SET id = ?2, hash = ?3 WHERE id = ?1")
            .map_err(store)?;
        for row in &part {
            update.execute((row.0, row.1, &row.2)).map_err(store)?;
        }
        last = part.last().map(|(id, ..)| *id);
        if read < PART {
            break;
        }
    }
    tx.execute("UPDATE saas_audit_head SET last_id = ?1, hash = ?2", (count, hash))
        .map(|_| ())
        .map_err(store)
}
