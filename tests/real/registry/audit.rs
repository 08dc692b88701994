//! The shared registry's audit: who is who the database says, nobody rewrites it, and what is done past
//! vigie is written down too.

use super::contract::bench::{op, server_spec};
use super::kit;
use pretty_assertions::assert_eq;
use vigie::domain::SafeText;
use vigie::domain::audit::{AuditEntry, AuditFilter};
use vigie::registry::Registry;
use vigie::registry::postgres::Postgres;

async fn open(database: &str, login: &str) -> Postgres {
    Postgres::open(&kit::address(database, login)).await.unwrap()
}

async fn rows(registry: &Postgres) -> Vec<AuditEntry> {
    let mut rows = registry.audit(&AuditFilter::newest(1_000)).await.unwrap();
    rows.reverse();
    rows
}

#[tokio::test]
async fn who_is_the_role_that_was_connected_whatever_a_client_says() {
    let database = kit::fresh().await;
    let admin = open(&database, kit::ADMIN).await;
    admin.add_server(&op(), &server_spec("prod-1", 5)).await.unwrap();
    let manager = open(&database, kit::MANAGER).await;
    manager.customer_named(&op(), &SafeText::new("ABC")).await.unwrap();
    let user = open(&database, kit::USER).await;
    user.audit_refused(&op(), "server.delete", "server:1", "prod-1", "may not")
        .await
        .unwrap();
    let roles: Vec<Option<String>> = rows(&admin).await.into_iter().map(|row| row.db_role).collect();
    let expected = [kit::ADMIN, kit::MANAGER, kit::USER].map(|login| Some(login.to_owned()));
    assert_eq!(roles, expected);
    // A hand-written client that says it is somebody else, or gives its row a number, time or hash.
    let plain = kit::plain(&database, kit::MANAGER).await;
    let base = "op_id, os_user, host, via, action, object, label";
    let values = "'o', 'x', 'x', 'cli', 'x.y', 'x', 'x'";
    for (column, value) in [
        ("db_role", "'postgres'"),
        ("id", "99"),
        ("hash", &format!("'{}'", "0".repeat(64))),
    ] {
        let sql = format!("INSERT INTO saas_audit ({base}, at, {column}) VALUES ({values}, now(), {value})");
        let said = plain.batch_execute(&sql).await.unwrap_err();
        assert_eq!(said.code().unwrap().code(), "42501", "{column}: {said:?}");
    }
    plain
        .batch_execute(&format!("INSERT INTO saas_audit ({base}, at) VALUES ({values}, now())"))
        .await
        .unwrap();
    let last = rows(&admin).await.pop().unwrap();
    assert_eq!((last.id, last.db_role.as_deref()), (4, Some(kit::MANAGER)));
    assert_eq!(admin.verify_audit(&[]).await.unwrap().broken, None);
}

#[tokio::test]
async fn no_role_rewrites_or_removes_a_row() {
    let database = kit::fresh().await;
    let admin = open(&database, kit::ADMIN).await;
    admin.add_server(&op(), &server_spec("prod-1", 5)).await.unwrap();
    for login in [kit::USER, kit::MANAGER, kit::WORKER, kit::ADMIN] {
        let plain = kit::plain(&database, login).await;
        for sql in [
            "UPDATE saas_audit SET os_user = 'x'",
            "DELETE FROM saas_audit",
            "TRUNCATE saas_audit",
            "UPDATE saas_audit_head SET last_id = 0",
            "DELETE FROM saas_audit_head",
            "ALTER TABLE saas_audit DISABLE TRIGGER ALL",
            "DROP TABLE saas_audit CASCADE",
            "SET session_replication_role = replica",
            "SELECT saas_audit_chain()",
        ] {
            let said = plain.batch_execute(sql).await.unwrap_err();
            let code = said.code().unwrap().code().to_owned();
            assert!(["42501", "0A000"].contains(&code.as_str()), "{login}: {sql}: {said:?}");
        }
    }
    assert_eq!(admin.verify_audit(&[]).await.unwrap().broken, None);
}

#[tokio::test]
async fn what_a_hand_written_client_changes_is_written_down_when_it_commits() {
    let database = kit::fresh().await;
    let admin = open(&database, kit::ADMIN).await;
    let mut spec = server_spec("prod-1", 5);
    spec.db_password = Some(vigie::domain::SecretRef::parse("sealed:k1:Q0FOQVJZ").unwrap());
    admin.add_server(&op(), &spec).await.unwrap();
    let kept = rows(&admin).await.len();
    let plain = kit::plain(&database, kit::ADMIN).await;
    plain
        .batch_execute(
            "BEGIN; UPDATE saas_server SET max_instances = 9, db_password = 'sealed:k2:Q0FOQVJZ';
             UPDATE saas_server SET health_reason = 'slow', latency_ms = 3; COMMIT",
        )
        .await
        .unwrap();
    plain
        .batch_execute("INSERT INTO saas_customer (name) VALUES ('ABC')")
        .await
        .unwrap();
    plain
        .batch_execute("BEGIN; UPDATE saas_server SET max_instances = 1; ROLLBACK")
        .await
        .unwrap();
    let new = rows(&admin).await.split_off(kept);
    let said: Vec<_> = new
        .iter()
        .map(|row| (row.action.as_str(), row.object.as_str(), row.label.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("sql.update", "server:1", "prod-1"),
            ("sql.insert", "customer:1", "ABC")
        ]
    );
    for row in &new {
        assert_eq!(
            (row.db_role.as_deref(), row.actor.via.as_str()),
            (Some(kit::ADMIN), "sql")
        );
    }
    assert_eq!(
        new[0].from,
        Some(serde_json::json!({"max_instances": 5, "db_password": "sealed (k1)"}))
    );
    assert_eq!(
        new[0].to,
        Some(serde_json::json!({"max_instances": 9, "db_password": "sealed (k2)"}))
    );
    assert!(!format!("{new:?}").contains("Q0FOQVJZ"));
    // A checked server is nobody's change.
    let worker = kit::plain(&database, kit::WORKER).await;
    worker
        .batch_execute("UPDATE saas_server SET health_reason = 'well', observed = 'online'")
        .await
        .unwrap();
    assert_eq!(rows(&admin).await.len(), kept + 2);
    assert_eq!(admin.verify_audit(&[]).await.unwrap().broken, None);
}

/// As the superuser, who can do all that a file's owner can.
#[tokio::test]
async fn every_tampering_shows() {
    let database = kit::fresh().await;
    let admin = open(&database, kit::ADMIN).await;
    for n in 0..8 {
        let name = SafeText::new(&format!("customer {n} é"));
        admin.customer_named(&op(), &name).await.unwrap();
        admin
            .audit_refused(&op(), "server.delete", "server:1", "prod-1", "may not")
            .await
            .unwrap();
    }
    let anchors: Vec<_> = admin.audit_head().await.unwrap().into_iter().collect();
    assert_eq!(admin.verify_audit(&anchors).await.unwrap().broken, None);
    let superuser = kit::superuser(&database).await;
    superuser
        .batch_execute(
            "SET session_replication_role = replica; CREATE TABLE kept AS SELECT * FROM saas_audit;
             CREATE TABLE kept_head AS SELECT * FROM saas_audit_head",
        )
        .await
        .unwrap();
    let mut ways = Vec::new();
    for column in [
        "op_id", "db_role", "os_user", "host", "via", "action", "object", "label", "refused",
    ] {
        for id in [1, 6, 16] {
            ways.push(format!(
                "UPDATE saas_audit SET {column} = coalesce({column}, '') || 'x' WHERE id = {id}"
            ));
        }
    }
    for column in ["from_values", "to_values"] {
        ways.push(format!(
            "UPDATE saas_audit SET {column} = '{{\"name\": 1}}' WHERE id = 3"
        ));
        // The same value in other letters.
        ways.push("UPDATE saas_audit SET to_values = (to_values::text || ' ')::json WHERE id = 3".to_owned());
    }
    for sql in [
        "UPDATE saas_audit SET at = at + interval '1 microsecond' WHERE id = 4",
        "UPDATE saas_audit SET at = 'infinity' WHERE id = 4",
        "UPDATE saas_audit SET db_role = NULL WHERE id = 4",
        "UPDATE saas_audit SET refused = NULL WHERE id = 4",
        "UPDATE saas_audit SET hash = repeat('0', 64) WHERE id = 5",
        "UPDATE saas_audit SET hash = repeat('0', 64) WHERE id = 16",
        "DELETE FROM saas_audit WHERE id = 1",
        "DELETE FROM saas_audit WHERE id = 9",
        "DELETE FROM saas_audit WHERE id = 16",
        "DELETE FROM saas_audit",
        "UPDATE saas_audit SET id = id + 1000 WHERE id > 8; UPDATE saas_audit SET id = id - 999 WHERE id > 1000",
        "UPDATE saas_audit SET id = -id WHERE id = 7",
        "UPDATE saas_audit SET id = CASE id WHEN 3 THEN 1003 ELSE 1004 END WHERE id IN (3, 4);
         UPDATE saas_audit SET id = CASE id WHEN 1003 THEN 4 ELSE 3 END WHERE id > 1000",
        "INSERT INTO saas_audit SELECT 0, at, op_id, db_role, os_user, host, via, action, object, label, from_values,
             to_values, refused, hash FROM saas_audit WHERE id = 1",
        "INSERT INTO saas_audit SELECT 17, at, op_id, db_role, os_user, host, via, action, object, label, from_values,
             to_values, refused, hash FROM saas_audit WHERE id = 1",
        "DELETE FROM saas_audit WHERE id > 12;
         UPDATE saas_audit_head SET last_id = 12, hash = (SELECT hash FROM saas_audit WHERE id = 12)",
        "DELETE FROM saas_audit_head",
    ] {
        ways.push(sql.to_owned());
    }
    for sql in ways {
        superuser.batch_execute(&sql).await.unwrap();
        let found = admin.verify_audit(&anchors).await.unwrap();
        assert!(found.broken.is_some(), "{sql}");
        superuser
            .batch_execute(
                "BEGIN; DELETE FROM saas_audit; INSERT INTO saas_audit SELECT * FROM kept; DELETE FROM saas_audit_head;
                 INSERT INTO saas_audit_head SELECT * FROM kept_head; COMMIT",
            )
            .await
            .unwrap();
    }
    assert_eq!(
        admin.verify_audit(&anchors).await.unwrap().broken,
        None,
        "and it is whole again"
    );
}
