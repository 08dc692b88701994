//! An instance: one customer's Odoo database on a server. And what it was sold as, and to whom.

use super::dedicated::DedicatedSpec;
use super::ids::{CustomerId, InstanceId, PlanId, ServerId, TemplateId};
use super::names::{DbName, Subdomain};
use super::secret::SecretRef;
use super::text::SafeText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Written down only.
    Draft,
    /// A job makes it.
    Provisioning,
    /// In service.
    Active,
    /// Switched off for its customer, kept.
    Suspended,
    /// The job that made it failed and was undone: it holds no place, no name and no database.
    Failed,
    /// A job removes it.
    Deleting,
}

impl InstanceState {
    /// The word, as stored and printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }

    /// Whether it takes one of its server's places, and keeps its names from others.
    pub fn takes_place(self) -> bool {
        !matches!(self, Self::Failed)
    }
}

/// What an instance is made as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// Display name.
    pub name: SafeText,
    /// Its customer, where one is known.
    pub customer_id: Option<CustomerId>,
    /// What it was sold as.
    pub plan_id: Option<PlanId>,
    /// What it is cloned from; none for a dedicated one.
    pub template_id: Option<TemplateId>,
    /// Where it lives; the template's server.
    pub server_id: ServerId,
    /// Its database; unique on its server.
    pub database_name: DbName,
    /// Its label; unique in the fleet.
    pub subdomain: Subdomain,
    /// Where its users find it (`web.base.url`).
    pub url: String,
    /// Its administrator's login.
    pub admin_login: String,
    /// Its administrator's password.
    pub admin_password: SecretRef,
    /// What makes it a dedicated one: a customer's own Odoo. None: a database on its server's Odoo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedicated: Option<Box<DedicatedSpec>>,
}

impl InstanceSpec {
    /// What it is made as, where it is a dedicated one.
    pub fn dedicated(&self) -> Option<&DedicatedSpec> {
        self.dedicated.as_deref()
    }
}

/// An instance of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Counts changes of spec and state.
    pub version: i64,
    /// What it was made as.
    pub spec: InstanceSpec,
    /// Where it is in its life.
    pub state: InstanceState,
    /// PostgreSQL's object id of its database, checked before anything is done to it.
    pub database_oid: Option<u32>,
    /// Its `database.uuid`.
    pub database_uuid: Option<String>,
    /// Its size as last seen, bytes.
    pub size_bytes: Option<u64>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

impl Instance {
    /// The order of the registry's lists: by name, byte by byte, then by id.
    pub fn by_name(&self, other: &Self) -> std::cmp::Ordering {
        (self.spec.name.as_str(), self.id).cmp(&(other.spec.name.as_str(), other.id))
    }
}

/// What instances are sold as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// Unique short name.
    pub code: String,
    /// Display name.
    pub name: SafeText,
    /// Users it allows; `None`: as many as wanted.
    pub max_users: Option<u32>,
    /// Storage it allows, GB; `None`: as much as wanted.
    pub max_storage_gb: Option<u32>,
}

/// To whom an instance was sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// Unique display name.
    pub name: SafeText,
    /// Where to write to.
    pub email: Option<String>,
}
