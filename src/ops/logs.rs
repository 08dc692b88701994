//! Logs of other programs: files and what commands write, on this machine or a server's.

use super::{Answer, Ops};
use crate::domain::job::Stream;
use crate::domain::log::{Ask, Command, LogPlace, LogStatus, LogTarget, Page};
use crate::domain::rights::Deed;
use crate::domain::{Problem, SafeText};
use crate::remote::host::{Host, Run};
use crate::remote::log::{Log, RING_BYTES};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use crate::remote::log::{Asked as LogAsked, LogError};

/// How long a command may go on writing: one that follows something is opened anew after that.
const COMMAND: Duration = Duration::from_secs(12 * 3600);
/// Lines of a remote file that are read when it is opened.
const REMOTE_LINES: &str = "20000";
/// The file in which it is kept where servers' logs are.
const PATHS: &str = "log-paths.json";

/// Ends a command with its last handle.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A log that is open. Cheap to clone; the command that writes it ends with the last clone.
#[derive(Clone)]
pub struct LogHandle {
    log: Log,
    _running: Option<Arc<Running>>,
}

impl LogHandle {
    /// Where it stands, and a way to wait until that changes.
    pub fn status(&self) -> watch::Receiver<LogStatus> {
        self.log.status()
    }

    /// Answers a question. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be read, or the answer isn't wanted any more ([`LogError::Stopped`]).
    pub fn answer(&self, ask: &Ask, by: &LogAsked<'_>) -> Result<Page, LogError> {
        self.log.answer(ask, by)
    }

    /// Hands out every line that passes, from the first on. Blocks on the disk. How many there were.
    ///
    /// # Errors
    /// When it can't be read, or `each` fails.
    pub fn every(
        &self,
        by: &LogAsked<'_>,
        each: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<u64, LogError> {
        self.log.every(by, each)
    }
}

fn problem(error: &LogError) -> Problem {
    let problem = Problem::new("log", error.to_string());
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Opens a file of this machine. `~/` is the user's home; nothing else is expanded.
///
/// # Errors
/// When it can't be read, or is no file of lines.
pub async fn open_log_here(path: &str) -> Answer<LogHandle> {
    let path = match path.strip_prefix("~/") {
        Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
        None => PathBuf::from(path),
    };
    let path = std::path::absolute(&path).unwrap_or(path);
    let runtime = tokio::runtime::Handle::current();
    // A disk may make one wait.
    let opened = tokio::task::spawn_blocking(move || {
        let _inside = runtime.enter();
        Log::file(&path)
    });
    let log = opened
        .await
        .map_err(|_| Problem::new("log", "opening it was interrupted"))?
        .map_err(|error| problem(&error))?;
    Ok(LogHandle { log, _running: None })
}

impl Ops {
    /// Opens a file, or starts a command and takes what it writes.
    ///
    /// # Errors
    /// When the file can't be read, or the server has no shell access.
    pub async fn open_log(&self, target: &LogTarget) -> Answer<LogHandle> {
        let host = match target.place() {
            LogPlace::Here => Host::local(&self.remote),
            LogPlace::Server { id, .. } => {
                if matches!(target, LogTarget::Output { .. }) {
                    // What a command does there nobody knows beforehand.
                    let rights = self.registry.rights().await.map_err(|e| e.problem())?;
                    rights.require(Deed::EditServer)?;
                }
                let server = self.registry.server(*id).await.map_err(|e| e.problem())?;
                self.remote.host(&server.spec).map_err(|error| {
                    let problem = Problem::new("no_shell", error.to_string());
                    match error.hint() {
                        Some(hint) => problem.hint(hint),
                        None => problem,
                    }
                })?
            }
        };
        match target {
            LogTarget::File { path, .. } if host.is_local() => open_log_here(path).await,
            LogTarget::File { path, .. } => {
                let words = ["tail", "-n", REMOTE_LINES, "-F", "--", path];
                Ok(self.run_log(host, words.map(str::to_owned).to_vec(), false, target))
            }
            LogTarget::Output { command, .. } => Ok(self.run_command(host, command, target)),
        }
    }

    fn run_command(&self, host: Host, command: &Command, target: &LogTarget) -> LogHandle {
        self.run_log(host, command.words().to_vec(), true, target)
    }

    fn run_log(&self, host: Host, argv: Vec<String>, writes: bool, target: &LogTarget) -> LogHandle {
        let log = Log::output(&target.to_string(), RING_BYTES);
        let (into, redactor) = (log.clone(), self.clone());
        let task = tokio::spawn(async move {
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            let run = Run {
                writes,
                ..Run::reading(&argv, COMMAND)
            };
            let take = |_: Stream, line: SafeText| into.push(&redactor.redacted(line.as_str()));
            let over = match host.run(&run, &take).await {
                Ok(output) => match output.code {
                    Some(code) => format!("ended, exit status {code}"),
                    None => "ended by a signal".to_owned(),
                },
                Err(error) => {
                    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                    into.push(&redactor.redacted(&format!("── {error}{hint} ──")));
                    "it failed".to_owned()
                }
            };
            into.finish(&SafeText::new(&over));
        });
        LogHandle {
            log,
            _running: Some(Arc::new(Running(task.abort_handle()))),
        }
    }
}

/// Where servers' logs are, by their codes, as far as they were opened before.
pub fn log_paths(data_dir: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(data_dir.join(PATHS)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Keeps where a server's log is.
///
/// # Errors
/// When it can't be written.
pub fn remember_log(data_dir: &Path, server: &str, text: &str) -> Answer<()> {
    let mut paths = log_paths(data_dir);
    paths.insert(server.to_owned(), text.to_owned());
    let wrong = |error: std::io::Error| {
        Problem::new("log_paths", format!("{}: {error}", data_dir.join(PATHS).display()))
            .hint("the path is not remembered; everything else works")
    };
    let json = serde_json::to_string_pretty(&paths).unwrap_or_default();
    // Whole, or as it was: another dashboard may read it meanwhile.
    let aside = data_dir.join(format!(".{PATHS}.{}", std::process::id()));
    let _ = std::fs::remove_file(&aside);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)
        .map_err(wrong)?;
    file.write_all(json.as_bytes()).map_err(wrong)?;
    file.sync_all().map_err(wrong)?;
    std::fs::rename(&aside, data_dir.join(PATHS)).map_err(wrong)
}

/// Makes a new file for a log, 0600, in the folder of saved ones; its name from `name` and the time.
///
/// # Errors
/// When it can't be made.
pub fn save_log(data_dir: &Path, name: &str) -> Answer<(std::fs::File, PathBuf)> {
    let folder = data_dir.join("saved");
    crate::config::private_dir(&folder).map_err(|error| Problem::new("save", error.to_string()))?;
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).take(60).collect();
    let name = name.trim_start_matches('.').trim_end_matches(".log");
    let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
    let mut last = None;
    for n in 0..100 {
        let more = if n == 0 { String::new() } else { format!("-{n}") };
        let path = folder.join(format!("{name}-{now}{more}.log"));
        let opened = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match opened {
            Ok(file) => return Ok((file, path)),
            Err(error) => last = Some((path, error)),
        }
    }
    let why = last.map_or_else(String::new, |(path, error)| format!("{}: {error}", path.display()));
    Err(Problem::new("save", format!("the log can't be saved: {why}")))
}
