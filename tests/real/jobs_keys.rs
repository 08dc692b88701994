//! A worker that lacks a key: nothing fails, the job waits, and whoever has the key goes on.

use crate::jobs_fleet::{ADMIN_PASSWORD, Fleet, Reach};
use crate::jobs_kit::{tools, wait_until};
use pretty_assertions::assert_eq;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vigie::domain::job::{Job, JobState, StepState};
use vigie::domain::{JobId, Secret, SecretRef, TemplateId};
use vigie::jobs::Request;
use vigie::jobs::engine::{Engine, EngineOptions, Parted, Stop};
use vigie::jobs::failpoint::FailPoints;
use vigie::jobs::worker::{self, WorkerOptions};
use vigie::registry::ClaimTerms;
use vigie::remote::secrets::Keyring;

/// A key that only one of the team has: its file, its id, and the password sealed with it.
struct Team {
    file: PathBuf,
    id: String,
    password: SecretRef,
}

fn team(folder: &Path) -> Team {
    let file = folder.join("colleague.keys");
    // What the template's maker sealed with, and one more behind it.
    std::fs::copy(folder.join("keys"), &file).unwrap();
    let keyring = Keyring::at(file.clone());
    keyring.rotate().unwrap();
    let password = keyring.seal(&Secret::new(ADMIN_PASSWORD.to_owned())).unwrap();
    let id = password.key_id().unwrap().to_owned();
    Team { file, id, password }
}

/// An instance whose administrator's password is sealed with the colleague's key, queued by the colleague.
async fn queued(fleet: &Fleet, template: TemplateId, name: &str, team: &Team) -> Job {
    let Request::InstanceCreate(mut spec) = fleet.instance(template, name) else {
        panic!("an instance");
    };
    spec.admin_password = team.password.clone();
    let theirs = with_keys(fleet, &team.file);
    let plan = vigie::jobs::plan(
        fleet.registry.as_ref(),
        &theirs,
        Request::InstanceCreate(spec),
        &vigie::domain::capacity::Thresholds::default(),
    )
    .await
    .expect("a plan");
    fleet
        .registry
        .queue_job(&crate::jobs_kit::op(), &plan.new_job)
        .await
        .expect("queued")
}

/// The doors of somebody with this key file.
fn with_keys(fleet: &Fleet, file: &Path) -> vigie::jobs::Tools {
    let remote = vigie::remote::Remote::new(Keyring::at(file), vigie::remote::Limits::default(), None).unwrap();
    let mut theirs = tools(fleet.folder.path());
    theirs.remote = remote;
    theirs
}

async fn run_here(fleet: &Fleet, points: &str) -> Parted {
    let asked = Instant::now();
    let terms = ClaimTerms::lease(Duration::from_secs(20));
    let claim = fleet
        .registry
        .claim_job(&worker::identity(), &terms)
        .await
        .unwrap()
        .expect("a job");
    let options = EngineOptions {
        backoff: Duration::from_millis(20),
        failpoints: FailPoints::parse(points),
        ..EngineOptions::default()
    };
    let engine = Engine::new(Arc::clone(&fleet.registry), Arc::new(fleet.tools.clone()), options);
    engine.run(claim, asked, Stop::default()).await
}

fn untouched(job: &Job) {
    assert!(job.problem.is_none() && job.lease.is_none(), "{job:?}");
    for step in &job.steps {
        assert!(
            matches!(step.state, StepState::Pending | StepState::Intended | StepState::Done),
            "{step:?}"
        );
        assert!(step.problem.is_none(), "{step:?}");
    }
}

async fn over(fleet: &Fleet, id: JobId) -> Job {
    wait_until("the job's end", || async { fleet.job(id).await.state.is_over() }).await;
    fleet.job(id).await
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_for_the_key_and_a_worker_that_has_it_takes_over() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let team = team(fleet.folder.path());
    let id = queued(&fleet, template, "client-abc", &team).await.id;
    let parted = run_here(&fleet, "").await;
    assert_eq!(parted, Parted::LacksKey(team.id.clone()), "{}", fleet.log(id).await);
    let job = fleet.job(id).await;
    untouched(&job);
    assert_eq!(job.waits_for_key.as_deref(), Some(team.id.as_str()));
    assert_eq!(job.waits(), Some(format!("waits for key {}", team.id)));
    let log = fleet.log(id).await;
    assert!(log.contains(&format!("waits for key {}", team.id)), "{log}");
    assert!(!log.contains("undo") && !log.contains("Error"), "{log}");
    // Who lacks it is not given the job again; who has it is, and ends it.
    let lacking = ClaimTerms {
        lacks_keys: vec![team.id.clone()],
        ..ClaimTerms::lease(Duration::from_secs(20))
    };
    assert_eq!(fleet.registry.claim_job("here:1:1", &lacking).await.unwrap(), None);
    let mut command = fleet.worker("");
    let theirs = Ended(command.env("VIGIE_KEY_FILE", &team.file).spawn().expect("their worker"));
    let job = over(&fleet, id).await;
    assert_eq!(
        (job.state, &job.waits_for_key),
        (JobState::Done, &None),
        "{}",
        fleet.log(id).await
    );
    drop(theirs);
    fleet.assert_made("client-abc").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_looks_again_when_the_key_reaches_its_file_and_works_on_meanwhile() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let team = team(fleet.folder.path());
    let waiting = queued(&fleet, template, "client-abc", &team).await.id;
    let options = WorkerOptions {
        poll: Duration::from_millis(100),
        ..WorkerOptions::here()
    };
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(worker::run(
        Arc::clone(&fleet.registry),
        Arc::new(fleet.tools.clone()),
        options,
        stop.clone(),
    ));
    wait_until("that it waits", || async {
        fleet.job(waiting).await.waits_for_key.is_some()
    })
    .await;
    // Others' jobs are none the worse for it.
    let other = fleet.queue(fleet.instance(template, "bistro")).await.id;
    assert_eq!(
        over(&fleet, other).await.state,
        JobState::Done,
        "{}",
        fleet.log(other).await
    );
    let job = fleet.job(waiting).await;
    untouched(&job);
    let tries = fleet.log(waiting).await.matches("waits for key").count();
    assert_eq!(tries, 1, "it is not tried over and over: {}", fleet.log(waiting).await);
    // The key arrives.
    std::fs::rename(&team.file, fleet.folder.path().join("keys")).unwrap();
    assert_eq!(
        over(&fleet, waiting).await.state,
        JobState::Done,
        "{}",
        fleet.log(waiting).await
    );
    fleet.assert_made("client-abc").await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_be_undone_waits_for_the_key_as_well() {
    let (fleet, template) = Fleet::with_template(Reach::RpcOnly).await;
    let own = fleet.folder.path().join("keys");
    let master = fleet
        .tools
        .remote
        .keyring()
        .seal(&Secret::new("master".to_owned()))
        .unwrap();
    let server = fleet.registry.server(fleet.server.id).await.unwrap();
    let mut spec = server.spec.clone();
    spec.master_password = Some(master.clone());
    fleet
        .registry
        .edit_server(&crate::jobs_kit::op(), server.id, server.version, &spec)
        .await
        .unwrap();
    let before = fleet.inventory().await;
    let id = fleet.queue(fleet.instance(template, "client-abc")).await.id;
    // Something was made, and a later step fails: what was made has to go.
    fleet
        .die_at("instance_create.verify.before_effect=error,instance_create.clone_database.undo_before")
        .await;
    let kept = std::fs::read(&own).unwrap();
    std::fs::remove_file(&own).unwrap();
    let key = master.key_id().unwrap().to_owned();
    assert_eq!(
        run_here(&fleet, "").await,
        Parted::LacksKey(key.clone()),
        "{}",
        fleet.log(id).await
    );
    let job = fleet.job(id).await;
    assert_eq!((job.state, job.waits_for_key), (JobState::Undoing, Some(key)));
    assert!(
        job.steps.iter().all(|step| step.state != StepState::UndoFailed),
        "{:?}",
        job.steps
    );
    std::fs::write(&own, kept).unwrap();
    std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(
        run_here(&fleet, "").await,
        Parted::Over(JobState::Failed),
        "{}",
        fleet.log(id).await
    );
    assert_eq!(fleet.inventory().await.held(), before.held());
}
