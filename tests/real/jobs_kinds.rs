//! Every kind of job on a real PostgreSQL: killed at every point of every step, failed and cancelled
//! at every step, every step run twice. Points and steps come from the list of steps itself.

use crate::jobs_fleet::{Fleet, Inventory, Reach, delete, names, problem};
use crate::jobs_kit::{op, wait_until};
use async_trait::async_trait;
use pretty_assertions::assert_eq;
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use vigie::domain::TemplateId;
use vigie::domain::job::{JobKind, JobState, StepState};
use vigie::jobs::engine::{Parted, Stop};
use vigie::jobs::failpoint::Point;
use vigie::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use vigie::jobs::{Kind, Request, kinds};

/// Dedicated instances need a host of their own.
const ON_HOSTS: &str = "tests/hosts has these kinds' cells";

/// What a kind needs before, and what it leaves when it is done.
struct Stage {
    fleet: Fleet,
    kind: JobKind,
    reach: Reach,
    template: TemplateId,
    count: AtomicU32,
}

impl Stage {
    async fn set(kind: JobKind, reach: Reach) -> Self {
        let (fleet, template) = Fleet::with_template(reach).await;
        Self {
            fleet,
            kind,
            reach,
            template,
            count: AtomicU32::new(0),
        }
    }

    fn next(&self) -> String {
        format!("case-{}", self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// Brings the server to where the kind begins, and says what to ask.
    async fn request(&self) -> (Request, String) {
        let (name, fleet) = (self.next(), &self.fleet);
        let request = match self.kind {
            JobKind::InstanceCreate => fleet.instance(self.template, &name),
            JobKind::InstanceDelete => {
                fleet.done(fleet.instance(self.template, &name)).await;
                delete(fleet.instance_called(&name).await.unwrap().id)
            }
            JobKind::TemplateCreate => {
                let id = fleet
                    .add_template(&name, &format!("t_{}", name.replace('-', "_")))
                    .await;
                Request::TemplateCreate(id)
            }
            JobKind::TemplateAdopt => {
                // Thawed, it is there to be adopted.
                if fleet.template(self.template).await.facts.frozen {
                    fleet.done(Request::TemplateThaw(self.template)).await;
                }
                Request::TemplateAdopt(self.template)
            }
            JobKind::TemplateThaw => {
                if !fleet.template(self.template).await.facts.frozen {
                    fleet.done(Request::TemplateAdopt(self.template)).await;
                }
                Request::TemplateThaw(self.template)
            }
            JobKind::DedicatedCreate | JobKind::DedicatedDelete => unreachable!("{ON_HOSTS}"),
        };
        (request, name)
    }

    /// That the kind's wish is fulfilled, and nothing else has changed.
    async fn assert_done(&self, before: &Inventory, name: &str) {
        let after = self.fleet.inventory().await;
        assert_eq!(after.reservations, 0);
        let database = name.replace('-', "_");
        let new: Vec<&String> = after
            .databases
            .keys()
            .filter(|d| !before.databases.contains_key(*d))
            .collect();
        let gone: Vec<&String> = before
            .databases
            .keys()
            .filter(|d| !after.databases.contains_key(*d))
            .collect();
        match self.kind {
            JobKind::InstanceCreate => {
                assert_eq!((new, gone), (vec![&database], vec![]));
                assert!(after.filestores.contains(&database));
                assert_eq!(after.filestores.len(), before.filestores.len() + 1);
                assert_eq!(after.places, before.places + 1);
                self.fleet.assert_made(name).await;
            }
            JobKind::InstanceDelete => {
                assert_eq!((new, gone), (vec![], vec![&database]));
                assert!(!after.filestores.contains(&database));
                assert_eq!(after.filestores.len(), before.filestores.len() - 1);
                assert_eq!(after.places, before.places - 1);
                assert_eq!(self.fleet.instance_called(name).await, None);
            }
            JobKind::TemplateCreate => {
                let database = format!("t_{database}");
                assert_eq!((new, gone), (vec![&database], vec![]));
                // Only PostgreSQL can freeze it.
                let frozen = self.reach != Reach::RpcOnly;
                let flags = format!("open={} template={frozen}", !frozen);
                assert!(after.databases[&database].contains(&flags));
                assert_eq!(after.filestores.len(), before.filestores.len() + 1);
                let row = format!("{name} ready frozen={frozen}");
                assert!(after.templates.contains(&row), "{:?}", after.templates);
            }
            JobKind::TemplateAdopt => {
                assert!(after.databases["template_restaurant"].contains("open=false template=true"));
                assert!(after.templates.contains(&"restaurant ready frozen=true".to_owned()));
            }
            JobKind::TemplateThaw => {
                assert!(after.databases["template_restaurant"].contains("open=true template=false"));
                assert!(after.templates.contains(&"restaurant draft frozen=false".to_owned()));
            }
            JobKind::DedicatedCreate | JobKind::DedicatedDelete => unreachable!("{ON_HOSTS}"),
        }
    }

    /// That nothing is left of the job: all is as before, but for the state of its own row.
    async fn assert_undone(&self, before: &Inventory, what: &str) {
        let mut after = self.fleet.inventory().await.held();
        let mut before = before.clone().held();
        if self.kind == JobKind::TemplateCreate {
            // The new template's row says that it failed.
            after.templates.clear();
            before.templates.clear();
        }
        assert_eq!(after, before, "{what}");
    }

    /// The last step that can be undone fails after its effect, or before it where that is for good.
    fn failing(&self) -> String {
        let (names, last) = names(self.kind);
        let for_good = kinds::steps_of(self.kind)[last].pivot();
        let point = if for_good {
            Point::BeforeEffect
        } else {
            Point::AfterEffect
        };
        format!("{}.{}.{}=error", self.kind.word(), names[last], point.word())
    }
}

/// J1, forward: killed at each point of each step, the next worker brings the job to its end.
async fn killed_forward(kind: JobKind) {
    let stage = Stage::set(kind, Reach::All).await;
    let mut cells = 0;
    for step in names(kind).0 {
        for point in Point::FORWARD {
            let (request, name) = stage.request().await;
            let before = stage.fleet.inventory().await;
            let id = stage.fleet.queue(request).await.id;
            let place = format!("{}.{step}.{}", kind.word(), point.word());
            stage.fleet.die_at(&place).await;
            let parted = stage.fleet.run("").await;
            let job = stage.fleet.job(id).await;
            assert_eq!(
                parted,
                Parted::Over(JobState::Done),
                "{place}: {}\n{}",
                problem(&job),
                stage.fleet.log(id).await
            );
            stage.assert_done(&before, &name).await;
            cells += 1;
        }
    }
    eprintln!("J1 {} forward: {cells} cells, all done", kind.word());
}

/// J1, backward: the job fails at its last step, and the worker is killed at each point of each undo.
async fn killed_backward(kind: JobKind) {
    let stage = Stage::set(kind, Reach::All).await;
    let (steps, last) = names(kind);
    let mut cells = 0;
    for step in &steps[..=last] {
        for point in Point::BACKWARD {
            let (request, _) = stage.request().await;
            let before = stage.fleet.inventory().await;
            let id = stage.fleet.queue(request).await.id;
            let place = format!("{}.{step}.{}", kind.word(), point.word());
            stage.fleet.die_at(&format!("{},{place}", stage.failing())).await;
            let parted = stage.fleet.run("").await;
            let job = stage.fleet.job(id).await;
            assert_eq!(
                parted,
                Parted::Over(JobState::Failed),
                "{place}: {}\n{}",
                problem(&job),
                stage.fleet.log(id).await
            );
            assert_eq!(job.problem.expect("why").code, "injected");
            stage.assert_undone(&before, &place).await;
            cells += 1;
        }
    }
    eprintln!("J1 {} backward: {cells} cells, all undone", kind.word());
}

/// Failed before and after the effect of each step, and cancelled at each: nothing is left.
async fn failed_and_cancelled(kind: JobKind, reach: Reach) {
    let stage = Stage::set(kind, reach).await;
    let (steps, last) = names(kind);
    for (index, step) in steps[..=last].iter().enumerate() {
        let for_good = kinds::steps_of(kind)[index].pivot();
        for point in [Point::BeforeEffect, Point::AfterEffect] {
            if for_good && point == Point::AfterEffect {
                continue;
            }
            let (request, _) = stage.request().await;
            let before = stage.fleet.inventory().await;
            let id = stage.fleet.queue(request).await.id;
            let place = format!("{}.{step}.{}=error", kind.word(), point.word());
            let parted = stage.fleet.run(&place).await;
            let log = stage.fleet.log(id).await;
            assert_eq!(parted, Parted::Over(JobState::Failed), "{place}\n{log}");
            assert!(log.contains("injected"), "the reason is in the log");
            stage.assert_undone(&before, &place).await;
        }
        let (request, _) = stage.request().await;
        let before = stage.fleet.inventory().await;
        let id = stage.fleet.queue(request).await.id;
        let (place, stop) = (format!("{}.{step}.before_effect=pause", kind.word()), Stop::default());
        let poke = Arc::clone(&stop.poke);
        let cancel = async {
            wait_until("the step's intent", || async {
                stage.fleet.job(id).await.steps[index].state == StepState::Intended
            })
            .await;
            stage.fleet.registry.cancel_job(&op(), id).await.unwrap();
            poke.notify_one();
        };
        let (parted, ()) = tokio::join!(stage.fleet.run_with(&place, stop, None), cancel);
        assert_eq!(
            parted,
            Parted::Over(JobState::Cancelled),
            "{place}\n{}",
            stage.fleet.log(id).await
        );
        stage.assert_undone(&before, &place).await;
    }
}

/// A step that does everything twice, and sees whether the second time changed anything.
struct Twice {
    inner: Box<dyn Step>,
    fleet: Arc<Stage>,
    seen: Arc<Mutex<Vec<String>>>,
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
        let once = self.fleet.fleet.inventory().await;
        let outcome = self.inner.apply(cx).await?;
        assert_eq!(
            once,
            self.fleet.fleet.inventory().await,
            "{} applied twice",
            self.name()
        );
        self.seen.lock().unwrap().push(format!("apply {}", self.name()));
        Ok(outcome)
    }
    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        self.inner.undo(cx).await?;
        let once = self.fleet.fleet.inventory().await;
        let outcome = self.inner.undo(cx).await?;
        assert_eq!(once, self.fleet.fleet.inventory().await, "{} undone twice", self.name());
        self.seen.lock().unwrap().push(format!("undo {}", self.name()));
        Ok(outcome)
    }
    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        self.inner.leftover(cx)
    }
}

/// J7: every step applied twice and undone twice changes nothing more.
async fn twice(kind: JobKind, reach: Reach) {
    let stage = Arc::new(Stage::set(kind, reach).await);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (names, last) = names(kind);
    for fail in [true, false] {
        let (request, name) = stage.request().await;
        let before = stage.fleet.inventory().await;
        let id = stage.fleet.queue(request).await.id;
        let steps = kinds::steps_of(kind).into_iter().map(|inner| {
            Box::new(Twice {
                inner,
                fleet: Arc::clone(&stage),
                seen: Arc::clone(&seen),
            }) as Box<dyn Step>
        });
        let doubled = Kind {
            steps: Arc::new(steps.collect()),
            at_end: kinds::of(kind).at_end,
        };
        let points = if fail { stage.failing() } else { String::new() };
        let parted = stage.fleet.run_with(&points, Stop::default(), Some(doubled)).await;
        let wanted = if fail { JobState::Failed } else { JobState::Done };
        assert_eq!(parted, Parted::Over(wanted), "{}", stage.fleet.log(id).await);
        if fail {
            stage.assert_undone(&before, "undone twice").await;
        } else {
            stage.assert_done(&before, &name).await;
        }
    }
    let seen = seen.lock().unwrap();
    for (index, name) in names.iter().enumerate() {
        assert!(seen.contains(&format!("apply {name}")), "{name} was applied twice");
        assert!(
            index > last || seen.contains(&format!("undo {name}")),
            "{name} was undone twice"
        );
    }
}

macro_rules! for_every_kind {
    ($($name:ident: $kind:expr;)+) => {
        $(mod $name {
            use super::*;
            #[tokio::test]
            async fn is_brought_to_its_end_wherever_its_worker_is_killed() {
                killed_forward($kind).await;
            }
            #[tokio::test]
            async fn is_undone_wherever_its_worker_is_killed_on_the_way_back() {
                killed_backward($kind).await;
            }
            #[tokio::test]
            async fn leaves_nothing_when_it_fails_or_is_cancelled_at_any_step() {
                failed_and_cancelled($kind, Reach::All).await;
            }
            #[tokio::test]
            async fn changes_nothing_more_when_each_step_is_run_twice() {
                twice($kind, Reach::All).await;
            }
        })+
        /// A kind without the cells above does not compile into this test.
        #[test]
        fn every_kind_has_its_cells() {
            let tested = [$($kind),+];
            // Those of dedicated instances need a host of their own: their cells are there.
            let here = |kind: &&JobKind| !matches!(kind, JobKind::DedicatedCreate | JobKind::DedicatedDelete);
            assert!(JobKind::ALL.iter().filter(here).all(|kind| tested.contains(kind)));
        }
    };
}

for_every_kind! {
    instance_create: JobKind::InstanceCreate;
    instance_delete: JobKind::InstanceDelete;
    template_create: JobKind::TemplateCreate;
    template_adopt: JobKind::TemplateAdopt;
    template_thaw: JobKind::TemplateThaw;
}

#[tokio::test]
async fn where_only_rpc_reaches_it_works_too_and_leaves_nothing() {
    for kind in [
        JobKind::InstanceCreate,
        JobKind::InstanceDelete,
        JobKind::TemplateCreate,
    ] {
        twice(kind, Reach::RpcOnly).await;
        failed_and_cancelled(kind, Reach::RpcOnly).await;
    }
}
