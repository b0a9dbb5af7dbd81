//! How fields read a value: texts, dates and whole numbers.

use std::borrow::Cow;

use super::Change;
use super::field_reader::Fit;
use super::number::integer;
use super::text::{MAX_VALUE_CHARS, cut};
use crate::segment::{Value, id_text, timestamp};

/// Names of the date of creation, of a contact and of a company; the first that is a date wins.
pub(super) const CREATED: [&str; 3] = ["created", "createdat", "remotecreatedat"];

/// Why a value of another type isn't a text.
pub(super) const NOT_A_STRING: &str = "it isn't a string";

/// Why a text that is empty isn't sent.
pub(super) const EMPTY: &str = "it is empty, and would blank what Intercom has";

/// Why a date of creation isn't sent beside another.
pub(super) const ANOTHER_DATE: &str = "another date of creation is used";

/// A string with something in it, or a number written out.
pub(super) fn text<'e>(value: &'e Value<'e>) -> Fit<'e, Cow<'e, str>> {
    match (text_of(value), value) {
        (Some(text), _) => Fit::Whole(text),
        (None, Value::Str(_)) => Fit::LeftOut(EMPTY),
        (None, _) => Fit::LeftOut(NOT_A_STRING),
    }
}

/// A text that is at most as long as Intercom stores it.
pub(super) fn cut_to_fit(text: Cow<'_, str>) -> Fit<'_, Cow<'_, str>> {
    match cut(text) {
        (text, false) => Fit::Whole(text),
        (text, true) => Fit::Changed(text, Change::Cut(MAX_VALUE_CHARS)),
    }
}

/// A date, in Unix seconds.
pub(super) fn date<'e>(value: &'e Value<'e>) -> Fit<'e, i64> {
    timestamp(value).map_or(Fit::LeftOut("it isn't a date"), Fit::Whole)
}

/// A string, trimmed and possibly empty, or a number written out.
pub(super) fn text_or_attribute<'e>(value: &'e Value<'e>) -> Fit<'e, Cow<'e, str>> {
    text_or_empty(value).map_or(Fit::Attribute(Some(NOT_A_STRING)), Fit::Whole)
}

/// A whole number that Intercom stores, rounded.
pub(super) fn whole_number<'e>(value: &'e Value<'e>) -> Fit<'e, i64> {
    match integer(value) {
        Some(number) if number.is_rounded => {
            Fit::Changed(number.value, Change::Rounded(number.value))
        }
        Some(number) => Fit::Whole(number.value),
        None => Fit::Attribute(Some(
            "it isn't a whole number below 2147483648: Intercom's field takes only those",
        )),
    }
}

/// A string, trimmed and possibly empty (an empty one is sent), or a number written out.
pub(super) fn text_or_empty<'e>(value: &'e Value<'e>) -> Option<Cow<'e, str>> {
    match value {
        Value::Str(text) => Some(Cow::Borrowed(text.trim())),
        _ => id_text(value),
    }
}

/// A string, trimmed, with something in it, or a number written out.
pub(super) fn text_of<'e>(value: &'e Value<'e>) -> Option<Cow<'e, str>> {
    match value {
        Value::Str(text) => not_blank(text),
        _ => id_text(value),
    }
}

/// A text, trimmed, with something in it.
pub(super) fn not_blank(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}
