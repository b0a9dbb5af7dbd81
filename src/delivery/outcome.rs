//! What became of an event.

use std::borrow::Cow;
use std::time::Duration;

use crate::intercom::{CallError, Refusal, RetryLater};

/// Delivered, or why not.
pub type Outcome = Result<(), Undelivered>;

/// Why an event wasn't delivered, named by what is done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// There was nothing to do.
    Skipped(Cow<'static, str>),
    /// It can never be delivered.
    Rejected(Failure),
    /// It is to be tried again, not before `after` from now.
    Retry {
        /// Why.
        failure: Failure,
        /// Earliest time of the next try, where Intercom named one.
        after: Option<Duration>,
    },
    /// Intercom doesn't know its user yet.
    Waiting {
        /// What Intercom said.
        failure: Failure,
        /// What becomes of the event when the wait is over.
        otherwise: Otherwise,
    },
    /// An earlier event of its user has to be tried again first.
    NotTried,
}

/// What becomes of an event whose user never came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is rejected.
    Rejected,
    /// There was nothing to do.
    Skipped(Cow<'static, str>),
    /// It counts as delivered.
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

impl Failure {
    /// A failure with no answer of Intercom behind it.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            ..Self::default()
        }
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        Self {
            reason: refusal.to_string(),
            status: Some(refusal.status),
            request_id: refusal.request_id.clone(),
        }
    }
}

impl Undelivered {
    /// Rejected, for a reason that Intercom's answer doesn't give.
    pub(super) fn rejected(reason: impl Into<String>) -> Self {
        Self::Rejected(Failure::new(reason))
    }
}

impl From<RetryLater> for Undelivered {
    fn from(later: RetryLater) -> Self {
        Self::Retry {
            failure: Failure {
                reason: later.reason,
                status: later.status,
                request_id: later.request_id,
            },
            after: later.after,
        }
    }
}

/// What a refusal means when the call has no better use for it.
impl From<CallError> for Undelivered {
    fn from(error: CallError) -> Self {
        match error {
            CallError::RetryLater(later) => later.into(),
            CallError::Refused(refusal) => Self::Rejected((&*refusal).into()),
        }
    }
}
