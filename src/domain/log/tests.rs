use super::*;
use proptest::prelude::*;

fn head(line: &str) -> (String, Option<Level>, bool, String) {
    let head = Head::read(line);
    let at = head.stamp.map(|stamp| stamp.at.to_string()).unwrap_or_default();
    (at, head.level, head.own, line[head.body..].to_owned())
}

#[test]
fn odoos_lines_are_read_as_utc() {
    let line = "2026-11-21 14:02:09,123 4711 WARNING acme odoo.addons.base.models.ir_cron: too slow";
    let (at, level, own, rest) = head(line);
    assert_eq!(at, "2026-11-21T14:02:09.123Z");
    assert_eq!(level, Some(Level::Warning));
    assert!(own);
    assert!(rest.starts_with("4711 WARNING acme"), "{rest}");
    assert!(Head::read(line).stamp.unwrap().sure);
    for (word, level) in [
        ("DEBUG", Level::Debug),
        ("INFO", Level::Info),
        ("ERROR", Level::Error),
        ("CRITICAL", Level::Critical),
    ] {
        let line = format!("2026-11-21 14:02:09,123 1 {word} ? odoo.http: x");
        assert_eq!(Head::read(&line).level, Some(level), "{word}");
    }
    // A database called like a level is none.
    let line = "2026-11-21 14:02:09,123 1 INFO ERROR odoo.http: x";
    assert_eq!(Head::read(line).level, Some(Level::Info));
}

#[test]
fn a_traceback_goes_on_with_the_line_before() {
    for line in [
        "Traceback (most recent call last):",
        "  File \"/odoo/http.py\", line 7, in dispatch",
        "ValueError: no such thing",
        "\tat org.example.Thing",
        "",
        "plain words",
    ] {
        let head = Head::read(line);
        assert!(!head.own && head.level.is_none() && head.stamp.is_none(), "{line:?}");
    }
}

#[test]
fn postgresqls_lines_are_read_with_their_zone() {
    let (at, level, own, _) = head("2026-11-21 14:02:09.123 UTC [4711] odoo@acme ERROR:  duplicate key");
    assert_eq!(
        (at.as_str(), level, own),
        ("2026-11-21T14:02:09.123Z", Some(Level::Error), true)
    );
    let (at, level, ..) = head("2026-11-21 14:02:09.123 CET [4711] LOG:  checkpoint starting: time");
    assert_eq!((at.as_str(), level), ("2026-11-21T13:02:09.123Z", Some(Level::Info)));
    let (at, level, ..) = head("2026-11-21 14:02:09 +0530 [1] FATAL:  the database system is starting up");
    assert_eq!((at.as_str(), level), ("2026-11-21T08:32:09Z", Some(Level::Critical)));
    // What a zone means that nobody knows is not guessed.
    let (at, level, ..) = head("2026-11-21 14:02:09.123 XST [4711] WARNING:  x");
    assert_eq!((at.as_str(), level), ("", Some(Level::Warning)));
    // Lines that explain the one before belong to it.
    let (_, level, own, _) = head("2026-11-21 14:02:09.123 UTC [4711] odoo@acme STATEMENT:  SELECT 1");
    assert_eq!((level, own), (None, false));
}

#[test]
fn other_formats_are_read_as_far_as_they_say() {
    for (line, at, level) in [
        ("2026-11-21T14:02:09Z something happened", "2026-11-21T14:02:09Z", None),
        (
            "2026-11-21T14:02:09.5+01:00 host app: [error] bad",
            "2026-11-21T13:02:09.5Z",
            Some(Level::Error),
        ),
        (
            "[2026-11-21 14:02:09,123: WARNING/MainProcess] slow",
            "2026-11-21T14:02:09.123Z",
            Some(Level::Warning),
        ),
        (
            "2026/11/21 14:02:09 [crit] 7#7: *1 connect() failed",
            "2026-11-21T14:02:09Z",
            Some(Level::Critical),
        ),
        (
            "10.0.0.1 - - [21/Nov/2026:14:02:09 +0100] \"GET /web HTTP/1.1\" 502 150",
            "2026-11-21T13:02:09Z",
            Some(Level::Error),
        ),
        ("ERROR: relation does not exist", "", Some(Level::Error)),
        ("WARN  disk is filling up", "", Some(Level::Warning)),
        ("[info] ready", "", None),
        ("level=error msg=bad", "", Some(Level::Error)),
        ("Error is a word that begins this sentence", "", None),
        ("2026-13-45 99:99:99,000 no date", "", None),
    ] {
        let (read, found, ..) = head(line);
        assert_eq!((read.as_str(), found), (at, level), "{line}");
    }
    assert!(
        !Head::read("2026-11-21 14:02:09 plain").stamp.unwrap().sure,
        "no zone is no zone"
    );
}

#[test]
fn json_is_put_in_a_readable_order() {
    let json = Json::read(
        r#"{"ts":1795269729.5,"level":"error","logger":"odoo.http","msg":"no such user","user":"a b","n":7}"#,
    )
    .unwrap();
    assert_eq!(json.text.as_str(), "no such user  logger=odoo.http  n=7  user=\"a b\"");
    assert_eq!(json.head.level, Some(Level::Error));
    assert_eq!(json.head.stamp.unwrap().at.to_string(), "2026-11-21T14:02:09.5Z");
    let pg = r#"{"timestamp":"2026-11-21 14:02:09.123 UTC","error_severity":"FATAL","message":"no","pid":1}"#;
    let json = Json::read(pg).unwrap();
    assert_eq!(json.head.level, Some(Level::Critical));
    assert_eq!(json.head.stamp.unwrap().at.to_string(), "2026-11-21T14:02:09.123Z");
    for millis in ["1795269729500", "1795269729500000", "\"2026-11-21T14:02:09.5Z\""] {
        let json = Json::read(&format!(r#"{{"time":{millis},"msg":"x"}}"#)).unwrap();
        assert_eq!(
            json.head.stamp.unwrap().at.to_string(),
            "2026-11-21T14:02:09.5Z",
            "{millis}"
        );
    }
    for level in [
        ("10", Level::Debug),
        ("30", Level::Warning),
        ("50", Level::Critical),
        ("\"WARN\"", Level::Warning),
    ] {
        let json = Json::read(&format!(r#"{{"level":{},"msg":"x"}}"#, level.0)).unwrap();
        assert_eq!(json.head.level, Some(level.1));
    }
    for line in ["{}", "{broken", "[1,2]", "7", "", "{\"a\":1} and more"] {
        assert_eq!(Json::read(line), None, "{line}");
    }
    let hidden = Json::read(r#"{"msg":"a\u001b[31mb\u202ec"}"#).unwrap();
    assert!(
        !hidden.text.as_str().contains(['\u{1b}', '\u{202e}']),
        "{}",
        hidden.text
    );
}

#[test]
fn a_pattern_is_a_regular_expression_or_else_itself() {
    let found = |pattern: &str, line: &str| Pattern::new(pattern).unwrap().is_in(line.as_bytes());
    assert!(found("number 2[0-9]", "NUMBER 25"));
    assert!(!found("Number", "number"));
    assert!(found(r"\Sx", "ax"), "a class in capitals is no capital letter");
    assert!(found("f(x", "an f(x) of x"));
    let odd = Pattern::new("f(x").unwrap();
    assert!(odd.wrong().unwrap().contains("unclosed group"), "{:?}", odd.wrong());
    assert!(Pattern::new("   ").is_none());
    assert!(Pattern::new(&"x".repeat(PATTERN_MAX + 1)).is_none());
    // One that would take gigabytes is taken as it stands.
    assert!(Pattern::new("(a{1000}){1000}").unwrap().wrong().is_some());
    assert_eq!(Pattern::new("é").unwrap().hits("École é"), vec![0..2, 7..9]);
    assert!(Pattern::new("x*").unwrap().hits("aaa").is_empty());
}

fn sieve(rules: &[&str], level: Option<Level>, context: usize) -> Sieve {
    Sieve {
        rules: rules.iter().filter_map(|rule| Rule::new(rule)).collect(),
        level,
        context,
    }
}

/// The lines that pass, with a mark on those that are only beside one.
fn collected(sieve: &Sieve, way: Way, limit: usize, lines: &[&str]) -> Vec<String> {
    let mut collector = Collector::new(sieve, way, limit);
    let spans: Vec<(Span, &str)> = (0_u64..)
        .zip(lines)
        .map(|(n, line)| (Span::new(n, n + 1, false), *line))
        .collect();
    let all: Box<dyn Iterator<Item = &(Span, &str)>> = match way {
        Way::Down => Box::new(spans.iter()),
        Way::Up => Box::new(spans.iter().rev()),
    };
    for (span, line) in all {
        if collector.line(*span, line.as_bytes()) {
            break;
        }
    }
    collector
        .finish()
        .iter()
        .map(|span| {
            let line = lines[usize::try_from(span.pos).unwrap()];
            format!("{}{line}", if span.context { "~" } else { "" })
        })
        .collect()
}

#[test]
fn rules_are_stacked_in_and_out() {
    let lines = ["acme ok", "acme bad", "nord bad", "acme bad but known"];
    for way in [Way::Down, Way::Up] {
        assert_eq!(
            collected(&sieve(&["acme", "bad"], None, 0), way, 9, &lines),
            ["acme bad", "acme bad but known"]
        );
        assert_eq!(
            collected(&sieve(&["acme", "bad", "!known"], None, 0), way, 9, &lines),
            ["acme bad"]
        );
        assert_eq!(collected(&sieve(&["!bad"], None, 0), way, 9, &lines), ["acme ok"]);
        let mut off = sieve(&["nord"], None, 0);
        off.rules[0].on = false;
        assert!(off.is_open());
        assert_eq!(collected(&off, way, 9, &lines).len(), 4);
    }
}

#[test]
fn lines_beside_one_that_passes_come_with_it() {
    let lines = ["1", "2", "3", "hit", "4", "5", "6", "7", "hit", "hit", "8"];
    let wanted = ["~2", "~3", "hit", "~4", "~5", "~6", "~7", "hit", "hit", "~8"];
    for way in [Way::Down, Way::Up] {
        assert_eq!(collected(&sieve(&["hit"], None, 2), way, 99, &lines), wanted, "{way:?}");
    }
}

#[test]
fn a_level_keeps_the_lines_that_go_on_with_it() {
    let lines = [
        "2026-11-21 14:02:09,123 1 INFO acme odoo: fine",
        "2026-11-21 14:02:09,124 1 ERROR acme odoo: bad",
        "Traceback (most recent call last):",
        "  File \"x.py\", line 1",
        "2026-11-21 14:02:09,125 1 INFO acme odoo: fine again",
        "  with a second line",
    ];
    for way in [Way::Down, Way::Up] {
        let found = collected(&sieve(&[], Some(Level::Warning), 0), way, 9, &lines);
        assert_eq!(found, &lines[1..4], "{way:?}");
    }
    // Where nobody knows any level, nothing is hidden.
    assert_eq!(
        collected(&sieve(&[], Some(Level::Error), 0), Way::Up, 9, &["a", "b"]),
        ["a", "b"]
    );
}

#[test]
fn a_target_is_a_path_or_a_command_that_no_shell_reads() {
    let parse = |text: &str| LogTarget::parse(text, LogPlace::Here);
    let LogTarget::Output { command, .. } = parse(r#"!journalctl -u 'odoo 16' -g "a\"b" $(x) | cat"#).unwrap() else {
        panic!("a command");
    };
    assert_eq!(
        command.words(),
        ["journalctl", "-u", "odoo 16", "-g", "a\"b", "$(x)", "|", "cat"]
    );
    assert_eq!(parse("!tail 'x"), Err(CommandError::Open));
    assert_eq!(parse("!  "), Err(CommandError::Empty));
    assert_eq!(parse(""), Err(CommandError::Empty));
    assert_eq!(parse("/var/log\n/x"), Err(CommandError::Control));
    let path = parse(" /var/log/odoo/odoo.log ").unwrap();
    assert_eq!(path.to_string(), "/var/log/odoo/odoo.log");
}

#[test]
fn a_giant_line_is_cut_and_says_so() {
    let bytes = vec![b'x'; LINE_SEEN];
    let row = TextRow::new(Span::new(0, 10_000_001, false), &bytes, None);
    assert!(
        row.text.as_str().ends_with("… (9993000 bytes more)"),
        "{}",
        &row.text.as_str()[6_990..]
    );
    assert!(row.weight() < 9_000);
}

proptest! {
    #[test]
    fn no_bytes_make_a_row_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), json in any::<bool>()) {
        let mut bytes = bytes;
        if json {
            bytes.insert(0, b'{');
            bytes.push(b'}');
        }
        let end = bytes.len() as u64 + 1;
        let row = TextRow::new(Span::new(0, end, false), &bytes, None);
        prop_assert!(row.body <= row.text.as_str().len());
        prop_assert!(row.text.as_str().is_char_boundary(row.body));
        prop_assert!(row.weight() < 40_000);
        let _ = Sieve::own_level(&bytes);
    }

    #[test]
    fn what_looks_like_a_head_never_panics(line in "(\\[)?[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[ T][0-9:]{8}[.,]?[0-9]{0,12}.{0,40}") {
        let head = Head::read(&line);
        prop_assert!(line.is_char_boundary(head.body));
    }

    #[test]
    fn anything_typed_is_a_pattern_or_nothing(text in "\\PC{0,80}", line in "\\PC{0,80}") {
        if let Some(pattern) = Pattern::new(&text) {
            for hit in pattern.hits(&line) {
                prop_assert!(line.get(hit).is_some());
            }
        }
        let _ = LogTarget::parse(&text, LogPlace::Here);
    }

    #[test]
    fn both_ways_find_the_same(
        lines in prop::collection::vec("(2026-11-21 14:02:09,123 1 (INFO|ERROR) db x: )?[ab]{1,3}", 0..60),
        rule in prop::sample::select(vec!["a", "!aa", "b$", ""]),
        level in prop::sample::select(vec![None, Some(Level::Error)]),
        context in 0_usize..3,
    ) {
        // What comes before the first head has no level to inherit, in both ways the same.
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let sieve = sieve(&[rule], level, context);
        let down = collected(&sieve, Way::Down, 1000, &lines);
        let up = collected(&sieve, Way::Up, 1000, &lines);
        prop_assert_eq!(down, up);
    }
}
