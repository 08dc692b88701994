//! Making the registry and bringing it forward: by many at once, by those who may, and by nobody else.

use super::kit::{self, ADMIN, MANAGER, OWNER, USER};
use std::collections::BTreeSet;
use vigie::registry::postgres::Postgres;
use vigie::registry::{Registry, RegistryError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_first_starts_at_once_make_one_registry() {
    let database = kit::empty().await;
    let mut starts = Vec::new();
    for _ in 0..100 {
        let address = kit::address(&database, OWNER);
        starts.push(tokio::spawn(async move { Postgres::init(&address).await }));
    }
    let mut before = Vec::new();
    for start in starts {
        before.push(start.await.unwrap().expect("every one comes through"));
    }
    assert_eq!(before.iter().filter(|version| **version == 0).count(), 1, "one made it");
    let registry = kit::open(&database, OWNER).await;
    assert_eq!(registry.servers().await.unwrap(), []);
    let rows = kit::superuser(&database)
        .await
        .query("SELECT version FROM saas_schema", &[])
        .await
        .unwrap();
    let versions: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(versions, [Postgres::known_schema()]);
    // Everything is the owner's, and nothing the superuser's or a login's.
    let owners = kit::superuser(&database)
        .await
        .query(
            "SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'saas%'",
            &[],
        )
        .await
        .unwrap();
    let owners: BTreeSet<String> = owners.iter().map(|row| row.get(0)).collect();
    assert_eq!(owners, BTreeSet::from(["saas_owner".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_missing_older_or_newer_is_refused_with_what_to_do() {
    let empty = kit::empty().await;
    let said = Postgres::open(&kit::address(&empty, OWNER)).await.unwrap_err();
    assert!(said.to_string().contains("vigie registry init"), "{said}");

    let database = kit::fresh().await;
    let superuser = kit::superuser(&database).await;
    let known = Postgres::known_schema();
    superuser
        .batch_execute(&format!("UPDATE saas_schema SET version = {}", known + 1))
        .await
        .unwrap();
    let newer = RegistryError::NewerSchema {
        found: known + 1,
        known,
    };
    assert_eq!(
        Postgres::open(&kit::address(&database, ADMIN)).await.unwrap_err(),
        newer
    );
    assert_eq!(Postgres::init(&kit::address(&database, OWNER)).await, Err(newer));

    superuser
        .batch_execute("UPDATE saas_schema SET version = 0")
        .await
        .unwrap();
    let said = Postgres::open(&kit::address(&database, USER)).await.unwrap_err();
    assert!(said.to_string().contains("vigie registry migrate"), "{said}");
    // Who isn't the owner doesn't make or change anything.
    let said = Postgres::init(&kit::address(&database, MANAGER)).await.unwrap_err();
    assert!(matches!(said, RegistryError::NotAllowed(_)), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_role_in_it_is_told_so() {
    let database = kit::fresh().await;
    kit::superuser(&database)
        .await
        .batch_execute("CREATE ROLE test_stranger LOGIN PASSWORD 'fleet'")
        .await
        .unwrap();
    let said = Postgres::open(&kit::address(&database, "test_stranger"))
        .await
        .unwrap_err();
    assert!(said.to_string().contains("grant it saas_user"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_and_a_missing_database_are_said_once_and_without_the_password() {
    let database = kit::fresh().await;
    let wrong = vigie::registry::postgres::Options::default()
        .password(vigie::domain::Secret::new("not-the-password".to_owned()));
    let said = Postgres::open_as(&kit::address(&database, ADMIN), wrong)
        .await
        .unwrap_err()
        .to_string();
    assert!(said.contains("does not let test_admin in"), "{said}");
    assert!(!said.contains("not-the-password"), "{said}");
    let said = Postgres::open(&kit::address("no_such_database", ADMIN))
        .await
        .unwrap_err();
    assert!(said.to_string().contains("createdb"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_says_who_one_is_and_what_is_odd() {
    let database = kit::fresh().await;
    let options = vigie::registry::postgres::Options::default();
    let status = Postgres::status(&kit::address(&database, MANAGER), options.clone())
        .await
        .unwrap();
    assert_eq!(
        (status.role.as_str(), status.schema),
        (MANAGER, Some(Postgres::known_schema()))
    );
    assert_eq!(status.groups, ["saas_user", "saas_manager"]);
    assert!(
        status.warnings.iter().any(|w| w.contains("fsync")),
        "{:?}",
        status.warnings
    );
    assert!(!status.place.contains("fleet") || status.place.starts_with("postgres://test_manager@"));
    let owner = Postgres::status(&kit::address(&database, OWNER), options)
        .await
        .unwrap();
    assert!(
        owner.warnings.iter().any(|w| w.contains("owner")),
        "{:?}",
        owner.warnings
    );
}
