//! Workers: claims, leases, fencing, steps, ends.

use super::bench::{
    Bench, LONG, change, claim, end, instance, instance_job, me, op, plain_job, server, template, template_spec,
    the_instance,
};
use pretty_assertions::assert_eq;
use std::time::{Duration, Instant};
use vigie::domain::instance::InstanceState;
use vigie::domain::job::{JobSpec, JobState, StepState};
use vigie::domain::template::{TemplateFacts, TemplateState};
use vigie::domain::{JobId, Problem, SecretRef, TemplateId};
use vigie::registry::identity::ProcessId;
use vigie::registry::{ClaimTerms, Consequence, JobFilter, RegistryError};

/// A process that is not there any more.
fn dead() -> String {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let start = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(19)
        .unwrap()
        .parse()
        .unwrap();
    let id = ProcessId {
        pid: child.id(),
        start,
        ..ProcessId::here()
    };
    assert_eq!(id.is_alive(), Some(true));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(id.is_alive(), Some(false));
    id.to_string()
}

async fn thaw(r: &Bench) -> JobId {
    let spec = JobSpec::TemplateThaw {
        template_id: TemplateId(1),
        server_id: vigie::domain::ServerId(1),
    };
    r.queue_job(&op(), &plain_job(spec)).await.unwrap().id
}

pub(super) async fn jobs_are_claimed_oldest_first_and_once(r: Bench) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(thaw(&r).await);
    }
    for id in ids {
        let c = claim(&*r).await;
        assert_eq!((c.job.id, c.job.state, c.token), (id, JobState::Running, 1));
        let lease = c.job.lease.unwrap();
        assert_eq!((lease.worker, lease.token), (me(), 1));
        assert!(c.job.started_at.is_some());
    }
    assert_eq!(
        r.another()
            .await
            .claim_job(&me(), &ClaimTerms::lease(LONG))
            .await
            .unwrap(),
        None
    );
}

pub(super) async fn many_workers_share_the_queue_without_a_clash(r: Bench) {
    for _ in 0..30 {
        thaw(&r).await;
    }
    let mut workers = Vec::new();
    for _ in 0..4 {
        let other = r.another().await;
        workers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some(c) = other.claim_job(&me(), &ClaimTerms::lease(LONG)).await.unwrap() {
                mine.push((c.job.id, c.token));
            }
            mine
        }));
    }
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (1..=30).map(|i| (JobId(i), 1)).collect::<Vec<_>>());
}

pub(super) async fn a_stale_token_changes_nothing(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let old = r
        .claim_job(&me(), &ClaimTerms::lease(Duration::ZERO))
        .await
        .unwrap()
        .unwrap();
    let new = claim(&*r).await;
    assert_eq!(new.token, old.token + 1);
    let before = r.job(job.id).await.unwrap();
    let stale = |e: RegistryError| {
        assert_eq!(
            e,
            RegistryError::StaleToken {
                job: job.id,
                token: old.token
            }
        )
    };
    let mut step = change(0, StepState::Done, JobState::Running);
    step.consequences = vec![Consequence::InstanceState(the_instance(&job), InstanceState::Active)];
    stale(r.record_step(job.id, old.token, &step).await.unwrap_err());
    stale(r.renew_lease(job.id, old.token, LONG).await.unwrap_err());
    stale(r.release_job(job.id, old.token, None).await.unwrap_err());
    let follow = [Consequence::InstanceState(the_instance(&job), InstanceState::Failed)];
    stale(
        r.finish_job(job.id, old.token, JobState::Failed, None, None, &follow)
            .await
            .unwrap_err(),
    );
    assert_eq!(r.job(job.id).await.unwrap(), before);
    assert_eq!(
        r.instance(the_instance(&job)).await.unwrap().state,
        InstanceState::Provisioning
    );
    // And no token is good for a job that is over.
    r.finish_job(job.id, new.token, JobState::Done, None, None, &[])
        .await
        .unwrap();
    let late = r.record_step(job.id, new.token, &step).await.unwrap_err();
    assert!(matches!(late, RegistryError::StaleToken { .. }), "{late:?}");
    let late = r
        .finish_job(job.id, new.token, JobState::Failed, None, None, &follow)
        .await
        .unwrap_err();
    assert!(matches!(late, RegistryError::StaleToken { .. }), "{late:?}");
}

pub(super) async fn a_dead_workers_job_is_taken_over(r: Bench) {
    let job = thaw(&r).await;
    let dead = dead();
    let first = r.claim_job(&dead, &ClaimTerms::lease(LONG)).await.unwrap().unwrap();
    r.record_step(job, first.token, &change(0, StepState::Intended, JobState::Running))
        .await
        .unwrap();
    let second = r
        .another()
        .await
        .claim_job(&me(), &ClaimTerms::lease(LONG))
        .await
        .unwrap()
        .expect("its worker is dead");
    assert_eq!((second.job.id, second.token), (job, first.token + 1));
    assert_eq!(
        second.job.steps[0].state,
        StepState::Intended,
        "what was intended is known"
    );
    assert_eq!(second.job.started_at, first.job.started_at);
    let late = r
        .record_step(job, first.token, &change(0, StepState::Done, JobState::Running))
        .await;
    assert!(matches!(late, Err(RegistryError::StaleToken { .. })));
}

pub(super) async fn a_lease_that_ran_out_is_taken_over(r: Bench) {
    let job = thaw(&r).await;
    // A worker that can't be asked whether it lives: only its lease tells.
    let first = r
        .claim_job("elsewhere:1:1", &ClaimTerms::lease(Duration::from_millis(150)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(r.claim_job(&me(), &ClaimTerms::lease(LONG)).await.unwrap(), None);
    let end = Instant::now() + Duration::from_secs(10);
    let second = loop {
        if let Some(c) = r.claim_job(&me(), &ClaimTerms::lease(LONG)).await.unwrap() {
            break c;
        }
        assert!(Instant::now() < end, "the lease never ran out");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((second.job.id, second.token), (job, first.token + 1));
}

pub(super) async fn a_renewed_lease_is_kept(r: Bench) {
    let job = thaw(&r).await;
    let c = r
        .claim_job("elsewhere:1:1", &ClaimTerms::lease(Duration::from_millis(400)))
        .await
        .unwrap()
        .unwrap();
    r.renew_lease(job, c.token, LONG).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(r.claim_job(&me(), &ClaimTerms::lease(LONG)).await.unwrap(), None);
}

pub(super) async fn a_released_job_is_taken_by_another(r: Bench) {
    let job = thaw(&r).await;
    let first = claim(&*r).await;
    r.release_job(job, first.token, None).await.unwrap();
    assert_eq!(r.job(job).await.unwrap().lease, None);
    let late = r
        .record_step(job, first.token, &change(0, StepState::Done, JobState::Running))
        .await;
    assert!(matches!(late, Err(RegistryError::StaleToken { .. })));
    assert_eq!(claim(&*r).await.token, first.token + 1);
}

pub(super) async fn steps_keep_their_record(r: Bench) {
    let job = thaw(&r).await;
    let c = claim(&*r).await;
    let mut intended = change(0, StepState::Intended, JobState::Running);
    intended.data = Some(serde_json::json!({"oid": 7}));
    let after = r.record_step(job, c.token, &intended).await.unwrap();
    assert_eq!(
        (after.steps[0].state, after.state),
        (StepState::Intended, JobState::Running)
    );
    let began = after.steps[0].started_at.expect("it began");
    let after = r
        .record_step(job, c.token, &change(0, StepState::Done, JobState::Running))
        .await
        .unwrap();
    assert_eq!(
        after.steps[0].data,
        serde_json::json!({"oid": 7}),
        "kept where none is given"
    );
    assert_eq!(after.steps[0].started_at, Some(began));
    assert!(after.steps[0].finished_at.unwrap() >= began);
    assert_eq!(after.progress(), (1, 2));
    let mut failed = change(1, StepState::Failed, JobState::Undoing);
    failed.problem = Some(Problem::new("full", "the disk is full").hint("free some space"));
    let after = r.record_step(job, c.token, &failed).await.unwrap();
    assert_eq!(
        (after.state, &after.problem, &after.steps[1].problem),
        (JobState::Undoing, &failed.problem, &failed.problem)
    );
    let mut undo = change(0, StepState::UndoFailed, JobState::Undoing);
    undo.problem = Some(Problem::new("gone", "no connection"));
    let after = r.record_step(job, c.token, &undo).await.unwrap();
    assert_eq!(
        after.problem, failed.problem,
        "an undo's failure is the step's, not the job's"
    );
    assert_eq!(after.steps[0].problem, undo.problem);
    assert_eq!(r.another().await.job(job).await.unwrap(), after);
    let missing = r
        .record_step(job, c.token, &change(9, StepState::Done, JobState::Running))
        .await
        .unwrap_err();
    assert!(
        matches!(missing, RegistryError::NotFound { what: "step", .. }),
        "{missing:?}"
    );
    let wrong = r
        .record_step(job, c.token, &change(0, StepState::Undone, JobState::Done))
        .await
        .unwrap_err();
    assert!(matches!(wrong, RegistryError::Rule(_)), "{wrong:?}");
}

pub(super) async fn the_end_and_its_consequences_are_one(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let id = the_instance(&job);
    let c = claim(&*r).await;
    let follow = [
        Consequence::InstanceFacts {
            id,
            database_oid: Some(4_000_000_000),
            database_uuid: Some("u-1".to_owned()),
            size_bytes: Some(25_000_000),
        },
        Consequence::InstanceState(id, InstanceState::Active),
    ];
    let result = serde_json::json!({"url": "https://acme.example.org", "login": "admin"});
    let over = r
        .finish_job(job.id, c.token, JobState::Done, Some(result.clone()), None, &follow)
        .await
        .unwrap();
    assert_eq!(
        (over.state, &over.result, &over.lease),
        (JobState::Done, &Some(result), &None)
    );
    assert!(over.finished_at.is_some());
    let i = r.instance(id).await.unwrap();
    assert_eq!(
        (i.state, i.database_oid, i.size_bytes),
        (InstanceState::Active, Some(4_000_000_000), Some(25_000_000))
    );
    assert_eq!(i.database_uuid.as_deref(), Some("u-1"));
    r.queue_job(&op(), &super::bench::thaw_job(t.id, s.id))
        .await
        .expect("its reservation went");
}

pub(super) async fn an_end_that_cannot_follow_ends_nothing(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let failed = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let old = the_instance(&failed);
    end(
        &*r,
        failed.id,
        JobState::Failed,
        &[Consequence::InstanceState(old, InstanceState::Failed)],
    )
    .await;
    instance(&*r, &t, "acme").await;
    let job = thaw(&r).await;
    let c = claim(&*r).await;
    // The first would be well, the second takes a name that is taken: neither happens, nor the end.
    let follow = [
        Consequence::TemplateState(t.id, TemplateState::Draft),
        Consequence::InstanceState(old, InstanceState::Active),
    ];
    let refused = r
        .finish_job(job, c.token, JobState::Done, None, None, &follow)
        .await
        .unwrap_err();
    assert!(matches!(refused, RegistryError::Taken { .. }), "{refused:?}");
    assert_eq!(r.job(job).await.unwrap().state, JobState::Running);
    assert_eq!(r.template(t.id).await.unwrap().state, TemplateState::Ready);
    r.finish_job(job, c.token, JobState::Done, None, None, &[])
        .await
        .unwrap();
}

pub(super) async fn an_end_told_twice_is_the_same_end(r: Bench) {
    let job = thaw(&r).await;
    let c = claim(&*r).await;
    let over = r
        .finish_job(job, c.token, JobState::Done, None, None, &[])
        .await
        .unwrap();
    assert_eq!(
        r.finish_job(job, c.token, JobState::Done, None, None, &[])
            .await
            .unwrap(),
        over
    );
    let wrong = r
        .finish_job(job, c.token, JobState::Running, None, None, &[])
        .await
        .unwrap_err();
    assert!(matches!(wrong, RegistryError::Rule(_)), "{wrong:?}");
}

pub(super) async fn a_removed_instance_gives_its_place_back(r: Bench) {
    let s = server(&*r, "prod-1", 1).await;
    let t = template(&*r, "restaurant", s.id).await;
    let i = instance(&*r, &t, "acme").await;
    let mut job = plain_job(JobSpec::InstanceDelete {
        instance_id: i.id,
        server_id: s.id,
        database: i.spec.database_name.clone(),
    });
    job.consequences = vec![Consequence::InstanceState(i.id, InstanceState::Deleting)];
    let job = r.queue_job(&op(), &job).await.unwrap();
    assert_eq!(
        r.server(s.id).await.unwrap().instance_count,
        1,
        "it keeps its place until it is gone"
    );
    end(&*r, job.id, JobState::Done, &[Consequence::InstanceRemoved(i.id)]).await;
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 0);
    instance(&*r, &t, "acme").await;
}

pub(super) async fn facts_of_templates_and_instances_are_kept(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = r.add_template(&op(), &template_spec("restaurant", s.id)).await.unwrap();
    let mut new = super::bench::thaw_job(t.id, s.id);
    new.consequences = vec![Consequence::TemplateState(t.id, TemplateState::Creating)];
    let job = r.queue_job(&op(), &new).await.unwrap();
    assert_eq!(r.template(t.id).await.unwrap().state, TemplateState::Creating);
    let facts = TemplateFacts {
        database_oid: Some(16_385),
        size_bytes: Some(1 << 40),
        admin_login: Some("admin".to_owned()),
        admin_password: Some(SecretRef::parse("sealed:k1:AAAA").unwrap()),
        odoo_version: Some("16.0".to_owned()),
        frozen: true,
    };
    let c = claim(&*r).await;
    let mut step = change(0, StepState::Done, JobState::Running);
    step.consequences = vec![Consequence::TemplateFacts(t.id, facts.clone())];
    r.record_step(job.id, c.token, &step).await.unwrap();
    let follow = [Consequence::TemplateState(t.id, TemplateState::Ready)];
    r.finish_job(job.id, c.token, JobState::Done, None, None, &follow)
        .await
        .unwrap();
    let t = r.template(t.id).await.unwrap();
    assert_eq!((t.state, t.facts), (TemplateState::Ready, facts));
    let i = instance(&*r, &r.template(t.id).await.unwrap(), "acme").await;
    let job = thaw(&r).await;
    let only_size = Consequence::InstanceFacts {
        id: i.id,
        database_oid: None,
        database_uuid: None,
        size_bytes: Some(5),
    };
    end(&*r, job, JobState::Done, std::slice::from_ref(&only_size)).await;
    assert_eq!(r.instance(i.id).await.unwrap().size_bytes, Some(5));
}

pub(super) async fn jobs_are_filtered(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let other = server(&*r, "prod-2", 50).await;
    let u = template(&*r, "shop", other.id).await;
    let i = instance(&*r, &t, "acme").await;
    let queued = r.queue_job(&op(), &instance_job(&u, "bistro")).await.unwrap();
    let ids = async |filter: JobFilter| {
        let found = r.jobs(&filter).await.unwrap();
        assert!(found.iter().all(|j| j.steps.len() >= 2), "with their steps");
        found.iter().map(|j| j.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(JobFilter::default()).await, [4, 3, 2, 1]);
    assert_eq!(
        ids(JobFilter {
            limit: 2,
            ..JobFilter::default()
        })
        .await,
        [4, 3]
    );
    assert_eq!(
        ids(JobFilter {
            states: vec![JobState::Queued, JobState::Running],
            ..JobFilter::default()
        })
        .await,
        [4]
    );
    assert_eq!(
        ids(JobFilter {
            instance: Some(i.id),
            ..JobFilter::default()
        })
        .await,
        [3]
    );
    assert_eq!(
        ids(JobFilter {
            server: Some(other.id),
            ..JobFilter::default()
        })
        .await,
        [4, 2]
    );
    assert_eq!(
        ids(JobFilter {
            template: Some(t.id),
            ..JobFilter::default()
        })
        .await,
        [3, 1]
    );
    let both = JobFilter {
        template: Some(u.id),
        states: vec![JobState::Done],
        ..JobFilter::default()
    };
    assert_eq!(ids(both).await, [2]);
    assert_eq!(
        r.jobs(&JobFilter {
            limit: 1,
            ..JobFilter::default()
        })
        .await
        .unwrap(),
        [queued]
    );
}
