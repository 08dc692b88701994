//! What is to be silent: `server_full:test-*`.

use super::AlertKind;
use serde::{Deserialize, Serialize};

/// Which alerts are silent: a kind (or `*`), and a name in which `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mute {
    kind: Option<AlertKind>,
    name: String,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Without the colon.
    #[error("a pattern is KIND:NAME, such as server_full:test-* or *:prod-3")]
    NoColon,
    /// An unknown kind.
    #[error("there are no alerts of the kind {0:?}: {kinds}", kinds = kinds())]
    NoKind(String),
    /// Without a name.
    #[error("the name is empty: * is any")]
    NoName,
    /// Too long to be a name.
    #[error("longer than 200 bytes")]
    TooLong,
}

fn kinds() -> String {
    let words: Vec<&str> = AlertKind::ALL.iter().map(|kind| kind.word()).collect();
    format!("{}, or *", words.join(", "))
}

impl Mute {
    /// # Errors
    /// When the text is no pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > 200 {
            return Err(PatternError::TooLong);
        }
        let (kind, name) = text.trim().split_once(':').ok_or(PatternError::NoColon)?;
        let kind = match kind.trim() {
            "*" => None,
            word => Some(
                AlertKind::ALL
                    .into_iter()
                    .find(|kind| kind.word() == word)
                    .ok_or_else(|| PatternError::NoKind(word.to_owned()))?,
            ),
        };
        let name = name.trim();
        if name.is_empty() {
            return Err(PatternError::NoName);
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }

    /// Exactly this alert's kind and name.
    pub fn exactly(kind: AlertKind, label: &str) -> Self {
        Self {
            kind: Some(kind),
            name: label.to_owned(),
        }
    }

    /// Whether an alert of this kind, about what is called so, is meant.
    pub fn matches(&self, kind: AlertKind, label: &str) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind) && glob(&self.name, label)
    }
}

/// Whether a text is like a pattern in which `*` stands for anything. In one pass: a `*` is only ever
/// taken back to the last one, so that no pattern takes long.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

impl std::fmt::Display for Mute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind.map_or("*", AlertKind::word), self.name)
    }
}
impl From<Mute> for String {
    fn from(mute: Mute) -> Self {
        mute.to_string()
    }
}
impl TryFrom<String> for Mute {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}
