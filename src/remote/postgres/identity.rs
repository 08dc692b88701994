//! Giving a copied database an identity of its own. Until then it is the template's twin: same
//! uuid (two of them conflict at the subscription check), same secret (each opens the other's
//! links), same passwords.

use super::link::{Typed, column, explain};
use super::tenant::{ADMIN, SET_PARAM, TenantDb, XML_ID};
use super::{PgError, literal};
use crate::domain::{SafeText, Secret};
use crate::remote::error::{RemoteError, Result, deadline};
use jiff::Timestamp;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

/// Who a database becomes.
pub struct Identity<'a> {
    /// `database.uuid`. Chosen before, and recorded: it tells whether this was done.
    pub uuid: &'a str,
    /// `database.create_date`.
    pub created_at: Timestamp,
    /// `web.base.url`, which is frozen too: the next administrator's login would rewrite it.
    pub base_url: &'a str,
    /// The main company's name.
    pub company: &'a SafeText,
    /// The administrator's login.
    pub admin_login: &'a str,
    /// The administrator's password, hashed as Odoo keeps it ([`passlib::hash`](crate::domain::passlib::hash)):
    /// the caller hashes, since that takes a third of a second in which other work can be done.
    pub admin_password_hash: &'a Secret,
}

/// Whether the identity was given now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// Now.
    Now,
    /// It had been already: nothing was changed.
    Already,
}

/// What must not be taken over from a template: a subscription, and its end.
const SUBSCRIPTION: &[&str] = &[
    "database.enterprise_code",
    "database.expiration_date",
    "database.expiration_reason",
];

/// Columns that let someone in besides the password: set to NULL for every user or partner.
const WAYS_IN: &[(&str, &str)] = &[
    ("res_users", "totp_secret"),
    ("res_users", "oauth_access_token"),
    ("res_partner", "signup_token"),
];

/// Tables whose rows let someone in besides the password: emptied.
const KEYS: &[&str] = &["res_users_apikeys", "auth_totp_device", "auth_passkey_key"];

impl TenantDb {
    /// Gives the database its identity, in one transaction: all of it or nothing. The template's
    /// passwords, API keys and second factors work no more. Done already, it changes nothing.
    ///
    /// # Errors
    /// When it fails (then nothing is changed), or on a read-only handle.
    pub async fn give_identity(&mut self, identity: &Identity<'_>) -> Result<Given> {
        let what = self.what("give the copy its identity");
        self.params.access.write(&what)?;
        if self
            .param("database.uuid")
            .await?
            .is_some_and(|uuid| uuid.as_str() == identity.uuid)
        {
            return Ok(Given::Already);
        }
        let secret = Secret::new(uuid::Uuid::new_v4().to_string());
        let limit = self.params.limits.call;
        let work = async {
            let sql = |e: tokio_postgres::Error| -> RemoteError { explain(&what, &e, None).into() };
            let transaction = self.link.client.transaction().await.map_err(sql)?;
            let unit = Unit {
                transaction: &transaction,
                what: &what,
            };
            // The deadline below drops the future only: these stop the server too.
            let bounds = "SET LOCAL statement_timeout = '20s'; SET LOCAL lock_timeout = '10s'";
            transaction.batch_execute(bounds).await.map_err(sql)?;
            unit.parameters(identity, &secret).await?;
            unit.company(identity.company).await?;
            unit.users(identity.admin_login, identity.admin_password_hash).await?;
            unit.drop_caches().await?;
            transaction.commit().await.map_err(sql)
        };
        // Dropped by the deadline, the transaction rolls back with its connection.
        deadline(&what, limit, work).await??;
        Ok(Given::Now)
    }
}

/// One transaction of it.
struct Unit<'a> {
    transaction: &'a Transaction<'a>,
    what: &'a str,
}

impl Unit<'_> {
    async fn run(&self, sql: &str, params: Typed<'_>) -> Result<Vec<tokio_postgres::Row>> {
        let rows = self.transaction.query_typed(sql, params).await;
        rows.map_err(|e| explain(self.what, &e, None).into())
    }

    async fn has_column(&self, table: &str, column_name: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND NOT attisdropped";
        let params: Typed<'_> = &[(&table, Type::TEXT), (&column_name, Type::TEXT)];
        Ok(!self.run(sql, params).await?.is_empty())
    }

    async fn xml_id(&self, model: &str, name: &str) -> Result<Option<i32>> {
        if !self.has_column("ir_model_data", "res_id").await? {
            return Ok(None);
        }
        let params: Typed<'_> = &[(&model, Type::TEXT), (&name, Type::TEXT)];
        let rows = self.run(XML_ID, params).await?;
        rows.first().map(|row| column(row, "res_id")).transpose()
    }

    async fn set(&self, key: &str, value: &str) -> Result<()> {
        let params: Typed<'_> = &[(&key, Type::TEXT), (&value, Type::TEXT)];
        self.run(SET_PARAM, params).await.map(drop)
    }

    async fn parameters(&self, identity: &Identity<'_>, secret: &Secret) -> Result<()> {
        let created = identity.created_at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        self.set("database.uuid", identity.uuid).await?;
        self.set("database.create_date", &created).await?;
        self.set("database.secret", secret.expose()).await?;
        self.set("web.base.url", identity.base_url).await?;
        self.set("web.base.url.freeze", "True").await?;
        for key in SUBSCRIPTION {
            let params: Typed<'_> = &[(key, Type::TEXT)];
            self.run("DELETE FROM ir_config_parameter WHERE key = $1", params)
                .await?;
        }
        Ok(())
    }

    /// The main company and its partner, whose name stands on documents.
    async fn company(&self, name: &SafeText) -> Result<()> {
        let main = self.xml_id("res.company", "main_company").await?;
        let find = "SELECT id, partner_id FROM res_company WHERE id = coalesce($1, (SELECT min(id) FROM res_company))";
        let rows = self.run(find, &[(&main, Type::INT4)]).await?;
        let Some(row) = rows.first() else {
            return Err(self.unexpected("there is no company in it"));
        };
        let (company, partner): (i32, Option<i32>) = (column(row, "id")?, column(row, "partner_id")?);
        let name = name.as_str();
        let update = "UPDATE res_company SET name = $1 WHERE id = $2";
        let params: Typed<'_> = &[(&name, Type::TEXT), (&company, Type::INT4)];
        self.run(update, params).await?;
        let params: Typed<'_> = &[(&name, Type::TEXT), (&partner, Type::INT4)];
        self.run("UPDATE res_partner SET name = $1 WHERE id = $2", params)
            .await?;
        // Stored copies of the name, whichever this version keeps.
        for copy in ["display_name", "complete_name", "commercial_company_name"] {
            if self.has_column("res_partner", copy).await? {
                let update = format!("UPDATE res_partner SET {copy} = $1 WHERE id = $2");
                self.run(&update, params).await?;
            }
        }
        Ok(())
    }

    async fn users(&self, login: &str, hash: &Secret) -> Result<()> {
        let admin = self.xml_id("res.users", "user_admin").await?;
        let rows = self.run(ADMIN, &[(&admin, Type::INT4)]).await?;
        let Some(row) = rows.first() else {
            return Err(self.unexpected("there is no administrator in it"));
        };
        let admin: i32 = column(row, "id")?;
        let others: Typed<'_> = &[(&admin, Type::INT4)];
        self.run("UPDATE res_users SET password = NULL WHERE id <> $1", others)
            .await?;
        let hashed = hash.expose();
        let params: [(&(dyn ToSql + Sync), Type); 3] =
            [(&login, Type::TEXT), (&hashed, Type::TEXT), (&admin, Type::INT4)];
        let update = "UPDATE res_users SET login = $1, password = $2, active = true WHERE id = $3";
        self.run(update, &params).await?;
        for (table, way) in WAYS_IN {
            if self.has_column(table, way).await? {
                self.run(&format!("UPDATE {table} SET {way} = NULL WHERE {way} IS NOT NULL"), &[])
                    .await?;
            }
        }
        for table in KEYS {
            if self.has_column(table, "id").await? {
                self.run(&format!("DELETE FROM {table}"), &[]).await?;
            }
        }
        Ok(())
    }

    /// An Odoo that looked into the copy meanwhile has the old parameters in its caches: the
    /// sequences it watches tell it to drop them.
    async fn drop_caches(&self) -> Result<()> {
        let find = "SELECT c.relname::text AS name FROM pg_class c WHERE c.relkind = 'S' \
                    AND c.relnamespace = 'public'::regnamespace AND starts_with(c.relname::text, 'base_cache_signaling')";
        for row in self.run(find, &[]).await? {
            let name: String = column(&row, "name")?;
            let quoted = literal(&format!("public.\"{}\"", name.replace('"', "\"\"")));
            self.run(&format!("SELECT nextval({quoted}::regclass)"), &[]).await?;
        }
        Ok(())
    }

    fn unexpected(&self, why: &str) -> RemoteError {
        PgError::Unexpected {
            what: self.what.to_owned(),
            why: why.to_owned(),
        }
        .into()
    }
}
