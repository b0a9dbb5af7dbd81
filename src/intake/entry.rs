//! The events of a request, before and after.

use std::borrow::Cow;
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::queue::{BROWSER_CHANNEL, CHANNEL_ATTRIBUTE, Message, Source};
use crate::segment::Event;

/// One event of a request, as far as it could be read.
#[derive(Debug)]
pub struct Entry<'b> {
    /// The event; None when it is none.
    pub event: Option<Event<'b>>,
    /// Its JSON as it was sent.
    pub raw: &'b RawValue,
    /// Why it isn't taken, known at the door.
    pub refusal: Option<Cow<'static, str>>,
}

impl<'b> Entry<'b> {
    /// Reads one event. What is none comes with the reason.
    pub fn parse(raw: &'b RawValue) -> Self {
        let parsed = serde_json::from_str(raw.get())
            .map_err(|error| format!("the event can't be read: {error}"))
            .and_then(|value| Event::new(value).map_err(|error| error.to_string()));
        let (event, refusal) = match parsed {
            Ok(event) => (Some(event), None),
            Err(refusal) => (None, Some(refusal.into())),
        };
        Self {
            event,
            raw,
            refusal,
        }
    }

    pub(super) fn message(&self, request: &Request<'_>) -> Message {
        let message = match &self.event {
            Some(event) => Message::new(request.source, request.received_at, event),
            None => Message::of_non_event(request.source, request.received_at, self.raw),
        };
        if request.has_origin {
            message.with_attribute(CHANNEL_ATTRIBUTE, BROWSER_CHANNEL)
        } else {
            message
        }
    }

    pub(super) fn message_id(&self) -> Option<&str> {
        self.event.as_ref()?.message_id()
    }

    pub(super) fn type_name(&self) -> Option<&str> {
        self.event.as_ref()?.type_name()
    }
}

/// What all events of a request share.
#[derive(Clone, Copy, Debug)]
pub struct Request<'i> {
    /// How they came in.
    pub source: Source,
    /// When they came in.
    pub received_at: DateTime<Utc>,
    /// Whether they came with an `Origin` header.
    pub has_origin: bool,
    /// The invocation that brought them.
    pub invocation: Invocation<'i>,
    /// By when what isn't delivered must be in a queue.
    pub store_until: Instant,
}

/// One invocation of the function.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'i> {
    /// Lambda's request id, which stands in its log.
    pub id: &'i str,
    /// When the function began to handle it: the time limits count from here.
    pub started: Instant,
    /// When Lambda ends it.
    pub ends: Instant,
}

/// What became of an event, as senders of webhooks and direct callers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventResult {
    /// Its messageId.
    #[serde(rename = "messageId")]
    pub message_id: Option<String>,
    /// Its type as sent.
    #[serde(rename = "type")]
    pub type_name: Option<String>,
    /// What became of it.
    pub status: Status,
    /// Why, unless it was delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Intercom has it.
    Delivered,
    /// It is in the retry queue.
    Queued,
    /// There was nothing to send.
    Skipped,
    /// It is in the dead-letter queue.
    Rejected,
    /// Neither delivered nor queued: the sender has to keep it.
    Lost,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Queued => "queued",
            Self::Skipped => "skipped",
            Self::Rejected => "rejected",
            Self::Lost => "lost",
        }
    }
}
