//! The rules themselves.

use super::source::{Line, arrows, code, is_test_file, module_of};

/// Longest file outside tests, lines.
const LONGEST: usize = 500;

/// Who may know whom, besides itself. `*`: everyone.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    ("registry", &["domain"]),
    ("remote", &["domain"]),
    ("jobs", &["domain", "registry", "remote"]),
    ("ops", &["domain", "config", "registry", "remote", "jobs"]),
    ("tui::action", &["domain"]),
    ("tui::theme", &["domain"]),
    ("tui::model", &["domain", "tui::action"]),
    ("tui::update", &["domain", "tui::action", "tui::model"]),
    ("tui::view", &["domain", "tui::action", "tui::theme", "tui::model"]),
    ("tui::task", &["domain", "ops", "tui::model", "tui::term"]),
    ("tui::term", &["domain", "tui"]),
    ("tui", &["domain", "tui::*"]),
    ("cli", &["*"]),
    ("sandbox", &["*"]),
    ("main", &["*"]),
    ("", &["*"]),
];

/// Who may read the clock.
const EDGES: &[&str] = &[
    "registry",
    "remote",
    "jobs",
    "ops",
    "tui::task",
    "tui::term",
    "tui",
    "cli",
    "sandbox",
];

/// Rooms without IO, async, randomness and environment.
const PURE: &[&str] = &[
    "domain",
    "tui::action",
    "tui::theme",
    "tui::model",
    "tui::update",
    "tui::view",
];

/// What has no place in a pure room.
const IMPURE: &[&str] = &[
    "tokio::",
    "async fn",
    ".await",
    "std::fs",
    "std::env",
    "std::net::Tcp",
    "std::net::Udp",
    "ToSocketAddrs",
    "std::process",
    "std::thread",
    "getrandom",
    "uuid::Uuid::now",
    "rustix::",
];

/// What is nowhere allowed outside tests.
const NOWHERE: &[&str] = &[
    ".unwrap()",
    ".expect(",
    "panic!(",
    "todo!(",
    "unimplemented!(",
    "println!(",
    "print!(",
    "eprintln!(",
    "eprint!(",
    "dbg!(",
    ".set_symbol(",
    "static mut ",
    "lazy_static!",
    "thread_local!",
];

/// Where a rule bends, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "src/tui/term/panics.rs",
        "thread_local!",
        "a panic's hook can be told nothing but by its thread",
    ),
    (
        "src/tui/term/panics.rs",
        "static",
        "there is one panic hook in a process",
    ),
    (
        "src/tui/term/failing.rs",
        "panic!(",
        "debug builds fail on demand, for the tests of the guard",
    ),
];

fn excepted(path: &str, word: &str) -> bool {
    EXCEPTIONS.iter().any(|(file, what, _)| *file == path && *what == word)
}

/// The room a module path lies in.
fn room(module: &[String]) -> String {
    let first = module.first().map(String::as_str).unwrap_or_default();
    let second = module.get(1).map(String::as_str).unwrap_or_default();
    let inner = format!("{first}::{second}");
    if ARROWS.iter().any(|(name, _)| *name == inner) {
        return inner;
    }
    first.to_owned()
}

fn allowed(from: &str, to: &str) -> bool {
    if from == to || to.is_empty() {
        return true;
    }
    let Some((_, targets)) = ARROWS.iter().find(|(name, _)| *name == from) else {
        return false;
    };
    targets.iter().any(|target| {
        *target == "*" || *target == to || target.strip_suffix('*').is_some_and(|start| to.starts_with(start))
    })
}

/// Whether a word of code stands there by itself, and is not the end of a longer name.
fn has(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let begins_with_name = word.starts_with(|c: char| c.is_alphanumeric());
        let before = line[..at].chars().next_back();
        !begins_with_name || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Everything in a file that breaks a rule.
pub(super) fn faults(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !is_test_file(path) && text.lines().count() > LONGEST {
        found.push(format!(
            "{path}: {} lines, {LONGEST} are the limit",
            text.lines().count()
        ));
    }
    let lines = code(path, text);
    let room = room(&module_of(path));
    for (number, target) in arrows(path, &lines) {
        let other = self::room(&target);
        if !allowed(&room, &other) {
            found.push(format!(
                "{path}:{number}: {room} may not know {other} ({})",
                target.join("::")
            ));
        }
    }
    for Line { number, code } in &lines {
        for word in NOWHERE.iter().filter(|word| has(code, word) && !excepted(path, word)) {
            found.push(format!("{path}:{number}: {word} is nowhere allowed outside tests"));
        }
        if is_mutable_static(code) && !excepted(path, "static") {
            found.push(format!("{path}:{number}: a static that changes"));
        }
        let clock = ["Timestamp::now(", "Instant::now(", "SystemTime::now(", "Zoned::now("];
        if !EDGES.contains(&room.as_str()) && clock.iter().any(|word| code.contains(word)) {
            found.push(format!("{path}:{number}: {room} may not read the clock"));
        }
        if PURE.contains(&room.as_str()) {
            for word in IMPURE.iter().filter(|word| has(code, word)) {
                found.push(format!("{path}:{number}: {room} is pure: {word} has no place there"));
            }
        }
    }
    found
}

fn is_mutable_static(code: &str) -> bool {
    let line = code
        .trim_start()
        .trim_start_matches("pub ")
        .trim_start_matches("pub(crate) ");
    line.starts_with("static ")
        && ["Mutex<", "RwLock<", "Atomic", "OnceCell<", "RefCell<"]
            .iter()
            .any(|word| line.contains(word))
}

/// Hosts that examples, tests and the documentation may name.
const HOSTS: &[&str] = &[
    "localhost",
    // Names that Odoo's own protocol carries: namespaces, not addresses.
    "openerp.com",
    "www.w3.org",
    // The name of the dialect that a JSON schema is written in.
    "json-schema.org",
    "127.0.0.1",
    "[::1]",
    // What a test of "open to the world" needs: addresses of each kind.
    "172.20.0.1",
    "172.32.0.1",
    "8.8.8.8",
    "odoo.lan",
    "0.0.0.0",
    // What the tests of addresses' own forms need.
    "[0:0:0:0:0:0:0:1]",
    "[1.2.3]",
    "a.b",
    "a..b",
    "sh.rustup.rs",
    "www.odoo.com",
    "api.cloudflare.com",
    "github.com",
    "www.postgresql.org",
];

/// Places of this machine, of registries or of anyone else that a text names.
pub(super) fn strangers(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut tell = |what: String| found.push(format!("{path}:{}: {what}", index + 1));
        for word in [env!("CARGO_MANIFEST_DIR"), "issue #", "crates.io/api", "index.crates"] {
            if line.contains(word) {
                tell(format!("{word:?} has no place here"));
            }
        }
        for scheme in ["http://", "https://"] {
            for (at, _) in line.match_indices(scheme) {
                let rest = &line[at + scheme.len()..];
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':' | '_')))
                    .unwrap_or(rest.len());
                let host = rest[..end].trim_end_matches(['.', ':']);
                if !belongs(host) {
                    tell(format!("the host {host:?} has no place here"));
                }
            }
        }
    }
    found
}

fn belongs(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(inner) => format!("[{}]", inner.split(']').next().unwrap_or_default().to_ascii_lowercase()),
        None => host.split(':').next().unwrap_or_default().to_ascii_lowercase(),
    };
    let endings = [
        "example.org",
        "example.com",
        "example.net",
        ".example",
        ".test",
        ".invalid",
        ".localhost",
    ];
    let private = |start: &str| bare.starts_with(start);
    bare.len() < 3
        || !bare.contains('.') && !bare.starts_with('[')
        || HOSTS.contains(&bare.as_str())
        || endings.iter().any(|ending| bare.ends_with(ending))
        || private("[fd00:")
        || private("[2001:db8:")
        || private("10.")
        || private("127.")
        || private("192.168.")
        || private("192.0.2.")
}
