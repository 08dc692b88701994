use super::super::fleet::Store;
use super::super::message::Fleet;
use super::super::orders::ListId;
use super::super::row::InstanceRow;
use super::super::{Lists, Now};
use super::*;
use crate::domain::instance::{Customer, InstanceState, Plan};
use crate::domain::{CustomerId, InstanceId, PlanId, SafeText, ServerId, TemplateId};
use std::sync::Arc;
use std::time::Duration;

fn now() -> Now {
    Now {
        wall: "2026-11-21T14:00:00Z".parse().unwrap(),
        mono: Duration::ZERO,
        tz: jiff::tz::TimeZone::get("Europe/Paris").unwrap(),
    }
}

fn instance(id: i64, name: &str, state: InstanceState, plan: Option<i64>, mb: Option<u64>, age_h: i64) -> InstanceRow {
    let label = name.to_lowercase().replace(' ', "-");
    InstanceRow::new(
        InstanceId(id),
        ServerId(1),
        TemplateId(1),
        &SafeText::new(name),
        &label,
        &label.replace('-', "_"),
    )
    .with(
        1,
        plan.map(PlanId),
        plan.map(CustomerId),
        state,
        mb.map(|mb| mb * 1_000_000),
        now().wall - jiff::SignedDuration::from_hours(age_h),
    )
}

fn plan(id: i64, code: &str) -> Plan {
    Plan {
        id: PlanId(id),
        code: code.to_owned(),
        name: SafeText::new(code),
        max_users: (id > 1).then_some(u32::try_from(id).unwrap() * 5),
        max_storage_gb: None,
    }
}

fn customer(id: i64, name: &str) -> Customer {
    Customer {
        id: CustomerId(id),
        name: SafeText::new(name),
        email: (id == 1).then(|| "post@acme.example".to_owned()),
    }
}

fn store() -> Arc<Store> {
    use InstanceState as S;
    let mut store = Store::default();
    store.replace(Fleet {
        instances: vec![
            instance(1, "Acme", S::Active, Some(1), Some(1200), 1),
            instance(2, "Bistro Nord", S::Active, Some(2), Some(240), 30),
            instance(3, "Boulangerie Lumière", S::Suspended, None, None, 200),
            instance(4, "Client ABC", S::Provisioning, Some(2), Some(5), 0),
            instance(5, "Nord Express", S::Failed, Some(1), Some(90_000), 5000),
        ],
        plans: vec![plan(1, "trial"), plan(2, "pro")],
        customers: vec![customer(1, "Acme SARL"), customer(2, "Dupont & fils")],
        ..Fleet::default()
    });
    Arc::new(store)
}

/// The ids of the instances that a filter lets through, in the order shown.
fn found(text: &str) -> Vec<i64> {
    sorted(text, None)
}

fn sorted(text: &str, sort: Option<(&str, bool)>) -> Vec<i64> {
    let store = store();
    let mut lists = Lists::default();
    let filter = Arc::new(Filter::new(ListId::All, text).unwrap_or_else(|error| panic!("{text}: {error:?}")));
    let asked = lists.show(
        ListId::All,
        |shown| {
            shown.filter = filter;
            shown.sort = sort.map(|(name, descending)| Sort {
                field: field(ListId::All, name).unwrap(),
                descending,
            });
        },
        &store,
        (10, 10),
        &now(),
    );
    assert!(asked.is_empty(), "a small list is looked through at once");
    lists
        .rows(ListId::All, &store)
        .iter()
        .map(|slot| store.instance_in(*slot).unwrap().id.0)
        .collect()
}

#[test]
fn free_words_are_looked_for_everywhere_without_case_and_accents() {
    assert_eq!(found("nord"), [2, 5]);
    assert_eq!(found("LUMIERE"), [3]);
    assert_eq!(found("acme"), [1, 5], "the customer's name counts");
    assert_eq!(found("dupont"), [2, 4]);
    assert_eq!(found("failed"), [5], "the state counts");
    assert_eq!(found("trial"), [1, 5], "the plan counts");
    assert_eq!(found("nord bistro"), [2]);
    assert_eq!(found("nord -bistro"), [5]);
    assert_eq!(found("!nord"), [1, 3, 4]);
    assert_eq!(found("\"bistro n\""), [2]);
    assert_eq!(found(""), [1, 2, 3, 4, 5]);
    assert!(found("zzz").is_empty());
}

#[test]
fn abbreviations_come_after_what_has_the_word_and_never_leave_out() {
    assert_eq!(found("bnord"), [2], "Bistro NORD");
    assert_eq!(found("bol"), [3], "BOuLangerie");
    assert_eq!(found("-bol"), [1, 2, 3, 4, 5], "nothing has it as it stands");
    assert_eq!(found("\"bol\""), Vec::<i64>::new());
    // `nor` is in the second's name as it stands, and in the fifth's.
    assert_eq!(found("nex OR nord"), [2, 5]);
}

#[test]
fn whichever_way_a_list_is_looked_through_the_same_is_found() {
    let mut store = Arc::unwrap_or_clone(store());
    store.apply(super::super::message::Delta {
        // A slot that is empty, and one that is another's by now.
        gone_instances: vec![InstanceId(1), InstanceId(4)],
        instances: vec![instance(9, "Zum Nordlicht", InstanceState::Active, None, None, 2)],
        ..Default::default()
    });
    let store = Arc::new(store);
    for (text, count) in [
        ("nord", 3),
        ("bol", 1),
        ("state=active", 2),
        ("-nord", 1),
        ("nrd", 3),
        ("zzz", 0),
    ] {
        let request = Request {
            list: ListId::All,
            seq: 0,
            store: Arc::clone(&store),
            server: None,
            filter: Arc::new(Filter::new(ListId::All, text).unwrap()),
            sort: None,
            now: now(),
            base: None,
            passed: None,
        };
        let order = store.order(ListId::All, None);
        let places = 0..u32::try_from(order.len()).unwrap();
        let one = request.look(&order, places, &|| false).unwrap();
        assert_eq!(
            request.look_through(&order, store.slots(), &|| false).unwrap(),
            one,
            "{text}"
        );
        assert_eq!(one.1.len(), count, "{text}: {one:?}");
    }
}

#[test]
fn columns_are_compared_by_what_they_are() {
    for (text, ids) in [
        ("state=active", vec![1, 2]),
        ("state=act", vec![1, 2]),
        ("state=active,failed", vec![1, 2, 5]),
        ("state!=active", vec![3, 4, 5]),
        ("-state=active", vec![3, 4, 5]),
        ("state=*ed", vec![3, 5]),
        ("plan=trial", vec![1, 5]),
        ("-plan=trial", vec![2, 3, 4]),
        ("plan!=trial", vec![2, 3, 4]),
        ("plan=none", vec![3]),
        ("plan=\"none\"", vec![]),
        ("plan=TR*", vec![1, 5]),
        ("customer~dup", vec![2, 4]),
        ("customer!~dup", vec![1, 3, 5]),
        ("name=\"Bistro Nord\"", vec![2]),
        ("name=bistro*", vec![2]),
        ("name=bistro", vec![]),
        ("subdomain=*-nord", vec![2]),
        ("db=acme", vec![1]),
        ("size>1GB", vec![1, 5]),
        ("size>=1.2GB", vec![1, 5]),
        ("size<=5MB", vec![4]),
        ("size<1GB", vec![2, 4]),
        ("size=none", vec![3]),
        ("size!=none", vec![1, 2, 4, 5]),
        ("age<2h", vec![1, 4]),
        ("age>7d", vec![3, 5]),
        ("age>=200h", vec![3, 5]),
        ("created>2026-11-20", vec![1, 4]),
        ("created=today", vec![1, 4]),
        ("created=yesterday,2026-11-13", vec![2, 3]),
        ("created<2026-11-20", vec![3, 5]),
        ("created>=yesterday", vec![1, 2, 4]),
        ("age=none", vec![]),
        ("(state=active OR state=failed) size>1GB", vec![1, 5]),
        ("state=active | plan=none", vec![1, 2, 3]),
        ("NOT (state=active OR plan=none)", vec![4, 5]),
        ("nord AND NOT plan=trial", vec![2]),
    ] {
        assert_eq!(found(text), ids, "{text}");
    }
}

#[test]
fn what_means_nothing_here_is_told_with_its_place() {
    for (list, text, at, what) in [
        (ListId::All, "capacity>90", 0..8, "no column is called capacity"),
        (ListId::All, "acme siz>1", 5..8, "did you mean size?"),
        (ListId::Servers, "state=offlin3", 6..13, "offline, maintenance, active"),
        (ListId::Servers, "state>active", 0..5, "= or ~, not >"),
        (ListId::Servers, "capacity>lots", 9..13, "a share such as 90 or 90%"),
        (ListId::Servers, "capacity~9", 0..8, "compared with ="),
        (ListId::Servers, "latency>2 parsecs", 0..0, ""),
        (ListId::Servers, "checked=2h", 8..10, "compared with < or >"),
        (ListId::All, "size>1,2", 7..8, "one value"),
        (ListId::All, "age>2", 4..5, "an age such as 2h"),
        (ListId::All, "created=2026-02-30", 8..18, "a day such as"),
    ] {
        match Filter::new(list, text) {
            Ok(_) => assert!(what.is_empty(), "{text} is taken for right"),
            Err(error) => {
                assert!(!what.is_empty() && error.what.contains(what), "{text}: {error:?}");
                assert_eq!(error.at, at, "{text}: {error}");
            }
        }
    }
}

#[test]
fn orders_are_by_value_what_has_none_is_last_and_ties_keep_their_place() {
    assert_eq!(sorted("", Some(("size", true))), [5, 1, 2, 4, 3]);
    assert_eq!(sorted("", Some(("size", false))), [4, 2, 1, 5, 3], "still last");
    assert_eq!(sorted("", Some(("plan", false))), [2, 4, 1, 5, 3]);
    assert_eq!(sorted("", Some(("name", true))), [5, 4, 3, 2, 1]);
    assert_eq!(
        sorted("", Some(("state", false))),
        [5, 4, 3, 1, 2],
        "what needs a hand first"
    );
    assert_eq!(sorted("", Some(("age", true))), [4, 1, 2, 3, 5], "the newest first");
    assert_eq!(sorted("nord", Some(("size", false))), [2, 5]);
    assert_eq!(
        sorted("bol OR nord", Some(("name", true))),
        [5, 3, 2],
        "a chosen order is kept"
    );
}

#[test]
fn narrowing_is_only_claimed_where_it_is_true() {
    let narrows = |new: &str, old: &str| {
        let filter = |text| Filter::new(ListId::All, text).unwrap();
        filter(new).narrows(&filter(old))
    };
    assert!(narrows("acme", "acm"));
    assert!(narrows("acme nord", "acme"));
    assert!(narrows("acme", ""));
    assert!(narrows("acme size>1GB", "size>1GB"));
    assert!(!narrows("acm", "acme"));
    assert!(!narrows("acm", "ac"), "from three letters on abbreviations count");
    assert!(!narrows("-acme", "-ac"), "leaving out less lets more through");
    assert!(!narrows("acme OR nord", "acme"));
    assert!(!narrows("size>2GB", "size>1GB"), "true, and not worth knowing");
}

#[test]
fn ages_pass_with_the_time_days_do_not() {
    let timed = |text: &str| Filter::new(ListId::All, text).unwrap().is_timed();
    assert!(timed("age<2h") && timed("a -created=today") && timed("(x | created>1d)"));
    assert!(!timed("acme") && !timed("created>2026-01-01") && !timed("size>1GB"));
}

#[test]
fn hits_are_the_words_that_have_to_be_there() {
    let hits = |text: &str, name: &str| Filter::new(ListId::All, text).unwrap().hits(name);
    assert_eq!(hits("nord", "Bistro Nord"), vec![7..11]);
    assert_eq!(hits("-nord", "Bistro Nord"), Vec::<std::ops::Range<usize>>::new());
    assert_eq!(hits("name~bis nord", "Bistro Nord"), vec![0..3, 7..11]);
    assert_eq!(hits("lumiere", "Lumière"), vec![0..8]);
}

#[test]
fn every_column_can_be_asked_for_sorted_by_and_shown() {
    let store = store();
    for list in ListId::ALL {
        let mut names = std::collections::BTreeSet::new();
        for field in fields(list) {
            for name in std::iter::once(&field.name).chain(field.also) {
                assert!(names.insert(*name), "{list:?}: {name} twice");
                assert_eq!(super::field(list, name), Some(field));
                let shape = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                assert!(shape(name), "{name} can't be typed as a column");
            }
            let text = match field.kind {
                Kind::Text => format!("{}=x {}~x -{}=none", field.name, field.name, field.name),
                Kind::Word(words) => format!("{}={}", field.name, words.join(",")),
                Kind::Time => format!("{}>2h {}=today", field.name, field.name),
                _ => format!("{}>1 {}=1 {}!=none", field.name, field.name, field.name),
            };
            Filter::new(list, &text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let mut lists = Lists::default();
            for descending in [true, false] {
                let sort = Some(Sort { field, descending });
                lists.show(list, |shown| shown.sort = sort, &store, (5, 5), &now());
            }
            assert_eq!(lists.len(list, &store), lists.whole(list, &store));
            assert!(field.width.0 <= field.width.1 && field.width.0 > 0);
        }
        assert!(fields(list).iter().any(|field| field.free), "{list:?}");
        let keys: Vec<_> = fields(list).iter().filter_map(|field| field.sort).collect();
        let mut apart = keys.clone();
        apart.dedup();
        assert_eq!(keys, apart, "{list:?}: a key for two columns");
        for id in keys {
            let places = crate::tui::action::action(id).places;
            assert!(
                places.contains(&list.place()),
                "{list:?}: {id:?} is not in the table there"
            );
        }
    }
}

/// Filters of all kinds, right and wrong.
fn texts() -> impl proptest::strategy::Strategy<Value = String> {
    proptest::collection::vec(
        proptest::sample::select(vec![
            "nord",
            "a",
            "ac",
            "acm",
            "acme",
            "bnord",
            "-",
            "!",
            "(",
            ")",
            "|",
            "OR",
            "AND",
            "NOT",
            "state=active",
            "state=",
            "size>1GB",
            "size<500MB",
            "age<2h",
            "plan=trial",
            "-plan=trial",
            "plan=none",
            "\"bistro n\"",
            "name~nor",
            "customer=*e*",
            "x",
            "é",
            "created=today",
            " ",
            "\"",
            ",",
        ]),
        0..7,
    )
    .prop_map(|parts| parts.join(" "))
}

use proptest::strategy::Strategy;

proptest::proptest! {
    #[test]
    fn no_filter_panics_and_its_negation_is_the_rest(text in texts()) {
        let Ok(_) = Filter::new(ListId::All, &text) else { return Ok(()) };
        let Ok(_) = Filter::new(ListId::All, &format!("-({text})")) else { return Ok(()) };
        // Abbreviations only ever add: what is left out is said exactly.
        let exact = text.split(' ').all(|word| !matches!(word, "acm" | "acme" | "bnord" | "nord"));
        let mut both = found(&text);
        both.extend(found(&format!("-({text})")));
        both.sort_unstable();
        if exact {
            proptest::prop_assert_eq!(both, vec![1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn typing_on_finds_what_typing_at_once_finds(text in texts(), descending in proptest::bool::ANY) {
        let store = store();
        let mut lists = Lists::default();
        let sort = descending.then(|| Sort { field: field(ListId::All, "size").unwrap(), descending });
        for (at, c) in text.char_indices() {
            let Ok(filter) = Filter::new(ListId::All, &text[..at + c.len_utf8()]) else { continue };
            let (typed, filter) = (text[..at + c.len_utf8()].to_owned(), Arc::new(filter));
            let set = |shown: &mut super::super::orders::Shown| { shown.filter = filter; shown.sort = sort; };
            lists.show(ListId::All, set, &store, (10, 10), &now());
            let rows: Vec<i64> = lists
                .rows(ListId::All, &store)
                .iter()
                .map(|slot| store.instance_in(*slot).unwrap().id.0)
                .collect();
            proptest::prop_assert_eq!(rows, sorted(&typed, sort.map(|sort| (sort.field.name, descending))), "{}", typed);
        }
    }

    #[test]
    fn any_text_is_a_filter_or_a_mistake_in_every_list(text in "\\PC{0,40}") {
        for list in ListId::ALL {
            if let Err(error) = Filter::new(list, &text) {
                proptest::prop_assert!(text.get(error.at.clone()).is_some());
            }
        }
    }
}
