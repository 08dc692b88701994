use super::*;

fn env(pairs: &[(&str, &str)]) -> Environment {
    Environment::of(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

fn read(text: &str) -> Address {
    Address::parse(text, &env(&[("USER", "ana"), ("HOME", "/home/ana")])).unwrap()
}

fn refused(text: &str) -> String {
    Address::parse(text, &env(&[("USER", "ana")])).unwrap_err()
}

#[test]
fn an_address_is_read_as_libpq_reads_it() {
    let both = read("postgresql://bob@db1:5433,db2/fleet?target_session_attrs=primary&connect_timeout=3");
    let found: Vec<(&str, u16)> = both.hosts.iter().map(|h| (h.name.as_str(), h.port)).collect();
    assert_eq!(
        found,
        [("db1", 5433), ("db2", 5432)],
        "in an address each server has its own port, or the usual one"
    );
    assert_eq!((both.user.as_str(), both.database.as_str()), ("bob", "fleet"));
    assert_eq!((both.target, both.connect), (Target::Primary, Duration::from_secs(3)));
    assert_eq!(both.place(), "postgres://bob@db1:5433,db2:5432/fleet");
    let six = read("postgres://[::1]:5439/fleet");
    assert_eq!((six.hosts[0].name.as_str(), six.hosts[0].port), ("::1", 5439));
    let socket = read("postgres:///fleet?host=%2Frun%2Fpg&port=6432");
    assert_eq!((socket.hosts[0].name.as_str(), socket.hosts[0].port), ("/run/pg", 6432));
    let words = read("host=db1 user='b o\\'b' dbname = fleet port=1");
    assert_eq!((words.user.as_str(), words.database.as_str()), ("b o'b", "fleet"));
}

#[test]
fn what_is_not_said_is_the_environments_and_then_the_users() {
    let bare = read("postgres://db1");
    assert_eq!(
        (bare.user.as_str(), bare.database.as_str(), bare.hosts[0].port),
        ("ana", "ana", 5432)
    );
    let given = env(&[
        ("PGHOST", "db1,db2"),
        ("PGPORT", "1,2"),
        ("PGUSER", "bob"),
        ("PGDATABASE", "fleet"),
        ("PGSSLMODE", "verify-ca"),
        ("PGTARGETSESSIONATTRS", "any"),
        ("PGCONNECT_TIMEOUT", "7"),
    ]);
    let found = Address::parse("postgres://", &given).unwrap();
    assert_eq!(found.place(), "postgres://bob@db1:1,db2:2/fleet");
    assert_eq!((found.target, found.connect), (Target::Any, Duration::from_secs(7)));
    assert_eq!(found.ssl(&found.hosts[0]), SslMode::VerifyCa);
    let over = Address::parse("postgres://eve@db3:3/other", &given).unwrap();
    assert_eq!(over.place(), "postgres://eve@db3:3/other", "what is said comes first");
}

#[test]
fn a_service_stands_between_what_is_said_and_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("services");
    std::fs::write(
        &file,
        "# ours\n[other]\nhost=no\n[fleet]\nhost=db9\nuser = carol\ndbname=fleet\n",
    )
    .unwrap();
    let path = file.display().to_string();
    let given = env(&[("PGSERVICE", "fleet"), ("PGSERVICEFILE", &path), ("PGUSER", "bob")]);
    let found = Address::parse("postgres://", &given).unwrap();
    assert_eq!(found.place(), "postgres://carol@db9:5432/fleet");
    let said = Address::parse("service=fleet user=eve", &given).unwrap();
    assert_eq!(said.place(), "postgres://eve@db9:5432/fleet");
    assert!(
        Address::parse("service=nope", &given)
            .unwrap_err()
            .contains("no service \"nope\"")
    );
}

#[test]
fn off_this_machine_everything_is_verified_unless_it_is_said_otherwise() {
    for (text, wanted) in [
        ("postgres://a@127.0.0.1/f", SslMode::Disable),
        ("postgres://a@localhost/f", SslMode::Disable),
        ("postgres://a@[::1]/f", SslMode::Disable),
        ("postgres://a@/f?host=/run/postgresql", SslMode::Disable),
        ("postgres://a@db1/f", SslMode::VerifyFull),
        ("postgres://a@10.0.0.7/f", SslMode::VerifyFull),
        // A name that says localhost and an address that doesn't.
        ("host=localhost hostaddr=10.0.0.7 user=a", SslMode::VerifyFull),
        ("postgres://a@127.0.0.1/f?sslmode=verify-full", SslMode::VerifyFull),
        ("postgres://a@db1/f?sslmode=disable", SslMode::Disable),
        ("postgres://a@db1/f?sslmode=verify-ca", SslMode::VerifyCa),
    ] {
        let found = read(text);
        assert_eq!(found.ssl(&found.hosts[0]), wanted, "{text}");
    }
    for lax in ["allow", "prefer", "require"] {
        assert!(refused(&format!("postgres://db1/f?sslmode={lax}")).contains("verify-full"));
    }
    let lax = Address::parse("postgres://db1/f", &env(&[("USER", "a"), ("PGSSLMODE", "prefer")]));
    assert!(lax.is_err(), "nor from the environment");
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    for text in [
        "postgres://ana:s3cret@db1/fleet",
        "postgres://ana@db1/fleet?password=s3cret",
        "host=db1 password=s3cret",
        "host=db1 password='s3 s3cret'",
    ] {
        let said = refused(text);
        assert!(said.contains("password in [registry]"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn what_is_not_understood_is_said_and_not_guessed() {
    for (text, wanted) in [
        ("postgres://db1/f?sslmod=disable", "sslmod"),
        ("postgres://db1:x/f", "no port"),
        ("postgres://db1:0/f", "no port"),
        ("postgres://db1/f?target_session_attrs=master", "target_session_attrs"),
        ("postgres://db1/f%2", "per cent"),
        ("postgres://db1/f?connect_timeout=soon", "connect_timeout"),
        ("host=a,b,c port=1,2", "3 hosts and 2 ports"),
        ("host='db1", "quote"),
        ("fleet", "neither"),
    ] {
        let said = refused(text);
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn the_password_file_is_read_only_when_it_is_ones_own() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pass");
    std::fs::write(
        &file,
        "# mine\nother:*:*:*:no\ndb1:5432:fleet:bob:first\n*:*:fleet:ana:p\\:w\\\\d:x\n",
    )
    .unwrap();
    let path = file.display().to_string();
    let given = env(&[("PGPASSFILE", &path), ("USER", "ana")]);
    let address = Address::parse("postgres://ana@db1/fleet", &given).unwrap();
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o600);
    let found = libpq::password(&address, &address.hosts[0])
        .unwrap()
        .expect("a line fits");
    assert_eq!(found.expose(), "p:w\\d:x");
    let other = Address::parse("postgres://ana@db1/other", &given).unwrap();
    assert!(libpq::password(&other, &other.hosts[0]).unwrap().is_none());
    mode(0o640);
    let said = libpq::password(&address, &address.hosts[0]).err().expect("refused");
    assert!(said.contains("chmod 600") && !said.contains("p:w"), "{said}");
}
