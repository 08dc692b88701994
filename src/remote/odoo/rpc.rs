//! One call of `/jsonrpc`, what its answer means, and the calls of models.

use super::{FaultKind, Login, Odoo, OdooError, READING, Result};
use crate::domain::SafeText;
use crate::domain::check::Failure;
use crate::remote::http::{Ask, Reply};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What came back of a JSON-RPC call.
pub(super) enum Answer {
    /// A result; `null` where the method returned nothing.
    Result(Value),
    /// An error of Odoo's.
    Fault {
        /// Its class.
        name: SafeText,
        /// Its words. The traceback that comes with it is not kept.
        message: SafeText,
    },
}

/// Reads an answer.
///
/// # Errors
/// When it is no answer of a JSON-RPC server.
pub(super) fn read(reply: &Reply) -> std::result::Result<Answer, Failure> {
    let parsed = serde_json::from_slice::<Value>(&reply.body);
    match (reply.status, parsed) {
        (200, Ok(Value::Object(mut answer))) if answer.contains_key("jsonrpc") => match answer.remove("error") {
            None | Some(Value::Null) => Ok(Answer::Result(answer.remove("result").unwrap_or(Value::Null))),
            Some(error) => {
                let data = error.get("data");
                let field = |name: &str| data.and_then(|d| d.get(name)).and_then(Value::as_str);
                let outer = error.get("message").and_then(Value::as_str).unwrap_or("");
                Ok(Answer::Fault {
                    name: SafeText::capped(field("name").unwrap_or("unnamed"), 120),
                    message: SafeText::capped(field("message").unwrap_or(outer).trim_end(), 500),
                })
            }
        },
        (status @ 200..=399, _) => Err(Failure::NotOdoo {
            what: super::web::describe(reply, status),
        }),
        (status, _) => Err(Failure::Http { status }),
    }
}

impl Odoo {
    /// One call. Refused, broken or late ones say what was tried, on which server.
    pub(super) async fn call(&self, service: &str, method: &str, args: Value, limit: Duration) -> Result<Value> {
        self.call_within(service, method, args, limit, self.limits.answer_bytes)
            .await
    }

    pub(super) async fn call_within(
        &self,
        service: &str,
        method: &str,
        args: Value,
        limit: Duration,
        cap: usize,
    ) -> Result<Value> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let params = json!({"service": service, "method": method, "args": args});
        let body = json!({"jsonrpc": "2.0", "method": "call", "params": params, "id": id}).to_string();
        let ask = Ask {
            url: &format!("{}/jsonrpc", self.url),
            json: Some(body),
            limit,
            cap,
        };
        let what = || self.what(&format!("{service}.{method}"));
        let unreachable = |failure| OdooError::Unreachable { what: what(), failure };
        let reply = self.http.ask(ask).await.map_err(unreachable)?;
        match read(&reply).map_err(unreachable)? {
            Answer::Result(value) => Ok(value),
            Answer::Fault { name, message } => Err(OdooError::Fault {
                what: what(),
                kind: FaultKind::of(name.as_str()),
                name,
                message,
            }
            .into()),
        }
    }

    /// Calls a model's method as a user: `object.execute_kw`.
    ///
    /// # Errors
    /// As every call; [`WriteRefused`](crate::remote::RemoteError::WriteRefused) on a read-only handle
    /// for a method that is not known only to read.
    pub async fn execute_kw(
        &self,
        login: Login<'_>,
        model: &str,
        method: &str,
        args: Value,
        kwargs: Option<Value>,
    ) -> Result<Value> {
        self.execute_within(login, model, method, args, kwargs, self.limits.call)
            .await
    }

    async fn execute_within(
        &self,
        login: Login<'_>,
        model: &str,
        method: &str,
        args: Value,
        kwargs: Option<Value>,
        limit: Duration,
    ) -> Result<Value> {
        if !READING.contains(&method) {
            self.access.write(&format!("{model}.{method} in {}", login.db))?;
        }
        let mut all = vec![json!(login.db), json!(login.uid), json!(login.password.expose())];
        all.extend([json!(model), json!(method), args]);
        all.extend(kwargs);
        self.call("object", "execute_kw", Value::from(all), limit).await
    }

    /// A value of `ir.config_parameter`; `None` where there is none.
    ///
    /// # Errors
    /// As every call.
    pub async fn get_param(&self, login: Login<'_>, key: &str) -> Result<Option<SafeText>> {
        let model = "ir.config_parameter";
        let answer = self.execute_kw(login, model, "get_param", json!([key]), None).await?;
        Ok(answer.as_str().map(SafeText::new))
    }

    /// Sets a value of `ir.config_parameter`.
    ///
    /// # Errors
    /// As every call.
    pub async fn set_param(&self, login: Login<'_>, key: &str, value: &str) -> Result<()> {
        let args = json!([key, value]);
        self.execute_kw(login, "ir.config_parameter", "set_param", args, None)
            .await?;
        Ok(())
    }

    /// The technical names of the installed modules.
    ///
    /// # Errors
    /// As every call.
    pub async fn installed_modules(&self, login: Login<'_>) -> Result<Vec<String>> {
        let domain = json!([[["state", "=", "installed"]]]);
        let found = self.modules(login, domain).await?;
        Ok(found.into_iter().map(|(_, name, _)| name).collect())
    }

    /// Installs modules, waiting for it. Those that are installed are left alone.
    ///
    /// # Errors
    /// As every call; [`FaultKind::UserError`] naming the modules that this Odoo doesn't have.
    pub async fn install_modules(&self, login: Login<'_>, names: &[String]) -> Result<()> {
        self.access.write(&format!("install modules in {}", login.db))?;
        if names.is_empty() {
            return Ok(());
        }
        let found = self.modules(login, json!([[["name", "in", names]]])).await?;
        let known = |name: &String| found.iter().any(|(_, found, _)| found == name);
        let absent: Vec<_> = names.iter().filter(|n| !known(n)).map(String::as_str).collect();
        if !absent.is_empty() {
            return Err(OdooError::Fault {
                what: self.what("install modules"),
                kind: FaultKind::UserError,
                name: SafeText::new("unknown module"),
                message: SafeText::new(&format!("this Odoo does not have: {}", absent.join(", "))),
            }
            .into());
        }
        let wanted = found.iter().filter(|(_, _, state)| state != "installed");
        let ids: Vec<i64> = wanted.map(|(id, _, _)| *id).collect();
        if !ids.is_empty() {
            let limit = self.limits.install_modules;
            let (model, method) = ("ir.module.module", "button_immediate_install");
            self.execute_within(login, model, method, json!([ids]), None, limit)
                .await?;
        }
        Ok(())
    }

    /// Users who log in to the backend: not portal users.
    ///
    /// # Errors
    /// As every call.
    pub async fn user_count(&self, login: Login<'_>) -> Result<u64> {
        let domain = json!([[["share", "=", false]]]);
        let answer = self
            .execute_kw(login, "res.users", "search_count", domain, None)
            .await?;
        answer
            .as_u64()
            .ok_or_else(|| self.unexpected("res.users.search_count", &answer, "a number").into())
    }

    async fn modules(&self, login: Login<'_>, domain: Value) -> Result<Vec<(i64, String, String)>> {
        let fields = json!({"fields": ["name", "state"]});
        let model = "ir.module.module";
        let answer = self
            .execute_kw(login, model, "search_read", domain, Some(fields))
            .await?;
        let row = |row: &Value| {
            let text = |key: &str| row.get(key)?.as_str().map(str::to_owned);
            Some((row.get("id")?.as_i64()?, text("name")?, text("state")?))
        };
        let rows = answer.as_array().map(|rows| rows.iter().filter_map(row).collect());
        rows.ok_or_else(|| self.unexpected("ir.module.module.search_read", &answer, "rows").into())
    }
}
