//! One message that SQS handed over.

use std::borrow::Cow;
use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use chrono::{DateTime, Utc};
use tracing::Level;

use super::fate::Fate;
use crate::event_line::EventLine;
use crate::invocation::{Invocation, millis};
use crate::mapping::Arrival;
use crate::queue::{
    Message, NOT_BEFORE_ATTRIBUTE, Received, WAITING_SINCE_ATTRIBUTE, read_body, sender,
};
use crate::retry::Schedule;
use crate::segment::{Event, IgnoredUserIds};

/// One message of the batch.
pub(super) struct Record<'r> {
    pub(super) sqs: &'r SqsMessage,
    pub(super) received: Result<Received<'r>, String>,
    /// What is done with each of its events; one for a message that can't be read.
    pub(super) fates: Vec<Fate>,
    /// Calls of Intercom made for each of its events that were tried.
    pub(super) calls: Vec<u32>,
}

impl<'r> Record<'r> {
    pub(super) fn read(sqs: &'r SqsMessage, ignored: &IgnoredUserIds) -> Self {
        let mut received = read_body(sqs.body.as_deref().unwrap_or_default());
        if let Ok(received) = &mut received {
            for event in &mut received.events {
                event.ignore_user_id(ignored);
            }
        }
        Self {
            sqs,
            received,
            fates: Vec::new(),
            calls: Vec::new(),
        }
    }

    pub(super) fn arrival(&self, received: &Received<'_>) -> Arrival {
        Arrival {
            received_at_millis: received.received_at.timestamp_millis(),
            source: received.source,
            sender: sender(received.source, |name| self.attribute(name)),
        }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        let attribute = self.sqs.message_attributes.get(name)?;
        attribute.string_value.as_deref()
    }

    fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        let time = DateTime::parse_from_rfc3339(self.attribute(name)?).ok()?;
        Some(time.to_utc())
    }

    /// The same fate for each of its events.
    pub(super) fn each(&self, fate: impl Fn() -> Fate) -> Vec<Fate> {
        let events = self.events().len().max(1);
        (0..events).map(|_| fate()).collect()
    }

    fn events(&self) -> &[Event<'r>] {
        self.received
            .as_ref()
            .map_or(&[], |received| &*received.events)
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
        // From the second receive on, the visibility timeout has already delayed it.
        let not_before = self.time(NOT_BEFORE_ATTRIBUTE);
        let not_before = not_before.filter(|_| self.attempt() == 1)?;
        (not_before - now).to_std().ok()
    }

    /// Since when its events have been waiting for their user, apart from the user's others.
    pub(super) fn waiting_since(&self) -> Option<DateTime<Utc>> {
        self.time(WAITING_SINCE_ATTRIBUTE)
    }

    /// Time since its events were first received.
    pub(super) fn age(&self, now: DateTime<Utc>) -> Duration {
        let received = self.received.as_ref().ok();
        let age = received.map(|received| now - received.received_at);
        age.and_then(|age| age.to_std().ok()).unwrap_or_default()
    }

    /// The shortest delay that keeps SQS from moving the message away before its time is up.
    pub(super) fn least_delay(&self, now: DateTime<Utc>, schedule: &Schedule) -> Duration {
        let left = match self.waiting_since() {
            Some(since) => {
                let waited = (now - since).to_std().unwrap_or_default();
                schedule.unknown_user.saturating_sub(waited)
            }
            None => schedule.give_up_after.saturating_sub(self.age(now)),
        };
        Schedule::least_delay(self.attempt(), left)
    }

    pub(super) fn stays(&self) -> bool {
        self.fates.iter().any(Fate::stays)
    }

    /// How long those of its events that stay have to wait.
    pub(super) fn delays(&self) -> impl Iterator<Item = Duration> {
        self.fates.iter().filter_map(|fate| match fate {
            Fate::Stays(_, delay) => *delay,
            Fate::Waits(_, delay, _) => Some(*delay),
            _ => None,
        })
    }

    /// The event in this place as a message to send.
    pub(super) fn message(&self, place: usize) -> Message {
        let (Ok(received), Some(event)) = (&self.received, self.events().get(place)) else {
            return Message::unreadable(self.sqs.body.clone().unwrap_or_default());
        };
        let message = Message::new(received.source, received.received_at, event);
        message.with_sender(received.source, self.arrival(received).sender)
    }

    pub(super) fn first_message_id(&self) -> Option<&str> {
        self.events().first().and_then(Event::message_id)
    }

    /// One line per event: what became of it. None while its first retry isn't due: nothing was
    /// tried, and its last line says what it waits for.
    pub(super) fn log(
        &self,
        delay: Option<Duration>,
        schedule: &Schedule,
        invocation: Invocation<'_>,
    ) {
        if self.not_due_for(invocation.now).is_some() {
            return;
        }
        let latency = self.age(invocation.now) + invocation.started.elapsed();
        for (place, fate) in self.fates.iter().enumerate() {
            let delay = delay.filter(|_| fate.stays());
            let waiting = match fate {
                Fate::Parked(_, then) => Some((invocation.now, then)),
                Fate::Waits(.., then) => self.waiting_since().map(|since| (since, then)),
                _ => None,
            };
            EventLine {
                message: "queued event",
                level: match fate {
                    Fate::Rejected(_) => Level::WARN,
                    _ => Level::INFO,
                },
                event: self.events().get(place),
                source: self.received.as_ref().ok().map(|received| received.source),
                status: fate.status(),
                reason: fate.reason(),
                failure: fate.failure(),
                latency_ms: millis(latency),
                attempt: Some(self.attempt()),
                delay_seconds: delay.map(|delay| delay.as_secs()),
                calls: self.calls.get(place).copied().unwrap_or_default(),
                waits: waiting.map(|(since, then)| schedule.waits(since, then.status())),
                warnings: fate.warnings(),
            }
            .write(invocation.tally);
        }
    }
}
