//! Many checks at once, bounded, without those that hang holding up those that don't.

use super::{CheckReport, CheckSettings, check_server};
use crate::domain::server::ServerSpec;
use crate::remote::Remote;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Checks that began this long ago make room for others.
const PATIENCE: Duration = Duration::from_millis(150);

/// Places in the slow lane for each in the quick one. A check that hangs holds one or two sockets:
/// with the default of 64 quick places all stay below the 1,024 files that a process may usually open.
const SLOW_LANES: usize = 4;

/// Runs checks in two lanes: so many that have just begun, and so many more that are slow. A check
/// that takes long moves over to the slow lane, and the next one begins. Cheap to clone.
#[derive(Clone)]
pub struct Prober {
    quick: Arc<Semaphore>,
    slow: Arc<Semaphore>,
}

impl Prober {
    /// `at_once`: checks in the quick lane, at least 1; the slow lane takes four times as many.
    pub fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self {
            quick: Arc::new(Semaphore::new(at_once)),
            slow: Arc::new(Semaphore::new(at_once.saturating_mul(SLOW_LANES))),
        }
    }

    /// Looks at one server when there is room.
    pub async fn check(&self, remote: &Remote, server: &ServerSpec, settings: &CheckSettings) -> CheckReport {
        // The semaphores are never closed; were they, a check without a place is better than none.
        let quick = self.quick.acquire().await.ok();
        let check = check_server(remote, server, settings);
        tokio::pin!(check);
        if let Ok(report) = tokio::time::timeout(PATIENCE, &mut check).await {
            return report;
        }
        let slow = tokio::select! {
            biased;
            report = &mut check => return report,
            slow = self.slow.acquire() => slow.ok(),
        };
        drop(quick);
        let report = check.await;
        drop(slow);
        report
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self::new(64)
    }
}
