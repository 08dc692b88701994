//! The registry's own backup, as the README says it: `pg_dump` by its owner, `pg_restore` into another database;
//! what is restored is the same registry, owned by whom it was, with the same grants.

use super::bench;
use super::kit::{self, ADMIN, MANAGER, OWNER};
use crate::harness::{cluster, fresh_name};
use std::path::Path;
use std::process::Command;
use vigie::domain::SafeText;
use vigie::registry::Registry;
use vigie::sandbox::binaries::Binaries;

/// Runs one of PostgreSQL's programs as the owner's login.
fn run(program: &str, args: &[&str]) {
    let done = Command::new(Binaries::find(None).expect("PostgreSQL").program(program))
        .args(["-h", "127.0.0.1", "-U", OWNER, "-p"])
        .arg(cluster().port().to_string())
        .args(args)
        .env("PGPASSFILE", kit::pass_file())
        .current_dir("/")
        .output()
        .expect("it starts");
    assert!(
        done.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Every table, column and function with its owner and who may do what with it.
async fn owners_and_grants(database: &str) -> Vec<String> {
    let client = kit::superuser(database).await;
    // Nothing said and the owner's usual rights said are the same.
    let ask = "SELECT format('%s %s of %s: %s %s %s', relkind, relname, relowner::regrole, grantee::regrole, privilege_type,
                   is_grantable)
               FROM pg_class, aclexplode(coalesce(relacl, acldefault((CASE relkind WHEN 'S' THEN 's' ELSE 'r' END)::\"char\", relowner)))
                   WHERE relnamespace = 'public'::regnamespace
               UNION ALL
               SELECT format('column %s.%s: %s %s', attrelid::regclass, attname, grantee::regrole, privilege_type)
               FROM pg_attribute, aclexplode(attacl) WHERE attrelid::regclass::text LIKE 'saas_%'
               UNION ALL
               SELECT format('function %s of %s, %s: %s %s', p.oid::regprocedure, proowner::regrole, prosecdef,
                   grantee::regrole, privilege_type)
               FROM pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner)))
                   WHERE pronamespace = 'public'::regnamespace
               UNION ALL
               SELECT format('trigger %s on %s %s', tgname, tgrelid::regclass, tgenabled) FROM pg_trigger
                   WHERE NOT tgisinternal
               UNION ALL
               SELECT format('schema: %s %s %s', grantee::regrole, privilege_type, is_grantable)
               FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'public'
               ORDER BY 1";
    let rows = client.query(ask, &[]).await.expect("asking");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_is_restored_from_its_dump_as_the_readme_says() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README");
    let (_, section) = readme
        .split_once("### Backup of the registry itself")
        .expect("its section");
    let database = kit::fresh().await;
    let was = kit::open(&database, ADMIN).await;
    let server = bench::server(&was, "prod-1", 5).await;
    was.customer_named(&bench::op(), &SafeText::new("ABC SARL"))
        .await
        .unwrap();
    let head = was.audit_head().await.unwrap().expect("a row");
    drop(was);
    let file = cluster().dir().join(fresh_name("fleet.dump")).display().to_string();
    run("pg_dump", &["-Fc", "-f", &file, &database]);

    let new = kit::empty().await;
    // The README's own statement: without it nothing could be given back to whom it belonged.
    let grant = "GRANT CREATE, USAGE ON SCHEMA public TO saas_owner";
    assert!(section.contains(grant), "the README no longer says `{grant}`");
    kit::plain(&new, OWNER).await.batch_execute(grant).await.expect(grant);
    run("pg_restore", &["--exit-on-error", "-d", &new, &file]);

    pretty_assertions::assert_eq!(owners_and_grants(&new).await, owners_and_grants(&database).await);
    let now = kit::open(&new, ADMIN).await;
    assert_eq!(now.servers().await.unwrap(), [server]);
    assert_eq!(now.customers().await.unwrap().len(), 1);
    let verdict = now.verify_audit(std::slice::from_ref(&head)).await.unwrap();
    assert_eq!(verdict.broken, None);
    // It is worked on as before, and nobody may more than before.
    let refused = kit::open(&new, MANAGER)
        .await
        .add_server(&bench::op(), &bench::server_spec("prod-3", 5))
        .await;
    assert!(refused.is_err(), "a manager adds no server");
    bench::server(&now, "prod-2", 5).await;
    assert_eq!(now.verify_audit(&[head]).await.unwrap().broken, None);
}
