//! The engine on steps that keep their effects in memory: order, undo, doubt, leases, panics.

use crate::jobs_kit::{Queue, registry, tools, wait_until};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vigie::domain::job::{Job, JobState, LogLevel, PlannedStep, StepState};
use vigie::domain::{JobId, SafeText};
use vigie::jobs::Kind;
use vigie::jobs::engine::{Engine, EngineOptions, Parted, Stop};
use vigie::jobs::failpoint::{FailPoints, Point};
use vigie::jobs::lease::LeaseTimes;
use vigie::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use vigie::registry::Registry;

const KIND: &str = "template_thaw";
const NAMES: [&str; 4] = ["one", "two", "three", "four"];

/// What steps did, in order, and what is there now.
#[derive(Default)]
struct Outside {
    there: Mutex<BTreeSet<String>>,
    deeds: Mutex<Vec<String>>,
}

impl Outside {
    fn deeds(&self) -> Vec<String> {
        self.deeds.lock().unwrap().clone()
    }
    fn there(&self) -> Vec<String> {
        self.there.lock().unwrap().iter().cloned().collect()
    }
    fn did(&self, deed: &str, step: &str) {
        self.deeds.lock().unwrap().push(format!("{deed} {step}"));
    }
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Well,
    Fails,
    FailsTimes(u32),
    Panics,
    Hangs,
    UndoFailsTimes(u32),
    /// The effect happens and the answer is an error that may pass.
    DoesAndFails,
}

struct Fake {
    name: &'static str,
    how: How,
    pivot: bool,
    tries: AtomicU32,
    outside: Arc<Outside>,
}

#[async_trait]
impl Step for Fake {
    fn name(&self) -> &'static str {
        self.name
    }
    fn title(&self) -> &'static str {
        self.name
    }
    fn pivot(&self) -> bool {
        self.pivot
    }
    fn limit(&self) -> Duration {
        Duration::from_millis(1500)
    }
    async fn plan(&self, _cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(""))
    }
    async fn intent(&self, _cx: &Cx) -> Result<Value, StepError> {
        Ok(json!({ "mark": self.name }))
    }
    async fn settle(&self, _cx: &Cx) -> Result<(), StepError> {
        self.outside.did("settle", self.name);
        Ok(())
    }
    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        assert_eq!(cx.data["mark"], self.name, "the intent's ids are there");
        Ok(if self.outside.there.lock().unwrap().contains(self.name) {
            Observed::Applied(Outcome::note("was there"))
        } else {
            Observed::NotApplied
        })
    }
    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        assert_eq!(cx.data["mark"], self.name, "the intent is written before the effect");
        self.outside.did("apply", self.name);
        let tried = self.tries.fetch_add(1, Ordering::SeqCst);
        let passing = || StepError::new("passing", "it may pass").transient();
        match self.how {
            How::Fails => return Err(StepError::new("broken", "it is broken").hint("mend it")),
            How::FailsTimes(times) if tried < times => return Err(passing()),
            How::Panics => panic!("a fault of the step"),
            How::Hangs => std::future::pending::<()>().await,
            _ => {}
        }
        self.outside.there.lock().unwrap().insert(self.name.to_owned());
        if self.how == How::DoesAndFails && tried == 0 {
            return Err(passing());
        }
        Ok(Outcome::default().data(json!({ "mark": self.name, "done": true })))
    }
    async fn undo(&self, _cx: &Cx) -> Result<Outcome, StepError> {
        self.outside.did("undo", self.name);
        if let How::UndoFailsTimes(times) = self.how
            && self.tries.fetch_add(1, Ordering::SeqCst) < times + 1
        {
            return Err(StepError::new("no_undo", "it does not come off"));
        }
        self.outside.there.lock().unwrap().remove(self.name);
        Ok(Outcome::default())
    }
    fn leftover(&self, _cx: &Cx) -> Option<Leftover> {
        Some(Leftover {
            what: format!("the thing {}", self.name),
            remove: format!("remove {} by hand", self.name),
        })
    }
}

struct Bench {
    registry: Arc<dyn Registry>,
    queue: Queue,
    outside: Arc<Outside>,
    kind: Kind,
}

impl Bench {
    async fn new(hows: [How; 4]) -> Self {
        Self::with_pivot(hows, usize::MAX).await
    }

    async fn with_pivot(hows: [How; 4], pivot: usize) -> Self {
        let (registry, queue) = registry().await;
        let outside = Arc::new(Outside::default());
        let steps = hows.into_iter().enumerate().map(|(i, how)| {
            Box::new(Fake {
                name: NAMES[i],
                how,
                pivot: i == pivot,
                tries: AtomicU32::new(0),
                outside: Arc::clone(&outside),
            }) as Box<dyn Step>
        });
        let kind = Kind {
            steps: Arc::new(steps.collect()),
            at_end: |_, _| Vec::new(),
        };
        Self {
            registry,
            queue,
            outside,
            kind,
        }
    }

    async fn queue(&self) -> Job {
        let steps = self.kind.steps.iter().map(|step| PlannedStep {
            name: step.name().to_owned(),
            title: step.title().to_owned(),
            detail: SafeText::new(""),
            pivot: step.pivot(),
        });
        self.queue.thaw(self.registry.as_ref(), steps.collect()).await
    }

    fn engine(&self, points: &str) -> Engine {
        self.engine_with(points, LeaseTimes::default())
    }

    fn engine_with(&self, points: &str, times: LeaseTimes) -> Engine {
        let options = EngineOptions {
            times,
            retries: 2,
            backoff: Duration::from_millis(5),
            patience: Duration::from_secs(2),
            grace: Duration::from_millis(200),
            failpoints: FailPoints::parse(points),
            ..EngineOptions::default()
        };
        Engine::new(
            Arc::clone(&self.registry),
            Arc::new(tools(self.queue.folder())),
            options,
        )
    }

    async fn run(&self, engine: &Engine, stop: Stop) -> Parted {
        let asked = Instant::now();
        let claim = self
            .registry
            .claim_job(
                &vigie::jobs::worker::identity(),
                &vigie::registry::ClaimTerms::lease(Duration::from_secs(20)),
            )
            .await
            .unwrap()
            .expect("a job to claim");
        engine.run_as(self.kind.clone(), claim, asked, stop).await
    }

    async fn job(&self, id: JobId) -> Job {
        self.registry.job(id).await.unwrap()
    }
}

fn only(which: usize, how: How) -> [How; 4] {
    let mut hows = [How::Well; 4];
    hows[which] = how;
    hows
}

#[tokio::test]
async fn steps_run_in_order_and_the_log_tells_it() {
    let bench = Bench::new([How::Well; 4]).await;
    let id = bench.queue().await.id;
    assert_eq!(
        bench.run(&bench.engine(""), Stop::default()).await,
        Parted::Over(JobState::Done)
    );
    assert_eq!(
        bench.outside.deeds(),
        ["apply one", "apply two", "apply three", "apply four"]
    );
    let job = bench.job(id).await;
    assert_eq!(job.state, JobState::Done);
    assert!(
        job.steps
            .iter()
            .all(|s| s.state == StepState::Done && s.data["done"] == true)
    );
    assert!(job.lease.is_none() && job.problem.is_none());
    let log = bench.registry.log(id, 0, 1000).await.unwrap();
    let numbers: Vec<i64> = log.iter().map(|line| line.seq).collect();
    assert_eq!(numbers, (1..=log.len() as i64).collect::<Vec<_>>(), "no gap, no repeat");
    for step in 0..4 {
        let levels: Vec<LogLevel> = log.iter().filter(|l| l.step == Some(step)).map(|l| l.level).collect();
        assert_eq!(levels, [LogLevel::Begin, LogLevel::Success], "step {step}");
        assert!(log.iter().any(|l| l.step == Some(step) && l.took_ms.is_some()));
    }
}

#[tokio::test]
async fn a_failure_at_each_step_undoes_everything_newest_first() {
    for broken in 0..4 {
        let bench = Bench::new(only(broken, How::Fails)).await;
        let id = bench.queue().await.id;
        assert_eq!(
            bench.run(&bench.engine(""), Stop::default()).await,
            Parted::Over(JobState::Failed)
        );
        let undone: Vec<String> = bench
            .outside
            .deeds()
            .into_iter()
            .filter(|d| d.starts_with("undo"))
            .collect();
        let wanted: Vec<String> = (0..=broken).rev().map(|i| format!("undo {}", NAMES[i])).collect();
        assert_eq!(undone, wanted);
        assert_eq!(bench.outside.there(), [""; 0]);
        let job = bench.job(id).await;
        let problem = job.problem.expect("why");
        assert_eq!(
            (problem.code.as_str(), problem.hint.as_deref()),
            ("broken", Some("mend it"))
        );
        let log = bench.registry.log(id, 0, 1000).await.unwrap();
        assert!(
            log.iter()
                .any(|l| l.level == LogLevel::Error && l.text.as_str().contains("it is broken"))
        );
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_observed_before() {
    let bench = Bench::new(only(1, How::FailsTimes(2))).await;
    bench.queue().await;
    assert_eq!(
        bench.run(&bench.engine(""), Stop::default()).await,
        Parted::Over(JobState::Done)
    );
    let deeds = bench.outside.deeds();
    let of_two: Vec<&str> = deeds
        .iter()
        .filter(|d| d.ends_with("two"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        of_two,
        ["apply two", "settle two", "apply two", "settle two", "apply two"]
    );
    // An effect that happened although its answer was an error is not brought about twice.
    let bench = Bench::new(only(2, How::DoesAndFails)).await;
    bench.queue().await;
    assert_eq!(
        bench.run(&bench.engine(""), Stop::default()).await,
        Parted::Over(JobState::Done)
    );
    assert_eq!(bench.outside.deeds().iter().filter(|d| *d == "apply three").count(), 1);
    // And patience has an end.
    let bench = Bench::new(only(1, How::FailsTimes(3))).await;
    bench.queue().await;
    assert_eq!(
        bench.run(&bench.engine(""), Stop::default()).await,
        Parted::Over(JobState::Failed)
    );
    assert_eq!(bench.outside.there(), [""; 0]);
}

#[tokio::test]
async fn a_panic_and_a_hang_are_failed_steps() {
    for (how, code) in [(How::Panics, "panic"), (How::Hangs, "deadline")] {
        let bench = Bench::new(only(1, how)).await;
        let id = bench.queue().await.id;
        assert_eq!(
            bench.run(&bench.engine(""), Stop::default()).await,
            Parted::Over(JobState::Failed)
        );
        assert_eq!(bench.job(id).await.problem.expect("why").code, code);
        assert_eq!(bench.outside.there(), [""; 0]);
    }
}

#[tokio::test]
async fn a_cancel_at_each_step_undoes_everything() {
    for (at, name) in NAMES.iter().enumerate() {
        let bench = Arc::new(Bench::new([How::Well; 4]).await);
        let id = bench.queue().await.id;
        let engine = bench.engine(&format!("{KIND}.{name}.before_effect=pause"));
        let stop = Stop::default();
        let poke = Arc::clone(&stop.poke);
        let (running, registry) = (Arc::clone(&bench), Arc::clone(&bench.registry));
        let run = tokio::spawn(async move { running.run(&engine, stop).await });
        wait_until("the step's intent", || async {
            registry.job(id).await.unwrap().steps[at].state == StepState::Intended
        })
        .await;
        bench.queue.cancel(bench.registry.as_ref(), id).await;
        let asked = Instant::now();
        poke.notify_one();
        assert_eq!(run.await.unwrap(), Parted::Over(JobState::Cancelled));
        assert!(asked.elapsed() < Duration::from_secs(2), "noticed at once");
        assert_eq!(bench.outside.there(), [""; 0]);
        let job = bench.job(id).await;
        assert_eq!(job.state, JobState::Cancelled);
        assert_eq!(job.problem, None, "a cancel is no failure");
    }
}

#[tokio::test]
async fn an_undo_that_fails_leaves_the_job_stuck_with_what_is_left_and_a_retry_goes_on() {
    let mut hows = only(1, How::UndoFailsTimes(1));
    hows[3] = How::Fails;
    let bench = Bench::new(hows).await;
    let id = bench.queue().await.id;
    assert_eq!(
        bench.run(&bench.engine(""), Stop::default()).await,
        Parted::Over(JobState::Stuck)
    );
    let job = bench.job(id).await;
    let problem = job.problem.expect("why");
    assert!(problem.message.contains("it does not come off"), "{problem:?}");
    assert!(problem.message.contains("left: the thing two"), "{problem:?}");
    assert!(
        problem.message.contains("it is broken"),
        "and why it was undone: {problem:?}"
    );
    assert!(problem.hint.as_deref().unwrap().contains("remove two by hand"));
    assert_eq!(
        bench.outside.there(),
        ["one", "two"],
        "what was before it is kept for the retry"
    );
    bench.queue.retry(bench.registry.as_ref(), id).await;
    assert_eq!(
        bench.run(&bench.engine(""), Stop::default()).await,
        Parted::Over(JobState::Failed)
    );
    assert_eq!(bench.outside.there(), [""; 0]);
}

#[tokio::test]
async fn past_the_pivot_a_failure_is_stuck_and_a_retry_goes_forward() {
    let bench = Bench::with_pivot(only(3, How::FailsTimes(3)), 1).await;
    let id = bench.queue().await.id;
    assert_eq!(
        bench.run(&bench.engine(""), Stop::default()).await,
        Parted::Over(JobState::Stuck)
    );
    assert_eq!(bench.outside.there(), ["one", "three", "two"]);
    assert!(!bench.outside.deeds().iter().any(|deed| deed.starts_with("undo")));
    bench.queue.retry(bench.registry.as_ref(), id).await;
    assert_eq!(
        bench.run(&bench.engine(""), Stop::default()).await,
        Parted::Over(JobState::Done)
    );
    assert_eq!(bench.job(id).await.state, JobState::Done);
}

#[tokio::test]
async fn a_holder_that_can_not_renew_stops_itself_and_the_next_one_settles() {
    let bench = Bench::new([How::Well; 4]).await;
    let id = bench.queue().await.id;
    // Renewals come far too late: the holder must stop at 75 % of its lease by itself.
    let times = LeaseTimes {
        lease: Duration::from_millis(400),
        heartbeat: Duration::from_secs(60),
    };
    let engine = bench.engine_with(&format!("{KIND}.two.before_effect=pause"), times);
    let asked = Instant::now();
    let worker = vigie::jobs::worker::identity();
    let claim = bench
        .registry
        .claim_job(&worker, &vigie::registry::ClaimTerms::lease(times.lease))
        .await
        .unwrap()
        .expect("a job");
    let parted = engine.run_as(bench.kind.clone(), claim, asked, Stop::default()).await;
    assert_eq!(parted, Parted::Lost);
    assert!(asked.elapsed() >= times.self_stop());
    let left = bench.job(id).await;
    assert_eq!(
        left.steps[1].state,
        StepState::Intended,
        "nothing is written after the lease"
    );
    // The lease runs out; whoever comes next settles before it acts.
    wait_until("the lease's end", || async {
        match bench
            .registry
            .claim_job(
                "other:1:1",
                &vigie::registry::ClaimTerms::lease(Duration::from_secs(20)),
            )
            .await
            .unwrap()
        {
            None => false,
            Some(claim) => {
                let engine = bench.engine("");
                let parted = engine
                    .run_as(bench.kind.clone(), claim, Instant::now(), Stop::default())
                    .await;
                assert_eq!(parted, Parted::Over(JobState::Done));
                true
            }
        }
    })
    .await;
    let deeds = bench.outside.deeds();
    assert_eq!(
        deeds,
        ["apply one", "settle two", "apply two", "apply three", "apply four"]
    );
}

#[tokio::test]
async fn a_worker_that_stops_hands_back_at_a_boundary_and_another_goes_on() {
    let bench = Arc::new(Bench::new([How::Well; 4]).await);
    let id = bench.queue().await.id;
    let stop = Stop::default();
    stop.drain.cancel();
    assert_eq!(bench.run(&bench.engine(""), stop).await, Parted::HandedBack);
    assert_eq!(bench.outside.deeds(), [""; 0]);
    // In a step that does not end, it is handed back in doubt.
    let stop = Stop::default();
    let (now, drain) = (stop.now.clone(), stop.drain.clone());
    let engine = bench.engine(&format!("{KIND}.three.before_effect=pause"));
    let (running, registry) = (Arc::clone(&bench), Arc::clone(&bench.registry));
    let run = tokio::spawn(async move { running.run(&engine, stop).await });
    wait_until("the step's intent", || async {
        registry.job(id).await.unwrap().steps[2].state == StepState::Intended
    })
    .await;
    drain.cancel();
    now.cancel();
    assert_eq!(run.await.unwrap(), Parted::HandedBack);
    assert_eq!(
        bench.run(&bench.engine(""), Stop::default()).await,
        Parted::Over(JobState::Done)
    );
    let applied: Vec<String> = bench
        .outside
        .deeds()
        .into_iter()
        .filter(|d| d.starts_with("apply"))
        .collect();
    assert_eq!(applied, ["apply one", "apply two", "apply three", "apply four"]);
}

#[tokio::test]
async fn what_was_planned_by_another_version_is_not_run() {
    let bench = Bench::new([How::Well; 4]).await;
    let step = PlannedStep {
        name: "unknown".to_owned(),
        title: "unknown".to_owned(),
        detail: SafeText::new(""),
        pivot: false,
    };
    let id = bench.queue.thaw(bench.registry.as_ref(), vec![step]).await.id;
    assert_eq!(
        bench.run(&bench.engine(""), Stop::default()).await,
        Parted::Over(JobState::Failed)
    );
    assert_eq!(bench.job(id).await.problem.expect("why").code, "stale_plan");
    assert_eq!(bench.outside.deeds(), [""; 0]);
}

#[test]
fn fail_points_are_named_by_kind_step_and_point() {
    let points = FailPoints::parse("a.b.before_effect, a.c.undo_after=error");
    assert!(points.at("a", "b", Point::BeforeEffect).is_some());
    assert!(points.at("a", "c", Point::UndoAfter).is_some());
    assert!(points.at("a", "b", Point::AfterEffect).is_none());
    assert!(FailPoints::default().at("a", "b", Point::BeforeEffect).is_none());
}
