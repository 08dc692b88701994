//! Queueing, cancelling, running again.

use super::bench::{
    Bench, claim, end, instance, instance_job, op, plain_job, server, server_spec, template, template_spec, thaw_job,
    the_instance,
};
use pretty_assertions::assert_eq;
use vigie::domain::capacity::Thresholds;
use vigie::domain::instance::InstanceState;
use vigie::domain::job::{JobSpec, JobState, StepState};
use vigie::domain::server::ServerEvent;
use vigie::domain::template::TemplateState;
use vigie::registry::{Consequence, JobFilter, RegistryError, Reservation};

pub(super) async fn queueing_writes_the_job_the_instance_and_its_place(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let new = instance_job(&t, "acme");
    let op = op();
    let job = r.queue_job(&op, &new).await.unwrap();
    assert_eq!(
        (job.state, job.attempt, job.lease.clone(), job.asked_by.as_str()),
        (JobState::Queued, 1, None, "marie")
    );
    assert_eq!((job.created_at, job.started_at, &job.title), (op.at, None, &new.title));
    assert_eq!(job.steps.len(), 4);
    for (index, step) in job.steps.iter().enumerate() {
        assert_eq!(
            (step.index, &step.planned, step.state),
            (index, &new.steps[index], StepState::Pending)
        );
        assert_eq!(step.data, serde_json::json!({}));
    }
    assert_eq!(r.another().await.job(job.id).await.unwrap(), job);
    let i = r.instance(the_instance(&job)).await.unwrap();
    assert_eq!(
        (&i.spec, i.state),
        (new.instance.as_ref().unwrap(), InstanceState::Provisioning)
    );
    let s = r.server(s.id).await.unwrap();
    assert_eq!((s.instance_count, s.available_capacity()), (1, 98.0));
    assert_eq!(r.template(t.id).await.unwrap().instance_count, 1);
}

async fn compete(r: &Bench, t: &vigie::domain::template::Template, free: usize, many: usize) {
    let mut tries = Vec::new();
    for i in 0..many {
        let (other, job) = (r.another().await, instance_job(t, &format!("client-{i}")));
        tries.push(tokio::spawn(async move { other.queue_job(&op(), &job).await }));
    }
    let (mut won, mut lost) = (0, 0);
    for one in tries {
        match one.await.unwrap() {
            Ok(_) => won += 1,
            Err(RegistryError::Rule(why)) => {
                assert!(why.contains("all of its"), "{why}");
                lost += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((won, lost), (free, many - free));
    assert_eq!(
        r.jobs(&JobFilter {
            states: vec![JobState::Queued],
            ..JobFilter::default()
        })
        .await
        .unwrap()
        .len(),
        free
    );
    assert_eq!(r.instances(None).await.unwrap().len(), free);
}

pub(super) async fn the_last_place_goes_to_one_of_two(r: Bench) {
    let s = server(&*r, "prod-1", 1).await;
    let t = template(&*r, "restaurant", s.id).await;
    compete(&r, &t, 1, 2).await;
}

pub(super) async fn the_last_place_goes_to_one_of_many(r: Bench) {
    let s = server(&*r, "prod-1", 3).await;
    let t = template(&*r, "restaurant", s.id).await;
    compete(&r, &t, 3, 12).await;
}

pub(super) async fn a_server_that_is_not_active_takes_nothing(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let event = ServerEvent::Maintain;
    let s = r
        .transition_server(&op(), s.id, s.version, &event)
        .await
        .unwrap()
        .unwrap();
    let refused = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("prod-1 takes no new instance: is maintenance"),
        "{refused}"
    );
    let event = ServerEvent::Activate { connection: Ok(()) };
    r.transition_server(&op(), s.id, s.version, &event).await.unwrap();
    for _ in 0..2 {
        let down = super::bench::report(super::bench::now(), Some(super::bench::refused_connection()));
        r.record_check(s.id, &down, &vigie::domain::health::HealthRules::default())
            .await
            .unwrap();
    }
    let refused = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap_err();
    assert!(refused.to_string().contains("is offline"), "{refused}");
    assert_eq!(r.instances(None).await.unwrap(), []);
}

pub(super) async fn less_than_the_free_share_is_refused_with_its_numbers(r: Bench) {
    let s = server(&*r, "prod-1", 20).await;
    let t = template(&*r, "restaurant", s.id).await;
    for i in 0..18 {
        let mut job = instance_job(&t, &format!("client-{i}"));
        job.thresholds = Thresholds::default();
        r.queue_job(&op(), &job).await.unwrap();
    }
    let mut job = instance_job(&t, "acme");
    job.thresholds = Thresholds::default();
    r.queue_job(&op(), &job).await.expect("10 % free is enough");
    let mut job = instance_job(&t, "bistro");
    job.thresholds = Thresholds::default();
    let refused = r.queue_job(&op(), &job).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "server prod-1 takes no new instance: 5 % free, 10 % needed (19 of 20 places taken)"
    );
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 19);
}

pub(super) async fn a_template_that_is_not_ready_or_elsewhere_is_refused(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let other = server(&*r, "prod-2", 50).await;
    let draft = r.add_template(&op(), &template_spec("draft", s.id)).await.unwrap();
    let refused = r.queue_job(&op(), &instance_job(&draft, "acme")).await.unwrap_err();
    assert_eq!(refused.to_string(), "template draft is draft, not ready");
    let t = template(&*r, "restaurant", other.id).await;
    let mut job = instance_job(&t, "acme");
    job.instance.as_mut().unwrap().server_id = s.id;
    if let JobSpec::InstanceCreate { server_id, .. } = &mut job.spec {
        *server_id = s.id;
    }
    let refused = r.queue_job(&op(), &job).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("template restaurant is on server prod-2, not on prod-1"),
        "{refused}"
    );
}

pub(super) async fn a_plan_whose_world_changed_is_refused_with_the_difference(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let i = instance(&*r, &t, "old").await;
    let mut job = instance_job(&t, "acme");
    job.expected.server = Some((s.id, s.version));
    job.expected.template = Some((t.id, t.version));
    job.expected.instance = Some((i.id, i.version));
    r.edit_server(&op(), s.id, s.version, &server_spec("prod-1", 40))
        .await
        .unwrap();
    let refused = r.queue_job(&op(), &job).await.unwrap_err();
    let RegistryError::Changed {
        what: "server",
        difference,
        ..
    } = &refused
    else {
        panic!("{refused:?}")
    };
    assert!(difference.contains("max_instances 50 → 40"), "{difference}");
    job.expected.server = Some((s.id, s.version + 1));
    let thaw = r.queue_job(&op(), &thaw_job(t.id, s.id)).await.unwrap();
    let follow = [Consequence::TemplateState(t.id, TemplateState::Draft)];
    end(&*r, thaw.id, JobState::Done, &follow).await;
    let refused = r.queue_job(&op(), &job).await.unwrap_err();
    let RegistryError::Changed {
        what: "template",
        difference,
        ..
    } = &refused
    else {
        panic!("{refused:?}")
    };
    assert!(difference.contains("state"), "{difference}");
    job.expected.template = None;
    job.expected.instance = Some((i.id, i.version - 1));
    let refused = r.queue_job(&op(), &job).await.unwrap_err();
    assert!(
        matches!(refused, RegistryError::Changed { what: "instance", .. }),
        "{refused:?}"
    );
}

pub(super) async fn a_template_being_thawed_is_not_cloned(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let thaw = r.queue_job(&op(), &thaw_job(t.id, s.id)).await.unwrap();
    let refused = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("template restaurant is in use by job {}", thaw.id)
    );
    r.cancel_job(&op(), thaw.id).await.unwrap();
    let clone = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    r.queue_job(&op(), &instance_job(&t, "bistro"))
        .await
        .expect("clones share it");
    let refused = r.queue_job(&op(), &thaw_job(t.id, s.id)).await.unwrap_err();
    assert!(
        matches!(refused, RegistryError::Reserved { job, .. } if job == clone.id),
        "{refused:?}"
    );
}

pub(super) async fn a_refused_job_leaves_nothing_behind(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let thaw = r.queue_job(&op(), &thaw_job(t.id, s.id)).await.unwrap();
    let before = r.jobs(&JobFilter::default()).await.unwrap();
    // The instance comes before the reservation that refuses: it must go with the rest.
    let mut job = instance_job(&t, "acme");
    job.reservations.insert(
        0,
        Reservation {
            key: "alone".to_owned(),
            label: "alone".to_owned(),
            exclusive: true,
        },
    );
    r.queue_job(&op(), &job).await.unwrap_err();
    assert_eq!(r.jobs(&JobFilter::default()).await.unwrap(), before);
    assert_eq!(r.instances(None).await.unwrap(), []);
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 0);
    r.cancel_job(&op(), thaw.id).await.unwrap();
    r.queue_job(&op(), &job)
        .await
        .expect("what the refused one reserved is free");
}

pub(super) async fn a_queued_job_is_cancelled_at_once(r: Bench) {
    let s = server(&*r, "prod-1", 1).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let cancelled = r.cancel_job(&op(), job.id).await.unwrap();
    assert_eq!(
        (cancelled.state, cancelled.cancel_requested),
        (JobState::Cancelled, true)
    );
    assert!(cancelled.finished_at.is_some());
    assert_eq!(
        r.instance(the_instance(&job)).await.unwrap().state,
        InstanceState::Failed
    );
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 0);
    assert_eq!(
        r.claim_job(
            &super::bench::me(),
            &vigie::registry::ClaimTerms::lease(super::bench::LONG)
        )
        .await
        .unwrap(),
        None
    );
    r.queue_job(&op(), &thaw_job(t.id, s.id))
        .await
        .expect("its reservation went too");
}

pub(super) async fn a_cancelled_delete_gives_the_instance_its_state_back(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let i = instance(&*r, &t, "acme").await;
    let mut job = plain_job(JobSpec::InstanceDelete {
        instance_id: i.id,
        server_id: s.id,
        database: i.spec.database_name.clone(),
    });
    job.consequences = vec![Consequence::InstanceState(i.id, InstanceState::Deleting)];
    let queued = r.queue_job(&op(), &job).await.unwrap();
    assert_eq!(r.instance(i.id).await.unwrap().state, InstanceState::Deleting);
    r.cancel_job(&op(), queued.id).await.unwrap();
    assert_eq!(r.instance(i.id).await.unwrap().state, InstanceState::Active);
}

pub(super) async fn a_running_job_is_asked_to_stop(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let claim = claim(&*r).await;
    assert!(!r.renew_lease(job.id, claim.token, super::bench::LONG).await.unwrap());
    let asked = r.cancel_job(&op(), job.id).await.unwrap();
    assert_eq!((asked.state, asked.cancel_requested), (JobState::Running, true));
    assert!(r.renew_lease(job.id, claim.token, super::bench::LONG).await.unwrap());
    assert_eq!(
        r.cancel_job(&op(), job.id).await.unwrap(),
        asked,
        "asked twice is asked once"
    );
    assert_eq!(
        r.instance(the_instance(&job)).await.unwrap().state,
        InstanceState::Provisioning
    );
}

pub(super) async fn a_job_that_is_over_is_not_cancelled(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    for state in [JobState::Done, JobState::Failed, JobState::Cancelled, JobState::Stuck] {
        let spec = JobSpec::TemplateThaw {
            template_id: vigie::domain::TemplateId(1),
            server_id: s.id,
        };
        let job = r.queue_job(&op(), &plain_job(spec)).await.unwrap();
        end(&*r, job.id, state, &[]).await;
        let refused = r.cancel_job(&op(), job.id).await.unwrap_err();
        assert!(
            refused.to_string().contains(&format!("is {} already", state.word())),
            "{refused}"
        );
    }
}
