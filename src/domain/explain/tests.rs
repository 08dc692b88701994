mod jobs;

use super::*;
use crate::domain::check::{Failure, Layer, ServerUrl, Warning};
use crate::domain::health::HealthTrack;
use crate::domain::job::{JobSpec, JobState, LogLevel, PlannedStep, StepRecord, StepState, Stream};
use crate::domain::names::Code;
use crate::domain::problem::Problem;
use crate::domain::server::{DbTls, Intent, Observed, ServerSpec};
use jiff::SignedDuration;

fn now() -> Timestamp {
    "2026-11-21T14:00:00Z".parse().unwrap()
}

fn ago_min(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

fn server(id: i64, url: &str) -> Server {
    Server {
        id: ServerId(id),
        version: 1,
        spec: ServerSpec {
            name: SafeText::new("Production"),
            code: Code::parse(&format!("prod-{id}")).unwrap(),
            description: SafeText::default(),
            server_url: ServerUrl::parse(url).unwrap(),
            server_ip: None,
            port: None,
            ssh: None,
            db_host: None,
            db_port: 5432,
            db_user: None,
            db_password: None,
            db_tls: DbTls::Disable,
            master_password: None,
            data_dir: None,
            max_instances: 50,
            cpu_cores: None,
            memory_gb: None,
            disk_gb: None,
        },
        intent: Intent::Active,
        track: HealthTrack {
            observed: Observed::Online,
            status: HealthStatus::Healthy,
            reason: SafeText::new("answers in 20 ms"),
            last_check: Some(ago_min(1)),
            ..HealthTrack::default()
        },
        instance_count: 3,
        created_at: ago_min(90_000),
    }
}

fn down(mut server: Server, why: &str) -> Server {
    server.track.observed = Observed::Offline;
    server.track.status = HealthStatus::Critical;
    server.track.reason = SafeText::new(why);
    server.track.failures = 4;
    server
}

fn layer(name: &str, passed: Option<bool>) -> Layer {
    Layer {
        name: name.to_owned(),
        passed,
        took_ms: 12,
        note: SafeText::new("note"),
    }
}

fn seen(minutes: i64, failure: Option<Failure>, layers: Vec<Layer>) -> Seen {
    let status = if failure.is_some() {
        HealthStatus::Critical
    } else {
        HealthStatus::Healthy
    };
    Seen {
        reason: SafeText::new(
            &failure
                .as_ref()
                .map_or("answers in 20 ms".to_owned(), ToString::to_string),
        ),
        report: CheckReport {
            at: ago_min(minutes),
            latency_ms: 20,
            failure,
            warnings: Vec::new(),
            version: None,
            layers,
        },
        status,
    }
}

fn facts(servers: Vec<Server>, checks: Vec<Seen>) -> Facts {
    Facts {
        now: now(),
        servers,
        templates: Vec::new(),
        plans: Vec::new(),
        instances: Vec::new(),
        jobs: Vec::new(),
        checks,
        log: Vec::new(),
        refused: Vec::new(),
        workers: vec![WorkerSeen {
            id: "desk:1".to_owned(),
            seen_at: now(),
            alive: true,
        }],
        rules: HealthRules::default(),
        thresholds: Thresholds::default(),
        stale_after: Duration::from_secs(30 * 60),
    }
}

fn about(facts: &Facts) -> Explanation {
    explain(Subject::Server(ServerId(1)), facts).unwrap()
}

fn all(explanation: &Explanation) -> String {
    let mut out = explanation.verdict.to_string();
    for finding in &explanation.findings {
        out.push_str(&format!("\n{}: {}", finding.code, finding.title));
        for seen in &finding.evidence {
            out.push_str(&format!("\n  {}", seen.text));
        }
        for advice in &finding.advice {
            out.push_str(&format!("\n  > {advice}"));
        }
    }
    out
}

fn no_answer(stage: &str) -> Failure {
    Failure::NoAnswer {
        stage: SafeText::new(stage),
        waited_ms: 10_000,
    }
}

/// Each way of not answering is told apart by what the check saw, with advice of its own.
#[test]
fn a_server_that_does_not_answer_is_told_apart_by_what_the_check_saw() {
    let cases: Vec<(Failure, Vec<Layer>, &str, &str)> = vec![
        (
            Failure::NameUnresolved {
                host: "odoo1.example.org".into(),
            },
            vec![layer("tcp", Some(false))],
            "its name does not resolve",
            "getent hosts odoo1.example.org",
        ),
        (
            Failure::Refused {
                address: "10.0.0.1:8069".into(),
            },
            vec![layer("tcp", Some(false))],
            "Odoo stopped",
            "systemctl status odoo",
        ),
        (
            no_answer("connect"),
            vec![layer("tcp", Some(false))],
            "network",
            "a firewall drops port 443",
        ),
        (no_answer("name"), vec![], "does not resolve", "/etc/resolv.conf"),
        (
            no_answer("tls"),
            vec![layer("tcp", Some(true)), layer("tls", Some(false))],
            "TLS",
            "does TLS end there at all?",
        ),
        (
            no_answer("headers"),
            vec![layer("tcp", Some(true)), layer("http", Some(false))],
            "Odoo: it is reached, and hangs",
            "pg_stat_activity",
        ),
        (
            Failure::Tls {
                what: "invalid peer certificate: Expired".into(),
            },
            vec![layer("tcp", Some(true)), layer("tls", Some(false))],
            "TLS",
            "certbot renew",
        ),
        (
            Failure::Tls {
                what: "invalid peer certificate: UnknownIssuer".into(),
            },
            vec![layer("tls", Some(false))],
            "TLS",
            "fullchain.pem",
        ),
        (
            Failure::Tls {
                what: "certificate not valid for name".into(),
            },
            vec![layer("tls", Some(false))],
            "TLS",
            "for other names than",
        ),
        (
            Failure::Http { status: 502 },
            vec![layer("http", Some(false))],
            "the proxy answers",
            "proxy_pass",
        ),
        (
            Failure::Http { status: 504 },
            vec![layer("http", Some(false))],
            "the proxy answers",
            "runs and hangs",
        ),
        (
            Failure::Http { status: 403 },
            vec![layer("http", Some(false))],
            "proxy",
            "/jsonrpc and /web",
        ),
        (
            Failure::Http { status: 500 },
            vec![layer("http", Some(false))],
            "Odoo",
            "PostgreSQL shows so as well",
        ),
        (
            Failure::NotOdoo {
                what: "a page of nginx: 404 Not Found".into(),
            },
            vec![layer("version", Some(false))],
            "it is not Odoo",
            "no route to Odoo",
        ),
        (
            Failure::OdooError {
                name: "psycopg2.OperationalError".into(),
                message: "could not connect to server".into(),
            },
            vec![layer("version", Some(false))],
            "Odoo",
            "systemctl status postgresql",
        ),
        (
            Failure::Broken {
                what: "reset by peer".into(),
            },
            vec![layer("http", Some(false))],
            "Odoo",
            "Out of memory",
        ),
    ];
    let mut advices = std::collections::BTreeSet::new();
    for (failure, layers, says, advises) in cases {
        let checks = vec![
            seen(1, Some(failure.clone()), layers),
            seen(16, Some(failure.clone()), vec![]),
            seen(31, None, vec![]),
        ];
        let one = down(server(1, "https://odoo1.example.org"), "down");
        let explanation = about(&facts(vec![one], checks));
        let text = all(&explanation);
        assert_eq!(explanation.severity, Severity::Bad, "{failure:?}");
        let worst = &explanation.findings[0];
        assert_eq!(worst.code, "offline");
        assert!(worst.title.as_str().contains(says), "{failure:?}: {text}");
        assert!(
            worst.advice.iter().any(|advice| advice.contains(advises)),
            "{failure:?} {advises}: {text}"
        );
        assert!(text.contains("2 checks in a row"), "{text}");
        assert!(text.contains("the last answer, in 20 ms"), "{text}");
        assert!(text.contains("one good check brings it back"), "{text}");
        advices.insert(worst.advice.clone());
    }
    assert_eq!(advices.len(), 16, "no two are told the same");
}

#[test]
fn a_redirect_to_https_says_what_the_url_should_be() {
    let failure = Failure::NotOdoo {
        what: "a redirect (301) to https://odoo1.example.org/".into(),
    };
    let one = down(server(1, "http://odoo1.example.org"), "not Odoo");
    let text = all(&about(&facts(vec![one], vec![seen(1, Some(failure), vec![])])));
    assert!(text.contains("put https://odoo1.example.org in the URL"), "{text}");
}

#[test]
fn odoo_that_answers_without_its_database_is_bad_though_it_is_online() {
    let mut check = seen(
        1,
        None,
        vec![layer("version", Some(true)), layer("database", Some(false))],
    );
    check.report.warnings = vec![Warning::DatabaseDead {
        what: "connection refused".into(),
    }];
    let mut one = server(1, "https://odoo1.example.org");
    one.track.status = HealthStatus::Warning;
    one.track.reason = SafeText::new(&check.report.warnings[0].to_string());
    assert!(one.track.database_dead());
    let explanation = about(&facts(vec![one], vec![check]));
    assert_eq!(explanation.findings[0].code, "database_down");
    let text = all(&explanation);
    assert!(
        text.contains("✖ database") && text.contains("systemctl start postgresql"),
        "{text}"
    );
    assert!(!server(1, "http://x").track.database_dead());
}

#[test]
fn what_was_refused_lately_is_shown_with_a_way_to_it_and_what_it_means() {
    use crate::domain::audit::Actor;
    let row = |id: i64, action: &str, why: &str| AuditEntry {
        id,
        at: ago_min(5),
        op_id: "op".to_owned(),
        db_role: None,
        actor: Actor {
            os_user: "marie".to_owned(),
            host: "desk".to_owned(),
            via: "cli".to_owned(),
        },
        action: action.to_owned(),
        object: "server:1".to_owned(),
        label: "prod-1".to_owned(),
        from: None,
        to: None,
        refused: Some(why.to_owned()),
        hash: String::new(),
    };
    let mut facts = facts(vec![server(1, "http://h1")], vec![seen(1, None, vec![])]);
    facts.refused = vec![
        row(
            9,
            "server.deactivate",
            "Cannot deactivate server while it has instances (3)",
        ),
        row(
            8,
            "server.activate",
            "Cannot activate server. Connection test failed: HTTP 502",
        ),
    ];
    let explanation = about(&facts);
    let refused = explanation.findings.iter().find(|f| f.code == "refused").unwrap();
    assert_eq!(refused.evidence[1].link, Some(Link::Audit { id: 8 }));
    assert!(
        refused.evidence[0]
            .text
            .as_str()
            .starts_with("server.deactivate by marie@desk: Cannot deactivate")
    );
    assert_eq!(refused.advice.len(), 2);
}

#[test]
fn many_servers_down_at_once_point_at_this_machines_own_network() {
    let all_down: Vec<Server> = (1..=4)
        .map(|id| down(server(id, &format!("http://h{id}")), "no answer"))
        .collect();
    let checks = vec![seen(1, Some(no_answer("connect")), vec![])];
    let text = all(&about(&facts(all_down.clone(), checks)));
    assert!(
        text.contains("4 servers are down at once: look at this machine's own network"),
        "{text}"
    );
    // A certificate that ran out is one's own.
    let checks = vec![seen(1, Some(Failure::Tls { what: "expired".into() }), vec![])];
    let text = all(&about(&facts(all_down, checks)));
    assert!(!text.contains("servers are down at once"), "{text}");
}

#[test]
fn a_healthy_server_says_so_with_its_evidence() {
    let checks = (0..20)
        .map(|n| seen(1 + n * 15, None, vec![layer("tcp", Some(true))]))
        .collect();
    let explanation = about(&facts(vec![server(1, "http://h1")], checks));
    assert_eq!(explanation.severity, Severity::Good);
    assert_eq!(explanation.verdict.as_str(), "it is well: answers in 20 ms");
    let text = all(&explanation);
    assert!(
        text.contains("24 h: 20 of 20 checks answered, half within 20 ms"),
        "{text}"
    );
    assert!(text.contains("3 of 50 places are taken"), "{text}");
}

#[test]
fn what_is_down_on_record_is_never_called_well_whatever_the_last_kept_check_says() {
    let server = down(server(1, "https://a.example.org"), "connection refused");
    let told = about(&facts(vec![server], vec![seen(1, None, Vec::new())]));
    let text = all(&told);
    assert!(told.verdict.as_str().contains("offline: connection refused"), "{text}");
    assert_eq!(told.findings[0].severity, Severity::Bad, "{text}");
    assert!(text.contains("the last check that is kept was answered"), "{text}");
}

#[test]
fn old_checks_say_nothing_of_now() {
    let mut facts = facts(vec![server(1, "http://h1")], vec![seen(300, None, vec![])]);
    facts.workers.clear();
    let text = all(&about(&facts));
    assert!(
        text.contains("the last check is 5 h old") && text.contains("no worker is alive"),
        "{text}"
    );
}

#[test]
fn who_lives_on_a_server_is_listed_each_with_a_way_to_it() {
    use crate::domain::instance::{Instance, InstanceSpec, InstanceState};
    use crate::domain::names::{DbName, Subdomain};
    let instance = |id: i64, name: &str, state| Instance {
        id: InstanceId(id),
        version: 1,
        spec: InstanceSpec {
            name: SafeText::new(name),
            customer_id: None,
            plan_id: None,
            template_id: Some(TemplateId(1)),
            server_id: ServerId(1),
            database_name: DbName::parse(&format!("db_{id}")).unwrap(),
            subdomain: Subdomain::parse(&format!("sub-{id}")).unwrap(),
            url: String::new(),
            admin_login: String::new(),
            admin_password: crate::domain::SecretRef::parse("env:X").unwrap(),
            dedicated: None,
        },
        state,
        database_oid: None,
        database_uuid: None,
        size_bytes: None,
        created_at: now(),
    };
    let mut facts = facts(vec![server(1, "http://h1")], vec![seen(1, None, vec![])]);
    facts.instances = vec![
        instance(7, "Bistro", InstanceState::Active),
        instance(8, "Acme", InstanceState::Suspended),
        instance(9, "Gone", InstanceState::Failed),
    ];
    let explanation = about(&facts);
    let inhabited = explanation.findings.iter().find(|f| f.code == "inhabited").unwrap();
    assert!(
        inhabited.title.as_str().contains("it can't be deactivated"),
        "{inhabited:?}"
    );
    let names: Vec<&str> = inhabited.evidence.iter().map(|seen| seen.text.as_str()).collect();
    assert_eq!(
        names,
        [
            "Acme (sub-8, database db_8, suspended)",
            "Bistro (sub-7, database db_7)"
        ]
    );
    assert_eq!(inhabited.evidence[0].link, Some(Link::Instance { id: InstanceId(8) }));
}

#[test]
fn no_available_server_names_each_one_and_why_it_was_passed_over() {
    let mut full = server(1, "http://h1");
    full.instance_count = 50;
    let mut tight = server(2, "http://h2");
    tight.instance_count = 45;
    let away = down(server(3, "http://h3"), "refused");
    let mut draft = server(4, "http://h4");
    draft.intent = Intent::Draft;
    let servers = [full, tight, away, draft];
    let finding = placement(&servers, 20);
    assert_eq!((finding.code, finding.severity), ("no_server", Severity::Bad));
    let said: Vec<&str> = finding.evidence.iter().map(|seen| seen.text.as_str()).collect();
    assert_eq!(
        said,
        [
            "prod-1 is passed over: all of its 50 places are taken",
            "prod-2 is passed over: 10 % free, 20 % needed",
            "prod-3 is passed over: is offline",
            "prod-4 is passed over: is draft"
        ]
    );
    assert!(
        finding
            .evidence
            .iter()
            .all(|seen| matches!(seen.link, Some(Link::Server { .. })))
    );
    let advice = finding.advice.join("\n");
    assert!(
        advice.contains("offline") && advice.contains("draft") && advice.contains("max_instances"),
        "{advice}"
    );
    assert_eq!(placement(&servers, 10).severity, Severity::Good);
}
