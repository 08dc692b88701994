//! The database behind an Odoo that answers: seen from here, and as Odoo sees it.

use super::layer;
use crate::domain::SafeText;
use crate::domain::check::{Layer, Warning};
use crate::domain::server::ServerSpec;
use crate::remote::odoo::DbServerStatus;
use crate::remote::postgres::Cluster;
use crate::remote::{Remote, RemoteError};
use std::time::{Duration, Instant};

/// How PostgreSQL's sessions of a check are called.
const APP_NAME: &str = "vigie check";

/// Before a connection that failed is tried once more.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

pub(super) async fn look(
    remote: &Remote,
    server: &ServerSpec,
    limit: Duration,
    has_jsonrpc: bool,
) -> (Vec<Layer>, Vec<Warning>) {
    let ((direct, took), (odoo, asked)) = tokio::join!(
        from_here(remote, server, limit),
        as_odoo_sees(remote, server, limit, has_jsonrpc)
    );
    let mut layers = Vec::new();
    let mut warnings = Vec::new();
    match &direct {
        Ok(()) => layers.push(layer("database", Some(true), took, "PostgreSQL answers our login")),
        Err(RemoteError::NotConfigured { what, .. }) => layers.push(layer("database", None, took, what)),
        Err(error) => {
            layers.push(layer("database", Some(false), took, &error.to_string()));
            warnings.push(warning(error, odoo));
        }
    }
    let note = match odoo {
        DbServerStatus::Up => "Odoo reaches its PostgreSQL",
        DbServerStatus::Down => "Odoo does not reach its PostgreSQL",
        DbServerStatus::NotChecked => "this Odoo does not say",
    };
    let passed = match odoo {
        DbServerStatus::Up => Some(true),
        DbServerStatus::Down => Some(false),
        DbServerStatus::NotChecked => None,
    };
    layers.push(layer("db_server_status", passed, asked, note));
    if odoo == DbServerStatus::Down && !warnings.iter().any(Warning::is_outage) {
        warnings.push(Warning::DatabaseDead {
            what: SafeText::new(note),
        });
    }
    (layers, warnings)
}

async fn from_here(remote: &Remote, server: &ServerSpec, limit: Duration) -> (crate::remote::Result<()>, Duration) {
    let begun = Instant::now();
    let once = async || {
        let left = limit.saturating_sub(begun.elapsed());
        let cluster = Cluster::connect_within(remote, server, APP_NAME, left).await?;
        cluster.ping(limit.saturating_sub(begun.elapsed())).await
    };
    let asked = async {
        match once().await {
            Err(RemoteError::Postgres(e)) if e.is_transient() && begun.elapsed() + AGAIN_AFTER < limit => {
                tokio::time::sleep(AGAIN_AFTER).await;
                once().await
            }
            other => other,
        }
    };
    let done = crate::remote::deadline("PostgreSQL", limit, asked).await;
    (done.and_then(|inner| inner), begun.elapsed())
}

/// By `/web/health`; where this build does not know the question, by whether Odoo can connect to the
/// database `postgres`.
async fn as_odoo_sees(
    remote: &Remote,
    server: &ServerSpec,
    limit: Duration,
    has_jsonrpc: bool,
) -> (DbServerStatus, Duration) {
    let begun = Instant::now();
    let odoo = remote.odoo(server);
    let mut seen = odoo.health(limit).await.unwrap_or(DbServerStatus::NotChecked);
    if seen == DbServerStatus::NotChecked && has_jsonrpc {
        let left = limit.saturating_sub(begun.elapsed());
        seen = match odoo.reaches_postgres(left).await {
            Ok(true) => DbServerStatus::Up,
            // Behind a pooler without an entry of that name it says no, and works: only when our own
            // look fails or can't be had does it count.
            Ok(false) if server.db_host.is_none() => DbServerStatus::Down,
            Ok(false) | Err(_) => DbServerStatus::NotChecked,
        };
    }
    (seen, begun.elapsed())
}

fn warning(error: &RemoteError, odoo: DbServerStatus) -> Warning {
    let what = SafeText::capped(&error.to_string(), 300);
    match error {
        RemoteError::Secret(_) => Warning::SecretMissing { what },
        // It is there, and is not for us.
        RemoteError::Postgres(e) if e.is_login() || e.is_permission() || e.is_missing() => {
            Warning::DatabaseLogin { what }
        }
        _ if odoo == DbServerStatus::Up => Warning::DatabaseLogin {
            what: SafeText::capped(&format!("{error}; Odoo itself reaches its database"), 300),
        },
        _ => Warning::DatabaseDead { what },
    }
}
