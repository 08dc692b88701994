use super::*;
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use std::time::Instant;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn a_file_gives_its_first_line() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::new(folder.path());
    let path = folder.path().join("pw");
    for (content, wanted) in [("one\ntwo\n", "one"), ("one\r\n", "one"), (" sp ace ", " sp ace ")] {
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let found = keyring
            .resolve(&SecretRef::File(path.display().to_string()))
            .await
            .unwrap();
        assert_eq!(found.expose(), wanted);
    }
    std::fs::write(&path, "\nsecond").unwrap();
    let empty = keyring.resolve(&SecretRef::File(path.display().to_string())).await;
    assert!(matches!(empty, Err(SecretError::Empty(_))));
}

#[tokio::test]
async fn a_file_that_others_may_open_is_refused_with_the_command_that_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::new(folder.path());
    let path = folder.path().join("pw");
    std::fs::write(&path, "canary-in-file\n").unwrap();
    for bits in [0o644, 0o640, 0o604, 0o620, 0o602, 0o660, 0o666] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits)).unwrap();
        let refused = keyring.resolve(&SecretRef::File(path.display().to_string())).await;
        let error = refused.err().unwrap_or_else(|| panic!("{bits:o} was accepted"));
        assert!(
            matches!(error, SecretError::TooOpen { mode, .. } if mode == bits),
            "{error}"
        );
        assert_eq!(error.hint(), format!("chmod 600 {}", path.display()));
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
    for bits in [0o600, 0o400] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits)).unwrap();
        assert!(
            keyring
                .resolve(&SecretRef::File(path.display().to_string()))
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn a_command_gets_its_arguments_whole_and_no_shell() {
    let keyring = Keyring::new(tempfile::tempdir().unwrap().path());
    let hostile = "$(touch /tmp/x); `id` 'a\" *";
    let argv = vec!["printf".to_owned(), "%s\\nmore".to_owned(), hostile.to_owned()];
    let found = keyring.resolve(&SecretRef::Command(argv)).await.unwrap();
    assert_eq!(found.expose(), hostile);
}

#[tokio::test]
async fn a_commands_failure_shows_nothing_it_wrote() {
    let keyring = Keyring::new(tempfile::tempdir().unwrap().path());
    let script = "echo canary-out; echo canary-err >&2; exit 3";
    let argv = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
    let error = keyring.resolve(&SecretRef::Command(argv)).await.err().unwrap();
    let shown = format!("{error} {error:?} {}", error.hint());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("exit status: 3"), "{shown}");
    let absent = keyring
        .resolve(&SecretRef::Command(vec!["/no/such/program".to_owned()]))
        .await;
    assert!(matches!(absent, Err(SecretError::Command { .. })));
}

#[tokio::test]
async fn a_command_that_waits_for_input_gets_none() {
    let keyring = Keyring::new(tempfile::tempdir().unwrap().path());
    let begun = Instant::now();
    let argv = vec!["cat".to_owned()];
    assert!(matches!(
        keyring.resolve(&SecretRef::Command(argv)).await,
        Err(SecretError::Empty(_))
    ));
    assert!(begun.elapsed() < RESOLVE_LIMIT / 2);
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::new(folder.path());
    let pids = folder.path().join("pids");
    // The child of the command would outlive it.
    let script = format!("sleep 1000 & echo $! > {}; wait", pids.display());
    let argv = vec!["sh".to_owned(), "-c".to_owned(), script];
    let begun = Instant::now();
    let error = keyring.resolve(&SecretRef::Command(argv)).await.err().unwrap();
    assert!(matches!(error, SecretError::Command { .. }), "{error}");
    assert!(begun.elapsed() < RESOLVE_LIMIT + Duration::from_secs(3));
    let pid = std::fs::read_to_string(&pids).unwrap();
    let proc = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    let until = Instant::now() + Duration::from_secs(5);
    // A zombie that nobody reaps counts as ended.
    while std::fs::read_to_string(&proc).is_ok_and(|stat| !stat.contains(") Z")) {
        assert!(Instant::now() < until, "the command's child lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_was_sealed_opens_again_and_the_key_file_is_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("new/config");
    // Under the widest umask there is.
    let before = rustix::process::umask(rustix::fs::Mode::empty());
    let sealed = Keyring::new(&config).seal(&secret("pässword"));
    rustix::process::umask(before);
    let sealed = sealed.unwrap();
    assert_eq!(mode(&config.join("keys")), 0o600);
    assert_eq!(mode(&config), 0o700);
    assert_eq!(
        std::fs::read_dir(&config).unwrap().count(),
        1,
        "nothing is left beside it"
    );
    assert!(!String::from(sealed.clone()).contains("ssword"));
    // Another process, later, through the stored text.
    let again = SecretRef::parse(&String::from(sealed)).unwrap();
    assert_eq!(
        Keyring::new(&config).resolve(&again).await.unwrap().expose(),
        "pässword"
    );
}

#[tokio::test]
async fn a_key_file_that_others_may_open_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::new(folder.path());
    let sealed = keyring.seal(&secret("x")).unwrap();
    let keys = folder.path().join("keys");
    for bits in [0o640, 0o604, 0o666] {
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(bits)).unwrap();
        assert!(
            matches!(keyring.resolve(&sealed).await, Err(SecretError::TooOpen { .. })),
            "{bits:o}"
        );
        assert!(
            matches!(keyring.seal(&secret("y")), Err(SecretError::TooOpen { .. })),
            "{bits:o}"
        );
    }
}

#[tokio::test]
async fn keys_rotate_and_old_ones_still_open() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::new(folder.path());
    let old = keyring.seal(&secret("first")).unwrap();
    let id = keyring.rotate().unwrap();
    let new = keyring.seal(&secret("second")).unwrap();
    assert!(matches!(&new, SecretRef::Sealed { key_id, .. } if *key_id == id));
    assert!(matches!(&old, SecretRef::Sealed { key_id, .. } if *key_id != id));
    assert_eq!(keyring.resolve(&old).await.unwrap().expose(), "first");
    assert_eq!(keyring.resolve(&new).await.unwrap().expose(), "second");
    assert_eq!(mode(&folder.path().join("keys")), 0o600);
}

#[tokio::test]
async fn a_changed_value_or_another_key_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::new(folder.path());
    let SecretRef::Sealed { key_id, blob } = keyring.seal(&secret("value")).unwrap() else {
        panic!("not sealed");
    };
    let other = keyring.rotate().unwrap();
    let flipped: String = blob.chars().rev().collect();
    for (key_id, blob) in [
        (other, blob.clone()),
        (key_id.clone(), flipped),
        (key_id.clone(), "AAAA".to_owned()),
        (key_id, "no base64!".to_owned()),
    ] {
        let opened = keyring
            .resolve(&SecretRef::Sealed {
                key_id,
                blob: blob.clone(),
            })
            .await;
        assert!(matches!(opened, Err(SecretError::Tampered(_))), "{blob}");
    }
    let absent = SecretRef::Sealed {
        key_id: "gone".to_owned(),
        blob,
    };
    assert!(matches!(keyring.resolve(&absent).await, Err(SecretError::NoKey { .. })));
}

#[test]
fn many_that_make_the_key_file_at_once_agree_on_one() {
    let folder = tempfile::tempdir().unwrap();
    let sealed: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Keyring::new(folder.path()).seal(&secret("shared")).unwrap()))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let keyring = Keyring::new(folder.path());
    for reference in sealed {
        let SecretRef::Sealed { key_id, blob } = reference else {
            panic!("not sealed")
        };
        assert_eq!(keyring.keys.open(&key_id, &blob).unwrap().expose(), "shared");
    }
}

#[test]
fn passwords_are_long_varied_and_can_be_read_out() {
    let keyring = Keyring::new(tempfile::tempdir().unwrap().path());
    let made: std::collections::HashSet<String> = (0..200)
        .map(|_| keyring.generate_password().unwrap().expose().to_owned())
        .collect();
    assert_eq!(made.len(), 200);
    let mut used = std::collections::BTreeSet::new();
    for password in &made {
        assert!(password.len() >= 20);
        assert!(!password.contains(['0', 'O', 'o', '1', 'l', 'I']), "{password}");
        used.extend(password.chars());
    }
    // 4,000 draws: a letter that never comes would be a fault of the draw.
    assert_eq!(used.len(), ALPHABET.len());
}

#[tokio::test]
async fn what_was_resolved_sealed_or_made_is_taken_out_of_texts() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::new(folder.path());
    let path = folder.path().join("pw");
    std::fs::write(&path, "canary\"quoted\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    keyring
        .resolve(&SecretRef::File(path.display().to_string()))
        .await
        .unwrap();
    keyring.seal(&secret("canary-sealed")).unwrap();
    let made = keyring.generate_password().unwrap();
    let text = format!(
        "a canary\"quoted b canary\\\"quoted c canary-sealed d {} e",
        made.expose()
    );
    let redacted = keyring.redactor().clone().redact(&text).into_owned();
    assert_eq!(redacted, "a ‹secret› b ‹secret› c ‹secret› d ‹secret› e");
    assert!(matches!(
        keyring.redactor().redact("nothing here"),
        std::borrow::Cow::Borrowed(_)
    ));
    keyring.seal(&secret("admin")).unwrap();
    assert_eq!(
        keyring.redactor().redact("login admin"),
        "login admin",
        "too short to be told from words"
    );
}

/// A keyring whose keys a script prints.
fn vault(script: &str) -> Keyring {
    Keyring::at(KeySource::Command(vec![
        "sh".to_owned(),
        "-c".to_owned(),
        script.to_owned(),
    ]))
}

#[tokio::test]
async fn a_vault_is_asked_once_in_a_while_and_its_keys_stay_off_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::new(folder.path());
    let sealed = keyring.seal(&secret("in the vault")).unwrap();
    let (keys, calls) = (folder.path().join("keys"), folder.path().join("calls"));
    let theirs = vault(&format!("echo x >> {}; cat {}", calls.display(), keys.display()));
    let calls = || std::fs::read_to_string(&calls).unwrap_or_default().lines().count();
    for _ in 0..5 {
        assert_eq!(theirs.resolve(&sealed).await.unwrap().expose(), "in the vault");
    }
    assert_eq!(calls(), 1, "its answer is kept in memory");
    // A key that it has not is looked for again, but not at every job.
    keyring.rotate().unwrap();
    let newer = keyring.seal(&secret("newer")).unwrap();
    for _ in 0..5 {
        let lacking = theirs.resolve(&newer).await.err().unwrap();
        assert_eq!(lacking.missing_key(), newer.key_id());
        assert!(lacking.to_string().contains("command:sh"), "{lacking}");
    }
    assert_eq!(calls(), 1);
    assert_eq!(
        theirs.key_ids().unwrap().len(),
        2,
        "who asks for the keys of this moment gets them"
    );
    assert_eq!(theirs.resolve(&newer).await.unwrap().expose(), "newer");
    assert!(matches!(theirs.rotate(), Err(SecretError::ReadOnlyKeys(_))));
}

#[test]
fn a_vault_that_fails_hangs_or_babbles_shows_nothing_it_wrote() {
    for (script, wanted) in [
        ("echo k1 canary; exit 3", "exit status: 3"),
        ("echo canary", "line 1 is no key"),
        ("printf 'k1 AAAA\n\ncanary\n'", "line 3 is no key"),
        ("printf 'k1 \\377\\376'", "gives no single line of text"),
    ] {
        let error = vault(script).key_ids().err().unwrap_or_else(|| panic!("{script}"));
        let said = format!("{error} {error:?} {}", error.hint());
        assert!(said.contains(wanted) && !said.contains("canary"), "{script}: {said}");
    }
    let begun = Instant::now();
    let hung = vault("sleep 1000").key_ids().err().unwrap();
    assert!(hung.to_string().contains("gave nothing within"), "{hung}");
    assert!(begun.elapsed() < RESOLVE_LIMIT + Duration::from_secs(3));
}

#[test]
fn keys_are_kept_and_dropped_by_their_ids_and_a_link_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("team/keys");
    let keyring = Keyring::at(real.clone());
    let first = keyring.rotate().unwrap();
    let link = folder.path().join("keys");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let linked = Keyring::at(link.clone());
    let second = linked.rotate().unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(keyring.key_ids().unwrap(), [first.clone(), second.clone()]);
    let held = linked.lock().unwrap();
    let gone = linked.keep_keys(&held, std::slice::from_ref(&second)).unwrap();
    assert_eq!((gone, keyring.key_ids().unwrap()), (vec![first], vec![second]));
    assert_eq!(mode(&real), 0o600);
}

proptest! {
    #[test]
    fn any_value_comes_back_and_never_shows(value in "\\PC{6,80}") {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::new(folder.path());
        let sealed = keyring.seal(&secret(&value)).unwrap();
        let shown = format!("{sealed:?}");
        prop_assert!(!shown.contains(&value));
        let SecretRef::Sealed { key_id, blob } = sealed else { panic!("not sealed") };
        let opened = keyring.keys.open(&key_id, &blob).unwrap();
        prop_assert_eq!(opened.expose(), value.as_str());
        let text = format!("before {value} after");
        prop_assert!(!keyring.redactor().redact(&text).contains(&value));
    }
}
