//! From a file's text to its rules.

mod filter;
mod transformation;

use serde_json::{Map, Value as Json};

use self::filter::filter;
use self::transformation::transformation;
use super::Rules;
use super::fql::Expression;

/// Most characters of a title that are kept, for it stands in each of its events' log lines.
const MAX_TITLE: usize = 150;

pub(super) fn rules(text: &str) -> Result<Rules, String> {
    let mut rules = Rules::default();
    let mut is_empty = true;
    for document in serde_json::Deserializer::from_str(text).into_iter::<Json>() {
        let document = document.map_err(|error| format!("it isn't JSON: {error}"))?;
        is_empty = false;
        add(document, &mut rules)?;
    }
    if is_empty {
        return Err(format!("it is empty: {FORM}"));
    }
    Ok(rules)
}

/// What a file may hold.
const FORM: &str = "it takes {\"filters\": […], \"transformations\": […]}, or the answers of \
                    Segment's Public API to \"list filters from destination\" and \"list \
                    transformations\", one after the other";

/// Adds the rules of one document: our own form, an answer of the Public API, or a list of these.
fn add(document: Json, rules: &mut Rules) -> Result<(), String> {
    match document {
        Json::Array(documents) => documents
            .into_iter()
            .try_for_each(|document| add(document, rules)),
        Json::Object(mut fields) if fields.contains_key("data") => {
            let data = fields.remove("data").unwrap_or_default();
            check_no_more(&fields, "an answer", &["errors"])?;
            add(data, rules)
        }
        Json::Object(fields) if fields.contains_key("actions") => {
            filter(Json::Object(fields), rules)
        }
        Json::Object(fields) => {
            if !fields.contains_key("filters") && !fields.contains_key("transformations") {
                let keys: Vec<&str> = fields.keys().take(5).map(String::as_str).collect();
                return Err(format!(
                    "an object with the keys {keys:?} isn't known: {FORM}"
                ));
            }
            for (key, value) in fields {
                match key.as_str() {
                    "filters" => list("filters", value, rules, filter)?,
                    "transformations" => {
                        list("transformations", value, rules, transformation)?;
                    }
                    "pagination" => check_pagination(&value)?,
                    other => return Err(format!("the key {other:?} isn't known: {FORM}")),
                }
            }
            Ok(())
        }
        _ => Err(format!("it holds something else than objects: {FORM}")),
    }
}

/// The rules of a list, or of a whole answer in its place.
fn list(
    key: &str,
    value: Json,
    rules: &mut Rules,
    read: fn(Json, &mut Rules) -> Result<(), String>,
) -> Result<(), String> {
    match value {
        Json::Array(items) => items.into_iter().try_for_each(|item| read(item, rules)),
        Json::Object(fields) if fields.contains_key("data") => add(Json::Object(fields), rules),
        Json::Null => Ok(()),
        _ => Err(format!("{key:?} isn't a list")),
    }
}

/// An answer that is one page of several would leave rules out without a word.
fn check_pagination(pagination: &Json) -> Result<(), String> {
    match pagination.get("next") {
        None | Some(Json::Null) => Ok(()),
        Some(_) => Err(
            "an answer is only the first page (pagination.next): ask for more at \
                        once with pagination.count=200, or save every page"
                .to_owned(),
        ),
    }
}

fn check_no_more(fields: &Map<String, Json>, of: &str, known: &[&str]) -> Result<(), String> {
    let is_known = |key: &&String| known.contains(&key.as_str());
    match fields.keys().find(|key| !is_known(key)) {
        None => Ok(()),
        Some(key) => Err(format!("the key {key:?} of {of} isn't known")),
    }
}

fn yes() -> bool {
    true
}

fn condition(statement: Option<&str>) -> Result<Expression, String> {
    let statement = statement.ok_or("it has no \"if\", the condition in FQL")?;
    Expression::parse(statement).map_err(|error| format!("its \"if\": {error}"))
}

/// The first of these keys that names it.
fn named(json: &Json, keys: &[&str], otherwise: impl FnOnce() -> String) -> String {
    let mut names = keys.iter().filter_map(|key| json.get(key)?.as_str());
    let name = names.find(|name| !name.trim().is_empty());
    let name = name.map(|name| name.chars().take(MAX_TITLE).collect());
    name.unwrap_or_else(otherwise)
}
