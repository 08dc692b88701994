//! What only this room can arrange: a full disk, a call that panics, a folder that can't be watched.

use super::follow::Follower;
use super::{LIMIT, Sqlite};
use crate::domain::audit::{Actor, AuditFilter};
use crate::domain::{CustomerId, SafeText};
use crate::registry::{Change, Op, Registry, RegistryError, Result};
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn open() -> (Sqlite, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Sqlite::open(dir.path().join("registry.db")).unwrap(), dir)
}

async fn customer(r: &Sqlite, name: &str) -> Result<CustomerId> {
    let op = Op {
        reason: None,
        id: name.to_owned(),
        at: Timestamp::now(),
        actor: Actor {
            os_user: "marie".to_owned(),
            host: "desk".to_owned(),
            via: "cli".to_owned(),
        },
    };
    r.customer_named(&op, &SafeText::new(name)).await
}

#[tokio::test]
async fn a_full_disk_is_said_so_breaks_nothing_and_passes() {
    let (r, _dir) = open();
    // As a full disk answers: SQLite may not make the file any longer.
    let limit = |pages: i64| {
        r.writer.run(LIMIT, move |conn| {
            conn.pragma_update(None, "max_page_count", pages).unwrap();
            Ok(())
        })
    };
    limit(1).await.unwrap();
    let mut kept = 0;
    let said = loop {
        match customer(&r, &format!("{kept} {}", "x".repeat(4_000))).await {
            Ok(_) => kept += 1,
            Err(e) => break e,
        }
        assert!(kept < 1_000, "the disk never filled");
    };
    assert_eq!(
        said.to_string(),
        "the registry failed: the disk is full: free some space, nothing was changed"
    );
    assert!(!said.is_transient());
    assert_eq!(
        r.customers().await.unwrap().len(),
        kept,
        "what was acknowledged is there, the rest is not"
    );
    assert_eq!(r.audit(&AuditFilter::newest(10_000)).await.unwrap().len(), kept);
    limit(1_000_000).await.unwrap();
    customer(&r, "when there is space again").await.unwrap();
    let sound: String = r
        .writer
        .run(LIMIT, |conn| {
            Ok(conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap())
        })
        .await
        .unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test]
async fn a_call_that_panics_takes_nothing_with_it() {
    let (r, _dir) = open();
    for _ in 0..3 {
        let said = r
            .write(|conn| -> Result<()> {
                let tx = super::db::begin(conn)?;
                tx.execute("INSERT INTO saas_customer (name) VALUES ('half')", [])
                    .unwrap();
                panic!("a bug");
            })
            .await
            .unwrap_err();
        assert!(matches!(said, RegistryError::Store { .. }), "{said:?}");
        let said = r.read(|_| -> Result<()> { panic!("a bug") }).await.unwrap_err();
        assert!(matches!(said, RegistryError::Store { .. }), "{said:?}");
    }
    customer(&r, "after").await.unwrap();
    let names: Vec<String> = r
        .customers()
        .await
        .unwrap()
        .iter()
        .map(|c| c.name.to_string())
        .collect();
    assert_eq!(names, ["after"], "what panicked midway was rolled back");
}

#[tokio::test]
async fn a_call_has_its_time_and_one_that_nobody_waits_for_is_not_begun() {
    let (r, _dir) = open();
    let (go, held) = std::sync::mpsc::channel::<()>();
    let slow = r.writer.run(Duration::from_millis(100), move |_| {
        // Until the test lets go, or is gone itself.
        let _ended = held.recv();
        Ok(())
    });
    let began = Instant::now();
    let said = slow.await.unwrap_err();
    assert!(said.is_transient(), "{said:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    let begun = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&begun);
    let waiting = r.writer.run(Duration::from_millis(50), move |_| {
        flag.store(true, Ordering::SeqCst);
        Ok(())
    });
    waiting.await.unwrap_err();
    go.send(()).unwrap();
    customer(&r, "behind them").await.unwrap();
    assert!(!begun.load(Ordering::SeqCst), "it was given up before its turn came");
}

#[tokio::test]
async fn a_folder_that_cannot_be_watched_is_polled() {
    let (r, dir) = open();
    let follower = Follower::start(&dir.path().join("registry.db"), false).unwrap();
    let mut stream = follower.join().await.unwrap();
    for i in 0..3 {
        customer(&r, &format!("{i}")).await.unwrap();
        let began = Instant::now();
        let told = tokio::time::timeout(Duration::from_secs(5), stream.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(told, [Change::Catalog]);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_closed_registry_ends_its_streams() {
    let (r, _dir) = open();
    let mut stream = r.changes().await.unwrap();
    drop(r);
    assert_eq!(stream.recv().await, None);
}

#[tokio::test]
async fn a_worker_that_lives_writes_nothing_to_say_so() {
    let (r, _dir) = open();
    let me = crate::registry::identity::ProcessId::here().to_string();
    let changes = || r.writer.run(LIMIT, |conn| Ok(conn.total_changes()));
    r.worker_alive(&me).await.unwrap();
    let before = changes().await.unwrap();
    r.worker_alive(&me).await.unwrap();
    assert_eq!(
        r.claim_job(&me, &crate::registry::ClaimTerms::lease(LIMIT))
            .await
            .unwrap(),
        None
    );
    assert_eq!(r.claim_due_checks(None, LIMIT, 9).await.unwrap(), []);
    assert_eq!(changes().await.unwrap(), before);
    assert!(r.workers().await.unwrap()[0].alive);
}
