//! What the command line asks on a terminal: secrets that are not shown, names that confirm.

use super::harness::{Session, Start, verb};
use std::sync::Arc;

const ADD: [&str; 7] = [
    "server",
    "add",
    "prod-1",
    "--url",
    "http://127.0.0.1:1",
    "--max-instances",
    "5",
];

fn start(home: &Arc<tempfile::TempDir>, args: &[&str]) -> Session {
    let start = args.iter().fold(Start::vigie(), |start, arg| start.arg(*arg));
    start.home(home).start()
}

fn home() -> Arc<tempfile::TempDir> {
    Arc::new(tempfile::tempdir().expect("a folder"))
}

#[test]
fn a_secret_is_not_shown_as_it_is_typed() {
    let home = home();
    let args = [&ADD[..], &["--db-password-prompt"]].concat();
    let mut session = start(&home, &args);
    session.until_text("PostgreSQL's password: ");
    session.type_in("canarX\u{7f}y-typed\r");
    session.until_text("prod-1 added");
    assert_eq!(session.until_ended(), 0);
    session.until_restored("after the prompt");
    let raw = String::from_utf8_lossy(&session.raw()).into_owned();
    assert!(!raw.contains("canar") && !raw.contains("typed"), "{raw}");
    let shown = verb(home.path(), &["server", "show", "prod-1", "--json"]);
    assert!(shown.contains("\"db_password\": \"sealed (k"), "{shown}");
}

#[test]
fn ctrl_c_at_a_secret_changes_nothing_and_leaves_a_terminal_that_echoes() {
    let home = home();
    let args = [&ADD[..], &["--master-password-prompt"]].concat();
    let mut session = start(&home, &args);
    session.until_text("master password: ");
    session.type_in("canary\u{3}");
    session.until_text("cancelled; nothing was changed");
    assert_eq!(session.until_ended(), 1);
    session.until_restored("after Ctrl-C");
    assert_eq!(verb(home.path(), &["server", "list", "--json"]).trim(), "[]");
}

#[test]
fn a_removal_asks_for_the_name() {
    let home = home();
    verb(home.path(), &ADD);
    for (answer, status, left) in [("prod-2\r", 1, 1), ("\r", 1, 1), ("prod-1\r", 0, 0)] {
        let mut session = start(&home, &["server", "remove", "prod-1"]);
        session.until_text("This removes the server prod-1. Type its name to go on: ");
        session.type_in(answer);
        assert_eq!(session.until_ended(), status, "{answer:?}");
        let list = verb(home.path(), &["server", "list", "--json"]);
        assert_eq!(list.matches("\"code\"").count(), left, "{answer:?}: {list}");
    }
}
