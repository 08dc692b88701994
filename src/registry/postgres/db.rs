//! Transactions, and what every statement needs: a deadline, errors as the registry's, columns as the
//! domain's types, and one way to mutate, with its audit row and the memory of its operation.
//!
//! Nothing here keeps state in a session, so that a pooler may stand between: statements go by
//! `query_typed`, settings by `SET LOCAL`, locks last as long as their transaction.

pub(super) use super::columns::{
    from_json, from_json_opt, from_word, get, int, int_opt, json, parsed, parsed_opt, unreadable, word_of,
};
use super::fault::Fault;
use super::pool::Store;
use crate::domain::JobId;
use crate::domain::audit::Actor;
pub(super) use crate::registry::values::{Attempt, Done, difference, masked, with_reason};
use crate::registry::{Op, RegistryError, Result, stored_time};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// How long any one call may take, its tries and its place in the pool's queue included.
pub(super) const LIMIT: Duration = Duration::from_secs(15);
/// How long one statement may.
const STATEMENT: Duration = Duration::from_secs(10);

/// A statement's parameter with its type: without a prepared statement, which a pooler would lose.
#[derive(Debug, Clone)]
pub(super) enum Arg<'a> {
    /// `bigint`; goes into smaller columns too.
    Int(Option<i64>),
    /// `boolean`.
    Bool(bool),
    /// `text`.
    Text(Option<std::borrow::Cow<'a, str>>),
    /// `timestamptz`, cut to microseconds.
    Time(Option<Timestamp>),
    /// `jsonb`.
    Json(Option<Value>),
    /// `json`, kept letter by letter.
    Letters(Option<Value>),
    /// `bigint[]`.
    Ints(Vec<i64>),
    /// `text[]`.
    Texts(Vec<String>),
}

impl Arg<'_> {
    fn kind(&self) -> Type {
        match self {
            Self::Int(_) => Type::INT8,
            Self::Bool(_) => Type::BOOL,
            Self::Text(_) => Type::TEXT,
            Self::Time(_) => Type::TIMESTAMPTZ,
            Self::Json(_) => Type::JSONB,
            Self::Letters(_) => Type::JSON,
            Self::Ints(_) => Type::INT8_ARRAY,
            Self::Texts(_) => Type::TEXT_ARRAY,
        }
    }

    fn value(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Int(v) => v,
            Self::Bool(v) => v,
            Self::Text(v) => v,
            Self::Time(v) => v,
            Self::Json(v) | Self::Letters(v) => v,
            Self::Ints(v) => v,
            Self::Texts(v) => v,
        }
    }
}

macro_rules! arg {
    ($($from:ty => $value:ident $make:expr;)*) => {$(
        impl<'a> From<$from> for Arg<'a> {
            fn from($value: $from) -> Self {
                $make
            }
        }
    )*};
}
arg! {
    i64 => v Self::Int(Some(v));
    Option<i64> => v Self::Int(v);
    u32 => v Self::Int(Some(i64::from(v)));
    Option<u32> => v Self::Int(v.map(i64::from));
    Option<u16> => v Self::Int(v.map(i64::from));
    u64 => v Self::Int(Some(i64::try_from(v).unwrap_or(i64::MAX)));
    Option<u64> => v Self::Int(v.map(|v| i64::try_from(v).unwrap_or(i64::MAX)));
    usize => v Self::Int(Some(i64::try_from(v).unwrap_or(i64::MAX)));
    Option<usize> => v Self::Int(v.map(|v| i64::try_from(v).unwrap_or(i64::MAX)));
    bool => v Self::Bool(v);
    &'a str => v Self::Text(Some(v.into()));
    Option<&'a str> => v Self::Text(v.map(Into::into));
    &'a String => v Self::Text(Some(v.as_str().into()));
    String => v Self::Text(Some(v.into()));
    Option<String> => v Self::Text(v.map(Into::into));
    Timestamp => v Self::Time(Some(stored_time(v)));
    Option<Timestamp> => v Self::Time(v.map(stored_time));
    Value => v Self::Json(Some(v));
    Option<Value> => v Self::Json(v);
    Vec<i64> => v Self::Ints(v);
    Vec<String> => v Self::Texts(v);
}

/// A statement's parameters: `args![id.0, name.as_str()]`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$(super::db::Arg::from($value)),*] };
}
pub(super) use args;

/// What a transaction's closure gives back.
pub(super) type Work<'a, T> = BoxFuture<'a, Result<T>>;

/// One transaction on a pooled connection (or, for plain reads, the connection without one). Dropped
/// before its end, its connection is closed, not given back: what ran on it is rolled back by the server.
///
/// `'w` outlives everything that a closure may borrow: `|tx| Box::pin(async move { … })`.
pub(super) struct Tx<'w> {
    pub(super) session: super::pool::Session,
    pub(super) end: Instant,
    /// What failed first, whatever its caller made of it: after it PostgreSQL takes nothing more of this
    /// transaction, and answers its COMMIT by rolling it back without a word.
    pub(super) failed: Mutex<Option<Fault>>,
    /// Whether the role one is connected as may read secrets' columns.
    pub(super) secrets: bool,
    pub(super) borrowed: PhantomData<&'w ()>,
}

impl Tx<'_> {
    /// All rows of a statement.
    pub(super) async fn rows(&self, sql: &str, args: &[Arg<'_>]) -> std::result::Result<Vec<Row>, Fault> {
        let typed: Vec<(&(dyn ToSql + Sync), Type)> = args.iter().map(|a| (a.value(), a.kind())).collect();
        let client = self.session.client()?;
        let outcome = self.session.wait(self.limit(), client.query_typed(sql, &typed)).await;
        self.noted(outcome)
    }

    /// Its first row.
    pub(super) async fn row(&self, sql: &str, args: &[Arg<'_>]) -> std::result::Result<Option<Row>, Fault> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// How many rows it touched.
    pub(super) async fn exec(&self, sql: &str, args: &[Arg<'_>]) -> std::result::Result<u64, Fault> {
        let typed: Vec<(&(dyn ToSql + Sync), Type)> = args.iter().map(|a| (a.value(), a.kind())).collect();
        let client = self.session.client()?;
        let outcome = self.session.wait(self.limit(), client.execute_typed(sql, &typed)).await;
        self.noted(outcome)
    }

    /// Statements without parameters, all at once.
    pub(super) async fn batch(&self, sql: &str) -> std::result::Result<(), Fault> {
        let outcome = self.session.batch(self.limit(), sql).await;
        self.noted(outcome)
    }

    fn limit(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now()).min(STATEMENT)
    }

    fn noted<T>(&self, outcome: std::result::Result<T, Fault>) -> std::result::Result<T, Fault> {
        if let Err(fault) = &outcome
            && let Ok(mut failed) = self.failed.lock()
        {
            failed.get_or_insert_with(|| fault.clone());
        }
        outcome
    }
}

/// Carries an attempt out in one transaction with its audit row. `apply` may run several times: after a
/// serialization failure, a deadlock, or a connection lost at any point; one that was applied after all
/// is recognised by its operation, and gets what `again` reads. A refusal is written down in a
/// transaction of its own.
///
/// Rows are read under READ COMMITTED: `apply` locks what it decides on (`… FOR NO KEY UPDATE`), servers before
/// templates before instances before jobs.
pub(super) async fn mutate<'w, T, A, G>(store: &Store, attempt: &'w Attempt<'w>, apply: A, again: G) -> Result<T>
where
    T: Send,
    A: for<'a> Fn(&'a Tx<'w>) -> Work<'a, (T, Done)> + Send + Sync + 'w,
    G: for<'a> Fn(&'a Tx<'w>, i64) -> Work<'a, T> + Send + Sync + 'w,
{
    let (apply, again) = (Arc::new(apply), Arc::new(again));
    // Held to the transaction's end, so that a second try sees what became of the first one.
    let lock = lock_of(&[&attempt.op.id, attempt.action, &attempt.subject]);
    let outcome = store
        .transaction(super::pool::Begin::Repeatable(lock), |tx: &Tx<'w>| {
            let (apply, again) = (Arc::clone(&apply), Arc::clone(&again));
            Box::pin(async move {
                if let Some(id) = applied(tx, attempt).await? {
                    return again(tx, id).await;
                }
                let (value, done) = apply(tx).await?;
                tx.exec(
                    "INSERT INTO saas_operation (op_id, action, subject, outcome, at) VALUES ($1, $2, $3, $4, $5)",
                    args![&attempt.op.id, attempt.action, &attempt.subject, done.id, attempt.op.at],
                )
                .await?;
                if done.from.is_some() || done.to.is_some() {
                    audit(tx, attempt.op, attempt.action, &done, None).await?;
                }
                Ok(value)
            })
        })
        .await;
    if let Err(why) = &outcome {
        let refused = !matches!(
            why,
            RegistryError::Store { .. } | RegistryError::Unusable { .. } | RegistryError::NewerSchema { .. }
        );
        if refused {
            refuse(store, attempt, &why.to_string()).await;
        }
    }
    outcome
}

/// A number for a transaction's advisory lock (FNV-1a).
pub(super) fn lock_of(words: &[&str]) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in words {
        for byte in word.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash.cast_signed()
}

async fn applied(tx: &Tx<'_>, attempt: &Attempt<'_>) -> Result<Option<i64>> {
    let row = tx
        .row(
            "SELECT outcome FROM saas_operation WHERE op_id = $1 AND action = $2 AND subject = $3",
            args![&attempt.op.id, attempt.action, &attempt.subject],
        )
        .await?;
    row.map(|r| int(&r, "outcome")).transpose()
}

/// Writes a refusal down. Best effort: the refusal itself is the answer, whether or not this works.
async fn refuse(store: &Store, attempt: &Attempt<'_>, why: &str) {
    let done = &Done {
        id: 0,
        object: attempt.object.clone(),
        label: attempt.label.clone(),
        from: None,
        to: None,
    };
    let written = store
        .write(|tx| Box::pin(async move { audit(tx, attempt.op, attempt.action, done, Some(why)).await }))
        .await;
    if let Err(e) = written {
        tracing::warn!(action = attempt.action, "a refusal could not be audited: {e}");
    }
}

/// Writes an audit row.
pub(super) async fn audit(tx: &Tx<'_>, op: &Op, action: &str, done: &Done, refused: Option<&str>) -> Result<()> {
    let Actor { os_user, host, via } = &op.actor;
    let side = |value: &Option<Value>| Arg::Letters(value.clone().map(masked));
    tx.exec(
        "INSERT INTO saas_audit (at, op_id, os_user, host, via, action, object, label, from_values, to_values, refused)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        args![
            op.at,
            &op.id,
            os_user,
            host,
            via,
            action,
            &done.object,
            &done.label,
            side(&done.from),
            side(&with_reason(done.to.clone(), op.reason.as_deref())),
            refused
        ],
    )
    .await?;
    Ok(())
}

/// Refuses while a job that isn't over works on the row that `column` of the jobs names.
pub(super) async fn refuse_open_job(
    tx: &Tx<'_>,
    column: &'static str,
    id: i64,
    what: impl FnOnce() -> String + Send,
) -> Result<()> {
    let sql = format!(
        "SELECT id FROM saas_job WHERE {column} = $1 AND state IN ('queued', 'running', 'undoing') ORDER BY id LIMIT 1"
    );
    match tx.row(&sql, args![id]).await? {
        None => Ok(()),
        Some(row) => Err(RegistryError::Reserved {
            what: what(),
            job: JobId(int(&row, "id")?),
        }),
    }
}

/// Refuses a row that changed since it was read, with what was done to it meanwhile.
pub(super) async fn same_version(
    tx: &Tx<'_>,
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
    let said = tx
        .rows(
            "SELECT action, os_user, from_values, to_values FROM saas_audit
             WHERE object = $1 AND refused IS NULL ORDER BY id DESC LIMIT $2",
            args![object, rows],
        )
        .await?
        .iter()
        .map(|row| {
            let (action, user): (String, String) = (get(row, "action")?, get(row, "os_user")?);
            let (from, to): (Option<Value>, Option<Value>) = (get(row, "from_values")?, get(row, "to_values")?);
            Ok(format!("{action} by {user}{}", fields(from, to)))
        })
        .collect::<Result<Vec<_>>>()?;
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
fn fields(from: Option<Value>, to: Option<Value>) -> String {
    let from = from.unwrap_or(Value::Null);
    let Some(Value::Object(to)) = to else {
        return String::new();
    };
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
