//! Changes of the shared registry as they are told: at once where notifications come, soon where a pooler
//! loses them, and none lost when the connection or the server is.

use super::kit;
use super::pooler::Pooler;
use crate::harness::{cluster, connect, own_cluster};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use vigie::domain::ServerId;
use vigie::registry::postgres::{Listen, Postgres};
use vigie::registry::{Change, ChangeStream, Registry};

/// A plain client's change: a server of this code.
async fn add_server(client: &tokio_postgres::Client, code: &str) -> ServerId {
    let row = client
        .query_one(
            "INSERT INTO saas_server (name, code, server_url, max_instances, created_at)
             VALUES ($1, $1, 'https://' || $1, 50, now()) RETURNING id",
            &[&code],
        )
        .await
        .expect("adding a server");
    ServerId(row.get(0))
}

async fn touch(client: &tokio_postgres::Client, server: ServerId) {
    client
        .execute(
            "UPDATE saas_server SET description = description || '.' WHERE id = $1",
            &[&server.0],
        )
        .await
        .expect("changing a server");
}

/// Reads until this was told; how long it took.
async fn told(stream: &mut ChangeStream, wanted: Change, limit: Duration) -> Duration {
    let began = Instant::now();
    let mut seen = Vec::new();
    loop {
        let left = limit.saturating_sub(began.elapsed());
        let batch = tokio::time::timeout(left, stream.recv())
            .await
            .unwrap_or_else(|_| panic!("{wanted:?} was not told within {limit:?}, only {seen:?}"))
            .expect("the stream goes on");
        if batch.contains(&wanted) {
            return began.elapsed();
        }
        seen.extend(batch);
    }
}

/// What is told until nothing was for a while.
async fn rest(stream: &mut ChangeStream, quiet: Duration) -> HashSet<Change> {
    let mut seen = HashSet::new();
    while let Ok(Some(batch)) = tokio::time::timeout(quiet, stream.recv()).await {
        seen.extend(batch);
    }
    seen
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}

/// Fifty changes by a plain client, and how long each took until it was told here: median and worst.
async fn measure(stream: &mut ChangeStream, client: &tokio_postgres::Client, server: ServerId) -> (Duration, Duration) {
    let mut times = Vec::new();
    for i in 0..50 {
        // Not in step with whoever looks many times a second.
        tokio::time::sleep(Duration::from_millis(7 + 13 * (i % 7))).await;
        let began = Instant::now();
        touch(client, server).await;
        told(stream, Change::Server(server), Duration::from_secs(10)).await;
        times.push(began.elapsed());
    }
    median(times)
}

/// How a change comes to who follows: what is said of it, whether a pooler stands between, how one listens (`Address`:
/// beside the pooler, to the database itself), and how soon half of the changes must be told.
const WAYS: [(&str, bool, Listen, Duration); 4] = [
    (
        "told by a notification",
        false,
        Listen::Auto,
        Duration::from_millis(200),
    ),
    ("found by looking", false, Listen::Poll, Duration::from_millis(300)),
    (
        "through PgBouncer, which loses notifications and nobody said so",
        true,
        Listen::Auto,
        Duration::from_millis(300),
    ),
    (
        "through PgBouncer, listening beside it",
        true,
        Listen::Address(String::new()),
        Duration::from_millis(200),
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_told_in_time_whichever_way_it_comes() {
    for (way, pooled, listen, limit) in WAYS {
        let database = kit::fresh().await;
        let direct = kit::address(&database, kit::ADMIN);
        let pooler = pooled.then(|| Pooler::start(cluster().host(), cluster().port()));
        let address = match &pooler {
            Some(pooler) => pooler.address(&database, kit::ADMIN),
            None => direct.clone(),
        };
        let listen = match listen {
            Listen::Address(_) => Listen::Address(direct),
            other => other,
        };
        let registry = Postgres::open_with(&address, &listen).await.expect("opening");
        let client = kit::superuser(&database).await;
        let server = add_server(&client, "prod-1").await;
        let mut stream = registry.changes().await.expect("following");
        let (median, worst) = measure(&mut stream, &client, server).await;
        eprintln!("a change of another client, from its commit, {way}: median {median:?}, worst {worst:?}");
        assert!(median < limit, "{way}: {median:?}");
        assert!(worst < Duration::from_secs(2), "{way}: {worst:?}");
    }
}

/// Who only reads follows as well as anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_may_follow() {
    let database = kit::fresh().await;
    let client = kit::superuser(&database).await;
    let server = add_server(&client, "prod-1").await;
    for login in [kit::USER, kit::MANAGER, kit::WORKER, kit::ADMIN] {
        let registry = Postgres::open(&kit::address(&database, login)).await.expect("opening");
        let mut stream = registry.changes().await.expect("following");
        touch(&client, server).await;
        told(&mut stream, Change::Server(server), Duration::from_secs(10)).await;
    }
}

/// A number is given before its transaction ends: a reader that asks for what is above the last number it
/// saw would never see the late one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_late_is_told_all_the_same() {
    for listen in [Listen::Auto, Listen::Poll] {
        let database = kit::fresh().await;
        let registry = Postgres::open_with(&kit::address(&database, kit::ADMIN), &listen)
            .await
            .expect("opening");
        let (mut slow, quick) = (kit::superuser(&database).await, kit::superuser(&database).await);
        let mut stream = registry.changes().await.expect("following");
        let late = slow.transaction().await.expect("beginning");
        let row = late
            .query_one(
                "INSERT INTO saas_server (name, code, server_url, max_instances, created_at)
                 VALUES ('late', 'late', 'https://late', 50, now()) RETURNING id",
                &[],
            )
            .await
            .expect("adding a server");
        let late_id = ServerId(row.get(0));
        for i in 0..5 {
            let id = add_server(&quick, &format!("quick-{i}")).await;
            told(&mut stream, Change::Server(id), Duration::from_secs(10)).await;
        }
        assert_eq!(
            rest(&mut stream, Duration::from_millis(200)).await,
            HashSet::new(),
            "what is not committed is not told, and what was told is not told again"
        );
        late.commit().await.expect("committing");
        told(&mut stream, Change::Server(late_id), Duration::from_secs(10)).await;
        assert_eq!(rest(&mut stream, Duration::from_millis(200)).await, HashSet::new());
    }
}

/// Ends all connections of a database but the caller's.
async fn terminate(client: &tokio_postgres::Client) {
    client
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
            &[],
        )
        .await
        .expect("terminating");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_made_again_and_nothing_is_missed() {
    let database = kit::fresh().await;
    let registry = Postgres::open(&kit::address(&database, kit::ADMIN))
        .await
        .expect("opening");
    let client = kit::superuser(&database).await;
    let mut stream = registry.changes().await.expect("following");
    let mut wanted = HashSet::new();
    let mut seen = HashSet::new();
    for i in 0..40 {
        if i % 4 == 1 {
            terminate(&client).await;
        }
        wanted.insert(Change::Server(add_server(&client, &format!("s{i}")).await));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let end = Instant::now() + Duration::from_secs(20);
    while !wanted.is_subset(&seen) {
        let left = end.saturating_duration_since(Instant::now());
        let batch = tokio::time::timeout(left, stream.recv()).await;
        let missing: Vec<_> = wanted.difference(&seen).collect();
        seen.extend(
            batch
                .unwrap_or_else(|_| panic!("never told: {missing:?}"))
                .expect("it goes on"),
        );
    }
    assert!(
        !seen.contains(&Change::Everything),
        "what was missed is known, it is not all read again"
    );
    // And it listens again: what comes now comes at once.
    let server = add_server(&client, "after").await;
    told(&mut stream, Change::Server(server), Duration::from_secs(10)).await;
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let began = Instant::now();
        touch(&client, server).await;
        told(&mut stream, Change::Server(server), Duration::from_secs(10)).await;
        if began.elapsed() < Duration::from_millis(40) {
            break;
        }
        assert!(Instant::now() < deadline, "it never listens again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_is_followed_on_and_nothing_is_missed() {
    let mut own = own_cluster();
    let database = kit::registry_in(&own).await;
    let address = kit::address_of(&own, &database, kit::ADMIN);
    let registry = Postgres::open(&address).await.expect("opening");
    let config = own.superuser_config(&database);
    let mut stream = registry.changes().await.expect("following");
    let mut wanted = HashSet::new();
    for round in 0..2 {
        let client = connect(&config).await;
        wanted.insert(Change::Server(add_server(&client, &format!("before-{round}")).await));
        drop(client);
        if round == 0 {
            own.restart().expect("restarting");
        } else {
            own.kill().expect("killing");
            own.start().expect("starting");
        }
        let client = connect(&config).await;
        wanted.insert(Change::Server(add_server(&client, &format!("after-{round}")).await));
        let mut seen = HashSet::new();
        let end = Instant::now() + Duration::from_secs(30);
        while !wanted.is_subset(&seen) {
            let left = end.saturating_duration_since(Instant::now());
            let batch = tokio::time::timeout(left, stream.recv()).await;
            seen.extend(
                batch
                    .unwrap_or_else(|_| panic!("never told: {:?}", wanted.difference(&seen)))
                    .expect("it goes on"),
            );
            // A server that crashed may have forgotten what was never committed, and give its numbers again.
            if seen.contains(&Change::Everything) {
                break;
            }
        }
        wanted.clear();
        while tokio::time::timeout(Duration::from_millis(300), stream.recv())
            .await
            .is_ok()
        {}
        let client = connect(&config).await;
        let server = add_server(&client, &format!("now-{round}")).await;
        told(&mut stream, Change::Server(server), Duration::from_secs(10)).await;
    }
}

/// Who was away for longer than changes are kept reads everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_for_too_long_reads_everything() {
    let database = kit::fresh().await;
    let registry = Postgres::open_with(&kit::address(&database, kit::ADMIN), &Listen::Poll)
        .await
        .expect("opening");
    let client = kit::superuser(&database).await;
    let mut stream = registry.changes().await.expect("following");
    add_server(&client, "one").await;
    rest(&mut stream, Duration::from_millis(200)).await;
    // As if it had not looked since: the mark that was trimmed up to is of a transaction after its last look.
    client
        .batch_execute(
            "INSERT INTO saas_change_mark (xid, at)
             SELECT (pg_current_xact_id()::text::bigint + 1)::text::xid8, clock_timestamp() - interval '1 hour'",
        )
        .await
        .expect("marking");
    told(&mut stream, Change::Everything, Duration::from_secs(10)).await;
}

/// The memory of changes is trimmed, and never of what a reader that looks every few seconds has not seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_changes_are_trimmed() {
    let database = kit::fresh().await;
    let registry = Postgres::open(&kit::address(&database, kit::ADMIN))
        .await
        .expect("opening");
    let client = kit::superuser(&database).await;
    let mut stream = registry.changes().await.expect("following");
    for i in 0..30 {
        add_server(&client, &format!("s{i}")).await;
    }
    rest(&mut stream, Duration::from_millis(300)).await;
    let count = "SELECT count(*) FROM saas_change";
    let now = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    registry.prune(now, now).await.expect("pruning");
    let kept: i64 = client.query_one(count, &[]).await.expect("counting").get(0);
    assert!(kept >= 30, "they are kept for a while: {kept}");
    // It looks once more after that mark; then, a quarter of an hour later.
    let between = add_server(&client, "between").await;
    told(&mut stream, Change::Server(between), Duration::from_secs(10)).await;
    rest(&mut stream, Duration::from_millis(300)).await;
    client
        .batch_execute("UPDATE saas_change_mark SET at = at - interval '20 minutes'")
        .await
        .expect("ageing");
    let last = add_server(&client, "last").await;
    registry.prune(now, now).await.expect("pruning");
    let kept: i64 = client.query_one(count, &[]).await.expect("counting").get(0);
    assert!((1..10).contains(&kept), "what is old goes, what is new stays: {kept}");
    let seen = rest(&mut stream, Duration::from_millis(300)).await;
    assert!(
        seen.contains(&Change::Server(last)) && !seen.contains(&Change::Everything),
        "{seen:?}"
    );
}
