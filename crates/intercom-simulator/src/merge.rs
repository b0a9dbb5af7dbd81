//! `POST /contacts/merge`: a lead into a user.

use serde_json::Value;

use crate::clock::unix_seconds;
use crate::contact_store::{Contact, Role, Status};
use crate::errors::{ApiError, Result};
use crate::fields;
use crate::message::ApiResponse;
use crate::state::State;

impl State {
    /// Merges `from` into `into`: the user's own values win, the lead's fill the gaps.
    pub(crate) fn merge_contacts(&mut self, body: &Value) -> Result<ApiResponse> {
        let body = fields::object(body)?;
        let from_id = fields::required_string(body, "from")?;
        let into_id = fields::required_string(body, "into")?;
        let skip_check = fields::boolean(body, "skip_duplicate_validation")?
            .flatten()
            .unwrap_or(false);
        let mut from = self.active_contact(&from_id)?.clone();
        let mut into = self.active_contact(&into_id)?.clone();
        if from.role != Role::Lead || into.role != Role::User {
            return Err(invalid_merge("Only a lead can be merged into a user"));
        }
        if !skip_check && !are_duplicates(&from, &into) {
            return Err(invalid_merge(
                "Contacts can only be merged when they are duplicates (matching email or phone). Pass skip_duplicate_validation=true to override this check.",
            ));
        }

        let now = self.clock.now();
        into.email = into.email.or_else(|| from.email.clone());
        into.phone = into.phone.or_else(|| from.phone.clone());
        into.name = into.name.or_else(|| from.name.clone());
        into.last_seen_at = into.last_seen_at.max(from.last_seen_at);
        for (name, value) in &from.custom_attributes {
            into.custom_attributes
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
        for company in &from.companies {
            if into.companies.contains(company) {
                self.companies.forget_member(company);
            } else {
                into.companies.push(company.clone());
            }
        }
        into.updated_at = unix_seconds(now);
        into.written_at = now;
        from.status = Status::Merged {
            into: into_id.clone(),
        };
        from.companies.clear();
        from.written_at = now;

        self.events.move_to(&from_id, &into_id);
        let answer = ApiResponse::ok(self.contact_json(&into));
        self.put_contact(from);
        self.put_contact(into);
        Ok(answer)
    }
}

fn are_duplicates(one: &Contact, other: &Contact) -> bool {
    let lower = |email: &Option<String>| email.as_ref().map(|email| email.to_lowercase());
    let same_email = one.email.is_some() && lower(&one.email) == lower(&other.email);
    let same_phone = one.phone.is_some() && one.phone == other.phone;
    same_email || same_phone
}

fn invalid_merge(message: &str) -> ApiError {
    ApiError::new(400, "invalid_merge", message)
}
