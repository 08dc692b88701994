//! Names that reach PostgreSQL, DNS, files and shells: kept byte for byte, or refused.

use super::{Random, cases};
use crate::domain::names::{DEFAULT_RESERVED, MAX_NAME_BYTES, suggest_database, suggest_subdomain};
use crate::domain::{Code, DbName, HostName, NameError, RemotePath, Subdomain};
use proptest::prelude::*;
use std::collections::HashMap;

/// What attackers and accidents put into names.
const NASTY: &[&str] = &[
    "\"",
    "'",
    "\0",
    "\n",
    "\r",
    "\\",
    "$",
    "%",
    "-",
    "--",
    ";",
    "`",
    "$(id)",
    " ",
    "\t",
    "/",
    "..",
    "é",
    "ß",
    "İ",
    "а",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "xn--",
    "{",
    "*",
    "&",
    "|",
    "<",
    "\u{1b}[31m",
    "日本",
    "🦀",
    ":",
    "@",
    "#",
    "=",
    "~",
];

/// A name made of good parts, with bad ones now and then, often just at the limit.
fn name(random: &mut Random) -> String {
    let good = "abcdefghijklmnopqrstuvwxyz0123456789_-.ABCXYZ";
    let length = match random.below(5) {
        0 => 60 + random.below(8),
        1 => random.below(4),
        _ => random.below(40),
    };
    let mut text = String::new();
    while text.len() < length {
        text.push(char::from(good.as_bytes()[random.below(good.len())]));
    }
    for _ in 0..random.below(3) {
        let at = random.below(text.len() + 1);
        if text.is_char_boundary(at) {
            text.insert_str(at, NASTY[random.below(NASTY.len())]);
        }
    }
    text
}

/// The rule of a database's name, told once more and otherwise.
fn is_database(text: &str) -> bool {
    let bytes = text.as_bytes();
    (2..=63).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(b))
        && !["postgres", "template0", "template1"].contains(&text)
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
        && !(bytes.len() >= 4 && &bytes[2..4] == b"--")
}

/// So many names: each refused, or kept byte for byte; what PostgreSQL would keep of two is never the same.
fn try_names(random: &mut Random, count: u32) -> (u32, u32) {
    let mut kept: HashMap<Vec<u8>, String> = HashMap::new();
    let (mut databases, mut labels) = (0, 0);
    for _ in 0..count {
        let text = name(random);
        match DbName::parse(&text) {
            Ok(name) => {
                assert!(is_database(&text), "{text:?} was accepted");
                assert_eq!(name.as_str().as_bytes(), text.as_bytes());
                let stored = text.as_bytes()[..text.len().min(MAX_NAME_BYTES)].to_vec();
                let first = kept.entry(stored).or_insert_with(|| text.clone());
                assert_eq!(*first, text, "two names meet in one database");
                databases += 1;
            }
            Err(why) => {
                assert!(!is_database(&text), "{text:?} was refused: {why}");
                assert!(!why.to_string().chars().any(char::is_control), "{why}");
            }
        }
        match Subdomain::parse(&text) {
            Ok(label) => {
                assert!(is_label(&text), "{text:?} was accepted");
                assert_eq!(label.as_str(), text);
                labels += 1;
            }
            Err(_) => assert!(!is_label(&text), "{text:?} was refused"),
        }
        for parsed in [
            Code::parse(&text).map(String::from),
            HostName::parse(&text).map(String::from),
            RemotePath::parse(&text).map(String::from),
        ]
        .into_iter()
        .flatten()
        {
            assert_eq!(parsed, text);
            assert!(
                !parsed.starts_with('-') && !parsed.contains(['\0', '\n', '\u{1b}']),
                "{parsed:?}"
            );
        }
    }
    (databases, labels)
}

#[test]
fn names_are_kept_byte_for_byte_or_refused() {
    let (databases, labels) = try_names(&mut Random::new("I1 short"), 20_000);
    assert!(
        databases > 3_000 && labels > 200,
        "{databases} and {labels} were accepted"
    );
}

#[test]
#[ignore = "long; run by make soak"]
fn soak_names_are_kept_byte_for_byte_or_refused() {
    let (databases, labels) = try_names(&mut Random::new("I1"), 1_000_000);
    println!("I1: 1000000 names, {databases} databases and {labels} labels accepted, 0 cut, 0 met");
}

#[test]
fn the_limit_is_sixty_three_bytes() {
    for (bytes, fits) in [(62, true), (63, true), (64, false), (200, false)] {
        let text = "a".repeat(bytes);
        assert_eq!(DbName::parse(&text).is_ok(), fits, "{bytes}");
        assert_eq!(Subdomain::parse(&text).is_ok(), fits, "{bytes}");
    }
    let why = DbName::parse(&"a".repeat(64)).unwrap_err().to_string();
    assert_eq!(why, "the database name is 64 bytes long; at most 63 are allowed");
    // Two of 64 that PostgreSQL would cut to the same.
    let (a, b) = ("a".repeat(63) + "1", "a".repeat(63) + "2");
    assert!(DbName::parse(&a).is_err() && DbName::parse(&b).is_err());
}

#[test]
fn a_refusal_names_the_character_and_its_place() {
    let why = Subdomain::parse("client_abc").unwrap_err();
    assert!(
        matches!(
            why,
            NameError::BadCharacter {
                found: '_',
                place: 7,
                ..
            }
        ),
        "{why:?}"
    );
    assert!(DbName::parse("client\n").is_err(), "a line's end is no end of a name");
    assert!(matches!(DbName::parse("postgres"), Err(NameError::Reserved { .. })));
    assert!(matches!(DbName::parse("template1"), Err(NameError::Reserved { .. })));
    assert!(matches!(DbName::parse(""), Err(NameError::Empty { .. })));
    assert!(DbName::parse("a").is_err() && DbName::parse("-a").is_err() && DbName::parse("_a").is_err());
    assert!(Subdomain::parse("xn--e1afmkfd").is_err() && Subdomain::parse("a").is_ok());
    assert!(HostName::parse("-oProxyCommand=x").is_err());
    assert!(RemotePath::parse("/srv/../etc").is_err() && RemotePath::parse("srv").is_err());
    assert!(RemotePath::parse("/srv").unwrap().join("..").is_err());
    assert_eq!(
        RemotePath::parse("/srv/").unwrap().join("x").unwrap().as_str(),
        "/srv/x"
    );
}

#[test]
fn reserved_names_and_the_root_domain_are_refused() {
    let reserved: Vec<String> = DEFAULT_RESERVED.iter().map(|s| (*s).to_owned()).collect();
    for word in ["www", "api", "mail", "ftp", "prod", "production"] {
        let why = Subdomain::parse(word).unwrap().allowed(&reserved, None).unwrap_err();
        assert!(
            matches!(&why, NameError::Reserved { name, .. } if name == word),
            "{why:?}"
        );
    }
    let allowed = |label: &str, root| Subdomain::parse(label).unwrap().allowed(&reserved, root).is_ok();
    assert!(allowed("client", Some("example.org")));
    assert!(!allowed("example", Some("example.org")));
    assert!(!allowed("localhost", Some("localhost")));
    let own = vec!["Intern".to_owned()];
    assert!(
        Subdomain::parse("intern").unwrap().allowed(&own, None).is_err(),
        "whatever its case"
    );
    assert!(
        Subdomain::parse("www").unwrap().allowed(&own, None).is_ok(),
        "they are settable"
    );
}

#[test]
fn suggestions_are_what_an_operator_would_type() {
    for (name, label, database) in [
        ("Client ABC", "client-abc", "client_abc"),
        ("  Café  de l'Étoile!", "cafe-de-l-etoile", "cafe_de_l_etoile"),
        ("Bistro -- Nord", "bistro-nord", "bistro_nord"),
        ("2GO", "2go", "2go"),
    ] {
        let suggested = suggest_subdomain(name).unwrap();
        assert_eq!(suggested.as_str(), label);
        assert_eq!(suggest_database(&suggested).unwrap().as_str(), database);
    }
    assert_eq!(suggest_subdomain("日本"), None);
    assert_eq!(suggest_subdomain(""), None);
    assert_eq!(suggest_database(&suggest_subdomain("x").unwrap()), None);
}

proptest! {
    #![proptest_config(cases(2_000))]
    #[test]
    fn a_suggestion_is_always_a_name(text in "\\PC{0,80}") {
        if let Some(label) = suggest_subdomain(&text) {
            prop_assert!(is_label(label.as_str()));
            if let Some(database) = suggest_database(&label) {
                prop_assert!(is_database(database.as_str()));
            }
        }
    }

    #[test]
    fn names_are_read_back_from_json_by_the_same_rule(text in "[a-z0-9_.\\-A\u{202e} ]{0,10}") {
        let json = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(serde_json::from_str::<DbName>(&json).ok(), DbName::parse(&text).ok());
        prop_assert_eq!(serde_json::from_str::<Subdomain>(&json).ok(), Subdomain::parse(&text).ok());
    }
}
