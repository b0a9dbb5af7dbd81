//! What `/events` does.

use serde_json::{Map, Value, json};

use crate::clock::unix_seconds;
use crate::conflict;
use crate::contact_store::Contact;
use crate::errors::{ApiError, Result};
use crate::event_store::Event;
use crate::fields;
use crate::message::{ApiRequest, ApiResponse};
use crate::metadata::Metadata;
use crate::state::State;

/// An event may be dated this far ahead before it is noted as wrong.
const FUTURE_SECONDS: i64 = 24 * 3600;

impl State {
    /// `POST /events`
    pub(crate) fn create_event(
        &mut self,
        body: &Value,
        violations: &mut Vec<String>,
    ) -> Result<ApiResponse> {
        let body = fields::object(body)?;
        fields::short_string(body, "event_name")?;
        let name = fields::required_string(body, "event_name")?.replace(['.', '$'], "-");
        let created_at = fields::timestamp(body, "created_at", violations)?
            .flatten()
            .ok_or_else(|| {
                ApiError::parameter_not_found("created_at not specified").with_field("created_at")
            })?;
        let metadata = Metadata::read(body, self.settings.metadata_limit, violations)?;
        let contact = self.event_contact(body)?;
        let event = Event {
            contact_id: contact.id.clone(),
            name,
            created_at,
            metadata: metadata.kept,
        };
        if created_at > unix_seconds(self.clock.now()) + FUTURE_SECONDS {
            violations.push(format!("created_at {created_at} is more than a day ahead"));
        }

        let limit = self.settings.event_name_limit;
        if !self.events.has_name(&event.name) && self.events.distinct_names() >= limit {
            return Err(ApiError::new(
                422,
                "unprocessable_entity",
                format!("You have reached the limit of {limit} event names"),
            ));
        }
        self.events.add(event, metadata.ignored);
        Ok(ApiResponse::accepted())
    }

    /// The contact that an event names: `user_id` and `email` find users only, `id` also leads.
    fn event_contact(&self, body: &Map<String, Value>) -> Result<&Contact> {
        let user_id = fields::string(body, "user_id")?.flatten();
        let email = fields::string(body, "email")?.flatten();
        let id = fields::string(body, "id")?.flatten();
        let found = if let Some(user_id) = user_id {
            self.contacts
                .with_external_id(&user_id)
                .find(|contact| contact.is_active_user())
        } else if let Some(email) = email {
            let mut users = self
                .contacts
                .with_email(&email)
                .filter(|contact| contact.is_active_user());
            match (users.next(), users.next()) {
                (Some(_), Some(_)) => return Err(conflict::shared_email()),
                (user, _) => user,
            }
        } else if let Some(id) = id {
            self.contacts.get(&id).filter(|contact| contact.is_active())
        } else {
            return Err(ApiError::parameter_not_found(
                "user_id, email or id must be specified",
            ));
        };
        found.ok_or_else(ApiError::contact_not_found)
    }

    /// `GET /events?type=user&user_id=…` (or `email`, `intercom_user_id`), newest first; with
    /// `summary=true` one entry per name.
    pub(crate) fn list_events(&self, request: &ApiRequest) -> Result<ApiResponse> {
        if request.query_value("type").as_deref() != Some("user") {
            return Err(ApiError::parameter_invalid("type must be user").with_field("type"));
        }
        let mut address = Map::new();
        for (parameter, field) in [
            ("user_id", "user_id"),
            ("email", "email"),
            ("intercom_user_id", "id"),
        ] {
            if let Some(value) = request.query_value(parameter) {
                address.insert(field.to_owned(), Value::String(value));
            }
        }
        let contact = self.event_contact(&address)?;
        let mut events: Vec<&Event> = self
            .events
            .all()
            .iter()
            .filter(|event| event.contact_id == contact.id)
            .collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.created_at));
        let data = if request.query_value("summary").as_deref() == Some("true") {
            summaries(&events)
        } else {
            events
                .iter()
                .map(|event| event_json(event, contact))
                .collect()
        };
        // The description gives the list this type, whether or not a summary was asked for.
        Ok(ApiResponse::ok(json!({
            "type": "event.summary",
            "email": contact.email.as_deref().unwrap_or_default(),
            "intercom_user_id": contact.id,
            "user_id": contact.external_id.as_deref().unwrap_or_default(),
            "events": data,
            "pages": {},
        })))
    }
}

fn event_json(event: &Event, contact: &Contact) -> Value {
    json!({
        "type": "event",
        "event_name": event.name,
        "created_at": event.created_at,
        "user_id": contact.external_id.as_deref().unwrap_or_default(),
        "intercom_user_id": contact.id,
        "email": contact.email.as_deref().unwrap_or_default(),
        "metadata": event.metadata,
    })
}

fn summaries(events: &[&Event]) -> Vec<Value> {
    let mut names: Vec<String> = events
        .iter()
        .map(|event| event.name.to_lowercase())
        .collect();
    names.sort();
    names.dedup();
    names
        .iter()
        .map(|name| {
            let of_name = || {
                events
                    .iter()
                    .filter(|event| event.name.to_lowercase() == *name)
            };
            let times = || of_name().map(|event| event.created_at);
            json!({
                "name": of_name().next().map(|event| event.name.as_str()),
                "first": times().min().unwrap_or_default().to_string(),
                "last": times().max().unwrap_or_default().to_string(),
                "count": of_name().count(),
                "description": "",
            })
        })
        .collect()
}
