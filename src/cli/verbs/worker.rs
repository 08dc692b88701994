//! `vigie worker`: runs jobs and due checks in this process.

use super::Done;
use crate::cli::open;
use crate::cli::shell::Shell;
use crate::config::{self, Loaded};
use crate::domain::Problem;
use crate::domain::rights::Deed;
use crate::jobs::Tools;
use crate::jobs::engine::EngineOptions;
use crate::jobs::failpoint::FailPoints;
use crate::jobs::lease::LeaseTimes;
use crate::jobs::worker::{self, ScheduleOptions, WorkerOptions};
use crate::ops::anchor_file;
use crate::remote::probe::CheckSettings;
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn run(shell: &Shell, loaded: Arc<Loaded>, idle_exit: Option<u64>, detached: bool) -> Done {
    config::private_dir(&loaded.places.data_dir).map_err(|error| Problem::new("data_dir", error.to_string()))?;
    let stop = worker::stop_on_signals()
        .map_err(|error| Problem::new("signals", format!("no signal handlers can be set: {error}")))?;
    let registry = open::registry(&loaded, "vigie worker").await?;
    let rights = registry.rights().await.map_err(|error| error.problem())?;
    rights.require(Deed::Work)?;
    let tools = Arc::new(Tools::new(open::remote(&loaded)?, loaded.settings.thresholds()));
    let options = WorkerOptions {
        anchors: Some(anchor_file(&loaded, &registry.place())),
        notify: !detached,
        ..options(&loaded, idle_exit)
    };
    if !detached {
        let place = registry.place();
        shell.note(format!(
            "worker {} on {place}; Ctrl-C stops it after the steps that run",
            options.id
        ));
    }
    worker::run(registry, tools, options, stop).await
}

fn options(loaded: &Loaded, idle_exit: Option<u64>) -> WorkerOptions {
    let settings = &loaded.settings;
    let schedule = settings.worker.checks.then(|| ScheduleOptions {
        interval: settings.checks.interval.0,
        check: CheckSettings {
            timeout: settings.checks.timeout.0,
            attempts: settings.checks.attempts.get(),
            ..CheckSettings::default()
        },
        jitter: settings.checks.jitter.0,
        concurrency: settings.checks.concurrency.get() as usize,
        rules: settings.health_rules(),
        keep_checks: settings.retention.checks.0,
        keep_logs: settings.retention.job_logs.0,
    });
    WorkerOptions {
        concurrency: settings.worker.concurrency.get() as usize,
        per_server: settings.worker.per_server.get() as usize,
        drain: settings.worker.drain.0,
        engine: EngineOptions {
            times: LeaseTimes {
                lease: settings.worker.lease.0,
                heartbeat: settings.worker.heartbeat.0,
            },
            failpoints: FailPoints::from_env(),
            ..EngineOptions::default()
        },
        schedule,
        idle_end: idle_exit.map(Duration::from_secs),
        ..WorkerOptions::here()
    }
}
