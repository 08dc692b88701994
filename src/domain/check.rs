//! One look at a server: how far it came, what was wrong, and what to do about it.
//!
//! Layers are tried in order, because Odoo's version answers while its PostgreSQL is dead, and a
//! proxy answers while there is no Odoo behind it.

use super::text::SafeText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An `http://` or `https://` address without path, query, fragment or credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerUrl {
    text: String,
    https: bool,
    host: String,
    port: u16,
}

/// Why a text is no server address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("the server URL must start with http:// or https://")]
    Scheme,
    /// A path, query, fragment, user or password.
    #[error("the server URL is only scheme, host and port: no {0}")]
    Extra(&'static str),
    /// No host, or none that resolves.
    #[error("the server URL has no valid host name")]
    Host,
    /// Not 1 to 65535.
    #[error("the server URL's port is not a number from 1 to 65535")]
    Port,
}

impl ServerUrl {
    /// # Errors
    /// When the text is anything but scheme, host and port (one `/` at the end is forgiven).
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let lower = text.to_ascii_lowercase();
        let (https, rest) = if let Some(rest) = lower.strip_prefix("https://") {
            (true, rest)
        } else if let Some(rest) = lower.strip_prefix("http://") {
            (false, rest)
        } else {
            return Err(UrlError::Scheme);
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        for (mark, what) in [
            ('@', "user or password"),
            ('?', "query"),
            ('#', "fragment"),
            ('/', "path"),
        ] {
            if rest.contains(mark) {
                return Err(UrlError::Extra(what));
            }
        }
        let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
            let (host, after) = inner.split_once(']').ok_or(UrlError::Host)?;
            let address: std::net::Ipv6Addr = host.parse().map_err(|_| UrlError::Host)?;
            let port = match after {
                "" => None,
                _ => Some(after.strip_prefix(':').ok_or(UrlError::Host)?),
            };
            // One address has many spellings; the record is unique by this text.
            (format!("[{address}]"), port)
        } else {
            let (host, port) = match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            };
            let host = host.strip_suffix('.').unwrap_or(host);
            let label = |l: &str| {
                !l.is_empty()
                    && l.len() <= 63
                    && !l.starts_with('-')
                    && !l.ends_with('-')
                    && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            };
            if host.len() > 253 || !host.split('.').all(label) {
                return Err(UrlError::Host);
            }
            (host.to_owned(), port)
        };
        let default = if https { 443 } else { 80 };
        let port = match port {
            None => default,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse::<u16>().ok().filter(|p| *p > 0).ok_or(UrlError::Port)?
            }
            Some(_) => return Err(UrlError::Port),
        };
        let scheme = if https { "https" } else { "http" };
        let text = if port == default {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{port}")
        };
        Ok(Self {
            text,
            https,
            host,
            port,
        })
    }

    /// The address in its one normal form (lowercase, no default port, no slash).
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// Whether TLS is used.
    pub fn is_https(&self) -> bool {
        self.https
    }
    /// Host, IPv6 addresses in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }
    /// Port, the scheme's own where none was given.
    pub fn port(&self) -> u16 {
        self.port
    }
    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host == "[::1]" || self.host.starts_with("127.")
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}
impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> Self {
        url.text
    }
}
impl TryFrom<String> for ServerUrl {
    type Error = UrlError;
    fn try_from(text: String) -> Result<Self, UrlError> {
        Self::parse(&text)
    }
}
impl std::str::FromStr for ServerUrl {
    type Err = UrlError;
    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

/// Why a server is down, as far as a check can tell from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// The name resolves to nothing.
    NameUnresolved {
        /// The name.
        host: SafeText,
    },
    /// Nothing listens there.
    Refused {
        /// `host:port`.
        address: SafeText,
    },
    /// No answer at all within the limit.
    NoAnswer {
        /// What was waited for: `connect`, `tls`, `headers`, `body`.
        stage: SafeText,
        /// How long, milliseconds.
        waited_ms: u64,
    },
    /// The connection broke off.
    Broken {
        /// What the system said.
        what: SafeText,
    },
    /// The certificate or handshake is bad.
    Tls {
        /// What is wrong with it.
        what: SafeText,
    },
    /// Something answers, and it isn't Odoo.
    NotOdoo {
        /// What it looks like: a redirect and whither, a page and its title, a status.
        what: SafeText,
    },
    /// Odoo or the proxy before it answers with an error.
    Http {
        /// HTTP status.
        status: u16,
    },
    /// Odoo answers its version with an error of its own.
    OdooError {
        /// Its class, as `data.name` gives it.
        name: SafeText,
        /// Its message.
        message: SafeText,
    },
}

impl Failure {
    /// One short word for lists.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NameUnresolved { .. } => "no such name",
            Self::Refused { .. } => "refused",
            Self::NoAnswer { .. } => "no answer",
            Self::Broken { .. } => "broken off",
            Self::Tls { .. } => "TLS problem",
            Self::NotOdoo { .. } => "not Odoo",
            Self::Http { .. } => "HTTP error",
            Self::OdooError { .. } => "Odoo error",
        }
    }

    /// Whether a lost packet or a worker that restarts can cause it, so that a check tries again at once
    /// before it counts.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NameUnresolved { .. } | Self::Refused { .. } | Self::NoAnswer { .. } | Self::Broken { .. } => true,
            Self::Http { status } => *status >= 500 || *status == 429,
            Self::Tls { .. } | Self::NotOdoo { .. } | Self::OdooError { .. } => false,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NameUnresolved { .. } => "check the host in the server's URL, and the DNS that this machine uses",
            Self::Refused { .. } => {
                "the machine is up and nothing listens on that port: start Odoo (or the proxy before it), or mend the port in the URL"
            }
            Self::NoAnswer { .. } => {
                "the machine is down, a firewall drops the packets, or Odoo hangs: try ssh, then Odoo's log"
            }
            Self::Broken { .. } => "the connection broke off midway: look at Odoo's and the proxy's logs",
            Self::Tls { .. } => "renew or mend the certificate, or the name in the URL; it is never skipped",
            Self::NotOdoo { .. } => {
                "the URL leads to a proxy's page, a portal or another program: mend the URL, or the proxy's route to Odoo"
            }
            Self::Http { status: 502..=504, .. } => {
                "the proxy answers and Odoo behind it does not: start Odoo, or mend the upstream"
            }
            Self::Http { .. } => "the server refuses this request: look at the proxy's and Odoo's logs",
            Self::OdooError { .. } => "Odoo runs and fails inside: read its log",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameUnresolved { host } => write!(f, "the name {host} does not resolve"),
            Self::Refused { address } => write!(f, "connection refused by {address}"),
            Self::NoAnswer { stage, waited_ms } => write!(f, "no answer within {waited_ms} ms ({stage})"),
            Self::Broken { what } => write!(f, "connection broken off: {what}"),
            Self::Tls { what } => write!(f, "TLS problem: {what}"),
            Self::NotOdoo { what } => write!(f, "answers, but is not Odoo: {what}"),
            Self::Http { status } => write!(f, "HTTP {status}"),
            Self::OdooError { name, message } => write!(f, "Odoo answers with an error: {name}: {message}"),
        }
    }
}

/// What a server's health says first where Odoo answers and its database does not.
pub(super) const DATABASE_DEAD: &str = "database dead";

/// What a check found wrong with a server that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Warning {
    /// Its PostgreSQL can't be reached, or Odoo says so.
    DatabaseDead {
        /// What came back.
        what: SafeText,
    },
    /// PostgreSQL answers, and refuses our credentials.
    DatabaseLogin {
        /// What came back.
        what: SafeText,
    },
    /// The reference to a secret can't be resolved here.
    SecretMissing {
        /// Which, and why.
        what: SafeText,
    },
    /// The master password is still `admin`: one request from anyone takes the server over.
    MasterPasswordIsAdmin,
    /// The database manager answers on an address open to the world.
    DatabaseManagerOpen,
    /// The master password on record is refused.
    MasterPasswordRefused,
    /// `/jsonrpc` is gone or deprecated on this version.
    NoJsonRpc {
        /// The version that answered.
        version: SafeText,
    },
}

impl Warning {
    /// Whether the server can't serve its customers because of it (as against a risk).
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::DatabaseDead { .. })
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::DatabaseDead { .. } => {
                "Odoo answers and its database does not: start PostgreSQL, or mend db_host and db_port"
            }
            Self::DatabaseLogin { .. } => "mend db_user and its password (e)",
            Self::SecretMissing { .. } => {
                "set the variable, file or command that the reference names, or give another (e)"
            }
            Self::MasterPasswordIsAdmin => "set admin_passwd in odoo.conf to a long random value now",
            Self::DatabaseManagerOpen => "set list_db = False, or deny /web/database in the proxy",
            Self::MasterPasswordRefused => "mend the master password's reference (e), or admin_passwd in odoo.conf",
            Self::NoJsonRpc { .. } => {
                "databases are made through PostgreSQL there; verification goes through the web routes"
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DatabaseDead { what } => write!(f, "{DATABASE_DEAD}: {what}"),
            Self::DatabaseLogin { what } => write!(f, "database login refused: {what}"),
            Self::SecretMissing { what } => write!(f, "secret not to be had: {what}"),
            Self::MasterPasswordIsAdmin => f.write_str("the master password is still \"admin\""),
            Self::DatabaseManagerOpen => f.write_str("database management is open to the world"),
            Self::MasterPasswordRefused => f.write_str("the master password is refused"),
            Self::NoJsonRpc { version } => write!(f, "Odoo {version} has no /jsonrpc"),
        }
    }
}

/// How one layer of a check went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// `tcp`, `tls`, `http`, `version`, `database`, `db_server_status`, `security`.
    pub name: String,
    /// Whether it passed; `None` where it was not tried, or can't be told.
    pub passed: Option<bool>,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// What it said.
    pub note: SafeText,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// When it ended.
    pub at: Timestamp,
    /// How long Odoo's answer to its version took from the first packet, milliseconds.
    pub latency_ms: u64,
    /// Why it is down; `None` where Odoo answers.
    pub failure: Option<Failure>,
    /// What else is wrong, the worst first.
    pub warnings: Vec<Warning>,
    /// Odoo's version, where it answered.
    pub version: Option<SafeText>,
    /// Layer by layer, in the order they were tried.
    pub layers: Vec<Layer>,
}
