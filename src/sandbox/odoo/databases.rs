//! The `db` service: databases and their filestores, for real.

use super::error::{Answer, RpcError};
use super::pool::{quoted, within};
use super::schema::{self, Initial};
use super::{State, listing, locked};
use crate::domain::{Secret, passlib};
use serde_json::{Value, json};
use std::fs;

/// Methods behind the master password, with the names of the arguments that must be there.
const GUARDED: &[(&str, &[&str])] = &[
    ("create_database", &["db_name", "demo", "lang"]),
    ("duplicate_database", &["db_original_name", "db_name"]),
    ("drop", &["db_name"]),
    ("rename", &["old_name", "new_name"]),
    ("dump", &["db_name", "format"]),
    ("change_admin_password", &["new_password"]),
    ("list_countries", &[]),
];

pub(super) async fn call(state: &State, method: &str, args: &[Value]) -> Answer<Option<Value>> {
    let text = |at: usize| args.get(at).and_then(Value::as_str).unwrap_or_default();
    match method {
        "server_version" => return Ok(Some(json!("16.0"))),
        "list_lang" => return Ok(Some(json!(listing::LANGUAGES))),
        "db_exist" => return Ok(Some(json!(state.pool.get(text(0)).await.is_ok()))),
        "list" => {
            if !state.options.list_db {
                return Err(RpcError::access_denied());
            }
            return Ok(Some(json!(list(state).await?)));
        }
        _ => {}
    }
    let Some((_, names)) = GUARDED.iter().find(|(name, _)| *name == method) else {
        return Err(RpcError::new(
            "builtins.KeyError",
            format!("Method not found: {method}"),
        ));
    };
    let master = args.first().ok_or_else(RpcError::index)?.as_str().unwrap_or_default();
    tokio::time::sleep(state.options.master_check).await;
    if locked(&state.master_password).expose() != master {
        return Err(RpcError::access_denied());
    }
    if method != "list_countries" && !state.options.list_db {
        return Err(RpcError::access_denied());
    }
    let given = args.len() - 1;
    if given < names.len() {
        return Err(RpcError::missing(&format!("exp_{method}"), &names[given..]));
    }
    match method {
        "create_database" => create(state, args).await.map(Some),
        "duplicate_database" if given > 3 => Err(RpcError::type_error(format!(
            "exp_duplicate_database() takes from 2 to 3 positional arguments but {given} were given"
        ))),
        "duplicate_database" => duplicate(state, text(1), text(2), args.get(3) == Some(&Value::Bool(true)))
            .await
            .map(Some),
        "drop" => remove(state, text(1)).await.map(Some),
        "rename" => rename(state, text(1), text(2)).await.map(Some),
        "dump" => dump(state, text(1)).await.map(Some),
        "change_admin_password" => {
            *locked(&state.master_password) = Secret::new(text(1).to_owned());
            Ok(Some(json!(true)))
        }
        _ => Ok(Some(json!(listing::COUNTRIES))),
    }
}

/// The role's own databases that take connections and are no templates of PostgreSQL's.
async fn list(state: &State) -> Answer<Vec<String>> {
    let client = state.pool.get("postgres").await?;
    let rows = within(client.query(
        "SELECT datname FROM pg_database WHERE datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user) \
         AND NOT datistemplate AND datallowconn AND datname NOT IN ('postgres', 'template0', 'template1') ORDER BY datname",
        &[],
    ))
    .await?;
    Ok(rows.into_iter().map(|row| row.get(0)).collect())
}

async fn create(state: &State, args: &[Value]) -> Answer {
    let text = |at: usize| args.get(at).and_then(Value::as_str);
    let name = text(1).unwrap_or_default();
    let client = state.pool.fresh("postgres").await?;
    if within(client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]))
        .await?
        .is_some()
    {
        return Err(RpcError::new(
            "odoo.service.db.DatabaseExists",
            format!("database '{name}' already exists!"),
        ));
    }
    within(client.batch_execute(&format!(
        "CREATE DATABASE {} ENCODING 'unicode' LC_COLLATE 'C' TEMPLATE template0",
        quoted(name)
    )))
    .await?;
    // From here on Odoo only logs what goes wrong, and answers true.
    if let Err(error) = initialise(state, name, args).await {
        tracing::warn!(database = name, error = %error.message, "a stand-in could not set a new database up");
    }
    Ok(json!(true))
}

async fn initialise(state: &State, name: &str, args: &[Value]) -> Answer<()> {
    let text = |at: usize| args.get(at).and_then(Value::as_str);
    let known = |code: &str| {
        listing::COUNTRIES
            .iter()
            .any(|(country, _)| country.eq_ignore_ascii_case(code))
    };
    // Odoo sets login and password last; a country it doesn't know ends it before that.
    let fails = state.faults().init_fails || text(6).is_some_and(|code| !code.is_empty() && !known(code));
    let (login, password) = if fails {
        ("admin", "admin")
    } else {
        (text(5).unwrap_or("admin"), text(4).unwrap_or("admin"))
    };
    tokio::time::sleep(state.options.install_time).await;
    let hash = hashed(Secret::new(password.to_owned()), state.options.password_rounds).await?;
    let client = state.pool.get(name).await?;
    let initial = Initial {
        language: text(3).filter(|language| !language.is_empty()).unwrap_or("en_US"),
        login,
        password_hash: &hash,
        phone: text(7),
        base_url: &base_url(state),
        filler_bytes: state.options.filler_bytes,
    };
    schema::fill(&client, &initial, &state.filestore(name)).await
}

/// A fresh hash of a password, off the threads that answer.
pub(super) async fn hashed(password: Secret, rounds: u32) -> Answer<String> {
    let failed = |_| RpcError::new("builtins.Exception", "the stand-in could not hash a password");
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|_| RpcError::new("builtins.Exception", "no randomness"))?;
    tokio::task::spawn_blocking(move || passlib::hash(&password, &salt, rounds))
        .await
        .map_err(failed)
}

fn base_url(state: &State) -> String {
    format!("http://localhost:{}", state.port)
}

async fn duplicate(state: &State, source: &str, target: &str, neutralize: bool) -> Answer {
    state.pool.close(source).await;
    let client = state.pool.fresh("postgres").await?;
    end_sessions(&client, source).await;
    within(client.batch_execute(&format!(
        "CREATE DATABASE {} ENCODING 'unicode' TEMPLATE {}",
        quoted(target),
        quoted(source)
    )))
    .await?;
    if state.faults().duplicate_fails_late {
        return Err(RpcError::new("builtins.MemoryError", ""));
    }
    state.forget(target);
    let copy = state.pool.get(target).await?;
    schema::set_parameters(&copy, &base_url(state)).await?;
    if neutralize {
        within(copy.batch_execute("UPDATE ir_mail_server SET active = false; UPDATE ir_cron SET active = false"))
            .await?;
        schema::set_parameter(&copy, "database.is_neutralized", "true").await?;
    }
    schema::copy_filestore(&state.filestore(source), &state.filestore(target)).map_err(os_error)?;
    Ok(json!(true))
}

async fn remove(state: &State, name: &str) -> Answer {
    if !list(state).await?.iter().any(|known| known == name) {
        return Ok(json!(false));
    }
    state.pool.close(name).await;
    state.forget(name);
    let client = state.pool.fresh("postgres").await?;
    end_sessions(&client, name).await;
    within(client.batch_execute(&format!("DROP DATABASE {}", quoted(name))))
        .await
        .map_err(|error| {
            RpcError::new(
                "builtins.Exception",
                format!("Couldn't drop database {name}: {}", error.message),
            )
        })?;
    let filestore = state.filestore(name);
    if filestore.is_dir() {
        fs::remove_dir_all(filestore).map_err(os_error)?;
    }
    Ok(json!(true))
}

async fn rename(state: &State, old: &str, new: &str) -> Answer {
    state.pool.close(old).await;
    state.forget(old);
    let client = state.pool.fresh("postgres").await?;
    end_sessions(&client, old).await;
    within(client.batch_execute(&format!("ALTER DATABASE {} RENAME TO {}", quoted(old), quoted(new))))
        .await
        .map_err(|error| {
            RpcError::new(
                "builtins.Exception",
                format!("Couldn't rename database {old} to {new}: {}", error.message),
            )
        })?;
    let (from, to) = (state.filestore(old), state.filestore(new));
    if from.is_dir() && !to.exists() {
        fs::rename(from, to).map_err(os_error)?;
    }
    Ok(json!(true))
}

/// An archive as Odoo's, base64: the manifest and the filestore, without `dump.sql`.
async fn dump(state: &State, name: &str) -> Answer {
    let client = state.pool.get(name).await?;
    let rows = within(client.query(
        "SELECT name, COALESCE(latest_version, '') FROM ir_module_module WHERE state = 'installed'",
        &[],
    ))
    .await?;
    let modules: serde_json::Map<String, Value> = rows
        .into_iter()
        .map(|row| (row.get(0), Value::String(row.get(1))))
        .collect();
    let manifest = json!({
        "odoo_dump": "1", "db_name": name, "version": "16.0", "version_info": [16, 0, 0, "final", 0, ""],
        "major_version": "16.0", "modules": modules,
    });
    let mut files = vec![("manifest.json".to_owned(), manifest.to_string().into_bytes())];
    for (_, _, _, sha1) in schema::FILES {
        let stored = format!("{}/{sha1}", &sha1[..2]);
        if let Ok(content) = fs::read(state.filestore(name).join(&stored)) {
            files.push((format!("filestore/{stored}"), content));
        }
    }
    use base64::Engine;
    Ok(json!(
        base64::engine::general_purpose::STANDARD.encode(super::archive::zip(&files))
    ))
}

/// Ends the other sessions of a database, as Odoo does before it drops, renames or copies one. What
/// it may not end shows in the statement that follows.
async fn end_sessions(client: &tokio_postgres::Client, database: &str) {
    let _ = within(client.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
        &[&database],
    ))
    .await;
}

fn os_error(error: std::io::Error) -> RpcError {
    RpcError::new("builtins.OSError", error.to_string())
}
