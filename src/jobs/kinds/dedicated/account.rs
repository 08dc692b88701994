//! The instance's system user and its folder. Its code and configuration are root's: it can read them
//! and can't change them. Only its data and its log are its own.

use super::shell::{At, MARK_FILE, at, mark, path, taken};
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::remote::host::{Marker, Owner};
use async_trait::async_trait;

pub(super) struct Account;

/// The comment of the instance's system user; `None` where there is no such user.
async fn comment(at: &At) -> Result<Option<String>, StepError> {
    let found = at.ask(&["getent", "passwd", &at.names().user]).await?;
    match found.code {
        Some(0) => Ok(found
            .text()
            .split(':')
            .nth(4)
            .map(|gecos| gecos.trim_end_matches(',').to_owned())),
        Some(2) => Ok(None),
        _ => Err(StepError::new("getent", format!("getent on {}: {}", at.host.label(), found.stderr)).transient()),
    }
}

/// Removes the user, if it carries the mark.
pub(super) async fn remove_user(cx: &Cx, at: &At, mark: &str) -> Result<bool, StepError> {
    let user = at.names().user.clone();
    match comment(at).await? {
        None => Ok(false),
        Some(found) if found == mark => {
            // Nothing of it may be left running; where nothing is, pkill says so by its status.
            at.ask(&["pkill", "-KILL", "-u", &user]).await?;
            at.change(cx, &["userdel", &user]).await?;
            Ok(true)
        }
        Some(_) => Err(taken(&format!("the system user {user}"))),
    }
}

#[async_trait]
impl Step for Account {
    fn name(&self) -> &'static str {
        "account"
    }
    fn title(&self) -> &'static str {
        "make its user and folders"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let at = at(cx)?;
        Ok(Planned::on(format!("user {}, {}", at.names().user, at.spec.folder)))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        // Each part is looked at where it is made.
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let user = at.names().user.clone();
        match comment(&at).await? {
            None => {
                let folder = at.spec.folder.as_str();
                let argv = [
                    "useradd",
                    "--system",
                    "--user-group",
                    "--no-create-home",
                    "--home-dir",
                    folder,
                    "--shell",
                    "/usr/sbin/nologin",
                    "--comment",
                    &mark,
                    "--",
                    &user,
                ];
                at.change(cx, &argv).await?;
            }
            Some(found) if found == mark => {}
            Some(_) => return Err(taken(&format!("the system user {user}"))),
        }
        let folder = at.spec.folder.as_str();
        let above = path(
            folder
                .rsplit_once('/')
                .map_or("/", |(above, _)| if above.is_empty() { "/" } else { above }),
        )?;
        if !at.host.exists(&above).await? {
            return Err(
                StepError::new("no_folder", format!("there is no {above} on {}", at.host.label()))
                    .hint("make it, or mend [dedicated] apps_dir"),
            );
        }
        let marker = Marker {
            file: MARK_FILE,
            text: &mark,
        };
        let readable = Owner::Named("root", &user);
        let own = Owner::Named(&user, &user);
        at.host
            .make_dir(&at.spec.folder, readable, 0o750, Some(&marker))
            .await?;
        at.host
            .make_dir(&at.path("custom_addons")?, readable, 0o750, None)
            .await?;
        at.host.make_dir(&at.path("data")?, own, 0o700, None).await?;
        let log = at.path("odoo.log")?;
        if at.host.stat(&log).await?.is_none() {
            at.host.write(&log, b"", own, 0o640).await?;
        }
        Ok(Outcome::note(format!("{user}, {folder}")))
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let folder = at.remove_folder(&mark).await?;
        let user = remove_user(cx, &at, &mark).await?;
        Ok(Outcome::note(if folder || user { "removed" } else { "there was none" }))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let at = at(cx).ok()?;
        let (folder, user) = (&at.spec.folder, &at.names().user);
        Some(Leftover {
            what: format!(
                "the folder {folder} and the system user {user} (whichever is there) on {}",
                at.host.label()
            ),
            remove: format!("where {folder}/{MARK_FILE} carries this job's mark: rm -r {folder}; userdel {user}"),
        })
    }
}
