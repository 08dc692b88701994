//! One slip costs one setting, and says so; profiles; what there is no going on with.

use super::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

struct File(tempfile::TempDir);

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("c.toml"), text).expect("written");
        Self(folder)
    }
    fn load(&self, profile: Option<&str>, environment: &[(&str, &str)]) -> Result<Loaded, LoadError> {
        let arguments = Arguments {
            config: Some(self.path()),
            profile: profile.map(str::to_owned),
            registry: None,
        };
        let pairs = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        load(&arguments, &pairs.collect::<BTreeMap<_, _>>())
    }
    fn path(&self) -> PathBuf {
        self.0.path().join("c.toml")
    }
}

fn told(loaded: &Loaded, file: &File) -> Vec<String> {
    let name = file.path().display().to_string();
    let short = |mistake: &ConfigError| mistake.to_string().replace(&name, "c.toml");
    loaded.mistakes.iter().map(short).collect()
}

#[test]
fn only_what_is_wrong_is_left_out() {
    let file = File::new(
        "[fleet]\nname = \"mine\"\nalert_used_percent = 900\nroot_domian = \"x.org\"\n\n[checks]\ninterval = \"soon\"\nattempts = 5\n\n[nonsense]\na = 1\n\n[keys]\nquit = 7\nhelp = \"f1\"\n",
    );
    let loaded = file.load(None, &[]).expect("goes on");
    assert_eq!(loaded.settings.fleet.name.as_str(), "mine");
    assert_eq!(loaded.settings.fleet.alert_used_percent.get(), 90, "the default");
    assert_eq!(loaded.settings.checks.interval, Span::secs(900), "the default");
    assert_eq!(loaded.settings.checks.attempts.get(), 5);
    assert_eq!(loaded.settings.keys.len(), 1);
    let told = told(&loaded, &file);
    let begins = [
        "c.toml:3:22: found 900, expected a whole number from 0 to 100",
        "c.toml:4:1: found the unknown setting \"root_domian\"",
        "c.toml:7:12: found \"soon\", expected a time",
        "c.toml:10:2: found the unknown setting \"nonsense\"",
        "c.toml:14:8: found",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for (told, begin) in told.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}");
    }
    let settings: Vec<&str> = loaded.mistakes.iter().map(|m| m.setting.as_str()).collect();
    assert_eq!(
        settings,
        [
            "fleet.alert_used_percent",
            "fleet.root_domian",
            "checks.interval",
            "nonsense",
            "keys.quit"
        ]
    );
    assert_eq!(
        loaded.mistakes[1].hint.as_deref(),
        Some("did you mean \"root_domain\"?")
    );
}

#[test]
fn a_text_that_is_no_toml_costs_its_line() {
    let file = File::new("[fleet]\nname = mine\nadmin_login = \"boss\"\n\n[screen]\ntheme = \"light\"\n");
    let loaded = file.load(None, &[]).expect("goes on");
    assert_eq!(loaded.settings.fleet.admin_login, "boss");
    assert_eq!(loaded.settings.screen.theme, "light");
    let told = told(&loaded, &file);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("c.toml:2:8: this is no TOML: "), "{told:#?}");
}

#[test]
fn nobody_works_on_another_fleet_than_the_one_written_down() {
    for (text, place) in [
        ("[paths]\nregistry = \"fleet.db\"\n", "c.toml:2:12: "),
        ("[paths]\nregistry = 7\n", "c.toml:2:12: "),
        ("[paths]\nregistry = /x.db\n", "c.toml:2:"),
        ("[paths]\nregisrty = \"/x.db\"\n", "c.toml:2:1: "),
        ("paths = \"/x.db\"\n", "c.toml:1:"),
        ("[paths]\ndata_dir = \"data\"\n", "c.toml:2:12: "),
        ("[paths]\nkey_file = \"keys\"\n", "c.toml:2:12: "),
        ("[fleet]\nname = \"\"\"\n[paths]\nregistry = \"/x.db\"\n", "c.toml:"),
    ] {
        let file = File::new(text);
        let error = file.load(None, &[]).expect_err(text).to_string();
        let name = file.path().display().to_string();
        assert!(error.replace(&name, "c.toml").starts_with(place), "{text}: {error}");
    }
    let file = File::new("");
    file.load(None, &[("VIGIE_REGISTRY", "fleet.db")])
        .expect_err("a variable says it as well");
    // What names no place of the fleet stops nothing.
    let file = File::new("[paths]\nextra_ca = \"ca.pem\"\ncolour = 1\n");
    assert_eq!(file.load(None, &[]).expect("goes on").mistakes.len(), 2);
}

#[test]
fn a_wrong_retention_forgets_nothing() {
    for text in [
        "[retention]\nchecks = \"a year\"\n",
        "[fleet]\nname = \n[retention]\n",
        "[retention]\ncheks = \"90d\"\n",
    ] {
        let loaded = File::new(text).load(None, &[]).expect("goes on");
        assert_eq!(loaded.settings.retention.checks, Span::days(3650), "{text}");
    }
    let loaded = File::new("[fleet]\nname = 7\n").load(None, &[]).expect("goes on");
    assert_eq!(loaded.settings.retention.checks, Span::days(30));
}

#[test]
fn a_wrong_guard_makes_it_read_only() {
    for text in [
        "[fleet]\nread_only = \"yes\"\n",
        "[fleet]\nread_onyl = true\n",
        "[[guard]]\nserver = \"a\"\ndney = \"x\"\n",
        "[[gaurd]]\nserver = \"a\"\ndeny = \"x\"\n",
        "[[guard]]\nserver = \"a\"\n[[guard]]\ndeny = 7\n",
        "[fleet]\nname = \n[[guard]]\nserver = \"a\"\ndeny = \"x\"\n",
        "guard = true\n",
    ] {
        let loaded = File::new(text).load(None, &[]).expect("goes on");
        assert!(loaded.settings.fleet.read_only, "{text}: {:?}", loaded.mistakes);
        assert!(!loaded.mistakes.is_empty());
    }
    // The right ones hold besides, and others' mistakes lock nothing.
    let text = "[[guard]]\nserver = \"a\"\ndeny = \"x\"\n[[guard]]\ndney = \"y\"\n[screen]\ntheme = 7\n";
    let loaded = File::new(text).load(None, &[]).expect("goes on");
    assert_eq!((loaded.settings.guard.len(), loaded.mistakes.len()), (1, 2));
    let loaded = File::new("[fleet]\nname = 7\n[screen]\nthem = 1\n")
        .load(None, &[])
        .expect("goes on");
    assert!(!loaded.settings.fleet.read_only);
}

#[test]
fn a_contradiction_leaves_both_at_their_defaults() {
    let file = File::new("[worker]\nlease = \"8s\"\nheartbeat = \"5s\"\nconcurrency = 7\n");
    let loaded = file.load(None, &[]).expect("goes on");
    assert_eq!(loaded.settings.worker.lease, Span::secs(20));
    assert_eq!(loaded.settings.worker.concurrency.get(), 7);
    assert_eq!(loaded.mistakes[0].at, Some((3, 1)));
}

const TWO: &str = "[fleet]\nname = \"all\"\nadmin_login = \"boss\"\n\n[screen]\ntheme = \"light\"\n\n\
    [profile.prod]\npaths.registry = \"/prod.db\"\nscreen.theme = \"high-contrast\"\nfleet.name = \"production\"\n\n\
    [profile.test.paths]\nregistry = \"/test.db\"\n[profile.test.checks]\ninterval = \"later\"\n";

#[test]
fn a_profile_lies_over_the_rest() {
    let file = File::new(TWO);
    let plain = file.load(None, &[]).expect("loads");
    assert_eq!(
        (plain.profile.clone(), plain.settings.screen.theme.as_str()),
        (None, "light")
    );
    assert_eq!(plain.profiles, ["prod", "test"]);
    assert_eq!(plain.mistakes.len(), 1, "other profiles' mistakes are told too");
    assert_eq!(plain.mistakes[0].setting, "profile.test.checks.interval");
    let prod = file.load(Some("prod"), &[]).expect("loads");
    assert_eq!(prod.places.registry, PathBuf::from("/prod.db"));
    assert_eq!(prod.settings.fleet.name.as_str(), "production");
    assert_eq!(prod.settings.fleet.admin_login, "boss");
    // By the variable, the argument before it, and none at all.
    let by = |profile, variable| {
        file.load(profile, &[("VIGIE_PROFILE", variable)])
            .expect("loads")
            .profile
    };
    assert_eq!(by(None, "test").as_deref(), Some("test"));
    assert_eq!(by(Some("prod"), "test").as_deref(), Some("prod"));
    assert_eq!(by(Some(NO_PROFILE), "test"), None);
    // What the environment says about the fleet doesn't leak into a profile that says it itself.
    let both = file.load(
        Some("prod"),
        &[("VIGIE_REGISTRY", "/elsewhere.db"), ("VIGIE_LOG_LEVEL", "debug")],
    );
    let both = both.expect("loads");
    assert_eq!(both.places.registry, PathBuf::from("/prod.db"));
    assert_eq!(both.settings.log.level, LogLevel::Debug);
}

#[test]
fn a_profile_that_is_not_there_is_never_replaced_by_another() {
    let file = File::new(TWO);
    let LoadError::Config(error) = file.load(Some("prdo"), &[]).expect_err("no such profile") else {
        panic!("another error");
    };
    assert!(
        error
            .to_string()
            .starts_with("--profile: there is no profile \"prdo\" in "),
        "{error}"
    );
    assert_eq!(error.hint.as_deref(), Some("did you mean \"prod\"?"));
    let error = file
        .load(None, &[("VIGIE_PROFILE", "live")])
        .expect_err("no such profile");
    assert!(error.to_string().starts_with("VIGIE_PROFILE: "), "{error}");
    // A profile's wrong registry stops that profile, and no other.
    let file = File::new("[profile.a]\npaths.registry = \"x.db\"\n[profile.b]\npaths.registry = \"/b.db\"\n");
    file.load(Some("a"), &[]).expect_err("its registry is not known");
    assert_eq!(file.load(Some("b"), &[]).expect("loads").mistakes.len(), 1);
    for (text, what) in [
        ("profile = \"a\"\n", "expected profiles"),
        ("[profile]\na = 1\n", "expected a table"),
        ("[profile.default]\nlog.level = \"off\"\n", "not \"default\""),
        ("[profile.\"a b\"]\nlog.level = \"off\"\n", "lowercase letters"),
    ] {
        let loaded = File::new(text).load(None, &[]).expect("goes on");
        assert!(loaded.mistakes[0].message.contains(what), "{:?}", loaded.mistakes);
    }
}

#[test]
fn every_value_tells_where_it_comes_from() {
    let file = File::new(TWO);
    let loaded = file.load(Some("prod"), &[("VIGIE_LOG_LEVEL", "debug")]).expect("loads");
    let origin = |setting: &str| loaded.origin(setting);
    assert_eq!(origin("fleet.admin_login"), Origin::File { at: (3, 1) });
    let profile = |at| Origin::Profile {
        name: "prod".to_owned(),
        at,
    };
    assert_eq!(origin("screen.theme"), profile((10, 8)));
    assert_eq!(origin("checks.interval"), Origin::Default);
    let variable = Origin::Environment {
        name: "VIGIE_LOG_LEVEL".to_owned(),
    };
    assert_eq!(origin("log.level"), variable);
}

proptest::proptest! {
    #[test]
    fn no_text_brings_it_down(text in "(\\[(\\[?profile|paths|keys|fleet|a\\.b)\\]?\\]?|[a-z.]{1,6}|=|\"|'|\\{|\\}|\\[|\\]|,|#|\n| |é|\u{0}|7){0,40}") {
        let _ = super::read::read("c.toml", &text);
        let _ = parse("c.toml", &text);
    }
}
