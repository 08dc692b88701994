//! What is bad now, of all that is known.

use super::super::explain::Subject;
use super::super::health::{HealthRules, HealthStatus, fullness};
use super::super::job::{Job, JobState};
use super::super::server::{Intent, Server, ServerState};
use super::super::text::SafeText;
use super::{AlertKind, Condition, Rules};
use jiff::Timestamp;

/// All that is known of the fleet.
#[derive(Debug, Clone, Copy)]
pub struct Bad<'a> {
    /// All servers.
    pub servers: &'a [Server],
    /// The newest jobs.
    pub jobs: &'a [Job],
    /// Workers that are alive.
    pub workers: usize,
    /// Whether one was alive before.
    pub had_worker: bool,
    /// From which share on a server is nearly full.
    pub health: &'a HealthRules,
}

/// What is bad now. A server that is not in service on purpose (draft, maintenance, disabled) is none
/// of it.
pub fn conditions(of: &Bad<'_>, rules: &Rules, now: Timestamp) -> Vec<Condition> {
    let mut out = Vec::new();
    for server in of.servers {
        if server.intent != Intent::Active {
            continue;
        }
        let mut add = |kind, text: &str| {
            out.push(Condition {
                kind,
                subject: Some(Subject::Server(server.id)),
                label: SafeText::new(server.spec.code.as_str()),
                text: SafeText::new(text),
            });
        };
        if server.state() == ServerState::Offline {
            add(AlertKind::ServerOffline, server.track.reason.as_str());
        } else if server.track.status == HealthStatus::Critical || server.track.database_dead() {
            add(AlertKind::ServerCritical, server.track.reason.as_str());
        }
        if let Some(reason) = fullness(server.instance_count, server.spec.max_instances, of.health) {
            add(AlertKind::ServerFull, &reason);
        }
    }
    let age = i64::try_from(rules.job_age.as_secs()).unwrap_or(i64::MAX);
    for job in of.jobs {
        let kind = match job.state {
            JobState::Stuck => AlertKind::JobStuck,
            JobState::Failed => {
                let ended = job.finished_at.unwrap_or(job.created_at);
                if now.as_second().saturating_sub(ended.as_second()) > age {
                    continue;
                }
                AlertKind::JobFailed
            }
            _ => continue,
        };
        let why = job.problem.as_ref().map_or("", |problem| problem.message.as_str());
        out.push(Condition {
            kind,
            subject: Some(Subject::Job(job.id)),
            label: SafeText::new(&format!("job {} {}", job.id, job.title)),
            text: SafeText::capped(why, 300),
        });
    }
    // A worker that had nothing to do may end: it is missed where something waits for it, or where
    // one was and servers are to be checked.
    let waits = of.jobs.iter().filter(|job| !job.state.is_over()).count();
    let watched = of.servers.iter().any(|server| server.intent == Intent::Active);
    if of.workers == 0 && (waits > 0 || of.had_worker && watched) {
        let text = match waits {
            0 => "no worker is alive: nobody checks the servers".to_owned(),
            1 => "no worker is alive: 1 job waits".to_owned(),
            n => format!("no worker is alive: {n} jobs wait"),
        };
        out.push(Condition {
            kind: AlertKind::WorkerGone,
            subject: None,
            label: SafeText::new("workers"),
            text: SafeText::new(&text),
        });
    }
    out
}
