//! The contract that every registry keeps, on PostgreSQL; and what is PostgreSQL's alone.

mod audit;
mod backup;
mod changes;
mod claims;
mod constraints;
#[path = "../../it/registry/contract.rs"]
mod contract;
mod copy;
mod dashboard;
mod encrypted;
mod first;
mod guides;
pub(crate) mod kit;
mod line;
mod outage;
mod pooler;
mod scale;

use contract::bench;
use std::sync::Arc;
use vigie::registry::Registry;

/// A new database with a registry in it, connected to as one who may do everything that `saas_admin` may.
async fn store() -> bench::Bench {
    let database = kit::fresh().await;
    let connect = move || -> bench::Connected {
        let database = database.clone();
        Box::pin(async move { Arc::new(kit::open(&database, kit::ADMIN).await) as Arc<dyn Registry> })
    };
    bench::Bench::new(Box::new(connect), Box::new(())).await
}
