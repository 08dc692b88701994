//! A file's text, item by item: what is right is kept, what is wrong is told with its place and left
//! out, so that one slip costs one setting and not the start.

use super::parse::{ConfigError, NO_TOML, line_column, nearest, reword};
use super::settings::Settings;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, ValueDeserializer};

/// The profile that is none: what the file says outside of all profiles.
pub const NO_PROFILE: &str = "default";
/// Where profiles are written.
const PROFILES: &str = "profile";

/// A value that was written, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// Section and key, and what may lie below.
    pub(super) path: Vec<String>,
    /// What was written.
    pub(super) value: toml::Value,
    /// Line and column, from 1.
    pub(super) at: (usize, usize),
    /// Whether it is one of a list's tables (`[[command]]`): it is added, not replaced.
    pub(super) one_of: bool,
}

/// A file, read as far as it is right.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Document {
    /// What holds for every profile.
    pub(super) items: Vec<Item>,
    /// What each profile says over it.
    pub(super) profiles: BTreeMap<String, Vec<Item>>,
    /// What is wrong and was left out, in the order of the file.
    pub(super) mistakes: Vec<ConfigError>,
    /// Whether what guards against mistakes may be lost, because the text is broken.
    pub(super) unguarded: bool,
}

type Key<'i> = Spanned<Cow<'i, str>>;
type Value<'i> = Spanned<DeValue<'i>>;

/// Reads a text; `name` is what mistakes call it.
pub(super) fn read(name: &str, text: &str) -> Document {
    let (table, broken) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        name,
        text,
        mistakes: Vec::new(),
    };
    for error in &broken {
        reader.broken(error);
    }
    let mut items = Vec::new();
    let mut profiles = BTreeMap::new();
    for (key, value) in table.into_inner() {
        if key.get_ref() == PROFILES {
            reader.profiles(value, &mut profiles);
        } else {
            reader.sift(&mut Vec::new(), key, value, &mut items);
        }
    }
    items.sort_by_key(|item| item.at);
    reader.mistakes.sort_by_key(|mistake| mistake.at);
    let mut document = Document {
        items,
        profiles,
        mistakes: reader.mistakes,
        unguarded: false,
    };
    if !broken.is_empty() {
        // The parser guesses what a broken line means; nobody else should.
        let guessed = |item: &Item| document.mistakes.iter().any(|m| m.is_broken_at(item.at.0));
        document.items.retain(|item| !guessed(item));
        for items in document.profiles.values_mut() {
            items.retain(|item| !guessed(item));
        }
        document.mark_lost(text);
        let guards = |line: &str| line.contains("guard") || line.contains("read_only");
        document.unguarded = text
            .lines()
            .any(|line| !line.trim_start().starts_with('#') && guards(line));
    }
    document
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    mistakes: Vec<ConfigError>,
}

impl Reader<'_> {
    fn broken(&mut self, error: &toml::de::Error) {
        let at = error.span().map(|span| line_column(self.text, span.start));
        // One broken place often leads to more of its line.
        if at.is_some() && self.mistakes.iter().any(|m| m.at.map(|a| a.0) == at.map(|a| a.0)) {
            return;
        }
        let (message, hint) = reword(error.message(), "");
        self.mistakes.push(ConfigError {
            source_name: self.name.to_owned(),
            at,
            setting: String::new(),
            message: format!("{NO_TOML}: {message}"),
            hint,
        });
    }

    fn mistake(&mut self, path: &[String], span: Range<usize>, message: String, hint: Option<String>) {
        self.mistakes.push(ConfigError {
            source_name: self.name.to_owned(),
            at: Some(line_column(self.text, span.start)),
            setting: path.join("."),
            message,
            hint,
        });
    }

    fn profiles(&mut self, value: Value<'_>, profiles: &mut BTreeMap<String, Vec<Item>>) {
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            let message = "found a value, expected profiles: [profile.NAME]".to_owned();
            return self.mistake(&[PROFILES.to_owned()], span, message, None);
        };
        for (name, overlay) in table {
            let path = vec![PROFILES.to_owned(), name.get_ref().to_string()];
            let word = name.get_ref().to_string();
            if word == NO_PROFILE || !is_name(&word) {
                let message = format!(
                    "found the profile {word:?}, expected a name of lowercase letters, digits, \"-\" and \"_\", not {NO_PROFILE:?}"
                );
                self.mistake(&path, name.span(), message, None);
                continue;
            }
            let DeValue::Table(sections) = overlay.get_ref() else {
                let message = "found a value, expected a table of settings".to_owned();
                self.mistake(&path, overlay.span(), message, None);
                continue;
            };
            let mut items = Vec::new();
            let before = self.mistakes.len();
            for (key, value) in sections.clone() {
                self.sift(&mut Vec::new(), key, value, &mut items);
            }
            for mistake in self.mistakes.iter_mut().skip(before) {
                mistake.setting = format!("{PROFILES}.{word}.{}", mistake.setting);
            }
            items.sort_by_key(|item| item.at);
            profiles.insert(word, items);
        }
    }

    /// Keeps what of `value` is right. A table that is wrong is taken apart; the smallest wrong part is told.
    fn sift<'i>(&mut self, above: &mut Vec<Key<'i>>, key: Key<'i>, value: Value<'i>, kept: &mut Vec<Item>) {
        let names = |above: &[Key<'_>], key: &Key<'_>| -> Vec<String> {
            let keys = above.iter().chain(std::iter::once(key));
            keys.map(|key| key.get_ref().to_string()).collect()
        };
        if let DeValue::Array(list) = value.get_ref()
            && !list.is_empty()
            && list.iter().all(|one| one.get_ref().is_table())
        {
            for one in list.iter() {
                let alone = Spanned::new(value.span(), DeValue::Array(std::iter::once(one.clone()).collect()));
                let path = names(above, &key);
                match try_out(above, &key, &alone) {
                    Ok(()) => kept.extend(self.item(path, one.clone(), true)),
                    Err(error) => self.refuse(&path, &error, one.span()),
                }
            }
            return;
        }
        let tried = try_out(above, &key, &value);
        let (span, is_table) = (value.span(), value.get_ref().is_table());
        match (tried, value.into_inner()) {
            (Err(error), DeValue::Table(table)) if !is_unknown(&error, key.get_ref()) && !table.is_empty() => {
                above.push(key);
                for (inner, value) in table {
                    self.sift(above, inner, value, kept);
                }
                above.pop();
            }
            (Err(error), _) => {
                let place = if is_table { key.span() } else { span };
                self.refuse(&names(above, &key), &error, place);
            }
            // What is right is kept leaf by leaf, so that each tells where it was written.
            (Ok(()), DeValue::Table(table)) => {
                above.push(key);
                for (inner, value) in table {
                    self.sift(above, inner, value, kept);
                }
                above.pop();
            }
            (Ok(()), value) => {
                let path = names(above, &key);
                let mut item = self.item(path, Spanned::new(span, value), false);
                if let Some(item) = &mut item {
                    item.at = line_column(self.text, key.span().start);
                }
                kept.extend(item);
            }
        }
    }

    fn item(&mut self, path: Vec<String>, value: Value<'_>, one_of: bool) -> Option<Item> {
        let span = value.span();
        match toml::Value::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(Item {
                path,
                value,
                at: line_column(self.text, span.start),
                one_of,
            }),
            Err(error) => {
                self.refuse(&path, &error, span);
                None
            }
        }
    }

    fn refuse(&mut self, path: &[String], error: &toml::de::Error, otherwise: Range<usize>) {
        let span = error.span().unwrap_or(otherwise);
        let found = self.text.get(span.clone()).unwrap_or_default();
        let (message, hint) = reword(error.message(), found);
        self.mistake(path, span, message, hint);
    }
}

/// Whether the settings take this value, alone, below these keys.
fn try_out(above: &[Key<'_>], key: &Key<'_>, value: &Value<'_>) -> Result<(), toml::de::Error> {
    let mut table = DeTable::new();
    table.insert(key.clone(), value.clone());
    for outer in above.iter().rev() {
        let inner = std::mem::replace(&mut table, DeTable::new());
        table.insert(outer.clone(), Spanned::new(outer.span(), DeValue::Table(inner)));
    }
    Settings::deserialize(Deserializer::from(Spanned::new(0..0, table))).map(|_| ())
}

/// Whether the error is that this key itself is not known: what lies below it says nothing more.
fn is_unknown(error: &toml::de::Error, key: &str) -> bool {
    error.message().starts_with(&format!("unknown field `{key}`"))
}

/// Whether this can be the name of a profile.
fn is_name(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    !word.is_empty() && word.len() <= 32 && word.chars().all(plain)
}

/// Settings that say which fleet one works on, and what opens its secrets. Where one of them is wrong,
/// going on with its default would mean another fleet: there is no going on.
const PLACES: [&str; 3] = ["paths.registry", "paths.data_dir", "paths.key_file"];

/// Whether a mistake there must stop the start under this profile.
pub(super) fn is_essential(mistake: &ConfigError, profile: Option<&str>) -> bool {
    let setting = match mistake.setting.strip_prefix("profile.") {
        Some(rest) => match rest.split_once('.') {
            Some((name, setting)) if Some(name) == profile => setting,
            _ => return false,
        },
        None => mistake.setting.as_str(),
    };
    if setting == "paths" || PLACES.contains(&setting) {
        return true;
    }
    // A slip in the name of one of them.
    setting.strip_prefix("paths.").is_some_and(|key| {
        let known = ["registry", "data_dir", "key_file"];
        mistake.message.starts_with("found the unknown") && nearest(key, &known).is_some()
    })
}

impl ConfigError {
    fn is_broken_at(&self, line: usize) -> bool {
        self.setting.is_empty() && self.at.is_some_and(|at| at.0 == line)
    }
}

impl Document {
    /// Where the text is no TOML, more may be lost than the broken line. Whatever line of it names a
    /// place of the fleet and did not come through is blamed for.
    fn mark_lost(&mut self, text: &str) {
        let mut header = String::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            if let Some(rest) = line.strip_prefix('[') {
                header = rest.split(']').next().unwrap_or_default().trim().to_owned();
                continue;
            }
            let Some((key, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
                continue;
            };
            let key: String = key.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
            let whole = if header.is_empty() {
                key
            } else {
                format!("{header}.{key}")
            };
            let (profile, setting) = match whole.strip_prefix("profile.").and_then(|rest| rest.split_once('.')) {
                Some((profile, setting)) => (Some(profile), setting),
                None => (None, whole.as_str()),
            };
            if !PLACES.contains(&setting) {
                continue;
            }
            let items = match profile {
                Some(profile) => self.profiles.get(profile),
                None => Some(&self.items),
            };
            let there = items.is_some_and(|items| items.iter().any(|item| item.path.join(".") == setting));
            let told = self.mistakes.iter().any(|mistake| mistake.setting == whole);
            if there || told {
                continue;
            }
            let mistake = self
                .mistakes
                .iter_mut()
                .find(|mistake| mistake.at.is_some_and(|at| at.0 == number + 1));
            match mistake {
                Some(mistake) => mistake.setting = whole,
                None => {
                    let source_name = self.mistakes.first().map(|m| m.source_name.clone());
                    self.mistakes.push(ConfigError {
                        source_name: source_name.unwrap_or_default(),
                        at: Some((number + 1, 1)),
                        setting: whole,
                        message: "can't be read, because the text is broken above it".to_owned(),
                        hint: None,
                    });
                }
            }
        }
    }
}
