//! The answers to HTTP requests.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::ApiError;
use crate::status::EventResult;

/// An HTTP answer. Serialised by [`Answer::into_payload`] as API Gateway and Function URLs want
/// it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    body: Option<Value>,
    retry_after_seconds: Option<u32>,
}

/// After an answer of 503, senders wait this long.
const RETRY_AFTER_SECONDS: u32 = 10;

/// Most bytes of an answer. Lambda takes 6 MB, headers included.
pub const MAX_ANSWER_BYTES: usize = 6_000_000;

impl Answer {
    /// 200 with this JSON.
    pub fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(body),
            retry_after_seconds: None,
        }
    }

    /// The answer that SDKs expect for a call that was accepted.
    pub fn success() -> Self {
        Self::ok(json!({"success": true}))
    }

    /// The same with the results of each event, which a webhook's answer shows.
    pub fn success_with(results: &[EventResult]) -> Self {
        Self::ok(json!({"success": true, "results": results}))
    }

    /// The answer to a preflight: headers only.
    pub fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            retry_after_seconds: None,
        }
    }

    /// Whether it is larger than Lambda can answer with.
    pub fn is_too_large(&self) -> bool {
        let body = self.body.as_ref().map(Value::to_string);
        // In the payload the body is a JSON string.
        json!(body).to_string().len() > MAX_ANSWER_BYTES
    }

    /// The payload that API Gateway (both kinds) and Function URLs take as an answer, with the
    /// CORS headers for a request from `origin`.
    pub fn into_payload(self, origin: Option<&str>) -> Value {
        let mut headers = Map::new();
        let mut header = |name: &str, value: String| headers.insert(name.to_owned(), value.into());
        header(
            "Access-Control-Allow-Origin",
            origin.unwrap_or("*").to_owned(),
        );
        header(
            "Access-Control-Allow-Methods",
            "GET, POST, OPTIONS".to_owned(),
        );
        header(
            "Access-Control-Allow-Headers",
            "Authorization, Content-Type, X-Retry-Count".to_owned(),
        );
        header(
            "Access-Control-Expose-Headers",
            "Retry-After, X-RateLimit-Reset".to_owned(),
        );
        header("Access-Control-Max-Age", "86400".to_owned());
        header("Vary", "Origin".to_owned());
        if let Some(seconds) = self.retry_after_seconds {
            header("Retry-After", seconds.to_string());
        }
        if self.body.is_some() {
            header("Content-Type", "application/json".to_owned());
        }
        json!({
            "statusCode": self.status.as_u16(),
            "headers": headers,
            "body": self.body.map_or_else(String::new, |body| body.to_string()),
            "isBase64Encoded": false,
        })
    }
}

/// An error's answer. SDKs read `code`, `message` or `error`, so it has all three. A 503 says when
/// to try again.
impl From<&ApiError> for Answer {
    fn from(error: &ApiError) -> Self {
        let (status, message) = (error.status(), error.to_string());
        let mut body = json!({"code": error.code(), "message": message, "error": message});
        if let ApiError::Rejected(results) = error {
            body["results"] = json!(results);
        }
        let is_temporary = status == StatusCode::SERVICE_UNAVAILABLE;
        Self {
            status,
            body: Some(body),
            retry_after_seconds: is_temporary.then_some(RETRY_AFTER_SECONDS),
        }
    }
}
