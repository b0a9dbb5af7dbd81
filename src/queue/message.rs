//! A message of any queue: an event as it was received, and why it is there.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::envelope::{body, json, printable};
use super::ids::{fresh_id, message_id, owner, queue_id, sha256};
use super::keyless::{Keyless, without_write_key};
use super::sender_attributes::USER_HASH;
use crate::entry::{Entry, Parsed};
use crate::failure::{Code, Failure};
use crate::mapping::PlannedCalls;
use crate::segment::{Event, Object, Value};
use crate::source::Source;

/// Message attribute of an event that failed within its request: when the first retry is due
/// (RFC 3339). A FIFO queue has no delay of its own for a single message.
pub(super) const NOT_BEFORE_ATTRIBUTE: &str = "notBefore";

/// Message attribute of an event that waits, or whose wait is over: when Intercom first said that it
/// doesn't know the user (RFC 3339).
pub(super) const WAITING_SINCE_ATTRIBUTE: &str = "waitingSince";

/// Message attribute of a dead letter: why, in a line for a person.
pub(super) const REASON_ATTRIBUTE: &str = "reason";

/// Message attribute of a dead letter: why, in a word for a machine.
pub(super) const CODE_ATTRIBUTE: &str = "code";

/// Message attribute of a dead letter: HTTP status of Intercom's answer, or `rejected`.
pub(super) const STATUS_ATTRIBUTE: &str = "status";

/// [`STATUS_ATTRIBUTE`] of an event that Intercom didn't see.
const REJECTED: &str = "rejected";

/// Message attribute of a dead letter: Intercom's id of the request, else that of the invocation.
pub(super) const REQUEST_ID_ATTRIBUTE: &str = "requestId";

/// Most bytes of a body, so that in the dead-letter queue its attributes fit as well. SQS takes
/// 1 MiB including them.
const LARGEST: usize = 1024 * 1024 - 16 * 1024;

/// Most characters of an attribute's value, which may quote the sender's data.
const MAX_ATTRIBUTE_CHARS: usize = 1_000;

/// The fields kept of an event that is too large for a queue. Not its type, so that it can't be
/// moved back from the dead-letter queue and delivered as if it were complete.
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
    pub(super) attributes: Vec<(Cow<'static, str>, String)>,
    /// Its delay in a standard queue.
    pub(super) delay: Duration,
    /// Whether it holds an event, which can share a message with others.
    is_event: bool,
    /// The calls that its event takes.
    pub(super) planned: PlannedCalls,
}

/// What precedes the event in a body.
const EVENT_FIELD: &str = ",\"event\":";

impl Message {
    /// A message with an event, or what was sent as one, and its sender.
    pub fn of(entry: &Entry<'_>, source: Source, received_at: DateTime<Utc>) -> Self {
        let message = match entry.event() {
            Some(event) if matches!(entry.parsed, Parsed::Ids(_)) => {
                Self::of_unkept(source, received_at, event, entry.raw)
            }
            Some(event) => Self::new(source, received_at, event),
            None => Self::of_non_event(source, received_at, entry.raw),
        };
        message.with_sender(source, entry.sender)
    }

    /// A message with an event. Its group is the event's user (else its messageId), its
    /// deduplication id the messageId (else the SHA-256 of the event).
    pub fn new(source: Source, received_at: DateTime<Utc>, event: &Event<'_>) -> Self {
        Self {
            body: body(source, received_at, &Keyless(event)),
            group_id: queue_id(&owner(event, false)).into_owned(),
            deduplication_id: queue_id(&message_id(event)).into_owned(),
            attributes: Vec::new(),
            delay: Duration::ZERO,
            is_event: true,
            planned: PlannedCalls::of(&[]),
        }
    }

    /// A message with an event of which only the ids were kept.
    fn of_unkept(
        source: Source,
        received_at: DateTime<Utc>,
        ids: &Event<'_>,
        json: &RawValue,
    ) -> Self {
        Self {
            group_id: queue_id(&owner(ids, false)).into_owned(),
            deduplication_id: match ids.message_id() {
                Some(id) => queue_id(id).into_owned(),
                None => sha256(json.get()),
            },
            is_event: true,
            ..Self::of_non_event(source, received_at, json)
        }
    }

    /// A message with something that was sent as an event but isn't one.
    pub fn of_non_event(source: Source, received_at: DateTime<Utc>, json: &RawValue) -> Self {
        let json = without_write_key(json);
        let id = sha256(json.get());
        Self {
            body: body(source, received_at, &*json),
            group_id: id.clone(),
            deduplication_id: id,
            attributes: Vec::new(),
            delay: Duration::ZERO,
            is_event: false,
            planned: PlannedCalls::of(&[]),
        }
    }

    /// The same message with only the ids of its event (`None` if it isn't one), for a message that
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
                (is_id && json(value).len() <= MAX_ATTRIBUTE_CHARS).then(|| (key, value.clone()))
            });
            kept.collect::<Object<'_>>()
        });
        Self {
            body: body(source, received_at, &ids),
            ..self
        }
    }

    /// A message with exactly this body, for a message of the retry queue that can't be read.
    pub fn unreadable(body: String) -> Self {
        let id = sha256(&body);
        Self {
            body,
            group_id: id.clone(),
            deduplication_id: id,
            attributes: Vec::new(),
            delay: Duration::ZERO,
            is_event: false,
            planned: PlannedCalls::of(&[]),
        }
    }

    /// Its body.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Its size in bytes, as SQS counts them.
    pub(super) fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, value)| name.len() + value.len() + "String".len());
        self.body.len() + attributes.sum::<usize>()
    }

    /// Whether every queue accepts it.
    pub fn fits(&self) -> bool {
        self.body.len() <= LARGEST
    }

    /// The group within which SQS keeps the order.
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// The id by which SQS recognises duplicates.
    pub fn deduplication_id(&self) -> &str {
        &self.deduplication_id
    }

    /// With a deduplication id that no queue has seen, for a move from one queue or group to
    /// another. The message may have been there minutes ago, and if the queue dropped it as a
    /// duplicate, it would be lost once the original is deleted. Moving it twice merely duplicates
    /// it.
    #[must_use]
    pub fn with_fresh_id(mut self) -> Self {
        self.deduplication_id = fresh_id();
        self
    }

    /// Of an event that has been waiting since then.
    #[must_use]
    pub fn waiting_since(self, time: DateTime<Utc>) -> Self {
        self.with_attribute(WAITING_SINCE_ATTRIBUTE, &time.to_rfc3339())
    }

    /// Delayed for this long by a standard queue.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Not to be tried before this time.
    #[must_use]
    pub fn not_before(self, time: DateTime<Utc>) -> Self {
        self.with_attribute(NOT_BEFORE_ATTRIBUTE, &time.to_rfc3339())
    }

    /// With the attributes that say why its event is in the dead-letter queue. Its `requestId`
    /// is Intercom's, else that of the invocation.
    #[must_use]
    pub fn with_failure(self, code: Code, failure: &Failure, invocation_id: &str) -> Self {
        let status = failure.status.map(|status| status.to_string());
        let request_id = failure.request_id.as_deref().unwrap_or(invocation_id);
        self.with_attribute(REASON_ATTRIBUTE, &failure.reason)
            .with_attribute(CODE_ATTRIBUTE, code.as_str())
            .with_attribute(STATUS_ATTRIBUTE, status.as_deref().unwrap_or(REJECTED))
            .with_attribute(REQUEST_ID_ATTRIBUTE, request_id)
    }

    /// With this reason in place of its own, unless that is of an answer of Intercom.
    pub(super) fn with_common_reason(mut self, reason: &str) -> Self {
        let is_ours = (Cow::from(STATUS_ATTRIBUTE), REJECTED.to_owned());
        if self.attributes.contains(&is_ours) {
            self.attributes.retain(|(name, _)| name != REASON_ATTRIBUTE);
            return self.with_attribute(REASON_ATTRIBUTE, reason);
        }
        self
    }

    /// Of an event that takes these calls.
    #[must_use]
    pub fn planned(self, planned: PlannedCalls) -> Self {
        Self { planned, ..self }
    }

    /// Among the events of this owner, whose order the queue keeps.
    #[must_use]
    pub fn behind(mut self, owner: &str) -> Self {
        if !owner.is_empty() {
            self.group_id = queue_id(owner).into_owned();
        }
        self
    }

    /// What precedes the event in its body, which messages that are combined have in common.
    fn head(&self) -> Option<&str> {
        let end = self.body.find(EVENT_FIELD)?;
        self.is_event.then(|| &self.body[..end])
    }

    /// What this message and others need to have in common to be combined in any order; `None` for
    /// one that can't be.
    pub(super) fn in_common(&self) -> Option<String> {
        Some(format!("{} {:?}", self.head()?, self.attributes))
    }

    /// Whether this message and the next one of its group may be combined: how either's user was
    /// proven is kept for each event.
    pub(super) fn can_share_with(&self, next: &Self) -> bool {
        let is_of_both = |attribute: &&(Cow<'_, str>, String)| attribute.0 != USER_HASH;
        let of_both = |message: &Self| {
            message
                .attributes
                .iter()
                .filter(is_of_both)
                .cloned()
                .collect::<Vec<_>>()
        };
        self.head().is_some()
            && self.head() == next.head()
            && of_both(self) == of_both(next)
            && self.delay == next.delay
    }

    /// One message with the events of these, in order, under a fresh id. A sender's repeat may be
    /// divided into messages differently, so SQS would drop some of them as duplicates but not
    /// others, which would then come after later ones. With a fresh id all of it is queued again,
    /// in order.
    pub(super) fn shared(messages: &[Self]) -> Self {
        let [first, _, ..] = messages else {
            return messages[0].clone();
        };
        let head = first.body.find(EVENT_FIELD).unwrap_or_default();
        let event = |message: &Self| {
            let body = &message.body[head + EVENT_FIELD.len()..];
            body[..body.len() - "}".len()].to_owned()
        };
        let events: Vec<String> = messages.iter().map(event).collect();
        let proofs: Vec<bool> = messages.iter().map(Self::is_verified).collect();
        let merged = Self {
            body: format!(
                "{},\"events\":[{}]}}",
                &first.body[..head],
                events.join(",")
            ),
            deduplication_id: fresh_id(),
            ..first.clone()
        };
        merged.with_proofs(&proofs)
    }

    /// With a deduplication id of this write key or source, whose events are duplicates only of each
    /// other. With the plain messageId, anybody who reads a key in a page could send another's
    /// messageId first, and SQS would drop the real event.
    #[must_use]
    pub fn scoped_to(mut self, sender: &str) -> Self {
        let id = format!("{sender}:{}", self.deduplication_id);
        self.deduplication_id = queue_id(&id).into_owned();
        self
    }

    /// With an attribute. A long value is cut; an empty one, which SQS refuses, is left out.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<Cow<'static, str>>, value: &str) -> Self {
        let end = value.char_indices().nth(MAX_ATTRIBUTE_CHARS);
        let value = end.map_or(value, |(end, _)| &value[..end]);
        if !value.is_empty() {
            self.attributes
                .push((name.into(), printable(value).into_owned()));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::Received;
    use super::*;
    use crate::segment::IgnoredUserIds;

    fn read_body(body: &str) -> Result<Received<'_>, String> {
        super::super::read_body(body, &IgnoredUserIds::default())
    }

    fn events_of<'r>(received: &'r Received<'r>) -> Vec<&'r Event<'r>> {
        received.entries.iter().filter_map(Entry::event).collect()
    }

    #[test]
    fn the_body_reads_back() {
        let json = r#"{"type":"track","userId":"u","event":"a￿b","properties":{"n":1.5}}"#;
        let event = Event::new(
            serde_json::from_str(json).expect("valid JSON"),
            &IgnoredUserIds::default(),
        )
        .expect("an object");
        let received_at = "2026-11-23T12:00:00Z".parse().expect("a date");
        let message = Message::new(Source::Api, received_at, &event);
        assert!(message.body.is_ascii(), "{}", message.body);
        assert_eq!(message.group_id, "u");
        let envelope = read_body(&message.body).expect("our own body");
        assert_eq!(
            (envelope.source, envelope.received_at),
            (Source::Api, received_at)
        );
        assert_eq!(events_of(&envelope), [&event]);
        assert!(read_body("{}").is_err());
        assert!(read_body(&message.body.replace("\"v\":1", "\"v\":2")).is_err());
    }

    #[test]
    fn what_comes_in_reads_back() {
        let received_at = "2026-11-23T12:00:00Z".parse().expect("a date");
        let deep = format!("{}1{}", "[".repeat(126), "]".repeat(126));
        for value in [&*deep, "201.61338154267818"] {
            let json = format!(r#"{{"type":"track","userId":"u","x":{value}}}"#);
            let raw: &RawValue = serde_json::from_str(&json).expect("JSON");
            let entry = Entry::parse(raw, &IgnoredUserIds::default());
            let event = entry.event().expect("an event");
            let message = Message::new(Source::Api, received_at, event);
            assert!(message.body.contains(&json), "{}", message.body);
            let envelope = read_body(&message.body).expect("our own body");
            assert_eq!(events_of(&envelope), [event]);
        }
    }

    #[test]
    fn events_that_share_a_message_read_back_in_order() {
        let received_at = "2026-11-23T12:00:00Z".parse().expect("a date");
        let message = |json: &str| {
            let event: Value<'_> = serde_json::from_str(json).expect("valid JSON");
            let event = Event::new(event, &IgnoredUserIds::default()).expect("an object");
            Message::new(Source::Api, received_at, &event)
        };
        let one = message(r#"{"messageId":"1","userId":"u","a":{"x":",\"event\":}"}}"#);
        let two = message(r#"{"messageId":"2","userId":"u"}"#);
        assert!(one.can_share_with(&two));
        assert!(!one.can_share_with(&two.clone().not_before(received_at)));
        let shared = Message::shared(&[one.clone(), two.clone()]);
        let received = read_body(&shared.body).expect("our own body");
        assert_eq!(received.received_at, received_at);
        let ids = received.entries.iter().map(Entry::message_id);
        assert_eq!(ids.collect::<Vec<_>>(), [Some("1"), Some("2")]);
        assert_eq!(shared.group_id, "u");
        let again = Message::shared(&[one, two]);
        assert_ne!(shared.deduplication_id, again.deduplication_id);
    }

    /// The sender chooses the fields of an event.
    #[test]
    fn an_event_can_not_pass_for_several() {
        let json = r#"{"userId":"u","events":[{"type":"delete","userId":"v"}]}"#;
        let event = Event::new(
            serde_json::from_str(json).expect("valid JSON"),
            &IgnoredUserIds::default(),
        )
        .expect("an object");
        let received_at = "2026-11-23T12:00:00Z".parse().expect("a date");
        let message = Message::new(Source::Api, received_at, &event);
        let received = read_body(&message.body).expect("our own body");
        assert_eq!(events_of(&received), [&event]);
    }
}
