use super::*;
use crate::domain::Secret;
use crate::domain::names::{DbName, RemotePath, Subdomain};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn root() -> RootDomain {
    RootDomain::parse("Example.ORG.").unwrap()
}

fn names(name: &str) -> Result<Names, FqdnError> {
    let label = Subdomain::parse(name).unwrap();
    Names::of(label, Purpose::Production, "16", &root(), &Naming::default())
}

#[test]
fn everything_is_called_after_the_name() {
    let names = names("acme").unwrap();
    assert_eq!(names.instance.as_str(), "prod-acme");
    assert_eq!(names.domain, "acme.example.org");
    assert_eq!(names.database.as_str(), "prod-acme");
    assert_eq!(names.unit, "odoo16-prod-acme.service");
    assert_eq!(names.user, "prod-acme");
}

#[test]
fn what_postgresql_would_cut_is_refused() {
    let longest = "a".repeat(63 - "odoo16-prod-".len());
    assert!(names(&longest).is_ok());
    let error = names(&format!("{longest}a")).unwrap_err().to_string();
    assert!(error.contains("64 bytes long; at most 63"), "{error}");
}

#[test]
fn two_long_names_with_one_beginning_have_two_users() {
    let long = |end: &str| names(&format!("{}{end}", "customer-".repeat(5))).unwrap().user;
    let (one, other) = (long("a"), long("b"));
    assert_ne!(one, other);
    assert!(one.len() <= 32 && one.starts_with("prod-customer"), "{one}");
}

#[test]
fn the_root_domain_can_not_be_named() {
    for domain in [
        "example.org",
        "EXAMPLE.ORG",
        "example.org.",
        ".example.org",
        "@.example.org",
        "*.example.org",
        "a.b.example.org",
        "example.com",
        "notexample.org",
        "org",
        "",
        "acme.example.org.evil.net",
        "_acme-challenge.example.org",
        "xn--e1awd7f.example.org",
    ] {
        assert!(root().label_of(domain).is_err(), "{domain}");
    }
    for domain in ["acme.example.org", "ACME.Example.org."] {
        assert_eq!(root().label_of(domain).unwrap().as_str(), "acme", "{domain}");
    }
}

#[test]
fn what_is_no_domain_is_no_root() {
    for wrong in [
        "",
        "org",
        ".org",
        "a..b",
        "exa mple.org",
        "-a.org",
        "a;b.org",
        "ex\u{430}mple.org",
        "a.org\n",
    ] {
        assert!(RootDomain::parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!(
        RootDomain::parse("xn--bcher-kva.example").unwrap().as_str(),
        "xn--bcher-kva.example"
    );
}

proptest! {
    /// Whatever is typed as a name: what comes out is one label below the root, and never the root.
    #[test]
    fn no_name_leaves_its_place_below_the_root(name in "\\PC{0,70}") {
        if let Ok(label) = Subdomain::parse(&name) {
            let domain = root().below(&label).unwrap();
            prop_assert_eq!(root().label_of(&domain).unwrap(), label);
            prop_assert_ne!(domain, "example.org");
        }
    }
}

#[test]
fn ports_are_neither_reserved_nor_listened_at_nor_common() {
    let ranges = PortRanges::default();
    let set = |ports: &[u16]| ports.iter().copied().collect::<BTreeSet<_>>();
    let ports = ranges.pick(&set(&[2100]), &set(&[2101, 8072])).unwrap();
    assert_eq!(
        ports,
        Ports {
            http: 2102,
            gevent: 8073
        }
    );
    let below: Vec<u16> = (8072..8080).collect();
    assert_eq!(
        ranges.pick(&set(&below), &set(&[])).unwrap().gevent,
        8082,
        "8080 and 8081 are others'"
    );
    let narrow = PortRanges {
        http: 2100..=2101,
        gevent: 2100..=2102,
    };
    assert_eq!(
        narrow.pick(&set(&[]), &set(&[])).unwrap(),
        Ports {
            http: 2100,
            gevent: 2101
        }
    );
    let error = narrow.pick(&set(&[2100]), &set(&[2100, 2101])).unwrap_err().to_string();
    assert_eq!(
        error,
        "no HTTP port is free from 2100 to 2101: 1 are reserved, 1 more have a listener"
    );
}

const GIB: u64 = 1024 * 1024 * 1024;

#[test]
fn advice_is_the_operators_guide() {
    let advised = |memory: u64| {
        Machine {
            memory,
            memory_free: memory,
            disk_free: memory,
            cores: 4,
        }
        .advised()
    };
    assert_eq!(advised(4 * GIB), (2, Some(3)));
    assert_eq!(advised(8 * GIB), (4, Some(6)));
    assert_eq!(advised(16 * GIB), (8, None));
    assert_eq!(
        advised(4 * GIB - 200 * 1024 * 1024),
        (2, Some(3)),
        "a machine sold as 4 GB"
    );
}

#[test]
fn what_is_short_is_said_and_below_the_floor_refused() {
    let machine = Machine {
        memory: 4 * GIB,
        memory_free: GIB / 2,
        disk_free: GIB / 2,
        cores: 2,
    };
    let found = machine.shortages(3, &Floor::default());
    assert!(
        matches!(&found[0], Shortage::Refusal(why) if why.contains("512 MiB of disk are free, the floor is 1024 MiB")),
        "{found:?}"
    );
    assert!(
        matches!(&found[1], Shortage::Warning(why) if why.contains("512 MiB of memory")),
        "{found:?}"
    );
    assert!(
        matches!(&found[2], Shortage::Warning(why) if why.contains("up to 3 are advised")),
        "{found:?}"
    );
    let roomy = Machine {
        memory: 16 * GIB,
        memory_free: 8 * GIB,
        disk_free: 50 * GIB,
        cores: 8,
    };
    assert_eq!(roomy.shortages(7, &Floor::default()), []);
    assert_eq!(Sizing::of(&machine, 2).workers, 2);
    assert_eq!(Sizing::of(&roomy, 2).workers, 4);
}

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

fn conf(addons: &[RemotePath], password: &Secret, host: &str, data: &RemotePath) -> Result<String, Unwritable> {
    let hash = Secret::new("$pbkdf2-sha512$600000$abc$%def".to_owned());
    odoo_conf(&OdooConf {
        series: Series(16),
        database: &DbName::parse("prod-acme").unwrap(),
        db_host: host,
        db_port: 5432,
        db_user: "prod-acme",
        db_password: Some(password),
        master_password_hash: &hash,
        ports: Ports {
            http: 2100,
            gevent: 8072,
        },
        sizing: Sizing {
            workers: 2,
            cron_threads: 1,
            memory_soft: 640,
            memory_hard: 1152,
        },
        addons,
        data_dir: data,
        log_file: &path("/srv/odoo.log"),
    })
}

/// As Python's `RawConfigParser` reads one section: what Odoo will see.
fn read_back(text: &str) -> std::collections::BTreeMap<String, String> {
    let mut found = std::collections::BTreeMap::new();
    let mut last = None;
    for line in text.split('\n') {
        if line.trim().is_empty() || line.starts_with(['#', ';', '[']) {
            continue;
        }
        if line.starts_with(char::is_whitespace) {
            let key: &String = last.as_ref().unwrap();
            let value: &mut String = found.get_mut(key).unwrap();
            *value += &format!("\n{}", line.trim());
            continue;
        }
        let at = line.find(['=', ':']).unwrap();
        let key = line[..at].trim().to_lowercase();
        assert!(
            found.insert(key.clone(), line[at + 1..].trim().to_owned()).is_none(),
            "{key} twice"
        );
        last = Some(key);
    }
    found
}

#[test]
fn odoo_reads_what_was_meant() {
    let addons = [path("/srv/odoo/addons"), path("/srv/custom addons")];
    let password = Secret::new("p;w # %(x)s = 1".to_owned());
    let read = read_back(&conf(&addons, &password, "/var/run/postgresql", &path("/srv/data")).unwrap());
    assert_eq!(read["db_password"], "p;w # %(x)s = 1");
    assert_eq!(read["addons_path"], "/srv/odoo/addons,/srv/custom addons");
    assert_eq!(read["gevent_port"], "8072");
    assert_eq!(read["dbfilter"], "^prod\\-acme$");
    assert_eq!(read["list_db"], "False");
    assert_eq!(read["proxy_mode"], "True");
    assert_eq!(read["http_interface"], "127.0.0.1");
    let older = Series(15);
    assert_eq!(
        (older.gevent_key(), older.gevent_path()),
        ("longpolling_port", "/longpolling")
    );
    for wrong in ["", " a", "a\nadmin_passwd = x", "a\r", "None", "a\u{0}"] {
        let password = Secret::new(wrong.to_owned());
        assert!(conf(&addons, &password, "db", &path("/d")).is_err(), "{wrong:?}");
    }
    let comma = [path("/srv/a,b")];
    assert!(conf(&comma, &password, "db", &path("/d")).is_err());
}

proptest! {
    /// Whatever stands in a password, a host or a path: it is read back as it was, or refused.
    #[test]
    fn nothing_is_read_back_as_something_else(password in "\\PC{0,30}|[ -~\n\r\t]{0,30}", host in "[ -~\n]{1,20}", dir in "/[ -~]{0,20}") {
        let Ok(dir) = RemotePath::parse(&dir) else { return Ok(()) };
        let secret = Secret::new(password.clone());
        if let Ok(text) = conf(&[path("/a")], &secret, &host, &dir) {
            let read = read_back(&text);
            prop_assert_eq!(&read["db_password"], &password);
            prop_assert_eq!(&read["db_host"], &host);
            prop_assert_eq!(read["data_dir"].as_str(), dir.as_str());
            prop_assert_eq!(read.len(), 19);
        }
    }
}

#[test]
fn units_and_sites_take_plain_paths_only() {
    let names = names("acme").unwrap();
    let fine = path("/srv/odoo/prod-acme");
    for wrong in [
        "/srv/a b",
        "/srv/$HOME",
        "/srv/%i",
        "/srv/a;b",
        "/srv/a\"b",
        "/srv/{x}",
        "/srv/a\\b",
        "/srv/\u{e9}",
    ] {
        let wrong = path(wrong);
        let unit = ServiceUnit {
            names: &names,
            folder: &wrong,
            python: &fine,
            odoo_bin: &fine,
            conf: &fine,
            mark: "m",
        };
        assert!(service_unit(&unit).is_err(), "{wrong}");
        let made = Site {
            names: &names,
            series: Series(16),
            ports: Ports {
                http: 2100,
                gevent: 8072,
            },
            certificate: Some(Certificate {
                chain: &wrong,
                key: &fine,
            }),
            webroot: None,
            body_mib: 128,
            mark: "m",
        };
        assert!(site(&made).is_err(), "{wrong}");
    }
}

#[test]
fn a_site_with_a_certificate_sends_plain_http_to_it() {
    let names = names("acme").unwrap();
    let (chain, key, root) = (path("/etc/ssl/a.pem"), path("/etc/ssl/a.key"), path("/var/www/acme"));
    let mut made = Site {
        names: &names,
        series: Series(16),
        ports: Ports {
            http: 2100,
            gevent: 8072,
        },
        certificate: Some(Certificate {
            chain: &chain,
            key: &key,
        }),
        webroot: Some(&root),
        body_mib: 128,
        mark: "vigie job 7",
    };
    let text = site(&made).unwrap();
    for part in [
        "return 301 https://$host$request_uri",
        "server_name acme.example.org;",
        "location /websocket",
        "root /var/www/acme;",
        "client_max_body_size 128m;",
        "location ^~ /web/database",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    made.certificate = None;
    let plain = site(&made).unwrap();
    assert!(!plain.contains("443") && !plain.contains("301"), "{plain}");
    assert_eq!(text.matches('{').count(), text.matches('}').count());
}

/// What someone may type as a name, and what becomes of it: refused, always.
const HOSTILE_NAMES: [&str; 66] = [
    "",
    " ",
    "-",
    "-a",
    "a-",
    "--help",
    "a b",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "a\0b",
    "a;b",
    "a&b",
    "a|b",
    "a>b",
    "a<b",
    "a`id`",
    "$(id)",
    "${HOME}",
    "$HOME",
    "a$b",
    "a'b",
    "a\"b",
    "a\\b",
    "a/b",
    "../a",
    "a/..",
    "..",
    ".",
    "a.b",
    "a..b",
    "a%b",
    "%i",
    "a@b",
    "a:b",
    "a,b",
    "a=b",
    "a*b",
    "a?b",
    "[a]",
    "{a}",
    "(a)",
    "~a",
    "#a",
    "!a",
    "a^b",
    "a+b",
    "a_b",
    "ACME",
    "Acme",
    "\u{e9}cole",
    "\u{430}cme",
    "acm\u{435}",
    "a\u{200b}b",
    "a\u{202e}b",
    "\u{ff41}cme",
    "xn--acme",
    "ab--cd",
    "example.org",
    "EXAMPLE.ORG",
    "example.org.",
    "Example.Org.",
    "acme.example.org",
    "*",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "@",
];

#[test]
fn every_hostile_name_is_refused_with_a_reason() {
    for name in HOSTILE_NAMES {
        let refused = Names::allowed(name, &root(), &[]).expect_err(name).to_string();
        assert!(refused.len() > 10, "{name:?}: {refused}");
        assert!(
            !refused.contains('\n') && !refused.contains('\0'),
            "{name:?}: {refused:?}"
        );
    }
    assert_eq!(HOSTILE_NAMES[64].len(), 64, "a label that DNS would not carry");
}

#[test]
fn reserved_names_are_refused_whatever_the_settings_say() {
    for name in RESERVED {
        assert!(Names::allowed(name, &root(), &[]).is_err(), "{name}");
    }
    for name in [
        "production",
        "prod",
        "www",
        "api",
        "mail",
        "ftp",
        "admin",
        "ns1",
        "autodiscover",
    ] {
        assert!(RESERVED.contains(&name), "{name}");
    }
    // The root domain's own label would be read as the root.
    assert!(Names::allowed("example", &root(), &[]).is_err());
    let more = ["intern".to_owned()];
    assert!(Names::allowed("intern", &root(), &more).is_err());
    assert!(Names::allowed("intern", &root(), &[]).is_ok());
    assert_eq!(Names::allowed("client-1", &root(), &more).unwrap().as_str(), "client-1");
}

#[test]
fn hostile_branches_repositories_and_modules_are_refused() {
    for branch in [
        "",
        "-b",
        "--upload-pack=id",
        "a b",
        "a;b",
        "a..b",
        "..",
        "../x",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a\nb",
        "a`b`",
        "$(id)",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "[a]",
        "a\\b",
        "a@{1}",
        "\u{e9}",
        "a.",
    ] {
        assert!(Branch::parse(branch).is_err(), "{branch:?}");
    }
    for branch in ["16.0", "saas-17.2", "feature/x_1", "v1.0+2"] {
        assert!(Branch::parse(branch).is_ok(), "{branch:?}");
    }
    for repository in [
        "",
        "ext::sh -c id",
        "file:///etc",
        "/srv/odoo",
        "../odoo",
        "http://h/p",
        "https://",
        "https:///p",
        "https://-x/p",
        "https://user:pw@h/p",
        "ssh://-oProxyCommand=id/p",
        "git@-x:p",
        "git@h",
        "https://h/a b",
        "https://h/a;b",
        "https://h/$(id)",
        "https://h/a\nb",
        "https://h/../p",
        "https://h::1/p",
    ] {
        assert!(Repository::parse(repository).is_err(), "{repository:?}");
    }
    for repository in [
        "https://github.com/odoo/odoo.git",
        "ssh://git@h.example/p",
        "git@h.example:odoo/odoo.git",
    ] {
        assert!(Repository::parse(repository).is_ok(), "{repository:?}");
    }
    for module in ["", "-a", "a,b", "a b", "a;b", "1a", "A", "a.b", "a/b", "\u{e9}"] {
        assert!(Module::parse(module).is_err(), "{module:?}");
    }
    assert!(Module::parse("l10n_ar").is_ok());
}

#[test]
fn what_a_registry_gives_back_is_read_again() {
    let names = names("acme").unwrap();
    let again = |domain: &str, user: &str, unit: &str| {
        Names::stored(
            names.name.clone(),
            "prod-acme",
            domain,
            names.database.clone(),
            user,
            unit,
        )
    };
    assert_eq!(
        again("acme.example.org", "prod-acme", "odoo16-prod-acme.service").unwrap(),
        names
    );
    for (domain, user, unit) in [
        ("acme.example.org; id", "prod-acme", "u.service"),
        ("acme.example.org", "root;id", "u.service"),
        ("acme.example.org", "prod-acme", "../u.service"),
        ("acme.example.org", "prod-acme", "--now"),
    ] {
        assert!(again(domain, user, unit).is_err(), "{domain} {user} {unit}");
    }
}

proptest! {
    /// Whatever paths an operator gives: unit and site are read back as they were meant, or refused.
    #[test]
    fn units_and_sites_are_read_back_as_meant(folder in "/[ -~]{1,30}", chain in "/[ -~\\n]{1,30}") {
        let names = names("acme").unwrap();
        let (Ok(folder), Ok(chain)) = (RemotePath::parse(&folder), RemotePath::parse(&chain)) else { return Ok(()) };
        let fine = path("/srv/odoo/prod-acme/x");
        let unit = ServiceUnit { names: &names, folder: &folder, python: &fine, odoo_bin: &fine, conf: &fine, mark: "m" };
        if let Ok(text) = service_unit(&unit) {
            // As systemd reads it: a key a line, the value's words split at blanks, no quote, `%` or `$` left.
            let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
            prop_assert_eq!(value("WorkingDirectory=").unwrap(), folder.as_str());
            prop_assert_eq!(value("ExecStart=").unwrap().split(' ').count(), 4);
            prop_assert!(!text.contains(['%', '$', '"', '\'', '\\']));
            prop_assert_eq!(text.lines().filter(|line| line.starts_with("ExecStart=")).count(), 1);
        }
        let made = Site {
            names: &names,
            series: Series(16),
            ports: Ports { http: 2100, gevent: 8072 },
            certificate: Some(Certificate { chain: &chain, key: &fine }),
            webroot: Some(&folder),
            body_mib: 128,
            mark: "m",
        };
        if let Ok(text) = site(&made) {
            // As nginx reads it: words up to `;`, blocks in braces.
            let value = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_suffix(';'));
            prop_assert_eq!(value("ssl_certificate ").unwrap(), chain.as_str());
            prop_assert_eq!(value("root ").unwrap(), folder.as_str());
            prop_assert_eq!(text.matches('{').count(), text.matches('}').count());
            let named: Vec<&str> = text.lines().filter_map(|l| l.trim().strip_prefix("server_name ")).collect();
            prop_assert_eq!(named, vec!["acme.example.org;", "acme.example.org;"]);
        }
    }

    /// Whatever stands in a name, a root or a pattern: the domain is one label below the root, or there is none.
    #[test]
    fn the_root_is_never_what_comes_out(name in "[a-z0-9.-]{0,20}|\\PC{0,20}", more in "[a-z.]{0,12}") {
        let root = RootDomain::parse("example.org").unwrap();
        for text in [name.clone(), format!("{name}.example.org"), format!("{more}{name}"), name.to_uppercase()] {
            if let Ok(label) = Names::allowed(&text, &root, &[]) {
                let names = Names::of(label.clone(), Purpose::Development, "16", &root, &Naming::default());
                let Ok(names) = names else { continue };
                prop_assert_eq!(&names.domain, &format!("{label}.example.org"));
                prop_assert!(names.domain != "example.org" && !label.as_str().contains('.'));
                prop_assert!(names.database.as_str() != "example.org" && names.unit.ends_with(".service"));
            }
        }
    }
}
