//! vigie: the terminal dashboard with which operators watch and run a fleet of Odoo servers.
//!
//! The rooms, from the inside out; an arrow not listed here is refused by a test:
//!
//! | room | what it is | may use |
//! | --- | --- | --- |
//! | [`domain`] | pure rules: names, life cycles, capacity, health, plans of steps and their saga | nothing |
//! | [`registry`] | the store, behind one trait | domain |
//! | [`tui`] | the dashboard; only `tui::task` knows ops | domain |
//! | [`sandbox`] | a private fleet on this machine: a PostgreSQL cluster and Odoo stand-ins | everything |

pub mod config;
pub mod domain;
pub mod registry;
pub mod sandbox;
pub mod tui;
