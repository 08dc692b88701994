//! The real binary from the shell, with a home of its own: what it prints, how it ends, what it keeps.

mod complete;
mod config;
mod explain;
mod first;
mod guards;
pub(crate) mod home;
mod keys;
mod many;
mod refusals;
mod secrets;

use home::Home;
use serde_json::{Value, json};

/// A server that refuses connections: nothing listens on port 1.
pub(crate) const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn a_server_is_added_as_the_documentation_says() {
    let home = Home::new();
    let added = home.ok(&[
        "server",
        "add",
        "prod-1",
        "--name",
        "Production 1",
        "--url",
        "https://odoo1.example.org",
        "--max-instances",
        "50",
        "--db-host",
        "10.0.0.5",
        "--db-port",
        "5432",
        "--db-user",
        "odoo",
        "--db-password-from",
        "env:PROD1_DB",
        "--master-password-from",
        "file:/run/secrets/master",
        "--json",
    ]);
    let server = added.json();
    for (field, value) in [
        ("code", json!("prod-1")),
        ("name", json!("Production 1")),
        ("description", json!("")),
        ("server_url", json!("https://odoo1.example.org")),
        ("server_ip", Value::Null),
        ("port", Value::Null),
        ("ssh_host", Value::Null),
        ("db_host", json!("10.0.0.5")),
        ("db_port", json!(5432)),
        ("db_user", json!("odoo")),
        ("db_password", json!("env:PROD1_DB")),
        ("master_password", json!("file:/run/secrets/master")),
        ("max_instances", json!(50)),
        ("cpu_cores", Value::Null),
        ("memory_gb", Value::Null),
        ("disk_gb", Value::Null),
        ("intent", json!("draft")),
        ("observed", json!("never_seen")),
        ("state", json!("draft")),
        ("health_status", json!("unknown")),
        ("last_check_date", Value::Null),
        ("instance_count", json!(0)),
        ("available_capacity", json!(100.0)),
    ] {
        assert_eq!(server.get(field), Some(&value), "{field}");
    }
    let listed = home.ok(&["server", "list", "--json"]).json();
    assert_eq!(listed, json!([server]));
    let template = home.ok(&[
        "template",
        "add",
        "restaurant",
        "--name",
        "Restaurant",
        "--server",
        "prod-1",
        "--database",
        "template_restaurant",
        "--language",
        "fr_FR",
        "--json",
    ]);
    let template = template.json();
    assert_eq!(template["state"], "draft");
    assert_eq!(template["server"], "prod-1");
    assert_eq!(template["template_database"], "template_restaurant");
    assert_eq!(template["language"], "fr_FR");
    let shown = home.ok(&["template", "show", "restaurant", "--json"]).json();
    assert_eq!(shown, template);
}

#[test]
fn a_server_is_changed_field_by_field_and_fields_are_taken_away() {
    let home = Home::new();
    home.ok(&[
        "server",
        "add",
        "a",
        "--url",
        NOBODY,
        "--max-instances",
        "5",
        "--db-host",
        "db",
        "--db-user",
        "odoo",
    ]);
    let edited = home.ok(&[
        "server",
        "edit",
        "a",
        "--max-instances",
        "7",
        "--ssh-host",
        "bastion",
        "--ssh-user",
        "ops",
        "--ssh-port",
        "2222",
        "--cpu-cores",
        "8",
        "--memory-gb",
        "32",
        "--disk-gb",
        "500",
        "--ip",
        "192.0.2.7",
        "--description",
        "first rack",
        "--unset",
        "db-user",
        "--json",
    ]);
    let server = edited.json();
    assert_eq!(server["max_instances"], 7);
    assert_eq!(server["ssh_host"], "bastion");
    assert_eq!(server["ssh_user"], "ops");
    assert_eq!(server["ssh_port"], 2222);
    assert_eq!(server["cpu_cores"], 8);
    assert_eq!(server["server_ip"], "192.0.2.7");
    assert_eq!(server["description"], "first rack");
    assert_eq!(server["db_user"], Value::Null);
    assert_eq!(server["db_host"], "db", "what is not named stays");
    assert_eq!(server["version"], 2);
    let renamed = home.ok(&["server", "edit", "a", "--new-code", "b", "--json"]).json();
    assert_eq!(renamed["code"], "b");
    let gone = home.fails(&["server", "show", "a"]);
    assert!(gone.stderr.contains("there is no server \"a\""), "{}", gone.stderr);
}

#[test]
fn every_list_is_an_array_and_says_to_a_person_what_to_do_when_it_is_empty() {
    let home = Home::new();
    for list in [
        &["server", "list"][..],
        &["template", "list"],
        &["instance", "list"],
        &["plan", "list"],
        &["customer", "list"],
        &["job", "list"],
        &["audit"],
    ] {
        let json = home.ok(&[list, &["--json"]].concat()).json();
        assert_eq!(json, json!([]), "{list:?}");
        let text = home.ok(list).stdout;
        assert!(
            text.starts_with("no ") || text.starts_with("nothing "),
            "{list:?}: {text}"
        );
    }
}

#[test]
fn plans_and_customers_are_kept() {
    let home = Home::new();
    let plan = home.ok(&[
        "plan",
        "add",
        "starter",
        "--name",
        "Starter",
        "--max-users",
        "5",
        "--json",
    ]);
    assert_eq!(plan.json()["max_users"], 5);
    let again = home.fails(&["plan", "add", "starter", "--json"]);
    assert_eq!(again.error()["code"], "taken");
    let customer = home.ok(&["customer", "add", "ABC SARL", "--json"]).json();
    let same = home.ok(&["customer", "add", "ABC SARL", "--json"]).json();
    assert_eq!(customer, same, "a known customer is the same one");
    assert_eq!(
        home.ok(&["plan", "list", "--json"]).json().as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn tables_are_aligned_and_hold_no_control_characters() {
    let home = Home::new();
    home.ok(&[
        "server",
        "add",
        "a",
        "--name",
        "red \u{1b}[31m\u{202e}evil",
        "--url",
        NOBODY,
        "--max-instances",
        "5",
    ]);
    home.ok(&[
        "server",
        "add",
        "b-longer",
        "--url",
        "http://127.0.0.1:2",
        "--max-instances",
        "500",
    ]);
    for verb in [
        &["server", "list"][..],
        &["server", "show", "a"],
        &["audit"],
        &["server", "list", "--json"],
    ] {
        let out = home.ok(verb).stdout;
        assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out:?}");
    }
    let text = home.ok(&["server", "list"]).stdout;
    let columns: Vec<Option<usize>> = text
        .lines()
        .map(|line| line.find("draft").or_else(|| line.find("STATE")))
        .collect();
    assert!(
        columns.windows(2).all(|pair| pair[0] == pair[1] && pair[0].is_some()),
        "{text}"
    );
}

#[test]
fn a_check_is_kept_and_a_test_is_not() {
    let home = Home::new();
    home.ok(&["server", "add", "a", "--url", NOBODY, "--max-instances", "5"]);
    let tested = home.fails(&["server", "test", "a", "--json"]);
    assert_eq!(tested.error()["code"], "connection_test_failed");
    assert_eq!(tested.json()["success"], false, "the report is on standard output");
    assert_eq!(tested.json()["failure"]["kind"], "refused");
    assert_eq!(
        home.ok(&["server", "show", "a", "--json"]).json()["health_checks"],
        json!([])
    );
    let checked = home.fails(&["server", "check", "a", "--json"]);
    assert_eq!(checked.json()["code"], "a", "one that is named is an object");
    let all = home.fails(&["server", "check", "--json"]);
    assert_eq!(all.json().as_array().map(Vec::len), Some(1), "all of them are a list");
    let shown = home.ok(&["server", "show", "a", "--json"]).json();
    assert_eq!(shown["health_checks"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown["observed"], "offline", "two failed checks in a row");
    assert_eq!(shown["health_status"], "critical");
    assert_eq!(
        shown["state"], "draft",
        "a check never changes what the operator intends"
    );
    assert!(
        shown["health_reason"].as_str().is_some_and(|r| r.contains("refused")),
        "{shown}"
    );
}

#[test]
fn completions_are_there_for_every_shell() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = home.ok(&["completions", shell]).stdout;
        assert!(out.contains("create-database"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::new();
    let out = home.shell("set -o pipefail; \"$VIGIE\" completions bash | head -n 1 >/dev/null");
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
}

#[test]
fn help_and_version_succeed_and_name_every_verb() {
    let home = Home::new();
    let help = home.ok(&["--help"]).stdout;
    for verb in [
        "server",
        "template",
        "instance",
        "placement",
        "job",
        "worker",
        "doctor",
        "completions",
        "plan",
        "customer",
        "audit",
    ] {
        assert!(
            help.contains(&format!("\n  {verb} ")),
            "{verb} is not in the help:\n{help}"
        );
    }
    assert!(home.ok(&["--version"]).stdout.starts_with("vigie "));
}

#[test]
fn the_doctor_tells_what_is_wrong_and_what_to_do() {
    let home = Home::new();
    let well = home.ok(&["doctor", "--json"]).json();
    assert_ne!(well["level"], "error");
    home.ok(&[
        "server",
        "add",
        "a",
        "--url",
        NOBODY,
        "--max-instances",
        "5",
        "--db-host",
        "db",
        "--db-password-from",
        "env:VANISHED",
    ]);
    let ill = home.fails(&["doctor", "--json"]);
    let findings = ill.json()["findings"].as_array().cloned().unwrap_or_default();
    let found = |part: &str| {
        findings
            .iter()
            .find(|f| f["found"].as_str().is_some_and(|text| text.contains(part)))
            .unwrap_or_else(|| panic!("{part} is not found in {findings:?}"))
            .clone()
    };
    assert_eq!(found("connection refused")["level"], "error");
    assert_eq!(found("db_password (env:VANISHED)")["level"], "warning");
    assert!(
        found("db_password")["hint"]
            .as_str()
            .is_some_and(|h| h.contains("VANISHED"))
    );
    home.stdin("s3cret", &["server", "edit", "a", "--db-password-stdin"]);
    let keys = home.path(".local/share/vigie/keys");
    home.chmod(&keys, 0o644);
    let loose = home.fails(&["doctor"]);
    assert!(
        loose.stdout.contains(&format!("chmod 600 {}", keys.display())),
        "{}",
        loose.stdout
    );
}

/// A child that ends with the value.
struct Ending(std::process::Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_doctor_tells_of_a_worker_that_lacks_a_variable() {
    let home = Home::new();
    let mut command = home.vigie(&["worker"]);
    let _worker = Ending(command.stderr(std::process::Stdio::null()).spawn().expect("a worker"));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let findings = loop {
        let findings = home.ok(&["doctor", "--json"]).json()["findings"].to_string();
        if findings.contains("1 alive") {
            break findings;
        }
        assert!(std::time::Instant::now() < end, "{findings}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(!findings.contains("was started without"), "{findings}");
    let from = "env:CAME_LATER";
    home.ok(&[
        "server",
        "add",
        "a",
        "--url",
        NOBODY,
        "--max-instances",
        "5",
        "--db-password-from",
        from,
    ]);
    let mut doctor = home.vigie(&["doctor", "--json"]);
    let output = doctor.env("CAME_LATER", "x").output().expect("a run");
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(told.contains("was started without CAME_LATER"), "{told}");
    assert!(!told.contains("can't be had"), "it resolves here: {told}");
}

#[test]
fn what_happened_is_told_with_filters_and_verified() {
    let home = Home::new();
    for name in ["prod-1", "prod-2"] {
        home.ok(&[
            "server",
            "add",
            name,
            "--url",
            &format!("https://{name}.example.org"),
            "--max-instances",
            "5",
        ]);
    }
    home.fails(&[
        "server",
        "add",
        "prod-1",
        "--url",
        "https://x.example.org",
        "--max-instances",
        "5",
    ]);
    let count = |args: &[&str]| {
        let mut all = vec!["audit"];
        all.extend(args);
        all.push("--json");
        home.ok(&all).json().as_array().map_or(0, Vec::len)
    };
    for (args, rows) in [
        (&[][..], 3),
        (&["list"], 3),
        (&["--since", "2h"], 3),
        (&["--until", "2h"], 0),
        (&["--since", "2020-01-01", "--until", "2020-01-02 12:00"], 0),
        (&["--who", "ada"], 3),
        (&["--who", "nobody"], 0),
        (&["--object", "server:prod-1"], 1),
        (&["--object", "server:2"], 1),
        (&["--action", "server."], 3),
        (&["--refused"], 1),
        (&["--via", "worker"], 0),
        (&["--text", "PROD-2.example"], 1),
        (&["--limit", "2"], 2),
        (&["list", "--before", "2"], 1),
    ] {
        assert_eq!(count(args), rows, "{args:?}");
    }
    let shown = home.ok(&["audit", "--refused"]);
    assert!(
        shown
            .stdout
            .contains("refused: server code \"prod-1\" is taken already"),
        "{}",
        shown.stdout
    );
    for wrong in ["yesterday", "2h30", "-1h"] {
        let said = home.run(&["audit", &format!("--since={wrong}")]);
        assert_eq!(said.code, 2, "{wrong}");
        assert!(said.stderr.contains("no such time"), "{}", said.stderr);
    }
    let whole = home.ok(&["audit", "verify"]);
    assert!(
        whole.stdout.contains("3 rows are as they were written"),
        "{}",
        whole.stdout
    );
    assert!(whole.stdout.contains("no anchors to compare with"), "{}", whole.stdout);
    let newest = home.ok(&["audit", "verify", "--json"]).json()["newest"].clone();
    assert_eq!(newest["id"], 3);
    let anchors = home.path("outside.anchors");
    let hash = newest["hash"].as_str().unwrap_or_default();
    std::fs::write(&anchors, format!("2026-11-21T18:00:00Z 3 {hash}\n")).unwrap();
    let file = anchors.display().to_string();
    assert!(
        home.ok(&["audit", "verify", "--anchor", &file])
            .stdout
            .contains("compared with the anchor of")
    );
    std::fs::write(&anchors, format!("2026-11-21T18:00:00Z 4 {hash}\n")).unwrap();
    let said = home.fails(&["audit", "verify", "--anchor", &file]);
    assert!(said.stderr.contains("the newest rows are missing"), "{}", said.stderr);
    let said = home.fails(&["audit", "verify", "--anchor", "/nowhere"]);
    assert!(said.stderr.contains("there is no file of anchors"), "{}", said.stderr);
}
