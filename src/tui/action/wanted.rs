//! What the settings want of the keys, and what in it is wrong.

use super::key::{Sequence, parse_sequence};
use super::keymap::Set;
use super::{ACTIONS, Action, Place, by_name};

/// The keys that an operator wants for an action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The action's name; or [`MENU`], for what opens the menu of changes.
    pub action: String,
    /// The place's name where the keys hold; `None`: everywhere.
    pub place: Option<String>,
    /// The keys; `disabled` stands for none.
    pub keys: Vec<String>,
}

/// The name of the keys with which the sequences of changes begin.
pub const MENU: &str = "menu";
/// The name that stands for all lists.
const LISTS: &str = "lists";

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
    /// No such place, or none where the action can be used.
    #[error("[keys] {action}: it can't be used in {place:?}, only in: {places}")]
    UnknownPlace {
        /// The action.
        action: String,
        /// What was written.
        place: String,
        /// Where it can be used.
        places: String,
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

impl KeyClash {
    /// Which line of `[keys]` it is about.
    pub fn line(&self) -> &str {
        match self {
            Self::UnknownAction { name, .. } => name,
            Self::UnknownPlace { action, .. } | Self::BadKey { action, .. } => action,
            Self::Clash { wanted_by, .. } => wanted_by,
        }
    }
}

/// A line of the settings, understood as far as it can be.
pub(super) struct Line {
    pub(super) action: &'static Action,
    pub(super) places: Set,
    pub(super) keys: Vec<Sequence>,
    /// Whether some of it could not be followed.
    pub(super) lost: bool,
}

/// A line of the settings; what in it is wrong is told, and left out.
pub(super) fn understood(wanted: &Wanted, problems: &mut Vec<KeyClash>) -> Option<Line> {
    let Some(action) = by_name(&wanted.action) else {
        problems.push(KeyClash::UnknownAction {
            name: wanted.action.clone(),
            nearest: nearest(&wanted.action),
        });
        return None;
    };
    let whole = Set::of(action.places);
    let places = match wanted.place.as_deref() {
        None => whole,
        Some(LISTS) => whole.and(Set::of(&Place::LISTS)),
        Some(name) => Place::ALL
            .iter()
            .find(|place| place.name() == name)
            .map_or(Set(0), |place| whole.and(Set::of(&[*place]))),
    };
    if places.0 == 0 {
        let names: Vec<String> = action.places.iter().map(|place| place.name()).collect();
        problems.push(KeyClash::UnknownPlace {
            action: wanted.action.clone(),
            place: wanted.place.clone().unwrap_or_default(),
            places: names.join(", "),
        });
        return None;
    }
    let mut line = Line {
        action,
        places,
        keys: Vec::new(),
        lost: false,
    };
    for text in wanted.keys.iter().filter(|text| *text != "disabled") {
        match parse_sequence(text) {
            Ok(keys) => line.keys.push(keys),
            Err(why) => {
                line.lost = true;
                problems.push(KeyClash::BadKey {
                    action: wanted.action.clone(),
                    why,
                });
            }
        }
    }
    Some(line)
}

/// The nearest action's name, where one is near.
fn nearest(name: &str) -> Option<String> {
    ACTIONS
        .iter()
        .map(|action| action.name)
        .chain([MENU])
        .map(|known| (distance(name, known), known))
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
