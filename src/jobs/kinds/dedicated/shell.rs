//! What the steps share: the server's shell as root, its PostgreSQL through `psql`, long work as named
//! units, and whose everything is.

use crate::domain::dedicated::{Build, DedicatedSpec, Names, Removal};
use crate::domain::job::{JobSpec, Mark, Stream};
use crate::domain::names::RemotePath;
use crate::domain::{DbName, SafeText};
use crate::jobs::step::{Cx, StepError};
use crate::remote::RemoteError;
use crate::remote::host::{Host, HostError, Marker, Output, Run, Unit, UnitRun, UnitState};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The file that says which job made a folder.
pub(super) const MARK_FILE: &str = ".vigie-mark";
/// How long a command may take that only looks or changes a little.
pub(super) const SHORT: Duration = Duration::from_secs(60);
/// How long what a dead worker had asked of PostgreSQL is waited for.
const SETTLE: Duration = Duration::from_secs(60);

/// The server, seen as root, and the instance on it.
pub(super) struct At {
    pub(super) host: Host,
    pub(super) spec: DedicatedSpec,
}

/// The server and the instance of a job.
pub(super) fn at(cx: &Cx) -> Result<At, StepError> {
    let spec = cx
        .world
        .instance_spec()?
        .dedicated()
        .ok_or_else(|| StepError::new("internal", "the job's instance is no dedicated one"))?;
    Ok(At {
        host: cx.tools.remote.host(&cx.world.server.spec)?.as_root(),
        spec: spec.clone(),
    })
}

/// What its making needs besides.
pub(super) fn build(cx: &Cx) -> Result<&Build, StepError> {
    match &cx.spec {
        JobSpec::DedicatedCreate { build, .. } => Ok(build),
        _ => Err(StepError::new("internal", "this job makes no dedicated instance")),
    }
}

/// What its removal needs besides.
pub(super) fn removal(cx: &Cx) -> Result<&Removal, StepError> {
    match &cx.spec {
        JobSpec::DedicatedDelete { removal, .. } => Ok(removal),
        _ => Err(StepError::new("internal", "this job removes no dedicated instance")),
    }
}

/// The mark of this job, which everything that it makes carries.
pub(super) fn own_mark(cx: &Cx) -> Result<String, StepError> {
    let nonce = cx.data_of("preflight")["nonce"]
        .as_str()
        .ok_or_else(|| StepError::new("internal", "the job's record has no nonce"))?;
    Ok(Mark {
        job: cx.job_id()?,
        nonce: nonce.to_owned(),
    }
    .to_string())
}

/// The mark that the instance's things carry: this job's where it makes it, the one on record where it
/// removes it.
pub(super) fn mark(cx: &Cx) -> Result<String, StepError> {
    match &cx.spec {
        JobSpec::DedicatedCreate { .. } => own_mark(cx),
        _ => at(cx)?.spec.facts.mark.ok_or_else(|| {
            StepError::new(
                "no_mark",
                "the registry does not know by which mark its things are told from others'",
            )
            .hint("remove them by hand, then the record")
        }),
    }
}

/// A path that is put together from checked parts.
pub(super) fn path(text: &str) -> Result<RemotePath, StepError> {
    RemotePath::parse(text).map_err(|error| StepError::new("bad_path", error.to_string()))
}

fn quiet(_: Stream, _: SafeText) {}

impl At {
    pub(super) fn names(&self) -> &Names {
        &self.spec.names
    }

    /// A path in the instance's folder.
    pub(super) fn path(&self, part: &str) -> Result<RemotePath, StepError> {
        path(&format!("{}/{part}", self.spec.folder))
    }

    /// A command that only looks, as root, whatever its exit status.
    pub(super) async fn ask(&self, argv: &[&str]) -> Result<Output, StepError> {
        Ok(self.host.run(&Run::reading(argv, SHORT), &quiet).await?)
    }

    /// As [`At::ask`], of a program that may not be there: `None` then.
    pub(super) async fn ask_of(&self, argv: &[&str]) -> Result<Option<Output>, StepError> {
        match self.host.run(&Run::reading(argv, SHORT), &quiet).await {
            Ok(output) if matches!(output.code, Some(126 | 127)) => Ok(None),
            Ok(output) => Ok(Some(output)),
            Err(RemoteError::Host(HostError::NotStarted { .. })) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a program is there and works.
    pub(super) async fn has(&self, argv: &[&str]) -> Result<bool, StepError> {
        Ok(self.ask_of(argv).await?.is_some_and(|output| output.is_success()))
    }

    /// A command that changes something and must succeed, as root; what it says goes to the log.
    pub(super) async fn change(&self, cx: &Cx, argv: &[&str]) -> Result<Output, StepError> {
        let say = |stream, text: SafeText| cx.log.output(stream, text.as_str());
        Ok(self.host.must(&Run::writing(argv, SHORT), &say).await?)
    }

    /// The text of a small file; `None` where there is none.
    pub(super) async fn read(&self, path: &RemotePath) -> Result<Option<String>, StepError> {
        let found = self.host.read(path, 1 << 20).await?;
        Ok(found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Whether a file's first line ends with this mark.
    pub(super) async fn carries(&self, path: &RemotePath, mark: &str) -> Result<bool, StepError> {
        let text = self.read(path).await?;
        Ok(text.is_some_and(|text| text.lines().next().is_some_and(|line| line.ends_with(mark))))
    }

    /// Refuses what is there and isn't this job's.
    pub(super) async fn free_or_ours(&self, path: &RemotePath, mark: &str) -> Result<(), StepError> {
        if self.host.stat(path).await?.is_some() && !self.carries(path, mark).await? {
            return Err(taken(&format!("the file {path}")));
        }
        Ok(())
    }

    /// Removes the instance's folder, if it carries the mark. `false`: it is gone already.
    pub(super) async fn remove_folder(&self, mark: &str) -> Result<bool, StepError> {
        let marker = Marker {
            file: MARK_FILE,
            text: mark,
        };
        let nonce: String = mark.chars().filter(char::is_ascii_alphanumeric).collect();
        let folder = self.spec.folder.as_str();
        let (parent, name) = folder.rsplit_once('/').unwrap_or(("", folder));
        let aside = path(&format!("{parent}/.{name}-{nonce}"))?;
        Ok(self.host.remove_tree_marked(&self.spec.folder, &marker, &aside).await?)
    }

    /// Runs SQL on the server's own PostgreSQL as its superuser, by standard input. Rows come back as
    /// lines, columns parted by `|`.
    pub(super) async fn psql(&self, cx: &Cx, database: &str, sql: &str, writes: bool) -> Result<String, StepError> {
        let name = app_name(cx);
        let argv = [
            "runuser",
            "-u",
            "postgres",
            "--",
            "psql",
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
            "-f",
            "-",
        ];
        let env = [("PGAPPNAME", name.as_str())];
        let root = path("/")?;
        let run = Run {
            stdin: Some(sql.as_bytes()),
            env: &env,
            cwd: Some(&root),
            limit: SHORT * 5,
            writes,
            ..Run::reading(&argv, SHORT)
        };
        Ok(self.host.must(&run, &quiet).await?.text())
    }

    /// Waits until PostgreSQL works no more for a dead worker of this job.
    pub(super) async fn settle_psql(&self, cx: &Cx) -> Result<(), StepError> {
        let began = Instant::now();
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = {} AND pid <> pg_backend_pid()",
            literal(&app_name(cx))
        );
        loop {
            if self.psql(cx, "postgres", &sql, false).await? == "0" {
                return Ok(());
            }
            if began.elapsed() >= SETTLE {
                return Err(StepError::new("not_settled", "PostgreSQL still works for the last worker").transient());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The unit of a long step.
    pub(super) fn unit(&self, cx: &Cx, step: &str) -> Result<Unit, StepError> {
        let name = format!("vigie-job-{}-{}", cx.job_id()?, step.replace('_', "-"));
        Ok(Unit::new(&name, &own_mark(cx)?)?)
    }

    /// Whether the long work of this step was begun: it runs, or has ended and was not taken note of.
    pub(super) async fn begun(&self, cx: &Cx, step: &str) -> Result<bool, StepError> {
        let state = self.host.unit_state(&self.unit(cx, step)?).await?;
        Ok(matches!(state, UnitState::Running) || state.is_success())
    }

    /// Does long work as a named unit, which neither a broken connection nor the end of this worker ends;
    /// begun already, it is followed to its end. A cancelled job ends it.
    pub(super) async fn long(&self, cx: &Cx, step: &str, work: &Work<'_>) -> Result<(), StepError> {
        let unit = self.unit(cx, step)?;
        let state = self.host.unit_state(&unit).await?;
        if matches!(state, UnitState::Ended { .. }) && !state.is_success() {
            self.host.forget_unit(&unit).await?;
        }
        let run = UnitRun {
            unit: &unit,
            argv: work.argv,
            env: work.env,
            secrets: &[],
            stdin: None,
            cwd: work.cwd,
            user: work.user,
            limit: work.limit,
        };
        self.host.start_unit(&run).await?;
        let last = Mutex::new(String::new());
        let say = |stream, text: SafeText| {
            if let Ok(mut last) = last.lock()
                && !text.as_str().trim().is_empty()
            {
                *last = text.as_str().to_owned();
            }
            cx.log.output(stream, text.as_str());
        };
        let mut cursor = 0;
        let followed = tokio::select! {
            biased;
            state = self.host.follow_unit(&unit, &mut cursor, work.limit, &say) => Some(state?),
            () = cx.cancel.cancelled() => None,
        };
        let Some(state) = followed else {
            self.forget(&unit).await?;
            return Err(StepError::cancelled());
        };
        let program = work.argv.first().copied().unwrap_or_default();
        match &state {
            UnitState::Absent => Err(StepError::new(
                "lost",
                format!("{program} was interrupted: the server was started anew meanwhile"),
            )
            .transient()),
            state if state.is_success() => {
                self.host.forget_unit(&unit).await?;
                Ok(())
            }
            UnitState::Ended { code, result } => {
                self.host.forget_unit(&unit).await?;
                let last = last.lock().map(|last| last.clone()).unwrap_or_default();
                let how = code.map_or_else(|| result.clone(), |code| format!("exit status {code}"));
                Err(StepError::new("failed", format!("{program} ended with {how}: {last}"))
                    .hint("its whole output is in the job's log"))
            }
            UnitState::Running => Err(StepError::new("deadline", format!("{program} still runs")).transient()),
        }
    }

    /// Ends what a long step has running, and forgets it.
    pub(super) async fn end_long(&self, cx: &Cx, step: &str) -> Result<(), StepError> {
        let unit = self.unit(cx, step)?;
        self.forget(&unit).await
    }

    async fn forget(&self, unit: &Unit) -> Result<(), StepError> {
        self.host.stop_unit(unit).await?;
        Ok(self.host.forget_unit(unit).await?)
    }
}

/// Long work.
pub(super) struct Work<'a> {
    pub(super) argv: &'a [&'a str],
    pub(super) env: &'a [(&'a str, &'a str)],
    pub(super) cwd: Option<&'a RemotePath>,
    pub(super) user: Option<&'a str>,
    pub(super) limit: Duration,
}

/// Something that has the name already, and isn't this job's.
pub(super) fn taken(what: &str) -> StepError {
    StepError::new(
        "taken",
        format!("{what} is there already, and this job did not make it"),
    )
    .hint("choose another name, or look at it by hand: vigie never touches what it did not make")
}

/// What PostgreSQL shows as `application_name`.
fn app_name(cx: &Cx) -> String {
    cx.job
        .map_or_else(|| "vigie plan".to_owned(), |job| format!("vigie dedicated job {job}"))
}

/// A text as SQL writes it.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as SQL writes it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The instance's database.
pub(super) fn database(at: &At) -> &DbName {
    &at.spec.names.database
}

impl From<HostError> for StepError {
    fn from(error: HostError) -> Self {
        crate::remote::RemoteError::from(error).into()
    }
}
