//! `/jsonrpc`: which service and method is asked, and the `common` service.

use super::error::{Answer, RpcError};
use super::pool::within;
use super::{State, databases, locked, objects, schema};
use crate::domain::{Secret, passlib};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The result of a request, `None` where Python's would be None.
pub(super) async fn answer(state: &Arc<State>, request: &Map<String, Value>) -> Answer<Option<Value>> {
    let empty = Map::new();
    let params = match request.get("params") {
        None => &empty,
        Some(Value::Object(params)) => params,
        Some(Value::Array(items)) if items.is_empty() => &empty,
        Some(_) => {
            return Err(RpcError::type_error(
                "cannot convert dictionary update sequence element #0 to a sequence",
            ));
        }
    };
    let missing: Vec<&str> = ["service", "method", "args"]
        .into_iter()
        .filter(|name| !params.contains_key(*name))
        .collect();
    if !missing.is_empty() {
        return Err(RpcError::missing("RPC.jsonrpc", &missing));
    }
    let service = params.get("service").and_then(Value::as_str).unwrap_or_default();
    let method = params.get("method").and_then(Value::as_str).unwrap_or_default();
    let args = params
        .get("args")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let name = match (
        service,
        args.get(3).and_then(Value::as_str),
        args.get(4).and_then(Value::as_str),
    ) {
        ("object", Some(model), Some(method)) => format!("{model}.{method}"),
        _ => format!("{service}.{method}"),
    };
    locked(&state.calls).push(name.clone());
    let silent = state.faults().silent.contains(&name);
    // A task of its own: Odoo goes on with what it began when the client goes away.
    let work = {
        let (state, service) = (Arc::clone(state), service.to_owned());
        let (method, args) = (method.to_owned(), args.to_vec());
        tokio::spawn(async move {
            match service.as_str() {
                "common" => common(&state, &method, &args).await,
                "db" => databases::call(&state, &method, &args).await,
                "object" => objects::call(&state, &method, &args).await,
                _ => Err(RpcError::new("builtins.KeyError", service)),
            }
        })
    };
    let done = work
        .await
        .unwrap_or_else(|_| Err(RpcError::new("builtins.Exception", "the stand-in failed")));
    if silent {
        std::future::pending::<()>().await;
    }
    done
}

/// What `version` answers.
pub(super) fn version() -> Value {
    json!({
        "server_version": "16.0",
        "server_version_info": [16, 0, 0, "final", 0, ""],
        "server_serie": "16.0",
        "protocol_version": 1,
    })
}

async fn common(state: &State, method: &str, args: &[Value]) -> Answer<Option<Value>> {
    let text = |at: usize| args.get(at).and_then(Value::as_str).unwrap_or_default();
    match method {
        "version" => Ok(Some(version())),
        "about" if args.first().is_some_and(|extended| extended == &Value::Bool(true)) => {
            Ok(Some(json!(["See http://openerp.com", "16.0"])))
        }
        "about" => Ok(Some(json!("See http://openerp.com"))),
        "authenticate" | "login" => {
            let names: &[&str] = match method {
                "authenticate" => &["db", "login", "password", "user_agent_env"],
                _ => &["db", "login", "password"],
            };
            if args.len() < names.len() {
                return Err(RpcError::missing(&format!("exp_{method}"), &names[args.len()..]));
            }
            let password = Secret::new(text(2).to_owned());
            let user = authenticate(state, text(0), text(1), password, args.get(3)).await?;
            Ok(Some(user.map_or(Value::Bool(false), Value::from)))
        }
        _ => Err(RpcError::new(
            "builtins.Exception",
            format!("Method not found: {method}"),
        )),
    }
}

/// The user's id, `None` where login or password are refused.
async fn authenticate(
    state: &State,
    database: &str,
    login: &str,
    password: Secret,
    environment: Option<&Value>,
) -> Answer<Option<i64>> {
    let client = state.pool.get(database).await?;
    let found = within(client.query_opt("SELECT id FROM res_users WHERE login = $1 AND active", &[&login])).await?;
    let Some(user) = found.map(|row| i64::from(row.get::<_, i32>(0))) else {
        return Ok(None);
    };
    let Some(password) = check(&client, user, password).await? else {
        return Ok(None);
    };
    drop(password);
    let id = i32::try_from(user).unwrap_or_default();
    within(client.execute(
        "INSERT INTO res_users_log (create_uid, create_date) VALUES ($1, now() AT TIME ZONE 'utc')",
        &[&id],
    ))
    .await?;
    // The administrator's log-in tells Odoo its own address, unless that is frozen.
    let location = environment
        .and_then(|env| env.get("base_location"))
        .and_then(Value::as_str);
    if let (Some(location), 2) = (location, user) {
        let frozen = "SELECT 1 FROM ir_config_parameter WHERE key = 'web.base.url.freeze'";
        if within(client.query_opt(frozen, &[])).await?.is_none() {
            schema::set_parameter(&client, "web.base.url", location).await?;
        }
    }
    Ok(Some(user))
}

/// Hands the password back when it, or an API key of that text, is the user's.
pub(super) async fn check(client: &tokio_postgres::Client, user: i64, password: Secret) -> Answer<Option<Secret>> {
    let id = i32::try_from(user).unwrap_or_default();
    let row = within(client.query_opt("SELECT password FROM res_users WHERE id = $1", &[&id])).await?;
    let mut hashes: Vec<String> = row
        .and_then(|row| row.get::<_, Option<String>>(0))
        .into_iter()
        .collect();
    let index: String = password.expose().chars().take(8).collect();
    let keys = within(client.query(
        "SELECT key FROM res_users_apikeys WHERE user_id = $1 AND index = $2 AND (scope IS NULL OR scope = 'rpc')",
        &[&id, &index],
    ))
    .await?;
    hashes.extend(keys.into_iter().filter_map(|row| row.get::<_, Option<String>>(0)));
    if password.expose().is_empty() {
        return Ok(None);
    }
    let checked = tokio::task::spawn_blocking(move || {
        // What is no hash is compared as it stands, as Odoo does with passwords set by hand in SQL.
        let good = hashes.iter().any(|hash| {
            passlib::verify(&password, hash).unwrap_or_else(|| !hash.is_empty() && hash == password.expose())
        });
        good.then_some(password)
    });
    Ok(checked.await.unwrap_or_default())
}
