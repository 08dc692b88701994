//! The PostgreSQL adapter against PostgreSQL: names byte for byte, copies under one-time names,
//! drops of what is ours and nothing else, and nothing left running.

use crate::harness::{cluster, connect, fresh_db, fresh_name, standin};
use proptest::strategy::{Strategy, ValueTree};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use vigie::domain::job::Mark;
use vigie::domain::server::{DbTls, ServerSpec};
use vigie::domain::{Code, DbName, HostName, JobId, SafeText, Secret, SecretRef, passlib};
use vigie::remote::postgres::{Cluster, Dropped, Given, Identity, PgError, temp_name};
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

async fn open(app: &str) -> Cluster {
    remote().postgres(&spec("http://127.0.0.1:1"), app).await.unwrap()
}

fn db(name: &str) -> DbName {
    DbName::parse(name).unwrap()
}

async fn source() -> DbName {
    db(&fresh_db().await)
}

fn mark(job: i64) -> Mark {
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

async fn is_there(name: &str) -> bool {
    !catalog(&format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"))
        .await
        .is_empty()
}

async fn as_superuser(sql: &str) {
    let client = connect(&cluster().superuser_config("postgres")).await;
    client.batch_execute(sql).await.unwrap();
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
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

/// A database that takes PostgreSQL a while to copy.
async fn big_source() -> DbName {
    let name = source().await;
    let client = connect(&cluster().role_config(name.as_str())).await;
    client
        .batch_execute("CREATE TABLE filler AS SELECT repeat(md5(n::text), 30) AS t FROM generate_series(1, 150000) n")
        .await
        .unwrap();
    drop(client);
    let pg = open("big").await;
    until("nobody is in the source", async || {
        pg.sessions_on(&name).await.unwrap().is_empty()
    })
    .await;
    name
}

#[tokio::test]
async fn a_copy_that_takes_too_long_or_is_dropped_is_cancelled_on_the_server() {
    let from = big_source().await;
    let watcher = open("watcher").await;
    // By its deadline.
    let app = fresh_name("vigie job 6 late");
    let limits = Limits {
        clone: Duration::from_millis(30),
        ..Limits::default()
    };
    let pg = remote_with(limits)
        .postgres(&spec("http://127.0.0.1:1"), &app)
        .await
        .unwrap();
    let late = db(&fresh_name("late"));
    let error = pg.create_from_template(&from, &late, &|_| {}).await.err().unwrap();
    assert!(
        matches!(error, RemoteError::Deadline { .. }) && error.is_in_doubt(),
        "{error}"
    );
    let running = async |app: &str| {
        let sessions = watcher.sessions_of(app).await.unwrap();
        sessions
            .iter()
            .any(|s| s.state.as_ref().is_some_and(|s| s.as_str() == "active"))
    };
    until("nothing of it runs", async || !running(&app).await).await;
    assert!(!is_there(late.as_str()).await);
    // By dropping its future.
    let app = fresh_name("vigie job 7 dropped");
    let pg = remote().postgres(&spec("http://127.0.0.1:1"), &app).await.unwrap();
    let dropped = db(&fresh_name("dropped"));
    let (source, target) = (from.clone(), dropped.clone());
    let task = tokio::spawn(async move { pg.create_from_template(&source, &target, &|_| {}).await });
    until("it runs", async || running(&app).await).await;
    task.abort();
    until("nothing of it is there", async || {
        watcher.sessions_of(&app).await.unwrap().is_empty()
    })
    .await;
    assert!(!is_there(dropped.as_str()).await, "the server finished it all the same");
}

#[tokio::test]
async fn a_copy_whose_client_died_is_settled_and_stays_so() {
    let from = big_source().await;
    let app = fresh_name("vigie job 8 dead");
    let orphan = db(&fresh_name("orphan"));
    // A client of its own runtime, whose socket closes without a word to the server.
    let mut config = cluster().role_config("postgres");
    config.application_name(&app);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let sql = format!("CREATE DATABASE \"{orphan}\" TEMPLATE \"{from}\"");
    let query = tokio::spawn(async move { client.batch_execute(&sql).await });
    let pg = open("settler").await;
    until("it runs", async || {
        let sessions = pg.sessions_of(&app).await.unwrap();
        sessions
            .iter()
            .any(|s| s.query.as_ref().is_some_and(|q| q.as_str().starts_with("CREATE")))
    })
    .await;
    query.abort();
    driver.abort();
    let settled = pg.cancel_and_wait(&app, Duration::from_secs(20)).await.unwrap();
    assert_eq!(pg.sessions_of(&app).await.unwrap(), []);
    let there = is_there(orphan.as_str()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        is_there(orphan.as_str()).await,
        there,
        "what was seen after settling changed"
    );
    assert!(settled <= 1);
    assert_eq!(pg.cancel_and_wait(&app, Duration::from_secs(1)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_long_copy_tells_how_far_it_is() {
    let from = big_source().await;
    let pg = open("progress").await;
    let to = db(&fresh_name("progress"));
    let seen = Mutex::new(Vec::new());
    pg.create_from_template(&from, &to, &|p| seen.lock().unwrap().push(p))
        .await
        .unwrap();
    let size = pg.database(&to).await.unwrap().unwrap().size.unwrap();
    let seen = seen.into_inner().unwrap();
    // Older servers copy files without writing them to the log.
    assert!(
        pg.server_version() < 150_000 || seen.last().is_some_and(|p| p.done > 0),
        "{seen:?}"
    );
    for p in &seen {
        assert!(p.done <= p.total && p.total > size / 2, "{p:?}, {size}");
    }
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

/// As Odoo keeps it; its rounds are Odoo's own business.
pub(crate) fn hashed(password: &Secret) -> Secret {
    Secret::new(passlib::hash(password, b"0123456789abcdef", 1_000))
}

fn identity<'a>(uuid: &'a str, hash: &'a Secret) -> Identity<'a> {
    static COMPANY: std::sync::OnceLock<SafeText> = std::sync::OnceLock::new();
    Identity {
        uuid,
        created_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        base_url: "https://acme.example.org",
        company: COMPANY.get_or_init(|| SafeText::new("Acme's \"Bistro\" & Söhne")),
        admin_login: "boss@acme.example",
        admin_password_hash: hash,
    }
}

#[tokio::test]
async fn a_copy_gets_an_identity_of_its_own_and_the_templates_passwords_work_no_more() {
    let odoo = standin().await;
    let (template, copy) = (db(&fresh_name("tpl")), db(&fresh_name("inst")));
    let mut spec = spec(&odoo.url());
    let folder = std::env::temp_dir().join(fresh_name("vigie-keys"));
    let remote = Remote::new(Keyring::new(&folder), Limits::default(), None).unwrap();
    spec.master_password = Some(remote.keyring().seal(&Secret::new("master".to_owned())).unwrap());
    let rpc = remote.odoo(&spec);
    let old = Secret::new("template-password".to_owned());
    rpc.create_database(&vigie::remote::odoo::CreateDatabase {
        name: &template,
        demo: false,
        lang: "en_US",
        password: &old,
        login: "admin",
        country: None,
        phone: None,
    })
    .await
    .unwrap();
    let pg = remote.postgres(&spec, "identity").await.unwrap();
    pg.allow_connections(&template, false).await.unwrap();
    pg.terminate_sessions(&template, Duration::from_secs(10)).await.unwrap();
    pg.create_from_template(&template, &copy, &|_| {}).await.unwrap();
    pg.allow_connections(&copy, true).await.unwrap();
    let mut inside = pg.tenant(&copy).await.unwrap();
    assert!(inside.is_odoo().await.unwrap());
    let before = inside.param("database.uuid").await.unwrap();
    let secret = inside.param("database.secret").await.unwrap();
    let new = Secret::new("quite-new-password".to_owned());
    let hash = hashed(&new);
    let uuid = "0197-fresh-uuid";
    // Another user with a password, as a prepared template may have.
    let client = connect(&cluster().role_config(copy.as_str())).await;
    let plain = "UPDATE res_users SET password = 'x' WHERE id NOT IN (1, 2)";
    client.batch_execute(plain).await.unwrap();
    inside.set_param("database.enterprise_code", "M123").await.unwrap();
    assert_eq!(inside.give_identity(&identity(uuid, &hash)).await.unwrap(), Given::Now);
    let param = async |key: &str| inside.param(key).await.unwrap().map(String::from);
    assert_eq!(param("database.uuid").await.as_deref(), Some(uuid));
    assert_ne!(before.map(String::from).as_deref(), Some(uuid));
    assert_ne!(param("database.secret").await, secret.map(String::from));
    assert_eq!(
        param("database.create_date").await.as_deref(),
        Some("2026-01-02 03:04:05")
    );
    assert_eq!(param("web.base.url").await.as_deref(), Some("https://acme.example.org"));
    assert_eq!(param("web.base.url.freeze").await.as_deref(), Some("True"));
    assert_eq!(param("database.enterprise_code").await, None);
    let rows = client
        .query("SELECT name FROM res_company ORDER BY id LIMIT 1", &[])
        .await
        .unwrap();
    assert_eq!(rows[0].get::<_, String>(0), "Acme's \"Bistro\" & Söhne");
    let rows = client
        .query("SELECT password FROM res_users WHERE password IS NOT NULL", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1, "the administrator's is the only password");
    assert_eq!(passlib::verify(&new, rows[0].get(0)), Some(true));
    // Through Odoo's own eyes.
    assert!(
        rpc.authenticate(&copy, "boss@acme.example", &new)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(rpc.authenticate(&copy, "boss@acme.example", &old).await.unwrap(), None);
    assert_eq!(rpc.authenticate(&copy, "admin", &old).await.unwrap(), None);
    // Twice is once: not even the secret is made anew.
    let kept = param("database.secret").await;
    assert_eq!(
        inside.give_identity(&identity(uuid, &hash)).await.unwrap(),
        Given::Already
    );
    assert_eq!(inside.param("database.secret").await.unwrap().map(String::from), kept);
}

#[tokio::test]
async fn a_half_given_identity_is_none() {
    // A database whose users table is not Odoo's: the last part fails, and the first is not kept.
    let name = source().await;
    let client = connect(&cluster().role_config(name.as_str())).await;
    client
        .batch_execute(
            "CREATE TABLE ir_config_parameter (id serial, key text, value text, create_uid int, write_uid int, \
             create_date timestamp, write_date timestamp);
             CREATE TABLE ir_model_data (module text, name text, model text, res_id int);
             CREATE TABLE res_partner (id int, name text);
             CREATE TABLE res_company (id int, name text, partner_id int);
             CREATE TABLE res_users (id int, login text);
             INSERT INTO res_company VALUES (1, 'Template', 1); INSERT INTO res_partner VALUES (1, 'Template');
             INSERT INTO res_users VALUES (2, 'admin');
             INSERT INTO ir_config_parameter (key, value) VALUES ('database.uuid', 'old')",
        )
        .await
        .unwrap();
    let pg = open("half").await;
    let mut inside = pg.tenant(&name).await.unwrap();
    let password = Secret::new("canary-password".to_owned());
    let error = inside.give_identity(&identity("new", &password)).await.err().unwrap();
    assert!(
        matches!(&error, RemoteError::Postgres(e) if e.state() == Some("42703")),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert_eq!(
        inside
            .param("database.uuid")
            .await
            .unwrap()
            .map(String::from)
            .as_deref(),
        Some("old")
    );
    let rows = client.query("SELECT name FROM res_company", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, String>(0), "Template");
}
