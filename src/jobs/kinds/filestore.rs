//! The files of an Odoo database: copied with an instance, removed with it.

use super::common::{Files, ours, ways};
use crate::domain::RemotePath;
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::remote::host::{Filestore, Run, StoreClone};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

/// The filestores below a data folder of the server's machine.
pub(super) fn store(cx: &Cx, data_dir: &RemotePath) -> Result<Filestore, StepError> {
    let host = cx.tools.remote.host(&cx.world.server.spec)?;
    Ok(Filestore::new(host, data_dir)?)
}

/// Ends what a dead worker's copying or removing left running on the machine. The mark's nonce stands
/// in those commands' arguments and in nobody else's.
pub(super) async fn settle_files(cx: &Cx) -> Result<(), StepError> {
    let host = cx.tools.remote.host(&cx.world.server.spec)?;
    let mark = ours(cx)?.mark;
    // In brackets, so that the pattern does not match the command that carries it.
    let pattern = format!("[.]vigie-{}-{}", mark.job, mark.nonce);
    let began = std::time::Instant::now();
    loop {
        let argv = ["pkill", "-KILL", "-f", &pattern];
        let find = Run::writing(&argv, Duration::from_secs(20));
        let found = host.run(&find, &|_, _| {}).await?;
        match found.code {
            Some(1) => return Ok(()),
            Some(0) if began.elapsed() < Duration::from_secs(20) => {
                cx.log.info("a copy that the last worker left running was ended");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Some(0) => return Err(StepError::new("not_settled", "a copy of files does not end").transient()),
            _ => {
                cx.log
                    .warning(format!("could not look for copies still running: {}", found.stderr));
                return Ok(());
            }
        }
    }
}

pub(super) struct CloneFilestore;

#[async_trait]
impl Step for CloneFilestore {
    fn name(&self) -> &'static str {
        "clone_filestore"
    }
    fn title(&self) -> &'static str {
        "clone filestore"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(2 * 3600)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let target = &cx.world.instance_spec()?.database_name;
        Ok(Planned::on(format!("filestore/{target}")))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        let target = &cx.world.instance_spec()?.database_name;
        Ok(match ways(cx)?.files {
            Files::Copied(data_dir) => json!({ "folder": store(cx, &data_dir)?.folder(target)? }),
            _ => json!({}),
        })
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        match ways(cx)?.files {
            Files::Copied(_) => settle_files(cx).await,
            _ => Ok(()),
        }
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let Files::Copied(data_dir) = ways(cx)?.files else {
            return Ok(Observed::NotApplied);
        };
        let target = &cx.world.instance_spec()?.database_name;
        let there = store(cx, &data_dir)?.is_marked(target, &ours(cx)?.mark).await?;
        Ok(if there {
            Observed::Applied(Outcome::default())
        } else {
            Observed::NotApplied
        })
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let data_dir = match ways(cx)?.files {
            Files::Copied(data_dir) => data_dir,
            Files::ByOdoo => return Ok(Outcome::note("Odoo copied it with the database")),
            Files::None => return Ok(Outcome::note("the template has none")),
        };
        let source = &cx.world.template()?.spec.template_database;
        let target = &cx.world.instance_spec()?.database_name;
        let store = store(cx, &data_dir)?;
        let mark = ours(cx)?.mark;
        let copied = tokio::select! {
            copied = store.clone_to(source, target, &mark) => Some(copied),
            () = cx.cancel.cancelled() => None,
        };
        let Some(copied) = copied else {
            settle_files(cx).await?;
            return Err(StepError::cancelled());
        };
        Ok(match copied? {
            StoreClone::NoSource => Outcome::note("the template has none"),
            StoreClone::Now | StoreClone::Already => Outcome::note(super::clone::megabytes(store.bytes(target).await?)),
        })
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let Files::Copied(data_dir) = ways(cx)?.files else {
            return Ok(Outcome::note("goes with the database"));
        };
        let target = &cx.world.instance_spec()?.database_name;
        let (store, mark) = (store(cx, &data_dir)?, ours(cx)?.mark);
        match store.undo(target, &mark).await {
            Ok(true) => Ok(Outcome::note("removed")),
            Ok(false) => Ok(Outcome::note("nothing was there")),
            // Someone else's folder of that name, made meanwhile: it stays, and ours is not there.
            Err(crate::remote::RemoteError::Host(crate::remote::host::HostError::Stranger { .. })) => {
                cx.log
                    .warning(format!("filestore/{target} is there, and not this job's: left alone"));
                Ok(Outcome::note("nothing of this job's was there"))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let Files::Copied(data_dir) = ways(cx).ok()?.files else {
            return None;
        };
        let target = &cx.world.instance_spec().ok()?.database_name;
        let mark = ours(cx).ok()?.mark;
        let server = &cx.world.server.spec.code;
        Some(Leftover {
            what: format!(
                "the folder {data_dir}/filestore/{target} (where it carries this job's .vigie-mark) on {server}"
            ),
            remove: format!(
                "rm -r {data_dir}/filestore/{target} {data_dir}/filestore/.vigie-{}-{}",
                mark.job, mark.nonce
            ),
        })
    }
}
