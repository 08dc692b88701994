//! What the steps of several kinds share: whose a database is, and which ways lead to the server.

use crate::domain::job::{Mark, StepState};
use crate::domain::{DbName, Problem, RemotePath, Secret, SecretRef};
use crate::jobs::step::{Cx, Leftover, StepError};
use crate::remote::RemoteError;
use crate::remote::odoo::{FaultKind, Login, Odoo};
use crate::remote::postgres::{Cluster, temp_name};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// `ir.config_parameter` that carries a job's mark where SQL doesn't reach.
pub(super) const MARK_PARAMETER: &str = "vigie.mark";
/// For what was cancelled to end.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// What a dead client left running may go on so long by itself before it is cancelled.
const SETTLE_PATIENCE: Duration = Duration::from_secs(20);

impl From<RemoteError> for StepError {
    fn from(error: RemoteError) -> Self {
        Self {
            transient: error.is_transient(),
            problem: error.problem(),
        }
    }
}

/// Which way something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// Over SQL, with the server's credentials.
    Sql,
    /// Through Odoo's own database management.
    Rpc,
}

/// How the filestore comes along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Files {
    /// Copied on the machine, from this data folder.
    Copied(RemotePath),
    /// Odoo copies it with the database.
    ByOdoo,
    /// The template has none.
    None,
}

/// The ways a job goes, chosen by its first step and kept in its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ways {
    /// Whether SQL reaches the server.
    pub(super) sql: bool,
    /// How the database is made.
    pub(super) database: Way,
    /// How its files come along.
    pub(super) files: Files,
}

/// Whose a job's database is.
pub(super) struct Ours {
    /// The mark.
    pub(super) mark: Mark,
    /// The one-time name.
    pub(super) temp: DbName,
}

/// A value nobody else knows.
pub(super) fn nonce() -> Result<String, StepError> {
    let mut bytes = [0_u8; 10];
    getrandom::fill(&mut bytes)
        .map_err(|error| StepError::new("random", format!("the system gives no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The job's mark and one-time name, from its first step's record.
pub(super) fn ours(cx: &Cx) -> Result<Ours, StepError> {
    let nonce = cx.data_of("validate")["nonce"]
        .as_str()
        .ok_or_else(|| StepError::new("internal", "the job's record has no nonce"))?;
    let mark = Mark {
        job: cx.job_id()?,
        nonce: nonce.to_owned(),
    };
    let temp = temp_name(&mark).map_err(|error| StepError::new("internal", error.to_string()))?;
    Ok(Ours { mark, temp })
}

/// The ways, from the first step's record.
pub(super) fn ways(cx: &Cx) -> Result<Ways, StepError> {
    serde_json::from_value(cx.data_of("validate")["ways"].clone())
        .map_err(|_| StepError::new("internal", "the job's record does not say which way it goes"))
}

/// A number of a step's record.
pub(super) fn oid_of(data: &Value) -> Option<u32> {
    data["oid"].as_u64().and_then(|oid| u32::try_from(oid).ok())
}

/// What PostgreSQL shows as `application_name`: how a later process finds what this job left running.
pub(super) fn app_name(cx: &Cx) -> String {
    match (cx.job, cx.data_of("validate")["nonce"].as_str()) {
        (Some(job), Some(nonce)) => format!("vigie job {job} {nonce}"),
        (Some(job), None) => format!("vigie job {job} looks"),
        _ => "vigie plan".to_owned(),
    }
}

/// The server's PostgreSQL.
pub(super) async fn cluster(cx: &Cx) -> Result<Cluster, StepError> {
    Ok(cx.tools.remote.postgres(&cx.world.server.spec, &app_name(cx)).await?)
}

/// The server's Odoo.
pub(super) fn odoo(cx: &Cx) -> Odoo {
    cx.tools.remote.odoo(&cx.world.server.spec)
}

/// Waits for what a dead client of this job left running on the server's PostgreSQL, and ends what
/// does not end by itself.
pub(super) async fn settle_sql(cx: &Cx) -> Result<(), StepError> {
    settle_patiently(cx, SETTLE_PATIENCE).await
}

/// As [`settle_sql`], letting queries run for `patience`: a copy that is nearly done is better waited
/// for than begun anew. A cancel of the job ends the patience.
pub(super) async fn settle_patiently(cx: &Cx, patience: Duration) -> Result<(), StepError> {
    let cluster = cluster(cx).await?;
    let name = app_name(cx);
    let left = cluster.sessions_of(&name).await?.len();
    if left > 0 {
        cx.log
            .info("PostgreSQL still works for the last worker: waiting for it");
    }
    let settled = tokio::select! {
        settled = cluster.settle(&name, patience, SETTLE_LIMIT) => Some(settled?),
        () = cx.cancel.cancelled() => None,
    };
    if settled.is_none() {
        cluster.settle(&name, Duration::ZERO, SETTLE_LIMIT).await?;
        return Err(StepError::cancelled());
    }
    Ok(())
}

/// Runs what may take long; when the job is cancelled, drops it (which cancels it on the server) and
/// waits until nothing of it runs any more.
pub(super) async fn or_cancelled<T>(
    cx: &Cx,
    sql: bool,
    work: impl Future<Output = Result<T, RemoteError>>,
) -> Result<T, StepError> {
    let done = tokio::select! {
        biased;
        done = work => Some(done),
        () = cx.cancel.cancelled() => None,
    };
    match done {
        Some(done) => Ok(done?),
        None => {
            if sql {
                // What was dropped is cancelled already, and only once.
                cluster(cx)
                    .await?
                    .settle(&app_name(cx), SETTLE_PATIENCE, SETTLE_LIMIT)
                    .await?;
            }
            Err(StepError::cancelled())
        }
    }
}

/// Whether SQL reaches the server, or why not.
pub(super) async fn reach_sql(cx: &Cx) -> Result<Cluster, Problem> {
    let server = &cx.world.server.spec;
    if server.db_host.is_none() {
        return Err(Problem::new(
            "not_configured",
            format!("the PostgreSQL of {} is not on record", server.code),
        )
        .hint("give db_host, db_user and db_password with the server's form (e) or `vigie server edit`"));
    }
    cx.tools
        .remote
        .postgres(server, &app_name(cx))
        .await
        .map_err(|error| error.problem())
}

/// Whether Odoo's database management is open to us, or why not.
pub(super) async fn reach_management(cx: &Cx) -> Result<(), Problem> {
    let server = &cx.world.server.spec;
    let Some(reference) = &server.master_password else {
        return Err(Problem::new(
            "not_configured",
            format!("the master password of {} is not on record", server.code),
        )
        .hint("give it with --master-password-from, or in the server's form (e)"));
    };
    let password = secret(cx, reference).await.map_err(|error| error.problem)?;
    let limit = cx.tools.remote.limits().call;
    match odoo(cx).master_accepts(&password, limit).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::new(
            "access_denied",
            format!(
                "the Odoo of {} refuses the master password, or its database management is closed",
                server.code
            ),
        )
        .hint("mend the master password's reference (e), or list_db in odoo.conf")),
        Err(error) => Err(error.problem()),
    }
}

/// The value behind a reference.
pub(super) async fn secret(cx: &Cx, reference: &SecretRef) -> Result<Secret, StepError> {
    cx.tools
        .remote
        .keyring()
        .resolve(reference)
        .await
        .map_err(|error| RemoteError::from(error).into())
}

/// The instance's administrator's password.
pub(super) async fn admin_password(cx: &Cx) -> Result<Secret, StepError> {
    secret(cx, &cx.world.instance_spec()?.admin_password).await
}

/// Login and password of the template's administrator, where they are known.
pub(super) async fn template_admin(cx: &Cx) -> Result<Option<(String, Secret)>, StepError> {
    let facts = &cx.world.template()?.facts;
    match (&facts.admin_login, &facts.admin_password) {
        (Some(login), Some(password)) => Ok(Some((login.clone(), secret(cx, password).await?))),
        _ => Ok(None),
    }
}

/// The user's id; `None` when login or password is refused, or the database isn't there.
pub(super) async fn uid(odoo: &Odoo, db: &DbName, login: &str, password: &Secret) -> Result<Option<i64>, StepError> {
    match odoo.authenticate(db, login, password).await {
        Ok(uid) => Ok(uid),
        Err(RemoteError::Odoo(error)) if error.kind() == Some(FaultKind::DatabaseUnreachable) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the database of this name carries the job's mark in its parameters, for servers that only
/// RPC reaches. Whoever can log in with one of `credentials` can tell; `false` where none can.
pub(super) async fn marked_by_rpc(
    odoo: &Odoo,
    db: &DbName,
    mark: &Mark,
    credentials: &[(String, Secret)],
) -> Result<bool, StepError> {
    for (login, password) in credentials {
        if let Some(uid) = uid(odoo, db, login, password).await? {
            let login = Login { db, uid, password };
            let found = odoo.get_param(login, MARK_PARAMETER).await?;
            return Ok(found.is_some_and(|found| found.as_str() == mark.to_string()));
        }
    }
    Ok(false)
}

/// Waits until a call of Odoo's database management, whose client died, has come to an end: Odoo goes
/// on with it. Nothing to be seen proves nothing at first, since the request may still be on its way.
pub(super) async fn settle_management(cx: &Cx, sql: bool, names: &[&DbName]) -> Result<(), StepError> {
    // Without PostgreSQL's word nothing shows that Odoo still copies: on the way back, where what comes
    // late would stay, it is given more time.
    let back = cx.steps.iter().any(|step| step.state == StepState::Undoing);
    let quiet = if back && !sql {
        cx.tools.quiet * 4
    } else {
        cx.tools.quiet
    };
    let began = std::time::Instant::now();
    let limit = cx.tools.remote.limits().create_database;
    let odoo = odoo(cx);
    let cluster = if sql { Some(cluster(cx).await?) } else { None };
    let mut last = None;
    let mut still_since = std::time::Instant::now();
    loop {
        let mut seen = Vec::new();
        for name in names {
            match &cluster {
                Some(cluster) => {
                    let there = cluster.database(name).await?.map(|info| (info.oid, info.size));
                    let mut busy = cluster.sessions_on(name).await?;
                    busy.extend(cluster.sessions_of("").await?);
                    let working = busy.iter().any(|session| {
                        let on = session.database.as_ref().is_some_and(|db| db.as_str() == name.as_str());
                        let about = session
                            .query
                            .as_ref()
                            .is_some_and(|query| query.as_str().contains(name.as_str()));
                        let idle = session.state.as_ref().is_none_or(|state| state.as_str() == "idle");
                        (on || about) && !idle
                    });
                    if working {
                        still_since = std::time::Instant::now();
                    }
                    seen.push(format!("{there:?}"));
                }
                None => seen.push(odoo.db_exist(name).await?.to_string()),
            }
        }
        if last.as_ref() != Some(&seen) {
            last = Some(seen);
            still_since = std::time::Instant::now();
        }
        if still_since.elapsed() >= quiet {
            return Ok(());
        }
        if began.elapsed() >= limit {
            return Err(StepError::new(
                "not_settled",
                format!("Odoo still works on {} after {} s", names[0], limit.as_secs()),
            )
            .transient());
        }
        tokio::time::sleep((quiet / 8).clamp(Duration::from_millis(20), Duration::from_millis(500))).await;
    }
}

/// The one-time name is taken: nobody else knows it, so this is what a dead worker had asked of Odoo,
/// come to its end only now. Settled and looked at again, it is as any other that is left.
pub(super) fn still_at_it(error: StepError) -> StepError {
    if error.problem.code == "database_exists" {
        error.transient()
    } else {
        error
    }
}

/// Drops a database of ours that Odoo made, with its filestore. `sql`: where PostgreSQL can tell
/// whether it is gone.
pub(super) async fn drop_through_odoo(cx: &Cx, cluster: Option<&Cluster>, name: &DbName) -> Result<bool, StepError> {
    let dropped = odoo(cx).drop(name).await?;
    if let Some(cluster) = cluster
        && cluster.database(name).await?.is_some()
    {
        return Err(StepError::new(
            "not_dropped",
            format!("Odoo was asked to drop {name}, and did not"),
        ));
    }
    Ok(dropped)
}

/// A database that could not be removed.
pub(super) fn database_left(cx: &Cx, names: &[&DbName]) -> Leftover {
    let server = &cx.world.server.spec;
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let place = server.db_host.as_ref().map_or_else(
        || server.server_url.to_string(),
        |host| format!("PostgreSQL at {host}:{}", server.db_port),
    );
    Leftover {
        what: format!("the database {} (whichever is there) on {place}", names.join(" or ")),
        remove: format!(
            "where its comment carries this job's number: {}",
            names
                .iter()
                .map(|name| format!("DROP DATABASE {name};"))
                .collect::<Vec<_>>()
                .join(" or ")
        ),
    }
}
