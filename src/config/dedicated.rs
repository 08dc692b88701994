//! How dedicated instances are made: what they are called, where they lie, what they are made of.

use super::value::{Bounded, SecretText, optional};
use crate::domain::dedicated::{DnsMethod, Floor, Module, Naming, PortRanges, RootDomain, TlsMethod};
use crate::domain::names::RemotePath;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// Making dedicated instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dedicated {
    /// The domain below which they get theirs; the fleet's where none is given.
    #[serde(with = "optional")]
    pub root_domain: Option<RootDomain>,
    /// Names that none may have, besides those that none ever has.
    pub reserved_names: Vec<String>,
    /// The folder on the server that each has its own in.
    #[serde(with = "optional")]
    pub apps_dir: Option<RemotePath>,
    /// How each is called: its folder, site and system user.
    pub instance_name: String,
    /// How its database is called.
    pub database_name: String,
    /// How its systemd unit is called.
    pub unit_name: String,
    /// Odoo's version, as the unit's name has it.
    pub odoo_version: String,
    /// Where Odoo's source comes from.
    pub source: String,
    /// Which branch or tag of a repository.
    pub branch: String,
    /// The interpreter on the server.
    pub python: String,
    /// What is installed, as far as the source has it.
    pub modules: Vec<Module>,
    /// Where HTTP ports are taken from.
    pub http_ports: PortSpan,
    /// Where websocket ports are taken from.
    pub gevent_ports: PortSpan,
    /// Where certificates come from.
    pub tls: TlsMethod,
    /// A certificate with its chain, on the server.
    #[serde(with = "optional")]
    pub certificate: Option<RemotePath>,
    /// Its key, on the server.
    #[serde(with = "optional")]
    pub certificate_key: Option<RemotePath>,
    /// Who makes names known.
    pub dns: DnsMethod,
    /// The zone, where it isn't the root domain.
    #[serde(with = "optional")]
    pub dns_zone: Option<RootDomain>,
    /// The API's token.
    pub dns_token: SecretText,
    /// The address that records point to, where it isn't the server's own.
    #[serde(with = "optional")]
    pub dns_address: Option<IpAddr>,
    /// Largest body of a request, MiB.
    pub body_mb: Bounded<1, 16384>,
    /// The folder of the operators' lists on the server.
    #[serde(with = "optional")]
    pub tracking_dir: Option<RemotePath>,
    /// Where the last backup of a removed one is put, on the server.
    #[serde(with = "optional")]
    pub backup_dir: Option<RemotePath>,
    /// Free memory below which none is made, MiB.
    pub min_memory_mb: Bounded<0, 1_048_576>,
    /// Free disk below which none is made, MiB.
    pub min_disk_mb: Bounded<0, 1_048_576>,
}

impl Default for Dedicated {
    fn default() -> Self {
        let (naming, ports) = (Naming::default(), PortRanges::default());
        let modules = ["base", "web", "web_enterprise", "contacts", "l10n_ar"];
        Self {
            root_domain: None,
            reserved_names: Vec::new(),
            apps_dir: RemotePath::parse("/srv/odoo").ok(),
            instance_name: naming.instance,
            database_name: naming.database,
            unit_name: naming.unit,
            odoo_version: "16".to_owned(),
            source: String::new(),
            branch: String::new(),
            python: "python3".to_owned(),
            modules: modules.iter().filter_map(|name| Module::parse(name).ok()).collect(),
            http_ports: PortSpan(ports.http),
            gevent_ports: PortSpan(ports.gevent),
            tls: TlsMethod::None,
            certificate: None,
            certificate_key: None,
            dns: DnsMethod::None,
            dns_zone: None,
            dns_token: SecretText::default(),
            dns_address: None,
            body_mb: Bounded::new(128),
            tracking_dir: None,
            backup_dir: RemotePath::parse("/var/backups/vigie").ok(),
            min_memory_mb: Bounded::new(300),
            min_disk_mb: Bounded::new(1024),
        }
    }
}

impl Dedicated {
    /// How names are made.
    pub fn naming(&self) -> Naming {
        Naming {
            instance: self.instance_name.clone(),
            database: self.database_name.clone(),
            unit: self.unit_name.clone(),
        }
    }

    /// Where ports are taken from.
    pub fn ranges(&self) -> PortRanges {
        PortRanges {
            http: self.http_ports.0.clone(),
            gevent: self.gevent_ports.0.clone(),
        }
    }

    /// Below this none is made.
    pub fn floor(&self) -> Floor {
        Floor {
            memory: u64::from(self.min_memory_mb.get()) << 20,
            disk: u64::from(self.min_disk_mb.get()) << 20,
        }
    }
}

/// Ports, the first and the last, as they are written: `2100-3000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpan(pub RangeInclusive<u16>);

impl fmt::Display for PortSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.start(), self.0.end())
    }
}
impl Serialize for PortSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for PortSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let ends = text.split_once('-').and_then(|(first, last)| {
            let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
            (first >= 1024 && first <= last).then_some(first..=last)
        });
        ends.map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "found {text:?}, expected two ports from 1024 on, such as \"2100-3000\""
            ))
        })
    }
}
