//! The one guard of the terminal: whatever ends, stops or breaks the dashboard, the terminal is the
//! operator's again afterwards.
//!
//! Two halves. In the dashboard, [`Screen`] enters and leaves the screen (quit, error, signal,
//! hang-up, panic, suspend, hand-over to an editor). For ends that no program survives (SIGKILL,
//! `abort`, the out-of-memory killer) [`guarded`] puts a small parent process before it.
//!
//! Beside them what goes through the terminal: [`TtyInput`] reads it, [`FrameBackend`] draws on it.

#[cfg(debug_assertions)]
mod failing;
mod guard;
mod host;
mod input;
mod keys;
mod lend;
mod link;
mod modes;
mod out;
mod panics;
mod screen;

pub use guard::guarded;
pub use host::{TtyHost, TtySignals};
pub use input::TtyInput;
pub use keys::Parser;
pub use modes::{Modes, is_terminal};
pub use out::{FrameBackend, Out, write_now};
pub use panics::{Panicked, Redact, catching};
pub use screen::{Screen, on_terminal};
