//! The contract that every registry keeps, on PostgreSQL; and what is PostgreSQL's alone.

mod audit;
mod changes;
mod claims;
#[path = "../../it/registry/contract.rs"]
mod contract;
mod kit;
mod pooler;
mod scale;

use contract::bench;
use std::sync::Arc;
use vigie::registry::Registry;
use vigie::registry::postgres::Postgres;

/// A new database with a registry in it, connected to as one who may do everything that `saas_admin` may.
async fn store() -> bench::Bench {
    let database = kit::fresh().await;
    let address = kit::address(&database, kit::ADMIN);
    let connect = move || -> bench::Connected {
        let address = address.clone();
        Box::pin(async move {
            let opened = Postgres::open(&address).await.expect("opening the registry");
            Arc::new(opened) as Arc<dyn Registry>
        })
    };
    bench::Bench::new(Box::new(connect), Box::new(())).await
}
