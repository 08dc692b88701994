//! What Odoo answers when something is wrong: HTTP 200, and an `error` with the Python class.

use serde_json::{Value, json};
use tokio_postgres::error::{DbError, SqlState};

/// An exception of Odoo's, as its RPC shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RpcError {
    /// The Python class with its module: what clients classify by.
    pub(super) name: &'static str,
    /// The text.
    pub(super) message: String,
}

pub(super) type Answer<T = Value> = Result<T, RpcError>;

impl RpcError {
    pub(super) fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            message: message.into(),
        }
    }

    pub(super) fn access_denied() -> Self {
        Self::new("odoo.exceptions.AccessDenied", "Access Denied")
    }

    pub(super) fn type_error(message: impl Into<String>) -> Self {
        Self::new("builtins.TypeError", message)
    }

    pub(super) fn missing(function: &str, names: &[&str]) -> Self {
        let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        let (plural, list) = match quoted.as_slice() {
            [one] => ("", one.clone()),
            [one, two] => ("s", format!("{one} and {two}")),
            [most @ .., last] => ("s", format!("{}, and {last}", most.join(", "))),
            [] => ("s", String::new()),
        };
        Self::type_error(format!(
            "{function}() missing {} required positional argument{plural}: {list}",
            names.len()
        ))
    }

    pub(super) fn index() -> Self {
        Self::new("builtins.IndexError", "list index out of range")
    }

    /// The `error` member of the answer. Frames of the traceback are left out.
    pub(super) fn to_json(&self) -> Value {
        let class = self.name.strip_prefix("builtins.").unwrap_or(self.name);
        let shown = if class == "KeyError" {
            format!("'{}'", self.message)
        } else {
            self.message.clone()
        };
        json!({
            "code": 200,
            "message": "Odoo Server Error",
            "data": {
                "name": self.name,
                "debug": format!("Traceback (most recent call last):\n  [frames left out]\n{class}: {shown}\n"),
                "message": self.message,
                "arguments": [self.message],
                "context": {},
            },
        })
    }
}

/// An error of a statement, as psycopg2 names it.
impl From<tokio_postgres::Error> for RpcError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => Self::new(class(db.code()), said(db)),
            // A mistake of the stand-in's own.
            None if !error.is_closed() => Self::new("psycopg2.ProgrammingError", error.to_string()),
            None => Self::new(
                "psycopg2.OperationalError",
                "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n\
                 \tbefore or while processing the request.\n",
            ),
        }
    }
}

/// An error of connecting, as libpq words it.
pub(super) fn connecting(error: &tokio_postgres::Error, host: &str, port: u16) -> RpcError {
    let reason = match error.as_db_error() {
        Some(db) => format!("FATAL:  {}", said(db)),
        None => {
            "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\n".to_owned()
        }
    };
    RpcError::new(
        "psycopg2.OperationalError",
        format!("connection to server at \"{host}\", port {port} failed: {reason}"),
    )
}

fn said(error: &DbError) -> String {
    match error.detail() {
        Some(detail) => format!("{}\nDETAIL:  {detail}\n", error.message()),
        None => format!("{}\n", error.message()),
    }
}

fn class(code: &SqlState) -> &'static str {
    match code.code() {
        "42P04" => "psycopg2.errors.DuplicateDatabase",
        "3D000" => "psycopg2.errors.InvalidCatalogName",
        "55006" => "psycopg2.errors.ObjectInUse",
        "55000" => "psycopg2.errors.ObjectNotInPrerequisiteState",
        "42501" => "psycopg2.errors.InsufficientPrivilege",
        "42809" => "psycopg2.errors.WrongObjectType",
        "42601" => "psycopg2.errors.SyntaxError",
        "42P01" => "psycopg2.errors.UndefinedTable",
        "22023" => "psycopg2.errors.InvalidParameterValue",
        "23505" => "psycopg2.errors.UniqueViolation",
        "57014" => "psycopg2.errors.QueryCanceled",
        "57P01" => "psycopg2.errors.AdminShutdown",
        _ => "psycopg2.DatabaseError",
    }
}
