use super::*;
use crate::domain::check::{CheckReport, Failure};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn check(seconds: i64, failure: Option<Failure>, status: HealthStatus) -> Seen {
    Seen {
        report: CheckReport {
            at: at(seconds),
            latency_ms: u64::try_from(seconds).unwrap() % 37,
            failure,
            warnings: Vec::new(),
            version: Some(SafeText::new("16.0")),
            layers: Vec::new(),
        },
        status,
        reason: SafeText::new("why"),
    }
}

fn refused() -> Option<Failure> {
    Some(Failure::Refused {
        address: SafeText::new("a:1"),
    })
}

#[test]
fn of_a_thousand_checks_only_those_by_which_something_changed_are_told() {
    let mut checks: Vec<Seen> = (0..500).map(|n| check(n * 60, None, HealthStatus::Healthy)).collect();
    checks.push(check(500 * 60, refused(), HealthStatus::Warning));
    checks.extend((501..900).map(|n| check(n * 60, refused(), HealthStatus::Critical)));
    checks.extend((900..1000).map(|n| check(n * 60, None, HealthStatus::Healthy)));
    let sources = Sources {
        checks,
        ..Sources::default()
    };
    let subject = Subject::Server(crate::domain::ServerId(1));
    let events = timeline(subject, &sources, None, 100);
    let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].starts_with("critical → healthy after 399 checks"), "{texts:?}");
    assert!(texts[1].starts_with("warning → critical after 1 check"));
    assert!(texts[2].starts_with("healthy → warning after 500 checks"));
    assert_eq!(timeline(subject, &sources, Some(at(700 * 60)), 100).len(), 1);
    assert_eq!(timeline(subject, &sources, None, 2).len(), 2);
}
