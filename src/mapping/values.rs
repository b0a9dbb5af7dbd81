//! From a trait or property to custom attributes or metadata: flat and bounded.

use std::borrow::Cow;
use std::fmt::Display;

use super::attribute_names::{Naming, renamed, says_date};
use super::field_reader::FieldReader;
use super::standard_names::is_standard;
use super::text::{MAX_VALUE_CHARS, cut};
use super::{Attributes, Change, Mapper, Nested, Place};
use crate::segment::{Value, iso_timestamp, json_of, timestamp};

/// Most attributes of a contact or company. A workspace has some 250.
const MAX_CUSTOM_ATTRIBUTES: usize = 1_000;

/// Memory per attribute, in bytes: its entry in the list, spare capacity included.
const ATTRIBUTE_BYTES: usize = 192;

/// Longest key, in bytes, whose object or array is flattened: each leaf repeats it.
const MAX_PATH_BYTES: usize = 1_000;

/// The rules for one part of the event.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// The part that warnings name.
    pub(super) place: Place,
    /// Where its values go. Intercom takes no booleans in event metadata.
    pub(super) naming: Naming,
}

impl Rules {
    fn is_metadata(self) -> bool {
        self.naming == Naming::Metadata
    }
}

impl<'e> Mapper<'e, '_> {
    /// Adds the traits that no field reads.
    pub(super) fn add_unread(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        traits: FieldReader<'e>,
    ) {
        self.each_unread(traits, rules.place, |mapper, key, value| {
            mapper.add(attributes, rules, Cow::Borrowed(key), value);
        });
    }

    /// Adds one value, however nested, by the rules for custom attributes or metadata.
    pub(super) fn add(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        key: Cow<'e, str>,
        value: &'e Value<'e>,
    ) {
        if says_date(&key, rules.naming) {
            let written = || iso_timestamp(value.as_str()?);
            match timestamp(value).or_else(written) {
                Some(seconds) => {
                    let seconds = Value::Number(seconds.into());
                    return self.insert(attributes, rules, key, seconds, true);
                }
                None if matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) => {}
                None => self.warn(rules.place, key.clone(), Change::NoDate),
            }
        }
        let scalar = match value {
            Value::Null => return self.warn(rules.place, key, Change::Null),
            Value::Bool(flag) if rules.is_metadata() => {
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

    /// Whether a value, as far as it becomes anything, does so under its own key.
    pub(super) fn keeps_its_key(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Str(text) => iso_timestamp(text).is_none(),
            Value::Array(_) | Value::Object(_) => self.settings.nested != Nested::Flatten,
            _ => true,
        }
    }

    fn add_nested(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        key: Cow<'e, str>,
        value: &'e Value<'e>,
    ) {
        match (self.settings.nested, value) {
            (Nested::Flatten, _) if key.len() > MAX_PATH_BYTES => {
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
                self.add_text(attributes, rules, key, json_of(value).into());
            }
            _ => self.warn(rules.place, key, Change::Nested),
        }
    }

    /// Adds the value under `inner` of the nested value `key`. False when the budget has no room.
    fn add_inner(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        key: &str,
        inner: impl Display,
        value: &'e Value<'e>,
    ) -> bool {
        let path = format!("{key}_{inner}");
        let has_room = self.budget.take(path.len() + ATTRIBUTE_BYTES);
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
        let (text, is_cut) = cut(text);
        if is_cut {
            self.warn(rules.place, key.clone(), Change::Cut(MAX_VALUE_CHARS));
        }
        self.insert(attributes, rules, key, Value::Str(text), false);
    }

    pub(super) fn insert(
        &mut self,
        attributes: &mut Attributes<'e>,
        rules: Rules,
        key: Cow<'e, str>,
        value: Value<'e>,
        is_date: bool,
    ) {
        let renamed = renamed(&key, rules.naming, is_date);
        let name = renamed.as_deref().unwrap_or(&key);
        if name.is_empty() {
            self.warn(rules.place, key, Change::LeftOut("its key is empty"));
        } else if is_standard(rules.place, name) {
            self.warn(rules.place, key, Change::LeftOut(STANDARD));
        } else if attributes.get(name).is_some() {
            self.warn(rules.place, key, Change::LeftOut(NAME_TAKEN));
        } else if rules.is_metadata() && attributes.len() >= self.settings.metadata_limit {
            let limit = self.settings.metadata_limit;
            self.warn(rules.place, key, Change::OverLimit(limit));
        } else if attributes.len() >= MAX_CUSTOM_ATTRIBUTES {
            let reason = "1000 attributes are taken, more than a workspace has";
            self.warn(rules.place, key, Change::LeftOut(reason));
        } else {
            self.budget.count(ATTRIBUTE_BYTES);
            let Some(name) = renamed else {
                attributes.insert_as(key, value, is_date);
                return;
            };
            attributes.insert_as(name.clone().into(), value, is_date);
            self.warn(rules.place, key, Change::Renamed(name.into()));
        }
    }
}

/// Why not all of a nested value is sent.
const TOO_MUCH_NESTED: &str = "there is too much nested data to flatten all of it";

/// Why a key that can't be a custom attribute isn't sent.
const STANDARD: &str =
    "Intercom has a field of its own with this name, which can't be a custom attribute";

/// Why a key that would overwrite an earlier one isn't sent.
const NAME_TAKEN: &str = "an earlier key has the same name in Intercom";
