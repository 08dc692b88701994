//! Secrets leave no trace where they don't belong, and what is kept is kept private.

use super::NOBODY;
use super::home::Home;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_password_in_the_clear_is_refused_and_repeated_nowhere() {
    let home = Home::new();
    let canary = "canary-in-the-clear";
    for flag in ["--db-password-from", "--master-password-from"] {
        for json in [&[][..], &["--json"]] {
            let base = [
                "server",
                "add",
                "a",
                "--url",
                NOBODY,
                "--max-instances",
                "5",
                flag,
                canary,
            ];
            let ran = home.fails(&[&base[..], json].concat());
            assert!(ran.stderr.contains("never in the clear"), "{}", ran.stderr);
            assert!(!ran.stderr.contains(canary) && !ran.stdout.contains(canary), "{ran:?}");
        }
    }
    let ran = home.fails(&["instance", "create", "X", "--admin-password-from", canary]);
    assert!(!ran.stderr.contains(canary), "{ran:?}");
    assert_eq!(home.holding(canary), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_password_on_standard_input_is_sealed() {
    let home = Home::new();
    let canary = "canary-on-standard-input";
    let input = format!("{canary}\n");
    let base = [
        "server",
        "add",
        "a",
        "--url",
        NOBODY,
        "--max-instances",
        "5",
        "--db-host",
        "127.0.0.1",
        "--db-port",
        "1",
    ];
    let added = home.stdin(&input, &[&base[..], &["--db-password-stdin", "--json"]].concat());
    let reference = added.json()["db_password"].as_str().unwrap_or_default().to_owned();
    assert!(reference.starts_with("sealed (k"), "{reference}");
    home.stdin(&input, &["server", "edit", "a", "--master-password-stdin"]);
    for verb in [
        &["server", "show", "a"][..],
        &["server", "show", "a", "--json"],
        &["server", "test", "a", "--json"],
        &["server", "check", "a"],
        &["server", "activate", "a"],
        &["audit", "--json"],
        &["doctor", "--json"],
    ] {
        let ran = home.run(verb);
        assert!(
            !ran.stdout.contains(canary) && !ran.stderr.contains(canary),
            "{verb:?}: {ran:?}"
        );
    }
    assert_eq!(home.holding(canary), Vec::<std::path::PathBuf>::new());
}

#[test]
fn everything_that_is_made_is_private_whatever_the_umask() {
    let home = Home::new();
    let line = format!(
        "umask 000; printf s3cret | \"$VIGIE\" server add a --url {NOBODY} --max-instances 5 --db-password-stdin && \
         \"$VIGIE\" server check a; \"$VIGIE\" audit"
    );
    home.shell(&line);
    let made: Vec<_> = home.walk();
    assert!(made.iter().any(|(path, _)| path.ends_with("keys")), "{made:?}");
    assert!(made.iter().any(|(path, _)| path.ends_with("registry.db")), "{made:?}");
    assert!(
        made.iter().any(|(path, _)| path.to_string_lossy().ends_with(".log")),
        "{made:?}"
    );
    for (path, mode) in made {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{} has mode {mode:o}", path.display());
    }
}

#[test]
fn a_key_file_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let home = Home::new();
    let base = [
        "server",
        "add",
        "a",
        "--url",
        NOBODY,
        "--max-instances",
        "5",
        "--db-password-stdin",
    ];
    home.stdin("s3cret", &base);
    let keys = home.path(".local/share/vigie/keys");
    home.chmod(&keys, 0o640);
    let output = {
        let line = "printf other | \"$VIGIE\" server edit a --db-password-stdin --json";
        home.shell(line)
    };
    assert_eq!(output.code, 1, "{output:?}");
    assert_eq!(output.error()["hint"], format!("chmod 600 {}", keys.display()));
    let mode = std::fs::metadata(&keys).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode, 0o640, "it is told, not changed");
}
