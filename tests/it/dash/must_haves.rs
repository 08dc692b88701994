//! What an operations dashboard must have: one test each, in the order of the README's list. That the terminal is
//! restored whatever ends the program is tested on the real one, in `tests/pty/guard.rs`.

use super::{Dash, fleet, story};
use crate::cli::home::Home;
use jiff::SignedDuration;
use vigie::domain::command::OwnCommand;
use vigie::domain::guard::Guard;
use vigie::domain::job::{LogLevel, Stream};
use vigie::domain::{JobId, Problem, ServerId};
use vigie::tui::action::{ACTIONS, Found, Key, Keymap, MENU, Ready, Wanted, allowed};
use vigie::tui::model::{
    Act, Answer, ConfigFacts, Delta, Effect, Ended, ListId, Message, Notice, Pane, Remembered, Target, UiSettings,
};
use vigie::tui::theme::{Depth, Theme};

const SIZE: (u16, u16) = (120, 35);

fn delta(dash: &mut Dash, delta: Delta) {
    dash.answer(Answer::Delta(Box::new(delta)));
    dash.effects();
}

fn acts(dash: &mut Dash) -> Vec<Act> {
    dash.effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Act { act, .. } | Effect::ActWith { act, .. } => Some(act),
            _ => None,
        })
        .collect()
}

/// 1: a registry that hangs stops no key, its last values stay and say how old they are, another profile can be had.
#[test]
fn it_never_blocks_and_never_lies() {
    let settings = UiSettings {
        config: ConfigFacts {
            profiles: vec!["prod".to_owned(), "test".to_owned()],
            ..ConfigFacts::default()
        },
        ..UiSettings::default()
    };
    let mut dash = Dash::with(settings, SIZE);
    dash.load(fleet::picture());
    dash.tell(Message::Notice(Notice::LinkLost {
        problem: Problem::new("timeout", "no answer"),
        since: fleet::noon(),
    }));
    dash.wait(5 * 60_000);
    dash.must_see("registry lost since");
    let stale = dash.screen().matches("stale 5 min").count();
    assert!(stale >= 3, "every pane says how old it is: {stale}\n{}", dash.screen());
    dash.must_see("prod-2");
    dash.effects();
    dash.press("j");
    assert_eq!(
        dash.model.lists.servers.selected,
        Some(ServerId(2)),
        "keys are answered"
    );
    dash.press(":").enter("profile test").effects();
    dash.press("enter");
    assert!(dash.effects().contains(&Effect::SwitchProfile));
}

/// 2: a read-only profile changes nothing until it is unlocked, and is locked again by itself.
#[test]
fn guards_are_rules_and_not_memory() {
    let settings = UiSettings {
        guard: Guard {
            profile: "prod".to_owned(),
            read_only: true,
            rules: Vec::new(),
        },
        ..UiSettings::default()
    };
    let mut dash = Dash::with(settings, SIZE);
    dash.load(fleet::picture());
    dash.must_see("[read-only]");
    dash.press("a m").wait(400).press("y");
    assert!(acts(&mut dash).is_empty() && dash.model.layers.is_empty());
    dash.press(":").enter("unlock 1m").press("enter");
    dash.press("a m").wait(400).press("y");
    assert_eq!(acts(&mut dash).len(), 1);
    dash.wait(61_000);
    dash.press("esc esc 1 j a m").wait(400).press("y");
    assert!(acts(&mut dash).is_empty(), "locked again");
}

/// 3: selection, marks and questions hold objects, not rows.
#[test]
fn what_is_selected_stays_on_its_object() {
    let mut dash = Dash::picture(SIZE);
    dash.press("j");
    let chosen = dash.model.lists.servers.selected;
    dash.press("space k");
    assert_eq!(
        dash.model.lists.servers.selected, chosen,
        "a mark goes on to the next row"
    );
    delta(
        &mut dash,
        Delta {
            servers: vec![fleet::server(77, "aaa-first", 50, 0)],
            gone_servers: vec![ServerId(1)],
            ..Delta::default()
        },
    );
    assert_eq!(dash.model.lists.servers.selected, chosen);
    assert!(dash.model.marks.has(ListId::Servers, 2));
    dash.press("m n a d").wait(400);
    let mut changed = fleet::server(2, "prod-2", 50, 12);
    changed.version += 1;
    delta(
        &mut dash,
        Delta {
            servers: vec![changed],
            ..Delta::default()
        },
    );
    dash.press("y");
    assert!(acts(&mut dash).is_empty(), "what it was asked about has changed");
}

/// 4: the log follows, pauses and counts; searching keeps the lines, filtering hides them; errors are a key away.
#[test]
fn the_log_panel_reads_like_a_log_program() {
    let mut dash = Dash::picture(SIZE);
    let lines = |from: i64, to: i64| {
        (from..=to)
            .map(|seq| {
                let (stream, level, text) = match seq {
                    50 => (Stream::Engine, LogLevel::Error, "it broke".to_owned()),
                    seq => (Stream::Stdout, LogLevel::Info, format!("line number {seq}")),
                };
                fleet::line(seq, None, stream, level, &text)
            })
            .collect::<Vec<_>>()
    };
    let tell = |dash: &mut Dash, from, to| {
        dash.answer(Answer::LogLines {
            job: JobId(42),
            lines: lines(from, to),
            end: to,
        });
    };
    tell(&mut dash, 9, 100);
    dash.press("3 f");
    dash.must_see("line number 100");
    dash.press("k k k");
    tell(&mut dash, 101, 105);
    dash.must_see("5 new lines, End follows");
    assert!(!dash.sees("line number 105"), "off is off");
    dash.press("end");
    dash.must_see("line number 105");
    dash.press("E");
    dash.must_see("it broke");
    dash.press("end /").enter("number 104").press("enter");
    dash.must_see("line number 104");
    dash.must_see("line number 103");
    dash.press("esc &").enter("number 104").press("enter esc");
    dash.must_see("line number 104");
    assert!(!dash.sees("line number 103"), "a filter hides:\n{}", dash.screen());
}

/// 5: every single action takes any key, and who is refused one learns who has it.
#[test]
fn every_key_can_be_bound_anew() {
    let wanted = |action: &str, key: &str| Wanted {
        action: action.to_owned(),
        place: None,
        keys: vec![key.to_owned()],
    };
    let free = Key::parse("f12").unwrap();
    for action in ACTIONS {
        let (keymap, problems) = Keymap::made(Ready::Default, &[wanted(action.name, "f12")]);
        assert!(problems.is_empty(), "{}: {problems:?}", action.name);
        for place in action.places {
            assert_eq!(
                keymap.find(*place, &[free]),
                Found::Action(action.id),
                "{}",
                action.name
            );
        }
    }
    let (keymap, problems) = Keymap::made(Ready::Default, &[wanted(MENU, "f12")]);
    assert!(problems.is_empty() && keymap.menu_key() == "F12");
    let (_, problems) = Keymap::made(Ready::Default, &[wanted("check", "t")]);
    let said = problems.iter().map(ToString::to_string).collect::<String>();
    assert!(said.contains("check") && said.contains("test"), "both owners: {said}");
}

/// 6: a job has steps, a log, an end; it is seen from anywhere, and outlives the dashboard.
#[test]
fn jobs_are_things_of_their_own() {
    let mut dash = Dash::picture(SIZE);
    dash.press("7");
    dash.must_see("1 job");
    dash.press("5");
    dash.must_see("3/7");
    dash.press("1 q").wait(400);
    dash.must_see("go on in the worker");
    dash.press("y");
    assert!(dash.effects().contains(&Effect::Quit));
    // The next one finds it again, and its log.
    let again = Dash::picture(SIZE);
    assert_eq!(again.model.log.job, Some(JobId(42)));
    again.must_see("17 of 25 MB");
    dash.press("5 a k").wait(400).press("y");
    assert_eq!(acts(&mut dash), [Act::CancelJob(JobId(42))]);
    dash.press("j j a r");
    assert_eq!(acts(&mut dash), [Act::RetryJob(JobId(40))]);
}

/// 7: one action on many shows its plan, gives each its receipt, and runs again only what failed.
#[test]
fn many_at_once_have_a_plan_and_receipts() {
    let mut dash = Dash::picture(SIZE);
    dash.press("space space space space").effects();
    dash.press("a m").wait(400);
    // Who is passed over, and why: one is in maintenance already.
    dash.must_see("test-1");
    dash.must_see("Cancel");
    assert!(acts(&mut dash).is_empty(), "the plan first");
    dash.press("y");
    let begun: Vec<_> = dash
        .effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::ActWith { ticket, act, .. } => Some((ticket, act)),
            _ => None,
        })
        .collect();
    assert!(begun.len() >= 2, "{begun:?}");
    assert!(begun.iter().all(|(_, act)| act.target() != Target::Server(ServerId(3))));
    for (n, (ticket, _)) in begun.iter().enumerate() {
        let result = match n {
            0 => Err(Problem::new("refused", "the reason of the first")),
            _ => Ok(Box::new(Ended::default())),
        };
        dash.answer(Answer::Ended {
            ticket: *ticket,
            result,
        });
    }
    dash.must_see("the reason of the first");
    dash.effects();
    dash.press("f").wait(400).press("y");
    let again = acts(&mut dash);
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0].target(), begun[0].1.target());
}

/// 8: all servers' instances stand in one list; one that is silent is one row.
#[test]
fn all_servers_are_in_one_list() {
    let mut dash = Dash::picture((200, 50));
    dash.press("9");
    for code in ["prod-1", "prod-2"] {
        dash.must_see(code);
    }
    dash.press("/").enter("server=test-*").press("enter");
    assert_eq!(dash.model.lists.len(ListId::All, &dash.model.store), 3);
    let mut old = fleet::server(2, "prod-2", 50, 12);
    old.track.last_check = Some(fleet::noon() - SignedDuration::from_hours(3));
    delta(
        &mut dash,
        Delta {
            servers: vec![old],
            ..Delta::default()
        },
    );
    dash.press("1");
    dash.must_see("3 h old");
    dash.must_see("▲ 96 %");
}

/// 10: a name with one key, any field from a list, and a word where terminals would drop it.
#[test]
fn copying_works_or_says_why_not() {
    let mut dash = Dash::picture(SIZE);
    dash.press("c");
    assert_eq!(dash.effect(), Effect::Copy("prod-1".to_owned()));
    dash.press("Y j enter");
    assert!(matches!(dash.effects().as_slice(), [Effect::Copy(_)]));
    dash.must_see("copied");
    // Where the mouse is taken, texts give it back for the terminal's own selecting.
    dash.press("f2");
    assert!(dash.model.wants_mouse());
    dash.press("d");
    assert!(!dash.model.wants_mouse());
}

/// 11: why it is so, from evidence that leads on; and what happened to it.
#[test]
fn it_explains_itself() {
    let mut dash = Dash::picture(SIZE);
    dash.press("!").effects();
    dash.press("X");
    let seq = dash
        .effects()
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Explain { seq, .. } => Some(seq),
            _ => None,
        })
        .unwrap();
    dash.answer(Answer::Explained {
        seq,
        result: Ok(Box::new(story::explained())),
    });
    dash.must_see("refused");
    dash.must_see("nothing listens");
    dash.press("tab enter");
    assert!(dash.model.layers.is_empty(), "Enter goes to the evidence");
    dash.press("1 T");
    let asked = dash.effects();
    assert!(
        asked.iter().any(|effect| matches!(effect, Effect::Timeline { .. })),
        "{asked:?}"
    );
}

/// 12: what was done, by whom, with what result, is on the disk; what was refused, too.
#[test]
fn everything_done_is_written_down() {
    let home = Home::new();
    let url = ["--url", "https://odoo1.example.org", "--max-instances", "5"];
    home.ok(&[&["server", "add", "prod-1", "--name", "One"][..], &url].concat());
    home.fails(&[&["server", "add", "prod-1", "--name", "Twice"][..], &url].concat());
    let rows = home.ok(&["audit", "list", "--json"]).json();
    let text = rows.to_string();
    assert!(text.contains("server.add") && text.contains("prod-1"), "{text}");
    let refused = rows.as_array().unwrap().iter().filter(|row| !row["refused"].is_null());
    assert_eq!(refused.count(), 1, "{text}");
}

/// 13: a filter with types, wrong places shown under them, and all of it there again after a restart.
#[test]
fn filters_have_types_and_are_remembered() {
    let mut dash = Dash::picture(SIZE);
    dash.press("/").enter("state=active capacity>90");
    assert_eq!(dash.model.lists.len(ListId::Servers, &dash.model.store), 1);
    dash.enter(" OR (colour");
    assert_eq!(
        dash.model.lists.len(ListId::Servers, &dash.model.store),
        1,
        "what was right stays"
    );
    dash.must_see("colour");
    dash.press("ctrl-u")
        .enter("state=active OR health=critical")
        .press("enter C");
    let mut remembered = Remembered::default();
    for change in std::mem::take(&mut dash.remembered) {
        remembered.take(change);
    }
    let mut again = Dash::with(
        UiSettings {
            remembered,
            ..UiSettings::default()
        },
        SIZE,
    );
    again.load(fleet::picture());
    assert_eq!(again.model.lists.len(ListId::Servers, &again.model.store), 3);
    assert!(again.model.lists.shown(ListId::Servers).sort.is_some());
}

/// 14: what turns bad rings once, and is acknowledged.
#[test]
fn alerts_reach_a_person() {
    let mut dash = Dash::picture(SIZE);
    dash.wait(60_000).effects();
    delta(
        &mut dash,
        Delta {
            servers: vec![fleet::down(fleet::server(2, "prod-2", 50, 12))],
            ..Delta::default()
        },
    );
    let mut bells = 0;
    for _ in 0..60 {
        dash.wait(1_000);
        let rang = |effect: &Effect| matches!(effect, Effect::Call { bell: true, .. });
        bells += dash.effects().iter().filter(|effect| rang(effect)).count();
    }
    assert_eq!(bells, 1, "once");
    dash.press("0 /").enter("prod-2").press("enter a y");
    dash.must_see("acknowledged");
}

/// 15: one pane where there is room for one, and more where there is; nothing is drawn outside.
#[test]
fn it_fits_any_pane() {
    let mut small = Dash::picture((40, 15));
    assert!(small.sees("1 servers") && !small.sees("3 log"));
    small.must_see("Tab pane");
    small.press("tab");
    small.must_see("2 instances");
    let mut large = Dash::picture((200, 50));
    assert!(large.sees("1 servers") && large.sees("2 instances") && large.sees("3 log"));
    large.press("3 f");
    assert!(!large.sees("1 servers"));
    assert_eq!(large.model.focus, Pane::Log);
}

/// 16: a mistake is told with its place, and only what is wrong is left out.
#[test]
fn the_configuration_can_be_trusted() {
    let home = Home::new();
    let path = home.path("c.toml");
    std::fs::write(&path, "[checks]\ninterval = \"soon\"\n\n[screen]\ntheme = \"light\"\n").unwrap();
    let path = path.display().to_string();
    let checked = home.fails(&["config", "check", "--config", &path]);
    assert!(checked.stdout.contains(":2:12: found \"soon\""), "{}", checked.stdout);
    let shown = home.ok(&["config", "show", "--origin", "--config", &path]).stdout;
    let line = |name: &str| {
        shown
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(
        line("theme = ").contains("light") && line("theme = ").contains(":5"),
        "{shown}"
    );
    assert!(!line("interval").contains("soon"), "{shown}");
}

/// 17: the shell can all that the screen can, with JSON and exit codes, completions and a manual page.
#[test]
fn the_shell_can_what_the_screen_can() {
    let home = Home::new();
    assert_eq!(home.ok(&["server", "list", "--json"]).json(), serde_json::json!([]));
    home.fails(&["server", "activate", "nobody"]);
    assert!(home.ok(&["completions", "bash"]).stdout.contains("vigie"));
    assert!(home.ok(&["man"]).stdout.contains(".TH"));
}

/// 18: what is told by colour is told by a sign and a word too; without colours nothing is lost, nor in ASCII.
#[test]
fn everyone_can_read_it_everywhere() {
    let dash = Dash::picture(SIZE);
    let (plain, styles) = dash.frame(&Theme::default().for_depth(Depth::None));
    let (coloured, _) = dash.frame(&Theme::default());
    assert_eq!(plain, coloured);
    assert!(styles.lines().all(|line| line.contains(" Reset/Reset ")), "{styles}");
    for word in ["● 32 ms", "▲ full", "✖ refused", "◑ 39 ms"] {
        assert!(plain.contains(word), "{word}:\n{plain}");
    }
    let settings = UiSettings {
        ascii: true,
        ..UiSettings::default()
    };
    let mut ascii = Dash::with(settings, SIZE);
    ascii.load(fleet::picture());
    ascii.must_see("X refused");
    assert!(ascii.screen().chars().all(|c| c.is_ascii() || c.is_alphabetic()));
    // Without anyone looking nothing turns.
    let mut away = Dash::picture(SIZE);
    away.tell(Message::Input(crossterm::event::Event::FocusLost));
    assert!(away.effects().contains(&Effect::Away(true)));
}

/// 19: keys, help, menu, palette and refusals come from one table.
#[test]
fn one_table_says_all_that_can_be_done() {
    let mut dash = Dash::picture((200, 50));
    dash.press("?");
    let mut help = String::new();
    for _ in 0..20 {
        help.push_str(&dash.screen());
        dash.press("pgdn");
    }
    let here = |action: &&vigie::tui::action::Action| action.places.contains(&dash.model.place());
    for action in ACTIONS.iter().filter(here) {
        let key = dash.model.keymap().key_in(action.id, dash.model.place());
        let start: String = action.help.chars().take(12).collect();
        assert!(
            key.is_empty() || help.contains(&start),
            "{} is not in the help",
            action.name
        );
    }
    dash.press("esc 4").effects();
    // What can't be done says why, in the palette and as a key.
    let situation = dash.model.situation();
    let refused = ACTIONS.iter().find(|action| action.name == "activate").unwrap();
    let why = allowed(refused.id, &situation);
    assert!(why.is_err(), "{why:?}");
    dash.press("a a");
    dash.must_see("activate (aa) is only in: servers");
}

/// 20: a command of one's own is words, never a shell's text; what changes something is asked first, and shown.
#[test]
fn own_commands_are_safe() {
    let command: OwnCommand = toml::from_str(
        "name = \"restart\"\nargv = [\"restart\", \"{code}\", \"{why}\"]\non = [\"server\"]\nchanges = true\nask = [{ name = \"why\", label = \"Why\" }]\n",
    )
    .unwrap();
    let settings = UiSettings {
        commands: vec![std::sync::Arc::new(command)],
        ..UiSettings::default()
    };
    let mut dash = Dash::with(settings, SIZE);
    dash.load(fleet::picture());
    dash.press(":").enter("restart").press("enter");
    dash.wait(400).enter("a; rm -rf / $(x)").press("enter");
    dash.must_see("restart prod-1 'a; rm -rf / $(x)'");
    assert!(acts(&mut dash).is_empty(), "asked first");
    dash.press("tab enter");
    match acts(&mut dash).as_slice() {
        [Act::Command(run)] => assert_eq!(run.argv, ["restart", "prod-1", "a; rm -rf / $(x)"]),
        other => panic!("{other:?}"),
    }
}
