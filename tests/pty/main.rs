//! The real binary in a real pseudo-terminal.

mod fleet;
mod guard;
mod harness;
mod sandbox;
mod screen;
