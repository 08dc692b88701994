//! The operators' guide's own SQL, by a plain client of the least role, unchanged.

use super::bench;
use super::kit::{self, ADMIN, USER};
use tokio_postgres::SimpleQueryMessage;

/// A statement's rows as text, its values joined by bars.
async fn rows(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    let answer = client.simple_query(sql).await.expect(sql);
    let read = |row: &tokio_postgres::SimpleQueryRow| {
        let values: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect();
        values.join("|")
    };
    answer
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(read(row)),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guides_own_sql_gives_the_right_answers() {
    let database = kit::fresh().await;
    let r = kit::open(&database, ADMIN).await;
    let one = bench::server(&r, "prod-1", 10).await;
    bench::server(&r, "prod-2", 4).await;
    r_add(&r, "draft-1").await;
    let template = bench::template(&r, "restaurant", one.id).await;
    for name in ["acme", "bistro", "client-abc"] {
        bench::instance(&r, &template, name).await;
    }
    let client = kit::plain(&database, USER).await;
    let mut all = rows(&client, "SELECT id, name, code, state, health_status FROM saas_server;").await;
    all.sort();
    assert_eq!(
        all,
        [
            "1|Server prod-1|prod-1|active|unknown",
            "2|Server prod-2|prod-2|active|unknown",
            "3|Server draft-1|draft-1|draft|unknown"
        ]
    );
    let capacity = rows(
        &client,
        "SELECT name, instance_count, max_instances, \
         (100 * (max_instances - instance_count) / max_instances) as capacity \
         FROM saas_server WHERE state = 'active' ORDER BY capacity DESC;",
    )
    .await;
    assert_eq!(capacity, ["Server prod-2|0|4|100", "Server prod-1|3|10|70"]);
    let mut counted = rows(
        &client,
        "SELECT s.name, COUNT(i.id) as count FROM saas_server s LEFT JOIN saas_instance i ON s.id = i.server_id \
         GROUP BY s.id, s.name;",
    )
    .await;
    counted.sort();
    assert_eq!(counted, ["Server draft-1|0", "Server prod-1|3", "Server prod-2|0"]);
    // And no more than that: the least role changes nothing and reads no secret.
    for refused in [
        "UPDATE saas_server SET name = 'x'",
        "DELETE FROM saas_instance",
        "SELECT db_password FROM saas_server",
    ] {
        let said = client.simple_query(refused).await.expect_err(refused);
        assert_eq!(said.code().map(|c| c.code()), Some("42501"), "{refused}");
    }
}

async fn r_add(r: &dyn vigie::registry::Registry, name: &str) {
    r.add_server(&bench::op(), &bench::server_spec(name, 5)).await.unwrap();
}
