//! The rules of the house: names, life cycles, capacity and placement, health, jobs and their saga.
//!
//! Pure: no IO, async, clock, randomness or environment. Times and ids are handed in; functions are
//! total and answer with reasons.

pub mod ids;
pub mod names;
pub mod passlib;
pub mod problem;
pub mod secret;
pub mod text;

pub use ids::{CustomerId, InstanceId, JobId, PlanId, ServerId, TemplateId};
pub use names::{Code, DbName, HostName, NameError, RemotePath, Subdomain};
pub use problem::Problem;
pub use secret::{Secret, SecretRef};
pub use text::SafeText;
