use super::*;
use crate::domain::ids::{JobId, ServerId};
use jiff::SignedDuration;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn rules() -> Rules {
    Rules::default()
}

fn offline(id: i64) -> Condition {
    Condition {
        kind: AlertKind::ServerOffline,
        subject: Some(Subject::Server(ServerId(id))),
        label: SafeText::new(&format!("prod-{id}")),
        text: SafeText::new("connection refused"),
    }
}

fn failed(id: i64) -> Condition {
    Condition {
        kind: AlertKind::JobFailed,
        subject: Some(Subject::Job(JobId(id))),
        label: SafeText::new(&format!("job {id}")),
        text: SafeText::new("no space"),
    }
}

/// A board that has looked before: what turns bad now has changed.
fn board() -> Board {
    let mut board = Board::default();
    board.observe(at(-1000), &[], None, &rules());
    board
}

fn me() -> SafeText {
    SafeText::new("anna@desk")
}

/// Lets a condition stand, looked at every second, and counts the calls.
fn stand(board: &mut Board, bad: &[Condition], from: i64, to: i64) -> usize {
    (from..to)
        .filter(|second| {
            board.observe(at(*second), bad, None, &rules());
            board.ring(at(*second), &rules()).is_some()
        })
        .count()
}

#[test]
fn what_stays_bad_calls_once_and_never_again() {
    let mut board = board();
    assert_eq!(stand(&mut board, &[offline(1)], 0, 3), 0, "held for a while first");
    assert_eq!(board.open(&rules(), at(3)), (0, 0));
    assert_eq!(stand(&mut board, &[offline(1)], 3, 7200), 1);
    assert_eq!(board.open(&rules(), at(7200)), (1, 1));
    assert_eq!(board.alerts().len(), 1);
    // Since it was bad, not since that was believed.
    assert_eq!(board.alerts()[0].raised_at, at(0));
}

#[test]
fn what_is_bad_for_a_moment_only_is_no_alert() {
    let mut board = board();
    for second in 0..200 {
        let bad = if second % 4 < 2 { vec![offline(1)] } else { Vec::new() };
        assert_eq!(stand(&mut board, &bad, second, second + 1), 0);
    }
    assert!(board.alerts().is_empty() && board.records().is_empty());
}

#[test]
fn what_flaps_is_one_alert_and_one_call() {
    let mut board = board();
    let mut calls = 0;
    // Bad for twenty seconds, well for twenty, for half an hour.
    for second in 0..1800 {
        let bad = if second % 40 < 20 { vec![offline(1)] } else { Vec::new() };
        calls += stand(&mut board, &bad, second, second + 1);
    }
    assert_eq!(calls, 1);
    assert_eq!(board.alerts().len(), 1);
    assert_eq!(board.alerts()[0].times, 45);
    assert_eq!(board.alerts()[0].cleared_at, None);
}

#[test]
fn what_stays_well_is_over_and_what_comes_back_soon_is_an_alert_without_a_call() {
    let mut board = board();
    assert_eq!(stand(&mut board, &[offline(1)], 0, 10), 1);
    assert_eq!(stand(&mut board, &[], 10, 60), 0);
    assert_eq!(board.state(&board.alerts()[0], &rules(), at(60)), AlertState::Clearing);
    stand(&mut board, &[], 60, 80);
    assert_eq!(board.state(&board.alerts()[0], &rules(), at(80)), AlertState::Cleared);
    assert_eq!(
        stand(&mut board, &[offline(1)], 100, 500),
        0,
        "within the ten minutes since the last call"
    );
    assert_eq!(board.open(&rules(), at(500)).0, 1, "and seen all the same");
    stand(&mut board, &[], 500, 700);
    assert_eq!(stand(&mut board, &[offline(1)], 1000, 1010), 1, "later it calls again");
}

#[test]
fn many_at_once_are_one_call_and_no_two_calls_come_close() {
    let mut board = board();
    let all: Vec<Condition> = (1..=300).map(offline).collect();
    board.observe(at(0), &all, None, &rules());
    board.observe(at(6), &all, None, &rules());
    let ring = board.ring(at(6), &rules()).unwrap();
    assert_eq!((ring.count, ring.alerts.len()), (300, 20));
    assert!(ring.text().as_str().contains("(and 299 more)"), "{:?}", ring.text());
    assert_eq!(board.ring(at(6), &rules()), None);
    // A new failure every second: at most one call in thirty seconds, none lost.
    let (mut told, mut calls) = (0, Vec::new());
    for second in 7..307 {
        let mut bad = all.clone();
        bad.extend((7..=second).map(failed));
        board.observe(at(second), &bad, None, &rules());
        if let Some(ring) = board.ring(at(second), &rules()) {
            told += ring.count;
            calls.push(second);
        }
    }
    assert!(calls.windows(2).all(|two| two[1] - two[0] >= 30), "{calls:?}");
    assert!(told >= 270, "{told}");
}

#[test]
fn what_is_acknowledged_calls_no_more_until_it_is_over() {
    let mut board = board();
    assert_eq!(stand(&mut board, &[offline(1)], 0, 10), 1);
    let id = board.alerts()[0].id;
    assert_eq!(board.acknowledge(id, &me(), at(10)), Some(true));
    assert_eq!(board.open(&rules(), at(10)), (0, 0));
    for second in 10..1500 {
        // It flaps, and stays known.
        let bad = if second % 100 < 60 {
            vec![offline(1)]
        } else {
            Vec::new()
        };
        assert_eq!(stand(&mut board, &bad, second, second + 1), 0);
    }
    assert_eq!(board.alerts().len(), 1);
    stand(&mut board, &[], 1500, 1700);
    assert_eq!(
        stand(&mut board, &[offline(1)], 2000, 2010),
        1,
        "a new one is not known"
    );
    let deeds: Vec<Deed> = board.records().iter().map(|record| record.deed).collect();
    assert!(deeds.contains(&Deed::Acknowledged) && deeds.contains(&Deed::Cleared));
    let known = board
        .records()
        .iter()
        .find(|record| record.deed == Deed::Acknowledged)
        .unwrap();
    assert_eq!(known.by.as_ref().unwrap(), &me());
}

#[test]
fn what_is_acknowledged_before_it_called_never_calls() {
    let mut board = board();
    stand(&mut board, &[failed(9)], 0, 1);
    board.observe(at(2), &[failed(9), offline(1)], None, &rules());
    board.observe(at(8), &[failed(9), offline(1)], None, &rules());
    let id = board
        .alerts()
        .iter()
        .find(|alert| alert.kind == AlertKind::ServerOffline)
        .unwrap()
        .id;
    board.acknowledge(id, &me(), at(8));
    assert_eq!(stand(&mut board, &[failed(9), offline(1)], 8, 400), 0);
}

#[test]
fn a_snooze_ends_and_calls_again_if_it_is_still_bad() {
    let mut board = board();
    stand(&mut board, &[offline(1), offline(2)], 0, 10);
    let ids: Vec<AlertId> = board.alerts().iter().map(|alert| alert.id).collect();
    for id in &ids {
        board.snooze(*id, Duration::from_secs(600), &me(), at(10));
    }
    assert_eq!(board.open(&rules(), at(11)), (0, 0));
    assert_eq!(stand(&mut board, &[offline(1), offline(2)], 10, 600), 0);
    // The second got well meanwhile.
    assert_eq!(stand(&mut board, &[offline(1)], 600, 700), 1);
    assert_eq!(board.open(&rules(), at(700)), (1, 1));
    // Ended by hand: nobody is called for what one just looked at.
    board.snooze(ids[0], Duration::from_secs(600), &me(), at(700));
    assert_eq!(board.snooze(ids[0], Duration::ZERO, &me(), at(701)), Some(None));
    assert_eq!(stand(&mut board, &[offline(1)], 701, 900), 0);
}

#[test]
fn what_is_muted_never_calls_and_is_shown_as_muted() {
    let mut board = board();
    let mut quiet = rules();
    quiet.mute = vec![Mute::parse("*:prod-1").unwrap()];
    board.mute(&Mute::parse("server_offline:prod-2*").unwrap(), &me(), at(0));
    let bad = [offline(1), offline(2), offline(22)];
    for second in 0..100 {
        board.observe(at(second), &bad, None, &quiet);
        assert_eq!(board.ring(at(second), &quiet), None);
    }
    assert_eq!(board.alerts().len(), 3);
    assert!(
        board
            .alerts()
            .iter()
            .all(|alert| board.state(alert, &quiet, at(100)) == AlertState::Muted)
    );
    assert!(!board.mute(&Mute::parse("server_offline:prod-2*").unwrap(), &me(), at(100)));
    assert_eq!(board.open(&quiet, at(101)), (2, 2));
}

#[test]
fn what_is_bad_at_the_first_look_is_shown_and_calls_nobody_but_after_a_restart_only_what_is_new_calls() {
    let mut board = Board::default();
    board.observe(at(0), &[offline(1), failed(3)], None, &rules());
    assert_eq!(board.open(&rules(), at(0)), (2, 1));
    assert_eq!(stand(&mut board, &[offline(1), failed(3)], 0, 500), 0);
    let id = board
        .alerts()
        .iter()
        .find(|alert| alert.kind == AlertKind::ServerOffline)
        .unwrap()
        .id;
    board.acknowledge(id, &me(), at(500));
    let memory = serde_json::to_string(&board.memory()).unwrap();
    let mut next = Board::remembered(serde_json::from_str(&memory).unwrap());
    let mut told = Vec::new();
    for second in 600..700 {
        next.observe(at(second), &[offline(1), failed(3), offline(7)], None, &rules());
        told.extend(next.ring(at(second), &rules()).map(|ring| ring.alerts));
    }
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].len(), 1);
    assert_eq!(told[0][0].subject, Some(Subject::Server(ServerId(7))));
    assert_eq!(next.open(&rules(), at(700)), (2, 1), "what was acknowledged stays so");
    let ids: std::collections::BTreeSet<AlertId> = next.alerts().iter().map(|alert| alert.id).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn while_the_registry_is_lost_nothing_else_is_cleared_or_raised() {
    let mut board = board();
    stand(&mut board, &[offline(1)], 0, 10);
    let lost = Condition {
        kind: AlertKind::RegistryLost,
        subject: None,
        label: SafeText::new("registry"),
        text: SafeText::new("no answer"),
    };
    let mut calls = 0;
    for second in 10..600 {
        board.observe(
            at(second),
            std::slice::from_ref(&lost),
            Some(AlertKind::RegistryLost),
            &rules(),
        );
        calls += usize::from(board.ring(at(second), &rules()).is_some());
    }
    assert_eq!(calls, 1);
    assert_eq!(board.open(&rules(), at(600)), (2, 2));
    stand(&mut board, &[offline(1)], 600, 700);
    assert_eq!(board.open(&rules(), at(700)), (1, 1));
}

#[test]
fn a_job_that_is_run_again_is_over_at_once_and_one_that_fails_calls_at_once() {
    let mut board = board();
    assert_eq!(stand(&mut board, &[failed(3)], 0, 1), 1);
    stand(&mut board, &[], 1, 2);
    assert_eq!(board.state(&board.alerts()[0], &rules(), at(2)), AlertState::Cleared);
    // Forgotten a day later.
    board.observe(at(2 * 86_400), &[], None, &rules());
    assert!(board.alerts().is_empty());
}

#[test]
fn a_clock_that_is_set_back_silences_nothing() {
    let mut board = board();
    stand(&mut board, &[offline(1)], 100_000, 100_010);
    let calls = stand(&mut board, &[offline(1), offline(2)], 0, 60);
    assert_eq!(calls, 1);
}

#[test]
fn it_says_when_to_be_looked_at_again_and_never_else() {
    let mut board = board();
    assert_eq!(board.due(&rules()), None);
    board.observe(at(0), &[offline(1)], None, &rules());
    assert_eq!(board.due(&rules()), Some(at(5)));
    board.observe(at(5), &[offline(1)], None, &rules());
    assert!(board.due(&rules()).is_some_and(|due| due <= at(5)), "a call is due now");
    board.ring(at(5), &rules()).unwrap();
    assert_eq!(
        board.due(&rules()),
        None,
        "and then nothing: no wake-ups for what is known"
    );
    board.observe(at(20), &[], None, &rules());
    assert_eq!(board.due(&rules()), Some(at(20) + SignedDuration::from_secs(60)));
}

#[test]
fn while_the_registry_is_lost_it_does_not_look_without_end() {
    let mut board = board();
    stand(&mut board, &[offline(1)], 0, 10);
    // One is getting well, one turns bad, when the registry goes.
    board.observe(at(10), &[offline(2)], None, &rules());
    let lost = Condition {
        kind: AlertKind::RegistryLost,
        subject: None,
        label: SafeText::new("registry"),
        text: SafeText::new("no answer"),
    };
    for second in 11..40 {
        board.observe(
            at(second),
            std::slice::from_ref(&lost),
            Some(AlertKind::RegistryLost),
            &rules(),
        );
        board.ring(at(second), &rules());
    }
    for second in (40..4000).step_by(97) {
        board.observe(
            at(second),
            std::slice::from_ref(&lost),
            Some(AlertKind::RegistryLost),
            &rules(),
        );
        board.ring(at(second), &rules());
        assert!(board.due(&rules()).is_none_or(|due| due > at(second)), "at {second}");
    }
}

#[test]
fn what_was_well_for_a_moment_when_the_call_was_due_is_called_for_when_it_comes_back() {
    let mut board = board();
    stand(&mut board, &[failed(1)], 0, 1);
    // The next call may come thirty seconds later.
    assert_eq!(stand(&mut board, &[failed(1), offline(1)], 1, 20), 0);
    assert_eq!(stand(&mut board, &[failed(1)], 20, 40), 0);
    assert!(
        board.due(&rules()).is_some_and(|due| due > at(39)),
        "it does not spin meanwhile"
    );
    assert_eq!(stand(&mut board, &[failed(1), offline(1)], 40, 60), 1);
    assert_eq!(stand(&mut board, &[failed(1), offline(1)], 60, 600), 0);
}

#[test]
fn a_dashboard_that_starts_without_its_registry_calls_nobody_when_it_comes_back() {
    let mut board = Board::default();
    let lost = Condition {
        kind: AlertKind::RegistryLost,
        subject: None,
        label: SafeText::new("registry"),
        text: SafeText::new("no answer"),
    };
    for second in 0..20 {
        board.observe(
            at(second),
            std::slice::from_ref(&lost),
            Some(AlertKind::RegistryLost),
            &rules(),
        );
        assert_eq!(board.ring(at(second), &rules()), None);
    }
    assert_eq!(stand(&mut board, &[offline(1), offline(2)], 20, 200), 0);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut board = board();
    for round in 0..60 {
        let bad: Vec<Condition> = (0..100).map(|n| failed(round * 100 + n)).collect();
        board.observe(at(round), &bad, None, &rules());
    }
    assert!(board.records().len() <= 500);
    assert!(board.alerts().len() <= 2_000);
    assert_eq!(
        board.open(&rules(), at(60)).0,
        100,
        "what is open is never dropped for what is over"
    );
}

#[test]
fn patterns_are_parsed_matched_and_quick() {
    for wrong in ["", "prod", "nope:x", "server_full:", &format!("*:{}", "x".repeat(300))] {
        assert!(Mute::parse(wrong).is_err(), "{wrong}");
    }
    let mute = Mute::parse("server_full:test-*").unwrap();
    assert!(mute.matches(AlertKind::ServerFull, "test-1") && !mute.matches(AlertKind::ServerFull, "prod-test-1"));
    assert!(!mute.matches(AlertKind::ServerOffline, "test-1"));
    assert_eq!(Mute::parse(&mute.to_string()).unwrap(), mute);
    assert!(Mute::parse("*:*").unwrap().matches(AlertKind::JobStuck, ""));
    let evil = Mute::parse(&format!("*:{}b", "a*".repeat(90))).unwrap();
    let begun = std::time::Instant::now();
    assert!(!evil.matches(AlertKind::JobStuck, &"a".repeat(8_000)));
    assert!(begun.elapsed() < Duration::from_secs(5));
}
