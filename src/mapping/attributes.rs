//! Custom attributes and event metadata: flat, bounded, in the order sent.

use std::borrow::Cow;
use std::fmt::Display;

use indexmap::IndexMap;
use indexmap::map::Entry;
use serde::Serialize;

use super::{Change, Mapper, Nested, Place};
use crate::segment::{Object, Value, get_loose, is_loosely, iso_timestamp, timestamp};

/// Longest string that Intercom stores, in characters.
const LONGEST_VALUE: usize = 255;

/// Longest name of a custom attribute, in characters.
const LONGEST_KEY: usize = 190;

/// Longest key, in bytes, whose object or array is flattened: each leaf repeats it.
const LONGEST_PATH: usize = 1_000;

/// Most bytes of keys that flattening an event makes. Several events of this size fit into one
/// request, and the function's memory.
const MOST_FLATTENED: usize = 256 * 1024;

/// Ending by which Intercom knows a number as a date.
const DATE_SUFFIX: &str = "_at";

/// Keys and values in order; serialises as a JSON object. A key stands in it once.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Attributes<'e>(IndexMap<Cow<'e, str>, Value<'e>>);

impl<'e> Attributes<'e> {
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
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value<'e>> {
        self.0.get(key)
    }

    /// Adds a key that isn't there yet; says whether it was added.
    pub fn insert(&mut self, key: Cow<'e, str>, value: Value<'e>) -> bool {
        match self.0.entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(value);
                true
            }
        }
    }

    /// Takes a key out; says whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        self.0.shift_remove(key).is_some()
    }

    /// These with later ones laid over them: the later value of a key wins, in the earlier place.
    #[must_use]
    pub fn followed_by(mut self, later: Self) -> Self {
        self.0.extend(later.0);
        self
    }

    /// Keeps the first `limit`; gives back the keys of the others.
    pub(super) fn truncate(&mut self, limit: usize) -> Vec<Cow<'e, str>> {
        let others = self.0.split_off(limit.min(self.len()));
        others.into_keys().collect()
    }
}

/// What a place of the event allows.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Where the keys stand, for warnings.
    pub(super) place: Place,
    /// Event metadata: Intercom has no boolean there, and keys are free.
    pub(super) is_metadata: bool,
}

impl<'e> Mapper<'e, '_> {
    /// Adds what `is_taken` doesn't claim.
    pub(super) fn add_others(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        object: &'e Object<'e>,
        is_taken: impl Fn(&mut Self, &'e str, &'e Value<'e>) -> bool,
    ) {
        attributes.0.reserve(object.len());
        for (key, value) in object.iter() {
            if !is_taken(self, key, value) {
                self.add(attributes, rules, Cow::Borrowed(key), value);
            }
        }
    }

    /// Adds one value, however nested, by the rules for custom attributes or metadata.
    pub(super) fn add(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        key: Cow<'e, str>,
        value: &'e Value<'e>,
    ) {
        let scalar = match value {
            Value::Null => return self.warn(rules.place, key, Change::Null),
            Value::Bool(flag) if rules.is_metadata => {
                Value::Str(Cow::Borrowed(if *flag { "true" } else { "false" }))
            }
            Value::Bool(flag) => Value::Bool(*flag),
            Value::Number(number) => Value::Number(*number),
            Value::Str(text) => return self.add_text(attributes, rules, key, Cow::Borrowed(text)),
            Value::Array(_) | Value::Object(_) => {
                return self.add_nested(attributes, rules, key, value);
            }
        };
        self.insert(attributes, rules, key, scalar, false);
    }

    fn add_nested(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        key: Cow<'e, str>,
        value: &'e Value<'e>,
    ) {
        match (self.settings.nested, value) {
            (Nested::Flatten, _) if key.len() > LONGEST_PATH => {
                let reason = "its key is too long to be flattened";
                self.warn(rules.place, key, Change::LeftOut(reason));
            }
            (Nested::Flatten, Value::Object(object)) if !object.is_empty() => {
                let mut inner = object.iter();
                if !inner
                    .all(|(inner, value)| self.add_inner(attributes, rules, &key, inner, value))
                {
                    self.warn(rules.place, key, Change::LeftOut(TOO_MUCH_NESTED));
                }
            }
            (Nested::Flatten, Value::Array(items)) if !items.is_empty() => {
                let mut inner = items.iter().enumerate();
                if !inner
                    .all(|(index, value)| self.add_inner(attributes, rules, &key, index, value))
                {
                    self.warn(rules.place, key, Change::LeftOut(TOO_MUCH_NESTED));
                }
            }
            (Nested::Stringify, value) => {
                self.add_text(attributes, rules, key, value.to_string().into());
            }
            _ => self.warn(rules.place, key, Change::Nested),
        }
    }

    /// Adds what stands under `inner` in the nested value of `key`; says whether there was room.
    fn add_inner(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        key: &str,
        inner: impl Display,
        value: &'e Value<'e>,
    ) -> bool {
        let path = format!("{key}_{inner}");
        self.flattened_bytes += path.len();
        let has_room = self.flattened_bytes <= MOST_FLATTENED;
        if has_room {
            self.add(attributes, rules, path.into(), value);
        }
        has_room
    }

    fn add_text(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        key: Cow<'e, str>,
        text: Cow<'e, str>,
    ) {
        if let Some(seconds) = iso_timestamp(&text) {
            return self.insert(attributes, rules, key, Value::Number(seconds.into()), true);
        }
        let text = match (end_of(&text, LONGEST_VALUE), text) {
            (None, text) => text,
            (Some(end), text) => {
                self.warn(rules.place, key.clone(), Change::Cut(LONGEST_VALUE));
                match text {
                    Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
                    Cow::Owned(text) => Cow::Owned(text[..end].to_owned()),
                }
            }
        };
        self.insert(attributes, rules, key, Value::Str(text), false);
    }

    fn insert(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        key: Cow<'e, str>,
        value: Value<'e>,
        is_date: bool,
    ) {
        let renamed = renamed(&key, rules, is_date);
        let name = renamed.as_deref().unwrap_or(&key);
        if name.is_empty() {
            self.warn(rules.place, key, Change::LeftOut("its key is empty"));
        } else if attributes.get(name).is_some() {
            self.warn(rules.place, key, Change::LeftOut(NAME_TAKEN));
        } else if let Some(name) = renamed {
            attributes.insert(name.clone().into(), value);
            self.warn(rules.place, key, Change::Renamed(name.into()));
        } else {
            attributes.insert(key, value);
        }
    }
}

/// Why not all of a nested value is sent.
const TOO_MUCH_NESTED: &str = "there is too much nested data to flatten all of it";

/// Why a key that would overwrite an earlier one isn't sent.
pub(super) const NAME_TAKEN: &str = "an earlier key has the same name in Intercom";

/// Why a second spelling of a key isn't sent.
pub(super) const ANOTHER_SPELLING: &str = "another spelling of this key came first";

/// Which of the canonical `fields` a key is.
pub(super) fn field_of<'f>(key: &str, fields: &[&'f str]) -> Option<&'f str> {
    fields.iter().copied().find(|field| is_loosely(key, field))
}

/// The first of `keys`, in their order, that `read` can use, and what it reads.
pub(super) fn first_of<'e, 'f, T>(
    object: &'e Object<'e>,
    keys: &[&'f str],
    read: impl Fn(&'e Value<'e>) -> Option<T>,
) -> Option<(&'f str, T)> {
    let mut keys = keys.iter();
    keys.find_map(|key| Some((*key, read(get_loose(object, key)?)?)))
}

/// Why a date isn't the one that was used, if it isn't.
pub(super) fn date_problem(
    value: &Value<'_>,
    key: &str,
    used: Option<(&str, i64)>,
) -> Option<&'static str> {
    if timestamp(value).is_none() {
        Some("it is no date")
    } else if used.is_some_and(|(used, _)| used != key) {
        Some("another date of creation is used")
    } else {
        None
    }
}

/// The key as Intercom takes it, where that differs from the one sent.
fn renamed(key: &str, rules: Rules, is_date: bool) -> Option<String> {
    let longest = if rules.is_metadata {
        usize::MAX
    } else {
        LONGEST_KEY
    };
    let is_clean = rules.is_metadata || !key.contains(['.', '$']);
    let clean = match end_of(key, longest) {
        None if is_clean => Cow::Borrowed(key),
        end => Cow::Owned(key[..end.unwrap_or(key.len())].replace(['.', '$'], "_")),
    };
    if !is_date || clean.ends_with(DATE_SUFFIX) || clean.ends_with("At") {
        return match clean {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        };
    }
    let stem = clean.strip_suffix(" at").unwrap_or(&clean);
    let end = end_of(stem, longest - DATE_SUFFIX.len()).unwrap_or(stem.len());
    Some(format!("{}{DATE_SUFFIX}", &stem[..end]))
}

/// Whether a text is too long for a value, where it must not be cut.
pub(super) fn is_too_long(text: &str) -> bool {
    end_of(text, LONGEST_VALUE).is_some()
}

/// Where a text longer than `longest` characters is to be cut, in bytes.
fn end_of(text: &str, longest: usize) -> Option<usize> {
    if text.len() <= longest {
        return None;
    }
    text.char_indices().nth(longest).map(|(end, _)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAIT: Rules = Rules {
        place: Place::Trait,
        is_metadata: false,
    };

    #[test]
    fn names_of_custom_attributes() {
        let cases = [
            ("plan", false, "plan"),
            ("a.b$c", false, "a_b_c"),
            ("born", true, "born_at"),
            ("born_at", true, "born_at"),
            ("bornAt", true, "bornAt"),
            ("born at", true, "born_at"),
            ("bornat", true, "bornat_at"),
            ("born.at", true, "born_at"),
        ];
        for (key, is_date, expected) in cases {
            let name = renamed(key, TRAIT, is_date).unwrap_or(key.to_owned());
            assert_eq!(name, expected, "{key}");
        }
        let long = "é".repeat(200);
        assert_eq!(renamed(&long, TRAIT, false), Some("é".repeat(190)));
        assert_eq!(renamed(&long, TRAIT, true), Some("é".repeat(187) + "_at"));
        let metadata = Rules {
            place: Place::Property,
            is_metadata: true,
        };
        assert_eq!(renamed("a.b", metadata, false), None);
    }

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
}
