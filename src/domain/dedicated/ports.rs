//! Which ports an instance gets.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Ports that other programs are commonly found at, and that are never given out.
const COMMON: [u16; 6] = [8080, 8081, 8086, 8443, 8500, 8888];

/// Where ports are taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRanges {
    /// For HTTP.
    pub http: RangeInclusive<u16>,
    /// For the websocket process.
    pub gevent: RangeInclusive<u16>,
}

impl Default for PortRanges {
    fn default() -> Self {
        Self {
            http: 2100..=3000,
            gevent: 8072..=8999,
        }
    }
}

/// An instance's two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// For HTTP.
    pub http: u16,
    /// For the websocket process.
    pub gevent: u16,
}

/// No port is left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {what} port is free from {first} to {last}: {reserved} are reserved, {listening} more have a listener")]
pub struct NoPort {
    /// Which of the two.
    pub what: &'static str,
    /// The range's first.
    pub first: u16,
    /// The range's last.
    pub last: u16,
    /// Of it, reserved in the registry.
    pub reserved: usize,
    /// Of the others, taken on the server.
    pub listening: usize,
}

impl PortRanges {
    /// The lowest two ports that are neither `reserved` (by the registry, for this server) nor have a
    /// `listening` program.
    ///
    /// # Errors
    /// [`NoPort`], with what takes them.
    pub fn pick(&self, reserved: &BTreeSet<u16>, listening: &BTreeSet<u16>) -> Result<Ports, NoPort> {
        let one = |what, range: &RangeInclusive<u16>, not: Option<u16>| {
            let free = |port: &u16| {
                !reserved.contains(port) && !listening.contains(port) && !COMMON.contains(port) && Some(*port) != not
            };
            range.clone().find(free).ok_or_else(|| NoPort {
                what,
                first: *range.start(),
                last: *range.end(),
                reserved: range.clone().filter(|port| reserved.contains(port)).count(),
                listening: range
                    .clone()
                    .filter(|port| !reserved.contains(port) && listening.contains(port))
                    .count(),
            })
        };
        let http = one("HTTP", &self.http, None)?;
        let gevent = one("websocket", &self.gevent, Some(http))?;
        Ok(Ports { http, gevent })
    }
}
