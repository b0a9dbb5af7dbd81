//! A fault: a rule that makes requests fail on demand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::message::ApiRequest;

/// A rule: which requests fail, how, and how often. The first rule that applies is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Which requests; all by default.
    #[serde(rename = "match", default)]
    pub matching: FaultMatch,
    /// What happens to them.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Before or after the change is made.
    #[serde(default)]
    pub when: FaultWhen,
    /// How many requests it is applied to; `None` = until cleared.
    #[serde(default)]
    pub times: Option<u64>,
    /// Share of matching requests that it is applied to, 0 to 1; `None` = all.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Seed of the random numbers behind `probability`.
    #[serde(default)]
    pub seed: u64,
}

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultMatch {
    /// HTTP method, any case.
    pub method: Option<String>,
    /// Start of the path as sent (percent-encoded).
    pub path_prefix: Option<String>,
    /// Text within the raw body.
    pub body_contains: Option<String>,
}

/// What happens to a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// It is answered with this status.
    Status(FaultStatus),
    /// The connection is closed without an answer.
    Reset,
    /// Another client makes the same new company or user a moment before, so that this request
    /// is refused. Applies only to a `POST` of one that isn't there yet.
    Race {
        /// 409 by default; 400 and 404 were seen as well.
        #[serde(default = "conflict")]
        status: u16,
        /// `unique_company_constraint` or `unique_user_constraint` by default; `not_found`,
        /// `company_not_found`, `resource_conflict` and none were seen as well.
        #[serde(default)]
        code: Option<String>,
        /// `Company already exists.` or `User already exists.` by default.
        #[serde(default)]
        message: Option<String>,
    },
    /// It waits this long by the runtime's time, then goes on as usual.
    Hang {
        /// Seconds, fractions allowed.
        seconds: f64,
    },
}

fn conflict() -> u16 {
    409
}

/// The answer of a status fault.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FaultStatus {
    /// HTTP status.
    pub status: u16,
    /// Intercom's error code; by default the usual one of that status.
    #[serde(default)]
    pub code: Option<String>,
    /// Error message.
    #[serde(default)]
    pub message: Option<String>,
    /// The field that the error is about.
    #[serde(default)]
    pub field: Option<String>,
    /// The whole body, in place of an `error.list`: a proxy's page, say.
    #[serde(default)]
    pub page: Option<String>,
    /// Without the `X-RateLimit-*` headers.
    #[serde(default)]
    pub no_rate_limit: bool,
    /// Value of `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
    /// Further headers; they replace the simulator's own.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Whether the request takes effect before it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultWhen {
    /// It fails first: nothing is changed (a hang goes on to change it, unless the client left).
    #[default]
    Before,
    /// The change is made, but its answer is lost.
    After,
}

impl Fault {
    /// Answers with `status` and its usual error code.
    pub fn status(status: u16) -> Self {
        Self::new(FaultKind::Status(FaultStatus {
            status,
            ..FaultStatus::default()
        }))
    }

    /// Closes the connection without an answer.
    pub fn reset() -> Self {
        Self::new(FaultKind::Reset)
    }

    /// Another client makes the same new company or user first; refused with this status.
    pub fn race(status: u16) -> Self {
        Self::new(FaultKind::Race {
            status,
            code: None,
            message: None,
        })
    }

    /// Waits `seconds` of the runtime's time before going on.
    pub fn hang(seconds: f64) -> Self {
        Self::new(FaultKind::Hang { seconds })
    }

    fn new(kind: FaultKind) -> Self {
        Self {
            matching: FaultMatch::default(),
            kind,
            when: FaultWhen::Before,
            times: None,
            probability: None,
            seed: 0,
        }
    }

    /// Only requests with this method and path prefix.
    pub fn on(mut self, method: &str, path_prefix: &str) -> Self {
        self.matching.method = Some(method.to_owned());
        self.matching.path_prefix = Some(path_prefix.to_owned());
        self
    }

    /// Only requests whose raw body contains `text`.
    pub fn body_contains(mut self, text: &str) -> Self {
        self.matching.body_contains = Some(text.to_owned());
        self
    }

    /// The error code of a status fault or a race; nothing on other kinds.
    pub fn code(mut self, text: &str) -> Self {
        match &mut self.kind {
            FaultKind::Status(answer) => answer.code = Some(text.to_owned()),
            FaultKind::Race { code, .. } => *code = Some(text.to_owned()),
            FaultKind::Reset | FaultKind::Hang { .. } => {}
        }
        self
    }

    /// The error message of a status fault or a race; nothing on other kinds.
    pub fn message(mut self, text: &str) -> Self {
        match &mut self.kind {
            FaultKind::Status(answer) => answer.message = Some(text.to_owned()),
            FaultKind::Race { message, .. } => *message = Some(text.to_owned()),
            FaultKind::Reset | FaultKind::Hang { .. } => {}
        }
        self
    }

    /// The field that a status fault names; nothing on other kinds.
    pub fn field(mut self, field: &str) -> Self {
        if let FaultKind::Status(answer) = &mut self.kind {
            answer.field = Some(field.to_owned());
        }
        self
    }

    /// The whole body of a status fault; nothing on other kinds.
    pub fn page(mut self, page: &str) -> Self {
        if let FaultKind::Status(answer) = &mut self.kind {
            answer.page = Some(page.to_owned());
        }
        self
    }

    /// A status fault without `X-RateLimit-*` headers; nothing on other kinds.
    pub fn without_rate_limit_headers(mut self) -> Self {
        if let FaultKind::Status(answer) = &mut self.kind {
            answer.no_rate_limit = true;
        }
        self
    }

    /// The `Retry-After` of a status fault; nothing on other kinds.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        if let FaultKind::Status(answer) = &mut self.kind {
            answer.retry_after = Some(seconds);
        }
        self
    }

    /// A header of a status fault; nothing on other kinds.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let FaultKind::Status(answer) = &mut self.kind {
            answer.headers.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// Fails only after the change was made.
    pub fn after(mut self) -> Self {
        self.when = FaultWhen::After;
        self
    }

    /// At most this often.
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Only a share (0 to 1) of the matching requests, the same ones for the same seed.
    pub fn probability(mut self, probability: f64, seed: u64) -> Self {
        self.probability = Some(probability);
        self.seed = seed;
        self
    }

    /// One line for the log, without the details of the answer.
    pub(crate) fn describe(&self) -> String {
        let kind = match &self.kind {
            FaultKind::Status(answer) => format!("status {}", answer.status),
            FaultKind::Reset => "reset".to_owned(),
            FaultKind::Race { .. } => "race".to_owned(),
            FaultKind::Hang { .. } => "hang".to_owned(),
        };
        match self.when {
            FaultWhen::Before => format!("{kind} before"),
            FaultWhen::After => format!("{kind} after"),
        }
    }

    /// What is wrong with the rule, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.kind {
            FaultKind::Status(answer) => {
                if !(200..=599).contains(&answer.status) {
                    return Err(format!("status {} is not within 200..=599", answer.status));
                }
                for (name, value) in &answer.headers {
                    let valid = hyper::header::HeaderName::from_bytes(name.as_bytes()).is_ok()
                        && hyper::header::HeaderValue::from_str(value).is_ok();
                    if !valid {
                        return Err(format!("header {name:?} is not valid"));
                    }
                }
            }
            FaultKind::Hang { seconds } => {
                if !(0.0..=86_400.0).contains(seconds) {
                    return Err(format!("seconds {seconds} is not within 0..=86400"));
                }
            }
            FaultKind::Race { status, .. } => {
                if !(400..=499).contains(status) {
                    return Err(format!("status {status} is not within 400..=499"));
                }
                if self.when == FaultWhen::After {
                    return Err("a race is lost before the change is made".to_owned());
                }
            }
            FaultKind::Reset => {}
        }
        match self.probability {
            Some(probability) if !(0.0..=1.0).contains(&probability) => {
                Err(format!("probability {probability} is not within 0..=1"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn matches(&self, request: &ApiRequest) -> bool {
        let matching = &self.matching;
        matching
            .method
            .as_ref()
            .is_none_or(|method| method.eq_ignore_ascii_case(&request.method))
            && matching
                .path_prefix
                .as_ref()
                .is_none_or(|prefix| request.path.starts_with(prefix.as_str()))
            && matching
                .body_contains
                .as_ref()
                .is_none_or(|text| String::from_utf8_lossy(&request.body).contains(text.as_str()))
    }
}

/// Intercom's usual error code of a status.
pub(crate) fn usual_code(status: u16) -> &'static str {
    match status {
        400 => "bad_request",
        401 => "unauthorized",
        402 => "api_plan_restricted",
        403 => "forbidden",
        404 => "not_found",
        406 => "media_type_not_acceptable",
        408 | 504 => "request_timeout",
        409 => "conflict",
        422 => "unprocessable_entity",
        429 => "rate_limit_exceeded",
        502 | 503 => "service_unavailable",
        500..=599 => "server_error",
        _ => "client_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_flat() {
        let fault: Fault = serde_json::from_str(
            r#"{"match":{"method":"POST"},"kind":"status","status":429,"retry_after":3,
                "when":"after","times":2}"#,
        )
        .unwrap();
        assert_eq!(fault.describe(), "status 429 after");
        assert_eq!(fault.times, Some(2));
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"explode"}"#).is_err());
        assert!(Fault::status(99).check().is_err());
        assert!(Fault::hang(-1.0).check().is_err());
    }
}
