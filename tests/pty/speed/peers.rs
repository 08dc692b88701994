//! The same measures of other programs of the kind, where they are installed, and of a bare table drawn by the same
//! library: what a key costs in this terminal on this machine where a program does nothing else.

use super::super::harness::{Session, Start};
use super::super::screen::wake_ups;
use super::{FRAME_END, STILL, cpu, key, percentile, resident};
use crossterm::event::{Event, KeyCode};
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::layout::Constraint;
use ratatui::style::Stylize;
use ratatui::widgets::{Cell, Row, Table};
use std::time::{Duration, Instant};

/// Another program of the kind: how it is started, what shows that it is up, a key, and what that shows.
struct Peer {
    program: &'static str,
    args: &'static [&'static str],
    up: &'static str,
    open: &'static str,
    opened: &'static str,
    close: &'static str,
}

/// Those that are packaged; the others are said to be missing.
const PEERS: [Peer; 3] = [
    Peer {
        program: "btop",
        args: &["--utf-force"],
        up: "proc",
        open: "h",
        opened: "Description:",
        close: "\x1b",
    },
    Peer {
        program: "htop",
        args: &[],
        up: "CPU",
        open: "h",
        opened: "Press any key to return",
        close: "q",
    },
    Peer {
        program: "lnav",
        args: &["-N", "/proc/self/maps"],
        up: "LOG",
        open: "?",
        opened: "fancy log file viewer",
        close: "?",
    },
];

/// Opens and closes its help; `None` where it does not answer as its known versions do.
fn help(peer: &Peer, session: &mut Session) -> Option<Vec<Duration>> {
    let mut keys = Vec::new();
    for _ in 0..30 {
        for (key, open) in [(peer.open, true), (peer.close, false)] {
            let typed = Instant::now();
            session.type_in(key);
            while session.text().contains(peer.opened) != open {
                if typed.elapsed() > Duration::from_secs(5) {
                    return None;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            keys.push(typed.elapsed());
        }
    }
    Some(keys)
}

fn measure(peer: &Peer) {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(peer.program).exists()));
    if !found {
        println!("NOT RUN: {} is not installed", peer.program);
        return;
    }
    let began = Instant::now();
    let mut start = Start::program(peer.program).size(200, 50);
    for arg in peer.args {
        start = start.arg(*arg);
    }
    let mut session = start.start();
    session.until_text(peer.up);
    let ready = began.elapsed();
    session.until("a moment", || (began.elapsed() > Duration::from_secs(2)).then_some(()));
    let Some(keys) = help(peer, &mut session) else {
        println!(
            "NOT RUN: {} answers otherwise than the versions that are known here",
            peer.program
        );
        return;
    };
    let pid = session.guard();
    let before = (session.count(), wake_ups(pid), cpu(pid));
    std::thread::sleep(STILL);
    println!(
        "{}: ready {ready:.0?}; its help opens and closes in p50 {:.1?} p99 {:.1?}; idle for {STILL:?}: {} bytes, {} wake-ups, \
         {:.0?} of CPU; {:.1} MB resident",
        peer.program,
        percentile(&keys, 50),
        percentile(&keys, 99),
        session.count() - before.0,
        wake_ups(pid) - before.1,
        cpu(pid) - before.2,
        resident(pid) as f64 / 1e6
    );
}

/// All of them.
pub(super) fn say() {
    PEERS.iter().for_each(measure);
}

/// Says to the program below that it is one, and of how many rows.
const BARE: &str = "VIGIE_BARE_ROWS";

/// A bare table of so many rows: what its keys cost.
pub(super) fn bare(rows: usize, rounds: usize) -> Vec<Duration> {
    let program = std::env::current_exe().expect("this program");
    let mut session = Start::program(program)
        .arg("--exact")
        .arg("speed::peers::a_bare_table_where_it_is_asked_for")
        .arg("--nocapture")
        .env(BARE, rows.to_string())
        .size(200, 50)
        .start();
    session.until_text("row 20");
    let mut keys = Vec::new();
    for n in 0..rounds {
        session.until_quiet(Duration::from_millis(20));
        keys.push(key(&mut session, if n % 10 < 5 { "j" } else { "k" }));
    }
    session.type_in("q");
    session.until_ended();
    keys
}

/// No test of its own: the program that [`bare`] starts, which ends with `q`.
#[test]
fn a_bare_table_where_it_is_asked_for() {
    let Some(rows) = std::env::var(BARE).ok().and_then(|rows| rows.parse::<usize>().ok()) else {
        return;
    };
    assert!(FRAME_END.ends_with(b"l"), "what is waited for ends a frame");
    let mut terminal = ratatui::init();
    let mut at = 0;
    loop {
        crossterm::queue!(std::io::stdout(), BeginSynchronizedUpdate).expect("a terminal");
        let draw = |frame: &mut ratatui::Frame<'_>| {
            let area = frame.area();
            let shown = (0..rows.min(usize::from(area.height))).map(|n| {
                let cells = (0..8).map(|column| Cell::from(format!("row {n} column {column}")));
                let row = Row::new(cells);
                if n == at { row.reversed() } else { row }
            });
            frame.render_widget(Table::new(shown, [Constraint::Fill(1); 8]), area);
        };
        terminal.draw(draw).expect("a frame");
        crossterm::execute!(std::io::stdout(), EndSynchronizedUpdate).expect("a terminal");
        match crossterm::event::read().expect("a key") {
            Event::Key(key) if key.code == KeyCode::Char('j') => at += 1,
            Event::Key(key) if key.code == KeyCode::Char('k') => at = at.saturating_sub(1),
            Event::Key(key) if key.code == KeyCode::Char('q') => break,
            _ => {}
        }
    }
    ratatui::restore();
}
