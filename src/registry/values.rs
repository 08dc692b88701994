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
