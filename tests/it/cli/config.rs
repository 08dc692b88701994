//! `vigie config` and profiles, through the real binary.

use super::Home;
use serde_json::json;

fn written(home: &Home, text: &str) -> String {
    let path = home.path("c.toml");
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

#[test]
fn check_tells_every_mistake_with_its_place() {
    let home = Home::new();
    let path = written(
        &home,
        "[checks]\ninterval = \"soon\"\n\n[screen]\ntheme = \"drak\"\n\n[keys]\nquitt = \"x\"\n\n[profile.a]\nlgo.level = \"off\"\n",
    );
    let ran = home.fails(&["config", "check", "--config", &path]);
    for line in [
        format!("{path}:2:12: found \"soon\", expected a time"),
        format!("{path}:5:1: there is no theme \"drak\""),
        format!("{path}:8:1: [keys] \"quitt\" is no action"),
        format!("{path}:11:1: found the unknown setting \"lgo\""),
    ] {
        assert!(ran.stdout.contains(&line), "{line}\n{}", ran.stdout);
    }
    assert!(
        ran.stderr.contains("the configuration has 4 mistakes"),
        "{}",
        ran.stderr
    );
    let ran = home.fails(&["config", "check", "--json", "--config", &path]);
    let json = ran.json();
    assert_eq!(json["ok"], false);
    let first = &json["mistakes"][0];
    assert_eq!((&first["line"], &first["column"]), (&json!(2), &json!(12)));
    assert_eq!(first["setting"], "checks.interval");
    // What ends the start is told the same way.
    let path = written(&home, "[paths]\nregistry = \"here.db\"\n");
    let ran = home.fails(&["config", "check", "--config", &path]);
    assert!(
        ran.stdout.contains(&format!("{path}:2:12: found \"here.db\"")),
        "{}",
        ran.stdout
    );
    // And nothing where nothing is wrong.
    let path = written(&home, "[screen]\ntheme = \"light\"\n");
    let ran = home.ok(&["config", "check", "--config", &path]);
    assert_eq!(ran.stdout, format!("{path}: no mistakes\n"));
    assert_eq!(home.ok(&["config", "check", "--json"]).json()["ok"], true);
}

#[test]
fn show_says_what_holds_and_where_it_comes_from() {
    let home = Home::new();
    let path = written(
        &home,
        "[fleet]\nname = \"mine\"\n[profile.prod]\nscreen.theme = \"light\"\npaths.registry = \"postgres://me:hunter2@db/fleet\"\n",
    );
    let ran = home.ok(&["config", "show", "--origin", "--config", &path, "--profile", "prod"]);
    let line = |start: &str| {
        let line = ran.stdout.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no {start}:\n{}", ran.stdout)).to_owned()
    };
    assert!(line("name = ").ends_with(&format!("# {path}:2")), "{}", line("name = "));
    assert!(line("theme = \"light\"").ends_with(&format!("# {path}:4, profile prod")));
    assert!(line("admin_login = \"admin\"").ends_with("# default"));
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
    let plain = home.ok(&["config", "show", "--config", &path]);
    assert!(plain.stdout.contains("theme = \"dark\"\n"), "{}", plain.stdout);
    // It can be read again, and says the same.
    let again = written(&home, &plain.stdout);
    assert_eq!(home.ok(&["config", "show", "--config", &again]).stdout, plain.stdout);
    let json = home
        .ok(&["config", "show", "--json", "--config", &again, "--registry", "/x.db"])
        .json();
    let registry = json
        .as_array()
        .and_then(|all| all.iter().find(|one| one["setting"] == "paths.registry"))
        .expect("the registry");
    assert_eq!(registry["value"], "/x.db");
    assert_eq!(registry["origin"]["kind"], "argument");
    assert_eq!(registry["origin"]["name"], "--registry");
}

#[test]
fn a_profile_is_another_fleet() {
    let home = Home::new();
    let text = format!(
        "[profile.other]\npaths.registry = \"{}\"\n",
        home.path("other.db").display()
    );
    let path = written(&home, &text);
    let url = "http://127.0.0.1:1";
    home.ok(&[
        "server",
        "add",
        "b",
        "--url",
        url,
        "--max-instances",
        "5",
        "--config",
        &path,
        "--profile",
        "other",
    ]);
    let list = |profile: &str| {
        home.ok(&["server", "list", "--json", "--config", &path, "--profile", profile])
            .json()
            .as_array()
            .map(Vec::len)
    };
    assert_eq!(list("other"), Some(1));
    assert_eq!(list("default"), Some(0));
    let ran = home.fails(&["server", "list", "--config", &path, "--profile", "othr"]);
    assert!(ran.stderr.contains("there is no profile \"othr\""), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean \"other\"?"), "{}", ran.stderr);
}

#[test]
fn the_schema_is_json() {
    let home = Home::new();
    let schema: serde_json::Value = serde_json::from_str(&home.ok(&["config", "schema"]).stdout).expect("JSON");
    assert_eq!(schema["properties"]["checks"]["properties"]["attempts"]["maximum"], 10);
    assert_eq!(schema["properties"]["log"]["properties"]["level"]["enum"][0], "off");
    assert!(schema["properties"]["keys"]["additionalProperties"]["oneOf"].is_array());
}
