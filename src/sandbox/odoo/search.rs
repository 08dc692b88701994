//! Search domains (`[['state', '=', 'installed']]`) as SQL. Values travel as parameters, never as text
//! of the statement; fields are those of the model.

use super::error::{Answer, RpcError};
use super::models::Model;
use serde_json::Value;

/// A condition, and the parameters it refers to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) parameters: Vec<Vec<String>>,
}

/// The condition of a domain on `model`; archived rows are left out unless the domain speaks of them.
pub(super) fn condition(model: &Model, domain: &Value, with_archived: bool) -> Answer<Condition> {
    let empty = Vec::new();
    let items = domain.as_array().unwrap_or(&empty);
    let mut parameters = Vec::new();
    let mut rest = items.iter();
    let mut parts = Vec::new();
    while rest.len() > 0 {
        parts.push(term(model, &mut rest, &mut parameters)?);
    }
    let speaks_of_archived = items
        .iter()
        .any(|item| item.get(0).and_then(Value::as_str) == Some("active"));
    if model.archives && !with_archived && !speaks_of_archived {
        parts.push("t.active".to_owned());
    }
    let sql = if parts.is_empty() {
        "true".to_owned()
    } else {
        parts.join(" AND ")
    };
    Ok(Condition { sql, parameters })
}

/// One term in prefix notation: a leaf, or an operator with the terms it takes.
fn term<'a>(
    model: &Model,
    rest: &mut impl Iterator<Item = &'a Value>,
    parameters: &mut Vec<Vec<String>>,
) -> Answer<String> {
    let invalid = || RpcError::new("builtins.ValueError", "Domain is not well-formed");
    match rest.next().ok_or_else(invalid)? {
        Value::String(operator) => match operator.as_str() {
            "!" => Ok(format!("NOT ({})", term(model, rest, parameters)?)),
            "&" | "|" => {
                let word = if operator == "&" { "AND" } else { "OR" };
                let left = term(model, rest, parameters)?;
                let right = term(model, rest, parameters)?;
                Ok(format!("({left} {word} {right})"))
            }
            _ => Err(invalid()),
        },
        Value::Array(leaf) => match leaf.as_slice() {
            [Value::String(field), Value::String(operator), value] => one(model, field, operator, value, parameters),
            _ => Err(invalid()),
        },
        _ => Err(invalid()),
    }
}

fn one(model: &Model, name: &str, operator: &str, value: &Value, parameters: &mut Vec<Vec<String>>) -> Answer<String> {
    let Some(field) = model.field(name) else {
        let shown = match value {
            Value::String(text) => format!("'{text}'"),
            other => other.to_string(),
        };
        return Err(RpcError::new(
            "builtins.ValueError",
            format!(
                "Invalid field {}.{name} in leaf ('{name}', '{operator}', {shown})",
                model.name
            ),
        ));
    };
    let values = match value {
        Value::Array(items) => items.iter().map(text).collect(),
        other => vec![text(other)],
    };
    parameters.push(values);
    let place = parameters.len();
    // Odoo's False stands for "not set" too.
    let set = format!("COALESCE(({})::text, 'false')", field.sql);
    Ok(match operator {
        "=" | "==" | "in" => format!("{set} = ANY(${place}::text[])"),
        "!=" | "<>" | "not in" => format!("NOT ({set} = ANY(${place}::text[]))"),
        "=ilike" | "=like" => format!("{set} ILIKE (${place}::text[])[1]"),
        "ilike" | "like" => format!("{set} ILIKE '%' || (${place}::text[])[1] || '%'"),
        "not ilike" | "not like" => format!("{set} NOT ILIKE '%' || (${place}::text[])[1] || '%'"),
        "<" | "<=" | ">" | ">=" => format!(
            "({})::text::numeric {operator} ((${place}::text[])[1])::numeric",
            field.sql
        ),
        _ => {
            return Err(RpcError::new(
                "builtins.ValueError",
                format!("Invalid operator {operator:?}"),
            ));
        }
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "false".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::models::model;
    use super::*;
    use serde_json::json;

    fn users(domain: Value) -> Answer<Condition> {
        condition(model("res.users").unwrap(), &domain, false)
    }

    #[test]
    fn values_are_parameters_and_archived_rows_left_out() {
        let found = users(json!([["login", "=", "x' OR true --"]])).unwrap();
        assert_eq!(
            found.sql,
            "COALESCE((t.login)::text, 'false') = ANY($1::text[]) AND t.active"
        );
        assert_eq!(found.parameters, vec![vec!["x' OR true --".to_owned()]]);
        assert_eq!(
            users(json!([["active", "=", false]]))
                .unwrap()
                .sql
                .matches("t.active")
                .count(),
            1
        );
    }

    #[test]
    fn operators_stand_before_what_they_take() {
        let found = users(json!([
            "|",
            ["login", "=", "a"],
            "!",
            ["share", "=", true],
            ["id", ">", 1]
        ]))
        .unwrap();
        assert!(found.sql.starts_with("(COALESCE((t.login)"), "{}", found.sql);
        assert!(found.sql.contains(" OR NOT ("), "{}", found.sql);
        assert_eq!(found.parameters.len(), 3);
    }

    #[test]
    fn what_is_no_field_or_no_domain_is_refused() {
        let error = users(json!([["nosuch", "=", 1]])).unwrap_err();
        assert_eq!(
            error.message,
            "Invalid field res.users.nosuch in leaf ('nosuch', '=', 1)"
        );
        for bad in [
            json!(["|", ["login", "=", "a"]]),
            json!([1]),
            json!([["login", "="]]),
            json!(["?"]),
        ] {
            assert_eq!(users(bad).unwrap_err().name, "builtins.ValueError");
        }
    }
}
