//! Whom it calls: the bytes that the real binary writes when servers go down, and how often.

use super::harness::{Session, Start, verb};
use std::time::{Duration, Instant};
use vigie::domain::audit::Actor;
use vigie::domain::check::{CheckReport, Failure};
use vigie::domain::health::HealthRules;
use vigie::domain::server::ServerEvent;
use vigie::domain::{SafeText, ServerId};
use vigie::registry::sqlite::Sqlite;
use vigie::registry::{Op, Registry};

fn op() -> Op {
    Op {
        reason: None,
        id: uuid::Uuid::now_v7().to_string(),
        at: jiff::Timestamp::now(),
        actor: Actor {
            os_user: "tester".into(),
            host: "here".into(),
            via: "test".into(),
        },
    }
}

fn report(failure: Option<Failure>) -> CheckReport {
    CheckReport {
        at: jiff::Timestamp::now(),
        latency_ms: 5,
        failure,
        warnings: Vec::new(),
        version: Some(SafeText::new("16.0")),
        layers: Vec::new(),
    }
}

fn refused() -> Option<Failure> {
    Some(Failure::Refused {
        // What a hostile answer would like to do to the terminal is text by now.
        address: SafeText::new("\u{7}\u{1b}]0;owned\u{7}"),
    })
}

/// Servers that are well, and the dashboard's settings.
struct Fleet {
    registry: Sqlite,
    runtime: tokio::runtime::Runtime,
    ids: Vec<ServerId>,
}

impl Fleet {
    fn check(&self, failure: &dyn Fn() -> Option<Failure>) {
        let rules = HealthRules {
            failures_before_offline: 1,
            ..HealthRules::default()
        };
        self.runtime.block_on(async {
            for id in &self.ids {
                self.registry
                    .record_check(*id, &report(failure()), &rules)
                    .await
                    .expect("a kept check");
            }
        });
    }
}

fn fleet(start: &Start, count: usize) -> Fleet {
    let home = start.home_path();
    let config = home.join("config.toml");
    let told = home.join("told");
    let text = format!(
        "[paths]\ndata_dir = \"{}\"\n[worker]\nautostart = false\n[alerts]\nnotify = \"both\"\nhold = \"1s\"\n\
         command = [\"sh\", \"-c\", \"cat >> {}\"]\n",
        home.join("data").display(),
        told.display()
    );
    std::fs::write(&config, text).expect("a configuration");
    let config = config.to_str().expect("a path that is text");
    for n in 1..=count {
        verb(
            home,
            &[
                "--config",
                config,
                "server",
                "add",
                &format!("prod-{n}"),
                "--url",
                &format!("http://127.0.0.1:{n}"),
                "--max-instances",
                "10",
            ],
        );
    }
    let file = super::harness::find(home, "db");
    let registry = Sqlite::open_existing(&file[0]).expect("the registry");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ids = runtime.block_on(async {
        let mut ids = Vec::new();
        for server in registry.servers().await.expect("servers") {
            let event = ServerEvent::Activate { connection: Ok(()) };
            registry
                .transition_server(&op(), server.id, server.version, &event)
                .await
                .expect("activated");
            ids.push(server.id);
        }
        ids
    });
    Fleet { registry, runtime, ids }
}

/// Bells (not those that end a sequence), and notices to the desktop.
fn calls(raw: &[u8]) -> (usize, usize, usize) {
    let (mut bells, mut nine, mut triple7) = (0, 0, 0);
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        let rest = &raw[at..];
        if rest.starts_with(b"\x1b]") {
            nine += usize::from(rest.starts_with(b"\x1b]9;"));
            triple7 += usize::from(rest.starts_with(b"\x1b]777;notify;"));
            // To its end, which is ST: a BEL would be counted as a bell.
            let end = rest.windows(2).position(|two| two == b"\x1b\\").expect("an end");
            assert!(
                !rest[2..end].contains(&0x1b) && !rest[2..end].contains(&0x07),
                "broken out of"
            );
            at += end + 2;
        } else {
            bells += usize::from(*byte == 0x07);
            at += 1;
        }
    }
    (bells, nine, triple7)
}

fn wait_for_calls(session: &Session) {
    session.until_raw("a call", |raw| calls(raw) == (1, 1, 1));
}

/// Twelve servers that flap for twenty seconds are one bell, one notice of each kind, one command; what was known
/// before the restart calls nobody after it.
#[test]
fn servers_that_go_down_and_flap_ring_once_and_never_storm() {
    let start = Start::vigie().size(100, 30);
    let fleet = fleet(&start, 12);
    fleet.check(&|| None);
    let home = start.home_path().to_owned();
    let config = home.join("config.toml");
    let config = config.to_str().expect("a path that is text").to_owned();
    let shared = std::sync::Arc::clone(&start.home);
    let mut session = start.arg("--config").arg(&config).start();
    session.until_text("prod-12");
    assert_eq!(calls(&session.raw()), (0, 0, 0), "what is well calls nobody");
    fleet.check(&refused);
    wait_for_calls(&session);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        fleet.check(&|| None);
        fleet.check(&refused);
        std::thread::sleep(Duration::from_millis(200));
    }
    session.until_text("12 alerts");
    assert_eq!(calls(&session.raw()), (1, 1, 1), "20 s of flapping");
    let told = session.until("the command", || {
        let text = std::fs::read_to_string(home.join("told")).ok()?;
        text.ends_with('\n').then_some(text)
    });
    assert_eq!(told.lines().count(), 1, "{told}");
    let json: serde_json::Value = serde_json::from_str(told.trim()).expect("JSON");
    // As many as were down when it was looked first: the checks are written one by one.
    let count = json["count"].as_u64().expect("a number");
    assert!((1..=12).contains(&count), "{told}");
    assert_eq!(json["alerts"][0]["kind"], "server_offline");
    session.type_in("q");
    assert_eq!(session.until_ended(), 0);

    let mut again = Start::vigie()
        .home(&shared)
        .size(100, 30)
        .arg("--config")
        .arg(&config)
        .start();
    again.until_text("12 alerts");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(calls(&again.raw()), (0, 0, 0), "known from before");
    again.type_in("q");
    assert_eq!(again.until_ended(), 0);
}
