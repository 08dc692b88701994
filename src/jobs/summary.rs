//! What is said when a job is over: to the log, and kept as its result. Never a secret.

use super::step::World;
use crate::domain::Problem;
use crate::domain::job::{Job, JobKind, JobState};
use serde_json::{Value, json};

/// The result's fields, and the log's last lines.
pub(super) fn of(
    job: &Job,
    world: Option<&World>,
    state: JobState,
    problem: Option<&Problem>,
) -> (Option<Value>, Vec<String>) {
    let title = &job.title;
    let why = problem.map(|p| format!(": {}", p.message)).unwrap_or_default();
    let hint = problem.and_then(|p| p.hint.clone());
    match state {
        JobState::Done => {
            let mut lines = vec![format!("done: {title}")];
            let result = world.and_then(|world| done(job, world, &mut lines));
            (result, lines)
        }
        JobState::Failed => (
            None,
            with(
                hint,
                format!("failed: {title}{why}"),
                "what was done has been undone: nothing is left of it",
            ),
        ),
        JobState::Cancelled => (
            None,
            with(
                None,
                format!("cancelled: {title}"),
                "what was done has been undone: nothing is left of it",
            ),
        ),
        _ => (
            None,
            with(
                hint,
                format!("stuck: {title}{why}"),
                "it stays as it is until someone looks at it",
            ),
        ),
    }
}

fn with(hint: Option<String>, first: String, then: &str) -> Vec<String> {
    let mut lines = vec![first, then.to_owned()];
    lines.extend(hint.map(|hint| format!("next: {hint}")));
    lines
}

fn done(job: &Job, world: &World, lines: &mut Vec<String>) -> Option<Value> {
    match job.spec.kind() {
        JobKind::InstanceCreate | JobKind::DedicatedCreate => {
            let spec = world.instance_spec.as_ref()?;
            let password = format!("vigie instance password {} --to FILE", spec.subdomain);
            lines.push(format!("URL       {}", spec.url));
            lines.push(format!("login     {}", spec.admin_login));
            lines.push(format!("password  {password}"));
            Some(json!({
                "instance_id": world.instance.as_ref().map(|instance| instance.id),
                "name": spec.name,
                "server": world.server.spec.code,
                "database_name": spec.database_name,
                "subdomain": spec.subdomain,
                "url": spec.url,
                "admin_login": spec.admin_login,
                "password_command": password,
            }))
        }
        JobKind::InstanceDelete | JobKind::DedicatedDelete => Some(json!({ "server": world.server.spec.code })),
        _ => {
            let template = world.template.as_ref()?;
            lines.push(format!(
                "template {} ({}) is {}",
                template.spec.code,
                template.spec.template_database,
                template.state.word()
            ));
            Some(json!({
                "template": template.spec.code,
                "server": world.server.spec.code,
                "template_database": template.spec.template_database,
                "state": template.state,
            }))
        }
    }
}
