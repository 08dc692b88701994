//! The Odoo stand-in is held to what a real Odoo 16 answered, and to what it does to databases.

use crate::harness::{Reply, cluster, connect, fresh_name, http, ok, own_cluster, rpc, standin, standin_options};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use std::process::Command;
use vigie::domain::Secret;
use vigie::sandbox::{Standin, StandinHandle};

const RECORDED: &str = include_str!("../fixture/odoo16-exchanges.json");

/// Values that differ from run to run, made equal.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain_text(text)),
        Value::Array(items) => {
            // The recording cut a long list with this mark.
            let kept = items.iter().position(|item| item == "…").unwrap_or(items.len());
            items[..kept].iter().map(plain).collect()
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        other => other.clone(),
    }
}

fn plain_text(text: &str) -> String {
    if text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) {
        return "<uuid>".to_owned();
    }
    // A zip, base64: its beginning is that of every zip with a first file.
    if text.starts_with("UEsDB") {
        return "<zip>".to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = ["port ", "localhost:"]
        .iter()
        .filter_map(|mark| Some(rest.find(mark)? + mark.len()))
        .min()
    {
        out.push_str(&rest[..at]);
        out.push('N');
        rest = rest[at..].trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out + rest
}

async fn play(odoo: &StandinHandle, exchange: &Value) -> Reply {
    let path = exchange["path"].as_str().unwrap();
    let method = exchange["method"].as_str().unwrap_or("POST");
    let (kind, body) = match &exchange["request"] {
        Value::Null => ("text/plain", String::new()),
        Value::String(raw) if exchange["name"] == "not_json_content" => ("text/plain", raw.clone()),
        Value::String(raw) => ("application/json", raw.clone()),
        request => ("application/json", request.to_string()),
    };
    http(odoo.address(), method, path, kind, &body).await
}

#[tokio::test]
async fn every_recorded_exchange_is_answered_as_odoo_16_did() {
    // A cluster of its own: the recorded list of databases is that of the whole role.
    let cluster = own_cluster();
    let mut options = standin_options(&cluster);
    options.master_password = Secret::new("admin".to_owned());
    let odoo = Standin::start(options).await.unwrap();
    for name in ["template_restaurant", "client_abc"] {
        ok(
            &odoo,
            "db",
            "create_database",
            json!(["admin", name, false, "en_US", "x", "admin"]),
        )
        .await;
    }
    let exchanges: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    let mut played = 0;
    for exchange in &exchanges {
        let name = exchange["name"].as_str().unwrap();
        let reply = play(&odoo, exchange).await;
        let recorded = &exchange["response"];
        let (answered, expected) = match recorded {
            Value::String(text) => (Value::String(reply.body.clone()), Value::String(text.clone())),
            Value::Object(members) if members.contains_key("_not_json") => {
                (Value::String(reply.body.clone()), members["_not_json"].clone())
            }
            json => {
                let mut answered: Value = serde_json::from_str(&reply.body).unwrap();
                // A list that the recording cut is compared as far as it goes.
                if let (Some(ours), Some(theirs)) = (
                    answered.get_mut("result").and_then(Value::as_array_mut),
                    json["result"].as_array(),
                ) && theirs.last().is_some_and(|last| last == "…")
                {
                    ours.truncate(theirs.len() - 1);
                }
                (plain(&answered), plain(json))
            }
        };
        assert_eq!(answered, expected, "{name}");
        assert_eq!(json!(reply.status), exchange["http_status"], "{name}");
        assert_eq!(json!(reply.content_type), exchange["content_type"], "{name}");
        played += 1;
    }
    assert_eq!(played, exchanges.len());
    assert!(played > 30, "the recording is there: {played}");
    odoo.stop().await;
}

pub(crate) async fn create(odoo: &StandinHandle, name: &str, password: &str) {
    let args = json!(["master", name, false, "fr_FR", password, "admin", "fr"]);
    assert_eq!(ok(odoo, "db", "create_database", args).await, json!(true));
}

pub(crate) async fn may_enter(odoo: &StandinHandle, database: &str, login: &str, password: &str) -> bool {
    ok(odoo, "common", "authenticate", json!([database, login, password, {}]))
        .await
        .is_number()
}

pub(crate) async fn one(database: &str, query: &str) -> String {
    let client = connect(&cluster().role_config(database)).await;
    let row = client.query_one(query, &[]).await.expect(query);
    row.get(0)
}

async fn execute(
    odoo: &StandinHandle,
    db: &str,
    password: &str,
    model: &str,
    method: &str,
    args: Value,
    names: Value,
) -> Value {
    ok(
        odoo,
        "object",
        "execute_kw",
        json!([db, 2, password, model, method, args, names]),
    )
    .await
}

#[tokio::test]
async fn a_created_database_has_a_hashed_password_that_lets_in() {
    let odoo = standin().await;
    let name = fresh_name("created");
    create(&odoo, &name, "pw-1").await;
    assert!(may_enter(&odoo, &name, "admin", "pw-1").await);
    assert!(!may_enter(&odoo, &name, "admin", "admin").await);
    assert!(!may_enter(&odoo, &name, "__system__", "pw-1").await);
    let hash = one(&name, "SELECT password FROM res_users WHERE id = 2").await;
    assert!(hash.starts_with("$pbkdf2-sha512$10$"), "{hash}");
    assert_eq!(one(&name, "SELECT lang FROM res_partner WHERE id = 3").await, "fr_FR");
    // A password changed by SQL alone is the new one for whoever logs in.
    let changed = vigie::domain::passlib::hash(&Secret::new("pw-2".to_owned()), &[9; 16], 25);
    let client = connect(&cluster().role_config(&name)).await;
    client
        .execute("UPDATE res_users SET password = $1 WHERE id = 2", &[&changed])
        .await
        .unwrap();
    assert!(may_enter(&odoo, &name, "admin", "pw-2").await);
    assert!(!may_enter(&odoo, &name, "admin", "pw-1").await);
}

#[tokio::test]
async fn databases_are_as_large_as_asked() {
    let mut options = standin_options(cluster());
    options.filler_bytes = 4 * 1024 * 1024;
    let odoo = Standin::start(options).await.unwrap();
    let (name, plain) = (fresh_name("large"), fresh_name("plain"));
    create(&odoo, &name, "x").await;
    create(&standin().await, &plain, "x").await;
    assert!(may_enter(&odoo, &name, "admin", "x").await, "and finished");
    let more = format!("SELECT ((pg_database_size('{name}') - pg_database_size('{plain}')) / 1048576)::text");
    let more: i64 = one("postgres", &more).await.parse().unwrap();
    assert!((3..=8).contains(&more), "{more} MB more");
}

#[tokio::test]
async fn filestores_are_named_by_sha1_copied_moved_and_removed() {
    let odoo = standin().await;
    let (name, copy, moved) = (fresh_name("files"), fresh_name("files_copy"), fresh_name("files_moved"));
    create(&odoo, &name, "x").await;
    let stored = one(
        &name,
        "SELECT string_agg(store_fname, ' ' ORDER BY id) FROM ir_attachment",
    )
    .await;
    let files: Vec<&str> = stored.split(' ').collect();
    assert!(files.len() >= 3);
    for file in &files {
        let path = odoo.filestore(&name).join(file);
        let said = Command::new("sha1sum").arg(&path).output().unwrap();
        let sha1 = String::from_utf8_lossy(&said.stdout)[..40].to_owned();
        assert_eq!(*file, format!("{}/{sha1}", &sha1[..2]));
    }
    assert_eq!(
        ok(&odoo, "db", "duplicate_database", json!(["master", name, copy])).await,
        json!(true)
    );
    assert!(odoo.filestore(&copy).join(files[0]).is_file());
    let uuid = "SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'";
    assert_ne!(one(&name, uuid).await, one(&copy, uuid).await);
    assert_eq!(
        ok(&odoo, "db", "rename", json!(["master", copy, moved])).await,
        json!(true)
    );
    assert!(!odoo.filestore(&copy).exists());
    assert!(odoo.filestore(&moved).join(files[0]).is_file());
    assert_eq!(ok(&odoo, "db", "drop", json!(["master", moved])).await, json!(true));
    assert!(!odoo.filestore(&moved).exists());
    assert_eq!(ok(&odoo, "db", "db_exist", json!([moved])).await, json!(false));
}

#[tokio::test]
async fn a_visited_database_keeps_an_idle_connection_until_it_takes_none() {
    let odoo = standin().await;
    let (name, copy) = (fresh_name("visited"), fresh_name("visited_copy"));
    create(&odoo, &name, "x").await;
    assert!(may_enter(&odoo, &name, "admin", "x").await);
    let named = format!(
        "SELECT count(*)::text FROM pg_stat_activity WHERE datname = '{name}' AND application_name LIKE 'odoo-%'"
    );
    assert_eq!(one("postgres", &named).await, "1");
    let client = connect(&cluster().role_config("postgres")).await;
    let freeze = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    client.batch_execute(&freeze).await.unwrap();
    client
        .batch_execute(&format!("ALTER DATABASE {name} IS_TEMPLATE true"))
        .await
        .unwrap();
    odoo.close_connections().await;
    let answer = rpc(&odoo, "common", "authenticate", json!([name, "admin", "x", {}])).await;
    let error = &answer["error"]["data"];
    assert_eq!(error["name"], "psycopg2.OperationalError");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("is not currently accepting connections"),
        "{error}"
    );
    let listed = ok(&odoo, "db", "list", json!([])).await;
    assert!(
        !listed.as_array().unwrap().contains(&json!(name)),
        "a template is not listed"
    );
    assert_eq!(
        ok(&odoo, "db", "drop", json!(["master", name])).await,
        json!(false),
        "nor dropped"
    );
    assert_eq!(
        ok(&odoo, "db", "duplicate_database", json!(["master", name, copy])).await,
        json!(true)
    );
    assert!(may_enter(&odoo, &copy, "admin", "x").await);
}

#[tokio::test]
async fn modules_parameters_users_and_companies_are_read_and_written() {
    let odoo = standin().await;
    let name = fresh_name("objects");
    create(&odoo, &name, "x").await;
    let db = name.as_str();
    let none = json!({});
    let ids = execute(
        &odoo,
        db,
        "x",
        "ir.module.module",
        "search",
        json!([[["name", "in", ["sale", "nosuch"]]]]),
        none.clone(),
    )
    .await;
    assert_eq!(ids, json!([341]));
    execute(
        &odoo,
        db,
        "x",
        "ir.module.module",
        "button_immediate_install",
        json!([ids]),
        none.clone(),
    )
    .await;
    let fields = json!({ "fields": ["name", "state"] });
    let domain = json!([["name", "in", ["sale", "mail", "crm"]]]);
    let rows = execute(
        &odoo,
        db,
        "x",
        "ir.module.module",
        "search_read",
        json!([domain]),
        fields,
    )
    .await;
    let state = |module: &str| {
        rows.as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == module)
            .unwrap()["state"]
            .clone()
    };
    assert_eq!(
        (state("sale"), state("mail"), state("crm")),
        (json!("installed"), json!("installed"), json!("uninstalled"))
    );
    assert_eq!(
        execute(
            &odoo,
            db,
            "x",
            "res.company",
            "write",
            json!([[1], { "name": "ABC SARL" }]),
            none.clone()
        )
        .await,
        json!(true)
    );
    let company = execute(
        &odoo,
        db,
        "x",
        "res.company",
        "read",
        json!([[1], ["name", "partner_id"]]),
        none.clone(),
    )
    .await;
    assert_eq!(
        company,
        json!([{ "id": 1, "name": "ABC SARL", "partner_id": [1, "ABC SARL"] }])
    );
    let freeze = json!(["web.base.url.freeze", true]);
    assert_eq!(
        execute(&odoo, db, "x", "ir.config_parameter", "set_param", freeze, none.clone()).await,
        json!(false)
    );
    let frozen = execute(
        &odoo,
        db,
        "x",
        "ir.config_parameter",
        "get_param",
        json!(["web.base.url.freeze"]),
        none.clone(),
    )
    .await;
    assert_eq!(frozen, json!("True"));
    let change = json!([[2], { "password": "y", "login": "chef" }]);
    assert_eq!(
        execute(&odoo, db, "x", "res.users", "write", change, none.clone()).await,
        json!(true)
    );
    assert!(may_enter(&odoo, db, "chef", "y").await);
    let denied = rpc(
        &odoo,
        "object",
        "execute_kw",
        json!([db, 2, "x", "res.users", "search_count", [[]]]),
    )
    .await;
    assert_eq!(denied["error"]["data"]["name"], "odoo.exceptions.AccessDenied");
    let hidden = execute(
        &odoo,
        db,
        "y",
        "res.users",
        "read",
        json!([[2], ["login", "password"]]),
        none.clone(),
    )
    .await;
    assert_eq!(hidden, json!([{ "id": 2, "login": "chef", "password": "" }]));
    for (model, method, class) in [
        ("res.users", "_login", "odoo.exceptions.AccessError"),
        ("res.users", "nosuch", "builtins.AttributeError"),
        ("saas.server", "search", "odoo.exceptions.UserError"),
    ] {
        let answer = rpc(&odoo, "object", "execute_kw", json!([db, 2, "y", model, method, []])).await;
        assert_eq!(answer["error"]["data"]["name"], class, "{model}.{method}");
    }
}
