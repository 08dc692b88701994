//! Connections that break: what runs on the host goes on, is found again with its whole output, and is done
//! once.

use crate::lab::{Lab, own, until};
use crate::units::{LIMIT, fresh, is_gone, step};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use vigie::domain::SafeText;
use vigie::domain::job::Stream;
use vigie::remote::host::{HostError, Run, UnitState};
use vigie::remote::{Limits, RemoteError};

/// How a connection is cut.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// Our own ssh is killed.
    Master,
    /// The host's side of the connection is killed.
    Session,
    /// sshd with all its connections, and started again.
    Sshd,
    /// Packets vanish, both ways, for a while.
    Drop,
    /// Each packet is answered with a reset, for a while.
    Reset,
}

const CUTS: [Cut; 5] = [Cut::Master, Cut::Session, Cut::Sshd, Cut::Drop, Cut::Reset];

/// The ssh processes of this test's host that hold connections: by the folder of its configuration.
fn masters(lab: &Lab) -> Vec<String> {
    let config = lab.ssh_dir().join("ssh_config");
    let found = Command::new("pgrep")
        .arg("-f")
        .arg(format!("^ssh .*{}", config.display()))
        .output();
    let found = String::from_utf8(found.unwrap().stdout).unwrap();
    found.lines().map(str::to_owned).collect()
}

fn cut(lab: &Lab, how: Cut) {
    match how {
        Cut::Master => {
            for pid in masters(lab) {
                let _ = Command::new("kill").args(["-9", &pid]).status();
            }
        }
        Cut::Session => {
            lab.inside(&["pkill", "-9", "-f", "^sshd: "]);
        }
        Cut::Sshd => {
            lab.inside(&["pkill", "-9", "sshd"]);
            lab.must(&["systemctl", "reset-failed", "ssh"]);
            lab.must(&["systemctl", "restart", "ssh"]);
        }
        Cut::Drop | Cut::Reset => {
            let verdict = match how {
                Cut::Drop => "drop",
                _ => "reject with tcp reset",
            };
            let rules = format!(
                "table inet cut {{ chain in {{ type filter hook input priority 0; tcp dport 22 {verdict}; }}; \
                 chain out {{ type filter hook output priority 0; tcp sport 22 {verdict}; }}; }}"
            );
            lab.must(&["nft", &rules]);
            // A line that is down for a moment, not a condition that is waited for.
            std::thread::sleep(Duration::from_millis(1_500));
            lab.must(&["nft", "delete table inet cut"]);
        }
    }
}

/// Short times, so that a silent line is noticed within the test's patience.
fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(3),
        call: Duration::from_secs(4),
        ..Limits::default()
    }
}

/// One long step that is cut after `after`; everything about it is as if it had not been.
async fn one(lab: &Lab, how: Cut, after: Duration) {
    let host = lab.host_with("deploy", limits());
    let unit = fresh("cut");
    let file = format!("/srv/{}", unit.name());
    let script =
        "echo run >> \"$1\"; for i in $(seq 1 40); do echo line $i; sleep 0.05; done; echo done >> \"$1\"; exit 4";
    let argv = ["sh", "-c", script, "sh", &file];
    let run = step(&unit, &argv);
    let begun = Instant::now();
    let (lines, mut cursor) = (Mutex::new(Vec::new()), 0);
    let work = async {
        // Begun until it is known to be: the cut may fall into this as well.
        while let Err(error) = host.start_unit(&run).await {
            assert!(error.is_transient(), "{how:?} after {after:?}: {error}");
            assert!(begun.elapsed() < LIMIT, "{how:?} after {after:?}: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let take = |stream, line: SafeText| {
            if stream == Stream::Stdout {
                lines.lock().unwrap().push(line.to_string());
            }
        };
        host.follow_unit(&unit, &mut cursor, LIMIT, &take).await
    };
    let cutting = async {
        tokio::time::sleep(after).await;
        tokio::task::block_in_place(|| cut(lab, how));
    };
    let (state, ()) = tokio::join!(work, cutting);
    let state = state.unwrap_or_else(|error| panic!("{how:?} after {after:?}: {error}"));
    let wanted = UnitState::Ended {
        code: Some(4),
        result: "exit-code".to_owned(),
    };
    assert_eq!(state, wanted, "{how:?} after {after:?}");
    let wanted: Vec<String> = (1..=40).map(|n| format!("line {n}")).collect();
    assert_eq!(lines.into_inner().unwrap(), wanted, "{how:?} after {after:?}");
    assert_eq!(
        lab.sh(&format!("cat {file}; rm {file}")),
        "run\ndone",
        "{how:?} after {after:?}"
    );
    while let Err(error) = host.forget_unit(&unit).await {
        assert!(error.is_transient(), "{how:?} after {after:?}: {error}");
        assert!(begun.elapsed() < LIMIT, "{how:?} after {after:?}: {error}");
    }
    assert!(is_gone(lab, &unit), "{how:?} after {after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_step_survives_a_cut_connection() {
    let Some(lab) = own() else { return };
    for how in CUTS {
        for after in [40, 700] {
            one(&lab, how, Duration::from_millis(after)).await;
        }
    }
    drop(lab);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_connection_broke_says_so_and_the_next_one_connects_again() {
    let Some(lab) = own() else { return };
    for how in [Cut::Master, Cut::Session, Cut::Sshd] {
        let host = lab.host("deploy");
        host.run(&Run::reading(&["true"], LIMIT), &|_, _| {}).await.unwrap();
        let file = format!("/tmp/{how:?}");
        let argv = ["sh", "-c", "touch \"$1\"; sleep 30", "sh", &file];
        let run = Run::writing(&argv, LIMIT);
        let cutting = async {
            let begun = lab.root().join(file.trim_start_matches('/'));
            let since = Instant::now();
            while !begun.exists() {
                assert!(since.elapsed() < LIMIT, "the command does not run");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::task::block_in_place(|| cut(&lab, how));
        };
        let quiet = |_, _| {};
        let (ended, ()) = tokio::join!(host.run(&run, &quiet), cutting);
        let error = ended.unwrap_err();
        assert!(
            matches!(error, RemoteError::Host(HostError::Cut { .. })),
            "{how:?}: {error}"
        );
        assert!(error.is_transient() && error.is_in_doubt(), "{how:?}: {error}");
        tokio::task::block_in_place(|| until("sshd is back", || lab.sshd_answers()));
        let next = host
            .run(&Run::reading(&["echo", "again"], LIMIT), &quiet)
            .await
            .unwrap();
        assert_eq!(next.text(), "again", "{how:?}");
    }
    // Silence is noticed by the call's own limit, and the next call makes a connection of its own.
    let host = lab.host_with("deploy", limits());
    host.run(&Run::reading(&["true"], LIMIT), &|_, _| {}).await.unwrap();
    let rule = "table inet cut { chain in { type filter hook input priority 0; tcp dport 22 drop; }; }";
    lab.must(&["nft", rule]);
    let silent = host
        .run(&Run::reading(&["true"], Duration::from_secs(1)), &|_, _| {})
        .await;
    assert!(matches!(silent, Err(RemoteError::Deadline { .. })), "{silent:?}");
    let down = host.run(&Run::reading(&["true"], LIMIT), &|_, _| {}).await.unwrap_err();
    assert!(down.is_transient(), "{down}");
    lab.must(&["nft", "delete table inet cut"]);
    let again = host
        .run(&Run::reading(&["echo", "again"], LIMIT), &|_, _| {})
        .await
        .unwrap();
    assert_eq!(again.text(), "again");
    // A machine that was started anew has forgotten its units: absent, not ended.
    let mut lab = lab;
    let unit = fresh("reboot");
    let argv = ["sleep", "600"];
    host.start_unit(&step(&unit, &argv)).await.unwrap();
    tokio::task::block_in_place(|| lab.reboot());
    let began = Instant::now();
    let state = loop {
        match host.unit_state(&unit).await {
            Ok(state) => break state,
            Err(error) => assert!(error.is_transient() && began.elapsed() < LIMIT, "{error}"),
        }
    };
    assert_eq!(state, UnitState::Absent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn soak_a_long_step_survives_cuts_at_any_time() {
    let Some(lab) = own() else { return };
    let seed = std::env::var("VIGIE_SOAK_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1_u64);
    let mut state = seed;
    for round in 0..200 {
        // A plain generator is enough to spread times; the seed repeats them.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let after = Duration::from_millis((state >> 33) % 2_600);
        one(&lab, CUTS[round % CUTS.len()], after).await;
    }
    println!("J6: 200 cuts (seed {seed}): 0 effects twice, 0 lines lost or repeated, 0 outcomes unknown");
}
