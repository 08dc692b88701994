//! The modules in the instance's database, and its identity: administrator, address, mark.

use super::conf::addons;
use super::database::{drop_database, make_database};
use super::shell::{At, Work, at, build, database, literal, mark};
use super::source::{ODOO_BIN, PYTHON};
use crate::domain::dedicated::Module;
use crate::jobs::kinds::common::{MARK_PARAMETER, admin_password};
use crate::jobs::step::{Cx, Observed, Outcome, Planned, Step, StepError};
use async_trait::async_trait;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

pub(super) struct Modules;

/// What of the wanted modules the source has, and what it lacks.
async fn sorted(at: &At, wanted: &[Module]) -> Result<(Vec<Module>, Vec<Module>), StepError> {
    let folders = addons(at).await?;
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for module in wanted {
        let mut found = module.as_str() == "base";
        for folder in &folders {
            let manifest = super::shell::path(&format!("{folder}/{module}/__manifest__.py"))?;
            found = found || at.host.stat(&manifest).await?.is_some();
        }
        if found { &mut there } else { &mut missing }.push(module.clone());
    }
    Ok((there, missing))
}

/// Whether the installation is whole: the mark is written last.
async fn whole(cx: &Cx, at: &At) -> Result<bool, StepError> {
    let sql = "SELECT to_regclass('public.ir_config_parameter') IS NOT NULL";
    if at.psql(cx, database(at).as_str(), sql, false).await? != "t" {
        return Ok(false);
    }
    let sql = format!(
        "SELECT value FROM ir_config_parameter WHERE key = {}",
        literal(MARK_PARAMETER)
    );
    Ok(at.psql(cx, database(at).as_str(), &sql, false).await? == mark(cx)?)
}

#[async_trait]
impl Step for Modules {
    fn name(&self) -> &'static str {
        "modules"
    }
    fn title(&self) -> &'static str {
        "install its modules"
    }
    fn limit(&self) -> Duration {
        LONG + Duration::from_secs(300)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let wanted: Vec<&str> = build(cx)?.modules.iter().map(Module::as_str).collect();
        Ok(Planned::on(wanted.join(", ")))
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        at(cx)?.settle_psql(cx).await
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        if whole(cx, &at(cx)?).await? {
            return Ok(Observed::Applied(Outcome::default()));
        }
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        if whole(cx, &at).await? {
            return Ok(Outcome::default());
        }
        let (there, missing) = sorted(&at, &build(cx)?.modules).await?;
        for module in &missing {
            cx.log
                .warning(format!("the source has no module {module}: it is left out"));
        }
        if !at.begun(cx, self.name()).await? {
            // What an installation that failed leaves behind can't be built on.
            let sql = "SELECT to_regclass('public.ir_module_module') IS NOT NULL";
            if at.psql(cx, database(&at).as_str(), sql, false).await? == "t" {
                cx.log
                    .info("an installation was left half made: its database is made anew");
                drop_database(cx, &at, &mark).await?;
                make_database(cx, &at, &mark).await?;
            }
        }
        let list: Vec<&str> = there.iter().map(Module::as_str).collect();
        let list = list.join(",");
        let (python, odoo, conf) = (at.path(PYTHON)?, at.path(ODOO_BIN)?, at.path("odoo.conf")?);
        let mut argv = vec![
            python.as_str(),
            odoo.as_str(),
            "-c",
            conf.as_str(),
            "-d",
            database(&at).as_str(),
            "-i",
            list.as_str(),
            "--stop-after-init",
            "--no-http",
        ];
        // From 19 on demonstration data is left out unless it is asked for.
        if at.spec.series.0 < 19 {
            argv.push("--without-demo=all");
        }
        let work = Work {
            argv: &argv,
            env: &[("HOME", "/nonexistent")],
            cwd: Some(&at.spec.folder),
            user: Some(at.names().user.as_str()),
            limit: LONG,
        };
        at.long(cx, self.name(), &work).await?;
        let password = admin_password(cx).await?;
        let hash = cx.tools.hashed(cx.job_id()?, password).await?;
        let spec = cx.world.instance_spec()?;
        // One transaction: an instance never has its address without its password.
        let mut sql = format!(
            "BEGIN; UPDATE res_users SET login = {}, password = {} WHERE login = 'admin';",
            literal(&spec.admin_login),
            literal(hash.expose())
        );
        for (key, value) in [
            ("web.base.url", spec.url.as_str()),
            ("web.base.url.freeze", "True"),
            (MARK_PARAMETER, mark.as_str()),
        ] {
            sql += &format!(
                "DELETE FROM ir_config_parameter WHERE key = {key};
                 INSERT INTO ir_config_parameter (key, value) VALUES ({key}, {});",
                literal(value),
                key = literal(key)
            );
        }
        sql += "COMMIT;";
        at.psql(cx, database(&at).as_str(), &sql, true).await?;
        Ok(Outcome::note(list))
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        at(cx)?.end_long(cx, self.name()).await?;
        Ok(Outcome::note("goes with its database"))
    }
}
