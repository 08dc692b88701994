//! What the screen looks like: its text and its styles, at the sizes that matter.

use super::{Dash, fleet};
use vigie::domain::instance::InstanceState;
use vigie::domain::job::{JobState, LogLevel, Stream};
use vigie::domain::{Problem, SafeText};
use vigie::tui::model::{Answer, Delta, Fleet, Message, Notice, UiSettings};
use vigie::tui::theme::Theme;

const SIZES: [(u16, u16); 4] = [(200, 50), (120, 35), (80, 24), (40, 15)];

pub(super) fn snap(name: &str, dash: &Dash) {
    let (width, height) = dash.model.size;
    let (text, styles) = dash.frame(&Theme::default());
    insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "../snapshots", omit_expression => true}, {
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), format!("{text}\n---- styles\n{styles}"));
    });
}

pub(super) fn at_all_sizes(name: &str, make: impl Fn((u16, u16)) -> Dash) {
    for size in SIZES {
        snap(name, &make(size));
    }
}

#[test]
fn normal() {
    at_all_sizes("normal", Dash::picture);
}

#[test]
fn empty() {
    at_all_sizes("empty", |size| {
        let mut dash = Dash::new(size);
        dash.load(Fleet {
            read_at: Some(fleet::noon()),
            ..Fleet::default()
        });
        dash
    });
}

#[test]
fn error() {
    at_all_sizes("error", |size| {
        let mut dash = Dash::picture(size);
        dash.press("j j");
        dash.answer_reads();
        dash.answer(Answer::Delta(Box::new(Delta {
            jobs: vec![fleet::job(42, JobState::Failed, 2)],
            ..Delta::default()
        })));
        dash.tell(Message::Notice(Notice::RegistryLost(Problem::new(
            "registry_failed",
            "the registry failed: disk I/O error",
        ))));
        dash
    });
}

/// More of everything than fits.
#[test]
fn overflow() {
    at_all_sizes("overflow", |size| {
        let mut dash = Dash::new(size);
        let mut fleet = fleet::large(60, 3_000);
        for server in &mut fleet.servers {
            server.spec.name = SafeText::new(&"long ".repeat(50));
        }
        fleet.servers[0].instance_count = 4_000_000_000;
        fleet.servers[0].spec.max_instances = 4_000_000_000;
        dash.load(fleet);
        dash.press("2 G");
        dash
    });
}

/// Names, reasons and log lines of someone who means harm.
#[test]
fn hostile() {
    const EVIL: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{202e}gnp.exe\u{200b}東京都\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}👩‍👩‍👧‍👦\0\r\nnext";
    at_all_sizes("hostile", |size| {
        let mut dash = Dash::new(size);
        let mut fleet = fleet::picture();
        let evil = SafeText::new(EVIL);
        for server in &mut fleet.servers {
            server.spec.name = evil.clone();
            server.track.reason = evil.clone();
            server.track.version = Some(evil.clone());
        }
        for job in &mut fleet.jobs {
            job.title = evil.clone();
        }
        let mut rows = fleet.instances.clone();
        rows.truncate(8);
        for (id, row) in (500..).zip(&mut rows) {
            *row = vigie::tui::model::InstanceRow::new(
                vigie::domain::InstanceId(id),
                vigie::domain::ServerId(1),
                row.template(),
                &evil,
                "evil",
                "evil",
            )
            .with(1, None, None, InstanceState::Active, None, fleet::noon());
        }
        fleet.instances = rows;
        dash.load(fleet);
        let job = dash.model.log.job.unwrap();
        let lines = vec![fleet::line(9, Some(2), Stream::Stderr, LogLevel::Error, EVIL)];
        dash.answer(Answer::LogLines { job, lines, end: 9 });
        let screen = dash.screen();
        assert!(!screen.chars().any(|c| c.is_control() && c != '\n'), "{screen:?}");
        assert!(!screen.contains(['\u{202e}', '\u{200b}']), "{screen:?}");
        dash
    });
}

/// Every page but the fleet's, which is in all the others.
#[test]
fn pages() {
    for page in vigie::tui::model::PAGES.iter().skip(1) {
        at_all_sizes(&format!("page_{}", page.name.replace(' ', "_")), |size| {
            let mut dash = Dash::picture(size);
            let key = dash.model.keymap().key_of(page.action);
            dash.press(&key).press("j");
            dash.answer_reads();
            dash
        });
    }
}

/// A page with nothing on it, and one with a filter that nothing passes.
#[test]
fn empty_pages() {
    for page in vigie::tui::model::PAGES.iter().skip(1) {
        let mut dash = Dash::new((80, 24));
        dash.load(Fleet {
            read_at: Some(fleet::noon()),
            ..Fleet::default()
        });
        let key = dash.model.keymap().key_of(page.action);
        dash.press(&key);
        snap(&format!("empty_{}", page.name.replace(' ', "_")), &dash);
    }
    let mut dash = Dash::picture((80, 24));
    dash.press("9 /").enter("nobody").press("enter");
    snap("filtered_out", &dash);
}

/// What one finds with, at all sizes.
#[test]
fn finding() {
    for (name, keys, text) in [
        ("filter", "9 /", "state=active bist"),
        ("filter_wrong", "9 /", "bistro OR colour=red size>1"),
        ("filter_empty", "9 /", ""),
        ("palette", ":", "prod"),
        ("palette_refused", ":", "deactivate"),
        ("columns", "9 w", ""),
        ("sort", "2 Z S", ""),
    ] {
        at_all_sizes(&format!("find_{name}"), |size| {
            let mut dash = Dash::picture(size);
            dash.press(keys).enter(text);
            dash
        });
    }
    at_all_sizes("find_views", |size| {
        let mut dash = Dash::picture(size);
        dash.press("9 /")
            .enter("state=failed")
            .press("enter Z b")
            .enter("broken")
            .press("enter");
        dash.press("5 b n").enter("東京 jobs").press("enter b").wait(7_000);
        dash
    });
}

#[test]
fn dialogs() {
    let mut dash = Dash::picture((80, 24));
    dash.press("2 j a x");
    snap("delete", &dash);
    dash.press("esc 1 a").wait(400);
    snap("menu", &dash);
    dash.press("esc ?");
    snap("help", &dash);
    dash.press("esc n")
        .enter("Production 9")
        .press("tab tab")
        .enter("nonsense")
        .press("tab");
    snap("form", &dash);
    let mut narrow = Dash::picture((40, 15));
    narrow.press("2 j a x");
    snap("delete", &narrow);
}

/// Everything that matters is told without colour and without anything but ASCII too.
#[test]
fn mono_and_ascii() {
    let settings = UiSettings {
        ascii: true,
        ..UiSettings::default()
    };
    let mut dash = Dash::with(settings, (120, 35));
    dash.load(fleet::picture());
    let (text, styles) = dash.frame(&Theme::built_in("mono").unwrap());
    assert!(styles.lines().all(|line| line.contains(" Reset/Reset ")), "{styles}");
    for word in ["! full", "X refused", "* 32 ms", "% 39 ms", "X failed", "> prod-1"] {
        assert!(text.contains(word), "{word} is missing:\n{text}");
    }
    let strange: Vec<char> = text.chars().filter(|c| !c.is_ascii() && !c.is_alphabetic()).collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// The picture in every built-in theme draws, and the selection is seen in each.
#[test]
fn every_theme_shows_the_selection() {
    let dash = Dash::picture((80, 24));
    for name in Theme::BUILT_IN {
        let theme = Theme::built_in(name).unwrap();
        let (text, styles) = dash.frame(&theme);
        let row = text
            .lines()
            .position(|line| line.contains("▸ prod-1") || line.contains("▸prod-1"))
            .unwrap_or(3);
        let here = styles
            .lines()
            .filter(|line| line.starts_with(&format!("{row}:")))
            .count();
        assert!(here > 0, "{name}: nothing marks the selected row");
    }
}
