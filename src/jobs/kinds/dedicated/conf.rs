//! `odoo.conf`: root's, and its user's to read.

use super::preflight::sizing;
use super::shell::{At, at, mark};
use crate::domain::Secret;
use crate::domain::dedicated::{OdooConf, Unwritable, odoo_conf};
use crate::domain::names::RemotePath;
use crate::jobs::kinds::common::nonce;
use crate::jobs::step::{Cx, Observed, Outcome, Planned, Step, StepError};
use crate::remote::host::Owner;
use async_trait::async_trait;

/// Where PostgreSQL's socket is: its user logs in there by its name.
const SOCKET: &str = "/var/run/postgresql";

impl From<Unwritable> for StepError {
    fn from(error: Unwritable) -> Self {
        Self::new("unwritable", error.to_string()).hint("mend that setting")
    }
}

/// Folders of modules that the source has, in the order in which Odoo looks.
pub(super) async fn addons(at: &At) -> Result<Vec<RemotePath>, StepError> {
    let mut found = Vec::new();
    for part in [
        "custom_addons",
        "odoo-server/enterprise",
        "odoo-server/addons",
        "odoo-server/odoo/addons",
    ] {
        let folder = at.path(part)?;
        if at.host.stat(&folder).await?.is_some() {
            found.push(folder);
        }
    }
    Ok(found)
}

pub(super) struct Conf;

#[async_trait]
impl Step for Conf {
    fn name(&self) -> &'static str {
        "conf"
    }
    fn title(&self) -> &'static str {
        "write odoo.conf"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(format!("{}, 0640", at(cx)?.path("odoo.conf")?)))
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let at = at(cx)?;
        if at.carries(&at.path("odoo.conf")?, &mark(cx)?).await? {
            return Ok(Observed::Applied(Outcome::default()));
        }
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let file = at.path("odoo.conf")?;
        if at.carries(&file, &mark).await? {
            return Ok(Outcome::default());
        }
        // Database management is closed (list_db); what would open it is known to nobody.
        let hash = cx.tools.hashed(cx.job_id()?, Secret::new(nonce()? + &nonce()?)).await?;
        let text = odoo_conf(&OdooConf {
            series: at.spec.series,
            database: &at.names().database,
            db_host: SOCKET,
            db_port: 5432,
            db_user: &at.names().user,
            db_password: None,
            master_password_hash: &hash,
            ports: at.spec.ports,
            sizing: sizing(cx),
            addons: &addons(&at).await?,
            data_dir: &at.path("data")?,
            log_file: &at.path("odoo.log")?,
        })?;
        let text = format!("# {mark}\n{text}");
        at.host
            .write(&file, text.as_bytes(), Owner::Named("root", &at.names().user), 0o640)
            .await?;
        Ok(Outcome::note("0640"))
    }

    async fn undo(&self, _cx: &Cx) -> Result<Outcome, StepError> {
        Ok(Outcome::note("goes with its folder"))
    }
}
