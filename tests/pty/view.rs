//! `vigie view`: a file on the screen of the real binary, as it grows; what is hostile in it never
//! reaches the terminal as such.

use super::harness::{Session, Start};
use std::io::Write;
use std::path::PathBuf;

fn with(text: &[u8], size: (u16, u16)) -> (Session, PathBuf) {
    let start = Start::vigie().size(size.0, size.1);
    let path = start.home_path().join("odoo.log");
    std::fs::write(&path, text).unwrap();
    let session = start.arg("view").arg(path.to_str().unwrap()).start();
    (session, path)
}

fn append(path: &PathBuf, text: &str) {
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_file_is_followed_searched_saved_and_left() {
    let text: String = (1..=20_000).map(|n| format!("line number {n}.\n")).collect();
    let (mut session, path) = with(text.as_bytes(), (120, 35));
    session.until_text("line number 20000.");
    session.until_text("line 20,000 of 20,000");
    append(&path, "fresh from the press\n");
    session.until_text("fresh from the press");
    std::fs::rename(&path, path.with_extension("1")).unwrap();
    append(&path, "in the new file\n");
    session.until_text("the file was rotated");
    session.until_text("in the new file");
    session.type_in("g");
    session.until_text("line number 1.");
    append(&path, "while one looks elsewhere\n");
    session.until_text("1 new line, End follows");
    session.type_in("/number 150[0-9]\\.\r");
    session.until_text("line number 1509.");
    // The clipboard gets the line by OSC 52, encoded.
    session.type_in("c");
    session.until_raw("the line in the clipboard", |raw| {
        let wanted = b"\x1b]52;c;bGluZSBudW1iZXIgMTUwOS4=\x1b\\";
        raw.windows(wanted.len()).any(|bytes| bytes == wanted)
    });
    session.type_in("&number 1509\\.\r\r\x13");
    session.until_text("1 lines that pass the filters are in");
    let saved = super::harness::find(session.home.path(), "log");
    let saved: Vec<_> = saved
        .iter()
        .filter(|path| path.to_string_lossy().contains("/saved/"))
        .collect();
    assert_eq!(std::fs::read_to_string(saved[0]).unwrap(), "line number 1509.\n");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    session.until_restored("after a file was viewed");
}

#[test]
fn nothing_that_stands_in_a_file_drives_the_terminal() {
    let mut text = Vec::new();
    for byte in (0..=31).chain(127..=159) {
        if byte != b'\n' {
            text.extend_from_slice(b"a");
            text.push(byte);
            text.extend_from_slice(b"z\n");
        }
    }
    for hostile in [
        "\u{1b}]0;owned\u{7}",
        "\u{1b}]52;c;b3duZWQ=\u{7}",
        "\u{1b}[2J\u{1b}[31m",
        "\u{1b}P1$r\u{1b}\\",
        "\u{9b}31m\u{9d}0;owned\u{9c}",
        "\u{202e}\u{2066}\u{200b}\u{feff}",
        "{\"msg\":\"json \\u001b[31m \\u009b \\u202e\"}",
    ] {
        text.extend_from_slice(hostile.as_bytes());
        text.push(b'\n');
    }
    text.extend_from_slice("e\u{301}".repeat(10_000).as_bytes());
    text.extend_from_slice(b"\n\xff\xfe\xc3\n");
    text.extend_from_slice(&vec![b'x'; 3_000_000]);
    text.extend_from_slice(b"\nthe very end\n");
    let (mut session, _) = with(&text, (80, 24));
    session.until_text("the very end");
    session.type_in("wttt");
    for _ in 0..30 {
        session.type_in("k");
    }
    session.type_in("g");
    session.until_text("␀");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    let raw = session.raw();
    let text = String::from_utf8_lossy(&raw);
    for wild in [
        "\u{1b}]0;",
        "\u{1b}]52",
        "\u{1b}P",
        "owned\u{7}",
        "\u{9b}",
        "\u{202e}",
        "\u{200b}",
        "\u{2066}",
        "\u{feff}",
    ] {
        assert!(!text.contains(wild), "{wild:?} reached the terminal");
    }
}

#[test]
fn what_cannot_be_opened_says_why_and_what_to_do() {
    let mut session = Start::vigie()
        .size(100, 30)
        .arg("view")
        .arg("/no/such/file.log")
        .start();
    session.until_text("No such file or directory");
    session.until_text("look at the path");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
}
