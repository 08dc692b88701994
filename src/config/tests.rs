use super::paths::Platform;
use super::*;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn wrong(text: &str) -> ConfigError {
    parse("config.toml", text).expect_err("a mistake")
}

#[test]
fn times_are_read_and_written_the_same() {
    for text in ["1ms", "500ms", "2s", "90s", "15m", "12h", "30d", "365d"] {
        let span = Span::parse(text).expect(text);
        assert_eq!(Span::parse(&span.to_string()), Ok(span), "{text}");
    }
    assert_eq!(Span::secs(120).to_string(), "2m");
    for bad in [
        "",
        "5",
        "s",
        "5 minutes",
        "-1s",
        "1.5s",
        "0s",
        "99999999999999999999s",
        "4000d",
        "5w",
    ] {
        let error = Span::parse(bad).expect_err(bad);
        assert!(error.contains("expected a time"), "{error}");
    }
}

#[test]
fn an_unknown_setting_is_told_with_its_place_and_the_nearest_right_word() {
    let error = wrong("[fleet]\nname = \"x\"\n\n[checks]\nintervall = \"5m\"\n");
    assert_eq!(error.at, Some((5, 1)));
    assert_eq!(error.hint.as_deref(), Some("did you mean \"interval\"?"));
    let text = error.to_string();
    assert!(
        text.starts_with("config.toml:5:1: found the unknown setting \"intervall\", expected one of: interval, "),
        "{text}"
    );
}

#[test]
fn an_unknown_section_is_told_too() {
    let error = wrong("[check]\ninterval = \"5m\"\n");
    assert_eq!(error.at.map(|(line, _)| line), Some(1));
    assert_eq!(error.hint.as_deref(), Some("did you mean \"checks\"?"));
}

#[test]
fn a_value_is_told_with_what_was_found_and_expected() {
    for (text, line, parts) in [
        (
            "[checks]\ninterval = 15\n",
            2,
            ["found integer `15`", "expected a time such as \"500ms\""],
        ),
        (
            "[checks]\ninterval = \"soon\"\n",
            2,
            ["found \"soon\"", "expected a time such as"],
        ),
        (
            "[fleet]\nalert_used_percent = 101\n",
            2,
            ["found 101", "expected a whole number from 0 to 100"],
        ),
        (
            "[fleet]\nalert_used_percent = -1\n",
            2,
            ["found -1", "expected a whole number from 0 to 100"],
        ),
        (
            "[fleet]\nalert_used_percent = \"90\"\n",
            2,
            ["found string \"90\"", "expected a whole number from 0 to 100"],
        ),
        (
            "[worker]\nconcurrency = 0\n",
            2,
            ["found 0", "expected a whole number from 1 to 64"],
        ),
        (
            "[worker]\nautostart = \"yes\"\n",
            2,
            ["found string \"yes\"", "expected a boolean"],
        ),
        (
            "[paths]\nregistry = \"fleet.db\"\n",
            2,
            ["found \"fleet.db\"", "expected an absolute path"],
        ),
        (
            "[log]\nlevel = \"loud\"\n",
            2,
            ["found the unknown value \"loud\"", "expected one of: off, error"],
        ),
        (
            "[fleet]\nroot_domain = \"exa mple\"\n",
            2,
            ["found \"exa mple\"", "are allowed"],
        ),
        ("[keys]\nquit = 7\n", 2, ["found", "a key such as"]),
        (
            "[worker]\nlease = \"8s\"\nheartbeat = \"5s\"\n",
            3,
            ["heartbeat 5s with lease 8s", "at most half of the lease"],
        ),
        (
            "[fleet]\nadmin_login = \" \"\n",
            2,
            ["found an empty login", "expected one"],
        ),
    ] {
        let error = wrong(text);
        assert_eq!(error.at.map(|(line, _)| line), Some(line), "{text}: {error}");
        for part in parts {
            assert!(error.message.contains(part), "{text}: {} lacks {part:?}", error.message);
        }
    }
}

#[test]
fn broken_toml_is_told_with_its_place() {
    let error = wrong("[fleet]\nname = \n");
    assert_eq!(error.at.map(|(line, _)| line), Some(2), "{error}");
    let error = wrong("[fleet]\nname = \"a\"\nname = \"b\"\n");
    assert_eq!(error.at.map(|(line, _)| line), Some(3), "{error}");
    // Not only ASCII before it: columns count characters.
    let error = wrong("[fleet]\nname = \"é\" x\n");
    assert_eq!(error.at, Some((2, 12)), "{error}");
}

#[test]
fn valid_files_are_taken() {
    for text in [
        "",
        "# nothing\n",
        "[fleet]\nroot_domain = \"example.org\"\nreserved_names = []\n",
        "[keys]\nquit = []\ncheck_all = \"f5\"\nactivate = [\"a a\", \"f2\"]\n",
        "checks.interval = \"1m\"\nworker = { autostart = false, concurrency = 64 }\n",
        "[worker]\nlease = \"10s\"\nheartbeat = \"5s\"\n",
        "[fleet]\nalert_used_percent = 100\nprovision_free_percent = 0\n",
    ] {
        parse("config.toml", text).expect(text);
    }
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn later_wins_file_environment_arguments() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.toml");
    std::fs::write(
        &file,
        "[paths]\nregistry = \"/one.db\"\ndata_dir = \"/data\"\n[screen]\ntheme = \"light\"\n",
    )
    .expect("write");
    let file_name = file.display().to_string();
    let mut arguments = Arguments {
        config: Some(file.clone()),
        ..Arguments::default()
    };
    let loaded = load(&arguments, &environment(&[])).expect("the file");
    assert_eq!(loaded.places.registry, PathBuf::from("/one.db"));
    assert_eq!(loaded.places.key_file.file(), Some(Path::new("/data/keys")));
    assert_eq!(loaded.settings.screen.theme, "light");
    let variables = [
        ("VIGIE_REGISTRY", "/two.db"),
        ("VIGIE_WORKER_AUTOSTART", "false"),
        ("VIGIE_THEME", ""),
    ];
    let loaded = load(&arguments, &environment(&variables)).expect("and the environment");
    assert_eq!(loaded.places.registry, PathBuf::from("/two.db"));
    assert!(!loaded.settings.worker.autostart);
    assert_eq!(loaded.settings.screen.theme, "light", "an empty variable says nothing");
    arguments.registry = Some(PathBuf::from("/three.db"));
    let loaded = load(&arguments, &environment(&variables)).expect("and the arguments");
    assert_eq!(loaded.places.registry, PathBuf::from("/three.db"));
    let by_variable = [("VIGIE_CONFIG", file_name.as_str())];
    let loaded = load(&Arguments::default(), &environment(&by_variable)).expect("VIGIE_CONFIG");
    assert_eq!(loaded.file, Some(file));
}

#[test]
fn every_documented_variable_changes_its_setting() {
    for (name, setting) in ENVIRONMENT.iter().filter(|(_, setting)| setting.contains('.')) {
        let value = match *setting {
            "worker.autostart" => "false",
            "log.level" => "trace",
            path if path.starts_with("paths.") => "/other",
            _ => "other.example",
        };
        let loaded = load(&Arguments::default(), &environment(&[(name, value)])).expect(name);
        assert_ne!(loaded.settings, Settings::default(), "{name} changes nothing");
    }
}

#[test]
fn a_mistake_in_a_variable_names_it_and_a_misspelt_one_is_told() {
    let loaded = load(&Arguments::default(), &environment(&[("VIGIE_LOG_LEVEL", "loud")])).expect("goes on");
    assert_eq!(loaded.settings, Settings::default(), "its default holds");
    let told: Vec<String> = loaded.mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("VIGIE_LOG_LEVEL: found the unknown value \"loud\""),
        "{told:?}"
    );
    let loaded = load(
        &Arguments::default(),
        &environment(&[("VIGIE_WORKER_AUTOSTART", "yes please")]),
    );
    let told = loaded.expect("goes on").mistakes[0].to_string();
    assert!(told.starts_with("VIGIE_WORKER_AUTOSTART: "), "{told}");
    let loaded = load(&Arguments::default(), &environment(&[("VIGIE_REGISTERY", "/x")])).expect("goes on");
    assert_eq!(
        loaded.warnings,
        ["the variable VIGIE_REGISTERY is not read: did you mean VIGIE_REGISTRY?"]
    );
}

#[test]
fn a_named_file_that_is_not_there_is_an_error_and_an_unnamed_one_is_not() {
    let named = Arguments {
        config: Some(PathBuf::from("/nowhere/config.toml")),
        ..Arguments::default()
    };
    let error = load(&named, &environment(&[])).expect_err("named");
    assert!(
        error
            .to_string()
            .contains("/nowhere/config.toml: the configuration can't be read"),
        "{error}"
    );
}

#[test]
fn paths_are_made_absolute() {
    let platform = Platform {
        home: PathBuf::from("/home/ada"),
        config_dir: PathBuf::from("/home/ada/.config/vigie"),
        data_dir: PathBuf::from("/home/ada/.local/share/vigie"),
    };
    let paths = Paths {
        registry: "~/fleet.db".into(),
        log_dir: "/var/log/vigie".into(),
        ..Paths::default()
    };
    let places = Places::of(&paths, platform.config_dir.join("config.toml"), &platform);
    assert_eq!(places.registry, PathBuf::from("/home/ada/fleet.db"));
    assert_eq!(places.log_dir, PathBuf::from("/var/log/vigie"));
    assert_eq!(
        places.key_file.file(),
        Some(Path::new("/home/ada/.local/share/vigie/keys"))
    );
    assert_eq!(places.themes_dir, PathBuf::from("/home/ada/.config/vigie/themes"));
    assert_eq!(places.extra_ca, None);
}

#[test]
fn folders_are_0700_and_files_0600_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    let deep = folder.path().join("a/b");
    private_dir(&deep).expect("made");
    assert_eq!(mode(&deep), 0o700);
    assert_eq!(mode(&folder.path().join("a")), 0o700);
    let file = deep.join("password");
    write_private(&file, "x\n").expect("written");
    assert_eq!(mode(&file), 0o600);
    let again = write_private(&file, "y\n").expect_err("exists");
    assert!(again.to_string().contains("exists already"), "{again}");
    assert_eq!(std::fs::read_to_string(&file).expect("read"), "x\n");
    let link = deep.join("link");
    std::os::unix::fs::symlink(deep.join("elsewhere"), &link).expect("link");
    write_private(&link, "z\n").expect_err("no link is followed");
}
