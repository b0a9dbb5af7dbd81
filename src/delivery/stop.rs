//! Why the actions of an event stop.

use crate::failure::Failure;
use crate::in_progress::Undelivered;
use crate::intercom::CallError;

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
