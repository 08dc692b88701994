//! Names that leave the program: for PostgreSQL, DNS, files and shells. Only the parsers here make
//! them, so a raw string can reach none of those.
//!
//! PostgreSQL cuts names over 63 bytes silently, and then two customers meet in one database:
//! therefore the limit is part of the type.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name that PostgreSQL and a DNS label keep whole, in bytes.
pub const MAX_NAME_BYTES: usize = 63;

/// Names refused as subdomains unless the settings say otherwise.
pub const DEFAULT_RESERVED: &[&str] = &["www", "api", "mail", "ftp", "prod", "production"];

/// Why a name was refused: what it was, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("{what} is empty: {rule}")]
    Empty {
        /// What was being named.
        what: &'static str,
        /// What is allowed.
        rule: &'static str,
    },
    /// Over the limit, which PostgreSQL and DNS share.
    #[error("{what} is {bytes} bytes long; at most {max} are allowed")]
    TooLong {
        /// What was being named.
        what: &'static str,
        /// How long it was.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// A character that is not allowed, or not where it stands.
    #[error("{what} has {found:?} at place {place}: {rule}")]
    BadCharacter {
        /// What was being named.
        what: &'static str,
        /// The offending character.
        found: char,
        /// Its place, counted from 1, in characters.
        place: usize,
        /// What is allowed.
        rule: &'static str,
    },
    /// A name kept for something else.
    #[error("{name:?} is reserved and can't be used as {what}")]
    Reserved {
        /// What was being named.
        what: &'static str,
        /// The reserved name.
        name: String,
    },
}

fn check(
    what: &'static str,
    rule: &'static str,
    text: &str,
    max: usize,
    allowed: impl Fn(usize, char, bool) -> bool,
) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what, rule });
    }
    if text.len() > max {
        return Err(NameError::TooLong {
            what,
            bytes: text.len(),
            max,
        });
    }
    for (index, (at, found)) in text.char_indices().enumerate() {
        if !allowed(index, found, at + found.len_utf8() == text.len()) {
            return Err(NameError::BadCharacter {
                what,
                found,
                place: index + 1,
                rule,
            });
        }
    }
    Ok(())
}

/// A text that only its own `parse` makes, byte for byte; the error is [`NameError`] unless another is named.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        name_type! { $(#[$doc])* $name, NameError }
    };
    ($(#[$doc:meta])* $name:ident, $error:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text, byte for byte as it was parsed.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                Self::parse(&text)
            }
        }
        impl std::str::FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                Self::parse(text)
            }
        }
    };
}
pub(in crate::domain) use name_type;

name_type! {
    /// A database's name: 2 to 63 bytes of letters, digits, `_`, `.` and `-`, beginning with a letter
    /// or digit (the rule of Odoo's own web form, which its RPC does not check), and none of
    /// PostgreSQL's own databases.
    DbName
}

impl DbName {
    const RULE: &str = "letters, digits, '_', '.' and '-' are allowed, a letter or digit first";

    /// # Errors
    /// When the text is no such name; nothing is cut or mended.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let what = "the database name";
        check(what, Self::RULE, text, MAX_NAME_BYTES, |index, c, _| {
            c.is_ascii_alphanumeric() || (index > 0 && matches!(c, '_' | '.' | '-'))
        })?;
        if text.len() < 2 {
            return Err(NameError::Empty {
                what,
                rule: "at least two characters are needed",
            });
        }
        if matches!(text, "postgres" | "template0" | "template1") {
            return Err(NameError::Reserved {
                what,
                name: text.to_owned(),
            });
        }
        Ok(Self(text.to_owned()))
    }
}

name_type! {
    /// One DNS label in lowercase: `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`. Labels that DNS reads as
    /// something else (`xn--…`, any `--` in places 3 and 4) are refused, since they hide look-alikes.
    Subdomain
}

impl Subdomain {
    const RULE: &str =
        "lowercase letters, digits and '-' are allowed, '-' neither first nor last nor in places 3 and 4 together";

    /// # Errors
    /// When the text is no such label.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let what = "the subdomain";
        check(what, Self::RULE, text, MAX_NAME_BYTES, |index, c, last| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || (c == '-' && index > 0 && !last)
        })?;
        if text.as_bytes().get(2..4) == Some(b"--") {
            return Err(NameError::BadCharacter {
                what,
                found: '-',
                place: 4,
                rule: Self::RULE,
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// Refuses the names kept for the operator's own use, and the root domain itself.
    ///
    /// # Errors
    /// [`NameError::Reserved`] when `reserved` has this name, or it is the first label of `root_domain`.
    pub fn allowed(self, reserved: &[String], root_domain: Option<&str>) -> Result<Self, NameError> {
        let is_root = root_domain.is_some_and(|root| root == self.0 || root.split('.').next() == Some(self.as_str()));
        if is_root || reserved.iter().any(|name| name.eq_ignore_ascii_case(&self.0)) {
            return Err(NameError::Reserved {
                what: "the subdomain",
                name: self.0,
            });
        }
        Ok(self)
    }
}

name_type! {
    /// The short name operators type for a server or template: 1 to 32 lowercase letters, digits, `-`
    /// and `_`, a letter or digit first.
    Code
}

impl Code {
    const RULE: &str = "lowercase letters, digits, '-' and '_' are allowed, a letter or digit first";

    /// # Errors
    /// When the text is no such code.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check("the code", Self::RULE, text, 32, |index, c, _| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || (index > 0 && matches!(c, '-' | '_'))
        })?;
        Ok(Self(text.to_owned()))
    }
}

name_type! {
    /// A host: a DNS name or an IP address, as given to resolvers, PostgreSQL and ssh. Never begins
    /// with `-`, which a command line would read as an option. An absolute path is a Unix socket's
    /// folder, as PostgreSQL takes it.
    HostName
}

impl HostName {
    const RULE: &str =
        "letters, digits, '.', '-', '_' and ':' are allowed, not '-' first; or an absolute path of a socket folder";

    /// # Errors
    /// When the text is no such host.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let what = "the host";
        if text.starts_with('/') {
            check(what, Self::RULE, text, 100, |_, c, _| {
                c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_')
            })?;
        } else {
            check(what, Self::RULE, text, 253, |index, c, _| {
                c.is_ascii_alphanumeric() || c == ':' || (index > 0 && matches!(c, '.' | '-' | '_'))
            })?;
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether this is a socket folder on this machine.
    pub fn is_socket_dir(&self) -> bool {
        self.0.starts_with('/')
    }
}

name_type! {
    /// An absolute path on a server, without `..`, control characters or a leading `-`.
    RemotePath
}

impl RemotePath {
    /// # Errors
    /// When the text is not an absolute, plain path.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const RULE: &str = "an absolute path without '..' or control characters";
        let what = "the path";
        check(what, RULE, text, 1024, |index, c, _| {
            !c.is_control() && (index > 0 || c == '/')
        })?;
        if text.split('/').any(|part| part == "..") {
            return Err(NameError::BadCharacter {
                what,
                found: '.',
                place: text.find("..").unwrap_or(0) + 1,
                rule: RULE,
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// This path with one more part.
    ///
    /// # Errors
    /// When `part` is empty, has a `/`, or is `.` or `..`.
    pub fn join(&self, part: &str) -> Result<Self, NameError> {
        if part.is_empty() || part == "." || part.contains('/') {
            return Err(NameError::Empty {
                what: "the path's part",
                rule: "one plain name is needed",
            });
        }
        Self::parse(&format!("{}/{part}", self.0.trim_end_matches('/')))
    }
}

/// The subdomain that a display name suggests: `Client ABC` → `client-abc`. Accents of Latin letters
/// are dropped; what has no place in a label becomes `-`. `None` where nothing is left.
pub fn suggest_subdomain(name: &str) -> Option<Subdomain> {
    let mut label = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        let plain = match c {
            'a'..='z' | '0'..='9' => c,
            'à'..='å' => 'a',
            'ç' => 'c',
            'è'..='ë' => 'e',
            'ì'..='ï' => 'i',
            'ñ' => 'n',
            'ò'..='ö' | 'ø' => 'o',
            'ù'..='ü' => 'u',
            'ý' | 'ÿ' => 'y',
            _ => '-',
        };
        if plain != '-' || !(label.is_empty() || label.ends_with('-')) {
            label.push(plain);
        }
    }
    label.truncate(MAX_NAME_BYTES);
    Subdomain::parse(label.trim_end_matches('-')).ok()
}

/// The database name that goes with a subdomain: `client-abc` → `client_abc` (no quoting needed in
/// an operator's own SQL). `None` where that is no database name (a subdomain of one letter).
pub fn suggest_database(subdomain: &Subdomain) -> Option<DbName> {
    DbName::parse(&subdomain.as_str().replace('-', "_")).ok()
}
