//! The sandbox's registry as a team has it: in a database of its cluster, with a login for every role. A
//! configuration file for each of them, so that one person can be the whole team.

use super::folder::Folder;
use super::within;
use crate::domain::rights::Role;
use crate::domain::{Problem, Secret};
use crate::registry::postgres::{Options, Postgres};
use crate::sandbox::Cluster;
use std::path::PathBuf;
use tokio_postgres::NoTls;

/// The registry's database.
const DATABASE: &str = "fleet";

/// Who is in the team: the login, its role. The first is who starts the sandbox, and its worker.
const TEAM: [(&str, Role); 4] = [
    ("ada", Role::Admin),
    ("marie", Role::Manager),
    ("ugo", Role::User),
    ("wes", Role::Worker),
];

/// The name of a login's password among the sandbox's secrets.
fn secret(login: &str) -> String {
    format!("{login}.registry")
}

/// A login's configuration file; the first one's is the sandbox's own.
fn config(folder: &Folder, login: &str) -> PathBuf {
    if login == TEAM[0].0 {
        folder.config.clone()
    } else {
        folder.dir.join(format!("{login}.toml"))
    }
}

/// Makes the registry where it is missing, or brings it forward, with its logins, and writes their
/// configuration files: the cluster may have another port than last time.
pub(super) async fn make(
    cluster: &Cluster,
    folder: &Folder,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), Problem> {
    let failed = |error: tokio_postgres::Error| {
        // The statement may hold a password; what PostgreSQL says of it does not.
        let said = error
            .as_db_error()
            .map_or_else(|| "no answer".to_owned(), |error| error.message().to_owned());
        Problem::new("sandbox", format!("the shared registry could not be made: {said}"))
    };
    let root = cluster.superuser_config("postgres");
    let (client, connection) = within(root.connect(NoTls)).await?.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let there = within(client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&DATABASE])).await?;
    if there.map_err(failed)?.is_none() {
        let statement = format!("CREATE DATABASE {DATABASE}");
        within(client.batch_execute(&statement)).await?.map_err(failed)?;
    }
    let address = |login: &str| format!("postgres://{login}@{}:{}/{DATABASE}", cluster.host(), cluster.port());
    let password = root
        .get_password()
        .map(|password| String::from_utf8_lossy(password).into_owned())
        .unwrap_or_default();
    let options = Options::default().password(Secret::new(password));
    within(Postgres::init_as(
        &address(root.get_user().unwrap_or_default()),
        options,
    ))
    .await?
    .map_err(|error| error.problem())?;
    for (login, role) in TEAM {
        let password = folder.secret(&secret(login))?;
        let known = within(client.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&login])).await?;
        let verb = if known.map_err(failed)?.is_some() {
            "ALTER"
        } else {
            "CREATE"
        };
        let statement = format!(
            "{verb} ROLE {login} LOGIN PASSWORD '{}'; GRANT {} TO {login}",
            password.expose(),
            role.name()
        );
        within(client.batch_execute(&statement)).await?.map_err(failed)?;
        folder.share(
            &config(folder, login),
            &address(login),
            &folder.secret_ref(&secret(login)),
        )?;
        progress(&format!(
            "{login} is {}: --config {}",
            role.name(),
            config(folder, login).display()
        ));
    }
    drop(client);
    // Ends by itself once the client is gone.
    let _ = within(connection).await?;
    Ok(())
}
