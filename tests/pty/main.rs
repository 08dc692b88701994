//! The real binary in a real pseudo-terminal.

mod guard;
mod harness;
mod screen;
