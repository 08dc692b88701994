//! The dashboard on a private fleet: jobs that live without it, and their logs on its screen.

use super::harness::{DEADLINE, Random, Session, Start, is_alive, verb_command};
use rustix::process::{Pid, Signal};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vigie::domain::job::{LogLevel, Stream};
use vigie::domain::{JobId, SafeText};
use vigie::registry::sqlite::Sqlite;
use vigie::registry::{NewLine, Registry};

/// A sandbox that runs for as long as it is held.
pub(super) struct Sandbox {
    child: Child,
    pub(super) config: PathBuf,
    pub(super) home: tempfile::TempDir,
}

impl Sandbox {
    pub(super) fn start() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        // Its PostgreSQL may run as another user, who has to get in.
        std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        let dir = home.path().join("fleet");
        let mut child = verb_command(home.path())
            .args(["sandbox", "--no-tui", "--dir"])
            .arg(&dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the sandbox starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let config = lines
            .map_while(Result::ok)
            .find(|line| line.ends_with(".toml"))
            .expect("the configuration's path");
        Self {
            child,
            config: config.trim().into(),
            home,
        }
    }

    /// Runs a verb on the fleet; its JSON.
    pub(super) fn json(&self, args: &[&str]) -> serde_json::Value {
        let output = verb_command(self.home.path())
            .arg("--config")
            .arg(&self.config)
            .arg("--json")
            .args(args)
            .output()
            .expect("the program starts");
        assert!(
            output.status.success(),
            "vigie {args:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn dashboard(&self) -> Session {
        let config = self.config.to_str().expect("a path that is text");
        Start::vigie().arg("--config").arg(config).size(160, 45).start()
    }

    fn job_state(&self, job: i64) -> String {
        self.json(&["job", "show", &job.to_string()])["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    }

    /// Waits until a job is over; its state.
    pub(super) fn until_over(&self, job: i64) -> String {
        let deadline = Instant::now() + 3 * DEADLINE;
        loop {
            let state = self.job_state(job);
            if !["queued", "running", "undoing"].contains(&state.as_str()) {
                return state;
            }
            assert!(Instant::now() < deadline, "job {job} is {state} still");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Queues an instance's creation.
    pub(super) fn create(&self, name: &str) -> i64 {
        let made = self.json(&["instance", "create", name, "--template", "restaurant"]);
        made["id"]
            .as_i64()
            .or(made["job_id"].as_i64())
            .or(made["job"]["id"].as_i64())
            .unwrap_or_else(|| panic!("no job in {made}"))
    }

    /// The numbers of a job's log lines.
    fn log(&self, job: i64) -> Vec<i64> {
        let lines = self.json(&["job", "log", &job.to_string()]);
        let lines = lines.as_array().expect("lines").clone();
        lines
            .iter()
            .map(|line| line["seq"].as_i64().expect("a number"))
            .collect()
    }
}

impl Session {
    /// A person's pause between two keys.
    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a process id");
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        let _ = self.child.wait();
    }
}

/// How an operator's terminal goes away.
const WAYS: [&str; 5] = [
    "kill -9 of the dashboard",
    "kill -9 of both",
    "SIGHUP",
    "hang-up",
    "SIGTERM",
];

/// Queues a job, ends a dashboard while it runs, and looks what became of the job. Whether it was
/// running at that moment.
fn end_while_it_runs(fleet: &Sandbox, name: &str, way: usize, wait: Duration) -> bool {
    let mut session = fleet.dashboard();
    session.until_text("prod-1");
    let (guard, dashboard) = (session.guard(), session.dashboard());
    let job = fleet.create(name);
    std::thread::sleep(wait);
    let running = fleet.job_state(job) != "done";
    match WAYS[way % WAYS.len()] {
        "kill -9 of the dashboard" => session.signal(dashboard, Signal::KILL),
        "kill -9 of both" => {
            rustix::process::kill_process_group(guard, Signal::KILL).expect("a signal");
        }
        "SIGHUP" => session.signal(guard, Signal::HUP),
        "SIGTERM" => session.signal(guard, Signal::TERM),
        _ => session.hang_up(),
    }
    session.until_ended();
    session.until("the dashboard to be gone", || (!is_alive(dashboard)).then_some(()));
    assert_eq!(fleet.until_over(job), "done", "{}", WAYS[way % WAYS.len()]);
    let log = fleet.log(job);
    assert_eq!(log, (1..=log.len() as i64).collect::<Vec<i64>>(), "gaps or repeats");
    assert!(log.len() > 5);
    // Attached again, it is there at once.
    let again = Instant::now();
    let mut session = fleet.dashboard();
    session.until_text("prod-1");
    println!("J5: shown again after {:?}", again.elapsed());
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
    running
}

#[test]
fn jobs_go_on_whatever_ends_the_dashboard() {
    let fleet = Sandbox::start();
    let mut running = 0;
    for way in 0..WAYS.len() {
        let name = format!("Goes on {way}");
        running += usize::from(end_while_it_runs(&fleet, &name, way, Duration::from_millis(20)));
    }
    assert!(running > 0, "no job was running when its dashboard ended");

    create_on_the_screen(&fleet);
}

/// `n`, a name, a look at the plan, and `y`: the log streams, and the instance is there.
fn create_on_the_screen(fleet: &Sandbox) {
    let mut session = fleet.dashboard();
    session.until_text("prod-1");
    session.type_in("2n");
    session.until_text("subdomain");
    session.type_in("On Screen");
    session.until_text("the template's passwords don't");
    // Back from the first field is the last: the button.
    session.type_in("\x1b[Z\r");
    session.until_text("sure?");
    // A dialog takes no answer in its first moment, so that none is given by mistake.
    while session.text().contains("sure?") {
        session.type_in("y");
        session.pause(Duration::from_millis(100));
    }
    session.until_text("create instance On Screen");
    session.until_text("1/7");
    session.until_text("done: create instance On Screen");
    assert_eq!(fleet.json(&["instance", "show", "on-screen"])["state"], "active");
    lines_come_in_time(fleet, &session);
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);
}

/// What another process writes to the followed log is on the screen within 150 ms.
fn lines_come_in_time(fleet: &Sandbox, session: &Session) {
    let jobs = fleet.json(&["job", "list"]);
    let newest = jobs
        .as_array()
        .expect("jobs")
        .iter()
        .filter_map(|job| job["id"].as_i64())
        .max();
    let job = JobId(newest.expect("a job"));
    let file = super::harness::find(fleet.config.parent().expect("its folder"), "db");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let registry = Sqlite::open_existing(&file[0]).expect("the registry");
    let mut times = Vec::new();
    for n in 0..20 {
        let text = format!("written-elsewhere-{n:02}");
        let line = a_line(&text);
        let written = Instant::now();
        runtime
            .block_on(registry.append_log(job, &[line]))
            .expect("a written line");
        session.until_text(&text);
        times.push(written.elapsed());
    }
    times.sort_unstable();
    println!(
        "a log line, from being written to the screen: p50 {:?}, slowest {:?}",
        times[10], times[19]
    );
    assert!(times[17] < Duration::from_millis(150), "{times:?}");
}

#[test]
#[ignore = "long: make soak"]
fn soak_jobs_go_on_after_two_hundred_ends() {
    let fleet = Sandbox::start();
    let mut random = Random::seeded("soak_jobs_go_on");
    let (mut running, began) = (0, Instant::now());
    for n in 0..200 {
        let name = format!("Soak {n}");
        let wait = Duration::from_millis(random.below(600));
        running += usize::from(end_while_it_runs(&fleet, &name, n, wait));
        fleet.json(&["instance", "remove", &format!("soak-{n}"), "--yes", "--wait"]);
    }
    println!(
        "J5: 200 of 200 jobs were done, {running} of them running when the dashboard ended, in {:.0?}",
        began.elapsed()
    );
}

/// The detached workers of this home.
fn workers(home: &std::path::Path) -> Vec<Pid> {
    let home = home.to_str().expect("a path that is text");
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|pid| pid.parse().ok()) else {
            continue;
        };
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains("worker\0--detached") && line.contains(home) {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}

#[test]
fn the_dashboard_starts_a_worker_and_a_successor_while_a_job_waits() {
    let start = Start::vigie().env("VIGIE_WORKER_AUTOSTART", "true").size(120, 35);
    let home = start.home_path().to_owned();
    let verb = |args: &[&str]| super::harness::verb(&home, args);
    // Nothing answers there; a job on it waits for an answer as long as its limits say.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("its address"));
    verb(&[
        "server",
        "add",
        "mute-1",
        "--name",
        "Mute",
        "--url",
        &url,
        "--max-instances",
        "5",
    ]);
    let mut session = start.start();
    session.until_text("mute-1");
    let first = session.until("a worker", || workers(&home).first().copied());
    let own = rustix::process::getsid(Some(session.guard())).expect("a session");
    session.until("it to leave our session", || {
        rustix::process::getsid(Some(first))
            .is_ok_and(|its| its != own)
            .then_some(())
    });
    rustix::process::kill_process(first, Signal::KILL).expect("a signal");
    session.until("it to be gone", || (!is_alive(first)).then_some(()));
    assert!(workers(&home).is_empty(), "nobody needs one now");

    queue_a_job(&home);
    let second = session.until("its successor", || workers(&home).first().copied());
    assert!(is_alive(session.dashboard()));
    session.signal(session.guard(), Signal::HUP);
    assert_eq!(session.until_ended(), 129);
    assert!(is_alive(second), "it lives without the dashboard");
    rustix::process::kill_process(second, Signal::TERM).expect("a signal");
    session.until("it to be gone", || (!is_alive(second)).then_some(()));
}

#[test]
fn keys_are_answered_while_a_log_pours_in() {
    let start = Start::vigie().size(160, 45);
    let home = start.home_path().to_owned();
    let args = [
        "server",
        "add",
        "prod-1",
        "--name",
        "P",
        "--url",
        "https://p.example.org",
        "--max-instances",
        "5",
    ];
    super::harness::verb(&home, &args);
    let job = queue_a_job(&home);
    let mut session = start.start();
    session.until_text("adopt any");
    let stop = Arc::new(AtomicBool::new(false));
    let flood = std::thread::spawn({
        let (stop, file) = (Arc::clone(&stop), super::harness::find(&home, "db").remove(0));
        move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let registry = Sqlite::open_existing(&file).expect("the registry");
            let mut n = 0;
            while !stop.load(Ordering::Acquire) {
                let lines: Vec<NewLine> = (0..500).map(|i| a_line(&format!("poured {}", n + i))).collect();
                runtime
                    .block_on(registry.append_log(job, &lines))
                    .expect("written lines");
                n += lines.len();
            }
            runtime
                .block_on(registry.append_log(job, &[a_line("the very last line")]))
                .expect("a line");
            n
        }
    });
    session.until_text("poured");
    let (times, took) = open_and_close_help(&mut session);
    stop.store(true, Ordering::Release);
    let poured = flood.join().expect("the flood");
    session.until_text("the very last line");
    println!(
        "keys while a log poured in ({poured} lines in {took:.1?}): p50 {:?}, slowest {:?}",
        times[times.len() / 2],
        times[times.len() - 1]
    );
    assert!(times[times.len() / 2] < Duration::from_millis(250), "{times:?}");
    session.signal(session.guard(), Signal::TERM);
    assert_eq!(session.until_ended(), 143);
}

/// Types `?` and Esc in turns; how long each took to show, the shortest first, and all of them.
pub(super) fn open_and_close_help(session: &mut Session) -> (Vec<Duration>, Duration) {
    let began = Instant::now();
    let mut times = Vec::new();
    for n in 0..30 {
        let open = n % 2 == 0;
        let typed = Instant::now();
        session.type_in(if open { "?" } else { "\x1b" });
        session.until_screen("an answer", |screen| screen.contents().contains("keys in") == open);
        times.push(typed.elapsed());
    }
    times.sort_unstable();
    (times, began.elapsed())
}

pub(super) fn a_line(text: &str) -> NewLine {
    NewLine {
        at: jiff::Timestamp::now(),
        step: None,
        stream: Stream::Engine,
        level: LogLevel::Info,
        text: SafeText::new(text),
        took_ms: None,
        progress: None,
    }
}

/// Queues a job as an operation does, past the checks that need a server to answer.
pub(super) fn queue_a_job(home: &std::path::Path) -> JobId {
    use vigie::domain::audit::Actor;
    use vigie::domain::job::JobSpec;
    use vigie::domain::template::TemplateSpec;
    use vigie::registry::{Expected, NewJob, Op};
    let op = || Op {
        reason: None,
        id: uuid::Uuid::now_v7().to_string(),
        at: jiff::Timestamp::now(),
        actor: Actor {
            os_user: "tester".into(),
            host: "here".into(),
            via: "test".into(),
        },
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let file = super::harness::find(home, "db");
        let registry = Sqlite::open_existing(&file[0]).expect("the registry");
        let server = registry.servers().await.expect("servers").remove(0);
        let spec = TemplateSpec {
            name: SafeText::new("Any"),
            code: "any".parse().expect("a code"),
            server_id: server.id,
            template_database: "template_any".parse().expect("a name"),
            base_modules: Vec::new(),
            language: "en_US".into(),
        };
        let template = registry.add_template(&op(), &spec).await.expect("a template");
        let job = NewJob {
            title: SafeText::new("adopt any"),
            spec: JobSpec::TemplateAdopt {
                template_id: template.id,
                server_id: server.id,
            },
            steps: Vec::new(),
            reservations: Vec::new(),
            instance: None,
            consequences: Vec::new(),
            expected: Expected::default(),
            thresholds: vigie::domain::capacity::Thresholds::default(),
        };
        registry.queue_job(&op(), &job).await.expect("a queued job").id
    })
}
