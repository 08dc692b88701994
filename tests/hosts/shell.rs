//! The shell adapter through a host's own sshd and sudo.

use crate::lab::shared;
use std::time::Duration;
use vigie::domain::job::Stream;
use vigie::domain::{RemotePath, SafeText, Secret};
use vigie::remote::RemoteError;
use vigie::remote::host::{FileKind, HostError, Owner, Run};

const LIMIT: Duration = Duration::from_secs(30);

fn quiet(_: Stream, _: SafeText) {}

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

#[tokio::test]
async fn commands_run_as_the_account_and_as_root() {
    let Some(lab) = shared() else { return };
    for (user, uid) in [("root", "0"), ("deploy", "0")] {
        let host = lab.host(user);
        let me = host.run(&Run::reading(&["id", "-un"], LIMIT), &quiet).await.unwrap();
        assert_eq!(me.text(), user);
        let root = Run {
            as_root: true,
            ..Run::reading(&["id", "-u"], LIMIT)
        };
        assert_eq!(host.run(&root, &quiet).await.unwrap().text(), uid);
    }
    let host = lab.host("plain");
    let root = Run {
        as_root: true,
        ..Run::reading(&["id", "-u"], LIMIT)
    };
    let error = host.run(&root, &quiet).await.unwrap_err();
    assert!(
        matches!(&error, RemoteError::Host(HostError::Sudo { user, .. }) if user == "plain"),
        "{error}"
    );
    let hint = error.hint().unwrap();
    assert!(hint.contains("plain ALL=(ALL) NOPASSWD: ALL"), "{hint}");
    // A program that fails with sudo's status and words is not sudo.
    let words = Run {
        as_root: true,
        ..Run::reading(&["sh", "-c", "echo 'sudo: no' >&2; exit 1"], LIMIT)
    };
    let output = lab.host("deploy").run(&words, &quiet).await.unwrap();
    assert_eq!((output.code, output.stderr.as_str()), (Some(1), "sudo: no"));
}

#[tokio::test]
async fn a_command_gets_its_input_variables_folder_and_limit() {
    let Some(lab) = shared() else { return };
    let secret = Secret::new("pa$$ 'w\"ord\\".to_owned());
    let folder = path("/usr/share");
    for user in ["root", "deploy"] {
        let script = "printf '%s|%s|' \"$OPEN\" \"$HIDDEN\"; pwd; cat; exit 7";
        let argv = ["sh", "-c", script];
        let run = Run {
            stdin: Some(b"given\n"),
            env: &[("OPEN", "a b\n$c")],
            secrets: &[("HIDDEN", &secret)],
            cwd: Some(&folder),
            as_root: true,
            ..Run::reading(&argv, LIMIT)
        };
        let output = lab.host(user).run(&run, &quiet).await.unwrap();
        let wanted = format!("a b\n$c|{}|/usr/share\ngiven", secret.expose());
        assert_eq!((output.code, output.text()), (Some(7), wanted));
    }
    let host = lab.host("deploy");
    for (status, code) in [
        ("exit 255", 255),
        ("exit 127", 127),
        ("exit 124", 124),
        ("kill -9 $$", 137),
    ] {
        let output = host
            .run(&Run::reading(&["sh", "-c", status], LIMIT), &quiet)
            .await
            .unwrap();
        assert_eq!(output.code, Some(code), "{status}");
    }
    let error = host
        .run(&Run::reading(&["no-such-program"], LIMIT), &quiet)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no-such-program can't be started"),
        "{error}"
    );
    let bad = [
        Run {
            env: &[("A B", "x")],
            ..Run::reading(&["true"], LIMIT)
        },
        Run {
            secrets: &[("A", &Secret::new("two\nlines".to_owned()))],
            ..Run::reading(&["true"], LIMIT)
        },
    ];
    for run in bad {
        let error = host.run(&run, &quiet).await.unwrap_err().to_string();
        assert!(!error.contains("two"), "{error}");
    }
}

#[tokio::test]
async fn more_commands_at_once_than_sshd_takes_wait_for_their_turn() {
    let Some(lab) = shared() else { return };
    let host = lab.host("plain");
    let argv = ["sh", "-c", "sleep 0.2; echo done"];
    let run = Run::reading(&argv, LIMIT);
    let all = (0..30).map(|_| host.run(&run, &quiet));
    for output in futures_util::future::join_all(all).await {
        assert_eq!(output.unwrap().text(), "done");
    }
}

#[tokio::test]
async fn the_way_leads_through_another_host_where_the_operators_configuration_says_so() {
    let Some(lab) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let (ip, dir) = (lab.ip(), lab.ssh_dir().display().to_string());
    let write = |jump_known: &str| {
        let text = format!(
            "Host inner\n  HostName {ip}\n  ProxyJump plain@jump\n  UserKnownHostsFile {dir}/known_hosts\n\
             Host jump\n  HostName {ip}\n  UserKnownHostsFile {jump_known}\n\
             Host *\n  IdentityFile {dir}/id\n  IdentitiesOnly yes\n  GlobalKnownHostsFile /dev/null\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut spec = lab.spec("deploy");
        spec.ssh = Some(vigie::domain::server::SshAccess {
            host: vigie::domain::HostName::parse("inner").unwrap(),
            user: Some("deploy".to_owned()),
            port: None,
            identity: None,
        });
        let remote = lab
            .remote(vigie::remote::Limits::default())
            .with_ssh_config(config.clone());
        remote.host(&spec).unwrap()
    };
    let host = write(&format!("{dir}/known_hosts"));
    let argv = ["sh", "-c", "id -un; echo $SSH_CONNECTION"];
    let told = host.run(&Run::reading(&argv, LIMIT), &quiet).await.unwrap().text();
    // It comes from the host itself: by the jump there.
    assert!(told.starts_with(&format!("deploy\n{ip} ")), "{told}");
    let error = write("/dev/null")
        .run(&Run::reading(&argv, LIMIT), &quiet)
        .await
        .unwrap_err();
    assert!(!error.is_transient() && error.problem().code == "host_key", "{error}");
}

#[tokio::test]
async fn a_machine_without_systemd_says_so() {
    let Some(lab) = shared() else { return };
    // This machine, whatever it is started by; in CI it is not systemd.
    let here = vigie::remote::host::Host::local(&lab.remote(vigie::remote::Limits::default()));
    let unit = crate::units::fresh("here");
    let told = here.unit_state(&unit).await;
    match std::path::Path::new("/run/systemd/system").exists() {
        true => assert_eq!(told.unwrap(), vigie::remote::host::UnitState::Absent),
        false => {
            let error = told.unwrap_err();
            assert!(
                matches!(error, RemoteError::Host(HostError::NoSystemd { .. })),
                "{error}"
            );
            let begun = here.start_unit(&crate::units::step(&unit, &["true"])).await;
            assert!(matches!(begun, Err(RemoteError::Host(HostError::NoSystemd { .. }))));
        }
    }
}

#[tokio::test]
async fn what_takes_too_long_is_ended_on_the_host_too() {
    let Some(lab) = shared() else { return };
    for (user, as_root) in [("plain", false), ("deploy", true)] {
        let name = format!("{}.{}", 1000 + user.len(), std::process::id());
        let argv = ["sleep", name.as_str()];
        let run = Run {
            as_root,
            ..Run::reading(&argv, Duration::from_secs(1))
        };
        let error = lab.host(user).run(&run, &quiet).await.unwrap_err();
        assert!(matches!(error, RemoteError::Deadline { .. }), "{error}");
        let pattern = format!("^sleep {name}");
        crate::lab::until("it runs on over there", || {
            !lab.inside(&["pgrep", "-f", &pattern]).status.success()
        });
    }
}

#[tokio::test]
async fn files_are_written_read_and_removed_with_owner_and_mode() {
    let Some(lab) = shared() else { return };
    for user in ["root", "deploy"] {
        let host = lab.host(user).as_root();
        let folder = path(&format!("/srv/files {user}'$x"));
        assert!(
            host.make_dir(&folder, Owner::Named("plain", "plain"), 0o750, None)
                .await
                .unwrap()
        );
        assert!(
            !host.make_dir(&folder, Owner::Maker, 0o700, None).await.unwrap(),
            "twice"
        );
        let stat = host.stat(&folder).await.unwrap().unwrap();
        assert_eq!(
            (stat.kind, stat.mode, stat.owner.as_str(), stat.group.as_str()),
            (FileKind::Folder, 0o750, "plain", "plain")
        );
        let file = folder.join("odoo.conf").unwrap();
        assert_eq!(host.read(&file, 100).await.unwrap(), None);
        assert_eq!(host.stat(&file).await.unwrap(), None);
        for (content, mode) in [(&b"first\0\xff"[..], 0o640), (b"", 0o600), (b"third", 0o4755)] {
            host.write(&file, content, Owner::Named("plain", "www-data"), mode)
                .await
                .unwrap();
            assert_eq!(host.read(&file, 100).await.unwrap().as_deref(), Some(content));
            let stat = host.stat(&file).await.unwrap().unwrap();
            assert_eq!(
                (
                    stat.kind,
                    stat.mode,
                    stat.owner.as_str(),
                    stat.group.as_str(),
                    stat.size
                ),
                (FileKind::File, mode, "plain", "www-data", content.len() as u64)
            );
        }
        assert!(host.read(&file, 4).await.is_err(), "longer than asked for");
        let large = vec![7; 3_000_000];
        host.write(&file, &large, Owner::Maker, 0o600).await.unwrap();
        assert_eq!(
            host.read(&file, large.len()).await.unwrap().as_deref(),
            Some(&large[..])
        );
        // A folder is no file, and nothing is left beside what was made.
        assert!(host.write(&folder, b"x", Owner::Maker, 0o600).await.is_err());
        assert!(host.remove_file(&folder).await.is_err());
        let entries = host.list(&folder).await.unwrap().unwrap();
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(
            (entries[0].kind, entries[0].path.as_ref()),
            (FileKind::File, Some(&file))
        );
        assert!(host.remove_file(&file).await.unwrap());
        assert!(!host.remove_file(&file).await.unwrap());
        let nowhere = path("/srv/absent/file");
        assert!(host.write(&nowhere, b"x", Owner::Maker, 0o600).await.is_err());
        assert_eq!(host.list(&path("/srv/absent")).await.unwrap(), None);
        assert_eq!(lab.sh(&format!("ls -A /srv | grep -c 'files {user}'")), "1");
    }
}

#[tokio::test]
async fn a_link_that_someone_planted_is_not_followed() {
    let Some(lab) = shared() else { return };
    lab.sh("mkdir -p /srv/trap/target; echo theirs > /srv/trap/target/file; install -d -o plain /srv/trap/own");
    lab.sh("su plain -c 'ln -s /srv/trap/target /srv/trap/own/folder; ln -s /srv/trap/target/file /srv/trap/own/file'");
    let host = lab.host("deploy").as_root();
    let through = path("/srv/trap/own/folder/file");
    let stranger = |error: RemoteError| matches!(error, RemoteError::Host(HostError::Stranger { .. }));
    assert!(stranger(
        host.write(&through, b"x", Owner::Maker, 0o600).await.unwrap_err()
    ));
    assert!(stranger(host.read(&through, 100).await.unwrap_err()));
    assert!(stranger(host.remove_file(&through).await.unwrap_err()));
    let below = path("/srv/trap/own/folder/new");
    assert!(stranger(
        host.make_dir(&below, Owner::Maker, 0o700, None).await.unwrap_err()
    ));
    let file = path("/srv/trap/own/file");
    assert!(
        stranger(host.read(&file, 100).await.unwrap_err()),
        "what it names is root's"
    );
    assert!(stranger(host.remove_file_marked(&file, "theirs").await.unwrap_err()));
    host.write(&file, b"ours", Owner::Maker, 0o600).await.unwrap();
    assert_eq!(
        lab.sh("cat /srv/trap/target/file; stat -c %F /srv/trap/own/file"),
        "theirs\nregular file"
    );
    assert_eq!(lab.sh("ls -A /srv/trap/target"), "file");
    // Links of root's are the operator's own arrangement.
    lab.sh("ln -s /srv/trap/target /srv/trap/way");
    host.write(&path("/srv/trap/way/new"), b"x", Owner::Maker, 0o600)
        .await
        .unwrap();
    assert_eq!(lab.sh("cat /srv/trap/target/new"), "x");
}

#[tokio::test]
async fn only_what_carries_the_mark_is_removed() {
    let Some(lab) = shared() else { return };
    let host = lab.host("deploy").as_root();
    lab.sh("mkdir /srv/marks");
    let mark = "vigie job=7 nonce=abc";
    let stranger = |error: RemoteError| matches!(error, RemoteError::Host(HostError::Stranger { .. }));
    for (name, content, ours) in [
        ("ours", "# vigie job=7 nonce=abc\nrest\n", true),
        ("ours, short", "; vigie job=7 nonce=abc", true),
        ("longer nonce", "# vigie job=7 nonce=abcd\n", false),
        ("other job", "# vigie job=17 nonce=abc\n", false),
        ("second line", "x\n# vigie job=7 nonce=abc\n", false),
        ("empty", "", false),
    ] {
        let file = path("/srv/marks").join(name).unwrap();
        host.write(&file, content.as_bytes(), Owner::Maker, 0o644)
            .await
            .unwrap();
        match host.remove_file_marked(&file, mark).await {
            Ok(removed) => assert!(ours && removed, "{name}"),
            Err(error) => assert!(!ours && stranger(error), "{name}"),
        }
        assert_eq!(host.stat(&file).await.unwrap().is_some(), !ours, "{name}");
    }
    assert!(!host.remove_file_marked(&path("/srv/marks/absent"), mark).await.unwrap());
    let link = path("/srv/marks/link");
    assert!(host.make_link(&link, &path("/srv/marks/empty")).await.unwrap());
    assert!(!host.make_link(&link, &path("/srv/marks/empty")).await.unwrap());
    assert!(stranger(
        host.make_link(&link, &path("/srv/marks/other")).await.unwrap_err()
    ));
    assert_eq!(
        host.read_link(&link).await.unwrap().unwrap().as_str(),
        "/srv/marks/empty"
    );
    let marker = |text| vigie::remote::host::Marker { file: ".vigie", text };
    let folder = path("/srv/marks/folder");
    let made = |text| {
        let (host, folder) = (host.clone(), folder.clone());
        async move {
            host.make_dir(&folder, Owner::Named("plain", "plain"), 0o755, Some(&marker(text)))
                .await
        }
    };
    assert!(made(mark).await.unwrap());
    assert!(!made(mark).await.unwrap());
    assert!(stranger(made("vigie job=8 nonce=x").await.unwrap_err()));
    let aside = path("/srv/marks/aside");
    let other = host
        .remove_tree_marked(&folder, &marker("vigie job=8 nonce=x"), &aside)
        .await;
    assert!(stranger(other.unwrap_err()));
    assert!(host.remove_tree_marked(&folder, &marker(mark), &aside).await.unwrap());
    assert_eq!(lab.sh("ls -A /srv/marks | wc -l"), "5");
}
