//! At home anywhere: themes and depths of colour, what the settings' keymaps make of what is shown.

use super::Dash;
use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use vigie::domain::SafeText;
use vigie::domain::job::{LogLevel, Stream};
use vigie::tui::action::{Keymap, Ready, Wanted};
use vigie::tui::model::{
    Answer, Effect, Enter, Layer, Lend, ListId, Message, Notice, Pane, Remembered, TypedSecret, UiSettings,
};
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

/// Where the focused pane's cells are, counted from its frame.
fn width_of(dash: &Dash, pane: Pane) -> u16 {
    dash.model.layout().pane(pane).width
}

#[test]
fn a_theme_is_shown_while_it_is_chosen_and_used_when_it_is() {
    let mut dash = Dash::with(
        UiSettings {
            themes: Theme::BUILT_IN.iter().map(|name| (*name).to_owned()).collect(),
            ..UiSettings::default()
        },
        (120, 35),
    );
    dash.load(super::fleet::picture());
    assert_eq!(dash.model.theme(), "dark");
    dash.press(":").enter("theme li");
    assert_eq!(dash.model.theme(), "light", "shown while it is selected");
    dash.must_see("theme light");
    dash.press("esc");
    assert_eq!(dash.model.theme(), "dark", "nothing was chosen");
    // Every theme is offered, and each is shown as one comes to it.
    dash.press("f3");
    let mut seen = std::collections::BTreeSet::new();
    for _ in Theme::BUILT_IN {
        seen.insert(dash.model.theme().to_owned());
        dash.press("down");
    }
    assert_eq!(seen.len(), Theme::BUILT_IN.len());
    dash.press("esc f3").enter("mono").press("enter");
    assert_eq!(dash.model.theme(), "mono");
    dash.must_see("theme mono");
    dash.tell(Message::Notice(Notice::Themes(vec!["mine".to_owned()])));
    dash.press(":").enter("theme mi");
    assert_eq!(dash.model.theme(), "mine", "a theme that came meanwhile is offered");
}

#[test]
fn a_name_is_copied_with_one_key_and_any_field_from_a_list() {
    let mut dash = Dash::picture((120, 35));
    dash.press("c");
    assert_eq!(dash.effect(), Effect::Copy("prod-1".to_owned()));
    dash.must_see("\"prod-1\" copied");
    dash.press("2 c");
    assert_eq!(dash.effect(), Effect::Copy("agence-nord".to_owned()));
    // A field: the list has everything that is known, whole.
    dash.press("Y");
    assert!(matches!(dash.effect(), Effect::LoadInstance(_)));
    dash.must_see("copy which field?");
    let fields = match dash.model.layers.last() {
        Some(Layer::Fields(picker)) => dash.model.fields_to_copy(picker, &dash.now()),
        other => panic!("{other:?}"),
    };
    let at = fields
        .iter()
        .position(|(label, _)| label == "database")
        .expect("its database");
    for _ in 0..at {
        dash.press("j");
    }
    dash.press("enter");
    assert_eq!(dash.effect(), Effect::Copy(fields[at].1.to_string()));
    dash.must_see("database copied");
    // Nothing that is secret is among them.
    assert!(
        fields.iter().all(|(label, _)| !label.contains("password")),
        "{fields:?}"
    );
    dash.press("Y esc");
    dash.effects();
    assert!(dash.model.layers.is_empty());
}

#[test]
fn more_than_terminals_take_is_not_copied_and_said() {
    let mut dash = Dash::picture((120, 35));
    let job = dash.model.log.job.unwrap();
    let long = "x".repeat(8_000);
    let lines = (9..29)
        .map(|n| super::fleet::line(n, None, Stream::Stdout, LogLevel::Info, &long))
        .collect();
    dash.answer(Answer::LogLines { job, lines, end: 28 });
    dash.press("3");
    for _ in 0..12 {
        dash.press("m k");
    }
    dash.effects();
    dash.press("c");
    assert!(dash.effects().iter().all(|effect| !matches!(effect, Effect::Copy(_))));
    dash.must_see("terminals take 74 kB at most: nothing was copied");
}

#[test]
fn a_pane_gets_more_room_step_by_step_and_gives_it_back() {
    let mut dash = Dash::picture((120, 35));
    let usual = width_of(&dash, Pane::Servers);
    dash.press("+");
    let wide = width_of(&dash, Pane::Servers);
    assert!(wide > usual && wide < 120, "{wide}");
    dash.press("+");
    assert_eq!(width_of(&dash, Pane::Servers), 120);
    dash.press("_");
    assert_eq!(width_of(&dash, Pane::Servers), wide);
    dash.press("_");
    assert_eq!(width_of(&dash, Pane::Servers), usual);
    dash.press("f");
    assert_eq!(width_of(&dash, Pane::Servers), 120);
}

#[test]
fn pages_are_arranged_by_one_key_and_stay_so() {
    let mut dash = Dash::picture((120, 35));
    let log = |dash: &Dash| dash.model.layout().pane(Pane::Log);
    assert_eq!(log(&dash).width, 120, "below the lists");
    dash.press("z");
    dash.must_see("side by side");
    assert!(log(&dash).width < 70 && log(&dash).height > 25, "beside them");
    assert_eq!(dash.remembered.len(), 1);
    let remembered = dash.remembered.clone();
    dash.press("z");
    assert!(log(&dash).is_empty(), "nothing but lists");
    dash.press("3");
    assert_eq!(
        (log(&dash).width, dash.model.focus),
        (120, Pane::Log),
        "asked for, it is there"
    );
    dash.press("1");
    // Each page has its own.
    dash.press("5");
    assert!(!log(&dash).is_empty());
    // And the next start has it again.
    let mut kept = Remembered::default();
    for change in remembered {
        kept.take(change);
    }
    let text = toml::to_string(&kept).unwrap();
    assert!(text.contains("arrange = \"beside\""), "{text}");
    let mut next = Dash::with(
        UiSettings {
            remembered: toml::from_str(&text).unwrap(),
            ..UiSettings::default()
        },
        (120, 35),
    );
    next.load(super::fleet::picture());
    assert!(log(&next).width < 70);
}

#[test]
fn small_screens_show_one_pane_and_so_do_others_where_asked() {
    for (size, compact) in [((80, 24), false), ((79, 24), true), ((80, 23), true), ((40, 15), true)] {
        assert_eq!(Dash::picture(size).model.layout().compact, compact, "{size:?}");
    }
    let mut dash = Dash::picture((120, 35));
    dash.press("ctrl-e");
    assert_eq!(width_of(&dash, Pane::Servers), 120);
    assert!(dash.model.layout().pane(Pane::List).is_empty());
    dash.press("tab");
    assert_eq!(width_of(&dash, Pane::List), 120);
    dash.press("ctrl-e");
    assert!(!dash.model.layout().compact);
    let mut small = Dash::picture((40, 15));
    small.press("ctrl-e ctrl-e");
    small.must_see("this screen has room for one");
}

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Message {
    Message::Input(Event::Mouse(MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    }))
}

#[test]
fn the_mouse_selects_and_scrolls_where_it_is_taken_and_does_nothing_else() {
    let mut dash = Dash::picture((120, 35));
    let job = dash.model.log.job.unwrap();
    let lines = (9..200)
        .map(|n| super::fleet::line(n, None, Stream::Stdout, LogLevel::Info, "a line"))
        .collect();
    dash.answer(Answer::LogLines { job, lines, end: 199 });
    let list = dash.model.layout().pane(Pane::List);
    let click = |row| mouse(MouseEventKind::Down(MouseButton::Left), list.x + 5, row);
    dash.tell(click(list.y + 3));
    assert_eq!(dash.model.focus, Pane::Servers, "it is the terminal's at first");
    dash.press("f2");
    assert!(dash.model.wants_mouse());
    // Below the frame and the columns' names: the second row.
    dash.tell(click(list.y + 3));
    assert_eq!(dash.model.focus, Pane::List);
    assert_eq!(dash.model.lists.position(ListId::Here).1, 1);
    // On the frame, or below the rows: nothing but the focus.
    dash.tell(click(list.y)).tell(click(list.y + list.height - 1));
    assert_eq!(dash.model.lists.position(ListId::Here).1, 1);
    // The wheel goes through what is under it; the focus stays where it was.
    let log = dash.model.layout().pane(Pane::Log);
    assert!(dash.model.log.following());
    dash.tell(mouse(MouseEventKind::ScrollUp, log.x + 3, log.y + 2));
    assert_eq!(dash.model.focus, Pane::List);
    assert!(!dash.model.log.following());
    let servers = dash.model.layout().pane(Pane::Servers);
    dash.tell(mouse(MouseEventKind::ScrollDown, servers.x + 3, servers.y + 2));
    assert_eq!(dash.model.lists.position(ListId::Servers).1, 3);
    assert_eq!(dash.model.focus, Pane::List);
    // Where text fills the screen it is the terminal's, for selecting.
    for keys in ["d", "?"] {
        dash.press(keys);
        assert!(!dash.model.wants_mouse(), "{keys}");
        dash.press("esc");
        assert!(dash.model.wants_mouse(), "{keys}");
    }
    dash.press("3 f");
    assert!(!dash.model.wants_mouse());
    dash.press("f f2");
    assert!(!dash.model.wants_mouse());
    let effects = dash.effects();
    assert!(
        effects.iter().all(|effect| !matches!(effect, Effect::Act { .. })),
        "{effects:?}"
    );
}

#[test]
fn while_nobody_looks_nothing_turns() {
    let mut dash = Dash::picture((120, 35));
    assert!(dash.model.is_working());
    let now = dash.now();
    let soon = |dash: &Dash| dash.model.next_deadline(&now).unwrap() - now.mono;
    assert!(soon(&dash) <= std::time::Duration::from_millis(120));
    dash.tell(Message::Input(Event::FocusLost));
    assert_eq!(dash.effect(), Effect::Away(true), "and less is read");
    assert!(soon(&dash) > std::time::Duration::from_millis(300), "{:?}", soon(&dash));
    dash.tell(Message::Input(Event::FocusGained));
    assert_eq!(dash.effect(), Effect::Away(false));
    assert!(soon(&dash) <= std::time::Duration::from_millis(120));
    // A terminal that forgot to say that it is back.
    dash.tell(Message::Input(Event::FocusLost)).effects();
    dash.press("j");
    assert!(dash.effects().contains(&Effect::Away(false)));
}

#[test]
fn other_programs_are_asked_for_and_lent_the_terminal() {
    let mut dash = Dash::picture((120, 35));
    dash.press("s");
    assert!(matches!(dash.effect(), Effect::Enter(Enter::Shell(_))));
    dash.press("2 p");
    assert!(matches!(dash.effect(), Effect::Enter(Enter::Psql(_))));
    dash.press("f4");
    assert_eq!(dash.effect(), Effect::Enter(Enter::Config));
    let lend = Lend {
        title: SafeText::new("the shell on prod-1"),
        argv: vec!["ssh".to_owned()],
        env: Vec::new(),
        secrets: vec![("PGPASSWORD".to_owned(), TypedSecret::new("hunter2".to_owned()))],
    };
    assert!(!format!("{lend:?}").contains("hunter2"));
    dash.answer(Answer::Lend(Box::new(lend.clone())));
    assert_eq!(dash.effect(), Effect::Lend(Box::new(lend)));
    dash.tell(Message::Lent {
        title: SafeText::new("the shell on prod-1"),
        ended: Err("No such file or directory".to_owned()),
    });
    dash.must_see("No such file or directory: the shell on prod-1");
}

/// The arrangements and what is new over the panes, at all sizes.
#[test]
fn arrangements() {
    for (name, keys) in [
        ("beside", "z"),
        ("beside_jobs", "5 z"),
        ("bare", "z z"),
        ("wide_log", "3 +"),
        ("compact", "ctrl-e"),
        ("fields", "Y"),
    ] {
        for size in [(200, 50), (120, 35), (80, 24), (40, 15)] {
            let mut dash = Dash::picture(size);
            dash.press(keys);
            dash.answer_reads();
            let (text, styles) = dash.frame(&Theme::default());
            let (width, height) = size;
            insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "../snapshots", omit_expression => true}, {
                insta::assert_snapshot!(format!("home_{name}_{width}x{height}"), format!("{text}\n---- styles\n{styles}"));
            });
        }
    }
}
