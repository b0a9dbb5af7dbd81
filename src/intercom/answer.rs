//! An answer of Intercom: a success, a reason to try again later, or an error for the call to
//! interpret.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LINK};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use super::{Call, CallError, ErrorResponse, RetryLater, Trouble, Verdict};
use crate::log::COUNTED;

/// A complete answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// How long an error asks us to wait.
    pub(super) asked_wait: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The answer, if it is a success.
    pub(super) fn check(self, call: &Call<'_>) -> Result<Self, CallError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let link = self.headers.get(LINK);
        let link = link.and_then(|link| link.to_str().ok());
        let error = ErrorResponse::read(self.status.as_u16(), &self.body, link);
        let Verdict::RetryLater(trouble) = error.verdict() else {
            return Err(CallError::Refused(Box::new(error)));
        };
        // template.yaml's alarm counts these lines.
        if trouble.needs_a_person() && !call.is_optional {
            tracing::error!(target: COUNTED, alarm = "account_refused", %error, "Intercom refuses this account");
        }
        Err(CallError::RetryLater(RetryLater {
            reason: if trouble == Trouble::Permission {
                format!("{trouble}, probably {:?}: {error}", call.permission)
            } else {
                format!("{trouble}: {error}")
            },
            status: Some(error.status),
            after: self.asked_wait,
            request_id: error.request_id,
            is_rate_limit: trouble == Trouble::RateLimit,
        }))
    }

    /// The body of the answer.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            CallError::RetryLater(RetryLater {
                reason: format!("Intercom's answer could not be read: {error}"),
                status: Some(self.status.as_u16()),
                request_id: None,
                after: None,
                is_rate_limit: false,
            })
        })
    }

    /// The body of the answer to a write. The write succeeded, whether or not this can be read.
    pub(super) fn read_if_readable<T: DeserializeOwned>(&self) -> Option<T> {
        let read = serde_json::from_slice(&self.body);
        let unreadable = |error: &_| {
            tracing::warn!(%error, "Intercom's answer to a write could not be read");
        };
        read.inspect_err(unreadable).ok()
    }
}

/// An optional field of an answer: `None` when it is missing or of another type.
pub(super) fn if_readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}
