//! Nothing from outside drives the terminal: every kind of text that could, in every field that is shown, on every
//! page of the real binary; checked on the bytes that it writes.

use super::harness::{Random, Session, Start, find, verb};
use super::screen::{is_ours, sequences};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// All of C0 and C1, what formats, what the terminal is driven with, what it would take for an end.
fn corpus() -> String {
    let mut text = String::new();
    for code in (0..=31).chain(127..=159) {
        if let Some(c) = char::from_u32(code).filter(|c| *c != '\n') {
            text.push(c);
            text.push('z');
        }
    }
    for code in [0xad, 0x61c, 0x180e, 0xfeff, 0x115f, 0x3164]
        .into_iter()
        .chain(0x200b..=0x200f)
        .chain(0x2028..=0x202e)
        .chain(0x2060..=0x206f)
        .chain(0xfff9..=0xfffb)
        .chain(0xe0020..=0xe0025)
    {
        text.extend(char::from_u32(code));
    }
    for driven in [
        "\u{1b}]0;owned\u{7}",
        "\u{1b}]8;;http://evil\u{1b}\\x\u{1b}]8;;\u{1b}\\",
        "\u{1b}]52;c;b3duZWQ=\u{7}",
        "\u{1b}P1$r0m\u{1b}\\",
        "\u{1b}Pq#0;2;0;0;0~\u{1b}\\",
        "\u{1b}_Gf=24;AAAA\u{1b}\\",
        "\u{1b}^pm\u{1b}\\",
        "\u{1b}[2J\u{1b}[31m\u{1b}[?1049l\u{1b}[6n\u{1b}c",
        "\u{9b}31m\u{9d}0;owned\u{9c}\u{90}q\u{9c}",
    ] {
        text.push_str(driven);
    }
    text.push_str("\u{5e9}\u{5dc}\u{5d5}\u{5dd}👩\u{200d}👧e");
    text.push_str(&"\u{301}".repeat(300));
    text
}

/// The columns that hold words of somebody else. Those that only a parser fills (paths, names, addresses) are not
/// among them: what no parser made is refused when it is read.
const FIELDS: &[(&str, &str)] = &[
    ("saas_server", "name"),
    ("saas_server", "description"),
    ("saas_server", "health_hint"),
    ("saas_server", "health_reason"),
    ("saas_server", "odoo_version"),
    ("saas_server", "db_user"),
    ("saas_template", "name"),
    ("saas_template", "language"),
    ("saas_template", "odoo_version"),
    ("saas_template", "admin_login"),
    ("saas_plan", "name"),
    ("saas_plan", "code"),
    ("saas_customer", "name"),
    ("saas_customer", "email"),
    ("saas_instance", "name"),
    ("saas_instance", "url"),
    ("saas_instance", "admin_login"),
    ("saas_instance", "database_uuid"),
    ("saas_health_check", "reason"),
    ("saas_job", "title"),
    ("saas_job", "asked_by"),
    ("saas_job_log", "text"),
    ("saas_audit", "os_user"),
    ("saas_audit", "host"),
    ("saas_audit", "via"),
    ("saas_audit", "action"),
    ("saas_audit", "label"),
    ("saas_audit", "refused"),
];

/// Writes it past every border, into the store itself. Answers how many fields took it.
fn poison(home: &std::path::Path, hostile: &str) -> usize {
    let file = find(home, "db").remove(0);
    let store = rusqlite::Connection::open(file).expect("the registry");
    store
        .execute_batch("DROP TRIGGER saas_audit_true; DROP TRIGGER saas_audit_kept;")
        .expect("the audit's triggers");
    store
        .execute_batch(
            "INSERT INTO saas_customer (name) VALUES ('c');
             INSERT INTO saas_plan (code, name) VALUES ('p', 'p');
             INSERT INTO saas_instance (name, customer_id, plan_id, template_id, server_id, database_name, subdomain,
                 url, admin_login, admin_password, state, created_at)
               SELECT 'i', 1, 1, (SELECT id FROM saas_template), id, 'acme', 'acme', 'u', 'a', 'env:X', 'active', created_at
               FROM saas_server;
             INSERT INTO saas_health_check (server_id, check_date, status, reason, latency_ms, answered, report)
               SELECT id, created_at, 'healthy', 'r', 1, 1, '{}' FROM saas_server;",
        )
        .expect("rows");
    for seq in 1..=9 {
        let at = "INSERT OR REPLACE INTO saas_job_log (job_id, seq, at, stream, level, text)
                  SELECT id, ?1, created_at, 'stdout', 'error', 'x' FROM saas_job";
        store.execute(at, [100 + seq]).expect("a line");
    }
    let took = |(table, column): &&(&str, &str)| {
        let set = format!("UPDATE {table} SET {column} = ?1");
        match store.execute(&set, [hostile]) {
            Ok(rows) => rows > 0,
            Err(error) => panic!("{table}.{column}: {error}"),
        }
    };
    FIELDS.iter().filter(took).count()
}

/// The bytes without what was put into the clipboard, which is letters and digits in an envelope of its own.
fn without_copies(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\u{1b}]52;c;");
    let mut rest = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')))
            .unwrap_or(piece.len());
        let behind = piece[end..].strip_prefix("\u{1b}\\");
        rest.push_str(behind.expect("the envelope's end right behind what was copied"));
    }
    rest.into_bytes()
}

/// What came is text and the dashboard's own sequences, and nothing else.
fn is_clean(session: &Session) {
    let raw = session.raw();
    let text = String::from_utf8(raw.clone()).expect("UTF-8");
    for c in text.chars() {
        let known = matches!(c, '\u{1b}' | '\r' | '\n' | '\u{8}' | '\t');
        assert!(known || !c.is_control(), "{c:?} reached the terminal");
        let turns = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{200b}' | '\u{200c}'
            | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}');
        assert!(!turns, "{c:?} reached the terminal");
    }
    for sequence in sequences(&without_copies(&text)) {
        let said = String::from_utf8_lossy(&sequence).into_owned();
        assert!(is_ours(&sequence), "{said:?} reached the terminal");
    }
}

/// Every page, with everything that opens on it.
#[test]
fn no_text_of_any_field_drives_the_terminal_on_any_page() {
    let start = Start::vigie().size(160, 45);
    let home = start.home_path().to_owned();
    let url = ["--url", "http://127.0.0.1:1", "--max-instances", "5"];
    verb(&home, &[&["server", "add", "prod-1"][..], &url].concat());
    super::fleet::queue_a_job(&home);
    let took = poison(&home, &corpus());
    assert_eq!(took, FIELDS.len(), "every field took it");
    // No worker: what is there stays as it is.
    let mut session = start.env("VIGIE_WORKER_AUTOSTART", "false").start();
    session.until_text("prod-1");
    // Pages; on each a description, why, what happened, the fields to copy, and a filter with the word in it.
    for page in ["1", "2", "4", "5", "6", "7", "8", "9", "0", "3"] {
        for keys in [
            page, "d", "\x1b", "X", "\x1b", "T", "\x1b", "Y", "\x1b", "/z\r", "\x1b", "ax", "\x1b", "\x1b",
        ] {
            session.type_in(keys);
            // An escape alone is told from a sequence's by what follows it.
            session.until_quiet(Duration::from_millis(60));
        }
        is_clean(&session);
    }
    session.type_in("1?\x1b[6~");
    session.until_quiet(Duration::from_millis(60));
    session.type_in("\x1b");
    session.until_quiet(Duration::from_millis(60));
    session.type_in(":z");
    session.until_quiet(Duration::from_millis(60));
    is_clean(&session);
    // It is shown, as signs: evidence is not hidden.
    assert!(session.text().contains('␛') || String::from_utf8_lossy(&session.raw()).contains('␛'));
    session.signal(session.guard(), Signal::TERM);
    session.until_ended();
    session.until_restored("after hostile text");
}

/// The shell's tables and JSON, and what it says of errors.
#[test]
fn no_text_of_any_field_drives_the_terminal_from_the_shell() {
    let start = Start::vigie();
    let home = start.home_path().to_owned();
    let url = ["--url", "http://127.0.0.1:1", "--max-instances", "5"];
    verb(&home, &[&["server", "add", "prod-1"][..], &url].concat());
    super::fleet::queue_a_job(&home);
    poison(&home, &corpus());
    for words in [
        "server list",
        "server show prod-1",
        "instance list",
        "template list",
        "plan list",
        "customer list",
        "job list",
        "job show 1",
        "job log 1",
        "audit list",
    ] {
        for json in [false, true] {
            let mut command = super::harness::verb_command(&home);
            command.args(words.split(' '));
            if json {
                command.arg("--json");
            }
            let output = command.output().expect("it runs");
            for bytes in [&output.stdout, &output.stderr] {
                let text = String::from_utf8(bytes.clone()).expect("UTF-8");
                let wild = text.chars().find(|c| {
                    (c.is_control() && !matches!(c, '\n' | '\t'))
                        || matches!(c, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
                });
                assert_eq!(wild, None, "{words}, JSON {json}");
            }
        }
    }
}

/// A line of 10 MB, and lines that pour in: keys are answered, memory stays, and the end is seen.
#[test]
fn a_line_of_ten_megabytes_and_a_flood_hurt_nobody() {
    let start = Start::vigie().size(120, 35);
    let path = start.home_path().join("odoo.log");
    let mut text = b"2026-11-21 14:02:09,123 1 ERROR db x: first\n".to_vec();
    text.extend_from_slice("\u{1b}[31m\u{202e}x".repeat(1_250_000).as_bytes());
    text.extend_from_slice(b"\nthe end of it\n");
    assert!(text.len() > 10_000_000);
    std::fs::write(&path, &text).expect("a file");
    let mut session = start.arg("view").arg(path.display().to_string()).start();
    session.until_text("the end of it");
    let before = super::home::memory(&session);
    session.type_in("wkkkgGE/first\r");
    session.until_quiet(Duration::from_millis(200));
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("the file");
    for n in 0..200 {
        let lines: String = (0..500).map(|k| format!("line {k} of batch {n}\n")).collect();
        std::io::Write::write_all(&mut file, lines.as_bytes()).expect("lines");
    }
    session.type_in("\x1b");
    session.until_quiet(Duration::from_millis(60));
    session.type_in("G");
    session.until_text("line 499 of batch 199");
    let typed = Instant::now();
    session.type_in("?");
    session.until_text("keys in");
    println!(
        "T6: after 100,000 lines and one of 10 MB help opened in {:.1?}",
        typed.elapsed()
    );
    let grown = super::home::memory(&session).saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} kB more");
    is_clean(&session);
    session.signal(session.guard(), Signal::TERM);
    session.until_ended();
}

/// 10,000 sizes, 100 a second and faster; the last picture is as it is when all is drawn anew.
#[test]
#[ignore = "long: make soak"]
fn soak_ten_thousand_sizes() {
    let start = Start::vigie();
    let url = ["--url", "http://127.0.0.1:1", "--max-instances", "5"];
    verb(start.home_path(), &[&["server", "add", "prod-1"][..], &url].concat());
    let mut session = start.env("VIGIE_WORKER_AUTOSTART", "false").start();
    session.until_text("prod-1");
    let mut random = Random::seeded("soak_ten_thousand_sizes");
    let began = Instant::now();
    for n in 0..10_000_u32 {
        let (columns, rows) = (random.below(1001) as u16, random.below(301) as u16);
        session.resize(columns, rows);
        if n % 10 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    session.resize(100, 30);
    session.until_text("prod-1");
    session.until_quiet(Duration::from_millis(300));
    let body = |session: &Session| session.text().lines().skip(1).collect::<Vec<_>>().join("\n");
    let last = body(&session);
    session.type_in("\x0c");
    session.until_quiet(Duration::from_millis(300));
    // All but the line with the clock.
    assert_eq!(last, body(&session));
    println!("T3: 10,000 sizes in {:.1?}, and it still draws", began.elapsed());
    session.type_in("?");
    session.until_text("keys in");
    session.signal(session.guard(), Signal::TERM);
    session.until_ended();
    session.until_restored("after a storm of sizes");
}
