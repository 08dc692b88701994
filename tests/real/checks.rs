//! Checks of a live server: what goes down behind it is seen, and many are looked at at once.

use crate::databases::{remote, spec};
use crate::harness::{folder, own_cluster, standin_options};
use std::time::{Duration, Instant};
use vigie::domain::Secret;
use vigie::domain::check::Warning;
use vigie::domain::health::{HealthRules, HealthStatus, HealthTrack, observe};
use vigie::domain::server::{Observed, ServerSpec};
use vigie::remote::probe::{CheckSettings, Prober, check_server};
use vigie::sandbox::{Cluster, Standin, StandinHandle, StandinOptions};

fn settings() -> CheckSettings {
    CheckSettings {
        timeout: Duration::from_secs(5),
        ..CheckSettings::default()
    }
}

/// A server on a cluster of its own, with PostgreSQL on record or not.
async fn on(cluster: &Cluster, knows: bool, direct: bool) -> (StandinHandle, ServerSpec) {
    let mut options = StandinOptions::quick(
        cluster.role_config("postgres"),
        &folder("odoo"),
        Secret::new("master".to_owned()),
    );
    options.health_knows_database = knows;
    let odoo = Standin::start(options).await.unwrap();
    let mut spec = spec(&odoo.url());
    spec.db_port = cluster.port();
    spec.db_password = Some(vigie::domain::SecretRef::File(
        cluster.role_password_file().display().to_string(),
    ));
    if !direct {
        spec.db_host = None;
    }
    (odoo, spec)
}

#[tokio::test]
async fn postgresql_stopped_behind_a_live_odoo_is_seen_at_once_and_so_is_its_return() {
    let mut cluster = own_cluster();
    let remote = remote();
    let mut servers = Vec::new();
    for (knows, direct) in [(true, true), (false, true), (true, false), (false, false)] {
        servers.push((knows, direct, on(&cluster, knows, direct).await));
    }
    let rules = HealthRules::default();
    let mut tracks = vec![HealthTrack::default(); servers.len()];
    for stopped in [false, true, false] {
        match stopped {
            true => cluster.stop().unwrap(),
            false if !cluster.is_running() => cluster.start().unwrap(),
            false => {}
        }
        for ((knows, direct, (_, spec)), track) in servers.iter().zip(&mut tracks) {
            let report = check_server(&remote, spec, &settings()).await;
            let case = format!("health knows: {knows}, direct: {direct}, stopped: {stopped}: {report:?}");
            assert_eq!(report.failure, None, "Odoo itself answers: {case}");
            assert_eq!(report.warnings.iter().any(Warning::is_outage), stopped, "{case}");
            *track = observe(track, &report, 1, 10, &rules);
            assert_eq!(track.observed, Observed::Online, "{case}");
            let wanted = if stopped {
                HealthStatus::Warning
            } else {
                HealthStatus::Healthy
            };
            assert_eq!(track.status, wanted, "{case}");
            assert_eq!(track.reason.as_str().contains("database dead"), stopped, "{case}");
        }
    }
}

/// A thousand servers of which a hundred hang: the others must not wait for those.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn soak_a_hundred_that_hang_do_not_hold_up_nine_hundred() {
    let good = Standin::start(standin_options(crate::harness::cluster()))
        .await
        .unwrap();
    let bad = Standin::start(standin_options(crate::harness::cluster()))
        .await
        .unwrap();
    bad.fault(|f| f.hang = true);
    let (mut fine, mut hanging) = (spec(&good.url()), spec(&bad.url()));
    fine.db_host = None;
    hanging.db_host = None;
    let remote = remote();
    let round = async |hang: usize| {
        let prober = Prober::default();
        let begun = Instant::now();
        let mut checks = tokio::task::JoinSet::new();
        for index in 0..1_000 {
            let spec = if index % 10 == 0 && index / 10 < hang {
                hanging.clone()
            } else {
                fine.clone()
            };
            let (prober, remote) = (prober.clone(), remote.clone());
            checks.spawn(async move {
                let report = prober.check(&remote, &spec, &settings()).await;
                (report.failure.is_none(), begun.elapsed())
            });
        }
        let mut times: Vec<_> = checks
            .join_all()
            .await
            .into_iter()
            .filter(|(ok, _)| *ok)
            .map(|(_, at)| at)
            .collect();
        times.sort();
        assert_eq!(times.len(), 1_000 - hang);
        times[times.len() * 99 / 100]
    };
    let (alone, beside) = (round(0).await, round(100).await);
    println!("p99 of those that answer: {alone:?} alone, {beside:?} beside a hundred that hang");
    assert!(
        beside < alone.mul_f64(1.1) + Duration::from_millis(500),
        "{alone:?}, {beside:?}"
    );
}
