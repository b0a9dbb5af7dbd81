//! Why an event wasn't delivered, as its delivery found it.

use std::borrow::Cow;
use std::time::Duration;

use crate::failure::{Code, Failure};
use crate::intercom::{CallError, RetryLater};
use crate::status::Status;

/// Why an event wasn't delivered, named by what happens to it next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// It can never be delivered.
    Rejected(Code, Failure),
    /// It is to be tried again, no earlier than `after` from now.
    Retry {
        /// Why.
        failure: Failure,
        /// How long to wait at least, where Intercom says so.
        after: Option<Duration>,
    },
    /// It was not tried: the time was up, the rate limit used up, or Intercom silent a moment ago.
    Untried {
        /// Why.
        failure: Failure,
        /// Until a try makes sense, where that is known.
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

impl Undelivered {
    /// Refused by Intercom, with a failure that explains its answer.
    pub(crate) fn refused(failure: impl Into<Failure>) -> Self {
        Self::Rejected(Code::IntercomRefused, failure.into())
    }

    /// To be tried again, for this reason.
    pub(crate) fn retry(failure: impl Into<Failure>) -> Self {
        Self::Retry {
            failure: failure.into(),
            after: None,
        }
    }

    /// Whether the user's later events must not be tried after this.
    pub(crate) fn holds_back(&self) -> bool {
        match self {
            Self::Retry { .. } | Self::Untried { .. } | Self::NotTried => true,
            Self::Rejected(..) | Self::Waiting { .. } => false,
        }
    }
}

impl From<RetryLater> for Undelivered {
    fn from(later: RetryLater) -> Self {
        let (is_untried, after) = (later.is_untried, later.after);
        let failure = later.into();
        if is_untried {
            Self::Untried { failure, after }
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
            CallError::Refused(error) => Self::refused(&*error),
        }
    }
}
