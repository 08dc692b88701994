//! The pure parts: what is read out of ssh's and systemd's words, and how commands are put into words.

use super::error::KeyFault;
use super::hostkey::{is_about_it, read};
use super::unit::{Unit, UnitState};
use super::words::{Who, command, input, wrong_variable};
use super::{HostError, Run};
use crate::domain::{RemotePath, SafeText, Secret};
use pretty_assertions::assert_eq;
use std::time::Duration;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPsIgiPPo1nFTSEVJV9Wmr7SgEjqUqyZYd6wOnzZqvQ";

#[test]
fn an_unknown_key_is_read_out_of_what_ssh_says() {
    let said = "debug1: Server host key: ssh-ed25519 SHA256:jump\r\n\
                debug1: Server host key: ssh-ed25519 SHA256:shown\r\n\
                No ED25519 host key is known for [odoo1.example.org]:2222 and you have requested strict checking.\r\n\
                Host key verification failed.\r\n";
    assert!(is_about_it(said));
    let (host, shown, fault) = read(said, &|_, _| None).unwrap();
    assert_eq!(host.as_str(), "[odoo1.example.org]:2222");
    assert_eq!((shown.as_str(), fault), ("ssh-ed25519 SHA256:shown", KeyFault::Unknown));
}

#[test]
fn a_key_of_a_machine_on_the_way_is_told_from_the_ones_behind_it() {
    let log =
        "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535";
    assert!(is_about_it(log));
    let said = "debug1: Authenticating to 192.0.2.7:22 as 'plain'\r\n\
                debug1: Server host key: ssh-ed25519 SHA256:jump\r\n\
                Host key verification failed.\r\n\
                kex_exchange_identification: Connection closed by remote host\r\n";
    let (host, shown, fault) = read(said, &|_, _| None).unwrap();
    assert_eq!(
        (host.as_str(), shown.as_str()),
        ("192.0.2.7:22", "ssh-ed25519 SHA256:jump")
    );
    assert_eq!(fault, KeyFault::Unknown);
    // It may be closed for any other reason.
    assert_eq!(read(log, &|_, _| None), None);
}

#[test]
fn a_changed_key_is_shown_beside_the_known_one() {
    let said = "debug1: Server host key: ssh-ed25519 SHA256:shown\n\
                @    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n\
                Offending ED25519 key in /home/ana/known hosts:3\n\
                Host key for odoo1.example.org has changed and you have requested strict checking.\n\
                Host key verification failed.\n";
    let line = format!("|1|hash|hash {KEY} ana@desk");
    let known = |file: &str, number: usize| {
        assert_eq!((file, number), ("/home/ana/known hosts", 3));
        Some(line.clone())
    };
    let (host, shown, fault) = read(said, &known).unwrap();
    let KeyFault::Changed { known, place } = &fault else {
        panic!("{fault:?}")
    };
    assert!(known.starts_with("ssh-ed25519 SHA256:") && known.len() == 62, "{known}");
    assert_eq!(place.as_str(), "/home/ana/known hosts:3");
    let error = HostError::HostKey {
        what: "ssh to odoo1".to_owned(),
        host,
        shown,
        fault: fault.clone(),
    };
    let text = error.to_string();
    assert!(text.contains(known.as_str()) && text.contains("SHA256:shown"), "{text}");
    assert!(!error.is_transient() && !error.is_in_doubt());
}

#[test]
fn other_words_of_ssh_are_not_about_its_key() {
    for said in [
        "",
        "Connection refused",
        "Permission denied (publickey).",
        "No route to host",
    ] {
        assert!(!is_about_it(said), "{said}");
        assert_eq!(read(said, &|_, _| None), None, "{said}");
    }
    let revoked = "@       WARNING: REVOKED HOST KEY DETECTED!               @\nHost key verification failed.\n";
    assert!(is_about_it(revoked));
    assert_eq!(read(revoked, &|_, _| None).unwrap().2, KeyFault::Revoked);
}

#[test]
fn a_commands_words_hold_no_secret_and_end_by_themselves() {
    let (secret, folder) = (
        Secret::new("hunter2".to_owned()),
        RemotePath::parse("/srv/a b").unwrap(),
    );
    let run = Run {
        stdin: Some(b"rest"),
        env: &[("LANG", "x y")],
        secrets: &[("PASSWORD", &secret)],
        cwd: Some(&folder),
        ..Run::writing(&["prog", "$HOME", ""], Duration::from_millis(1_500))
    };
    for who in [Who::Account, Who::Sudo] {
        let words = command(&run, who);
        assert!(words.iter().all(|word| !word.contains("hunter2")), "{words:?}");
        assert_eq!(words[words.len() - 3..], ["prog", "$HOME", ""]);
        let has = |wanted: &str| words.iter().any(|word| word == wanted);
        assert!(
            has("--chdir=/srv/a b") && has("LANG=x y") && has("3") && has("PASSWORD"),
            "{words:?}"
        );
        assert_eq!(has("sudo"), who == Who::Sudo);
    }
    assert_eq!(input(run.secrets, run.stdin).unwrap(), b"hunter2\nrest");
    assert_eq!(input(&[], None), None);
}

#[test]
fn names_and_values_that_are_no_variables_are_refused_and_not_repeated() {
    let good = Secret::new("one line, $any 'thing'".to_owned());
    assert_eq!(wrong_variable(&[("A_1", "x\ny")], &[("_B", &good)]), None);
    for name in ["", "1A", "A B", "A=B", "A-B", "Ä"] {
        assert!(wrong_variable(&[(name, "x")], &[]).is_some(), "{name}");
        assert!(wrong_variable(&[], &[(name, &good)]).is_some(), "{name}");
    }
    assert!(wrong_variable(&[("A", "x\0y")], &[]).is_some());
    for value in ["two\nlines", "a\rb", "a\0b"] {
        let why = wrong_variable(&[], &[("A", &Secret::new(value.to_owned()))]).unwrap();
        assert!(!why.contains(value), "{why}");
    }
}

#[test]
fn only_names_that_this_program_gives_are_units() {
    assert!(Unit::new("vigie-42-venv", "vigie job=42 nonce=a").is_ok());
    let long = format!("vigie-{}", "a".repeat(195));
    for name in [
        "",
        "vigie-",
        "ssh",
        "vigie-A",
        "vigie-a.service",
        "vigie-a b",
        "vigie-a/b",
        "vigie-$a",
        long.as_str(),
    ] {
        assert!(Unit::new(name, "mark").is_err(), "{name}");
    }
    for mark in ["", " ", " a", "a\nb", "é", "\u{1b}"] {
        assert!(Unit::new("vigie-a", mark).is_err(), "{mark:?}");
    }
}

#[test]
fn only_zero_and_success_is_success() {
    let ended = |code, result: &str| UnitState::Ended {
        code,
        result: result.to_owned(),
    };
    assert!(ended(Some(0), "success").is_success());
    for other in [
        ended(Some(0), "timeout"),
        ended(Some(1), "exit-code"),
        ended(None, "signal"),
    ] {
        assert!(!other.is_success(), "{other:?}");
    }
    assert!(!UnitState::Running.is_success() && !UnitState::Absent.is_success());
}

#[test]
fn what_is_in_doubt_is_looked_at_before_it_is_done_again() {
    let (what, why) = ("x".to_owned(), SafeText::new("y"));
    let cut = HostError::Cut {
        what: what.clone(),
        why: why.clone(),
    };
    assert!(cut.is_transient() && cut.is_in_doubt());
    let unreachable = HostError::Unreachable {
        what: what.clone(),
        why: why.clone(),
    };
    assert!(unreachable.is_transient() && !unreachable.is_in_doubt());
    let sudo = HostError::Sudo {
        what,
        user: "ana".to_owned(),
        said: why,
    };
    assert!(!sudo.is_transient() && !sudo.is_in_doubt());
    assert_eq!(sudo.code(), "sudo");
    assert!(sudo.hint().unwrap().contains("ana ALL=(ALL) NOPASSWD: ALL"));
}
