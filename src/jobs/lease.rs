//! Keeping a job's lease: renewed while the job runs; when it could not be for 75 % of its time, the
//! job is dropped before anyone else may take it.

use crate::domain::JobId;
use crate::registry::{Registry, RegistryError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a lease is, and how often it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTimes {
    /// The lease.
    pub lease: Duration,
    /// Between renewals.
    pub heartbeat: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(20),
            heartbeat: Duration::from_secs(5),
        }
    }
}

impl LeaseTimes {
    /// After so long without a renewal the holder stops by itself.
    pub fn self_stop(&self) -> Duration {
        self.lease * 3 / 4
    }
}

/// The holder's side of a lease; renewing ends when it is dropped.
pub(super) struct Lease {
    /// Fires when the lease is lost, or could not be renewed in time: nothing may be done any more.
    pub(super) lost: CancellationToken,
    /// Fires when an operator asked to stop the job.
    pub(super) cancel: CancellationToken,
    _end: DropGuard,
}

impl Lease {
    /// Renews from now on. `claimed` is when the claim was asked for; `poke` makes it look at once.
    pub(super) fn keep(
        registry: Arc<dyn Registry>,
        job: JobId,
        token: i64,
        times: LeaseTimes,
        claimed: Instant,
        poke: Arc<Notify>,
    ) -> Self {
        let lost = CancellationToken::new();
        let cancel = CancellationToken::new();
        let end = CancellationToken::new();
        let renewing = renew(registry, job, token, times, claimed, poke, lost.clone(), cancel.clone());
        let ended = end.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = renewing => {}
            }
        });
        Self {
            lost,
            cancel,
            _end: end.drop_guard(),
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "one caller, just above")]
async fn renew(
    registry: Arc<dyn Registry>,
    job: JobId,
    token: i64,
    times: LeaseTimes,
    claimed: Instant,
    poke: Arc<Notify>,
    lost: CancellationToken,
    cancel: CancellationToken,
) {
    // Time is counted from before the renewal was asked for: the store's lease is never shorter.
    let mut renewed = claimed;
    let mut pause = times.heartbeat;
    loop {
        let stop_at = tokio::time::Instant::from_std(renewed + times.self_stop());
        tokio::select! {
            () = tokio::time::sleep_until(stop_at) => {
                tracing::warn!(%job, "the lease could not be renewed in time: stopping");
                lost.cancel();
                return;
            }
            () = tokio::time::sleep(pause) => {}
            () = poke.notified() => {}
        }
        let asked = Instant::now();
        let answer = tokio::time::timeout_at(stop_at, registry.renew_lease(job, token, times.lease)).await;
        match answer {
            Ok(Ok(cancelled)) => {
                renewed = asked;
                pause = times.heartbeat;
                if cancelled {
                    cancel.cancel();
                }
            }
            Ok(Err(RegistryError::StaleToken { .. } | RegistryError::NotFound { .. })) => {
                tracing::warn!(%job, token, "the lease went to another worker: stopping");
                lost.cancel();
                return;
            }
            Ok(Err(error)) => {
                tracing::warn!(%job, %error, "lease not renewed");
                pause = times.heartbeat / 5;
            }
            Err(_) => {}
        }
    }
}
