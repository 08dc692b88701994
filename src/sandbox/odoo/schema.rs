//! The least of Odoo 16's schema that what works on an Odoo database by SQL or RPC meets, and what
//! stands in it right after Odoo made it.

use super::error::Answer;
use super::pool::within;
use std::fs;
use std::io;
use std::path::Path;
use tokio_postgres::Client;
use uuid::Uuid;

/// What a new database is to hold.
pub(super) struct Initial<'a> {
    pub(super) language: &'a str,
    pub(super) login: &'a str,
    pub(super) password_hash: &'a str,
    pub(super) phone: Option<&'a str>,
    pub(super) base_url: &'a str,
    /// Bytes of rows that only take room, as Odoo's own 400 tables do.
    pub(super) filler_bytes: u64,
}

const TABLES: &str = "
CREATE TABLE ir_config_parameter (
    id serial PRIMARY KEY, create_uid int, write_uid int, key varchar NOT NULL UNIQUE, value text NOT NULL,
    create_date timestamp, write_date timestamp);
CREATE TABLE res_partner (
    id serial PRIMARY KEY, company_id int, parent_id int, name varchar, display_name varchar, lang varchar, tz varchar,
    email varchar, phone varchar, website varchar, type varchar, active boolean, is_company boolean,
    create_uid int, create_date timestamp, write_uid int, write_date timestamp);
CREATE TABLE res_company (
    id serial PRIMARY KEY, name varchar NOT NULL UNIQUE, partner_id int NOT NULL REFERENCES res_partner,
    currency_id int NOT NULL, sequence int, email varchar, phone varchar, active boolean, layout_background varchar,
    create_uid int, create_date timestamp, write_uid int, write_date timestamp);
CREATE TABLE res_users (
    id serial PRIMARY KEY, company_id int NOT NULL REFERENCES res_company, partner_id int NOT NULL REFERENCES res_partner,
    active boolean DEFAULT true, login varchar NOT NULL UNIQUE, password varchar, signature text, share boolean,
    totp_secret varchar, create_uid int, create_date timestamp, write_uid int, write_date timestamp);
CREATE TABLE res_users_log (id serial PRIMARY KEY, create_uid int, create_date timestamp, write_uid int, write_date timestamp);
CREATE TABLE res_users_apikeys (
    id serial PRIMARY KEY, name varchar NOT NULL, user_id int NOT NULL REFERENCES res_users, scope varchar,
    index varchar(8), key varchar, create_date timestamp DEFAULT (now() AT TIME ZONE 'utc'));
CREATE TABLE res_lang (
    id serial PRIMARY KEY, name varchar NOT NULL, code varchar NOT NULL UNIQUE, iso_code varchar, active boolean);
CREATE TABLE ir_module_module (
    id serial PRIMARY KEY, name varchar NOT NULL UNIQUE, state varchar(16), latest_version varchar, shortdesc jsonb,
    application boolean DEFAULT false, sequence int DEFAULT 100, demo boolean DEFAULT false,
    create_uid int, create_date timestamp, write_uid int, write_date timestamp);
CREATE TABLE ir_attachment (
    id serial PRIMARY KEY, name varchar NOT NULL, res_model varchar, res_field varchar, res_id int, company_id int,
    type varchar NOT NULL, url varchar(1024), store_fname varchar, checksum varchar(40), file_size int, mimetype varchar,
    db_datas bytea, public boolean, create_uid int, create_date timestamp, write_uid int, write_date timestamp);
CREATE TABLE ir_mail_server (
    id serial PRIMARY KEY, name varchar NOT NULL, smtp_host varchar NOT NULL, smtp_port int, smtp_user varchar,
    smtp_pass varchar, active boolean DEFAULT true);
CREATE TABLE ir_cron (
    id serial PRIMARY KEY, cron_name varchar, active boolean, interval_number int, interval_type varchar, nextcall timestamp);
CREATE TABLE ir_ui_view (
    id serial PRIMARY KEY, name varchar NOT NULL, model varchar, type varchar, active boolean, arch_db jsonb,
    create_date timestamp, write_date timestamp);
INSERT INTO res_lang (name, code, iso_code, active) VALUES ('English (US)', 'en_US', 'en', true);
INSERT INTO res_partner (id, name, display_name, type, active, is_company, email, lang) VALUES
    (1, 'My Company', 'My Company', 'contact', true, true, NULL, NULL),
    (2, 'OdooBot', 'OdooBot', 'contact', false, false, 'odoobot@example.com', 'en_US'),
    (3, 'Administrator', 'Administrator', 'contact', true, false, 'admin@yourcompany.example.com', 'en_US'),
    (4, 'Default User Template', 'Default User Template', 'contact', false, false, NULL, 'en_US'),
    (5, 'Public user', 'Public user', 'contact', false, false, NULL, 'en_US'),
    (6, 'Portal User Template', 'Portal User Template', 'contact', false, false, NULL, 'en_US');
INSERT INTO res_company (id, name, partner_id, currency_id, sequence, active, layout_background, phone)
    VALUES (1, 'My Company', 1, 1, 0, true, 'Blank', '');
INSERT INTO res_users (id, company_id, partner_id, active, login, share) VALUES
    (1, 1, 2, false, '__system__', false), (2, 1, 3, true, 'admin', false), (3, 1, 4, false, 'default', false),
    (4, 1, 5, false, 'public', true), (5, 1, 6, false, 'portaltemplate', true);
INSERT INTO ir_cron (cron_name, active, interval_number, interval_type, nextcall) VALUES
    ('Base: Auto-vacuum internal data', true, 1, 'days', now() AT TIME ZONE 'utc');
SELECT setval('res_partner_id_seq', 6), setval('res_company_id_seq', 1), setval('res_users_id_seq', 5);
";

/// Fills a new, empty database as Odoo would.
pub(super) async fn fill(client: &Client, initial: &Initial<'_>, filestore: &Path) -> Answer<()> {
    within(client.batch_execute(TABLES)).await?;
    within(client.batch_execute(&super::catalogue::sql())).await?;
    if initial.language != "en_US" {
        let iso = initial.language.split('_').next().unwrap_or_default();
        within(client.execute(
            "INSERT INTO res_lang (name, code, iso_code, active) VALUES ($1, $1, $2, true)",
            &[&initial.language, &iso],
        ))
        .await?;
        within(client.execute("UPDATE res_partner SET lang = $1 WHERE id = 3", &[&initial.language])).await?;
    }
    if let Some(phone) = initial.phone {
        within(client.execute("UPDATE res_company SET phone = $1 WHERE id = 1", &[&phone])).await?;
    }
    set_parameters(client, initial.base_url).await?;
    for (key, value) in [
        ("mail.bounce.alias", "bounce"),
        ("mail.catchall.alias", "catchall"),
        ("mail.default.from", "notifications"),
        ("base.template_portal_user_id", "5"),
    ] {
        set_parameter(client, key, value).await?;
    }
    attachments(client, filestore).await?;
    let views = i64::try_from(initial.filler_bytes / 1500).unwrap_or(0);
    if views > 0 {
        within(client.execute(
            "INSERT INTO ir_ui_view (name, type, active, arch_db) SELECT 'view ' || n, 'form', true, \
             jsonb_build_object('en_US', (SELECT string_agg(md5(random()::text || n || part), '') \
             FROM generate_series(1, 44) part)) FROM generate_series(1, $1::bigint) n",
            &[&views],
        ))
        .await?;
    }
    // Last, as Odoo does: who can log in meets a finished database.
    within(client.execute(
        "UPDATE res_users SET login = $1, password = $2, create_date = now() AT TIME ZONE 'utc' WHERE id = 2",
        &[&initial.login, &initial.password_hash],
    ))
    .await?;
    Ok(())
}

/// The parameters that make a database itself: set when it is made, and anew when Odoo duplicates it.
pub(super) async fn set_parameters(client: &Client, base_url: &str) -> Answer<()> {
    let date =
        within(client.query_one("SELECT to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD HH24:MI:SS')", &[])).await?;
    for (key, value) in [
        ("database.secret", Uuid::new_v4().to_string()),
        ("database.uuid", Uuid::new_v4().to_string()),
        ("database.create_date", date.get(0)),
        ("web.base.url", base_url.to_owned()),
        ("base.login_cooldown_after", "10".to_owned()),
        ("base.login_cooldown_duration", "60".to_owned()),
    ] {
        set_parameter(client, key, &value).await?;
    }
    Ok(())
}

/// Sets one parameter; its value before.
pub(super) async fn set_parameter(client: &Client, key: &str, value: &str) -> Answer<Option<String>> {
    let old = within(client.query_opt("SELECT value FROM ir_config_parameter WHERE key = $1", &[&key])).await?;
    within(client.execute(
        "INSERT INTO ir_config_parameter (key, value, create_date, write_date, create_uid, write_uid) \
         VALUES ($1, $2, now() AT TIME ZONE 'utc', now() AT TIME ZONE 'utc', 1, 1) \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, write_date = excluded.write_date",
        &[&key, &value],
    ))
    .await?;
    Ok(old.map(|row| row.get(0)))
}

/// Files of the filestore: name, type, content and its SHA-1.
pub(super) const FILES: &[(&str, &str, &str, &str)] = &[
    (
        "web.assets_common.min.css",
        "text/css",
        "body{margin:0;font-family:sans-serif}\n",
        "21d7e49e4a305f9e8097b161afde33b0b3ec9b1b",
    ),
    (
        "web.assets_backend.min.js",
        "application/javascript",
        "odoo.define('stand-in', function () {});\n",
        "fa95fcc4f2048846c1210da2f93f45c7f408f680",
    ),
    (
        "company_logo.svg",
        "image/svg+xml",
        "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>\n",
        "16680910bc5a2bf17b476ede5516f394089bb74a",
    ),
    (
        "image_128",
        "image/svg+xml",
        "<svg xmlns='http://www.w3.org/2000/svg'><circle r='4'/></svg>\n",
        "ec1f3676bf191c0066f398442feb1c7b15443860",
    ),
];

async fn attachments(client: &Client, filestore: &Path) -> Answer<()> {
    for (name, kind, content, sha1) in FILES {
        let stored = format!("{}/{sha1}", &sha1[..2]);
        let size = i32::try_from(content.len()).unwrap_or(0);
        within(client.execute(
            "INSERT INTO ir_attachment (name, res_model, res_id, type, store_fname, checksum, file_size, mimetype, public, \
             create_date) VALUES ($1, 'ir.ui.view', 0, 'binary', $2, $3, $4, $5, true, now() AT TIME ZONE 'utc')",
            &[name, &stored, sha1, &size, kind],
        ))
        .await?;
        let path = filestore.join(&stored);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, content));
        // Odoo too only logs it when a file can't be written.
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "the stand-in could not write a file of a filestore");
        }
    }
    Ok(())
}

/// Copies a filestore as Odoo's duplicate does: not when the target is there already.
pub(super) fn copy_filestore(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() || to.exists() {
        return Ok(());
    }
    copy_dir(from, to)
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
