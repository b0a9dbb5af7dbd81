//! What a caller gets back.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::BodyError;

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

    /// What SDKs expect of a call that was taken.
    pub fn success() -> Self {
        Self::ok(json!({"success": true}))
    }

    /// What a preflight gets: nothing but headers.
    pub fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            retry_after_seconds: None,
        }
    }

    /// An error. SDKs read `code`, `message` or `error`, so it has all three. A 503 says when
    /// to try again.
    pub fn error(status: StatusCode, code: &str, message: &str) -> Self {
        let is_temporary = status == StatusCode::SERVICE_UNAVAILABLE;
        Self {
            status,
            body: Some(json!({"code": code, "message": message, "error": message})),
            retry_after_seconds: is_temporary.then_some(RETRY_AFTER_SECONDS),
        }
    }

    /// With a further field in the body.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        if let Some(Value::Object(body)) = &mut self.body {
            body.insert(field.to_owned(), value);
        }
        self
    }

    /// Whether it is larger than Lambda can answer with.
    pub fn is_too_large(&self) -> bool {
        let body = self.body.as_ref().map(Value::to_string);
        // Inside of the payload, the body is a JSON string.
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

/// Why a caller isn't let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The write key is missing or wrong.
    WriteKey,
    /// The webhook's signature is missing or wrong.
    Signature,
    /// The secret lacks the key of this entry point, which has this name there.
    NotConfigured(&'static str),
}

/// 401, or 503 for an entry point whose key the secret lacks, so that senders keep their events;
/// logs which one it is.
impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        let unauthorized = |message| Self::error(StatusCode::UNAUTHORIZED, "unauthorized", message);
        match refused {
            Refused::WriteKey => unauthorized(
                "the write key is missing or wrong: send one of the secret's write_keys",
            ),
            Refused::Signature => unauthorized(
                "X-Signature is missing or wrong: it must be the hex HMAC-SHA1 of the body with \
                 the webhook_secret",
            ),
            Refused::NotConfigured(key) => {
                tracing::error!(key, "not configured: the secret lacks this key");
                let message =
                    format!("this entry point is not configured: the secret has no {key}");
                Self::error(StatusCode::SERVICE_UNAVAILABLE, "not_configured", &message)
            }
        }
    }
}

/// 400: what is wrong with the body.
impl From<&BodyError> for Answer {
    fn from(broken: &BodyError) -> Self {
        Self::error(StatusCode::BAD_REQUEST, broken.code(), &broken.to_string())
    }
}

impl From<BodyError> for Answer {
    fn from(broken: BodyError) -> Self {
        (&broken).into()
    }
}
