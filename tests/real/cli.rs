//! The command line from the first server to the last instance, on a real PostgreSQL and an Odoo that
//! speaks the recorded protocol; and no secret in any of it.

#[path = "../it/cli/home.rs"]
pub(super) mod home;

use super::harness::{cluster, connect, fresh_name, ok, rpc, standin_options};
use home::Home;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use vigie::domain::Secret;
use vigie::sandbox::{Standin, StandinHandle};

const MASTER: &str = "canary-master-password";

/// A home with a server's secrets, and the worker that it starts; both end with the value.
struct Desk {
    home: Home,
    odoo: StandinHandle,
    data_dir: String,
}

impl Desk {
    async fn new() -> Self {
        let mut options = standin_options(cluster());
        options.master_password = Secret::new(MASTER.to_owned());
        let data_dir = options.data_dir.display().to_string();
        let odoo = Standin::start(options).await.expect("a stand-in");
        let home = Home::with_workers(&[("PROD1_DB", cluster().role_password().expose())]);
        std::fs::write(home.path("master"), format!("{MASTER}\n")).expect("write");
        home.chmod(&home.path("master"), 0o600);
        Self { home, odoo, data_dir }
    }

    /// The server and a ready template, as an operator makes them.
    fn set_up(&self, template_database: &str) {
        let (host, port) = (cluster().host(), cluster().port().to_string());
        let master = format!("file:{}", self.home.path("master").display());
        self.home.ok(&[
            "server",
            "add",
            "prod-1",
            "--name",
            "Production 1",
            "--url",
            &self.odoo.url(),
            "--max-instances",
            "10",
            "--db-host",
            host,
            "--db-port",
            &port,
            "--db-user",
            "odoo",
            "--db-password-from",
            "env:PROD1_DB",
            "--master-password-from",
            &master,
            "--data-dir",
            &self.data_dir,
        ]);
        let active = self.home.ok(&["server", "activate", "prod-1", "--json"]).json();
        assert_eq!(active["state"], "active");
        assert_eq!(active["observed"], "online");
        self.home.ok(&[
            "template",
            "add",
            "restaurant",
            "--name",
            "Restaurant",
            "--server",
            "prod-1",
            "--database",
            template_database,
            "--language",
            "fr_FR",
        ]);
        let made = self
            .home
            .ok(&["template", "create-database", "restaurant", "--wait"])
            .stdout;
        assert!(made.contains(" done: "), "{made}");
        let template = self.home.ok(&["template", "show", "restaurant", "--json"]).json();
        assert_eq!(
            (&template["state"], &template["frozen"]),
            (&json!("ready"), &json!(true))
        );
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let Ok(told) = serde_json::from_str::<Value>(&self.home.run(&["doctor", "--json"]).stdout) else {
            return;
        };
        let findings = told["findings"].as_array().cloned().unwrap_or_default();
        let workers = findings.iter().filter(|f| f["what"] == "worker");
        for word in workers
            .filter_map(|f| f["found"].as_str())
            .flat_map(|text| text.split([' ', ',']))
        {
            let pid = word
                .split(':')
                .nth(1)
                .and_then(|pid| pid.parse().ok())
                .and_then(Pid::from_raw);
            if let Some(pid) = pid {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    }
}

async fn databases() -> BTreeSet<String> {
    let client = connect(&cluster().superuser_config("postgres")).await;
    let rows = client
        .query("SELECT datname FROM pg_database", &[])
        .await
        .expect("a query");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_server_to_the_last_instance() {
    let desk = Desk::new().await;
    let home = &desk.home;
    let template = fresh_name("template_restaurant");
    desk.set_up(&template);
    let database = fresh_name("client_abc");

    let before = databases().await;
    let create = [
        "instance",
        "create",
        "Client ABC",
        "--template",
        "restaurant",
        "--database",
        &database,
    ];
    let plan = home
        .ok(&[&create[..], &["--customer", "ABC SARL", "--dry-run", "--json"]].concat())
        .json();
    assert_eq!(plan["subdomain"], "client-abc", "derived from the name");
    assert_eq!(
        (&plan["server"], &plan["template"]),
        (&json!("prod-1"), &json!("restaurant"))
    );
    assert!(plan["steps"].as_array().is_some_and(|steps| steps.len() >= 5), "{plan}");
    assert_eq!(databases().await, before, "a dry run changes nothing on the server");
    assert_eq!(
        home.ok(&["instance", "list", "--json"]).json(),
        json!([]),
        "nor in the registry"
    );
    assert_eq!(home.ok(&["customer", "list", "--json"]).json(), json!([]));

    let waited = home.ok(&[
        &create[..],
        &["--subdomain", "client-abc", "--customer", "ABC SARL", "--wait"],
    ]
    .concat());
    for part in ["clone", "✔", " done: ", &desk.odoo.url(), "admin"] {
        assert!(waited.stdout.contains(part), "{part:?} is not in {}", waited.stdout);
    }
    assert!(databases().await.contains(&database));
    let instance = home.ok(&["instance", "show", "client-abc", "--json"]).json();
    assert_eq!(instance["state"], "active");
    assert_eq!(instance["customer"], "ABC SARL");
    assert_eq!(instance["database_name"], database.as_str());

    let file = home.path("password");
    home.ok(&[
        "instance",
        "password",
        "client-abc",
        "--to",
        &file.display().to_string(),
    ]);
    let password = std::fs::read_to_string(&file).expect("the password");
    let login = json!([database, "admin", password.trim(), {}]);
    let user = ok(&desk.odoo, "common", "authenticate", login).await;
    assert!(user.as_i64().is_some_and(|id| id > 0), "{user}");
    let wrong = ok(
        &desk.odoo,
        "common",
        "authenticate",
        json!([database, "admin", "admin", {}]),
    )
    .await;
    assert_eq!(wrong, json!(false), "admin/admin does not log in");

    let second = fresh_name("second");
    let queued = home.ok(&["instance", "create", "Second", "--database", &second]);
    let id = queued.stdout.trim().to_owned();
    assert!(id.parse::<i64>().is_ok(), "the job's id alone: {queued:?}");
    let followed = home.ok(&["job", "log", &id, "--follow"]);
    assert!(followed.stdout.lines().count() > 5, "{}", followed.stdout);
    let lines = home.ok(&["job", "log", &id, "--json"]).json();
    let numbers: Vec<i64> = lines
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|l| l["seq"].as_i64())
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>(), "no gap");
    assert_eq!(home.ok(&["job", "show", &id, "--json"]).json()["state"], "done");

    refused_while_it_hosts(home);

    let removed = home
        .ok(&[
            "instance",
            "remove",
            "client-abc",
            "--confirm",
            "client-abc",
            "--wait",
            "--json",
        ])
        .json();
    assert_eq!(removed["state"], "done");
    home.ok(&["instance", "remove", "second", "--yes", "--wait"]);
    let after = databases().await;
    assert!(!after.contains(&database) && !after.contains(&second), "{after:?}");
    assert_eq!(home.ok(&["instance", "list", "--json"]).json(), json!([]));
    home.ok(&["server", "deactivate", "prod-1"]);
}

fn refused_while_it_hosts(home: &Home) {
    for (arguments, message) in [
        (
            &["server", "deactivate", "prod-1"][..],
            "Cannot deactivate server while it has instances (2)",
        ),
        (
            &["server", "remove", "prod-1", "--yes"],
            "Cannot delete server while it has instances (2)",
        ),
    ] {
        let error = home.fails(&[arguments, &["--json"]].concat()).error();
        assert_eq!(error["message"], message);
        assert_eq!(error["code"], "has_instances");
    }
    assert_eq!(
        home.ok(&["server", "show", "prod-1", "--json"]).json()["state"],
        "active"
    );
    let error = home
        .fails(&["template", "remove", "restaurant", "--yes", "--json"])
        .error();
    assert!(
        error["message"].as_str().is_some_and(|m| m.contains("instance")),
        "{error}"
    );
    for (arguments, part) in [
        (
            &["--subdomain", "client-abc"][..],
            "\"client-abc\" is taken already by Client ABC",
        ),
        (&["--server", "prod-9"], "there is no server \"prod-9\""),
        (&["--template", "restaurnt"], "there is no template \"restaurnt\""),
        (&["--plan", "gold"], "there is no plan \"gold\""),
    ] {
        let error = home
            .fails(&[&["instance", "create", "Third"], arguments, &["--json"]].concat())
            .error();
        assert!(
            error["message"].as_str().is_some_and(|m| m.contains(part)),
            "{arguments:?}: {error}"
        );
    }
    home.ok(&["server", "maintenance", "prod-1"]);
    let error = home.fails(&["instance", "create", "Third", "--json"]).error();
    assert_eq!(error["message"], "No available server found: prod-1 is maintenance");
    assert_eq!(
        home.ok(&["server", "activate", "prod-1", "--json"]).json()["state"],
        "active"
    );
}

/// Watches every command line on the machine for words that belong in none.
struct ArgvWatch {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<(u64, Vec<String>)>>,
}

impl ArgvWatch {
    fn start(canaries: Vec<String>) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let (mut seen, mut found) = (0, Vec::new());
            while !ended.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    let Ok(bytes) = std::fs::read(entry.path().join("cmdline")) else {
                        continue;
                    };
                    let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
                    seen += u64::from(line.contains("vigie"));
                    if canaries.iter().any(|canary| line.contains(canary.as_str())) {
                        found.push(line);
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            (seen, found)
        });
        Self {
            end,
            thread: Some(thread),
        }
    }

    fn found(mut self) -> (u64, Vec<String>) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().expect("a thread").join().expect("it ends")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_in_any_output_log_row_or_command_line() {
    let desk = Desk::new().await;
    let home = &desk.home;
    let database_password = cluster().role_password().expose().to_owned();
    let given = "canary-given-administrator";
    let sealed = "canary-sealed-database";
    let watch = ArgvWatch::start(vec![
        MASTER.into(),
        database_password.clone(),
        given.into(),
        sealed.into(),
    ]);
    desk.set_up(&fresh_name("template_secret"));
    let script = home.path("give");
    std::fs::write(&script, format!("#!/bin/sh\necho {given}\n")).expect("write");
    home.chmod(&script, 0o700);
    let from = format!("command:{}", script.display());
    let database = fresh_name("secret");
    let base = ["instance", "create", "Secret One", "--database", &database, "--wait"];
    home.ok(&[&base[..], &["--admin-password-from", &from]].concat());
    home.ok(&[
        "instance",
        "create",
        "Secret Two",
        "--database",
        &fresh_name("secret"),
        "--wait",
        "--json",
    ]);

    // Every verb, and every way to fail: no server, no login, a wrong master password, a late failure.
    let (host, port) = (cluster().host(), cluster().port().to_string());
    let other = "http://127.0.0.1:1";
    home.stdin(
        sealed,
        &[
            "server",
            "add",
            "broken",
            "--url",
            other,
            "--max-instances",
            "5",
            "--db-host",
            host,
            "--db-port",
            &port,
            "--db-user",
            "odoo",
            "--db-password-stdin",
            "--json",
        ],
    );
    home.fails(&["server", "activate", "broken"]);
    home.ok(&[
        "server",
        "edit",
        "broken",
        "--url",
        &format!("{}/", desk.odoo.url().replace("127.0.0.1", "localhost")),
    ]);
    home.stdin(sealed, &["server", "edit", "broken", "--master-password-stdin"]);
    home.run(&["server", "activate", "broken", "--json"]);
    home.run(&["server", "test", "broken"]);
    home.run(&["server", "check", "--json"]);
    home.ok(&[
        "template",
        "add",
        "broken",
        "--server",
        "broken",
        "--database",
        &fresh_name("template_broken"),
    ]);
    home.run(&["template", "create-database", "broken", "--wait", "--json"]);
    home.run(&["template", "adopt", "broken", "--wait"]);
    desk.odoo.fault(|faults| faults.init_fails = true);
    home.ok(&[
        "template",
        "add",
        "late",
        "--server",
        "prod-1",
        "--database",
        &fresh_name("template_late"),
    ]);
    home.fails(&["template", "create-database", "late", "--wait"]);
    desk.odoo.fault(|faults| faults.init_fails = false);
    for verb in [
        &["server", "list"][..],
        &["server", "show", "prod-1", "--json"],
        &["template", "list", "--json"],
        &["template", "show", "restaurant"],
        &["instance", "list", "--json"],
        &["instance", "show", "secret-one"],
        &["instance", "create", "Third", "--dry-run"],
        &["instance", "remove", "secret-one", "--dry-run"],
        &["job", "list", "--json"],
        &["job", "log", "1"],
        &["job", "log", "2", "--json"],
        &["job", "show", "2", "--json"],
        &["placement"],
        &["audit", "--limit", "1000", "--json"],
        &["doctor"],
    ] {
        home.run(verb);
    }
    let handed = home.path("handed-out");
    home.ok(&[
        "instance",
        "password",
        "secret-two",
        "--to",
        &handed.display().to_string(),
    ]);
    home.ok(&[
        "template",
        "password",
        "restaurant",
        "--to",
        &home.path("template-password").display().to_string(),
    ]);
    let made = std::fs::read_to_string(&handed)
        .expect("the password")
        .trim()
        .to_owned();
    let templates = std::fs::read_to_string(home.path("template-password")).expect("the password");
    let canaries = [MASTER, &database_password, given, sealed, &made, templates.trim()];
    let intended: [&Path; 4] = [&home.path("master"), &script, &handed, &home.path("template-password")];
    for canary in canaries {
        assert!(canary.len() > 10, "a canary that could be anywhere");
        assert!(!home.said().contains(canary), "a secret was printed");
        let holding = home.holding(canary);
        let strays: Vec<_> = holding
            .iter()
            .filter(|path| !intended.contains(&path.as_path()))
            .collect();
        assert!(strays.is_empty(), "a secret lies in {strays:?}");
    }
    for (path, mode) in home.walk() {
        if path.components().any(|part| part.as_os_str() == ".local") {
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, wanted, "{} has mode {mode:o}", path.display());
        }
    }
    let (seen, found) = watch.found();
    assert!(seen > 0, "the watch saw no command line of vigie at all");
    assert!(found.is_empty(), "a secret on a command line: {found:?}");
    // The template's password opens no instance.
    let databases = rpc(
        &desk.odoo,
        "common",
        "authenticate",
        json!([database, "admin", templates.trim(), {}]),
    )
    .await;
    assert_eq!(databases["result"], json!(false));
}
