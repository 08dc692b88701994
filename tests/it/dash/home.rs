//! At home anywhere: themes and depths of colour, what the settings' keymaps make of what is shown.

use super::Dash;
use vigie::tui::action::{Keymap, Ready, Wanted};
use vigie::tui::model::UiSettings;
use vigie::tui::theme::{Depth, Theme};

/// Every theme at every depth of colour, with a filter's matches on the screen.
#[test]
fn themes() {
    let mut dash = Dash::picture((80, 24));
    dash.press("2 /").enter("a").press("enter");
    for name in Theme::BUILT_IN {
        for (word, depth) in [
            ("true", Depth::True),
            ("256", Depth::Indexed),
            ("16", Depth::Ansi),
            ("none", Depth::None),
        ] {
            let theme = Theme::built_in(name).unwrap().for_depth(depth);
            let (text, styles) = dash.frame(&theme);
            insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "../snapshots", omit_expression => true}, {
                insta::assert_snapshot!(format!("theme_{name}_{word}"), format!("{text}\n---- styles\n{styles}"));
            });
        }
    }
}

/// Without its colours, every theme's screen says the same: nothing is told by colour alone.
#[test]
fn nothing_is_told_by_colour_alone() {
    let dash = Dash::picture((120, 35));
    let texts: Vec<String> = Theme::BUILT_IN
        .iter()
        .map(|name| dash.frame(&Theme::built_in(name).unwrap().for_depth(Depth::None)).0)
        .collect();
    assert!(texts.iter().all(|text| *text == texts[0]));
    for word in ["● 2", "▲ full", "✖ refused", "◑"] {
        assert!(texts[0].contains(word), "{word} is missing:\n{}", texts[0]);
    }
}

fn with_keys(ready: Ready, lines: &[(&str, &str)]) -> Dash {
    let wanted: Vec<Wanted> = lines
        .iter()
        .map(|(action, key)| Wanted {
            action: (*action).to_owned(),
            place: None,
            keys: vec![(*key).to_owned()],
        })
        .collect();
    let (keymap, problems) = Keymap::made(ready, &wanted);
    assert!(problems.is_empty(), "{problems:?}");
    let mut dash = Dash::with(
        UiSettings {
            keymap,
            ..UiSettings::default()
        },
        (120, 35),
    );
    dash.load(super::fleet::picture());
    dash
}

/// Footer, help, menus and what refusals say name the keys that are bound, not those that were.
#[test]
fn what_is_shown_of_keys_are_those_that_are_bound() {
    let mut dash = with_keys(
        Ready::Default,
        &[("check", "y"), ("menu", "x"), ("help", "f1"), ("sort", "ctrl-o")],
    );
    let footer = dash.screen().lines().last().unwrap().to_owned();
    assert!(
        footer.contains("y check") && footer.contains("x act…") && footer.contains("F1 help"),
        "{footer}"
    );
    assert!(!footer.contains("r check") && !footer.contains("? help"), "{footer}");
    dash.press("x").wait(400);
    dash.must_see("x … prod-1");
    dash.press("esc f1");
    dash.must_see("checks the server now");
    let help = dash.screen();
    assert!(
        help.lines()
            .any(|line| line.contains(" y ") && line.contains("checks the server now")),
        "{help}"
    );
    dash.press("esc I");
    dash.must_see("no order was chosen yet (Ctrl-O)");
    // The old key is nobody's now, and does nothing.
    dash.press("r");
    assert!(dash.effects().is_empty());
}

/// The same deeds by the keys of each ready keymap, through the real update.
#[test]
fn ready_keymaps_do_what_their_users_expect() {
    let mut vim = with_keys(Ready::Vim, &[]);
    vim.press("G");
    let last = vim.model.lists.servers.selected;
    vim.press("g g");
    assert_ne!(vim.model.lists.servers.selected, last);
    vim.press("l");
    assert_eq!(vim.model.focus, vigie::tui::model::Pane::List);
    vim.press("ctrl-w w");
    assert_eq!(vim.model.focus, vigie::tui::model::Pane::Log);

    let mut k9s = with_keys(Ready::K9s, &[]);
    k9s.press("0");
    assert_eq!(k9s.model.lists.tab, vigie::tui::model::Tab::All);
    k9s.press("-");
    assert_eq!(k9s.model.lists.tab, vigie::tui::model::Tab::Here);
    // What deletes there (Ctrl-D, Ctrl-K) does nothing of the kind here.
    k9s.press("ctrl-d ctrl-k");
    assert!(k9s.model.layers.is_empty());

    let mut lazygit = with_keys(Ready::Lazygit, &[]);
    lazygit.press(">");
    let last = lazygit.model.lists.servers.selected;
    lazygit.press("<");
    assert_ne!(lazygit.model.lists.servers.selected, last);
    lazygit.press("d");
    assert!(lazygit.effects().is_empty(), "d describes");
    lazygit.press("esc x").wait(400);
    lazygit.must_see("deactivate");
}
