//! What became of an event.

use std::borrow::Cow;
use std::time::Duration;

use crate::intercom::{CallError, ErrorResponse, RetryLater};
use crate::status::Status;

/// Delivered, with a line for each part that Intercom didn't take, or why it wasn't.
pub type Outcome = Result<Vec<String>, Undelivered>;

/// What became of an event, and what that took.
#[derive(Debug)]
pub struct Tried {
    /// What became of it.
    pub outcome: Outcome,
    /// Calls of Intercom made for it. Those for several events merged into one count for the last
    /// of them, looking up many users at once for none.
    pub calls: u32,
}

/// Why an event wasn't delivered, named by what happens to it next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// There was nothing to do.
    Skipped(Cow<'static, str>),
    /// It can never be delivered.
    Rejected(Failure),
    /// It is to be tried again, no earlier than `after` from now.
    Retry {
        /// Why.
        failure: Failure,
        /// How long to wait at least, where Intercom says so.
        after: Option<Duration>,
    },
    /// The rate limit is used up: no call has failed.
    RateLimited {
        /// Why.
        failure: Failure,
        /// Until the next window, where that is known.
        after: Option<Duration>,
    },
    /// Intercom doesn't know its user yet, or its search doesn't show the contact yet.
    Waiting {
        /// Why.
        failure: Failure,
        /// What becomes of it when the wait is over.
        otherwise: Otherwise,
    },
    /// An earlier event of its user has to be tried again first.
    NotTried,
}

/// What becomes of an event that has waited long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is rejected.
    Rejected,
    /// There was nothing to do.
    Skipped(Cow<'static, str>),
    /// Nothing had to be done: the contact to delete doesn't exist.
    Delivered,
}

/// What Intercom said, for the dead-letter queue and the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// A line for a person.
    pub reason: String,
    /// HTTP status of Intercom's answer, if there was one.
    pub status: Option<u16>,
    /// Intercom's id of the request, if there was an answer.
    pub request_id: Option<String>,
}

impl Otherwise {
    /// The status that the event then has.
    pub fn status(&self) -> Status {
        match self {
            Self::Rejected => Status::Rejected,
            Self::Skipped(_) => Status::Skipped,
            Self::Delivered => Status::Delivered,
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

    /// This answer, explained further than Intercom's text does.
    pub(super) fn of(error: &ErrorResponse, reason: &str) -> Self {
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

impl Undelivered {
    /// Rejected, for a reason that Intercom's answer doesn't give.
    pub(super) fn rejected(reason: impl Into<String>) -> Self {
        Self::Rejected(Failure::new(reason))
    }

    /// To be tried again, for this reason.
    pub(super) fn retry(failure: impl Into<Failure>) -> Self {
        Self::Retry {
            failure: failure.into(),
            after: None,
        }
    }
}

impl From<RetryLater> for Undelivered {
    fn from(later: RetryLater) -> Self {
        let RetryLater {
            is_rate_limit,
            after,
            ..
        } = later;
        let failure = Failure {
            reason: later.reason,
            status: later.status,
            request_id: later.request_id,
        };
        if is_rate_limit {
            Self::RateLimited { failure, after }
        } else {
            Self::Retry { failure, after }
        }
    }
}

/// What an error means unless the call handles it.
impl From<CallError> for Undelivered {
    fn from(error: CallError) -> Self {
        match error {
            CallError::RetryLater(later) => later.into(),
            CallError::Refused(error) => Self::Rejected((&*error).into()),
        }
    }
}

/// Why the actions of an event stop.
#[derive(Debug)]
pub(super) enum Stop {
    /// The event isn't delivered.
    Undelivered(Undelivered),
    /// A contact or company in the cache no longer exists. It has been removed from the cache, so
    /// repeating the actions finds or creates it.
    Gone(Failure),
}

impl From<Undelivered> for Stop {
    fn from(why: Undelivered) -> Self {
        Self::Undelivered(why)
    }
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Undelivered(error.into())
    }
}
