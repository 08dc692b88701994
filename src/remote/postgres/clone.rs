//! Copying and dropping databases: under a one-time name first, marked, and dropped only with the
//! mark and the OID.

use super::cluster::{Cluster, DatabaseInfo};
use super::link::column;
use super::{PgError, ident, literal};
use crate::domain::DbName;
use crate::domain::job::Mark;
use crate::domain::names::NameError;
use crate::remote::error::Result;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often a copy's progress is looked at.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// The one-time name under which a job's database is made: nobody else knows the nonce, so that the
/// name alone says whose it is until the comment does.
///
/// # Errors
/// When the nonce holds what no database name may.
pub fn temp_name(mark: &Mark) -> std::result::Result<DbName, NameError> {
    DbName::parse(&format!("vigie_tmp_{}_{}", mark.job, mark.nonce))
}

/// How far a copy is, as far as can be told: PostgreSQL has no progress view for it. What is counted
/// is the write-ahead log that the cluster wrote since, to which the copy (15 and newer) adds about
/// as much as the source is big; other work on the server adds to it too, and an older server
/// shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloneProgress {
    /// Bytes, never more than `total`.
    pub done: u64,
    /// Bytes.
    pub total: u64,
}

/// What became of a database that was to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It is gone now.
    Now,
    /// It was gone already.
    Absent,
}

impl Cluster {
    /// `CREATE DATABASE temp TEMPLATE source ALLOW_CONNECTIONS false`: nobody can look into the copy
    /// before it has its own identity. `progress` is called about ten times a second.
    ///
    /// When this ends in doubt (deadline, broken connection, crash), PostgreSQL may still finish it:
    /// [`Cluster::cancel_and_wait`] first, then look.
    ///
    /// # Errors
    /// `42P04` where the name is taken, `55006` where the source is in use, and so on.
    pub async fn create_from_template(
        &self,
        source: &DbName,
        temp: &DbName,
        progress: &(dyn Fn(CloneProgress) + Send + Sync),
    ) -> Result<()> {
        let what = format!("copy the database {source} to {temp}");
        self.params.access.write(&what)?;
        let (target, from) = (ident(temp), ident(source));
        let sql = format!("CREATE DATABASE {target} TEMPLATE {from} ALLOW_CONNECTIONS false");
        let copy = self.link.ddl(&what, self.params.limits.clone, &sql);
        tokio::pin!(copy);
        let total = AtomicU64::new(0);
        let tell = |so_far: CloneProgress| {
            total.store(so_far.total, Ordering::Relaxed);
            progress(so_far);
        };
        let copied = tokio::select! {
            biased;
            copied = &mut copy => copied,
            () = self.watch(source, &tell) => copy.await,
        };
        // Who was told how far it is hears of its end too: the last look was before it.
        let total = total.into_inner();
        if copied.is_ok() && total > 0 {
            progress(CloneProgress { done: total, total });
        }
        copied
    }

    /// Reports progress until there is none to be had.
    async fn watch(&self, source: &DbName, progress: &(dyn Fn(CloneProgress) + Send + Sync)) {
        // A copy of a small template is over before a second connection would be of use.
        tokio::time::sleep(PROGRESS_EVERY).await;
        let limit = self.params.limits.call;
        let Ok(second) = self.params.link("postgres", limit).await else {
            return;
        };
        let written = |base: &str| format!("SELECT (pg_current_wal_insert_lsn() - '{base}'::pg_lsn)::int8 AS bytes");
        let size = "SELECT pg_database_size($1::name) AS bytes";
        let params: super::link::Typed<'_> = &[(&source.as_str(), tokio_postgres::types::Type::TEXT)];
        let bytes = async |sql: &str, params| -> Option<u64> {
            let row = second.row("watch a copy", limit, sql, params).await.ok()??;
            u64::try_from(column::<i64>(&row, "bytes").ok()?).ok()
        };
        let Some(total) = bytes(size, params).await.filter(|total| *total > 0) else {
            return;
        };
        let Some(base) = bytes(&written("0/0"), &[]).await else {
            return;
        };
        loop {
            let Some(now) = bytes(&written("0/0"), &[]).await else {
                return;
            };
            let done = now.saturating_sub(base).min(total);
            progress(CloneProgress { done, total });
            tokio::time::sleep(PROGRESS_EVERY).await;
        }
    }

    /// Writes the mark as the database's comment.
    ///
    /// # Errors
    /// When it fails, or on a read-only handle.
    pub async fn set_mark(&self, name: &DbName, mark: &Mark) -> Result<()> {
        let what = format!("mark the database {name}");
        let comment = literal(&mark.to_string());
        self.alter(&what, &format!("COMMENT ON DATABASE {} IS {comment}", ident(name)))
            .await
    }

    /// Whether a database carries this mark; `None`: there is no such database.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn mark_of(&self, name: &DbName, mark: &Mark) -> Result<Option<bool>> {
        Ok(self.database(name).await?.map(|info| info.is_marked(mark)))
    }

    /// Renames a database. PostgreSQL waits 5 s for its sessions to end, then answers 55006.
    ///
    /// # Errors
    /// `42P04` where the name is taken; or on a read-only handle.
    pub async fn rename(&self, from: &DbName, to: &DbName) -> Result<()> {
        let what = format!("rename the database {from} to {to}");
        let sql = format!("ALTER DATABASE {} RENAME TO {}", ident(from), ident(to));
        self.alter(&what, &sql).await
    }

    /// Drops a database that carries this mark (in its comment, or as its one-time name), and no
    /// other. With an OID that must be the same too, and the database is looked for by it. Its
    /// sessions are ended; a template is no template any more first.
    ///
    /// # Errors
    /// [`PgError::Stranger`] when what is there is not ours: it is not touched.
    pub async fn drop_marked(&self, oid: Option<u32>, name: &DbName, mark: &Mark) -> Result<Dropped> {
        let what = format!("drop the database {name}");
        self.params.access.write(&what)?;
        let found = match oid {
            Some(oid) => self.database_by_oid(oid).await?,
            None => self.database(name).await?,
        };
        let Some(info) = found else {
            return Ok(Dropped::Absent);
        };
        let temp = temp_name(mark).ok();
        let current = self.known_name(&what, &info, &[Some(name), temp.as_ref()])?;
        let ours = info.is_marked(mark) || Some(&current) == temp.as_ref() || (info.is_invalid() && oid.is_some());
        if !ours {
            let why = format!("{current} (OID {}) does not carry this job's mark", info.oid);
            return Err(PgError::Stranger { what, why }.into());
        }
        self.drop_found(&what, &current, &info).await
    }

    /// Drops the database of this name if it still is the one with this OID: for an instance whose
    /// OID was recorded when it was made.
    ///
    /// # Errors
    /// [`PgError::Stranger`] when the OID is there under another name, or the name has another OID.
    pub async fn drop_recorded(&self, oid: u32, name: &DbName) -> Result<Dropped> {
        let what = format!("drop the database {name}");
        self.params.access.write(&what)?;
        match self.database_by_oid(oid).await? {
            Some(info) => {
                let current = self.known_name(&what, &info, &[Some(name)])?;
                self.drop_found(&what, &current, &info).await
            }
            None => match self.database(name).await? {
                None => Ok(Dropped::Absent),
                Some(other) => {
                    let why = format!("{name} now has OID {}, where {oid} was recorded", other.oid);
                    Err(PgError::Stranger { what, why }.into())
                }
            },
        }
    }

    fn known_name(&self, what: &str, info: &DatabaseInfo, allowed: &[Option<&DbName>]) -> Result<DbName> {
        match &info.db {
            Some(current) if allowed.contains(&Some(current)) => Ok(current.clone()),
            _ => Err(PgError::Stranger {
                what: what.to_owned(),
                why: format!("the database with OID {} is now called {}", info.oid, info.name),
            }
            .into()),
        }
    }

    async fn drop_found(&self, what: &str, name: &DbName, info: &DatabaseInfo) -> Result<Dropped> {
        if !info.is_invalid() {
            if info.is_template {
                self.set_template(name, false).await?;
            }
            if self.version < 130_000 {
                self.allow_connections(name, false).await?;
                self.terminate_sessions(name, Duration::from_secs(10)).await?;
            }
        }
        let force = if self.version >= 130_000 { " WITH (FORCE)" } else { "" };
        let sql = format!("DROP DATABASE {}{force}", ident(name));
        match self.link.ddl(what, self.params.limits.change_database, &sql).await {
            Ok(()) => Ok(Dropped::Now),
            Err(crate::remote::RemoteError::Postgres(e)) if e.is_missing() => Ok(Dropped::Absent),
            Err(other) => Err(other),
        }
    }
}
