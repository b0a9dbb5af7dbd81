//! Repeated keys in an object.

use std::collections::HashSet;

use serde::Deserialize;

use super::Value;

/// Up to this many keys are compared pair by pair, which is faster than hashing.
const FEW: usize = 12;

/// The same value with only the last of equal keys, at the first one's position, as JavaScript's
/// and other parsers do it.
pub(super) fn with_last_of_equal_keys(value: Value<'_>) -> Value<'_> {
    if !has_equal_keys(&value) {
        return value;
    }
    // `serde_json`'s objects hold a key once, and the last one wins.
    let unique = serde_json::Value::from(&value);
    Value::deserialize(unique).expect("a JSON value is a JSON value")
}

fn has_equal_keys(value: &Value<'_>) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_equal_keys),
        Value::Object(object) => {
            let keys = || object.keys();
            let has_repeated = if object.len() <= FEW {
                keys()
                    .enumerate()
                    .any(|(place, key)| keys().take(place).any(|other| other == key))
            } else {
                let mut seen = HashSet::new();
                !keys().all(|key| seen.insert(key))
            };
            has_repeated || object.values().any(has_equal_keys)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_counts() {
        let many: String = (0..20).fold(String::new(), |json, n| json + &format!(r#""k{n}":{n},"#));
        for (json, expected) in [
            (
                r#"{"a":1,"b":2,"a":3}"#.to_owned(),
                r#"{"a":3,"b":2}"#.to_owned(),
            ),
            (
                r#"{"x":[{"\u0061":null,"a":{"b":1.5,"b":-2}}],"é\n":18446744073709551615}"#
                    .to_owned(),
                r#"{"x":[{"a":{"b":-2}}],"é\n":18446744073709551615}"#.to_owned(),
            ),
            (
                format!(r#"{{{many}"k7":"last"}}"#),
                format!(
                    "{{{}}}",
                    many.trim_end_matches(',').replace(":7,", r#":"last","#)
                ),
            ),
        ] {
            let value = serde_json::from_str(&json).expect("JSON");
            assert_eq!(
                with_last_of_equal_keys(value).to_string(),
                expected,
                "{json}"
            );
        }
    }
}
