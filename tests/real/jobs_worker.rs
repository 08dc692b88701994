//! The worker's process: that it outlives who started it, that one is started and not two, that it
//! hands back what it can't finish, and that two of them never run one job at once.

use crate::jobs_fleet::{Fleet, Reach, alive};
use crate::jobs_kit::{op, registry, tools, wait_until};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vigie::domain::JobId;
use vigie::domain::health::HealthRules;
use vigie::domain::job::{JobState, LogLevel, Stream};
use vigie::jobs::Request;
use vigie::jobs::engine::Parted;
use vigie::jobs::failpoint::FailPoints;
use vigie::jobs::log::LogWriter;
use vigie::jobs::tools::Redact;
use vigie::jobs::worker::{self, ScheduleOptions, Spawned, WorkerOptions, spawn_detached};
use vigie::remote::probe::CheckSettings;

async fn over(fleet: &Fleet, id: JobId) -> JobState {
    wait_until("the job's end", || async { fleet.job(id).await.state.is_over() }).await;
    fleet.job(id).await.state
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

fn pid_of(worker: &str) -> u32 {
    worker.rsplit(':').nth(1).unwrap().parse().unwrap()
}

/// Session and terminal of a process, from its status line.
fn session_and_terminal(pid: u32) -> (i64, i64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[3].parse().unwrap(), fields[4].parse().unwrap())
}

fn arguments(fleet: &Fleet) -> Vec<OsString> {
    let config = fleet.config().into_os_string();
    vec!["worker".into(), "--detached".into(), "--config".into(), config]
}

const EXE: &str = env!("CARGO_BIN_EXE_vigie");

#[tokio::test]
async fn one_detached_worker_is_started_however_many_ask_and_it_has_its_own_session() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let (exe, arguments, state) = (Path::new(EXE), arguments(&fleet), fleet.folder.path());
    let ask = || spawn_detached(fleet.registry.as_ref(), exe, &arguments, state);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    let answers = [one.unwrap(), two.unwrap(), three.unwrap()];
    let started: Vec<&String> = answers
        .iter()
        .filter_map(|a| match a {
            Spawned::Started(id) => Some(id),
            Spawned::Already(_) => None,
        })
        .collect();
    assert_eq!(started.len(), 1, "{answers:?}");
    let pid = pid_of(started[0]);
    assert!(
        answers
            .iter()
            .all(|a| matches!(a, Spawned::Started(id) | Spawned::Already(id) if pid_of(id) == pid))
    );
    assert_eq!(alive(&fleet.registry.workers().await.unwrap()), 1);
    assert_eq!(
        session_and_terminal(pid),
        (i64::from(pid), 0),
        "its own session, no terminal"
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(state.join("worker.log")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // It runs what is queued, woken by the registry and not by its clock.
    let id = fleet.queue(fleet.instance(template, "client-abc")).await.id;
    assert_eq!(over(&fleet, id).await, JobState::Done, "{}", fleet.log(id).await);
    fleet.assert_made("client-abc").await;
    signal(pid, rustix::process::Signal::TERM);
    wait_until("the worker's end", || async {
        alive(&fleet.registry.workers().await.unwrap()) == 0
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_can_not_start_says_why() {
    let fleet = Fleet::new(Reach::All).await;
    let arguments: Vec<OsString> = vec!["worker".into(), "--config".into(), "/nowhere/config.toml".into()];
    let refused = spawn_detached(fleet.registry.as_ref(), Path::new(EXE), &arguments, fleet.folder.path())
        .await
        .unwrap_err();
    assert_eq!(refused.code, "worker_not_started");
    assert!(refused.message.contains("nowhere"), "{refused:?}");
}

/// What a dashboard does: it starts a worker, queues a job, and is killed.
#[tokio::test]
#[ignore = "run as a process of its own by the test below"]
async fn asker() {
    let Some(folder) = std::env::var_os("VIGIE_TEST_ASKER") else {
        return;
    };
    let folder = Path::new(&folder);
    let registry = vigie::registry::sqlite::Sqlite::open(folder.join("registry.db")).unwrap();
    let config = folder.join("config.toml").into_os_string();
    let arguments: Vec<OsString> = vec!["worker".into(), "--detached".into(), "--config".into(), config];
    spawn_detached(&registry, Path::new(EXE), &arguments, folder)
        .await
        .unwrap();
    std::fs::write(folder.join("started"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_job_outlives_the_death_of_who_asked_for_it() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    fleet.config();
    let mut asker = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "jobs_worker::asker", "--ignored", "--nocapture"])
        .env("VIGIE_TEST_ASKER", fleet.folder.path())
        // The job is caught in the middle: it stands still until its worker is told to stop.
        .env("VIGIE_FAILPOINT", "instance_create.clone_filestore.before_effect=pause")
        .env("VIGIE_TEST_PASSWORD_ROUNDS", "10")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the worker", || async { fleet.folder.path().join("started").exists() }).await;
    let id = fleet.queue(fleet.instance(template, "client-abc")).await.id;
    wait_until("the middle of the job", || async {
        fleet.job(id).await.progress().0 == 3
    })
    .await;
    asker.kill().unwrap();
    asker.wait().unwrap();
    let workers = fleet.registry.workers().await.unwrap();
    assert_eq!(alive(&workers), 1, "the worker lives on");
    // Killed as well, it leaves the job to the next worker, which finishes it without delay.
    let pid = pid_of(&workers.iter().find(|w| w.alive).unwrap().id);
    signal(pid, rustix::process::Signal::KILL);
    let mut next = fleet.worker("").spawn().unwrap();
    assert_eq!(over(&fleet, id).await, JobState::Done, "{}", fleet.log(id).await);
    fleet.assert_made("client-abc").await;
    signal(next.id(), rustix::process::Signal::TERM);
    assert!(next.wait().unwrap().success());
    let log = fleet.registry.log(id, 0, 10_000).await.unwrap();
    let numbers: Vec<i64> = log.iter().map(|line| line.seq).collect();
    assert_eq!(numbers, (1..=log.len() as i64).collect::<Vec<_>>(), "no gap, no repeat");
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_hands_back_what_does_not_end() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let mut options = WorkerOptions::here();
    options.drain = Duration::from_millis(300);
    options.engine.failpoints = FailPoints::parse("instance_create.clone_filestore.before_effect=pause");
    let stop = tokio_util::sync::CancellationToken::new();
    let tools = Arc::new(fleet.tools.clone());
    let running = tokio::spawn(worker::run(Arc::clone(&fleet.registry), tools, options, stop.clone()));
    let id = fleet.queue(fleet.instance(template, "client-abc")).await.id;
    wait_until("the middle of the job", || async {
        fleet.job(id).await.progress().0 == 3
    })
    .await;
    stop.cancel();
    running.await.unwrap().unwrap();
    let job = fleet.job(id).await;
    assert_eq!(
        (job.state, job.lease),
        (JobState::Running, None),
        "handed back, not failed"
    );
    assert_eq!(
        fleet.run("").await,
        Parted::Over(JobState::Done),
        "{}",
        fleet.log(id).await
    );
    fleet.assert_made("client-abc").await;
}

#[tokio::test]
async fn two_workers_never_run_one_job_at_once() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let mut jobs = Vec::new();
    for number in 0..6 {
        jobs.push(
            fleet
                .queue(fleet.instance(template, &format!("client-{number}")))
                .await
                .id,
        );
    }
    let mut workers: Vec<std::process::Child> = (0..3).map(|_| fleet.worker("").spawn().unwrap()).collect();
    for id in &jobs {
        assert_eq!(over(&fleet, *id).await, JobState::Done, "{}", fleet.log(*id).await);
    }
    for worker in &mut workers {
        signal(worker.id(), rustix::process::Signal::TERM);
        assert!(worker.wait().unwrap().success());
    }
    for id in jobs {
        let mut begun: BTreeMap<Option<usize>, usize> = BTreeMap::new();
        for line in fleet.registry.log(id, 0, 10_000).await.unwrap() {
            if line.level == LogLevel::Begin {
                *begun.entry(line.step).or_default() += 1;
            }
        }
        assert!(begun.values().all(|times| *times == 1), "job {id}: {begun:?}");
    }
    assert_eq!(fleet.registry.server(fleet.server.id).await.unwrap().instance_count, 6);
}

#[tokio::test]
async fn servers_are_checked_when_they_are_due_and_a_dead_one_is_seen() {
    let fleet = Fleet::new(Reach::All).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let schedule = ScheduleOptions {
        interval: Duration::from_secs(1),
        check: CheckSettings::default(),
        jitter: Duration::from_millis(50),
        concurrency: 4,
        rules: HealthRules::default(),
        keep_checks: Duration::from_secs(3600),
        keep_logs: Duration::from_secs(3600),
    };
    let options = WorkerOptions {
        schedule: Some(schedule),
        ..WorkerOptions::here()
    };
    let running = tokio::spawn(worker::run(
        Arc::clone(&fleet.registry),
        Arc::new(fleet.tools.clone()),
        options,
        stop.clone(),
    ));
    let checks = || async { fleet.registry.health_history(fleet.server.id, None, 100).await.unwrap() };
    wait_until("two checks", || async { checks().await.len() >= 3 }).await;
    assert!(checks().await[0].report.failure.is_none(), "{:?}", checks().await[0]);
    fleet.odoo.fault(|faults| faults.hang = true);
    let Fleet {
        odoo, registry, server, ..
    } = &fleet;
    odoo.fault(|faults| {
        faults.hang = false;
        faults.instead = Some(vigie::sandbox::Instead::Html {
            status: 502,
            body: "Bad Gateway".to_owned(),
        });
    });
    wait_until("the server to be offline", || async {
        registry.server(server.id).await.unwrap().state() == vigie::domain::server::ServerState::Offline
    })
    .await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn lines_are_in_the_registry_a_batch_later_and_secrets_are_not() {
    let (registry, queue) = registry().await;
    let job = queue.thaw(registry.as_ref(), Vec::new()).await.id;
    let tools = tools(queue.folder());
    let secret = tools.remote.keyring().generate_password().unwrap();
    let writer = LogWriter::start(Arc::clone(&registry), job, tools.redact());
    // The machine may be slow: beside each line that goes the writer's way one is read back at once by hand, so
    // that both wait for the same disk. What is between them is the batch's own 50 ms.
    let (bare_job, mut late) = (queue.thaw(registry.as_ref(), Vec::new()).await.id, Vec::new());
    for number in 1..=20 {
        let bare = Instant::now();
        let line = vigie::registry::NewLine {
            at: jiff::Timestamp::now(),
            step: None,
            stream: Stream::Stdout,
            level: LogLevel::Info,
            text: vigie::domain::SafeText::new("as it is"),
            took_ms: None,
            progress: None,
        };
        registry.append_log(bare_job, &[line]).await.unwrap();
        assert_eq!(registry.log_end(bare_job).await.unwrap(), number);
        let (bare, written) = (bare.elapsed(), Instant::now());
        writer.line(
            None,
            Stream::Stdout,
            LogLevel::Info,
            &format!("{number}: the password is {}", secret.expose()),
        );
        while registry.log_end(job).await.unwrap() < number {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        late.push(written.elapsed().saturating_sub(2 * bare));
    }
    late.sort_unstable();
    let (median, worst) = (late[late.len() / 2], late[late.len() - 1]);
    eprintln!("beyond the writing itself a line is readable after {median:?}, {worst:?} at worst");
    assert!(median < Duration::from_millis(75), "{median:?}");
    // Progress is one slot; the rest comes whole and in order, though it is far more than fits.
    let step = writer.step(Some(0));
    for number in 0..20_000_u64 {
        step.output(Stream::Stdout, format!("line {number} {}", "x".repeat(10_000)));
        step.progress(number, 20_000, "bytes");
        if number % 500 == 0 {
            writer.flush(Duration::from_secs(10)).await;
        }
    }
    writer.flush(Duration::from_secs(10)).await;
    let (mut after, mut lines) = (20, Vec::new());
    loop {
        let page = registry.log(job, after, 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.seq;
        lines.extend(page);
    }
    let outputs: Vec<&str> = lines
        .iter()
        .filter(|line| line.stream == Stream::Stdout)
        .map(|line| line.text.as_str().split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(outputs.len(), 20_000);
    assert!(outputs.iter().enumerate().all(|(i, n)| n.parse() == Ok(i)), "in order");
    let progress = lines.iter().filter(|line| line.stream == Stream::Progress).count();
    assert!((1..2_000).contains(&progress), "{progress} lines of progress");
    assert!(lines.iter().all(|line| line.text.as_str().len() < 9_000), "cut");
    let all = registry.log(job, 0, 25).await.unwrap();
    assert!(all.iter().all(|line| !line.text.as_str().contains(secret.expose())));
    assert!(all[0].text.as_str().starts_with("1: the password is"));
    assert_eq!(Redact::default().apply("plain"), "plain");
}

#[tokio::test]
async fn a_template_is_made_adopted_and_thawed_by_a_worker() {
    let fleet = Fleet::new(Reach::All).await;
    let template = fleet.add_template("restaurant", "template_restaurant").await;
    let mut worker = fleet.worker("").spawn().unwrap();
    for request in [
        Request::TemplateCreate(template),
        Request::TemplateThaw(template),
        Request::TemplateAdopt(template),
    ] {
        let id = fleet.queue(request).await.id;
        assert_eq!(over(&fleet, id).await, JobState::Done, "{}", fleet.log(id).await);
    }
    // What was adopted again keeps the password that was made for it.
    assert!(fleet.template(template).await.facts.admin_password.is_some());
    assert!(fleet.template(template).await.facts.frozen);
    let refused = fleet.registry.cancel_job(&op(), JobId(1)).await;
    assert!(refused.is_err(), "over is over");
    signal(worker.id(), rustix::process::Signal::TERM);
    assert!(worker.wait().unwrap().success());
}
