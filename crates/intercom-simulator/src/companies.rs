//! What `/companies` does.

use serde_json::{Map, Value};

use crate::attribute_store::{self, Model};
use crate::clock::unix_seconds;
use crate::company_store::Company;
use crate::errors::{ApiError, Result};
use crate::fields;
use crate::message::{ApiRequest, ApiResponse};
use crate::state::State;

const KNOWN: [&str; 10] = [
    "company_id",
    "name",
    "plan",
    "size",
    "website",
    "industry",
    "remote_created_at",
    "update_last_request_at",
    "monthly_spend",
    "custom_attributes",
];

const MONTHLY_SPEND_LIMIT: i64 = i32::MAX as i64;

impl State {
    /// `POST /companies`: creates or updates by `company_id`.
    pub(crate) fn upsert_company(
        &mut self,
        body: &Value,
        violations: &mut Vec<String>,
    ) -> Result<ApiResponse> {
        let body = fields::object(body)?;
        refuse_unknown(body)?;
        let company_id = fields::required_string(body, "company_id")?;
        let now = self.clock.now();
        let company = match self.companies.with_company_id(&company_id) {
            Some(company) => company.clone(),
            None => Company {
                id: self.ids.object_id(now),
                company_id,
                name: None,
                plan: None,
                size: None,
                website: None,
                industry: None,
                remote_created_at: unix_seconds(now),
                monthly_spend: 0,
                last_request_at: None,
                custom_attributes: Map::new(),
                created_at: unix_seconds(now),
                updated_at: unix_seconds(now),
                user_count: 0,
            },
        };
        self.write_company(company, body, violations)
    }

    /// `PUT /companies/{id}`
    pub(crate) fn update_company(
        &mut self,
        id: &str,
        body: &Value,
        violations: &mut Vec<String>,
    ) -> Result<ApiResponse> {
        let body = fields::object(body)?;
        let company = self
            .companies
            .get(id)
            .ok_or_else(ApiError::company_not_found)?;
        refuse_unknown(body)?;
        if body.contains_key("company_id") {
            violations.push("company_id was ignored: it can't be changed".to_owned());
        }
        self.write_company(company.clone(), body, violations)
    }

    fn write_company(
        &mut self,
        mut company: Company,
        body: &Map<String, Value>,
        violations: &mut Vec<String>,
    ) -> Result<ApiResponse> {
        let now = unix_seconds(self.clock.now());
        if let Some(name) = fields::short_string(body, "name")? {
            company.name = name;
        }
        if let Some(plan) = fields::string(body, "plan")? {
            company.plan = plan.filter(|plan| !plan.is_empty());
        }
        if let Some(size) = fields::integer(body, "size")? {
            company.size = size;
        }
        if let Some(website) = fields::string(body, "website")? {
            company.website = website;
        }
        if let Some(industry) = fields::short_string(body, "industry")? {
            company.industry = industry;
        }
        if let Some(created) = fields::timestamp(body, "remote_created_at", violations)? {
            company.remote_created_at = created.unwrap_or(company.created_at);
        }
        if let Some(spend) = fields::integer(body, "monthly_spend")? {
            let spend = spend.unwrap_or(0);
            if spend > MONTHLY_SPEND_LIMIT {
                return Err(ApiError::parameter_invalid(format!(
                    "monthly_spend must not be greater than {MONTHLY_SPEND_LIMIT}"
                ))
                .with_field("monthly_spend"));
            }
            company.monthly_spend = spend;
        }
        if fields::boolean(body, "update_last_request_at")?.flatten() == Some(true) {
            company.last_request_at = Some(now);
        }
        let custom_attributes =
            self.attributes
                .read(Model::Company, body, self.settings.misfits)?;
        attribute_store::apply(&mut company.custom_attributes, custom_attributes);
        company.updated_at = now;

        if let Some(plan) = &company.plan {
            let next = self.plans.len() + 1;
            self.plans.entry(plan.clone()).or_insert(next);
        }
        let answer = ApiResponse::ok(self.company_json(&company));
        self.companies.put(company);
        Ok(answer)
    }

    /// `GET /companies/{id}`
    pub(crate) fn show_company(&self, id: &str) -> Result<ApiResponse> {
        let company = self
            .companies
            .get(id)
            .ok_or_else(ApiError::company_not_found)?;
        Ok(ApiResponse::ok(self.company_json(company)))
    }

    /// `GET /companies`, by `company_id` or `name`, or all of them.
    pub(crate) fn find_companies(&self, request: &ApiRequest) -> Result<ApiResponse> {
        let found: Vec<&Company> = if let Some(company_id) = request.query_value("company_id") {
            self.companies
                .with_company_id(&company_id)
                .into_iter()
                .collect()
        } else if let Some(name) = request.query_value("name") {
            self.companies
                .all()
                .filter(|company| company.name.as_deref() == Some(&name))
                .collect()
        } else {
            return Ok(ApiResponse::ok(
                self.company_list(request, self.companies.all().collect()),
            ));
        };
        match found.first() {
            None => Err(ApiError::company_not_found()),
            Some(company) if !self.settings.company_lookup_as_list => {
                Ok(ApiResponse::ok(self.company_json(company)))
            }
            Some(_) => Ok(ApiResponse::ok(self.company_list(request, found))),
        }
    }

    /// `DELETE /companies/{id}`
    pub(crate) fn delete_company(&mut self, id: &str) -> Result<ApiResponse> {
        let company = self
            .companies
            .remove(id)
            .ok_or_else(ApiError::company_not_found)?;
        let attached: Vec<String> = self
            .contacts
            .all()
            .filter(|contact| contact.companies.contains(&company.id))
            .map(|contact| contact.id.clone())
            .collect();
        for contact in attached {
            if let Some(contact) = self.contacts.get_mut(&contact) {
                contact.companies.retain(|other| *other != company.id);
            }
        }
        Ok(ApiResponse::ok(serde_json::json!({
            "id": company.id,
            "object": "company",
            "deleted": true,
        })))
    }
}

fn refuse_unknown(body: &Map<String, Value>) -> Result<()> {
    match body.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(ApiError::new(
            400,
            "bad_request",
            format!("bad '{key}' parameter"),
        )),
    }
}
