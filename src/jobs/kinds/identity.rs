//! The copy's own identity, and the proof through Odoo that it has it.

use super::clone::{clone_oid, no_template_password};
use super::common::{MARK_PARAMETER, Way, admin_password, cluster, odoo, ours, settle_sql, template_admin, uid, ways};
use crate::domain::{DbName, Secret, SecretRef};
use crate::jobs::step::{Cx, Observed, Outcome, Planned, Step, StepError};
use crate::registry::Consequence;
use crate::remote::odoo::Login;
use crate::remote::postgres::{Cluster, DatabaseInfo, Identity};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) struct GiveIdentity;

#[async_trait]
impl Step for GiveIdentity {
    fn name(&self) -> &'static str {
        "identity"
    }
    fn title(&self) -> &'static str {
        "give it its identity"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let spec = cx.world.instance_spec()?;
        // The password must be to be had now, not after the clone; a sealed one is our own, or made later.
        if !matches!(spec.admin_password, SecretRef::Sealed { .. }) {
            admin_password(cx).await?;
        }
        Ok(Planned::on(format!("{}, login {}", spec.url, spec.admin_login)))
    }

    async fn intent(&self, _cx: &Cx) -> Result<Value, StepError> {
        Ok(json!({ "uuid": uuid::Uuid::new_v4().to_string(), "created_at": Timestamp::now() }))
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        if ways(cx)?.sql { settle_sql(cx).await } else { Ok(()) }
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let given = if ways(cx)?.sql {
            let cluster = cluster(cx).await?;
            let info = copy(cx, &cluster).await?;
            let target = &cx.world.instance_spec()?.database_name;
            info.allow_connections
                && cluster
                    .tenant(target)
                    .await?
                    .param("database.uuid")
                    .await?
                    .is_some_and(|u| u.as_str() == new_uuid(cx))
        } else {
            given_by_rpc(cx).await?
        };
        Ok(if given {
            Observed::Applied(outcome(cx))
        } else {
            Observed::NotApplied
        })
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let spec = cx.world.instance_spec()?;
        if !ways(cx)?.sql {
            if !given_by_rpc(cx).await? {
                by_rpc(cx).await?;
            }
            return Ok(outcome(cx));
        }
        let hash = cx.tools.hashed(cx.job_id()?, admin_password(cx).await?).await?;
        let cluster = cluster(cx).await?;
        let info = copy(cx, &cluster).await?;
        // Opened only now: until here nobody could log in with the template's passwords.
        if !info.allow_connections {
            cluster.allow_connections(&spec.database_name, true).await?;
        }
        let identity = Identity {
            uuid: new_uuid(cx),
            created_at: created_at(cx),
            base_url: &spec.url,
            company: &spec.name,
            admin_login: &spec.admin_login,
            admin_password_hash: &hash,
        };
        cluster
            .tenant(&spec.database_name)
            .await?
            .give_identity(&identity)
            .await?;
        Ok(outcome(cx))
    }
}

fn new_uuid(cx: &Cx) -> &str {
    cx.data["uuid"].as_str().unwrap_or_default()
}

fn created_at(cx: &Cx) -> Timestamp {
    let written = cx.data["created_at"].as_str().and_then(|at| at.parse().ok());
    written.unwrap_or_else(Timestamp::now)
}

fn outcome(cx: &Cx) -> Outcome {
    let outcome = Outcome::default();
    match cx.spec.instance_id() {
        Some(id) => outcome.then(Consequence::InstanceFacts {
            id,
            database_oid: None,
            database_uuid: Some(new_uuid(cx).to_owned()),
            size_bytes: None,
        }),
        None => outcome,
    }
}

/// The copy, by name, mark and object id: all three, or it isn't touched.
async fn copy(cx: &Cx, cluster: &Cluster) -> Result<DatabaseInfo, StepError> {
    let (ours, target) = (ours(cx)?, &cx.world.instance_spec()?.database_name);
    let info = cluster.database(target).await?;
    let info = info.ok_or_else(|| StepError::new("not_there", format!("the database {target} is gone")))?;
    let same = clone_oid(cx).is_none_or(|oid| oid == info.oid);
    if !same || !info.is_marked(&ours.mark) {
        return Err(StepError::new(
            "not_ours",
            format!("the database {target} is not the one this job made"),
        ));
    }
    Ok(info)
}

async fn given_by_rpc(cx: &Cx) -> Result<bool, StepError> {
    let spec = cx.world.instance_spec()?;
    let (odoo, db, password) = (odoo(cx), &spec.database_name, admin_password(cx).await?);
    let Some(user) = uid(&odoo, db, &spec.admin_login, &password).await? else {
        return Ok(false);
    };
    let login = Login {
        db,
        uid: user,
        password: &password,
    };
    let uuid = odoo.get_param(login, "database.uuid").await?;
    Ok(uuid.is_some_and(|uuid| uuid.as_str() == new_uuid(cx)))
}

/// The same through Odoo's models: the password last, since it ends what its predecessor may do.
async fn by_rpc(cx: &Cx) -> Result<(), StepError> {
    let spec = cx.world.instance_spec()?;
    let (odoo, db) = (odoo(cx), &spec.database_name);
    let (login, password) = template_admin(cx).await?.ok_or_else(no_template_password)?;
    let user = uid(&odoo, db, &login, &password).await?;
    let user =
        user.ok_or_else(|| StepError::new("access_denied", "the template's administrator can't log in to the copy"))?;
    let as_admin = Login {
        db,
        uid: user,
        password: &password,
    };
    let (mark, wanted) = (
        odoo.get_param(as_admin, MARK_PARAMETER).await?,
        ours(cx)?.mark.to_string(),
    );
    if mark.is_none_or(|mark| mark.as_str() != wanted) {
        return Err(StepError::new(
            "not_ours",
            format!("the database {db} is not the one this job made"),
        ));
    }
    let secret = uuid::Uuid::new_v4().to_string();
    let created = created_at(cx).strftime("%Y-%m-%d %H:%M:%S").to_string();
    for (key, value) in [
        ("database.uuid", new_uuid(cx)),
        ("database.create_date", created.as_str()),
        ("database.secret", secret.as_str()),
        ("web.base.url", spec.url.as_str()),
        ("web.base.url.freeze", "True"),
    ] {
        odoo.set_param(as_admin, key, value).await?;
    }
    let company = odoo
        .execute_kw(
            as_admin,
            "res.company",
            "search",
            json!([[]]),
            Some(json!({ "order": "id", "limit": 1 })),
        )
        .await?;
    if let Some(company) = company.as_array().and_then(|ids| ids.first()) {
        let change = json!([[company], { "name": spec.name }]);
        odoo.execute_kw(as_admin, "res.company", "write", change, None).await?;
    }
    let new: Secret = admin_password(cx).await?;
    let change = json!([[user], { "login": spec.admin_login, "password": new.expose() }]);
    odoo.execute_kw(as_admin, "res.users", "write", change, None).await?;
    Ok(())
}

pub(super) struct Verify;

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

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let spec = cx.world.instance_spec()?;
        Ok(Planned::on(format!(
            "{} logs in, the template's passwords don't",
            spec.admin_login
        )))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let spec = cx.world.instance_spec()?;
        let (odoo, db, password) = (odoo(cx), &spec.database_name, admin_password(cx).await?);
        // A database that Odoo can't reach is an error here, and no refusal: it proves nothing.
        if odoo.authenticate(db, &spec.admin_login, &password).await?.is_none() {
            return Err(StepError::new(
                "login_failed",
                format!("{} can't log in to {db} through Odoo", spec.admin_login),
            )
            .hint("check that the server's Odoo uses this PostgreSQL, and that dbfilter lets the database through"));
        }
        let mut old: Vec<(String, Secret)> = template_admin(cx).await?.into_iter().collect();
        old.push(("admin".to_owned(), Secret::new("admin".to_owned())));
        // Each costs Odoo a hash of its own: at the same time.
        let refused = old
            .iter()
            .map(|(login, word)| refuse_old(cx, db, login, word, &password));
        futures_util::future::try_join_all(refused).await?;
        Ok(Outcome::note(format!("{} logs in", spec.admin_login)))
    }
}

async fn refuse_old(cx: &Cx, db: &DbName, login: &str, word: &Secret, new: &Secret) -> Result<(), StepError> {
    // An operator may have chosen the very same words on purpose.
    if word.expose() == new.expose() {
        return Ok(());
    }
    match odoo(cx).authenticate(db, login, word).await? {
        None => Ok(()),
        Some(_) => Err(StepError::new(
            "old_password",
            format!("{login} can still log in to {db} with the template's password"),
        )),
    }
}

/// Which way the identity is given, for the plan's notes.
pub(super) fn identity_way(sql: bool) -> Way {
    if sql { Way::Sql } else { Way::Rpc }
}
