//! The configuration under the running program: hot reload, profiles, commands of the operator's own.

use super::harness::{Session, Start, verb};
use std::path::PathBuf;

/// A dashboard with this configuration; what it runs on lies in its home.
fn with(text: impl Fn(&std::path::Path) -> String) -> (Session, PathBuf) {
    let start = Start::vigie().size(120, 35);
    let path = start.home_path().join("config.toml");
    std::fs::write(&path, text(start.home_path())).unwrap();
    let home = start.home_path().to_owned();
    let config = path.to_str().unwrap().to_owned();
    let url = "http://127.0.0.1:1";
    verb(
        &home,
        &[
            "server",
            "add",
            "alpha",
            "--url",
            url,
            "--max-instances",
            "5",
            "--config",
            &config,
        ],
    );
    let session = start.arg("--config").arg(config).start();
    session.until_text("alpha");
    (session, path)
}

#[test]
fn the_file_is_followed_and_a_bad_edit_keeps_what_was_right() {
    let (mut session, path) = with(|_| "[fleet]\nname = \"before\"\n".to_owned());
    session.until_text("before");
    std::fs::write(&path, "[fleet]\nname = \"after\"\n").unwrap();
    session.until_text("fleet.name changed");
    session.until_text("vigie  after");
    // One item is wrong: it keeps what was right, with its place; the others are taken.
    std::fs::write(&path, "[fleet]\nname = 7\n[screen]\nascii = true\n").unwrap();
    session.until_text("config.toml:2:8");
    session.until_text("vigie  after");
    session.until_text("1 mistake in the configuration");
    // No TOML at all: everything stays.
    std::fs::write(&path, "[fleet\nname = \"x\"\n").unwrap();
    session.until_text("the configuration stays as it was");
    session.until_text("vigie  after");
    // As editors do: a new file in the old one's place. And what needs a restart says so.
    let aside = path.with_extension("new");
    std::fs::write(
        &aside,
        "[fleet]\nname = \"mended\"\n[paths]\nregistry = \"/elsewhere.db\"\n",
    )
    .unwrap();
    std::fs::rename(&aside, &path).unwrap();
    session.until_text("vigie  mended");
    session.until_text("paths.registry holds from the next start on");
    session.until_text("alpha");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
}

#[test]
fn another_profile_can_be_had_while_a_registry_hangs() {
    // A server that takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let (mut session, _) = with(|home| {
        format!(
            "[profile.hangs]\npaths.registry = \"postgres://nobody@127.0.0.1:{port}/fleet?sslmode=disable\"\n[profile.here]\npaths.registry = \"{}\"\nscreen.theme = \"light\"\n",
            home.join("here.db").display()
        )
    });
    session.type_in(":profile hangs\r");
    session.until_text("vigie  hangs");
    session.until_screen("the old fleet is gone", |screen| !screen.contents().contains("alpha"));
    // At once, though the registry says nothing.
    let asked = std::time::Instant::now();
    session.type_in(":profile here\r");
    session.until_text("vigie  here");
    assert!(
        asked.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    session.type_in(":profile default\r");
    session.until_text("alpha");
    // One that is not there changes nothing.
    session.type_in(":profile nowhere\r\x03");
    session.until_text("alpha");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    session.until_restored("after profiles were changed");
    drop(silent);
}

#[test]
fn commands_get_the_facts_and_the_terminal_and_no_secret() {
    let text = "[[command]]\nname = \"facts\"\nargv = [\"sh\", \"-c\", \"echo on=$VIGIE_SERVER arg=$1 password=$PGPASSWORD.\", \"x\", \"{code}\"]\non = [\"server\"]\nkey = \"ctrl-g\"\n\
        [[command]]\nname = \"lent\"\nargv = [\"sh\", \"-c\", \"echo it has the terminal; read line; echo got $line\"]\noutput = \"terminal\"\n\
        [[command]]\nname = \"slow\"\nargv = [\"sleep\", \"600\"]\ntime_limit = \"1s\"\n\
        [[command]]\nname = \"stream\"\nargv = [\"sh\", \"-c\", \"for i in 1 2 3; do echo line $i of it; done\"]\noutput = \"log\"\n\
        [[command]]\nname = \"locked\"\nargv = [\"touch\", \"{server}\"]\non = [\"server\"]\nchanges = true\n\
        [[command]]\nname = \"wrong\"\nargv = [\"sh\", \"-c\", \"echo {code}\"]\n\
        [[guard]]\naction = \"command\"\ndeny = \"not tonight\"\n";
    let (mut session, _) = with(|_| text.to_owned());
    session.until_text("1 mistake in the configuration");
    session.type_in("\x07");
    session.until_text("on=alpha arg=alpha password=.");
    session.type_in("q");
    session.type_in(":lent\r");
    session.until_text("it has the terminal");
    session.type_in("hello\r");
    // Back on a whole screen.
    session.until_screen("the dashboard again", |screen| {
        let text = screen.contents();
        text.contains("alpha") && text.contains("help") && !text.contains("it has the terminal")
    });
    session.type_in(":slow\r");
    session.until_text("slow: ");
    session.type_in(":stream\r");
    session.until_text("line 3 of it");
    // A guard that forbids it holds before anything is asked.
    session.type_in("1");
    session.type_in(":locked\r");
    session.until_text("not tonight");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
}
