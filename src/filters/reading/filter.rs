//! A destination filter of a file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::{check_no_more, condition, named, yes};
use crate::filters::action::{Action, Keys};
use crate::filters::fql::Path;
use crate::filters::sampling::Sample;
use crate::filters::{Rule, Rules};

/// A filter as the API and Terraform write it. What is only said about it isn't read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FilterJson {
    #[serde(rename = "title")]
    _title: Option<Json>,
    #[serde(rename = "id")]
    _id: Option<Json>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(rename = "if")]
    condition: Option<String>,
    #[serde(default)]
    actions: Vec<Map<String, Json>>,
    #[serde(rename = "sourceId", alias = "source_id")]
    _source: Option<Json>,
    #[serde(rename = "destinationId", alias = "destination_id")]
    _destination: Option<Json>,
    #[serde(rename = "description")]
    _description: Option<Json>,
    #[serde(rename = "createdAt", alias = "created_at")]
    _created_at: Option<Json>,
    #[serde(rename = "updatedAt", alias = "updated_at")]
    _updated_at: Option<Json>,
}

pub(super) fn filter(json: Json, rules: &mut Rules) -> Result<(), String> {
    let place = rules.filters.len() + 1;
    let title = named(&json, &["title", "id"], || format!("filter {place}"));
    let within = |error: String| format!("filter {title:?}: {error}");
    let read: FilterJson =
        serde_json::from_value(json).map_err(|error| within(error.to_string()))?;
    if !read.enabled {
        return Ok(());
    }
    let condition = condition(read.condition.as_deref()).map_err(within)?;
    if read.actions.is_empty() {
        return Err(within(format!("it has no actions: {ACTIONS}")));
    }
    let actions = read.actions.into_iter().map(action);
    let then = actions.collect::<Result<_, _>>().map_err(within)?;
    rules.filters.push(Rule {
        title: title.clone(),
        condition,
        then,
    });
    Ok(())
}

const ACTIONS: &str = "use DROP, SAMPLE, DROP_PROPERTIES or ALLOW_PROPERTIES";

fn action(mut fields: Map<String, Json>) -> Result<Action, String> {
    fields.retain(|_, value| !value.is_null());
    let Some(Json::String(kind)) = fields.remove("type") else {
        return Err(format!("an action has no type: {ACTIONS}"));
    };
    let action = match kind.as_str() {
        "DROP" => Action::Drop,
        "SAMPLE" => {
            let percent = fields.remove("percent");
            let share = percent.as_ref().and_then(Json::as_f64);
            let share = share.filter(|share| (0.0..=1.0).contains(share));
            let path = match fields.remove("path") {
                None => None,
                Some(Json::String(path)) if path.is_empty() => None,
                Some(Json::String(path)) => Some(Path::parse(&path)),
                Some(_) => return Err("the path of SAMPLE isn't text".to_owned()),
            };
            Action::Sample(Sample {
                share: share.ok_or("the percent of SAMPLE isn't a number from 0 to 1")?,
                path,
            })
        }
        "DROP_PROPERTIES" => Action::DropProperties(keys(fields.remove("fields"), &kind)?),
        "ALLOW_PROPERTIES" => Action::AllowProperties(keys(fields.remove("fields"), &kind)?),
        unknown => return Err(format!("the action {unknown:?} isn't known: {ACTIONS}")),
    };
    // The API writes what doesn't belong to an action as empty.
    fields.retain(|_, value| !is_blank(value));
    check_no_more(&fields, &format!("the action {kind}"), &["percent", "path"])?;
    Ok(action)
}

fn is_blank(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty() || text == "{}",
        Json::Object(fields) => fields.is_empty(),
        Json::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    }
}

/// `{"traits": ["ssn"]}`, in Terraform as text.
fn keys(fields: Option<Json>, kind: &str) -> Result<Vec<Keys>, String> {
    let wrong = || {
        format!(
            "the fields of {kind} aren't lists of keys by path, such as {{\"traits\": [\"ssn\"]}}"
        )
    };
    let fields: BTreeMap<String, Vec<String>> = match fields {
        Some(Json::String(text)) => serde_json::from_str(&text).map_err(|_| wrong())?,
        Some(fields) => serde_json::from_value(fields).map_err(|_| wrong())?,
        None => return Err(wrong()),
    };
    if fields.is_empty() {
        return Err(wrong());
    }
    let keys = fields.into_iter().map(|(path, keys)| Keys {
        path: Path::parse(&path),
        keys,
    });
    Ok(keys.collect())
}
