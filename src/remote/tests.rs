use super::*;

fn sent<T: Send>(_: T) {}

/// Jobs run these in tasks that move between threads.
#[allow(dead_code, reason = "only has to compile")]
async fn all_can_be_spawned(remote: &Remote, server: &ServerSpec, db: &crate::domain::DbName) -> Result<()> {
    let cluster = remote.postgres(server, "x").await?;
    sent(remote.postgres(server, "x"));
    sent(cluster.create_from_template(db, db, &|_| {}));
    sent(cluster.cancel_and_wait("x", Duration::ZERO));
    sent(
        remote
            .host(server)?
            .exists(&crate::domain::RemotePath::parse("/").unwrap()),
    );
    sent(probe::check_server(remote, server, &probe::CheckSettings::default()));
    Ok(())
}
