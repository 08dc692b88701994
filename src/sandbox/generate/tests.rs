//! What is generated is like what operators make.

use super::*;
use crate::domain::server::ServerState;
use crate::registry::JobFilter;

#[test]
fn a_size_is_read_and_nonsense_refused() {
    let scale: Scale = "1000x100000".parse().unwrap();
    assert_eq!((scale.servers, scale.instances), (1_000, 100_000));
    assert_eq!(scale.to_string(), "1000x100000");
    for text in ["", "x", "1000", "0x5", "1x-1", "10001x1", "1x1000001", "axb"] {
        assert!(text.parse::<Scale>().is_err(), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_generated_is_a_registry_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("large");
    let scale = Scale {
        servers: 60,
        instances: 601,
    };
    let actor = Actor {
        os_user: "marie".into(),
        host: "desk".into(),
        via: "sandbox".into(),
    };
    let said = std::sync::Mutex::new(Vec::new());
    let say = |line: &str| said.lock().unwrap().push(line.to_owned());
    let loaded = generated(Some(dir.clone()), scale, actor.clone(), &say).await.unwrap();
    assert!(
        !loaded.settings.worker.autostart && !loaded.settings.worker.checks,
        "it would check what is not there"
    );
    let registry = Sqlite::open_existing(&loaded.places.registry).unwrap();
    let servers = registry.servers().await.unwrap();
    assert_eq!(servers.len(), 60);
    let rows = registry.instances(None).await.unwrap();
    assert_eq!(rows.len(), 601);
    for server in &servers {
        let its = rows.iter().filter(|row| row.spec.server_id == server.id).count();
        assert_eq!(its, server.instance_count as usize);
    }
    assert!(servers.iter().any(|server| server.state() == ServerState::Offline));
    let templates = registry.templates().await.unwrap();
    let counted: usize = templates.iter().map(|template| template.instance_count as usize).sum();
    assert_eq!(counted, 601);
    assert_eq!(
        registry
            .jobs(&JobFilter {
                limit: 1_000,
                ..JobFilter::default()
            })
            .await
            .unwrap()
            .len(),
        601
    );
    assert_eq!(
        registry.health_history(servers[0].id, None, 100).await.unwrap().len(),
        24
    );
    drop(registry);
    // What was done to it since is kept.
    let before = said.lock().unwrap().len();
    generated(Some(dir.clone()), scale, actor.clone(), &say).await.unwrap();
    assert_eq!(said.lock().unwrap().len(), before + 1, "nothing is filled twice");
    let other = Scale { servers: 61, ..scale };
    assert!(
        generated(Some(dir), other, actor, &say).await.is_err(),
        "another size is another folder"
    );
}
