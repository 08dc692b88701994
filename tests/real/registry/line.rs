//! A line to the database that breaks: at COMMIT, in the middle, for a while, in silence.

use super::bench;
use super::kit::{self, ADMIN};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vigie::domain::audit::AuditFilter;
use vigie::registry::postgres::Postgres;
use vigie::registry::{LinkState, Registry};

/// Stands between a client and the cluster, and breaks what passes.
struct Line {
    port: u16,
    /// So many answers to COMMIT are still swallowed, and their connections cut.
    swallow: Arc<AtomicUsize>,
    /// Nothing passes, and nothing is said.
    silent: Arc<AtomicBool>,
    /// Who comes is sent away at once.
    closed: Arc<AtomicBool>,
    /// When who came.
    came: Arc<Mutex<Vec<Instant>>>,
    swallowed: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (swallow, silent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let swallowed = Arc::new(AtomicUsize::new(0));
        let (closed, came) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (shut, guests) = (Arc::clone(&closed), Arc::clone(&came));
        let shared = (Arc::clone(&swallow), Arc::clone(&silent), Arc::clone(&swallowed));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                guests.lock().unwrap().push(Instant::now());
                if shut.load(Ordering::Relaxed) {
                    continue;
                }
                let shared = shared.clone();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
                        return;
                    };
                    pass(client, server, &shared.0, &shared.1, &shared.2).await;
                });
            }
        });
        Self {
            port: own,
            swallow,
            silent,
            closed,
            came,
            swallowed,
            task,
        }
    }
}

async fn quiet(silent: &AtomicBool) {
    while silent.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    swallow: &AtomicUsize,
    silent: &AtomicBool,
    swallowed: &AtomicUsize,
) {
    let (mut to_server, mut to_client) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let mut committing = false;
    loop {
        tokio::select! {
            read = client.read(&mut to_server) => {
                let Ok(n @ 1..) = read else { return };
                quiet(silent).await;
                let part = to_server.get(..n).unwrap_or_default();
                // A simple query: Q, its length, its text.
                committing = part.first() == Some(&b'Q') && part.windows(6).any(|w| w == b"COMMIT");
                if server.write_all(part).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut to_client) => {
                let Ok(n @ 1..) = read else { return };
                quiet(silent).await;
                if committing
                    && swallow.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
                {
                    // The server has committed; nobody will hear of it.
                    swallowed.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                if client.write_all(to_client.get(..n).unwrap_or_default()).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_cut_between_commit_and_its_answer_loses_and_doubles_nothing() {
    let database = kit::fresh().await;
    let line = Line::to(crate::harness::cluster().port()).await;
    let r = Postgres::open(&kit::at(line.port, &database, ADMIN)).await.unwrap();
    let rounds = 25;
    for round in 0..rounds {
        line.swallow.store(1, Ordering::Relaxed);
        let name = format!("prod-{round}");
        let added = r
            .add_server(&bench::op(), &bench::server_spec(&name, 5))
            .await
            .expect("it is told as done");
        assert_eq!(added.spec.code.as_str(), name);
    }
    assert_eq!(line.swallowed.load(Ordering::Relaxed), rounds, "every line was cut");
    let there = kit::open(&database, ADMIN).await;
    assert_eq!(there.servers().await.unwrap().len(), rounds);
    let rows = there.audit(&AuditFilter::newest(1_000)).await.unwrap();
    let adds = rows.iter().filter(|row| row.action == "server.add").count();
    assert_eq!(adds, rounds, "one row each");
    assert!(
        rows.iter().all(|row| row.refused.is_none()),
        "nothing was told as refused"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_line_holds_nobody_longer_than_the_deadline_and_comes_back() {
    let database = kit::fresh().await;
    let line = Line::to(crate::harness::cluster().port()).await;
    let r = Arc::new(Postgres::open(&kit::at(line.port, &database, ADMIN)).await.unwrap());
    bench::server(&*r, "prod-1", 5).await;
    let mut link = r.link();
    assert_eq!(*link.borrow_and_update(), LinkState::Connected);
    line.silent.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    let calls: Vec<_> = (0..6)
        .map(|at| {
            let r = Arc::clone(&r);
            tokio::spawn(async move {
                if at % 2 == 0 {
                    r.servers().await.map(|_| ())
                } else {
                    let spec = bench::server_spec(&format!("new-{at}"), 5);
                    r.add_server(&bench::op(), &spec).await.map(|_| ())
                }
            })
        })
        .collect();
    for call in calls {
        let said = call.await.unwrap().expect_err("nothing answers");
        assert!(said.is_transient(), "{said:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(matches!(*link.borrow_and_update(), LinkState::Lost { .. }));
    line.silent.store(false, Ordering::Relaxed);
    let back = Instant::now();
    tokio::time::timeout(
        Duration::from_secs(15),
        link.wait_for(|state| *state == LinkState::Connected),
    )
    .await
    .expect("it comes back by itself")
    .unwrap();
    assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
    assert!(
        r.servers()
            .await
            .unwrap()
            .iter()
            .any(|s| s.spec.code.as_str() == "prod-1")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_restarts_is_found_again_and_nothing_acknowledged_is_lost() {
    let mut own = crate::harness::own_cluster();
    let database = kit::registry_in(&own).await;
    let r = Arc::new(
        Postgres::open(&kit::address_of(&own, &database, ADMIN))
            .await
            .expect("opening"),
    );
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (r, stop) = (Arc::clone(&r), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            let mut at = 0;
            while !stop.load(Ordering::Relaxed) {
                at += 1;
                let spec = bench::server_spec(&format!("s-{at}"), 5);
                if let Ok(server) = r.add_server(&bench::op(), &spec).await {
                    acknowledged.push(server.id);
                }
            }
            acknowledged
        })
    };
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        tokio::task::block_in_place(|| own.restart()).expect("restarting");
    }
    let mut link = r.link();
    tokio::time::timeout(
        Duration::from_secs(10),
        link.wait_for(|state| *state == LinkState::Connected),
    )
    .await
    .expect("it comes back")
    .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::Relaxed);
    let acknowledged = writer.await.unwrap();
    assert!(!acknowledged.is_empty());
    let there = r.servers().await.unwrap();
    for id in &acknowledged {
        assert!(there.iter().any(|server| server.id == *id), "{id} was acknowledged");
    }
}

/// Who lost the database goes on trying, ever more seldom, and is there again when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_database_asks_for_it_ever_more_seldom() {
    let database = kit::fresh().await;
    let line = Line::to(crate::harness::cluster().port()).await;
    let r = Postgres::open(&kit::at(line.port, &database, ADMIN)).await.unwrap();
    let mut stream = r.changes().await.unwrap();
    bench::server(&r, "prod-1", 5).await;
    stream.recv().await.unwrap();
    line.closed.store(true, Ordering::Relaxed);
    kit::superuser(&database)
        .await
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
    // Asked once, it knows.
    let lost = Instant::now();
    assert!(r.servers().await.unwrap_err().is_transient());
    let asked = lost.elapsed();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let came: Vec<Duration> = line
        .came
        .lock()
        .unwrap()
        .iter()
        .filter_map(|at| at.checked_duration_since(lost + asked))
        .collect();
    let between = |from: u64, to: u64| {
        let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
        came.iter().filter(|at| **at >= from && **at < to).count()
    };
    // One for calls, one for changes, each with pauses up to 5 s.
    assert!(between(0, 10) >= 3, "it gave up: {came:?}");
    assert!(between(5, 10) <= 8, "it hammers at the door: {came:?}");
    line.closed.store(false, Ordering::Relaxed);
    let mut link = r.link();
    tokio::time::timeout(
        Duration::from_secs(15),
        link.wait_for(|state| *state == LinkState::Connected),
    )
    .await
    .expect("it comes back by itself")
    .unwrap();
    bench::server(&r, "prod-2", 5).await;
    tokio::time::timeout(Duration::from_secs(15), stream.recv())
        .await
        .expect("changes are told again")
        .unwrap();
}
