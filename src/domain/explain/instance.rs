//! Why an instance, or a template, is not healthy.

use super::super::capacity::can_host;
use super::super::instance::{Instance, InstanceState};
use super::super::job::{Job, JobState};
use super::super::server::{Server, ServerState};
use super::super::template::{Template, TemplateState};
use super::{Facts, Finding, Link, Severity, count, job, placement};

type Told = (String, String, Vec<Finding>);

const GB: u64 = 1 << 30;

pub(super) fn explain(instance: &Instance, facts: &Facts) -> Told {
    let theirs: Vec<&Job> = facts
        .jobs
        .iter()
        .filter(|job| job.spec.instance_id() == Some(instance.id))
        .collect();
    let mut findings = Vec::new();
    match instance.state {
        InstanceState::Active => {}
        InstanceState::Draft => findings.push(
            Finding::new("draft", Severity::Note, "it is written down only: it has no database")
                .advise("make it anew (n), or remove the record (a x)"),
        ),
        InstanceState::Suspended => findings.push(
            Finding::new(
                "suspended",
                Severity::Note,
                "it is suspended: switched off for its customer, and kept",
            )
            .advise("what happened to it, and by whom: T"),
        ),
        InstanceState::Provisioning | InstanceState::Deleting | InstanceState::Failed => {
            findings.push(worked_on(instance, &theirs));
        }
    }
    if let Some(newest) = theirs.first()
        && (!newest.state.is_over() || matches!(newest.state, JobState::Failed | JobState::Stuck))
    {
        findings.extend(job::findings(newest, facts));
    }
    findings.extend(home(instance, facts));
    findings.extend(database(instance, facts));
    let verdict = match instance.state {
        InstanceState::Active => "it is in service, and its server answers".to_owned(),
        other => format!("it is {}", other.word()),
    };
    (instance.spec.subdomain.to_string(), verdict, findings)
}

fn worked_on(instance: &Instance, theirs: &[&Job]) -> Finding {
    let mut finding = match instance.state {
        InstanceState::Failed => Finding::new(
            "failed",
            Severity::Bad,
            "the job that made it failed and was undone: it holds no place, no name and no database",
        )
        .advise("mend what its job failed on, then run the job again (a r)")
        .advise("or remove the record (a x) and make it anew (n)"),
        InstanceState::Deleting => Finding::new("deleting", Severity::Note, "a job removes it"),
        _ => Finding::new("provisioning", Severity::Note, "a job makes it"),
    };
    match theirs.first() {
        Some(newest) => {
            let at = newest.finished_at.or(newest.started_at).or(Some(newest.created_at));
            finding = finding.seen(at, super::places::line(newest), Some(Link::Job { id: newest.id }));
        }
        None if instance.state != InstanceState::Failed => {
            finding.severity = Severity::Warning;
            finding = finding
                .seen(None, "no job of it is known any more", None)
                .advise("what happened to it: T");
        }
        None => {}
    }
    finding
}

/// The server it lives on: an instance is no better than that.
fn home(instance: &Instance, facts: &Facts) -> Option<Finding> {
    let server = facts.server(instance.spec.server_id)?;
    let link = Some(Link::Server { id: server.id });
    let (code, reason) = (&server.spec.code, &server.track.reason);
    let finding = match server.state() {
        ServerState::Offline => Finding::new(
            "server_offline",
            Severity::Bad,
            format!("its server {code} is offline: {reason}"),
        )
        .advise(format!(
            "X on {code} says which part of the way is at fault, and what to do"
        )),
        ServerState::Active | ServerState::Maintenance if server.track.database_dead() => Finding::new(
            "database_down",
            Severity::Bad,
            format!("the PostgreSQL of its server {code} is down: {reason}"),
        )
        .advise(format!("X on {code} says what to do")),
        ServerState::Disabled => Finding::new(
            "server_disabled",
            Severity::Warning,
            format!("its server {code} is disabled"),
        ),
        _ if server.track.failures > 0 => Finding::new(
            "server_failing",
            Severity::Warning,
            format!("its server {code} fails checks: {reason}"),
        )
        .advise(format!("X on {code} says more")),
        _ => Finding::new("server", Severity::Good, format!("its server {code}: {reason}")),
    };
    Some(finding.seen(server.track.last_check, format!("{code}: {reason}"), link))
}

fn database(instance: &Instance, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if instance.state == InstanceState::Active && instance.database_oid.is_none() {
        findings.push(
            Finding::new(
                "unverified",
                Severity::Note,
                "the object id of its database was never seen",
            )
            .advise("its database is compared by name alone before anything is done to it"),
        );
    }
    let plan = instance
        .spec
        .plan_id
        .and_then(|id| facts.plans.iter().find(|plan| plan.id == id));
    if let (Some(size), Some(plan)) = (instance.size_bytes, plan)
        && let Some(gb) = plan.max_storage_gb
    {
        let allowed = u64::from(gb) * GB;
        if size > allowed {
            findings.push(
                Finding::new(
                    "over_quota",
                    Severity::Warning,
                    format!("its database is larger than its plan {} allows ({gb} GB)", plan.code),
                )
                .seen(None, format!("{:.1} GB as last seen", size as f64 / GB as f64), None)
                .advise("sell a larger plan, or see what fills it: attachments, mail, logs"),
            );
        }
    }
    let sharing = facts
        .instances
        .iter()
        .filter(|other| other.id != instance.id && other.spec.database_name == instance.spec.database_name)
        .filter(|other| other.spec.server_id == instance.spec.server_id && other.state.takes_place())
        .count();
    if sharing > 0 {
        findings.push(Finding::new(
            "shared_database",
            Severity::Bad,
            format!(
                "{} on the same server with the same database",
                count(sharing, "other instance")
            ),
        ));
    }
    findings
}

pub(super) fn template(template: &Template, facts: &Facts) -> Told {
    let mut findings = Vec::new();
    let link = Some(Link::Template { id: template.id });
    // A job that made an instance of it says nothing of the template itself.
    let own = |job: &&Job| job.spec.instance_id().is_none() && job.spec.template_id() == Some(template.id);
    let newest = facts.jobs.iter().find(own);
    match template.state {
        TemplateState::Ready => {}
        TemplateState::Draft => findings.push(
            Finding::new("draft", Severity::Note, "it is in draft: nothing is cloned from it")
                .seen(None, format!("its database: {}", template.spec.template_database), link)
                .advise("make its database through Odoo (a c), or adopt the one that is there (a o)"),
        ),
        TemplateState::Creating => {
            findings.push(Finding::new("creating", Severity::Note, "a job works on its database"))
        }
        TemplateState::Failed => findings.push(
            Finding::new("failed", Severity::Bad, "the job on its database failed and was undone")
                .advise("mend what the job failed on, then run it again (a r)"),
        ),
    }
    if let Some(newest) = newest
        && (!newest.state.is_over() || matches!(newest.state, JobState::Failed | JobState::Stuck))
    {
        findings.extend(job::findings(newest, facts));
    }
    if template.state == TemplateState::Ready && !template.facts.frozen {
        findings.push(
            Finding::new(
                "not_frozen",
                Severity::Warning,
                "PostgreSQL does not keep it frozen: an idle connection makes a clone fail",
            )
            .advise("adopt it again (a o): that freezes it"),
        );
    }
    if let Some(server) = facts.server(template.spec.server_id) {
        findings.push(clones(server, template, facts));
    }
    let verdict = match template.state {
        TemplateState::Ready => "it is ready: instances can be cloned from it".to_owned(),
        other => format!("it is {}", other.word()),
    };
    (template.spec.code.to_string(), verdict, findings)
}

/// Whether an instance could be made of it now, and if not, why.
fn clones(server: &Server, template: &Template, facts: &Facts) -> Finding {
    let needed = facts.thresholds.provision_free_percent;
    let code = &server.spec.code;
    let link = Some(Link::Server { id: server.id });
    match can_host(server, needed) {
        Ok(()) => Finding::new(
            "server",
            Severity::Good,
            format!(
                "its server {code} has room: {:.0} % of its places are free",
                server.available_capacity()
            ),
        )
        .seen(
            server.track.last_check,
            format!("{code}: {}", server.track.reason),
            link,
        )
        .seen(
            None,
            format!("{} made from it", count(template.instance_count as usize, "instance")),
            None,
        ),
        Err(why) => {
            let mut finding = Finding::new(
                "no_server",
                Severity::Warning,
                format!(
                    "No available server found: instances are cloned on {code}, which {}",
                    has(&why.to_string())
                ),
            )
            .seen(
                server.track.last_check,
                format!("{code}: {}", server.track.reason),
                link,
            );
            // Where else there would be room: for a template there.
            let elsewhere = placement(&facts.servers, needed);
            if elsewhere.severity == Severity::Good {
                finding = finding.advise(format!(
                    "a template on another server could be used: {}",
                    elsewhere.title
                ));
            }
            finding
                .evidence
                .extend(elsewhere.evidence.into_iter().filter(|seen| seen.link != link));
            finding.advise(format!("X on {code} says what to do about it"))
        }
    }
}

fn has(why: &str) -> String {
    if why.starts_with("is ") {
        why.to_owned()
    } else {
        format!("has no room: {why}")
    }
}
