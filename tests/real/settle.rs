//! Copies that take long, are given up, or whose client dies: nothing goes on behind our back.

use crate::databases::{db, is_there, open, remote, remote_with, source, spec, until};
use crate::harness::{cluster, connect, fresh_name};
use std::sync::Mutex;
use std::time::Duration;
use vigie::domain::DbName;
use vigie::remote::{Limits, RemoteError};

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
