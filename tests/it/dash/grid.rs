//! Every page, in every state it can be in, at every size that matters: text and styles.
//!
//! A file holds a page in a state at its four sizes. Rows that repeat stand once, with their number; below a row its
//! styles, as lengths and letters, where they differ from the row's above; what a letter means is at the end.

use super::{Dash, fleet, happened};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::collections::BTreeMap;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;
use vigie::domain::instance::{Customer, InstanceState};
use vigie::domain::job::JobState;
use vigie::domain::template::TemplateState;
use vigie::domain::{CustomerId, InstanceId, PlanId, Problem, SafeText, ServerId, TemplateId};
use vigie::tui::model::{Answer, Delta, Effect, Fleet, InstanceRow, Message, Notice, PAGES};
use vigie::tui::theme::Theme;
use vigie::tui::view::view;

const SIZES: [(u16, u16); 4] = [(200, 50), (120, 35), (80, 24), (40, 15)];

/// Wide letters, letters made of several, letters that run from right to left.
const UNICODE: &[&str] = &[
    "東京都庁システム部",
    "Ze\u{301}phyrin Ço\u{308}\u{323}l",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{5e2}\u{5d5}\u{5dc}\u{5dd}",
    "\u{645}\u{637}\u{639}\u{645} \u{627}\u{644}\u{645}\u{62f}\u{64a}\u{646}\u{629}",
    "ｆｕｌｌ　ｗｉｄｔｈ 한국어",
    "👩‍👩‍👧‍👦 🇫🇷 e\u{301}\u{301}\u{301}\u{301}",
];

/// What one looks at: a page, and the keys that lead to it.
fn places() -> Vec<(String, String)> {
    let mut places: Vec<(String, String)> = PAGES
        .iter()
        .map(|page| {
            let key = Dash::new((80, 24)).model.keymap().key_of(page.action);
            (page.name.replace(' ', "_"), key)
        })
        .collect();
    places.push(("servers".to_owned(), "1".to_owned()));
    places.push(("log".to_owned(), "3".to_owned()));
    places.push(("help".to_owned(), "?".to_owned()));
    places
}

/// Everything that is asked is answered, until nothing is asked any more.
fn answer_all(dash: &mut Dash, labels: &[&str], rows: usize) {
    for _ in 0..6 {
        dash.wait(300);
        for effect in dash.effects() {
            match effect {
                Effect::LoadAudit { seq, .. } => {
                    let known = happened::rows();
                    let mut entries: Vec<_> = (0..rows).map(|n| known[n % known.len()].clone()).collect();
                    for (n, entry) in entries.iter_mut().enumerate() {
                        entry.id = 1000 - i64::try_from(n).unwrap();
                        if !labels.is_empty() {
                            entry.label = labels[n % labels.len()].to_owned();
                            entry.actor.os_user = labels[(n + 1) % labels.len()].to_owned();
                        }
                    }
                    dash.answer(Answer::Audit { seq, rows: entries });
                }
                Effect::LoadHistory(server) => {
                    let points = fleet::history();
                    dash.answer(Answer::History { server, points });
                }
                Effect::FollowLog(job) => {
                    let mut lines = fleet::log();
                    for (n, line) in lines.iter_mut().enumerate() {
                        if !labels.is_empty() {
                            line.text = SafeText::new(labels[n % labels.len()]);
                        }
                    }
                    dash.answer(Answer::LogLines { job, lines, end: 8 });
                }
                Effect::Find(request) => {
                    let found = request.run(&|| false).unwrap();
                    dash.answer(Answer::Found(Box::new(found)));
                }
                _ => {}
            }
        }
    }
}

/// Gives everything in a fleet that has a name one of these.
fn rename(fleet: &mut Fleet, names: &[&str]) {
    let name = |n: usize| SafeText::new(names[n % names.len()]);
    for (n, server) in fleet.servers.iter_mut().enumerate() {
        server.spec.name = name(n);
        if server.track.failures > 0 {
            server.track.reason = name(n + 1);
        }
    }
    for (n, template) in fleet.templates.iter_mut().enumerate() {
        template.spec.name = name(n);
    }
    for (n, plan) in fleet.plans.iter_mut().enumerate() {
        plan.name = name(n + 2);
    }
    for (n, customer) in fleet.customers.iter_mut().enumerate() {
        customer.name = name(n + 3);
    }
    for (n, job) in fleet.jobs.iter_mut().enumerate() {
        job.title = name(n);
        if let Some(problem) = &mut job.problem {
            problem.message = name(n + 1).to_string();
        }
    }
    for (n, row) in fleet.instances.iter_mut().enumerate() {
        *row = InstanceRow::new(
            row.id,
            row.server,
            row.template(),
            &name(n),
            row.subdomain(),
            row.database(),
        )
        .with(
            row.version,
            row.plan(),
            row.customer(),
            row.state,
            row.size_bytes(),
            row.created_at(),
        );
    }
}

/// More of everything than fits.
fn overflowing() -> Fleet {
    let mut fleet = fleet::large(60, 600);
    let long =
        "A name that was never meant to be read on a screen as narrow as this one, nor on a wide one; ".repeat(4);
    rename(&mut fleet, &[&long]);
    fleet.servers[0].instance_count = 4_000_000_000;
    fleet.servers[0].spec.max_instances = 4_000_000_000;
    for id in 0..70 {
        let mut template = fleet::template(10 + id, &format!("template-{id}"), 1, TemplateState::Ready);
        template.spec.name = SafeText::new(&long);
        fleet.templates.push(template);
        let mut plan = fleet.plans[0].clone();
        plan.id = PlanId(10 + id);
        plan.code = format!("{id}-{}", long.replace(' ', "-"));
        fleet.plans.push(plan);
        fleet.customers.push(Customer {
            id: CustomerId(100 + id),
            name: SafeText::new(&format!("{id} {long}")),
            email: None,
        });
    }
    fleet.instances.push(
        InstanceRow::new(
            InstanceId(90_000),
            ServerId(1),
            TemplateId(1),
            &SafeText::new(&long),
            &"x".repeat(63),
            &"y".repeat(63),
        )
        .with(
            1,
            Some(PlanId(79)),
            Some(CustomerId(169)),
            InstanceState::Active,
            Some(u64::MAX),
            fleet::noon(),
        ),
    );
    fleet
}

/// How a page of a size, behind a key, gets into a state.
type Way = fn((u16, u16), &str) -> Dash;

/// The states, and how a page gets into them.
const STATES: &[(&str, Way)] = &[
    ("empty", |size, key| {
        let mut dash = Dash::new(size);
        dash.load(Fleet {
            read_at: Some(fleet::noon()),
            ..Fleet::default()
        });
        dash.press(key);
        answer_all(&mut dash, &[], 0);
        dash
    }),
    ("normal", |size, key| {
        let mut dash = Dash::picture(size);
        // Alerts are called after a while.
        dash.wait(15_000).press(key);
        answer_all(&mut dash, &[], 6);
        dash.press("j");
        dash
    }),
    ("stale", |size, key| {
        let mut dash = Dash::picture(size);
        dash.wait(15_000).press(key);
        answer_all(&mut dash, &[], 6);
        dash.tell(Message::Notice(Notice::LinkLost {
            problem: Problem::new(
                "registry_lost",
                "the registry does not answer: connection refused (10.0.0.9:5432)",
            )
            .hint("it is tried again by itself"),
            since: fleet::noon(),
        }));
        dash.wait(12 * 60_000);
        dash
    }),
    ("error", |size, key| {
        let mut dash = Dash::picture(size);
        dash.wait(15_000).press(key);
        answer_all(&mut dash, &[], 6);
        dash.answer(Answer::Delta(Box::new(Delta {
            jobs: vec![fleet::job(42, JobState::Failed, 2)],
            ..Delta::default()
        })));
        dash
    }),
    ("unread", |size, key| {
        let mut dash = Dash::new(size);
        dash.press(key);
        dash.tell(Message::Notice(Notice::RegistryLost(
            Problem::new(
                "registry_failed",
                "the registry failed: disk I/O error (/var/lib/vigie/registry.db)",
            )
            .hint("look at the disk, then read again"),
        )));
        dash
    }),
    ("overflowing", |size, key| {
        let mut dash = Dash::new(size);
        dash.load(overflowing());
        dash.wait(15_000).press(key);
        let long = "a-name-of-someone-who-works-on-a-machine-with-a-name-as-long-as-this ".repeat(3);
        answer_all(&mut dash, &[&long], 120);
        dash.press("G");
        answer_all(&mut dash, &[&long], 120);
        dash
    }),
    ("unicode", |size, key| {
        let mut fleet = fleet::picture();
        rename(&mut fleet, UNICODE);
        let mut dash = Dash::new(size);
        dash.load(fleet);
        dash.wait(15_000).press(key);
        answer_all(&mut dash, UNICODE, 6);
        dash.press("j");
        dash
    }),
];

/// The letters of styles, and what they mean.
#[derive(Default)]
struct Legend(BTreeMap<String, char>);

impl Legend {
    fn letter(&mut self, style: String) -> char {
        let next = self.0.len();
        *self.0.entry(style).or_insert_with(|| {
            let letters = ('a'..='z').chain('A'..='Z').chain('α'..='ω');
            letters.into_iter().nth(next).unwrap_or('?')
        })
    }
}

/// A frame's rows and their styles, nothing said twice in a row.
fn compact(dash: &Dash, legend: &mut Legend) -> String {
    let (width, height) = dash.model.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme::default();
    terminal
        .draw(|frame| view(&dash.model, &theme, &dash.now(), frame))
        .unwrap();
    let buffer = terminal.backend().buffer();
    let mut rows: Vec<(String, String, usize)> = Vec::new();
    for y in 0..height {
        let (mut text, mut styles, mut skip) = (String::new(), String::new(), 0);
        let mut run: Option<(char, u16)> = None;
        for x in 0..width {
            let cell = &buffer[(x, y)];
            if skip > 0 {
                skip -= 1;
            } else {
                text.push_str(cell.symbol());
                skip = cell.symbol().width().saturating_sub(1);
            }
            let letter = legend.letter(format!("{:?} on {:?} {:?}", cell.fg, cell.bg, cell.modifier));
            match &mut run {
                Some((last, count)) if *last == letter => *count += 1,
                _ => {
                    if let Some((last, count)) = run.replace((letter, 1)) {
                        let _ = write!(styles, "{count}{last}");
                    }
                }
            }
        }
        if let Some((last, count)) = run {
            let _ = write!(styles, "{count}{last}");
        }
        text.truncate(text.trim_end_matches(' ').len());
        match rows.last_mut() {
            Some((before, same, times)) if *before == text && *same == styles => *times += 1,
            _ => rows.push((text, styles, 1)),
        }
    }
    let mut out = String::new();
    let mut last = String::new();
    for (text, styles, times) in rows {
        let _ = writeln!(out, "|{text}");
        if styles != last {
            let _ = writeln!(out, "  {styles}");
        }
        if times > 1 {
            let _ = writeln!(out, "  × {times}");
        }
        last = styles;
    }
    out
}

#[test]
fn every_page_in_every_state_at_every_size() {
    for (page, key) in places() {
        for (state, make) in STATES {
            // It says the same whatever the fleet does.
            if page == "help" && *state != "normal" {
                continue;
            }
            let mut legend = Legend::default();
            let mut all = String::new();
            for size in SIZES {
                let dash = make(size, &key);
                let _ = writeln!(all, "==== {}×{}", size.0, size.1);
                all.push_str(&compact(&dash, &mut legend));
            }
            all.push_str("==== styles\n");
            let mut letters: Vec<_> = legend.0.iter().collect();
            letters.sort_by_key(|(_, letter)| **letter);
            for (style, letter) in letters {
                let _ = writeln!(all, "{letter} {style}");
            }
            insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "../snapshots", omit_expression => true}, {
                insta::assert_snapshot!(format!("grid_{page}_{state}"), all);
            });
        }
    }
}
