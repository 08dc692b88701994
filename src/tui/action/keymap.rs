//! From keys to actions: the table's defaults with the operator's changes over them.

use super::key::{Key, Sequence, parse_sequence, show_sequence};
use super::{ACTIONS, Action, ActionId, Place, action, by_name};
use std::collections::BTreeMap;

/// What pressed keys come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// An action of this place.
    Action(ActionId),
    /// The beginning of longer sequences.
    Prefix,
    /// An action, but not of this place.
    Elsewhere(ActionId),
    /// Nothing.
    Nothing,
}

/// A mistake in the settings' keys. What it concerns keeps its default.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyClash {
    /// No such action.
    #[error("[keys] {name:?} is no action{}", .nearest.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
    UnknownAction {
        /// What was written.
        name: String,
        /// The nearest that is one.
        nearest: Option<String>,
    },
    /// Not a key.
    #[error("[keys] {action}: {why}")]
    BadKey {
        /// The action.
        action: String,
        /// Why.
        why: String,
    },
    /// Two actions want the same key where both can be used.
    #[error("[keys] {key} is wanted by {wanted_by:?} and belongs to {owner:?}: {owner:?} keeps it")]
    Clash {
        /// The key.
        key: String,
        /// Who asked.
        wanted_by: String,
        /// Who has it.
        owner: String,
    },
}

/// Which keys lead where.
#[derive(Debug, Clone, PartialEq)]
pub struct Keymap {
    bindings: Vec<(Sequence, &'static Action)>,
}

impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Default for Keymap {
    fn default() -> Self {
        Self::from_config(&BTreeMap::new()).0
    }
}

fn overlap(a: &Action, b: &Action) -> bool {
    a.places.iter().any(|place| b.places.contains(place))
}

fn defaults(action: &Action) -> impl Iterator<Item = Sequence> {
    action.keys.iter().filter_map(|text| parse_sequence(text).ok())
}

impl Keymap {
    /// The defaults with these keys in place of those of the named actions; an empty list switches an
    /// action's keys off. A clash names both owners, and only that key falls back.
    pub fn from_config(config: &BTreeMap<String, Vec<String>>) -> (Self, Vec<KeyClash>) {
        let mut problems = Vec::new();
        let mut wanted: Vec<(&'static Action, Vec<Sequence>, bool)> = Vec::new();
        for (name, keys) in config {
            let Some(action) = by_name(name) else {
                problems.push(KeyClash::UnknownAction {
                    name: name.clone(),
                    nearest: nearest(name),
                });
                continue;
            };
            let mut sequences = Vec::new();
            let mut bad = false;
            for text in keys {
                match parse_sequence(text) {
                    Ok(sequence) => sequences.push(sequence),
                    Err(why) => {
                        bad = true;
                        problems.push(KeyClash::BadKey {
                            action: name.clone(),
                            why,
                        });
                    }
                }
            }
            wanted.push((action, sequences, bad));
        }
        let mut map = Self { bindings: Vec::new() };
        for action in ACTIONS {
            if !wanted.iter().any(|(other, ..)| other.id == action.id) {
                map.bindings.extend(defaults(action).map(|sequence| (sequence, action)));
            }
        }
        for (action, sequences, mut lost) in wanted {
            for sequence in sequences {
                match map.owner(action, &sequence) {
                    None => map.bindings.push((sequence, action)),
                    Some(owner) => {
                        lost = true;
                        problems.push(KeyClash::Clash {
                            key: show_sequence(&sequence),
                            wanted_by: action.name.to_owned(),
                            owner: owner.name.to_owned(),
                        });
                    }
                }
            }
            if lost && !map.bindings.iter().any(|(_, other)| other.id == action.id) {
                for sequence in defaults(action) {
                    if map.owner(action, &sequence).is_none() {
                        map.bindings.push((sequence, action));
                    }
                }
            }
        }
        (map, problems)
    }

    /// Who holds this sequence, its beginning or a continuation of it, in a place of this action.
    fn owner(&self, action: &Action, sequence: &[Key]) -> Option<&'static Action> {
        self.bindings
            .iter()
            .find(|(held, other)| {
                overlap(action, other) && (held.starts_with(sequence) || sequence.starts_with(held.as_slice()))
            })
            .map(|(_, other)| *other)
    }

    /// What the keys pressed so far come to where one stands.
    pub fn find(&self, place: Place, pressed: &[Key]) -> Found {
        let mut elsewhere = None;
        let mut prefix = false;
        for (sequence, action) in &self.bindings {
            let here = action.places.contains(&place);
            if sequence.as_slice() == pressed {
                if here {
                    return Found::Action(action.id);
                }
                elsewhere = Some(action.id);
            } else if sequence.len() > pressed.len() && sequence.starts_with(pressed) {
                prefix = true;
            }
        }
        match (prefix, elsewhere) {
            (true, _) => Found::Prefix,
            (false, Some(id)) => Found::Elsewhere(id),
            (false, None) => Found::Nothing,
        }
    }

    /// How sequences go on from what is pressed: the next key and its action, in the table's order.
    pub fn continuations(&self, pressed: &[Key]) -> Vec<(Sequence, &'static Action)> {
        let mut found: Vec<(Sequence, &'static Action)> = self
            .bindings
            .iter()
            .filter(|(sequence, _)| sequence.len() > pressed.len() && sequence.starts_with(pressed))
            .map(|(sequence, action)| (sequence[pressed.len()..].to_vec(), *action))
            .collect();
        found.sort_by_key(|(_, action)| ACTIONS.iter().position(|other| other.id == action.id));
        found
    }

    /// An action's first key, as shown; empty where it has none.
    pub fn key_of(&self, id: ActionId) -> String {
        self.bindings
            .iter()
            .find(|(_, action)| action.id == id)
            .map(|(sequence, _)| show_sequence(sequence))
            .unwrap_or_default()
    }

    /// All of an action's keys, as shown.
    pub fn keys_of(&self, id: ActionId) -> Vec<String> {
        self.bindings
            .iter()
            .filter(|(_, action)| action.id == id)
            .map(|(sequence, _)| show_sequence(sequence))
            .collect()
    }

    /// An action with its title, for messages: ``activate (`aa`)``.
    pub fn name_with_key(&self, id: ActionId) -> String {
        let key = self.key_of(id);
        let title = action(id).title;
        if key.is_empty() {
            title.to_owned()
        } else {
            format!("{title} ({key})")
        }
    }
}

/// The nearest action's name, where one is near.
fn nearest(name: &str) -> Option<String> {
    ACTIONS
        .iter()
        .map(|action| (distance(name, action.name), action.name))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, name)| name.to_owned())
}

/// Edits between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut before = row.first().copied().unwrap_or(0);
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, cb) in b.iter().enumerate() {
            let change = before + usize::from(ca != *cb);
            before = row.get(j + 1).copied().unwrap_or(usize::MAX);
            let left = row.get(j).copied().unwrap_or(usize::MAX - 1);
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = change.min(before + 1).min(left + 1);
            }
        }
    }
    row.last().copied().unwrap_or(0)
}
