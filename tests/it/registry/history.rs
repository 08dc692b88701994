//! Logs, workers, and what is deleted when it is old.

use super::bench::{Bench, claim, end, line, me, op, plain_job, report, server};
use jiff::SignedDuration;
use pretty_assertions::assert_eq;
use vigie::domain::audit::AuditFilter;
use vigie::domain::health::HealthRules;
use vigie::domain::job::{JobSpec, JobState, LogLevel, Stream};
use vigie::domain::{JobId, SafeText, ServerId, TemplateId};
use vigie::registry::{NewLine, RegistryError};

async fn job(r: &Bench) -> JobId {
    let spec = JobSpec::TemplateThaw {
        template_id: TemplateId(1),
        server_id: ServerId(1),
    };
    r.queue_job(&op(), &plain_job(spec)).await.unwrap().id
}

pub(super) async fn log_lines_are_numbered_without_gaps(r: Bench) {
    let (a, b) = (job(&r).await, job(&r).await);
    assert_eq!(
        (r.log_end(a).await.unwrap(), r.append_log(a, &[]).await.unwrap()),
        (0, 0)
    );
    let mut writers = Vec::new();
    for w in 0..4 {
        let other = r.another().await;
        writers.push(tokio::spawn(async move {
            for n in 0..20 {
                let lines: Vec<NewLine> = (0..=n % 3).map(|i| line(&format!("{w} {n} {i}"))).collect();
                let end = other.append_log(a, &lines).await.unwrap();
                assert!(end >= i64::try_from(lines.len()).unwrap());
                other.append_log(b, &lines[..1]).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for (id, lines) in [(a, 4 * 39), (b, 4 * 20)] {
        let log = r.log(id, 0, 10_000).await.unwrap();
        assert_eq!(
            log.iter().map(|l| l.seq).collect::<Vec<_>>(),
            (1..=lines).collect::<Vec<i64>>()
        );
        assert_eq!(r.log_end(id).await.unwrap(), lines);
    }
    // Each writer's own lines are in its order, and those of one call stand together.
    let log = r.log(a, 0, 10_000).await.unwrap();
    for w in 0..4 {
        let own: Vec<&str> = log
            .iter()
            .map(|l| l.text.as_str())
            .filter(|t| t.starts_with(&format!("{w} ")))
            .collect();
        let expected: Vec<String> = (0..20)
            .flat_map(|n| (0..=n % 3).map(move |i| format!("{w} {n} {i}")))
            .collect();
        assert_eq!(own, expected);
    }
}

pub(super) async fn a_log_is_read_in_parts(r: Bench) {
    let id = job(&r).await;
    let full = NewLine {
        at: super::bench::now(),
        step: Some(3),
        stream: Stream::Progress,
        level: LogLevel::Success,
        text: SafeText::new("17 of 25 MB \u{1b}[31m"),
        took_ms: Some(1_234),
        progress: Some((17, 25)),
    };
    let mut bare = line("bare");
    bare.step = None;
    r.append_log(id, &[full.clone(), bare, line("third")]).await.unwrap();
    let log = r.another().await.log(id, 0, 2).await.unwrap();
    assert_eq!(log.len(), 2);
    let first = &log[0];
    assert_eq!(
        (first.seq, first.at, first.step, first.stream, first.level),
        (1, full.at, Some(3), Stream::Progress, LogLevel::Success)
    );
    assert_eq!(
        (&first.text, first.took_ms, first.progress),
        (&full.text, Some(1_234), Some((17, 25)))
    );
    assert_eq!((log[1].step, log[1].took_ms, log[1].progress), (None, None, None));
    let rest = r.log(id, 2, 100).await.unwrap();
    assert_eq!(rest.iter().map(|l| l.text.as_str()).collect::<Vec<_>>(), ["third"]);
    assert_eq!(r.log(id, 3, 100).await.unwrap(), []);
    // A line of a lost worker, or after the end, is evidence and is kept.
    let c = claim(&*r).await;
    r.finish_job(id, c.token, JobState::Done, None, None, &[])
        .await
        .unwrap();
    assert_eq!(r.append_log(id, &[line("late")]).await.unwrap(), 4);
}

pub(super) async fn workers_come_and_go(r: Bench) {
    r.worker_alive(&me()).await.unwrap();
    r.worker_alive("elsewhere:7:7").await.unwrap();
    let here = vigie::registry::identity::ProcessId::here();
    let dead = vigie::registry::identity::ProcessId {
        start: here.start + 1,
        ..here
    };
    r.worker_alive(&dead.to_string()).await.unwrap();
    let first = r.workers().await.unwrap();
    let alive: Vec<(&str, bool)> = first.iter().map(|w| (w.id.as_str(), w.alive)).collect();
    assert_eq!(
        alive,
        [
            (me().as_str(), true),
            ("elsewhere:7:7", true),
            (dead.to_string().as_str(), false)
        ]
    );
    r.worker_alive(&me()).await.unwrap();
    let again = r.another().await.workers().await.unwrap();
    assert_eq!((again.len(), again[0].started_at), (3, first[0].started_at));
    assert!(again[0].seen_at > first[0].seen_at);
    r.worker_gone(&me()).await.unwrap();
    r.worker_gone("nobody:1:1").await.unwrap();
    assert_eq!(r.workers().await.unwrap().len(), 2);
}

pub(super) async fn old_history_goes_and_the_rest_stays(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let now = super::bench::now();
    let old = now - SignedDuration::from_hours(24 * 40);
    for i in 0..1_300 {
        let at = if i < 1_200 {
            old + SignedDuration::from_secs(i)
        } else {
            now
        };
        r.record_check(s.id, &report(at, None), &HealthRules::default())
            .await
            .unwrap();
    }
    let (over, open) = (job(&r).await, job(&r).await);
    let lines: Vec<NewLine> = (0..700).map(|i| line(&format!("{i}"))).collect();
    for id in [over, open] {
        r.append_log(id, &lines).await.unwrap();
    }
    end(&*r, over, JobState::Failed, &[]).await;
    let audit = r.audit(&AuditFilter::newest(10_000)).await.unwrap().len();
    let month = now - SignedDuration::from_hours(24 * 30);
    assert_eq!(r.prune(month, month).await.unwrap(), 1_200);
    assert_eq!(r.health_history(s.id, None, 10_000).await.unwrap().len(), 100);
    let later = super::bench::now() + SignedDuration::from_secs(1);
    assert_eq!(
        r.prune(month, later).await.unwrap(),
        700,
        "the log of the job that is over"
    );
    assert_eq!(r.log(over, 0, 10_000).await.unwrap(), []);
    assert_eq!(
        r.log(open, 0, 10_000).await.unwrap().len(),
        700,
        "an open job's log stays, however old"
    );
    assert_eq!(r.log_end(over).await.unwrap(), 700, "numbers are never given again");
    assert_eq!(r.prune(month, later).await.unwrap(), 0);
    assert_eq!(
        r.audit(&AuditFilter::newest(10_000)).await.unwrap().len(),
        audit,
        "the audit stays"
    );
    assert!(matches!(r.job(over).await, Ok(j) if j.state == JobState::Failed));
    assert!(matches!(
        r.log_end(JobId(99)).await,
        Err(RegistryError::NotFound { .. })
    ));
}
