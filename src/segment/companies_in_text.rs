//! Companies that stand as JSON in a text, as some tools export them.

use serde::Deserialize;

use super::{Event, Object, Value, key_matches};

/// Each text with what it holds.
pub(super) type CompaniesInText<'e> = Vec<(Box<str>, Value<'e>)>;

/// Reads the texts under `company` and `companies` that are a JSON object or array.
pub(super) fn companies_in_text<'e>(traits: Option<&Object<'_>>) -> CompaniesInText<'e> {
    let traits = traits.into_iter().flat_map(Object::iter);
    let named = traits.filter(|(key, _)| {
        let mut names = ["company", "companies"].iter();
        names.any(|name| key_matches(key, name))
    });
    let values = named.flat_map(|(_, value)| match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    });
    let texts = values.filter_map(Value::as_str);
    texts
        .filter_map(|text| Some((text.into(), json(text)?)))
        .collect()
}

fn json<'e>(text: &str) -> Option<Value<'e>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    // Through `serde_json`, so that the last of equal keys counts and nothing borrows the text.
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    Value::deserialize(json).ok()
}

impl<'e> Event<'e> {
    /// What a text under the traits `company` and `companies` holds, if that is JSON.
    pub fn company_in_text(&self, text: &str) -> Option<&Value<'e>> {
        let mut texts = self.companies_in_text.iter();
        let (_, json) = texts.find(|(written, _)| **written == *text)?;
        Some(json)
    }
}
