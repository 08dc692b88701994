//! Every step applied twice and undone twice changes nothing more than once.

use super::ground::Ground;
use super::{similar, steps};
use async_trait::async_trait;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vigie::domain::dedicated::TlsMethod;
use vigie::domain::job::{JobKind, JobState};
use vigie::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use vigie::jobs::{Kind, kinds};

struct Twice {
    inner: Box<dyn Step>,
    ground: Arc<Ground>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Twice {
    /// What is there, but for what the instance itself writes and runs, sooner or later.
    fn made(&self) -> String {
        let all = self.ground.inventory();
        let made = all
            .lines()
            .filter(|line| !line.contains("/data/filestore") && !line.contains("odoo-bin -c"));
        made.collect::<Vec<_>>().join("\n")
    }
}

#[async_trait]
impl Step for Twice {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn title(&self) -> &'static str {
        self.inner.title()
    }
    fn pivot(&self) -> bool {
        self.inner.pivot()
    }
    fn limit(&self) -> Duration {
        self.inner.limit() * 2
    }
    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        self.inner.plan(cx).await
    }
    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        self.inner.intent(cx).await
    }
    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        self.inner.settle(cx).await
    }
    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        self.inner.observe(cx).await
    }
    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        self.inner.apply(cx).await?;
        let once = self.made();
        let outcome = self.inner.apply(cx).await?;
        similar(&once, &self.made(), &format!("{} applied twice", self.name()));
        self.seen.lock().unwrap().push(format!("apply {}", self.name()));
        Ok(outcome)
    }
    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        self.inner.undo(cx).await?;
        let once = self.made();
        let outcome = self.inner.undo(cx).await?;
        similar(&once, &self.made(), &format!("{} undone twice", self.name()));
        self.seen.lock().unwrap().push(format!("undo {}", self.name()));
        Ok(outcome)
    }
    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        self.inner.leftover(cx)
    }
}

fn doubled(kind: JobKind, ground: &Arc<Ground>, seen: &Arc<Mutex<Vec<String>>>) -> Kind {
    let steps = kinds::steps_of(kind).into_iter().map(|inner| {
        Box::new(Twice {
            inner,
            ground: Arc::clone(ground),
            seen: Arc::clone(seen),
        }) as Box<dyn Step>
    });
    Kind {
        steps: Arc::new(steps.collect()),
        at_end: kinds::of(kind).at_end,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_twice_changes_nothing_more() {
    let Some(ground) = Ground::new().await else { return };
    let (ground, seen) = (Arc::new(ground), Arc::new(Mutex::new(Vec::new())));
    let before = ground.inventory();
    let (create, delete) = (JobKind::DedicatedCreate, JobKind::DedicatedDelete);
    let job = ground.create("acme", TlsMethod::None).await;
    let fails = "dedicated_create.activate.after_effect=error";
    ground
        .run_as(job, fails, JobState::Failed, doubled(create, &ground, &seen))
        .await;
    similar(&before, &ground.inventory(), "undone twice");
    let job = ground.create("acme", TlsMethod::None).await;
    ground
        .run_as(job, "", JobState::Done, doubled(create, &ground, &seen))
        .await;
    assert_eq!(ground.page("acme.example.org", "/"), "Odoo of prod-acme");
    let job = ground.delete("acme").await;
    ground
        .run_as(job, "", JobState::Done, doubled(delete, &ground, &seen))
        .await;
    ground.lab.sh("rm -r /var/backups/vigie");
    similar(&before, &ground.inventory(), "removed twice");
    let seen = seen.lock().unwrap();
    for step in steps(create).iter().chain(&steps(delete)) {
        assert!(seen.contains(&format!("apply {step}")), "{step}: {seen:?}");
    }
}
