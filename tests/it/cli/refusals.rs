//! What is refused, in which words, and what is left of it.

use super::NOBODY;
use super::home::Home;
use serde_json::json;

fn with_server() -> Home {
    let home = Home::new();
    home.ok(&["server", "add", "prod-1", "--url", NOBODY, "--max-instances", "5"]);
    home
}

#[test]
fn a_server_that_does_not_answer_is_not_activated() {
    let home = with_server();
    let refused = home.fails(&["server", "activate", "prod-1", "--json"]);
    assert_eq!(refused.stdout, "", "a refusal prints nothing on standard output");
    let error = refused.error();
    assert_eq!(error["code"], "connection_test_failed");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("Cannot activate server. Connection test failed: connection refused by 127.0.0.1:1"),
        "{message}"
    );
    assert!(
        error["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("nothing listens")),
        "{error}"
    );
    let server = home.ok(&["server", "show", "prod-1", "--json"]).json();
    assert_eq!(
        (&server["intent"], &server["state"]),
        (&json!("draft"), &json!("draft"))
    );
    assert_eq!(
        server["health_checks"].as_array().map(Vec::len),
        Some(1),
        "the test's result is kept"
    );
    let audit = home.ok(&["audit", "--json"]).json();
    assert_eq!(audit[0]["action"], "server.activate");
    assert_eq!(audit[0]["os_user"], "ada");
    assert!(
        audit[0]["refused"]
            .as_str()
            .is_some_and(|why| why.contains("Connection test failed")),
        "{audit}"
    );
    let text = home.fails(&["server", "activate", "prod-1"]).stderr;
    assert!(
        text.starts_with("vigie: Cannot activate server. Connection test failed: "),
        "{text}"
    );
    assert!(text.contains("\n  → "), "{text}");
}

#[test]
fn maintenance_and_deactivation_change_the_intent_alone() {
    let home = with_server();
    assert_eq!(
        home.ok(&["server", "maintenance", "prod-1", "--json"]).json()["state"],
        "maintenance"
    );
    home.fails(&["server", "check", "prod-1"]);
    home.fails(&["server", "check", "prod-1"]);
    let server = home.ok(&["server", "show", "prod-1", "--json"]).json();
    assert_eq!(
        server["state"], "maintenance",
        "a check never takes a server out of maintenance"
    );
    assert_eq!(
        home.ok(&["server", "deactivate", "prod-1", "--json"]).json()["state"],
        "disabled"
    );
    home.fails(&["server", "check", "prod-1"]);
    assert_eq!(
        home.ok(&["server", "show", "prod-1", "--json"]).json()["state"],
        "disabled"
    );
}

#[test]
fn no_placement_says_why_each_server_was_passed_over() {
    let home = Home::new();
    let none = home.fails(&["placement", "--json"]).error();
    assert_eq!(none["message"], "No available server found: none is registered");
    home.ok(&["server", "add", "a", "--url", NOBODY, "--max-instances", "5"]);
    home.ok(&[
        "server",
        "add",
        "b",
        "--url",
        "http://127.0.0.1:2",
        "--max-instances",
        "5",
    ]);
    home.ok(&["server", "maintenance", "b"]);
    let none = home.fails(&["placement", "--min-capacity", "20", "--json"]).error();
    assert_eq!(none["code"], "no_server");
    assert_eq!(
        none["message"],
        "No available server found: a is draft; b is maintenance"
    );
}

#[test]
fn what_is_taken_or_malformed_is_refused_before_anything_happens() {
    let home = with_server();
    let before = home.ok(&["server", "list", "--json"]).stdout;
    for (arguments, code, part) in [
        (
            &[
                "server",
                "add",
                "prod-1",
                "--url",
                "http://127.0.0.1:9",
                "--max-instances",
                "5",
            ][..],
            "taken",
            "prod-1",
        ),
        (
            &["server", "add", "x", "--url", NOBODY, "--max-instances", "5"],
            "taken",
            "127.0.0.1:1",
        ),
        (
            &["server", "add", "PROD", "--url", "http://h", "--max-instances", "5"],
            "invalid_name",
            "the code has 'P' at place 1",
        ),
        (
            &[
                "server",
                "add",
                "x",
                "--url",
                "odoo.example.org",
                "--max-instances",
                "5",
            ],
            "invalid_value",
            "must start with http:// or https://",
        ),
        (
            &["server", "add", "x", "--url", "ftp://h", "--max-instances", "5"],
            "invalid_value",
            "must start with http:// or https://",
        ),
        (
            &["server", "add", "x", "--url", "http://h/web", "--max-instances", "5"],
            "invalid_value",
            "no path",
        ),
        (
            &["server", "add", "x", "--url", "http://h", "--max-instances", "0"],
            "invalid_server",
            "max_instances must be over 0",
        ),
        (
            &[
                "server",
                "add",
                "x",
                "--url",
                "http://h",
                "--max-instances",
                "5",
                "--db-host=-oProxyCommand=x",
            ],
            "invalid_value",
            "--db-host",
        ),
        (
            &[
                "server",
                "add",
                "x",
                "--url",
                "http://h",
                "--max-instances",
                "5",
                "--ssh-host",
                "h",
                "--ssh-user=-x",
            ],
            "invalid_value",
            "--ssh-user",
        ),
        (
            &[
                "server",
                "add",
                "x",
                "--url",
                "http://h",
                "--max-instances",
                "5",
                "--db-user",
                "",
            ],
            "invalid_server",
            "db_user",
        ),
        (
            &["server", "edit", "prod-1", "--max-instances", "0"],
            "invalid_server",
            "max_instances must be over 0",
        ),
        (
            &["template", "add", "t", "--server", "prod-1", "--database", "postgres"],
            "invalid_name",
            "reserved",
        ),
        (
            &["template", "add", "t", "--server", "prod-1", "--database", "a\nb"],
            "invalid_name",
            "'\\n'",
        ),
        (
            &["template", "add", "t", "--server", "prod-1", "--language", "fr FR"],
            "invalid_template",
            "language",
        ),
        (
            &["template", "add", "t", "--server", "prod-1", "--module", "sale; rm"],
            "invalid_template",
            "technical name",
        ),
        (&["template", "add", "t", "--server", "prod-2"], "not_found", "prod-2"),
        (&["server", "show", "prod1"], "not_found", "prod1"),
        (&["job", "show", "7"], "not_found", "7"),
        (&["job", "log", "7"], "not_found", "7"),
        (&["job", "cancel", "7"], "not_found", "7"),
        (&["job", "retry", "7"], "not_found", "7"),
        (&["instance", "show", "nobody"], "not_found", "nobody"),
        (
            &["instance", "create", "Client ABC"],
            "no_template",
            "no template is ready",
        ),
    ] {
        let refused = home.fails(&[arguments, &["--json"]].concat());
        let error = refused.error();
        assert_eq!(error["code"], code, "{arguments:?}: {error}");
        assert!(
            error["message"].as_str().is_some_and(|m| m.contains(part)),
            "{arguments:?}: {error}"
        );
    }
    assert_eq!(home.ok(&["server", "list", "--json"]).stdout, before);
    let hint = home.fails(&["server", "show", "prod1", "--json"]).error()["hint"].clone();
    assert_eq!(hint, "did you mean \"prod-1\"?");
}

#[test]
fn names_that_are_reserved_or_impossible_are_refused_for_instances() {
    let home = with_server();
    for (arguments, part) in [
        (&["--subdomain", "www"][..], "\"www\" is reserved"),
        (&["--subdomain", "Prod"], "'P'"),
        (&["--subdomain", "cliente1\n"], "'\\n'"),
        (&["--subdomain", "xn--80ak6aa92e"], "places 3 and 4"),
        (
            &["--subdomain", "good", "--database", "production"],
            "\"production\" is reserved",
        ),
        (
            &["--subdomain", "good", "--database", "a'; DROP DATABASE x; --"],
            "at place 2",
        ),
        (&["--subdomain", "example"], "\"example\" is reserved"),
    ] {
        let all = [&["instance", "create", "Some Name"], arguments, &["--json"]].concat();
        let output = home
            .vigie(&all)
            .env("VIGIE_ROOT_DOMAIN", "example.org")
            .output()
            .expect("a run");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let error: serde_json::Value = serde_json::from_str(&stderr).expect("JSON");
        assert!(
            error["error"]["message"].as_str().is_some_and(|m| m.contains(part)),
            "{arguments:?}: {stderr}"
        );
    }
    let audit = home.ok(&["audit", "--json"]).json();
    let refused = audit
        .as_array()
        .map(|rows| rows.iter().filter(|r| r["action"] == "instance.create").count());
    assert_eq!(refused, Some(7), "every refused attempt is written down");
}

#[test]
fn removals_ask_for_the_name() {
    let home = with_server();
    let unasked = home.fails(&["server", "remove", "prod-1", "--json"]);
    assert_eq!(unasked.error()["code"], "not_confirmed");
    let wrong = home.fails(&["server", "remove", "prod-1", "--confirm", "prod-2"]);
    assert!(wrong.stderr.contains("nothing was removed"), "{}", wrong.stderr);
    assert_eq!(
        home.ok(&["server", "list", "--json"]).json().as_array().map(Vec::len),
        Some(1)
    );
    home.ok(&["server", "remove", "prod-1", "--confirm", "prod-1"]);
    home.ok(&["server", "add", "prod-1", "--url", NOBODY, "--max-instances", "5"]);
    home.ok(&["server", "remove", "prod-1", "--yes"]);
    assert_eq!(home.ok(&["server", "list", "--json"]).json(), json!([]));
}

#[test]
fn mistakes_in_the_command_line_are_usage() {
    let home = Home::new();
    for arguments in [
        &["serve"][..],
        &["server"],
        &["server", "add"],
        &["server", "add", "x", "--url", "http://h"],
        &["server", "add", "x", "--url", "http://h", "--max-instances", "many"],
        &["server", "list", "--no-such-flag"],
        &["server", "list", "--state", "sleeping"],
        &[
            "server",
            "edit",
            "x",
            "--db-password-stdin",
            "--db-password-from",
            "env:X",
        ],
        &["server", "edit", "x", "--db-password-stdin", "--master-password-stdin"],
        &["placement", "--min-capacity", "101"],
        &["job", "show", "seven"],
        &["instance", "create", "X", "--wait", "--dry-run"],
        &["completions", "tcsh"],
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}");
        let json = home.run(&[arguments, &["--json"]].concat());
        assert_eq!(json.code, 2, "{arguments:?}: {json:?}");
        assert_eq!(json.error()["code"], "usage", "{arguments:?}");
    }
}

#[test]
fn without_a_terminal_the_dashboard_says_what_works() {
    let home = Home::new();
    let ran = home.fails(&[]);
    assert!(ran.stderr.contains("needs a terminal"), "{}", ran.stderr);
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_line() {
    let home = Home::new();
    let path = home.path("mine.toml");
    std::fs::write(&path, "[fleet]\nname = \"x\"\nroot_domian = \"example.org\"\n").expect("write");
    let path = path.display().to_string();
    let ran = home.ok(&["server", "list", "--config", &path]);
    assert!(
        ran.stderr
            .contains(&format!("{path}:3:1: found the unknown setting \"root_domian\"")),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("did you mean \"root_domain\"?"), "{}", ran.stderr);
    // But not where it would be another fleet.
    std::fs::write(&path, "[paths]\nregistry = \"fleet.db\"\n").expect("write");
    let ran = home.fails(&["server", "list", "--config", &path]);
    assert!(
        ran.stderr.contains(&format!("{path}:2:12: found \"fleet.db\"")),
        "{}",
        ran.stderr
    );
    let json = home.fails(&["server", "list", "--config", &path, "--json"]).error();
    assert_eq!(json["code"], "config");
    let missing = home.fails(&["server", "list", "--config", "nowhere.toml"]);
    assert!(
        missing.stderr.contains("nowhere.toml: the configuration can't be read"),
        "{}",
        missing.stderr
    );
}

#[test]
fn the_registry_is_where_it_is_said_to_be() {
    let home = Home::new();
    let registry = home.path("elsewhere/fleet.db").display().to_string();
    home.ok(&[
        "server",
        "add",
        "a",
        "--url",
        NOBODY,
        "--max-instances",
        "5",
        "--registry",
        &registry,
    ]);
    assert!(home.path("elsewhere/fleet.db").is_file());
    assert_eq!(home.ok(&["server", "list", "--json"]).json(), json!([]));
    assert_eq!(
        home.ok(&["--registry", &registry, "server", "list", "--json"]).json()[0]["code"],
        "a"
    );
}
