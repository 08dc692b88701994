use super::*;

fn rule(text: &str) -> Result<Rule, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

fn guard(profile: &str, rules: &[&str]) -> Guard {
    Guard {
        profile: profile.to_owned(),
        read_only: false,
        rules: rules.iter().map(|text| rule(text).unwrap()).collect(),
    }
}

fn asked(deed: Deed, server: &'static str) -> Asked<'static> {
    Asked {
        deed,
        server: Some(server),
        name: server,
    }
}

#[test]
fn patterns_mean_what_they_say() {
    for (pattern, text, fits) in [
        ("prod-*", "prod-1", true),
        ("prod-*", "prod", false),
        ("*", "", true),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*-eu-*", "prod-eu-7", true),
        ("*1", "prod-11", true),
        ("", "x", false),
        ("server.*", "server.deactivate", true),
    ] {
        assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
    }
}

#[test]
fn a_rule_that_protects_nobody_is_a_mistake() {
    for (text, says) in [
        ("server = 'prod-*'", "asks for nothing"),
        (
            "action = 'server.stop'\nreason = true",
            "found the action \"server.stop\"",
        ),
        ("max_bulk = 0", "at least 1"),
        ("deny = ' '", "expected why"),
        ("denied = 'no'", "unknown field"),
    ] {
        let error = rule(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
    let whole = rule("profile = 'prod'\nserver = ['a', 'b']\naction = 'job.*'\nreason = true").unwrap();
    let again: Rule = toml::from_str(&toml::to_string(&whole).unwrap()).unwrap();
    assert_eq!(whole, again);
}

#[test]
fn the_strictest_of_all_rules_wins() {
    let guard = guard(
        "prod",
        &[
            "max_bulk = 20",
            "server = 'prod-*'\nmax_bulk = 5\nreason = true",
            "server = 'prod-*'\naction = 'server.deactivate'\ntype_name = true\nmax_bulk = 9",
            "profile = 'test'\ndeny = 'not of this profile'",
        ],
    );
    let demands = guard.demands(Deed::DeactivateServer, Some("prod-1"));
    assert_eq!(
        (demands.max_bulk, demands.reason, demands.type_name),
        (Some(5), true, true)
    );
    assert_eq!(demands.deny, None);
    let other = guard.demands(Deed::DeactivateServer, Some("test-1"));
    assert_eq!(
        (other.max_bulk, other.reason, other.type_name),
        (Some(20), false, false)
    );
    assert_eq!(
        guard.demands(Deed::TestServer, Some("prod-1")),
        Demands::default(),
        "looking is no change"
    );
}

#[test]
fn what_is_denied_is_denied_with_its_reason_whatever_is_given() {
    let guard = guard(
        "prod",
        &["server = 'prod-1'\naction = 'instance.*'\ndeny = 'month end'"],
    );
    let everything = Consent {
        typed: Some("prod-1".to_owned()),
        reason: Consent::reason_of("because"),
        bulk: 1,
    };
    let problem = guard
        .judge(&asked(Deed::DeleteInstance, "prod-1"), &everything, true)
        .unwrap_err();
    assert_eq!(problem.code, "denied");
    assert_eq!(
        problem.message,
        "a guard forbids to delete an instance on prod-1: month end"
    );
    assert!(
        guard
            .judge(&asked(Deed::DeleteInstance, "prod-2"), &everything, true)
            .is_ok()
    );
    let nowhere = Asked {
        deed: Deed::CreateInstance,
        server: None,
        name: "x",
    };
    assert!(guard.judge(&nowhere, &everything, true).is_ok(), "it is on no server");
}

#[test]
fn names_reasons_and_numbers_are_asked_for_and_nothing_else_will_do() {
    let guard = guard("prod", &["type_name = true\nreason = true\nmax_bulk = 3"]);
    let ask = asked(Deed::MaintainServer, "prod-1");
    let code = |given: &Consent| guard.judge(&ask, given, false).map_err(|p| p.code);
    let mut given = Consent::default();
    assert_eq!(code(&given), Err("name_needed".to_owned()));
    given.typed = Some("prod-2".to_owned());
    assert_eq!(code(&given), Err("name_needed".to_owned()), "another one's name");
    given.typed = Some("prod-1".to_owned());
    assert_eq!(code(&given), Err("reason_needed".to_owned()));
    assert_eq!(Consent::reason_of("  \t "), None, "blanks are no reason");
    given.reason = Consent::reason_of(" disk \u{1b}[31mswap ");
    assert!(!given.reason.as_ref().unwrap().as_str().contains('\u{1b}'));
    assert_eq!(code(&given), Ok(()));
    given.bulk = 3;
    assert_eq!(
        code(&given),
        Err("name_needed".to_owned()),
        "of many their number is typed"
    );
    given.typed = Some("3".to_owned());
    assert_eq!(code(&given), Ok(()));
    given.bulk = 4;
    given.typed = Some("4".to_owned());
    assert_eq!(code(&given), Err("bulk_too_large".to_owned()));
}

#[test]
fn a_read_only_profile_refuses_every_change_until_it_is_unlocked() {
    let guard = Guard {
        profile: "prod".to_owned(),
        read_only: true,
        rules: Vec::new(),
    };
    for deed in Deed::ALL {
        let judged = guard.judge(&asked(deed, "prod-1"), &Consent::default(), false);
        assert_eq!(judged.is_err(), deed.is_change(), "{deed:?}");
        if let Err(problem) = judged {
            assert_eq!(problem.code, "read_only");
            assert!(problem.message.contains("the profile prod is read-only"), "{problem}");
        }
        assert!(
            guard.judge(&asked(deed, "prod-1"), &Consent::default(), true).is_ok(),
            "{deed:?}"
        );
    }
}

#[test]
fn every_change_has_a_name_that_rules_can_use() {
    for deed in Deed::ALL.into_iter().filter(|deed| deed.is_change()) {
        assert!(deed.action().is_some(), "{deed:?}");
    }
}

#[test]
fn unlocking_has_an_end() {
    assert_eq!(unlock_time(""), Ok(UNLOCK_USUAL));
    assert_eq!(unlock_time("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(unlock_time(" 2h "), Ok(Duration::from_secs(7200)));
    for wrong in ["0m", "9h", "10", "m", "1d", "99999999999999999999h", "-1m"] {
        assert!(unlock_time(wrong).is_err(), "{wrong}");
    }
}
