//! What `/contacts` does.

use serde_json::{Value, json};

use crate::clock::unix_seconds;
use crate::conflict::Write;
use crate::contact_body::ContactBody;
use crate::contact_store::{Contact, Role, Status};
use crate::errors::{ApiError, Result};
use crate::message::ApiResponse;
use crate::state::State;

/// Whether a new contact may match an existing one. Through the API it may not; the Messenger
/// and imports make such contacts nonetheless.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duplicates {
    Refuse,
    Allow,
}

impl State {
    /// `POST /contacts`. Returns the new contact's id.
    pub(crate) fn create_contact(
        &mut self,
        body: &Value,
        duplicates: Duplicates,
        violations: &mut Vec<String>,
    ) -> Result<String> {
        let body = ContactBody::read(body, &self.attributes, self.settings.misfits, violations)?;
        let email = body.email.clone().flatten();
        let mut external_id = body.external_id.clone().flatten();
        if body.role.is_none() {
            if email.is_none() && external_id.is_none() {
                return Err(ApiError::parameter_not_found(
                    "role, email or external_id must be specified",
                ));
            }
            violations.push("role missing: always send it".to_owned());
        }
        let role = body.role.unwrap_or(Role::User);
        if role == Role::Lead && external_id.take().is_some() {
            violations.push("external_id was ignored: leads get one from Intercom".to_owned());
        }
        if duplicates == Duplicates::Refuse {
            self.refuse_conflict(Write::Create, external_id.as_deref(), email.as_deref())?;
        }

        let now = self.clock.now();
        let id = self.ids.object_id(now);
        let mut contact = Contact {
            id: id.clone(),
            status: Status::Active,
            role,
            external_id: match role {
                Role::User => external_id,
                Role::Lead => Some(self.ids.uuid()),
            },
            email: None,
            phone: None,
            name: None,
            avatar: None,
            owner_id: None,
            language_override: None,
            unsubscribed_from_emails: false,
            signed_up_at: None,
            last_seen_at: None,
            custom_attributes: serde_json::Map::new(),
            companies: Vec::new(),
            created_at: unix_seconds(now),
            updated_at: unix_seconds(now),
            written_at: now,
        };
        body.write_to(&mut contact);
        self.put_contact(contact);
        Ok(id)
    }

    /// `PUT /contacts/{id}`
    pub(crate) fn update_contact(
        &mut self,
        id: &str,
        body: &Value,
        violations: &mut Vec<String>,
    ) -> Result<ApiResponse> {
        let mut contact = self.active_contact(id)?.clone();
        let body = ContactBody::read(body, &self.attributes, self.settings.misfits, violations)?;
        match (contact.role, body.role) {
            (Role::User, Some(Role::Lead)) => {
                return Err(ApiError::parameter_invalid(
                    "Contact with user role can't be converted to a lead",
                ));
            }
            (Role::Lead, Some(Role::User)) => {
                contact.role = Role::User;
                contact.external_id = None;
            }
            _ => {}
        }
        if let Some(external_id) = body.external_id.clone() {
            if contact.role == Role::User {
                contact.external_id = external_id;
            } else {
                violations.push("external_id was ignored: leads get one from Intercom".to_owned());
            }
        }
        let changed_external_id = body
            .external_id
            .as_ref()
            .and(contact.external_id.as_deref());
        let changed_email = body.email.as_ref().and_then(Option::as_deref);
        self.refuse_conflict(Write::Update { id }, changed_external_id, changed_email)?;

        body.write_to(&mut contact);
        let now = self.clock.now();
        contact.updated_at = unix_seconds(now);
        contact.written_at = now;
        let answer = ApiResponse::ok(self.contact_json(&contact));
        self.put_contact(contact);
        Ok(answer)
    }

    /// `GET /contacts/{id}`
    pub(crate) fn show_contact(&self, id: &str) -> Result<ApiResponse> {
        let contact = self.active_contact(id)?;
        Ok(ApiResponse::ok(self.contact_json(contact)))
    }

    /// `GET /contacts/find_by_external_id/{external_id}`: users only.
    pub(crate) fn find_contact_by_external_id(&self, external_id: &str) -> Result<ApiResponse> {
        let found = || self.contacts.with_external_id(external_id);
        if let Some(contact) = found().find(|contact| contact.is_active_user()) {
            return Ok(ApiResponse::ok(self.contact_json(contact)));
        }
        Err(found()
            .find_map(|contact| match &contact.status {
                Status::Merged { into } => Some(ApiError::contact_merged(into)),
                _ => None,
            })
            .unwrap_or_else(ApiError::contact_not_found))
    }

    /// `POST /contacts/{id}/archive`
    pub(crate) fn archive_contact(&mut self, id: &str) -> Result<ApiResponse> {
        self.set_status(id, Status::Archived)
    }

    /// `POST /contacts/{id}/unarchive`
    pub(crate) fn unarchive_contact(&mut self, id: &str) -> Result<ApiResponse> {
        let contact = self.contacts.get(id);
        if let Some(&Status::Deleted { at }) = contact.map(|contact| &contact.status)
            && !self.settings.deleted_users_may_return
        {
            let is_under_way = self.clock.now() < at + self.deletion();
            return Err(if is_under_way {
                ApiError::new(500, "server_error", "Internal Server Error")
            } else {
                ApiError::new(
                    400,
                    "bad_request",
                    "User has been marked for permanent deletion and is not restorable.",
                )
            });
        }
        let external_id = contact.and_then(|contact| contact.external_id.clone());
        self.refuse_conflict(Write::Update { id }, external_id.as_deref(), None)?;
        self.set_status(id, Status::Active)
    }

    /// `DELETE /contacts/{id}`: for good.
    pub(crate) fn delete_contact(&mut self, id: &str) -> Result<ApiResponse> {
        let mut contact = self.present_contact(id)?.clone();
        contact.status = Status::Deleted {
            at: self.clock.now(),
        };
        for company in contact.companies.drain(..) {
            self.companies.forget_member(&company);
        }
        let answer = reference(&contact, "deleted", true);
        self.put_contact(contact);
        Ok(answer)
    }

    fn set_status(&mut self, id: &str, status: Status) -> Result<ApiResponse> {
        let mut contact = self.present_contact(id)?.clone();
        let archived = status == Status::Archived;
        contact.status = status;
        contact.updated_at = unix_seconds(self.clock.now());
        let answer = reference(&contact, "archived", archived);
        self.put_contact(contact);
        Ok(answer)
    }

    pub(crate) fn put_contact(&mut self, contact: Contact) {
        let lag = self.search_lag();
        self.contacts.put(contact, lag);
    }

    /// The contact, unless it is archived, merged away or deleted.
    pub(crate) fn active_contact(&self, id: &str) -> Result<&Contact> {
        let contact = self.present_contact(id)?;
        if contact.is_active() {
            Ok(contact)
        } else {
            Err(ApiError::contact_not_found())
        }
    }

    /// The contact, archived or not, unless it is merged away or deleted.
    fn present_contact(&self, id: &str) -> Result<&Contact> {
        let contact = self
            .contacts
            .get(id)
            .ok_or_else(ApiError::contact_not_found)?;
        match &contact.status {
            Status::Active | Status::Archived => Ok(contact),
            Status::Merged { into } => Err(ApiError::contact_merged(into)),
            Status::Deleted { .. } => Err(ApiError::contact_not_found()),
        }
    }
}

fn reference(contact: &Contact, flag: &str, value: bool) -> ApiResponse {
    let mut body = json!({
        "type": "contact",
        "id": contact.id,
        "external_id": contact.external_id,
    });
    body[flag] = json!(value);
    ApiResponse::ok(body)
}
