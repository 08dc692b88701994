use super::*;

fn command(toml: &str) -> Result<OwnCommand, String> {
    toml::from_str(toml).map_err(|error: toml::de::Error| error.message().to_owned())
}

fn facts() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("code", "prod-1".to_owned()),
        ("url", "http://h:8069".to_owned()),
        ("name", "-rf".to_owned()),
    ])
}

fn run(toml: &str, answers: &[(&str, &str)]) -> Result<Vec<String>, Refused> {
    let answers = answers
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    command(toml).expect(toml).build(&facts(), &answers)
}

const TEXT: &str =
    "name = \"x\"\nargv = [\"echo\", \"--to={what}\", \"{what}\", \"a {what} b\"]\nask = [{ name = \"what\" }]\n";

#[test]
fn a_value_is_always_one_argument() {
    for hostile in [
        "; rm -rf /",
        "$(id)",
        "`id`",
        "a b\tc".replace('\t', " ").as_str(),
        "'",
        "\"",
        "\\",
        "*",
        "{code}",
        "&& x",
        "| y",
        "> z",
        "",
    ] {
        let argv = run(TEXT, &[("what", hostile)]).expect(hostile);
        let expected = [
            "echo".to_owned(),
            format!("--to={hostile}"),
            hostile.to_owned(),
            format!("a {hostile} b"),
        ];
        assert_eq!(argv, expected);
    }
}

#[test]
fn what_could_be_taken_for_something_else_is_refused() {
    for hostile in ["a\nb", "a\r", "\u{1b}[2J", "\0", "\u{85}"] {
        assert!(
            matches!(run(TEXT, &[("what", hostile)]), Err(Refused::Control(_))),
            "{hostile:?}"
        );
    }
    assert!(matches!(run(TEXT, &[("what", "-rf")]), Err(Refused::Option(..))));
    // Behind "--" nothing is an option; nor in the middle of an argument.
    let behind = "name = \"x\"\nargv = [\"rm\", \"--\", \"{what}\"]\nask = [{ name = \"what\" }]\n";
    assert_eq!(run(behind, &[("what", "-rf")]).expect("an argument")[2], "-rf");
    let inside = "name = \"x\"\nargv = [\"rm\", \"./{what}\"]\nask = [{ name = \"what\" }]\n";
    assert_eq!(run(inside, &[("what", "-rf")]).expect("an argument")[1], "./-rf");
    // A value that is "--" itself opens nothing.
    let opens = "name = \"x\"\nargv = [\"rm\", \"a{what}\", \"{name}\"]\nask = [{ name = \"what\" }]\n";
    assert!(
        matches!(run(opens, &[("what", "--")]), Err(Refused::Option(..))),
        "facts too"
    );
    let long = "x".repeat(VALUE_MAX + 1);
    assert!(matches!(run(TEXT, &[("what", &long)]), Err(Refused::Long(_))));
    // ssh gives what it gets to a shell.
    let ssh = "name = \"x\"\nargv = [\"/usr/bin/ssh\", \"h\", \"systemctl\", \"status\", \"{what}\"]\nask = [{ name = \"what\" }]\n";
    assert!(matches!(run(ssh, &[("what", "odoo; reboot")]), Err(Refused::Shell(..))));
    assert_eq!(
        run(ssh, &[("what", "odoo.service")]).expect("harmless")[4],
        "odoo.service"
    );
}

#[test]
fn what_is_typed_is_of_its_kind() {
    let all = "name = \"x\"\nargv = [\"e\", \"{n}\", \"{c}\", \"{b}\"]\nask = [{ name = \"n\", kind = \"number\", min = -5, max = 10 }, { name = \"c\", kind = \"choice\", choices = [\"a\", \"b c\"] }, { name = \"b\", kind = \"yes-no\" }]\n";
    let right = [("n", " -3"), ("c", "b c"), ("b", "yes")];
    assert_eq!(run(all, &right).expect("right"), ["e", "-3", "b c", "yes"]);
    for (name, wrong) in [
        ("n", "11"),
        ("n", "1.5"),
        ("n", ""),
        ("n", "1; x"),
        ("c", "d"),
        ("c", ""),
        ("b", "maybe"),
    ] {
        let with: Vec<(&str, &str)> = right
            .iter()
            .map(|(k, v)| if *k == name { (*k, wrong) } else { (*k, *v) })
            .collect();
        run(all, &with).expect_err(wrong);
    }
}

#[test]
fn facts_are_inserted_and_what_is_not_known_is_refused() {
    let argv = run("name = \"x\"\nargv = [\"curl\", \"{url}/{{x}}\", \"{code}\"]\n", &[]).expect("known");
    assert_eq!(argv, ["curl", "http://h:8069/{x}", "prod-1"]);
    let missing = run("name = \"x\"\nargv = [\"e\", \"{database}\"]\n", &[]);
    assert_eq!(missing, Err(Refused::Unknown("database".to_owned())));
}

#[test]
fn a_wrong_definition_says_why() {
    for (toml, why) in [
        ("name = \"X y\"\nargv = [\"e\"]", "found the name"),
        ("name = \"x\"\nargv = []", "empty argv"),
        ("name = \"x\"\nargv = [\"{code}\"]", "a placeholder"),
        ("name = \"x\"\nargv = [\"A=b\", \"e\"]", "a placeholder or an option"),
        (
            "name = \"x\"\nargv = [\"e\", \"{nope}\"]",
            "found the placeholder {nope}",
        ),
        ("name = \"x\"\nargv = [\"e\", \"{code\"]", "lone brace"),
        ("name = \"x\"\nargv = [\"sh\", \"-c\", \"echo {code}\"]", "shell text"),
        (
            "name = \"x\"\nargv = [\"/bin/bash\", \"-lc\", \"echo {code}\"]",
            "shell text",
        ),
        ("name = \"x\"\nargv = \"echo x\"", "invalid type"),
        ("name = \"x\"\nargv = [\"e\"]\ntime_limit = \"2d\"", "time limit"),
        (
            "name = \"x\"\nargv = [\"e\"]\nask = [{ name = \"code\" }]",
            "name of a fact",
        ),
        (
            "name = \"x\"\nargv = [\"e\"]\nask = [{ name = \"a\", kind = \"choice\" }]",
            "choices belong",
        ),
        (
            "name = \"x\"\nargv = [\"e\"]\nask = [{ name = \"a\", kind = \"number\", default = \"b\" }]",
            "its default",
        ),
        ("name = \"x\"\nargv = [\"e\"]\noutput = \"pipe\"", "unknown variant"),
        ("name = \"x\"\nargv = [\"e\"]\ncolour = 1", "unknown field"),
    ] {
        let error = command(toml).expect_err(toml);
        assert!(error.contains(why), "{toml}: {error}");
    }
    let shell = "name = \"x\"\nargv = [\"sh\", \"-c\", \"echo \\\"$1\\\"\", \"x\", \"{code}\"]";
    assert_eq!(run(shell, &[]).expect("as an argument")[4], "prod-1");
}

#[test]
fn what_is_shown_can_be_read_by_a_shell_as_the_same_words() {
    let argv = [
        "a".to_owned(),
        "b c".to_owned(),
        "it's".to_owned(),
        String::new(),
        "$x".to_owned(),
    ];
    assert_eq!(Typed(&argv).to_string(), "a 'b c' 'it'\\''s' '' '$x'");
}

#[test]
fn once_for_all_takes_lists_as_arguments_of_their_own() {
    let command = |text: &str| toml::from_str::<OwnCommand>(text).map_err(|error| error.to_string());
    let once = "name = 'all'\non = ['server']\nmany = 'once'\n";
    let report = command(&format!("{once}argv = ['report', '{{codes}}', '--of', '{{fleet}}']")).unwrap();
    let facts = |codes: &str| -> BTreeMap<&'static str, String> {
        [("codes", codes.to_owned()), ("fleet", "prod".to_owned())].into()
    };
    let built = |codes: &str| report.build(&facts(codes), &BTreeMap::new());
    assert_eq!(
        built("a\nb c\n$(d)").unwrap(),
        ["report", "a", "b c", "$(d)", "--of", "prod"]
    );
    assert!(
        matches!(built("a\n-rf"), Err(Refused::Option(..))),
        "one of them would be an option"
    );
    for (wrong, why) in [
        (
            format!("{once}argv = ['report', 'of-{{codes}}']"),
            "an argument of its own",
        ),
        (format!("{once}argv = ['report', '{{code}}']"), "{code}"),
        (format!("{once}argv = ['sh', '-c', '{{codes}}']"), "shell text"),
        (
            "name = 'x'\non = ['server']\nargv = ['report', '{codes}']".to_owned(),
            "{codes}",
        ),
        (
            "name = 'x'\nmany = 'once'\nargv = ['report']".to_owned(),
            "runs on nothing",
        ),
    ] {
        let error = command(&wrong).expect_err(&wrong);
        assert!(error.contains(why), "{wrong}: {error}");
    }
    // Whoever is asked is one alone otherwise, and each fact one variable.
    let env = environment_of(&facts("a\nb"), |_| None);
    assert!(env.contains(&("VIGIE_CODES".to_owned(), "a\nb".to_owned())));
}
