//! The fields of a JSON object whose values are still JSON.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::segment::{Parts, Value};

/// The fields of a JSON object, in the order sent. Of equal keys the last one counts, as everywhere,
/// however they are escaped.
#[derive(Debug)]
pub(super) struct Fields<'b>(IndexMap<Cow<'b, str>, Field<'b>>);

/// A field's value.
#[derive(Debug)]
pub(super) enum Field<'b> {
    /// As it was sent.
    Json(&'b RawValue),
    /// An object put together from several.
    Object(Fields<'b>),
}

impl<'b> Fields<'b> {
    /// A field as it was sent.
    pub(super) fn get(&self, name: &str) -> Option<&'b RawValue> {
        match self.0.get(name)? {
            Field::Json(json) => Some(json),
            Field::Object(_) => None,
        }
    }

    pub(super) fn insert(&mut self, name: &'static str, value: Field<'b>) {
        self.0.insert(name.into(), value);
    }

    /// One object's fields, and after them those that only the other has.
    pub(super) fn merged(mut one: Self, other: Self) -> Self {
        for (key, value) in other.0 {
            one.0.entry(key).or_insert(value);
        }
        one
    }

    /// Parses the values.
    pub(super) fn parse(self) -> Result<Value<'b>, serde_json::Error> {
        Value::deserialize(self.into_deserializer())
    }

    fn into_deserializer(self) -> MapAccessDeserializer<Parsing<'b>> {
        MapAccessDeserializer::new(Parsing {
            fields: self.0.into_iter(),
            value: None,
        })
    }
}

impl<'de: 'b, 'b> Deserialize<'de> for Fields<'b> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = IndexMap<Cow<'de, str>, Field<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = IndexMap::new();
                while let Some(Key(key)) = map.next_key()? {
                    fields.insert(key, Field::Json(map.next_value()?));
                }
                Ok(fields)
            }
        }

        json.deserialize_map(FieldsVisitor).map(Self)
    }
}

/// A key, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
struct Key<'b>(#[serde(borrow)] Cow<'b, str>);

/// Parses field after field.
struct Parsing<'b> {
    fields: indexmap::map::IntoIter<Cow<'b, str>, Field<'b>>,
    value: Option<Field<'b>>,
}

impl<'b> MapAccess<'b> for Parsing<'b> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'b>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        let Some((key, value)) = self.fields.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(Parts(Value::Str(key))).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'b>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        match self.value.take() {
            Some(Field::Json(json)) => {
                seed.deserialize(&mut serde_json::Deserializer::from_str(json.get()))
            }
            Some(Field::Object(fields)) => seed.deserialize(fields.into_deserializer()),
            None => Err(Error::custom("a value comes after its key")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_keys_the_last_counts_however_it_is_escaped() {
        let parsed = |json: &str| {
            let fields: Fields<'_> = serde_json::from_str(json).expect("an object");
            fields.parse().expect("JSON").to_string()
        };
        assert_eq!(
            parsed(r#"{"a":1,"b":[2],"\u0061":{"c":3}}"#),
            r#"{"a":{"c":3},"b":[2]}"#
        );
        assert!(serde_json::from_str::<Fields<'_>>("[]").is_err());
    }

    #[test]
    fn merged_objects_keep_what_both_have_apart() {
        let fields = |json| serde_json::from_str::<Fields<'_>>(json).expect("an object");
        let one = fields(r#"{"a":1,"\u0062":2}"#);
        let other = fields(r#"{"\u0061":3,"b":4,"\u0063":{"\n":5},"c\"":6}"#);
        let merged = Fields::merged(one, other).parse().expect("JSON");
        assert_eq!(merged.to_string(), r#"{"a":1,"b":2,"c":{"\n":5},"c\"":6}"#);
    }
}
