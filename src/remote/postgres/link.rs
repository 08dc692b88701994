//! One connection: how it is made, how long anything on it may take, and how what runs on it is
//! stopped. The driver bounds nothing by itself (its `connect_timeout` waits for ever on a silent
//! server), and dropping a future does not stop a query.

use super::PgError;
use crate::domain::check::Failure;
use crate::domain::server::{DbTls, ServerSpec};
use crate::domain::{DbName, SafeText};
use crate::remote::error::{RemoteError, Result, deadline};
use crate::remote::http::{classify_io, millis};
use crate::remote::{Access, Limits, Remote};
use std::future::Future;
use std::time::{Duration, Instant};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CancelToken, Client, Config, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

/// For the request that cancels another.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// Where and how to connect; for more connections to the same server.
#[derive(Clone)]
pub(super) struct Params {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    pub(super) address: String,
    pub(super) app_name: String,
    pub(super) limits: Limits,
    pub(super) access: Access,
}

impl Params {
    pub(super) async fn of(remote: &Remote, server: &ServerSpec, app_name: &str) -> Result<Self> {
        let host = server.db_host.as_ref().ok_or_else(|| RemoteError::NotConfigured {
            what: format!("the PostgreSQL of {} is not on record", server.code),
            hint: "give db_host (and db_user, db_password) with the server's form (e) or `vigie server edit`",
        })?;
        let mut config = Config::new();
        if host.is_socket_dir() {
            config.host_path(host.as_str());
        } else {
            config.host(host.as_str());
        }
        config.port(server.db_port);
        config.user(server.db_user.as_deref().unwrap_or("odoo"));
        if let Some(reference) = &server.db_password {
            let password = remote.keyring.resolve(reference).await?;
            config.password(password.expose());
        }
        // PostgreSQL cuts it at 63 bytes and replaces what is not printable ASCII.
        let printable = app_name.chars().filter(|c| (' '..='~').contains(c));
        let app_name: String = printable.take(63).collect();
        config.application_name(&app_name);
        let tls = match server.db_tls {
            DbTls::Disable => {
                config.ssl_mode(SslMode::Disable);
                None
            }
            DbTls::VerifyFull => {
                config.ssl_mode(SslMode::Require);
                let trusted = remote.http.tls().config();
                Some(MakeRustlsConnect::new((*trusted).clone()))
            }
        };
        Ok(Self {
            config,
            tls,
            address: format!("{}:{}", host, server.db_port),
            app_name,
            limits: remote.limits.clone(),
            access: remote.access,
        })
    }

    /// One more connection, to this database.
    pub(super) async fn link(&self, database: &str, limit: Duration) -> Result<Link> {
        let what = format!("connect to {database} on PostgreSQL at {}", self.address);
        let mut config = self.config.clone();
        config.dbname(database);
        let begun = Instant::now();
        let connect = async {
            match &self.tls {
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    Ok((client, tokio::spawn(drive(connection))))
                }
                Some(tls) => {
                    let (client, connection) = config.connect(tls.clone()).await?;
                    Ok((client, tokio::spawn(drive(connection))))
                }
            }
        };
        let (client, task) = match deadline(&what, limit, connect).await {
            Ok(Ok(made)) => made,
            Ok(Err(error)) => {
                return Err(explain(&what, &error, Some((&self.address, begun.elapsed()))).into());
            }
            Err(_) => {
                let failure = Failure::NoAnswer {
                    stage: SafeText::new("connect"),
                    waited_ms: millis(limit),
                };
                return Err(PgError::Unreachable { what, failure }.into());
            }
        };
        Ok(Link {
            cancel: Canceller {
                token: client.cancel_token(),
                tls: self.tls.clone(),
            },
            client,
            task,
        })
    }

    pub(super) async fn tenant(&self, database: &DbName) -> Result<Link> {
        self.link(database.as_str(), self.limits.connect).await
    }
}

async fn drive<S, T>(connection: tokio_postgres::Connection<S, T>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // Its error reaches whoever waits for an answer; notices are not needed.
    let _ = connection.await;
}

#[derive(Clone)]
struct Canceller {
    token: CancelToken,
    tls: Option<MakeRustlsConnect>,
}

impl Canceller {
    /// Best effort: the outcome is observed anyway.
    async fn cancel(self) {
        let cancel = async {
            match self.tls {
                None => self.token.cancel_query(NoTls).await,
                Some(tls) => self.token.cancel_query(tls).await,
            }
        };
        let _ = deadline("cancel a query", CANCEL_LIMIT, cancel).await;
    }
}

/// Cancels on the server what still runs when its future is dropped.
struct Running(Option<Canceller>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(canceller) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(canceller.cancel());
        }
    }
}

/// One connection. Closed when dropped.
pub(super) struct Link {
    pub(super) client: Client,
    task: tokio::task::JoinHandle<()>,
    cancel: Canceller,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A statement's parameters with their types: `query_typed` needs no prepared statement, which a
/// pooler would lose.
pub(super) type Typed<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

impl Link {
    /// Waits for something on this connection; what takes too long, or is dropped, is cancelled on
    /// the server.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        future: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        let mut running = Running(Some(self.cancel.clone()));
        match deadline(what, limit, future).await {
            Ok(Ok(value)) => {
                running.0 = None;
                Ok(value)
            }
            Ok(Err(error)) => {
                running.0 = None;
                Err(explain(what, &error, None).into())
            }
            Err(late) => {
                if let Some(canceller) = running.0.take() {
                    canceller.cancel().await;
                }
                Err(late)
            }
        }
    }

    pub(super) async fn rows(&self, what: &str, limit: Duration, sql: &str, params: Typed<'_>) -> Result<Vec<Row>> {
        self.wait(what, limit, self.client.query_typed(sql, params)).await
    }

    pub(super) async fn row(&self, what: &str, limit: Duration, sql: &str, params: Typed<'_>) -> Result<Option<Row>> {
        Ok(self.rows(what, limit, sql, params).await?.into_iter().next())
    }

    /// One statement of DDL, without parameters.
    pub(super) async fn ddl(&self, what: &str, limit: Duration, sql: &str) -> Result<()> {
        self.wait(what, limit, self.client.batch_execute(sql)).await
    }
}

/// A column's value; the error says which.
pub(super) fn column<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, name: &str) -> Result<T> {
    row.try_get(name).map_err(|_| {
        PgError::Unexpected {
            what: "read PostgreSQL's answer".to_owned(),
            why: format!("the column {name} is not what it should be"),
        }
        .into()
    })
}

/// The driver's error in ours. `connecting`: where to, and for how long.
pub(super) fn explain(what: &str, error: &tokio_postgres::Error, connecting: Option<(&str, Duration)>) -> PgError {
    let what = what.to_owned();
    if let Some(db) = error.as_db_error() {
        let mut message = db.message().to_owned();
        if let Some(detail) = db.detail() {
            message = format!("{message} ({detail})");
        }
        return PgError::Refused {
            what,
            state: db.code().code().to_owned(),
            message: SafeText::capped(&message, 500),
        };
    }
    let mut deepest = error.to_string();
    let mut at = std::error::Error::source(error);
    while let Some(e) = at {
        if let Some((address, waited)) = connecting
            && let Some(io) = e.downcast_ref::<std::io::Error>()
            && let Some(failure) = classify_io(io, &SafeText::new(address), waited)
        {
            return PgError::Unreachable { what, failure };
        }
        deepest = e.to_string();
        at = e.source();
    }
    let why = SafeText::capped(&deepest, 300);
    match connecting {
        None => PgError::Broken { what, why },
        Some((address, _)) => {
            let failure = match deepest.as_str() {
                text if text.contains("lookup address") => Failure::NameUnresolved {
                    host: SafeText::new(address.rsplit_once(':').map_or(address, |(host, _)| host)),
                },
                text if text.contains("TLS") => Failure::Tls { what: why },
                text if text.contains("No such file") => Failure::Refused {
                    address: SafeText::new(address),
                },
                _ => Failure::Broken { what: why },
            };
            PgError::Unreachable { what, failure }
        }
    }
}
