//! How fast the real binary is on a large fleet, as its terminal sees it. Figures are printed; what is
//! asserted are ratios within one run, and what must not happen at all. Figures of a release build:
//! `make soak`.

use super::fleet::open_and_close_help;
use super::harness::{Session, Start, verb_command};
use super::screen::{minute, wake_ups};
use rustix::process::{Pid, Signal};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

fn frames(raw: &[u8]) -> usize {
    raw.windows(FRAME_END.len()).filter(|bytes| *bytes == FRAME_END).count()
}

/// Types one key, and how long it took until a whole frame had come.
fn key(session: &mut Session, key: &str) -> Duration {
    let before = frames(&session.raw());
    let typed = Instant::now();
    session.type_in(key);
    session.until_raw("a frame", |raw| frames(raw) > before);
    typed.elapsed()
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
        let before = (session.raw().len(), wake_ups(pid), cpu(pid), minute());
        std::thread::sleep(STILL);
        let bytes = session.raw().len() - before.0;
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

fn measure(config: &Path, instances: &str, rounds: usize) -> Figures {
    let began = Instant::now();
    let mut session = start(config);
    // The header counts all instances, so everything is there.
    session.until_text(instances);
    let ready = began.elapsed();
    let dashboard = session.dashboard();
    session.until_quiet(Duration::from_millis(300));
    let mut keys = Vec::new();
    session.type_in("1");
    for n in 0..rounds {
        session.until_quiet(Duration::from_millis(20));
        keys.push(key(&mut session, if n % 20 < 10 { "j" } else { "k" }));
    }
    key(&mut session, "9");
    let mut filter = Vec::new();
    for word in ["bistro nord 4", "hotel", "state=active lumière 12"] {
        session.until_quiet(Duration::from_millis(60));
        key(&mut session, "/");
        for letter in word.chars() {
            filter.push(key(&mut session, &letter.to_string()));
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

/// Keys while a file that is shown grows by [`FLOOD`] lines a second.
fn flooded(config: &Path) -> (Vec<Duration>, u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flood.log");
    let mut file = std::fs::File::create(&path).expect("a file");
    writeln!(file, "the first line").expect("a line");
    let mut session = start(config);
    session.until_text("prod-0001");
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
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let pouring = std::thread::spawn({
        let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
        move || {
            let (began, mut n) = (Instant::now(), 0);
            while !stop.load(Ordering::Acquire) {
                // As many as are due by now, however long the last took.
                let due = began.elapsed().as_millis() as u64 * FLOOD / 1000;
                let mut text = String::new();
                while n < due {
                    n += 1;
                    text.push_str(&format!(
                        "2026-01-01 00:00:00,000 1 INFO db odoo.http: line {n} was poured\n"
                    ));
                }
                file.write_all(text.as_bytes()).expect("lines");
                written.store(n, Ordering::Release);
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    });
    session.until_text("was poured");
    let (times, _) = open_and_close_help(&mut session);
    stop.store(true, Ordering::Release);
    pouring.join().expect("the flood");
    let grown = resident(dashboard).saturating_sub(before);
    session.signal(session.guard(), Signal::TERM);
    session.until_ended();
    (times, written.load(Ordering::Acquire), grown)
}

fn say_flooded((times, lines, grown): &(Vec<Duration>, u64, u64)) {
    println!(
        "while {FLOOD} lines a second came ({lines} in all): help opens and closes in p50 {:.1?} p99 {:.1?}; {:.1} MB more resident",
        percentile(times, 50),
        percentile(times, 99),
        *grown as f64 / 1e6
    );
}

#[test]
fn a_large_fleet_costs_a_key_no_more_than_a_small_one() {
    let home = tempfile::tempdir().expect("a home");
    let small = measure(&generate(home.path(), "10x100"), "100/", 40);
    small.say("10 servers, 100 instances");
    let large = generate(home.path(), "200x10000");
    let found = measure(&large, "10000/", 40);
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
    let flood = flooded(&large);
    say_flooded(&flood);
    assert!(flood.1 > FLOOD / 10, "the flood came: {} lines", flood.1);
    assert!(flood.2 < 64_000_000, "{} bytes more after {} lines", flood.2, flood.1);
}

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
        opened: "Help",
        close: "\x1b",
    },
    Peer {
        program: "htop",
        args: &[],
        up: "CPU",
        open: "h",
        opened: "press any key to return",
        close: "q",
    },
    Peer {
        program: "lnav",
        args: &["-N", "/proc/self/maps"],
        up: "LOG",
        open: "?",
        opened: "lnav",
        close: "q",
    },
];

fn peer(peer: &Peer) {
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
    let mut keys = Vec::new();
    for _ in 0..30 {
        for (key, open) in [(peer.open, true), (peer.close, false)] {
            let typed = Instant::now();
            session.type_in(key);
            session.until_screen("an answer", |screen| screen.contents().contains(peer.opened) == open);
            keys.push(typed.elapsed());
        }
    }
    let pid = session.guard();
    let before = (session.raw().len(), wake_ups(pid), cpu(pid));
    std::thread::sleep(STILL);
    println!(
        "{}: ready {ready:.0?}; its help opens and closes in p50 {:.1?} p99 {:.1?}; idle for {STILL:?}: {} bytes, {} wake-ups, \
         {:.0?} of CPU; {:.1} MB resident",
        peer.program,
        percentile(&keys, 50),
        percentile(&keys, 99),
        session.raw().len() - before.0,
        wake_ups(pid) - before.1,
        cpu(pid) - before.2,
        resident(pid) as f64 / 1e6
    );
}

#[test]
#[ignore = "long: make soak"]
fn soak_a_thousand_servers_and_a_hundred_thousand_instances() {
    let home = tempfile::tempdir().expect("a home");
    let small = measure(&generate(home.path(), "10x100"), "100/", 200);
    small.say("10 servers, 100 instances");
    let config = generate(home.path(), "1000x100000");
    let large = measure(&config, "100000/", 500);
    large.say("1000 servers, 100000 instances");
    assert_eq!((small.bytes, large.bytes), (0, 0), "bytes while nothing happened");
    say_flooded(&flooded(&config));
    PEERS.iter().for_each(peer);
}
