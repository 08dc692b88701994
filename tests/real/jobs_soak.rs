//! Workers killed at random times, in the midst of what PostgreSQL and Odoo do for them: whatever is
//! half done on the servers then is settled by the next worker. A few times in every run, 200 times a
//! kind where `VIGIE_SOAK` is set.

use crate::jobs_fleet::{Fleet, Reach, delete, problem};
use std::time::{Duration, Instant};
use vigie::domain::TemplateId;
use vigie::domain::job::{JobKind, JobState};
use vigie::jobs::Request;
use vigie::jobs::engine::Parted;

/// Enough for the copy to take some tenths of a second.
const FILLER: u64 = 24 * 1024 * 1024;

fn rounds() -> usize {
    if std::env::var_os("VIGIE_SOAK").is_some() {
        200
    } else {
        6
    }
}

/// A small generator with a seed that is printed, so that a bad run can be had again.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("VIGIE_SOAK_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) ^ 0x9e37_79b9_7f4a_7c15);
        eprintln!("VIGIE_SOAK_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

async fn request(fleet: &Fleet, kind: JobKind, template: TemplateId, name: &str) -> Request {
    match kind {
        JobKind::InstanceDelete => {
            fleet.done(fleet.instance(template, name)).await;
            delete(fleet.instance_called(name).await.unwrap().id)
        }
        JobKind::TemplateCreate => {
            let id = fleet.add_template(name, &format!("t_{}", name.replace('-', "_"))).await;
            Request::TemplateCreate(id)
        }
        JobKind::TemplateAdopt => {
            // Thawed, it is there to be adopted.
            if fleet.template(template).await.facts.frozen {
                fleet.done(Request::TemplateThaw(template)).await;
            }
            Request::TemplateAdopt(template)
        }
        JobKind::TemplateThaw => {
            if !fleet.template(template).await.facts.frozen {
                fleet.done(Request::TemplateAdopt(template)).await;
            }
            Request::TemplateThaw(template)
        }
        JobKind::InstanceCreate => fleet.instance(template, name),
        JobKind::DedicatedCreate | JobKind::DedicatedDelete => unreachable!("their cells are with the hosts"),
    }
}

async fn killed_at_random(kind: JobKind, reach: Reach) {
    let mut dice = Dice::new();
    let (fleet, template) = Fleet::with_filler(reach, FILLER).await;
    // How long it takes when nobody interferes bounds the times of death.
    let asked = request(&fleet, kind, template, "first").await;
    fleet.queue(asked).await;
    let began = Instant::now();
    assert_eq!(fleet.run("").await, Parted::Over(JobState::Done));
    let whole = u64::try_from(began.elapsed().as_millis()).unwrap() + 250;
    let (mut midst, mut deaths, mut slowest) = (0, 0, Duration::ZERO);
    for round in 0..rounds() {
        let name = format!("case-{round}");
        let asked = request(&fleet, kind, template, &name).await;
        let before = fleet.inventory().await;
        let id = fleet.queue(asked).await.id;
        // Twice at most: the worker that settles may be killed as well.
        for _ in 0..=dice.below(2) {
            let mut worker = fleet.worker("").spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(dice.below(whole))).await;
            worker.kill().unwrap();
            worker.wait().unwrap();
            deaths += 1;
        }
        let job = fleet.job(id).await;
        let began = Instant::now();
        if !job.state.is_over() {
            midst += usize::from(job.progress().0 > 0);
            let parted = fleet.run("").await;
            let job = fleet.job(id).await;
            assert_eq!(
                parted,
                Parted::Over(JobState::Done),
                "round {round}: {}\n{}",
                problem(&job),
                fleet.log(id).await
            );
        }
        slowest = slowest.max(began.elapsed());
        assert_eq!(fleet.job(id).await.state, JobState::Done, "round {round}");
        let after = fleet.inventory().await;
        assert_eq!(after.reservations, 0);
        let (databases, files) = (after.databases.len(), after.filestores.len());
        let (was, had) = (before.databases.len(), before.filestores.len());
        let wanted = match kind {
            JobKind::InstanceDelete => (was - 1, had - 1),
            JobKind::TemplateAdopt | JobKind::TemplateThaw => (was, had),
            JobKind::InstanceCreate | JobKind::TemplateCreate => (was + 1, had + 1),
            JobKind::DedicatedCreate | JobKind::DedicatedDelete => unreachable!("their cells are with the hosts"),
        };
        assert_eq!((databases, files), wanted, "round {round}: {after:#?}");
        assert!(
            !after.databases.keys().any(|name| name.starts_with("vigie_tmp")),
            "round {round}"
        );
        assert!(
            !after.filestores.iter().any(|name| name.starts_with('.')),
            "round {round}"
        );
        match kind {
            JobKind::InstanceCreate => fleet.assert_made(&name).await,
            JobKind::TemplateAdopt | JobKind::TemplateThaw => {
                let frozen = kind == JobKind::TemplateAdopt;
                let flags = format!("open={} template={frozen}", !frozen);
                assert!(
                    after.databases["template_restaurant"].contains(&flags),
                    "round {round}: {after:#?}"
                );
                assert_eq!(fleet.template(template).await.facts.frozen, frozen, "round {round}");
            }
            JobKind::InstanceDelete | JobKind::TemplateCreate | JobKind::DedicatedCreate | JobKind::DedicatedDelete => {
            }
        }
        fleet.clear(&name).await;
    }
    eprintln!(
        "J1 {} at random: {} jobs, {deaths} workers killed, {midst} in the midst, 0 left over, slowest recovery {slowest:?}",
        kind.word(),
        rounds()
    );
}

#[tokio::test]
async fn instances_are_created_whenever_their_workers_are_killed() {
    killed_at_random(JobKind::InstanceCreate, Reach::All).await;
}

#[tokio::test]
async fn instances_are_created_through_odoo_whenever_their_workers_are_killed() {
    killed_at_random(JobKind::InstanceCreate, Reach::RpcOnly).await;
}

#[tokio::test]
async fn instances_are_deleted_whenever_their_workers_are_killed() {
    killed_at_random(JobKind::InstanceDelete, Reach::All).await;
}

#[tokio::test]
async fn templates_are_created_whenever_their_workers_are_killed() {
    killed_at_random(JobKind::TemplateCreate, Reach::All).await;
}

#[tokio::test]
async fn templates_are_adopted_whenever_their_workers_are_killed() {
    killed_at_random(JobKind::TemplateAdopt, Reach::All).await;
}

#[tokio::test]
async fn templates_are_thawed_whenever_their_workers_are_killed() {
    killed_at_random(JobKind::TemplateThaw, Reach::All).await;
}
