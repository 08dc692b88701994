//! What guards and a read-only profile refuse from the shell, and what has to be given.

use super::NOBODY;
use super::home::Home;

fn with(config: &str) -> (Home, String) {
    let home = Home::new();
    home.ok(&["server", "add", "prod-1", "--url", NOBODY, "--max-instances", "5"]);
    let path = home.path("guarded.toml");
    std::fs::write(&path, config).expect("a file");
    let path = path.to_str().expect("text").to_owned();
    (home, path)
}

fn description(home: &Home) -> serde_json::Value {
    home.ok(&["server", "show", "prod-1", "--json"]).json()["description"].clone()
}

#[test]
fn a_read_only_profile_changes_nothing_but_for_who_says_unlock() {
    let (home, config) = with("[fleet]\nread_only = true\n");
    let edit = [
        "--config",
        &config,
        "--json",
        "server",
        "edit",
        "prod-1",
        "--description",
        "changed",
    ];
    let refused = home.run(&edit);
    assert_eq!(refused.code, 1);
    let error = refused.error();
    assert_eq!(error["code"], "read_only");
    assert!(
        error["hint"].as_str().expect("a hint").contains("--unlock 10m"),
        "{error}"
    );
    assert_eq!(description(&home), "");
    // Looking is no change, and so is checking.
    home.ok(&["--config", &config, "server", "list"]);
    home.run(&["--config", &config, "server", "check", "prod-1"]);
    let migrate = home.run(&["--config", &config, "--json", "registry", "migrate"]);
    assert_eq!(migrate.error()["code"], "read_only");
    assert_eq!(
        home.run(&[&["--unlock", "9h"][..], &edit[..]].concat()).code,
        2,
        "eight hours at most"
    );
    home.ok(&[&["--unlock", "10m"][..], &edit[..]].concat());
    assert_eq!(description(&home), "changed");
}

#[test]
fn a_guard_gets_the_name_and_the_reason_and_the_audit_keeps_it() {
    let text = "[[guard]]\nserver = \"prod-*\"\naction = \"server.edit\"\ntype_name = true\nreason = true\n\
                [[guard]]\naction = \"server.delete\"\ndeny = \"leased\"\n";
    let (home, config) = with(text);
    let edit = [
        "--config",
        &config,
        "--json",
        "server",
        "edit",
        "prod-1",
        "--description",
        "changed",
    ];
    let and = |more: &[&str]| home.run(&[&edit[..], more].concat());
    assert_eq!(and(&[]).error()["code"], "name_needed");
    assert_eq!(
        and(&["--confirm", "prod-2", "--reason", "x"]).error()["code"],
        "name_needed"
    );
    assert_eq!(and(&["--confirm", "prod-1"]).error()["code"], "reason_needed");
    assert_eq!(
        and(&["--confirm", "prod-1", "--reason", "  "]).error()["code"],
        "reason_needed"
    );
    assert_eq!(description(&home), "");
    assert_eq!(and(&["--confirm", "prod-1", "--reason", "ticket 4711"]).code, 0);
    assert_eq!(description(&home), "changed");
    let audit = home.ok(&["audit", "--json"]).stdout;
    assert!(audit.contains("ticket 4711"), "{audit}");
    assert!(
        audit.contains("reason_needed") || audit.contains("a reason"),
        "refusals are kept too: {audit}"
    );
    let removal = ["--config", &config, "--json", "server", "remove", "prod-1", "--yes"];
    let denied = home.run(&removal).error();
    assert_eq!(denied["code"], "denied");
    assert!(denied["message"].as_str().expect("text").contains("leased"), "{denied}");
    home.ok(&["server", "show", "prod-1"]);
}
