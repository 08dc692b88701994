//! At home anywhere, on the real binary: other programs have the terminal and leave it whole, the mouse is taken
//! and left, a theme's file changes what is seen, and a link that is slow delays no key and grows no memory.

use super::harness::{Session, Start, verb};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const F2: &str = "\x1bOQ";
const F4: &str = "\x1bOS";

fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

fn config(start: &Start, text: &str) -> PathBuf {
    let folder = start.home_path().join(".config/vigie");
    std::fs::create_dir_all(folder.join("themes")).unwrap();
    std::fs::write(folder.join("config.toml"), text).unwrap();
    folder
}

fn count(raw: &[u8], what: &[u8]) -> usize {
    raw.windows(what.len()).filter(|bytes| *bytes == what).count()
}

/// An editor that breaks everything it can: no echo, line drawing, a scrolling region, the mouse, the other
/// screen. The dashboard is whole afterwards, and so is the shell's terminal at the end.
#[test]
fn the_configuration_is_edited_and_whatever_the_editor_leaves_behind_is_put_right() {
    let start = Start::vigie();
    let folder = config(&start, "[fleet]\nname = \"before\"\n");
    let editor = script(
        start.home_path(),
        "editor",
        "echo \"editing $2 with $1\"\nread line\nstty -echo -icanon raw\n\
         printf '\\033(0\\033[5;9r\\033[?1h\\033[?1000h\\033[?1003h\\033[4h\\033[?1049h\\033[31mgarbage\\033]0;half a title'",
    );
    let mut session = start.env("EDITOR", format!("{} --wait", editor.display())).start();
    session.until_text("before");
    session.type_in(F4);
    session.until_screen("the editor", |screen| {
        let text = screen.contents().replace('\n', "");
        !screen.alternate_screen() && text.contains("with --wait") && text.contains("config.toml")
    });
    assert!(
        session
            .text()
            .replace('\n', "")
            .contains(&folder.join("config.toml").display().to_string())
    );
    session.type_in("q\n");
    session.until_screen("the dashboard, whole", |screen| {
        screen.alternate_screen() && screen.contents().contains("before") && screen.contents().contains("┌")
    });
    session.until_raw("the other's modes are ended", |raw| {
        [&b"\x1b(B"[..], b"\x1b[r", b"\x1b[?1l", b"\x1b[?1003l", b"\x1b[4l"]
            .iter()
            .all(|mode| count(raw, mode) > 0)
    });
    session.type_in("?");
    session.until_text("keys in servers");
    session.type_in("q");
    session.until_screen("no help", |screen| !screen.contents().contains("keys in servers"));
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    session.until_restored("after an editor that left the terminal raw");
}

#[test]
fn an_editor_that_is_not_there_is_said_and_nothing_else_happens() {
    let start = Start::vigie().env("EDITOR", "/no/such/editor");
    let mut session = start.start();
    session.until_frame();
    session.type_in(F4);
    session.until_text("No such file or directory");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    session.until_restored("after no editor");
}

/// Suspended, and back.
#[test]
fn the_mouse_is_taken_left_in_texts_and_given_back() {
    let mut session = Start::vigie().start();
    session.until_frame();
    assert_eq!(
        count(&session.raw(), b"\x1b[?1000h"),
        0,
        "it is the terminal's at first"
    );
    session.type_in(F2);
    session.until_raw("the mouse is taken", |raw| count(raw, b"\x1b[?1000h") == 1);
    let before = count(&session.raw(), b"\x1b[?1000l");
    session.type_in("?");
    session.until_raw("a text leaves it", |raw| count(raw, b"\x1b[?1000l") > before);
    session.type_in("q");
    session.until_raw("and it is taken again", |raw| count(raw, b"\x1b[?1000h") == 2);
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    session.until_restored("after the mouse");
}

#[test]
fn a_themes_file_is_read_again_when_it_changes() {
    let start = Start::vigie().env("COLORTERM", "truecolor");
    let folder = config(&start, "[screen]\ntheme = \"mine\"\n");
    let file = folder.join("themes/mine.toml");
    std::fs::write(&file, "focus = \"#010203\"\n").unwrap();
    let mut session = start.start();
    session.until_raw("its colour", |raw| count(raw, b"38;2;1;2;3") > 0);
    std::fs::write(&file, "focus = \"#040506\"\n").unwrap();
    session.until_raw("its new colour", |raw| count(raw, b"38;2;4;5;6") > 0);
    std::fs::write(&file, "focus = \"#04\"\n").unwrap();
    session.until_text("theme mine: line 1: focus");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
}

/// Colours by the environment and by the setting, on the bytes.
#[test]
fn as_many_colours_are_used_as_the_environment_or_the_setting_says() {
    for (env, setting, wanted, never) in [
        (("COLORTERM", "truecolor"), "", &b"38;2;"[..], &b"\x1b[38;5;x"[..]),
        (("COLORTERM", ""), "", b"38;5;", b"38;2;"),
        (("NO_COLOR", "1"), "", b"\x1b[", b"38;"),
        (("NO_COLOR", "1"), "colours = \"true\"", b"38;2;", b"\x1b[38;5;x"),
        (("COLORTERM", "truecolor"), "colours = \"none\"", b"\x1b[", b"38;"),
    ] {
        let start = Start::vigie().env(env.0, env.1);
        config(&start, &format!("[screen]\n{setting}\n"));
        let mut session = start.start();
        session.until_text("servers");
        session.until_raw("the colours", |raw| count(raw, wanted) > 0);
        session.type_in("q");
        assert_eq!(session.until_ended(), 0);
        assert_eq!(count(&session.raw(), never), 0, "{env:?} {setting:?}");
    }
}

#[test]
fn where_the_locale_has_no_other_letters_only_ascii_is_drawn() {
    let mut session = Start::vigie().env("LC_ALL", "C").start();
    session.until_text("servers");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    assert!(session.raw().is_ascii());
}

pub(super) fn memory(session: &Session) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", session.dashboard().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The link takes nothing for a while, as the log goes on: nothing piles up, and once it takes bytes again one
/// sees the newest, and keys typed meanwhile have done what they do.
#[test]
fn a_slow_link_grows_no_memory_and_delays_no_key() {
    let start = Start::vigie().size(200, 50);
    let path = start.home_path().join("odoo.log");
    std::fs::write(&path, "the beginning\n").unwrap();
    let mut session = start.arg("view").arg(path.to_str().unwrap()).start();
    session.until_text("the beginning");
    let before = memory(&session);
    session.pause_reading(true);
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    for n in 0..400 {
        let text: String = (0..500).map(|m| format!("{n} {m} {}\n", "x".repeat(150))).collect();
        file.write_all(text.as_bytes()).unwrap();
        // It is drawn now and then, and the terminal takes none of it.
        std::thread::sleep(Duration::from_millis(5));
    }
    session.type_in("?");
    let grown = memory(&session).saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} kB more");
    let behind = session.raw().len();
    session.pause_reading(false);
    let begun = Instant::now();
    session.until_text("keys in zoomed log");
    // What had piled up is a frame or two and what the terminal itself holds, not every frame since.
    let caught_up = session.raw().len() - behind;
    assert!(caught_up < 512 * 1024, "{caught_up} bytes came late");
    println!(
        "a key behind a paused link: {:?} after it went on, {grown} kB more",
        begun.elapsed()
    );
    session.type_in("qq");
    assert_eq!(session.until_ended(), 0);
    session.until_restored("after a slow link");
}

/// A shell on a server that is this machine: the operator's own, and the dashboard is back when it ends.
#[test]
fn a_shell_on_this_machine_is_the_operators_own() {
    let start = Start::vigie();
    let shell = script(
        start.home_path(),
        "shell",
        "echo \"in a shell of my own\"\nread line\necho \"said $line\"\nread more",
    );
    verb(
        start.home_path(),
        &[
            "server",
            "add",
            "box-1",
            "--url",
            "http://127.0.0.1:8069",
            "--max-instances",
            "5",
        ],
    );
    let mut session = start.env("SHELL", shell.display().to_string()).start();
    session.until_text("box-1");
    session.type_in("s");
    session.until_screen("the shell", |screen| {
        !screen.alternate_screen() && screen.contents().contains("in a shell of my own")
    });
    session.type_in("qq\n");
    session.until_text("said qq");
    session.type_in("\n");
    session.until_screen("the dashboard", |screen| {
        screen.alternate_screen() && screen.contents().contains("box-1")
    });
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    session.until_restored("after a shell");
}
