//! Opening what verbs work on: settings, the program's own log, the registry, the outside.

use super::args::Global;
use crate::config::{self, Arguments, LoadError, Loaded, LogLevel};
use crate::domain::Problem;
use crate::domain::audit::Actor;
use crate::ops::{Ops, shared};
use crate::registry::Registry;
use crate::registry::postgres::Postgres;
use crate::registry::sqlite::Sqlite;
use crate::remote::secrets::Keyring;
use crate::remote::{Limits, Remote};
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing_appender::non_blocking::WorkerGuard;

/// The settings in force.
///
/// # Errors
/// The first mistake in them, with its place.
pub(super) fn settings(global: &Global) -> Result<Loaded, Problem> {
    load(&arguments(global))
}

/// The settings in force, where the file that is named need not be there yet.
///
/// # Errors
/// As [`settings`].
pub(super) fn settings_to_be(global: &Global) -> Result<Loaded, Problem> {
    let (mut arguments, mut environment) = (arguments(global), environment());
    let platform = config::Platform::here().map_err(|error| Problem::new("config", error.to_string()))?;
    let (file, named) = config::config_file(&arguments, &environment, &platform);
    if !named || file.exists() {
        return load_in(&arguments, &environment);
    }
    arguments.config = None;
    environment.remove("VIGIE_CONFIG");
    let mut loaded = load_in(&arguments, &environment)?;
    // A file of another place says nothing about this one.
    if loaded.file.is_some() {
        let problem = Problem::new(
            "config",
            format!(
                "{}: there is another configuration, {}",
                file.display(),
                loaded.places.config.display()
            ),
        );
        return Err(problem.hint("copy it, or move it away"));
    }
    loaded.places.config = file;
    Ok(loaded)
}

/// What the command line says about settings.
pub(super) fn arguments(global: &Global) -> Arguments {
    Arguments {
        config: global.config.clone(),
        registry: global.registry.clone(),
        profile: global.profile.clone(),
    }
}

/// The environment's variables. Those that are no text can't be settings.
pub(super) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The settings in force, with these arguments.
///
/// # Errors
/// The first mistake in them that there is no going on with, with its place.
pub(super) fn load(arguments: &Arguments) -> Result<Loaded, Problem> {
    load_in(arguments, &environment())
}

/// The settings in force, with these arguments and variables.
///
/// # Errors
/// As [`load`].
pub(super) fn load_in(arguments: &Arguments, environment: &BTreeMap<String, String>) -> Result<Loaded, Problem> {
    config::load(arguments, environment).map_err(|error| match error {
        LoadError::Config(error) => {
            let problem = Problem::new("config", error.to_string());
            match error.hint {
                Some(hint) => problem.hint(hint),
                None => problem.hint("config.example.toml documents every setting"),
            }
        }
        LoadError::Path(error) => Problem::new("config", error.to_string()),
    })
}

/// Starts the program's own log. Kept as long as the guard lives. A log that can't be written stops
/// nothing.
pub(super) fn logging(loaded: &Loaded, worker: bool) -> Option<WorkerGuard> {
    let log = &loaded.settings.log;
    if log.level == LogLevel::Off {
        return None;
    }
    let folder = &loaded.places.log_dir;
    config::private_dir(folder).ok()?;
    let appender = tracing_appender::rolling::Builder::new()
        .rotation(tracing_appender::rolling::Rotation::DAILY)
        .filename_prefix(if worker { "worker" } else { "vigie" })
        .filename_suffix("log")
        .max_log_files(log.files.get() as usize)
        .build(folder)
        .ok()?;
    // Room for so many lines is taken at once, and a second's lines are far fewer.
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default()
        .buffered_lines_limit(4_096)
        .finish(appender);
    // Our own events at the level asked for; libraries' only from warnings up: they may print what
    // they send.
    let own = log.level.word();
    let filter = tracing_subscriber::EnvFilter::new(format!("warn,vigie={own}"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .try_init()
        .ok()?;
    Some(guard)
}

/// Who acts, through what.
pub(super) fn actor(via: &str) -> Actor {
    let uid = rustix::process::getuid().as_raw();
    // Root under sudo is still the person who typed.
    let os_user = std::env::var("SUDO_USER")
        .or_else(|_| std::env::var("USER"))
        .or_else(|_| std::env::var("LOGNAME"))
        .ok()
        .filter(|name| !name.is_empty())
        .or_else(|| account(uid))
        .unwrap_or_else(|| format!("uid {uid}"));
    Actor {
        os_user: crate::domain::SafeText::capped(&os_user, 64).to_string(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        via: via.to_owned(),
    }
}

/// The registry: its database, or its file, made and migrated where need be.
///
/// # Errors
/// When it can't be used where it is.
pub(super) async fn registry(loaded: &Loaded, program: &str) -> Result<Arc<dyn Registry>, Problem> {
    if let Some(address) = &loaded.places.shared {
        let options = shared::reach(loaded, program);
        let opened = Postgres::open_as(address, options).await;
        return Ok(Arc::new(opened.map_err(|error| error.problem())?));
    }
    let path = loaded.places.registry.clone();
    let opened = tokio::task::spawn_blocking(move || Sqlite::open(path)).await;
    let registry = opened
        .map_err(|error| {
            Problem::new(
                "registry_failed",
                format!("opening the registry was interrupted: {error}"),
            )
        })?
        .map_err(|error| error.problem())?;
    Ok(Arc::new(registry))
}

/// The outside, within the time limits of the settings.
///
/// # Errors
/// When certificates can't be read.
pub(super) fn remote(loaded: &Loaded) -> Result<Remote, Problem> {
    let settings = &loaded.settings.limits;
    let limits = Limits {
        connect: settings.connect.0,
        call: settings.call.0,
        create_database: settings.create_database.0,
        change_database: settings.change_database.0,
        install_modules: settings.install_modules.0,
        clone: settings.clone.0,
        copy_files: settings.copy_files.0,
        ..Limits::default()
    };
    let keyring = Keyring::at(loaded.places.key_file.clone());
    Remote::new(keyring, limits, loaded.places.extra_ca.clone()).map_err(|error| error.problem())
}

/// Operations through `via`.
///
/// # Errors
/// When registry or outside can't be had.
pub(super) async fn ops(loaded: Arc<Loaded>, via: &str) -> Result<Ops, Problem> {
    config::private_dir(&loaded.places.data_dir).map_err(|error| Problem::new("data_dir", error.to_string()))?;
    let registry = registry(&loaded, &format!("vigie {via}")).await?;
    let remote = remote(&loaded)?;
    Ok(Ops::new(registry, remote, loaded, actor(via)))
}

/// The name of a user in this machine's own list.
fn account(uid: u32) -> Option<String> {
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    list.lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2).is_some_and(|id| *id == uid.to_string()))
        .and_then(|fields| fields.first().map(|name| (*name).to_owned()))
}
