//! Many checks at once, bounded, without those that hang holding up those that don't.

use super::{CheckReport, CheckSettings, check_server};
use crate::domain::SecretRef;
use crate::domain::check::ServerUrl;
use crate::domain::server::ServerSpec;
use crate::remote::Remote;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Checks that began this long ago make room for others.
const PATIENCE: Duration = Duration::from_millis(150);

/// How long a closed door is believed to stay closed.
const LOOK_AGAIN: Duration = Duration::from_secs(24 * 3_600);

/// Places in the slow lane for each in the quick one. A check that hangs holds one or two sockets:
/// with the default of 64 quick places all stay below the 1,024 files that a process may usually open.
const SLOW_LANES: usize = 4;

/// Runs checks in two lanes: so many that have just begun, and so many more that are slow. A check
/// that takes long moves over to the slow lane, and the next one begins. Cheap to clone.
#[derive(Clone)]
pub struct Prober {
    quick: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    /// Servers at which nothing stood open when it was last looked.
    closed: Arc<Mutex<HashMap<Door, Instant>>>,
}

/// What a look at a server's doors depends on: another address or master password is looked at anew.
type Door = (ServerUrl, Option<SecretRef>);

impl Prober {
    /// `at_once`: checks in the quick lane, at least 1; the slow lane takes four times as many.
    pub fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self {
            quick: Arc::new(Semaphore::new(at_once)),
            slow: Arc::new(Semaphore::new(at_once.saturating_mul(SLOW_LANES))),
            closed: Arc::default(),
        }
    }

    /// Looks at one server when there is room. What is open to strangers is looked at when the
    /// settings ask for it, when it was open the last time, and otherwise once a day: it costs Odoo up
    /// to a second of processor, and a warning must neither vanish with the next check nor stay after
    /// it was mended.
    pub async fn check(&self, remote: &Remote, server: &ServerSpec, settings: &CheckSettings) -> CheckReport {
        let door = (server.server_url.clone(), server.master_password.clone());
        let settings = CheckSettings {
            security: settings.security || !self.is_closed(&door),
            ..settings.clone()
        };
        let report = self.when_there_is_room(remote, server, &settings).await;
        if let Some(layer) = report.layers.iter().find(|l| l.name == "security") {
            let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            closed.retain(|_, at| at.elapsed() < LOOK_AGAIN);
            match layer.passed {
                Some(true) => closed.insert(door, Instant::now()),
                _ => closed.remove(&door),
            };
        }
        report
    }

    fn is_closed(&self, door: &Door) -> bool {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.get(door).is_some_and(|at| at.elapsed() < LOOK_AGAIN)
    }

    async fn when_there_is_room(&self, remote: &Remote, server: &ServerSpec, settings: &CheckSettings) -> CheckReport {
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
