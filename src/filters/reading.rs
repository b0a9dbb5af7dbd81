//! From a file's text to its rules.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::action::{Action, Keys};
use super::fql::{Expression, Path};
use super::hashing::{Algorithm, Encoding, Hashing};
use super::sampling::Sample;
use super::transformation::{Name, Transformation};
use super::{Rule, Rules};

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

fn yes() -> bool {
    true
}

fn filter(json: Json, rules: &mut Rules) -> Result<(), String> {
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

/// A transformation as the API and Terraform write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TransformationJson {
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(rename = "if")]
    condition: Option<String>,
    #[serde(default, alias = "destination_metadata_id")]
    destination_metadata_id: Option<String>,
    drop: Option<bool>,
    #[serde(alias = "new_event_name")]
    new_event_name: Option<String>,
    #[serde(alias = "property_renames")]
    property_renames: Option<Vec<RenameJson>>,
    #[serde(alias = "property_value_transformations")]
    property_value_transformations: Option<Vec<ValueJson>>,
    #[serde(alias = "fql_defined_properties")]
    fql_defined_properties: Option<Vec<StatementJson>>,
    #[serde(alias = "property_drops")]
    property_drops: Option<Vec<String>>,
    #[serde(alias = "allow_properties")]
    allow_properties: Option<Vec<String>>,
    #[serde(alias = "hash_properties_configuration")]
    hash_properties_configuration: Option<HashingJson>,
    #[serde(rename = "name")]
    _name: Option<Json>,
    #[serde(rename = "id")]
    _id: Option<Json>,
    #[serde(rename = "sourceId", alias = "source_id")]
    _source: Option<Json>,
    #[serde(rename = "description")]
    _description: Option<Json>,
    #[serde(rename = "createdAt", alias = "created_at")]
    _created_at: Option<Json>,
    #[serde(rename = "updatedAt", alias = "updated_at")]
    _updated_at: Option<Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RenameJson {
    #[serde(alias = "old_name")]
    old_name: String,
    #[serde(alias = "new_name")]
    new_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ValueJson {
    #[serde(alias = "property_paths")]
    property_paths: Vec<String>,
    #[serde(alias = "property_value")]
    property_value: Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatementJson {
    fql: String,
    #[serde(alias = "property_name")]
    property_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HashingJson {
    algorithm: String,
    key: Option<String>,
    encoding: Option<String>,
    paths: Vec<String>,
}

fn transformation(json: Json, rules: &mut Rules) -> Result<(), String> {
    let place = rules.of_source.len() + rules.of_destination.len() + 1;
    let title = named(&json, &["name", "id"], || format!("transformation {place}"));
    let within = |error: String| format!("transformation {title:?}: {error}");
    let read: TransformationJson =
        serde_json::from_value(json).map_err(|error| within(error.to_string()))?;
    if !read.enabled {
        return Ok(());
    }
    let is_of_destination = read
        .destination_metadata_id
        .as_ref()
        .is_some_and(|id| !id.is_empty());
    let condition = condition(read.condition.as_deref()).map_err(within)?;
    let then = then(read).map_err(within)?;
    if then == Transformation::default() {
        return Err(within(
            "it does nothing: newEventName, propertyRenames or such is missing".into(),
        ));
    }
    let rule = Rule {
        title: title.clone(),
        condition,
        then,
    };
    if is_of_destination {
        rules.of_destination.push(rule);
    } else {
        rules.of_source.push(rule);
    }
    Ok(())
}

fn then(read: TransformationJson) -> Result<Transformation, String> {
    let renames = read.property_renames.into_iter().flatten();
    let renames = renames.map(|rename| Ok((name(&rename.old_name)?, name(&rename.new_name)?)));
    let values = read.property_value_transformations.into_iter().flatten();
    let values = values.flat_map(
        |ValueJson {
             property_paths,
             property_value,
         }| {
            let value = value_of(property_value);
            let paths = property_paths.into_iter();
            paths.map(move |path| Ok((name(&path)?, value.clone())))
        },
    );
    let statements = read.fql_defined_properties.into_iter().flatten();
    let statements = statements.map(|StatementJson { fql, property_name }| {
        let statement = Expression::parse(&fql);
        let statement =
            statement.map_err(|error| format!("the fql of {property_name:?}: {error}"))?;
        Ok((name(&property_name)?, statement))
    });
    let names = |names: Option<Vec<String>>| -> Result<Vec<Name>, String> {
        names.iter().flatten().map(|text| name(text)).collect()
    };
    Ok(Transformation {
        is_drop: read.drop.unwrap_or_default(),
        new_event_name: read.new_event_name.filter(|name| !name.is_empty()),
        renames: renames.collect::<Result<_, String>>()?,
        values: values.collect::<Result<_, String>>()?,
        statements: statements.collect::<Result<_, String>>()?,
        hashed: read
            .hash_properties_configuration
            .map(hashing)
            .transpose()?,
        drops: names(read.property_drops)?,
        allowed: names(read.allow_properties)?,
    })
}

fn name(text: &str) -> Result<Name, String> {
    let name = Name::parse(text);
    if text.is_empty() || name.in_properties.keys().iter().any(String::is_empty) {
        return Err(format!("{text:?} is no name of a property"));
    }
    Ok(name)
}

/// The same value, without a lifetime: an object or a list as its JSON text has none.
fn value_of(json: Json) -> crate::segment::Value<'static> {
    use crate::segment::Value;
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => {
            Value::Number(match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(whole), ..) => whole.into(),
                (_, Some(whole), _) => whole.into(),
                (.., float) => float.unwrap_or_default().into(),
            })
        }
        Json::String(text) => Value::Str(text.into()),
        other => Value::Str(other.to_string().into()),
    }
}

fn hashing(json: HashingJson) -> Result<(Vec<Name>, Hashing), String> {
    let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_uppercase();
    let algorithm = match plain(&json.algorithm).trim_start_matches("HMAC") {
        "MD5" => Algorithm::Md5,
        "SHA1" => Algorithm::Sha1,
        "SHA224" => Algorithm::Sha224,
        "SHA256" => Algorithm::Sha256,
        "SHA384" => Algorithm::Sha384,
        "SHA512" => Algorithm::Sha512,
        _ => {
            return Err(format!(
                "the algorithm {:?} isn't known: use MD5, SHA1, SHA224, SHA256, SHA384 or SHA512",
                json.algorithm
            ));
        }
    };
    let encoding = match plain(json.encoding.as_deref().unwrap_or("HEX")).as_str() {
        "" | "HEX" | "BASE16" => Encoding::Hex,
        "BASE64" => Encoding::Base64,
        "BASE64URL" => Encoding::Base64Url,
        _ => {
            return Err(format!(
                "the encoding {:?} isn't known: use HEX, BASE16, BASE64 or BASE64URL",
                json.encoding.unwrap_or_default()
            ));
        }
    };
    if json.paths.is_empty() {
        return Err("nothing is hashed: paths is empty".to_owned());
    }
    let paths = json.paths.iter().map(|path| name(path));
    let hashing = Hashing {
        algorithm,
        key: json.key.filter(|key| !key.is_empty()),
        encoding,
    };
    Ok((paths.collect::<Result<_, _>>()?, hashing))
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
