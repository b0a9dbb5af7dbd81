//! A message of either queue: an event as it was received, and why it is there.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::keyless::{Keyless, without_write_key};
use crate::segment::{Event, Object, Value};

/// How an event came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "named as they stand in a message")]
pub enum Source {
    Api,
    Webhook,
    EventBridge,
    Direct,
}

impl Source {
    /// As it stands in a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Webhook => "webhook",
            Self::EventBridge => "eventbridge",
            Self::Direct => "direct",
        }
    }

    /// Whether Segment itself sent it, rather than an SDK with a write key.
    pub fn is_segment(self) -> bool {
        self != Self::Api
    }
}

/// The body of a message in either queue. `E` is the event as
/// it was received, unmapped.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<E> {
    /// Version of this format: 1.
    pub v: u8,
    /// How the event came in.
    pub source: Source,
    /// When it came in first.
    pub received_at: DateTime<Utc>,
    /// The event.
    pub event: E,
}

/// The version of [`Envelope`] that this code writes and reads.
pub const ENVELOPE_VERSION: u8 = 1;

/// Message attribute of an event that failed within its request: when the first retry is due
/// (RFC 3339). A FIFO queue has no delay of its own for a single message.
pub const NOT_BEFORE_ATTRIBUTE: &str = "notBefore";

/// Most bytes of a message, so that in the dead-letter queue its attributes fit in as well. SQS
/// takes 1 MiB with them.
const LARGEST: usize = 1024 * 1024 - 16 * 1024;

/// Most characters of an attribute, which may quote what somebody else chose.
const LONGEST_ATTRIBUTE: usize = 1_000;

/// What is kept of an event that no queue takes. Its type is not among it, so that it can't come
/// back from the dead-letter queue and be delivered as if it were whole.
const KEPT: [&str; 6] = [
    "messageId",
    "userId",
    "anonymousId",
    "groupId",
    "previousId",
    "timestamp",
];

/// One message to send.
#[derive(Clone, Debug)]
pub struct Message {
    body: String,
    group_id: String,
    deduplication_id: String,
    pub(super) attributes: Vec<(&'static str, String)>,
}

impl Message {
    /// A message with an event. Its group is the event's user (else its messageId), its
    /// deduplication id the messageId (else the SHA-256 of the event).
    pub fn new(source: Source, received_at: DateTime<Utc>, event: &Event<'_>) -> Self {
        let id = event.message_id().map_or_else(
            || sha256(&json(&Keyless(event))),
            |id| queue_id(id).into_owned(),
        );
        let group_id = event
            .user()
            .map_or_else(|| id.clone(), |user| queue_id(&user).into_owned());
        Self {
            body: body(source, received_at, &Keyless(event)),
            group_id,
            deduplication_id: id,
            attributes: Vec::new(),
        }
    }

    /// A message with something that is no event but was sent as one.
    pub fn of_non_event(source: Source, received_at: DateTime<Utc>, json: &RawValue) -> Self {
        let json = without_write_key(json);
        let id = sha256(json.get());
        Self {
            body: body(source, received_at, &*json),
            group_id: id.clone(),
            deduplication_id: id,
            attributes: Vec::new(),
        }
    }

    /// The same message with nothing but the ids of its event, None for no event: for one that
    /// doesn't [fit](Self::fits).
    #[must_use]
    pub fn with_ids_alone(
        self,
        source: Source,
        received_at: DateTime<Utc>,
        event: Option<&Event<'_>>,
    ) -> Self {
        let ids = event.map(|event| {
            let kept = KEPT.into_iter().filter_map(|key| {
                let value = event.fields().get(key)?;
                let is_id = matches!(value, Value::Str(_) | Value::Number(_));
                (is_id && json(value).len() <= LONGEST_ATTRIBUTE).then(|| (key, value.clone()))
            });
            kept.collect::<Object<'_>>()
        });
        Self {
            body: body(source, received_at, &ids),
            ..self
        }
    }

    /// A message with this very body, for a body of the retry queue that can't be read.
    pub fn unreadable(body: String) -> Self {
        let id = sha256(&body);
        Self {
            body,
            group_id: id.clone(),
            deduplication_id: id,
            attributes: Vec::new(),
        }
    }

    /// Its body.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Its bytes, as SQS counts them.
    pub(super) fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, value)| name.len() + value.len() + "String".len());
        self.body.len() + attributes.sum::<usize>()
    }

    /// Whether both queues take it.
    pub fn fits(&self) -> bool {
        self.body.len() <= LARGEST
    }

    /// The group within which SQS keeps the order.
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// The id of which SQS takes a second one for a duplicate.
    pub fn deduplication_id(&self) -> &str {
        &self.deduplication_id
    }

    /// With another deduplication id, so that the queue takes an event again that it has seen.
    #[must_use]
    pub fn with_deduplication_id(mut self, id: &str) -> Self {
        self.deduplication_id = queue_id(id).into_owned();
        self
    }

    /// Of a public write key with this fingerprint: its events are duplicates only of each other.
    /// By the plain messageId whoever reads the key in a page could send another's event first,
    /// and SQS would drop the real one.
    #[must_use]
    pub fn among_those_of(mut self, fingerprint: &str) -> Self {
        let id = format!("{fingerprint}:{}", self.deduplication_id);
        self.deduplication_id = queue_id(&id).into_owned();
        self
    }

    /// With an attribute. A long value is cut, and an empty one left out: SQS refuses it.
    #[must_use]
    pub fn with_attribute(mut self, name: &'static str, value: &str) -> Self {
        let end = value.char_indices().nth(LONGEST_ATTRIBUTE);
        let value = end.map_or(value, |(end, _)| &value[..end]);
        if !value.is_empty() {
            self.attributes.push((name, printable(value).into_owned()));
        }
        self
    }
}

fn body<E: Serialize + ?Sized>(source: Source, received_at: DateTime<Utc>, event: &E) -> String {
    let envelope = Envelope {
        v: ENVELOPE_VERSION,
        source,
        received_at,
        event,
    };
    printable(&json(&envelope)).into_owned()
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("JSON values always serialise")
}

/// The text without the characters that SQS refuses, written as JSON escapes (they can only
/// stand inside of strings).
fn printable(text: &str) -> Cow<'_, str> {
    let refused = |c: char| {
        matches!(c, '\u{fffe}' | '\u{ffff}') || (c < ' ' && !matches!(c, '\t' | '\n' | '\r'))
    };
    if !text.contains(refused) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().map(|c| {
        if refused(c) {
            format!("\\u{:04x}", u32::from(c))
        } else {
            c.to_string()
        }
    });
    Cow::Owned(escaped.collect())
}

/// An id as SQS takes it for groups and deduplication: up to 128 printable ASCII characters
/// without spaces. Any other becomes its SHA-256.
pub fn queue_id(id: &str) -> Cow<'_, str> {
    const LONGEST: usize = 128;
    let fits = (1..=LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(sha256(id))
    }
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// Reads the body of a message. The event borrows from it.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn read_body(body: &str) -> Result<Envelope<Event<'_>>, String> {
    let not_ours = |error| format!("the message is not ours: {error}");
    let envelope: Envelope<&RawValue> = serde_json::from_str(body).map_err(not_ours)?;
    if envelope.v != ENVELOPE_VERSION {
        return Err(format!(
            "the message has version {}, only {ENVELOPE_VERSION} is known",
            envelope.v
        ));
    }
    // On its own, so that it may nest as deep here as it did at the door.
    let event: Value<'_> = serde_json::from_str(envelope.event.get()).map_err(not_ours)?;
    Ok(Envelope {
        v: envelope.v,
        source: envelope.source,
        received_at: envelope.received_at,
        event: Event::new(event).map_err(|error| error.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_sqs_refuses_become_hashes() {
        assert_eq!(queue_id("user-1@example.com"), "user-1@example.com");
        for id in ["two words", "é", "", &"x".repeat(129)] {
            assert_eq!(queue_id(id).len(), 64, "{id}");
        }
    }

    #[test]
    fn the_body_reads_back() {
        let json = r#"{"type":"track","userId":"u","event":"a￿b","properties":{"n":1.5}}"#;
        let event = Event::new(serde_json::from_str(json).expect("valid JSON")).expect("an object");
        let received_at = "2026-11-23T12:00:00Z".parse().expect("a date");
        let message = Message::new(Source::Api, received_at, &event);
        assert!(message.body.is_ascii(), "{}", message.body);
        assert_eq!(message.group_id, "u");
        let envelope = read_body(&message.body).expect("our own body");
        assert_eq!(
            (envelope.source, envelope.received_at),
            (Source::Api, received_at)
        );
        assert_eq!(envelope.event, event);
        assert!(read_body("{}").is_err());
        assert!(read_body(&message.body.replace("\"v\":1", "\"v\":2")).is_err());
    }

    #[test]
    fn what_the_door_takes_reads_back() {
        let received_at = "2026-11-23T12:00:00Z".parse().expect("a date");
        let deep = format!("{}1{}", "[".repeat(126), "]".repeat(126));
        for value in [&*deep, "201.61338154267818"] {
            let json = format!(r#"{{"type":"track","userId":"u","x":{value}}}"#);
            let raw: &RawValue = serde_json::from_str(&json).expect("JSON");
            let entry = crate::intake::Entry::parse(raw);
            let event = entry.event.expect("the door takes it");
            let message = Message::new(Source::Api, received_at, &event);
            assert!(message.body.contains(&json), "{}", message.body);
            let envelope = read_body(&message.body).expect("our own body");
            assert_eq!(envelope.event, event);
        }
    }
}
