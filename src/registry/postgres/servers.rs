//! Servers: what operators write down and intend.

use super::catalog::made;
use super::db::{
    Arg, Attempt, Done, Tx, args, difference, from_word, get, int, int_opt, masked, mutate, parsed, parsed_opt,
    refuse_open_job, same_version, word_of,
};
use super::fault::Fault;
use super::pool::Store;
use crate::domain::health::HealthTrack;
use crate::domain::server::{Server, ServerEvent, ServerSpec, SshAccess, Transition, decide};
use crate::domain::{Code, SafeText, SecretRef, ServerId};
use crate::registry::values::SERVER_COLUMNS;
use crate::registry::{Op, RegistryError, Result};
use serde_json::{Value, json};
use tokio_postgres::Row;

fn read(row: &Row) -> Result<Server> {
    let ssh = match parsed_opt(row, "ssh_host")? {
        None => None,
        Some(host) => Some(SshAccess {
            host,
            user: get(row, "ssh_user")?,
            port: int_opt(row, "ssh_port")?,
            identity: get(row, "ssh_identity")?,
        }),
    };
    let spec = ServerSpec {
        name: SafeText::from(get::<String>(row, "name")?),
        code: parsed(row, "code")?,
        description: SafeText::from(get::<String>(row, "description")?),
        server_url: parsed(row, "server_url")?,
        server_ip: parsed_opt(row, "server_ip")?,
        port: int_opt(row, "port")?,
        ssh,
        db_host: parsed_opt(row, "db_host")?,
        db_port: int(row, "db_port")?,
        db_user: get(row, "db_user")?,
        db_password: parsed_opt(row, "db_password")?,
        db_tls: from_word(row, "db_tls")?,
        master_password: parsed_opt(row, "master_password")?,
        data_dir: parsed_opt(row, "data_dir")?,
        max_instances: int(row, "max_instances")?,
        cpu_cores: int_opt(row, "cpu_cores")?,
        memory_gb: int_opt(row, "memory_gb")?,
        disk_gb: int_opt(row, "disk_gb")?,
    };
    let track = HealthTrack {
        observed: from_word(row, "observed")?,
        status: from_word(row, "health_status")?,
        reason: SafeText::from(get::<String>(row, "health_reason")?),
        hint: get(row, "health_hint")?,
        failures: int(row, "health_failures")?,
        last_check: get(row, "last_check_date")?,
        last_success: get(row, "last_success_date")?,
        latency_ms: int_opt(row, "latency_ms")?,
        version: get::<Option<String>>(row, "odoo_version")?.map(SafeText::from),
    };
    Ok(Server {
        id: ServerId(int(row, "id")?),
        version: int(row, "version")?,
        spec,
        intent: from_word(row, "intent")?,
        track,
        instance_count: int(row, "instance_count")?,
        created_at: get(row, "created_at")?,
    })
}

fn one(row: Option<Row>, key: &dyn std::fmt::Display) -> Result<Server> {
    row.map_or_else(
        || {
            Err(RegistryError::NotFound {
                what: "server",
                key: key.to_string(),
            })
        },
        |row| read(&row),
    )
}

pub(super) async fn all(tx: &Tx<'_>) -> Result<Vec<Server>> {
    let rows = tx
        .rows(
            &format!("SELECT {} FROM saas_server ORDER BY code", tx.columns(SERVER_COLUMNS)),
            args![],
        )
        .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn by_id(tx: &Tx<'_>, id: ServerId) -> Result<Server> {
    let sql = format!("SELECT {} FROM saas_server WHERE id = $1", tx.columns(SERVER_COLUMNS));
    one(tx.row(&sql, args![id.0]).await?, &id)
}

/// As [`by_id`], kept as it is until the transaction ends.
pub(super) async fn held(tx: &Tx<'_>, id: ServerId) -> Result<Server> {
    let sql = format!(
        "SELECT {} FROM saas_server WHERE id = $1 FOR NO KEY UPDATE",
        tx.columns(SERVER_COLUMNS)
    );
    one(tx.row(&sql, args![id.0]).await?, &id)
}

pub(super) async fn by_code(tx: &Tx<'_>, code: &Code) -> Result<Server> {
    let sql = format!("SELECT {} FROM saas_server WHERE code = $1", tx.columns(SERVER_COLUMNS));
    one(tx.row(&sql, args![code.as_str()]).await?, &code)
}

/// What the operator writes down, column by column.
fn columns(spec: &ServerSpec) -> Result<Vec<(&'static str, Arg<'_>)>> {
    spec.validate().map_err(|e| RegistryError::Rule(e.to_string()))?;
    let secret = |s: &Option<SecretRef>| Arg::from(s.clone().map(String::from));
    let ssh = spec.ssh.as_ref();
    Ok(vec![
        ("name", spec.name.as_str().into()),
        ("code", spec.code.as_str().into()),
        ("description", spec.description.as_str().into()),
        ("server_url", spec.server_url.as_str().into()),
        ("server_ip", spec.server_ip.as_ref().map(AsRef::<str>::as_ref).into()),
        ("port", spec.port.into()),
        ("ssh_host", ssh.map(|s| s.host.as_str()).into()),
        ("ssh_user", ssh.and_then(|s| s.user.as_deref()).into()),
        ("ssh_port", ssh.and_then(|s| s.port).into()),
        ("ssh_identity", ssh.and_then(|s| s.identity.as_deref()).into()),
        ("db_host", spec.db_host.as_ref().map(AsRef::<str>::as_ref).into()),
        ("db_port", u32::from(spec.db_port).into()),
        ("db_user", spec.db_user.as_deref().into()),
        ("db_password", secret(&spec.db_password)),
        ("db_tls", word_of(&spec.db_tls)?.into()),
        ("master_password", secret(&spec.master_password)),
        ("data_dir", spec.data_dir.as_ref().map(AsRef::<str>::as_ref).into()),
        ("max_instances", spec.max_instances.into()),
        ("cpu_cores", spec.cpu_cores.into()),
        ("memory_gb", spec.memory_gb.into()),
        ("disk_gb", spec.disk_gb.into()),
    ])
}

fn taken(spec: &ServerSpec, fault: Fault) -> RegistryError {
    match fault.violated() {
        Some("saas_server_code_key") => RegistryError::Taken {
            what: "server code",
            value: spec.code.to_string(),
        },
        Some("saas_server_server_url_key") => RegistryError::Taken {
            what: "server URL",
            value: spec.server_url.to_string(),
        },
        _ => fault.into(),
    }
}

/// A spec as an audit row holds it.
fn shown(spec: &ServerSpec) -> Value {
    masked(serde_json::to_value(spec).unwrap_or(Value::Null))
}

pub(super) async fn add(store: &Store, op: &Op, spec: &ServerSpec) -> Result<Server> {
    let attempt = Attempt {
        op,
        action: "server.add",
        subject: spec.code.to_string(),
        object: "server".to_owned(),
        label: spec.code.to_string(),
    };
    mutate(
        store,
        &attempt,
        |tx| {
            Box::pin(async move {
                let (names, mut values): (Vec<&str>, Vec<Arg<'_>>) = columns(spec)?.into_iter().unzip();
                values.push(op.at.into());
                let marks: Vec<String> = (1..=values.len()).map(|i| format!("${i}")).collect();
                let sql = format!(
                    "INSERT INTO saas_server ({}, created_at) VALUES ({}) RETURNING id",
                    names.join(", "),
                    marks.join(", "),
                );
                let row = tx.row(&sql, &values).await.map_err(|e| taken(spec, e))?;
                let id = made(row.as_ref())?;
                let done = Done {
                    id,
                    object: format!("server:{id}"),
                    label: spec.code.to_string(),
                    from: None,
                    to: Some(shown(spec)),
                };
                Ok((by_id(tx, ServerId(id)).await?, done))
            })
        },
        |tx, id| Box::pin(by_id(tx, ServerId(id))),
    )
    .await
}

pub(super) async fn edit(store: &Store, op: &Op, id: ServerId, version: i64, spec: &ServerSpec) -> Result<Server> {
    let attempt = Attempt {
        op,
        action: "server.edit",
        subject: id.to_string(),
        object: format!("server:{id}"),
        label: spec.code.to_string(),
    };
    mutate(
        store,
        &attempt,
        |tx| {
            Box::pin(async move {
                let before = held(tx, id).await?;
                let object = format!("server:{id}");
                same_version(
                    tx,
                    "server",
                    &object,
                    before.spec.code.as_str(),
                    before.version,
                    version,
                )
                .await?;
                let (names, mut values): (Vec<&str>, Vec<Arg<'_>>) = columns(spec)?.into_iter().unzip();
                let (from, to) = changed(&before.spec, spec);
                if before.spec != *spec {
                    let sets: Vec<String> = names.iter().zip(1..).map(|(n, i)| format!("{n} = ${i}")).collect();
                    values.push(id.0.into());
                    let sql = format!(
                        "UPDATE saas_server SET {}, version = version + 1 WHERE id = ${}",
                        sets.join(", "),
                        values.len()
                    );
                    tx.exec(&sql, &values).await.map_err(|e| taken(spec, e))?;
                }
                let done = Done {
                    id: id.0,
                    object,
                    label: spec.code.to_string(),
                    from,
                    to,
                };
                Ok((by_id(tx, id).await?, done))
            })
        },
        |tx, _| Box::pin(by_id(tx, id)),
    )
    .await
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

pub(super) async fn transition(
    store: &Store,
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
    let label = match store.read(|tx| Box::pin(by_id(tx, id))).await {
        Ok(server) => server.spec.code.to_string(),
        Err(RegistryError::NotFound { .. }) => id.to_string(),
        Err(e) => return Err(e),
    };
    let label = &label;
    let attempt = Attempt {
        op,
        action,
        subject: id.to_string(),
        object: format!("server:{id}"),
        label: label.clone(),
    };
    mutate(
        store,
        &attempt,
        |tx| {
            Box::pin(async move {
                let before = held(tx, id).await?;
                let object = format!("server:{id}");
                same_version(
                    tx,
                    "server",
                    &object,
                    before.spec.code.as_str(),
                    before.version,
                    version,
                )
                .await?;
                let mut done = Done {
                    id: id.0,
                    object,
                    label: label.clone(),
                    from: None,
                    to: None,
                };
                match decide(before.intent, before.instance_count, event)? {
                    Transition::Unchanged => {}
                    Transition::To(intent) => {
                        tx.exec(
                            "UPDATE saas_server SET intent = $1, version = version + 1 WHERE id = $2",
                            args![word_of(&intent)?, id.0],
                        )
                        .await?;
                        done.from = Some(json!({"intent": before.intent}));
                        done.to = Some(json!({"intent": intent}));
                    }
                    Transition::Remove => {
                        remove(tx, &before).await?;
                        done.from = Some(shown(&before.spec));
                        return Ok((None, done));
                    }
                }
                Ok((Some(by_id(tx, id).await?), done))
            })
        },
        |tx, _| {
            Box::pin(async move {
                match by_id(tx, id).await {
                    Ok(server) => Ok(Some(server)),
                    Err(RegistryError::NotFound { .. }) => Ok(None),
                    Err(e) => Err(e),
                }
            })
        },
    )
    .await
}

/// Removes a server that hosts nothing: its failed instances' rows, of which nothing is left, go with
/// it; templates and unfinished jobs keep it.
async fn remove(tx: &Tx<'_>, server: &Server) -> Result<()> {
    let id = server.id.0;
    refuse_open_job(tx, "server_id", id, || format!("server {}", server.spec.code)).await?;
    let row = tx
        .row(
            "SELECT count(*) AS n FROM saas_template WHERE server_id = $1",
            args![id],
        )
        .await?;
    let templates: i64 = row.as_ref().map_or(Ok(0), |r| int(r, "n"))?;
    if templates > 0 {
        return Err(RegistryError::Rule(format!(
            "Cannot delete server while it has templates ({templates}): remove them first"
        )));
    }
    tx.exec(
        "DELETE FROM saas_instance WHERE server_id = $1 AND state = 'failed'",
        args![id],
    )
    .await?;
    tx.exec("DELETE FROM saas_server WHERE id = $1", args![id]).await?;
    Ok(())
}
