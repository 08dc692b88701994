//! Verbs on many, guards and read-only profiles, from the shell.

use super::NOBODY;
use super::home::Home;
use serde_json::{Value, json};

/// Three servers that don't answer, the first in maintenance.
fn three() -> Home {
    let home = Home::new();
    for (code, port) in [("prod-1", 1), ("prod-2", 2), ("test-1", 3)] {
        let url = format!("http://127.0.0.1:{port}");
        home.ok(&["server", "add", code, "--url", &url, "--max-instances", "5"]);
    }
    home.ok(&["server", "maintenance", "prod-1"]);
    home
}

fn config(home: &Home, text: &str) -> String {
    let path = home.path("guards.toml");
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

fn states(home: &Home) -> Vec<String> {
    let list = home.ok(&["server", "list", "--json"]).json();
    let states = list.as_array().expect("a list").iter();
    states
        .map(|server| server["state"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn results(receipts: &Value) -> Vec<(String, String)> {
    let all = receipts.as_array().expect("a list").iter();
    all.map(|one| {
        let word = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        (word("name"), word("result"))
    })
    .collect()
}

#[test]
fn one_stays_as_it_was_and_several_have_a_receipt_each() {
    let home = three();
    let one = home.ok(&["server", "maintenance", "prod-2", "--json"]).json();
    assert_eq!(one["state"], "maintenance", "one that is named is printed itself");
    let many = home.ok(&["server", "deactivate", "prod-2", "test-1", "--json"]).json();
    assert_eq!(
        results(&many),
        [
            ("prod-2".to_owned(), "done".to_owned()),
            ("test-1".to_owned(), "done".to_owned())
        ]
    );
    assert_eq!(many[0]["text"], "is disabled");
    assert_eq!(states(&home), ["maintenance", "disabled", "disabled"]);
    let none = home.run(&["server", "deactivate"]);
    assert_eq!(none.code, 2, "{none:?}");
}

#[test]
fn the_plan_of_many_changes_nothing_and_says_who_is_passed_over() {
    let home = three();
    let plan = home
        .ok(&["server", "maintenance", "prod-1", "prod-2", "--dry-run", "--json"])
        .json();
    assert_eq!((&plan["count"], &plan["dry_run"]), (&json!(1), &json!(true)));
    assert_eq!(plan["lines"][0]["why"], "is in maintenance already");
    assert_eq!(plan["lines"][1]["result"], "planned");
    assert_eq!(states(&home), ["maintenance", "draft", "draft"]);
    let text = home.ok(&["server", "maintenance", "--filter", "", "--dry-run"]).stdout;
    assert!(text.contains("passed over: is in maintenance already"), "{text}");
    assert!(text.contains("Put 2 servers in maintenance."), "{text}");
}

#[test]
fn a_filter_is_the_dashboards_and_a_wrong_one_is_told() {
    let home = three();
    let receipts = home
        .ok(&["server", "deactivate", "--filter", "state=draft -test-1", "--json"])
        .json();
    assert_eq!(results(&receipts), [("prod-2".to_owned(), "done".to_owned())]);
    assert_eq!(states(&home), ["maintenance", "disabled", "draft"]);
    let wrong = home.run(&["server", "deactivate", "--filter", "colour=red", "--json"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.error()["message"].as_str().is_some_and(|m| m.contains("colour")),
        "{wrong:?}"
    );
    let nothing = home
        .fails(&["server", "deactivate", "--filter", "nobody", "--json"])
        .error();
    assert_eq!(nothing["code"], "nothing_to_do");
}

#[test]
fn after_so_many_failures_no_more_are_begun() {
    let home = three();
    let failed = home.fails(&[
        "server",
        "activate",
        "prod-1",
        "prod-2",
        "test-1",
        "--at-once",
        "1",
        "--stop-after",
        "1",
        "--json",
    ]);
    let receipts: Value = serde_json::from_str(&failed.stdout).expect("receipts");
    let words: Vec<String> = results(&receipts).into_iter().map(|(_, result)| result).collect();
    assert_eq!(words, ["failed", "not_begun", "not_begun"]);
    assert_eq!(receipts[1]["why"], "stopped after a failure");
    assert!(
        receipts[0]["error"]["message"]
            .as_str()
            .is_some_and(|m| m.contains("Connection test failed")),
        "{receipts}"
    );
    assert_eq!(failed.error()["code"], "bulk_failed");
    assert_eq!(states(&home), ["maintenance", "draft", "draft"]);
}

#[test]
fn what_is_passed_over_was_not_done_and_who_named_it_is_told() {
    let home = three();
    let over = home.fails(&["server", "maintenance", "prod-1", "prod-2", "--json"]);
    assert_eq!(over.error()["code"], "passed_over");
    assert_eq!(
        states(&home),
        ["maintenance", "maintenance", "draft"],
        "the other was done"
    );
    home.ok(&["server", "maintenance", "--filter", "prod", "--limit", "5", "--dry-run"]);
}

#[test]
fn many_are_not_removed_without_their_number() {
    let home = three();
    let asked = home.fails(&["server", "remove", "prod-1", "prod-2", "--json"]).error();
    assert_eq!(asked["code"], "not_confirmed");
    home.fails(&["server", "remove", "prod-1", "prod-2", "--confirm", "3"]);
    home.fails(&["server", "remove", "prod-1", "prod-2", "--confirm", "prod-1"]);
    assert_eq!(states(&home).len(), 3);
    home.ok(&["server", "remove", "prod-1", "prod-2", "--confirm", "2"]);
    assert_eq!(states(&home).len(), 1);
    home.fails(&["server", "remove", "test-1", "--confirm", "test-2"]);
    home.ok(&["server", "remove", "test-1", "--confirm", "test-1"]);
}

#[test]
fn a_read_only_profile_refuses_every_verb_that_changes_and_an_unlocked_one_does_not() {
    let home = three();
    let file = config(&home, "[fleet]\nname = \"prod\"\nread_only = true\n");
    let before = home.ok(&["server", "list", "--json"]).stdout;
    for verb in [
        &["server", "add", "x", "--url", NOBODY, "--max-instances", "5"] as &[&str],
        &["server", "edit", "prod-1", "--max-instances", "9"],
        &["server", "activate", "prod-1"],
        &["server", "deactivate", "prod-1"],
        &["server", "maintenance", "prod-2"],
        &["server", "remove", "prod-1", "--yes"],
        &["template", "add", "t", "--server", "prod-1"],
        &["plan", "add", "gold", "--name", "Gold"],
        &["customer", "add", "Acme"],
        &["secrets", "rotate"],
    ] {
        let mut arguments = verb.to_vec();
        arguments.extend(["--config", &file, "--json"]);
        let refused = home.run(&arguments);
        assert_eq!(refused.code, 1, "{verb:?}: {refused:?}");
        let error = refused.error();
        assert_eq!(error["code"], "read_only", "{verb:?}: {error}");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|m| m.contains("the profile prod is read-only"))
        );
    }
    // Of many too; each is passed over with the reason, and none is done.
    let many = home.fails(&["server", "deactivate", "prod-1", "prod-2", "--config", &file, "--json"]);
    assert!(
        many.error()["message"]
            .as_str()
            .is_some_and(|m| m.contains("read-only")),
        "{many:?}"
    );
    assert_eq!(home.ok(&["server", "list", "--json"]).stdout, before);
    // Looking is no change.
    home.ok(&["server", "list", "--config", &file]);
    let audit = home.ok(&["audit", "--refused", "--json"]).json();
    assert!(
        audit.as_array().is_some_and(|rows| rows.len() >= 9),
        "refusals are written down: {audit}"
    );
    home.ok(&["server", "maintenance", "prod-2", "--unlock", "1m", "--config", &file]);
    let long = home.run(&["server", "maintenance", "test-1", "--unlock", "9h", "--config", &file]);
    assert_eq!(long.code, 2, "{long:?}");
    assert_eq!(states(&home), ["maintenance", "maintenance", "draft"]);
}

#[test]
fn guards_hold_in_the_shell_as_on_the_screen_and_the_reason_is_kept() {
    let home = three();
    let file = config(
        &home,
        "[fleet]\nname = \"prod\"\n\
         [[guard]]\nserver = \"prod-*\"\naction = \"server.deactivate\"\ntype_name = true\nreason = true\nmax_bulk = 1\n\
         [[guard]]\nserver = \"test-1\"\naction = \"server.*\"\ndeny = \"the auditors have it\"\n",
    );
    let with = |more: &[&str]| {
        let mut arguments = vec!["server", "deactivate", "--config", &file, "--json"];
        arguments.extend(more);
        home.run(&arguments)
    };
    assert_eq!(with(&["prod-1"]).error()["code"], "name_needed");
    assert_eq!(with(&["prod-1", "--confirm", "prod-2"]).error()["code"], "name_needed");
    assert_eq!(
        with(&["prod-1", "--confirm", "prod-1"]).error()["code"],
        "reason_needed"
    );
    assert_eq!(
        with(&["prod-1", "--confirm", "prod-1", "--reason", "  "]).error()["code"],
        "reason_needed"
    );
    let many = with(&["prod-1", "prod-2", "--confirm", "2", "--reason", "sold"]);
    assert_eq!(many.error()["code"], "bulk_too_large");
    let denied = with(&["test-1", "--confirm", "test-1", "--reason", "sold"]).error();
    assert_eq!(denied["code"], "denied");
    assert!(
        denied["message"]
            .as_str()
            .is_some_and(|m| m.ends_with("the auditors have it"))
    );
    assert_eq!(states(&home), ["maintenance", "draft", "draft"], "nothing was done");
    let done = with(&["prod-1", "--confirm", "prod-1", "--reason", "sold to Acme"]);
    assert_eq!(done.code, 0, "{done:?}");
    let audit = home.ok(&["audit", "--json"]).json();
    assert_eq!(audit[0]["action"], "server.deactivate");
    assert!(audit[0].to_string().contains("sold to Acme"), "{}", audit[0]);
    home.ok(&["audit", "verify"]);
}

#[test]
fn a_guard_that_is_wrong_lets_nothing_through() {
    let home = three();
    let file = config(&home, "[[guard]]\naction = \"server.stop\"\nreason = true\n");
    let refused = home.run(&["server", "maintenance", "prod-2", "--config", &file, "--json"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(states(&home), ["maintenance", "draft", "draft"]);
}
