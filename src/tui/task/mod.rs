//! The task executor: the only door out of the dashboard. It takes effects without waiting, and
//! answers through the [`Mailbox`].

mod act;
mod door;
mod enter;
mod executor;
mod late;
mod logs;
mod mailbox;
pub mod memory;
mod watch;

pub use door::{OpsDoor, fleet as fleet_of};
pub use executor::{Door, Executor, Reply};
pub use late::{LateDoor, Opening};
pub use logs::LogDoor;
pub use mailbox::{Mailbox, Post, mailbox};
