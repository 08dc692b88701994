//! A private fleet on this machine: a PostgreSQL cluster of its own, Odoo stand-ins that really
//! create, duplicate and drop databases in it, and what the dashboard needs to show them.
//!
//! The tests use the same pieces, so that what they prove is what a newcomer sees.

pub mod account;
pub mod binaries;
pub mod cluster;
mod companion;
pub mod fleet;
mod generate;
pub mod odoo;

pub use cluster::{Cluster, ClusterError, ClusterOptions};
pub use fleet::{FleetOptions, SandboxFleet};
pub use generate::{Scale, generated};
pub use odoo::{Faults, Instead, Standin, StandinHandle, StandinOptions};
