//! Moving a registry from one store to another.

use super::Answer;
use crate::config::Loaded;
use crate::domain::Problem;
use crate::domain::audit::Actor;
use crate::registry::Op;
use crate::registry::postgres::{Options, Postgres};
use crate::registry::sqlite::Sqlite;
use crate::registry::transfer::{self, Report, Transfer};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// A PostgreSQL database, by its address.
    Postgres(String),
}

impl Place {
    /// As an operator writes it.
    pub fn parse(text: &str) -> Self {
        if crate::config::is_address(text) {
            return Self::Postgres(text.to_owned());
        }
        let path = Path::new(text);
        Self::File(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
    }
}

/// Opens a registry to copy from or to; `make`: a file that is missing is made.
async fn open(place: &Place, make: bool, reach: &Options) -> Answer<Box<dyn Transfer>> {
    match place {
        Place::Postgres(address) => {
            let registry = Postgres::open_as(address, reach.clone())
                .await
                .map_err(|error| error.problem())?;
            Ok(Box::new(registry))
        }
        Place::File(path) => {
            let path = path.clone();
            let opened = tokio::task::spawn_blocking(move || {
                if make {
                    Sqlite::open(path)
                } else {
                    Sqlite::open_existing(path)
                }
            });
            let registry = opened
                .await
                .map_err(|_| Problem::new("registry_failed", "opening the registry was interrupted"))?
                .map_err(|error| error.problem())?;
            Ok(Box::new(registry))
        }
    }
}

/// Copies a registry into an empty one, and compares every row.
///
/// # Errors
/// When one of them can't be opened, is in use, or the target is not empty; nothing is changed then.
pub async fn copy_registry(
    from: &Place,
    to: &Place,
    dry_run: bool,
    reach: &Options,
    actor: Actor,
    tell: &(dyn Fn(&str, &'static str) + Sync),
) -> Answer<Report> {
    if from == to {
        return Err(Problem::new("refused", "source and target are the same registry"));
    }
    let source = open(from, false, reach).await?;
    if dry_run {
        let (target, place) = match to {
            Place::File(path) if !path.exists() => (None, path.display().to_string()),
            to => {
                let target = open(to, false, reach).await?;
                let place = target.place();
                (Some(target), place)
            }
        };
        return transfer::look(source.as_ref(), target.as_deref(), &place)
            .await
            .map_err(super::shown);
    }
    let target = open(to, true, reach).await?;
    let op = Op {
        reason: None,
        id: uuid::Uuid::now_v7().to_string(),
        at: Timestamp::now(),
        actor,
    };
    let tell = |what: &str, table: &'static str| {
        crate::jobs::failpoint::pass(&format!("registry.copy.{what}.{table}"));
        tell(what, table);
    };
    transfer::copy(source.as_ref(), target.as_ref(), &op, &tell)
        .await
        .map_err(super::shown)
}

/// The registry that is configured.
pub fn configured(loaded: &Loaded) -> Place {
    match &loaded.places.shared {
        Some(address) => Place::Postgres(address.clone()),
        None => Place::File(loaded.places.registry.clone()),
    }
}
