//! SQL inside one Odoo database.

use super::link::{Link, Params, Typed, column};
use crate::domain::{DbName, SafeText};
use crate::remote::error::Result;
use tokio_postgres::types::Type;

/// A connection to one Odoo database. It keeps the database from being cloned, renamed or dropped:
/// let it go before.
pub struct TenantDb {
    pub(super) params: Params,
    pub(super) link: Link,
    pub(super) db: DbName,
}

/// The administrator of an Odoo database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminUser {
    /// The user's id.
    pub id: i32,
    /// The login.
    pub login: SafeText,
}

impl TenantDb {
    pub(super) async fn connect(params: &Params, database: &DbName) -> Result<Self> {
        Ok(Self {
            link: params.tenant(database).await?,
            params: params.clone(),
            db: database.clone(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &DbName {
        &self.db
    }

    pub(super) fn what(&self, doing: &str) -> String {
        format!("{doing} in {}", self.db)
    }

    /// Whether this is an initialised Odoo database.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn is_odoo(&self) -> Result<bool> {
        self.has_table("ir_module_module").await
    }

    pub(super) async fn has_table(&self, table: &str) -> Result<bool> {
        let sql = "SELECT to_regclass($1) IS NOT NULL AS there";
        let params: Typed<'_> = &[(&table, Type::TEXT)];
        let limit = self.params.limits.call;
        let row = self
            .link
            .row(&self.what("look for Odoo's tables"), limit, sql, params)
            .await?;
        row.as_ref().map_or(Ok(false), |row| column(row, "there"))
    }

    /// Odoo's version: that of its module `base`, such as `16.0.1.3`.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn base_version(&self) -> Result<Option<SafeText>> {
        let sql = "SELECT latest_version FROM ir_module_module WHERE name = 'base' AND state = 'installed'";
        let limit = self.params.limits.call;
        let row = self
            .link
            .row(&self.what("read Odoo's version"), limit, sql, &[])
            .await?;
        let Some(row) = row else { return Ok(None) };
        let version: Option<String> = column(&row, "latest_version")?;
        Ok(version.map(|v| SafeText::capped(&v, 60)))
    }

    /// A value of `ir_config_parameter`.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn param(&self, key: &str) -> Result<Option<SafeText>> {
        let sql = "SELECT value FROM ir_config_parameter WHERE key = $1";
        let params: Typed<'_> = &[(&key, Type::TEXT)];
        let limit = self.params.limits.call;
        let row = self
            .link
            .row(&self.what("read a parameter"), limit, sql, params)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let value: Option<String> = column(&row, "value")?;
        Ok(value.map(|v| SafeText::new(&v)))
    }

    /// Sets a value of `ir_config_parameter`. An Odoo that has the database loaded sees it only after
    /// its caches are dropped.
    ///
    /// # Errors
    /// When it fails, or on a read-only handle.
    pub async fn set_param(&self, key: &str, value: &str) -> Result<()> {
        let what = self.what("set a parameter");
        self.params.access.write(&what)?;
        let params: Typed<'_> = &[(&key, Type::TEXT), (&value, Type::TEXT)];
        self.link
            .rows(&what, self.params.limits.call, SET_PARAM, params)
            .await?;
        Ok(())
    }

    /// How many attachments have their content in the filestore.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn filestore_files(&self) -> Result<u64> {
        let sql = "SELECT count(*) AS files FROM ir_attachment WHERE store_fname IS NOT NULL";
        let limit = self.params.limits.call;
        let row = self
            .link
            .row(&self.what("count the filestore's files"), limit, sql, &[])
            .await?;
        let count: i64 = row.as_ref().map_or(Ok(0), |row| column(row, "files"))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The administrator: the user behind `base.user_admin`, else the user with id 2.
    ///
    /// # Errors
    /// When the question fails.
    pub async fn admin_user(&self) -> Result<Option<AdminUser>> {
        let limit = self.params.limits.call;
        let what = self.what("look for the administrator");
        let mut id: Option<i32> = None;
        if self.has_table("ir_model_data").await? {
            let params: Typed<'_> = &[(&"res.users", Type::TEXT), (&"user_admin", Type::TEXT)];
            let row = self.link.row(&what, limit, XML_ID, params).await?;
            id = row.as_ref().map(|row| column(row, "res_id")).transpose()?;
        }
        let params: Typed<'_> = &[(&id, Type::INT4)];
        let row = self.link.row(&what, limit, ADMIN, params).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(AdminUser {
            id: column(&row, "id")?,
            login: SafeText::new(column(&row, "login")?),
        }))
    }
}

/// Its one parameter: what `base.user_admin` stands for, where that is known.
pub(super) const ADMIN: &str = "SELECT id, login::text AS login FROM res_users WHERE id = coalesce($1, 2)";

/// The row that one of Odoo's own external ids stands for. Of `base`, model and name.
pub(super) const XML_ID: &str = "SELECT res_id FROM ir_model_data WHERE module = 'base' AND model = $1 AND name = $2";

/// Both halves in one statement; `key` is unique in every Odoo.
pub(super) const SET_PARAM: &str = "WITH changed AS (UPDATE ir_config_parameter SET value = $2, write_uid = 1, \
     write_date = now() AT TIME ZONE 'utc' WHERE key = $1 RETURNING id) \
     INSERT INTO ir_config_parameter (key, value, create_uid, write_uid, create_date, write_date) \
     SELECT $1, $2, 1, 1, now() AT TIME ZONE 'utc', now() AT TIME ZONE 'utc' WHERE NOT EXISTS (SELECT 1 FROM changed)";
