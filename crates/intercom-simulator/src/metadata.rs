//! Event metadata: which keys are kept and which values are valid.

use serde_json::{Map, Value};

use crate::errors::{ApiError, Result};
use crate::fields::{MILLISECONDS_FROM, STRING_LIMIT};

/// The keys that Intercom keeps, and how many it ignored. Ignored keys aren't checked.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) kept: Map<String, Value>,
    pub(crate) ignored: usize,
}

impl Metadata {
    /// Reads `metadata` of an event: the first `limit` keys in the order sent.
    pub(crate) fn read(
        body: &Map<String, Value>,
        limit: usize,
        violations: &mut Vec<String>,
    ) -> Result<Self> {
        let sent = match body.get("metadata") {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(sent)) => sent,
            Some(_) => {
                return Err(ApiError::parameter_invalid("metadata must be an object")
                    .with_field("metadata"));
            }
        };
        let mut kept = Map::new();
        for (key, value) in sent.iter().take(limit) {
            if let Some(reason) = refusal(value) {
                return Err(
                    ApiError::parameter_invalid(format!("Metadata '{key}' {reason}"))
                        .with_field(key),
                );
            }
            if let Some(problem) = misread_date(key, value) {
                violations.push(problem);
            }
            kept.insert(key.clone(), value.clone());
        }
        Ok(Self {
            ignored: sent.len() - kept.len(),
            kept,
        })
    }
}

/// Why a metadata value is invalid, if it is.
fn refusal(value: &Value) -> Option<&'static str> {
    match value {
        Value::Number(_) => None,
        Value::String(text) => too_long(text),
        Value::Object(fields) => object_refusal(fields),
        Value::Bool(_) => Some("must not be a boolean"),
        Value::Null => Some("must not be null"),
        Value::Array(_) => Some("must not be nested"),
    }
}

/// What Intercom would show a wrong date for: a key that ends in `_date` names Unix seconds.
fn misread_date(key: &str, value: &Value) -> Option<String> {
    let is_milliseconds = value.as_f64()? >= MILLISECONDS_FROM as f64;
    (key.ends_with("_date") && is_milliseconds)
        .then(|| format!("metadata {key} {value} looks like milliseconds"))
}

fn object_refusal(fields: &Map<String, Value>) -> Option<&'static str> {
    if fields.len() != 2 {
        return Some("must not be nested");
    }
    match (fields.get("url"), fields.get("value")) {
        (Some(Value::String(url)), Some(Value::String(text))) => {
            return too_long(url).or_else(|| too_long(text));
        }
        (Some(Value::String(url)), Some(Value::Number(_))) => return too_long(url),
        _ => {}
    }
    match (fields.get("amount"), fields.get("currency")) {
        (Some(amount), Some(Value::String(currency))) => {
            if amount.as_u64().is_none_or(|cents| cents == 0) {
                return Some("must have a positive integer amount, in cents");
            }
            let is_code = currency.len() == 3 && currency.chars().all(|c| c.is_ascii_alphabetic());
            (!is_code).then_some("must have a three-letter currency")
        }
        _ => Some("must not be nested"),
    }
}

fn too_long(text: &str) -> Option<&'static str> {
    (text.chars().count() > STRING_LIMIT).then_some("is longer than 255 characters")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values() {
        let cases = [
            (json!("text"), true),
            (json!("é".repeat(255)), true),
            (json!("é".repeat(256)), false),
            (json!(3.67), true),
            (json!(true), false),
            (json!(null), false),
            (json!(["a"]), false),
            (json!({"url": "https://example.org", "value": "x"}), true),
            (json!({"url": "https://example.org", "value": 5}), true),
            (json!({"url": "https://example.org"}), false),
            (
                json!({"url": "https://example.org", "value": "x", "more": 1}),
                false,
            ),
            (json!({"amount": 1999, "currency": "usd"}), true),
            (json!({"amount": 0, "currency": "usd"}), false),
            (json!({"amount": -1, "currency": "usd"}), false),
            (json!({"amount": 1998.999, "currency": "usd"}), false),
            (json!({"amount": 1999, "currency": "dollars"}), false),
            (json!({"amount": 1999}), false),
            (json!({"a": {"b": 1}}), false),
        ];
        for (value, valid) in cases {
            assert_eq!(refusal(&value).is_none(), valid, "{value}");
        }
    }

    #[test]
    fn keys_beyond_the_limit_are_ignored_unchecked() {
        let body = json!({"metadata": {"b": 1, "a": 2, "c": true}});
        let mut violations = Vec::new();
        let metadata = Metadata::read(body.as_object().unwrap(), 2, &mut violations).unwrap();
        assert_eq!(Value::Object(metadata.kept), json!({"b": 1, "a": 2}));
        assert_eq!(metadata.ignored, 1);
    }

    #[test]
    fn a_date_in_milliseconds_is_noted() {
        let noted = |key: &str, value: Value| {
            let mut violations = Vec::new();
            let body = json!({"metadata": {key: value}});
            Metadata::read(body.as_object().unwrap(), 10, &mut violations).unwrap();
            !violations.is_empty()
        };
        assert!(noted("ship_date", json!(1_700_000_000_000_i64)));
        assert!(!noted("ship_date", json!(1_700_000_000)));
        assert!(!noted("views", json!(1_700_000_000_000_i64)));
    }
}
