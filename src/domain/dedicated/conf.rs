//! `odoo.conf`. Odoo reads it by Python's `RawConfigParser`: no interpolation, so that a literal `%` is
//! safe; a value ends at its line's end, loses the blanks around it, and goes on in a next line that
//! begins with a blank; a line that begins with `#` or `;` is a comment.

use super::{Ports, Series, Sizing, Unwritable};
use crate::domain::Secret;
use crate::domain::names::{DbName, RemotePath};

/// What stands in an instance's `odoo.conf`.
#[derive(Clone)]
pub struct OdooConf<'a> {
    /// Odoo's version.
    pub series: Series,
    /// Its database; `dbfilter` lets no other be seen.
    pub database: &'a DbName,
    /// PostgreSQL's host, or its socket's folder.
    pub db_host: &'a str,
    /// PostgreSQL's port.
    pub db_port: u16,
    /// Its role.
    pub db_user: &'a str,
    /// The role's password; none where the socket tells who asks.
    pub db_password: Option<&'a Secret>,
    /// The master password, hashed as Odoo keeps it.
    pub master_password_hash: &'a Secret,
    /// Its ports.
    pub ports: Ports,
    /// How much it gets.
    pub sizing: Sizing,
    /// Where addons are looked for, in this order.
    pub addons: &'a [RemotePath],
    /// Its filestore and sessions.
    pub data_dir: &'a RemotePath,
    /// Its log.
    pub log_file: &'a RemotePath,
}

/// The file's text.
///
/// # Errors
/// [`Unwritable`] where a value would be read back as another one.
pub fn odoo_conf(conf: &OdooConf<'_>) -> Result<String, Unwritable> {
    let addons: Vec<&str> = conf.addons.iter().map(RemotePath::as_str).collect();
    for path in &addons {
        // Odoo splits the list at commas.
        if path.contains(',') {
            return Err(refused("addons_path", "a path in it has a comma"));
        }
    }
    let filter = format!("^{}$", escaped(conf.database.as_str()));
    let mut lines = vec![
        ("admin_passwd", conf.master_password_hash.expose().to_owned()),
        ("addons_path", addons.join(",")),
        ("data_dir", conf.data_dir.to_string()),
        ("logfile", conf.log_file.to_string()),
        ("db_host", conf.db_host.to_owned()),
        ("db_port", conf.db_port.to_string()),
        ("db_user", conf.db_user.to_owned()),
        ("db_name", conf.database.to_string()),
        ("dbfilter", filter),
        // Strangers don't see which databases there are, nor can they make or drop one.
        ("list_db", "False".to_owned()),
        ("http_interface", "127.0.0.1".to_owned()),
        ("http_port", conf.ports.http.to_string()),
        (conf.series.gevent_key(), conf.ports.gevent.to_string()),
        // Behind nginx: without it scheme, host and the asker's address are wrong.
        ("proxy_mode", "True".to_owned()),
        ("workers", conf.sizing.workers.to_string()),
        ("max_cron_threads", conf.sizing.cron_threads.to_string()),
        ("limit_memory_soft", conf.sizing.memory_soft.to_string()),
        ("limit_memory_hard", conf.sizing.memory_hard.to_string()),
    ];
    if let Some(password) = conf.db_password {
        lines.push(("db_password", password.expose().to_owned()));
    }
    let mut text = String::from("[options]\n");
    for (key, value) in &lines {
        plain(key, value)?;
        text.push_str(&format!("{key} = {value}\n"));
    }
    Ok(text)
}

/// A regular expression of Python's that matches this name alone.
fn escaped(name: &str) -> String {
    name.replace('.', "\\.").replace('-', "\\-")
}

/// Whether the parser gives this value back as it stands.
fn plain(key: &str, value: &str) -> Result<(), Unwritable> {
    if value.chars().any(char::is_control) {
        return Err(refused(key, "it has a line break or another control character"));
    }
    if value.trim() != value {
        return Err(refused(key, "blanks at its ends would be lost"));
    }
    if value.is_empty() {
        return Err(refused(key, "it is empty"));
    }
    // The words that Odoo's own reader makes something else of.
    if matches!(value, "None") {
        return Err(refused(key, "Odoo would read it as no value"));
    }
    Ok(())
}

fn refused(what: &str, why: &'static str) -> Unwritable {
    Unwritable {
        what: what.to_owned(),
        file: "odoo.conf",
        why,
    }
}
