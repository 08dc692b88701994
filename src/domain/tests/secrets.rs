//! References to secrets: read back as written, and never shown with what they hide.

use super::cases;
use crate::domain::SecretRef;
use proptest::prelude::*;

fn reference() -> impl Strategy<Value = SecretRef> {
    prop_oneof![
        "[A-Za-z_][A-Za-z0-9_]{0,20}".prop_map(SecretRef::Env),
        "[^\\x00]{1,30}".prop_map(SecretRef::File),
        prop::collection::vec("\\PC{0,10}", 1..5).prop_map(SecretRef::Command),
        prop::collection::vec("[ -~\\t\\n\\[]{0,6}", 1..4).prop_map(SecretRef::Command),
        ("[a-z0-9]{1,8}", "[A-Za-z0-9+/]{1,40}={0,2}").prop_map(|(key_id, blob)| SecretRef::Sealed { key_id, blob }),
    ]
}

proptest! {
    #![proptest_config(cases(4_000))]
    #[test]
    fn a_reference_is_read_back_as_it_was_written(reference in reference()) {
        let text = String::from(reference.clone());
        prop_assert_eq!(SecretRef::parse(&text), Ok(reference.clone()), "{}", text);
        let json = serde_json::to_string(&reference).unwrap();
        prop_assert_eq!(serde_json::from_str::<SecretRef>(&json).unwrap(), reference);
    }

    #[test]
    fn no_text_makes_the_parser_repeat_it(text in "\\PC{4,40}") {
        if let Err(why) = SecretRef::parse(&text) {
            // It may be the secret itself.
            prop_assert!(!why.to_string().contains(&text));
        }
    }
}

#[test]
fn a_sealed_value_is_never_shown() {
    let sealed = SecretRef::parse("sealed:k1:Q0FOQVJZ").unwrap();
    assert_eq!(sealed.shown(), "sealed (k1)");
    assert_eq!(format!("{sealed:?}"), "sealed (k1)");
    assert!(!format!("{:?}", Some(vec![&sealed])).contains("Q0FOQVJZ"));
    assert_eq!(SecretRef::parse("env:MASTER").unwrap().shown(), "env:MASTER");
}

#[test]
fn a_value_in_the_clear_is_no_reference() {
    for text in [
        "",
        "admin",
        "hunter2",
        "https://x",
        "env:",
        "env:1X",
        "env:A B",
        "file:",
        "command:",
        "command: ",
        "command:[]",
        "sealed:",
        "sealed:k1",
        "sealed:k1:",
        "sealed::x",
        "ENV:X",
    ] {
        assert!(SecretRef::parse(text).is_err(), "{text:?}");
    }
    assert_eq!(
        SecretRef::parse("command:pass show odoo/master").unwrap(),
        SecretRef::Command(vec!["pass".to_owned(), "show".to_owned(), "odoo/master".to_owned()])
    );
}
