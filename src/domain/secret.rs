//! Secrets, and references to them. What is stored, shown or logged is the reference; the value
//! itself has no `Debug`, `Display`, `Clone` or `Serialize`, so that it can't slip into any of those.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A secret's value in memory, wiped when dropped.
pub struct Secret(SecretString);

impl Secret {
    /// Takes the value over.
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// The value, for the one call that sends it where it belongs.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Where a secret is to be had. Its text form is what configuration and registry hold.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretRef {
    /// `env:NAME`: an environment variable of the process that needs it.
    Env(String),
    /// `file:PATH`: the file's first line; refused when others may read the file.
    File(String),
    /// `command:ARGV…`: the first line that the command prints. Arguments are split at blanks, or
    /// given as a JSON array; no shell is involved.
    Command(Vec<String>),
    /// `sealed:KEYID:BASE64`: sealed with the operator's key file.
    Sealed {
        /// Which key sealed it.
        key_id: String,
        /// Nonce and ciphertext, base64.
        blob: String,
    },
    /// `withheld:`: there may be one, but the registry does not show it to the role that reads.
    Withheld,
}

/// Where the keys are that seal secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file of this machine, made where there is none and written when keys are changed.
    File(PathBuf),
    /// `command:ARGV…`: a vault's own program prints the key file's text. It is never written.
    Command(Vec<String>),
}

impl KeySource {
    /// The file, where it is one.
    pub fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Command(_) => None,
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Command(argv) => write!(f, "command:{}", argv.first().map_or("", String::as_str)),
        }
    }
}

impl From<PathBuf> for KeySource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&std::path::Path> for KeySource {
    fn from(path: &std::path::Path) -> Self {
        Self::File(path.to_owned())
    }
}

/// Why a text is no secret reference. The text is not repeated: it may be the secret itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretRefError {
    /// No known scheme.
    #[error("a secret is given as env:NAME, file:PATH or command:ARGV…, never in the clear")]
    NoScheme,
    /// Nothing behind the scheme, or not what it needs.
    #[error("the secret reference {0}: needs {1} behind the colon")]
    Malformed(&'static str, &'static str),
}

impl SecretRef {
    /// # Errors
    /// When the text is none of the four forms.
    pub fn parse(text: &str) -> Result<Self, SecretRefError> {
        let (scheme, rest) = text.split_once(':').ok_or(SecretRefError::NoScheme)?;
        match scheme {
            "env" => {
                let good = !rest.is_empty()
                    && !rest.starts_with(|c: char| c.is_ascii_digit())
                    && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                good.then(|| Self::Env(rest.to_owned()))
                    .ok_or(SecretRefError::Malformed("env", "a variable's name"))
            }
            "file" => (!rest.is_empty() && !rest.contains('\0'))
                .then(|| Self::File(rest.to_owned()))
                .ok_or(SecretRefError::Malformed("file", "a path")),
            "command" => {
                let argv: Vec<String> = if rest.trim_start().starts_with('[') {
                    serde_json::from_str(rest)
                        .map_err(|_| SecretRefError::Malformed("command", "a JSON array of strings"))?
                } else {
                    rest.split_whitespace().map(str::to_owned).collect()
                };
                (!argv.is_empty())
                    .then_some(Self::Command(argv))
                    .ok_or(SecretRefError::Malformed("command", "a program"))
            }
            "sealed" => match rest.split_once(':') {
                Some((key_id, blob)) if !key_id.is_empty() && !blob.is_empty() => Ok(Self::Sealed {
                    key_id: key_id.to_owned(),
                    blob: blob.to_owned(),
                }),
                _ => Err(SecretRefError::Malformed("sealed", "a key's id and the sealed value")),
            },
            "withheld" if rest.is_empty() => Ok(Self::Withheld),
            _ => Err(SecretRefError::NoScheme),
        }
    }

    /// The key that sealed it, where it is sealed.
    pub fn key_id(&self) -> Option<&str> {
        match self {
            Self::Sealed { key_id, .. } => Some(key_id),
            _ => None,
        }
    }

    /// What may be shown: the reference, without a sealed value's bytes.
    pub fn shown(&self) -> String {
        match self {
            Self::Sealed { key_id, .. } => format!("sealed ({key_id})"),
            Self::Withheld => "not shown to your role".to_owned(),
            other => String::from(other.clone()),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}
impl From<SecretRef> for String {
    fn from(reference: SecretRef) -> Self {
        match reference {
            SecretRef::Env(name) => format!("env:{name}"),
            SecretRef::File(path) => format!("file:{path}"),
            SecretRef::Command(argv) => {
                let plain = argv.iter().all(|a| !a.is_empty() && !a.contains(char::is_whitespace));
                if plain && !argv.first().is_some_and(|a| a.starts_with('[')) {
                    format!("command:{}", argv.join(" "))
                } else {
                    format!("command:{}", serde_json::Value::from(argv))
                }
            }
            SecretRef::Sealed { key_id, blob } => format!("sealed:{key_id}:{blob}"),
            SecretRef::Withheld => "withheld:".to_owned(),
        }
    }
}
impl TryFrom<String> for SecretRef {
    type Error = SecretRefError;
    fn try_from(text: String) -> Result<Self, SecretRefError> {
        Self::parse(&text)
    }
}
impl std::str::FromStr for SecretRef {
    type Err = SecretRefError;
    fn from_str(text: &str) -> Result<Self, SecretRefError> {
        Self::parse(text)
    }
}
