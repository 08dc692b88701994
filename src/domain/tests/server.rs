//! The state machine, every state × every event; and addresses.

use crate::domain::check::{ServerUrl, UrlError};
use crate::domain::server::{Intent, Observed, Refusal, ServerEvent, ServerState, Transition, decide};
use proptest::prelude::*;

const INTENTS: [Intent; 4] = [Intent::Draft, Intent::Active, Intent::Maintenance, Intent::Disabled];
const OBSERVED: [Observed; 3] = [Observed::NeverSeen, Observed::Online, Observed::Offline];

#[test]
fn every_intent_meets_every_event_with_and_without_instances() {
    let up = ServerEvent::Activate { connection: Ok(()) };
    let down = ServerEvent::Activate {
        connection: Err("no answer within 5000 ms (connect)".to_owned()),
    };
    for intent in INTENTS {
        for instances in [0, 1, 3, 50, u32::MAX] {
            let to = |wanted| {
                if wanted == intent {
                    Transition::Unchanged
                } else {
                    Transition::To(wanted)
                }
            };
            let ask = |event: &ServerEvent| decide(intent, instances, event);
            assert_eq!(ask(&up), Ok(to(Intent::Active)), "{intent:?}");
            let refused = Refusal::ConnectionTestFailed("no answer within 5000 ms (connect)".to_owned());
            assert_eq!(ask(&down), Err(refused), "{intent:?}");
            assert_eq!(ask(&ServerEvent::Maintain), Ok(to(Intent::Maintenance)));
            if instances == 0 {
                assert_eq!(ask(&ServerEvent::Deactivate), Ok(to(Intent::Disabled)));
                assert_eq!(ask(&ServerEvent::Delete), Ok(Transition::Remove));
            } else {
                assert_eq!(
                    ask(&ServerEvent::Deactivate),
                    Err(Refusal::DeactivateWithInstances(instances))
                );
                assert_eq!(ask(&ServerEvent::Delete), Err(Refusal::DeleteWithInstances(instances)));
            }
        }
    }
}

#[test]
fn refusals_speak_the_operators_words() {
    let said = Refusal::ConnectionTestFailed("connection refused by 10.0.0.5:8069".to_owned()).to_string();
    assert_eq!(
        said,
        "Cannot activate server. Connection test failed: connection refused by 10.0.0.5:8069"
    );
    let said = Refusal::DeactivateWithInstances(3).to_string();
    assert_eq!(said, "Cannot deactivate server while it has instances (3)");
    assert_eq!(
        Refusal::DeleteWithInstances(1).to_string(),
        "Cannot delete server while it has instances (1)"
    );
}

#[test]
fn the_state_is_derived_from_intent_and_observation() {
    for intent in INTENTS {
        for observed in OBSERVED {
            let expected = match (intent, observed) {
                (Intent::Draft, _) => "draft",
                (Intent::Maintenance, _) => "maintenance",
                (Intent::Disabled, _) => "disabled",
                (Intent::Active, Observed::Offline) => "offline",
                (Intent::Active, Observed::NeverSeen | Observed::Online) => "active",
            };
            let state = ServerState::derive(intent, observed);
            assert_eq!(state.word(), expected);
            assert_eq!(
                serde_json::to_value(state).unwrap(),
                expected,
                "printed as it is stored"
            );
        }
    }
}

#[test]
fn an_address_has_one_form() {
    let parse = |text: &str| ServerUrl::parse(text).map(|u| u.as_str().to_owned());
    for (given, kept) in [
        ("https://odoo1.example.org", "https://odoo1.example.org"),
        ("HTTPS://Odoo1.Example.ORG/", "https://odoo1.example.org"),
        ("https://odoo1.example.org.", "https://odoo1.example.org"),
        ("https://odoo1.example.org:443", "https://odoo1.example.org"),
        ("http://odoo1.example.org:80/", "http://odoo1.example.org"),
        ("http://odoo1.example.org:443", "http://odoo1.example.org:443"),
        ("http://127.0.0.1:08069", "http://127.0.0.1:8069"),
        ("http://my_host", "http://my_host"),
    ] {
        assert_eq!(parse(given).as_deref(), Ok(kept), "{given}");
    }
    for (host, kept) in [
        ("[0:0:0:0:0:0:0:1]:8069", "[::1]:8069"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
    ] {
        assert_eq!(parse(&format!("http://{host}")), Ok(format!("http://{kept}")), "{host}");
    }
    let url = ServerUrl::parse("http://[::1]:8069").unwrap();
    assert_eq!(
        (url.host(), url.port(), url.is_https(), url.is_loopback()),
        ("[::1]", 8069, false, true)
    );
    let url = ServerUrl::parse("https://odoo1.example.org").unwrap();
    assert_eq!(
        (url.host(), url.port(), url.is_https(), url.is_loopback()),
        ("odoo1.example.org", 443, true, false)
    );
}

#[test]
fn what_is_no_address_is_refused_with_its_reason() {
    let refused = |text: &str| ServerUrl::parse(text).unwrap_err();
    for text in [
        "",
        "odoo1.example.org",
        "ftp://x",
        "//x",
        "http:/x",
        "https:x",
        " https://x",
    ] {
        assert_eq!(refused(text), UrlError::Scheme, "{text}");
    }
    for (text, what) in [
        ("https://user:pw@host", "user or password"),
        ("https://host/odoo", "path"),
        ("https://host//", "path"),
        ("https://host?db=x", "query"),
        ("https://host#x", "fragment"),
    ] {
        assert_eq!(refused(text), UrlError::Extra(what), "{text}");
    }
    for rest in [
        "",
        "/",
        ".",
        "a..b",
        "a.b..",
        "-a",
        "a-",
        "a b",
        "a\n",
        "a\0",
        "é.fr",
        "[::1",
        "[::1]x",
        "[1.2.3]",
        "a%20b",
        "\u{202e}a",
        ":80",
    ] {
        let text = format!("https://{rest}");
        assert_eq!(refused(&text), UrlError::Host, "{text:?}");
    }
    for text in [
        "https://a:",
        "https://a:0",
        "https://a:65536",
        "https://a:x",
        "https://a:+80",
        "https://a:-1",
        "https://[::1]:x",
    ] {
        assert_eq!(refused(text), UrlError::Port, "{text}");
    }
    assert_eq!(refused(&format!("https://{}", "a".repeat(64))), UrlError::Host);
    assert_eq!(refused(&format!("https://{}", "a.".repeat(127) + "a")), UrlError::Host);
}

proptest! {
    #![proptest_config(super::cases(2_000))]
    #[test]
    fn an_accepted_address_is_its_own_form(text in "(https?|HTTP|ftp)://[a-zA-Z0-9._:@/?#\\[\\]-]{0,20}") {
        if let Ok(url) = ServerUrl::parse(&text) {
            prop_assert_eq!(ServerUrl::parse(url.as_str()), Ok(url.clone()));
            prop_assert!(url.port() > 0);
            prop_assert!(url.as_str().starts_with("http"));
        }
    }
}
