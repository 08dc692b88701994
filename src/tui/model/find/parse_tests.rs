use super::*;

fn shown(text: &str) -> String {
    format!("{:#?}", parse(text).unwrap())
        .lines()
        .filter(|line| !line.contains("span"))
        .collect()
}

fn one_form(text: &str) -> String {
    parse(text).unwrap().to_string()
}

#[test]
fn words_are_all_needed_and_or_binds_weaker() {
    assert_eq!(one_form("a b"), "a b");
    assert_eq!(one_form("a AND b"), "a b");
    assert_eq!(one_form("(a b) OR (c d)"), "a b OR c d");
    assert_eq!(parse("a b OR c").unwrap(), parse("(a AND b) | c").unwrap());
    assert_ne!(parse("a (b OR c)").unwrap(), parse("a b OR c").unwrap());
    assert_eq!(one_form("a (b OR c)"), "a (b OR c)");
}

#[test]
fn all_ways_to_say_not() {
    for text in ["-a", "!a", "NOT a", "-(a)", "- -(a) -a", "NOT (a)"] {
        assert!(shown(text).contains("Not"), "{text}");
    }
    assert_eq!(parse("-a").unwrap(), parse("NOT a").unwrap());
    assert_eq!(one_form("--a"), "--a");
    assert_eq!(one_form("-plan=trial"), "-plan=trial");
    assert_eq!(one_form("plan!=trial"), "plan!=trial");
    assert!(parse(" - ").unwrap().is_empty(), "the beginning of something");
    assert!(parse("").unwrap().is_empty());
    assert_eq!(one_form("a ! "), "a");
}

#[test]
fn comparisons_and_their_values() {
    let compare = |text: &str| match parse(text).unwrap() {
        Expr::Compare(compare) => (
            compare.name,
            compare.op,
            compare
                .values
                .into_iter()
                .map(|v| (v.text, v.quoted))
                .collect::<Vec<_>>(),
        ),
        other => panic!("{other:?}"),
    };
    let plain = |text: &str| (text.to_owned(), false);
    assert_eq!(
        compare("state=offline"),
        ("state".to_owned(), Op::Is, vec![plain("offline")])
    );
    assert_eq!(
        compare("capacity>=90%"),
        ("capacity".to_owned(), Op::AtLeast, vec![plain("90%")])
    );
    assert_eq!(compare("age<2h"), ("age".to_owned(), Op::Less, vec![plain("2h")]));
    assert_eq!(
        compare("state=offline,failed"),
        ("state".to_owned(), Op::Is, vec![plain("offline"), plain("failed")])
    );
    assert_eq!(
        compare(r#"name!~"a \"b\" (c)",d"#),
        (
            "name".to_owned(),
            Op::HasNot,
            vec![(r#"a "b" (c)"#.to_owned(), true), plain("d")]
        )
    );
    assert_eq!(compare("a=b=c"), ("a".to_owned(), Op::Is, vec![plain("b=c")]));
}

#[test]
fn words_that_only_look_like_something_else() {
    assert_eq!(one_form("prod-1"), "prod-1");
    assert_eq!(one_form("odoo1.example.org:443"), "odoo1.example.org:443");
    assert_eq!(one_form("or and not"), "or and not");
    assert_eq!(one_form(r#""a b" "OR""#), r#""a b" "OR""#);
    assert_eq!(one_form("10>9"), "10>9", "a number is no column");
    assert_eq!(one_form("a,b"), "a,b");
}

#[test]
fn mistakes_have_their_place() {
    for (text, at, what) in [
        ("state=", 6..6, "a value is missing"),
        ("state=a,", 8..8, "a value is missing"),
        ("(a", 0..1, "not closed"),
        ("a (b (c)", 2..3, "not closed"),
        ("a)", 1..2, "no ( before"),
        ("()", 0..1, "nothing stands between"),
        ("a OR", 4..4, "missing here"),
        ("OR a", 0..2, "between two things"),
        ("a AND OR b", 6..8, "between two things"),
        ("a NOT", 5..5, "missing here"),
        ("name=\"x", 5..7, "quote is not closed"),
        ("\"", 0..1, "quote is not closed"),
        ("(a OR )", 6..7, "nothing in it"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.what.contains(what), "{text}: {error}");
    }
    assert!(parse(&"(".repeat(1500)).is_err());
    assert!(parse(&"-".repeat(1500)).is_err());
    assert!(parse(&"a ".repeat(2000)).is_err(), "too long");
}

fn trees() -> impl proptest::strategy::Strategy<Value = Expr> {
    use proptest::prelude::*;
    let text = "[a-zA-Z0-9é \"\\\\()|,!=<>~*?-]{0,8}";
    let word = (text, any::<bool>()).prop_map(|(text, exact)| {
        // What can't stand alone is quoted, and so exact.
        let exact = exact || !super::super::expr::is_plain(&text);
        Expr::Word(text, exact)
    });
    let value = prop_oneof![
        "[a-z0-9*?%:./=-]{1,6}".prop_map(|text| (text, false)),
        text.prop_map(|text| (text, true)),
    ]
    .prop_map(|(text, quoted)| Literal {
        text,
        quoted,
        span: Span(0..0),
    });
    let compare = (
        "[a-z][a-z_]{0,5}",
        proptest::sample::select(Op::ALL.to_vec()),
        proptest::collection::vec(value, 1..3),
    )
        .prop_map(|(name, op, values)| {
            Expr::Compare(Compare {
                name,
                name_span: Span(0..0),
                op,
                values,
            })
        })
        // `a=` and then `=b` reads as another operator.
        .prop_filter("one reading", |expr| {
            super::parse(&expr.to_string()).is_ok_and(|again| again == *expr)
        });
    prop_oneof![word, compare].prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|expr| Expr::Not(Box::new(expr))),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn nothing_typed_panics_and_errors_point_into_the_text(text in "\\PC{0,60}") {
        if let Err(error) = parse(&text) {
            proptest::prop_assert!(text.get(error.at.clone()).is_some(), "{:?} {:?}", text, error);
        }
    }

    #[test]
    fn nothing_like_a_filter_panics(text in "([a-c]|[-!()|\"\\\\=<>~,* ]|AND |OR |NOT |state=|age<2h ){0,24}") {
        match parse(&text) {
            Ok(expr) => proptest::prop_assert_eq!(parse(&expr.to_string()).unwrap(), expr),
            Err(error) => proptest::prop_assert!(text.get(error.at.clone()).is_some()),
        }
    }

    #[test]
    fn what_is_written_is_read_again(expr in trees()) {
        let text = expr.to_string();
        proptest::prop_assert_eq!(parse(&text), Ok(expr), "{}", text);
    }
}
