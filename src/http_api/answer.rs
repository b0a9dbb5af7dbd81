//! The answers to HTTP requests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::request::ENDPOINT_HEADERS;
use super::{ApiError, HttpRequest};
use crate::browser::File;
use crate::status::EventResult;

/// An HTTP answer. Serialised by [`Answer::into_payload`] as API Gateway and Function URLs want
/// it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    body: Body,
    /// Headers other than CORS and Content-Type.
    headers: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Body {
    None,
    Json(Value),
    Script(&'static str),
    /// Gzipped.
    PackedScript(&'static [u8]),
}

/// For how long an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Five minutes, so that a setting that is changed reaches every page soon.
    Minutes,
    /// A year, which is for ever: under this path it never changes.
    ForEver,
}

/// After an answer of 503, senders wait this long.
const RETRY_AFTER_SECONDS: u32 = 10;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Most bytes of an answer. Lambda takes 6 MB, headers included.
pub const MAX_ANSWER_BYTES: usize = 6_000_000;

impl Answer {
    /// 200 with this JSON.
    pub fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Body::Json(body),
            headers: Vec::new(),
        }
    }

    /// 200 with this JSON, which depends on where the request came in, or 304 to a request that
    /// has it already.
    pub fn cached_json(body: Value, request: &HttpRequest) -> Self {
        let digest = hex::encode(&Sha256::digest(body.to_string())[..16]);
        let mut answer = Self::ok(body).cached(weak_tag(&digest), Kept::Minutes, request);
        let vary = format!("Origin, {}", ENDPOINT_HEADERS.join(", "));
        answer.headers.push(("Vary", vary));
        answer
    }

    /// 200 with this JavaScript, gzipped for clients that accept it, or 304 to a request that has
    /// it already.
    pub fn script(file: &'static File, kept: Kept, request: &HttpRequest) -> Self {
        let accepted = request.header(header::ACCEPT_ENCODING.as_str());
        let mut answer = Self::no_content();
        answer.status = StatusCode::OK;
        answer.body = Body::Script(file.text);
        if accepted.is_some_and(|accepted| accepted.contains("gzip")) {
            answer.body = Body::PackedScript(file.packed());
            answer.headers.push(("Content-Encoding", "gzip".to_owned()));
        }
        let mut answer = answer.cached(weak_tag(file.version()), kept, request);
        let vary = ("Vary", "Origin, Accept-Encoding".to_owned());
        answer.headers.push(vary);
        answer
    }

    /// 302 to another address.
    pub fn redirect(url: String) -> Self {
        let mut answer = Self::no_content();
        answer.status = StatusCode::FOUND;
        answer.headers.push(("Location", url));
        answer
    }

    fn cached(mut self, tag: String, kept: Kept, request: &HttpRequest) -> Self {
        let known = request.header(header::IF_NONE_MATCH.as_str());
        if known.is_some_and(|known| known.contains(tag.trim_start_matches("W/")) || known == "*") {
            self.status = StatusCode::NOT_MODIFIED;
            self.body = Body::None;
            self.headers.clear();
        }
        let control = match kept {
            Kept::Minutes => "public, max-age=300",
            Kept::ForEver => "public, max-age=31536000, immutable",
        };
        self.headers.push(("Cache-Control", control.to_owned()));
        self.headers.push(("ETag", tag));
        self
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
            body: Body::None,
            headers: Vec::new(),
        }
    }

    /// Whether it is larger than Lambda can answer with.
    pub fn is_too_large(&self) -> bool {
        let Body::Json(body) = &self.body else {
            return false;
        };
        // In the payload, the body is a JSON string.
        json!(body.to_string()).to_string().len() > MAX_ANSWER_BYTES
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
        let (body, is_base64, content_type) = match self.body {
            Body::None => (String::new(), false, None),
            Body::Json(body) => (body.to_string(), false, Some("application/json")),
            Body::Script(text) => (text.to_owned(), false, Some(JAVASCRIPT)),
            Body::PackedScript(bytes) => (STANDARD.encode(bytes), true, Some(JAVASCRIPT)),
        };
        if let Some(content_type) = content_type {
            header("Content-Type", content_type.to_owned());
        }
        for (name, value) in self.headers {
            header(name, value);
        }
        json!({
            "statusCode": self.status.as_u16(),
            "headers": headers,
            "body": body,
            "isBase64Encoded": is_base64,
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
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE)
            .then(|| ("Retry-After", RETRY_AFTER_SECONDS.to_string()));
        Self {
            status,
            body: Body::Json(body),
            headers: retry_after.into_iter().collect(),
        }
    }
}

/// A weak ETag, since it stands for both the gzipped and the plain text.
fn weak_tag(version: &str) -> String {
    format!("W/\"{version}\"")
}
