//! The contract that every registry keeps, on SQLite; and what is SQLite's alone.

mod contract;
mod crash;
mod sqlite;
mod tamper;

use contract::bench;
use std::sync::Arc;
use vigie::registry::Registry;
use vigie::registry::sqlite::Sqlite;

/// SQLite in a folder of its own.
async fn store() -> bench::Bench {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry.db");
    let connect = move || -> bench::Connected {
        let path = path.clone();
        Box::pin(async move { Arc::new(Sqlite::open(&path).unwrap()) as Arc<dyn Registry> })
    };
    bench::Bench::new(Box::new(connect), Box::new(dir)).await
}
