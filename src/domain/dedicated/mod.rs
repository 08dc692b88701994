//! A dedicated instance: a customer's own Odoo on a server, with its own code, port, configuration,
//! unit, site, certificate and domain. Here is what follows from its name and its server by rule alone:
//! what everything is called, which ports and how much memory it gets, and the texts of its files.
//!
//! Every text that ends in a file is made from typed values by one place that knows that file's
//! syntax, and is read back in tests: a value that its syntax could misread is refused, not escaped.

mod conf;
mod names;
mod ports;
mod site;
mod sizing;
mod spec;
mod unit;

pub use conf::{OdooConf, odoo_conf};
pub use names::{FqdnError, Names, Naming, Purpose, RESERVED, RootDomain};
pub use ports::{NoPort, PortRanges, Ports};
pub use site::{Certificate, Site, site};
pub use sizing::{Floor, Machine, Shortage, Sizing};
pub use spec::{
    Branch, Build, DedicatedFacts, DedicatedSpec, DnsAccess, DnsMethod, Module, Removal, Repository, Source, TextError,
    TlsMethod,
};
pub use unit::{ServiceUnit, service_unit};

/// Why a value may not stand in a file: which, and what it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} can't be written into {file}: {why}")]
pub struct Unwritable {
    /// What was to be written.
    pub what: String,
    /// The file whose syntax would misread it.
    pub file: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Odoo's version as far as its files differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Series(pub u16);

impl Series {
    /// Of a version as operators write it: `16`, `16.0`, `19e`.
    pub fn of(version: &str) -> Option<Self> {
        let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|series| (8..=99).contains(series)).map(Self)
    }

    /// What the port of the websocket process is called: `longpolling_port` to 15, `gevent_port` from 16
    /// (an alias in 16 only, gone in 18).
    pub fn gevent_key(self) -> &'static str {
        if self.0 <= 15 {
            "longpolling_port"
        } else {
            "gevent_port"
        }
    }

    /// Where the websocket process is asked: `/longpolling` to 15, `/websocket` from 16.
    pub fn gevent_path(self) -> &'static str {
        if self.0 <= 15 { "/longpolling" } else { "/websocket" }
    }
}

#[cfg(test)]
mod tests;
