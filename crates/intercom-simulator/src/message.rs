//! Requests and answers without HTTP's machinery, so that the state transitions stay plain
//! functions.

use percent_encoding::percent_decode_str;
use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    pub(crate) method: String,
    /// As sent: still percent-encoded.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl ApiRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The body for the log: JSON, else text, else null.
    pub(crate) fn body_for_log(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&self.body).into_owned()))
    }
}

/// The segments of a path, each decoded after the split, so that an encoded slash stays part of
/// its segment.
pub(crate) fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect()
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiResponse {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
    /// Sent in place of `body`.
    pub(crate) page: Option<String>,
}

impl ApiResponse {
    pub(crate) fn ok(body: Value) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Some(body),
            page: None,
        }
    }

    /// 202 with an empty body, as `POST /events` answers.
    pub(crate) fn accepted() -> Self {
        Self {
            status: 202,
            headers: Vec::new(),
            body: None,
            page: None,
        }
    }

    /// Sets a header, replacing an earlier one of that name.
    pub(crate) fn set_header(&mut self, name: &str, value: impl Into<String>) {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(key, _)| *key != name);
        self.headers.push((name, value.into()));
    }
}
