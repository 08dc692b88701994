//! `vigie sandbox`, as a newcomer meets it: started by a script, looked into from the shell, started
//! again with the dashboard, used, left. Nothing of it may stay behind.

use crate::harness::{Start, verb_command};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The first start makes three templates and a dozen instances.
const FIRST_START: Duration = Duration::from_secs(240);
/// "Starts again in seconds", on a machine busy with other tests.
const NEXT_START: Duration = Duration::from_secs(30);

/// A folder that PostgreSQL's user can pass through, unlike those of `tempfile`; gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("vigie-pty-sandbox-{}", std::process::id())))
    }

    fn text(&self) -> &str {
        self.0.to_str().expect("text")
    }

    /// The processes that have this folder among their arguments.
    fn processes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(self.text()) {
                found.push(line);
            }
        }
        found
    }

    fn until_no_process(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.processes().is_empty() {
            assert!(Instant::now() < deadline, "left behind: {:#?}", self.processes());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A sandbox without a dashboard, and the configuration file that it printed.
struct Script {
    child: std::process::Child,
    config: PathBuf,
}

impl Script {
    fn start(home: &Path, folder: &Folder, patience: Duration) -> Self {
        let mut command = verb_command(home);
        command.args(["sandbox", "--no-tui", "--dir", folder.text()]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("vigie starts");
        let (stdout, stderr) = (
            child.stdout.take().expect("a pipe"),
            child.stderr.take().expect("a pipe"),
        );
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = tell.send(line);
        });
        let said = std::thread::spawn(move || std::io::read_to_string(stderr).unwrap_or_default());
        let line = told.recv_timeout(patience).unwrap_or_default();
        if line.trim().is_empty() {
            let _ = child.kill();
            let _ = child.wait();
            panic!("no configuration file was printed; {}", said.join().unwrap_or_default());
        }
        Self {
            child,
            config: PathBuf::from(line.trim()),
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a process id");
        kill_process(pid, signal).expect("a signal");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Ended by the test, unless that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(home: &Path, config: &Path, verb: &[&str]) -> serde_json::Value {
    let config = config.to_str().expect("text");
    let all = [&["--json", "--config", config], verb].concat();
    serde_json::from_str(&crate::harness::verb(home, &all)).expect("JSON")
}

fn column<'a>(rows: &'a serde_json::Value, name: &str) -> Vec<&'a str> {
    rows.as_array()
        .expect("a list")
        .iter()
        .map(|row| row[name].as_str().unwrap_or_default())
        .collect()
}

/// The databases of the sandbox's cluster, as its own PostgreSQL lists them.
fn databases(folder: &Folder, port: u64) -> Vec<String> {
    let password = fs::read_to_string(folder.0.join("secrets/prod-2.database")).expect("the role's password");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(port as u16)
            .user("odoo_prod_2")
            .password(&password)
            .dbname("postgres");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("PostgreSQL answers");
        tokio::spawn(connection);
        let rows = client
            .query("SELECT datname FROM pg_database", &[])
            .await
            .expect("a list");
        rows.into_iter().map(|row| row.get(0)).collect()
    })
}

#[test]
fn a_newcomer_sees_a_fleet_uses_it_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let home = tempfile::tempdir().expect("a home");
    let home_path = home.path();

    // A script's run: it says when it is ready, and where its configuration is.
    let mut first = Script::start(home_path, &folder, FIRST_START);
    let config = first.config.clone();
    assert!(
        config.starts_with(&folder.0),
        "a configuration of its own: {}",
        config.display()
    );
    let servers = json(home_path, &config, &["server", "list"]);
    let codes = column(&servers, "code");
    assert_eq!(codes, ["prod-1", "prod-2", "prod-3", "test-1"]);
    assert_eq!(column(&servers, "state"), ["active", "active", "offline", "active"]);
    assert_eq!(column(&servers, "health_status")[2], "critical");
    let places: Vec<u64> = servers
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["max_instances"].as_u64().unwrap())
        .collect();
    assert_eq!((places[0], places[1], places[3]), (50, 50, 20));
    let port = servers[0]["db_port"].as_u64().expect("PostgreSQL's port");
    assert_ne!(port, 5432);
    let templates = json(home_path, &config, &["template", "list"]);
    assert!(
        column(&templates, "state").iter().all(|state| *state == "ready"),
        "{templates}"
    );
    let instances = json(home_path, &config, &["instance", "list"]);
    assert_eq!(column(&instances, "state"), ["active"; 12], "{instances}");
    let there = databases(&folder, port);
    for name in column(&instances, "database_name")
        .into_iter()
        .chain(column(&templates, "template_database"))
    {
        assert!(there.iter().any(|known| known == name), "{name} really exists");
    }

    // A second sandbox on the same folder is refused, and the first goes on.
    let refused = verb_command(home_path)
        .args(["sandbox", "--no-tui", "--dir", folder.text()])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in use by another vigie"));
    assert_eq!(
        json(home_path, &config, &["server", "list"]).as_array().unwrap().len(),
        4
    );

    // Told to stop, it ends everything.
    first.signal(Signal::TERM);
    assert!(first.child.wait().expect("its end").success());
    folder.until_no_process();

    // It starts again in seconds on what it had, though a port it had is another process's now.
    let old = servers[0]["server_url"].as_str().expect("an address").to_owned();
    let taken: u16 = old
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let squatter = std::net::TcpListener::bind(("127.0.0.1", taken)).expect("the port is free again");
    let began = Instant::now();
    let mut second = Script::start(home_path, &folder, NEXT_START);
    assert!(began.elapsed() < NEXT_START);
    assert_eq!(json(home_path, &config, &["instance", "list"]), instances);
    let moved = json(home_path, &config, &["server", "show", "prod-1"]);
    assert_ne!(moved["server_url"], old.as_str());
    assert_eq!(
        (&moved["state"], &moved["health_status"]),
        (&"active".into(), &"healthy".into())
    );
    drop(squatter);

    // Killed, it leaves nothing running either.
    second.signal(Signal::KILL);
    second.child.wait().expect("its end");
    folder.until_no_process();

    // The dashboard on it: n, a name, the plan, yes; and the database is there.
    let mut session = Start::vigie()
        .arg("sandbox")
        .arg("--dir")
        .arg(folder.text())
        .size(140, 40)
        .start();
    session.until_text("12/170 instances");
    session.until_text("n new instance");
    session.type_in("n");
    session.until_text("new instance ─");
    session.type_in("Chez Nous");
    session.until_text("7 steps");
    session.type_in("\r");
    session.until_text("[ Create… ]");
    session.type_in("\r");
    session.until_text("Create instance Chez Nous on ");
    // A question takes no answer in its first 300 ms: it may have been typed ahead.
    std::thread::sleep(Duration::from_millis(400));
    session.type_in("y");
    session.until_text("done: create instance Chez Nous");
    session.until_text("13/170 instances");
    let servers = json(home_path, &config, &["server", "list"]);
    let port = servers[0]["db_port"].as_u64().expect("PostgreSQL's port");
    assert!(databases(&folder, port).iter().any(|name| name == "chez_nous"));

    // Leaving it stops the fleet with it.
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    session.until_restored("q");
    folder.until_no_process();
}
