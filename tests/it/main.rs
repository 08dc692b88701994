//! The parts together, in one binary that needs no other program: the registry's contract, flows,
//! configuration, the house.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say their seeds and figures"
)]

mod arch;
mod cli;
mod config;
mod dash;
mod docs;
mod registry;
