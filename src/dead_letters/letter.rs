//! One message of the dead-letter queue or the failed-invocation queue: its events, and why it is
//! there.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::entry::Parsed;
use crate::http_api::{BodyError, MAX_EVENT_BYTES, MAX_SEGMENT_EVENTS, entries_of_array, proof};
use crate::mapping::{self, Arrival, Budget, NotSent, Sender, map};
use crate::preview::preview_of_event;
use crate::queue::{
    Message, Queue, REASON_ATTRIBUTE, REJECTED_AT_ATTRIBUTE, REQUEST_ID_ATTRIBUTE, Received,
    STATUS_ATTRIBUTE, Stored, read_body, sender,
};
use crate::secret::Secret;
use crate::segment::{Event, IgnoredUserIds};
use crate::source::Source;

/// The reason of a message that SQS itself moved.
const NO_REASON: &str = "moved by SQS after 1,000 receives, without a reason";

/// One message.
pub(super) struct Letter<'s> {
    stored: &'s Stored,
    body: &'s [u8],
    received: Result<Received<'s>, String>,
    reason: Cow<'s, str>,
    status: Option<Cow<'s, str>>,
    request_id: Option<Cow<'s, str>>,
}

impl<'s> Letter<'s> {
    /// Reads a message of this queue; `body` is its body, without lone surrogates.
    pub(super) fn read(
        stored: &'s Stored,
        body: &'s [u8],
        queue: Queue,
        ignored: &IgnoredUserIds,
    ) -> Self {
        let mut letter = match queue {
            Queue::FailedInvocations => Self::of_invocation(stored, body),
            Queue::DeadLetter | Queue::Retry => Self {
                stored,
                body,
                received: read_body(std::str::from_utf8(body).unwrap_or_default()),
                reason: stored
                    .attribute(REASON_ATTRIBUTE)
                    .unwrap_or(NO_REASON)
                    .into(),
                status: stored.attribute(STATUS_ATTRIBUTE).map(Cow::Borrowed),
                request_id: stored.attribute(REQUEST_ID_ATTRIBUTE).map(Cow::Borrowed),
            },
        };
        if let Ok(received) = &mut letter.received {
            for event in &mut received.events {
                event.ignore_user_id(ignored);
            }
        }
        letter
    }

    /// As Lambda's on-failure destination sends it, or the event itself, as EventBridge does.
    fn of_invocation(stored: &'s Stored, body: &'s [u8]) -> Self {
        let record: Invocation<'s> = serde_json::from_slice(body).unwrap_or_default();
        let payload = match record.request_payload {
            Some(payload) => Ok(payload),
            None => serde_json::from_slice(body),
        };
        let received = payload
            .map_err(|error| format!("the message isn't JSON: {error}"))
            .and_then(|payload| events_of_invocation(payload, stored.sent_at()));
        let response = record.response_payload;
        let reason = stored.attribute("ERROR_MESSAGE").map(Cow::Borrowed);
        let status = stored.attribute("ERROR_CODE").map(Cow::Borrowed);
        Self {
            stored,
            body,
            received,
            reason: reason
                .or(response.error_message)
                .unwrap_or("AWS names no reason".into()),
            status: status.or(response.error_type),
            request_id: record.request_context.request_id,
        }
    }

    pub(super) fn events(&self) -> &[Event<'s>] {
        let received = self.received.as_ref();
        received.map_or(&[], |received| &*received.events)
    }

    /// When its events were first received; for what can't be read, when it came to this queue.
    pub(super) fn received_at(&self) -> DateTime<Utc> {
        let received = self.received.as_ref();
        received.map_or(self.stored.sent_at(), |received| received.received_at)
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    pub(super) fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// The type of its first event.
    pub(super) fn kind(&self) -> Option<&str> {
        self.events().first().and_then(Event::type_name)
    }

    /// The letter, with what would be sent for its events now.
    pub(super) fn to_json(&self, previews: Option<Vec<Value>>) -> Value {
        let mut letter = self.head();
        match self.events() {
            [] => letter["body"] = String::from_utf8_lossy(self.body).into(),
            [event] => letter["event"] = json!(event.as_value()),
            events => {
                let events = events.iter().map(|event| json!(event.as_value()));
                letter["events"] = events.collect::<Vec<_>>().into();
            }
        }
        if let Some(previews) = previews {
            letter["now"] = previews.into();
        }
        letter
    }

    /// The letter without its events.
    pub(super) fn head(&self) -> Value {
        let first = self.events().first();
        let rejected_at = self.stored.attribute(REJECTED_AT_ATTRIBUTE);
        let sent_at = || self.stored.sent_at().to_rfc3339();
        json!({
            "messageId": first.and_then(Event::message_id),
            "kind": self.kind(),
            "reason": self.reason,
            "status": self.status,
            "requestId": self.request_id,
            "source": self.received.as_ref().map(|received| received.source.as_str()).ok(),
            "receivedAt": self.received_at(),
            "rejectedAt": rejected_at.map_or_else(sent_at, str::to_owned),
        })
    }

    /// The letter under today's settings and keys.
    pub(super) fn now<'l>(
        &'l self,
        mapping: &'l mapping::Settings,
        secret: Option<&'l Secret>,
    ) -> Now<'l> {
        Now {
            letter: self,
            mapping,
            secret,
        }
    }
}

/// A letter under today's settings and keys.
pub(super) struct Now<'l> {
    letter: &'l Letter<'l>,
    mapping: &'l mapping::Settings,
    secret: Option<&'l Secret>,
}

impl Now<'_> {
    /// What would be sent for each event.
    pub(super) fn previews(&self) -> Vec<Value> {
        let Ok(received) = &self.letter.received else {
            return Vec::new();
        };
        let events = received.events.iter();
        let previews = events.map(|event| {
            let arrival = self.arrival(received, event);
            preview_of_event(event, arrival, self.mapping, &mut Budget::default())
        });
        previews.collect()
    }

    /// Its events for the retry queue, or why a retry would be futile: what was wrong with them
    /// still is.
    pub(super) fn messages(&self) -> Result<Vec<Message>, String> {
        let received = self.letter.received.as_ref().map_err(Clone::clone)?;
        let events = received.events.iter();
        events
            .map(|event| {
                let arrival = self.arrival(received, event);
                if self.is_too_large(event) {
                    return Err(self.letter.reason.clone().into_owned());
                }
                if let Err(NotSent::Reject(reason)) =
                    map(event, arrival, self.mapping, &mut Budget::default())
                {
                    return Err(reason.into_owned());
                }
                let message = Message::new(received.source, received.received_at, event);
                let message = message.with_sender(received.source, arrival.sender);
                Ok(message.with_fresh_id())
            })
            .collect()
    }

    /// The HTTP API's limit, which nothing behind it checks. A batch's own context may have enlarged
    /// an event that was small enough when it came in, so the letter's reason counts as well.
    fn is_too_large(&self, event: &Event<'_>) -> bool {
        *self.letter.reason == *BodyError::EventTooLarge.to_string()
            && json!(event.as_value()).to_string().len() > MAX_EVENT_BYTES
    }

    /// A `user_hash` that was right stays right; one that wasn't may be right by today's `api_secret`.
    fn arrival(&self, received: &Received<'_>, event: &Event<'_>) -> Arrival {
        let stored = self.letter.stored;
        let sender = sender(received.source, |name| stored.attribute(name));
        let is_proven = self.secret.and_then(|secret| proof(event, secret));
        let is_verified =
            sender.is_verified || (sender.is_client_side() && is_proven == Some(true));
        Arrival {
            received_at_millis: received.received_at.timestamp_millis(),
            source: received.source,
            sender: Sender {
                is_verified,
                ..sender
            },
        }
    }
}

/// The record that Lambda's on-failure destination sends.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Invocation<'b> {
    #[serde(borrow)]
    request_payload: Option<&'b RawValue>,
    #[serde(borrow)]
    request_context: RequestContext<'b>,
    #[serde(borrow)]
    response_payload: ResponsePayload<'b>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestContext<'b> {
    #[serde(borrow)]
    request_id: Option<Cow<'b, str>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResponsePayload<'b> {
    #[serde(borrow)]
    error_message: Option<Cow<'b, str>>,
    #[serde(borrow)]
    error_type: Option<Cow<'b, str>>,
}

/// What the function was invoked with: an EventBridge event, else an event or an array of such.
fn events_of_invocation(
    payload: &RawValue,
    sent_at: DateTime<Utc>,
) -> Result<Received<'_>, String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct EventBridge<'b> {
        #[serde(borrow)]
        detail: Option<&'b RawValue>,
        time: Option<DateTime<Utc>>,
    }
    let wrapped: EventBridge<'_> = serde_json::from_str(payload.get()).unwrap_or_default();
    let (source, events) = match wrapped.detail {
        Some(detail) => (Source::EventBridge, detail),
        None => (Source::Direct, payload),
    };
    let entries = entries_of_array(events.get().as_bytes(), MAX_SEGMENT_EVENTS);
    let entries = entries.map_err(|error| error.to_string())?;
    let events = entries.into_iter().map(|entry| match entry.parsed {
        Parsed::Event(event) => Ok(event),
        Parsed::Rejected { reason, .. } => Err(reason.into_owned()),
    });
    Ok(Received {
        source,
        received_at: wrapped.time.unwrap_or(sent_at),
        events: events.collect::<Result<_, String>>()?,
    })
}
