//! Capacity and placement.

use super::cases;
use crate::domain::capacity::{NoServer, PassedOver, Thresholds, available_percent, can_host, place, used_percent};
use crate::domain::health::HealthTrack;
use crate::domain::server::{DbTls, Intent, Observed, Server, ServerSpec, ServerState};
use crate::domain::{Code, SafeText, ServerId};
use jiff::Timestamp;
use proptest::prelude::*;

fn server(id: i64, intent: Intent, observed: Observed, taken: u32, places: u32) -> Server {
    Server {
        id: ServerId(id),
        version: 1,
        spec: ServerSpec {
            name: SafeText::new("s"),
            code: Code::parse(&format!("s{id}")).unwrap(),
            description: SafeText::new(""),
            server_url: format!("http://s{id}").parse().unwrap(),
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
            max_instances: places,
            cpu_cores: None,
            memory_gb: None,
            disk_gb: None,
        },
        intent,
        track: HealthTrack {
            observed,
            ..HealthTrack::default()
        },
        instance_count: taken,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn active(id: i64, taken: u32, places: u32) -> Server {
    server(id, Intent::Active, Observed::Online, taken, places)
}

#[test]
fn shares_are_what_they_say() {
    assert!((available_percent(48, 50) - 4.0).abs() < 1e-9);
    assert!((used_percent(48, 50) - 96.0).abs() < 1e-9);
    assert!(
        (available_percent(60, 50) - 0.0).abs() < 1e-9,
        "over-full is not below nothing"
    );
    assert!((used_percent(60, 50) - 120.0).abs() < 1e-9);
    assert!((available_percent(0, 0) - 0.0).abs() < 1e-9);
    let defaults = Thresholds::default();
    assert_eq!(
        (defaults.provision_free_percent, defaults.placement_free_percent),
        (10, 20)
    );
}

#[test]
fn a_server_says_why_it_takes_nothing() {
    let says = |s: &Server, percent| can_host(s, percent).unwrap_err().to_string();
    for (intent, observed, word) in [
        (Intent::Draft, Observed::Online, "is draft"),
        (Intent::Maintenance, Observed::Online, "is maintenance"),
        (Intent::Disabled, Observed::Online, "is disabled"),
        (Intent::Active, Observed::Offline, "is offline"),
    ] {
        assert_eq!(says(&server(1, intent, observed, 0, 50), 0), word);
    }
    assert_eq!(says(&active(1, 50, 50), 10), "all of its 50 places are taken");
    assert_eq!(says(&active(1, 60, 50), 0), "all of its 50 places are taken");
    assert_eq!(says(&active(1, 48, 50), 10), "4 % free, 10 % needed");
    assert_eq!(can_host(&active(1, 45, 50), 10), Ok(()), "exactly the share is enough");
    assert_eq!(can_host(&active(1, 49, 50), 0), Ok(()));
    assert_eq!(
        can_host(&server(1, Intent::Active, Observed::NeverSeen, 0, 5), 20),
        Ok(())
    );
}

#[test]
fn the_freest_takes_it_and_the_others_say_why_not() {
    let servers = [
        active(1, 30, 50),
        active(2, 48, 50),
        active(3, 2, 20),
        server(4, Intent::Maintenance, Observed::Online, 0, 50),
        active(5, 5, 50),
    ];
    let placed = place(&servers, 20).unwrap();
    assert_eq!(placed.server, ServerId(5), "90 % of 50 is more than 90 % of 20");
    let passed: Vec<i64> = placed.passed_over.iter().map(|(id, _)| id.0).collect();
    assert_eq!(passed, [2, 4]);
    assert_eq!(
        place(&[active(7, 0, 10), active(6, 0, 10)], 20).unwrap().server,
        ServerId(6),
        "the smaller id of equals"
    );
    let none: NoServer = place(&servers[1..4], 95).unwrap_err();
    assert_eq!(none.to_string(), "No available server found");
    assert_eq!(none.passed_over.len(), 3);
    assert_eq!(place(&[], 20).unwrap_err().passed_over, []);
}

fn any_server() -> impl Strategy<Value = (u8, u8, u32, u32)> {
    (0_u8..4, 0_u8..3, 0_u32..30, 1_u32..30)
}

proptest! {
    #![proptest_config(cases(3_000))]
    #[test]
    fn placement_is_the_best_of_those_that_can(given in prop::collection::vec(any_server(), 0..12), percent in 0_u32..=100) {
        let intents = [Intent::Draft, Intent::Active, Intent::Maintenance, Intent::Disabled];
        let observed = [Observed::NeverSeen, Observed::Online, Observed::Offline];
        let servers: Vec<Server> = given.iter().zip(1..).map(|((i, o, taken, places), id)| {
            server(id, intents[usize::from(*i)], observed[usize::from(*o)], *taken, *places)
        }).collect();
        let able = |s: &Server| {
            s.state() == ServerState::Active && s.instance_count < s.spec.max_instances
                && available_percent(s.instance_count, s.spec.max_instances) >= f64::from(percent)
        };
        let passed = match place(&servers, percent) {
            Ok(placed) => {
                let chosen = servers.iter().find(|s| s.id == placed.server).unwrap();
                prop_assert!(able(chosen));
                for other in servers.iter().filter(|s| able(s)) {
                    prop_assert!(chosen.available_capacity() >= other.available_capacity());
                }
                placed.passed_over
            }
            Err(none) => {
                prop_assert!(!servers.iter().any(able));
                none.passed_over
            }
        };
        let expected: Vec<ServerId> = servers.iter().filter(|s| !able(s)).map(|s| s.id).collect();
        prop_assert_eq!(passed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), expected);
        for (id, why) in passed {
            let s = servers.iter().find(|s| s.id == id).unwrap();
            let right = match why {
                PassedOver::NotActive { state } => state == s.state() && state != ServerState::Active,
                PassedOver::Full { places } => places == s.spec.max_instances && s.instance_count >= places,
                PassedOver::TooFull { free_percent, needed_percent } => free_percent < f64::from(needed_percent),
            };
            prop_assert!(right, "{why:?} of {s:?}");
        }
    }
}
