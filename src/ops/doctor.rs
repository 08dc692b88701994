//! What is and what isn't as it should be on this machine and in this fleet.

use super::{Answer, Ops, shown};
use crate::config::Loaded;
use crate::domain::audit::AuditFilter;
use crate::domain::job::JobState;
use crate::domain::server::{Intent, Server};
use crate::domain::{KeySource, SecretRef};
use crate::registry::JobFilter;
use crate::registry::identity::ProcessId;
use crate::registry::sqlite;
use crate::remote::secrets::Keyring;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Warning,
    /// Something does not work because of it.
    Error,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `key file`.
    pub what: String,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            level: Level::Ok,
            found: found.into(),
            hint: None,
        }
    }

    /// Worth knowing, with what to do.
    pub fn warning(what: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            hint: Some(hint.into()),
            ..Self::ok(what, found)
        }
    }

    /// Something does not work because of it, with what to do.
    pub fn error(what: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            ..Self::warning(what, found, hint)
        }
    }
}

/// What can be told of this machine without a registry.
pub fn local(loaded: &Loaded) -> Vec<Finding> {
    let places = &loaded.places;
    let config = match &loaded.file {
        Some(file) => file.display().to_string(),
        None => format!("none, defaults hold; it would be {}", places.config.display()),
    };
    let mut found = vec![Finding::ok("configuration", config)];
    found.extend(
        loaded
            .warnings
            .iter()
            .map(|warning| Finding::warning("environment", warning, "mend its name, or take it away")),
    );
    found.push(private(
        "data folder",
        &places.data_dir,
        0o700,
        "made when first needed",
    ));
    found.push(match &places.key_file {
        KeySource::File(path) => private("key file", path, 0o600, "made when the first secret is sealed"),
        KeySource::Command(_) => keys_of_vault(&places.key_file),
    });
    found.push(private("log folder", &places.log_dir, 0o700, "made when first needed"));
    found
}

/// Whether a vault's program gives the keys.
fn keys_of_vault(source: &KeySource) -> Finding {
    match Keyring::at(source.clone()).key_ids() {
        Ok(ids) if ids.is_empty() => Finding::warning(
            "key file",
            format!("{source} gives no key"),
            "`vigie secrets rotate --new-key-file FILE` makes the first one",
        ),
        Ok(ids) => Finding::ok("key file", format!("{source}: {}", ids.join(", "))),
        Err(error) => Finding::error("key file", error.to_string(), error.hint()),
    }
}

/// Whether only its owner can read a file or folder.
fn private(what: &str, path: &Path, wanted: u32, absent: &str) -> Finding {
    let shown = path.display();
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Finding::ok(what, format!("{shown}: {absent}")),
        Err(error) => Finding::error(what, format!("{shown}: {error}"), "make it readable for this user"),
        Ok(meta) => {
            let mode = meta.permissions().mode() & 0o777;
            if mode & 0o077 == 0 {
                return Finding::ok(what, format!("{shown} (mode {mode:04o})"));
            }
            let found = format!("{shown} has mode {mode:04o}: others can look into it");
            let hint = format!("chmod {wanted:o} {shown}");
            match what {
                // What it seals is refused while others can read it.
                "key file" => Finding::error(what, found, hint),
                _ => Finding::warning(what, found, hint),
            }
        }
    }
}

impl Ops {
    /// Looks at the registry, the workers, the jobs and every server. Nothing is kept of it.
    ///
    /// # Errors
    /// When the registry can't be read at all.
    pub async fn doctor(&self) -> Answer<Vec<Finding>> {
        let servers = self.servers().await?;
        let mut found = vec![self.file(servers.len()).await];
        found.extend(self.clock().await?);
        found.extend(self.workers().await?);
        found.extend(self.stuck().await?);
        for findings in join_all(servers.iter().map(|server| self.diagnose(server))).await {
            found.extend(findings);
        }
        found.extend(self.blind_workers(&servers).await?);
        Ok(found)
    }

    /// Living workers of this machine that were started without a variable that a reference names: what
    /// resolves here would not resolve there.
    async fn blind_workers(&self, servers: &[Server]) -> Answer<Vec<Finding>> {
        let named = |reference: &SecretRef| match reference {
            SecretRef::Env(name) => Some(name.clone()),
            _ => None,
        };
        let wanted: BTreeSet<String> = servers
            .iter()
            .flat_map(|s| [&s.spec.db_password, &s.spec.master_password])
            .filter_map(|reference| reference.as_ref().and_then(named))
            .collect();
        let mut found = Vec::new();
        for worker in self.registry.workers().await.map_err(shown)? {
            let here = ProcessId::parse(&worker.id).filter(|id| worker.alive && id.host == ProcessId::here().host);
            let Some(process) = here else { continue };
            let Ok(environment) = std::fs::read(format!("/proc/{}/environ", process.pid)) else {
                continue;
            };
            // Names alone are looked at.
            let has = |name: &String| {
                let start = format!("{name}=");
                environment
                    .split(|byte| *byte == 0)
                    .any(|entry| entry.starts_with(start.as_bytes()))
            };
            let missing: Vec<&str> = wanted.iter().filter(|name| !has(name)).map(String::as_str).collect();
            if !missing.is_empty() {
                found.push(Finding::warning(
                    "worker",
                    format!("{} was started without {}", worker.id, missing.join(", ")),
                    format!(
                        "kill {}: the next one has the environment of whoever starts it",
                        process.pid
                    ),
                ));
            }
        }
        Ok(found)
    }

    /// The registry's file, page by page.
    async fn file(&self, servers: usize) -> Finding {
        let place = self.registry.place();
        if self.loaded.places.shared.is_some() {
            return match super::shared::status(&self.loaded).await {
                Ok(status) if status.warnings.is_empty() => Finding::ok(
                    "registry",
                    format!("{place}, PostgreSQL {}, {servers} servers", status.postgres),
                ),
                Ok(status) => Finding::warning(
                    "registry",
                    format!("{place}: {}", status.warnings.join("; ")),
                    "`vigie registry status` says more",
                ),
                Err(problem) => Finding::error("registry", problem.message, problem.hint.unwrap_or_default()),
            };
        }
        let path = self.loaded.places.registry.clone();
        let faults = tokio::task::spawn_blocking(move || sqlite::faults(&path)).await;
        let hint = "stop every vigie, keep the file, and go back to your copy of it";
        match faults {
            Ok(Ok(faults)) if faults.is_empty() => {
                Finding::ok("registry", format!("{place}, whole, {servers} servers"))
            }
            Ok(Ok(faults)) => Finding::error("registry", format!("{place} is damaged: {}", faults.join("; ")), hint),
            Ok(Err(error)) => Finding::error("registry", format!("{place} can't be looked through: {error}"), hint),
            Err(error) => Finding::error("registry", format!("{place}: {error}"), hint),
        }
    }

    /// A clock that runs behind what is written down already makes ages and leases lie.
    async fn clock(&self) -> Answer<Vec<Finding>> {
        let newest = self.registry.audit(&AuditFilter::newest(1)).await.map_err(shown)?;
        let now = Timestamp::now();
        Ok(match newest.first() {
            Some(row) if row.at > now + SignedDuration::from_secs(5) => vec![Finding::error(
                "clock",
                format!("this machine says {now}, and the registry has a row of {}", row.at),
                "set the clock (timedatectl), and see that it is kept in step",
            )],
            _ => vec![Finding::ok("clock", "in step with the registry")],
        })
    }

    async fn workers(&self) -> Answer<Vec<Finding>> {
        let workers = self.registry.workers().await.map_err(shown)?;
        let alive: Vec<&str> = workers.iter().filter(|w| w.alive).map(|w| w.id.as_str()).collect();
        if !alive.is_empty() {
            return Ok(vec![Finding::ok(
                "worker",
                format!("{} alive: {}", alive.len(), alive.join(", ")),
            )]);
        }
        let waiting = JobFilter {
            states: vec![JobState::Queued, JobState::Running, JobState::Undoing],
            ..JobFilter::default()
        };
        let waiting = self.registry.jobs(&waiting).await.map_err(shown)?.len();
        let hint = "run `vigie worker`, or set [worker] autostart = true";
        Ok(vec![match (waiting, self.settings().worker.autostart) {
            (0, true) => Finding::ok("worker", "none alive; one is started with the next job or dashboard"),
            (0, false) => Finding::warning("worker", "none alive: servers are not checked by themselves", hint),
            (n, _) => Finding::error("worker", format!("none alive, and {n} jobs wait"), hint),
        }])
    }

    async fn stuck(&self) -> Answer<Vec<Finding>> {
        let filter = JobFilter {
            states: vec![JobState::Stuck],
            ..JobFilter::default()
        };
        let jobs = self.registry.jobs(&filter).await.map_err(shown)?;
        Ok(jobs
            .iter()
            .map(|job| {
                let why = job.problem.as_ref().map(|p| p.message.as_str()).unwrap_or_default();
                let hint = format!("do what it says, then `vigie job retry {}`", job.id);
                Finding::warning("job", format!("{} ({}) is stuck: {why}", job.id, job.title), hint)
            })
            .collect())
    }

    /// A server's secrets and its answer.
    async fn diagnose(&self, server: &Server) -> Vec<Finding> {
        let what = format!("server {}", server.spec.code);
        let mut found = Vec::new();
        let secrets = [
            ("db_password", &server.spec.db_password),
            ("master_password", &server.spec.master_password),
        ];
        for (field, reference) in secrets {
            if let Some(reference) = reference
                && let Err(problem) = self.resolve(reference).await
            {
                found.push(Finding::warning(
                    &what,
                    format!("{field} ({}) can't be had: {}", reference.shown(), problem.message),
                    secret_hint(reference, problem.hint),
                ));
            }
        }
        if server.intent == Intent::Disabled {
            found.push(Finding::ok(&what, "disabled: not looked at"));
            return found;
        }
        let report = self.look(server, true).await;
        if let Some(failure) = &report.failure {
            found.push(Finding::error(&what, failure.to_string(), failure.hint()));
            return found;
        }
        found.extend(
            report
                .warnings
                .iter()
                .map(|warning| Finding::warning(&what, warning.to_string(), warning.hint())),
        );
        if found.is_empty() {
            found.push(Finding::ok(&what, format!("answers in {} ms", report.latency_ms)));
        }
        found
    }
}

fn secret_hint(reference: &SecretRef, hint: Option<String>) -> String {
    match reference {
        SecretRef::Env(name) => format!(
            "set {name} where vigie and its worker are started: a worker has the environment of whoever started it"
        ),
        _ => hint.unwrap_or_else(|| "give another with `vigie server edit`".to_owned()),
    }
}
