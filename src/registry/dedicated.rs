//! What both stores do alike for dedicated instances: reading one's row, settling its ports.

use super::{RegistryError, Result};
use crate::domain::dedicated::{DedicatedFacts, DedicatedSpec, DnsMethod, Names, Ports, Purpose, Series, TlsMethod};
use crate::domain::instance::InstanceSpec;
use crate::domain::job::JobSpec;
use crate::domain::names::{DbName, RemotePath, Subdomain};
use crate::domain::{InstanceId, ServerId};
use std::collections::BTreeSet;

/// A row as it was read; its texts are read again before they are anything.
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) database: String,
    pub(super) purpose: String,
    pub(super) label: String,
    pub(super) domain: String,
    pub(super) series: u16,
    pub(super) ports: (u16, u16),
    pub(super) unit: String,
    pub(super) os_user: String,
    pub(super) folder: String,
    pub(super) tls: String,
    pub(super) dns: String,
    pub(super) facts: DedicatedFacts,
}

impl Stored {
    /// What it was made as, or what is wrong with the row.
    pub(super) fn spec(self) -> std::result::Result<DedicatedSpec, String> {
        fn text(e: impl std::fmt::Display) -> String {
            e.to_string()
        }
        let word = |what: &str, word: &str| format!("its {what} is {word:?}");
        let name = Subdomain::parse(&self.name).map_err(text)?;
        let database = DbName::parse(&self.database).map_err(text)?;
        Ok(DedicatedSpec {
            purpose: Purpose::of(&self.purpose).ok_or_else(|| word("purpose", &self.purpose))?,
            names: Names::stored(name, &self.label, &self.domain, database, &self.os_user, &self.unit).map_err(text)?,
            series: Series(self.series),
            ports: Ports {
                http: self.ports.0,
                gevent: self.ports.1,
            },
            folder: RemotePath::parse(&self.folder).map_err(text)?,
            tls: TlsMethod::of(&self.tls).ok_or_else(|| word("certificate", &self.tls))?,
            dns: DnsMethod::of(&self.dns).ok_or_else(|| word("DNS", &self.dns))?,
            facts: self.facts,
        })
    }
}

/// Which of a dedicated instance's names or ports another one has, by the constraint that says so.
pub(super) fn dedicated_taken(spec: &InstanceSpec, constraint: &str) -> RegistryError {
    let Some(dedicated) = spec.dedicated() else {
        return RegistryError::Rule(format!("the registry refuses it: {constraint}"));
    };
    let found = |what: &str| constraint.contains(what);
    let (what, value) = if found("domain") {
        ("domain", dedicated.names.domain.clone())
    } else if found("unit") {
        ("unit", dedicated.names.unit.clone())
    } else if found("os_user") {
        ("system user", dedicated.names.user.clone())
    } else if found("folder") {
        ("folder", dedicated.folder.to_string())
    } else {
        (
            "port",
            format!("{} or {}", dedicated.ports.http, dedicated.ports.gevent),
        )
    };
    RegistryError::Taken { what, value }
}

/// The parts of a job that writes an instance down, which must be that instance's.
fn parts(spec: &JobSpec) -> Option<(ServerId, &DbName, bool)> {
    match spec {
        JobSpec::InstanceCreate {
            server_id, database, ..
        } => Some((*server_id, database, false)),
        JobSpec::DedicatedCreate {
            server_id, database, ..
        } => Some((*server_id, database, true)),
        _ => None,
    }
}

/// Refuses a job that writes down another instance than it speaks of, or one without a name.
pub(super) fn same_instance(spec: &JobSpec, instance: &InstanceSpec) -> Result<()> {
    let Some((server, database, dedicated)) = parts(spec) else {
        let kind = spec.kind().word();
        return Err(RegistryError::Rule(format!(
            "a job of kind {kind} writes no instance down"
        )));
    };
    let same = (server, database) == (instance.server_id, &instance.database_name)
        && (spec.template_id(), dedicated) == (instance.template_id, instance.dedicated.is_some());
    if !same {
        return Err(RegistryError::Rule(
            "the job and its instance don't speak of the same database".to_owned(),
        ));
    }
    if instance.name.as_str().trim().is_empty() {
        return Err(RegistryError::Rule("the name is empty".to_owned()));
    }
    Ok(())
}

/// The instance with ports that nobody holds: the planned ones where they are still free.
pub(super) fn with_ports(spec: &JobSpec, instance: &InstanceSpec, held: &BTreeSet<u16>) -> Result<InstanceSpec> {
    let mut settled = instance.clone();
    if let (Some(dedicated), JobSpec::DedicatedCreate { build, .. }) = (settled.dedicated.as_mut(), spec) {
        let taken = |port: u16| held.contains(&port);
        if taken(dedicated.ports.http) || taken(dedicated.ports.gevent) {
            let picked = build.ranges.pick(held, &build.listening);
            dedicated.ports = picked.map_err(|none| RegistryError::Rule(none.to_string()))?;
        }
    }
    Ok(settled)
}

/// The job speaks of the row that was written.
pub(super) fn give_id(spec: &mut JobSpec, id: InstanceId) {
    if let JobSpec::InstanceCreate { instance_id, .. } | JobSpec::DedicatedCreate { instance_id, .. } = spec {
        *instance_id = id;
    }
}
