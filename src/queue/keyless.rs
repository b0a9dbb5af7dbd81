//! Removes the write key that some SDKs put into events, so that no queue ever holds it.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::segment::{Event, WRITE_KEY};

/// Serialises as the event without its write key, however often that occurs.
pub(super) struct Keyless<'a, 'e>(pub(super) &'a Event<'e>);

impl Serialize for Keyless<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.fields().iter();
        serializer.collect_map(fields.filter(|(key, _)| *key != WRITE_KEY))
    }
}

/// The same for JSON that can't be read as an event.
pub(super) fn without_write_key(json: &RawValue) -> Cow<'_, RawValue> {
    let Ok(Fields(fields)) = serde_json::from_str(json.get()) else {
        return Cow::Borrowed(json);
    };
    let is_key = |name: &RawValue| {
        let name: Result<String, _> = serde_json::from_str(name.get());
        name.is_ok_and(|name| name == WRITE_KEY)
    };
    let kept = fields.into_iter().filter(|(name, _)| !is_key(name));
    let kept: Vec<String> = kept
        .map(|(name, value)| format!("{name}:{value}"))
        .collect();
    let json = format!("{{{}}}", kept.join(","));
    Cow::Owned(RawValue::from_string(json).expect("its parts were JSON"))
}

/// The fields of a JSON object, left unparsed, so that none of them can fail to parse.
struct Fields<'r>(Vec<(&'r RawValue, &'r RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_write_key_is_found_in_json_that_is_no_event() {
        for (json, expected) in [
            (
                r#"{"a":1e999,"writeKey":"k","b":[ 1 ]}"#,
                r#"{"a":1e999,"b":[ 1 ]}"#,
            ),
            (
                r#"{"write\u004bey":"k","writeKey":{},"\ud800":1}"#,
                r#"{"\ud800":1}"#,
            ),
            (r#"{"writeKey":"k"}"#, "{}"),
            (r#"["writeKey"]"#, r#"["writeKey"]"#),
            ("7", "7"),
        ] {
            let json = RawValue::from_string(json.to_owned()).expect("JSON");
            assert_eq!(without_write_key(&json).get(), expected);
        }
    }
}
