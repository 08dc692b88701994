//! Guards and read-only profiles, seen from the keys.

use super::bulk::dash_with;
use super::{Dash, fleet};
use vigie::domain::guard::{Guard, Rule};
use vigie::domain::{SafeText, ServerId};
use vigie::tui::action::{ACTIONS, Group, allowed};
use vigie::tui::model::{Act, Answer, Delta, Effect, Layer, UiSettings};

const SIZE: (u16, u16) = (120, 35);

fn settings(read_only: bool, rules: &str) -> UiSettings {
    #[derive(serde::Deserialize)]
    struct File {
        #[serde(default)]
        guard: Vec<Rule>,
    }
    let file: File = toml::from_str(rules).unwrap();
    UiSettings {
        guard: Guard {
            profile: "prod".to_owned(),
            read_only,
            rules: file.guard,
        },
        ..UiSettings::default()
    }
}

fn picture(read_only: bool, rules: &str) -> Dash {
    let mut dash = Dash::with(settings(read_only, rules), SIZE);
    dash.load(fleet::picture());
    dash.effects();
    dash
}

fn changes(dash: &mut Dash) -> Vec<Effect> {
    dash.effects()
        .into_iter()
        .filter(|effect| matches!(effect, Effect::Act { .. } | Effect::ActWith { .. }))
        .collect()
}

#[test]
fn a_read_only_profile_refuses_every_change_with_words_and_says_so_in_the_header() {
    let mut dash = picture(true, "");
    dash.must_see("[read-only]");
    for keys in [
        "a m",
        "a d",
        "j j a a",
        "n",
        "e",
        "4 a t",
        "4 n",
        "9 a x",
        "5 a r",
        "1 m a a m",
    ] {
        dash.press(keys).wait(400);
        assert!(dash.model.layers.is_empty(), "{keys} opened something");
        dash.press("y enter esc esc");
        assert!(changes(&mut dash).is_empty(), "{keys}");
    }
    dash.press("1 a m");
    dash.must_see("read-only (`:unlock 10m`)");
    // Looking goes on.
    dash.press("esc t");
    assert_eq!(changes(&mut dash).len(), 1);
    // The table says the same of every action that changes something.
    let dash = picture(true, "");
    for action in ACTIONS.iter().filter(|action| action.group == Group::Act) {
        assert!(allowed(action.id, &dash.model.situation()).is_err(), "{}", action.name);
    }
}

#[test]
fn it_is_unlocked_for_a_time_that_counts_down_and_ends_by_itself() {
    let mut dash = picture(true, "");
    dash.press(":").enter("unlock 2m").press("enter");
    assert!(
        dash.effects()
            .iter()
            .any(|effect| matches!(effect, Effect::Unlock(Some(_))))
    );
    dash.must_see("[unlocked 2m]");
    dash.wait(61_000);
    dash.must_see("[unlocked 59s]");
    dash.press("a m").wait(400);
    dash.must_see("Put server prod-1 in maintenance?");
    // The time is over while the question is open: it is not answered any more.
    dash.wait(60_000);
    dash.must_see("[read-only]");
    assert!(dash.effects().iter().any(|effect| *effect == Effect::Unlock(None)));
    dash.press("y");
    assert!(changes(&mut dash).is_empty(), "it is read-only again");
    dash.press("esc :").enter("unlock 9h");
    dash.press("enter");
    assert!(dash.model.unlocked.is_none(), "more than a night is refused");
    dash.press("esc :").enter("unlock").press("enter");
    dash.must_see("[unlocked 10m]");
    dash.press(":").enter("lock").press("enter");
    dash.must_see("[read-only]");
}

#[test]
fn the_badge_wakes_nobody_when_nothing_is_unlocked() {
    let deadline = |dash: &Dash| dash.model.next_deadline(&dash.now());
    assert_eq!(deadline(&picture(true, "")), deadline(&picture(false, "")));
}

#[test]
fn what_a_guard_denies_is_greyed_with_its_reason_and_elsewhere_allowed() {
    let mut dash = picture(
        false,
        "[[guard]]\nserver = 'prod-1'\naction = 'server.maintenance'\ndeny = 'month end'",
    );
    dash.press("a m").wait(400);
    assert!(dash.model.layers.is_empty());
    dash.must_see("a guard forbids to put a server in maintenance on prod-1: month end");
    dash.press("j a m").wait(400);
    dash.must_see("Put server prod-2 in maintenance?");
}

#[test]
fn a_guards_name_and_reason_are_asked_for_and_sent() {
    let mut dash = picture(
        false,
        "[[guard]]\naction = 'server.activate'\nserver = 'prod-*'\ntype_name = true\nreason = true",
    );
    let mut off = fleet::server(2, "prod-2", 50, 0);
    off.intent = vigie::domain::server::Intent::Disabled;
    dash.answer(Answer::Delta(Box::new(Delta {
        servers: vec![off],
        ..Delta::default()
    })));
    dash.press("j a a").wait(400);
    dash.must_see("Reason, kept by the audit");
    dash.must_see("Type prod-2 to go on");
    dash.press("enter enter enter");
    assert!(changes(&mut dash).is_empty(), "nothing was given");
    dash.enter("disk replaced")
        .press("enter")
        .enter("prod-1")
        .press("enter");
    assert!(changes(&mut dash).is_empty(), "another one's name");
    dash.press("ctrl-u").enter("prod-2").press("enter");
    let sent = changes(&mut dash);
    let [Effect::ActWith { act, consent, .. }] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert!(matches!(
        act,
        Act::Activate {
            server: ServerId(2),
            ..
        }
    ));
    assert_eq!(consent.typed.as_deref(), Some("prod-2"));
    assert_eq!(consent.reason, Some(SafeText::new("disk replaced")));
}

#[test]
fn of_many_no_more_than_a_guard_allows_and_its_reason_is_asked() {
    let rules = "[[guard]]\naction = 'server.maintenance'\nmax_bulk = 2\nreason = true";
    let mut dash = dash_with(settings(false, rules), SIZE);
    dash.press("m a a m").wait(400);
    dash.must_see("Put 2 servers in maintenance? 4 passed over.");
    dash.must_see("beyond the limit of 2");
    dash.must_see("a guard allows 2 in one go");
    // A higher limit can be typed, and begins nothing.
    dash.press("shift-tab shift-tab shift-tab backspace").enter("5");
    let Some(Layer::Bulk(dialog)) = dash.model.layers.last() else {
        panic!("no plan");
    };
    assert_eq!(dialog.plan.over(), Some(2));
    assert!(!dialog.may_go());
    dash.press("backspace").enter("2");
    dash.press("tab tab tab").enter("kernel update").press("tab tab enter");
    let sent = changes(&mut dash);
    assert_eq!(sent.len(), 2, "{sent:?}");
    for effect in sent {
        let Effect::ActWith { consent, .. } = effect else {
            panic!()
        };
        assert_eq!(consent.bulk, 2);
        assert_eq!(consent.reason, Some(SafeText::new("kernel update")));
    }
}

/// Puts one server, or the first three, in maintenance: what is asked, with nothing given.
fn asked(rules: &str, read_only: bool, many: bool) -> Dash {
    let mut dash = dash_with(settings(read_only, rules), SIZE);
    dash.press(if many { "space space space a m" } else { "a m" }).wait(400);
    dash
}

/// Every rule, on one and on many: what it refuses, and what lets it through.
#[test]
fn every_rule_holds_for_one_and_for_many() {
    let rule = |what: &str| format!("[[guard]]\naction = 'server.maintenance'\n{what}");
    for many in [false, true] {
        let count = if many { 3 } else { 1 };
        // Nothing asked: a yes is enough.
        let mut dash = asked("", false, many);
        dash.press("y");
        assert_eq!(changes(&mut dash).len(), count, "no rule, many: {many}");
        // Forbidden.
        let mut dash = asked(&rule("deny = 'month end'"), false, many);
        dash.must_see("month end");
        dash.press("y tab enter esc");
        assert!(changes(&mut dash).is_empty(), "deny, many: {many}");
        // The name, of many their number.
        let (right, wrong) = if many { ("3", "srv-1") } else { ("srv-1", "3") };
        let mut dash = asked(&rule("type_name = true"), false, many);
        dash.press("y enter").enter(wrong).press("enter enter");
        assert!(changes(&mut dash).is_empty(), "type_name, many: {many}");
        let mut dash = asked(&rule("type_name = true"), false, many);
        dash.enter(right).press("enter enter");
        assert_eq!(changes(&mut dash).len(), count, "type_name given, many: {many}");
        // The reason; blanks are none.
        let mut dash = asked(&rule("reason = true"), false, many);
        dash.press("enter").enter("  ").press("enter enter");
        assert!(changes(&mut dash).is_empty(), "reason, many: {many}");
        dash.enter("kernel").press("enter enter");
        assert_eq!(changes(&mut dash).len(), count, "reason given, many: {many}");
        // At most so many in one go: one is never too many.
        let mut dash = asked(&rule("max_bulk = 2"), false, many);
        if many {
            dash.must_see("a guard allows 2 in one go");
            dash.must_see("beyond the limit of 2");
        }
        dash.press("y");
        assert_eq!(changes(&mut dash).len(), count.min(2), "max_bulk, many: {many}");
        // Read-only, and unlocked.
        let mut dash = asked("", true, many);
        dash.press("y tab enter esc esc");
        assert!(changes(&mut dash).is_empty(), "read-only, many: {many}");
        let mut dash = dash_with(settings(true, ""), SIZE);
        dash.press(":").enter("unlock 5m").press("enter");
        dash.effects();
        dash.press(if many { "space space space a m" } else { "a m" })
            .wait(400)
            .press("y");
        assert_eq!(changes(&mut dash).len(), count, "unlocked, many: {many}");
    }
}

#[test]
fn nothing_of_why_something_is_passed_over_is_cut_off() {
    let rules = "[[guard]]\naction = 'server.maintenance'\nserver = 'srv-2'\n\
                 deny = 'the auditors have it until the end of the month; ask Ada'";
    for size in [(200, 50), (80, 24), (40, 15)] {
        let mut dash = dash_with(settings(false, rules), size);
        dash.press("1 space space space a m").wait(400);
        let screen = dash.screen().replace(['│', '\n'], " ");
        let words: Vec<&str> = screen.split_whitespace().collect();
        let said = words.join(" ");
        assert!(
            said.contains("a guard forbids it: the auditors have it until the end of the month; ask Ada"),
            "{size:?}: {said}"
        );
    }
}

#[test]
fn what_is_locked_or_denied_while_a_plan_is_open_is_not_begun() {
    let mut dash = dash_with(settings(true, ""), SIZE);
    dash.press(":").enter("unlock 2m").press("enter");
    dash.press("space space space a m").wait(400);
    dash.must_see("Put 3 servers in maintenance?");
    dash.wait(120_000);
    dash.must_see("[read-only]");
    dash.effects();
    dash.press("y tab enter");
    assert!(changes(&mut dash).is_empty(), "it is read-only again");
    for keys in ["a m", "space space space a m"] {
        let mut dash = dash_with(settings(false, ""), SIZE);
        dash.press(keys).wait(400);
        // The configuration was read again meanwhile.
        dash.model.settings.guard = settings(false, "[[guard]]\ndeny = 'frozen'").guard;
        dash.press("y");
        assert!(changes(&mut dash).is_empty(), "{keys}");
        dash.must_see("frozen");
    }
}

#[test]
fn a_question_says_what_changed_since_it_was_opened() {
    let mut dash = picture(false, "");
    dash.press("j a m").wait(400);
    let mut changed = dash.model.store.server(ServerId(2)).unwrap().clone();
    changed.version += 1;
    changed.spec.max_instances = 60;
    changed.intent = vigie::domain::server::Intent::Disabled;
    dash.answer(Answer::Delta(Box::new(Delta {
        servers: vec![changed],
        ..Delta::default()
    })));
    dash.must_see("It was changed meanwhile: state active → disabled");
    dash.must_see("max_instances 50");
    dash.press("y tab enter");
    assert!(changes(&mut dash).is_empty(), "nothing is done");
}

#[test]
fn frames() {
    use super::frames::at_all_sizes;
    let loaded = |size, rules: &str, read_only: bool| {
        let mut dash = Dash::with(settings(read_only, rules), size);
        dash.load(fleet::picture());
        dash
    };
    at_all_sizes("guard_read_only", |size| {
        let mut dash = loaded(size, "", true);
        dash.press("1 a").wait(400);
        dash
    });
    at_all_sizes("guard_unlocked", |size| {
        let mut dash = loaded(size, "", true);
        dash.press(":").enter("unlock 9m").press("enter");
        dash
    });
    at_all_sizes("guard_question", |size| {
        let mut dash = loaded(size, "[[guard]]\nreason = true\ntype_name = true", false);
        dash.press("1 a m").wait(400).enter("kernel update");
        dash
    });
    at_all_sizes("guard_bulk", |size| {
        let rules = "[[guard]]\nreason = true\ntype_name = true\nmax_bulk = 3";
        let mut dash = dash_with(settings(false, rules), size);
        dash.press("1 m a a m").wait(400).enter("kernel update").press("tab");
        dash
    });
}
