//! Why something is not healthy, and what happened to it, from the shell.

use super::NOBODY;
use super::home::Home;
use serde_json::Value;

fn codes(explained: &Value) -> Vec<&str> {
    let findings = explained["findings"].as_array().expect("findings");
    findings
        .iter()
        .map(|finding| finding["code"].as_str().expect("a code"))
        .collect()
}

#[test]
fn a_server_that_refuses_is_explained_from_what_its_checks_saw_and_its_history_is_told() {
    let home = Home::new();
    home.ok(&["server", "add", "prod-1", "--url", NOBODY, "--max-instances", "5"]);
    let explained: Value = home.ok(&["explain", "server", "prod-1", "--json"]).json();
    assert_eq!(codes(&explained), ["draft", "unchecked", "capacity"]);
    // Refused, and written down.
    let refused = home.run(&["server", "activate", "prod-1"]);
    assert!(refused.stderr.contains("Connection test failed"), "{}", refused.stderr);
    home.run(&["server", "check", "prod-1"]);
    home.run(&["server", "check", "prod-1"]);
    let explained: Value = home.ok(&["explain", "server", "prod-1", "--json"]).json();
    assert_eq!(codes(&explained)[0], "offline", "{explained:#}");
    assert!(codes(&explained).contains(&"refused"));
    let text = explained.to_string();
    assert!(text.contains("nothing listens there"), "{text}");
    assert!(text.contains("Odoo stopped"), "{text}");
    let said = home.ok(&["explain", "server", "prod-1"]);
    assert!(said.stdout.starts_with("prod-1: offline"), "{}", said.stdout);

    let events: Value = home.ok(&["timeline", "server", "prod-1", "--json"]).json();
    let sources: Vec<&str> = events
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|e| e["source"].as_str())
        .collect();
    assert!(sources.contains(&"check") && sources.contains(&"audit"), "{events:#}");
    let checks = sources.iter().filter(|source| **source == "check").count();
    assert_eq!(checks, 2, "the first failure, and that it is down: {events:#}");
    let none: Value = home
        .ok(&["timeline", "server", "prod-1", "--since", "2099-01-01", "--json"])
        .json();
    assert_eq!(none.as_array().expect("events").len(), 0);
    let missing = home.run(&["explain", "job", "77"]);
    assert_ne!(missing.code, 0);
}
