//! What `/data_attributes` does.

use serde_json::{Map, Value, json};

use crate::attribute_store::{DataAttribute, DataType, Model};
use crate::clock::unix_seconds;
use crate::errors::{ApiError, Result};
use crate::fields;
use crate::message::{ApiRequest, ApiResponse};
use crate::standard_attributes::{self, STANDARD, StandardAttribute};
use crate::state::State;

/// Longest attribute name, in characters.
const NAME_LIMIT: usize = 190;

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
        if let Some(existing) = self
            .attributes
            .all()
            .iter()
            .find(|other| other.name == name)
        {
            return Err(ApiError::parameter_invalid(format!(
                "You already have '{name}' in your {} data. To save this as new {} data, use a different name.",
                existing.model.noun(),
                model.noun(),
            )));
        }
        let count = self
            .attributes
            .all()
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
        self.attributes.add(attribute);
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
            .all()
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
