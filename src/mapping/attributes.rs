//! Custom attributes and event metadata: keys and values in order, with the type each was read as.

use std::borrow::Cow;

use indexmap::IndexMap;
use indexmap::map::Entry;
use serde::{Serialize, Serializer};

use crate::segment::{Value, json_of};

/// Intercom's types of a custom attribute, as far as a value reveals them. A type can't be changed
/// later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    /// A text.
    String,
    /// Any number: 10.5 may follow 10.
    Float,
    /// True or false.
    Boolean,
    /// A date with its time, in Unix seconds.
    Datetime,
}

impl DataType {
    /// Intercom's name for it, the `data_type` of a data attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Datetime => "datetime",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Attribute<'e> {
    value: Value<'e>,
    /// Whether the value was read as a date, whatever its name says.
    is_date: bool,
}

/// Keys and values in order, each key once; serialises as a JSON object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes<'e>(IndexMap<Cow<'e, str>, Attribute<'e>>);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'e> Attributes<'e> {
    /// The same, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Attributes<'static> {
        let owned = self
            .0
            .into_iter()
            .map(|(key, Attribute { value, is_date })| {
                let value = match value {
                    Value::Null => Value::Null,
                    Value::Bool(flag) => Value::Bool(flag),
                    Value::Number(number) => Value::Number(number),
                    Value::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
                    nested => Value::Str(Cow::Owned(json_of(&nested))),
                };
                (Cow::Owned(key.into_owned()), Attribute { value, is_date })
            });
        Attributes(owned.collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'e>)> {
        let attributes = self.0.iter();
        attributes.map(|(key, attribute)| (key.as_ref(), &attribute.value))
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value<'e>> {
        self.0.get(key).map(|attribute| &attribute.value)
    }

    /// The type that a custom attribute for the value under `key` needs.
    pub fn data_type(&self, key: &str) -> Option<DataType> {
        let attribute = self.0.get(key)?;
        Some(match &attribute.value {
            Value::Number(_) if attribute.is_date => DataType::Datetime,
            Value::Number(_) => DataType::Float,
            Value::Bool(_) => DataType::Boolean,
            _ => DataType::String,
        })
    }

    /// Adds a key unless it is there already; says whether it was added.
    pub fn insert(&mut self, key: Cow<'e, str>, value: Value<'e>) -> bool {
        self.insert_as(key, value, false)
    }

    pub(super) fn insert_as(&mut self, key: Cow<'e, str>, value: Value<'e>, is_date: bool) -> bool {
        match self.0.entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Attribute { value, is_date });
                true
            }
        }
    }

    /// Gives a value another key, at the end. A key that is there already keeps its value.
    pub fn rename(&mut self, key: &str, to: String) {
        if let Some(attribute) = self.0.shift_remove(key) {
            self.0.entry(to.into()).or_insert(attribute);
        }
    }

    /// Takes a key out; says whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        self.0.shift_remove(key).is_some()
    }

    /// Merged with later ones: the later value of a key wins and keeps the earlier position.
    #[must_use]
    pub fn followed_by(mut self, later: Self) -> Self {
        self.0.extend(later.0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_attributes_win_in_the_earlier_place() {
        let attributes = |pairs: &[(&'static str, i64)]| {
            let mut attributes = Attributes::default();
            for (key, value) in pairs {
                assert!(attributes.insert((*key).into(), Value::Number((*value).into())));
            }
            attributes
        };
        let merged =
            attributes(&[("a", 1), ("b", 2)]).followed_by(attributes(&[("c", 3), ("a", 4)]));
        let json = serde_json::to_string(&merged).expect("serialises");
        assert_eq!(json, r#"{"a":4,"b":2,"c":3}"#);
    }

    #[test]
    fn what_a_value_was_made_for_is_remembered() {
        let mut attributes = Attributes::default();
        for (key, json, is_date) in [
            ("paid", "true", false),
            ("seats", "3", false),
            ("score", "3.5", false),
            ("renewed_at", "1394496000", true),
            ("rated_at", "5", false),
            ("trialEndsAt", "1394496000", true),
            ("score_at", "3.5", false),
            ("left_at", r#""soon""#, false),
        ] {
            let value = serde_json::from_str(json).expect("JSON");
            assert!(attributes.insert_as(key.into(), value, is_date));
        }
        let data_type = |key| attributes.data_type(key).map(DataType::as_str);
        assert_eq!(data_type("paid"), Some("boolean"));
        assert_eq!(data_type("seats"), Some("float"));
        assert_eq!(data_type("score"), Some("float"));
        assert_eq!(data_type("renewed_at"), Some("datetime"));
        assert_eq!(data_type("rated_at"), Some("float"));
        assert_eq!(data_type("trialEndsAt"), Some("datetime"));
        assert_eq!(data_type("score_at"), Some("float"));
        assert_eq!(data_type("left_at"), Some("string"));
        assert_eq!(data_type("other"), None);
        let json = serde_json::to_string(&attributes).expect("serialises");
        assert!(json.contains(r#""trialEndsAt":1394496000"#), "{json}");
    }
}
