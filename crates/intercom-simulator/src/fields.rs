//! Typed reading of request bodies. The outer `Option` says whether the key is there, the inner
//! one whether its value is null.

use serde_json::{Map, Value};

use crate::errors::{ApiError, Result};

/// Longest string value, in characters.
pub(crate) const STRING_LIMIT: usize = 255;
/// Numbers from here on are taken for milliseconds sent as seconds (the year 2969 in seconds).
pub(crate) const MILLISECONDS_FROM: i64 = 31_557_600_000;

pub(crate) type Field<T> = Option<Option<T>>;

pub(crate) fn object(body: &Value) -> Result<&Map<String, Value>> {
    body.as_object()
        .ok_or_else(|| ApiError::new(400, "bad_request", "The body must be a JSON object"))
}

pub(crate) fn string(body: &Map<String, Value>, key: &str) -> Result<Field<String>> {
    read(body, key, "a string", |value| {
        value.as_str().map(str::to_owned)
    })
}

/// A string of at most 255 characters. What Intercom does with a longer name isn't known, so it is
/// refused here.
pub(crate) fn short_string(body: &Map<String, Value>, key: &str) -> Result<Field<String>> {
    let field = string(body, key)?;
    if let Some(Some(text)) = &field
        && text.chars().count() > STRING_LIMIT
    {
        let reason = format!("{key} is longer than {STRING_LIMIT} characters");
        return Err(ApiError::parameter_invalid(reason).with_field(key));
    }
    Ok(field)
}

pub(crate) fn integer(body: &Map<String, Value>, key: &str) -> Result<Field<i64>> {
    read(body, key, "an integer", Value::as_i64)
}

pub(crate) fn boolean(body: &Map<String, Value>, key: &str) -> Result<Field<bool>> {
    read(body, key, "a boolean", Value::as_bool)
}

/// Unix seconds. What looks like milliseconds is stored as Intercom would, and noted.
pub(crate) fn timestamp(
    body: &Map<String, Value>,
    key: &str,
    violations: &mut Vec<String>,
) -> Result<Field<i64>> {
    let field = read(
        body,
        key,
        "an integer (Unix timestamp in seconds)",
        |value| value.as_i64().filter(|seconds| *seconds >= 0),
    )?;
    if let Some(Some(seconds)) = field
        && seconds >= MILLISECONDS_FROM
    {
        violations.push(format!("{key} {seconds} looks like milliseconds"));
    }
    Ok(field)
}

/// A string that must be there and not be empty.
pub(crate) fn required_string(body: &Map<String, Value>, key: &str) -> Result<String> {
    match string(body, key)?.flatten() {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(ApiError::parameter_not_found(format!("{key} not specified")).with_field(key)),
    }
}

fn read<T>(
    body: &Map<String, Value>,
    key: &str,
    expected: &str,
    convert: impl Fn(&Value) -> Option<T>,
) -> Result<Field<T>> {
    match body.get(key) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => match convert(value) {
            Some(converted) => Ok(Some(Some(converted))),
            None => Err(
                ApiError::parameter_invalid(format!("{key} must be {expected}")).with_field(key),
            ),
        },
    }
}
