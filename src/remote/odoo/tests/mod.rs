mod answers;

use super::*;
use crate::domain::check::Failure;
use crate::remote::testing::{Server, answer, remote, sealed};
use crate::remote::{RemoteError, deadline};
use pretty_assertions::assert_eq;

const RECORDED: &str = include_str!("../../../../tests/fixture/odoo16-exchanges.json");

fn recorded() -> Vec<Value> {
    serde_json::from_str(RECORDED).unwrap()
}

fn named<'a>(all: &'a [Value], name: &str) -> &'a Value {
    all.iter()
        .find(|e| e["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not recorded"))
}

fn db(name: &str) -> DbName {
    DbName::parse(name).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// What was answered, as bytes.
fn as_bytes(exchange: &Value) -> Vec<u8> {
    let response = &exchange["response"];
    let body = match (response.get("_not_json"), response.as_str()) {
        (Some(text), _) => text.as_str().unwrap().to_owned(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => response.to_string(),
    };
    let status = exchange["http_status"].as_u64().unwrap();
    answer(
        &format!("{status} X"),
        exchange["content_type"].as_str().unwrap(),
        "",
        &body,
    )
}

/// A server that answers what was recorded for `name`, and an Odoo of it with this master password.
async fn playing(name: &str, master: &str) -> (Server, Odoo, tempfile::TempDir) {
    let all = recorded();
    let bytes = as_bytes(named(&all, name));
    let server = Server::start(move |_| bytes.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let remote = remote(&folder);
    let mut spec = server.spec();
    spec.master_password = Some(sealed(&remote, master));
    let odoo = remote.odoo(&spec);
    (server, odoo, folder)
}

/// Makes the client's call that belongs to a recorded exchange. What came of it, in words.
async fn call(odoo: &Odoo, name: &str, request: &Value) -> Result<String> {
    let args = &request["params"]["args"];
    let text = |at: usize| args[at].as_str().unwrap();
    let password = secret(args[2].as_str().unwrap_or(""));
    let in_renamed = Login {
        db: &db(args[0]
            .as_str()
            .filter(|n| DbName::parse(n).is_ok())
            .unwrap_or("unused")),
        uid: 2,
        password: &password,
    };
    Ok(match name {
        "version" => format!("{:?}", odoo.version().await?),
        "about" => odoo.about().await?.to_string(),
        "unknown_service" => odoo
            .call("nosuch", "version", json!([]), odoo.limits.call)
            .await?
            .to_string(),
        "unknown_method" => odoo
            .call("common", "nosuch", json!([]), odoo.limits.call)
            .await?
            .to_string(),
        "db_list" => format!("{:?}", odoo.list().await?),
        "db_server_version" => odoo.server_version().await?.to_string(),
        "db_exist_true" | "db_exist_false" => odoo.db_exist(&db(text(0))).await?.to_string(),
        "list_lang_fr" => format!("{:?}", odoo.list_lang().await?.first()),
        "create_denied" | "create_exists" | "create_ok" => {
            let new = CreateDatabase {
                name: &db(text(1)),
                demo: args[2].as_bool().unwrap(),
                lang: text(3),
                password: &secret(text(4)),
                login: text(5),
                country: args[6].as_str(),
                phone: args[7].as_str(),
            };
            odoo.create_database(&new).await.map(|()| "created".to_owned())?
        }
        "duplicate_ok" | "duplicate_exists" | "duplicate_source_absent" | "duplicate_denied" => odoo
            .duplicate(&db(text(1)), &db(text(2)))
            .await
            .map(|()| "duplicated".to_owned())?,
        "rename_ok" => odoo
            .rename(&db(text(1)), &db(text(2)))
            .await
            .map(|()| "renamed".to_owned())?,
        "authenticate_ok" | "authenticate_refused" | "authenticate_no_db" => {
            format!("{:?}", odoo.authenticate(&db(text(0)), text(1), &password).await?)
        }
        "uuid_of_clone" | "uuid_of_template" => {
            format!(
                "{:?}",
                odoo.get_param(in_renamed, args[5][0].as_str().unwrap())
                    .await?
                    .map(String::from)
            )
        }
        "set_base_url" => {
            let (key, value) = (args[5][0].as_str().unwrap(), args[5][1].as_str().unwrap());
            odoo.set_param(in_renamed, key, value)
                .await
                .map(|()| "set".to_owned())?
        }
        "modules_installed" => {
            let kwargs = Some(args[6].clone());
            let found = odoo
                .execute_kw(in_renamed, text(3), text(4), args[5].clone(), kwargs)
                .await?;
            found.as_array().unwrap().len().to_string()
        }
        "user_count" => odoo.user_count(in_renamed).await?.to_string(),
        "no_such_model" => odoo
            .execute_kw(in_renamed, text(3), text(4), args[5].clone(), None)
            .await?
            .to_string(),
        "dump_zip" => {
            let cap = 64 << 20;
            let args = args.clone();
            let dump = odoo
                .call_within("db", "dump", args, odoo.limits.change_database, cap)
                .await?;
            dump.is_string().to_string()
        }
        "drop_ok" | "drop_absent" | "drop_denied" | "drop_template" => odoo.drop(&db(text(1))).await?.to_string(),
        other => panic!("{other} is recorded and not played"),
    })
}

/// Every recorded exchange: its name, what the client makes of the answer.
const OUTCOMES: &[(&str, std::result::Result<&str, FaultKind>)] = &[
    (
        "version",
        Ok("Version { text: SafeText(\"16.0\"), series: Some(SafeText(\"16.0\")), major: Some(16) }"),
    ),
    ("about", Ok("See http://openerp.com")),
    ("unknown_service", Err(FaultKind::NoSuchMethod)),
    ("unknown_method", Err(FaultKind::Other)),
    (
        "db_list",
        Ok("[SafeText(\"client_abc\"), SafeText(\"template_restaurant\")]"),
    ),
    ("db_server_version", Ok("16.0")),
    ("db_exist_true", Ok("true")),
    ("db_exist_false", Ok("false")),
    ("list_lang_fr", Ok("Some((\"sq_AL\", SafeText(\"Albanian / Shqip\")))")),
    ("create_denied", Err(FaultKind::AccessDenied)),
    ("create_exists", Err(FaultKind::DatabaseExists)),
    ("create_ok", Ok("created")),
    ("duplicate_ok", Ok("duplicated")),
    ("duplicate_exists", Err(FaultKind::DuplicateDatabase)),
    ("duplicate_source_absent", Err(FaultKind::NoSuchDatabase)),
    ("duplicate_denied", Err(FaultKind::AccessDenied)),
    ("rename_ok", Ok("renamed")),
    ("authenticate_ok", Ok("Some(2)")),
    ("authenticate_refused", Ok("None")),
    ("authenticate_no_db", Err(FaultKind::DatabaseUnreachable)),
    ("uuid_of_clone", Ok("Some(\"a5926f38-e579-11f1-933b-02fc00000001\")")),
    ("uuid_of_template", Ok("Some(\"9cdd9c96-e579-11f1-983e-02fc00000001\")")),
    ("set_base_url", Ok("set")),
    ("modules_installed", Ok("3")),
    ("user_count", Ok("1")),
    ("no_such_model", Err(FaultKind::UserError)),
    ("dump_zip", Ok("true")),
    ("drop_ok", Ok("true")),
    ("drop_absent", Ok("false")),
    ("drop_denied", Err(FaultKind::AccessDenied)),
    ("drop_template", Ok("true")),
];

/// Recorded, and asked by other means than a call of this client's: tested below, or names that
/// [`DbName`] refuses to make.
const OTHERWISE: &[&str] = &[
    "version_without_args",
    "malformed_json",
    "not_json_content",
    "create_bad_name",
    "drop_bad",
    "health",
    "version_info",
];

#[tokio::test]
async fn every_recorded_exchange_is_asked_as_recorded_and_understood() {
    let all = recorded();
    let known: Vec<_> = OUTCOMES
        .iter()
        .map(|(name, _)| *name)
        .chain(OTHERWISE.iter().copied())
        .collect();
    for exchange in &all {
        let name = exchange["name"].as_str().unwrap();
        assert!(known.contains(&name), "{name} is recorded and not tested");
    }
    for (name, wanted) in OUTCOMES {
        let exchange = named(&all, name);
        let master = exchange["request"]["params"]["args"][0].as_str().unwrap_or("admin");
        let (server, odoo, _folder) = playing(name, master).await;
        let outcome = call(&odoo, name, &exchange["request"]).await;
        let asked = server.asked();
        assert_eq!(asked.len(), 1, "{name}");
        let sent: Value = serde_json::from_str(&asked[0].body).unwrap();
        assert_eq!(sent["params"], exchange["request"]["params"], "{name}");
        assert_eq!(
            (&sent["jsonrpc"], &sent["method"]),
            (&json!("2.0"), &json!("call")),
            "{name}"
        );
        assert_eq!(asked[0].line, "POST /jsonrpc HTTP/1.1", "{name}");
        assert!(
            asked[0].head.to_lowercase().contains("content-type: application/json"),
            "{name}"
        );
        match (outcome, wanted) {
            (Ok(got), Ok(wanted)) => assert_eq!(&got, wanted, "{name}"),
            (Err(RemoteError::Odoo(error)), Err(kind)) => {
                assert_eq!(error.kind(), Some(*kind), "{name}: {error}");
                let shown = format!("{error} {error:?} {:?}", error.hint());
                assert!(
                    !shown.contains("Traceback") && !shown.contains("frames left out"),
                    "{name}: {shown}"
                );
                let message = exchange["response"]["error"]["data"]["message"].as_str().unwrap();
                assert!(
                    shown.contains(message.trim_end().lines().next().unwrap()),
                    "{name}: {shown}"
                );
            }
            (outcome, wanted) => panic!("{name}: {:?}, wanted {wanted:?}", outcome.map_err(|e| e.to_string())),
        }
    }
}

#[test]
fn names_that_only_the_web_form_refuses_can_not_be_made() {
    for name in ["create_bad_name", "drop_bad"] {
        let all = recorded();
        let bad = named(&all, name)["request"]["params"]["args"][1]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(DbName::parse(&bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn answers_that_are_no_json_rpc_are_told_apart() {
    let wanted = [
        ("malformed_json", Failure::Http { status: 400 }),
        ("not_json_content", Failure::Http { status: 400 }),
    ];
    for (name, failure) in wanted {
        let (_server, odoo, _folder) = playing(name, "admin").await;
        assert_eq!(failure_of(odoo.version().await), failure, "{name}");
    }
    // An error that means nothing but a fault of the asker: Odoo is up.
    let (_server, odoo, _folder) = playing("version_without_args", "admin").await;
    let error = odoo.version().await.unwrap_err();
    assert!(
        matches!(&error, RemoteError::Odoo(e) if e.kind() == Some(FaultKind::BadCall)),
        "{error}"
    );
}

#[tokio::test]
async fn the_web_routes_tell_version_and_health() {
    let (_server, odoo, _folder) = playing("health", "admin").await;
    let limit = Duration::from_secs(5);
    assert_eq!(
        odoo.health(limit).await,
        Ok(DbServerStatus::NotChecked),
        "a build that doesn't know the question"
    );
    for (status, body, wanted) in [
        (
            "200 OK",
            r#"{"status": "pass", "db_server_status": true}"#,
            DbServerStatus::Up,
        ),
        (
            "500 X",
            r#"{"status": "fail", "db_server_status": false}"#,
            DbServerStatus::Down,
        ),
    ] {
        let server = Server::start(move |_| answer(status, "application/json", "", body)).await;
        let folder = tempfile::tempdir().unwrap();
        let odoo = remote(&folder).odoo(&server.spec());
        assert_eq!(odoo.health(limit).await, Ok(wanted));
        assert_eq!(server.asked()[0].line, "GET /web/health?db_server_status=1 HTTP/1.1");
    }
    let bytes = as_bytes(named(&recorded(), "version_info"));
    let server = Server::start(
        move |asked| match asked.line.starts_with("POST /web/webclient/version_info ") {
            true => bytes.clone(),
            false => answer("404 Not Found", "text/html", "", "<title>404</title>"),
        },
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let found = remote(&folder).odoo(&server.spec()).web_version(limit).await.unwrap();
    assert_eq!((found.text.as_str(), found.major), ("16.0", Some(16)));
    let lines: Vec<_> = server.asked().iter().map(|a| a.line.clone()).collect();
    assert_eq!(lines[0], "GET /web/version HTTP/1.1");
    assert_eq!(lines[1], "GET /json/version HTTP/1.1");
}

#[test]
fn versions_of_other_series_are_read() {
    for (answer, text, major) in [
        (
            json!({"version": "19.0", "version_info": [19, 0, 0, "final", 0, ""]}),
            "19.0",
            Some(19),
        ),
        (
            json!({"server_version": "saas~17.2+e", "server_version_info": ["saas~17", 2, 0, "final", 0, "e"]}),
            "saas~17.2+e",
            Some(17),
        ),
    ] {
        let version = web::version_of(&answer).unwrap();
        assert_eq!((version.text.as_str(), version.major), (text, major));
    }
    for other in [
        json!({"version": "1.2"}),
        json!("16.0"),
        json!(null),
        json!({"version_info": [1]}),
    ] {
        assert_eq!(web::version_of(&other), None, "{other}");
    }
}

#[tokio::test]
async fn neither_result_nor_error_is_null() {
    let server = Server::start(|_| answer("200 OK", "application/json", "", r#"{"jsonrpc": "2.0", "id": 1}"#)).await;
    let folder = tempfile::tempdir().unwrap();
    let odoo = remote(&folder).odoo(&server.spec());
    let password = secret("pw");
    let login = Login {
        db: &db("some_db"),
        uid: 2,
        password: &password,
    };
    assert_eq!(odoo.get_param(login, "absent").await.unwrap(), None);
}

fn failure_of<T: std::fmt::Debug>(outcome: Result<T>) -> Failure {
    match outcome {
        Err(RemoteError::Odoo(OdooError::Unreachable { failure, .. })) => failure,
        other => panic!("{other:?}"),
    }
}
