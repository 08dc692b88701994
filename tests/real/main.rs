//! Against the real thing: PostgreSQL's own server, started in a folder of the tests' own.
//!
//! Nothing is skipped: where PostgreSQL is missing, the tests fail and say which package to install.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod checks;
mod cli;
mod cluster;
mod databases;
mod harness;
mod identity;
mod jobs_cases;
mod jobs_engine;
mod jobs_fleet;
mod jobs_keys;
mod jobs_kinds;
mod jobs_kit;
mod jobs_soak;
mod jobs_worker;
mod many;
mod not_allowed;
mod odoo;
mod registry;
mod rights;
mod service;
mod settle;
mod ssh;
mod standin;
mod standin_faults;
