//! Odoo's web routes: its version where there is no `/jsonrpc`, and its health.

use super::{Odoo, Version};
use crate::domain::SafeText;
use crate::domain::check::Failure;
use crate::remote::http::{Ask, Reply};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What `/web/health?db_server_status=1` says of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbServerStatus {
    /// Odoo reaches it.
    Up,
    /// Odoo does not reach it.
    Down,
    /// This build does not know the question.
    NotChecked,
}

impl Odoo {
    /// The version by the routes that don't need `/jsonrpc`: `/web/version`, `/json/version`, then
    /// `/web/webclient/version_info`.
    ///
    /// # Errors
    /// The first failure of the way to it, or what the first route answered instead.
    pub async fn web_version(&self, limit: Duration) -> Result<Version, Failure> {
        let ends = Instant::now() + limit;
        let mut first = None;
        for (path, post) in [
            ("/web/version", false),
            ("/json/version", false),
            ("/web/webclient/version_info", true),
        ] {
            let left = ends.saturating_duration_since(Instant::now());
            let body = json!({"jsonrpc": "2.0", "method": "call", "params": {}, "id": 1}).to_string();
            let reply = self.raw(path, post.then_some(body), left).await?;
            let parsed = serde_json::from_slice::<Value>(&reply.body).ok();
            let found = parsed.and_then(|value| {
                let inner = value.get("result").cloned();
                version_of(&inner.unwrap_or(value))
            });
            match found {
                Some(version) if reply.status == 200 => return Ok(version),
                _ if first.is_none() => first = Some(not_odoo(&reply)),
                _ => {}
            }
        }
        Err(first.unwrap_or(Failure::NotOdoo {
            what: SafeText::new("no version"),
        }))
    }

    /// What Odoo says of its own PostgreSQL.
    ///
    /// # Errors
    /// When there is no answer, or none of Odoo's.
    pub async fn health(&self, limit: Duration) -> Result<DbServerStatus, Failure> {
        let reply = self.raw("/web/health?db_server_status=1", None, limit).await?;
        let parsed = serde_json::from_slice::<Value>(&reply.body).ok();
        let Some(status) = parsed.filter(|v| v.get("status").is_some_and(Value::is_string)) else {
            return Err(not_odoo(&reply));
        };
        Ok(match status.get("db_server_status") {
            Some(Value::Bool(true)) => DbServerStatus::Up,
            Some(Value::Bool(false)) => DbServerStatus::Down,
            _ => DbServerStatus::NotChecked,
        })
    }

    /// `common.version`, as it comes.
    pub(in crate::remote) async fn ask_version(&self, limit: Duration) -> Result<Reply, Failure> {
        let params = json!({"service": "common", "method": "version", "args": []});
        let body = json!({"jsonrpc": "2.0", "method": "call", "params": params, "id": 1});
        self.raw("/jsonrpc", Some(body.to_string()), limit).await
    }

    /// Whether Odoo can connect to PostgreSQL's own database: true of every Odoo that works without
    /// a pooler, since it manages databases from there.
    pub(in crate::remote) async fn reaches_postgres(&self, limit: Duration) -> crate::remote::Result<bool> {
        let answer = self.call("db", "db_exist", json!(["postgres"]), limit).await?;
        self.truth("db.db_exist", &answer)
    }

    async fn raw(&self, path: &str, json: Option<String>, limit: Duration) -> Result<Reply, Failure> {
        let url = format!("{}{path}", self.url());
        let ask = Ask {
            url: &url,
            json,
            limit,
            cap: self.limits.answer_bytes,
        };
        self.http.ask(ask).await
    }
}

/// The version in an answer of any of the routes, if that is what it is.
pub(in crate::remote) fn version_of(answer: &Value) -> Option<Version> {
    let info = answer.get("server_version_info").or_else(|| answer.get("version_info"));
    let text = answer
        .get("server_version")
        .or_else(|| answer.get("version"))?
        .as_str()?;
    // `17` or `saas~17`.
    let major = match info?.get(0)? {
        Value::Number(n) => n.as_u64(),
        Value::String(s) => s.rsplit('~').next().and_then(|digits| digits.parse().ok()),
        _ => None,
    };
    Some(Version {
        text: SafeText::capped(text, 60),
        series: answer
            .get("server_serie")
            .and_then(Value::as_str)
            .map(|s| SafeText::capped(s, 60)),
        major: major.and_then(|n| u32::try_from(n).ok()),
    })
}

/// The version in an answer of `common.version`.
///
/// # Errors
/// What it is instead.
pub(in crate::remote) fn read_version(reply: &Reply) -> Result<Version, Failure> {
    match super::rpc::read(reply)? {
        super::rpc::Answer::Result(value) => version_of(&value).ok_or_else(|| Failure::NotOdoo {
            what: SafeText::new("a JSON-RPC server that gives no version of Odoo's"),
        }),
        super::rpc::Answer::Fault { name, message } => Err(Failure::OdooError { name, message }),
    }
}

/// An answer that is not Odoo's, told as a failure.
pub(in crate::remote) fn not_odoo(reply: &Reply) -> Failure {
    match reply.status {
        400.. => Failure::Http { status: reply.status },
        status => Failure::NotOdoo {
            what: describe(reply, status),
        },
    }
}

/// What an answer that is not Odoo's looks like.
pub(in crate::remote) fn describe(reply: &Reply, status: u16) -> SafeText {
    if let Some(target) = &reply.location {
        return SafeText::capped(&format!("a redirect to {target} (HTTP {status})"), 300);
    }
    let body = String::from_utf8_lossy(&reply.body);
    if let Some(title) = title(&body) {
        return SafeText::capped(&format!("a page titled “{title}” (HTTP {status})"), 300);
    }
    let kind = match serde_json::from_slice::<Value>(&reply.body) {
        Ok(_) => "JSON that is not Odoo's".to_owned(),
        Err(_) if body.trim().is_empty() => "an empty answer".to_owned(),
        Err(_) if reply.content_type.ends_with("json") => "JSON that is cut or broken".to_owned(),
        Err(_) if reply.content_type.is_empty() => "an answer of no known type".to_owned(),
        Err(_) => format!("an answer of type {}", reply.content_type),
    };
    SafeText::capped(&format!("{kind} (HTTP {status})"), 300)
}

/// A page's title.
fn title(body: &str) -> Option<String> {
    // ASCII lowercasing keeps every byte's place.
    let lower = body.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let from = open + lower[open..].find('>')? + 1;
    let to = from + lower[from..].find("</title")?;
    let title = body[from..to].split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then(|| title.chars().take(120).collect())
}
