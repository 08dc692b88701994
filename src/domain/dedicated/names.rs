//! What everything of a dedicated instance is called, by rule from its name; and what no name may touch.

use crate::domain::names::{DbName, NameError, Subdomain};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an instance is for; its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A customer works with it.
    Production,
    /// For trying things.
    Development,
}

impl Purpose {
    /// The word, as stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }

    /// The one with this word or prefix.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "production" | "prod" => Some(Self::Production),
            "development" | "dev" => Some(Self::Development),
            _ => None,
        }
    }
}

impl Purpose {
    /// The prefix of its names: `prod`, `dev`.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Production => "prod",
            Self::Development => "dev",
        }
    }
}

/// Why a text is no domain to work in, or a name no domain below it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FqdnError {
    /// One of its labels is none.
    #[error("the domain {domain:?}: {why}")]
    Label {
        /// What was given.
        domain: String,
        /// What is wrong with the label.
        why: NameError,
    },
    /// A single label: nobody's own.
    #[error("the domain {0:?} has one label only; give the whole name, such as example.org")]
    TopLevel(String),
    /// Over the 253 bytes that DNS carries.
    #[error("the domain {0:?} is over 253 bytes long")]
    TooLong(String),
    /// The root domain itself, or something above or beside it: never touched.
    #[error("{domain:?} is not below {root}: the root domain and everything beside it is never touched")]
    NotBelow {
        /// What was asked for.
        domain: String,
        /// The domain that instances live below.
        root: RootDomain,
    },
}

/// The domain below which instances get theirs: lowercase, without a dot at its end. Its own record,
/// site and certificate are never touched: nothing but [`RootDomain::below`] makes a name in it, and
/// that can't make the root itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootDomain(String);

impl RootDomain {
    /// # Errors
    /// When the text is no domain of at least two labels.
    pub fn parse(text: &str) -> Result<Self, FqdnError> {
        let plain = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if plain.len() > 253 {
            return Err(FqdnError::TooLong(text.to_owned()));
        }
        for label in plain.split('.') {
            // The operator's own root may be an international name; a customer's label may not.
            let label = label.strip_prefix("xn--").unwrap_or(label);
            Subdomain::parse(label).map_err(|why| FqdnError::Label {
                domain: text.to_owned(),
                why,
            })?;
        }
        if !plain.contains('.') {
            return Err(FqdnError::TopLevel(text.to_owned()));
        }
        Ok(Self(plain))
    }

    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `label` below this domain.
    ///
    /// # Errors
    /// [`FqdnError::TooLong`].
    pub fn below(&self, label: &Subdomain) -> Result<String, FqdnError> {
        let domain = format!("{label}.{}", self.0);
        if domain.len() > 253 {
            return Err(FqdnError::TooLong(domain));
        }
        Ok(domain)
    }

    /// The label of `domain` if it is one label below this root, however it is written.
    ///
    /// # Errors
    /// [`FqdnError::NotBelow`] for the root itself, in capitals or with a dot at its end as well, and for
    /// what is beside, above or more than one label below it.
    pub fn label_of(&self, domain: &str) -> Result<Subdomain, FqdnError> {
        let plain = domain.strip_suffix('.').unwrap_or(domain).to_ascii_lowercase();
        plain
            .strip_suffix(self.0.as_str())
            .and_then(|rest| rest.strip_suffix('.'))
            .and_then(|label| Subdomain::parse(label).ok())
            .ok_or_else(|| FqdnError::NotBelow {
                domain: domain.to_owned(),
                root: self.clone(),
            })
    }
}

impl fmt::Display for RootDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl TryFrom<String> for RootDomain {
    type Error = FqdnError;
    fn try_from(text: String) -> Result<Self, FqdnError> {
        Self::parse(&text)
    }
}
impl std::str::FromStr for RootDomain {
    type Err = FqdnError;
    fn from_str(text: &str) -> Result<Self, FqdnError> {
        Self::parse(text)
    }
}
impl From<RootDomain> for String {
    fn from(root: RootDomain) -> Self {
        root.0
    }
}

/// How names are made: `{kind}` is `prod` or `dev`, `{name}` the instance's own, `{version}` Odoo's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naming {
    /// The folder, the site and the system user: `{kind}-{name}`.
    pub instance: String,
    /// The database: `{kind}-{name}`.
    pub database: String,
    /// The systemd unit, without `.service`: `odoo{version}-{kind}-{name}`.
    pub unit: String,
}

impl Default for Naming {
    fn default() -> Self {
        Self {
            instance: "{kind}-{name}".to_owned(),
            database: "{kind}-{name}".to_owned(),
            unit: "odoo{version}-{kind}-{name}".to_owned(),
        }
    }
}

/// Everything that is called after a dedicated instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Its own name, one DNS label.
    pub name: Subdomain,
    /// `prod-NAME`: its folder and its site's file.
    pub instance: Subdomain,
    /// Its whole domain.
    pub domain: String,
    /// Its database.
    pub database: DbName,
    /// Its PostgreSQL role, and the system user that it runs as; at most 32 bytes, as `useradd` allows.
    pub user: String,
    /// Its systemd unit, with `.service`.
    pub unit: String,
}

/// Names that no dedicated instance has, whatever the settings add: its label stands in the operator's
/// own zone, where these mean something.
pub const RESERVED: &[&str] = &[
    "production",
    "prod",
    "www",
    "api",
    "mail",
    "ftp",
    "admin",
    "administrator",
    "autoconfig",
    "autodiscover",
    "cpanel",
    "dns",
    "hostmaster",
    "imap",
    "localhost",
    "mta-sts",
    "mx",
    "ns",
    "ns1",
    "ns2",
    "ns3",
    "ns4",
    "pop",
    "pop3",
    "postmaster",
    "root",
    "sftp",
    "smtp",
    "ssh",
    "vpn",
    "webmail",
    "whm",
    "wpad",
];

/// Longest name of a user that Debian's `useradd` takes.
const USER_MOST: usize = 32;

impl Names {
    /// The label of an instance that may be called so.
    ///
    /// # Errors
    /// When it is none, is kept for the zone's own use ([`RESERVED`] and `more`), or is the root domain's
    /// own, however that is written.
    pub fn allowed(text: &str, root: &RootDomain, more: &[String]) -> Result<Subdomain, FqdnError> {
        let wrong = |why| FqdnError::Label {
            domain: text.chars().take(80).collect(),
            why,
        };
        let plain = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if plain == root.0 {
            return Err(FqdnError::NotBelow {
                domain: text.to_owned(),
                root: root.clone(),
            });
        }
        let name = Subdomain::parse(text).map_err(wrong)?;
        let mut reserved: Vec<String> = RESERVED.iter().map(|name| (*name).to_owned()).collect();
        reserved.extend_from_slice(more);
        name.allowed(&reserved, Some(root.as_str())).map_err(wrong)
    }

    /// The names as a registry gives them back: each is read again.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn stored(
        name: Subdomain,
        instance: &str,
        domain: &str,
        database: DbName,
        user: &str,
        unit: &str,
    ) -> Result<Self, FqdnError> {
        let wrong = |why| FqdnError::Label {
            domain: domain.to_owned(),
            why,
        };
        let bare = unit.strip_suffix(".service").unwrap_or(unit);
        Subdomain::parse(bare).map_err(wrong)?;
        Subdomain::parse(user).map_err(wrong)?;
        Ok(Self {
            instance: Subdomain::parse(instance).map_err(wrong)?,
            domain: RootDomain::parse(domain)?.0,
            database,
            user: user.to_owned(),
            unit: format!("{bare}.service"),
            name,
        })
    }

    /// The names of the instance called `name`.
    ///
    /// # Errors
    /// When a pattern makes something of it that is no such name: one over 63 bytes, for instance, which
    /// PostgreSQL would cut silently.
    pub fn of(
        name: Subdomain,
        purpose: Purpose,
        version: &str,
        root: &RootDomain,
        naming: &Naming,
    ) -> Result<Self, FqdnError> {
        let fill = |pattern: &str| {
            pattern
                .replace("{kind}", purpose.prefix())
                .replace("{version}", version)
                .replace("{name}", name.as_str())
        };
        let wrong = |why| FqdnError::Label {
            domain: name.to_string(),
            why,
        };
        let instance = Subdomain::parse(&fill(&naming.instance)).map_err(wrong)?;
        let unit = fill(&naming.unit);
        // The unit's name is a file's name and an argument: the same narrow letters.
        Subdomain::parse(&unit).map_err(wrong)?;
        Ok(Self {
            domain: root.below(&name)?,
            database: DbName::parse(&fill(&naming.database)).map_err(wrong)?,
            user: user_of(&instance),
            unit: format!("{unit}.service"),
            instance,
            name,
        })
    }
}

/// `prod-NAME`; where that is too long its beginning and a checksum, so that two never meet in one.
fn user_of(instance: &Subdomain) -> String {
    let text = instance.as_str();
    if text.len() <= USER_MOST {
        return text.to_owned();
    }
    // FNV-1a, 32 bits: 8 letters tell apart what shares its first 23.
    let sum = text.bytes().fold(0x811c_9dc5_u32, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let kept = text.get(..USER_MOST - 9).unwrap_or(text).trim_end_matches('-');
    format!("{kept}-{sum:08x}")
}
