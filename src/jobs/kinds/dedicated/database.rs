//! The instance's role and database, on the server's own PostgreSQL. The role logs in by its system
//! user over the socket: it has no password that could be lost.

use super::shell::{At, at, database, literal, mark, quoted, taken};
use crate::jobs::step::{Cx, Leftover, Observed, Outcome, Planned, Step, StepError};
use crate::registry::Consequence;
use async_trait::async_trait;
use std::time::Duration;

pub(super) struct Database;

/// What PostgreSQL has under the instance's names.
pub(super) struct Seen {
    /// The role's comment; `None` where there is no role.
    pub(super) role: Option<String>,
    /// The database's comment and owner; `None` where there is none.
    pub(super) database: Option<(String, String)>,
}

pub(super) async fn seen(cx: &Cx, at: &At) -> Result<Seen, StepError> {
    let (name, role) = (literal(database(at).as_str()), literal(&at.names().user));
    let sql = format!(
        "SELECT 'r', coalesce(shobj_description(oid, 'pg_authid'), ''), '' FROM pg_roles WHERE rolname = {role}
         UNION ALL
         SELECT 'd', coalesce(shobj_description(oid, 'pg_database'), ''), pg_get_userbyid(datdba)
         FROM pg_database WHERE datname = {name}"
    );
    let mut seen = Seen {
        role: None,
        database: None,
    };
    for line in at.psql(cx, "postgres", &sql, false).await?.lines() {
        let mut parts = line.split('|').map(str::to_owned);
        match (parts.next().as_deref(), parts.next(), parts.next()) {
            (Some("r"), Some(comment), _) => seen.role = Some(comment),
            (Some("d"), Some(comment), Some(owner)) => seen.database = Some((comment, owner)),
            _ => {}
        }
    }
    Ok(seen)
}

impl Seen {
    fn role_is_ours(&self, mark: &str) -> bool {
        self.role.as_deref() == Some(mark)
    }

    /// A database belongs to the job whose mark it carries, or whose own role it belongs to: nobody
    /// could own by that role before the job had made it.
    pub(super) fn database_is_ours(&self, mark: &str, role: &str) -> bool {
        let of = |(comment, owner): &(String, String)| comment == mark || owner == role && self.role_is_ours(mark);
        self.database.as_ref().is_some_and(of)
    }
}

/// Removes the database, if it is the mark's.
pub(super) async fn drop_database(cx: &Cx, at: &At, mark: &str) -> Result<bool, StepError> {
    let (seen, name) = (seen(cx, at).await?, quoted(database(at).as_str()));
    if seen.database.is_none() {
        return Ok(false);
    }
    if !seen.database_is_ours(mark, &at.names().user) {
        return Err(taken(&format!("the database {name}")));
    }
    let sql = format!("DROP DATABASE {name} WITH (FORCE);");
    at.psql(cx, "postgres", &sql, true).await?;
    Ok(true)
}

/// Removes database and role, if they carry the mark.
pub(super) async fn drop_both(cx: &Cx, at: &At, mark: &str) -> Result<bool, StepError> {
    let dropped = drop_database(cx, at, mark).await?;
    let (seen, role) = (seen(cx, at).await?, quoted(&at.names().user));
    if seen.role.is_none() {
        return Ok(dropped);
    }
    if !seen.role_is_ours(mark) {
        return Err(taken(&format!("the role {role}")));
    }
    at.psql(cx, "postgres", &format!("DROP ROLE {role};"), true).await?;
    Ok(true)
}

/// Makes the database anew, where an installation was left half made.
pub(super) async fn make_database(cx: &Cx, at: &At, mark: &str) -> Result<(), StepError> {
    let (name, role) = (quoted(database(at).as_str()), quoted(&at.names().user));
    // Neither can stand in a transaction; each is its own statement of the script.
    let sql = format!(
        "CREATE DATABASE {name} OWNER {role} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C';
         COMMENT ON DATABASE {name} IS {};
         REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC;",
        literal(mark)
    );
    at.psql(cx, "postgres", &sql, true).await?;
    Ok(())
}

#[async_trait]
impl Step for Database {
    fn name(&self) -> &'static str {
        "database"
    }
    fn title(&self) -> &'static str {
        "make its role and database"
    }
    fn limit(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn plan(&self, cx: &Cx) -> Result<Planned, StepError> {
        let at = at(cx)?;
        Ok(Planned::on(format!(
            "database {}, role {}",
            database(&at),
            at.names().user
        )))
    }

    async fn settle(&self, cx: &Cx) -> Result<(), StepError> {
        at(cx)?.settle_psql(cx).await
    }

    async fn observe(&self, cx: &Cx) -> Result<Observed, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let seen = seen(cx, &at).await?;
        let whole = seen.role_is_ours(&mark) && seen.database.as_ref().is_some_and(|(comment, _)| *comment == mark);
        if whole {
            return Ok(Observed::Applied(outcome(cx, &at).await?));
        }
        Ok(Observed::NotApplied)
    }

    async fn apply(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let (at, mark) = (at(cx)?, mark(cx)?);
        let before = seen(cx, &at).await?;
        let role = quoted(&at.names().user);
        match &before.role {
            None => {
                let sql = format!(
                    "BEGIN; CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
                     COMMENT ON ROLE {role} IS {}; COMMIT;",
                    literal(&mark)
                );
                at.psql(cx, "postgres", &sql, true).await?;
            }
            Some(_) if before.role_is_ours(&mark) => {}
            Some(_) => return Err(taken(&format!("the role {role}"))),
        }
        match &before.database {
            None => make_database(cx, &at, &mark).await?,
            Some(_) if before.database_is_ours(&mark, &at.names().user) => {
                let name = quoted(database(&at).as_str());
                let sql = format!(
                    "COMMENT ON DATABASE {name} IS {};
                     REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC;",
                    literal(&mark)
                );
                at.psql(cx, "postgres", &sql, true).await?;
            }
            Some(_) => return Err(taken(&format!("the database {}", database(&at)))),
        }
        outcome(cx, &at).await
    }

    async fn undo(&self, cx: &Cx) -> Result<Outcome, StepError> {
        let dropped = drop_both(cx, &at(cx)?, &mark(cx)?).await?;
        Ok(Outcome::note(if dropped { "dropped" } else { "there was none" }))
    }

    fn leftover(&self, cx: &Cx) -> Option<Leftover> {
        let at = at(cx).ok()?;
        let (name, role) = (quoted(database(&at).as_str()), quoted(&at.names().user));
        Some(Leftover {
            what: format!(
                "the database {name} and the role {role} (whichever is there) on {}",
                at.host.label()
            ),
            remove: format!("where their comments carry this job's mark: DROP DATABASE {name}; DROP ROLE {role};"),
        })
    }
}

/// The database's object id is kept with the instance.
async fn outcome(cx: &Cx, at: &At) -> Result<Outcome, StepError> {
    let sql = format!(
        "SELECT oid FROM pg_database WHERE datname = {}",
        literal(database(at).as_str())
    );
    let oid = at.psql(cx, "postgres", &sql, false).await?.parse().ok();
    let outcome = Outcome::note(format!("{}", database(at)));
    Ok(match cx.spec.instance_id() {
        Some(id) => outcome.then(Consequence::InstanceFacts {
            id,
            database_oid: oid,
            database_uuid: None,
            size_bytes: None,
        }),
        None => outcome,
    })
}
