//! The task executor: the only door out of the dashboard. It takes effects without waiting, and
//! answers through the [`Mailbox`].

mod executor;
mod mailbox;

pub use executor::{Door, Executor, Reply};
pub use mailbox::{Mailbox, Post, mailbox};
