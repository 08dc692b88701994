//! Changes as they are told to whoever follows.

use super::bench::{
    Bench, change, claim, instance, instance_job, line, me, op, report, server, server_spec, template, the_instance,
};
use pretty_assertions::assert_eq;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use vigie::domain::SafeText;
use vigie::domain::health::HealthRules;
use vigie::domain::job::{JobState, StepState};
use vigie::registry::{Change, ChangeStream};

/// Reads until all of these were told.
async fn until(stream: &mut ChangeStream, wanted: &[Change]) -> Vec<Change> {
    let mut seen = Vec::new();
    let end = Instant::now() + Duration::from_secs(10);
    while !wanted.iter().all(|w| seen.contains(w)) {
        let left = end.saturating_duration_since(Instant::now());
        let batch = tokio::time::timeout(left, stream.recv()).await;
        let batch = batch
            .unwrap_or_else(|_| panic!("{wanted:?} were not told, {seen:?} were"))
            .unwrap();
        assert_eq!(
            batch.len(),
            batch.iter().collect::<HashSet<_>>().len(),
            "told twice: {batch:?}"
        );
        seen.extend(batch);
    }
    seen
}

/// What else is told within a while.
async fn rest(stream: &mut ChangeStream) -> Vec<Change> {
    let mut seen = Vec::new();
    while let Ok(Some(batch)) = tokio::time::timeout(Duration::from_millis(300), stream.recv()).await {
        seen.extend(batch);
    }
    seen
}

pub(super) async fn every_kind_of_change_is_told(r: Bench) {
    let mut stream = r.changes().await.unwrap();
    let s = server(&*r, "prod-1", 50).await;
    until(&mut stream, &[Change::Server(s.id)]).await;
    let t = template(&*r, "restaurant", s.id).await;
    until(&mut stream, &[Change::Template(t.id)]).await;
    rest(&mut stream).await;
    r.customer_named(&op(), &SafeText::new("ABC")).await.unwrap();
    until(&mut stream, &[Change::Catalog]).await;
    r.worker_alive(&me()).await.unwrap();
    until(&mut stream, &[Change::Worker]).await;
    r.record_check(s.id, &report(super::bench::now(), None), &HealthRules::default())
        .await
        .unwrap();
    until(&mut stream, &[Change::Server(s.id)]).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let id = the_instance(&job);
    until(
        &mut stream,
        &[
            Change::Job(job.id),
            Change::Instance(id),
            Change::Server(s.id),
            Change::Template(t.id),
        ],
    )
    .await;
    let c = claim(&*r).await;
    until(&mut stream, &[Change::Job(job.id)]).await;
    r.record_step(job.id, c.token, &change(0, StepState::Intended, JobState::Running))
        .await
        .unwrap();
    until(&mut stream, &[Change::Job(job.id)]).await;
    r.append_log(job.id, &[line("a"), line("b")]).await.unwrap();
    until(&mut stream, &[Change::JobLog(job.id)]).await;
    assert_eq!(rest(&mut stream).await, [], "nothing else");
    // What is nobody's business makes no noise: a lease, a claimed check, a worker that is still there.
    r.renew_lease(job.id, c.token, Duration::from_secs(60)).await.unwrap();
    r.worker_alive(&me()).await.unwrap();
    r.claim_due_checks(
        Some(super::bench::now() + Duration::from_secs(9_999)),
        Duration::from_secs(1),
        9,
    )
    .await
    .unwrap();
    assert_eq!(rest(&mut stream).await, []);
}

pub(super) async fn changes_of_another_connection_are_told_at_once(r: Bench) {
    let s = server(&*r, "prod-1", 500).await;
    let t = template(&*r, "restaurant", s.id).await;
    let job = r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    let mut stream = r.changes().await.unwrap();
    let mut second = r.changes().await.unwrap();
    let other = r.another().await;
    let mut delays = Vec::new();
    for i in 0..40 {
        other.append_log(job.id, &[line(&format!("line {i}"))]).await.unwrap();
        let began = Instant::now();
        until(&mut stream, &[Change::JobLog(job.id)]).await;
        delays.push(began.elapsed());
        until(&mut second, &[Change::JobLog(job.id)]).await;
        assert_eq!(r.log_end(job.id).await.unwrap(), i + 1, "told before it could be read");
    }
    delays.sort_unstable();
    eprintln!(
        "a commit of another connection is told after {:?} (median), {:?} (worst)",
        delays[20], delays[39]
    );
    assert!(delays[36] < Duration::from_millis(150), "{delays:?}");
}

pub(super) async fn a_receiver_that_falls_behind_reads_everything_again(r: Bench) {
    let s = r.add_server(&op(), &server_spec("prod-1", 50)).await.unwrap();
    let mut slow = r.changes().await.unwrap();
    let mut quick = r.changes().await.unwrap();
    // More commits than the slow one's channel holds, each told by itself to the quick one.
    for i in 0..400 {
        let at = super::bench::now();
        r.record_check(s.id, &report(at, None), &HealthRules::default())
            .await
            .unwrap();
        let told = until(&mut quick, &[Change::Server(s.id)]).await;
        assert!(
            !told.contains(&Change::Everything),
            "the quick one never falls behind ({i})"
        );
    }
    until(&mut slow, &[Change::Everything]).await;
    rest(&mut slow).await;
    r.add_server(&op(), &server_spec("prod-2", 50)).await.unwrap();
    assert!(!rest(&mut slow).await.contains(&Change::Everything), "it has caught up");
}

pub(super) async fn changes_before_the_call_are_not_told(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    let mut stream = r.changes().await.unwrap();
    instance(&*r, &t, "acme").await;
    drop(r.changes().await.unwrap());
    let mut late = r.changes().await.unwrap();
    until(&mut stream, &[Change::Server(s.id)]).await;
    let second = r.add_server(&op(), &server_spec("prod-2", 50)).await.unwrap();
    assert_eq!(
        until(&mut late, &[Change::Server(second.id)]).await,
        [Change::Server(second.id)]
    );
}
