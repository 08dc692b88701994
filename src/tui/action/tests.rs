use super::*;
use std::collections::{BTreeMap, BTreeSet};

fn keys(action: &Action) -> Vec<Sequence> {
    action.keys.iter().map(|text| parse_sequence(text).unwrap()).collect()
}

#[test]
fn no_two_actions_of_one_place_share_a_key_or_a_keys_beginning() {
    for (i, a) in ACTIONS.iter().enumerate() {
        for b in &ACTIONS[i + 1..] {
            if !a.places.iter().any(|p| b.places.contains(p)) {
                continue;
            }
            for ka in keys(a) {
                for kb in keys(b) {
                    assert!(
                        !ka.starts_with(&kb) && !kb.starts_with(&ka),
                        "{} and {} share {}",
                        a.name,
                        b.name,
                        show_sequence(&ka)
                    );
                }
            }
        }
    }
}

#[test]
fn every_action_is_reached_by_each_of_its_keys_in_each_of_its_places() {
    let map = Keymap::default();
    for action in ACTIONS {
        assert!(!action.keys.is_empty(), "{} has no key", action.name);
        for place in action.places {
            for sequence in keys(action) {
                assert_eq!(map.find(*place, &sequence), Found::Action(action.id), "{}", action.name);
                for n in 1..sequence.len() {
                    assert_eq!(map.find(*place, &sequence[..n]), Found::Prefix);
                }
            }
        }
    }
}

#[test]
fn names_and_ids_are_unique_and_every_id_has_its_line() {
    let names: BTreeSet<_> = ACTIONS.iter().map(|a| a.name).collect();
    let ids: BTreeSet<_> = ACTIONS.iter().map(|a| a.id).collect();
    assert_eq!(names.len(), ACTIONS.len());
    assert_eq!(ids.len(), ACTIONS.len());
    // ActionId::Quit is the last of its enum: every one before it has a line.
    assert_eq!(ActionId::Quit as usize + 1, ACTIONS.len());
}

/// Every state change is `a` and a letter; nothing that changes anything sits on one key (but the
/// forms of `n` and `e`, which change nothing by themselves), a capital, Ctrl-D or Backspace.
#[test]
fn no_single_key_changes_anything() {
    for action in ACTIONS.iter().filter(|a| a.group == Group::Act) {
        for sequence in keys(action) {
            let form = matches!(action.id, ActionId::New | ActionId::Edit);
            assert!(
                form || (sequence.len() == 2 && sequence[0].letter() == Some('a')),
                "{}",
                action.name
            );
            let last = sequence.last().unwrap();
            assert!(last.letter().is_some_and(|c| c.is_ascii_lowercase()), "{}", action.name);
        }
    }
    for taken in ["ctrl-a", "ctrl-b", "ctrl-space"] {
        let key = Key::parse(taken).unwrap();
        for place in Place::ALL {
            match Keymap::default().find(place, &[key]) {
                Found::Action(id) => assert_eq!(action(id).group, Group::Move, "{taken}"),
                found => assert_eq!(found, Found::Nothing),
            }
        }
    }
}

#[test]
fn keys_read_as_they_are_written() {
    for (text, shown) in [
        ("ctrl-r", "Ctrl-R"),
        ("a x", "ax"),
        ("ax", "ax"),
        ("shift-tab", "Shift-Tab"),
        ("f5", "F5"),
        ("pgdn", "PgDn"),
        ("space", "Space"),
        ("-", "-"),
        ("ctrl--", "Ctrl--"),
        ("alt-enter", "Alt-Enter"),
        ("g ctrl-x", "g Ctrl-X"),
        ("?", "?"),
    ] {
        assert_eq!(show_sequence(&parse_sequence(text).unwrap()), shown, "{text}");
    }
    for text in ["", "ctrl-", "hyper-x", "f99", "entr-x", "\u{7}"] {
        assert!(parse_sequence(text).is_err(), "{text:?}");
    }
}

fn config(lines: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    lines
        .iter()
        .map(|(name, keys)| ((*name).to_owned(), keys.iter().map(|k| (*k).to_owned()).collect()))
        .collect()
}

#[test]
fn a_rebound_action_leaves_its_default() {
    let (map, problems) = Keymap::from_config(&config(&[("check", &["c", "ctrl-k"])]));
    assert!(problems.is_empty(), "{problems:?}");
    let find = |text: &str| map.find(Place::Servers, &parse_sequence(text).unwrap());
    assert_eq!(find("c"), Found::Action(ActionId::Check));
    assert_eq!(find("ctrl-k"), Found::Action(ActionId::Check));
    assert_eq!(find("r"), Found::Nothing);
}

#[test]
fn a_clash_names_both_owners_and_only_that_key_falls_back() {
    let (map, problems) = Keymap::from_config(&config(&[("check", &["t", "c"]), ("test", &[])]));
    assert!(problems.is_empty(), "a freed key may be taken: {problems:?}");
    assert_eq!(
        map.find(Place::Servers, &parse_sequence("t").unwrap()),
        Found::Action(ActionId::Check)
    );

    let (map, problems) = Keymap::from_config(&config(&[("check", &["t", "c"]), ("quit", &["t"])]));
    assert_eq!(problems.len(), 2);
    let text = problems[0].to_string();
    assert!(
        text.contains("\"check\"") && text.contains("\"test\"") && text.contains('t'),
        "{text}"
    );
    let find = |text: &str| map.find(Place::Servers, &parse_sequence(text).unwrap());
    assert_eq!(find("t"), Found::Action(ActionId::Test), "the owner keeps it");
    assert_eq!(find("c"), Found::Action(ActionId::Check), "its other key is kept");
    assert_eq!(
        find("q"),
        Found::Action(ActionId::Quit),
        "what is left without a key has its default again"
    );

    let (_, problems) = Keymap::from_config(&config(&[("check", &["a"])]));
    assert!(
        matches!(problems[0], KeyClash::Clash { .. }),
        "a key's beginning clashes too"
    );
}

#[test]
fn mistakes_in_names_and_keys_are_told_with_the_nearest_right_word() {
    let (map, problems) = Keymap::from_config(&config(&[("chek", &["c"]), ("zoom", &["ctrl-"])]));
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(text[0].contains("did you mean \"check\""), "{text:?}");
    assert!(text[1].contains("zoom"), "{text:?}");
    assert_eq!(
        map.find(Place::Log, &parse_sequence("f").unwrap()),
        Found::Action(ActionId::Zoom)
    );
}

#[test]
fn the_readmes_table_has_a_line_for_every_action() {
    let table = markdown_table();
    assert_eq!(table.lines().count(), ACTIONS.len() + 2);
    assert!(table.contains("| `ax` | servers, instances, templates |"), "{table}");
    assert!(table.lines().all(|line| line.matches('|').count() == 5), "{table}");
}
