//! A connection to a server's PostgreSQL, and what there is in it.

use super::link::{Link, Params, column};
use super::{PgError, TenantDb, ident};
use crate::domain::job::Mark;
use crate::domain::server::ServerSpec;
use crate::domain::{DbName, SafeText};
use crate::remote::error::Result;
use crate::remote::{Access, Remote};
use jiff::Timestamp;
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// How often a condition on the server is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A connection to a server's PostgreSQL, with the server's credentials, to its database `postgres`.
pub struct Cluster {
    pub(super) params: Params,
    pub(super) link: Link,
    pub(super) version: u32,
}

/// A database as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// Its object id, which no other database of this cluster ever gets while it exists.
    pub oid: u32,
    /// Its name, to be shown.
    pub name: SafeText,
    /// Its name, where it is one that this program works with.
    pub db: Option<DbName>,
    /// Its owner.
    pub owner: SafeText,
    /// Its comment.
    pub comment: Option<SafeText>,
    /// Whether it can be connected to.
    pub allow_connections: bool,
    /// Whether any role that may create databases may copy it, and none can drop it.
    pub is_template: bool,
    /// Most connections; -1: any; -2: invalid, a DROP was interrupted and only DROP works.
    pub conn_limit: i32,
    /// Its size, bytes; `None` where it wasn't asked, or the role may not know.
    pub size: Option<u64>,
}

impl DatabaseInfo {
    /// Whether it carries this mark in its comment.
    pub fn is_marked(&self, mark: &Mark) -> bool {
        self.comment.as_ref().is_some_and(|c| c.as_str() == mark.to_string())
    }
    /// Whether a DROP of it was interrupted.
    pub fn is_invalid(&self) -> bool {
        self.conn_limit == -2
    }
    /// Whether it is as templates are kept: copied by anyone, connected to by none.
    pub fn is_frozen(&self) -> bool {
        self.is_template && !self.allow_connections
    }
}

/// The role this program connects as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleInfo {
    /// Its name.
    pub name: SafeText,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Whether it may create databases.
    pub create_db: bool,
}

/// A session on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its process.
    pub pid: i32,
    /// The `application_name` it gave.
    pub app_name: SafeText,
    /// Its database.
    pub database: Option<SafeText>,
    /// `active`, `idle`, …; `None` where the role may not know.
    pub state: Option<SafeText>,
    /// What it runs or last ran, where the role may know.
    pub query: Option<SafeText>,
    /// Since when.
    pub since: Option<Timestamp>,
}

const COLUMNS: &str = "d.oid, d.datname::text AS name, pg_get_userbyid(d.datdba)::text AS owner, \
     shobj_description(d.oid, 'pg_database') AS comment, d.datallowconn, d.datistemplate, d.datconnlimit";

impl Cluster {
    /// Connects with the server's credentials.
    ///
    /// # Errors
    /// When the record has no `db_host`, the password can't be had, or the connection fails.
    pub async fn connect(remote: &Remote, server: &ServerSpec, app_name: &str) -> Result<Self> {
        let limit = remote.limits().connect;
        Self::connect_within(remote, server, app_name, limit).await
    }

    pub(in crate::remote) async fn connect_within(
        remote: &Remote,
        server: &ServerSpec,
        app_name: &str,
        limit: Duration,
    ) -> Result<Self> {
        let begun = Instant::now();
        let params = Params::of(remote, server, app_name).await?;
        let link = params.link("postgres", limit.saturating_sub(begun.elapsed())).await?;
        let limit = params.limits.call.min(limit);
        let what = format!("ask PostgreSQL at {} for its version", params.address);
        let sql = "SELECT current_setting('server_version_num')::int4 AS version";
        let row = link.row(&what, limit, sql, &[]).await?;
        let version: i32 = match &row {
            Some(row) => column(row, "version")?,
            None => 0,
        };
        Ok(Self {
            params,
            link,
            version: u32::try_from(version).unwrap_or(0),
        })
    }

    /// PostgreSQL's version as a number: 150018 for 15.18.
    pub fn server_version(&self) -> u32 {
        self.version
    }

    /// Its address: `host:port`.
    pub fn address(&self) -> &str {
        &self.params.address
    }

    /// The `application_name` of this connection.
    pub fn app_name(&self) -> &str {
        &self.params.app_name
    }

    /// What this connection may do.
    pub fn access(&self) -> Access {
        self.params.access
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn ping(&self, limit: Duration) -> Result<()> {
        let what = format!("SELECT 1 on PostgreSQL at {}", self.params.address);
        self.link.rows(&what, limit, "SELECT 1", &[]).await?;
        Ok(())
    }

    /// The role we are.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn role(&self) -> Result<RoleInfo> {
        let sql = "SELECT rolname::text AS name, rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user";
        let row = self
            .link
            .row("look at our role", self.params.limits.call, sql, &[])
            .await?;
        let row = row.ok_or_else(|| PgError::Unexpected {
            what: "look at our role".to_owned(),
            why: "PostgreSQL does not show it".to_owned(),
        })?;
        Ok(RoleInfo {
            name: SafeText::new(column(&row, "name")?),
            superuser: column(&row, "rolsuper")?,
            create_db: column(&row, "rolcreatedb")?,
        })
    }

    /// Whether our role may create databases.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn can_create_databases(&self) -> Result<bool> {
        let role = self.role().await?;
        Ok(role.superuser || role.create_db)
    }

    /// Whether our role may copy this database: it owns it (or is a superuser), or it is a template.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn can_copy(&self, database: &DbName) -> Result<bool> {
        let sql = "SELECT d.datistemplate OR pg_has_role(d.datdba, 'USAGE') OR (SELECT rolsuper FROM pg_roles \
                   WHERE rolname = current_user) AS may FROM pg_database d WHERE d.datname = $1";
        let what = format!("see whether {database} may be copied");
        let params: super::link::Typed<'_> = &[(&database.as_str(), Type::TEXT)];
        match self.link.row(&what, self.params.limits.call, sql, params).await? {
            Some(row) => column(&row, "may"),
            None => Ok(false),
        }
    }

    /// A database by name, with its size. `None`: there is none.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn database(&self, name: &DbName) -> Result<Option<DatabaseInfo>> {
        let sql = format!(
            "SELECT {COLUMNS}, CASE WHEN d.datconnlimit <> -2 AND has_database_privilege(d.oid, 'CONNECT') \
             THEN pg_database_size(d.oid) END AS size FROM pg_database d WHERE d.datname = $1"
        );
        let what = format!("look at the database {name}");
        let params: super::link::Typed<'_> = &[(&name.as_str(), Type::TEXT)];
        let row = self.link.row(&what, self.params.limits.call, &sql, params).await?;
        row.as_ref().map(info).transpose()
    }

    /// A database by object id, without its size.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn database_by_oid(&self, oid: u32) -> Result<Option<DatabaseInfo>> {
        let sql = format!("SELECT {COLUMNS}, NULL::int8 AS size FROM pg_database d WHERE d.oid = $1");
        let params: super::link::Typed<'_> = &[(&oid, Type::OID)];
        let limit = self.params.limits.call;
        let row = self
            .link
            .row(&format!("look at the database with OID {oid}"), limit, &sql, params)
            .await?;
        row.as_ref().map(info).transpose()
    }

    /// All databases, PostgreSQL's own included, without their sizes (which cost a walk through
    /// every file).
    ///
    /// # Errors
    /// When the question fails.
    pub async fn databases(&self) -> Result<Vec<DatabaseInfo>> {
        let sql = format!("SELECT {COLUMNS}, NULL::int8 AS size FROM pg_database d ORDER BY d.datname");
        let rows = self
            .link
            .rows("list the databases", self.params.limits.call, &sql, &[])
            .await?;
        rows.iter().map(info).collect()
    }

    /// Sets whether a database can be connected to.
    ///
    /// # Errors
    /// When it fails, or on a read-only handle.
    pub async fn allow_connections(&self, name: &DbName, allow: bool) -> Result<()> {
        let what = format!("set ALLOW_CONNECTIONS {allow} on {name}");
        self.alter(
            &what,
            &format!("ALTER DATABASE {} ALLOW_CONNECTIONS {allow}", ident(name)),
        )
        .await
    }

    /// Sets whether a database is a template.
    ///
    /// # Errors
    /// When it fails, or on a read-only handle.
    pub async fn set_template(&self, name: &DbName, is: bool) -> Result<()> {
        let what = format!("set IS_TEMPLATE {is} on {name}");
        self.alter(&what, &format!("ALTER DATABASE {} IS_TEMPLATE {is}", ident(name)))
            .await
    }

    pub(super) async fn alter(&self, what: &str, sql: &str) -> Result<()> {
        self.params.access.write(what)?;
        self.link.ddl(what, self.params.limits.change_database, sql).await
    }

    /// The sessions whose `application_name` begins so, our own connection excepted.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn sessions_of(&self, app_name_prefix: &str) -> Result<Vec<Session>> {
        let sql = "SELECT pid, application_name AS app, datname::text AS db, state, query, \
                   (extract(epoch FROM coalesce(query_start, backend_start)) * 1000)::int8 AS since \
                   FROM pg_stat_activity WHERE starts_with(application_name, $1) AND pid <> pg_backend_pid()";
        let params: super::link::Typed<'_> = &[(&app_name_prefix, Type::TEXT)];
        let limit = self.params.limits.call;
        let rows = self
            .link
            .rows("look at PostgreSQL's sessions", limit, sql, params)
            .await?;
        rows.iter().map(session).collect()
    }

    /// The client sessions of a database, our own connection excepted.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn sessions_on(&self, database: &DbName) -> Result<Vec<Session>> {
        let sql = "SELECT pid, application_name AS app, datname::text AS db, state, query, \
                   (extract(epoch FROM coalesce(query_start, backend_start)) * 1000)::int8 AS since \
                   FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()";
        let params: super::link::Typed<'_> = &[(&database.as_str(), Type::TEXT)];
        let limit = self.params.limits.call;
        let rows = self
            .link
            .rows("look at PostgreSQL's sessions", limit, sql, params)
            .await?;
        rows.iter().map(session).collect()
    }

    /// Ends every session of a database and waits until they are gone. How many there were.
    ///
    /// # Errors
    /// When it fails, some outlast `limit`, or on a read-only handle.
    pub async fn terminate_sessions(&self, database: &DbName, limit: Duration) -> Result<usize> {
        let what = format!("end the sessions of {database}");
        self.params.access.write(&what)?;
        let first = self.sessions_on(database).await?.len();
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 \
                   AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let until = Instant::now() + limit;
        loop {
            let params: super::link::Typed<'_> = &[(&database.as_str(), Type::TEXT)];
            self.link.rows(&what, self.params.limits.call, sql, params).await?;
            let left = self.sessions_on(database).await?;
            if left.is_empty() {
                return Ok(first);
            }
            if Instant::now() >= until {
                return Err(PgError::Unexpected {
                    what,
                    why: format!("{} sessions did not end within {} s", left.len(), limit.as_secs()),
                }
                .into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// [`Cluster::settle`] without patience.
    ///
    /// # Errors
    /// As there.
    pub async fn cancel_and_wait(&self, app_name_prefix: &str, limit: Duration) -> Result<usize> {
        self.settle(app_name_prefix, Duration::ZERO, limit).await
    }

    /// Settles what another process left running under this `application_name` (or beginning with
    /// it): PostgreSQL finishes a `CREATE DATABASE` whose client died seconds ago. Ends idle sessions
    /// at once; lets queries run for `patience`, then cancels each once; and waits until all are gone,
    /// `limit` after that. How many there were. Afterwards what is to be seen stays so.
    ///
    /// Once, because a second cancel that meets the cleaning up after the first ends that too: then
    /// a `CREATE DATABASE` leaves a whole folder under `base/` that no row of the catalog knows.
    ///
    /// # Errors
    /// When it fails, some outlast `limit`, or on a read-only handle.
    pub async fn settle(&self, app_name_prefix: &str, patience: Duration, limit: Duration) -> Result<usize> {
        let what = format!("settle what {app_name_prefix:?} left running");
        self.params.access.write(&what)?;
        let call = self.params.limits.call;
        let mut known = std::collections::BTreeSet::new();
        let mut told = std::collections::BTreeSet::new();
        let mut ended = std::collections::BTreeSet::new();
        let begun = Instant::now();
        loop {
            let left = self.sessions_of(app_name_prefix).await?;
            if left.is_empty() {
                return Ok(known.len());
            }
            let waited = begun.elapsed();
            for session in left {
                known.insert(session.pid);
                let active = session.state.as_ref().is_some_and(|state| state.as_str() == "active");
                let sql = if !active || waited >= patience + limit * 3 / 4 {
                    if !ended.insert(session.pid) {
                        continue;
                    }
                    "SELECT pg_terminate_backend($1)"
                } else if waited >= patience && told.insert(session.pid) {
                    "SELECT pg_cancel_backend($1)"
                } else {
                    continue;
                };
                let pid: super::link::Typed<'_> = &[(&session.pid, Type::INT4)];
                self.link.rows(&what, call, sql, pid).await?;
            }
            if waited >= patience + limit {
                return Err(PgError::Unexpected {
                    what,
                    why: format!("sessions did not end within {} s", waited.as_secs()),
                }
                .into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A connection to one of the databases, as the same role.
    ///
    /// # Errors
    /// When it can't be connected to.
    pub async fn tenant(&self, database: &DbName) -> Result<TenantDb> {
        TenantDb::connect(&self.params, database).await
    }
}

fn info(row: &Row) -> Result<DatabaseInfo> {
    let name: String = column(row, "name")?;
    let size: Option<i64> = column(row, "size")?;
    let comment: Option<String> = column(row, "comment")?;
    Ok(DatabaseInfo {
        oid: column(row, "oid")?,
        db: DbName::parse(&name).ok(),
        name: SafeText::new(&name),
        owner: SafeText::new(column(row, "owner")?),
        comment: comment.map(|c| SafeText::new(&c)),
        allow_connections: column(row, "datallowconn")?,
        is_template: column(row, "datistemplate")?,
        conn_limit: column(row, "datconnlimit")?,
        size: size.and_then(|s| u64::try_from(s).ok()),
    })
}

fn session(row: &Row) -> Result<Session> {
    let safe = |name: &str| -> Result<Option<SafeText>> {
        let text: Option<String> = column(row, name)?;
        Ok(text.map(|t| SafeText::capped(&t, 300)))
    };
    let since: Option<i64> = column(row, "since")?;
    Ok(Session {
        pid: column(row, "pid")?,
        app_name: safe("app")?.unwrap_or_default(),
        database: safe("db")?,
        state: safe("state")?,
        query: safe("query")?,
        since: since.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
    })
}
