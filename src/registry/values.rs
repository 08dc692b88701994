//! What the stores have in common beside the domain: attempts, what the audit keeps of a record (its fields that
//! changed, and secrets only as what may be shown of them), and the columns that are read.

use super::Op;
use crate::domain::SecretRef;
use serde_json::Value;

/// The columns of a server that are read, in either store.
pub(super) const SERVER_COLUMNS: &str =
    "id, version, name, code, description, server_url, server_ip, port, ssh_host, ssh_user, ssh_port,
    ssh_identity, db_host, db_port, db_user, db_password, db_tls, master_password, data_dir, max_instances, cpu_cores,
    memory_gb, disk_gb, intent, observed, health_status, health_reason, health_hint, health_failures, last_check_date,
    last_success_date, latency_ms, odoo_version, instance_count, created_at";

/// An attempt to change something.
pub(super) struct Attempt<'a> {
    /// Who, when, and the id that a retry repeats.
    pub(super) op: &'a Op,
    /// `server.add`, ….
    pub(super) action: &'static str,
    /// What it is about, in words that a retry repeats: with the operation's id it is done once.
    pub(super) subject: String,
    /// For the audit row of a refusal: `server:7`, or `server` where there is none yet.
    pub(super) object: String,
    /// What it is called.
    pub(super) label: String,
}

/// What was done, for its audit row and for a retry.
pub(super) struct Done {
    /// What a retry reads again.
    pub(super) id: i64,
    /// `server:7`.
    pub(super) object: String,
    /// What it is called.
    pub(super) label: String,
    /// The changed fields before.
    pub(super) from: Option<Value>,
    /// And after; both `None`: nothing changed, no audit row.
    pub(super) to: Option<Value>,
}

/// JSON in which a secret is only what may be shown of its reference.
pub(super) fn masked(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::String(text) if text.starts_with("sealed:") => {
                *text = SecretRef::parse(text).map_or_else(|_| "sealed".to_owned(), |r| r.shown());
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::Object(fields) => fields.values_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

/// What a change became, with the reason that the operator gave for it.
pub(super) fn with_reason(to: Option<Value>, reason: Option<&str>) -> Option<Value> {
    let Some(reason) = reason else { return to };
    let mut fields = match to {
        Some(Value::Object(fields)) => fields,
        Some(other) => return Some(other),
        None => serde_json::Map::new(),
    };
    fields.insert("reason".to_owned(), Value::from(reason));
    Some(Value::Object(fields))
}

/// The fields in which two records differ, before and after.
pub(super) fn difference(before: &Value, after: &Value) -> (Value, Value) {
    let (mut from, mut to) = (serde_json::Map::new(), serde_json::Map::new());
    if let (Value::Object(before), Value::Object(after)) = (before, after) {
        for (key, value) in after {
            let old = before.get(key).unwrap_or(&Value::Null);
            if old != value {
                from.insert(key.clone(), old.clone());
                to.insert(key.clone(), value.clone());
            }
        }
    }
    (Value::Object(from), Value::Object(to))
}
