//! Jobs: planning, queueing, following, stopping, running again.

use super::guard::On;
use super::{Answer, Ops, shown};
use crate::config;
use crate::domain::job::{Job, JobSpec, LogLine};
use crate::domain::rights::Deed;
use crate::domain::{JobId, Problem};
use crate::jobs::worker::{self, Spawned};
use crate::jobs::{self, JobPlan, Request};
use crate::registry::JobFilter;
use std::ffi::OsString;
use std::time::Duration;
use tokio::sync::mpsc;

/// What following a job tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed {
    /// New lines of its log, in order, none twice.
    Lines(Vec<LogLine>),
    /// The job changed. The last one told is over.
    Job(Box<Job>),
    /// It can't be followed any more.
    Lost(Problem),
}

/// Lines read at once.
const PAGE: usize = 1_000;

impl Ops {
    /// Jobs, the newest first.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn jobs(&self, filter: &JobFilter) -> Answer<Vec<Job>> {
        self.registry.jobs(filter).await.map_err(shown)
    }

    /// One job.
    ///
    /// # Errors
    /// When there is none of this number.
    pub async fn job(&self, id: JobId) -> Answer<Job> {
        self.registry.job(id).await.map_err(shown)
    }

    /// A job's lines after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn job_log(&self, id: JobId, after: i64, limit: usize) -> Answer<Vec<LogLine>> {
        self.registry.log(id, after, limit).await.map_err(shown)
    }

    /// The number of a job's last line; 0 where there is none.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn job_log_end(&self, id: JobId) -> Answer<i64> {
        self.registry.log_end(id).await.map_err(shown)
    }

    /// Follows a job from after line `after` until it is over. Dropping the receiver ends it.
    pub fn follow(&self, id: JobId, after: i64) -> mpsc::Receiver<Followed> {
        let (tell, told) = mpsc::channel(16);
        let ops = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = tell.closed() => {}
                ended = ops.follow_to(id, after, &tell) => if let Err(problem) = ended {
                    let _ = tell.send(Followed::Lost(problem)).await;
                },
            }
        });
        told
    }

    async fn follow_to(&self, id: JobId, mut after: i64, tell: &mpsc::Sender<Followed>) -> Answer<()> {
        // Subscribed before the first read, so that nothing falls between the two.
        let mut changes = self.changes().await?;
        let mut last: Option<Job> = None;
        let gone = || Problem::new("closed", "nobody follows any more");
        loop {
            let job = self.job(id).await?;
            loop {
                let lines = self.job_log(id, after, PAGE).await?;
                let Some(line) = lines.last() else { break };
                after = line.seq;
                tell.send(Followed::Lines(lines)).await.map_err(|_| gone())?;
            }
            let over = job.state.is_over();
            if last.as_ref() != Some(&job) {
                tell.send(Followed::Job(Box::new(job.clone())))
                    .await
                    .map_err(|_| gone())?;
                last = Some(job);
            }
            if over {
                return Ok(());
            }
            // A look now and then as well, should a change be missed.
            match tokio::time::timeout(Duration::from_secs(5), changes.recv()).await {
                Ok(Some(_)) | Err(_) => {}
                Ok(None) => changes = self.changes().await?,
            }
        }
    }

    /// Asks a job to stop and to undo what it did.
    ///
    /// # Errors
    /// When it is over.
    pub async fn job_cancel(&self, id: JobId) -> Answer<Job> {
        let (object, label) = (format!("job:{id}"), id.to_string());
        self.allowed(Deed::CancelJob, "job.cancel", &object, &label).await?;
        self.judged(Deed::CancelJob, On::Job(id), ("job.cancel", &object, &label))
            .await?;
        self.registry.cancel_job(&self.op(), id).await.map_err(shown)
    }

    /// Runs a failed, cancelled or stuck job again.
    ///
    /// # Errors
    /// When it is none of these, or what it needs is taken.
    pub async fn job_retry(&self, id: JobId) -> Answer<Job> {
        let (object, label) = (format!("job:{id}"), id.to_string());
        self.allowed(Deed::RetryJob, "job.retry", &object, &label).await?;
        self.judged(Deed::RetryJob, On::Job(id), ("job.retry", &object, &label))
            .await?;
        let thresholds = self.settings().thresholds();
        self.registry
            .retry_job(&self.op(), id, &thresholds)
            .await
            .map_err(shown)
    }

    /// What a job would do, looked at without changing anything.
    ///
    /// # Errors
    /// Why it can't be done; the attempt is written down.
    pub(super) async fn plan_job(&self, request: Request, action: &str, object: &str, label: &str) -> Answer<JobPlan> {
        let thresholds = self.settings().thresholds();
        match jobs::plan(self.registry.as_ref(), &self.tools, request, &thresholds).await {
            Ok(plan) => Ok(plan),
            Err(problem) => self.refuse(action, object, label, problem).await,
        }
    }

    /// Queues a plan as it was shown; refused when its world has changed since.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn queue(&self, plan: JobPlan) -> Answer<Job> {
        let spec = &plan.new_job.spec;
        let new = plan.new_job.instance.as_ref().map(|new| new.subdomain.to_string());
        let (deed, on, action, object) = match spec {
            JobSpec::TemplateCreate { template_id, .. } => (
                Deed::CreateTemplateDatabase,
                On::Template(*template_id),
                "template.create_database",
                format!("template:{template_id}"),
            ),
            JobSpec::TemplateAdopt { template_id, .. } => (
                Deed::AdoptTemplate,
                On::Template(*template_id),
                "template.adopt",
                format!("template:{template_id}"),
            ),
            JobSpec::TemplateThaw { template_id, .. } => (
                Deed::ThawTemplate,
                On::Template(*template_id),
                "template.thaw",
                format!("template:{template_id}"),
            ),
            JobSpec::InstanceCreate { server_id, .. } | JobSpec::DedicatedCreate { server_id, .. } => (
                Deed::CreateInstance,
                On::NewThere(*server_id, new.as_deref().unwrap_or_default()),
                "instance.create",
                "instance".to_owned(),
            ),
            JobSpec::InstanceDelete { instance_id, .. } | JobSpec::DedicatedDelete { instance_id, .. } => (
                Deed::DeleteInstance,
                On::Instance(*instance_id),
                "instance.remove",
                format!("instance:{instance_id}"),
            ),
        };
        self.judged(deed, on, (action, &object, plan.new_job.title.as_str()))
            .await?;
        self.registry.queue_job(&self.op(), &plan.new_job).await.map_err(shown)
    }

    /// Starts a detached worker where none is alive and the settings want it. Whether one was started.
    ///
    /// # Errors
    /// When it can't be started; where one's role can't be a worker: when none is alive.
    pub async fn ensure_worker(&self) -> Answer<bool> {
        if !self.settings().worker.autostart {
            return Ok(false);
        }
        if let Err(why) = self.rights().await?.check(Deed::Work) {
            if self.has_worker().await? {
                return Ok(false);
            }
            return Err(
                Problem::new("no_worker", format!("no worker is alive, jobs wait; to be one {why}"))
                    .hint("start `vigie worker` where saas_worker is at hand: as a service, it is always there"),
            );
        }
        let places = &self.loaded.places;
        config::private_dir(&places.data_dir).map_err(|error| Problem::new("data_dir", error.to_string()))?;
        let exe = std::env::current_exe()
            .map_err(|error| Problem::new("worker_not_started", format!("this program can't find itself: {error}")))?;
        let arguments = self.worker_arguments();
        let spawned = worker::spawn_detached(self.registry.as_ref(), &exe, &arguments, &places.data_dir).await?;
        Ok(matches!(spawned, Spawned::Started(_)))
    }

    /// Whether a worker is alive.
    ///
    /// # Errors
    /// When the registry can't be read.
    pub async fn has_worker(&self) -> Answer<bool> {
        let workers = self.registry.workers().await.map_err(shown)?;
        Ok(workers.iter().any(|w| w.alive))
    }

    /// How a detached worker is told to work on the same registry. It inherits the environment, so
    /// that `env:` references resolve there as they do here; paths are absolute, since it lives in `/`.
    fn worker_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["worker".into(), "--detached".into()];
        if let Some(file) = &self.loaded.file {
            arguments.extend(["--config".into(), file.clone().into_os_string()]);
        }
        let profile = self.loaded.profile.as_deref().unwrap_or(config::NO_PROFILE);
        arguments.extend(["--profile".into(), profile.into()]);
        arguments.extend([
            "--registry".into(),
            self.loaded.places.registry.clone().into_os_string(),
        ]);
        arguments
    }
}
