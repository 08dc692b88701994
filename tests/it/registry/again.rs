//! Running again what failed, was cancelled or got stuck.

use super::bench::{
    Bench, change, claim, end, instance, instance_job, op, plain_job, server, server_spec, template, thaw_job,
    the_instance,
};
use pretty_assertions::assert_eq;
use vigie::domain::Problem;
use vigie::domain::capacity::Thresholds;
use vigie::domain::instance::InstanceState;
use vigie::domain::job::{JobSpec, JobState, StepState};
use vigie::domain::server::ServerEvent;
use vigie::registry::{Consequence, RegistryError};

const ANY: Thresholds = Thresholds {
    provision_free_percent: 0,
    placement_free_percent: 0,
};

pub(super) async fn a_failed_job_is_run_again_from_its_first_step(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let id = the_instance(&job);
    let one = claim(&*r).await;
    let mut intended = change(0, StepState::Intended, JobState::Running);
    intended.data = Some(serde_json::json!({"nonce": "x"}));
    r.record_step(job.id, one.token, &intended).await.unwrap();
    let mut failed = change(0, StepState::Failed, JobState::Undoing);
    failed.problem = Some(Problem::new("no_space", "the disk is full"));
    r.record_step(job.id, one.token, &failed).await.unwrap();
    r.record_step(job.id, one.token, &change(0, StepState::Undone, JobState::Undoing))
        .await
        .unwrap();
    let follow = [Consequence::InstanceState(id, InstanceState::Failed)];
    let over = r
        .finish_job(job.id, one.token, JobState::Failed, None, None, &follow)
        .await
        .unwrap();
    assert_eq!(
        over.problem.as_ref().map(|p| p.message.as_str()),
        Some("the disk is full")
    );
    let again = r.retry_job(&op(), job.id, &ANY).await.unwrap();
    assert_eq!(
        (again.state, again.attempt, again.problem.clone()),
        (JobState::Queued, 2, None)
    );
    assert_eq!((again.cancel_requested, again.finished_at), (false, None));
    for step in &again.steps {
        assert_eq!(
            (step.state, &step.data, &step.problem),
            (StepState::Pending, &serde_json::json!({}), &None)
        );
        assert_eq!((step.started_at, step.finished_at), (None, None));
    }
    assert_eq!(r.instance(id).await.unwrap().state, InstanceState::Provisioning);
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 1);
    let two = claim(&*r).await;
    assert!(two.token > one.token);
    r.release_job(job.id, two.token, None).await.unwrap();
    // A retry that is cancelled before it began is as it was.
    let three = claim(&*r).await;
    r.finish_job(job.id, three.token, JobState::Failed, None, None, &follow)
        .await
        .unwrap();
    r.retry_job(&op(), job.id, &ANY).await.unwrap();
    r.cancel_job(&op(), job.id).await.unwrap();
    assert_eq!(r.instance(id).await.unwrap().state, InstanceState::Failed);
    assert_eq!(
        r.retry_job(&op(), job.id, &ANY).await.unwrap().attempt,
        4,
        "a cancelled one too"
    );
}

pub(super) async fn a_retry_takes_place_and_names_under_the_conditions_of_the_day(r: Bench) {
    let s = server(&*r, "prod-1", 2).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let follow = [Consequence::InstanceState(the_instance(&job), InstanceState::Failed)];
    end(&*r, job.id, JobState::Failed, &follow).await;
    let other = instance(&*r, &t, "acme").await;
    let refused = r.retry_job(&op(), job.id, &ANY).await.unwrap_err();
    assert!(
        matches!(&refused, RegistryError::Taken { value, .. } if value == "acme"),
        "{refused:?}"
    );
    let remove = plain_job(JobSpec::InstanceDelete {
        instance_id: other.id,
        server_id: s.id,
        database: other.spec.database_name.clone(),
    });
    let remove = r.queue_job(&op(), &remove).await.unwrap();
    end(
        &*r,
        remove.id,
        JobState::Done,
        &[Consequence::InstanceRemoved(other.id)],
    )
    .await;
    instance(&*r, &t, "one").await;
    instance(&*r, &t, "two").await;
    let refused = r.retry_job(&op(), job.id, &ANY).await.unwrap_err();
    assert!(
        refused.to_string().contains("all of its 2 places are taken"),
        "{refused}"
    );
    let wide = r
        .edit_server(&op(), s.id, s.version, &server_spec("prod-1", 40))
        .await
        .unwrap();
    let strict = Thresholds {
        provision_free_percent: 99,
        placement_free_percent: 99,
    };
    let refused = r.retry_job(&op(), job.id, &strict).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("95 % free, 99 % needed (2 of 40 places taken)"),
        "{refused}"
    );
    let thaw = r.queue_job(&op(), &thaw_job(t.id, s.id)).await.unwrap();
    let refused = r.retry_job(&op(), job.id, &ANY).await.unwrap_err();
    assert!(
        matches!(refused, RegistryError::Reserved { job: holder, .. } if holder == thaw.id),
        "{refused:?}"
    );
    r.cancel_job(&op(), thaw.id).await.unwrap();
    let down = r
        .transition_server(&op(), s.id, wide.version, &ServerEvent::Maintain)
        .await
        .unwrap()
        .unwrap();
    let refused = r.retry_job(&op(), job.id, &ANY).await.unwrap_err();
    assert!(refused.to_string().contains("is maintenance"), "{refused}");
    let state = r.job(job.id).await.unwrap();
    assert_eq!(
        (state.state, state.attempt),
        (JobState::Failed, 1),
        "a refused retry changes nothing"
    );
    let event = ServerEvent::Activate { connection: Ok(()) };
    r.transition_server(&op(), s.id, down.version, &event).await.unwrap();
    r.retry_job(&op(), job.id, &Thresholds::default()).await.unwrap();
    assert_eq!(r.server(s.id).await.unwrap().instance_count, 3);
}

pub(super) async fn a_retry_of_a_job_that_is_not_over_is_refused(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let refuse = async |word: &str| {
        let refused = r.retry_job(&op(), job.id, &ANY).await.unwrap_err().to_string();
        assert!(
            refused.contains(&format!("is {word}: only a failed, cancelled or stuck")),
            "{refused}"
        );
    };
    refuse("queued").await;
    let claim = claim(&*r).await;
    refuse("running").await;
    r.record_step(job.id, claim.token, &change(0, StepState::Undoing, JobState::Undoing))
        .await
        .unwrap();
    refuse("undoing").await;
    r.finish_job(job.id, claim.token, JobState::Done, None, None, &[])
        .await
        .unwrap();
    refuse("done").await;
}

pub(super) async fn a_job_stuck_undoing_goes_on_undoing(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let c = claim(&*r).await;
    for (i, state, job_state) in [
        (0, StepState::Intended, JobState::Running),
        (0, StepState::Done, JobState::Running),
        (1, StepState::Failed, JobState::Undoing),
        (1, StepState::Undone, JobState::Undoing),
        (0, StepState::UndoFailed, JobState::Undoing),
    ] {
        let mut c2 = change(i, state, job_state);
        c2.data = Some(serde_json::json!({"oid": 7}));
        r.record_step(job.id, c.token, &c2).await.unwrap();
    }
    let left = Problem::new("left_behind", "the database acme is left: drop it");
    let stuck = r
        .finish_job(job.id, c.token, JobState::Stuck, None, Some(left.clone()), &[])
        .await
        .unwrap();
    assert_eq!((stuck.state, &stuck.problem), (JobState::Stuck, &Some(left)));
    assert_eq!(
        r.instance(the_instance(&job)).await.unwrap().state,
        InstanceState::Provisioning,
        "it keeps its place"
    );
    // A full server and a changed template don't keep anyone from cleaning up.
    r.transition_server(&op(), s.id, s.version, &ServerEvent::Maintain)
        .await
        .unwrap();
    let again = r.retry_job(&op(), job.id, &ANY).await.unwrap();
    assert_eq!((again.state, again.attempt), (JobState::Undoing, 2));
    let states: Vec<StepState> = again.steps.iter().map(|s| s.state).collect();
    use StepState as S;
    assert_eq!(states, [S::Undoing, S::Undone, S::Pending, S::Pending]);
    assert_eq!(
        again.steps[0].data,
        serde_json::json!({"oid": 7}),
        "what is to be undone is known"
    );
    let asked = r.cancel_job(&op(), job.id).await.unwrap();
    assert_eq!(
        asked.state,
        JobState::Undoing,
        "not cancelled at once: something is left"
    );
    let taken = claim(&*r).await;
    assert_eq!((taken.job.state, taken.job.id), (JobState::Undoing, job.id));
}

pub(super) async fn a_job_stuck_past_its_pivot_goes_on_forward(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let c = claim(&*r).await;
    for i in 0..3 {
        r.record_step(job.id, c.token, &change(i, StepState::Done, JobState::Running))
            .await
            .unwrap();
    }
    let mut failed = change(3, StepState::Failed, JobState::Running);
    failed.problem = Some(Problem::new("refused", "no"));
    r.record_step(job.id, c.token, &failed).await.unwrap();
    r.finish_job(job.id, c.token, JobState::Stuck, None, None, &[])
        .await
        .unwrap();
    let again = r.retry_job(&op(), job.id, &ANY).await.unwrap();
    assert_eq!((again.state, again.problem), (JobState::Queued, None));
    let states: Vec<StepState> = again.steps.iter().map(|s| s.state).collect();
    assert_eq!(
        states,
        [StepState::Done, StepState::Done, StepState::Done, StepState::Pending]
    );
    let asked = r.cancel_job(&op(), job.id).await.unwrap();
    assert_eq!(
        asked.state,
        JobState::Queued,
        "not cancelled at once: its steps are done"
    );
    assert_eq!(claim(&*r).await.job.state, JobState::Running);
}
