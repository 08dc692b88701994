//! Why a job is not done.

use super::super::job::{Job, JobState, LogLevel, StepRecord, StepState};
use super::super::server::ServerState;
use super::{Facts, Finding, Link, Severity, ago, count};
use jiff::Timestamp;
use std::time::Duration;

type Told = (String, String, Vec<Finding>);

/// A step that took so long without an end is named.
const LONG: Duration = Duration::from_secs(10 * 60);
/// Lines of the log that are shown as evidence.
const LINES: usize = 8;

pub(super) fn explain(job: &Job, facts: &Facts) -> Told {
    let verdict = match job.state {
        JobState::Done => format!("it is done{}", took(job)),
        JobState::Cancelled => "it was cancelled, and nothing is left of it".to_owned(),
        other => format!("it is {}", other.word()),
    };
    (format!("job {} · {}", job.id, job.title), verdict, findings(job, facts))
}

fn took(job: &Job) -> String {
    match (job.started_at, job.finished_at) {
        (Some(from), Some(to)) => format!(", in {}", ago(from, to)),
        _ => String::new(),
    }
}

/// What is to be said of a job, also where it is another thing's.
pub(super) fn findings(job: &Job, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let link = Some(Link::Job { id: job.id });
    match job.state {
        JobState::Queued => findings.push(queued(job, facts)),
        JobState::Running => findings.push(running(job, facts)),
        JobState::Undoing => findings.push(
            failed_step(
                Finding::new("undoing", Severity::Warning, format!("{}: being undone", name(job))),
                job,
            )
            .advise("wait for its end: what was done is being taken back, newest first"),
        ),
        JobState::Failed => {
            let finding = Finding::new("job_failed", Severity::Bad, format!("{} failed{}", name(job), why(job)));
            let mut finding = log_lines(failed_step(finding, job), job, facts);
            if let Some(hint) = job.problem.as_ref().and_then(|p| p.hint.clone()) {
                finding = finding.advise(hint);
            }
            findings.push(finding.advise("nothing is left of it: once the cause is mended, run it again (a r)"));
        }
        JobState::Stuck => {
            let finding = Finding::new(
                "job_stuck",
                Severity::Bad,
                format!("{} is stuck{}", name(job), why(job)),
            );
            let mut finding = log_lines(failed_step(finding, job), job, facts);
            if let Some(hint) = job.problem.as_ref().and_then(|p| p.hint.clone()) {
                finding = finding.advise(hint);
            }
            findings.push(finding.advise("remove what is left as it says, or mend the cause; then run it again (a r)"));
        }
        JobState::Cancelled => findings.push(
            Finding::new(
                "cancelled",
                Severity::Note,
                format!("{} was cancelled and undone", name(job)),
            )
            .seen(job.finished_at, "cancelled; who asked for it: T", link),
        ),
        JobState::Done => findings.push(
            Finding::new("done", Severity::Good, format!("{} is done{}", name(job), took(job))).seen(
                job.finished_at,
                super::places::line(job),
                link,
            ),
        ),
    }
    if !matches!(job.state, JobState::Done | JobState::Cancelled) {
        findings.extend(server(job, facts));
    }
    findings
}

fn name(job: &Job) -> String {
    format!("job {} ({})", job.id, job.title)
}

fn why(job: &Job) -> String {
    job.problem
        .as_ref()
        .map(|p| format!(": {}", p.message))
        .unwrap_or_default()
}

fn queued(job: &Job, facts: &Facts) -> Finding {
    let alive = facts.workers_alive();
    let link = Some(Link::Job { id: job.id });
    let since = ago(job.created_at, facts.now);
    if let Some(key) = &job.waits_for_key {
        return Finding::new(
            "waits_for_key",
            Severity::Warning,
            format!("{} waits for key {key}", name(job)),
        )
        .seen(
            Some(job.created_at),
            format!("asked by {} {since} ago", job.asked_by),
            link,
        )
        .seen(None, format!("{} without that key", count(alive, "worker")), None)
        .advise(format!(
            "start a worker where the key {key} is, or put the key file there"
        ));
    }
    if alive == 0 {
        let mut finding = Finding::new(
            "no_worker",
            Severity::Bad,
            format!("{} waits: no worker is alive", name(job)),
        )
        .seen(
            Some(job.created_at),
            format!("asked by {} {since} ago", job.asked_by),
            link,
        );
        for worker in facts.workers.iter().take(5) {
            finding = finding.seen(
                Some(worker.seen_at),
                format!("worker {} was last heard of", worker.id),
                None,
            );
        }
        return finding.advise("start a worker: vigie worker run, or its service (systemctl start vigie-worker)");
    }
    let ahead: Vec<&Job> = facts
        .jobs
        .iter()
        .filter(|other| other.id != job.id && !other.state.is_over())
        .filter(|other| other.state != JobState::Queued || other.id < job.id)
        .collect();
    let mut finding = Finding::new(
        "queued",
        Severity::Note,
        format!("{} waits for its turn, since {since}", name(job)),
    )
    .seen(Some(job.created_at), format!("asked by {}", job.asked_by), link)
    .seen(None, format!("{} alive", count(alive, "worker")), None);
    for other in ahead.iter().take(10) {
        finding = finding.seen(
            other.started_at,
            super::places::line(other),
            Some(Link::Job { id: other.id }),
        );
    }
    if ahead.is_empty() {
        finding = finding.advise("it is the next");
    } else {
        finding = finding.advise(
            "workers run so many jobs a server at once as the settings say; more workers, or a higher limit, go faster",
        );
    }
    finding
}

fn running(job: &Job, facts: &Facts) -> Finding {
    let link = Some(Link::Job { id: job.id });
    let (done, all) = job.progress();
    let step = job.steps.iter().find(|step| step.state == StepState::Intended);
    let begun: Option<Timestamp> = step.and_then(|step| step.started_at).or(job.started_at);
    let long = begun.is_some_and(|at| !super::within(at, facts.now, LONG));
    let severity = if long { Severity::Warning } else { Severity::Good };
    let what = step.map_or_else(String::new, |step| format!(", at {}", step.planned.title));
    let mut finding = Finding::new(
        "running",
        severity,
        format!("{} runs{what}: {done} of {all} steps done", name(job)),
    );
    if let Some(step) = step {
        finding = finding.seen(step.started_at, step_line(step), link);
    }
    if let Some(lease) = &job.lease {
        let worker = facts.workers.iter().find(|worker| worker.id == lease.worker);
        let alive = match worker {
            Some(worker) if worker.alive => "alive".to_owned(),
            Some(worker) => format!("last heard of {} ago", ago(worker.seen_at, facts.now)),
            None => "not known any more".to_owned(),
        };
        finding = finding.seen(None, format!("run by worker {}: {alive}", lease.worker), None);
        if worker.is_none_or(|worker| !worker.alive) {
            finding.severity = Severity::Warning;
            finding = finding
                .advise("its worker is gone: another takes it over when the lease runs out (20 s), if one is alive");
        }
    }
    finding = log_lines(finding, job, facts);
    if long {
        finding = finding
            .advise("a step that takes long is not a step that hangs: see whether its log goes on (l)")
            .advise("cancel (a k) stops it and takes back what was done");
    }
    finding
}

fn step_line(step: &StepRecord) -> String {
    let why = step
        .problem
        .as_ref()
        .map(|p| format!(": {}", p.message))
        .unwrap_or_default();
    let detail = if step.planned.detail.as_str().is_empty() {
        String::new()
    } else {
        format!(" {}", step.planned.detail)
    };
    format!(
        "step {} {}{detail}: {}{why}",
        step.index + 1,
        step.planned.title,
        step.state.word()
    )
}

/// The step that failed, and what became of those before it.
fn failed_step(mut finding: Finding, job: &Job) -> Finding {
    let link = Some(Link::Job { id: job.id });
    let failed = job
        .steps
        .iter()
        .filter(|step| step.problem.is_some() || matches!(step.state, StepState::Failed | StepState::UndoFailed));
    for step in failed {
        finding = finding.seen(step.started_at, step_line(step), link);
        let hint = step.problem.as_ref().and_then(|p| p.hint.clone());
        if let Some(hint) = hint.filter(|hint| !finding.advice.contains(hint)) {
            finding = finding.advise(hint);
        }
    }
    let undone = job.steps.iter().filter(|step| step.state == StepState::Undone).count();
    if undone > 0 {
        finding = finding.seen(job.finished_at, format!("{} undone", count(undone, "step")), link);
    }
    let left = job
        .steps
        .iter()
        .filter(|step| matches!(step.state, StepState::UndoFailed | StepState::Undoing))
        .count();
    if left > 0 {
        finding = finding.seen(
            job.finished_at,
            format!("{} could not be undone: something is left", count(left, "step")),
            link,
        );
    }
    finding
}

/// The log's last warnings and errors.
fn log_lines(mut finding: Finding, job: &Job, facts: &Facts) -> Finding {
    let telling: Vec<_> = facts
        .log
        .iter()
        .filter(|(of, line)| *of == job.id && matches!(line.level, LogLevel::Warning | LogLevel::Error))
        .collect();
    let skipped = telling.len().saturating_sub(LINES);
    for (of, line) in telling.into_iter().skip(skipped) {
        finding = finding.seen(
            Some(line.at),
            format!("log {}: {}", line.seq, line.text),
            Some(Link::LogLine {
                job: *of,
                seq: line.seq,
            }),
        );
    }
    finding
}

/// The server it works on, where that is the reason.
fn server(job: &Job, facts: &Facts) -> Option<Finding> {
    let server = facts.server(job.spec.server_id())?;
    let code = &server.spec.code;
    let bad = server.state() == ServerState::Offline || server.track.database_dead() || server.track.failures > 0;
    if !bad {
        return None;
    }
    Some(
        Finding::new(
            "server_offline",
            Severity::Warning,
            format!("the server it works on, {code}, is not well: {}", server.track.reason),
        )
        .seen(
            server.track.last_check,
            server.track.reason.as_str(),
            Some(Link::Server { id: server.id }),
        )
        .advise(format!("X on {code} says which part of the way is at fault")),
    )
}
