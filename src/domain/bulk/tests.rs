use super::*;
use crate::domain::guard::{Consent, Guard};
use crate::domain::rights::{Rights, Role};
use crate::domain::{Problem, SafeText};

fn server(id: i64, intent: Intent, instances: u32) -> Item {
    Item {
        thing: Thing::Server(ServerId(id)),
        name: format!("prod-{id}"),
        server: Some(format!("prod-{id}")),
        version: 1,
        facts: Facts::Server {
            intent,
            observed: Observed::Online,
            instances,
        },
        busy: None,
        barred: None,
    }
}

fn guard(rules: &str) -> Guard {
    #[derive(serde::Deserialize)]
    struct File {
        guard: Vec<crate::domain::guard::Rule>,
    }
    let file: File = toml::from_str(rules).unwrap();
    Guard {
        profile: "prod".to_owned(),
        read_only: false,
        rules: file.guard,
    }
}

fn plan(verb: Verb, items: Vec<Item>, guard: &Guard) -> Plan {
    Plan::new(verb, items, Limits::of(verb), guard, &Rights::everything(), false)
}

fn over(plan: &Plan) -> Vec<(String, String)> {
    plan.passed()
        .map(|(item, why)| (item.name.clone(), why.to_owned()))
        .collect()
}

#[test]
fn who_is_passed_over_is_told_with_the_reason() {
    let mut busy = server(4, Intent::Active, 0);
    busy.busy = Some("checking prod-4".to_owned());
    let items = vec![
        server(1, Intent::Active, 0),
        server(2, Intent::Disabled, 0),
        server(3, Intent::Active, 4),
        busy,
        server(5, Intent::Maintenance, 0),
        server(1, Intent::Active, 0),
    ];
    let guard = guard("[[guard]]\nserver = 'prod-5'\ndeny = 'leased to the auditors'");
    let plan = plan(Verb::Deactivate, items, &guard);
    assert_eq!(plan.count(), 1, "the same twice is done once");
    let reasons: Vec<(String, String)> = over(&plan);
    let expected = [
        ("prod-2", "is disabled already"),
        ("prod-3", "has 4 instances"),
        ("prod-4", "still checking prod-4"),
        ("prod-5", "a guard forbids it: leased to the auditors"),
    ];
    let expected: Vec<(String, String)> = expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    assert_eq!(reasons, expected);
}

#[test]
fn what_ones_role_may_not_is_passed_over() {
    let rights = Rights::of(Role::Manager, "ana");
    let items = vec![server(1, Intent::Disabled, 0)];
    let limits = Limits::of(Verb::DeleteServer);
    let plan = Plan::new(Verb::DeleteServer, items, limits, &Guard::default(), &rights, false);
    let (_, why) = plan.passed().next().unwrap();
    assert_eq!(why, "not allowed: needs saas_admin: you are saas_manager (role ana)");
    assert_eq!(plan.may_begin(&Consent::default()).unwrap_err().code, "nothing_to_do");
}

#[test]
fn the_limit_takes_the_first_and_names_the_rest() {
    let items = (1..=5).map(|id| server(id, Intent::Active, 0)).collect();
    let limits = Limits {
        limit: Some(2),
        ..Limits::of(Verb::Maintain)
    };
    let plan = Plan::new(
        Verb::Maintain,
        items,
        limits,
        &Guard::default(),
        &Rights::everything(),
        false,
    );
    assert_eq!(plan.count(), 2);
    assert!(over(&plan).iter().all(|(_, why)| why == "beyond the limit of 2"));
}

#[test]
fn a_guards_number_is_never_gone_over() {
    let guard = guard("[[guard]]\nmax_bulk = 2\n[[guard]]\nserver = 'prod-9'\nmax_bulk = 1");
    let three: Vec<Item> = (1..=3).map(|id| server(id, Intent::Active, 0)).collect();
    let plan_three = plan(Verb::Maintain, three.clone(), &guard);
    assert_eq!(plan_three.over(), Some(2));
    assert_eq!(
        plan_three.may_begin(&Consent::default()).unwrap_err().code,
        "bulk_too_large"
    );
    let two = plan(Verb::Maintain, three[..2].to_vec(), &guard);
    assert!(two.may_begin(&Consent::default()).is_ok());
    let strict = plan(
        Verb::Maintain,
        vec![server(1, Intent::Active, 0), server(9, Intent::Active, 0)],
        &guard,
    );
    assert_eq!(strict.over(), Some(1), "the strictest of those that are done");
}

#[test]
fn what_cannot_be_taken_back_asks_for_the_number_or_the_name() {
    let open = Guard::default();
    let items: Vec<Item> = (1..=3).map(|id| server(id, Intent::Disabled, 0)).collect();
    let many = plan(Verb::DeleteServer, items.clone(), &open);
    assert_eq!(many.to_type().as_deref(), Some("3"));
    let one = plan(Verb::DeleteServer, items[..1].to_vec(), &open);
    assert_eq!(one.to_type().as_deref(), Some("prod-1"));
    let typed = |text: &str| Consent {
        typed: Some(text.to_owned()),
        ..Consent::default()
    };
    assert_eq!(many.may_begin(&typed("2")).unwrap_err().code, "not_confirmed");
    assert!(many.may_begin(&typed("3")).is_ok());
    assert_eq!(plan(Verb::Check, items, &open).to_type(), None);
}

fn run(count: i64, at_once: usize, stop_after: Option<usize>) -> Run {
    let items = (1..=count).map(|id| server(id, Intent::Active, 0)).collect();
    let limits = Limits {
        limit: None,
        at_once,
        stop_after,
    };
    let rights = Rights::everything();
    Run::new(&Plan::new(
        Verb::Maintain,
        items,
        limits,
        &Guard::default(),
        &rights,
        false,
    ))
}

fn fine() -> Result<SafeText, Problem> {
    Ok(SafeText::new("done"))
}

fn bad() -> Result<SafeText, Problem> {
    Err(Problem::new("refused", "no"))
}

#[test]
fn after_so_many_failures_nothing_more_begins_and_what_runs_comes_to_its_end() {
    let mut run = run(10, 3, Some(2));
    assert_eq!(run.begin(), [0, 1, 2]);
    assert!(run.begin().is_empty(), "three at once");
    run.ended(1, bad());
    assert_eq!(run.begin(), [3]);
    run.ended(0, bad());
    assert!(run.begin().is_empty());
    assert!(!run.is_over(), "two still run");
    run.ended(2, fine());
    run.ended(3, fine());
    assert!(run.is_over());
    assert_eq!(run.summary(), "2 done, 2 failed, 6 not begun");
    assert_eq!(
        run.receipts[9].state,
        State::NotBegun("stopped after 2 failures".to_owned())
    );
    assert_eq!(
        run.failed(),
        [Thing::Server(ServerId(2)), Thing::Server(ServerId(1))]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    assert_eq!(run.not_begun().len(), 6);
}

#[test]
fn stopping_begins_nothing_more() {
    let mut run = run(4, 1, None);
    assert_eq!(run.begin(), [0]);
    run.stop("stopped by you");
    assert!(run.begin().is_empty());
    run.ended(0, fine());
    run.ended(0, bad());
    assert!(run.is_over());
    assert_eq!(run.summary(), "1 done, 3 not begun");
}

proptest::proptest! {
    /// However things end and in whatever order: each is begun at most once, never more at once than
    /// planned, none after the failures that stop it, and each has one receipt at the end.
    #[test]
    fn every_one_has_its_receipt(
        count in 0i64..30, at_once in 0usize..6, stop_after in proptest::option::of(1usize..5),
        ends in proptest::collection::vec((0usize..40, proptest::bool::ANY), 0..200), stop_at in 0usize..100,
    ) {
        let mut run = run(count, at_once, stop_after);
        let (mut begun, mut running) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        let mut failures = 0;
        let drive = |run: &mut Run, begun: &mut std::collections::BTreeSet<usize>, running: &mut std::collections::BTreeSet<usize>| {
            for at in run.begin() {
                assert!(begun.insert(at), "begun twice");
                running.insert(at);
            }
            assert!(running.len() <= at_once.max(1));
        };
        drive(&mut run, &mut begun, &mut running);
        for (n, (at, good)) in ends.into_iter().enumerate() {
            if n == stop_at {
                run.stop("stopped");
            }
            if running.remove(&at) && !good {
                failures += 1;
            }
            run.ended(at, if good { fine() } else { bad() });
            let before = begun.len();
            drive(&mut run, &mut begun, &mut running);
            if stop_after.is_some_and(|most| failures >= most) {
                proptest::prop_assert_eq!(begun.len(), before);
            }
        }
        while let Some(at) = running.pop_first() {
            run.ended(at, fine());
            drive(&mut run, &mut begun, &mut running);
        }
        proptest::prop_assert!(run.is_over());
        let counts = run.counts();
        proptest::prop_assert_eq!((counts.waiting, counts.running), (0, 0));
        proptest::prop_assert_eq!(counts.done + counts.failed, begun.len());
        proptest::prop_assert_eq!(counts.done + counts.failed + counts.not_begun, run.receipts.len());
    }
}
