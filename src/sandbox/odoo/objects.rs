//! The `object` service: `execute_kw` on the models a stand-in has.

use super::error::{Answer, RpcError};
use super::models::{Kind, Model, model};
use super::pool::within;
use super::{State, catalogue, databases, locked, rpc, schema, search};
use crate::domain::Secret;
use serde_json::{Map, Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

/// A call's arguments, by place or by name.
struct Arguments<'a> {
    by_place: &'a [Value],
    by_name: &'a Map<String, Value>,
}

impl<'a> Arguments<'a> {
    fn get(&self, place: usize, name: &str) -> Option<&'a Value> {
        self.by_place.get(place).or_else(|| self.by_name.get(name))
    }
}

pub(super) async fn call(state: &State, method: &str, args: &[Value]) -> Answer<Option<Value>> {
    let (Some(database), Some(user), Some(password)) = (args.first(), args.get(1), args.get(2)) else {
        return Err(RpcError::index());
    };
    if !matches!(method, "execute" | "execute_kw") {
        return Err(RpcError::new(
            "builtins.NameError",
            format!("Method not available {method}"),
        ));
    }
    let database = database.as_str().unwrap_or_default();
    let user = user.as_i64().unwrap_or_default();
    let client = state.pool.get(database).await?;
    let_in(state, &client, database, user, password.as_str().unwrap_or_default()).await?;
    let (Some(name), Some(called)) = (args.get(3).and_then(Value::as_str), args.get(4).and_then(Value::as_str)) else {
        return Err(RpcError::missing("execute_kw", &["obj", "method", "args"]));
    };
    if called.starts_with('_') || called == "init" {
        return Err(RpcError::new(
            "odoo.exceptions.AccessError",
            format!("Private methods (such as {called}) cannot be called remotely."),
        ));
    }
    let Some(model) = model(name) else {
        return Err(RpcError::new(
            "odoo.exceptions.UserError",
            format!("Object {name} doesn't exist"),
        ));
    };
    let empty = Map::new();
    let arguments = if method == "execute" {
        Arguments {
            by_place: args.get(5..).unwrap_or_default(),
            by_name: &empty,
        }
    } else {
        Arguments {
            by_place: args.get(5).and_then(Value::as_array).map_or(&[][..], Vec::as_slice),
            by_name: args.get(6).and_then(Value::as_object).unwrap_or(&empty),
        }
    };
    match (name, called) {
        ("ir.config_parameter", "get_param") => get_param(&client, &arguments).await,
        ("ir.config_parameter", "set_param") => set_param(&client, &arguments).await,
        ("ir.module.module", "button_immediate_install" | "button_immediate_upgrade") => {
            tokio::time::sleep(state.options.install_time).await;
            install(&client, &arguments).await
        }
        ("ir.module.module", "update_list") => Ok(Some(json!([0, 0]))),
        (_, "search_count") => {
            let found = find(&client, model, &arguments, "count(*)::text", false).await?;
            Ok(found
                .into_iter()
                .next()
                .map(|count| json!(count.parse::<i64>().unwrap_or_default())))
        }
        (_, "search") => {
            let ids = find(&client, model, &arguments, "t.id::text", true).await?;
            Ok(Some(ids.into_iter().filter_map(|id| id.parse::<i64>().ok()).collect()))
        }
        (_, "search_read") => {
            let columns = columns(model, arguments.get(1, "fields"))?;
            let shifted = Arguments {
                by_place: arguments.by_place.get(..1).unwrap_or_default(),
                by_name: arguments.by_name,
            };
            Ok(Some(records(find(&client, model, &shifted, &columns, true).await?)))
        }
        (_, "read") => {
            let columns = columns(model, arguments.get(1, "fields"))?;
            let ids = ids(arguments.get(0, "ids"));
            let sql = format!(
                "SELECT ({columns})::text FROM {} t WHERE t.id = ANY($1) ORDER BY t.id",
                model.table
            );
            let rows = within(client.query(&sql, &[&ids])).await?;
            Ok(Some(records(rows.into_iter().map(|row| row.get(0)).collect())))
        }
        (_, "write") => write(state, &client, database, model, &arguments).await,
        _ => Err(RpcError::new(
            "builtins.AttributeError",
            format!("The method '{called}' does not exist on the model '{name}'"),
        )),
    }
}

/// Checks who asks. As in Odoo 16, a password once checked is not checked again for that user until
/// Odoo itself changes it: one changed by SQL is noticed by `authenticate` only.
async fn let_in(state: &State, client: &Client, database: &str, user: i64, password: &str) -> Answer<()> {
    let key = (database.to_owned(), user);
    if locked(&state.checked)
        .get(&key)
        .is_some_and(|known| known.expose() == password)
    {
        return Ok(());
    }
    let id = i32::try_from(user).unwrap_or_default();
    let row = within(client.query_opt("SELECT COALESCE(active, false) FROM res_users WHERE id = $1", &[&id])).await?;
    match row.map(|row| row.get::<_, bool>(0)) {
        None => {
            return Err(RpcError::new(
                "odoo.exceptions.MissingError",
                format!("Record does not exist or has been deleted.\n(Record: res.users({user},), User: {user})"),
            ));
        }
        Some(false) => return Err(RpcError::access_denied()),
        Some(true) => {}
    }
    match rpc::check(client, user, Secret::new(password.to_owned())).await? {
        Some(good) => {
            locked(&state.checked).insert(key, good);
            Ok(())
        }
        None => Err(RpcError::access_denied()),
    }
}

async fn get_param(client: &Client, arguments: &Arguments<'_>) -> Answer<Option<Value>> {
    let key = arguments.get(0, "key").and_then(Value::as_str).unwrap_or_default();
    let row = within(client.query_opt("SELECT value FROM ir_config_parameter WHERE key = $1", &[&key])).await?;
    let default = || arguments.get(1, "default").cloned().unwrap_or(Value::Bool(false));
    Ok(Some(row.map_or_else(default, |row| Value::String(row.get(0)))))
}

async fn set_param(client: &Client, arguments: &Arguments<'_>) -> Answer<Option<Value>> {
    let key = arguments.get(0, "key").and_then(Value::as_str).unwrap_or_default();
    let old = match arguments.get(1, "value") {
        None | Some(Value::Null | Value::Bool(false)) => within(client.query_opt(
            "DELETE FROM ir_config_parameter WHERE key = $1 RETURNING value",
            &[&key],
        ))
        .await?
        .map(|row| row.get(0)),
        Some(Value::Bool(true)) => schema::set_parameter(client, key, "True").await?,
        Some(Value::String(value)) => schema::set_parameter(client, key, value).await?,
        Some(other) => schema::set_parameter(client, key, &other.to_string()).await?,
    };
    Ok(Some(old.map_or(Value::Bool(false), Value::String)))
}

async fn install(client: &Client, arguments: &Arguments<'_>) -> Answer<Option<Value>> {
    let ids = ids(arguments.get(0, "ids"));
    let rows = within(client.query("SELECT name FROM ir_module_module WHERE id = ANY($1)", &[&ids])).await?;
    let modules = catalogue::with_needs(rows.into_iter().map(|row| row.get(0)).collect());
    within(client.execute(
        "UPDATE ir_module_module SET state = 'installed', latest_version = '16.0.1.0', write_date = now() AT TIME ZONE 'utc' \
         WHERE name = ANY($1)",
        &[&modules],
    ))
    .await?;
    Ok(Some(
        json!({ "type": "ir.actions.act_url", "target": "self", "url": "/web" }),
    ))
}

async fn write(
    state: &State,
    client: &Client,
    database: &str,
    model: &Model,
    arguments: &Arguments<'_>,
) -> Answer<Option<Value>> {
    let ids = ids(arguments.get(0, "ids"));
    let empty = Map::new();
    let values = arguments.get(1, "vals").and_then(Value::as_object).unwrap_or(&empty);
    for (name, value) in values {
        let Some(statement) = model.field(name).and_then(|field| field.write) else {
            return Err(RpcError::new(
                "builtins.ValueError",
                format!("Invalid field '{name}' on model '{}'", model.name),
            ));
        };
        let text = match value {
            Value::String(text) if name == "password" => {
                Some(databases::hashed(Secret::new(text.clone()), state.options.password_rounds).await?)
            }
            Value::String(text) => Some(text.clone()),
            Value::Bool(true) => Some("true".to_owned()),
            Value::Bool(false) if name == "active" => Some("false".to_owned()),
            Value::Bool(false) | Value::Null => None,
            other => Some(other.to_string()),
        };
        within(client.execute(statement, &[&text, &ids])).await?;
    }
    if model.name == "res.users" {
        state.forget(database);
    }
    Ok(Some(Value::Bool(true)))
}

/// Searches: `what` of every row found, as text.
async fn find(
    client: &Client,
    model: &Model,
    arguments: &Arguments<'_>,
    what: &str,
    ordered: bool,
) -> Answer<Vec<String>> {
    let context = arguments.by_name.get("context");
    let with_archived = context.and_then(|context| context.get("active_test")) == Some(&Value::Bool(false));
    let none = Value::Null;
    let condition = search::condition(model, arguments.get(0, "domain").unwrap_or(&none), with_archived)?;
    let mut sql = format!("SELECT ({what})::text FROM {} t WHERE {}", model.table, condition.sql);
    if ordered {
        sql.push_str(&format!(" ORDER BY {}", order(model, arguments.get(3, "order"))));
    }
    for (place, name, word) in [(2, "limit", "LIMIT"), (1, "offset", "OFFSET")] {
        if let Some(number) = arguments.get(place, name).and_then(Value::as_u64).filter(|_| ordered) {
            sql.push_str(&format!(" {word} {number}"));
        }
    }
    let parameters: Vec<&(dyn ToSql + Sync)> = condition
        .parameters
        .iter()
        .map(|values| values as &(dyn ToSql + Sync))
        .collect();
    let rows = within(client.query(&sql, &parameters)).await?;
    Ok(rows.into_iter().map(|row| row.get(0)).collect())
}

/// The order asked for, of known fields only; the model's own otherwise.
fn order(model: &Model, asked: Option<&Value>) -> String {
    let parts: Vec<String> = asked
        .and_then(Value::as_str)
        .unwrap_or_default()
        .split(',')
        .filter_map(|part| {
            let mut words = part.split_whitespace();
            let field = model.field(words.next()?)?;
            let descending = words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc"));
            Some(format!("{}{}", field.sql, if descending { " DESC" } else { "" }))
        })
        .collect();
    if parts.is_empty() {
        model.order.to_owned()
    } else {
        parts.join(", ")
    }
}

/// The expression that makes a record of the fields asked for (all, when none are).
fn columns(model: &Model, asked: Option<&Value>) -> Answer<String> {
    let mut names: Vec<&str> = asked
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if names.is_empty() {
        names = model.fields.iter().map(|field| field.name).collect();
    }
    let mut parts = vec!["'id', t.id".to_owned()];
    for name in names.into_iter().filter(|name| *name != "id") {
        let Some(field) = model.field(name) else {
            return Err(RpcError::new(
                "builtins.ValueError",
                format!("Invalid field '{name}' on model '{}'", model.name),
            ));
        };
        let sql = field.sql;
        parts.push(match field.kind {
            Kind::Plain => format!("'{name}', COALESCE(to_jsonb({sql}), 'false'::jsonb)"),
            Kind::Hidden => format!("'{name}', ''"),
            Kind::Link(table) => format!(
                "'{name}', CASE WHEN {sql} IS NULL THEN 'false'::jsonb ELSE jsonb_build_array({sql}, \
                 (SELECT r.name FROM {table} r WHERE r.id = {sql})) END"
            ),
        });
    }
    Ok(format!("json_build_object({})", parts.join(", ")))
}

fn records(rows: Vec<String>) -> Value {
    rows.iter()
        .map(|row| serde_json::from_str(row).unwrap_or(Value::Null))
        .collect()
}

/// Ids as they come: a list, or one.
fn ids(value: Option<&Value>) -> Vec<i32> {
    let one = |value: &Value| value.as_i64().and_then(|id| i32::try_from(id).ok());
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}
