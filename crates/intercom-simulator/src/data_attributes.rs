//! Data attributes: the custom ones that exist, and whether a value fits its attribute.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::clock::unix_seconds;
use crate::errors::{ApiError, Result};
use crate::fields;
use crate::message::{ApiRequest, ApiResponse};
use crate::settings::Misfits;
use crate::standard_attributes::{self, STANDARD, StandardAttribute};
use crate::state::State;

/// Longest attribute name, in characters.
const NAME_LIMIT: usize = 190;
/// Longest string value, in characters.
pub(crate) const STRING_LIMIT: usize = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Model {
    Contact,
    Company,
}

impl Model {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "contact" => Some(Self::Contact),
            "company" => Some(Self::Company),
            _ => None,
        }
    }

    /// How Intercom's messages call it.
    fn noun(self) -> &'static str {
        match self {
            Self::Contact => "people",
            Self::Company => "company",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DataType {
    String,
    Integer,
    Float,
    Boolean,
    DateTime,
    Date,
    Options,
}

impl DataType {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "string" => Some(Self::String),
            "integer" => Some(Self::Integer),
            "float" => Some(Self::Float),
            "boolean" => Some(Self::Boolean),
            "datetime" => Some(Self::DateTime),
            "date" => Some(Self::Date),
            "options" => Some(Self::Options),
            _ => None,
        }
    }

    /// As answers name it: fewer types than can be created.
    fn answered(self) -> &'static str {
        match self {
            Self::String | Self::Options => "string",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::DateTime | Self::Date => "date",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct DataAttribute {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) model: Model,
    pub(crate) data_type: DataType,
    description: Option<String>,
    messenger_writable: bool,
    options: Vec<String>,
    created_at: i64,
}

impl DataAttribute {
    fn to_json(&self) -> Value {
        let mut body = json!({
            "type": "data_attribute",
            "id": self.id,
            "model": self.model,
            "name": self.name,
            "full_name": format!("custom_attributes.{}", self.name),
            "label": self.name,
            "data_type": self.data_type.answered(),
            "api_writable": true,
            "ui_writable": true,
            "messenger_writable": self.messenger_writable,
            "custom": true,
            "archived": false,
            "admin_id": "991267459",
            "created_at": self.created_at,
            "updated_at": self.created_at,
        });
        if let Some(description) = &self.description {
            body["description"] = json!(description);
        }
        if self.data_type == DataType::Options {
            body["options"] = json!(self.options);
        }
        body
    }

    /// Why `value` can't be stored in this attribute, if it can't.
    fn refusal(&self, value: &Value) -> Option<String> {
        let fits = match self.data_type {
            DataType::String => value.is_string(),
            DataType::Integer => value.is_i64() || value.is_u64(),
            DataType::Float => value.is_number(),
            DataType::Boolean => value.is_boolean(),
            DataType::DateTime | DataType::Date => value.is_i64(),
            DataType::Options => value
                .as_str()
                .is_some_and(|text| self.options.iter().any(|option| option == text)),
        };
        if !fits {
            let expected = match self.data_type {
                DataType::DateTime | DataType::Date => "integer (Unix timestamp in seconds)",
                DataType::Options => "one of its options",
                other => other.answered(),
            };
            return Some(format!(
                "Custom attribute '{}' must be of type {expected}",
                self.name
            ));
        }
        let too_long = value
            .as_str()
            .is_some_and(|text| text.chars().count() > STRING_LIMIT);
        too_long.then(|| {
            format!(
                "Custom attribute '{}' is longer than {STRING_LIMIT} characters",
                self.name
            )
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct DataAttributes {
    all: Vec<DataAttribute>,
}

impl DataAttributes {
    pub(crate) fn find(&self, model: Model, name: &str) -> Option<&DataAttribute> {
        self.all
            .iter()
            .find(|attribute| attribute.model == model && attribute.name == name)
    }

    pub(crate) fn all(&self) -> &[DataAttribute] {
        &self.all
    }

    /// Reads `custom_attributes` of a body. One bad attribute refuses the whole write.
    pub(crate) fn read(
        &self,
        model: Model,
        body: &Map<String, Value>,
        misfits: Misfits,
    ) -> Result<Map<String, Value>> {
        let values = match body.get("custom_attributes") {
            None | Some(Value::Null) => return Ok(Map::new()),
            Some(Value::Object(values)) => values,
            Some(_) => {
                return Err(
                    ApiError::parameter_invalid("custom_attributes must be an object")
                        .with_field("custom_attributes"),
                );
            }
        };
        let mut taken = values.clone();
        for (name, value) in values {
            let Some(attribute) = self.find(model, name) else {
                let message = format!("Custom attribute '{name}' does not exist");
                return Err(ApiError::parameter_invalid(message).with_field(name));
            };
            if value.is_null() {
                continue;
            }
            let Some(message) = attribute.refusal(value) else {
                continue;
            };
            if misfits == Misfits::Ignored {
                taken.shift_remove(name);
            } else {
                return Err(refused(misfits, name, value, message));
            }
        }
        Ok(taken)
    }
}

/// The refusal of a value, in one of the forms that it may have.
fn refused(misfits: Misfits, name: &str, value: &Value, message: String) -> ApiError {
    let text = value.to_string();
    let value = value.as_str().unwrap_or(&text);
    let message = match misfits {
        Misfits::Ignored | Misfits::Named => message,
        Misfits::NamedBeforeValue => format!(
            "Custom attribute '{name}' has an invalid value: '{value}' is not in the list of allowed values"
        ),
        Misfits::NamedAfterValue => format!("'{value}' is not a valid option for '{name}'"),
        Misfits::DoubleQuoted => format!("\"{name}\" must be one of \"a\", \"b\""),
        Misfits::Unquoted => format!("{name} must be one of a, b"),
        Misfits::FieldAlone => "is invalid".to_owned(),
        Misfits::Unnamed => "A custom attribute has an invalid value".to_owned(),
    };
    let error = ApiError::parameter_invalid(message);
    match misfits {
        Misfits::Named | Misfits::FieldAlone => error.with_field(name),
        _ => error,
    }
}

/// Stores `changes` over `stored`; a null clears.
pub(crate) fn apply(stored: &mut Map<String, Value>, changes: Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            stored.shift_remove(&name);
        } else {
            stored.insert(name, value);
        }
    }
}

impl State {
    /// `POST /data_attributes`
    pub(crate) fn create_data_attribute(&mut self, body: &Value) -> Result<ApiResponse> {
        if !self.settings.attribute_writes_allowed {
            return Err(ApiError::new(
                403,
                "action_forbidden",
                "You do not have permission to write data attributes",
            ));
        }
        let body = fields::object(body)?;
        let model = fields::required_string(body, "model")
            .ok()
            .and_then(|name| Model::from_name(&name))
            .ok_or_else(|| {
                ApiError::parameter_invalid(
                    "The Data Attribute model field must be either contact or company",
                )
            })?;
        let name = fields::required_string(body, "name")?;
        check_name(&name, self.settings.strict_attribute_names)?;
        let data_type = fields::required_string(body, "data_type")
            .ok()
            .and_then(|name| DataType::from_name(&name))
            .ok_or_else(|| ApiError::parameter_invalid("Data Type isn't an option"))?;
        let options = match data_type {
            DataType::Options => read_options(body)?,
            _ => Vec::new(),
        };
        let description = fields::string(body, "description")?.flatten();
        let messenger_writable = fields::boolean(body, "messenger_writable")?
            .flatten()
            .unwrap_or(false);

        if let Some(standard) = standard_attributes::find(model, &name) {
            return Err(ApiError::parameter_invalid(format!(
                "'{}' is one of our standard attributes",
                standard.label
            )));
        }
        // Intercom's own message names both models, the existing one first.
        if let Some(existing) = self.attributes.all.iter().find(|other| other.name == name) {
            return Err(ApiError::parameter_invalid(format!(
                "You already have '{name}' in your {} data. To save this as new {} data, use a different name.",
                existing.model.noun(),
                model.noun(),
            )));
        }
        let count = self
            .attributes
            .all
            .iter()
            .filter(|other| other.model == model)
            .count();
        if count >= self.settings.attribute_limit {
            return Err(ApiError::new(
                400,
                "custom_data_limit_reached",
                format!(
                    "You have reached the limit of {} custom attributes",
                    self.settings.attribute_limit
                ),
            ));
        }

        let attribute = DataAttribute {
            id: self.ids.number(),
            name,
            model,
            data_type,
            description,
            messenger_writable,
            options,
            created_at: unix_seconds(self.clock.now()),
        };
        let answer = ApiResponse::ok(attribute.to_json());
        self.attributes.all.push(attribute);
        Ok(answer)
    }

    /// `GET /data_attributes`
    pub(crate) fn list_data_attributes(&self, request: &ApiRequest) -> Result<ApiResponse> {
        let model = match request.query_value("model") {
            None => None,
            Some(name) => Some(Model::from_name(&name).ok_or_else(|| {
                ApiError::new(
                    422,
                    "parameter_invalid",
                    format!("model={name} is no longer supported. Use GET /conversations/attributes instead"),
                )
            })?),
        };
        let wanted = |other: Model| model.is_none_or(|model| model == other);
        let standard = STANDARD
            .iter()
            .filter(|standard| wanted(standard.model))
            .map(StandardAttribute::to_json);
        let custom = self
            .attributes
            .all
            .iter()
            .filter(|attribute| wanted(attribute.model))
            .map(DataAttribute::to_json);
        let data: Vec<Value> = standard.chain(custom).collect();
        Ok(ApiResponse::ok(json!({"type": "list", "data": data})))
    }
}

fn check_name(name: &str, is_strict: bool) -> Result<()> {
    if name.chars().count() > NAME_LIMIT {
        return Err(ApiError::parameter_invalid(format!(
            "Your name for this attribute must not be longer than {NAME_LIMIT} characters"
        )));
    }
    // `.` and `$` are documented; `!` and `@` are in the description's example of a bad name.
    let invalid =
        |character: char| matches!(character, '.' | '$' | '!' | '@') || character.is_control();
    let is_plain = |character: char| character.is_alphanumeric() || "_-".contains(character);
    let invalid = |character: char| invalid(character) || (is_strict && !is_plain(character));
    if name.contains(invalid) {
        return Err(ApiError::parameter_invalid(
            "Your name for this attribute must only contain alphanumeric characters, currency symbols, and hyphens",
        ));
    }
    Ok(())
}

fn read_options(body: &Map<String, Value>) -> Result<Vec<String>> {
    let options: Vec<String> = body
        .get("options")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|option| option.get("value")?.as_str().map(str::to_owned))
        .collect();
    if options.len() < 2 {
        return Err(ApiError::parameter_invalid(
            "The Data Attribute must have at least two options",
        ));
    }
    Ok(options)
}
