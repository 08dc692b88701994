//! A role of its own in the cluster for every server, as on machines of their own: none sees or may
//! touch another's databases.

use super::folder::Folder;
use super::{DOWN, PLACES, within};
use crate::domain::Problem;
use crate::sandbox::Cluster;
use tokio_postgres::NoTls;

/// The role of a server.
pub(super) fn role(code: &str) -> String {
    format!("odoo_{}", code.replace('-', "_"))
}

/// The name of its password among the sandbox's secrets.
pub(super) fn secret(code: &str) -> String {
    format!("{code}.database")
}

/// Makes the roles that are missing, and sees to it that their passwords are those of the folder.
pub(super) async fn make(cluster: &Cluster, folder: &Folder) -> Result<(), Problem> {
    let failed = |error: tokio_postgres::Error| {
        // The statement holds a password; what PostgreSQL says of it does not.
        let said = error
            .as_db_error()
            .map_or_else(|| "no answer".to_owned(), |error| error.message().to_owned());
        Problem::new(
            "sandbox",
            format!("a role could not be made in the sandbox's PostgreSQL: {said}"),
        )
    };
    let config = cluster.superuser_config("postgres");
    let (client, connection) = within(config.connect(NoTls)).await?.map_err(failed)?;
    let connection = tokio::spawn(connection);
    for place in PLACES.iter().chain([&DOWN]) {
        let (role, password) = (role(place.code), folder.secret(&secret(place.code))?);
        let known = within(client.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&role])).await?;
        let verb = if known.map_err(failed)?.is_some() {
            "ALTER"
        } else {
            "CREATE"
        };
        let statement = format!("{verb} ROLE {role} LOGIN CREATEDB PASSWORD '{}'", password.expose());
        within(client.batch_execute(&statement)).await?.map_err(failed)?;
    }
    drop(client);
    // Ends by itself once the client is gone.
    let _ = within(connection).await?;
    Ok(())
}
