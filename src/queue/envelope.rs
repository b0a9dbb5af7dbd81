//! The body of a message, and reading it again.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::entry::Entry;
use crate::segment::IgnoredUserIds;
use crate::source::Source;

/// The body of a message in any queue. `E` is the event as it was received, unmapped. Several
/// events of one user that share a message are in `events` instead, in order, so that a single
/// event can't pass itself off as several.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<E> {
    /// Version of this format: 1.
    pub v: u8,
    /// How the event came in.
    pub source: Source,
    /// When it was first received.
    pub received_at: DateTime<Utc>,
    /// The event.
    pub event: E,
}

/// What a message holds.
#[derive(Debug)]
pub struct Received<'b> {
    /// How its events came in.
    pub source: Source,
    /// When they were first received.
    pub received_at: DateTime<Utc>,
    /// The events, in order; at least one. Their sender stands in the message's attributes.
    pub entries: Vec<Entry<'b>>,
}

/// The version of [`Envelope`] that this code writes and reads.
pub const ENVELOPE_VERSION: u8 = 1;

pub(super) fn body<E: Serialize + ?Sized>(
    source: Source,
    received_at: DateTime<Utc>,
    event: &E,
) -> String {
    let envelope = Envelope {
        v: ENVELOPE_VERSION,
        source,
        received_at,
        event,
    };
    printable(&json(&envelope)).into_owned()
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("JSON values always serialise")
}

/// The text with the characters that SQS refuses written as JSON escapes (they only occur inside
/// strings).
pub(super) fn printable(text: &str) -> Cow<'_, str> {
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

/// Reads the body of a message. The events borrow from it.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn read_body<'b>(body: &'b str, ignored: &IgnoredUserIds) -> Result<Received<'b>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'b> {
        v: u8,
        source: Source,
        received_at: DateTime<Utc>,
        #[serde(borrow)]
        event: Option<&'b RawValue>,
        #[serde(borrow, default)]
        events: Vec<&'b RawValue>,
    }
    let not_ours = |error| format!("the message is not ours: {error}");
    let body: Body<'_> = serde_json::from_str(body).map_err(not_ours)?;
    if body.v != ENVELOPE_VERSION {
        return Err(format!(
            "the message has version {}, only {ENVELOPE_VERSION} is known",
            body.v
        ));
    }
    let events = body.event.into_iter().chain(body.events);
    let entries: Vec<Entry<'_>> = events.map(|event| Entry::parse(event, ignored)).collect();
    if entries.is_empty() {
        return Err("the message holds no event".to_owned());
    }
    Ok(Received {
        source: body.source,
        received_at: body.received_at,
        entries,
    })
}
