//! What there is to say of a shared registry, asked by one connection: also where it is not made yet.

use super::connect::Connector;
use super::fault::Fault;
use super::migrate::{self, Found, column, query};
use crate::domain::rights::Role;
use crate::registry::{RegistryError, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use tokio_postgres::Client;

/// What there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Where it is, without secrets.
    pub place: String,
    /// The server's version.
    pub postgres: String,
    /// The role one is connected as.
    pub role: String,
    /// The registry's group roles it is in.
    pub groups: Vec<&'static str>,
    /// The schema's version; 0: there is none; `None`: this role may not see it.
    pub schema: Option<i64>,
    /// The newest that this program knows.
    pub known: i64,
    /// Whether this connection is encrypted; it is verified then.
    pub encrypted: bool,
    /// Rows by table: counted, of history as the planner estimates them.
    pub rows: BTreeMap<&'static str, i64>,
    /// Workers heard of lately.
    pub workers: i64,
    /// How others' changes are heard of.
    pub live: String,
    /// What is odd, and what to do.
    pub warnings: Vec<String>,
}

/// Asks.
///
/// # Errors
/// When it can't be reached.
pub(super) async fn of(connector: &Connector) -> Result<Status> {
    let (client, _driver) = connector.dedicated(None).await.map_err(RegistryError::from)?;
    ask(&client, connector).await.map_err(RegistryError::from)
}

async fn ask(client: &Client, connector: &Connector) -> std::result::Result<Status, Fault> {
    let rows = query(
        client,
        "SELECT current_setting('server_version') AS version, session_user::text AS role,
             (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AS super,
             coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted,
             inet_server_addr() IS NULL OR host(inet_server_addr()) IN ('127.0.0.1', '::1') AS here,
             pg_is_in_recovery() AS standby, current_setting('fsync') AS fsync,
             current_setting('synchronous_commit') AS waits, current_setting('archive_mode') AS archives,
             current_setting('full_page_writes') AS pages,
             ARRAY(SELECT r.rolname::text FROM pg_roles r
                   WHERE r.rolname IN ('saas_user', 'saas_manager', 'saas_worker', 'saas_admin', 'saas_owner')
                       AND pg_has_role(r.oid, 'USAGE')) AS groups",
    )
    .await?;
    let row = rows.first().ok_or_else(|| Fault::Lost {
        why: "no row came back".to_owned(),
    })?;
    let member: Vec<String> = column(row, "groups")?;
    let groups: Vec<&'static str> = Role::ALL
        .into_iter()
        .map(Role::name)
        .filter(|name| member.iter().any(|m| m == name))
        .collect();
    let found = migrate::found(client).await?;
    let schema = match found {
        Found::Nothing => Some(0),
        Found::Version(version) => Some(version),
        Found::Hidden => None,
    };
    let mut status = Status {
        place: connector.place(),
        postgres: column(row, "version")?,
        role: column(row, "role")?,
        groups,
        schema,
        known: migrate::known(),
        encrypted: column(row, "encrypted")?,
        rows: BTreeMap::new(),
        workers: 0,
        live: match connector.listen() {
            super::Listen::Auto => "listened to, or looked for where a pooler stands between".to_owned(),
            super::Listen::Poll => "looked for many times a second".to_owned(),
            super::Listen::Address(_) => "listened to beside the pooler".to_owned(),
        },
        warnings: Vec::new(),
    };
    let mut warn = |when: bool, text: &str| {
        if when {
            status.warnings.push(text.to_owned());
        }
    };
    let off = |name: &str| -> std::result::Result<bool, Fault> { Ok(column::<&str>(row, name)? == "off") };
    let superuser: bool = column(row, "super")?;
    warn(
        superuser,
        "connected as a superuser, who is bound by no role: give operators logins of their own",
    );
    warn(
        !superuser && member.iter().any(|m| m == "saas_owner"),
        "connected as the owner, who may change the audit: use it for init and migrate only",
    );
    warn(
        !status.encrypted && !column::<bool>(row, "here")?,
        "the connection is not encrypted and leaves this machine",
    );
    warn(
        column(row, "standby")?,
        "this server is a standby: it takes no writes (target_session_attrs=read-write finds the other)",
    );
    warn(
        off("fsync")? || off("pages")?,
        "fsync or full_page_writes is off: a crash of the machine can destroy the registry",
    );
    warn(
        off("waits")?,
        "synchronous_commit is off: a crash can lose the last half second of what was done",
    );
    warn(
        off("archives")?,
        "PostgreSQL archives no WAL: see that a pg_dump of this database is made and kept elsewhere",
    );
    if let Some(version) = status.schema
        && version > 0
    {
        let counted = query(
            client,
            "SELECT (SELECT count(*) FROM saas_server) AS servers, (SELECT count(*) FROM saas_template) AS templates,
                 (SELECT count(*) FROM saas_instance) AS instances,
                 (SELECT count(*) FROM saas_job WHERE state IN ('queued', 'running', 'undoing')) AS open_jobs,
                 (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'saas_health_check'::regclass) AS checks,
                 (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'saas_audit'::regclass) AS audit,
                 (SELECT count(*) FROM saas_worker WHERE seen_at > clock_timestamp() - interval '20 seconds') AS workers",
        )
        .await?;
        if let Some(row) = counted.first() {
            for (name, shown) in [
                ("servers", "servers"),
                ("templates", "templates"),
                ("instances", "instances"),
                ("open_jobs", "open jobs"),
                ("checks", "checks (about)"),
                ("audit", "audit rows (about)"),
            ] {
                status.rows.insert(shown, column(row, name)?);
            }
            status.workers = column(row, "workers")?;
        }
    }
    Ok(status)
}
