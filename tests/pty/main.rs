//! The real binary in a real pseudo-terminal.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "helpers of tests fail as tests do, and say their seeds and figures"
)]

mod attention;
mod config;
mod fleet;
mod guard;
mod harness;
mod home;
mod hostile;
mod lent;
mod prompt;
mod sandbox;
mod screen;
mod shared;
mod speed;
mod view;
