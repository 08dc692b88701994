//! What is on a server: its places, its jobs, and who lives there.

use super::super::capacity::{can_host, used_percent};
use super::super::instance::InstanceState;
use super::super::job::{Job, JobState};
use super::super::server::{Intent, Server};
use super::{Facts, Finding, Link, RECENT, Severity, count, within};
use jiff::Timestamp;

/// Instances that are listed one by one.
const LISTED: usize = 500;

pub(super) fn capacity(server: &Server, facts: &Facts) -> Vec<Finding> {
    let (taken, places) = (server.instance_count, server.spec.max_instances);
    let used = used_percent(taken, places);
    let link = Some(Link::Server { id: server.id });
    let seen = format!("{taken} of {places} places are taken ({used:.0} %)");
    let needed = facts.thresholds.provision_free_percent;
    let mut finding = if taken >= places {
        Finding::new("full", Severity::Bad, format!("full: {seen}; it takes no new instance"))
    } else if used >= f64::from(facts.rules.alert_used_percent) {
        Finding::new(
            "filling",
            Severity::Warning,
            format!(
                "nearly full: {seen}, the alert is at {} %",
                facts.rules.alert_used_percent
            ),
        )
    } else {
        Finding::new("capacity", Severity::Good, seen.clone())
    };
    if server.intent == Intent::Disabled || server.intent == Intent::Draft {
        finding.severity = Severity::Good;
    }
    if let Err(why) = can_host(server, needed) {
        finding = finding.seen(
            None,
            format!("a new instance is not placed here: it {}", why_words(&why.to_string())),
            link,
        );
    }
    let failed = facts
        .instances
        .iter()
        .filter(|instance| instance.spec.server_id == server.id && !instance.state.takes_place())
        .count();
    if failed > 0 {
        finding = finding.seen(
            None,
            format!("{} failed, which take no place", count(failed, "instance")),
            None,
        );
    }
    if finding.severity >= Severity::Warning {
        finding = finding
            .advise("raise max_instances, if the machine bears more (e)")
            .advise("delete instances nobody needs (2, a x), or put new ones elsewhere: add a server (n)");
    }
    vec![finding]
}

fn why_words(why: &str) -> String {
    if why.starts_with("is ") {
        why.to_owned()
    } else {
        format!("has no room: {why}")
    }
}

pub(super) fn jobs(server: &Server, facts: &Facts) -> Vec<Finding> {
    let here: Vec<&Job> = facts
        .jobs
        .iter()
        .filter(|job| job.spec.server_id() == server.id)
        .collect();
    let mut findings = Vec::new();
    let ended = |job: &Job| job.finished_at.unwrap_or(job.created_at);
    for job in here.iter().filter(|job| job.state == JobState::Stuck) {
        let why = job.problem.as_ref().map(|p| p.message.clone()).unwrap_or_default();
        findings.push(
            Finding::new(
                "job_stuck",
                Severity::Bad,
                format!("job {} is stuck: {}", job.id, job.title),
            )
            .seen(Some(ended(job)), why, Some(Link::Job { id: job.id }))
            .advise("its problem says what is left and how to remove it; then run it again (a r)"),
        );
    }
    let failed: Vec<&&Job> = here
        .iter()
        .filter(|job| job.state == JobState::Failed && within(ended(job), facts.now, RECENT))
        .collect();
    if !failed.is_empty() {
        let mut finding = Finding::new(
            "jobs_failed",
            Severity::Warning,
            format!(
                "{} failed here in the last 24 h, and nothing is left of it",
                count(failed.len(), "job")
            ),
        );
        for job in failed {
            finding = finding.seen(Some(ended(job)), line(job), Some(Link::Job { id: job.id }));
        }
        findings.push(finding.advise("X on a job says why it failed"));
    }
    let open: Vec<&&Job> = here.iter().filter(|job| !job.state.is_over()).collect();
    if !open.is_empty() {
        let mut finding = Finding::new(
            "jobs",
            Severity::Good,
            format!("{} on it", count(open.len(), "open job")),
        );
        for job in open {
            let since: Option<Timestamp> = job.started_at.or(Some(job.created_at));
            finding = finding.seen(since, line(job), Some(Link::Job { id: job.id }));
        }
        findings.push(finding);
    }
    findings
}

/// A job in a line.
pub(super) fn line(job: &Job) -> String {
    let (done, all) = job.progress();
    let why = job
        .problem
        .as_ref()
        .map(|p| format!(": {}", p.message))
        .unwrap_or_default();
    format!(
        "job {} · {} · {} ({done} of {all} steps){why}",
        job.id,
        job.title,
        job.state.word()
    )
}

/// Who lives there: what stands in the way of taking it out of service.
pub(super) fn inhabited(server: &Server, facts: &Facts) -> Option<Finding> {
    let mut here: Vec<_> = facts
        .instances
        .iter()
        .filter(|instance| instance.spec.server_id == server.id && instance.state.takes_place())
        .collect();
    if here.is_empty() && server.instance_count == 0 {
        return None;
    }
    here.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let mut finding = Finding::new(
        "inhabited",
        Severity::Good,
        format!(
            "{} on it: it can't be deactivated or deleted while they live there",
            count(server.instance_count as usize, "instance")
        ),
    );
    for instance in here.iter().take(LISTED) {
        let state = match instance.state {
            InstanceState::Active => String::new(),
            other => format!(", {}", other.word()),
        };
        finding = finding.seen(
            None,
            format!(
                "{} ({}, database {}{state})",
                instance.spec.name, instance.spec.subdomain, instance.spec.database_name
            ),
            Some(Link::Instance { id: instance.id }),
        );
    }
    if here.len() > LISTED {
        finding = finding.seen(None, format!("and {} more", here.len() - LISTED), None);
    }
    Some(
        finding
            .advise("to take it out of service, delete them first (2, a x), or make them anew on another server; a record moved alone would leave database and files behind")
            .advise("maintenance (a m) keeps them and sends new ones elsewhere"),
    )
}
