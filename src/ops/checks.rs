//! Looking at servers: one, or all of them at once, bounded and spread.

use super::guard::On;
use super::{Answer, Ops, shown};
use crate::domain::check::CheckReport;
use crate::domain::rights::Deed;
use crate::domain::server::Server;
use crate::domain::{Problem, ServerId};
use crate::remote::probe::CheckSettings;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What a check found, and what the server's health became by it.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckOutcome {
    /// The server after it.
    pub server: Server,
    /// What was seen, layer by layer.
    pub report: CheckReport,
}

impl Ops {
    /// Looks at a server and keeps nothing of it: the test.
    ///
    /// # Errors
    /// When the server is gone. A server that is down is an answer, not an error.
    pub async fn server_test(&self, id: ServerId) -> Answer<CheckReport> {
        self.allowed(
            Deed::TestServer,
            "server.test",
            &format!("server:{id}"),
            &id.to_string(),
        )
        .await?;
        let (object, label) = (format!("server:{id}"), id.to_string());
        self.judged(Deed::TestServer, On::Server(id), ("server.test", &object, &label))
            .await?;
        let server = self.registry.server(id).await.map_err(shown)?;
        Ok(self.look(&server, true).await)
    }

    /// Looks at a server and keeps the result.
    ///
    /// # Errors
    /// When the server is gone, or the result can't be kept.
    pub async fn server_check(&self, id: ServerId) -> Answer<CheckOutcome> {
        self.allowed(
            Deed::KeepCheck,
            "server.check",
            &format!("server:{id}"),
            &id.to_string(),
        )
        .await?;
        let (object, label) = (format!("server:{id}"), id.to_string());
        self.judged(Deed::KeepCheck, On::Server(id), ("server.check", &object, &label))
            .await?;
        self.check_and_keep(id, false).await
    }

    /// As [`Ops::server_check`]; `thorough` also looks at what is open to strangers, which costs Odoo
    /// some work.
    pub(super) async fn check_and_keep(&self, id: ServerId, thorough: bool) -> Answer<CheckOutcome> {
        let server = self.registry.server(id).await.map_err(shown)?;
        let report = self.look(&server, thorough).await;
        let rules = self.settings().health_rules();
        let server = self.registry.record_check(id, &report, &rules).await.map_err(shown)?;
        Ok(CheckOutcome { server, report })
    }

    /// One look, of which nothing is kept.
    pub(super) async fn look(&self, server: &Server, security: bool) -> CheckReport {
        let settings = CheckSettings {
            timeout: self.settings().checks.timeout.0,
            attempts: self.settings().checks.attempts.get(),
            security,
            ..CheckSettings::default()
        };
        self.prober.check(&self.remote, &server.spec, &settings).await
    }

    /// Looks at many servers, as many at once as the settings say, their beginnings spread; each
    /// result is kept and told as it comes. Dropping the receiver ends what is left.
    pub fn check_all(&self, ids: Vec<ServerId>) -> mpsc::Receiver<(ServerId, Answer<CheckOutcome>)> {
        let (tell, told) = mpsc::channel(64);
        let ops = self.clone();
        tokio::spawn(async move {
            let checks = &ops.settings().checks;
            let spread = checks.jitter.as_ms().min(50 * ids.len() as u64);
            let mut running = JoinSet::new();
            for id in ids {
                let (ops, tell) = (ops.clone(), tell.clone());
                running.spawn(async move {
                    tokio::time::sleep(Duration::from_millis(random_below(spread))).await;
                    let outcome = ops.server_check(id).await;
                    // The receiver is gone when nobody wants to know any more.
                    let _ = tell.send((id, outcome)).await;
                });
            }
            drop(tell_when_closed(&tell, &mut running).await);
        });
        told
    }
}

/// Waits for all checks, or for the receiver to go, which ends them.
async fn tell_when_closed<T>(tell: &mpsc::Sender<T>, running: &mut JoinSet<()>) -> Option<Problem> {
    loop {
        tokio::select! {
            () = tell.closed() => {
                running.abort_all();
                return None;
            }
            ended = running.join_next() => match ended {
                None => return None,
                Some(Err(error)) if error.is_panic() => tracing::error!(%error, "a check panicked"),
                Some(_) => {}
            },
        }
    }
}

fn random_below(limit: u64) -> u64 {
    if limit == 0 {
        return 0;
    }
    getrandom::u64().map_or(0, |n| n % limit)
}
