//! The custom data attributes that exist, and whether a value fits its attribute.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::errors::{ApiError, Result};
use crate::fields::STRING_LIMIT;
use crate::settings::Misfits;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Model {
    Contact,
    Company,
}

impl Model {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "contact" => Some(Self::Contact),
            "company" => Some(Self::Company),
            _ => None,
        }
    }

    /// How Intercom's messages call it.
    pub(crate) fn noun(self) -> &'static str {
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
    pub(crate) fn from_name(name: &str) -> Option<Self> {
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
    pub(crate) description: Option<String>,
    pub(crate) messenger_writable: bool,
    pub(crate) options: Vec<String>,
    pub(crate) created_at: i64,
}

impl DataAttribute {
    pub(crate) fn to_json(&self) -> Value {
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

    pub(crate) fn add(&mut self, attribute: DataAttribute) {
        self.all.push(attribute);
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
