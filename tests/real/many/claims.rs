//! Eight processes race for the same jobs, while they are stopped for twice their lease, cut off from the
//! registry, killed, and their clocks are an hour wrong. Every effect writes its token down where it
//! happens; a judge holds them against the claims.

use super::crew::Hand;
use super::ground::{Shared, scratch, with_password};
use super::wire::Wire;
use super::{Dice, soak};
use crate::harness::{connect, own_cluster};
use crate::jobs_kit::{op, server_spec, template_spec, tools};
use async_trait::async_trait;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use vigie::domain::capacity::Thresholds;
use vigie::domain::job::{JobSpec, PlannedStep};
use vigie::domain::{JobId, SafeText};
use vigie::jobs::Kind;
use vigie::jobs::engine::{Engine, EngineOptions, Stop};
use vigie::jobs::lease::LeaseTimes;
use vigie::jobs::step::{Cx, Observed, Outcome, Planned, Step, StepError};
use vigie::registry::postgres::Postgres;
use vigie::registry::{ClaimTerms, Expected, NewJob, Registry};
use vigie::sandbox::Cluster;

const NAMES: [&str; 25] = [
    "s00", "s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09", "s10", "s11", "s12", "s13", "s14", "s15",
    "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24",
];

/// A key that no racer has: jobs that wait for it are kept back.
const KEPT_BACK: &str = "later";

/// What a racer is told.
#[derive(Clone, Serialize, Deserialize)]
struct Brief {
    registry: String,
    password: PathBuf,
    /// Where the effects happen.
    outside: String,
    folder: PathBuf,
    name: String,
    steps: usize,
    lease_ms: u64,
    /// How long one effect goes on, written down every 10 ms; 0: it is written down once.
    drip_ms: u64,
}

impl Brief {
    fn times(&self) -> LeaseTimes {
        LeaseTimes {
            lease: Duration::from_millis(self.lease_ms),
            heartbeat: Duration::from_millis(self.lease_ms / 5),
        }
    }
}

/// A step whose effect is a row that names the token under which it was made.
struct Deed {
    name: &'static str,
    token: i64,
    brief: Brief,
    /// Fired behind the effect: the job is handed back at the step's end, and claimed anew.
    drain: CancellationToken,
}

fn fault(error: &tokio_postgres::Error) -> StepError {
    StepError::new("outside", error.to_string()).transient()
}

fn app(job: JobId) -> String {
    format!("race job {job} ")
}

async fn outside(brief: &Brief, job: JobId) -> Result<tokio_postgres::Client, StepError> {
    let mut config: tokio_postgres::Config = brief.outside.parse().unwrap();
    config.application_name(app(job));
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.map_err(|e| fault(&e))?;
    tokio::spawn(connection);
    Ok(client)
}

#[async_trait]
impl Step for Deed {
    fn name(&self) -> &'static str {
        self.name
    }
    fn title(&self) -> &'static str {
        self.name
    }
    async fn plan(&self, _cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::default())
    }
    async fn intent(&self, _cx: &Cx) -> Result<Value, StepError> {
        Ok(json!({ "token": self.token }))
    }
    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        // As the real steps do: nothing of this job may run any more before anyone looks.
        let me = outside(&self.brief, JobId(0)).await?;
        let ask = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
        while me
            .query_one(ask, &[&app(cx.job.unwrap())])
            .await
            .map_err(|e| fault(&e))?
            .get::<_, i64>(0)
            > 0
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let me = outside(&self.brief, JobId(0)).await?;
        let ask = "SELECT 1 FROM effect WHERE job = $1 AND step = $2 AND whole";
        let there = me
            .query_opt(ask, &[&cx.job.unwrap().0, &self.name])
            .await
            .map_err(|e| fault(&e))?;
        Ok(match there {
            Some(_) => {
                self.drain.cancel();
                Observed::Applied(Outcome::default())
            }
            None => Observed::NotApplied,
        })
    }
    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let job = cx.job.unwrap();
        let client = outside(&self.brief, job).await?;
        let write = "INSERT INTO effect (job, step, token, worker, whole) VALUES ($1, $2, $3, $4, $5)";
        let began = Instant::now();
        loop {
            // A moment in which whatever may happen to the process happens between looking and acting.
            client
                .execute("SELECT pg_sleep(0.01)", &[])
                .await
                .map_err(|e| fault(&e))?;
            let whole = began.elapsed() >= Duration::from_millis(self.brief.drip_ms);
            client
                .execute(write, &[&job.0, &self.name, &self.token, &self.brief.name, &whole])
                .await
                .map_err(|e| fault(&e))?;
            if whole {
                self.drain.cancel();
                return Ok(Outcome::default());
            }
        }
    }
}

/// A racer's process: claims, does one step, hands the job back, until none is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run as processes of their own by the tests below"]
async fn racer() {
    let Some(brief) = std::env::var_os("VIGIE_TEST_RACER") else {
        return;
    };
    let brief: Brief = serde_json::from_str(brief.to_str().unwrap()).unwrap();
    let registry: Arc<dyn Registry> = Arc::new(
        Postgres::open_as(&brief.registry, with_password(&brief.password))
            .await
            .unwrap(),
    );
    let tools = Arc::new(tools(&brief.folder));
    let times = brief.times();
    let options = EngineOptions {
        times,
        retries: 3,
        backoff: Duration::from_millis(20),
        patience: Duration::from_secs(10),
        registry_limit: times.lease,
        ..EngineOptions::default()
    };
    let me = vigie::jobs::worker::identity();
    loop {
        let asked = Instant::now();
        let terms = ClaimTerms {
            lacks_keys: vec![KEPT_BACK.to_owned()],
            ..ClaimTerms::lease(times.lease)
        };
        let claim = tokio::time::timeout(times.lease, registry.claim_job(&me, &terms)).await;
        let Ok(Ok(Some(claim))) = claim else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let drain = CancellationToken::new();
        let steps = NAMES[..brief.steps].iter().map(|name| {
            Box::new(Deed {
                name,
                token: claim.token,
                brief: brief.clone(),
                drain: drain.clone(),
            }) as Box<dyn Step>
        });
        let kind = Kind {
            steps: Arc::new(steps.collect()),
            at_end: |_, _| Vec::new(),
        };
        let stop = Stop {
            drain: drain.clone(),
            ..Stop::default()
        };
        let engine = Engine::new(Arc::clone(&registry), Arc::clone(&tools), options.clone());
        engine.run_as(kind, claim, asked, stop).await;
    }
}

/// A registry with claims written down, a place for effects, and jobs.
struct Track {
    shared: Shared,
    outside: Cluster,
    folder: PathBuf,
    jobs: Vec<JobId>,
    steps: usize,
    lease: Duration,
}

impl Track {
    async fn new(jobs: usize, steps: usize, lease: Duration) -> Self {
        let shared = Shared::new().await;
        let outside = own_cluster();
        let client = connect(&outside.role_config("postgres")).await;
        drop(client);
        let client = connect(&outside.superuser_config("postgres")).await;
        client
            .batch_execute(
                "CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT clock_timestamp(),
                     job bigint, step text, token bigint, worker text, whole boolean);",
            )
            .await
            .unwrap();
        shared
            .sql()
            .await
            .batch_execute(
                "CREATE TABLE claimed (at timestamptz DEFAULT clock_timestamp(), job bigint, token bigint);
                 CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                     INSERT INTO public.claimed (job, token) VALUES (NEW.id, NEW.token); RETURN NULL;
                 END $$;
                 CREATE TRIGGER note_claim AFTER UPDATE OF token ON saas_job FOR EACH ROW EXECUTE FUNCTION note_claim();",
            )
            .await
            .unwrap();
        let registry = &shared.registry;
        let server = registry
            .add_server(&op(), &server_spec("prod-1", "http://127.0.0.1:9"))
            .await
            .unwrap();
        let template = registry
            .add_template(&op(), &template_spec("restaurant", &server, "template_restaurant"))
            .await
            .unwrap();
        let mut ids = Vec::new();
        for _ in 0..jobs {
            let steps = NAMES[..steps].iter().map(|name| PlannedStep {
                name: (*name).to_owned(),
                title: (*name).to_owned(),
                detail: SafeText::new(""),
                pivot: false,
            });
            let job = NewJob {
                title: SafeText::new("a race"),
                spec: JobSpec::TemplateThaw {
                    template_id: template.id,
                    server_id: server.id,
                },
                steps: steps.collect(),
                reservations: Vec::new(),
                instance: None,
                consequences: Vec::new(),
                expected: Expected::default(),
                thresholds: Thresholds::default(),
            };
            ids.push(registry.queue_job(&op(), &job).await.unwrap().id);
        }
        Self {
            shared,
            outside,
            folder: scratch("race"),
            jobs: ids,
            steps,
            lease,
        }
    }

    fn brief(&self, name: &str, port: Option<u16>, drip: Duration) -> Brief {
        Brief {
            registry: port.map_or_else(|| self.shared.address(), |port| self.shared.address_at(port)),
            password: self.shared.password_file(),
            outside: self.outside.superuser_dsn().expose().to_owned(),
            folder: self.folder.clone(),
            name: name.to_owned(),
            steps: self.steps,
            lease_ms: u64::try_from(self.lease.as_millis()).unwrap(),
            drip_ms: u64::try_from(drip.as_millis()).unwrap(),
        }
    }

    async fn open(&self) -> i64 {
        let sql = self.shared.sql().await;
        let ask = "SELECT count(*) FROM saas_job WHERE state IN ('queued', 'running', 'undoing')";
        sql.query_one(ask, &[]).await.unwrap().get(0)
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn racer_process(brief: &Brief, faketime: Option<(PathBuf, &'static str)>) -> Hand {
    let told = serde_json::to_string(brief).unwrap();
    let log = brief.folder.join(format!("{}.log", brief.name));
    Hand::start(move || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "many::claims::racer", "--ignored", "--nocapture"])
            .env("VIGIE_TEST_RACER", &told)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::options().create(true).append(true).open(&log).unwrap());
        if let Some((library, offset)) = &faketime {
            // The wall clock alone: what lies between two moments stays as long as it is.
            command
                .env("LD_PRELOAD", library)
                .env("FAKETIME", offset)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command
    })
}

/// libfaketime, where it is installed (Debian: `apt install libfaketime`), or where `VIGIE_LIBFAKETIME` says.
fn faketime() -> Option<PathBuf> {
    let told = std::env::var_os("VIGIE_LIBFAKETIME").map(PathBuf::from);
    let usual = ["x86_64", "aarch64"].map(|a| format!("/usr/lib/{a}-linux-gnu/faketime/libfaketimeMT.so.1").into());
    told.into_iter().chain(usual).find(|path| path.exists())
}

/// What is being done to a racer, until when.
enum Plight {
    Stopped,
    CutOff,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_no_effect_happens_under_a_stale_token() {
    let (jobs, steps) = if soak() { (400, 25) } else { (30, 4) };
    let mut dice = Dice::new("claims");
    let track = Track::new(jobs, steps, Duration::from_secs(1)).await;
    let library = faketime().expect("libfaketime: `make needs` installs it, or set VIGIE_LIBFAKETIME");
    let mut wires = Vec::new();
    let mut racers = Vec::new();
    for number in 0..8 {
        let wire = Wire::to(track.shared.cluster.port()).await;
        let brief = track.brief(&format!("racer-{number}"), Some(wire.port), Duration::ZERO);
        let clock = match number {
            0 | 1 => Some("+1h"),
            2 | 3 => Some("-1h"),
            _ => None,
        };
        racers.push(racer_process(&brief, clock.map(|clock| (library.clone(), clock))));
        wires.push(wire);
    }
    let began = Instant::now();
    let limit = Duration::from_secs(if soak() { 3_600 } else { 120 });
    let mut plights: Vec<Option<(Plight, Instant)>> = (0..8).map(|_| None).collect();
    let (mut stops, mut cuts, mut kills) = (0, 0, 0);
    while track.open().await > 0 {
        assert!(began.elapsed() < limit, "{} jobs do not end", track.open().await);
        for number in 0..8 {
            if let Some((plight, until)) = &plights[number]
                && Instant::now() >= *until
            {
                match plight {
                    Plight::Stopped => racers[number].signal(Signal::CONT),
                    Plight::CutOff => wires[number].mend(),
                }
                plights[number] = None;
            }
        }
        // Half of them at most at once: somebody has to get on.
        let number = dice.below(8);
        if plights.iter().flatten().count() < 4 && plights[number].is_none() {
            let until = Instant::now() + track.lease * 2 + Duration::from_millis(dice.below(300) as u64);
            match dice.below(7) {
                0..=3 => {
                    racers[number].signal(Signal::STOP);
                    plights[number] = Some((Plight::Stopped, until));
                    stops += 1;
                }
                4 | 5 => {
                    wires[number].cut();
                    plights[number] = Some((Plight::CutOff, until));
                    cuts += 1;
                }
                _ => {
                    racers[number].again();
                    kills += 1;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = began.elapsed();
    // Whoever was stopped or cut off comes back now, and may not do a thing any more.
    for (number, plight) in plights.iter().enumerate() {
        match plight {
            Some((Plight::Stopped, _)) => racers[number].signal(Signal::CONT),
            Some((Plight::CutOff, _)) => wires[number].mend(),
            None => {}
        }
    }
    tokio::time::sleep(track.lease).await;
    assert!(
        racers.iter_mut().all(Hand::lives),
        "a racer ended by itself: {}",
        said(&track)
    );
    drop(racers);
    let (claims, takeovers) = judge(&track).await;
    eprintln!(
        "J3: {claims} claims of {jobs} jobs by 8 processes in {took:?} (lease {:?}), {stops} stopped and {cuts} cut off for \
         two leases, {kills} killed, clocks an hour ahead and behind; {takeovers} claims of a job that was not handed back; 0 effects under a \
         stale token, 0 twice",
        track.lease
    );
    assert!(claims as usize >= jobs * steps, "{claims}");
}

fn said(track: &Track) -> String {
    (0..8)
        .filter_map(|n| std::fs::read_to_string(track.folder.join(format!("racer-{n}.log"))).ok())
        .collect()
}

/// Holds the effects against the claims. The answer: how many claims, and how many of them took a job over.
async fn judge(track: &Track) -> (i64, i64) {
    let registry = track.shared.sql().await;
    let outside = connect(&track.outside.superuser_config("postgres")).await;
    let mut takeovers = 0;
    let mut claims = 0;
    for job in &track.jobs {
        let micros = |column: &str| format!("(extract(epoch FROM {column}) * 1000000)::bigint");
        let ask = format!(
            "SELECT token, {} FROM claimed WHERE job = $1 ORDER BY token",
            micros("at")
        );
        let rows = registry.query(&ask, &[&job.0]).await.unwrap();
        let claimed: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        claims += claimed.len() as i64;
        takeovers += (claimed.len() - track.steps.min(claimed.len())) as i64;
        let ask = format!(
            "SELECT token, {}, step FROM effect WHERE job = $1 ORDER BY id",
            micros("at")
        );
        let rows = outside.query(&ask, &[&job.0]).await.unwrap();
        let effects: Vec<(i64, i64, String)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        let steps: Vec<&str> = effects.iter().map(|(_, _, step)| step.as_str()).collect();
        assert_eq!(
            steps,
            NAMES[..track.steps],
            "job {job}: each step's effect once, in order"
        );
        for (token, at, step) in &effects {
            let newer = claimed.iter().find(|(other, since)| other > token && since <= at);
            assert_eq!(
                newer, None,
                "job {job}: {step} under token {token} at {at}, of {claimed:?}"
            );
        }
        assert!(
            effects.windows(2).all(|pair| pair[0].0 <= pair[1].0),
            "job {job}: {effects:?}"
        );
    }
    (claims, takeovers)
}

/// A worker in the midst of an effect that goes on and on loses the registry: it stops by itself, before
/// anyone else may take the job; who takes it does not begin before that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_nothing_is_done_after_the_self_stop_of_a_worker_that_lost_the_registry() {
    let rounds = if soak() { 50 } else { 2 };
    let (mut latest, mut soonest) = (Duration::ZERO, Duration::MAX);
    let lease = Duration::from_secs(2);
    let track = Track::new(rounds, 1, lease).await;
    let outside = connect(&track.outside.superuser_config("postgres")).await;
    for job in &track.jobs {
        let wire = Wire::to(track.shared.cluster.port()).await;
        // Only one job is open to these two: the others are kept back.
        let sql = track.shared.sql().await;
        let keep = "UPDATE saas_job SET waits_for_key = CASE WHEN id <> $1 THEN $2 END WHERE state = 'queued'";
        sql.execute(keep, &[&job.0, &KEPT_BACK]).await.unwrap();
        let first = racer_process(
            &track.brief(&format!("first-{job}"), Some(wire.port), Duration::from_secs(600)),
            None,
        );
        let count = "SELECT count(*) FROM effect WHERE job = $1";
        let end = Instant::now() + Duration::from_secs(30);
        while outside.query_one(count, &[&job.0]).await.unwrap().get::<_, i64>(0) < 3 {
            assert!(Instant::now() < end, "it never began: {}", said(&track));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        wire.cut();
        let cut: i64 = micros_now(&outside).await;
        let second = racer_process(&track.brief(&format!("second-{job}"), None, Duration::ZERO), None);
        let end = Instant::now() + Duration::from_secs(30);
        while track.shared.registry.job(*job).await.unwrap().state != vigie::domain::job::JobState::Done {
            assert!(Instant::now() < end, "nobody took it over");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The first one hears of the registry again, and of its loss.
        wire.mend();
        tokio::time::sleep(lease).await;
        drop((first, second));
        let ask = "SELECT token, (extract(epoch FROM max(at)) * 1000000)::bigint,
                       (extract(epoch FROM min(at)) * 1000000)::bigint FROM effect WHERE job = $1 GROUP BY token ORDER BY token";
        let rows = outside.query(ask, &[&job.0]).await.unwrap();
        assert_eq!(rows.len(), 2, "two tokens' effects");
        let (last, next): (i64, i64) = (rows[0].get(1), rows[1].get(2));
        let after = Duration::from_micros(u64::try_from((last - cut).max(0)).unwrap());
        assert!(
            after <= lease * 3 / 4,
            "it went on for {after:?} of a lease of {lease:?}"
        );
        assert!(next > last, "they overlapped");
        latest = latest.max(after);
        soonest = soonest.min(Duration::from_micros(u64::try_from(next - cut).unwrap()));
    }
    eprintln!(
        "J12: {rounds} workers cut off in the midst of an effect: the last trace of any {latest:?} after the cut (self-stop at \
         {:?}), the next worker's first {soonest:?} after it at the earliest; none overlapped",
        lease * 3 / 4
    );
}

async fn micros_now(client: &tokio_postgres::Client) -> i64 {
    let ask = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    client.query_one(ask, &[]).await.unwrap().get(0)
}
