//! What a dedicated instance is made as, kept in the registry; and what its job needs besides, kept in
//! the job.

use super::{Floor, Names, PortRanges, Ports, Purpose, RootDomain, Series, Sizing};
use crate::domain::SecretRef;
use crate::domain::names::{RemotePath, name_type};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word, as stored, printed and typed.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// The one with this word.
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }
    };
}

words! {
    /// Where an instance's certificate comes from.
    TlsMethod {
        /// Nowhere: plain HTTP.
        None = "none",
        /// Files that lie on the server.
        File = "file",
        /// Let's Encrypt, by certbot on the server.
        Certbot = "certbot",
        /// Cloudflare's Origin CA.
        Origin = "origin",
    }
}

words! {
    /// Who makes an instance's name known.
    DnsMethod {
        /// The operator.
        None = "none",
        /// Cloudflare's API.
        Cloudflare = "cloudflare",
    }
}

/// What is known of a dedicated instance once its job has made it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DedicatedFacts {
    /// The mark that everything of it carries.
    pub mark: Option<String>,
    /// The id of its DNS record, where this program made one.
    pub dns_record: Option<String>,
    /// When its certificate ends.
    pub certificate_end: Option<jiff::Timestamp>,
}

/// What a dedicated instance is made as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DedicatedSpec {
    /// What it is for.
    pub purpose: Purpose,
    /// What everything of it is called.
    pub names: Names,
    /// Odoo's version, as far as files differ by it.
    pub series: Series,
    /// Its ports: proposed by the plan, settled when the job is queued.
    pub ports: Ports,
    /// Its folder on the server.
    pub folder: RemotePath,
    /// Where its certificate comes from.
    pub tls: TlsMethod,
    /// Who makes its name known.
    pub dns: DnsMethod,
    /// What is known of it since.
    pub facts: DedicatedFacts,
}

impl DedicatedSpec {
    /// A path in its folder.
    ///
    /// # Errors
    /// When that is too long for a path.
    pub fn path(&self, part: &str) -> Result<RemotePath, crate::domain::names::NameError> {
        self.folder.join(part)
    }
}

/// Why a text is no branch, address of a repository, or module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?}: {rule}")]
pub struct TextError {
    what: &'static str,
    text: String,
    rule: &'static str,
}

name_type! {
    /// A branch or tag of git: letters, digits and `. _ / + -`, a letter or digit first; nothing that git
    /// reads as an option, a range or a way out of its folder.
    Branch, TextError
}

impl Branch {
    /// # Errors
    /// When the text is no such branch.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '+' | '-');
        let parts = text.split('/').all(|part| {
            !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with('.') && !part.ends_with(".lock")
        });
        let first = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if first && parts && text.len() <= 200 && text.chars().all(fine) && !text.contains("..") {
            return Ok(Self(text.to_owned()));
        }
        Err(TextError {
            what: "the branch",
            text: text.chars().take(80).collect(),
            rule: "letters, digits and . _ / + - are allowed, a letter or digit first, no \"..\"",
        })
    }
}

name_type! {
    /// A repository that git can fetch from: `https://`, `ssh://` or `git@HOST:PATH`. Not `ext::` and its
    /// like, which would run programs, and no password in it.
    Repository, TextError
}

impl Repository {
    /// # Errors
    /// When the text is no such address.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-' | '~' | ':' | '@' | '+');
        let rest = ["https://", "ssh://", "git@"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let host = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        let secret = text.starts_with("https://") && text.contains('@');
        let plain = text.len() <= 300 && text.chars().all(fine) && !text.contains("..") && !text.contains("::");
        if rest.is_some_and(|rest| host(rest) && rest.contains(['/', ':'])) && plain && !secret {
            return Ok(Self(text.to_owned()));
        }
        Err(TextError {
            what: "the repository",
            text: text.chars().take(80).collect(),
            rule: "https://HOST/PATH, ssh://HOST/PATH or git@HOST:PATH, without a password",
        })
    }
}

name_type! {
    /// The technical name of a module of Odoo.
    Module, TextError
}

impl Module {
    /// # Errors
    /// When the text is no such name.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= 64 && text.chars().all(fine) {
            return Ok(Self(text.to_owned()));
        }
        Err(TextError {
            what: "the module",
            text: text.chars().take(80).collect(),
            rule: "lowercase letters, digits and '_' are allowed, a letter first",
        })
    }
}

/// Where Odoo's source comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A checkout on the server, copied.
    Folder(RemotePath),
    /// A tarball on the server, unpacked.
    Tarball(RemotePath),
    /// A repository, cloned on the server.
    Git {
        /// Where from.
        repository: Repository,
        /// Which branch or tag.
        branch: Branch,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) | Self::Tarball(path) => write!(f, "{path}"),
            Self::Git { repository, branch } => write!(f, "{repository} at {branch}"),
        }
    }
}

/// What the zone of a name is changed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsAccess {
    /// The zone, by its name.
    pub zone: RootDomain,
    /// The API's token.
    pub token: SecretRef,
    /// The API; the maker's own where not given.
    pub api: Option<String>,
}

/// What the making of a dedicated instance needs besides what it is: kept in its job, so that what was
/// previewed is what is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The domain below which it lives.
    pub root: RootDomain,
    /// Where Odoo's source comes from.
    pub source: Source,
    /// The interpreter: a program's name or path.
    pub python: String,
    /// What is installed, as far as the source has it.
    pub modules: Vec<Module>,
    /// Where ports are taken from.
    pub ranges: PortRanges,
    /// What listened on the server when it was planned.
    pub listening: BTreeSet<u16>,
    /// How it is set up for its server; decided by what the server has, where not given.
    pub sizing: Option<Sizing>,
    /// Below this nothing is made.
    pub floor: Floor,
    /// The server's public address.
    pub address: Option<IpAddr>,
    /// What its DNS record is made with.
    pub zone: Option<DnsAccess>,
    /// A certificate with its chain, and its key, on the server.
    pub certificate: Option<(RemotePath, RemotePath)>,
    /// Whom the certificate's maker writes to.
    pub mail: Option<String>,
    /// The certificate's maker, where it isn't certbot's own choice.
    pub acme: Option<String>,
    /// Largest body of a request, MiB.
    pub body_mib: u32,
    /// The folder of the operators' lists on the server.
    pub tracking: Option<RemotePath>,
}

/// What the removal of a dedicated instance needs besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Where the last backup is put, on the server.
    pub backups: RemotePath,
    /// What its DNS record is removed with.
    pub zone: Option<DnsAccess>,
    /// The folder of the operators' lists on the server.
    pub tracking: Option<RemotePath>,
}
