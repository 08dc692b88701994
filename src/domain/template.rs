//! A template: an Odoo database, prepared and frozen, from which instances are cloned.

use super::ids::{ServerId, TemplateId};
use super::names::{Code, DbName};
use super::secret::SecretRef;
use super::text::SafeText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the operator wrote down about a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateSpec {
    /// Display name.
    pub name: SafeText,
    /// Unique short name.
    pub code: Code,
    /// The server that holds its database.
    pub server_id: ServerId,
    /// Its database.
    pub template_database: DbName,
    /// Modules to install in it, Odoo's technical names.
    pub base_modules: Vec<String>,
    /// Odoo's language code, such as `fr_FR`.
    pub language: String,
}

/// Where a template is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateState {
    /// Written down, or thawed to be edited: nothing is cloned from it.
    Draft,
    /// A job works on its database.
    Creating,
    /// Frozen: instances can be cloned from it.
    Ready,
    /// The job that made it failed and was undone.
    Failed,
}

impl TemplateState {
    /// The word, as stored and printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Creating => "creating",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// A template of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its id.
    pub id: TemplateId,
    /// Counts changes of spec and state.
    pub version: i64,
    /// What the operator wrote down.
    pub spec: TemplateSpec,
    /// Where it is in its life.
    pub state: TemplateState,
    /// What jobs found out about its database.
    pub facts: TemplateFacts,
    /// Instances made from it that still are.
    pub instance_count: u32,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What jobs found out about a template's database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TemplateFacts {
    /// PostgreSQL's object id of the database, checked before anything is done to it.
    pub database_oid: Option<u32>,
    /// Its size, bytes.
    pub size_bytes: Option<u64>,
    /// The administrator's login.
    pub admin_login: Option<String>,
    /// The administrator's password, sealed; `None` for an adopted database.
    pub admin_password: Option<SecretRef>,
    /// Odoo's series, such as `16.0`.
    pub odoo_version: Option<String>,
    /// Whether PostgreSQL keeps it frozen (`IS_TEMPLATE`, no connections).
    pub frozen: bool,
}
