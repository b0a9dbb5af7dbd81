//! One message that SQS handed over.

use std::borrow::Cow;
use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use chrono::{DateTime, Utc};

use super::Fate;
use crate::mapping::Arrival;
use crate::queue::{Envelope, Message, NOT_BEFORE_ATTRIBUTE, read_body, sender};
use crate::segment::{Event, IgnoredUserIds};

/// One message of the batch.
pub(super) struct Record<'r> {
    pub(super) sqs: &'r SqsMessage,
    pub(super) envelope: Result<Envelope<Event<'r>>, String>,
}

impl<'r> Record<'r> {
    pub(super) fn read(sqs: &'r SqsMessage, ignored: &IgnoredUserIds) -> Self {
        let mut envelope = read_body(sqs.body.as_deref().unwrap_or_default());
        if let Ok(envelope) = &mut envelope {
            envelope.event.ignore_user_id(ignored);
        }
        Self { sqs, envelope }
    }

    pub(super) fn arrival(&self, envelope: &Envelope<Event<'_>>) -> Arrival {
        let attribute = |name: &str| {
            let attribute = self.sqs.message_attributes.get(name)?;
            attribute.string_value.as_deref()
        };
        Arrival {
            received_at_millis: envelope.received_at.timestamp_millis(),
            source: envelope.source,
            sender: sender(envelope.source, attribute),
        }
    }

    /// The group whose order SQS keeps.
    pub(super) fn group(&self) -> Cow<'r, str> {
        let group = self.sqs.attributes.get("MessageGroupId");
        let own = || self.sqs.message_id.as_deref().unwrap_or_default();
        Cow::Borrowed(group.map_or_else(own, String::as_str))
    }

    /// How often SQS handed the message out, this time included.
    pub(super) fn attempt(&self) -> u32 {
        let count = self.sqs.attributes.get("ApproximateReceiveCount");
        count.and_then(|count| count.parse().ok()).unwrap_or(1)
    }

    /// How long an event that failed within its request has to wait for its first retry.
    pub(super) fn not_due_for(&self, now: DateTime<Utc>) -> Option<Duration> {
        let not_before = self.sqs.message_attributes.get(NOT_BEFORE_ATTRIBUTE)?;
        let not_before = not_before.string_value.as_deref()?;
        let not_before = DateTime::parse_from_rfc3339(not_before).ok()?;
        // From the second time on, the queue itself has seen to the delay.
        let delay = (not_before.to_utc() - now).to_std().ok();
        delay.filter(|_| self.attempt() == 1)
    }

    pub(super) fn age(&self, now: DateTime<Utc>) -> Duration {
        let received_at = self.envelope.as_ref().map(|envelope| envelope.received_at);
        let age = received_at.map(|received_at| (now - received_at).to_std());
        age.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// The same event as a message to send.
    pub(super) fn message(&self) -> Message {
        let Ok(envelope) = &self.envelope else {
            return Message::unreadable(self.sqs.body.clone().unwrap_or_default());
        };
        let message = Message::new(envelope.source, envelope.received_at, &envelope.event);
        message.with_sender(envelope.source, self.arrival(envelope).sender)
    }

    pub(super) fn log(&self, fate: &Fate) {
        let event = self.envelope.as_ref().ok().map(|envelope| &envelope.event);
        let message_id = event.and_then(Event::message_id);
        let kind = event.and_then(Event::type_name);
        let attempt = self.attempt();
        let delay_seconds = match fate {
            Fate::Hide(_, delay) => Some(delay.as_secs()),
            _ => None,
        };
        let (status, reason) = match fate {
            Fate::Delivered => ("delivered", None),
            Fate::Skipped(reason) => ("skipped", Some(&**reason)),
            Fate::DeadLetter(failure) => ("rejected", Some(&*failure.reason)),
            Fate::EndOfGroup(failure) => ("waiting", Some(&*failure.reason)),
            Fate::Hide(failure, _) => ("queued", Some(&*failure.reason)),
        };
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    message_id,
                    kind,
                    attempt,
                    reason,
                    delay_seconds,
                    status,
                    "queued event"
                )
            };
        }
        if matches!(fate, Fate::DeadLetter(_)) {
            log!(warn);
        } else {
            log!(info);
        }
    }
}
