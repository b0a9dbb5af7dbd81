//! An answer of Intercom: a success, a reason to try again later, or an error for the call to
//! interpret.

use std::fmt::Display;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, LINK};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};

use super::{Call, CallError, ErrorResponse, RetryLater, RetryReason, Verdict};
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
    /// The answer, if it is a success and Intercom's.
    pub(super) fn check(self, call: &Call<'_>) -> Result<Self, CallError> {
        if self.status.is_success() {
            return self.check_success(call);
        }
        let link = self.headers.get(LINK);
        let link = link.and_then(|link| link.to_str().ok());
        let error = ErrorResponse::read(self.status.as_u16(), &self.body, link);
        let reason = match error.verdict() {
            Verdict::RetryLater(reason) if !(call.is_helper && reason.is_refusal()) => reason,
            _ => return Err(CallError::Refused(Box::new(error))),
        };
        // template.yaml's alarm counts these lines.
        if reason.needs_a_person() {
            tracing::error!(target: COUNTED, alarm = "account_refused", %error, "Intercom refuses this account");
        }
        Err(CallError::RetryLater(RetryLater {
            reason: if reason == RetryReason::Permission {
                format!("{reason}, probably {:?}: {error}", call.permission)
            } else {
                format!("{reason}: {error}")
            },
            status: Some(error.status),
            after: self.asked_wait,
            request_id: error.request_id,
            is_untried: reason == RetryReason::RateLimit,
        }))
    }

    /// A proxy's page or an error list with status 200 has changed nothing in Intercom.
    fn check_success(self, call: &Call<'_>) -> Result<Self, CallError> {
        if self.body.is_empty() && call.may_answer_nothing {
            return Ok(self);
        }
        let object: AnyObject = self.read()?;
        if object.errors.is_none() {
            return Ok(self);
        }
        let error = ErrorResponse::read(self.status.as_u16(), &self.body, None);
        Err(self.unreadable(&error))
    }

    /// The body of the answer.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, why: &dyn Display) -> CallError {
        CallError::RetryLater(RetryLater {
            status: Some(self.status.as_u16()),
            ..RetryLater::failed(format!("Intercom's answer could not be read: {why}"))
        })
    }
}

/// The shape of every answer of Intercom except the empty one to an event.
#[derive(Deserialize)]
struct AnyObject {
    errors: Option<IgnoredAny>,
}

/// An optional field of an answer: `None` when it is missing or of another type.
pub(super) fn if_readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}
