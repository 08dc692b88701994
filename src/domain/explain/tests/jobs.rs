//! Jobs.

use super::*;

fn job(state: JobState) -> Job {
    let step = |index: usize, state: StepState, problem: Option<Problem>| StepRecord {
        index,
        planned: PlannedStep {
            name: format!("step_{index}"),
            title: format!("step {index}"),
            detail: SafeText::default(),
            pivot: false,
        },
        state,
        data: serde_json::Value::Null,
        started_at: Some(ago_min(20)),
        finished_at: None,
        problem,
    };
    Job {
        id: JobId(42),
        spec: JobSpec::TemplateCreate {
            template_id: TemplateId(1),
            server_id: ServerId(1),
        },
        title: SafeText::new("create template x on prod-1"),
        state,
        steps: vec![
            step(
                0,
                if state == JobState::Failed {
                    StepState::Undone
                } else {
                    StepState::Done
                },
                None,
            ),
            step(
                1,
                match state {
                    JobState::Failed => StepState::Undone,
                    JobState::Running => StepState::Intended,
                    JobState::Stuck => StepState::UndoFailed,
                    _ => StepState::Pending,
                },
                matches!(state, JobState::Failed | JobState::Stuck)
                    .then(|| Problem::new("no_space", "No space left on device").hint("make room: df -h")),
            ),
        ],
        lease: None,
        attempt: 1,
        cancel_requested: false,
        waits_for_key: None,
        asked_by: "anna@desk".to_owned(),
        created_at: ago_min(25),
        started_at: Some(ago_min(24)),
        finished_at: state.is_over().then(|| ago_min(10)),
        result: None,
        problem: (state == JobState::Failed).then(|| Problem::new("no_space", "step 1: No space left on device")),
    }
}

fn about_job(state: JobState, change: impl FnOnce(&mut Facts)) -> Explanation {
    let mut facts = facts(vec![server(1, "http://h1")], vec![seen(1, None, vec![])]);
    facts.jobs = vec![job(state)];
    change(&mut facts);
    explain(Subject::Job(JobId(42)), &facts).unwrap()
}

#[test]
fn a_failed_job_shows_its_step_its_log_lines_and_what_to_do() {
    let line = crate::domain::job::LogLine {
        seq: 17,
        at: ago_min(11),
        step: Some(1),
        stream: Stream::Stderr,
        level: LogLevel::Error,
        text: SafeText::new("could not extend file: No space left on device"),
        took_ms: None,
        progress: None,
    };
    let explanation = about_job(JobState::Failed, |facts| facts.log = vec![(JobId(42), line)]);
    assert_eq!(explanation.severity, Severity::Bad);
    let text = all(&explanation);
    assert!(
        text.contains("step 2 step 1: undone: No space left on device"),
        "{text}"
    );
    assert!(
        text.contains("> make room: df -h") && text.contains("2 steps undone"),
        "{text}"
    );
    let to_line = Some(Link::LogLine {
        job: JobId(42),
        seq: 17,
    });
    assert!(
        explanation.findings[0].evidence.iter().any(|seen| seen.link == to_line),
        "{text}"
    );
}

#[test]
fn a_job_that_waits_says_for_whom() {
    let text = all(&about_job(JobState::Queued, |facts| facts.workers[0].alive = false));
    assert!(
        text.contains("no worker is alive") && text.contains("worker desk:1 was last heard of"),
        "{text}"
    );
    let text = all(&about_job(JobState::Queued, |facts| {
        facts.jobs[0].waits_for_key = Some("k1".to_owned())
    }));
    assert!(text.contains("waits for key k1"), "{text}");
    let text = all(&about_job(JobState::Queued, |_| {}));
    assert!(text.contains("it is the next"), "{text}");
}

#[test]
fn a_job_that_runs_long_or_is_stuck_or_whose_server_is_down_says_so() {
    let running = about_job(JobState::Running, |_| {});
    assert!(
        all(&running).contains("see whether its log goes on"),
        "{}",
        all(&running)
    );
    let stuck = about_job(JobState::Stuck, |_| {});
    assert!(all(&stuck).contains("something is left"), "{}", all(&stuck));
    let away = about_job(JobState::Failed, |facts| {
        facts.servers = vec![down(server(1, "http://h1"), "connection refused")];
    });
    assert!(
        all(&away).contains("prod-1, is not well: connection refused"),
        "{}",
        all(&away)
    );
    let done = about_job(JobState::Done, |_| {});
    assert_eq!(done.severity, Severity::Good);
}
