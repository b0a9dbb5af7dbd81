//! What every request goes through: authentication, rate limit, headers, routing, error answers.

use serde_json::{Value, json};

use crate::contacts::Duplicates;
use crate::errors::{ApiError, Result};
use crate::fault::{self, Fault, FaultStatus};
use crate::message::{self, ApiRequest, ApiResponse};
use crate::path;
use crate::rate_limit::RateStatus;
use crate::settings::Settings;
use crate::state::{State, WORKSPACE_ID};
use crate::version::{self, VERSION};

const FIND_BY_EXTERNAL_ID: &str = "find_by_external_id";

impl State {
    /// Logs the request's arrival; returns its sequence number and the fault to apply.
    pub(crate) fn begin(&mut self, request: &ApiRequest) -> (u64, Option<Fault>) {
        let authorization = match (request.header("authorization"), self.is_authorized(request)) {
            (None, _) => "missing",
            (Some(_), false) => "rejected",
            (Some(_), true) => "accepted",
        };
        let at = self.clock.now().as_secs_f64();
        let limit = self.settings.log_limit;
        let sequence = self.log.begin(request, at, authorization, limit);
        let would_make = self.would_make(request);
        let fault = self.faults.take(request, would_make);
        if let (Some(fault), Some(entry)) = (&fault, self.log.entry(sequence)) {
            entry.fault = Some(fault.describe());
        }
        (sequence, fault)
    }

    /// Does what the request asks and makes the answer.
    pub(crate) fn answer(&mut self, sequence: u64, request: &ApiRequest) -> ApiResponse {
        let mut violations = Vec::new();
        let request_id = self.ids.uuid();
        let rate = self.count_rate(request);
        let outcome = match &rate {
            None => Err(ApiError::new(401, "unauthorized", "Access Token Invalid")),
            Some(rate) if rate.exceeded => Err(ApiError::new(
                429,
                "rate_limit_exceeded",
                "Exceeded rate limit for requests",
            )),
            Some(_) => self.checked_route(request, &mut violations),
        };
        if let Some(entry) = self.log.entry(sequence) {
            entry.violations = violations;
        }
        finish(outcome, &request_id, rate)
    }

    /// The answer of a status fault. Counts against the rate limit, as any request does, unless
    /// it was counted when the change was made.
    pub(crate) fn answer_with_fault(
        &mut self,
        fault: &FaultStatus,
        request: &ApiRequest,
        lost: Option<ApiResponse>,
    ) -> ApiResponse {
        let request_id = self.ids.uuid();
        let message = fault
            .message
            .clone()
            .unwrap_or_else(|| "Fault of the simulator".to_owned());
        let code = fault
            .code
            .clone()
            .unwrap_or_else(|| fault::usual_code(fault.status).to_owned());
        let mut error = ApiError::new(fault.status, code, message);
        if let Some(field) = &fault.field {
            error = error.with_field(field);
        }
        let mut response = match lost {
            Some(lost) => ApiResponse {
                status: fault.status,
                headers: lost.headers,
                body: Some(error.body(&request_id)),
                page: None,
            },
            None => {
                let rate = self.count_rate(request);
                finish(Err(error), &request_id, rate)
            }
        };
        if fault.status == 429 {
            response.set_header("x-ratelimit-remaining", "0");
        }
        if let Some(seconds) = fault.retry_after {
            response.set_header("retry-after", seconds.to_string());
        }
        if fault.no_rate_limit {
            let is_told = |name: &String| name.starts_with("x-ratelimit-");
            response.headers.retain(|(name, _)| !is_told(name));
        }
        if let Some(page) = &fault.page {
            response.page = Some(page.clone());
            response.set_header("content-type", "text/html");
        }
        for (name, value) in &fault.headers {
            response.set_header(name, value.clone());
        }
        response
    }

    /// Checks what holds for every request, then routes it.
    fn checked_route(
        &mut self,
        request: &ApiRequest,
        violations: &mut Vec<String>,
    ) -> Result<ApiResponse> {
        let version = version::read(request.header("intercom-version"), violations)?;
        let accepts_json = request
            .header("accept")
            .is_some_and(|accept| accept.to_ascii_lowercase().contains("application/json"));
        if !accepts_json {
            return Err(ApiError::new(
                406,
                "media_type_not_acceptable",
                "The Accept header should send a media type of application/json",
            ));
        }
        let body = read_body(request)?;
        let path = path::normalized(&request.path);
        if path != request.path {
            violations.push(format!("the path normalizes to {path}"));
        }
        let mut segments = message::segments(&path);
        if segments.len() == 2 && segments[1] == FIND_BY_EXTERNAL_ID {
            violations.push("find_by_external_id without an id".to_owned());
        }
        if version::lacks_find_by_external_id(version)
            && segments.iter().any(|s| s == FIND_BY_EXTERNAL_ID)
        {
            segments.clear();
        }
        self.route(request, &segments, &body, violations)
    }

    fn route(
        &mut self,
        request: &ApiRequest,
        segments: &[String],
        body: &Value,
        violations: &mut Vec<String>,
    ) -> Result<ApiResponse> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["me"]) => Ok(ApiResponse::ok(me(&self.settings))),

            ("GET", ["contacts"]) => self.list_contacts(request),
            ("POST", ["contacts"]) => {
                let id = self.create_contact(body, Duplicates::Refuse, violations)?;
                self.show_contact(&id)
            }
            ("POST", ["contacts", "search"]) => self.search_contacts(body),
            ("POST", ["contacts", "merge"]) => self.merge_contacts(body),
            ("GET", ["contacts", FIND_BY_EXTERNAL_ID, external_id]) => {
                self.find_contact_by_external_id(external_id)
            }
            ("GET", ["contacts", id]) => self.show_contact(id),
            ("PUT", ["contacts", id]) => self.update_contact(id, body, violations),
            ("DELETE", ["contacts", id]) => self.delete_contact(id),
            ("POST", ["contacts", id, "archive"]) => self.archive_contact(id),
            ("POST", ["contacts", id, "unarchive"]) => self.unarchive_contact(id),
            ("GET", ["contacts", id, "companies"]) => self.list_attached_companies(id),
            ("POST", ["contacts", id, "companies"]) => self.attach_company(id, body),
            ("DELETE", ["contacts", id, "companies", company]) => self.detach_company(id, company),

            ("GET", ["companies"]) => self.find_companies(request),
            ("POST", ["companies"]) => self.upsert_company(body, violations),
            ("GET", ["companies", id]) => self.show_company(id),
            ("PUT", ["companies", id]) => self.update_company(id, body, violations),
            ("DELETE", ["companies", id]) => self.delete_company(id),

            ("GET", ["events"]) => self.list_events(request),
            ("POST", ["events"]) => self.create_event(body, violations),

            ("GET", ["data_attributes"]) => self.list_data_attributes(request),
            ("POST", ["data_attributes"]) => self.create_data_attribute(body),

            _ => Err(ApiError::new(
                404,
                "not_found",
                format!("The requested URL {} was not found", request.path),
            )),
        }
    }
}

/// The JSON body; null without one.
fn read_body(request: &ApiRequest) -> Result<Value> {
    if request.body.is_empty() {
        return Ok(Value::Null);
    }
    let is_json = request.header("content-type").is_some_and(|content_type| {
        let media_type = content_type.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("application/json")
    });
    if !is_json {
        return Err(ApiError::new(
            415,
            "client_error",
            "The Content-Type header should be application/json",
        ));
    }
    serde_json::from_slice(&request.body)
        .map_err(|error| ApiError::new(400, "bad_request", format!("Invalid JSON: {error}")))
}

fn finish(outcome: Result<ApiResponse>, request_id: &str, rate: Option<RateStatus>) -> ApiResponse {
    let mut response = outcome.unwrap_or_else(|error| ApiResponse {
        status: error.status,
        headers: error
            .link
            .iter()
            .map(|link| ("link".to_owned(), link.clone()))
            .collect(),
        body: Some(error.body(request_id)),
        page: None,
    });
    if response.body.is_some() {
        response.set_header("content-type", "application/json; charset=utf-8");
    }
    response.set_header("x-request-id", request_id);
    response.set_header("intercom-version", VERSION);
    if let Some(rate) = rate {
        response.set_header("x-ratelimit-limit", rate.limit.to_string());
        response.set_header("x-ratelimit-remaining", rate.remaining.to_string());
        response.set_header("x-ratelimit-reset", rate.reset.to_string());
    }
    response
}

fn me(settings: &Settings) -> Value {
    json!({
        "type": "admin",
        "id": "991267459",
        "email": "admin@simulator.example",
        "name": "Simulator Admin",
        "email_verified": true,
        "app": {
            "type": "app",
            "id_code": WORKSPACE_ID,
            "name": "Intercom simulator",
            "created_at": 1_734_537_243,
            "secure": settings.identity_verification,
            "identity_verification": settings.identity_verification,
            "timezone": "Etc/UTC",
            "region": settings.region,
        },
        "avatar": {"type": "avatar", "image_url": null},
        "has_inbox_seat": true,
    })
}
