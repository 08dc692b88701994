//! Keys of a team: what they sealed, changing them, and that no value is ever lost on the way.

use super::NOBODY;
use super::home::{Home, Ran};
use pretty_assertions::assert_eq;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use vigie::registry::Registry;
use vigie::registry::sqlite::Sqlite;
use vigie::remote::secrets::Keyring;

const DB: &str = "canary-database";
const MASTER: &str = "canary-master";

/// A home with two servers and three sealed values.
fn home() -> Home {
    let home = Home::new();
    for (code, url) in [("a", NOBODY), ("b", "http://127.0.0.1:2")] {
        let base = [
            "server",
            "add",
            code,
            "--url",
            url,
            "--max-instances",
            "5",
            "--db-password-stdin",
        ];
        home.stdin(&format!("{DB}-{code}\n"), &base);
    }
    home.stdin(
        &format!("{MASTER}\n"),
        &["server", "edit", "a", "--master-password-stdin"],
    );
    home
}

fn keys(home: &Home) -> PathBuf {
    home.path(".local/share/vigie/keys")
}

/// The ids in the key file, in its order.
fn ids(home: &Home) -> Vec<String> {
    let text = std::fs::read_to_string(keys(home)).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}

/// Every sealed value of the registry, opened with the keys there are.
fn values(home: &Home) -> BTreeMap<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let registry = Sqlite::open(home.path(".local/share/vigie/registry.db")).expect("the registry");
        let keyring = Keyring::at(keys(home));
        let mut found = BTreeMap::new();
        for place in registry.secret_uses().await.expect("the places") {
            let value = keyring
                .resolve(&place.reference)
                .await
                .expect("every value can be opened");
            found.insert(format!("{}.{}", place.label, place.field), value.expose().to_owned());
        }
        found
    })
}

fn wanted() -> BTreeMap<String, String> {
    let pairs = [
        ("a.db_password", "canary-database-a"),
        ("a.master_password", MASTER),
        ("b.db_password", "canary-database-b"),
    ];
    pairs
        .into_iter()
        .map(|(place, value)| (place.to_owned(), value.to_owned()))
        .collect()
}

/// Which keys the registry's values name.
fn used(home: &Home) -> BTreeSet<String> {
    let shown = home.ok(&["secrets", "show-references", "--json"]).json();
    let rows = shown.as_array().expect("a list").clone();
    rows.iter()
        .map(|row| row["key"].as_str().expect("a key").to_owned())
        .collect()
}

fn quiet(ran: &Ran) {
    for canary in ["canary-database", MASTER] {
        assert!(!ran.stdout.contains(canary) && !ran.stderr.contains(canary), "{ran:?}");
    }
}

#[test]
fn a_value_is_sealed_on_its_own_and_taken_where_a_reference_is() {
    let home = Home::new();
    let sealed = home.stdin(&format!("{DB}\n"), &["secrets", "seal", "--stdin", "--json"]);
    quiet(&sealed);
    let reference = sealed.json()["reference"].as_str().expect("a reference").to_owned();
    assert_eq!(sealed.json()["key"], ids(&home)[0]);
    home.ok(&[
        "server",
        "add",
        "a",
        "--url",
        NOBODY,
        "--max-instances",
        "5",
        "--db-password-from",
        &reference,
    ]);
    assert_eq!(values(&home)["a.db_password"], DB);
}

#[test]
fn references_are_shown_with_their_places_and_keys_and_never_a_value() {
    let home = home();
    home.ok(&["server", "edit", "b", "--master-password-from", "env:MASTER_OF_B"]);
    let shown = home.ok(&["secrets", "show-references"]);
    quiet(&shown);
    let key = ids(&home)[0].clone();
    for word in [
        "saas_server",
        "db_password",
        "master_password",
        "env:MASTER_OF_B",
        &key,
        "yes",
    ] {
        assert!(shown.stdout.contains(word), "{word}: {}", shown.stdout);
    }
    let json = home.ok(&["secrets", "show-references", "--json"]);
    quiet(&json);
    let rows = json.json();
    assert_eq!(rows.as_array().map(Vec::len), Some(4));
    assert_eq!(rows[0]["key"], key.as_str());
    assert_eq!(rows[0]["key_is_here"], true);
    assert!(
        !json.stdout.contains("sealed:"),
        "not even what is sealed: {}",
        json.stdout
    );
    // A colleague without the key file sees what can't be opened there.
    std::fs::write(keys(&home), "k0000 AAAA\n").expect("another file");
    let missing = home.ok(&["secrets", "show-references", "--missing", "--json"]).json();
    assert_eq!(missing.as_array().map(Vec::len), Some(3), "{missing}");
    let of = home
        .ok(&["secrets", "show-references", "--key", "k0000", "--json"])
        .json();
    assert_eq!(of, serde_json::json!([]));
}

#[test]
fn a_rotation_seals_everything_anew_and_the_old_key_stays_until_it_is_forgotten() {
    let home = home();
    let old = ids(&home);
    let rotated = home.ok(&["secrets", "rotate", "--json"]);
    quiet(&rotated);
    let now = ids(&home);
    assert_eq!(
        (now.len(), &now[0]),
        (2, &old[0]),
        "the old key stays, the new one is last"
    );
    let said = rotated.json();
    assert_eq!(
        said,
        serde_json::json!({"rotation": "resealed", "key": now[1], "new": true, "values": 3, "older": old})
    );
    assert_eq!(used(&home), BTreeSet::from([now[1].clone()]));
    assert_eq!(values(&home), wanted());
    let mode = std::fs::metadata(keys(&home)).expect("the file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // What is sealed from now on is sealed with it.
    home.stdin("canary-database-b\n", &["server", "edit", "b", "--db-password-stdin"]);
    assert_eq!(used(&home), BTreeSet::from([now[1].clone()]));
    // The audit says which keys, and nothing else.
    let audit = home.ok(&["audit", "--json"]);
    quiet(&audit);
    let rows = audit.json();
    let row = rows
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["action"] == "secrets.rotate")
        .expect("its row")
        .clone();
    assert_eq!(row["from"]["sealed_by"][&old[0]], 3, "{row}");
    assert_eq!(row["to"]["sealed_by"][&now[1]], 3, "{row}");
    let gone = home.ok(&["secrets", "rotate", "--forget-old", "--json"]).json();
    assert_eq!(gone["gone"], serde_json::json!(old));
    assert_eq!(ids(&home), [now[1].clone()]);
    assert_eq!(values(&home), wanted());
    assert_eq!(home.holding("canary-"), Vec::<PathBuf>::new());
}

#[test]
fn an_old_key_is_not_forgotten_while_a_value_names_it() {
    let home = home();
    let old = ids(&home)[0].clone();
    // A key that came from a colleague: the newest, and nothing is sealed with it.
    Keyring::at(keys(&home)).rotate().expect("a key");
    let refused = home.fails(&["secrets", "rotate", "--forget-old"]);
    assert!(
        refused.stderr.contains("3 values are sealed with older keys"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("db_password of saas_server"),
        "{}",
        refused.stderr
    );
    assert_eq!(ids(&home)[0], old);
    assert_eq!(values(&home), wanted());
    // A rotation takes that key, and makes none of its own.
    let newest = ids(&home)[1].clone();
    let said = home.ok(&["secrets", "rotate", "--json"]).json();
    assert_eq!(
        (said["key"].as_str(), said["new"].as_bool()),
        (Some(newest.as_str()), Some(false))
    );
    home.ok(&["secrets", "rotate", "--forget-old"]);
    assert_eq!(ids(&home), [newest]);
    assert_eq!(values(&home), wanted());
}

#[test]
fn a_rotation_killed_anywhere_leaves_every_value_readable_and_is_finished_by_the_next() {
    for (point, finished) in [("secrets.rotate.key_added", false), ("secrets.rotate.resealed", true)] {
        let home = home();
        let killed = home
            .vigie(&["secrets", "rotate"])
            .env("VIGIE_FAILPOINT", point)
            .status()
            .expect("a run");
        assert!(!killed.success(), "{point}");
        let after = ids(&home);
        assert_eq!(
            after.len(),
            2,
            "{point}: the new key is on the disk before anything is sealed with it"
        );
        assert_eq!(values(&home), wanted(), "{point}");
        let sealed_by = if finished { &after[1] } else { &after[0] };
        assert_eq!(
            used(&home),
            BTreeSet::from([sealed_by.clone()]),
            "{point}: all or nothing"
        );
        home.ok(&["secrets", "rotate"]);
        assert_eq!(values(&home), wanted(), "{point}");
        let last = ids(&home);
        // What was begun is finished with its key; what was finished is rotated once more.
        assert_eq!(last.len(), if finished { 3 } else { 2 }, "{point}");
        assert_eq!(used(&home), BTreeSet::from([last[last.len() - 1].clone()]), "{point}");
    }
}

#[test]
fn a_rotation_killed_at_any_moment_loses_nothing() {
    let home = home();
    for pause in 0..12_u64 {
        let mut child = home
            .vigie(&["secrets", "rotate"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("a run");
        std::thread::sleep(std::time::Duration::from_millis(pause * 6));
        let _ = child.kill();
        let _ = child.wait();
        assert_eq!(values(&home), wanted(), "killed after {} ms", pause * 6);
        assert_eq!(used(&home).len(), 1, "all values by one key");
    }
    home.ok(&["secrets", "rotate"]);
    home.ok(&["secrets", "rotate", "--forget-old"]);
    assert_eq!(ids(&home).len(), 1);
    assert_eq!(values(&home), wanted());
    let left: Vec<_> = home
        .walk()
        .into_iter()
        .filter(|(path, _)| path.to_string_lossy().contains("keys.new-"))
        .collect();
    assert_eq!(left, [], "nothing of a killed write is left");
}

#[test]
fn a_rotation_without_every_key_changes_nothing() {
    let home = home();
    let text = std::fs::read_to_string(keys(&home)).expect("the keys");
    let other = Home::new();
    other.stdin("x12345\n", &["secrets", "seal", "--stdin"]);
    std::fs::copy(keys(&other), keys(&home)).expect("another's keys");
    let refused = home.fails(&["secrets", "rotate"]);
    let id = text.split(' ').next().expect("an id").to_owned();
    assert!(
        refused.stderr.contains(&id) && refused.stderr.contains("nothing was changed"),
        "{}",
        refused.stderr
    );
    assert_eq!(ids(&home), ids(&other), "no key was made");
    std::fs::write(keys(&home), text).expect("the keys");
    assert_eq!(values(&home), wanted());
}

#[test]
fn two_rotations_at_once_lose_no_key() {
    let home = home();
    let mut running: Vec<_> = (0..3)
        .map(|_| {
            home.vigie(&["secrets", "rotate"])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .expect("a run")
        })
        .collect();
    for child in &mut running {
        assert!(child.wait().expect("an end").success());
    }
    assert_eq!(ids(&home).len(), 4);
    assert_eq!(values(&home), wanted());
}

#[test]
fn keys_of_a_vault_are_read_by_its_program_and_written_by_nobody() {
    let home = home();
    let vault = home.path("vault");
    std::fs::rename(keys(&home), &vault).expect("into the vault");
    let setting = format!("command:cat {}", vault.display());
    let vigie = |arguments: &[&str]| -> Ran {
        home.vigie(arguments)
            .env("VIGIE_KEY_FILE", &setting)
            .output()
            .expect("a run")
            .into()
    };
    let shown = vigie(&["secrets", "show-references", "--missing", "--json"]);
    assert_eq!(shown.json(), serde_json::json!([]), "{shown:?}");
    let doctor = vigie(&["doctor"]);
    assert!(doctor.stdout.contains("command:cat: k"), "{doctor:?}");
    // It can't be written: says so, and how it is done.
    let refused = vigie(&["secrets", "rotate"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("where vigie can't write") && refused.stderr.contains("--new-key-file"),
        "{refused:?}"
    );
    assert!(!keys(&home).exists(), "no key file was made beside the vault");
    let next = home.path("next");
    let next_text = next.display().to_string();
    let written = vigie(&["secrets", "rotate", "--new-key-file", &next_text, "--json"]);
    assert_eq!(written.code, 0, "{written:?}");
    let key = written.json()["key"].as_str().expect("a key").to_owned();
    let mode = std::fs::metadata(&next).expect("the file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(
        vigie(&["secrets", "rotate", "--new-key-file", &next_text]).code,
        1,
        "nothing is overwritten"
    );
    std::fs::copy(&next, &vault).expect("into the vault");
    let rotated = vigie(&["secrets", "rotate", "--json"]).json();
    assert_eq!(
        (
            rotated["key"].as_str(),
            rotated["new"].as_bool(),
            rotated["values"].as_u64()
        ),
        (Some(key.as_str()), Some(false), Some(3))
    );
    let last = home.path("last");
    let forgotten = vigie(&[
        "secrets",
        "rotate",
        "--forget-old",
        "--new-key-file",
        &last.display().to_string(),
    ]);
    assert_eq!(forgotten.code, 0, "{forgotten:?}");
    std::fs::copy(&last, &vault).expect("into the vault");
    std::fs::copy(&vault, keys(&home)).expect("to be read by this test");
    assert_eq!(ids(&home), [key]);
    assert_eq!(values(&home), wanted());
    // A setting that is neither a path nor a command is refused without being repeated as a secret.
    let odd = home
        .vigie(&["doctor"])
        .env("VIGIE_KEY_FILE", "keys")
        .output()
        .expect("a run");
    assert!(!odd.status.success());
    assert!(String::from_utf8_lossy(&odd.stderr).contains("expected an absolute path"));
}
