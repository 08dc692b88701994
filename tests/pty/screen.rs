//! The dashboard as it is seen from outside.

use super::harness::{DEADLINE, Random, Session, Start, VIGIE, find, verb};
use rustix::process::{Pid, Signal};
use std::time::{Duration, Instant};

/// A home with a server in it, which nothing ever asks.
fn with_a_server(name: &str) -> Start {
    let start = Start::vigie();
    let args = [
        "server",
        "add",
        "prod-1",
        "--name",
        name,
        "--url",
        "https://odoo1.example.org",
        "--max-instances",
        "50",
    ];
    verb(start.home_path(), &args);
    start
}

#[test]
fn the_first_frame_shows_the_fleet() {
    let mut session = with_a_server("Production 1").size(120, 35).start();
    session.until_text("servers");
    session.until_text("prod-1");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
}

#[test]
fn what_another_process_does_appears_by_itself() {
    let mut session = Start::vigie().size(120, 35).start();
    session.until_text("servers");
    let args = [
        "server",
        "add",
        "late-1",
        "--name",
        "Late",
        "--url",
        "https://late.example.org",
        "--max-instances",
        "5",
    ];
    verb(session.home.path(), &args);
    session.until_text("late-1");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
}

#[test]
fn a_quiet_fleet_costs_no_byte_and_no_wake_up() {
    let session = with_a_server("Production 1").size(120, 35).start();
    session.until_text("prod-1");
    let dashboard = session.dashboard();
    // The header's clock turns once a minute: looked at again when that was in between.
    for attempt in 0..3 {
        session.until_quiet(Duration::from_millis(700));
        let (bytes, switches, minute) = (session.raw().len(), wake_ups(dashboard), minute());
        std::thread::sleep(Duration::from_secs(2));
        let (more, woken) = (session.raw().len() - bytes, wake_ups(dashboard) - switches);
        if minute == self::minute() || attempt == 2 {
            assert_eq!(more, 0, "bytes while nothing happened");
            assert!(woken <= 4, "{woken} wake-ups while nothing happened");
            return;
        }
    }
}

pub(super) fn minute() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("a clock after 1970").as_secs() / 60
}

/// How often the threads of a process went to sleep of their own accord.
pub(super) fn wake_ups(pid: Pid) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).expect("its threads");
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok())
        .filter_map(|status| {
            let line = status
                .lines()
                .find(|line| line.starts_with("voluntary_ctxt_switches"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum()
}

#[test]
fn a_storm_of_sizes_ends_in_the_same_picture_as_a_fresh_start() {
    let session = with_a_server("Production 1").start();
    session.until_text("prod-1");
    let mut random = Random::seeded("a_storm_of_sizes");
    for _ in 0..300 {
        let (columns, rows) = (random.below(260) as u16, random.below(90) as u16);
        session.resize(columns, rows);
    }
    session.resize(100, 30);
    session.until_quiet(Duration::from_millis(300));
    let fresh = Start::vigie().home(&session.home).size(100, 30).start();
    fresh.until_text("prod-1");
    fresh.until_quiet(Duration::from_millis(300));
    // The clock may have moved on in between.
    let same = |text: String| {
        text.lines()
            .map(|line| line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect())
            .collect::<Vec<String>>()
    };
    session.until("the same picture", || {
        (same(session.text()) == same(fresh.text())).then_some(())
    });
    session.signal(session.guard(), Signal::TERM);
}

#[test]
fn hostile_text_in_the_registry_is_shown_and_not_obeyed() {
    let hostile = "\x1b]0;owned\x07\x1b[2J\x1b]52;c;b3duZWQ=\x1b\\\u{202e}gnp\u{9b}31mX\r\nY\u{200b}";
    let start = with_a_server("harmless");
    // Past every border: written into the store itself.
    let changed = find(start.home_path(), "db")
        .iter()
        .map(|file| {
            let store = rusqlite::Connection::open(file).expect("the registry");
            store
                .execute("UPDATE saas_server SET name = ?1, description = ?1", [hostile])
                .expect("a changed row")
        })
        .sum::<usize>();
    assert_eq!(changed, 1);
    let mut session = start.size(160, 45).start();
    session.until_text("prod-1");
    session.type_in("d");
    session.until_text("owned");
    session.until_quiet(Duration::from_millis(200));
    let raw = session.raw();
    let text = String::from_utf8(raw.clone()).expect("UTF-8");
    for bad in ['\u{202e}', '\u{9b}', '\u{200b}', '\x07'] {
        assert!(!text.contains(bad), "{bad:?} reached the terminal");
    }
    for sequence in sequences(&raw) {
        assert!(
            is_ours(&sequence),
            "{:?} reached the terminal",
            String::from_utf8_lossy(&sequence)
        );
    }
    session.type_in("\x1b");
    session.signal(session.guard(), Signal::TERM);
    assert_eq!(session.until_ended(), 143);
}

/// All escape sequences in a stream: from ESC to the final byte, or two bytes where it is none.
pub(super) fn sequences(raw: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for (at, _) in raw.iter().enumerate().filter(|(_, byte)| **byte == 0x1b) {
        let rest = &raw[at..];
        let end = match rest.get(1) {
            Some(b'[') => 2 + rest[2..].iter().position(|b| (0x40..=0x7e).contains(b)).unwrap_or(0),
            _ => 1,
        };
        found.push(rest[..=end.min(rest.len() - 1)].to_vec());
    }
    found
}

/// Whether a sequence is one that the dashboard itself writes: colours, moves, erasing, its modes.
pub(super) fn is_ours(sequence: &[u8]) -> bool {
    let Some(body) = sequence.strip_prefix(b"\x1b[") else {
        return sequence == b"\x1b\\";
    };
    match body.split_last() {
        Some((b'm' | b'H' | b'J' | b'K', params)) => {
            params.iter().all(|b| b.is_ascii_digit() || *b == b';' || *b == b':')
        }
        Some((b'h' | b'l', [b'?', mode @ ..])) => [
            &b"1049"[..],
            b"2004",
            b"1004",
            b"25",
            b"2026",
            b"7",
            b"1000",
            b"1002",
            b"1003",
            b"1006",
            b"1015",
        ]
        .contains(&mode),
        _ => false,
    }
}

#[test]
fn what_the_screen_asks_is_answered_within_a_frame_of_time() {
    let mut session = with_a_server("Production 1").size(200, 50).start();
    session.until_text("prod-1");
    let mut times = Vec::new();
    for _ in 0..20 {
        for (key, shown) in [("?", true), ("\x1b", false)] {
            session.until_quiet(Duration::from_millis(60));
            let before = session.raw().len();
            let typed = Instant::now();
            session.type_in(key);
            session.until_raw("an answer", |raw| raw.len() > before);
            if shown {
                times.push(typed.elapsed());
            }
        }
    }
    times.sort_unstable();
    println!(
        "key to first byte, debug build: p50 {:?}, slowest {:?}",
        times[10], times[19]
    );
    assert!(times[10] < Duration::from_millis(100), "{times:?}");
    session.signal(session.guard(), Signal::TERM);
}

/// The program is where a person would start it, and says so when there is no terminal.
#[test]
fn without_a_terminal_it_says_what_to_do() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let output = super::harness::verb_command(home.path()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("terminal"), "{VIGIE}: {said}");
    assert!(output.stdout.is_empty());
}

impl Session {
    /// Waits until nothing has come for so long.
    pub(super) fn until_quiet(&self, time: Duration) {
        let deadline = Instant::now() + DEADLINE;
        let (mut last, mut since) = (self.raw().len(), Instant::now());
        while since.elapsed() < time {
            assert!(Instant::now() < deadline, "it never rests");
            std::thread::sleep(Duration::from_millis(5));
            let now = self.raw().len();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
    }
}
