//! Servers: what is written down, what is intended, what is observed.

use super::bench::{
    Bench, instance, instance_job, op, refused_connection, report, server, server_spec, template, template_spec,
};
use jiff::{SignedDuration, Timestamp};
use pretty_assertions::assert_eq;
use std::collections::HashSet;
use std::time::Duration;
use vigie::domain::health::{HealthRules, HealthStatus};
use vigie::domain::server::{DbTls, Intent, Observed, ServerEvent, ServerState, SshAccess};
use vigie::domain::{HostName, RemotePath, SafeText, SecretRef};
use vigie::registry::RegistryError;

const ACTIVATE: ServerEvent = ServerEvent::Activate { connection: Ok(()) };

pub(super) async fn a_server_is_kept_as_it_was_written_down(r: Bench) {
    let mut spec = server_spec("prod-1", 50);
    spec.description = SafeText::new("the first one; 'quoted' \"text\" — ü");
    spec.server_ip = Some(HostName::parse("192.0.2.7").unwrap());
    spec.port = Some(8069);
    spec.ssh = Some(SshAccess {
        host: HostName::parse("prod-1").unwrap(),
        user: Some("root".to_owned()),
        port: Some(2222),
        identity: Some("/home/marie/.ssh/id".to_owned()),
    });
    spec.db_host = Some(HostName::parse("10.0.0.5").unwrap());
    spec.db_port = 6432;
    spec.db_tls = DbTls::VerifyFull;
    spec.db_password = Some(SecretRef::parse("sealed:k1:AAAA").unwrap());
    spec.master_password = Some(SecretRef::parse("command:pass show odoo/master").unwrap());
    spec.data_dir = Some(RemotePath::parse("/var/lib/odoo").unwrap());
    (spec.cpu_cores, spec.memory_gb, spec.disk_gb) = (Some(8), Some(32), Some(500));
    let op = op();
    let added = r.add_server(&op, &spec).await.unwrap();
    assert_eq!(
        (added.version, added.intent, added.instance_count),
        (1, Intent::Draft, 0)
    );
    assert_eq!(
        (added.state(), added.track.observed),
        (ServerState::Draft, Observed::NeverSeen)
    );
    assert_eq!(added.created_at, op.at);
    assert_eq!(added.spec, spec);
    let by_another = r.another().await;
    assert_eq!(by_another.server(added.id).await.unwrap(), added);
    assert_eq!(by_another.server_by_code(&spec.code).await.unwrap(), added);
    let edited = {
        spec.name = SafeText::new("Production 1");
        spec.ssh = None;
        r.edit_server(&super::bench::op(), added.id, 1, &spec).await.unwrap()
    };
    assert_eq!((edited.version, &edited.spec), (2, &spec));
    r.add_server(&super::bench::op(), &server_spec("a-first", 1))
        .await
        .unwrap();
    let codes: Vec<String> = r
        .servers()
        .await
        .unwrap()
        .iter()
        .map(|s| s.spec.code.to_string())
        .collect();
    assert_eq!(codes, ["a-first", "prod-1"]);
}

pub(super) async fn an_edit_of_what_someone_else_changed_is_refused_with_the_difference(r: Bench) {
    let added = r.add_server(&op(), &server_spec("prod-1", 50)).await.unwrap();
    r.edit_server(&op(), added.id, 1, &server_spec("prod-1", 40))
        .await
        .unwrap();
    let refused = r
        .edit_server(&op(), added.id, 1, &server_spec("prod-1", 60))
        .await
        .unwrap_err();
    let RegistryError::Changed { what, key, difference } = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!((*what, key.as_str()), ("server", "prod-1"));
    assert!(difference.contains("max_instances 50 → 40"), "{difference}");
    assert!(difference.contains("marie"), "{difference}");
    let gone = r
        .transition_server(&op(), added.id, 1, &ServerEvent::Delete)
        .await
        .unwrap_err();
    assert!(matches!(gone, RegistryError::Changed { .. }), "{gone:?}");
    assert_eq!(r.server(added.id).await.unwrap().spec.max_instances, 40);
}

pub(super) async fn activation_needs_a_test_that_passed(r: Bench) {
    let added = r.add_server(&op(), &server_spec("prod-1", 50)).await.unwrap();
    let failed = ServerEvent::Activate {
        connection: Err("connection refused by 10.0.0.5:8069".to_owned()),
    };
    let refused = r.transition_server(&op(), added.id, 1, &failed).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Cannot activate server. Connection test failed: connection refused by 10.0.0.5:8069"
    );
    assert_eq!(refused.problem().code, "connection_test_failed");
    assert_eq!(r.server(added.id).await.unwrap(), added);
    let active = r
        .transition_server(&op(), added.id, 1, &ACTIVATE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((active.state(), active.version), (ServerState::Active, 2));
    let again = r
        .transition_server(&op(), added.id, 2, &ACTIVATE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again, active);
}

pub(super) async fn a_server_with_instances_is_neither_deactivated_nor_deleted(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = template(&*r, "restaurant", s.id).await;
    for name in ["one", "two", "three"] {
        instance(&*r, &t, name).await;
    }
    let v = s.version;
    let refused = r
        .transition_server(&op(), s.id, v, &ServerEvent::Deactivate)
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Cannot deactivate server while it has instances (3)"
    );
    let refused = r
        .transition_server(&op(), s.id, v, &ServerEvent::Delete)
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "Cannot delete server while it has instances (3)");
    let kept = r.server(s.id).await.unwrap();
    assert_eq!((kept.intent, kept.version, kept.instance_count), (Intent::Active, v, 3));
    let maintained = r
        .transition_server(&op(), s.id, v, &ServerEvent::Maintain)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (maintained.state(), maintained.instance_count),
        (ServerState::Maintenance, 3)
    );
    for i in r.instances(Some(s.id)).await.unwrap() {
        assert_eq!(i.state, vigie::domain::instance::InstanceState::Active);
    }
}

pub(super) async fn an_empty_server_goes_through_its_life(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let off = r
        .transition_server(&op(), s.id, s.version, &ServerEvent::Deactivate)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(off.state(), ServerState::Disabled);
    let on = r
        .transition_server(&op(), s.id, off.version, &ACTIVATE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(on.state(), ServerState::Active);
    assert_eq!(
        r.transition_server(&op(), s.id, on.version, &ServerEvent::Delete)
            .await
            .unwrap(),
        None
    );
    let gone = r.server(s.id).await.unwrap_err();
    assert!(
        matches!(gone, RegistryError::NotFound { what: "server", .. }),
        "{gone:?}"
    );
    r.add_server(&op(), &server_spec("prod-1", 50))
        .await
        .expect("its code and address are free again");
}

pub(super) async fn a_server_with_templates_or_jobs_is_not_deleted(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let t = r.add_template(&op(), &template_spec("restaurant", s.id)).await.unwrap();
    let delete = |version| {
        let r = &r;
        async move { r.transition_server(&op(), s.id, version, &ServerEvent::Delete).await }
    };
    let refused = delete(s.version).await.unwrap_err();
    assert!(refused.to_string().contains("templates (1)"), "{refused}");
    let job = r.queue_job(&op(), &super::bench::thaw_job(t.id, s.id)).await.unwrap();
    let refused = delete(s.version).await.unwrap_err();
    assert!(
        matches!(refused, RegistryError::Reserved { job: holder, .. } if holder == job.id),
        "{refused:?}"
    );
    r.cancel_job(&op(), job.id).await.unwrap();
    r.remove_template(&op(), t.id, r.template(t.id).await.unwrap().version)
        .await
        .unwrap();
    assert_eq!(delete(s.version).await.unwrap(), None);
}

pub(super) async fn a_check_never_touches_the_intent(r: Bench) {
    let rules = HealthRules::default();
    let mut at = super::bench::now();
    for intent in [Intent::Draft, Intent::Active, Intent::Maintenance, Intent::Disabled] {
        let word = format!("{intent:?}").to_lowercase();
        let s = r.add_server(&op(), &server_spec(&word, 10)).await.unwrap();
        let event = match intent {
            Intent::Draft => None,
            Intent::Active => Some(ACTIVATE),
            Intent::Maintenance => Some(ServerEvent::Maintain),
            Intent::Disabled => Some(ServerEvent::Deactivate),
        };
        let version = match event {
            None => s.version,
            Some(event) => {
                let moved = r
                    .transition_server(&op(), s.id, s.version, &event)
                    .await
                    .unwrap()
                    .unwrap();
                moved.version
            }
        };
        for failure in [
            None,
            Some(refused_connection()),
            Some(refused_connection()),
            Some(refused_connection()),
            None,
        ] {
            at += SignedDuration::from_secs(1);
            let down = failure.is_some();
            let seen = r.record_check(s.id, &report(at, failure), &rules).await.unwrap();
            assert_eq!(
                (seen.intent, seen.version),
                (intent, version),
                "a check moved the intent"
            );
            assert_eq!(seen, r.server(s.id).await.unwrap());
            if down && seen.track.failures >= 2 {
                assert_eq!(seen.track.observed, Observed::Offline);
                let offline = seen.state() == ServerState::Offline;
                assert_eq!(offline, intent == Intent::Active);
            }
            if !down {
                assert_eq!((seen.track.observed, seen.track.failures), (Observed::Online, 0));
            }
        }
    }
}

pub(super) async fn checks_are_kept_and_read_newest_first(r: Bench) {
    let s = server(&*r, "prod-1", 50).await;
    let start = super::bench::now();
    let rules = HealthRules::default();
    for i in 0..5 {
        let failure = (i == 3).then(refused_connection);
        let at = start + SignedDuration::from_millis(i);
        let after = r.record_check(s.id, &report(at, failure), &rules).await.unwrap();
        assert_eq!(after.track.last_check, Some(at));
    }
    let all = r.health_history(s.id, None, 100).await.unwrap();
    assert_eq!(all.len(), 5);
    let times: Vec<Timestamp> = all.iter().map(|c| c.report.at).collect();
    assert!(times.is_sorted_by(|a, b| a > b), "{times:?}");
    assert_eq!(
        (all[1].status, all[0].status),
        (HealthStatus::Warning, HealthStatus::Healthy)
    );
    assert_eq!(
        all[1].reason.as_str(),
        "failed 1 of 2 checks: connection refused by 127.0.0.1:1"
    );
    assert_eq!(all[1].report.failure, Some(refused_connection()));
    let since = r
        .health_history(s.id, Some(start + SignedDuration::from_millis(2)), 2)
        .await
        .unwrap();
    assert_eq!(since.len(), 2);
    assert_eq!(since[0], all[0]);
    let since = r
        .health_history(s.id, Some(start + SignedDuration::from_millis(3)), 100)
        .await
        .unwrap();
    assert_eq!(since.len(), 2);
}

pub(super) async fn due_checks_are_handed_out_once_an_interval(r: Bench) {
    let interval = Duration::from_secs(900);
    let mut ids = Vec::new();
    for i in 0..30 {
        ids.push(server(&*r, &format!("s{i:02}"), 5).await.id);
    }
    let draft = r.add_server(&op(), &server_spec("draft", 5)).await.unwrap();
    let off = server(&*r, "off", 5).await;
    r.transition_server(&op(), off.id, off.version, &ServerEvent::Deactivate)
        .await
        .unwrap();
    let kept = server(&*r, "kept", 5).await;
    r.transition_server(&op(), kept.id, kept.version, &ServerEvent::Maintain)
        .await
        .unwrap();
    ids.push(kept.id);
    let now = super::bench::now();
    let first = r.claim_due_checks(Some(now), interval, 20).await.unwrap();
    assert_eq!(first.len(), 20);
    let rest = r.claim_due_checks(Some(now), interval, 100).await.unwrap();
    let both: HashSet<_> = first.iter().chain(&rest).copied().collect();
    assert_eq!(both, ids.iter().copied().collect::<HashSet<_>>());
    assert!(!both.contains(&draft.id) && !both.contains(&off.id));
    for seconds in [0, 1, 450, 899] {
        let early = r
            .claim_due_checks(Some(now + SignedDuration::from_secs(seconds)), interval, 100)
            .await
            .unwrap();
        assert_eq!(early, [], "handed out again after {seconds} s");
    }
    // Not all in the same second, and all within a tenth more than the interval.
    let mut seconds = 900;
    let mut again = HashSet::new();
    let mut most = 0;
    while seconds <= 990 {
        let due = r
            .claim_due_checks(Some(now + SignedDuration::from_secs(seconds)), interval, 100)
            .await
            .unwrap();
        most = most.max(due.len());
        again.extend(due);
        seconds += 1;
    }
    assert_eq!(again, both);
    assert!(most <= 6, "{most} of 31 in one second");
    // One that was checked by hand is not due.
    let by_hand = now + SignedDuration::from_secs(3_000);
    r.record_check(ids[0], &report(by_hand, None), &HealthRules::default())
        .await
        .unwrap();
    let due = r
        .claim_due_checks(Some(by_hand + SignedDuration::from_secs(1)), interval, 100)
        .await
        .unwrap();
    assert!(!due.contains(&ids[0]) && due.len() == 30);
}

pub(super) async fn due_checks_are_shared_between_workers(r: Bench) {
    for i in 0..40 {
        server(&*r, &format!("s{i:02}"), 5).await;
    }
    let now = super::bench::now();
    let mut workers = Vec::new();
    for _ in 0..4 {
        let other = r.another().await;
        workers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let some = other
                    .claim_due_checks(Some(now), Duration::from_secs(900), 3)
                    .await
                    .unwrap();
                if some.is_empty() {
                    return mine;
                }
                mine.extend(some);
            }
        }));
    }
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort_unstable();
    let count = all.len();
    all.dedup();
    assert_eq!((count, all.len()), (40, 40), "some were checked twice");
    let s = server(&*r, "late", 5).await;
    let t = template(&*r, "restaurant", s.id).await;
    r.queue_job(&op(), &instance_job(&t, "acme")).await.unwrap();
    assert_eq!(
        r.claim_due_checks(Some(now), Duration::from_secs(900), 3)
            .await
            .unwrap(),
        [s.id]
    );
}

/// Who asks reads the time, and waits for the other who asks: what that one was given is not due again because it
/// was given a moment after that.
pub(super) async fn what_was_handed_out_while_one_waited_is_not_handed_out_again(r: Bench) {
    let s = server(&*r, "prod-1", 5).await;
    let interval = Duration::from_secs(900);
    let now = super::bench::now();
    assert_eq!(r.claim_due_checks(Some(now), interval, 9).await.unwrap(), [s.id]);
    for milliseconds in [1, 40, 5_000] {
        let before = now - SignedDuration::from_millis(milliseconds);
        let again = r.another().await.claim_due_checks(Some(before), interval, 9).await;
        assert_eq!(again.unwrap(), [], "{milliseconds} ms before");
    }
    // A clock that was set back is another matter: nobody waits until it is there again.
    let yesterday = now - SignedDuration::from_hours(24);
    assert_eq!(r.claim_due_checks(Some(yesterday), interval, 9).await.unwrap(), [s.id]);
}

pub(super) async fn due_checks_without_a_time_go_by_the_stores_clock(r: Bench) {
    let s = server(&*r, "prod-1", 5).await;
    let interval = Duration::from_secs(900);
    assert_eq!(r.claim_due_checks(None, interval, 9).await.unwrap(), [s.id]);
    assert_eq!(r.another().await.claim_due_checks(None, interval, 9).await.unwrap(), []);
    let later = super::bench::now() + SignedDuration::from_secs(991);
    assert_eq!(r.claim_due_checks(Some(later), interval, 9).await.unwrap(), [s.id]);
}
