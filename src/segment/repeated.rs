//! Repeated keys in an object.

use std::borrow::Cow;
use std::collections::HashSet;

use indexmap::IndexMap;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, IntoDeserializer, Visitor};

use super::{Object, Value};

/// Up to this many keys are compared pair by pair, which is faster than hashing.
const FEW: usize = 12;

/// The same value with only the last of equal keys, at the first one's position, as JavaScript's
/// and other parsers do it.
pub(crate) fn with_last_of_equal_keys(value: Value<'_>) -> Value<'_> {
    if !has_equal_keys(&value) {
        return value;
    }
    Value::deserialize(Parts(value)).expect("a JSON value is a JSON value")
}

/// Takes a value apart, each of its objects without repeated keys. Nothing else can make an object
/// whose keys are not borrowed.
pub(crate) struct Parts<'de>(pub(crate) Value<'de>);

impl<'de> Deserializer<'de> for Parts<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Value::Str(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Value::Str(Cow::Owned(text)) => visitor.visit_string(text),
            Value::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Parts)))
            }
            Value::Object(fields) => {
                let unique: IndexMap<_, _> = fields.into_vec().into_iter().collect();
                let parts = unique.into_iter();
                let parts = parts.map(|(key, value)| (Parts(Value::Str(key)), Parts(value)));
                visitor.visit_map(MapDeserializer::new(parts))
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for Parts<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// An object with these fields, of which none has a key of another.
pub(crate) fn object_of<'e>(fields: Vec<(Cow<'e, str>, Value<'e>)>) -> Object<'e> {
    let is_borrowed = |(key, _): &(Cow<'e, str>, _)| matches!(key, Cow::Borrowed(_));
    if fields.iter().all(is_borrowed) {
        let fields = fields.into_iter().filter_map(|(key, value)| match key {
            Cow::Borrowed(key) => Some((key, value)),
            Cow::Owned(_) => None,
        });
        return fields.collect();
    }
    let parts = fields.into_iter();
    let parts = parts.map(|(key, value)| (Parts(Value::Str(key)), Parts(value)));
    let made = Value::deserialize(MapDeserializer::<_, serde_json::Error>::new(parts));
    match made.expect("a JSON value is a JSON value") {
        Value::Object(object) => object,
        _ => Object::default(),
    }
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
