//! Columns as the domain's types.

use crate::registry::{RegistryError, Result};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// A number of any width.
struct Int(i64);

impl<'a> FromSql<'a> for Int {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *ty {
            Type::INT2 => i16::from_sql(ty, raw)?.into(),
            Type::INT4 => i32::from_sql(ty, raw)?.into(),
            Type::OID => u32::from_sql(ty, raw)?.into(),
            _ => i64::from_sql(ty, raw)?,
        }))
    }
    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8 | Type::OID)
    }
}

/// A column as it is.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T> {
    row.try_get(column).map_err(|e| unreadable(column, e))
}

/// A number, in the type that it needs to fit.
pub(super) fn int<T: TryFrom<i64>>(row: &Row, column: &str) -> Result<T> {
    int_opt(row, column)?.ok_or_else(|| unreadable(column, "it is null"))
}

/// As [`int`], where there is one.
pub(super) fn int_opt<T: TryFrom<i64>>(row: &Row, column: &str) -> Result<Option<T>> {
    match get::<Option<Int>>(row, column)? {
        None => Ok(None),
        Some(Int(n)) => T::try_from(n)
            .map(Some)
            .map_err(|_| unreadable(column, format!("{n} is out of range"))),
    }
}

/// The text of a column parsed as a name, address or reference.
pub(super) fn parsed<T>(row: &Row, column: &str) -> Result<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    get::<&str>(row, column)?.parse().map_err(|e| unreadable(column, e))
}

/// As [`parsed`], where there is a value.
pub(super) fn parsed_opt<T>(row: &Row, column: &str) -> Result<Option<T>>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text: Option<&str> = get(row, column)?;
    text.map(|t| t.parse().map_err(|e| unreadable(column, e))).transpose()
}

/// A `jsonb` column as a value.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<T> {
    serde_json::from_value(get::<Value>(row, column)?).map_err(|e| unreadable(column, e))
}

/// As [`from_json`], where there is one.
pub(super) fn from_json_opt<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<Option<T>> {
    let value: Option<Value> = get(row, column)?;
    value
        .map(|v| serde_json::from_value(v).map_err(|e| unreadable(column, e)))
        .transpose()
}

/// A column whose text is one word, such as a state.
pub(super) fn from_word<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<T> {
    let word: String = get(row, column)?;
    serde_json::from_value(Value::String(word)).map_err(|e| unreadable(column, e))
}

/// A value whose stored form is one word.
pub(super) fn word_of(value: &impl serde::Serialize) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => Ok(word),
        Ok(other) => Err(unreadable("a word to be stored", other)),
        Err(e) => Err(unreadable("a word to be stored", e)),
    }
}

/// A value as JSON.
pub(super) fn json(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| unreadable("a value to be stored", e))
}

/// A stored value that this program can't read: the row was not written by it.
pub(super) fn unreadable(what: &str, e: impl std::fmt::Display) -> RegistryError {
    RegistryError::Store {
        what: format!("{what} can't be read: {e}"),
        transient: false,
    }
}
