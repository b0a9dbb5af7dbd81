//! Which contact belongs to which company: `/contacts/{id}/companies`.

use serde_json::{Value, json};

use crate::errors::{ApiError, Result};
use crate::fields;
use crate::message::ApiResponse;
use crate::state::State;

impl State {
    /// `POST /contacts/{id}/companies`
    pub(crate) fn attach_company(&mut self, contact_id: &str, body: &Value) -> Result<ApiResponse> {
        let attached = self.active_contact(contact_id)?.companies.len();
        let id = fields::object(body)
            .and_then(|body| fields::required_string(body, "id"))
            .map_err(|_| ApiError::parameter_not_found("company not specified"))?;
        let company = self
            .companies
            .get_mut(&id)
            .ok_or_else(ApiError::company_not_found)?;
        let contact = self
            .contacts
            .get_mut(contact_id)
            .ok_or_else(ApiError::contact_not_found)?;
        if !contact.companies.contains(&id) {
            let limit = self.settings.contact_company_limit;
            if attached >= limit {
                return Err(ApiError::new(
                    400,
                    "contact_company_limit_exceeded",
                    format!("Contact has reached the maximum of {limit} company associations"),
                ));
            }
            contact.companies.push(id.clone());
            company.user_count += 1;
        }
        self.show_company(&id)
    }

    /// `DELETE /contacts/{id}/companies/{company id}`
    pub(crate) fn detach_company(&mut self, contact_id: &str, id: &str) -> Result<ApiResponse> {
        self.active_contact(contact_id)?;
        self.companies
            .get(id)
            .ok_or_else(ApiError::company_not_found)?;
        let contact = self
            .contacts
            .get_mut(contact_id)
            .ok_or_else(ApiError::contact_not_found)?;
        let position = contact
            .companies
            .iter()
            .position(|other| other == id)
            .ok_or_else(ApiError::company_not_found)?;
        contact.companies.remove(position);
        self.companies.forget_member(id);
        self.show_company(id)
    }

    /// `GET /contacts/{id}/companies`
    pub(crate) fn list_attached_companies(&self, contact_id: &str) -> Result<ApiResponse> {
        let contact = self.active_contact(contact_id)?;
        let data: Vec<Value> = contact
            .companies
            .iter()
            .filter_map(|id| self.companies.get(id))
            .map(|company| self.company_json(company))
            .collect();
        let count = data.len();
        Ok(ApiResponse::ok(json!({
            "type": "list",
            "data": data,
            "pages": {
                "type": "pages",
                "next": null,
                "page": 1,
                "per_page": count.max(1),
                "total_pages": 1,
            },
            "total_count": count,
        })))
    }
}
