//! From keys to actions: the table's defaults, a ready keymap over them, the operator's lines on top.

use super::key::{Key, Sequence, parse_sequence, show_sequence};
use super::ready::Ready;
use super::wanted::{KeyClash, Line, MENU, Wanted, understood};
use super::{ACTIONS, Action, ActionId, Group, Place, action};

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

/// Some of the places, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Set(pub(super) u32);

impl Set {
    pub(super) fn of(places: &[Place]) -> Self {
        Self(places.iter().fold(0, |set, place| set | 1 << (*place as u32)))
    }

    fn has(self, place: Place) -> bool {
        self.meets(Self::of(&[place]))
    }

    fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Binding {
    keys: Sequence,
    action: &'static Action,
    places: Set,
}

impl Binding {
    /// Whether one of the two begins with the other, where both hold.
    fn stands_against(&self, keys: &[Key], places: Set) -> bool {
        self.places.meets(places) && (self.keys.starts_with(keys) || keys.starts_with(&self.keys))
    }
}

/// Which keys lead where.
#[derive(Debug, Clone, PartialEq)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Default for Keymap {
    fn default() -> Self {
        Self::ready(Ready::Default)
    }
}

impl Keymap {
    /// A ready keymap as it is.
    pub fn ready(ready: Ready) -> Self {
        Self::ready_with_mistakes(ready).0
    }

    /// The same, and what in its lines is wrong: nothing, as a test says.
    pub(super) fn ready_with_mistakes(ready: Ready) -> (Self, Vec<KeyClash>) {
        let mut map = Self { bindings: Vec::new() };
        for action in ACTIONS {
            map.add(action, Set::of(action.places), &keys_of_table(action));
        }
        let mut mistakes = Vec::new();
        let lines: Vec<Line> = ready
            .lines()
            .iter()
            .filter(|(action, ..)| *action != MENU)
            .filter_map(|(action, place, keys)| {
                let wanted = Wanted {
                    action: (*action).to_owned(),
                    place: place.map(str::to_owned),
                    keys: keys.iter().map(|key| (*key).to_owned()).collect(),
                };
                understood(&wanted, &mut mistakes)
            })
            .collect();
        for line in &lines {
            map.take(line.action, line.places);
        }
        for line in lines {
            // What a ready keymap gives a key, takes it from whatever had it by default.
            for keys in &line.keys {
                for held in &mut map.bindings {
                    if held.stands_against(keys, line.places) {
                        held.places = held.places.without(line.places);
                    }
                }
            }
            map.add(line.action, line.places, &line.keys);
        }
        map.bindings.retain(|binding| binding.places.0 != 0);
        for (_, _, keys) in ready.lines().iter().filter(|(action, ..)| *action == MENU) {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            map.move_menu(&keys, &mut mistakes);
        }
        (map, mistakes)
    }

    /// A ready keymap with the operator's lines on top, each in place of the action's keys there; an empty
    /// list (or `disabled`) switches them off. A clash names both owners, and only that key falls back.
    pub fn made(ready: Ready, wanted: &[Wanted]) -> (Self, Vec<KeyClash>) {
        let mut problems = Vec::new();
        let mut map = Self::ready(ready);
        for line in wanted.iter().filter(|line| line.action == MENU) {
            map.move_menu(&line.keys, &mut problems);
        }
        let base = map.clone();
        let lines: Vec<Line> = wanted
            .iter()
            .filter(|line| line.action != MENU)
            .filter_map(|line| understood(line, &mut problems))
            .collect();
        for line in &lines {
            map.take(line.action, line.places);
        }
        for mut line in lines {
            for keys in line.keys {
                match map.owner(line.action, &keys, line.places) {
                    None => map.add(line.action, line.places, &[keys]),
                    Some(owner) => {
                        line.lost = true;
                        problems.push(KeyClash::Clash {
                            key: show_sequence(&keys),
                            wanted_by: line.action.name.to_owned(),
                            owner: owner.name.to_owned(),
                        });
                    }
                }
            }
            let bare = !map
                .bindings
                .iter()
                .any(|held| held.action == line.action && held.places.meets(line.places));
            if line.lost && bare {
                for held in base.bindings.iter().filter(|held| held.action == line.action) {
                    let places = held.places.and(line.places);
                    if map.owner(line.action, &held.keys, places).is_none() {
                        map.add(line.action, places, std::slice::from_ref(&held.keys));
                    }
                }
            }
        }
        (map, problems)
    }

    fn add(&mut self, action: &'static Action, places: Set, keys: &[Sequence]) {
        if places.0 == 0 {
            return;
        }
        self.bindings.extend(keys.iter().map(|keys| Binding {
            keys: keys.clone(),
            action,
            places,
        }));
    }

    /// Takes an action's keys away in some places.
    fn take(&mut self, action: &Action, places: Set) {
        for held in self.bindings.iter_mut().filter(|held| held.action.id == action.id) {
            held.places = held.places.without(places);
        }
        self.bindings.retain(|held| held.places.0 != 0);
    }

    /// Who else holds this sequence, its beginning or a continuation of it, in some of these places.
    fn owner(&self, action: &Action, keys: &[Key], places: Set) -> Option<&'static Action> {
        self.bindings
            .iter()
            .find(|held| held.action.id != action.id && held.stands_against(keys, places))
            .map(|held| held.action)
    }

    /// Sequences of changes begin with these keys from now on.
    fn move_menu(&mut self, wanted: &[String], problems: &mut Vec<KeyClash>) {
        let Some(before) = self.menu_keys() else { return };
        let is_change = |held: &Binding| held.keys.len() > 1 && held.keys.starts_with(&before);
        let mut beginnings = Vec::new();
        for text in wanted {
            match parse_sequence(text) {
                Ok(keys) => {
                    let owner = self.bindings.iter().find(|held| {
                        !is_change(held) && (held.keys.starts_with(&keys) || keys.starts_with(&held.keys))
                    });
                    match owner {
                        Some(owner) => problems.push(KeyClash::Clash {
                            key: show_sequence(&keys),
                            wanted_by: MENU.to_owned(),
                            owner: owner.action.name.to_owned(),
                        }),
                        None => beginnings.push(keys),
                    }
                }
                Err(why) => problems.push(KeyClash::BadKey {
                    action: MENU.to_owned(),
                    why,
                }),
            }
        }
        if beginnings.is_empty() {
            return;
        }
        let mut bindings = Vec::with_capacity(self.bindings.len());
        for held in &self.bindings {
            if !is_change(held) {
                bindings.push(held.clone());
                continue;
            }
            let rest = held.keys.get(before.len()..).unwrap_or_default();
            bindings.extend(beginnings.iter().map(|beginning| Binding {
                keys: [beginning, rest].concat(),
                ..held.clone()
            }));
        }
        self.bindings = bindings;
    }

    /// The keys with which most sequences of changes begin.
    fn menu_keys(&self) -> Option<Sequence> {
        self.bindings
            .iter()
            .find(|held| held.action.group == Group::Act && held.keys.len() > 1)
            .and_then(|held| held.keys.split_last())
            .map(|(_, beginning)| beginning.to_vec())
    }

    /// What opens the menu of changes, as shown; empty where nothing does.
    pub fn menu_key(&self) -> String {
        self.menu_keys().map(|keys| show_sequence(&keys)).unwrap_or_default()
    }

    /// Changes that can be made where one stands: what the menu shows.
    pub fn changes(&self, place: Place) -> Vec<&'static Action> {
        let Some(keys) = self.menu_keys() else {
            return Vec::new();
        };
        let next = self.continuations(place, &keys);
        next.into_iter().map(|(_, action)| action).collect()
    }

    /// What the keys pressed so far come to where one stands.
    pub fn find(&self, place: Place, pressed: &[Key]) -> Found {
        let mut elsewhere = None;
        let mut prefix = false;
        for held in &self.bindings {
            if held.keys == pressed {
                if held.places.has(place) {
                    return Found::Action(held.action.id);
                }
                // Bound to other keys here, these are nothing.
                if !held.action.places.contains(&place) {
                    elsewhere = elsewhere.or(Some(held.action.id));
                }
            } else if held.keys.len() > pressed.len() && held.keys.starts_with(pressed) {
                prefix |= held.places.has(place) || !held.action.places.contains(&place);
            }
        }
        match (prefix, elsewhere) {
            (true, _) => Found::Prefix,
            (false, Some(id)) => Found::Elsewhere(id),
            (false, None) => Found::Nothing,
        }
    }

    /// How sequences go on from what is pressed: the next keys and their action, in the table's order;
    /// of actions of this place, and of those that are only for others.
    pub fn continuations(&self, place: Place, pressed: &[Key]) -> Vec<(Sequence, &'static Action)> {
        let mut found: Vec<(Sequence, &'static Action)> = Vec::new();
        for held in &self.bindings {
            let mine = held.places.has(place) || !held.action.places.contains(&place);
            if mine && held.keys.len() > pressed.len() && held.keys.starts_with(pressed) {
                let rest = held.keys.get(pressed.len()..).unwrap_or_default().to_vec();
                if !found
                    .iter()
                    .any(|(keys, action)| *keys == rest && action.id == held.action.id)
                {
                    found.push((rest, held.action));
                }
            }
        }
        found.sort_by_key(|(_, action)| ACTIONS.iter().position(|other| other.id == action.id));
        found
    }

    /// An action's first key, as shown; empty where it has none.
    pub fn key_of(&self, id: ActionId) -> String {
        self.held(id, None).next().unwrap_or_default()
    }

    /// An action's first key in a place, as shown; empty where it has none there.
    pub fn key_in(&self, id: ActionId, place: Place) -> String {
        self.held(id, Some(place)).next().unwrap_or_default()
    }

    /// All of an action's keys, as shown.
    pub fn keys_of(&self, id: ActionId) -> Vec<String> {
        self.held(id, None).collect()
    }

    /// All of an action's keys in a place, as shown.
    pub fn keys_in(&self, id: ActionId, place: Place) -> Vec<String> {
        self.held(id, Some(place)).collect()
    }

    #[cfg(test)]
    pub(super) fn sequences_in(&self, id: ActionId, place: Place) -> Vec<Sequence> {
        let held = |held: &&Binding| held.action.id == id && held.places.has(place);
        self.bindings
            .iter()
            .filter(held)
            .map(|held| held.keys.clone())
            .collect()
    }

    fn held(&self, id: ActionId, place: Option<Place>) -> impl Iterator<Item = String> {
        self.bindings
            .iter()
            .filter(move |held| held.action.id == id && place.is_none_or(|place| held.places.has(place)))
            .map(|held| show_sequence(&held.keys))
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

fn keys_of_table(action: &Action) -> Vec<Sequence> {
    action
        .keys
        .iter()
        .filter_map(|text| parse_sequence(text).ok())
        .collect()
}
