//! One connection: where to, how it is encrypted, how long it may take.

use super::fault::Fault;
use crate::registry::{RegistryError, Result};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_postgres::{CancelToken, NoTls};

/// How long a statement's cancel may take.
const CANCEL: Duration = Duration::from_secs(3);

/// Makes connections.
pub(super) struct Connector {
    config: tokio_postgres::Config,
    limit: Duration,
    fault: Mutex<Option<Fault>>,
}

impl Connector {
    /// Reads an address.
    pub(super) fn parse(address: &str) -> Result<Self> {
        let config = address
            .parse()
            .map_err(|e: tokio_postgres::Error| RegistryError::Unusable {
                place: "PostgreSQL".to_owned(),
                why: e.to_string(),
            })?;
        Ok(Self {
            config,
            limit: Duration::from_secs(5),
            fault: Mutex::new(None),
        })
    }

    /// How long one connection may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Why the last connection could not be made.
    pub(super) fn take_fault(&self) -> Option<Fault> {
        self.fault.lock().ok().and_then(|mut f| f.take())
    }

    /// A connection outside of the pool (to listen on, to migrate with), and the task that drives it;
    /// its notifications go to `notices`.
    pub(super) async fn dedicated(
        &self,
        notices: Option<tokio::sync::mpsc::UnboundedSender<tokio_postgres::AsyncMessage>>,
    ) -> std::result::Result<(tokio_postgres::Client, tokio::task::JoinHandle<()>), Fault> {
        let connect = self.config.connect(NoTls);
        match tokio::time::timeout(self.limit, connect).await {
            Err(_) => Err(Fault::Late { waited_ms: 5_000 }),
            Ok(Err(e)) => Err(Fault::of(&e)),
            Ok(Ok((client, mut connection))) => {
                let task = tokio::spawn(async move {
                    while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                        if let Some(notices) = &notices {
                            let _ = notices.send(message);
                        }
                    }
                });
                Ok((client, task))
            }
        }
    }

    /// Cancels what runs on a connection. Best effort.
    pub(super) async fn cancel(&self, token: CancelToken) {
        let _ = tokio::time::timeout(CANCEL, token.cancel_query(NoTls)).await;
    }

    /// The role it connects as.
    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// Where it is, without secrets.
    pub(super) fn place(&self) -> String {
        "postgresql".to_owned()
    }
}

/// The pool's way to a connection.
pub(super) struct Door(pub(super) Arc<Connector>);

impl deadpool_postgres::Connect for Door {
    fn connect(
        &self,
        _: &tokio_postgres::Config,
    ) -> super::pool::Boxed<
        '_,
        std::result::Result<(tokio_postgres::Client, tokio::task::JoinHandle<()>), tokio_postgres::Error>,
    > {
        Box::pin(async move {
            self.0.dedicated(None).await.map_err(|fault| {
                if let Ok(mut last) = self.0.fault.lock() {
                    *last = Some(fault);
                }
                tokio_postgres::Error::__private_api_timeout()
            })
        })
    }
}
