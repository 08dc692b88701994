//! The PostgreSQL adapter against PostgreSQL: names byte for byte, copies under one-time names,
//! drops of what is ours and nothing else, and nothing left running.

use crate::harness::{cluster, connect, fresh_db, fresh_name};
use crate::identity::identity;
use proptest::strategy::{Strategy, ValueTree};
use std::time::{Duration, Instant};
use vigie::domain::job::Mark;
use vigie::domain::server::{DbTls, ServerSpec};
use vigie::domain::{Code, DbName, HostName, JobId, SafeText, Secret, SecretRef};
use vigie::remote::postgres::{Cluster, Dropped, PgError, temp_name};
use vigie::remote::secrets::Keyring;
use vigie::remote::{Limits, Remote, RemoteError};

pub(crate) fn spec(url: &str) -> ServerSpec {
    let cluster = cluster();
    ServerSpec {
        name: SafeText::new("Real"),
        code: Code::parse("real").unwrap(),
        description: SafeText::new(""),
        server_url: url.parse().unwrap(),
        server_ip: None,
        port: None,
        ssh: None,
        db_host: Some(HostName::parse(cluster.host()).unwrap()),
        db_port: cluster.port(),
        db_user: Some("odoo".to_owned()),
        db_password: Some(SecretRef::File(cluster.role_password_file().display().to_string())),
        db_tls: DbTls::Disable,
        master_password: None,
        data_dir: None,
        max_instances: 10,
        cpu_cores: None,
        memory_gb: None,
        disk_gb: None,
    }
}

pub(crate) fn remote_with(limits: Limits) -> Remote {
    let config = std::env::temp_dir().join(fresh_name("vigie-no-config"));
    Remote::new(Keyring::new(config), limits, None).unwrap()
}

pub(crate) fn remote() -> Remote {
    remote_with(Limits::default())
}

pub(crate) async fn open(app: &str) -> Cluster {
    remote().postgres(&spec("http://127.0.0.1:1"), app).await.unwrap()
}

pub(crate) fn db(name: &str) -> DbName {
    DbName::parse(name).unwrap()
}

pub(crate) async fn source() -> DbName {
    db(&fresh_db().await)
}

pub(crate) fn mark(job: i64) -> Mark {
    Mark {
        job: JobId(job),
        nonce: fresh_name("nonce"),
    }
}

/// The names that the catalog has, asked without the adapter.
async fn catalog(sql: &str) -> Vec<String> {
    let client = connect(&cluster().superuser_config("postgres")).await;
    let rows = client.simple_query(sql).await.unwrap();
    let cell = |m| match m {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    rows.into_iter().filter_map(cell).collect()
}

pub(crate) async fn is_there(name: &str) -> bool {
    !catalog(&format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"))
        .await
        .is_empty()
}

async fn as_superuser(sql: &str) {
    let client = connect(&cluster().superuser_config("postgres")).await;
    client.batch_execute(sql).await.unwrap();
}

pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let ends = Instant::now() + Duration::from_secs(15);
    while !holds().await {
        assert!(Instant::now() < ends, "never so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn stranger(outcome: Result<Dropped, RemoteError>) {
    assert!(
        matches!(outcome, Err(RemoteError::Postgres(PgError::Stranger { .. }))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_name_is_stored_byte_for_byte_or_refused() {
    let pg = open("names").await;
    let mut current = source().await;
    let mut tried: Vec<String> = [
        "Upper",
        "select",
        "a.b",
        "a-b",
        "9lives",
        "a_b",
        "user",
        "A.B-c_d",
        "x\"y",
        "x'y",
        "x\\y",
        "x$y",
        "x%y",
        "-x",
        "x\ny",
        "x\0y",
        "é",
        "аdmin",
        "x y",
        "",
        "a",
        "template0",
        "x\n",
    ]
    .map(str::to_owned)
    .to_vec();
    tried.extend([62, 63, 64].map(|n| "n".repeat(n)));
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let any = proptest::string::string_regex("[a-zA-Z0-9_.\\-\"'\\\\$%\\x00\\n é]{1,66}").unwrap();
    let good = proptest::string::string_regex("[a-zA-Z0-9][a-zA-Z0-9_.-]{1,62}").unwrap();
    tried.extend((0..150).map(|_| any.new_tree(&mut runner).unwrap().current()));
    tried.extend((0..150).map(|_| good.new_tree(&mut runner).unwrap().current()));
    let mut stored = 0;
    for text in tried {
        let Ok(name) = DbName::parse(&text) else { continue };
        assert_eq!(name.as_str(), text);
        if name == current {
            continue;
        }
        pg.rename(&current, &name).await.unwrap();
        let info = pg.database(&name).await.unwrap().unwrap();
        let found = catalog(&format!("SELECT datname FROM pg_database WHERE oid = {}", info.oid)).await;
        assert_eq!(found, [text]);
        assert_eq!(pg.database(&current).await.unwrap(), None);
        current = name;
        stored += 1;
    }
    assert!(stored > 150, "only {stored} names were stored");
    let oid = pg.database(&current).await.unwrap().unwrap().oid;
    assert_eq!(pg.drop_recorded(oid, &current).await.unwrap(), Dropped::Now);
}

#[tokio::test]
async fn a_copy_is_closed_until_it_is_let_in_and_carries_its_mark() {
    let pg = open("copy").await;
    let (from, to, ours) = (source().await, db(&fresh_name("copy")), mark(1));
    // Frozen, as a template is: nobody can be in the way.
    pg.allow_connections(&from, false).await.unwrap();
    pg.set_template(&from, true).await.unwrap();
    assert!(pg.database(&from).await.unwrap().unwrap().is_frozen());
    assert!(pg.can_copy(&from).await.unwrap());
    assert!(pg.can_create_databases().await.unwrap());
    assert!(pg.server_version() >= 120_000);
    let temp = temp_name(&ours).unwrap();
    pg.create_from_template(&from, &temp, &|_| {}).await.unwrap();
    let made = pg.database(&temp).await.unwrap().unwrap();
    assert!(!made.allow_connections && !made.is_template && made.size.unwrap() > 0);
    let closed = pg.tenant(&temp).await.err().unwrap();
    assert!(
        matches!(&closed, RemoteError::Postgres(e) if e.state() == Some("55000")),
        "{closed}"
    );
    assert_eq!(pg.mark_of(&temp, &ours).await.unwrap(), Some(false));
    pg.set_mark(&temp, &ours).await.unwrap();
    assert_eq!(pg.mark_of(&temp, &ours).await.unwrap(), Some(true));
    assert_eq!(
        pg.mark_of(&temp, &mark(1)).await.unwrap(),
        Some(false),
        "another nonce is another's"
    );
    pg.rename(&temp, &to).await.unwrap();
    pg.allow_connections(&to, true).await.unwrap();
    let done = pg.database(&to).await.unwrap().unwrap();
    assert_eq!(
        (done.oid, done.is_marked(&ours), done.allow_connections),
        (made.oid, true, true)
    );
    assert_eq!(
        pg.database_by_oid(made.oid).await.unwrap().unwrap().db,
        Some(to.clone())
    );
    assert!(pg.databases().await.unwrap().iter().any(|d| d.db.as_ref() == Some(&to)));
    // The name is taken now.
    let again = pg.create_from_template(&from, &to, &|_| {}).await.err().unwrap();
    assert!(
        matches!(&again, RemoteError::Postgres(e) if e.is_duplicate()),
        "{again}"
    );
    let absent = pg
        .create_from_template(&db("no_such_source"), &temp, &|_| {})
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&absent, RemoteError::Postgres(e) if e.is_missing()),
        "{absent}"
    );
    // Dropped with a session open in it, and only once.
    let visitor = connect(&cluster().role_config(to.as_str())).await;
    assert_eq!(pg.drop_marked(Some(made.oid), &to, &ours).await.unwrap(), Dropped::Now);
    assert_eq!(
        pg.drop_marked(Some(made.oid), &to, &ours).await.unwrap(),
        Dropped::Absent
    );
    until("the visitor is out", async || visitor.is_closed()).await;
}

#[tokio::test]
async fn only_what_carries_the_mark_is_dropped() {
    let pg = open("drop").await;
    let (name, ours) = (source().await, mark(2));
    let oid = pg.database(&name).await.unwrap().unwrap().oid;
    // Made by someone else: no mark; then another job's mark.
    stranger(pg.drop_marked(Some(oid), &name, &ours).await);
    stranger(pg.drop_marked(None, &name, &ours).await);
    pg.set_mark(&name, &mark(2)).await.unwrap();
    stranger(pg.drop_marked(Some(oid), &name, &ours).await);
    pg.set_mark(
        &name,
        &Mark {
            job: JobId(3),
            nonce: ours.nonce.clone(),
        },
    )
    .await
    .unwrap();
    stranger(pg.drop_marked(None, &name, &ours).await);
    // Ours, and given another name by hand meanwhile: someone has taken it over.
    pg.set_mark(&name, &ours).await.unwrap();
    let moved = db(&fresh_name("moved"));
    pg.rename(&name, &moved).await.unwrap();
    stranger(pg.drop_marked(Some(oid), &name, &ours).await);
    pg.rename(&moved, &name).await.unwrap();
    // Ours by its mark, and not the one whose OID was recorded: that one is gone.
    assert_eq!(
        pg.drop_marked(Some(oid + 1_000_000), &name, &ours).await.unwrap(),
        Dropped::Absent
    );
    assert!(is_there(name.as_str()).await);
    // A template is dropped too when it is ours.
    pg.set_template(&name, true).await.unwrap();
    pg.allow_connections(&name, false).await.unwrap();
    assert_eq!(pg.drop_marked(Some(oid), &name, &ours).await.unwrap(), Dropped::Now);
    assert!(!is_there(name.as_str()).await);
}

#[tokio::test]
async fn what_a_crash_left_under_the_one_time_name_is_dropped_by_that_name() {
    let pg = open("crash").await;
    let (from, ours) = (source().await, mark(4));
    let (temp, wanted) = (temp_name(&ours).unwrap(), db(&fresh_name("wanted")));
    // Killed between CREATE and COMMENT: no mark, no OID on record.
    pg.create_from_template(&from, &temp, &|_| {}).await.unwrap();
    stranger(pg.drop_marked(None, &temp, &mark(4)).await);
    assert_eq!(pg.drop_marked(None, &wanted, &ours).await.unwrap(), Dropped::Absent);
    assert_eq!(pg.drop_marked(None, &temp, &ours).await.unwrap(), Dropped::Now);
}

#[tokio::test]
async fn a_stranger_of_the_same_name_survives_every_swap() {
    let pg = open("swap").await;
    let name = db(&fresh_name("swap"));
    for _ in 0..10 {
        let ours = source().await;
        pg.rename(&ours, &name).await.unwrap();
        let oid = pg.database(&name).await.unwrap().unwrap().oid;
        // Behind our back: dropped, and made anew by someone else.
        as_superuser(&format!("DROP DATABASE \"{name}\"")).await;
        as_superuser(&format!("CREATE DATABASE \"{name}\" OWNER odoo")).await;
        stranger(pg.drop_recorded(oid, &name).await);
        assert!(is_there(name.as_str()).await);
        let now = pg.database(&name).await.unwrap().unwrap().oid;
        assert_eq!(pg.drop_recorded(now, &name).await.unwrap(), Dropped::Now);
        assert_eq!(pg.drop_recorded(now, &name).await.unwrap(), Dropped::Absent);
    }
}

#[tokio::test]
async fn a_database_whose_drop_was_interrupted_goes_only_by_its_oid() {
    let pg = open("invalid").await;
    let (name, ours) = (source().await, mark(5));
    let oid = pg.database(&name).await.unwrap().unwrap().oid;
    as_superuser(&format!(
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{name}'"
    ))
    .await;
    let info = pg.database(&name).await.unwrap().unwrap();
    assert!(info.is_invalid() && info.size.is_none());
    stranger(pg.drop_marked(None, &name, &ours).await);
    assert_eq!(pg.drop_marked(Some(oid), &name, &ours).await.unwrap(), Dropped::Now);
}

#[tokio::test]
async fn sessions_are_ended_and_counted() {
    let pg = open("sessions").await;
    let name = source().await;
    let visitors = [
        connect(&cluster().role_config(name.as_str())).await,
        connect(&cluster().role_config(name.as_str())).await,
    ];
    assert_eq!(pg.sessions_on(&name).await.unwrap().len(), 2);
    assert_eq!(pg.terminate_sessions(&name, Duration::from_secs(10)).await.unwrap(), 2);
    for visitor in visitors {
        until("a visitor is out", async || visitor.is_closed()).await;
    }
}

#[tokio::test]
async fn a_read_only_handle_changes_nothing() {
    let name = source().await;
    let pg = remote()
        .read_only()
        .postgres(&spec("http://127.0.0.1:1"), "dry")
        .await
        .unwrap();
    let before = pg.database(&name).await.unwrap().unwrap();
    let (other, ours, limit) = (db("other_name"), mark(9), Duration::from_secs(1));
    let refused = [
        pg.create_from_template(&name, &other, &|_| {}).await.err(),
        pg.set_mark(&name, &ours).await.err(),
        pg.rename(&name, &other).await.err(),
        pg.allow_connections(&name, false).await.err(),
        pg.set_template(&name, true).await.err(),
        pg.terminate_sessions(&name, limit).await.err(),
        pg.cancel_and_wait("x", limit).await.err(),
        pg.drop_marked(None, &name, &ours).await.err(),
        pg.drop_recorded(before.oid, &name).await.err(),
    ];
    for error in refused {
        assert!(matches!(error, Some(RemoteError::WriteRefused { .. })), "{error:?}");
    }
    let mut inside = pg.tenant(&name).await.unwrap();
    let password = Secret::new("pw".to_owned());
    let refused = [
        inside.set_param("k", "v").await.err(),
        inside.give_identity(&identity("u", &password)).await.err(),
    ];
    for error in refused {
        assert!(matches!(error, Some(RemoteError::WriteRefused { .. })), "{error:?}");
    }
    assert_eq!(
        pg.database(&name).await.unwrap().unwrap().is_template,
        before.is_template
    );
}

#[tokio::test]
async fn what_is_wrong_with_the_way_to_it_is_told_apart() {
    let url = "http://127.0.0.1:1";
    let open = async |spec: ServerSpec| match remote().postgres(&spec, "x").await.err().unwrap() {
        RemoteError::Postgres(error) => error,
        other => panic!("{other}"),
    };
    let mut wrong = spec(url);
    wrong.db_user = Some("nobody".to_owned());
    let error = open(wrong).await;
    assert!(error.is_login(), "{error}");
    let mut refused = spec(url);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    refused.db_port = free.local_addr().unwrap().port();
    drop(free);
    let error = open(refused).await;
    assert!(error.to_string().contains("connection refused"), "{error}");
    let mut unknown = spec(url);
    unknown.db_host = Some(HostName::parse("no-such-host.invalid").unwrap());
    let error = open(unknown).await;
    assert!(error.to_string().contains("does not resolve"), "{error}");
    let mut clear = spec(url);
    clear.db_tls = DbTls::VerifyFull;
    let error = open(clear).await;
    assert_eq!(error.code(), "database_unreachable", "{error}");
    assert!(
        error.to_string().contains("TLS"),
        "a server without TLS is not spoken to in the clear: {error}"
    );
    let mut none = spec(url);
    none.db_host = None;
    let error = remote().postgres(&none, "x").await.err().unwrap();
    assert!(matches!(error, RemoteError::NotConfigured { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut spec = spec("http://127.0.0.1:1");
    spec.db_port = silent.local_addr().unwrap().port();
    let limits = Limits {
        connect: Duration::from_millis(400),
        ..Limits::default()
    };
    let begun = Instant::now();
    let error = remote_with(limits).postgres(&spec, "x").await.err().unwrap();
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    assert!(error.to_string().contains("no answer within "), "{error}");
}
