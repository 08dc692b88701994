//! Odoo over `/jsonrpc`, and its web routes where a newer one has no `/jsonrpc`.
//!
//! Facts the client rests on: `args` is mandatory even when empty; errors come as HTTP 200 with an
//! `error` member whose `data.name` is the class; a method that returns nothing answers with neither
//! `result` nor `error`; `create_database` answers `true` even when the initialisation failed.

mod error;
mod rpc;
mod web;

pub use error::{FaultKind, OdooError};
pub use web::DbServerStatus;
pub(super) use web::{describe, not_odoo, read_version};

use super::error::{RemoteError, Result};
use super::http::Http;
use super::secrets::Keyring;
use super::{Access, Limits, Remote};
use crate::domain::check::ServerUrl;
use crate::domain::server::ServerSpec;
use crate::domain::{Code, DbName, SafeText, Secret, SecretRef};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Methods of models that only read, and are therefore allowed on a read-only handle.
const READING: &[&str] = &[
    "check_access_rights",
    "default_get",
    "fields_get",
    "get_param",
    "name_search",
    "read",
    "read_group",
    "search",
    "search_count",
    "search_read",
];

/// One server's Odoo. Cheap to clone; connects when it is used.
#[derive(Clone)]
pub struct Odoo {
    http: Http,
    url: ServerUrl,
    code: Code,
    master: Option<SecretRef>,
    keyring: Keyring,
    limits: Limits,
    access: Access,
    next_id: Arc<AtomicU64>,
}

/// Odoo's version as it says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Such as `16.0` or `saas~17.2`.
    pub text: SafeText,
    /// The series, such as `16.0`, where it is given.
    pub series: Option<SafeText>,
    /// The major number, where it is one: 16.
    pub major: Option<u32>,
}

/// What `create_database` takes.
pub struct CreateDatabase<'a> {
    /// Its name.
    pub name: &'a DbName,
    /// Whether demonstration data is loaded.
    pub demo: bool,
    /// Language code, such as `fr_FR`.
    pub lang: &'a str,
    /// The administrator's password.
    pub password: &'a Secret,
    /// The administrator's login.
    pub login: &'a str,
    /// Country code, such as `fr`. An unknown one makes Odoo answer `true` and leave `admin`/`admin`.
    pub country: Option<&'a str>,
    /// Telephone.
    pub phone: Option<&'a str>,
}

/// Who calls a model's method, in which database.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The database.
    pub db: &'a DbName,
    /// The user's id, from [`Odoo::authenticate`].
    pub uid: i64,
    /// Password or API key.
    pub password: &'a Secret,
}

impl Odoo {
    pub(super) fn new(remote: &Remote, server: &ServerSpec) -> Self {
        Self {
            http: remote.http.clone(),
            url: server.server_url.clone(),
            code: server.code.clone(),
            master: server.master_password.clone(),
            keyring: remote.keyring.clone(),
            limits: remote.limits.clone(),
            access: remote.access,
            next_id: Arc::new(AtomicU64::new(1)),
        }
    }

    /// `common.version`: no password, and green while PostgreSQL is dead.
    ///
    /// # Errors
    /// As every call: [`OdooError`].
    pub async fn version(&self) -> Result<Version> {
        let answer = self.call("common", "version", json!([]), self.limits.call).await?;
        web::version_of(&answer).ok_or_else(|| self.unexpected("common.version", &answer, "a version").into())
    }

    /// `common.about`: a line of text.
    ///
    /// # Errors
    /// As every call.
    pub async fn about(&self) -> Result<SafeText> {
        let answer = self.call("common", "about", json!([]), self.limits.call).await?;
        self.text("common.about", &answer)
    }

    /// `db.server_version`: Odoo's version as text.
    ///
    /// # Errors
    /// As every call.
    pub async fn server_version(&self) -> Result<SafeText> {
        let answer = self.call("db", "server_version", json!([]), self.limits.call).await?;
        self.text("db.server_version", &answer)
    }

    /// The databases Odoo shows: not those that refuse connections. [`FaultKind::AccessDenied`] here
    /// means `list_db = False`, since no password is asked.
    ///
    /// # Errors
    /// As every call.
    pub async fn list(&self) -> Result<Vec<SafeText>> {
        let answer = self.call("db", "list", json!([]), self.limits.call).await?;
        let names = answer.as_array().map(|names| {
            let texts = names.iter().filter_map(Value::as_str);
            texts.map(SafeText::new).collect()
        });
        names.ok_or_else(|| self.unexpected("db.list", &answer, "a list").into())
    }

    /// The languages databases can be created in: code and label.
    ///
    /// # Errors
    /// As every call.
    pub async fn list_lang(&self) -> Result<Vec<(String, SafeText)>> {
        let answer = self.call("db", "list_lang", json!([]), self.limits.call).await?;
        let languages = answer
            .as_array()
            .ok_or_else(|| self.unexpected("db.list_lang", &answer, "a list"))?;
        let pair = |entry: &Value| {
            let code = entry.get(0)?.as_str()?;
            Some((code.to_owned(), SafeText::new(entry.get(1)?.as_str()?)))
        };
        Ok(languages.iter().filter_map(pair).collect())
    }

    /// Whether Odoo can connect to a database: `false` also when PostgreSQL is down or the database
    /// refuses connections.
    ///
    /// # Errors
    /// As every call.
    pub async fn db_exist(&self, name: &DbName) -> Result<bool> {
        let answer = self.call("db", "db_exist", json!([name]), self.limits.call).await?;
        self.truth("db.db_exist", &answer)
    }

    /// Creates and initialises a database. Odoo answers well even when the initialisation failed:
    /// verify by [`Odoo::authenticate`] with the new password, and that `admin`/`admin` is refused.
    ///
    /// # Errors
    /// As every call; [`RemoteError::WriteRefused`] on a read-only handle.
    pub async fn create_database(&self, new: &CreateDatabase<'_>) -> Result<()> {
        let what = format!("create database {}", new.name);
        self.access.write(&what)?;
        let master = self.master().await?;
        let password = new.password.expose();
        let mut args = vec![
            json!(master.expose()),
            json!(new.name),
            json!(new.demo),
            json!(new.lang),
        ];
        args.extend([json!(password), json!(new.login)]);
        if new.country.is_some() || new.phone.is_some() {
            args.push(json!(new.country));
        }
        if new.phone.is_some() {
            args.push(json!(new.phone));
        }
        let limit = self.limits.create_database;
        self.call("db", "create_database", Value::from(args), limit).await?;
        Ok(())
    }

    /// Duplicates a database with its filestore. Ends every session of the source first; a failure
    /// after the copy leaves the target behind.
    ///
    /// # Errors
    /// As every call; [`RemoteError::WriteRefused`] on a read-only handle.
    pub async fn duplicate(&self, source: &DbName, target: &DbName) -> Result<()> {
        self.access.write(&format!("duplicate database {source} to {target}"))?;
        let master = self.master().await?;
        let args = json!([master.expose(), source, target]);
        let limit = self.limits.change_database;
        self.call("db", "duplicate_database", args, limit).await?;
        Ok(())
    }

    /// Renames a database and its filestore.
    ///
    /// # Errors
    /// As every call; [`RemoteError::WriteRefused`] on a read-only handle.
    pub async fn rename(&self, old: &DbName, new: &DbName) -> Result<()> {
        self.access.write(&format!("rename database {old} to {new}"))?;
        let master = self.master().await?;
        let args = json!([master.expose(), old, new]);
        self.call("db", "rename", args, self.limits.change_database).await?;
        Ok(())
    }

    /// Drops a database and its filestore. `false`: it was not there, or it is frozen as a template.
    /// Odoo knows no marks and no ids: observe them through PostgreSQL before.
    ///
    /// # Errors
    /// As every call; [`RemoteError::WriteRefused`] on a read-only handle.
    pub async fn drop(&self, name: &DbName) -> Result<bool> {
        self.access.write(&format!("drop database {name}"))?;
        let master = self.master().await?;
        let args = json!([master.expose(), name]);
        let answer = self.call("db", "drop", args, self.limits.change_database).await?;
        self.truth("db.drop", &answer)
    }

    /// Whether `password` is the master password, and database management is open, tried with
    /// `list_countries`, which changes nothing and costs Odoo about 0.4 s of processor.
    ///
    /// # Errors
    /// As every call, but not when it is refused.
    pub async fn master_accepts(&self, password: &Secret, limit: Duration) -> Result<bool> {
        match self
            .call("db", "list_countries", json!([password.expose()]), limit)
            .await
        {
            Ok(_) => Ok(true),
            Err(RemoteError::Odoo(e)) if e.kind() == Some(FaultKind::AccessDenied) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// The user's id, or `None` when login or password is refused.
    ///
    /// # Errors
    /// As every call; a database that is not there is [`FaultKind::DatabaseUnreachable`].
    pub async fn authenticate(&self, db: &DbName, login: &str, password: &Secret) -> Result<Option<i64>> {
        let args = json!([db, login, password.expose(), {}]);
        // The first call on a database loads its registry: seconds when cold.
        let limit = self.limits.call.max(Duration::from_secs(120));
        let answer = self.call("common", "authenticate", args, limit).await?;
        match answer {
            Value::Bool(false) | Value::Null => Ok(None),
            Value::Number(ref n) if n.as_i64().is_some_and(|uid| uid > 0) => Ok(n.as_i64()),
            other => Err(self.unexpected("common.authenticate", &other, "a user's id").into()),
        }
    }

    /// The URL this handle speaks to.
    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    async fn master(&self) -> Result<Secret> {
        match &self.master {
            Some(reference) => Ok(self.keyring.resolve(reference).await?),
            None => Err(RemoteError::NotConfigured {
                what: format!("the master password of {} is not on record", self.code),
                hint: "give it with --master-password-from, or in the server's form (e)",
            }),
        }
    }

    fn what(&self, call: &str) -> String {
        format!("{call} on {}", self.url)
    }

    fn unexpected(&self, call: &str, got: &Value, wanted: &'static str) -> OdooError {
        OdooError::Unexpected {
            what: self.what(call),
            got: SafeText::capped(&got.to_string(), 120),
            wanted,
        }
    }

    fn text(&self, call: &str, answer: &Value) -> Result<SafeText> {
        let text = answer.as_str().map(SafeText::new);
        text.ok_or_else(|| self.unexpected(call, answer, "a text").into())
    }

    fn truth(&self, call: &str, answer: &Value) -> Result<bool> {
        answer
            .as_bool()
            .ok_or_else(|| self.unexpected(call, answer, "true or false").into())
    }
}

#[cfg(test)]
mod tests;
