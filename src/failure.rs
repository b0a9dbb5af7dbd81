//! Why an event could not be delivered: for the log, for answers and for the dead-letter queue.

use crate::intercom::{ErrorResponse, RetryLater};

/// Why an event could not be delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// A line for a person.
    pub reason: String,
    /// HTTP status of Intercom's answer, if there was one.
    pub status: Option<u16>,
    /// Intercom's id of the request, if there was an answer.
    pub request_id: Option<String>,
}

/// Why an event can never be delivered, for a machine: the attribute `code` of a dead letter.
/// Programs decide by it, never by the reason's wording. Each: `docs/operations.md#dead-letters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It is no event, or lacks what an event of its kind needs.
    InvalidEvent,
    /// It is larger than an event may be, or than a queue takes.
    TooLarge,
    /// Its sender may not do that.
    NotAllowed,
    /// Intercom refuses it.
    IntercomRefused,
    /// It was tried until it was too old.
    GaveUp,
    /// Intercom didn't know its user, for as long as it was to wait.
    UnknownUser,
    /// A message of the retry queue that this function didn't write.
    UnreadableMessage,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 7] = [
        Self::InvalidEvent,
        Self::TooLarge,
        Self::NotAllowed,
        Self::IntercomRefused,
        Self::GaveUp,
        Self::UnknownUser,
        Self::UnreadableMessage,
    ];

    /// Its text in the attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidEvent => "invalid_event",
            Self::TooLarge => "too_large",
            Self::NotAllowed => "not_allowed",
            Self::IntercomRefused => "intercom_refused",
            Self::GaveUp => "gave_up",
            Self::UnknownUser => "unknown_user",
            Self::UnreadableMessage => "unreadable_message",
        }
    }
}

impl Failure {
    /// A failure without an answer from Intercom.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// This answer, with a reason that explains more than Intercom's text.
    pub(crate) fn of(error: &ErrorResponse, reason: &str) -> Self {
        Self {
            reason: format!("{reason} ({error})"),
            ..error.into()
        }
    }
}

impl From<&ErrorResponse> for Failure {
    fn from(error: &ErrorResponse) -> Self {
        Self {
            reason: error.to_string(),
            status: Some(error.status),
            request_id: error.request_id.clone(),
        }
    }
}

impl From<RetryLater> for Failure {
    fn from(later: RetryLater) -> Self {
        Self {
            reason: later.reason,
            status: later.status,
            request_id: later.request_id,
        }
    }
}
