//! What the Odoo stand-in does when something is wrong with it, as real ones are wrong.

use crate::harness::{cluster, fresh_name, http, ok, rpc, standin, standin_options};
use crate::standin::{create, may_enter, one};
use pretty_assertions::assert_eq;
use serde_json::json;
use std::fs;
use std::time::Duration;
use tokio::net::TcpStream;
use vigie::sandbox::{Instead, Standin};

#[tokio::test]
async fn an_unknown_country_answers_true_and_leaves_admin_admin() {
    let odoo = standin().await;
    for (name, country, fault) in [
        (fresh_name("country"), "zz", false),
        (fresh_name("country"), "fr", true),
    ] {
        odoo.fault(|faults| faults.init_fails = fault);
        let args = json!(["master", name, false, "en_US", "chosen", "boss", country]);
        assert_eq!(ok(&odoo, "db", "create_database", args).await, json!(true));
        assert!(may_enter(&odoo, &name, "admin", "admin").await);
        assert!(!may_enter(&odoo, &name, "boss", "chosen").await);
    }
}

#[tokio::test]
async fn closed_database_management_denies_even_the_right_password() {
    let mut options = standin_options(cluster());
    options.list_db = false;
    let odoo = Standin::start(options).await.unwrap();
    for (method, args) in [
        ("list", json!([])),
        ("drop", json!(["master", "x"])),
        ("create_database", json!(["master", "x", false, "en_US"])),
    ] {
        let answer = rpc(&odoo, "db", method, args).await;
        assert_eq!(
            answer["error"]["data"]["name"], "odoo.exceptions.AccessDenied",
            "{method}"
        );
    }
    assert_eq!(ok(&odoo, "db", "server_version", json!([])).await, json!("16.0"));
    let page = http(odoo.address(), "GET", "/web/database/manager", "", "").await;
    assert!(page.body.contains("disabled by the administrator"));
}

#[tokio::test]
async fn faults_are_what_they_say() {
    let mut options = standin_options(cluster());
    options.health_knows_database = true;
    options.web_version = true;
    let odoo = Standin::start(options).await.unwrap();
    let health = "/web/health?db_server_status=1";
    let get = async |path: &str| http(odoo.address(), "GET", path, "", "").await;
    assert_eq!(
        get(health).await.body,
        "{\"status\": \"pass\", \"db_server_status\": true}"
    );
    odoo.fault(|faults| faults.postgres_dead = true);
    assert_eq!(get(health).await.status, 500);
    assert_eq!(get("/web/health").await.status, 200, "stays green without PostgreSQL");
    assert_eq!(
        ok(&odoo, "common", "version", json!([])).await["server_version"],
        "16.0"
    );
    let error = rpc(&odoo, "db", "list", json!([])).await["error"]["data"].clone();
    assert_eq!(error["name"], "psycopg2.OperationalError");
    assert!(error["message"].as_str().unwrap().contains("Connection refused"));
    odoo.fault(|faults| faults.postgres_dead = false);
    odoo.fault(|faults| faults.instead = Some(Instead::Redirect("https://portal.example.org/".to_owned())));
    let redirected = get("/web/version").await;
    assert_eq!(redirected.status, 307);
    assert!(redirected.headers.contains("location: https://portal.example.org/"));
    odoo.fault(|faults| {
        faults.instead = Some(Instead::Html {
            status: 502,
            body: "<h1>Bad Gateway</h1>".to_owned(),
        })
    });
    assert_eq!(
        (get("/jsonrpc").await.status, get("/").await.body.as_str()),
        (502, "<h1>Bad Gateway</h1>")
    );
    odoo.fault(|faults| faults.instead = None);
    assert_eq!(get("/").await.status, 303);
    assert!(get("/web/version").await.body.contains("version_info"));
    odoo.fault(|faults| faults.hang = true);
    let waited = tokio::time::timeout(Duration::from_millis(300), get("/web/health")).await;
    assert!(waited.is_err(), "no answer while it hangs");
    let address = odoo.address();
    tokio::time::timeout(Duration::from_secs(4), odoo.stop())
        .await
        .expect("stops though a request hangs");
    // Refused; or, since the port is free now, answered by another test's stand-in, which does not hang.
    let after = async {
        TcpStream::connect(address)
            .await
            .map(|_| http(address, "GET", "/web/health", "", ""))
    };
    let answered = async {
        if let Ok(reply) = after.await {
            reply.await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), answered)
        .await
        .expect("a stopped stand-in holds nobody up");
}

#[tokio::test]
async fn what_odoo_began_goes_on_when_the_client_goes_away() {
    let mut options = standin_options(cluster());
    options.install_time = Duration::from_millis(300);
    let odoo = Standin::start(options).await.unwrap();
    let name = fresh_name("gone");
    let begun = tokio::time::timeout(Duration::from_millis(150), create(&odoo, &name, "x")).await;
    assert!(begun.is_err());
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let made = format!("SELECT count(*)::text FROM pg_database WHERE datname = '{name}'");
    while one("postgres", &made).await != "1"
        || rpc(&odoo, "common", "authenticate", json!([name, "admin", "x", {}])).await["result"] != json!(2)
    {
        assert!(std::time::Instant::now() < deadline, "the database is finished");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(odoo.calls().contains(&"db.create_database".to_owned()));
    assert!(fs::metadata(odoo.filestore(&name)).unwrap().is_dir());
}

#[tokio::test]
async fn a_duplicate_can_fail_late_and_an_answer_can_be_lost() {
    let odoo = standin().await;
    let (name, late, lost) = (fresh_name("original"), fresh_name("late"), fresh_name("lost"));
    create(&odoo, &name, "x").await;
    odoo.fault(|faults| faults.duplicate_fails_late = true);
    let answer = rpc(&odoo, "db", "duplicate_database", json!(["master", name, late])).await;
    assert!(answer.get("error").is_some());
    assert_eq!(
        ok(&odoo, "db", "db_exist", json!([late])).await,
        json!(true),
        "the copy is there"
    );
    assert!(!odoo.filestore(&late).exists());
    odoo.fault(|faults| {
        faults.duplicate_fails_late = false;
        faults.silent = vec!["db.duplicate_database".to_owned()];
    });
    let asked = rpc(&odoo, "db", "duplicate_database", json!(["master", name, lost]));
    assert!(
        tokio::time::timeout(Duration::from_secs(2), asked).await.is_err(),
        "no answer"
    );
    assert!(may_enter(&odoo, &lost, "admin", "x").await, "and done all the same");
}
