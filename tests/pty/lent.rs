//! Whatever ends the dashboard while another program has its terminal, or while it is stopped: the terminal is the
//! operator's again, and nothing that was left behind stands in the way.

use super::harness::{Session, Start, is_alive, verb};
use rustix::process::{Pid, Signal};
use std::os::unix::fs::PermissionsExt;

/// How another program gets the terminal.
#[derive(Debug, Clone, Copy)]
enum Way {
    Editor,
    Shell,
    Own,
}

const WAYS: [Way; 3] = [Way::Editor, Way::Shell, Way::Own];

/// A dashboard that has lent its terminal to a program which does to it whatever programs do.
fn lent(way: Way) -> (Session, Pid) {
    lent_with(way, "exec sleep 1000")
}

/// The same, with what the program does then.
fn lent_with(way: Way, last: &str) -> (Session, Pid) {
    let start = Start::vigie().size(100, 30);
    let home = start.home_path().to_owned();
    let program = home.join("program");
    let text = format!(
        "#!/bin/sh\nprintf '\\033[?1049h\\033[?1000h\\033[?1006h\\033[?2004h\\033[?25l\\033[4h\\033(0'\nstty raw -echo\n\
                printf '\\033(B'\necho it-has-the-terminal $$.\n{last}\n"
    );
    std::fs::write(&program, text).expect("a program");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("its mode");
    let config = home.join("config.toml");
    let text = format!(
        "[[command]]\nname = \"mine\"\nargv = [\"{}\"]\noutput = \"terminal\"\nkey = \"ctrl-g\"\n",
        program.display()
    );
    std::fs::write(&config, text).expect("a configuration");
    let config = config.display().to_string();
    let url = [
        "--url",
        "http://127.0.0.1:8069",
        "--max-instances",
        "5",
        "--config",
        &config,
    ];
    verb(&home, &[&["server", "add", "box-1"][..], &url].concat());
    let program = program.display().to_string();
    let start = start.env("EDITOR", program.clone()).env("SHELL", program);
    let mut session = start.arg("--config").arg(config).start();
    session.until_text("box-1");
    session.type_in(match way {
        Way::Editor => "\x1bOS",
        Way::Shell => "s",
        Way::Own => "\x07",
    });
    session.until_text("it-has-the-terminal");
    let pid = session.until("the program's number", || {
        let text = session.text();
        let (_, behind) = text.split_once("it-has-the-terminal ")?;
        Pid::from_raw(behind.split_once('.')?.0.parse().ok()?)
    });
    (session, pid)
}

fn gone(session: &Session, what: &str, pids: &[Pid]) {
    session.until(&format!("{what} to be gone"), || {
        pids.iter().all(|pid| !is_alive(*pid)).then_some(())
    });
}

#[test]
fn the_terminal_is_restored_whatever_ends_it_while_another_has_it() {
    for way in WAYS {
        for (signal, status) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::KILL, 137)] {
            let (mut session, program) = lent(way);
            let dashboard = session.dashboard();
            match signal {
                Signal::KILL => session.signal(dashboard, signal),
                signal => session.signal(session.guard(), signal),
            }
            let what = format!("{way:?} {signal:?}");
            assert_eq!(session.until_ended(), status, "{what}");
            session.until_restored(&what);
            gone(&session, &what, &[dashboard, program]);
        }
    }
}

#[test]
fn a_terminal_that_is_gone_takes_the_dashboard_with_it_though_another_has_it() {
    for way in WAYS {
        let (mut session, program) = lent(way);
        let dashboard = session.dashboard();
        session.hang_up();
        session.until_ended();
        gone(&session, &format!("{way:?}"), &[dashboard, program]);
    }
}

#[test]
fn a_shell_that_does_not_mind_being_asked_is_ended_by_force() {
    let (mut session, program) = lent_with(Way::Shell, "trap '' TERM HUP\nwhile :; do sleep 1000; done");
    session.signal(session.guard(), Signal::TERM);
    assert_eq!(session.until_ended(), 143);
    session.until_restored("a stubborn shell");
    gone(&session, "a stubborn shell", &[program]);
}
