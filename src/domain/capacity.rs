//! Capacity and placement: how full servers are, and which one takes the next instance.

use super::ids::ServerId;
use super::server::{Server, ServerState};
use serde::{Deserialize, Serialize};

/// Shares of places that decide what is allowed, percent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Free share that a server needs to be given an instance.
    pub provision_free_percent: u32,
    /// Free share that a placement search asks for.
    pub placement_free_percent: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            provision_free_percent: 10,
            placement_free_percent: 20,
        }
    }
}

/// Free places as a percentage: `(places - taken) / places * 100`; 0 where over-full or without places.
pub fn available_percent(taken: u32, places: u32) -> f64 {
    if places == 0 {
        return 0.0;
    }
    f64::from(places.saturating_sub(taken)) / f64::from(places) * 100.0
}

/// Taken places as a percentage, over 100 where over-full.
pub fn used_percent(taken: u32, places: u32) -> f64 {
    if places == 0 {
        return 100.0;
    }
    f64::from(taken) / f64::from(places) * 100.0
}

/// Why a server can't take an instance now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PassedOver {
    /// It isn't active.
    NotActive {
        /// What it is.
        state: ServerState,
    },
    /// No place at all.
    Full {
        /// Places, all taken.
        places: u32,
    },
    /// Places, but fewer than asked.
    TooFull {
        /// Free, percent.
        free_percent: f64,
        /// Asked, percent.
        needed_percent: u32,
    },
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotActive { state } => write!(f, "is {}", state.word()),
            Self::Full { places } => write!(f, "all of its {places} places are taken"),
            Self::TooFull {
                free_percent,
                needed_percent,
            } => write!(f, "{free_percent:.0} % free, {needed_percent} % needed"),
        }
    }
}

/// Whether a server can take one more instance, keeping `min_free_percent` before it.
///
/// # Errors
/// Why not.
pub fn can_host(server: &Server, min_free_percent: u32) -> Result<(), PassedOver> {
    let state = server.state();
    if state != ServerState::Active {
        return Err(PassedOver::NotActive { state });
    }
    if server.instance_count >= server.spec.max_instances {
        return Err(PassedOver::Full {
            places: server.spec.max_instances,
        });
    }
    let free_percent = server.available_capacity();
    if free_percent < f64::from(min_free_percent) {
        return Err(PassedOver::TooFull {
            free_percent,
            needed_percent: min_free_percent,
        });
    }
    Ok(())
}

/// No server has room: why each was passed over.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("No available server found")]
pub struct NoServer {
    /// Each server and its reason, in the order given.
    pub passed_over: Vec<(ServerId, PassedOver)>,
}

/// Picks the active server with the greatest free share; the one with more free places, then the
/// smaller id where equal. Says why every other was passed over.
///
/// # Errors
/// [`NoServer`] when none has `min_free_percent` free.
pub fn place(servers: &[Server], min_free_percent: u32) -> Result<Placement, NoServer> {
    let mut passed_over = Vec::new();
    let mut best: Option<&Server> = None;
    for server in servers {
        match can_host(server, min_free_percent) {
            Err(why) => passed_over.push((server.id, why)),
            Ok(()) => {
                let key = |s: &Server| {
                    (
                        s.available_capacity(),
                        s.spec.max_instances - s.instance_count,
                        std::cmp::Reverse(s.id),
                    )
                };
                if best.is_none_or(|b| key(server) > key(b)) {
                    best = Some(server);
                }
            }
        }
    }
    match best {
        Some(server) => Ok(Placement {
            server: server.id,
            passed_over,
        }),
        None => Err(NoServer { passed_over }),
    }
}

/// Where the next instance goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The server.
    pub server: ServerId,
    /// Who can't take it, and why.
    pub passed_over: Vec<(ServerId, PassedOver)>,
}
