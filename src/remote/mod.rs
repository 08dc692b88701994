//! The outside: one adapter an outside system. Domain types in and out, errors with
//! [`RemoteError::is_transient`] and [`RemoteError::hint`], a [`deadline`] on every await.
//!
//! [`Remote`] is the bundle from which handles for one server are made. Dry runs are a property of
//! the handle ([`Remote::read_only`]), not of the code that uses it: a read-only handle refuses
//! every write before a byte is sent.

pub mod dns;
mod enter;
mod error;
pub mod hook;
pub mod host;
pub mod http;
pub mod log;
pub mod odoo;
pub mod postgres;
pub mod probe;
pub mod secrets;
pub mod tls;

pub use error::{RemoteError, Result, deadline};

use crate::domain::dedicated::DnsAccess;
use crate::domain::server::ServerSpec;
use dns::Dns;
use host::Host;
use http::Http;
use odoo::Odoo;
use postgres::Cluster;
use secrets::Keyring;
use std::path::PathBuf;
use std::time::Duration;

/// What a handle may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look only: every writing call is refused.
    ReadOnly,
    /// Everything.
    ReadWrite,
}

impl Access {
    /// # Errors
    /// [`RemoteError::WriteRefused`] on a read-only handle.
    pub fn write(self, what: &str) -> Result<()> {
        match self {
            Self::ReadWrite => Ok(()),
            Self::ReadOnly => Err(RemoteError::WriteRefused { what: what.to_owned() }),
        }
    }
}

/// How long what may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// To connect: name, TCP and TLS together.
    pub connect: Duration,
    /// A call that only reads.
    pub call: Duration,
    /// Odoo's `create_database`: 10 to 15 s for `base` alone, minutes with modules.
    pub create_database: Duration,
    /// Odoo's `duplicate_database`, `rename` and `drop`.
    pub change_database: Duration,
    /// Installing modules through Odoo.
    pub install_modules: Duration,
    /// PostgreSQL's `CREATE DATABASE … TEMPLATE`.
    pub clone: Duration,
    /// Copying or removing a filestore.
    pub copy_files: Duration,
    /// Most bytes of an answer that are read.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(30),
            create_database: Duration::from_secs(600),
            change_database: Duration::from_secs(300),
            install_modules: Duration::from_secs(1_800),
            clone: Duration::from_secs(1_800),
            copy_files: Duration::from_secs(3_600),
            answer_bytes: 1 << 20,
        }
    }
}

/// What handles are made from. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    http: Http,
    keyring: Keyring,
    limits: Limits,
    access: Access,
    ssh_config: Option<PathBuf>,
}

impl Remote {
    /// A bundle that may write. `extra_ca`: a PEM file of certificates trusted besides the system's.
    ///
    /// # Errors
    /// When `extra_ca` can't be read, or no HTTP client can be made.
    pub fn new(keyring: Keyring, limits: Limits, extra_ca: Option<PathBuf>) -> Result<Self> {
        let tls = tls::Tls::load(extra_ca.as_deref())?;
        Ok(Self {
            http: Http::new(&tls, &limits)?,
            keyring,
            limits,
            access: Access::ReadWrite,
            ssh_config: None,
        })
    }

    /// The same, whose ssh reads this configuration instead of the operator's own.
    #[must_use]
    pub fn with_ssh_config(&self, path: PathBuf) -> Self {
        Self {
            ssh_config: Some(path),
            ..self.clone()
        }
    }

    /// The same, refusing every write.
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self {
            access: Access::ReadOnly,
            ..self.clone()
        }
    }

    /// What handles made here may do.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Where secrets are resolved and sealed.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// How long what may take.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The one factory of HTTP clients.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// The Odoo of a server. Connects when it is first used.
    pub fn odoo(&self, server: &ServerSpec) -> Odoo {
        Odoo::new(self, server)
    }

    /// The PostgreSQL of a server, connected. `app_name` is what PostgreSQL shows as
    /// `application_name`, and how a later process finds and settles what this one left running:
    /// `vigie job 42 <nonce>`.
    ///
    /// # Errors
    /// When the record has no `db_host`, its password can't be had, or the connection fails.
    pub async fn postgres(&self, server: &ServerSpec, app_name: &str) -> Result<Cluster> {
        Cluster::connect(self, server, app_name).await
    }

    /// The records of a zone.
    ///
    /// # Errors
    /// When the token can't be had.
    pub async fn dns(&self, access: &DnsAccess) -> Result<Dns> {
        Dns::new(self, access).await
    }

    /// The shell and files of a server: by ssh, or this machine where the server's URL is loopback.
    ///
    /// # Errors
    /// [`RemoteError::NotConfigured`] for a machine elsewhere without ssh access.
    pub fn host(&self, server: &ServerSpec) -> Result<Host> {
        Host::new(self, server)
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
