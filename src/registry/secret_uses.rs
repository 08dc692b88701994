//! Where the registry holds secrets: the same places in every store.

use super::{RegistryError, Result};
use crate::domain::SecretRef;
use serde_json::Value;
use std::collections::HashSet;

/// A place in the registry where a secret is used: never its value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretUse {
    /// The table.
    pub table: &'static str,
    /// The row's id; the job's where it is a step's.
    pub id: i64,
    /// Which step, where it is one's.
    pub step: Option<i64>,
    /// What the row is called.
    pub label: String,
    /// The column; what lies inside of JSON has its pointer behind: `data/password`.
    pub field: String,
    /// The reference, or what is sealed.
    pub reference: SecretRef,
}

/// A sealed value, and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed {
    /// Where it is, and as it was read.
    pub of: SecretUse,
    /// The same value, sealed anew.
    pub sealed: SecretRef,
}

/// A table with secrets in columns of their own: its name, the column with what a row is called, and the
/// secrets' columns.
pub(crate) const COLUMNS: [(&str, &str, &[&str]); 3] = [
    ("saas_server", "code", &["db_password", "master_password"]),
    ("saas_template", "code", &["admin_password"]),
    ("saas_instance", "name", &["admin_password"]),
];

/// A job's JSON in which a sealed value may be.
pub(crate) const JOB_JSON: &[&str] = &["spec", "result", "consequences", "before"];
/// A step's.
pub(crate) const STEP_JSON: &[&str] = &["data"];
/// What a JSON text has in it where it has a sealed value, for SQL's LIKE.
pub(crate) const SEALED_LIKE: &str = "%\"sealed:%";

/// The sealed values in JSON, with their pointers.
pub(crate) fn sealed_in(value: &Value) -> Vec<(String, SecretRef)> {
    fn walk(value: &Value, at: &str, found: &mut Vec<(String, SecretRef)>) {
        match value {
            Value::String(text) if text.starts_with("sealed:") => {
                if let Ok(reference @ SecretRef::Sealed { .. }) = SecretRef::parse(text) {
                    found.push((at.to_owned(), reference));
                }
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(index, item)| walk(item, &format!("{at}/{index}"), found)),
            Value::Object(fields) => fields.iter().for_each(|(key, item)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                walk(item, &format!("{at}/{key}"), found);
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// The JSON column's name and the pointer inside of it, of a field such as `data/password`.
pub(crate) fn inside(field: &str) -> Option<(&str, &str)> {
    let at = field.find('/')?;
    Some(field.split_at(at))
}

/// Refuses the whole when what is sealed in the registry is not exactly what was read before: a value
/// that came, went or changed meanwhile would be lost, or left under the old key.
pub(crate) fn refuse_changed(found: &[SecretUse], given: &[Resealed]) -> Result<()> {
    let found: HashSet<&SecretUse> = found.iter().filter(|u| u.reference.key_id().is_some()).collect();
    let given: HashSet<&SecretUse> = given.iter().map(|value| &value.of).collect();
    let differs = |u: &&&SecretUse| format!("{} of {} {} ({})", u.field, u.table, u.id, u.label);
    let changed: Vec<String> = found
        .symmetric_difference(&given)
        .take(3)
        .map(|u| differs(&u))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(changed_meanwhile(&changed.join(", ")))
}

/// The refusal of the whole.
pub(crate) fn changed_meanwhile(what: &str) -> RegistryError {
    RegistryError::Changed {
        what: "the registry's",
        key: "secrets".to_owned(),
        difference: what.to_owned(),
    }
}

/// How many values each key had sealed, and the key that has them now: what the audit keeps.
pub(crate) fn audited(values: &[Resealed]) -> (Value, Value) {
    let mut from: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    let mut to = from.clone();
    for value in values {
        *from.entry(value.of.reference.key_id().unwrap_or_default()).or_default() += 1;
        *to.entry(value.sealed.key_id().unwrap_or_default()).or_default() += 1;
    }
    (
        serde_json::json!({ "sealed_by": from }),
        serde_json::json!({ "sealed_by": to }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sealed_values_are_found_wherever_they_are_in_json() {
        let value =
            json!({"a": ["x", "sealed:k1:AA=="], "b~/c": {"d": "sealed:k2:BB=="}, "e": "sealed:", "f": "env:X"});
        let mut changed = value.clone();
        let found = sealed_in(&value);
        assert_eq!(found.len(), 2);
        for (pointer, reference) in found {
            let place = changed.pointer_mut(&pointer).unwrap();
            assert_eq!(*place, Value::from(String::from(reference)));
            *place = Value::from("taken");
        }
        assert_eq!(changed["b~/c"]["d"], "taken");
        assert_eq!(inside("data/a/b"), Some(("data", "/a/b")));
        assert_eq!(inside("db_password"), None);
    }
}
