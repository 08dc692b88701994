//! Long steps as transient units: found again by their name, with their state and their whole output.

use crate::lab::{Lab, shared, until};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use vigie::domain::job::Stream;
use vigie::domain::{RemotePath, SafeText, Secret};
use vigie::remote::RemoteError;
use vigie::remote::host::{Host, HostError, Started, Unit, UnitRun, UnitState};

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A unit of a name of its own.
pub(crate) fn fresh(hint: &str) -> Unit {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Unit::new(
        &format!("vigie-{number}-{hint}"),
        &format!("vigie job={number} nonce=n{number}"),
    )
    .unwrap()
}

pub(crate) fn step<'a>(unit: &'a Unit, argv: &'a [&'a str]) -> UnitRun<'a> {
    UnitRun {
        unit,
        argv,
        env: &[],
        secrets: &[],
        stdin: None,
        cwd: None,
        user: None,
        limit: LIMIT,
    }
}

/// Follows it to its end; the lines it wrote, without what is said of the connection.
pub(crate) async fn follow(host: &Host, unit: &Unit) -> (UnitState, Vec<String>) {
    let lines = Mutex::new(Vec::new());
    let mut cursor = 0;
    let state = host
        .follow_unit(unit, &mut cursor, LIMIT, &|stream, line: SafeText| {
            if stream == Stream::Stdout {
                lines.lock().unwrap().push(line.to_string());
            }
        })
        .await
        .unwrap();
    (state, lines.into_inner().unwrap())
}

fn ended(code: Option<i32>, result: &str) -> UnitState {
    UnitState::Ended {
        code,
        result: result.to_owned(),
    }
}

/// Nothing of it is left: neither the unit nor its folder.
pub(crate) fn is_gone(lab: &Lab, unit: &Unit) -> bool {
    let load = lab.must(&["systemctl", "show", "--property=LoadState", "--value", unit.name()]);
    load == "not-found" && !lab.root().join(format!("run/vigie/{}", unit.name())).exists()
}

#[tokio::test]
async fn a_unit_runs_once_under_its_name_and_is_followed_to_its_end() {
    let Some(lab) = shared() else { return };
    for user in ["root", "deploy"] {
        let host = lab.host(user);
        let unit = fresh("once");
        let count = format!("/srv/{}", unit.name());
        assert_eq!(host.unit_state(&unit).await.unwrap(), UnitState::Absent);
        let script =
            "echo run >> \"$1\"; for i in 1 2 3; do echo line $i; sleep 0.3; done; echo err >&2; printf tail; exit 3";
        let argv = ["sh", "-c", script, "sh", &count];
        assert_eq!(host.start_unit(&step(&unit, &argv)).await.unwrap(), Started::Now);
        assert_eq!(host.unit_state(&unit).await.unwrap(), UnitState::Running);
        assert_eq!(host.start_unit(&step(&unit, &argv)).await.unwrap(), Started::Already);
        let forgot = host.forget_unit(&unit).await.unwrap_err();
        assert!(forgot.to_string().contains("still runs"), "{forgot}");
        let (state, lines) = follow(&host, &unit).await;
        assert_eq!(state, ended(Some(3), "exit-code"));
        assert_eq!(lines, ["line 1", "line 2", "line 3", "err", "tail"]);
        // Another, later, on another connection, has the same answer; and it is not done again.
        let other = lab.host(user);
        assert_eq!(other.start_unit(&step(&unit, &argv)).await.unwrap(), Started::Already);
        assert_eq!(follow(&other, &unit).await, (state, lines));
        assert_eq!(lab.sh(&format!("cat {count}")), "run");
        other.forget_unit(&unit).await.unwrap();
        other.forget_unit(&unit).await.unwrap();
        assert!(is_gone(lab, &unit));
        assert_eq!(other.unit_state(&unit).await.unwrap(), UnitState::Absent);
    }
}

#[tokio::test]
async fn how_a_unit_ended_is_told_apart() {
    let Some(lab) = shared() else { return };
    let host = lab.host("deploy");
    for (script, wanted) in [
        ("true", ended(Some(0), "success")),
        ("exit 255", ended(Some(255), "exit-code")),
        ("kill -9 $$", ended(None, "signal")),
        ("exec no-such-program", ended(Some(127), "exit-code")),
    ] {
        let unit = fresh("ends");
        let argv = ["sh", "-c", script];
        host.start_unit(&step(&unit, &argv)).await.unwrap();
        assert_eq!(follow(&host, &unit).await.0, wanted, "{script}");
        host.forget_unit(&unit).await.unwrap();
        assert!(is_gone(lab, &unit), "{script}");
    }
    // What takes too long is ended by systemd, with its children.
    let unit = fresh("slow");
    let argv = ["sh", "-c", "sleep 4321 & wait"];
    let slow = UnitRun {
        limit: Duration::from_secs(1),
        ..step(&unit, &argv)
    };
    host.start_unit(&slow).await.unwrap();
    assert_eq!(follow(&host, &unit).await.0, ended(None, "timeout"));
    assert!(!lab.inside(&["pgrep", "-f", "^sleep 4321"]).status.success());
    host.forget_unit(&unit).await.unwrap();
    // And by who asks for it; one who follows gives up in time, and it goes on.
    let unit = fresh("stopped");
    let argv = ["sh", "-c", "echo begun; sleep 4322 & wait"];
    host.start_unit(&step(&unit, &argv)).await.unwrap();
    let mut cursor = 0;
    let late = host
        .follow_unit(&unit, &mut cursor, Duration::from_secs(1), &|_, _| {})
        .await
        .unwrap_err();
    assert!(matches!(late, RemoteError::Deadline { .. }), "{late}");
    assert_eq!((cursor, host.unit_state(&unit).await.unwrap()), (6, UnitState::Running));
    host.stop_unit(&unit).await.unwrap();
    assert!(!lab.inside(&["pgrep", "-f", "^sleep 4322"]).status.success());
    assert_ne!(host.unit_state(&unit).await.unwrap(), UnitState::Running);
    host.forget_unit(&unit).await.unwrap();
    assert!(is_gone(lab, &unit));
}

#[tokio::test]
async fn a_unit_has_its_account_folder_variables_and_input() {
    let Some(lab) = shared() else { return };
    let host = lab.host("deploy");
    let unit = fresh("as-told");
    let (secret, folder) = (
        Secret::new("s3cr$t 'x\"%n".to_owned()),
        RemotePath::parse("/usr/lib").unwrap(),
    );
    let script = "id -un; pwd; printf '%s\\n' \"$OPEN\" \"$HIDDEN\"; cat";
    let argv = ["sh", "-c", script];
    let run = UnitRun {
        env: &[("OPEN", "a $HOME ${PATH} %n")],
        secrets: &[("HIDDEN", &secret)],
        stdin: Some(b"given"),
        cwd: Some(&folder),
        user: Some("plain"),
        ..step(&unit, &argv)
    };
    host.start_unit(&run).await.unwrap();
    let (state, lines) = follow(&host, &unit).await;
    assert!(state.is_success(), "{state:?} {lines:?}");
    assert_eq!(
        lines,
        ["plain", "/usr/lib", "a $HOME ${PATH} %n", secret.expose(), "given"]
    );
    // The file it read from is gone; what it wrote is root's alone.
    let dir = format!("/run/vigie/{}", unit.name());
    assert_eq!(
        lab.sh(&format!("ls -A {dir}; stat -c '%a %U' {dir} {dir}/output")),
        "output\n700 root\n600 root"
    );
    host.forget_unit(&unit).await.unwrap();
}

#[tokio::test]
async fn a_strangers_unit_is_never_touched() {
    let Some(lab) = shared() else { return };
    let host = lab.host("deploy");
    lab.must(&[
        "systemd-run",
        "--quiet",
        "--unit=vigie-theirs",
        "--description=another's",
        "sleep",
        "4323",
    ]);
    let unit = Unit::new("vigie-theirs", "vigie job=1 nonce=a").unwrap();
    let argv = ["true"];
    let errors = [
        host.start_unit(&step(&unit, &argv)).await.err(),
        host.unit_state(&unit).await.err(),
        host.follow_unit(&unit, &mut 0, LIMIT, &|_, _| {}).await.err(),
        host.stop_unit(&unit).await.err(),
        host.forget_unit(&unit).await.err(),
    ];
    for error in errors {
        assert!(
            matches!(error, Some(RemoteError::Host(HostError::Stranger { .. }))),
            "{error:?}"
        );
    }
    assert_eq!(lab.must(&["systemctl", "is-active", "vigie-theirs"]), "active");
    lab.must(&["systemctl", "stop", "vigie-theirs"]);
}

#[tokio::test]
async fn many_that_begin_a_unit_at_once_begin_it_once() {
    let Some(lab) = shared() else { return };
    let hosts: Vec<Host> = (0..4).map(|_| lab.host("deploy")).collect();
    for round in 0..3 {
        let unit = fresh("race");
        let file = format!("/srv/{}", unit.name());
        let argv = ["sh", "-c", "echo run >> \"$1\"", "sh", &file];
        let run = step(&unit, &argv);
        let all = hosts.iter().map(|host| host.start_unit(&run));
        for begun in futures_util::future::join_all(all).await {
            begun.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        assert!(follow(&hosts[0], &unit).await.0.is_success());
        assert_eq!(lab.sh(&format!("cat {file}")), "run");
        hosts[0].forget_unit(&unit).await.unwrap();
    }
}

#[tokio::test]
async fn output_without_end_arrives_whole_and_lines_are_cut() {
    let Some(lab) = shared() else { return };
    let host = lab.host("deploy");
    let unit = fresh("much");
    let script = "seq 1 200000; head -c 600000 /dev/zero | tr '\\0' x; echo; echo last";
    let argv = ["sh", "-c", script];
    host.start_unit(&step(&unit, &argv)).await.unwrap();
    let (state, lines) = follow(&host, &unit).await;
    assert!(state.is_success());
    let numbers: Vec<String> = (1..=200_000).map(|n: i32| n.to_string()).collect();
    assert_eq!(lines[..200_000], numbers[..]);
    assert!(lines.iter().all(|line| line.len() < 9_000));
    assert_eq!(lines.last().map(String::as_str), Some("last"));
    host.forget_unit(&unit).await.unwrap();
    until("its folder is gone", || is_gone(lab, &unit));
}
