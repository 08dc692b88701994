//! One look at a server, layer by layer, so that the reason is known: name and TCP, TLS, HTTP,
//! Odoo's version, its database, and what is open to strangers. Bounded in time and bytes whatever
//! the other side does.

mod database;
mod lanes;
mod reach;
mod security;

pub use lanes::Prober;

use super::Remote;
use super::http::millis;
use super::odoo::Version;
use crate::domain::SafeText;
use crate::domain::check::{CheckReport, Failure, Layer, Warning};
use crate::domain::server::ServerSpec;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How a check is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSettings {
    /// For all of it.
    pub timeout: Duration,
    /// Attempts before it counts as failed, at least 1: one lost packet is no outage. Only failures
    /// that pass by themselves are tried again.
    pub attempts: u32,
    /// Between two attempts.
    pub retry_after: Duration,
    /// Whether the master password and the database manager are looked at. Costs Odoo up to a second
    /// of processor: for tests and activations. [`Prober`] does it by itself once a day, too.
    pub security: bool,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            attempts: 3,
            retry_after: Duration::from_millis(300),
            security: false,
        }
    }
}

/// Layers as they are passed, against one clock.
struct Trace {
    ends: Instant,
    layers: Vec<Layer>,
}

impl Trace {
    fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    fn note(&mut self, name: &str, passed: Option<bool>, took: Duration, note: &str) {
        self.layers.push(layer(name, passed, took, note));
    }
}

fn layer(name: &str, passed: Option<bool>, took: Duration, note: &str) -> Layer {
    Layer {
        name: name.to_owned(),
        passed,
        took_ms: millis(took),
        note: SafeText::capped(note, 300),
    }
}

/// Looks at one server.
pub async fn check_server(remote: &Remote, server: &ServerSpec, settings: &CheckSettings) -> CheckReport {
    let begun = Instant::now();
    let mut trace = Trace {
        ends: begun + settings.timeout,
        layers: Vec::new(),
    };
    let reached = reach::reach(remote, server, settings, &mut trace).await;
    let (failure, version, latency, warnings) = match reached {
        Err(failure) => (Some(failure), None, begun.elapsed(), Vec::new()),
        Ok(found) => {
            let warnings = look_deeper(remote, server, settings, &mut trace, &found).await;
            (None, Some(found.version), found.latency, warnings)
        }
    };
    CheckReport {
        at: Timestamp::now(),
        latency_ms: millis(latency),
        failure,
        warnings,
        version: version.map(|v: Version| v.text),
        layers: trace.layers,
    }
}

/// An Odoo that answered its version.
struct Found {
    version: Version,
    /// From the first packet to the version's last byte.
    latency: Duration,
    has_jsonrpc: bool,
}

/// The layers behind the version, side by side.
async fn look_deeper(
    remote: &Remote,
    server: &ServerSpec,
    settings: &CheckSettings,
    trace: &mut Trace,
    found: &Found,
) -> Vec<Warning> {
    let left = trace.left();
    let security = async {
        match settings.security && found.has_jsonrpc {
            true => Some(security::look(remote, server, left).await),
            false => None,
        }
    };
    let (database, security) = tokio::join!(database::look(remote, server, left, found.has_jsonrpc), security);
    let mut warnings = Vec::new();
    for (layers, found) in [Some(database), security].into_iter().flatten() {
        trace.layers.extend(layers);
        warnings.extend(found);
    }
    if !found.has_jsonrpc {
        warnings.push(Warning::NoJsonRpc {
            version: found.version.text.clone(),
        });
    }
    warnings.sort_by_key(severity);
    warnings
}

/// The worst first.
fn severity(warning: &Warning) -> u8 {
    match warning {
        Warning::DatabaseDead { .. } => 0,
        Warning::MasterPasswordIsAdmin => 1,
        Warning::DatabaseManagerOpen => 2,
        Warning::DatabaseLogin { .. } => 3,
        Warning::SecretMissing { .. } => 4,
        Warning::MasterPasswordRefused => 5,
        Warning::NoJsonRpc { .. } => 6,
    }
}

/// A failure's word and what is known of it, for a layer's note.
fn told(failure: &Failure) -> String {
    failure.to_string()
}

#[cfg(test)]
mod tests;
