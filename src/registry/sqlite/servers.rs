//! Servers: what operators write down and intend.

use super::db::{Attempt, Done, difference, from_word, masked, mutate, same_version, store};
use super::db::{refuse_open_job, select_rows, text_of, time_of, time_opt, unreadable, violated};
use crate::domain::audit::Actor;
use crate::domain::health::HealthTrack;
use crate::domain::server::{Server, ServerEvent, ServerSpec, SshAccess, Transition, decide};
use crate::domain::{Code, SafeText, ServerId};
use crate::registry::values::SERVER_COLUMNS;
use crate::registry::{Op, RegistryError, Result};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, params_from_iter};
use serde_json::{Value, json};

/// The text of a column parsed as a name, address or reference.
pub(super) fn parsed<T>(row: &Row<'_>, column: &str) -> Result<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text = row.get_ref(column).map_err(store)?;
    let text = text.as_str().map_err(|e| unreadable(column, e))?;
    text.parse().map_err(|e| unreadable(column, e))
}

/// As [`parsed`], where there is a value.
pub(super) fn parsed_opt<T>(row: &Row<'_>, column: &str) -> Result<Option<T>>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    match row.get_ref(column).map_err(store)?.as_str_or_null() {
        Ok(None) => Ok(None),
        Ok(Some(text)) => text.parse().map(Some).map_err(|e| unreadable(column, e)),
        Err(e) => Err(unreadable(column, e)),
    }
}

/// A column as it is.
pub(super) fn get<T: rusqlite::types::FromSql>(row: &Row<'_>, column: &str) -> Result<T> {
    row.get(column).map_err(store)
}

fn read(row: &Row<'_>) -> Result<Server> {
    let ssh = match parsed_opt(row, "ssh_host")? {
        None => None,
        Some(host) => Some(SshAccess {
            host,
            user: get(row, "ssh_user")?,
            port: get(row, "ssh_port")?,
            identity: get(row, "ssh_identity")?,
        }),
    };
    let spec = ServerSpec {
        name: SafeText::from(get::<String>(row, "name")?),
        code: parsed(row, "code")?,
        description: SafeText::from(get::<String>(row, "description")?),
        server_url: parsed(row, "server_url")?,
        server_ip: parsed_opt(row, "server_ip")?,
        port: get(row, "port")?,
        ssh,
        db_host: parsed_opt(row, "db_host")?,
        db_port: get(row, "db_port")?,
        db_user: get(row, "db_user")?,
        db_password: parsed_opt(row, "db_password")?,
        db_tls: from_word("db_tls", get(row, "db_tls")?)?,
        master_password: parsed_opt(row, "master_password")?,
        data_dir: parsed_opt(row, "data_dir")?,
        max_instances: get(row, "max_instances")?,
        cpu_cores: get(row, "cpu_cores")?,
        memory_gb: get(row, "memory_gb")?,
        disk_gb: get(row, "disk_gb")?,
    };
    let track = HealthTrack {
        observed: from_word("observed", get(row, "observed")?)?,
        status: from_word("health_status", get(row, "health_status")?)?,
        reason: SafeText::from(get::<String>(row, "health_reason")?),
        hint: get(row, "health_hint")?,
        failures: get(row, "health_failures")?,
        last_check: time_opt(get::<Option<String>>(row, "last_check_date")?.as_deref())?,
        last_success: time_opt(get::<Option<String>>(row, "last_success_date")?.as_deref())?,
        latency_ms: get::<Option<i64>>(row, "latency_ms")?.map(i64::unsigned_abs),
        version: get::<Option<String>>(row, "odoo_version")?.map(SafeText::from),
    };
    Ok(Server {
        id: ServerId(get(row, "id")?),
        version: get(row, "version")?,
        spec,
        intent: from_word("intent", get(row, "intent")?)?,
        track,
        instance_count: get(row, "instance_count")?,
        created_at: time_of(&get::<String>(row, "created_at")?)?,
    })
}

fn select(conn: &Connection, rest: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<Server>> {
    select_rows(
        conn,
        &format!("SELECT {SERVER_COLUMNS} FROM saas_server {rest}"),
        params,
        read,
    )
}

pub(super) fn all(conn: &Connection) -> Result<Vec<Server>> {
    select(conn, "ORDER BY code", &[])
}

pub(super) fn by_id(conn: &Connection, id: ServerId) -> Result<Server> {
    select(conn, "WHERE id = ?1", &[&id.0])?
        .pop()
        .ok_or_else(|| RegistryError::NotFound {
            what: "server",
            key: id.to_string(),
        })
}

pub(super) fn by_code(conn: &Connection, code: &Code) -> Result<Server> {
    select(conn, "WHERE code = ?1", &[&code.as_str()])?
        .pop()
        .ok_or_else(|| RegistryError::NotFound {
            what: "server",
            key: code.to_string(),
        })
}

/// What the operator writes down, column by column.
fn columns(spec: &ServerSpec) -> Result<Vec<(&'static str, Sql)>> {
    spec.validate().map_err(|e| RegistryError::Rule(e.to_string()))?;
    let text = |t: &str| Sql::Text(t.to_owned());
    let maybe = |t: Option<&str>| t.map_or(Sql::Null, |t| Sql::Text(t.to_owned()));
    let number = |n: Option<u32>| n.map_or(Sql::Null, |n| Sql::Integer(i64::from(n)));
    let secret = |s: &Option<crate::domain::SecretRef>| s.clone().map_or(Sql::Null, |s| Sql::Text(String::from(s)));
    let ssh = spec.ssh.as_ref();
    let tls = serde_json::to_value(spec.db_tls).map_err(|e| unreadable("db_tls", e))?;
    Ok(vec![
        ("name", text(spec.name.as_str())),
        ("code", text(spec.code.as_str())),
        ("description", text(spec.description.as_str())),
        ("server_url", text(spec.server_url.as_str())),
        ("server_ip", maybe(spec.server_ip.as_ref().map(AsRef::as_ref))),
        ("port", number(spec.port.map(u32::from))),
        ("ssh_host", maybe(ssh.map(|s| s.host.as_str()))),
        ("ssh_user", maybe(ssh.and_then(|s| s.user.as_deref()))),
        ("ssh_port", number(ssh.and_then(|s| s.port).map(u32::from))),
        ("ssh_identity", maybe(ssh.and_then(|s| s.identity.as_deref()))),
        ("db_host", maybe(spec.db_host.as_ref().map(AsRef::as_ref))),
        ("db_port", number(Some(u32::from(spec.db_port)))),
        ("db_user", maybe(spec.db_user.as_deref())),
        ("db_password", secret(&spec.db_password)),
        ("db_tls", maybe(tls.as_str())),
        ("master_password", secret(&spec.master_password)),
        ("data_dir", maybe(spec.data_dir.as_ref().map(AsRef::as_ref))),
        ("max_instances", number(Some(spec.max_instances))),
        ("cpu_cores", number(spec.cpu_cores)),
        ("memory_gb", number(spec.memory_gb)),
        ("disk_gb", number(spec.disk_gb)),
    ])
}

fn taken(spec: &ServerSpec, e: rusqlite::Error) -> RegistryError {
    match violated(&e) {
        Some(m) if m.ends_with("saas_server.code") => RegistryError::Taken {
            what: "server code",
            value: spec.code.to_string(),
        },
        Some(m) if m.ends_with("saas_server.server_url") => RegistryError::Taken {
            what: "server URL",
            value: spec.server_url.to_string(),
        },
        Some(m) => RegistryError::Rule(format!("the registry refuses it: {m}")),
        None => store(e),
    }
}

/// A spec as an audit row holds it.
fn shown(spec: &ServerSpec) -> Value {
    masked(serde_json::to_value(spec).unwrap_or(Value::Null))
}

pub(super) fn add(conn: &mut Connection, op: &Op, spec: &ServerSpec) -> Result<Server> {
    let attempt = Attempt {
        op,
        action: "server.add",
        subject: spec.code.to_string(),
        object: "server".to_owned(),
        label: spec.code.to_string(),
    };
    mutate(
        conn,
        &attempt,
        |tx| {
            let columns = columns(spec)?;
            let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
            let marks: Vec<String> = (1..=columns.len()).map(|i| format!("?{i}")).collect();
            let sql = format!(
                "INSERT INTO saas_server ({}, created_at) VALUES ({}, ?{})",
                names.join(", "),
                marks.join(", "),
                columns.len() + 1
            );
            let values = columns.into_iter().map(|(_, v)| v).chain([Sql::Text(text_of(op.at))]);
            tx.prepare_cached(&sql)
                .map_err(store)?
                .execute(params_from_iter(values))
                .map_err(|e| taken(spec, e))?;
            let id = tx.last_insert_rowid();
            let done = Done {
                id,
                object: format!("server:{id}"),
                label: spec.code.to_string(),
                from: None,
                to: Some(shown(spec)),
            };
            Ok((by_id(tx, ServerId(id))?, done))
        },
        |tx, id| by_id(tx, ServerId(id)),
    )
}

pub(super) fn edit(conn: &mut Connection, op: &Op, id: ServerId, version: i64, spec: &ServerSpec) -> Result<Server> {
    let attempt = Attempt {
        op,
        action: "server.edit",
        subject: id.to_string(),
        object: format!("server:{id}"),
        label: spec.code.to_string(),
    };
    mutate(
        conn,
        &attempt,
        |tx| {
            let before = by_id(tx, id)?;
            same_version(
                tx,
                "server",
                &format!("server:{id}"),
                before.spec.code.as_str(),
                before.version,
                version,
            )?;
            let columns = columns(spec)?;
            let sets: Vec<String> = columns
                .iter()
                .enumerate()
                .map(|(i, (name, _))| format!("{name} = ?{}", i + 1))
                .collect();
            let sql = format!(
                "UPDATE saas_server SET {}, version = version + 1 WHERE id = ?{}",
                sets.join(", "),
                columns.len() + 1
            );
            let (from, to) = changed(&before.spec, spec);
            if before.spec != *spec {
                let values = columns.into_iter().map(|(_, v)| v).chain([Sql::Integer(id.0)]);
                tx.prepare_cached(&sql)
                    .map_err(store)?
                    .execute(params_from_iter(values))
                    .map_err(|e| taken(spec, e))?;
            }
            let done = Done {
                id: id.0,
                object: format!("server:{id}"),
                label: spec.code.to_string(),
                from,
                to,
            };
            Ok((by_id(tx, id)?, done))
        },
        |tx, _| by_id(tx, id),
    )
}

/// The changed fields of a spec. A sealed secret that was sealed anew shows the same before and after,
/// and is there all the same.
fn changed(before: &ServerSpec, after: &ServerSpec) -> (Option<Value>, Option<Value>) {
    if before == after {
        return (None, None);
    }
    let value = |spec| serde_json::to_value(spec).unwrap_or(Value::Null);
    let (from, to) = difference(&value(before), &value(after));
    (Some(masked(from)), Some(masked(to)))
}

pub(super) fn transition(
    conn: &mut Connection,
    op: &Op,
    id: ServerId,
    version: i64,
    event: &ServerEvent,
) -> Result<Option<Server>> {
    let action = match event {
        ServerEvent::Activate { .. } => "server.activate",
        ServerEvent::Deactivate => "server.deactivate",
        ServerEvent::Maintain => "server.maintenance",
        ServerEvent::Delete => "server.delete",
    };
    let label = by_id(conn, id).map_or_else(|_| id.to_string(), |s| s.spec.code.to_string());
    let attempt = Attempt {
        op,
        action,
        subject: id.to_string(),
        object: format!("server:{id}"),
        label: label.clone(),
    };
    mutate(
        conn,
        &attempt,
        |tx| {
            let before = by_id(tx, id)?;
            same_version(
                tx,
                "server",
                &format!("server:{id}"),
                before.spec.code.as_str(),
                before.version,
                version,
            )?;
            let mut done = Done {
                id: id.0,
                object: format!("server:{id}"),
                label,
                from: None,
                to: None,
            };
            match decide(before.intent, before.instance_count, event)? {
                Transition::Unchanged => {}
                Transition::To(intent) => {
                    let word = serde_json::to_value(intent).map_err(|e| unreadable("intent", e))?;
                    tx.prepare_cached("UPDATE saas_server SET intent = ?1, version = version + 1 WHERE id = ?2")
                        .and_then(|mut s| s.execute((word.as_str(), id.0)))
                        .map_err(store)?;
                    done.from = Some(json!({"intent": before.intent}));
                    done.to = Some(json!({"intent": intent}));
                }
                Transition::Remove => {
                    remove(tx, &before)?;
                    done.from = Some(shown(&before.spec));
                    return Ok((None, done));
                }
            }
            Ok((Some(by_id(tx, id)?), done))
        },
        |tx, _| match by_id(tx, id) {
            Ok(server) => Ok(Some(server)),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(e) => Err(e),
        },
    )
}

/// Removes a server that hosts nothing: its failed instances' rows, of which nothing is left, go with
/// it; templates and unfinished jobs keep it.
fn remove(tx: &Connection, server: &Server) -> Result<()> {
    let id = server.id.0;
    refuse_open_job(tx, "server_id", id, || format!("server {}", server.spec.code))?;
    let templates: i64 = tx
        .query_row("SELECT count(*) FROM saas_template WHERE server_id = ?1", [id], |row| {
            row.get(0)
        })
        .map_err(store)?;
    if templates > 0 {
        return Err(RegistryError::Rule(format!(
            "Cannot delete server while it has templates ({templates}): remove them first"
        )));
    }
    tx.execute(
        "DELETE FROM saas_instance WHERE server_id = ?1 AND state = 'failed'",
        [id],
    )
    .and_then(|_| tx.execute("DELETE FROM saas_server WHERE id = ?1", [id]))
    .map(|_| ())
    .map_err(store)
}

/// The worker as the one who acts, for what jobs do by themselves.
pub(super) fn by_worker(worker: &str, asked_by: &str) -> Actor {
    Actor {
        os_user: asked_by.to_owned(),
        host: crate::registry::identity::ProcessId::parse(worker).map_or_else(|| worker.to_owned(), |w| w.host),
        via: "worker".to_owned(),
    }
}
