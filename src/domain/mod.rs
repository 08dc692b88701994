//! The rules of the house: names, life cycles, capacity and placement, health, jobs and their saga.
//!
//! Pure: no IO, async, clock, randomness or environment. Times and ids are handed in; functions are
//! total and answer with reasons.

pub mod alert;
pub mod audit;
pub mod bulk;
pub mod capacity;
pub mod check;
pub mod command;
pub mod dedicated;
pub mod explain;
pub mod guard;
pub mod health;
pub mod ids;
pub mod instance;
pub mod job;
pub mod log;
pub mod names;
pub mod passlib;
pub mod problem;
pub mod rights;
pub mod saga;
pub mod secret;
pub mod server;
pub mod span;
pub mod template;
pub mod text;
pub mod timeline;

pub use ids::{CustomerId, InstanceId, JobId, PlanId, ServerId, TemplateId};
pub use names::{Code, DbName, HostName, NameError, RemotePath, Subdomain};
pub use problem::Problem;
pub use secret::{KeySource, Secret, SecretRef};
pub use text::SafeText;

#[cfg(test)]
mod tests;
