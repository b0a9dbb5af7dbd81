//! A transformation of a file.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{condition, named, yes};
use crate::filters::fql::Expression;
use crate::filters::hashing::{Algorithm, Encoding, Hashing};
use crate::filters::transformation::{Name, Transformation};
use crate::filters::{Rule, Rules};

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

pub(super) fn transformation(json: Json, rules: &mut Rules) -> Result<(), String> {
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
