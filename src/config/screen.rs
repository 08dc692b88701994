//! What the screen's settings are made of: keys, keymaps, letters, colours.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The keys of an action: one, several, none (or `"disabled"`) to switch it off; or by place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a key such as \"ctrl-r\", a list of keys such as [\"q\", \"ctrl-q\"], \"disabled\", or keys by place such as { log = \"e\" }"
)]
pub enum Keys {
    /// Everywhere the same.
    Everywhere(KeyList),
    /// By the places' names; elsewhere they stay what they are.
    In(BTreeMap<String, KeyList>),
}

/// One key or sequence, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeyList {
    /// One key or sequence.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl KeyList {
    /// As a list.
    pub fn list(&self) -> &[String] {
        match self {
            Self::One(key) => std::slice::from_ref(key),
            Self::Many(keys) => keys,
        }
    }
}

impl Keys {
    /// The keys, each list with the place where it holds; `None`: everywhere.
    pub fn lines(&self) -> Vec<(Option<&str>, &[String])> {
        match self {
            Self::Everywhere(keys) => vec![(None, keys.list())],
            Self::In(places) => places
                .iter()
                .map(|(place, keys)| (Some(place.as_str()), keys.list()))
                .collect(),
        }
    }
}

/// Whether only ASCII is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ascii {
    /// Where the locale has nothing else.
    Auto,
    /// As said.
    Always(bool),
}

impl Serialize for Ascii {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Always(is) => serializer.serialize_bool(*is),
        }
    }
}

impl<'de> Deserialize<'de> for Ascii {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Is;
        impl serde::de::Visitor<'_> for Is {
            type Value = Ascii;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or \"auto\"")
            }
            fn visit_bool<E: serde::de::Error>(self, is: bool) -> Result<Ascii, E> {
                Ok(Ascii::Always(is))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Ascii, E> {
                match text {
                    "auto" => Ok(Ascii::Auto),
                    other => Err(E::custom(format!("found {other:?}, expected true, false or \"auto\""))),
                }
            }
        }
        deserializer.deserialize_any(Is)
    }
}

/// How many colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Colours {
    /// As many as the terminal shows, by `NO_COLOR`, `COLORTERM` and `TERM`.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// All of them.
    #[serde(rename = "true")]
    All,
    /// 256.
    #[serde(rename = "256")]
    Indexed,
    /// 16.
    #[serde(rename = "16")]
    Sixteen,
    /// None.
    #[serde(rename = "none")]
    None,
}

impl Colours {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::All => "true",
            Self::Indexed => "256",
            Self::Sixteen => "16",
            Self::None => "none",
        }
    }
}

/// A ready keymap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadyKeys {
    /// vigie's own.
    #[default]
    Default,
    /// As in vim.
    Vim,
    /// As in k9s.
    K9s,
    /// As in lazygit.
    Lazygit,
}

impl ReadyKeys {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Vim => "vim",
            Self::K9s => "k9s",
            Self::Lazygit => "lazygit",
        }
    }
}
