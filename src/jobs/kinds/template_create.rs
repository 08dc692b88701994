//! A template's database made by Odoo itself: under a one-time name, believed only after a login,
//! then renamed, frozen and ready.

use super::clone::taken;
use super::common::{
    Way, cluster, database_left, drop_through_odoo, marked_by_rpc, nonce, odoo, or_cancelled, ours, reach_management,
    reach_sql, secret, settle_management, still_at_it, uid,
};
use super::freeze::{Freeze, Ready, database, state_before, template_id};
use crate::domain::template::TemplateState;
use crate::domain::{Secret, SecretRef};
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::registry::Consequence;
use crate::remote::RemoteError;
use crate::remote::odoo::{CreateDatabase as NewDatabase, Login};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

/// The login of a new template's administrator.
const LOGIN: &str = "admin";

pub(super) fn steps() -> Vec<Box<dyn Step>> {
    vec![
        Box::new(Validate),
        Box::new(CreateDatabase),
        Box::new(InstallModules),
        Box::new(Verify),
        Box::new(Publish),
        Box::new(Freeze),
        Box::new(Ready),
    ]
}

fn by_sql(cx: &Cx) -> bool {
    cx.data_of("validate")["way"] == json!(Way::Sql)
}

/// The administrator's password, made for this job and kept sealed.
async fn password(cx: &Cx) -> Result<Secret, StepError> {
    let of = match &cx.data["password"] {
        Value::Null => &cx.data_of("create_database")["password"],
        own => own,
    };
    let reference: SecretRef = serde_json::from_value(of.clone())
        .map_err(|_| StepError::new("internal", "the job's record has no password"))?;
    secret(cx, &reference).await
}

struct Validate;

struct Found {
    way: Way,
    version: String,
    warning: Option<String>,
}

async fn look(cx: &Cx) -> Result<Found, StepError> {
    let template = cx.world.template()?;
    if template.state == TemplateState::Ready {
        return Err(StepError::new(
            "template_ready",
            format!("the template {} has its database already", template.spec.code),
        )
        .hint("thaw it to edit it, or add another template"));
    }
    let odoo = odoo(cx);
    let version = odoo.version().await?;
    reach_management(cx).await?;
    let name = database(cx)?;
    let (way, warning) = match reach_sql(cx).await {
        Ok(cluster) => {
            if cluster.database(name).await?.is_some() {
                return Err(taken(name).hint("adopt it, or take another name; it is never overwritten"));
            }
            (Way::Sql, None)
        }
        Err(problem) => {
            if odoo.db_exist(name).await? {
                return Err(taken(name).hint("adopt it, or take another name; it is never overwritten"));
            }
            let warning = format!("the template can't be frozen, since {}", problem.message);
            (Way::Rpc, Some(warning))
        }
    };
    let known = odoo.list_lang().await?;
    let language = &template.spec.language;
    if !known.iter().any(|(code, _)| code == language) {
        let some: Vec<&str> = known.iter().take(8).map(|(code, _)| code.as_str()).collect();
        return Err(
            StepError::new("no_such_language", format!("this Odoo has no language {language:?}"))
                .hint(format!("take one of {}, …", some.join(", "))),
        );
    }
    Ok(Found {
        way,
        version: version.series.unwrap_or(version.text).to_string(),
        warning,
    })
}

#[async_trait]
impl Step for Validate {
    fn name(&self) -> &'static str {
        "validate"
    }
    fn title(&self) -> &'static str {
        "validate"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let found = look(cx).await?;
        let planned = Planned::on(format!("{}, Odoo {}", cx.world.server.spec.code, found.version));
        Ok(found.warning.iter().fold(planned, Planned::warning))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        let found = look(cx).await?;
        found.warning.iter().for_each(|warning| cx.log.warning(warning));
        Ok(json!({ "nonce": nonce()?, "way": found.way, "was": state_before(cx)?, "version": found.version }))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        Ok(Outcome::default().then(Consequence::TemplateState(template_id(cx)?, TemplateState::Creating)))
    }
}

struct CreateDatabase;

#[async_trait]
impl Step for CreateDatabase {
    fn name(&self) -> &'static str {
        "create_database"
    }
    fn title(&self) -> &'static str {
        "create database"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(1800)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let language = &cx.world.template()?.spec.language;
        Ok(Planned::on(format!("{}, {language}", database(cx)?)))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        let keyring = cx.tools.remote.keyring();
        let made = keyring.generate_password().map_err(RemoteError::from)?;
        let sealed = keyring.seal(&made).map_err(RemoteError::from)?;
        Ok(json!({ "temp": ours(cx)?.temp, "database": database(cx)?, "login": LOGIN, "password": sealed }))
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        settle_management(cx, by_sql(cx), &[&ours(cx)?.temp, database(cx)?]).await
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        // Odoo's answer is believed in the step that verifies; half made, it is made again.
        let ours = ours(cx)?;
        if by_sql(cx) {
            let info = cluster(cx).await?.database(&ours.temp).await?;
            if !info.is_some_and(|info| info.is_marked(&ours.mark)) {
                return Ok(Observed::NotApplied);
            }
        }
        let whole = uid(&odoo(cx), &ours.temp, LOGIN, &password(cx).await?).await?.is_some();
        Ok(if whole {
            Observed::Applied(Outcome::default())
        } else {
            Observed::NotApplied
        })
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (ours, odoo, password) = (ours(cx)?, odoo(cx), password(cx).await?);
        let cluster = if by_sql(cx) { Some(cluster(cx).await?) } else { None };
        let there = match &cluster {
            Some(cluster) => cluster.database(&ours.temp).await?.is_some(),
            None => odoo.db_exist(&ours.temp).await?,
        };
        let whole = there && uid(&odoo, &ours.temp, LOGIN, &password).await?.is_some();
        if there && !whole {
            cx.log.info(format!(
                "{} is left half made from before: dropped, and made anew",
                ours.temp
            ));
            drop_through_odoo(cx, cluster.as_ref(), &ours.temp).await?;
        }
        if !whole {
            cx.log
                .info("Odoo creates and initialises the database: this takes some seconds");
            let new = NewDatabase {
                name: &ours.temp,
                demo: false,
                lang: &cx.world.template()?.spec.language,
                password: &password,
                login: LOGIN,
                country: None,
                phone: None,
            };
            or_cancelled(cx, false, odoo.create_database(&new))
                .await
                .map_err(still_at_it)?;
        }
        if let Some(cluster) = &cluster {
            cluster.set_mark(&ours.temp, &ours.mark).await?;
        }
        Ok(Outcome::default())
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (ours, target) = (ours(cx)?, database(cx)?);
        let odoo = odoo(cx);
        let mut dropped = false;
        if by_sql(cx) {
            let cluster = cluster(cx).await?;
            for name in [&ours.temp, target] {
                let Some(info) = cluster.database(name).await? else {
                    continue;
                };
                if *name != ours.temp && !info.is_marked(&ours.mark) {
                    cx.log
                        .warning(format!("a database {name} is there, and not this job's: left alone"));
                    continue;
                }
                // Odoo neither drops nor sees what is frozen.
                if info.is_template {
                    cluster.set_template(name, false).await?;
                }
                if !info.allow_connections {
                    cluster.allow_connections(name, true).await?;
                }
                drop_through_odoo(cx, Some(&cluster), name).await?;
                dropped = true;
            }
        } else {
            let credentials = [(LOGIN.to_owned(), password(cx).await?)];
            if odoo.db_exist(&ours.temp).await? {
                drop_through_odoo(cx, None, &ours.temp).await?;
                dropped = true;
            }
            if odoo.db_exist(target).await? && marked_by_rpc(&odoo, target, &ours.mark, &credentials).await? {
                drop_through_odoo(cx, None, target).await?;
                dropped = true;
            }
        }
        Ok(Outcome::note(if dropped { "dropped" } else { "nothing was there" }))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        Some(database_left(cx, &[&ours(cx).ok()?.temp, database(cx).ok()?]))
    }
}

struct InstallModules;

#[async_trait]
impl Step for InstallModules {
    fn name(&self) -> &'static str {
        "install_modules"
    }
    fn title(&self) -> &'static str {
        "install modules"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(2 * 3600)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let modules = &cx.world.template()?.spec.base_modules;
        Ok(Planned::on(if modules.is_empty() {
            "none beside base".to_owned()
        } else {
            modules.join(", ")
        }))
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        settle_management(cx, by_sql(cx), &[&ours(cx)?.temp]).await
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        Ok(if missing(cx).await?.is_empty() {
            Observed::Applied(Outcome::default())
        } else {
            Observed::NotApplied
        })
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let missing = missing(cx).await?;
        if missing.is_empty() {
            return Ok(Outcome::note("nothing to install"));
        }
        cx.log
            .info(format!("Odoo installs {}: this may take minutes", missing.join(", ")));
        let (odoo, ours, password) = (odoo(cx), ours(cx)?, password(cx).await?);
        let login = Login {
            db: &ours.temp,
            uid: user(cx, &password).await?,
            password: &password,
        };
        or_cancelled(cx, false, odoo.install_modules(login, &missing)).await?;
        Ok(Outcome::note(format!("{} installed", missing.len())))
    }

    async fn undo(&self, _cx: &Cx) -> Result<Outcome, StepError> {
        Ok(Outcome::note("they go with the database"))
    }
}

/// The administrator's id in the new database. Odoo answers well to a creation that failed: this is
/// where that shows.
async fn user(cx: &Cx, password: &Secret) -> Result<i64, StepError> {
    let temp = ours(cx)?.temp;
    let found = odoo(cx).authenticate(&temp, LOGIN, password).await?;
    found.ok_or_else(|| {
        StepError::new(
            "init_failed",
            "Odoo answered that it made the database, and its administrator can't log in: the initialisation failed",
        )
        .hint("read Odoo's log on the server")
    })
}

async fn missing(cx: &Cx) -> Result<Vec<String>, StepError> {
    let wanted = &cx.world.template()?.spec.base_modules;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let (odoo, ours, password) = (odoo(cx), ours(cx)?, password(cx).await?);
    let login = Login {
        db: &ours.temp,
        uid: user(cx, &password).await?,
        password: &password,
    };
    let installed = odoo.installed_modules(login).await?;
    Ok(wanted
        .iter()
        .filter(|name| !installed.contains(name))
        .cloned()
        .collect())
}

struct Verify;

#[async_trait]
impl Step for Verify {
    fn name(&self) -> &'static str {
        "verify"
    }
    fn title(&self) -> &'static str {
        "verify through Odoo"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn plan(&self, _cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on("the new password logs in, admin/admin does not"))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (odoo, ours, password) = (odoo(cx), ours(cx)?, password(cx).await?);
        let uid_there = user(cx, &password).await?;
        let usual = Secret::new("admin".to_owned());
        if odoo.authenticate(&ours.temp, "admin", &usual).await?.is_some() {
            return Err(StepError::new(
                "init_failed",
                "admin/admin logs in to the new database: its initialisation failed half way",
            )
            .hint("read Odoo's log on the server"));
        }
        if !by_sql(cx) {
            let login = Login {
                db: &ours.temp,
                uid: uid_there,
                password: &password,
            };
            odoo.set_param(login, super::common::MARK_PARAMETER, &ours.mark.to_string())
                .await?;
        }
        Ok(Outcome::note(format!("{LOGIN} logs in")))
    }
}

struct Publish;

#[async_trait]
impl Step for Publish {
    fn name(&self) -> &'static str {
        "publish"
    }
    fn title(&self) -> &'static str {
        "give it its name"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(database(cx)?.as_str()))
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        settle_management(cx, by_sql(cx), &[&ours(cx)?.temp, database(cx)?]).await
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let (ours, target) = (ours(cx)?, database(cx)?);
        if by_sql(cx) {
            let info = cluster(cx).await?.database(target).await?;
            return Ok(match info.filter(|info| info.is_marked(&ours.mark)) {
                Some(info) => Observed::Applied(Outcome::default().data(json!({ "oid": info.oid }))),
                None => Observed::NotApplied,
            });
        }
        let credentials = [(LOGIN.to_owned(), password(cx).await?)];
        Ok(if marked_by_rpc(&odoo(cx), target, &ours.mark, &credentials).await? {
            Observed::Applied(Outcome::default())
        } else {
            Observed::NotApplied
        })
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (ours, target) = (ours(cx)?, database(cx)?);
        if let Observed::Applied(outcome) = self.observe(cx).await? {
            return Ok(outcome);
        }
        let there = match by_sql(cx) {
            true => cluster(cx).await?.database(target).await?.is_some(),
            false => odoo(cx).db_exist(target).await?,
        };
        if there {
            return Err(taken(target));
        }
        odoo(cx).rename(&ours.temp, target).await?;
        match self.observe(cx).await? {
            Observed::Applied(outcome) => Ok(outcome),
            Observed::NotApplied => Err(StepError::new(
                "not_there",
                format!("Odoo renamed the database, and {target} is not there"),
            )),
        }
    }

    async fn undo(&self, _cx: &Cx) -> Result<Outcome, StepError> {
        Ok(Outcome::note("goes with the database"))
    }
}
