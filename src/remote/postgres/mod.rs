//! A server's PostgreSQL: its databases, and the SQL inside an Odoo database.
//!
//! Databases are told apart by OID and by the mark in their comment, never by name alone; names are
//! [`DbName`], validated *and* quoted.

mod clone;
mod cluster;
mod error;
mod identity;
mod link;
mod tenant;

pub use clone::{CloneProgress, Dropped, temp_name};
pub use cluster::{Cluster, DatabaseInfo, RoleInfo, Session};
pub use error::PgError;
pub use identity::{Given, Identity};
pub use tenant::{AdminUser, TenantDb};

use crate::domain::DbName;

/// A database's name as an SQL identifier.
fn ident(name: &DbName) -> String {
    format!("\"{}\"", name.as_str().replace('"', "\"\""))
}

/// A text as an SQL literal, for statements that take no parameters.
fn literal(text: &str) -> String {
    let text: String = text.chars().filter(|c| *c != '\0').collect();
    let quoted = text.replace('\'', "''").replace('\\', "\\\\");
    format!("E'{quoted}'")
}
