mod stalls;

use super::*;
use crate::domain::HostName;
use crate::remote::testing::{Asked, Server, VERSION, answer, read_request, remote, sealed, spec};
use pretty_assertions::assert_eq;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

fn quick(timeout_ms: u64) -> CheckSettings {
    CheckSettings {
        timeout: Duration::from_millis(timeout_ms),
        attempts: 1,
        retry_after: Duration::from_millis(20),
        security: false,
    }
}

async fn check(spec: &ServerSpec, settings: &CheckSettings) -> CheckReport {
    let folder = tempfile::tempdir().unwrap();
    check_server(&remote(&folder), spec, settings).await
}

fn json(body: &str) -> Vec<u8> {
    answer("200 OK", "application/json", "", body)
}

fn result(value: &str) -> Vec<u8> {
    json(&format!(r#"{{"jsonrpc": "2.0", "id": 1, "result": {value}}}"#))
}

fn fault(name: &str) -> Vec<u8> {
    json(&format!(
        r#"{{"jsonrpc": "2.0", "id": 1, "error": {{"code": 200, "message": "Odoo Server Error",
           "data": {{"name": "{name}", "message": "m", "debug": "Traceback canary"}}}}}}"#
    ))
}

/// An Odoo 16 whose other answers are given by `other`.
fn odoo(asked: &Asked, other: impl Fn(&Asked) -> Option<Vec<u8>>) -> Vec<u8> {
    if let Some(bytes) = other(asked) {
        return bytes;
    }
    match asked.line.as_str() {
        line if line.starts_with("GET /web/health") => json(r#"{"status": "pass"}"#),
        _ if asked.body.contains("\"version\"") => json(VERSION),
        _ if asked.body.contains("db_exist") => result("true"),
        _ => fault("odoo.exceptions.AccessDenied"),
    }
}

fn names(report: &CheckReport) -> Vec<(&str, Option<bool>)> {
    report.layers.iter().map(|l| (l.name.as_str(), l.passed)).collect()
}

#[tokio::test]
async fn a_healthy_odoo_passes_layer_by_layer() {
    let server = Server::start(|asked| odoo(asked, |_| None)).await;
    let report = check(&server.spec(), &quick(5_000)).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.warnings, []);
    assert_eq!(report.version.as_ref().map(SafeText::as_str), Some("16.0"));
    assert_eq!(
        names(&report),
        [
            ("tcp", Some(true)),
            ("http", Some(true)),
            ("version", Some(true)),
            ("database", None),
            ("db_server_status", Some(true))
        ]
    );
    // With `args` even though they are empty: a healthy Odoo answers an error without.
    let sent: serde_json::Value = serde_json::from_str(&server.asked()[0].body).unwrap();
    assert_eq!(sent["params"]["args"], serde_json::json!([]));
}

#[tokio::test]
async fn down_refused_and_unknown_are_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let report = check(&spec(&format!("http://{address}")), &quick(2_000)).await;
    assert_eq!(
        report.failure,
        Some(Failure::Refused {
            address: SafeText::new(&address.to_string())
        })
    );
    assert_eq!(names(&report), [("tcp", Some(false))]);
    let report = check(&spec("http://no-such-host.invalid"), &quick(5_000)).await;
    let host = SafeText::new("no-such-host.invalid");
    assert_eq!(report.failure, Some(Failure::NameUnresolved { host }));
}

#[tokio::test]
async fn what_is_not_odoo_is_named() {
    for (bytes, wanted) in [
        (
            answer("200 OK", "text/html", "", "<title>Hotel Wi-Fi: log in</title>"),
            "answers, but is not Odoo: a page titled “Hotel Wi-Fi: log in” (HTTP 200)",
        ),
        (
            answer(
                "302 Found",
                "text/html",
                "Location: https://portal.example/login\r\n",
                "",
            ),
            "answers, but is not Odoo: a redirect to https://portal.example/login (HTTP 302)",
        ),
        (
            answer("404 Not Found", "text/html", "", "<title>404 Not Found</title>"),
            "answers, but is not Odoo: a page titled “404 Not Found” (HTTP 404)",
        ),
        (
            json(r#"{"hello": 1}"#),
            "answers, but is not Odoo: JSON that is not Odoo's (HTTP 200)",
        ),
        (
            result(r#"{"name": "other"}"#),
            "answers, but is not Odoo: a JSON-RPC server that gives no version of Odoo's",
        ),
        (
            answer("502 Bad Gateway", "text/html", "", "<title>502</title>"),
            "HTTP 502",
        ),
        (
            answer("403 Forbidden", "text/html", "", "<title>403</title>"),
            "HTTP 403",
        ),
        (
            fault("builtins.RuntimeError"),
            "Odoo answers with an error: builtins.RuntimeError: m",
        ),
    ] {
        let server = Server::start(move |_| bytes.clone()).await;
        let report = check(&server.spec(), &quick(5_000)).await;
        let failure = report.failure.clone().unwrap();
        assert_eq!(failure.to_string(), wanted);
        assert!(!failure.hint().is_empty());
        assert_eq!(names(&report).last(), Some(&("version", Some(false))), "{wanted}");
        assert!(
            !format!("{report:?}").contains("canary"),
            "a traceback is shown: {report:?}"
        );
    }
}

#[tokio::test]
async fn an_odoo_without_jsonrpc_is_found_by_its_web_routes() {
    for route in [
        "GET /web/version ",
        "GET /json/version ",
        "POST /web/webclient/version_info ",
    ] {
        let server = Server::start(move |asked| match asked.line.starts_with(route) {
            true if route.starts_with("POST") => json(VERSION),
            true => json(r#"{"version_info": [20, 0, 0, "final", 0, ""], "version": "20.0"}"#),
            false if asked.line.contains("/web/health") => json(r#"{"status": "pass", "db_server_status": true}"#),
            false => answer("404 Not Found", "text/html", "", "<title>404</title>"),
        })
        .await;
        let report = check(&server.spec(), &quick(5_000)).await;
        assert_eq!(report.failure, None, "{route}");
        assert!(
            matches!(report.warnings.as_slice(), [Warning::NoJsonRpc { .. }]),
            "{:?}",
            report.warnings
        );
    }
}

#[tokio::test]
async fn a_dead_database_behind_a_live_odoo_is_seen() {
    // By a build that says so itself.
    let health = |status: &'static str, body: &'static str| {
        move |asked: &Asked| {
            asked
                .line
                .contains("/web/health")
                .then(|| answer(status, "application/json", "", body))
        }
    };
    let says = health("500 X", r#"{"status": "fail", "db_server_status": false}"#);
    let server = Server::start(move |asked| odoo(asked, says)).await;
    let report = check(&server.spec(), &quick(5_000)).await;
    assert_eq!(report.failure, None, "Odoo itself answers");
    assert!(report.warnings[0].is_outage(), "{:?}", report.warnings);
    // By one that doesn't: whether it can connect to PostgreSQL's own database.
    let server = Server::start(|asked| odoo(asked, |a| a.body.contains("db_exist").then(|| result("false")))).await;
    let report = check(&server.spec(), &quick(5_000)).await;
    assert!(report.warnings[0].is_outage(), "{:?}", report.warnings);
    // From here: nothing listens where PostgreSQL should be.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut spec = Server::start(|asked| odoo(asked, |a| a.body.contains("db_exist").then(|| result("false"))))
        .await
        .spec();
    let alive = Server::start(|asked| odoo(asked, |a| a.body.contains("db_exist").then(|| result("false")))).await;
    spec.server_url = alive.spec().server_url;
    spec.db_host = Some(HostName::parse("127.0.0.1").unwrap());
    spec.db_port = free.local_addr().unwrap().port();
    drop(free);
    let report = check(&spec, &quick(5_000)).await;
    let outage = report.warnings.iter().find(|w| w.is_outage()).map(ToString::to_string);
    assert!(
        outage.is_some_and(|w| w.contains("connection refused")),
        "{:?}",
        report.warnings
    );
    // Not reached from here, while Odoo reaches it: a fault of ours, no outage.
    let up = Server::start(|asked| odoo(asked, |_| None)).await;
    spec.server_url = up.spec().server_url;
    let report = check(&spec, &quick(5_000)).await;
    assert!(!report.warnings.iter().any(Warning::is_outage), "{:?}", report.warnings);
    assert!(
        matches!(report.warnings.as_slice(), [Warning::DatabaseLogin { .. }]),
        "{:?}",
        report.warnings
    );
}

#[tokio::test]
async fn a_database_that_hangs_costs_no_more_than_the_time_given() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start(|asked| odoo(asked, |a| a.body.contains("db_exist").then(|| result("false")))).await;
    let mut spec = server.spec();
    spec.db_host = Some(HostName::parse("127.0.0.1").unwrap());
    spec.db_port = silent.local_addr().unwrap().port();
    let begun = Instant::now();
    let report = check(&spec, &quick(700)).await;
    assert!(begun.elapsed() < Duration::from_millis(1_200), "{:?}", begun.elapsed());
    assert_eq!(report.failure, None, "a slow database is no dead Odoo");
    assert!(report.warnings[0].is_outage(), "{:?}", report.warnings);
}

/// An Odoo with this master password, whose database management is open or not.
async fn guarded(master: &'static str, open: bool) -> Server {
    Server::start(move |asked| {
        odoo(asked, |a| {
            let says = |text: &str| a.body.contains(text);
            match () {
                () if !open => None,
                () if says("\"list\"") => Some(result(r#"["a", "b"]"#)),
                () if says("list_countries") && says(&format!("\"{master}\"")) => Some(result("[]")),
                () => None,
            }
        })
    })
    .await
}

#[tokio::test]
async fn an_open_door_is_a_warning_and_only_looked_at_when_asked() {
    let mut settings = quick(5_000);
    settings.security = true;
    let folder = tempfile::tempdir().unwrap();
    let remote = remote(&folder);
    // Still the password that every Odoo begins with; on loopback the manager itself is no warning.
    let server = guarded("admin", true).await;
    let mut spec = server.spec();
    spec.master_password = Some(sealed(&remote, "another-master"));
    let report = check_server(&remote, &spec, &settings).await;
    assert_eq!(
        report.warnings,
        [Warning::MasterPasswordIsAdmin, Warning::MasterPasswordRefused]
    );
    let report = check_server(&remote, &spec, &quick(5_000)).await;
    assert_eq!(report.warnings, [], "a routine check does not try passwords");
    // A good one.
    let server = guarded("another-master", true).await;
    spec.server_url = server.spec().server_url;
    let report = check_server(&remote, &spec, &settings).await;
    assert_eq!(report.warnings, []);
    // Management switched off: every password is refused, and that says nothing about them.
    let server = guarded("admin", false).await;
    spec.server_url = server.spec().server_url;
    let report = check_server(&remote, &spec, &settings).await;
    assert_eq!(report.warnings, []);
    assert!(!server.asked().iter().any(|a| a.body.contains("list_countries")));
    // A reference that leads nowhere.
    let server = guarded("x", true).await;
    spec.server_url = server.spec().server_url;
    spec.master_password = Some(crate::domain::SecretRef::Env("VIGIE_TEST_NOT_SET".to_owned()));
    let report = check_server(&remote, &spec, &settings).await;
    assert!(
        matches!(report.warnings.as_slice(), [Warning::SecretMissing { .. }]),
        "{:?}",
        report.warnings
    );
}

#[tokio::test]
async fn routine_checks_look_at_the_doors_once_a_day_or_while_one_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let remote = remote(&folder);
    let prober = Prober::new(4);
    let tried = |server: &Server| {
        server
            .asked()
            .iter()
            .filter(|a| a.body.contains("list_countries"))
            .count()
    };
    // Closed: looked at once.
    let good = guarded("another-master", true).await;
    for _ in 0..3 {
        assert_eq!(prober.check(&remote, &good.spec(), &quick(5_000)).await.warnings, []);
    }
    assert_eq!(tried(&good), 1);
    // Open: the warning stands as long as it is so.
    let bad = guarded("admin", true).await;
    for _ in 0..3 {
        let report = prober.check(&remote, &bad.spec(), &quick(5_000)).await;
        assert_eq!(report.warnings, [Warning::MasterPasswordIsAdmin]);
    }
    // Another password on record is tried anew.
    let mut spec = good.spec();
    spec.master_password = Some(sealed(&remote, "no-longer-right"));
    let report = prober.check(&remote, &spec, &quick(5_000)).await;
    assert_eq!(report.warnings, [Warning::MasterPasswordRefused]);
}

#[test]
fn addresses_of_private_networks_are_told_from_the_worlds() {
    for (url, private) in [
        ("http://127.0.0.1:8069", true),
        ("http://localhost:8069", true),
        ("http://10.1.2.3", true),
        ("http://192.168.0.9:8069", true),
        ("http://172.20.0.1", true),
        ("http://[::1]:8069", true),
        ("http://[fd00::1]", true),
        ("http://odoo", true),
        ("http://odoo.lan", true),
        ("https://odoo1.example.org", false),
        ("http://8.8.8.8", false),
        ("http://172.32.0.1", false),
        ("http://[2001:db8::1]", false),
    ] {
        assert_eq!(security::is_private(&url.parse().unwrap()), private, "{url}");
    }
}

#[tokio::test]
async fn one_lost_connection_is_no_outage() {
    // Each connection, until `lost` of them were broken off, and then a good one.
    for (attempts, lost, fails) in [(3, 2, false), (2, 2, true), (1, 1, true)] {
        let left = Arc::new(AtomicUsize::new(lost));
        let server = Server::raw(move |mut stream, _| {
            let left = Arc::clone(&left);
            async move {
                let Some(asked) = read_request(&mut stream).await else {
                    return;
                };
                if left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                    .is_err()
                {
                    let _ = stream.write_all(&odoo(&asked, |_| None)).await;
                }
            }
        })
        .await;
        let settings = CheckSettings {
            attempts,
            ..quick(5_000)
        };
        let report = check(&server.spec(), &settings).await;
        assert_eq!(
            report.failure.is_some(),
            fails,
            "{attempts} attempts, {lost} lost: {:?}",
            report.failure
        );
    }
    // A busy proxy's 503 may pass, too; a page that isn't Odoo's does not, and is not asked again.
    for (status, asked) in [("503 X", 3), ("200 OK", 1)] {
        let server = Server::start(move |_| answer(status, "text/html", "", "<title>x</title>")).await;
        let report = check(
            &server.spec(),
            &CheckSettings {
                attempts: 3,
                ..quick(5_000)
            },
        )
        .await;
        assert!(report.failure.is_some());
        assert_eq!(server.asked().len(), asked, "{status}");
    }
}
