//! What the audit keeps of a record: its fields that changed, and secrets only as what may be shown of them.
//! The same for every store.

use crate::domain::SecretRef;
use serde_json::Value;

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
