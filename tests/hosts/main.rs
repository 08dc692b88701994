//! On real hosts: Debian with systemd, sshd, nginx and PostgreSQL, booted by systemd-nspawn (see `lab.rs`).
//!
//! Where that can't run the tests say so and pass; with `VIGIE_REQUIRE_HOSTS=1` they fail.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    dead_code,
    reason = "helpers of tests fail as tests do, and are not all used by each"
)]

mod cuts;
mod dedicated;
mod hostile;
mod keys;
mod lab;
mod leftovers;
mod secrets;
mod shell;
mod units;
