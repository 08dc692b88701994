//! A registry that is a database: how it is reached, made, brought forward and looked at.

use super::Answer;
use crate::config::Loaded;
use crate::domain::Problem;
use crate::registry::RegistryError;
use crate::registry::postgres::{Environment, Options, Postgres, Status};
use crate::remote::secrets::Keyring;
use std::sync::Arc;

/// How the settings say that the registry is reached; connections are called `program` there.
pub fn reach(loaded: &Loaded, program: &str) -> Options {
    let settings = &loaded.settings.registry;
    let keyring = Keyring::at(loaded.places.key_file.clone());
    let password = settings.password.0.clone().map(|reference| {
        let source: crate::registry::postgres::PasswordSource = Arc::new(move || {
            let (keyring, reference) = (keyring.clone(), reference.clone());
            Box::pin(async move { keyring.resolve(&reference).await.map_err(|error| error.to_string()) })
        });
        source
    });
    let Ok(listen) = settings.listen.parse();
    Options {
        environment: Environment::here(),
        password,
        extra_ca: loaded.places.extra_ca.clone(),
        pool: settings.connections.get() as usize,
        listen,
        program: program.to_owned(),
    }
}

/// The configured registry's address.
///
/// # Errors
/// When it is a file.
pub fn address(loaded: &Loaded) -> Answer<&str> {
    loaded.places.shared.as_deref().ok_or_else(|| {
        Problem::new(
            "not_shared",
            format!(
                "the registry is the file {}, which needs no preparing",
                loaded.places.registry.display()
            ),
        )
        .hint("give the database's address: --registry postgres://USER@HOST/DATABASE, or [paths] registry")
    })
}

/// What making or bringing forward a registry came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Made {
    /// Where.
    pub place: String,
    /// The schema's version before; 0: there was none.
    pub before: i64,
    /// And after.
    pub after: i64,
}

/// Makes the registry, with its group roles; one that is there is brought forward.
///
/// # Errors
/// When the address can't be used, or the role may not.
pub async fn init(loaded: &Loaded) -> Answer<Made> {
    let address = address(loaded)?;
    let options = reach(loaded, "vigie registry");
    let place = Postgres::place_of(address, options.clone()).map_err(problem)?;
    let before = Postgres::init_as(address, options).await.map_err(problem)?;
    Ok(Made {
        place,
        before,
        after: Postgres::known_schema(),
    })
}

/// Brings a registry that is there forward.
///
/// # Errors
/// As [`init`], and when there is none.
pub async fn migrate(loaded: &Loaded) -> Answer<Made> {
    let found = status(loaded).await?;
    if found.schema == Some(0) {
        return Err(
            Problem::new("no_registry", format!("there is no registry at {}", found.place))
                .hint("`vigie registry init` makes one"),
        );
    }
    init(loaded).await
}

/// What there is to say of it.
///
/// # Errors
/// When it can't be reached.
pub async fn status(loaded: &Loaded) -> Answer<Status> {
    let address = address(loaded)?;
    Postgres::status(address, reach(loaded, "vigie registry"))
        .await
        .map_err(problem)
}

fn problem(error: RegistryError) -> Problem {
    error.problem()
}
