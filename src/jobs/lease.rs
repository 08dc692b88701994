//! Keeping a job's lease: renewed while the job runs; when it could not be for 75 % of its time, the
//! job is dropped before anyone else may take it.

use crate::domain::JobId;
use crate::registry::identity::boot_ms;
use crate::registry::{Registry, RegistryError};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
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
    good_until: Arc<AtomicI64>,
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
        let good_until = Arc::new(AtomicI64::new(
            boot_ms() - millis(claimed.elapsed()) + millis(times.self_stop()),
        ));
        let good = Arc::clone(&good_until);
        let renewing = renew(
            registry,
            job,
            token,
            times,
            claimed,
            poke,
            lost.clone(),
            cancel.clone(),
            good,
        );
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
            good_until,
            _end: end.drop_guard(),
        }
    }
}

impl Lease {
    /// Whether nothing may be done any more, by the clock itself: a process that was stopped, or a
    /// machine that slept, is here again before the timers that fire [`Lease::lost`] are.
    pub(super) fn is_over(&self) -> bool {
        self.lost.is_cancelled() || boot_ms() >= self.good_until.load(Ordering::Relaxed)
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
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
    good_until: Arc<AtomicI64>,
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
        let (asked, asked_ms) = (Instant::now(), boot_ms());
        let answer = tokio::time::timeout_at(stop_at, registry.renew_lease(job, token, times.lease)).await;
        match answer {
            Ok(Ok(cancelled)) => {
                renewed = asked;
                good_until.store(asked_ms + millis(times.self_stop()), Ordering::Relaxed);
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
