//! Odoo's source in the instance's folder, and its virtual environment. Both are long: they run as
//! named units, and take their place by a rename once they are whole.

use super::shell::{At, Work, at, build, path};
use crate::domain::dedicated::Source as From;
use crate::domain::names::RemotePath;
use crate::jobs::step::{Cx, Observed, Outcome, Planned, Step, StepError};
use crate::remote::host::Owner;
use async_trait::async_trait;
use std::time::Duration;

/// Where Odoo's program is, in the instance's folder.
pub(super) const ODOO_BIN: &str = "odoo-server/odoo-bin";
/// The interpreter of its virtual environment.
pub(super) const PYTHON: &str = "venv/bin/python";
/// A file that says that the virtual environment is whole.
const DONE: &str = "venv/.vigie-whole";
/// Wheels that were built once, for all instances of a server.
const WHEELS: &str = "/var/cache/vigie/wheels";
const LONG: Duration = Duration::from_secs(3600);

pub(super) struct Source;

#[async_trait]
impl Step for Source {
    fn name(&self) -> &'static str {
        "source"
    }
    fn title(&self) -> &'static str {
        "bring Odoo's source"
    }
    fn limit(&self) -> Duration {
        LONG + Duration::from_secs(60)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(format!(
            "{} → {}/odoo-server",
            build(cx)?.source,
            at(cx)?.spec.folder
        )))
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let at = at(cx)?;
        // In its place it is whole: it came there by a rename.
        if at.host.stat(&at.path(ODOO_BIN)?).await?.is_some() {
            return Ok(Observed::Applied(Outcome::default()));
        }
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let at = at(cx)?;
        let (part, whole) = (at.path("odoo-server.part")?, at.path("odoo-server")?);
        if at.host.stat(&at.path(ODOO_BIN)?).await?.is_some() {
            return Ok(Outcome::default());
        }
        if !at.begun(cx, self.name()).await? {
            at.change(cx, &["rm", "-rf", "--one-file-system", "--", part.as_str()])
                .await?;
        }
        let build = build(cx)?;
        let mut env = Vec::new();
        let argv: Vec<&str> = match &build.source {
            From::Folder(folder) => vec![
                "cp",
                "-R",
                "--preserve=mode,timestamps,links",
                "--reflink=auto",
                "--",
                folder.as_str(),
                part.as_str(),
            ],
            From::Tarball(file) => {
                at.host.make_dir(&part, Owner::Maker, 0o755, None).await?;
                vec![
                    "tar",
                    "--no-same-owner",
                    "--strip-components=1",
                    "-C",
                    part.as_str(),
                    "-xf",
                    file.as_str(),
                ]
            }
            From::Git { repository, branch } => {
                // Nobody is asked for a password, and no other way than these two is taken.
                env.extend([
                    ("GIT_TERMINAL_PROMPT", "0"),
                    ("GIT_ALLOW_PROTOCOL", "https:ssh"),
                    ("HOME", "/root"),
                ]);
                vec![
                    "git",
                    "clone",
                    "--quiet",
                    "--depth",
                    "1",
                    "--single-branch",
                    "--branch",
                    branch.as_str(),
                    "--",
                    repository.as_str(),
                    part.as_str(),
                ]
            }
        };
        let work = Work {
            argv: &argv,
            env: &env,
            cwd: None,
            user: None,
            limit: LONG,
        };
        at.long(cx, self.name(), &work).await?;
        if at.host.stat(&at.path("odoo-server.part/odoo-bin")?).await?.is_none() {
            return Err(StepError::new("no_source", format!("{} has no odoo-bin", build.source))
                .hint("mend [dedicated] source: it is the folder that odoo-bin is in"));
        }
        let group = format!("root:{}", at.names().user);
        at.change(cx, &["chown", "-R", "--no-dereference", &group, "--", part.as_str()])
            .await?;
        at.change(cx, &["chmod", "-R", "u=rwX,g=rX,o=", "--", part.as_str()])
            .await?;
        at.host.rename_no_replace(&part, &whole).await?;
        Ok(Outcome::default())
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        // The files go with the folder that carries the mark.
        at(cx)?.end_long(cx, self.name()).await?;
        Ok(Outcome::note("goes with its folder"))
    }
}

pub(super) struct Environment;

/// Where the source says what it needs; `None` where it doesn't.
async fn requirements(at: &At) -> Result<Option<RemotePath>, StepError> {
    let file = at.path("odoo-server/requirements.txt")?;
    Ok(at.host.stat(&file).await?.map(|_| file))
}

#[async_trait]
impl Step for Environment {
    fn name(&self) -> &'static str {
        "environment"
    }
    fn title(&self) -> &'static str {
        "make its virtual environment"
    }
    fn limit(&self) -> Duration {
        LONG * 2
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let (at, build) = (at(cx)?, build(cx)?);
        let with = if has_uv(&at).await? { "uv" } else { "pip" };
        Ok(Planned::on(format!(
            "{}/venv with {}, requirements by {with}",
            at.spec.folder, build.python
        )))
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let at = at(cx)?;
        if at.host.stat(&at.path(DONE)?).await?.is_some() {
            return Ok(Observed::Applied(Outcome::default()));
        }
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, python) = (at(cx)?, build(cx)?.python.as_str());
        let (venv, interpreter) = (at.path("venv")?, at.path(PYTHON)?);
        if at.host.stat(&at.path(DONE)?).await?.is_some() {
            return Ok(Outcome::default());
        }
        let uv = has_uv(&at).await?;
        let cache = path(WHEELS)?;
        at.change(cx, &["mkdir", "-p", "-m", "0755", "--", cache.as_str()])
            .await?;
        let env = [
            ("HOME", "/root"),
            ("PIP_CACHE_DIR", WHEELS),
            ("UV_CACHE_DIR", WHEELS),
            ("PIP_NO_INPUT", "1"),
        ];
        let begun = at.begun(cx, "requirements").await?;
        if !begun {
            let argv = if uv {
                vec![
                    "uv",
                    "venv",
                    "--quiet",
                    "--allow-existing",
                    "--python",
                    python,
                    venv.as_str(),
                ]
            } else {
                vec![python, "-m", "venv", venv.as_str()]
            };
            at.long(cx, self.name(), &in_root(&argv, &env)).await?;
        }
        if let Some(file) = requirements(&at).await? {
            let argv = if uv {
                vec![
                    "uv",
                    "pip",
                    "install",
                    "--quiet",
                    "--python",
                    interpreter.as_str(),
                    "-r",
                    file.as_str(),
                ]
            } else {
                vec![
                    interpreter.as_str(),
                    "-m",
                    "pip",
                    "install",
                    "--disable-pip-version-check",
                    "--quiet",
                    "-r",
                    file.as_str(),
                ]
            };
            at.long(cx, "requirements", &in_root(&argv, &env)).await?;
        } else {
            cx.log.info("the source has no requirements.txt");
        }
        let group = format!("root:{}", at.names().user);
        at.change(cx, &["chown", "-R", "--no-dereference", &group, "--", venv.as_str()])
            .await?;
        at.change(cx, &["chmod", "-R", "g=rX,o=", "--", venv.as_str()]).await?;
        at.host.write(&at.path(DONE)?, b"", Owner::Maker, 0o644).await?;
        Ok(Outcome::note(if uv { "by uv" } else { "by pip" }))
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let at = at(cx)?;
        at.end_long(cx, "requirements").await?;
        at.end_long(cx, self.name()).await?;
        Ok(Outcome::note("goes with its folder"))
    }
}

fn in_root<'a>(argv: &'a [&'a str], env: &'a [(&'a str, &'a str)]) -> Work<'a> {
    Work {
        argv,
        env,
        cwd: None,
        user: None,
        limit: LONG,
    }
}

async fn has_uv(at: &At) -> Result<bool, StepError> {
    at.has(&["uv", "--version"]).await
}
