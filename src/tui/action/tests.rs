use super::*;
use std::collections::BTreeSet;

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
        // What has no key is in the palette.
        let named = action.group == Group::Program;
        assert!(named || !action.keys.is_empty(), "{} has no key", action.name);
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

fn wanted(lines: &[(&str, &[&str])]) -> Vec<Wanted> {
    lines
        .iter()
        .map(|(name, keys)| {
            let (name, place) = name.split_once('@').unwrap_or((name, ""));
            Wanted {
                action: name.to_owned(),
                place: (!place.is_empty()).then(|| place.to_owned()),
                keys: keys.iter().map(|k| (*k).to_owned()).collect(),
            }
        })
        .collect()
}

fn made(lines: &[(&str, &[&str])]) -> (Keymap, Vec<KeyClash>) {
    Keymap::made(Ready::Default, &wanted(lines))
}

#[test]
fn a_rebound_action_leaves_its_default() {
    let (map, problems) = made(&[("check", &["alt-c", "ctrl-k"])]);
    assert!(problems.is_empty(), "{problems:?}");
    let find = |text: &str| map.find(Place::Servers, &parse_sequence(text).unwrap());
    assert_eq!(find("alt-c"), Found::Action(ActionId::Check));
    assert_eq!(find("ctrl-k"), Found::Action(ActionId::Check));
    assert_eq!(find("r"), Found::Nothing);
    assert_eq!(map.key_of(ActionId::Check), "Alt-c");
}

#[test]
fn an_action_can_be_switched_off() {
    for off in [&["disabled"][..], &[]] {
        let (map, problems) = made(&[("check", off)]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(map.find(Place::Servers, &parse_sequence("r").unwrap()), Found::Nothing);
        assert_eq!(map.key_of(ActionId::Check), "");
    }
}

#[test]
fn keys_can_differ_from_place_to_place() {
    let (map, problems) = made(&[("check@servers", &["y"]), ("check-all@log", &["disabled"])]);
    assert!(problems.is_empty(), "{problems:?}");
    let find = |place, text: &str| map.find(place, &parse_sequence(text).unwrap());
    assert_eq!(find(Place::Servers, "y"), Found::Action(ActionId::Check));
    assert_eq!(
        find(Place::Servers, "r"),
        Found::Nothing,
        "its other place's key is none here"
    );
    assert_eq!(find(Place::Instances, "r"), Found::Action(ActionId::Check));
    assert_ne!(find(Place::Instances, "y"), Found::Action(ActionId::Check));
    assert_eq!(map.key_in(ActionId::Check, Place::Servers), "y");
    assert_eq!(map.key_in(ActionId::Check, Place::Instances), "r");
    assert_eq!(find(Place::Log, "ctrl-r"), Found::Nothing);
    assert_eq!(find(Place::Servers, "ctrl-r"), Found::Action(ActionId::CheckAll));

    let (_, problems) = made(&[("check@log", &["y"]), ("check@moon", &["y"])]);
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 2, "{text:?}");
    assert!(
        text[0].contains("can't be used in \"log\"") && text[0].contains("servers"),
        "{text:?}"
    );
    assert_eq!(problems[1].line(), "check");
}

#[test]
fn what_changes_begin_with_can_be_moved_in_one_line() {
    let (map, problems) = made(&[("menu", &["x", "ctrl-x"])]);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(map.menu_key(), "x");
    let find = |text: &str| map.find(Place::Servers, &parse_sequence(text).unwrap());
    assert_eq!(find("x d"), Found::Action(ActionId::Deactivate));
    assert_eq!(find("ctrl-x d"), Found::Action(ActionId::Deactivate));
    assert_eq!(find("a d"), Found::Nothing);
    assert_eq!(find("x"), Found::Prefix);

    let (map, problems) = made(&[("menu", &["t"])]);
    assert!(
        matches!(&problems[..], [KeyClash::Clash { owner, .. }] if owner == "test"),
        "{problems:?}"
    );
    assert_eq!(map.menu_key(), "a", "it stays where it was");
}

#[test]
fn a_clash_names_both_owners_and_only_that_key_falls_back() {
    let (map, problems) = made(&[("check", &["t", "alt-c"]), ("test", &[])]);
    assert!(problems.is_empty(), "a freed key may be taken: {problems:?}");
    assert_eq!(
        map.find(Place::Servers, &parse_sequence("t").unwrap()),
        Found::Action(ActionId::Check)
    );

    let (map, problems) = made(&[("check", &["t", "alt-c"]), ("quit", &["t"])]);
    assert_eq!(problems.len(), 2);
    let text = problems[0].to_string();
    assert!(
        text.contains("\"check\"") && text.contains("\"test\"") && text.contains('t'),
        "{text}"
    );
    let find = |text: &str| map.find(Place::Servers, &parse_sequence(text).unwrap());
    assert_eq!(find("t"), Found::Action(ActionId::Test), "the owner keeps it");
    assert_eq!(find("alt-c"), Found::Action(ActionId::Check), "its other key is kept");
    assert_eq!(
        find("q"),
        Found::Action(ActionId::Quit),
        "what is left without a key has its default again"
    );

    let (_, problems) = made(&[("check", &["a"])]);
    assert!(
        matches!(problems[0], KeyClash::Clash { .. }),
        "a key's beginning clashes too"
    );
}

#[test]
fn mistakes_in_names_and_keys_are_told_with_the_nearest_right_word() {
    let (map, problems) = made(&[("chek", &["c"]), ("zoom", &["ctrl-"])]);
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(text[0].contains("did you mean \"check\""), "{text:?}");
    assert!(text[1].contains("zoom"), "{text:?}");
    assert_eq!(
        map.find(Place::Log, &parse_sequence("f").unwrap()),
        Found::Action(ActionId::Zoom)
    );
}

/// A ready keymap may move keys about, but loses no action, and no two share a key.
#[test]
fn in_every_ready_keymap_every_action_is_reached_wherever_it_can_be_used() {
    for ready in Ready::ALL {
        let (map, mistakes) = Keymap::ready_with_mistakes(ready);
        assert!(mistakes.is_empty(), "{}: {mistakes:?}", ready.name());
        for action in ACTIONS {
            for place in action.places {
                let keys = map.sequences_in(action.id, *place);
                assert!(
                    !keys.is_empty() || action.keys.is_empty(),
                    "{}: {} has no key in {}",
                    ready.name(),
                    action.name,
                    place.word()
                );
                for sequence in keys {
                    let found = map.find(*place, &sequence);
                    assert_eq!(
                        found,
                        Found::Action(action.id),
                        "{}: {}",
                        ready.name(),
                        show_sequence(&sequence)
                    );
                    for n in 1..sequence.len() {
                        let found = map.find(*place, &sequence[..n]);
                        assert_eq!(found, Found::Prefix, "{}: {}", ready.name(), show_sequence(&sequence));
                    }
                }
            }
        }
    }
}

/// Ready keymaps come from programs where one key deletes or restarts; here none does. Multiplexers'
/// own keys are left to them, but for vim's Ctrl-B, which only scrolls.
#[test]
fn no_ready_keymap_changes_anything_with_one_key() {
    for ready in Ready::ALL {
        let map = Keymap::ready(ready);
        for action in ACTIONS.iter().filter(|a| a.group == Group::Act) {
            let form = matches!(action.id, ActionId::New | ActionId::Edit);
            for place in action.places {
                for keys in map.sequences_in(action.id, *place) {
                    assert!(form || keys.len() == 2, "{}: {}", ready.name(), action.name);
                }
            }
        }
        for taken in [
            "ctrl-a",
            "ctrl-b",
            "ctrl-space",
            "ctrl-q",
            "ctrl-h",
            "ctrl-j",
            "ctrl-m",
            "ctrl-i",
        ] {
            for place in Place::ALL {
                match map.find(place, &[Key::parse(taken).unwrap()]) {
                    Found::Action(ActionId::PageUp) if ready == Ready::Vim => {}
                    found => assert_eq!(found, Found::Nothing, "{}: {taken}", ready.name()),
                }
            }
        }
    }
}

#[test]
fn the_readmes_table_has_a_line_for_every_action() {
    let table = markdown_table();
    assert_eq!(table.lines().count(), ACTIONS.len() + 2);
    assert!(table.contains("| `ax` | servers, instances, templates |"), "{table}");
    assert!(table.lines().all(|line| line.matches('|').count() == 5), "{table}");
}
