//! A message that SQS handed over.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use chrono::{DateTime, Utc};

use super::envelope::{Received, read_body};
use super::message::{NOT_BEFORE_ATTRIBUTE, WAITING_SINCE_ATTRIBUTE};
use super::sender_attributes::sender;
use crate::segment::IgnoredUserIds;

/// A message that SQS handed over. Its body is read only when its turn comes, since what is read
/// takes much more memory.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedMessage<'r>(pub &'r SqsMessage);

impl<'r> ReceivedMessage<'r> {
    /// Its body as it is.
    pub fn body(self) -> &'r str {
        self.0.body.as_deref().unwrap_or_default()
    }

    /// Reads its body: its events, with their sender.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub fn read(self, ignored: &IgnoredUserIds) -> Result<Received<'r>, String> {
        let mut received = read_body(self.body(), ignored)?;
        let source = received.source;
        for (place, entry) in received.entries.iter_mut().enumerate() {
            entry.sender = sender(source, place, |name| self.attribute(name));
        }
        Ok(received)
    }

    /// Its id, by which the answer names it.
    pub fn id(self) -> Option<&'r str> {
        self.0.message_id.as_deref()
    }

    /// What SQS wants to see to delay or delete it.
    pub fn receipt_handle(self) -> Option<&'r str> {
        self.0.receipt_handle.as_deref()
    }

    /// The group within which SQS keeps the order.
    pub fn group(self) -> &'r str {
        let group = self.0.attributes.get("MessageGroupId");
        group.map_or_else(|| self.id().unwrap_or_default(), String::as_str)
    }

    /// How often SQS handed it out, this time included.
    pub fn receives(self) -> u32 {
        let count = self.0.attributes.get("ApproximateReceiveCount");
        count.and_then(|count| count.parse().ok()).unwrap_or(1)
    }

    /// How long an event that failed within its request has to wait for its first retry.
    pub fn not_due_for(self, now: DateTime<Utc>) -> Option<Duration> {
        // From the second receive on, the visibility timeout has already delayed it.
        let not_before = self.time(NOT_BEFORE_ATTRIBUTE);
        let not_before = not_before.filter(|_| self.receives() == 1)?;
        (not_before - now).to_std().ok()
    }

    /// Since when its events have been waiting for their user, apart from the user's others.
    pub fn waiting_since(self) -> Option<DateTime<Utc>> {
        self.time(WAITING_SINCE_ATTRIBUTE)
    }

    fn attribute(self, name: &str) -> Option<&'r str> {
        let attribute = self.0.message_attributes.get(name)?;
        attribute.string_value.as_deref()
    }

    fn time(self, name: &str) -> Option<DateTime<Utc>> {
        let time = DateTime::parse_from_rfc3339(self.attribute(name)?).ok()?;
        Some(time.to_utc())
    }
}
