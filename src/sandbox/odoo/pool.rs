//! Connections as Odoo keeps them: one idle connection stays open for every database that was ever
//! asked for, under the name `odoo-<pid>`. It is what makes a clone of a visited template fail.

use super::error::{Answer, RpcError, connecting};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, NoTls};

const CONNECT_LIMIT: Duration = Duration::from_secs(30);
const STATEMENT_LIMIT: Duration = Duration::from_secs(120);

pub(super) struct Pool {
    config: Config,
    host: String,
    port: u16,
    kept: Mutex<HashMap<String, Arc<Client>>>,
    /// PostgreSQL is to look dead, whatever it is.
    pub(super) dead: AtomicBool,
}

impl Pool {
    pub(super) fn new(mut config: Config, host: String, port: u16) -> Self {
        config.application_name(format!("odoo-{}", std::process::id()));
        Self {
            config,
            host,
            port,
            kept: Mutex::default(),
            dead: AtomicBool::new(false),
        }
    }

    /// The connection kept for `database`, or a new one that is then kept.
    pub(super) async fn get(&self, database: &str) -> Answer<Arc<Client>> {
        self.check_alive()?;
        if let Some(client) = self.kept.lock().await.get(database)
            && !client.is_closed()
        {
            return Ok(Arc::clone(client));
        }
        // Not under the lock: connecting to a database that is being copied waits for the copy.
        let client = Arc::new(self.fresh(database).await?);
        self.kept.lock().await.insert(database.to_owned(), Arc::clone(&client));
        Ok(client)
    }

    /// A connection of the caller's own.
    pub(super) async fn fresh(&self, database: &str) -> Answer<Client> {
        self.check_alive()?;
        let mut config = self.config.clone();
        config.dbname(database);
        let connected = tokio::time::timeout(CONNECT_LIMIT, config.connect(NoTls)).await;
        let (client, connection) = connected
            .map_err(|_| self.timed_out())?
            .map_err(|error| connecting(&error, &self.host, self.port))?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Gives up the connection kept for `database`.
    pub(super) async fn close(&self, database: &str) {
        self.kept.lock().await.remove(database);
    }

    /// Gives up all of them.
    pub(super) async fn close_all(&self) {
        self.kept.lock().await.clear();
    }

    fn check_alive(&self) -> Answer<()> {
        if self.dead.load(Ordering::Relaxed) {
            return Err(RpcError::new(
                "psycopg2.OperationalError",
                format!(
                    "connection to server at \"{}\", port {} failed: Connection refused\n\tIs the server running on \
                     that host and accepting TCP/IP connections?\n",
                    self.host, self.port
                ),
            ));
        }
        Ok(())
    }

    fn timed_out(&self) -> RpcError {
        RpcError::new(
            "psycopg2.OperationalError",
            format!(
                "connection to server at \"{}\", port {} failed: timeout expired\n",
                self.host, self.port
            ),
        )
    }
}

/// Waits for a statement, at most as long as a statement may take.
pub(super) async fn within<T>(statement: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Answer<T> {
    match tokio::time::timeout(STATEMENT_LIMIT, statement).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(RpcError::new(
            "psycopg2.errors.QueryCanceled",
            "canceling statement due to statement timeout\n",
        )),
    }
}

/// `name` as an identifier in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
