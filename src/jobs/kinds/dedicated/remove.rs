//! A dedicated instance goes: a last backup of database and files, then everything that carries the
//! mark of the job that made it, and nothing else.

use super::database::{drop_both, seen};
use super::shell::{At, Work, at, database, mark, own_mark, path, removal};
use super::{account, finish, record, service, site};
use crate::domain::RemotePath;
use crate::domain::dedicated::DnsMethod;
use crate::domain::instance::InstanceState;
use crate::jobs::kinds::common::nonce;
use crate::jobs::kinds::instance_delete::Release;
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::registry::Consequence;
use crate::remote::host::Owner;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(4 * 3600);

pub(super) struct Preflight;

/// What is to go, and that it is the instance's own.
async fn look(cx: &Cx) -> Result<Vec<String>, StepError> {
    let (at, mark) = (at(cx)?, mark(cx)?);
    let Some(instance) = &cx.world.instance else {
        return Err(StepError::new("not_found", "the instance is no longer in the registry"));
    };
    if instance.state == InstanceState::Provisioning {
        let message = format!("{} is still being made, or its making is stuck", instance.spec.name);
        return Err(StepError::new("being_made", message).hint("cancel or retry the job that makes it"));
    }
    let mut gone = Vec::new();
    let seen = seen(cx, &at).await?;
    match &seen.database {
        None => gone.push(format!("the database {} is gone already", database(&at))),
        Some(_) if seen.database_is_ours(&mark, &at.names().user) => {}
        Some(_) => {
            let message = format!(
                "the database {} is not this instance's: it is not touched",
                database(&at)
            );
            return Err(StepError::new("not_ours", message)
                .hint("look at it by hand: someone put another database in its place"));
        }
    }
    for (what, file) in [
        ("unit", service::file(&at)?),
        ("summary", at.path("info-instancia.txt")?),
    ] {
        match at.host.stat(&file).await? {
            None => gone.push(format!("the {what} {file} is gone already")),
            Some(_) if at.carries(&file, &mark).await? => {}
            Some(_) => {
                return Err(
                    StepError::new("not_ours", format!("{file} is not this instance's: it is not touched"))
                        .hint("look at it by hand: its first line named the job that made it"),
                );
            }
        }
    }
    Ok(gone)
}

#[async_trait]
impl Step for Preflight {
    fn name(&self) -> &'static str {
        "preflight"
    }
    fn title(&self) -> &'static str {
        "look at the server"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let planned = Planned::on(at(cx)?.names().instance.as_str());
        Ok(look(cx).await?.iter().fold(planned, Planned::warning))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        look(cx).await?.iter().for_each(|warning| cx.log.warning(warning));
        // What it was, for the way back.
        let was = match cx.world.instance.as_ref().map(|row| row.state) {
            Some(InstanceState::Deleting) | None => InstanceState::Active,
            Some(state) => state,
        };
        Ok(json!({ "nonce": nonce()?, "was": was }))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let outcome = Outcome::default();
        Ok(match cx.spec.instance_id() {
            Some(id) => outcome.then(Consequence::InstanceState(id, InstanceState::Deleting)),
            None => outcome,
        })
    }
}

pub(super) struct Stop;

#[async_trait]
impl Step for Stop {
    fn name(&self) -> &'static str {
        "stop"
    }
    fn title(&self) -> &'static str {
        "stop its unit"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(at(cx)?.names().unit.as_str()))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        let at = at(cx)?;
        let state = at
            .ask(&["systemctl", "is-active", "--", &at.names().unit])
            .await?
            .text();
        Ok(json!({ "was_active": state == "active" }))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        if !at.carries(&service::file(&at)?, &mark).await? {
            return Ok(Outcome::note("there is none"));
        }
        at.slow(cx, &["systemctl", "stop", "--", &at.names().unit]).await?;
        Ok(Outcome::default())
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let wanted = cx.data["was_active"].as_bool().unwrap_or(true);
        if wanted && at.carries(&service::file(&at)?, &mark).await? {
            at.slow(cx, &["systemctl", "start", "--", &at.names().unit]).await?;
            return Ok(Outcome::note("it runs again"));
        }
        Ok(Outcome::default())
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let unit = at(cx).ok()?.names().unit.clone();
        Some(Leftover {
            what: format!("the instance, whole, with {unit} stopped"),
            remove: format!("systemctl start {unit}"),
        })
    }
}

pub(super) struct Backup;

/// Where the last backup of database and files is put.
fn backups(cx: &Cx, at: &At) -> Result<(RemotePath, RemotePath), StepError> {
    let (folder, name) = (&removal(cx)?.backups, &at.names().instance);
    let nonce = cx.data_of("preflight")["nonce"].as_str().unwrap_or("NONCE");
    Ok((
        path(&format!("{folder}/{name}-{nonce}.dump"))?,
        path(&format!("{folder}/{name}-{nonce}.tar.gz"))?,
    ))
}

/// Dumps, and reads what was dumped: argument 1 is the database, 2 the file.
const DUMP: &str = r#"set -eu; umask 077; cd /
runuser -u postgres -- pg_dump --format=custom --no-password --dbname="$1" > "$2.part"
pg_restore --list "$2.part" > /dev/null
sync -- "$2.part"; mv -f -T -- "$2.part" "$2""#;

/// Packs a folder, and reads what was packed: arguments are the folder above, the folder, the file.
const PACK: &str = r#"set -eu; umask 077; cd /
tar --create --gzip --one-file-system --exclude="$2/venv" --exclude="$2/odoo-server" -C "$1" -f "$3.part" -- "$2"
tar --list --gzip -f "$3.part" > /dev/null
sync -- "$3.part"; mv -f -T -- "$3.part" "$3""#;

#[async_trait]
impl Step for Backup {
    fn name(&self) -> &'static str {
        "backup"
    }
    fn title(&self) -> &'static str {
        "make a last backup"
    }
    fn limit(&self) -> Duration {
        LONG * 2
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let (at, folder) = (at(cx)?, &removal(cx)?.backups);
        Ok(Planned::on(format!("{} and its files, in {folder}", database(&at))))
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let at = at(cx)?;
        let (dump, files) = backups(cx, &at)?;
        // In its place each is whole: it was read before it was put there.
        let there = at.host.stat(&dump).await?.is_some() && at.host.stat(&files).await?.is_some();
        Ok(if there {
            Observed::Applied(Outcome::note(format!("{dump}, {files}")))
        } else {
            Observed::NotApplied
        })
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let at = at(cx)?;
        let (dump, files) = backups(cx, &at)?;
        let folder = &removal(cx)?.backups;
        at.host
            .make_dir(folder, Owner::Named("root", "root"), 0o700, None)
            .await?;
        let run = async |step: &str, argv: &[&str]| {
            let work = Work {
                argv,
                env: &[],
                cwd: None,
                user: None,
                limit: LONG,
            };
            at.long(cx, step, &work).await
        };
        let mut notes = Vec::new();
        if seen(cx, &at).await?.database.is_some() {
            let name = database(&at).as_str();
            run("backup-dump", &["sh", "-c", DUMP, "vigie", name, dump.as_str()]).await?;
            notes.push(dump.to_string());
        }
        if at.host.stat(&at.spec.folder).await?.is_some() {
            let (above, name) = at.spec.folder.as_str().rsplit_once('/').unwrap_or(("/", ""));
            let above = if above.is_empty() { "/" } else { above };
            run(
                "backup-files",
                &["sh", "-c", PACK, "vigie", above, name, files.as_str()],
            )
            .await?;
            notes.push(files.to_string());
        }
        cx.log.info(format!("the last backup: {}", notes.join(", ")));
        Ok(Outcome::note(notes.join(", ")).data(json!({ "files": notes })))
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let at = at(cx)?;
        at.end_long(cx, "backup-dump").await?;
        at.end_long(cx, "backup-files").await?;
        let (dump, files) = backups(cx, &at)?;
        for file in [&dump, &files] {
            at.host.remove_file(file).await?;
            at.host.remove_file(&path(&format!("{file}.part"))?).await?;
        }
        Ok(Outcome::default())
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let (dump, files) = backups(cx, &at(cx).ok()?).ok()?;
        Some(Leftover {
            what: format!("backups that nobody needs: {dump}, {files}"),
            remove: format!("rm -f {dump} {files}"),
        })
    }
}

/// A part of the instance that goes for good.
struct Gone {
    name: &'static str,
    title: &'static str,
    part: Part,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Site,
    Unit,
    Database,
    Folder,
    Lists,
    Record,
}

#[async_trait]
impl Step for Gone {
    fn name(&self) -> &'static str {
        self.name
    }
    fn title(&self) -> &'static str {
        self.title
    }
    fn pivot(&self) -> bool {
        // From the first on there is no way back: what follows is run again until it is done.
        self.part == Part::Site
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(900)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let at = at(cx)?;
        let names = at.names();
        Ok(Planned::on(match self.part {
            Part::Site => format!("{}, for good", names.domain),
            Part::Unit => names.unit.clone(),
            Part::Database => format!("database {}, role {}", names.database, names.user),
            Part::Folder => format!("{}, user {}", at.spec.folder, names.user),
            Part::Record => match at.spec.dns {
                DnsMethod::None => "yours to remove".to_owned(),
                _ => format!("the record of {}", names.domain),
            },
            Part::Lists => match &removal(cx)?.tracking {
                Some(folder) => format!("in {folder}"),
                None => "none are kept".to_owned(),
            },
        }))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        Ok(match self.part {
            Part::Site => json!({ "there": site::is_there(&at(cx)?, &mark(cx)?).await? }),
            _ => Value::Null,
        })
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        match self.part {
            Part::Database => at(cx)?.settle_psql(cx).await,
            _ => Ok(()),
        }
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        // Removing what is gone changes nothing.
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        own_mark(cx)?;
        let removed = match self.part {
            Part::Site => site::remove(cx, &at, &mark).await?,
            Part::Unit => service::remove(cx, &at, &mark).await?,
            Part::Record => record::remove(cx, &at, &mark).await?,
            Part::Database => drop_both(cx, &at, &mark).await?,
            Part::Folder => {
                let folder = at.remove_folder(&mark).await?;
                account::remove_user(cx, &at, &mark).await? || folder
            }
            Part::Lists => match &removal(cx)?.tracking {
                Some(folder) => {
                    finish::keep_lists(cx, &at, folder, "remove").await?;
                    true
                }
                None => false,
            },
        };
        Ok(if removed {
            Outcome::default()
        } else {
            Outcome::note("there was none")
        })
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let there = cx.data["there"].as_bool().unwrap_or(false);
        if self.part == Part::Site && there && !site::is_there(&at(cx)?, &mark(cx)?).await? {
            return Err(
                StepError::new("removed", "its site is removed: it can't be brought back")
                    .hint("retry the job to remove what is left of the instance"),
            );
        }
        Ok(Outcome::default())
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let at = at(cx).ok()?;
        Some(Leftover {
            what: format!("what is left of {} on {}", at.names().instance, at.host.label()),
            remove: "retry the job: it goes on removing".to_owned(),
        })
    }
}

/// The steps, in order.
pub(super) fn steps() -> Vec<Box<dyn Step>> {
    let gone = |name, title, part| Box::new(Gone { name, title, part }) as Box<dyn Step>;
    vec![
        Box::new(Preflight),
        Box::new(Stop),
        Box::new(Backup),
        gone("site", "remove its nginx site", Part::Site),
        gone("dns", "remove its DNS record", Part::Record),
        gone("unit", "remove its unit", Part::Unit),
        gone("database", "drop its database and role", Part::Database),
        gone("folder", "remove its folder and user", Part::Folder),
        gone("lists", "take it out of the lists", Part::Lists),
        Box::new(Release("release its place and ports")),
    ]
}
