//! Files in the log panel: real ones, read through the same room that the program reads them with.

use super::{Dash, fleet};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vigie::domain::log::{Ask, LogPlace, LogTarget, Wanted};
use vigie::domain::rights::{Rights, Role};
use vigie::domain::{Problem, SafeText};
use vigie::remote::log::{Asked, Log};
use vigie::tui::model::{Answer, Effect, Fleet, UiSettings};
use vigie::tui::theme::Theme;

const SIZE: (u16, u16) = (120, 35);

/// A dashboard that shows nothing but a file.
struct View {
    dash: Dash,
    runtime: tokio::runtime::Runtime,
    log: Option<(u64, Log)>,
    path: PathBuf,
    asked: Vec<Ask>,
    _dir: tempfile::TempDir,
}

fn write(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

impl View {
    fn new(size: (u16, u16), text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("odoo.log");
        std::fs::write(&path, text).unwrap();
        let target = LogTarget::File {
            place: LogPlace::Here,
            path: "/var/log/odoo/odoo.log".to_owned(),
        };
        let dash = Dash::with(
            UiSettings {
                files: vec![target],
                ..UiSettings::default()
            },
            size,
        );
        let mut view = Self {
            dash,
            runtime: tokio::runtime::Runtime::new().unwrap(),
            log: None,
            path,
            asked: Vec::new(),
            _dir: dir,
        };
        view.settle();
        view
    }

    /// Does what the dashboard wants done, until it wants nothing more.
    fn settle(&mut self) {
        loop {
            let effects = self.dash.effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.carry_out(effect);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::OpenLog { id, .. } => {
                let _inside = self.runtime.enter();
                let log = Log::file(&self.path).unwrap();
                self.log = Some((id, log));
                let status = self.counted();
                self.dash.answer(Answer::LogOpened { id, result: Ok(status) });
            }
            Effect::ReadLog {
                id,
                seq,
                ask,
                sieve,
                floor,
                limit,
            } => {
                self.asked.push(ask.clone());
                let by = Asked {
                    sieve: &sieve,
                    floor,
                    limit,
                    stop: &|| false,
                    looked: &|_| {},
                };
                let (_, log) = self.log.as_ref().unwrap();
                let result = log
                    .answer(&ask, &by)
                    .map(Box::new)
                    .map_err(|error| Problem::new("log", error.to_string()));
                self.dash.answer(Answer::LogPage { id, seq, result });
            }
            other => panic!("{other:?}"),
        }
    }

    fn counted(&self) -> vigie::domain::log::LogStatus {
        let size = std::fs::metadata(&self.path).unwrap().len();
        let (_, log) = self.log.as_ref().unwrap();
        let mut status = log.status();
        self.runtime.block_on(async {
            let done = |s: &vigie::domain::log::LogStatus| s.counted == s.end && s.end >= size;
            tokio::time::timeout(Duration::from_secs(20), status.wait_for(done))
                .await
                .expect("the log was not counted in time")
                .unwrap()
                .clone()
        })
    }

    fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split_whitespace() {
            self.dash.press(key);
            self.settle();
        }
        self
    }

    fn grow(&mut self, text: &str) -> &mut Self {
        write(&self.path, text);
        let status = self.counted();
        let id = self.log.as_ref().unwrap().0;
        self.dash.answer(Answer::LogTold { id, status });
        self.settle();
        self
    }

    fn filter(&mut self, text: &str) -> &mut Self {
        self.press("&");
        self.dash.enter(text);
        self.press("enter esc")
    }

    #[track_caller]
    fn must_see(&self, text: &str) -> &Self {
        self.dash.must_see(text);
        self
    }

    #[track_caller]
    fn must_not_see(&self, text: &str) -> &Self {
        assert!(
            !self.dash.sees(text),
            "{text:?} is on the screen:\n{}",
            self.dash.screen()
        );
        self
    }
}

fn numbered(from: usize, to: usize) -> String {
    (from..=to).map(|n| format!("line number {n}.\n")).collect()
}

/// A line of Odoo's, so many minutes before the tests' noon.
fn odoo(minutes: i64, level: &str, text: &str) -> String {
    let at = fleet::noon() - jiff::SignedDuration::from_mins(minutes);
    let at = at.strftime("%Y-%m-%d %H:%M:%S");
    format!("{at},250 4711 {level} acme odoo.http: {text}\n")
}

fn odoos() -> String {
    let mut text = String::new();
    for minute in (0..90).rev() {
        text.push_str(&odoo(minute, "INFO", &format!("GET /web took {minute} ms")));
        if minute % 20 == 7 {
            text.push_str(&odoo(minute, "WARNING", "a slow query"));
        }
        if minute % 30 == 5 {
            text.push_str(&odoo(minute, "ERROR", "Exception during request"));
            text.push_str("Traceback (most recent call last):\n  File \"/odoo/http.py\", line 7, in dispatch\n");
            text.push_str(&format!("ValueError: no such partner {minute}\n"));
        }
    }
    text
}

#[test]
fn a_file_opens_at_its_end_and_scrolls_to_its_beginning() {
    let mut view = View::new(SIZE, &numbered(1, 30_000));
    view.must_see("line number 30000.")
        .must_see("line 30,000 of 30,000")
        .must_see("following");
    assert!(view.asked.len() <= 3, "a page or two are enough: {:?}", view.asked);
    view.press("pgup")
        .must_not_see("line number 30000.")
        .must_see("scrolled up, End follows");
    view.press("g").must_see("line number 1.").must_see("of 30,000");
    view.press("j").must_not_see("line number 1.");
    for _ in 0..300 {
        view.press("pgdn");
    }
    view.must_see("line number 9010.").must_see("line 9,032");
    assert!(view.dash.model.log.len() <= 4_000, "only a window is held");
    for _ in 0..301 {
        view.press("pgup");
    }
    view.must_see("line number 1.");
    view.press("end").must_see("line number 30000.").must_see("following");
}

#[test]
fn a_line_that_was_shown_before_it_was_counted_is_not_new() {
    let mut view = View::new(SIZE, &numbered(1, 500));
    write(&view.path, &numbered(501, 502));
    let counted = view.counted();
    // Its end is told as soon as it is seen, and read; its lines are counted a moment later.
    let uncounted = vigie::domain::log::LogStatus {
        end: counted.end,
        ..view.dash.model.log.text.as_ref().unwrap().status.clone()
    };
    let id = view.log.as_ref().unwrap().0;
    view.dash.answer(Answer::LogTold { id, status: uncounted });
    view.settle();
    view.must_see("line number 502.");
    view.press("k").must_see("scrolled up, End follows");
    view.dash.answer(Answer::LogTold { id, status: counted });
    view.settle();
    view.must_see("scrolled up, End follows");
    view.grow(&numbered(503, 503)).must_see("1 new line, End follows");
}

#[test]
fn scrolling_up_pauses_and_counts_and_end_resumes() {
    let mut view = View::new(SIZE, &numbered(1, 500));
    view.grow(&numbered(501, 510)).must_see("line number 510.");
    view.press("k k k");
    let before = view.dash.screen();
    view.grow(&numbered(511, 611));
    view.must_see("101 new lines, End follows")
        .must_not_see("line number 511.");
    let rows = |screen: &str| {
        screen
            .lines()
            .filter(|line| line.contains("line number"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rows(&view.dash.screen()),
        rows(&before),
        "nothing moves under one's eyes"
    );
    view.press("end")
        .must_see("line number 611.")
        .must_see("following")
        .must_not_see("new lines");
    // What runs far ahead is shown from its end.
    view.grow(&numbered(612, 20_000)).must_see("line number 20000.");
    view.press("pgup pgup").must_see("line number 19930.");
}

#[test]
fn a_line_without_its_newline_goes_on_in_place() {
    let mut view = View::new(SIZE, "one\ntwo");
    view.must_see("two");
    view.grow(" and a half\nthree\n")
        .must_see("two and a half")
        .must_see("three");
    assert_eq!(view.dash.screen().matches("two").count(), 1, "{}", view.dash.screen());
}

#[test]
fn rotation_and_truncation_are_told_and_followed() {
    let mut view = View::new(SIZE, &numbered(1, 5));
    std::fs::rename(&view.path, view.path.with_extension("1")).unwrap();
    write(&view.path, "a new file\n");
    let id = view.log.as_ref().unwrap().0;
    let log = view.log.as_ref().unwrap().1.clone();
    let mut status = log.status();
    let grown = view.runtime.block_on(async {
        let wait = status.wait_for(|s| s.end > 80 && s.counted == s.end);
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .unwrap()
            .unwrap()
            .clone()
    });
    view.dash.answer(Answer::LogTold { id, status: grown });
    view.settle();
    view.must_see("line number 5.")
        .must_see("the file was rotated")
        .must_see("a new file");
}

#[test]
fn searching_goes_through_the_whole_file_and_keeps_the_lines() {
    let mut view = View::new(SIZE, &numbered(1, 30_000));
    view.press("/");
    view.dash.enter("number 123[0-9]{2}\\.");
    view.press("enter");
    view.must_see("line number 12399.")
        .must_see("line number 12390.")
        .must_see("line number 12400.");
    view.press("N").must_see("line number 12398.");
    view.press("n n")
        .must_see("line number 12300.")
        .must_see("went on from the beginning");
    assert_eq!(
        view.dash.model.log.hit,
        view.dash
            .model
            .log
            .row(view.dash.model.log.pointed(view.dash.model.log_size()).unwrap())
            .map(|r| r.key())
    );
    view.press("esc esc").must_not_see("/number");
    view.press("/");
    view.dash.enter("nowhere at all");
    view.press("enter").must_see("is nowhere in this log");
    view.press("/");
    view.dash.press("ctrl-u");
    view.dash.enter("number (1");
    view.press("enter").must_see("as it stands");
}

#[test]
fn filters_hide_and_are_stacked_and_switched_off_one_by_one() {
    let text: String = (0..3_000)
        .map(|n| {
            format!(
                "{n} {} {}\n",
                if n % 2 == 0 { "even" } else { "odd" },
                if n % 3 == 0 { "three" } else { "-" }
            )
        })
        .collect();
    let mut view = View::new(SIZE, &text);
    view.filter("even")
        .must_see("2998 even")
        .must_not_see("odd")
        .must_see("1 filter");
    view.filter("!three")
        .must_see("2998 even")
        .must_not_see("2994 even three")
        .must_see("2 filters");
    // Still while one has scrolled up, and what comes later is filtered too.
    view.press("k");
    view.grow("3001 odd -\n3002 even -\n");
    view.press("end").must_see("3002 even").must_not_see("3001 odd");
    view.press("& up up tab esc")
        .must_see("odd -")
        .must_not_see("three")
        .must_see("1 filter");
    view.press("& ctrl-t esc")
        .must_see("odd three")
        .must_not_see("2 filters");
    view.press("& ctrl-t esc").must_see("2 filters").must_not_see("odd");
    view.press("& down down del up del esc");
    assert!(view.dash.model.log.sieve.rules.is_empty());
    view.filter("[broken");
    assert_eq!(view.dash.model.log.sieve.rules.len(), 1);
    view.must_see("Nothing in it passes the filters");
}

#[test]
fn lines_around_those_that_pass_are_shown_on_request() {
    let mut view = View::new(SIZE, &numbered(1, 5_000));
    view.filter("number 2500\\.")
        .must_see("line number 2500.")
        .must_not_see("line number 2499.");
    view.press("C")
        .must_see("line number 2499.")
        .must_see("line number 2501.")
        .must_not_see("line number 2498.");
    view.press("C").must_see("line number 2497.").must_see("3 around");
    view.press("C C").must_not_see("line number 2499.");
}

#[test]
fn where_one_reads_stays_when_the_filter_changes() {
    let mut view = View::new(SIZE, &numbered(1, 20_000));
    view.press("g");
    for _ in 0..100 {
        view.press("pgdn");
    }
    view.press("&");
    view.dash.enter("7\\.");
    view.press("enter esc");
    view.must_see("line number 3107.").must_not_see("following");
}

#[test]
fn levels_are_coloured_and_filtered_and_errors_found() {
    let mut view = View::new(SIZE, &odoos());
    view.press("L")
        .must_see("WARN and worse")
        .must_see("a slow query")
        .must_see("no such partner 35")
        .must_not_see("GET /web");
    view.press("L")
        .must_see("Exception")
        .must_see("Traceback")
        .must_not_see("a slow query");
    view.press("L").must_see("GET /web");
    view.press("E").must_see("Exception during request");
    let first = view.dash.model.log.hit;
    view.press("E E").must_see("Exception during request");
    assert_ne!(view.dash.model.log.hit, first);
    view.press("e e");
    assert_eq!(view.dash.model.log.hit, first);
    view.press("e").must_see("went on from the beginning");
    let (text, styles) = view.dash.frame(&Theme::default());
    let row = text.lines().position(|line| line.contains("ValueError")).unwrap();
    let red = format!(
        "{:?}",
        Theme::default().style(vigie::tui::theme::Token::Bad).fg.unwrap()
    );
    assert!(
        styles
            .lines()
            .any(|run| run.starts_with(&format!("{row}:")) && run.contains(&red)),
        "a traceback has its line's colour"
    );
    // Where there is none, that is good news and said.
    let mut calm = View::new(SIZE, &numbered(1, 10));
    calm.press("e").must_see("there is no error in this log");
}

#[test]
fn times_are_local_utc_ago_or_as_written() {
    let mut view = View::new(SIZE, &odoo(3, "INFO", "hello"));
    let screen = view.dash.screen();
    view.press("t").must_see("UTC");
    assert_ne!(view.dash.screen(), screen);
    view.press("t").must_see("3 min ago");
    view.press("t").must_see(",250 4711 INFO acme odoo.http: hello");
    view.press("t");
    assert!(view.dash.screen().contains("4711 INFO acme odoo.http: hello"));
    view.must_not_see(",250");
}

#[test]
fn digits_leave_only_what_was_written_lately() {
    let mut view = View::new(SIZE, &odoos());
    view.press("3")
        .must_see("took 4 ms")
        .must_not_see("took 6 ms")
        .must_see("since");
    view.press("2").must_see("took 0 ms").must_not_see("took 2 ms");
    view.press("0").must_see("took 6 ms").must_not_see("since");
    view.press("6 g").must_see("took 59 ms").must_not_see("took 61 ms");
    view.press("1").must_see("took 89 ms");
    let mut plain = View::new(SIZE, &numbered(1, 10));
    plain
        .press("3")
        .must_see("no line here says when it was written")
        .must_see("line number 10.");
}

#[test]
fn long_lines_are_wrapped_and_read_to_their_end() {
    let text = format!("before\n{}the end\nafter\n", "0123456789".repeat(700));
    let mut view = View::new((80, 24), &text);
    view.must_not_see("the end");
    view.press("w").must_see("the end").must_see("after");
    for _ in 0..90 {
        view.press("k");
    }
    view.must_see("before").must_not_see("the end");
    for _ in 0..90 {
        view.press("j");
    }
    view.must_see("the end").must_see("following");
    view.press("w").press("right right").must_see("column 32");
}

#[test]
fn marks_are_kept_gone_to_and_copied_clean() {
    let mut view = View::new(SIZE, &numbered(1, 9_000));
    view.press("m").must_see("1 marked");
    view.press("g m u").must_see("line number 9000.");
    view.press("u").must_see("line number 1.");
    view.dash.press("c");
    assert_eq!(
        view.dash.effect(),
        Effect::Copy("line number 1.\nline number 9000.".to_owned())
    );
    view.must_see("2 lines marked copied");
    view.press("m u m");
    assert!(view.dash.model.log.marks.is_empty());
    view.dash.press("Y");
    let Effect::Copy(screen) = view.dash.effect() else {
        panic!("copied")
    };
    assert!(screen.lines().count() >= 30 && !screen.contains(['│', '┌']), "{screen}");
    view.dash.press("c");
    assert_eq!(view.dash.effect(), Effect::Copy("line number 9000.".to_owned()));
}

#[test]
fn the_whole_log_is_saved_as_it_is_filtered() {
    let mut view = View::new(SIZE, &numbered(1, 10));
    view.filter("7");
    view.dash.press("ctrl-s");
    let Effect::SaveLog { id, sieve, name, .. } = view.dash.effect() else {
        panic!("saved")
    };
    assert_eq!((id, name.as_str()), (view.log.as_ref().map(|log| log.0), "odoo.log"));
    assert_eq!(sieve.rules.len(), 1);
}

#[test]
fn hostile_lines_are_shown_as_what_they_are() {
    let text = "a\u{1b}[2Jb\u{1b}]0;owned\u{7}c\u{202e}d\u{9b}31m\u{200b}e\n\u{0}\u{1}\u{8}\u{7f}\nend\r\n";
    for keys in ["", "w", "t t t"] {
        let mut view = View::new(SIZE, text);
        view.press(keys);
        let screen = view.dash.screen();
        let wild = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{200b}');
        assert!(!screen.contains(wild), "{screen:?}");
        view.must_see("␛").must_see("‹U+202E›").must_see("end");
    }
}

#[test]
fn a_giant_line_and_a_flood_leave_memory_and_screen_as_they_are() {
    let mut text = "x".repeat(10_000_000);
    text.push('\n');
    text.push_str(&odoo(1, "INFO", "after it"));
    let mut view = View::new(SIZE, &text);
    view.must_see("after it").must_see("xxxx");
    view.press("w g").must_see("xxxx");
    for _ in 0..20 {
        view.grow(&"a line of a flood\n".repeat(20_000));
    }
    view.press("end").must_see("a line of a flood").must_see("following");
    let held: usize = view
        .dash
        .model
        .log
        .text
        .as_ref()
        .unwrap()
        .rows()
        .iter()
        .map(|row| row.weight())
        .sum();
    assert!(held < 5 << 20, "{held} bytes are held");
}

fn dashboard() -> Dash {
    let mut dash = Dash::picture(SIZE);
    dash.effects();
    dash
}

#[test]
fn a_servers_log_is_asked_for_and_remembered() {
    let mut dash = dashboard();
    dash.press("o");
    dash.must_see("open a log on prod-1");
    dash.must_see("/var/log/odoo/odoo-server.log");
    dash.press("ctrl-u").enter("/srv/odoo/log/odoo.log").press("enter");
    let effects = dash.effects();
    let [Effect::OpenLog { id, target }, Effect::RememberLog { server, text }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(target.to_string(), "prod-1: /srv/odoo/log/odoo.log");
    assert_eq!((server.as_str(), text.as_str()), ("prod-1", "/srv/odoo/log/odoo.log"));
    dash.must_see("prod-1: /srv/odoo/log/odoo.log");
    let problem = Problem::new("log", "/srv/odoo/log/odoo.log: Permission denied").hint("this user may not read it");
    let (id, result) = (*id, Err(problem));
    dash.answer(Answer::LogOpened { id, result });
    dash.must_see("Permission denied");
    dash.must_see("this user may not read it");
    dash.press("backspace");
    assert_eq!(dash.effect(), Effect::FollowLog(vigie::domain::JobId(42)));
    dash.press("1 o");
    dash.must_see("/srv/odoo/log/odoo.log");
    dash.press("tab");
    dash.must_see("open a log on this machine");
    dash.press("ctrl-u").enter("!tail 'x").press("enter");
    dash.must_see("a quote is not closed");
    dash.press("esc");
    assert!(dash.effects().is_empty());
}

#[test]
fn who_only_reads_runs_no_command_on_a_server() {
    let mut dash = Dash::new(SIZE);
    dash.load(Fleet {
        rights: Rights::of(Role::User, "ana"),
        ..fleet::picture()
    });
    dash.press("o ctrl-u").enter("!systemctl stop odoo").press("enter");
    dash.must_see("needs saas_manager");
    assert!(dash.effects().is_empty());
    dash.press("ctrl-u").enter("/var/log/x").press("enter");
    assert!(
        matches!(dash.effects().first(), Some(Effect::OpenLog { .. })),
        "reading is for everyone"
    );
}

#[test]
fn a_jobs_log_is_filtered_marked_and_searched_for_errors_too() {
    use vigie::domain::job::{LogLevel, Stream};
    let mut dash = dashboard();
    let job = vigie::domain::JobId(42);
    let said = |seq, text: &str| fleet::line(seq, None, Stream::Stdout, LogLevel::Info, text);
    let lines: Vec<_> = (9..200)
        .map(|seq| {
            said(
                seq,
                if seq == 50 {
                    "2026-11-21 11:00:00.000 UTC [7] ERROR:  no such table"
                } else {
                    "all fine here"
                },
            )
        })
        .collect();
    dash.answer(Answer::LogLines { job, lines, end: 199 });
    dash.press("3 e");
    dash.must_see("no such table");
    assert_eq!(dash.model.log.hit, Some(50));
    dash.press("end L L");
    assert!(!dash.sees("all fine here"));
    dash.must_see("no such table");
    dash.press("L & ").enter("!all fine").press("enter esc");
    dash.must_see("no such table");
    assert!(!dash.sees("all fine here"));
    dash.press("&").press("down del esc");
    dash.must_see("all fine here");
    // Digits mean panes until the log has the whole screen.
    dash.press("f 2");
    dash.must_see("since");
    dash.press("0 f 2");
    assert_eq!(dash.model.focus, vigie::tui::model::Pane::List);
}

#[test]
fn ctrl_c_stops_a_long_look() {
    let mut view = View::new(SIZE, &numbered(1, 100));
    view.dash.press("/").enter("x").press("enter");
    let Some(Effect::ReadLog {
        id,
        seq,
        ask: Ask::Find {
            what: Wanted::Text(_), ..
        },
        ..
    }) = view.dash.effects().pop()
    else {
        panic!("it looks");
    };
    view.dash.answer(Answer::LogLooked { id, seq, bytes: 500 });
    view.must_see("looking").must_see("Ctrl-C stops");
    view.dash.press("ctrl-c");
    assert_eq!(view.dash.effect(), Effect::StopLogRead);
    view.must_not_see("Ctrl-C stops").must_see("stopped looking");
    // An answer that was on its way changes nothing.
    let page = Box::default();
    view.dash.answer(Answer::LogPage {
        id,
        seq,
        result: Ok(page),
    });
    view.must_see("line number 100.");
}

fn snap(name: &str, dash: &Dash) {
    let (width, height) = dash.model.size;
    let (text, styles) = dash.frame(&Theme::default());
    insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "../snapshots", omit_expression => true}, {
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), format!("{text}\n---- styles\n{styles}"));
    });
}

const SIZES: [(u16, u16); 4] = [(200, 50), (120, 35), (80, 24), (40, 15)];

#[test]
fn pictures_of_a_file() {
    for size in SIZES {
        let mut view = View::new(size, &odoos());
        view.dash.press("E m k");
        view.settle();
        view.press("/");
        view.dash.enter("partner");
        view.press("enter");
        snap("log_file", &view.dash);
    }
}

#[test]
fn pictures_of_filters() {
    for size in SIZES {
        let mut view = View::new(size, &odoos());
        view.filter("took").filter("!took 1");
        view.press("C & up tab");
        view.dash.enter("[x");
        snap("log_filters", &view.dash);
    }
}

#[test]
fn pictures_of_what_is_odd() {
    for size in SIZES {
        let mut text = numbered(1, 3);
        text.push_str("{\"ts\":1795262400,\"level\":\"error\",\"msg\":\"bad gateway\",\"url\":\"https://acme.example.com/web\"}\n");
        text.push_str("2026-11-21 12:00:00.123 UTC [7] odoo@acme WARNING:  東京都庁 e\u{301}e\u{301} \u{202e}abc\u{1b}[31m שלום\n");
        text.push_str("no newline at the end ");
        text.push_str(&"long ".repeat(80));
        let mut view = View::new(size, &text);
        view.press("w");
        snap("log_odd", &view.dash);
    }
}

#[test]
fn pictures_of_the_question_what_to_open() {
    for size in SIZES {
        let mut dash = Dash::picture(size);
        dash.press("o");
        snap("log_prompt", &dash);
    }
}

#[test]
fn what_a_command_wrote_and_that_it_ended_is_told() {
    let mut dash = dashboard();
    dash.press("o ctrl-u").enter("!journalctl -u odoo").press("enter");
    let Some(Effect::OpenLog { id, .. }) = dash.effects().into_iter().next() else {
        panic!("it opens");
    };
    let log = Log::output("journalctl", 200_000);
    for n in 0..20_000 {
        log.push(&format!("line number {n}."));
    }
    log.finish(&SafeText::new("ended, exit status 0"));
    let status = log.status().borrow().clone();
    dash.answer(Answer::LogOpened { id, result: Ok(status) });
    let Effect::ReadLog {
        id,
        seq,
        ask,
        sieve,
        floor,
        limit,
    } = dash.effect()
    else {
        panic!("it reads")
    };
    let by = Asked {
        sieve: &sieve,
        floor,
        limit,
        stop: &|| false,
        looked: &|_| {},
    };
    let result = Ok(Box::new(log.answer(&ask, &by).unwrap()));
    dash.answer(Answer::LogPage { id, seq, result });
    dash.must_see("prod-1: $ journalctl -u odoo");
    dash.must_see("line number 19999.");
    dash.must_see("ended, exit status 0");
    dash.must_see("dropped ");
}
