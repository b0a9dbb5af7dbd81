//! Companies as Intercom answers them.

use serde_json::{Value, json};

use crate::company_store::Company;
use crate::message::ApiRequest;
use crate::state::{State, WORKSPACE_ID};

const PER_PAGE: usize = 15;

impl State {
    pub(crate) fn company_json(&self, company: &Company) -> Value {
        let plan = company.plan.as_ref().map_or_else(
            || json!({}),
            |name| {
                let id = self.plans.get(name).copied().unwrap_or_default();
                json!({"type": "plan", "id": id.to_string(), "name": name})
            },
        );
        let mut body = json!({
            "type": "company",
            "company_id": company.company_id,
            "id": company.id,
            "app_id": WORKSPACE_ID,
            "remote_created_at": company.remote_created_at,
            "created_at": company.created_at,
            "updated_at": company.updated_at,
            "monthly_spend": company.monthly_spend,
            "session_count": 0,
            "user_count": company.user_count,
            "tags": {"type": "tag.list", "tags": []},
            "segments": {"type": "segment.list", "segments": []},
            "notes": {"type": "note.list", "notes": []},
            "plan": plan,
            "custom_attributes": company.custom_attributes,
        });
        // The description allows no nulls here: what isn't known is left out.
        let optional = [
            ("name", company.name.as_ref().map(|name| json!(name))),
            ("size", company.size.map(|size| json!(size))),
            ("website", company.website.as_ref().map(|url| json!(url))),
            (
                "industry",
                company.industry.as_ref().map(|name| json!(name)),
            ),
            (
                "last_request_at",
                company.last_request_at.map(|at| json!(at)),
            ),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                body[key] = value;
            }
        }
        body
    }

    pub(crate) fn company_list(&self, request: &ApiRequest, companies: Vec<&Company>) -> Value {
        let number = |name| -> Option<usize> { request.query_value(name)?.parse().ok() };
        let per_page = number("per_page").unwrap_or(PER_PAGE).clamp(1, 60);
        let page = number("page").unwrap_or(1).max(1);
        let data: Vec<Value> = companies
            .iter()
            .skip((page - 1).saturating_mul(per_page))
            .take(per_page)
            .map(|company| self.company_json(company))
            .collect();
        json!({
            "type": "list",
            "data": data,
            "pages": {
                "type": "pages",
                "next": null,
                "page": page,
                "per_page": per_page,
                "total_pages": companies.len().div_ceil(per_page),
            },
            "total_count": companies.len(),
        })
    }
}
