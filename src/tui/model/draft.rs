//! What forms send: values already parsed into the domain's types, secrets as references or sealed by
//! the receiver.

use crate::domain::server::ServerSpec;
use crate::domain::template::TemplateSpec;
use crate::domain::{DbName, PlanId, SafeText, Secret, SecretRef, ServerId, Subdomain, TemplateId};
use std::sync::Arc;

/// A secret typed into a masked field, on its way to be sealed. Equal only to its own copies; shown
/// as dots.
#[derive(Clone)]
pub struct TypedSecret(Arc<Secret>);

impl TypedSecret {
    /// Takes what was typed over.
    pub fn new(value: String) -> Self {
        Self(Arc::new(Secret::new(value)))
    }

    /// Takes a value that is a secret already.
    pub fn from(value: Secret) -> Self {
        Self(Arc::new(value))
    }

    /// The value, for the one call that seals it.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl std::fmt::Debug for TypedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypedSecret(…)")
    }
}

impl PartialEq for TypedSecret {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What a form says about a secret.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum SecretField {
    /// Leave it as it is; for a new record: none (an administrator's password is then generated).
    #[default]
    Keep,
    /// By reference.
    Reference(SecretRef),
    /// Typed once, to be sealed with the operator's key.
    Typed(TypedSecret),
    /// Take it away.
    Clear,
}

/// A new instance, as far as the form has come.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceDraft {
    /// Display name.
    pub name: SafeText,
    /// Its label; derived from the name where `None`.
    pub subdomain: Option<Subdomain>,
    /// Its database; derived from the subdomain where `None`.
    pub database: Option<DbName>,
    /// What it is cloned from; the first ready one on the placed server where `None`.
    pub template: Option<TemplateId>,
    /// Where; by placement where `None`.
    pub server: Option<ServerId>,
    /// What it is sold as.
    pub plan: Option<PlanId>,
    /// To whom, by name; added where there is none of that name. Empty: nobody.
    pub customer: SafeText,
    /// Its administrator's login; `admin` where empty.
    pub admin_login: String,
    /// Its administrator's password; generated where [`SecretField::Keep`].
    pub admin_password: SecretField,
}

/// A new or changed server. In `spec` the two secrets hold what stands in the registry; the fields
/// beside it say what becomes of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerDraft {
    /// All fields but the secrets.
    pub spec: ServerSpec,
    /// PostgreSQL's password.
    pub db_password: SecretField,
    /// Odoo's master password.
    pub master_password: SecretField,
}

/// A new template.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateDraft {
    /// All its fields.
    pub spec: TemplateSpec,
    /// What to do with its database right away.
    pub then: Option<super::TemplateWork>,
}

/// The versions a plan was made on; it is refused when they are others by the time it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expected {
    /// The server's.
    pub server: Option<(ServerId, i64)>,
    /// The template's.
    pub template: Option<(TemplateId, i64)>,
}
