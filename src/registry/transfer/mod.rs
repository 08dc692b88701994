//! Copying a registry from one store to another, nothing lost: page by page, in one transaction on an
//! empty target, and compared row by row before that is committed. Whatever happens midway, the target is
//! as empty as before; the source is held still meanwhile and never written.

mod tables;

pub use tables::{Kind, LEFT, TABLES, Table};

use super::{JobFilter, Op, Registry, RegistryError, Result};
use crate::domain::job::JobState;
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Rows that are read or written at once.
const PAGE: usize = 1_000;
/// Differences that a report names.
const MOST: usize = 5;

/// A row: the declared columns' values in their order, in a form that is the same from every store. Times
/// are text in UTC with six decimals.
pub type Row = Vec<Value>;

/// The highest number that each numbered table has ever given out, where it gave one.
pub type Counters = BTreeMap<String, i64>;

/// One moment of a registry, held still until it is dropped.
#[async_trait]
pub trait Source: Send {
    /// How many rows a table has.
    async fn count(&mut self, table: &'static Table) -> Result<u64>;
    /// The rows behind the key `after`, in the key's order, at most `limit`.
    async fn page(&mut self, table: &'static Table, after: Option<Vec<Value>>, limit: usize) -> Result<Vec<Row>>;
    /// See [`Counters`].
    async fn counters(&mut self) -> Result<Counters>;
}

/// A registry that is being filled, in one transaction; dropped before [`Target::finish`] it is as it was.
/// Nothing but the copied rows is written: counters and changes are not kept by themselves meanwhile.
#[async_trait]
pub trait Target: Source {
    /// Writes rows as they are.
    async fn put(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<()>;
    /// Goes on counting behind these.
    async fn set_counters(&mut self, counters: &Counters) -> Result<()>;
    /// Writes the audit row of the copy, and commits.
    async fn finish(self: Box<Self>, op: &Op, from: &str, rows: u64) -> Result<()>;
}

/// A store that can be copied from and to.
#[async_trait]
pub trait Transfer: Registry {
    /// Holds the registry still, to read it.
    ///
    /// # Errors
    /// When somebody writes to it, or the connected role may not.
    async fn source(&self) -> Result<Box<dyn Source>>;
    /// Begins to fill the registry.
    ///
    /// # Errors
    /// As [`Transfer::source`].
    async fn target(&self) -> Result<Box<dyn Target>>;
}

/// What was copied, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The source.
    pub from: String,
    /// The target.
    pub to: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Rows of each table, in the order of copying.
    pub tables: Vec<Copied>,
    /// Rows in all.
    pub rows: u64,
    /// Jobs that wait: a worker of either registry would run them.
    pub waiting_jobs: u64,
}

/// What became of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Which.
    pub table: &'static str,
    /// How many rows there are.
    pub rows: u64,
    /// How many were read again on both sides and found equal.
    pub compared: u64,
}

/// What [`copy`] would copy. `to`: none where the target is yet to be made; `place` is where.
///
/// # Errors
/// As [`copy`] refuses.
pub async fn look(from: &dyn Transfer, to: Option<&dyn Transfer>, place: &str) -> Result<Report> {
    refuse_busy(from, "the source").await?;
    let mut source = from.source().await?;
    if let Some(to) = to {
        refuse_busy(to, "the target").await?;
        refuse_filled(to.target().await?.as_mut(), place).await?;
    }
    let mut report = Report::begun(from, place, true).await?;
    for table in &TABLES {
        let rows = source.count(table).await?;
        report.add(table, rows);
    }
    Ok(report)
}

/// Copies everything `from` one registry `to` another, which must be empty. `tell` hears of each table
/// as it is begun.
///
/// # Errors
/// Refused while workers or jobs run on either side, and when the target is not empty: nothing is changed
/// then. Whatever fails later leaves the target as empty as it was.
pub async fn copy(
    from: &dyn Transfer,
    to: &dyn Transfer,
    op: &Op,
    tell: &(dyn Fn(&str, &'static str) + Sync),
) -> Result<Report> {
    refuse_busy(from, "the source").await?;
    refuse_busy(to, "the target").await?;
    let mut source = from.source().await?;
    // Once more, now that nobody can begin anything.
    refuse_busy(from, "the source").await?;
    let mut target = to.target().await?;
    refuse_filled(target.as_mut(), &to.place()).await?;
    let mut report = Report::begun(from, &to.place(), false).await?;
    rows(source.as_mut(), target.as_mut(), &mut report, tell).await?;
    target.finish(op, &report.from, report.rows).await?;
    Ok(report)
}

/// Every table there and back: written, then read again on both sides.
async fn rows(
    source: &mut dyn Source,
    target: &mut dyn Target,
    report: &mut Report,
    tell: &(dyn Fn(&str, &'static str) + Sync),
) -> Result<()> {
    for table in &TABLES {
        tell("copying", table.name);
        let rows = fill(source, target, table).await?;
        report.add(table, rows);
    }
    let counters = source.counters().await?;
    target.set_counters(&counters).await?;
    for (table, copied) in TABLES.iter().zip(&mut report.tables) {
        tell("comparing", table.name);
        copied.compared = compare(source, target, table).await?;
        if copied.compared != copied.rows {
            return Err(unequal(format!(
                "{} has {} rows, {} were copied",
                table.name, copied.compared, copied.rows
            )));
        }
    }
    let found = target.counters().await?;
    if found != counters {
        return Err(unequal(format!(
            "the numbers given out differ: {counters:?}, {found:?}"
        )));
    }
    Ok(())
}

impl Report {
    async fn begun(from: &dyn Transfer, to: &str, dry_run: bool) -> Result<Self> {
        Ok(Self {
            from: from.place(),
            to: to.to_owned(),
            dry_run,
            tables: Vec::new(),
            rows: 0,
            waiting_jobs: waiting(from).await?,
        })
    }

    fn add(&mut self, table: &'static Table, rows: u64) {
        self.rows += rows;
        self.tables.push(Copied {
            table: table.name,
            rows,
            compared: 0,
        });
    }
}

/// A worker would change what is being copied, or go on with a job on both sides.
async fn refuse_busy(registry: &dyn Transfer, side: &str) -> Result<()> {
    let alive: Vec<String> = registry
        .workers()
        .await?
        .into_iter()
        .filter(|worker| worker.alive)
        .map(|worker| worker.id)
        .collect();
    if !alive.is_empty() {
        return Err(RegistryError::Rule(format!(
            "{side} ({}) has workers that are alive: {}. Stop them, and set [worker] autostart = false until \
             everybody uses the new registry",
            registry.place(),
            alive.join(", ")
        )));
    }
    let running = JobFilter {
        states: vec![JobState::Running, JobState::Undoing],
        limit: MOST,
        ..JobFilter::default()
    };
    let jobs: Vec<String> = registry
        .jobs(&running)
        .await?
        .iter()
        .map(|job| format!("{} ({})", job.id, job.title))
        .collect();
    if jobs.is_empty() {
        return Ok(());
    }
    Err(RegistryError::Rule(format!(
        "{side} ({}) has jobs that are not over: {}. Let a worker end them, or cancel them",
        registry.place(),
        jobs.join(", ")
    )))
}

async fn waiting(registry: &dyn Transfer) -> Result<u64> {
    let queued = JobFilter {
        states: vec![JobState::Queued],
        limit: usize::MAX >> 1,
        ..JobFilter::default()
    };
    Ok(u64::try_from(registry.jobs(&queued).await?.len()).unwrap_or(u64::MAX))
}

async fn refuse_filled(target: &mut dyn Target, place: &str) -> Result<()> {
    let mut there = Vec::new();
    for table in TABLES.iter().filter(|table| !table.single) {
        let rows = target.count(table).await?;
        if rows > 0 {
            there.push(format!("{rows} in {}", table.name));
        }
    }
    if there.is_empty() {
        return Ok(());
    }
    Err(RegistryError::Rule(format!(
        "the target ({place}) is not empty: {}. Only an empty registry is copied to, so that nothing is overwritten",
        there.join(", ")
    )))
}

fn key_of(table: &Table, row: &Row) -> Vec<Value> {
    table.key_at().iter().filter_map(|at| row.get(*at).cloned()).collect()
}

async fn fill(source: &mut dyn Source, target: &mut dyn Target, table: &'static Table) -> Result<u64> {
    let mut after = None;
    let mut count = 0_u64;
    loop {
        let rows = source.page(table, after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(count) };
        after = Some(key_of(table, last));
        count += u64::try_from(rows.len()).unwrap_or(0);
        target.put(table, rows).await?;
    }
}

/// Reads both sides again, page by page.
async fn compare(source: &mut dyn Source, target: &mut dyn Target, table: &'static Table) -> Result<u64> {
    let mut after: Option<Vec<Value>> = None;
    let mut count = 0_u64;
    loop {
        let here = source.page(table, after.clone(), PAGE).await?;
        let there = target.page(table, after.clone(), PAGE).await?;
        for at in 0..here.len().max(there.len()) {
            let (left, right) = (here.get(at), there.get(at));
            if left != right {
                let key = |row: Option<&Row>| row.map(|row| key_of(table, row));
                let missing = there.iter().all(|row| Some(key_of(table, row)) != key(left));
                return Err(unequal(match (key(left) == key(right), missing) {
                    (true, _) => difference(table, left, right),
                    (false, true) if left.is_some() => difference(table, left, None),
                    _ => difference(table, None, right),
                }));
            }
        }
        let Some(last) = here.last() else { return Ok(count) };
        after = Some(key_of(table, last));
        count += u64::try_from(here.len()).unwrap_or(0);
    }
}

/// Which row and columns; never what is in them: it may be sealed, or long.
fn difference(table: &Table, left: Option<&Row>, right: Option<&Row>) -> String {
    let row = left.or(right).map(|row| key_of(table, row)).unwrap_or_default();
    let key: Vec<String> = row.iter().map(ToString::to_string).collect();
    let what = match (left, right) {
        (Some(left), Some(right)) => {
            let columns = table.columns.iter().zip(left.iter().zip(right));
            let differing = columns.filter(|(_, (a, b))| a != b).map(|((name, _), _)| *name);
            differing.take(MOST).collect::<Vec<_>>().join(", ")
        }
        (Some(_), None) => "the whole row is missing".to_owned(),
        _ => "the row should not be there".to_owned(),
    };
    format!("{} {}: {what}", table.name, key.join("/"))
}

fn unequal(what: String) -> RegistryError {
    RegistryError::Rule(format!(
        "the copy is not equal to its source ({what}): it was taken back, the target is empty as before"
    ))
}

/// JSON in the form in which two stores can be compared: a whole number is one however it was written.
pub(super) fn canonical(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            #[allow(clippy::cast_possible_truncation, reason = "whole, and within an i64's range")]
            Some(n) if n.fract() == 0.0 && n.abs() < 9.2e18 => Value::from(n as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(k, v)| (k, canonical(v))).collect()),
        other => other,
    }
}

/// A value that a store can't give or take, with its place.
pub(super) fn bad_value(table: &Table, column: &str, why: impl std::fmt::Display) -> RegistryError {
    RegistryError::Rule(format!("{}.{column}: {why}", table.name))
}

#[cfg(test)]
mod tests;
