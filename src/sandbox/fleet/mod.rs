//! The private fleet: a cluster, three Odoos (stand-ins, or a real one), a server that is down, a
//! worker, a registry and a configuration of its own, all in one folder.

mod folder;
mod odoo;
mod roles;
mod seed;
mod shared;

use super::cluster::Cluster;
use super::companion::{Companion, end_stranger};
use crate::config::Loaded;
use crate::domain::Problem;
use crate::ops::Ops;
pub(super) use folder::{Folder, default_dir};
use odoo::Odoo;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long one look at a registry, or one Odoo, may take here.
const LIMIT: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct FleetOptions {
    /// The folder; the user's own when not given.
    pub dir: Option<PathBuf>,
    /// A real Odoo's `odoo-bin`, in place of the stand-ins.
    pub odoo_bin: Option<PathBuf>,
    /// The registry is a database with a login for every role, as a team has it, not a file.
    pub shared: bool,
}

/// One of the fleet's servers.
struct Place {
    code: &'static str,
    name: &'static str,
    description: &'static str,
    max_instances: u32,
    cpu_cores: u32,
    memory_gb: u32,
    disk_gb: u32,
}

/// The servers that answer, then the one that is down.
const PLACES: [Place; 3] = [
    Place {
        code: "prod-1",
        name: "Production 1",
        description: "sandbox: restaurants",
        max_instances: 50,
        cpu_cores: 8,
        memory_gb: 32,
        disk_gb: 500,
    },
    Place {
        code: "prod-2",
        name: "Production 2",
        description: "sandbox: shops",
        max_instances: 50,
        cpu_cores: 8,
        memory_gb: 32,
        disk_gb: 500,
    },
    Place {
        code: "test-1",
        name: "Test 1",
        description: "sandbox: demonstrations",
        max_instances: 20,
        cpu_cores: 2,
        memory_gb: 8,
        disk_gb: 100,
    },
];
const DOWN: Place = Place {
    code: "prod-3",
    name: "Production 3",
    description: "sandbox: a server that is down",
    max_instances: 50,
    cpu_cores: 8,
    memory_gb: 32,
    disk_gb: 500,
};

/// A running private fleet. [`SandboxFleet::stop`] ends it in order; dropping it ends it as well.
pub struct SandboxFleet {
    // In the order of their end.
    worker: Option<Companion>,
    odoos: Vec<Odoo>,
    down: Option<odoo::Down>,
    cluster: Option<Cluster>,
    folder: Folder,
    options: FleetOptions,
    /// The stand-ins have threads of their own, so that nothing they do holds the dashboard up.
    runtime: Option<Runtime>,
}

impl SandboxFleet {
    /// Starts the cluster and the Odoos in the folder, as they were when it was stopped.
    ///
    /// # Errors
    /// What is missing or in the way, and what to do.
    pub async fn open(options: FleetOptions, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<Self, Problem> {
        let dir = match &options.dir {
            Some(dir) => std::path::absolute(dir)
                .map_err(|error| Problem::new("sandbox", format!("{}: {error}", dir.display())))?,
            // One with a shared registry is another one.
            None => default_dir(if options.shared { "sandbox-shared" } else { "sandbox" })?,
        };
        progress(&format!("the sandbox is in {}", dir.display()));
        progress("PostgreSQL …");
        let cluster_dir = dir.join("cluster");
        let opened = tokio::task::spawn_blocking(move || {
            folder::claim(&dir)?;
            let cluster = Cluster::create_or_open(&cluster_dir).map_err(cluster_problem)?;
            let folder = Folder::open(&dir)?;
            Ok::<_, Problem>((cluster, folder))
        });
        let (cluster, folder) = opened
            .await
            .map_err(|error| Problem::new("sandbox", error.to_string()))??;
        progress(&format!(
            "PostgreSQL {} on {}:{}",
            cluster.major(),
            cluster.host(),
            cluster.port()
        ));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("sandbox")
            .enable_all()
            .build()
            .map_err(|error| Problem::new("sandbox", format!("no threads can be started: {error}")))?;
        let mut fleet = Self {
            worker: None,
            odoos: Vec::new(),
            down: None,
            cluster: Some(cluster),
            folder,
            options,
            runtime: Some(runtime),
        };
        fleet.start_odoos(progress).await?;
        Ok(fleet)
    }

    async fn start_odoos(&mut self, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<(), Problem> {
        let (Some(cluster), Some(runtime)) = (&self.cluster, &self.runtime) else {
            return Ok(());
        };
        roles::make(cluster, &self.folder).await?;
        // One that is shared stays so.
        if self.options.shared && !self.folder.is_shared() && self.folder.is_seeded() {
            return Err(
                Problem::new("sandbox_folder", "this sandbox keeps its registry in a file")
                    .hint("give another --dir, or leave --shared out"),
            );
        }
        if self.options.shared || self.folder.is_shared() {
            shared::make(cluster, &self.folder, progress).await?;
        }
        for place in &PLACES {
            let odoo = match &self.options.odoo_bin {
                Some(program) => odoo::real(program, place.code, &mut self.folder, cluster).await?,
                None => odoo::stand_in(runtime.handle(), place.code, &mut self.folder, cluster).await?,
            };
            progress(&format!("{} answers on {}", place.code, odoo.url()));
            self.odoos.push(odoo);
        }
        Ok(())
    }

    /// The configuration file of the fleet, for `--config`.
    pub fn config_path(&self) -> &Path {
        &self.folder.config
    }

    /// The fleet's settings. The user's own, and those of the environment, are not for it.
    ///
    /// # Errors
    /// When the file was edited and has a mistake.
    pub fn settings(&self) -> Result<Arc<Loaded>, Problem> {
        self.folder.settings().map(Arc::new)
    }

    /// Starts the fleet's worker, and writes down what the fleet is: servers at the addresses they
    /// have now; the first time templates and instances too, made by jobs as an operator's are.
    ///
    /// # Errors
    /// What failed.
    pub async fn seed(&mut self, ops: &Ops, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<(), Problem> {
        self.end_workers(ops).await;
        self.start_worker(ops).await?;
        seed::servers(self, ops, progress).await?;
        if !self.folder.is_seeded() {
            seed::catalogue(ops).await?;
            seed::templates(self, ops, progress).await?;
            seed::instances(ops, progress).await?;
            self.folder.seeded()?;
        }
        seed::checks(self, ops).await
    }

    async fn start_worker(&mut self, ops: &Ops) -> Result<(), Problem> {
        let program = std::env::current_exe()
            .map_err(|error| Problem::new("sandbox", format!("this program can't find itself: {error}")))?;
        let mut command = Command::new(program);
        command
            .args(["worker", "--config"])
            .arg(&self.folder.config)
            .current_dir("/");
        // The environment's settings are not the sandbox's.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("VIGIE_")) {
                command.env_remove(name);
            }
        }
        let log = self.folder.dir.join("worker.log");
        let mut worker = Companion::start("the worker", command, &self.folder.config, &log)?;
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let workers = within(ops.registry().workers())
                .await?
                .map_err(|error| error.problem())?;
            if workers.iter().any(|worker| worker.alive) {
                break;
            }
            if !worker.is_running() || tokio::time::Instant::now() > deadline {
                return Err(
                    Problem::new("sandbox", "the worker did not start").hint(format!("its log is {}", log.display()))
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.worker = Some(worker);
        Ok(())
    }

    /// Ends workers on this fleet's registry that someone else started, or an earlier sandbox left.
    async fn end_workers(&self, ops: &Ops) {
        let Ok(Ok(workers)) = within(ops.registry().workers()).await else {
            return;
        };
        let mine = std::process::id();
        for worker in workers.into_iter().filter(|worker| worker.alive) {
            let pid = worker.id.split(':').nth(1).and_then(|pid| pid.parse().ok());
            let mark = self.folder.config.clone();
            if let Some(pid) = pid.filter(|pid| *pid != mine) {
                let _ = tokio::task::spawn_blocking(move || end_stranger(pid, &mark)).await;
            }
        }
    }

    /// Ends the worker, the Odoos and the cluster, in this order, each by its pid.
    ///
    /// # Errors
    /// When PostgreSQL had to be killed.
    pub async fn stop(mut self, ops: Option<&Ops>) -> Result<(), Problem> {
        if let Some(mut worker) = self.worker.take() {
            let _ = tokio::task::spawn_blocking(move || worker.stop()).await;
        }
        if let Some(ops) = ops {
            self.end_workers(ops).await;
        }
        // Each takes seconds to end when it is a real one.
        futures_util::future::join_all(self.odoos.drain(..).map(Odoo::stop)).await;
        let cluster = self.cluster.take();
        let stopped = tokio::task::spawn_blocking(move || cluster.map_or(Ok(()), |mut cluster| cluster.stop()));
        stopped
            .await
            .map_err(|error| Problem::new("sandbox", error.to_string()))?
            .map_err(cluster_problem)
    }
}

impl Drop for SandboxFleet {
    fn drop(&mut self) {
        self.worker = None;
        self.odoos.clear();
        if let Some(runtime) = self.runtime.take() {
            // A runtime must not be waited for where it is dropped inside another.
            runtime.shutdown_background();
        }
    }
}

fn cluster_problem(error: super::ClusterError) -> Problem {
    let problem = Problem::new("sandbox_cluster", error.to_string());
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

async fn within<T>(future: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(LIMIT, future)
        .await
        .map_err(|_| Problem::new("sandbox", format!("no answer within {} s", LIMIT.as_secs())))
}
