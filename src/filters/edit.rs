//! Changes to parts of a JSON value.

use std::borrow::Cow;

use crate::segment::{Object, Value, object_of};

/// Whether the predicate holds for one of the objects that a path leads to. A list on the way means
/// each of its items.
pub(super) fn any_object(
    value: &Value<'_>,
    keys: &[String],
    is_like_that: &impl Fn(&Object<'_>) -> bool,
) -> bool {
    match (value, keys.split_first()) {
        (Value::Array(items), _) => items
            .iter()
            .any(|item| any_object(item, keys, is_like_that)),
        (Value::Object(fields), None) => is_like_that(fields),
        (Value::Object(fields), Some((key, rest))) => fields
            .get(key)
            .is_some_and(|value| any_object(value, rest, is_like_that)),
        _ => false,
    }
}

/// Does something with each value that a path leads to. A list on the way means each of its items,
/// and so does one at its end if `in_lists`.
pub(super) fn each<'e>(
    value: &mut Value<'e>,
    keys: &[String],
    in_lists: bool,
    change: &mut impl FnMut(&mut Value<'e>),
) {
    match (value, keys.split_first()) {
        (Value::Array(items), rest) if in_lists || rest.is_some() => {
            for item in items {
                each(item, keys, in_lists, change);
            }
        }
        (value, None) => change(value),
        (Value::Object(fields), Some((key, rest))) => {
            if let Some(value) = fields.get_mut(key) {
                each(value, rest, in_lists, change);
            }
        }
        _ => {}
    }
}

/// Leaves only these keys of an object, and hands over the others.
pub(super) fn retain<'e>(
    value: &mut Value<'e>,
    keep: impl Fn(&str) -> bool,
    left_out: impl FnMut(Cow<'e, str>),
) {
    let Value::Object(fields) = value else {
        return;
    };
    if fields.keys().all(&keep) {
        return;
    }
    let mut kept = std::mem::take(fields).into_vec();
    let others = kept.extract_if(.., |(key, _)| !keep(key));
    others.map(|(key, _)| key).for_each(left_out);
    *fields = object_of(kept);
}

/// Removes what a path leads to, also from each item of lists on the way.
pub(super) fn remove(value: &mut Value<'_>, keys: &[String]) {
    if let Some((last, parents)) = keys.split_last() {
        each(value, parents, true, &mut |parent| {
            retain(parent, |key| key != last, |_| {});
        });
    }
}

/// Puts a value where a path leads, and makes the objects on the way there. False, and nothing
/// changed, when something other than an object is on the way.
pub(super) fn set<'e>(value: &mut Value<'e>, keys: &'e [String], new: Value<'e>) -> bool {
    let Some((key, rest)) = keys.split_first() else {
        *value = new;
        return true;
    };
    if let Value::Null = value {
        *value = Value::Object(Object::default());
    }
    let Value::Object(fields) = value else {
        return false;
    };
    if let Some(value) = fields.get_mut(key) {
        return set(value, rest, new);
    }
    let mut made = Value::Null;
    let is_set = set(&mut made, rest, new);
    fields.insert(key, made);
    is_set
}
