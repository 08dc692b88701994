//! vigie: the terminal dashboard with which operators watch and run a fleet of Odoo servers.
//!
//! The rooms, from the inside out; an arrow not listed here is refused by a test:
//!
//! | room | what it is | may use |
//! | --- | --- | --- |
//! | [`domain`] | pure rules: names, life cycles, capacity, health, plans of steps and their saga | nothing |
//! | [`config`] | settings: file, environment, arguments | domain |
//! | [`registry`] | the store, behind one trait | domain |
//! | [`remote`] | one adapter an outside system: Odoo, PostgreSQL, shells and files, checks, secrets | domain |
//! | [`jobs`] | durable work: engine, worker process, log, kinds | domain, registry, remote |
//! | [`ops`] | what a dashboard key or a verb of the command line does, once, for both | domain, config, registry, remote, jobs |
//! | [`tui`] | the dashboard; only `tui::task` knows ops | domain |
//! | [`sandbox`] | a private fleet on this machine: a PostgreSQL cluster and Odoo stand-ins | everything |
//! | [`cli`] | the command line: verbs, tables, JSON, exit codes | everything |

pub mod cli;
pub mod config;
pub mod domain;
pub mod jobs;
pub mod ops;
pub mod registry;
pub mod remote;
pub mod sandbox;
pub mod tui;
