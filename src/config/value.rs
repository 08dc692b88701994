//! Values as settings are written: durations such as `15m`, percentages, optional texts. Each parser
//! says what it found and what it expected.

use crate::domain::span;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A length of time as an operator writes it: `500ms`, `2s`, `15m`, `12h`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// So many milliseconds.
    pub const fn ms(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }
    /// So many seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
    /// So many days.
    pub const fn days(days: u64) -> Self {
        Self(Duration::from_secs(days * 86_400))
    }
    /// In whole milliseconds.
    pub fn as_ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// # Errors
    /// When the text is no number with a unit, or the time is nil or over ten years.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected a time such as \"500ms\", \"2s\", \"15m\", \"12h\" or \"30d\"";
        let time = span::read(text).ok_or_else(|| format!("found {text:?}, {EXPECTED}"))?;
        if time > Self::days(3_650).0 {
            return Err(format!("found {text:?}, expected a time of at most 3650d"));
        }
        Ok(Self(time))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.as_ms();
        let (unit, factor) = span::UNITS
            .iter()
            .rev()
            .find(|(_, factor)| ms >= *factor && ms.is_multiple_of(*factor))
            .unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", ms / factor)
    }
}
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"500ms\", \"2s\", \"15m\", \"12h\" or \"30d\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// A whole number between two bounds, both allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bounded<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    /// The number, brought within its bounds.
    pub const fn new(value: u32) -> Self {
        Self(if value < MIN {
            MIN
        } else if value > MAX {
            MAX
        } else {
            value
        })
    }
    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}
impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const MIN: u32, const MAX: u32>;
        impl<const MIN: u32, const MAX: u32> Visitor<'_> for Number<MIN, MAX> {
            type Value = Bounded<MIN, MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Self::Value, E> {
                u32::try_from(n)
                    .ok()
                    .filter(|n| (MIN..=MAX).contains(n))
                    .map(Bounded)
                    .ok_or_else(|| E::custom(format!("found {n}, expected a whole number from {MIN} to {MAX}")))
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Self::Value, E> {
                self.visit_i64(i64::try_from(n).unwrap_or(i64::MAX))
            }
        }
        deserializer.deserialize_any(Number::<MIN, MAX>)
    }
}

/// A share in percent.
pub type Percent = Bounded<0, 100>;

/// A text that means "not given" when it is empty.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::fmt::Display;
    use std::str::FromStr;

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_str(""),
        }
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(serde::de::Error::custom)
    }
}

/// A path as it is written: nothing, absolute, or `~/` and what lies in the user's home. A relative one
/// would mean another place to the worker than to whoever started it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct PathText(pub String);

impl<'de> Deserialize<'de> for PathText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text.starts_with('/') || text.starts_with("~/") {
            return Ok(Self(text));
        }
        Err(de::Error::custom(format!(
            "found {text:?}, expected an absolute path, or one that begins with \"~/\""
        )))
    }
}

/// A secret by reference, as it is written: nothing, `env:`, `file:` or `command:`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SecretText(pub Option<crate::domain::SecretRef>);

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.as_ref().map(|reference| reference.shown()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self(None));
        }
        // The error does not repeat the text: it may be the secret itself.
        crate::domain::SecretRef::parse(&text)
            .map(|reference| Self(Some(reference)))
            .map_err(de::Error::custom)
    }
}

/// Where the registry is, as it is written: a path as [`PathText`], or the address of a database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct PlaceText(pub String);

impl<'de> Deserialize<'de> for PlaceText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text.starts_with('/') || text.starts_with("~/") || is_address(&text) {
            return Ok(Self(text));
        }
        // What may be an address with a password in it is not repeated.
        let found = if text.contains(['@', '=', ':']) {
            String::new()
        } else {
            format!("found {text:?}, ")
        };
        Err(de::Error::custom(format!(
            "{found}expected an absolute path, one that begins with \"~/\", or an address such as \
             \"postgres://USER@HOST/DATABASE\""
        )))
    }
}

/// Whether a registry's place is the address of a database (`postgres://…`, or libpq's `key=value` words), not a
/// file's path.
pub fn is_address(text: &str) -> bool {
    const WORDS: [&str; 6] = ["host", "hostaddr", "dbname", "user", "service", "port"];
    let text = text.trim_start();
    text.starts_with("postgres://")
        || text.starts_with("postgresql://")
        || text
            .split_once('=')
            .is_some_and(|(word, _)| WORDS.contains(&word.trim_end()))
}

/// The address of a registry without a password. None belongs there, and it is refused; until then it isn't shown.
pub fn masked(address: &str) -> String {
    if let Ok(mut url) = url::Url::parse(address)
        && url.password().is_some()
    {
        let _ = url.set_password(Some("…"));
        return url.to_string();
    }
    let words = address.split_whitespace().map(|word| match word.split_once('=') {
        Some(("password", _)) => "password=…",
        _ => word,
    });
    if address.contains("password=") {
        return words.collect::<Vec<_>>().join(" ");
    }
    address.to_owned()
}

impl PathText {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
impl From<&str> for PlaceText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<&str> for PathText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Where keys are, as it is written: a path as [`PathText`], or `command:ARGV…`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct KeyText(pub String);

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.starts_with("command:") {
            let path = PathText::deserialize(de::value::StringDeserializer::<de::value::Error>::new(text));
            return path.map(|path| Self(path.0)).map_err(|error| {
                de::Error::custom(format!("{error}, or \"command:\" and the program that prints the keys"))
            });
        }
        // What is wrong with it is said without repeating it.
        crate::domain::SecretRef::parse(&text)
            .map(|_| Self(text))
            .map_err(de::Error::custom)
    }
}
