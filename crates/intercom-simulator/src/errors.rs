//! Intercom's error answers.

use serde_json::{Value, json};

/// An error as Intercom answers it: a status, one entry of an `error.list`, perhaps a `Link`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    code: String,
    message: String,
    field: Option<String>,
    /// Value of the `Link` header (410 `contact_merged`).
    pub(crate) link: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            field: None,
            link: None,
        }
    }

    pub(crate) fn parameter_invalid(message: impl Into<String>) -> Self {
        Self::new(400, "parameter_invalid", message)
    }

    pub(crate) fn parameter_not_found(message: impl Into<String>) -> Self {
        Self::new(400, "parameter_not_found", message)
    }

    pub(crate) fn contact_not_found() -> Self {
        Self::new(404, "not_found", "User Not Found")
    }

    pub(crate) fn company_not_found() -> Self {
        Self::new(404, "company_not_found", "Company Not Found")
    }

    pub(crate) fn contact_merged(into: &str) -> Self {
        Self {
            link: Some(format!("</contacts/{into}>; rel=\"canonical\"")),
            ..Self::new(
                410,
                "contact_merged",
                "This contact has been merged. See the 'Link' header for the canonical contact.",
            )
        }
    }

    pub(crate) fn with_field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    pub(crate) fn body(&self, request_id: &str) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(field) = &self.field {
            error["field"] = json!(field);
        }
        json!({"type": "error.list", "request_id": request_id, "errors": [error]})
    }
}
