//! Looking at servers when they are due, and keeping history from growing for ever.

use crate::domain::ServerId;
use crate::domain::health::HealthRules;
use crate::jobs::tools::Tools;
use crate::registry::Registry;
use crate::remote::probe::{CheckSettings, Prober};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How a worker looks at servers.
#[derive(Debug, Clone)]
pub struct ScheduleOptions {
    /// Between two checks of a server.
    pub interval: Duration,
    /// How a check is made.
    pub check: CheckSettings,
    /// Checks that fall due together begin spread over this time.
    pub jitter: Duration,
    /// Checks at once.
    pub concurrency: usize,
    /// What makes a server slow, offline or full.
    pub rules: HealthRules,
    /// Checks older than this are forgotten.
    pub keep_checks: Duration,
    /// Logs of jobs that were over before this are forgotten.
    pub keep_logs: Duration,
}

/// How often due checks are asked for; the registry knows which are.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How often history is pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// Checks claimed at once.
const BATCH: usize = 200;
/// One call of the registry.
const REGISTRY_LIMIT: Duration = Duration::from_secs(20);

/// Checks and prunes until `end` fires.
pub(super) async fn run(
    registry: Arc<dyn Registry>,
    tools: Arc<Tools>,
    worker: String,
    options: ScheduleOptions,
    end: CancellationToken,
) {
    let prober = Prober::new(options.concurrency);
    // Asked no less often than ten times an interval, so that short ones are kept too.
    let every = LOOK_EVERY.min(options.interval / 10).max(Duration::from_millis(200));
    let mut prune_at = tokio::time::Instant::now() + PRUNE_EVERY.mul_f64(crate::jobs::random_share());
    loop {
        let due = registry.claim_due_checks(None, options.interval, BATCH);
        match tokio::time::timeout(REGISTRY_LIMIT, due).await {
            Ok(Ok(due)) => {
                for server in due {
                    let (registry, tools, options) = (Arc::clone(&registry), Arc::clone(&tools), options.clone());
                    let (prober, ended) = (prober.clone(), end.clone());
                    tokio::spawn(async move {
                        // Not all at the same instant: the prober bounds them, this spreads them.
                        let jitter = options.jitter.mul_f64(crate::jobs::random_share());
                        let spread = tokio::time::sleep(jitter);
                        tokio::select! {
                            () = ended.cancelled() => {}
                            () = async { spread.await; check(registry.as_ref(), &tools, &prober, server, &options).await } => {}
                        }
                    });
                }
            }
            Ok(Err(error)) => tracing::warn!(%worker, %error, "no due checks to be had"),
            Err(_) => tracing::warn!(%worker, "the registry does not answer"),
        }
        if tokio::time::Instant::now() >= prune_at {
            prune_at = tokio::time::Instant::now() + PRUNE_EVERY;
            prune(registry.as_ref(), &options).await;
        }
        let pause = every.mul_f64(0.75 + 0.5 * crate::jobs::random_share());
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn check(registry: &dyn Registry, tools: &Tools, prober: &Prober, id: ServerId, options: &ScheduleOptions) {
    let Ok(Ok(server)) = tokio::time::timeout(REGISTRY_LIMIT, registry.server(id)).await else {
        return;
    };
    let report = prober
        .check(&tools.remote.read_only(), &server.spec, &options.check)
        .await;
    match tokio::time::timeout(REGISTRY_LIMIT, registry.record_check(id, &report, &options.rules)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(server = %id, %error, "a check was not kept"),
        Err(_) => tracing::warn!(server = %id, "a check was not kept in time"),
    }
}

async fn prune(registry: &dyn Registry, options: &ScheduleOptions) {
    let now = Timestamp::now();
    let before = |kept: Duration| now.checked_sub(kept).unwrap_or(Timestamp::UNIX_EPOCH);
    let pruned = registry.prune(before(options.keep_checks), before(options.keep_logs));
    match tokio::time::timeout(Duration::from_secs(300), pruned).await {
        Ok(Ok(0)) => {}
        Ok(Ok(rows)) => tracing::info!(rows, "history pruned"),
        Ok(Err(error)) => tracing::warn!(%error, "history not pruned"),
        Err(_) => tracing::warn!("history not pruned in time"),
    }
}
