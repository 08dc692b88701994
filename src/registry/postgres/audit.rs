//! The audit: read by filters, and looked through as a whole. Its rows get their place in the chain,
//! and the role that wrote them, in the database itself (`audit.sql`).

use super::db::{Arg, Done, Tx, args, get, int, unreadable};
use super::pool::Store;
use crate::domain::audit::{Actor, Anchor, AuditEntry, AuditFilter, Chain, Row, Verdict};
use crate::registry::{Op, RegistryError, Result};
use tokio_postgres::Row as Record;

/// Rows that one call of a verification reads.
const PART: usize = 5_000;

/// Writes down an attempt that was refused above the registry.
pub(super) async fn refused(store: &Store, op: &Op, action: &str, object: &str, label: &str, why: &str) -> Result<()> {
    let done = &Done {
        id: 0,
        object: object.to_owned(),
        label: label.to_owned(),
        from: None,
        to: None,
    };
    store
        .write(|tx| Box::pin(async move { super::db::audit(tx, op, action, done, Some(why)).await }))
        .await
}

/// Writes down what is done beside the registry.
pub(super) async fn noted(
    store: &Store,
    op: &Op,
    action: &str,
    (object, label): (&str, &str),
    what: serde_json::Value,
) -> Result<()> {
    let done = &Done {
        id: 0,
        object: object.to_owned(),
        label: label.to_owned(),
        from: None,
        to: Some(what),
    };
    store
        .write(|tx| Box::pin(async move { super::db::audit(tx, op, action, done, None).await }))
        .await
}

/// A value of an audit row, from its text.
fn side(row: &Record, column: &str) -> Result<Option<serde_json::Value>> {
    let text: Option<&str> = get(row, column)?;
    text.map(|t| serde_json::from_str(t).map_err(|e| unreadable("an audit row", e)))
        .transpose()
}

fn read(row: &Record) -> Result<AuditEntry> {
    Ok(AuditEntry {
        id: int(row, "id")?,
        at: get(row, "at")?,
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
        from: side(row, "from_text")?,
        to: side(row, "to_text")?,
        refused: get(row, "refused")?,
        hash: get(row, "hash")?,
    })
}

/// The rows that pass, the newest first.
pub(super) async fn filtered(tx: &Tx<'_>, filter: &AuditFilter) -> Result<Vec<AuditEntry>> {
    let mut conditions: Vec<String> = Vec::new();
    let mut params: Vec<Arg<'_>> = Vec::new();
    {
        let mut add = |condition: &str, value: Option<Arg<'static>>| {
            if let Some(value) = value {
                params.push(value);
                conditions.push(condition.replace('?', &format!("${}", params.len())));
            }
        };
        let text = |t: &Option<String>| t.clone().map(Arg::from);
        add("at >= ?", filter.since.map(Arg::from));
        add("at < ?", filter.until.map(Arg::from));
        add("id < ?", filter.before.map(Arg::from));
        add("id > ?", filter.after.map(Arg::from));
        add("(os_user = ? OR db_role = ?)", text(&filter.who));
        add("host = ?", text(&filter.host));
        add("via = ?", text(&filter.via));
        add("starts_with(action, ?)", text(&filter.action));
        add("object = ?", text(&filter.object));
        // Letters beyond ASCII are compared as they are, as on the embedded registry.
        add(
            "strpos(lower(concat_ws(E'\\n', os_user, db_role, host, via, action, object, label, from_values, to_values,
                 refused) COLLATE \"C\"), lower(? COLLATE \"C\")) > 0",
            text(&filter.text),
        );
        params.push(filter.limit().into());
    }
    if filter.refused {
        conditions.push("refused IS NOT NULL".to_owned());
    }
    let conditions = if conditions.is_empty() {
        String::new()
    } else {
        format!("WHERE {} ", conditions.join(" AND "))
    };
    let sql = format!(
        "SELECT id, at, op_id, db_role, os_user, host, via, action, object, label, from_values::text AS from_text,
             to_values::text AS to_text, refused, hash
         FROM saas_audit {conditions}ORDER BY id DESC LIMIT ${}",
        params.len()
    );
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// The newest row, as an anchor of it.
pub(super) async fn head(tx: &Tx<'_>) -> Result<Option<Anchor>> {
    let row = tx
        .row("SELECT id, hash, at FROM saas_audit ORDER BY id DESC LIMIT 1", args![])
        .await?;
    row.map(|row| {
        Ok(Anchor {
            id: int(&row, "id")?,
            hash: get(&row, "hash")?,
            at: get(&row, "at")?,
        })
    })
    .transpose()
}

/// Looks through all rows, in parts, so that a long audit has the time it needs.
pub(super) async fn verify(store: &Store, anchors: &[Anchor]) -> Result<Verdict> {
    let mut chain = Chain::new(anchors);
    loop {
        let so_far = &chain;
        let (read, head) = store.snapshot(|tx| Box::pin(part(tx, so_far.clone()))).await?;
        if let Some(head) = head {
            return Ok(read.finish(head.known.as_ref().map(|(id, hash)| (*id, hash.as_str()))));
        }
        chain = read;
    }
}

/// What the registry noted of its newest row.
struct Head {
    known: Option<(i64, String)>,
}

/// Takes the next part; at the end, or where the chain breaks, also the note of the newest row, of the
/// same moment.
async fn part(tx: &Tx<'_>, mut chain: Chain) -> Result<(Chain, Option<Head>)> {
    // From the very first on, also where no row of ours has its number.
    let (from, after) = match chain.last() {
        0 => ("id >= $1", i64::MIN),
        last => ("id > $1", last),
    };
    let sql = format!(
        "SELECT id, CASE WHEN isfinite(at) THEN (extract(epoch FROM at) * 1000000)::bigint END AS at_us, op_id, db_role, os_user, host, via, action,
             object, label, from_values::text AS from_text, to_values::text AS to_text, refused, hash
         FROM saas_audit WHERE {from} ORDER BY id LIMIT $2"
    );
    let rows = tx.rows(&sql, args![after, PART]).await?;
    for record in &rows {
        let id = int(record, "id")?;
        match raw(record, id) {
            Ok((row, hash)) => chain.take(&row, hash),
            Err(why) => chain.take_unreadable(id, why),
        }
        if chain.is_broken() {
            break;
        }
    }
    if rows.len() == PART && !chain.is_broken() {
        return Ok((chain, None));
    }
    let known = tx
        .row("SELECT last_id, hash FROM saas_audit_head WHERE id = 1", args![])
        .await?
        .map(|row| Ok::<_, RegistryError>((int(&row, "last_id")?, get(&row, "hash")?)))
        .transpose()?;
    Ok((chain, Some(Head { known })))
}

/// A row as it is stored.
fn raw(record: &Record, id: i64) -> Result<(Row<'_>, &str)> {
    let row = Row {
        id,
        at: int(record, "at_us")?,
        op_id: get(record, "op_id")?,
        db_role: get(record, "db_role")?,
        os_user: get(record, "os_user")?,
        host: get(record, "host")?,
        via: get(record, "via")?,
        action: get(record, "action")?,
        object: get(record, "object")?,
        label: get(record, "label")?,
        from: get(record, "from_text")?,
        to: get(record, "to_text")?,
        refused: get(record, "refused")?,
    };
    Ok((row, get(record, "hash")?))
}
