//! From a mapped event to its delivery job.

use chrono::{DateTime, Utc};

use crate::delivery::Job;
use crate::mapping::{Action, Rights};
use crate::segment::{Event, Kind};

/// Why an event wasn't even tried.
pub(crate) const NOT_TRIED: &str = "an earlier event of its user has to be delivered first";

/// A job for an event's actions. `received_at` is when the event was first received.
pub(crate) fn job<'e>(
    event: &'e Event<'_>,
    actions: Vec<Action<'e>>,
    received_at: DateTime<Utc>,
    rights: Rights,
) -> Job<'e> {
    let own_user = || event.message_id().unwrap_or_default().into();
    Job {
        user: event.user().unwrap_or_else(own_user),
        is_identify: event.type_name() == Some(Kind::Identify.as_str()),
        received_at: received_at.timestamp(),
        actions,
        rights,
    }
}
