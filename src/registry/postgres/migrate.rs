//! The schema's versions, forward only, each in one transaction of the owner's.
//!
//! Whoever comes first migrates; the others wait for its transaction's lock and find it done. A client
//! that is not the owner doesn't migrate: it says who must.

use super::connect::Connector;
use super::fault::Fault;
use super::roles;
use crate::registry::{RegistryError, Result};
use std::time::Duration;
use tokio_postgres::Client;

/// Every version's statements, from nothing on. Never edited once released: a new one is added.
const MIGRATIONS: &[&str] = &[
    concat!(include_str!("schema_1.sql"), "\n", include_str!("audit.sql")),
    include_str!("schema_2.sql"),
];
/// How long opening a registry may wait for its version.
const OPENING: Duration = Duration::from_secs(10);
/// How long a first start waits for the others that start at the same time, and a migration may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The lock of those who migrate: `vigi`, `sche`.
const LOCK: i64 = 0x7669_6769_7363_6865;

/// The newest schema that this program knows.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The version's row is made with the schema, so that no table is there without it.
const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS saas_schema (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL,
    migrated_at timestamptz NOT NULL DEFAULT clock_timestamp()
)";

/// Whoever makes the registry must be able to make things as its owner, in this database.
const OWNER: &str = "
    DO $$ BEGIN
        IF NOT pg_has_role(current_user, 'saas_owner', CASE
            WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
            EXECUTE format('GRANT saas_owner TO %I', current_user);
        END IF;
    END $$;
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    GRANT CREATE, USAGE ON SCHEMA public TO saas_owner WITH GRANT OPTION";

/// What was found of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing of vigie's.
    Nothing,
    /// A schema, which this role may read.
    Version(i64),
    /// A schema, which this role may not read.
    Hidden,
}

/// Looks for the schema.
pub(super) async fn found(client: &Client) -> std::result::Result<Found, Fault> {
    let sql = "SELECT to_regclass('public.saas_schema') IS NOT NULL AS there,
               coalesce(has_column_privilege(to_regclass('public.saas_schema'), 'version', 'SELECT'), false) AS readable";
    let row = one(client, sql).await?;
    let (there, readable): (bool, bool) = (column(&row, "there")?, column(&row, "readable")?);
    if !there {
        return Ok(Found::Nothing);
    }
    if !readable {
        return Ok(Found::Hidden);
    }
    let rows = query(client, "SELECT version FROM saas_schema").await?;
    match rows.first() {
        Some(row) => Ok(Found::Version(column(row, "version")?)),
        None => Ok(Found::Version(0)),
    }
}

/// The schema must be the one that this program knows.
pub(super) async fn check(connector: &Connector) -> Result<()> {
    let (client, _driver) = connector.dedicated(None).await.map_err(RegistryError::from)?;
    let asked = tokio::time::timeout(OPENING, found(&client)).await;
    let found = asked.unwrap_or_else(|_| {
        Err(Fault::Late {
            waited_ms: u64::try_from(OPENING.as_millis()).unwrap_or(u64::MAX),
        })
    });
    judge(found.map_err(RegistryError::from)?, connector)
}

fn judge(found: Found, connector: &Connector) -> Result<()> {
    let unusable = |why: String| RegistryError::Unusable {
        place: connector.place(),
        why,
    };
    match found {
        Found::Version(version) if version == known() => Ok(()),
        Found::Version(version) if version > known() => Err(RegistryError::NewerSchema {
            found: version,
            known: known(),
        }),
        Found::Version(version) => Err(unusable(format!(
            "its schema is {version}, older than this vigie's {}: run `vigie registry migrate` as the owner",
            known()
        ))),
        Found::Nothing => Err(unusable(
            "there is no registry in this database: run `vigie registry init` as the database's owner or a superuser"
                .to_owned(),
        )),
        Found::Hidden => Err(unusable(format!(
            "the role {} may not read it: have the owner grant it saas_user, saas_manager or saas_admin",
            connector.user()
        ))),
    }
}

/// Brings the schema up to what this program knows, as the owner, and says what it was. Safe when many do
/// it at once.
pub(super) async fn forward(connector: &Connector) -> Result<i64> {
    along(connector, MIGRATIONS).await
}

async fn along(connector: &Connector, migrations: &[&str]) -> Result<i64> {
    let (client, _driver) = connector.dedicated(None).await.map_err(RegistryError::from)?;
    let begun = batch(
        &client,
        &format!(
            "BEGIN; SET LOCAL lock_timeout = {limit}; SET LOCAL statement_timeout = {limit};
             SET LOCAL idle_in_transaction_session_timeout = {limit}; SELECT pg_advisory_xact_lock({LOCK})",
            limit = PATIENCE.as_millis()
        ),
    )
    .await;
    begun.map_err(RegistryError::from)?;
    // From here on nobody else migrates. What fails ends with the connection, and nothing was done.
    let before = match found(&client).await.map_err(RegistryError::from)? {
        Found::Nothing => 0,
        Found::Version(version) => version,
        Found::Hidden => return judge(Found::Hidden, connector).map(|()| 0),
    };
    let newest = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if before > newest {
        return Err(RegistryError::NewerSchema {
            found: before,
            known: newest,
        });
    }
    let steps = migrations
        .get(usize::try_from(before).unwrap_or(0)..)
        .unwrap_or_default();
    if !steps.is_empty() {
        if before == 0 {
            batch(&client, &roles::groups()).await.map_err(owner_wanted)?;
            batch(&client, OWNER).await.map_err(owner_wanted)?;
        }
        // What is made belongs to the group, whoever of it migrates.
        batch(&client, "SET LOCAL ROLE saas_owner")
            .await
            .map_err(owner_wanted)?;
        batch(&client, VERSION_TABLE).await.map_err(owner_wanted)?;
        for step in steps {
            batch(&client, step).await.map_err(owner_wanted)?;
        }
        let row = format!(
            "INSERT INTO saas_schema (version) VALUES ({newest})
             ON CONFLICT (one) DO UPDATE SET version = excluded.version, migrated_at = clock_timestamp()"
        );
        batch(&client, &row).await.map_err(owner_wanted)?;
        batch(&client, roles::GUARD).await.map_err(owner_wanted)?;
        batch(&client, &roles::grants()).await.map_err(owner_wanted)?;
    }
    batch(&client, "COMMIT").await.map_err(RegistryError::from)?;
    Ok(before)
}

/// A refusal that the owner would not have met.
fn owner_wanted(fault: Fault) -> RegistryError {
    match &fault {
        Fault::Refused { state, message, .. } if state == "42501" => RegistryError::NotAllowed(format!(
            "only the owner (or a superuser) makes and changes the schema: {message}"
        )),
        _ => fault.into(),
    }
}

/// Statements without parameters, with a deadline.
pub(super) async fn batch(client: &Client, sql: &str) -> std::result::Result<(), Fault> {
    limited(client.batch_execute(sql)).await
}

/// A statement without parameters.
pub(super) async fn query(client: &Client, sql: &str) -> std::result::Result<Vec<tokio_postgres::Row>, Fault> {
    limited(client.query_typed(sql, &[])).await
}

async fn one(client: &Client, sql: &str) -> std::result::Result<tokio_postgres::Row, Fault> {
    query(client, sql).await?.pop().ok_or_else(|| Fault::Lost {
        why: "no row came back".to_owned(),
    })
}

/// A column of an answer.
pub(super) fn column<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a tokio_postgres::Row,
    name: &str,
) -> std::result::Result<T, Fault> {
    row.try_get(name).map_err(|e| Fault::of(&e))
}

async fn limited<T>(
    future: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
) -> std::result::Result<T, Fault> {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(outcome) => outcome.map_err(|e| Fault::of(&e)),
        Err(_) => Err(Fault::Late {
            waited_ms: u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX),
        }),
    }
}
