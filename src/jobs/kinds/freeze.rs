//! Freezing a template's database, so that cloning never finds it in use, and what goes with it:
//! the record that it is ready, thawing it to be edited, adopting one that is there.

use super::clone::megabytes;
use super::common::{Way, cluster, nonce, oid_of, reach_management, reach_sql};
use crate::domain::template::{TemplateFacts, TemplateState};
use crate::domain::{DbName, TemplateId};
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::registry::Consequence;
use crate::remote::postgres::{Cluster, DatabaseInfo};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn adopt_steps() -> Vec<Box<dyn Step>> {
    vec![Box::new(ValidateAdoption), Box::new(Freeze), Box::new(Ready)]
}

pub(super) fn thaw_steps() -> Vec<Box<dyn Step>> {
    vec![Box::new(ValidateThaw), Box::new(Thaw), Box::new(Draft)]
}

pub(super) fn database(cx: &Cx) -> Result<&DbName, StepError> {
    Ok(&cx.world.template()?.spec.template_database)
}

pub(super) fn template_id(cx: &Cx) -> Result<TemplateId, StepError> {
    Ok(cx.world.template()?.id)
}

fn by_sql(cx: &Cx) -> bool {
    cx.data_of("validate")["way"] != json!(Way::Rpc)
}

/// What the template was before the job.
pub(super) fn was(data: &Value) -> Option<TemplateState> {
    serde_json::from_value(data["was"].clone()).ok()
}

/// The state that a job that fails gives the template back.
pub(super) fn state_before(cx: &Cx) -> Result<TemplateState, StepError> {
    Ok(match cx.world.template()?.state {
        // Left by an attempt that nobody saw the end of.
        TemplateState::Creating => TemplateState::Failed,
        state => state,
    })
}

// ---- adopting ----------------------------------------------------------------------------------

struct ValidateAdoption;

struct Adoptable {
    oid: u32,
    note: String,
    version: Option<String>,
    admin: Option<String>,
}

async fn look_at_adoptable(cx: &Cx) -> Result<Adoptable, StepError> {
    let name = database(cx)?;
    let cluster = reach_sql(cx).await?;
    let info = there(&cluster, name).await?;
    if let Some(other) = &cx.world.lodger {
        return Err(StepError::new(
            "is_an_instance",
            format!("{name} is the database of the instance {other}: it is no template"),
        )
        .hint("duplicate it first, then adopt the copy"));
    }
    if info.is_invalid() {
        return Err(StepError::new(
            "invalid_database",
            format!("a DROP of {name} was interrupted: only DROP works on it"),
        ));
    }
    if !cluster.can_copy(name).await? {
        return Err(StepError::new(
            "no_copy",
            format!("the role on {} may not copy {name}", cluster.address()),
        )
        .hint("give the role that owns it"));
    }
    if !info.allow_connections {
        if !info.is_template {
            return Err(StepError::new(
                "closed_database",
                format!("{name} refuses connections: it can't be seen whether it is an Odoo database"),
            )
            .hint(format!(
                "ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true, then adopt it"
            )));
        }
        return Ok(Adoptable {
            oid: info.oid,
            note: format!("{name} is frozen already"),
            version: None,
            admin: None,
        });
    }
    let tenant = cluster.tenant(name).await?;
    if !tenant.is_odoo().await? {
        return Err(StepError::new("not_odoo", format!("{name} is not an Odoo database"))
            .hint("take one that Odoo has initialised, or let vigie create it"));
    }
    Ok(Adoptable {
        oid: info.oid,
        note: format!("{name} on {}", cluster.address()),
        version: tenant.base_version().await?.map(|version| version.to_string()),
        admin: tenant.admin_user().await?.map(|admin| admin.login.to_string()),
    })
}

async fn there(cluster: &Cluster, name: &DbName) -> Result<DatabaseInfo, StepError> {
    let info = cluster.database(name).await?;
    info.ok_or_else(|| {
        StepError::new(
            "no_such_database",
            format!("there is no database {name} on {}", cluster.address()),
        )
        .hint("mend the template's database name, or create it")
    })
}

#[async_trait]
impl Step for ValidateAdoption {
    fn name(&self) -> &'static str {
        "validate"
    }
    fn title(&self) -> &'static str {
        "validate"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let found = look_at_adoptable(cx).await?;
        let sessions = reach_sql(cx).await?.sessions_on(database(cx)?).await?.len();
        let planned = Planned::on(found.note);
        Ok(if sessions > 0 {
            planned.warning(format!("{sessions} sessions on it will be ended"))
        } else {
            planned
        })
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        let found = look_at_adoptable(cx).await?;
        Ok(json!({
            "nonce": nonce()?, "way": Way::Sql, "oid": found.oid, "was": state_before(cx)?,
            "version": found.version, "admin": found.admin,
        }))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        Ok(Outcome::default().then(Consequence::TemplateState(template_id(cx)?, TemplateState::Creating)))
    }
}

// ---- freezing ----------------------------------------------------------------------------------

pub(super) struct Freeze;

#[async_trait]
impl Step for Freeze {
    fn name(&self) -> &'static str {
        "freeze"
    }
    fn title(&self) -> &'static str {
        "freeze"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let planned = Planned::on(format!("{}: a template, no connections", database(cx)?));
        Ok(match reach_sql(cx).await {
            Ok(_) => planned,
            Err(problem) => planned.warning(format!("it can't be frozen, since {}", problem.message)),
        })
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        if !by_sql(cx) {
            return Ok(json!({}));
        }
        let info = there(&cluster(cx).await?, database(cx)?).await?;
        same(cx, &info)?;
        Ok(json!({ "oid": info.oid, "template": info.is_template, "connections": info.allow_connections }))
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        if !by_sql(cx) {
            return Ok(Observed::NotApplied);
        }
        let (cluster, name) = (cluster(cx).await?, database(cx)?);
        let info = cluster.database(name).await?;
        let frozen = info.is_some_and(|info| info.is_frozen() && Some(info.oid) == oid_of(&cx.data));
        Ok(if frozen && cluster.sessions_on(name).await?.is_empty() {
            Observed::Applied(Outcome::default())
        } else {
            Observed::NotApplied
        })
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        if !by_sql(cx) {
            cx.log
                .warning("PostgreSQL does not reach the server: the template stays open to connections");
            return Ok(Outcome::note("left open"));
        }
        let (cluster, name) = (cluster(cx).await?, database(cx)?);
        let info = there(&cluster, name).await?;
        if Some(info.oid) != oid_of(&cx.data) {
            return Err(not_the_same(name));
        }
        freeze(&cluster, name)
            .await
            .map(|ended| Outcome::note(sessions_ended(ended)))
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        if !by_sql(cx) {
            return Ok(Outcome::default());
        }
        let (cluster, name) = (cluster(cx).await?, database(cx)?);
        let info = cluster.database(name).await?;
        if info.is_none_or(|info| Some(info.oid) != oid_of(&cx.data)) {
            return Ok(Outcome::note("is gone"));
        }
        let (template, connections) = (cx.data["template"] == true, cx.data["connections"] == true);
        cluster.allow_connections(name, connections).await?;
        cluster.set_template(name, template).await?;
        Ok(Outcome::note("as it was"))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let name = database(cx).ok()?;
        Some(Leftover {
            what: format!("the database {name}, whole, and frozen"),
            remove: format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true IS_TEMPLATE false"),
        })
    }
}

fn not_the_same(name: &DbName) -> StepError {
    StepError::new("not_ours", format!("{name} is another database now: it is not touched"))
}

/// That the database is the one the job began with.
fn same(cx: &Cx, info: &DatabaseInfo) -> Result<(), StepError> {
    let begun_with = oid_of(cx.data_of("publish")).or_else(|| oid_of(cx.data_of("validate")));
    match begun_with {
        Some(oid) if oid != info.oid => Err(not_the_same(database(cx)?)),
        _ => Ok(()),
    }
}

/// As a step's note; nothing where nobody was there.
pub(super) fn sessions_ended(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "1 session ended".to_owned(),
        more => format!("{more} sessions ended"),
    }
}

/// First no new sessions, then none at all.
async fn freeze(cluster: &Cluster, name: &DbName) -> Result<usize, StepError> {
    cluster.allow_connections(name, false).await?;
    cluster.set_template(name, true).await?;
    Ok(cluster.terminate_sessions(name, Duration::from_secs(20)).await?)
}

// ---- ready -------------------------------------------------------------------------------------

pub(super) struct Ready;

#[async_trait]
impl Step for Ready {
    fn name(&self) -> &'static str {
        "ready"
    }
    fn title(&self) -> &'static str {
        "ready"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(cx.world.template()?.spec.code.as_str()))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (id, old) = (template_id(cx)?, &cx.world.template()?.facts);
        let begun = cx.data_of("validate");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let made = cx.data_of("create_database");
        let mut facts = TemplateFacts {
            database_oid: None,
            size_bytes: None,
            admin_login: text(&made["login"])
                .or_else(|| text(&begun["admin"]))
                .or_else(|| old.admin_login.clone()),
            admin_password: serde_json::from_value(made["password"].clone()).ok(),
            odoo_version: text(&begun["version"]).or_else(|| old.odoo_version.clone()),
            frozen: false,
        };
        if by_sql(cx) {
            let info = there(&cluster(cx).await?, database(cx)?).await?;
            same(cx, &info)?;
            facts.frozen = info.is_frozen();
            // The same database keeps the password that was recorded for it.
            if facts.admin_password.is_none() && old.database_oid == Some(info.oid) {
                facts.admin_password = old.admin_password.clone();
            }
            (facts.database_oid, facts.size_bytes) = (Some(info.oid), info.size);
        }
        let note = facts.size_bytes.map(megabytes).unwrap_or_default();
        Ok(Outcome::note(note)
            .then(Consequence::TemplateFacts(id, facts))
            .then(Consequence::TemplateState(id, TemplateState::Ready)))
    }
}

// ---- thawing -----------------------------------------------------------------------------------

struct ValidateThaw;

#[async_trait]
impl Step for ValidateThaw {
    fn name(&self) -> &'static str {
        "validate"
    }
    fn title(&self) -> &'static str {
        "validate"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let info = look_at_thawable(cx).await?;
        Ok(Planned::on(info.map_or_else(
            || {
                cx.world
                    .template()
                    .map_or_else(|_| String::new(), |t| t.spec.code.to_string())
            },
            |info| format!("{} (OID {})", info.name, info.oid),
        )))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        let info = look_at_thawable(cx).await?;
        let way = if info.is_some() { Way::Sql } else { Way::Rpc };
        let oid = info.map(|info| info.oid);
        Ok(json!({ "nonce": nonce()?, "way": way, "oid": oid, "was": state_before(cx)? }))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        Ok(Outcome::default().then(Consequence::TemplateState(template_id(cx)?, TemplateState::Creating)))
    }
}

async fn look_at_thawable(cx: &Cx) -> Result<Option<DatabaseInfo>, StepError> {
    let template = cx.world.template()?;
    if template.state != TemplateState::Ready && template.state != TemplateState::Creating {
        return Err(StepError::new(
            "not_frozen",
            format!(
                "the template {} is {}: there is nothing to thaw",
                template.spec.code,
                template.state.word()
            ),
        ));
    }
    let cluster = match reach_sql(cx).await {
        Ok(cluster) => cluster,
        // It could not be frozen either.
        Err(_) if !template.facts.frozen => {
            reach_management(cx).await?;
            return Ok(None);
        }
        Err(problem) => return Err(problem.into()),
    };
    let info = there(&cluster, database(cx)?).await?;
    match template.facts.database_oid {
        Some(oid) if oid != info.oid => Err(not_the_same(database(cx)?)),
        _ => Ok(Some(info)),
    }
}

struct Thaw;

#[async_trait]
impl Step for Thaw {
    fn name(&self) -> &'static str {
        "thaw"
    }
    fn title(&self) -> &'static str {
        "thaw"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(format!("{}: open to connections", database(cx)?)))
    }

    async fn intent(&self, cx: &Cx) -> Result<Value, StepError> {
        Ok(json!({ "oid": oid_of(cx.data_of("validate")) }))
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        if !by_sql(cx) {
            return Ok(Observed::NotApplied);
        }
        let info = there(&cluster(cx).await?, database(cx)?).await?;
        let open = info.allow_connections && !info.is_template && Some(info.oid) == oid_of(&cx.data);
        Ok(if open {
            Observed::Applied(Outcome::default())
        } else {
            Observed::NotApplied
        })
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        if by_sql(cx) {
            let (cluster, name) = (cluster(cx).await?, database(cx)?);
            let info = there(&cluster, name).await?;
            same(cx, &info)?;
            cluster.set_template(name, false).await?;
            cluster.allow_connections(name, true).await?;
        }
        Ok(Outcome::default())
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        if by_sql(cx) {
            let (cluster, name) = (cluster(cx).await?, database(cx)?);
            let info = cluster.database(name).await?;
            if info.is_some_and(|info| Some(info.oid) == oid_of(&cx.data)) {
                freeze(&cluster, name).await?;
            }
        }
        Ok(Outcome::note("frozen again"))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let name = database(cx).ok()?;
        Some(Leftover {
            what: format!("the database {name}, whole, and open to connections"),
            remove: format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false IS_TEMPLATE true"),
        })
    }
}

struct Draft;

#[async_trait]
impl Step for Draft {
    fn name(&self) -> &'static str {
        "draft"
    }
    fn title(&self) -> &'static str {
        "take it out of use"
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        Ok(Planned::on(format!(
            "{} is a draft until it is adopted again",
            cx.world.template()?.spec.code
        )))
    }

    async fn observe(&self, _cx: &Cx) -> Result<Observed, StepError> {
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let id = template_id(cx)?;
        let facts = TemplateFacts {
            frozen: false,
            ..cx.world.template()?.facts.clone()
        };
        Ok(Outcome::default()
            .then(Consequence::TemplateFacts(id, facts))
            .then(Consequence::TemplateState(id, TemplateState::Draft)))
    }
}
