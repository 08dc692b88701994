//! Who takes which job: limits, fairness between servers, keys that are lacked.

use super::bench::{Bench, LONG, change, claim, me, op, plain_job};
use pretty_assertions::assert_eq;
use std::time::Duration;
use vigie::domain::job::{JobSpec, JobState, StepState};
use vigie::domain::{JobId, ServerId, TemplateId};
use vigie::registry::ClaimTerms;

/// A job without further ado on this server.
async fn thaw_on(r: &Bench, server: i64) -> JobId {
    let spec = JobSpec::TemplateThaw {
        template_id: TemplateId(1),
        server_id: ServerId(server),
    };
    r.queue_job(&op(), &plain_job(spec)).await.unwrap().id
}

fn at_most(per_server: usize) -> ClaimTerms {
    ClaimTerms {
        per_server,
        ..ClaimTerms::lease(LONG)
    }
}

pub(super) async fn a_long_queue_of_one_server_starves_no_other(r: Bench) {
    let mut many = Vec::new();
    for _ in 0..20 {
        many.push(thaw_on(&r, 1).await);
    }
    let late = [thaw_on(&r, 2).await, thaw_on(&r, 3).await, thaw_on(&r, 2).await];
    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(claim(&*r).await.job.id);
    }
    // The server with the fewest running is next, the oldest job among equals.
    assert_eq!(order, [many[0], late[0], late[1], many[1], late[2], many[2]]);
}

pub(super) async fn a_servers_limit_holds_over_all_workers(r: Bench) {
    for _ in 0..4 {
        thaw_on(&r, 1).await;
    }
    let elsewhere = thaw_on(&r, 2).await;
    let none = |claim: Option<vigie::registry::Claim>| assert_eq!(claim, None, "more than the limit");
    let one = r.claim_job(&me(), &at_most(2)).await.unwrap().unwrap();
    let other = r
        .another()
        .await
        .claim_job("other:1:1", &at_most(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(other.job.id, elsewhere);
    let two = r
        .another()
        .await
        .claim_job("other:1:1", &at_most(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (one.job.spec.server_id(), two.job.spec.server_id()),
        (ServerId(1), ServerId(1))
    );
    none(r.claim_job(&me(), &at_most(2)).await.unwrap());
    none(r.another().await.claim_job("third:1:1", &at_most(2)).await.unwrap());
    // An end, and a job handed back, make room for one each.
    r.finish_job(one.job.id, one.token, JobState::Done, None, None, &[])
        .await
        .unwrap();
    let three = r.claim_job(&me(), &at_most(2)).await.unwrap().expect("one has ended");
    none(r.claim_job(&me(), &at_most(2)).await.unwrap());
    r.release_job(three.job.id, three.token, None).await.unwrap();
    let four = r
        .claim_job(&me(), &at_most(2))
        .await
        .unwrap()
        .expect("one was handed back");
    none(r.claim_job(&me(), &at_most(2)).await.unwrap());
    // Who asks for more, or for no limit, gets more.
    assert!(r.claim_job(&me(), &at_most(3)).await.unwrap().is_some());
    assert_eq!(four.job.spec.server_id(), ServerId(1));
}

pub(super) async fn a_servers_limit_holds_when_many_claim_at_once(r: Bench) {
    for server in 1..=3 {
        for _ in 0..10 {
            thaw_on(&r, server).await;
        }
    }
    let mut workers = Vec::new();
    for _ in 0..8 {
        let other = r.another().await;
        workers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some(c) = other.claim_job(&me(), &at_most(2)).await.unwrap() {
                mine.push(c.job.spec.server_id());
            }
            mine
        }));
    }
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, [1, 1, 2, 2, 3, 3].map(ServerId));
}

pub(super) async fn a_lease_that_ran_out_counts_no_more(r: Bench) {
    for _ in 0..2 {
        thaw_on(&r, 1).await;
    }
    let short = ClaimTerms {
        per_server: 1,
        ..ClaimTerms::lease(Duration::ZERO)
    };
    let first = r.claim_job(&me(), &short).await.unwrap().unwrap();
    let again = r.claim_job(&me(), &at_most(1)).await.unwrap().expect("nobody runs it");
    assert_eq!((again.job.id, again.token), (first.job.id, first.token + 1));
    assert_eq!(r.claim_job(&me(), &at_most(1)).await.unwrap(), None);
}

pub(super) async fn what_was_begun_comes_before_what_was_not(r: Bench) {
    let jobs = [thaw_on(&r, 1).await, thaw_on(&r, 1).await, thaw_on(&r, 1).await];
    let claims = [claim(&*r).await, claim(&*r).await, claim(&*r).await];
    r.record_step(
        jobs[2],
        claims[2].token,
        &change(0, StepState::Intended, JobState::Running),
    )
    .await
    .unwrap();
    for (job, claim) in jobs.iter().zip(&claims) {
        r.release_job(*job, claim.token, None).await.unwrap();
    }
    let states = [r.job(jobs[0]).await.unwrap().state, r.job(jobs[2]).await.unwrap().state];
    assert_eq!(states, [JobState::Queued, JobState::Running]);
    assert_eq!(claim(&*r).await.job.id, jobs[2]);
    assert_eq!(claim(&*r).await.job.id, jobs[0]);
}

pub(super) async fn a_job_waits_for_a_worker_that_has_its_key(r: Bench) {
    let job = thaw_on(&r, 1).await;
    let first = claim(&*r).await;
    r.release_job(job, first.token, Some("k-2")).await.unwrap();
    let waits = r.job(job).await.unwrap();
    assert_eq!(
        (waits.waits_for_key.as_deref(), waits.state),
        (Some("k-2"), JobState::Queued)
    );
    let lacks = |keys: &[&str]| ClaimTerms {
        lacks_keys: keys.iter().map(|k| (*k).to_owned()).collect(),
        ..ClaimTerms::lease(LONG)
    };
    assert_eq!(r.claim_job(&me(), &lacks(&["k-1", "k-2"])).await.unwrap(), None);
    // Others are not held up by it.
    let other = thaw_on(&r, 1).await;
    let taken = r.claim_job(&me(), &lacks(&["k-2"])).await.unwrap().unwrap();
    assert_eq!(taken.job.id, other);
    let second = r
        .another()
        .await
        .claim_job("rich:1:1", &lacks(&["k-1"]))
        .await
        .unwrap()
        .expect("this one has the key");
    assert_eq!(
        (second.job.id, second.token, &second.job.waits_for_key),
        (job, first.token + 1, &None)
    );
    // It may lack another.
    r.release_job(job, second.token, Some("k-1")).await.unwrap();
    assert_eq!(r.job(job).await.unwrap().waits_for_key.as_deref(), Some("k-1"));
    let over = r.cancel_job(&op(), job).await.unwrap();
    assert_eq!((over.state, over.waits_for_key), (JobState::Cancelled, None));
}
