//! How fast the real binary is on a large fleet, as its terminal sees it. Figures are printed; what is
//! asserted are ratios within one run, and what must not happen at all. Figures of a release build:
//! `make soak`.

mod peers;

use super::harness::{Session, Start, verb_command};
use super::screen::{minute, wake_ups};
use rustix::process::{Pid, Signal};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The end of a frame: what is between is shown at once.
const FRAME_END: &[u8] = b"\x1b[?2026l";
/// A day of an operator is longer, but costs no more a second.
const STILL: Duration = Duration::from_secs(3);
/// Lines that are poured in a second.
const FLOOD: u64 = 50_000;

/// What was measured of one program.
struct Figures {
    ready: Duration,
    keys: Vec<Duration>,
    filter: Vec<Duration>,
    bytes: usize,
    woken: u64,
    cpu: Duration,
    resident: u64,
}

/// The value below which so many hundredths are.
fn percentile(times: &[Duration], hundredths: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

impl Figures {
    fn say(&self, what: &str) {
        println!(
            "{what}: ready {:.0?}; key to screen p50 {:.1?} p99 {:.1?}; a filter's keystroke p50 {:.1?} p95 {:.1?}; \
             idle for {STILL:?}: {} bytes, {} wake-ups, {:.0?} of CPU; {:.1} MB resident",
            self.ready,
            percentile(&self.keys, 50),
            percentile(&self.keys, 99),
            percentile(&self.filter, 50),
            percentile(&self.filter, 95),
            self.bytes,
            self.woken,
            self.cpu,
            self.resident as f64 / 1e6,
        );
    }
}

/// A registry of this size in the home; its configuration.
fn generate(home: &Path, scale: &str) -> PathBuf {
    let dir = home.join(scale);
    let output = verb_command(home)
        .args(["--json", "sandbox", "--no-tui", "--generate", scale, "--dir"])
        .arg(&dir)
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    answer["config"].as_str().expect("a path").into()
}

/// Types one key, and how long it took until a whole frame had come.
fn key(session: &mut Session, key: &str) -> Duration {
    let (before, typed) = (session.count(), Instant::now());
    session.type_in(key);
    session.when_came(before, FRAME_END).saturating_duration_since(typed)
}

/// Types one key, and how long it took until nothing more came: a filter's letter is there at once, and its rows as
/// soon as they are found.
fn settled(session: &mut Session, key: &str) -> Duration {
    let (before, typed) = (session.count(), Instant::now());
    session.type_in(key);
    session.when_came(before, FRAME_END);
    session.until_quiet(Duration::from_millis(120));
    let last = session.last_came().expect("bytes");
    last.saturating_duration_since(typed)
}

fn cpu(pid: Pid) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).expect("its stat");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    // Ticks of a hundredth of a second, in user mode and in the kernel: proc(5).
    let ticks: u64 = [11, 12]
        .iter()
        .filter_map(|at| fields.get(*at)?.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

fn resident(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("its status");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    kilobytes * 1024
}

/// Bytes, wake-ups and CPU while nothing happens; again where the clock's minute turned meanwhile.
fn idle(session: &Session, pid: Pid) -> (usize, u64, Duration) {
    loop {
        session.until_quiet(Duration::from_millis(700));
        let before = (session.count(), wake_ups(pid), cpu(pid), minute());
        std::thread::sleep(STILL);
        let bytes = session.count() - before.0;
        let found = (bytes, wake_ups(pid).saturating_sub(before.1), cpu(pid) - before.2);
        if minute() == before.3 {
            return found;
        }
    }
}

fn start(config: &Path) -> Session {
    Start::vigie()
        .arg("--config")
        .arg(config.to_str().expect("a path that is text"))
        .size(200, 50)
        .start()
}

/// Waits until all instances are there, of however many servers.
fn until_whole(session: &mut Session, instances: &str) {
    session.type_in("9");
    session.until_text(&format!(" {instances} ┐"));
    session.type_in("1");
    session.until_quiet(Duration::from_millis(300));
}

fn measure(config: &Path, instances: &str, rounds: usize) -> Figures {
    let began = Instant::now();
    let mut session = start(config);
    // The header counts all instances, so everything is there.
    session.until_text(&format!("{instances}/"));
    let ready = began.elapsed();
    let dashboard = session.dashboard();
    until_whole(&mut session, instances);
    let mut keys = Vec::new();
    for n in 0..rounds {
        session.until_quiet(Duration::from_millis(20));
        // Never past an end, where nothing changes and nothing is drawn.
        keys.push(key(&mut session, if n % 10 < 5 { "j" } else { "k" }));
    }
    key(&mut session, "9");
    let mut filter = Vec::new();
    for word in ["bistro nord 4", "hotel", "state=active lumière 12"] {
        session.until_quiet(Duration::from_millis(60));
        key(&mut session, "/");
        for letter in word.chars() {
            filter.push(settled(&mut session, &letter.to_string()));
        }
        key(&mut session, "\x15");
        key(&mut session, "\x1b");
    }
    let (bytes, woken, cpu) = idle(&session, dashboard);
    let resident = resident(dashboard);
    session.signal(session.guard(), Signal::TERM);
    assert_eq!(session.until_ended(), 143);
    Figures {
        ready,
        keys,
        filter,
        bytes,
        woken,
        cpu,
        resident,
    }
}

/// Lines that are poured into a file, and one of so many bytes among them.
#[derive(Debug, Clone, Copy)]
struct Flood {
    /// Lines a second.
    rate: u64,
    /// For so long at least.
    time: Duration,
    /// Keys at least.
    keys: usize,
    /// Bytes of the long line.
    long: usize,
}

/// What a flood did to a dashboard.
struct Flooded {
    /// Help opened and closed by keys that end at once.
    keys: Vec<Duration>,
    /// Help closed by Escape, which waits for what may follow it.
    escapes: Vec<Duration>,
    lines: u64,
    took: Duration,
    grown: u64,
}

impl Flooded {
    fn say(&self, rate: u64) {
        println!(
            "while {rate} lines a second came ({} in {:.1?}): help opens and closes in p50 {:.1?} p99 {:.1?} max {:.1?} ({} keys), \
             Escape closes it in p50 {:.1?} max {:.1?}; {:.1} MB more resident",
            self.lines,
            self.took,
            percentile(&self.keys, 50),
            percentile(&self.keys, 99),
            percentile(&self.keys, 100),
            self.keys.len(),
            percentile(&self.escapes, 50),
            percentile(&self.escapes, 100),
            self.grown as f64 / 1e6
        );
    }
}

/// Opens and closes help with these keys, and how long each took.
fn help(session: &mut Session, close: &str, times: &mut Vec<Duration>) -> Duration {
    let mut last = Duration::ZERO;
    for (key, open) in [("?", true), (close, false)] {
        let typed = Instant::now();
        session.type_in(key);
        session.until_screen("an answer", |screen| screen.contents().contains("keys in") == open);
        last = typed.elapsed();
        if open || close == "?" {
            times.push(last);
        }
    }
    last
}

/// Pours lines until it is told to end; how many there were.
fn pour(mut file: std::fs::File, flood: Flood, stop: &AtomicBool) -> u64 {
    let (began, mut n, mut long) = (Instant::now(), 0, false);
    while !stop.load(Ordering::Acquire) {
        // As many as are due by now, however long the last took.
        let due = began.elapsed().as_millis() as u64 * flood.rate / 1000;
        let mut text = String::new();
        while n < due {
            n += 1;
            text.push_str(&format!(
                "2026-01-01 00:00:00,000 1 INFO db odoo.http: line {n} was poured\n"
            ));
        }
        if !long && began.elapsed() > flood.time / 2 {
            long = true;
            text.push_str(&"x".repeat(flood.long));
            text.push('\n');
        }
        file.write_all(text.as_bytes()).expect("lines");
        std::thread::sleep(Duration::from_millis(10));
    }
    n
}

/// Keys while a file that is shown grows.
fn flooded(config: &Path, instances: &str, flood: Flood) -> Flooded {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flood.log");
    let mut file = std::fs::File::create(&path).expect("a file");
    writeln!(file, "the first line").expect("a line");
    let mut session = start(config);
    session.until_text("prod-0001");
    // What a fleet takes is no part of what a flood takes.
    until_whole(&mut session, instances);
    session.type_in("o");
    session.until_text("open a log on prod-0001");
    // Here, not on the server.
    session.type_in("\t");
    session.until_screen("the other place", |screen| {
        !screen.contents().contains("odoo-server.log")
    });
    session.type_in(path.to_str().expect("text"));
    session.type_in("\r");
    session.until_text("the first line");
    let dashboard = session.dashboard();
    let before = resident(dashboard);
    let stop = Arc::new(AtomicBool::new(false));
    let pouring = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || pour(file, flood, &stop)
    });
    session.until_text("was poured");
    let (began, mut keys, mut escapes) = (Instant::now(), Vec::new(), Vec::new());
    let mut most = 0;
    while began.elapsed() < flood.time || keys.len() < flood.keys {
        help(&mut session, "?", &mut keys);
        if escapes.len() < flood.keys / 2 {
            let escape = help(&mut session, "\x1b", &mut keys);
            escapes.push(escape);
        }
        most = most.max(resident(dashboard));
    }
    let took = began.elapsed();
    stop.store(true, Ordering::Release);
    let lines = pouring.join().expect("the flood");
    let grown = most.max(resident(dashboard)).saturating_sub(before);
    session.signal(session.guard(), Signal::TERM);
    session.until_ended();
    Flooded {
        keys,
        escapes,
        lines,
        took,
        grown,
    }
}

#[test]
fn a_large_fleet_costs_a_key_no_more_than_a_small_one() {
    let home = tempfile::tempdir().expect("a home");
    let small = measure(&generate(home.path(), "10x100"), "100", 40);
    small.say("10 servers, 100 instances");
    let large = generate(home.path(), "200x10000");
    let found = measure(&large, "10000", 40);
    found.say("200 servers, 10000 instances");
    for (what, figures) in [("small", &small), ("large", &found)] {
        assert_eq!(figures.bytes, 0, "{what}: bytes while nothing happened");
        assert!(
            figures.woken <= 6,
            "{what}: {} wake-ups while nothing happened",
            figures.woken
        );
    }
    // A hundred times the instances: lists are drawn as far as they are seen.
    let (a, b) = (percentile(&small.keys, 50), percentile(&found.keys, 50));
    assert!(
        b < a * 4 + Duration::from_millis(8),
        "{b:?} a key, {a:?} on the small fleet"
    );
    assert!(
        found.resident < small.resident + 100_000_000,
        "{} bytes",
        found.resident
    );
    let flood = flooded(
        &large,
        "10000",
        Flood {
            rate: FLOOD,
            time: Duration::from_secs(2),
            keys: 20,
            long: 10 << 20,
        },
    );
    flood.say(FLOOD);
    assert!(flood.lines > FLOOD / 10, "the flood came: {} lines", flood.lines);
    assert!(
        flood.grown < 64 << 20,
        "{} bytes more after {} lines",
        flood.grown,
        flood.lines
    );
    // A key is not behind the lines that came before it: a frame or two later than without them.
    let (calm, under) = (percentile(&found.keys, 50), percentile(&flood.keys, 50));
    assert!(
        under < calm * 8 + Duration::from_millis(40),
        "{under:?} a key, {calm:?} without a flood"
    );
}

#[test]
#[ignore = "long: make soak"]
fn soak_a_thousand_servers_and_a_hundred_thousand_instances() {
    let home = tempfile::tempdir().expect("a home");
    let small = measure(&generate(home.path(), "10x100"), "100", 200);
    small.say("10 servers, 100 instances");
    let config = generate(home.path(), "1000x100000");
    let large = measure(&config, "100000", 500);
    large.say("1000 servers, 100000 instances");
    assert_eq!((small.bytes, large.bytes), (0, 0), "bytes while nothing happened");
    let bare = peers::bare(100_000, 500);
    println!(
        "a bare table of 100000 rows, by the same library in the same terminal: key to screen p50 {:.1?} p99 {:.1?}",
        percentile(&bare, 50),
        percentile(&bare, 99)
    );
    assert!(large.resident < 80_000_000, "{} bytes resident", large.resident);
    for (rate, time) in [(FLOOD, 10), (2 * FLOOD, 60)] {
        let flood = flooded(
            &config,
            "100000",
            Flood {
                rate,
                time: Duration::from_secs(time),
                keys: 200,
                long: 10 << 20,
            },
        );
        flood.say(rate);
        assert!(
            flood.lines > rate * time * 9 / 10,
            "the flood came: {} lines",
            flood.lines
        );
        assert!(flood.grown < 64 << 20, "{} bytes more", flood.grown);
    }
    peers::say();
}
