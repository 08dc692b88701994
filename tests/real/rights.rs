//! Roles that the database enforces: the declared matrix against a live catalog, every deed straight
//! over SQL, and the guards that grants on columns can't be.

use crate::harness::{cluster, connect, fresh_name};
use crate::registry::kit::{self, PASSWORD};
use std::collections::BTreeSet;
use tokio_postgres::{Client, Config};
use vigie::domain::rights::{CALLS, Deed, Granted, Rights, Role, TABLES, Verb, granted};
use vigie::registry::Registry;
use vigie::registry::postgres::{Postgres, roles};

/// A registry's database with somebody of each role, and somebody of none.
pub(crate) struct Fleet {
    pub(crate) database: String,
}

const GROUPS: [Role; 5] = Role::ALL;

impl Fleet {
    pub(crate) async fn new() -> Self {
        let fleet = Self {
            database: kit::fresh().await,
        };
        let root = connect(&cluster().superuser_config("postgres")).await;
        for (who, group) in Self::people() {
            let group = group.map(|g| format!(" IN ROLE {g}")).unwrap_or_default();
            root.batch_execute(&format!(
                "DO $$ BEGIN CREATE ROLE {who} LOGIN PASSWORD '{PASSWORD}'{group}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            ))
            .await
            .expect(&who);
        }
        let owner = connect(&cluster().superuser_config(&fleet.database)).await;
        owner.batch_execute("SET ROLE saas_owner").await.expect("the owner");
        // As at every upgrade: again changes nothing.
        for part in [roles::groups().as_str(), roles::GUARD, roles::grants().as_str()] {
            if part.starts_with("DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles") {
                root.batch_execute(part).await.expect("groups");
            } else {
                owner.batch_execute(part).await.expect(part);
            }
        }
        owner.batch_execute(DATA).await.expect("data");
        fleet
    }

    fn people() -> impl Iterator<Item = (String, Option<Role>)> {
        let some = GROUPS.into_iter().map(|role| (format!("one_{role}"), Some(role)));
        some.chain([("one_stranger".to_owned(), None)])
    }

    pub(crate) fn config(&self, who: &str) -> Config {
        let mut config = cluster().superuser_config(&self.database);
        config.user(who).password(PASSWORD);
        config
    }

    async fn as_role(&self, role: Role) -> Client {
        connect(&self.config(&format!("one_{role}"))).await
    }

    /// The address, as the registry takes it.
    pub(crate) fn address(&self, who: &str) -> String {
        kit::address(&self.database, who)
    }
}

/// Servers 1 (in use) and 2 (empty), a template with and one without instances, instances in each
/// state that matters, and jobs: 1 queued, 2 running, 3 failed, 4 stuck, 5 done.
const DATA: &str = "
INSERT INTO saas_server (id, name, code, server_url, max_instances, db_password, created_at) VALUES
    (1, 'one', 'one', 'https://one.test', 50, 'env:ONE', now()), (2, 'two', 'two', 'https://two.test', 50, NULL, now());
INSERT INTO saas_template (id, name, code, server_id, template_database, language, state, created_at) VALUES
    (1, 'shop', 'shop', 1, 'tpl_shop', 'en_US', 'ready', now()), (2, 'none', 'none', 1, 'tpl_none', 'en_US', 'draft', now());
INSERT INTO saas_instance (id, name, template_id, server_id, database_name, subdomain, url, admin_login, admin_password, state, created_at)
SELECT n, state, 1, 1, 'db_' || state, state, 'https://x.test', 'admin', 'env:ADMIN', state, now()
FROM unnest('{active,failed,provisioning,deleting,suspended}'::text[]) WITH ORDINALITY AS s (state, n);
INSERT INTO saas_job (id, kind, spec, title, state, server_id, instance_id, worker, token, lease_until, asked_by, created_at, problem) VALUES
    (1, 'instance_create', '{}', 'queued', 'queued', 1, 3, NULL, 0, NULL, 'ana', now(), NULL),
    (2, 'instance_delete', '{}', 'running', 'running', 1, 4, 'w1', 3, now() + interval '20 s', 'ana', now(), NULL),
    (3, 'instance_create', '{}', 'failed', 'failed', 1, 2, NULL, 1, NULL, 'ana', now(), '{\"code\": \"x\"}'),
    (4, 'instance_delete', '{}', 'stuck', 'stuck', 1, 5, NULL, 1, NULL, 'ana', now(), '{\"code\": \"x\"}'),
    (5, 'instance_delete', '{}', 'done', 'done', 1, NULL, NULL, 1, NULL, 'ana', now(), NULL);
INSERT INTO saas_job_step (job_id, step, name, title, state) VALUES
    (1, 0, 'a', 'a', 'pending'), (2, 0, 'a', 'a', 'intended'), (3, 0, 'a', 'a', 'undone'), (4, 0, 'a', 'a', 'undo_failed'), (5, 0, 'a', 'a', 'done');
INSERT INTO saas_reservation (key, job_id, label, exclusive) VALUES
    ('instance:3', 1, 'three', true), ('instance:4', 2, 'four', true), ('instance:5', 4, 'five', true);
SELECT setval(pg_get_serial_sequence(t, 'id'), 100) FROM unnest('{saas_server,saas_template,saas_instance,saas_job}'::text[]) AS t;
";

/// Tables and columns as they are, with their types; generated ones apart.
async fn catalog(client: &Client) -> Vec<(String, String, String, bool)> {
    let rows = client
        .query(
            "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), a.attgenerated <> ''
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
               AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum",
            &[],
        )
        .await
        .expect("the catalog");
    rows.iter().map(|r| (r.get(0), r.get(1), r.get(2), r.get(3))).collect()
}

/// Whether PostgreSQL lets a statement through that touches no row; `None` where it fails otherwise.
async fn lets(client: &Client, sql: &str) -> Option<bool> {
    match client.batch_execute(&format!("BEGIN; {sql}; ROLLBACK")).await {
        Ok(()) => Some(true),
        Err(error) => {
            client.batch_execute("ROLLBACK").await.expect("a rollback");
            let code = error.code().map(|code| code.code().to_owned());
            match code.as_deref() {
                Some("42501") => Some(false),
                // A generated column is nobody's to write.
                Some("428C9") => None,
                other => panic!("{sql}: {other:?} {error:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_declared_matrix_is_the_one_that_postgresql_enforces() {
    let fleet = Fleet::new().await;
    let owner = fleet.as_role(Role::Owner).await;
    let columns = catalog(&owner).await;
    let there: BTreeSet<(&str, &str)> = columns.iter().map(|(t, c, ..)| (t.as_str(), c.as_str())).collect();
    let declared: BTreeSet<(&str, &str)> = TABLES
        .iter()
        .flat_map(|table| table.columns().map(|column| (table.name, column)))
        .collect();
    assert_eq!(
        there.difference(&declared).collect::<Vec<_>>(),
        Vec::<&(&str, &str)>::new(),
        "tables and columns without a declared cell"
    );
    assert_eq!(
        declared.difference(&there).collect::<Vec<_>>(),
        Vec::<&(&str, &str)>::new()
    );

    let (mut tried, mut refused) = (0, 0);
    for (who, role) in Fleet::people().filter(|(_, role)| *role != Some(Role::Owner)) {
        let client = connect(&fleet.config(&who)).await;
        let expected: BTreeSet<Granted> = role.map(granted).unwrap_or_default();
        let mut cells: Vec<(&'static str, Verb, Option<&'static str>, String)> = Vec::new();
        for (table, column, kind, _) in &columns {
            let table = TABLES.iter().find(|t| t.name == table).expect(table);
            let column = table.columns().find(|c| c == column).expect(column);
            let (name, q) = (table.name, format!("\"{column}\""));
            let select = format!("SELECT {q} FROM {name} WHERE false");
            let insert = format!("INSERT INTO {name} ({q}) SELECT NULL::{kind} WHERE false");
            let update = format!("UPDATE {name} SET {q} = NULL WHERE false");
            cells.push((name, Verb::Select, Some(column), select));
            cells.push((name, Verb::Insert, Some(column), insert));
            cells.push((name, Verb::Update, Some(column), update));
        }
        for table in TABLES {
            let delete = format!("DELETE FROM {} WHERE false", table.name);
            cells.push((table.name, Verb::Delete, None, delete));
            // Nobody but the owner empties a table.
            let truncate = format!("TRUNCATE {} CASCADE", table.name);
            assert_eq!(lets(&client, &truncate).await, Some(false), "{who}: {truncate}");
            tried += 2;
        }
        for (table, verb, column, sql) in cells {
            tried += 1;
            let granted = expected.contains(&(table, verb, column));
            match lets(&client, &sql).await {
                Some(works) => assert_eq!(works, granted, "{who}: {sql}"),
                None => assert!(!granted, "{who}: {sql}"),
            }
            if !granted {
                refused += 1;
                // It was refused for who asked, not for what was asked.
                assert_ne!(lets(&owner, &sql).await, Some(false), "the owner: {sql}");
            }
        }
    }
    println!(
        "matrix: {} columns, {tried} cells tried, {refused} refused as declared",
        columns.len()
    );

    // Nothing is granted beside the four verbs, to a whole table, to PUBLIC, or with the right to grant.
    let odd = owner
        .query(
            "SELECT c.relname::text, g.grantee::regrole::text, g.privilege_type FROM pg_class c, aclexplode(c.relacl) g
             WHERE c.relnamespace = 'public'::regnamespace AND g.grantee <> c.relowner
               AND (g.privilege_type <> 'DELETE' OR g.is_grantable OR g.grantee = 0)
             UNION ALL
             SELECT a.attrelid::regclass::text, g.grantee::regrole::text, g.privilege_type
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) g
             WHERE c.relnamespace = 'public'::regnamespace
               AND (g.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE') OR g.is_grantable OR g.grantee = 0)",
            &[],
        )
        .await
        .expect("grants");
    let odd: Vec<(String, String, String)> = odd.iter().map(|r| (r.get(0), r.get(1), r.get(2))).collect();
    assert_eq!(odd, [], "grants that nobody declared");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_run_as_their_owner_are_called_by_nobody_and_have_their_own_path() {
    let fleet = Fleet::new().await;
    let owner = fleet.as_role(Role::Owner).await;
    let rows = owner
        .query(
            "SELECT p.oid::regprocedure::text, p.prosecdef, coalesce(array_to_string(p.proconfig, ' '), ''),
                    has_function_privilege('one_stranger', p.oid, 'EXECUTE'),
                    has_function_privilege('saas_user', p.oid, 'EXECUTE'),
                    has_function_privilege('saas_manager', p.oid, 'EXECUTE'),
                    has_function_privilege('saas_worker', p.oid, 'EXECUTE'),
                    has_function_privilege('saas_admin', p.oid, 'EXECUTE')
             FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace",
            &[],
        )
        .await
        .expect("functions");
    assert!(rows.len() > 10, "the schema has functions");
    let mut definers = 0;
    for row in &rows {
        let (name, definer, settings): (String, bool, String) = (row.get(0), row.get(1), row.get(2));
        let called = CALLS.iter().find(|(call, _)| name.starts_with(&format!("{call}(")));
        assert!(!row.get::<_, bool>(3), "{name} can be called by anybody");
        for (role, column) in [(Role::User, 4), (Role::Manager, 5), (Role::Worker, 6), (Role::Admin, 7)] {
            let may = called.is_some_and(|(_, least)| role.is(*least));
            assert_eq!(row.get::<_, bool>(column), may, "{role} calls {name}");
        }
        assert!(
            settings.contains("search_path=pg_catalog") && settings.contains("pg_temp"),
            "{name} looks names up where its caller says: {settings:?}"
        );
        definers += usize::from(definer);
    }
    println!("{} functions, {definers} of them run as their owner", rows.len());
}

/// A deed as a hand-written client would do it; what it needs of the data is in [`DATA`].
fn by_hand(deed: Deed) -> &'static str {
    const JOB: &str = "
        INSERT INTO saas_job (kind, spec, title, server_id, instance_id, asked_by, created_at, reservations, consequences, before)
        VALUES ('x', '{}', 'by hand', 1, 1, 'me', now(), '[]', '[]', '[]');
        INSERT INTO saas_job_step (job_id, step, name, title, detail, pivot) VALUES ((SELECT max(id) FROM saas_job), 0, 'a', 'a', '', false);
        INSERT INTO saas_reservation (key, job_id, label, exclusive) VALUES ('mine', (SELECT max(id) FROM saas_job), 'mine', true);";
    match deed {
        Deed::Read => "SELECT id, code, state, health_status FROM saas_server; SELECT id, refused FROM saas_audit",
        // What a command does is not the registry's.
        Deed::AuditRefusal | Deed::RunCommand => {
            "INSERT INTO saas_audit (at, op_id, os_user, host, via, action, object, label, refused)
             VALUES (now(), 'x', 'me', 'here', 'cli', 'server.add', 'server', 'x', 'not allowed')"
        }
        Deed::UseSecrets | Deed::TestServer => "SELECT db_password, master_password FROM saas_server",
        Deed::HandOutPassword => "SELECT admin_password FROM saas_instance",
        Deed::KeepCheck => "UPDATE saas_server SET health_status = 'healthy', observed = 'online' WHERE id = 1",
        Deed::AddServer => {
            "INSERT INTO saas_server (name, code, server_url, max_instances, created_at) VALUES ('n', 'n', 'https://n.test', 5, now())"
        }
        Deed::EditServer => "UPDATE saas_server SET name = 'other', version = version + 1 WHERE id = 1",
        Deed::ActivateServer => "UPDATE saas_server SET intent = 'active' WHERE id = 1",
        Deed::MaintainServer => "UPDATE saas_server SET intent = 'maintenance' WHERE id = 1",
        Deed::DeactivateServer => "UPDATE saas_server SET intent = 'disabled' WHERE id = 2",
        Deed::DeleteServer => "DELETE FROM saas_server WHERE id = 2",
        Deed::AddTemplate => {
            "INSERT INTO saas_template (name, code, server_id, template_database, base_modules, language, created_at)
             VALUES ('n', 'n', 1, 'tpl_n', '[]', 'en_US', now())"
        }
        Deed::RemoveTemplate => "DELETE FROM saas_template WHERE id = 2",
        Deed::CreateTemplateDatabase | Deed::AdoptTemplate | Deed::ThawTemplate | Deed::DeleteInstance => JOB,
        Deed::CreateInstance => {
            "INSERT INTO saas_instance (name, template_id, server_id, database_name, subdomain, url, admin_login, admin_password, state, created_at)
             VALUES ('n', 1, 1, 'db_n', 'n', 'https://n.test', 'admin', 'env:X', 'provisioning', now())"
        }
        Deed::ForgetInstance => "DELETE FROM saas_job WHERE false; DELETE FROM saas_instance WHERE id = 2",
        Deed::CancelJob => {
            "UPDATE saas_job SET cancel_requested = true WHERE id = 2;
             UPDATE saas_job SET cancel_requested = true, state = 'cancelled', finished_at = now(), worker = NULL WHERE id = 1;
             UPDATE saas_instance SET state = 'failed', version = version + 1 WHERE id = 3;
             DELETE FROM saas_reservation WHERE job_id = 1"
        }
        Deed::RetryJob => {
            "UPDATE saas_instance SET state = 'provisioning', version = version + 1 WHERE id = 2;
             UPDATE saas_job_step SET state = 'pending', data = '{}', problem = NULL WHERE job_id = 3;
             UPDATE saas_job SET state = 'queued', attempt = attempt + 1, problem = NULL, cancel_requested = false WHERE id = 3;
             INSERT INTO saas_reservation (key, job_id, label, exclusive) VALUES ('instance:2', 3, 'two', true);
             UPDATE saas_job_step SET state = 'undoing' WHERE job_id = 4 AND state = 'undo_failed';
             UPDATE saas_job SET state = 'undoing', attempt = attempt + 1, worker = NULL, finished_at = NULL WHERE id = 4"
        }
        Deed::AddPlan => "INSERT INTO saas_plan (code, name) VALUES ('n', 'n')",
        Deed::AddCustomer => "INSERT INTO saas_customer (name) VALUES ('n')",
        Deed::RotateSecrets => {
            "UPDATE saas_server SET db_password = 'sealed:k2:x' WHERE id = 1;
             UPDATE saas_instance SET admin_password = 'sealed:k2:x';
             UPDATE saas_template SET admin_password = 'sealed:k2:x';
             UPDATE saas_job SET result = '{\"x\": \"sealed:k2:x\"}' WHERE id = 5;
             UPDATE saas_job_step SET data = '{\"password\": \"sealed:k2:x\"}' WHERE job_id = 5"
        }
        Deed::Work => {
            "UPDATE saas_job SET state = 'running', worker = 'w2', token = token + 1, lease_until = now(), started_at = now() WHERE id = 1;
             UPDATE saas_job_step SET state = 'done', data = '{}', finished_at = now() WHERE job_id = 1;
             INSERT INTO saas_job_log (job_id, seq, at, stream, level, text) VALUES (1, 1, now(), 'engine', 'info', 'x');
             UPDATE saas_instance SET state = 'active', database_oid = 5 WHERE id = 3;
             DELETE FROM saas_instance WHERE id = 4;
             DELETE FROM saas_reservation WHERE job_id = 1;
             UPDATE saas_job SET state = 'done', worker = NULL, lease_until = NULL, finished_at = now() WHERE id = 1;
             UPDATE saas_job SET log_end = log_end + 1 WHERE id = 1;
             INSERT INTO saas_worker (id, boot, started_at, seen_at) VALUES ('w', 'b', now(), now());
             DELETE FROM saas_worker WHERE id = 'w'"
        }
        Deed::Prune => "DELETE FROM saas_health_check; DELETE FROM saas_job_log; DELETE FROM saas_operation",
        Deed::Migrate => "ALTER TABLE saas_plan ADD COLUMN x text",
    }
}

/// Runs it in a transaction that is rolled back; whether it was allowed. Anything but a refusal is a
/// fault of the test.
async fn allowed(client: &Client, sql: &str) -> bool {
    // Deferred triggers too.
    lets(client, &format!("{sql}; SET CONSTRAINTS ALL IMMEDIATE"))
        .await
        .expect("no generated column")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deed_straight_over_sql_is_refused_to_whom_the_dashboard_greys_it_out() {
    let fleet = Fleet::new().await;
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Owner) {
        let client = fleet.as_role(role).await;
        let registry = Postgres::open(&fleet.address(&format!("one_{role}")))
            .await
            .expect("opened");
        let rights = registry.rights().await.expect("rights");
        assert_eq!(
            rights,
            Rights::of(role, &format!("one_{role}")),
            "learned from the database"
        );
        let mut refused = 0;
        for deed in Deed::ALL {
            // Deleting a job is nobody's; it stands there so that nobody's are tried too.
            let sql = by_hand(deed).trim_start_matches("DELETE FROM saas_job WHERE false; ");
            let done = allowed(&client, sql).await;
            assert_eq!(done, rights.may(deed), "{role}: {deed:?}");
            refused += usize::from(!done);
        }
        println!(
            "{role}: {refused} of {} deeds refused by PostgreSQL and greyed",
            Deed::ALL.len()
        );
    }
    // A login of no group may nothing.
    let stranger = connect(&fleet.config("one_stranger")).await;
    for deed in Deed::ALL {
        assert!(!allowed(&stranger, by_hand(deed)).await, "{deed:?}");
    }
    let refused = Postgres::open(&fleet.address("one_stranger"))
        .await
        .expect_err("a stranger");
    assert!(refused.to_string().contains("may not read it"), "{refused}");
}

/// What the columns alone would let through: asked by whom it isn't for, with what shows that the
/// statement works for another.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_asks_and_a_worker_works_whatever_they_write_by_hand() {
    let fleet = Fleet::new().await;
    let (manager, worker, user) = (
        fleet.as_role(Role::Manager).await,
        fleet.as_role(Role::Worker).await,
        fleet.as_role(Role::User).await,
    );
    let owner = fleet.as_role(Role::Owner).await;
    let managers_may_not = [
        (
            "end a running job",
            "UPDATE saas_job SET state = 'cancelled', worker = NULL, finished_at = now(), cancel_requested = true WHERE id = 2",
        ),
        ("end it well", "UPDATE saas_job SET state = 'done' WHERE id = 2"),
        (
            "take its lease away",
            "UPDATE saas_job SET worker = NULL, lease_until = NULL WHERE id = 2",
        ),
        ("be its worker", "UPDATE saas_job SET worker = 'me' WHERE id = 2"),
        (
            "run a queued job",
            "UPDATE saas_job SET state = 'running', worker = 'me' WHERE id = 1",
        ),
        (
            "take a wish to stop back",
            "UPDATE saas_job SET cancel_requested = false, attempt = attempt WHERE id = 2 AND NOT cancel_requested; UPDATE saas_job SET problem = '{}' WHERE id = 2",
        ),
        (
            "run again what is done",
            "UPDATE saas_job SET state = 'queued', attempt = attempt + 1 WHERE id = 5",
        ),
        (
            "hide how a job failed",
            "UPDATE saas_job SET problem = NULL WHERE id = 3",
        ),
        ("count no attempt", "UPDATE saas_job SET state = 'queued' WHERE id = 3"),
        (
            "write a step's result",
            "UPDATE saas_job_step SET state = 'done' WHERE job_id = 2",
        ),
        (
            "forge a step's data",
            "UPDATE saas_job_step SET state = 'pending', data = '{\"oid\": 1}' WHERE job_id = 3",
        ),
        (
            "reset a running job's step",
            "UPDATE saas_job_step SET state = 'pending' WHERE job_id = 2",
        ),
        (
            "add a step to a job",
            "INSERT INTO saas_job_step (job_id, step, name, title) VALUES (1, 9, 'x', 'x')",
        ),
        (
            "free what a running job holds",
            "DELETE FROM saas_reservation WHERE job_id = 2",
        ),
        (
            "free what a queued job holds",
            "DELETE FROM saas_reservation WHERE job_id = 1",
        ),
        (
            "hold more for a running job",
            "INSERT INTO saas_reservation (key, job_id, label, exclusive) VALUES ('x', 2, 'x', true)",
        ),
        (
            "put an instance in service",
            "UPDATE saas_instance SET state = 'active' WHERE id = 3",
        ),
        ("take one out", "UPDATE saas_instance SET state = 'failed' WHERE id = 1"),
        (
            "fail one that is being deleted",
            "UPDATE saas_instance SET state = 'failed' WHERE id = 4",
        ),
        ("delete one in service", "DELETE FROM saas_instance WHERE id = 1"),
        (
            "write one down as active",
            "INSERT INTO saas_instance (name, template_id, server_id, database_name, subdomain, url, admin_login, admin_password, state, created_at) VALUES ('n', 1, 1, 'db_n', 'n', 'https://n.test', 'admin', 'env:X', 'active', now())",
        ),
    ];
    for (what, sql) in managers_may_not {
        assert!(!allowed(&manager, sql).await, "a manager could {what}");
        assert!(allowed(&owner, sql).await, "{what}: the statement itself is wrong");
    }
    let workers_may_not = [
        (
            "ask a job to stop",
            "UPDATE saas_job SET cancel_requested = true WHERE id = 2",
        ),
        (
            "run a failed job again",
            "UPDATE saas_job SET state = 'queued' WHERE id = 3",
        ),
        (
            "take one that is over",
            "UPDATE saas_job SET worker = 'me', token = token + 1 WHERE id = 5",
        ),
        ("change how one ended", "UPDATE saas_job SET result = '{}' WHERE id = 5"),
        ("turn the token back", "UPDATE saas_job SET token = 1 WHERE id = 2"),
        (
            "record a step of a job that nobody runs",
            "UPDATE saas_job_step SET state = 'done' WHERE job_id = 1",
        ),
        (
            "change a step of one that is over",
            "UPDATE saas_job_step SET state = 'pending' WHERE job_id = 5",
        ),
        (
            "delete an instance that no job deletes",
            "DELETE FROM saas_instance WHERE id = 1",
        ),
    ];
    for (what, sql) in workers_may_not {
        assert!(!allowed(&worker, sql).await, "a worker could {what}");
        assert!(allowed(&owner, sql).await, "{what}: the statement itself is wrong");
    }

    // The audit: who it was is the database's word; those who only read write down refusals alone.
    let row = |refused: &str, more: (&str, &str)| {
        format!(
            "INSERT INTO saas_audit (at, op_id, os_user, host, via, action, object, label, refused{}) \
             VALUES (now(), 'x', 'somebody', 'here', 'cli', 'server.delete', 'server:1', 'one', {refused}{})",
            more.0, more.1
        )
    };
    assert!(!allowed(&user, &row("NULL", ("", ""))).await, "a reader forged a deed");
    assert!(allowed(&user, &row("'no'", ("", ""))).await);
    for (column, value) in [("db_role", "'one_saas_admin'"), ("hash", "'x'"), ("id", "7")] {
        let forged = row("'no'", (&format!(", {column}"), &format!(", {value}")));
        for client in [&user, &manager, &worker] {
            assert!(!allowed(client, &forged).await, "{column} could be forged");
        }
    }
    user.batch_execute(&row("'no'", ("", ""))).await.expect("written");
    let rows = owner
        .query("SELECT db_role FROM saas_audit WHERE refused = 'no'", &[])
        .await
        .expect("the audit");
    let who: Vec<String> = rows.iter().map(|r| r.get(0)).collect();
    assert_eq!(who, ["one_saas_user"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_given_meanwhile_is_learned_and_one_taken_is_gone() {
    let fleet = Fleet::new().await;
    let root = connect(&cluster().superuser_config("postgres")).await;
    let name = fresh_name("newcomer");
    root.batch_execute(&format!(
        "CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE saas_user"
    ))
    .await
    .expect("a role");
    let registry = Postgres::open(&fleet.address(&name)).await.expect("opened");
    assert!(registry.rights().await.expect("rights").only_reads());
    root.batch_execute(&format!("GRANT saas_manager TO {name}"))
        .await
        .expect("granted");
    let rights = registry.rights().await.expect("rights");
    assert_eq!(rights.who(), format!("saas_manager (role {name})"));
    assert!(rights.may(Deed::EditServer) && !rights.may(Deed::AddServer));
    root.batch_execute(&format!("REVOKE saas_manager FROM {name}"))
        .await
        .expect("revoked");
    assert!(registry.rights().await.expect("rights").only_reads());
}
