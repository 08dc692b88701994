//! Secrets on a host: in no command line, and in no file but those that are meant to hold them.

use crate::lab::own;
use crate::units::{LIMIT, fresh, step};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use vigie::domain::{RemotePath, Secret};
use vigie::remote::host::{Owner, Run, UnitRun};

const CANARIES: [&str; 3] = ["canary-env-7f3a91", "canary-unit-5c20de", "canary-file-e81b44"];

fn has(bytes: &[u8]) -> bool {
    CANARIES
        .iter()
        .any(|canary| memchr::memmem::find(bytes, canary.as_bytes()).is_some())
}

/// Every command line of this machine, the host's processes among them.
fn command_lines(found: &mut BTreeSet<String>) -> usize {
    let mut seen = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if let Ok(line) = std::fs::read(entry.path().join("cmdline")) {
            seen += 1;
            if has(&line) {
                found.insert(String::from_utf8_lossy(&line).replace('\0', " "));
            }
        }
    }
    seen
}

fn files(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files(&path, root, found);
        } else if kind.is_file() && std::fs::read(&path).is_ok_and(|bytes| has(&bytes)) {
            found.insert(format!("/{}", path.strip_prefix(root).unwrap().display()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_in_no_command_line_and_in_no_file_but_their_own() {
    let Some(lab) = own() else { return };
    let host = lab.host("deploy").as_root();
    let (over, samples) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let sampler = {
        let (over, samples) = (Arc::clone(&over), Arc::clone(&samples));
        std::thread::spawn(move || {
            let mut found = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                samples.fetch_add(command_lines(&mut found).min(1), Ordering::Relaxed);
            }
            found
        })
    };
    let [env, unit_env, file] = CANARIES.map(|canary| Secret::new(canary.to_owned()));
    for _ in 0..5 {
        let script = "[ \"$A\" = \"$(cat)\" ] || exit 9; sleep 0.2";
        let argv = ["sh", "-c", script];
        let run = Run {
            stdin: Some(env.expose().as_bytes()),
            secrets: &[("A", &env)],
            ..Run::writing(&argv, LIMIT)
        };
        assert!(host.run(&run, &|_, _| {}).await.unwrap().is_success());
        let unit = fresh("secret");
        let argv = ["sh", "-c", "[ -n \"$B\" ] && sleep 0.3; exit 5"];
        let run = UnitRun {
            secrets: &[("B", &unit_env)],
            stdin: Some(unit_env.expose().as_bytes()),
            ..step(&unit, &argv)
        };
        host.start_unit(&run).await.unwrap();
        host.follow_unit(&unit, &mut 0, LIMIT, &|_, _| {}).await.unwrap();
        // A second start of a unit that is there, and one that fails to begin.
        host.start_unit(&run).await.unwrap();
        host.forget_unit(&unit).await.unwrap();
        let nobody = fresh("nobody");
        let run = UnitRun {
            unit: &nobody,
            user: Some("no-such-user"),
            ..run
        };
        let _ = host.start_unit(&run).await;
        host.stop_unit(&nobody).await.unwrap();
        host.forget_unit(&nobody).await.unwrap();
        let conf = RemotePath::parse("/srv/secret.conf").unwrap();
        host.write(&conf, file.expose().as_bytes(), Owner::Named("plain", "plain"), 0o600)
            .await
            .unwrap();
    }
    over.store(true, Ordering::Relaxed);
    assert_eq!(sampler.join().unwrap(), BTreeSet::new(), "in command lines");
    assert!(samples.load(Ordering::Relaxed) > 20, "hardly looked");
    let root = lab.root();
    let mut found = BTreeSet::new();
    for folder in ["etc", "home", "opt", "root", "run", "srv", "tmp", "var"] {
        files(&root.join(folder), &root, &mut found);
    }
    assert_eq!(found, BTreeSet::from(["/srv/secret.conf".to_owned()]));
    assert_eq!(lab.must(&["stat", "-c", "%a %U", "/srv/secret.conf"]), "600 plain");
    let journal = lab.inside(&["journalctl", "--no-pager", "-o", "export"]);
    assert!(journal.stdout.len() > 10_000 && !has(&journal.stdout), "in the journal");
    let shown = lab.inside(&["systemctl", "show", "--all", "*"]);
    assert!(!has(&shown.stdout), "in what systemd shows to anyone");
}
