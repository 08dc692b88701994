//! A server: what the operator wrote down, what they intend, what checks observed; and the state
//! machine that ties them together.
//!
//! Intent has one writer (the operator), observation another (the checks). Neither ever writes the
//! other's; the word `state` that operators and their SQL use is derived from both.

use super::check::ServerUrl;
use super::health::HealthTrack;
use super::ids::ServerId;
use super::names::{Code, HostName, RemotePath};
use super::secret::SecretRef;
use super::text::SafeText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the operator wrote down about a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSpec {
    /// Display name.
    pub name: SafeText,
    /// Unique short name.
    pub code: Code,
    /// Free text.
    pub description: SafeText,
    /// Where Odoo answers; unique.
    pub server_url: ServerUrl,
    /// The machine's address, for DNS records.
    pub server_ip: Option<HostName>,
    /// Odoo's HTTP port on the machine, where it differs from the URL's.
    pub port: Option<u16>,
    /// How to reach the machine by ssh; `None` where it can't be, or is this machine.
    pub ssh: Option<SshAccess>,
    /// PostgreSQL's host; `None` where only RPC reaches the server.
    pub db_host: Option<HostName>,
    /// PostgreSQL's port, 5432 unless told.
    pub db_port: u16,
    /// PostgreSQL's role, the one Odoo itself uses.
    pub db_user: Option<String>,
    /// Its password.
    pub db_password: Option<SecretRef>,
    /// How PostgreSQL's connection is protected.
    pub db_tls: DbTls,
    /// Odoo's master password.
    pub master_password: Option<SecretRef>,
    /// Odoo's `data_dir` on the machine, below which `filestore/<database>` lies; `None`: unknown.
    pub data_dir: Option<RemotePath>,
    /// How many instances it may host; over 0.
    pub max_instances: u32,
    /// Processor cores.
    pub cpu_cores: Option<u32>,
    /// Memory, GB.
    pub memory_gb: Option<u32>,
    /// Disk, GB.
    pub disk_gb: Option<u32>,
}

/// How to reach a machine by ssh, through the operator's own OpenSSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshAccess {
    /// Host name, address, or a `Host` of the operator's ssh configuration.
    pub host: HostName,
    /// User; the ssh configuration's where not given.
    pub user: Option<String>,
    /// Port; the ssh configuration's where not given.
    pub port: Option<u16>,
    /// Identity file on this machine.
    pub identity: Option<String>,
}

/// How the connection to a server's PostgreSQL is protected. There is no "prefer": it would fall
/// back to the clear in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DbTls {
    /// In the clear: sockets, loopback, or a private network the operator vouches for.
    #[default]
    Disable,
    /// Encrypted, certificate and name verified.
    VerifyFull,
}

/// Why a server's record was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// It could host nothing.
    #[error("max_instances must be over 0")]
    NoPlaces,
    /// Shown in every list.
    #[error("the name is empty")]
    NoName,
    /// A role name that PostgreSQL would cut or refuse.
    #[error("db_user {0:?} is no PostgreSQL role name: 1 to 63 bytes without control characters")]
    BadDbUser(String),
}

impl ServerSpec {
    /// # Errors
    /// When a rule that the fields' types don't carry is broken.
    pub fn validate(&self) -> Result<(), SpecError> {
        if self.max_instances == 0 {
            return Err(SpecError::NoPlaces);
        }
        if self.name.as_str().trim().is_empty() {
            return Err(SpecError::NoName);
        }
        match &self.db_user {
            Some(user) if user.is_empty() || user.len() > 63 || user.chars().any(char::is_control) => {
                Err(SpecError::BadDbUser(user.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// What the operator wants of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Written down, not yet in service.
    Draft,
    /// In service.
    Active,
    /// Its instances stay, new ones go elsewhere.
    Maintenance,
    /// Out of service.
    Disabled,
}

/// What checks last established.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    /// No check has come to a result yet.
    NeverSeen,
    /// It answers.
    Online,
    /// It failed as many checks in a row as the settings ask for.
    Offline,
}

/// The word operators use, derived from intent and observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// Written down, not yet in service.
    Draft,
    /// In service, as far as is known.
    Active,
    /// In maintenance, whatever checks say.
    Maintenance,
    /// Meant to be in service, and does not answer.
    Offline,
    /// Out of service.
    Disabled,
}

impl ServerState {
    /// What both columns come to.
    pub fn derive(intent: Intent, observed: Observed) -> Self {
        match (intent, observed) {
            (Intent::Draft, _) => Self::Draft,
            (Intent::Maintenance, _) => Self::Maintenance,
            (Intent::Disabled, _) => Self::Disabled,
            (Intent::Active, Observed::Offline) => Self::Offline,
            (Intent::Active, _) => Self::Active,
        }
    }

    /// The word, as stored and printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Maintenance => "maintenance",
            Self::Offline => "offline",
            Self::Disabled => "disabled",
        }
    }
}

/// A server of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// Counts the operators' changes (not the checks'), so that a stale dialog is noticed.
    pub version: i64,
    /// What the operator wrote down.
    pub spec: ServerSpec,
    /// What the operator intends.
    pub intent: Intent,
    /// What checks observed.
    pub track: HealthTrack,
    /// Instances that take a place: all but failed ones.
    pub instance_count: u32,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Server {
    /// The derived state.
    pub fn state(&self) -> ServerState {
        ServerState::derive(self.intent, self.track.observed)
    }

    /// Free places as a percentage, 0 to 100; below 0 never, even when over-full.
    pub fn available_capacity(&self) -> f64 {
        super::capacity::available_percent(self.instance_count, self.spec.max_instances)
    }
}

/// What an operator asks of a server's life cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// Put in service; carries the outcome of the connection test made just before.
    Activate {
        /// `Err` with the reason when the test failed.
        connection: Result<(), String>,
    },
    /// Take out of service.
    Deactivate,
    /// Keep the instances, take no new ones.
    Maintain,
    /// Remove from the registry.
    Delete,
}

/// What an event comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The intent becomes this.
    To(Intent),
    /// It is as asked already.
    Unchanged,
    /// It may go.
    Remove,
}

/// Why an event is refused, in the operators' words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The test before activation failed.
    #[error("Cannot activate server. Connection test failed: {0}")]
    ConnectionTestFailed(String),
    /// Someone still lives there.
    #[error("Cannot deactivate server while it has instances ({0})")]
    DeactivateWithInstances(u32),
    /// Someone still lives there.
    #[error("Cannot delete server while it has instances ({0})")]
    DeleteWithInstances(u32),
}

/// The state machine: what `event` does to a server with this intent and so many instances.
///
/// # Errors
/// The refusal, with its reason.
pub fn decide(intent: Intent, instances: u32, event: &ServerEvent) -> Result<Transition, Refusal> {
    let to = |wanted: Intent| {
        Ok(if wanted == intent {
            Transition::Unchanged
        } else {
            Transition::To(wanted)
        })
    };
    match event {
        ServerEvent::Activate { connection: Err(why) } => Err(Refusal::ConnectionTestFailed(why.clone())),
        ServerEvent::Activate { connection: Ok(()) } => to(Intent::Active),
        ServerEvent::Maintain => to(Intent::Maintenance),
        ServerEvent::Deactivate if instances > 0 => Err(Refusal::DeactivateWithInstances(instances)),
        ServerEvent::Deactivate => to(Intent::Disabled),
        ServerEvent::Delete if instances > 0 => Err(Refusal::DeleteWithInstances(instances)),
        ServerEvent::Delete => Ok(Transition::Remove),
    }
}
