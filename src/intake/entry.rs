//! The events of a request, before and after.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::mapping::Sender;
use crate::queue::{Message, Source};
use crate::secret::WriteKey;
use crate::segment::Event;

/// One event of a request, as far as it could be read.
#[derive(Debug)]
pub struct Entry<'b> {
    /// The event; None when it is none.
    pub event: Option<Event<'b>>,
    /// Its JSON as it was sent.
    pub raw: &'b RawValue,
    /// Why it isn't taken, known from reading it.
    pub refusal: Option<Cow<'static, str>>,
    /// Who sent it: whoever may do least, until its key is known.
    pub sender: Sender,
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
            sender: Sender::default(),
        }
    }

    pub(super) fn message(&self, request: &Request<'_>) -> Message {
        let message = match &self.event {
            Some(event) => Message::new(request.source, request.received_at, event),
            None => Message::of_non_event(request.source, request.received_at, self.raw),
        };
        let message = message.with_sender(request.source, self.sender);
        match request.write_key {
            Some(key) if key.is_public => message.among_those_of(&key.fingerprint),
            _ => message,
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
    /// The write key that let them in, None for Segment's own and AWS's ways.
    pub write_key: Option<&'i WriteKey>,
    /// The invocation that brought them.
    pub invocation: Invocation<'i>,
    /// By when what isn't delivered must be in a queue.
    pub store_until: Instant,
}

/// Time from the start of an HTTP request by which its answer is to be ready, queueing included:
/// Segment's webhook gives up after 5 s.
const ANSWER_WITHIN: Duration = Duration::from_millis(4700);

/// Time kept back from Lambda's own limit to answer.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);

impl<'i> Request<'i> {
    /// The request that an invocation brought. HTTP's callers want their answer soon; AWS waits
    /// as long as the function may run.
    pub fn new(
        source: Source,
        write_key: Option<&'i WriteKey>,
        invocation: Invocation<'i>,
    ) -> Self {
        let soon = invocation.started + ANSWER_WITHIN;
        let store_until = match source {
            Source::Api | Source::Webhook => soon,
            Source::EventBridge | Source::Direct => {
                let last = invocation.ends.checked_sub(ANSWER_MARGIN);
                last.map_or(soon, |last| soon.max(last))
            }
        };
        Self {
            source,
            received_at: invocation.now,
            write_key,
            invocation,
            store_until,
        }
    }
}

/// One invocation of the function.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'i> {
    /// Lambda's request id, which stands in its log.
    pub id: &'i str,
    /// When the function began to handle it: the time limits count from here.
    pub started: Instant,
    /// When that was.
    pub now: DateTime<Utc>,
    /// When what is left has to be put away: some seconds before Lambda ends it.
    pub deadline: Instant,
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
