//! Whatever ends the dashboard, the terminal is the operator's again.

use super::harness::{Random, Session, Start, children, is_alive, is_asleep_in};
use rustix::process::{Pid, Signal};
use std::collections::BTreeMap;
use std::time::Duration;

/// What ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    ToGuard(Signal, u32),
    ToDashboard(Signal, u32),
    ToBoth(Signal, u32),
    Fails(&'static str, u32),
    Survives(&'static str),
    HangUp,
    /// By its own key.
    Quit,
}

const CAUSES: &[Cause] = &[
    Cause::ToGuard(Signal::TERM, 143),
    Cause::ToGuard(Signal::HUP, 129),
    Cause::ToGuard(Signal::INT, 130),
    Cause::ToGuard(Signal::QUIT, 131),
    Cause::ToDashboard(Signal::TERM, 143),
    Cause::ToDashboard(Signal::HUP, 129),
    Cause::ToDashboard(Signal::INT, 130),
    Cause::ToDashboard(Signal::QUIT, 131),
    Cause::ToBoth(Signal::TERM, 143),
    Cause::ToBoth(Signal::HUP, 129),
    // The kernel's out-of-memory killer sends the same.
    Cause::ToDashboard(Signal::KILL, 137),
    Cause::ToDashboard(Signal::ILL, 132),
    // Nobody is left to give a status: the test's own wait sees the signal.
    Cause::ToGuard(Signal::KILL, 1),
    Cause::Fails("main", 101),
    Cause::Fails("abort", 134),
    Cause::Survives("thread"),
    Cause::Survives("task"),
    Cause::HangUp,
    Cause::Quit,
];

fn start(cause: Cause) -> Session {
    match cause {
        Cause::Fails(how, _) | Cause::Survives(how) => Start::vigie().env("VIGIE_TEST_PANIC", how).start(),
        _ => Start::vigie().start(),
    }
}

/// When it happens.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Once a frame is on the screen.
    Shown,
    /// So long after the start, whatever it is doing by then.
    After(Duration),
}

/// Starts, lets it happen, and looks at the terminal.
fn run(cause: Cause, moment: Moment) {
    let mut session = start(cause);
    let guard = session.guard();
    match moment {
        Moment::Shown => session.until_frame(),
        Moment::After(time) => std::thread::sleep(time),
    }
    let dashboard = match (moment, cause) {
        // There may be none yet, and never will be.
        (Moment::After(_), Cause::ToGuard(..) | Cause::ToBoth(..)) => children(guard).first().copied(),
        _ => Some(session.dashboard()),
    };
    match (cause, dashboard) {
        (Cause::ToDashboard(signal, _), Some(dashboard)) => session.signal(dashboard, signal),
        (Cause::ToGuard(signal, _), _) => session.signal(guard, signal),
        (Cause::ToBoth(signal, _), _) => {
            rustix::process::kill_process_group(guard, signal).expect("a signal");
        }
        (Cause::Fails(..), _) => session.signal(guard, Signal::USR1),
        (Cause::Survives(_), Some(dashboard)) => {
            session.signal(guard, Signal::USR1);
            session.until_text("on request");
            session.until_screen("the screen to stay", |s| s.alternate_screen() && s.bracketed_paste());
            assert!(is_alive(dashboard));
            session.signal(guard, Signal::TERM);
        }
        (Cause::HangUp, _) => session.hang_up(),
        (Cause::Quit, _) => session.type_in("q"),
        (Cause::ToDashboard(..) | Cause::Survives(_), None) => unreachable!("it was waited for"),
    }
    let status = session.until_ended();
    let want = match cause {
        Cause::ToGuard(_, code) | Cause::ToDashboard(_, code) | Cause::ToBoth(_, code) | Cause::Fails(_, code) => code,
        Cause::Survives(_) => 143,
        Cause::HangUp => 129,
        Cause::Quit => 0,
    };
    // Before the guard listens to it a signal simply ends it, as any program.
    let early = matches!(moment, Moment::After(_)) && status == 1;
    assert!(
        status == want || early,
        "{cause:?} {moment:?}: status {status}, not {want}"
    );
    if cause != Cause::HangUp {
        session.until_restored(&format!("{cause:?} {moment:?}"));
    }
    if let Some(dashboard) = dashboard {
        session.until("the dashboard to be gone", || (!is_alive(dashboard)).then_some(()));
    }
}

#[test]
fn the_terminal_is_restored_whatever_ends_the_dashboard() {
    for _ in 0..3 {
        for cause in CAUSES {
            run(*cause, Moment::Shown);
        }
    }
}

#[test]
fn the_terminal_is_restored_whenever_it_is_ended() {
    let mut random = Random::seeded("the_terminal_is_restored_whenever_it_is_ended");
    for _ in 0..30 {
        run_at_random(&mut random);
    }
}

/// A cause that can come at any time, at any time.
fn run_at_random(random: &mut Random) -> Cause {
    let any_time: Vec<Cause> = CAUSES
        .iter()
        .copied()
        .filter(|c| matches!(c, Cause::ToGuard(..) | Cause::ToDashboard(..) | Cause::ToBoth(..)))
        .collect();
    let cause = any_time[random.below(any_time.len() as u64) as usize];
    run(cause, Moment::After(Duration::from_micros(random.below(150_000))));
    cause
}

#[test]
#[ignore = "long: make soak"]
fn soak_the_terminal_is_restored_in_a_thousand_runs() {
    let mut random = Random::seeded("soak_the_terminal_is_restored");
    // The failures on request are in debug builds only.
    let causes: Vec<Cause> = CAUSES
        .iter()
        .copied()
        .filter(|c| cfg!(debug_assertions) || !matches!(c, Cause::Fails(..) | Cause::Survives(_)))
        .collect();
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    let began = std::time::Instant::now();
    for n in 0..1_000 {
        let cause = if n % 3 == 0 {
            run_at_random(&mut random)
        } else {
            let cause = causes[n % causes.len()];
            run(cause, Moment::Shown);
            cause
        };
        *runs.entry(format!("{cause:?}")).or_default() += 1;
    }
    println!(
        "T1: 1000 of 1000 runs restored the terminal, in {:.0?}",
        began.elapsed()
    );
    for (cause, count) in runs {
        println!("T1: {count:4} × {cause}");
    }
}

#[test]
fn a_dashboard_that_hangs_is_ended_by_its_guard() {
    let mut session = Start::vigie().env("VIGIE_TEST_PANIC", "hang").start();
    session.until_frame();
    session.signal(session.guard(), Signal::USR1);
    session.until("it to hang", || {
        is_asleep_in(session.dashboard(), "nanosleep").then_some(())
    });
    session.signal(session.guard(), Signal::TERM);
    assert_eq!(session.until_ended(), 137);
    session.until_restored("after a hang");
}

#[test]
fn a_panic_is_reported_after_the_screen_was_left() {
    let mut session = start(Cause::Fails("main", 101));
    session.until_frame();
    session.signal(session.guard(), Signal::USR1);
    assert_eq!(session.until_ended(), 101);
    session.until_text("on request, in the main thread");
    let raw = session.raw();
    let at = |what: &[u8]| raw.windows(what.len()).rposition(|w| w == what);
    assert!(at(b"\x1b[?1049l") < at(b"on request, in the main thread"));
}

#[test]
fn what_is_written_to_standard_error_waits_until_the_screen_is_left() {
    let mut session = Start::vigie().env("VIGIE_TEST_PANIC", "stderr").start();
    session.until_frame();
    session.signal(session.guard(), Signal::USR1);
    session.until_text("on request");
    session.signal(session.guard(), Signal::TERM);
    assert_eq!(session.until_ended(), 143);
    session.until_text("a library complains␛[31m");
    let raw = session.raw();
    let at = |what: &[u8]| raw.windows(what.len()).position(|w| w == what);
    assert!(
        at(b"\x1b[?1049l") < at(b"a library complains"),
        "it came while the screen was up"
    );
}

#[test]
fn a_killed_dashboard_says_so_and_that_jobs_go_on() {
    let mut session = Start::vigie().start();
    session.until_frame();
    session.signal(session.dashboard(), Signal::KILL);
    assert_eq!(session.until_ended(), 137);
    session.until_text("ended by signal 9");
    session.until_text("Running jobs are not affected");
}

#[test]
fn a_shell_stops_it_and_brings_it_back() {
    let mut session = Start::program("/bin/bash")
        .arg("--norc")
        .arg("--noprofile")
        .arg("-i")
        .env("PS1", "ready> ")
        .start();
    session.until_text("ready>");
    session.type_in(&format!("{}\n", super::harness::VIGIE));
    session.until_screen("the dashboard", vt100::Screen::alternate_screen);
    session.until_frame();
    let guard = session.dashboard();
    let dashboard: Pid = session.until("the dashboard's process", || children(guard).first().copied());
    // Stopped from outside, politely and not.
    for signal in [Signal::TSTP, Signal::STOP, Signal::TSTP] {
        session.signal(dashboard, signal);
        session.until_screen("the shell", |s| !s.alternate_screen() && !s.hide_cursor());
        session.until_screen("the prompt", |s| s.contents().trim_end().ends_with("ready>"));
        let frames = frames(&session);
        session.type_in("fg\n");
        session.until_screen("the dashboard again", vt100::Screen::alternate_screen);
        session.until_raw("a whole frame", |raw| count_frames(raw) > frames);
    }
    session.signal(guard, Signal::TERM);
    session.until_screen("the shell", |s| !s.alternate_screen());
    session.type_in("echo status $?\n");
    session.until_text("status 143");
    session.type_in("exit\n");
    session.until_ended();
}

fn count_frames(raw: &[u8]) -> usize {
    raw.windows(8).filter(|w| *w == b"\x1b[?2026l").count()
}

fn frames(session: &Session) -> usize {
    count_frames(&session.raw())
}

#[test]
fn where_no_shell_could_wake_it_a_stop_does_not_hang_it() {
    let mut session = Start::vigie().start();
    session.until_frame();
    let before = frames(&session);
    session.signal(session.dashboard(), Signal::TSTP);
    session.until_raw("frames after the stop", |raw| count_frames(raw) > before);
    session.until_screen("the screen", vt100::Screen::alternate_screen);
    session.signal(session.guard(), Signal::TERM);
    assert_eq!(session.until_ended(), 143);
    session.until_restored("after a stop");
}

#[test]
fn a_program_that_is_lent_the_terminal_has_it_alone() {
    let script = "lend stty -a | tr ' ' '\\n' | grep -x -e icanon -e echo; read line; echo \"got $line\"; read other";
    let mut session = Start::vigie().env("VIGIE_TEST_PANIC", script).start();
    session.until_frame();
    session.signal(session.dashboard(), Signal::TSTP);
    session.until_screen("the other's screen", |s| {
        !s.alternate_screen() && !s.hide_cursor() && s.contents().contains("icanon") && s.contents().contains("echo")
    });
    // `q` would end the dashboard, if that got it.
    session.type_in("qqq\n");
    session.until_text("got qqq");
    // Ctrl-C is for the other; it ends by it, the dashboard doesn't.
    session.type_in("\x03");
    session.until_screen("the dashboard", vt100::Screen::alternate_screen);
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    session.until_restored("after lending");
}

#[test]
fn both_processes_go_by_the_programs_name_and_the_guard_is_small() {
    let mut session = Start::vigie().start();
    session.until_frame();
    for pid in [session.guard(), session.dashboard()] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("a process");
        assert!(status.starts_with("Name:\tvigie\n"), "{status}");
        let own = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .expect("its memory");
        let kb: u64 = own.trim().trim_end_matches(" kB").parse().expect("a number");
        assert!(pid != session.guard() || kb < 8 * 1024, "the guard holds {kb} kB");
    }
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
}

#[test]
fn a_terminal_that_takes_nothing_does_not_keep_the_process() {
    let mut session = Start::vigie().size(200, 50).start();
    session.until_frame();
    let dashboard = session.dashboard();
    session.pause_reading(true);
    // Sizes to draw anew for: more than a terminal holds.
    for n in 0..80 {
        session.resize(180 + n, 50);
        std::thread::sleep(Duration::from_millis(10));
    }
    let asked = std::time::Instant::now();
    session.signal(session.guard(), Signal::TERM);
    assert_eq!(session.until_ended(), 143);
    let took = asked.elapsed();
    assert!(took > Duration::from_millis(900), "it was not stuck: {took:?}");
    assert!(session.has_its_settings_back());
    session.until("the dashboard to be gone", || (!is_alive(dashboard)).then_some(()));
    session.pause_reading(false);
}
