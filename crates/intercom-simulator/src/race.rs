//! Two writers at once: somebody else makes the same contact or company a moment before.

use serde_json::{Value, json};

use crate::contacts::Duplicates;
use crate::fault::FaultStatus;
use crate::message::ApiRequest;
use crate::state::State;

impl State {
    /// Whether the request would make a company or a user that isn't there yet.
    pub(crate) fn would_make(&self, request: &ApiRequest) -> bool {
        self.is_authorized(request) && self.newcomer(request).is_some()
    }

    /// Makes what the request would make, in another's name. Returns the refusal of the request.
    pub(crate) fn lose_race(
        &mut self,
        status: u16,
        code: Option<String>,
        message: Option<String>,
        request: &ApiRequest,
    ) -> FaultStatus {
        let (usual_code, usual_message) = match self.newcomer(request) {
            Some(Newcomer::Company(body)) => {
                let _ = self.upsert_company(&body, &mut Vec::new());
                ("unique_company_constraint", "Company already exists.")
            }
            Some(Newcomer::User(body)) => {
                let _ = self.create_contact(&body, Duplicates::Allow, &mut Vec::new());
                ("unique_user_constraint", "User already exists.")
            }
            // Somebody else was quicker indeed, between the rule's choice and now.
            None => ("conflict", "Already exists."),
        };
        FaultStatus {
            status,
            code: code.or_else(|| Some(usual_code.to_owned())),
            message: message.or_else(|| Some(usual_message.to_owned())),
            ..FaultStatus::default()
        }
    }

    fn newcomer(&self, request: &ApiRequest) -> Option<Newcomer> {
        if request.method != "POST" {
            return None;
        }
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        match request.path.as_str() {
            "/companies" => {
                let id = body.get("company_id")?.as_str()?;
                let is_new = self.companies.with_company_id(id).is_none();
                is_new.then(|| Newcomer::Company(json!({"company_id": id})))
            }
            "/contacts" => {
                let id = body.get("external_id")?.as_str()?;
                let is_new = self.contacts.with_external_id(id).next().is_none();
                is_new.then(|| Newcomer::User(json!({"role": "user", "external_id": id})))
            }
            _ => None,
        }
    }
}

/// The body with which somebody else makes it: only what identifies it.
enum Newcomer {
    Company(Value),
    User(Value),
}
