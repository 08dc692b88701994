//! The group roles of the shared registry: made, granted what [`crate::domain::rights`] declares, and
//! asked what they are granted.
//!
//! Roles belong to the whole cluster, grants to a registry's database: registries of one cluster share
//! the roles. Granting is idempotent: what was granted before is taken back first, in one transaction.

use super::db::{Tx, args, get};
use crate::domain::rights::{CALLS, Deed, Granted, Rights, Role, TABLES, Verb, cells, granted};
use crate::registry::Result;
use std::collections::{BTreeMap, BTreeSet};

/// Which rows and transitions are allowed for whom; to be run after the schema, before [`grants`].
pub const GUARD: &str = include_str!("guard.sql");

/// Makes the group roles and their memberships where they are missing. Needs CREATEROLE; once for
/// each cluster.
pub fn groups() -> String {
    let mut sql = String::new();
    for role in Role::ALL {
        // Another database of the cluster may be making them right now.
        sql.push_str(&format!(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{role}') THEN \
             CREATE ROLE {role} NOLOGIN; END IF; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;\n"
        ));
    }
    for role in Role::ALL {
        for group in role.member_of() {
            sql.push_str(&format!(
                "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members WHERE roleid = '{group}'::regrole \
                 AND member = '{role}'::regrole) THEN GRANT {group} TO {role}; END IF; \
                 EXCEPTION WHEN unique_violation THEN NULL; END $$;\n"
            ));
        }
    }
    sql
}

/// What a role is granted by itself, beyond the roles it is in.
fn own(role: Role) -> BTreeSet<Granted> {
    let inherited: BTreeSet<Granted> = role.member_of().iter().flat_map(|group| granted(*group)).collect();
    granted(role).difference(&inherited).copied().collect()
}

/// Takes everything back and grants what is declared. For the owner of the tables, in the transaction
/// that made or upgraded them.
pub fn grants() -> String {
    let groups: Vec<&str> = Role::ALL
        .into_iter()
        .filter(|role| *role != Role::Owner)
        .map(Role::name)
        .collect();
    let everyone = format!("PUBLIC, {}", groups.join(", "));
    let mut sql = String::new();
    for table in TABLES {
        sql.push_str(&format!("REVOKE ALL ON TABLE public.{} FROM {everyone};\n", table.name));
    }
    // Triggers need no leave to run their functions.
    sql.push_str(&format!(
        "DO $$ DECLARE f record; BEGIN FOR f IN SELECT p.oid::regprocedure AS name FROM pg_catalog.pg_proc p \
         WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'saas\\_%' AND p.proowner = current_user::regrole \
         LOOP EXECUTE format('REVOKE ALL ON FUNCTION %s FROM {everyone}', f.name); END LOOP; END $$;\n"
    ));
    // The guards ask whether a job was written by this very transaction, as whoever runs it.
    sql.push_str(&format!(
        "GRANT SELECT (xmin) ON TABLE public.saas_job TO {};\n",
        Role::User
    ));
    for (name, role) in CALLS {
        sql.push_str(&format!("GRANT EXECUTE ON FUNCTION public.{name} TO {role};\n"));
    }
    for role in Role::ALL {
        let mut by_table: BTreeMap<(&str, Verb), Vec<&str>> = BTreeMap::new();
        for (table, verb, column) in own(role) {
            by_table.entry((table, verb)).or_default().extend(column);
        }
        for ((table, verb), columns) in by_table {
            let columns = match columns.as_slice() {
                [] => String::new(),
                columns => {
                    let quoted: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
                    format!(" ({})", quoted.join(", "))
                }
            };
            let verb = verb.word();
            sql.push_str(&format!("GRANT {verb}{columns} ON TABLE public.{table} TO {role};\n"));
        }
    }
    sql
}

impl Tx<'_> {
    /// A list of columns as one's role may read it: in place of secrets that are not for it stands that
    /// they are withheld.
    pub(super) fn columns<'c>(&self, list: &'c str) -> std::borrow::Cow<'c, str> {
        if self.secrets {
            return list.into();
        }
        let read = list.split(',').map(|column| match column.trim() {
            name @ ("db_password" | "master_password" | "admin_password") => format!("'withheld:' AS {name}"),
            "data" => "'{}'::jsonb AS data".to_owned(),
            name => name.to_owned(),
        });
        read.collect::<Vec<_>>().join(", ").into()
    }
}

/// What the one who is connected may do, asked of the database itself: nothing is taken from the
/// declaration but the question.
pub(super) async fn rights(tx: &Tx<'_>) -> Result<Rights> {
    let names: Vec<String> = Role::ALL.into_iter().map(|role| role.name().to_owned()).collect();
    let row = tx
        .row(
            "SELECT session_user::text AS me, ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles r
                 WHERE r.rolname = ANY ($1) AND pg_has_role(r.oid, 'USAGE')) AS groups",
            args![names],
        )
        .await?;
    let (db_role, member): (String, Vec<String>) = match &row {
        Some(row) => (get(row, "me")?, get(row, "groups")?),
        None => (String::new(), Vec::new()),
    };
    let roles: Vec<Role> = Role::ALL
        .into_iter()
        .filter(|role| member.iter().any(|name| name == role.name()))
        .collect();
    let mut asked: [Vec<String>; 4] = Default::default();
    for (at, deed) in Deed::ALL.into_iter().enumerate() {
        for cell in cells(deed) {
            let columns: &[&str] = if cell.columns.is_empty() { &[""] } else { cell.columns };
            for column in columns {
                let words = [&at.to_string(), cell.table, cell.verb.word(), column];
                asked
                    .iter_mut()
                    .zip(words)
                    .for_each(|(list, word)| list.push(word.to_owned()));
            }
        }
    }
    let [deeds, tables, verbs, columns] = asked;
    // What isn't there (an older schema) isn't granted.
    let rows = tx
        .rows(
            "SELECT c.deed FROM unnest($1, $2, $3, $4) AS c (deed, name, verb, col)
             LEFT JOIN pg_catalog.pg_attribute a
                ON a.attrelid = to_regclass('public.' || c.name) AND a.attname = c.col AND NOT a.attisdropped
             GROUP BY c.deed
             HAVING bool_and(coalesce(CASE WHEN c.col = '' THEN has_table_privilege(to_regclass('public.' || c.name), c.verb)
                                           ELSE has_column_privilege(a.attrelid, a.attnum, c.verb) END, false))",
            args![deeds, tables, verbs, columns],
        )
        .await?;
    let mut may = BTreeSet::new();
    for row in rows {
        let at: String = get(&row, "deed")?;
        may.extend(at.parse::<usize>().ok().and_then(|at| Deed::ALL.get(at).copied()));
    }
    // It needs no cells: the owner does what it wants with its tables.
    may.insert(Deed::Migrate);
    Ok(Rights::learned(db_role, &roles, may))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_granted_what_it_does_not_inherit_and_the_owner_nothing() {
        let sql = grants();
        assert!(!sql.contains("TO saas_owner"), "{sql}");
        assert!(
            sql.contains("GRANT DELETE ON TABLE public.saas_server TO saas_admin;"),
            "{sql}"
        );
        assert!(!sql.contains("TRUNCATE") && !sql.contains("GRANT ALL"), "{sql}");
        for line in sql.lines().filter(|line| line.ends_with("TO saas_user;")) {
            assert!(
                line.starts_with("GRANT SELECT (") || line.contains("saas_audit"),
                "{line}"
            );
            assert!(!line.contains("password"), "{line}");
        }
        assert!(own(Role::Manager).is_disjoint(&granted(Role::User)));
    }
}
